//! What a profile with phases may say, and what a request may ask of it.

use crate::common::Scratch;

fn check(body: &str) -> String {
    let scratch = Scratch::new();
    scratch.profile("p", body);
    let run = scratch.certroll("profiles check P/p/profile.yaml");
    run.exits(2).err
}

#[test]
fn phases_that_cannot_be_meant_are_refused_at_their_line() {
    let pem = "resources:\n  - {kind: pem, path: /a, form: key";
    for (body, said) in [
        (
            "phases: [a, b]\n",
            "profile.yaml:4:10: 2 phases: want 3 at least",
        ),
        (
            "phases: [a, b, a]\n",
            "profile.yaml:4:16: two phases are called `a`",
        ),
        (
            "phases: [a, B c, d]\n",
            "profile.yaml:4:13: `B c` cannot name a phase",
        ),
        (
            &format!("phases: [a, b, c]\n{pem}}}\n"),
            "resource `/a` has no `phase`",
        ),
        (
            &format!("phases: [a, b, c]\n{pem}, phase: d}}\n"),
            "unknown phase `d`",
        ),
        (&format!("{pem}, phase: a}}\n"), "unknown phase `a`"),
        ("probes:\n  - {tls: 'a:1', phase: a}\n", "unknown phase `a`"),
        (
            "probes:\n  - {call: 'a:1'}\n",
            "`call` wants `accepted_with: identity` or `[CERT, KEY]`, or `refused_without: true`",
        ),
        (
            "probes:\n  - {call: 'a:1', accepted_with: [a]}\n",
            "`call` wants",
        ),
        (
            "resources:\n  - {kind: trust, name: a}\n",
            "`trust` wants one of `path` and `directory`",
        ),
    ] {
        let err = check(body);
        assert!(err.contains(said), "no {said:?} in {err}");
    }
}

#[test]
fn a_phase_that_is_not_there_is_named_with_those_that_are() {
    let scratch = Scratch::new();
    scratch.mint("new", "pair.example.com");
    let phases = "phases: [trust, switch, clean]\n";
    let resource = |path: &str, more: &str| {
        format!(
            "resources:\n  - {{kind: pem, path: {}, form: leaf{more}}}\n",
            scratch.text(path)
        )
    };
    scratch.profile(
        "phased",
        &format!("{phases}{}", resource("a.pem", ", phase: switch")),
    );
    scratch.profile("plain", &resource("b.pem", ""));
    let plan = |line: &str| {
        scratch
            .certroll(&format!(
                "--state S --profiles P plan --cert new.pem --key new.key {line}"
            ))
            .exits(2)
            .err
    };
    let err = plan("--profile phased --until other");
    assert!(
        err.starts_with("error: unknown phase `other`\n") && err.contains("`trust`, `switch`"),
        "{err}"
    );
    let err = plan("--profile plain --until trust");
    assert!(err.contains("there is no phase `trust`"), "{err}");
    let err = plan("--profile phased --profile plain");
    assert!(
        err.contains(
            "`phased` has the phases `trust`, `switch`, `clean`, and `plain` has no phases"
        ),
        "{err}"
    );
}
