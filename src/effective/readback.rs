//! What the daemons read once everything is in place: the question of the plan, put to the real files again.

use super::{Layered, Table, check, discover};
use crate::{
    error::Result,
    facts::glob,
    host::Tree,
    preflight::{Finding, Severity},
    state::HostPath,
    yaml::{self, Dialect, Key, Node},
};

/// A document of ours, and what the plan found when it asked whether every daemon will read it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadBack {
    /// Where the document is.
    pub file: HostPath,
    text: String,
    table: Table,
    dirs: String,
    ours: String,
    release: Option<String>,
    known: Vec<Finding>,
}

impl ReadBack {
    /// Checks a document before it is in place, and returns how to ask again.
    #[must_use]
    pub fn of(layered: &Layered, file: HostPath, text: String) -> (Self, Vec<Finding>) {
        let known = check(layered, &file, &text);
        let again = Self {
            file,
            text,
            table: layered.table.clone(),
            dirs: layered.dirs.clone(),
            ours: layered.ours.clone(),
            release: layered.release.clone(),
            known: known.clone(),
        };
        (again, known)
    }

    /// Lists the files that the document has daemons verify one another by.
    #[must_use]
    pub fn anchors(&self) -> Vec<HostPath> {
        let Ok(document) = yaml::parse(self.file.as_str(), &self.text, Dialect::PyYaml) else {
            return Vec::new();
        };
        let named = |(block, values): &(Key, Node)| {
            let value = values.get(self.table.flag_of(&block.name))?.scalar()?;
            HostPath::new(&value).ok()
        };
        let mut paths: Vec<HostPath> = document.entries().iter().filter_map(named).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Reads the files that are there now, and returns what stands in the way of the document that did not before.
    ///
    /// # Errors
    /// As [`discover`].
    pub fn again(&self, tree: &dyn Tree) -> Result<Vec<Finding>> {
        let dirs = glob(tree, &self.dirs)?;
        let release = self.release.as_ref();
        let layered = discover(tree, &self.table, (&self.dirs, &dirs), &self.ours, release)?;
        let mut found = check(&layered, &self.file, &self.text);
        found.retain(|finding| !self.known.contains(finding));
        if tree.text(&self.file)?.as_ref() != Some(&self.text) {
            let message = format!("`{}` is no longer what was written", self.file);
            found.insert(0, Finding::host(Severity::Fatal, "override-lost", message));
        }
        Ok(found)
    }
}
