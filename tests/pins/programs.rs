//! The programs of `pin export --as`, run: the right peer answers, and a wrong one is an error and is sent nothing.

use std::process::Command;

use certroll::{
    peer::Fingerprint,
    pins::{Leaf, Pin, Source, snippet},
};

use super::{
    common::{Run, Running, Scratch, skip},
    double::{Double, Pair},
    pin,
    tally::{Depth, depth},
};

/// Runs a program that was printed for a pinned peer, against whoever is at the port now.
fn run(scratch: &Scratch, argv: &[&str]) -> Run {
    let mut command: Command = scratch.program(argv[0]);
    // What a compiler keeps goes below the scratch directory.
    command
        .args(&argv[1..])
        .env("HOME", scratch.path(""))
        .env("GOFLAGS", "-mod=mod")
        .env("GO111MODULE", "off");
    Running::start(&mut command).end()
}

fn works(language: &str, file: &str, argv: &[&str], keeps_key: bool) {
    let scratch = Scratch::new();
    let (pair, other) = (Pair::new(), Pair::new());
    let peers = [
        ("right", Double::serving(&pair)),
        ("wrong", Double::serving(&other)),
        ("copied", Double::presenting(&pair.leaf, &other.key)),
    ];
    let right = &peers[0].1;
    pin(&scratch, &["add", &right.peer(), "--tofu"]).exits(0);
    let program = pin(&scratch, &["export", "--as", language, &right.peer()])
        .exits(0)
        .out;
    for (name, peer) in &peers {
        let text = program.replace(&format!(":{}", right.port), &format!(":{}", peer.port));
        let text = text.replace(&format!(", {})", right.port), &format!(", {})", peer.port));
        let text = text.replace(
            &format!(", {}, ", right.port),
            &format!(", {}, ", peer.port),
        );
        scratch.file(file, text);
        let run = run(&scratch, argv);
        if *name == "right" {
            let run = run.exits(0);
            assert!(
                run.out.contains("200") && run.out.contains("right peer"),
                "{run:#?}"
            );
            assert_eq!(peer.requests(), 1, "{language}");
        } else {
            assert!(
                run.code != 0 && run.code < 128,
                "{language} took {name}: {run:#?}"
            );
            assert!(!run.out.contains("right peer"), "{run:#?}");
            assert_eq!(peer.requests(), 0, "{language} sent something to {name}");
        }
    }
    // Both leaves are taken while a next one is set.
    let both = Pin {
        leaf: Leaf::of(&other.leaf),
        first_seen: 0,
        source: Source::Rollout,
        next: Some(Leaf::of(&pair.leaf)),
    };
    scratch.file(file, snippet(language, &right.peer(), &both).unwrap());
    run(&scratch, argv).exits(0);
    assert_eq!(right.requests(), 2);
    assert_eq!(
        program.contains(&Fingerprint::of(&pair.leaf).to_string()),
        !keeps_key
    );
}

#[test]
fn the_python_program_speaks_to_nobody_but_the_pinned_peer() {
    works("python", "pinned.py", &["python3", "pinned.py"], false);
}

#[test]
fn the_curl_program_speaks_to_nobody_but_the_holder_of_the_pinned_key() {
    works("curl", "pinned.sh", &["sh", "pinned.sh"], true);
}

#[test]
fn the_openssl_program_speaks_to_nobody_but_the_pinned_peer() {
    works("openssl", "pinned.sh", &["bash", "pinned.sh"], false);
}

/// Compilers take their time, and their packages theirs: the slow ring installs them.
fn compiled(language: &str, file: &str, argv: &[&str]) {
    if depth() == Depth::Fast {
        return;
    }
    let asked = Command::new(argv[0])
        .arg(if language == "go" {
            "version"
        } else {
            "-version"
        })
        .output();
    if !asked.is_ok_and(|asked| asked.status.success()) {
        return skip(&format!("{} is not installed", argv[0]));
    }
    works(language, file, argv, false);
}

#[test]
fn the_java_program_speaks_to_nobody_but_the_pinned_peer() {
    compiled("java", "Pinned.java", &["java", "Pinned.java"]);
}

#[test]
fn the_go_program_speaks_to_nobody_but_the_pinned_peer() {
    compiled("go", "pinned.go", &["go", "run", "pinned.go"]);
}

#[test]
fn every_program_is_as_it_was_read_and_approved() {
    let leaf = |byte: u8| Leaf {
        public_key: Some("nP7sWrHzCBsGyhC+2AqGAUHHEtYRuylZQoJVckw1eoI=".to_owned()),
        ..Leaf::of(&[byte; 4])
    };
    let pin = Pin {
        leaf: leaf(1),
        first_seen: 0,
        source: Source::Manual,
        next: Some(leaf(2)),
    };
    for language in ["csharp", "powershell"] {
        let text = snippet(language, "mgmt.example.com:4434", &pin).unwrap();
        let golden = format!(
            "{}/tests/golden/pins/{language}.txt",
            env!("CARGO_MANIFEST_DIR")
        );
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(std::path::Path::new(&golden).parent().unwrap()).unwrap();
            std::fs::write(&golden, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&golden).unwrap(), "{golden}");
    }
}
