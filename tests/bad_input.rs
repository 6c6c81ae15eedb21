//! Bad input of every sort: its exit code, every word of its message, and a host on which nothing moved.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test works on the host, and one that cannot go on says so"
)]

mod common;
#[path = "bad_input/hosts.rs"]
mod hosts;
#[path = "bad_input/orders.rs"]
mod orders;
#[path = "bad_input/words.rs"]
mod words;

use std::{fs, os::unix::fs::MetadataExt as _, process::Stdio, time::Instant};

use common::{CERTROLL, Run, Running, Scratch, Snapshot, skip};

/// A Wazo-like root, two pairs and everything that is wrong with files.
fn desk() -> Scratch {
    let scratch = Scratch::wazo();
    scratch.mint("a", "wazo.example.com");
    scratch.mint("b", "wazo.example.com");
    scratch.file("empty", "");
    let junk: Vec<u8> = (0..4096u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    scratch.file("junk", junk);
    scratch.file("secret", "correct horse\n");
    scratch.file("wrong", "battery staple\n");
    scratch.sh(
        "openssl pkcs8 -topk8 -v2 aes-256-cbc -in a.key -out locked.key -passout pass:'correct horse'",
    );
    scratch
}

fn refused(scratch: &Scratch, line: &str, code: i32, message: &str) {
    let before = scratch.tree();
    for command in ["plan", "apply --yes"] {
        let run = scratch.on_root(&format!("{command} {line}"));
        assert_eq!(run.code, code, "{run:#?}");
        if command == "apply --yes" || !run.err.is_empty() {
            assert_eq!(run.err, message, "{line}");
        } else {
            let first = message.lines().next().unwrap();
            let said = first.replacen("error:", "fatal:", 1);
            assert!(run.out.contains(&said), "{run:#?}");
        }
        scratch.tree().is(&before);
    }
}

#[test]
fn files_that_are_no_pair_are_told_apart() {
    let scratch = desk();
    for (cert, key, code, message) in [
        (
            "nothing.pem",
            "a.key",
            1,
            "error: cannot read `nothing.pem`\ncaused by: no such file or directory (os error 2)\n\
             hint: check the path: `ls -l nothing.pem`\n",
        ),
        (
            "empty",
            "a.key",
            2,
            "error: `empty`: is empty\nhint: give a file that holds a certificate or a private key\n",
        ),
        (
            ".",
            "a.key",
            2,
            "error: `.`: is a directory, want a file\nhint: name the file: `ls .`\n",
        ),
        (
            "/dev/zero",
            "a.key",
            2,
            "error: `/dev/zero`: is a device, pipe or socket, want a file\n",
        ),
        (
            "junk",
            "a.key",
            2,
            "error: `junk`: is neither PEM, DER nor PKCS#12\n\
             hint: give a certificate, a private key or a PKCS#12 store\n",
        ),
        (
            "a.key",
            "a.pem",
            2,
            "error: `a.key` and `a.pem`: swapped: `a.key` holds a private key where a certificate was expected, `a.pem` a \
             certificate where a private key was expected\nhint: --cert a.pem --key a.key\n",
        ),
        (
            "a.pem",
            "b.pem",
            2,
            "error: `b.pem`: holds only certificates where a private key was expected\n\
             hint: give a private key: `--key F`\n",
        ),
    ] {
        let line = format!("--profile wazo --cert {cert} --key {key}");
        refused(
            &scratch,
            &line,
            code,
            &format!("{message}host: unchanged\n"),
        );
    }
}

#[test]
fn a_key_for_another_leaf_is_refused_by_the_public_keys_of_both() {
    let scratch = desk();
    let public = |key: &str| {
        let digest = scratch.sh(&format!(
            "openssl pkey -in {key} -pubout -outform DER | openssl dgst -sha256 -binary | base64"
        ));
        digest.chars().take(12).collect::<String>()
    };
    let message = format!(
        "error: key `b.key` does not belong to leaf `CN=wazo.example.com` in `a.pem`: leaf has public key `{}…` (EC P-256), \
         key has `{}…` (EC P-256) [key-mismatch]\n\
         hint: give the key that was made with this certificate's request\nhost: unchanged\n",
        public("a.key"),
        public("b.key")
    );
    refused(
        &scratch,
        "--profile wazo --cert a.pem --key b.key",
        2,
        &message,
    );
}

#[test]
fn an_encrypted_key_needs_its_password() {
    let scratch = desk();
    let pair = "--profile wazo --cert a.pem --key locked.key";
    let none = "error: key `locked.key` is encrypted, and no password was given [key-encrypted]\n\
        hint: give the file that holds its password: `--password-file F`\nhost: unchanged\n";
    refused(&scratch, pair, 2, none);
    let wrong = scratch.on_root(&format!("apply --yes {pair} --password-file wrong"));
    let wrong = wrong.exits(2);
    assert!(
        wrong.err.contains("`locked.key`")
            && wrong.err.contains("password")
            && !wrong.err.contains("battery"),
        "{wrong:#?}"
    );
    scratch
        .on_root(&format!("apply --yes {pair} --password-file empty"))
        .exits(2)
        .complains(
            "error: `empty`: its first line is empty, wanted a password\n\
             hint: write the password in the first line\nhost: unchanged\n",
        );
    scratch
        .on_root(&format!("apply --yes {pair} --password-file secret"))
        .exits(0);
    let placed = scratch.read("R/usr/share/xivo-certs/server.key");
    assert!(placed.starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

#[test]
fn a_huge_file_is_refused_without_being_read() {
    let scratch = desk();
    scratch.sh("truncate -s 100M huge");
    let start = Instant::now();
    refused(
        &scratch,
        "--profile wazo --cert huge --key a.key",
        2,
        "error: `huge`: is larger than 16 MiB, which no certificate or key is\n\
         hint: give the certificate or key file itself\nhost: unchanged\n",
    );
    assert!(start.elapsed().as_secs() < 10);
    // The same with room for no such file, were it read.
    let script = format!("ulimit -v 400000; exec {CERTROLL} inspect huge");
    let run = Running::start(scratch.program("sh").args(["-c", &script])).end();
    run.exits(2);
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let scratch = desk();
    let pair = "--cert a.pem --key a.key";
    for (line, message) in [
        (
            format!("{pair} --profile waso"),
            "error: unknown profile `waso`\nhint: known: `apache2`, `bind9`, `checkpoint`, `cockpit`, `coturn`, `cups`, `dovecot`, `era`, `exim4`, `freeradius`, `haproxy`, `icecast2`, `lighttpd`, `mariadb`, `mosquitto`, `nginx`, `postfix`, `postgresql`, `proftpd`, `prosody`, `rabbitmq`, `redis`, `slapd`, `speechmatics`, `stunnel4`, `unbound`, `vsftpd`, `wazo`, `wso2`\n",
        ),
        (
            format!("{pair} --profile wazo --set hots=x"),
            "error: unknown setting `hots`\nhint: known: `release`, `host`, `override`, `verify`, \
             `insecure_remote`, `hostname`, `domain`, `overrides`\n",
        ),
        (
            format!("{pair} --profile wazo --set override=some"),
            "error: setting `override` is `some`: want `local`, `all`\nhint: --set override=local\n",
        ),
        (
            format!("{pair} --profile wazo --set hots"),
            "error: `--set hots` has no `=`\nhint: give a setting as `--set NAME=VALUE`\n",
        ),
        (
            format!("{pair} --profile ../wazo"),
            "error: profile `../wazo` is not a name\n\
             hint: name a folder of `--profiles DIR`, without `/` and `..`\n",
        ),
        (
            pair.to_owned(),
            "error: no profile is given for this identity\n\
             hint: name one: `--profile wazo`; `certroll profiles list` lists them\n",
        ),
        (
            "--profile wazo".to_owned(),
            "error: no identity is given for rollout `wazo`, and none is remembered\n\
             hint: give it: `--cert FILE --key FILE`, or `--from KIND:NAME`\n",
        ),
    ] {
        refused(&scratch, &line, 2, &format!("{message}host: unchanged\n"));
    }
}

#[test]
fn profiles_that_cannot_be_are_refused_at_their_place() {
    let scratch = desk();
    let bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
        c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
        e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nresources: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    let pem = |path: &str| format!("resources: [{{kind: pem, path: \"{path}\", form: key}}]\n");
    scratch.file("P/template/x.tera", "first\nsecond {{ nothing }}\n");
    for (name, body, message) in [
        (
            "undefined",
            pem("/srv/{{ set.nothing }}"),
            "P/undefined/profile.yaml:4:40: undefined setting `set.nothing`\nhint: the profile has none\n",
        ),
        (
            "template",
            "resources: [{kind: template, path: /srv/x, from: x.tera}]\n".to_owned(),
            "P/template/x.tera:2:11: undefined name `nothing`\n\
             hint: known names are `identity`, `set`, `facts`, `given`, `covered`, `item`\n",
        ),
        (
            "bomb",
            bomb.to_owned(),
            "P/bomb/profile.yaml:8:8: aliases stand for more than 20000 values\n",
        ),
        (
            "dots",
            pem("/srv/../etc/shadow"),
            "P/dots/profile.yaml:4:32: path `/srv/../etc/shadow` has a `..` component\n",
        ),
        (
            "relative",
            pem("srv/x"),
            "P/relative/profile.yaml:4:32: path `srv/x` is not absolute\n",
        ),
        (
            "key",
            "resorces: []\n".to_owned(),
            "P/key/profile.yaml:4:1: unknown key `resorces` in profile\nhint: known keys are `by_itself`, `deadline`, \
             `default_identity`, `detect`, `facts`, `far`, `findings`, `names`, `never_touch`, `phases`, `probes`, `profile`, \
             `remarks`, `resources`, `revert`, `services`, `settings`, `sni`, `source`, `steps`, `tested`, `title`, `warn_days`\n",
        ),
        (
            "kind",
            "resources: [{kind: pen, path: /srv/x}]\n".to_owned(),
            "P/kind/profile.yaml:4:20: unknown kind `pen`\n\
             hint: known kinds are `document`, `hosts`, `keystore`, `link`, `pem`, `template`, `trust`\n",
        ),
        (
            "group",
            "resources: [{kind: pem, path: /srv/x, form: key, group: no-such-group}]\n".to_owned(),
            "unknown group `no-such-group`\n\
             hint: name another in the profile, or add it: `groupadd --system no-such-group`\n",
        ),
        (
            "user",
            "resources: [{kind: pem, path: /srv/x, form: key, owner: no-such-user}]\n".to_owned(),
            "unknown user `no-such-user`\n\
             hint: name another in the profile, or add it: `useradd --system no-such-user`\n",
        ),
    ] {
        scratch.profile(name, &body);
        refused(
            &scratch,
            &format!("--profiles P --profile {name} --cert a.pem --key a.key"),
            2,
            &format!("error: {message}host: unchanged\n"),
        );
    }
}

#[test]
fn a_reader_that_went_away_changes_neither_code_nor_outcome() {
    let scratch = desk();
    let before = scratch.tree();
    let closed = |line: &str| -> Run {
        let script = format!(
            "set -o pipefail; {CERTROLL} --root R {line} --profile wazo --cert a.pem --key a.key | head -0; exit ${{PIPESTATUS[0]}}"
        );
        Running::start(scratch.program("bash").args(["-c", &script])).end()
    };
    closed("plan").exits(5).complains("");
    scratch.tree().is(&before);
    let applied = closed("apply --yes").exits(0);
    assert!(!applied.err.contains("error"), "{applied:#?}");
    scratch.on_root("status").exits(0);
}

#[test]
fn without_a_terminal_nothing_is_applied_unasked() {
    let scratch = desk();
    let before = scratch.tree();
    let message = "error: there is no terminal to ask on\n\
        hint: look at the plan with `certroll plan`, then apply it with `--yes`\nhost: unchanged\n";
    let pair = "--profile wazo --cert a.pem --key a.key";
    let run = scratch.on_root(&format!("apply {pair}"));
    run.exits(2).complains(message);
    // Words on a pipe are no leave.
    let mut command = scratch.program("sh");
    let script = format!("yes | {CERTROLL} --root R apply {pair}");
    let run = Running::start(command.args(["-c", &script]).stdin(Stdio::null())).end();
    run.exits(2).complains(message);
    scratch.tree().is(&before);
    scratch.on_root(&format!("apply {pair} --yes")).exits(0);
    let placed = scratch.tree();
    scratch.on_root("rollback").exits(2).complains(message);
    scratch.tree().is(&placed);
    assert_eq!(
        fs::metadata(scratch.path("R/var/lib/certroll"))
            .unwrap()
            .mode()
            & 0o777,
        0o700
    );
}
