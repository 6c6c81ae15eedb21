//! How the default identities of platforms are told, and the proof of a revert.

use std::collections::HashSet;

use super::{Served, Want};
use crate::{
    desired::Probe,
    error::{Error, Result},
    host::Host,
    identity::{Identity, Input},
    state::HostPath,
};

/// The default identities of the platforms of a rollout.
#[derive(Debug)]
pub(crate) struct Defaults(Vec<Default>);

/// How one is told.
#[derive(Debug)]
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

    fn is(&self, leaf: &str, subject: &str) -> bool {
        match self {
            Self::Subject(wanted) => wanted.is_subset(&parts(subject)),
            Self::Leaf(fingerprint) => fingerprint.as_deref() == Some(leaf),
        }
    }
}

fn parts(subject: &str) -> HashSet<String> {
    subject.split(", ").map(str::to_owned).collect()
}

/// Returns the fingerprint of the leaf in a file. What cannot be read tells nothing, which is no reason to stop.
fn leaf(host: &dyn Host, path: &HostPath) -> Option<String> {
    Some(read(host, &[path])?.fingerprint().to_owned())
}

/// Reads the identity that files hold together; none where they hold none.
pub(crate) fn read(host: &dyn Host, paths: &[&HostPath]) -> Option<Identity> {
    let input = |path: &&HostPath| {
        let (_, state) = host.read_followed(path).ok()?;
        Some(Input {
            name: path.to_string(),
            bytes: state.bytes()?.clone(),
        })
    };
    let inputs: Vec<Input> = paths.iter().map(input).collect::<Option<_>>()?;
    let (identity, _) = Identity::assemble(&inputs, None).ok()?;
    Some(identity)
}

impl Defaults {
    /// Reads how a profile tells them: subjects, or paths of leaves.
    pub(crate) fn read(host: &dyn Host, told: &[String]) -> Self {
        Self(told.iter().map(|text| Default::read(text, host)).collect())
    }

    /// Tells whether what an endpoint presented is one of them.
    pub(crate) fn have(&self, served: &Served) -> bool {
        self.are(&served.leaf, &served.subject)
    }

    /// Tells whether an identity is one of them.
    pub(crate) fn has(&self, identity: &Identity) -> bool {
        self.are(identity.fingerprint(), &identity.leaf.subject)
    }

    fn are(&self, leaf: &str, subject: &str) -> bool {
        self.0.iter().any(|default| default.is(leaf, subject))
    }
}

/// Returns what serving an identity means.
pub(crate) fn served(identity: &Identity) -> Want {
    Want::Leaf {
        leaf: identity.fingerprint().to_owned(),
        chain: identity.chain.iter().map(|c| c.sha256.clone()).collect(),
    }
}

/// Replaces the promise of a default identity by the leaf that the platform made meanwhile.
///
/// # Errors
/// [`Error::Unproved`] where the file does not hold a default identity of the platform.
pub fn settled(host: &dyn Host, probes: Vec<(Probe, Want)>) -> Result<Vec<(Probe, Want)>> {
    let settle = |(probe, want): (Probe, Want)| {
        let Want::Default { leaf, told } = &want else {
            return Ok((probe, want));
        };
        let unproved = |found: String| Error::Unproved {
            subject: format!("`{leaf}`"),
            want: "a default identity of the platform".to_owned(),
            found,
        };
        let identity = read(host, &[leaf]).ok_or_else(|| unproved("no leaf".to_owned()))?;
        if Defaults::read(host, told).has(&identity) {
            Ok((probe, served(&identity)))
        } else {
            Err(unproved(identity.leaf.title()))
        }
    };
    probes.into_iter().map(settle).collect()
}
