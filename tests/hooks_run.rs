//! What a hook does to a host that an upgrade or a renewal has changed: `hooks run` brings it back, and then is quiet.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test changes the host as others do, and one that cannot go on says so"
)]

use std::os::unix::fs::MetadataExt as _;

mod common;

use common::{Run, Running, Scratch, until};

const CERTS: &str = "R/usr/share/xivo-certs";

/// A Wazo root on which a rollout was committed, described in `rollouts.d` with its source in `/etc/pki`.
fn rolled_out() -> Scratch {
    let scratch = Scratch::wazo();
    renewed(&scratch, "site");
    scratch.file(
        "R/etc/certroll/rollouts.d/wazo.yaml",
        "profiles: [wazo]\ncert: /etc/pki/site.pem\nkey: /etc/pki/site.key\n",
    );
    scratch.on_root("apply wazo --yes").exits(0);
    scratch
}

/// Puts a new pair where the rollout has its source.
fn renewed(scratch: &Scratch, pair: &str) {
    scratch.mint(pair, "wazo.example.com");
    for (part, mode) in [("pem", 0o644), ("key", 0o600)] {
        let at = format!("R/etc/pki/site.{part}");
        scratch.file(&at, scratch.read(&format!("{pair}.{part}")));
        scratch.mode(&at, mode);
    }
}

/// Asserts that a hook has nothing to do, and says nothing.
#[track_caller]
fn is_quiet(run: &Run) {
    let found = (run.code, run.out.as_str(), run.err.as_str());
    assert_eq!(found, (0, "", ""), "{run:#?}");
}

/// Has a hook put right what `change` did, and call again; returns the first call.
fn put_right(scratch: &Scratch, hook: &str, change: impl FnOnce(&Scratch)) -> Run {
    let before = scratch.tree();
    is_quiet(&scratch.on_root(&format!("hooks run {hook}")));
    change(scratch);
    assert_ne!(scratch.tree(), before, "nothing was changed");
    let run = scratch.on_root(&format!("hooks run {hook}")).exits(0);
    assert!(run.last().starts_with("placed: generation "), "{run:#?}");
    is_quiet(&scratch.on_root(&format!("hooks run {hook}")));
    run
}

/// What an upgrade does, in words and to the root.
type Upgrade = (&'static str, fn(&Scratch));

#[test]
fn what_an_upgrade_does_to_the_files_of_a_rollout_is_put_right() {
    let scratch = rolled_out();
    let good = scratch.tree();
    let changes: [Upgrade; 5] = [
        ("a package puts its default pair there", |scratch| {
            scratch.mint("default", "localhost");
            for (from, to) in [("pem", "crt"), ("key", "key")] {
                let pair = scratch.read(&format!("default.{from}"));
                scratch.file(&format!("{CERTS}/server.{to}"), pair);
            }
        }),
        ("a package resets modes and owners", |scratch| {
            scratch.mode(&format!("{CERTS}/server.key"), 0o644);
            scratch.owner(&format!("{CERTS}/server.crt"), 33, 33);
        }),
        ("a package deletes both files", |scratch| {
            scratch.sh(&format!("rm {CERTS}/server.key {CERTS}/server.crt"));
        }),
        ("an upgrade rewrites /etc/hosts", |scratch| {
            let hosts = "127.0.0.1\tlocalhost\n127.0.1.1\tpbx.example.com\tpbx\n";
            scratch.file("R/etc/hosts", hosts);
        }),
        ("a conffile is restored, and its link is gone", |scratch| {
            let conf = "R/etc/xivo/custom/custom-certificate.yml";
            scratch.file(conf, "auth:\n  host: localhost\n");
            scratch.sh("rm R/etc/wazo-svc1/conf.d/010-custom-certificate.yml");
        }),
    ];
    for (what, change) in changes {
        put_right(&scratch, "apt", change);
        let differences = scratch.tree().differences(&good);
        assert!(differences.is_empty(), "{what}: {differences:#?}");
    }
    let history = scratch.on_root("history").exits(0);
    let by_hook = history.out.matches("  root  hook apt").count();
    assert_eq!(by_hook, changes.len(), "{history:#?}");
}

#[test]
fn a_daemon_that_an_upgrade_brings_is_linked() {
    let scratch = rolled_out();
    put_right(&scratch, "dpkg", |scratch| {
        scratch.dir("R/etc/wazo-new/conf.d");
    });
    let link = scratch.path("R/etc/wazo-new/conf.d/010-custom-certificate.yml");
    assert_eq!(
        std::fs::read_link(link).unwrap().to_str().unwrap(),
        "/etc/xivo/custom/custom-certificate.yml"
    );
}

#[test]
fn a_pair_that_a_package_moves_is_written_where_it_is_now() {
    let scratch = rolled_out();
    put_right(&scratch, "wazo-upgrade", |scratch| {
        // As from 24.01 on: the new package comes with a default pair, and the old one is purged.
        scratch.mint("default", "localhost");
        for (from, to) in [("pem", "crt"), ("key", "key")] {
            let pair = scratch.read(&format!("default.{from}"));
            scratch.file(&format!("R/usr/share/wazo-certs/server.{to}"), pair);
        }
        scratch.sh(&format!("rm -r {CERTS}"));
    });
    let moved = "R/usr/share/wazo-certs/server";
    assert_eq!(
        scratch.read(&format!("{moved}.crt")),
        scratch.read("site.pem")
    );
    let key = std::fs::metadata(scratch.path(&format!("{moved}.key"))).unwrap();
    assert_eq!((key.mode() & 0o7777, key.gid()), (0o640, 33));
    assert!(!scratch.path(CERTS).exists());
}

#[test]
fn a_renewed_source_is_followed_and_one_that_is_half_written_leaves_everything() {
    let scratch = rolled_out();
    let before = scratch.tree();
    scratch.mint("next", "wazo.example.com");
    scratch.file("R/etc/pki/site.pem", scratch.read("next.pem"));
    let run = scratch.on_root("hooks run certbot").exits(2);
    assert!(run.err.contains("rollout `wazo`:\nerror: "), "{run:#?}");
    assert!(run.err.contains("[key-mismatch]"), "{run:#?}");
    assert_eq!(
        scratch.tree().differences(&before).len(),
        1,
        "the source alone"
    );
    put_right_after_renewal(&scratch);
}

fn put_right_after_renewal(scratch: &Scratch) {
    scratch.file("R/etc/pki/site.key", scratch.read("next.key"));
    scratch.mode("R/etc/pki/site.key", 0o600);
    let mut hook = scratch.command(&["--root", "R", "hooks", "run", "certbot"]);
    hook.env("RENEWED_LINEAGE", "/etc/letsencrypt/live/site")
        .env("RENEWED_DOMAINS", "wazo.example.com");
    Running::start(&mut hook).end().exits(0);
    assert_eq!(
        scratch.read(&format!("{CERTS}/server.crt")),
        scratch.read("next.pem")
    );
    is_quiet(&scratch.on_root("hooks run certbot"));
}

#[test]
fn nothing_remembered_is_nothing_to_do_and_what_was_never_applied_is_not_applied() {
    let scratch = Scratch::wazo();
    is_quiet(&scratch.on_root("hooks run timer"));
    renewed(&scratch, "site");
    scratch.file(
        "R/etc/certroll/rollouts.d/wazo.yaml",
        "profiles: [wazo]\ncert: /etc/pki/site.pem\nkey: /etc/pki/site.key\n",
    );
    let before = scratch.tree();
    is_quiet(&scratch.on_root("hooks run timer"));
    scratch.tree().is(&before);
    let run = scratch.on_root("hooks run a/b").exits(2);
    assert!(run.err.contains("`a/b` is not the name of a hook"));
}

#[test]
fn while_an_upgrade_has_services_down_only_its_own_hook_writes() {
    let scratch = rolled_out();
    let good = scratch.tree();
    scratch.file("R/run/certroll/upgrade", "");
    scratch.sh(&format!("rm {CERTS}/server.key"));
    let run = scratch.on_root("hooks run apt").exits(0);
    assert!(
        run.out
            .contains("an upgrade is at work (`/run/certroll/upgrade`)"),
        "{run:#?}"
    );
    assert!(!scratch.path(&format!("{CERTS}/server.key")).exists());
    scratch.on_root("hooks run wazo-upgrade --defer").exits(0);
    scratch.sh("rm -r R/run");
    scratch.tree().is(&good);
    is_quiet(&scratch.on_root("hooks run wazo-upgrade"));
}

#[test]
fn one_rollout_that_fails_keeps_no_other_from_being_put_right() {
    let scratch = rolled_out();
    scratch.profile(
        "other",
        "resources:\n  - {kind: pem, path: /etc/other.key, form: key, mode: \"0600\"}\n\
         \u{20} - {kind: pem, path: /etc/other.pem, form: leaf, mode: \"0644\"}\n",
    );
    let apply = "--profiles P apply --yes --profile other --cert site.pem --key site.key";
    scratch.on_root(apply).exits(0);
    let good = scratch.tree();
    scratch.sh(&format!("rm R/etc/other.pem {CERTS}/server.key"));
    // Without its profiles the first one cannot even be told.
    let run = scratch.on_root("hooks run timer").exits(2);
    assert!(run.err.contains("unknown profile `other`"), "{run:#?}");
    assert!(run.out.starts_with("rollout `wazo`:\n"), "{run:#?}");
    assert!(run.last().starts_with("placed: "), "{run:#?}");
    scratch.sh(&format!("rm {CERTS}/server.key"));
    let run = scratch.on_root("--json --profiles P hooks run timer");
    let document = run.exits(0).json();
    assert_eq!(document["format"], "certroll/hook/1");
    for n in 0..2 {
        assert_eq!(document["rollouts"][n]["outcome"], "placed", "{document:#}");
    }
    scratch.tree().is(&good);
}

#[test]
fn a_hook_waits_for_another_run_no_longer_than_it_was_told() {
    let scratch = rolled_out();
    let lock = "exec flock R/var/lib/certroll/lock sh -c 'touch held; exec sleep 30'";
    let holder = Running::start(scratch.program("sh").args(["-c", lock]));
    until("the lock", || scratch.path("held").exists());
    let run = scratch.on_root("hooks run path --wait 1").exits(6);
    assert!(run.err.contains("holds the lock"), "{run:#?}");
    drop(holder);
}
