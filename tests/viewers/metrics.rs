//! Metrics and panels as Prometheus' own tool reads them.

use std::{fs, path::Path, process::Stdio};

use serde_json::Value;

use crate::common::{Running, Scratch};

pub(crate) fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/monitoring")
        .join(name);
    fs::read_to_string(path).unwrap()
}

#[track_caller]
pub(crate) fn promtool(scratch: &Scratch, args: &str, input: Option<&str>) -> String {
    let mut command = scratch.program("promtool");
    command.args(args.split(' '));
    if let Some(name) = input {
        command.stdin(Stdio::from(fs::File::open(scratch.path(name)).unwrap()));
    }
    let run = Running::start(&mut command).end().exits(0);
    run.out + &run.err
}

/// A root with a good rollout and one whose certificate is long expired.
fn root() -> Scratch {
    let scratch = Scratch::new();
    scratch.dir("R/t");
    for (name, pair) in [("good", "site"), ("late", "old")] {
        let body = format!("resources:\n  - {{kind: pem, path: /t/{name}.pem, form: bundle}}\n");
        scratch.profile(name, &body);
        match pair {
            "old" => scratch.mint_between("old", "old.example.com", 2019, 2021),
            _ => scratch.mint("site", "site.example.com"),
        }
        let line = format!(
            "--profiles P apply --profile {name} --cert {pair}.pem --key {pair}.key --allow expired --yes"
        );
        scratch.on_root(&line).exits(0);
    }
    let line = "--profiles P status --format prometheus --output certroll.prom";
    scratch.on_root(line).exits(0);
    scratch
}

#[test]
fn the_metrics_are_well_formed_to_prometheus() {
    let scratch = root();
    // The tool finds fault with labels in capital letters, which are x509-certificate-exporter's, and with nothing else.
    let mut command = scratch.program("promtool");
    command.args(["check", "metrics"]);
    command.stdin(Stdio::from(
        fs::File::open(scratch.path("certroll.prom")).unwrap(),
    ));
    let run = Running::start(&mut command).end();
    for line in run.err.lines() {
        assert!(
            line.contains("label names should be written in 'snake_case'"),
            "{run:#?}"
        );
    }
    assert!(!run.out.contains("error"), "{run:#?}");
}

#[test]
fn every_panel_of_the_dashboard_asks_what_prometheus_understands_and_certroll_writes() {
    let scratch = root();
    let written = scratch.read("certroll.prom");
    let dashboard: Value = serde_json::from_str(&document("grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut rules = "groups:\n  - name: panels\n    rules:\n".to_owned();
    let mut asked = 0;
    for target in panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
    {
        let expression = target["expr"].as_str().unwrap();
        let expression = expression
            .replace("$instance", ".*")
            .replace("$rollout", ".*");
        asked += 1;
        let row = format!("      - {{record: 'panel:{asked}', expr: '{expression}'}}\n");
        rules.push_str(&row);
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for metric in
            words.filter(|word| word.starts_with("certroll_") || word.starts_with("x509_"))
        {
            let known =
                written.contains(&format!("# HELP {metric} ")) || metric == "certroll_probe_good";
            assert!(known, "{metric}");
        }
    }
    assert_eq!(asked, panels.len());
    scratch.file("panels.yml", rules);
    let checked = promtool(&scratch, "check rules panels.yml", None);
    assert!(
        checked.contains(&format!("SUCCESS: {asked} rules found")),
        "{checked}"
    );
    for panel in panels {
        let place = &panel["gridPos"];
        let right = place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap();
        assert!(right <= 24, "{place}");
    }
}
