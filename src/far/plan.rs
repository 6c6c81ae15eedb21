//! Which far resources are needed, of which peers, and how each can be taken back.

use std::collections::{BTreeMap, BTreeSet};

use super::{Back, Far, Wanted, before};
use crate::{
    desired::{Desired, Probe},
    error::{Error, Result},
    host::{Call, Dial, Host},
    identity::{Form, Identity, Input, Trust},
    peer::{Accept, Fingerprint},
    pins::{self, Leaf, Mismatch, Pins},
    plan::Promise,
    preflight::{Finding, Severity},
    probe::{self, Observation, Want},
    rollback,
    state::Bytes,
};

/// The leaves that peers presented, of those that are who they should be.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    now: BTreeMap<String, Fingerprint>,
    /// The leaves that earlier generations found or left there: one of them comes back with a default.
    earlier: BTreeMap<String, Vec<Fingerprint>>,
}

/// The pair that a peer has now, where it is known with its key.
#[derive(Debug)]
pub(crate) enum Previous {
    /// It is kept, or was given.
    Known(Box<Identity>),
    /// Nobody has it.
    Unknown,
}

/// What of far resources becomes part of a plan.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    /// Those that are needed, in order.
    pub(crate) far: Vec<Far>,
    /// What proves all of them.
    pub(crate) promises: Vec<Promise>,
    /// What those probes saw before.
    pub(crate) baseline: Vec<Observation>,
    /// What stands in the way, and what follows from what was seen.
    pub(crate) findings: Vec<Finding>,
    /// Files of the generation's `far/`.
    pub(crate) keep: Vec<(String, Bytes)>,
}

impl Peers {
    /// Asks every peer of far resources and of probes over TLS who it is: by its pin, or by the trust anchors of this host.
    ///
    /// # Errors
    /// [`Error::WrongPeer`] where one is not the peer that is pinned: nothing was sent to it.
    pub(crate) fn look(
        host: &dyn Host,
        desired: &Desired,
        findings: &mut Vec<Finding>,
    ) -> Result<Self> {
        let probes = desired.all_probes().filter_map(|probe| match probe {
            Probe::Http {
                tls: true, peer, ..
            } => Some(peer),
            _ => None,
        });
        let mut names: Vec<&String> = desired.far.iter().map(|f| &f.peer).chain(probes).collect();
        names.sort();
        names.dedup();
        let pins = pins::load(host)?;
        let mut known = BTreeMap::new();
        for name in names {
            match presented(host, &pins, name) {
                Ok(leaf) => drop(known.insert(name.clone(), leaf)),
                Err(Refusal::Wrong(mismatch)) => return Err(Error::WrongPeer(vec![mismatch])),
                Err(Refusal::Finding(finding)) => findings.push(finding),
                Err(Refusal::Error(error)) => return Err(error),
            }
        }
        let mut earlier: BTreeMap<String, Vec<Fingerprint>> = BTreeMap::new();
        for far in rollback::committed(host)?.into_iter().flat_map(|i| i.far) {
            earlier.entry(far.peer).or_default().extend(far.accept);
        }
        Ok(Self {
            now: known,
            earlier,
        })
    }

    /// Returns the leaves that are accepted of a peer from now on: the one that it presented, and the new one; where that is a
    /// default that nobody knows beforehand, those that were seen there.
    fn accept(&self, peer: &str, new: Option<Fingerprint>) -> Vec<Fingerprint> {
        let now = self.now.get(peer).copied();
        let mut all: Vec<Fingerprint> = now.into_iter().chain(now.and(new)).collect();
        if now.is_some() && new.is_none() {
            all.extend(self.earlier.get(peer).into_iter().flatten());
        }
        let mut seen = BTreeSet::new();
        all.retain(|leaf| seen.insert(*leaf));
        all
    }

    /// Tells whether all of them presented this leaf.
    pub(crate) fn all_present(&self, leaf: Fingerprint) -> bool {
        self.now.values().all(|presented| *presented == leaf)
    }

    /// Lets probes over TLS ask the peers that are who they should be, and no other.
    pub(crate) fn admit(&self, desired: &mut Desired, new: Option<Fingerprint>) {
        for probe in desired.all_probes_mut() {
            if let Probe::Http {
                tls: true,
                peer,
                accept,
                ..
            } = probe
            {
                *accept = self.accept(peer, new);
            }
        }
    }
}

enum Refusal {
    Wrong(Mismatch),
    Finding(Finding),
    Error(Error),
}

/// Returns the leaf of a peer that is who it should be.
fn presented(host: &dyn Host, pins: &Pins, name: &str) -> Result<Fingerprint, Refusal> {
    if pins.get(name).is_ok() {
        let checked = pins::check(host, pins, &[name.to_owned()]).map_err(Refusal::Error)?;
        if let Some(one) = checked.into_iter().next() {
            return match (one.mismatch, one.seen) {
                (Some(mismatch), _) => Err(Refusal::Wrong(mismatch)),
                (None, pins::Seen::Accepted(leaf) | pins::Seen::Refused { leaf, .. }) => {
                    Ok(leaf.sha256)
                }
                (None, pins::Seen::Silent(why)) => Err(silent(name, &why)),
            };
        }
    }
    let any = |call: Call| {
        let dial = Dial {
            accept: Accept::Any,
            ..call.dial
        };
        Ok((host.handshake(&dial)?, dial))
    };
    let (seen, dial) = super::call::calls(host, name, &[], "/")
        .and_then(|calls| calls.make(any))
        .map_err(|error| silent(name, &probe::reason(&error)))?;
    let Some(leaf) = seen.certificates.first().map(|der| Leaf::of(der)) else {
        return Err(silent(name, "presented no certificate"));
    };
    let input = |der: &Vec<u8>| Input {
        name: name.to_owned(),
        bytes: der.clone().into(),
    };
    let inputs: Vec<Input> = seen.certificates.iter().map(input).collect();
    let trusted = Identity::assemble(&inputs, None).is_ok_and(|(identity, _)| {
        identity.trust(&host.trust_anchors(), host.now()) == Trust::Trusted
            && identity.leaf.covers(&dial.name)
    });
    if trusted && !seen.version.is_empty() {
        return Ok(leaf.sha256);
    }
    let message = format!(
        "nothing says that `{name}` is who it should be: it has no pin, and its leaf {} is not one that this host's trust anchors vouch for",
        leaf.sha256.colons()
    );
    Err(Refusal::Finding(
        Finding::host(Severity::Fatal, "peer-unknown", message).hinted(format!(
            "compare that with what the machine itself says, then `certroll pin add {name} --fingerprint TEXT`"
        )),
    ))
}

/// Returns the leaf that a peer presents, whoever it is; none where nothing does.
pub(crate) fn presents(host: &dyn Host, name: &str) -> Option<Fingerprint> {
    let any = |call: Call| {
        host.handshake(&Dial {
            accept: Accept::Any,
            ..call.dial
        })
    };
    let seen = super::call::calls(host, name, &[], "/")
        .ok()?
        .make(any)
        .ok()?;
    seen.certificates.first().map(|der| Fingerprint::of(der))
}

fn silent(name: &str, why: &str) -> Refusal {
    let message = format!("`{name}` {why}: no key is sent but over TLS");
    Refusal::Finding(Finding::host(Severity::Fatal, "no-tls", message).hinted(
        "a machine that cannot speak TLS there must be updated first; else mind the network",
    ))
}

/// Decides which far resources are needed: those whose probes do not see now what they must.
pub(crate) fn plan(
    host: &dyn Host,
    peers: &Peers,
    wanted: Vec<Wanted>,
    (want, pair): (&Want, Option<&Identity>),
    previous: &Previous,
) -> Planned {
    let mut planned = Planned::default();
    let mut by_itself = Vec::new();
    let new = pair.map(|pair| Fingerprint::of(&pair.leaf.der));
    for mut one in wanted {
        let first = planned.promises.len();
        let mut needed = false;
        for probe in std::mem::take(&mut one.proves) {
            let want = probe.want(want);
            let seen = probe::observe(host, &probe);
            needed |= !probe::judge(&probe, &want, &seen, &seen).good;
            planned.baseline.push(seen);
            planned.promises.push(Promise {
                probe,
                want,
                after: 0,
            });
        }
        if !needed {
            continue;
        }
        if let Some(was) = one.was.clone() {
            let accept = peers.accept(&one.peer, None);
            let (old, findings) = before::read(host, &accept, &one, &was);
            planned.findings.extend(findings);
            let own = planned.far.len();
            planned
                .keep
                .extend(before::keep(own, before::after(&was.put, pair), old));
            before::name(&mut one, own);
        }
        let back = match (one.back, previous) {
            // What was read is put back, whoever made it.
            (None, _) if one.was.is_some() => Back::By(one.ask.with_previous()),
            (Some(Back::By(back)), Previous::Unknown) if back.has_pair() => unknown(),
            (Some(back), _) => back,
            (None, Previous::Known(_)) => Back::By(one.ask.with_previous()),
            (None, Previous::Unknown) => unknown(),
        };
        planned.far.push(Far {
            what: one.what,
            accept: peers.accept(&one.peer, new),
            peer: one.peer,
            logins: one.logins,
            ask: one.ask,
            back,
            settle: one.settle,
            was: one.was.map(|was| (was.path, was.at)),
            sent: super::Standing::default(),
        });
        let of = first..planned.promises.len();
        if planned.far.last().is_some_and(|f| f.ask.only_reads()) {
            by_itself.push(of.clone());
        }
        for promise in planned.promises.get_mut(of).into_iter().flatten() {
            promise.after = planned.far.len();
        }
    }
    // What a peer does by itself it may do once everything is sent that has it do so.
    for of in by_itself {
        for promise in planned.promises.get_mut(of).into_iter().flatten() {
            promise.after = planned.far.len();
        }
    }
    planned.findings.extend(irreversible(&planned.far));
    if planned.far.iter().any(Far::has_pair) {
        planned
            .keep
            .extend(pair.into_iter().flat_map(|p| files("new", p)));
        if let Previous::Known(old) = previous {
            planned.keep.extend(files("old", old));
        }
    }
    planned
}

fn unknown() -> Back {
    Back::Never(
        "no pair from before is kept, and the machine never gives its key away: only `certroll revert` leads away from the new one"
            .to_owned(),
    )
}

/// Returns key and fullchain of an identity as a generation keeps them.
fn files(which: &str, identity: &Identity) -> Vec<(String, Bytes)> {
    let forms = [("key.pem", Form::Key), ("fullchain.pem", Form::Fullchain)];
    forms
        .into_iter()
        .filter_map(|(name, form)| Some((format!("{which}-{name}"), identity.form(form)?)))
        .collect()
}

/// Names what nothing takes back: at most one in a rollout, and the last of all.
fn irreversible(far: &[Far]) -> Vec<Finding> {
    let never = |f: &&Far| matches!(f.back, Back::Never(_));
    let mut findings: Vec<Finding> = far
        .iter()
        .filter(never)
        .map(|f| {
            let message = format!("the {} of {}: undo is {}", f.what, f.peer, f.undo());
            Finding::input(Severity::Fatal, "irreversible", message).hinted(if f.ask.has_pair() {
                "give the pair that it has now (`--previous-cert F --previous-key F`), or accept it: `--allow irreversible`"
            } else {
                "accept it: `--allow irreversible`"
            })
        })
        .collect();
    if let Some(early) = far.iter().rev().skip(1).find(never) {
        let message = format!(
            "the {} of {} cannot be taken back, and more would follow it",
            early.what, early.peer
        );
        findings.push(
            Finding::input(Severity::Fatal, "irreversible-early", message).hinted(
                "leave the other settings out of this rollout, and apply them with the next one",
            ),
        );
    }
    findings
}
