//! Who keeps the old inode of a file: processes that have it open or mapped, and mounts of it elsewhere.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs,
    time::{Duration, Instant},
};

use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::mounts::Line;
use crate::{host::Holder, state::HostPath};

/// The longest that is looked: a host with a hundred thousand descriptors is looked at in part.
const LIMIT: Duration = Duration::from_millis(400);

/// Device and number of an inode, which tell it from all others.
pub(super) type Inode = (u32, u32, u64);

/// Looks through `/proc` for holders of some inodes; what may not be looked at, or is gone by then, is passed over.
pub(super) fn find(wanted: &HashMap<Inode, HostPath>) -> Vec<Holder> {
    let end = Instant::now() + LIMIT;
    let names: HashSet<&str> = wanted.values().map(HostPath::name).collect();
    let mut spaces = HashSet::new();
    let mut found = BTreeSet::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if Instant::now() >= end {
            break;
        }
        let process = Process { pid, wanted };
        process.open(end, &mut found);
        process.mapped(&names, &mut found);
        if fs::read_link(format!("/proc/{pid}/ns/mnt")).is_ok_and(|space| spaces.insert(space)) {
            process.mounted(&names, &mut found);
        }
    }
    found.into_iter().collect()
}

struct Process<'w> {
    pid: i32,
    wanted: &'w HashMap<Inode, HostPath>,
}

impl Process<'_> {
    fn open(&self, end: Instant, found: &mut BTreeSet<Holder>) {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.pid));
        for entry in descriptors.into_iter().flatten().flatten() {
            if Instant::now() >= end {
                return;
            }
            self.judge(&entry.path().display().to_string(), None, found);
        }
    }

    /// Only what is mapped under a name that is wanted is looked at closer: a process maps hundreds of libraries.
    fn mapped(&self, names: &HashSet<&str>, found: &mut BTreeSet<Holder>) {
        let table = fs::read_to_string(format!("/proc/{}/maps", self.pid)).unwrap_or_default();
        for line in table.lines().filter(|line| ends_in(line, names)) {
            let range = line.split(' ').next().unwrap_or_default();
            self.judge(
                &format!("/proc/{}/map_files/{range}", self.pid),
                None,
                found,
            );
        }
    }

    /// A mount of a directory shows the new file; one of the file itself keeps the old.
    fn mounted(&self, names: &HashSet<&str>, found: &mut BTreeSet<Holder>) {
        let table = fs::read_to_string(format!("/proc/{}/mountinfo", self.pid)).unwrap_or_default();
        for line in table.lines().filter_map(Line::parse) {
            if ends_in(&line.of, names) {
                let path = format!("/proc/{}/root{}", self.pid, line.at);
                self.judge(&path, Some(line.at), found);
            }
        }
    }

    fn judge(&self, path: &str, mount: Option<String>, found: &mut BTreeSet<Holder>) {
        // What the kernel knows by itself: no network file system is waited for.
        let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        let Ok(stat) = rustix::fs::statx(CWD, path, flags, StatxFlags::INO) else {
            return;
        };
        let inode = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
        if let Some(path) = self.wanted.get(&inode) {
            let name = fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
            found.insert(Holder {
                path: path.clone(),
                pid: self.pid,
                name: name.trim_end().to_owned(),
                mount,
            });
        }
    }
}

fn ends_in(text: &str, names: &HashSet<&str>) -> bool {
    let name = text.rsplit('/').next().unwrap_or_default();
    names.contains(name)
}
