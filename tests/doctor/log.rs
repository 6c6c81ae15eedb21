//! Lines of logs, each with its verdict; one of them, `client-unknown`, is known from logs alone.

use crate::common::Scratch;

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
