//! The only way to change a host: every edit and command is held against the plan in force.

use std::collections::HashSet;

use super::{Command, Edit, Host, Output, Place};
use crate::{
    error::{Error, Result},
    state::HostPath,
};

/// What the plan in force names: paths it may change and commands it may run.
#[derive(Debug, Default, Clone)]
pub struct Permit {
    /// Paths whose states may change.
    pub paths: HashSet<HostPath>,
    /// Directories in which new bytes are staged under a `.certroll-` name.
    pub staging: HashSet<HostPath>,
    /// Argument vectors that may run.
    pub commands: HashSet<Vec<String>>,
}

/// A host that may be changed within a [`Permit`].
pub struct Writer<'h> {
    host: &'h mut dyn Host,
    permit: Permit,
    marker: String,
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}

impl<'h> Writer<'h> {
    /// Arms a host with what a plan names; `marker` goes with every command, so that recovery can find its leftovers.
    pub fn new(host: &'h mut dyn Host, permit: Permit, marker: String) -> Self {
        Self {
            host,
            permit,
            marker,
        }
    }

    /// Returns the host for everything that does not change it.
    #[must_use]
    pub fn host(&self) -> &dyn Host {
        self.host
    }

    /// Makes one edit.
    ///
    /// # Errors
    /// [`Error::NotPlanned`] where the plan does not name it; else as [`Host::edit`].
    pub fn edit(&mut self, edit: &Edit) -> Result<()> {
        let places: &[&Place] = match edit {
            Edit::Create { at, .. }
            | Edit::Remove { at }
            | Edit::Overwrite { at, .. }
            | Edit::Append { at, .. } => &[at],
            Edit::Rename { from, to } => &[from, to],
        };
        for place in places {
            if !self.permits(place) {
                return Err(Error::NotPlanned {
                    verb: "change",
                    what: place.path().to_string(),
                });
            }
        }
        self.host.edit(edit)
    }

    /// Runs one command; `told` gets a line where a signal has to wait for its end.
    ///
    /// # Errors
    /// [`Error::NotPlanned`] where the plan does not name it; else as [`Host::run`].
    pub fn run(&mut self, command: &Command, told: &dyn Fn(&str)) -> Result<Output> {
        if !self.permit.commands.contains(&command.argv) {
            return Err(Error::NotPlanned {
                verb: "run",
                what: command.line(),
            });
        }
        self.host.run(command, &self.marker, told)
    }

    /// Makes edits durable.
    ///
    /// # Errors
    /// As [`Host::sync`].
    pub fn sync(&mut self, places: &[Place]) -> Result<()> {
        self.host.sync(places)
    }

    fn permits(&self, place: &Place) -> bool {
        match place {
            Place::State(_) => true,
            Place::Tree(path) => {
                let staged = path.name().starts_with(".certroll-")
                    && path
                        .parent()
                        .is_some_and(|dir| self.permit.staging.contains(&dir));
                staged || self.permit.paths.contains(path)
            }
        }
    }
}
