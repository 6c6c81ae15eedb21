//! A rollout on the machine itself, with a real server: whatever happens, one leaf is served, and openssl says which.

mod common;
#[path = "common/nginx.rs"]
mod nginx;

use common::{Running, Scratch, skip, until};
use nginx::{Nginx, cannot, generations, live, mint_expired};

const NEW: &str = "--cert new.pem --key new.key";

const DNS: &str = "site.example.com";

/// A directory with the pairs `old` and `new`; none where these tests cannot run.
fn pairs() -> Option<Scratch> {
    if let Some(reason) = cannot() {
        skip(reason);
        return None;
    }
    let scratch = Scratch::new();
    scratch.mint("old", DNS);
    scratch.mint("new", DNS);
    Some(scratch)
}

/// The first digits of a leaf's fingerprint, as messages have them.
fn short(scratch: &Scratch, pair: &str) -> String {
    format!("`{}…`", &scratch.fingerprint(&format!("{pair}.pem"))[..16])
}

fn commits(scratch: &Scratch, site: &Nginx) {
    let plan = live(scratch, &format!("plan --profile site {NEW}")).exits(5);
    site.serves(scratch, "old");
    assert!(plan.out.contains("-s reload\n"), "{plan:#?}");

    let applied = live(scratch, &format!("apply --profile site {NEW} --yes")).exits(0);
    site.serves(scratch, "new");
    assert_eq!(applied.last(), "committed: generation 1, 1 probe good");
    assert_eq!(scratch.read("site/pki/site.key"), scratch.read("new.key"));
    let key = &site.tree(scratch).0[std::path::Path::new("pki/site.key")];
    assert_eq!(key.mode & 0o7777, 0o600);

    let again = live(scratch, &format!("apply --profile site {NEW} --yes")).exits(0);
    assert_eq!(again.last(), "converged: nothing to do, 1 probe good");
    assert_eq!(generations(scratch), 1);
    let status = live(scratch, "status").exits(0);
    assert!(status.out.contains("site: as wanted\n"), "{status:#?}");
}

fn is_rolled_back(scratch: &Scratch, site: &Nginx) {
    let before = site.tree(scratch);
    let mut command = scratch.command(&["--state", "S", "--profiles", "P", "apply", "--yes"]);
    command
        .args(["--profile", "site"])
        .args(NEW.split(' '))
        .args(["--set", "site_directive=no_such_directive on;"]);
    let run = Running::start(&mut command).end().exits(3);
    site.serves(scratch, "old");
    site.tree(scratch).is(&before);
    for said in [
        "-t` exited with 1: ",
        "unknown directive \"no_such_directive\"",
    ] {
        assert!(run.out.contains(said), "no {said:?} in {run:#?}");
    }
    assert_eq!(
        run.last(),
        "rolled back: generation 1, everything as it was before"
    );
    let plan = live(scratch, &format!("plan --profile site {NEW}"));
    plan.exits(5);
}

#[test]
fn a_rollout_reloads_the_server_and_ends_when_it_serves_the_new_leaf() {
    let Some(scratch) = pairs() else { return };
    let site = Nginx::serving(&scratch, "site", "old");
    site.reloads(&scratch);
    commits(&scratch, &site);

    let probe = live(
        &scratch,
        &format!("--json probe 127.0.0.1:{port}", port = site.port),
    )
    .exits(0)
    .json();
    assert_eq!(
        probe["probes"][0]["endpoints"][0]["leaf"]["sha256"].as_str(),
        Some(scratch.fingerprint("new.pem").as_str())
    );
}

#[test]
fn a_rollback_serves_the_old_leaf_again_from_the_very_tree() {
    let Some(scratch) = pairs() else { return };
    let site = Nginx::serving(&scratch, "site", "old");
    site.reloads(&scratch);
    let before = site.tree(&scratch);
    live(&scratch, &format!("apply --profile site {NEW} --yes")).exits(0);
    site.serves(&scratch, "new");

    let back = live(&scratch, "rollback --yes").exits(0);
    site.serves(&scratch, "old");
    site.tree(&scratch).is(&before);
    assert_eq!(back.last(), "committed: generation 2, 1 probe good");
}

#[test]
fn a_configuration_that_the_server_refuses_is_rolled_back() {
    let Some(scratch) = pairs() else { return };
    let site = Nginx::serving(&scratch, "site", "old");
    site.reloads(&scratch);
    is_rolled_back(&scratch, &site);
}

#[test]
fn an_old_leaf_that_has_expired_is_rolled_away_from() {
    let Some(scratch) = pairs() else { return };
    mint_expired(&scratch, "old", DNS);
    let site = Nginx::serving(&scratch, "site", "old");
    site.reloads(&scratch);
    commits(&scratch, &site);
}

#[test]
fn an_old_leaf_that_has_expired_is_kept_where_the_configuration_is_refused() {
    let Some(scratch) = pairs() else { return };
    mint_expired(&scratch, "old", DNS);
    let site = Nginx::serving(&scratch, "site", "old");
    site.reloads(&scratch);
    is_rolled_back(&scratch, &site);
}

#[test]
fn a_command_that_does_nothing_and_says_it_did_is_found_out() {
    let Some(scratch) = pairs() else { return };
    let site = Nginx::serving(&scratch, "site", "old");
    site.profile(&scratch, &["true".to_owned()]);
    let before = site.tree(&scratch);
    let run = live(&scratch, &format!("apply --profile site {NEW} --yes")).exits(3);
    site.serves(&scratch, "old");
    site.tree(&scratch).is(&before);
    let said = format!(
        "error: site: TLS at 127.0.0.1:{port} 127.0.0.1:{port} presents another leaf: {} (CN={DNS}): want leaf {}\n",
        short(&scratch, "old"),
        short(&scratch, "new"),
        port = site.port
    );
    assert!(run.out.contains(&said), "no {said:?} in {run:#?}");
}

#[test]
fn what_is_deferred_is_owed_until_a_later_run_proves_it() {
    let Some(scratch) = pairs() else { return };
    let site = Nginx::serving(&scratch, "site", "old");
    site.reloads(&scratch);
    let deferred = live(
        &scratch,
        &format!("apply --profile site {NEW} --defer --yes"),
    )
    .exits(0);
    site.serves(&scratch, "old");
    assert!(
        deferred.last().starts_with("placed: generation 1"),
        "{deferred:#?}"
    );
    let port = site.port;
    let prove = format!("prove site: TLS at 127.0.0.1:{port}");
    let reload = format!("run `{}`", site.reload(&scratch).join(" "));
    for owed in [&prove, &reload] {
        assert!(
            deferred.out.contains(&format!("  {owed}\n")),
            "no {owed:?} in {deferred:#?}"
        );
    }
    let status = live(&scratch, "--json status").exits(5).json();
    let owed = status["owed"].as_array().unwrap();
    assert!(owed.contains(&prove.into()), "{status:#}");
    assert!(owed.contains(&reload.into()), "{status:#}");
    assert!(status["drift"].as_array().unwrap().is_empty(), "{status:#}");

    let honoured = live(&scratch, "apply --yes").exits(0);
    site.serves(&scratch, "new");
    assert_eq!(honoured.last(), "committed: generation 2, 1 probe good");
    let status = live(&scratch, "--json status").exits(0).json();
    assert!(status["owed"].as_array().unwrap().is_empty(), "{status:#}");
}

#[test]
fn a_run_that_is_killed_after_the_switch_is_recovered_with_the_command_it_left() {
    let Some(scratch) = pairs() else { return };
    let site = Nginx::serving(&scratch, "site", "old");
    let reload = site.reload(&scratch).join(" ");
    let top = scratch.text("");
    scratch.file(
        "slow",
        format!(
            "#!/bin/sh -eu\n{reload}\ncd {top}\nif mkdir first 2>/dev/null\nthen\n    sleep 60 &\n    echo $! >left.new\n    \
             mv left.new left\n    wait\nfi\n"
        ),
    );
    scratch.mode("slow", 0o755);
    site.profile(&scratch, &[scratch.text("slow")]);
    let before = site.tree(&scratch);
    let line = format!("--state S --profiles P apply --profile site {NEW} --yes");
    let run = Running::start(&mut scratch.command(&line.split(' ').collect::<Vec<_>>()));
    until("the command", || scratch.path("left").exists());
    let new = Some(scratch.fingerprint("new.pem"));
    until("the new leaf", || site.leaf(&scratch) == new);
    let pid = run.id();
    run.signal("KILL");
    run.end().exits(128 + 9);
    // Of a zombie that nobody reaps the kernel shows no words.
    let words = format!("/proc/{}/cmdline", scratch.read("left").trim());
    let left = format!("if test -e {words}; then tr '\\0' ' ' <{words}; fi");
    assert_eq!(scratch.sh(&left), "sleep 60 ", "nothing outlived the run");

    let plan = live(&scratch, &format!("plan --profile site {NEW}")).exits(4);
    assert!(
        plan.err.contains("generation 1 is open: ")
            && plan.err.contains("\nhint: certroll recover\n"),
        "{plan:#?}"
    );
    let recovered = live(&scratch, "recover").exits(0);
    site.serves(&scratch, "old");
    site.tree(&scratch).is(&before);
    assert_eq!(
        scratch.sh(&left),
        "",
        "what outlived the run is still there"
    );
    assert_eq!(
        recovered.last(),
        "rolled back: generation 1, everything as it was before"
    );
    live(&scratch, &format!("plan --profile site {NEW}")).exits(5);
    // The empty directory that the killed command ran in is nobody's any more.
    scratch.sh(&format!(
        "rmdir /run/certroll-{pid}-* /tmp/certroll-{pid}-* 2>/dev/null || true"
    ));
}

/// Two servers and a profile for each; `b` is told by a command of the test's.
fn two(scratch: &Scratch, b_command: Option<&str>) -> (Nginx, Nginx) {
    let a = Nginx::serving(scratch, "a", "old");
    let b = Nginx::serving(scratch, "b", "old");
    a.reloads(scratch);
    match b_command {
        Some(command) => b.profile(scratch, &[command.to_owned()]),
        None => b.reloads(scratch),
    }
    (a, b)
}

fn are_both_back(scratch: &Scratch, (a, b): &(Nginx, Nginx), more: &[&str]) -> common::Run {
    let before = (a.tree(scratch), b.tree(scratch));
    let mut command = scratch.command(&["--state", "S", "--profiles", "P", "apply", "--yes"]);
    command
        .args(["--profile", "a", "--profile", "b"])
        .args(NEW.split(' '))
        .args(more);
    let run = Running::start(&mut command).end().exits(3);
    for (site, before) in [(a, before.0), (b, before.1)] {
        site.serves(scratch, "old");
        site.tree(scratch).is(&before);
    }
    run
}

#[test]
fn two_profiles_go_back_together_where_the_second_servers_configuration_is_refused() {
    let Some(scratch) = pairs() else { return };
    let sites = two(&scratch, None);
    let run = are_both_back(&scratch, &sites, &["--set", "b_directive=nonsense;"]);
    assert!(
        run.out.contains("unknown directive \"nonsense\""),
        "{run:#?}"
    );
    // Without the broken directive the very same commits.
    live(
        &scratch,
        &format!("apply --profile a --profile b {NEW} --yes"),
    )
    .exits(0)
    .says("committed: generation 2, 2 probes good\n");
    sites.0.serves(&scratch, "new");
    sites.1.serves(&scratch, "new");
}

/// Two servers on what their package came with, each with a profile that knows it.
fn two_on_the_default(b_command: Option<&str>) -> Option<(Scratch, (Nginx, Nginx))> {
    let scratch = pairs()?;
    scratch.sh(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout old.key -out old.pem -days 30 \
         -subj '/CN=*/O=Maker' 2>&1",
    );
    let sites = two(&scratch, b_command);
    for name in ["a", "b"] {
        let file = format!("P/{name}/profile.yaml");
        let profile = scratch.read(&file) + "default_identity: [\"CN=*, O=Maker\"]\n";
        scratch.file(&file, profile);
    }
    Some((scratch, sites))
}

#[test]
fn status_names_every_endpoint_that_still_serves_a_default_identity() {
    let Some((scratch, (a, b))) = two_on_the_default(None) else {
        return;
    };
    let both = format!("--profile a --profile b {NEW}");
    let names = |line: &str| {
        let run = live(&scratch, line).exits(5);
        let said = |site: &str, port: u16| {
            let said = format!(
                "warning: {site}: TLS at 127.0.0.1:{port} at 127.0.0.1:{port} serves the platform's default identity `CN=*, O=Maker`"
            );
            run.out.contains(&said)
        };
        (said("a", a.port), said("b", b.port))
    };
    assert_eq!(names(&format!("plan {both}")), (true, true));
    live(&scratch, &format!("apply {both} --defer --yes")).exits(0);
    assert_eq!(names("status"), (true, true));
    scratch.sh(&a.reload(&scratch).join(" "));
    a.settles_on(&scratch, "new");
    assert_eq!(names("status"), (false, true));
    live(&scratch, "apply --yes").exits(0);
    let status = live(&scratch, "status").exits(0);
    assert!(!status.out.contains("default identity"), "{status:#?}");
}

#[test]
fn a_default_identity_that_is_served_after_a_rollout_is_a_failed_proof() {
    let Some((scratch, sites)) = two_on_the_default(Some("true")) else {
        return;
    };
    let run = are_both_back(&scratch, &sites, &[]);
    let said = format!(
        "error: b: TLS at 127.0.0.1:{port} 127.0.0.1:{port} presents another leaf: {} (CN=*, O=Maker): want leaf {}\n",
        short(&scratch, "old"),
        short(&scratch, "new"),
        port = sites.1.port
    );
    assert!(run.out.contains(&said), "no {said:?} in {run:#?}");
}

/// The first server is reloaded, and the second does nothing and is found out.
fn first_was_reloaded(scratch: &Scratch) {
    let sites = two(scratch, Some("true"));
    let run = are_both_back(scratch, &sites, &[]);
    let said = format!("error: b: TLS at 127.0.0.1:{}", sites.1.port);
    assert!(run.out.contains(&said), "no {said:?} in {run:#?}");
    let waited = format!(
        "waiting for 1 of 2 probes; b: TLS at 127.0.0.1:{} ",
        sites.1.port
    );
    assert!(run.err.contains(&waited), "a was not live: {run:#?}");
}

#[test]
fn a_server_that_was_reloaded_goes_back_where_the_next_one_fails() {
    let Some(scratch) = pairs() else { return };
    first_was_reloaded(&scratch);
}

#[test]
fn a_server_that_was_reloaded_goes_back_to_a_leaf_that_has_expired() {
    let Some(scratch) = pairs() else { return };
    mint_expired(&scratch, "old", DNS);
    first_was_reloaded(&scratch);
}
