//! Commands of a run, each between two records.

use super::{Progress, record};
use crate::{
    error::Result,
    host::{Command, Host, Output, Writer},
    journal::{Event, Generation},
    service::Runner,
};

/// Runs commands for services, with a durable record before and after each.
pub(super) struct Recorded<'a, 'h> {
    pub(super) writer: &'a mut Writer<'h>,
    pub(super) generation: &'a mut Generation,
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
        record(self.writer, self.generation, &Event::Ran { status })?;
        output
    }
}
