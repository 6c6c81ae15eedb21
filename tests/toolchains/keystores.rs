//! Stores that certroll wrote, opened by `keytool` and by a Java program that makes handshakes with them; and the reverse.

use std::fs;

use super::{
    common::{Running, Scratch},
    keytool::{fingerprints, keytool},
};

pub(crate) const MUTUAL: &str = include_str!("Mutual.java");

/// Every way to write a store: name, options of `keystore new`, and what a profile says of it.
const WAYS: [(&str, &str, &str); 4] = [
    ("modern.p12", "", "format: pkcs12"),
    (
        "legacy.p12",
        "--legacy",
        "format: pkcs12, encryption: legacy",
    ),
    ("plain.jks", "--format jks", "format: jks"),
    (
        "own.jks",
        "--format jks --key-password-file keypw",
        "format: jks, key_password_file: /keypw",
    ),
];

/// A scratch directory with passwords, a pair `site` whose CA `issuing` is below `root`, and a self-signed pair `other`.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.dir("R");
    for (file, password) in [("pw", "changeit"), ("keypw", "keypass1")] {
        scratch.file(file, format!("{password}\n"));
        scratch.file(&format!("R/{file}"), format!("{password}\n"));
    }
    scratch.sh(
        "printf 'basicConstraints=critical,CA:TRUE\\n' > ca.ext
         printf 'subjectAltName=DNS:gw.example.com\\n' > leaf.ext
         for name in root issuing site; do
           openssl req -new -newkey rsa:2048 -nodes -keyout $name.key -subj /CN=$name -out $name.csr 2>/dev/null
         done
         openssl x509 -req -in root.csr -signkey root.key -days 365 -extfile ca.ext -out root.pem 2>&1
         openssl x509 -req -in issuing.csr -CA root.pem -CAkey root.key -CAcreateserial -days 365 -extfile ca.ext -out issuing.pem 2>&1
         openssl x509 -req -in site.csr -CA issuing.pem -CAkey issuing.key -CAcreateserial -days 365 -extfile leaf.ext -out leaf.pem 2>&1
         cat leaf.pem issuing.pem > site.pem",
    );
    scratch.mint("other", "backend.example.com");
    scratch
}

fn key_password(store: &str) -> &'static str {
    if store == "own.jks" { "keypw" } else { "pw" }
}

#[test]
fn keytool_reads_every_entry_of_every_store_that_is_made() {
    let scratch = scratch();
    for (store, options, _) in WAYS {
        let new = format!(
            "keystore new {store} --password-file pw {options} --cert site.pem --key site.key --alias Gateway --trust \
             бэкенд=other.pem"
        );
        let made = scratch.certroll(&new).exits(0);
        let listed = keytool(
            &scratch,
            &format!("-list -v -keystore {store} -storepass:file pw"),
        )
        .exits(0);
        let listed = listed.says("Your keystore contains 2 entries");
        let key = listed
            .out
            .find("Entry type: PrivateKeyEntry\nCertificate chain length: 2");
        assert!(
            key.is_some() && listed.out.contains("Entry type: trustedCertEntry"),
            "{listed:#?}"
        );
        assert!(
            listed.out.contains("Alias name: gateway\n")
                && listed.out.contains("Alias name: бэкенд\n")
        );
        let mut found = fingerprints(&listed.out);
        found.sort();
        let mut want = ["leaf.pem", "issuing.pem", "other.pem"].map(|pem| scratch.fingerprint(pem));
        want.sort();
        assert_eq!(found, want, "{store}");
        // The line that is printed for the administrator of the other side, with passwords from files instead of the terminal.
        let line = made.out.lines().last().unwrap().trim();
        let line = line
            .strip_prefix("keytool ")
            .unwrap()
            .replace("STORE", "theirs.p12");
        let own = key_password(store);
        let passwords = if own == "pw" {
            String::new()
        } else {
            // One entry at a time takes a key password of its own.
            format!(" -srcalias gateway -srckeypass:file {own} -destkeypass:file pw")
        };
        keytool(
            &scratch,
            &format!("{line} -noprompt -deststoretype PKCS12 -srcstorepass:file pw -deststorepass:file pw{passwords}"),
        )
        .exits(0);
        // The key itself, as openssl has it out of what keytool made of the store.
        let key = "openssl pkcs12 -in theirs.p12 -passin file:pw -nodes -nocerts 2>/dev/null | openssl pkey -outform DER | sha256sum";
        let same = "openssl pkey -in site.key -outform DER | sha256sum";
        assert_eq!(scratch.sh(key), scratch.sh(same), "{store}");
        fs::remove_file(scratch.path("theirs.p12")).unwrap();
    }
}

#[test]
fn what_keytool_makes_is_read_and_taken_out_as_keytool_does() {
    let scratch = scratch();
    for (store, kind) in [("theirs.jks", "JKS"), ("theirs.p12", "PKCS12")] {
        let base = format!("-keystore {store} -storetype {kind} -storepass:file pw");
        for (algorithm, size) in [("RSA", 2048), ("EC", 256)] {
            keytool(
                &scratch,
                &format!("-genkeypair -alias {algorithm} -keyalg {algorithm} -keysize {size} -dname CN={algorithm} {base} -keypass:file pw"),
            )
            .exits(0);
        }
        keytool(
            &scratch,
            &format!("-importcert -noprompt -alias доверие -file root.pem {base}"),
        )
        .exits(0);
        let listed = keytool(&scratch, &format!("-list -v {base}")).exits(0).out;
        let json = scratch.certroll(&format!("--json keystore list {store} --password-file pw"));
        let json = json.exits(0).json();
        let entries = json["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 3, "{json}");
        let mut found: Vec<&str> = entries
            .iter()
            .map(|entry| entry["certificate"]["sha256"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        let mut told = fingerprints(&listed);
        told.sort();
        assert_eq!(found, told, "{store}");
        for alias in ["rsa", "ec", "доверие"] {
            let theirs =
                keytool(&scratch, &format!("-exportcert -rfc -alias {alias} {base}")).exits(0);
            let ours = scratch.certroll(&format!(
                "keystore export {store} --password-file pw --alias {alias}"
            ));
            let body = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(
                body(&ours.exits(0).out),
                body(&theirs.out),
                "{store} {alias}"
            );
        }
        for alias in ["rsa", "ec"] {
            let export = format!(
                "keystore export {store} --password-file pw --alias {alias} --with-key -o {kind}-{alias}.pem"
            );
            scratch.certroll(&export).exits(0);
            let belongs = format!(
                "openssl pkey -in {kind}-{alias}.pem -pubout > a; openssl x509 -in {kind}-{alias}.pem -noout -pubkey > b; cmp a b"
            );
            scratch.sh(&belongs);
        }
    }
}

#[test]
fn keytool_still_reads_what_others_put_into_a_store_that_a_rollout_rewrote() {
    let scratch = scratch();
    scratch.dir("R/opt");
    for (store, _, keys) in WAYS {
        let (kind, own) = if store.ends_with("jks") {
            ("JKS", "keypw")
        } else {
            ("PKCS12", "pw")
        };
        let base = format!("-keystore R/opt/{store} -storetype {kind} -storepass:file pw");
        // A key of others', in JKS with a password that the profile does not know.
        keytool(
            &scratch,
            &format!(
                "-genkeypair -alias theirs -keyalg RSA -dname CN=theirs {base} -keypass:file {own}"
            ),
        )
        .exits(0);
        keytool(
            &scratch,
            &format!("-importcert -noprompt -alias корень -file root.pem {base}"),
        )
        .exits(0);
        let before = keytool(&scratch, &format!("-list -v {base}")).exits(0).out;
        let body = format!(
            "resources:\n  - {{kind: keystore, path: /opt/{store}, alias: gateway, password_file: /pw, {keys}, trusted: [{{alias: \
             peer, form: leaf}}]}}\n"
        );
        scratch.profile("app", &body);
        let apply = "--profiles P apply --yes --profile app --cert site.pem --key site.key";
        scratch.on_root(apply).exits(0);
        scratch.on_root(apply).exits(0).says("converged");
        let after = keytool(&scratch, &format!("-list -v {base}"))
            .exits(0)
            .says("contains 4 entries")
            .out;
        for fingerprint in fingerprints(&before) {
            assert!(
                fingerprints(&after).contains(&fingerprint),
                "{store}: {after}"
            );
        }
        assert!(fingerprints(&after).contains(&scratch.fingerprint("leaf.pem")));
        // Both keys open, each by its own password.
        for (alias, password) in [("theirs", own), ("gateway", key_password(store))] {
            let out = format!("{store}-{alias}.p12");
            keytool(
                &scratch,
                &format!(
                    "-importkeystore -noprompt -srckeystore R/opt/{store} -srcstorepass:file pw -srcalias {alias} -srckeypass:file \
                     {password} -destkeystore {out} -deststoretype PKCS12 -deststorepass:file pw -destkeypass:file pw"
                ),
            )
            .exits(0);
        }
    }
}

#[test]
fn java_makes_mutual_handshakes_with_the_stores_and_none_without_a_client_certificate() {
    let scratch = scratch();
    scratch.file("Mutual.java", MUTUAL);
    scratch.sh("javac -d . Mutual.java");
    for (store, options, _) in WAYS {
        let server =
            format!("--password-file pw {options} --cert site.pem --key site.key --alias gateway");
        scratch
            .certroll(&format!("keystore new server-{store} {server}"))
            .exits(0);
        let client =
            format!("--password-file pw {options} --cert other.pem --key other.key --alias client");
        scratch
            .certroll(&format!("keystore new client-{store} {client}"))
            .exits(0);
        let trust = options.replace("--key-password-file keypw", "");
        for (name, trusted) in [("server", "client=other.pem"), ("client", "root=root.pem")] {
            let new = format!(
                "keystore new {name}-trust-{store} --password-file pw {trust} --trust {trusted}"
            );
            scratch.certroll(&new).exits(0);
        }
        let mutual = |client: &str| {
            let mut command = scratch.program("java");
            command.args([
                "-cp",
                ".",
                "Mutual",
                &format!("server-{store}"),
                &format!("server-trust-{store}"),
            ]);
            command.args([
                client,
                &format!("client-trust-{store}"),
                "pw",
                key_password(store),
            ]);
            Running::start(&mut command).end()
        };
        let (leaf, other) = (
            scratch.fingerprint("leaf.pem"),
            scratch.fingerprint("other.pem"),
        );
        mutual(&format!("client-{store}"))
            .exits(0)
            .says(&format!("server saw {other} chain 1"))
            .says(&format!("client saw {leaf} chain 2"));
        mutual("none").exits(3).says("server refused: ");
        // Somebody else's certificate is none either.
        mutual(&format!("server-{store}"))
            .exits(3)
            .says("server refused: ");
    }
}
