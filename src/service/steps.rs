//! What will be run for a set of services: the one place that decides it, for the plan and for the deed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{UnitState, unit_name};
use crate::{
    desired::{Action, Manager, Probe, Service},
    host::Command,
    probe,
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
    /// What is run right after it.
    pub(super) then: Option<Command>,
    /// Units that were active before, full names, in order: they must be so afterwards.
    pub(super) units: Vec<String>,
    /// Units that may have to be restarted alone, each with the command: all where the manager may forget some, and
    /// after a reload those with an endpoint that shows whether it sufficed.
    pub(super) each: Vec<(String, Command)>,
    /// By unit, the titles of the probes that show what it serves.
    pub(super) serves: BTreeMap<String, Vec<String>>,
    pub(super) limit: Duration,
}

impl Act {
    /// Tells whether endpoints decide that a unit is restarted after all.
    pub(super) fn may_not_suffice(&self) -> bool {
        !self.serves.is_empty()
    }

    /// Says when the command for one unit alone is run.
    fn only_if(&self, unit: &str) -> String {
        if self.may_not_suffice() {
            format!(
                "`{unit}` still presents the old leaf after `{}`",
                self.command.line()
            )
        } else {
            format!(
                "`{}` leaves `{unit}` stopped or does not restart it",
                self.command.line()
            )
        }
    }

    pub(super) fn announcement(&self) -> String {
        match (self.manager, self.action) {
            (Manager::Systemd, Action::Restart) => format!("restarting {}", self.units.join(", ")),
            (Manager::Systemd, Action::Reload) => format!("reloading {}", self.units.join(", ")),
            (Manager::WazoService | Manager::Command, _) => match &self.then {
                Some(then) => format!("running: {}, then {}", self.command.line(), then.line()),
                None => format!("running: {}", self.command.line()),
            },
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
        all.push(certain(act.command.clone()));
        all.extend(act.then.clone().map(certain));
        all.extend(act.each.iter().map(|(unit, command)| Planned {
            command: command.clone(),
            only_if: Some(act.only_if(unit)),
        }));
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
    let alone = |unit: &&String| {
        service.manager == Manager::WazoService || service.serves.contains_key(*unit)
    };
    let singles = |units: &[String]| -> Vec<(String, Command)> {
        let one = |unit: &String| {
            let command = systemctl(Action::Restart, std::slice::from_ref(unit), service.limit);
            (unit.clone(), command)
        };
        units.iter().filter(alone).map(one).collect()
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
        act.serves.extend(service.serves.clone());
        act.limit = act.limit.max(limit);
        return;
    }
    ran.insert(command.argv.clone(), steps.acts.len());
    steps.acts.push(Act {
        manager: service.manager,
        action: service.action,
        each: singles(&units),
        serves: service.serves.clone(),
        command,
        then: service.then.clone(),
        units,
        limit,
    });
}

/// Keeps the services that a run has begun to tell: the others cannot have loaded anything.
#[must_use]
pub fn told(services: Vec<Service>, baseline: &[UnitState], ran: &[String]) -> Vec<Service> {
    let begun = |command: &Command| ran.contains(&command.line());
    let acts = steps(&services, baseline).acts.into_iter();
    let units: HashSet<String> = acts
        .filter(|act| begun(&act.command) || act.each.iter().any(|(_, one)| begun(one)))
        .flat_map(|act| act.units)
        .collect();
    let was_told = |service: &Service| {
        let acted = service
            .units
            .iter()
            .any(|unit| units.contains(&unit_name(unit)));
        acted || service.command.as_ref().is_some_and(begun)
    };
    services.into_iter().filter(was_told).collect()
}

/// Says for each unit that is reloaded which TLS probes of its profile show what it serves: those whose `service` is
/// the unit, and those whose `service` is no unit of the profile.
pub fn assign(services: &mut [Service], probes: &[Probe]) {
    let known: HashSet<String> = services
        .iter()
        .flat_map(|service| service.units.iter().map(|unit| unit_name(unit)))
        .collect();
    let reloaded = services
        .iter_mut()
        .filter(|s| s.action == Action::Reload && s.manager != Manager::WazoService);
    for service in reloaded {
        for unit in service.units.iter().map(|unit| unit_name(unit)) {
            let shows = |probe: &&Probe| {
                let Probe::Tls { service: named, .. } = probe else {
                    return false;
                };
                let named = unit_name(named);
                named == unit || !known.contains(&named)
            };
            let titles: Vec<String> = probes.iter().filter(shows).map(probe::title).collect();
            if !titles.is_empty() {
                service.serves.insert(unit, titles);
            }
        }
    }
}

/// Has the units restarted at once of which it is known that a reload does not suffice.
#[must_use]
pub fn learned(services: Vec<Service>, restart: &BTreeSet<String>) -> Vec<Service> {
    let mut all = Vec::new();
    for mut service in services {
        let (known, rest): (Vec<String>, Vec<String>) = service
            .units
            .iter()
            .cloned()
            .partition(|u| service.action == Action::Reload && restart.contains(&unit_name(u)));
        if known.is_empty() {
            all.push(service);
            continue;
        }
        service.serves.retain(|unit, _| !restart.contains(unit));
        all.push(Service {
            manager: Manager::Systemd,
            action: Action::Restart,
            units: known,
            command: None,
            then: None,
            serves: BTreeMap::new(),
            ..service.clone()
        });
        if !rest.is_empty() {
            service.units = rest;
            all.push(service);
        }
    }
    all
}

/// One call for all units: systemctl queues their jobs in this order and waits for all of them.
fn systemctl(action: Action, units: &[String], limit: u64) -> Command {
    let verb = match action {
        Action::Restart => "restart",
        Action::Reload => "reload",
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
