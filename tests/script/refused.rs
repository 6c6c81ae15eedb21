//! What no script is made of.

use crate::common::{Scratch, skip};

/// A plan of a profile `own` on this host.
#[track_caller]
fn refused(scratch: &Scratch, pair: &str, body: &str, says: &str) {
    scratch.profile("own", body);
    let line = format!(
        "--state S --profiles P plan --profile own --cert {pair}.pem --key {pair}.key --emit-script script"
    );
    let run = scratch.certroll(&line).exits(2);
    assert!(run.err.contains(says), "no {says:?} in {run:#?}");
    assert!(!scratch.path("script").exists());
}

#[test]
fn a_plan_that_does_more_than_files_commands_and_requests_gives_no_script() {
    if !rustix::process::geteuid().is_root() {
        skip("only root plans for this host");
        return;
    }
    let scratch = Scratch::new();
    scratch.mint("site", "localhost");
    scratch.file("P/own/a.tera", "plain text\n");
    let dir = scratch.text("tls");
    scratch.dir("tls");
    scratch.dir("tls/swept");
    let site = scratch.text("site");
    let key = format!("resources: [{{kind: pem, path: {dir}/a.key, form: key}}]");
    for (pair, body, says) in [
        (
            &site,
            format!("resources: [{{kind: link, path: {dir}/a, to: {dir}/b}}]"),
            "a` (link) it makes a link",
        ),
        (
            &site,
            format!("resources: [{{kind: pem, path: {dir}/new/a.key, form: key}}]"),
            "new` (directory) it makes a directory",
        ),
        (
            &site,
            format!(
                "resources: [{{kind: template, path: {dir}/swept/a.conf, from: a.tera, swept: {dir}/swept}}]"
            ),
            "a.conf` (template) it may leave nothing beside it",
        ),
        (
            &site,
            format!("resources: [{{kind: template, path: {dir}/a.conf, from: a.tera}}]"),
            "nothing would prove it",
        ),
        (
            &"site".to_owned(),
            key.clone(),
            "`site.key` is no plain path from `/`",
        ),
        (&site, key, "nothing would prove it"),
    ] {
        refused(&scratch, pair, &body, says);
    }
}

#[test]
fn a_plan_with_nothing_to_do_says_that_it_gives_no_script() {
    if !rustix::process::geteuid().is_root() {
        skip("only root plans for this host");
        return;
    }
    let scratch = Scratch::new();
    scratch.mint("site", "localhost");
    scratch.dir("tls");
    let dir = scratch.text("tls");
    scratch.profile(
        "own",
        &format!("resources: [{{kind: pem, path: {dir}/a.pem, form: leaf}}]"),
    );
    let words = "--profile own --cert site.pem --key site.key";
    scratch
        .certroll(&format!("--state S --profiles P apply {words} --yes"))
        .exits(0);
    let line = format!("--state S --profiles P plan {words} --emit-script script");
    scratch
        .certroll(&line)
        .exits(0)
        .complains("warning: no script was written to script: there is nothing to do\n");
    assert!(!scratch.path("script").exists());
}
