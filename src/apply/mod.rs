//! The forward way: begin, stage, switch, tell services, prove, commit. Whatever fails turns into [`Failed`], whose
//! only way out is [`Failed::undo`].

use std::{collections::HashMap, ops::RangeInclusive};

use crate::{
    effective::ReadBack,
    error::{Error, Result},
    hex::hex,
    host::{Host, Permit, Place, Writer},
    journal::{DigestKey, Event, Generation, Intent, Remembered, Status, Store},
    pins,
    plan::{Plan, Promise},
    probe::{self, Says, Verdict},
    receipt::{Outcome, Receipt},
    service::{self, Watched},
    state::Bytes,
};

mod begin;
mod edits;
mod far;
mod prove;
mod recorded;
mod recover;
mod retention;
mod switch;
mod undo;

use begin::{new_bytes, permit, save};
use prove::Case;
use recorded::{Recorded, record};
pub use recover::{abandon, recover};
pub(crate) use undo::saved;

/// Told what is going on, for people who wait.
pub type Progress<'p> = &'p dyn Fn(&str);

/// What a committed rollout leaves behind for later runs.
#[derive(Debug, Default)]
pub struct Keep {
    /// Files of the generation's `identity/`, by name.
    pub identity: Vec<(&'static str, Bytes)>,
    /// Files of the generation's `far/`, by name: what requests to other machines carry, forward and back.
    pub far: Vec<(String, Bytes)>,
    /// What is remembered of the rollout from then on; none: it is forgotten.
    pub rollout: Option<Remembered>,
    /// Whether services and proof are left to a later run.
    pub deferred: bool,
    /// The plan as `show` prints it.
    pub plan: Vec<u8>,
    /// The hook that called, if one did: told with the operator.
    pub hook: Option<String>,
}

/// An open generation: its intent is durable, the host unchanged.
#[must_use = "an open generation must be applied or undone"]
pub struct Journal<'h, 'p> {
    writer: Writer<'h>,
    progress: Progress<'p>,
    generation: Generation,
    key: DigestKey,
    /// The new bytes of files, by number of the change: the one thing of a plan that its intent does not say.
    bytes: HashMap<usize, Bytes>,
    read_back: Vec<ReadBack>,
    says: Vec<Says>,
    ran: Vec<String>,
    watched: Watched,
    restarted: Vec<String>,
}

impl std::fmt::Debug for Journal<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// A generation whose changes are live and whose services were told.
#[must_use = "an applied generation must be verified or undone"]
#[derive(Debug)]
pub struct Applied<'h, 'p>(Journal<'h, 'p>);

/// A generation that is proved.
#[must_use = "a verified generation must be committed or undone"]
#[derive(Debug)]
pub struct Verified<'h, 'p>(Journal<'h, 'p>, Vec<Verdict>);

/// A generation that cannot go forward.
#[must_use = "a failed generation must be undone"]
#[derive(Debug)]
pub struct Failed<'h, 'p> {
    journal: Journal<'h, 'p>,
    error: Error,
}

/// The result of a stage: the next one, or the way back.
pub type Stage<'h, 'p, T> = std::result::Result<T, Box<Failed<'h, 'p>>>;

impl<'h, 'p> Journal<'h, 'p> {
    /// Opens a generation: saves what is there, and makes the intent durable.
    ///
    /// # Errors
    /// [`Error::Io`] where the state directory cannot be written; the host is unchanged and no generation is open.
    pub fn begin(
        host: &'h mut dyn Host,
        plan: Plan,
        keep: Keep,
        progress: Progress<'p>,
    ) -> Result<Self> {
        let number = Store::numbers(host)?.last().unwrap_or(&0) + 1;
        let mut writer = Writer::new(host, Permit::of_state(number), String::new());
        let key = Store::make_key(&mut writer)?;
        recover::sweep_unopened(&mut writer)?;
        let (commands, deferred) = (plan.commands.clone(), keep.deferred);
        let hook = keep.hook.clone();
        let bytes = new_bytes(&plan.changes);
        let (read_back, says) = (plan.read_back.clone(), plan.says.clone());
        let remembered = keep.rollout.clone().map(|remembered| Remembered {
            generation: number,
            identity: if keep.identity.is_empty() {
                remembered.identity
            } else {
                number
            },
            ..remembered
        });
        let mut places = save(&mut writer, number, &plan.changes, keep)?;
        let mut intent = Intent::of(plan, &key, number, deferred);
        intent.started = writer.host().now();
        let operator = writer.host().operator();
        intent.operator = match hook {
            Some(hook) => format!("{operator} (hook {hook})"),
            None => operator,
        };
        intent.run = hex(&writer.host().random()?[..8]);
        intent.remembered = remembered;
        places.push(Store::begin(&mut writer, &intent)?);
        writer.sync(&places)?;
        let generation = Generation {
            intent,
            status: Status::Open,
        };
        Store::open(&mut writer, number)?;
        drop(writer);
        let writer = Writer::new(
            host,
            permit(&generation.intent, &commands),
            generation.intent.marker(),
        );
        Ok(Self {
            writer,
            progress,
            generation,
            key,
            bytes,
            read_back,
            says,
            ran: Vec::new(),
            watched: Watched::default(),
            restarted: Vec::new(),
        })
    }

    /// Makes every change live, and tells the services.
    ///
    /// # Errors
    /// [`Failed`], to be undone.
    pub fn apply(mut self) -> Stage<'h, 'p, Applied<'h, 'p>> {
        let done = self.switch().and_then(|()| self.tell_services());
        match done {
            Ok(()) => Ok(Applied(self)),
            Err(error) => Err(Box::new(Failed {
                journal: self,
                error,
            })),
        }
    }

    fn tell_services(&mut self) -> Result<()> {
        if self.generation.intent.deferred || !self.generation.intent.live {
            return Ok(());
        }
        let intent = &self.generation.intent;
        let (services, units) = (intent.services.clone(), intent.units.clone());
        let progress = self.progress;
        let mut runner = Recorded {
            writer: &mut self.writer,
            generation: &mut self.generation,
            key: Some(&self.key),
            ran: &mut self.ran,
            progress: Some(progress),
        };
        self.watched = service::activate(&mut runner, &services, &units, &mut |message| {
            progress(message);
        })?;
        // One that came during the last command.
        self.stop_if_asked()
    }

    /// Probes until every verdict is good that is due after some requests to other machines, and looks at the units once
    /// more.
    fn prove(&mut self, after: RangeInclusive<usize>) -> Result<Vec<Verdict>> {
        let intent = &self.generation.intent;
        let after_all = after == (0..=intent.far.len());
        let due = intent.promises.iter().zip(&intent.baseline);
        let due = due.filter(|(promise, _)| after.contains(&promise.after));
        let (promises, baseline): (Vec<Promise>, Vec<_>) = due
            .map(|(promise, seen)| (promise.clone(), seen.clone()))
            .unzip();
        let case = Case {
            // A restart here mends nothing of another machine.
            services: if *after.end() == 0 {
                intent.services.clone()
            } else {
                Vec::new()
            },
            units: intent.units.clone(),
            promises: probe::settled(self.writer.host(), Promise::pairs(&promises))?,
            baseline,
            deadline: intent.deadline,
        };
        let progress = self.progress;
        let mut runner = Recorded {
            writer: &mut self.writer,
            generation: &mut self.generation,
            key: Some(&self.key),
            ran: &mut self.ran,
            progress: Some(progress),
        };
        let (mut verdicts, restarted) =
            case.prove(&mut runner, &mut |message| progress(message))?;
        // Behind those of the promises, which they are compared with in order; once nothing is left to be sent.
        if after_all {
            verdicts.extend(prove::says(&mut runner, &self.says, case.deadline)?);
        }
        self.restarted.extend(restarted);
        self.watched.still(self.writer.host())?;
        Ok(verdicts)
    }

    /// Asks again whether the daemons read what was written: a command of this very run may have changed their files.
    fn read_back(&self) -> Result<()> {
        for one in &self.read_back {
            if let Some(finding) = one.again(self.writer.host().tree())?.into_iter().next() {
                return Err(Error::Unproved {
                    subject: format!("`{}`", one.file),
                    want: "every value as its daemons end up with".to_owned(),
                    found: finding.message,
                });
            }
        }
        Ok(())
    }

    fn record(&mut self, event: &Event) -> Result<()> {
        record(&mut self.writer, &mut self.generation, event)
    }

    fn stop_if_asked(&self) -> Result<()> {
        self.writer
            .host()
            .interrupted()
            .map_or(Ok(()), |signal| Err(Error::Interrupted { signal }))
    }
}

impl<'h, 'p> Applied<'h, 'p> {
    /// Reads back what daemons read, then probes until every verdict is good, or the deadline.
    ///
    /// # Errors
    /// [`Failed`], to be undone.
    pub fn verify(self) -> Stage<'h, 'p, Verified<'h, 'p>> {
        let Self(mut journal) = self;
        if let Err(error) = journal.read_back() {
            return Err(Box::new(Failed { journal, error }));
        }
        let intent = &journal.generation.intent;
        if intent.deferred || !intent.live {
            return Ok(Verified(journal, Vec::new()));
        }
        let last = intent.far.len();
        let proved = journal.prove(0..=0).and_then(|verdicts| {
            if last == 0 {
                return Ok(verdicts);
            }
            journal.go_far()?;
            journal.prove(0..=last)
        });
        match proved {
            Ok(verdicts) => Ok(Verified(journal, verdicts)),
            Err(error) => Err(Box::new(Failed { journal, error })),
        }
    }
}

impl<'h, 'p> Verified<'h, 'p> {
    /// Makes the generation final.
    ///
    /// # Errors
    /// [`Failed`], to be undone: nothing was final.
    pub fn commit(self) -> Stage<'h, 'p, Receipt> {
        let Self(mut journal, verdicts) = self;
        match journal.commit(verdicts) {
            Ok(receipt) => Ok(receipt),
            Err(error) => Err(Box::new(Failed { journal, error })),
        }
    }
}

impl Journal<'_, '_> {
    fn commit(&mut self, verdicts: Vec<Verdict>) -> Result<Receipt> {
        self.stop_if_asked()?;
        let intent = &self.generation.intent;
        let number = intent.generation;
        let proved = intent.live && !intent.deferred && verdicts.iter().any(|v| v.judged && v.good);
        let nothing_to_prove = intent.live && !intent.deferred && intent.promises.is_empty();
        let outcome = if proved || nothing_to_prove {
            Outcome::Committed
        } else {
            Outcome::Placed
        };
        let mut receipt = Receipt::of(intent, outcome, self.writer.host().now());
        receipt.commands.clone_from(&self.ran);
        if intent.live && outcome == Outcome::Placed {
            receipt.obligations = owed(intent, &verdicts);
        }
        let moved = pins::proved(&intent.pins, &intent.promises, &verdicts);
        receipt.verdicts = verdicts;
        let mut rollouts = Store::rollouts(self.writer.host())?;
        match self.generation.intent.remembered.clone() {
            None => drop(rollouts.rollouts.remove(&receipt.rollout)),
            Some(mut remembered) => {
                remembered.obligations.clone_from(&receipt.obligations);
                remembered.steps.clone_from(&receipt.steps);
                let known = rollouts.rollouts.get(&receipt.rollout);
                remembered.restart = known.map(|r| r.restart.clone()).unwrap_or_default();
                remembered.restart.extend(self.restarted.iter().cloned());
                rollouts
                    .rollouts
                    .insert(receipt.rollout.clone(), remembered);
            }
        }
        let at = Receipt::at(number);
        let bytes = serde_json::to_vec_pretty(&receipt).unwrap_or_default();
        let staged = Store::stage_remembered(&mut self.writer, &rollouts)?;
        self.writer.edit(&crate::journal::create(&at, bytes))?;
        self.writer.sync(&[staged, Place::State(at)])?;
        self.record(&Event::Committed)?;
        // From here on the generation is final: what fails now is finished by the next run's recovery.
        let now = receipt.finished;
        let promote = |pins: &mut pins::Pins, moved: &pins::Move| pins.promote(moved, now);
        let closed = Store::make_remembered(&mut self.writer)
            .and_then(|()| pins::settle(&mut self.writer, &moved, promote))
            .and_then(|()| Store::close(&mut self.writer));
        match closed {
            Ok(()) => drop(retention::prune(&mut self.writer, &rollouts)),
            Err(error) => receipt.causes.push(format!(
                "generation {number} is final, and still marked open, which `certroll recover` ends: {}",
                undo::chain(&error).join(": ")
            )),
        }
        Ok(receipt)
    }
}

/// Says what a run that could not prove still owes.
fn owed(intent: &Intent, verdicts: &[Verdict]) -> Vec<String> {
    if intent.deferred {
        return undo::all_owed(intent);
    }
    verdicts
        .iter()
        .filter(|v| !v.judged)
        .map(|v| format!("prove {}: {}", v.probe, v.found))
        .collect()
}

impl Failed<'_, '_> {
    /// Writes every `before` back, tells the services that had been told, and proves the baseline.
    ///
    /// # Errors
    /// The cause itself where nothing was live yet and nothing of it is left: the host is unchanged.
    pub fn undo(self) -> Result<Receipt> {
        let Journal {
            mut writer,
            progress,
            generation,
            key,
            mut ran,
            ..
        } = self.journal;
        let mut back = undo::Undo {
            writer: &mut writer,
            key: Some(&key),
            progress,
            told: Some(ran.clone()),
            ran: &mut ran,
            boot: false,
        };
        back.run(generation, Some(self.error))
    }
}
