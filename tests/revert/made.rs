//! What a command of a run makes: copied before, taken back after whatever failure or death, and never made again.

use std::rc::Rc;

use certroll::{
    apply::Keep,
    desired::{Action, Manager, Service},
    error::Error,
    host::{
        Command, Host as _, Output,
        fake::{FakeHost, Fault, World},
    },
    journal::Store,
    plan::Plan,
    probe::Want,
    receipt::Outcome,
    rollback, service,
    state::State,
};

use crate::web::{self, command, key, leaf, path, recover, seen};

const MAKE: &[&str] = &["make", "pair"];
const KEY: &str = "/etc/pki/server.key";
const LEAF: &str = "/etc/pki/server.crt";

/// A platform that makes the second identity where key and leaf are missing.
fn react(world: &mut World, command: &Command) -> Output {
    if command.argv != MAKE {
        return web::react(world, command);
    }
    if !world.tree.contains_key(&path(KEY)) {
        world.tree.insert(path(KEY), key(1));
        world.tree.insert(path(LEAF), leaf(1));
    }
    Output {
        status: Some(0),
        ..Output::default()
    }
}

fn host() -> FakeHost {
    FakeHost::new(web::host().world(), Rc::new(react))
}

/// The rollout of the web host, with its pair made by a command in place of written.
fn plan(host: &FakeHost) -> Plan {
    let mut plan = web::plan(host);
    for change in plan.changes.iter_mut().filter(|change| change.identity) {
        change.after = State::Absent;
    }
    plan.services.insert(
        0,
        Service {
            manager: Manager::Command,
            action: Action::Restart,
            units: Vec::new(),
            command: Some(command(MAKE)),
            writes: vec![path(KEY), path(LEAF)],
            then: None,
            config_test: None,
            ..plan.services[0].clone()
        },
    );
    plan.commands = service::commands(&plan.services, &plan.units);
    plan.promises[0].want = Want::Default {
        leaf: path(LEAF),
        told: vec![LEAF.to_owned()],
    };
    plan
}

fn run(host: &mut FakeHost) -> Result<Outcome, Error> {
    host.lock(std::time::Duration::ZERO)?;
    let plan = plan(host);
    certroll::rollout(host, plan, web::keep(), &|_| {}).map(|receipt| receipt.outcome)
}

fn made(host: &FakeHost) -> usize {
    let ran = host.world().ran;
    ran.iter().filter(|argv| *argv == MAKE).count()
}

#[test]
fn wherever_it_fails_or_dies_everything_is_back_or_all_is_new() {
    let old = seen(&host());
    let mut whole = host();
    assert_eq!(run(&mut whole).unwrap(), Outcome::Committed);
    let new = seen(&whole);
    let total = whole.steps();
    let mut back = 0;
    for at in 0..total {
        for fault in [
            Fault::FailAt(at),
            Fault::DieBefore(at),
            Fault::DieWithin(at),
        ] {
            let mut host = host().next_run(fault);
            let outcome = run(&mut host);
            let host = recover(&host);
            let found = seen(&host);
            assert!(
                found == old || found == new,
                "{fault:?} {outcome:?}: {found:#?}"
            );
            assert_eq!(Store::pending(&host).unwrap(), None, "{fault:?}");
            back += usize::from(found == old);
            assert!(made(&host) <= 1, "{fault:?}: made again on the way back");
        }
    }
    assert!(back > total, "{back} of {total} steps led back");
}

#[test]
fn a_rollback_puts_the_pair_of_before_back_and_an_edit_since_is_found() {
    let mut host = host();
    let old = seen(&host);
    run(&mut host).unwrap();
    let mut next = host.next_run(Fault::Never);
    next.lock(std::time::Duration::ZERO).unwrap();
    let back = rollback::plan(&next, "test", None, &[]).unwrap().unwrap();
    assert!(!back.plan.is_blocked(), "{:?}", back.plan.findings);
    let receipt = certroll::rollout(&mut next, back.plan, Keep::default(), &|_| {}).unwrap();
    assert_eq!(receipt.outcome, Outcome::Committed);
    assert_eq!(seen(&next), old);
    assert_eq!(made(&next), 1);

    let mut host = self::host();
    run(&mut host).unwrap();
    host.meddle(|world| {
        world.tree.insert(path(LEAF), leaf(0));
    });
    let next = host.next_run(Fault::Never);
    let back = rollback::plan(&next, "test", None, &[]).unwrap().unwrap();
    let names: Vec<_> = back.plan.findings.iter().map(|f| f.name).collect();
    assert!(
        names.is_empty(),
        "the leaf of before is back already: {names:?}"
    );
    host.meddle(|world| {
        world
            .tree
            .insert(path(KEY), web::file("another".to_owned(), 0o640));
    });
    let back = rollback::plan(&next, "test", None, &[]).unwrap().unwrap();
    assert_eq!(back.plan.findings[0].name, "edited-since");
}

#[test]
fn a_pair_that_is_no_default_identity_takes_the_run_back() {
    let mut host = host();
    let old = seen(&host);
    host.lock(std::time::Duration::ZERO).unwrap();
    let mut plan = plan(&host);
    plan.promises[0].want = Want::Default {
        leaf: path(LEAF),
        told: vec!["CN=another".to_owned()],
    };
    let receipt = certroll::rollout(&mut host, plan, web::keep(), &|_| {}).unwrap();
    assert_eq!(receipt.outcome, Outcome::RolledBack);
    assert!(
        receipt.causes[0].contains("a default identity of the platform"),
        "{:?}",
        receipt.causes
    );
    assert_eq!(seen(&host), old);
}
