//! How far a matrix goes, and the rows of the table in docs/reliability.md.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    dead_code,
    reason = "each test file uses a part of this; the table is made of files that tests write"
)]

use std::{env, fs, path::PathBuf};

/// How much of a matrix a run covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// The fast ring: every kill on one kind of file system, samples of the rest.
    Fast,
    /// `scripts/test --lab`: every case.
    Lab,
    /// `scripts/reliability`: every case, and as many modelled states, races and executions as the table claims.
    Full,
}

/// Returns the depth that `CERTROLL_DEPTH` asks for: `fast` (the default), `lab` or `full`.
pub(crate) fn depth() -> Depth {
    match env::var("CERTROLL_DEPTH").as_deref() {
        Err(_) | Ok("fast") => Depth::Fast,
        Ok("lab") => Depth::Lab,
        Ok("full") => Depth::Full,
        Ok(other) => panic!("CERTROLL_DEPTH is `{other}`; fast, lab and full are known"),
    }
}

/// One row of the table: what was tried, how often, and how it went.
#[derive(Debug)]
pub(crate) struct Tally {
    /// File name of the row, which also gives its place in the table: `10-kills-ext4`.
    pub(crate) row: String,
    /// The section of `scripts/reliability` that reproduces it: `kills`.
    pub(crate) section: &'static str,
    /// What was tried, for a reader of the table.
    pub(crate) tried: String,
    /// Cases that ran to their judgement.
    pub(crate) cases: u64,
    /// Cases whose injection was not reached: must be none.
    pub(crate) not_reached: u64,
    /// Cases that broke the promise: must be none.
    pub(crate) failures: u64,
}

impl Tally {
    /// Prints the row, keeps it where `CERTROLL_TALLY` names a directory, and asserts that nothing failed, that every
    /// case was reached, and that there was one.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let row = format!(
            "| {} | {} | {} | {} | `scripts/reliability {}` |",
            self.tried, self.cases, self.not_reached, self.failures, self.section
        );
        println!("{row}");
        if let Some(dir) = env::var_os("CERTROLL_TALLY") {
            let path = PathBuf::from(dir).join(format!("{}.row", self.row));
            fs::write(path, format!("{row}\n")).unwrap();
        }
        assert!(self.cases > 0, "nothing was tried: {row}");
        assert_eq!((self.not_reached, self.failures), (0, 0), "{row}");
    }
}
