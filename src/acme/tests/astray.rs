//! A server that leads where it has no say, or gives no answer.

use std::cell::RefCell;

use super::*;

/// Orders at a directory whose nonces are at a URL; returns the error and where requests went.
fn led(directory: &str, nonces: &str) -> (String, Vec<String>) {
    let server = Server::new(&[(NAME, "good-token_1")]);
    let host = host(&server);
    host.meddle(|world| {
        for (name, address) in [
            ("acme.test", "192.0.2.1"),
            ("elsewhere.test", "192.0.2.2"),
            ("here.test", "127.0.1.1"),
            ("localhost", "::1"),
        ] {
            let address = address.parse().unwrap();
            world.names.insert(name.to_owned(), vec![address]);
        }
    });
    let noted = Rc::<RefCell<Vec<String>>>::default();
    let asked_at = Rc::clone(&noted);
    let (from, to) = (directory.to_owned(), nonces.to_owned());
    let mut host = host.with_web(Rc::new(move |call| {
        asked_at.borrow_mut().push(call.url.clone());
        let mut call = call.clone();
        if call.url == to {
            call.url = "https://acme.test/nonce".to_owned();
        }
        if call.url != from {
            return server.answer(&call);
        }
        call.url = "https://acme.test/dir".to_owned();
        let mut reply = server.answer(&call)?;
        let mut body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        body["newNonce"] = json!(to);
        reply.body = body.to_string().into_bytes();
        Ok(reply)
    }));
    let asked = Asked {
        server: directory.to_owned(),
        ..asked(&[NAME], hook(0))
    };
    let error = ordered(&mut host, &asked);
    (error, noted.take())
}

#[test]
fn no_server_leads_to_this_host_to_its_link_or_to_requests_in_the_clear() {
    let far = "https://acme.test/dir";
    for (directory, nonces, why) in [
        (
            far,
            "http://127.0.0.1:17020/admin/action",
            "which is not `https://`",
        ),
        (far, "http://acme.test/nonce", "which is not `https://`"),
        (
            far,
            "https://127.0.0.1:17020/admin",
            "this host or its link",
        ),
        (far, "https://0.0.0.0/", "this host or its link"),
        (far, "https://[::1]/", "this host or its link"),
        (far, "https://[::ffff:127.0.0.1]/", "this host or its link"),
        (
            far,
            "https://169.254.169.254/latest",
            "this host or its link",
        ),
        (far, "https://[fe80::1]/", "this host or its link"),
        (far, "https://here.test/admin", "this host or its link"),
        (
            "https://localhost/dir",
            "http://localhost/nonce",
            "which is not `https://`",
        ),
    ] {
        let (error, went) = led(directory, nonces);
        let said = format!("`{directory}` leads to `{nonces}`, ");
        assert!(error.starts_with(&said) && error.contains(why), "{error}");
        assert_eq!(went, [directory], "{nonces}");
    }
    // What is elsewhere is asked, and a directory of this host may lead to this host.
    for (directory, nonces) in [
        (far, "https://elsewhere.test/nonce"),
        ("https://localhost/dir", "https://127.0.0.1:14000/nonce"),
    ] {
        let (error, went) = led(directory, nonces);
        assert!(error.contains("refuses: enough"), "{error}");
        assert!(went.iter().any(|url| url == nonces), "{went:?}");
    }
}

#[test]
fn all_tries_of_a_request_share_one_limit() {
    let limits = Rc::<RefCell<Vec<u64>>>::default();
    let noted = Rc::clone(&limits);
    let server = Server::new(&[]);
    let mut host = host(&server).with_web(Rc::new(move |call| {
        noted.borrow_mut().push(call.limit.as_secs());
        Ok(WebReply {
            status: 503,
            ..WebReply::default()
        })
    }));
    let error = ordered(&mut host, &asked(&[NAME], hook(0)));
    assert!(error.contains("answers with 503"), "{error}");
    assert_eq!(limits.take(), [30, 29, 27]);
}
