//! One line as Nagios, Icinga and their kin read it. Pure.
//!
//! Format and exit codes: Monitoring Plugins Development Guidelines, sections "Plugin output for Nagios" and "Performance
//! data". A line that begins with the state, then `|` and `'label'=value[unit];warn;crit;min`.

use std::fmt::Write as _;

use super::{Level, Renewal, Watched, late, problems};
use crate::{error::count, identity::date};

/// How many problems a line names; the rest is counted.
const NAMED: usize = 3;

/// Returns the line of these rollouts and identities and how bad it is; `open` is the generation that is open, if one is.
#[must_use]
pub fn line(
    rollouts: &[Watched],
    renewals: &[Renewal],
    open: Option<u64>,
    now: i64,
) -> (Level, String) {
    let mut found: Vec<(Level, String)> = Vec::new();
    if let Some(number) = open {
        let text = format!("generation {number} is open, `certroll recover` finishes it");
        found.push((Level::Critical, text));
    }
    for watched in rollouts {
        let own = problems(watched, now).into_iter();
        found.extend(own.map(|(level, text)| (level, format!("{}: {text}", watched.rollout))));
    }
    found.extend(renewals.iter().filter_map(late));
    if rollouts.is_empty() && open.is_none() {
        found.push((Level::Unknown, "no rollout is remembered".to_owned()));
    }
    found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    let level = found.first().map_or(Level::Ok, |(level, _)| *level);
    let mut text = if found.is_empty() {
        rollouts.iter().map(fine).collect::<Vec<_>>().join("; ")
    } else {
        let named: Vec<&str> = (found.iter().take(NAMED))
            .map(|(_, text)| text.as_str())
            .collect();
        named.join("; ")
    };
    if found.len() > NAMED {
        let _ = write!(text, "; {} more", found.len() - NAMED);
    }
    let data: Vec<String> = rollouts.iter().map(|one| perfdata(one, now)).collect();
    let line = format!("CERTROLL {} - {}", level.word(), plain(&text));
    if data.is_empty() {
        return (level, line);
    }
    (level, format!("{line} | {}", data.join(" ")))
}

/// Returns the line where nothing at all could be found out.
#[must_use]
pub fn unknown(reason: &str) -> String {
    format!("CERTROLL UNKNOWN - {}", plain(reason))
}

fn fine(watched: &Watched) -> String {
    let ends = watched.first_to_end().map_or_else(String::new, |first| {
        format!(", the first ends on {}", date(first.not_after))
    });
    format!(
        "{}: as wanted, {}{ends}",
        watched.rollout,
        count(watched.certificates.len(), "certificate")
    )
}

fn perfdata(watched: &Watched, now: i64) -> String {
    let name = label(&watched.rollout);
    let expires = watched.first_to_end().map_or_else(
        || format!("'{name}_expires'=U"),
        |c| {
            let left = c.not_after - now;
            format!("'{name}_expires'={left}s;{}:;{}:", c.warning, c.critical)
        },
    );
    let count = |what: &str, many: usize| {
        let many = if watched.trouble.is_some() {
            "U".to_owned()
        } else {
            many.to_string()
        };
        format!("'{name}_{what}'={many};0;;0")
    };
    format!(
        "{expires} {} {} '{name}_certificates'={};;;0",
        count("drift", watched.drift),
        count("owed", watched.owed.len()),
        watched.certificates.len()
    )
}

/// Returns a label of performance data, in which `'` and `=` mean something.
fn label(text: &str) -> String {
    plain(text).replace(['\'', '='], "_")
}

/// Returns a text that is one line without the mark before performance data, whatever a certificate or a path is named.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '|' => '¦',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}
