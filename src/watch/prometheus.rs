//! Metrics as the textfile collector of Prometheus' node exporter reads them. Pure.
//!
//! Format: Prometheus documentation, "Exposition formats", text-based format 0.0.4. Names of certificates' metrics and labels
//! are those of x509-certificate-exporter, so that its rules and panels work: a certificate that is expired or does not
//! verify is told like any other.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Place, Renewal, Sighting, Watched};
use crate::receipt::Outcome;

/// Metrics by name: what each is, and its samples by labels, so that none can come twice.
#[derive(Debug, Default)]
struct Families(BTreeMap<&'static str, (&'static str, BTreeMap<String, i64>)>);

impl Families {
    fn add(&mut self, name: &'static str, help: &'static str, labels: &Labels<'_>, value: i64) {
        let family = self.0.entry(name).or_insert((help, BTreeMap::new()));
        family.1.insert(labels.text(), value);
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, (help, samples)) in &self.0 {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        }
        text
    }
}

#[derive(Debug, Clone, Default)]
struct Labels<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Labels<'a> {
    fn and(&self, name: &'static str, value: &'a str) -> Self {
        let mut all = self.clone();
        all.0.push((name, value));
        all
    }

    /// Writes them, but for empty ones: an empty label is none.
    fn text(&self) -> String {
        let escaped = |value: &str| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            value.replace('\n', "\\n")
        };
        let labels = self.0.iter().filter(|(_, value)| !value.is_empty());
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        if labels.is_empty() {
            return String::new();
        }
        format!("{{{}}}", labels.join(","))
    }
}

/// Returns the metrics of these rollouts and identities; `open` is the generation that is open, if one is.
#[must_use]
pub fn metrics(rollouts: &[Watched], renewals: &[Renewal], open: Option<u64>, now: i64) -> String {
    let mut all = Families::default();
    let none = Labels::default();
    all.add(
        "certroll_build_info",
        "Version of certroll that wrote this.",
        &none.and("version", env!("CARGO_PKG_VERSION")),
        1,
    );
    all.add(
        "certroll_status_timestamp_seconds",
        "When this was written.",
        &none,
        now,
    );
    all.add(
        "certroll_generation_open",
        "Number of the generation that a run left open; 0: none.",
        &none,
        open.map_or(0, |number| i64::try_from(number).unwrap_or(i64::MAX)),
    );
    for watched in rollouts {
        let labels = none.and("rollout", &watched.rollout);
        of_rollout(&mut all, watched, &labels);
        for one in &watched.certificates {
            of_certificate(&mut all, one, &labels, now);
        }
    }
    for renewal in renewals {
        let labels = none.and("identity", &renewal.id);
        let told = renewal.trouble.is_none();
        all.add(
            "certroll_renewal_up",
            "Whether the renewals of the identity could be told.",
            &labels,
            i64::from(told),
        );
        let missed = renewal.missed.as_ref();
        if told {
            all.add(
                "certroll_renewal_failures",
                "How often in a row a renewal of the identity came to nothing.",
                &labels,
                missed.map_or(0, |missed| missed.count.into()),
            );
        }
    }
    all.text()
}

fn of_rollout(all: &mut Families, watched: &Watched, labels: &Labels<'_>) {
    let told = watched.trouble.is_none();
    all.add(
        "certroll_rollout_up",
        "Whether the state of the rollout could be told.",
        labels,
        i64::from(told),
    );
    if told {
        let count = |many: usize| i64::try_from(many).unwrap_or(i64::MAX);
        let counts: [(&str, &str, usize); 4] = [
            (
                "certroll_drift",
                "Paths, requests and pins that are not as wanted.",
                watched.drift,
            ),
            (
                "certroll_obligations",
                "Restarts and proofs that are owed.",
                watched.owed.len(),
            ),
            (
                "certroll_steps_open",
                "Steps for people that are open.",
                watched.steps,
            ),
            (
                "certroll_findings_fatal",
                "Findings that keep the rollout from being applied.",
                watched.blocked.len(),
            ),
        ];
        for (name, help, many) in counts {
            all.add(name, help, labels, count(many));
        }
    }
    for unread in &watched.unread {
        all.add(
            "x509_read_errors",
            "Places of certificates that could not be read.",
            &labels.and("filepath", &unread.path),
            1,
        );
    }
    for verdict in watched.endpoints.iter().filter(|verdict| verdict.judged) {
        all.add(
            "certroll_probe_good",
            "Whether a probe saw what is wanted; none where it proves nothing.",
            &labels.and("probe", &verdict.probe),
            i64::from(verdict.good),
        );
    }
    let Some(last) = &watched.last else { return };
    for outcome in Outcome::ALL {
        all.add(
            "certroll_last_outcome",
            "How the newest run that changed something ended: 1 for its outcome.",
            &labels.and("outcome", outcome.words()),
            i64::from(outcome == last.outcome),
        );
    }
    all.add(
        "certroll_last_run_timestamp_seconds",
        "When the newest run that changed something ended.",
        labels,
        last.finished,
    );
}

fn of_certificate(all: &mut Families, one: &Sighting, labels: &Labels<'_>, now: i64) {
    let position = one.position.to_string();
    let path = match &one.place {
        Place::File { path } | Place::Store { path, .. } | Place::Document { path, .. } => path,
        Place::Served { .. } => "",
    };
    let labels = labels
        .and("filepath", path)
        .and("filename", path.rsplit('/').next().unwrap_or_default());
    let labels = match &one.place {
        Place::File { .. } => labels.and("source", "file"),
        Place::Store { alias, .. } => labels.and("source", "store").and("alias", alias),
        Place::Document { key, .. } => labels.and("source", "document").and("key", key),
        Place::Served { endpoint, name } => labels
            .and("source", "served")
            .and("endpoint", endpoint)
            .and("server_name", name),
    };
    let labels = labels
        .and("position", &position)
        .and("subject_CN", one.subject_cn.as_deref().unwrap_or_default())
        .and("issuer_CN", one.issuer_cn.as_deref().unwrap_or_default())
        .and("serial_number", &one.serial);
    all.add(
        "x509_cert_not_before",
        "Start of the certificate's validity, seconds since the epoch.",
        &labels,
        one.not_before,
    );
    all.add(
        "x509_cert_not_after",
        "End of the certificate's validity, seconds since the epoch.",
        &labels,
        one.not_after,
    );
    all.add(
        "x509_cert_expired",
        "Whether the certificate was expired when this was written.",
        &labels,
        i64::from(one.not_after < now),
    );
    all.add(
        "certroll_cert_warning_seconds",
        "Seconds before the end in which the end is a warning.",
        &labels,
        one.warning,
    );
    all.add(
        "certroll_cert_critical_seconds",
        "Seconds before the end in which the end is critical.",
        &labels,
        one.critical,
    );
}
