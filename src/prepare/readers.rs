//! Who could not read what the plan puts there, and what would let them.

use crate::{
    desired::{Probe, Reads},
    error::Result,
    host::Host,
    plan::{Change, Overlay},
    preflight::{Finding, Severity},
    probe::{self, Denial},
    service::UnitState,
    state::{HostPath, Sensitivity},
};

/// Finds files that those who must read them could not read once the plan is applied.
pub(super) fn unreadable(
    host: &dyn Host,
    overlay: &Overlay<'_>,
    probes: &[Probe],
    changes: &[Change],
    made: &[HostPath],
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for probe in probes {
        let Probe::Readable { paths, by } = probe else {
            continue;
        };
        let reader = probe::Identity::of(host, by)?;
        // What a command makes is proved once it is there.
        for path in paths.iter().filter(|path| !made.contains(path)) {
            if let Err(denial) = probe::readable(overlay, path, &reader) {
                findings.push(denied(host, Severity::Fatal, denial, changes));
            }
        }
    }
    Ok(findings)
}

/// Finds files that running units could not read once the plan is applied: fatal where the profile says that they do.
pub(super) fn unreadable_by_units(
    host: &dyn Host,
    overlay: &Overlay<'_>,
    reads: &Reads,
    units: &[UnitState],
    changes: &[Change],
) -> Vec<Finding> {
    let severity = if reads.declared {
        Severity::Fatal
    } else {
        Severity::Warning
    };
    let running = units.iter().filter(|state| state.is_active());
    let readers = running.filter(|state| reads.units.contains(&state.unit));
    readers
        .flat_map(|state| {
            let why = |path| state.setup.cannot_read(&state.unit, host, overlay, path);
            reads.paths.iter().filter_map(why)
        })
        .map(|denial| denied(host, severity, denial, changes))
        .collect()
}

/// Names the fix: of what the plan itself puts there, a command would not last.
fn denied(host: &dyn Host, severity: Severity, denial: Denial, changes: &[Change]) -> Finding {
    let finding = Finding::host(severity, "unreadable", denial.what);
    let Some(fix) = denial.fix else {
        return finding;
    };
    let Some(change) = changes.iter().find(|change| change.path == denial.at) else {
        return finding.hinted(fix);
    };
    let mode = match change.sensitivity {
        Sensitivity::Secret | Sensitivity::Values => "0640",
        Sensitivity::Public => "0644",
    };
    let group = denial.group.and_then(|gid| host.group_name(gid));
    finding.hinted(match group {
        Some(group) => format!(
            "in the profile, give `{}` `group: {group}` and `mode: \"{mode}\"`",
            denial.at
        ),
        None => format!(
            "in the unit, add `LoadCredential=` for `{}`, or `SupplementaryGroups=` with a group that may read it",
            denial.at
        ),
    })
}
