//! On the double of a Check Point server.

use std::{fs, os::unix::fs::MetadataExt as _};

use certroll::demo::portal::Ways;

use crate::{common::Running, gaia::Gaia, is_clean, run};

#[track_caller]
fn emit(gaia: &Gaia, pair: &str) {
    let line = gaia.rollout("plan --emit-script script", &gaia.scratch.text(pair));
    gaia.run(&line).exits(5);
}

/// The pair that is in place: content, mode and owner of each file.
fn pair(gaia: &Gaia) -> Vec<(String, u32, u32, u32)> {
    let one = |name: &str| {
        let file = format!("web/conf/{name}");
        let at = fs::metadata(gaia.scratch.path(&file)).unwrap();
        (gaia.scratch.read(&file), at.mode(), at.uid(), at.gid())
    };
    ["server.key", "server.crt"].map(one).to_vec()
}

/// Names in the directory of the pair.
fn names(gaia: &Gaia) -> Vec<String> {
    let names = gaia.scratch.sh("ls -A web/conf");
    names.lines().map(str::to_owned).collect()
}

#[test]
fn a_script_gives_a_portal_what_apply_gives_it_and_keeps_copies() {
    let Some(by_script) = Gaia::start() else {
        return;
    };
    let Some(by_apply) = Gaia::start() else {
        return;
    };
    // The same pair on both.
    for file in ["new.pem", "new.key"] {
        by_apply.scratch.file(file, by_script.scratch.read(file));
    }
    let before = pair(&by_script);
    emit(&by_script, "new");
    let key = by_script.scratch.read("new.key");
    is_clean(&by_script.scratch, "script", &[&key, &before[0].0]);
    let ran = run(&by_script.scratch, "script").exits(0);
    by_apply
        .run(&by_apply.rollout("apply --yes", "new"))
        .exits(0);
    for gaia in [&by_script, &by_apply] {
        gaia.serves("new.pem");
    }
    assert_eq!(pair(&by_script), pair(&by_apply));
    assert_eq!(by_script.told(), by_apply.told());
    assert_eq!(by_script.portal.requests(), 0, "{ran:#?}");
    let leaf = by_script.scratch.fingerprint("new.pem");
    let kept = format!("before-{}", &leaf[..12]);
    let mut wanted = ["server.crt", "server.key"]
        .map(|n| [n.to_owned(), format!("{n}.{kept}")])
        .concat();
    wanted.sort();
    assert_eq!(names(&by_script), wanted);
    let copy = by_script
        .scratch
        .read(&format!("web/conf/server.key.{kept}"));
    assert_eq!(copy, before[0].0);
    // A second run would lay its copies over those of the first.
    let again = run(&by_script.scratch, "script").exits(1);
    assert!(
        again.err.contains("look at it, and move it away"),
        "{again:#?}"
    );
    by_script.serves("new.pem");
}

#[test]
fn a_script_puts_the_pair_of_before_back_where_the_new_one_is_not_served_or_not_named() {
    let calls = ["process:httpd2", "process:httpd2 t"];
    let deaf = Ways {
        deaf: true,
        ..Ways::default()
    };
    for (what, ways, api) in [
        ("served", deaf, None),
        (
            "named",
            Ways::default(),
            Some("#!/bin/sh\necho SHA256 Fingerprint = C0:1D\n"),
        ),
    ] {
        let Some(gaia) = Gaia::start() else { return };
        let (leaf, tree) = (gaia.leaf(), gaia.tree());
        emit(&gaia, "new");
        gaia.behaves(ways);
        if let Some(api) = api {
            gaia.scratch.file("api", api);
        }
        let ran = run(&gaia.scratch, "script").exits(3);
        gaia.tree().is(&tree);
        assert_eq!(gaia.leaf(), leaf, "{what}: {ran:#?}");
        assert_eq!(gaia.told(), calls.repeat(2), "{what}");
        assert!(
            ran.err.contains("rolled back: everything is as before"),
            "{ran:#?}"
        );
    }
}

#[test]
fn a_script_that_is_interrupted_goes_back_and_one_that_cannot_says_so() {
    let Some(gaia) = Gaia::start() else { return };
    let tree = gaia.tree();
    emit(&gaia, "new");
    let script = gaia.scratch.read("script");
    gaia.scratch.file(
        "tellpm",
        format!(
            "{}kill -TERM \"$(sed 's/.*) [A-Z] //; s/ .*//' \"/proc/$PPID/stat\")\"\n",
            gaia.scratch.read("tellpm")
        ),
    );
    let ran = run(&gaia.scratch, "script").exits(3);
    gaia.tree().is(&tree);
    assert!(ran.err.contains("going back"), "{ran:#?}");
    gaia.scratch.file("tellpm", "#!/bin/sh\nexit 1\n");
    assert!(script.contains(" t || told=1"));
    let ran = run(&gaia.scratch, "script").exits(4);
    assert!(
        ran.err.contains("stuck: not everything is as before"),
        "{ran:#?}"
    );
    // What was there is there, and its copies stay.
    let kept = gaia.scratch.sh("cat web/conf/server.key.before-*");
    assert_eq!(gaia.scratch.read("web/conf/server.key"), kept);
}

#[test]
fn a_directory_behind_a_link_of_roots_is_named_without_it() {
    let Some(gaia) = Gaia::start() else { return };
    gaia.scratch.sh("mv web real; ln -s real web");
    emit(&gaia, "new");
    assert!(!gaia.scratch.read("script").contains("web/conf/server"));
    run(&gaia.scratch, "script").exits(0);
    gaia.serves("new.pem");
    assert_eq!(
        gaia.scratch
            .sh("find web/ -name '.certroll-*'; readlink web"),
        "real\n"
    );
}

#[test]
fn a_directory_that_has_come_behind_a_link_is_refused_before_anything_is_changed() {
    let Some(gaia) = Gaia::start() else { return };
    emit(&gaia, "new");
    gaia.scratch.sh("mv web real; ln -s real web");
    let before = gaia.scratch.sh("ls -laR real; cat real/conf/*");
    let ran = run(&gaia.scratch, "script").exits(1);
    assert!(ran.err.contains("or behind a link"), "{ran:#?}");
    assert_eq!(gaia.scratch.sh("ls -laR real; cat real/conf/*"), before);
}

#[test]
fn a_signal_while_a_file_is_staged_leaves_nothing_beside_it() {
    let Some(gaia) = Gaia::start() else { return };
    emit(&gaia, "new");
    gaia.scratch.dir("shims");
    let shim = "#!/bin/sh\nkill -TERM $PPID\nexec /bin/cp \"$@\"\n";
    gaia.scratch.file("shims/cp", shim);
    gaia.scratch.mode("shims/cp", 0o755);
    let path = format!("PATH={}:/usr/bin:/bin", gaia.scratch.text("shims"));
    let script = gaia.scratch.text("script");
    Running::start(gaia.scratch.program("env").args([&path, &script]))
        .end()
        .exits(0);
    let left = gaia.scratch.sh("find web -name '.certroll-*'");
    assert_eq!(left, "");
    gaia.serves("new.pem");
}

#[test]
fn a_script_refuses_a_file_that_has_become_a_link_and_says_what_it_runs() {
    let Some(gaia) = Gaia::start() else { return };
    emit(&gaia, "new");
    let linked = "mv web/conf/server.crt elsewhere; ln -s ../../elsewhere web/conf/server.crt";
    gaia.scratch.sh(linked);
    let tree = gaia.tree();
    let ran = run(&gaia.scratch, "script").exits(1);
    gaia.tree().is(&tree);
    let said = "server.crt is not the plain file any more that the plan saw: plan again";
    assert!(ran.err.contains(said), "{ran:#?}");
    gaia.scratch.sh("mv elsewhere web/conf/server.crt");
    let ran = run(&gaia.scratch, "script").exits(0);
    let all: Vec<&str> = ran.err.split("running: ").skip(1).collect();
    assert!(!all.is_empty(), "{ran:#?}");
    // The limit is no part of the command.
    assert!(
        all.iter().all(|command| command.starts_with('/')),
        "{ran:#?}"
    );
}
