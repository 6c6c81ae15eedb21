//! How the story is set, and how a claim is held.

use crate::{
    cli::text::{BOLD, CYAN, paint},
    error::{Error, Result},
};

/// Sets the head of a chapter: title, text, and the commands in it.
pub(super) fn chapter(title: &str, text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("$ ") {
        Some(line) => command(line),
        None => format!("{line}\n"),
    };
    let text: String = text.lines().map(line).collect();
    let title = paint(BOLD, &format!("== {title}"));
    format!("\n{title}\n{text}\n")
}

/// Sets a command as a person would type it.
pub(super) fn command(line: &str) -> String {
    format!("{} {}\n", paint(CYAN, "$"), paint(BOLD, line))
}

/// Holds a claim.
///
/// # Errors
/// [`Error::Unproved`] where it does not hold.
pub(super) fn hold(
    holds: bool,
    subject: &str,
    want: &str,
    found: impl FnOnce() -> String,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Unproved {
        subject: subject.to_owned(),
        want: want.to_owned(),
        found: found(),
    })
}
