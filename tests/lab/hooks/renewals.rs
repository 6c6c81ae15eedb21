//! Sources that are renewed, and files that go, noticed by systemd or told by certbot.

use super::{WRITTEN, calls, generations, is_quiet, looked_after, serves, source};
use crate::{
    common::{moment, until},
    host::Lab,
    nginx::serve,
};

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
        history.contains("hook path") && history.contains("hook timer"),
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
        said.ends_with("committed: generation 3, 1 probe good\n"),
        "{said}"
    );
    serves(&client, &web, "next");
    assert_eq!(web.sh("sh /root/renewed 2 next"), "");
    web.certroll("hooks remove --yes").exits(0);
    web.sh("sh /root/renewed 1 new; rm /etc/letsencrypt/archive/site/*2.pem");
    assert_eq!(web.tree("/etc/letsencrypt"), before);
}
