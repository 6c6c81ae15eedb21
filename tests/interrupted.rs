//! Runs that die in the middle or whose commands fail, and the three ways out: recover, recover at boot, give up.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod common;

use common::{Run, Running, Scratch, Snapshot, until};

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
        format!(
            "test -e {to}/ran && exit 0\necho $$ > {to}/id\nmv {to}/id {to}/ran\nexec sleep 3\n"
        ),
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
    let words = format!("cat /proc/{}/cmdline 2>/dev/null || true", id.trim());
    !scratch.sh(&words).is_empty()
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
fn what_recovery_at_boot_leaves_undone_is_owed_until_the_next_recovery() {
    let scratch = dawdler();
    let before = live(&scratch);
    let running = halfway(&scratch);
    running.signal("KILL");
    running.end().exits(137);
    let told = scratch.text("told");
    scratch.file("slow.sh", format!("echo told >> {told}\n"));
    // Any number of boots without a network come to the same.
    for _ in 0..2 {
        let boot = run(&scratch, "recover --boot").exits(0);
        let owed = format!("still owed:\n  run `sh {}`\n", scratch.text("slow.sh"));
        assert!(boot.out.starts_with(&owed), "{boot:#?}");
        assert!(boot.last().starts_with("placed: "), "{boot:#?}");
        run(&scratch, "status").exits(4);
    }
    assert!(!scratch.path("told").exists());
    let rest = run(&scratch, "recover").exits(0);
    assert_eq!(
        rest.last(),
        "rolled back: generation 1, everything as it was before"
    );
    assert_eq!(scratch.read("told"), "told\n");
    live(&scratch).is(&before);
    run(&scratch, "recover")
        .exits(0)
        .says("no generation is open");
}

#[test]
fn recovery_at_boot_needs_the_journal_and_nothing_else() {
    let scratch = dawdler();
    let before = live(&scratch);
    let running = halfway(&scratch);
    running.signal("KILL");
    running.end().exits(137);
    scratch.sh("rm -r P a.pem a.key slow.sh; printf 'profiles: [\\n' > state/rollouts.json");
    // No program can be found, no environment, no standard stream, an empty /run and /tmp, and no network at all.
    let script = format!(
        "mount -t tmpfs none /run; mount -t tmpfs none /etc/certroll 2>/dev/null || true; \
         exec env -i PATH=/nonexistent {} --state state recover --boot <&- >&- 2>&-",
        common::CERTROLL
    );
    let mut command = scratch.program("unshare");
    command.args(["--mount", "--net", "--fork", "sh", "-c", &script]);
    Running::start(&mut command).end().exits(0);
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

#[test]
fn a_command_gets_a_umask_of_its_own() {
    let scratch = slow("[sh, -c, \"umask > UMASK\"]");
    let profile = scratch.read("P/own/profile.yaml");
    let at = scratch.text("umask.txt");
    scratch.file("P/own/profile.yaml", profile.replace("UMASK", &at));
    let line = format!("--state state --profiles P {APPLY}");
    let script = format!("umask 077; exec {} {line}", common::CERTROLL);
    Running::start(scratch.program("sh").args(["-c", &script]))
        .end()
        .exits(0);
    assert_eq!(scratch.read("umask.txt"), "0022\n");
}
