//! Which runs are told besides those that end well: stuck ones, deferred ones, and recoveries; and which are told to nobody.

use super::notify::{APPLY, Told, command, run, scratch};
use crate::common::Scratch;

/// A directory as [`scratch`] makes it, whose profile's service is told by `reload`, which fails until it is mended.
fn faulty() -> Option<Scratch> {
    let scratch = scratch()?;
    let at = scratch.text("");
    scratch.profile(
        "own",
        &format!(
            "resources:\n  - {{kind: pem, path: {at}t/site.key, form: key}}\n  - {{kind: pem, path: {at}t/site.pem, form: fullchain}}\n\
             services:\n  - {{manager: command, command: ['{at}reload']}}\n"
        ),
    );
    reloads(&scratch, "exit 0");
    Some(scratch)
}

fn reloads(scratch: &Scratch, body: &str) {
    scratch.file("reload", format!("#!/bin/sh\n{body}\n"));
    scratch.mode("reload", 0o755);
}

/// Notes of whom is told: outcome, rollout and number of each run.
fn noting(scratch: &Scratch) -> Told<'static> {
    command(
        scratch,
        &format!(
            "grep -q '\"outcome\": \"'$2'\"' $5 || exit 1; echo \"$2 $3 $4\" >> {}",
            scratch.text("told")
        ),
    )
}

const NEW: &str = "apply --profile own --cert two.pem --key two.key --yes";

#[test]
fn a_stuck_run_is_told_and_each_recovery_of_it_but_that_at_boot() {
    let Some(scratch) = faulty() else { return };
    let told = noting(&scratch);
    scratch.file("told", "");
    let mut wanted = String::new();
    let mut tells = |line: &str, code: i32, more: &str| {
        let ended = run(&scratch, &told, line).exits(code);
        wanted += more;
        assert_eq!(scratch.read("told"), wanted, "{line}: {ended:#?}");
    };
    tells(APPLY, 0, "committed own 1\n");
    reloads(&scratch, "exit 1");
    tells(NEW, 4, "stuck own 2\n");
    // What `apply` recovers first is told, whatever becomes of it.
    tells(NEW, 4, "stuck own 2\n");
    tells("recover", 4, "stuck own 2\n");
    reloads(&scratch, "exit 0");
    tells("recover", 0, "rolled-back own 2\n");
    reloads(&scratch, "exit 1");
    tells(NEW, 4, "stuck own 3\n");
    reloads(&scratch, "exit 0");
    tells(NEW, 0, "rolled-back own 3\ncommitted own 4\n");
    // At boot nobody is: what that one left to do is told by the next.
    reloads(&scratch, "exit 1");
    tells(APPLY, 4, "stuck own 5\n");
    reloads(&scratch, "exit 0");
    tells("recover --boot", 0, "");
}

#[test]
fn a_deferred_run_is_told_as_placed_and_one_under_a_root_is_told_to_nobody() {
    let Some(scratch) = scratch() else { return };
    let told = noting(&scratch);
    scratch.file("told", "");
    run(&scratch, &told, &format!("{APPLY} --defer")).exits(0);
    assert_eq!(scratch.read("told"), "placed own 1\n");
    // Neither as the machine's file says nor as that of the tree does.
    scratch.sh("mkdir -p R/etc R$PWD/t; cp -a etc/certroll R/etc; cp -a tell R$PWD");
    run(&scratch, &told, &format!("--root R {NEW}")).exits(0);
    assert!(
        scratch
            .path("R")
            .join(&scratch.text("t/site.pem")[1..])
            .exists()
    );
    assert_eq!(scratch.read("told"), "placed own 1\n");
}

#[test]
fn a_stuck_run_is_critical_for_a_plugin_until_somebody_sees_to_it() {
    let Some(scratch) = faulty() else { return };
    let nobody = noting(&scratch);
    run(&scratch, &nobody, APPLY).exits(0);
    run(&scratch, &nobody, "status --format nagios").exits(0);
    reloads(&scratch, "exit 1");
    run(&scratch, &nobody, NEW).exits(4);
    let plugin = || run(&scratch, &nobody, "status --format nagios");
    let stuck = plugin().exits(2).out;
    assert!(stuck.starts_with("CERTROLL CRITICAL - "), "{stuck}");
    for says in [
        "generation 2 is open, `certroll recover`",
        "own: generation 2: stuck",
    ] {
        assert!(stuck.contains(says), "no {says}: {stuck}");
    }
    run(&scratch, &nobody, "recover --abandon").exits(0);
    // To give it up mends nothing: the next run does.
    let given_up = plugin().exits(2).out;
    assert!(
        given_up.starts_with("CERTROLL CRITICAL - own: generation 2: stuck"),
        "{given_up}"
    );
    reloads(&scratch, "exit 0");
    run(&scratch, &nobody, NEW).exits(0);
    plugin().exits(0);
}
