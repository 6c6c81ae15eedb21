//! Pins move with the rollout that changes their peer's leaf: both leaves are accepted while it runs, and whatever ends it,
//! the one that is served is the one that is pinned.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests run the program against servers of their own and fail by panicking"
)]

mod common;
#[path = "common/nginx.rs"]
mod nginx;
#[path = "common/web.rs"]
mod web;

use certroll::{
    apply::Keep,
    error::Error,
    host::{
        Host as _,
        fake::{FakeHost, Fault},
    },
    peer::Fingerprint,
    pins::{self, Leaf, Pin, Pins, Source},
    receipt::{Outcome, Receipt},
    rollback,
};
use common::{Running, Scratch, skip, until};
use nginx::{Nginx, cannot, live};
use web::{assert_whole, identities, recover};

const PEER: &str = "wazo.example.com:443";

const NEW: &str = "--cert new.pem --key new.key";

fn leaf(which: usize) -> Leaf {
    Leaf::of(&identities()[which].leaf.der)
}

/// The host of `web`, whose unit's endpoint is pinned.
fn pinned() -> FakeHost {
    let mut host = web::host();
    let mut pins = Pins::default();
    let pin = Pin {
        leaf: leaf(0),
        first_seen: 1,
        source: Source::Manual,
        next: None,
    };
    pins.hosts.insert(PEER.to_owned(), pin);
    pins::save(&mut host, &pins).unwrap();
    host
}

fn rollout(host: &mut FakeHost) -> Result<Receipt, Error> {
    host.lock(std::time::Duration::ZERO)?;
    let mut plan = web::plan(host);
    plan.pins = pins::load(host)?.moves(&plan.promises, &leaf(1), true);
    certroll::rollout(host, plan, web::keep(), &|_| {})
}

/// The number of steps of the rollout.
fn steps() -> usize {
    let mut host = pinned().next_run(Fault::Never);
    rollout(&mut host).unwrap();
    host.steps()
}

/// What the endpoint's pin accepts.
fn accepted(host: &FakeHost) -> Vec<Fingerprint> {
    pins::load(host).unwrap().get(PEER).unwrap().accepted()
}

fn served(host: &FakeHost) -> Vec<Fingerprint> {
    let world = host.world();
    let presented = &world.endpoints[&web::PORT.parse().unwrap()];
    vec![Fingerprint::of(&presented.certificates[0])]
}

/// The host is whole, and what it serves is what is pinned, alone.
#[track_caller]
fn assert_moved(host: &FakeHost, case: &str) {
    assert_whole(host, case);
    assert_eq!(accepted(host), served(host), "{case}");
}

#[test]
fn a_pin_moves_with_the_rollout_and_back_with_the_rollback() {
    let mut host = pinned();
    assert_eq!(rollout(&mut host).unwrap().outcome, Outcome::Committed);
    assert_eq!(accepted(&host), [leaf(1).sha256]);
    assert_moved(&host, "rollout");
    assert_eq!(pins::load(&host).unwrap().hosts[PEER].leaf, leaf(1));
    let back = rollback::plan(&host, "test", None, &[]).unwrap().unwrap();
    assert_eq!(back.plan.pins.len(), 1);
    let receipt = certroll::rollout(&mut host, back.plan, Keep::default(), &|_| {}).unwrap();
    assert_eq!(receipt.outcome, Outcome::Committed);
    assert_moved(&host, "rollback");
    // The same pin to the last byte of it, but for when and how it came.
    assert_eq!(pins::load(&host).unwrap().hosts[PEER].leaf, leaf(0));
}

#[test]
fn a_pin_that_a_rollback_cannot_move_is_named_in_its_plan() {
    let mut host = web::host();
    web::run(&mut host).unwrap();
    let named = |host: &FakeHost| {
        let plan = rollback::plan(host, "test", None, &[])
            .unwrap()
            .unwrap()
            .plan;
        assert!(plan.pins.is_empty());
        plan.findings.iter().any(|f| f.name == "pin-stays")
    };
    assert!(!named(&host), "nothing is pinned");
    let mut pins = Pins::default();
    let pin = Pin {
        leaf: leaf(1),
        first_seen: 1,
        source: Source::Manual,
        next: None,
    };
    pins.hosts.insert(PEER.to_owned(), pin);
    pins::save(&mut host, &pins).unwrap();
    assert!(named(&host), "what was there before was never pinned");
    pins.hosts.get_mut(PEER).unwrap().leaf = leaf(0);
    pins::save(&mut host, &pins).unwrap();
    assert!(!named(&host), "it fits what comes back");
}

#[test]
fn a_pin_stays_where_the_rollout_is_taken_back_or_never_begins() {
    let (mut back, mut kept) = (0, 0);
    for at in 0..steps() {
        let mut host = pinned().next_run(Fault::FailAt(at));
        let ended = rollout(&mut host);
        let case = format!("failure of step {at}: {ended:?}");
        let host = recover(&host);
        assert_moved(&host, &case);
        if accepted(&host) == [leaf(0).sha256] {
            back += 1;
        } else {
            kept += 1;
        }
    }
    assert!(back > 20 && kept > 0, "{back} back, {kept} kept");
}

#[test]
fn a_run_that_dies_at_any_step_leaves_a_pin_that_recovery_settles() {
    let (mut both, mut ends) = (0, [0, 0]);
    for at in 0..steps() {
        for fault in [Fault::DieBefore(at), Fault::DieWithin(at)] {
            let mut host = pinned().next_run(fault);
            drop(rollout(&mut host));
            assert!(host.died(), "{fault:?} was not reached");
            let now = accepted(&host.next_run(Fault::Never));
            // Whoever has to be asked while nobody knows how it ends is accepted.
            if let Some(presented) = host.world().endpoints.values().next() {
                assert!(
                    now.contains(&Fingerprint::of(&presented.certificates[0])),
                    "{fault:?}"
                );
            }
            both += usize::from(now.len() == 2);
            let host = recover(&host);
            assert_moved(&host, &format!("{fault:?}"));
            ends[usize::from(accepted(&host) == [leaf(1).sha256])] += 1;
        }
    }
    assert!(both > 20 && ends.iter().all(|n| *n > 0), "{both} {ends:?}");
}

#[test]
fn a_recovery_that_dies_at_any_step_leaves_a_pin_that_the_next_settles() {
    for at in (0..steps()).step_by(5) {
        for again in 0..200 {
            let mut host = pinned().next_run(Fault::DieBefore(at));
            drop(rollout(&mut host));
            let mut second = host.next_run(Fault::DieWithin(again));
            second.lock(std::time::Duration::ZERO).unwrap();
            drop(certroll::apply::recover(&mut second, false, &|_| {}));
            if !second.died() {
                assert_moved(&second, &format!("death at {at}"));
                break;
            }
            assert!(again < 199, "recovery does not end");
            assert_moved(&recover(&second), &format!("death at {at}, then {again}"));
        }
    }
}

#[test]
fn a_rollout_that_is_given_up_leaves_both_accepted_until_the_next_proves_one() {
    let died = (0..).map(|at| {
        let mut host = pinned().next_run(Fault::DieBefore(at));
        drop(rollout(&mut host));
        host.next_run(Fault::Never)
    });
    let mut host = died.take(100).find(|h| accepted(h).len() == 2).unwrap();
    assert_eq!(certroll::apply::abandon(&mut host).unwrap(), Some(1));
    assert_eq!(accepted(&host), [0, 1].map(|n| leaf(n).sha256));
    assert_eq!(rollout(&mut host).unwrap().outcome, Outcome::Committed);
    assert_eq!(accepted(&host), [leaf(1).sha256]);
}

/// An nginx whose endpoint is pinned, with a profile that reloads it; none where these tests cannot run.
fn site() -> Option<(Scratch, Nginx)> {
    if let Some(reason) = cannot() {
        skip(reason);
        return None;
    }
    let scratch = Scratch::new();
    scratch.mint("old", "site.example.com");
    scratch.mint("new", "site.example.com");
    let site = Nginx::serving(&scratch, "site", "old");
    site.reloads(&scratch);
    let given = scratch.fingerprint("old.pem");
    let add = format!("pin add 127.0.0.1:{} --fingerprint {given}", site.port);
    live(&scratch, &add).exits(0);
    Some((scratch, site))
}

/// The leaf that is pinned, and the next one.
fn kept(scratch: &Scratch, site: &Nginx) -> (String, Option<String>) {
    let store: serde_json::Value = serde_json::from_str(&scratch.read("S/pins.json")).unwrap();
    let pin = &store["hosts"][format!("127.0.0.1:{}", site.port)];
    let text = |value: &serde_json::Value| value["sha256"].as_str().map(str::to_owned);
    (text(pin).unwrap(), text(&pin["next"]))
}

#[test]
fn a_pin_moves_with_a_real_server_and_back() {
    let Some((scratch, site)) = site() else {
        return;
    };
    let [old, new] = ["old.pem", "new.pem"].map(|pem| scratch.fingerprint(pem));
    let plan = live(&scratch, &format!("plan --profile site {NEW}")).exits(5);
    let line = format!(
        "  127.0.0.1:{}: SHA-256 {} => {}\n",
        site.port,
        Fingerprint::read(&old).unwrap().colons(),
        Fingerprint::read(&new).unwrap().colons()
    );
    assert!(plan.out.contains(&line), "no {line:?} in {plan:#?}");
    assert_eq!(
        kept(&scratch, &site),
        (old.clone(), None),
        "a plan moved it"
    );

    live(&scratch, &format!("apply --profile site {NEW} --yes")).exits(0);
    assert_eq!(kept(&scratch, &site), (new.clone(), None));
    live(&scratch, "pin check").exits(0);
    live(&scratch, "apply --yes").exits(0).says("converged");

    live(&scratch, "rollback --yes").exits(0);
    assert_eq!(kept(&scratch, &site), (old.clone(), None));
    live(&scratch, "pin check").exits(0);

    // What cannot be proved now is accepted beside the old one until a later run proves it.
    let defer = format!("apply --profile site {NEW} --defer --yes");
    live(&scratch, &defer).exits(0).says("placed");
    assert_eq!(kept(&scratch, &site), (old, Some(new.clone())));
    live(&scratch, "pin check").exits(0);
    live(&scratch, "apply --yes").exits(0).says("committed");
    assert_eq!(kept(&scratch, &site), (new, None));
}

#[test]
fn a_pin_stays_where_the_server_refuses_what_comes() {
    let Some((scratch, site)) = site() else {
        return;
    };
    let old = scratch.fingerprint("old.pem");
    let mut command = scratch.command(&["--state", "S", "--profiles", "P", "apply", "--yes"]);
    command
        .args(["--profile", "site"])
        .args(NEW.split(' '))
        .args(["--set", "site_directive=no_such_directive on;"]);
    Running::start(&mut command).end().exits(3);
    assert_eq!(kept(&scratch, &site), (old, None));
    live(&scratch, "pin check").exits(0);
}

#[test]
fn a_run_that_is_killed_has_both_accepted_until_it_is_recovered() {
    let Some((scratch, site)) = site() else {
        return;
    };
    let [old, new] = ["old.pem", "new.pem"].map(|pem| scratch.fingerprint(pem));
    let (reload, top) = (site.reload(&scratch).join(" "), scratch.text(""));
    scratch.file(
        "slow",
        format!("#!/bin/sh -eu\n{reload}\nmkdir {top}first 2>/dev/null || exit 0\nsleep 60\n"),
    );
    scratch.mode("slow", 0o755);
    site.profile(&scratch, &[scratch.text("slow")]);
    let line = format!("--state S --profiles P apply --profile site {NEW} --yes");
    let run = Running::start(&mut scratch.command(&line.split(' ').collect::<Vec<_>>()));
    let served = Some(new.clone());
    until("the new leaf", || site.leaf(&scratch) == served);
    assert_eq!(kept(&scratch, &site), (old.clone(), Some(new)));
    live(&scratch, "pin check").exits(0);
    let pid = run.id();
    run.signal("KILL");
    run.end().exits(128 + 9);
    live(&scratch, "recover").exits(0);
    assert_eq!(kept(&scratch, &site), (old, None));
    live(&scratch, "pin check").exits(0);
    scratch.sh(&format!(
        "rmdir /run/certroll-{pid}-* /tmp/certroll-{pid}-* 2>/dev/null || true"
    ));
}

#[test]
fn a_server_that_is_not_the_peer_that_is_pinned_is_given_nothing() {
    let Some((scratch, site)) = site() else {
        return;
    };
    let store = scratch.read("S/pins.json");
    let other = store.replace(
        &scratch.fingerprint("old.pem"),
        &Fingerprint::of(b"another leaf").to_string(),
    );
    scratch.file("S/pins.json", &other);
    let before = site.tree(&scratch);
    for line in [
        format!("plan --profile site {NEW}"),
        format!("apply --profile site {NEW} --yes"),
    ] {
        let run = live(&scratch, &line).exits(8);
        let said = format!("`127.0.0.1:{}` is not the peer that is pinned", site.port);
        assert!(
            run.err.contains(&said) && run.err.ends_with("host: unchanged\n"),
            "{run:#?}"
        );
    }
    site.tree(&scratch).is(&before);
    site.serves(&scratch, "old");
    assert_eq!(scratch.read("S/pins.json"), other);
    assert_eq!(nginx::generations(&scratch), 0);
}
