//! TLS endpoints.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    Endpoint, Served,
    certificate::{details, fingerprint},
};
use crate::{
    desired::Probe,
    error::Error,
    host::{Dial, Host},
    starttls::Protocol,
};

/// The longest one handshake may take: far above a loaded machine's, far below a deadline.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// Asks every address of a TLS probe; none for a probe of another sort.
pub(super) fn observe(host: &dyn Host, probe: &Probe, limit: Duration) -> Vec<Endpoint> {
    let Probe::Tls {
        protocol,
        name,
        port,
        addresses,
        ..
    } = probe
    else {
        return Vec::new();
    };
    addresses_of(host, name, addresses)
        .into_iter()
        .map(|address| {
            let address = SocketAddr::new(address, *port);
            ask(host, address, *protocol, name, limit)
        })
        .collect()
}

pub(super) fn addresses_of(host: &dyn Host, name: &str, named: &[IpAddr]) -> Vec<IpAddr> {
    if named.is_empty() {
        host.resolve(name)
    } else {
        named.to_vec()
    }
}

pub(super) fn ask(
    host: &dyn Host,
    address: SocketAddr,
    protocol: Protocol,
    name: &str,
    limit: Duration,
) -> Endpoint {
    let silent = |reason: String| Endpoint {
        address,
        presented: None,
        silence: Some(reason),
    };
    match host.handshake(&Dial::new(address, protocol, name, limit)) {
        Ok(presented) => match presented.certificates.split_first() {
            Some((leaf, chain)) => Endpoint {
                address,
                presented: Some(Served {
                    leaf: fingerprint(leaf),
                    chain: chain.iter().map(|der| fingerprint(der)).collect(),
                    subject: details(leaf).subject,
                    version: presented.version,
                }),
                silence: None,
            },
            None => silent("presented no certificate".to_owned()),
        },
        Err(error) => silent(reason(&error)),
    }
}

/// Says why nothing was presented, without the address that stands beside it.
pub(crate) fn reason(error: &Error) -> String {
    match error {
        Error::Unproved { found, .. } => found.clone(),
        other => other.to_string(),
    }
}
