//! Stored formats: what an earlier certroll wrote stays readable, and what a later one wrote is refused by name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod common;

use certroll::{
    journal::{self, Intent, Status},
    plan::View,
    receipt::{Outcome, Receipt},
};
use common::Scratch;

const JOURNAL: &str = include_str!("../fixtures/formats/1/journal.jsonl");
const RECEIPT: &str = include_str!("../fixtures/formats/1/receipt.json");
const PLAN: &str = include_str!("../fixtures/formats/1/plan.json");
const ROLLOUTS: &str = include_str!("../fixtures/formats/1/rollouts.json");
const SAVED: &str = include_str!("../fixtures/formats/1/saved-plan.json");

/// A root whose state directory is that of version 1, with one committed generation.
fn written_by_version_1(journal: &str) -> Scratch {
    let scratch = Scratch::wazo();
    let generation = "R/var/lib/certroll/generations/000001";
    scratch.sh(&format!(
        "mkdir -p -m 0700 {generation} && chmod 0700 R/var/lib/certroll"
    ));
    for (name, text) in [
        (format!("{generation}/journal.jsonl"), journal),
        (format!("{generation}/receipt.json"), RECEIPT),
        (format!("{generation}/plan.json"), PLAN),
        ("R/var/lib/certroll/rollouts.json".to_owned(), ROLLOUTS),
    ] {
        scratch.file(&name, text);
    }
    scratch
}

#[test]
fn the_first_versions_of_every_format_are_read() {
    let (intent, status) = journal::replay::<Intent>("journal.jsonl", JOURNAL).unwrap();
    assert_eq!(status, Status::Committed);
    assert_eq!((intent.generation, intent.rollout.as_str()), (1, "wazo"));
    assert!(
        intent
            .entries
            .iter()
            .any(|e| e.path.as_str() == "/etc/hosts")
    );
    let receipt: Receipt = serde_json::from_str(RECEIPT).unwrap();
    assert_eq!(receipt.outcome, Outcome::Placed);
    let plan: View = serde_json::from_str(PLAN).unwrap();
    assert_eq!(plan.changes.len(), intent.entries.len());
}

#[test]
fn a_state_directory_of_the_first_version_is_shown_and_listed() {
    let scratch = written_by_version_1(JOURNAL);
    scratch.on_root("history").exits(0).says("placed");
    scratch
        .on_root("show 1")
        .exits(0)
        .says("/etc/xivo/custom/custom-certificate.yml");
}

#[test]
fn a_saved_plan_of_the_first_version_is_held_against_the_host_of_today() {
    let scratch = Scratch::wazo();
    scratch.mint("leaf", "wazo.example.com");
    scratch.file("saved.json", SAVED.replace("test-only.key", "leaf.key"));
    let stale = scratch.on_root("apply --plan saved.json --yes").exits(7);
    assert!(
        stale.err.contains("the plan in `saved.json` is stale"),
        "{stale:#?}"
    );
}

#[test]
fn a_journal_of_a_newer_version_is_refused_by_name_and_nothing_is_touched() {
    let newer = JOURNAL.replace("certroll/journal/1", "certroll/journal/2");
    let scratch = written_by_version_1(&newer);
    scratch.file("R/var/lib/certroll/pending", "1\n");
    let before = scratch.tree();
    for command in ["recover", "status wazo", "plan wazo"] {
        let refused = scratch.on_root(command).exits(4);
        assert!(
            refused
                .err
                .contains("`certroll/journal/2`, made by a newer certroll; this certroll reads `certroll/journal/1`"),
            "{refused:#?}"
        );
    }
    scratch.tree().is(&before);
    scratch.on_root("recover --abandon").exits(0);
    scratch.tree().is(&before);
}

#[test]
fn a_receipt_of_a_newer_version_or_a_damaged_one_is_refused_by_name_and_hides_no_generation() {
    let newer = RECEIPT.replace("certroll/receipt/1", "certroll/receipt/2");
    assert_ne!(newer, RECEIPT);
    let at = "R/var/lib/certroll/generations/000001/receipt.json";
    for (receipt, why) in [
        (
            newer.as_str(),
            "receipt.json`: is of format `certroll/receipt/2`, made by a newer certroll",
        ),
        ("{}", "receipt.json`: missing field `format`"),
        ("", "receipt.json`: EOF while parsing"),
    ] {
        let scratch = written_by_version_1(JOURNAL);
        scratch.file(at, receipt);
        // The journal knows that it committed, and not that nothing could be proved.
        scratch.on_root("history").exits(0).says("committed");
        let refused = scratch.on_root("show 1").exits(4);
        assert!(refused.err.contains(why), "{refused:#?}");
        // A run that died after its end: what is open is closed, and the receipt is what cannot be told.
        scratch.file("R/var/lib/certroll/pending", "1\n");
        let refused = scratch.on_root("recover").exits(4);
        assert!(refused.err.contains(why), "{refused:#?}");
        scratch.on_root("recover").exits(0);
    }
    let scratch = written_by_version_1(JOURNAL);
    scratch.sh(&format!("rm {at}; mkdir {at}"));
    let refused = scratch.on_root("show 1").exits(4);
    assert!(refused.err.contains("is not a file"), "{refused:#?}");
    // What cannot be read at all is no receipt that is damaged.
    scratch.sh(&format!("rmdir {at}; umask 0; echo > {at}"));
    for command in ["history", "show 1"] {
        let refused = scratch.on_root(command).exits(2);
        assert!(refused.err.contains("others may write it"), "{refused:#?}");
    }
}

#[test]
fn a_journal_larger_than_any_other_file_is_read() {
    let padded = format!(r#""operator":"{}""#, "x".repeat(17 << 20));
    let scratch = written_by_version_1(&JOURNAL.replace(r#""operator":"root""#, &padded));
    scratch.on_root("history").exits(0).says("placed");
}
