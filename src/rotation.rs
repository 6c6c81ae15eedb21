//! Rotations in phases: trust before identity, so that no call over mutual TLS ever meets a leaf that is not trusted. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result, backticked},
    profile::Profile,
};

/// How far the rotation of a rollout came: what no host can show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Fingerprint of the leaf that comes (SHA-256, lower hex).
    pub leaf: String,
    /// Names of all phases, in order.
    pub phases: Vec<String>,
    /// How many of them are done.
    pub done: usize,
    /// Fingerprints of the leaves that go.
    pub old: BTreeSet<String>,
}

/// One phase of a rotation, as a plan carries it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Names of all phases, in order.
    pub phases: Vec<String>,
    /// Which of them this is, from 0.
    pub at: usize,
    /// How many were done before.
    pub done: usize,
    /// Whether nothing but its proof is left.
    pub owed: bool,
}

/// What profiles see of a rotation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// The phase, from 0; none: there are none, and everything is wanted at once.
    pub at: Option<usize>,
    /// Fingerprints of the leaves whose trust goes now; empty as long as it stays.
    pub gone: BTreeSet<String>,
    /// Whether old trust stays.
    pub keeps: bool,
}

impl Rotation {
    /// Returns what profiles see in a phase.
    #[must_use]
    pub fn turn(&self, at: usize) -> Turn {
        let keeps = at + 1 < self.phases.len();
        Turn {
            at: Some(at),
            gone: if keeps {
                BTreeSet::new()
            } else {
                self.old.clone()
            },
            keeps,
        }
    }

    /// Returns the number of phases that are done once the one of this name is.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is none.
    pub fn until(&self, name: &str) -> Result<usize> {
        let found = self.phases.iter().position(|phase| phase == name);
        found.map(|at| at + 1).ok_or_else(|| Error::Unknown {
            what: "phase",
            name: name.to_owned(),
            known: self.phases.clone(),
        })
    }

    /// Takes the phases that the profiles have now: what is done is known by name.
    #[must_use]
    pub fn with(mut self, phases: &[String]) -> Self {
        let last = self.done.checked_sub(1).and_then(|n| self.phases.get(n));
        let found = last.and_then(|last| phases.iter().position(|phase| phase == last));
        self.done = found.map_or(0, |at| at + 1);
        self.phases = phases.to_vec();
        self
    }

    /// Names the phase that was done last, as in `trust (1 of 4)`.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        numbered(&self.phases, self.done.checked_sub(1)?)
    }
}

impl Phase {
    /// Names it, as in `trust (1 of 4)`.
    #[must_use]
    pub fn title(&self) -> String {
        numbered(&self.phases, self.at).unwrap_or_default()
    }

    /// Tells whether the rotation is under way: a phase is done, and the last one not.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        (1..self.phases.len()).contains(&self.done)
    }

    /// Says how far the rotation is, as in `trust (1 of 4) is done; next is server`.
    #[must_use]
    pub fn standing(&self) -> String {
        let done = self.done.checked_sub(1);
        let done = done.and_then(|at| numbered(&self.phases, at));
        match (done, self.phases.get(self.done)) {
            (Some(done), Some(next)) => format!("{done} is done; next is {next}"),
            (Some(done), None) => format!("{done} is done"),
            (None, _) => "has not begun".to_owned(),
        }
    }

    /// Returns the names of those that follow it.
    #[must_use]
    pub fn rest(&self) -> &[String] {
        self.phases.get(self.at + 1..).unwrap_or_default()
    }
}

fn numbered(phases: &[String], at: usize) -> Option<String> {
    let name = phases.get(at)?;
    Some(format!("{name} ({} of {})", at + 1, phases.len()))
}

/// Returns the phases that profiles have together; none where they have none.
///
/// # Errors
/// [`Error::Usage`] where they differ: what one wants at once could need what another has in a later phase.
pub fn phases<'p>(profiles: impl Iterator<Item = &'p Profile>) -> Result<Vec<String>> {
    let mut first: Option<&Profile> = None;
    for profile in profiles {
        let Some(other) = first else {
            first = Some(profile);
            continue;
        };
        if other.phases != profile.phases {
            let said = |profile: &Profile| match profile.phases.as_slice() {
                [] => format!("`{}` has no phases", profile.name),
                some => format!("`{}` has the phases {}", profile.name, backticked(some)),
            };
            return Err(Error::Usage {
                message: format!("{}, and {}", said(other), said(profile)),
                hint: "make them rollouts of their own, or give them the same `phases`".to_owned(),
            });
        }
    }
    Ok(first.map(|p| p.phases.clone()).unwrap_or_default())
}

/// Returns the label of a trusted certificate: `<name>-<8 hex>` of its fingerprint, so that old and new stand side by side.
#[must_use]
pub fn label(name: &str, sha256: &str) -> String {
    format!("{name}-{}", sha256.get(..8).unwrap_or(sha256))
}

/// Tells whether a label is one of this name's.
#[must_use]
pub fn is_label(text: &str, name: &str) -> bool {
    let digits = text
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('-'));
    digits.is_some_and(|d| d.len() == 8 && d.bytes().all(|b| b.is_ascii_hexdigit()))
}
