//! `certroll probe` beside what clients of every day say of the same endpoint.

use crate::{
    common::{Running, Scratch},
    servers::nginx,
};

/// What openssl is served: the certificates in the order sent, as fingerprints, and the protocol.
fn s_client(scratch: &Scratch, target: &str, option: &str) -> (Vec<String>, String) {
    let said = scratch.sh(&format!(
        "openssl s_client -connect {target} {option} -servername pbx.example -showcerts </dev/null 2>/dev/null || true"
    ));
    let pems = said.split("-----BEGIN CERTIFICATE-----").skip(1);
    let pems = pems.map(|pem| pem.split("-----END").next().unwrap());
    let served = pems
        .map(|pem| {
            let whole = format!("-----BEGIN CERTIFICATE-----{pem}-----END CERTIFICATE-----\n");
            scratch.file("served.pem", whole);
            scratch.fingerprint("served.pem")
        })
        .collect();
    let (_, protocol) = said.split_once("\nNew, TLSv").unwrap();
    let (protocol, _) = protocol.split_once(',').unwrap();
    (served, format!("TLS {protocol}"))
}

#[test]
fn leaf_chain_protocol_and_verdict_are_those_of_s_client_and_curl() {
    let scratch = Scratch::new();
    scratch.sh(
        "exec 2>&1; ec='ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
         openssl req -x509 -newkey $ec -keyout root.key -out root.pem -days 30 -subj /CN=Root
         openssl req -newkey $ec -keyout mid.key -out mid.csr -subj /CN=Middle
         echo basicConstraints=critical,CA:TRUE >ext
         openssl x509 -req -in mid.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile ext -out mid.pem
         openssl req -newkey $ec -keyout site.key -out site.csr -subj /CN=pbx.example
         echo subjectAltName=DNS:pbx.example >ext
         openssl x509 -req -in site.csr -CA mid.pem -CAkey mid.key -CAcreateserial -days 20 -extfile ext -out leaf.pem
         cat leaf.pem mid.pem >site.pem; cp leaf.pem bare.pem; cp site.key bare.key",
    );
    scratch.mint("stranger", "stranger.example");
    let [leaf, middle] = ["leaf.pem", "mid.pem"].map(|pem| scratch.fingerprint(pem));
    for (pair, version, option, chain) in [
        ("site", "TLSv1.3", "-tls1_3", vec![middle]),
        ("bare", "TLSv1.2", "-tls1_2", vec![]),
    ] {
        let server = nginx(&scratch, pair, pair, &format!("ssl_protocols {version};"));
        let target = server.target();
        let mut verdicts = Vec::new();
        for anchor in ["root.pem", "stranger.pem"] {
            let args = [
                "--state",
                "S",
                "--json",
                "probe",
                &target,
                "--sni",
                "pbx.example",
            ];
            let mut command = scratch.command(&args);
            command.env("SSL_CERT_FILE", scratch.path(anchor));
            let run = Running::start(&mut command).end().exits(0);
            let end = run.json()["probes"][0]["endpoints"][0].clone();
            let ours: Vec<&str> = std::iter::once(&end["leaf"])
                .chain(end["chain"].as_array().unwrap())
                .map(|certificate| certificate["sha256"].as_str().unwrap())
                .collect();
            let (theirs, protocol) = s_client(&scratch, &target, option);
            assert_eq!(ours, theirs, "{pair}");
            assert_eq!(ours[0], leaf);
            assert_eq!(ours[1..], chain);
            assert_eq!(end["version"], protocol);
            assert_eq!(protocol, version.replace("TLSv", "TLS "));
            let curl = format!(
                "curl -sS --noproxy '*' --cacert {anchor} --connect-to pbx.example:443:{target} https://pbx.example/"
            );
            let curl = Running::start(scratch.program("sh").args(["-c", &curl])).end();
            let takes = end["browser"]["takes"].as_bool().unwrap();
            // 60: the peer's certificate cannot be authenticated (curl(1)).
            assert_eq!(curl.code, if takes { 0 } else { 60 }, "{end:#} {curl:#?}");
            verdicts.push(takes);
        }
        // Whoever has the root takes the leaf with its chain, and nobody else anything.
        assert_eq!(verdicts, [pair == "site", false], "{pair}");
    }
}
