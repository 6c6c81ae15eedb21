//! `revert` on a host with the platform's own package, whose configuration makes the default pair where it is missing.

use crate::{
    common::until,
    host::{Host, Lab},
};

const DIR: &str = "/usr/share/xivo-certs";

/// Everything that a rollout of `wazo` changes.
const TREE: &str =
    "/usr/share/xivo-certs /etc/xivo /etc/xivo-auth /etc/xivo-confd /etc/hosts /etc/nginx";

/// Builds the package `xivo-certs` and installs it: what its postinst does is what the platform's own does; `extra` runs
/// first in it.
fn package(host: &Host<'_>, version: &str, subject: &str, extra: &str) {
    host.file(
        "/root/pkg/DEBIAN/control",
        format!(
            "Package: xivo-certs\nVersion: {version}\nArchitecture: all\nMaintainer: this test <root@localhost>\n\
             Description: the default pair\n"
        ),
    );
    host.file(
        "/root/pkg/DEBIAN/postinst",
        format!(
            "#!/bin/sh\nset -e\nkey={DIR}/server.key crt={DIR}/server.crt\nif [ \"$1\" = configure ]; then\n{extra}\n\
             if [ ! -e $key ] || [ ! -e $crt ]; then\nopenssl req -x509 -sha256 -nodes -days 3650 -newkey rsa:2048 \
             -subj '{subject}' -keyout $key -out $crt 2>/dev/null\nfi\nchown root:www-data $key $crt\nchmod 640 $key\n\
             chmod 644 $crt\nfi\n"
        ),
    );
    host.sh(&format!(
        "cd /root; mkdir -p pkg{DIR}; chmod 755 pkg pkg/DEBIAN pkg/DEBIAN/postinst; \
         dpkg-deb --root-owner-group --build pkg xivo-certs.deb; dpkg -i xivo-certs.deb 2>&1"
    ));
}

const DEFAULT: &str = "/C=CA/O=Proformatique/CN=*";

/// A host of 17.06 as far as this matters: the package, two daemons' directories, and nginx on the ports that they serve.
fn platform(host: &Host<'_>) {
    package(host, "17.06", DEFAULT, "");
    for daemon in ["xivo-auth", "xivo-confd"] {
        host.file(
            &format!("/etc/{daemon}/config.yml"),
            "auth:\n  host: localhost\n  verify_certificate: /usr/share/xivo-certs/server.crt\n",
        );
        host.sh(&format!("mkdir -p /etc/{daemon}/conf.d"));
    }
    let template =
        "127.0.0.1\tlocalhost\n127.0.1.1\t#XIVO_HOSTNAME#.#XIVO_DOMAIN#\t#XIVO_HOSTNAME#\n";
    host.file(
        "/usr/share/xivo-config/templates/system/etc/hosts",
        template,
    );
    host.file(
        "/etc/xivo/common.conf",
        "XIVO_HOSTNAME=pbx\nXIVO_DOMAIN=lab.test\n",
    );
    host.sh("mkdir -p /etc/xivo/custom /etc/xivo/custom-templates");
    host.sh("printf '127.0.0.1\\tlocalhost\\n127.0.1.1\\tpbx.lab.test\\tpbx\\n' >/etc/hosts");
    host.file(
        "/etc/nginx/conf.d/site.conf",
        format!(
            "server {{\n    listen 443 ssl;\n    listen 9497 ssl;\n    listen 9486 ssl;\n    \
             ssl_certificate {DIR}/server.crt;\n    ssl_certificate_key {DIR}/server.key;\n    return 200 \"site\\n\";\n}}\n"
        ),
    );
    host.sh("systemctl enable --now nginx 2>&1");
    host.mint("/root/site");
}

/// Rolls the custom pair out, and returns what is there and served from then on.
fn roll_out(host: &Host<'_>) -> (String, String) {
    let apply = "apply --profile wazo --cert /root/site.pem --key /root/site.key --yes";
    host.certroll(apply).exits(0);
    (host.tree(TREE), host.fingerprint("/root/site.pem"))
}

#[track_caller]
fn all_ports_serve(client: &Host<'_>, host: &Host<'_>, leaf: &str) {
    for port in [443, 9486, 9497] {
        assert_eq!(client.leaf(host, port).as_deref(), Some(leaf), "{port}");
    }
}

#[test]
fn a_revert_has_the_package_make_its_pair_and_a_rollback_of_it_gives_the_very_tree_back() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    platform(&web);
    let default = web.tree(&TREE.replace(DIR, ""));
    let (custom, site) = roll_out(&web);
    all_ports_serve(&client, &web, &site);

    let plan = web.certroll("plan --revert").exits(5);
    assert_eq!(web.tree(TREE), custom, "a plan changed something");
    let line = "  dpkg-reconfigure --frontend=noninteractive xivo-certs\n";
    assert!(plan.out.contains(line), "{}", plan.out);
    let run = web.certroll("revert --yes").exits(0);
    // Three endpoints, and the pair readable by the user and by the group of the daemons.
    assert_eq!(run.last(), "committed: generation 2, 5 probes good");
    let made = web.fingerprint(&format!("{DIR}/server.crt"));
    assert_ne!(made, site);
    let subject = web.sh(&format!(
        "openssl x509 -in {DIR}/server.crt -noout -subject"
    ));
    assert!(subject.contains("O = Proformatique"), "{subject}");
    all_ports_serve(&client, &web, &made);
    let left =
        web.sh("find /etc/xivo /etc/xivo-* -name '*custom-certificate*' -o -type f -name hosts");
    assert_eq!(left, "");
    let gone = |line: &&str| !line.contains("/etc/xivo/custom-templates/");
    let now = web.tree(&TREE.replace(DIR, ""));
    let (now, before): (Vec<_>, Vec<_>) = (
        now.lines().filter(gone).collect(),
        default.lines().filter(gone).collect(),
    );
    assert_eq!(now, before);
    let modes = web.sh(&format!(
        "stat -c '%U:%G %a' {DIR}/server.key {DIR}/server.crt"
    ));
    assert_eq!(modes, "root:www-data 640\nroot:www-data 644\n");
    web.certroll("revert --profile wazo --yes")
        .exits(0)
        .says("converged: nothing to do, 5 probes good");

    let run = web.certroll("rollback --yes").exits(0);
    assert_eq!(run.last(), "committed: generation 3, 5 probes good");
    assert_eq!(web.tree(TREE), custom);
    all_ports_serve(&client, &web, &site);
    web.certroll("apply --yes").exits(0).says("converged: ");
}

#[test]
fn a_package_that_cannot_make_its_pair_or_makes_another_gives_the_custom_one_back() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    platform(&web);
    let (custom, site) = roll_out(&web);
    for (version, subject, extra, says) in [
        (
            "17.07",
            DEFAULT,
            "test -e $key || exit 7",
            "`dpkg-reconfigure",
        ),
        (
            "17.08",
            DEFAULT,
            "test -e $key || { echo half >$key; exit 7; }",
            "`dpkg-reconfigure",
        ),
        (
            "17.09",
            "/CN=another",
            "",
            "a default identity of the platform",
        ),
    ] {
        package(&web, version, subject, extra);
        let run = web.certroll("revert --yes").exits(3);
        assert!(run.out.contains(says), "{version}: {run:#?}");
        assert!(run.last().starts_with("rolled back: "), "{run:#?}");
        assert_eq!(web.tree(TREE), custom, "{version}");
        all_ports_serve(&client, &web, &site);
    }
}

#[test]
fn a_revert_that_is_killed_while_the_package_is_at_work_is_recovered() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    platform(&web);
    let (custom, site) = roll_out(&web);
    package(
        &web,
        "17.10",
        DEFAULT,
        "test -e $key || { echo half >$key; touch /run/at-work; sleep 30; }",
    );
    let run = web.start(&["certroll", "revert", "--yes"]);
    until("the package", || {
        web.exec(&["test", "-e", "/run/at-work"]).code == 0
    });
    web.sh("kill -KILL $(pidof certroll)");
    run.end().exits(137);
    web.certroll("status").exits(4);
    web.certroll("recover").exits(0).says("rolled back: ");
    assert_eq!(web.tree(TREE), custom);
    all_ports_serve(&client, &web, &site);
    assert_eq!(web.exec(&["pgrep", "-f", "xivo-certs.postinst"]).code, 1);
}
