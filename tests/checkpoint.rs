//! The profile `checkpoint` on a double of its platform: the portal's pair, its pins, and everything that may go wrong.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests run the program against servers of their own and fail by panicking"
)]

mod common;
#[path = "checkpoint/gaia.rs"]
mod gaia;
#[path = "checkpoint/ssh.rs"]
mod ssh;

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    time::Duration,
};

use certroll::{demo::portal::Ways, peer::Fingerprint};
use common::{Run, Running, Scratch, moment, until};
use gaia::Gaia;

const DEFAULT: &str = "web/conf/server.crt";

/// Keeps the fingerprint of the default pair, and the tree with it.
fn before(gaia: &Gaia) -> (String, common::Snapshot) {
    (gaia.scratch.fingerprint(DEFAULT), gaia.tree())
}

/// A run that went back: the pair of before is there, served and pinned.
#[track_caller]
fn is_back(gaia: &Gaia, run: Run, (leaf, tree): &(String, common::Snapshot)) -> Run {
    let run = run.exits(3);
    assert!(run.last().starts_with("rolled back: "), "{run:#?}");
    gaia.tree().is(tree);
    assert_eq!(gaia.leaf().as_ref(), Some(leaf));
    gaia.is_pinned_to(leaf);
    gaia.run("pin check").exits(0);
    assert_eq!(gaia.portal.requests(), 0, "nothing is ever sent");
    run
}

#[test]
fn the_portals_pair_is_rolled_and_proved_by_what_it_serves_and_says_and_its_pin_moves() {
    let Some(gaia) = Gaia::start() else { return };
    gaia.pin();
    let (default, tree) = before(&gaia);
    let new = gaia.scratch.fingerprint("new.pem");
    let colons = |digits: &str| Fingerprint::read(digits).unwrap().colons();

    let plan = gaia.run(&gaia.rollout("plan", "new")).exits(5);
    let tellpm = gaia.scratch.text("tellpm");
    for line in [
        format!("  {tellpm} process:httpd2\n  {tellpm} process:httpd2 t\n"),
        "fingerprint -f json   # must name the leaf once it is served\n".to_owned(),
        format!(
            "  {}: SHA-256 {} => {}\n",
            gaia.peer(),
            colons(&default),
            colons(&new)
        ),
        "serves the platform's default identity `CN=127.0.0.1` [default-identity]".to_owned(),
        "every member of a cluster".to_owned(),
        format!("clients that pin must know the new leaf: SHA-256 {new}, SHA-1 "),
    ] {
        assert!(plan.out.contains(&line), "no {line:?} in {plan:#?}");
    }
    assert!(!plan.out.contains("address-uncovered"), "{plan:#?}");
    gaia.tree().is(&tree);
    assert_eq!(gaia.told(), Vec::<String>::new());

    let applied = gaia.run(&gaia.rollout("apply --yes", "new")).exits(0);
    assert_eq!(applied.last(), "committed: generation 1, 2 probes good");
    gaia.serves("new.pem");
    gaia.is_pinned_to(&new);
    assert_eq!(gaia.told(), ["process:httpd2", "process:httpd2 t"]);
    let mode = |name: &str| {
        let path = gaia.scratch.path(&format!("web/conf/{name}"));
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    };
    // What the profile does not say stays as it was.
    assert_eq!([mode("server.key"), mode("server.crt")], [0o600, 0o640]);
    let again = gaia.run("apply --yes").exits(0);
    assert!(again.last().starts_with("converged"), "{again:#?}");
    assert_eq!(gaia.portal.requests(), 0, "nothing is ever sent");

    let back = gaia.run("rollback --yes").exits(0);
    assert_eq!(back.last(), "committed: generation 2, 1 probe good");
    gaia.tree().is(&tree);
    assert_eq!(gaia.leaf(), Some(default.clone()));
    gaia.is_pinned_to(&default);
}

#[test]
fn an_httpd2_that_refuses_connections_for_some_time_is_waited_for() {
    let Some(gaia) = Gaia::start() else { return };
    gaia.pin();
    gaia.behaves(Ways {
        delay: Duration::from_millis(1500),
        ..Ways::default()
    });
    gaia.run(&gaia.rollout("apply --yes", "new")).exits(0);
    gaia.serves("new.pem");
    gaia.run("pin check").exits(0);
}

#[test]
fn an_httpd2_whose_socket_of_before_is_held_a_moment_longer_comes_back() {
    let Some(gaia) = Gaia::start() else { return };
    let default = gaia.scratch.fingerprint(DEFAULT);
    assert!(gaia.portal.told(&["process:httpd2"]).unwrap());
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, gaia.portal.port())).unwrap();
    assert!(gaia.portal.told(&["process:httpd2", "t"]).unwrap());
    moment(200);
    drop(held);
    until("httpd2", || gaia.leaf().as_ref() == Some(&default));
}

#[test]
fn an_httpd2_that_does_not_come_back_gets_the_pair_of_before_back() {
    let key = "{kind: pem, path: /web/conf/server.key, form: key, mode: \"0600\", at_most: \"0600\", when: set.multi_portal == 'no' and set.ssh == ''}";
    let empty = "{kind: template, path: /web/conf/server.key, from: empty.tera, mode: \"0600\"}";
    let open = "mode: \"0600\", at_most: \"0600\"";
    for (what, (from, to), log) in [
        ("an empty key", (key, empty), "server.key: "),
        (
            "a key of another leaf",
            (
                key,
                "{kind: template, path: /web/conf/note, from: empty.tera}",
            ),
            "server.crt and server.key: ",
        ),
        (
            "a key that others may read",
            (open, "mode: \"0644\""),
            "server.key is 0644",
        ),
    ] {
        let Some(gaia) = Gaia::start() else { return };
        gaia.pin();
        let before = before(&gaia);
        gaia.profile(&[(from, to)]);
        gaia.scratch.file("P/checkpoint/empty.tera", "");
        let run = gaia.run(&gaia.rollout("apply --yes", "new"));
        let run = is_back(&gaia, run, &before);
        assert!(
            run.out.contains("refused the connection"),
            "{what}: {run:#?}"
        );
        let said = gaia.portal.log();
        assert!(
            said.iter().any(|line| line.starts_with(log)),
            "{what}: {said:?}"
        );
    }
}

#[test]
fn a_key_that_an_old_httpd_does_not_know_is_warned_of_and_taken_back() {
    let Some(gaia) = Gaia::start() else { return };
    gaia.pin();
    let before = before(&gaia);
    gaia.behaves(Ways {
        rsa_only: true,
        ..Ways::default()
    });
    let run = gaia.run(&gaia.rollout("apply --yes", "curve"));
    let run = is_back(&gaia, run, &before);
    assert!(
        run.out.contains("the key is EC P-256: ") && run.out.contains("[key-not-rsa]"),
        "{run:#?}"
    );
    // A newer one takes it.
    gaia.behaves(Ways::default());
    gaia.run(&gaia.rollout("apply --yes", "curve")).exits(0);
    gaia.serves("curve.pem");
}

#[test]
fn an_httpd2_that_goes_on_with_the_old_pair_is_found_out() {
    let Some(gaia) = Gaia::start() else { return };
    gaia.pin();
    let before = before(&gaia);
    gaia.behaves(Ways {
        deaf: true,
        ..Ways::default()
    });
    let run = gaia.run(&gaia.rollout("apply --yes", "new"));
    let run = is_back(&gaia, run, &before);
    assert!(run.out.contains("presents another leaf"), "{run:#?}");
}

#[test]
fn an_api_that_names_another_leaf_or_none_takes_the_run_back() {
    let other = "C0:1D:C0:1D:C0:1D:C0:1D:C0:1D:C0:1D:C0:1D:C0:1D:C0:1D:C0:1D";
    for (body, said) in [
        (
            format!("echo 'SHA1 Fingerprint = {other}'"),
            format!("says SHA-1 {other}"),
        ),
        ("exit 7".to_owned(), "exited with 7".to_owned()),
        (
            "echo API readiness test FAILED".to_owned(),
            "given as a fingerprint".to_owned(),
        ),
    ] {
        let Some(gaia) = Gaia::start() else { return };
        gaia.pin();
        let before = before(&gaia);
        gaia.scratch.file("api", format!("#!/bin/sh\n{body}\n"));
        let run = gaia.run(&gaia.rollout("apply --yes", "new"));
        let run = is_back(&gaia, run, &before);
        assert!(run.out.contains(&said), "no {said:?} in {run:#?}");
        // Where there is no such program it is not asked.
        gaia.run(&format!(
            "{} --set api=",
            gaia.rollout("apply --yes", "new")
        ))
        .exits(0);
        gaia.serves("new.pem");
    }
}

#[test]
fn an_api_that_is_not_ready_at_once_is_asked_again() {
    let Some(gaia) = Gaia::start() else { return };
    let at = gaia.scratch.text("asked");
    let api = gaia.scratch.read("api");
    let late = format!("#!/bin/sh -eu\n[ -e {at} ] || {{ : >{at}; exit 1; }}\n");
    gaia.scratch
        .file("api", api.replace("#!/bin/sh -eu\n", &late));
    gaia.run(&gaia.rollout("apply --yes", "new")).exits(0);
    assert!(gaia.scratch.path("asked").exists());
}

#[test]
fn whatever_becomes_of_the_call_that_stops_httpd2_the_one_that_starts_it_follows() {
    let Some(gaia) = Gaia::start() else { return };
    gaia.pin();
    let before = before(&gaia);
    let told = gaia.scratch.text("told");
    let first = gaia.scratch.text("first");
    gaia.scratch.file(
        "tellpm",
        format!(
            "#!/bin/sh -eu\necho \"$*\" >>{told}\nmkdir {first} 2>/dev/null && exit 3\nexit 0\n"
        ),
    );
    let run = gaia.run(&gaia.rollout("apply --yes", "new"));
    let run = is_back(&gaia, run, &before);
    assert!(
        run.out.contains("process:httpd2` exited with 3"),
        "{run:#?}"
    );
    assert_eq!(
        gaia.told(),
        ["process:httpd2", "process:httpd2 t"].repeat(2)
    );
}

#[test]
fn a_run_that_is_killed_while_httpd2_is_stopped_is_recovered_with_the_pair_of_before() {
    let Some(gaia) = Gaia::start() else { return };
    gaia.pin();
    let before = before(&gaia);
    let (told, first) = (gaia.scratch.text("told"), gaia.scratch.text("first"));
    gaia.scratch.file(
        "tellpm",
        format!(
            "#!/bin/sh -eu\necho \"$*\" >>{told}\nmkdir {first} 2>/dev/null || exit 0\nsleep 60\n"
        ),
    );
    let run = Running::start(&mut gaia.command(&gaia.rollout("apply --yes", "new")));
    until("the call that stops it", || {
        gaia.scratch.path("first").exists()
    });
    until("its end", || gaia.leaf().is_none());
    let pid = run.id();
    run.signal("KILL");
    run.end().exits(128 + 9);
    gaia.run("recover").exits(0);
    gaia.tree().is(&before.1);
    assert_eq!(gaia.leaf(), Some(before.0.clone()));
    gaia.is_pinned_to(&before.0);
    gaia.scratch.sh(&format!(
        "rmdir /run/certroll-{pid}-* /tmp/certroll-{pid}-* 2>/dev/null || true"
    ));
}

#[test]
fn whoever_stands_between_gets_no_pair_and_no_login() {
    let Some(gaia) = Gaia::start() else { return };
    gaia.pin();
    let peer = gaia.peer();
    let export = |name: &str| {
        let program = gaia.run(&format!("pin export --as python {peer}")).exits(0);
        // What the program asks for is a login here.
        let program = program
            .out
            .replace("\"GET\", path", "\"POST\", \"/web_api/login\"");
        gaia.scratch.file(name, program);
    };
    export("right.py");
    let store = gaia.scratch.read("S/pins.json");
    let known = gaia.scratch.fingerprint(DEFAULT);
    let other = Fingerprint::of(b"the server that was pinned").to_string();
    gaia.scratch
        .file("S/pins.json", store.replace(&known, &other));
    export("wrong.py");
    let tree = gaia.tree();
    for verb in ["plan", "apply --yes"] {
        let run = gaia.run(&gaia.rollout(verb, "new")).exits(8);
        assert!(run.err.contains("nothing was sent to it"), "{run:#?}");
    }
    gaia.tree().is(&tree);
    assert_eq!(gaia.told(), Vec::<String>::new());
    let run = Running::start(gaia.scratch.program("python3").arg("wrong.py")).end();
    assert_ne!(run.code, 0, "{run:#?}");
    assert_eq!((gaia.portal.requests(), gaia.portal.logins()), (0, 0));
    // The same program with the right pin does log in.
    let run = Running::start(gaia.scratch.program("python3").arg("right.py")).end();
    assert_eq!((run.code, gaia.portal.logins()), (0, 1), "{run:#?}");
}

#[test]
fn a_chain_in_any_order_is_served_leaf_first() {
    let Some(gaia) = Gaia::start() else { return };
    gaia.scratch.sh(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 99 -subj /CN=root -keyout root.key -out root.pem 2>&1
         openssl req -newkey rsa:2048 -nodes -subj /CN=mid -keyout mid.key -out mid.csr 2>&1
         printf 'basicConstraints=critical,CA:TRUE\\n' >mid.ext
         openssl x509 -req -in mid.csr -CA root.pem -CAkey root.key -days 98 -extfile mid.ext -out mid.pem 2>&1
         openssl req -newkey rsa:2048 -nodes -subj /CN=mgmt1.example.com -keyout site.key -out site.csr 2>&1
         printf 'subjectAltName=DNS:mgmt1.example.com\\n' >site.ext
         openssl x509 -req -in site.csr -CA mid.pem -CAkey mid.key -days 97 -extfile site.ext -out leaf.pem 2>&1
         cat root.pem mid.pem leaf.pem >site.pem",
    );
    let line = format!(
        "{} --set address=127.0.0.1",
        gaia.rollout("apply --yes", "site")
    );
    let run = gaia.run(&line).exits(0);
    assert!(run.out.contains("[address-uncovered]"), "{run:#?}");
    gaia.serves("leaf.pem");
    let wanted = gaia.scratch.read("leaf.pem") + &gaia.scratch.read("mid.pem");
    assert_eq!(gaia.scratch.read(DEFAULT), wanted);
}

#[test]
fn the_file_of_the_sdk_changes_with_the_pair_and_goes_back_with_it() {
    let Some(gaia) = Gaia::start() else { return };
    let sha1 = |pem: &str| {
        let line = format!("openssl x509 -in {pem} -noout -fingerprint -sha1");
        let out = gaia.scratch.sh(&line);
        out.trim().split_once('=').unwrap().1.replace(':', "")
    };
    let file =
        |known: &str| format!("{{\n    \"127.0.0.1\": \"{known}\",\n    \"192.0.2.1\": \"AA\"\n}}");
    let (default, new) = (file(&sha1(DEFAULT)), file(&sha1("new.pem")));
    gaia.scratch.file("fingerprints.txt", &default);
    let set = format!(
        "--set fingerprints={}",
        gaia.scratch.text("fingerprints.txt")
    );
    let apply = |pair: &str| format!("{} {set}", gaia.rollout("apply --yes", pair));
    gaia.run(&apply("new")).exits(0);
    assert_eq!(gaia.scratch.read("fingerprints.txt"), new);
    gaia.behaves(Ways {
        rsa_only: true,
        ..Ways::default()
    });
    gaia.run(&apply("curve")).exits(3);
    assert_eq!(gaia.scratch.read("fingerprints.txt"), new);
    gaia.run("rollback --yes").exits(0);
    assert_eq!(gaia.scratch.read("fingerprints.txt"), default);
    // One that somebody broke stops the plan, and is never written over.
    gaia.scratch.file("fingerprints.txt", "{\"127.0.0.1\": ");
    let run = gaia.run(&apply("new")).exits(1);
    assert!(run.err.contains("[document-refused]"), "{run:#?}");
    assert_eq!(gaia.scratch.read("fingerprints.txt"), "{\"127.0.0.1\": ");
    // One that is not there yet is made, as the SDK makes it.
    gaia.scratch.sh("rm fingerprints.txt");
    gaia.run(&apply("new")).exits(0);
    let made: serde_json::Value =
        serde_json::from_str(&gaia.scratch.read("fingerprints.txt")).unwrap();
    assert_eq!(made, serde_json::json!({ "127.0.0.1": sha1("new.pem") }));
}

#[test]
fn where_smartconsole_sets_the_pair_the_step_is_named_and_its_deed_is_proved() {
    let Some(gaia) = Gaia::start() else { return };
    let tree = gaia.tree();
    let rollout = |verb: &str| format!("{} --set multi_portal=yes", gaia.rollout(verb, "new"));
    let plan = gaia.run(&rollout("plan")).exits(5);
    assert!(plan.out.contains("In SmartConsole, "), "{plan:#?}");
    let run = gaia.run(&rollout("apply --yes")).exits(3);
    assert!(run.out.contains("presents another leaf"), "{run:#?}");
    gaia.tree().is(&tree);
    assert_eq!(gaia.told(), Vec::<String>::new());
    gaia.scratch
        .sh("cp new.pem web/conf/server.crt; cp new.key web/conf/server.key");
    gaia.portal.told(&["process:httpd2"]).unwrap();
    gaia.portal.told(&["process:httpd2", "t"]).unwrap();
    until("the new pair", || gaia.leaf().is_some());
    let run = gaia.run(&rollout("apply --yes")).exits(0);
    assert_eq!(run.last(), "converged: nothing to do, 1 probe good");
}

#[test]
fn an_image_of_a_server_gets_the_pair_and_another_host_is_refused() {
    let scratch = Scratch::new();
    scratch.mint_rsa("new", "mgmt1.example.com");
    scratch.dir("R/web");
    let apply = "apply --profile checkpoint --cert new.pem --key new.key --yes";
    let run = scratch.on_root(apply).exits(2);
    assert!(run.err.contains("is for another host"), "{run:#?}");
    for name in ["server.crt", "server.key"] {
        scratch.file(&format!("R/web/conf/{name}"), "an old one\n");
    }
    let before = scratch.tree();
    let run = scratch.on_root(apply).exits(0);
    assert!(run.last().starts_with("placed: "), "{run:#?}");
    assert_eq!(
        scratch.read("R/web/conf/server.key"),
        scratch.read("new.key")
    );
    assert!(!run.out.contains("process:httpd2"), "{run:#?}");
    scratch.on_root("rollback --yes").exits(0);
    scratch.tree().is(&before);
    let run = scratch.on_root("revert --profile checkpoint").exits(2);
    assert!(run.err.contains("certroll rollback"), "{run:#?}");
}
