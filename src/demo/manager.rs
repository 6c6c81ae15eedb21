//! The service managers of the scratch host: `systemctl`, and the platform's script of 17.06 with its faults.

use std::fmt::Write as _;

use super::fleet::{Fleet, Member};
use crate::{
    error::{Error, Result},
    host::{Command, Output},
};

/// Runs a command of the scratch host.
pub(super) fn run(fleet: &mut Fleet, command: &Command) -> Result<Output> {
    let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
    fleet.look();
    match words.as_slice() {
        ["xivo-service", "restart", "all"] => script(fleet),
        ["systemctl", "show", rest @ ..] => {
            let at = rest
                .iter()
                .position(|word| *word == "--")
                .unwrap_or(rest.len());
            let (options, units) = rest.split_at(at);
            Ok(show(fleet, options, units.get(1..).unwrap_or_default()))
        }
        [
            "systemctl",
            "restart",
            "--no-ask-password",
            "--",
            units @ ..,
        ] => restart(fleet, units),
        _ => Err(Error::Run {
            command: command.line(),
            outcome: "was not found".to_owned(),
        }),
    }
}

fn ended(status: i32, stdout: String, stderr: String) -> Output {
    Output {
        status: Some(status),
        stdout,
        stderr,
        timed_out: false,
    }
}

/// `xivo-service restart all`: stops all in reverse order, then starts one after the other, and gives up at the first
/// that does not come, with the rest still stopped (wazo-service, bin/wazo-service).
fn script(fleet: &mut Fleet) -> Result<Output> {
    let known: Vec<usize> = (0..fleet.members.len())
        .filter(|at| fleet.members.get(*at).is_some_and(|m| m.unit.script))
        .collect();
    for at in known.iter().rev() {
        fleet.stop(*at);
    }
    let mut said = String::new();
    for at in known {
        let name = fleet.members.get(at).map_or("", |m| m.unit.name);
        let ok = fleet.start(at)?;
        let word = if ok { "OK" } else { "NOK" };
        // A `String` takes whatever is written.
        let _ = writeln!(said, "    starting {name} ... {word}");
        if !ok {
            return Ok(ended(1, said, String::new()));
        }
    }
    said.push_str("XiVO fully booted\n");
    Ok(ended(0, said, String::new()))
}

/// `systemctl restart`: every unit, whatever becomes of the others.
fn restart(fleet: &mut Fleet, units: &[&str]) -> Result<Output> {
    let mut said = String::new();
    for unit in units {
        let Some(at) = fleet.find(unit) else {
            let _ = writeln!(said, "Failed to restart {unit}: Unit {unit} not found.");
            continue;
        };
        fleet.stop(at);
        if !fleet.start(at)? {
            let _ = writeln!(
                said,
                "Job for {unit} failed because the control process exited with error code."
            );
        }
    }
    Ok(ended(i32::from(!said.is_empty()), String::new(), said))
}

/// `systemctl show`: the properties asked for, a block for each unit.
fn show(fleet: &Fleet, options: &[&str], units: &[&str]) -> Output {
    let asked: Vec<&str> = options
        .iter()
        .filter_map(|option| option.strip_prefix("--property="))
        .flat_map(|list| list.split(','))
        .collect();
    let mut blocks = Vec::new();
    for unit in units {
        let member = fleet.find(unit).and_then(|at| fleet.members.get(at));
        let mut block = String::new();
        for (key, value) in properties(unit, member) {
            if asked.contains(&key) {
                let _ = writeln!(block, "{key}={value}");
            }
        }
        blocks.push(block);
    }
    ended(0, blocks.join("\n"), String::new())
}

fn properties(unit: &str, member: Option<&Member>) -> [(&'static str, String); 9] {
    let (active, sub, result) = match member {
        Some(m) if m.is_running() => ("active", "running", "success"),
        Some(m) if m.has_failed() => ("failed", "failed", "exit-code"),
        Some(_) | None => ("inactive", "dead", "success"),
    };
    let load = if member.is_some() {
        "loaded"
    } else {
        "not-found"
    };
    let invocation = member.map(|m| m.invocation.clone()).unwrap_or_default();
    let entered = member.map_or(0, |m| m.entered).to_string();
    [
        ("Id", unit.to_owned()),
        ("LoadState", load.to_owned()),
        ("ActiveState", active.to_owned()),
        ("SubState", sub.to_owned()),
        ("Result", result.to_owned()),
        ("NRestarts", "0".to_owned()),
        ("InvocationID", invocation),
        ("NeedDaemonReload", "no".to_owned()),
        ("ActiveEnterTimestampMonotonic", entered),
    ]
}
