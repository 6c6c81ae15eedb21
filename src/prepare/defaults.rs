//! Endpoints that still serve what their package came with.

use std::collections::HashSet;

use crate::{
    host::Host,
    identity::{Identity, Input},
    plan::Promise,
    preflight::{Finding, Severity},
    probe::{self, Observation, Served, Want},
    state::HostPath,
};

/// The default identities of the platforms of a rollout.
pub(crate) struct Defaults(Vec<Default>);

/// How one is told.
enum Default {
    /// By parts of its subject.
    Subject(HashSet<String>),
    /// By the fingerprint of the leaf in a file; none where that holds none.
    Leaf(Option<String>),
}

impl Default {
    fn read(text: &str, host: &dyn Host) -> Self {
        match HostPath::new(text) {
            Ok(path) => Self::Leaf(leaf(host, &path)),
            Err(_) => Self::Subject(parts(text)),
        }
    }

    fn is(&self, served: &Served) -> bool {
        match self {
            Self::Subject(wanted) => wanted.is_subset(&parts(&served.subject)),
            Self::Leaf(fingerprint) => fingerprint.as_ref() == Some(&served.leaf),
        }
    }
}

fn parts(subject: &str) -> HashSet<String> {
    subject.split(", ").map(str::to_owned).collect()
}

/// Returns the fingerprint of the leaf in a file. What cannot be read tells nothing, which is no reason to stop.
fn leaf(host: &dyn Host, path: &HostPath) -> Option<String> {
    let (_, state) = host.read_followed(path).ok()?;
    let input = Input {
        name: path.to_string(),
        bytes: state.bytes()?.clone(),
    };
    let (identity, _) = Identity::assemble(&[input], None).ok()?;
    Some(identity.fingerprint().to_owned())
}

impl Defaults {
    /// Reads how a profile tells them: subjects, or paths of leaves.
    pub(crate) fn read(host: &dyn Host, told: &[String]) -> Self {
        Self(told.iter().map(|text| Default::read(text, host)).collect())
    }

    /// Tells whether what an endpoint presented is one of them.
    pub(crate) fn have(&self, served: &Served) -> bool {
        self.0.iter().any(|default| default.is(served))
    }

    /// Names every endpoint that still serves one of them.
    pub(super) fn served(&self, promises: &[Promise], baseline: &[Observation]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (promise, seen) in promises.iter().zip(baseline) {
            let (Observation::Tls(endpoints), Want::Leaf { leaf, .. }) = (seen, &promise.want)
            else {
                continue;
            };
            let served = endpoints
                .iter()
                .filter_map(|end| Some((end.address, end.presented.as_ref()?)));
            for (address, served) in served.filter(|(_, s)| s.leaf != *leaf && self.have(s)) {
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
}
