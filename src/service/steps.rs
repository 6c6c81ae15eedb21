//! What will be run for a set of services: the one place that decides it, for the plan and for the deed.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{UnitState, unit_name};
use crate::{
    desired::{Action, Manager, Service},
    host::Command,
};

/// One command that a rollout runs for its services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What is run.
    pub command: Command,
    /// When it is run, where that is not certain: for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if: Option<String>,
}

/// One reload or restart.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) manager: Manager,
    pub(super) action: Action,
    pub(super) command: Command,
    /// Units that were active before, full names, in order: they must be so afterwards.
    pub(super) units: Vec<String>,
    /// For each unit the command that restarts it alone, where the manager may forget some.
    pub(super) each: Vec<Command>,
    pub(super) limit: Duration,
}

impl Act {
    pub(super) fn announcement(&self) -> String {
        match (self.manager, self.action) {
            (Manager::Systemd, Action::Restart) => format!("restarting {}", self.units.join(", ")),
            (Manager::Systemd, Action::Reload) => format!("reloading {}", self.units.join(", ")),
            (Manager::WazoService | Manager::Command, _) => {
                format!("running: {}", self.command.line())
            }
        }
    }
}

/// Everything that is run, in order: tests, then acts.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) tests: Vec<Command>,
    pub(super) acts: Vec<Act>,
}

/// Returns the commands of a plan in order, each with the condition under which it is run.
#[must_use]
pub fn planned(services: &[Service], baseline: &[UnitState]) -> Vec<Planned> {
    let steps = steps(services, baseline);
    let certain = |command: Command| Planned {
        command,
        only_if: None,
    };
    let mut all: Vec<Planned> = steps.tests.into_iter().map(certain).collect();
    for act in steps.acts {
        let line = act.command.line();
        all.push(certain(act.command));
        let rest = act
            .units
            .iter()
            .zip(act.each)
            .map(|(unit, command)| Planned {
                command,
                only_if: Some(format!(
                    "`{line}` leaves `{unit}` stopped or does not restart it"
                )),
            });
        all.extend(rest);
    }
    all
}

/// Decides what is run. A unit is acted on once, a restart includes a reload, the same command runs once, and a unit
/// that is not active is left alone with its config test.
pub(super) fn steps(services: &[Service], baseline: &[UnitState]) -> Steps {
    let active: HashSet<&str> = baseline
        .iter()
        .filter(|state| state.is_active())
        .map(|state| state.unit.as_str())
        .collect();
    let restarted: HashSet<String> = systemd(services)
        .filter(|service| service.action == Action::Restart)
        .flat_map(|service| service.units.iter().map(|unit| unit_name(unit)))
        .collect();
    let mut done: HashSet<String> = HashSet::new();
    let mut ran: HashMap<Vec<String>, usize> = HashMap::new();
    let mut steps = Steps::default();
    for service in services {
        let mut units: Vec<String> = Vec::new();
        for unit in service.units.iter().map(|unit| unit_name(unit)) {
            if active.contains(unit.as_str()) && !units.contains(&unit) {
                units.push(unit);
            }
        }
        if service.manager == Manager::Systemd {
            if !units.is_empty() {
                test(&mut steps, service);
            }
            units.retain(|unit| {
                let later = service.action == Action::Reload && restarted.contains(unit);
                !later && done.insert(unit.clone())
            });
        } else {
            test(&mut steps, service);
        }
        add(&mut steps, &mut ran, service, units);
    }
    steps
}

fn systemd(services: &[Service]) -> impl Iterator<Item = &Service> {
    services
        .iter()
        .filter(|service| service.manager == Manager::Systemd)
}

fn test(steps: &mut Steps, service: &Service) {
    if let Some(test) = &service.config_test
        && !steps.tests.contains(test)
    {
        steps.tests.push(test.clone());
    }
}

fn add(
    steps: &mut Steps,
    ran: &mut HashMap<Vec<String>, usize>,
    service: &Service,
    units: Vec<String>,
) {
    let command = match (service.manager, &service.command) {
        (Manager::Systemd, _) if units.is_empty() => return,
        (Manager::Systemd, _) => systemctl(service.action, &units, service.limit),
        (Manager::WazoService | Manager::Command, Some(command)) => command.clone(),
        (Manager::WazoService | Manager::Command, None) => return,
    };
    let singles = |units: &[String]| -> Vec<Command> {
        if service.manager != Manager::WazoService {
            return Vec::new();
        }
        units
            .iter()
            .map(|unit| systemctl(Action::Restart, std::slice::from_ref(unit), service.limit))
            .collect()
    };
    let limit = Duration::from_secs(service.limit);
    if let Some(act) = ran
        .get(&command.argv)
        .and_then(|at| steps.acts.get_mut(*at))
    {
        let more: Vec<String> = units
            .into_iter()
            .filter(|unit| !act.units.contains(unit))
            .collect();
        act.each.extend(singles(&more));
        act.units.extend(more);
        act.limit = act.limit.max(limit);
        return;
    }
    ran.insert(command.argv.clone(), steps.acts.len());
    steps.acts.push(Act {
        manager: service.manager,
        action: service.action,
        each: singles(&units),
        command,
        units,
        limit,
    });
}

/// One call for all units: systemctl queues their jobs in this order and waits for all of them.
fn systemctl(action: Action, units: &[String], limit: u64) -> Command {
    let verb = match action {
        Action::Restart => "restart",
        // A unit that cannot take its new files on a reload may have ended by it, and must be started on the way back; one
        // that knows no reload is restarted (systemctl(1), reload-or-restart).
        Action::Reload => "reload-or-restart",
    };
    let mut argv: Vec<String> = ["systemctl", verb, "--no-ask-password", "--"]
        .map(str::to_owned)
        .to_vec();
    argv.extend(units.iter().cloned());
    Command {
        argv,
        limit: limit.max(1),
    }
}
