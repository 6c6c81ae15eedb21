//! What else of the host decides: its release, names, directories, consumers, and how many services it has.

use super::*;

#[test]
fn the_release_decides_where_the_host_does_not() {
    let tree = MapTree::fixture("wazo-20.03");
    let late = desired_for(&tree, &identity("trusted", false), &[("release", "20.07")]).unwrap();
    assert_eq!(
        blocks(&late),
        [
            "consul",
            "agentd",
            "ajam",
            "call_logd",
            "call-logd",
            "plugind",
            "provd",
            "prov_server",
            "webhookd"
        ]
    );
    let mut bare = MapTree::default();
    bare.dir("/etc/wazo-svc1/conf.d");
    bare.dir("/usr/share/xivo-certs");
    let plain = desired_for(&bare, &identity("trusted", false), &[("release", "22.01")]).unwrap();
    assert_eq!(plain.targets.len(), 2);
}

#[test]
fn the_hosts_line_is_added_for_a_foreign_name_and_only_once() {
    let first = desired("wazo-20.03", &[]);
    let custom = "/etc/xivo/custom-templates/system/etc/hosts";
    let template = text(&first, custom).unwrap();
    assert!(
        template.contains("\n127.0.0.1\twazo.example.com\n"),
        "{template}"
    );
    let live = text(&first, "/etc/hosts").unwrap();
    assert!(
        live.contains("127.0.0.1\tpbx.example.com\tlocalhost.localdomain\tpbx\n"),
        "{live}"
    );
    let mut tree = MapTree::fixture("wazo-20.03");
    tree.file(custom, &template);
    let second = desired_for(&tree, &identity("trusted", false), &[]).unwrap();
    assert_eq!(text(&second, custom).unwrap(), template);
    assert_eq!(text(&second, "/etc/hosts").unwrap(), live);
}

#[test]
fn directories_with_hosts_of_their_own_are_steps_for_people() {
    let steps = desired("wazo-17.06", &[]).steps;
    assert_eq!(steps.len(), 2);
    assert!(steps[0].text.contains("Configuration --> Directories"));
    assert!(
        steps[1]
            .text
            .starts_with("/etc/xivo-dird/conf.d/060-internal.yml:4: "),
        "{}",
        steps[1].text
    );
    let (file, gone) = steps[1].gone.clone().unwrap();
    assert_eq!(
        (file.as_str(), gone.as_str()),
        ("/etc/xivo-dird/conf.d/060-internal.yml", "localhost")
    );
}

#[test]
fn consumers_are_found_with_unit_and_port_and_another_pair_is_told_apart() {
    let tree = MapTree::fixture("wazo-half-default");
    let profile = profile::parse_embedded("wazo").unwrap();
    let facts = facts::discover_in(&profile, &tree, &BTreeMap::new()).unwrap();
    let paths = [
        "/usr/share/xivo-certs/server.key",
        "/usr/share/xivo-certs/server.crt",
    ];
    let pair = effective::Pair {
        paths: paths
            .map(|p| certroll::state::HostPath::new(p).unwrap())
            .to_vec(),
    };
    let (found, whole) = effective::consumers(&tree, &[&facts], &pair).unwrap();
    assert!(whole);
    let site = found
        .iter()
        .find(|c| c.path.ends_with("sites-available/wazo"))
        .unwrap();
    assert_eq!(
        (site.line, site.unit.as_deref(), site.ports.as_slice()),
        (3, Some("nginx"), &[443][..])
    );
    assert_eq!(site.other.as_deref(), Some("/etc/ssl/site/server.crt"));
    let confd = found
        .iter()
        .find(|c| c.path == "/etc/wazo-confd/config.yml")
        .unwrap();
    assert_eq!(
        (confd.unit.as_deref(), confd.other.as_deref()),
        (Some("wazo-confd"), None)
    );
    let asterisk = found
        .iter()
        .find(|c| c.path == "/etc/asterisk/http.conf")
        .unwrap();
    assert_eq!((asterisk.line, asterisk.ports.as_slice()), (4, &[5040][..]));
}

#[test]
fn twenty_thousand_directories_stay_cheap() {
    let mut tree = MapTree::default();
    for n in 0..20_000 {
        tree.dir(&format!("/etc/wazo-svc{n}/conf.d"));
    }
    tree.dir("/usr/share/xivo-certs");
    tree.dir("/etc/wazo-file");
    tree.file("/etc/wazo-file/conf.d", "not a directory\n");
    let desired = desired_for(&tree, &identity("trusted", false), &[]).unwrap();
    assert_eq!(links(&desired).len(), 20_000);
}
