//! The write-ahead record of one generation: what it means, and how it is replayed.
//!
//! One durable intent names every change before the first byte of the host moves, and only a durable `committed`
//! completes. Recovery is replay through the same total function, [`Status::next`], so it cannot disagree with the run.

use std::{collections::HashSet, io::Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    desired::{Service, Step},
    error::{Error, Result},
    far::{Answer, Far},
    pins::Move,
    plan::{IdentityLine, Plan, Promise},
    probe::Observation,
    service::UnitState,
    state::{HostPath, Sensitivity},
};

mod record;
mod remembered;
mod status;
mod store;

pub use record::{Entry, Record};
pub use remembered::{Remembered, Rollouts};
pub use status::Status;
pub use store::{DigestKey, Generation, Store};
pub(crate) use store::{create, create_dir};

/// Version of the journal's format; a fixture of each must stay readable.
pub const FORMAT: &str = "certroll/journal/1";

/// What one generation is about to do: everything that recovery needs, and nothing but the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// [`FORMAT`].
    pub format: String,
    /// Number of the generation.
    pub generation: u64,
    /// Name of the rollout.
    pub rollout: String,
    /// Its profiles.
    pub profiles: Vec<String>,
    /// The identity it puts in force.
    pub identity: IdentityLine,
    /// Start of the run, seconds since the epoch, UTC.
    pub started: i64,
    /// Who runs it.
    pub operator: String,
    /// What no other run on this machine has, of another state directory neither: lower hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// Changes in the order of the switch.
    pub entries: Vec<Entry>,
    /// Requests to other machines, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub far: Vec<Far>,
    /// Services that are told.
    pub services: Vec<Service>,
    /// State of their units before.
    pub units: Vec<UnitState>,
    /// Probes and what they must see.
    pub promises: Vec<Promise>,
    /// What they saw before.
    pub baseline: Vec<Observation>,
    /// Steps for people.
    pub steps: Vec<Step>,
    /// Seconds that the probes may take together.
    pub deadline: u64,
    /// Whether services and endpoints can be asked.
    pub live: bool,
    /// Whether services and proof are left to a later run.
    pub deferred: bool,
    /// What is remembered of the rollout once this is final; none: it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<Remembered>,
    /// The oldest generation that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
    /// Whether it leads back to the platform's own default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reverts: bool,
    /// Pins that move once it is proved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Move>,
}

impl Intent {
    /// Turns a plan into what is written down of it: of a hundred thousand changes there is one copy.
    #[must_use]
    pub fn of(plan: Plan, key: &DigestKey, generation: u64, deferred: bool) -> Self {
        Self {
            format: FORMAT.to_owned(),
            generation,
            rollout: plan.rollout,
            profiles: plan.profiles,
            identity: plan.identity,
            started: 0,
            operator: String::new(),
            run: String::new(),
            entries: plan
                .changes
                .into_iter()
                .map(|change| Entry::of(change, key))
                .collect(),
            far: plan.far,
            services: plan.services,
            units: plan.units,
            promises: plan.promises,
            baseline: plan.baseline,
            steps: plan.steps,
            deadline: plan.deadline,
            live: plan.live,
            deferred,
            remembered: None,
            undoes: plan.undoes,
            reverts: plan.reverts,
            pins: plan.pins,
        }
    }

    /// Names the phase of a rotation that it carries out, as in `trust (1 of 4)`; none where it takes one back.
    #[must_use]
    pub fn phase(&self) -> Option<String> {
        let remembered = self.remembered.as_ref().filter(|_| self.undoes.is_none())?;
        remembered.rotation.as_ref()?.last()
    }

    /// Writes the first line of its journal, [`Event::Begun`], without a copy of what may be a hundred thousand entries.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write_line(&self, mut out: impl Write) -> std::io::Result<()> {
        #[derive(Serialize)]
        struct Begun<'a> {
            event: &'static str,
            #[serde(flatten)]
            intent: &'a Intent,
        }
        let begun = Begun {
            event: "begun",
            intent: self,
        };
        serde_json::to_writer(&mut out, &begun)?;
        out.write_all(b"\n")
    }

    /// Returns the changes that a command writes and has not written yet, by number: those of one command, or all.
    pub fn written_by<'a>(
        &'a self,
        argv: Option<&'a [String]>,
    ) -> impl Iterator<Item = (usize, &'a Entry)> {
        let theirs = move |service: &&Service| {
            let own = service.command.as_ref().map(|c| c.argv.as_slice());
            argv.is_none() || argv == own
        };
        let services = self.services.iter().filter(theirs);
        let paths: HashSet<&HostPath> = services.flat_map(|service| &service.writes).collect();
        let entries = self.entries.iter().enumerate();
        entries
            .filter(move |(_, entry)| paths.contains(&entry.path) && entry.after == Record::Absent)
    }

    /// Returns the mark that this generation's commands carry in their environment.
    #[must_use]
    pub fn marker(&self) -> String {
        format!("{}-{}-{}", self.generation, self.started, self.run)
    }
}

/// What a command made of one change's path: from then on the state that the generation leaves there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrote {
    /// Number of the change, from 0.
    pub change: usize,
    /// What is there.
    pub after: Record,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The generation is open: everything it is about to do.
    Begun(Box<Intent>),
    /// All new bytes are staged and durable, every target was still as planned: the first rename comes next.
    Staged,
    /// Every change is in place and durable.
    Switched,
    /// A command is about to run.
    Running {
        /// Its argument vector.
        argv: Vec<String>,
    },
    /// The command ended.
    Ran {
        /// Its exit status; none where a signal ended it.
        status: Option<i32>,
        /// What it made of the paths that it writes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        wrote: Vec<Wrote>,
    },
    /// A request to another machine is about to be sent.
    Sending {
        /// Its number, from 0.
        request: usize,
        /// Whether it is the one that takes it back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        back: bool,
    },
    /// The request ended.
    Sent {
        /// Its number, from 0.
        request: usize,
        /// Whether it is the one that takes it back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        back: bool,
        /// What came of it.
        answer: Answer,
    },
    /// All old bytes are staged and durable: the first rename back comes next.
    Restoring,
    /// Every change is taken back and durable; services may still be owed.
    Restored,
    /// Final: the new states stay.
    Committed,
    /// Final: the old states are back.
    RolledBack,
    /// A person gave the generation up: what is there stays.
    Abandoned,
}

/// Says why a document of another format is not read; `ours` is the one that would be.
pub(crate) fn other_format(found: &str, ours: &str) -> String {
    let name = |format: &str| format.rsplit_once('/').map(|(name, _)| name.to_owned());
    let made = if name(found) == name(ours) {
        ", made by a newer certroll"
    } else {
        ""
    };
    format!("is of format `{found}`{made}; this certroll reads `{ours}`")
}

/// What the first line of a journal must say before the rest of it is read.
#[derive(Deserialize)]
struct Head {
    event: String,
    format: String,
}

/// What housekeeping needs of an intent, which may name a hundred thousand changes.
#[derive(Debug, Clone, Deserialize)]
pub struct Gist {
    /// Name of the rollout.
    pub rollout: String,
    /// The identity it puts in force.
    pub identity: IdentityLine,
    /// How much of each change may be shown, in order.
    pub entries: Vec<Shown>,
    /// The oldest generation that it takes back.
    #[serde(default)]
    pub undoes: Option<u64>,
    /// What is remembered of the rollout once it is final.
    #[serde(default)]
    pub remembered: Option<Remembered>,
    /// Whom it sends requests.
    #[serde(default)]
    pub far: Vec<Asked>,
}

/// Whom a request goes to.
#[derive(Debug, Clone, Deserialize)]
pub struct Asked {
    /// The peer, as pins name it.
    pub peer: String,
}

/// What is read of a journal's first line, and learns from the later ones what became of it.
pub trait Replayed: DeserializeOwned {
    /// Takes what an event says of the changes.
    fn learn(&mut self, _event: &Event) {}
}

impl Replayed for Gist {}

impl Replayed for Intent {
    fn learn(&mut self, event: &Event) {
        for (n, far) in self.far.iter_mut().enumerate() {
            far.learn(n, event);
        }
        let Event::Ran { wrote, .. } = event else {
            return;
        };
        for Wrote { change, after } in wrote {
            if let Some(entry) = self.entries.get_mut(*change) {
                entry.after.clone_from(after);
            }
        }
    }
}

/// How much of one change may be shown.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Shown {
    /// Of its content.
    pub sensitivity: Sensitivity,
}

/// Returns the length of the lines that are whole: all but a last one that is torn.
///
/// A torn line may lack its end, or hold zeroes where a power cut left the size of a file without its bytes; JSON holds
/// no zero byte (RFC 8259 section 7).
pub(crate) fn whole(text: &[u8]) -> usize {
    let end = |text: &[u8]| {
        text.iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1)
    };
    let lines = end(text);
    let last = end(&text[..lines.saturating_sub(1)]);
    if text[last..lines].contains(&0) {
        last
    } else {
        lines
    }
}

/// Reads a journal: its intent, whole or in part, and how far it came. A torn last line is an event that did not
/// happen.
///
/// # Errors
/// [`Error::Stored`] where the intent is missing or of a newer version, or a whole line is damaged.
pub fn replay<T: Replayed>(path: &str, text: &str) -> Result<(T, Status)> {
    let stored = |message: String| Error::Stored {
        path: path.to_owned(),
        message,
    };
    let text = &text[..whole(text.as_bytes())];
    let Some((first, rest)) = text.split_once('\n') else {
        return Err(stored("its intent is missing or cut short".to_owned()));
    };
    let damaged = |e: serde_json::Error| stored(format!("line 1: {e}"));
    let head: Head = serde_json::from_str(first).map_err(damaged)?;
    if head.format != FORMAT {
        return Err(stored(other_format(&head.format, FORMAT)));
    }
    if head.event != "begun" {
        return Err(stored("line 1 is not an intent".to_owned()));
    }
    let mut intent: T = serde_json::from_str(first).map_err(damaged)?;
    let mut status = Status::Open;
    for (index, line) in rest.lines().enumerate() {
        let number = index + 2;
        let event: Event =
            serde_json::from_str(line).map_err(|e| stored(format!("line {number}: {e}")))?;
        status = status
            .next(&event)
            .map_err(|e| stored(format!("line {number}: {e}")))?;
        intent.learn(&event);
    }
    Ok((intent, status))
}
