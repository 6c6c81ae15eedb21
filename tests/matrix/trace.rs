//! System calls of a run: which of them change something, and runs that one of them kills or fails.
//!
//! A signal that strace injects is delivered as the call is entered; one that kills keeps the call from being carried
//! out, so that a kill at a call leaves what was there before it, which is what the call before it left.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::common::{CERTROLL, Run, Running, Scratch};

/// Calls that change files, their names or their attributes, bring them to the disk, or take the lock.
const CHANGING: [&str; 31] = [
    "chmod",
    "chown",
    "creat",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fdatasync",
    "flock",
    "fremovexattr",
    "fsetxattr",
    "fsync",
    "ftruncate",
    "lchown",
    "link",
    "linkat",
    "lsetxattr",
    "mkdir",
    "mkdirat",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "setxattr",
    "symlink",
    "symlinkat",
    "syncfs",
    "unlink",
    "unlinkat",
];

/// Calls that open a file, and change something where they may create or cut it.
const OPENING: [&str; 3] = ["open", "openat", "openat2"];

/// Calls that change no file.
const HARMLESS: [&str; 66] = [
    "access",
    "arch_prctl",
    "brk",
    "chdir",
    "clone",
    "clone3",
    "close",
    "connect",
    "dup",
    "dup2",
    "epoll_create1",
    "execve",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fchdir",
    "fcntl",
    "flistxattr",
    "fgetxattr",
    "fstat",
    "fstatfs",
    "futex",
    "getcwd",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getpgrp",
    "getpid",
    "getrandom",
    "gettid",
    "getuid",
    "ioctl",
    "kill",
    "lseek",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "nanosleep",
    "newfstatat",
    "clock_nanosleep",
    "pidfd_open",
    "pidfd_send_signal",
    "pipe2",
    "poll",
    "ppoll",
    "prctl",
    "pread64",
    "prlimit64",
    "read",
    "readlink",
    "readlinkat",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "socket",
    "statx",
    "umask",
];

/// Calls that wait.
const WAITING: [&str; 4] = ["rt_sigtimedwait", "wait4", "waitid", "restart_syscall"];

/// One call of a run that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    /// Its name.
    pub(crate) call: String,
    /// How many calls of that name there were up to it, itself included.
    pub(crate) n: usize,
    /// What it was about, with every number left out.
    shape: String,
}

impl Point {
    /// Tells whether it is about something of this name.
    pub(crate) fn is_about(&self, name: &str) -> bool {
        self.shape.contains(name)
    }
}

/// Runs certroll to its end and returns, in order, the calls that change something.
///
/// Fails where a call is not known, or where a thread other than the first changes something: strace counts the calls
/// of each thread, so that none of another's would be met.
#[track_caller]
pub(crate) fn points(scratch: &Scratch, worker: &str, line: &str) -> (Run, Vec<Point>) {
    let log = scratch.path(&format!("{worker}.trace"));
    let run = strace(scratch, &log, &["-f"], line);
    let text = fs::read_to_string(&log).unwrap();
    let threads = threads(&text);
    let (first, _) = text.split_once(' ').unwrap();
    let mut counts = BTreeMap::new();
    let mut points = Vec::new();
    for call in text.lines() {
        let (thread, call) = call.split_once(' ').unwrap();
        if !threads.contains(thread) {
            // A command's own.
            continue;
        }
        let Some((name, point)) = parse(call, &mut counts, thread == first) else {
            continue;
        };
        assert!(known(&name), "a call that nobody judged: {call}");
        if let Some(point) = point {
            assert_eq!(thread, first, "another thread changes something: {call}");
            points.push(point);
        }
    }
    assert!(!points.is_empty(), "{line} changes nothing: {run:?}");
    (run, points)
}

/// Returns the threads of the program itself, which a command that it runs is not.
fn threads(text: &str) -> BTreeSet<String> {
    let mut threads = BTreeSet::from([text.split(' ').next().unwrap().to_owned()]);
    for line in text.lines().filter(|l| l.contains("CLONE_THREAD")) {
        // The resumed half of a call has no flags; a thread's start is never cut in two by its own process alone.
        let id = line.rsplit(" = ").next().unwrap();
        threads.insert(id.trim().to_owned());
    }
    threads
}

/// Reads one line of a trace; none where it is no call, or the second half of one.
fn parse(
    line: &str,
    counts: &mut BTreeMap<String, usize>,
    counted: bool,
) -> Option<(String, Option<Point>)> {
    let line = line.trim_start();
    if ["<...", "---", "+++"]
        .iter()
        .any(|mark| line.starts_with(mark))
    {
        return None;
    }
    let (name, rest) = line.split_once('(')?;
    let n = counts.entry(name.to_owned()).or_default();
    *n += usize::from(counted);
    let point = changes(name, rest).then(|| Point {
        call: name.to_owned(),
        n: *n,
        shape: shape(name, rest),
    });
    Some((name.to_owned(), point))
}

fn changes(name: &str, rest: &str) -> bool {
    match name {
        // What is said to people changes no file.
        "write" => !rest.starts_with("1,") && !rest.starts_with("2,"),
        "writev" => true,
        _ if OPENING.contains(&name) => rest.contains("O_CREAT") || rest.contains("O_TRUNC"),
        _ => CHANGING.contains(&name),
    }
}

fn known(name: &str) -> bool {
    name == "write"
        || OPENING.contains(&name)
        || [&CHANGING[..], &HARMLESS, &WAITING]
            .iter()
            .any(|all| all.contains(&name))
}

/// What a call is about: the names it is given, without numbers, which differ from run to run.
fn shape(name: &str, rest: &str) -> String {
    let names: Vec<&str> = if name.starts_with("write") {
        Vec::new()
    } else {
        rest.split('"').skip(1).step_by(2).collect()
    };
    let text = format!("{name} {}", names.join(" "));
    text.split(|c: char| c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("#")
}

/// How a run with an injection went.
#[derive(Debug)]
pub(crate) enum Injected {
    Done(Run),
    NotReached(String),
}

/// Runs certroll and kills it as it enters a call.
pub(crate) fn kill(scratch: &Scratch, worker: &str, point: &Point, line: &str) -> Injected {
    let what = format!("signal=KILL:when={}", point.n);
    inject(scratch, worker, point, &what, line, |text| {
        text.contains("+++ killed by SIGKILL +++")
    })
}

/// Runs certroll and lets a call fail, once or from then on.
pub(crate) fn fail(
    scratch: &Scratch,
    worker: &str,
    point: &Point,
    error: &str,
    lasting: bool,
    line: &str,
) -> Injected {
    let lasting = if lasting { "+" } else { "" };
    let what = format!("error={error}:when={}{lasting}", point.n);
    inject(scratch, worker, point, &what, line, |text| {
        text.contains("(INJECTED)")
    })
}

fn inject(
    scratch: &Scratch,
    worker: &str,
    point: &Point,
    what: &str,
    line: &str,
    came_about: impl Fn(&str) -> bool,
) -> Injected {
    let log = scratch.path(&format!("{worker}.trace"));
    let (trace, inject) = (
        format!("trace={}", point.call),
        format!("inject={}:{what}", point.call),
    );
    let run = strace(scratch, &log, &["-e", &trace, "-e", &inject], line);
    let text = fs::read_to_string(&log).unwrap();
    let mut counts = BTreeMap::new();
    let met = text
        .lines()
        .filter_map(|line| parse(line, &mut counts, true)?.1)
        .find(|met| met.n == point.n);
    let Some(met) = met else {
        return Injected::NotReached(format!("the call was not made: {run:?}"));
    };
    if met.shape != point.shape {
        return Injected::NotReached(format!("another call was met: {met:?}"));
    }
    if came_about(&text) {
        Injected::Done(run)
    } else {
        Injected::NotReached(format!("nothing was injected: {run:?}"))
    }
}

/// Runs certroll under strace, alone among its processes and with nothing in `/run`: a recovery looks at every process
/// there is, and what depends on how many those are could not be counted.
fn strace(scratch: &Scratch, log: &Path, options: &[&str], line: &str) -> Run {
    let script = "mount -t tmpfs -o mode=755 run /run && exec strace \"$@\"";
    let mut command = scratch.program("unshare");
    command
        .args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation",
            "slave",
            "sh",
            "-c",
            script,
            "sh",
            "-o",
        ])
        .arg(log)
        .args(options)
        .arg(CERTROLL)
        .args(line.split(' '));
    Running::start(&mut command).end()
}
