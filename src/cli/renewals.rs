//! What `status` says of the identities of ACME servers that a rollout follows.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::text;
use crate::{
    acme::{self, Stands},
    error::Result,
    host::Host,
    rollouts,
};

/// What there is to say, as a document and as text, and whether a renewal came to nothing.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) document: Vec<Value>,
    pub(super) text: String,
    pub(super) missed: bool,
}

/// Tells of the identities that a rollout follows.
///
/// # Errors
/// As [`rollouts::sources`] and [`Stands::of`].
pub(super) fn told(host: &dyn Host, rollout: &str) -> Result<Told> {
    let mut told = Told {
        document: Vec::new(),
        text: String::new(),
        missed: false,
    };
    let issued = acme::issued(host)?;
    if issued.is_empty() {
        return Ok(told);
    }
    let sources = rollouts::sources(host, rollout)?;
    for folder in issued.iter().filter(|folder| folder.is_in(&sources)) {
        let stands = Stands::of(host, folder)?;
        let (name, due) = (folder.name(), stands.due.map(|due| due.at));
        let when = due.map(text::time).unwrap_or_default();
        let _ = writeln!(told.text, "identity {name}: renewed from {when} on");
        if let Some(missed) = &stands.missed {
            told.missed = true;
            let again = stands.again().unwrap_or_default();
            let _ = writeln!(
                told.text,
                "BAD  identity {name}: not renewed on {} ({} in a row): {}; tried again from {}",
                text::time(missed.when),
                missed.count,
                missed.message,
                text::time(again)
            );
        }
        told.document.push(json!({
            "id": name, "server": stands.asked.server, "due": due, "missed": stands.missed, "again": stands.again(),
        }));
    }
    Ok(told)
}
