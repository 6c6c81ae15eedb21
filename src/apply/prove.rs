//! The proof, forward and backward: probes, and a restart where a reload did not suffice.

use crate::{
    desired::{Probe, Service},
    error::{Error, Result},
    probe::{self, Observation, Verdict, Want},
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
