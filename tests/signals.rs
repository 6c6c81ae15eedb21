//! Signals, the lock and closed streams on the live machine, in a scratch corner of it: however a run is disturbed, the
//! corner is old or new, and the next run is not in its way.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests look at processes and files, and fail by panicking"
)]

mod common;
#[path = "common/corner.rs"]
mod corner;

use common::{CERTROLL, Running, Snapshot, moment, until};
use corner::{APPLY, WAITS, corner, generations, kill, nothing_is_left, ready, run, start, tree};

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
        let begun = |scratch: &common::Scratch| {
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

/// What a way of losing output makes of exit codes: where a disk is full, what only looks has told nothing.
fn codes_of(way: &str, usual: &[String]) -> Vec<String> {
    let lost = way.contains(" >/dev/full");
    let code = |line: &String| {
        let (said, code) = line.rsplit_once(": ").unwrap();
        let changes = said.contains("apply ") || said.starts_with("rollback");
        match code {
            "0" | "5" if lost && !changes => format!("{said}: 1"),
            _ => line.clone(),
        }
    };
    usual.iter().map(code).collect()
}

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
        assert_eq!(found.0, codes_of(way, &seen[0].0), "{way}");
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
