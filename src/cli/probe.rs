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
        let starttls = report.starttls.map(|scheme| format!(" by {scheme}"));
        let _ = writeln!(
            text,
            "{} at {}{}",
            report.name,
            addresses.join(", "),
            starttls.unwrap_or_default()
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    fn details(subject: &str, end: i64) -> Details {
        Details {
            subject: subject.to_owned(),
            issuer: "CN=ca".to_owned(),
            names: vec!["pbx.example".to_owned()],
            not_before: Some(0),
            not_after: Some(end),
            sha256: "ab".repeat(32),
            sha1: "cd".repeat(20),
        }
    }

    #[test]
    fn addresses_that_present_the_same_are_told_together_and_silence_is_told() {
        let good = |address: &str| EndpointReport {
            address: address.parse().unwrap(),
            version: "TLS 1.3".to_owned(),
            leaf: Some(details("CN=pbx.example", 10 * DAY)),
            chain: vec![details("CN=ca", DAY)],
            silence: None,
        };
        let silent = EndpointReport {
            leaf: None,
            chain: vec![],
            version: String::new(),
            silence: Some("refused the connection".to_owned()),
            ..good("[::1]:443")
        };
        let report = ProbeReport {
            format: crate::probe::FORMAT,
            starttls: None,
            name: "pbx.example".to_owned(),
            port: 443,
            endpoints: vec![good("127.0.0.1:443"), silent, good("127.0.0.2:443")],
        };
        let want = format!(
            "pbx.example at 127.0.0.1:443, 127.0.0.2:443\n  protocol  TLS 1.3\n  leaf      CN=pbx.example\n  \
             issuer    CN=ca\n  names     pbx.example\n  expires   1970-01-11 00:00 UTC, in 8 days\n  SHA-256   {}\n  \
             SHA-1     {}\n  chain     CN=ca (expires 1970-01-02 00:00 UTC, 1 days ago)\n\npbx.example at [::1]:443\n  \
             silent    refused the connection\n",
            "ab".repeat(32),
            "cd".repeat(20)
        );
        assert_eq!(text(&report, 2 * DAY), want);
    }
}
