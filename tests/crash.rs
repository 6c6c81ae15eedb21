//! Crashes: whatever edit fails, wherever a run dies and however the journal is cut, the host is whole old or whole new.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::{collections::BTreeMap, net::SocketAddr, rc::Rc, sync::OnceLock};

use certroll::{
    apply::{self, Keep},
    desired::{Action, Manager, Probe, Service},
    error::{Error, ExitCode},
    host::{
        Command, Host as _, Output, Presented,
        fake::{FakeHost, Fault, World},
    },
    identity::{Form, Identity, Input},
    journal::Store,
    plan::{Change, Plan, Promise},
    probe::{self, Want},
    receipt::Outcome,
    rollback, service,
    starttls::Protocol,
    state::{Attrs, Bytes, Content, HostPath, Sensitivity, State},
};

const PORT: &str = "127.0.0.1:443";

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

fn dir() -> State {
    State::Present {
        content: Content::Dir,
        attrs: Attrs {
            mode: 0o755,
            ..Attrs::default()
        },
    }
}

fn file(bytes: impl Into<Bytes>, mode: u32) -> State {
    State::file(
        bytes,
        Attrs {
            gid: 33,
            mode,
            ..Attrs::default()
        },
    )
}

/// Two identities, the old and the new, minted once.
fn identities() -> &'static [Identity; 2] {
    static PAIRS: OnceLock<[Identity; 2]> = OnceLock::new();
    PAIRS.get_or_init(|| {
        [0, 1].map(|_| {
            let pair =
                rcgen::generate_simple_self_signed(vec!["wazo.example.com".to_owned()]).unwrap();
            let pem = pair.cert.pem() + &pair.signing_key.serialize_pem();
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

fn key(which: usize) -> State {
    file(identities()[which].form(Form::Key).unwrap(), 0o640)
}

fn leaf(which: usize) -> State {
    file(identities()[which].form(Form::Fullchain).unwrap(), 0o644)
}

/// A host with one unit that serves what is in `/etc/pki`.
fn host() -> FakeHost {
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
    host.meddle(|world| {
        drop(react(
            world,
            &command(&[
                "systemctl",
                "restart",
                "--no-ask-password",
                "--",
                "web.service",
            ]),
        ));
    });
    host
}

fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        limit: 1,
    }
}

/// systemd with one unit: a restart serves the pair on disk if key and leaf belong together, else the unit fails.
fn react(world: &mut World, command: &Command) -> Output {
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

fn change(at: &str, before: State, after: State, identity: bool) -> Change {
    let at = path(at);
    Change {
        kind: "test".into(),
        sensitivity: if at.name() == "server.key" {
            Sensitivity::Secret
        } else {
            Sensitivity::Public
        },
        staging: at.parent().unwrap(),
        in_place: at.name() == "hosts",
        path: at,
        before,
        after,
        identity,
    }
}

/// Pair, hosts in place, a new directory with a file in it, a new link and a changed one, a service and two probes.
fn plan(host: &FakeHost) -> Plan {
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
        config_test: None,
        limit: 2,
        on: Vec::new(),
        serves: BTreeMap::new(),
    }];
    let units = service::observe(host, &services).unwrap();
    let probe = Probe::Tls {
        protocol: Protocol::Direct,
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
        }],
        services,
        units,
        deadline: 2,
        live: true,
        ..Plan::default()
    }
}

fn keep() -> Keep {
    let identity = vec![("key.pem", identities()[1].form(Form::Key).unwrap())];
    Keep {
        identity,
        rollout: Some(certroll::journal::Remembered::default()),
        ..Keep::default()
    }
}

fn run(host: &mut FakeHost) -> Result<Outcome, Error> {
    host.lock(std::time::Duration::ZERO)?;
    let plan = plan(host);
    certroll::rollout(host, plan, keep(), &|_| {}).map(|receipt| receipt.outcome)
}

fn recover(host: &FakeHost) -> FakeHost {
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
fn seen(host: &FakeHost) -> BTreeMap<String, String> {
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

fn old_and_new() -> [BTreeMap<String, String>; 2] {
    let mut after = host();
    let before = seen(&after);
    assert_eq!(run(&mut after).unwrap(), Outcome::Committed);
    assert_ne!(seen(&after), before);
    [before, seen(&after)]
}

fn steps() -> usize {
    let mut host = host();
    run(&mut host).unwrap();
    host.steps()
}

fn assert_whole(host: &FakeHost, case: &str) {
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

#[test]
fn a_rollout_commits_and_serves_the_new_leaf() {
    let mut host = host();
    assert_eq!(run(&mut host).unwrap(), Outcome::Committed);
    let served = host.world().endpoints.into_values().next().unwrap();
    assert_eq!(served.certificates[0], identities()[1].leaf.der);
}

#[test]
fn every_step_that_fails_leaves_the_host_whole_and_the_outcome_true() {
    let [old, new] = old_and_new();
    for at in 0..steps() {
        let mut host = host().next_run(Fault::FailAt(at));
        let outcome = run(&mut host);
        let found = seen(&host);
        match outcome {
            Ok(Outcome::Committed) => assert_eq!(found, new, "step {at}"),
            Ok(Outcome::RolledBack) => assert_eq!(found, old, "step {at}"),
            Err(error) => {
                assert_eq!(error.exit(), ExitCode::Failed, "step {at}: {error}");
                assert_eq!(found, old, "step {at}");
            }
            Ok(other) => panic!(
                "step {at}: {other:?}: {:?}",
                apply::recover(&mut host.next_run(Fault::Never), false, &|_| {})
            ),
        }
        let host = recover(&host);
        assert_whole(&host, &format!("recovered after failure at step {at}"));
    }
}

#[test]
fn a_run_that_dies_at_any_step_is_recovered_whole() {
    let mut reached = 0;
    for at in 0..steps() {
        for fault in [Fault::DieBefore(at), Fault::DieWithin(at)] {
            let mut host = host().next_run(fault);
            let outcome = run(&mut host);
            assert!(host.died(), "{fault:?} was not reached: {outcome:?}");
            reached += 1;
            assert_whole(&recover(&host), &format!("{fault:?}"));
        }
    }
    assert_eq!(reached, 2 * steps());
}

#[test]
fn a_recovery_that_dies_at_any_step_is_itself_recovered() {
    let total = steps();
    for at in (0..total).step_by(3) {
        for again in 0..200 {
            let mut host = host().next_run(Fault::DieBefore(at));
            drop(run(&mut host));
            let mut second = host.next_run(Fault::DieWithin(again));
            second.lock(std::time::Duration::ZERO).unwrap();
            drop(apply::recover(&mut second, false, &|_| {}));
            if !second.died() {
                assert_whole(
                    &second,
                    &format!("death at {at}, recovery of {again} steps"),
                );
                break;
            }
            assert!(again < 199, "recovery does not end");
            assert_whole(
                &recover(&second),
                &format!("death at {at}, then at {again} of recovery"),
            );
        }
    }
}

#[test]
fn a_journal_cut_anywhere_is_recovered_or_refused_with_a_message() {
    // A run that died after all changes were live: the longest journal that is still open.
    let mut died = None;
    for at in (0..steps()).rev() {
        let mut host = host().next_run(Fault::DieBefore(at));
        drop(run(&mut host));
        if Store::pending(&host.next_run(Fault::Never))
            .unwrap()
            .is_some()
        {
            let open = Store::generation(&host.next_run(Fault::Never), 1).unwrap();
            if !open.status.is_final() {
                died = Some(host);
                break;
            }
        }
    }
    let died = died.unwrap();
    let at = Store::file(1, "journal.jsonl");
    let journal = died.world().state[&at].bytes().unwrap().reveal().to_vec();
    let intent = journal.iter().position(|b| *b == b'\n').unwrap();
    let [old, _] = old_and_new();
    for cut in (intent + 1)..=journal.len() {
        let host = died.next_run(Fault::Never);
        let mut copy = FakeHost::new(host.world(), Rc::new(react));
        copy.meddle(|world| {
            drop(
                world
                    .state
                    .insert(at.clone(), file(journal[..cut].to_vec(), 0o600)),
            );
        });
        copy.lock(std::time::Duration::ZERO).unwrap();
        let receipt = apply::recover(&mut copy, false, &|_| {}).unwrap().unwrap();
        assert_eq!(receipt.outcome, Outcome::RolledBack, "cut at {cut}");
        let mut found = seen(&copy);
        if !String::from_utf8_lossy(&journal[..cut]).contains("\"switched\"}\n") {
            // Without a word of a switch no service is told: it goes on with what it has loaded.
            found.insert(PORT.to_owned(), old[PORT].clone());
        }
        assert_eq!(found, old, "journal cut at {cut}");
    }
    for cut in [0, 1, intent / 2, intent] {
        let mut copy = FakeHost::new(died.world(), Rc::new(react));
        copy.meddle(|world| {
            drop(
                world
                    .state
                    .insert(at.clone(), file(journal[..cut].to_vec(), 0o600)),
            );
        });
        let before = seen(&copy);
        let error = apply::recover(&mut copy, false, &|_| {}).unwrap_err();
        assert_eq!(error.exit(), ExitCode::Stuck);
        assert!(error.to_string().contains("journal.jsonl"), "{error}");
        assert_eq!(
            seen(&copy),
            before,
            "nothing is touched on the word of a damaged journal"
        );
        assert_eq!(apply::abandon(&mut copy).unwrap(), Some(1));
        assert_eq!(Store::pending(&copy).unwrap(), None);
    }
}

#[test]
fn a_service_that_does_not_come_back_rolls_everything_back() {
    let mut host = host();
    let before = seen(&host);
    host.meddle(|world| {
        drop(
            world
                .tree
                .insert(path("/etc/refuse"), file(String::new(), 0o644)),
        );
    });
    host.lock(std::time::Duration::ZERO).unwrap();
    let plan = plan(&host);
    // It refuses the new pair only: the file is gone by the time of the way back.
    let mut broken = FakeHost::new(
        host.world(),
        Rc::new(|world: &mut World, command: &Command| {
            let output = react(world, command);
            if command.argv.get(1).is_some_and(|verb| verb == "restart") {
                world.tree.remove(&path("/etc/refuse"));
            }
            output
        }),
    );
    let receipt = certroll::rollout(&mut broken, plan, keep(), &|_| {}).unwrap();
    assert_eq!(receipt.outcome, Outcome::RolledBack, "{:?}", receipt.causes);
    assert_eq!(seen(&broken), before);
}

#[test]
fn a_command_that_outlives_its_run_is_ended_before_anything_is_written_back() {
    let mut found = 0;
    for at in 0..steps() {
        let mut host = host().next_run(Fault::DieWithin(at));
        drop(run(&mut host));
        if host.world().leftovers.is_empty() {
            continue;
        }
        found += 1;
        let host = recover(&host);
        assert!(host.world().leftovers.is_empty(), "step {at}");
        assert_whole(&host, &format!("command left at step {at}"));
    }
    assert!(found > 0, "no step left a command behind");
}

#[test]
fn a_file_that_somebody_else_changed_stops_the_run_before_the_switch() {
    let mut host = host();
    let plan = plan(&host);
    host.meddle(|world| {
        drop(
            world
                .tree
                .insert(path("/etc/hosts"), file("mine\n".to_owned(), 0o644)),
        );
    });
    let before = seen(&host);
    let error = certroll::rollout(&mut host, plan, keep(), &|_| {}).unwrap_err();
    assert_eq!(error.exit(), ExitCode::Stale);
    assert_eq!(seen(&host), before);
    assert_eq!(Store::pending(&host).unwrap(), None);
}

#[test]
fn a_pair_is_never_split_when_somebody_changed_half_of_it() {
    // The run dies after the switch; then a package writes another leaf.
    let mut at = steps();
    let host = loop {
        at -= 1;
        let mut host = host().next_run(Fault::DieBefore(at));
        drop(run(&mut host));
        let next = host.next_run(Fault::Never);
        if Store::pending(&next).unwrap().is_some()
            && !Store::generation(&next, 1).unwrap().status.is_final()
        {
            break next;
        }
    };
    host.meddle(|world| {
        drop(world.tree.insert(
            path("/etc/pki/server.crt"),
            file("somebody else's\n".to_owned(), 0o644),
        ));
    });
    let mut host = host.next_run(Fault::Never);
    let receipt = apply::recover(&mut host, true, &|_| {}).unwrap().unwrap();
    assert_eq!(receipt.outcome, Outcome::Stuck);
    assert!(
        receipt
            .causes
            .iter()
            .any(|c| c.contains("/etc/pki/server.crt")),
        "{:?}",
        receipt.causes
    );
    let world = host.world();
    assert_eq!(
        world.tree[&path("/etc/pki/server.crt")]
            .bytes()
            .unwrap()
            .text(),
        "somebody else's\n"
    );
    assert_eq!(
        world.tree[&path("/etc/pki/server.key")],
        key(1),
        "the key stays with the leaf that came with it"
    );
    assert_eq!(
        world.tree[&path("/etc/hosts")].bytes().unwrap().text(),
        "127.0.1.1\tother\n",
        "the rest goes back"
    );
    let kept = Store::file(1, "found/1");
    assert_eq!(
        world.state[&kept].bytes().unwrap().text(),
        "somebody else's\n"
    );
}

#[test]
fn a_rollback_gives_the_very_tree_of_before_and_is_a_generation_itself() {
    let mut host = host();
    let before = seen(&host);
    assert_eq!(run(&mut host).unwrap(), Outcome::Committed);
    let back = rollback::plan(&host, "test", None, &[]).unwrap().unwrap();
    let receipt = certroll::rollout(&mut host, back.plan, Keep::default(), &|_| {}).unwrap();
    assert_eq!(receipt.outcome, Outcome::Committed, "{:?}", receipt.causes);
    assert_eq!(receipt.generation, 2);
    assert_eq!(seen(&host), before);
    assert!(
        rollback::plan(&host, "test", None, &[]).unwrap().is_none(),
        "nothing is left to take back"
    );
}

#[test]
fn private_keys_are_kept_for_the_identity_in_force_and_the_one_before_alone() {
    let mut host = host();
    for _ in 0..3 {
        assert_eq!(run(&mut host).unwrap(), Outcome::Committed);
        let back = rollback::plan(&host, "test", None, &[]).unwrap().unwrap();
        certroll::rollout(&mut host, back.plan, Keep::default(), &|_| {}).unwrap();
    }
    let state = host.world().state;
    let holds_key = |state: &State| {
        let text = state.bytes().map(Bytes::text).unwrap_or_default();
        text.contains("PRIVATE KEY")
    };
    let with_key: Vec<&HostPath> = state
        .iter()
        .filter(|(_, s)| holds_key(s))
        .map(|(path, _)| path)
        .collect();
    let newest = |path: &&HostPath| {
        path.as_str().starts_with("/generations/000006/")
            || path.as_str().starts_with("/generations/000005/")
    };
    assert!(
        !with_key.is_empty() && with_key.iter().all(newest),
        "{with_key:?}"
    );
}
