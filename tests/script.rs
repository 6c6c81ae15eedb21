//! A plan as a script: without certroll it reaches what `apply` reaches, or goes back as the rollout would.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests run scripts on servers of their own and fail by panicking"
)]

#[path = "script/appliance.rs"]
mod appliance;
mod common;
#[path = "script/domain.rs"]
mod domain;
#[path = "era/site.rs"]
mod era_site;
#[expect(dead_code, reason = "these tests use a part of it")]
#[path = "checkpoint/gaia.rs"]
mod gaia;
#[path = "script/portal.rs"]
mod portal;
#[path = "script/refused.rs"]
mod refused;
#[path = "appliance/site.rs"]
mod site;

use common::{Run, Running, Scratch};

/// Runs a script as an operator does.
#[track_caller]
fn run(scratch: &Scratch, script: &str) -> Run {
    Running::start(&mut scratch.program(&scratch.text(script))).end()
}

/// Asserts that shellcheck has nothing to say, and that a script holds no line of a secret.
#[track_caller]
fn is_clean(scratch: &Scratch, script: &str, secrets: &[&str]) {
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
