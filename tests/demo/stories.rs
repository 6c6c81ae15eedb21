//! The other stories: each told to its end, and interrupted.

use std::time::Instant;

use super::{LIMIT, Running, interrupted, nothing_is_left};

/// Runs a demo to its end, and looks for lines in their order.
fn tell(name: &str, lines: &[&str]) {
    let start = Instant::now();
    let (code, text, errors, temp) = Running::start(&[name]).end();
    let took = start.elapsed();
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
    // A rotation waits for its peers, phase by phase.
    let limit = if name == "wso2" { 3 * LIMIT } else { LIMIT };
    assert!(took < limit, "took {took:?}");
    let mut rest = text.as_str();
    for line in lines {
        let Some(at) = rest.find(line) else {
            panic!("`{line}` is missing, or not in its place:\n{text}");
        };
        rest = &rest[at + line.len()..];
    }
    assert!(!text.contains("PRIVATE KEY"), "a key was printed");
    nothing_is_left(&temp);
}

#[test]
fn the_story_of_a_server_that_is_pinned_holds_in_time_and_leaves_nothing_behind() {
    let lines = [
        "\"fingerprint-sha256\": \"",
        "a client that pins it has logged in",
        "  127.0.0.1:443: SHA-256 ",
        "running: tellpm process:httpd2, then tellpm process:httpd2 t",
        "refused the connection",
        "committed: generation 1, 2 probes good",
        "a client that pins it has logged in",
        "rolled back: generation 2, everything as it was before",
        "of a type that this httpd does not know",
        "a client that pins it has logged in",
        "`127.0.0.1:443` is not the peer that is pinned: nothing was sent to it",
        "got 0 requests and 0 logins",
        "every claim held: 3 logins at the server, none in its place, ",
    ];
    tell("checkpoint", &lines);

    let (code, text, errors, temp) = Running::start(&["checkpoint", "--json"]).end();
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
    let document: serde_json::Value = serde_json::from_str(&text).expect("one document");
    assert_eq!(document["format"], "certroll/demo-checkpoint/1");
    assert_eq!(document["logins"], 3);
    nothing_is_left(&temp);
}

#[test]
fn an_interrupted_story_of_a_server_that_is_pinned_fails_and_leaves_nothing_behind() {
    interrupted(
        &["checkpoint"],
        &["== The plan", "running: tellpm", "refused the connection"],
    );
}

#[test]
fn the_story_of_a_gateway_and_its_backend_holds_in_time_and_leaves_nothing_behind() {
    let lines = [
        "the gateway's log: javax.net.ssl.SSLHandshakeException",
        "[allow-all]",
        "committed: phase trust (1 of 4), generation 1, ",
        "<servers>*</servers>",
        "<servers>backend.example.com:9444</servers>",
        "<KeyPassword>[not shown]</KeyPassword>",
        "committed: phase switch (3 of 4), generation 2, 2 probes good",
        "called through the gateway: the backend saw `",
        "== A renewal",
        "committed: phase trust (1 of 4), generation 3, ",
        "refused the handshake with alert UnknownCA: want a client that is accepted",
        "rolled back: phase accepted (2 of 4), generation 4, everything as it was before",
        "running: touch -c",
        "committed: phase switch (3 of 4), generation 5, 2 probes good",
        " times meanwhile, and no call failed",
        "called through the gateway: the backend saw `",
        "profiles.xml, then sleep 605",
        "committed: phase trust (1 of 4), generation 6, ",
        "committed: phase clean (4 of 4), generation 7, 2 probes good",
        " times meanwhile, and no call failed",
        "committed: phase trust (1 of 4), generation 8, ",
        "-Djavax.net.debug=ssl:handshake",
        "rolled back: phase switch (3 of 4), generation 9, everything as it was before",
        "every claim held: 3 identities in force, ",
    ];
    tell("wso2", &lines);
}

#[test]
fn an_interrupted_story_of_a_gateway_and_its_backend_fails_and_leaves_nothing_behind() {
    interrupted(&["wso2"], &["== A renewal", "running: touch"]);
}

#[test]
fn the_story_of_an_appliance_holds_in_time_and_leaves_nothing_behind() {
    let lines = [
        "the appliance serves ",
        "plain HTTP answers",
        "> POST https://127.0.0.1:",
        "undo: with the pair from before: POST https://127.0.0.1:",
        "committed: generation 1, ",
        "plain HTTP is closed",
        "converged: ",
        "rolled back: generation 2, everything as it was before",
        "plain HTTP is closed",
        "/v1/security/sslcertificate: 200, with a key",
        "every claim held: ",
        "3 keys among them, none in the clear",
    ];
    tell("speechmatics", &lines);
}

#[test]
fn an_interrupted_story_of_an_appliance_fails_and_leaves_nothing_behind() {
    interrupted(&["speechmatics"], &["== The plan", "sending POST"]);
}

#[test]
fn the_story_of_a_platform_of_two_servers_holds_in_time_and_leaves_nothing_behind() {
    let lines = [
        "== A platform as it is installed",
        "127.0.0.1, 127.0.0.2: ",
        "case 2 of the document (127.0.0.1, 127.0.0.2) [dns-case]",
        "\"certdir\": \"alias://paths/default_certdir\"",
        "running: /usr/local/bin/start-roles",
        "era: TLS at corp.example.com:443 127.0.0.2:443 presents another leaf",
        "committed: generation 1, 1 probe good",
        "== A rollout that breaks",
        "rolled back: generation 2, everything as it was before",
        "> PATCH https://corp.example.com:443/rest/v1/domain/settings/certificate_pem",
        "undo: with the very value of before",
        "committed: generation 3, 2 probes good",
        "answers: the certificate of domain `corp.example.com`",
        "[shadowed]",
        "every claim held: 24 handshakes with two servers, 1 key sent, ",
    ];
    tell("era", &lines);
}

#[test]
fn an_interrupted_story_of_a_platform_of_two_servers_fails_and_leaves_nothing_behind() {
    interrupted(&["era"], &["== The plan", "sending PATCH"]);
}
