//! A state directory that somebody damaged, and the way out of each.

use super::*;

/// One damage: what it is, what the shell does in the state directory, and what is said of it.
type Damage = (&'static str, &'static str, &'static str);

const OPEN: &str = "generations/000002";

/// Damages of an open generation.
const DAMAGES: &[Damage] = &[
    (
        "a byte in the middle of the intent",
        "sed -i '1s/\"entries\"/\"entri\\x01s\"/' JOURNAL",
        "line 1: ",
    ),
    (
        "a byte in a later line",
        "sed -i '2s/staged/stagXd/' JOURNAL",
        "line 2: ",
    ),
    (
        "cut in its intent",
        "truncate -s 100 JOURNAL",
        "its intent is missing or cut short",
    ),
    ("empty", ": > JOURNAL", "its intent is missing or cut short"),
    ("without its first line", "sed -i 1d JOURNAL", "line 1: "),
    (
        "journal gone",
        "rm JOURNAL",
        "is gone, although generation 2 is open",
    ),
    (
        "directory gone",
        "rm -r generations/000002",
        "is gone, although generation 2 is open",
    ),
    (
        "mark of no generation",
        "echo 77 > pending",
        "is gone, although generation 77 is open",
    ),
    (
        "mark of nothing",
        "echo garbage > pending",
        "is not a number",
    ),
    ("empty mark", ": > pending", "is not a number"),
    (
        "mark of bytes",
        "printf '\\377\\0' > pending",
        "is not a number",
    ),
];

fn damage(scratch: &Scratch, how: &str) {
    let how = how.replace("JOURNAL", &format!("{OPEN}/journal.jsonl"));
    scratch.sh(&format!("cd {STATE}; {how}"));
}

#[test]
fn a_damaged_open_generation_is_refused_with_nothing_touched_until_it_is_given_up() {
    for (what, how, said) in DAMAGES {
        let scratch = open();
        damage(&scratch, how);
        let (tree, kept) = (scratch.tree(), state(&scratch));
        for line in [
            "recover".to_owned(),
            "recover --boot".to_owned(),
            "status".to_owned(),
            "rollback --yes".to_owned(),
            format!("plan {B}"),
            format!("apply {B} --yes"),
        ] {
            let refused = scratch.on_root(&line).exits(4);
            assert!(refused.err.contains(said), "{what}: {refused:#?}");
            assert!(
                refused.err.contains("certroll recover"),
                "{what}: no way out: {refused:#?}"
            );
        }
        scratch.tree().is(&tree);
        state(&scratch).is(&kept);
        scratch.on_root("recover --abandon").exits(0);
        scratch.tree().is(&tree);
        scratch
            .on_root("recover")
            .exits(0)
            .says("nothing to recover");
        works(&scratch);
        // What was before is there for a person, whatever ran since.
        if scratch.path(&format!("{STATE}/{OPEN}")).exists()
            && !said.contains("77")
            && !how.contains("pending")
        {
            let copies = scratch.sh(&format!("cat {STATE}/{OPEN}/before/*"));
            assert!(copies.contains(&scratch.read("a.pem")), "{what}");
        }
    }
}

#[test]
fn a_saved_copy_that_is_gone_or_altered_is_not_written_back() {
    for how in [
        "rm -r BEFORE",
        "rm BEFORE/*",
        "for f in BEFORE/*; do echo x >> $f; done",
    ] {
        let scratch = open();
        let tree = unstaged(&scratch);
        damage(&scratch, &how.replace("BEFORE", &format!("{OPEN}/before")));
        let stuck = scratch.on_root("recover").exits(4);
        assert!(stuck.out.contains("the saved copy is"), "{how}: {stuck:#?}");
        scratch.tree().is(&tree);
        scratch.on_root("recover --abandon").exits(0);
        works(&scratch);
    }
}

#[test]
fn a_committed_generation_that_is_damaged_or_deleted_stops_no_later_run() {
    for how in [
        ": > JOURNAL",
        "truncate -s 100 JOURNAL",
        "sed -i 1d JOURNAL",
        "sed -i '1s/entries/entriXs/' JOURNAL",
        "rm JOURNAL",
        "rm -r generations/000002",
        "rm -r generations/000002/before",
        "rm -r generations",
    ] {
        let scratch = placed();
        scratch.on_root(&format!("apply {B} --yes")).exits(0);
        damage(&scratch, how);
        let tree = scratch.tree();
        scratch.on_root("history").exits(0);
        scratch
            .on_root("status --profile wazo --cert b.pem --key b.key")
            .exits(0);
        // What cannot be read is not taken back, and nothing older is put over it unasked.
        let back = scratch.on_root("rollback --yes");
        assert!([0, 1, 2, 4].contains(&back.code), "{how}: {back:#?}");
        assert!(!back.err.contains("panicked"), "{how}: {back:#?}");
        scratch.tree().is(&tree);
        scratch.on_root(&format!("apply {A} --yes")).exits(0);
        scratch.on_root("rollback --yes").exits(0);
        scratch.tree().is(&tree);
        works(&scratch);
    }
}

#[test]
fn a_mark_that_is_removed_by_hand_takes_no_copy_with_it() {
    let scratch = open();
    damage(&scratch, "rm pending");
    works(&scratch);
    let copies = scratch.sh(&format!("cat {STATE}/{OPEN}/before/*"));
    assert!(copies.contains(&scratch.read("a.pem")), "{copies}");
}

#[test]
fn a_generation_that_committed_before_its_run_died_is_finished_by_giving_up_as_well() {
    let scratch = placed();
    // As a kill between the last record and the removal of the mark leaves it.
    scratch.file(&format!("{STATE}/pending"), "1\n");
    scratch.mode(&format!("{STATE}/pending"), 0o600);
    scratch.on_root("recover --abandon").exits(0);
    let journal = scratch.read(&format!("{STATE}/generations/000001/journal.jsonl"));
    assert!(!journal.contains("abandoned"), "what is final stays so");
    scratch.on_root("rollback --yes").exits(0);
}
