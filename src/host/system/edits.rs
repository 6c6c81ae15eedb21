//! Edits through a held directory and a single name in it.

use std::{
    fs::File,
    io::Write as _,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
};

use rustix::{
    fs::{AtFlags, Gid, Mode, OFlags, Uid, XattrFlags},
    io::Errno,
};

use super::files::read_xattrs;
use crate::{
    acl::ACL,
    state::{Attrs, Content, State},
};

/// Makes a new object under a name that must not exist, with owner, mode and xattrs before anything else can see it;
/// `born` are the owner and group that a new name in this directory gets.
pub(super) fn create(
    dir: &OwnedFd,
    name: &str,
    state: &State,
    born: (u32, u32),
) -> std::io::Result<()> {
    let State::Present { content, attrs } = state else {
        return Err(Errno::INVAL.into());
    };
    let (uid, gid) = (
        Some(Uid::from_raw(attrs.uid)),
        Some(Gid::from_raw(attrs.gid)),
    );
    match content {
        Content::File(bytes) => {
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?;
            let mut file = File::from(fd);
            file.write_all(bytes.reveal())?;
            set_attrs(&file, attrs)
        }
        Content::Link(target) => {
            rustix::fs::symlinkat(target.as_str(), dir, name)?;
            if born == (attrs.uid, attrs.gid) {
                return Ok(());
            }
            Ok(rustix::fs::chownat(
                dir,
                name,
                uid,
                gid,
                AtFlags::SYMLINK_NOFOLLOW,
            )?)
        }
        Content::Dir => {
            rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o700))?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(dir, name, flags, Mode::empty())?;
            rustix::fs::fchown(&fd, uid, gid)?;
            Ok(rustix::fs::fchmod(&fd, Mode::from_raw_mode(attrs.mode))?)
        }
        Content::Other => Err(Errno::INVAL.into()),
    }
}

/// Writes a file through its own inode: for targets that are mount points.
pub(super) fn overwrite(dir: &OwnedFd, name: &str, state: &State) -> std::io::Result<()> {
    let State::Present {
        content: Content::File(bytes),
        attrs,
    } = state
    else {
        return Err(Errno::INVAL.into());
    };
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(dir, name, flags, Mode::empty())?);
    // Who may not read the new bytes may not while they are written either, and an owner can open what is closed.
    let held = file.metadata()?;
    let same = (held.uid(), held.gid()) == (attrs.uid, attrs.gid)
        && read_xattrs(&file)?.get(ACL) == attrs.xattrs.get(ACL);
    let narrow = if same { held.mode() & attrs.mode } else { 0 };
    rustix::fs::fchmod(&file, Mode::from_raw_mode(narrow & 0o7777))?;
    set_owner(&file, attrs)?;
    file.write_all(bytes.reveal())?;
    file.set_len(bytes.len() as u64)?;
    set_attrs(&file, attrs)
}

/// Removes a file, link or empty directory.
pub(super) fn remove(dir: &OwnedFd, name: &str) -> std::io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?),
        other => Ok(other?),
    }
}

/// Adds bytes at the end of a file, creating it 0600; durable on return.
pub(super) fn append(dir: &OwnedFd, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(
        dir,
        name,
        flags,
        Mode::from_raw_mode(0o600),
    )?);
    let is_new = file.metadata()?.len() == 0;
    file.write_all(bytes)?;
    file.sync_data()?;
    if is_new {
        rustix::fs::fsync(dir)?;
    }
    Ok(())
}

/// Makes one object durable, where it is a file.
pub(super) fn sync_file(dir: &OwnedFd, name: &str) -> std::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => Ok(rustix::fs::fsync(fd)?),
        // A link has no content of its own, and a removed name none at all: their directory's sync covers them.
        Err(Errno::LOOP | Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn set_owner(file: &File, attrs: &Attrs) -> std::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(attrs.uid), Gid::from_raw(attrs.gid));
    Ok(rustix::fs::fchown(file, Some(uid), Some(gid))?)
}

fn set_attrs(file: &File, attrs: &Attrs) -> std::io::Result<()> {
    set_owner(file, attrs)?;
    // Owner, then the final ACL, then the mode: a default ACL of the directory lies masked under the mode 0600 that the
    // file was made with, and a mode with a group in it would let its users in (acl(5)).
    if !attrs.xattrs.contains_key(ACL) {
        match rustix::fs::fremovexattr(file, ACL) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    for (name, value) in &attrs.xattrs {
        rustix::fs::fsetxattr(file, name.as_str(), value, XattrFlags::empty())?;
    }
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(attrs.mode))?)
}
