//! Orders at a server that refuses every other nonce, takes its time, and remembers what was proved.

use serde_json::json;

use crate::lane::{Lane, Moods, apart, live};

const NAMES: [&str; 2] = ["a.acme.example", "b.acme.example"];
const ID: &str = "moody";

/// Nonces that are refused too often in a row end a run, which says so; the next one goes on. That happens to no dozen.
#[track_caller]
fn gets_there(lane: &Lane, order: &str) {
    for _ in 0..12 {
        let run = lane.run(order);
        if run.code == 0 {
            assert!(run.out.starts_with("issued: "), "{run:#?}");
            return;
        }
        assert!(
            run.code == 1 && run.err.contains("(badNonce)") && run.err.contains("try again"),
            "{run:#?}"
        );
    }
    panic!("no order came to an end");
}

#[test]
fn each_of_three_orders_comes_to_its_end_whatever_the_server_refuses_delays_and_remembers() {
    apart(|| {
        let mut lane = Lane::with(&json!({}), &NAMES);
        lane.start(
            8053,
            Moods {
                refuses: 50,
                reuses: 100,
                // Up to it, and not as long.
                sleeps: 2,
            },
        );
        let order = Lane::order(NAMES[0], &format!("{} --id {ID} --force", NAMES[1]));
        let looks = || {
            lane.log()
                .matches("Pulled a task from the Tasks queue")
                .count()
        };
        let mut seen = Vec::new();
        for n in 1..=3 {
            gets_there(&lane, &order);
            lane.is_pair(ID);
            let pair = (lane.leaf(ID), lane.scratch.read(&live(ID, "key.pem")));
            assert!(!seen.contains(&pair), "order {n} brought an older pair");
            seen.push(pair);
            // Each name is looked at for the first order alone: it is proved for the others.
            assert_eq!(looks(), NAMES.len(), "{}", lane.log());
            if n == 1 {
                let log = lane.log();
                assert!(
                    log.contains("authz reuse for each identifier 100%"),
                    "{log}"
                );
                assert!(log.contains("reject 50% of good nonces"), "{log}");
            }
        }
        let log = lane.log();
        assert!(!log.contains("There are now 2 accounts"), "{log}");
        for once in ["There are now 3 orders", "Sleeping for "] {
            assert!(log.contains(once), "no {once}: {log}");
        }
    });
}
