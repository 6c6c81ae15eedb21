//! Scripts of `plan --emit-script`, run as an operator does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use crate::common::{Run, Running, Scratch};

/// Runs a script.
#[track_caller]
pub(crate) fn run(scratch: &Scratch, script: &str) -> Run {
    Running::start(&mut scratch.program(&scratch.text(script))).end()
}

/// Asserts that shellcheck has nothing to say, and that a script holds no line of a secret.
#[track_caller]
pub(crate) fn is_clean(scratch: &Scratch, script: &str, secrets: &[&str]) {
    let check = scratch
        .program("shellcheck")
        .args(["--shell", "sh", script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success() && said.is_empty(), "{said}");
    let text = scratch.read(script);
    for secret in secrets {
        let body = secret.lines().filter(|line| !line.starts_with("-----"));
        for line in body {
            assert!(line.len() > 4 && !text.contains(line), "{line} is in it");
        }
    }
}
