//! Who else writes what a rollout is about to write, as the configuration of other tools tells it: read, never changed.

use std::collections::HashSet;

use crate::{
    host::{EntryKind, Tree},
    plan::Change,
    preflight::{Finding, Severity},
    state::HostPath,
};

/// A tool that installs identities, and where it says which files are its own.
struct Manager {
    name: &'static str,
    /// Directory of its records.
    dir: &'static str,
    /// Whether each record is in a directory of its own, as acme.sh keeps them.
    deep: bool,
    /// How the name of a record ends.
    ends: &'static str,
    /// How it is told to leave a file alone.
    hint: &'static str,
}

/// certmonger's `cert_file=` and `key_file=` (its source, `store-files.c`); certbot's hooks and renewal settings (its
/// documentation, "Modifying the Renewal Configuration"); acme.sh's `Le_Real...Path` (its wiki, "deploy to files").
const MANAGERS: &[Manager] = &[
    Manager {
        name: "certmonger",
        dir: "/var/lib/certmonger/requests",
        deep: false,
        ends: "",
        hint: "list its requests with `getcert list`, and end the one for this file with `getcert stop-tracking`",
    },
    Manager {
        name: "certbot",
        dir: "/etc/letsencrypt/renewal",
        deep: false,
        ends: ".conf",
        hint: "have its deploy hook call certroll instead: `certroll hooks install`",
    },
    Manager {
        name: "certbot",
        dir: "/etc/letsencrypt/renewal-hooks",
        deep: true,
        ends: "",
        hint: "have its deploy hook call certroll instead: `certroll hooks install`",
    },
    ACME_SH,
    Manager {
        dir: "/etc/acme.sh",
        ..ACME_SH
    },
];

const ACME_SH: Manager = Manager {
    name: "acme.sh",
    dir: "/root/.acme.sh",
    deep: true,
    ends: ".conf",
    hint: "have its --reloadcmd call certroll instead of installing to this file: `certroll hooks install` says how",
};

/// The switch that has cloud-init write /etc/hosts at every boot (its module `cc_update_etc_hosts`).
const SWITCH: &str = "manage_etc_hosts";

/// Names who else writes the files of these changes, each with the line that says so.
pub(super) fn named(tree: &dyn Tree, changes: &[Change]) -> Vec<Finding> {
    if changes.is_empty() {
        return Vec::new();
    }
    let paths: HashSet<&str> = changes.iter().map(|c| c.path.as_str()).collect();
    let mut findings = Vec::new();
    for manager in MANAGERS {
        for record in records(tree, manager) {
            for (number, line) in lines(tree, &record) {
                let words = line.split(|c: char| c.is_whitespace() || "='\"`;,".contains(c));
                for path in words.filter(|word| paths.contains(word)) {
                    let message = format!(
                        "{} writes `{path}` too, as {record}:{number} says",
                        manager.name
                    );
                    findings.push(warning(message, manager.hint));
                }
            }
        }
    }
    if paths.contains("/etc/hosts") {
        findings.extend(cloud_init(tree));
    }
    findings
}

fn warning(message: String, hint: &str) -> Finding {
    Finding::host(Severity::Warning, "other-manager", message).hinted(hint)
}

/// What cannot be listed or read is no evidence, and no reason to stop.
fn records(tree: &dyn Tree, manager: &Manager) -> Vec<HostPath> {
    let depth = if manager.deep { 2 } else { 1 };
    let top = HostPath::new(manager.dir).unwrap_or_default();
    let mut files = tree.walk(&top, depth, &|_| true).unwrap_or_default();
    files.retain(|file| file.name().ends_with(manager.ends));
    files
}

/// Returns the lines of a file that are no comments, numbered from 1.
fn lines(tree: &dyn Tree, file: &HostPath) -> Vec<(usize, String)> {
    let text = tree.text(file).ok().flatten().unwrap_or_default();
    let numbered = text.lines().enumerate();
    let said = numbered.filter(|(_, line)| !line.trim_start().starts_with('#'));
    said.map(|(n, line)| (n + 1, line.to_owned())).collect()
}

/// Finds the last of its settings that decides: cloud.cfg, then cloud.cfg.d in order.
fn cloud_init(tree: &dyn Tree) -> Option<Finding> {
    let dir = HostPath::new("/etc/cloud/cloud.cfg.d").ok()?;
    let mut files = vec![HostPath::new("/etc/cloud/cloud.cfg").ok()?];
    let more = tree.list(&dir).ok().flatten().unwrap_or_default();
    let more = more
        .into_iter()
        .filter(|entry| entry.kind != EntryKind::Dir);
    let more = more.filter(|entry| entry.name.strip_suffix(".cfg").is_some());
    files.extend(more.map(|entry| dir.join(&entry.name)));
    let mut last = None;
    for file in files {
        for (number, line) in lines(tree, &file) {
            if let Some((SWITCH, value)) = line.split_once(':') {
                let value = value.split('#').next().unwrap_or_default().trim();
                last = Some((file.clone(), number, value.to_owned()));
            }
        }
    }
    let (file, number, value) = last?;
    let is_on = !matches!(value.to_lowercase().as_str(), "false" | "no" | "off" | "0");
    let message = format!("cloud-init writes `/etc/hosts` at every boot, as {file}:{number} says");
    let hint = format!("switch it off: `echo '{SWITCH}: false' > {dir}/99-certroll.cfg`");
    is_on.then(|| warning(message, &hint))
}
