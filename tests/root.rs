//! The whole way on an alternate root, as a user walks it: the real binary on real files.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test works on the host, and one that cannot go on says so"
)]

#[path = "root/back.rs"]
mod back;
mod common;

use common::{Running, Scratch, Snapshot, skip};

const A: &str = "--profile wazo --cert a.pem --key a.key";
const B: &str = "--profile wazo --cert b.pem --key b.key";

fn two_pairs() -> Scratch {
    let scratch = Scratch::wazo();
    scratch.mint("a", "wazo.example.com");
    scratch.mint("b", "wazo.example.com");
    scratch
}

fn generations(scratch: &Scratch) -> usize {
    let history = scratch.on_root("--json history").exits(0).json();
    history["generations"].as_array().unwrap().len()
}

#[test]
fn a_host_is_planned_placed_found_in_order_and_put_back_to_the_very_tree() {
    let scratch = two_pairs();
    let before = scratch.tree();

    let plan = scratch.on_root(&format!("plan {A}")).exits(5);
    for line in [
        "+ /usr/share/xivo-certs/server.key (pem)",
        "+ EC P-256 key, public fingerprint",
        "+ /usr/share/xivo-certs/server.crt (pem)",
        "+-----BEGIN CERTIFICATE-----",
        "+ /etc/xivo/custom/custom-certificate.yml (template)",
        "+consul:\n    +  host: \"wazo.example.com\"\n    +  verify: \"/usr/share/xivo-certs/server.crt\"",
        "+auth:\n    +  host: \"wazo.example.com\"\n    +  verify_certificate: \"/usr/share/xivo-certs/server.crt\"",
        "+ /etc/wazo-svc1/conf.d/010-custom-certificate.yml (link) -> /etc/xivo/custom/custom-certificate.yml",
        "+ /etc/wazo-svc4/conf.d/010-custom-certificate.yml (link) -> /etc/xivo/custom/custom-certificate.yml",
        "+ /etc/xivo/custom-templates/system/etc/hosts (template)",
        "~ /etc/hosts (hosts)",
        "-127.0.1.1\tpbx.example.com\tlocalhost.localdomain\tpbx",
        "+127.0.0.1\twazo.example.com\tlocalhost.localdomain\twazo",
    ] {
        assert!(plan.out.contains(line), "no {line:?} in\n{}", plan.out);
    }
    scratch.tree().is(&before);
    assert!(!scratch.path("R/var").exists(), "a plan leaves nothing");

    let applied = scratch.on_root(&format!("apply {A} --yes")).exits(0);
    assert!(
        applied.last().starts_with("placed: generation 1"),
        "{applied:#?}"
    );
    let pem = scratch.read("R/usr/share/xivo-certs/server.crt");
    assert_eq!(pem, scratch.read("a.pem"));
    let key = &scratch.tree().0[std::path::Path::new("usr/share/xivo-certs/server.key")];
    assert_eq!(key.mode & 0o7777, 0o640);
    // The platform's renderer gives /etc/hosts the owner and mode of the template; so must we, or it would differ.
    let hosts = &scratch.tree().0[std::path::Path::new("etc/hosts")];
    assert_eq!((hosts.mode & 0o7777, hosts.owner), (0o644, (0, 0)));

    scratch
        .on_root(&format!("plan {A}"))
        .exits(0)
        .says("nothing to do");
    scratch.on_root(&format!("status {A}")).exits(0);
    scratch.on_root("status").exits(0);

    scratch
        .on_root("rollback --yes --profile wazo")
        .exits(0)
        .says("placed: generation 2");
    scratch.tree().is(&before);
}

#[test]
fn applying_twice_converges_and_makes_no_generation() {
    let scratch = two_pairs();
    scratch.on_root(&format!("apply {A} --yes")).exits(0);
    // The lock names its last holder.
    let state_now = || Snapshot::of(&scratch.path("R/var/lib/certroll"), &["lock"]);
    let (placed, state) = (scratch.tree(), state_now());
    let again = scratch.on_root(&format!("apply {A} --yes")).exits(0);
    assert!(again.last().starts_with("converged: "), "{again:#?}");
    // Nothing to do needs no leave either.
    scratch.on_root(&format!("apply {A}")).exits(0);
    scratch.tree().is(&placed);
    state_now().is(&state);
    assert_eq!(generations(&scratch), 1);
}

#[test]
fn history_and_show_tell_what_was_done_and_forget_forgets() {
    let scratch = two_pairs();
    scratch.on_root("history").exits(0).says("no generation");
    scratch.on_root(&format!("apply {A} --yes")).exits(0);
    let history = scratch.on_root("history").exits(0);
    assert!(
        history.out.contains("placed")
            && history.out.contains("wazo")
            && history.out.contains("  root  by hand")
    );
    scratch
        .on_root("show 1")
        .exits(0)
        .says("+ /usr/share/xivo-certs/server.key (pem)")
        .says("placed: generation 1");
    let missing = scratch.on_root("show 7");
    assert!(
        missing.code == 2 && missing.err.contains('7'),
        "{missing:#?}"
    );
    let placed = scratch.tree();
    let wrong = scratch.on_root("forget waso").exits(2);
    assert!(wrong.err.contains("hint: known: `wazo`"));
    scratch.on_root("forget wazo").exits(0);
    scratch.tree().is(&placed);
    scratch.on_root("status").exits(2);
    scratch
        .on_root("rollback --yes")
        .exits(0)
        .says("nothing to take back");
    let kept = scratch.sh("find R/var/lib/certroll -name '*.pem' -o -path '*/before/*'");
    assert_eq!(kept, "", "copies of a forgotten rollout are gone");
}

#[test]
fn every_command_gives_one_json_document_with_its_format() {
    let scratch = two_pairs();
    for (line, code, format) in [
        (format!("plan {A}"), 5, "certroll/plan/1"),
        (format!("apply {A} --yes"), 0, "certroll/receipt/1"),
        (format!("apply {A} --yes"), 0, "certroll/receipt/1"),
        (format!("apply {B} --yes -v"), 0, "certroll/receipt/1"),
        ("plan".to_owned(), 0, "certroll/plan/1"),
        ("status".to_owned(), 0, "certroll/status/1"),
        ("history".to_owned(), 0, "certroll/history/1"),
        ("show 1".to_owned(), 0, "certroll/show/1"),
        ("rollback --yes".to_owned(), 0, "certroll/receipt/1"),
        ("rollback --yes".to_owned(), 0, "certroll/receipt/1"),
        ("rollback --yes".to_owned(), 0, "certroll/message/1"),
        ("recover".to_owned(), 0, "certroll/message/1"),
        ("recover --abandon".to_owned(), 0, "certroll/"),
        (format!("apply {A} --yes"), 0, "certroll/receipt/1"),
        ("forget wazo".to_owned(), 0, "certroll/message/1"),
        ("inspect a.pem a.key".to_owned(), 0, "certroll/"),
        ("inspect nothing.pem".to_owned(), 1, "certroll/error/1"),
        ("profiles list".to_owned(), 0, "certroll/"),
        ("profiles show wazo".to_owned(), 0, "certroll/"),
        ("probe 127.0.0.1:1".to_owned(), 1, "certroll/error/1"),
        ("show 99".to_owned(), 2, "certroll/error/1"),
        ("plan --profile nothing".to_owned(), 2, "certroll/error/1"),
        ("no-such-command".to_owned(), 2, "certroll/error/1"),
        ("plan --no-such-flag".to_owned(), 2, "certroll/error/1"),
    ] {
        let run = scratch.on_root(&format!("--json {line}"));
        let document = run.json();
        assert!(
            document["format"]
                .as_str()
                .is_some_and(|f| f.starts_with(format)),
            "{run:#?}"
        );
        assert_eq!(run.code, code, "{run:#?}");
        assert_eq!(run.err, "", "{line}");
    }
}

#[test]
fn a_saved_plan_is_applied_as_long_as_nothing_changed() {
    let scratch = two_pairs();
    let before = scratch.tree();
    scratch
        .on_root(&format!("plan {A} --out plan.json"))
        .exits(5);
    scratch.tree().is(&before);
    scratch.on_root("apply --plan plan.json --yes").exits(0);
    scratch.on_root(&format!("plan {A}")).exits(0);

    // The plan was made for the host as it was.
    let after = scratch.tree();
    let stale = scratch.on_root("apply --plan plan.json --yes").exits(7);
    assert!(
        stale.err.contains("--- approved\n+++ now\n@@") && stale.err.ends_with("host: unchanged\n"),
        "{stale:#?}"
    );
    scratch.tree().is(&after);
}

#[test]
fn a_saved_plan_is_stale_once_the_host_or_an_input_changed() {
    let scratch = two_pairs();
    scratch
        .on_root(&format!("plan {A} --out plan.json"))
        .exits(5);
    let before = scratch.tree();
    scratch.file("R/etc/hosts", "127.0.0.1\tlocalhost other\n");
    let changed = scratch.tree();
    let stale = scratch.on_root("apply --plan plan.json --yes").exits(7);
    assert!(stale.err.contains("localhost other"), "{stale:#?}");
    scratch.tree().is(&changed);
    assert_ne!(before, changed);

    let scratch = two_pairs();
    scratch
        .on_root(&format!("plan {A} --out plan.json"))
        .exits(5);
    let before = scratch.tree();
    scratch.sh("cp b.pem a.pem; cp b.key a.key");
    let stale = scratch.on_root("apply --plan plan.json --yes").exits(7);
    assert!(
        stale.err.contains(&scratch.fingerprint("b.pem")),
        "{stale:#?}"
    );
    scratch.tree().is(&before);
}

#[test]
fn a_rollout_given_by_flags_is_remembered_with_its_bytes_and_settings() {
    let scratch = two_pairs();
    scratch
        .on_root(&format!("apply {A} --set hostname=phone --yes"))
        .exits(0);
    let placed = scratch.tree();
    scratch.sh("rm a.pem a.key; printf gone > R/usr/share/xivo-certs/server.crt; rm R/etc/wazo-svc3/conf.d/*");
    scratch
        .on_root("status")
        .exits(5)
        .says("~ /usr/share/xivo-certs/server.crt");
    scratch.on_root("plan").exits(5);
    scratch.on_root("apply --yes").exits(0);
    // What was gone has lost its owner and mode to the shell's redirection only in content.
    scratch.tree().is(&placed);
    scratch.on_root("status").exits(0);
}

#[test]
fn a_rollout_file_names_a_rollout_that_follows_its_source() {
    let scratch = two_pairs();
    scratch.sh("mkdir -p R/etc/pair R/etc/certroll/rollouts.d; cp a.pem a.key R/etc/pair");
    let rollout =
        "profiles: [wazo]\ncert: /etc/pair/a.pem\nkey: /etc/pair/a.key\nset: {hostname: phone}\n";
    scratch.file("R/etc/certroll/rollouts.d/main.yaml", rollout);
    scratch
        .on_root("plan main")
        .exits(5)
        .says("wazo.example.com");
    scratch.on_root("apply main --yes").exits(0);
    scratch.on_root("status").exits(0);
    scratch.sh("cp b.pem R/etc/pair/a.pem; cp b.key R/etc/pair/a.key");
    scratch.on_root("status main").exits(5);
    scratch.on_root("apply --yes").exits(0);
    assert_eq!(
        scratch.read("R/usr/share/xivo-certs/server.crt"),
        scratch.read("b.pem")
    );
    let unknown = scratch.on_root("plan other").exits(2);
    assert!(
        unknown.err.contains("unknown rollout `other`") && unknown.err.contains("`main`"),
        "{unknown:#?}"
    );
    scratch.mode("R/etc/certroll/rollouts.d/main.yaml", 0o666);
    let refused = scratch.on_root("plan main").exits(2);
    assert!(
        refused.err.contains("can be written by others than root"),
        "{refused:#?}"
    );
}

#[test]
fn recover_has_nothing_to_do_where_nothing_is_open() {
    let scratch = two_pairs();
    let before = scratch.tree();
    for line in ["recover", "recover --abandon", "recover --boot"] {
        scratch
            .on_root(line)
            .exits(0)
            .says("nothing to recover: no generation is open");
    }
    scratch.tree().is(&before);
}

#[test]
fn a_step_that_is_done_is_no_longer_open_in_status_and_stays_in_the_receipt() {
    let scratch = two_pairs();
    scratch.profile(
        "other",
        "resources: [{kind: pem, path: /etc/other.pem, form: leaf}]\n\
         steps:\n  - text: tell the others\n  - {text: mend it, gone: {file: /etc/mend, text: localhost}}\n",
    );
    scratch.mode("P", 0o755);
    scratch.file("R/etc/mend", "host: localhost\n");
    let line = "--profile other --cert a.pem --key a.key";
    let applied = scratch.on_root(&format!("--profiles P apply {line} --yes"));
    let both = "\nsteps for people:\n  tell the others\n  mend it\n";
    applied.exits(0).says(both);
    scratch.on_root("--profiles P status").exits(0).says(both);
    scratch.file("R/etc/mend", "host: wazo.example.com\n");
    let status = scratch.on_root("--profiles P status").exits(0);
    let left = "\nsteps for people:\n  tell the others\n\n";
    assert!(status.out.contains(left), "{}", status.out);
    let json = scratch
        .on_root("--profiles P --json status")
        .exits(0)
        .json();
    assert_eq!(json["steps"], serde_json::json!(["tell the others"]));
    scratch.on_root("show 1").exits(0).says(both);
}

/// Kills the run at each of its renames in turn, the way a power cut or an impatient person would.
#[test]
fn a_run_killed_at_any_rename_is_recovered_to_the_very_tree() {
    let scratch = two_pairs();
    let trace = |n: usize| {
        let inject = format!("inject=rename,renameat,renameat2:signal=KILL:when={n}");
        let mut command = scratch.program("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]);
        command.args([common::CERTROLL, "--root", "R", "apply", "--yes"]);
        command.args(A.split(' '));
        command
    };
    let can = std::process::Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .status();
    if !can.is_ok_and(|status| status.success()) {
        return skip("strace is not there or may not trace");
    }
    // The platform's renderer copies whatever it finds in here to the host.
    let swept = "R/etc/xivo/custom-templates";
    scratch.dir(&format!("{swept}/system/etc"));
    let before = scratch.tree();
    let (mut open, mut switched, mut beside) = (0, 0, 0);
    for n in 1.. {
        let run = Running::start(&mut trace(n)).end();
        if run.code == 0 {
            assert!(
                n > 8,
                "a run with one rename each for eight files: {run:#?}"
            );
            break;
        }
        assert_eq!(run.code, 137, "{run:#?}");
        let left = scratch.tree();
        if scratch.path("R/var/lib/certroll/pending").exists() {
            open += 1;
            switched += usize::from(left != before);
            for line in [format!("plan {A}"), "status".to_owned()] {
                let refused = scratch.on_root(&line).exits(4);
                assert!(
                    refused.err.contains("is open")
                        && refused.err.contains("hint: certroll recover\n"),
                    "{refused:#?}"
                );
            }
            scratch.tree().is(&left);
            let find = format!("find {swept} -mindepth 1; find R/etc -name '.certroll-*'");
            let found = scratch.sh(&find);
            let (there, staged): (Vec<&str>, Vec<&str>) =
                found.lines().partition(|path| path.starts_with(swept));
            let own = ["", "/etc", "/etc/hosts"].map(|own| format!("{swept}/system{own}"));
            let is_own = |path: &&str| own.iter().any(|own| own == path);
            assert!(there.iter().all(is_own), "killed at rename {n}: {found}");
            beside += usize::from(!staged.is_empty());
        }
        scratch.on_root("recover").exits(0);
        if scratch.tree() != before {
            // It was final already.
            scratch.on_root("status").exits(0);
            scratch.on_root("rollback --yes").exits(0);
        }
        scratch.tree().is(&before);
        let strays = scratch.sh("find R -name '.certroll-*'");
        assert_eq!(strays, "", "killed at rename {n}");
    }
    assert!(
        open >= 8 && switched >= 7 && beside >= 7,
        "{open} open, {switched} half switched, {beside} staged beside"
    );
    scratch.on_root(&format!("plan {A}")).exits(0);
}

#[test]
fn apply_recovers_what_a_killed_run_left_before_it_starts() {
    let scratch = two_pairs();
    let inject = "inject=rename,renameat,renameat2:signal=KILL:when=6";
    let mut command = scratch.program("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", inject]);
    command.args([common::CERTROLL, "--root", "R", "apply", "--yes"]);
    let killed = command.args(A.split(' ')).output();
    if !killed.is_ok_and(|output| !output.status.success())
        || !scratch.path("R/var/lib/certroll/pending").exists()
    {
        return skip("strace is not there or may not trace");
    }
    let run = scratch.on_root(&format!("apply {B} --yes")).exits(0);
    assert!(
        run.err
            .contains("generation 1 was left open: recovering it first"),
        "{run:#?}"
    );
    assert_eq!(
        scratch.read("R/usr/share/xivo-certs/server.crt"),
        scratch.read("b.pem")
    );
    scratch.on_root("status").exits(0);
}
