//! Calls over mutual TLS: whether a peer takes a client that shows an identity, or none.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::tls;
use crate::{
    desired::{Probe, Shows},
    error::Result,
    host::{self, Dial, Host, Load, Reply},
    identity::Identity,
    journal::Store,
    rollouts,
};

/// One address, and what became of the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// Address and port.
    pub address: SocketAddr,
    /// Whether the client was taken; none where that did not show, as where nothing answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<bool>,
    /// The same in words.
    pub said: String,
}

/// Calls every address, with the identity at `hand` where it is the one to show; none for a probe of another sort.
pub(super) fn observe(
    host: &dyn Host,
    probe: &Probe,
    hand: Option<&Identity>,
    limit: Duration,
) -> Vec<Called> {
    let Probe::Call {
        protocol,
        name,
        port,
        addresses,
        get,
        shows,
    } = probe
    else {
        return Vec::new();
    };
    let client = client(host, shows, hand);
    let call = |address| {
        let address = SocketAddr::new(address, *port);
        let (taken, said) = match &client {
            Err(why) => (None, format!("was not called: {why}")),
            Ok(client) => {
                let mut dial = Dial::new(address, *protocol, name, limit);
                dial.client.clone_from(client);
                get.as_ref()
                    .map_or_else(|| shake(host, &dial), |path| ask(host, dial.clone(), path))
            }
        };
        Called {
            address,
            taken,
            said,
        }
    };
    let addresses = tls::addresses_of(host, name, addresses);
    addresses.into_iter().map(call).collect()
}

/// Finds the identity to show, or says why there is none.
fn client(
    host: &dyn Host,
    shows: &Shows,
    hand: Option<&Identity>,
) -> Result<Option<Arc<Identity>>, String> {
    let at_hand = |leaf: &str| hand.filter(|identity| identity.fingerprint() == leaf);
    let found = match shows {
        Shows::Nothing => return Ok(None),
        Shows::Files { cert, key } => super::read(host, &[cert, key]),
        Shows::Identity { leaf } => match at_hand(leaf) {
            Some(identity) => Some(identity.clone()),
            None => kept(host, leaf).map_err(|error| error.to_string())?,
        },
    };
    match found.filter(|identity| identity.key.is_some()) {
        Some(identity) => Ok(Some(Arc::new(identity))),
        None => Err("there is no key of the client's yet".to_owned()),
    }
}

/// Returns the identity of this leaf that a generation keeps, the open one too.
fn kept(host: &dyn Host, leaf: &str) -> Result<Option<Identity>> {
    for number in Store::numbers(host)?.into_iter().rev() {
        let is_it =
            Store::gist(host, number).is_ok_and(|(gist, _)| gist.identity.fingerprint == leaf);
        if !is_it {
            continue;
        }
        // Of older ones the key may be gone already.
        if let Ok((identity, _)) = rollouts::kept(host, number)
            && identity.key.is_some()
        {
            return Ok(Some(identity));
        }
    }
    Ok(None)
}

/// Makes the handshake alone. A peer that asked for a certificate judges it with or, in TLS 1.3, after that.
fn shake(host: &dyn Host, dial: &Dial) -> (Option<bool>, String) {
    match host.handshake(dial) {
        Ok(presented) => match presented.refusal {
            Some(why) => (Some(false), why),
            None => (Some(true), "takes the client".to_owned()),
        },
        Err(error) => (None, tls::reason(&error)),
    }
}

/// Makes a request: many servers finish the handshake first, and refuse by their answer (nginx: 400).
fn ask(host: &dyn Host, dial: Dial, path: &str) -> (Option<bool>, String) {
    let call = host::Call {
        dial,
        tls: true,
        method: "GET".to_owned(),
        path: path.to_owned(),
        login: None,
        load: Load::Nothing,
    };
    match host.fetch(&call) {
        Ok(Reply::Answer { status, .. }) => {
            let taken = match status {
                200..400 => Some(true),
                // 495 and 496 are nginx's own, for a certificate that does not verify and for none.
                400 | 401 | 403 | 495 | 496 => Some(false),
                // Whether it fails for this client or for any does not show.
                _ => None,
            };
            (taken, format!("answers {status}"))
        }
        Ok(Reply::Empty) => (None, "closes the connection without an answer".to_owned()),
        Ok(Reply::Lost(why)) => (
            why.contains("alert").then_some(false),
            format!("broke off: {why}"),
        ),
        Err(error) => {
            let why = tls::reason(&error);
            (why.contains("alert").then_some(false), why)
        }
    }
}
