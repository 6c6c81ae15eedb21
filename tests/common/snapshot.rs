//! Trees, to be compared.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Everything below a directory: content, mode, owner, link targets, and the directories themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot(pub(crate) BTreeMap<PathBuf, Object>);

/// One object of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Bytes of a file, target of a link, nothing of a directory.
    pub(crate) content: Option<Vec<u8>>,
}

impl Snapshot {
    /// Looks at a tree, but for some names at its top.
    pub(crate) fn of(dir: &Path, but: &[&str]) -> Self {
        let mut all = BTreeMap::new();
        add(dir, dir, but, &mut all);
        assert!(!all.is_empty(), "nothing in {}", dir.display());
        Self(all)
    }

    /// Tells what differs, in words.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let paths = self.0.keys().chain(other.0.keys());
        let mut lines: Vec<String> = paths
            .filter(|path| self.0.get(*path) != other.0.get(*path))
            .map(|path| {
                format!(
                    "{}: {:?} => {:?}",
                    path.display(),
                    self.0.get(path),
                    other.0.get(path)
                )
            })
            .collect();
        lines.sort();
        lines.dedup();
        lines
    }

    /// Asserts that nothing differs.
    #[track_caller]
    pub(crate) fn is(&self, other: &Self) {
        let differences = self.differences(other);
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

fn add(top: &Path, dir: &Path, but: &[&str], all: &mut BTreeMap<PathBuf, Object>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if dir == top && but.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let path = entry.path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_symlink() {
            Some(
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes(),
            )
        } else if metadata.is_file() {
            Some(fs::read(&path).unwrap())
        } else {
            None
        };
        let object = Object {
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            content,
        };
        all.insert(path.strip_prefix(top).unwrap().to_owned(), object);
        if metadata.is_dir() {
            add(top, &path, but, all);
        }
    }
}
