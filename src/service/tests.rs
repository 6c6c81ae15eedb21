//! Services against a scripted host.

use std::{cell::RefCell, collections::BTreeMap};

use super::*;
use crate::{probe::scripted::Scripted, state::HostPath};

mod limit;
mod plan;

/// A systemd small enough to predict: units, and what happens to them when they are restarted.
#[derive(Default)]
struct World {
    host: Scripted,
    ran: Vec<Command>,
    /// Exit status and standard error of commands, by line; 0 where absent.
    ends: BTreeMap<String, (i32, &'static str)>,
    /// States of a unit after each restart, in order; active where absent.
    fates: BTreeMap<String, Vec<UnitState>>,
    /// Units that `wazo-service restart all` restarts, and those it stops.
    script: (Vec<&'static str>, Vec<&'static str>),
    stop: Option<&'static str>,
    /// Whether this is the way back.
    back: bool,
}

fn unit(name: &str, active: &str, sub: &str, invocation: &str) -> UnitState {
    UnitState {
        unit: unit_name(name),
        load: "loaded".to_owned(),
        active: active.to_owned(),
        sub: sub.to_owned(),
        result: if active == "failed" {
            "exit-code"
        } else {
            "success"
        }
        .to_owned(),
        invocation: invocation.to_owned(),
        ..UnitState::default()
    }
}

fn shown(states: &[UnitState]) -> String {
    let blocks: Vec<String> = states
        .iter()
        .map(|s| {
            format!(
                "Id={}\nLoadState={}\nActiveState={}\nSubState={}\nResult={}\nNRestarts={}\nInvocationID={}\nNeedDaemonReload=no\nActiveEnterTimestampMonotonic={}\n",
                s.unit, s.load, s.active, s.sub, s.result, s.restarts, s.invocation, s.entered
            )
        })
        .collect();
    blocks.join("\n")
}

thread_local! {
    static UNITS: RefCell<BTreeMap<String, Vec<UnitState>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Answers `systemctl show`; a unit with several states takes the next one at each look.
fn systemctl_show(command: &Command) -> Output {
    assert_eq!(
        command.argv[1], "show",
        "only questions go past the journal"
    );
    let at = command.argv.iter().position(|a| a == "--").unwrap();
    let states: Vec<UnitState> = UNITS.with_borrow_mut(|units| {
        command.argv[at + 1..]
            .iter()
            .map(|name| {
                let states = units.get_mut(name).unwrap();
                if states.len() > 1 {
                    states.remove(0)
                } else {
                    states[0].clone()
                }
            })
            .collect()
    });
    Output {
        status: Some(0),
        stdout: shown(&states),
        ..Output::default()
    }
}

impl World {
    fn new(units: &[UnitState]) -> Self {
        UNITS.with_borrow_mut(|known| {
            *known = units
                .iter()
                .map(|u| (u.unit.clone(), vec![u.clone()]))
                .collect();
        });
        let host = Scripted {
            run: Some(Box::new(systemctl_show)),
            ..Scripted::default()
        };
        Self {
            host,
            ..Self::default()
        }
    }

    fn restart(&mut self, name: &str) {
        let name = unit_name(name);
        let n = self.ran.len();
        let fate = self
            .fates
            .remove(&name)
            .unwrap_or_else(|| vec![unit(&name, "active", "running", &format!("new{n}"))]);
        UNITS.with_borrow_mut(|units| units.insert(name, fate));
    }

    fn lines(&self) -> Vec<String> {
        self.ran.iter().map(Command::line).collect()
    }

    fn go(&mut self, services: &[Service]) -> (Result<()>, Vec<Command>) {
        let baseline = observe(&self.host, services).unwrap();
        let result = activate(self, services, &baseline, &mut |_| {}).map(drop);
        (result, commands(services, &baseline))
    }
}

impl Runner for World {
    fn host(&self) -> &dyn Host {
        &self.host
    }

    fn forward(&self) -> bool {
        !self.back
    }

    fn run(&mut self, command: &Command) -> Result<Output> {
        self.ran.push(command.clone());
        self.host.signal.set(self.stop);
        match command.argv[1].as_str() {
            "restart" if command.argv[0] == "systemctl" => {
                for name in command.argv.clone().iter().skip(4) {
                    self.restart(name);
                }
            }
            "restart" => {
                for name in self.script.0.clone() {
                    self.restart(name);
                }
                for name in self.script.1.clone() {
                    UNITS.with_borrow_mut(|units| {
                        units.insert(unit_name(name), vec![unit(name, "inactive", "dead", "")])
                    });
                }
            }
            _ => {}
        }
        let (status, said) = self.ends.get(&command.line()).copied().unwrap_or((0, ""));
        Ok(Output {
            status: Some(status),
            stderr: said.to_owned(),
            ..Output::default()
        })
    }
}

fn command(line: &str) -> Command {
    Command {
        argv: line.split(' ').map(str::to_owned).collect(),
        limit: 10,
    }
}

fn service(manager: Manager, action: Action, units: &[&str], act: Option<&str>) -> Service {
    Service {
        manager,
        action,
        units: units.iter().map(|&u| u.to_owned()).collect(),
        command: act.map(command),
        then: None,
        config_test: None,
        limit: 10,
        on: Vec::<HostPath>::new(),
        serves: BTreeMap::new(),
        writes: Vec::new(),
    }
}

fn restart(units: &[&str]) -> Service {
    service(Manager::Systemd, Action::Restart, units, None)
}

#[test]
fn many_units_are_restarted_by_one_call_in_order_and_only_those_that_were_active() {
    let mut world = World::new(&[
        unit("b", "active", "running", "1"),
        unit("off", "inactive", "dead", ""),
        unit("a", "active", "running", "2"),
        unit("broken", "failed", "failed", "3"),
    ]);
    let (result, planned) = world.go(&[restart(&["b", "off", "a", "broken"])]);
    result.unwrap();
    assert_eq!(
        world.lines(),
        ["systemctl restart --no-ask-password -- b.service a.service"]
    );
    assert_eq!(planned, world.ran, "the plan is what was done");
}

#[test]
fn where_nothing_is_active_nothing_runs_not_even_the_config_test() {
    let mut world = World::new(&[unit("nginx", "inactive", "dead", "")]);
    let mut nginx = restart(&["nginx"]);
    nginx.config_test = Some(command("nginx -t"));
    let (result, planned) = world.go(&[nginx]);
    result.unwrap();
    assert!(world.ran.is_empty() && planned.is_empty());
}

#[test]
fn a_unit_that_fails_is_named_with_its_state_and_the_one_wanted() {
    let mut world = World::new(&[
        unit("a", "active", "running", "1"),
        unit("b", "active", "running", "1"),
    ]);
    world.fates.insert(
        unit_name("b"),
        vec![
            unit("b", "activating", "start", "2"),
            unit("b", "failed", "failed", "2"),
        ],
    );
    let (result, _) = world.go(&[restart(&["a", "b"])]);
    let message = result.unwrap_err().to_string();
    assert!(
        message.starts_with("`b.service` is `failed (exit-code)`: want `active`"),
        "{message}"
    );
}

#[test]
fn a_unit_that_keeps_restarting_is_told_from_one_that_comes_up_late() {
    let looping = |restarts, sub: &str, id: &str| UnitState {
        restarts,
        result: "exit-code".to_owned(),
        ..unit(
            "a",
            if sub == "running" {
                "active"
            } else {
                "activating"
            },
            sub,
            id,
        )
    };
    let mut world = World::new(&[unit("a", "active", "running", "1")]);
    world.fates.insert(
        unit_name("a"),
        vec![
            looping(0, "auto-restart", "2"),
            looping(1, "running", "3"),
            looping(1, "running", "3"),
        ],
    );
    world.go(&[restart(&["a"])]).0.unwrap();

    let mut world = World::new(&[unit("a", "active", "running", "1")]);
    let mut fate = Vec::new();
    for n in 0..9 {
        fate.push(looping(n, "running", &format!("up{n}")));
    }
    world.fates.insert(unit_name("a"), fate);
    let message = world.go(&[restart(&["a"])]).0.unwrap_err().to_string();
    assert!(message.contains("again and again"), "{message}");
}

#[test]
fn a_restart_that_did_not_happen_is_not_taken_for_one() {
    let mut world = World::new(&[unit("a", "active", "running", "1")]);
    world
        .fates
        .insert(unit_name("a"), vec![unit("a", "active", "running", "1")]);
    let message = world.go(&[restart(&["a"])]).0.unwrap_err().to_string();
    assert!(message.contains("not restarted"), "{message}");
}

#[test]
fn without_invocation_ids_the_time_of_the_start_tells_a_restart() {
    let at = |entered| UnitState {
        entered,
        ..unit("a", "active", "running", "")
    };
    let mut world = World::new(&[at(5)]);
    world.fates.insert(unit_name("a"), vec![at(9)]);
    world.go(&[restart(&["a"])]).0.unwrap();
}

#[test]
fn config_tests_of_all_services_come_before_the_first_restart_and_stop_everything() {
    let mut world = World::new(&[
        unit("a", "active", "running", "1"),
        unit("nginx", "active", "running", "1"),
    ]);
    let mut nginx = restart(&["nginx"]);
    nginx.config_test = Some(command("nginx -t"));
    world
        .ends
        .insert("nginx -t".to_owned(), (1, "noise\nkey values mismatch\n"));
    let error = world.go(&[restart(&["a"]), nginx]).0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`nginx -t` exited with 1: noise; key values mismatch"
    );
    assert_eq!(world.lines(), ["nginx -t"]);
}

#[test]
fn a_failed_reload_fails_although_the_unit_is_still_active() {
    let mut world = World::new(&[unit("nginx", "active", "running", "1")]);
    world.ends.insert(
        "systemctl reload --no-ask-password -- nginx.service".to_owned(),
        (1, "Job failed"),
    );
    let reload = service(Manager::Systemd, Action::Reload, &["nginx"], None);
    let error = world.go(&[reload]).0.unwrap_err();
    assert!(matches!(error, Error::Run { .. }), "{error}");
}

#[test]
fn a_unit_is_acted_on_once_and_a_restart_includes_its_reload() {
    let mut world = World::new(&[
        unit("nginx", "active", "running", "1"),
        unit("a", "active", "running", "1"),
    ]);
    let services = [
        service(Manager::Systemd, Action::Reload, &["nginx", "a"], None),
        restart(&["nginx.service"]),
        restart(&["nginx", "a"]),
    ];
    world.go(&services).0.unwrap();
    assert_eq!(
        world.lines(),
        [
            "systemctl restart --no-ask-password -- nginx.service",
            "systemctl restart --no-ask-password -- a.service"
        ]
    );
}

const SCRIPT: &str = "wazo-service restart all";

#[test]
fn what_the_platforms_script_stops_or_forgets_is_restarted_in_order() {
    let units = ["wazo-auth", "wazo-ui", "asterisk", "nginx"];
    for (status, restarted, stopped, rest) in [
        (
            0,
            vec!["wazo-auth", "asterisk", "nginx"],
            vec![],
            vec!["wazo-ui"],
        ),
        (
            1,
            vec!["wazo-auth"],
            vec!["asterisk", "nginx"],
            vec!["wazo-ui", "asterisk", "nginx"],
        ),
        (0, vec![], vec![], units.to_vec()),
    ] {
        let states: Vec<UnitState> = units
            .iter()
            .map(|u| unit(u, "active", "running", "1"))
            .collect();
        let mut world = World::new(&states);
        world.script = (restarted, stopped);
        world.ends.insert(SCRIPT.to_owned(), (status, "NOK"));
        let wazo = service(Manager::WazoService, Action::Restart, &units, Some(SCRIPT));
        let (result, planned) = world.go(&[wazo]);
        result.unwrap();
        let mut want = vec![SCRIPT.to_owned()];
        want.extend(
            rest.iter()
                .map(|u| format!("systemctl restart --no-ask-password -- {u}.service")),
        );
        assert_eq!(world.lines(), want);
        assert!(
            world.ran.iter().all(|c| planned.contains(c)),
            "all of it is in the plan"
        );
    }
}

#[test]
fn a_unit_that_the_script_cannot_bring_back_fails_the_run() {
    let mut world = World::new(&[unit("wazo-auth", "active", "running", "1")]);
    world.script = (vec![], vec!["wazo-auth"]);
    world.fates.insert(
        unit_name("wazo-auth"),
        vec![unit("wazo-auth", "failed", "failed", "2")],
    );
    let wazo = service(
        Manager::WazoService,
        Action::Restart,
        &["wazo-auth"],
        Some(SCRIPT),
    );
    let error = world.go(&[wazo]).0.unwrap_err();
    assert!(
        error.to_string().contains("`wazo-auth.service` is `failed"),
        "{error}"
    );
}

#[test]
fn a_command_must_exit_with_zero_and_its_units_must_be_active() {
    let hook = service(
        Manager::Command,
        Action::Reload,
        &["a"],
        Some("/usr/bin/hook now"),
    );
    let mut world = World::new(&[unit("a", "active", "running", "1")]);
    world.ends.insert("/usr/bin/hook now".to_owned(), (3, ""));
    let error = world.go(std::slice::from_ref(&hook)).0.unwrap_err();
    assert_eq!(error.to_string(), "`/usr/bin/hook now` exited with 3");
    let mut world = World::new(&[unit("a", "active", "running", "1")]);
    world.go(&[hook]).0.unwrap();
}

#[test]
fn a_signal_stops_between_two_steps() {
    let mut world = World::new(&[
        unit("a", "active", "running", "1"),
        unit("b", "active", "running", "1"),
    ]);
    world.stop = Some("SIGTERM");
    let error = world.go(&[restart(&["a"]), restart(&["b"])]).0.unwrap_err();
    assert!(
        matches!(error, Error::Interrupted { signal: "SIGTERM" }),
        "{error}"
    );
    assert_eq!(world.ran.len(), 1);
}

#[test]
fn an_answer_for_too_few_units_is_no_answer() {
    let host = Scripted {
        run: Some(Box::new(|_| Output {
            status: Some(0),
            stdout: "Id=a.service\nActiveState=active\n".to_owned(),
            ..Output::default()
        })),
        ..Scripted::default()
    };
    let error = observe(&host, &[restart(&["a", "b"])]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`systemctl show` answered for 1: want 2 units"
    );
}
