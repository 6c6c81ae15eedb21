//! What is observed from outside, and what of it must hold.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Reader;
use crate::{far::Login, peer::Fingerprint, probe::Want, starttls::Protocol, state::HostPath};

/// One observation to make from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    /// A TLS handshake on every address: the named ones, or those that the name resolves to.
    Tls {
        /// How TLS begins there.
        #[serde(default, skip_serializing_if = "Protocol::is_direct")]
        protocol: Protocol,
        /// Server name sent and matched against the leaf.
        name: String,
        /// Port.
        port: u16,
        /// Addresses; empty: those that the name resolves to.
        addresses: Vec<IpAddr>,
        /// What serves there, for people.
        service: String,
    },
    /// A call over mutual TLS on every address.
    Call {
        /// How TLS begins there.
        #[serde(default, skip_serializing_if = "Protocol::is_direct")]
        protocol: Protocol,
        /// Server name sent.
        name: String,
        /// Port.
        port: u16,
        /// Addresses; empty: those that the name resolves to.
        addresses: Vec<IpAddr>,
        /// The path that is asked for over HTTP; none: the handshake is all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        get: Option<String>,
        /// What it shows.
        shows: Shows,
    },
    /// The resolver gives exactly one address for a name.
    Lookup {
        /// The name.
        name: String,
        /// The address.
        is: IpAddr,
    },
    /// Files can be read by a user or group, with every directory on the way.
    Readable {
        /// The files.
        paths: Vec<HostPath>,
        /// By whom.
        by: Reader,
    },
    /// A `GET` over HTTP is answered so.
    Http {
        /// Whether it goes over TLS.
        tls: bool,
        /// The peer, as pins name it.
        peer: String,
        /// The path, from `/`.
        path: String,
        /// Over TLS: what it is tried as, in order, while the answer is 401.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        logins: Vec<Login>,
        /// Over TLS: the leaves that are accepted; nothing is sent to another.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        accept: Vec<Fingerprint>,
        /// The answers that are right, as `200`, `401` or `empty`; none: if it answered well before, it does so still.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        is: Vec<String>,
        /// The backend behind it, as `host:port`: it must have seen the leaf as that of its client, and refuse a client
        /// without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen_by: Option<String>,
        /// What to do where it did not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        /// What must not stand in the answer, a JSON document.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lacks: Option<Lacks>,
        /// What the answer, a JSON document, must tell at a place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tells: Option<Tells>,
    },
}

/// What a JSON document must tell at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tells {
    /// The way to the place, by names.
    pub at: Vec<String>,
    /// What stands there.
    pub what: Told,
}

/// What stands at a place of a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// This value.
    Value(serde_json::Value),
    /// A certificate that the platform got by itself, which covers a name, verifies, and is served there.
    Issued {
        /// The name, which is the server name of every handshake.
        name: String,
        /// Port.
        port: u16,
        /// Addresses; empty: those that the name resolves to.
        addresses: Vec<IpAddr>,
    },
}

/// An entry that a JSON document must not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacks {
    /// The way to where it would stand, at any depth, by names; where the last of them is missing, nothing stands there.
    pub at: Vec<String>,
    /// Members that the entry would have, as text.
    pub members: Vec<(String, String)>,
}

impl Probe {
    /// Tells whether another asks the same, whoever is accepted as the one who answers.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Http {
                    tls,
                    peer,
                    path,
                    logins,
                    accept: _,
                    is,
                    seen_by,
                    hint: _,
                    lacks,
                    tells,
                },
                Self::Http {
                    tls: other_tls,
                    peer: other_peer,
                    path: other_path,
                    logins: other_logins,
                    accept: _,
                    is: other_is,
                    seen_by: other_seen_by,
                    hint: _,
                    lacks: other_lacks,
                    tells: other_tells,
                },
            ) => {
                (tls, peer, path, logins) == (other_tls, other_peer, other_path, other_logins)
                    && (is, seen_by, lacks, tells)
                        == (other_is, other_seen_by, other_lacks, other_tells)
            }
            _ => self == other,
        }
    }

    /// Returns what it must see where an identity is to be served.
    #[must_use]
    pub fn want(&self, served: &Want) -> Want {
        match self {
            Self::Tls { .. }
            | Self::Http {
                seen_by: Some(_), ..
            } => served.clone(),
            Self::Call { shows, .. } => Want::Call(*shows != Shows::Nothing),
            Self::Lookup { is, .. } => Want::Lookup(*is),
            Self::Readable { .. } => Want::Readable,
            Self::Http { is, .. } => Want::Answer(is.clone()),
        }
    }
}

/// What a call shows where a client certificate is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shows {
    /// None: it must be refused.
    Nothing,
    /// The identity of a rollout, as a generation keeps it.
    Identity {
        /// The leaf's fingerprint.
        leaf: String,
    },
    /// What files of this host hold then.
    Files {
        /// The leaf, with its chain.
        cert: HostPath,
        /// The key.
        key: HostPath,
    },
}
