//! What a real systemd says about units, read by the program's own code.

use std::{cell::RefCell, rc::Rc};

use certroll::{
    desired::{Action, Manager, Service},
    host::{
        Command, Output,
        fake::{FakeHost, World},
    },
    service::{UnitState, observe, unit_name},
};

use crate::{
    common::until,
    host::{Host, Lab},
};

/// Asks a lab host for units, in one call, through the code that every plan goes through.
#[track_caller]
fn look(web: &Host<'_>, units: &[&str]) -> Vec<UnitState> {
    let service = Service {
        manager: Manager::Systemd,
        action: Action::Restart,
        units: units.iter().map(|unit| (*unit).to_owned()).collect(),
        command: None,
        then: None,
        config_test: None,
        limit: 5,
        on: Vec::new(),
        serves: std::collections::BTreeMap::new(),
        writes: Vec::new(),
    };
    // The question first, then the real answer to it.
    let asked = Rc::new(RefCell::new(Vec::new()));
    let question = Rc::clone(&asked);
    let note = move |_: &mut World, command: &Command| {
        question.borrow_mut().clone_from(&command.argv);
        Output::default()
    };
    let host = FakeHost::new(World::default(), Rc::new(note));
    assert!(observe(&host, std::slice::from_ref(&service)).is_err());
    let run = web.exec(
        &asked
            .borrow()
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    );
    let answer = Output {
        status: Some(run.code),
        stdout: run.out,
        stderr: run.err,
        timed_out: false,
    };
    let host = FakeHost::new(World::default(), Rc::new(move |_, _| answer.clone()));
    observe(&host, &[service]).unwrap()
}

/// Makes a unit of a few lines.
fn unit(web: &Host<'_>, name: &str, lines: &str) {
    let text = format!("[Service]\n{lines}\n");
    web.file(&format!("/etc/systemd/system/{name}.service"), text);
}

#[test]
fn every_state_of_a_unit_is_read_in_the_order_asked() {
    let lab = Lab::take();
    let [web] = lab.hosts(["web"]);
    unit(&web, "runs", "ExecStart=/bin/sleep infinity");
    unit(&web, "stopped", "ExecStart=/bin/sleep infinity");
    unit(&web, "fails", "ExecStart=/bin/false");
    unit(&web, "starts", "Type=notify\nExecStart=/bin/sleep infinity");
    unit(
        &web,
        "stops",
        "ExecStart=/bin/sleep infinity\nExecStop=/bin/sleep infinity",
    );
    unit(
        &web,
        "reloads",
        "ExecStart=/bin/sleep infinity\nExecReload=/bin/sleep infinity",
    );
    unit(
        &web,
        "loops",
        "ExecStart=/bin/false\nRestart=always\nRestartSec=300ms\n[Unit]\nStartLimitIntervalSec=0",
    );
    unit(&web, "edited", "ExecStart=/bin/sleep infinity");
    web.sh(
        "systemctl daemon-reload; systemctl start runs stops reloads edited; systemctl start fails || true; \
         systemctl start --no-block starts loops; systemctl stop --no-block stops; \
         systemctl reload --no-block reloads; systemctl mask haproxy 2>&1",
    );
    unit(&web, "edited", "ExecStart=/bin/sleep 1000");
    until("the states", || {
        web.unit("reloads", "ActiveState") == "reloading"
            && web.unit("loops", "NRestarts").parse::<u32>().unwrap() > 2
    });
    // None of them in the order of its name or of its start, and one that nobody ever heard of in the middle.
    let names = [
        "stops", "no-such", "runs", "fails", "haproxy", "reloads", "loops", "edited", "starts",
        "stopped", "nginx",
    ];
    let states = look(&web, &names);
    let read: Vec<(&str, &str, &str)> = states
        .iter()
        .map(|s| (s.unit.as_str(), s.load.as_str(), s.active.as_str()))
        .filter(|state| state.0 != "loops.service")
        .collect();
    let wanted = [
        ("stops.service", "loaded", "deactivating"),
        ("no-such.service", "not-found", "inactive"),
        ("runs.service", "loaded", "active"),
        ("fails.service", "loaded", "failed"),
        ("haproxy.service", "masked", "inactive"),
        ("reloads.service", "loaded", "reloading"),
        ("edited.service", "loaded", "active"),
        ("starts.service", "loaded", "activating"),
        ("stopped.service", "loaded", "inactive"),
        ("nginx.service", "loaded", "inactive"),
    ];
    assert_eq!(read, wanted);
    let state = |name: &str| states.iter().find(|s| s.unit == unit_name(name)).unwrap();
    assert!(state("loops").restarts > 2, "{:?}", state("loops"));
    assert!(state("edited").needs_reload && !state("runs").needs_reload);
    assert_eq!(state("runs").invocation.len(), 32);
    assert_eq!(state("stopped").invocation, "");
    assert_eq!(state("fails").condition(), "failed (exit-code)");
    assert_eq!(state("haproxy").condition(), "masked");
    assert_eq!(state("no-such").condition(), "not found");
    assert!(state("reloads").is_active());
    web.sh("systemctl restart runs");
    assert!(look(&web, &["runs"])[0].is_newer_than(state("runs")));
}

/// A profile that puts a pair at `/srv/tls`, and restarts units by one call.
fn restarts(web: &Host<'_>, units: &str, limit: u32) -> String {
    web.mint("/root/new");
    web.file(
        "/root/profiles/many/profile.yaml",
        format!(
            "profile: many\ntitle: many units\nsource: this test\nresources:\n\
             - {{kind: pem, path: /srv/tls.key, form: key}}\n- {{kind: pem, path: /srv/tls.pem, form: leaf}}\n\
             services: [{{manager: systemd, action: restart, units: [{units}], limit: {limit}}}]\n"
        ),
    );
    "apply --profile many --cert /root/new.pem --key /root/new.key --profiles /root/profiles --yes"
        .to_owned()
}

fn invocations(web: &Host<'_>, units: &[&str]) -> Vec<String> {
    let ask = |unit: &&str| web.unit(unit, "InvocationID");
    units.iter().map(ask).collect()
}

#[test]
fn many_units_are_restarted_by_one_call_and_those_that_were_down_stay_so() {
    let lab = Lab::take();
    let [web] = lab.hosts(["web"]);
    for name in ["a", "b", "c", "down"] {
        unit(&web, name, "ExecStart=/bin/sleep infinity");
    }
    web.sh("systemctl daemon-reload; systemctl start a b c; systemctl mask haproxy 2>&1");
    let before = invocations(&web, &["a", "b", "c"]);
    let apply = restarts(&web, "c, a, down, haproxy, no-such, b", 20);
    let run = web.certroll(&apply).exits(0);
    assert_eq!(run.last(), "committed: generation 1, 0 probes good");
    let command = "systemctl restart --no-ask-password -- c.service a.service b.service";
    assert!(run.out.contains(command), "{run:#?}");
    let after = invocations(&web, &["a", "b", "c"]);
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(b, a)| a != b && !a.is_empty())
    );
    for name in ["down", "haproxy", "no-such"] {
        assert_eq!(web.unit(name, "ActiveState"), "inactive");
    }
}

#[test]
fn a_unit_that_does_not_stop_in_time_or_start_again_takes_everything_back() {
    let lab = Lab::take();
    let [web] = lab.hosts(["web"]);
    let before = web.tree("/srv");
    unit(&web, "good", "ExecStart=/bin/sleep infinity");
    // Reads the pair as a daemon does, and does not start on the new one.
    unit(
        &web,
        "picky",
        "Type=notify\nNotifyAccess=all\nTimeoutStartSec=10\n\
         ExecStart=/bin/sh -c 'test ! -e /srv/tls.pem || exit 3; systemd-notify --ready; exec sleep infinity'",
    );
    web.sh("systemctl daemon-reload; systemctl start good picky");
    let apply = restarts(&web, "good, picky", 20);
    let run = web.certroll(&apply).exits(3);
    assert!(
        run.out.contains("`picky.service` is `failed (exit-code)`"),
        "{run:#?}"
    );
    for name in ["good", "picky"] {
        assert_eq!(web.unit(name, "ActiveState"), "active", "{name}");
    }
    assert_eq!(web.tree("/srv"), before);

    // Holds its stop up for longer than its limit, and shorter than systemd would wait: the way back finds it again.
    unit(
        &web,
        "picky",
        "TimeoutStopSec=8\nExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'",
    );
    web.sh("systemctl daemon-reload; systemctl restart picky");
    let apply = restarts(&web, "good, picky", 5);
    let run = web.certroll(&apply).exits(3);
    assert!(
        run.out.contains("`picky.service` is `deactivating"),
        "{run:#?}"
    );
    for name in ["good", "picky"] {
        assert_eq!(web.unit(name, "ActiveState"), "active", "{name}");
    }
    assert_eq!(web.tree("/srv"), before);
}
