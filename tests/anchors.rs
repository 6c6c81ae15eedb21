//! The file by which daemons verify one another: one that cannot lead to the new leaf is refused in the plan.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests read fixtures from disk and fail by panicking"
)]

#[path = "common/root.rs"]
mod root;

use root::{Root, can_own};

/// Plans with a leaf of a private CA whose root does not come along; returns the code and all that is said.
fn plan(anchor: Option<&str>, mode: u32) -> (i32, String) {
    let root = Root::fixture("wazo-20.03");
    if let Some(anchor) = anchor {
        let home = env!("CARGO_MANIFEST_DIR");
        let pem = std::fs::read_to_string(format!("{home}/fixtures/identities/{anchor}")).unwrap();
        root.file("/srv/ca.pem", &pem, mode, 0);
    }
    let before = root.snapshot();
    let pair = ["--cert", "fullchain.pem", "--key", "test-only.key"];
    let verify = ["plan", "--profile", "wazo", "--set", "verify=/srv/ca.pem"];
    let ran = root.run("private-ca", &[&verify[..], &pair[..]].concat());
    assert_eq!(root.snapshot(), before);
    (ran.code, format!("{}{}", ran.out, ran.err))
}

#[test]
fn a_file_that_does_not_lead_to_the_leaf_or_that_daemons_cannot_read_is_refused() {
    if !can_own() {
        return;
    }
    for (anchor, mode, code, want) in [
        (
            None,
            0o644,
            2,
            "`/srv/ca.pem`, and refuse one another: there is no such file [verify-anchor]",
        ),
        (
            Some("self-signed/leaf.pem"),
            0o644,
            2,
            "refuse one another: it holds no trust anchor of the leaf [verify-anchor]",
        ),
        (
            Some("private-ca/root.pem"),
            0o600,
            1,
            "`/srv/ca.pem` is 0600 0:0, user `www-data` lacks `r` on it [unreadable]",
        ),
        (
            Some("private-ca/root.pem"),
            0o644,
            5,
            "verify_certificate: \"/srv/ca.pem\"",
        ),
    ] {
        let (got, said) = plan(anchor, mode);
        assert!(said.contains(want), "{anchor:?} {mode:o}: {said}");
        assert_eq!(got, code, "{anchor:?} {mode:o}: {said}");
    }
}
