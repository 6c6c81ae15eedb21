//! The stores that profile `wso2` writes, as the product's own Java reads them: what stands in them under which alias, and by which password.

use super::{
    common::{Run, Running, Scratch},
    keystores::MUTUAL,
    keytool::{fingerprints, key_opens, keytool},
};

const SECURITY: &str = "R/opt/wso2am/repository/resources/security";

const FLAGS: &str = "--profile wso2 --set backend=backend.example.com:9444 --set user=root --set backend_password_file=/backend-pw";

/// The product's files that matter, its truststore as keytool makes it, and the pairs of both sides with one of each to come.
fn product() -> Scratch {
    let scratch = Scratch::new();
    for (file, password) in [
        ("tls-pw", "store-secret"),
        ("trust-pw", "trust-secret"),
        ("backend-pw", "backend-secret"),
    ] {
        scratch.file(file, format!("{password}\n"));
    }
    scratch.dir(SECURITY);
    scratch.dir("R/opt/wso2am/repository/deployment/server");
    scratch.sh("cp backend-pw R/; chmod 600 R/backend-pw; mkdir -p R/etc; printf 'root:x:0:0::/:/bin/sh\\n' > R/etc/passwd; printf 'root:x:0:\\n' > R/etc/group");
    scratch.file(
        "R/opt/wso2am/repository/conf/deployment.toml",
        "[keystore.tls]\npassword = \"store-secret\"\n[truststore]\nfile_name = \"client-truststore.jks\"\npassword = \"trust-secret\"\n",
    );
    for (name, dns) in [
        ("gateway", "gateway.example.com"),
        ("gateway-new", "gateway.example.com"),
        ("shipped", "shipped.example.com"),
    ] {
        scratch.mint(name, dns);
    }
    for name in ["backend", "backend-new"] {
        scratch.mint(name, "backend.example.com");
        scratch.file(
            &format!("R/{name}.pem"),
            scratch.read(&format!("{name}.pem")),
        );
    }
    keytool(
        &scratch,
        &format!("-importcert -noprompt -alias shipped -file shipped.pem -storetype JKS -keystore {SECURITY}/client-truststore.jks -storepass:file trust-pw"),
    )
    .exits(0);
    scratch
}

#[track_caller]
fn apply(scratch: &Scratch, pair: &str, more: &str) {
    scratch
        .on_root(&format!(
            "apply --yes {FLAGS} --cert {pair}.pem --key {pair}.key {more}"
        ))
        .exits(0);
}

/// What keytool lists of a store, and that it is of one type alone: `(alias, entry type)`, sorted.
#[track_caller]
fn entries(scratch: &Scratch, store: &str, kind: &str, password: &str) -> Vec<(String, String)> {
    // Told which one it is, keytool reads no other.
    let line = format!(
        "-J-Dkeystore.type.compat=false -list -v -keystore {store} -storetype {kind} -storepass:file {password}"
    );
    let listed = keytool(scratch, &line)
        .exits(0)
        .says(&format!("Keystore type: {kind}"))
        .out;
    let after = |head: &str| -> Vec<String> {
        let lines = listed
            .lines()
            .filter_map(|line| line.trim().strip_prefix(head));
        lines.map(str::to_owned).collect()
    };
    let mut all: Vec<_> = after("Alias name: ")
        .into_iter()
        .zip(after("Entry type: "))
        .collect();
    all.sort();
    assert_eq!(
        all.len(),
        fingerprints(&listed).len(),
        "a leaf each: {listed}"
    );
    all
}

fn trusted(scratch: &Scratch, name: &str, pair: &str) -> (String, String) {
    let digits = scratch.fingerprint(&format!("{pair}.pem"))[..8].to_owned();
    (format!("{name}-{digits}"), "trustedCertEntry".to_owned())
}

fn of(mut all: Vec<(String, String)>) -> Vec<(String, String)> {
    all.sort();
    all
}

fn entry(alias: &str, kind: &str) -> (String, String) {
    (alias.to_owned(), kind.to_owned())
}

#[test]
fn keytool_finds_each_sides_key_and_trust_under_their_aliases_before_and_after_a_rotation() {
    let scratch = product();
    let shipped = entry("shipped", "trustedCertEntry");
    let own = format!("{SECURITY}/certroll-gateway.jks");
    let trust = format!("{SECURITY}/client-truststore.jks");
    let gateway = "--set backend_truststore=/backend-trust.p12";
    apply(
        &scratch,
        "gateway",
        &format!("{gateway} --set backend_cert=/backend.pem"),
    );
    assert_eq!(
        entries(&scratch, &own, "JKS", "tls-pw"),
        [entry("gateway", "PrivateKeyEntry")]
    );
    // The product opens every key with the password of the whole.
    key_opens(&scratch, &own, "gateway", "tls-pw", "tls-pw", "gateway.key");
    let backend = trusted(&scratch, "backend.example.com", "backend");
    assert_eq!(
        entries(&scratch, &trust, "JKS", "trust-pw"),
        of(vec![shipped.clone(), backend.clone()])
    );
    let shown = "R/backend-trust.p12";
    assert_eq!(
        entries(&scratch, shown, "PKCS12", "backend-pw"),
        [trusted(&scratch, "gateway", "gateway")]
    );

    // What comes for the other side stands beside what it has; with its own rollout the old one goes.
    apply(
        &scratch,
        "gateway",
        &format!("{gateway} --set backend_cert=/backend-new.pem"),
    );
    let new = trusted(&scratch, "backend.example.com", "backend-new");
    assert_eq!(
        entries(&scratch, &trust, "JKS", "trust-pw"),
        of(vec![shipped.clone(), backend, new.clone()])
    );
    let side = "backend --set side=backend --set backend_keystore=/backend.p12 --set alias=backend";
    apply(&scratch, "backend-new", side);
    assert_eq!(
        entries(&scratch, &trust, "JKS", "trust-pw"),
        of(vec![shipped, new])
    );
    assert_eq!(
        entries(&scratch, "R/backend.p12", "PKCS12", "backend-pw"),
        [entry("backend", "PrivateKeyEntry")]
    );
    key_opens(
        &scratch,
        "R/backend.p12",
        "backend",
        "backend-pw",
        "backend-pw",
        "backend-new.key",
    );
    apply(
        &scratch,
        "gateway-new",
        &format!("{gateway} --set backend_cert="),
    );
    key_opens(
        &scratch,
        &own,
        "gateway",
        "tls-pw",
        "tls-pw",
        "gateway-new.key",
    );
    assert_eq!(
        entries(&scratch, shown, "PKCS12", "backend-pw"),
        [trusted(&scratch, "gateway", "gateway-new")]
    );
}

#[test]
fn java_calls_the_backend_with_the_gateways_stores_and_no_other() {
    let scratch = product();
    // One password file is all that the program takes.
    scratch.sh("printf 'store-secret\\n' | tee trust-pw tls-pw backend-pw R/backend-pw > pw");
    let toml = scratch
        .read("R/opt/wso2am/repository/conf/deployment.toml")
        .replace("trust-secret", "store-secret");
    scratch.file("R/opt/wso2am/repository/conf/deployment.toml", toml);
    scratch.sh(&format!("rm {SECURITY}/client-truststore.jks"));
    let gateway = "--set backend_truststore=/backend-trust.p12 --set backend_cert=/backend.pem";
    apply(&scratch, "gateway", gateway);
    let side = "backend --set side=backend --set backend_keystore=/backend.p12 --set alias=backend";
    apply(&scratch, "backend", side);
    scratch.file("Mutual.java", MUTUAL);
    scratch.sh("javac -d . Mutual.java");
    let mutual = |client: &str| -> Run {
        let mut command = scratch.program("java");
        command.args([
            "-cp",
            ".",
            "Mutual",
            "R/backend.p12",
            "R/backend-trust.p12",
            client,
        ]);
        command.args([&format!("{SECURITY}/client-truststore.jks"), "pw", "pw"]);
        Running::start(&mut command).end()
    };
    mutual(&format!("{SECURITY}/certroll-gateway.jks"))
        .exits(0)
        .says(&format!(
            "server saw {} chain 1",
            scratch.fingerprint("gateway.pem")
        ))
        .says(&format!(
            "client saw {} chain 1",
            scratch.fingerprint("backend.pem")
        ));
    mutual("R/backend.p12").exits(3).says("server refused: ");
}
