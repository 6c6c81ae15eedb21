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
fn what_the_override_cannot_reach_and_what_is_never_touched_is_said() {
    let said = |tree: &MapTree| {
        let desired = desired_for(tree, &identity("trusted", false), &[]).unwrap();
        let said = |f: &certroll::preflight::Finding| (f.severity, f.name, f.message.clone());
        let found: Vec<_> = desired.findings.iter().map(said).collect();
        (desired, found)
    };
    let name_of = "wazo.example.com";
    let mut tree = MapTree::fixture("wazo-20.03");

    // The certificates of the web interface are shown, and no target.
    let certificates = "/var/lib/wazo/certificates";
    tree.dir(certificates);
    tree.file(&format!("{certificates}/phones.crt"), "not ours\n");
    let (desired, found) = said(&tree);
    let message = format!(
        "certificates made in the web interface (telephony, SIPS) are in {certificates}: they are not touched"
    );
    assert_eq!(found, [(Severity::Note, "telephony", message)]);
    let is_there = |path: &str| path.starts_with(certificates);
    assert!(!desired.targets.iter().any(|t| is_there(t.path.as_str())));
    tree = MapTree::fixture("wazo-20.03");

    // One reader of a block calls another machine, the others this one.
    let file = "/etc/wazo-confd/conf.d/020-far.yml";
    tree.file(file, "auth:\n  host: auth.example.com\n");
    let (desired, found) = said(&tree);
    assert!(!blocks(&desired).contains(&"auth".to_owned()));
    let (_, _, message) = found
        .iter()
        .find(|(severity, name, _)| (*severity, *name) == (Severity::Warning, "block-split"))
        .unwrap();
    assert!(
        message.starts_with("`auth` is this machine for some of ")
            && message.contains("wazo-confd")
            && message.contains("wazo-dird")
            && message.ends_with(&format!(
                " and `auth.example.com` for others ({file}:2): none is overridden"
            )),
        "{message}"
    );
    let desired = desired_for(&tree, &identity("trusted", false), &[("override", "all")]).unwrap();
    assert!(blocks(&desired).contains(&"auth".to_owned()));
    assert_eq!(names(&desired), []);

    // A daemon without a directory for the link, and a host without the template.
    let mut tree = MapTree::fixture("wazo-20.03");
    let gone = |path: &str| {
        path.starts_with("/etc/wazo-dird/conf.d")
            || path.starts_with("/usr/share/xivo-config/templates")
    };
    tree.0.retain(|path, _| !gone(path.as_str()));
    let (desired, found) = said(&tree);
    let without = "`/etc/wazo-dird` has no conf.d: the daemon keeps its own settings";
    let unnamed = format!(
        "there is no template of /etc/hosts: `{name_of}` is not given the address 127.0.0.1"
    );
    assert_eq!(
        found,
        [
            (Severity::Warning, "no-conf-dir", without.to_owned()),
            (Severity::Warning, "no-hosts-template", unnamed),
        ]
    );
    assert_eq!(text(&desired, "/etc/hosts"), None);
    assert!(
        !links(&desired)
            .iter()
            .any(|link| link.contains("wazo-dird"))
    );
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
