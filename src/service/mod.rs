//! Services: config test, reload or restart, and the question whether they came back.
//!
//! The exit code of a manager proves nothing (`wazo-service restart typo` exits 0 and restarts nothing), so every unit
//! is asked for its state afterwards. What [`activate`] may run is computed by the same code that runs it, so a plan
//! cannot show another set.

use std::time::Duration;

use crate::{
    desired::{Action, Manager, Service},
    error::{Error, Result},
    host::{Command, Host, Output},
};

mod remarks;
mod setup;
mod since;
mod steps;
mod units;
mod wait;

#[cfg(test)]
mod tests;

pub use remarks::findings;
pub use setup::Setup;
pub use since::not_started_since;
pub use steps::{Planned, assign, learned, planned, told};
pub use units::{UnitState, observe, unit_name};

use steps::Act;
use wait::{Demand, Watch};

pub use wait::Watched;

/// Runs the commands of services and writes down that it does: the journal, or a test.
pub trait Runner {
    /// Returns the host, for questions.
    fn host(&self) -> &dyn Host;

    /// Runs a command that acts, recorded before and after.
    ///
    /// # Errors
    /// [`Error::Run`] where it cannot be started, [`Error::NotPlanned`] where the plan does not name it.
    fn run(&mut self, command: &Command) -> Result<Output>;

    /// Tells whether this is the way forward. The way back heeds no signal, and goes to its end.
    fn forward(&self) -> bool {
        true
    }
}

/// Returns every argument vector that [`activate`] may run, in order: config tests first.
#[must_use]
pub fn commands(services: &[Service], baseline: &[UnitState]) -> Vec<Command> {
    planned(services, baseline)
        .into_iter()
        .map(|planned| planned.command)
        .collect()
}

/// Makes services load what changed: all config tests, then each reload or restart in order, each asked afterwards.
///
/// Units that were not active in `baseline` are neither started nor judged. `progress` gets one line for each step.
/// Returns the units as they have settled, for [`Watched::still`].
///
/// # Errors
/// [`Error::Run`] where a config test, a command or a reload fails; [`Error::Unproved`] where a unit is not active
/// again within its limit, or was not restarted; [`Error::Interrupted`] between two steps. After a config test nothing
/// was reloaded or restarted; after any other error some services have been, and the caller rolls back.
pub fn activate(
    runner: &mut dyn Runner,
    services: &[Service],
    baseline: &[UnitState],
    progress: &mut dyn FnMut(&str),
) -> Result<Watched> {
    let steps = steps::steps(services, baseline);
    for test in &steps.tests {
        heed(runner)?;
        progress(&format!("testing: {}", test.line()));
        let output = runner.run(test)?;
        must_succeed(test, &output)?;
    }
    let mut watched: Vec<String> = Vec::new();
    let mut limit = Duration::ZERO;
    // The way forward may have restarted units already: a restart on the way back is another one.
    let before = if runner.forward() {
        baseline.to_vec()
    } else {
        observe(runner.host(), services)?
    };
    for act in &steps.acts {
        heed(runner)?;
        perform(runner, act, &before, progress)?;
        limit = limit.max(act.limit);
        watched.extend(act.units.iter().cloned());
    }
    // One that came while the last of them ran is heeded too.
    heed(runner)?;
    watched.sort();
    watched.dedup();
    wait::settle(runner, &watched, limit)
}

/// Tells whether endpoints may show that a reload did not suffice.
#[must_use]
pub fn may_not_suffice(services: &[Service], baseline: &[UnitState]) -> bool {
    let acts = steps::steps(services, baseline).acts;
    acts.iter().any(Act::may_not_suffice)
}

/// Restarts, in order, the reloaded units with an endpoint among `stale`, which are titles of probes; returns them.
///
/// # Errors
/// As [`activate`].
pub fn restart_stale(
    runner: &mut dyn Runner,
    services: &[Service],
    baseline: &[UnitState],
    stale: &[&str],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<String>> {
    let before = observe(runner.host(), services)?;
    let mut restarted = Vec::new();
    let mut limit = Duration::ZERO;
    for act in steps::steps(services, baseline).acts {
        let is_stale = |unit: &String| {
            let titles = act.serves.get(unit);
            titles.is_some_and(|titles| titles.iter().any(|title| stale.contains(&title.as_str())))
        };
        for (unit, command) in act.each.iter().filter(|(unit, _)| is_stale(unit)) {
            heed(runner)?;
            progress(&format!("restarting {unit}: a reload did not suffice"));
            restart(runner, unit, command, &before, act.limit)?;
            limit = limit.max(act.limit);
            restarted.push(unit.clone());
        }
    }
    drop(wait::settle(runner, &restarted, limit)?);
    Ok(restarted)
}

/// Restarts one unit, and waits until it is back.
fn restart(
    runner: &mut dyn Runner,
    unit: &String,
    command: &Command,
    before: &[UnitState],
    limit: Duration,
) -> Result<()> {
    let end = runner.host().elapsed() + limit;
    runner.run(command)?;
    let watch = Watch {
        units: std::slice::from_ref(unit),
        baseline: before,
        demand: Demand::Renewed,
        end,
    };
    wait::outlast_start_limit(runner, command, &watch)?;
    wait::until(runner, &watch)
}

fn perform(
    runner: &mut dyn Runner,
    act: &Act,
    baseline: &[UnitState],
    progress: &mut dyn FnMut(&str),
) -> Result<()> {
    progress(&act.announcement());
    let begun = runner.host().elapsed();
    let output = runner.run(&act.command)?;
    if let Some(then) = &act.then {
        // Whatever became of the first: it may have stopped what this one starts.
        let second = runner.run(then)?;
        must_succeed(&act.command, &output)?;
        must_succeed(then, &second)?;
    }
    let watch = |demand, units| Watch {
        units,
        baseline,
        demand,
        end: begun + act.limit,
    };
    match (act.manager, act.action) {
        (Manager::WazoService, _) => {
            if !succeeded(&output) {
                progress(&format!(
                    "{}: asking its units",
                    failure(&act.command, &output)
                ));
            }
            revive(runner, act, baseline, progress)
        }
        (Manager::Systemd, Action::Restart) => {
            // A failed job shows in the state of its unit, with a name and a reason.
            let watch = watch(Demand::Renewed, &act.units);
            wait::outlast_start_limit(runner, &act.command, &watch)?;
            wait::until(runner, &watch)
        }
        (Manager::Systemd | Manager::Command, Action::Reload)
            if !runner.forward() && !succeeded(&output) && !act.each.is_empty() =>
        {
            // What the way forward left behind may be past a reload.
            progress(&format!("{}: restarting", failure(&act.command, &output)));
            for (unit, command) in &act.each {
                restart(runner, unit, command, baseline, act.limit)?;
            }
            wait::until(runner, &watch(Demand::Active, &act.units))
        }
        (Manager::Systemd, Action::Reload) | (Manager::Command, _) => {
            must_succeed(&act.command, &output)?;
            wait::until(runner, &watch(Demand::Active, &act.units))
        }
    }
}

/// Restarts, in order, what a platform's script left stopped or forgot.
fn revive(
    runner: &mut dyn Runner,
    act: &Act,
    baseline: &[UnitState],
    progress: &mut dyn FnMut(&str),
) -> Result<()> {
    // The script takes its own time, which does not count against its units.
    let all = |host: &dyn Host| Watch {
        units: &act.units,
        baseline,
        demand: Demand::Renewed,
        end: host.elapsed() + act.limit,
    };
    let left = wait::left(runner, &all(runner.host()))?;
    for (unit, command) in &act.each {
        if !left.contains(unit) {
            continue;
        }
        heed(runner)?;
        progress(&format!(
            "restarting `{unit}`, which `{}` left as it was or stopped",
            act.command.line()
        ));
        restart(runner, unit, command, baseline, act.limit)?;
    }
    wait::until(runner, &all(runner.host()))
}

fn heed(runner: &dyn Runner) -> Result<()> {
    match runner.host().interrupted() {
        Some(signal) if runner.forward() => Err(Error::Interrupted { signal }),
        Some(_) | None => Ok(()),
    }
}

fn succeeded(output: &Output) -> bool {
    output.status == Some(0) && !output.timed_out
}

fn must_succeed(command: &Command, output: &Output) -> Result<()> {
    if succeeded(output) {
        Ok(())
    } else {
        Err(failure(command, output))
    }
}

/// Says how a command ended that did not end well, with the last that it said.
fn failure(command: &Command, output: &Output) -> Error {
    let outcome = match output.status {
        _ if output.timed_out => format!("ran past its limit of {} s", command.limit),
        Some(status) => format!("exited with {status}"),
        None => "was ended by a signal".to_owned(),
    };
    let said = [&output.stderr, &output.stdout]
        .into_iter()
        .map(|text| last_lines(text))
        .find(|text| !text.is_empty());
    Error::Run {
        command: command.line(),
        outcome: match said {
            Some(said) => format!("{outcome}: {said}"),
            None => outcome,
        },
    }
}

/// The last three lines on one: errors are one line, and programs say what matters last.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    last.join("; ")
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}
