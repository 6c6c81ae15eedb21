//! Pairs that certroll issues, held against openssl's and against `inspect`.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt as _};

use super::folders::refuses;
use crate::common::Scratch;

const KINDS: [(&str, &str, &str); 6] = [
    (
        "rsa2048",
        "Public-Key: (2048 bit)",
        "sha256WithRSAEncryption",
    ),
    (
        "rsa3072",
        "Public-Key: (3072 bit)",
        "sha256WithRSAEncryption",
    ),
    (
        "rsa4096",
        "Public-Key: (4096 bit)",
        "sha256WithRSAEncryption",
    ),
    ("p256", "ASN1 OID: prime256v1", "ecdsa-with-SHA256"),
    ("p384", "ASN1 OID: secp384r1", "ecdsa-with-SHA384"),
    ("ed25519", "ED25519 Public-Key:", "ED25519"),
];

/// Returns `openssl x509 -text` as lines.
fn shown(scratch: &Scratch, cert: &str) -> Vec<String> {
    let text = scratch.sh(&format!("openssl x509 -in {cert} -noout -text"));
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// Returns the line after one.
fn after<'t>(lines: &'t [String], line: &str) -> Option<&'t str> {
    let at = lines.iter().position(|l| l == line)?;
    lines.get(at + 1).map(String::as_str)
}

/// Returns the seconds between the two ends of the validity.
fn validity(scratch: &Scratch, cert: &str) -> i64 {
    let seconds = |end: &str| -> i64 {
        let date = scratch.sh(&format!(
            "date +%s -d \"$(openssl x509 -in {cert} -noout -{end} | cut -d= -f2)\""
        ));
        date.trim().parse().unwrap()
    };
    seconds("enddate") - seconds("startdate")
}

#[test]
fn every_sort_of_self_signed_pair_is_as_openssl_and_browsers_want_it() {
    let scratch = Scratch::new();
    for (kind, key, signature) in KINDS {
        let run = scratch.certroll(&format!(
            "issue self-signed PBX.example.com *.example.com 192.0.2.10 2001:db8::1 --key-type {kind} --cert {kind}.crt --key {kind}.key"
        ));
        run.exits(0)
            .says(&format!("{kind}.key: its private key, 0600"));
        let text = shown(&scratch, &format!("{kind}.crt"));
        let has = |line: &str| {
            assert!(
                text.iter().any(|l| l == line),
                "{kind}: no {line:?} in {text:#?}"
            );
        };
        has("Version: 3 (0x2)");
        has(&format!("Signature Algorithm: {signature}"));
        has(key);
        has("Issuer: CN = pbx.example.com");
        has("Subject: CN = pbx.example.com");
        let said = |head: &str, value: &str| {
            assert_eq!(after(&text, head), Some(value), "{kind}: {text:#?}");
        };
        said(
            "X509v3 Subject Alternative Name:",
            "DNS:pbx.example.com, DNS:*.example.com, IP Address:192.0.2.10, IP Address:2001:DB8:0:0:0:0:0:1",
        );
        said("X509v3 Basic Constraints: critical", "CA:FALSE");
        said(
            "X509v3 Extended Key Usage:",
            "TLS Web Server Authentication",
        );
        let usage = if kind.starts_with("rsa") {
            "Digital Signature, Key Encipherment"
        } else {
            "Digital Signature"
        };
        said("X509v3 Key Usage: critical", usage);
        assert_eq!(
            after(&text, "X509v3 Subject Key Identifier:"),
            after(&text, "X509v3 Authority Key Identifier:"),
        );
        assert_eq!(validity(&scratch, &format!("{kind}.crt")), 825 * 86_400);
        scratch.sh(&format!(
            "openssl verify -x509_strict -purpose sslserver -verify_hostname a.example.com -CAfile {kind}.crt {kind}.crt; \
             openssl verify -purpose sslserver -verify_ip 2001:db8::1 -CAfile {kind}.crt {kind}.crt; \
             openssl pkey -in {kind}.key -check -noout"
        ));
        let public = |command: &str| scratch.sh(command);
        assert_eq!(
            public(&format!("openssl x509 -in {kind}.crt -noout -pubkey")),
            public(&format!("openssl pkey -in {kind}.key -pubout"))
        );
        let mode =
            |file: &str| scratch.path(file).metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(
            (mode(&format!("{kind}.key")), mode(&format!("{kind}.crt"))),
            (0o600, 0o644)
        );
        let report = scratch
            .certroll(&format!("--json inspect {kind}.crt {kind}.key"))
            .exits(0)
            .json();
        let findings = report["findings"].as_array().unwrap();
        let names: Vec<_> = findings
            .iter()
            .map(|f| f["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["self-signed"], "{kind}: {report:#}");
    }
}

/// The command of the document, for a name that is typed where it asks for one.
const DOCUMENTED: &str = "openssl req -newkey rsa:2048 -nodes -keyout theirs.key -x509 -days 1095 -out theirs.crt \
    -subj /CN=pbx.local 2>&1";

#[test]
fn the_documented_command_is_matched_field_by_field() {
    let scratch = Scratch::new();
    scratch.sh(DOCUMENTED);
    scratch
        .certroll("issue self-signed pbx.local --days 1095")
        .exits(0);
    let (theirs, ours) = (shown(&scratch, "theirs.crt"), shown(&scratch, "server.crt"));
    let field = |text: &[String], head: &str| text.iter().find(|l| l.starts_with(head)).cloned();
    for head in [
        "Version:",
        "Signature Algorithm:",
        "Issuer:",
        "Subject:",
        "Public Key Algorithm:",
        "Public-Key:",
        "Exponent:",
    ] {
        let wanted = field(&theirs, head);
        assert!(wanted.is_some(), "{head} in {theirs:#?}");
        assert_eq!(field(&ours, head), wanted);
    }
    assert_eq!(
        validity(&scratch, "server.crt"),
        validity(&scratch, "theirs.crt")
    );
    for head in [
        "X509v3 Subject Key Identifier:",
        "X509v3 Authority Key Identifier:",
    ] {
        let has = |text: &[String]| text.iter().any(|l| l == head);
        assert_eq!((has(&ours), has(&theirs)), (true, true), "{head}");
    }
    // The same form of key, too: PKCS#8, not encrypted.
    let first = |file: &str| scratch.read(file).lines().next().map(str::to_owned);
    assert_eq!(first("server.key"), first("theirs.key"));
    // And what theirs lacks: clients match names by the SAN alone, and refuse a CA as a leaf.
    assert!(!theirs.iter().any(|l| l.contains("Alternative Name")));
    let refused = scratch.certroll("inspect theirs.crt theirs.key").exits(2);
    assert!(refused.out.contains("no-san"), "{refused:#?}");
    scratch.certroll("inspect server.crt server.key").exits(0);
}

#[test]
fn nothing_that_is_there_is_replaced_and_no_key_is_left_without_its_certificate() {
    let scratch = Scratch::new();
    for taken in ["server.key", "server.crt"] {
        scratch.file(taken, "precious");
        let run = scratch.certroll("issue self-signed pbx.local --key-type p256");
        refuses(run, &format!("`{taken}` is there already"));
        assert_eq!(scratch.sh("ls"), format!("{taken}\n"));
        assert_eq!(scratch.read(taken), "precious");
        scratch.sh(&format!("rm {taken}"));
    }
    scratch.link("/nowhere", "server.key");
    let run = scratch.certroll("issue self-signed pbx.local --key-type p256");
    assert_eq!(run.code, 2, "{run:#?}");
    scratch.sh("rm -f server.key server.crt");
    for (names, told) in [
        ("-- -x.local", "is no DNS name"),
        ("pbx..local", "is no DNS name"),
        ("pbx.local.", "is no DNS name"),
        ("a*.local", "is no DNS name"),
        ("p\u{e4}x.local", "xn--"),
        ("pbx.local --days 0", "--days"),
        ("pbx.local --key-type dsa", "--key-type"),
    ] {
        refuses(
            scratch.certroll(&format!("issue self-signed {names}")),
            told,
        );
    }
    let long = format!("{}.example.com", "a".repeat(60));
    refuses(
        scratch.certroll(&format!("issue self-signed {long}")),
        "64 characters",
    );
    assert_eq!(scratch.sh("ls"), "");
    scratch
        .certroll(&format!(
            "issue self-signed {long} pbx.local --key-type p256"
        ))
        .exits(0);
    let text = shown(&scratch, "server.crt");
    assert!(
        text.contains(&"Subject: CN = pbx.local".to_owned()),
        "{text:#?}"
    );
}

#[test]
fn what_cannot_be_trusted_everywhere_is_said() {
    let scratch = Scratch::new();
    scratch
        .certroll("issue self-signed pbx.local --key-type ed25519 --days 826")
        .exits(0)
        .says("note: Apple's platforms refuse leaves of more than 825 days\nnote: browsers do not take Ed25519\n");
}

#[test]
fn a_private_ca_is_made_once_and_issues_leaves_that_verify_and_never_repeat_a_serial() {
    let scratch = Scratch::new();
    let first = scratch
        .certroll("issue ca pbx.local 192.0.2.10 --key-type p256")
        .exits(0);
    assert!(first.out.contains("ca.crt: `CN=Private CA "), "{first:#?}");
    let root = scratch.read("ca.crt");
    let mut serials = BTreeSet::new();
    for n in 1..=12 {
        let run = scratch.certroll(&format!(
            "issue ca host{n}.local --key-type p256 --cert {n}.crt --key {n}.key"
        ));
        let run = run.exits(0);
        assert!(!run.out.contains("a new private CA"), "{run:#?}");
        scratch.sh(&format!(
            "openssl verify -x509_strict -purpose sslserver -verify_hostname host{n}.local -CAfile ca.crt {n}.crt"
        ));
        serials.insert(scratch.sh(&format!("openssl x509 -in {n}.crt -noout -serial")));
    }
    serials.insert(scratch.sh("openssl x509 -in ca.crt -noout -serial"));
    assert_eq!(serials.len(), 13, "{serials:#?}");
    // 16 bytes, positive.
    assert!(
        serials
            .iter()
            .all(|s| s.trim_end().len() == "serial=".len() + 32),
        "{serials:#?}"
    );
    assert_eq!(scratch.read("ca.crt"), root);
    let mode = scratch
        .path("ca.key")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);

    let text = shown(&scratch, "ca.crt");
    assert_eq!(
        after(&text, "X509v3 Basic Constraints: critical"),
        Some("CA:TRUE, pathlen:0")
    );
    assert_eq!(
        after(&text, "X509v3 Key Usage: critical"),
        Some("Certificate Sign, CRL Sign")
    );
    // The leaf leads to the root that came with it: nothing of the chain is missing.
    assert!(scratch.read("server.crt").ends_with(&root));
    let report = scratch
        .certroll("--json inspect server.crt server.key")
        .exits(0)
        .json();
    assert_eq!(report["trust"], "private-ca");
    let findings = report["findings"].as_array().unwrap();
    let names: Vec<_> = findings
        .iter()
        .map(|f| f["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["no-trust-path", "root-dropped"], "{report:#}");
}

#[test]
fn every_sort_of_private_ca_issues() {
    let scratch = Scratch::new();
    for (kind, ..) in KINDS {
        // RSA of 4096 bits takes seconds, and is shown above.
        if kind == "rsa4096" {
            continue;
        }
        scratch
            .certroll(&format!(
                "issue ca pbx.local --key-type {kind} --ca-cert {kind}-ca.crt --ca-key {kind}-ca.key --cert {kind}.crt --key {kind}.key"
            ))
            .exits(0);
        scratch.sh(&format!(
            "openssl verify -x509_strict -CAfile {kind}-ca.crt {kind}.crt"
        ));
    }
    // A root of one sort issues leaves of another.
    scratch
        .certroll(
            "issue ca pbx.local --key-type p256 --ca-cert rsa2048-ca.crt --ca-key rsa2048-ca.key",
        )
        .exits(0);
    scratch.sh("openssl verify -x509_strict -CAfile rsa2048-ca.crt server.crt");
}

#[test]
fn a_ca_that_is_none_or_is_half_there_or_ends_too_soon_issues_nothing() {
    let scratch = Scratch::new();
    scratch
        .certroll("issue ca pbx.local --key-type p256")
        .exits(0);
    scratch.sh("rm server.*; mkdir other; mv ca.key other/ca.key");
    let run = scratch.certroll("issue ca pbx.local --key-type p256");
    assert!(run.code != 0 && run.err.contains("ca.key"), "{run:#?}");
    let leaf = "--ca-cert server.crt --ca-key server.key --cert a.crt --key a.key";
    scratch
        .certroll("issue self-signed pbx.local --key-type p256")
        .exits(0);
    refuses(
        scratch.certroll(&format!("issue ca pbx.local {leaf}")),
        "is no CA",
    );
    refuses(
        scratch.certroll("issue ca pbx.local --ca-key server.key --cert a.crt --key a.key"),
        "key-mismatch",
    );
    refuses(
        scratch.certroll(
            "issue ca pbx.local --ca-key other/ca.key --days 3660 --cert a.crt --key a.key",
        ),
        "would outlive its CA, which ends in 36",
    );
    assert_eq!(
        scratch
            .sh("ls a.* 2>&1 || true")
            .matches("cannot access")
            .count(),
        1
    );
}
