//! Asking peers whether they are the ones pinned.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde::Serialize;

use super::{Leaf, Pins, key};
use crate::{
    error::{Error, Result},
    host::{Dial, Host},
    peer::Accept,
    starttls::Peer,
};

/// The longest that one address may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a peer presented, and whether it was accepted inside that very connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// An accepted leaf, and by a signature the key of it.
    Accepted(Leaf),
    /// A leaf that is not accepted; or an accepted one without its key, as somebody presents it who copied it.
    Refused {
        /// The leaf.
        leaf: Leaf,
        /// Whether the leaf itself would be accepted.
        keyless: bool,
    },
    /// Nothing; why.
    Silent(String),
}

/// A peer that is not the one wanted, side by side with that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Its name, as pins have it.
    pub peer: String,
    /// What is accepted, SHA-256 and SHA-1 of each leaf where both are known, in the notation of servers.
    pub expected: Vec<String>,
    /// What it presents, SHA-256 and SHA-1.
    pub presented: Vec<String>,
    /// Whether it presents the leaf that is wanted and did not show that it holds its key.
    pub keyless: bool,
    /// Other peers that the presented leaf is pinned for.
    pub elsewhere: Vec<String>,
}

impl Leaf {
    /// Returns both fingerprints in the notation of servers, behind the names of their digests.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        [self.sha256, self.sha1]
            .iter()
            .map(|f| format!("{:<7} {}", f.digest(), f.colons()))
            .collect()
    }
}

/// Asks peers, side by side, each with what is accepted of it; of a name with several addresses the first that answers.
/// Nothing is sent to any of them.
#[must_use]
pub fn look(host: &dyn Host, peers: &[(Peer, Accept)]) -> Vec<Seen> {
    let names: Vec<&str> = peers.iter().map(|(peer, _)| peer.name.as_str()).collect();
    let found = host.resolve_all(&names);
    let addresses: Vec<Vec<IpAddr>> = names
        .iter()
        .zip(found)
        .map(|(name, found)| name.parse().map_or(found, |address| vec![address]))
        .collect();
    let nowhere = || Seen::Silent("does not resolve".to_owned());
    let mut seen: Vec<Seen> = addresses.iter().map(|_| nowhere()).collect();
    for round in 0..addresses.iter().map(Vec::len).max().unwrap_or_default() {
        let open: Vec<usize> = (0..peers.len())
            .filter(|at| addresses[*at].len() > round && matches!(seen[*at], Seen::Silent(_)))
            .collect();
        let dials: Vec<Dial> = open
            .iter()
            .map(|at| dial(&peers[*at], addresses[*at][round]))
            .collect();
        for ((at, dial), answer) in open.into_iter().zip(&dials).zip(host.handshakes(&dials)) {
            seen[at] = match answer {
                Ok(presented) => {
                    judged(dial, &presented.certificates, !presented.version.is_empty())
                }
                Err(error) => Seen::Silent(crate::probe::reason(&error)),
            };
        }
    }
    seen
}

fn dial((peer, accept): &(Peer, Accept), address: IpAddr) -> Dial {
    let address = SocketAddr::new(address, peer.port);
    Dial {
        accept: accept.clone(),
        ..Dial::new(address, peer.protocol, &peer.name, PATIENCE)
    }
}

fn judged(dial: &Dial, certificates: &[Vec<u8>], proved: bool) -> Seen {
    let Some(der) = certificates.first() else {
        return Seen::Silent("presented no certificate".to_owned());
    };
    let leaf = Leaf::of(der);
    if proved {
        return Seen::Accepted(leaf);
    }
    let keyless = match &dial.accept {
        Accept::Any => true,
        Accept::Only(pins) => pins.iter().any(|pin| pin.is_of(der)),
    };
    Seen::Refused { leaf, keyless }
}

/// One peer that was checked against its pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Its name, as pins have it.
    pub peer: String,
    /// What it presented.
    pub seen: Seen,
    /// The mismatch, where it is not the one pinned.
    pub mismatch: Option<Mismatch>,
}

/// Checks peers against their pins; all of them where none is named.
///
/// # Errors
/// [`Error::Unknown`] where one has no pin; [`Error::Usage`] where one is no target.
pub fn check(host: &dyn Host, pins: &Pins, targets: &[String]) -> Result<Vec<Looked>> {
    let mut names = Vec::new();
    for target in targets {
        names.push(key(target)?.0);
    }
    if targets.is_empty() {
        names.extend(pins.hosts.keys().cloned());
    }
    let mut peers = Vec::new();
    for name in &names {
        peers.push((key(name)?.1, pins.get(name)?.accept()));
    }
    let looked = names
        .into_iter()
        .zip(look(host, &peers))
        .map(|(peer, seen)| {
            let pin = pins.get(&peer).ok();
            let leaves = pin.map(|pin| std::iter::once(&pin.leaf).chain(&pin.next));
            let expected = leaves.into_iter().flatten().flat_map(Leaf::lines).collect();
            let mismatch = seen.mismatch(&peer, expected, pins);
            Looked {
                peer,
                seen,
                mismatch,
            }
        });
    Ok(looked.collect())
}

impl Seen {
    /// Returns the mismatch of a peer that was refused.
    #[must_use]
    pub fn mismatch(&self, peer: &str, expected: Vec<String>, pins: &Pins) -> Option<Mismatch> {
        let Self::Refused { leaf, keyless } = self else {
            return None;
        };
        Some(Mismatch {
            peer: peer.to_owned(),
            expected,
            presented: leaf.lines(),
            keyless: *keyless,
            elsewhere: pins.elsewhere(leaf.sha256, peer),
        })
    }

    /// Returns the leaf of a peer that was accepted.
    ///
    /// # Errors
    /// [`Error::WrongPeer`] where it was refused; [`Error::Unproved`] where it was silent.
    pub fn accepted(self, peer: &str, expected: Vec<String>, pins: &Pins) -> Result<Leaf> {
        if let Some(mismatch) = self.mismatch(peer, expected, pins) {
            return Err(Error::WrongPeer(vec![mismatch]));
        }
        match self {
            Self::Accepted(leaf) | Self::Refused { leaf, .. } => Ok(leaf),
            Self::Silent(found) => Err(Error::Unproved {
                subject: format!("`{peer}`"),
                want: "a leaf".to_owned(),
                found,
            }),
        }
    }
}
