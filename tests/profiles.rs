//! The built-in profiles on whole hosts: what they ask for, from facts and identity alone.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests read fixtures from disk and fail by panicking"
)]

#[path = "common/fixture.rs"]
mod fixture;
#[path = "profiles/host.rs"]
mod host;

use std::collections::BTreeMap;

use certroll::{
    desired::{Desired, Manager, Probe},
    effective,
    error::{Error, Result},
    facts,
    preflight::Severity,
    profile::{self, IdentityContext, Ids},
    state::{Bytes, Content},
};
use fixture::MapTree;

#[derive(Debug)]
struct Numbers;

impl Ids for Numbers {
    fn user(&self, _: &str) -> Result<u32> {
        Ok(0)
    }
    fn group(&self, name: &str) -> Result<u32> {
        Ok(if name == "www-data" { 33 } else { 0 })
    }
}

fn identity(trust: &str, anchor: bool) -> IdentityContext {
    let pem = |text: &str| Bytes::from(text.as_bytes().to_vec());
    let mut forms = BTreeMap::from([
        ("key", pem("KEY\n")),
        ("leaf", pem("LEAF\n")),
        ("chain", pem("CHAIN\n")),
        ("fullchain", pem("LEAF\nCHAIN\n")),
        ("bundle", pem("KEY\nLEAF\n")),
    ]);
    if anchor {
        forms.insert("anchor", pem("ANCHOR\n"));
    }
    IdentityContext {
        json: serde_json::json!({
            "name": "wazo.example.com", "cn": "wazo.example.com", "dns": ["wazo.example.com"], "ips": [],
            "fingerprint": "ab12", "self_signed": trust == "self-signed", "trust": trust, "has_anchor": anchor,
        }),
        forms,
        covers: Box::new(|name| name == "wazo.example.com"),
        turn: certroll::rotation::Turn::default(),
    }
}

fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn desired_for(
    tree: &MapTree,
    identity: &IdentityContext,
    pairs: &[(&str, &str)],
) -> Result<Desired> {
    let profile = profile::parse_embedded("wazo").unwrap();
    let facts = facts::discover_in(&profile, tree, &set(pairs))?;
    profile::desired(&[(profile, facts)], identity, &set(pairs), &Numbers)
}

fn desired(host: &str, pairs: &[(&str, &str)]) -> Desired {
    desired_for(&MapTree::fixture(host), &identity("trusted", false), pairs).unwrap()
}

fn text(desired: &Desired, path: &str) -> Option<String> {
    let target = desired.targets.iter().find(|t| t.path.as_str() == path)?;
    match &target.wanted.content {
        Content::File(bytes) => Some(bytes.text()),
        other => panic!("{other:?}"),
    }
}

fn links(desired: &Desired) -> Vec<&str> {
    let links = desired.targets.iter().filter(|t| t.kind == "link");
    links.map(|t| t.path.as_str()).collect()
}

fn names(desired: &Desired) -> Vec<(Severity, &'static str)> {
    desired
        .findings
        .iter()
        .map(|f| (f.severity, f.name))
        .collect()
}

fn ports(desired: &Desired) -> Vec<u16> {
    let ports = desired.probes.iter().filter_map(|p| match p {
        Probe::Tls { port, .. } => Some(*port),
        Probe::Call { .. } | Probe::Lookup { .. } | Probe::Readable { .. } | Probe::Http { .. } => {
            None
        }
    });
    ports.collect()
}

const OVERRIDE: &str = "/etc/xivo/custom/custom-certificate.yml";

fn blocks(desired: &Desired) -> Vec<String> {
    let text = text(desired, OVERRIDE).unwrap_or_default();
    let tops = text
        .lines()
        .filter(|l| l.ends_with(':') && !l.starts_with([' ', '#']));
    tops.map(|l| l.trim_end_matches(':').to_owned()).collect()
}

#[test]
fn a_host_that_does_not_tell_gets_the_documents_way() {
    let mut tree = MapTree::default();
    for n in 1..=3 {
        tree.dir(&format!("/etc/wazo-svc{n}/conf.d"));
    }
    tree.dir("/usr/share/xivo-certs");
    let stock = "127.0.0.1\tlocalhost\n127.0.1.1\t#XIVO_HOSTNAME#.#XIVO_DOMAIN#\tlocalhost.localdomain\t#XIVO_HOSTNAME#\n";
    tree.file("/usr/share/xivo-config/templates/system/etc/hosts", stock);
    tree.file("/etc/hosts", "127.0.0.1\tlocalhost\n");
    let desired = desired_for(&tree, &identity("trusted", false), &[]).unwrap();
    let want = "# Written by certroll; what is changed here is lost.\n\
        consul:\n  host: \"wazo.example.com\"\n  verify: True\n\
        agentd:\n  host: \"wazo.example.com\"\n  verify_certificate: True\n\
        ajam:\n  host: \"wazo.example.com\"\n  verify_certificate: True\n\
        amid:\n  host: \"wazo.example.com\"\n  verify_certificate: True\n\
        auth:\n  host: \"wazo.example.com\"\n  verify_certificate: True\n\
        confd:\n  host: \"wazo.example.com\"\n  verify_certificate: True\n\
        ctid_ng:\n  host: \"wazo.example.com\"\n  verify_certificate: True\n\
        dird:\n  host: \"wazo.example.com\"\n  verify_certificate: True\n";
    assert_eq!(text(&desired, OVERRIDE).unwrap(), want);
    assert_eq!(
        links(&desired),
        [1, 2, 3].map(|n| format!("/etc/wazo-svc{n}/conf.d/010-custom-certificate.yml"))
    );
    assert_eq!(
        text(&desired, "/etc/hosts").unwrap(),
        "127.0.0.1\tlocalhost\n127.0.0.1\twazo.example.com\tlocalhost.localdomain\twazo\n"
    );
    let custom = "/etc/xivo/custom-templates/system/etc/hosts";
    assert_eq!(
        text(&desired, custom).unwrap(),
        stock.replace("127.0.1.1", "127.0.0.1")
    );
    let template = desired
        .targets
        .iter()
        .find(|t| t.path.as_str() == custom)
        .unwrap();
    assert!(template.swept.is_some() && template.wanted.mode == Some(0o644));
    assert_eq!(names(&desired), [(Severity::Note, "release-untold")]);
    assert_eq!(ports(&desired), [443]);
    assert_eq!(
        text(&desired, "/usr/share/xivo-certs/server.crt").unwrap(),
        "LEAF\nCHAIN\n"
    );
}

#[test]
fn each_era_overrides_what_its_daemons_read_and_nothing_else() {
    let old = desired("wazo-17.06", &[]);
    assert_eq!(
        blocks(&old),
        [
            "consul", "agentd", "ajam", "amid", "auth", "confd", "ctid_ng", "dird"
        ]
    );
    assert_eq!(links(&old).len(), 14);
    assert!(links(&old).contains(&"/etc/wazo-plugind/conf.d/010-custom-certificate.yml"));
    assert_eq!(
        ports(&old),
        [
            443, 8500, 9486, 9497, 5040, 9491, 9298, 9493, 9489, 9499, 9500, 9502, 9503
        ]
    );
    let middle = desired("wazo-20.03", &[]);
    assert_eq!(
        blocks(&middle),
        [
            "consul",
            "agentd",
            "ajam",
            "amid",
            "auth",
            "confd",
            "dird",
            "call_logd",
            "call-logd",
            "plugind",
            "provd",
            "prov_server",
            "webhookd"
        ]
    );
    let current = desired("wazo-current", &[]);
    assert_eq!(blocks(&current), [""; 0]);
    assert_eq!(links(&current), [""; 0]);
    assert_eq!(ports(&current), [443, 9499]);
    let paths: Vec<_> = current.targets.iter().map(|t| t.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/usr/share/wazo-certs/server.key",
            "/usr/share/wazo-certs/server.crt"
        ]
    );
    for desired in [&old, &middle, &current] {
        assert_eq!(names(desired), [], "{:?}", desired.findings);
    }
}

#[test]
fn units_are_those_of_the_host_and_the_script_forgets_some() {
    let old = desired("wazo-17.06", &[]);
    let script = &old.services[0];
    assert_eq!(script.manager, Manager::WazoService);
    assert_eq!(
        script.command.as_ref().unwrap().line(),
        "xivo-service restart all"
    );
    assert!(script.units.contains(&"xivo-call-logs".to_owned()));
    assert!(!script.units.contains(&"xivo-call-logd".to_owned()));
    assert!(script.units.contains(&"nginx".to_owned()));
    assert_eq!(old.services[1].units, ["wazo-plugind"]);
    let middle = desired("wazo-20.03", &[]);
    assert_eq!(
        middle.services[0].command.as_ref().unwrap().line(),
        "wazo-service restart all"
    );
    assert_eq!(middle.services[1].units, ["wazo-setupd", "wazo-ui"]);
    assert!(
        !middle.services[0]
            .units
            .contains(&"wazo-upgrade".to_owned())
    );
}

#[test]
fn a_block_on_another_machine_keeps_its_host() {
    let remote = desired("wazo-auth-remote", &[]);
    assert!(!blocks(&remote).contains(&"auth".to_owned()));
    assert!(blocks(&remote).contains(&"confd".to_owned()));
    let note = remote
        .findings
        .iter()
        .find(|f| f.name == "block-kept")
        .unwrap();
    assert!(
        note.message.contains("`auth.example.com`"),
        "{}",
        note.message
    );
    assert!(
        note.message.contains("/conf.d/05-auth-host.yml:2"),
        "{}",
        note.message
    );
    let insisted = desired("wazo-auth-remote", &[("override", "all")]);
    assert!(blocks(&insisted).contains(&"auth".to_owned()));
    for (pairs, want) in [
        (
            &[("verify", "off")][..],
            Some((Severity::Fatal, "verify-off-remote")),
        ),
        (&[("verify", "off"), ("insecure_remote", "yes")], None),
    ] {
        let found = names(&desired("wazo-auth-remote", pairs));
        let found = found
            .into_iter()
            .find(|(_, name)| *name == "verify-off-remote");
        assert_eq!(found, want, "{pairs:?}");
    }
    let local = desired("wazo-20.03", &[("verify", "off")]);
    assert_eq!(names(&local), [(Severity::Warning, "verify-off")]);
    assert!(
        text(&local, OVERRIDE)
            .unwrap()
            .contains("verify_certificate: False")
    );
}

#[test]
fn what_stands_in_the_way_of_the_override_is_named() {
    let masked = desired("wazo-masked", &[]);
    let found: Vec<_> = masked
        .findings
        .iter()
        .map(|f| (f.severity, f.name, f.message.as_str()))
        .collect();
    let has = |name: &str, part: &str| found.iter().any(|(_, n, m)| *n == name && m.contains(part));
    assert!(
        has(
            "conf-d-masked",
            "/etc/wazo-calld/conf.d/005-local.yml:3: `auth.host` is `localhost`"
        ),
        "{found:?}"
    );
    assert!(
        has("conf-d-skipped", "/etc/wazo-dird/conf.d/007-broken.yml:2"),
        "{found:?}"
    );
    assert!(
        has("conf-d-moved", "`wazo-agid` reads `/srv/agid/conf.d`"),
        "{found:?}"
    );
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_null_block_or_a_deadly_file_stops_the_rollout() {
    for (text, name) in [("auth:\n", "conf-d-null"), ("- a\n", "conf-d-deadly")] {
        let mut tree = MapTree::fixture("wazo-20.03");
        tree.file("/etc/wazo-confd/conf.d/005-x.yml", text);
        let desired = desired_for(&tree, &identity("trusted", false), &[]).unwrap();
        assert!(
            names(&desired).contains(&(Severity::Fatal, name)),
            "{:?}",
            desired.findings
        );
    }
}

#[test]
fn verification_follows_what_the_identity_is() {
    let tree = MapTree::fixture("wazo-20.03");
    let ca = "/etc/xivo/custom/custom-certificate-ca.pem";
    for (trust, anchor, pairs, want) in [
        ("trusted", false, &[][..], "True"),
        (
            "self-signed",
            false,
            &[],
            "\"/usr/share/xivo-certs/server.crt\"",
        ),
        (
            "private-ca",
            true,
            &[],
            "\"/etc/xivo/custom/custom-certificate-ca.pem\"",
        ),
        (
            "trusted",
            false,
            &[("verify", "/srv/ca.pem")],
            "\"/srv/ca.pem\"",
        ),
        (
            "trusted",
            false,
            &[("verify", "file")],
            "\"/usr/share/xivo-certs/server.crt\"",
        ),
    ] {
        let desired = desired_for(&tree, &identity(trust, anchor), pairs).unwrap();
        let got = text(&desired, OVERRIDE).unwrap();
        assert!(
            got.contains(&format!("  verify_certificate: {want}\n")),
            "{trust}: {got}"
        );
        assert!(
            got.contains(&format!("  verify: {want}\n")),
            "{trust}: {got}"
        );
        assert_eq!(text(&desired, ca).is_some(), trust == "private-ca");
    }
    for (trust, verify, want) in [
        ("private-ca", "file", (Severity::Fatal, "verify-file")),
        ("private-ca", "system", (Severity::Fatal, "verify-system")),
    ] {
        let desired = desired_for(&tree, &identity(trust, true), &[("verify", verify)]).unwrap();
        assert_eq!(names(&desired), [want]);
    }
    let unknown = desired_for(&tree, &identity("unknown", false), &[]).unwrap();
    assert_eq!(names(&unknown), [(Severity::Fatal, "verify-undecided")]);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let tree = MapTree::fixture("wazo-20.03");
    let identity = identity("trusted", false);
    let try_set = |pairs: &[(&str, &str)]| desired_for(&tree, &identity, pairs);
    let unknown = try_set(&[("hots", "x")]).unwrap_err();
    assert_eq!(unknown.to_string(), "unknown setting `hots`");
    assert!(unknown.hint().unwrap().contains("`host`"));
    let value = try_set(&[("verify", "maybe")]).unwrap_err();
    assert_eq!(
        value.to_string(),
        "setting `verify` is `maybe`: want `system`, `file`, `off` or an absolute path"
    );
    assert!(matches!(
        try_set(&[("release", "soon")]),
        Err(Error::Usage { .. })
    ));
    assert!(matches!(
        try_set(&[("host", "a\nb")]),
        Err(Error::Usage { .. })
    ));
    let uncovered = try_set(&[("host", "other.example.com")]).unwrap();
    assert_eq!(names(&uncovered), [(Severity::Fatal, "host-not-covered")]);
}
