//! What renewals, packages and upgrades do to a host that certroll looks after, each called as it calls in earnest.

use crate::{host::Host, nginx::serve};

mod packages;
mod renewals;
mod timer;
mod upgrades;

/// The program as hooks call it here.
const HOOK: &str = "--profiles /root/profiles hooks run";

/// Where the rollout writes.
const WRITTEN: &str = "/etc/nginx/pki /etc/nginx/conf.d";

/// Rolls `new` out to nginx from a source in `/etc/pki`, and installs the hooks.
fn looked_after(web: &Host<'_>) {
    serve(web, "reload");
    source(web, "new");
    // What the profile does not name is left as it is found, and root's where nothing is.
    web.sh("chgrp root /etc/nginx/pki/site.key");
    web.file(
        "/etc/certroll/rollouts.d/site.yaml",
        "profiles: [site]\ncert: /etc/pki/site.pem\nkey: /etc/pki/site.key\n",
    );
    web.certroll("--profiles /root/profiles apply site --yes")
        .exits(0);
    web.certroll("--profiles /root/profiles hooks install --yes")
        .exits(0);
}

/// Has the source be a pair, one file after the other, as a renewal replaces it.
fn source(web: &Host<'_>, pair: &str) {
    web.sh(&format!(
        "mkdir -p /etc/pki; install -m 0600 /root/{pair}.key /etc/pki/.key; mv /etc/pki/.key /etc/pki/site.key; \
         sleep 1; install -m 0644 /root/{pair}.pem /etc/pki/.pem; mv /etc/pki/.pem /etc/pki/site.pem"
    ));
}

#[track_caller]
fn serves(client: &Host<'_>, web: &Host<'_>, pair: &str) {
    let wanted = web.fingerprint(&format!("/root/{pair}.pem"));
    assert_eq!(client.leaf(web, 443), Some(wanted), "want {pair}.pem");
}

/// Asserts that a hook has nothing to do, and says nothing.
#[track_caller]
fn is_quiet(web: &Host<'_>) {
    let run = web.certroll(&format!("{HOOK} test"));
    let found = (run.code, run.out.as_str(), run.err.as_str());
    assert_eq!(found, (0, "", ""), "{run:#?}");
}

/// Builds the next version of a package that does something to the host when it is configured.
fn package(web: &Host<'_>, version: u32, does: &str) -> String {
    let deb = format!("/root/pair_{version}.deb");
    web.file(
        "/root/pair/DEBIAN/control",
        format!(
            "Package: pair\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@lab.test>\n\
             Description: a package that has a pair of its own\n"
        ),
    );
    let script = format!("#!/bin/sh\nset -e\ntest \"$1\" = configure || exit 0\n{does}\n");
    web.file("/root/pair/DEBIAN/postinst", script);
    web.sh(&format!(
        "chmod 755 /root/pair/DEBIAN/postinst; dpkg-deb --build /root/pair {deb}"
    ));
    deb
}

fn generations(web: &Host<'_>) -> usize {
    // Below the head of the table.
    let history = web.certroll("history").exits(0).out;
    history.lines().count() - 1
}

/// How often a unit called certroll in this boot.
fn calls(web: &Host<'_>, unit: &str) -> usize {
    let log = web.sh(&format!(
        "journalctl --sync; journalctl -b --no-pager -o cat -u certroll-hooks@{unit}"
    ));
    log.matches("Starting certroll-hooks@").count()
}

/// What a package may do to what a rollout wrote, each while nginx has it in use.
const DEEDS: [(&str, &str); 5] = [
    (
        "its default pair",
        "cp /root/old.pem /etc/nginx/pki/site.pem; cp /root/old.key /etc/nginx/pki/site.key",
    ),
    (
        "its own modes",
        "chmod 0644 /etc/nginx/pki/site.key; chmod 0600 /etc/nginx/pki/site.pem",
    ),
    (
        "no pair",
        "rm /etc/nginx/pki/site.pem /etc/nginx/pki/site.key",
    ),
    (
        "its conffile",
        "echo '# ours' > /etc/nginx/conf.d/directive.conf",
    ),
    (
        "a reload with its pair",
        "cp /root/old.pem /etc/nginx/pki/site.pem; cp /root/old.key /etc/nginx/pki/site.key; systemctl reload nginx",
    ),
];
