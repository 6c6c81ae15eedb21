//! Directories that are missing above targets: changes of their own.

use std::collections::{HashMap, HashSet};

use super::{Change, Observed, Settled};
use crate::{
    error::Result,
    host::Host,
    preflight::{Finding, Severity},
    state::{Content, HostPath, Sensitivity, State, Wanted},
};

/// What is known of directories so far.
#[derive(Debug)]
pub(super) struct Parents {
    /// Owner and group of new ones.
    fresh: (u32, u32),
    there: HashMap<HostPath, bool>,
    planned: HashSet<HostPath>,
}

impl Parents {
    /// Knows nothing yet; new directories will belong to `fresh`.
    pub(super) fn new(fresh: (u32, u32)) -> Self {
        Self {
            fresh,
            there: HashMap::new(),
            planned: HashSet::new(),
        }
    }

    /// Plans the directories that are missing above a path, each once, the outermost first.
    ///
    /// # Errors
    /// As [`crate::host::Tree::read`]; the host is unchanged.
    pub(super) fn missing(
        &mut self,
        host: &dyn Host,
        path: &HostPath,
        observed: &mut Observed,
        settled: &mut Settled,
    ) -> Result<()> {
        for dir in self.absent_above(host, path)?.into_iter().rev() {
            self.planned.insert(dir.clone());
            let found = host.read(&dir)?;
            if found != State::Absent {
                let message = format!("`{dir}` is a {}, want a directory", found.noun());
                let hint = format!("look at it and move it away: `ls -ld {dir}`");
                let finding = Finding::host(Severity::Fatal, "parent-unfit", message).hinted(hint);
                observed.findings.push(finding);
                continue;
            }
            let wanted = Wanted {
                content: Content::Dir,
                uid: None,
                gid: None,
                mode: None,
            };
            let mut change = Change {
                kind: "directory".into(),
                before: State::Absent,
                after: wanted.over(&State::Absent, Sensitivity::Public, self.fresh),
                sensitivity: Sensitivity::Public,
                identity: false,
                staging: dir.parent().unwrap_or_default(),
                in_place: false,
                path: dir,
            };
            let footing = host.footing(&change.path, false)?;
            settled.add(host, &mut change, &footing)?;
            observed.changes.push(change);
        }
        Ok(())
    }

    /// Returns the missing directories above a path that are not planned yet, the innermost first.
    fn absent_above(&mut self, host: &dyn Host, path: &HostPath) -> Result<Vec<HostPath>> {
        let mut absent = Vec::new();
        let mut at = path.parent();
        while let Some(dir) = at.filter(|dir| !self.planned.contains(dir)) {
            let there = match self.there.get(&dir) {
                Some(there) => *there,
                None => *self.there.entry(dir.clone()).or_insert(host.is_dir(&dir)?),
            };
            if there {
                break;
            }
            at = dir.parent();
            absent.push(dir);
        }
        Ok(absent)
    }
}
