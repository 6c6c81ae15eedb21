//! What daemons read is asked again once everything is in place: a command of the run itself may change their files.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests look at processes and files, and fail by panicking"
)]

mod common;

use common::{Run, Running, Scratch, skip};

const TABLE: &str = "\
document: [auth]
never: []
flag: verify_certificate
builtin_host: localhost
moves: extra_config_files
eras:
  - era: \"1.0\"
    internal_tls: true
    marks: [own-daemon]
    blocks: {auth: {readers: [own-daemon]}}
    daemons: [{name: own-daemon}]
";

/// A place on this machine whose one service is told through `act`, and whose one daemon reads `conf.d`.
fn corner(act: &str) -> Option<Scratch> {
    if !nix::unistd::geteuid().is_root() {
        skip("only root rolls out on `/`");
        return None;
    }
    let scratch = Scratch::new();
    let at = scratch.text("");
    scratch.mint("a", "one.example.com");
    scratch.sh("mkdir -p etc/own-daemon/conf.d");
    scratch.file("act", format!("#!/bin/sh\ncd {at}etc/own-daemon\n{act}\n"));
    scratch.mode("act", 0o755);
    scratch.profile(
        "own",
        &format!(
            "facts:\n  daemons: {{layered: {{table: daemons.yaml, dirs: \"{at}etc/*/conf.d\", ours: 010-ours.yml}}}}\n\
             resources:\n  - {{kind: template, path: {at}etc/ours.yml, from: ours.yml.tera, syntax: yaml, mode: \"0644\"}}\n\
             \x20 - {{kind: link, path: {at}etc/own-daemon/conf.d/010-ours.yml, to: {at}etc/ours.yml}}\n\
             services:\n  - {{manager: command, command: [{at}act]}}\n\
             probes:\n  - {{effective: facts.daemons, file: {at}etc/ours.yml}}\n"
        ),
    );
    scratch.file("P/own/daemons.yaml", TABLE);
    scratch.file(
        "P/own/ours.yml.tera",
        "auth:\n  host: \"{{ identity.name }}\"\n",
    );
    Some(scratch)
}

fn apply(scratch: &Scratch) -> Run {
    let (state, profiles) = (scratch.text("state"), scratch.text("P"));
    let mut command = scratch.command(&["--state", &state, "--profiles", &profiles]);
    command.args("apply --profile own --cert a.pem --key a.key --yes".split(' '));
    Running::start(&mut command).end()
}

#[test]
fn a_command_that_masks_what_was_written_takes_the_run_back() {
    for (act, why, code) in [
        (
            "printf 'auth: {host: elsewhere}\\n' >conf.d/001-first.yml",
            "conf.d/001-first.yml:1: `auth.host` is `elsewhere` for `own-daemon`",
            3,
        ),
        (
            "[ ! -e ../ours.yml ] || echo 'auth: {}' >../ours.yml",
            "etc/ours.yml` is no longer what was written",
            // What the command wrote is somebody else's by then, and left.
            4,
        ),
        ("printf '[]\\n' >config.yml", "config.yml: top level is", 3),
    ] {
        let Some(scratch) = corner(act) else { return };
        let run = apply(&scratch).exits(code);
        let said = format!("{}{}", run.out, run.err);
        assert!(said.contains(why), "{act}: {run:#?}");
        let link = scratch.path("etc/own-daemon/conf.d/010-ours.yml");
        assert!(!link.is_symlink(), "{act}");
        assert_eq!(scratch.path("etc/ours.yml").exists(), code == 4, "{act}");
    }
}

#[test]
fn what_the_plan_already_said_does_not_take_the_run_back() {
    let Some(scratch) = corner("true") else {
        return;
    };
    scratch.file(
        "etc/own-daemon/conf.d/001-first.yml",
        "auth: {host: elsewhere}\n",
    );
    let run = apply(&scratch).exits(0);
    assert!(
        run.last().starts_with("committed: generation 1"),
        "{run:#?}"
    );
}
