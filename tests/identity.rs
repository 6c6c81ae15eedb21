//! Identities made and read back by the real `openssl`, in every form people have them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests make their own files and run openssl"
)]

use std::{path::PathBuf, process::Command};

use certroll::{
    cli::inspect,
    error::{Error, ExitCode},
    identity::{Form, Identity, Input, Trust},
    preflight::{Finding, Severity},
    source::{Files, Source},
    state::Bytes,
};

#[path = "identity/host.rs"]
mod host;

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

/// A scratch folder in which openssl runs.
struct Desktop(tempfile::TempDir);

impl Desktop {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Runs one openssl command line, arguments without spaces, and returns its output.
    fn openssl(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let out = Command::new("openssl")
            .args(words)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "openssl {line}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn input(&self, name: &str) -> Input {
        Input {
            name: name.to_owned(),
            bytes: Bytes::from(self.bytes(name)),
        }
    }

    fn read(
        &self,
        names: &[&str],
        password: Option<&str>,
    ) -> Result<(Identity, Vec<Finding>), Error> {
        let inputs: Vec<Input> = names.iter().map(|n| self.input(n)).collect();
        let password = password.map(|p| Bytes::from(p.as_bytes().to_vec()));
        Identity::assemble(&inputs, password.as_ref())
    }

    /// Makes `site.key` and a self-signed `site.pem`.
    fn pair(&self, arguments: &str) {
        self.openssl(&format!("genpkey {arguments} -out site.key"));
        self.openssl("req -x509 -new -key site.key -subj /CN=www.example.org -addext subjectAltName=DNS:www.example.org -days 90 -out site.pem");
    }

    /// Makes `root.pem`, `link.pem`, `leaf.key`, `leaf.pem`: a private CA with an intermediate.
    fn ca(&self) {
        let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        self.write("link.ext", "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
        self.write("leaf.ext", "subjectAltName=DNS:www.example.org,IP:192.0.2.1\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n");
        self.openssl(&format!(
            "req -x509 {ec} -keyout root.key -out root.pem -subj /O=Test/CN=Root -days 900"
        ));
        self.openssl(&format!(
            "req -new {ec} -keyout link.key -out link.csr -subj /O=Test/CN=Link"
        ));
        self.openssl("x509 -req -in link.csr -CA root.pem -CAkey root.key -CAcreateserial -extfile link.ext -days 800 -out link.pem");
        self.openssl(&format!(
            "req -new {ec} -keyout leaf.key -out leaf.csr -subj /CN=www.example.org"
        ));
        self.openssl("x509 -req -in leaf.csr -CA link.pem -CAkey link.key -CAcreateserial -extfile leaf.ext -days 90 -out leaf.pem");
    }
}

fn names(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|f| f.name).collect()
}

/// Asserts that an identity holds a key, that it is the leaf's, and that openssl reads what is written.
fn assert_whole(desk: &Desktop, identity: &Identity, what: &str) {
    let key = identity
        .key
        .as_ref()
        .unwrap_or_else(|| panic!("{what}: no key"));
    assert_eq!(key.pin(), identity.leaf.pin(), "{what}");
    let written = identity.form(Form::Key).unwrap();
    assert!(
        written
            .reveal()
            .starts_with(b"-----BEGIN PRIVATE KEY-----\n"),
        "{what}"
    );
    desk.write("written.key", written.reveal());
    desk.write(
        "written.pem",
        identity.form(Form::Fullchain).unwrap().reveal(),
    );
    let public = desk.openssl("pkey -in written.key -pubout");
    assert_eq!(
        public,
        desk.openssl("x509 -in written.pem -noout -pubkey"),
        "{what}"
    );
}

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
fn an_encrypted_key_is_refused_with_the_reason_and_the_hint_works() {
    let desk = Desktop::new();
    desk.pair("-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    desk.openssl("pkcs8 -topk8 -in site.key -passout pass:canary -out pbes2.key");
    desk.openssl("pkcs8 -topk8 -v1 PBE-SHA1-3DES -in site.key -passout pass:canary -out pbes1.key");
    desk.openssl("pkcs8 -topk8 -v1 PBE-SHA1-3DES -in site.key -passout pass:canary -outform DER -out pbes1.der");
    desk.openssl("pkcs8 -topk8 -v2 des3 -in site.key -passout pass:canary -out des.key");
    desk.openssl("rsa -in site.key -traditional -aes128 -passout pass:canary -out legacy.key");
    for (file, password, want) in [
        ("pbes2.key", None, "no password was given"),
        ("pbes2.key", Some("wrong"), "the password does not open it"),
        ("pbes1.key", Some("canary"), "PBES1"),
        ("pbes1.der", Some("canary"), "PBES1"),
        ("des.key", Some("canary"), "PBES2 with DES, SHA-1"),
        ("legacy.key", Some("canary"), "Proc-Type"),
    ] {
        let (identity, findings) = desk.read(&["site.pem", file], password).unwrap();
        assert!(identity.key.is_none(), "{file}");
        assert_eq!(
            (findings[0].name, findings[0].severity),
            ("key-encrypted", Severity::Fatal),
            "{file}"
        );
        assert!(
            findings[0].message.contains(want) && findings[0].message.contains(file),
            "{}",
            findings[0].message
        );
        if password == Some("canary") {
            let hint = findings[0].hint.clone().unwrap();
            let command = hint
                .split('`')
                .nth(1)
                .unwrap()
                .strip_prefix("openssl ")
                .unwrap()
                .to_owned();
            desk.openssl(&format!(
                "{command} -passin pass:canary -passout pass:canary"
            ));
            let (identity, _) = desk
                .read(&["site.pem", &format!("{file}.pbes2")], password)
                .unwrap();
            assert_whole(&desk, &identity, file);
        }
    }
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
fn a_store_that_would_take_minutes_to_open_is_refused_at_once() {
    let desk = Desktop::new();
    desk.pair("-algorithm EC -pkeyopt ec_paramgen_curve:P-256");
    desk.openssl(
        "pkcs8 -topk8 -in site.key -passout pass:canary -iter 2048 -outform DER -out few.der",
    );
    // INTEGER 2048 becomes INTEGER 0x7fff: same length; then four bytes by hand where the lengths allow it.
    let few = desk.bytes("few.der");
    let at = few.windows(4).position(|w| w == [2, 2, 8, 0]).unwrap();
    assert!(few[at..].starts_with(&[2, 2, 8, 0]));
    let mut many = few.clone();
    many.splice(at..at + 4, [2, 4, 0x7f, 0xff, 0xff, 0xff]);
    // Two bytes more in every sequence around it, the outermost first.
    grow(&mut many, at, 2);
    desk.write("many.der", many);
    let (_, findings) = desk
        .read(&["site.pem", "many.der"], Some("canary"))
        .unwrap();
    assert!(
        findings[0].message.contains("so many rounds"),
        "{}",
        findings[0].message
    );
}

/// Adds to the length of every sequence that encloses `at`.
fn grow(der: &mut [u8], at: usize, by: u8) {
    let mut here = 0;
    while der[here] == 0x30 {
        let (header, length) = match der[here + 1] {
            0x81 => (3, usize::from(der[here + 2])),
            short => (2, usize::from(short)),
        };
        let inside = here + header;
        if at >= inside + length {
            here = inside + length;
            continue;
        }
        let last = inside - 1;
        der[last] += by;
        here = inside;
        while der[here] != 0x30 && here < at {
            here += 2 + usize::from(der[here + 1]);
        }
    }
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
                .replacen("issuer=/O=Test/CN=Link", "issuer=/O=Test/CN=Link", 1)
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
fn bad_input_is_refused_each_with_its_own_message() {
    let desk = Desktop::new();
    desk.ca();
    desk.openssl("req -new -key leaf.key -subj /CN=x -outform DER -out request.der");
    desk.openssl("pkey -in leaf.key -pubout -outform DER -out public.der");
    desk.openssl("crl2pkcs7 -nocrl -certfile leaf.pem -out bundle.p7b");
    desk.openssl("genpkey -algorithm ED448 -out ed448.key");
    let pem = desk.text("leaf.pem");
    desk.write("empty", "");
    desk.write("blank", "\n \n");
    desk.write("junk", [0x7f, b'E', b'L', b'F', 0, 1, 2, 3].repeat(500));
    desk.write("text", "hello");
    desk.write("cut", &pem[..pem.len() / 2]);
    desk.write("wrong-letters", pem.replacen('M', "?", 1));
    desk.write(
        "zeroes-inside",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    desk.write("large", vec![b'x'; 100 << 20]);
    let mut der = desk.bytes("request.der");
    der.truncate(100);
    desk.write("cut.der", der);
    for (files, want) in [
        (&["empty"][..], "is empty"),
        (&["blank"], "is empty"),
        (&["junk"], "neither PEM, DER nor PKCS#12"),
        (&["text"], "neither PEM, DER nor PKCS#12"),
        (&["cut"], "has no `END`"),
        (&["wrong-letters"], "not base64"),
        (
            &["zeroes-inside"],
            "neither a certificate nor a private key",
        ),
        (&["large"], "has 100 MiB, wanted at most 16 MiB"),
        (&["cut.der"], "cut off"),
        (&["request.der"], "certificate request"),
        (
            &["leaf.csr"],
            "holds neither a certificate nor a private key",
        ),
        (&["public.der"], "public key"),
        (&["bundle.p7b"], "PKCS#7"),
        (&["ed448.key"], "Ed448"),
        (&["leaf.key"], "only a private key"),
        (&["link.pem", "root.pem"], "only certificates of CAs"),
    ] {
        let error = desk.read(files, None).unwrap_err();
        assert!(matches!(error, Error::Input { .. }), "{files:?}: {error:?}");
        let said = format!("{error} {}", error.hint().unwrap_or_default());
        assert!(
            said.contains(want) && said.contains(&format!("`{}`", files[0])),
            "{said}"
        );
        assert_eq!(error.exit(), ExitCode::Usage);
    }
}

#[test]
fn swapped_and_misplaced_files_are_named() {
    let desk = Desktop::new();
    desk.ca();
    let (cert, key, chain) = (
        desk.path("leaf.pem"),
        desk.path("leaf.key"),
        desk.path("link.pem"),
    );
    let files = |cert: &str, key: Option<&str>, chain: Option<&str>| Files {
        cert: Some(cert.to_owned()),
        key: key.map(str::to_owned),
        chain: chain.map(str::to_owned),
        ..Files::default()
    };
    let host = Desk {
        now: NOW,
        anchors: Vec::new(),
    };
    let (identity, findings) = files(&cert, Some(&key), Some(&chain)).fetch(&host).unwrap();
    assert_eq!((identity.chain.len(), findings.len()), (1, 0));

    let error = files(&key, Some(&cert), None).fetch(&host).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("swapped") && said.contains(&cert) && said.contains(&key),
        "{said}"
    );
    assert_eq!(error.hint().unwrap(), format!("--cert {cert} --key {key}"));
    for (files, want) in [
        (
            files(&key, None, None),
            "holds only a private key where a certificate was expected",
        ),
        (
            files(&cert, Some(&chain), None),
            "holds only certificates where a private key was expected",
        ),
        (
            files(&cert, Some(&key), Some(&key)),
            "holds only a private key where a chain was expected",
        ),
        (files(&cert, None, None), "no private key in it"),
    ] {
        let error = files.fetch(&host).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
        assert_eq!(error.exit(), ExitCode::Usage);
    }
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
fn no_error_report_or_debug_shows_key_bytes_or_the_password() {
    let desk = Desktop::new();
    desk.pair("-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    desk.openssl("pkcs8 -topk8 -in site.key -passout pass:canary-password -out locked.key");
    desk.write("password", "canary-password\r\nsecond line\n");
    desk.write("wrong", "canary-wrong\n");
    let key = desk.text("site.key");
    desk.write(
        "stray.pem",
        format!(
            "passphrase: canary-password\n{}\n{}",
            key.lines().nth(4).unwrap(),
            desk.text("site.pem")
        ),
    );
    desk.write("torn.key", &key[..key.len() - 100]);
    let host = Desk {
        now: NOW,
        anchors: Vec::new(),
    };
    let mut said = String::new();
    for (cert, key, password) in [
        ("site.pem", "site.key", None),
        ("site.pem", "locked.key", Some("password")),
        ("site.pem", "locked.key", Some("wrong")),
        ("stray.pem", "site.key", None),
        ("site.pem", "torn.key", None),
    ] {
        let files = Files {
            cert: Some(desk.path(cert)),
            key: Some(desk.path(key)),
            password_file: password.map(|p| desk.path(p)),
            ..Files::default()
        };
        match files.read(&host) {
            Ok((identity, findings)) => {
                assert_eq!(identity.key.is_some(), password != Some("wrong"), "{key}");
                said += &format!(
                    "{identity:?} {findings:?} {}",
                    identity.context(Trust::Unknown)
                );
                let report = inspect::run(&host, &files, &[]).unwrap();
                said += &format!(
                    "{report:?} {} {}",
                    inspect::text(&report),
                    serde_json::to_string(&report).unwrap()
                );
            }
            Err(error) => said += &format!("{error} {error:?} {:?}", error.hint()),
        }
    }
    assert!(
        said.contains("certroll/inspect/1") && said.contains("cut off"),
        "the canary must have had its chance"
    );
    assert!(!said.contains("canary-"));
    let body: String = key.lines().filter(|l| !l.starts_with('-')).collect();
    for at in (0..body.len() - 20).step_by(4) {
        // The public half begins inside the key as well; the modulus may be shown.
        assert!(at < 100 || !said.contains(&body[at..at + 20]), "{at}");
    }
}
