//! What is remembered of rollouts between runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    other_format,
    store::{Store, create, path},
};
use crate::{
    error::{Error, Result},
    host::{Edit, Host, Place, Writer},
    rotation::Rotation,
    state::State,
};

/// What is kept of a rollout between runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Its profiles.
    pub profiles: Vec<String>,
    /// Settings as given.
    pub set: BTreeMap<String, String>,
    /// Findings that were allowed by name.
    pub allow: Vec<String>,
    /// The newest committed generation.
    pub generation: u64,
    /// The generation whose `identity/` holds the identity in force.
    pub identity: u64,
    /// What is still owed: restarts and proofs.
    pub obligations: Vec<String>,
    /// Steps for people that are still open.
    pub steps: Vec<crate::desired::Step>,
    /// Units, full names, that a reload did not make present the new identity: they are restarted at once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub restart: BTreeSet<String>,
    /// How far its rotation came, where its profiles have phases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
}

/// Everything that is remembered, by name of the rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollouts {
    /// `certroll/rollouts/1`.
    pub format: String,
    /// By name.
    pub rollouts: BTreeMap<String, Remembered>,
}

/// What a document must say before the rest of it is read.
#[derive(Deserialize)]
struct Format {
    format: String,
}

impl Default for Rollouts {
    fn default() -> Self {
        Self {
            format: ROLLOUTS.to_owned(),
            rollouts: BTreeMap::new(),
        }
    }
}

const ROLLOUTS: &str = "certroll/rollouts/1";

/// Where what is to be remembered waits for the generation to commit.
const STAGED: &str = "/rollouts.json.new";

impl Store {
    /// Returns what is remembered of rollouts.
    ///
    /// # Errors
    /// [`Error::Stored`] where the file is damaged or of a newer version.
    pub fn rollouts(host: &dyn Host) -> Result<Rollouts> {
        let state = host.load(&path("/rollouts.json"))?;
        let Some(bytes) = state.bytes() else {
            return Ok(Rollouts::default());
        };
        let stored = |message: String| Error::Stored {
            path: "rollouts.json".to_owned(),
            message,
        };
        let damaged = |e: serde_json::Error| stored(e.to_string());
        let Format { format } = serde_json::from_slice(bytes.reveal()).map_err(damaged)?;
        if format != ROLLOUTS {
            return Err(stored(other_format(&format, ROLLOUTS)));
        }
        serde_json::from_slice(bytes.reveal()).map_err(damaged)
    }

    /// Stages what is to be remembered, and returns where; not durable before a sync.
    ///
    /// # Errors
    /// [`Error::Io`] with what is remembered as it was.
    pub fn stage_remembered(writer: &mut Writer<'_>, rollouts: &Rollouts) -> Result<Place> {
        let bytes = serde_json::to_vec_pretty(rollouts).unwrap_or_default();
        Self::drop_remembered(writer)?;
        writer.edit(&create(&path(STAGED), bytes))?;
        Ok(Place::State(path(STAGED)))
    }

    /// Removes what was staged to be remembered, if anything was.
    ///
    /// # Errors
    /// [`Error::Io`] with it still there.
    pub fn drop_remembered(writer: &mut Writer<'_>) -> Result<()> {
        if writer.host().load(&path(STAGED))? == State::Absent {
            return Ok(());
        }
        writer.edit(&Edit::Remove {
            at: Place::State(path(STAGED)),
        })
    }

    /// Puts what was staged in place, durable on return: the mark of an open generation may go only after that.
    ///
    /// # Errors
    /// [`Error::Io`] with it staged or in place.
    pub fn make_remembered(writer: &mut Writer<'_>) -> Result<()> {
        let at = Place::State(path("/rollouts.json"));
        if writer.host().load(&path(STAGED))? != State::Absent {
            writer.edit(&Edit::Rename {
                from: Place::State(path(STAGED)),
                to: at.clone(),
            })?;
        }
        writer.sync(&[at])
    }

    /// Replaces what is remembered, and removes the generations of a rollout that is forgotten.
    ///
    /// # Errors
    /// [`Error::Io`] with some of them left.
    pub fn forget(writer: &mut Writer<'_>, rollout: &str, rollouts: &Rollouts) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(rollouts).unwrap_or_default();
        Self::put(writer, &path("/rollouts.json"), bytes)?;
        for number in Self::numbers(writer.host())? {
            if Self::generation(writer.host(), number).is_ok_and(|g| g.intent.rollout == rollout) {
                Self::remove_all(writer, &Self::file(number, ""))?;
            }
        }
        // What is forgotten must not come back with the next power cut.
        writer.sync(&[Place::State(Self::generations().join("forgotten"))])
    }
}
