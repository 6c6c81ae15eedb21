//! Mounts: how an object stands, and which mounts belong to the root as the run found it.

use std::collections::HashSet;

use rustix::{
    fd::{AsFd, AsRawFd as _},
    fs::{AtFlags, OFlags, Statx, StatxAttributes, StatxFlags},
    io::Errno,
};

use super::{
    files::{Base, stat_at},
    holders::Inode,
};
use crate::{
    error::{On as _, Result},
    host::Footing,
    state::HostPath,
};

impl Base {
    /// Returns what tells the inode at a path from all others; none where nothing can be looked at.
    pub(super) fn inode(&self, path: &HostPath) -> Option<Inode> {
        let (dir, name) = self.parent(path, OFlags::PATH).ok()??;
        let stat = stat_at(&dir, name).ok()?;
        Some((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
    }

    /// Returns how what is at a path stands in its directory.
    pub(super) fn footing(&self, path: &HostPath, there: bool) -> Result<Footing> {
        let Some((dir, name)) = self.parent(path, OFlags::PATH)? else {
            return Ok(Footing::default());
        };
        let above = stat_at(&dir, "").on("look at", self.show(path))?;
        let mut footing = Footing {
            in_dir: true,
            dir_fixed: fixed(&above),
            ..Footing::default()
        };
        if !there {
            return Ok(footing);
        }
        match stat_at(&dir, name) {
            Ok(stat) => {
                footing.mount_point = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
                footing.names = stat.stx_nlink;
                footing.fixed = fixed(&stat);
            }
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno).on("look at", self.show(path)),
        }
        Ok(footing)
    }
}

/// Returns the flag of chattr(1) that forbids to change an object.
fn fixed(stat: &Statx) -> Option<char> {
    if stat.stx_attributes.contains(StatxAttributes::IMMUTABLE) {
        Some('i')
    } else if stat.stx_attributes.contains(StatxAttributes::APPEND) {
        Some('a')
    } else {
        None
    }
}

/// The mounts that an alternate root consists of, so that one swapped in later leads nowhere.
#[derive(Debug, Default)]
pub(super) struct Mounts(Option<HashSet<u64>>);

impl Mounts {
    /// Takes down the mounts of a root and below it. Without `/proc`, there is but the root's own.
    pub(super) fn of_root(root: &Base) -> Self {
        let top = std::fs::read_link(format!("/proc/self/fd/{}", root.as_fd().as_raw_fd()));
        let top = top
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let below = |at: &str| {
            at.strip_prefix(&top)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let lines = table.lines().filter_map(Line::parse);
        let mut known: HashSet<u64> = lines
            .filter(|line| below(&line.at))
            .map(|line| line.id)
            .collect();
        known.extend(look(root.as_fd()).ok().as_ref().and_then(mount_id));
        Self(Some(known))
    }

    /// Refuses a directory on a mount that was not there when the run began, by what [`look`] told of it; before Linux
    /// 5.8 mounts have no number to be told by.
    pub(super) fn admit(&self, dir: &Statx) -> rustix::io::Result<()> {
        match (&self.0, mount_id(dir)) {
            (Some(known), Some(id)) if !known.contains(&id) => Err(Errno::XDEV),
            _ => Ok(()),
        }
    }
}

/// Looks at an open directory, its mount included.
pub(super) fn look(dir: impl AsFd) -> rustix::io::Result<Statx> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    rustix::fs::statx(dir, "", AtFlags::EMPTY_PATH, wanted)
}

fn mount_id(stat: &Statx) -> Option<u64> {
    let told = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::MNT_ID);
    told.then_some(stat.stx_mnt_id)
}

/// One line of `/proc/PID/mountinfo` (`proc_pid_mountinfo(5)`).
pub(super) struct Line {
    /// Number of the mount.
    pub(super) id: u64,
    /// What of its file system is mounted.
    pub(super) of: String,
    /// Where, as the process sees it.
    pub(super) at: String,
}

impl Line {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(' ').collect();
        Some(Self {
            id: fields.first()?.parse().ok()?,
            of: unescaped(fields.get(3)?),
            at: unescaped(fields.get(4)?),
        })
    }
}

/// Undoes the octal escapes of space, tab, line end and backslash.
fn unescaped(field: &str) -> String {
    [
        (r"\040", " "),
        (r"\011", "\t"),
        (r"\012", "\n"),
        (r"\134", r"\"),
    ]
    .iter()
    .fold(field.to_owned(), |text, (from, to)| text.replace(from, to))
}
