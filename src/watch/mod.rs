//! What monitoring is told: every certificate of a rollout where it really is, with everything else that is not as wanted.
//!
//! [`look()`] and [`renewals()`] gather, everything after them is pure: `problems` judges, `nagios` and `prometheus` write.

use serde::Serialize;

use crate::{
    identity::{Certificate, Checks, warning_time},
    probe::Verdict,
    receipt::Outcome,
};

mod look;
mod nagios;
mod problems;
mod prometheus;
mod renewals;

pub use look::{Held, held, look};
pub(crate) use look::{lives, seen, verdicts};
pub use nagios::{line, unknown};
pub use problems::{Level, late, problems};
pub use prometheus::metrics;
pub use renewals::{Renewal, renewals};

/// Where a certificate was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "source", rename_all = "lowercase")]
pub enum Place {
    /// In a file of its own, or with a key or chain.
    File {
        /// Path on the host.
        path: String,
    },
    /// In a keystore.
    Store {
        /// Path on the host.
        path: String,
        /// Alias of its entry.
        alias: String,
    },
    /// In a document that others made.
    Document {
        /// Path on the host.
        path: String,
        /// The way to its value.
        key: String,
    },
    /// At an endpoint.
    Served {
        /// `ADDRESS:PORT`.
        endpoint: String,
        /// Server name that was asked for.
        name: String,
    },
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path } => f.write_str(path),
            Self::Store { path, alias } => write!(f, "{path} ({})", crate::keystore::shown(alias)),
            Self::Document { path, key } => write!(f, "{path} ({key})"),
            Self::Served { endpoint, name } => write!(f, "{endpoint} as {name}"),
        }
    }
}

/// One certificate at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// 0 of the first certificate there, which is the leaf; of those that follow it, their number.
    pub position: usize,
    /// Subject, as in `CN=www.example.org`.
    pub subject: String,
    /// Most specific CN of the subject, if it has one.
    pub subject_cn: Option<String>,
    /// Most specific CN of the issuer, if it has one.
    pub issuer_cn: Option<String>,
    /// Serial number, lower hex.
    pub serial: String,
    /// SHA-256 of the DER, lower hex.
    pub sha256: String,
    /// Start of validity, seconds since the epoch, UTC.
    pub not_before: i64,
    /// End of validity, seconds since the epoch, UTC.
    pub not_after: i64,
    /// Seconds before the end in which the end is a warning.
    pub warning: i64,
    /// Seconds before the end in which the end is critical.
    pub critical: i64,
}

impl Sighting {
    fn of(place: Place, position: usize, certificate: &Certificate, warn_days: i64) -> Self {
        Self {
            place,
            position,
            subject: certificate.title(),
            subject_cn: certificate.cn.clone(),
            issuer_cn: certificate.issuer_cn(),
            serial: certificate.serial.clone(),
            sha256: certificate.sha256.clone(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            warning: warning_time(certificate, warn_days),
            critical: warning_time(certificate, Checks::WARN_DAYS) / 2,
        }
    }
}

/// A place that holds certificates, and why they cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Path on the host.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// The newest run that changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Last {
    /// Number of its generation.
    pub generation: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Its end, seconds since the epoch, UTC.
    pub finished: i64,
}

/// Everything that monitoring is told of one rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Watched {
    /// Name of the rollout.
    pub rollout: String,
    /// Why its state cannot be told; the certificates are then those of what earlier runs wrote.
    pub trouble: Option<String>,
    /// Number of paths, requests and pins that are not as wanted.
    pub drift: usize,
    /// What is owed, a line each.
    pub owed: Vec<String>,
    /// Fatal findings: what keeps it from being rolled out again.
    pub blocked: Vec<String>,
    /// Number of steps for people that are still open.
    pub steps: usize,
    /// What the endpoints present, judged.
    pub endpoints: Vec<Verdict>,
    /// Every certificate that was found.
    pub certificates: Vec<Sighting>,
    /// Places that could not be read.
    pub unread: Vec<Unread>,
    /// The newest run that changed something, if one did.
    pub last: Option<Last>,
}

impl Watched {
    /// Returns the certificate that ends first.
    #[must_use]
    pub fn first_to_end(&self) -> Option<&Sighting> {
        self.certificates.iter().min_by_key(|c| c.not_after)
    }
}
