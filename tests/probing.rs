//! `certroll probe` beside sslscan and openssl: versions, suites, order, client certificates, many targets.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests run the program against servers of their own and fail by panicking"
)]

#[path = "probing/clients.rs"]
mod clients;
mod common;
#[path = "common/double.rs"]
mod double;
#[path = "probing/servers.rs"]
mod servers;

use std::collections::BTreeMap;

use certroll::hello;
use common::{Run, Running, Scratch};
use double::{Double, Pair};
use serde_json::Value;
use servers::{Server, nginx, s_server};

#[track_caller]
fn probe(scratch: &Scratch, args: &[&str]) -> Run {
    let head = ["--state", "S", "--json", "probe"];
    let args: Vec<&str> = head.iter().chain(args).copied().collect();
    Running::start(&mut scratch.command(&args)).end()
}

#[track_caller]
fn endpoint(scratch: &Scratch, args: &[&str]) -> Value {
    probe(scratch, args).exits(0).json()["probes"][0]["endpoints"][0].clone()
}

/// Suites by version, in the order told.
type Rows = BTreeMap<String, Vec<String>>;

/// What sslscan finds; only versions that are offered.
fn sslscan(scratch: &Scratch, port: u16) -> Rows {
    let xml = scratch.sh(&format!(
        "sslscan --xml=- --no-colour --sni-name=pbx.example 127.0.0.1:{port}"
    ));
    let mut rows = Rows::new();
    for line in xml.lines() {
        let field = |name: &str| {
            line.split_once(&format!(" {name}=\""))
                .map(|(_, rest)| rest.split('"').next().unwrap())
        };
        if line.contains("<protocol type=\"tls\"") && field("enabled") == Some("1") {
            rows.insert(format!("TLS {}", field("version").unwrap()), Vec::new());
        } else if line.contains("<cipher ") {
            let version = field("sslversion").unwrap().replace("TLSv", "TLS ");
            let code =
                u16::from_str_radix(field("id").unwrap().trim_start_matches("0x"), 16).unwrap();
            rows.get_mut(&version).unwrap().push(hello::name(code));
        }
    }
    assert!(!rows.is_empty(), "{xml}");
    rows
}

/// What the program finds, and whose order it says counts.
fn ours(scratch: &Scratch, port: u16) -> (Rows, BTreeMap<String, String>) {
    let end = endpoint(
        scratch,
        &[&format!("127.0.0.1:{port}"), "--sni", "pbx.example"],
    );
    let (mut rows, mut orders) = (Rows::new(), BTreeMap::new());
    for offer in end["offers"].as_array().unwrap() {
        let version = offer["version"].as_str().unwrap().to_owned();
        let suites: Vec<String> = serde_json::from_value(offer["suites"].clone()).unwrap();
        if let Some(order) = offer["order"].as_str() {
            orders.insert(version.clone(), order.to_owned());
        }
        if !suites.is_empty() {
            rows.insert(version, suites);
        }
    }
    (rows, orders)
}

/// Row by row what sslscan says; in its order where the server has one.
#[track_caller]
fn agrees_with_sslscan(
    name: &str,
    server: &Server,
    scratch: &Scratch,
    old_order: &str,
    new_order: &str,
) {
    let (mut found, orders) = ours(scratch, server.port);
    let mut scanned = sslscan(scratch, server.port);
    for (version, order) in &orders {
        let wanted = if version == "TLS 1.3" {
            new_order
        } else {
            old_order
        };
        assert_eq!(order, wanted, "{name}: {version}");
    }
    for rows in [&mut found, &mut scanned] {
        for (version, suites) in rows.iter_mut() {
            // A client's own order says nothing of the server.
            if orders.get(version).is_none_or(|order| order == "client") {
                suites.sort();
            }
        }
    }
    assert_eq!(found, scanned, "{name}");
}

#[test]
fn versions_suites_and_order_of_nginx_in_four_configurations_are_those_of_sslscan() {
    let scratch = Scratch::new();
    scratch.mint_rsa("site", "pbx.example");
    scratch.mint("ec", "pbx.example");
    scratch.mint("ca", "clients.example");
    for (name, pair, lines, old, new) in [
        (
            "new-alone",
            "ec",
            "ssl_protocols TLSv1.3;",
            "client",
            "client",
        ),
        (
            "appliance",
            "site",
            "ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on; \
             ssl_ciphers ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384;",
            "server",
            "server",
        ),
        (
            "legacy",
            "site",
            "ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;",
            "client",
            "client",
        ),
        (
            "asking",
            "site",
            "ssl_client_certificate ca.pem; ssl_verify_client on; ssl_protocols TLSv1.2; ssl_prefer_server_ciphers on;",
            "server",
            "server",
        ),
    ] {
        let server = nginx(&scratch, name, pair, lines);
        agrees_with_sslscan(name, &server, &scratch, old, new);
        let end = endpoint(&scratch, &[&server.target(), "--sni", "pbx.example"]);
        assert_eq!(
            end["leaf"]["sha256"],
            scratch.fingerprint(&format!("{pair}.pem")),
            "{name}"
        );
        let asked = end["client"]["authorities"].clone();
        if name == "asking" {
            assert_eq!(asked, serde_json::json!(["CN=clients.example"]));
        } else {
            assert!(asked.is_null(), "{name}: {asked}");
        }
    }
}

#[test]
fn versions_suites_and_order_of_openssl_servers_are_those_of_sslscan() {
    let scratch = Scratch::new();
    scratch.mint_rsa("site", "pbx.example");
    scratch.mint("ec", "pbx.example");
    for (name, pair, options, old, new) in [
        ("defaults", "site", "", "client", "client"),
        (
            "EC, the server's order",
            "ec",
            "-serverpref",
            "server",
            "server",
        ),
        (
            "ChaCha20 where the client likes it",
            "site",
            "-serverpref -prioritize_chacha",
            "server",
            "server",
        ),
        (
            "old alone",
            "site",
            "-max_protocol TLSv1.1 -min_protocol TLSv1 -serverpref -cipher ALL:@SECLEVEL=0",
            "server",
            "server",
        ),
        (
            "one suite",
            "site",
            "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256",
            "server",
            "server",
        ),
    ] {
        let server = s_server(&scratch, pair, options);
        agrees_with_sslscan(name, &server, &scratch, old, new);
    }
}

#[test]
fn rules_of_an_appliance_hold_for_a_server_set_up_so_and_break_by_one_directive() {
    let scratch = Scratch::new();
    scratch.mint_rsa("site", "pbx.example");
    let suites = "ssl_prefer_server_ciphers on; ssl_protocols TLSv1.2 TLSv1.3; \
        ssl_ciphers ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384;";
    let good = nginx(&scratch, "good", "site", suites);
    let run = probe(&scratch, &[&good.target(), "--rules", "speechmatics-v1"]).exits(0);
    assert_eq!(
        run.json()["probes"][0]["endpoints"][0]["rules"]["hold"],
        true
    );
    let bad = nginx(
        &scratch,
        "bad",
        "site",
        &suites.replace("ciphers on", "ciphers off"),
    );
    let run = probe(&scratch, &[&bad.target(), "--rules", "speechmatics-v1"])
        .exits(5)
        .json();
    let faults = run["probes"][0]["endpoints"][0]["rules"]["faults"].clone();
    assert!(
        faults
            .to_string()
            .contains("TLS 1.2 leaves the order to the client"),
        "{faults}"
    );
    let unknown = probe(&scratch, &[&bad.target(), "--rules", "none"]).exits(2);
    assert!(unknown.out.contains("speechmatics-v2"));
}

#[test]
fn a_client_certificate_is_shown_and_both_ways_are_told() {
    let scratch = Scratch::new();
    scratch.mint_rsa("site", "pbx.example");
    scratch.mint_with("me", "me.example", "-days 30");
    scratch.mint("stranger", "stranger.example");
    for (version, late) in [
        ("-tls1_2", "HandshakeFailure"),
        ("-tls1_3", "CertificateRequired"),
    ] {
        let server = s_server(
            &scratch,
            "site",
            &format!("{version} -Verify 1 -CAfile me.pem -verify_return_error"),
        );
        let target = server.target();
        let alone = endpoint(&scratch, &[&target])["client"].clone();
        assert!(alone["without"].as_str().unwrap().contains(late), "{alone}");
        assert!(alone.get("with").is_none(), "{alone}");
        let known = endpoint(
            &scratch,
            &[&target, "--client-cert", "me.pem", "--client-key", "me.key"],
        );
        assert!(
            known["client"].get("with").is_some_and(Value::is_null),
            "{version}: {known}"
        );
        assert_eq!(
            known["client"]["authorities"],
            serde_json::json!(["CN=me.example"])
        );
        let other = endpoint(
            &scratch,
            &[
                &target,
                "--client-cert",
                "stranger.pem",
                "--client-key",
                "stranger.key",
            ],
        );
        assert!(
            other["client"]["with"].as_str().unwrap().contains("alert"),
            "{version}: {other}"
        );
    }
    let run = probe(&scratch, &["127.0.0.1:1", "--client-cert", "me.pem"]).exits(2);
    assert!(run.out.contains("--client-key FILE"), "{run:#?}");
}

#[test]
fn server_names_are_sent_one_for_one_or_not_at_all() {
    let scratch = Scratch::new();
    scratch.mint("site", "pbx.example");
    scratch.mint("other", "other.example");
    let server = s_server(
        &scratch,
        "site",
        "-cert2 other.pem -key2 other.key -servername other.example",
    );
    let args = [
        &server.target(),
        "--sni",
        "other.example",
        "--sni",
        "pbx.example",
        "--no-sni",
    ];
    let all = probe(&scratch, &args).exits(0).json()["probes"][0]["endpoints"].clone();
    let told: Vec<(Value, Value)> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|end| (end["sni"].clone(), end["leaf"]["subject"].clone()))
        .collect();
    let want = [
        (
            Value::from("other.example"),
            Value::from("CN=other.example"),
        ),
        (Value::from("pbx.example"), Value::from("CN=pbx.example")),
        (Value::Null, Value::from("CN=pbx.example")),
    ];
    assert_eq!(told, want);
    let pem = Running::start(&mut scratch.command(&[
        "--state",
        "S",
        "probe",
        "--pem",
        &server.target(),
        "--no-sni",
    ]))
    .end();
    assert_eq!(pem.exits(0).out, scratch.read("site.pem"));
}

#[test]
fn fingerprints_are_in_the_notation_of_servers_and_both_sorts_of_client_are_heard() {
    let (scratch, pair) = (Scratch::new(), Pair::new());
    let double = Double::serving(&pair);
    let text = |code| {
        let mut command = scratch.command(&["--state", "S", "probe", &double.peer()]);
        Running::start(&mut command).end().exits(code).out
    };
    scratch.file("leaf.der", &pair.leaf);
    let alone = text(0);
    for digest in ["sha256", "sha1"] {
        let printed = scratch.sh(&format!(
            "openssl x509 -in leaf.der -inform der -noout -fingerprint -{digest}"
        ));
        let (_, printed) = printed.trim().split_once('=').unwrap();
        assert!(alone.contains(printed), "{alone}");
    }
    assert!(
        alone.contains("browser   refuses it: ") && alone.contains("no pin is kept for this peer"),
        "{alone}"
    );
    let add = ["--state", "S", "pin", "add", &double.peer(), "--tofu"];
    Running::start(&mut scratch.command(&add)).end().exits(0);
    assert!(text(0).contains("pin       takes it: the leaf is the one pinned"));
    let swapped = Pair::new();
    let listed = scratch.read("S/pins.json");
    let [ours, theirs] =
        [&pair.leaf, &swapped.leaf].map(|der| certroll::peer::Fingerprint::of(der).to_string());
    scratch.file("S/pins.json", listed.replace(&ours, &theirs));
    assert!(text(0).contains("pin       refuses it: the pinned leaf is SHA-256"));
}

#[test]
fn many_targets_are_a_line_each_and_a_silent_one_hides_no_other() {
    let (scratch, pair) = (Scratch::new(), Pair::new());
    let doubles: Vec<Double> = (0..20).map(|_| Double::serving(&pair)).collect();
    let mut targets: Vec<String> = doubles.iter().map(Double::peer).collect();
    targets.insert(7, "127.0.0.1:1".to_owned());
    let mut args = vec!["--state", "S", "probe"];
    args.extend(targets.iter().map(String::as_str));
    let run = Running::start(&mut scratch.command(&args)).end().exits(1);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), targets.len());
    for (line, target) in lines.iter().zip(&targets) {
        assert!(line.starts_with(&format!("{target}  ")), "{line}");
        assert_eq!(
            line.contains("silent: refused the connection"),
            target == "127.0.0.1:1"
        );
    }
    assert!(doubles.iter().all(|double| double.handshakes() == 1));
}

#[test]
fn a_daemon_behind_a_preamble_is_asked_once_unless_rules_are_to_be_held_against_it() {
    let scratch = Scratch::new();
    scratch.mint_rsa("site", "pbx.example");
    let (port, connections) = servers::pop3(&scratch, "site");
    let target = format!("pop3://127.0.0.1:{port}");
    let end = endpoint(&scratch, &[&target]);
    assert!(
        end["leaf"].is_object() && end.get("offers").is_none(),
        "{end}"
    );
    assert_eq!(connections(), 1);
    let run = probe(&scratch, &[&target, "--rules", "speechmatics-v1"])
        .exits(5)
        .json();
    let end = run["probes"][0]["endpoints"][0].clone();
    assert_eq!(end["offers"].as_array().unwrap().len(), 4, "{end}");
    assert!(connections() > 5);
}
