//! What keeps a rollout from being what it should: files, calls, names, units and endpoints of one host.

use super::{
    Fault, Report, Verdict,
    calls::{self, line_of},
    endpoint::unanswered,
    files, s_client,
};
use crate::{
    desired::Probe,
    effective::{self, Consumer},
    error::Result,
    host::Host,
    identity::{Trust, date},
    journal::Store,
    plan,
    preflight::Finding,
    prepare::{self, Survey},
    probe::{self, Defaults, Endpoint, Observation},
    render::shell_word,
    rollouts::Request,
    service::{self, UnitState},
    starttls::Peer,
    state::HostPath,
};

/// Looks at everything that a rollout wants of this host.
///
/// # Errors
/// Whatever keeps the rollout from being understood: see [`crate::prepare()`]. The host is unchanged.
pub fn rollout(host: &dyn Host, request: &Request) -> Result<Report> {
    if let Some(generation) = Store::pending(host)? {
        let mut report = Report::new(request.name.clone().unwrap_or_default());
        report.faults.push(Fault {
            verdict: Verdict::RolloutOpen,
            about: format!("generation {generation}"),
            evidence: format!(
                "generation {generation} is open: its run died, or waits for a person"
            ),
            look: format!("certroll show {generation}"),
            fix: "certroll recover".to_owned(),
        });
        return Ok(report);
    }
    let survey = prepare::survey(host, request)?;
    let mut report = Report::new(&survey.resolved.name);
    report.faults.extend(clock(host, &survey)?);
    let desired = &survey.desired;
    report
        .faults
        .extend(files::unreadable(host, &desired.probes, &mut report.good)?);
    let observed = plan::observe(host, desired.targets.clone(), prepare::fresh(host))?;
    let kept = desired.targets.len().saturating_sub(observed.changes.len());
    report.good.push(format!(
        "{kept} files and links are as the rollout put them"
    ));
    report.faults.extend(files::changed(&observed.changes));
    report.faults.extend(
        observed
            .findings
            .iter()
            .map(|f| file_finding(f, Verdict::FileChanged)),
    );
    let masking = desired
        .findings
        .iter()
        .filter(|f| f.name.starts_with("conf-d-"));
    report
        .faults
        .extend(masking.map(|f| file_finding(f, Verdict::OverrideMasked)));
    report
        .faults
        .extend(calls::judge(host, &survey, &mut report.good)?);
    lookups(host, &desired.probes, &mut report);
    if host.is_live() {
        let units = service::observe(host, &desired.services)?;
        let consumers = consumers(host, &survey)?;
        let seen = Seen {
            survey: &survey,
            units: &units,
            defaults: Defaults::read(host, &survey.desired.default_identities),
            consumers: &consumers,
        };
        seen.endpoints(host, &mut report);
        seen.units(&mut report);
    }
    expectations(&survey, &mut report);
    Ok(report.sorted())
}

/// A clock that went back makes good certificates bad, and the reverse.
fn clock(host: &dyn Host, survey: &Survey) -> Result<Vec<Fault>> {
    let now = host.now();
    let fault = |verdict, evidence: String, fix: &str| Fault {
        verdict,
        about: survey.resolved.name.clone(),
        evidence,
        look: "date -u".to_owned(),
        fix: fix.to_owned(),
    };
    let leaf = &survey.identity.leaf;
    let mut faults = Vec::new();
    let last = match Store::numbers(host)?.last() {
        Some(number) => Store::generation(host, *number)
            .ok()
            .map(|found| found.intent.started),
        None => None,
    };
    let past = last.unwrap_or_default().max(leaf.not_before);
    if now < past {
        let evidence = format!(
            "the clock says {}, and a rollout or leaf is of {}",
            date(now),
            date(past)
        );
        faults.push(fault(
            Verdict::ClockWrong,
            evidence,
            "set it: `timedatectl set-ntp true`",
        ));
    }
    if now > leaf.not_after {
        let evidence = format!("the leaf ended on {}", date(leaf.not_after));
        faults.push(fault(
            Verdict::Expired,
            evidence,
            "roll out a new one: `certroll apply --cert FILE --key FILE`",
        ));
    }
    Ok(faults)
}

/// Turns a finding that begins with `path:line:` or names a path into a fault.
fn file_finding(finding: &Finding, verdict: Verdict) -> Fault {
    let mut parts = finding.message.splitn(3, ':');
    let path = parts.next().and_then(|path| HostPath::new(path).ok());
    let line = parts.next().and_then(|line| line.parse().ok());
    let look = match (&path, line) {
        (Some(path), Some(line)) => line_of(path, line),
        (Some(path), None) => format!("cat {}", shell_word(path.as_str())),
        (None, _) => "certroll plan".to_owned(),
    };
    Fault {
        verdict,
        about: path.map_or_else(|| finding.name.to_owned(), |path| path.to_string()),
        evidence: finding.message.clone(),
        look,
        fix: finding
            .hint
            .clone()
            .unwrap_or_else(|| "correct that file, then `certroll apply`".to_owned()),
    }
}

/// Names that resolve elsewhere: `127.0.1.1`, `::1`, or the address of another interface.
fn lookups(host: &dyn Host, probes: &[Probe], report: &mut Report) {
    for probe in probes {
        let Probe::Lookup { name, is } = probe else {
            continue;
        };
        let Observation::Lookup(found) = probe::observe(host, probe) else {
            continue;
        };
        if found.as_slice() == [*is] {
            report.good.push(format!("`{name}` is {is}"));
            continue;
        }
        let addresses: Vec<String> = found.iter().map(ToString::to_string).collect();
        report.faults.push(Fault {
            verdict: Verdict::WrongAddress,
            about: name.clone(),
            evidence: format!(
                "`{name}` resolves to {}, want {is} alone",
                if addresses.is_empty() { "nothing".to_owned() } else { addresses.join(", ") }
            ),
            look: format!("getent ahosts {}", shell_word(name)),
            fix: format!("have /etc/hosts give `{name}` that address alone: `certroll apply`, or take the other lines out"),
        });
    }
}

fn consumers(host: &dyn Host, survey: &Survey) -> Result<Vec<Consumer>> {
    let targets = survey.desired.targets.iter().filter(|t| t.identity);
    let paths = targets.map(|t| t.path.clone()).collect();
    let facts: Vec<_> = survey.profiles.iter().map(|(_, facts)| facts).collect();
    Ok(effective::consumers(host.tree(), &facts, &effective::Pair { paths })?.0)
}

/// What services and endpoints are judged against.
struct Seen<'a> {
    survey: &'a Survey,
    units: &'a [UnitState],
    defaults: Defaults,
    consumers: &'a [Consumer],
}

impl Seen<'_> {
    fn unit(&self, service: &str) -> Option<&UnitState> {
        let name = service::unit_name(service);
        self.units.iter().find(|state| state.unit == name)
    }

    fn endpoints(&self, host: &dyn Host, report: &mut Report) {
        for probe in &self.survey.desired.probes {
            let Probe::Tls {
                protocol,
                name,
                port,
                service,
                ..
            } = probe
            else {
                continue;
            };
            let peer = Peer {
                protocol: *protocol,
                name: name.clone(),
                port: *port,
            };
            let Observation::Tls(found) = probe::observe(host, probe) else {
                continue;
            };
            for end in &found {
                match self.endpoint(&peer, service, end) {
                    Some(fault) => report.faults.push(fault),
                    None => report
                        .good
                        .push(format!("{service} at {} presents the leaf", end.address)),
                }
            }
        }
    }

    fn endpoint(&self, peer: &Peer, service: &str, end: &Endpoint) -> Option<Fault> {
        let identity = &self.survey.identity;
        let Some(served) = &end.presented else {
            let down = self.unit(service).filter(|unit| !unit.is_active());
            let reason = end.silence.as_deref().unwrap_or("is silent");
            return Some(match down {
                Some(unit) => unit_down(unit, &format!("{} {reason}", end.address)),
                None => unanswered(end.address, peer, reason),
            });
        };
        let fault = |verdict, evidence: String, fix: String| {
            Some(Fault {
                verdict,
                about: format!("{service} at {}", end.address),
                evidence,
                look: s_client(verdict, end.address, peer),
                fix,
            })
        };
        if served.leaf != identity.fingerprint() {
            let evidence = format!(
                "{} presents {} ({}), want {}",
                end.address,
                served.leaf,
                served.subject,
                identity.fingerprint()
            );
            let set = self
                .consumers
                .iter()
                .find(|c| c.other.is_some() && c.unit.as_deref() == Some(service));
            if let Some((consumer, other)) = set.and_then(|c| Some((c, c.other.as_ref()?))) {
                return Some(Fault {
                    verdict: Verdict::WrongFile,
                    about: format!("{service} at {}", end.address),
                    evidence: format!(
                        "{}:{}: {service} uses `{other}`; {evidence}",
                        consumer.path, consumer.line
                    ),
                    look: format!("sed -n {}p {}", consumer.line, shell_word(&consumer.path)),
                    fix: format!(
                        "point it at the rollout's pair, then `systemctl reload {service}`"
                    ),
                });
            }
            if self.defaults.have(served) {
                let fix = format!(
                    "have it load the files: `systemctl restart {service}`, or `certroll apply`"
                );
                return fault(Verdict::DefaultIdentity, evidence, fix);
            }
            let fix = format!(
                "have it load the files: `systemctl restart {service}`, or `certroll apply`"
            );
            return fault(Verdict::OldLeaf, evidence, fix);
        }
        let chain: Vec<&str> = identity.chain.iter().map(|c| c.sha256.as_str()).collect();
        if served.chain != chain {
            let evidence = format!(
                "{} presents the leaf with {} certificates after it, want {}",
                end.address,
                served.chain.len(),
                chain.len()
            );
            let fix = format!("have {service} read leaf and chain in one file (fullchain)");
            return fault(Verdict::ChainIncomplete, evidence, fix);
        }
        if !identity.leaf.covers(&peer.name) {
            let evidence = format!(
                "`{}` is covered by no SAN of the leaf ({})",
                peer.name,
                identity.leaf.dns.join(", ")
            );
            return fault(
                Verdict::NameUncovered,
                evidence,
                "use a name that the leaf has".to_owned(),
            );
        }
        None
    }

    /// Units that failed or keep failing; one that is only stopped is a fault where its endpoint is missed.
    fn units(&self, report: &mut Report) {
        for unit in self.units {
            if unit.is_active() {
                report
                    .good
                    .push(format!("{} is {}", unit.unit, unit.condition()));
            } else if unit.active == "failed" || unit.sub == "auto-restart" {
                report.faults.push(unit_down(unit, "it did not stay up"));
            } else {
                report
                    .notes
                    .push(format!("{} is {}", unit.unit, unit.condition()));
            }
        }
    }
}

fn unit_down(unit: &UnitState, because: &str) -> Fault {
    let name = shell_word(&unit.unit);
    Fault {
        verdict: Verdict::UnitDown,
        about: unit.unit.clone(),
        evidence: format!("{} is {}: {because}", unit.unit, unit.condition()),
        look: format!("systemctl status --no-pager {name}"),
        fix: format!("find out why (`journalctl -n 20 -u {name}`), then `systemctl start {name}`"),
    }
}

/// What people take for a fault and is none.
fn expectations(survey: &Survey, report: &mut Report) {
    let identity = &survey.identity;
    if !identity.leaf.covers("localhost") {
        report.notes.push(format!(
            "`curl https://localhost` is expected to fail: the leaf has {}, and not `localhost`",
            identity.leaf.dns.join(", ")
        ));
    }
    match survey.trust {
        Trust::Trusted => {}
        Trust::SelfSigned => report
            .notes
            .push("clients must be given the leaf: it is self-signed".to_owned()),
        Trust::PrivateCa | Trust::Unknown => report.notes.push(
            "clients must be given the trust anchor: this host's own do not lead to the leaf"
                .to_owned(),
        ),
    }
}
