//! Profile `wso2` and what the gateway notices by itself: what is touched for it, and how long it is awaited.

use std::{fs, time::SystemTime};

use super::{
    common::Scratch,
    profile::{BACKEND, HOME, TOML, product, run},
};

const PAIR: &str = "--cert backend.pem --key backend.key";

fn names_its_file(scratch: &Scratch, more: &str) {
    let sender = "[transport.passthru_https.sender.ssl_profile]";
    let path = "repository/deployment/server/own.xml";
    scratch.file(
        &format!("{HOME}/conf/deployment.toml"),
        format!("{TOML}\n{sender}\nfile_path = \"{path}\"\n{more}\n"),
    );
}

/// The product on this host, its `deployment.toml` with a profile file and these lines more, and the flags of its profile there.
fn pointed(sender: &str) -> (Scratch, String) {
    let scratch = product();
    let home = scratch.text("R/opt/wso2am");
    names_its_file(&scratch, sender);
    let flags =
        format!("--profile wso2 --set home={home} --set user=root --set backend=127.0.0.1:1");
    (scratch, flags)
}

fn touched(scratch: &Scratch, file: &str) -> SystemTime {
    let path = scratch.path(&format!("{HOME}/{file}"));
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn both_profile_files_are_touched_where_the_key_alone_changes() {
    let (scratch, flags) = pointed("");
    scratch.dir("R/opt/wso2am/bin");
    scratch.file("R/opt/wso2am/bin/api-manager.sh", "#!/bin/sh\n");
    scratch.mode("R/opt/wso2am/bin/api-manager.sh", 0o755);
    let apply = |pair: &str| {
        scratch
            .certroll(&format!(
                "--state S apply --yes {flags} --set listener=yes --cert {pair}.pem --key {pair}.key"
            ))
            .exits(0);
    };
    apply("gateway");
    let files = [
        "deployment/server/own.xml",
        "resources/security/listenerprofiles.xml",
    ];
    let before = files.map(|file| {
        scratch.sh(&format!("touch -d 2020-01-01 {HOME}/{file}"));
        (
            touched(&scratch, file),
            scratch.read(&format!("{HOME}/{file}")),
        )
    });
    // Only the store is another one then, and the product looks at neither store by itself.
    apply("other");
    for (file, (time, text)) in files.iter().zip(before) {
        assert_eq!(scratch.read(&format!("{HOME}/{file}")), text, "{file}");
        assert!(touched(&scratch, file) > time, "{file}");
    }
}

#[test]
fn new_trust_is_never_waited_for_by_an_interval_that_the_gateway_does_not_keep() {
    for (sender, given, exit, says) in [
        ("", "", 5, "sleep 605"),
        ("", "60000", 2, "[interval-ahead]"),
        ("interval = 3600000", "600000", 2, "[interval-ahead]"),
        ("interval = 60000", "", 5, "sleep 65"),
        ("interval = 60000", "600000", 5, "sleep 605"),
    ] {
        let (scratch, flags) = pointed(sender);
        let line = format!("--state S plan {flags} {PAIR}");
        let given = if given.is_empty() {
            String::new()
        } else {
            format!("--set interval={given}")
        };
        let line = format!("{line} --set side=backend {given}");
        scratch.certroll(&line).exits(exit).says(says);
        // What is started anew has it at once.
        scratch
            .certroll(&format!("{line} --set reload=restart"))
            .exits(5);
    }
    // The gateway's own rollout writes the interval, and restarts it.
    let (scratch, flags) = pointed("interval = 3600000");
    let line = format!("--state S plan {flags} {PAIR}");
    for (side, hinted) in [("gateway", true), ("backend", false)] {
        let planned = scratch
            .certroll(&format!("{line} --set side={side}"))
            .exits(5);
        let hint = planned.out.contains("--set interval=60000");
        assert!(
            planned.out.contains("[slow-reload]") && hint == hinted,
            "{planned:#?}"
        );
    }
    scratch
        .certroll(&format!("{line} --set interval=60000"))
        .exits(5);
}

#[test]
fn the_proof_has_the_time_of_the_slowest_look_and_of_a_start_where_one_is_due() {
    let listener =
        "interval = 60000\n[transport.passthru_https.listener]\nssl_profile_interval = 900000";
    for (more, settings, seconds) in [
        ("interval = 60000", "", 120),
        ("interval = 3600000", "", 3660),
        // deployment.toml changes: the product is started anew.
        ("interval = 900000", "--set interval=60000", 400),
        ("interval = 60000", "--set interval=900000", 960),
        ("interval = 60000", "--set listener=yes", 660),
        (
            "interval = 60000",
            "--set listener=yes --set listener_interval=10000",
            400,
        ),
        (listener, "--set listener=yes", 960),
        (listener, "", 120),
        (listener, "--set reload=restart", 400),
    ] {
        let scratch = product();
        names_its_file(&scratch, more);
        run(&scratch, "apply --yes", &format!("{BACKEND} {settings}")).exits(0);
        let journal = scratch.read("R/var/lib/certroll/generations/000001/journal.jsonl");
        let deadline = format!("\"deadline\":{seconds},");
        assert!(
            journal.contains(&deadline),
            "{more}, {settings}: want {deadline} in {journal}"
        );
    }
}
