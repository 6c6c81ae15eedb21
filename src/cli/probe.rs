//! Text of `certroll probe`.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::probe::{Details, EndpointReport, ProbeReport};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Renders a report for people; `now` is in seconds since the epoch, UTC. Addresses that present the same are told
/// together.
#[must_use]
pub(super) fn text(report: &ProbeReport, now: i64) -> String {
    let mut text = String::new();
    let mut told: Vec<&EndpointReport> = Vec::new();
    for endpoint in &report.endpoints {
        if told.iter().any(|one| alike(one, endpoint)) {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let addresses: Vec<String> = report
            .endpoints
            .iter()
            .filter(|other| alike(endpoint, other))
            .map(|other| other.address.to_string())
            .collect();
        let _ = writeln!(text, "{} at {}", report.name, addresses.join(", "));
        body(&mut text, endpoint, now);
        told.push(endpoint);
    }
    text
}

fn alike(one: &EndpointReport, other: &EndpointReport) -> bool {
    one.leaf == other.leaf
        && one.chain == other.chain
        && one.version == other.version
        && one.silence == other.silence
}

fn body(text: &mut String, endpoint: &EndpointReport, now: i64) {
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<9} {value}");
    };
    if let Some(reason) = &endpoint.silence {
        line("silent", reason);
    }
    let Some(leaf) = &endpoint.leaf else {
        return;
    };
    let version = if endpoint.version.is_empty() {
        "handshake broke after the certificates came"
    } else {
        &endpoint.version
    };
    line("protocol", version);
    line("leaf", &leaf.subject);
    line("issuer", &leaf.issuer);
    let names = if leaf.names.is_empty() {
        "none".to_owned()
    } else {
        leaf.names.join(", ")
    };
    line("names", &names);
    line("expires", &expiry(leaf, now));
    line("SHA-256", &leaf.sha256);
    line("SHA-1", &leaf.sha1);
    if endpoint.chain.is_empty() {
        line("chain", "none");
    }
    for (at, link) in endpoint.chain.iter().enumerate() {
        let label = if at == 0 { "chain" } else { "" };
        line(
            label,
            &format!("{} (expires {})", link.subject, expiry(link, now)),
        );
    }
}

/// The day in UTC, and how far it is.
fn expiry(details: &Details, now: i64) -> String {
    let Some(end) = details.not_after else {
        return "cannot be read".to_owned();
    };
    let day = Timestamp::from_second(end).map_or_else(
        |_| format!("{end} s after 1970"),
        |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    );
    let days = (end - now).div_euclid(DAY);
    if end < now {
        format!("{day}, {} days ago", (now - end) / DAY)
    } else {
        format!("{day}, in {days} days")
    }
}
