//! Repeating probes until the answer is certain.

use std::time::Duration;

use super::{Observation, Verdict, Want, call, judge, observe, tls};
use crate::{
    desired::Probe,
    error::{Error, Result},
    host::Host,
};

/// Good answers in a row that prove a TLS endpoint: while a service reloads, old workers answer beside new ones.
const IN_A_ROW: u32 = 3;

/// Pause between rounds in which everything was good.
const SHORT: Duration = Duration::from_millis(50);

/// Pause after a round in which something was not.
const LONG: Duration = Duration::from_millis(250);

/// The same once the wait has taken a minute: who polls a file looks at it no more often.
const LONGER: Duration = Duration::from_secs(3);

/// Where one probe stands.
struct Standing {
    verdict: Option<Verdict>,
    streak: u32,
    settled: bool,
}

/// Repeats probes until each is proved or `deadline_secs` have passed, and returns all verdicts in order.
///
/// `baseline` holds the observation from before the first switch of each probe, in the same order. At least one round
/// is made whatever the deadline. `progress` gets one line for each round that leaves something to wait for. Where
/// every want is a baseline, this is a rollback and no signal ends it.
///
/// # Errors
/// [`Error::Interrupted`] between two rounds; the host is as it was.
pub fn prove(
    host: &dyn Host,
    probes: &[(Probe, Want)],
    baseline: &[Observation],
    deadline_secs: u64,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Verdict>> {
    let forward = probes
        .iter()
        .any(|(_, want)| !matches!(want, Want::Baseline(_)));
    let start = host.elapsed();
    let end = start + Duration::from_secs(deadline_secs);
    let mut standings: Vec<Standing> = probes
        .iter()
        .map(|_| Standing {
            verdict: None,
            streak: 0,
            settled: false,
        })
        .collect();
    loop {
        for (at, standing) in standings.iter_mut().enumerate() {
            if let (false, Some((probe, want))) = (standing.settled, probes.get(at)) {
                heed(host, forward)?;
                look(host, probe, want, baseline.get(at), end, standing);
            }
        }
        let open: Vec<&Standing> = standings.iter().filter(|s| !s.settled).collect();
        if open.is_empty() || host.elapsed() >= end {
            break;
        }
        let waiting: Vec<&Verdict> = open
            .iter()
            .filter_map(|s| s.verdict.as_ref())
            .filter(|verdict| verdict.fails())
            .collect();
        if let Some(first) = waiting.first() {
            progress(&format!(
                "waiting for {} of {} probes; {} {}",
                waiting.len(),
                probes.len(),
                first.probe,
                first.found
            ));
        }
        host.sleep(match waiting.is_empty() {
            true => SHORT,
            false if host.elapsed() < start + Duration::from_mins(1) => LONG,
            false => LONGER,
        });
    }
    Ok(standings.into_iter().filter_map(|s| s.verdict).collect())
}

fn heed(host: &dyn Host, forward: bool) -> Result<()> {
    match host.interrupted() {
        Some(signal) if forward => Err(Error::Interrupted { signal }),
        Some(_) | None => Ok(()),
    }
}

fn look(
    host: &dyn Host,
    probe: &Probe,
    want: &Want,
    baseline: Option<&Observation>,
    end: Duration,
    standing: &mut Standing,
) {
    let left = end.saturating_sub(host.elapsed());
    // The last answer before the deadline still gets a second: a peer that is just back is slow.
    let limit = tls::LIMIT.min(left.max(Duration::from_secs(1)));
    let found = match probe {
        Probe::Tls { .. } => Observation::Tls(tls::observe(host, probe, limit)),
        Probe::Call { .. } => Observation::Call(call::observe(host, probe, None, limit)),
        Probe::Lookup { .. } | Probe::Readable { .. } | Probe::Http { .. } => observe(host, probe),
    };
    let nothing = match probe {
        Probe::Tls { .. } => Observation::Tls(Vec::new()),
        Probe::Call { .. } => Observation::Call(Vec::new()),
        Probe::Lookup { .. } => Observation::Lookup(Vec::new()),
        Probe::Readable { .. } => Observation::Readable(Vec::new()),
        Probe::Http { .. } => Observation::Http(String::new()),
    };
    let verdict = judge(probe, want, &found, baseline.unwrap_or(&nothing));
    standing.streak = if verdict.good { standing.streak + 1 } else { 0 };
    let needed = match &found {
        Observation::Tls(ends) if ends.iter().any(|e| e.presented.is_some()) => IN_A_ROW,
        Observation::Call(calls) if calls.iter().any(|c| c.taken.is_some()) => IN_A_ROW,
        Observation::Tls(_)
        | Observation::Call(_)
        | Observation::Lookup(_)
        | Observation::Readable(_)
        | Observation::Http(_) => 1,
    };
    standing.settled = !verdict.judged || standing.streak >= needed;
    // What was ever seen wrong and is still not proved is told as it was seen last.
    standing.verdict = Some(verdict);
}
