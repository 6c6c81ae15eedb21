//! Looking: files, stores, documents and endpoints, whether or not a plan could be made.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use super::{Last, Place, Sighting, Unread, Watched};
use crate::{
    Prepared,
    desired::{Given, Probe, Rewriting, Target},
    host::{Dial, Host},
    identity::{Certificate, Checks, Input},
    journal::{Record, Store},
    keystore,
    plan::Plan,
    preflight::Severity,
    prepare, probe,
    receipt::Receipt,
    record::Life,
    rollouts::Request,
    state::{Bytes, HostPath},
};

/// The longest one endpoint may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A path where a rollout has certificates.
#[derive(Debug, Clone)]
pub struct Held {
    path: HostPath,
    rewrite: Option<Rewriting>,
}

/// Returns the paths where targets have certificates: forms of the identity, stores and documents.
#[must_use]
pub fn held(targets: &[Target]) -> Vec<Held> {
    let telling = targets.iter().filter(|t| t.identity || t.rewrite.is_some());
    let held = telling.map(|target| Held {
        path: target.path.clone(),
        rewrite: target.rewrite.clone(),
    });
    held.collect()
}

/// Looks at one rollout. What cannot be told is part of the answer, never an error.
#[must_use]
pub fn look(host: &dyn Host, name: &str, request: &Request) -> Watched {
    match prepare(host, request) {
        Ok(prepared) => seen(host, name, &prepared),
        Err(error) => {
            let mut watched = nothing(host, name);
            watched.trouble = Some(error.to_string());
            files(host, &written(host, name), Checks::WARN_DAYS, &mut watched);
            watched
        }
    }
}

/// Returns what is seen of a rollout that a plan was made of.
#[must_use]
pub(crate) fn seen(host: &dyn Host, name: &str, prepared: &Prepared) -> Watched {
    let (plan, days) = (&prepared.plan, prepared.warn_days);
    let fatal = plan.findings.iter();
    let fatal = fatal.filter(|f| f.severity == Severity::Fatal);
    let mut watched = Watched {
        drift: plan.changes.len() + plan.far.len() + plan.pins.len(),
        owed: plan.owed.clone(),
        blocked: fatal.map(|f| f.message.clone()).collect(),
        steps: (plan.steps.iter().filter(|s| !s.is_done(host.tree()))).count(),
        endpoints: verdicts(plan),
        ..nothing(host, name)
    };
    files(host, &prepared.held, days, &mut watched);
    served(host, plan, days, &mut watched);
    watched
}

fn nothing(host: &dyn Host, name: &str) -> Watched {
    Watched {
        rollout: name.to_owned(),
        trouble: None,
        drift: 0,
        owed: Vec::new(),
        blocked: Vec::new(),
        steps: 0,
        endpoints: Vec::new(),
        certificates: Vec::new(),
        unread: Vec::new(),
        last: last(host, name),
    }
}

/// Returns the leaves on disk that a plan replaces, each once, and the one that it puts in their place, where a file shows it.
#[must_use]
pub(crate) fn lives(host: &dyn Host, prepared: &Prepared) -> (Vec<Life>, Option<Life>) {
    let mut watched = nothing(host, &prepared.plan.rollout);
    files(host, &prepared.held, prepared.warn_days, &mut watched);
    let new = &prepared.plan.identity.fingerprint;
    let mut before: Vec<Life> = Vec::new();
    let leaves = watched.certificates.iter().filter(|one| one.position == 0);
    for one in leaves.filter(|one| one.sha256 != *new) {
        let life = Life {
            subject: one.subject.clone(),
            fingerprint: one.sha256.clone(),
            not_before: Some(one.not_before),
            not_after: one.not_after,
        };
        if !before.contains(&life) {
            before.push(life);
        }
    }
    let written = prepared.plan.changes.iter().filter(|c| c.identity);
    let written = written.filter_map(|change| {
        let input = Input {
            name: change.path.to_string(),
            bytes: change.after.bytes()?.clone(),
        };
        input.certificates().ok()?.into_iter().next()
    });
    let kept = prepared.keep.identity.iter().filter_map(|(name, bytes)| {
        let input = Input {
            name: (*name).to_owned(),
            bytes: bytes.clone(),
        };
        input.certificates().ok()?.into_iter().next()
    });
    let after = written.chain(kept).find(|one| one.sha256 == *new);
    (before, after.as_ref().map(Life::of))
}

/// Judges what every endpoint presented when the plan was made.
pub(crate) fn verdicts(plan: &Plan) -> Vec<probe::Verdict> {
    let seen = plan.promises.iter().zip(&plan.baseline);
    seen.map(|(promise, seen)| probe::judge(&promise.probe, &promise.want, seen, seen))
        .collect()
}

/// Returns the paths of certificates that the kept generations of a rollout wrote.
fn written(host: &dyn Host, name: &str) -> Vec<Held> {
    let numbers = Store::numbers(host).unwrap_or_default().into_iter();
    let generations = numbers.filter_map(|number| Store::generation(host, number).ok());
    let ours = generations.filter(|generation| generation.intent.rollout == name);
    let entries = ours.flat_map(|generation| generation.intent.entries);
    let kept = entries.filter(|entry| entry.identity && entry.after != Record::Absent);
    let mut paths: Vec<HostPath> = kept.map(|entry| entry.path).collect();
    paths.sort();
    paths.dedup();
    let held = |path| Held {
        path,
        rewrite: None,
    };
    paths.into_iter().map(held).collect()
}

fn last(host: &dyn Host, name: &str) -> Option<Last> {
    let numbers = Store::numbers(host).ok()?.into_iter().rev();
    let mut receipts = numbers.filter_map(|number| Receipt::load(host, number).ok().flatten());
    let receipt = receipts.find(|receipt| receipt.rollout == name)?;
    Some(Last {
        generation: receipt.generation,
        outcome: receipt.outcome,
        finished: receipt.finished,
    })
}

/// Adds the certificates of files, or why one cannot be read. One that is not there is drift, and that is counted.
fn files(host: &dyn Host, held: &[Held], warn_days: i64, watched: &mut Watched) {
    for one in held {
        let found = host.read_followed(&one.path).map_err(|e| e.to_string());
        let found = found.and_then(|(_, state)| match state.bytes() {
            Some(bytes) => certificates(host, one, bytes),
            None => Ok(Vec::new()),
        });
        match found {
            Ok(found) => add(found, warn_days, watched),
            Err(reason) => watched.unread.push(Unread {
                path: one.path.to_string(),
                reason,
            }),
        }
    }
}

fn add(found: Vec<(Place, Vec<Certificate>)>, warn_days: i64, watched: &mut Watched) {
    for (place, certificates) in found {
        let numbered = certificates.iter().enumerate();
        let sightings = numbered.map(|(n, one)| Sighting::of(place.clone(), n, one, warn_days));
        watched.certificates.extend(sightings);
    }
}

fn certificates(
    host: &dyn Host,
    held: &Held,
    bytes: &Bytes,
) -> Result<Vec<(Place, Vec<Certificate>)>, String> {
    if let Some(rewriting) = &held.rewrite {
        let given = given(host, rewriting);
        return (rewriting.0.certificates(bytes, &given)).map_err(|finding| finding.message);
    }
    let path = held.path.to_string();
    let input = Input {
        name: path.clone(),
        bytes: bytes.clone(),
    };
    if keystore::Store::looks_like(bytes.reveal()) {
        let store = keystore::Store::read(bytes.reveal(), None).map_err(|fault| fault.message)?;
        return Ok(keystore::leaves(&path, &store.entries(None), &|_| true));
    }
    let found = input.certificates().map_err(|error| error.to_string())?;
    Ok(vec![(Place::File { path }, found)])
}

/// Returns the files that a target needs, those that are there: passwords of stores.
fn given(host: &dyn Host, rewriting: &Rewriting) -> Given {
    let read = |path: HostPath| {
        let (_, state) = host.read_followed(&path).ok()?;
        Some((path, state.bytes()?.clone()))
    };
    Given {
        files: (rewriting.0.needs().into_iter().filter_map(read)).collect::<BTreeMap<_, _>>(),
        random: [0; 32],
        now: host.now(),
    }
}

/// Adds what every TLS endpoint of a plan presents: all of them are asked side by side.
fn served(host: &dyn Host, plan: &Plan, warn_days: i64, watched: &mut Watched) {
    let mut dials = Vec::new();
    for promise in &plan.promises {
        let Probe::Tls {
            protocol,
            name,
            port,
            addresses,
            ..
        } = &promise.probe
        else {
            continue;
        };
        let all = match addresses.as_slice() {
            [] => host.resolve(name),
            named => named.to_vec(),
        };
        for address in all {
            let address = SocketAddr::new(address, *port);
            dials.push(Dial::new(address, *protocol, name, PATIENCE));
        }
    }
    let answers = host.handshakes(&dials);
    for (dial, answer) in dials.iter().zip(answers) {
        // Silence is told by the verdict.
        let Ok(presented) = answer else { continue };
        let place = Place::Served {
            endpoint: dial.address.to_string(),
            name: dial.name.clone(),
        };
        let parsed: Result<Vec<_>, _> = (presented.certificates.iter())
            .map(|der| Certificate::from_der(der))
            .collect();
        match parsed {
            Ok(parsed) => add(vec![(place, parsed)], warn_days, watched),
            Err(reason) => watched.unread.push(Unread {
                path: place.to_string(),
                reason,
            }),
        }
    }
}
