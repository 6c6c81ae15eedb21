//! What a platform itself says of its leaf: a command of its own, which must name it once services were told.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::{
    host::{Command, Output},
    peer::Fingerprint,
    pins::Leaf,
};

/// A command, and the leaf whose fingerprint it must print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Says {
    /// What is run; it changes nothing.
    pub command: Command,
    /// The leaf.
    pub leaf: Leaf,
}

impl Says {
    /// Has each of some commands name one leaf.
    #[must_use]
    pub fn all(commands: Vec<Command>, leaf: &Leaf) -> Vec<Self> {
        let says = |command| Self {
            command,
            leaf: leaf.clone(),
        };
        commands.into_iter().map(says).collect()
    }

    /// Judges what the command printed, in any form that [`Fingerprint::read`] takes.
    #[must_use]
    pub fn judge(&self, output: &Output) -> Verdict {
        let read = Fingerprint::read(&output.stdout);
        let (good, found) = match (output.status, read) {
            _ if output.timed_out => (false, "ran past its limit".to_owned()),
            (Some(0), Ok(said)) => (
                said == self.leaf.sha256 || said == self.leaf.sha1,
                format!("says {} {}", said.digest(), said.colons()),
            ),
            (Some(0), Err(error)) => (false, error.to_string()),
            (Some(status), _) => (false, format!("exited with {status}")),
            (None, _) => (false, "was ended by a signal".to_owned()),
        };
        Verdict {
            probe: self.title(),
            good,
            judged: true,
            found,
            want: format!("SHA-256 {}", self.leaf.sha256.colons()),
            stale: false,
        }
    }

    /// Names it for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("`{}`", self.command.line())
    }
}
