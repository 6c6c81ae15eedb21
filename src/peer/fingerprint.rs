//! Fingerprints of leaves: read in every form, printed in one.

use std::fmt;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    hex::hex,
};

/// A digest of a leaf's DER; as text, and in JSON, lower hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Fingerprint {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-1: only to compare with tools that print nothing else.
    Sha1([u8; 20]),
}

/// What the machine that serves is asked for its own fingerprint.
const ASK: &str = "give what `api fingerprint` or `openssl x509 -noout -fingerprint -sha256 -in LEAF` prints on the server";

impl Fingerprint {
    /// Returns the SHA-256 of a DER certificate.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, der).as_ref());
        Self::Sha256(bytes)
    }

    /// Returns the SHA-1 of a DER certificate.
    #[must_use]
    pub fn legacy(der: &[u8]) -> Self {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
        Self::Sha1(bytes)
    }

    /// Tells whether this is the digest of a DER certificate.
    #[must_use]
    pub fn is_of(&self, der: &[u8]) -> bool {
        match self {
            Self::Sha256(_) => *self == Self::of(der),
            Self::Sha1(_) => *self == Self::legacy(der),
        }
    }

    /// Returns the digest's name, `SHA-256` or `SHA-1`.
    #[must_use]
    pub fn digest(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::Sha1(_) => "SHA-1",
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha1(bytes) => bytes,
        }
    }

    /// Returns it as servers print it: upper hex, a colon after each byte but the last.
    #[must_use]
    pub fn colons(&self) -> String {
        let pairs: Vec<String> = self.bytes().iter().map(|b| format!("{b:02X}")).collect();
        pairs.join(":")
    }

    /// Reads what a tool or person gives: hex of any case with colons, spaces, dashes or none, behind `SHA1 Fingerprint=`,
    /// `sha256:` and the like or nothing; lines of such; or the JSON of `api fingerprint -f json`. Where both digests are
    /// given, the SHA-256 is taken.
    ///
    /// # Errors
    /// [`Error::Usage`] where it is none, or a look-alike, which is named: MD5, words of the internal CA, a key's digest.
    pub fn read(text: &str) -> Result<Self> {
        let text = text.trim();
        let candidates: Vec<(String, String)> = if text.starts_with(['[', '{']) {
            members(text)?
        } else {
            lines(text)
        };
        let mut found = Vec::new();
        for (label, value) in &candidates {
            found.push(one(label, value)?);
        }
        found.sort_unstable();
        found.dedup();
        let of = |digest: &str| found.iter().filter(|f| f.digest() == digest).count();
        if of("SHA-256") > 1 || of("SHA-1") > 1 {
            return Err(refused(
                "names more than one leaf",
                "give the fingerprint of one",
            ));
        }
        // Sorted: a SHA-256 comes first.
        found
            .first()
            .copied()
            .ok_or_else(|| refused("has no fingerprint in it", ASK))
    }
}

fn refused(what: &str, hint: &str) -> Error {
    Error::Usage {
        message: format!("what is given as a fingerprint {what}"),
        hint: hint.to_owned(),
    }
}

/// The members of the JSON of `api fingerprint -f json` that name a digest: an array of objects, or one of them.
fn members(text: &str) -> Result<Vec<(String, String)>> {
    let document: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| refused(&format!("is not JSON: {error}"), ASK))?;
    let objects = match document {
        serde_json::Value::Array(all) => all,
        one => vec![one],
    };
    let mut found = Vec::new();
    for (key, value) in objects.iter().filter_map(|o| o.as_object()).flatten() {
        if let (true, Some(value)) = (names_digest(&key.to_lowercase()), value.as_str()) {
            found.push((key.to_lowercase(), value.to_owned()));
        }
    }
    Ok(found)
}

fn names_digest(text: &str) -> bool {
    text.contains("sha") || text.contains("md5")
}

/// Every line with a digest's name in front; a text of one line is one, whatever it is.
fn lines(text: &str) -> Vec<(String, String)> {
    let single = text.lines().count() == 1;
    text.lines()
        .map(|line| labelled(line.trim()))
        .filter(|(label, value)| (single || names_digest(label)) && !value.is_empty())
        .collect()
}

/// Takes `SHA1 Fingerprint=`, `sha256 = `, `SHA256:` or nothing from the front.
fn labelled(line: &str) -> (String, String) {
    if let Some((label, value)) = line
        .split_once('=')
        .filter(|(label, _)| names_digest(&label.to_lowercase()) && !label.contains('/'))
    {
        return (label.to_lowercase(), value.trim().to_owned());
    }
    let lower = line.to_lowercase();
    for label in ["sha256", "sha-256", "sha1", "sha-1", "md5"] {
        if let Some(rest) = lower.strip_prefix(label) {
            let value = line[line.len() - rest.len()..].trim_start();
            let value = value.strip_prefix(':').unwrap_or(value).trim_start();
            // "SHA256 Fingerprint: AB:CD" and the like.
            let word = value.to_lowercase();
            let value = match word.strip_prefix("fingerprint") {
                Some(rest) => value[value.len() - rest.len()..].trim_start_matches([':', ' ']),
                None => value,
            };
            return (label.to_owned(), value.to_owned());
        }
    }
    (String::new(), line.to_owned())
}

fn one(label: &str, value: &str) -> Result<Fingerprint> {
    let plain: String = value
        .chars()
        .filter(|c| !matches!(c, ':' | ' ' | '-' | '\t'))
        .collect();
    let bytes = unhex(&plain).ok_or_else(|| foreign(label, value))?;
    let says = |digest: &str| label.replace('-', "").contains(digest);
    match bytes.len() {
        32 if !says("sha1") && !says("md5") => {
            let mut digest = [0; 32];
            digest.copy_from_slice(&bytes);
            Ok(Fingerprint::Sha256(digest))
        }
        20 if !says("sha256") && !says("md5") => {
            let mut digest = [0; 20];
            digest.copy_from_slice(&bytes);
            Ok(Fingerprint::Sha1(digest))
        }
        16 => Err(refused(
            "is an MD5, as `fwm fingerprint` prints it: not of the portal's leaf",
            ASK,
        )),
        length if length % 20 == 0 && length > 20 => Err(refused(
            "is several SHA-1 in a row, as of a whole chain",
            "give that of the leaf alone: `api fingerprint` on the server",
        )),
        length => {
            let named = if label.is_empty() {
                ""
            } else {
                " behind that name"
            };
            Err(refused(
                &format!("has {length} bytes{named}: want 32 (SHA-256) or 20 (SHA-1)"),
                ASK,
            ))
        }
    }
}

/// Names what is no hex.
fn foreign(label: &str, value: &str) -> Error {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let words: Vec<&str> = value.split_whitespace().collect();
    let spoken = |w: &&str| w.len() > 1 && w.chars().all(|c| c.is_ascii_alphabetic());
    if value
        .strip_prefix("//")
        .is_some_and(|key| key.chars().all(base64))
    {
        return refused(
            "is a digest of the public key, as curl takes it: not of the leaf",
            ASK,
        );
    }
    if words.len() >= 4 && words.iter().all(spoken) {
        return refused(
            "is words, as `cp_conf finger get` prints them: they are of the internal CA, not of the portal's leaf",
            ASK,
        );
    }
    if label.contains("256")
        && matches!(value.trim_end_matches('=').len(), 43)
        && value.chars().all(base64)
    {
        return refused("is base64, as of an SSH host key: not of a leaf", ASK);
    }
    refused("is not hex", ASK)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty()
        || !text.len().is_multiple_of(2)
        || !text.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

impl fmt::Display for Fingerprint {
    /// Lower hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.bytes()))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self}", self.digest())
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    /// Reads the stored form alone: lower hex.
    fn try_from(text: String) -> std::result::Result<Self, String> {
        let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if !text.bytes().all(lower) {
            return Err("a stored fingerprint is lower hex".to_owned());
        }
        one("", &text).map_err(|error| error.to_string())
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}
