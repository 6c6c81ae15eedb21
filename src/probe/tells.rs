//! What a document tells at a place: a value, or a certificate that the platform got by itself.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use zeroize::Zeroizing;

use super::{Endpoint, judge::short, tls};
use crate::{
    desired::{Probe, Tells, Told},
    far::value,
    host::Host,
    identity::{Identity, Input, Trust},
    starttls::Protocol,
};

/// The observation of a certificate that is served and told, and should have been renewed.
pub(crate) const LATE: &str = "late";

/// The longest value that is repeated.
const LONGEST: usize = 100;

/// Says what is told: `200` where it is what is wanted, [`LATE`] where it is and should have been renewed, else what it is.
pub(super) fn observe(host: &dyn Host, tells: &Tells, body: String) -> String {
    let body = Zeroizing::new(body);
    let Some(found) = value::at(&body, &tells.at) else {
        return "unread".to_owned();
    };
    match &tells.what {
        Told::Value(wanted) if *wanted == found => "200".to_owned(),
        Told::Value(_) => format!("tells {}", shown(&found)),
        Told::Issued {
            name,
            port,
            addresses,
        } => {
            let words = value::words(&found, host.now());
            let ends = served(host, name, *port, addresses);
            // Whatever is told: a way back is proved by what is served again, too.
            let serve = |why: String| format!("{why}; {}", presented(name, &ends));
            match issued(host, &found, &words, name) {
                Err(why) => serve(why),
                Ok(identity) if !is_served(&identity, &ends) => {
                    serve(format!("tells {}", short(identity.fingerprint())))
                }
                Ok(_) if words.contains(&"old") => LATE.to_owned(),
                Ok(_) => "200".to_owned(),
            }
        }
    }
}

fn served(host: &dyn Host, name: &str, port: u16, addresses: &[IpAddr]) -> Vec<Endpoint> {
    let direct = Protocol::default();
    let addresses = tls::addresses_of(host, name, addresses).into_iter();
    addresses
        .map(|a| tls::ask(host, SocketAddr::new(a, port), direct, name, tls::LIMIT))
        .collect()
}

/// Tells whether every address serves a leaf, and holds its key.
fn is_served(identity: &Identity, ends: &[Endpoint]) -> bool {
    let serves = |end: &Endpoint| {
        (end.presented.as_ref())
            .is_some_and(|s| s.leaf == identity.fingerprint() && !s.version.is_empty())
    };
    !ends.is_empty() && ends.iter().all(serves)
}

/// Says what addresses present, in words that are the same as long as it is.
fn presented(name: &str, ends: &[Endpoint]) -> String {
    if ends.is_empty() {
        return format!("{name} does not resolve");
    }
    let told = |end: &Endpoint| match &end.presented {
        Some(served) => format!("{} presents {}", end.address, short(&served.leaf)),
        None => format!("{} is silent", end.address),
    };
    ends.iter().map(told).collect::<Vec<_>>().join("; ")
}

/// Puts in words what is wanted of a place, where a probe wants something of one.
pub(super) fn want(probe: &Probe) -> Option<String> {
    let Probe::Http {
        tells: Some(tells), ..
    } = probe
    else {
        return None;
    };
    Some(match &tells.what {
        Told::Value(wanted) => format!("that it tells {}", shown(wanted)),
        Told::Issued { name, port, .. } => format!(
            "a certificate that the platform got by itself, that covers {name}, verifies, and is served at port {port}"
        ),
    })
}

/// Reads a value, and says why it is none that the platform got by itself for a name.
fn issued(host: &dyn Host, found: &Value, words: &[&str], name: &str) -> Result<Identity, String> {
    let text = match found {
        Value::String(text) if !words.contains(&"unset") => text,
        Value::String(_) | Value::Null => return Err("tells no certificate".to_owned()),
        _ => return Err("tells something else than text".to_owned()),
    };
    let input = Input {
        name: "value".to_owned(),
        bytes: text.clone().into(),
    };
    let Ok((identity, _)) = Identity::assemble(&[input], None) else {
        return Err("tells something that is no certificate".to_owned());
    };
    let told = short(identity.fingerprint());
    if !words.contains(&"headed") {
        return Err(format!(
            "tells {told}, without the platform's text above it"
        ));
    }
    if !identity.leaf.covers(name) {
        return Err(format!("tells {told}, which does not cover {name}"));
    }
    let (anchors, now) = (host.trust_anchors(), host.now());
    match identity.trust(&anchors, now) {
        Trust::Trusted => Ok(identity),
        _ if identity.leaf.not_after <= now => Err(format!("tells {told}, which has expired")),
        _ => Err(format!(
            "tells {told}, for which no trust anchor of this host vouches"
        )),
    }
}

/// Returns a value as it is repeated to people: a short one, and no key.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.len() > LONGEST || text.contains("PRIVATE KEY") {
        return "another value".to_owned();
    }
    text
}
