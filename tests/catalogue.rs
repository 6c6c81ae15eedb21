//! The built-in profiles of daemons, on trees that hold what each daemon's configuration says.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test works on the host, and one that cannot go on says so"
)]

#[path = "catalogue/cases.rs"]
mod cases;
mod common;

use cases::{NAMED, OWN};
use common::Scratch;

const PAIR: &str = "--cert a.pem --key a.key";

/// Groups and users that the profiles name, all of them root here.
const OWNERS: &[&str] = &[
    "root",
    "Debian-exim",
    "bind",
    "freerad",
    "icecast",
    "mosquitto",
    "mysql",
    "openldap",
    "postgres",
    "prosody",
    "rabbitmq",
    "redis",
    "turnserver",
    "unbound",
];

fn host(files: &[(&str, &str)]) -> Scratch {
    let scratch = Scratch::new();
    scratch.mint("a", "mail.example.com");
    let all = |line: fn(&&str) -> String| OWNERS.iter().map(line).collect::<Vec<_>>().join("\n");
    let users = all(|name| format!("{name}:x:0:0::/:/bin/sh"));
    let groups = all(|name| format!("{name}:x:0:"));
    scratch.file("R/etc/passwd", users);
    scratch.file("R/etc/group", groups);
    for (path, text) in files {
        scratch.file(&format!("R{path}"), text);
    }
    scratch
}

#[test]
fn every_profile_of_a_daemon_places_the_identity_where_its_configuration_looks() {
    // Platforms have tests of their own.
    let mut tried: Vec<&str> = vec!["checkpoint", "era", "speechmatics", "wazo", "wso2"];
    for (profile, files, wanted) in NAMED.iter().chain(OWN) {
        let scratch = host(files);
        let before = scratch.tree();
        let run = scratch
            .on_root(&format!("apply --profile {profile} {PAIR} --yes"))
            .exits(0);
        assert!(run.last().starts_with("placed: "), "{run:#?}");
        for (path, mode) in *wanted {
            let found = scratch.sh(&format!("stat --format %a R{path}"));
            assert_eq!(format!("0{}", found.trim()), *mode, "{profile}: {path}");
        }
        // What the daemon's own files say is never edited, and all of it can be taken back.
        for (path, text) in *files {
            assert_eq!(
                scratch.read(&format!("R{path}")),
                *text,
                "{profile}: {path}"
            );
        }
        scratch.on_root("rollback --yes").exits(0);
        scratch.tree().is(&before);
        tried.push(profile);
    }
    tried.sort_unstable();
    assert_eq!(tried, certroll::profile::embedded());
}

#[test]
fn a_daemon_that_names_no_pair_or_the_shared_one_is_not_rolled_out_to_before_a_person_points_it() {
    let snakeoil = |text: &str| {
        text.replace("/etc/a.pem", "/etc/ssl/certs/ssl-cert-snakeoil.pem")
            .replace("/etc/a.key", "/etc/ssl/private/ssl-cert-snakeoil.key")
            .replace(
                "/etc/haproxy/certs/site.pem",
                "/etc/ssl/certs/ssl-cert-snakeoil.pem",
            )
    };
    for (profile, files, _) in NAMED {
        for change in [snakeoil, |_: &str| String::new()] {
            let scratch = host(&[]);
            for (path, text) in *files {
                scratch.file(&format!("R{path}"), change(text));
            }
            let before = scratch.tree();
            let run = scratch
                .on_root(&format!("apply --profile {profile} {PAIR} --yes"))
                .exits(1);
            let told = format!("{}{}", run.out, run.err);
            assert!(told.contains("[not-configured]"), "{run:#?}");
            scratch.tree().is(&before);
        }
    }
}

#[test]
fn a_store_of_another_tool_is_never_changed_whatever_a_configuration_names() {
    for store in [
        "/etc/letsencrypt/live/a",
        "/root/.acme.sh/a",
        "/etc/lego/certificates",
    ] {
        let main = format!("smtpd_tls_cert_file={store}/a.pem\nsmtpd_tls_key_file={store}/a.key\n");
        let scratch = host(&[("/etc/postfix/main.cf", &main)]);
        let run = scratch
            .on_root(&format!("apply --profile postfix {PAIR} --yes"))
            .exits(1);
        let told = format!("{}{}", run.out, run.err);
        assert!(
            told.contains(&format!("`{store}/a.key` must never be changed")),
            "{run:#?}"
        );
    }
}

#[test]
fn a_setting_is_given_to_one_profile_of_several_by_name() {
    let mut files = NAMED[0].1.to_vec();
    files.push(("/etc/nginx/nginx.conf", ""));
    let scratch = host(&files);
    let both = format!("--profile postfix --profile nginx {PAIR}");
    let settings = |set: &str| {
        let run = scratch
            .on_root(&format!("--json plan {both} {set}"))
            .exits(5);
        let plan = run.json();
        let port = |name: &str| plan["settings"][name].as_str().unwrap().to_owned();
        (port("postfix.port"), port("nginx.port"))
    };
    assert_eq!(settings(""), ("25".into(), "443".into()));
    assert_eq!(
        settings("--set nginx.port=8443"),
        ("25".into(), "8443".into())
    );
    assert_eq!(
        settings("--set port=1 --set nginx.port=2"),
        ("1".into(), "2".into())
    );
    let run = scratch
        .on_root(&format!("plan {both} --set postfix.prt=1"))
        .exits(2);
    assert!(
        run.err.contains("unknown setting `postfix.prt`"),
        "{run:#?}"
    );
}
