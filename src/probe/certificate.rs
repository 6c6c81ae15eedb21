//! The few facts of a certificate that people ask an endpoint for.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use serde::Serialize;
use x509_parser::prelude::*;

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
    let mut details = Details {
        subject: String::new(),
        issuer: String::new(),
        names: Vec::new(),
        not_before: None,
        not_after: None,
        sha256: fingerprint(der),
        sha1: hex(&SHA1_FOR_LEGACY_USE_ONLY, der),
    };
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return details;
    };
    details.subject = printable(&certificate.subject().to_string());
    details.issuer = printable(&certificate.issuer().to_string());
    details.not_before = Some(certificate.validity().not_before.timestamp());
    details.not_after = Some(certificate.validity().not_after.timestamp());
    if let Ok(Some(san)) = certificate.subject_alternative_name() {
        details.names = san.value.general_names.iter().filter_map(name).collect();
    }
    details
}

/// Returns the fingerprint of a DER certificate.
pub(super) fn fingerprint(der: &[u8]) -> String {
    hex(&SHA256, der)
}

fn hex(algorithm: &'static Algorithm, bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest(algorithm, bytes).as_ref() {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some(printable(name)),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|four| std::net::Ipv4Addr::from(four).to_string()),
            16 => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// A peer chooses these texts: what would move a terminal's cursor is replaced.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
