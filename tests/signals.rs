//! Runs that are interrupted, killed or in one another's way.

mod common;

use std::time::{Duration, Instant};

use common::{Run, Running, Scratch, Snapshot, moment, until};

/// A rollout on the live host whose one service takes its time: `command` is told when a target changed.
fn slow(command: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.mint("a", "site.example.com");
    scratch.mint("b", "site.example.com");
    scratch.file("live/x.pem", "old leaf\n");
    scratch.file("live/x.key", "old key\n");
    scratch.mode("live/x.key", 0o400);
    scratch.owner("live/x.key", 12, 34);
    let to = scratch.text("live");
    scratch.profile(
        "own",
        &format!(
            "resources:\n- {{kind: pem, path: {to}/x.key, form: key}}\n- {{kind: pem, path: {to}/x.pem, form: leaf}}\n\
             - {{kind: pem, path: {to}/new/chain.pem, form: fullchain}}\n\
             services: [{{manager: command, command: {command}, limit: 30}}]\n"
        ),
    );
    scratch
}

const APPLY: &str = "apply --yes --profile own --cert a.pem --key a.key";
const OTHER: &str = "apply --yes --profile own --cert b.pem --key b.key";

fn start(scratch: &Scratch, line: &str) -> Running {
    let line = format!("--state state --profiles P {line}");
    Running::start(&mut scratch.command(&line.split(' ').collect::<Vec<_>>()))
}

fn run(scratch: &Scratch, line: &str) -> Run {
    start(scratch, line).end()
}

fn live(scratch: &Scratch) -> Snapshot {
    Snapshot::of(&scratch.path("live"), &["ran"])
}

/// Starts a rollout and waits until it is in the middle: files switched, the command running.
fn halfway(scratch: &Scratch) -> Running {
    let running = start(scratch, APPLY);
    until("the service's command", || {
        scratch.path("live/ran").exists()
    });
    assert_eq!(scratch.read("live/x.pem"), scratch.read("a.pem"));
    running
}

/// A command that says it runs, and then takes long only the first time: the way back runs it too.
fn dawdle(scratch: &Scratch) {
    let to = scratch.text("live");
    scratch.file(
        "slow.sh",
        format!("test -e {to}/ran && exit 0\necho $$ > {to}/ran\nexec sleep 3\n"),
    );
}

fn dawdler() -> Scratch {
    let scratch = slow("[sh, SCRIPT]");
    let profile = scratch.read("P/own/profile.yaml");
    let script = scratch.text("slow.sh");
    scratch.file("P/own/profile.yaml", profile.replace("SCRIPT", &script));
    dawdle(&scratch);
    scratch
}

fn is_running(scratch: &Scratch) -> bool {
    let id = scratch.read("live/ran");
    // One that ended and that nobody reaps has no words any more.
    scratch.sh(&format!(
        "cat /proc/{}/cmdline 2>/dev/null || true",
        id.trim()
    )) != ""
}

#[test]
fn a_signal_in_the_middle_rolls_back_and_frees_the_lock() {
    for signal in ["INT", "TERM", "HUP"] {
        let scratch = dawdler();
        let before = live(&scratch);
        let running = halfway(&scratch);
        let start = Instant::now();
        running.signal(signal);
        let end = running.end().exits(3);
        assert!(start.elapsed() < Duration::from_secs(15));
        assert!(
            end.out.contains(&format!("interrupted by SIG{signal}")),
            "{end:#?}"
        );
        assert!(end.last().starts_with("rolled back: "), "{end:#?}");
        live(&scratch).is(&before);
        assert!(!is_running(&scratch), "the command is gone too");
        run(&scratch, "recover").exits(0).says("nothing to recover");
        run(&scratch, APPLY).exits(0);
        run(&scratch, "rollback --yes").exits(0);
        live(&scratch).is(&before);
    }
}

#[test]
fn a_second_signal_does_not_stop_the_way_back() {
    let scratch = dawdler();
    let before = live(&scratch);
    let running = halfway(&scratch);
    for _ in 0..20 {
        running.signal("TERM");
        moment(3);
    }
    running.end().exits(3);
    live(&scratch).is(&before);
}

#[test]
fn a_second_run_is_refused_or_waits() {
    let scratch = dawdler();
    let first = halfway(&scratch);
    let id = first.id();
    let refused = run(&scratch, OTHER).exits(6);
    refused.complains(&format!(
        "error: another certroll run (process {id}) holds the lock `state/lock`\n\
         hint: wait for it with `--wait SECS`\nhost: unchanged\n"
    ));
    let start = Instant::now();
    run(&scratch, &format!("{OTHER} --wait 1")).exits(6);
    assert!(start.elapsed() >= Duration::from_secs(1));
    run(&scratch, "rollback --yes").exits(6);
    run(&scratch, "recover").exits(6);
    assert_eq!(scratch.read("live/x.pem"), scratch.read("a.pem"));
    // To look does not disturb, and says what is going on.
    run(&scratch, "history").exits(0);
    run(&scratch, "plan --profile own --cert b.pem --key b.key").exits(4);

    let second = run(&scratch, &format!("{OTHER} --wait 30"));
    let first = first.end().exits(0);
    assert!(first.last().starts_with("committed: generation 1"));
    let second = second.exits(0);
    assert!(
        second.last().starts_with("committed: generation 2"),
        "{second:#?}"
    );
    assert_eq!(scratch.read("live/x.pem"), scratch.read("b.pem"));
}

#[test]
fn a_killed_run_leaves_an_open_generation_that_recover_takes_back() {
    let scratch = dawdler();
    let before = live(&scratch);
    let running = halfway(&scratch);
    running.signal("KILL");
    running.end().exits(137);
    for line in ["status", "plan --profile own --cert a.pem --key a.key"] {
        let refused = run(&scratch, line).exits(4);
        assert!(
            refused.err.starts_with("error: generation 1 is open: ")
                && refused.err.contains("\nhint: certroll recover\n"),
            "{refused:#?}"
        );
    }
    run(&scratch, "recover").exits(0);
    assert!(!is_running(&scratch), "what outlived the run is ended");
    live(&scratch).is(&before);
    run(&scratch, "history").exits(0).says("rolled back");
    run(&scratch, APPLY).exits(0);
}

#[test]
fn a_recover_ends_no_command_of_another_hosts_run() {
    // Both are generation 1, and may well have started in the same second.
    let (here, there) = (dawdler(), dawdler());
    let killed = start(&here, APPLY);
    let other = start(&there, APPLY);
    for scratch in [&here, &there] {
        until("the service's command", || {
            scratch.path("live/ran").exists()
        });
    }
    killed.signal("KILL");
    killed.end().exits(137);
    run(&here, "recover").exits(0);
    other.end().exits(0);
}

#[test]
fn an_abandoned_generation_leaves_what_is_there() {
    let scratch = dawdler();
    let running = halfway(&scratch);
    running.signal("KILL");
    running.end().exits(137);
    let left = live(&scratch);
    run(&scratch, "recover --abandon")
        .exits(0)
        .says("generation 1 is given up");
    live(&scratch).is(&left);
    run(&scratch, "history").exits(0).says("given up");
    // Nothing was ever final, so nothing is remembered; the same rollout honours what is owed.
    run(&scratch, APPLY).exits(0);
}

#[test]
fn at_boot_files_come_back_and_no_command_runs() {
    let scratch = dawdler();
    let before = live(&scratch);
    let running = halfway(&scratch);
    running.signal("KILL");
    running.end().exits(137);
    scratch.file(
        "slow.sh",
        "touch started-at-boot; touch live/started; exit 0\n",
    );
    run(&scratch, "recover --boot").exits(0);
    live(&scratch).is(&before);
}

#[test]
fn a_command_that_fails_or_runs_past_its_limit_is_rolled_back() {
    for (command, cause) in [
        ("[\"false\"]", "`false` exited with 1"),
        ("[no-such-program]", "`no-such-program` was not found"),
    ] {
        let scratch = slow(command);
        let before = live(&scratch);
        let end = run(&scratch, APPLY);
        assert!(end.out.contains(cause), "{end:#?}");
        // The command of the way back fails as well: the files are back, and that is said.
        assert!([3, 4].contains(&end.code), "{end:#?}");
        live(&scratch).is(&before);
    }
    let scratch = dawdler();
    let before = live(&scratch);
    let profile = scratch.read("P/own/profile.yaml");
    scratch.file(
        "P/own/profile.yaml",
        profile.replace("limit: 30", "limit: 1"),
    );
    let end = run(&scratch, APPLY).exits(3);
    assert!(end.out.contains("limit of 1 s"), "{end:#?}");
    live(&scratch).is(&before);
}
