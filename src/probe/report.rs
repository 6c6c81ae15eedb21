//! `certroll probe`: what an endpoint presents, for people.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde::Serialize;

use super::{
    certificate::{Details, details},
    tls,
};
use crate::{
    error::{Error, Result},
    host::Host,
    starttls::Peer,
};

/// Format of the report with `--json`.
pub const FORMAT: &str = "certroll/probe/1";

/// The longest that one address may take where a person asks.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a target presents at every address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// [`FORMAT`].
    pub format: &'static str,
    /// The protocol whose preamble came before TLS, as the target's scheme; none where TLS came with the first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starttls: Option<&'static str>,
    /// Name that was sent and resolved.
    pub name: String,
    /// Port.
    pub port: u16,
    /// Every address, in the order of the resolver.
    pub endpoints: Vec<EndpointReport>,
}

/// What one address presents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointReport {
    /// Address and port.
    pub address: SocketAddr,
    /// Protocol version, as in `TLS 1.3`; empty where the handshake broke after the certificates came.
    pub version: String,
    /// The leaf; none where the address is silent.
    pub leaf: Option<Details>,
    /// What followed the leaf, in the order sent.
    pub chain: Vec<Details>,
    /// Why nothing was presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
}

/// Asks every address of a target (see [`Peer::parse`]) for what it presents.
///
/// # Errors
/// [`Error::Usage`] where the target cannot be understood; [`Error::Unproved`] where the name has no address or no
/// address presents a certificate.
pub fn run(host: &dyn Host, target: &str) -> Result<ProbeReport> {
    let peer = Peer::parse(target)?;
    let Peer { name, port, .. } = peer.clone();
    let addresses = match name.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => host.resolve(&name),
    };
    let endpoints: Vec<EndpointReport> = addresses
        .into_iter()
        .map(|address| ask(host, SocketAddr::new(address, port), &peer))
        .collect();
    if endpoints.iter().any(|end| end.leaf.is_some()) {
        return Ok(ProbeReport {
            format: FORMAT,
            starttls: peer.protocol.scheme(),
            name,
            port,
            endpoints,
        });
    }
    let reasons: Vec<String> = endpoints
        .iter()
        .map(|end| {
            format!(
                "{} {}",
                end.address,
                end.silence.as_deref().unwrap_or_default()
            )
        })
        .collect();
    Err(Error::Unproved {
        subject: format!("`{target}`"),
        want: "a certificate".to_owned(),
        found: if reasons.is_empty() {
            "does not resolve".to_owned()
        } else {
            format!("presents none ({})", reasons.join("; "))
        },
    })
}

fn ask(host: &dyn Host, address: SocketAddr, peer: &Peer) -> EndpointReport {
    let mut report = EndpointReport {
        address,
        version: String::new(),
        leaf: None,
        chain: Vec::new(),
        silence: None,
    };
    match host.handshake(address, peer.protocol, &peer.name, PATIENCE) {
        Ok(presented) => {
            let mut all = presented.certificates.iter().map(|der| details(der));
            report.leaf = all.next();
            report.chain = all.collect();
            report.version = presented.version;
        }
        Err(error) => report.silence = Some(tls::reason(&error)),
    }
    if report.leaf.is_none() && report.silence.is_none() {
        report.silence = Some("presented no certificate".to_owned());
    }
    report
}
