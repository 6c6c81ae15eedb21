//! Files in a directory that somebody else may write, who is quick: whatever a program of the script is about to name there is
//! another thing by then.

use std::os::unix::fs::MetadataExt as _;

use crate::{
    common::{Run, Running, Snapshot},
    gaia::Gaia,
};

/// A portal whose pair is in a directory of nobody's, with a script for a new pair and a file that is none of nobody's
/// business.
fn start() -> Option<Gaia> {
    let gaia = Gaia::start()?;
    let new = gaia.scratch.text("new");
    gaia.run(&gaia.rollout("plan --emit-script script", &new))
        .exits(5);
    gaia.scratch.file("secret", "everybody's passwords\n");
    gaia.scratch.mode("secret", 0o640);
    gaia.scratch
        .sh("chmod 711 .; chmod 755 web; chown nobody web/conf");
    Some(gaia)
}

/// Runs the script with programs that have nobody do something first, in whose words the last argument is `$last`.
fn raced(gaia: &Gaia, programs: &[&str], first: &str) -> Run {
    gaia.scratch.dir("shims");
    for program in programs {
        let shim = format!("shims/{program}");
        let text = format!(
            "#!/bin/sh\nfor last; do :; done\nexport last\n\
             setpriv --reuid nobody --regid nogroup --clear-groups sh -c '{first}' 2>>{}\nexec /bin/{program} \"$@\"\n",
            gaia.scratch.text("raced")
        );
        gaia.scratch.file(&shim, text);
        gaia.scratch.mode(&shim, 0o755);
    }
    let path = format!(
        "PATH={}:/usr/bin:/bin:/usr/sbin:/sbin",
        gaia.scratch.text("shims")
    );
    let script = gaia.scratch.text("script");
    Running::start(gaia.scratch.program("env").args([&path, &script])).end()
}

/// Asserts that the file is as it was, and its content nowhere else.
#[track_caller]
fn is_untouched(gaia: &Gaia) {
    let secret = gaia.scratch.path("secret").metadata().unwrap();
    assert_eq!((secret.uid(), secret.mode() & 0o7777), (0, 0o640));
    assert_eq!(gaia.scratch.read("secret"), "everybody's passwords\n");
    let found = gaia
        .scratch
        .sh("find web -type f -exec grep -l passwords {} + || true");
    assert_eq!(found, "");
}

#[test]
fn what_is_staged_is_out_of_reach_of_who_may_write_beside_it() {
    let Some(gaia) = start() else { return };
    let secret = gaia.scratch.text("secret");
    let link = format!("ln -sf {secret} \"$last\"");
    let ran = raced(&gaia, &["cp", "chown", "chmod"], &link);
    is_untouched(&gaia);
    assert_ne!(gaia.scratch.read("raced"), "", "nobody tried anything");
    ran.exits(0);
    gaia.serves("new.pem");
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let Some(gaia) = start() else { return };
    let (secret, conf) = (gaia.scratch.text("secret"), gaia.scratch.text("web/conf"));
    let ran = raced(
        &gaia,
        &["cp"],
        &format!("ln -sf {secret} {conf}/server.crt"),
    );
    is_untouched(&gaia);
    assert_ne!(ran.code, 0, "{ran:#?}");
    assert!(gaia.scratch.path("web/conf/server.crt").is_symlink());
}

#[test]
fn a_pipe_in_the_place_of_a_file_holds_nobody_up() {
    let Some(gaia) = start() else { return };
    let file = gaia.scratch.text("web/conf/server.crt");
    let pipe = format!("[ -p {file} ] || {{ rm -f {file}; mkfifo {file}; }}");
    let ran = raced(&gaia, &["cp"], &pipe);
    assert_ne!(ran.code, 0, "{ran:#?}");
    assert_eq!(gaia.scratch.sh("find web -name '.certroll-*'"), "");
}

#[test]
fn a_link_in_the_place_of_the_directory_leads_nowhere() {
    let Some(gaia) = start() else { return };
    // A directory of root's, in which there are files of the same names.
    gaia.scratch
        .sh("chown nobody web; cp -a web/conf other; chown root other");
    let other = Snapshot::of(&gaia.scratch.path("other"), &[]);
    let (web, at) = (gaia.scratch.text("web"), gaia.scratch.text("other"));
    let swap =
        format!("[ -L {web}/conf ] || {{ mv {web}/conf {web}/was; ln -s {at} {web}/conf; }}");
    let ran = raced(&gaia, &["cp"], &swap);
    assert!(gaia.scratch.path("web/conf").is_symlink(), "{ran:#?}");
    assert_ne!(ran.code, 0, "{ran:#?}");
    Snapshot::of(&gaia.scratch.path("other"), &[]).is(&other);
    is_untouched(&gaia);
}
