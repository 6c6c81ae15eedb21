//! Endpoints: real servers, each with one fault, as their clients see them.

use crate::{
    common::{self, CERTROLL, Run, Running, Scratch, skip},
    nginx::{Nginx, cannot, live, mint_expired},
};

/// A directory with pairs, and certroll told to trust `root.pem`; none where servers cannot be started.
fn desk() -> Option<Scratch> {
    if let Some(reason) = cannot() {
        skip(reason);
        return None;
    }
    Some(Scratch::new())
}

/// Mints `root.pem`, and `NAME.pem` with `NAME.key`: a leaf of an intermediate of it; `NAME-full.pem` has the chain.
fn issue(scratch: &Scratch, name: &str, dns: &str) {
    scratch.sh(&format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem -days 30 -subj /CN=Root 2>/dev/null\n\
         ext() {{ printf \"$1\" > ext.cnf; }}\n\
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout mid.key -out mid.csr -subj /CN=Middle 2>/dev/null\n\
         ext 'basicConstraints=critical,CA:TRUE\\n'\n\
         openssl x509 -req -in mid.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile ext.cnf -out mid.pem 2>/dev/null\n\
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out leaf.csr -subj /CN={dns} 2>/dev/null\n\
         ext 'subjectAltName=DNS:{dns}\\n'\n\
         openssl x509 -req -in leaf.csr -CA mid.pem -CAkey mid.key -CAcreateserial -days 20 -extfile ext.cnf -out {name}.pem 2>/dev/null\n\
         cat {name}.pem mid.pem > {name}-full.pem; cp {name}.key {name}-full.key"
    ));
}

/// Runs the doctor on an endpoint as a client that trusts `root.pem`.
fn endpoint(scratch: &Scratch, target: &str) -> Run {
    let mut command = scratch.command(&["--state", "S", "--json", "doctor", target]);
    command.env("SSL_CERT_FILE", scratch.path("root.pem"));
    Running::start(&mut command).end()
}

#[track_caller]
fn diagnosed(scratch: &Scratch, target: &str, verdict: &str, evidence: &str, shows: &str) {
    let run = endpoint(scratch, target).exits(5);
    let fault = run.json()["faults"][0].clone();
    assert_eq!(fault["verdict"], verdict, "{run:#?}");
    let found = fault["evidence"].as_str().unwrap();
    assert!(found.contains(evidence), "no {evidence:?} in {found:?}");
    let look = fault["look"].as_str().unwrap();
    let seen = scratch.sh(&format!("({look}) 2>&1 || true"));
    assert!(seen.contains(shows), "no {shows:?} in {seen:?} of {look}");
}

#[test]
fn an_endpoint_that_clients_take_has_no_fault() {
    let Some(scratch) = desk() else { return };
    issue(&scratch, "site", "localhost");
    let site = Nginx::serving(&scratch, "site", "site-full");
    let run = endpoint(&scratch, &format!("localhost:{}", site.port));
    // nginx listens on IPv4 alone: the other address of `localhost` is silent, which is the only fault there can be.
    let report = run.json();
    for fault in report["faults"].as_array().unwrap() {
        assert_eq!(
            (
                &fault["verdict"],
                fault["about"].as_str().unwrap().contains("[::1]")
            ),
            (&"silent".into(), true),
            "{run:#?}"
        );
    }
    assert!(
        report["good"][0]
            .as_str()
            .unwrap()
            .contains("presents a leaf that clients of this host take"),
        "{run:#?}"
    );
}

#[test]
fn each_fault_of_an_endpoint_has_its_verdict() {
    let Some(scratch) = desk() else { return };
    issue(&scratch, "site", "site.example.com");
    let bare = Nginx::serving(&scratch, "bare", "site");
    let target = format!("127.0.0.1:{}", bare.port);
    diagnosed(
        &scratch,
        &target,
        "chain-incomplete",
        "`CN=Middle`",
        "unable to get local issuer certificate",
    );

    let whole = Nginx::serving(&scratch, "whole", "site-full");
    let target = format!("127.0.0.1:{}", whole.port);
    diagnosed(
        &scratch,
        &target,
        "name-uncovered",
        "127.0.0.1",
        "IP address mismatch",
    );

    scratch.mint("own", "127.0.0.1");
    let own = Nginx::serving(&scratch, "own", "own");
    let target = format!("127.0.0.1:{}", own.port);
    diagnosed(
        &scratch,
        &target,
        "name-uncovered",
        "127.0.0.1",
        "IP address mismatch",
    );

    mint_expired(&scratch, "late", "site.example.com");
    let late = Nginx::serving(&scratch, "late", "late");
    let target = format!("127.0.0.1:{}", late.port);
    diagnosed(&scratch, &target, "expired", "2020", "Dec 31");

    diagnosed(
        &scratch,
        "127.0.0.1:1",
        "silent",
        "refused the connection",
        "onnection refused",
    );
}

#[test]
fn a_leaf_that_clients_trust_and_may_not_take_from_a_server_is_unfit() {
    let Some(scratch) = desk() else { return };
    issue(&scratch, "site", "site.example.com");
    scratch.sh(
        "printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=clientAuth\n' > ext.cnf\n\
         openssl x509 -req -in leaf.csr -CA mid.pem -CAkey mid.key -CAcreateserial -days 20 -extfile ext.cnf -out odd.pem 2>/dev/null\n\
         cat odd.pem mid.pem > odd-full.pem; cp site.key odd-full.key",
    );
    let odd = Nginx::serving(&scratch, "odd", "odd-full");
    diagnosed(
        &scratch,
        &format!("127.0.0.1:{}", odd.port),
        "unfit",
        "clientAuth",
        "Extended Key Usage: \n                TLS Web Client Authentication",
    );
}

#[test]
fn a_name_that_leads_to_ipv6_where_the_server_listens_on_ipv4_alone_is_named_with_that_address() {
    let Some(scratch) = desk() else { return };
    issue(&scratch, "site", "six.example.com");
    let site = Nginx::serving(&scratch, "site", "site-full");
    scratch.file("hosts", "127.0.0.1 six.example.com\n::1 six.example.com\n");
    let inside = |script: &str| {
        let script = format!("mount --bind hosts /etc/hosts; {script}");
        let mut command = scratch.program("unshare");
        command.env("SSL_CERT_FILE", scratch.path("root.pem"));
        command.args(["-m", "--propagation", "private", "sh", "-euc", &script]);
        Running::start(&mut command).end()
    };
    let run = inside(&format!(
        "exec {CERTROLL} --state S --json doctor six.example.com:{}",
        site.port
    ));
    let report = run.exits(5).json();
    let faults = report["faults"].as_array().unwrap();
    let address = format!("[::1]:{}", site.port);
    assert_eq!(faults.len(), 1, "{report:#}");
    assert_eq!(
        (&faults[0]["verdict"], &faults[0]["about"]),
        (
            &"silent".into(),
            &format!("six.example.com at {address}").into()
        )
    );
    let good = format!(
        "127.0.0.1:{} presents a leaf that clients of this host take",
        site.port
    );
    assert_eq!(report["good"][0], good, "{report:#}");
    let look = faults[0]["look"].as_str().unwrap();
    assert!(look.contains(&format!("-connect {address}")), "{look}");
    let seen = inside(&format!("({look}) 2>&1 || true")).exits(0).out;
    assert!(seen.contains("connect error"), "{seen}");
}

#[test]
fn a_port_without_tls_is_told_from_a_silent_one() {
    let Some(scratch) = desk() else { return };
    issue(&scratch, "site", "site.example.com");
    let script = "import http.server; s = http.server.HTTPServer(('127.0.0.1', 0), http.server.BaseHTTPRequestHandler); \
                  open('port', 'w').write(str(s.server_port)); s.serve_forever()";
    let mut command = scratch.program("setpriv");
    command.args(["--pdeathsig", "KILL", "python3", "-c", script]);
    let plain = Running::start(&mut command);
    common::until("the port", || {
        scratch.path("port").exists() && !scratch.read("port").is_empty()
    });
    let target = format!("127.0.0.1:{}", scratch.read("port"));
    diagnosed(
        &scratch,
        &target,
        "not-tls",
        "not TLS",
        "wrong version number",
    );
    plain.signal("KILL");
}

#[test]
fn a_service_that_has_not_loaded_the_files_is_named() {
    let Some(scratch) = desk() else { return };
    scratch.mint("old", "site.example.com");
    scratch.mint("new", "site.example.com");
    let site = Nginx::serving(&scratch, "site", "old");
    site.profile(&scratch, &["true".to_owned()]);
    live(
        &scratch,
        "apply --profile site --cert new.pem --key new.key --yes --defer",
    )
    .exits(0);
    let run = live(&scratch, "--json doctor").exits(5);
    let fault = run.json()["faults"][0].clone();
    assert_eq!(fault["verdict"], "old-leaf", "{run:#?}");
    let evidence = fault["evidence"].as_str().unwrap();
    assert!(
        evidence.contains(&scratch.fingerprint("old.pem"))
            && evidence.contains(&scratch.fingerprint("new.pem"))
    );
    let seen = scratch.sh(fault["look"].as_str().unwrap());
    let colons = scratch.sh("openssl x509 -in old.pem -noout -fingerprint -sha256");
    assert!(seen.contains(colons.trim()), "{seen}");
    let text = live(&scratch, "doctor").exits(5);
    text.says("1. the service has not loaded the files: site at 127.0.0.1:");
}

#[test]
fn a_default_identity_is_told_from_an_old_leaf() {
    let Some(scratch) = desk() else { return };
    scratch.sh("openssl req -x509 -newkey rsa:2048 -nodes -keyout old.key -out old.pem -days 30 -subj '/CN=*/O=Maker' 2>/dev/null");
    scratch.mint("new", "site.example.com");
    let site = Nginx::serving(&scratch, "site", "old");
    site.profile(&scratch, &["true".to_owned()]);
    let profile = scratch.read("P/site/profile.yaml");
    scratch.file(
        "P/site/profile.yaml",
        format!("{profile}default_identity: [\"CN=*, O=Maker\"]\n"),
    );
    live(
        &scratch,
        "apply --profile site --cert new.pem --key new.key --yes --defer",
    )
    .exits(0);
    let run = live(&scratch, "--json doctor").exits(5);
    let fault = run.json()["faults"][0].clone();
    assert_eq!(fault["verdict"], "default-identity", "{run:#?}");
    let seen = scratch.sh(fault["look"].as_str().unwrap());
    let shown = scratch.sh("openssl x509 -in old.pem -noout -subject -dates -fingerprint -sha256");
    assert_eq!(seen, shown);
}
