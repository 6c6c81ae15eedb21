//! Java keystores: what `keytool` wrote is read, what is wanted is put in, and what others put there stays.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests read fixtures from disk, run the program and fail by panicking"
)]

mod common;
#[path = "keystores/kind.rs"]
mod kind;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use certroll::{
    keystore::{Holds, Store},
    state::Bytes,
};
use common::Scratch;

const PASSWORD: &str = "changeit";

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/keystores");
    fs::read(folder.join(name)).unwrap()
}

/// A scratch directory with some fixtures, and their passwords in `pw`, `keypw` and `widepw`.
fn scratch(fixtures: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    for name in fixtures {
        scratch.file(name, fixture(name));
    }
    for (file, password) in [
        ("pw", PASSWORD),
        ("keypw", "keypass1"),
        ("widepw", "пароль-хранилища"),
    ] {
        scratch.file(file, format!("{password}\n"));
    }
    scratch
}

fn bytes(text: &str) -> Bytes {
    Bytes::from(text.as_bytes().to_vec())
}

/// Lines `FILE ALIAS TYPE SHA-256...` of a store, as expected.txt has them.
fn told(file: &str, password: &str) -> Vec<String> {
    let store = Store::read(&fixture(file), Some(&bytes(password))).unwrap();
    let entries = store.entries(Some(&bytes(password)));
    let line = |entry: &certroll::keystore::Entry| {
        let (kind, certificates) = match &entry.holds {
            Holds::Key { chain, .. } => ("key", chain.clone()),
            Holds::Trusted(certificate) => ("trusted", vec![(**certificate).clone()]),
            Holds::Other(_) => ("other", Vec::new()),
        };
        let mut words = vec![file.to_owned(), entry.alias.clone(), kind.to_owned()];
        words.extend(certificates.into_iter().map(|c| c.sha256));
        words.join(" ")
    };
    entries.iter().map(line).collect()
}

#[test]
fn what_keytool_and_openssl_wrote_is_read_with_every_fingerprint() {
    let expected = String::from_utf8(fixture("expected.txt")).unwrap();
    let expected: Vec<&str> = expected.lines().collect();
    let mut files: Vec<&str> = expected
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    files.dedup();
    assert_eq!(files.len(), 9);
    let mut found = Vec::new();
    for file in files {
        let wide = file == "wide.jks";
        found.extend(told(
            file,
            if wide {
                "пароль-хранилища"
            } else {
                PASSWORD
            },
        ));
    }
    assert_eq!(found, expected);
}

#[test]
fn a_store_is_listed_without_its_secrets_and_by_what_it_is_and_not_by_its_name() {
    let scratch = scratch(&["chain.jks", "modern.p12"]);
    fs::rename(scratch.path("chain.jks"), scratch.path("chain.p12")).unwrap();
    let list = "keystore list chain.p12 --password-file pw --key-password-file keypw";
    let run = scratch.certroll(list).exits(0);
    let run = run
        .says("chain.p12: JKS store, 3 entries\n")
        .says("gateway: RSA 2048 key, made 20")
        .says("  chain O=Example, CN=issuing, until 2126-")
        .says("бэкенд: trusted certificate, made ");
    for secret in [PASSWORD, "keypass1", "PRIVATE"] {
        assert!(!run.out.contains(secret) && !run.err.contains(secret));
    }
    scratch
        .certroll("keystore list chain.p12 --password-file pw")
        .exits(0)
        .says("gateway: key, not opened: it has another password, or none was given");
    // JKS tells its entries to anybody, which is said; PKCS#12 does not.
    scratch
        .certroll("keystore list chain.p12")
        .exits(0)
        .says("3 entries, not verified: no password was given\n");
    let run = scratch.certroll("keystore list modern.p12").exits(2);
    assert!(run.err.contains("no password was given"), "{run:#?}");
    let run = scratch.certroll("keystore list chain.p12 --password-file keypw");
    let run = run.exits(2);
    assert!(
        run.err.contains("the password does not open it"),
        "{run:#?}"
    );
    let json = scratch.certroll(&format!("--json {list}")).exits(0).json();
    assert_eq!(json["format"], "certroll/keystore/1");
    assert_eq!(json["entries"][2]["alias"], "gateway");
    assert_eq!(json["entries"][2]["key"], "RSA 2048");
    assert_eq!(json["entries"][2]["chain"].as_array().unwrap().len(), 2);
}

#[test]
fn inspect_shows_a_store_with_the_findings_of_its_keys_and_one_pair_as_ever() {
    let scratch = scratch(&[
        "chain.jks",
        "modern.p12",
        "openssl-legacy.p12",
        "secret.jceks",
    ]);
    let jks = scratch
        .certroll("inspect chain.jks --password-file pw")
        .exits(0);
    jks.says("chain.jks: JKS store, 3 entries\n")
        .says("note [root-dropped]: `gateway`: root");
    scratch
        .certroll("inspect modern.p12 --password-file pw")
        .exits(0)
        .says("Backend: trusted certificate\n")
        .says("note [root-dropped]");
    scratch
        .certroll("inspect openssl-legacy.p12 --password-file pw")
        .exits(0)
        .says("identity `gw.example.com`");
    let run = scratch.certroll("inspect secret.jceks").exits(2);
    assert!(
        run.err.contains("is a JCEKS store, which is not supported"),
        "{run:#?}"
    );
    scratch.mint_between("old", "old.example.com", 2020, 2021);
    scratch
        .certroll("keystore new old.jks --format jks --password-file pw --trust a=old.pem")
        .exits(0);
    scratch
        .certroll("inspect old.jks --password-file pw")
        .exits(0)
        .says("until 2021-01-01 00:00 UTC, EXPIRED");
}

#[test]
fn an_entry_is_taken_out_as_pem_and_its_key_into_a_file_of_ones_own_alone() {
    let scratch = scratch(&["chain.jks", "chain.pem", "test-only.key"]);
    let export = "keystore export chain.jks --password-file pw --key-password-file keypw --alias";
    let chain = scratch.read("chain.pem");
    let run = scratch
        .certroll(&format!("{export} Gateway --chain"))
        .exits(0);
    assert_eq!(run.out, chain);
    let leaf = chain.split_inclusive("-----END CERTIFICATE-----\n").next();
    let run = scratch.certroll(&format!("{export} gateway")).exits(0);
    assert_eq!(Some(&*run.out), leaf);
    let run = scratch.certroll(&format!("{export} gateway --with-key"));
    assert!(run.exits(2).err.contains("--output"), "a key on a terminal");
    let whole = format!("{export} gateway --chain --with-key -o bundle.pem");
    let run = scratch.certroll(&whole).exits(0);
    assert!(!run.out.contains("PRIVATE"), "{run:#?}");
    let bundle = scratch.read("bundle.pem");
    assert_eq!(bundle, scratch.read("test-only.key") + &chain);
    let mode = fs::metadata(scratch.path("bundle.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    // What is there is not replaced without being asked.
    scratch.file("bundle.pem", "mine\n");
    let run = scratch.certroll(&whole).exits(2);
    assert!(
        run.err.contains("`bundle.pem` is there already"),
        "{run:#?}"
    );
    assert_eq!(scratch.read("bundle.pem"), "mine\n");
    scratch.certroll(&format!("{whole} --force")).exits(0);
    assert_eq!(scratch.read("bundle.pem"), bundle);
    let left: Vec<_> = fs::read_dir(scratch.path("")).unwrap().collect();
    assert_eq!(left.len(), 7, "something is left behind: {left:?}");
    for (alias, said) in [
        (
            "root --with-key -o x",
            "`root` is a trusted certificate, and has no key",
        ),
        ("nobody", "unknown alias `nobody`"),
    ] {
        let run = scratch.certroll(&format!("{export} {alias}")).exits(2);
        assert!(run.err.contains(said), "{run:#?}");
    }
    let closed = "keystore export chain.jks --password-file pw --alias gateway --with-key -o x";
    let run = scratch.certroll(closed).exits(2);
    assert!(
        run.err.contains("that the password given does not open"),
        "{run:#?}"
    );
}

#[test]
fn a_jks_store_that_is_given_as_an_identity_is_named_with_the_way_out() {
    let scratch = scratch(&["chain.jks"]);
    let run = scratch.certroll("inspect chain.jks chain.jks --password-file pw");
    let run = run.exits(2);
    assert!(run.err.contains("`chain.jks`: is a JKS store"), "{run:#?}");
    assert!(
        run.err.contains(
            "certroll keystore export chain.jks --alias ALIAS --chain --with-key -o chain.jks.pem"
        ),
        "{run:#?}"
    );
}

#[test]
fn a_new_store_holds_what_was_asked_and_replaces_nothing() {
    let scratch = scratch(&["chain.pem", "test-only.key", "backend.pem"]);
    let identity = "--cert chain.pem --key test-only.key --alias GateWay";
    for (file, how, alias) in [
        ("a.p12", "", "GateWay"),
        ("b.p12", "--legacy", "GateWay"),
        ("c.jks", "--format jks --key-password-file keypw", "gateway"),
    ] {
        let new = format!(
            "keystore new {file} --password-file pw {how} {identity} --trust b=backend.pem"
        );
        let run = scratch.certroll(&new).exits(0);
        let run = run
            .says(&format!(
                "+ {alias}: RSA 2048 key, CN=gw.example.com, SHA-256 ec0cc970"
            ))
            .says(&format!(
                "keytool -importkeystore -srckeystore {file} -srcstoretype "
            ));
        assert!(!run.out.contains(PASSWORD), "{run:#?}");
        let mode = fs::metadata(scratch.path(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
        let before = fs::read(scratch.path(file)).unwrap();
        let run = scratch.certroll(&new).exits(2);
        assert!(run.err.contains("is there already"), "{run:#?}");
        assert_eq!(fs::read(scratch.path(file)).unwrap(), before);
        // The root of the chain is not sent, and so not kept with the key.
        let list = format!("keystore list {file} --password-file pw --key-password-file keypw");
        let listed = scratch.certroll(&list).exits(0);
        assert_eq!(listed.out.matches("  chain ").count(), 1, "{listed:#?}");
    }
    for (line, said) in [
        (
            "keystore new x.p12 --password-file short --trust a=backend.pem",
            "a password under 6 characters",
        ),
        (
            "keystore new x.p12 --password-file widepw --trust a=backend.pem",
            "not ASCII: Java would not open it",
        ),
        (
            "keystore new x.p12 --password-file pw --trust a=backend.pem --trust A=chain.pem",
            "holds 3 certificates",
        ),
        (
            "keystore new x.p12 --password-file pw --trust a=backend.pem --trust A=backend.pem",
            "two entries of one alias: `a`",
        ),
        (
            "keystore new x.p12 --password-file pw --trust 😀=backend.pem",
            "only JKS can",
        ),
        (
            "keystore new x.p12 --password-file pw --key-password-file keypw --cert chain.pem --key test-only.key --alias a",
            "its keys have the password of the whole",
        ),
        (
            "keystore new x.p12 --password-file pw --cert chain.pem --key backend.pem --alias a",
            "only certificates",
        ),
        (
            "keystore new no/x.p12 --password-file pw --trust a=backend.pem",
            "cannot create `no/x.p12",
        ),
    ] {
        scratch.file("short", "12345\n");
        let run = scratch.certroll(line);
        assert!(run.code == 2 || run.code == 1, "{run:#?}");
        assert!(run.err.contains(said), "{run:#?}");
        assert!(!scratch.path("x.p12").exists(), "{line}");
    }
}
