//! What follows from where names lead.

use std::collections::BTreeMap;

use crate::{desired::Desired, host::Host, preflight::Finding, probe::dns};

/// Asks the resolver of this host for each name once, and says what follows; nothing on another root.
pub(super) fn findings(host: &dyn Host, desired: &Desired) -> Vec<Finding> {
    if !host.is_live() {
        return Vec::new();
    }
    let mut seen = BTreeMap::new();
    let mut findings = Vec::new();
    for one in &desired.names {
        let (word, found) = seen
            .entry((one.name.as_str(), one.here.as_slice()))
            .or_insert_with(|| dns::look(host, &one.name, &one.here));
        if one.is.iter().any(|known| known == word) {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            let mut finding = one.finding.clone();
            if !found.is_empty() {
                finding.message = format!("{} ({})", finding.message, found.join(", "));
            }
            findings.push(finding);
        }
    }
    findings
}
