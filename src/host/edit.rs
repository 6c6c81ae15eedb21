//! The changes that are made, one at a time.

use crate::state::{HostPath, State};

/// One primitive change of the tree or of the state directory.
///
/// Every edit names one path; attributes are set before the object is under its final name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Make a new object under a name that must not exist: created 0600 (or 0700), then owner, mode, xattrs.
    Create {
        /// Where.
        at: Place,
        /// What; never [`State::Absent`].
        state: State,
    },
    /// Give an object another name, replacing what is there; both in one mount.
    Rename {
        /// From.
        from: Place,
        /// To.
        to: Place,
    },
    /// Remove a file or link, or a directory that is empty.
    Remove {
        /// Which.
        at: Place,
    },
    /// Write the bytes and attributes of a file through its own inode.
    Overwrite {
        /// Which.
        at: Place,
        /// The file's new state.
        state: State,
    },
    /// Add bytes at the end of a file of the state directory, creating it 0600; durable on return.
    Append {
        /// Which.
        at: Place,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// A path in one of the two areas that certroll writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In the host's tree, below `--root`.
    Tree(HostPath),
    /// In the state directory; `/` is the directory itself.
    State(HostPath),
}

impl Place {
    /// Returns the path in its area.
    #[must_use]
    pub fn path(&self) -> &HostPath {
        match self {
            Self::Tree(path) | Self::State(path) => path,
        }
    }
}
