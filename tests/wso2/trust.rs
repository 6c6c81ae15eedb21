//! Profile `wso2` and what each side trusts: in which stores, and what becomes of what was trusted before.

use std::fs;

use super::profile::{BACKEND, HOME, TOML, listed, product, run};

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

#[test]
fn trust_that_takes_the_place_of_the_old_one_is_warned_of_with_the_way_around() {
    let scratch = product();
    let more = format!(
        "{BACKEND} --set backend_truststore=/opt/backend/trust.p12 --set backend_password_file=/etc/password"
    );
    scratch.file("R/etc/password", "backend-secret\n");
    scratch.mode("R/etc/password", 0o600);
    scratch.dir("R/opt/backend");
    for (settings, said) in [
        (more.as_str(), "looked at its profiles, up to 600 s"),
        (&format!("{more} --set reload=restart"), "has started"),
        (
            "--set side=backend --set backend=backend.example.com:9444",
            "reads that when it starts",
        ),
    ] {
        run(&scratch, "plan", settings)
            .exits(5)
            .says(said)
            .says("[trust-replaced]")
            .says("to have none fail");
    }
    let planned = run(&scratch, "plan", BACKEND).exits(5);
    assert!(!planned.out.contains("[trust-replaced]"), "{planned:#?}");

    // The way that the hint says: trust for the coming leaf beside the old one, which the backend's own rollout leaves.
    scratch.mint("coming", "backend.example.com");
    scratch.file("R/etc/coming.pem", scratch.read("coming.pem"));
    run(&scratch, "apply --yes", BACKEND).exits(0);
    let ahead = "--set backend=backend.example.com:9444 --set backend_cert=/etc/coming.pem --set backend_alias=coming";
    run(&scratch, "apply --yes", ahead).exits(0);
    let trust = listed(&scratch, "client-truststore.jks", "trust");
    let both = ["backend", "coming"].map(|pair| scratch.fingerprint(&format!("{pair}.pem")));
    assert!(both.iter().all(|leaf| trust.contains(leaf)), "{trust}");
    let line = "apply --yes --profile wso2 --cert coming.pem --key coming.key --set side=backend --set backend=backend.example.com:9444 \
                --set backend_keystore=/opt/backend/key.p12 --set backend_password_file=/etc/password --set backend_alias=coming";
    scratch.on_root(line).exits(0);
    assert_eq!(listed(&scratch, "client-truststore.jks", "trust"), trust);
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
        planned.says("1 command, 1 probe");
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
