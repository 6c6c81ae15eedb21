//! States: what is, or should be, at one path of the host.
//!
//! A state is a value. The planner compares states, the journal describes them, and undo writes the one from before;
//! none of them looks inside for what kind of resource it belongs to.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::acl;

mod path;

pub use path::{HostPath, NotAPath};

/// How much of some content may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// All of it.
    #[default]
    Public,
    /// Nothing: type, size and public fingerprint only.
    Secret,
    /// What is changed and the lines around it, but no password, token or key: a document that others made.
    Values,
}

/// Bytes that are wiped when the last copy is dropped and never printed; copies share them, so that a secret is in memory once.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bytes(Arc<Zeroizing<Vec<u8>>>);

impl Bytes {
    /// Returns the bytes; the caller must not print secret ones.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// Returns the number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes as text with undecodable ones replaced; for public content only.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// Owner, group, permission bits and extended attributes of one object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attrs {
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Permission bits, `0o7777` at most; meaningless for a link.
    pub mode: u32,
    /// Extended attributes, ACL (`system.posix_acl_access`) and label (`security.selinux`) among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What an object is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    File(Bytes),
    /// A symbolic link and the text it holds.
    Link(String),
    /// A directory; what is inside is not part of the state.
    Dir,
    /// A device, socket or pipe: never written, never replaced.
    Other,
}

/// What is, or should be, at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Absent,
    /// One object.
    Present {
        /// What it is made of.
        content: Content,
        /// Its attributes.
        attrs: Attrs,
    },
}

impl State {
    /// A regular file.
    #[must_use]
    pub fn file(bytes: impl Into<Bytes>, attrs: Attrs) -> Self {
        Self::Present {
            content: Content::File(bytes.into()),
            attrs,
        }
    }

    /// Returns the bytes of a regular file.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Present {
                content: Content::File(bytes),
                ..
            } => Some(bytes),
            Self::Present { .. } | Self::Absent => None,
        }
    }

    /// Returns the text a link holds.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        match self {
            Self::Present {
                content: Content::Link(target),
                ..
            } => Some(target),
            Self::Present { .. } | Self::Absent => None,
        }
    }

    /// Returns the attributes of what is there.
    #[must_use]
    pub fn attrs(&self) -> Option<&Attrs> {
        match self {
            Self::Present { attrs, .. } => Some(attrs),
            Self::Absent => None,
        }
    }

    /// Tells whether a directory is there.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        matches!(
            self,
            Self::Present {
                content: Content::Dir,
                ..
            }
        )
    }

    /// Says in a word what is there.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Absent => "nothing",
            Self::Present {
                content: Content::File(_),
                ..
            } => "file",
            Self::Present {
                content: Content::Link(_),
                ..
            } => "link",
            Self::Present {
                content: Content::Dir,
                ..
            } => "directory",
            Self::Present {
                content: Content::Other,
                ..
            } => "device, socket or pipe",
        }
    }
}

/// What a profile asks for: content, and the attributes it names; the rest are those of what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What the object is made of.
    pub content: Content,
    /// Numeric owner, if named.
    pub uid: Option<u32>,
    /// Numeric group, if named.
    pub gid: Option<u32>,
    /// Permission bits, if named.
    pub mode: Option<u32>,
}

impl Wanted {
    /// Completes the wanted state with the attributes of `before`; a new object belongs to `fresh` (owner, group) and
    /// is 0644, and 0600 where it may hold what is not for everybody.
    #[must_use]
    pub fn over(self, before: &State, sensitivity: Sensitivity, fresh: (u32, u32)) -> State {
        let fresh_mode = match (&self.content, sensitivity) {
            (Content::Dir, _) => 0o755,
            (Content::Link(_), _) => 0o777,
            (_, Sensitivity::Secret | Sensitivity::Values) => 0o600,
            (_, Sensitivity::Public) => 0o644,
        };
        let kept = match (before, &self.content) {
            (
                State::Present {
                    content: Content::File(_),
                    attrs,
                },
                Content::File(_),
            )
            | (
                State::Present {
                    content: Content::Dir,
                    attrs,
                },
                Content::Dir,
            )
            | (
                State::Present {
                    content: Content::Link(_),
                    attrs,
                },
                Content::Link(_),
            ) => attrs.clone(),
            _ => Attrs {
                uid: fresh.0,
                gid: fresh.1,
                mode: fresh_mode,
                ..Attrs::default()
            },
        };
        let mut attrs = kept;
        attrs.uid = self.uid.unwrap_or(attrs.uid);
        attrs.gid = self.gid.unwrap_or(attrs.gid);
        attrs.mode = self.mode.unwrap_or(attrs.mode);
        if let Some(value) = attrs.xattrs.get_mut(acl::ACL) {
            *value = acl::with_mode(value, attrs.mode);
        }
        State::Present {
            content: self.content,
            attrs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_do_not_show_themselves() {
        assert_eq!(format!("{:?}", Bytes::from(b"key".to_vec())), "[3 bytes]");
    }
}
