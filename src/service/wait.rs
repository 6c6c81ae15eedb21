//! Waiting until units are as they should be.

use std::{collections::HashMap, time::Duration};

use super::{
    Runner, heed,
    units::{STATE, UnitState, show},
};
use crate::{
    error::{Error, Result},
    host::Host,
};

/// Pause between two questions: short for people who wait, long enough not to load a busy manager.
const PAUSE: Duration = Duration::from_millis(250);

/// How long all units must stay as they are at the end: a simple service is `active` before it has read its
/// certificate (systemd.service(5), Type=simple).
const STILL: Duration = Duration::from_secs(1);

/// Automatic restarts after which a unit is in a loop, not waiting for another one to come up.
const LOOP: u64 = 3;

/// What is asked of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Be active.
    Active,
    /// Be active, by another start than before.
    Renewed,
}

/// Units, and what is asked of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch<'w> {
    pub(super) units: &'w [String],
    pub(super) baseline: &'w [UnitState],
    pub(super) demand: Demand,
    /// When the wait is over, on the host's clock that only goes forward.
    pub(super) end: Duration,
}

/// What one look at a unit says.
enum Sight {
    Good,
    /// On its way.
    Moving,
    /// Will not change by itself.
    Bad,
}

impl Watch<'_> {
    fn sight(&self, state: &UnitState, before: Option<&UnitState>) -> Sight {
        let renewed = before.is_none_or(|before| state.is_newer_than(before));
        // systemd counts from 0 again after a start that was asked for.
        let counted = before.map_or(0, |before| before.restarts);
        let grown = state
            .restarts
            .checked_sub(counted)
            .unwrap_or(state.restarts);
        match state.active.as_str() {
            _ if state.is_active() && (self.demand == Demand::Active || renewed) => Sight::Good,
            _ if state.load == "not-found" || grown >= LOOP => Sight::Bad,
            "activating" | "deactivating" => Sight::Moving,
            // Stopped: a command that restarts in the background may bring it back, systemctl has already returned.
            "inactive" if self.demand == Demand::Active => Sight::Moving,
            _ => Sight::Bad,
        }
    }
}

/// Names a unit that is not as demanded; one that is active can only lack its restart.
fn complaint(state: &UnitState) -> Error {
    let condition = state.condition();
    if state.is_active() {
        let found = format!("is `{condition}` as before, not restarted");
        return unproved(state, "a new start", found);
    }
    let moving = matches!(state.active.as_str(), "activating" | "deactivating");
    if moving && state.restarts >= LOOP {
        return again_and_again(state);
    }
    let late = if moving && state.sub != "auto-restart" {
        ", its job hangs past the limit"
    } else {
        ""
    };
    unproved(state, "`active`", format!("is `{condition}`{late}"))
}

fn again_and_again(state: &UnitState) -> Error {
    let found = format!("restarts again and again ({} times)", state.restarts);
    unproved(state, "`active` for good", found)
}

/// The command that tells why stands with what is wanted: it is kept in the receipt of a run that is rolled back.
fn unproved(state: &UnitState, want: &str, found: String) -> Error {
    let unit = &state.unit;
    Error::Unproved {
        subject: format!("`{unit}`"),
        want: format!("{want} (why: `journalctl -u {unit} -n 20`)"),
        found,
    }
}

/// Waits until every unit is as demanded.
pub(super) fn until(runner: &dyn Runner, watch: &Watch<'_>) -> Result<()> {
    let moving = look(runner, watch, true)?;
    match moving.first() {
        None => Ok(()),
        Some(state) => Err(complaint(state)),
    }
}

/// Waits until no unit is on its way, and returns those that are not as demanded.
pub(super) fn left(runner: &dyn Runner, watch: &Watch<'_>) -> Result<Vec<String>> {
    let states = look(runner, watch, false)?;
    Ok(states.into_iter().map(|state| state.unit).collect())
}

/// Asks until nothing moves or the limit; returns what is not good. With `strict` the first bad one ends it.
fn look(runner: &dyn Runner, watch: &Watch<'_>, strict: bool) -> Result<Vec<UnitState>> {
    let before: HashMap<&str, &UnitState> = watch
        .baseline
        .iter()
        .map(|state| (state.unit.as_str(), state))
        .collect();
    let host = runner.host();
    loop {
        let mut moving = 0;
        let mut poor = Vec::new();
        for state in show(host, watch.units, STATE)? {
            match watch.sight(&state, before.get(state.unit.as_str()).copied()) {
                Sight::Good => {}
                Sight::Bad if strict => return Err(complaint(&state)),
                Sight::Bad => poor.push(state),
                Sight::Moving => {
                    moving += 1;
                    poor.push(state);
                }
            }
        }
        if moving == 0 || host.elapsed() >= watch.end {
            return Ok(poor);
        }
        heed(runner)?;
        host.sleep(PAUSE);
    }
}

/// Units that have settled.
#[must_use = "ask them again once all is proved"]
#[derive(Debug, Default)]
pub struct Watched(Vec<UnitState>);

impl Watched {
    /// Looks once more whether the units are still there: one may have ended, or begun a loop, while probes ran.
    ///
    /// # Errors
    /// [`Error::Unproved`] with the first that is not.
    pub fn still(&self, host: &dyn Host) -> Result<()> {
        let units: Vec<String> = self.0.iter().map(|state| state.unit.clone()).collect();
        let now = show(host, &units, STATE)?;
        let worse = |(now, last): &(&UnitState, &UnitState)| {
            !now.is_active() || now.restarts > last.restarts
        };
        match now.iter().zip(&self.0).find(worse) {
            Some((state, _)) => Err(complain_of_restless(state)),
            None => Ok(()),
        }
    }
}

/// Waits until all units have been active for a while without a restart of their own.
pub(super) fn settle(runner: &dyn Runner, units: &[String], limit: Duration) -> Result<Watched> {
    if units.is_empty() {
        return Ok(Watched::default());
    }
    let host = runner.host();
    let end = host.elapsed() + limit.max(STILL);
    let first = show(host, units, STATE)?;
    let mut last = first.clone();
    loop {
        heed(runner)?;
        host.sleep(STILL);
        let now = show(host, units, STATE)?;
        let restless = now
            .iter()
            .zip(&last)
            .find(|(now, last)| !now.is_active() || now.is_newer_than(last));
        let Some((state, _)) = restless else {
            return Ok(Watched(now));
        };
        let restarts = now
            .iter()
            .zip(&first)
            .map(|(now, first)| now.restarts.saturating_sub(first.restarts))
            .max();
        let stopped = matches!(state.active.as_str(), "failed" | "inactive");
        if stopped || restarts.is_some_and(|n| n >= LOOP) || host.elapsed() >= end {
            return Err(complain_of_restless(state));
        }
        last = now;
    }
}

fn complain_of_restless(state: &UnitState) -> Error {
    if state.is_active() {
        again_and_again(state)
    } else {
        complaint(state)
    }
}
