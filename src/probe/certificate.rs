//! The few facts of a certificate that people ask an endpoint for.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use serde::Serialize;

use crate::{hex::hex, identity::Certificate};

/// One certificate as people look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Details {
    /// Subject, as in `CN=localhost`.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Names of the subject alternative name extension: DNS names and addresses.
    pub names: Vec<String>,
    /// Start of validity, seconds since the epoch, UTC; none where the certificate cannot be parsed.
    pub not_before: Option<i64>,
    /// End of validity, seconds since the epoch, UTC.
    pub not_after: Option<i64>,
    /// SHA-256 of the DER, lower hex.
    pub sha256: String,
    /// SHA-1 of the DER, lower hex: only to compare with tools that print it.
    pub sha1: String,
}

/// Reads a DER certificate; one that cannot be parsed still has its fingerprints.
#[must_use]
pub fn details(der: &[u8]) -> Details {
    let parsed = Certificate::from_der(der).ok();
    let names = |c: &Certificate| {
        let ips = c.ips.iter().map(ToString::to_string);
        let all = c.dns.iter().chain(&c.other_names).cloned().chain(ips);
        all.map(|name| printable(&name)).collect()
    };
    let text = |text: fn(&Certificate) -> &str| {
        parsed.as_ref().map(text).map(printable).unwrap_or_default()
    };
    Details {
        subject: text(|c| &c.subject),
        issuer: text(|c| &c.issuer),
        names: parsed.as_ref().map(names).unwrap_or_default(),
        not_before: parsed.as_ref().map(|c| c.not_before),
        not_after: parsed.as_ref().map(|c| c.not_after),
        sha256: fingerprint(der),
        sha1: hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref()),
    }
}

/// Returns the fingerprint of a DER certificate.
pub(super) fn fingerprint(der: &[u8]) -> String {
    hex(digest(&SHA256, der).as_ref())
}

/// A peer chooses these texts: what would move a terminal's cursor is replaced.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
