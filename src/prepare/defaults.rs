//! Endpoints that still serve what their package came with.

use crate::{
    plan::Promise,
    preflight::{Finding, Severity},
    probe::{self, Defaults, Observation, Want},
};

/// Names every endpoint that still serves a default identity.
pub(super) fn served(
    defaults: &Defaults,
    promises: &[Promise],
    baseline: &[Observation],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (promise, seen) in promises.iter().zip(baseline) {
        let (Observation::Tls(endpoints), Want::Leaf { leaf, .. }) = (seen, &promise.want) else {
            continue;
        };
        let served = endpoints
            .iter()
            .filter_map(|end| Some((end.address, end.presented.as_ref()?)));
        for (address, served) in served.filter(|(_, s)| s.leaf != *leaf && defaults.have(s)) {
            let message = format!(
                "{} at {address} serves the platform's default identity `{}`",
                probe::title(&promise.probe),
                served.subject
            );
            findings.push(Finding::host(
                Severity::Warning,
                "default-identity",
                message,
            ));
        }
    }
    findings
}
