//! Text of `certroll probe`.

use std::fmt::Write as _;

use crate::{
    identity::date,
    peer::Fingerprint,
    probe::{ClientReport, Details, EndpointReport, Offered, Opinion, Order, ProbeReport},
};

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
            .filter_map(|other| other.address.map(|address| address.to_string()))
            .collect();
        let starttls = report.starttls.map(|scheme| format!(" by {scheme}"));
        let at = if addresses.is_empty() {
            String::new()
        } else {
            format!(" at {}", addresses.join(", "))
        };
        let asked = match &endpoint.sni {
            Some(sni) if *sni != report.name => format!(" for server name {sni}"),
            None if endpoint.address.is_some() => " without server name".to_owned(),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "{}{at}{}{asked}",
            report.name,
            starttls.unwrap_or_default()
        );
        body(&mut text, endpoint, now);
        told.push(endpoint);
    }
    text
}

fn alike(one: &EndpointReport, other: &EndpointReport) -> bool {
    let mut one = one.clone();
    one.address = other.address;
    one == *other
}

/// Renders many reports, a line for each address and server name.
#[must_use]
pub(super) fn lines(reports: &[ProbeReport], now: i64) -> String {
    let mut text = String::new();
    for report in reports {
        let scheme = report
            .starttls
            .map(|scheme| format!("{scheme}://"))
            .unwrap_or_default();
        let several = report.endpoints.len() > 1;
        for end in &report.endpoints {
            let _ = write!(text, "{scheme}{}:{}", report.name, report.port);
            if let Some(address) = end.address.filter(|_| several) {
                let _ = write!(text, " at {address}");
            }
            match (&end.leaf, &end.silence) {
                (Some(leaf), _) => {
                    let version = version(end);
                    let _ = writeln!(
                        text,
                        "  {version}  {}  expires {}  SHA-256 {}",
                        leaf.subject,
                        expiry(leaf, now),
                        colons(&leaf.sha256)
                    );
                }
                (None, reason) => {
                    let _ = writeln!(text, "  silent: {}", reason.as_deref().unwrap_or_default());
                }
            }
        }
    }
    text
}

/// Renders what was presented as PEM, leaves first, each certificate once.
#[must_use]
pub(super) fn pem(reports: &[ProbeReport]) -> String {
    let mut told: Vec<&[u8]> = Vec::new();
    let mut text = String::new();
    for der in reports
        .iter()
        .flat_map(|r| &r.endpoints)
        .flat_map(|e| &e.der)
    {
        if !told.contains(&der.as_slice()) {
            told.push(der);
            text.push_str(&crate::identity::certificate_pem(der));
        }
    }
    text
}

fn version(endpoint: &EndpointReport) -> &str {
    if endpoint.version.is_empty() {
        "handshake broke after the certificates came"
    } else {
        &endpoint.version
    }
}

/// Writes stored hex as servers print it.
fn colons(hex: &str) -> String {
    Fingerprint::try_from(hex.to_owned()).map_or_else(|_| hex.to_owned(), |f| f.colons())
}

fn body(text: &mut String, endpoint: &EndpointReport, now: i64) {
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<9} {value}");
    };
    if let Some(reason) = &endpoint.silence {
        line("silent", reason);
    }
    if let Some(leaf) = &endpoint.leaf {
        leaf_lines(leaf, endpoint, now, &mut line);
    }
    if let Some(opinion) = &endpoint.browser {
        line("browser", &opinion_text(opinion));
    }
    if let Some(opinion) = &endpoint.pinning {
        line("pin", &opinion_text(opinion));
    }
    if let Some(client) = &endpoint.client {
        client_lines(client, &mut line);
    }
    for offer in endpoint.offers.iter().flatten() {
        offer_lines(offer, &mut line);
    }
    let unsurveyed = endpoint.unsurveyed.as_ref();
    if let Some(reason) = unsurveyed.filter(|_| endpoint.leaf.is_some()) {
        line("versions", &format!("cannot be told: it {reason}"));
    }
    if let Some(judged) = &endpoint.rules {
        let says = if judged.hold { "hold" } else { "do not hold" };
        line("rules", &format!("{} {says}", judged.rules));
        for fault in &judged.faults {
            line("", fault);
        }
    }
}

fn leaf_lines(
    leaf: &Details,
    endpoint: &EndpointReport,
    now: i64,
    line: &mut impl FnMut(&str, &str),
) {
    line("protocol", version(endpoint));
    line("leaf", &leaf.subject);
    line("issuer", &leaf.issuer);
    let names = if leaf.names.is_empty() {
        "none".to_owned()
    } else {
        leaf.names.join(", ")
    };
    line("names", &names);
    line("expires", &expiry(leaf, now));
    line("SHA-256", &colons(&leaf.sha256));
    line("SHA-1", &colons(&leaf.sha1));
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

fn opinion_text(opinion: &Opinion) -> String {
    let because = opinion.because.join("; ");
    match opinion.takes {
        None => because,
        Some(true) if because.is_empty() => "takes it".to_owned(),
        Some(true) => format!("takes it: {because}"),
        Some(false) => format!("refuses it: {because}"),
    }
}

fn client_lines(client: &ClientReport, line: &mut impl FnMut(&str, &str)) {
    let by = match client.authorities.as_slice() {
        [] => "of any CA".to_owned(),
        names => format!("of {}", names.join(" or ")),
    };
    line("client", &format!("a certificate is asked for, {by}"));
    let ended = |refusal: &Option<String>| match refusal {
        None => "TLS goes on".to_owned(),
        Some(reason) => format!("it {reason}"),
    };
    line("", &format!("without one: {}", ended(&client.without)));
    if let Some(with) = &client.with {
        line("", &format!("with the one given: {}", ended(with)));
    }
}

fn offer_lines(offer: &Offered, line: &mut impl FnMut(&str, &str)) {
    if offer.suites.is_empty() {
        return line(offer.version, "not offered");
    }
    let order = match offer.order {
        Some(Order::Server) => "  (server order)",
        Some(Order::Client) => "  (client order)",
        None => "",
    };
    for (at, suite) in offer.suites.iter().enumerate() {
        if at == 0 {
            line(offer.version, &format!("{suite}{order}"));
        } else {
            line("", suite);
        }
    }
}

/// The day in UTC, and how far it is.
fn expiry(details: &Details, now: i64) -> String {
    let Some(end) = details.not_after else {
        return "cannot be read".to_owned();
    };
    let day = date(end);
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
            address: Some(address.parse().unwrap()),
            sni: Some("pbx.example".to_owned()),
            version: "TLS 1.3".to_owned(),
            leaf: Some(details("CN=pbx.example", 10 * DAY)),
            chain: vec![details("CN=ca", DAY)],
            ..EndpointReport::default()
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
            ["AB"; 32].join(":"),
            ["CD"; 20].join(":")
        );
        assert_eq!(text(&report, 2 * DAY), want);
        let lines = lines(&[report], 2 * DAY);
        assert_eq!(lines.lines().count(), 3);
        assert!(lines.contains("pbx.example:443 at [::1]:443  silent: refused the connection\n"));
    }
}
