//! Inodes: what stands in the way of a rename, or keeps the old file behind one, is told in the plan; attributes stay.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests lay out files, mount and look at what became of them"
)]

mod common;

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, lchown},
    process::Command,
};

use common::{CERTROLL, Run, Running, Scratch, Snapshot, skip, until};
use rustix::fs::XattrFlags;

const PLAN: &str = "--profiles P plan --profile own --cert b.pem --key b.key";
const APPLY: &str = "--profiles P apply --yes --profile own --cert b.pem --key b.key";
const KEY: &str = "R/opt/pki/server.key";

/// A root `R` with the pair `a` in place, of which the pair `b` is to replace both files.
fn scratch() -> Option<Scratch> {
    if !nix::unistd::geteuid().is_root() {
        skip("only root mounts, and sets flags and labels");
        return None;
    }
    let scratch = Scratch::new();
    for name in ["a", "b"] {
        scratch.mint(name, "wazo.example.com");
    }
    scratch.dir("R/opt/pki");
    scratch.dir("R/var/lib");
    scratch.sh("cp a.key R/opt/pki/server.key; cp a.pem R/opt/pki/server.crt");
    scratch.mode(KEY, 0o640);
    scratch.owner(KEY, 0, 33);
    own(&scratch, "/opt/pki", "");
    Some(scratch)
}

fn own(scratch: &Scratch, dir: &str, more: &str) {
    scratch.profile(
        "own",
        &format!(
            "resources:\n  - {{kind: pem, path: {dir}/server.key, form: key, mode: \"0640\"}}\n  \
             - {{kind: pem, path: {dir}/server.crt, form: fullchain}}\n{more}"
        ),
    );
}

/// Flags of chattr(1), taken off whatever the test comes to.
struct Flag<'s>(&'s Scratch, String, char);

impl<'s> Flag<'s> {
    fn set(scratch: &'s Scratch, path: &str, flag: char) -> Option<Self> {
        let mut command = scratch.program("chattr");
        let set = Running::start(command.args([&format!("+{flag}"), path])).end();
        if set.code != 0 {
            skip(&format!("no chattr +{flag} here: {}", set.err));
            return None;
        }
        Some(Self(scratch, path.to_owned(), flag))
    }
}

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        let mut command = self.0.program("chattr");
        drop(command.args([&format!("-{}", self.2), &self.1]).status());
    }
}

#[track_caller]
fn refused(scratch: &Scratch, line: &str, told: &str) {
    let before = Snapshot::of(&scratch.path("R"), &[]);
    for line in [line.replace("apply --yes", "plan"), line.to_owned()] {
        let run = scratch.on_root(&line);
        assert_eq!(run.code, 1, "{run:#?}");
        assert!(
            run.out.contains(told) || run.err.contains(told),
            "{told}: {run:#?}"
        );
    }
    // The lock is all that a refused apply leaves.
    let after = Snapshot::of(&scratch.path("R"), &[]);
    let differences = before.differences(&after);
    assert!(
        differences
            .iter()
            .all(|line| line.starts_with("var/lib/certroll")),
        "{differences:#?}"
    );
    assert_eq!(
        scratch.sh("ls R/var/lib/certroll | grep -v lock || true"),
        ""
    );
}

#[test]
fn what_chattr_made_unchangeable_is_refused_in_the_plan_with_the_command_that_changes_it() {
    for (path, flag, word) in [
        ("/opt/pki/server.key", 'i', "immutable"),
        ("/opt/pki/server.crt", 'a', "append-only"),
        ("/opt/pki", 'i', "immutable"),
        ("/opt/pki", 'a', "append-only"),
    ] {
        let Some(scratch) = scratch() else { return };
        let Some(_flag) = Flag::set(&scratch, &format!("R{path}"), flag) else {
            return;
        };
        let told = format!(
            "`{path}` is {word} (`chattr +{flag}`): not even root can replace it [immutable]"
        );
        refused(&scratch, APPLY, &told);
        refused(&scratch, APPLY, &format!("hint: chattr -{flag} {path}\n"));
        // Each is told once, though both files are in the directory.
        let run = scratch.on_root(PLAN);
        assert_eq!(run.out.matches("[immutable]").count(), 1, "{run:#?}");
    }
}

#[test]
fn an_unchangeable_directory_is_told_where_something_new_would_go_in_it() {
    let Some(scratch) = scratch() else { return };
    scratch.dir("R/opt/fixed/conf.d");
    scratch.dir("R/opt/swept");
    own(
        &scratch,
        "/opt/fixed/new/deeper",
        "  - {kind: link, path: /opt/fixed/conf.d/x, to: /opt/fixed/new/deeper/server.crt}\n",
    );
    for dir in ["/opt/fixed", "/opt/fixed/conf.d"] {
        let Some(_flag) = Flag::set(&scratch, &format!("R{dir}"), 'i') else {
            return;
        };
        refused(&scratch, APPLY, &format!("hint: chattr -i {dir}\n"));
    }
    scratch.on_root(APPLY).exits(0);
}

#[test]
fn a_rollback_of_what_became_unchangeable_since_is_refused_too() {
    let Some(scratch) = scratch() else { return };
    scratch.on_root(APPLY).exits(0);
    let before = scratch.tree();
    let Some(flag) = Flag::set(&scratch, KEY, 'i') else {
        return;
    };
    let run = scratch.on_root("rollback --yes").exits(1);
    assert!(
        run.err.contains("hint: chattr -i /opt/pki/server.key"),
        "{run:#?}"
    );
    scratch.tree().is(&before);
    drop(flag);
    scratch.on_root("rollback --yes").exits(0);
}

#[test]
fn other_names_of_a_file_are_told_and_keep_what_they_have() {
    let Some(scratch) = scratch() else { return };
    scratch.sh("ln R/opt/pki/server.key R/opt/second; ln R/opt/pki/server.key R/opt/third");
    let before = scratch.tree();
    let told = "warning: `/opt/pki/server.key` is one of 3 names of a file (hard links)";
    scratch.on_root(PLAN).exits(5).says(told);
    scratch.on_root(APPLY).exits(0);
    assert_eq!(scratch.read(KEY), scratch.read("b.key"));
    for name in ["R/opt/second", "R/opt/third"] {
        assert_eq!(scratch.read(name), scratch.read("a.key"));
    }
    scratch.on_root("rollback --yes").exits(0);
    scratch.tree().is(&before);
}

/// Runs a script with mounts of its own, which go with it.
fn with_mounts(scratch: &Scratch, script: &str) -> Run {
    let mut command = scratch.program("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-euc", script]);
    Running::start(&mut command).end()
}

#[test]
fn a_file_that_is_mounted_by_itself_is_written_in_place_and_comes_back() {
    let Some(scratch) = scratch() else { return };
    scratch.sh("cp R/opt/pki/server.key mounted; chown 12:34 mounted; chmod 0604 mounted; setfattr -n user.note -v kept mounted");
    let before = fs::metadata(scratch.path("mounted")).unwrap();
    let look = "stat -c '%i %u:%g %a' R/opt/pki/server.key";
    let run = with_mounts(
        &scratch,
        &format!(
            "mount --bind mounted R/opt/pki/server.key
             {CERTROLL} --root R {PLAN} || test $? = 5
             {CERTROLL} --root R {APPLY}
             {look}; cmp R/opt/pki/server.key b.key; getfattr --only-values -n user.note mounted; echo
             {CERTROLL} --root R rollback --yes
             {look}; cmp R/opt/pki/server.key a.key
             ls -A R/opt/pki"
        ),
    )
    .exits(0);
    assert!(
        run.out
            .contains("/opt/pki/server.key (pem, in place: it is a mount point)"),
        "{run:#?}"
    );
    let inode = before.ino();
    for stat in [
        format!("\n{inode} 12:34 640\nkept\n"),
        format!("\n{inode} 12:34 604\nserver.crt\nserver.key\n"),
    ] {
        assert!(run.out.contains(&stat), "{stat}: {run:#?}");
    }
    // Below the mount nothing was touched.
    assert_eq!(scratch.read(KEY), scratch.read("a.key"));
}

#[test]
fn a_file_that_became_a_mount_point_since_is_rolled_back_in_place() {
    let Some(scratch) = scratch() else { return };
    scratch.on_root(APPLY).exits(0);
    scratch.sh("cp -a R/opt/pki/server.key mounted");
    with_mounts(
        &scratch,
        &format!(
            "mount --bind mounted R/opt/pki/server.key
             {CERTROLL} --root R rollback --yes
             cmp R/opt/pki/server.key a.key; cmp mounted a.key"
        ),
    )
    .exits(0);
}

#[test]
fn labels_and_attributes_of_root_stay_with_the_file() {
    let Some(scratch) = scratch() else { return };
    let label = b"system_u:object_r:cert_t:s0\0";
    let all = [
        ("security.selinux", &label[..]),
        ("trusted.note", b"1"),
        ("user.note", b"2"),
    ];
    for (name, value) in all {
        if let Err(error) =
            rustix::fs::setxattr(scratch.path(KEY), name, value, XattrFlags::empty())
        {
            return skip(&format!("`{name}` cannot be set here: {error}"));
        }
    }
    let kept = || {
        for (name, value) in all {
            let mut found = vec![0; 256];
            let len = rustix::fs::getxattr(scratch.path(KEY), name, &mut found).unwrap();
            assert_eq!(&found[..len], value, "{name}");
        }
    };
    scratch.on_root(APPLY).exits(0);
    assert_eq!(scratch.read(KEY), scratch.read("b.key"));
    kept();
    scratch.on_root("rollback --yes").exits(0);
    assert_eq!(scratch.read(KEY), scratch.read("a.key"));
    kept();
}

/// The ACL lets in whom the profile's mode does not: the mode wins, as chmod(1) would, and undo brings both back.
#[test]
fn an_acl_is_fitted_to_the_mode_of_the_profile_and_comes_back_as_it_was() {
    let Some(scratch) = scratch() else { return };
    scratch.sh("chmod 0664 R/opt/pki/server.key; setfacl -m u:77:rw R/opt/pki/server.key");
    let acl = || scratch.sh("getfacl -cnp R/opt/pki/server.key");
    let before = (acl(), scratch.tree());
    scratch.on_root(APPLY).exits(0);
    assert_eq!(
        acl().replace("\t\t\t", "\t"),
        "user::rw-\nuser:77:rw-\t#effective:r--\ngroup::rw-\t#effective:r--\nmask::r--\nother::---\n\n"
    );
    scratch.on_root(PLAN).exits(0);
    scratch.on_root("rollback --yes").exits(0);
    assert_eq!(acl(), before.0);
    scratch.tree().is(&before.1);
}

/// A profile for this very machine, in the scratch directory; its state is there too.
fn live(scratch: &Scratch, line: &str) -> Run {
    own(scratch, &scratch.text("live"), "");
    let at = scratch.text("");
    scratch.certroll(&format!(
        "--state {at}state --profiles {at}P {line} --profile own --cert b.pem --key b.key"
    ))
}

fn lay_live(scratch: &Scratch) {
    scratch.dir("live");
    scratch.sh("cp a.key live/server.key; cp a.pem live/server.crt");
}

#[test]
fn processes_that_have_the_old_file_open_or_mapped_are_named() {
    let Some(scratch) = scratch() else { return };
    lay_live(&scratch);
    let open = Running::start(
        Command::new("sleep")
            .arg("60")
            .stdin(fs::File::open(scratch.path("live/server.key")).unwrap()),
    );
    // A program that runs is mapped, and no descriptor of it is open.
    scratch.sh("cp /bin/sleep live/server.crt; chmod 0755 live/server.crt");
    let mapped = Running::start(Command::new(scratch.path("live/server.crt")).arg("60"));
    until("both to run", || {
        [&open, &mapped].iter().all(|process| {
            fs::read_to_string(format!("/proc/{}/wchan", process.id()))
                .is_ok_and(|_| fs::read_to_string(format!("/proc/{}/comm", process.id())).is_ok())
        }) && fs::read_link(format!("/proc/{}/exe", mapped.id()))
            .is_ok_and(|exe| exe.ends_with("live/server.crt"))
    });
    let run = live(&scratch, "plan --out saved.json").exits(5);
    for (name, process, comm) in [
        ("server.key", &open, "sleep"),
        ("server.crt", &mapped, "server.crt"),
    ] {
        let line = format!(
            "`{}/{name}`: PID {} ({comm}) has the old file open: it sees the new one only after a reload",
            scratch.text("live"),
            process.id()
        );
        assert!(run.out.contains(&line), "{line}: {run:#?}");
    }
    drop((open, mapped));
    let run = live(&scratch, "plan").exits(5);
    assert!(!run.out.contains("PID "), "{run:#?}");
    // Who happens to run is no part of what was approved.
    let at = scratch.text("");
    let line = format!("--state {at}state --profiles {at}P apply --plan saved.json --yes");
    scratch.certroll(&line).exits(0);
    let run = live(&scratch, "plan").exits(0);
    assert!(!run.out.contains("on the old files still"), "{run:#?}");
}

#[test]
fn a_mount_of_the_old_file_in_another_namespace_is_named() {
    let Some(scratch) = scratch() else { return };
    lay_live(&scratch);
    scratch.file("in a container", "");
    scratch.file("ready", "");
    let script = "mount --bind live/server.key 'in a container'; echo now > ready; exec sleep 60";
    let mut command = scratch.program("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-euc", script]);
    let container = Running::start(&mut command);
    until("the mount", || scratch.read("ready") == "now\n");
    let run = live(&scratch, "plan").exits(5);
    let line = format!(
        "`{}`: the old file itself is mounted on `{}`, as PID {} (",
        scratch.text("live/server.key"),
        scratch.text("in a container"),
        container.id()
    );
    assert!(run.out.contains(&line), "{line}: {run:#?}");
}

#[test]
fn on_another_root_nobody_is_asked_for() {
    let Some(scratch) = scratch() else { return };
    let _open = Running::start(
        Command::new("sleep")
            .arg("60")
            .stdin(fs::File::open(scratch.path(KEY)).unwrap()),
    );
    let run = scratch.on_root(PLAN).exits(5);
    assert!(!run.out.contains("PID "), "{run:#?}");
    lchown(scratch.path(KEY), Some(0), Some(33)).unwrap();
}
