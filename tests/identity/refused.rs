//! What is refused, how that is said, and what is never said.

use certroll::{
    cli::inspect,
    error::{Error, ExitCode},
    identity::Trust,
    preflight::Severity,
    source::{Files, Source},
};

use crate::{
    NOW,
    desk::{Desktop, assert_whole},
    host::Desk,
};

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
    let mut said: Vec<String> = Vec::new();
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
                said.push(format!(
                    "{identity:?} {findings:?} {}",
                    identity.context(Trust::Unknown)
                ));
                let report = inspect::run(&host, &files, &[]).unwrap();
                said.push(format!(
                    "{report:?} {} {}",
                    inspect::text(&report),
                    serde_json::to_string(&report).unwrap()
                ));
            }
            Err(error) => said.push(format!("{error} {error:?} {:?}", error.hint())),
        }
    }
    let said = said.join("\n");
    assert!(
        said.contains("certroll/inspect/1") && said.contains("cut off"),
        "the canary must have had its chance"
    );
    assert!(!said.contains("canary-"));
    let body: String = key.lines().filter(|l| !l.starts_with('-')).collect();
    for at in (0..body.len() - 20).step_by(4) {
        assert!(!said.contains(&body[at..at + 20]), "{at}");
    }
}
