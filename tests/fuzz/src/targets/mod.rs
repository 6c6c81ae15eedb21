//! What every input of a kind must do, however odd: judged by libFuzzer (`scripts/fuzz`) and by tests/corpora.rs.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a broken promise is a panic; two crates use a part of this each"
)]

mod acme;
mod documents;
mod effective;
mod hello;
mod hosts;
mod identity;
mod keystore;
mod notify;
mod peers;
mod pins;
mod profile;
mod stored;

/// Judges one input; panics where it breaks a promise.
pub(crate) type Check = fn(&[u8]);

/// Every target by the name of its folder in fixtures/fuzz.
pub(crate) const TARGETS: &[(&str, Check)] = &[
    ("acme", acme::check),
    ("dns", acme::dns),
    ("effective", effective::check),
    ("hello", hello::check),
    ("identity", identity::check),
    ("journal", stored::journal),
    ("json", documents::json),
    ("keystore", keystore::check),
    ("notify", notify::check),
    ("peers", peers::check),
    ("pins", pins::check),
    ("plan", stored::plan),
    ("profile", profile::check),
    ("receipt", stored::receipt),
    ("rollouts", stored::rollouts),
    ("toml", documents::toml),
    ("xml", documents::xml),
    ("yaml", documents::yaml),
];

/// Finds a target.
pub(crate) fn named(name: &str) -> Option<Check> {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.map(|(_, check)| *check)
}

/// Asserts that a refusal says something, and fails.
#[track_caller]
fn refused(error: &certroll::error::Error) -> String {
    let said = format!("{error}\n{}", error.hint().unwrap_or_default());
    assert!(!error.to_string().is_empty(), "refused without a word");
    assert!(error.exit() as u8 != 0, "refused with success: {said}");
    said
}

/// Asserts that what was said holds no secret, unless the input itself has it where it may be shown.
#[track_caller]
fn keeps(secret: &str, said: &str, data: &[u8]) {
    let told = said.contains(secret) && !String::from_utf8_lossy(data).contains(secret);
    assert!(!told, "a secret in: {said}");
}

/// Asserts that what people read moves no cursor.
#[track_caller]
fn printable(said: &str) {
    let odd = said.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(odd, None, "a control character in {said:?}");
}

/// Splits an input into a head and sections that begin with `== NAME`.
fn sections(text: &str) -> (&str, Vec<(&str, &str)>) {
    let mut parts = text.split("\n== ");
    let head = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once('\n').unwrap_or((part, "")));
    (head, rest.collect())
}
