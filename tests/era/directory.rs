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
    common::{moment, skip},
    site::{DOMAIN, Site},
};

/// Starts the roles anew whenever the program of `--set restart=` says so, until it is dropped.
struct Roles {
    ends: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Roles {
    fn of(site: &Site) -> Self {
        site.scratch
            .file("restart", "#!/bin/sh\nexec touch \"${0%/*}/asked\"\n");
        site.scratch.mode("restart", 0o755);
        let (asked, cert) = (site.scratch.path("asked"), site.scratch.path("cert"));
        let platform: Arc<Platform> = Arc::clone(&site.platform);
        let ends = Arc::<AtomicBool>::default();
        let ended = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                if std::fs::remove_file(&asked).is_ok() {
                    platform.restart(&cert);
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

/// The settings of a directory in the scratch directory.
fn settings(site: &Site) -> String {
    format!(
        "--set cert_dir={} --set restart={}",
        site.scratch.text("cert"),
        site.scratch.text("restart")
    )
}

fn with_old(site: &Site) -> Roles {
    site.scratch
        .file("cert/server.key", site.scratch.read("old.key"));
    site.scratch
        .file("cert/server.crt", site.scratch.read("old.pem"));
    site.platform.restart(&site.scratch.path("cert"));
    // Until the other server has it, too.
    moment(1000);
    // Who asks for no name gets the pair of the roles.
    let said = site.scratch.fingerprint("old.pem");
    let api = site.platform.api();
    site.run(&format!("pin add {api} --fingerprint {said}"))
        .exits(0);
    Roles::of(site)
}

#[test]
fn the_pair_of_the_roles_is_proved_on_every_server_and_comes_back() {
    if !rustix::process::geteuid().is_root() {
        skip("only root changes this host");
        return;
    }
    let site = Site::new();
    let _roles = with_old(&site);
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
    let _roles = with_old(&site);
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
