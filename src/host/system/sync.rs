//! Durability with a bounded number of syncs, whatever the number of edits.

use std::{
    collections::{BTreeSet, hash_map::Entry},
    os::fd::OwnedFd,
};

use rustix::fs::Statx;

use super::{SystemHost, edits};
use crate::{
    error::{On as _, Result},
    host::Place,
    state::HostPath,
};

/// Up to this many places each file and directory is synced for itself; above, whole file systems are.
///
/// A `syncfs` also writes what others have dirty, so it pays only where it stands for many.
const ONE_BY_ONE: usize = 64;

impl SystemHost {
    /// Remembers the file system of a directory that is about to be written in.
    pub(super) fn note_written(&mut self, dir: &OwnedFd, stat: &Statx) -> Result<()> {
        if let Entry::Vacant(vacant) = self.written.entry((stat.stx_dev_major, stat.stx_dev_minor))
        {
            vacant.insert(dir.try_clone().on("look at", ".")?);
        }
        Ok(())
    }

    /// Makes all edits at these places durable.
    pub(super) fn sync_places(&mut self, places: &[Place]) -> Result<()> {
        if places.len() > ONE_BY_ONE
            && syncfs_reports_errors()
            && self
                .written
                .values()
                .all(|dir| rustix::fs::syncfs(dir).is_ok())
        {
            return Ok(());
        }
        let mut directories: BTreeSet<(bool, HostPath)> = BTreeSet::new();
        for place in places {
            if let Some((dir, name)) = self.base(place)?.parent_if_there(place.path())? {
                edits::sync_file(&dir, name).on("sync", self.shown(place))?;
            }
            let in_state = matches!(place, Place::State(_));
            directories.extend(place.path().parent().map(|parent| (in_state, parent)));
        }
        for (in_state, dir) in directories {
            let place = if in_state {
                Place::State(dir)
            } else {
                Place::Tree(dir)
            };
            if let Some(fd) = self
                .base(&place)?
                .dir(place.path(), rustix::fs::OFlags::RDONLY)?
            {
                rustix::fs::fsync(&fd).on("sync", self.shown(&place))?;
            }
        }
        Ok(())
    }
}

/// Tells whether `syncfs` reports write errors: since Linux 5.8 (syncfs(2)).
fn syncfs_reports_errors() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 8)
}
