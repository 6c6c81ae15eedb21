//! Where certificates are: in files with their chains, in stores, in documents and behind endpoints.

use serde_json::Value;

use super::{on, rolled, root};
use crate::{
    common::{Scratch, skip},
    nginx::{Nginx, cannot, live},
};

/// What `status --format json` says of certificates, each as `SOURCE PLACE POSITION SUBJECT`.
#[track_caller]
fn certificates(document: &Value) -> Vec<String> {
    let all = document["certificates"].as_array().unwrap().iter();
    all.map(|one| {
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        let place = [text("path"), text("alias"), text("key"), text("name")].join(" ");
        let place = place.split_whitespace().collect::<Vec<_>>().join(" ");
        format!(
            "{} {place} {} {}",
            text("source"),
            one["position"],
            text("subject")
        )
    })
    .collect()
}

#[test]
fn every_certificate_of_a_chain_is_told_by_its_position() {
    let scratch = root();
    scratch.sh(
        "openssl req -x509 -newkey ed25519 -nodes -keyout ca.key -out ca.pem -days 900 -subj /CN=Root 2>&1
         openssl req -newkey ed25519 -nodes -keyout im.key -out im.csr -subj /CN=Middle 2>&1
         printf 'basicConstraints=critical,CA:TRUE\\n' > ca.ext
         openssl x509 -req -in im.csr -CA ca.pem -CAkey ca.key -days 400 -extfile ca.ext -out im.pem 2>&1
         openssl req -newkey ed25519 -nodes -keyout site.key -out site.csr -subj /CN=site.example.com 2>&1
         printf 'subjectAltName=DNS:site.example.com\\n' > site.ext
         openssl x509 -req -in site.csr -CA im.pem -CAkey im.key -days 300 -extfile site.ext -out leaf.pem 2>&1
         cat leaf.pem im.pem > site.pem",
    );
    rolled(&scratch, "site");
    let document = on(&scratch, "status --format json").json();
    assert_eq!(
        certificates(&document),
        [
            "file /t/site.pem 0 CN=site.example.com",
            "file /t/site.pem 1 CN=Middle"
        ]
    );
    let text = on(&scratch, "status -v").out;
    assert!(
        text.contains(": CN=Middle, at 1 place\n    /t/site.pem\n"),
        "{text}"
    );
    assert!(text.contains("last run: generation 1 placed, "), "{text}");
}

#[test]
fn entries_of_a_store_are_told_by_alias_and_those_of_others_are_not() {
    let scratch = Scratch::new();
    scratch.mint("site", "site.example.com");
    scratch.mint("theirs", "theirs.example.com");
    scratch.file("R/etc/pw", "changeit\n");
    scratch.dir("R/opt");
    scratch.sh(
        "openssl pkcs12 -export -inkey theirs.key -in theirs.pem -name theirs -passout pass:changeit -out R/opt/s.p12",
    );
    scratch.profile(
        "own",
        "resources:\n  - {kind: keystore, path: /opt/s.p12, alias: gateway, password_file: /etc/pw, \
         trusted: [{alias: peer, form: leaf}]}\n",
    );
    on(
        &scratch,
        "apply --profile own --cert site.pem --key site.key --yes",
    )
    .exits(0);
    let document = on(&scratch, "status --format json").exits(0).json();
    let mut told = certificates(&document);
    told.sort();
    assert_eq!(
        told,
        [
            "store /opt/s.p12 gateway 0 CN=site.example.com",
            "store /opt/s.p12 peer 0 CN=site.example.com"
        ]
    );
    // A password that opens it no more is a place that cannot be read, and that is told.
    scratch.file("R/etc/pw", "wrong\n");
    let line = on(&scratch, "status --format nagios").exits(3);
    assert!(line.out.contains("/opt/s.p12"), "{line:?}");
}

#[test]
fn a_certificate_inside_a_document_is_told_by_the_way_to_it() {
    let scratch = Scratch::new();
    scratch.mint("site", "site.example.com");
    scratch.mint_between("old", "inside.example.com", 2019, 2021);
    let pem = scratch.read("old.pem").replace('\n', "\\n");
    scratch.file(
        "R/opt/c.json",
        format!("{{\"host\": \"x\", \"tls\": {{\"chain\": [\"none\", \"{pem}\"]}}}}\n"),
    );
    scratch.profile(
        "own",
        "resources:\n  - kind: document\n    path: /opt/c.json\n    format: json\n    edits: [{at: host, value: \"{{ identity.name }}\"}]\n",
    );
    on(
        &scratch,
        "apply --profile own --cert site.pem --key site.key --yes",
    )
    .exits(0);
    let document = on(&scratch, "status --format json").exits(5).json();
    assert_eq!(
        certificates(&document),
        ["document /opt/c.json tls.chain.1 0 CN=inside.example.com"]
    );
    let line = on(&scratch, "status --format nagios").exits(2);
    assert!(
        line.out
            .contains("expired on 2021-01-01 00:00 UTC, at /opt/c.json (tls.chain.1)"),
        "{line:?}"
    );
}

#[test]
fn what_an_endpoint_presents_is_told_beside_what_is_on_disk() {
    if let Some(reason) = cannot() {
        return skip(reason);
    }
    let scratch = Scratch::new();
    scratch.mint("old", "site.example.com");
    scratch.mint("new", "site.example.com");
    let site = Nginx::serving(&scratch, "site", "old");
    site.reloads(&scratch);
    live(
        &scratch,
        "apply --profile site --cert new.pem --key new.key --yes",
    )
    .exits(0);
    let document = live(&scratch, "status --format json").exits(0).json();
    let of = |document: &Value, source: &str| -> Vec<String> {
        let all = document["certificates"].as_array().unwrap().iter();
        let ours = all.filter(|one| one["source"] == source);
        ours.map(|one| one["sha256"].as_str().unwrap().to_owned())
            .collect()
    };
    let new = scratch.fingerprint("new.pem");
    assert_eq!(of(&document, "served"), [new.as_str()]);
    assert_eq!(of(&document, "file"), [new.as_str()]);
    // Somebody puts the old pair back and reloads: served and on disk, told apart from what is wanted.
    scratch.sh("cp old.pem site/pki/site.pem; cp old.key site/pki/site.key");
    scratch.sh(&format!("{} 2>&1", site.reload(&scratch).join(" ")));
    site.settles_on(&scratch, "old");
    let document = live(&scratch, "status --format json").exits(5).json();
    assert_eq!(of(&document, "served"), [scratch.fingerprint("old.pem")]);
    let line = live(&scratch, "status --format nagios").exits(1);
    assert!(line.out.contains("presents another leaf"), "{line:?}");
    let metrics = live(&scratch, "status --format prometheus").exits(0).out;
    let served = format!("endpoint=\"127.0.0.1:{}\"", site.port);
    assert!(metrics.contains(&served), "{metrics}");
}
