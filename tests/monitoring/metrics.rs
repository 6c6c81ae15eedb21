//! The metrics for Prometheus: well formed, whole, and never missing because a certificate is expired or broken.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _};

use super::{on, rolled, root};
use crate::common::Scratch;

/// Reads the exposition format strictly, and returns samples by name and labels.
#[track_caller]
fn read(text: &str) -> BTreeMap<String, i64> {
    let mut samples = BTreeMap::new();
    let mut family = "";
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap();
            continue;
        }
        if line.starts_with('#') {
            assert_eq!(line, format!("# TYPE {family} gauge"));
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split('{').next().unwrap();
        assert_eq!(name, family, "{line}");
        let twice = samples.insert(sample.to_owned(), value.parse().unwrap());
        assert_eq!(twice, None, "{sample}");
    }
    samples
}

#[track_caller]
fn metrics(scratch: &Scratch) -> BTreeMap<String, i64> {
    read(&on(scratch, "status --format prometheus").exits(0).out)
}

/// The values of a metric whose labels hold some text.
fn of(samples: &BTreeMap<String, i64>, name: &str, label: &str) -> Vec<i64> {
    let head = format!("{name}{{");
    let ours = samples
        .iter()
        .filter(|(key, _)| key.starts_with(&head) && key.contains(label));
    ours.map(|(_, value)| *value).collect()
}

#[test]
fn an_expired_certificate_is_told_like_any_other() {
    let scratch = root();
    scratch.mint_between("old", "site.example.com", 2019, 2021);
    rolled(&scratch, "old");
    let all = metrics(&scratch);
    let at = r#"{rollout="own",filepath="/t/site.pem",filename="site.pem",source="file",position="0",subject_CN="site.example.com",issuer_CN="site.example.com",serial_number=""#;
    assert_eq!(of(&all, "x509_cert_not_after", &at[1..]), [1_609_459_200]);
    assert_eq!(of(&all, "x509_cert_not_before", &at[1..]), [1_546_300_800]);
    assert_eq!(of(&all, "x509_cert_expired", &at[1..]), [1]);
    assert_eq!(
        all[r#"certroll_last_outcome{rollout="own",outcome="placed"}"#],
        1
    );
    assert_eq!(
        all[r#"certroll_last_outcome{rollout="own",outcome="rolled back"}"#],
        0
    );
    assert_eq!(all["certroll_generation_open"], 0);
}

#[test]
fn a_rollout_that_cannot_be_told_still_has_its_certificates() {
    let scratch = root();
    scratch.mint("site", "site.example.com");
    rolled(&scratch, "site");
    let before = metrics(&scratch);
    assert_eq!(before[r#"certroll_rollout_up{rollout="own"}"#], 1);
    assert_eq!(before[r#"certroll_drift{rollout="own"}"#], 0);
    // The profile is gone, and the journals still know what was written.
    scratch.file("P/own/profile.yaml", "profile: own\nno: profile\n");
    let after = metrics(&scratch);
    assert_eq!(after[r#"certroll_rollout_up{rollout="own"}"#], 0);
    assert!(!after.contains_key(r#"certroll_drift{rollout="own"}"#));
    let ends = |all| of(all, "x509_cert_not_after", "/t/site.pem");
    assert_eq!(ends(&after), ends(&before));
    assert_eq!(ends(&after).len(), 1);
}

#[test]
fn a_file_that_is_damaged_is_an_error_of_its_own_and_hides_no_other() {
    let scratch = root();
    scratch.mint("site", "site.example.com");
    rolled(&scratch, "site");
    scratch.profile(
        "two",
        "resources:\n  - {kind: pem, path: /t/a.pem, form: bundle}\n  - {kind: pem, path: /t/b.pem, form: bundle}\n",
    );
    on(
        &scratch,
        "apply --profile two --cert site.pem --key site.key --yes",
    )
    .exits(0);
    scratch.file(
        "R/t/a.pem",
        "-----BEGIN CERTIFICATE-----\nMIIBszCC\n-----END CERTIFICATE-----\n",
    );
    let all = metrics(&scratch);
    assert_eq!(
        all[r#"x509_read_errors{rollout="two",filepath="/t/a.pem"}"#],
        1
    );
    assert_eq!(of(&all, "x509_cert_not_after", "/t/b.pem").len(), 1);
    assert_eq!(of(&all, "x509_cert_not_after", "/t/site.pem").len(), 1);
    assert_eq!(all[r#"certroll_drift{rollout="two"}"#], 1);
}

#[test]
fn the_file_is_replaced_whole_for_everybody_to_read_and_nothing_else_is_left() {
    let scratch = root();
    scratch.mint("site", "site.example.com");
    rolled(&scratch, "site");
    scratch.dir("collected");
    scratch.file("collected/certroll.prom", "old\n");
    scratch.mode("collected/certroll.prom", 0o600);
    let before = fs::File::open(scratch.path("collected/certroll.prom")).unwrap();
    let line = "status --format prometheus --output collected/certroll.prom";
    on(&scratch, line).exits(0);
    read(&scratch.read("collected/certroll.prom"));
    let mode = fs::metadata(scratch.path("collected/certroll.prom"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o644);
    let names: Vec<_> = fs::read_dir(scratch.path("collected")).unwrap().collect();
    assert_eq!(names.len(), 1);
    // Who reads while it is written reads the old one to its end.
    assert_eq!(std::io::read_to_string(before).unwrap(), "old\n");
    // What cannot be written is said, and the old one stays.
    let missing = on(
        &scratch,
        "status --format prometheus --output nowhere/x.prom",
    )
    .exits(1);
    assert!(missing.err.contains("nowhere/x.prom"), "{missing:?}");
    on(&scratch, "status --output x.prom").exits(2);
}

#[test]
fn a_hostile_name_is_escaped_and_two_of_a_kind_are_one_sample() {
    let scratch = root();
    scratch.sh(
        "openssl req -x509 -newkey ed25519 -nodes -keyout site.key -out site.pem -days 300 \
         -subj '/CN=a\"} 1\\\\' -addext subjectAltName=DNS:site.example.com 2>&1",
    );
    rolled(&scratch, "site");
    let all = metrics(&scratch);
    assert_eq!(
        of(&all, "x509_cert_not_after", r#"subject_CN="a\"} 1\\""#).len(),
        1,
        "{all:#?}"
    );
}

#[test]
fn an_open_generation_is_a_metric_and_not_a_missing_file() {
    let scratch = root();
    scratch.mint("site", "site.example.com");
    rolled(&scratch, "site");
    scratch.file("R/var/lib/certroll/pending", "1\n");
    let all = metrics(&scratch);
    assert_eq!(all["certroll_generation_open"], 1);
    assert_eq!(of(&all, "x509_cert_not_after", "/t/site.pem").len(), 1);
}
