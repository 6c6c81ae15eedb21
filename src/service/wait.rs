//! Waiting until units are as they should be.

use std::{collections::HashMap, time::Duration};

use super::{
    Runner, heed,
    units::{UnitState, show},
};
use crate::error::{Error, Result};

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
    pub(super) limit: Duration,
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
        let grown = before.map_or(0, |before| state.restarts.saturating_sub(before.restarts));
        match state.active.as_str() {
            _ if state.is_active() && (self.demand == Demand::Active || renewed) => Sight::Good,
            _ if state.load == "not-found" || grown >= LOOP => Sight::Bad,
            "failed" => Sight::Bad,
            "activating" | "deactivating" => Sight::Moving,
            // Stopped: a command that restarts in the background may bring it back, systemctl has already returned.
            _ if self.demand == Demand::Active && !state.is_active() => Sight::Moving,
            _ => Sight::Bad,
        }
    }
}

/// Names a unit that is not as demanded; one that is active can only lack its restart.
fn complaint(state: &UnitState) -> Error {
    if state.is_active() {
        return Error::Unproved {
            subject: format!("`{}`", state.unit),
            want: "a new start".to_owned(),
            found: format!("is `{}` as before, not restarted", state.condition()),
        };
    }
    Error::Unproved {
        subject: format!("`{}`", state.unit),
        want: format!("`active` (why: `journalctl -u {}`)", state.unit),
        found: format!("is `{}`", state.condition()),
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
    let end = host.elapsed() + watch.limit;
    loop {
        let mut moving = 0;
        let mut poor = Vec::new();
        for state in show(host, watch.units)? {
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
        if moving == 0 || host.elapsed() >= end {
            return Ok(poor);
        }
        heed(runner)?;
        host.sleep(PAUSE);
    }
}

/// Waits until all units have been active for a while without a restart of their own.
pub(super) fn settle(runner: &dyn Runner, units: &[String], limit: Duration) -> Result<()> {
    if units.is_empty() {
        return Ok(());
    }
    let host = runner.host();
    let end = host.elapsed() + limit.max(STILL);
    let first = show(host, units)?;
    let mut last = first.clone();
    loop {
        heed(runner)?;
        host.sleep(STILL);
        let now = show(host, units)?;
        let restless = now
            .iter()
            .zip(&last)
            .find(|(now, last)| !now.is_active() || now.is_newer_than(last));
        let Some((state, _)) = restless else {
            return Ok(());
        };
        let restarts = now
            .iter()
            .zip(&first)
            .map(|(now, first)| now.restarts.saturating_sub(first.restarts))
            .max();
        let stopped = matches!(state.active.as_str(), "failed" | "inactive");
        if stopped || restarts.is_some_and(|n| n >= LOOP) || host.elapsed() >= end {
            return Err(restless_error(state));
        }
        last = now;
    }
}

fn restless_error(state: &UnitState) -> Error {
    if !state.is_active() {
        return complaint(state);
    }
    Error::Unproved {
        subject: format!("`{}`", state.unit),
        want: format!("`active` for good (why: `journalctl -u {}`)", state.unit),
        found: format!("restarts again and again ({} times)", state.restarts),
    }
}
