//! A state directory of a newer certroll, and a clock that was set back.

use super::*;

#[test]
fn what_a_newer_certroll_wrote_is_refused_by_name_and_nothing_is_touched() {
    let rollouts = format!("{STATE}/rollouts.json");
    let plan = format!("{STATE}/generations/000001/plan.json");
    let receipt = format!("{STATE}/generations/000001/receipt.json");
    for (file, ours, lines) in [
        (
            &rollouts,
            "certroll/rollouts/1",
            vec![
                "status".to_owned(),
                format!("plan {B}"),
                format!("apply {B} --yes"),
            ],
        ),
        (&plan, "certroll/plan/1", vec!["show 1".to_owned()]),
        (&receipt, "certroll/receipt/1", vec!["show 1".to_owned()]),
    ] {
        let scratch = placed();
        let newer = ours.replace("/1", "/2");
        // Newer in more than the number: what is in it means something else.
        let text = scratch
            .read(file)
            .replace(ours, &newer)
            .replace("\"profiles\"", "\"templates\"");
        scratch.file(file, text);
        let (tree, kept) = (scratch.tree(), state(&scratch));
        for line in &lines {
            let refused = scratch.on_root(line).exits(4);
            let said = format!("is of format `{newer}`, made by a newer certroll");
            assert!(refused.err.contains(&said), "{refused:#?}");
        }
        scratch.tree().is(&tree);
        state(&scratch).is(&kept);
    }
    let scratch = two_pairs();
    scratch
        .on_root(&format!("plan {A} --out saved.json"))
        .exits(5);
    let saved = scratch
        .read("saved.json")
        .replace("saved-plan/1", "saved-plan/2");
    scratch.file("saved.json", saved.replace("\"profiles\"", "\"templates\""));
    let refused = scratch.on_root("apply --plan saved.json --yes").exits(2);
    assert!(
        refused.err.contains("made by a newer certroll"),
        "{refused:#?}"
    );
}

#[test]
fn a_clock_that_was_set_back_confuses_neither_order_nor_validity() {
    for started in ["4102444800", "9223372036854775807", "-9223372036854775808"] {
        let scratch = placed();
        let before = scratch.tree();
        let generation = format!("{STATE}/generations/000001");
        scratch.sh(&format!(
            "sed -Ei '1s/\"started\": ?[0-9]+/\"started\":{started}/' {generation}/journal.jsonl; \
             sed -Ei 's/\"(started|finished)\": ?[0-9]+/\"\\1\": {started}/' {generation}/receipt.json"
        ));
        scratch.on_root(&format!("apply {B} --yes")).exits(0);
        let history = scratch.on_root("--json history").exits(0).json();
        let numbers: Vec<_> = history["generations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|g| g["generation"].as_u64())
            .collect();
        assert_eq!(numbers, [Some(1), Some(2)], "in the order of their numbers");
        scratch.on_root("history").exits(0);
        scratch.on_root("show 1").exits(0);
        scratch.on_root("status").exits(0);
        scratch.on_root("rollback --yes").exits(0);
        scratch.tree().is(&before);
    }
}

#[test]
fn a_leaf_that_begins_tomorrow_by_this_clock_is_told_from_one_that_expired() {
    let scratch = Scratch::wazo();
    scratch.mint_between("a", "wazo.example.com", 2090, 2095);
    let refused = scratch.on_root(&format!("plan {A}")).exits(2);
    assert!(
        refused.err.contains("is not valid before 2090")
            || refused.out.contains("is not valid before 2090"),
        "{refused:#?}"
    );
    assert!(
        (refused.err.clone() + &refused.out).contains("whether this host's clock is right"),
        "{refused:#?}"
    );
}
