//! `doctor` on hosts that are broken one fault at a time: the right verdict first, and the printed command, run on the
//! host, shows the fault.

use serde_json::Value;

use crate::{
    host::{Host, Lab},
    nginx::{NEW, serve},
};

/// Runs the doctor on a host, and the command of its first fault: the verdict must be this, its evidence have a text,
/// and what the command prints another.
#[track_caller]
fn first(host: &Host<'_>, about: &str, verdict: &str, evidence: &str, shows: &str) -> Value {
    let run = host
        .certroll(&format!("--json doctor {about} --profiles /root/profiles"))
        .exits(5);
    let fault = run.json()["faults"][0].clone();
    assert_eq!(fault["verdict"], verdict, "{run:#?}");
    let found = fault["evidence"].as_str().unwrap();
    assert!(found.contains(evidence), "no {evidence:?} in {found:?}");
    let look = fault["look"].as_str().unwrap();
    let seen = host.exec(&["sh", "-c", &format!("({look}) 2>&1")]).out;
    assert!(seen.contains(shows), "no {shows:?} in {seen:?} of {look}");
    fault
}

#[track_caller]
fn healthy(host: &Host<'_>, about: &str) {
    let run = host.certroll(&format!("doctor {about} --profiles /root/profiles"));
    assert!(run.exits(0).out.contains("no fault found"), "{about}");
}

/// A host whose nginx serves the rollout `site`.
fn rolled_out(lab: &Lab) -> [Host<'_>; 2] {
    let hosts = lab.hosts(["web", "client"]);
    let web = &hosts[0];
    serve(web, "reload");
    web.certroll(&format!("apply {NEW} --yes")).exits(0);
    hosts
}

#[test]
fn a_unit_that_was_killed_and_a_site_on_another_pair_are_told_apart() {
    let lab = Lab::take();
    let [web, _] = rolled_out(&lab);
    healthy(&web, "site");

    web.sh("systemctl kill --signal=KILL nginx; until systemctl is-failed --quiet nginx; do sleep 0.1; done");
    let fault = first(
        &web,
        "site",
        "unit-down",
        "nginx.service is failed",
        "Active: failed (Result: signal)",
    );
    // What it says first brings it back.
    let fix = fault["fix"].as_str().unwrap();
    assert!(fix.contains("`systemctl start nginx.service`"), "{fix}");
    web.sh("systemctl start nginx");
    healthy(&web, "site");

    web.sh("systemctl stop nginx");
    first(
        &web,
        "site",
        "unit-down",
        "nginx.service is inactive",
        "Active: inactive",
    );
    web.sh("systemctl start nginx");

    web.sh(
        "cp /root/old.pem /etc/nginx/pki/other.pem; cp /root/old.key /etc/nginx/pki/other.key; \
         sed -i s:pki/site:pki/other: /etc/nginx/conf.d/site.conf; systemctl reload nginx; sleep 1",
    );
    first(
        &web,
        "site",
        "wrong-file",
        "/etc/nginx/conf.d/site.conf:3: nginx uses `/etc/nginx/pki/other.pem`",
        "ssl_certificate /etc/nginx/pki/other.pem;",
    );
    web.sh(
        "sed -i s:pki/other:pki/site: /etc/nginx/conf.d/site.conf; systemctl reload nginx; sleep 1",
    );
    healthy(&web, "site");
}

/// Makes an authority on a host, `/root/ca.pem`, and a pair `/root/new.*` of an intermediate of it; the leaf alone is
/// `/root/leaf.pem`.
fn issue(host: &Host<'_>) {
    let dns = host.dns();
    host.sh(&format!(
        "cd /root; ec='ec -pkeyopt ec_paramgen_curve:P-256 -nodes'; exec 2>&1
         openssl req -x509 -newkey $ec -keyout ca.key -out ca.pem -days 30 -subj '/CN=Lab root'
         openssl req -newkey $ec -keyout mid.key -out mid.csr -subj '/CN=Lab middle'
         echo basicConstraints=critical,CA:TRUE >ext
         openssl x509 -req -in mid.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out mid.pem
         openssl req -newkey $ec -keyout new.key -out leaf.csr -subj /CN={dns}
         echo subjectAltName=DNS:{dns} >ext
         openssl x509 -req -in leaf.csr -CA mid.pem -CAkey mid.key -CAcreateserial -days 20 -extfile ext -out leaf.pem
         cat leaf.pem mid.pem >new.pem; chmod 600 new.key"
    ));
}

#[test]
fn a_leaf_without_its_intermediate_and_an_authority_that_the_host_does_not_know_are_told_apart() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    serve(&web, "reload");
    issue(&web);
    web.certroll(&format!("apply {NEW} --yes")).exits(0);
    let endpoint = format!("{}:443", web.dns());

    // Nobody knows the authority yet, on whichever host.
    for host in [&web, &client] {
        first(
            host,
            &endpoint,
            "untrusted",
            "Lab root",
            "depth=1 CN = Lab middle\nverify error:num=20:unable to get local issuer certificate",
        );
    }
    let ca = web.sh("cat /root/ca.pem");
    for host in [&web, &client] {
        host.file("/usr/local/share/ca-certificates/lab.crt", &ca);
        host.sh("update-ca-certificates 2>&1");
        healthy(host, &endpoint);
    }
    healthy(&web, "site");

    web.sh(
        "cp /root/leaf.pem /etc/nginx/pki/leaf.pem; \
         sed -i s:pki/site.pem:pki/leaf.pem: /etc/nginx/conf.d/site.conf; systemctl reload nginx; sleep 1",
    );
    let stops = "verify error:num=21:unable to verify the first certificate";
    first(
        &web,
        "site",
        "chain-incomplete",
        "with 0 certificates after it",
        stops,
    );
    first(&client, &endpoint, "chain-incomplete", "Lab middle", stops);
}
