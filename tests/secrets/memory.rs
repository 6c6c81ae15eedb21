//! Memory of a run: no core dump holds it, and no other user may look into it.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command},
};

use super::{
    EC,
    common::{Scratch, skip, until},
    scratch,
};

/// Starts something that may dump as much core as it likes, in the scratch directory.
fn start(scratch: &Scratch, line: &str) -> Child {
    let script = format!("ulimit -c unlimited; exec {line}");
    let mut command = scratch.program("sh");
    command.args(["-euc", &script]).spawn().unwrap()
}

/// Whether a process left a core when it was ended as by abort(3).
fn dumps(mut child: Child) -> bool {
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGABRT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status:?}");
    status.core_dumped()
}

#[test]
fn a_run_leaves_no_core_and_nobody_else_sees_its_memory_or_environment() {
    let (scratch, canary) = scratch(EC);
    if !nix::unistd::geteuid().is_root() {
        return skip("only a run of root is not dumpable");
    }
    let control = start(&scratch, "sleep 60");
    until("it to sleep", || {
        fs::read_to_string(format!("/proc/{}/comm", control.id())).is_ok_and(|c| c == "sleep\n")
    });
    if !dumps(control) {
        return skip("no program leaves a core here");
    }
    scratch.sh("rm -f core core.*");

    // A rollout that waits for a command has the key in its memory.
    let at = scratch.text("");
    scratch.dir("t");
    scratch.file(
        "act",
        format!("#!/bin/sh\ntouch {at}acting\nexec sleep 60\n"),
    );
    scratch.mode("act", 0o755);
    scratch.profile(
        "own",
        &format!(
            "resources:\n  - {{kind: pem, path: {at}t/server.key, form: key}}\n  - {{kind: pem, path: {at}t/server.crt, form: fullchain}}\n\
             services:\n  - {{manager: command, command: [{at}act]}}\n"
        ),
    );
    let line = format!(
        "{} --state {at}state --profiles {at}P apply --profile own --cert c.pem --key enc.key --password-file pw --yes",
        super::CERTROLL
    );
    let run = start(&scratch, &line);
    until("the command", || scratch.path("acting").exists());
    let pid = run.id();
    for file in ["mem", "environ", "maps"] {
        let looked = Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .args(["head", "-c", "1", &format!("/proc/{pid}/{file}")])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&looked.stderr);
        assert!(
            !looked.status.success() && error.contains("ermission denied"),
            "{file}: {looked:?}"
        );
    }
    // Of the run and of everything below it.
    let mut looked_at = 0;
    for process in below(pid) {
        for file in ["environ", "cmdline"] {
            let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap();
            canary.is_not_in(&bytes, file);
        }
        looked_at += 1;
    }
    assert!(looked_at >= 2, "only {looked_at} processes");
    assert!(!dumps(run));
    let cores = scratch.sh("find . -name 'core*'");
    assert_eq!(cores, "");
    scratch
        .certroll(&format!("--state {at}state recover --boot"))
        .exits(0);
}

/// A process and its descendants.
fn below(top: u32) -> Vec<u32> {
    let mut found = vec![top];
    for n in 0.. {
        let Some(parent) = found.get(n) else { break };
        let tasks = format!("/proc/{parent}/task/{parent}/children");
        let children = fs::read_to_string(tasks).unwrap_or_default();
        found.extend(
            children
                .split_whitespace()
                .map(|pid| pid.parse::<u32>().unwrap()),
        );
    }
    found
}
