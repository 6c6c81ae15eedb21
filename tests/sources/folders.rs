//! Folders that other tools fill, by name on the command line.

use crate::common::{Run, Scratch};

/// Files of a pair: `c` its leaf, `k` its key, each where the tool keeps it below the root.
struct Kept {
    from: &'static str,
    cert: &'static str,
    key: &'static str,
}

const KEPT: [Kept; 11] = [
    Kept {
        from: "certbot:pbx.example.com",
        cert: "etc/letsencrypt/live/pbx.example.com/fullchain.pem",
        key: "etc/letsencrypt/live/pbx.example.com/privkey.pem",
    },
    Kept {
        from: "certbot:/srv/le/live/pbx.example.com",
        cert: "srv/le/live/pbx.example.com/fullchain.pem",
        key: "srv/le/live/pbx.example.com/privkey.pem",
    },
    Kept {
        from: "acme.sh:pbx.example.com",
        cert: "root/.acme.sh/pbx.example.com/fullchain.cer",
        key: "root/.acme.sh/pbx.example.com/pbx.example.com.key",
    },
    Kept {
        from: "acme.sh:pbx.example.com",
        cert: "root/.acme.sh/pbx.example.com_ecc/fullchain.cer",
        key: "root/.acme.sh/pbx.example.com_ecc/pbx.example.com.key",
    },
    Kept {
        from: "acme.sh-ecc:*.example.com",
        cert: "etc/acme.sh/*.example.com_ecc/fullchain.cer",
        key: "etc/acme.sh/*.example.com_ecc/*.example.com.key",
    },
    Kept {
        from: "lego:pbx.example.com",
        cert: "root/.lego/certificates/pbx.example.com.crt",
        key: "root/.lego/certificates/pbx.example.com.key",
    },
    Kept {
        from: "dehydrated:pbx.example.com",
        cert: "var/lib/dehydrated/certs/pbx.example.com/fullchain.pem",
        key: "var/lib/dehydrated/certs/pbx.example.com/privkey.pem",
    },
    Kept {
        from: "step:pbx",
        cert: "etc/step/certs/pbx.crt",
        key: "etc/step/certs/pbx.key",
    },
    Kept {
        from: "certmonger:20260101120000",
        cert: "etc/pki/tls/pbx.crt",
        key: "etc/pki/tls/pbx.key",
    },
    Kept {
        from: "dir:/opt/era/syncroot/common/cert",
        cert: "opt/era/syncroot/common/cert/server.crt",
        key: "opt/era/syncroot/common/cert/server.key",
    },
    Kept {
        from: "dir:/srv/links",
        cert: "srv/links/tls.pem",
        key: "srv/links/tls.key",
    },
];

const PROFILE: &str = "resources:\n  - {kind: pem, path: /opt/server.key, form: key}\n  \
    - {kind: pem, path: /opt/server.crt, form: fullchain}\n";

/// A root, a profile that places a pair in `/opt`, and a pair to be placed.
pub(super) fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.dir("R/opt");
    scratch.dir("R/var/lib");
    scratch.profile("own", PROFILE);
    scratch.mint("site", "pbx.example.com");
    scratch
}

/// Asserts that a run was refused before anything was touched, with these words.
#[track_caller]
pub(super) fn refuses(run: Run, words: &str) {
    let run = run.exits(2);
    assert!(run.err.contains(words), "no {words:?} in {run:#?}");
}

/// Has certmonger track a pair, as its own file of the request says.
fn tracked(scratch: &Scratch, id: &str, storage: &str) {
    let request = format!(
        "id={id}\nkey_type=RSA\nkey_storage_type={storage}\nkey_storage_location=/etc/pki/tls/pbx.key\n\
         cert_storage_type={storage}\ncert_storage_location=/etc/pki/tls/pbx.crt\ncert=-----BEGIN CERTIFICATE-----\n AA==\n"
    );
    scratch.file(&format!("R/var/lib/certmonger/requests/{id}"), request);
}

#[test]
fn every_tools_folder_gives_its_pair_and_is_on_record() {
    for kept in KEPT {
        let scratch = scratch();
        tracked(&scratch, "20260101120000", "FILE");
        scratch.file(&format!("R/{}", kept.cert), scratch.read("site.pem"));
        scratch.file(&format!("R/{}", kept.key), scratch.read("site.key"));
        let from = kept.from;
        let line = format!("--profiles P apply --yes --profile own --from {from}");
        scratch.on_root(&line).exits(0);
        assert_eq!(scratch.read("R/opt/server.crt"), scratch.read("site.pem"));
        let receipt = scratch.on_root("--json show 1").exits(0).json();
        assert_eq!(receipt["receipt"]["identity"]["source"], from);
        // What is remembered is the very pair, and still where it came from.
        let status = scratch
            .on_root("--profiles P --json status")
            .exits(0)
            .json();
        assert_eq!(status["identity"]["source"], from);
        scratch
            .on_root("--profiles P status")
            .exits(0)
            .says(&format!(", from {from}\n"));
    }
}

#[test]
fn a_name_that_is_not_there_is_told_with_those_that_are() {
    let scratch = scratch();
    tracked(&scratch, "20260101120000", "FILE");
    scratch.file("R/etc/letsencrypt/live/README", "what is here\n");
    for (name, parts) in [
        ("a.example.com", &["fullchain.pem", "privkey.pem"][..]),
        ("b.example.com", &["fullchain.pem"]),
        ("c.example.com", &["privkey.pem"]),
        ("d.example.com", &["cert.pem"]),
        ("e.example.com", &["fullchain.pem", "privkey.pem"]),
    ] {
        for part in parts {
            let at = format!("R/etc/letsencrypt/live/{name}/{part}");
            scratch.file(&at, scratch.read("site.pem"));
        }
    }
    scratch.file("R/srv/empty/README", "");
    scratch.dir("R/srv/bare");
    for (from, told) in [
        (
            "certbot:x.example.com",
            &[
                "nothing of that name in `/etc/letsencrypt/live`",
                "there are `a.example.com`, `e.example.com`\n",
            ][..],
        ),
        (
            "certbot:b.example.com",
            &[
                "half-written: `/etc/letsencrypt/live/b.example.com/privkey.pem` is missing",
                "wait until certbot has written it; whole are `a.example.com`, `e.example.com`",
            ],
        ),
        (
            "certbot:c.example.com",
            &["half-written: `/etc/letsencrypt/live/c.example.com/fullchain.pem` is missing"],
        ),
        ("certbot:d.example.com", &["nothing of that name"]),
        ("certbot:a.example.com", &["no private key in it"]),
        ("certbot:..", &["is not a name"]),
        ("certbot:a/b", &["is not a name"]),
        ("certbot:", &["is not a name"]),
        (
            "lego:x",
            &["`/root/.lego/certificates`", "--from lego:/FOLDER/x"],
        ),
        (
            "certmonger:x",
            &["no request of that id", "there are `20260101120000`"],
        ),
        ("dir:relative", &["name it from `/`"]),
        ("dir:/srv/nowhere", &["is not a directory"]),
        (
            "dir:/srv/empty",
            &["no file in it ends in .pem", "there are `README`"],
        ),
        ("dir:/srv/bare", &["it holds no file at all"]),
        (
            "vault:x",
            &["unknown kind of source `vault`", "`certbot`", "`dir`"],
        ),
        ("certbot", &["is not a name"]),
    ] {
        let line = format!("--profiles P plan --profile own --from {from}");
        let run = scratch.on_root(&line).exits(2);
        for told in told {
            assert!(run.err.contains(told), "{told}: {run:#?}");
        }
    }
}

#[test]
fn a_request_that_keeps_its_pair_in_a_database_is_refused() {
    let scratch = scratch();
    tracked(&scratch, "nss", "NSSDB");
    let run = scratch.on_root("--profiles P plan --profile own --from certmonger:nss");
    refuses(run, "its cert is kept as `NSSDB`, wanted FILE");
}

#[test]
fn of_two_certificates_of_a_name_the_other_is_named_too() {
    let scratch = scratch();
    scratch.mint("curve", "pbx.example.com");
    for (pair, folder) in [
        ("site", "pbx.example.com"),
        ("curve", "pbx.example.com_ecc"),
    ] {
        let at = format!("R/root/.acme.sh/{folder}");
        scratch.file(
            &format!("{at}/fullchain.cer"),
            scratch.read(&format!("{pair}.pem")),
        );
        scratch.file(
            &format!("{at}/pbx.example.com.key"),
            scratch.read(&format!("{pair}.key")),
        );
    }
    for (kind, taken, other) in [
        (
            "acme.sh",
            "site.pem",
            Some("/root/.acme.sh/pbx.example.com_ecc/fullchain.cer"),
        ),
        ("acme.sh-ecc", "curve.pem", None),
    ] {
        let line = format!("--profiles P --json plan --profile own --from {kind}:pbx.example.com");
        let plan = scratch.on_root(&line).exits(5).json();
        assert_eq!(plan["identity"]["fingerprint"], scratch.fingerprint(taken));
        let findings = plan["findings"].as_array().unwrap().clone();
        let also = findings.iter().find(|f| f["name"] == "source-also");
        assert_eq!(also.is_some(), other.is_some(), "{findings:#?}");
        if let (Some(also), Some(other)) = (also, other) {
            assert!(also["message"].as_str().unwrap().contains(other));
        }
    }
}

#[test]
fn a_chain_in_a_file_of_its_own_comes_along() {
    let scratch = scratch();
    let fixtures = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/identities/private-ca"
    );
    scratch.sh(&format!(
        "mkdir -p R/root/.lego/certificates; cd R/root/.lego/certificates; cp {fixtures}/test-only.key pbx.key; \
         openssl x509 -in {fixtures}/fullchain.pem -out pbx.crt; sed '1,/^-----END/d' {fixtures}/fullchain.pem > pbx.issuer.crt"
    ));
    scratch
        .on_root("--profiles P apply --yes --profile own --from lego:pbx")
        .exits(0);
    let placed = scratch.read("R/opt/server.crt");
    assert!(placed.matches("BEGIN CERTIFICATE").count() > 1, "{placed}");
}

#[test]
fn the_kinds_of_the_readme_are_those_of_the_program() {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## A pair that another tool keeps\n").nth(1);
    let section = section.unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let told: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let run = scratch().on_root("--profiles P plan --profile own --from vault:x");
    let hint = run.err.lines().find(|line| line.starts_with("hint: "));
    let known: Vec<&str> = hint.unwrap().split('`').skip(1).step_by(2).collect();
    assert_eq!(told, known);
}
