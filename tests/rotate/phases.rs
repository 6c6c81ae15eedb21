//! Each phase, alone and in a row: what is accepted in it, how it is taken back, and how it is continued.

use crate::{
    common::{Running, until},
    nginx::generations,
    pair::{NEW, Pair},
};

const PHASES: [&str; 4] = ["trust", "backend", "gateway", "clean"];

#[test]
fn a_pair_is_rotated_under_constant_calls_and_none_fails() {
    let Some(pair) = Pair::old() else { return };
    pair.takes_only(&["old"]);
    let plan = pair
        .certroll(&format!("plan --profile pair {NEW}"))
        .exits(5);
    assert!(
        plan.out.contains(
            "phase trust (1 of 4); then backend, gateway, clean, each planned when it is due\n"
        ),
        "{plan:#?}"
    );
    let calls = pair.calls();
    let applied = pair
        .certroll(&format!("apply --profile pair {NEW} --yes"))
        .exits(0);
    let made = calls.all_well();
    for (n, phase) in PHASES.iter().enumerate() {
        let said = format!(
            "phase {phase} ({n} of 4) is done: generation {n}\n",
            n = n + 1
        );
        assert!(applied.err.contains(&said), "no {said:?} in {applied:#?}");
    }
    assert_eq!(
        applied.last(),
        "committed: phase clean (4 of 4), generation 4, 5 probes good",
        "after {made} calls"
    );
    pair.shows("new", "new");
    pair.takes_only(&["new"]);
    for trusted in ["backend/trust/clients.pem", "gateway/trust/backends.pem"] {
        let text = pair.scratch.read(trusted);
        assert!(text.starts_with("# put here by hand\n# "), "{text}");
        assert_eq!(text.matches("BEGIN").count(), 1, "{text}");
    }
    let again = pair
        .certroll(&format!("apply --profile pair {NEW} --yes"))
        .exits(0);
    assert!(again.last().starts_with("converged: "), "{again:#?}");
    pair.certroll("apply --yes").exits(0);
    pair.certroll("status").exits(0).says("pair: as wanted\n");
    assert_eq!(generations(&pair.scratch), 4);

    // And all the way back, one by one: the key of before is kept as long as that.
    let calls = pair.calls();
    for n in (0..4).rev() {
        pair.certroll("rollback --yes").exits(0);
        pair.is_after(n);
    }
    calls.all_well();
}

#[test]
fn a_phase_that_a_person_took_back_stays_back_until_it_is_asked_for() {
    let Some(pair) = Pair::old() else { return };
    for (n, phase) in PHASES.iter().enumerate() {
        pair.until(phase);
        if !["backend", "clean"].contains(phase) {
            continue;
        }
        pair.certroll("rollback --yes").exits(0);
        pair.is_after(n);
        pair.certroll("apply --yes").exits(0).says("converged: ");
        pair.certroll("hooks run timer").exits(0);
        let status = pair.certroll("status").exits(5);
        let standing = format!(
            "rotation {} ({n} of 4) is done; next is {phase}\n  hint: go on: `certroll apply pair --until clean`\n",
            PHASES[n - 1]
        );
        assert!(
            status.out.contains(&standing),
            "no {standing:?} in {status:#?}"
        );
        pair.is_after(n);
        pair.certroll(&format!("apply pair --until {phase} --yes"))
            .exits(0);
        pair.is_after(n + 1);
    }
}

#[test]
fn a_run_that_is_killed_in_any_phase_says_in_which_and_is_continued_by_the_same_command() {
    let Some(pair) = Pair::old() else { return };
    let scratch = &pair.scratch;
    let reload = pair.reload("backend").join(" ").replace("backend", "$1");
    let top = scratch.text("");
    scratch.file(
        "slow",
        format!("#!/bin/sh -eu\n{reload}\ncd {top}\nif rmdir stall 2>/dev/null\nthen\n    mkdir stalled\n    sleep 60\nfi\n"),
    );
    scratch.mode("slow", 0o755);
    pair.profile(|side| vec![scratch.text("slow"), side.to_owned()]);
    let calls = pair.calls();
    let line = format!("apply --profile pair {NEW} --yes");
    for (n, phase) in PHASES.iter().enumerate() {
        scratch.dir("stall");
        let words = format!("--state S --profiles P {line}");
        let run = Running::start(&mut scratch.command(&words.split(' ').collect::<Vec<_>>()));
        until("the command", || scratch.path("stalled").exists());
        run.signal("KILL");
        run.end().exits(128 + 9);
        scratch.sh("rmdir stalled");
        let status = pair.certroll("status").exits(4);
        let said = format!("did not end in phase {phase} ({} of 4)", n + 1);
        assert!(status.err.contains(&said), "no {said:?} in {status:#?}");
        pair.certroll(&format!("{line} --until {phase}")).exits(0);
    }
    calls.all_well();
    pair.shows("new", "new");
    pair.takes_only(&["new"]);
}

#[test]
fn a_phase_that_is_not_proved_goes_back_and_those_before_it_stand() {
    let Some(pair) = Pair::old() else { return };
    pair.until("trust");
    // Whoever is told does nothing: the new leaf is never served.
    pair.profile(|_| vec!["true".to_owned()]);
    pair.gives_up_soon();
    let failed = pair
        .certroll(&format!("apply --profile pair {NEW} --yes"))
        .exits(3);
    assert_eq!(
        failed.last(),
        "rolled back: phase backend (2 of 4), generation 2, everything as it was before"
    );
    pair.shows("old", "old");
    pair.takes_only(&["old", "new"]);
    pair.certroll("status")
        .exits(5)
        .says("rotation trust (1 of 4) is done; next is backend\n");
    pair.profile(|side| pair.reload(side));
    pair.certroll("apply --until clean --yes").exits(0);
    pair.takes_only(&["new"]);
}

#[test]
fn old_trust_stays_where_a_client_that_shows_nothing_is_accepted() {
    let Some(pair) = Pair::old() else { return };
    let config = pair.scratch.read("backend/nginx.conf");
    let open = config.replace("ssl_verify_client on", "ssl_verify_client optional");
    pair.scratch.file("backend/nginx.conf", open);
    pair.reload_backend();
    assert!(pair.takes(""));
    pair.gives_up_soon();
    let failed = pair
        .certroll(&format!("apply --profile pair {NEW} --yes"))
        .exits(3);
    assert!(
        failed
            .out
            .contains("without a client certificate 127.0.0.1:")
            && failed
                .out
                .contains(" answers 200: want a client that is refused"),
        "{failed:#?}"
    );
    assert_eq!(generations(&pair.scratch), 1);
}
