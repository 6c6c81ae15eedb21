//! The only way to change a host: every edit and command is held against the plan in force.

use std::collections::HashSet;

use super::{Call, Command, Edit, Host, Output, Place, Reply};
use crate::{
    error::{Error, Result},
    peer::Accept,
    state::{Bytes, HostPath},
};

/// What the plan in force names: paths it may change and commands it may run.
#[derive(Debug, Default, Clone)]
pub struct Permit {
    /// The generation whose directory may be written and whose staged names may be used; 0: none. Of the others
    /// things may only be removed, which is housekeeping.
    pub generation: u64,
    /// Paths whose states may change.
    pub paths: HashSet<HostPath>,
    /// Those of them that are written through their own inode.
    pub in_place: HashSet<HostPath>,
    /// Directories in which new bytes are staged, under the names that [`Permit::generation`] has.
    pub staging: HashSet<HostPath>,
    /// Argument vectors that may run.
    pub commands: HashSet<Vec<String>>,
    /// Requests that may be sent: peer as `host:port`, method and path.
    pub requests: HashSet<(String, String, String)>,
    /// Argument vectors that may be given something to read.
    pub fed: HashSet<Vec<String>>,
}

/// Files of the state directory that belong to no generation; each is replaced by way of its name with `.new`.
const SHARED: [&str; 4] = ["/digest.key", "/pending", "/pins.json", "/rollouts.json"];

/// The name under which the n-th change of a generation is staged; the backward way has its own.
pub(crate) fn staged_name(generation: u64, index: usize, backward: bool) -> String {
    let way = if backward { "u" } else { "" };
    format!(".certroll-{generation}-{way}{index}")
}

impl Permit {
    /// Permits what concerns one generation in the state directory, and nothing of the host.
    #[must_use]
    pub fn of_state(generation: u64) -> Self {
        Self {
            generation,
            ..Self::default()
        }
    }

    fn permits(&self, edit: &Edit) -> bool {
        use Place::{State, Tree};
        match edit {
            Edit::Create { at: Tree(path), .. } => self.is_staged(path),
            Edit::Rename {
                from: Tree(from),
                to: Tree(to),
            } => self.is_staged(from) && self.paths.contains(to),
            Edit::Remove { at: Tree(path) } => {
                self.is_below_staged(path) || self.paths.contains(path)
            }
            Edit::Overwrite { at: Tree(path), .. } => self.in_place.contains(path),
            Edit::Create {
                at: State(path), ..
            }
            | Edit::Append {
                at: State(path), ..
            } => self.is_kept(path),
            Edit::Rename {
                from: State(from),
                to: State(to),
            } => self.is_kept(from) && self.is_kept(to),
            Edit::Remove { at: State(path) } => self.is_kept(path) || generation_of(path).is_some(),
            // Nothing goes from one area to the other, nothing grows on the host, and no record is written over.
            Edit::Append { at: Tree(_), .. }
            | Edit::Overwrite { at: State(_), .. }
            | Edit::Rename { .. } => false,
        }
    }

    /// Tells whether a path is a name that new bytes of this generation are staged under.
    fn is_staged(&self, path: &HostPath) -> bool {
        let number = path
            .name()
            .strip_prefix(&format!(".certroll-{}-", self.generation));
        let number = number.map(|rest| rest.strip_prefix('u').unwrap_or(rest));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            && path.parent().is_some_and(|dir| self.staging.contains(&dir))
    }

    /// Tells whether a path is staged, or lies in a directory that is: one whose own rename a power cut undid holds what
    /// was staged in it.
    fn is_below_staged(&self, path: &HostPath) -> bool {
        std::iter::successors(Some(path.clone()), HostPath::parent).any(|at| self.is_staged(&at))
    }

    /// Tells whether a path of the state directory is one that this generation writes.
    fn is_kept(&self, path: &HostPath) -> bool {
        let whole = path.as_str().strip_suffix(".new").unwrap_or(path.as_str());
        SHARED.contains(&whole)
            || whole == "/generations"
            || (self.generation != 0 && generation_of(path) == Some(self.generation))
    }
}

/// Returns the number of the generation that a path of the state directory belongs to.
fn generation_of(path: &HostPath) -> Option<u64> {
    let below = path.as_str().strip_prefix("/generations/")?;
    below.split('/').next()?.parse().ok()
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
        if !self.permit.permits(edit) {
            let (Edit::Create { at, .. }
            | Edit::Remove { at }
            | Edit::Overwrite { at, .. }
            | Edit::Append { at, .. }
            | Edit::Rename { to: at, .. }) = edit;
            return Err(Error::NotPlanned {
                verb: "change",
                what: at.path().to_string(),
            });
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

    /// Runs a command to its end with secrets to read.
    ///
    /// # Errors
    /// [`Error::NotPlanned`] where the plan does not name it; else as [`Host::feed`].
    pub fn feed(&mut self, command: &Command, input: &Bytes) -> Result<Output> {
        if !self.permit.fed.contains(&command.argv) {
            return Err(Error::NotPlanned {
                verb: "run",
                what: command.line(),
            });
        }
        self.host.feed(command, input, &self.marker)
    }

    /// Sends one request.
    ///
    /// # Errors
    /// [`Error::NotPlanned`] where the plan does not name it, or it does not go over TLS to leaves that are named; else as
    /// [`Host::send`].
    pub fn send(&mut self, peer: &str, call: &Call) -> Result<Reply> {
        let named = (peer.to_owned(), call.method.clone(), call.path.clone());
        let kept = call.tls && matches!(call.dial.accept, Accept::Only(_));
        if !kept || !self.permit.requests.contains(&named) {
            return Err(Error::NotPlanned {
                verb: "send",
                what: format!("{} {peer}{}", call.method, call.path),
            });
        }
        self.host.send(call)
    }

    /// Makes edits durable.
    ///
    /// # Errors
    /// As [`Host::sync`].
    pub fn sync(&mut self, places: &[Place]) -> Result<()> {
        self.host.sync(places)
    }
}
