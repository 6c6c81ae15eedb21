//! Requests to an appliance under kills: whatever step a run dies at, the next one recovers to a proved state.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

#[path = "common/web.rs"]
mod web;

use std::{net::SocketAddr, time::Duration};

use certroll::{
    apply,
    desired::Probe,
    error::Error,
    far::{Back, Body, Far, Over, Request, Secret, Standing},
    host::{
        Host as _, Presented,
        fake::{Appliance, FakeHost, Fault},
    },
    identity::{Form, Identity},
    journal::Store,
    peer::Fingerprint,
    plan::{Plan, Promise},
    probe::{self, Want},
    receipt::Outcome,
    starttls::Protocol,
    state::Bytes,
};

use crate::web::{assert_whole, host, identities, keep, plan, seen};

const AT: &str = "192.0.2.10:443";

fn at() -> SocketAddr {
    AT.parse().unwrap()
}

/// The host of the other crash tests, and an appliance that serves the old pair and takes a while for a new one.
fn with_appliance() -> FakeHost {
    let host = host();
    host.meddle(|world| {
        world.appliance = Some(Appliance {
            address: at(),
            presented: presents(&identities()[0]),
            pending: None,
            delay: Duration::from_secs(5),
            refuses: false,
            requests: Vec::new(),
        });
    });
    host
}

fn presents(identity: &Identity) -> Presented {
    Presented {
        certificates: vec![identity.leaf.der.clone()],
        version: "TLS 1.3".to_owned(),
        ..Presented::default()
    }
}

fn upload(which: &str) -> Request {
    let part =
        |name: &str, form: &str| (name.to_owned(), Secret::Kept(format!("{which}-{form}.pem")));
    Request {
        over: Over::Https {
            method: "POST".to_owned(),
            path: "/v1/security/sslcertificate".to_owned(),
        },
        body: Body::Form(vec![part("keyfile", "key"), part("certfile", "fullchain")]),
    }
}

/// The plan of the other crash tests, and an upload after it.
fn far_plan(host: &FakeHost, back: Back) -> Plan {
    let mut plan = plan(host);
    let [old, new] = identities();
    let tls = Probe::Tls {
        protocol: Protocol::Direct,
        name: "192.0.2.10".to_owned(),
        port: 443,
        addresses: vec![at().ip()],
        service: String::new(),
    };
    plan.baseline.push(probe::observe(host, &tls));
    plan.promises.push(Promise {
        probe: tls,
        want: Want::Leaf {
            leaf: new.fingerprint().to_owned(),
            chain: Vec::new(),
        },
        after: 1,
    });
    plan.far = vec![Far {
        what: "certificate".to_owned(),
        peer: AT.to_owned(),
        accept: [old, new].map(|i| Fingerprint::of(&i.leaf.der)).to_vec(),
        logins: Vec::new(),
        ask: upload("new"),
        back,
        settle: 6,
        was: None,
        sent: Standing::default(),
    }];
    plan.deadline = 30;
    plan
}

fn files() -> Vec<(String, Bytes)> {
    let [old, new] = identities();
    let all = [("old", old), ("new", new)];
    let forms = [("key", Form::Key), ("fullchain", Form::Fullchain)];
    all.iter()
        .flat_map(|(which, identity)| {
            forms.map(|(name, form)| (format!("{which}-{name}.pem"), identity.form(form).unwrap()))
        })
        .collect()
}

fn run(host: &mut FakeHost, back: Back) -> Result<Outcome, Error> {
    host.lock(Duration::ZERO)?;
    let plan = far_plan(host, back);
    let keep = apply::Keep {
        far: files(),
        ..keep()
    };
    certroll::rollout(host, plan, keep, &|_| {}).map(|receipt| receipt.outcome)
}

fn by() -> Back {
    Back::By(upload("old"))
}

/// What the appliance presents in the end, when all that is pending has shown.
fn serves(host: &FakeHost) -> Vec<u8> {
    let appliance = host.world().appliance.unwrap();
    let last = appliance
        .pending
        .map_or(appliance.presented, |(pending, _)| pending);
    last.certificates[0].clone()
}

fn requests(host: &FakeHost) -> usize {
    host.world().appliance.unwrap().requests.len()
}

fn steps() -> usize {
    let mut host = with_appliance();
    assert_eq!(run(&mut host, by()).unwrap(), Outcome::Committed);
    assert_eq!(serves(&host), identities()[1].leaf.der);
    assert_eq!(requests(&host), 1);
    host.steps()
}

/// The appliance and the files are both old or both new.
fn assert_one(host: &FakeHost, case: &str) {
    assert_whole(host, case);
    let is_new = seen(host) == web::old_and_new()[1];
    let want = &identities()[usize::from(is_new)].leaf.der;
    assert_eq!(&serves(host), want, "{case}: another pair than the files");
}

#[test]
fn a_run_that_dies_at_any_step_is_recovered_with_its_appliance() {
    let total = steps();
    let mut between = 0;
    for at in 0..total {
        for fault in [Fault::DieBefore(at), Fault::DieWithin(at)] {
            let mut host = with_appliance().next_run(fault);
            drop(run(&mut host, by()));
            assert!(host.died(), "{fault:?}");
            let sent = requests(&host);
            let mut next = host.next_run(Fault::Never);
            next.lock(Duration::ZERO).unwrap();
            let receipt = apply::recover(&mut next, false, &|_| {}).unwrap();
            assert!(
                receipt.as_ref().is_none_or(|r| r.outcome != Outcome::Stuck),
                "{fault:?}: {receipt:?}"
            );
            assert_one(&next, &format!("{fault:?}"));
            // Sent, and not final: the pair of before has followed it, though nothing had shown yet.
            if sent == 1 && serves(&next) == identities()[0].leaf.der {
                between += 1;
                assert_eq!(requests(&next), 2, "{fault:?}");
            }
        }
    }
    assert!(between >= 2, "no run died between upload and proof");
}

#[test]
fn a_recovery_that_dies_is_itself_recovered_with_the_appliance() {
    // The run dies with its upload sent and no answer heard.
    let upload = (0..steps())
        .find(|at| {
            let mut host = with_appliance().next_run(Fault::DieWithin(*at));
            drop(run(&mut host, by()));
            requests(&host) == 1
        })
        .unwrap();
    for again in 0.. {
        let mut host = with_appliance().next_run(Fault::DieWithin(upload));
        drop(run(&mut host, by()));
        let mut second = host.next_run(Fault::DieWithin(again));
        second.lock(Duration::ZERO).unwrap();
        drop(apply::recover(&mut second, false, &|_| {}));
        if !second.died() {
            assert_one(&second, "not killed");
            assert!(again > 5, "{again}");
            break;
        }
        assert_one(
            &web::recover(&second),
            &format!("recovery killed at {again}"),
        );
    }
}

#[test]
fn at_boot_files_come_back_and_the_appliance_is_owed_until_the_network_is_there() {
    let (mut owed, total) = (0, steps());
    for at in 0..total {
        let mut host = with_appliance().next_run(Fault::DieWithin(at));
        drop(run(&mut host, by()));
        let sent = requests(&host);
        let mut boot = host.next_run(Fault::Never);
        boot.lock(Duration::ZERO).unwrap();
        let receipt = apply::recover(&mut boot, true, &|_| {}).unwrap();
        assert_eq!(requests(&boot), sent, "step {at}: no request at boot");
        if let Some(receipt) = receipt.filter(|r| !r.obligations.is_empty()) {
            owed += 1;
            let line = "send POST https://192.0.2.10:443/v1/security/sslcertificate";
            assert!(receipt.obligations.iter().any(|o| o == line), "{receipt:?}");
            assert_eq!(Store::pending(&boot).unwrap(), Some(1));
        }
        web::start(&boot);
        assert_one(&web::recover(&boot), &format!("step {at}"));
    }
    assert!(owed > 0);
}

#[test]
fn a_refusal_takes_the_files_back_and_sends_nothing_more() {
    let mut host = with_appliance();
    host.meddle(|world| world.appliance.as_mut().unwrap().refuses = true);
    assert_eq!(run(&mut host, by()).unwrap(), Outcome::RolledBack);
    assert_eq!(requests(&host), 1);
    assert_one(&host, "refused");
}

#[test]
fn what_nothing_takes_back_is_for_a_person_and_what_never_showed_is_not() {
    let never = || Back::Never("nobody has the pair".to_owned());
    let mut stuck = 0;
    for at in 0..steps() {
        let mut host = with_appliance().next_run(Fault::DieWithin(at));
        drop(run(&mut host, never()));
        let sent = requests(&host) == 1;
        let mut next = host.next_run(Fault::Never);
        next.lock(Duration::ZERO).unwrap();
        let receipt = apply::recover(&mut next, false, &|_| {}).unwrap();
        let outcome = receipt.as_ref().map(|r| r.outcome);
        if outcome == Some(Outcome::Stuck) {
            stuck += 1;
            assert!(sent, "step {at}");
            let causes = receipt.unwrap().causes.join("; ");
            assert!(
                causes.contains("cannot be taken back: nobody has the pair"),
                "{causes}"
            );
        } else {
            assert_one(&next, &format!("step {at}"));
        }
    }
    assert!(stuck > 0);
}
