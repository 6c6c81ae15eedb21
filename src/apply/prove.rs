//! The proof, forward and backward: probes, a restart where a reload did not suffice, and what the platform itself says.

use std::time::Duration;

use crate::{
    desired::{Probe, Service},
    error::{Error, Result},
    probe::{self, Observation, Says, Verdict, Want},
    service::{self, Runner, UnitState},
};

/// Seconds after which an endpoint that still presents what it should not tells that a reload does not suffice: a
/// server that reloads has new workers within one or two, also on a busy machine.
const PATIENCE: u64 = 5;

/// What is to be proved, and who can be restarted for it.
pub(super) struct Case {
    pub(super) services: Vec<Service>,
    pub(super) units: Vec<UnitState>,
    pub(super) promises: Vec<(Probe, Want)>,
    pub(super) baseline: Vec<Observation>,
    pub(super) deadline: u64,
}

impl Case {
    /// Probes until each verdict is good, and returns them with the units that had to be restarted for that.
    ///
    /// # Errors
    /// [`Error::Unproved`] with the first verdict that is not good; else as [`service::restart_stale`].
    pub(super) fn prove(
        &self,
        runner: &mut dyn Runner,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(Vec<Verdict>, Vec<String>)> {
        let mut restarted = Vec::new();
        if service::may_not_suffice(&self.services, &self.units) {
            let verdicts = self.probe(runner, PATIENCE.min(self.deadline), progress)?;
            let stale = verdicts.iter().filter(|v| v.stale);
            let stale: Vec<&str> = stale.map(|v| v.probe.as_str()).collect();
            if !verdicts.iter().any(Verdict::fails) {
                return Ok((verdicts, restarted));
            }
            let (services, units) = (&self.services, &self.units);
            restarted = service::restart_stale(runner, services, units, &stale, progress)?;
        }
        let verdicts = self.probe(runner, self.deadline, progress)?;
        match verdicts.iter().find(|v| v.fails()) {
            None => Ok((verdicts, restarted)),
            Some(v) => Err(Error::Unproved {
                subject: v.probe.clone(),
                want: v.want.clone(),
                found: v.found.clone(),
            }),
        }
    }

    fn probe(
        &self,
        runner: &dyn Runner,
        limit: u64,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<Verdict>> {
        probe::prove(
            runner.host(),
            &self.promises,
            &self.baseline,
            limit,
            progress,
        )
    }
}

/// Pause before a command that did not name the leaf is asked again: what answers may itself have been restarted.
const AGAIN: Duration = Duration::from_secs(1);

/// Asks each command until it names its leaf, or `limit` seconds have passed.
///
/// # Errors
/// [`Error::Unproved`] with what was said last; [`Error::Interrupted`] between two commands; else as [`Runner::run`].
pub(super) fn says(runner: &mut dyn Runner, all: &[Says], limit: u64) -> Result<Vec<Verdict>> {
    let end = runner.host().elapsed() + Duration::from_secs(limit);
    let mut verdicts = Vec::new();
    for says in all {
        let verdict = loop {
            if let Some(signal) = runner.host().interrupted() {
                return Err(Error::Interrupted { signal });
            }
            let verdict = says.judge(&runner.run(&says.command)?);
            if verdict.good || runner.host().elapsed() >= end {
                break verdict;
            }
            runner.host().sleep(AGAIN);
        };
        if !verdict.good {
            return Err(Error::Unproved {
                subject: verdict.probe,
                want: verdict.want,
                found: verdict.found,
            });
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}
