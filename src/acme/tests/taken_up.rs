//! An order that is under way: kept as long as its server may know it, and then made anew.

use std::{cell::RefCell, rc::Rc};

use super::{NAME, asked, hook, host, issuer::Issues};
use crate::{
    acme::{Folder, obtain},
    error::{Error, Result},
    host::{WebReply, fake::FakeHost},
};

/// What becomes of a request.
type Met = fn(&FakeHost) -> Result<WebReply>;

fn refused(status: u16, kind: &str) -> WebReply {
    WebReply {
        status,
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: br#"{ "type": "about:blank", "detail": "no" }"#.to_vec(),
    }
}

fn problem(status: u16) -> WebReply {
    refused(status, "application/problem+json")
}

fn silent() -> Error {
    Error::Server {
        server: String::new(),
        message: "gives no answer".to_owned(),
        hint: String::new(),
    }
}

/// Orders, where the chain is not to be had; then again, where a look at the order meets something; and once more where all
/// is well. Returns how often an order was made in the second run and in all, and what the second ended with.
fn met(what: Met) -> (usize, usize, Result<()>) {
    let issues = Issues::new();
    let bad = Rc::<RefCell<Option<(&str, Met)>>>::default();
    let (answers, stands) = (Rc::clone(&issues), Rc::clone(&bad));
    let plain = host(&issues.server);
    let seen = plain.clone();
    let mut host = plain.with_web(Rc::new(move |call| match *stands.borrow() {
        Some((end, met)) if call.url.ends_with(end) => met(&seen),
        _ => answers.answer(call),
    }));
    let folder = Folder::of("one").unwrap();
    let order = |host: &mut FakeHost| {
        let ended = obtain(host, &folder, &asked(&[NAME], hook(0)), &|_| {});
        host.interrupt(None);
        ended.map(drop)
    };
    bad.replace(Some(("/chain", |_| Err(silent()))));
    order(&mut host).unwrap_err();
    assert_eq!(issues.server.at("order").len(), 1);
    bad.replace(Some(("/order/1", what)));
    let second = order(&mut host);
    let made = issues.server.at("order").len() - 1;
    bad.take();
    order(&mut host).unwrap();
    (made, issues.server.at("order").len(), second)
}

#[test]
fn an_order_that_cannot_be_looked_at_for_now_is_taken_up_by_the_next_run() {
    let busy: [(&str, Met); 5] = [
        ("503", |_| Ok(problem(503))),
        ("429", |_| Ok(problem(429))),
        ("503 of a proxy", |_| Ok(refused(503, "text/html"))),
        ("silence", |_| Err(silent())),
        ("a signal", |host| {
            host.interrupt(Some("SIGTERM"));
            Err(Error::Interrupted { signal: "SIGTERM" })
        }),
    ];
    for (name, what) in busy {
        let (made, all, second) = met(what);
        let error = second.expect_err(name);
        assert_eq!((made, all), (0, 1), "{name}: {error}");
        let is_ended = matches!(error, Error::Interrupted { .. });
        assert_eq!(is_ended, name == "a signal", "{error}");
    }
}

#[test]
fn an_order_that_its_server_does_not_know_any_more_is_made_anew_but_not_by_a_run_that_is_to_end() {
    for kind in ["application/problem+json", "text/html"] {
        let gone: Met = if kind == "text/html" {
            |_| Ok(refused(404, "text/html"))
        } else {
            |_| Ok(problem(404))
        };
        let (made, _, second) = met(gone);
        // The order that was made anew is looked at, and refused, as well.
        assert!(made > 0 && second.is_err(), "{kind}: {made}");
    }
    let (made, all, second) = met(|host| {
        host.interrupt(Some("SIGTERM"));
        Ok(problem(404))
    });
    assert!(
        matches!(second, Err(Error::Interrupted { .. })),
        "{second:?}"
    );
    assert_eq!((made, all), (0, 2));
}
