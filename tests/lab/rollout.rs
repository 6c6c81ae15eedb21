//! Whole rollouts on a host with systemd, seen from another host.

use crate::{
    common::until,
    host::{Host, Lab},
    nginx::{NEW, SITE, serve},
};

/// Asserts what another host is served.
#[track_caller]
fn serves(client: &Host<'_>, web: &Host<'_>, pair: &str) {
    let wanted = web.fingerprint(&format!("/root/{pair}.pem"));
    assert_eq!(client.leaf(web, 443), Some(wanted), "want {pair}.pem");
}

#[test]
fn a_reload_brings_the_new_leaf_to_other_hosts_and_a_rollback_the_old_one() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    serve(&web, "reload");
    serves(&client, &web, "old");
    let before = (web.tree(SITE), web.unit("nginx", "InvocationID"));

    web.certroll(&format!("plan {NEW}")).exits(5);
    let run = web.certroll(&format!("apply {NEW} --yes")).exits(0);
    assert_eq!(run.last(), "committed: generation 1, 1 probe good");
    serves(&client, &web, "new");
    assert_eq!(
        web.unit("nginx", "InvocationID"),
        before.1,
        "it was restarted"
    );
    let again = web.certroll(&format!("apply {NEW} --yes")).exits(0);
    assert_eq!(again.last(), "converged: nothing to do, 1 probe good");

    web.certroll("rollback --yes").exits(0);
    serves(&client, &web, "old");
    assert_eq!(web.tree(SITE), before.0);
    assert_eq!(web.unit("nginx", "ActiveState"), "active");
}

#[test]
fn a_restart_that_fails_brings_the_old_leaf_and_the_unit_back() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    serve(&web, "restart");
    let before = web.tree(SITE);
    let mut argv = vec![
        "certroll",
        "apply",
        "--yes",
        "--set",
        "directive=no_such_directive on;",
    ];
    argv.extend(NEW.split(' '));
    let run = web.exec(&argv).exits(3);
    assert!(
        run.out.contains("`nginx.service` is `failed (exit-code)`"),
        "{run:#?}"
    );
    assert_eq!(
        run.last(),
        "rolled back: generation 1, everything as it was before"
    );
    serves(&client, &web, "old");
    assert_eq!(web.tree(SITE), before);
    assert_eq!(web.unit("nginx", "ActiveState"), "active");
    assert_eq!(web.sh("systemctl is-system-running"), "running\n");
    web.certroll(&format!("apply {NEW} --yes")).exits(0);
    serves(&client, &web, "new");
}

#[test]
fn a_run_that_is_killed_while_systemd_reloads_is_recovered() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    serve(&web, "reload");
    let before = web.tree(SITE);
    // The new leaf is live at once, and the reload takes its time.
    web.file(
        "/etc/systemd/system/nginx.service.d/slow.conf",
        "[Service]\nExecReload=/bin/sh -c 'touch /run/reloading; test ! -e /run/slow || sleep 6'\n",
    );
    web.sh("touch /run/slow; systemctl daemon-reload");
    let apply = format!("certroll apply {NEW} --yes");
    let run = web.start(&apply.split(' ').collect::<Vec<_>>());
    until("the reload", || {
        web.exec(&["test", "-e", "/run/reloading"]).code == 0
    });
    web.sh("kill -KILL $(pidof certroll)");
    run.end().exits(137);
    web.certroll("status").exits(4);
    web.sh("rm /run/slow");
    let run = web.certroll("recover").exits(0);
    assert_eq!(
        run.last(),
        "rolled back: generation 1, everything as it was before"
    );
    serves(&client, &web, "old");
    assert_eq!(web.tree(SITE), before);
    assert_eq!(web.unit("nginx", "ActiveState"), "active");
    web.certroll(&format!("plan {NEW}")).exits(5);
}
