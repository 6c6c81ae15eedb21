//! What `hooks install` leaves on a host, and that `hooks remove` leaves nothing.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test looks at the host, and one that cannot go on says so"
)]

mod common;

use std::os::unix::fs::PermissionsExt as _;

use common::{Scratch, Snapshot};

const UNITS: &str = "R/etc/systemd/system";

/// A root with systemd and the program, and with units of others.
fn root() -> Scratch {
    let scratch = Scratch::new();
    scratch.file("R/usr/bin/certroll", "");
    scratch.dir("R/var/lib");
    scratch.dir(UNITS);
    scratch.file(&format!("{UNITS}/other.service"), "[Service]\n");
    scratch
}

fn units(scratch: &Scratch) -> Snapshot {
    Snapshot::of(&scratch.path("R"), &["var"])
}

#[test]
fn hooks_are_shown_written_once_and_removed_without_a_trace() {
    let scratch = root();
    let before = units(&scratch);
    let asked = scratch.on_root("hooks install").exits(2);
    assert!(
        asked
            .out
            .contains("+ExecStart=/usr/bin/certroll recover --boot")
    );
    assert!(asked.err.contains("there is no terminal to ask on"));
    units(&scratch).is(&before);

    let run = scratch.on_root("hooks install --yes").exits(0);
    assert!(
        run.out
            .contains("plan: 11 to create, 0 to change, 0 to remove; "),
        "{run:#?}"
    );
    let unit = scratch.read(&format!("{UNITS}/certroll-recover.service"));
    assert!(
        unit.contains("\nExecStart=/usr/bin/certroll recover --boot\n"),
        "{unit}"
    );
    let wants = scratch.path(&format!(
        "{UNITS}/sysinit.target.wants/certroll-recover.service"
    ));
    assert_eq!(std::fs::read_to_string(wants).unwrap(), unit, "enabled");
    let after = units(&scratch);

    let again = scratch.on_root("hooks install --yes").exits(0);
    assert!(again.last().starts_with("converged"), "{again:#?}");
    units(&scratch).is(&after);

    scratch.on_root("hooks remove --yes").exits(0);
    units(&scratch).is(&before);
    let again = scratch.on_root("hooks remove --yes").exits(0);
    assert!(again.last().starts_with("converged"), "{again:#?}");
    // They are no rollout that anybody could roll back or apply again by mistake.
    scratch
        .on_root("rollback --yes")
        .exits(0)
        .says("nothing to take back");
}

#[test]
fn a_directory_that_others_use_stays_and_an_edited_unit_is_put_right() {
    let scratch = root();
    scratch.file(&format!("{UNITS}/sysinit.target.wants/other.service"), "");
    let before = units(&scratch);
    scratch.on_root("hooks install --yes").exits(0);
    let installed = units(&scratch);
    scratch.file(&format!("{UNITS}/certroll-recover.service"), "[Unit]\n");
    scratch
        .on_root("hooks install --yes")
        .exits(0)
        .says("+ConditionPathExists=/var/lib/certroll/pending");
    units(&scratch).is(&installed);
    scratch.on_root("hooks remove --yes").exits(0);
    units(&scratch).is(&before);
}

/// Where other tools look for hooks, each with the hook's name there.
const TOOLS: [(&str, &str); 11] = [
    ("etc/apt/apt.conf.d", "90certroll"),
    ("etc/dpkg/dpkg.cfg.d", "certroll"),
    ("etc/letsencrypt/renewal-hooks/deploy", "certroll"),
    ("usr/share/wazo-upgrade/pre-stop.d", "90-certroll"),
    ("usr/share/wazo-upgrade/post-stop.d", "90-certroll"),
    ("usr/share/wazo-upgrade/pre-start.d", "90-certroll"),
    ("usr/share/wazo-upgrade/post-start.d", "90-certroll"),
    ("usr/share/xivo-upgrade/pre-stop.d", "90-certroll"),
    ("usr/share/xivo-upgrade/post-stop.d", "90-certroll"),
    ("usr/share/xivo-upgrade/pre-start.d", "90-certroll"),
    ("usr/share/xivo-upgrade/post-start.d", "90-certroll"),
];

#[test]
fn each_hook_is_written_where_its_tool_is_and_nowhere_else() {
    for (dir, name) in TOOLS {
        let scratch = root();
        scratch.dir(&format!("R/{dir}"));
        let before = units(&scratch);
        scratch.on_root("hooks install --yes").exits(0);
        let written = units(&scratch).differences(&before);
        let stray: Vec<_> = written
            .iter()
            .filter(|line| !line.starts_with("etc/systemd/system/"))
            .collect();
        assert_eq!(stray.len(), 1, "{stray:#?}");
        let hook = scratch.read(&format!("R/{dir}/{name}"));
        assert!(hook.contains("/usr/bin/certroll ") || hook.contains("/run/certroll/upgrade"));
        assert!(!hook.contains('@'), "{hook}");
        let mode = std::fs::metadata(scratch.path(&format!("R/{dir}/{name}")));
        let is_script = hook.starts_with("#!/bin/sh\n");
        let wanted = if is_script { 0o755 } else { 0o644 };
        assert_eq!(mode.unwrap().permissions().mode() & 0o7777, wanted);
        if is_script {
            scratch.sh(&format!("sh -n R/{dir}/{name}"));
        }
        scratch.on_root("hooks remove --yes").exits(0);
        units(&scratch).is(&before);
    }
}

#[test]
fn sources_and_targets_of_what_is_remembered_are_watched_and_who_has_none_is_told() {
    let scratch = Scratch::wazo();
    scratch.file("R/usr/bin/certroll", "");
    scratch.dir(UNITS);
    scratch.dir("R/root/.acme.sh");
    scratch.mint("site", "wazo.example.com");
    let apply = "apply --yes --profile wazo --cert site.pem --key site.key";
    scratch.on_root(apply).exits(0);
    let run = scratch.on_root("hooks install --yes").exits(0);
    assert!(
        run.out
            .contains("--reloadcmd \"/usr/bin/certroll hooks run acme.sh\"")
    );
    assert!(
        run.out
            .contains("describe it in /etc/certroll/rollouts.d/wazo.yaml")
    );
    let watched = |scratch: &Scratch| -> Vec<String> {
        let unit = scratch.read(&format!("{UNITS}/certroll-hooks.path"));
        let lines = unit.lines().filter_map(|l| l.strip_prefix("PathChanged="));
        lines.map(str::to_owned).collect()
    };
    let targets = [
        "/usr/share/xivo-certs/server.key",
        "/usr/share/xivo-certs/server.crt",
        "/etc/xivo/custom/custom-certificate.yml",
        "/etc/xivo/custom-templates/system/etc/hosts",
        "/etc/hosts",
    ];
    assert_eq!(watched(&scratch), targets);

    scratch.file("R/etc/pki/100%/site.pem", scratch.read("site.pem"));
    scratch.file("R/etc/pki/100%/site.key", scratch.read("site.key"));
    scratch.mode("R/etc/pki/100%/site.key", 0o600);
    scratch.file(
        "R/etc/certroll/rollouts.d/wazo.yaml",
        "profiles: [wazo]\ncert: /etc/pki/100%/site.pem\nkey: /etc/pki/100%/site.key\n",
    );
    let run = scratch.on_root("hooks install --yes").exits(0);
    assert!(!run.out.contains("describe it in"), "{run:#?}");
    let sources = [
        "/etc/certroll/rollouts.d/wazo.yaml",
        "/etc/pki/100%%/site.pem",
        "/etc/pki/100%%/site.key",
    ];
    assert_eq!(watched(&scratch), [&sources[..], &targets[..]].concat());
    scratch
        .on_root("hooks install --yes")
        .exits(0)
        .says("converged");
}

#[test]
fn hooks_look_for_profiles_where_install_was_told_to() {
    let scratch = root();
    let run = scratch.on_root("--profiles P hooks install --yes").exits(2);
    assert!(run.err.contains("`P` is not a plain path from the root"));
    scratch
        .on_root("--profiles /etc/certroll/profiles hooks install --yes")
        .exits(0);
    let unit = scratch.read(&format!("{UNITS}/certroll-hooks@.service"));
    let line = "\nExecStart=/usr/bin/certroll --profiles /etc/certroll/profiles hooks run %i\n";
    assert!(unit.contains(line), "{unit}");
}

#[test]
fn a_host_on_which_they_would_not_work_is_refused() {
    let masked = root();
    masked.link("/dev/null", &format!("{UNITS}/certroll-recover.service"));
    let before = units(&masked);
    let run = masked.on_root("hooks install --yes").exits(1);
    assert!(
        run.err
            .contains("certroll-recover.service` is a link, want a file"),
        "{run:#?}"
    );
    units(&masked).is(&before);

    let other = Scratch::new();
    other.file("R/usr/bin/certroll", "");
    let run = other.on_root("hooks install --yes").exits(2);
    assert!(
        run.err.contains("there is no `/etc/systemd/system`"),
        "{run:#?}"
    );

    let without = Scratch::new();
    without.dir(UNITS);
    let run = without.on_root("hooks install --yes").exits(2);
    assert!(
        run.err.contains("there is no certroll on this host"),
        "{run:#?}"
    );
    let run = without
        .certroll("--root R --state S hooks remove --yes")
        .exits(2);
    assert!(run.err.contains("leave `--state` out"), "{run:#?}");
}
