//! What a path answers over HTTP.

use serde_json::Value;

use super::{tells, tls};
use crate::{
    desired::{Lacks, Probe},
    error::Error,
    far,
    host::{Dial, Host, Reply},
    pins,
};

/// Asks a path; what came of it as `200`, `empty`, `refused`, or in words.
pub(super) fn observe(host: &dyn Host, probe: &Probe) -> String {
    let Probe::Http {
        tls,
        peer,
        path,
        logins,
        accept,
        seen_by,
        lacks,
        tells,
        ..
    } = probe
    else {
        return String::new();
    };
    if *tls && accept.is_empty() {
        return "not asked: nothing is accepted of this peer".to_owned();
    }
    let reply = far::get(host, peer, accept, logins, path, |call| {
        call.tls = *tls;
        call.dial.limit = call.dial.limit.min(tls::LIMIT);
    });
    match reply {
        Ok(Reply::Answer { status, body }) => match (seen_by, lacks, tells) {
            (Some(backend), ..) if (200..300).contains(&status) => seen(host, backend, &body),
            (None, Some(lacks), _) if status == 200 => stands(lacks, &body).to_owned(),
            (None, None, Some(tells)) if status == 200 => tells::observe(host, tells, body),
            _ => status.to_string(),
        },
        Ok(Reply::Empty) => "empty".to_owned(),
        Ok(Reply::Lost(why)) => format!("broke off: {why}"),
        Err(Error::Unproved { found, .. }) if found == "refused the connection" => {
            "refused".to_owned()
        }
        Err(error) => tls::reason(&error),
    }
}

/// How the observation of a call begins whose backend named a leaf: the rest is its SHA-256, lower hex.
pub(crate) const SEEN: &str = "seen ";

/// Says which leaf the backend behind a path saw, if it refuses a client that shows none; else what it does instead.
fn seen(host: &dyn Host, backend: &str, body: &str) -> String {
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    let Some(leaf) = document["leaf"]["sha256"].as_str() else {
        return "is answered, and the answer names no leaf".to_owned();
    };
    match admits(host, backend) {
        None => format!("{SEEN}{leaf}"),
        Some(why) => format!("is answered, and backend {backend} {why}"),
    }
}

/// Says why a backend does not refuse a client without a certificate; none where it does. Nothing but a handshake is made.
fn admits(host: &dyn Host, backend: &str) -> Option<String> {
    let (_, peer) = match pins::key(backend) {
        Ok(key) => key,
        Err(error) => return Some(error.to_string()),
    };
    let addresses = host.resolve(&peer.name);
    if addresses.is_empty() {
        return Some("does not resolve".to_owned());
    }
    addresses.into_iter().find_map(|address| {
        let address = std::net::SocketAddr::new(address, peer.port);
        let dial = Dial::new(address, peer.protocol, &peer.name, tls::LIMIT);
        match host.handshake(&dial) {
            Ok(presented) => match (presented.asked, presented.refusal) {
                (Some(_), Some(_)) => None,
                (Some(_), None) => Some("takes a client without a certificate".to_owned()),
                (None, _) => Some("asks for no client certificate".to_owned()),
            },
            Err(error) => Some(tls::reason(&error)),
        }
    })
}

/// Looks for an entry in a document: `200` where it is not there, `listed` where it is, `unread` where nobody can tell.
fn stands(lacks: &Lacks, body: &str) -> &'static str {
    let Ok(document) = serde_json::from_str::<Value>(body) else {
        return "unread";
    };
    let (last, way) = match lacks.at.split_last() {
        Some((last, way)) => (Some(last), way),
        None => (None, &[][..]),
    };
    let found = way.iter().try_fold(&document, |value, key| value.get(key));
    let Some(Value::Object(above)) = found else {
        return "unread";
    };
    match last.map_or(found, |last| above.get(last)) {
        Some(place) if has(place, &lacks.members) => "listed",
        _ => "200",
    }
}

fn has(value: &Value, members: &[(String, String)]) -> bool {
    match value {
        Value::Object(map) => {
            let is = |(name, text): &(String, String)| {
                map.get(name).and_then(Value::as_str) == Some(text)
            };
            members.iter().all(is) || map.values().any(|below| has(below, members))
        }
        Value::Array(list) => list.iter().any(|below| has(below, members)),
        _ => false,
    }
}

/// Tells whether a path answered well.
pub(super) fn is_well(answer: &str) -> bool {
    answer.len() == 3 && answer.starts_with('2')
}
