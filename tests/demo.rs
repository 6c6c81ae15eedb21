//! `certroll demo`: the whole story, told by the very program.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "the test looks at the program from outside (output, files, processes), and fails by panicking"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

#[path = "demo/stories.rs"]
mod stories;

/// The promise: worth showing to a colleague who does not wait.
const LIMIT: Duration = Duration::from_secs(10);

/// One demo at a time: the time of one is measured.
static ALONE: Mutex<()> = Mutex::new(());

/// A demo that runs, with a temporary directory of its own.
struct Running {
    temp: TempDir,
    program: Child,
    out: BufReader<ChildStdout>,
    text: String,
    _alone: MutexGuard<'static, ()>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let temp = tempfile::tempdir().expect("a scratch directory");
        let mut program = Command::new(env!("CARGO_BIN_EXE_certroll"))
            .arg("demo")
            .args(arguments)
            .env("TMPDIR", temp.path())
            .env_remove("NO_COLOR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let out = BufReader::new(program.stdout.take().expect("a pipe"));
        Self {
            temp,
            program,
            out,
            text: String::new(),
            _alone: alone,
        }
    }

    fn read_until(&mut self, line: &str) {
        let mut from = 0;
        while !self.text[from..].contains(line) {
            from = self.text.len();
            let read = self.out.read_line(&mut self.text).expect("text");
            assert!(read > 0, "ended before `{line}`:\n{}", self.text);
        }
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.program.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("it is still there");
    }

    /// Returns the exit code, what was printed, the errors, and the directory that the demo worked in.
    fn end(mut self) -> (Option<i32>, String, String, TempDir) {
        self.out.read_to_string(&mut self.text).expect("text");
        let output = self.program.wait_with_output().expect("it ends");
        let errors = String::from_utf8(output.stderr).expect("text");
        (output.status.code(), self.text, errors, self.temp)
    }
}

/// Command lines of daemons of a demo in this directory.
fn daemons(temp: &Path) -> Vec<String> {
    let temp = temp.to_str().expect("a path of text");
    let entries = fs::read_dir("/proc").expect("proc is mounted");
    let lines = entries
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
        .filter(|line| line.contains(temp) && line.contains("demo-daemon"))
        .collect()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let kind = entry.file_type().expect("a type");
        found.push(entry.path());
        if kind.is_dir() {
            found.extend(files_below(&entry.path()));
        }
    }
    found
}

/// Lines of every private key that the demo has at the moment.
fn key_lines(temp: &Path) -> Vec<String> {
    let keys = files_below(temp)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "key"));
    let text: String = keys
        .map(|key| fs::read_to_string(key).expect("a key"))
        .collect();
    assert_eq!(text.matches("BEGIN PRIVATE KEY").count(), 3, "three pairs");
    let lines = text.lines().filter(|line| !line.starts_with('-'));
    lines.map(str::to_owned).collect()
}

fn nothing_is_left(temp: &TempDir) {
    assert_eq!(files_below(temp.path()), Vec::<PathBuf>::new());
    assert_eq!(daemons(temp.path()), Vec::<String>::new());
}

#[test]
fn the_whole_story_holds_in_time_and_leaves_nothing_behind() {
    let mut demo = Running::start(&[]);
    let start = Instant::now();
    demo.read_until("== The plan");
    assert_eq!(daemons(demo.temp.path()).len(), 20);
    let keys = key_lines(demo.temp.path());
    let (code, text, errors, temp) = demo.end();
    let took = start.elapsed();
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
    assert!(took < LIMIT, "took {took:?}");

    let mut rest = text.as_str();
    for line in [
        "== A host like Wazo 17.06",
        "CN=*, O=Proformatique",
        "== The plan",
        "-127.0.1.1\twazo.example.com",
        "== The rollout",
        "committed: generation 1, ",
        "== The same again",
        "converged: nothing to do, ",
        "== A rollout that breaks",
        "xivo-agentd ... NOK",
        "rolled back: generation 2, everything as it was before",
        "its `ciphers` take RSA keys alone",
        "== Back, and proved",
        "5 of 5 verified",
        "every claim held: 20 daemons, 13 TLS ports, 34 calls between them, ",
    ] {
        let Some(at) = rest.find(line) else {
            panic!("`{line}` is missing, or not in its place:\n{text}");
        };
        rest = &rest[at + line.len()..];
    }
    for line in keys {
        assert!(!text.contains(&line), "a line of a key was printed");
    }
    assert!(!text.contains('\u{1b}'), "colours without a terminal");
    nothing_is_left(&temp);
}

#[test]
fn for_programs_the_story_is_one_document() {
    let (code, text, errors, temp) = Running::start(&["--json"]).end();
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
    let document: serde_json::Value = serde_json::from_str(&text).expect("one document");
    assert_eq!(document["format"], "certroll/demo/1");
    let counts = ["daemons", "endpoints", "calls"].map(|key| document[key].as_u64());
    assert_eq!(counts, [Some(20), Some(13), Some(34)]);
    nothing_is_left(&temp);
}

/// Interrupts a demo, once for each line, as soon as that line is read: it fails, and leaves nothing behind.
fn interrupted(args: &[&str], lines: &[&str]) {
    for until in lines {
        let mut demo = Running::start(args);
        demo.read_until(until);
        demo.signal(Signal::SIGINT);
        let (code, text, errors, temp) = demo.end();
        assert_eq!(code, Some(1), "{until}: {text}{errors}");
        assert!(errors.contains("interrupted by SIGINT"), "{errors}");
        assert!(!text.contains("every claim held"), "{text}");
        nothing_is_left(&temp);
    }
}

#[test]
fn an_interrupted_story_fails_and_leaves_nothing_behind() {
    let lines = [
        "== A host like",
        "running: xivo-service restart all",
        "xivo-agentd ... NOK",
    ];
    interrupted(&[], &lines);
}

#[test]
fn daemons_end_with_a_parent_that_was_killed() {
    let mut demo = Running::start(&[]);
    demo.read_until("== The plan");
    assert_eq!(daemons(demo.temp.path()).len(), 20);
    demo.signal(Signal::SIGKILL);
    let (code, .., temp) = demo.end();
    assert_eq!(code, None);
    let start = Instant::now();
    while !daemons(temp.path()).is_empty() {
        assert!(start.elapsed() < LIMIT, "{:?}", daemons(temp.path()));
        std::thread::sleep(Duration::from_millis(20));
    }
}
