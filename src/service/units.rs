//! What systemd says about units.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Setup, must_succeed, setup};
use crate::{
    desired::Service,
    error::{Error, Result},
    host::{Command, Host, Question},
};

/// Properties asked of every unit; systemd leaves out those that its version does not know.
pub(super) const STATE: &str = "--property=Id,LoadState,ActiveState,SubState,Result,NRestarts,InvocationID,NeedDaemonReload,ActiveEnterTimestampMonotonic";

/// Suffixes of unit names (systemd.unit(5)); a name without one means a service.
const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// What systemd says about one unit (systemd.directives(7), org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnitState {
    /// Full name as asked for: `nginx.service`.
    pub unit: String,
    /// `loaded`, `not-found`, `masked`, ...
    pub load: String,
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`.
    pub active: String,
    /// The unit type's own state: `running`, `exited`, `auto-restart`, ...
    pub sub: String,
    /// `success`, or why it failed: `exit-code`, `signal`, `timeout`, ...
    pub result: String,
    /// Automatic restarts so far; 0 before systemd 235, which does not count them.
    pub restarts: u64,
    /// Id of this start, new at every start; empty before systemd 232 and where it never started.
    pub invocation: String,
    /// Whether the unit's file changed after systemd read it.
    pub needs_reload: bool,
    /// When it became active, microseconds of the monotonic clock: stands in for a missing invocation.
    pub entered: u64,
    /// How it is set up: known while planning, and not kept.
    #[serde(skip)]
    pub setup: Setup,
}

impl UnitState {
    /// Tells whether the unit does its work.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }

    /// Tells whether this is another start of the unit than `before`.
    #[must_use]
    pub fn is_newer_than(&self, before: &Self) -> bool {
        if self.invocation.is_empty() || before.invocation.is_empty() {
            self.entered != before.entered
        } else {
            self.invocation != before.invocation
        }
    }

    /// Says the state in words: `active (running)`, `failed (exit-code)`.
    #[must_use]
    pub fn condition(&self) -> String {
        match (self.load.as_str(), self.active.as_str(), self.sub.as_str()) {
            ("not-found", _, _) => "not found".to_owned(),
            ("masked", "inactive", _) => "masked".to_owned(),
            ("bad-setting" | "error", "inactive", _) => format!("not loaded ({})", self.load),
            (_, "failed", _) => format!("failed ({})", self.result),
            (_, active, "auto-restart") => {
                format!("{active} (auto-restart after {})", self.result)
            }
            (_, active, sub) => format!("{active} ({sub})"),
        }
    }
}

/// Returns the full name of a unit as systemctl understands it: `nginx` is `nginx.service`.
#[must_use]
pub fn unit_name(name: &str) -> String {
    if SUFFIXES
        .iter()
        .any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
    {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

/// Asks for state and setup of all units of all services in one call, in the order of the services; none is asked twice.
///
/// # Errors
/// [`Error::Run`] where systemctl is not there or fails; [`Error::Unproved`] where it does not answer for every unit.
pub fn observe(host: &dyn Host, services: &[Service]) -> Result<Vec<UnitState>> {
    let mut units: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for unit in services.iter().flat_map(|service| &service.units) {
        let unit = unit_name(unit);
        if seen.insert(unit.clone()) {
            units.push(unit);
        }
    }
    let properties = format!("{STATE},{}", setup::PROPERTIES);
    show(host, &units, &properties)
}

/// Asks for the state of these units, which are full names, in one call.
pub(super) fn show(host: &dyn Host, units: &[String], properties: &str) -> Result<Vec<UnitState>> {
    if units.is_empty() {
        return Ok(Vec::new());
    }
    let question = Question::units(properties, units);
    let output = host.ask(&question)?;
    let brief = Command {
        argv: vec!["systemctl".to_owned(), "show".to_owned()],
        limit: question.command().limit,
    };
    must_succeed(&brief, &output)?;
    parse(&output.stdout, units)
}

/// Properties of one unit.
pub(super) type Block<'t> = HashMap<&'t str, String>;

/// Reads the answer: a block of `Key=value` lines for each unit, in the order asked, with an empty line between.
fn parse(text: &str, units: &[String]) -> Result<Vec<UnitState>> {
    let blocks: Vec<Block<'_>> = text
        .split("\n\n")
        .map(|block| {
            // A property that is given in several lines is one list.
            let mut properties = Block::new();
            for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
                let all = properties.entry(key).or_default();
                all.push_str(if all.is_empty() { "" } else { " " });
                all.push_str(value);
            }
            properties
        })
        .filter(|block| !block.is_empty())
        .collect();
    if blocks.len() != units.len() {
        return Err(Error::Unproved {
            subject: "`systemctl show`".to_owned(),
            want: format!("{} units", units.len()),
            found: format!("answered for {}", blocks.len()),
        });
    }
    let states = units.iter().zip(blocks).map(|(unit, block)| {
        let text = |key| block.get(key).cloned().unwrap_or_default();
        let number = |key| block.get(key).and_then(|v| v.parse().ok()).unwrap_or(0);
        UnitState {
            unit: unit.clone(),
            load: text("LoadState"),
            active: text("ActiveState"),
            sub: text("SubState"),
            result: text("Result"),
            restarts: number("NRestarts"),
            invocation: text("InvocationID"),
            needs_reload: text("NeedDaemonReload") == "yes",
            entered: number("ActiveEnterTimestampMonotonic"),
            setup: Setup::of(&block),
        }
    });
    Ok(states.collect())
}
