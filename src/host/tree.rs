//! The tree of files, read alone.

use crate::{
    error::{Error, Result},
    state::{Bytes, HostPath, State},
};

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name; names that are not UTF-8 are not listed.
    pub name: String,
    /// What stands there, not followed.
    pub kind: EntryKind,
}

/// What stands at a directory entry, not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

/// A tree of files that can be looked at: a host, or a plan's picture of the host as it will be.
pub trait Tree {
    /// Returns what is at a path, the last component not followed.
    ///
    /// Links on the way are followed inside the root, and only where they and their directory are writable by none
    /// but root or the effective user.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, or is larger than [`super::LARGEST_FILE`].
    fn read(&self, path: &HostPath) -> Result<State>;

    /// Returns the sorted names in a directory, links on the way followed; none where there is no such directory.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be listed.
    fn list(&self, dir: &HostPath) -> Result<Option<Vec<Entry>>>;

    /// Returns the regular files below a directory in order, down to a depth, no link followed; directories that
    /// `enter` refuses and those that cannot be listed are passed over.
    ///
    /// # Errors
    /// [`Error::Io`] where the directory itself cannot be listed.
    fn walk(
        &self,
        top: &HostPath,
        deepest: usize,
        enter: &dyn Fn(&HostPath) -> bool,
    ) -> Result<Vec<HostPath>> {
        let mut files = Vec::new();
        for entry in self.list(top)?.unwrap_or_default() {
            let path = top.join(&entry.name);
            match entry.kind {
                EntryKind::File => files.push(path),
                EntryKind::Dir if deepest > 1 && enter(&path) => {
                    files.extend(self.walk(&path, deepest - 1, enter).unwrap_or_default());
                }
                EntryKind::Dir | EntryKind::Link | EntryKind::Other => {}
            }
        }
        Ok(files)
    }

    /// Returns what is at a path after following links at its end, and the path where it was found.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read or more than forty links (`path_resolution(7)`) follow one another.
    fn read_followed(&self, path: &HostPath) -> Result<(HostPath, State)> {
        let mut at = path.clone();
        for _ in 0..40 {
            let state = self.read(&at)?;
            match state.link() {
                Some(target) => at = at.link_target(target),
                None => return Ok((at, state)),
            }
        }
        Err(Error::Io {
            verb: "follow",
            path: path.to_string(),
            source: rustix::io::Errno::LOOP.into(),
        })
    }

    /// Tells whether a directory is at a path, links followed.
    ///
    /// # Errors
    /// As [`Tree::read_followed`].
    fn is_dir(&self, path: &HostPath) -> Result<bool> {
        Ok(self.read_followed(path)?.1.is_dir())
    }

    /// Returns the text of the file at a path, links followed; none where there is no file.
    ///
    /// # Errors
    /// As [`Tree::read_followed`].
    fn text(&self, path: &HostPath) -> Result<Option<String>> {
        Ok(self.read_followed(path)?.1.bytes().map(Bytes::text))
    }
}
