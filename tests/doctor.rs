//! `certroll doctor`: one broken host for each verdict. The right verdict comes first, a healthy host has none, and the
//! printed command, run, shows the fault.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests break hosts themselves, and fail by panicking"
)]

mod common;
#[path = "doctor/endpoint.rs"]
mod endpoint;
#[path = "doctor/log.rs"]
mod log;
#[path = "common/nginx.rs"]
mod nginx;

use common::{Running, Scratch};

const A: &str = "--profile wazo --cert a.pem --key a.key";
const NAME: &str = "wazo.example.com";

/// A Wazo tree on which a rollout was placed, with two daemons that the platform knows.
fn placed() -> Scratch {
    let scratch = Scratch::wazo();
    scratch.mint("a", NAME);
    scratch.mint("b", NAME);
    for daemon in ["wazo-auth", "wazo-calld"] {
        scratch.dir(&format!("R/etc/{daemon}/conf.d"));
        scratch.file(
            &format!("R/etc/{daemon}/config.yml"),
            "auth:\n  host: localhost\n  verify_certificate: False\n",
        );
    }
    scratch
        .on_root(&format!("apply {A} --set release=20.03 --yes"))
        .exits(0);
    scratch
}

/// Runs the doctor, and holds the first fault against a verdict; its command, run on the tree, must show `shows`.
#[track_caller]
fn first(scratch: &Scratch, verdict: &str, evidence: &str, shows: &str) -> serde_json::Value {
    let run = scratch.on_root("--json doctor").exits(5);
    let report = run.json();
    let fault = report["faults"][0].clone();
    assert_eq!(fault["verdict"], verdict, "{run:#?}");
    let found = fault["evidence"].as_str().unwrap();
    assert!(found.contains(evidence), "no {evidence:?} in {found:?}");
    let seen = looked(scratch, &fault);
    assert!(seen.contains(shows), "no {shows:?} in {seen:?} of {fault}");
    fault
}

/// Runs the command of a fault; the host sees its own paths, names and state, and here they are below `R`.
fn looked(scratch: &Scratch, fault: &serde_json::Value) -> String {
    let root = scratch.text("R");
    let look = fault["look"].as_str().unwrap();
    let look = look.replace(" /", &format!(" {root}/"));
    let script = format!(
        "test ! -e {root}/etc/hosts || mount --bind {root}/etc/hosts /etc/hosts; certroll() {{ {} --root {root} \"$@\"; }}; ({look}) 2>&1 || true",
        common::CERTROLL
    );
    let mut command = scratch.program("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-euc", &script]);
    Running::start(&mut command).end().exits(0).out
}

#[test]
fn a_healthy_tree_has_no_fault_and_says_what_is_no_fault() {
    let scratch = placed();
    let before = scratch.tree();
    let run = scratch.on_root("doctor").exits(0);
    assert!(run.last().starts_with("wazo: no fault found; "), "{run:#?}");
    run.clone()
        .says("`curl https://localhost` is expected to fail: the leaf has wazo.example.com");
    scratch
        .on_root("doctor -v")
        .exits(0)
        .says("good `wazo-calld` calls `auth` at `wazo.example.com`");
    scratch.tree().is(&before);
}

#[test]
fn a_key_that_its_reader_cannot_read_is_named_with_the_missing_bit() {
    let scratch = placed();
    scratch.mode("R/usr/share/xivo-certs", 0o700);
    let fault = first(
        &scratch,
        "file-unreadable",
        "xivo-certs` is 0700",
        "Permission denied",
    );
    assert!(
        fault["fix"]
            .as_str()
            .unwrap()
            .starts_with("setfacl -m u:www-data:x /usr/share/xivo-certs")
    );
}

#[test]
fn a_leaf_that_a_package_replaced_is_named() {
    let scratch = placed();
    scratch.sh("cat b.pem > R/usr/share/xivo-certs/server.crt");
    let shown = scratch.sh("openssl x509 -in b.pem -noout -fingerprint -sha256");
    first(
        &scratch,
        "file-changed",
        "`/usr/share/xivo-certs/server.crt`",
        shown.trim(),
    );
}

#[test]
fn a_daemon_whose_link_is_gone_or_leads_elsewhere_is_named() {
    let scratch = placed();
    scratch.sh("ln -sfn /nowhere R/etc/wazo-auth/conf.d/010-custom-certificate.yml");
    first(
        &scratch,
        "override-unlinked",
        "leads to `/nowhere`",
        "/nowhere",
    );
    scratch.sh("rm R/etc/wazo-auth/conf.d/010-custom-certificate.yml");
    first(
        &scratch,
        "override-unlinked",
        "is gone",
        "010-custom-certificate.yml': No such file or directory",
    );
}

#[test]
fn a_file_that_comes_before_the_override_is_named_with_its_line() {
    let scratch = placed();
    scratch.file(
        "R/etc/wazo-calld/conf.d/005-local.yml",
        "auth:\n  host: localhost\n",
    );
    first(
        &scratch,
        "override-masked",
        "/etc/wazo-calld/conf.d/005-local.yml:2: `auth.host` is `localhost`",
        "host: localhost",
    );
}

#[test]
fn a_verify_mode_that_the_issuer_does_not_satisfy_is_named() {
    let scratch = placed();
    let file = "R/etc/xivo/custom/custom-certificate.yml";
    let trusting = scratch
        .read(file)
        .replace("\"/usr/share/xivo-certs/server.crt\"", "True");
    scratch.file("R/etc/wazo-calld/conf.d/001-trust.yml", trusting);
    let run = scratch.on_root("--json doctor").exits(5).json();
    let verdicts: Vec<&str> = run["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts[0], "override-masked");
    let wrong = run["faults"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["verdict"] == "wrong-verify")
        .unwrap();
    assert!(
        wrong["evidence"]
            .as_str()
            .unwrap()
            .contains("is `True`: no trust anchor of this host leads to the leaf"),
        "{wrong}"
    );
    assert_eq!(wrong["fix"], "certroll apply --set verify=file");
    let seen = looked(&scratch, wrong);
    assert!(seen.contains("verification failed"), "{wrong}: {seen}");
    assert!(seen.contains("elf-signed certificate"), "{wrong}: {seen}");

    let other = scratch
        .read(file)
        .replace("/usr/share/xivo-certs/server.crt", "/etc/other.pem");
    scratch.file("R/etc/wazo-calld/conf.d/001-trust.yml", other);
    scratch.sh("cp b.pem R/etc/other.pem");
    let run = scratch.on_root("--json doctor").exits(5).json();
    let faults = run["faults"].as_array().unwrap();
    let wrong = faults.iter().find(|f| f["verdict"] == "wrong-verify");
    let wrong = wrong.unwrap();
    let seen = looked(&scratch, wrong);
    assert!(seen.contains("verification failed"), "{wrong}: {seen}");
    // The file itself is in order: with it, its own leaf passes.
    let own = "openssl verify -CAfile R/etc/other.pem b.pem";
    assert_eq!(scratch.sh(own), "b.pem: OK\n");
}

#[test]
fn a_trust_anchor_that_somebody_replaced_is_told_before_anything_else() {
    let scratch = placed();
    scratch.mint("other", "other.example.com");
    scratch.sh("cp a.pem R/etc/anchor.pem");
    let apply = "apply --yes --set verify=/etc/anchor.pem";
    scratch.on_root(apply).exits(0);
    scratch.on_root("doctor").exits(0);
    scratch.sh("cp other.pem R/etc/anchor.pem");
    let fault = first(
        &scratch,
        "wrong-verify",
        "`/etc/anchor.pem`: that file does not lead to the leaf",
        "verification failed",
    );
    assert_eq!(fault["fix"], "certroll apply --set verify=file");
}

#[test]
fn what_is_no_file_any_more_is_told_by_what_it_is() {
    let scratch = Scratch::new();
    scratch.dir("R/etc/own");
    scratch.mint("a", NAME);
    scratch.profile(
        "own",
        "resources:\n  - {kind: pem, path: /etc/own/leaf.pem, form: leaf, on_link: replace}\n",
    );
    let apply = "--profiles P apply --profile own --cert a.pem --key a.key --yes";
    scratch.on_root(apply).exits(0);
    scratch.sh("ln -sfn /nowhere R/etc/own/leaf.pem");
    let run = scratch.on_root("--profiles P --json doctor").exits(5);
    let fault = run.json()["faults"][0].clone();
    assert_eq!(fault["verdict"], "file-changed");
    assert_eq!(
        fault["evidence"],
        "`/etc/own/leaf.pem` is a link, want a file"
    );
    let seen = looked(&scratch, &fault);
    assert!(seen.contains("-> /nowhere"), "{fault}: {seen}");
}

#[test]
fn a_name_that_resolves_to_another_address_is_named() {
    let scratch = placed();
    scratch.sh("sed -i 's/^127.0.0.1\\(.*wazo.example.com\\)/127.0.1.1\\1/' R/etc/hosts");
    first(
        &scratch,
        "wrong-address",
        "resolves to 127.0.1.1, want 127.0.0.1 alone",
        "127.0.1.1 ",
    );
}

#[test]
fn a_name_that_resolves_to_ipv6_too_where_daemons_listen_on_ipv4_alone_is_named() {
    let scratch = placed();
    let hosts = scratch.read("R/etc/hosts");
    scratch.file("R/etc/hosts", format!("{hosts}::1 {NAME}\n"));
    let fault = first(&scratch, "wrong-address", "::1", "::1 ");
    assert_eq!(fault["about"], NAME);
    let evidence = fault["evidence"].as_str().unwrap();
    assert!(evidence.ends_with("want 127.0.0.1 alone"), "{evidence}");
}

#[test]
fn a_run_that_died_comes_before_everything_else() {
    let scratch = Scratch::wazo();
    scratch.mint("b", NAME);
    let inject = "inject=rename,renameat,renameat2:signal=KILL:when=6";
    let mut command = scratch.program("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", inject]);
    command.args([
        common::CERTROLL,
        "--root",
        "R",
        "apply",
        "--yes",
        "--profile",
        "wazo",
    ]);
    let killed = Running::start(command.args(["--cert", "b.pem", "--key", "b.key"])).end();
    assert_eq!(killed.code, 137, "{killed:#?}");
    let run = scratch.on_root("--json doctor").exits(5).json();
    assert_eq!(run["faults"][0]["verdict"], "rollout-open");
    assert_eq!(run["faults"][0]["fix"], "certroll recover");
    let seen = looked(&scratch, &run["faults"][0]);
    assert!(seen.starts_with("generation 1: wazo, open\n"), "{seen}");
}

#[test]
fn a_clock_that_went_back_is_told_before_what_it_breaks() {
    let scratch = placed();
    // Noon, so that no second of the test is on another day.
    let day = scratch.sh("date -u -d '40 days ago' +%F");
    let day = day.trim();
    let then = |argv: &[&str]| {
        let mut command = scratch.program("faketime");
        command.env("TZ", "UTC").arg(format!("{day} 12:00:00"));
        Running::start(command.args(argv)).end()
    };
    let run = then(&[common::CERTROLL, "--root", "R", "--json", "doctor"]).exits(5);
    let fault = run.json()["faults"][0].clone();
    assert_eq!(fault["verdict"], "clock-wrong", "{run:#?}");
    let evidence = fault["evidence"].as_str().unwrap();
    let says = format!("the clock says {day} 12:00 UTC, and a rollout or leaf is of ");
    assert!(evidence.starts_with(&says), "{evidence}");
    let seen = then(&["sh", "-c", fault["look"].as_str().unwrap()])
        .exits(0)
        .out;
    let shown = scratch.sh(&format!("date -u -d {day} '+%a %b %e'"));
    assert!(seen.starts_with(shown.trim_end()), "{seen}");
}
