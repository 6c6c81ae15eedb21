//! `certroll probe`: what endpoints present and offer, for people.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;

use super::{
    certificate::{Details, details, printable},
    clients::{self, Opinion},
    rules::{Judged, Rules},
    survey::{Offered, survey},
    tls,
};
use crate::{
    error::{Error, Result},
    host::{Dial, Host, Presented},
    identity::Identity,
    pins::{self, Pins},
    starttls::Peer,
};

/// Format of the report with `--json`.
pub const FORMAT: &str = "certroll/probe/1";

/// The longest that one connection may take where a person asks.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked of every target.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    /// Server names to send, one connection for each.
    pub sni: Vec<String>,
    /// Ask without a server name as well, or, with no name given, only so.
    pub no_sni: bool,
    /// Leaf, chain and key to show where a client certificate is asked for, in a connection of its own.
    pub client: Option<Arc<Identity>>,
    /// Tell everything: what clients would say, and versions and suites, which takes some thirty connections more to each
    /// address. Where TLS is asked for in the clear first, only rules are a reason for those: daemons count what breaks off,
    /// and shut a client out that does it often (MariaDB after 100 times, `max_connect_errors`).
    pub survey: bool,
    /// Rules to hold against that.
    pub rules: Option<Rules>,
    /// Pins that are kept.
    pub pins: Pins,
}

/// What a target presents at every address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// [`FORMAT`].
    pub format: &'static str,
    /// The protocol whose preamble came before TLS, as the target's scheme; none where TLS came with the first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starttls: Option<&'static str>,
    /// Name that was resolved.
    pub name: String,
    /// Port.
    pub port: u16,
    /// Every address in the order of the resolver, and for each every server name.
    pub endpoints: Vec<EndpointReport>,
}

/// What one address presents to one server name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EndpointReport {
    /// Address and port; none where the name has no address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// The server name that was asked for; none where none was sent.
    pub sni: Option<String>,
    /// Protocol version, as in `TLS 1.3`; empty where the handshake broke after the certificates came.
    pub version: String,
    /// The leaf; none where the address is silent.
    pub leaf: Option<Details>,
    /// What followed the leaf, in the order sent.
    pub chain: Vec<Details>,
    /// Leaf and chain themselves, DER.
    #[serde(skip)]
    pub der: Vec<Vec<u8>>,
    /// Why nothing was presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
    /// What a browser would say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<Opinion>,
    /// What a client would say that pins the leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinning: Option<Opinion>,
    /// Client certificates; none where none is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientReport>,
    /// Versions and suites, the oldest version first; none where that was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offers: Option<Vec<Offered>>,
    /// Why versions and suites were not found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsurveyed: Option<String>,
    /// Whether the rules hold; none where none were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Judged>,
}

/// A peer that asks for a client certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientReport {
    /// The CAs that it names, as in `CN=ca`; none where any will do.
    pub authorities: Vec<String>,
    /// How TLS ended without one: nothing where it is content. What an application does later is its own affair.
    pub without: Option<String>,
    /// How it ended with the one given; absent where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<Option<String>>,
}

impl ProbeReport {
    /// Tells whether any address presents a certificate, or speaks a version that is too old to ask for one here.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.endpoints.iter().any(|end| {
            let mut offers = end.offers.iter().flatten();
            end.leaf.is_some() || offers.any(|offer| !offer.suites.is_empty())
        })
    }

    /// Tells whether rules were given that do not hold, or could not be looked at.
    #[must_use]
    pub fn breaks_rules(&self) -> bool {
        self.endpoints
            .iter()
            .any(|end| end.rules.as_ref().is_some_and(|judged| !judged.hold))
    }

    /// Returns the error of a target that is silent at every address.
    #[must_use]
    pub fn silence(&self) -> Error {
        let told = |end: &EndpointReport| {
            let reason = end.silence.as_deref().unwrap_or_default();
            match end.address {
                Some(address) => format!("is silent ({address} {reason})"),
                None => reason.to_owned(),
            }
        };
        let peer = match self.starttls {
            Some(scheme) => format!("{scheme}://{}:{}", self.name, self.port),
            None => format!("{}:{}", self.name, self.port),
        };
        let mut reasons: Vec<String> = self.endpoints.iter().map(told).collect();
        reasons.dedup();
        Error::Unproved {
            subject: format!("`{peer}`"),
            want: "a certificate".to_owned(),
            found: reasons.join("; "),
        }
    }
}

impl Questions {
    fn surveys(&self, peer: &Peer) -> bool {
        self.survey && (peer.protocol.is_direct() || self.rules.is_some())
    }
}

impl EndpointReport {
    fn offers(&mut self, host: &dyn Host, dial: &Dial, rules: Option<&Rules>) {
        match survey(host, dial) {
            Ok(offers) => {
                self.rules = rules.map(|rules| rules.judge(&offers));
                self.offers = Some(offers);
            }
            Err(error) => {
                let reason = tls::reason(&error);
                self.rules = rules.map(|rules| rules.unknown(&reason));
                self.unsurveyed = Some(reason);
            }
        }
    }
}

/// Asks every address of every target (see [`Peer::parse`]) for what it presents, side by side; versions and suites one
/// after the other. What cannot be seen is part of the report.
///
/// # Errors
/// [`Error::Usage`] where a target cannot be understood.
pub fn run(host: &dyn Host, targets: &[String], questions: &Questions) -> Result<Vec<ProbeReport>> {
    let peers: Vec<Peer> = targets
        .iter()
        .map(|target| Peer::parse(target))
        .collect::<Result<_>>()?;
    let dials: Vec<Vec<Dial>> = dials(host, &peers, questions);
    let all: Vec<Dial> = dials.iter().flatten().cloned().collect();
    let mut answers = host.handshakes(&all).into_iter();
    let anchors = if questions.survey {
        host.trust_anchors()
    } else {
        Vec::new()
    };
    let mut reports = Vec::new();
    for (peer, dials) in peers.into_iter().zip(dials) {
        let answers = dials.iter().zip(&mut answers);
        let mut endpoints: Vec<EndpointReport> = answers
            .map(|(dial, answer)| endpoint(host, &peer, dial, answer, (questions, &anchors)))
            .collect();
        if endpoints.is_empty() {
            endpoints.push(EndpointReport {
                silence: Some("does not resolve".to_owned()),
                ..EndpointReport::default()
            });
        }
        reports.push(ProbeReport {
            format: FORMAT,
            starttls: peer.protocol.scheme(),
            name: peer.name,
            port: peer.port,
            endpoints,
        });
    }
    Ok(reports)
}

fn dials(host: &dyn Host, peers: &[Peer], questions: &Questions) -> Vec<Vec<Dial>> {
    let names: Vec<&str> = peers
        .iter()
        .map(|peer| peer.name.as_str())
        .filter(|name| name.parse::<IpAddr>().is_err())
        .collect();
    let mut resolved = host.resolve_all(&names).into_iter();
    peers
        .iter()
        .map(|peer| {
            let addresses = match peer.name.parse() {
                Ok(address) => vec![address],
                Err(_) => resolved.next().unwrap_or_default(),
            };
            let mut sni: Vec<Option<String>> = questions.sni.iter().cloned().map(Some).collect();
            if questions.no_sni {
                sni.push(None);
            } else if sni.is_empty() {
                sni.push(Some(peer.name.clone()));
            }
            let dial = |address, sni: &Option<String>| Dial {
                sni: sni.clone(),
                ..Dial::new(
                    SocketAddr::new(address, peer.port),
                    peer.protocol,
                    &peer.name,
                    PATIENCE,
                )
            };
            addresses
                .into_iter()
                .flat_map(|address| {
                    sni.iter()
                        .map(move |sni| dial(address, sni))
                        .collect::<Vec<_>>()
                })
                .collect()
        })
        .collect()
}

fn endpoint(
    host: &dyn Host,
    peer: &Peer,
    dial: &Dial,
    answer: Result<Presented>,
    (questions, anchors): (&Questions, &[Vec<u8>]),
) -> EndpointReport {
    let mut report = EndpointReport {
        address: Some(dial.address),
        sni: dial.sni.clone(),
        ..EndpointReport::default()
    };
    let presented = match answer {
        Ok(presented) => presented,
        Err(error) => {
            report.silence = Some(tls::reason(&error));
            // It may speak what is older alone.
            if questions.surveys(peer) {
                report.offers(host, dial, questions.rules.as_ref());
            }
            return report;
        }
    };
    let mut all = presented.certificates.iter().map(|der| details(der));
    report.leaf = all.next();
    report.chain = all.collect();
    report.version.clone_from(&presented.version);
    report.client = presented.asked.clone().map(|authorities| ClientReport {
        authorities: authorities.iter().map(|name| printable(name)).collect(),
        without: presented.refusal.clone(),
        with: questions
            .client
            .as_ref()
            .map(|identity| shown(host, dial, identity)),
    });
    if questions.survey {
        let name = dial.sni.as_deref().unwrap_or(&peer.name);
        report.browser = Some(clients::browser(&presented, name, anchors, host.now()));
        let pin = pins::key(&peer.to_string()).ok();
        let pin = pin.and_then(|(name, _)| questions.pins.hosts.get(&name));
        report.pinning = Some(clients::pinning(&presented, pin));
    }
    if questions.surveys(peer) {
        report.offers(host, dial, questions.rules.as_ref());
    }
    report.der = presented.certificates;
    report
}

/// Connects again with a client certificate; says how that ended, nothing where the peer is content.
fn shown(host: &dyn Host, dial: &Dial, identity: &Arc<Identity>) -> Option<String> {
    let dial = Dial {
        client: Some(Arc::clone(identity)),
        ..dial.clone()
    };
    match host.handshake(&dial) {
        Ok(presented) => presented.refusal,
        Err(error) => Some(tls::reason(&error)),
    }
}
