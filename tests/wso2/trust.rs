//! Profile `wso2` and what each side trusts: in which stores, and what becomes of what was trusted before.

use std::fs;

use super::{
    common::Scratch,
    profile::{BACKEND, HOME, TOML, listed, product, run},
};

#[test]
fn the_backends_identity_goes_to_its_own_store_and_into_the_gateways_trust() {
    let scratch = product();
    scratch.dir("R/opt/backend");
    scratch.file("R/opt/backend/password", "backend-secret\n");
    scratch.mode("R/opt/backend/password", 0o600);
    let line = "apply --yes --profile wso2 --cert backend.pem --key backend.key --set side=backend --set backend=backend.example.com:9444 \
                --set backend_keystore=/opt/backend/keystore.p12 --set backend_password_file=/opt/backend/password --set alias=backend --set listener=yes";
    scratch.on_root(line).exits(0);
    let trust = listed(&scratch, "client-truststore.jks", "trust");
    assert!(trust.contains(&scratch.fingerprint("backend.pem")));
    let own = scratch
        .certroll("keystore list R/opt/backend/keystore.p12 --password-file R/opt/backend/password")
        .exits(0);
    assert!(own.out.contains(&scratch.fingerprint("backend.pem")));
    assert!(
        !fs::exists(scratch.path(&format!("{HOME}/resources/security/certroll-gateway.jks")))
            .unwrap()
    );
    // No profile may name that store: with one that it cannot load the product does not start.
    for file in [
        "deployment/server/mutual_ssl_profiles.xml",
        "resources/security/listenerprofiles.xml",
    ] {
        let path = format!("{HOME}/{file}");
        assert!(!fs::exists(scratch.path(&path)).unwrap(), "{file}");
    }
    assert_eq!(scratch.read(&format!("{HOME}/conf/deployment.toml")), TOML);
}

#[test]
fn what_the_product_copied_its_truststore_to_gets_the_same_trust_from_either_side() {
    let sides = [
        ("gateway", BACKEND, "backend"),
        (
            "backend",
            "--set side=backend --set backend=backend.example.com:9444",
            "gateway",
        ),
    ];
    for (side, settings, trusted) in sides {
        for vault in [false, true] {
            let scratch = product();
            let toml = if vault {
                scratch.file("R/etc/wso2-password", "trust-secret\n");
                scratch.mode("R/etc/wso2-password", 0o600);
                TOML.replace("trust-secret", "$secret{truststore_password}")
            } else {
                TOML.to_owned()
            };
            let file_path = "repository/deployment/server/own.xml";
            let sender = "[transport.passthru_https.sender.ssl_profile]";
            scratch.file(
                &format!("{HOME}/conf/deployment.toml"),
                format!("{toml}\n{sender}\nfile_path = \"{file_path}\"\n"),
            );
            let copy = "client-truststore-sender.ks";
            let security = format!("{HOME}/resources/security");
            scratch.sh(&format!(
                "cp {security}/client-truststore.jks {security}/{copy}"
            ));
            let xml = format!(
                "<parameter name=\"customSSLProfiles\">\n<profile><servers>*</servers><TrustStore><Location>repository/resources/security/{copy}\
                 </Location><Type>JKS</Type><Password>trust-secret</Password></TrustStore></profile>\n</parameter>\n"
            );
            let profile = format!("{HOME}/deployment/server/own.xml");
            scratch.file(&profile, &xml);
            let file = if vault {
                "--set password_file=/etc/wso2-password"
            } else {
                ""
            };
            run(&scratch, "apply --yes", &format!("{settings} {file}")).exits(0);
            for store in ["client-truststore.jks", copy] {
                let listed = listed(&scratch, store, "trust");
                let leaf = scratch.fingerprint(&format!("{trusted}.pem"));
                assert!(listed.contains(&leaf), "{side}, {vault}, {store}: {listed}");
            }
            if side == "backend" {
                assert_eq!(scratch.read(&profile), xml, "profiles are the gateway's");
            }
        }
    }
}

/// The built-in profile, but for how long it waits.
fn impatient() -> String {
    let profile = fs::read_to_string("templates/wso2/profile.yaml").unwrap();
    let (rest, _) = profile.rsplit_once("\ndeadline: ").unwrap();
    format!("{rest}\ndeadline: 1\n")
}

/// The product on this host, and the flags of its profile there.
fn here() -> (Scratch, String) {
    let scratch = product();
    let home = scratch.text("R/opt/wso2am");
    (
        scratch,
        format!("--profile wso2 --set home={home} --set user=root --set backend=127.0.0.1:1"),
    )
}

#[test]
fn trust_of_both_sides_comes_beside_the_old_one_and_that_goes_with_its_own_identity_alone() {
    let (scratch, flags) = here();
    scratch.file("password", "backend-secret\n");
    scratch.mode("password", 0o600);
    let (own, password) = (scratch.text("trust.p12"), scratch.text("password"));
    let trusts = |store: &str, password: &str, pair: &str| {
        let listed = scratch
            .certroll(&format!("keystore list {store} --password-file {password}"))
            .exits(0)
            .out;
        listed.contains(&scratch.fingerprint(&format!("{pair}.pem")))
    };
    let gateway = format!("{HOME}/resources/security/client-truststore.jks");
    // The backend's coming certificate, which a file of this host has: what that held before stays, until who knows takes it away.
    for pair in ["backend", "other"] {
        scratch.file("coming.pem", scratch.read(&format!("{pair}.pem")));
        let coming = scratch.text("coming.pem");
        scratch
            .certroll(&format!(
                "--state {pair} apply --yes {flags} --cert gateway.pem --key gateway.key --set backend_cert={coming} --until trust"
            ))
            .exits(0)
            .says("committed: phase trust (1 of 4)");
        assert!(trusts(&gateway, "trust", "backend"), "{pair}");
    }
    let digits = scratch.fingerprint("backend.pem")[..8].to_owned();
    let alias = format!("127.0.0.1-{digits}");
    let all = listed(&scratch, "client-truststore.jks", "trust");
    assert!(all.contains(&alias), "{all}");
    // The backend's own rollout knows which is old: the last phase leaves its leaf alone, and what others are trusted by.
    scratch
        .on_root("apply --yes --profile wso2 --cert backend.pem --key backend.key --set side=backend --set backend=127.0.0.1:1")
        .exits(0);
    let all = listed(&scratch, "client-truststore.jks", "trust");
    assert!(all.contains(&alias), "{all}");
    let digits = scratch.fingerprint("other.pem")[..8].to_owned();
    let left = all.contains("other: trusted") && !all.contains(&format!("127.0.0.1-{digits}"));
    assert!(left, "{all}");

    // The backend is not there to say that it takes the gateway's new leaf: that is never shown to it, and what it trusts is as before.
    let flags =
        format!("{flags} --set backend_truststore={own} --set backend_password_file={password}");
    scratch.sh(&format!(
        "{} keystore new trust.p12 --password-file password --trust byhand=other.pem",
        crate::common::CERTROLL
    ));
    scratch.file("P/wso2/profile.yaml", impatient());
    let refused = scratch
        .certroll(&format!(
            "--state S --profiles P apply --yes {flags} --cert gateway.pem --key gateway.key"
        ))
        .exits(3);
    let said = format!("{}{}", refused.out, refused.err);
    assert!(said.contains("want a client that is accepted"), "{said}");
    assert!(!trusts("trust.p12", "password", "gateway"));
    assert!(
        !scratch
            .path(&format!("{HOME}/resources/security/certroll-gateway.jks"))
            .exists()
    );
}

#[test]
fn for_new_trust_the_gateway_is_touched_where_it_has_a_profile_file_and_restarted_where_not() {
    let scratch = product();
    let home = scratch.text("R/opt/wso2am");
    let line = format!(
        "--state S plan --profile wso2 --cert backend.pem --key backend.key --set home={home} --set user=root --set side=backend \
         --set backend=127.0.0.1:1 --set listener=yes --set gateway=127.0.0.1:1"
    );
    let touched = format!("touch -c {home}/repository/deployment/server/own.xml");
    let restarted = format!("{home}/bin/api-manager.sh restart");
    let plan = |line: &str, run: &str, other: &str| {
        let planned = scratch.certroll(line).exits(5);
        let runs = |command: &str| planned.out.contains(command);
        assert!(runs(run) && !runs(other), "{planned:#?}");
        // Only time shows that what is touched was looked at.
        let commands = if run == restarted {
            "1 command"
        } else {
            "sleep 605"
        };
        planned.says(commands).says("1 probe");
    };
    plan(&line, &restarted, "touch");
    let sender = "[transport.passthru_https.sender.ssl_profile]";
    scratch.file(
        &format!("{HOME}/conf/deployment.toml"),
        format!("{TOML}\n{sender}\nfile_path = \"repository/deployment/server/own.xml\"\n"),
    );
    plan(&line, &touched, "restart");
    plan(&format!("{line} --set reload=restart"), &restarted, "touch");
}
