//! Secrets: no byte of a key and no password leaves certroll but into the files that are meant to hold it, and those
//! are never open to more readers than at the end.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests read what the program left and fail by panicking"
)]

#[path = "secrets/birth.rs"]
mod birth;
#[path = "secrets/calls.rs"]
mod calls;
#[path = "secrets/canary.rs"]
mod canary;
mod common;
#[path = "secrets/memory.rs"]
mod memory;
#[path = "secrets/retired.rs"]
mod retired;
#[path = "secrets/shown.rs"]
mod shown;
#[path = "common/tally.rs"]
mod tally;
#[path = "secrets/terminal.rs"]
mod terminal;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use canary::{Canary, base64, hex};
use certroll::{
    apply::Keep,
    host::system::SystemHost,
    identity::{Form, Identity, Input},
    receipt::Outcome,
    rollouts::Request,
    source::Files,
    state::Bytes,
};
use common::{CERTROLL, Run, Running, Scratch, Snapshot, skip};

const PASSWORD: &str = "Kanarienvogel-4711";
const WAZO: &str = "--profile wazo";

/// A Wazo-like root, the pair `c` in every form, another pair, and an old pair in place that is one file with its key.
fn scratch(algorithm: &str) -> (Scratch, Canary) {
    let scratch = Scratch::wazo();
    let make = |name: &str| {
        scratch.sh(&format!(
            "openssl req -x509 -newkey {algorithm} -nodes -keyout {name}.key -out {name}.pem -days 365 \
             -subj /CN=wazo.example.com -addext subjectAltName=DNS:wazo.example.com 2>&1"
        ))
    };
    make("c");
    scratch.sh(
        "openssl req -x509 -newkey ed25519 -nodes -keyout other.key -out other.pem -days 365 \
        -subj /CN=wazo.example.com -addext subjectAltName=DNS:wazo.example.com 2>&1",
    );
    scratch.file("pw", format!("{PASSWORD}\n"));
    scratch.file("pw.wrong", format!("not {PASSWORD}\n"));
    scratch.sh(
        "openssl pkcs8 -topk8 -in c.key -v2 aes-256-cbc -passout file:pw -out enc.key
        openssl pkcs12 -export -inkey c.key -in c.pem -passout file:pw -out c.p12
        openssl pkcs12 -export -inkey c.key -in c.pem -passout pass: -out open.p12
        openssl pkey -in c.key -traditional -outform DER -out secret.der
        openssl pkey -in c.key -outform DER -out c.der
        head -c $(($(wc -c < c.key) / 2)) c.key > cut.key
        head -c $(($(wc -c < c.der) - 5)) c.der > cut.der
        cat c.key c.pem > both.pem",
    );
    let der = fs::read(scratch.path("secret.der")).unwrap();
    // SEC1 (RFC 5915): head, version, then the number; PKCS#1 (RFC 8017): modulus and exponent are public.
    let secret = if algorithm.starts_with("ec") {
        &der[7..39]
    } else {
        &der[4 + 3 + 261 + 5..]
    };
    let canary = Canary::new(secret, PASSWORD);
    (scratch, canary)
}

const EC: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "rsa:2048";

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let snapshot = Snapshot::of(dir, &[]);
    let files = snapshot.0.keys().map(|name| dir.join(name));
    files
        .filter(|path| fs::symlink_metadata(path).unwrap().is_file())
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Asserts that of the state directory only `identity/` and `before/` know the key, and that only root may look at it.
#[track_caller]
fn state_is_tight(dir: &Path, canary: &Canary) -> usize {
    let mut holders = 0;
    assert_eq!(mode(dir), 0o700);
    for (name, object) in Snapshot::of(dir, &[]).0 {
        let bits = object.mode & 0o7777;
        let Some(bytes) = object.content else {
            assert_eq!(bits, 0o700, "{}", name.display());
            continue;
        };
        assert_eq!(bits, 0o600, "{}", name.display());
        let above = name.parent().and_then(Path::file_name);
        if above.is_some_and(|dir| dir == "identity" || dir == "before") {
            holders += usize::from(canary.key_in(&bytes).is_some());
        } else {
            canary.is_not_in(&bytes, &name.display().to_string());
        }
    }
    holders
}

#[test]
fn a_canary_is_told_in_every_form() {
    for algorithm in [EC, RSA] {
        let (scratch, canary) = scratch(algorithm);
        let der = fs::read(scratch.path("c.der")).unwrap();
        assert_eq!(canary.key_in(&der), Some("raw"));
        for shift in 0..3 {
            let mut shifted = vec![b'x'; shift];
            shifted.extend(&der);
            let whole = shifted.len() / 3 * 3;
            let text = base64(&shifted[..whole]);
            assert_eq!(canary.key_in(text.as_bytes()), Some("base64"));
        }
        assert_eq!(
            canary.key_in(scratch.read("c.key").as_bytes()),
            Some("base64")
        );
        assert_eq!(canary.key_in(hex(&der).as_bytes()), Some("hex"));
        assert_eq!(
            canary.key_in(format!("{der:#?}").as_bytes()),
            Some("numbers")
        );
        for name in ["c.pem", "other.key", "enc.key", "c.p12"] {
            let bytes = fs::read(scratch.path(name)).unwrap();
            assert_eq!(canary.key_in(&bytes), None, "{name}");
        }
    }
}

/// Every command that sees the key, with the exit code that shows that it came as far as meant.
const LINES: &[(&str, i32)] = &[
    ("inspect c.pem c.key", 0),
    ("inspect both.pem", 0),
    ("inspect c.key", 2),
    ("inspect c.pem enc.key --password-file pw", 0),
    ("inspect c.pem enc.key --password-file pw.wrong", 2),
    ("inspect c.pem enc.key", 2),
    ("inspect c.p12 --password-file pw", 0),
    ("inspect c.p12 --password-file pw.wrong", 2),
    ("inspect c.p12", 2),
    ("inspect open.p12", 0),
    ("inspect c.pem cut.key", 2),
    ("inspect c.pem cut.der", 2),
    ("inspect other.pem c.key", 2),
    ("plan --profile wazo --cert c.pem --key c.key", 5),
    (
        "plan --profile wazo --cert c.pem --key c.key --out saved.json",
        5,
    ),
    (
        "plan --profile wazo --cert c.pem --key c.key --html plan.html",
        5,
    ),
    ("plan --profile wazo --cert both.pem", 5),
    ("plan --profile wazo --cert c.key --key c.pem", 2),
    ("plan --profile wazo --cert other.pem --key c.key", 2),
    ("plan --profile wazo --cert c.pem --key cut.key", 2),
    (
        "plan --profile wazo --cert c.pem --key enc.key --password-file pw",
        5,
    ),
    (
        "plan --profile wazo --cert c.pem --key enc.key --password-file pw.wrong",
        2,
    ),
    (
        "plan --profile wazo --cert c.pem --key c.key --chain c.key",
        2,
    ),
    (
        "plan --profile wazo --cert c.pem --key c.key --set host=other.example.com",
        2,
    ),
    (
        "plan --profile wazo --cert c.pem --key c.key --password-file c.key",
        5,
    ),
    ("plan secret", 2),
    ("apply --plan c.key --yes", 2),
    ("apply --plan c.der --yes", 2),
    ("profiles check c.key", 2),
    ("profiles check c.der", 2),
    ("profiles list", 0),
    ("profiles show wazo", 0),
    ("probe 127.0.0.1:1", 1),
    ("apply --profile wazo --cert other.pem --key c.key --yes", 2),
    (
        "apply --profile wazo --cert c.p12 --password-file pw.wrong --yes",
        2,
    ),
    (
        "apply --profile wazo --cert c.p12 --password-file pw --yes",
        0,
    ),
    (
        "apply --profile wazo --cert c.pem --key enc.key --password-file pw --yes",
        0,
    ),
    ("apply --plan saved.json --yes", 7),
    ("status wazo", 0),
    ("status wazo -v", 0),
    // A file of `rollouts.d` that is a key is a rollout of which nothing can be told.
    ("status --format nagios", 3),
    ("status --format prometheus", 0),
    ("history", 0),
    ("show 1", 0),
    ("show 1 --html show.html", 0),
    (
        "apply --profile wazo --cert other.pem --key other.key --yes",
        0,
    ),
    ("rollback --rollout wazo --yes", 0),
    ("plan", 2),
    ("show 3", 0),
];

#[test]
fn neither_key_nor_password_is_in_what_any_command_says_or_keeps() {
    for (algorithm, format) in [(EC, ""), (RSA, "--json"), (EC, "-v"), (RSA, "-vv")] {
        let (scratch, canary) = scratch(algorithm);
        // What is replaced is secret too, in a place where only a certificate was expected as well.
        scratch.sh("cp c.key R/usr/share/xivo-certs/server.key; cp both.pem R/usr/share/xivo-certs/server.crt");
        scratch.sh(
            "mkdir -p R/etc/certroll/rollouts.d; cp c.key R/etc/certroll/rollouts.d/secret.yaml",
        );
        let mut other_ends = Vec::new();
        for (line, code) in LINES {
            let run = scratch.on_root(&format!("{format} {line}"));
            if run.code != *code {
                other_ends.push((*code, run.clone()));
            }
            assert!(!run.out.is_empty() || !run.err.is_empty(), "{line}");
            for text in [&run.out, &run.err] {
                canary.is_not_in(text.as_bytes(), line);
            }
        }
        assert!(other_ends.is_empty(), "{other_ends:#?}");
        canary.is_not_in(scratch.read("saved.json").as_bytes(), "the saved plan");
        assert_eq!(mode(&scratch.path("saved.json")), 0o600);
        for page in ["plan.html", "show.html"] {
            let text = scratch.read(page);
            assert!(text.contains("/usr/share/xivo-certs/server.key"), "{page}");
            canary.is_not_in(text.as_bytes(), page);
            assert_eq!(mode(&scratch.path(page)), 0o600);
        }
        let holders = state_is_tight(&scratch.path("R/var/lib/certroll"), &canary);
        assert!(
            holders >= 1,
            "only {holders} files with the key: nothing was searched"
        );
    }
}

#[test]
fn on_the_host_only_the_key_file_holds_the_key() {
    let (scratch, canary) = scratch(EC);
    let line = format!("apply {WAZO} --cert c.p12 --password-file pw --yes");
    scratch.on_root(&line).exits(0);
    let state = scratch.path("R/var");
    let holders: Vec<PathBuf> = files_below(&scratch.path("R"))
        .into_iter()
        .filter(|path| !path.starts_with(&state))
        .filter(|path| canary.key_in(&fs::read(path).unwrap()).is_some())
        .collect();
    assert_eq!(holders, [scratch.path("R/usr/share/xivo-certs/server.key")]);
    assert_eq!(mode(&holders[0]), 0o640);
}

#[test]
fn a_certificate_file_that_held_its_key_too_is_not_shown_when_it_is_replaced() {
    let (scratch, canary) = scratch(EC);
    for (old, new) in [
        ("both.pem", "other"),
        ("c.der", "other"),
        ("c.key", "other"),
    ] {
        scratch.sh(&format!("cp {old} R/usr/share/xivo-certs/server.crt"));
        let plan = format!("plan {WAZO} --cert {new}.pem --key {new}.key");
        let run = scratch.on_root(&plan).exits(5);
        canary.is_not_in(run.out.as_bytes(), old);
        assert!(
            run.out.contains("~ /usr/share/xivo-certs/server.crt (pem)")
                && run.out.contains("    - EC P-256 key, public fingerprint "),
            "{run:#?}"
        );
    }
}

#[test]
fn debug_shows_no_secret_of_any_value() {
    let (scratch, canary) = scratch(EC);
    let read = |name: &str| Input {
        name: name.to_owned(),
        bytes: Bytes::from(fs::read(scratch.path(name)).unwrap()),
    };
    let password = Bytes::from(PASSWORD.to_owned());
    let inputs = [read("c.pem"), read("enc.key")];
    let (identity, _) = Identity::assemble(&inputs, Some(&password)).unwrap();
    let mut shown: Vec<(&str, String)> = Vec::new();
    let mut show = |what, value: &dyn std::fmt::Debug| {
        shown.push((what, format!("{value:?}")));
        shown.push((what, format!("{value:#?}")));
    };
    show("password", &password);
    show("inputs", &inputs);
    show("identity", &identity);
    let key = identity.key.clone().unwrap();
    assert_eq!(canary.key_in(key.reveal()), Some("raw"));
    show("key", &key);
    show("form", &identity.form(Form::Bundle).unwrap());
    for (files, password) in [
        (vec!["c.pem", "enc.key"], "wrong"),
        (vec!["c.p12"], "wrong"),
        (vec!["c.pem", "cut.key"], PASSWORD),
        (vec!["c.pem", "cut.der"], PASSWORD),
        (vec!["other.pem", "c.key"], PASSWORD),
    ] {
        let inputs: Vec<Input> = files.iter().map(|name| read(name)).collect();
        let password = Bytes::from(password.to_owned());
        show("assembled", &Identity::assemble(&inputs, Some(&password)));
    }

    let root = scratch.text("R");
    let mut host = SystemHost::open(Some(&root), None).unwrap();
    let request = Request {
        profiles: vec!["wazo".to_owned()],
        files: Files {
            cert: Some(scratch.text("c.pem")),
            key: Some(scratch.text("enc.key")),
            password_file: Some(scratch.text("pw")),
            ..Files::default()
        },
        ..Request::default()
    };
    show("request", &request);
    let prepared = certroll::prepare(&host, &request).unwrap();
    show("prepared", &prepared);
    show("keep", &prepared.keep);
    show("plan", &prepared.plan);
    let secret = prepared.plan.changes.iter().find(|change| {
        let bytes = change.after.bytes();
        bytes.is_some_and(|bytes| canary.key_in(bytes.reveal()).is_some())
    });
    show("change", secret.unwrap());
    show("host", &host);
    certroll::host::Host::lock(&mut host, std::time::Duration::ZERO).unwrap();
    let receipt = certroll::rollout(&mut host, prepared.plan, prepared.keep, &|_| {}).unwrap();
    assert_eq!(receipt.outcome, Outcome::Placed);
    show("receipt", &receipt);
    let stale = Request {
        files: Files {
            key: Some(scratch.text("other.key")),
            ..request.files.clone()
        },
        ..request.clone()
    };
    show("error", &certroll::prepare(&host, &stale));
    show("kept", &Keep::default());
    assert!(shown.len() > 30);
    for (what, text) in &shown {
        canary.is_not_in(text.as_bytes(), what);
    }
}

/// Looks at what a command of a live rollout can see: itself, and everything above it up to the test.
#[test]
fn no_command_gets_a_secret_by_argument_or_environment() {
    let (scratch, canary) = scratch(EC);
    if !nix::unistd::geteuid().is_root() {
        return skip("only root rolls out on `/`");
    }
    scratch.file(
        "act",
        format!(
            "#!/bin/sh\ncat /proc/self/cmdline /proc/self/environ /proc/$$/cmdline /proc/$$/environ \
             /proc/$PPID/cmdline /proc/$PPID/environ > {0}/seen\nprintf '%s\\n' \"$@\" >> {0}/seen\n\
             ls -l /proc/$$/fd >> {0}/seen\nenv >> {0}/seen\npwd >> {0}/seen\n",
            scratch.text("")
        ),
    );
    scratch.mode("act", 0o755);
    scratch.dir("t");
    let at = scratch.text("");
    scratch.profile(
        "own",
        &format!(
            "resources:\n  - {{kind: pem, path: {at}t/server.key, form: key}}\n  - {{kind: pem, path: {at}t/server.crt, form: fullchain}}\n\
             services:\n  - {{manager: command, command: [{at}act, \"{{{{ identity.name }}}}\"]}}\n"
        ),
    );
    let line = format!(
        "--state {at}state --profiles {at}P apply --profile own --cert c.pem --key enc.key --password-file pw --yes"
    );
    scratch.certroll(&line).exits(0);
    let seen = fs::read(scratch.path("seen")).unwrap();
    let text = String::from_utf8_lossy(&seen);
    assert!(
        text.contains("wazo.example.com")
            && text.contains("CERTROLL_RUN=")
            && text.contains("enc.key"),
        "{text}"
    );
    canary.is_not_in(&seen, "what a command sees");
    // The file that is meant to hold it was not told to be for others, so it is not.
    assert_eq!(mode(&scratch.path("t/server.key")), 0o600);
    assert_eq!(state_is_tight(&scratch.path("state"), &canary), 1);
}

/// Mode and owner of every object, by path.
type Modes = BTreeMap<PathBuf, (u32, (u32, u32))>;

/// Runs the binary on the root `R` under a umask.
fn under(scratch: &Scratch, umask: &str, line: &str) -> Run {
    let script = format!("umask {umask}; exec {CERTROLL} {line}");
    Running::start(scratch.program("sh").args(["-euc", &script])).end()
}

#[test]
fn a_umask_changes_no_mode_of_the_host_or_the_state_directory() {
    let mut seen: Vec<Modes> = Vec::new();
    for umask in ["022", "000", "777", "077"] {
        let (scratch, canary) = scratch(EC);
        let line = format!("--root R plan {WAZO} --cert c.pem --key c.key --out saved.json");
        under(&scratch, umask, &line).exits(5);
        under(&scratch, umask, "--root R apply --plan saved.json --yes").exits(0);
        let line =
            format!("--root R --state S apply {WAZO} --cert other.pem --key other.key --yes");
        under(&scratch, umask, &line).exits(0);
        scratch.mode("S", 0o700);
        assert_eq!(
            state_is_tight(&scratch.path("R/var/lib/certroll"), &canary),
            1
        );
        state_is_tight(&scratch.path("S"), &canary);
        assert_eq!(mode(&scratch.path("saved.json")), 0o600);
        let modes = |dir: &str| {
            let objects = Snapshot::of(&scratch.path(dir), &[]).0.into_iter();
            objects
                .map(|(path, object)| (path, (object.mode, object.owner)))
                .collect()
        };
        seen.extend([modes("R"), modes("S")]);
    }
    for pair in seen.chunks(2) {
        assert_eq!(pair, &seen[..2]);
    }
}
