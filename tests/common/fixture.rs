//! Small root trees from `fixtures/hosts`, in memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fixture that cannot be read fails the test"
)]

use std::collections::BTreeMap;

use certroll::{
    error::Result,
    host::{Entry, EntryKind, Tree},
    state::{Attrs, Content, HostPath, State},
};

/// A tree in memory.
#[derive(Debug, Default, Clone)]
pub(crate) struct MapTree(pub(crate) BTreeMap<HostPath, State>);

impl MapTree {
    /// Reads a fixture by name.
    pub(crate) fn fixture(name: &str) -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        let text =
            std::fs::read_to_string(format!("{root}/fixtures/hosts/{name}/tree.txt")).unwrap();
        let mut tree = Self::default();
        for section in text.split("\n== ").skip(1) {
            let (head, content) = section.split_once('\n').unwrap_or((section, ""));
            let words: Vec<&str> = head.split(' ').collect();
            match words.as_slice() {
                ["link", path, "->", target] => {
                    tree.add(path, Content::Link((*target).to_owned()), 0o777, 0);
                }
                ["dir", mode, owner, path] => tree.add(path, Content::Dir, octal(mode), gid(owner)),
                ["file", mode, owner, path] => {
                    // The split took the last line break.
                    let bytes = format!("{content}\n").into_bytes();
                    tree.add(path, Content::File(bytes.into()), octal(mode), gid(owner));
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        tree
    }

    /// Adds an object and the directories above it.
    pub(crate) fn add(&mut self, path: &str, content: Content, mode: u32, gid: u32) {
        let path = HostPath::new(path).unwrap();
        let mut up = path.parent();
        while let Some(dir) = up {
            let attrs = Attrs {
                mode: 0o755,
                ..Attrs::default()
            };
            let content = Content::Dir;
            self.0
                .entry(dir.clone())
                .or_insert(State::Present { content, attrs });
            up = dir.parent();
        }
        let attrs = Attrs {
            mode,
            gid,
            ..Attrs::default()
        };
        self.0.insert(path, State::Present { content, attrs });
    }

    /// Adds a file, 0644.
    pub(crate) fn file(&mut self, path: &str, text: &str) {
        self.add(
            path,
            Content::File(text.as_bytes().to_vec().into()),
            0o644,
            0,
        );
    }

    /// Adds a directory, 0755.
    pub(crate) fn dir(&mut self, path: &str) {
        self.add(path, Content::Dir, 0o755, 0);
    }
}

fn octal(mode: &str) -> u32 {
    u32::from_str_radix(mode, 8).unwrap()
}

fn gid(owner: &str) -> u32 {
    match owner {
        "root:root" => 0,
        "root:www-data" => 33,
        other => panic!("{other}"),
    }
}

impl MapTree {
    fn resolve(&self, path: &HostPath) -> HostPath {
        let mut at = HostPath::new("/").unwrap();
        let parts: Vec<&str> = path.as_str().split('/').filter(|p| !p.is_empty()).collect();
        for (n, part) in parts.iter().enumerate() {
            at = at.join(part);
            if n + 1 < parts.len()
                && let Some(target) = self.0.get(&at).and_then(State::link)
            {
                at = at.link_target(target);
            }
        }
        at
    }
}

impl Tree for MapTree {
    fn read(&self, path: &HostPath) -> Result<State> {
        let path = self.resolve(path);
        Ok(self.0.get(&path).cloned().unwrap_or(State::Absent))
    }

    fn list(&self, dir: &HostPath) -> Result<Option<Vec<Entry>>> {
        let (dir, state) = self.read_followed(&self.resolve(dir))?;
        if !state.is_dir() {
            return Ok(None);
        }
        let mut entries = Vec::new();
        for (path, state) in self.0.range(dir.clone()..) {
            if !path.is_within(&dir) {
                // `/a-b` sorts between `/a` and `/a/x`.
                if path.as_str().starts_with(dir.as_str()) {
                    continue;
                }
                break;
            }
            if path.parent().as_ref() == Some(&dir) {
                let kind = match state.noun() {
                    "directory" => EntryKind::Dir,
                    "file" => EntryKind::File,
                    "link" => EntryKind::Link,
                    _ => EntryKind::Other,
                };
                entries.push(Entry {
                    name: path.name().to_owned(),
                    kind,
                });
            }
        }
        entries.sort();
        Ok(Some(entries))
    }
}
