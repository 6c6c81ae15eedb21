//! `hooks run` on the machine itself: what is rolled back, and what a run that tells no service leaves to the next.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod common;
#[path = "common/nginx.rs"]
mod nginx;

use certroll::{
    desired::{Action, Manager, Service},
    service::{UnitState, not_started_since},
};
use common::{Run, Scratch, skip};
use nginx::{Nginx, cannot};

/// A directory with the pairs `old` and `new`; none where these tests cannot run.
fn minted() -> Option<Scratch> {
    if let Some(reason) = cannot() {
        skip(reason);
        return None;
    }
    let scratch = Scratch::new();
    for pair in ["old", "new"] {
        scratch.mint(pair, "localhost");
    }
    Some(scratch)
}

/// Asserts that a hook has nothing to do, and says nothing.
#[track_caller]
fn is_quiet(run: &Run) {
    let found = (run.code, run.out.as_str(), run.err.as_str());
    assert_eq!(found, (0, "", ""), "{run:#?}");
}

#[test]
fn a_rollout_that_was_rolled_back_is_not_tried_again_by_a_hook_within_a_day() {
    let Some(scratch) = minted() else { return };
    let web = Nginx::serving(&scratch, "web", "old");
    web.reloads(&scratch);
    let live = |line: &str| scratch.certroll(&format!("--state S --profiles P {line}"));
    live("apply --yes --profile web --cert new.pem --key new.key").exits(0);
    let good = web.tree(&scratch);
    is_quiet(&live("hooks run path"));

    // The pair is gone, and the server would refuse what the rollout writes.
    let broken = "web/broken.conf";
    scratch.file("web/conf.d/broken.conf", "no_such_directive on;\n");
    scratch.sh("rm web/pki/site.pem");
    let run = live("hooks run path").exits(3);
    assert!(
        run.last().starts_with("rolled back: generation 2"),
        "{run:#?}"
    );
    for _ in 0..2 {
        let run = live("hooks run path").exits(1);
        assert!(
            run.err
                .contains("not tried again: generation 2 did the very same"),
            "{run:#?}"
        );
        assert!(run.err.contains("hint: `certroll show 2` says why"));
    }
    let history = live("history").exits(0);
    assert_eq!(history.out.lines().count(), 1 + 2, "{history:#?}");
    // By hand it is tried at once, and what has changed since is tried by the hook too.
    live("apply --yes").exits(3);
    scratch.sh(&format!(
        "mv web/conf.d/broken.conf {broken}; chmod 644 web/pki/site.key"
    ));
    live("hooks run path").exits(0);
    scratch.sh(&format!("rm {broken}"));
    web.tree(&scratch).is(&good);
    web.serves(&scratch, "new");
    is_quiet(&live("hooks run path"));
}

/// A unit that runs since its n-th start; 0 is one that never ran.
fn unit(name: &str, start: u64) -> UnitState {
    let (active, invocation) = match start {
        0 => ("inactive", String::new()),
        n => ("active", n.to_string()),
    };
    UnitState {
        unit: name.to_owned(),
        active: active.to_owned(),
        invocation,
        entered: start,
        ..UnitState::default()
    }
}

#[test]
fn who_was_started_since_a_run_told_nobody_is_not_told_again() {
    let service = |manager, units: &[&str]| Service {
        manager,
        action: Action::Restart,
        units: units.iter().map(|unit| (*unit).to_owned()).collect(),
        command: None,
        then: None,
        config_test: None,
        limit: 90,
        on: Vec::new(),
        serves: std::collections::BTreeMap::new(),
        writes: Vec::new(),
    };
    let before = ["a.service", "b.service", "c.service"].map(|name| unit(name, 1));
    let now = [
        unit("a.service", 2),
        unit("b.service", 1),
        unit("c.service", 0),
        unit("new.service", 1),
    ];
    let left = |manager, units: &[&str]| {
        let left = not_started_since(vec![service(manager, units)], &before, &now);
        let one = |service: &Service| (service.manager, service.units.join(" "));
        left.first().map(one)
    };
    let systemd = |units: &str| Some((Manager::Systemd, units.to_owned()));
    assert_eq!(left(Manager::Systemd, &["a", "c"]), None);
    assert_eq!(left(Manager::Systemd, &["a", "b", "c"]), systemd("b"));
    // Of one that was not known then it cannot be told.
    assert_eq!(left(Manager::Systemd, &["new"]), systemd("new"));
    assert_eq!(left(Manager::WazoService, &["a", "b"]), systemd("b"));
    let all = Some((Manager::WazoService, "b".to_owned()));
    assert_eq!(left(Manager::WazoService, &["b"]), all);
    let command = Some((Manager::Command, String::new()));
    assert_eq!(left(Manager::Command, &[]), command);
    let stopped = [unit("b.service", 0)];
    let services = vec![service(Manager::WazoService, &["b"])];
    assert!(not_started_since(services, &stopped, &[unit("b.service", 1)]).is_empty());
}

#[test]
fn a_deferred_call_owes_nothing_where_no_file_differs_and_a_later_one_settles_what_it_owes() {
    let Some(scratch) = minted() else { return };
    let web = Nginx::serving(&scratch, "web", "old");
    web.reloads(&scratch);
    let live = |line: &str| scratch.certroll(&format!("--state S --profiles P {line}"));
    live("apply --yes --profile web --cert new.pem --key new.key").exits(0);
    // It serves another leaf than it has, as after a restore of its memory: for a run that may tell services.
    scratch.file("web/pki/site.pem", scratch.read("old.pem"));
    scratch.file("web/pki/site.key", scratch.read("old.key"));
    scratch.sh(&web.reload(&scratch).join(" "));
    web.settles_on(&scratch, "old");
    let run = live("hooks run wazo-upgrade --defer").exits(0);
    assert!(run.last().starts_with("placed: generation 2"), "{run:#?}");
    web.serves(&scratch, "old");
    is_quiet(&live("hooks run wazo-upgrade --defer"));
    let run = live("hooks run wazo-upgrade").exits(0);
    assert!(
        run.last().starts_with("committed: generation 3"),
        "{run:#?}"
    );
    web.serves(&scratch, "new");
    is_quiet(&live("hooks run wazo-upgrade"));
}

#[test]
fn what_only_a_silent_endpoint_could_prove_is_left_until_it_answers() {
    let Some(scratch) = minted() else { return };
    let dir = scratch.text("host");
    scratch.profile(
        "quiet",
        &format!(
            "resources:\n  - {{kind: pem, path: {dir}/site.pem, form: bundle, mode: \"0600\"}}\n\
             services:\n  - {{manager: command, action: reload, command: [touch, {dir}/told]}}\n\
             probes:\n  - {{tls: \"localhost:1\", addresses: [127.0.0.1], service: quiet}}\n"
        ),
    );
    scratch.dir("host");
    let live = |line: &str| scratch.certroll(&format!("--state S --profiles P {line}"));
    let run = live("apply --yes --profile quiet --cert new.pem --key new.key").exits(0);
    assert!(run.last().starts_with("placed: "), "{run:#?}");
    scratch.sh("rm host/told");
    for _ in 0..2 {
        live("hooks run timer")
            .exits(0)
            .complains("rollout `quiet`: nothing answers that could prove what is owed\n");
    }
    assert!(!scratch.path("host/told").exists(), "it was told again");
    assert_eq!(live("history").exits(0).out.lines().count(), 1 + 1);
    // What changes is told all the same.
    scratch.sh("rm host/site.pem");
    live("hooks run timer").exits(0);
    assert!(scratch.path("host/told").exists());
}
