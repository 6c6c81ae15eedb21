//! Hosts on which a rollout cannot be: targets, rights, file systems, and who may write what decides.

use super::*;

#[test]
fn targets_that_are_something_else_are_left_alone() {
    let scratch = desk();
    scratch.dir("R/srv/dir");
    scratch.file("R/srv/real", "precious\n");
    scratch.link("real", "R/srv/link");
    scratch.sh("mkfifo R/srv/pipe");
    for (path, message) in [
        (
            "dir",
            "error: `/srv/dir` is a directory, want a file [target-unfit]\n\
             hint: look at it and move it away: `ls -ld /srv/dir`\n",
        ),
        (
            "link",
            "error: `/srv/link` is a link, want a file [target-is-link]\n\
             hint: it points to `real` on purpose? set that path in the profile, or say `on_link: follow` or `replace`\n",
        ),
    ] {
        scratch.profile(
            "own",
            &format!("resources: [{{kind: pem, path: /srv/{path}, form: key}}]\n"),
        );
        fs::remove_file(scratch.path("R/srv/pipe")).ok();
        refused(
            &scratch,
            "--profiles P --profile own --cert a.pem --key a.key",
            1,
            &format!("{message}host: unchanged\n"),
        );
    }
    for (how, left) in [("follow", true), ("replace", false)] {
        scratch.profile(
            "own",
            &format!("resources: [{{kind: pem, path: /srv/link, form: key, on_link: {how}}}]\n"),
        );
        scratch
            .on_root("--profiles P apply --yes --profile own --cert a.pem --key a.key")
            .exits(0);
        let link = fs::symlink_metadata(scratch.path("R/srv/link")).unwrap();
        assert_eq!(link.is_symlink(), left, "{how}");
        scratch.on_root("rollback --yes").exits(0);
        assert_eq!(scratch.read("R/srv/real"), "precious\n", "{how}");
        assert_eq!(
            fs::read_link(scratch.path("R/srv/link")).unwrap().to_str(),
            Some("real")
        );
    }
}

/// A profile for the live host that would be seen if it did anything.
fn live(scratch: &Scratch) -> String {
    let to = scratch.text("live");
    scratch.dir("live");
    scratch.profile(
        "own",
        &format!(
            "resources: [{{kind: pem, path: {to}/x.key, form: key}}, {{kind: pem, path: {to}/x.pem, form: leaf}}]\n"
        ),
    );
    "--state state --profiles P apply --yes --profile own --cert a.pem --key a.key".to_owned()
}

#[test]
fn only_root_changes_the_live_host() {
    let scratch = desk();
    let line = live(&scratch);
    // Nothing but the user itself is in the way.
    scratch.sh(
        "chmod 755 .; chmod 777 live; chmod 644 a.key; mkdir -m 700 state; chown 65534:65534 state",
    );
    let now = || Snapshot::of(&scratch.path("."), &["state"]);
    let before = now();
    let mut command = scratch.program("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(CERTROLL).args(line.split(' '));
    let run = Running::start(&mut command).end();
    if run.err.contains("setpriv:") || run.err.contains("Permission denied") {
        return skip("setpriv cannot become another user here, or may not run the binary");
    }
    run.exits(2).complains(
        "error: only root can change this host, and this is user 65534\n\
         hint: run it with `sudo`, or use `--root DIR` on a tree of your own\nhost: unchanged\n",
    );
    now().is(&before);
    // The lock of a state directory of one's own is one's own.
    assert_eq!(scratch.sh("ls -A state"), "lock\n");
}

#[test]
fn a_read_only_file_system_is_found_out_before_anything_moves() {
    let scratch = desk();
    scratch.dir("ro");
    scratch.profile(
        "own",
        "resources: [{kind: pem, path: /srv/x.key, form: key}]\n",
    );
    let inside = |state: &str| {
        let script = format!(
            "mount -t tmpfs none ro && mkdir ro/srv && echo old > ro/srv/x.key && mount -o remount,ro ro || exit 99
             {CERTROLL} --root ro {state} --profiles P -q apply --yes --profile own --cert a.pem --key a.key; code=$?
             test \"$(ls -A ro/srv) $(cat ro/srv/x.key)\" = 'x.key old' || exit 98
             exit $code"
        );
        Running::start(scratch.program("unshare").args(["-m", "sh", "-c", &script])).end()
    };
    let run = inside("");
    if run.code == 99 || run.err.starts_with("unshare:") {
        return skip(&format!("no mount namespace of our own: {}", run.err));
    }
    run.exits(1).complains(
        "error: cannot create `ro/var`\ncaused by: read-only file system (os error 30)\n\
         hint: remount it writable, or give another `--state DIR`\nhost: unchanged\n",
    );
    inside("--state state").exits(1).complains(
        "error: cannot create `ro/srv/.certroll-1-0`\ncaused by: read-only file system (os error 30)\n\
         hint: remount it writable, or give another `--state DIR`\nhost: unchanged\n",
    );
    let history = scratch.certroll("--root ro --state state recover");
    history.exits(0).says("no generation is open");
}

#[test]
fn a_state_directory_that_cannot_be_written_stops_the_run_at_once() {
    let scratch = desk();
    let before = scratch.tree();
    let pair = "apply --yes --profile wazo --cert a.pem --key a.key";
    scratch.file("file", "");
    let run = scratch.on_root(&format!("--state file/state {pair}"));
    run.exits(1).complains(
        "error: cannot open `file/state`\ncaused by: not a directory (os error 20)\nhost: unchanged\n",
    );
    let run = scratch
        .on_root(&format!("--state /proc/none {pair}"))
        .exits(1);
    assert!(
        run.err.starts_with("error: cannot create `/proc")
            && run.err.ends_with("host: unchanged\n"),
        "{run:#?}"
    );
    scratch.tree().is(&before);
}

#[test]
fn a_profile_that_others_may_write_is_refused_and_so_is_its_folder() {
    let scratch = desk();
    scratch.profile(
        "own",
        "resources: [{kind: template, path: /srv/x, from: x.tera}]\n",
    );
    scratch.file("P/own/x.tera", "text\n");
    let line = "--profiles P --profile own --cert a.pem --key a.key";
    for (open, mode, good) in [
        ("P/own/profile.yaml", 0o666, 0o644),
        ("P/own/x.tera", 0o646, 0o644),
        ("P/own", 0o777, 0o755),
        ("P", 0o757, 0o755),
        (".", 0o777, 0o700),
    ] {
        scratch.mode(open, mode);
        let path = fs::canonicalize(scratch.path(open)).unwrap();
        let path = path.to_str().unwrap();
        refused(
            &scratch,
            line,
            2,
            &format!(
                "error: `{path}` can be written by others than root: it decides what root writes\n\
                 hint: chown root {path} && chmod go-w {path}\nhost: unchanged\n"
            ),
        );
        scratch.mode(open, good);
    }
    scratch.owner("P/own/profile.yaml", 1000, 0);
    let run = scratch.on_root(&format!("plan {line}")).exits(2);
    assert!(run.err.contains("can be written by others"), "{run:#?}");
    scratch.owner("P/own/profile.yaml", 0, 0);
    scratch.on_root(&format!("plan {line}")).exits(5);
}
