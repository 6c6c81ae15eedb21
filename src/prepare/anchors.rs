//! Whether what daemons are to verify one another by leads to the leaf that they will present.

use std::collections::HashSet;

use crate::{
    desired::Desired,
    effective::ReadBack,
    host::Host,
    identity::Identity,
    preflight::{Finding, Severity},
    state::{HostPath, State},
};

/// Finds files that daemons are to verify one another by, and that do not lead to the leaf.
///
/// Files of the rollout itself are left out: the profile decides which of them can be one.
pub(super) fn astray(host: &dyn Host, identity: &Identity, desired: &Desired) -> Vec<Finding> {
    let ours: HashSet<&HostPath> = desired
        .targets
        .iter()
        .filter(|target| target.identity)
        .map(|target| &target.path)
        .collect();
    let mut paths: Vec<HostPath> = desired
        .read_back
        .iter()
        .flat_map(ReadBack::anchors)
        .collect();
    paths.retain(|path| !ours.contains(path));
    paths
        .iter()
        .filter_map(|path| Some(finding(path, why(host, identity, path)?)))
        .collect()
}

fn why(host: &dyn Host, identity: &Identity, path: &HostPath) -> Option<&'static str> {
    let state = host.read_followed(path).map(|(_, state)| state).ok();
    match state.as_ref().and_then(State::bytes) {
        None => Some("there is no such file"),
        Some(bytes) if identity.verifies_with(bytes.reveal(), host.now()) => None,
        Some(_) => Some("it holds no trust anchor of the leaf"),
    }
}

fn finding(path: &HostPath, why: &str) -> Finding {
    let message =
        format!("the daemons would verify one another by `{path}`, and refuse one another: {why}");
    Finding::input(Severity::Fatal, "verify-anchor", message)
        .hinted("name a file with the root that the leaf leads to")
}
