//! A plan as a script of the platform's own commands, for operators who may run openssl and curl and no program of ours.
//!
//! It is made from values: the plan, what its requests carry, and the caller's files. Keys and passwords stand in it by the
//! paths of their files. What only certroll can do for certain is refused, and not left out.

use std::collections::BTreeSet;

use crate::{
    error::{Error, Result},
    identity::Input,
    peer::Fingerprint,
    plan::{Change, Plan, holds_key},
    render::shell_word,
    state::{Attrs, Bytes, Content, State},
};

mod far;
mod local;
mod proof;
mod text;
mod values;

use text::{Line, plain};

/// What a script is made of.
#[derive(Debug)]
struct Scribe<'a> {
    plan: &'a Plan,
    /// What requests carry, by name.
    sent: &'a [(String, Bytes)],
    /// The caller's files.
    files: &'a [Input],
    /// Before anything is changed.
    check: Vec<String>,
    /// The way forward.
    forward: Vec<Line>,
    /// The way back.
    back: Vec<Line>,
    /// Peers of requests, each with the leaves that are accepted of it.
    accepted: Vec<(String, BTreeSet<Fingerprint>)>,
    /// What writes curl's configuration of each login; their numbers begin with 1.
    logins: Vec<String>,
    /// Reads what requests replace, by name of the value; their numbers begin with 1.
    reads: Vec<String>,
    /// What tells services.
    tell: Vec<Line>,
}

/// Writes a plan that is not blocked as a script for a POSIX shell.
///
/// `sent` is what its requests carry, by name; `files` are those of the caller's that may hold parts of an identity.
///
/// # Errors
/// [`Error::Usage`] where the plan does what no such script can do for certain, or a part of an identity is in no file of
/// its own.
pub fn script(plan: &Plan, sent: &[(String, Bytes)], files: &[Input]) -> Result<String> {
    if !plan.live {
        return Err(refused("it is for another root", "leave `--root` out"));
    }
    if let Some(phase) = &plan.phase {
        let why = format!("it is one phase of a rotation, {}", phase.title());
        return Err(refused(&why, "`certroll apply` goes through all of them"));
    }
    let mut scribe = Scribe {
        plan,
        sent,
        files,
        check: Vec::new(),
        forward: Vec::new(),
        back: Vec::new(),
        accepted: Vec::new(),
        logins: Vec::new(),
        reads: Vec::new(),
        tell: Vec::new(),
    };
    let local = scribe.local()?;
    scribe.proofs(0)?;
    scribe.far()?;
    // The way back begins with what came last.
    scribe.back.extend(local);
    scribe.unchanged()?;
    scribe.baseline()?;
    scribe.left();
    Ok(scribe.text())
}

fn refused(why: &str, hint: &str) -> Error {
    Error::Usage {
        message: format!("no script can be made of this plan: {why}"),
        hint: hint.to_owned(),
    }
}

impl<'a> Scribe<'a> {
    /// Returns the file of the caller's that holds exactly this.
    fn file(&self, bytes: &Bytes, what: &str) -> Result<&'a Input> {
        let found = self.files.iter().find(|file| file.bytes == *bytes);
        let file = found.ok_or_else(|| {
            let hint = if holds_key(bytes) {
                "write the key as it is placed, and name that: `openssl pkey -in KEY -out FILE`, then `--key` (`--previous-key`)"
            } else {
                "write leaf and chain, and nothing else, to one file, and name that: `--cert` (`--previous-cert`)"
            };
            refused(&format!("no file that was named is exactly {what}"), hint)
        })?;
        if !file.name.starts_with('/') || file.name.contains(|c: char| c.is_control()) {
            let why = format!("`{}` is no plain path from `/`", file.name.escape_debug());
            return Err(refused(
                &why,
                "name the file from `/`: a script runs anywhere",
            ));
        }
        Ok(file)
    }

    /// Has it checked that the parts of one identity are still in their files.
    fn pairs(&mut self, parts: &[&Input]) -> Result<()> {
        let keys = parts.iter().filter(|part| holds_key(&part.bytes));
        for key in keys {
            for part in parts
                .iter()
                .filter(|p| p.name != key.name || parts.len() == 1)
            {
                let Some(leaf) = part.certificates()?.into_iter().next() else {
                    continue;
                };
                let names = [shell_word(&key.name), shell_word(&part.name)];
                let line = format!("pair {} {}", names.join(" "), leaf.sha256);
                if !self.check.contains(&line) {
                    self.check.push(line);
                }
            }
        }
        Ok(())
    }
}

/// Returns what a change puts in place, where it does no more than that.
fn file_of(change: &Change) -> Option<(&Bytes, &Attrs)> {
    let State::Present { content, attrs } = &change.after else {
        return None;
    };
    let simple = matches!(
        change.before,
        State::Absent
            | State::Present {
                content: Content::File(_),
                ..
            }
    );
    match content {
        Content::File(bytes) if simple && !change.in_place => Some((bytes, attrs)),
        Content::File(_) | Content::Link(_) | Content::Dir | Content::Other => None,
    }
}
