//! Who may write what decides: root must not do what somebody else had a hand in.

use std::{collections::VecDeque, os::fd::OwnedFd};

use rustix::{
    fs::{FileType, OFlags, Statx},
    io::Errno,
};

use super::files::{Base, kind_of, only_ours, read_link, stat_at};
use crate::{
    error::{On as _, Result},
    state::HostPath,
};

/// Links that may follow one another (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// Returns the first object on the way to a path that others may change: a directory, a link, or what is at its end; where nothing
/// is there, a directory that others may add it to.
/// `also` is a user who may, besides root and the effective user.
///
/// The path is walked as the kernel walks it, `..` after a link included, so that what is judged is what will be read.
pub(super) fn open_to_others(base: &Base, path: &str, also: Option<u32>) -> Result<Option<String>> {
    let mut ahead: VecDeque<String> = names(path).collect();
    let mut at = HostPath::default();
    let mut links = 0;
    let top = base
        .open_plain(&at, OFlags::PATH)
        .on("look at", base.show(&at))?;
    let stat = stat_at(&top, "").on("look at", base.show(&at))?;
    let mut takes_names = false;
    if !ours(&top, &stat, also) {
        return Ok(Some(base.show(&at)));
    }
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            at = at.parent().unwrap_or_default();
            continue;
        }
        let here = at.join(&name);
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let fd = match base.open_plain(&here, flags) {
            Err(Errno::NOENT) if takes_names => return Ok(Some(base.show(&at))),
            opened => opened.on("look at", base.show(&here))?,
        };
        let stat = stat_at(&fd, "").on("look at", base.show(&here))?;
        if !ours(&fd, &stat, also) {
            return Ok(Some(base.show(&here)));
        }
        if kind_of(&stat) != FileType::Symlink {
            takes_names = !only_ours(&fd, &stat, false, also);
            at = here;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::LOOP).on("follow", base.show(&here));
        }
        let target = read_link(&fd, "").on("read", base.show(&here))?;
        if target.starts_with('/') {
            at = HostPath::default();
        }
        for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
            ahead.push_front(name);
        }
    }
    Ok(None)
}

fn names(path: &str) -> impl Iterator<Item = String> {
    let names = path
        .split('/')
        .filter(|name| !name.is_empty() && *name != ".");
    names.map(str::to_owned)
}

/// Tells whether none but root, the effective user and `also` may change an object.
fn ours(object: &OwnedFd, stat: &Statx, also: Option<u32>) -> bool {
    let kind = kind_of(stat);
    // In a sticky directory (/tmp) others can add names but not replace ours (unlink(2)); a link's own mode means
    // nothing.
    let sticky = u32::from(stat.stx_mode) & 0o1000 != 0 && kind == FileType::Directory;
    only_ours(object, stat, sticky || kind == FileType::Symlink, also)
}
