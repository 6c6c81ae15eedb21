//! Whole rollouts on a host with systemd, seen from another host.

use crate::{
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
    assert_eq!(run.last(), "committed: generation 1, 1 probes good");
    serves(&client, &web, "new");
    assert_eq!(
        web.unit("nginx", "InvocationID"),
        before.1,
        "it was restarted"
    );
    let again = web.certroll(&format!("apply {NEW} --yes")).exits(0);
    assert_eq!(again.last(), "converged: nothing to do, 1 probes good");

    web.certroll("rollback --yes").exits(0);
    serves(&client, &web, "old");
    assert_eq!(web.tree(SITE), before.0);
    assert_eq!(web.unit("nginx", "ActiveState"), "active");
}
