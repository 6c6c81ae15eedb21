//! certroll rolls a certificate across every service of a host, proves by handshake that each one serves it, or puts
//! everything back.
//!
//! One way through, of which every command is a prefix or a replay:
//!
//! ```text
//! Source::fetch      -> Identity     leaf, chain, key; checked, ordered
//! profile::load      -> Profile      where it goes, who restarts, what proves it
//! facts::discover    -> Facts        globs, ids, units, versions
//! profile::desired   -> Desired      everything rendered before anything is read
//! plan::observe      -> Plan         what differs; nothing left to decide
//! preflight          -> Findings     all of them; a fatal one stops
//! Journal::begin     -> Journal      one durable intent
//! Journal::apply     -> Applied      stage, sync, switch, sync, tell services
//! Applied::verify    -> Verified     probes until each verdict is good
//! Verified::commit   -> Receipt
//! any failure        -> Failed::undo -> Receipt: rolled back, or stuck
//! ```
//!
//! [`prepare()`] is the line as far as preflight, [`rollout()`] the rest.

mod acl;
pub mod acme;
pub mod apply;
pub mod cli;
pub mod demo;
pub mod desired;
pub mod doctor;
pub mod document;
pub mod effective;
pub mod error;
pub mod facts;
pub mod far;
pub mod hello;
mod hex;
pub mod hooks;
pub mod host;
pub mod identity;
pub mod issue;
pub mod journal;
pub mod keystore;
pub mod notify;
pub mod peer;
pub mod pins;

pub mod plan;
pub mod preflight;
mod prepare;
pub mod probe;
pub mod profile;
pub mod receipt;
pub mod record;
pub mod render;
pub mod resource;
pub mod rollback;
pub mod rollouts;
pub mod script;
pub mod service;
pub mod source;
pub mod starttls;
pub mod state;
pub mod trust;
pub mod watch;
pub mod yaml;

pub use prepare::{Prepared, prepare};

use apply::{Applied, Journal, Keep, Progress, Verified};
use error::{Error, Result};
use host::Host;
use plan::Plan;
use receipt::Receipt;

/// Carries out a plan: makes it live, proves it and commits, or puts everything back.
///
/// The caller holds the lock and has recovered what was open.
///
/// # Errors
/// Any error leaves the host unchanged, with nothing open; every other end is in the receipt.
pub fn rollout(
    host: &mut dyn Host,
    plan: Plan,
    keep: Keep,
    progress: Progress<'_>,
) -> Result<Receipt> {
    if plan.is_blocked() {
        return Err(Error::Findings(plan.findings));
    }
    let journal = Journal::begin(host, plan, keep, progress)?;
    let receipt = journal
        .apply()
        .and_then(Applied::verify)
        .and_then(Verified::commit);
    receipt.or_else(|failed| failed.undo())
}
