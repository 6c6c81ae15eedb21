//! What decides what root does: a plan, a rollout, a profile, a source, a record. Where somebody else may write one,
//! nothing is written and nothing is run.

use std::{fs, os::unix::fs::lchown, path::Path};

use super::{
    NOBODY,
    common::{CERTROLL, Run, Running, Scratch, Snapshot, skip},
};

/// A profile for this very machine, with a command that leaves a trace, and a saved plan of it.
fn scratch() -> Option<Scratch> {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can be led to do what others could not");
        return None;
    }
    let scratch = Scratch::new();
    for name in ["a", "b"] {
        scratch.mint(name, "wazo.example.com");
    }
    scratch.dir("t");
    let at = scratch.text("");
    scratch.profile(
        "own",
        &format!(
            "resources:\n  - {{kind: pem, path: {at}t/server.key, form: key}}\n  \
             - {{kind: pem, path: {at}t/server.crt, form: fullchain}}\n\
             services:\n  - {{manager: command, command: [/bin/touch, {at}ran]}}\n"
        ),
    );
    scratch.sh("mkdir in; cp a.pem a.key in");
    Some(scratch)
}

fn run(scratch: &Scratch, line: &str) -> Run {
    let at = scratch.text("");
    let line = format!("--state {at}S --profiles {at}P {line}");
    scratch.certroll(&line)
}

const APPLY: &str = "apply --yes --profile own --cert in/a.pem --key in/a.key";
const OTHER: &str = "apply --yes --profile own --cert b.pem --key b.key";

/// Lays something open to others in every way there is, and asserts that each keeps root from acting.
fn each_way(scratch: &Scratch, file: &str, line: &str, told: &str) {
    let dir = file.rsplit_once('/').map_or(".", |(dir, _)| dir).to_owned();
    let was = scratch.sh(&format!("stat -c %a {file} {dir}"));
    let (mode, dir_mode) = was.trim().split_once('\n').unwrap();
    let back = format!(
        "setfacl -b {file} {dir}; chown root:root {file} {dir}; chmod {mode} {file}; chmod {dir_mode} {dir}"
    );
    for (way, open) in [
        (format!("chown 65534 {file}"), file),
        (format!("chmod 0646 {file}"), file),
        (format!("chgrp 12 {file}; chmod 0664 {file}"), file),
        (format!("chown 65534 {dir}"), &dir),
        (format!("chmod 0777 {dir}"), &dir),
        (format!("chgrp 12 {dir}; chmod 0775 {dir}"), &dir),
        (format!("chown 65534 {dir}; chmod 1777 {dir}"), &dir),
        // With an ACL the group's bits are its mask: of whom it lets in, owner and mode say nothing.
        (format!("setfacl -m u:65534:rw {file}"), file),
        (format!("setfacl -m g:12:rwx {dir}"), &dir),
        // In a sticky directory of root's others can add a name, and a link is a name.
        (
            format!(
                "chmod 1777 {dir}; mv {file} kept; ln -s $PWD/kept {file}; chown -h 65534 {file}"
            ),
            file,
        ),
    ] {
        scratch.sh(&way);
        let before = Snapshot::of(scratch.path("").as_path(), &["S"]);
        let run = run(scratch, line);
        assert_eq!(run.code, 2, "{way}: {run:#?}");
        assert!(run.err.ends_with("host: unchanged\n"), "{way}: {run:#?}");
        let name = open.rsplit('/').next().unwrap();
        assert!(
            run.err.contains(told) && run.err.contains(&format!("{name}`")),
            "{way}: {run:#?}"
        );
        Snapshot::of(scratch.path("").as_path(), &["S"]).is(&before);
        assert!(!scratch.path("ran").exists(), "{way}: a command ran");
        scratch.sh(&format!(
            "if [ -L {file} ]; then mv kept {file}; fi; {back}"
        ));
    }
    // In a sticky directory of root's, a file of root's is safe.
    scratch.sh(&format!("chmod 1777 {dir}"));
    run(scratch, line).exits(0);
    assert!(scratch.path("ran").exists());
    scratch.sh("rm ran");
}

#[test]
fn an_approval_that_others_may_write_is_none() {
    let Some(scratch) = scratch() else { return };
    run(
        &scratch,
        "plan --profile own --cert a.pem --key a.key --out saved.json",
    )
    .exits(5);
    scratch.sh("mkdir plans; mv saved.json plans/p.json");
    let line = "apply --plan plans/p.json --yes";
    each_way(&scratch, "plans/p.json", line, "whose approval is this?");
}

#[test]
fn an_identity_that_others_may_put_in_its_place_is_not_installed() {
    for file in ["in/a.pem", "in/a.key"] {
        let Some(scratch) = scratch() else { return };
        each_way(&scratch, file, APPLY, "[source-open]");
    }
    // A plan says so too, and a person may take it upon himself.
    let Some(scratch) = scratch() else { return };
    scratch.owner("in/a.pem", NOBODY, NOBODY);
    run(&scratch, &APPLY.replace("apply --yes", "plan"))
        .exits(2)
        .says("[source-open]");
    run(&scratch, &format!("{APPLY} --allow source-open")).exits(0);
}

#[test]
fn what_the_callers_shell_hands_over_is_the_callers() {
    let Some(scratch) = scratch() else { return };
    let at = scratch.text("");
    let options = format!("--state {at}S --profiles {at}P");
    let script = format!(
        "{CERTROLL} {options} plan --profile own --cert <(cat in/a.pem) --key <(cat in/a.key) || test $? = 5
         {CERTROLL} {options} plan --profile own --cert in/a.pem --key in/a.key --out saved.json || test $? = 5
         {CERTROLL} {options} apply --plan <(cat saved.json) --yes"
    );
    let mut command = scratch.program("bash");
    Running::start(command.args(["-euc", &script]))
        .end()
        .exits(0);
}

#[test]
fn who_calls_through_sudo_decides_on_what_is_his() {
    let Some(scratch) = scratch() else { return };
    scratch.sh("chown -R 65534 in");
    let at = scratch.text("");
    let line = format!("--state {at}S --profiles {at}P {APPLY}");
    let words: Vec<&str> = line.split(' ').collect();
    for (uid, code) in [("12", 2), ("0", 2), ("65534x", 2), ("65534", 0)] {
        let mut command = scratch.command(&words);
        Running::start(command.env("SUDO_UID", uid))
            .end()
            .exits(code);
    }
}

#[test]
fn a_profile_that_others_may_write_is_not_followed() {
    let Some(scratch) = scratch() else { return };
    let told = "can be written by others than root: it decides what root writes";
    each_way(&scratch, "P/own/profile.yaml", APPLY, told);
}

#[test]
fn a_remembered_rollout_or_record_that_others_may_write_is_not_believed() {
    for file in [
        "S/rollouts.json",
        "S/generations/000001/journal.jsonl",
        "S/generations/000001/identity/key.pem",
    ] {
        let Some(scratch) = scratch() else { return };
        run(&scratch, OTHER).exits(0);
        scratch.sh("rm ran; chmod 0755 S");
        // Something to do, so that only the refusal keeps it from being done.
        scratch.sh("cp a.pem t/server.crt; cp a.key t/server.key");
        for open in ["chown 65534", "chmod 0646", "chgrp 12 {}; chmod 0660"] {
            let (before, open) = (scratch.sh("cat t/*"), open.replace("{}", file));
            scratch.sh(&format!("{open} {file}"));
            let lines: &[&str] = if file.ends_with("journal.jsonl") {
                &["rollback --yes", "show 1"]
            } else {
                &["apply --yes"]
            };
            for line in lines {
                let run = run(&scratch, line).exits(2);
                assert!(
                    run.err.contains(&format!("{file}`: others may write it")),
                    "{run:#?}"
                );
                assert_eq!(scratch.sh("cat t/*"), before);
                assert!(!scratch.path("ran").exists(), "a command ran");
            }
            scratch.sh(&format!("chown root:root {file}; chmod 0600 {file}"));
        }
        run(&scratch, "apply --yes").exits(0);
        assert!(scratch.path("ran").exists());
    }
}

#[test]
fn a_described_rollout_and_its_sources_are_roots_alone() {
    for (file, told) in [
        (
            "R/etc/certroll/rollouts.d/main.yaml",
            "it decides what root does",
        ),
        ("R/etc/pair/a.pem", "[source-open]"),
        ("R/etc/pair/a.key", "[source-open]"),
    ] {
        let Some(scratch) = scratch() else { return };
        scratch.sh("mkdir -p R/etc/certroll/rollouts.d R/etc/pair R/opt R/var/lib; cp a.pem a.key R/etc/pair");
        scratch.profile(
            "own",
            "resources:\n  - {kind: pem, path: /opt/server.key, form: key}\n  - {kind: pem, path: /opt/server.crt, form: fullchain}\n",
        );
        scratch.file(
            "R/etc/certroll/rollouts.d/main.yaml",
            "profiles: [own]\ncert: /etc/pair/a.pem\nkey: /etc/pair/a.key\n",
        );
        let dir = Path::new(file).parent().unwrap().to_str().unwrap();
        for (way, back) in [
            (format!("chown 65534 {file}"), format!("chown 0 {file}")),
            (format!("chmod 0646 {file}"), format!("chmod 0644 {file}")),
            (format!("chmod 0777 {dir}"), format!("chmod 0755 {dir}")),
            (format!("chown 65534 {dir}"), format!("chown 0 {dir}")),
        ] {
            scratch.sh(&way);
            let run = scratch.on_root("--profiles P apply main --yes").exits(2);
            assert!(run.err.contains(told), "{way}: {run:#?}");
            assert_eq!(scratch.sh("ls -A R/opt"), "");
            scratch.sh(&back);
        }
        // A link of another's in a place for all.
        scratch.sh(&format!("mv {file} R/kept; chmod 1777 {dir}"));
        scratch.link("/kept", file);
        lchown(scratch.path(file), Some(NOBODY), Some(NOBODY)).unwrap();
        let run = scratch.on_root("--profiles P apply main --yes");
        assert_eq!(run.code, 2, "{run:#?}");
        fs::remove_file(scratch.path(file)).unwrap();
        scratch.sh(&format!("mv R/kept {file}; chmod 0755 {dir}"));
        scratch.on_root("--profiles P apply main --yes").exits(0);
    }
}
