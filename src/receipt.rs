//! Receipts: what was done, from what to what, by whom; kept with the generation.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ExitCode, Result},
    host::Host,
    journal::{Intent, Store, other_format},
    plan::IdentityLine,
    probe::Verdict,
    state::{HostPath, State},
};

/// Version of the receipt's format; a fixture of each must stay readable.
pub const FORMAT: &str = "certroll/receipt/1";

/// How a run ended; the last line it prints says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing to do, proved.
    Converged,
    /// The new identity is proved live.
    Committed,
    /// Switched and durable; proof is not possible here and now.
    Placed,
    /// Everything as it was, proved by its baseline.
    RolledBack,
    /// A person is needed.
    Stuck,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] = [
        Self::Converged,
        Self::Committed,
        Self::Placed,
        Self::RolledBack,
        Self::Stuck,
    ];

    /// Returns the outcome in one word, as receipts, files and commands have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Committed => "committed",
            Self::Placed => "placed",
            Self::RolledBack => "rolled-back",
            Self::Stuck => "stuck",
        }
    }

    /// Returns the outcome as people read it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::RolledBack => "rolled back",
            other => other.word(),
        }
    }

    /// Returns the exit code of a run that set out to go forward.
    #[must_use]
    pub fn exit(self) -> ExitCode {
        match self {
            Self::Converged | Self::Committed | Self::Placed => ExitCode::Success,
            Self::RolledBack => ExitCode::RolledBack,
            Self::Stuck => ExitCode::Stuck,
        }
    }
}

/// One change as the receipt tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The path.
    pub path: HostPath,
    /// Name of the kind.
    pub kind: Cow<'static, str>,
}

/// What one run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// [`FORMAT`].
    pub format: String,
    /// Number of the generation; 0 where the run made none.
    pub generation: u64,
    /// Name of the rollout.
    pub rollout: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Start, seconds since the epoch, UTC.
    pub started: i64,
    /// End, seconds since the epoch, UTC.
    pub finished: i64,
    /// Who ran it.
    pub operator: String,
    /// Its profiles.
    pub profiles: Vec<String>,
    /// The identity in question.
    pub identity: IdentityLine,
    /// What was changed, or taken back.
    pub changes: Vec<Line>,
    /// Argument vectors of the commands, as lines.
    pub commands: Vec<String>,
    /// What the probes saw.
    pub verdicts: Vec<Verdict>,
    /// What is still owed.
    pub obligations: Vec<String>,
    /// Steps for people.
    pub steps: Vec<crate::desired::Step>,
    /// Why it did not go forward; what a person has to look at.
    pub causes: Vec<String>,
    /// The generation that it took back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
    /// The phase of a rotation that it carried out, as in `trust (1 of 4)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
}

/// What a receipt must say before the rest of it is read.
#[derive(Deserialize)]
struct Head {
    format: String,
}

impl Receipt {
    /// Returns where the receipt of a generation is kept, below the state directory.
    #[must_use]
    pub fn at(generation: u64) -> HostPath {
        Store::file(generation, "receipt.json")
    }

    /// Reads the receipt of a generation; none where it has not ended, or its run died before it was written.
    ///
    /// # Errors
    /// As [`Host::load`], and [`Error::Stored`] where it is damaged or not of [`FORMAT`]. The host is as it was.
    pub fn load(host: &dyn Host, generation: u64) -> Result<Option<Self>> {
        let at = Self::at(generation);
        let stored = |message: String| Error::Stored {
            path: at.to_string(),
            message,
        };
        let state = host.load(&at)?;
        if state == State::Absent {
            return Ok(None);
        }
        let none = || stored("is not a file".to_owned());
        let bytes = state.bytes().ok_or_else(none)?;
        let damaged = |e: serde_json::Error| stored(e.to_string());
        let head: Head = serde_json::from_slice(bytes.reveal()).map_err(damaged)?;
        if head.format != FORMAT {
            return Err(stored(other_format(&head.format, FORMAT)));
        }
        serde_json::from_slice(bytes.reveal()).map_err(damaged)
    }

    /// Returns a receipt of nothing, to be filled in.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            format: FORMAT.to_owned(),
            generation: 0,
            rollout: String::new(),
            outcome: Outcome::Converged,
            started: 0,
            finished: 0,
            operator: String::new(),
            profiles: Vec::new(),
            identity: IdentityLine::default(),
            changes: Vec::new(),
            commands: Vec::new(),
            verdicts: Vec::new(),
            obligations: Vec::new(),
            steps: Vec::new(),
            causes: Vec::new(),
            undoes: None,
            phase: None,
        }
    }

    /// Starts a receipt from an intent.
    #[must_use]
    pub fn of(intent: &Intent, outcome: Outcome, finished: i64) -> Self {
        let line = |entry: &crate::journal::Entry| Line {
            path: entry.path.clone(),
            kind: entry.kind.clone(),
        };
        Self {
            generation: intent.generation,
            rollout: intent.rollout.clone(),
            outcome,
            started: intent.started,
            finished,
            operator: intent.operator.clone(),
            profiles: intent.profiles.clone(),
            identity: intent.identity.clone(),
            changes: intent.entries.iter().map(line).collect(),
            steps: intent.steps.clone(),
            undoes: intent.undoes,
            phase: intent.phase(),
            ..Self::empty()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn the_word_of_every_outcome_is_the_one_that_receipts_have() {
        for outcome in Outcome::ALL {
            let quoted = format!("\"{}\"", outcome.word());
            assert_eq!(serde_json::to_string(&outcome).ok(), Some(quoted));
        }
    }
}
