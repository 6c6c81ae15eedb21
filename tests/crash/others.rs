//! Services that do not come back, and what somebody else changed meanwhile.

use std::rc::Rc;

use certroll::{
    apply,
    error::ExitCode,
    host::{
        Command, Host as _,
        fake::{FakeHost, Fault, World},
    },
    journal::Store,
    receipt::Outcome,
};

use crate::web::{file, host, keep, key, path, plan, react, run, seen, steps};

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
