//! What is in force, and what was put in place, after runs that came to nothing or were killed at any step.

use std::rc::Rc;

use super::{NAME, asked, hook, host, issuer::Issues, webroot};
use crate::{
    acme::{Answering, Folder, Missed, obtain},
    error::Error,
    host::{
        Host as _,
        fake::{FakeHost, Fault},
    },
};

fn folder() -> Folder {
    Folder::of("one").unwrap()
}

fn fresh() -> (Rc<Issues>, FakeHost) {
    let issues = Issues::new();
    let answers = Rc::clone(&issues);
    let host = host(&issues.server).with_web(Rc::new(move |call| answers.answer(call)));
    (issues, host)
}

fn order(host: &mut FakeHost, how: &Answering) -> crate::error::Result<String> {
    let asked = asked(&[NAME], how.clone());
    let issued = obtain(host, &folder(), &asked, &|_| {})?;
    Ok(issued.identity.fingerprint().to_owned())
}

/// The numbers of the pairs that are kept, and that of the one in force, which is whole.
fn pairs(host: &FakeHost) -> (Vec<String>, Option<String>) {
    let names = |dir: &str| {
        let dir = crate::state::HostPath::new(dir).unwrap();
        let entries = host.load_list(&dir).unwrap();
        entries.into_iter().map(|entry| entry.name)
    };
    let numbers = names("/acme/one").filter(|name| name.parse::<u64>().is_ok());
    let live = crate::state::HostPath::new("/acme/one/live").unwrap();
    let live = host.load(&live).unwrap().link().map(str::to_owned);
    if live.is_some() {
        let identity = folder().identity(host).unwrap().unwrap();
        let leaf = &identity.leaf;
        let key = identity.key.as_ref().expect("a key that the leaf is of");
        assert_eq!(key.pin(), leaf.pin());
    }
    (numbers.collect(), live)
}

#[test]
fn a_leaf_that_is_not_of_the_key_is_never_put_in_force() {
    let (issues, mut host) = fresh();
    issues.is_foreign.set(true);
    let first = order(&mut host, &webroot()).unwrap_err();
    assert!(matches!(first, Error::Findings(_)), "{first}");
    assert_eq!(pairs(&host).1, None);
    issues.is_foreign.set(false);
    let good = order(&mut host, &webroot()).unwrap();
    crate::acme::missed(&mut host, &folder(), &first).unwrap();
    let before = pairs(&host);

    issues.is_foreign.set(true);
    let error = order(&mut host, &webroot()).unwrap_err();
    let Error::Findings(findings) = &error else {
        panic!("{error}");
    };
    assert!(
        findings
            .iter()
            .any(|finding| finding.name == "key-mismatch"),
        "{findings:?}"
    );
    assert_eq!(pairs(&host).1, before.1);
    let identity = folder().identity(&host).unwrap().unwrap();
    assert_eq!(identity.fingerprint(), good);
    let missed: Option<Missed> = folder().load(&host, "missed.json").unwrap();
    assert_eq!(missed.map(|missed| missed.count), Some(1));
}

/// Kills an order within each of its steps, and hands each host to a check. A rename is not done then, and a new file is torn;
/// what a kill leaves between two steps is what it leaves within a sync.
fn killed(base: &FakeHost, how: &Answering, check: impl Fn(&FakeHost, &str)) {
    for step in 0.. {
        let mut host = base.fork(Fault::DieWithin(step));
        let ended = order(&mut host, how);
        if !host.died() {
            ended.unwrap();
            assert!(step > 40, "{step} steps");
            break;
        }
        check(&host, &format!("killed in step {step}"));
    }
}

#[test]
fn a_kill_at_any_step_of_an_order_leaves_the_pair_of_before_or_the_new_one_and_is_made_good() {
    let (issues, host) = fresh();
    // A first order, and a renewal.
    let mut renewed = host.fork(Fault::Never);
    order(&mut renewed, &webroot()).unwrap();
    for (base, old) in [(host, None), (renewed, Some("000001"))] {
        killed(&base, &webroot(), |host, at| {
            let mut host = host.next_run(Fault::Never);
            let live = pairs(&host).1;
            let is_new = live.as_deref() != old;
            crate::acme::settle(&mut host, &folder(), &|_| {}).unwrap();
            assert_eq!(host.world().tree, base.world().tree, "{at}");
            assert_eq!(pairs(&host).1, live, "{at}");
            if let Some(old) = old {
                assert!(
                    pairs(&host).0.iter().any(|one| one == old),
                    "{at}: {old} is gone"
                );
            }
            if is_new {
                // All is as after a run that came to its end: known, and none under way.
                folder().asked(&host).unwrap();
                let open: Option<serde_json::Value> = folder().load(&host, "order.json").unwrap();
                assert_eq!(open, None, "{at}");
                // A server that now issues for another key changes nothing of it.
                issues.is_foreign.set(true);
                let mut wrong = host.fork(Fault::Never);
                order(&mut wrong, &webroot()).unwrap_err();
                pairs(&wrong);
                issues.is_foreign.set(false);
            }
            let again = order(&mut host, &webroot()).unwrap();
            let (kept, now) = pairs(&host);
            let identity = folder().identity(&host).unwrap().unwrap();
            assert_eq!(identity.fingerprint(), again, "{at}");
            assert!(kept.len() <= 2, "{at}: {kept:?}");
            assert!(
                live.is_none_or(|live| Some(&live) != now.as_ref() && kept.contains(&live)),
                "{at}: {kept:?}"
            );
            assert_eq!(host.world().tree, base.world().tree, "{at}");
        });
    }
}

#[test]
fn what_a_hook_put_in_place_for_a_run_that_was_killed_is_taken_away_by_the_next() {
    let (_, base) = fresh();
    killed(&base, &hook(0), |host, at| {
        let mut host = host.next_run(Fault::Never);
        crate::acme::settle(&mut host, &folder(), &|_| {}).unwrap();
        let ran = host.world().ran;
        let of = |verb: &str| {
            let all = ran.iter().filter(move |argv| argv[1] == verb);
            all.map(|argv| argv[2..].to_vec()).collect::<Vec<_>>()
        };
        for one in of("present") {
            assert!(of("remove").contains(&one), "{at}: {ran:?}");
        }
        let left: Option<serde_json::Value> = folder().load(&host, "presented.json").unwrap();
        assert_eq!(left, None, "{at}");
    });
}
