//! Mounts that are swapped in below another root while a run is on its way.

use std::time::Duration;

use certroll::{
    apply::Keep,
    error::Error,
    host::{Host as _, system::SystemHost},
    plan::Plan,
    rollouts::Request,
    source::Files,
};

use super::{
    common::{Running, Scratch, skip},
    scratch, trace,
};

/// A bind mount that goes with the test.
struct Mount<'s>(&'s Scratch, &'static str);

impl<'s> Mount<'s> {
    fn bind(scratch: &'s Scratch, from: &str, at: &'static str) -> Option<Self> {
        let mut command = scratch.program("mount");
        let run = Running::start(command.args(["--bind", from, at])).end();
        if run.code != 0 {
            skip(&format!("nothing can be mounted here: {}", run.err));
            return None;
        }
        Some(Self(scratch, at))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        drop(self.0.program("umount").args(["-l", self.1]).status());
    }
}

fn prepared(scratch: &Scratch) -> (SystemHost, Plan, Keep) {
    let mut host = SystemHost::open(Some(&scratch.text("R")), None).unwrap();
    host.lock(Duration::ZERO).unwrap();
    let request = Request {
        profiles: vec!["own".to_owned()],
        profiles_dir: Some(scratch.text("P")),
        files: Files {
            cert: Some(scratch.text("a.pem")),
            key: Some(scratch.text("a.key")),
            ..Files::default()
        },
        ..Request::default()
    };
    let prepared = certroll::prepare(&host, &request).unwrap();
    (host, prepared.plan, prepared.keep)
}

#[test]
fn a_mount_that_comes_after_the_run_began_is_not_written_to() {
    for at in ["R/opt/a/pki", "R/opt/a", "R/opt"] {
        let Some(scratch) = scratch() else { return };
        scratch.dir("outside/a/pki");
        let before = trace(&scratch.path("outside"));
        let (mut host, plan, keep) = prepared(&scratch);
        let Some(mount) = Mount::bind(&scratch, "outside", at) else {
            return;
        };
        let error = certroll::rollout(&mut host, plan, keep, &|_| {}).unwrap_err();
        drop(mount);
        // Where the directory is not in what was mounted, there is nothing to be written to either.
        let Error::Io { verb, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(
            verb.contains("mounted since the run began") || verb.contains("directory"),
            "{error}"
        );
        assert_eq!(trace(&scratch.path("outside")), before);
        assert_eq!(
            scratch.sh("find R/opt -name '.certroll-*' -o -name 'server.*'"),
            ""
        );
    }
}

#[test]
fn a_mount_that_was_there_when_the_run_began_is_part_of_the_root() {
    let Some(scratch) = scratch() else { return };
    scratch.dir("disk");
    let Some(mount) = Mount::bind(&scratch, "disk", "R/opt/a/pki") else {
        return;
    };
    let (mut host, plan, keep) = prepared(&scratch);
    certroll::rollout(&mut host, plan, keep, &|_| {}).unwrap();
    drop(mount);
    assert_eq!(scratch.sh("ls disk"), "server.crt\nserver.key\n");
}
