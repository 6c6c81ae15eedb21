//! What `hooks install` leaves on a host, and that `hooks remove` leaves nothing.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test looks at the host, and one that cannot go on says so"
)]

mod common;

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
            .contains("plan: 4 to create, 0 to change, 0 to remove; "),
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
