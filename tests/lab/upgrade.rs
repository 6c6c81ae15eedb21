//! What renewals, packages and upgrades do to a host that certroll looks after, each called as it calls in earnest.

use crate::{
    common::{Run, moment, until},
    host::{Host, Lab},
    nginx::serve,
};

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
    web.certroll("history").exits(0).out.lines().count()
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

#[test]
fn a_package_that_replaces_what_was_rolled_out_is_put_right_before_dpkg_or_apt_ends() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    looked_after(&web);
    // What the path unit would put right a moment later is to be the packages' hook's alone.
    web.sh("systemctl stop certroll-hooks.path");
    let good = web.tree(WRITTEN);
    let mut version = 0;
    for (install, caller) in [("dpkg -i", "dpkg"), ("apt-get -qy install", "apt")] {
        for (brings, does) in DEEDS {
            version += 1;
            let deb = package(&web, version, does);
            let run = web
                .exec(&["sh", "-c", &format!("{install} {deb}")])
                .exits(0);
            let said = run.out.matches("\nrollout `site`:\n").count();
            assert_eq!(said, 1, "{caller} brings {brings}: {run:#?}");
            assert_eq!(web.tree(WRITTEN), good, "{caller} brings {brings}");
            serves(&client, &web, "new");
            is_quiet(&web);
        }
        let history = web.certroll("history").exits(0).out;
        let calls = history.matches(&format!("(hook {caller})")).count();
        assert_eq!(calls, DEEDS.len(), "{history}");
    }
    // One that touches nothing of it is not heard of.
    let deb = package(&web, version + 1, "true");
    let run = web.exec(&["dpkg", "-i", &deb]).exits(0);
    assert!(
        !run.out.contains("rollout") && run.err.is_empty(),
        "{run:#?}"
    );
}

#[test]
fn a_rollout_that_fails_in_a_package_hook_is_seen_by_its_caller_and_not_tried_for_ever() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    looked_after(&web);
    let broken =
        "rm /etc/nginx/pki/site.key; echo 'no_such_directive on;' > /etc/nginx/conf.d/z.conf";
    let deb = package(&web, 1, broken);
    let run = web.exec(&["dpkg", "-i", &deb]);
    assert_ne!(run.code, 0, "{run:#?}");
    assert!(run.out.contains("rolled back: generation 3"), "{run:#?}");
    let deb = package(&web, 2, "true");
    let run = web.exec(&["apt-get", "-qy", "install", &deb]);
    assert_ne!(run.code, 0, "{run:#?}");
    assert!(
        run.err.contains("not tried again: generation 3"),
        "{run:#?}"
    );
    // The path unit has seen all this too: every call of it ends, and none leads to another.
    until("its end", || {
        web.unit("certroll-hooks@path", "ActiveState") == "failed"
    });
    let before = (generations(&web), calls(&web, "path"));
    moment(8000);
    assert_eq!((generations(&web), calls(&web, "path")), before);
    assert_eq!(before.0, 3);
    let log = web.sh("journalctl --sync; journalctl -b --no-pager -o cat -u certroll-hooks@path");
    assert!(log.contains("not tried again: generation 3"), "{log}");
    serves(&client, &web, "new");

    web.sh("rm /etc/nginx/conf.d/z.conf");
    web.certroll("--profiles /root/profiles apply site --yes")
        .exits(0);
    is_quiet(&web);
}

/// How often a unit called certroll in this boot.
fn calls(web: &Host<'_>, unit: &str) -> usize {
    let log = web.sh(&format!(
        "journalctl --sync; journalctl -b --no-pager -o cat -u certroll-hooks@{unit}"
    ));
    log.matches("Starting certroll-hooks@").count()
}

#[test]
fn a_renewed_source_and_a_file_that_is_gone_are_noticed_by_the_path_unit_itself() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    looked_after(&web);
    web.mint("/root/next");
    source(&web, "next");
    let next = web.fingerprint("/root/next.pem");
    until("the renewed leaf", || {
        client.leaf(&web, 443).as_ref() == Some(&next)
    });
    let idle = || web.unit("certroll-hooks@path", "ActiveState") == "inactive";
    until("its end", idle);
    is_quiet(&web);

    // Its own writes do not call it for ever.
    let before = (generations(&web), calls(&web, "path"));
    assert!(before.1 <= 2, "{before:?}");
    moment(8000);
    assert_eq!((generations(&web), calls(&web, "path")), before);

    let good = web.tree(WRITTEN);
    web.sh("rm /etc/nginx/pki/site.pem; chmod 0644 /etc/nginx/pki/site.key");
    until("the file", || web.tree(WRITTEN) == good);
    until("its end", idle);
    is_quiet(&web);
    serves(&client, &web, "next");
    assert_eq!(web.unit("certroll-hooks.path", "ActiveState"), "active");
    assert_eq!(web.unit("certroll-hooks.timer", "ActiveState"), "active");

    // The timer calls in the same way.
    web.sh("systemctl stop certroll-hooks.path; rm /etc/nginx/pki/site.pem; systemctl start certroll-hooks@timer");
    assert_eq!(web.tree(WRITTEN), good);
    let history = web.certroll("history").exits(0).out;
    assert!(
        history.contains("(hook path)") && history.contains("(hook timer)"),
        "{history}"
    );
}

#[test]
fn a_renewal_by_certbot_is_rolled_out_by_its_deploy_hook() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    // A lineage as certbot keeps it, and its way of running hooks (its documentation, "Renewing certificates").
    web.sh(
        "mkdir -p -m 0700 /etc/letsencrypt/live/site /etc/letsencrypt/archive/site; \
         mkdir -p /etc/letsencrypt/renewal-hooks/deploy",
    );
    web.file(
        "/root/renewed",
        "set -e\nn=$1\nfor p in fullchain privkey; do\n  \
         test $p = privkey && from=key || from=pem\n  \
         install -m 0600 /root/$2.$from /etc/letsencrypt/archive/site/$p$n.pem\n  \
         ln -sfn ../../archive/site/$p$n.pem /etc/letsencrypt/live/site/$p.pem\ndone\n\
         export RENEWED_LINEAGE=/etc/letsencrypt/live/site RENEWED_DOMAINS=site.lab.test\n\
         for h in /etc/letsencrypt/renewal-hooks/deploy/*; do test ! -x \"$h\" || \"$h\"; done\n",
    );
    serve(&web, "reload");
    web.sh("sh /root/renewed 1 new");
    web.file(
        "/etc/certroll/rollouts.d/site.yaml",
        "profiles: [site]\ncert: /etc/letsencrypt/live/site/fullchain.pem\nkey: /etc/letsencrypt/live/site/privkey.pem\n",
    );
    web.certroll("--profiles /root/profiles apply site --yes")
        .exits(0);
    let before = web.tree("/etc/letsencrypt");
    web.certroll("--profiles /root/profiles hooks install --yes")
        .exits(0);
    web.sh("systemctl stop certroll-hooks.path");
    web.mint("/root/next");
    let said = web.sh("sh /root/renewed 2 next");
    assert!(
        said.ends_with("committed: generation 3, 1 probes good\n"),
        "{said}"
    );
    serves(&client, &web, "next");
    assert_eq!(web.sh("sh /root/renewed 2 next"), "");
    web.certroll("hooks remove --yes").exits(0);
    web.sh("sh /root/renewed 1 new; rm /etc/letsencrypt/archive/site/*2.pem");
    assert_eq!(web.tree("/etc/letsencrypt"), before);
}

/// Runs the phases in the order and with the heed of wazo-upgrade: nothing starts where the first one fails.
const UPGRADE: &str = r#"
phase() { for hook in /usr/share/wazo-upgrade/$1.d/*; do test ! -x "$hook" || "$hook" || test $1 != pre-stop || exit 255; done; }
phase pre-stop
test -z "$STOPS" || systemctl stop nginx
phase post-stop
dpkg -i $1
certroll history > /root/seen
phase pre-start
certroll history > /root/placed
systemctl is-active nginx > /root/active
systemctl start nginx
systemctl show -P InvocationID nginx > /root/invocation
phase post-start
"#;

fn upgrade(web: &Host<'_>, stops: &str, deb: &str) -> Run {
    web.file("/root/wazo-upgrade", UPGRADE);
    web.exec(&[
        "env",
        &format!("STOPS={stops}"),
        "sh",
        "/root/wazo-upgrade",
        deb,
    ])
}

#[test]
fn an_upgrade_has_files_put_right_while_services_are_down_and_proved_when_they_are_up() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    web.sh(
        "cd /; mkdir -p /usr/share/wazo-upgrade/pre-stop.d /usr/share/wazo-upgrade/post-stop.d \
            /usr/share/wazo-upgrade/pre-start.d /usr/share/wazo-upgrade/post-start.d",
    );
    let before = web.tree("/usr/share/wazo-upgrade");
    looked_after(&web);
    let good = web.tree(WRITTEN);
    let (_, does) = DEEDS[0];

    // Services that the upgrade starts have read the new files: they are proved, and not told again.
    let run = upgrade(&web, "yes", &package(&web, 1, does)).exits(0);
    assert!(run.out.contains("an upgrade is at work"), "{run:#?}");
    assert!(!web.sh("cat /root/seen").contains("hook dpkg"), "{run:#?}");
    let placed = web.sh("cat /root/placed");
    assert!(
        placed.contains("placed") && placed.contains("(hook wazo-upgrade)"),
        "{placed}"
    );
    assert_eq!(
        web.sh("cat /root/active || true"),
        "inactive\n",
        "it was started too early"
    );
    assert_eq!(run.last(), "committed: generation 4, 1 probes good");
    let started = web.sh("cat /root/invocation");
    assert_eq!(web.unit("nginx", "InvocationID"), started.trim());
    let shown = web.certroll("--json show 4").exits(0).json();
    assert_eq!(shown["receipt"]["commands"], serde_json::json!([]));
    assert_eq!(web.tree(WRITTEN), good);
    serves(&client, &web, "new");
    is_quiet(&web);
    assert_eq!(web.exec(&["test", "-e", "/run/certroll/upgrade"]).code, 1);

    // One that stays up all the while has not: it is told, and nothing else is.
    let run = upgrade(&web, "", &package(&web, 2, does)).exits(0);
    assert_eq!(run.last(), "committed: generation 6, 1 probes good");
    let shown = web.certroll("--json show 6").exits(0).json();
    let commands = serde_json::json!([
        "nginx -t",
        "systemctl reload --no-ask-password -- nginx.service"
    ]);
    assert_eq!(shown["receipt"]["commands"], commands);
    assert_eq!(web.unit("nginx", "InvocationID"), started.trim());
    is_quiet(&web);

    // One that changes nothing of this is quiet in every phase.
    let run = upgrade(&web, "yes", &package(&web, 3, "true")).exits(0);
    assert!(!run.out.contains("generation"), "{run:#?}");
    assert_eq!(generations(&web), 6);

    // Over half a rollout nothing is upgraded.
    web.sh("echo nonsense > /var/lib/certroll/pending");
    let run = upgrade(&web, "yes", "/nonexistent.deb").exits(255);
    assert!(run.err.contains("pending"), "{run:#?}");
    assert_eq!(web.unit("nginx", "ActiveState"), "active");
    web.sh("rm /var/lib/certroll/pending");
    web.certroll("hooks remove --yes").exits(0);
    assert_eq!(web.tree("/usr/share/wazo-upgrade"), before);
}
