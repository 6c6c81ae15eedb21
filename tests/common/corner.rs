//! A scratch corner of the live machine, with a profile whose one service is told through a script.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    dead_code,
    reason = "tests look at processes and files; each uses a part of this"
)]

use std::{fs, process::Command};

use crate::common::{Run, Running, Scratch, Snapshot, skip, until};

pub(crate) const APPLY: &str = "apply --profile own --cert a.pem --key a.key --yes";

/// Waits at its first start, so that a run can be met in the middle; a later start, as of a rollback, does not wait.
pub(crate) const WAITS: &str = "[ -e ready ] && exit 0; : >ready; n=0; while [ ! -e go ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done";

/// A place on this machine whose profile tells its one service through `act`; none where this is not root.
pub(crate) fn corner(act: &str) -> Option<Scratch> {
    if !nix::unistd::geteuid().is_root() {
        skip("only root rolls out on `/`");
        return None;
    }
    let scratch = Scratch::new();
    scratch.mint("a", "one.example.com");
    scratch.file("t/server.key", "an old key\n");
    scratch.mode("t/server.key", 0o640);
    scratch.owner("t/server.key", 12, 34);
    scratch.file(
        "act",
        format!("#!/bin/sh\ncd {}\n{act}\n", scratch.text("")),
    );
    scratch.mode("act", 0o755);
    let at = scratch.text("");
    scratch.profile(
        "own",
        &format!(
            "resources:\n  - {{kind: pem, path: {at}t/server.key, form: key}}\n\
             \x20 - {{kind: pem, path: {at}t/new/server.crt, form: fullchain}}\n\
             services:\n  - {{manager: command, command: [{at}act]}}\n"
        ),
    );
    Some(scratch)
}

pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

pub(crate) fn command(scratch: &Scratch, line: &str) -> Command {
    let mut command = scratch.command(&[
        "--state",
        &scratch.text("state"),
        "--profiles",
        &scratch.text("P"),
    ]);
    command.args(words(line));
    command
}

pub(crate) fn start(scratch: &Scratch, line: &str) -> Running {
    Running::start(&mut command(scratch, line))
}

pub(crate) fn run(scratch: &Scratch, line: &str) -> Run {
    start(scratch, line).end()
}

pub(crate) fn tree(scratch: &Scratch) -> Snapshot {
    Snapshot::of(&scratch.path("t"), &[])
}

pub(crate) fn ready(scratch: &Scratch) {
    until("the service's command", || scratch.path("ready").exists());
}

pub(crate) fn generations(scratch: &Scratch) -> usize {
    let history = run(scratch, "--json history").exits(0).json();
    history["generations"].as_array().unwrap().len()
}

/// Ends a run the hard way, which leaves its commands' working directory behind.
pub(crate) fn kill(scratch: &Scratch, run: Running) -> Run {
    let pid = run.id();
    run.signal("KILL");
    let ended = run.end();
    scratch.sh(&format!(
        "rm -rf /run/certroll-{pid}-* /tmp/certroll-{pid}-*"
    ));
    ended
}

/// Process ids of what runs in or from the corner.
pub(crate) fn left_running(scratch: &Scratch) -> Vec<String> {
    let at = scratch.text("");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_process = name.bytes().all(|byte| byte.is_ascii_digit());
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let is_in = fs::read_link(entry.path().join("cwd")).is_ok_and(|dir| dir.starts_with(&at));
        if is_process && (is_in || line.contains(&at)) {
            found.push(format!("{name}: {line}"));
        }
    }
    found
}

#[track_caller]
pub(crate) fn nothing_is_left(scratch: &Scratch) {
    assert_eq!(left_running(scratch), Vec::<String>::new());
    assert!(!scratch.path("state/pending").exists());
    assert_eq!(scratch.sh("find t -name '.certroll-*'"), "");
}
