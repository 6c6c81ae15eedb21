//! Hostile surroundings: links, saved plans, profiles and state directories that others have a hand in. As root on a
//! tree that others may have prepared, nothing outside it and nothing that the plan does not name is ever touched.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests lay traps and look whether they were sprung"
)]

mod common;
#[path = "hostile/decides.rs"]
mod decides;

use std::{fs, os::unix::fs::lchown, path::Path};

use common::{Run, Scratch, Snapshot, skip};

const OWN: &str = "--profiles P apply --profile own --cert a.pem --key a.key --yes";
const WAZO: &str = "--profile wazo --cert a.pem --key a.key";
const NOBODY: u32 = 65534;

/// A root `R` with a profile that puts a pair in `/opt/pki`, and a place outside with something in it.
fn scratch() -> Option<Scratch> {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can be led to write where others could not");
        return None;
    }
    let scratch = Scratch::wazo();
    scratch.mint("a", "wazo.example.com");
    scratch.dir("R/opt");
    scratch.file("outside/server.key", "not yours\n");
    scratch.profile(
        "own",
        "resources:\n  - {kind: pem, path: /opt/pki/server.key, form: key}\n  - {kind: pem, path: /opt/pki/server.crt, form: fullchain}\n",
    );
    Some(scratch)
}

fn outside(scratch: &Scratch) -> Snapshot {
    Snapshot::of(&scratch.path("outside"), &[])
}

/// Asserts that a run fails with the host as it was, in and out of the root.
#[track_caller]
fn refused(scratch: &Scratch, line: &str, code: i32) -> Run {
    let (tree, around) = (scratch.tree(), outside(scratch));
    let run = scratch.on_root(line).exits(code);
    scratch.tree().is(&tree);
    outside(scratch).is(&around);
    assert!(run.err.ends_with("host: unchanged\n"), "{run:#?}");
    assert_eq!(scratch.sh("find . -name '.certroll-*'"), "");
    run
}

#[test]
fn a_directory_that_is_a_link_out_of_the_root_is_refused() {
    let Some(scratch) = scratch() else {
        return;
    };
    let absolute = scratch.text("outside");
    let up = format!("../../../../../../../..{absolute}");
    for target in [
        absolute.as_str(),
        up.as_str(),
        "../../outside",
        "/",
        "pki",
        "/proc/self/root",
    ] {
        scratch.link(target, "R/opt/pki");
        if target == "/" {
            // Inside, `/` is the root itself: where the link leads is seen as the host would see it.
            scratch.on_root(OWN).exits(0);
            assert!(scratch.path("R/server.key").is_file());
            assert!(!Path::new("/server.key").exists());
            scratch.on_root("rollback --yes").exits(0);
            assert!(!scratch.path("R/server.key").exists());
        } else {
            // The plan knows it, so that nobody approves what cannot be done.
            scratch
                .on_root(&OWN.replace("apply", "plan").replace(" --yes", ""))
                .exits(1);
            let run = refused(&scratch, OWN, 1);
            assert!(
                run.err.contains("`/opt/pki`") || run.err.contains("`R/opt/pki`"),
                "{run:#?}"
            );
        }
        fs::remove_file(scratch.path("R/opt/pki")).unwrap();
    }
    scratch.file("R/opt/pki", "a file in the way\n");
    let run = refused(&scratch, OWN, 1);
    assert!(
        run.err
            .contains("error: `/opt/pki` is a file, want a directory [parent-unfit]\n"),
        "{run:#?}"
    );
}

#[test]
fn a_link_that_another_user_may_turn_is_not_followed() {
    let Some(scratch) = scratch() else {
        return;
    };
    scratch.dir("R/srv/target");
    let lay = |owner: u32, mode: u32| {
        drop(fs::remove_file(scratch.path("R/opt/pki")));
        scratch.link("/srv/target", "R/opt/pki");
        lchown(scratch.path("R/opt/pki"), Some(owner), Some(owner)).unwrap();
        scratch.mode("R/opt", mode);
    };
    // Another's link, in a directory for all; root's own link, where others may put another in its place.
    for (owner, mode) in [(NOBODY, 0o1777), (NOBODY, 0o755), (0, 0o777), (0, 0o1777)] {
        lay(owner, mode);
        let run = refused(&scratch, OWN, 1);
        assert!(
            run.err
                .contains("error: cannot follow a link that others may write: `R/opt/pki`\n"),
            "{run:#?}"
        );
    }
    lay(0, 0o755);
    scratch.owner("R/opt", NOBODY, NOBODY);
    refused(&scratch, OWN, 1);
    scratch.owner("R/opt", 0, 0);
    // The same link is followed where only root could have made it.
    scratch.on_root(OWN).exits(0);
    assert!(scratch.path("R/srv/target/server.key").is_file());
}

#[test]
fn the_platforms_own_directory_turned_into_a_link_to_anothers_is_refused() {
    let Some(scratch) = scratch() else {
        return;
    };
    scratch.dir("R/home/nobody");
    scratch.owner("R/home/nobody", NOBODY, NOBODY);
    scratch.dir("R/etc/xivo");
    for target in ["/home/nobody", "../../home/nobody"] {
        scratch.link(target, "R/etc/xivo/custom");
        lchown(
            scratch.path("R/etc/xivo/custom"),
            Some(NOBODY),
            Some(NOBODY),
        )
        .unwrap();
        refused(&scratch, &format!("apply {WAZO} --yes"), 1);
        assert_eq!(scratch.sh("ls -A R/home/nobody"), "");
        fs::remove_file(scratch.path("R/etc/xivo/custom")).unwrap();
    }
}

/// Root's own link to another's directory is root's decision; what its owner laid there is not.
#[test]
fn what_another_laid_where_roots_link_leads_is_neither_followed_nor_written_through() {
    let Some(scratch) = scratch() else {
        return;
    };
    scratch.file("R/etc/shadow", "root:*:1::::::\n");
    scratch.mode("R/etc/shadow", 0o600);
    scratch.dir("R/home/nobody");
    scratch.dir("R/etc/xivo");
    scratch.link("/home/nobody", "R/etc/xivo/custom");
    for target in ["../../etc/shadow", "/etc/shadow", "/etc/new"] {
        scratch.link(target, "R/home/nobody/custom-certificate.yml");
        scratch.sh("chown -hR 65534:65534 R/home/nobody");
        refused(&scratch, &format!("apply {WAZO} --yes"), 1);
        scratch.sh("rm R/home/nobody/custom-certificate.yml");
    }
    scratch.sh("ln R/etc/shadow R/home/nobody/custom-certificate.yml");
    let shadow = scratch.tree().0[Path::new("etc/shadow")].clone();
    scratch.on_root(&format!("apply {WAZO} --yes")).exits(0);
    assert_eq!(scratch.tree().0[Path::new("etc/shadow")], shadow);
    assert!(
        scratch
            .read("R/home/nobody/custom-certificate.yml")
            .contains("wazo.example.com")
    );
}

#[test]
fn a_target_that_is_a_link_is_neither_followed_nor_replaced_unasked() {
    let Some(scratch) = scratch() else {
        return;
    };
    scratch.dir("R/opt/pki");
    for target in [scratch.text("outside/server.key"), "/etc/hosts".to_owned()] {
        scratch.link(&target, "R/opt/pki/server.key");
        let run = refused(&scratch, OWN, 1);
        assert!(run.err.contains("[target-is-link]"), "{run:#?}");
        fs::remove_file(scratch.path("R/opt/pki/server.key")).unwrap();
    }
}

/// Changes one thing of a saved plan.
fn tampered(scratch: &Scratch, change: impl Fn(&mut serde_json::Value)) {
    let mut saved: serde_json::Value = serde_json::from_str(&scratch.read("saved.json")).unwrap();
    let before = saved.clone();
    change(&mut saved);
    assert_ne!(saved, before, "nothing was changed");
    scratch.file("bad.json", serde_json::to_vec(&saved).unwrap());
}

#[test]
fn nothing_is_done_because_a_saved_plan_says_so() {
    type Change = fn(&mut serde_json::Value);
    let Some(scratch) = scratch() else {
        return;
    };
    scratch.file("R/etc/shadow", "root:*:1::::::\n");
    scratch
        .on_root(&format!("plan {WAZO} --out saved.json"))
        .exits(5);
    let changes: [Change; 8] = [
        |saved| {
            let mut more = saved["plan"]["changes"][0].clone();
            more["path"] = "/etc/shadow".into();
            saved["plan"]["changes"].as_array_mut().unwrap().push(more);
        },
        |saved| saved["plan"]["changes"][0]["path"] = "/etc/shadow".into(),
        |saved| saved["plan"]["changes"][1]["diff"][3] = "+another line".into(),
        |saved| drop(saved["plan"]["changes"].as_array_mut().unwrap().remove(0)),
        |saved| saved["plan"]["commands"] = serde_json::json!(["touch /etc/owned"]),
        |saved| saved["plan"]["live"] = true.into(),
        |saved| saved["plan"]["identity"]["fingerprint"] = "00".repeat(32).into(),
        |saved| saved["set"]["hostname"] = "another".into(),
    ];
    for change in changes {
        tampered(&scratch, change);
        let run = refused(&scratch, "apply --plan bad.json --yes", 7);
        assert!(run.err.contains("--- approved\n+++ now\n"), "{run:#?}");
    }
    for change in [
        (|saved| saved["format"] = "certroll/saved-plan/9".into()) as Change,
        |saved| saved["profiles"] = serde_json::json!(["../../P/own"]),
        |saved| saved["plan"]["changes"][0]["path"] = "/etc/../shadow".into(),
        |saved| saved["plan"]["changes"][0]["path"] = "shadow".into(),
    ] {
        tampered(&scratch, change);
        refused(&scratch, "apply --plan bad.json --yes", 2);
    }
    // Untouched, it is still good.
    scratch.on_root("apply --plan saved.json --yes").exits(0);
}

#[test]
fn what_others_may_write_decides_nothing_for_root() {
    let Some(scratch) = scratch() else {
        return;
    };
    for (name, mode) in [
        ("P", 0o777),
        ("P", 0o775),
        ("P/own", 0o777),
        ("P/own/profile.yaml", 0o666),
        ("P/own/profile.yaml", 0o646),
    ] {
        let usual = if name.ends_with("yaml") { 0o644 } else { 0o755 };
        scratch.mode(name, mode);
        scratch.owner(name, 0, 12);
        let run = refused(&scratch, OWN, 2);
        assert!(
            run.err
                .contains(&format!("{name}` can be written by others than root")),
            "{run:#?}"
        );
        scratch.mode(name, usual);
        scratch.owner(name, NOBODY, 0);
        refused(&scratch, OWN, 2);
        scratch.owner(name, 0, 0);
    }
    // A file beside the profile counts too, and so does where a link leads.
    scratch.file("P/own/more.tera", "x\n");
    scratch.mode("P/own/more.tera", 0o666);
    refused(&scratch, OWN, 2);
    fs::remove_file(scratch.path("P/own/more.tera")).unwrap();
    scratch.file("theirs/profile.yaml", scratch.read("P/own/profile.yaml"));
    scratch.owner("theirs/profile.yaml", NOBODY, NOBODY);
    scratch
        .sh("mv P/own/profile.yaml P/own/kept; ln -s ../../theirs/profile.yaml P/own/profile.yaml");
    refused(&scratch, OWN, 2);
    scratch.sh("mv P/own/kept P/own/profile.yaml");
    scratch.on_root(OWN).exits(0);
}

#[test]
fn a_profile_is_a_name_and_never_a_path() {
    let Some(scratch) = scratch() else {
        return;
    };
    let long = "x".repeat(65);
    for name in [
        "../own",
        "own/../own",
        "/etc",
        "./own",
        "..",
        ".",
        ".own",
        "own/",
        "a..b",
        "own\u{301}",
        "a b",
        "",
        long.as_str(),
    ] {
        let before = scratch.tree();
        let mut command = scratch.command(&[
            "--root",
            "R",
            "--profiles",
            "P/own",
            "plan",
            "--cert",
            "a.pem",
            "--key",
            "a.key",
        ]);
        command.arg(format!("--profile={name}"));
        let run = common::Running::start(&mut command).end().exits(2);
        assert!(run.err.contains("is not a name\n"), "{name}: {run:#?}");
        scratch.tree().is(&before);
        let mut command = scratch.command(&["profiles", "show", "--", name]);
        common::Running::start(&mut command).end().exits(2);
    }
}

#[test]
fn a_state_directory_that_others_may_write_is_not_believed() {
    let Some(scratch) = scratch() else {
        return;
    };
    scratch.on_root(OWN).exits(0);
    let at = "R/var/lib/certroll";
    for (mode, owner) in [
        (0o777, 0),
        (0o770, 0),
        (0o702, 0),
        (0o1777, 0),
        (0o700, NOBODY),
    ] {
        scratch.mode(at, mode);
        scratch.owner(at, owner, owner);
        for line in [OWN, "status", "history", "rollback --yes", "recover"] {
            let run = refused(&scratch, line, 2);
            assert!(
                run.err.contains(&format!(
                    "error: `{at}`: others may write the state directory\n"
                )),
                "{run:#?}"
            );
        }
    }
    scratch.owner(at, 0, 0);
    scratch.mode(at, 0o700);
    scratch.on_root("status --profile own").exits(2);
    scratch.on_root("--profiles P status").exits(0);

    scratch.dir("S");
    scratch.mode("S", 0o777);
    refused(&scratch, &format!("--state S {OWN}"), 2);
    scratch.mode("S", 0o700);
    scratch.on_root(&format!("--state S {OWN}")).exits(0);
}

#[test]
fn a_state_directory_that_is_anothers_link_is_not_used() {
    let Some(scratch) = scratch() else {
        return;
    };
    scratch.dir("R/var/lib");
    scratch.mode("R/var/lib", 0o1777);
    scratch.dir("R/srv/theirs");
    scratch.link("/srv/theirs", "R/var/lib/certroll");
    lchown(
        scratch.path("R/var/lib/certroll"),
        Some(NOBODY),
        Some(NOBODY),
    )
    .unwrap();
    refused(&scratch, OWN, 1);
    assert_eq!(scratch.sh("ls -A R/srv/theirs"), "");
}
