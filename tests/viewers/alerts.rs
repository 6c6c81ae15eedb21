//! The alerts of the documentation, each on what certroll wrote of a host where all is well and one thing is changed: it
//! fires, with its words, and no other does.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    common::Scratch,
    metrics::{document, promtool},
    nginx::{Nginx, live},
};

/// When the alerts are looked at, by the tool's clock, which begins in 1970: seconds, later than any of them waits.
const NOW: i64 = 18_000;

const DAY: i64 = 86_400;

/// A sample as certroll wrote it, as it is scraped from the host `web1`.
#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: i64,
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        let labels = labels.strip_suffix('}').unwrap();
        let mut parsed = vec![("instance".to_owned(), "web1".to_owned())];
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (name, value) = label.trim_end_matches('"').split_once("=\"").unwrap();
            assert!(!value.contains('\\'), "{line}");
            parsed.push((name.to_owned(), value.to_owned()));
        }
        Self {
            name: name.to_owned(),
            labels: parsed,
            value: value.parse().unwrap(),
        }
    }

    fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map_or("", |(_, value)| value)
    }

    /// As an input series of `promtool test rules`, which is JSON where that is YAML.
    fn series(&self) -> Value {
        let mut series = format!("{}{{", self.name);
        for (name, value) in &self.labels {
            let _ = write!(series, "{name}=\"{value}\",");
        }
        json!({ "series": series + "}", "values": format!("{}x{}", self.value, NOW / 60) })
    }
}

fn samples(text: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(Sample::parse).collect()
}

/// What certroll writes of a host with nginx, a rollout of its pair and an identity of an ACME server: first as it should be,
/// then with a file of another rollout damaged.
fn written() -> (Vec<Sample>, Vec<Sample>) {
    let scratch = Scratch::new();
    scratch.mint("old", "site.example.com");
    scratch.mint("new", "site.example.com");
    let nginx = Nginx::serving(&scratch, "site", "old");
    nginx.reloads(&scratch);
    let copy = scratch.text("copy.pem");
    let body = format!("resources:\n  - {{kind: pem, path: {copy}, form: fullchain}}\n");
    scratch.profile("copy", &body);
    for profile in ["site", "copy"] {
        let line = format!("apply --profile {profile} --cert new.pem --key new.key --yes");
        live(&scratch, &line).exits(0);
    }
    let asked = json!({
        "format": "certroll/acme/1", "names": ["www.example.org"], "server": "https://acme.example/dir",
        "contact": null, "key": "p256", "answering": { "http": { "port": 80 } }, "ca_file": null,
        "external": null, "left": 33,
    });
    scratch.dir("S/acme/www.example.org");
    scratch.file("S/acme/www.example.org/asked.json", asked.to_string());
    let status = || live(&scratch, "status --format prometheus").exits(0).out;
    let good = samples(&status());
    scratch.file(
        "copy.pem",
        "-----BEGIN CERTIFICATE-----\nMIIBszCC\n-----END CERTIFICATE-----\n",
    );
    (good, samples(&status()))
}

/// What is changed, and the alert that tells it.
struct Case {
    alert: &'static str,
    severity: &'static str,
    /// The sample: its name, and text of one of its labels.
    of: (&'static str, &'static str),
    value: i64,
    /// What is said, where `LABEL` in angle brackets stands for the sample's own.
    summary: &'static str,
    description: &'static str,
}

const ENDS: (&str, &str) = ("x509_cert_not_after", "site.pem");

const CASES: [Case; 15] = [
    Case {
        alert: "CertrollCertificateExpired",
        severity: "critical",
        of: ENDS,
        value: 100,
        summary: "Certificate site.example.com on web1 has expired",
        description: "file <filepath> of rollout site: clients are turned away.",
    },
    Case {
        alert: "CertrollCertificateExpired",
        severity: "critical",
        of: ("x509_cert_not_after", "served"),
        value: NOW - 1,
        summary: "Certificate site.example.com on web1 has expired",
        description: "served <endpoint> of rollout site: clients are turned away.",
    },
    Case {
        alert: "CertrollCertificateEndsSoon",
        severity: "critical",
        of: ENDS,
        value: NOW + 3 * DAY,
        summary: "Certificate site.example.com on web1 ends in 3d 0h 0m 0s",
        description: "file <filepath> of rollout site: renew it now.",
    },
    Case {
        alert: "CertrollCertificateEndsWithinTheWarning",
        severity: "warning",
        of: ENDS,
        value: NOW + 10 * DAY,
        summary: "Certificate site.example.com on web1 ends in 10d 0h 0m 0s",
        description: "file <filepath> of rollout site: has it not been renewed?",
    },
    Case {
        alert: "CertrollServedIsNotOnDisk",
        severity: "warning",
        of: ("certroll_probe_good", "site"),
        value: 0,
        summary: "<probe> on web1 does not see what is wanted",
        description: "`certroll status site` says what it presents, `certroll doctor site` why.",
    },
    Case {
        alert: "CertrollGenerationOpen",
        severity: "critical",
        of: ("certroll_generation_open", "web1"),
        value: 7,
        summary: "Generation 7 is open on web1",
        description: "A run did not end: `certroll recover` puts everything back.",
    },
    Case {
        alert: "CertrollRolledBack",
        severity: "warning",
        of: ("certroll_last_outcome", "rolled back"),
        value: 1,
        summary: "The newest run of rollout <rollout> on web1 is rolled back",
        description: "`certroll history` names its generation, and `certroll show N` says why.",
    },
    Case {
        alert: "CertrollRolledBack",
        severity: "warning",
        of: ("certroll_last_outcome", "stuck"),
        value: 1,
        summary: "The newest run of rollout <rollout> on web1 is stuck",
        description: "`certroll history` names its generation, and `certroll show N` says why.",
    },
    Case {
        alert: "CertrollDrift",
        of: ("certroll_drift", "site"),
        ..DRIFT
    },
    Case {
        alert: "CertrollDrift",
        of: ("certroll_obligations", "site"),
        ..DRIFT
    },
    Case {
        alert: "CertrollDrift",
        of: ("certroll_findings_fatal", "site"),
        ..DRIFT
    },
    Case {
        of: ("certroll_renewal_failures", "www.example.org"),
        value: 2,
        ..RENEWAL
    },
    Case {
        of: ("certroll_renewal_up", "www.example.org"),
        value: 0,
        ..RENEWAL
    },
    Case {
        alert: "CertrollCannotTell",
        severity: "warning",
        of: ("certroll_rollout_up", "site"),
        value: 0,
        summary: "Rollout site on web1 cannot be told",
        description: "`certroll status site` says why.",
    },
    Case {
        alert: "CertrollSilent",
        severity: "warning",
        of: ("certroll_status_timestamp_seconds", "web1"),
        value: 0,
        summary: "certroll on web1 has told nothing for 5h 0m 0s",
        description: "Look at the timer that runs `certroll status --format prometheus`.",
    },
];

const DRIFT: Case = Case {
    alert: "CertrollDrift",
    severity: "warning",
    of: ("certroll_drift", "site"),
    value: 1,
    summary: "Rollout site on web1 is not as wanted",
    description: "`certroll status site` says what differs, what is owed and what stands in the way.",
};

const RENEWAL: Case = Case {
    alert: "CertrollNotRenewed",
    severity: "warning",
    of: ("certroll_renewal_up", "www.example.org"),
    value: 0,
    summary: "Identity www.example.org on web1 is not renewed",
    description: "`certroll status` says why; once that is mended: `certroll renew --force www.example.org`.",
};

/// Its one file is damaged: the sample is there, and needs no change.
const DAMAGED: Case = Case {
    alert: "CertrollCannotTell",
    severity: "warning",
    of: ("x509_read_errors", "copy"),
    value: 1,
    summary: "Rollout copy on web1 cannot be told",
    description: "`certroll status copy` says why (<filepath>).",
};

impl Case {
    /// Changes the sample, and returns it.
    #[track_caller]
    fn change(&self, samples: &mut [Sample]) -> Sample {
        let (name, label) = self.of;
        let is_meant = |one: &&mut Sample| {
            one.name == name && one.labels.iter().any(|(_, value)| value == label)
        };
        let found = samples.iter_mut().find(is_meant);
        let one = found.unwrap_or_else(|| panic!("{name} of {label} was not written"));
        one.value = self.value;
        one.clone()
    }

    /// Returns the alert as the tool wants it: with every label of the sample.
    fn fired(&self, sample: &Sample) -> Value {
        let mut labels = sample.labels.clone();
        labels.push(("severity".to_owned(), self.severity.to_owned()));
        let labels: serde_json::Map<String, Value> = labels
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let said = |text: &str| {
            let filled = ["filepath", "endpoint", "probe", "rollout"]
                .map(|name| (format!("<{name}>"), sample.label(name)));
            filled.iter().fold(text.to_owned(), |text, (mark, value)| {
                text.replace(mark, value)
            })
        };
        json!({
            "exp_labels": labels,
            "exp_annotations": { "summary": said(self.summary), "description": said(self.description) },
        })
    }
}

/// One test of `promtool test rules`: every alert is looked at, and those fire that should.
fn test(name: &str, samples: &[Sample], alerts: &[&str], firing: &[(&str, Value)]) -> Value {
    let rule = |alert: &&str| {
        let ours = firing.iter().filter(|(one, _)| one == alert);
        let wanted: Vec<&Value> = ours.map(|(_, wanted)| wanted).collect();
        let minutes = format!("{}m", NOW / 60);
        json!({ "eval_time": minutes, "alertname": alert, "exp_alerts": wanted })
    };
    json!({
        "name": name,
        "interval": "1m",
        "input_series": samples.iter().map(Sample::series).collect::<Vec<_>>(),
        "alert_rule_test": alerts.iter().map(rule).collect::<Vec<_>>(),
    })
}

#[test]
fn every_alert_fires_for_what_it_is_for_and_for_nothing_else() {
    let scratch = Scratch::new();
    let rules = document("alerts.yml");
    let named = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: Vec<&str> = named.collect();
    scratch.file("alerts.yml", &rules);
    let checked = promtool(&scratch, "check rules alerts.yml", None);
    let wanted = format!("SUCCESS: {} rules found", alerts.len());
    assert!(checked.contains(&wanted), "{checked}");

    let (mut good, damaged) = written();
    // The ends are moved to the tool's clock, far from now, and so is the time of writing.
    for one in &mut good {
        match one.name.as_str() {
            "x509_cert_not_after" => one.value = NOW + 300 * DAY,
            "certroll_status_timestamp_seconds" => one.value = NOW - 60,
            _ => {}
        }
    }
    let mut tests = vec![test("all is well", &good, &alerts, &[])];
    for case in &CASES {
        let mut samples = good.clone();
        let changed = case.change(&mut samples);
        let firing = [(case.alert, case.fired(&changed))];
        tests.push(test(
            &format!("{} of {:?}", case.alert, case.of),
            &samples,
            &alerts,
            &firing,
        ));
    }
    let unread = damaged
        .into_iter()
        .filter(|one| one.name == "x509_read_errors");
    let mut samples: Vec<Sample> = good.into_iter().chain(unread).collect();
    let changed = DAMAGED.change(&mut samples);
    let firing = [(DAMAGED.alert, DAMAGED.fired(&changed))];
    tests.push(test("a damaged file", &samples, &alerts, &firing));

    for alert in &alerts {
        let told = CASES.iter().any(|case| case.alert == *alert);
        assert!(told, "nothing makes {alert} fire");
    }
    let document =
        json!({ "rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests });
    scratch.file("test.yml", document.to_string());
    let tested = promtool(&scratch, "test rules test.yml", None);
    assert!(tested.contains("SUCCESS"), "{tested}");
}
