//! The JDK's `keytool`, and what it says of a store.

use std::fs;

use super::common::{Run, Running, Scratch};

/// Runs `keytool` in a locale that lets aliases and passwords be what they are.
#[track_caller]
pub(crate) fn keytool(scratch: &Scratch, line: &str) -> Run {
    let mut command = scratch.program("keytool");
    command
        .env("LC_ALL", "C.UTF-8")
        .args([
            "-J-Duser.language=en",
            "-J-Dsun.jnu.encoding=UTF-8",
            "-J-Dfile.encoding=UTF-8",
        ])
        .args(line.split_whitespace());
    Running::start(&mut command).end()
}

/// The SHA-256 fingerprints that `keytool -list -v` tells, in our form.
pub(crate) fn fingerprints(listed: &str) -> Vec<String> {
    let lines = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("SHA256: "));
    lines
        .map(|line| line.replace(':', "").to_lowercase())
        .collect()
}

/// Asserts that a key opens by these passwords, and which one it is.
#[track_caller]
pub(crate) fn key_opens(
    scratch: &Scratch,
    store: &str,
    alias: &str,
    password: &str,
    own: &str,
    key: &str,
) {
    keytool(
        scratch,
        &format!(
            "-importkeystore -noprompt -srckeystore {store} -srcstorepass:file {password} -srcalias {alias} -srckeypass:file {own} \
             -destkeystore opened.p12 -deststoretype PKCS12 -deststorepass:file {password} -destkeypass:file {password}"
        ),
    )
    .exits(0);
    let found = format!(
        "openssl pkcs12 -in opened.p12 -passin file:{password} -nodes -nocerts 2>/dev/null | openssl pkey -outform DER | sha256sum"
    );
    let want = format!("openssl pkey -in {key} -outform DER | sha256sum");
    assert_eq!(scratch.sh(&found), scratch.sh(&want), "{store}");
    fs::remove_file(scratch.path("opened.p12")).unwrap();
}
