//! A profile's folder: `profile.yaml`, then its templates and tables as sections `== NAME`.

use std::collections::BTreeMap;

use certroll::{
    desired::Desired,
    error::Error,
    facts,
    profile::{self, HostIds, IdentityContext, Profile},
    state::{Bytes, Content, Sensitivity},
};

use super::{hosts, keeps, refused, sections};

/// What stands for the private key; only targets that are told as secret may hold it.
const CANARY: &str = "canary-of-a-private-key";

pub(super) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (yaml, rest) = sections(text);
    let files: BTreeMap<String, String> = rest
        .into_iter()
        .filter(|(name, _)| matches!(name.rsplit_once('.'), Some((_, "tera" | "yaml"))))
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .collect();
    match Profile::parse("d/profile.yaml", yaml, &files) {
        Err(error) => places(&error, text),
        Ok(profile) => rendered(profile, text),
    }
}

/// A refusal names its place, which exists.
fn places(error: &Error, text: &str) {
    refused(error);
    if let Error::Parse { line, column, .. } = error {
        // YAML ends lines by a carriage return alone, too.
        let lines = text.matches(['\n', '\r']).count() as u64 + 1;
        assert!(
            (1..=lines).contains(line),
            "line {line} of {lines}: {error}"
        );
        assert!(*column > 0, "no column: {error}");
    }
}

fn rendered(profile: Profile, text: &str) {
    let host = hosts::host(hosts::world());
    let set = BTreeMap::new();
    let facts = match facts::discover(&profile, &host, &set) {
        Ok(facts) => facts,
        Err(error) => {
            keeps(CANARY, &refused(&error), text.as_bytes());
            return;
        }
    };
    let profiles = [(profile, facts)];
    let desired = || profile::desired(&profiles, &identity(), &set, &HostIds(&host));
    match desired() {
        Err(error) => {
            keeps(CANARY, &refused(&error), text.as_bytes());
        }
        Ok(wanted) => {
            if !text.contains(CANARY) {
                secret_stays_secret(&wanted);
            }
            let again = desired().unwrap();
            assert_eq!(wanted.targets, again.targets, "rendered twice: {text}");
        }
    }
}

fn secret_stays_secret(desired: &Desired) {
    for target in &desired.targets {
        let holds = match &target.wanted.content {
            Content::File(bytes) => bytes.text().contains(CANARY),
            Content::Link(to) => to.contains(CANARY),
            Content::Dir | Content::Other => false,
        };
        assert!(
            !holds || target.sensitivity == Sensitivity::Secret,
            "the key is in `{}`, which may be shown",
            target.path
        );
    }
    let shown = format!(
        "{:?}{:?}{:?}{:?}{:?}",
        desired.services, desired.probes, desired.steps, desired.findings, desired.settings
    );
    assert!(!shown.contains(CANARY), "the key is shown: {shown}");
}

fn identity() -> IdentityContext {
    let pem = |text: &str| Bytes::from(text.as_bytes().to_vec());
    let key = format!("{CANARY}\n");
    IdentityContext {
        json: serde_json::json!({
            "name": "pbx.example.com", "cn": "pbx.example.com", "dns": ["pbx.example.com"], "ips": [],
            "fingerprint": "ab12", "self_signed": true, "trust": "self-signed", "has_anchor": false,
        }),
        forms: BTreeMap::from([
            ("key", pem(&key)),
            ("leaf", pem("LEAF\n")),
            ("chain", pem("CHAIN\n")),
            ("fullchain", pem("LEAF\nCHAIN\n")),
            ("bundle", pem(&format!("{key}LEAF\n"))),
        ]),
        covers: Box::new(|name| name == "pbx.example.com"),
        turn: certroll::rotation::Turn::default(),
    }
}
