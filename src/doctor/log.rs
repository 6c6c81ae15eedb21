//! Known lines of logs, and what they mean.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::error::{Error, Result};

/// The most of a line that is shown.
const SHOWN: usize = 160;

/// What a known line means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// What writes it.
    who: String,
    /// Texts that all stand in it, in this order.
    line: Vec<String>,
    /// Another text that stands anywhere in it, where those alone could mean anything.
    #[serde(default)]
    needs: String,
    verdict: Verdict,
    says: String,
    fix: String,
}

/// A sort of line that a log has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// What it means.
    pub verdict: Verdict,
    /// What writes such lines.
    pub who: String,
    /// The meaning in words.
    pub says: String,
    /// What to do.
    pub fix: String,
    /// How many such lines there are.
    pub times: u64,
    /// The last of them, from 1.
    pub last: u64,
    /// Its text, cut, without control characters.
    pub text: String,
}

/// Finds the known lines of a log, the nearest to the cause first.
///
/// # Errors
/// [`Error::Input`] where the built-in table cannot be read, which its test excludes.
pub fn explain(log: &str) -> Result<Vec<Explained>> {
    let known: Vec<Known> =
        serde_yaml::from_str(include_str!("log.yaml")).map_err(|error| Error::Input {
            subject: "the table of known lines".to_owned(),
            message: error.to_string(),
            hint: String::new(),
        })?;
    let mut found: Vec<(usize, Explained)> = Vec::new();
    for (number, line) in (1..).zip(log.lines()) {
        let Some(at) = known.iter().position(|known| known.is_in(line)) else {
            continue;
        };
        let Some(known) = known.get(at) else { continue };
        let text = line
            .chars()
            .filter(|c| !c.is_control())
            .take(SHOWN)
            .collect();
        match found.iter_mut().find(|(same, _)| *same == at) {
            Some((_, explained)) => {
                explained.times += 1;
                explained.last = number;
                explained.text = text;
            }
            None => found.push((
                at,
                Explained {
                    verdict: known.verdict,
                    who: known.who.clone(),
                    says: known.says.clone(),
                    fix: known.fix.clone(),
                    times: 1,
                    last: number,
                    text,
                },
            )),
        }
    }
    let mut all: Vec<Explained> = found.into_iter().map(|(_, explained)| explained).collect();
    all.sort_by_key(|explained| explained.verdict);
    Ok(all)
}

impl Known {
    fn is_in(&self, line: &str) -> bool {
        let mut rest = line;
        for part in &self.line {
            let Some((_, after)) = rest.split_once(part.as_str()) else {
                return false;
            };
            rest = after;
        }
        line.contains(&self.needs)
    }
}
