//! What a plan says of units, and which endpoints show what they serve.

use std::collections::BTreeSet;

use super::*;
use crate::{
    desired::Probe,
    preflight::Severity,
    state::{Attrs, Content, State},
};

/// A unit as `systemctl show` tells it: running, but for what `properties` say.
fn told(properties: &str) -> UnitState {
    let key = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    let given: Vec<String> = properties.lines().map(key).collect();
    let running = "Id=a.service\nLoadState=loaded\nActiveState=active\nSubState=running";
    let kept = running.lines().filter(|line| !given.contains(&key(line)));
    let lines: Vec<&str> = kept.chain(properties.lines()).collect();
    let text = lines.join(
        "
",
    );
    let host = Scripted {
        run: Some(Box::new(move |_| Output {
            status: Some(0),
            stdout: text.clone(),
            ..Output::default()
        })),
        ..Scripted::default()
    };
    observe(&host, &[restart(&["a"])]).unwrap().remove(0)
}

#[test]
fn what_stands_in_the_way_of_a_unit_is_told_apart_before_anything_changes() {
    for (properties, severity, name, said) in [
        (
            "LoadState=masked",
            Severity::Fatal,
            "unit-masked",
            "neither reload nor restart",
        ),
        (
            "NeedDaemonReload=yes",
            Severity::Warning,
            "unit-changed",
            "a restart starts the old one",
        ),
        (
            "UnitFileState=disabled\nTriggeredBy=",
            Severity::Note,
            "unit-disabled",
            "not come back at boot",
        ),
        (
            "ActiveState=inactive\nLoadState=not-found",
            Severity::Warning,
            "unit-missing",
            "is not installed",
        ),
        (
            "ActiveState=inactive\nLoadState=masked\nSubState=dead",
            Severity::Note,
            "unit-down",
            "is `masked`: it is neither started nor judged",
        ),
        (
            "ActiveState=failed\nResult=exit-code",
            Severity::Note,
            "unit-down",
            "is `failed (exit-code)`",
        ),
        (
            "ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=7",
            Severity::Note,
            "unit-down",
            "is `activating (auto-restart after exit-code)`",
        ),
    ] {
        let found = findings(&[restart(&["a"])], &[told(properties)]);
        let [finding] = found.as_slice() else {
            panic!("{properties}: {found:?}");
        };
        assert_eq!(
            (finding.severity, finding.name),
            (severity, name),
            "{properties}"
        );
        assert!(
            finding.message.contains(said),
            "{properties}: {}",
            finding.message
        );
        assert!(
            finding
                .hint
                .as_ref()
                .is_some_and(|hint| hint.starts_with("systemctl "))
        );
    }
}

#[test]
fn a_unit_that_others_start_is_not_called_disabled() {
    for started in [
        "TriggeredBy=a.socket",
        "WantedBy=b.service",
        "RequiredBy=b.service",
    ] {
        let state = told(&format!("UnitFileState=disabled\n{started}"));
        assert!(
            findings(&[restart(&["a"])], &[state]).is_empty(),
            "{started}"
        );
    }
}

/// A tree in which the key is `mode uid:gid`, with a directory for it in several places.
fn tree(mode: u32, uid: u32, gid: u32) -> Scripted {
    let dir = || State::Present {
        content: Content::Dir,
        attrs: Attrs {
            mode: 0o755,
            ..Attrs::default()
        },
    };
    let key = || {
        let attrs = Attrs {
            uid,
            gid,
            mode,
            ..Attrs::default()
        };
        State::file(b"k".to_vec(), attrs)
    };
    let mut files = BTreeMap::new();
    for at in [
        "/",
        "/etc",
        "/etc/pki",
        "/home",
        "/home/a",
        "/tmp",
        "/srv",
        "/srv/jail",
    ] {
        files.insert(at.to_owned(), dir());
        files.insert(format!("{}/key", at.trim_end_matches('/')), key());
    }
    Scripted {
        files,
        ..Scripted::default()
    }
}

#[test]
fn a_unit_reads_with_its_own_user_groups_and_rights() {
    let www = "User=www-data";
    for (properties, (mode, uid, gid), can) in [
        ("", (0o600, 0, 0), true),
        ("", (0o600, 33, 33), true),
        (
            "CapabilityBoundingSet=cap_chown cap_dac_override",
            (0o600, 33, 33),
            true,
        ),
        ("CapabilityBoundingSet=cap_chown", (0o600, 33, 33), false),
        ("CapabilityBoundingSet=cap_chown", (0o600, 0, 0), true),
        (www, (0o600, 0, 0), false),
        (www, (0o600, 33, 0), true),
        (www, (0o640, 0, 50), true),
        (www, (0o640, 0, 51), false),
        (
            "User=www-data\nSupplementaryGroups=51",
            (0o640, 0, 51),
            true,
        ),
        ("User=www-data\nGroup=51", (0o640, 0, 51), true),
        ("User=33", (0o600, 33, 0), true),
        (
            "User=www-data\nAmbientCapabilities=cap_dac_read_search",
            (0o600, 0, 0),
            true,
        ),
        ("DynamicUser=yes\nUser=a", (0o640, 0, 0), false),
        (
            "DynamicUser=yes\nUser=a\nSupplementaryGroups=51",
            (0o640, 0, 51),
            true,
        ),
        ("DynamicUser=yes\nUser=a", (0o644, 0, 0), true),
        // systemd would not start it, and says so itself.
        ("User=nobody-here", (0o600, 0, 0), true),
    ] {
        let host = tree(mode, uid, gid);
        let path = HostPath::new("/etc/pki/key").unwrap();
        let denial = told(properties)
            .setup
            .cannot_read("a.service", &host, &host, &path);
        assert_eq!(
            denial.is_none(),
            can,
            "{properties:?} {mode:o} {uid}:{gid}: {denial:?}"
        );
    }
}

#[test]
fn a_unit_reads_what_its_view_of_the_tree_has() {
    for (properties, at, can) in [
        ("ProtectHome=yes", "/home/a/key", false),
        ("ProtectHome=tmpfs", "/home/a/key", false),
        ("ProtectHome=read-only", "/home/a/key", true),
        (
            "ProtectHome=tmpfs\nBindReadOnlyPaths=/home/a:/home/a:rbind",
            "/home/a/key",
            true,
        ),
        (
            "ProtectHome=yes\nBindReadOnlyPaths=/home/a:/home/a:rbind",
            "/home/a/key",
            false,
        ),
        ("ProtectHome=yes", "/etc/pki/key", true),
        ("PrivateTmp=yes", "/tmp/key", false),
        ("InaccessiblePaths=-/etc/pki /x", "/etc/pki/key", false),
        ("InaccessiblePaths=/etc/pk", "/etc/pki/key", true),
        (
            "InaccessiblePaths=/etc\nReadOnlyPaths=/etc/pki",
            "/etc/pki/key",
            false,
        ),
        ("TemporaryFileSystem=/etc:ro", "/etc/pki/key", false),
        (
            "ProtectSystem=strict\nReadOnlyPaths=/etc",
            "/etc/pki/key",
            true,
        ),
        ("RootDirectory=/srv/jail", "/etc/pki/key", false),
        ("RootDirectory=/srv/jail", "/srv/jail/key", true),
        (
            "RootDirectory=/srv/jail\nBindPaths=/etc/pki:/etc/pki",
            "/etc/pki/key",
            true,
        ),
        ("RootImage=/srv/a.raw", "/etc/pki/key", true),
    ] {
        let host = tree(0o600, 0, 0);
        let path = HostPath::new(at).unwrap();
        let denial = told(properties)
            .setup
            .cannot_read("a.service", &host, &host, &path);
        assert_eq!(denial.is_none(), can, "{properties:?} {at}: {denial:?}");
        if let Some(denial) = denial {
            assert!(
                denial
                    .what
                    .starts_with(&format!("`a.service` does not see `{at}`: ")),
                "{denial}"
            );
        }
    }
}

fn shown_by(units: &[&[&str]], probes: &[&str]) -> Vec<Vec<(String, Vec<u16>)>> {
    let mut services: Vec<Service> = units
        .iter()
        .map(|units| service(Manager::Systemd, Action::Reload, units, None))
        .collect();
    let probes: Vec<Probe> = (1..)
        .zip(probes)
        .map(|(port, named)| Probe::Tls {
            name: "h".to_owned(),
            port,
            addresses: Vec::new(),
            service: (*named).to_owned(),
        })
        .collect();
    assign(&mut services, &probes);
    let port = |title: &String| title.rsplit(':').next().unwrap().parse().unwrap();
    let ports = |titles: Vec<String>| titles.iter().map(port).collect();
    services
        .into_iter()
        .map(|s| {
            s.serves
                .into_iter()
                .map(|(unit, titles)| (unit, ports(titles)))
                .collect()
        })
        .collect()
}

#[test]
fn a_probe_belongs_to_the_unit_it_names_and_else_to_all_of_its_profile() {
    let one = |unit: &str, ports: &[u16]| vec![(format!("{unit}.service"), ports.to_vec())];
    assert_eq!(
        shown_by(&[&["nginx"]], &["", "web mail"]),
        [one("nginx", &[1, 2])]
    );
    assert_eq!(
        shown_by(
            &[&["postfix"], &["dovecot"]],
            &["postfix", "dovecot.service", "mail"]
        ),
        [one("postfix", &[1, 3]), one("dovecot", &[2, 3])]
    );
    assert_eq!(
        shown_by(&[&["a"], &["b"]], &["b"]),
        [vec![], one("b", &[1])]
    );
}

#[test]
fn what_is_known_not_to_reload_is_restarted_and_the_rest_is_reloaded() {
    let known: BTreeSet<String> = ["b.service".to_owned()].into();
    let mut pair = service(Manager::Systemd, Action::Reload, &["a", "b"], None);
    pair.config_test = Some(command("nginx -t"));
    let told = learned(vec![pair.clone(), restart(&["b"])], &known);
    let said: Vec<_> = told.iter().map(|s| (s.action, s.units.join(" "))).collect();
    let want = [
        (Action::Restart, "b".to_owned()),
        (Action::Reload, "a".to_owned()),
        (Action::Restart, "b".to_owned()),
    ];
    assert_eq!(said, want);
    assert_eq!(told[0].config_test, pair.config_test);
    assert_eq!(learned(vec![pair.clone()], &BTreeSet::new()), [pair]);
}

#[test]
fn what_systemd_reads_for_a_unit_needs_no_rights_of_its_own() {
    for (line, can) in [
        ("LoadCredential=key:/etc/pki/key", true),
        ("LoadCredential=tls:/etc/pki", true),
        ("LoadCredential=key:/etc/%i/key", true),
        ("LoadCredential=key:/etc/other", false),
        ("# LoadCredential=key:/etc/pki/key", false),
    ] {
        let mut host = tree(0o600, 0, 0);
        let unit = State::file(
            format!("[Service]\n{line}\n").into_bytes(),
            Attrs::default(),
        );
        host.files.insert("/a.conf".to_owned(), unit);
        let path = HostPath::new("/etc/pki/key").unwrap();
        let state = told("User=www-data\nFragmentPath=/a.service\nDropInPaths=/b.conf /a.conf");
        let denial = state.setup.cannot_read("a.service", &host, &host, &path);
        assert_eq!(denial.is_none(), can, "{line}: {denial:?}");
    }
}
