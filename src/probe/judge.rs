//! What an observation means. Pure.

use std::net::IpAddr;

use super::{Called, Endpoint, Observation, Served, Verdict, Want, http, tells, title};
use crate::{desired::Probe, state::HostPath};

/// Judges one observation.
///
/// Judged against the baseline: an endpoint that was silent before and still is proves nothing and is not judged;
/// one that answered before must answer; whatever answers must present what is wanted, chain included. A lookup and
/// readable files are promised by the plan, so they are always judged.
#[must_use]
pub fn judge(probe: &Probe, want: &Want, found: &Observation, baseline: &Observation) -> Verdict {
    let stale = is_stale(want, found);
    let (judged, good, found, want) = match (want, found, baseline) {
        (Want::Leaf { leaf, chain }, Observation::Tls(now), Observation::Tls(before)) => {
            leaves(leaf, chain, now, before)
        }
        (Want::Call(taken), Observation::Call(now), _) => {
            // Promised by the plan, so that silence is no excuse: on it hangs whether old trust may go.
            let good = !now.is_empty() && now.iter().all(|call| call.taken == Some(*taken));
            (true, good, calls(now), takes(*taken).to_owned())
        }
        (Want::Leaf { leaf, .. }, Observation::Http(now), _) => {
            let good = now.strip_prefix(http::SEEN) == Some(leaf);
            let want = format!("the backend sees {}", short(leaf));
            (true, good, answer(now), hinted(probe, good, want))
        }
        (Want::Lookup(address), Observation::Lookup(now), _) => (
            true,
            now.as_slice() == [*address],
            addresses(now),
            format!("{address} alone"),
        ),
        (Want::Readable, Observation::Readable(now), _) => {
            let good = now.iter().all(|(_, reason)| reason.is_none());
            (true, good, files(now), "all can be read".to_owned())
        }
        (Want::Answer(right), Observation::Http(now), Observation::Http(before)) => {
            let (judged, good, found, want) = answers(right, now, before);
            let want = tells::want(probe).unwrap_or(want);
            (judged, good, found, hinted(probe, good, want))
        }
        (Want::Other(leaf), Observation::Tls(now), _) => another(leaf, now),
        (Want::Baseline(before), now, _) => as_before(before, now),
        (_, now, _) => (
            true,
            false,
            describe(now),
            "another sort of probe".to_owned(),
        ),
    };
    Verdict {
        probe: title(probe),
        good,
        judged,
        found,
        want,
        stale,
    }
}

/// Tells whether an address presents another leaf or chain than the wanted one.
fn is_stale(want: &Want, found: &Observation) -> bool {
    let Observation::Tls(ends) = found else {
        return false;
    };
    let other = |end: &Endpoint| match (want, &end.presented) {
        (Want::Leaf { leaf, chain }, Some(served)) => {
            served.leaf != *leaf || served.chain != *chain
        }
        (Want::Baseline(Observation::Tls(before)), Some(_)) => !before.iter().any(|b| same(b, end)),
        _ => false,
    };
    ends.iter().any(other)
}

type Judgement = (bool, bool, String, String);

/// What one address says.
enum Sight {
    Good(String),
    Bad(String),
    Silent(String),
}

fn leaves(leaf: &str, chain: &[String], now: &[Endpoint], before: &[Endpoint]) -> Judgement {
    let want = format!("leaf {}", short(leaf));
    if now.is_empty() {
        let answered = before.iter().any(|end| end.presented.is_some());
        return (answered, false, "does not resolve".to_owned(), want);
    }
    let sights: Vec<Sight> = now
        .iter()
        .map(|end| sight(leaf, chain, end, before))
        .collect();
    let bad: Vec<&str> = sights.iter().filter_map(Sight::bad).collect();
    if !bad.is_empty() {
        return (true, false, bad.join("; "), want);
    }
    let judged = sights.iter().any(|sight| matches!(sight, Sight::Good(_)));
    let said: Vec<&str> = sights.iter().map(Sight::said).collect();
    (judged, judged, said.join("; "), want)
}

impl Sight {
    fn said(&self) -> &str {
        match self {
            Self::Good(text) | Self::Bad(text) | Self::Silent(text) => text,
        }
    }

    fn bad(&self) -> Option<&str> {
        match self {
            Self::Bad(text) => Some(text),
            Self::Good(_) | Self::Silent(_) => None,
        }
    }
}

fn sight(leaf: &str, chain: &[String], end: &Endpoint, before: &[Endpoint]) -> Sight {
    let address = end.address;
    let Some(served) = &end.presented else {
        let reason = end.silence.as_deref().unwrap_or("is silent");
        return if answered(address, before) {
            Sight::Bad(format!("{address} {reason}, and answered before"))
        } else {
            Sight::Silent(format!("{address} {reason}, as before"))
        };
    };
    if served.leaf != leaf {
        Sight::Bad(format!(
            "{address} presents another leaf: {}",
            whose(served)
        ))
    } else if served.version.is_empty() {
        Sight::Bad(format!(
            "{address} presents it and breaks the handshake before it has shown that it holds the key"
        ))
    } else if served.chain == chain {
        Sight::Good(format!("{address} presents it{}", version(served)))
    } else {
        Sight::Bad(format!(
            "{address} presents the leaf with another chain: {} instead of {}",
            listed(&served.chain),
            listed(chain)
        ))
    }
}

/// Tells whether an address answered before; of one that was not asked before, whether any did.
fn answered(address: std::net::SocketAddr, before: &[Endpoint]) -> bool {
    match before.iter().find(|end| end.address == address) {
        Some(end) => end.presented.is_some(),
        None => before.iter().any(|end| end.presented.is_some()),
    }
}

/// What answered well before must do so still; what did not proves nothing. Where the profile names answers, one is due.
fn answers(right: &[String], now: &str, before: &str) -> Judgement {
    let found = answer(now);
    if right.is_empty() {
        let good = http::is_well(now);
        return (
            http::is_well(before),
            good,
            found,
            "200, as before".to_owned(),
        );
    }
    let good = right.iter().any(|one| one == now);
    let right: Vec<String> = right.iter().map(|one| answer(one)).collect();
    (true, good, found, right.join(" or "))
}

/// Adds to what is wanted what to do where it is not so, if the profile says it.
fn hinted(probe: &Probe, good: bool, want: String) -> String {
    match probe {
        Probe::Http {
            hint: Some(hint), ..
        } if !good => format!("{want}; {hint}"),
        _ => want,
    }
}

/// Puts an answer in words.
fn answer(text: &str) -> String {
    match text {
        "empty" => "closes the connection without an answer".to_owned(),
        "refused" => "refuses the connection".to_owned(),
        "listed" => "names it among its complaints".to_owned(),
        "unread" => "answers no such document".to_owned(),
        tells::LATE => "tells and serves one that is over 70 days old".to_owned(),
        status if status.len() == 3 => format!("answers {status}"),
        seen if seen.starts_with(http::SEEN) => {
            let leaf = seen.strip_prefix(http::SEEN).unwrap_or_default();
            format!("the backend saw {}", short(leaf))
        }
        other => other.to_owned(),
    }
}

/// Some leaf, and not this one, on every address.
fn another(leaf: &str, now: &[Endpoint]) -> Judgement {
    let want = format!("another leaf than {}", short(leaf));
    let other = |end: &Endpoint| {
        end.presented
            .as_ref()
            .is_some_and(|served| served.leaf != leaf && !served.version.is_empty())
    };
    let good = !now.is_empty() && now.iter().all(other);
    (true, good, describe(&Observation::Tls(now.to_vec())), want)
}

fn as_before(before: &Observation, now: &Observation) -> Judgement {
    let good = match (before, now) {
        (Observation::Tls(before), Observation::Tls(now)) => {
            before.len() == now.len() && before.iter().all(|end| now.iter().any(|n| same(end, n)))
        }
        (Observation::Lookup(before), Observation::Lookup(now)) => {
            let (mut before, mut now) = (before.clone(), now.clone());
            before.sort_unstable();
            now.sort_unstable();
            before == now
        }
        (Observation::Readable(before), Observation::Readable(now)) => before
            .iter()
            .map(|(path, reason)| (path, reason.is_none()))
            .eq(now.iter().map(|(path, reason)| (path, reason.is_none()))),
        (Observation::Http(before), Observation::Http(now)) => before == now,
        (Observation::Call(before), Observation::Call(now)) => {
            // Where no call showed anything before, as without a key yet, there is nothing to compare with.
            let known = before.iter().filter(|call| call.taken.is_some());
            known.into_iter().all(|was| {
                let mut there = now.iter().filter(|is| is.address == was.address);
                there.any(|is| (is.taken == Some(true)) == (was.taken == Some(true)))
            })
        }
        _ => false,
    };
    let want = format!("as before: {}", describe(before));
    (true, good, describe(now), want)
}

/// The same leaf and chain, or the same silence for whatever reason.
fn same(before: &Endpoint, now: &Endpoint) -> bool {
    let identity = |end: &Endpoint| {
        end.presented
            .as_ref()
            .map(|served| (served.leaf.clone(), served.chain.clone()))
    };
    before.address == now.address && identity(before) == identity(now)
}

/// Says what was seen.
fn describe(observation: &Observation) -> String {
    match observation {
        Observation::Tls(ends) if ends.is_empty() => "does not resolve".to_owned(),
        Observation::Tls(ends) => {
            let ends: Vec<String> = ends
                .iter()
                .map(|end| match (&end.presented, &end.silence) {
                    (Some(served), _) => format!("{} presents {}", end.address, whose(served)),
                    (None, Some(reason)) => format!("{} {reason}", end.address),
                    (None, None) => format!("{} is silent", end.address),
                })
                .collect();
            ends.join("; ")
        }
        Observation::Call(found) => calls(found),
        Observation::Lookup(found) => addresses(found),
        Observation::Readable(found) => files(found),
        Observation::Http(found) => answer(found),
    }
}

fn calls(found: &[Called]) -> String {
    if found.is_empty() {
        return "does not resolve".to_owned();
    }
    let texts: Vec<String> = found
        .iter()
        .map(|call| format!("{} {}", call.address, call.said))
        .collect();
    texts.join("; ")
}

fn takes(taken: bool) -> &'static str {
    if taken {
        "a client that is accepted"
    } else {
        "a client that is refused"
    }
}

fn addresses(found: &[IpAddr]) -> String {
    if found.is_empty() {
        return "no address".to_owned();
    }
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn files(found: &[(HostPath, Option<String>)]) -> String {
    let reasons: Vec<&str> = found
        .iter()
        .filter_map(|(_, reason)| reason.as_deref())
        .collect();
    if reasons.is_empty() {
        "all can be read".to_owned()
    } else {
        reasons.join("; ")
    }
}

fn whose(served: &Served) -> String {
    if served.subject.is_empty() {
        short(&served.leaf)
    } else {
        format!("{} ({})", short(&served.leaf), served.subject)
    }
}

fn version(served: &Served) -> String {
    if served.version.is_empty() {
        String::new()
    } else {
        format!(" over {}", served.version)
    }
}

fn listed(chain: &[String]) -> String {
    if chain.is_empty() {
        return "none".to_owned();
    }
    let texts: Vec<String> = chain.iter().map(|one| short(one)).collect();
    texts.join(", ")
}

/// The first 16 of 64 digits: enough to tell certificates apart on one line.
pub(super) fn short(fingerprint: &str) -> String {
    match fingerprint.get(..16) {
        Some(start) if fingerprint.len() > 16 => format!("`{start}…`"),
        _ => format!("`{fingerprint}`"),
    }
}
