//! Probes: what is seen from outside, and what it means.
//!
//! [`observe()`] looks, [`judge()`] decides (pure), [`prove()`] repeats both until the answer is certain or time is up.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{
    desired::{Probe, Reader, Shows},
    host::Host,
    starttls::Peer,
    state::HostPath,
};

mod call;
mod certificate;
mod clients;
mod defaults;
pub mod dns;
mod http;
mod judge;
mod lookup;
mod prove;
mod readable;
mod report;
mod rules;
mod says;
mod survey;
pub(crate) mod tells;
mod tls;

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;

pub use call::Called;
pub use certificate::{Details, details};
pub use clients::Opinion;
pub use defaults::settled;
pub(crate) use defaults::{Defaults, read, served};
pub(crate) use http::SEEN;
pub use judge::judge;
pub use lookup::lookup_in_hosts;
pub use prove::prove;
pub use readable::{Denial, Identity, readable};
pub use report::{ClientReport, EndpointReport, FORMAT, PATIENCE, ProbeReport, Questions, run};
pub use rules::{Judged, Rules};
pub use says::Says;
pub use survey::{Offered, Order, survey};
pub(crate) use tls::reason;

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Observation {
    /// Every address, in order; none where the name does not resolve.
    Tls(Vec<Endpoint>),
    /// Every address that was called.
    Call(Vec<Called>),
    /// The addresses that the resolver gave.
    Lookup(Vec<IpAddr>),
    /// The files, each with the reason why it cannot be read, if it cannot.
    Readable(Vec<(HostPath, Option<String>)>),
    /// The status of an answer over HTTP, as `200`; else `empty`, `refused`, or why there was none. Where a backend stands behind
    /// it, the leaf that it saw, as `seen` and the fingerprint; where a place of it matters and tells something else, what.
    Http(String),
}

/// One address and what it presented.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// What was presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presented: Option<Served>,
    /// Why nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
}

/// What an endpoint presented, by fingerprint (SHA-256 of the DER, lower hex).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The leaf's fingerprint.
    pub leaf: String,
    /// Fingerprints of what followed it, in the order sent.
    pub chain: Vec<String>,
    /// The leaf's subject, as in `CN=localhost`; empty where it cannot be parsed.
    pub subject: String,
    /// Protocol version, as in `TLS 1.3`; empty where the handshake broke after the certificates came.
    pub version: String,
}

/// What a probe should see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Want {
    /// This leaf, followed by exactly this chain: fingerprints.
    Leaf {
        /// The leaf's fingerprint.
        leaf: String,
        /// Fingerprints of the chain, the leaf's issuer first.
        chain: Vec<String>,
    },
    /// The leaf that a file holds by then, which is a default identity of the platform: proof of a revert.
    Default {
        /// The file.
        leaf: HostPath,
        /// How default identities are told: subjects, or paths of their leaves.
        told: Vec<String>,
    },
    /// The client is taken, or refused.
    Call(bool),
    /// This address alone.
    Lookup(IpAddr),
    /// Every file can be read.
    Readable,
    /// One of these answers over HTTP; none: as well as before.
    Answer(Vec<String>),
    /// Any leaf but this one: proof that a platform is back at a default of its own that nobody knows beforehand.
    Other(String),
    /// The same as before: proof of a rollback.
    Baseline(Observation),
}

/// The judgement of one probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was asked, for people: `nginx: TLS at wazo.example.org:443`.
    pub probe: String,
    /// Whether what was seen is what is wanted.
    pub good: bool,
    /// False where it was silent before and still is: that proves nothing and cannot fail a run.
    pub judged: bool,
    /// What was seen.
    pub found: String,
    /// What is wanted.
    pub want: String,
    /// Whether a leaf or chain is presented that is not the one wanted: whoever serves there has not loaded it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

impl Verdict {
    /// Tells whether this verdict fails a run.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.judged && !self.good
    }
}

/// Looks once. What cannot be seen is part of the observation, never an error.
#[must_use]
pub fn observe(host: &dyn Host, probe: &Probe) -> Observation {
    observe_with(host, probe, None)
}

/// Looks once, with an identity at hand that no generation keeps yet.
pub(crate) fn observe_with(
    host: &dyn Host,
    probe: &Probe,
    hand: Option<&crate::identity::Identity>,
) -> Observation {
    match probe {
        Probe::Tls { .. } => Observation::Tls(tls::observe(host, probe, tls::LIMIT)),
        Probe::Call { .. } => Observation::Call(call::observe(host, probe, hand, tls::LIMIT)),
        Probe::Lookup { name, .. } => Observation::Lookup(lookup::observe(host, name)),
        Probe::Readable { paths, by } => Observation::Readable(readable::observe(host, paths, by)),
        Probe::Http { .. } => Observation::Http(http::observe(host, probe)),
    }
}

/// Names a probe for people.
#[must_use]
pub fn title(probe: &Probe) -> String {
    match probe {
        Probe::Tls {
            protocol,
            name,
            port,
            service,
            ..
        } => {
            let peer = Peer {
                protocol: *protocol,
                name: name.clone(),
                port: *port,
            };
            if service.is_empty() {
                format!("TLS at {peer}")
            } else {
                format!("{service}: TLS at {peer}")
            }
        }
        Probe::Call {
            protocol,
            name,
            port,
            get,
            shows,
            ..
        } => {
            let peer = Peer {
                protocol: *protocol,
                name: name.clone(),
                port: *port,
            };
            let who = match shows {
                Shows::Nothing => "without a client certificate".to_owned(),
                Shows::Identity { .. } => "with the new identity".to_owned(),
                Shows::Files { cert, .. } => format!("with {cert}"),
            };
            let get = get.as_deref().unwrap_or_default();
            format!("call of {peer}{get} {who}")
        }
        Probe::Lookup { name, .. } => format!("lookup of {name}"),
        Probe::Readable { paths, by } => {
            let who = match by {
                Reader::User(name) => format!("user {name}"),
                Reader::Group(name) => format!("members of group {name}"),
            };
            let paths: Vec<&str> = paths.iter().map(HostPath::as_str).collect();
            format!("{} readable by {who}", paths.join(", "))
        }
        Probe::Http {
            tls,
            peer,
            path,
            logins,
            seen_by,
            ..
        } => {
            let scheme = if *tls { "https" } else { "http" };
            let who = match logins.as_slice() {
                [] => String::new(),
                [login, ..] if login.user.is_empty() => " with a token".to_owned(),
                [login, ..] => format!(" as {}", login.user),
            };
            let by = seen_by.as_ref();
            let by = by.map_or_else(String::new, |by| format!(", seen by {by}"));
            format!("GET {scheme}://{peer}{path}{who}{by}")
        }
    }
}
