//! The line for Nagios: one, with its state, exit code and performance data, whatever happens.

use super::{on, rolled, root};
use crate::common::{Run, Scratch};

/// Asserts that a plugin's output is one line of a state that fits the exit code, with performance data as the Monitoring
/// Plugins Development Guidelines have it, and returns text and labels with their values.
#[track_caller]
fn told(run: &Run, state: &str) -> (String, Vec<(String, String)>) {
    let code = ["OK", "WARNING", "CRITICAL", "UNKNOWN"];
    let code = code.iter().position(|one| *one == state).unwrap();
    assert_eq!(usize::try_from(run.code).unwrap(), code, "{run:#?}");
    let (line, rest) = run.out.split_once('\n').unwrap();
    assert_eq!(rest, "", "more than a line: {run:#?}");
    let text = line.strip_prefix(&format!("CERTROLL {state} - ")).unwrap();
    let (text, data) = text.split_once(" | ").unwrap_or((text, ""));
    assert!(!text.contains('|') && text.len() > 3, "{line}");
    let mut values = Vec::new();
    let mut rest = data;
    while let Some(from) = rest.strip_prefix('\'') {
        let (label, after) = from.split_once("'=").unwrap();
        let (value, after) = after.split_once(' ').unwrap_or((after, ""));
        let fields: Vec<&str> = value.split(';').collect();
        assert!(fields.len() <= 5, "{value}");
        let number = fields[0].trim_end_matches('s');
        assert!(number == "U" || number.parse::<i64>().is_ok(), "{value}");
        values.push((label.to_owned(), value.to_owned()));
        rest = after;
    }
    assert_eq!(rest, "", "no performance data: {line}");
    (text.to_owned(), values)
}

#[track_caller]
fn plugin(scratch: &Scratch) -> Run {
    on(scratch, "status --format nagios")
}

/// Has somebody change what was rolled out.
fn drifts(scratch: &Scratch) {
    let pem = scratch.read("R/t/site.pem") + "\n";
    scratch.file("R/t/site.pem", pem);
}

#[test]
fn what_is_as_wanted_is_ok_and_its_end_is_in_the_performance_data() {
    let scratch = root();
    scratch.mint("site", "site.example.com");
    rolled(&scratch, "site");
    let (text, values) = told(&plugin(&scratch), "OK");
    assert!(
        text.starts_with("own: as wanted, 1 certificate, the first ends on 20"),
        "{text}"
    );
    let (label, value) = &values[0];
    assert_eq!(label, "own_expires");
    // A year is left, of which the last two weeks warn and the last is critical.
    assert!(value.ends_with("s;1209600:;604800:"), "{value}");
    let left: i64 = value.split('s').next().unwrap().parse().unwrap();
    assert!((364 * 86_400..=365 * 86_400).contains(&left), "{value}");
    assert_eq!(values[1], ("own_drift".to_owned(), "0;0;;0".to_owned()));
}

#[test]
fn an_end_within_two_weeks_warns_one_within_a_week_is_critical_and_one_that_was_is() {
    for (days, state, says) in [
        (15, "OK", "as wanted"),
        (13, "WARNING", "in 13 days, at /t/site.pem"),
        (6, "CRITICAL", "in 6 days, at /t/site.pem"),
    ] {
        let scratch = root();
        // Its first days are over, so that the share of its lifetime does not count.
        scratch.mint("site", "site.example.com");
        rolled(&scratch, "site");
        // Some hours later than midnight, so that days are whole whatever the test takes.
        let moved = format!("+{} hours", (365 - days) * 24 - 12);
        let args = [
            "--root",
            "R",
            "--profiles",
            "P",
            "status",
            "--format",
            "nagios",
        ];
        let mut late = scratch.program("faketime");
        late.arg(moved).arg(crate::common::CERTROLL).args(args);
        let run = crate::common::Running::start(&mut late).end();
        let (text, _) = told(&run, state);
        assert!(text.contains(says), "{text}");
    }
    let scratch = root();
    scratch.mint_between("old", "site.example.com", 2019, 2021);
    rolled(&scratch, "old");
    let (text, values) = told(&plugin(&scratch), "CRITICAL");
    assert!(
        text.contains("`CN=site.example.com` expired on 2021-01-01"),
        "{text}"
    );
    assert!(values[0].1.starts_with('-'), "{values:?}");
}

#[test]
fn a_certificate_of_six_days_is_not_a_warning_all_its_life() {
    let scratch = root();
    scratch.mint_with("site", "site.example.com", "-days 6");
    rolled(&scratch, "site");
    let (_, values) = told(&plugin(&scratch), "OK");
    // A quarter and an eighth of six days.
    assert!(values[0].1.ends_with("s;129600:;64800:"), "{values:?}");
    on(&scratch, "status").exits(0);
}

#[test]
fn a_profile_may_ask_for_more_days_of_warning() {
    let scratch = root();
    let body = scratch.read("P/own/profile.yaml") + "warn_days: 400\n";
    scratch.file("P/own/profile.yaml", body);
    scratch.mint_with("site", "site.example.com", "-days 800");
    rolled(&scratch, "site");
    // At most a quarter of its lifetime counts.
    let (_, values) = told(&plugin(&scratch), "OK");
    assert!(values[0].1.ends_with("s;17280000:;604800:"), "{values:?}");
    let body = scratch.read("P/own/profile.yaml").replace("400", "50");
    scratch.file("P/own/profile.yaml", body);
    let (_, values) = told(&plugin(&scratch), "OK");
    assert!(values[0].1.ends_with("s;4320000:;604800:"), "{values:?}");
}

#[test]
fn drift_warns_and_an_open_generation_is_critical() {
    let scratch = root();
    scratch.mint("site", "site.example.com");
    rolled(&scratch, "site");
    drifts(&scratch);
    let (text, values) = told(&plugin(&scratch), "WARNING");
    assert!(text.contains("own: 1 of drift"), "{text}");
    assert_eq!(values[1].1, "1;0;;0");
    scratch.file("R/var/lib/certroll/pending", "1\n");
    let (text, _) = told(&plugin(&scratch), "CRITICAL");
    assert!(
        text.starts_with("generation 1 is open, `certroll recover`"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_told_is_unknown_and_never_the_exit_code_of_a_warning() {
    let scratch = root();
    let (text, _) = told(&plugin(&scratch), "UNKNOWN");
    assert_eq!(text, "no rollout is remembered");
    told(&on(&scratch, "status nobody --format nagios"), "UNKNOWN");
    told(
        &scratch.certroll("--root nowhere status --format nagios"),
        "UNKNOWN",
    );
    told(
        &on(&scratch, "status --format nagios --output F"),
        "UNKNOWN",
    );
    on(&scratch, "status --format nagios --no-such-flag").exits(3);
    scratch.mint("site", "site.example.com");
    rolled(&scratch, "site");
    scratch.file("R/var/lib/certroll/rollouts.json", "{");
    told(&plugin(&scratch), "UNKNOWN");
}

#[test]
fn the_worst_of_several_rollouts_decides_and_is_named_first() {
    let scratch = root();
    scratch.profile(
        "more",
        "resources:\n  - {kind: pem, path: /t/more.pem, form: bundle}\n",
    );
    scratch.mint("site", "site.example.com");
    scratch.mint_between("old", "more.example.com", 2019, 2021);
    rolled(&scratch, "site");
    on(
        &scratch,
        "apply --profile more --cert old.pem --key old.key --allow expired --yes",
    )
    .exits(0);
    drifts(&scratch);
    let (text, values) = told(&plugin(&scratch), "CRITICAL");
    assert!(
        text.starts_with("more: `CN=more.example.com` expired on"),
        "{text}"
    );
    assert!(text.contains("; own: 1 of drift"), "{text}");
    assert_eq!(values.len(), 8);
    told(&on(&scratch, "status own --format nagios"), "WARNING");
}

#[test]
fn a_hostile_name_is_no_line_and_no_performance_data_of_its_own() {
    let scratch = root();
    scratch.sh(
        "openssl req -x509 -newkey ed25519 -nodes -keyout site.key -out site.pem -days 3 \
         -subj '/CN=a|b'\\''c=d\ne' -addext subjectAltName=DNS:site.example.com 2>&1",
    );
    rolled(&scratch, "site");
    let late = [
        "+3 days",
        crate::common::CERTROLL,
        "--root",
        "R",
        "--profiles",
        "P",
    ];
    let mut late_command = scratch.program("faketime");
    late_command
        .args(late)
        .args(["status", "--format", "nagios"]);
    let run = crate::common::Running::start(&mut late_command).end();
    let (text, values) = told(&run, "CRITICAL");
    assert!(text.contains("a¦b"), "{text}");
    assert_eq!(values.len(), 4);
}
