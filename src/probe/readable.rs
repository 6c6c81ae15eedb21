//! Whether a user or a group can read a file, decided from modes, owners and ACLs without becoming that user.

use std::{collections::VecDeque, fmt};

use crate::{
    acl::{self, ACL, Tag},
    desired::Reader,
    error::Result,
    host::{Host, Tree},
    state::{Attrs, Content, HostPath, State},
};

/// Links that may follow one another (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// Permission bit: read a file.
const READ: u32 = 4;
/// Permission bit: go through a directory.
const SEARCH: u32 = 1;

/// Who reads, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// For people, as in `user www-data`.
    pub label: String,
    /// The argument of setfacl(1) that names it, as in `u:www-data`.
    pub acl: String,
    /// User id; none for any member of a group that is neither owner nor root.
    pub uid: Option<u32>,
    /// Primary and supplementary groups.
    pub gids: Vec<u32>,
    /// Whether modes do not bind it, as root with its capabilities.
    pub reads_all: bool,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The file, or the directory or link on the way, that is in the way.
    pub at: HostPath,
    /// What is missing.
    pub what: String,
    /// The command that gives it, where one does.
    pub fix: Option<String>,
    /// A group that the reader is in, by number.
    pub group: Option<u32>,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fix {
            Some(fix) => write!(f, "{} (`{fix}`)", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl Identity {
    /// Finds the numbers of a reader.
    ///
    /// # Errors
    /// [`crate::error::Error::Unknown`] where there is no such user or group.
    pub fn of(host: &dyn Host, reader: &Reader) -> Result<Self> {
        Ok(match reader {
            Reader::User(name) => {
                let user = host.user(name)?;
                Self {
                    label: format!("user `{name}`"),
                    acl: format!("u:{name}"),
                    uid: Some(user.uid),
                    reads_all: user.uid == 0,
                    gids: user.groups,
                }
            }
            Reader::Group(name) => Self {
                label: format!("group `{name}`"),
                acl: format!("g:{name}"),
                uid: None,
                gids: vec![host.group(name)?],
                reads_all: false,
            },
        })
    }
}

/// Looks at every path of a probe on the live tree.
pub(super) fn observe(
    host: &dyn Host,
    paths: &[HostPath],
    by: &Reader,
) -> Vec<(HostPath, Option<String>)> {
    let reader = Identity::of(host, by);
    let reason = |path: &HostPath| match &reader {
        Ok(reader) => readable(host.tree(), path, reader)
            .err()
            .map(|denial| denial.to_string()),
        Err(error) => Some(error.to_string()),
    };
    paths
        .iter()
        .map(|path| (path.clone(), reason(path)))
        .collect()
}

/// Decides whether a reader can open a file: `x` on every directory on the way, through links too, and `r` on the file.
///
/// Works on any tree, so on a plan's picture of the host as well. Only modes, owners and POSIX ACLs count; what a
/// security module adds is not seen.
///
/// # Errors
/// The reason, with the path and the bit that is missing, and the command that gives it.
pub fn readable(tree: &dyn Tree, path: &HostPath, reader: &Identity) -> Result<(), Denial> {
    let mut ahead: VecDeque<String> = components(path);
    let root = path.link_target("/");
    let mut at = root.clone();
    let mut links = 0;
    let no = |at: &HostPath, what: String| {
        let at = at.clone();
        Err(Denial {
            at,
            what,
            fix: None,
            group: None,
        })
    };
    loop {
        let state = match tree.read(&at) {
            Ok(state) => state,
            Err(error) => return no(&at, format!("`{at}` cannot be looked at: {error}")),
        };
        match state {
            State::Absent => return no(&at, format!("`{at}` does not exist")),
            State::Present {
                content: Content::Link(target),
                ..
            } => {
                links += 1;
                if links > MOST_LINKS {
                    return no(
                        path,
                        format!("`{path}` goes through more than {MOST_LINKS} links"),
                    );
                }
                let mut parts = components(&at.link_target(&target));
                parts.append(&mut ahead);
                ahead = parts;
                at = root.clone();
            }
            State::Present {
                content: Content::Dir,
                attrs,
            } => {
                let Some(next) = ahead.pop_front() else {
                    return no(&at, format!("`{at}` is a directory"));
                };
                allowed(&at, &attrs, reader, SEARCH)?;
                at = at.join(&next);
            }
            State::Present { content, attrs } => {
                if !ahead.is_empty() {
                    return no(&at, format!("`{at}` is not a directory"));
                }
                if content == Content::Other {
                    return no(&at, format!("`{at}` is not a regular file"));
                }
                return allowed(&at, &attrs, reader, READ);
            }
        }
    }
}

fn components(path: &HostPath) -> VecDeque<String> {
    path.as_str()
        .split('/')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Which class of permissions decides for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Root,
    Owner,
    Named,
    Group,
    Other,
}

fn allowed(at: &HostPath, attrs: &Attrs, reader: &Identity, bit: u32) -> Result<(), Denial> {
    let (class, permissions) = decide(attrs, reader);
    if class == Class::Root || permissions & bit == bit {
        return Ok(());
    }
    let letter = if bit == READ { "r" } else { "x" };
    let fix = match class {
        Class::Owner => format!("chmod u+{letter} {at}"),
        Class::Group if !attrs.xattrs.contains_key(ACL) => format!("chmod g+{letter} {at}"),
        Class::Group | Class::Named | Class::Other | Class::Root => {
            format!("setfacl -m {}:{letter} {at}", reader.acl)
        }
    };
    let acl = if attrs.xattrs.contains_key(ACL) {
        " with an ACL"
    } else {
        ""
    };
    Err(Denial {
        at: at.clone(),
        what: format!(
            "`{at}` is {:04o} {}:{}{acl}, {} lacks `{letter}` on it",
            attrs.mode & 0o7777,
            attrs.uid,
            attrs.gid,
            reader.label
        ),
        fix: Some(fix),
        group: reader.gids.first().copied(),
    })
}

/// The access check of acl(5): owner, named user, groups (any that grants), other; the mask limits all but the first
/// and the last.
fn decide(attrs: &Attrs, reader: &Identity) -> (Class, u32) {
    if reader.reads_all {
        return (Class::Root, 7);
    }
    let acl = attrs.xattrs.get(ACL).and_then(|value| acl::parse(value));
    let mode = attrs.mode;
    if reader.uid == Some(attrs.uid) {
        return (Class::Owner, mode >> 6 & 7);
    }
    let Some(acl) = acl else {
        return if reader.gids.contains(&attrs.gid) {
            (Class::Group, mode >> 3 & 7)
        } else {
            (Class::Other, mode & 7)
        };
    };
    let mask = acl
        .iter()
        .find(|entry| entry.tag == Tag::Mask)
        .map_or(7, |entry| entry.permissions);
    let named = acl
        .iter()
        .find(|entry| entry.tag == Tag::User && Some(entry.id) == reader.uid);
    if let Some(entry) = named {
        return (Class::Named, entry.permissions & mask);
    }
    let groups: Vec<u32> = acl
        .iter()
        .filter(|entry| match entry.tag {
            Tag::GroupObj => reader.gids.contains(&attrs.gid),
            Tag::Group => reader.gids.contains(&entry.id),
            Tag::Mask | Tag::Other | Tag::User | Tag::UserObj => false,
        })
        .map(|entry| entry.permissions & mask)
        .collect();
    if !groups.is_empty() {
        // One bit is asked at a time, so any group that has it grants it.
        return (Class::Group, groups.iter().fold(0, |all, one| all | one));
    }
    (Class::Other, mode & 7)
}
