//! The host as it will be: what a plan changes, laid over what is there.

use std::collections::{BTreeSet, HashMap};

use super::Change;
use crate::{
    error::Result,
    host::{Entry, EntryKind, Tree},
    state::{Content, HostPath, State},
};

/// A tree with the changes of a plan applied, for checks that read the result before it exists.
#[derive(Clone)]
pub struct Overlay<'a> {
    below: &'a dyn Tree,
    states: HashMap<&'a HostPath, &'a State>,
    names: HashMap<HostPath, Vec<&'a HostPath>>,
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay")
            .field("changes", &self.states.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Overlay<'a> {
    /// Lays changes over a tree.
    #[must_use]
    pub fn new(below: &'a dyn Tree, changes: &'a [Change]) -> Self {
        let mut names: HashMap<HostPath, Vec<&'a HostPath>> = HashMap::new();
        for change in changes {
            names
                .entry(change.path.parent().unwrap_or_default())
                .or_default()
                .push(&change.path);
        }
        Self {
            below,
            states: changes.iter().map(|c| (&c.path, &c.after)).collect(),
            names,
        }
    }
}

impl Tree for Overlay<'_> {
    fn read(&self, path: &HostPath) -> Result<State> {
        match self.states.get(path) {
            Some(state) => Ok((*state).clone()),
            None => self.below.read(path),
        }
    }

    fn list(&self, dir: &HostPath) -> Result<Option<Vec<Entry>>> {
        let below = match self.states.get(dir) {
            None => self.below.list(dir)?,
            Some(state) if state.is_dir() => Some(self.below.list(dir)?.unwrap_or_default()),
            Some(_) => None,
        };
        let (Some(below), changed) = (below, self.names.get(dir)) else {
            return Ok(None);
        };
        let Some(changed) = changed else {
            return Ok(Some(below));
        };
        let mut entries: BTreeSet<Entry> = below
            .into_iter()
            .filter(|e| !self.states.contains_key(&dir.join(&e.name)))
            .collect();
        for path in changed {
            let kind = match self.states.get(path) {
                Some(State::Present {
                    content: Content::Dir,
                    ..
                }) => EntryKind::Dir,
                Some(State::Present {
                    content: Content::File(_),
                    ..
                }) => EntryKind::File,
                Some(State::Present {
                    content: Content::Link(_),
                    ..
                }) => EntryKind::Link,
                Some(State::Present {
                    content: Content::Other,
                    ..
                }) => EntryKind::Other,
                Some(State::Absent) | None => continue,
            };
            entries.insert(Entry {
                name: path.name().to_owned(),
                kind,
            });
        }
        Ok(Some(entries.into_iter().collect()))
    }
}
