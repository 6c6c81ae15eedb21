//! The renewals of an ACME server's leaf by the timer of systemd alone: ordered, rolled out, proved, or taken back. The server
//! is the machine's own pebble, on a host of its own.

use std::path::Path;

use crate::{
    common::until,
    host::{Host, Lab},
    nginx::{SITE, serve},
};

/// The unit that renews.
const UNIT: &str = "certroll-renew";

/// Has a host be an ACME server that other hosts know by its name, with leaves of an hour.
fn acme_server(ca: &Host<'_>) {
    let line = "issue ca {} --key-type p256 --cert /root/acme.pem --key /root/acme.key --ca-cert /root/ca.pem --ca-key /root/ca.key";
    ca.certroll(&line.replace("{}", &ca.dns())).exits(0);
    ca.push(Path::new("/usr/bin/pebble"), "/usr/local/bin/pebble");
    ca.file(
        "/root/pebble.json",
        r#"{"pebble": {"listenAddress": "0.0.0.0:14000", "managementListenAddress": "127.0.0.1:15000",
            "certificate": "/root/acme.pem", "privateKey": "/root/acme.key", "httpPort": 80, "tlsPort": 443,
            "ocspResponderURL": "", "externalAccountBindingRequired": false, "certificateValidityPeriod": 3600,
            "retryAfter": {"authz": 1, "order": 1}}}"#,
    );
    ca.sh(
        "systemd-run --quiet --unit pebble --setenv PEBBLE_VA_NOSLEEP=1 --setenv PEBBLE_AUTHZREUSE=0 \
         pebble -config /root/pebble.json",
    );
    until("the ACME server", || {
        ca.exec(&["sh", "-c", "ss -ltn | grep -q :14000"]).code == 0
    });
}

/// Writes the rollout's file, with a directive that nginx takes, or does not.
fn describe(web: &Host<'_>, directive: &str) {
    let live = live(web);
    web.file(
        "/etc/certroll/rollouts.d/site.yaml",
        format!("profiles: [site]\ncert: {live}/fullchain.pem\nkey: {live}/key.pem\nset: {{directive: '{directive}'}}\n"),
    );
}

fn live(web: &Host<'_>) -> String {
    format!("/var/lib/certroll/acme/{}/live", web.dns())
}

/// The fingerprint of the newest leaf that was issued.
#[track_caller]
fn issued(web: &Host<'_>) -> String {
    web.fingerprint(&format!("{}/fullchain.pem", live(web)))
}

#[test]
fn the_timer_renews_and_rolls_out_and_a_rollout_that_breaks_fails_its_unit_and_goes_back() {
    let lab = Lab::take();
    let [web, ca] = lab.hosts(["web", "ca"]);
    acme_server(&ca);
    serve(&web, "reload");
    let trusted = ca.sh("cat /root/ca.pem");
    web.file("/root/ca.pem", trusted);
    // Debian's own site answers on port 80.
    let order = format!(
        "issue acme {} --server https://{}:14000/dir --ca-file /root/ca.pem --agree-tos --webroot /var/www/html",
        web.dns(),
        ca.dns()
    );
    web.certroll(&order).exits(0);
    describe(&web, "server_tokens off;");
    web.certroll("--profiles /root/profiles apply site --yes")
        .exits(0);
    web.certroll("--profiles /root/profiles hooks install --yes")
        .exits(0);
    // What watches the source would be as quick.
    web.sh("systemctl stop certroll-hooks.path certroll-hooks.timer");
    let timer = web
        .sh("systemctl is-enabled certroll-renew.timer; systemctl is-active certroll-renew.timer");
    assert_eq!(timer, "enabled\nactive\n");
    let next = web.unit("certroll-renew.timer", "NextElapseUSecRealtime");
    assert_ne!(next, "");
    let first = issued(&web);
    assert_eq!(ca.leaf(&web, 443), Some(first.clone()));
    // Until it is wanted, since its time is any moment within the hour.
    web.sh("systemctl stop certroll-renew.timer");

    // Not due: nothing is ordered.
    web.sh(&format!("systemctl start {UNIT}"));
    assert_eq!(issued(&web), first);
    // From here on a leaf is due as soon as it is issued: by itself none is before a tenth of its lifetime is over.
    web.sh(&format!(
        "mkdir /etc/systemd/system/{UNIT}.service.d; cd /etc/systemd/system; \
         sed -n 's/^ExecStart=.*/[Service]\\nExecStart=\\n& --force/p' {UNIT}.service >{UNIT}.service.d/due.conf; \
         grep -q ' renew --force$' {UNIT}.service.d/due.conf; systemctl daemon-reload"
    ));
    web.sh(&format!("systemctl start {UNIT}"));
    let second = issued(&web);
    assert_ne!(second, first);
    assert_eq!(ca.leaf(&web, 443), Some(second.clone()));

    // The timer itself, in a second instead of an hour.
    web.file(
        "/etc/systemd/system/certroll-renew.timer.d/soon.conf",
        "[Timer]\nOnBootSec=\nOnActiveSec=1\nRandomizedDelaySec=0\nAccuracySec=100ms\n",
    );
    web.sh("systemctl daemon-reload; systemctl restart certroll-renew.timer");
    until("a renewal by the timer", || {
        ca.leaf(&web, 443).is_some_and(|leaf| leaf != second)
    });
    assert_ne!(web.unit("certroll-renew.timer", "LastTriggerUSec"), "");
    until("its end", || web.unit(UNIT, "ActiveState") == "inactive");
    let third = issued(&web);
    assert_eq!(ca.leaf(&web, 443), Some(third.clone()));
    let log = web.sh(&format!(
        "journalctl --sync; journalctl -b --no-pager -o cat -u {UNIT}"
    ));
    assert!(
        log.contains("committed: generation 4, 1 probe good"),
        "{log}"
    );

    // nginx refuses the rollout: all goes back, the unit fails, and that is told.
    describe(&web, "no_such_directive on;");
    let before = (web.tree(SITE), web.unit("nginx", "InvocationID"));
    let broken = web.exec(&["systemctl", "start", UNIT]);
    assert_eq!(broken.code, 1, "{broken:#?}");
    assert_eq!(
        web.exec(&["systemctl", "is-failed", UNIT]).exits(0).out,
        "failed\n"
    );
    assert_eq!((web.tree(SITE), web.unit("nginx", "InvocationID")), before);
    assert_eq!(ca.leaf(&web, 443), Some(third));
    let status = web
        .certroll("--profiles /root/profiles status site")
        .exits(5);
    assert!(status.out.contains("rolled back"), "{status:#?}");
    let nagios = web
        .certroll("--profiles /root/profiles status --format nagios")
        .exits(1);
    assert!(
        nagios.out.contains("site: generation 5: rolled back"),
        "{nagios:#?}"
    );
}
