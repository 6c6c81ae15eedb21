//! PEM, DER and PKCS#12, encrypted or not.

use certroll::{
    identity::{self, Checks, Form, Identity, Input},
    state::Bytes,
};

use super::{keeps, printable, refused};

/// The password of the seeds; it must come out nowhere.
const PASSWORD: &str = "canary-of-a-password";

/// The day on which everything is judged, 2026-01-01.
const NOW: i64 = 1_767_225_600;

pub(super) fn check(data: &[u8]) {
    let password = Bytes::from(PASSWORD.as_bytes().to_vec());
    let said = match Identity::assemble(&[input(data)], Some(&password)) {
        Err(error) => refused(&error),
        Ok((identity, mut findings)) => {
            reads_what_it_wrote(&identity);
            let checks = Checks {
                now: NOW,
                warn_days: Checks::WARN_DAYS,
                anchors: &[],
                names: &["pbx.example.com".to_owned()],
            };
            findings.extend(identity.findings(&checks));
            for finding in &findings {
                printable(&finding.message);
            }
            let trust = identity.trust(&[], NOW);
            let report = identity::report(&identity, findings, trust, NOW);
            format!("{identity:?}{}", serde_json::to_string(&report).unwrap())
        }
    };
    let said = said + &input(data).describe_keys();
    keeps(PASSWORD, &said, data);
    tells_no_key(&said, &String::from_utf8_lossy(data));
}

fn input(bytes: &[u8]) -> Input {
    Input {
        name: "site.pem".to_owned(),
        bytes: Bytes::from(bytes.to_vec()),
    }
}

/// What is written of an identity is read again as the same one.
fn reads_what_it_wrote(identity: &Identity) {
    let whole = Form::Bundle;
    let form = if identity.key.is_some() {
        whole
    } else {
        Form::Fullchain
    };
    let written = identity.form(form).unwrap();
    let (again, _) = Identity::assemble(&[input(written.reveal())], None).unwrap();
    assert_eq!(again.form(form), Some(written));
    assert_eq!(again.fingerprint(), identity.fingerprint());
}

/// Asserts that no 20 characters of a key's body are in what was said, unless the input has them elsewhere too, as in a label.
fn tells_no_key(said: &str, text: &str) {
    const LONG: usize = 20;
    const LABEL: &str = "PRIVATE KEY-----";
    let (mut secret, mut public) = (String::new(), String::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(LABEL) {
        public.push_str(before);
        public.push_str(LABEL);
        rest = after;
        let label = before.rsplit("-----").next();
        if !label.is_some_and(|label| label.contains("END")) {
            let body;
            (body, rest) = after.split_once("-----").unwrap_or((after, ""));
            secret.extend(body.chars().filter(|c| !c.is_whitespace()));
            secret.push('\n');
        }
    }
    public.push_str(rest);
    if secret.len() < LONG {
        return;
    }
    let digit = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    for run in said.split(|c| !digit(c)) {
        for at in 0..run.len().saturating_sub(LONG - 1) {
            let part = &run[at..at + LONG];
            assert!(
                !secret.contains(part) || public.contains(part),
                "a part of a key is told: {part}"
            );
        }
    }
}
