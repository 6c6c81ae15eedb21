//! Reload, probe, restart: who is told what, forward and backward, on a host in memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use certroll::{
    apply::{self, Keep},
    desired::{Action, Manager, Probe, Service},
    host::{
        Command, Host as _, Output, Presented,
        fake::{FakeHost, Fault, World},
    },
    journal::{Remembered, Store},
    plan::{Change, Plan, Promise},
    probe::{self, Want},
    receipt::{Outcome, Receipt},
    service,
    state::{Attrs, Bytes, HostPath, Sensitivity, State},
};

/// Two units, each with an endpoint that presents what the unit has loaded.
const UNITS: [(&str, u16); 2] = [("a", 1001), ("b", 1002)];

/// How the host behaves.
#[derive(Debug, Clone, Copy, Default)]
struct Ways {
    /// A reload of `b` ends well and loads nothing.
    deaf: bool,
    /// `b` does not start with the new leaf.
    refuses: bool,
    /// The config test of `b` fails.
    untestable: bool,
}

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

fn file(text: &str) -> State {
    State::file(
        Bytes::from(text.to_owned()),
        Attrs {
            mode: 0o644,
            ..Attrs::default()
        },
    )
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Has a unit load what is on disk; `b` fails where it refuses that.
fn load(world: &mut World, unit: &str, refuses: bool) {
    let port = UNITS
        .iter()
        .find(|(name, _)| unit.starts_with(name))
        .unwrap()
        .1;
    let bytes = world.tree[&path("/leaf")].bytes().unwrap().clone();
    if refuses && unit.starts_with('b') && bytes.reveal() == b"new" {
        world.endpoints.remove(&address(port));
        return;
    }
    let presented = Presented {
        certificates: vec![bytes.reveal().to_vec()],
        version: "TLS 1.3".to_owned(),
        ..Presented::default()
    };
    world.endpoints.insert(address(port), presented);
}

fn show(world: &World, unit: &str) -> String {
    let port = UNITS
        .iter()
        .find(|(name, _)| unit.starts_with(name))
        .unwrap()
        .1;
    let active = if world.endpoints.contains_key(&address(port)) {
        "active"
    } else {
        "failed"
    };
    let restarts = |argv: &&Vec<String>| argv[1] == "restart" && argv.iter().any(|a| a == unit);
    let starts = world.ran.iter().filter(restarts).count();
    format!(
        "Id={unit}\nLoadState=loaded\nActiveState={active}\nSubState=running\nResult=exit-code\nInvocationID=start-{starts}\n"
    )
}

fn react(world: &mut World, command: &Command, ways: Ways) -> Output {
    let units = || command.argv.iter().skip(4).cloned().collect::<Vec<_>>();
    let mut output = Output {
        status: Some(0),
        ..Output::default()
    };
    match command.argv[1].as_str() {
        "show" => {
            let blocks: Vec<String> = command
                .argv
                .iter()
                .skip(5)
                .map(|u| show(world, u))
                .collect();
            output.stdout = blocks.join("\n");
        }
        "restart" => units()
            .iter()
            .for_each(|unit| load(world, unit, ways.refuses)),
        "reload" => {
            let hears = |unit: &&String| !(ways.deaf && unit.starts_with('b'));
            units()
                .iter()
                .filter(hears)
                .for_each(|unit| load(world, unit, false));
        }
        _ => output.status = Some(i32::from(ways.untestable)),
    }
    output
}

fn host(ways: Ways) -> FakeHost {
    let mut world = World::default();
    world.tree.insert(path("/leaf"), file("old"));
    for (unit, _) in UNITS {
        load(&mut world, unit, false);
    }
    FakeHost::new(
        world,
        Rc::new(move |world: &mut World, command: &Command| react(world, command, ways)),
    )
}

fn command(line: &str) -> Command {
    Command {
        argv: line.split(' ').map(str::to_owned).collect(),
        limit: 1,
    }
}

fn probe(unit: &str, port: u16) -> Probe {
    Probe::Tls {
        protocol: certroll::starttls::Protocol::Direct,
        name: "host".to_owned(),
        port,
        addresses: vec![address(port).ip()],
        service: unit.to_owned(),
    }
}

fn plan(host: &FakeHost, action: Action, restart: &[&str]) -> Plan {
    let probes: Vec<Probe> = UNITS
        .iter()
        .map(|(unit, port)| probe(unit, *port))
        .collect();
    let mut services: Vec<Service> = UNITS
        .iter()
        .map(|(unit, _)| Service {
            manager: Manager::Systemd,
            action,
            units: vec![(*unit).to_owned()],
            command: None,
            then: None,
            config_test: Some(command(&format!("{unit} -t"))),
            limit: 2,
            on: Vec::new(),
            serves: BTreeMap::new(),
            writes: Vec::new(),
        })
        .collect();
    service::assign(&mut services, &probes);
    let restart = restart.iter().map(|unit| (*unit).to_owned()).collect();
    let services = service::learned(services, &restart);
    let units = service::observe(host, &services).unwrap();
    let promise = |probe: &Probe| Promise {
        probe: probe.clone(),
        want: Want::Leaf {
            leaf: probe::details(b"new").sha256,
            chain: Vec::new(),
        },
        after: 0,
    };
    Plan {
        rollout: "test".to_owned(),
        changes: vec![Change {
            path: path("/leaf"),
            kind: "pem".into(),
            before: file("old"),
            after: file("new"),
            sensitivity: Sensitivity::Public,
            identity: true,
            staging: HostPath::default(),
            in_place: false,
        }],
        commands: service::commands(&services, &units),
        baseline: probes.iter().map(|p| probe::observe(host, p)).collect(),
        promises: probes.iter().map(promise).collect(),
        services,
        units,
        deadline: 10,
        live: true,
        ..Plan::default()
    }
}

fn keep() -> Keep {
    Keep {
        rollout: Some(Remembered::default()),
        ..Keep::default()
    }
}

fn run(host: &mut FakeHost, plan: Plan) -> Receipt {
    host.lock(Duration::ZERO).unwrap();
    certroll::rollout(host, plan, keep(), &|_| {}).unwrap()
}

/// What was run, shortened.
fn ran(host: &FakeHost) -> Vec<String> {
    let line = |argv: &Vec<String>| argv.join(" ").replace(" --no-ask-password --", "");
    host.world().ran.iter().map(line).collect()
}

fn served(host: &FakeHost) -> Vec<String> {
    let world = host.world();
    let leaf = |(_, port): &(&str, u16)| match world.endpoints.get(&address(*port)) {
        Some(presented) => String::from_utf8(presented.certificates[0].clone()).unwrap(),
        None => "silent".to_owned(),
    };
    UNITS.iter().map(leaf).collect()
}

fn remembered(host: &FakeHost) -> Vec<String> {
    let known = Store::rollouts(host).unwrap().rollouts.remove("test");
    known.unwrap_or_default().restart.into_iter().collect()
}

const TESTS: [&str; 2] = ["a -t", "b -t"];

#[test]
fn a_reload_that_suffices_is_followed_by_no_restart() {
    let mut host = host(Ways::default());
    let plan = plan(&host, Action::Reload, &[]);
    let planned: Vec<_> = plan.commands.iter().map(Command::line).collect();
    assert_eq!(planned.len(), 6, "the restarts are planned: {planned:?}");
    let receipt = run(&mut host, plan);
    assert_eq!(receipt.outcome, Outcome::Committed, "{:?}", receipt.causes);
    assert_eq!(
        ran(&host)[2..],
        ["systemctl reload a.service", "systemctl reload b.service"]
    );
    assert_eq!(ran(&host)[..2], TESTS);
    assert!(remembered(&host).is_empty());
}

#[test]
fn what_is_run_is_what_was_planned_less_what_was_not_needed() {
    let lines = |plan: &Plan, sure: bool| -> BTreeSet<String> {
        let planned = service::planned(&plan.services, &plan.units).into_iter();
        let planned = planned.filter(|one| !sure || one.only_if.is_none());
        planned.map(|one| one.command.line()).collect()
    };
    for action in [Action::Reload, Action::Restart] {
        for deaf in [false, true] {
            for known in [&[][..], &["b.service"]] {
                let ways = Ways {
                    deaf,
                    ..Ways::default()
                };
                let mut host = host(ways);
                let plan = plan(&host, action, known);
                let all: BTreeSet<String> = plan.commands.iter().map(Command::line).collect();
                assert_eq!(all, lines(&plan, false));
                let sure = lines(&plan, true);
                let receipt = run(&mut host, plan);
                let case = format!("{action:?}, deaf {deaf}, {known:?}: {:?}", receipt.causes);
                assert_eq!(receipt.outcome, Outcome::Committed, "{case}");
                let told: BTreeSet<String> = receipt.commands.iter().cloned().collect();
                // What the receipt says is what the host saw, but for the questions in between.
                let ran: BTreeSet<String> = host.world().ran.iter().map(|a| a.join(" ")).collect();
                let asked = |line: &&String| line.starts_with("systemctl show");
                assert!(told.iter().eq(ran.iter().filter(|l| !asked(l))), "{case}");
                assert!(told.is_subset(&all) && told.is_superset(&sure), "{case}");
                let needed = action == Action::Reload && deaf && known.is_empty();
                assert_eq!(told.len() - sure.len(), usize::from(needed), "{case}");
            }
        }
    }
}

#[test]
fn the_unit_alone_that_still_presents_the_old_leaf_is_restarted_and_that_is_remembered() {
    let ways = Ways {
        deaf: true,
        ..Ways::default()
    };
    let mut deaf = host(ways);
    let first = plan(&deaf, Action::Reload, &[]);
    let conditions: Vec<_> = service::planned(&first.services, &first.units)
        .into_iter()
        .filter_map(|planned| planned.only_if)
        .collect();
    assert_eq!(
        conditions[1],
        "`b.service` still presents the old leaf after `systemctl reload --no-ask-password -- b.service`"
    );
    let receipt = run(&mut deaf, first);
    assert_eq!(receipt.outcome, Outcome::Committed, "{:?}", receipt.causes);
    assert_eq!(
        ran(&deaf)[2..],
        [
            "systemctl reload a.service",
            "systemctl reload b.service",
            "systemctl restart b.service"
        ]
    );
    assert_eq!(served(&deaf), ["new", "new"]);
    assert_eq!(remembered(&deaf), ["b.service"]);

    let mut next = host(ways);
    let plan = plan(&next, Action::Reload, &["b.service"]);
    assert_eq!(run(&mut next, plan).outcome, Outcome::Committed);
    assert_eq!(
        ran(&next)[2..],
        ["systemctl reload a.service", "systemctl restart b.service"],
        "what is known is not tried again"
    );
}

#[test]
fn the_way_back_restarts_too_where_a_reload_does_not_bring_the_old_leaf_back() {
    let mut host = host(Ways {
        deaf: true,
        ..Ways::default()
    });
    let mut plan = plan(&host, Action::Reload, &[]);
    // A third endpoint that never presents the new leaf: everything goes back after `b` was restarted.
    let never = probe("elsewhere", 1003);
    host.meddle(|world| {
        let old = world.endpoints[&address(1001)].clone();
        world.endpoints.insert(address(1003), old);
    });
    plan.baseline.push(probe::observe(&host, &never));
    let want = plan.promises[0].want.clone();
    plan.promises.push(Promise {
        probe: never,
        want,
        after: 0,
    });
    let receipt = run(&mut host, plan);
    assert_eq!(receipt.outcome, Outcome::RolledBack, "{:?}", receipt.causes);
    assert_eq!(served(&host), ["old", "old"]);
    let restarts = ran(&host);
    let restarts = restarts
        .iter()
        .filter(|line| line.starts_with("systemctl restart"));
    assert_eq!(restarts.count(), 2, "{:?}", ran(&host));
    assert!(
        remembered(&host).is_empty(),
        "nothing is learned of a rollout that failed"
    );
}

#[test]
fn who_was_not_told_is_not_told_on_the_way_back() {
    let mut untestable = host(Ways {
        untestable: true,
        ..Ways::default()
    });
    let plan_ = plan(&untestable, Action::Restart, &[]);
    let receipt = run(&mut untestable, plan_);
    assert_eq!(receipt.outcome, Outcome::RolledBack, "{:?}", receipt.causes);
    assert_eq!(ran(&untestable), ["a -t"], "nobody had loaded anything");

    let mut host = FakeHost::new(
        host(Ways::default()).world(),
        Rc::new(|world: &mut World, command: &Command| {
            // The first unit does not come up with the new leaf: the second is never told.
            let first = command.argv.last().is_some_and(|unit| unit == "a.service");
            let new = world.tree[&path("/leaf")].bytes().unwrap().reveal() == b"new";
            let output = react(world, command, Ways::default());
            if command.argv[1] == "restart" && first && new {
                world.endpoints.remove(&address(1001));
            }
            output
        }),
    );
    let plan = plan(&host, Action::Restart, &[]);
    let receipt = run(&mut host, plan);
    assert_eq!(receipt.outcome, Outcome::RolledBack, "{:?}", receipt.causes);
    assert_eq!(served(&host), ["old", "old"]);
    assert!(
        !ran(&host).contains(&"systemctl restart b.service".to_owned()),
        "{:?}",
        ran(&host)
    );
}

#[test]
fn a_run_that_dies_anywhere_on_the_way_to_a_restart_is_recovered_whole() {
    let ways = Ways {
        deaf: true,
        ..Ways::default()
    };
    let mut whole = host(ways);
    let plan_ = plan(&whole, Action::Reload, &[]);
    run(&mut whole, plan_);
    for at in 0..whole.steps() {
        let mut dying = host(ways).next_run(Fault::DieBefore(at));
        dying.lock(Duration::ZERO).unwrap();
        let plan = plan(&dying, Action::Reload, &[]);
        drop(certroll::rollout(&mut dying, plan, keep(), &|_| {}));
        let mut next = dying.next_run(Fault::Never);
        next.lock(Duration::ZERO).unwrap();
        let receipt = apply::recover(&mut next, false, &|_| {}).unwrap();
        let outcome = receipt.as_ref().map(|r| r.outcome);
        assert_ne!(outcome, Some(Outcome::Stuck), "step {at}: {receipt:?}");
        let found = served(&next);
        assert!(
            found == ["old", "old"] || found == ["new", "new"],
            "step {at}: {found:?}"
        );
        let leaf = next.world().tree[&path("/leaf")].bytes().unwrap().text();
        assert_eq!(found[0], leaf, "step {at}: served is what is on disk");
        assert_eq!(remembered(&next).is_empty(), leaf == "old", "step {at}");
    }
}

#[test]
fn a_reload_that_fails_on_the_way_back_is_followed_by_a_restart() {
    let before = host(Ways::default()).world();
    let mut host = FakeHost::new(
        before,
        Rc::new(|world: &mut World, command: &Command| {
            // Once `b` was reloaded it hangs in that until it is restarted.
            let is_b = command.argv.last().is_some_and(|unit| unit == "b.service");
            if command.argv[1] == "reload" && is_b {
                world.endpoints.remove(&address(1002));
                return Output {
                    timed_out: true,
                    ..Output::default()
                };
            }
            react(world, command, Ways::default())
        }),
    );
    let plan = plan(&host, Action::Reload, &[]);
    let receipt = run(&mut host, plan);
    assert_eq!(receipt.outcome, Outcome::RolledBack, "{:?}", receipt.causes);
    assert_eq!(served(&host), ["old", "old"]);
    assert_eq!(ran(&host).last().unwrap(), "systemctl restart b.service");
}

#[test]
fn a_unit_that_refuses_the_new_leaf_is_named_with_the_command_that_tells_why() {
    let mut host = host(Ways {
        refuses: true,
        ..Ways::default()
    });
    let plan = plan(&host, Action::Restart, &[]);
    let receipt = run(&mut host, plan);
    assert_eq!(receipt.outcome, Outcome::RolledBack);
    assert_eq!(served(&host), ["old", "old"]);
    let why = &receipt.causes[0];
    let said =
        "`b.service` is `failed (exit-code)`: want `active` (why: `journalctl -u b.service -n 20`)";
    assert!(why.contains(said), "{why}");
}
