//! The backward way: undo is `write(before)`, from the journal and nothing else.

use super::{Progress, Recorded, edits, far, prove::Case, record, recorded::wrote};
use crate::{
    error::{Error, Result},
    host::{Edit, Host, Place, Writer},
    journal::{DigestKey, Entry, Event, Generation, Intent, Record, Status, Store},
    pins,
    plan::Promise,
    probe::{self, Want},
    receipt::{Outcome, Receipt},
    service,
    state::{Bytes, Content, HostPath, State},
};

/// One way back.
pub(super) struct Undo<'a, 'h, 'p> {
    pub(super) writer: &'a mut Writer<'h>,
    pub(super) key: Option<&'a DigestKey>,
    pub(super) progress: Progress<'p>,
    pub(super) ran: &'a mut Vec<String>,
    /// What the way forward ran: who was not told then is not told now. None where another run went it: since then
    /// anything may have been loaded.
    pub(super) told: Option<Vec<String>>,
    /// At boot nothing is started and nothing is probed: that stays owed.
    pub(super) boot: bool,
}

/// What one resource needs on the way back.
enum Need {
    /// It is as it was.
    Nothing,
    /// It is as this generation made it.
    Restore(State),
    /// Somebody else changed it: kept, and left.
    Leave(State),
}

impl Undo<'_, '_, '_> {
    /// Takes a generation back; `cause` is why.
    ///
    /// # Errors
    /// The cause itself where nothing was live and nothing is left of the attempt: the host is unchanged.
    pub(super) fn run(
        &mut self,
        mut generation: Generation,
        cause: Option<Error>,
    ) -> Result<Receipt> {
        let was_live = generation.status != Status::Open
            && (generation.status.was_switched() || self.anything_live(&generation));
        let mut causes: Vec<String> = cause.iter().flat_map(chain).collect();
        let restored = self.restore(&mut generation);
        let left = match restored {
            Ok(left) => left,
            Err(error) => {
                causes.extend(chain(&error));
                causes.push(format!(
                    "saved copies are in generations/{:06}/before",
                    generation.intent.generation
                ));
                return Ok(self.stuck(&generation, causes));
            }
        };
        causes.extend(left.iter().map(|l| {
            format!("`{l}` was changed by somebody else: it is kept, with all that belongs to it")
        }));
        if self.boot && left.is_empty() && is_owed(&generation) {
            // The generation stays open: its journal is the record of what is owed, and the next recovery honours it.
            let mut receipt = self.receipt(&generation, Outcome::Placed, causes);
            receipt.obligations = all_owed(&generation.intent);
            return Ok(receipt);
        }
        if let Err(error) = self.prove_baseline(&mut generation) {
            causes.extend(chain(&error));
            causes.extend(far::irreversible(&generation.intent));
            return Ok(self.stuck(&generation, causes));
        }
        if !left.is_empty() {
            return Ok(self.stuck(&generation, causes));
        }
        let receipt = self.receipt(&generation, Outcome::RolledBack, causes);
        let closed = self.close(&mut generation, &receipt);
        match (cause, closed) {
            (_, Err(error)) => {
                let mut receipt = receipt;
                receipt.outcome = Outcome::Stuck;
                receipt.causes.extend(chain(&error));
                Ok(receipt)
            }
            (Some(cause), Ok(())) if !was_live => Err(cause),
            (_, Ok(())) => Ok(receipt),
        }
    }

    fn receipt(
        &mut self,
        generation: &Generation,
        outcome: Outcome,
        causes: Vec<String>,
    ) -> Receipt {
        let mut receipt = Receipt::of(&generation.intent, outcome, self.writer.host().now());
        receipt.commands = std::mem::take(self.ran);
        receipt.causes = causes;
        receipt
    }

    /// Keeps the receipt of a generation that stays open, for those who are told of it; the next recovery replaces it.
    fn stuck(&mut self, generation: &Generation, causes: Vec<String>) -> Receipt {
        let receipt = self.receipt(generation, Outcome::Stuck, causes);
        // The journal decides: where the disk takes nothing any more, the run ends no worse for it.
        drop(self.keep(&receipt));
        receipt
    }

    fn keep(&mut self, receipt: &Receipt) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(receipt).unwrap_or_default();
        Store::put(self.writer, &Receipt::at(receipt.generation), bytes)
    }

    fn close(&mut self, generation: &mut Generation, receipt: &Receipt) -> Result<()> {
        self.keep(receipt)?;
        record(self.writer, generation, &Event::RolledBack)?;
        pins::settle(self.writer, &generation.intent.pins, pins::Pins::drop_next)?;
        // The key of an identity that is not in force; where it cannot be removed now, the next commit does it.
        let number = generation.intent.generation;
        let key = Place::State(Store::file(number, "identity/key.pem"));
        let sent = far::keys(self.writer.host(), number, "new-").unwrap_or_default();
        for key in sent.into_iter().chain([key]) {
            if let Ok(true) = clear(self.writer, &key) {
                // It must not come back with the next power cut.
                drop(self.writer.sync(&[key]));
            }
        }
        Store::close(self.writer)
    }

    /// Tells whether any target differs from what it was before.
    fn anything_live(&self, generation: &Generation) -> bool {
        let Some(key) = self.key else { return true };
        let as_before = |entry: &Entry| {
            let made_dir = matches!(entry.after, Record::Dir { .. });
            made_dir
                || self
                    .writer
                    .host()
                    .read(&entry.path)
                    .is_ok_and(|state| entry.before.matches(&state, key))
        };
        !generation.intent.entries.iter().all(as_before)
    }

    /// Writes every `before` back, durable on return with all that was back already; returns what somebody else changed meanwhile.
    fn restore(&mut self, generation: &mut Generation) -> Result<Vec<HostPath>> {
        if generation.status.is_running() {
            self.writer.host().end_marked(&generation.intent.marker())?;
            let wrote = wrote(self.writer.host(), &generation.intent, self.key, None)?;
            let ended = Event::Ran {
                status: None,
                wrote,
            };
            record(self.writer, generation, &ended)?;
        }
        for staged in staged(generation) {
            remove_below(self.writer, &staged)?;
        }
        let needs = self.needs(generation)?;
        let number = generation.intent.generation;
        let entries = &generation.intent.entries;
        let split = entries
            .iter()
            .zip(&needs)
            .any(|(entry, need)| entry.identity && matches!(need, Need::Leave(_)));
        let (mut all, mut left, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        for (n, (entry, need)) in entries.iter().zip(needs).enumerate().rev() {
            // What an earlier recovery put back or took away may not have reached the disk before it was killed.
            settled.push(Place::Tree(edits::staged(entry, number, n, true)));
            if !matches!(need, Need::Leave(_)) {
                settled.push(Place::Tree(entry.path.clone()));
            }
            match need {
                Need::Nothing => {}
                Need::Leave(found) => {
                    left.push(entry.path.clone());
                    self.keep_found(number, n, &found)?;
                }
                Need::Restore(_) if split && entry.identity => left.push(entry.path.clone()),
                Need::Restore(before) => {
                    all.push(edits::edits(
                        &entry.path,
                        &before,
                        edits::staged(entry, number, n, true),
                        entry.in_place,
                    ));
                }
            }
        }
        self.stage(&all)?;
        record(self.writer, generation, &Event::Restoring)?;
        self.switch(&all)?;
        self.writer.sync(&settled)?;
        record(self.writer, generation, &Event::Restored)?;
        Ok(left)
    }

    fn stage(&mut self, all: &[edits::Edits]) -> Result<()> {
        for edit in all.iter().flat_map(|e| &e.stage) {
            // A directory that was there before must not come back with other attributes than it had.
            if let Edit::Rename { from, .. } = edit {
                self.writer.sync(std::slice::from_ref(from))?;
            }
            self.writer.edit(edit)?;
        }
        self.writer
            .sync(&edits::places(all.iter().flat_map(|e| &e.stage)))
    }

    fn switch(&mut self, all: &[edits::Edits]) -> Result<()> {
        let switches = all.iter().flat_map(|e| e.switch.iter().cloned());
        let (mut removals, mut switch): (Vec<Edit>, Vec<Edit>) =
            switches.partition(|edit| matches!(edit, Edit::Remove { .. }));
        edits::innermost_first(&mut removals);
        switch.extend(removals);
        for edit in &switch {
            match self.writer.edit(edit) {
                // A directory that certroll made and somebody uses by now stays.
                Err(Error::Io {
                    verb: "remove",
                    source,
                    ..
                }) if source.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn needs(&self, generation: &Generation) -> Result<Vec<Need>> {
        let need = |(n, entry): (usize, &Entry)| self.need(generation, n, entry);
        generation
            .intent
            .entries
            .iter()
            .enumerate()
            .map(need)
            .collect()
    }

    fn need(&self, generation: &Generation, n: usize, entry: &Entry) -> Result<Need> {
        let made_dir = entry.before == Record::Absent && matches!(entry.after, Record::Dir { .. });
        let found = self.writer.host().read(&entry.path)?;
        let as_it_was = |record: &Record| match self.key {
            Some(key) => record.matches(&found, key),
            None => false,
        };
        if as_it_was(&entry.before) {
            return Ok(Need::Nothing);
        }
        if made_dir {
            return Ok(if found.is_dir() {
                Need::Restore(State::Absent)
            } else {
                Need::Nothing
            });
        }
        // Only between these records and the next is certroll itself in the middle of writing.
        let writing = matches!(generation.status, Status::Staged | Status::Restoring { .. });
        let torn = entry.in_place && writing;
        if as_it_was(&entry.after) || torn {
            return Ok(Need::Restore(self.saved(
                generation.intent.generation,
                n,
                &entry.before,
            )?));
        }
        // Before the first rename a difference is somebody else's, and no concern of ours.
        Ok(if generation.status == Status::Open {
            Need::Nothing
        } else {
            Need::Leave(found)
        })
    }

    /// Returns the state from before, its bytes from the saved copy.
    fn saved(&self, generation: u64, n: usize, before: &Record) -> Result<State> {
        saved(self.writer.host(), self.key, generation, n, before)
    }

    fn keep_found(&mut self, generation: u64, n: usize, found: &State) -> Result<()> {
        let at = Store::file(generation, &format!("found/{n}"));
        let bytes = match found {
            State::Present {
                content: Content::File(bytes),
                ..
            } => bytes.clone(),
            State::Present { .. } | State::Absent => Bytes::from(format!(
                "{}\n",
                found.link().unwrap_or_else(|| found.noun())
            )),
        };
        if self.writer.host().load(&at)? == State::Absent {
            Store::put(self.writer, &at, bytes)
        } else {
            self.writer.sync(&[Place::State(at)])
        }
    }

    /// Tells the services that had been told, and probes until each sees what it saw before.
    fn prove_baseline(&mut self, generation: &mut Generation) -> Result<()> {
        let mut intent = generation.intent.clone();
        // What a command wrote is back already: to run it again would write it anew.
        intent.services.retain(|service| service.writes.is_empty());
        if self.boot || !is_owed(generation) {
            return Ok(());
        }
        let services = match &self.told {
            Some(ran) => service::told(intent.services, &intent.units, ran),
            None => intent.services,
        };
        let progress = self.progress;
        let mut runner = Recorded {
            writer: self.writer,
            generation,
            key: self.key,
            ran: self.ran,
            progress: None,
        };
        let watched = service::activate(&mut runner, &services, &intent.units, &mut |message| {
            progress(message);
        })?;
        far::take_back(runner.writer, runner.generation, runner.ran, progress)?;
        let as_before = |(promise, seen): (&Promise, &probe::Observation)| {
            (promise.probe.clone(), Want::Baseline(seen.clone()))
        };
        let promises: Vec<_> = intent
            .promises
            .iter()
            .zip(&intent.baseline)
            .map(as_before)
            .collect();
        let case = Case {
            services,
            units: intent.units,
            promises,
            baseline: intent.baseline,
            deadline: intent.deadline,
        };
        case.prove(&mut runner, &mut |message| progress(message))?;
        watched.still(self.writer.host())
    }
}

/// Returns every name that a generation may have staged something under, on either way.
pub(super) fn staged(generation: &Generation) -> Vec<HostPath> {
    let number = generation.intent.generation;
    let entries = generation.intent.entries.iter().enumerate();
    entries
        .flat_map(|(n, entry)| [false, true].map(|back| edits::staged(entry, number, n, back)))
        .collect()
}

/// Removes a staged name, durable with the next sync of its directory; a directory whose own rename a power cut undid holds what was staged in it.
pub(super) fn remove_below(writer: &mut Writer<'_>, staged: &HostPath) -> Result<()> {
    if writer.host().read(staged)?.is_dir() {
        for entry in writer.host().list(staged)?.unwrap_or_default() {
            remove_below(writer, &staged.join(&entry.name))?;
        }
    }
    clear(writer, &Place::Tree(staged.clone())).map(drop)
}

/// Tells whether services may have loaded what is taken back, so that they are to be told again and the baseline proved.
fn is_owed(generation: &Generation) -> bool {
    generation.intent.live && !generation.intent.deferred && generation.status.was_switched()
}

/// Says what is owed where no service was told and nothing was probed.
pub(super) fn all_owed(intent: &Intent) -> Vec<String> {
    let services = intent.services.iter().filter(|s| s.writes.is_empty());
    let services = services.map(|s| match &s.command {
        Some(command) if s.units.is_empty() => format!("run `{}`", command.line()),
        _ => format!("{} {}", s.action.verb(), s.units.join(" ")),
    });
    let probes = intent
        .promises
        .iter()
        .map(|p| format!("prove {}", probe::title(&p.probe)));
    let requests = intent
        .far
        .iter()
        .map(|f| format!("send {}", f.ask.line(&f.peer)));
    services.chain(requests).chain(probes).collect()
}

/// Returns the state that a generation found, its bytes from the saved copy.
///
/// # Errors
/// [`Error::Stored`] where the copy is gone or damaged.
pub(crate) fn saved(
    host: &dyn Host,
    key: Option<&DigestKey>,
    generation: u64,
    n: usize,
    before: &Record,
) -> Result<State> {
    let Record::File { digest, .. } = before else {
        return Ok(before.state(Bytes::default()));
    };
    let at = Store::file(generation, &format!("before/{n}"));
    let stored = |message: &str| Error::Stored {
        path: at.to_string(),
        message: message.to_owned(),
    };
    let copy = host.load(&at)?;
    let bytes = copy.bytes().ok_or_else(|| {
        stored("the saved copy is gone: private keys are kept for the identity in force and the one before")
    })?;
    if key.is_none_or(|key| key.digest(bytes) != *digest) {
        return Err(stored("the saved copy is damaged"));
    }
    Ok(before.state(bytes.clone()))
}

/// Returns an error and what caused it, a line each.
pub(super) fn chain(error: &Error) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        lines.push(cause.to_string());
        source = cause.source();
    }
    lines
}

/// Removes an object; tells whether there was one.
pub(super) fn clear(writer: &mut Writer<'_>, place: &Place) -> Result<bool> {
    let there = match place {
        Place::Tree(path) => writer.host().read(path)?,
        Place::State(path) => writer.host().load(path)?,
    };
    if there == State::Absent {
        return Ok(false);
    }
    writer.edit(&Edit::Remove { at: place.clone() })?;
    Ok(true)
}
