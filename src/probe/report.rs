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
};

/// Format of the report with `--json`.
pub const FORMAT: &str = "certroll/probe/1";

/// The longest that one address may take where a person asks.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The port of HTTPS (RFC 9110 section 4.2.2).
const HTTPS: u16 = 443;

/// What a target presents at every address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// [`FORMAT`].
    pub format: &'static str,
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

/// Asks every address of a target (`host:port`, `host`, `[v6]:port` or `https://host`) for what it presents.
///
/// # Errors
/// [`Error::Usage`] where the target cannot be understood; [`Error::Unproved`] where the name has no address or no
/// address presents a certificate.
pub fn run(host: &dyn Host, target: &str) -> Result<ProbeReport> {
    let (name, port) = parse_target(target)?;
    let addresses = match name.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => host.resolve(&name),
    };
    let endpoints: Vec<EndpointReport> = addresses
        .into_iter()
        .map(|address| ask(host, SocketAddr::new(address, port), &name))
        .collect();
    if endpoints.iter().any(|end| end.leaf.is_some()) {
        return Ok(ProbeReport {
            format: FORMAT,
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

fn ask(host: &dyn Host, address: SocketAddr, name: &str) -> EndpointReport {
    let mut report = EndpointReport {
        address,
        version: String::new(),
        leaf: None,
        chain: Vec::new(),
        silence: None,
    };
    match host.handshake(address, name, PATIENCE) {
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

/// Takes a target apart into name (without brackets) and port; 443 where none is given.
///
/// # Errors
/// [`Error::Usage`] where it is none of the forms.
pub fn parse_target(target: &str) -> Result<(String, u16)> {
    let refuse = |message: String| Error::Usage {
        message,
        hint: "a target is `host:port`, `host`, `[address]:port` or `https://host`".to_owned(),
    };
    let place = match target.split_once("://") {
        Some(("https", rest)) => rest.split(['/', '?', '#']).next().unwrap_or_default(),
        Some((scheme, _)) => {
            return Err(refuse(format!("unknown scheme `{scheme}` in `{target}`")));
        }
        None => target,
    };
    if place.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((place.to_owned(), HTTPS));
    }
    let (name, port) = match place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((name, "")) => (name, None),
        Some((name, rest)) => (name, rest.strip_prefix(':').or(Some(""))),
        None => place
            .split_once(':')
            .map_or((place, None), |(name, port)| (name, Some(port))),
    };
    let port = match port {
        None => HTTPS,
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => {
                return Err(refuse(format!("`{target}` has no port from 1 to 65535")));
            }
            Ok(port) => port,
        },
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '[' | ']');
    if name.is_empty() || name.contains(odd) {
        return Err(refuse(format!("`{target}` has no host name")));
    }
    Ok((name.to_owned(), port))
}
