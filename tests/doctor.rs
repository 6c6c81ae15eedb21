//! `certroll doctor`: one broken host for each verdict. The right verdict comes first, a healthy host has none, and the
//! printed command, run, shows the fault.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests break hosts themselves, and fail by panicking"
)]

mod common;
#[path = "doctor/endpoint.rs"]
mod endpoint;
#[path = "common/nginx.rs"]
mod nginx;

use common::{Running, Scratch};

const A: &str = "--profile wazo --cert a.pem --key a.key";
const NAME: &str = "wazo.example.com";

/// A Wazo tree on which a rollout was placed, with two daemons that the platform knows.
fn placed() -> Scratch {
    let scratch = Scratch::wazo();
    scratch.mint("a", NAME);
    scratch.mint("b", NAME);
    for daemon in ["wazo-auth", "wazo-calld"] {
        scratch.dir(&format!("R/etc/{daemon}/conf.d"));
        scratch.file(
            &format!("R/etc/{daemon}/config.yml"),
            "auth:\n  host: localhost\n  verify_certificate: False\n",
        );
    }
    scratch
        .on_root(&format!("apply {A} --set release=20.03 --yes"))
        .exits(0);
    scratch
}

/// Runs the doctor, and holds the first fault against a verdict; its command, run on the tree, must show `shows`.
#[track_caller]
fn first(scratch: &Scratch, verdict: &str, evidence: &str, shows: &str) -> serde_json::Value {
    let run = scratch.on_root("--json doctor").exits(5);
    let report = run.json();
    let fault = report["faults"][0].clone();
    assert_eq!(fault["verdict"], verdict, "{run:#?}");
    let found = fault["evidence"].as_str().unwrap();
    assert!(found.contains(evidence), "no {evidence:?} in {found:?}");
    let seen = looked(scratch, &fault);
    assert!(seen.contains(shows), "no {shows:?} in {seen:?} of {fault}");
    fault
}

/// Runs the command of a fault; the host sees its own paths, and here they are below `R`.
fn looked(scratch: &Scratch, fault: &serde_json::Value) -> String {
    let look = fault["look"].as_str().unwrap();
    let look = look.replace(" /", &format!(" {}/", scratch.text("R")));
    scratch.sh(&format!("({look}) 2>&1 || true"))
}

#[test]
fn a_healthy_tree_has_no_fault_and_says_what_is_no_fault() {
    let scratch = placed();
    let before = scratch.tree();
    let run = scratch.on_root("doctor").exits(0);
    assert!(run.last().starts_with("wazo: no fault found; "), "{run:#?}");
    run.clone()
        .says("`curl https://localhost` is expected to fail: the leaf has wazo.example.com");
    scratch
        .on_root("doctor -v")
        .exits(0)
        .says("good `wazo-calld` calls `auth` at `wazo.example.com`");
    scratch.tree().is(&before);
}

#[test]
fn a_key_that_its_reader_cannot_read_is_named_with_the_missing_bit() {
    let scratch = placed();
    scratch.mode("R/usr/share/xivo-certs", 0o700);
    let fault = first(
        &scratch,
        "file-unreadable",
        "xivo-certs` is 0700",
        "Permission denied",
    );
    assert!(
        fault["fix"]
            .as_str()
            .unwrap()
            .starts_with("setfacl -m u:www-data:x /usr/share/xivo-certs")
    );
}

#[test]
fn a_leaf_that_a_package_replaced_is_named() {
    let scratch = placed();
    scratch.sh("cat b.pem > R/usr/share/xivo-certs/server.crt");
    let shown = scratch.sh("openssl x509 -in b.pem -noout -fingerprint -sha256");
    first(
        &scratch,
        "file-changed",
        "`/usr/share/xivo-certs/server.crt`",
        shown.trim(),
    );
}

#[test]
fn a_daemon_whose_link_is_gone_or_leads_elsewhere_is_named() {
    let scratch = placed();
    scratch.sh("ln -sfn /nowhere R/etc/wazo-auth/conf.d/010-custom-certificate.yml");
    first(
        &scratch,
        "override-unlinked",
        "leads to `/nowhere`",
        "/nowhere",
    );
    scratch.sh("rm R/etc/wazo-auth/conf.d/010-custom-certificate.yml");
    first(&scratch, "override-unlinked", "is gone", "");
}

#[test]
fn a_file_that_comes_before_the_override_is_named_with_its_line() {
    let scratch = placed();
    scratch.file(
        "R/etc/wazo-calld/conf.d/005-local.yml",
        "auth:\n  host: localhost\n",
    );
    first(
        &scratch,
        "override-masked",
        "/etc/wazo-calld/conf.d/005-local.yml:2: `auth.host` is `localhost`",
        "host: localhost",
    );
}

#[test]
fn a_verify_mode_that_the_issuer_does_not_satisfy_is_named() {
    let scratch = placed();
    let file = "R/etc/xivo/custom/custom-certificate.yml";
    let trusting = scratch
        .read(file)
        .replace("\"/usr/share/xivo-certs/server.crt\"", "True");
    scratch.file("R/etc/wazo-calld/conf.d/001-trust.yml", trusting);
    let run = scratch.on_root("--json doctor").exits(5).json();
    let verdicts: Vec<&str> = run["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts[0], "override-masked");
    let wrong = run["faults"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["verdict"] == "wrong-verify")
        .unwrap();
    assert!(
        wrong["evidence"]
            .as_str()
            .unwrap()
            .contains("is `True`: no trust anchor of this host leads to the leaf"),
        "{wrong}"
    );
    assert_eq!(wrong["fix"], "certroll apply --set verify=file");
    let seen = looked(&scratch, wrong);
    assert!(seen.contains("verification failed"), "{wrong}: {seen}");
    assert!(seen.contains("elf-signed certificate"), "{wrong}: {seen}");

    let other = scratch
        .read(file)
        .replace("/usr/share/xivo-certs/server.crt", "/etc/other.pem");
    scratch.file("R/etc/wazo-calld/conf.d/001-trust.yml", other);
    scratch.sh("cp b.pem R/etc/other.pem");
    let run = scratch.on_root("--json doctor").exits(5).json();
    let faults = run["faults"].as_array().unwrap();
    let wrong = faults.iter().find(|f| f["verdict"] == "wrong-verify");
    let wrong = wrong.unwrap();
    let seen = looked(&scratch, wrong);
    assert!(seen.contains("verification failed"), "{wrong}: {seen}");
    // The file itself is in order: with it, its own leaf passes.
    let own = "openssl verify -CAfile R/etc/other.pem b.pem";
    assert_eq!(scratch.sh(own), "b.pem: OK\n");
}

#[test]
fn what_is_no_file_any_more_is_told_by_what_it_is() {
    let scratch = Scratch::new();
    scratch.dir("R/etc/own");
    scratch.mint("a", NAME);
    scratch.profile(
        "own",
        "resources:\n  - {kind: pem, path: /etc/own/leaf.pem, form: leaf, on_link: replace}\n",
    );
    let apply = "--profiles P apply --profile own --cert a.pem --key a.key --yes";
    scratch.on_root(apply).exits(0);
    scratch.sh("ln -sfn /nowhere R/etc/own/leaf.pem");
    let run = scratch.on_root("--profiles P --json doctor").exits(5);
    let fault = run.json()["faults"][0].clone();
    assert_eq!(fault["verdict"], "file-changed");
    assert_eq!(
        fault["evidence"],
        "`/etc/own/leaf.pem` is a link, want a file"
    );
    let seen = looked(&scratch, &fault);
    assert!(seen.contains("-> /nowhere"), "{fault}: {seen}");
}

#[test]
fn a_name_that_resolves_to_another_address_is_named() {
    let scratch = placed();
    scratch.sh("sed -i 's/^127.0.0.1\\(.*wazo.example.com\\)/127.0.1.1\\1/' R/etc/hosts");
    first(
        &scratch,
        "wrong-address",
        "resolves to 127.0.1.1, want 127.0.0.1 alone",
        "",
    );
}

#[test]
fn a_run_that_died_comes_before_everything_else() {
    let scratch = Scratch::wazo();
    scratch.mint("b", NAME);
    let inject = "inject=rename,renameat,renameat2:signal=KILL:when=6";
    let mut command = scratch.program("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", inject]);
    command.args([
        common::CERTROLL,
        "--root",
        "R",
        "apply",
        "--yes",
        "--profile",
        "wazo",
    ]);
    let killed = Running::start(command.args(["--cert", "b.pem", "--key", "b.key"])).end();
    assert_eq!(killed.code, 137, "{killed:#?}");
    let run = scratch.on_root("--json doctor").exits(5).json();
    assert_eq!(run["faults"][0]["verdict"], "rollout-open");
    assert_eq!(run["faults"][0]["fix"], "certroll recover");
}

#[test]
fn a_clock_that_went_back_is_told_before_what_it_breaks() {
    let scratch = placed();
    let now = scratch.sh("date +%s");
    let back = now.trim().parse::<i64>().unwrap() - 40 * 86_400;
    let mut command = scratch.program("faketime");
    command.args([
        &format!("@{back}"),
        common::CERTROLL,
        "--root",
        "R",
        "--json",
        "doctor",
    ]);
    let run = Running::start(&mut command).end().exits(5);
    assert_eq!(
        run.json()["faults"][0]["verdict"],
        "clock-wrong",
        "{run:#?}"
    );
}

#[test]
fn known_lines_of_a_log_are_explained_with_what_to_do() {
    let scratch = Scratch::new();
    let lines = [
        (
            "nginx: [emerg] cannot load certificate key \"/x/server.key\": BIO_new_file() failed (SSL: error:8000000D:system library::Permission denied)",
            "file-unreadable",
        ),
        (
            "nginx: [emerg] SSL_CTX_use_PrivateKey(\"/x/server.key\") failed (SSL: error:05800074:x509 certificate routines::key values mismatch)",
            "file-changed",
        ),
        (
            "requests.exceptions.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:992)",
            "wrong-verify",
        ),
        (
            "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'localhost'. (_ssl.c:992)",
            "name-uncovered",
        ),
        (
            "routines:ssl3_read_bytes:tlsv1 alert unknown ca:../ssl/record/rec_layer_s3.c:1586:SSL alert number 48",
            "untrusted",
        ),
        (
            "javax.net.ssl.SSLHandshakeException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException",
            "untrusted",
        ),
        (
            "Caused by: java.security.UnrecoverableKeyException: Cannot recover key",
            "file-unreadable",
        ),
        (
            "javax.net.ssl|ALL|10|main|2026-11-21 18:11:49.561 UTC|X509Authentication.java:227|No X.509 cert selected for [EC, EdDSA, RSA]",
            "client-unknown",
        ),
        (
            "javax.net.ssl|DEBUG|10|main|2026-11-21 18:11:49.561 UTC|CertificateMessage.java:1100|No available client authentication scheme",
            "client-unknown",
        ),
        (
            "javax.net.ssl.SSLHandshakeException: Received fatal alert: bad_certificate",
            "client-unknown",
        ),
        (
            "javax.net.ssl.SSLHandshakeException: Received fatal alert: certificate_required",
            "client-unknown",
        ),
        (
            "javax.net.ssl.SSLHandshakeException: Received fatal alert: certificate_unknown",
            "untrusted",
        ),
        (
            "javax.net.ssl.SSLHandshakeException: Empty client certificate chain",
            "client-unknown",
        ),
        (
            "sun.security.validator.ValidatorException: Extended key usage does not permit use for TLS client authentication",
            "unfit",
        ),
        (
            "java.io.IOException: Keystore was tampered with, or password was incorrect",
            "file-unreadable",
        ),
        (
            "WARN - FileUpdateNotificationHandler Error loading last modified time for the SSL config file",
            "wrong-file",
        ),
        (
            "ERROR - SenderProfileReloader Ignoring reload SSL config",
            "wrong-file",
        ),
        (
            "FATAL:  private key file \"/etc/ssl/private/x.key\" has group or world access",
            "file-unreadable",
        ),
        (
            "OSError: Could not find a suitable TLS CA certificate bundle, invalid path: /etc/xivo/custom/ca.pem",
            "wrong-verify",
        ),
    ];
    for (line, verdict) in lines {
        scratch.file(
            "log",
            format!("Nov 21 10:00:00 something harmless\n{line}\n{line}\n"),
        );
        let run = scratch
            .certroll("--state S --json doctor --log log")
            .exits(5);
        let found = &run.json()["log"][0];
        assert_eq!(
            (&found["verdict"], &found["times"], &found["last"]),
            (&verdict.into(), &2.into(), &3.into()),
            "{run:#?}"
        );
    }
    scratch.file("log", "nothing of interest\n");
    let run = scratch.certroll("--state S doctor --log log").exits(0);
    assert!(run.out.starts_with("no known line"), "{run:#?}");
    scratch.certroll("--state S doctor --log missing").exits(1);
}
