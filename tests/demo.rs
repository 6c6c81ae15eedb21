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

#[test]
fn an_interrupted_story_fails_and_leaves_nothing_behind() {
    for until in [
        "== A host like",
        "running: xivo-service restart all",
        "xivo-agentd ... NOK",
    ] {
        let mut demo = Running::start(&[]);
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

/// Runs a demo to its end, and looks for lines in their order.
fn tell(name: &str, lines: &[&str]) {
    let start = Instant::now();
    let (code, text, errors, temp) = Running::start(&[name]).end();
    let took = start.elapsed();
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
    // A rotation waits for its peers, phase by phase.
    let limit = if name == "wso2" { 3 * LIMIT } else { LIMIT };
    assert!(took < limit, "took {took:?}");
    let mut rest = text.as_str();
    for line in lines {
        let Some(at) = rest.find(line) else {
            panic!("`{line}` is missing, or not in its place:\n{text}");
        };
        rest = &rest[at + line.len()..];
    }
    assert!(!text.contains("PRIVATE KEY"), "a key was printed");
    nothing_is_left(&temp);
}

/// Interrupts a demo, once for each line, as soon as that line is read.
fn interrupt(name: &str, lines: &[&str]) {
    for until in lines {
        let mut demo = Running::start(&[name]);
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
fn the_story_of_a_server_that_is_pinned_holds_in_time_and_leaves_nothing_behind() {
    let lines = [
        "\"fingerprint-sha256\": \"",
        "a client that pins it has logged in",
        "  127.0.0.1:443: SHA-256 ",
        "running: tellpm process:httpd2, then tellpm process:httpd2 t",
        "refused the connection",
        "committed: generation 1, 2 probes good",
        "a client that pins it has logged in",
        "rolled back: generation 2, everything as it was before",
        "of a type that this httpd does not know",
        "a client that pins it has logged in",
        "`127.0.0.1:443` is not the peer that is pinned: nothing was sent to it",
        "got 0 requests and 0 logins",
        "every claim held: 3 logins at the server, none in its place, ",
    ];
    tell("checkpoint", &lines);

    let (code, text, errors, temp) = Running::start(&["checkpoint", "--json"]).end();
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
    let document: serde_json::Value = serde_json::from_str(&text).expect("one document");
    assert_eq!(document["format"], "certroll/demo-checkpoint/1");
    assert_eq!(document["logins"], 3);
    nothing_is_left(&temp);
}

#[test]
fn an_interrupted_story_of_a_server_that_is_pinned_fails_and_leaves_nothing_behind() {
    interrupt(
        "checkpoint",
        &["== The plan", "running: tellpm", "refused the connection"],
    );
}

#[test]
fn the_story_of_a_gateway_and_its_backend_holds_in_time_and_leaves_nothing_behind() {
    let lines = [
        "the gateway's log: javax.net.ssl.SSLHandshakeException",
        "[allow-all]",
        "committed: phase trust (1 of 4), generation 1, ",
        "<servers>*</servers>",
        "<servers>backend.example.com:9444</servers>",
        "<KeyPassword>[not shown]</KeyPassword>",
        "committed: phase switch (3 of 4), generation 2, 2 probes good",
        "called through the gateway: the backend saw `",
        "== A renewal",
        "committed: phase trust (1 of 4), generation 3, ",
        "refused the handshake with alert UnknownCA: want a client that is accepted",
        "rolled back: phase accepted (2 of 4), generation 4, everything as it was before",
        "running: touch -c",
        "committed: phase switch (3 of 4), generation 5, 2 probes good",
        " times meanwhile, and no call failed",
        "called through the gateway: the backend saw `",
        "profiles.xml, then sleep 605",
        "committed: phase trust (1 of 4), generation 6, ",
        "committed: phase clean (4 of 4), generation 7, 2 probes good",
        " times meanwhile, and no call failed",
        "committed: phase trust (1 of 4), generation 8, ",
        "-Djavax.net.debug=ssl:handshake",
        "rolled back: phase switch (3 of 4), generation 9, everything as it was before",
        "every claim held: 3 identities in force, ",
    ];
    tell("wso2", &lines);
    interrupt("wso2", &["== A renewal", "running: touch"]);
}

#[test]
fn the_story_of_an_appliance_holds_in_time_and_leaves_nothing_behind() {
    let lines = [
        "the appliance serves ",
        "plain HTTP answers",
        "> POST https://127.0.0.1:",
        "undo: with the pair from before: POST https://127.0.0.1:",
        "committed: generation 1, ",
        "plain HTTP is closed",
        "converged: ",
        "rolled back: generation 2, everything as it was before",
        "plain HTTP is closed",
        "/v1/security/sslcertificate: 200, with a key",
        "every claim held: ",
        "3 keys among them, none in the clear",
    ];
    tell("speechmatics", &lines);
}

#[test]
fn an_interrupted_story_of_an_appliance_fails_and_leaves_nothing_behind() {
    interrupt("speechmatics", &["== The plan", "sending POST"]);
}
