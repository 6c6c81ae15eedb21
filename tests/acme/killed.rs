//! What runs that were killed or asked to end leave, and what the next one makes of that.

use serde_json::{Value, json};

use crate::{
    common::{Running, until},
    lane::{Lane, apart},
};

const NAME: &str = "www.acme.example";

/// A document of the identity.
fn document(lane: &Lane, file: &str) -> Value {
    serde_json::from_str(&lane.scratch.read(&format!("S/acme/{NAME}/{file}"))).unwrap()
}

#[test]
fn an_answer_of_a_run_that_was_killed_is_taken_out_of_the_web_servers_folder_by_the_next() {
    apart(|| {
        let lane = Lane::new(NAME);
        lane.scratch.file("root/index.html", "hello\n");
        let _server = lane.web_server("root");
        let order = Lane::order(NAME, &format!("--webroot {}", lane.scratch.text("root")));
        let all = || lane.scratch.sh("find root | sort");
        let before = all();
        for next in ["renew", order.as_str()] {
            // One that is taken up may have been proved before the kill, and then nothing is shown.
            lane.scratch.sh(&format!("rm -f S/acme/{NAME}/order.json"));
            let mut run = Running::start(&mut lane.command(&format!("{order} --force")));
            until("the answer", || {
                assert!(!run.has_ended(), "{next}: {}", run.said());
                run.said().contains("the server looks")
            });
            run.signal("KILL");
            assert_eq!(run.end().code, 137);
            assert!(
                all().contains("root/.well-known/acme-challenge/"),
                "{}",
                all()
            );
            lane.run(next).exits(0);
            assert_eq!(all(), before, "{next}");
        }
        lane.is_pair(NAME);
    });
}

#[test]
fn a_renewal_that_is_asked_to_end_is_no_failed_attempt() {
    apart(|| {
        let lane = Lane::new(NAME);
        lane.run(&Lane::order(NAME, "")).exits(0);
        let calls = lane.scratch.text("calls");
        let hook = format!("#!/bin/sh\necho $1 >>{calls}\n");
        lane.scratch.file("hook", hook);
        lane.scratch.mode("hook", 0o755);
        let mut asked = document(&lane, "asked.json");
        let program = json!({ "path": lane.scratch.text("hook"), "wait": 3600 });
        asked["answering"] = json!({ "dns-hook": program });
        lane.scratch
            .file(&format!("S/acme/{NAME}/asked.json"), asked.to_string());
        let run = Running::start(&mut lane.command("renew --force"));
        until("the record", || lane.scratch.path("calls").exists());
        run.signal("TERM");
        let run = run.end().exits(1);
        assert!(run.err.contains("interrupted"), "{run:#?}");
        assert_eq!(lane.scratch.read("calls"), "present\nremove\n");
        let missed = lane.scratch.path(&format!("S/acme/{NAME}/missed.json"));
        assert!(!missed.exists());
        // The next run of the timer waits for nothing, and takes the order up.
        let run = Running::start(&mut lane.command("renew --force"));
        until("the order", || run.said().contains("taking up order"));
        run.signal("TERM");
        run.end().exits(1);
    });
}

#[test]
fn a_first_pair_in_force_that_a_kill_left_unknown_is_known_to_the_next_renewal() {
    apart(|| {
        let lane = Lane::new(NAME);
        lane.run(&Lane::order(NAME, "")).exits(0);
        let asked = document(&lane, "asked.json");
        let order = json!({ "asked": asked, "number": 1, "url": "https://localhost:14000/gone" });
        for line in [
            "renew".to_owned(),
            format!("renew {NAME}"),
            Lane::order(NAME, ""),
        ] {
            lane.scratch.sh(&format!("rm S/acme/{NAME}/asked.json"));
            lane.scratch
                .file(&format!("S/acme/{NAME}/order.json"), order.to_string());
            lane.run(&line).exits(0);
            assert_eq!(document(&lane, "asked.json"), asked, "{line}");
            let order = lane.scratch.path(&format!("S/acme/{NAME}/order.json"));
            assert!(!order.exists(), "{line}");
            lane.is_pair(NAME);
        }
        assert!(!lane.log().contains("There are now 2 orders"));
    });
}
