//! Commands of a run, each between two records.

use super::Progress;
use crate::{
    error::{Error, Result},
    host::{Command, Host, Output, Writer},
    journal::{DigestKey, Entry, Event, Generation, Intent, Record, Replayed as _, Store, Wrote},
    service::Runner,
};

/// Runs commands for services, with a durable record before and after each.
pub(super) struct Recorded<'a, 'h> {
    pub(super) writer: &'a mut Writer<'h>,
    pub(super) generation: &'a mut Generation,
    pub(super) key: Option<&'a DigestKey>,
    pub(super) ran: &'a mut Vec<String>,
    /// Who is told that a signal has to wait. None: it heeds no signal, since the way back is the answer to one.
    pub(super) progress: Option<Progress<'a>>,
}

impl Runner for Recorded<'_, '_> {
    fn host(&self) -> &dyn Host {
        self.writer.host()
    }

    fn forward(&self) -> bool {
        self.progress.is_some()
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
        let output = self.writer.run(command, self.progress.unwrap_or(&|_| {}));
        let status = output.as_ref().ok().and_then(|o| o.status);
        let wrote = wrote(
            self.writer.host(),
            &self.generation.intent,
            self.key,
            Some(&command.argv),
        )?;
        record(self.writer, self.generation, &Event::Ran { status, wrote })?;
        output
    }
}

/// Reads what a command made of the paths that it writes; without its arguments, what any of the run made.
///
/// # Errors
/// As [`crate::host::Tree::read`].
pub(super) fn wrote(
    host: &dyn Host,
    intent: &Intent,
    key: Option<&DigestKey>,
    argv: Option<&[String]>,
) -> Result<Vec<Wrote>> {
    let Some(key) = key else {
        return Ok(Vec::new());
    };
    let read = |(change, entry): (usize, &Entry)| {
        let after = Record::of(&host.read(&entry.path)?, key);
        Ok(Wrote { change, after })
    };
    intent.written_by(argv).map(read).collect()
}

/// Adds an event to the journal, durable on return, and takes what it says.
///
/// # Errors
/// [`Error::Stored`] where it cannot follow; else as [`Store::append`].
pub(super) fn record(
    writer: &mut Writer<'_>,
    generation: &mut Generation,
    event: &Event,
) -> Result<()> {
    let number = generation.intent.generation;
    let illegal = |message| Error::Stored {
        path: Store::file(number, "journal.jsonl").to_string(),
        message,
    };
    let next = generation.status.next(event).map_err(illegal)?;
    Store::append(writer, number, event)?;
    generation.status = next;
    generation.intent.learn(event);
    Ok(())
}
