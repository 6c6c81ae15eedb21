//! Which versions and suites an endpoint offers, and whose order counts: by asking again and again.

use serde::Serialize;

use crate::{
    error::Result,
    hello::{self, Offer, Version},
    host::{Dial, Host},
};

/// Whose order of suites counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The client's: the suites are listed by number.
    Client,
    /// The server's: the suites are listed as it prefers them.
    Server,
}

/// What an endpoint offers of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offered {
    /// The version, as in `TLS 1.2`.
    pub version: &'static str,
    /// Suites by their names; none where the version is not offered.
    pub suites: Vec<String>,
    /// Whose order counts; none where there are fewer than two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}

/// Asks for every version with all suites, then without those that were chosen, until none is; then once more the other
/// way round. An alert, and a connection that is closed, mean that nothing of it is offered.
///
/// # Errors
/// [`crate::error::Error::Unproved`] where the endpoint does not answer any more.
pub fn survey(host: &dyn Host, dial: &Dial) -> Result<Vec<Offered>> {
    let random = host.random()?;
    let mut ask = |version, suites: &[u16]| {
        let offer = Offer {
            version,
            suites,
            sni: dial.sni.as_deref().filter(|name| is_dns(name)),
            random,
        };
        let answer = host.greet(dial, &offer.record())?;
        let chosen = answer.and_then(hello::Answer::chosen);
        // Another version, or a suite that was not asked for, is no yes.
        Ok(chosen
            .filter(|(its, suite)| *its == version && suites.contains(suite))
            .map(|(_, suite)| suite))
    };
    Version::ALL
        .into_iter()
        .map(|version| {
            let chosen = chosen(version, &mut ask)?;
            Ok(Offered {
                version: version.name(),
                order: order(version, &chosen, &mut ask)?,
                suites: chosen.into_iter().map(hello::name).collect(),
            })
        })
        .collect()
}

type Ask<'a> = &'a mut dyn FnMut(Version, &[u16]) -> Result<Option<u16>>;

fn chosen(version: Version, ask: Ask<'_>) -> Result<Vec<u16>> {
    let (mut left, mut chosen) = (version.suites(), Vec::new());
    while let Some(suite) = ask(version, &left)? {
        chosen.push(suite);
        left.retain(|other| *other != suite);
    }
    Ok(chosen)
}

/// Tells whose order counts. A server that prefers `ChaCha20` where its client does (OpenSSL's `PrioritizeChaCha`) has an order
/// of its own all the same, so another suite is put first where there is one.
fn order(version: Version, chosen: &[u16], ask: Ask<'_>) -> Result<Option<Order>> {
    let [first, others @ ..] = chosen else {
        return Ok(None);
    };
    let plain = |suite: &&u16| !hello::name(**suite).contains("CHACHA20");
    let Some(top) = others.iter().rev().find(plain).or_else(|| others.last()) else {
        return Ok(None);
    };
    let rest = chosen.iter().filter(|suite| *suite != top);
    let turned: Vec<u16> = std::iter::once(top).chain(rest).copied().collect();
    Ok(match ask(version, &turned)? {
        Some(suite) if suite == *first => Some(Order::Server),
        Some(suite) if suite == *top => Some(Order::Client),
        _ => None,
    })
}

/// Tells whether a name may be sent (RFC 6066 section 3): an address may not.
fn is_dns(name: &str) -> bool {
    matches!(
        rustls_pki_types::ServerName::try_from(name),
        Ok(rustls_pki_types::ServerName::DnsName(_))
    )
}
