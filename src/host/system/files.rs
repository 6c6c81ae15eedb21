//! Files by descriptor: every path is resolved below a held directory, and never through what others may write.
//!
//! Resolution is one `openat2(2)` with `RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS`; only where that
//! says `ELOOP` is a link looked at, and followed only if it and its directory are writable by none but root or the
//! effective user. Edits go through the held directory and a single name.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags},
    io::Errno,
};

use crate::{
    acl,
    error::{Error, On as _, Result},
    host::{Entry, EntryKind, LARGEST_FILE},
    state::{Attrs, Bytes, Content, HostPath, State},
};

/// The most that is read of one file of the state directory (1 GiB): certroll alone writes there.
const LARGEST_STATE: u64 = 1 << 30;

/// A directory that stands for `/`: the root, or the state directory.
#[derive(Debug)]
pub(super) struct Base {
    fd: OwnedFd,
    /// What stands before a path when it is shown.
    shown: String,
    /// The most that is read of one file.
    largest: u64,
}

impl Base {
    /// Opens a directory of the caller's.
    pub(super) fn open(path: &str) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).on("open", path)?;
        Ok(Self {
            fd,
            shown: path.trim_end_matches('/').to_owned(),
            largest: LARGEST_FILE,
        })
    }

    /// Makes it the state directory: a journal names every change, and a host may have a hundred thousand.
    pub(super) fn of_state(self) -> Self {
        Self {
            largest: LARGEST_STATE,
            ..self
        }
    }

    /// Opens a directory below this one as a base of its own.
    pub(super) fn below(&self, path: &HostPath) -> Result<Option<Self>> {
        let fd = self.dir(path, OFlags::RDONLY)?;
        Ok(fd.map(|fd| Self {
            fd,
            shown: self.show(path),
            largest: LARGEST_FILE,
        }))
    }

    /// Returns a path as the caller knows it.
    pub(super) fn show(&self, path: &HostPath) -> String {
        format!("{}{path}", self.shown)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens a directory; none where a component is missing.
    pub(super) fn dir(&self, path: &HostPath, mode: OFlags) -> Result<Option<OwnedFd>> {
        match self.open_plain(path, mode | OFlags::DIRECTORY) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::LOOP) => match self.real(path)? {
                Some(real) => self
                    .open_plain(&real, mode | OFlags::DIRECTORY)
                    .map(Some)
                    .on("open", self.show(path)),
                None => Ok(None),
            },
            Err(errno) => Err(errno).on("open", self.show(path)),
        }
    }

    /// Returns the path of a directory without links on the way; none where a component is missing.
    pub(super) fn real(&self, path: &HostPath) -> Result<Option<HostPath>> {
        let mut at = path.clone();
        for _ in 0..40 {
            match self.open_plain(&at, OFlags::PATH | OFlags::DIRECTORY) {
                Ok(_) => return Ok(Some(at)),
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                Err(Errno::LOOP) => at = self.step_through_link(&at)?,
                Err(errno) => return Err(errno).on("open", self.show(path)),
            }
        }
        Err(Errno::LOOP).on("follow", self.show(path))
    }

    pub(super) fn open_plain(&self, path: &HostPath, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let relative = path.as_str().trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        let resolve =
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(
            &self.fd,
            relative,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        )
    }

    /// Replaces the first link among a path's components by where it points.
    fn step_through_link(&self, path: &HostPath) -> Result<HostPath> {
        let mut prefix = HostPath::default();
        let names: Vec<&str> = path.as_str().split('/').filter(|n| !n.is_empty()).collect();
        for (depth, name) in names.iter().enumerate() {
            let dir = self
                .open_plain(&prefix, OFlags::PATH | OFlags::DIRECTORY)
                .on("open", self.show(&prefix))?;
            let here = prefix.join(name);
            let stat = stat_at(&dir, name).on("look at", self.show(&here))?;
            if kind_of(&stat) != FileType::Symlink {
                prefix = here;
                continue;
            }
            let parent = stat_at(&dir, "").on("look at", self.show(&prefix))?;
            let is_ours = |stat, is_link| only_ours(&dir, stat, is_link, None);
            if !is_ours(&stat, true) || !is_ours(&parent, false) {
                return Err(Errno::ACCESS)
                    .on("follow a link that others may write:", self.show(&here));
            }
            let target = read_link(&dir, name).on("read", self.show(&here))?;
            let mut to = here.link_target(&target);
            for rest in &names[depth + 1..] {
                to = to.join(rest);
            }
            return Ok(to);
        }
        Err(Errno::LOOP).on("follow", self.show(path))
    }

    /// Opens the directory that holds a path, and returns the single name in it.
    pub(super) fn parent<'p>(
        &self,
        path: &'p HostPath,
        mode: OFlags,
    ) -> Result<Option<(OwnedFd, &'p str)>> {
        let Some(parent) = path.parent() else {
            return Ok(self.dir(path, mode)?.map(|fd| (fd, ".")));
        };
        Ok(self.dir(&parent, mode)?.map(|fd| (fd, path.name())))
    }

    /// Opens the directory that holds a path for edits, where it is there.
    pub(super) fn parent_if_there<'p>(
        &self,
        path: &'p HostPath,
    ) -> Result<Option<(OwnedFd, &'p str)>> {
        self.parent(path, OFlags::RDONLY)
    }

    /// Opens the directory that holds a path for edits.
    pub(super) fn parent_for_edit<'p>(&self, path: &'p HostPath) -> Result<(OwnedFd, &'p str)> {
        match self.parent(path, OFlags::RDONLY)? {
            Some(found) => Ok(found),
            None => Err(Errno::NOENT).on("open the directory of", self.show(path)),
        }
    }

    /// Returns what is at a path, the last component not followed.
    pub(super) fn read(&self, path: &HostPath) -> Result<State> {
        // An `O_PATH | O_NOFOLLOW` descriptor of a link itself is given even under `RESOLVE_NO_SYMLINKS` (openat2(2)).
        match self.open_plain(path, OFlags::PATH | OFlags::NOFOLLOW) {
            Ok(fd) => self.state_of(path, &fd),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(State::Absent),
            Err(Errno::LOOP) => {
                let parent = path.parent().unwrap_or_default();
                match self.real(&parent)? {
                    Some(real) => self.read(&real.join(path.name())),
                    None => Ok(State::Absent),
                }
            }
            Err(errno) => Err(errno).on("look at", self.show(path)),
        }
    }

    /// Returns the state of an object by a descriptor of it; the bytes of a file are read through its path once more.
    fn state_of(&self, path: &HostPath, fd: &OwnedFd) -> Result<State> {
        let stat = stat_at(fd, "").on("look at", self.show(path))?;
        let mut attrs = Attrs {
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            mode: u32::from(stat.stx_mode) & 0o7777,
            ..Attrs::default()
        };
        let content = match kind_of(&stat) {
            FileType::Symlink => Content::Link(read_link(fd, "").on("read", self.show(path))?),
            FileType::Directory => Content::Dir,
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
                let file = File::from(self.open_plain(path, flags).on("read", self.show(path))?);
                attrs.xattrs = read_xattrs(&file).on("read", self.show(path))?;
                Content::File(read_bounded(&file, self.largest).on("read", self.show(path))?)
            }
            _ => Content::Other,
        };
        Ok(State::Present { content, attrs })
    }

    /// Returns the sorted names in a directory; none where it does not exist.
    pub(super) fn list(&self, path: &HostPath) -> Result<Option<Vec<Entry>>> {
        let Some(fd) = self.dir(path, OFlags::RDONLY)? else {
            return Ok(None);
        };
        let mut entries = Vec::new();
        for entry in Dir::new(fd).on("list", self.show(path))? {
            let entry = entry.on("list", self.show(path))?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => self.kind_at(&path.join(name))?,
                known => known,
            };
            let kind = match kind {
                FileType::Directory => EntryKind::Dir,
                FileType::RegularFile => EntryKind::File,
                FileType::Symlink => EntryKind::Link,
                _ => EntryKind::Other,
            };
            entries.push(Entry {
                name: name.to_owned(),
                kind,
            });
        }
        entries.sort_unstable();
        Ok(Some(entries))
    }

    /// Returns the type of an object that the directory does not tell.
    fn kind_at(&self, path: &HostPath) -> Result<FileType> {
        let Some((dir, name)) = self.parent(path, OFlags::PATH)? else {
            return Ok(FileType::Unknown);
        };
        Ok(kind_of(
            &stat_at(&dir, name).on("look at", self.show(path))?,
        ))
    }
}

/// Reads a whole file of at most `largest` bytes.
pub(super) fn read_bounded(file: &File, largest: u64) -> std::io::Result<Bytes> {
    let size = file.metadata()?.len();
    if size > largest {
        return Err(Errno::FBIG.into());
    }
    // One allocation of the final size, so that no copy of a key is left behind by growing.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(Errno::FBIG.into());
    }
    Ok(Bytes::from(bytes))
}

pub(super) fn read_xattrs(file: &File) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut names = vec![0_u8; 4096];
    let length = match rustix::fs::flistxattr(file, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => 0,
        Err(errno) => return Err(errno.into()),
    };
    let mut xattrs = BTreeMap::new();
    for name in names[..length].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let mut value = vec![0_u8; 65536];
        match rustix::fs::fgetxattr(file, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                xattrs.insert(name.to_owned(), value);
            }
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(xattrs)
}

pub(super) fn read_link(dir: &OwnedFd, name: &str) -> std::io::Result<String> {
    let target = rustix::fs::readlinkat(dir, name, Vec::new())?;
    target.into_string().map_err(|_| Errno::ILSEQ.into())
}

pub(super) fn stat_at(dir: &OwnedFd, name: &str) -> rustix::io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    rustix::fs::statx(dir, name, flags, StatxFlags::BASIC_STATS)
}

pub(super) fn kind_of(stat: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(stat.stx_mode))
}

/// Tells whether none but root, the effective user and `also` may change an object, by its owner, its mode and its ACL.
pub(super) fn only_ours(object: &OwnedFd, stat: &Statx, is_link: bool, also: Option<u32>) -> bool {
    let ours = [rustix::process::geteuid().as_raw(), also.unwrap_or(0)];
    if stat.stx_uid != 0 && !ours.contains(&stat.stx_uid) {
        return false;
    }
    let mode = u32::from(stat.stx_mode);
    is_link
        || mode & 0o022 == 0
        || (mode & 0o002 == 0 && stat.stx_gid == 0 && !acl_opens(object, &ours))
}

/// Tells whether the ACL of an object lets others write, or cannot be told. By its name in `/proc`: it may be open as a path only.
fn acl_opens(object: &OwnedFd, ours: &[u32]) -> bool {
    let mut value = vec![0; 4 << 10];
    let name = format!("/proc/self/fd/{}", object.as_raw_fd());
    match rustix::fs::getxattr(name, acl::ACL, &mut value[..]) {
        Ok(length) => acl::lets_others_write(&value[..length], ours),
        Err(error) => !matches!(error, Errno::NODATA | Errno::NOTSUP),
    }
}

/// Maps a kernel's word on a size to the error a person can act on.
pub(super) fn too_large(path: &str, source: std::io::Error) -> Error {
    if source.raw_os_error() == Some(Errno::FBIG.raw_os_error()) {
        return Error::Input {
            subject: format!("`{path}`"),
            message: format!(
                "is larger than {} MiB, which no certificate or key is",
                LARGEST_FILE >> 20
            ),
            hint: "give the certificate or key file itself".to_owned(),
        };
    }
    Error::Io {
        verb: "read",
        path: path.to_owned(),
        source,
    }
}
