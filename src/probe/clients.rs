//! What clients would make of what an endpoint presents. Pure but for trust anchors and clock, which are given.

use serde::Serialize;

use crate::{
    host::Presented,
    identity::{Checks, Identity, Input, Trust},
    peer::Fingerprint,
    pins::Pin,
    preflight::Severity,
    state::Bytes,
};

/// What one sort of client would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opinion {
    /// Whether it goes on; none where it has nothing to decide by.
    pub takes: Option<bool>,
    /// Why, in words.
    pub because: Vec<String>,
}

/// What a client with this host's trust anchors and clock would say that came for a name, as browsers do.
#[must_use]
pub(super) fn browser(presented: &Presented, name: &str, anchors: &[Vec<u8>], now: i64) -> Opinion {
    let inputs: Vec<Input> = presented
        .certificates
        .iter()
        .map(|der| Input {
            name: "presented".to_owned(),
            bytes: Bytes::from(der.clone()),
        })
        .collect();
    let refuses = |because| Opinion {
        takes: Some(false),
        because,
    };
    let (identity, mut findings) = match Identity::assemble(&inputs, None) {
        Ok(read) => read,
        Err(error) => return refuses(vec![error.to_string()]),
    };
    findings.extend(identity.findings(&Checks {
        now,
        warn_days: Checks::WARN_DAYS,
        anchors,
        names: &[name.to_owned()],
    }));
    let is_trusted = identity.trust(anchors, now) == Trust::Trusted;
    let about_trust = ["self-signed", "no-trust-path", "chain-incomplete"];
    let mut because: Vec<String> = findings
        .iter()
        .filter(|f| f.severity == Severity::Fatal || !is_trusted && about_trust.contains(&f.name))
        .map(|f| f.message.clone())
        .collect();
    if presented.version.is_empty() {
        because.push("it did not show that it holds the leaf's key".to_owned());
    }
    if because.is_empty() && !is_trusted {
        because.push("no trust anchor of this host signed it".to_owned());
    }
    if because.is_empty() {
        return Opinion {
            takes: Some(true),
            because,
        };
    }
    refuses(because)
}

/// What a client would say that pins the leaf, as certroll itself does; `pin` is the one that is kept for the peer.
#[must_use]
pub(super) fn pinning(presented: &Presented, pin: Option<&Pin>) -> Opinion {
    let Some((pin, der)) = pin.zip(presented.certificates.first()) else {
        return Opinion {
            takes: None,
            because: vec!["no pin is kept for this peer".to_owned()],
        };
    };
    let accepted = pin.accepted();
    let known = accepted.iter().position(|wanted| wanted.is_of(der));
    let (takes, because) = match known {
        _ if presented.version.is_empty() => (
            false,
            "it did not show that it holds the leaf's key".to_owned(),
        ),
        Some(0) => (true, "the leaf is the one pinned".to_owned()),
        Some(_) => (true, "the leaf is the next one of a rollout".to_owned()),
        None => {
            let wanted: Vec<String> = accepted.iter().map(Fingerprint::colons).collect();
            (
                false,
                format!("the pinned leaf is SHA-256 {}", wanted.join(" or ")),
            )
        }
    };
    Opinion {
        takes: Some(takes),
        because: vec![because],
    }
}
