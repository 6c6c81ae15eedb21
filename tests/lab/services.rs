//! Services on real systemd: who is told, what comes of it, and how often anything is restarted.

use crate::{
    common::Run,
    host::{Host, Lab},
    nginx::serve,
};

const NEW: &str =
    "--profile daemon --cert /root/new.pem --key /root/new.key --profiles /root/profiles";

/// A server that loads its pair when it starts and never again; `/etc/daemon.mode` says how it fares with another pair
/// than the first.
const DAEMON: &str = r#"#!/bin/sh
if ! cmp -s /srv/daemon/site.pem /root/old.pem
then
    case "$(cat /etc/daemon.mode)" in
        fail) exit 3 ;;
        loop) sleep 0.3; exit 1 ;;
        hang) exec sleep 1000 ;;
        late) (sleep 2; kill $$) & ;;
    esac
fi
systemd-notify --ready
exec openssl s_server -quiet -www -accept 8443 -cert /srv/daemon/site.pem -key /srv/daemon/site.key
"#;

const RELOAD: &str = r#"#!/bin/sh
case "$(cat /etc/daemon.mode)" in
    hang-reload) exec sleep 1000 ;;
esac
"#;

const UNIT: &str = "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/usr/local/bin/daemon\n\
    ExecReload=/usr/local/bin/daemon-reload\nTimeoutStartSec=infinity\n[Install]\nWantedBy=multi-user.target\n";

/// Starts the server with the pair `old`, mints `new`, and writes its profile.
fn daemon(host: &Host<'_>, action: &str) {
    host.mint("/root/old");
    host.mint("/root/new");
    host.sh("install -D -m 0600 /root/old.key /srv/daemon/site.key; cp /root/old.pem /srv/daemon/site.pem");
    host.file("/usr/local/bin/daemon", DAEMON);
    host.file("/usr/local/bin/daemon-reload", RELOAD);
    host.file("/etc/daemon.mode", "well\n");
    host.file("/etc/systemd/system/daemon.service", UNIT);
    host.sh("chmod 755 /usr/local/bin/daemon*; systemctl daemon-reload; systemctl enable --now daemon 2>&1");
    profile(
        host,
        &format!("{{action: {action}, units: [daemon], limit: 4}}"),
    );
}

fn profile(host: &Host<'_>, services: &str) {
    let dns = host.dns();
    host.file(
        "/root/profiles/daemon/profile.yaml",
        format!(
            r#"profile: daemon
title: a daemon
source: this test
resources:
  - {{kind: pem, path: /srv/daemon/site.key, form: key, mode: "0600"}}
  - {{kind: pem, path: /srv/daemon/site.pem, form: fullchain, mode: "0644"}}
services: [{services}]
probes:
  - {{tls: "{dns}:8443", addresses: [127.0.0.1]}}
deadline: 8
"#
        ),
    );
}

#[track_caller]
fn serves(host: &Host<'_>, port: u16, pair: &str) {
    let wanted = host.fingerprint(&format!("/root/{pair}.pem"));
    assert_eq!(host.leaf(host, port), Some(wanted), "want {pair}.pem");
}

/// Everything that a run printed.
fn said(run: &Run) -> String {
    run.out.clone() + &run.err
}

/// How often systemd has started a unit, by its journal.
fn starts(host: &Host<'_>, unit: &str) -> usize {
    host.sh("journalctl --sync");
    let said = host.sh(&format!("journalctl -u {unit} -o cat --no-pager"));
    said.lines()
        .filter(|line| line.starts_with("Started "))
        .count()
}

#[test]
fn nothing_is_restarted_more_often_than_it_is_owed() {
    let lab = Lab::take();
    let [web] = lab.hosts(["web"]);
    serve(&web, "reload");
    daemon(&web, "reload");
    web.sh("cp /srv/daemon/site.pem /etc/nginx/pki/; cp /srv/daemon/site.key /etc/nginx/pki/; systemctl reload nginx");
    let both = format!("{NEW} --profile site");
    let count = || (starts(&web, "nginx"), starts(&web, "daemon"));
    let nginx = web.unit("nginx", "MainPID");
    assert_eq!(count(), (1, 1));

    let plan = web.certroll(&format!("plan {both}")).exits(5);
    let condition = "# only if `daemon.service` still presents the old leaf after";
    assert!(plan.out.contains(condition), "{plan:#?}");
    assert_eq!(count(), (1, 1), "a plan restarts nothing");

    let run = web.certroll(&format!("apply {both} --yes")).exits(0);
    assert!(
        run.err
            .contains("restarting daemon.service: a reload did not suffice"),
        "{run:#?}"
    );
    assert_eq!(run.last(), "committed: generation 1, 2 probes good");
    serves(&web, 8443, "new");
    serves(&web, 443, "new");
    assert_eq!(
        count(),
        (1, 2),
        "nginx reloads, the daemon is restarted once"
    );

    let again = web.certroll(&format!("apply {both} --yes")).exits(0);
    assert_eq!(again.last(), "converged: nothing to do, 2 probes good");
    assert_eq!(count(), (1, 2));

    // What sufficed is remembered: no reload of the daemon, no wait.
    web.sh("mv /root/new.pem /root/first.pem; mv /root/new.key /root/first.key");
    web.mint("/root/new");
    let plan = web.certroll(&format!("plan {both}")).exits(5);
    assert!(
        !plan.out.contains("reload --no-ask-password -- daemon"),
        "{plan:#?}"
    );
    let run = web.certroll(&format!("apply {both} --yes")).exits(0);
    assert!(!run.err.contains("did not suffice"), "{run:#?}");
    serves(&web, 8443, "new");
    assert_eq!(count(), (1, 3));

    web.certroll("rollback --yes").exits(0);
    serves(&web, 8443, "first");
    serves(&web, 443, "first");
    assert_eq!(count(), (1, 4));
    assert_eq!(web.unit("nginx", "MainPID"), nginx);
}

#[test]
fn a_config_test_that_fails_restarts_nobody() {
    let lab = Lab::take();
    let [web] = lab.hosts(["web"]);
    daemon(&web, "restart");
    profile(
        &web,
        "{action: restart, units: [daemon], config_test: [cmp, /srv/daemon/site.pem, /root/old.pem]}",
    );
    let run = web.certroll(&format!("apply {NEW} --yes")).exits(3);
    assert!(
        run.out
            .contains("`cmp /srv/daemon/site.pem /root/old.pem` exited with 1"),
        "{run:#?}"
    );
    serves(&web, 8443, "old");
    assert_eq!(starts(&web, "daemon"), 1);
}

#[test]
fn each_way_in_which_a_unit_fails_is_told_apart_and_rolled_back() {
    let lab = Lab::take();
    let [web] = lab.hosts(["web"]);
    daemon(&web, "restart");
    let before = web.tree("/srv/daemon");
    for (mode, action, restart, said) in [
        (
            "fail",
            "restart",
            "no",
            "`daemon.service` is `failed (exit-code)`: want `active` (why: `journalctl -u daemon.service -n 20`)",
        ),
        (
            "loop",
            "restart",
            "always\nRestartSec=100ms\nStartLimitIntervalSec=0",
            "restarts again and again (",
        ),
        (
            "hang",
            "restart",
            "no",
            "`daemon.service` is `activating (start)`, its job hangs past the limit: want `active`",
        ),
        ("late", "restart", "no", "`daemon.service` is `"),
        (
            "hang-reload",
            "reload",
            "no",
            "`systemctl reload --no-ask-password -- daemon.service` ran past its limit of 4 s",
        ),
    ] {
        web.file(
            "/etc/systemd/system/daemon.service.d/test.conf",
            format!("[Service]\nRestart={restart}\n"),
        );
        web.sh("systemctl daemon-reload");
        web.file("/etc/daemon.mode", mode);
        // One that ends a while after it was taken for started is found while another endpoint is waited for.
        let slow = if mode == "late" {
            ", {units: [slow]}"
        } else {
            ""
        };
        web.file(
            "/etc/systemd/system/slow.service",
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=sleep 3\n",
        );
        web.sh("systemctl start slow");
        profile(
            &web,
            &format!("{{action: {action}, units: [daemon], limit: 4}}{slow}"),
        );
        let run = web.certroll(&format!("apply {NEW} --yes")).exits(3);
        assert!(run.out.contains(said), "{mode}: {run:#?}");
        serves(&web, 8443, "old");
        assert_eq!(web.tree("/srv/daemon"), before, "{mode}");
        assert_eq!(web.unit("daemon", "SubState"), "running", "{mode}");
        assert_eq!(
            web.sh("systemctl list-jobs --no-legend"),
            "",
            "{mode}: a job is left"
        );
    }
}

#[test]
fn what_is_wrong_with_units_is_in_the_plan_and_systemd_agrees() {
    let lab = Lab::take();
    let [web] = lab.hosts(["web"]);
    daemon(&web, "restart");
    web.file(
        "/etc/systemd/system/idle.service",
        "[Service]\nExecStart=sleep infinity\n",
    );
    web.file(
        "/etc/systemd/system/lone.service",
        "[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    );
    web.sh("systemctl start nginx lone");
    profile(
        &web,
        "{units: [daemon, idle, ghost, lone, nginx], limit: 10}",
    );
    web.sh("echo '# changed' >>/etc/systemd/system/lone.service");
    let plan = web.certroll(&format!("plan {NEW}")).exits(5);
    for said in [
        "note: `idle.service` is `inactive (dead)`: it is neither started nor judged [unit-down]",
        "warning: `ghost.service` is not installed: it is neither started nor judged [unit-missing]",
        "note: `lone.service` runs, and is disabled: it will not come back at boot [unit-disabled]",
        "warning: the unit file of `lone.service` changed and systemd has not read it",
        "note: `nginx.service` runs, and is disabled",
    ] {
        assert!(plan.out.contains(said), "no {said:?} in {plan:#?}");
    }
    assert!(!plan.out.contains("`daemon.service` runs"), "{plan:#?}");

    web.sh("systemctl daemon-reload; systemctl mask nginx 2>&1");
    let plan = web.certroll(&format!("plan {NEW}")).exits(1);
    let masked = "`nginx.service` runs, and is masked: systemd would neither reload nor restart it [unit-masked]";
    assert!(said(&plan).contains(masked), "{plan:#?}");
    let refused = web.exec(&["systemctl", "restart", "nginx"]);
    assert_ne!(refused.code, 0, "{refused:#?}");
    web.sh("systemctl unmask nginx 2>&1");

    let run = web.certroll(&format!("apply {NEW} --yes")).exits(0);
    assert_eq!(run.last(), "committed: generation 1, 1 probe good");
    assert_eq!(
        web.unit("idle", "ActiveState"),
        "inactive",
        "what was down stays down"
    );
}

const WWW: &str = "User=www-data";

/// Mode and owner of a key, mode of its directory, and what a unit is allowed: systemd says who can read it.
const SANDBOXES: &[(&str, &str, &str, &str)] = &[
    ("0600", "root:root", "0755", ""),
    ("0600", "www-data:root", "0700", ""),
    (
        "0600",
        "www-data:root",
        "0755",
        "CapabilityBoundingSet=CAP_CHOWN",
    ),
    (
        "0600",
        "root:root",
        "0755",
        "CapabilityBoundingSet=CAP_CHOWN",
    ),
    ("0600", "root:root", "0755", WWW),
    ("0640", "root:www-data", "0755", WWW),
    ("0640", "root:www-data", "0700", WWW),
    ("0640", "root:ssl-cert", "0755", WWW),
    (
        "0640",
        "root:ssl-cert",
        "0755",
        "User=www-data\nSupplementaryGroups=ssl-cert",
    ),
    (
        "0640",
        "root:ssl-cert",
        "0755",
        "User=www-data\nGroup=ssl-cert",
    ),
    (
        "0600",
        "root:root",
        "0755",
        "User=www-data\nAmbientCapabilities=CAP_DAC_READ_SEARCH",
    ),
    (
        "0644",
        "root:root",
        "0755",
        "DynamicUser=yes\nProtectHome=no",
    ),
    (
        "0640",
        "root:ssl-cert",
        "0755",
        "DynamicUser=yes\nProtectHome=no",
    ),
    (
        "0640",
        "root:ssl-cert",
        "0755",
        "DynamicUser=yes\nProtectHome=no\nSupplementaryGroups=ssl-cert",
    ),
    ("0644", "root:root", "0755", "DynamicUser=yes"),
    ("0644", "root:root", "0755", "ProtectHome=yes"),
    ("0644", "root:root", "0755", "ProtectHome=tmpfs"),
    (
        "0644",
        "root:root",
        "0755",
        "ProtectHome=read-only\nProtectSystem=strict",
    ),
    (
        "0644",
        "root:root",
        "0755",
        "ProtectHome=tmpfs\nBindReadOnlyPaths=/home/pki",
    ),
    (
        "0644",
        "root:root",
        "0755",
        "ProtectHome=yes\nBindReadOnlyPaths=/home/pki",
    ),
    ("0644", "root:root", "0755", "InaccessiblePaths=/home/pki"),
    (
        "0644",
        "root:root",
        "0755",
        "InaccessiblePaths=/home\nReadOnlyPaths=/home/pki",
    ),
    ("0644", "root:root", "0755", "TemporaryFileSystem=/home:ro"),
    ("0644", "root:root", "0755", "PrivateTmp=yes"),
];

#[test]
fn whether_a_unit_can_read_the_key_is_known_before_anything_changes() {
    const KEY: &str = "/home/pki/site.key";
    let lab = Lab::take();
    let [web] = lab.hosts(["web"]);
    web.mint("/root/new");
    web.sh(&format!("install -D -m 0600 /root/new.key {KEY}"));
    // Reads the key with the rights of its unit; systemd keeps how that ended.
    web.file(
        "/etc/systemd/system/reader.service",
        format!("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=-/bin/cat {KEY}\nStandardOutput=null\n"),
    );
    web.file(
        "/root/profiles/daemon/profile.yaml",
        format!(
            "profile: daemon\ntitle: a reader\nsource: this test\nresources:\n  - {{kind: pem, path: {KEY}, form: key}}\n\
             services: [{{units: [reader], reads: [{KEY}]}}]\n"
        ),
    );
    web.mint("/root/other");
    let other = NEW.replace("/root/new", "/root/other");
    let mut seen = [0, 0];
    for (mode, owner, dir, properties) in SANDBOXES {
        let case = format!("{mode} {owner} {dir} {properties:?}");
        web.sh(&format!("getent group ssl-cert >/dev/null || groupadd --system ssl-cert; chmod {mode} {KEY}; chown {owner} {KEY}; chmod {dir} /home/pki"));
        web.file(
            "/etc/systemd/system/reader.service.d/test.conf",
            format!("[Service]\n{properties}\n"),
        );
        web.sh("systemctl daemon-reload; systemctl restart reader");
        let status = web.unit("reader", "ExecMainStatus");
        let plan = web.certroll(&format!("plan {other}"));
        let denied = said(&plan).contains("[unreadable]");
        assert_eq!(plan.code, if denied { 1 } else { 5 }, "{case}: {plan:#?}");
        assert_eq!(
            denied,
            status != "0",
            "{case}: cat ended with {status}: {plan:#?}"
        );
        seen[usize::from(denied)] += 1;
    }
    assert!(seen.iter().all(|n| *n > 5), "{seen:?}");
    let own = format!("[Service]\n{WWW}\n");
    web.file("/etc/systemd/system/reader.service.d/test.conf", own);
    web.sh(&format!(
        "chmod 0600 {KEY}; chown root:root {KEY}; systemctl daemon-reload; systemctl restart reader"
    ));
    let plan = web.certroll(&format!("plan {other}")).exits(1);
    let hint =
        format!("hint: in the profile, give `{KEY}` `group: www-data` and `mode: \"0640\"`\n");
    assert!(said(&plan).contains(&hint), "{plan:#?}");

    // What systemd reads for the unit needs no rights of its own.
    web.sh(&format!("chmod 0600 {KEY}; chown root:root {KEY}"));
    web.file(
        "/etc/systemd/system/reader.service.d/test.conf",
        format!("[Service]\nUser=www-data\nLoadCredential=key:{KEY}\nExecStart=\nExecStart=/bin/cat ${{CREDENTIALS_DIRECTORY}}/key\n"),
    );
    web.sh("systemctl daemon-reload; systemctl restart reader");
    web.certroll(&format!("plan {other}")).exits(5);
}
