//! What `inspect` says, as data.

use serde::Serialize;

use super::{Identity, Remark, Trust, certificate::Certificate, findings::DAY};
use crate::preflight::{Finding, Severity};

/// Name and version of the JSON document.
pub const FORMAT: &str = "certroll/inspect/1";

/// Everything that `inspect` shows.
#[derive(Debug, Clone, Serialize)]
pub struct InspectReport {
    /// [`FORMAT`].
    pub format: &'static str,
    /// CN or first name.
    pub name: String,
    /// Who trusts it.
    pub trust: Trust,
    /// The leaf.
    pub leaf: CertificateReport,
    /// The private key; none where none was given or it stays encrypted.
    pub key: Option<KeyReport>,
    /// The chain in order.
    pub chain: Vec<CertificateReport>,
    /// Subjects of the chain without its expired certificates; only where there are such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_without_expired: Option<Vec<String>>,
    /// The root that came with it.
    pub anchor: Option<CertificateReport>,
    /// Text between blocks.
    pub remarks: Vec<Remark>,
    /// Findings, the worst first.
    pub findings: Vec<Finding>,
    /// The time of the report, seconds since the epoch, UTC.
    pub now: i64,
}

/// One certificate as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct CertificateReport {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Serial number, lower hex.
    pub serial: String,
    /// DNS names of the SAN.
    pub dns: Vec<String>,
    /// Addresses of the SAN.
    pub ips: Vec<String>,
    /// Other entries of the SAN.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// Start of the validity, seconds since the epoch, UTC.
    pub not_before: i64,
    /// End of the validity, seconds since the epoch, UTC.
    pub not_after: i64,
    /// Whole days until the end, negative after it.
    pub days_left: i64,
    /// Type and size of the public key.
    pub key: String,
    /// Signature algorithm.
    pub signature: String,
    /// SHA-256 fingerprint, lower hex.
    pub sha256: String,
    /// SHA-1 fingerprint, lower hex.
    pub sha1: String,
    /// Base64 SHA-256 of the public key.
    pub public_key_pin: String,
    /// Whether it may sign certificates.
    pub is_ca: bool,
    /// Whether its own key signed it.
    pub self_signed: bool,
    /// Key usage, where limited.
    pub key_usage: Option<Vec<&'static str>>,
    /// Extended key usage, where limited.
    pub extended_key_usage: Option<Vec<String>>,
}

/// What may be said of a private key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyReport {
    /// Type and size.
    pub key: String,
    /// Base64 SHA-256 of its public half.
    pub public_key_pin: String,
    /// Whether it belongs to the leaf.
    pub matches: bool,
}

impl InspectReport {
    /// Tells whether a fatal finding is left, so that `inspect` exits 2.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Fatal)
    }
}

/// Describes an identity with its findings, `--allow` already applied, at `now` (seconds since the epoch, UTC).
#[must_use]
pub fn report(
    identity: &Identity,
    findings: Vec<Finding>,
    trust: Trust,
    now: i64,
) -> InspectReport {
    let describe = |certificate: &Certificate| describe(certificate, now);
    let live: Vec<String> = identity
        .chain
        .iter()
        .filter(|c| now <= c.not_after)
        .map(Certificate::title)
        .collect();
    InspectReport {
        format: FORMAT,
        name: identity.name().to_owned(),
        trust,
        leaf: describe(&identity.leaf),
        key: identity.key.as_ref().map(|key| KeyReport {
            key: key.description(),
            public_key_pin: key.pin(),
            matches: identity.leaf.public().as_ref() == Some(key.public()),
        }),
        chain: identity.chain.iter().map(describe).collect(),
        chain_without_expired: (live.len() < identity.chain.len()).then_some(live),
        anchor: identity.anchor.as_ref().map(describe),
        remarks: identity.remarks.clone(),
        findings,
        now,
    }
}

fn describe(certificate: &Certificate, now: i64) -> CertificateReport {
    CertificateReport {
        subject: certificate.subject.clone(),
        issuer: certificate.issuer.clone(),
        serial: certificate.serial.clone(),
        dns: certificate.dns.clone(),
        ips: certificate.ips.iter().map(ToString::to_string).collect(),
        other_names: certificate.other_names.clone(),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        days_left: (certificate.not_after - now).div_euclid(DAY),
        key: certificate.key.clone(),
        signature: certificate.signature.clone(),
        sha256: certificate.sha256.clone(),
        sha1: certificate.sha1.clone(),
        public_key_pin: certificate.pin(),
        is_ca: certificate.is_ca,
        self_signed: certificate.self_signed,
        key_usage: certificate.key_usage.clone(),
        extended_key_usage: certificate.extended_key_usage.clone(),
    }
}
