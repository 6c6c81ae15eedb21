//! What is found out before an order, and what a server says.

use serde_json::json;

use crate::{
    common::{Running, until},
    lane::{Lane, apart},
};

const NAME: &str = "www.acme.example";

/// Asserts that nothing was asked of the server, and nothing is kept.
#[track_caller]
fn nothing_was_asked(lane: &Lane) {
    let log = lane.log();
    assert!(!log.contains("GET /dir") && !log.contains("POST"), "{log}");
    assert!(!lane.scratch.path("S/acme").exists());
}

#[test]
fn what_would_fail_anyway_is_said_before_the_server_hears_of_it() {
    apart(|| {
        let lane = Lane::new(NAME);
        let unknown = lane.run(&Lane::order("nowhere.acme.example", "")).exits(1);
        assert!(
            unknown
                .err
                .contains("`nowhere.acme.example` does not resolve"),
            "{unknown:#?}"
        );
        let wild = lane.run(&Lane::order("*.acme.example", "")).exits(2);
        assert!(wild.err.contains("is proved by DNS alone"), "{wild:#?}");
        let plain = lane
            .run("issue acme www.acme.example --server http://localhost/dir --agree-tos")
            .exits(2);
        assert!(
            plain.err.contains("is spoken to over TLS alone"),
            "{plain:#?}"
        );
        // Somebody else has the port, and knows nothing of the answer.
        lane.scratch.dir("other");
        let other = lane.web_server("other");
        let taken = lane.run(&Lane::order(NAME, "")).exits(1);
        assert!(taken.err.contains("`port 80` is taken"), "{taken:#?}");
        assert!(taken.err.contains("ss -ltnp 'sport = :80'"), "{taken:#?}");
        lane.scratch.dir("elsewhere");
        let elsewhere = lane.scratch.text("elsewhere");
        let wrong = lane
            .run(&Lane::order(NAME, &format!("--webroot {elsewhere}")))
            .exits(1);
        assert!(wrong.err.contains("answers with 404"), "{wrong:#?}");
        assert_eq!(lane.scratch.sh("find elsewhere"), "elsewhere\n");
        drop(other);
        nothing_was_asked(&lane);
    });
}

#[test]
fn a_server_that_is_not_trusted_or_not_there_is_said_to_be_so() {
    apart(|| {
        let lane = Lane::new(NAME);
        let foreign = lane
            .run("issue acme www.acme.example --server https://localhost:14000/dir --agree-tos")
            .exits(1);
        assert!(
            foreign.err.contains("invalid peer certificate"),
            "{foreign:#?}"
        );
        assert!(foreign.err.contains("`--ca-file FILE`"), "{foreign:#?}");
        let silent = lane
            .run("issue acme www.acme.example --server https://localhost:14009/dir --agree-tos")
            .exits(1);
        assert!(silent.err.contains("gives no answer"), "{silent:#?}");
        // What answers is no ACME server: here pebble's other port, which knows no such page.
        let other = lane
            .run("issue acme www.acme.example --server https://localhost:15000/dir --ca-file ca.pem --agree-tos")
            .exits(1);
        assert!(
            other
                .err
                .contains("`https://localhost:15000/dir` answers with 404"),
            "{other:#?}"
        );
        assert!(!lane.scratch.path("S/acme/www.acme.example/live").exists());
    });
}

#[test]
fn a_refusal_is_shown_in_the_servers_words_with_what_may_be_done() {
    apart(|| {
        let lane = Lane::with(&json!({}), &[NAME, "blocked.example"]);
        let blocked = lane.run(&Lane::order("blocked.example", "")).exits(1);
        assert!(blocked.err.contains("(rejectedIdentifier)"), "{blocked:#?}");
        assert!(
            blocked
                .err
                .contains("hint: the server does not issue for this name"),
            "{blocked:#?}"
        );
        // The server comes to port 80; the answer stands elsewhere.
        let unseen = lane.run(&Lane::order(NAME, "--http-port 8080")).exits(1);
        assert!(
            unseen.err.contains("refuses `www.acme.example`: "),
            "{unseen:#?}"
        );
        assert!(unseen.err.contains("(connection)"), "{unseen:#?}");
        assert!(
            unseen
                .err
                .contains("hint: the server cannot reach this host"),
            "{unseen:#?}"
        );
        assert!(unseen.err.contains("host: unchanged"), "{unseen:#?}");
        // Its order is forgotten, so that the next run makes one that can succeed.
        lane.run(&Lane::order(NAME, "")).exits(0);
        lane.is_pair(NAME);
    });
}

#[test]
fn a_run_that_waits_for_a_record_to_be_seen_ends_when_it_is_asked_to_and_takes_the_record_back() {
    apart(|| {
        let lane = Lane::new(NAME);
        let calls = lane.scratch.text("calls");
        let hook = format!("#!/bin/sh\necho $1 >>{calls}\n");
        lane.scratch.file("hook", hook);
        lane.scratch.mode("hook", 0o755);
        // By a relative path, and with a wait that the test does not have.
        let order = Lane::order(NAME, "--dns-hook ./hook --hook-wait 3600");
        let run = Running::start(&mut lane.command(&order));
        until("the record", || lane.scratch.path("calls").exists());
        run.signal("TERM");
        let run = run.end().exits(1);
        assert!(run.err.contains("interrupted"), "{run:#?}");
        assert_eq!(lane.scratch.read("calls"), "present\nremove\n");
    });
}
