//! What may be said of a store: aliases, types, fingerprints and ends of validity; never a key or a password.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Entry, Format, Holds, Store, shown};
use crate::{
    identity::{Certificate, date},
    watch::Place,
};

/// Name and version of the JSON document.
pub const FORMAT: &str = "certroll/keystore/1";

/// A store as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct StoreReport {
    /// [`FORMAT`].
    pub format: &'static str,
    /// Path, as the caller typed it.
    pub file: String,
    /// Format of the store.
    pub store: Format,
    /// Whether a password was given, so that the whole is known to be as it was written.
    pub verified: bool,
    /// Entries in their order.
    pub entries: Vec<EntryReport>,
}

/// An entry as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct EntryReport {
    /// Its name, as the store has it.
    pub alias: String,
    /// `key`, `trusted` or `other`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When it was made, seconds since the epoch, UTC; a PKCS#12 store does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<i64>,
    /// Type and size of the private key; none where it was not opened, or there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The certificate, or the leaf of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateLine>,
    /// Certificates behind the leaf.
    pub chain: Vec<CertificateLine>,
    /// What it is, where it is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<&'static str>,
}

/// A certificate in a line.
#[derive(Debug, Clone, Serialize)]
pub struct CertificateLine {
    /// Subject.
    pub subject: String,
    /// SHA-256 fingerprint, lower hex.
    pub sha256: String,
    /// SHA-1 fingerprint, lower hex.
    pub sha1: String,
    /// End of the validity, seconds since the epoch, UTC.
    pub not_after: i64,
}

impl CertificateLine {
    fn of(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.title(),
            sha256: certificate.sha256.clone(),
            sha1: certificate.sha1.clone(),
            not_after: certificate.not_after,
        }
    }
}

impl EntryReport {
    fn of(entry: &Entry) -> Self {
        let mut report = Self {
            alias: entry.alias.clone(),
            kind: "other",
            made: entry.made,
            key: None,
            certificate: None,
            chain: Vec::new(),
            other: None,
        };
        match &entry.holds {
            Holds::Key { key, chain } => {
                report.kind = "key";
                report.key = key.as_ref().map(crate::identity::Key::description);
                let mut lines = chain.iter().map(CertificateLine::of);
                report.certificate = lines.next();
                report.chain = lines.collect();
            }
            Holds::Trusted(certificate) => {
                report.kind = "trusted";
                report.certificate = Some(CertificateLine::of(certificate));
            }
            Holds::Other(what) => report.other = Some(what),
        }
        report
    }
}

impl StoreReport {
    /// Describes a store that was read from `file`.
    #[must_use]
    pub fn of(file: &str, store: &Store, entries: &[Entry], verified: bool) -> Self {
        Self {
            format: FORMAT,
            file: file.to_owned(),
            store: store.format(),
            verified,
            entries: entries.iter().map(EntryReport::of).collect(),
        }
    }
}

/// Returns the chains of keys in a store, and the trusted certificates whose alias is `wanted`, for monitoring: what else
/// is trusted in it is nobody's rollout.
pub(crate) fn leaves(
    path: &str,
    entries: &[Entry],
    wanted: &dyn Fn(&str) -> bool,
) -> Vec<(Place, Vec<Certificate>)> {
    let wanted = entries.iter().filter(|entry| wanted(&entry.alias));
    let found = wanted.filter_map(|entry| {
        let certificates = match &entry.holds {
            Holds::Key { chain, .. } => chain.clone(),
            Holds::Trusted(certificate) => vec![(**certificate).clone()],
            Holds::Other(_) => return None,
        };
        let place = Place::Store {
            path: path.to_owned(),
            alias: entry.alias.clone(),
        };
        Some((place, certificates))
    });
    found.collect()
}

impl Holds {
    /// Says in a word or two what it is.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Key { .. } => "a key",
            Self::Trusted(_) => "a trusted certificate",
            Self::Other(what) => what,
        }
    }
}

/// Returns an entry in a line.
fn line(entry: &Entry) -> String {
    let alias = shown(&entry.alias);
    let told = |c: &Certificate| {
        let until = date(c.not_after);
        format!("{}, SHA-256 {}, until {until}", c.title(), c.sha256)
    };
    match &entry.holds {
        Holds::Key { key, chain } => {
            let key = key.as_ref().map_or_else(
                || "key that these passwords do not open".to_owned(),
                |key| format!("{} key", key.description()),
            );
            let leaf = chain
                .first()
                .map_or_else(|| "no certificate".to_owned(), told);
            let more = match chain.len() {
                0 | 1 => String::new(),
                n => format!(", {} more in the chain", n - 1),
            };
            format!("{alias}: {key}, {leaf}{more}")
        }
        Holds::Trusted(certificate) => {
            format!("{alias}: trusted certificate, {}", told(certificate))
        }
        Holds::Other(what) => format!("{alias}: {what}"),
    }
}

/// Returns which entries go (`-`), come (`+`) and how many stay, a line each; the order of the store after.
pub(crate) fn lines(before: Option<&[Entry]>, after: &[Entry]) -> Vec<String> {
    let old: Vec<String> = before.unwrap_or_default().iter().map(line).collect();
    let new: Vec<String> = after.iter().map(line).collect();
    let (gone, came): (BTreeSet<&String>, BTreeSet<&String>) =
        (old.iter().collect(), new.iter().collect());
    let mut lines = Vec::new();
    for (entry, line) in before.unwrap_or_default().iter().zip(&old) {
        if !after.iter().any(|other| other.found_as == entry.found_as) {
            lines.push(format!("- {line}"));
        }
    }
    for (entry, line) in after.iter().zip(&new) {
        if gone.contains(line) {
            continue;
        }
        let replaced = before.unwrap_or_default().iter().zip(&old);
        let replaced =
            replaced.filter(|(old, line)| old.found_as == entry.found_as && !came.contains(line));
        lines.extend(replaced.map(|(_, line)| format!("- {line}")));
        lines.push(format!("+ {line}"));
    }
    let stay = new.iter().filter(|line| gone.contains(line)).count();
    match stay {
        0 => {}
        1 => lines.push("  1 entry stays as it is".to_owned()),
        n => lines.push(format!("  {n} entries stay as they are")),
    }
    lines
}

/// Says what differs between two contents of a file without a password; none where neither is a store.
///
/// What PKCS#12 holds is told to nobody without one, and by a rollback, which has none, only its size is.
pub(crate) fn compared(before: Option<&[u8]>, after: Option<&[u8]>) -> Option<Vec<String>> {
    let given = || [("-", before), ("+", after)].into_iter();
    if !given().any(|(_, bytes)| bytes.is_some_and(|b| Store::format_of(b).is_some())) {
        return None;
    }
    let open = |bytes: &[u8]| {
        let jks = Store::format_of(bytes) == Some(Format::Jks);
        let read = jks.then(|| Store::read(bytes, None));
        read.and_then(Result::ok).map(|store| store.entries(None))
    };
    let (old, new) = (before.and_then(open), after.and_then(open));
    if old.is_some() == before.is_some() && new.is_some() == after.is_some() {
        return Some(lines(old.as_deref(), &new.unwrap_or_default()));
    }
    let told = |bytes: &[u8]| match Store::format_of(bytes) {
        Some(format) => format!("{format} store of {} bytes", bytes.len()),
        None => format!("{} bytes", bytes.len()),
    };
    let line = |(sign, bytes): (&str, Option<&[u8]>)| {
        format!("{sign} {}", bytes.map_or_else(|| "none".to_owned(), told))
    };
    Some(given().map(line).collect())
}
