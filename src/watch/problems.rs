//! What is not as it should be, and how much that matters. Pure.

use super::{Renewal, Sighting, Watched};
use crate::{identity::date, receipt::Outcome};

/// How much something matters, as Nagios' plugin guidelines number it; in the order in which one hides another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As wanted.
    Ok,
    /// Somebody should look.
    Warning,
    /// It cannot be told.
    Unknown,
    /// Clients are turned away, or will be within days.
    Critical,
}

impl Level {
    /// Returns the exit code of a plugin.
    #[must_use]
    pub fn exit(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// Returns the word that begins a plugin's line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Returns what is wrong with a rollout, the worst first; `now` is in seconds since the epoch, UTC.
#[must_use]
pub fn problems(watched: &Watched, now: i64) -> Vec<(Level, String)> {
    let mut found = Vec::new();
    if let Some(trouble) = &watched.trouble {
        found.push((Level::Unknown, trouble.clone()));
    }
    found.extend(ending(&watched.certificates, now));
    for unread in &watched.unread {
        let text = format!("{}: {}", unread.path, unread.reason);
        found.push((Level::Unknown, text));
    }
    if let Some(last) = &watched.last {
        let text = format!("generation {}: {}", last.generation, last.outcome.words());
        match last.outcome {
            Outcome::Stuck => found.push((Level::Critical, text)),
            Outcome::RolledBack => found.push((Level::Warning, text)),
            Outcome::Converged | Outcome::Committed | Outcome::Placed => {}
        }
    }
    for verdict in watched.endpoints.iter().filter(|verdict| verdict.fails()) {
        let text = format!("{}: {}", verdict.probe, verdict.found);
        found.push((Level::Warning, text));
    }
    for text in &watched.blocked {
        found.push((Level::Warning, text.clone()));
    }
    if watched.drift > 0 {
        let text = format!("{} of drift", watched.drift);
        found.push((Level::Warning, text));
    }
    if !watched.owed.is_empty() {
        let text = format!("{} owed", watched.owed.len());
        found.push((Level::Warning, text));
    }
    found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    found
}

/// Returns what is wrong with the renewals of an identity.
#[must_use]
pub fn late(renewal: &Renewal) -> Option<(Level, String)> {
    let id = &renewal.id;
    if let Some(trouble) = &renewal.trouble {
        return Some((Level::Unknown, format!("identity {id}: {trouble}")));
    }
    let missed = renewal.missed.as_ref()?;
    let text = format!(
        "identity {id}: not renewed, {} in a row: {}",
        missed.count, missed.message
    );
    Some((Level::Warning, text))
}

/// Returns what ends soon or has ended, each certificate once with the places where it is.
fn ending(all: &[Sighting], now: i64) -> Vec<(Level, String)> {
    let mut found: Vec<(Level, String)> = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for one in all {
        let Some((level, when)) = judged(one, now) else {
            continue;
        };
        if told.contains(&one.sha256.as_str()) {
            continue;
        }
        told.push(&one.sha256);
        let more = all.iter().filter(|c| c.sha256 == one.sha256).count() - 1;
        let more = match more {
            0 => String::new(),
            1 => " and 1 more place".to_owned(),
            more => format!(" and {more} more places"),
        };
        let text = format!("`{}` {when}, at {}{more}", one.subject, one.place);
        found.push((level, text));
    }
    found
}

fn judged(one: &Sighting, now: i64) -> Option<(Level, String)> {
    let left = one.not_after - now;
    let day = date(one.not_after);
    if left < 0 {
        return Some((Level::Critical, format!("expired on {day}")));
    }
    if now < one.not_before {
        let text = format!("is not valid before {}", date(one.not_before));
        return Some((Level::Critical, text));
    }
    let level = match left {
        _ if left < one.critical => Level::Critical,
        _ if left < one.warning => Level::Warning,
        _ => return None,
    };
    let within = if left < 2 * 86_400 {
        format!("{} hours", left / 3600)
    } else {
        format!("{} days", left / 86_400)
    };
    Some((level, format!("expires on {day}, in {within}")))
}
