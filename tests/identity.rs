//! Identities made and read back by the real `openssl`, in every form people have them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests make their own files and run openssl"
)]

use std::path::PathBuf;

use certroll::{
    cli::inspect,
    error::ExitCode,
    identity::{Checks, Form, Identity, Input, Trust},
    preflight::Severity,
    source::Files,
    state::Bytes,
};

#[path = "identity/desk.rs"]
mod desk;
#[path = "identity/host.rs"]
mod host;
#[path = "identity/refused.rs"]
mod refused;

use desk::{Desktop, assert_whole, names};
use host::Desk;

/// 2026-11-21 00:00 UTC, for the fixtures of fixed dates.
const NOW: i64 = 1_795_219_200;
/// Every key type, by the arguments of `openssl genpkey`.
const TYPES: [(&str, &str); 6] = [
    ("RSA 2048", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("RSA 3072", "-algorithm RSA -pkeyopt rsa_keygen_bits:3072"),
    ("EC P-256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ("EC P-384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
    ("EC P-521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521"),
    ("Ed25519", "-algorithm ED25519"),
];

#[test]
fn every_key_type_is_read_in_every_form_and_written_as_openssl_reads_it() {
    for (kind, arguments) in TYPES {
        let desk = Desktop::new();
        desk.pair(arguments);
        desk.openssl("x509 -in site.pem -outform DER -out site.der");
        desk.openssl("pkcs8 -topk8 -nocrypt -in site.key -outform DER -out pkcs8.der");
        desk.openssl("pkcs8 -topk8 -in site.key -passout pass:canary -out pbes2.key");
        desk.openssl("pkcs8 -topk8 -in site.key -passout pass:canary -outform DER -out pbes2.der");
        desk.openssl(
            "pkcs8 -topk8 -scrypt -scrypt_N 1024 -in site.key -passout pass:canary -out scrypt.key",
        );
        let mut forms = vec![
            "site.key",
            "pkcs8.der",
            "pbes2.key",
            "pbes2.der",
            "scrypt.key",
        ];
        if kind != "Ed25519" {
            desk.openssl("pkey -in site.key -traditional -out old.key");
            desk.openssl("pkey -in site.key -traditional -outform DER -out old.der");
            forms.extend(["old.key", "old.der"]);
        }
        if kind.starts_with("EC") {
            desk.openssl("ec -in site.key -no_public -out bare.key");
            let curve = desk.openssl("ec -in site.key -param_out");
            desk.write("params.key", curve + &desk.text("old.key"));
            forms.extend(["bare.key", "params.key"]);
        }
        for form in forms {
            for leaf in ["site.pem", "site.der"] {
                let (identity, findings) = desk.read(&[leaf, form], Some("canary")).unwrap();
                assert_eq!(names(&findings), [""; 0], "{kind} {form} {leaf}");
                assert_eq!(identity.leaf.key, kind);
                assert!(identity.is_self_signed(), "{kind}");
                assert_whole(&desk, &identity, &format!("{kind} {form} {leaf}"));
            }
        }
    }
}

#[test]
fn a_leaf_says_what_openssl_says_of_it() {
    let desk = Desktop::new();
    desk.ca();
    let (identity, _) = desk.read(&["leaf.pem"], None).unwrap();
    let said = |what: &str| {
        desk.openssl(&format!("x509 -in leaf.pem -noout {what}"))
            .trim()
            .to_lowercase()
            .replace(':', "")
    };
    assert!(said("-fingerprint -sha256").ends_with(identity.fingerprint()));
    assert!(said("-fingerprint -sha1").ends_with(&identity.leaf.sha1));
    assert!(said("-serial").ends_with(identity.leaf.serial.trim_start_matches("00")));
    assert_eq!(identity.leaf.issuer, "O=Test, CN=Link");
    assert_eq!(identity.leaf.signature, "ecdsa-with-SHA256");
}

#[test]
fn a_weak_rsa_key_still_matches_and_is_reported_as_weak() {
    let desk = Desktop::new();
    desk.pair("-algorithm RSA -pkeyopt rsa_keygen_bits:1024");
    let (identity, findings) = desk.read(&["site.key", "site.pem"], None).unwrap();
    assert_eq!(names(&findings), [""; 0]);
    assert_whole(&desk, &identity, "RSA 1024");
    let files = Files {
        cert: Some(desk.path("site.pem")),
        key: Some(desk.path("site.key")),
        ..Files::default()
    };
    let report = inspect::run(
        &Desk {
            now: identity.leaf.not_before,
            anchors: Vec::new(),
        },
        &files,
        &[],
    )
    .unwrap();
    assert!(report.is_fatal());
    assert_eq!(
        (report.findings[0].name, report.findings[0].severity),
        ("weak-key", Severity::Fatal)
    );
    let allowed = inspect::run(
        &Desk {
            now: identity.leaf.not_before,
            anchors: Vec::new(),
        },
        &files,
        &["weak-key".to_owned()],
    )
    .unwrap();
    assert!(!allowed.is_fatal());
}

#[test]
fn a_pkcs12_store_gives_the_whole_identity() {
    let desk = Desktop::new();
    desk.ca();
    desk.write("chain.pem", desk.text("link.pem") + &desk.text("root.pem"));
    let export = "pkcs12 -export -in leaf.pem -inkey leaf.key -certfile chain.pem -name era";
    desk.openssl(&format!("{export} -passout pass:canary -out modern.p12"));
    desk.openssl(&format!(
        "{export} -legacy -passout pass:canary -out legacy.p12"
    ));
    desk.openssl(&format!("{export} -passout pass: -out open.p12"));
    for (file, password) in [
        ("modern.p12", Some("canary")),
        ("legacy.p12", Some("canary")),
        ("open.p12", None),
    ] {
        let (identity, findings) = desk.read(&[file], password).unwrap();
        assert_eq!(names(&findings), ["root-dropped"], "{file}");
        assert_eq!(identity.chain.len(), 1, "{file}");
        assert!(
            identity
                .remarks
                .iter()
                .any(|r| r.text == "friendlyName: era"),
            "{:?}",
            identity.remarks
        );
        assert_whole(&desk, &identity, file);
    }
    for (password, want) in [
        (None, "no password was given"),
        (Some("wrong"), "the password does not open it"),
    ] {
        let error = desk.read(&["modern.p12"], password).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
        assert_eq!(error.exit(), ExitCode::Usage);
    }
    let mut torn = desk.bytes("modern.p12");
    torn.truncate(900);
    desk.write("torn.p12", torn);
    assert_eq!(
        desk.read(&["torn.p12"], Some("canary")).unwrap_err().exit(),
        ExitCode::Usage
    );
}

#[test]
fn mangled_files_are_read_as_the_clean_one() {
    let desk = Desktop::new();
    desk.ca();
    let clean = [
        desk.text("leaf.key"),
        desk.text("leaf.pem"),
        desk.text("link.pem"),
    ]
    .concat();
    desk.write("clean.pem", &clean);
    let (want, _) = desk.read(&["clean.pem"], None).unwrap();
    let attributes = "Bag Attributes\n    localKeyID: 01 00 00 00 \n    friendlyName: [IIS] era, (any host)\nsubject=/CN=www.example.org\nissuer=/O=Test/CN=Link\n";
    let wide: Vec<u8> = [0xfeff_u16]
        .into_iter()
        .chain(clean.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("crlf", clean.replace('\n', "\r\n").into()),
        ("old mac", clean.replace('\n', "\r").into()),
        ("mark", format!("\u{feff}{clean}").into()),
        (
            "spaces",
            format!("date=2023-11-29 {}", clean.replace('\n', " ")).into(),
        ),
        ("escapes", clean.replace('\n', "\\n").into()),
        ("utf-16", wide),
        ("indented", clean.replace('\n', "\n    ").into()),
        (
            "attributes",
            clean
                .replace("-----BEGIN CERT", &format!("{attributes}-----BEGIN CERT"))
                .into(),
        ),
        (
            "label of PKCS#1",
            clean.replace("PRIVATE KEY", "RSA PRIVATE KEY").into(),
        ),
        (
            "label of a key",
            clean.replace("CERTIFICATE", "PRIVATE KEY").into(),
        ),
        (
            "latin-1",
            [
                b"friendlyName: Soci\xe9t\xe9\n".as_slice(),
                clean.as_bytes(),
            ]
            .concat(),
        ),
    ];
    for (name, bytes) in cases {
        desk.write("mangled.pem", bytes);
        let (identity, findings) = desk
            .read(&["mangled.pem"], None)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(
            identity.form(Form::Bundle),
            want.form(Form::Bundle),
            "{name}"
        );
        // The same attributes stand before the intermediate, whose subject is another.
        let contradictions = names(&findings)
            .iter()
            .filter(|n| **n == "metadata-contradicts")
            .count();
        assert_eq!(
            contradictions,
            if name == "attributes" { 2 } else { 0 },
            "{name}: {findings:?}"
        );
        assert_whole(&desk, &identity, name);
    }
}

#[test]
fn what_is_written_verifies_for_openssl_and_the_root_is_kept_apart() {
    let desk = Desktop::new();
    desk.ca();
    let (identity, findings) = desk
        .read(&["root.pem", "link.pem", "leaf.key", "leaf.pem"], None)
        .unwrap();
    assert_eq!(names(&findings), ["root-dropped"]);
    for (form, file) in [
        (Form::Leaf, "l"),
        (Form::Chain, "c"),
        (Form::Anchor, "a"),
        (Form::Bundle, "b"),
        (Form::Fullchain, "f"),
    ] {
        desk.write(file, identity.form(form).unwrap().reveal());
    }
    desk.openssl(
        "verify -purpose sslserver -verify_hostname www.example.org -CAfile a -untrusted c l",
    );
    assert_eq!(desk.text("f"), desk.text("l") + &desk.text("c"));
    assert_eq!(desk.text("b").matches("-----BEGIN ").count(), 3);
    let now = identity.leaf.not_before + 60;
    assert_eq!(identity.trust(&[], now), Trust::PrivateCa);
    assert!(identity.verifies_with(&desk.bytes("root.pem"), now));
    let report = inspect::run(
        &Desk {
            now,
            anchors: vec![identity.anchor.as_ref().unwrap().der.clone()],
        },
        &Files {
            others: vec![desk.path("b")],
            ..Files::default()
        },
        &[],
    )
    .unwrap();
    assert_eq!((report.trust, report.findings.len()), (Trust::Trusted, 0));
}

#[test]
fn an_expired_cross_signed_intermediate_is_a_warning_and_the_chain_is_shown_with_and_without() {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/identities/expired-cross-sign");
    let path = |name: &str| folder.join(name).display().to_string();
    let files = Files {
        cert: Some(path("fullchain.pem")),
        key: Some(path("test-only.key")),
        ..Files::default()
    };
    let root = Identity::assemble(
        &[Input {
            name: "root".to_owned(),
            bytes: Bytes::from(std::fs::read(path("root.pem")).unwrap()),
        }],
        None,
    )
    .unwrap()
    .0;
    let report = inspect::run(
        &Desk {
            now: NOW,
            anchors: vec![root.leaf.der],
        },
        &files,
        &[],
    )
    .unwrap();
    assert_eq!(names(&report.findings), ["chain-expired"]);
    let text = inspect::text(&report);
    for want in [
        "2. O=certroll test, CN=New Test Root\n     issued by O=certroll test, CN=Old Test Root, until 2024-09-30 18:14 UTC, EXPIRED",
        "chain without what has expired:\n  1. O=certroll test, CN=Test Intermediate\n",
        "another path holds without it",
    ] {
        assert!(text.contains(want), "{text}");
    }
    // Before it expired, nothing was to be said.
    let before = inspect::run(
        &Desk {
            now: 1_710_000_000,
            anchors: Vec::new(),
        },
        &files,
        &[],
    )
    .unwrap();
    assert!(!names(&before.findings).contains(&"chain-expired"));
}

#[test]
fn old_signatures_and_weak_intermediates_are_warnings() {
    let desk = Desktop::new();
    desk.ca();
    desk.openssl("x509 -req -sha1 -in leaf.csr -CA link.pem -CAkey link.key -CAcreateserial -extfile leaf.ext -days 90 -out old.pem");
    desk.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key");
    desk.openssl("req -new -key weak.key -subj /O=Test/CN=Weak -out weak.csr");
    desk.openssl("x509 -req -in weak.csr -CA root.pem -CAkey root.key -CAcreateserial -extfile link.ext -days 800 -out weak.pem");
    desk.openssl("x509 -req -in leaf.csr -CA weak.pem -CAkey weak.key -CAcreateserial -extfile leaf.ext -days 90 -out under.pem");
    for (leaf, link, name) in [
        ("old.pem", "link.pem", "sha1-signature"),
        ("under.pem", "weak.pem", "weak-key"),
    ] {
        let (identity, findings) = desk
            .read(&["leaf.key", leaf, link, "root.pem"], None)
            .unwrap();
        assert_eq!(names(&findings), ["root-dropped"], "{leaf}");
        let anchors = [identity.anchor.as_ref().unwrap().der.clone()];
        let checks = Checks {
            now: identity.leaf.not_before,
            warn_days: Checks::WARN_DAYS,
            anchors: &anchors,
            names: &[],
        };
        let found = identity.findings(&checks);
        let finding = found
            .iter()
            .find(|f| f.name == name)
            .unwrap_or_else(|| panic!("{leaf}: {found:?}"));
        assert_eq!(finding.severity, Severity::Warning, "{leaf}");
    }
}

#[test]
fn a_chain_signed_with_rsa_pss_and_a_key_of_that_type_are_understood() {
    let desk = Desktop::new();
    desk.ca();
    desk.openssl("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out pss.key");
    desk.openssl("req -x509 -new -key pss.key -subj /CN=Pss -days 90 -out pss.pem");
    desk.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key");
    desk.openssl("req -x509 -new -key rsa.key -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -subj /O=Test/CN=PssRoot -days 90 -out rsa.pem");
    desk.openssl("x509 -req -in leaf.csr -CA rsa.pem -CAkey rsa.key -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -CAcreateserial -extfile leaf.ext -days 90 -out under.pem");
    let (identity, _) = desk.read(&["pss.key", "pss.pem"], None).unwrap();
    assert_whole(&desk, &identity, "RSA-PSS key");
    assert_eq!(identity.leaf.key, "RSA 2048");
    let (identity, findings) = desk
        .read(&["under.pem", "leaf.key", "rsa.pem"], None)
        .unwrap();
    assert_eq!(names(&findings), ["root-dropped"]);
    assert_eq!(identity.leaf.signature, "rsassaPss");
    assert_eq!(
        identity.trust(&[], identity.leaf.not_before + 60),
        Trust::PrivateCa
    );
}
