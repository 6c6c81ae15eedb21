//! What the journal keeps of one change.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::DigestKey;
use crate::{
    plan::Change,
    state::{Attrs, Bytes, Content, HostPath, Sensitivity, State},
};

/// A state as the journal describes it: bytes by their keyed digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Record {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// HMAC-SHA-256 of the bytes with the host's own key, lower hex.
        digest: String,
        /// Number of bytes.
        size: usize,
        /// Owner, group, mode, xattrs.
        attrs: Attrs,
    },
    /// A symbolic link.
    Link {
        /// The text it holds.
        target: String,
        /// Owner and group.
        attrs: Attrs,
    },
    /// A directory.
    Dir {
        /// Owner, group, mode.
        attrs: Attrs,
    },
    /// A device, socket or pipe.
    Other,
}

impl Record {
    /// Describes a state.
    #[must_use]
    pub fn of(state: &State, key: &DigestKey) -> Self {
        match state {
            State::Absent => Self::Absent,
            State::Present { content, attrs } => match content {
                Content::File(bytes) => Self::File {
                    digest: key.digest(bytes),
                    size: bytes.len(),
                    attrs: attrs.clone(),
                },
                Content::Link(target) => Self::Link {
                    target: target.clone(),
                    attrs: attrs.clone(),
                },
                Content::Dir => Self::Dir {
                    attrs: attrs.clone(),
                },
                Content::Other => Self::Other,
            },
        }
    }

    /// Returns the state described; the bytes of a file are given, since only their digest is here.
    #[must_use]
    pub fn state(&self, bytes: Bytes) -> State {
        let (content, attrs) = match self {
            Self::Absent => return State::Absent,
            Self::File { attrs, .. } => (Content::File(bytes), attrs.clone()),
            Self::Link { target, attrs } => (Content::Link(target.clone()), attrs.clone()),
            Self::Dir { attrs } => (Content::Dir, attrs.clone()),
            Self::Other => (Content::Other, Attrs::default()),
        };
        State::Present { content, attrs }
    }

    /// Tells whether a state is the one described; a link's permission bits mean nothing.
    #[must_use]
    pub fn matches(&self, state: &State, key: &DigestKey) -> bool {
        match (self, Self::of(state, key)) {
            (
                Self::Link {
                    target: a,
                    attrs: x,
                },
                Self::Link {
                    target: b,
                    attrs: y,
                },
            ) => *a == b && (x.uid, x.gid) == (y.uid, y.gid),
            (_, found) => *self == found,
        }
    }
}

/// One change as the journal describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where.
    pub path: HostPath,
    /// Name of the kind.
    pub kind: Cow<'static, str>,
    /// What was there; the bytes of a file are in `before/N`.
    pub before: Record,
    /// What is to be there.
    pub after: Record,
    /// How much of it may be shown.
    pub sensitivity: Sensitivity,
    /// Whether it holds a part of the identity.
    pub identity: bool,
    /// The directory in which its new bytes are staged.
    pub staging: HostPath,
    /// Whether it is written through its own inode.
    pub in_place: bool,
}

impl Entry {
    pub(super) fn of(change: Change, key: &DigestKey) -> Self {
        Self {
            path: change.path,
            kind: change.kind,
            before: Record::of(&change.before, key),
            after: Record::of(&change.after, key),
            sensitivity: change.sensitivity,
            identity: change.identity,
            staging: change.staging,
            in_place: change.in_place,
        }
    }
}
