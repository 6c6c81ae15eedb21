//! The caller's own files: what the command line names, read and written as any program would, below no root.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge that the lint keeps IO inside of"
)]

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
};

use rustix::io::Errno;

use super::{
    files::{self, Base},
    trust,
};
use crate::{
    error::{Error, On as _, Result},
    host::LARGEST_FILE,
    state::Bytes,
};

/// Reads a whole file, bounded.
pub(super) fn read(path: &str) -> Result<Bytes> {
    let metadata = std::fs::metadata(path).on("read", path)?;
    if metadata.is_dir() {
        return Err(Error::Input {
            subject: format!("`{path}`"),
            message: "is a directory, want a file".to_owned(),
            hint: format!("name the file: `ls {path}`"),
        });
    }
    // A named pipe without a writer would hang; the shell's `<(...)` is one with a writer.
    if !metadata.is_file() && !is_handed_over(path) {
        return Err(Error::Input {
            subject: format!("`{path}`"),
            message: "is a device, pipe or socket, want a file".to_owned(),
            hint: String::new(),
        });
    }
    let file = File::open(path).on("read", path)?;
    files::read_bounded(&file, LARGEST_FILE).map_err(|source| files::too_large(path, source))
}

/// Returns the names in a directory, sorted.
pub(super) fn list(path: &str) -> Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(path).on("list", path)? {
        let name = entry.on("list", path)?.file_name();
        names.extend(name.to_str().map(str::to_owned));
    }
    Ok(names.into_iter().collect())
}

/// Returns which of a file and the directories above it others than root, and the user `also`, may write.
pub(super) fn open_to_others(path: &str, also: Option<u32>) -> Result<Option<String>> {
    trust::open_to_others(&Base::open("/")?, &whole(path)?, also)
}

/// Returns a path as it is from `/`.
pub(super) fn whole(path: &str) -> Result<String> {
    let whole = std::path::absolute(path).on("look at", path)?;
    let whole = whole.to_str().ok_or(Errno::ILSEQ).on("look at", path)?;
    Ok(whole.to_owned())
}

/// Tells whether a path means a descriptor that this process was started with, as a shell's `<(...)` does.
pub(super) fn is_handed_over(path: &str) -> bool {
    path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/")
}

/// Writes a file of a mode, whole or not at all, over what is there.
pub(super) fn write(path: &str, bytes: &[u8], mode: u32) -> Result<()> {
    placed(path, bytes, mode, |staged| std::fs::rename(staged, path))
}

/// Writes a file of a mode, whole or not at all, where nothing is.
pub(super) fn write_new(path: &str, bytes: &[u8], mode: u32) -> Result<()> {
    // A link is never laid over what is there, on any file system.
    placed(path, bytes, mode, |staged| {
        std::fs::hard_link(staged, path)?;
        std::fs::remove_file(staged)
    })
}

/// Writes a directory of files, and then a file of a mode that needs them, where neither is; all of it or nothing.
pub(super) fn write_new_with(
    path: &str,
    bytes: &[u8],
    mode: u32,
    (dir, files): (&str, &[(String, Bytes)]),
) -> Result<()> {
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(dir)
        .on("create", dir)?;
    let written = files
        .iter()
        .try_for_each(|(name, bytes)| write_new(&format!("{dir}/{name}"), bytes.reveal(), 0o600))
        .and_then(|()| File::open(dir).and_then(|d| d.sync_all()).on("write", dir))
        .and_then(|()| write_new(path, bytes, mode));
    if written.is_err() {
        // Best effort: it is ours and new, and the error below is what matters.
        drop(std::fs::remove_dir_all(dir));
    }
    written
}

/// Writes a file beside where it goes, syncs it, and puts it in its place.
fn placed(
    path: &str,
    bytes: &[u8],
    mode: u32,
    place: impl FnOnce(&str) -> std::io::Result<()>,
) -> Result<()> {
    if std::fs::metadata(path).is_ok_and(|there| there.is_dir()) {
        return Err(Error::Input {
            subject: format!("`{path}`"),
            message: "is a directory, want a file".to_owned(),
            hint: format!("name a file in it: `{}/NAME`", path.trim_end_matches('/')),
        });
    }
    let staged = format!("{path}.certroll-{}", std::process::id());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(&staged).on("create", path)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| place(&staged));
    if written.is_err() {
        // Best effort: the name is ours and new, and the error below is what matters.
        drop(std::fs::remove_file(&staged));
    }
    written.on("write", path)
}
