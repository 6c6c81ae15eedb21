//! Signals, the lock and closed streams on the live machine, in a scratch corner of it: however a run is disturbed, the
//! corner is old or new, and the next run is not in its way.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests look at processes and files, and fail by panicking"
)]

mod common;

use std::{fs, process::Command};

use common::{CERTROLL, Run, Running, Scratch, Snapshot, moment, skip, until};

const APPLY: &str = "apply --profile own --cert a.pem --key a.key --yes";

/// A place on this machine whose profile tells its one service through `act`; none where this is not root.
fn corner(act: &str) -> Option<Scratch> {
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

/// Waits at its first start, so that a run can be met in the middle; a later start, as of a rollback, does not wait.
const WAITS: &str = "[ -e ready ] && exit 0; : >ready; n=0; while [ ! -e go ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done";

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn command(scratch: &Scratch, line: &str) -> Command {
    let mut command = scratch.command(&[
        "--state",
        &scratch.text("state"),
        "--profiles",
        &scratch.text("P"),
    ]);
    command.args(words(line));
    command
}

fn start(scratch: &Scratch, line: &str) -> Running {
    Running::start(&mut command(scratch, line))
}

fn run(scratch: &Scratch, line: &str) -> Run {
    start(scratch, line).end()
}

fn tree(scratch: &Scratch) -> Snapshot {
    Snapshot::of(&scratch.path("t"), &[])
}

fn ready(scratch: &Scratch) {
    until("the service's command", || scratch.path("ready").exists());
}

fn generations(scratch: &Scratch) -> usize {
    let history = run(scratch, "--json history").exits(0).json();
    history["generations"].as_array().unwrap().len()
}

/// Ends a run the hard way, which leaves its commands' working directory behind.
fn kill(scratch: &Scratch, run: Running) -> Run {
    let pid = run.id();
    run.signal("KILL");
    let ended = run.end();
    scratch.sh(&format!(
        "rm -rf /run/certroll-{pid}-* /tmp/certroll-{pid}-*"
    ));
    ended
}

/// Process ids of what runs in or from the corner.
fn left_running(scratch: &Scratch) -> Vec<String> {
    let at = scratch.text("");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_process = name.bytes().all(|byte| byte.is_ascii_digit());
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if is_process && String::from_utf8_lossy(&line).contains(&at) {
            found.push(format!("{name}: {}", String::from_utf8_lossy(&line)));
        }
    }
    found
}

#[track_caller]
fn nothing_is_left(scratch: &Scratch) {
    assert_eq!(left_running(scratch), Vec::<String>::new());
    assert!(!scratch.path("state/pending").exists());
    assert_eq!(scratch.sh("find t -name '.certroll-*'"), "");
}

#[test]
fn a_signal_while_a_service_is_told_rolls_back_and_leaves_nothing() {
    for signal in ["INT", "TERM", "HUP"] {
        let Some(scratch) = corner(WAITS) else {
            return;
        };
        let before = tree(&scratch);
        let running = start(&scratch, APPLY);
        ready(&scratch);
        assert_ne!(tree(&scratch), before, "the change is live by then");
        running.signal(signal);
        moment(50);
        scratch.file("go", "");
        let ended = running.end().exits(3);
        assert!(
            ended.last().starts_with("rolled back: generation 1")
                && (ended.out.clone() + &ended.err)
                    .contains(&format!("interrupted by SIG{signal}")),
            "{ended:#?}"
        );
        tree(&scratch).is(&before);
        nothing_is_left(&scratch);
        let again = run(&scratch, APPLY).exits(0);
        assert!(
            again.last().starts_with("committed: generation 2"),
            "{again:#?}"
        );
    }
}

#[test]
fn a_signal_that_has_to_wait_for_a_command_says_for_which_and_how_long() {
    let Some(scratch) = corner(WAITS) else {
        return;
    };
    let before = tree(&scratch);
    let at = scratch.text("");
    let line = format!("exec {CERTROLL} --state {at}state --profiles {at}P {APPLY} 2>told");
    let running = Running::start(scratch.program("sh").args(["-euc", &line]));
    ready(&scratch);
    running.signal("TERM");
    let said = format!("SIGTERM: waiting for `{at}act` to end, at most ");
    until("the line about the signal", || {
        scratch.read("told").contains(&said)
    });
    scratch.file("go", "");
    running.end().exits(3);
    let told = scratch.read("told");
    assert_eq!(told.matches(&said).count(), 1, "{told}");
    let (_, rest) = told.split_once(&said).unwrap();
    let seconds: u64 = rest.split_once(" s\n").unwrap().0.parse().unwrap();
    assert!((1..=120).contains(&seconds), "{told}");
    tree(&scratch).is(&before);
    nothing_is_left(&scratch);
}

#[test]
fn two_signals_and_those_that_come_on_the_way_back_change_nothing_more() {
    let Some(scratch) = corner(
        "[ -e back ] && exit 0; [ -e ready ] && : >back && sleep 0.5; : >ready; [ -e go ] || sleep 0.5; : >go",
    ) else {
        return;
    };
    let before = tree(&scratch);
    let running = start(&scratch, APPLY);
    ready(&scratch);
    running.signal("TERM");
    running.signal("INT");
    until("the way back", || scratch.path("back").exists());
    running.signal("INT");
    running.signal("HUP");
    running.end().exits(3);
    tree(&scratch).is(&before);
    nothing_is_left(&scratch);
}

#[test]
fn a_hangup_that_the_caller_ignores_is_ignored() {
    let Some(scratch) = corner(WAITS) else {
        return;
    };
    let line = format!(
        "trap '' HUP; exec {CERTROLL} --state {0}state --profiles {0}P {APPLY}",
        scratch.text("")
    );
    let running = Running::start(scratch.program("sh").args(["-euc", &line]));
    ready(&scratch);
    running.signal("HUP");
    moment(50);
    scratch.file("go", "");
    running.end().exits(0);
    nothing_is_left(&scratch);
}

#[test]
fn a_second_run_is_told_who_holds_the_lock_or_waits_for_it() {
    let Some(scratch) = corner(WAITS) else {
        return;
    };
    let first = start(&scratch, APPLY);
    ready(&scratch);
    for line in [APPLY, "rollback --yes", "forget own", "recover"] {
        let second = run(&scratch, line).exits(6);
        assert_eq!(
            second.err,
            format!(
                "error: another certroll run (process {}) holds the lock `{}/lock`\nhint: wait for it with `--wait SECS`\nhost: unchanged\n",
                first.id(),
                scratch.text("state")
            )
        );
    }
    let brief = run(&scratch, &format!("{APPLY} --wait 1")).exits(6);
    assert!(brief.err.contains(&first.id().to_string()), "{brief:#?}");
    let mut waiting = start(&scratch, &format!("{APPLY} --wait 20"));
    moment(200);
    assert!(!waiting.has_ended(), "it waits");
    // A run that waits can be called off.
    let called_off = start(&scratch, &format!("{APPLY} --wait 20"));
    moment(200);
    called_off.signal("TERM");
    assert_ne!(called_off.end().code, 0);
    scratch.file("go", "");
    first.end().exits(0);
    let second = waiting.end().exits(0);
    assert!(second.last().starts_with("converged: "), "{second:#?}");
    assert_eq!(generations(&scratch), 1);
    nothing_is_left(&scratch);
}

#[test]
fn a_holder_that_is_killed_never_blocks_the_next_run() {
    for next in [APPLY, "recover"] {
        let Some(scratch) = corner(WAITS) else {
            return;
        };
        let before = tree(&scratch);
        let first = start(&scratch, APPLY);
        ready(&scratch);
        assert_eq!(kill(&scratch, first).code, 128 + 9);
        assert_ne!(tree(&scratch), before);
        run(&scratch, "plan").exits(4);
        run(&scratch, next).exits(0);
        if next == "recover" {
            tree(&scratch).is(&before);
        } else {
            assert_ne!(tree(&scratch), before);
        }
        nothing_is_left(&scratch);
    }
}

/// Runs of two state directories have the same numbers, and may have begun in the same second.
#[test]
fn a_recovery_ends_the_commands_of_its_own_run_alone() {
    for _ in 0..5 {
        let (Some(bystander), Some(dead)) = (corner(WAITS), corner(WAITS)) else {
            return;
        };
        let (runs, killed) = (start(&bystander, APPLY), start(&dead, APPLY));
        ready(&bystander);
        ready(&dead);
        kill(&dead, killed);
        run(&dead, "recover").exits(0);
        bystander.file("go", "");
        runs.end().exits(0);
        let begun = |scratch: &Scratch| {
            let journal = scratch.read("state/generations/000001/journal.jsonl");
            let first: serde_json::Value =
                serde_json::from_str(journal.lines().next().unwrap()).unwrap();
            first["started"].as_i64().unwrap()
        };
        if begun(&bystander) == begun(&dead) {
            return;
        }
    }
    panic!("never two runs in one second");
}

#[test]
fn of_ten_runs_at_once_one_commits_and_the_others_are_locked_out_or_converge() {
    let Some(scratch) = corner(WAITS) else {
        return;
    };
    let mut runs: Vec<Running> = (0..10).map(|_| start(&scratch, APPLY)).collect();
    until("nine to end", || {
        runs.iter_mut()
            .filter_map(|run| run.has_ended().then_some(()))
            .count()
            == 9
    });
    scratch.file("go", "");
    let mut codes: Vec<i32> = runs.into_iter().map(|run| run.end().code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 6, 6, 6, 6, 6, 6, 6, 6, 6]);
    assert_eq!(generations(&scratch), 1);
    nothing_is_left(&scratch);

    let scratch = corner("sleep 0.1").unwrap();
    let runs: Vec<Running> = (0..10)
        .map(|_| start(&scratch, &format!("{APPLY} --wait 20")))
        .collect();
    let ended: Vec<Run> = runs.into_iter().map(Running::end).collect();
    let count = |outcome: &str| {
        let good = |run: &&Run| run.code == 0 && run.last().starts_with(outcome);
        ended.iter().filter(good).count()
    };
    assert_eq!(
        (count("committed: "), count("converged: ")),
        (1, 9),
        "{ended:#?}"
    );
    assert_eq!(generations(&scratch), 1);
}

/// Commands that say much, little and nothing good, in an order that changes the corner on the way.
const SAYINGS: &[&str] = &[
    "--help",
    "--version",
    "no-such-command",
    "plan --profile own --cert a.pem --key a.key",
    "--json plan --profile own --cert a.pem --key a.key",
    "plan --profile own --cert missing.pem --key a.key",
    APPLY,
    "apply --yes",
    "--json apply --yes",
    "status",
    "history",
    "show 1",
    "inspect a.pem a.key",
    "profiles list",
    "profiles show wazo",
    "probe 127.0.0.1:1",
    "rollback --yes",
    "recover",
];

#[test]
fn closed_streams_change_neither_outcome_nor_tree() {
    let ways = [
        "%",
        "% >&-",
        "% 2>&-",
        "% >&- 2>&- <&-",
        "% >/dev/full",
        "% 2>/dev/full >/dev/full",
        "{ %; } | head -n 0",
        "{ % 2>&1; } | true",
    ];
    let mut seen: Vec<(Vec<String>, Vec<Snapshot>)> = Vec::new();
    for way in ways {
        let Some(scratch) = corner("echo told; echo too >&2") else {
            return;
        };
        let (mut codes, mut trees) = (Vec::new(), Vec::new());
        for line in SAYINGS {
            let inner = format!("{CERTROLL} --state state --profiles P {line}");
            // What ends in a pipe has its code written down before the pipe takes it away.
            let script = way.replace('%', &format!("sh -c '{inner}; echo $? >code'"));
            let run = Running::start(scratch.program("sh").args(["-uc", &script])).end();
            assert!(!run.err.contains("panicked"), "{way}: {run:#?}");
            codes.push(format!("{line}: {}", scratch.read("code").trim()));
            trees.push(tree(&scratch));
        }
        assert_ne!(trees.first(), trees.get(8));
        seen.push((codes, trees));
    }
    for (way, found) in ways.iter().zip(&seen) {
        assert_eq!(found.0, seen[0].0, "{way}");
        for ((line, found), usual) in SAYINGS.iter().zip(&found.1).zip(&seen[0].1) {
            // Each corner has a pair of its own: attributes and names are what can be compared.
            let shape = |tree: &Snapshot| -> Vec<String> {
                let objects = tree.0.iter();
                objects
                    .map(|(path, o)| format!("{} {:o} {:?}", path.display(), o.mode, o.owner))
                    .collect()
            };
            assert_eq!(shape(found), shape(usual), "{way}: {line}");
        }
    }
}
