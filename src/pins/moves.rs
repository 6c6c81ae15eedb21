//! Pins that move with a rollout: what they accept before it, while it runs, and after it.
//!
//! The intent names every move before anything is changed, and each step may be repeated: a run that died is finished from its
//! journal. Until the new leaf is proved, or the old one is back, both are accepted, so that a rollout does not lock its own
//! clients out.

use serde::{Deserialize, Serialize};

use super::{Leaf, Pin, Pins, Source, key, load, put};
use crate::{
    desired::Probe,
    error::Result,
    host::Writer,
    plan::Promise,
    preflight::{Finding, Severity},
    probe::{Observation, Served, Verdict, Want},
    starttls::Peer,
};

/// A pin whose peer is about to present another leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The peer, as pins have it.
    pub peer: String,
    /// The leaf that it is pinned to.
    pub before: Leaf,
    /// The leaf that it is about to present.
    pub after: Leaf,
}

impl std::fmt::Display for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            peer,
            before,
            after,
        } = self;
        let (before, after) = (before.sha256.colons(), after.sha256.colons());
        write!(f, "{peer}: SHA-256 {before} => {after}")
    }
}

impl Move {
    fn goes_on(&self, pin: &Pin) -> bool {
        pin.next
            .as_ref()
            .is_some_and(|next| next.sha256 == self.after.sha256)
    }
}

/// Returns the name under which the endpoint of a promise is pinned, where it is one.
fn pinned_as(promise: &Promise) -> Option<String> {
    let Probe::Tls {
        protocol,
        name,
        port,
        ..
    } = &promise.probe
    else {
        return None;
    };
    let peer = Peer {
        protocol: *protocol,
        name: name.clone(),
        port: *port,
    };
    Some(key(&peer.to_string()).ok()?.0)
}

impl Pins {
    /// Returns the pins of endpoints that promises are about which do not accept one leaf alone; where that cannot be
    /// proved here and now, those which do not accept it at all.
    #[must_use]
    pub fn moves(&self, promises: &[Promise], leaf: &Leaf, provable: bool) -> Vec<Move> {
        let mut moves: Vec<Move> = Vec::new();
        // What must stay as it is presents no other leaf yet.
        let moving = promises
            .iter()
            .filter(|p| !matches!(p.want, Want::Baseline(_)));
        for peer in moving.filter_map(pinned_as) {
            let Some(pin) = self.hosts.get(&peer) else {
                continue;
            };
            let accepted = pin.accepted();
            let settled =
                accepted == [leaf.sha256] || !provable && accepted.last() == Some(&leaf.sha256);
            if !settled && moves.iter().all(|known| known.peer != peer) {
                moves.push(Move {
                    peer,
                    before: pin.leaf.clone(),
                    after: leaf.clone(),
                });
            }
        }
        moves
    }

    /// Says which pins will not fit what the endpoint of a promise is to present, and do not move either: of that leaf a
    /// fingerprint is known at most.
    #[must_use]
    pub fn left_behind(&self, promises: &[Promise], moves: &[Move]) -> Vec<Finding> {
        let unfit = |promise: &Promise| {
            let peer = pinned_as(promise)?;
            let accepted = self.hosts.get(&peer)?.accepted();
            let other = |served: &Served| accepted.iter().all(|a| a.to_string() != served.leaf);
            let fits = match &promise.want {
                Want::Baseline(Observation::Tls(ends)) => {
                    !ends.iter().filter_map(|e| e.presented.as_ref()).any(other)
                }
                Want::Default { .. } | Want::Other(_) => false,
                Want::Leaf { .. }
                | Want::Baseline(_)
                | Want::Call(_)
                | Want::Lookup(_)
                | Want::Readable
                | Want::Answer(_) => true,
            };
            let moving = moves.iter().any(|moved| moved.peer == peer);
            (!fits && !moving).then_some(peer)
        };
        let mut peers: Vec<String> = promises.iter().filter_map(unfit).collect();
        peers.sort();
        peers.dedup();
        let says = |peer: &String| {
            let message =
                format!("the pin of `{peer}` stays as it is, and will not fit the leaf that comes");
            Finding::host(Severity::Warning, "pin-stays", message).hinted(format!(
                "afterwards, with what the server itself says: certroll pin add {peer} --fingerprint TEXT"
            ))
        };
        peers.iter().map(says).collect()
    }

    /// Returns the moves that lead from what is pinned now to what was pinned before earlier moves, the oldest first.
    #[must_use]
    pub fn back(&self, earlier: &[Move]) -> Vec<Move> {
        let mut back: Vec<Move> = Vec::new();
        for moved in earlier {
            let Some(pin) = self.hosts.get(&moved.peer) else {
                continue;
            };
            let settled = pin.accepted() == [moved.before.sha256];
            if !settled && back.iter().all(|known| known.peer != moved.peer) {
                back.push(Move {
                    peer: moved.peer.clone(),
                    before: pin.leaf.clone(),
                    after: moved.before.clone(),
                });
            }
        }
        back
    }

    /// Accepts the leaf that is about to come as well; one that was expected before is forgotten.
    pub fn expect(&mut self, moved: &Move) {
        if let Some(pin) = self.hosts.get_mut(&moved.peer) {
            pin.next = Some(moved.after.clone());
        }
    }

    /// Makes the leaf that came the one that is pinned; nothing where another is expected by then. `now` is in seconds since
    /// the epoch, UTC.
    pub fn promote(&mut self, moved: &Move, now: i64) {
        if let Some(pin) = self.hosts.get_mut(&moved.peer).filter(|p| moved.goes_on(p)) {
            *pin = Pin {
                leaf: moved.after.clone(),
                first_seen: now,
                source: Source::Rollout,
                next: None,
            };
        }
    }

    /// Forgets the leaf that was to come, and did not stay; nothing where another is expected by then.
    pub fn drop_next(&mut self, moved: &Move) {
        if let Some(pin) = self.hosts.get_mut(&moved.peer).filter(|p| moved.goes_on(p)) {
            pin.next = None;
        }
    }
}

/// Returns the moves whose every endpoint was proved; `verdicts` are in the order of the promises, or none.
#[must_use]
pub fn proved(moves: &[Move], promises: &[Promise], verdicts: &[Verdict]) -> Vec<Move> {
    let is_proved = |moved: &&Move| {
        let mut of = promises
            .iter()
            .zip(verdicts)
            .filter(|(promise, _)| pinned_as(promise).as_ref() == Some(&moved.peer))
            .peekable();
        of.peek().is_some() && of.all(|(_, verdict)| verdict.judged && verdict.good)
    };
    moves.iter().filter(is_proved).cloned().collect()
}

/// Changes the store for some moves, durable on return; nothing is read or written where there are none.
///
/// # Errors
/// As [`load`], and [`crate::error::Error::Io`], with the older store as it was.
pub(crate) fn settle(
    writer: &mut Writer<'_>,
    moves: &[Move],
    change: impl Fn(&mut Pins, &Move),
) -> Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    let mut pins = load(writer.host())?;
    let before = pins.clone();
    for moved in moves {
        change(&mut pins, moved);
    }
    if pins == before {
        return Ok(());
    }
    put(writer, &pins)
}
