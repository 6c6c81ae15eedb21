//! Packages that replace what was rolled out, installed by dpkg and by apt.

use super::{DEEDS, WRITTEN, calls, generations, is_quiet, looked_after, package, serves};
use crate::{
    common::{moment, until},
    host::{Host, Lab},
};

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
        let calls = history.matches(&format!("hook {caller}")).count();
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
    let run = web.exec(&["dpkg", "-i", &deb]).exits(2);
    assert!(run.out.contains("rolled back: generation 3"), "{run:#?}");
    let deb = package(&web, 2, "true");
    let run = web.exec(&["apt-get", "-qy", "install", &deb]).exits(100);
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

/// Rolls `new` out to a suite of daemons as platforms have them: a pair below /usr/share, an override that every conf.d
/// links to, a name in /etc/hosts.
fn suite(web: &Host<'_>) {
    web.mint("/root/old");
    web.mint("/root/new");
    let profile = r#"profile: suite
title: a suite of daemons
source: this test
facts:
  pair: {first: [/usr/share/new-certs, /usr/share/old-certs]}
  conf_dirs: {glob: "/etc/suite-*/conf.d"}
  hosts: {file: /etc/hosts}
resources:
  - {kind: pem, path: "{{ facts.pair }}/server.key", form: key, owner: root, group: www-data, mode: "0640"}
  - {kind: pem, path: "{{ facts.pair }}/server.crt", form: fullchain, owner: root, group: www-data, mode: "0644"}
  - {kind: template, path: /etc/suite/override.yml, from: override.yml.tera, mode: "0644"}
  - {kind: link, each: facts.conf_dirs, name: 010-override.yml, to: /etc/suite/override.yml}
  - {kind: template, path: /etc/nginx/conf.d/site.conf, from: site.conf.tera, mode: "0644"}
  - {kind: template, path: /etc/hosts, from: hosts.tera, mode: "0644"}
services:
  - {manager: systemd, action: reload, units: [nginx], config_test: [nginx, -t]}
probes:
  - {tls: "@dns@:443", addresses: [127.0.0.1], service: nginx}
  - {lookup: suite.example.com, is: 127.0.0.1}
deadline: 5
"#;
    let dir = "/root/profiles/suite";
    web.file(
        &format!("{dir}/profile.yaml"),
        profile.replace("@dns@", &web.dns()),
    );
    web.file(
        &format!("{dir}/override.yml.tera"),
        "auth: {verify: {{ facts.pair ~ '/server.crt' }}}\n",
    );
    web.file(
        &format!("{dir}/site.conf.tera"),
        "server {\n    listen 443 ssl;\n    ssl_certificate {{ facts.pair }}/server.crt;\n    \
         ssl_certificate_key {{ facts.pair }}/server.key;\n    return 200 \"suite\\n\";\n}\n",
    );
    web.file(
        &format!("{dir}/hosts.tera"),
        "{{ facts.hosts | hosts_line(address='127.0.0.1', name='suite.example.com') }}",
    );
    web.sh(
        "mkdir -p /etc/suite-auth/conf.d /usr/share/old-certs; systemctl enable --now nginx 2>&1; \
         cp /root/old.pem /usr/share/old-certs/server.crt; cp /root/old.key /usr/share/old-certs/server.key",
    );
    for line in [
        "apply --profile suite --cert /root/new.pem --key /root/new.key --yes",
        "hooks install --yes",
    ] {
        web.certroll(&format!("--profiles /root/profiles {line}"))
            .exits(0);
    }
    web.sh("systemctl stop certroll-hooks.path");
}

#[test]
fn a_package_that_brings_a_daemon_rewrites_the_hosts_or_moves_the_pair_is_followed() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    suite(&web);
    serves(&client, &web, "new");
    let hosts = web.sh("cat /etc/hosts");
    let linked =
        "test $(readlink /etc/suite-new/conf.d/010-override.yml) = /etc/suite/override.yml";
    let moved = "cmp /root/new.pem /usr/share/new-certs/server.crt; test ! -e /usr/share/old-certs; \
                 grep -q /usr/share/new-certs/server.crt /etc/suite/override.yml; \
                 stat -c '%a %U %G' /usr/share/new-certs/server.key | grep -qx '640 root www-data'";
    let cases = [
        ("mkdir -p /etc/suite-new/conf.d", linked),
        (
            "grep -v suite.example.com /etc/hosts > /etc/hosts.new; mv /etc/hosts.new /etc/hosts",
            "getent ahosts suite.example.com | grep -q 127.0.0.1",
        ),
        (
            "mkdir /usr/share/new-certs; cp /root/old.pem /usr/share/new-certs/server.crt; \
             cp /root/old.key /usr/share/new-certs/server.key; rm -r /usr/share/old-certs",
            moved,
        ),
    ];
    for (version, (does, wanted)) in (1..).zip(cases) {
        let deb = package(&web, version, does);
        let run = web.exec(&["dpkg", "-i", &deb]).exits(0);
        assert!(run.last().starts_with("committed: "), "{run:#?}");
        web.sh(wanted);
        serves(&client, &web, "new");
        is_quiet(&web);
    }
    assert_eq!(web.sh("cat /etc/hosts"), hosts);
}
