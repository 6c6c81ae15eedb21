//! Every input that fuzzing kept, and cheap mutations of each, through the very judgements of the fuzz targets.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests read fixtures from disk and fail by panicking"
)]

#[path = "common/tally.rs"]
mod tally;
#[path = "fuzz/src/targets/mod.rs"]
mod targets;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tally::{Depth, depth};
use targets::{TARGETS, named};

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/fuzz")
        .join(target)
}

fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// Numbers that look random and are the same each time (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 1).unwrap() % limit.max(1)
    }
}

/// Changes an input in one to four places, with pieces of another one.
fn mutate(dice: &mut Dice, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        let end = (at + 1 + dice.below(16)).min(bytes.len());
        match dice.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            1 if !bytes.is_empty() => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => {
                let from = dice.below(other.len());
                let to = (from + 1 + dice.below(64)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// Judges one input; where it fails, says which one it was.
fn judge(target: &str, input: &[u8], name: &str) {
    let check = named(target).unwrap();
    if let Err(cause) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("finding-{target}"));
        fs::write(&kept, input).unwrap();
        #[expect(
            clippy::print_stderr,
            reason = "the input is what the failure is about"
        )]
        {
            eprintln!(
                "{target}: {name} breaks a promise; the input is kept in {}",
                kept.display()
            );
        }
        resume_unwind(cause);
    }
}

fn replay(target: &str) {
    let inputs = inputs(target);
    assert!(!inputs.is_empty(), "no inputs for {target}");
    for (path, bytes) in &inputs {
        judge(target, bytes, &path.display().to_string());
    }
    // As many mutations as the ring has time for, in the same order each time.
    let time = Duration::from_secs(if depth() == Depth::Fast { 1 } else { 20 });
    let (start, mut dice, mut count) = (Instant::now(), Dice(0x9e37_79b9_7f4a_7c15), 0_u32);
    while start.elapsed() < time && count < 20_000 {
        let (path, bytes) = &inputs[dice.below(inputs.len())];
        let (_, other) = &inputs[dice.below(inputs.len())];
        let mutant = mutate(&mut dice, bytes, other);
        judge(
            target,
            &mutant,
            &format!("mutation {count}, of {}", path.display()),
        );
        count += 1;
    }
    #[expect(clippy::print_stdout, reason = "how much was tried is worth knowing")]
    {
        println!("{target}: {} inputs, {count} mutations", inputs.len());
    }
}

#[test]
fn every_folder_of_inputs_has_a_target_and_every_target_one() {
    let mut folders: Vec<String> = fs::read_dir(folder(""))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(folders, names);
    for name in names {
        let replayed = format!("replay(\"{name}\");");
        assert!(
            include_str!("corpora.rs").contains(&replayed),
            "{name} is not replayed"
        );
    }
}

#[test]
fn what_a_server_says_first_moves_no_cursor() {
    replay("hello");
}

#[test]
fn who_is_told_is_read_from_a_file_or_refused_at_its_place() {
    replay("notify");
}

#[test]
fn pins_and_fingerprints_are_read_as_they_are_written_or_refused() {
    replay("pins");
}

#[test]
fn no_answer_of_a_server_puts_a_pair_in_force_leaves_anything_in_place_or_moves_a_cursor() {
    replay("acme");
    replay("dns");
}

#[test]
fn configuration_of_daemons_is_read_by_the_platforms_rules_or_skipped_without_its_secrets() {
    replay("effective");
}

#[test]
fn an_identity_is_read_as_it_is_written_or_refused_without_its_secrets() {
    replay("identity");
}

#[test]
fn documents_of_every_format_are_edited_for_certain_or_refused_without_their_secrets() {
    replay("json");
    replay("toml");
    replay("xml");
    replay("yaml");
}

#[test]
fn a_journal_is_replayed_as_it_is_written_and_a_recovery_touches_only_what_it_names() {
    replay("journal");
}

#[test]
fn a_keystore_keeps_the_entries_of_others_and_is_settled_once_or_refused() {
    replay("keystore");
}

#[test]
fn what_a_peer_presents_is_judged_by_its_bytes_and_moves_no_cursor() {
    replay("peers");
}

#[test]
fn a_saved_plan_is_read_as_it_is_written_and_planning_changes_nothing() {
    replay("plan");
}

#[test]
fn a_profile_is_refused_at_its_place_or_rendered_without_showing_the_key() {
    replay("profile");
}

#[test]
fn a_receipt_is_read_as_it_is_written_or_refused() {
    replay("receipt");
}

#[test]
fn what_is_remembered_is_read_as_it_is_written_or_refused() {
    replay("rollouts");
}
