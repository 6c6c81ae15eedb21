//! Attributes: what a profile does not name is kept, what it names is set, and all of it comes back.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests set attributes themselves, fail by panicking and say what they skip"
)]

mod common;
#[path = "common/root.rs"]
mod root;

use std::{fs, os::unix::fs::PermissionsExt as _, os::unix::fs::chown, path::Path};

use root::{Object, Ran, Root, Snapshot, can_own};
use rustix::fs::XattrFlags;

const KEY: &str = "/usr/share/xivo-certs/server.key";
const LEAF: &str = "/usr/share/xivo-certs/server.crt";
const HOSTS: &str = "/etc/hosts";
const OVERRIDE: &str = "/etc/xivo/custom/custom-certificate.yml";
const NOTE: &str = "user.note";
const ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";

fn run(root: &Root, command: &[&str]) -> Ran {
    let files = [
        "--profile",
        "wazo",
        "--cert",
        "leaf.pem",
        "--key",
        "test-only.key",
    ];
    root.run("self-signed", &[command, &files].concat())
}

fn apply(root: &Root) -> Snapshot {
    let ran = run(root, &["apply", "--yes"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let again = run(root, &["plan"]);
    assert_eq!(
        again.code, 0,
        "a second plan finds something:\n{}",
        again.out
    );
    root.snapshot()
}

fn rollback(root: &Root) -> Snapshot {
    let ran = root.run("self-signed", &["rollback", "--yes", "--profile", "wazo"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    root.snapshot()
}

/// An access control list in the kernel's form (acl(5), xattr(7)): version 2, then tag, permissions and id of each
/// entry, little-endian. The owner may read and write, the group and `uid` may read, others what `other` says.
fn acl(uid: u32, other: u16) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (0x01_u16, 6_u16, u32::MAX),
        (0x02, 4, uid),
        (0x04, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, other, u32::MAX),
    ] {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Sets an attribute; false, and a reason said, where this file system has none of that sort.
fn set(at: &Path, name: &str, value: &[u8]) -> bool {
    match rustix::fs::setxattr(at, name, value, XattrFlags::empty()) {
        Ok(()) => true,
        Err(error) => {
            eprintln!(
                "skipped: `{name}` cannot be set on {}: {error}",
                at.display()
            );
            assert!(
                std::env::var_os("CI").is_none(),
                "skipped where nothing may be"
            );
            false
        }
    }
}

#[test]
fn acls_and_extended_attributes_stay_with_their_file_through_apply_and_rollback() {
    if !can_own() {
        return;
    }
    let root = Root::fixture("wazo-20.03");
    for (path, other) in [(KEY, 0), (LEAF, 4), (HOSTS, 4)] {
        let at = root.at(path);
        if !set(&at, NOTE, path.as_bytes()) || !set(&at, ACL, &acl(77, other)) {
            return;
        }
    }
    let before = root.snapshot();
    let plan = run(&root, &["plan"]);
    assert_eq!(plan.code, 5, "{}", plan.err);
    let after = apply(&root);
    for path in [KEY, LEAF, HOSTS] {
        let (was, is) = (&before[path], &after[path]);
        assert_ne!(was.what, is.what, "{path} was not written at all");
        assert_eq!(is.xattrs[NOTE], path.as_bytes(), "{path}");
        assert_eq!(is.xattrs[ACL], was.xattrs[ACL], "{path}");
        assert_eq!(is.mode, was.mode, "{path}");
    }
    assert_eq!(rollback(&root), before);
}

#[test]
fn new_files_get_the_modes_of_the_profile_below_a_directory_with_a_default_acl() {
    if !can_own() {
        return;
    }
    let root = Root::fixture("wazo-20.03");
    let conf_d = root.at("/etc/xivo/custom");
    if !set(&conf_d, DEFAULT_ACL, &acl(77, 0)) {
        return;
    }
    let before = root.snapshot();
    let after = apply(&root);
    assert_eq!(after[OVERRIDE].mode, 0o644, "{:?}", after[OVERRIDE]);
    assert_eq!(rollback(&root), before);
}

#[test]
fn a_pair_that_is_right_but_for_its_attributes_is_mended_and_put_back() {
    if !can_own() {
        return;
    }
    let root = Root::fixture("wazo-20.03");
    let right = apply(&root);
    for (path, mode, uid, gid) in [
        (KEY, 0o600, 0, 0),
        (KEY, 0o666, 33, 33),
        (LEAF, 0o600, 0, 33),
        (HOSTS, 0o600, 0, 0),
        (HOSTS, 0o644, 33, 0),
        (OVERRIDE, 0o640, 0, 0),
        ("/etc/xivo/custom-templates/system/etc/hosts", 0o600, 0, 0),
    ] {
        let at = root.at(path);
        chown(&at, Some(uid), Some(gid)).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
        let wrong = root.snapshot();
        assert_ne!(wrong, right);
        let plan = run(&root, &["plan"]);
        assert_eq!(plan.code, 5, "{path}: {}", plan.out);
        let changes: Vec<&str> = plan.out.lines().filter(|l| l.starts_with('~')).collect();
        let want = format!(
            "{} {mode:04o} => ",
            if uid == 0 { "root" } else { "www-data" }.to_owned()
                + if gid == 0 { ":root" } else { ":www-data" }
        );
        assert!(
            changes.len() == 1 && changes[0].contains(path) && changes[0].contains(&want),
            "{path}: wanted `{want}` in {changes:?}"
        );
        assert_eq!(apply(&root), right, "{path}");
        assert_eq!(rollback(&root), wrong, "{path}");
        assert_eq!(apply(&root), right, "{path}");
    }
}

#[test]
fn an_owner_that_the_profile_does_not_name_is_kept() {
    if !can_own() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("kept");
    fs::create_dir(&profile).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(
        profile.join("profile.yaml"),
        "profile: kept\ntitle: two files\nsource: none\ntested: []\ndetect: {any: [/etc]}\nresources:\n  \
         - {kind: pem, path: /etc/kept/key.pem, form: key}\n  \
         - {kind: pem, path: /etc/kept/leaf.pem, form: leaf}\n",
    )
    .unwrap();
    let root = Root::empty();
    root.file("/etc/kept/leaf.pem", "old\n", 0o604, 44);
    chown(root.at("/etc/kept/leaf.pem"), Some(55), None).unwrap();
    let before = root.snapshot();
    let profiles = folder.path().to_str().unwrap();
    let files = [
        "--profile",
        "kept",
        "--cert",
        "leaf.pem",
        "--key",
        "test-only.key",
    ];
    let ran = root.run(
        "self-signed",
        &[&["--profiles", profiles, "apply", "--yes"], &files[..]].concat(),
    );
    assert!(
        !(ran.err.contains("can be written by others") || ran.err.contains("writable")),
        "the scratch directory is open to others: {}",
        ran.err
    );
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let after = root.snapshot();
    let ids = |object: &Object| (object.mode, object.uid, object.gid);
    assert_eq!(ids(&after["/etc/kept/leaf.pem"]), (0o604, 55, 44));
    assert_ne!(
        after["/etc/kept/leaf.pem"].what,
        before["/etc/kept/leaf.pem"].what
    );
    // What is new belongs to root, and a key to root alone.
    assert_eq!(ids(&after["/etc/kept/key.pem"]), (0o600, 0, 0));
    let ran = root.run(
        "self-signed",
        &[
            "--profiles",
            profiles,
            "rollback",
            "--yes",
            "--profile",
            "kept",
        ],
    );
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(root.snapshot(), before);
}

#[test]
fn a_key_that_stays_more_open_than_its_reader_takes_stops_the_plan() {
    let scratch = common::Scratch::new();
    scratch.mint("new", "site.example.com");
    let resource = |more: &str| {
        let entry = format!("{{kind: pem, path: /site.key, form: key{more}}}");
        scratch.profile("site", &format!("resources:\n  - {entry}\n"));
        scratch.certroll(
            "--root R --state S --profiles P plan --profile site --cert new.pem --key new.key",
        )
    };
    scratch.file("R/site.key", "old");
    scratch.mode("R/site.key", 0o640);
    let run = resource(", at_most: \"0600\"").exits(1);
    let said = "`/site.key` would be 0640, and who reads it takes at most 0600 [mode-too-open]";
    assert!((run.out.clone() + &run.err).contains(said), "{run:#?}");
    resource(", at_most: \"0640\"").exits(5);
    resource(", at_most: \"0600\", mode: \"0400\"").exits(5);
    let run = resource(", at_most: \"0600\", mode: \"0640\"").exits(2);
    assert!(
        run.err.contains("mode 0640 is more than `at_most` 0600"),
        "{run:#?}"
    );
}
