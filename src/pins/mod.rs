//! Pins: the leaf that a peer must present, kept for each `host:port`, whatever a name, an issuer or a clock says.
//!
//! [`Pins`] is the store as a value; [`load`] and [`save`] are its only way to and from the state directory, and
//! [`look()`] asks peers. A fingerprint that changed is never taken over here: only a person's word does that, or a rollout
//! which had named the next leaf before it sent it.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    host::{Host, Permit, Writer},
    identity::Certificate,
    journal::{Store, other_format},
    peer::{Accept, Fingerprint},
    starttls::Peer,
    state::{Attrs, HostPath, State},
};

mod cpapi;
mod look;
mod moves;
mod snippets;

#[cfg(test)]
mod tests;

pub use cpapi::{merge, parse as parse_cpapi};
pub use look::{Looked, Mismatch, PATIENCE, Seen, check, look};
pub(crate) use moves::settle;
pub use moves::{Move, proved};
pub use snippets::{LANGUAGES, snippet};

/// Format of the store.
pub const FORMAT: &str = "certroll/pins/1";

/// Name of the store in the state directory.
const FILE: &str = "/pins.json";

/// What is kept of one leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// SHA-256 of its DER: what is enforced.
    pub sha256: Fingerprint,
    /// SHA-1 of its DER: only for tools that know nothing else.
    pub sha1: Fingerprint,
    /// SHA-256 of its public key, base64 without prefix: only for clients that pin keys; none where it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// End of its validity, seconds since the epoch, UTC: for people, a pin does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<i64>,
}

impl Leaf {
    /// Returns what is kept of a DER certificate.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        match Certificate::from_der(der) {
            Ok(certificate) => Self::from(&certificate),
            Err(_) => Self {
                sha256: Fingerprint::of(der),
                sha1: Fingerprint::legacy(der),
                public_key: None,
                not_after: None,
            },
        }
    }
}

impl From<&Certificate> for Leaf {
    fn from(certificate: &Certificate) -> Self {
        Self {
            sha256: Fingerprint::of(&certificate.der),
            sha1: Fingerprint::legacy(&certificate.der),
            public_key: Some(certificate.pin()),
            not_after: Some(certificate.not_after),
        }
    }
}

/// How a pin came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// What the server's own `api fingerprint -f json` said.
    ApiFingerprint,
    /// The file of another tool.
    Imported,
    /// A fingerprint that a person gave.
    Manual,
    /// A rollout that replaced the leaf, and proved the new one.
    Rollout,
    /// Trust on first use, because a person asked for it.
    Tofu,
}

/// The pin of one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The leaf that it must present.
    #[serde(flatten)]
    pub leaf: Leaf,
    /// When it was pinned, seconds since the epoch, UTC.
    pub first_seen: i64,
    /// How.
    pub source: Source,
    /// The leaf that is about to be rolled out to it, accepted too until then.
    pub next: Option<Leaf>,
}

impl Pin {
    /// Returns the fingerprints that are accepted: the leaf's, and the next one's where there is one.
    #[must_use]
    pub fn accepted(&self) -> Vec<Fingerprint> {
        let next = self.next.iter().map(|leaf| leaf.sha256);
        std::iter::once(self.leaf.sha256).chain(next).collect()
    }

    /// Returns what a verifier accepts.
    #[must_use]
    pub fn accept(&self) -> Accept {
        Accept::Only(self.accepted())
    }
}

/// All pins, by peer as [`key`] names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// [`FORMAT`].
    format: String,
    /// By peer.
    pub hosts: BTreeMap<String, Pin>,
}

impl Default for Pins {
    fn default() -> Self {
        Self {
            format: FORMAT.to_owned(),
            hosts: BTreeMap::new(),
        }
    }
}

/// Reads a target as the name of a pin: `host:port` with the port said, the host in lower case, an IPv6 address in brackets,
/// and the scheme in front where TLS does not come with the first byte.
///
/// # Errors
/// [`Error::Usage`] where it is no target, or its host is none that can be pinned.
pub fn key(target: &str) -> Result<(String, Peer)> {
    let mut peer = Peer::parse(target)?;
    peer.name = match peer.name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => peer.name.trim_end_matches('.').to_lowercase(),
    };
    // Names go into programs, too: nothing that a shell or a string could take for more than itself.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if peer.name.is_empty() || peer.name.starts_with('-') || !peer.name.chars().all(plain) {
        return Err(Error::Usage {
            message: format!("`{}` is no host name or address", peer.name.escape_debug()),
            hint: "a pin is kept for `host:port`".to_owned(),
        });
    }
    Ok((peer.to_string(), peer))
}

impl Pins {
    /// Reads the store's text.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with its name.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let damaged = |error: serde_json::Error| format!("is malformed: {error}");
        let Format { format } = serde_json::from_slice(text).map_err(damaged)?;
        if format != FORMAT {
            return Err(other_format(&format, FORMAT));
        }
        let pins: Self = serde_json::from_slice(text).map_err(damaged)?;
        for (name, pin) in &pins.hosts {
            if !key(name).is_ok_and(|(known, _)| known == *name) {
                return Err(format!("names `{}`, which is no peer", name.escape_debug()));
            }
            for leaf in std::iter::once(&pin.leaf).chain(&pin.next) {
                if leaf.sha256.digest() != "SHA-256" || leaf.sha1.digest() != "SHA-1" {
                    return Err(format!("has a digest of another kind for `{name}`"));
                }
            }
        }
        Ok(pins)
    }

    /// Returns the pin of a peer.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is none.
    pub fn get(&self, name: &str) -> Result<&Pin> {
        self.hosts.get(name).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        Error::Unknown {
            what: "pin",
            name: name.to_owned(),
            known: self.hosts.keys().cloned().collect(),
        }
    }

    /// Returns the other peers that are pinned to a leaf.
    #[must_use]
    pub fn elsewhere(&self, leaf: Fingerprint, but: &str) -> Vec<String> {
        self.hosts
            .iter()
            .filter(|(name, pin)| *name != but && pin.accepted().contains(&leaf))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// Reads the store; empty where there is none.
///
/// # Errors
/// [`Error::Input`] where it is malformed or others may write it: it is never written over then.
pub fn load(host: &dyn Host) -> Result<Pins> {
    let refuse = |message: String, hint: &str| Error::Input {
        subject: "`pins.json` in the state directory".to_owned(),
        message,
        hint: hint.to_owned(),
    };
    let at = HostPath::new(FILE).unwrap_or_default();
    let state = host.load(&at)?;
    let Some(bytes) = state.bytes() else {
        return match state {
            State::Absent => Ok(Pins::default()),
            State::Present { .. } => Err(refuse(format!("is a {}, want a file", state.noun()), "")),
        };
    };
    let ours = |attrs: &Attrs| attrs.uid == 0 || attrs.uid == host.effective_uid();
    if state
        .attrs()
        .is_some_and(|a| a.mode & 0o022 != 0 || !ours(a))
    {
        return Err(refuse(
            "can be written by others: whose pins are these?".to_owned(),
            "look at them (`certroll pin list` after `chmod 0600`), or remove the file and pin again",
        ));
    }
    Pins::parse(bytes.reveal()).map_err(|message| {
        refuse(
            message,
            "it is left as it is: put it right, or remove it and pin again",
        )
    })
}

/// Replaces the store, durable on return; the caller holds the lock, and changed what [`load`] gave.
///
/// # Errors
/// [`Error::Io`] with the older store as it was.
pub fn save(host: &mut dyn Host, pins: &Pins) -> Result<()> {
    let mut writer = Writer::new(host, Permit::of_state(0), String::new());
    put(&mut writer, pins)
}

fn put(writer: &mut Writer<'_>, pins: &Pins) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(pins).unwrap_or_default();
    bytes.push(b'\n');
    Store::put(writer, &HostPath::new(FILE).unwrap_or_default(), bytes)
}
