//! What trust is in each phase: one PEM file, a directory of them, keystores; what is not ours stays.

use crate::common::Scratch;

const NEW: &str = "--cert new.pem --key new.key";

/// A directory with pairs and a profile whose resources are these, in `D`; nothing is told or probed.
fn with(resources: &str) -> Scratch {
    let scratch = Scratch::new();
    for name in ["old", "new", "newer", "given-up", "other"] {
        scratch.mint(name, "pair.example.com");
    }
    let resources = resources.replace("D/", &scratch.text("D/"));
    scratch.profile(
        "stores",
        &format!("phases: [trust, switch, clean]\nresources:\n{resources}"),
    );
    scratch.file("D/site.pem", scratch.read("old.pem"));
    scratch.file("D/site.key", scratch.read("old.key"));
    scratch
}

const PAIR: &str = "  - {kind: pem, path: D/site.key, form: key, phase: switch}
  - {kind: pem, path: D/site.pem, form: fullchain, phase: switch}
";

#[track_caller]
fn apply(scratch: &Scratch, line: &str) {
    scratch
        .certroll(&format!(
            "--state S --profiles P apply --profile stores {line} --yes"
        ))
        .exits(0);
}

fn digits(scratch: &Scratch, pair: &str) -> String {
    scratch.fingerprint(&format!("{pair}.pem"))[..8].to_owned()
}

#[test]
fn a_file_of_trusted_certificates_keeps_all_that_is_not_ours_byte_for_byte() {
    let trust = "  - {kind: trust, path: D/trust.pem, name: gateway, phase: trust}\n";
    let scratch = with(&format!("{trust}{PAIR}"));
    let [old, new, newer, other] =
        ["old", "new", "newer", "other"].map(|pair| scratch.read(&format!("{pair}.pem")));
    let other = format!(
        "# of another\r\n\n{}text behind it",
        other.replace('\n', "\r\n")
    );
    // The old leaf stands there twice, labelled by nobody.
    scratch.file("D/trust.pem", format!("# by hand\n{old}{old}{other}"));
    let label = |pair: &str| format!("# gateway-{}\n", digits(&scratch, pair));

    // An approval is of one phase, and goes no further.
    let flags = "--state S --profiles P";
    scratch
        .certroll(&format!(
            "{flags} plan --profile stores {NEW} --out plan.json"
        ))
        .exits(5);
    scratch
        .certroll(&format!("{flags} apply --plan plan.json --yes"))
        .exits(0)
        .says("committed: phase trust (1 of 3), generation 1");
    let both = format!("# by hand\n{old}{old}{other}\n{}{new}", label("new"));
    assert_eq!(scratch.read("D/trust.pem"), both);
    apply(&scratch, &format!("{NEW} --until switch"));
    assert_eq!(scratch.read("D/trust.pem"), both);
    apply(&scratch, NEW);
    let clean = format!("# by hand\n{other}\n{}{new}", label("new"));
    assert_eq!(scratch.read("D/trust.pem"), clean);

    // One that was ours goes by its label, and one that never got further than trust too.
    apply(
        &scratch,
        "--cert given-up.pem --key given-up.key --until trust",
    );
    apply(&scratch, "--cert newer.pem --key newer.key");
    let ended = format!("# by hand\n{other}\n{}{newer}", label("newer"));
    assert_eq!(scratch.read("D/trust.pem"), ended);
}

#[test]
fn a_directory_of_trusted_certificates_has_a_file_for_each() {
    let trust = "  - {kind: trust, directory: D/trust, name: gateway, phase: trust}\n";
    let scratch = with(&format!("{trust}{PAIR}"));
    for (name, pair) in [("by-hand.pem", "old"), ("gateway.pem", "other")] {
        scratch.file(
            &format!("D/trust/{name}"),
            scratch.read(&format!("{pair}.pem")),
        );
    }
    let all = |scratch: &Scratch| scratch.sh("ls D/trust");
    let ours = |pair: &str| format!("gateway-{}.pem", digits(&scratch, pair));
    apply(&scratch, &format!("{NEW} --until switch"));
    let new = ours("new");
    assert_eq!(all(&scratch).lines().count(), 3);
    assert_eq!(
        scratch.read(&format!("D/trust/{new}")),
        scratch.read("new.pem")
    );
    apply(&scratch, NEW);
    let mut left = ["gateway.pem".to_owned(), new];
    left.sort();
    assert_eq!(all(&scratch).lines().collect::<Vec<_>>(), left);
    scratch
        .certroll("--state S --profiles P rollback --yes")
        .exits(0);
    assert_eq!(scratch.read("D/trust/by-hand.pem"), scratch.read("old.pem"));
    apply(&scratch, "--cert newer.pem --key newer.key");
    let mut left = ["gateway.pem".to_owned(), ours("newer")];
    left.sort();
    assert_eq!(all(&scratch).lines().collect::<Vec<_>>(), left);
}

#[test]
fn a_keystore_has_both_under_their_own_aliases_until_the_old_one_goes() {
    for format in ["jks", "pkcs12"] {
        let scratch = with(&format!(
            "  - {{kind: keystore, path: D/trust.store, password_file: D/password, format: {format}, phase: trust, \
             trusted: [{{name: gateway, form: leaf}}]}}\n  - {{kind: keystore, path: D/key.store, password_file: D/password, \
             alias: gateway, phase: switch}}\n"
        ));
        scratch.file("D/password", "changeit\n");
        scratch.sh(&format!(
            "{} keystore new D/trust.store --format {format} --password-file D/password --trust other=other.pem --trust byhand=old.pem",
            crate::common::CERTROLL
        ));
        let aliases = || {
            let listed = scratch
                .certroll("--json keystore list D/trust.store --password-file D/password")
                .exits(0)
                .json();
            let mut all: Vec<String> = (listed["entries"].as_array().unwrap().iter())
                .map(|entry| entry["alias"].as_str().unwrap().to_owned())
                .collect();
            all.sort();
            all
        };
        let [old, new] = ["old", "new"].map(|pair| format!("gateway-{}", digits(&scratch, pair)));
        // An identity of ours first: what stands there under another alias is not known to be old.
        apply(&scratch, "--cert old.pem --key old.key");
        assert_eq!(aliases(), ["byhand", old.as_str(), "other"], "{format}");
        apply(&scratch, &format!("{NEW} --until switch"));
        let mut both = vec!["byhand".to_owned(), old, "other".to_owned(), new.clone()];
        both.sort();
        assert_eq!(aliases(), both, "{format}");
        apply(&scratch, NEW);
        assert_eq!(aliases(), [new.as_str(), "other"], "{format}");
        let before = scratch.sh("sha256sum D/*");
        apply(&scratch, NEW);
        assert_eq!(scratch.sh("sha256sum D/*"), before, "{format}");
    }
}

#[test]
fn another_root_is_set_at_once() {
    let scratch = with("");
    scratch.profile(
        "image",
        &format!(
            "phases: [trust, switch, clean]\nresources:\n  - {{kind: trust, path: /D/trust.pem, name: gateway, phase: trust}}\n{}",
            PAIR.replace(" D/", " /D/")
        ),
    );
    scratch.sh("mkdir R && cp -a D R/ && cp old.pem R/D/trust.pem");
    let placed = scratch
        .certroll(&format!(
            "--root R --profiles P apply --profile image {NEW} --yes"
        ))
        .exits(0);
    assert!(
        placed
            .last()
            .starts_with("placed: phase clean (3 of 3), generation 1, "),
        "{placed:#?}"
    );
    assert_eq!(scratch.read("R/D/site.pem"), scratch.read("new.pem"));
    let trust = scratch.read("R/D/trust.pem");
    assert!(
        trust.ends_with(&scratch.read("new.pem")) && trust.matches("BEGIN").count() == 1,
        "{trust}"
    );
}
