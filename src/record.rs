//! What is kept of a generation, as people ask for it: who ran it and why, how long it took, which leaf came and which went.

use serde::Serialize;

use crate::{
    error::{Error, Result},
    host::Host,
    identity::{Certificate, Input},
    journal::{Entry, Generation, Intent, Record, Status, Store},
    receipt::{Outcome, Receipt},
};

/// A leaf and the time in which it is valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Life {
    /// Subject, as in `CN=www.example.org`.
    pub subject: String,
    /// SHA-256 of the DER, lower hex.
    pub fingerprint: String,
    /// Start of validity, seconds since the epoch, UTC; none where only the end is known.
    pub not_before: Option<i64>,
    /// End of validity, seconds since the epoch, UTC.
    pub not_after: i64,
}

impl Life {
    /// Describes a certificate.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.title(),
            fingerprint: certificate.sha256.clone(),
            not_before: Some(certificate.not_before),
            not_after: certificate.not_after,
        }
    }
}

/// One generation in a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// Its number.
    pub generation: u64,
    /// How it ended, or that it is open.
    pub state: &'static str,
    /// Name of the rollout.
    pub rollout: String,
    /// Start, seconds since the epoch, UTC.
    pub started: i64,
    /// End, seconds since the epoch, UTC; none while it is open.
    pub finished: Option<i64>,
    /// Who ran it and why, as it was recorded.
    pub operator: String,
    /// Who ran it: the user, and who that was before sudo(8).
    pub who: String,
    /// Why: `hook NAME`, or `by hand`.
    pub why: String,
    /// Number of changes.
    pub changes: usize,
    /// Leaves in the files that it changed, as they were before, each once.
    pub before: Vec<Life>,
    /// The leaf that it set out to put in force; none where it had no identity.
    pub after: Option<Life>,
    /// The oldest generation that it takes back, if it is a rollback.
    pub undoes: Option<u64>,
    /// Whether it leads back to the platform's own default.
    pub reverts: bool,
}

impl Told {
    /// Reads what is kept of a generation.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where the state directory cannot be read.
    pub fn of(host: &dyn Host, generation: &Generation) -> Result<Self> {
        let Intent {
            generation: number,
            rollout,
            started,
            operator,
            entries,
            identity,
            undoes,
            reverts,
            ..
        } = &generation.intent;
        // The journal tells how it ended, whatever became of the receipt.
        let receipt = match Receipt::load(host, *number) {
            Err(Error::Stored { .. }) => None,
            other => other?,
        };
        let (who, why) = who_and_why(operator);
        let ended = receipt
            .as_ref()
            .filter(|r| r.outcome != Outcome::Stuck || generation.status.is_final());
        let before = leaves_before(host, *number, entries);
        let new = kept(host, *number, &identity.fingerprint);
        let after = new.or_else(|| {
            let known = before
                .iter()
                .find(|l| l.fingerprint == identity.fingerprint);
            known.cloned()
        });
        let named = Life {
            subject: identity.subject.clone(),
            fingerprint: identity.fingerprint.clone(),
            not_before: None,
            not_after: identity.not_after,
        };
        Ok(Self {
            generation: *number,
            state: state(generation.status, receipt.as_ref()),
            rollout: rollout.clone(),
            started: *started,
            finished: ended.map(|receipt| receipt.finished),
            operator: operator.clone(),
            who,
            why,
            changes: entries.len(),
            before,
            after: after.or_else(|| Some(named).filter(|life| !life.fingerprint.is_empty())),
            undoes: *undoes,
            reverts: *reverts,
        })
    }
}

impl Told {
    /// Says what [`Told::after`] is: what came after, or what was tried and went back.
    #[must_use]
    pub fn role(&self) -> &'static str {
        if self.state == Outcome::RolledBack.words() {
            "tried"
        } else {
            "after"
        }
    }
}

/// Tells who ran a generation from what had it run: `root (sudo from alice) (hook certbot)`.
#[must_use]
pub fn who_and_why(operator: &str) -> (String, String) {
    let hook = operator.strip_suffix(')');
    match hook.and_then(|text| text.rsplit_once(" (hook ")) {
        Some((who, hook)) => (who.to_owned(), format!("hook {hook}")),
        None => (operator.to_owned(), "by hand".to_owned()),
    }
}

/// Says how a generation ended: by its receipt where it has one, since that tells placed from committed.
fn state(status: Status, receipt: Option<&Receipt>) -> &'static str {
    match (status, receipt) {
        (Status::Committed | Status::RolledBack, Some(receipt)) => receipt.outcome.words(),
        (Status::Committed, None) => "committed",
        (Status::RolledBack, None) => "rolled back",
        (Status::Abandoned, _) => "given up",
        (
            Status::Open
            | Status::Staged
            | Status::Switched { .. }
            | Status::Restoring { .. }
            | Status::Restored { .. },
            _,
        ) => "open",
    }
}

/// Reads the leaves out of the copies of what was there before.
fn leaves_before(host: &dyn Host, number: u64, entries: &[Entry]) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        if !entry.identity || !matches!(entry.before, Record::File { .. }) {
            continue;
        }
        let life = leaf(host, number, &format!("before/{n}"));
        lives.extend(life.filter(|life| !lives.contains(life)));
    }
    lives
}

/// Reads the leaf of the identity that a generation keeps, where it is the one that is meant.
fn kept(host: &dyn Host, number: u64, fingerprint: &str) -> Option<Life> {
    leaf(host, number, "identity/fullchain.pem").filter(|life| life.fingerprint == fingerprint)
}

fn leaf(host: &dyn Host, number: u64, name: &str) -> Option<Life> {
    let state = host.load(&Store::file(number, name)).ok()?;
    let input = Input {
        name: name.to_owned(),
        bytes: state.bytes()?.clone(),
    };
    input.certificates().ok()?.first().map(Life::of)
}
