//! The scratch host as it is at one moment, to be compared with another.

use std::collections::BTreeMap;

use crate::{
    error::Result,
    host::{EntryKind, Tree},
    state::{HostPath, State},
};

/// Every path and what is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<HostPath, State>);

impl Snapshot {
    /// Reads the whole scratch host but certroll's own state.
    pub(super) fn take(host: &dyn Tree) -> Result<Self> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![HostPath::default()];
        while let Some(dir) = waiting.pop() {
            for entry in host.list(&dir)?.unwrap_or_default() {
                let path = dir.join(&entry.name);
                if path.as_str() == "/var/lib/certroll" {
                    continue;
                }
                if entry.kind == EntryKind::Dir {
                    waiting.push(path.clone());
                }
                found.insert(path.clone(), host.read(&path)?);
            }
        }
        Ok(Self(found))
    }

    /// Returns the number of paths.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Names the first path at which two differ.
    pub(super) fn difference(&self, other: &Self) -> String {
        let mut paths = self.0.keys().chain(other.0.keys());
        let path = paths.find(|path| self.0.get(*path) != other.0.get(*path));
        path.map_or_else(
            || "is the same".to_owned(),
            |path| format!("differs at `{path}`"),
        )
    }
}
