//! Profile `wso2` on a tree of the product: what it writes, what it refuses, and what it warns of.

use super::common::{Run, Scratch};

pub(crate) const HOME: &str = "R/opt/wso2am/repository";

pub(crate) const TOML: &str = "# shipped\n[server]\nhostname = \"localhost\"   # keep\n\n[keystore.tls]\nfile_name = \"wso2carbon.jks\"\n\
                    password = \"store-secret\"\n\n[truststore]\nfile_name = \"client-truststore.jks\"\npassword = \"trust-secret\"\n";

pub(crate) const BACKEND: &str =
    "--set backend=backend.example.com:9444 --set backend_cert=/etc/backend.pem";

/// The files of the product that matter, and the pairs of both sides.
pub(crate) fn product() -> Scratch {
    let scratch = Scratch::new();
    for dir in ["resources/security", "deployment/server"] {
        scratch.dir(&format!("{HOME}/{dir}"));
    }
    scratch.file(&format!("{HOME}/conf/deployment.toml"), TOML);
    scratch.mode(&format!("{HOME}/conf/deployment.toml"), 0o640);
    scratch.file("R/etc/hosts", "127.0.0.1\tlocalhost\n");
    scratch.file(
        "R/etc/passwd",
        "root:x:0:0::/:/bin/sh\nwso2carbon:x:802:802::/:/bin/sh\n",
    );
    scratch.file("R/etc/group", "root:x:0:\nwso2:x:802:\n");
    scratch.mint("gateway", "gateway.example.com");
    scratch.mint("backend", "backend.example.com");
    scratch.mint("other", "other.example.com");
    scratch.file("R/etc/backend.pem", scratch.read("backend.pem"));
    scratch.file("trust", "trust-secret\n");
    scratch.file("store", "store-secret\n");
    scratch
        .certroll(&format!(
            "keystore new {HOME}/resources/security/client-truststore.jks --format jks --password-file trust --trust other=other.pem"
        ))
        .exits(0);
    scratch
}

pub(crate) fn run(scratch: &Scratch, command: &str, more: &str) -> Run {
    scratch.on_root(&format!(
        "{command} --profile wso2 --cert gateway.pem --key gateway.key {more}"
    ))
}

fn profiles(scratch: &Scratch) -> String {
    scratch.read(&format!("{HOME}/deployment/server/mutual_ssl_profiles.xml"))
}

pub(crate) fn listed(scratch: &Scratch, store: &str, password: &str) -> String {
    let line =
        format!("keystore list {HOME}/resources/security/{store} --password-file {password}");
    scratch.certroll(&line).exits(0).out
}

#[test]
fn both_truststores_the_gateways_key_and_its_profiles_are_set_and_taken_back() {
    let scratch = product();
    let before = scratch.tree();
    let planned = run(&scratch, "plan", BACKEND).exits(5);
    for secret in ["store-secret", "trust-secret"] {
        assert!(!planned.out.contains(secret), "{secret}: {}", planned.out);
    }
    planned
        .says("keytool -importcert -alias gateway")
        .says("[not-proved]");
    run(&scratch, "apply --yes", BACKEND)
        .exits(0)
        .says("placed: phase clean (4 of 4), generation 1");
    let key = listed(&scratch, "certroll-gateway.jks", "store");
    assert!(key.contains(&scratch.fingerprint("gateway.pem")), "{key}");
    let trust = listed(&scratch, "client-truststore.jks", "trust");
    assert!(trust.contains(&scratch.fingerprint("backend.pem")));
    assert!(
        trust.contains(&scratch.fingerprint("other.pem")),
        "what others trust stays"
    );
    let xml = profiles(&scratch);
    let star = xml.find("<servers>*</servers>").unwrap();
    assert!(
        star < xml
            .find("<servers>backend.example.com:9444</servers>")
            .unwrap()
    );
    assert_eq!(xml.matches("<Password>trust-secret</Password>").count(), 2);
    assert!(
        xml.contains("<KeyPassword>store-secret</KeyPassword>"),
        "{xml}"
    );
    let toml = scratch.read(&format!("{HOME}/conf/deployment.toml"));
    assert!(toml.starts_with(TOML), "comments and order stay: {toml}");
    assert!(toml.ends_with(
        "[transport.passthru_https.sender.ssl_profile]\nfile_path = \"repository/deployment/server/mutual_ssl_profiles.xml\"\n"
    ));
    assert_eq!(
        scratch.read(&format!(
            "{HOME}/resources/security/gateway-for-backend.pem"
        )),
        scratch.read("gateway.pem")
    );
    run(&scratch, "plan", BACKEND).exits(0);
    scratch.on_root("rollback --yes").exits(0);
    scratch.tree().is(&before);
}

#[test]
fn a_backend_without_a_port_is_refused_and_an_address_gets_a_name_in_the_same_transaction() {
    let scratch = product();
    run(&scratch, "plan", "").exits(2).says("[backend-missing]");
    run(&scratch, "plan", "--set backend=backend.example.com")
        .exits(2)
        .says("[port-missing]")
        .says("--set backend=backend.example.com:443");
    run(&scratch, "plan", "--set backend=10.100.5.130:9444")
        .exits(5)
        .says("[backend-address]");
    let named = "--set backend=10.100.5.130:9444 --set hostname=be.example.com";
    let planned = run(&scratch, "plan", named).exits(5);
    assert!(!planned.out.contains("[backend-address]"));
    run(&scratch, "apply --yes", named).exits(0);
    assert!(profiles(&scratch).contains("<servers>be.example.com:9444</servers>"));
    assert_eq!(
        scratch.read("R/etc/hosts"),
        "127.0.0.1\tlocalhost\n10.100.5.130\tbe.example.com\n"
    );
    run(&scratch, "plan", named).exits(0);
}

#[test]
fn what_the_product_would_not_read_is_refused_before_anything_is_written() {
    let sender = "\n[transport.passthru_https.sender.ssl_profile]\nfile_path = ";
    let other = "<parameter name=\"customSSLProfiles\">\n<profile><servers>a:1, backend.example.com:9444</servers></profile>\n</parameter>\n";
    for (file_path, stray, more, finding) in [
        (
            "repository/deployment/server/own.xml",
            "",
            "--set file_path=repository/x.xml",
            "path-disagrees",
        ),
        (
            "repository/deployment/server/mutual_ssl_profiles.xml",
            "multi_ssl_profiles.xml",
            "",
            "path-disagrees",
        ),
        ("/etc/profiles.xml", "", "", "path-absolute"),
        (
            "repository/resources/security/sslprofiles.xml",
            "",
            "",
            "path-rendered",
        ),
        (
            "repository/deployment/server/own.xml",
            "own.xml",
            "",
            "document-twice",
        ),
    ] {
        let scratch = product();
        let toml = format!("{TOML}{sender}\"{file_path}\"\n");
        scratch.file(&format!("{HOME}/conf/deployment.toml"), toml);
        if !stray.is_empty() {
            scratch.file(&format!("{HOME}/deployment/server/{stray}"), other);
        }
        let before = scratch.tree();
        let refused = run(&scratch, "apply --yes", &format!("{BACKEND} {more}")).exits(1);
        let said = format!("{}{}", refused.out, refused.err);
        assert!(said.contains(&format!("[{finding}]")), "{finding}: {said}");
        scratch.tree().is(&before);
    }
}

#[test]
fn the_documents_faults_and_the_products_defaults_are_warned_of_and_never_written() {
    let scratch = product();
    let toml = TOML
        .replace("store-secret", "wso2carbon")
        .replace("trust-secret", "wso2carbon");
    let toml = format!(
        "{toml}\n[transport.passthru_https.sender.ssl_profile]\nfile_path = \"repository/deployment/server/own.xml\"\ninterval = 3600000\n\
         [transport.passthru_https.sender.parameters]\nHostnameVerifier = \"AllowAll\"\n"
    );
    scratch.file(&format!("{HOME}/conf/deployment.toml"), &toml);
    scratch.mode(&format!("{HOME}/conf/deployment.toml"), 0o644);
    let path = format!("{HOME}/deployment/server/own.xml");
    // As the document has it: a line break inside of <Location>, a comment, and a profile of the product's own making.
    scratch.file(
        &path,
        "<parameter name=\"customSSLProfiles\">\n<!-- trust only -->\n<profile>\n<servers>*</servers>\n<TrustStore>\n\
         <Location>repository/resources/security/client-truststore-sender.ks</Location>\n<Type>JKS</Type>\n<Password>x</Password>\n</TrustStore>\n</profile>\n\
         <profile>\n<servers>localhost:8243</servers>\n<TrustStore>\n<Location>repository/resources/security/client-truststore.jks\n</Location>\n\
         <Type>JKS</Type>\n<Password>x</Password>\n</TrustStore>\n</profile>\n</parameter>\n",
    );
    let more = "--set backend=backend.example.com:9444 --set nodes=gw2.example.com";
    let planned = run(&scratch, "-v plan", more).exits(5);
    for finding in [
        "allow-all",
        "default-password",
        "slow-reload",
        "product-rewrite",
        "document-blank",
        "password-open",
    ] {
        let named = format!("[{finding}]");
        assert!(planned.out.contains(&named), "no {named}: {}", planned.out);
    }
    planned.says("On every other node of the cluster, gw2.example.com");
    run(&scratch, "apply --yes", more).exits(0);
    assert_eq!(
        scratch.read(&format!("{HOME}/conf/deployment.toml")),
        toml,
        "nothing of it had to change"
    );
    let xml = scratch.read(&path);
    assert!(xml.contains("<!-- trust only -->"), "{xml}");
    assert_eq!(
        xml.matches("client-truststore-sender.ks").count(),
        1,
        "{xml}"
    );
    assert_eq!(xml.matches("<servers>*</servers>").count(), 1, "{xml}");
}

#[test]
fn a_password_in_a_vault_is_never_resolved_and_a_file_does_instead() {
    let scratch = product();
    let toml = TOML
        .replace("store-secret", "$secret{keystore_password}")
        .replace("trust-secret", "$secret{truststore_password}");
    scratch.file(&format!("{HOME}/conf/deployment.toml"), &toml);
    run(&scratch, "plan", BACKEND)
        .exits(1)
        .says("stands elsewhere, in a vault or the environment: certroll does not resolve it [keystore-password]");
    scratch.file("R/etc/wso2-password", "trust-secret\n");
    scratch.mode("R/etc/wso2-password", 0o600);
    let more = format!("{BACKEND} --set password_file=/etc/wso2-password");
    run(&scratch, "apply --yes", &more).exits(0);
    assert!(profiles(&scratch).contains("<KeyPassword>trust-secret</KeyPassword>"));
    let after = scratch.read(&format!("{HOME}/conf/deployment.toml"));
    assert!(after.starts_with(&toml), "references stay: {after}");
}

#[test]
fn a_store_whose_keys_have_several_passwords_is_refused_and_a_published_pair_is_named() {
    let scratch = product();
    scratch.mint("localhost", "localhost");
    scratch.file("second", "second-secret\n");
    let store = format!("{HOME}/resources/security/wso2carbon.jks");
    let new = format!(
        "keystore new {store} --format jks --password-file store --cert localhost.pem --key localhost.key --alias wso2carbon"
    );
    scratch
        .certroll(&format!("{new} --key-password-file second"))
        .exits(0);
    let more = format!("{BACKEND} --set keystore=wso2carbon.jks");
    run(&scratch, "plan", &more)
        .exits(1)
        .says("has a key of another password, `wso2carbon`: who reads it opens every key with one [keystore-passwords]");
    scratch.certroll(&format!("{new} --force")).exits(0);
    run(&scratch, "plan", &more)
        .exits(5)
        .says("[published-key]");
}

#[test]
fn the_listeners_profiles_are_set_in_both_of_its_files() {
    let scratch = product();
    let more = format!("{BACKEND} --set listener=yes --set verify_clients=require");
    run(&scratch, "apply --yes", &more)
        .exits(0)
        .says("[listener-rendered]");
    let xml = scratch.read(&format!("{HOME}/resources/security/listenerprofiles.xml"));
    assert!(xml.contains("<bindAddress>0.0.0.0</bindAddress>"), "{xml}");
    assert!(
        xml.contains("<SSLVerifyClient>require</SSLVerifyClient>"),
        "{xml}"
    );
    let toml = scratch.read(&format!("{HOME}/conf/deployment.toml"));
    assert!(toml.contains("ssl_verify_client = \"require\""), "{toml}");
    run(&scratch, "plan", &more).exits(0);
}
