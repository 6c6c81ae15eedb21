//! `certroll pin`: what is kept of peers, and what happens when they are others.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests run the program against servers of their own and fail by panicking"
)]

mod common;
#[path = "common/double.rs"]
mod double;
#[path = "pins/programs.rs"]
mod programs;
#[path = "pins/speaks.rs"]
mod speaks;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use certroll::peer::Fingerprint;
use common::Scratch;
use double::{Double, Pair};
use speaks::pin;

fn store(scratch: &Scratch) -> serde_json::Value {
    serde_json::from_str(&scratch.read("S/pins.json")).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_peer_is_pinned_by_any_form_of_its_fingerprint_and_sha256_is_kept_of_it() {
    let (scratch, pair) = (Scratch::new(), Pair::new());
    let double = Double::serving(&pair);
    let (strong, weak) = (Fingerprint::of(&pair.leaf), Fingerprint::legacy(&pair.leaf));
    let json = format!(
        r#"[ {{ "fingerprint-sha1" : "{}", "fingerprint-sha256" : "{}" }} ]"#,
        weak.colons(),
        strong.colons()
    );
    for (text, source) in [
        (strong.to_string(), "manual"),
        (format!("SHA1 Fingerprint = {}", weak.colons()), "manual"),
        (json, "api-fingerprint"),
    ] {
        let run = pin(&scratch, &["add", &double.peer(), "--fingerprint", &text]);
        run.exits(0)
            .says(&format!("is pinned to SHA-256 {}", strong.colons()));
        let kept = store(&scratch)["hosts"][double.peer()].clone();
        assert_eq!(kept["sha256"], strong.to_string(), "{text}");
        assert_eq!(kept["sha1"], weak.to_string(), "{text}");
        assert_eq!(kept["source"], source, "{text}");
        assert!(kept["next"].is_null());
        assert_eq!(
            (mode(&scratch.path("S")), mode(&scratch.path("S/pins.json"))),
            (0o700, 0o600)
        );
        pin(&scratch, &["check"]).exits(0).says("  pinned\n");
        let listed = pin(&scratch, &["list"]).exits(0);
        assert!(listed.out.contains(&strong.colons()) && listed.out.contains(&weak.colons()));
        pin(&scratch, &["remove", &double.peer()]).exits(0);
        pin(&scratch, &["list"]).exits(0).says("no pins are kept");
    }
    let run = pin(
        &scratch,
        &[
            "add",
            &double.peer(),
            "--require-sha256",
            "--fingerprint",
            &weak.to_string(),
        ],
    );
    assert!(run.exits(2).err.contains("a SHA-1 is given"));
    assert_eq!(double.requests(), 0, "nothing is ever sent");
}

#[test]
fn a_changed_leaf_is_never_taken_over_by_itself_and_both_are_shown_side_by_side() {
    let (scratch, old, new) = (Scratch::new(), Pair::new(), Pair::new());
    let (before, after) = (Double::serving(&old), Double::serving(&new));
    pin(&scratch, &["add", &before.peer(), "--tofu"]).exits(0);
    pin(&scratch, &["add", &after.peer(), "--tofu"]).exits(0);
    // The same peer with another leaf: the pin of the one is given to the other.
    let text = scratch.read("S/pins.json");
    let swapped = text
        .replace(&before.peer(), "X")
        .replace(&after.peer(), &before.peer())
        .replace('X', &after.peer());
    scratch.file("S/pins.json", &swapped);
    let (want, found) = (Fingerprint::of(&new.leaf), Fingerprint::of(&old.leaf));
    let known = Fingerprint::legacy(&old.leaf);
    for args in [
        vec!["check", &before.peer()],
        vec!["add", &before.peer(), "--tofu"],
    ] {
        let run = pin(&scratch, &args).exits(8);
        let wanted = format!(
            "error: `{0}` is not the peer that is pinned: nothing was sent to it\n  expected  SHA-256 {1}\n            SHA-1   {2}\n  \
             presented SHA-256 {3}\n            SHA-1   {4}\n  this leaf is pinned for `{5}`\nhint: ask the server itself: `api fingerprint`",
            before.peer(),
            want.colons(),
            Fingerprint::legacy(&new.leaf).colons(),
            found.colons(),
            known.colons(),
            after.peer()
        );
        assert!(run.err.starts_with(&wanted), "{run:#?}\nwant {wanted}");
        assert!(run.err.ends_with("host: unchanged\n"));
        assert_eq!(scratch.read("S/pins.json"), swapped);
    }
    // A wrong fingerprint is compared in the handshake, too, and kept of nobody.
    let run = pin(
        &scratch,
        &["add", &before.peer(), "--fingerprint", &want.to_string()],
    )
    .exits(8);
    assert!(run.err.contains(&found.colons()), "{run:#?}");
    assert_eq!(scratch.read("S/pins.json"), swapped);
    let both = pin(&scratch, &["check", "--json"]).exits(8).json();
    assert_eq!(both["peers"].as_array().unwrap().len(), 2);
    assert!(
        both["peers"][0]["mismatch"]["presented"][0]
            .as_str()
            .unwrap()
            .starts_with("SHA-256")
    );
    assert_eq!((before.requests(), after.requests()), (0, 0));
    // A person's own word replaces a pin.
    pin(
        &scratch,
        &["add", &before.peer(), "--fingerprint", &found.to_string()],
    )
    .exits(0);
    pin(&scratch, &["check", &before.peer()]).exits(0);
}

#[test]
fn a_copied_leaf_without_its_key_is_another_peer() {
    let (scratch, pair, thief) = (Scratch::new(), Pair::new(), Pair::new());
    let copied = Double::presenting(&pair.leaf, &thief.key);
    let given = Fingerprint::of(&pair.leaf).to_string();
    for args in [
        vec!["add", &copied.peer(), "--fingerprint", &given],
        vec!["add", &copied.peer(), "--tofu"],
    ] {
        let run = pin(&scratch, &args).exits(8);
        assert!(
            run.err
                .contains("without holding its key: nothing was sent to it"),
            "{run:#?}"
        );
    }
    assert!(!scratch.path("S/pins.json").exists());
    assert_eq!((copied.handshakes(), copied.requests()), (0, 0));
}

#[test]
fn look_alikes_and_what_cannot_be_meant_are_refused_before_anything_is_asked() {
    let scratch = Scratch::new();
    for (args, code, want) in [
        (
            vec![
                "add",
                "127.0.0.1:1",
                "--fingerprint",
                "d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e",
            ],
            2,
            "`fwm fingerprint`",
        ),
        (
            vec![
                "add",
                "127.0.0.1:1",
                "--fingerprint",
                "TROY BEAD DOLE FEE COON HAL FADE",
            ],
            2,
            "`cp_conf finger get`",
        ),
        (vec!["add", "127.0.0.1:1"], 2, "--fingerprint"),
        (
            vec!["add", "127.0.0.1:1", "--tofu"],
            1,
            "refused the connection",
        ),
        (
            vec!["add", "no such host:1", "--tofu"],
            2,
            "has no host name",
        ),
        (
            vec!["remove", "127.0.0.1:1"],
            2,
            "unknown pin `127.0.0.1:1`",
        ),
        (vec!["check", "127.0.0.1:1"], 2, "unknown pin `127.0.0.1:1`"),
        (
            vec!["export", "--as", "python", "127.0.0.1:1"],
            2,
            "unknown pin",
        ),
        (vec!["import", "none.txt"], 1, "cannot read `none.txt`"),
    ] {
        let run = pin(&scratch, &args).exits(code);
        assert!(run.err.contains(want), "{run:#?}");
    }
    pin(&scratch, &["check"]).exits(0);
}

#[test]
fn a_store_that_is_malformed_or_others_may_write_is_refused_and_left_as_it_is() {
    let (scratch, pair) = (Scratch::new(), Pair::new());
    let double = Double::serving(&pair);
    pin(&scratch, &["add", &double.peer(), "--tofu"]).exits(0);
    let good = scratch.read("S/pins.json");
    scratch.mode("S/pins.json", 0o620);
    let add = ["add", &double.peer(), "--tofu"];
    assert!(
        pin(&scratch, &add)
            .exits(2)
            .err
            .contains("can be written by others")
    );
    scratch.mode("S/pins.json", 0o600);
    for bad in [
        "{",
        "",
        &good.replace("pins/1", "pins/2"),
        &good.replace("\"sha256\"", "\"sha512\""),
    ] {
        scratch.file("S/pins.json", bad);
        for args in [&add[..], &["list"], &["check"], &["remove", &double.peer()]] {
            let run = pin(&scratch, args).exits(2);
            assert!(
                run.err.contains("`pins.json` in the state directory: "),
                "{run:#?}"
            );
        }
        assert_eq!(scratch.read("S/pins.json"), bad);
    }
}

#[test]
fn pins_come_from_the_file_of_the_sdk_and_go_there_and_other_entries_stay() {
    let (scratch, pair, other) = (Scratch::new(), Pair::new(), Pair::new());
    let (right, wrong) = (Double::serving(&pair), Double::serving(&other));
    let sha1 = Fingerprint::legacy(&pair.leaf);
    // The SDK writes no ports; who has them in the name is asked there.
    let file = |names: &[&str]| {
        let entries: Vec<String> = names
            .iter()
            .map(|n| format!("\"{n}\": \"{}\"", sha1.colons()))
            .collect();
        format!("{{{}}}", entries.join(", "))
    };
    scratch.file("f.txt", file(&[&right.peer(), &wrong.peer()]));
    let run = pin(&scratch, &["import", "f.txt"]).exits(8);
    assert!(
        run.err
            .contains(&format!("`{}` is not the peer", wrong.peer())),
        "{run:#?}"
    );
    let kept = store(&scratch)["hosts"].clone();
    assert_eq!(kept.as_object().unwrap().len(), 1);
    assert_eq!(
        kept[right.peer()]["sha256"],
        Fingerprint::of(&pair.leaf).to_string()
    );
    assert_eq!(kept[right.peer()]["source"], "imported");
    scratch.file("out.txt", "{\"192.0.2.1\": \"AA\"}");
    pin(&scratch, &["export", "--cpapi", "out.txt"]).exits(0);
    let want = format!(
        "{{\n    \"127.0.0.1\": \"{}\",\n    \"192.0.2.1\": \"AA\"\n}}",
        sha1.to_string().to_uppercase()
    );
    assert_eq!(scratch.read("out.txt"), want);
    scratch.file("bad.txt", "[1]");
    pin(&scratch, &["export", "--cpapi", "bad.txt"]).exits(2);
    assert_eq!(scratch.read("bad.txt"), "[1]");
    // Two leaves of one host have no place in a file without ports.
    pin(&scratch, &["add", &wrong.peer(), "--tofu"]).exits(0);
    let run = pin(&scratch, &["export", "--cpapi", "out.txt"]).exits(2);
    assert!(run.err.contains("knows no ports"), "{run:#?}");
    pin(&scratch, &["export", "--cpapi", "out.txt", &wrong.peer()]).exits(0);
}
