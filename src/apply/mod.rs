//! The forward way: begin, stage, switch, tell services, prove, commit. Whatever fails turns into [`Failed`], whose
//! only way out is [`Failed::undo`].

use crate::{
    desired::Service,
    error::{Error, Result},
    hex::hex,
    host::{Command, Edit, Host, Output, Permit, Place, Writer},
    journal::{DigestKey, Event, Generation, Intent, Remembered, Status, Store},
    plan::{Plan, Promise},
    probe::{self, Verdict},
    receipt::{Outcome, Receipt},
    service::{self, Runner, UnitState},
    state::{Bytes, Content, HostPath, State},
};

mod edits;
mod recover;
mod retention;
mod undo;

pub use recover::{abandon, recover};
pub(crate) use undo::saved;

/// Told what is going on, for people who wait.
pub type Progress<'p> = &'p dyn Fn(&str);

/// What a committed rollout leaves behind for later runs.
#[derive(Debug, Default)]
pub struct Keep {
    /// Files of the generation's `identity/`, by name.
    pub identity: Vec<(&'static str, Bytes)>,
    /// What is remembered of the rollout from then on; none: it is forgotten.
    pub rollout: Option<Remembered>,
    /// Whether services and proof are left to a later run.
    pub deferred: bool,
    /// The plan as `show` prints it.
    pub plan: Vec<u8>,
}

/// An open generation: its intent is durable, the host unchanged.
#[must_use = "an open generation must be applied or undone"]
pub struct Journal<'h, 'p> {
    writer: Writer<'h>,
    progress: Progress<'p>,
    generation: Generation,
    key: DigestKey,
    plan: Plan,
    ran: Vec<String>,
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
        let mut writer = Writer::new(host, Permit::default(), String::new());
        let key = Store::make_key(&mut writer)?;
        let mut intent = Intent::of(&plan, &key, number, keep.deferred);
        intent.started = writer.host().now();
        intent.operator = writer.host().operator();
        intent.run = hex(&writer.host().random()?[..8]);
        intent.remembered = keep.rollout.clone().map(|remembered| Remembered {
            generation: number,
            identity: if keep.identity.is_empty() {
                remembered.identity
            } else {
                number
            },
            ..remembered
        });
        let generation = Generation {
            intent,
            status: Status::Open,
        };
        recover::sweep_unopened(&mut writer)?;
        write_generation(&mut writer, &generation.intent, &plan, keep)?;
        Store::open(&mut writer, number)?;
        drop(writer);
        let writer = Writer::new(
            host,
            permit(&generation.intent, &plan.commands),
            generation.intent.marker(),
        );
        Ok(Self {
            writer,
            progress,
            generation,
            key,
            plan,
            ran: Vec::new(),
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

    fn switch(&mut self) -> Result<()> {
        self.stage()?;
        for change in &self.plan.changes {
            let made_now = matches!(
                change.after,
                State::Present {
                    content: Content::Dir,
                    ..
                }
            );
            if !made_now && self.writer.host().read(&change.path)? != change.before {
                return Err(Error::Changed {
                    path: change.path.to_string(),
                });
            }
        }
        self.stop_if_asked()?;
        self.record(&Event::Staged)?;
        self.rename()?;
        self.record(&Event::Switched)
    }

    /// Returns the edits of one change; made anew for each pass, since a plan may hold a hundred thousand.
    fn edits(&self, n: usize) -> edits::Edits {
        let (Some(entry), Some(change)) = (
            self.generation.intent.entries.get(n),
            self.plan.changes.get(n),
        ) else {
            return edits::Edits::default();
        };
        let staged = edits::staged(entry, self.generation.intent.generation, n, false);
        edits::edits(&entry.path, &change.after, staged, entry.in_place)
    }

    /// Writes all new bytes aside, durable on return.
    fn stage(&mut self) -> Result<()> {
        let mut places = Vec::new();
        for n in 0..self.plan.changes.len() {
            for edit in self.edits(n).stage {
                self.writer.edit(&edit)?;
                if let Edit::Create { at, .. } = edit {
                    places.push(at);
                }
            }
        }
        self.writer.sync(&places)
    }

    /// Makes them live back to back, durable on return.
    fn rename(&mut self) -> Result<()> {
        let (mut places, mut removals) = (Vec::new(), Vec::new());
        for n in 0..self.plan.changes.len() {
            for edit in self.edits(n).switch {
                if matches!(edit, Edit::Remove { .. }) {
                    removals.push(edit);
                } else {
                    self.writer.edit(&edit)?;
                    places.extend(edits::places([&edit]));
                }
            }
        }
        edits::innermost_first(&mut removals);
        for edit in &removals {
            self.writer.edit(edit)?;
        }
        places.extend(edits::places(&removals));
        self.writer.sync(&places)
    }

    fn tell_services(&mut self) -> Result<()> {
        if self.generation.intent.deferred || !self.generation.intent.live {
            return Ok(());
        }
        let (services, units) = (self.plan.services.clone(), self.plan.units.clone());
        self.activate(&services, &units)?;
        // One that came during the last command.
        self.stop_if_asked()
    }

    /// Tells services to load what is there, with a record before and after each command.
    fn activate(&mut self, services: &[Service], units: &[UnitState]) -> Result<()> {
        let progress = self.progress;
        let mut runner = Recorded {
            writer: &mut self.writer,
            generation: &mut self.generation,
            ran: &mut self.ran,
            heeds_signals: true,
        };
        service::activate(&mut runner, services, units, &mut |message| {
            progress(message);
        })
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
    /// Probes until every verdict is good, or the deadline.
    ///
    /// # Errors
    /// [`Failed`], to be undone.
    pub fn verify(self) -> Stage<'h, 'p, Verified<'h, 'p>> {
        let Self(journal) = self;
        let intent = &journal.generation.intent;
        if intent.deferred || !intent.live {
            return Ok(Verified(journal, Vec::new()));
        }
        let progress = journal.progress;
        let proved = probe::prove(
            journal.writer.host(),
            &Promise::pairs(&intent.promises),
            &intent.baseline,
            intent.deadline,
            &mut |message| progress(message),
        );
        let error = match proved {
            Ok(verdicts) => match verdicts.iter().find(|v| v.judged && !v.good) {
                None => return Ok(Verified(journal, verdicts)),
                Some(v) => Error::Unproved {
                    subject: v.probe.clone(),
                    want: v.want.clone(),
                    found: v.found.clone(),
                },
            },
            Err(error) => error,
        };
        Err(Box::new(Failed { journal, error }))
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
        receipt.commands = std::mem::take(&mut self.ran);
        if intent.live && outcome == Outcome::Placed {
            receipt.obligations = owed(intent, &verdicts);
        }
        receipt.verdicts = verdicts;
        let mut rollouts = Store::rollouts(self.writer.host())?;
        match self.generation.intent.remembered.clone() {
            None => drop(rollouts.rollouts.remove(&receipt.rollout)),
            Some(mut remembered) => {
                remembered.obligations.clone_from(&receipt.obligations);
                remembered.steps.clone_from(&receipt.steps);
                rollouts
                    .rollouts
                    .insert(receipt.rollout.clone(), remembered);
            }
        }
        let (stage, switch) = Store::remember(&rollouts);
        let staged = match &stage {
            Edit::Create { at, .. } => at.clone(),
            Edit::Rename { .. }
            | Edit::Remove { .. }
            | Edit::Overwrite { .. }
            | Edit::Append { .. } => Place::State(HostPath::default()),
        };
        let at = Store::file(number, "receipt.json");
        let bytes = serde_json::to_vec_pretty(&receipt).unwrap_or_default();
        undo::clear(&mut self.writer, &staged)?;
        self.writer.edit(&stage)?;
        self.writer.edit(&crate::journal::create(&at, bytes))?;
        self.writer.sync(&[staged, Place::State(at)])?;
        self.record(&Event::Committed)?;
        // From here on the generation is final: what fails now is finished by the next run's recovery.
        drop(
            self.writer
                .edit(&switch)
                .and_then(|()| Store::close(&mut self.writer))
                .and_then(|()| retention::prune(&mut self.writer, &rollouts)),
        );
        Ok(receipt)
    }
}

/// Says what a run that could not prove still owes.
fn owed(intent: &Intent, verdicts: &[Verdict]) -> Vec<String> {
    if intent.deferred {
        return all_owed(intent);
    }
    verdicts
        .iter()
        .filter(|v| !v.judged)
        .map(|v| format!("prove {}: {}", v.probe, v.found))
        .collect()
}

/// Says what is owed where no service was told and nothing was probed.
fn all_owed(intent: &Intent) -> Vec<String> {
    let services = intent.services.iter().map(|s| match &s.command {
        Some(command) if s.units.is_empty() => format!("run `{}`", command.line()),
        _ => format!("{} {}", s.action.verb(), s.units.join(" ")),
    });
    let probes = intent
        .promises
        .iter()
        .map(|p| format!("prove {}", probe::title(&p.probe)));
    services.chain(probes).collect()
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
            ran: &mut ran,
            boot: false,
        };
        back.run(generation, Some(self.error))
    }
}

/// Runs commands for services, with a durable record before and after each.
struct Recorded<'a, 'h> {
    writer: &'a mut Writer<'h>,
    generation: &'a mut Generation,
    ran: &'a mut Vec<String>,
    /// Whether a signal stops it: on the way forward only, since the way back is the answer to one.
    heeds_signals: bool,
}

impl Runner for Recorded<'_, '_> {
    fn host(&self) -> &dyn Host {
        self.writer.host()
    }

    fn interrupted(&self) -> Option<&'static str> {
        if self.heeds_signals {
            self.writer.host().interrupted()
        } else {
            None
        }
    }

    fn run(&mut self, command: &Command) -> Result<Output> {
        record(
            self.writer,
            self.generation,
            &Event::Running {
                argv: command.argv.clone(),
            },
        )?;
        self.ran.push(command.line());
        let output = self.writer.run(command);
        let status = output.as_ref().ok().and_then(|o| o.status);
        record(self.writer, self.generation, &Event::Ran { status })?;
        output
    }
}

fn record(writer: &mut Writer<'_>, generation: &mut Generation, event: &Event) -> Result<()> {
    let number = generation.intent.generation;
    let illegal = |message| Error::Stored {
        path: Store::file(number, "journal.jsonl").to_string(),
        message,
    };
    let next = generation.status.next(event).map_err(illegal)?;
    Store::append(writer, number, event)?;
    generation.status = next;
    Ok(())
}

/// What a generation may touch: its paths, its staging directories, its commands.
fn permit(intent: &Intent, commands: &[Command]) -> Permit {
    Permit {
        paths: intent.entries.iter().map(|e| e.path.clone()).collect(),
        staging: intent.entries.iter().map(|e| e.staging.clone()).collect(),
        commands: commands.iter().map(|c| c.argv.clone()).collect(),
    }
}

/// Writes everything a generation needs to be taken back, durable on return.
fn write_generation(
    writer: &mut Writer<'_>,
    intent: &Intent,
    plan: &Plan,
    keep: Keep,
) -> Result<()> {
    let number = intent.generation;
    let mut edits = Vec::new();
    if writer.host().load(&Store::generations())? == State::Absent {
        edits.push(crate::journal::create_dir(&Store::generations()));
    }
    for name in ["", "before", "found", "identity"] {
        edits.push(crate::journal::create_dir(&Store::file(number, name)));
    }
    for (n, change) in plan.changes.iter().enumerate() {
        if let Some(bytes) = change.before.bytes() {
            edits.push(crate::journal::create(
                &Store::file(number, &format!("before/{n}")),
                bytes.clone(),
            ));
        }
    }
    for (name, bytes) in keep.identity {
        edits.push(crate::journal::create(
            &Store::file(number, &format!("identity/{name}")),
            bytes,
        ));
    }
    let mut places = edits::places(&edits);
    for edit in edits {
        writer.edit(&edit)?;
    }
    // One large text at a time.
    let plan = Store::file(number, "plan.json");
    writer.edit(&crate::journal::create(&plan, keep.plan))?;
    let journal = Store::file(number, "journal.jsonl");
    writer.edit(&crate::journal::create(&journal, intent.line()))?;
    places.extend([Place::State(plan), Place::State(journal)]);
    writer.sync(&places)
}
