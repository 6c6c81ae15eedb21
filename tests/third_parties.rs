//! What others did to the files and to the state directory meanwhile: said clearly, nothing overwritten, and a way out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod common;
#[path = "third_parties/files.rs"]
mod files;
#[path = "third_parties/formats.rs"]
mod formats;
#[path = "third_parties/journal.rs"]
mod journal;

use common::{Running, Scratch, Snapshot};

const A: &str = "--profile wazo --cert a.pem --key a.key";
const B: &str = "--profile wazo --cert b.pem --key b.key";
const STATE: &str = "R/var/lib/certroll";

fn two_pairs() -> Scratch {
    let scratch = Scratch::wazo();
    scratch.mint("a", "wazo.example.com");
    scratch.mint("b", "wazo.example.com");
    scratch
}

/// A root on which the first pair is in place.
fn placed() -> Scratch {
    let scratch = two_pairs();
    scratch.on_root(&format!("apply {A} --yes")).exits(0);
    scratch
}

/// A root on which the first pair is in place, and a run that puts the second in place was killed between key and leaf.
fn open() -> Scratch {
    let scratch = placed();
    // `pending` and the key are renamed; the leaf's turn does not come.
    let mut command = scratch.program("strace");
    let inject = "inject=rename,renameat,renameat2:signal=KILL:when=3";
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", inject]);
    command.args([common::CERTROLL, "--root", "R", "apply", "--yes"]);
    Running::start(command.args(B.split(' '))).end().exits(137);
    let journal = scratch.read(&format!("{STATE}/generations/000002/journal.jsonl"));
    assert!(journal.contains("\"staged\"") && !journal.contains("\"switched\""));
    scratch
}

fn state(scratch: &Scratch) -> Snapshot {
    Snapshot::of(&scratch.path(STATE), &["lock"])
}

/// The root without what a run staged and a recovery takes away.
fn unstaged(scratch: &Scratch) -> Snapshot {
    let mut tree = scratch.tree();
    tree.0
        .retain(|path, _| !path.to_string_lossy().contains("/.certroll-"));
    tree
}

/// Asserts that the next rollout works.
#[track_caller]
fn works(scratch: &Scratch) {
    scratch.mint("c", "wazo.example.com");
    let c = "--profile wazo --cert c.pem --key c.key";
    scratch.on_root(&format!("plan {c}")).exits(5);
    scratch.on_root(&format!("apply {c} --yes")).exits(0);
    assert_eq!(
        scratch.read("R/usr/share/xivo-certs/server.crt"),
        scratch.read("c.pem")
    );
    scratch.on_root("status").exits(0);
    scratch.on_root("history").exits(0);
}
