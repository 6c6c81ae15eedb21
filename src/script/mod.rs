//! A plan as a script of the platform's own commands, for operators who may run openssl and curl and no program of ours.
//!
//! It is made from values: the plan, what its requests carry, and the caller's files. Keys and passwords stand in it by the
//! paths of their files. What only certroll can do for certain is refused, and not left out.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    desired::Probe,
    error::{Error, Result},
    identity::Input,
    peer::Fingerprint,
    plan::{Change, Plan, holds_key},
    render::shell_word,
    state::{Bytes, Content, State},
};

mod far;
mod local;
mod proof;

const HEAD: &str = "
# It checks first, then changes and proves, and goes back once where a step or a proof fails. It exits with
#   0 done and proved    1 refused, nothing was changed    3 rolled back, proved    4 not as before: it says why
# What it does not do, and `certroll apply` does:
#   - It is no transaction: nothing is written down and nobody is locked out. What is done when it is killed stays done.
#   - It takes what is there for what the plan saw, and compares no more than the leaves of peers and of the files below.
#   - It proves which leaf is served, not the chain behind it; it asks no unit and reads no configuration back.
#   - certroll learns nothing of it: there is no generation, and pins stay as they are.
# Keys and passwords are in the files that it names, and in no argument of a program. It needs openssl, for requests curl, and
# mktemp and timeout beside the tools of every host.

# What `await` is given is called by it, which shellcheck does not see.
# shellcheck disable=SC2317
set -u
umask 077
LC_ALL=C
export LC_ALL
";

const BASE: &str = include_str!("base.sh");
const COMMANDS: &str = include_str!("commands.sh");
const FILES: &str = include_str!("files.sh");
const REQUESTS: &str = include_str!("requests.sh");
const RUN: &str = include_str!("run.sh");
const SAYS: &str = include_str!("says.sh");

/// What a script is made of.
#[derive(Debug)]
struct Scribe<'a> {
    plan: &'a Plan,
    /// What requests carry, by name.
    sent: &'a [(String, Bytes)],
    /// The caller's files.
    files: &'a [Input],
    /// Before anything is changed.
    check: Vec<String>,
    /// The way forward.
    forward: Vec<String>,
    /// The way back.
    back: Vec<String>,
    /// Peers of requests, each with the leaves that are accepted of it.
    accepted: Vec<(String, BTreeSet<Fingerprint>)>,
    /// What writes curl's configuration of each login; their numbers begin with 1.
    logins: Vec<String>,
    /// What tells services.
    tell: Vec<String>,
}

/// Writes a plan that is not blocked as a script for a POSIX shell.
///
/// `sent` is what its requests carry, by name; `files` are those of the caller's that may hold parts of an identity.
///
/// # Errors
/// [`Error::Usage`] where the plan does what no such script can do for certain, or a part of an identity is in no file of
/// its own.
pub fn script(plan: &Plan, sent: &[(String, Bytes)], files: &[Input]) -> Result<String> {
    if !plan.live {
        return Err(refused("it is for another root", "leave `--root` out"));
    }
    let mut scribe = Scribe {
        plan,
        sent,
        files,
        check: Vec::new(),
        forward: Vec::new(),
        back: Vec::new(),
        accepted: Vec::new(),
        logins: Vec::new(),
        tell: Vec::new(),
    };
    let local = scribe.local()?;
    scribe.proofs(0)?;
    scribe.far()?;
    // The way back begins with what came last.
    scribe.back.extend(local);
    scribe.unchanged()?;
    scribe.baseline();
    Ok(scribe.text())
}

fn refused(why: &str, hint: &str) -> Error {
    Error::Usage {
        message: format!("no script can be made of this plan: {why}"),
        hint: hint.to_owned(),
    }
}

impl<'a> Scribe<'a> {
    /// Returns the file of the caller's that holds exactly this.
    fn file(&self, bytes: &Bytes, what: &str) -> Result<&'a Input> {
        let found = self.files.iter().find(|file| file.bytes == *bytes);
        let file = found.ok_or_else(|| {
            let hint = if holds_key(bytes) {
                "write the key as it is placed, and name that: `openssl pkey -in KEY -out FILE`, then `--key` (`--previous-key`)"
            } else {
                "write leaf and chain, and nothing else, to one file, and name that: `--cert` (`--previous-cert`)"
            };
            refused(&format!("no file that was named is exactly {what}"), hint)
        })?;
        if !file.name.starts_with('/') || file.name.contains(|c: char| c.is_control()) {
            let why = format!("`{}` is no plain path from `/`", file.name.escape_debug());
            return Err(refused(
                &why,
                "name the file from `/`: a script runs anywhere",
            ));
        }
        Ok(file)
    }

    /// Has it checked that the parts of one identity are still in their files.
    fn pairs(&mut self, parts: &[&Input]) -> Result<()> {
        let keys = parts.iter().filter(|part| holds_key(&part.bytes));
        for key in keys {
            for part in parts
                .iter()
                .filter(|p| p.name != key.name || parts.len() == 1)
            {
                let Some(leaf) = part.certificates()?.into_iter().next() else {
                    continue;
                };
                let names = [shell_word(&key.name), shell_word(&part.name)];
                let line = format!("pair {} {}", names.join(" "), leaf.sha256);
                if !self.check.contains(&line) {
                    self.check.push(line);
                }
            }
        }
        Ok(())
    }

    fn text(&self) -> String {
        let plan = self.plan;
        let goal = match plan.identity.fingerprint.as_str() {
            "" => "the platform's own default".to_owned(),
            leaf => format!(
                "{}, SHA-256 of the leaf\n# {leaf}",
                plain(&plan.identity.subject)
            ),
        };
        let mut text = format!(
            "#!/bin/sh\n# Rollout {}, without certroll: {goal}\n#{HEAD}\n",
            plain(&plan.rollout)
        );
        if !plan.says.is_empty() {
            let _ = writeln!(text, "leaf={}", plan.identity.fingerprint);
        }
        let _ = writeln!(text, "deadline={}", plan.deadline);
        let places = !plan.changes.is_empty();
        if places {
            let of = self.names();
            let _ = writeln!(text, "kept=.before-{of}\nnew=.new-{of}");
        }
        if self.has_local() {
            text.push_str("begun=''\n");
        }
        if !plan.far.is_empty() {
            text.push_str("sent=0\n");
        }
        text.push('\n');
        let or_fail = |line: &String| match line.strip_prefix(' ') {
            Some(plain) => format!("    {plain}\n"),
            None => format!("    {line} || return 1\n"),
        };
        let or_note = |line: &String| match line.strip_prefix(' ') {
            Some(plain) => format!("    {plain}\n"),
            None => format!("    {line} || bad=1\n"),
        };
        let login = |(n, line): (usize, &String)| format!("{line} >\"$work/login{}\"", n + 1);
        let logins: Vec<String> = self.logins.iter().enumerate().map(login).collect();
        let check: String = self.check.iter().chain(&logins).map(or_fail).collect();
        let forward: String = self.forward.iter().map(or_fail).collect();
        let back: String = self.back.iter().map(or_note).collect();
        let _ = write!(
            text,
            "check() {{\n{check}    return 0\n}}\n\nforward() {{\n{forward}    return 0\n}}\n\nback() {{\n    bad=0\n{back}    return \"$bad\"\n}}\n"
        );
        if !self.tell.is_empty() {
            let all: String = self
                .tell
                .iter()
                .map(|line| format!("    {line} || told=1\n"))
                .collect();
            let _ = write!(
                text,
                "\n# Who is told: all of it, whatever becomes of the first.\ntell() {{\n    told=0\n{all}    return \"$told\"\n}}\n"
            );
        }
        if !self.accepted.is_empty() {
            text.push_str(
                "\n# The leaves that are accepted of a peer.\naccepted() {\n    case $1 in\n",
            );
            for (peer, leaves) in &self.accepted {
                let leaves: Vec<String> = leaves.iter().map(Fingerprint::to_string).collect();
                let leaves = leaves.join(" ");
                let _ = writeln!(text, "        {}) echo '{leaves}' ;;", shell_word(peer));
            }
            text.push_str("    esac\n}\n");
        }
        let requests = self.asks();
        for (needed, part) in [
            (true, BASE),
            (places, FILES),
            (!plan.services.is_empty(), COMMANDS),
            (!plan.says.is_empty(), SAYS),
            (requests, REQUESTS),
            (true, RUN),
        ] {
            if needed {
                text.push('\n');
                text.push_str(part);
            }
        }
        text
    }

    /// Tells whether anything is asked over HTTP.
    fn asks(&self) -> bool {
        let http = |probe: &Probe| matches!(probe, Probe::Http { .. });
        !self.plan.far.is_empty() || self.plan.promises.iter().any(|p| http(&p.probe))
    }

    /// What the names of copies and of new files beside their targets end with.
    fn names(&self) -> &str {
        let leaf = self.plan.identity.fingerprint.get(..12);
        leaf.unwrap_or("default")
    }
}

/// Returns what a change puts in place, where it does no more than that.
fn file_of(change: &Change) -> Option<(&Bytes, &crate::state::Attrs)> {
    let State::Present { content, attrs } = &change.after else {
        return None;
    };
    let simple = matches!(
        change.before,
        State::Absent
            | State::Present {
                content: Content::File(_),
                ..
            }
    );
    match content {
        Content::File(bytes) if simple && !change.in_place => Some((bytes, attrs)),
        Content::File(_) | Content::Link(_) | Content::Dir | Content::Other => None,
    }
}

/// Returns text that stays in its comment.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
