//! A plan as a script of the platform's own commands, for operators who may run openssl and curl and no program of ours.
//!
//! It is made from values: the plan, what its requests carry, and the caller's files. Keys and passwords stand in it by the
//! paths of their files; what is placed and is in no file of the caller's comes in a directory beside it. What only certroll
//! can do for certain is refused, and not left out.

use std::collections::BTreeSet;

use crate::{
    error::{Error, Result},
    identity::Input,
    peer::Fingerprint,
    plan::{Change, Plan, holds_key},
    render::shell_word,
    state::{Attrs, Bytes, Content, HostPath, State},
};

mod beside;
mod call;
mod far;
mod head;
mod local;
mod proof;
mod text;
mod values;

pub use beside::Beside;
use head::plain;
use text::Line;

/// A script, and the files that it needs beside those of the caller.
#[derive(Debug)]
pub struct Script {
    /// Its text.
    pub text: String,
    /// What goes to the directory beside it, by name; nothing where it needs none.
    pub files: Vec<(String, Bytes)>,
}

/// What a script is made of.
#[derive(Debug)]
struct Scribe<'a> {
    plan: &'a Plan,
    /// What requests carry, by name.
    sent: &'a [(String, Bytes)],
    /// The caller's files.
    files: &'a [Input],
    /// The directory beside the script.
    beside: Beside,
    /// The targets of its changes, in their order, without links on the way.
    targets: &'a [HostPath],
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
    /// Whether something proves it.
    proved: bool,
}

/// Writes a plan that is not blocked as a script for a POSIX shell.
///
/// `sent` is what its requests carry, by name; `files` are those of the caller's that may hold parts of an identity; `beside`
/// is the directory for what is in none of them; `targets` are those of the plan's changes, in their order, without links on the
/// way: the script follows none.
///
/// # Errors
/// [`Error::Usage`] where the plan does what no such script can do for certain, or a part of an identity that is sent is in
/// no file of its own.
pub fn script(
    plan: &Plan,
    sent: &[(String, Bytes)],
    files: &[Input],
    beside: Beside,
    targets: &[HostPath],
) -> Result<Script> {
    if !plan.live {
        return Err(refused("it is for another root", "leave `--root` out"));
    }
    let mut scribe = Scribe {
        plan,
        sent,
        files,
        beside,
        targets,
        check: Vec::new(),
        forward: Vec::new(),
        back: Vec::new(),
        accepted: Vec::new(),
        logins: Vec::new(),
        reads: Vec::new(),
        tell: Vec::new(),
        proved: true,
    };
    let local = scribe.local()?;
    scribe.proofs(0)?;
    scribe.far()?;
    // The way back begins with what came last.
    scribe.back.extend(local);
    scribe.unchanged()?;
    scribe.baseline()?;
    scribe.left();
    Ok(Script {
        text: scribe.text(),
        files: scribe.beside.into_files(),
    })
}

fn refused(why: &str, hint: &str) -> Error {
    Error::Usage {
        message: format!("no script can be made of this plan: {why}"),
        hint: hint.to_owned(),
    }
}

impl<'a> Scribe<'a> {
    /// Returns the file of the caller's that holds exactly this, where there is one.
    fn named(&self, bytes: &Bytes) -> Result<Option<&'a Input>> {
        let found = self.files.iter().find(|file| file.bytes == *bytes);
        found.map(from_root).transpose()
    }

    /// Returns the file of the caller's that holds exactly this.
    fn file(&self, bytes: &Bytes, what: &str) -> Result<&'a Input> {
        self.named(bytes)?.ok_or_else(|| {
            let hint = if holds_key(bytes) {
                "write the key as it is placed, and name that: `openssl pkey -in KEY -out FILE`, then `--key` (`--previous-key`)"
            } else {
                "write leaf and chain, and nothing else, to one file, and name that: `--cert` (`--previous-cert`)"
            };
            refused(&format!("no file that was named is exactly {what}"), hint)
        })
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

/// Takes a file of the caller's that a script can name.
fn from_root(file: &Input) -> Result<&Input> {
    if file.name.starts_with('/') && !file.name.contains(|c: char| c.is_control()) {
        return Ok(file);
    }
    let why = format!("`{}` is no plain path from `/`", file.name.escape_debug());
    let hint = "name the file from `/`: a script runs anywhere";
    Err(refused(&why, hint))
}

/// Returns what a change puts in place and what was there, where it does no more than that; else what it does.
fn file_of(change: &Change) -> Result<(&Bytes, &Attrs, Option<&Bytes>), &'static str> {
    let (content, attrs) = match &change.after {
        State::Present { content, attrs } => (content, attrs),
        State::Absent => return Err("takes it away"),
    };
    let Content::File(bytes) = content else {
        return Err(match content {
            Content::Link(_) => "makes a link",
            Content::Dir => "makes a directory",
            Content::File(_) | Content::Other => "makes something else than a file",
        });
    };
    let before = match &change.before {
        State::Absent => None,
        State::Present { content, .. } => match content {
            Content::File(before) => Some(before),
            Content::Link(_) | Content::Dir | Content::Other => {
                return Err("replaces something else than a file");
            }
        },
    };
    if change.in_place {
        return Err("writes it through its inode, since something is mounted on it");
    }
    if Some(&change.staging) != change.path.parent().as_ref() {
        return Err("may leave nothing beside it, since another program takes what is there");
    }
    Ok((bytes, attrs, before))
}
