//! How long a run goes on at most, and that it ends when it is asked to.

use std::{cell::Cell, rc::Rc, time::Duration};

use super::{NAME, asked, hook, host, ordered, server::Server};
use crate::{
    acme::{Folder, Missed, missed, obtain},
    error::Error,
    host::{Host as _, fake::FakeHost},
};

/// A host on which each look at an authorization takes a time, and the second is the moment of a signal.
fn slow(server: &Rc<Server>, time: u64, signal: Option<&'static str>) -> (FakeHost, Rc<Cell<u32>>) {
    let host = host(server);
    let (clock, server) = (host.clone(), Rc::clone(server));
    let looks = Rc::new(Cell::new(0));
    let counted = Rc::clone(&looks);
    let host = host.with_web(Rc::new(move |call| {
        if call.url.contains("/authz/") {
            clock.sleep(Duration::from_secs(time));
            counted.set(counted.get() + 1);
            if counted.get() == 2 {
                clock.interrupt(signal);
            }
        }
        server.answer(call)
    }));
    (host, looks)
}

fn of_three() -> (Rc<Server>, [&'static str; 3]) {
    let names = [NAME, "a.acme.example", "b.acme.example"];
    let server = Server::new(&names.map(|name| (name, "good-token_1")));
    // All but the last are proved.
    server.answered.set(2);
    (server, names)
}

#[test]
fn an_order_with_more_proofs_than_names_is_refused_and_forgotten() {
    let many: Vec<(String, String)> = (0..500)
        .map(|n| (NAME.to_owned(), format!("token-{n}")))
        .collect();
    let server = Server::new(&[]);
    *server.challenges.borrow_mut() = many;
    server.answered.set(499);
    let (mut host, looks) = slow(&server, 0, None);
    let error = ordered(&mut host, &asked(&[NAME], hook(0)));
    assert!(error.contains("wants 500 proofs of 1 names"), "{error}");
    assert_eq!(looks.get(), 0);
    let folder = Folder::of("one").unwrap();
    let order: Option<serde_json::Value> = folder.load(&host, "order.json").unwrap();
    assert_eq!(order, None);
}

#[test]
fn a_server_that_is_slow_with_each_proof_is_not_heard_for_ever() {
    let (server, names) = of_three();
    let (mut host, looks) = slow(&server, 290, None);
    let error = ordered(&mut host, &asked(&names, hook(0)));
    assert!(error.contains("still looks for an answer"), "{error}");
    assert_eq!(looks.get(), 2);
}

#[test]
fn a_run_that_is_asked_to_end_does_so_between_two_proofs_and_that_is_no_failed_attempt() {
    let (server, names) = of_three();
    let (mut host, looks) = slow(&server, 0, Some("SIGTERM"));
    let folder = Folder::of("one").unwrap();
    let ended = obtain(&mut host, &folder, &asked(&names, hook(0)), &|_| {});
    let error = ended.unwrap_err();
    assert!(
        matches!(error, Error::Interrupted { signal: "SIGTERM" }),
        "{error}"
    );
    assert_eq!(looks.get(), 2);
    let count = |host: &FakeHost| {
        let missed: Option<Missed> = folder.load(host, "missed.json").unwrap();
        missed.map(|missed| missed.count)
    };
    missed(&mut host, &folder, &error).unwrap();
    assert_eq!(count(&host), None);
    let other = Error::Server {
        server: String::new(),
        message: String::new(),
        hint: String::new(),
    };
    missed(&mut host, &folder, &other).unwrap();
    assert_eq!(count(&host), Some(1));
    // The order is kept for the next run.
    let order: serde_json::Value = folder.load(&host, "order.json").unwrap().unwrap();
    assert_eq!(order["url"], "https://acme.test/order/1");
}

#[test]
fn the_unit_of_renewals_lets_several_names_wait_as_long_as_they_may() {
    let unit = include_str!("../../hooks/certroll-renew.service");
    let limit = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStartSec="));
    let hours = limit.and_then(|text| text.strip_suffix('h'));
    let hours: u64 = hours.unwrap().parse().unwrap();
    // The longest wait of a name, and what the server takes to look at it.
    let name = Duration::from_hours(1) + crate::acme::order::PATIENCE;
    assert!(name * 10 < Duration::from_hours(hours), "{hours} h");
}

/// Orders at a server that stays ready, however often it is asked to issue; `each` is told how often it was.
fn ready_for_ever(each: impl Fn(&FakeHost, usize) + 'static) -> (String, FakeHost, usize) {
    let server = Server::new(&[(NAME, "good-token_1")]);
    let plain = host(&server);
    let (answers, seen) = (Rc::clone(&server), plain.clone());
    let mut host = plain.with_web(Rc::new(move |call| {
        if !call.url.ends_with("/finalize") {
            return answers.answer(call);
        }
        answers.answer(call)?;
        let asked = answers.at("finalize").len();
        assert!(asked < 1000, "asked back to back");
        each(&seen, asked);
        let mut call = call.clone();
        "https://acme.test/order/1".clone_into(&mut call.url);
        answers.answer(&call)
    }));
    let error = ordered(&mut host, &asked(&[NAME], hook(0)));
    let count = server.at("finalize").len();
    (error, host, count)
}

#[test]
fn a_server_that_is_ready_for_ever_is_asked_to_issue_with_pauses_and_not_for_ever() {
    let (error, host, asked) = ready_for_ever(|_, _| {});
    assert!(error.contains("still issues after 300 s"), "{error}");
    assert!(host.elapsed() < Duration::from_secs(400));
    assert!(asked < 320, "{asked}");
    let (error, _, asked) = ready_for_ever(|host, asked| {
        if asked == 3 {
            host.interrupt(Some("SIGTERM"));
        }
    });
    assert!(error.contains("SIGTERM"), "{error}");
    assert_eq!(asked, 3);
}

#[test]
fn a_signal_within_a_step_of_several_requests_sends_no_other() {
    let server = Server::new(&[(NAME, "good-token_1")]);
    let plain = host(&server);
    let (answers, seen) = (Rc::clone(&server), plain.clone());
    let mut host = plain.with_web(Rc::new(move |call| {
        if call.url.ends_with("/nonce") {
            seen.interrupt(Some("SIGTERM"));
        }
        answers.answer(call)
    }));
    let folder = Folder::of("one").unwrap();
    let ended = obtain(&mut host, &folder, &asked(&[NAME], hook(0)), &|_| {});
    assert!(matches!(ended, Err(Error::Interrupted { .. })), "{ended:?}");
    assert_eq!(server.at("account").len(), 0);
}
