//! What is asked of a host besides states: how an object stands, who holds it, who may write what decides.

use super::{Command, Host};
use crate::{
    error::{Error, Result},
    state::HostPath,
};

/// How an object stands in its directory: what decides whether and how it can be replaced, and is no part of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footing {
    /// Whether there is a directory for it to be in.
    pub in_dir: bool,
    /// Whether something is mounted on it, as on `/etc/hosts` in a container: it can only be written in place.
    pub mount_point: bool,
    /// Names of the file (hard links); 0 where nothing is there.
    pub names: u32,
    /// The flag of chattr(1) that forbids to change it: `i` (immutable) or `a` (append-only).
    pub fixed: Option<char>,
    /// The same of the directory it is in.
    pub dir_fixed: Option<char>,
}

/// Who keeps the old inode of a file when another takes its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The file.
    pub path: HostPath,
    /// A process that has it open or mapped, or one that sees the mount.
    pub pid: i32,
    /// Name of that process (`comm` in proc(5)).
    pub name: String,
    /// Where it is mounted, as that process sees it; none where the process has it open or mapped.
    pub mount: Option<String>,
}

/// A file that decides what is done, by who besides root and the effective user may have a hand in it.
#[derive(Debug, Clone, Copy)]
pub enum Deciding<'p> {
    /// A file or folder of a profile, or a program that will run by itself, by its path on this machine: nobody.
    Profile(&'p str),
    /// A file that the caller names: who called through sudo(8), if anybody did.
    Named(&'p str),
    /// A file of the root: nobody.
    Root(&'p HostPath),
}

/// Refuses to root what others may write, or a directory on the way to it; `why` says what it decides.
///
/// # Errors
/// [`Error::Usage`] where others may; else as [`Host::writable_by_others`].
pub fn ours_alone(host: &dyn Host, file: Deciding<'_>, why: &str) -> Result<()> {
    if host.effective_uid() != 0 {
        return Ok(());
    }
    match host.writable_by_others(file)? {
        None => Ok(()),
        Some(open) => Err(Error::Usage {
            message: format!("`{open}` can be written by others than root: {why}"),
            hint: format!("chown root {open} && chmod go-w {open}"),
        }),
    }
}

/// A question to the service manager, which changes nothing: the only commands that run without a plan.
#[derive(Debug, Clone)]
pub struct Question(Command);

impl Question {
    /// Asks for properties (an option of `systemctl show`) of units.
    #[must_use]
    pub fn units(properties: &str, units: &[String]) -> Self {
        let head = ["systemctl", "show", "--no-pager", properties, "--"];
        let argv = head
            .into_iter()
            .map(str::to_owned)
            .chain(units.iter().cloned())
            .collect();
        // A question to a busy manager is answered late; one that takes longer than this is not.
        Self(Command { argv, limit: 30 })
    }

    /// Returns the command that asks it.
    #[must_use]
    pub fn command(&self) -> &Command {
        &self.0
    }
}
