//! The doctor: why it does not work. Looks, and changes nothing.
//!
//! Every fault is one verdict of a closed list, with the evidence, commands that show the same by hand, and the fix.
//! Verdicts are ordered by how near they are to the cause, so that the first of a list is the one to begin with.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result, backticked},
    host::Host,
    render::shell_word,
    starttls::{Peer, Protocol},
};

mod calls;
mod endpoint;
mod files;
mod log;
mod rollout;

pub use endpoint::endpoint;
pub use log::{Explained, explain};
pub use rollout::rollout;

/// Format of the report with `--json`.
pub const FORMAT: &str = "certroll/doctor/1";

/// What is wrong, the nearest to the cause first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The clock is before a time that has been.
    ClockWrong,
    /// A generation is open: a run died or waits for a person.
    RolloutOpen,
    /// Who must read a file cannot.
    FileUnreadable,
    /// A name resolves to another address than the one that is served.
    WrongAddress,
    /// A file is no longer what the rollout put there.
    FileChanged,
    /// A link that makes a daemon read the override is gone or leads elsewhere.
    OverrideUnlinked,
    /// Another file comes before the override.
    OverrideMasked,
    /// A server's configuration names another pair.
    WrongFile,
    /// A daemon verifies its peers by something that the leaf does not satisfy.
    WrongVerify,
    /// A client showed no certificate, or one that the server does not accept: known from logs alone.
    ClientUnknown,
    /// A unit is not running.
    UnitDown,
    /// Nothing answers at the port.
    Silent,
    /// What answers does not speak TLS.
    NotTls,
    /// The platform's own default identity is served.
    DefaultIdentity,
    /// The files are right and another leaf is served: the service has not loaded them.
    OldLeaf,
    /// The leaf is past its end.
    Expired,
    /// An intermediate is missing, foreign or expired.
    ChainIncomplete,
    /// No SAN covers the name.
    NameUncovered,
    /// No trust anchor of this host leads to the leaf.
    Untrusted,
    /// The leaf has something else that clients refuse.
    Unfit,
}

impl Verdict {
    /// Says in a few words what is wrong.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::ClockWrong => "the clock of this host is wrong",
            Self::RolloutOpen => "a rollout did not end",
            Self::FileUnreadable => "who must read a file cannot",
            Self::FileChanged => "a file is not what the rollout put there",
            Self::OverrideUnlinked => "a daemon does not read the override",
            Self::OverrideMasked => "another file comes before the override",
            Self::WrongFile => "a server is set to another pair",
            Self::WrongVerify => "a daemon cannot verify its peers",
            Self::ClientUnknown => "a client certificate is missing or not accepted",
            Self::WrongAddress => "a name resolves to another address",
            Self::UnitDown => "a unit is not running",
            Self::Silent => "nothing answers",
            Self::NotTls => "what answers does not speak TLS",
            Self::DefaultIdentity => "the platform's default identity is served",
            Self::OldLeaf => "the service has not loaded the files",
            Self::Expired => "the leaf has expired",
            Self::ChainIncomplete => "the chain is not whole",
            Self::NameUncovered => "no SAN covers the name",
            Self::Untrusted => "no trust anchor of this host leads to the leaf",
            Self::Unfit => "clients refuse the leaf",
        }
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What is wrong.
    pub verdict: Verdict,
    /// With what: an endpoint, a unit, a call, a file.
    pub about: String,
    /// What shows it: file and line, names, fingerprints.
    pub evidence: String,
    /// A command that shows the same by hand.
    pub look: String,
    /// What to do.
    pub fix: String,
}

/// Everything that was looked at, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: &'static str,
    /// The rollout or endpoint.
    pub about: String,
    /// Faults, the nearest to the cause first.
    pub faults: Vec<Fault>,
    /// What was looked at and is in order.
    pub good: Vec<String>,
    /// What looks like a fault and is none.
    pub notes: Vec<String>,
}

impl Report {
    fn new(about: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            about: about.into(),
            faults: Vec::new(),
            good: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Sorts the causes before their effects; what one file or call has several times is told once.
    fn sorted(mut self) -> Self {
        self.faults.sort_by_key(|fault| fault.verdict);
        let mut told: Vec<(Fault, usize)> = Vec::new();
        for fault in self.faults {
            match told
                .iter_mut()
                .find(|(one, _)| (one.verdict, &one.about) == (fault.verdict, &fault.about))
            {
                Some((_, more)) => *more += 1,
                None => told.push((fault, 0)),
            }
        }
        self.faults = told
            .into_iter()
            .map(|(mut fault, more)| {
                if more > 0 {
                    let _ = write!(fault.evidence, "; and {more} more of the kind");
                }
                fault
            })
            .collect();
        self
    }
}

/// Says how to see by hand what a verdict says of what an address presents.
fn s_client(verdict: Verdict, address: std::net::SocketAddr, peer: &Peer) -> String {
    let name = shell_word(&peer.name);
    let (sni, check) = if peer.name.parse::<std::net::IpAddr>().is_ok() {
        (String::new(), format!(" -verify_ip {name}"))
    } else {
        (
            format!(" -servername {name}"),
            format!(" -verify_hostname {name}"),
        )
    };
    let dial = format!("{}{sni}", dial(address, peer));
    match verdict {
        // What a client that verifies stops at, and how deep in the chain.
        Verdict::ChainIncomplete | Verdict::NameUncovered | Verdict::Untrusted => {
            format!("{dial}{check} </dev/null 2>&1 | grep -Ei '^depth|verif'")
        }
        // It may be anything in it: a usage, its version, what cannot be read.
        Verdict::Unfit => {
            format!("{dial} </dev/null 2>&1 | openssl x509 -noout -text")
        }
        _ => format!(
            "{dial} -showcerts </dev/null 2>&1 | openssl x509 -noout -subject -dates -fingerprint -sha256"
        ),
    }
}

/// Says how to come to TLS with an address by hand.
fn dial(address: std::net::SocketAddr, peer: &Peer) -> String {
    let starttls = match (peer.protocol, peer.protocol.scheme()) {
        (Protocol::Xmpp, _) => format!(" -starttls xmpp -xmpphost {}", shell_word(&peer.name)),
        // The schemes are its words for them (openssl-s_client(1)).
        (_, Some(scheme)) => format!(" -starttls {scheme}"),
        (_, None) => String::new(),
    };
    format!("openssl s_client -connect {address}{starttls}")
}

/// Looks at what an argument names: an endpoint where it has a port, else a rollout.
///
/// # Errors
/// As [`rollout()`] and [`endpoint()`]; the host is unchanged.
pub fn examine(host: &dyn Host, request: &crate::rollouts::Request) -> Result<Report> {
    match &request.name {
        Some(name) if name.contains(':') => endpoint(host, name),
        // A host without its port reads like the name of a rollout.
        _ => rollout(host, request).map_err(|error| match error {
            Error::Unknown {
                what: "rollout",
                name,
                known,
            } => Error::Usage {
                hint: format!(
                    "an endpoint has a port: `certroll doctor {name}:443`; rollouts are {}",
                    if known.is_empty() {
                        "none".to_owned()
                    } else {
                        backticked(&known)
                    }
                ),
                message: format!("unknown rollout `{name}`"),
            },
            other => other,
        }),
    }
}
