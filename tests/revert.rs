//! `revert`: the platform back to its own default, on trees; with a package that really makes the pair in
//! `tests/lab/revert.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests make and read trees themselves and fail by panicking"
)]

#[path = "revert/made.rs"]
mod made;
#[path = "common/root.rs"]
mod root;
#[path = "revert/schema.rs"]
mod schema;
#[path = "common/web.rs"]
mod web;

use std::{fs, os::unix::fs::chown};

use root::{Ran, Root, What, can_own};

const KEY: &str = "/usr/share/xivo-certs/server.key";
const LEAF: &str = "/usr/share/xivo-certs/server.crt";
const OVERRIDE: &str = "/etc/xivo/custom/custom-certificate.yml";
const TEMPLATE: &str = "/etc/xivo/custom-templates/system/etc/hosts";
const BASE: &str = "/usr/share/xivo-config/templates/system/etc/hosts";
const LINK: &str = "/etc/xivo-auth/conf.d/010-custom-certificate.yml";

fn run(root: &Root, line: &str) -> Ran {
    let args: Vec<&str> = line.split_whitespace().collect();
    root.run("self-signed", &args)
}

#[track_caller]
fn exits(ran: Ran, code: i32) -> Ran {
    assert_eq!(ran.code, code, "{ran:#?}");
    ran
}

/// A host of 17.06 with the custom pair rolled out; none where owners cannot be set.
fn rolled_out() -> Option<Root> {
    can_own().then(|| {
        let root = Root::fixture("wazo-17.06");
        let apply = "apply --yes --profile wazo --cert leaf.pem --key test-only.key";
        exits(run(&root, apply), 0);
        root
    })
}

fn text(root: &Root, path: &str) -> String {
    fs::read_to_string(root.at(path)).unwrap()
}

fn is_there(root: &Root, path: &str) -> bool {
    root.at(path).symlink_metadata().is_ok()
}

#[test]
fn the_plan_of_a_revert_reads_as_written_from_the_document_and_changes_nothing() {
    let Some(root) = rolled_out() else { return };
    let before = root.snapshot();
    let ran = exits(run(&root, "plan --revert"), 5);
    assert_eq!(ran.err, "");
    assert_eq!(root.snapshot(), before);
    let home = env!("CARGO_MANIFEST_DIR");
    let golden = format!("{home}/tests/golden/wazo-17.06/revert.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &ran.out).unwrap();
    }
    assert_eq!(ran.out, fs::read_to_string(golden).unwrap());
}

#[test]
fn a_revert_leaves_the_tree_of_before_but_for_the_pair_that_the_package_makes() {
    let Some(root) = rolled_out() else { return };
    let custom = root.snapshot();
    let ran = exits(run(&root, "revert --yes"), 0);
    let last = ran.out.lines().last().unwrap();
    assert!(last.starts_with("placed: generation 2"), "{last}");
    let history = run(&root, "history").out;
    let line = history.lines().last().unwrap();
    assert!(line.ends_with(", back to the platform's default"), "{line}");
    assert!(
        ran.out
            .contains("`dpkg-reconfigure --frontend=noninteractive xivo-certs`"),
        "{}",
        ran.out
    );

    let mut want = Root::fixture("wazo-17.06").snapshot();
    let mut found = root.snapshot();
    for path in [KEY, LEAF] {
        want.remove(path).unwrap();
        assert!(!found.contains_key(path), "{path}");
    }
    // Directories that were missing stay: the renderer would take the working directory for its templates without them.
    found.retain(|path, object| {
        object.what != What::Dir || want.contains_key(path) || !path.starts_with("/etc/xivo/")
    });
    // The template's own text is what the platform's renderer makes, mode and owner as they are.
    assert_eq!(found, want);

    exits(run(&root, "rollback --yes"), 0);
    assert_eq!(root.snapshot(), custom);
    let again = exits(run(&root, "plan"), 0);
    assert!(again.out.contains("nothing to do"), "{}", again.out);
}

#[test]
fn a_revert_forgets_the_rollout_and_a_second_one_has_nothing_to_do() {
    let Some(root) = rolled_out() else { return };
    exits(run(&root, "revert --yes"), 0);
    let ran = exits(run(&root, "apply --yes"), 2);
    assert!(ran.err.contains("none is remembered"), "{}", ran.err);
    let fixture = Root::fixture("wazo-17.06");
    for path in [KEY, LEAF] {
        fs::copy(fixture.at(path), root.at(path)).unwrap();
        chown(root.at(path), None, Some(33)).unwrap();
    }
    let ran = exits(run(&root, "plan --revert --profile wazo"), 0);
    let want = "nothing to do: the platform is at its own default\n";
    assert!(ran.out.ends_with(want), "{}", ran.out);
    let ran = exits(run(&root, "revert --profile wazo --yes"), 0);
    assert_eq!(ran.out, "converged: nothing to do, 0 probes good\n");
}

#[test]
fn what_the_document_had_put_by_hand_is_taken_away_without_any_record() {
    if !can_own() {
        return;
    }
    let root = Root::fixture("wazo-17.06");
    root.file(OVERRIDE, "auth:\n  host: wazo.example.org\n", 0o644, 0);
    root.link(LINK, OVERRIDE);
    let by_sed = text(&root, BASE).replace("127.0.1.1", "127.0.0.1");
    root.file(TEMPLATE, &by_sed, 0o644, 0);
    let rendered = text(&root, "/etc/hosts");
    let by_hand = rendered.replace("127.0.1.1", "127.0.0.1");
    root.file("/etc/hosts", &by_hand, 0o644, 0);
    exits(run(&root, "revert --profile wazo --yes"), 0);
    for path in [OVERRIDE, LINK, TEMPLATE] {
        assert!(!is_there(&root, path), "{path}");
    }
    assert_eq!(text(&root, "/etc/hosts"), rendered);
    // The pair was the default one: it stays.
    assert!(is_there(&root, KEY) && is_there(&root, LEAF));
}

#[test]
fn what_somebody_else_changed_is_kept_and_named() {
    let Some(root) = rolled_out() else { return };
    let edited = text(&root, OVERRIDE) + "auth:\n  timeout: 10\n";
    root.file(OVERRIDE, &edited, 0o644, 0);
    let trunk = text(&root, TEMPLATE) + "10.0.0.5\ttrunk\n";
    root.file(TEMPLATE, &trunk, 0o644, 0);
    fs::remove_file(root.at(LINK)).unwrap();
    root.link(LINK, "/srv/own.yml");
    let hosts = text(&root, "/etc/hosts");
    let ran = exits(run(&root, "revert --yes"), 0);
    for path in [OVERRIDE, TEMPLATE, LINK] {
        let line = format!("warning: `{path}` was changed since generation 1 set it: it stays");
        assert!(ran.out.contains(&line), "no {line:?} in {}", ran.out);
        assert!(is_there(&root, path), "{path}");
    }
    // The platform's renderer would still take the kept template.
    assert_eq!(text(&root, "/etc/hosts"), hosts);
    let other = LINK.replace("xivo-auth", "xivo-confd");
    assert!(!is_there(&root, &other));
}

#[test]
fn what_is_neither_the_document_s_nor_certroll_s_is_kept() {
    if !can_own() {
        return;
    }
    let root = Root::fixture("wazo-17.06");
    root.link(LINK, "/srv/own.yml");
    root.file(TEMPLATE, "127.0.0.1\tlocalhost\n", 0o644, 0);
    let ca = "/etc/xivo/custom/custom-certificate-ca.pem";
    root.file(ca, "their own\n", 0o644, 0);
    let before = root.snapshot();
    let ran = exits(run(&root, "plan --revert --profile wazo"), 0);
    for path in [LINK, TEMPLATE, ca] {
        let line = format!("warning: `{path}` is not what the platform's document puts there");
        assert!(ran.out.contains(&line), "no {line:?} in {}", ran.out);
    }
    assert_eq!(root.snapshot(), before);
}

#[test]
fn a_host_that_does_not_tell_its_name_keeps_its_hosts_file_until_it_is_told() {
    let Some(root) = rolled_out() else { return };
    fs::remove_file(root.at("/etc/hostname")).unwrap();
    fs::remove_file(root.at("/etc/xivo/common.conf")).unwrap();
    let ran = exits(run(&root, "plan --revert"), 5);
    assert!(ran.out.contains("[hosts-untold]"), "{}", ran.out);
    assert!(!ran.out.contains("/etc/hosts (hosts)"), "{}", ran.out);
    let told = "plan --revert --set hostname=pbx --set domain=example.com";
    let ran = exits(run(&root, told), 5);
    let line = "+127.0.1.1\tpbx.example.com\tlocalhost.localdomain\tpbx";
    assert!(ran.out.contains(line), "{}", ran.out);
}

#[test]
fn an_approved_plan_of_a_revert_is_applied_or_refused_like_any_other() {
    let Some(root) = rolled_out() else { return };
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.json");
    let plan = plan.to_str().unwrap();
    exits(run(&root, &format!("plan --revert --out {plan}")), 5);
    fs::remove_file(root.at(LINK)).unwrap();
    exits(run(&root, &format!("apply --yes --plan {plan}")), 7);
    exits(run(&root, &format!("plan --revert --out {plan}")), 5);
    exits(run(&root, &format!("apply --yes --plan {plan}")), 0);
    assert!(!is_there(&root, OVERRIDE));
}

#[test]
fn a_file_that_still_describes_the_rollout_is_named() {
    let Some(root) = rolled_out() else { return };
    let file = "/etc/certroll/rollouts.d/wazo.yaml";
    root.file(file, "profiles: wazo\ncert: /root/site.pem\n", 0o644, 0);
    let ran = exits(run(&root, "plan --revert"), 5);
    let line = format!("warning: `{file}` still describes rollout `wazo`");
    assert!(ran.out.contains(&line), "{}", ran.out);
}

#[test]
fn a_plan_on_a_host_that_an_upgrade_past_18_03_awaits_says_what_comes_first() {
    if !can_own() {
        return;
    }
    let plan = "plan --profile wazo --cert leaf.pem --key test-only.key";
    let note = "before an upgrade past it, take these overrides back first, then upgrade";
    for (version, set, told) in [
        ("17.17\n", "", Some("release 17.17 (its version file)")),
        ("18.03\n", "", Some("release 18.03 (its version file)")),
        ("18.04\n", "", None),
        ("", "", None),
        (
            "",
            "--set release=17.06",
            Some("release 17.06 (--set release)"),
        ),
        ("17.17\n", "--set release=19.10", None),
    ] {
        let root = Root::fixture("wazo-17.06");
        if !version.is_empty() {
            root.file("/usr/share/xivo/XIVO-VERSION", version, 0o644, 0);
        }
        let out = exits(run(&root, &format!("{plan} {set}")), 5).out;
        assert_eq!(out.contains(note), told.is_some(), "{version}{set}: {out}");
        assert!(
            out.contains(told.unwrap_or_default()),
            "{version}{set}: {out}"
        );
    }
}
