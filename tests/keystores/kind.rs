//! Kind `keystore` in a profile: planned, applied, converged, renewed, refused and taken back.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{
    PASSWORD,
    common::{Run, Scratch},
    fixture, scratch,
};

const STORE: &str = "R/opt/app/store.jks";

/// A root with a store of this fixture, and a profile that sets these keys of it.
fn root(store: Option<&str>, keys: &str) -> Scratch {
    let scratch = scratch(&["backend.pem"]);
    scratch.dir("R/opt/app");
    if let Some(name) = store {
        scratch.file(STORE, fixture(name));
        scratch.mode(STORE, 0o640);
    }
    for (name, password) in [
        ("pw", PASSWORD),
        ("keypw", "keypass1"),
        ("otherpw", "something-else"),
    ] {
        scratch.file(&format!("R/etc/app/{name}"), format!("{password}\n"));
    }
    scratch.file("R/etc/app/backend.pem", fixture("backend.pem"));
    let entry = format!("kind: keystore, path: /opt/app/store.jks, {keys}");
    scratch.profile("app", &format!("resources:\n  - {{{entry}}}\n"));
    scratch.mint("one", "gw.example.com");
    scratch.mint("two", "gw.example.com");
    scratch
}

fn with(scratch: &Scratch, command: &str, pair: &str) -> Run {
    scratch.on_root(&format!(
        "--profiles P {command} --profile app --cert {pair}.pem --key {pair}.key"
    ))
}

fn store(scratch: &Scratch) -> Vec<u8> {
    fs::read(scratch.path(STORE)).unwrap()
}

fn listed(scratch: &Scratch) -> String {
    let line = format!("keystore list {STORE} --password-file pw --key-password-file keypw");
    scratch.certroll(&line).exits(0).out
}

fn holds(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

#[test]
fn other_entries_of_a_jks_store_stay_byte_for_byte_through_renewals_and_a_rollback() {
    let keys = "alias: gateway, password_file: /etc/app/pw, key_password_file: /etc/app/keypw";
    let scratch = root(Some("chain.jks"), keys);
    let before = store(&scratch);
    // The two trusted entries come first in this store, so that they and their order are one piece.
    let key = before.windows(7).position(|w| w == b"gateway").unwrap() - 6;
    let others = before[12..key].to_vec();
    let plan = with(&scratch, "plan", "one").exits(5);
    let fingerprint = scratch.fingerprint("one.pem");
    let plan = plan
        .says("~ /opt/app/store.jks (keystore) 5137 bytes")
        .says("    - gateway: RSA 2048 key, CN=gw.example.com, SHA-256 ec0cc970")
        .says(&format!(
            "    + gateway: EC P-256 key, CN=gw.example.com, SHA-256 {fingerprint}"
        ))
        .says("      2 entries stay as they are\n");
    assert!(!plan.out.contains(PASSWORD) && !plan.out.contains("keypass1"));
    for pair in ["one", "two"] {
        with(&scratch, "apply --yes", pair).exits(0);
        let now = store(&scratch);
        assert!(holds(&now, &others), "the others are not as they were");
        let again = with(&scratch, "apply --yes", pair).exits(0);
        again.says("converged");
        assert_eq!(store(&scratch), now, "salts alone are no difference");
        with(&scratch, "plan", pair).exits(0);
        assert!(listed(&scratch).contains(&scratch.fingerprint(&format!("{pair}.pem"))));
        let mode = fs::metadata(scratch.path(STORE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o640, "what is not named stays");
    }
    let back = "--profiles P rollback --yes --profile app";
    scratch.on_root(back).exits(0);
    assert!(listed(&scratch).contains(&scratch.fingerprint("one.pem")));
}

#[test]
fn a_rollback_gives_the_very_store_of_before() {
    let keys = "alias: gateway, password_file: /etc/app/pw, key_password_file: /etc/app/keypw";
    let scratch = root(Some("chain.jks"), keys);
    let before = store(&scratch);
    with(&scratch, "apply --yes", "one").exits(0);
    assert_ne!(store(&scratch), before);
    scratch
        .on_root("--profiles P rollback --yes --profile app")
        .exits(0);
    assert_eq!(store(&scratch), before);
}

#[test]
fn a_new_store_is_made_of_the_format_asked_and_closed_to_others() {
    for (format, says) in [("jks", "JKS"), ("pkcs12", "PKCS#12")] {
        let keys = format!(
            "alias: Gateway, password_file: /etc/app/pw, format: {format}, trusted: [{{alias: backend, file: \
             /etc/app/backend.pem}}, {{alias: self, form: leaf}}]"
        );
        let scratch = root(None, &keys);
        with(&scratch, "plan", "one")
            .exits(5)
            .says("+ /opt/app/store.jks (keystore)");
        with(&scratch, "apply --yes", "one").exits(0);
        let listed = listed(&scratch);
        assert!(
            listed.contains(&format!("{says} store, 3 entries")),
            "{listed}"
        );
        let mode = fs::metadata(scratch.path(STORE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
        with(&scratch, "apply --yes", "one")
            .exits(0)
            .says("converged");
        // Whoever took an entry out has it put back; their own entries stay.
        with(&scratch, "apply --yes", "two").exits(0);
        let listed = self::listed(&scratch);
        assert_eq!(
            listed.matches(&scratch.fingerprint("two.pem")).count(),
            2,
            "{listed}"
        );
        scratch
            .on_root("--profiles P rollback --yes --profile app")
            .exits(0);
        assert!(self::listed(&scratch).contains(&scratch.fingerprint("one.pem")));
    }
}

#[test]
fn a_pkcs12_store_is_renewed_in_either_encryption_and_what_java_trusts_stays() {
    for (name, encryption) in [
        ("modern.p12", "modern"),
        ("legacy.p12", "legacy"),
        ("modern.p12", "legacy"),
        ("openssl-legacy.p12", "legacy"),
    ] {
        let keys = format!("alias: gateway, password_file: /etc/app/pw, encryption: {encryption}");
        let scratch = root(Some(name), &keys);
        for pair in ["one", "two", "one"] {
            with(&scratch, "apply --yes", pair).exits(0);
            with(&scratch, "apply --yes", pair)
                .exits(0)
                .says("converged");
            let listed = listed(&scratch);
            assert!(
                listed.contains(&scratch.fingerprint(&format!("{pair}.pem"))),
                "{listed}"
            );
            let trusted = usize::from(name != "openssl-legacy.p12");
            assert_eq!(
                listed.matches("ackend: trusted").count(),
                trusted,
                "{name}: {listed}"
            );
            let aes = holds(
                &store(&scratch),
                &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a],
            );
            assert_eq!(aes, encryption == "modern", "{name}");
        }
    }
}

#[test]
fn what_cannot_be_rewritten_without_a_loss_is_refused_and_left() {
    let ours = "alias: gateway, password_file: /etc/app/pw";
    let lost = "which would be lost if it were written again";
    for (name, keys, says) in [
        ("secret.p12", ours, lost),
        ("extra.p12", ours, lost),
        ("extra-legacy.p12", ours, lost),
        ("csp.p12", ours, lost),
        (
            "secret.jceks",
            ours,
            "is a JCEKS store, which is not supported",
        ),
        ("backend.pem", ours, "is no keystore: wanted JKS or PKCS#12"),
        (
            "chain.jks",
            "alias: root, password_file: /etc/app/pw",
            "has a trusted certificate under the alias `root`: want a key",
        ),
        (
            "chain.jks",
            "trusted: [{alias: Gateway, form: leaf}], password_file: /etc/app/pw",
            "has a key under the alias `Gateway`: want a trusted certificate",
        ),
        (
            "chain.jks",
            "alias: gateway, password_file: /etc/app/otherpw",
            "the password does not open it",
        ),
        (
            "modern.p12",
            "alias: gateway, password_file: /etc/app/otherpw",
            "the password does not open it",
        ),
        (
            "modern.p12",
            "alias: gateway, password_file: /etc/app/none",
            "`/etc/app/none` is not there",
        ),
        (
            "modern.p12",
            "alias: gateway, password_file: /etc/app/pw, key_password_file: /etc/app/keypw",
            "its keys have the password of the whole",
        ),
        (
            "chain.jks",
            "trusted: [{alias: a, file: /etc/app/pw}], password_file: /etc/app/pw",
            "`/etc/app/pw`: is neither PEM, DER nor PKCS#12",
        ),
    ] {
        let scratch = root(Some(name), keys);
        let run = with(&scratch, "apply --yes", "one");
        assert_eq!(run.code, 1, "{name} {keys}: {run:#?}");
        assert!(run.err.contains(says), "{name} {keys}: {run:#?}");
        assert!(!run.err.contains("something-else") && !run.err.contains(PASSWORD));
        assert_eq!(store(&scratch), fixture(name), "{name} was touched");
    }
}

#[test]
fn two_entries_of_a_profile_for_one_store_are_refused() {
    let scratch = root(Some("chain.jks"), "alias: a, password_file: /etc/app/pw");
    let entry =
        "{kind: keystore, path: /opt/app/store.jks, alias: gateway, password_file: /etc/app/pw}";
    scratch.profile("app", &format!("resources:\n  - {entry}\n  - {entry}\n"));
    let run = with(&scratch, "plan", "one").exits(2);
    assert!(
        run.out.contains("is asked for twice, differently"),
        "{run:#?}"
    );
}

#[test]
fn neither_password_nor_key_is_in_what_is_kept_beside_the_copies_of_the_stores() {
    let keys = "alias: gateway, password_file: /etc/app/pw, key_password_file: /etc/app/keypw";
    let scratch = root(Some("chain.jks"), keys);
    let run = with(&scratch, "apply --yes --verbose", "one").exits(0);
    let mut said = run.out + &run.err;
    for line in ["show 1", "history", "status", "plan"] {
        let run = scratch.on_root(&format!("--profiles P --json {line}"));
        said += &(run.out + &run.err);
    }
    let generation = "R/var/lib/certroll/generations/000001";
    for name in ["journal.jsonl", "plan.json", "receipt.json"] {
        said += &scratch.read(&format!("{generation}/{name}"));
    }
    assert!(said.contains("keystore"), "{said}");
    for secret in [PASSWORD, "keypass1"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}
