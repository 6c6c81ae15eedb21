//! What is wrong with one endpoint, as its clients see it.

use std::net::{IpAddr, SocketAddr};

use super::{Fault, Report, Verdict, dial, s_client};
use crate::{
    error::{Error, Result},
    host::{Dial, Host, Presented},
    identity::{Checks, Identity, Input, Trust},
    preflight::{Finding, Severity},
    probe,
    render::shell_word,
    starttls::Peer,
    state::Bytes,
};

/// Looks at one endpoint the way a client does that has this host's clock and trust anchors.
///
/// # Errors
/// [`Error::Usage`] where the target cannot be understood. The host is unchanged.
pub fn endpoint(host: &dyn Host, target: &str) -> Result<Report> {
    let peer = Peer::parse(target)?;
    let Peer { name, port, .. } = peer.clone();
    let mut report = Report::new(target);
    let addresses = match name.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => host.resolve(&name),
    };
    if addresses.is_empty() {
        report.faults.push(Fault {
            verdict: Verdict::WrongAddress,
            about: target.to_owned(),
            evidence: format!("`{name}` does not resolve"),
            look: format!("getent ahosts {}", shell_word(&name)),
            fix: "correct the name, or add it to DNS or /etc/hosts".to_owned(),
        });
    }
    for address in addresses {
        let address = SocketAddr::new(address, port);
        let before = report.faults.len();
        match host.handshake(&Dial::new(address, peer.protocol, &name, probe::PATIENCE)) {
            Ok(presented) => judge(host, &peer, address, &presented, &mut report),
            Err(error) => {
                let reason = match error {
                    Error::Unproved { found, .. } => found,
                    other => other.to_string(),
                };
                report.faults.push(unanswered(address, &peer, &reason));
            }
        }
        if report.faults.len() == before {
            let good = format!("{address} presents a leaf that clients of this host take");
            report.good.push(good);
        }
    }
    Ok(report.sorted())
}

/// Says why no certificate came: nothing listens, or what listens is not TLS.
pub(super) fn unanswered(address: SocketAddr, peer: &Peer, reason: &str) -> Fault {
    let about = format!("{} at {address}", peer.name);
    let port = address.port();
    if ["not TLS", "without a certificate", "does not offer TLS"]
        .iter()
        .any(|sign| reason.contains(sign))
    {
        return Fault {
            verdict: Verdict::NotTls,
            about,
            evidence: format!("{address} {reason}"),
            look: format!("{} </dev/null", dial(address, peer)),
            fix: format!(
                "switch TLS on in the configuration of what listens: `ss -ltnp sport = :{port}` names it"
            ),
        };
    }
    Fault {
        verdict: Verdict::Silent,
        about,
        evidence: format!("{address} {reason}"),
        look: format!("{} </dev/null", dial(address, peer)),
        fix: format!(
            "start what should listen, or open the way to it: `ss -ltnp sport = :{port}` shows whether it does"
        ),
    }
}

fn judge(
    host: &dyn Host,
    peer: &Peer,
    address: SocketAddr,
    presented: &Presented,
    report: &mut Report,
) {
    let inputs: Vec<Input> = presented
        .certificates
        .iter()
        .map(|der| Input {
            name: address.to_string(),
            bytes: Bytes::from(der.clone()),
        })
        .collect();
    let fault = |verdict, evidence: String, fix: String| Fault {
        verdict,
        about: format!("{} at {address}", peer.name),
        evidence,
        look: s_client(verdict, address, peer),
        fix,
    };
    let (identity, mut findings) = match Identity::assemble(&inputs, None) {
        Ok(read) => read,
        Err(error) => {
            let fix = "give the service another leaf".to_owned();
            return report
                .faults
                .push(fault(Verdict::Unfit, error.to_string(), fix));
        }
    };
    let names = [peer.name.clone()];
    findings.extend(identity.findings(&Checks {
        now: host.now(),
        warn_days: Checks::WARN_DAYS,
        anchors: &host.trust_anchors(),
        names: &names,
    }));
    let trusted = identity.trust(&host.trust_anchors(), host.now()) == Trust::Trusted;
    // Whether an anchor leads to a leaf that is for something else cannot be told, and no anchor would help it.
    let settled = trusted || findings.iter().any(|f| f.name == "wrong-usage");
    for finding in &findings {
        match verdict(finding, &identity).filter(|v| !(settled && *v == Verdict::Untrusted)) {
            Some(verdict) => {
                let fix = fix(verdict, &identity);
                report
                    .faults
                    .push(fault(verdict, finding.message.clone(), fix));
            }
            None => report.notes.push(finding.message.clone()),
        }
    }
}

/// Says which verdict a finding about an identity is for the clients of an endpoint; none where they take it.
fn verdict(finding: &Finding, identity: &Identity) -> Option<Verdict> {
    Some(match finding.name {
        "not-yet-valid" => Verdict::ClockWrong,
        "expired" => Verdict::Expired,
        // What is missing above an intermediate is most likely a root, which is never sent.
        "chain-incomplete" if !identity.chain.is_empty() => Verdict::Untrusted,
        "chain-incomplete" | "chain-foreign" | "chain-expired" => Verdict::ChainIncomplete,
        "name-uncovered" | "no-san" => Verdict::NameUncovered,
        "no-trust-path" | "self-signed" => Verdict::Untrusted,
        _ if finding.severity == Severity::Fatal => Verdict::Unfit,
        _ => return None,
    })
}

fn fix(verdict: Verdict, identity: &Identity) -> String {
    match verdict {
        Verdict::ClockWrong => {
            "compare the clocks (`date -u`), or wait until the leaf is valid".to_owned()
        }
        Verdict::Expired => "roll out a leaf that is valid: `certroll apply`".to_owned(),
        Verdict::ChainIncomplete => {
            "give the service leaf and chain in one file (fullchain)".to_owned()
        }
        Verdict::NameUncovered => {
            let covered: Vec<&str> = identity.leaf.dns.iter().map(String::as_str).collect();
            format!(
                "connect by a name that the leaf has ({}), or get one that covers this one",
                covered.join(", ")
            )
        }
        Verdict::Untrusted => {
            "give clients the trust anchor: as /usr/local/share/ca-certificates/NAME.crt, then `update-ca-certificates`"
                .to_owned()
        }
        _ => "get another leaf".to_owned(),
    }
}
