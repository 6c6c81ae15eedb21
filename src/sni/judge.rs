//! What is wrong with an answer.

use super::{
    site::{Directories, Held, Site},
    walk::{Answer, Origin, Walk},
};
use crate::{
    identity::{Certificate, date},
    preflight::{Finding, Severity},
};

/// The leaf that should answer, and how messages name it.
#[derive(Debug, Clone)]
pub struct Given {
    /// The leaf.
    pub leaf: Certificate,
    /// Its file, as the caller typed it.
    pub name: String,
}

/// Judges what answers: whether it is the leaf that was given, names the host, and is valid at `now` (seconds since the
/// epoch, UTC).
#[must_use]
pub fn remarks(
    site: &Site,
    directories: &Directories,
    walk: &Walk,
    given: Option<&Given>,
    now: i64,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for answer in &walk.answers {
        let who = whose(&answer.origin);
        if let Some(held) = &answer.held {
            findings.extend(unfit(walk.name.as_deref(), &who, held, now));
        }
        let leaf = answer.held.as_ref().and_then(Held::leaf);
        if let Some(given) = given
            && leaf.map(|l| &l.sha256) != Some(&given.leaf.sha256)
        {
            findings.push(shadowed(site, directories, answer, &who, given));
        } else if matches!(answer.origin, Origin::Role | Origin::Directory { .. }) && leaf.is_none()
        {
            let message = format!("{who} answers, and what it is was not looked at");
            let hint = if answer.origin == Origin::Role {
                "give the configuration: `--config FILE`"
            } else {
                "say where this host has that directory: `--dir INSIDE=HERE`"
            };
            findings.push(Finding::host(Severity::Note, "not-looked-at", message).hinted(hint));
        }
        if matches!(answer.origin, Origin::Builtin { .. }) {
            let message = format!("{who} answers: no client takes it for this name");
            findings.push(
                Finding::host(Severity::Warning, "built-in", message)
                    .hinted("the steps say what is wrong with the directory"),
            );
        }
    }
    findings.dedup_by(|a, b| a.message == b.message);
    findings
}

/// Says whose certificate it is.
#[must_use]
pub fn whose(origin: &Origin) -> String {
    match origin {
        Origin::Domain(name) => format!("the certificate of domain `{name}`"),
        Origin::Directory { role, path } => format!("the pair in {path} (role `{role}`)"),
        Origin::Builtin { role } => format!("the platform's own certificate (role `{role}`)"),
        Origin::Role => "the certificate of the role that serves the request".to_owned(),
    }
}

fn unfit(name: Option<&str>, who: &str, held: &Held, now: i64) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut warn = |name: &'static str, message: String| {
        all.push(Finding::host(Severity::Warning, name, message));
    };
    if let Some(fault) = held.fault() {
        warn(
            "value-unfit",
            format!("{who} answers although it is incorrect: {fault}"),
        );
    }
    let Some(leaf) = held.leaf() else { return all };
    if now > leaf.not_after {
        let day = date(leaf.not_after);
        warn("expired", format!("{who} answers although it ended {day}"));
    } else if now < leaf.not_before {
        let day = date(leaf.not_before);
        warn("not-yet-valid", format!("{who} begins only {day}"));
    }
    if let Some(name) = name
        && !leaf.covers(name)
    {
        let names = leaf.dns.join(", ");
        let message =
            format!("{who} does not name `{name}` (it names {names}): clients refuse it there");
        warn("name-uncovered", message);
    }
    all
}

/// Says that another certificate answers than the one given, and where that one lies.
fn shadowed(
    site: &Site,
    directories: &Directories,
    answer: &Answer,
    who: &str,
    given: &Given,
) -> Finding {
    let is = |held: &Held| held.leaf().is_some_and(|l| l.sha256 == given.leaf.sha256);
    let domains = site.domains.iter().filter(|(_, held)| is(held));
    let domains = domains.map(|(name, _)| format!("domain `{name}`"));
    let dirs = directories.iter().filter(|(_, held)| is(held));
    let places: Vec<String> = domains.chain(dirs.map(|(path, _)| path.clone())).collect();
    let lies = if places.is_empty() {
        "lies in no place that was looked at".to_owned()
    } else {
        format!("lies in {}", places.join(", "))
    };
    let message = format!("{who} answers; that of `{}` {lies}", given.name);
    let hint = match &answer.origin {
        Origin::Domain(name) => format!(
            "set or clear the certificate of domain `{name}`, or set one for a domain nearer to the name"
        ),
        _ => "see the steps".to_owned(),
    };
    Finding::host(Severity::Warning, "shadowed", message).hinted(hint)
}
