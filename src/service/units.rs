//! What systemd says about units.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::must_succeed;
use crate::{
    desired::Service,
    error::{Error, Result},
    host::{Command, Host},
};

/// Properties asked of every unit; systemd leaves out those that its version does not know.
const PROPERTIES: &str = "--property=Id,LoadState,ActiveState,SubState,Result,NRestarts,InvocationID,NeedDaemonReload,ActiveEnterTimestampMonotonic";

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
            ("masked", _, _) => "masked".to_owned(),
            (_, "failed", _) => format!("failed ({})", self.result),
            (_, active, "auto-restart") => format!(
                "{active} (auto-restart after {}, {} restarts)",
                self.result, self.restarts
            ),
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

/// Asks for the state of all units of all services in one call, in the order of the services; none is asked twice.
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
    show(host, &units)
}

/// Asks for the state of these units, which are full names, in one call.
pub(super) fn show(host: &dyn Host, units: &[String]) -> Result<Vec<UnitState>> {
    if units.is_empty() {
        return Ok(Vec::new());
    }
    let mut argv: Vec<String> = ["systemctl", "show", "--no-pager", PROPERTIES, "--"]
        .map(str::to_owned)
        .to_vec();
    argv.extend(units.iter().cloned());
    // A question to a busy manager is answered late; one that takes longer than this is not.
    let command = Command { argv, limit: 30 };
    let output = host.run(&command, "", &|_| {})?;
    let brief = Command {
        argv: vec!["systemctl".to_owned(), "show".to_owned()],
        limit: command.limit,
    };
    must_succeed(&brief, &output)?;
    parse(&output.stdout, units)
}

/// Reads the answer: a block of `Key=value` lines for each unit, in the order asked, with an empty line between.
fn parse(text: &str, units: &[String]) -> Result<Vec<UnitState>> {
    let blocks: Vec<HashMap<&str, &str>> = text
        .split("\n\n")
        .map(|block| {
            block
                .lines()
                .filter_map(|line| line.split_once('='))
                .collect()
        })
        .filter(|block: &HashMap<&str, &str>| !block.is_empty())
        .collect();
    if blocks.len() != units.len() {
        return Err(Error::Unproved {
            subject: "`systemctl show`".to_owned(),
            want: format!("{} units", units.len()),
            found: format!("answered for {}", blocks.len()),
        });
    }
    let states = units.iter().zip(blocks).map(|(unit, block)| {
        let text = |key| (*block.get(key).unwrap_or(&"")).to_owned();
        let number = |key| block.get(key).and_then(|v| v.parse().ok()).unwrap_or(0);
        UnitState {
            unit: unit.clone(),
            load: text("LoadState"),
            active: text("ActiveState"),
            sub: text("SubState"),
            result: text("Result"),
            restarts: number("NRestarts"),
            invocation: text("InvocationID"),
            needs_reload: block.get("NeedDaemonReload") == Some(&"yes"),
            entered: number("ActiveEnterTimestampMonotonic"),
        }
    });
    Ok(states.collect())
}
