//! `issue acme`: orders that come to an end, also those of a run that was killed.

use std::os::unix::fs::MetadataExt as _;

use serde_json::json;

use crate::{
    common::{Running, until},
    lane::{Lane, apart, live},
};

const NAME: &str = "www.acme.example";

#[test]
fn a_first_order_is_proved_on_port_80_and_its_pair_is_kept_from_others() {
    apart(|| {
        let lane = Lane::new(NAME);
        let run = lane.run(&Lane::order(NAME, "")).exits(0);
        assert!(
            run.out
                .starts_with("issued: identity `www.acme.example`, leaf "),
            "{run:#?}"
        );
        lane.is_pair(NAME);
        let names = lane.scratch.sh(&format!(
            "openssl x509 -noout -ext subjectAltName -in {}",
            live(NAME, "fullchain.pem")
        ));
        assert!(names.contains("DNS:www.acme.example"), "{names}");
        let all = lane.scratch.sh("find S/acme -type f -printf '%m %p\\n'");
        assert!(all.lines().count() >= 4, "{all}");
        for line in all.lines() {
            assert!(line.starts_with("600 "), "{line}");
        }
        for dir in ["S", "S/acme", "S/acme/.accounts", "S/acme/www.acme.example"] {
            let mode = std::fs::metadata(lane.scratch.path(dir)).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o700, "{dir}");
        }
        // Once more is no second order.
        let (leaf, before) = (lane.leaf(NAME), lane.log());
        let again = lane.run(&Lane::order(NAME, "")).exits(0);
        assert!(
            again
                .out
                .starts_with("nothing was ordered, what is there is good"),
            "{again:#?}"
        );
        assert_eq!((lane.leaf(NAME), lane.log()), (leaf.clone(), before));
        // With `--force` it is, by the same account, and another key.
        let key = lane.scratch.read(&live(NAME, "key.pem"));
        lane.run(&Lane::order(NAME, "--force"))
            .exits(0)
            .says("issued: ");
        assert_ne!(
            (lane.leaf(NAME), lane.scratch.read(&live(NAME, "key.pem"))),
            (leaf, key)
        );
        let log = lane.log();
        assert!(log.contains("There are now 2 orders"), "{log}");
        assert!(!log.contains("There are now 2 accounts"), "{log}");
    });
}

#[test]
fn the_keys_and_names_that_were_asked_for_are_those_of_the_leaf() {
    apart(|| {
        let lane = Lane::with(&json!({}), &["a.acme.example", "b.acme.example"]);
        for (kind, said) in [("p384", "384 bit"), ("rsa2048", "2048 bit")] {
            let more = format!("b.acme.example --id {kind} --key-type {kind}");
            lane.run(&Lane::order("a.acme.example", &more)).exits(0);
            lane.is_pair(kind);
            let text = lane.scratch.sh(&format!(
                "openssl x509 -noout -text -in {}",
                live(kind, "fullchain.pem")
            ));
            for wanted in [said, "DNS:a.acme.example", "DNS:b.acme.example"] {
                assert!(text.contains(wanted), "no {wanted} in {text}");
            }
        }
    });
}

#[test]
fn a_web_server_answers_out_of_its_folder_which_is_left_as_it_was() {
    apart(|| {
        let lane = Lane::new(NAME);
        lane.scratch.file("root/index.html", "hello\n");
        lane.scratch.file("root/.well-known/security.txt", "mine\n");
        let _server = lane.web_server("root");
        let root = lane.scratch.text("root");
        lane.run(&Lane::order(NAME, &format!("--webroot {root}")))
            .exits(0);
        lane.is_pair(NAME);
        assert_eq!(
            lane.scratch.sh("find root | sort"),
            "root\nroot/.well-known\nroot/.well-known/security.txt\nroot/index.html\n"
        );
    });
}

#[test]
fn programs_see_to_the_answers_by_http_and_by_dns_also_for_a_wildcard() {
    apart(|| {
        let lane = Lane::with(&json!({}), &[NAME]);
        // What pebble's DNS server is told; it answers HTTP on no port of its own here.
        lane.scratch.file(
            "hook",
            format!(
                "#!/bin/sh\necho \"$@\" >>{0}\ncase $1-$2 in\n\
                 present-dns-01) curl -sf -d \"{{\\\"host\\\":\\\"$3.\\\",\\\"value\\\":\\\"$4\\\"}}\" http://127.0.0.1:8055/set-txt ;;\n\
                 remove-dns-01) curl -sf -d \"{{\\\"host\\\":\\\"$3.\\\"}}\" http://127.0.0.1:8055/clear-txt ;;\n\
                 present-http-01) mkdir -p {1}/.well-known/acme-challenge; printf %s \"$5\" >{1}/.well-known/acme-challenge/$4\n\
                 cd {1}; python3 -m http.server 80 >/dev/null 2>&1 & echo $! >{0}.pid; sleep 1 ;;\n\
                 remove-http-01) kill $(cat {0}.pid) ;;\nesac\n",
                lane.scratch.text("calls"),
                lane.scratch.text("hooked")
            ),
        );
        lane.scratch.mode("hook", 0o755);
        lane.scratch.dir("hooked");
        let hook = lane.scratch.text("hook");
        let names = "*.acme.example --id wild";
        lane.run(&Lane::order(names, &format!("--dns-hook {hook}")))
            .exits(0);
        lane.is_pair("wild");
        lane.run(&Lane::order(NAME, &format!("--http-hook {hook}")))
            .exits(0);
        lane.is_pair(NAME);
        let calls = lane.scratch.read("calls");
        let verbs: Vec<&str> = calls
            .lines()
            .map(|line| {
                line.rsplitn(if line.contains("http") { 3 } else { 2 }, ' ')
                    .last()
                    .unwrap()
            })
            .collect();
        assert_eq!(
            verbs,
            [
                "present dns-01 _acme-challenge.acme.example",
                "remove dns-01 _acme-challenge.acme.example",
                "present http-01 www.acme.example",
                "remove http-01 www.acme.example"
            ]
        );
    });
}

#[test]
fn a_server_that_comes_to_the_tls_port_is_shown_its_leaf_there() {
    apart(|| {
        let lane = Lane::new(NAME);
        lane.run(&Lane::order(NAME, "--alpn-port 443")).exits(0);
        lane.is_pair(NAME);
        // Nothing answers on port 80.
        assert!(!lane.log().contains("http-01"), "{}", lane.log());
    });
}

#[test]
fn an_account_is_bound_to_one_elsewhere() {
    apart(|| {
        let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
        let settings = json!({
            "externalAccountBindingRequired": true,
            "externalAccountMACKeys": { "kid-1": key },
        });
        let lane = Lane::with(&settings, &[NAME]);
        let without = lane.run(&Lane::order(NAME, "")).exits(1);
        assert!(
            without.err.contains("(externalAccountRequired)"),
            "{without:#?}"
        );
        assert!(
            without
                .err
                .contains("hint: give the account that the server gave you: `--eab-kid"),
            "{without:#?}"
        );
        lane.scratch.file("eab", format!("{key}\n"));
        lane.run(&Lane::order(NAME, "--eab-kid kid-1 --eab-key-file eab"))
            .exits(0);
        lane.is_pair(NAME);
    });
}

#[test]
fn a_run_that_was_killed_is_taken_up_with_its_account_its_order_and_its_key() {
    apart(|| {
        let lane = Lane::new(NAME);
        // Once its account's key is kept, whether the server heard of it or not.
        let order = Lane::order(NAME, "--contact a@acme.example");
        let run = Running::start(&mut lane.command(&order));
        until("the account", || run.said().contains("making an account"));
        until("its key", || {
            !lane
                .scratch
                .sh("find S/acme/.accounts -type f 2>/dev/null || true")
                .is_empty()
        });
        run.signal("KILL");
        run.end();
        lane.run(&order).exits(0);
        // After the order is kept, while the server looks, and while it issues.
        for (at, id) in [("order https://", "one"), ("the server looks", "two")] {
            let order = Lane::order(NAME, &format!("--id {id}"));
            let run = Running::start(&mut lane.command(&order));
            until(at, || run.said().contains(at));
            run.signal("KILL");
            assert_eq!(run.end().code, 137);
            assert!(!lane.scratch.path(&live(id, "fullchain.pem")).exists());
            let key = lane.scratch.read(&format!("S/acme/{id}/000001/key.pem"));
            let second = lane.run(&order).exits(0);
            assert!(
                second.err.contains("taking up order https://"),
                "{second:#?}"
            );
            lane.is_pair(id);
            // An order that the server found unanswered meanwhile is begun anew, with a key of its own.
            if !second.err.contains("\norder https://") {
                assert_eq!(lane.scratch.read(&live(id, "key.pem")), key);
            }
            assert!(
                !lane
                    .scratch
                    .path(&format!("S/acme/{id}/order.json"))
                    .exists()
            );
        }
        // One account in all.
        assert!(
            !lane.log().contains("There are now 2 accounts"),
            "{}",
            lane.log()
        );
    });
}

#[test]
fn no_second_order_is_made_while_one_is_under_way() {
    apart(|| {
        let lane = Lane::new(NAME);
        let first = Running::start(&mut lane.command(&Lane::order(NAME, "")));
        until("the first order", || {
            first.said().contains("order https://")
        });
        let second = lane.run(&Lane::order(NAME, "")).exits(6);
        assert!(second.err.contains("holds the lock"), "{second:#?}");
        first.end().exits(0);
        lane.is_pair(NAME);
    });
}
