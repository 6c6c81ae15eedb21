//! How each change can be made where it stands, what stands in the way, and who will not see it.

use std::collections::{BTreeMap, HashSet};

use super::Change;
use crate::{
    error::Result,
    host::{Footing, Holder, Host},
    preflight::{Finding, Severity},
    state::{HostPath, State},
};

/// Holders of one file that are named; of the rest, how many there are.
const MOST_NAMED: usize = 5;

/// Decides which changes are made in place, and finds what cannot be replaced or leaves something of the old behind.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// What was found.
    pub(crate) findings: Vec<Finding>,
    /// Directories that were found fixed.
    directories: HashSet<HostPath>,
}

impl Settled {
    /// Settles changes that are there already, and returns what was found.
    ///
    /// # Errors
    /// As [`Host::footing`]; the host is unchanged.
    pub(crate) fn all(host: &dyn Host, changes: &mut [Change]) -> Result<Vec<Finding>> {
        let mut settled = Self::default();
        for change in changes {
            let footing = host.footing(&change.path, change.before != State::Absent)?;
            settled.add(host, change, &footing)?;
        }
        Ok(settled.findings)
    }

    /// Settles one change by how what it replaces stands.
    ///
    /// # Errors
    /// As [`Host::footing`]; the host is unchanged.
    pub(crate) fn add(
        &mut self,
        host: &dyn Host,
        change: &mut Change,
        footing: &Footing,
    ) -> Result<()> {
        let replaced = change.before.bytes().is_some();
        change.in_place = replaced && change.after.bytes().is_some() && footing.mount_point;
        if change.before != State::Absent
            && let Some(flag) = footing.fixed
        {
            self.findings.push(fixed(&change.path, flag));
        }
        if change.in_place {
            return Ok(());
        }
        if replaced && footing.mount_point {
            self.findings.push(mounted(&change.path));
        }
        if replaced && footing.names > 1 {
            self.findings.push(linked(&change.path, footing));
        }
        let above = change.path.parent().unwrap_or_default();
        let mut beside = vec![(above, footing.dir_fixed)];
        if change.staging != beside[0].0 {
            let staged = host.footing(&change.staging.join("."), false)?;
            beside.push((change.staging.clone(), staged.dir_fixed));
        }
        for (dir, flag) in beside {
            if let Some(flag) = flag
                && self.directories.insert(dir.clone())
            {
                self.findings.push(fixed(&dir, flag));
            }
        }
        Ok(())
    }
}

fn fixed(path: &HostPath, flag: char) -> Finding {
    let word = if flag == 'i' {
        "immutable"
    } else {
        "append-only"
    };
    let message = format!("`{path}` is {word} (`chattr +{flag}`): not even root can replace it");
    Finding::host(Severity::Fatal, "immutable", message).hinted(format!("chattr -{flag} {path}"))
}

fn mounted(path: &HostPath) -> Finding {
    let message = format!("`{path}` is a mount point: it cannot be removed");
    Finding::host(Severity::Fatal, "target-mounted", message).hinted(format!("umount {path}"))
}

fn linked(path: &HostPath, footing: &Footing) -> Finding {
    let message = format!(
        "`{path}` is one of {} names of a file (hard links): this name gets the new file, the others keep the old \
         one, and a rollback does not link them again",
        footing.names
    );
    Finding::host(Severity::Warning, "hard-links", message)
        .hinted(format!("find / -xdev -samefile {path}"))
}

/// Says who keeps the old files that changes replace, a line each; on a live machine, where somebody runs.
#[must_use]
pub(crate) fn holders(host: &dyn Host, changes: &[Change]) -> Vec<String> {
    let replaced = changes
        .iter()
        .filter(|change| change.before.bytes().is_some() && !change.in_place);
    let paths: Vec<HostPath> = replaced.map(|change| change.path.clone()).collect();
    if paths.is_empty() || !host.is_live() {
        return Vec::new();
    }
    let mut by_path: BTreeMap<HostPath, Vec<Holder>> = BTreeMap::new();
    for holder in host.holders(&paths) {
        by_path.entry(holder.path.clone()).or_default().push(holder);
    }
    let mut lines = Vec::new();
    for (path, holders) in by_path {
        lines.extend(holders.iter().take(MOST_NAMED).map(line));
        let more = holders.len().saturating_sub(MOST_NAMED);
        if more > 0 {
            lines.push(format!("`{path}`: {more} more"));
        }
    }
    lines
}

fn line(holder: &Holder) -> String {
    let Holder {
        path,
        pid,
        name,
        mount,
    } = holder;
    // A process may call itself what it likes.
    let name = name.escape_debug();
    match mount {
        None => format!(
            "`{path}`: PID {pid} ({name}) has the old file open: it sees the new one only after a reload"
        ),
        Some(at) => format!(
            "`{path}`: the old file itself is mounted on `{at}`, as PID {pid} ({name}) sees it, and stays there until \
             it is mounted again"
        ),
    }
}
