//! Identities: leaf, chain and private key that belong together, read from whatever people have, checked and ordered.
//!
//! Everything here is pure: bytes in, values out; the time is an argument.

use std::{fmt, str::FromStr};

use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    error::{Error, Result},
    preflight::Finding,
    state::Bytes,
};

mod assemble;
mod certificate;
pub(crate) mod der;
mod dn;
mod findings;
mod key;
pub(crate) mod locked;
pub(crate) mod pem;
mod read;
mod remark;
mod report;
mod shape;
mod signature;
mod trust;

pub use assemble::Parts;
pub use certificate::Certificate;
pub use findings::{Checks, NAMES, date, warning_time};
pub use key::Key;
pub(crate) use pem::base64;
pub use remark::Remark;
pub use report::{CertificateReport, FORMAT, InspectReport, KeyReport, report};
pub use trust::Trust;

/// How a JKS store begins, which is no identity: any of its entries may be one.
pub(crate) const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// One input: a file's bytes and the name that messages give it.
#[derive(Debug, Clone)]
pub struct Input {
    /// Path, as the caller typed it.
    pub name: String,
    /// Contents.
    pub bytes: Bytes,
}

/// What kinds of things an input holds, so that swapped arguments can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// Whether at least one certificate is in it.
    pub certificate: bool,
    /// Whether at least one private key is in it, encrypted or not.
    pub key: bool,
}

/// Leaf, chain and private key that belong together.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The end-entity certificate.
    pub leaf: Certificate,
    /// Intermediates, the leaf's issuer first, no root.
    pub chain: Vec<Certificate>,
    /// The root that came with them, if one did; never sent.
    pub anchor: Option<Certificate>,
    /// The private key; none where none was given or it stays encrypted.
    pub key: Option<Key>,
    /// Text that stood between the blocks.
    pub remarks: Vec<Remark>,
}

/// A part of an identity as it is written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The private key, PKCS#8.
    Key,
    /// The leaf alone.
    Leaf,
    /// The chain without leaf and root.
    Chain,
    /// Leaf, then chain.
    Fullchain,
    /// Key, leaf, chain.
    Bundle,
    /// The root.
    Anchor,
}

impl Form {
    /// Every form by its name.
    pub const NAMES: &[(&str, Self)] = &[
        ("key", Self::Key),
        ("leaf", Self::Leaf),
        ("chain", Self::Chain),
        ("fullchain", Self::Fullchain),
        ("bundle", Self::Bundle),
        ("anchor", Self::Anchor),
    ];

    /// Tells whether the form holds the private key.
    #[must_use]
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Key | Self::Bundle)
    }
}

impl FromStr for Form {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, form)| *form).ok_or_else(|| Error::Unknown {
            what: "form",
            name: name.to_owned(),
            known: Self::NAMES
                .iter()
                .map(|(known, _)| (*known).to_owned())
                .collect(),
        })
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::NAMES.iter().find(|(_, form)| form == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

/// Writes a DER certificate as PEM (RFC 7468).
#[must_use]
pub fn certificate_pem(der: &[u8]) -> String {
    let mut text = Zeroizing::new(String::new());
    pem::write(&mut text, "CERTIFICATE", der);
    std::mem::take(&mut *text)
}

/// Writes a private key as PEM (RFC 7468).
#[must_use]
pub fn key_pem(key: &Key) -> Bytes {
    let mut text = Zeroizing::new(String::with_capacity(pem::room(key.reveal())));
    pem::write(&mut text, "PRIVATE KEY", key.reveal());
    Bytes::from(std::mem::take(&mut *text))
}

/// Tells whether a DER body has the outline of a PKCS#12 store (RFC 7292 section 4).
#[must_use]
pub fn is_store(bytes: &[u8]) -> bool {
    shape::shape(bytes) == shape::Shape::Store
}

/// Writes a distinguished name, DER, as subjects are written; its hex where it is none.
#[must_use]
pub fn name_text(der: &[u8]) -> String {
    dn::from_der(der).unwrap_or_else(|| crate::hex::hex(der))
}

impl Identity {
    /// Puts an identity together from one or several inputs that hold key, leaf and chain in any order.
    ///
    /// The findings are those of putting it together (a key that does not match, an order repaired);
    /// [`Identity::findings`] adds those that depend on the time, the names and the trust anchors.
    ///
    /// # Errors
    /// [`Error::Input`] where an input is empty, junk, cut off or a store that does not open, or no leaf is among them.
    pub fn assemble(inputs: &[Input], password: Option<&Bytes>) -> Result<(Self, Vec<Finding>)> {
        Parts::read(inputs, password)?.assemble()
    }

    /// Returns every finding that depends on the time, the needed names and the trust anchors.
    #[must_use]
    pub fn findings(&self, checks: &Checks<'_>) -> Vec<Finding> {
        findings::findings(self, checks)
    }

    /// Returns a form as PEM with line feeds and the labels of RFC 7468; none where the identity has no such part:
    /// no key, an empty chain, no root.
    #[must_use]
    pub fn form(&self, form: Form) -> Option<Bytes> {
        let key = self.key.as_ref().map(|key| ("PRIVATE KEY", key.reveal()));
        let leaf = Some(("CERTIFICATE", self.leaf.der.as_slice()));
        let chain = self.chain.iter().map(|c| ("CERTIFICATE", c.der.as_slice()));
        let parts: Vec<(&str, &[u8])> = match form {
            Form::Key => vec![key?],
            Form::Leaf => leaf.into_iter().collect(),
            Form::Chain => chain.collect(),
            Form::Fullchain => leaf.into_iter().chain(chain).collect(),
            Form::Bundle => [key?].into_iter().chain(leaf).chain(chain).collect(),
            Form::Anchor => vec![("CERTIFICATE", self.anchor.as_ref()?.der.as_slice())],
        };
        if parts.is_empty() {
            return None;
        }
        let room = parts.iter().map(|(_, der)| pem::room(der)).sum();
        let mut text = Zeroizing::new(String::with_capacity(room));
        for (label, der) in parts {
            pem::write(&mut text, label, der);
        }
        Some(Bytes::from(std::mem::take(&mut *text)))
    }

    /// Returns the CN, else the first DNS name of the SAN, else nothing.
    #[must_use]
    pub fn name(&self) -> &str {
        let first = || self.leaf.dns.first().map(String::as_str);
        self.leaf.cn.as_deref().or_else(first).unwrap_or_default()
    }

    /// Returns the SHA-256 of the leaf's DER, lower hex.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.leaf.sha256
    }

    /// Tells whether the leaf's own key signed it.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.leaf.self_signed
    }

    /// Says who trusts the leaf at `now` (seconds since the epoch, UTC), given trust anchors as DER.
    #[must_use]
    pub fn trust(&self, anchors: &[Vec<u8>], now: i64) -> Trust {
        trust::trust(self, anchors, now)
    }

    /// Tells whether a client that trusts nothing but the PEM certificates in `anchor_pem` accepts leaf and chain at
    /// `now`. A self-signed leaf that is listed itself counts; an intermediate that is listed is not a trust anchor, as
    /// OpenSSL has it by default.
    #[must_use]
    pub fn verifies_with(&self, anchor_pem: &[u8], now: i64) -> bool {
        trust::verifies_with(self, anchor_pem, now)
    }

    /// Returns what templates may say about the identity; no byte of the key is in it.
    #[must_use]
    pub fn context(&self, trust: Trust) -> serde_json::Value {
        json!({
            "name": self.name(),
            "cn": self.leaf.cn,
            "dns": self.leaf.dns,
            "ips": self.leaf.ips.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "fingerprint": self.fingerprint(),
            "self_signed": self.is_self_signed(),
            "trust": trust.name(),
            "not_after": self.leaf.not_after,
            "has_anchor": self.anchor.is_some(),
            "key": self.key.as_ref().map(Key::description).unwrap_or_default(),
            "sha1": self.leaf.sha1,
            "for_clients": self.leaf.is_for_clients(),
        })
    }
}

impl Input {
    /// Returns every certificate it holds, in order, without a password.
    ///
    /// # Errors
    /// As [`Identity::assemble`].
    pub fn certificates(&self) -> Result<Vec<Certificate>> {
        read::read(self, None).map(|found| found.certificates)
    }

    /// Says what keys a file holds without showing one: type and public fingerprint.
    #[must_use]
    pub fn describe_keys(&self) -> String {
        let keys = read::read(self, None)
            .map(|found| found.keys)
            .unwrap_or_default();
        let describe = |key: &Key| {
            format!(
                "{} key, public fingerprint {}",
                key.description(),
                key.pin()
            )
        };
        if keys.is_empty() {
            return format!("{} bytes without a readable key", self.bytes.len());
        }
        keys.iter().map(describe).collect::<Vec<_>>().join("; ")
    }

    /// Tells whether a private key is in it, encrypted or not; a PKCS#12 store is taken to hold one.
    #[must_use]
    pub fn holds_key(&self) -> bool {
        let holds = |found: read::Contents| !found.keys.is_empty() || !found.locked.is_empty();
        is_store(self.bytes.reveal()) || read::read(self, None).is_ok_and(holds)
    }
}

#[cfg(test)]
mod tests;
