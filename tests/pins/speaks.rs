//! A program of `pin export --as`, run: the right peer answers, and a wrong one is an error and is sent nothing.

use std::process::Command;

use certroll::{
    peer::Fingerprint,
    pins::{Leaf, Pin, Source, snippet},
};

use super::{
    common::{Run, Running, Scratch},
    double::{Double, Pair},
};

/// Runs `certroll --state S pin ...`.
#[track_caller]
pub(crate) fn pin(scratch: &Scratch, args: &[&str]) -> Run {
    let head = ["--state", "S", "pin"];
    let args: Vec<&str> = head.iter().chain(args).copied().collect();
    Running::start(&mut scratch.command(&args)).end()
}

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

/// Has a program speak to the pinned peer, to another, and to one that presents a copied leaf.
pub(crate) fn speaks_to_the_pinned_peer_alone(
    language: &str,
    file: &str,
    argv: &[&str],
    keeps_key: bool,
) {
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
