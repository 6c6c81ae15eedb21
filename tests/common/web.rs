//! A host in memory with one unit that serves a pair, and a rollout on it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses a part of this; a test that cannot go on says so"
)]

use std::{collections::BTreeMap, net::SocketAddr, rc::Rc, sync::OnceLock};

use certroll::{
    apply::{self, Keep},
    desired::{Action, Manager, Probe, Service},
    error::Error,
    host::{
        Command, Host as _, Output, Presented,
        fake::{FakeHost, Fault, World},
    },
    identity::{Form, Identity, Input},
    journal::Store,
    plan::{Change, Plan, Promise},
    probe::{self, Want},
    receipt::Outcome,
    service,
    state::{Attrs, Bytes, Content, HostPath, Sensitivity, State},
};
use rcgen::{CertificateParams, DistinguishedName, Issuer, KeyPair};

/// Where the unit serves.
pub(crate) const PORT: &str = "127.0.0.1:443";

/// A path that is one by inspection.
pub(crate) fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

/// A directory, 0755.
pub(crate) fn dir() -> State {
    State::Present {
        content: Content::Dir,
        attrs: Attrs {
            mode: 0o755,
            ..Attrs::default()
        },
    }
}

/// A file of the group `www-data`.
pub(crate) fn file(bytes: impl Into<Bytes>, mode: u32) -> State {
    State::file(
        bytes,
        Attrs {
            gid: 33,
            mode,
            ..Attrs::default()
        },
    )
}

/// Two identities, the old and the new, minted once; from an authority, since the signature of a leaf that has signed itself is
/// verified each time that it is read.
pub(crate) fn identities() -> &'static [Identity; 2] {
    static PAIRS: OnceLock<[Identity; 2]> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let issuer = Issuer::new(CertificateParams::default(), KeyPair::generate().unwrap());
        [0, 1].map(|_| {
            let mut params = CertificateParams::new(vec!["wazo.example.com".to_owned()]).unwrap();
            params.distinguished_name = DistinguishedName::new();
            let key = KeyPair::generate().unwrap();
            let pem = params.signed_by(&key, &issuer).unwrap().pem() + &key.serialize_pem();
            Identity::assemble(
                &[Input {
                    name: "pair".to_owned(),
                    bytes: Bytes::from(pem),
                }],
                None,
            )
            .unwrap()
            .0
        })
    })
}

/// The key of the old identity, 0, or of the new one, 1.
pub(crate) fn key(which: usize) -> State {
    file(identities()[which].form(Form::Key).unwrap(), 0o640)
}

/// The leaf of the old identity, 0, or of the new one, 1.
pub(crate) fn leaf(which: usize) -> State {
    file(identities()[which].form(Form::Fullchain).unwrap(), 0o644)
}

/// A host with one unit that serves what is in `/etc/pki`.
pub(crate) fn host() -> FakeHost {
    let mut world = World::default();
    for name in ["/etc", "/etc/pki", "/etc/a", "/etc/b"] {
        world.tree.insert(path(name), dir());
    }
    world.tree.insert(path("/etc/pki/server.key"), key(0));
    world.tree.insert(path("/etc/pki/server.crt"), leaf(0));
    world.tree.insert(
        path("/etc/hosts"),
        file("127.0.1.1\tother\n".to_owned(), 0o644),
    );
    world
        .tree
        .insert(path("/etc/b/site.conf"), file("old\n".to_owned(), 0o644));
    world.tree.insert(
        path("/etc/a/link"),
        State::Present {
            content: Content::Link("/old".to_owned()),
            attrs: Attrs::default(),
        },
    );
    world.names.insert(
        "wazo.example.com".to_owned(),
        vec!["127.0.0.1".parse().unwrap()],
    );
    let host = FakeHost::new(world, Rc::new(react));
    start(&host);
    host
}

/// Starts the unit, as a boot does.
pub(crate) fn start(host: &FakeHost) {
    let unit = command(&[
        "systemctl",
        "restart",
        "--no-ask-password",
        "--",
        "web.service",
    ]);
    host.meddle(|world| drop(react(world, &unit)));
}

/// An argument vector.
pub(crate) fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        limit: 1,
    }
}

/// systemd with one unit: a restart serves the pair on disk if key and leaf belong together, else the unit fails.
pub(crate) fn react(world: &mut World, command: &Command) -> Output {
    let ok = |stdout: String| Output {
        status: Some(0),
        stdout,
        ..Output::default()
    };
    let address: SocketAddr = PORT.parse().unwrap();
    match command.argv.get(1).map(String::as_str) {
        Some("restart") => {
            world.endpoints.remove(&address);
            let pem = |name| {
                world
                    .tree
                    .get(&path(name))
                    .and_then(State::bytes)
                    .cloned()
                    .unwrap_or_default()
            };
            let inputs = ["/etc/pki/server.crt", "/etc/pki/server.key"].map(|name| Input {
                name: name.to_owned(),
                bytes: pem(name),
            });
            let Ok((identity, findings)) = Identity::assemble(&inputs, None) else {
                return Output::default();
            };
            let refuses = world.tree.contains_key(&path("/etc/refuse"));
            if refuses || findings.iter().any(|f| f.name == "key-mismatch") {
                return Output {
                    status: Some(1),
                    ..Output::default()
                };
            }
            let der = identity.leaf.der.clone();
            world.endpoints.insert(
                address,
                Presented {
                    certificates: vec![der],
                    version: "TLS 1.3".to_owned(),
                    ..Presented::default()
                },
            );
            ok(String::new())
        }
        Some("show") => {
            let active = if world.endpoints.contains_key(&address) {
                "active"
            } else {
                "failed"
            };
            let invocation = world.ran.len();
            ok(format!(
                "LoadState=loaded\nActiveState={active}\nSubState=running\nResult=success\nNRestarts=0\nInvocationID={invocation}\nNeedDaemonReload=no\nActiveEnterTimestampMonotonic={invocation}\n"
            ))
        }
        _ => Output {
            status: Some(127),
            ..Output::default()
        },
    }
}

/// One change; `hosts` is written in place, and what is in a directory whose every file is read is staged beside that.
pub(crate) fn change(at: &str, before: State, after: State, identity: bool) -> Change {
    let at = path(at);
    Change {
        kind: "test".into(),
        sensitivity: if at.name() == "server.key" {
            Sensitivity::Secret
        } else {
            Sensitivity::Public
        },
        staging: if at.name() == "site.conf" {
            path("/etc")
        } else {
            at.parent().unwrap()
        },
        in_place: at.name() == "hosts",
        path: at,
        before,
        after,
        identity,
    }
}

/// Pair, hosts in place, a new directory with a file in it, a new link and a changed one, a file that is staged in another
/// directory, a service and a probe.
pub(crate) fn plan(host: &FakeHost) -> Plan {
    let link = |to: &str| State::Present {
        content: Content::Link(to.to_owned()),
        attrs: Attrs::default(),
    };
    let before = |at: &str| {
        host.world()
            .tree
            .get(&path(at))
            .cloned()
            .unwrap_or(State::Absent)
    };
    let services = vec![Service {
        manager: Manager::Systemd,
        action: Action::Restart,
        units: vec!["web".to_owned()],
        command: None,
        then: None,
        config_test: None,
        limit: 2,
        on: Vec::new(),
        serves: BTreeMap::new(),
        writes: Vec::new(),
    }];
    let units = service::observe(host, &services).unwrap();
    let probe = Probe::Tls {
        protocol: certroll::starttls::Protocol::Direct,
        name: "wazo.example.com".to_owned(),
        port: 443,
        addresses: vec!["127.0.0.1".parse().unwrap()],
        service: "web".to_owned(),
    };
    let identity = &identities()[1];
    Plan {
        rollout: "test".to_owned(),
        changes: vec![
            change(
                "/etc/pki/server.key",
                before("/etc/pki/server.key"),
                key(1),
                true,
            ),
            change(
                "/etc/pki/server.crt",
                before("/etc/pki/server.crt"),
                leaf(1),
                true,
            ),
            change("/etc/new", State::Absent, dir(), false),
            change(
                "/etc/new/override.yml",
                State::Absent,
                file("auth: {host: x}\n".to_owned(), 0o644),
                false,
            ),
            change(
                "/etc/a/link",
                before("/etc/a/link"),
                link("/etc/new/override.yml"),
                false,
            ),
            change(
                "/etc/b/link",
                State::Absent,
                link("/etc/new/override.yml"),
                false,
            ),
            change(
                "/etc/b/site.conf",
                before("/etc/b/site.conf"),
                file("new\n".to_owned(), 0o644),
                false,
            ),
            change(
                "/etc/hosts",
                before("/etc/hosts"),
                file("127.0.0.1\twazo.example.com\n".to_owned(), 0o644),
                false,
            ),
        ],
        commands: service::commands(&services, &units),
        baseline: vec![probe::observe(host, &probe)],
        promises: vec![Promise {
            probe,
            want: Want::Leaf {
                leaf: identity.fingerprint().to_owned(),
                chain: Vec::new(),
            },
            after: 0,
        }],
        services,
        units,
        deadline: 2,
        live: true,
        ..Plan::default()
    }
}

/// What the rollout leaves behind for later runs.
pub(crate) fn keep() -> Keep {
    let identity = vec![("key.pem", identities()[1].form(Form::Key).unwrap())];
    Keep {
        identity,
        rollout: Some(certroll::journal::Remembered::default()),
        ..Keep::default()
    }
}

/// Carries the plan out, under the lock.
pub(crate) fn run(host: &mut FakeHost) -> Result<Outcome, Error> {
    host.lock(std::time::Duration::ZERO)?;
    let plan = plan(host);
    certroll::rollout(host, plan, keep(), &|_| {}).map(|receipt| receipt.outcome)
}

/// Recovers what a run left, which must not need a person.
pub(crate) fn recover(host: &FakeHost) -> FakeHost {
    let mut next = host.next_run(Fault::Never);
    next.lock(std::time::Duration::ZERO).unwrap();
    let receipt = apply::recover(&mut next, false, &|_| {}).unwrap();
    assert!(
        receipt.as_ref().is_none_or(|r| r.outcome != Outcome::Stuck),
        "{receipt:?}"
    );
    next
}

/// What a reader of the host sees: files and links with attributes, and what is served.
pub(crate) fn seen(host: &FakeHost) -> BTreeMap<String, String> {
    let world = host.world();
    let text = |bytes: &Bytes| {
        bytes
            .reveal()
            .iter()
            .fold(bytes.len(), |sum, b| sum.wrapping_mul(31) + usize::from(*b))
    };
    let object = |state: &State| match state.bytes() {
        Some(bytes) => format!("file {} {:?}", text(bytes), state.attrs()),
        None => format!("{state:?}"),
    };
    let files = world
        .tree
        .iter()
        .map(|(path, state)| (path.to_string(), object(state)));
    let served = world.endpoints.iter().map(|(at, it)| {
        (
            at.to_string(),
            text(&it.certificates[0].clone().into()).to_string(),
        )
    });
    files.chain(served).collect()
}

/// What is seen before and after the rollout.
pub(crate) fn old_and_new() -> [BTreeMap<String, String>; 2] {
    let mut after = host();
    let before = seen(&after);
    assert_eq!(run(&mut after).unwrap(), Outcome::Committed);
    assert_ne!(seen(&after), before);
    [before, seen(&after)]
}

/// The number of steps that the rollout takes.
pub(crate) fn steps() -> usize {
    let mut host = host();
    run(&mut host).unwrap();
    host.steps()
}

/// Asserts that the host is whole old or whole new, with nothing open, and remembered for what it is.
pub(crate) fn assert_whole(host: &FakeHost, case: &str) {
    let found = seen(host);
    let whole = old_and_new();
    assert!(
        whole.contains(&found),
        "{case}: neither old nor new: {found:#?}"
    );
    assert_eq!(
        Store::pending(host).unwrap(),
        None,
        "{case}: a generation is still open"
    );
    let remembered = Store::rollouts(host).unwrap().rollouts;
    assert_eq!(
        remembered.contains_key("test"),
        found == whole[1],
        "{case}: what is remembered is not what is there"
    );
}
