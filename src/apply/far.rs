//! Far resources: each request between two records, forward and back.

use std::time::Duration;

use super::{Journal, record};
use crate::{
    error::{Error, Result},
    far::{self, Answer, Back, Far, Outcome, value},
    host::{Entry, Host, Place, Writer},
    journal::{Event, Generation, Intent, Store},
};

/// How long a peer that is not ready yet is tried again: a restart of its web server takes some five seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);

impl Journal<'_, '_> {
    /// Sends the requests one by one, and proves each before the next.
    pub(super) fn go_far(&mut self) -> Result<()> {
        for n in 0..self.generation.intent.far.len() {
            self.stop_if_asked()?;
            let Some(far) = self.generation.intent.far.get(n).cloned() else {
                break;
            };
            let line = far.ask.line(&far.peer);
            (self.progress)(&format!("sending {line}"));
            let outcome = tried(&mut self.writer, &mut self.generation, n, &far, false)?;
            self.ran.push(format!("{line}: {}", outcome.told));
            if matches!(outcome.answer, Answer::Refused | Answer::Unsent) {
                return Err(Error::Unproved {
                    subject: format!("`{line}`"),
                    want: "that it is done".to_owned(),
                    found: outcome.told,
                });
            }
            // What only stays as it was says nothing before this has shown.
            self.prove(n + 1..=n + 1)?;
        }
        Ok(())
    }
}

/// Sends one request until it was heeded or refused, or patience is at its end; a record before and after each try.
fn tried(
    writer: &mut Writer<'_>,
    generation: &mut Generation,
    n: usize,
    far: &Far,
    back: bool,
) -> Result<Outcome> {
    let request = match &far.back {
        Back::By(request) if back => request,
        Back::By(_) | Back::Never(_) => &far.ask,
    };
    let end = writer.host().elapsed() + PATIENCE;
    loop {
        record(writer, generation, &Event::Sending { request: n, back })?;
        let outcome = far::send(writer, generation.intent.generation, far, request);
        let answer = outcome.as_ref().map_or(Answer::Unsent, |o| o.answer);
        let ended = Event::Sent {
            request: n,
            back,
            answer,
        };
        record(writer, generation, &ended)?;
        let outcome = outcome?;
        let stopped = !back && writer.host().interrupted().is_some();
        if !outcome.again || stopped || writer.host().elapsed() >= end {
            return Ok(outcome);
        }
        writer.host().sleep(PAUSE);
    }
}

/// Takes back what was sent or may have been, the last first, and waits until that can show.
///
/// # Errors
/// [`Error::Unproved`] where a peer does not take it; with what was changed there still in force.
pub(super) fn take_back(
    writer: &mut Writer<'_>,
    generation: &mut Generation,
    ran: &mut Vec<String>,
    progress: &dyn Fn(&str),
) -> Result<()> {
    let mut settle = 0;
    for n in (0..generation.intent.far.len()).rev() {
        let Some(far) = generation.intent.far.get(n).cloned() else {
            continue;
        };
        // What a peer does by itself it did not do where nothing had it do so.
        let had = |f: &Far| !f.ask.only_reads() && f.sent.is_possible();
        let idle = far.ask.only_reads() && !generation.intent.far.iter().any(had);
        if !far.sent.is_possible() || idle {
            continue;
        }
        settle = settle.max(far.settle);
        // Where nothing leads back the probes tell whether anything is to be taken back at all.
        let Back::By(request) = &far.back else {
            continue;
        };
        let line = request.line(&far.peer);
        progress(&format!("sending {line}"));
        let outcome = tried(writer, generation, n, &far, true)?;
        ran.push(format!("{line}: {}", outcome.told));
        if matches!(outcome.answer, Answer::Refused | Answer::Unsent) {
            return Err(Error::Unproved {
                subject: format!("`{line}`"),
                want: format!("the {} as before", far.what),
                found: outcome.told,
            });
        }
    }
    if settle > 0 {
        // What was accepted last may not have shown yet, and must not come after the proof.
        writer.host().sleep(Duration::from_secs(settle));
    }
    Ok(())
}

/// Says what of a generation no request takes back, for the person who is needed.
pub(super) fn irreversible(intent: &Intent) -> Vec<String> {
    let never = |far: &Far| match &far.back {
        Back::Never(why) if far.sent.is_possible() => Some(format!(
            "the {} of {} cannot be taken back: {why}",
            far.what, far.peer
        )),
        Back::Never(_) | Back::By(_) => None,
    };
    intent.far.iter().filter_map(never).collect()
}

/// Returns where a generation keeps keys of a side: `new-` what it sent, `old-` what its peers had before.
///
/// # Errors
/// As [`Host::load_list`].
pub(super) fn keys(host: &dyn Host, generation: u64, side: &str) -> Result<Vec<Place>> {
    let dir = Store::file(generation, "far");
    let mut names = host.load_list(&dir)?;
    let has_key = |name: &str| name.ends_with("key.pem") || name.ends_with(value::FILE);
    names.retain(|e| e.name.starts_with(side) && has_key(&e.name));
    let place = |entry: &Entry| Place::State(dir.join(&entry.name));
    Ok(names.iter().map(place).collect())
}
