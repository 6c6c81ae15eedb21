//! What a request would replace.

use zeroize::Zeroizing;

use super::{Back, Put, Wanted, Was, get, value};
use crate::{
    host::{Host, Reply},
    identity::Identity,
    peer::Fingerprint,
    preflight::{Finding, Severity},
    probe,
    state::Bytes,
};

/// Reads what a request would replace, as JSON; where it cannot be read, nothing could be put back, which is fatal.
pub(super) fn read(
    host: &dyn Host,
    accept: &[Fingerprint],
    one: &Wanted,
    was: &Was,
) -> (Option<Bytes>, Vec<Finding>) {
    if accept.is_empty() {
        // Who the peer is was found out, and is a finding already.
        return (None, Vec::new());
    }
    let what = format!("GET https://{}{}", one.peer, was.path);
    let unread = |why: &str| {
        let message = format!("`{what}` {why}: what it replaces could not be put back");
        let fatal = Finding::host(Severity::Fatal, "value-unread", message);
        (
            None,
            vec![fatal.hinted(
                "give who may read and set it; `certroll profiles show` names the settings",
            )],
        )
    };
    let reply = match get(host, &one.peer, accept, &one.logins, &was.path, |_| {}) {
        Ok(Reply::Answer { status: 200, body }) => Zeroizing::new(body),
        Ok(Reply::Answer { status, .. }) => return unread(&format!("answers {status}")),
        Ok(Reply::Empty) => return unread("closes the connection without an answer"),
        Ok(Reply::Lost(why)) => return unread(&format!("broke off: {why}")),
        Err(error) => return unread(&probe::reason(&error)),
    };
    let Some(found) = value::at(&reply, &was.at) else {
        return unread(&format!("has no `{}`", was.at.join(".")));
    };
    let words = value::words(&found, host.now());
    let holds = |wanted: &[String]| wanted.iter().all(|w| words.contains(&w.as_str()));
    let findings = was.remarks.iter().filter(|(wanted, _)| holds(wanted));
    let findings = findings.map(|(_, finding)| finding.clone()).collect();
    let text = serde_json::to_vec(&found).unwrap_or_default();
    (Some(text.into()), findings)
}

/// Names what a request carries, and what it replaces, as files of the generation.
pub(super) fn keep(
    own: usize,
    new: Option<Bytes>,
    old: Option<Bytes>,
) -> impl Iterator<Item = (String, Bytes)> {
    let named = move |(side, bytes): (&str, Option<Bytes>)| Some((file(side, own), bytes?));
    [("new", new), ("old", old)].into_iter().filter_map(named)
}

/// Has a request, or the way back from it, carry the file that is its own.
pub(super) fn name(one: &mut Wanted, own: usize) {
    let back = match &mut one.back {
        Some(Back::By(back)) => Some(("old", back)),
        Some(Back::Never(_)) | None => None,
    };
    for (side, request) in [("new", &mut one.ask)].into_iter().chain(back) {
        for name in request.kept_mut() {
            *name = file(side, own);
        }
    }
}

/// Returns what replaces a value, as JSON; none where that is not known beforehand.
pub(super) fn after(put: &Put, pair: Option<&Identity>) -> Option<Bytes> {
    match put {
        Put::Form(form) => value::of(pair?, *form),
        Put::Value(value) => Some(serde_json::to_vec(value).unwrap_or_default().into()),
        Put::Nothing => None,
    }
}

fn file(side: &str, own: usize) -> String {
    format!("{side}-{own}-{}", value::FILE)
}
