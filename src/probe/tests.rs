//! Judgement by value, and repetition against a scripted host.

use std::cell::Cell;

use super::{scripted::Scripted, *};
use crate::{
    error::Error,
    host::Presented,
    starttls::Protocol,
    state::{Attrs, Content, State},
};

const HERE: [u8; 4] = [127, 0, 0, 1];

fn probe() -> Probe {
    Probe::Tls {
        protocol: Protocol::Direct,
        name: "pbx.example".to_owned(),
        port: 443,
        addresses: vec![IpAddr::from(HERE)],
        service: "nginx".to_owned(),
    }
}

fn end(leaf: Option<&str>, chain: &[&str]) -> Endpoint {
    Endpoint {
        address: SocketAddr::from((HERE, 443)),
        presented: leaf.map(|leaf| Served {
            leaf: leaf.to_owned(),
            chain: chain.iter().map(|&c| c.to_owned()).collect(),
            subject: "CN=pbx".to_owned(),
            version: "TLS 1.3".to_owned(),
        }),
        silence: leaf.is_none().then(|| "refused the connection".to_owned()),
    }
}

fn want() -> Want {
    Want::Leaf {
        leaf: "new".to_owned(),
        chain: vec!["ca".to_owned()],
    }
}

#[test]
fn an_endpoint_is_judged_against_its_baseline() {
    let silent = || end(None, &[]);
    for (name, now, before, judged, good, said) in [
        (
            "new leaf",
            end(Some("new"), &["ca"]),
            end(Some("old"), &[]),
            true,
            true,
            "presents it over TLS 1.3",
        ),
        (
            "new where silent",
            end(Some("new"), &["ca"]),
            silent(),
            true,
            true,
            "presents it",
        ),
        (
            "old leaf",
            end(Some("old"), &["ca"]),
            end(Some("old"), &[]),
            true,
            false,
            "another leaf: `old` (CN=pbx)",
        ),
        (
            "old where silent",
            end(Some("old"), &[]),
            silent(),
            true,
            false,
            "another leaf",
        ),
        (
            "chain missing",
            end(Some("new"), &[]),
            end(Some("old"), &[]),
            true,
            false,
            "another chain: none instead of `ca`",
        ),
        (
            "chain too long",
            end(Some("new"), &["ca", "root"]),
            silent(),
            true,
            false,
            "another chain: `ca`, `root` instead of `ca`",
        ),
        (
            "gone",
            silent(),
            end(Some("old"), &[]),
            true,
            false,
            "refused the connection, and answered before",
        ),
        (
            "still silent",
            silent(),
            silent(),
            false,
            false,
            "refused the connection, as before",
        ),
    ] {
        let verdict = judge(
            &probe(),
            &want(),
            &Observation::Tls(vec![now]),
            &Observation::Tls(vec![before]),
        );
        assert_eq!(
            (verdict.judged, verdict.good),
            (judged, good),
            "{name}: {verdict:?}"
        );
        assert_eq!(verdict.fails(), judged && !good, "{name}");
        assert!(verdict.found.contains(said), "{name}: {}", verdict.found);
    }
}

#[test]
fn a_name_that_resolved_and_no_longer_does_fails_and_one_that_never_did_does_not() {
    let nothing = Observation::Tls(vec![]);
    let before = Observation::Tls(vec![end(Some("old"), &[])]);
    assert!(judge(&probe(), &want(), &nothing, &before).fails());
    assert!(!judge(&probe(), &want(), &nothing, &nothing).judged);
}

#[test]
fn one_bad_address_among_good_ones_is_bad() {
    let other = |leaf| Endpoint {
        address: SocketAddr::from(([127, 0, 0, 2], 443)),
        ..end(Some(leaf), &["ca"])
    };
    let before = Observation::Tls(vec![end(Some("old"), &[]), other("old")]);
    let mixed = Observation::Tls(vec![end(Some("new"), &["ca"]), other("old")]);
    let verdict = judge(&probe(), &want(), &mixed, &before);
    assert!(
        verdict.fails() && verdict.found.starts_with("127.0.0.2:443"),
        "{verdict:?}"
    );
}

#[test]
fn a_rollback_is_proved_by_the_same_leaf_or_the_same_silence() {
    let seen = |e: Endpoint| Observation::Tls(vec![e]);
    let old = || seen(end(Some("old"), &["ca"]));
    let silent = || seen(end(None, &[]));
    for (before, now, good) in [
        (old(), old(), true),
        (old(), seen(end(Some("new"), &["ca"])), false),
        (old(), seen(end(Some("old"), &[])), false),
        (old(), silent(), false),
        (silent(), silent(), true),
        (silent(), old(), false),
    ] {
        let verdict = judge(&probe(), &Want::Baseline(before.clone()), &now, &before);
        assert_eq!((verdict.judged, verdict.good), (true, good), "{verdict:?}");
    }
}

#[test]
fn a_lookup_gives_one_address_alone() {
    let lookup = Probe::Lookup {
        name: "pbx".to_owned(),
        is: IpAddr::from(HERE),
    };
    let other = IpAddr::from([127, 0, 1, 1]);
    for (found, good) in [
        (vec![IpAddr::from(HERE)], true),
        (vec![IpAddr::from(HERE), other], false),
        (vec![other], false),
        (vec![], false),
    ] {
        let verdict = judge(
            &lookup,
            &Want::Lookup(IpAddr::from(HERE)),
            &Observation::Lookup(found.clone()),
            &Observation::Lookup(vec![]),
        );
        assert_eq!((verdict.judged, verdict.good), (true, good), "{found:?}");
    }
}

#[test]
fn a_hosts_file_is_read_by_glibcs_rules() {
    let text = "# 127.0.0.9 pbx\n127.0.0.1\tlocalhost\n127.0.1.1 pbx.example localhost.localdomain PBX # pbx2\n\
                127.0.0.1 pbx\n127.0.0.1 pbx\nnonsense pbx\n::1 ip6-localhost pbx\nfe80::1%eth0 scoped\n";
    for (name, want) in [
        ("localhost", vec!["127.0.0.1"]),
        ("pbx", vec!["127.0.1.1", "127.0.0.1", "::1"]),
        ("PBX.Example", vec!["127.0.1.1"]),
        ("pbx2", vec![]),
        ("scoped", vec!["fe80::1"]),
        ("10.0.0.1", vec!["10.0.0.1"]),
    ] {
        let want: Vec<IpAddr> = want.iter().map(|a| a.parse().unwrap()).collect();
        assert_eq!(lookup_in_hosts(text, name), want, "{name}");
    }
}

fn presents(der: &[u8]) -> Presented {
    Presented {
        certificates: vec![der.to_vec()],
        version: "TLS 1.3".to_owned(),
        ..Presented::default()
    }
}

fn leaf(der: &[u8]) -> Want {
    Want::Leaf {
        leaf: certificate::fingerprint(der),
        chain: vec![],
    }
}

#[test]
fn an_old_worker_that_still_answers_delays_the_proof_and_three_in_a_row_end_it() {
    let turn = Cell::new(0);
    let host = Scripted {
        shake: Some(Box::new(move |_| {
            turn.set(turn.get() + 1);
            Ok(presents(if matches!(turn.get(), 2 | 4) {
                b"old"
            } else {
                b"new"
            }))
        })),
        ..Scripted::default()
    };
    let baseline = [Observation::Tls(vec![end(Some("old"), &[])])];
    let verdicts = prove(
        &host,
        &[(probe(), leaf(b"new"))],
        &baseline,
        30,
        &mut |_| {},
    )
    .unwrap();
    assert!(verdicts[0].good);
    assert_eq!(
        *host.shakes.borrow(),
        7,
        "good, old, good, old, then three good ones"
    );
}

#[test]
fn what_stays_wrong_is_told_at_the_deadline() {
    let host = Scripted {
        shake: Some(Box::new(|_| Ok(presents(b"old")))),
        ..Scripted::default()
    };
    let mut lines = Vec::new();
    let baseline = [Observation::Tls(vec![end(Some("old"), &[])])];
    let verdicts = prove(
        &host,
        &[(probe(), leaf(b"new"))],
        &baseline,
        2,
        &mut |line| {
            lines.push(line.to_owned());
        },
    )
    .unwrap();
    assert!(verdicts[0].fails());
    assert!(
        (2..4).contains(&host.clock.get().as_secs()),
        "{:?}",
        host.clock.get()
    );
    assert!(
        lines[0].starts_with("waiting for 1 of 1 probes; nginx: TLS at pbx.example:443"),
        "{lines:?}"
    );
}

#[test]
fn silence_as_before_is_not_waited_for() {
    let host = Scripted {
        shake: Some(Box::new(|_| {
            Err(Error::Unproved {
                subject: String::new(),
                want: String::new(),
                found: "refused the connection".to_owned(),
            })
        })),
        ..Scripted::default()
    };
    let baseline = [Observation::Tls(vec![end(None, &[])])];
    let verdicts = prove(&host, &[(probe(), want())], &baseline, 30, &mut |_| {}).unwrap();
    assert!(!verdicts[0].judged);
    assert_eq!(*host.shakes.borrow(), 1);
}

#[test]
fn a_signal_ends_a_proof_but_not_that_of_a_rollback() {
    let host = Scripted {
        shake: Some(Box::new(|_| Ok(presents(b"old")))),
        ..Scripted::default()
    };
    host.signal.set(Some("SIGINT"));
    let forward = prove(&host, &[(probe(), want())], &[], 30, &mut |_| {});
    assert!(
        matches!(forward, Err(Error::Interrupted { signal: "SIGINT" })),
        "{forward:?}"
    );
    let before = observe(&host, &probe());
    let back = [(probe(), Want::Baseline(before.clone()))];
    assert!(prove(&host, &back, &[before], 30, &mut |_| {}).unwrap()[0].good);
}

fn attrs(mode: u32, uid: u32, gid: u32) -> Attrs {
    Attrs {
        uid,
        gid,
        mode,
        ..Attrs::default()
    }
}

fn dir(mode: u32) -> State {
    State::Present {
        content: Content::Dir,
        attrs: attrs(mode, 0, 0),
    }
}

/// A tree in which `/pki/key` leads through a link to `/live/key`.
fn tree(live: State, key: Attrs) -> Scripted {
    let link = State::Present {
        content: Content::Link("../live".to_owned()),
        attrs: attrs(0o777, 0, 0),
    };
    let files = [
        ("/", dir(0o755)),
        ("/etc", dir(0o755)),
        ("/etc/pki", link),
        ("/live", live),
        ("/live/key", State::file(b"k".to_vec(), key)),
    ];
    Scripted {
        files: files.into_iter().map(|(p, s)| (p.to_owned(), s)).collect(),
        ..Scripted::default()
    }
}

fn read_by(host: &Scripted, reader: &Reader) -> Option<String> {
    let path = HostPath::new("/etc/pki/key").unwrap();
    let probe = Probe::Readable {
        paths: vec![path],
        by: reader.clone(),
    };
    match observe(host, &probe) {
        Observation::Readable(mut found) => found.remove(0).1,
        other => panic!("{other:?}"),
    }
}

/// An access ACL of these entries (tag, permissions, id).
fn acl(entries: &[(u16, u16, u32)], mut on: Attrs) -> Attrs {
    let mut value = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    on.xattrs
        .insert("system.posix_acl_access".to_owned(), value);
    on
}

#[test]
fn modes_owners_groups_and_acls_decide_who_reads() {
    let user = Reader::User("www-data".to_owned());
    let group = Reader::Group("www-data".to_owned());
    let base = [(1, 6, 0), (4, 0, 0), (0x20, 0, 0)];
    let with = |more: &[(u16, u16, u32)]| acl(&[&base[..], more].concat(), attrs(0o640, 0, 0));
    for (name, key, by_user, by_group) in [
        ("world", attrs(0o644, 0, 0), true, true),
        ("root only", attrs(0o600, 0, 0), false, false),
        ("group", attrs(0o640, 0, 33), true, true),
        ("supplementary group", attrs(0o640, 0, 50), true, false),
        (
            "group denied though world may",
            attrs(0o604, 0, 33),
            false,
            false,
        ),
        (
            "owner denied though group may",
            attrs(0o040, 33, 33),
            false,
            true,
        ),
        ("named user", with(&[(2, 4, 33), (0x10, 4, 0)]), true, false),
        (
            "named user masked",
            with(&[(2, 4, 33), (0x10, 0, 0)]),
            false,
            false,
        ),
        ("named group", with(&[(8, 4, 33), (0x10, 4, 0)]), true, true),
        (
            "named user denied though group may",
            with(&[(2, 0, 33), (8, 4, 33), (0x10, 4, 0)]),
            false,
            true,
        ),
    ] {
        let host = tree(dir(0o755), key);
        assert_eq!(
            read_by(&host, &user).is_none(),
            by_user,
            "{name}: {:?}",
            read_by(&host, &user)
        );
        assert_eq!(read_by(&host, &group).is_none(), by_group, "{name}");
    }
}

#[test]
fn a_closed_directory_behind_a_link_is_named_with_the_fix() {
    let host = tree(dir(0o700), attrs(0o644, 0, 0));
    assert_eq!(
        read_by(&host, &Reader::User("www-data".to_owned())).unwrap(),
        "`/live` is 0700 0:0, user `www-data` lacks `x` on it (`setfacl -m u:www-data:x /live`)"
    );
    let gone = read_by(&host, &Reader::User("nobody".to_owned())).unwrap();
    assert_eq!(gone, "unknown user `nobody`");
}
