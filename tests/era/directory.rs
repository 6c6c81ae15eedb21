//! The directory of the roles, on a platform whose servers get it later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use certroll::demo::era::{Fault, Platform};

use crate::{
    common::skip,
    site::{DELAY, DOMAIN, Site},
};

/// Starts the roles anew whenever the program of `--set restart=` says so, until it is dropped: those of the first server at
/// once, and those of the other after a time, one for each restart and the last for all that follow.
struct Roles {
    ends: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Roles {
    fn of(site: &Site, after: &'static [Duration]) -> Self {
        site.scratch
            .file("restart", "#!/bin/sh\nexec touch \"${0%/*}/asked\"\n");
        site.scratch.mode("restart", 0o755);
        let asked = site.scratch.path("asked");
        let platform: Arc<Platform> = Arc::clone(&site.platform);
        let ends = Arc::<AtomicBool>::default();
        let ended = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let mut after = after.iter().copied();
            let mut next = Duration::ZERO;
            loop {
                // What was asked before the end is still done.
                let last = ended.load(Ordering::SeqCst);
                if std::fs::remove_file(&asked).is_ok() {
                    next = after.next().unwrap_or(next);
                    platform.restart(0);
                    thread::sleep(next);
                    platform.restart(1);
                }
                if last {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self {
            ends,
            thread: Some(thread),
        }
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// When the other server has a change.
const COPIED: Duration = DELAY.saturating_add(Duration::from_millis(200));

/// The settings of a directory in the scratch directory.
fn settings(site: &Site) -> String {
    format!(
        "--set cert_dir={} --set restart={}",
        site.scratch.text("cert"),
        site.scratch.text("restart")
    )
}

fn with_old(site: &Site) {
    site.scratch
        .file("cert/server.key", site.scratch.read("old.key"));
    site.scratch
        .file("cert/server.crt", site.scratch.read("old.pem"));
    site.platform.shares(&site.scratch.path("cert"));
    site.platform.restart(0);
    site.platform.restart(1);
    // Who asks for no name gets the pair of the roles.
    let said = site.scratch.fingerprint("old.pem");
    let api = site.platform.api();
    site.run(&format!("pin add {api} --fingerprint {said}"))
        .exits(0);
}

#[test]
fn the_pair_of_the_roles_is_proved_on_every_server_and_comes_back() {
    if !rustix::process::geteuid().is_root() {
        skip("only root changes this host");
        return;
    }
    let site = Site::new();
    with_old(&site);
    let _roles = Roles::of(&site, &[COPIED]);
    let run = site.rolls("apply --yes", &settings(&site)).exits(0);
    assert!(run.last().starts_with("committed: "), "{run:#?}");
    site.serves(DOMAIN, "site");
    site.run("rollback --yes").exits(0);
    assert_eq!(
        site.scratch.read("cert/server.crt"),
        site.scratch.read("old.pem")
    );
    site.serves(DOMAIN, "old");
}

#[test]
fn roles_that_keep_what_they_had_and_a_domain_that_wins_over_the_directory_are_found_out() {
    if !rustix::process::geteuid().is_root() {
        skip("only root changes this host");
        return;
    }
    let site = Site::new();
    with_old(&site);
    let _roles = Roles::of(&site, &[COPIED]);
    site.platform.fault(Fault::KeepsOld);
    site.rolls("apply --yes", &settings(&site)).exits(3);
    site.platform.fault(Fault::None);
    assert_eq!(
        site.scratch.read("cert/server.key"),
        site.scratch.read("old.key")
    );
    // The master's certificate answers for names that have none: the directory never shows.
    site.platform.set("era.local", &site.value("old"));
    let run = site.rolls("apply --yes", &settings(&site)).exits(3);
    assert!(run.out.contains("presents another leaf"), "{run:#?}");
}

/// Rolls out with roles of the other server that start after such times.
fn in_an_order(after: &'static [Duration], code: i32) -> (Site, Roles, String) {
    let site = Site::new();
    with_old(&site);
    let roles = Roles::of(&site, after);
    let run = site.rolls("apply --yes", &settings(&site)).exits(code);
    assert!(
        run.out.contains(&format!(
            "127.0.0.2:{} presents another leaf",
            site.platform.port
        )),
        "{run:#?}"
    );
    let last = run.last().to_owned();
    (site, roles, last)
}

#[test]
fn a_server_whose_roles_start_before_the_copy_arrives_takes_the_pair_back_from_all() {
    if !rustix::process::geteuid().is_root() {
        skip("only root changes this host");
        return;
    }
    let (site, roles, last) = in_an_order(&[Duration::ZERO, COPIED], 3);
    assert!(last.starts_with("rolled back: "), "{last}");
    assert_eq!(
        site.scratch.read("cert/server.crt"),
        site.scratch.read("old.pem")
    );
    drop(roles);
    site.serves(DOMAIN, "old");
}

#[test]
fn roles_that_start_too_early_on_the_way_back_keep_the_new_pair_until_a_recovery() {
    if !rustix::process::geteuid().is_root() {
        skip("only root changes this host");
        return;
    }
    let (site, roles, last) = in_an_order(&[Duration::ZERO, Duration::ZERO, COPIED], 4);
    assert!(last.starts_with("stuck: "), "{last}");
    let run = site.run("recover").exits(0);
    assert!(run.last().starts_with("rolled back: "), "{run:#?}");
    drop(roles);
    site.serves(DOMAIN, "old");
}

#[test]
fn a_domains_certificate_that_is_broken_wins_over_the_directory_too_and_nobody_gets_in() {
    if !rustix::process::geteuid().is_root() {
        skip("only root changes this host");
        return;
    }
    let site = Site::new();
    with_old(&site);
    let roles = Roles::of(&site, &[COPIED]);
    site.platform.set(
        DOMAIN,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let run = site.rolls("apply --yes", &settings(&site)).exits(3);
    assert!(run.last().starts_with("rolled back: "), "{run:#?}");
    drop(roles);
    // Names that it does not answer for have the directory's.
    site.serves("other.example.org", "old");
}
