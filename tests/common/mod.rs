//! Scratch hosts, minted pairs, snapshots of trees, and bounded runs of the real binary.
#![allow(
    dead_code,
    reason = "each test file uses a part of these helpers, and is a crate of its own"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests make and read the host that the program works on"
)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Seek as _, Write as _},
    os::unix::{
        fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
        process::ExitStatusExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The program under test.
pub(crate) const CERTROLL: &str = env!("CARGO_BIN_EXE_certroll");

/// No run of these tests needs longer, even on two loaded cores.
const LIMIT: Duration = Duration::from_mins(1);

/// How a run ended, and what it said.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) line: String,
    /// Exit code; 128 and the signal's number where one ended it.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Asserts the exit code, and shows everything where it is another one.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Asserts that standard output has a text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// Asserts that standard error is exactly this.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert_eq!(self.err, text, "{}\n{}", self.line, self.out);
        self
    }

    /// The last line of standard output.
    pub(crate) fn last(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.out) {
            Ok(document) => document,
            Err(error) => panic!("{error}: {self:#?}"),
        }
    }
}

/// A started process that is ended when the test is.
#[derive(Debug)]
pub(crate) struct Running {
    line: String,
    child: Child,
    out: File,
    err: File,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let (out, err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        command
            .stdout(out.try_clone().unwrap())
            .stderr(err.try_clone().unwrap());
        let line = format!("{command:?}");
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        Self {
            line,
            child,
            out,
            err,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status();
        assert!(status.unwrap().success(), "kill -s {name}");
    }

    /// What it wrote so far, standard output first.
    pub(crate) fn said(&self) -> String {
        let mut said = Vec::new();
        for file in [&self.out, &self.err] {
            let (mut piece, mut at) = ([0; 4 << 10], 0);
            while let Ok(read @ 1..) = file.read_at(&mut piece, at) {
                said.extend_from_slice(&piece[..read]);
                at += read as u64;
            }
        }
        String::from_utf8_lossy(&said).into_owned()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(self) -> Run {
        self.end_within(LIMIT)
    }

    /// Waits for the end, which must come in time.
    #[track_caller]
    pub(crate) fn end_within(mut self, limit: Duration) -> Run {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < limit, "did not end: {}", self.line);
            sleep(Duration::from_millis(3));
        };
        let text = |file: &mut File| {
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Run {
            line: self.line.clone(),
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap()),
            out: text(&mut self.out),
            err: text(&mut self.err),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "in vain for {what}"
        );
        sleep(Duration::from_millis(5));
    }
}

/// Waits a moment in which something must not happen.
pub(crate) fn moment(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds));
}

/// A directory of its own for each test; everything runs in it, so that paths in messages are short and fixed.
#[derive(Debug)]
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("certroll-test-").unwrap())
    }

    /// A scratch directory in memory, for what is done thousands of times.
    pub(crate) fn in_memory() -> Self {
        let dir = Path::new("/dev/shm");
        if dir.is_dir() {
            Self(TempDir::with_prefix_in("certroll-test-", dir).unwrap())
        } else {
            Self::new()
        }
    }

    /// A scratch directory with a Wazo-like root `R`: nothing but what the document's procedure needs to find.
    pub(crate) fn wazo() -> Self {
        let scratch = Self::new();
        for n in 1..=4 {
            scratch.dir(&format!("R/etc/wazo-svc{n}/conf.d"));
        }
        scratch.dir("R/usr/share/xivo-certs");
        let template = "# WAZO: FILE AUTOMATICALLY GENERATED\n127.0.0.1\tlocalhost\n\
            127.0.1.1\t#XIVO_HOSTNAME#.#XIVO_DOMAIN#\tlocalhost.localdomain\t#XIVO_HOSTNAME#\n";
        scratch.file(
            "R/usr/share/xivo-config/templates/system/etc/hosts",
            template,
        );
        scratch.file(
            "R/etc/hosts",
            "127.0.0.1\tlocalhost\n127.0.1.1\tpbx.example.com\tlocalhost.localdomain\tpbx\n",
        );
        // Owners and modes that nobody would make by default, to be found again.
        scratch.mode("R/etc/hosts", 0o664);
        scratch.owner("R/etc/hosts", 12, 34);
        scratch.mode("R/etc/wazo-svc2/conf.d", 0o2750);
        scratch.owner("R/etc/wazo-svc2/conf.d", 56, 78);
        scratch
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn dir(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
    }

    /// Writes a file and the directories above it.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn owner(&self, name: &str, uid: u32, gid: u32) {
        std::os::unix::fs::chown(self.path(name), Some(uid), Some(gid)).unwrap();
    }

    pub(crate) fn link(&self, target: &str, name: &str) {
        std::os::unix::fs::symlink(target, self.path(name)).unwrap();
    }

    /// Writes a profile of one's own to `P/NAME/profile.yaml`.
    pub(crate) fn profile(&self, name: &str, body: &str) {
        let head = format!("profile: {name}\ntitle: a profile of a test\nsource: this test\n");
        self.file(&format!("P/{name}/profile.yaml"), head + body);
    }

    /// A command of the binary in this directory; no terminal, and nothing of the caller's environment but `PATH`.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program(CERTROLL);
        command.args(args);
        command
    }

    /// Any program in this directory, in the same bare surroundings.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Runs the binary with words that are separated by spaces.
    #[track_caller]
    pub(crate) fn certroll(&self, line: &str) -> Run {
        let args: Vec<&str> = line.split_whitespace().collect();
        Running::start(&mut self.command(&args)).end()
    }

    /// Runs the binary on the root `R`.
    #[track_caller]
    pub(crate) fn on_root(&self, line: &str) -> Run {
        self.certroll(&format!("--root R {line}"))
    }

    /// Runs a program that must do well.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let run = Running::start(self.program("sh").args(["-euc", script])).end();
        run.exits(0).out
    }

    /// Mints a self-signed pair `NAME.pem`, `NAME.key` for one DNS name.
    pub(crate) fn mint(&self, name: &str, dns: &str) {
        self.mint_with(name, dns, "-days 365");
    }

    /// Mints a self-signed RSA pair.
    pub(crate) fn mint_rsa(&self, name: &str, dns: &str) {
        self.sh(&format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 365 -subj /CN={dns} \
             -addext subjectAltName=DNS:{dns} 2>&1"
        ));
    }

    /// Mints a pair with more of openssl-req(1)'s options.
    pub(crate) fn mint_with(&self, name: &str, dns: &str, options: &str) {
        self.sh(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.pem \
             {options} -subj /CN={dns} -addext subjectAltName=DNS:{dns} 2>&1"
        ));
        self.mode(&format!("{name}.key"), 0o600);
    }

    /// Mints a self-signed pair that is valid from one new year's day to another: openssl below 3.4 has no option for it.
    pub(crate) fn mint_between(&self, name: &str, dns: &str, from: i32, to: i32) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![dns.to_owned()]).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, dns);
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let leaf = params.self_signed(&key).unwrap();
        self.file(&format!("{name}.pem"), leaf.pem());
        self.file(&format!("{name}.key"), key.serialize_pem());
        self.mode(&format!("{name}.key"), 0o600);
    }

    /// The fingerprint of a leaf as openssl tells it, in our form.
    pub(crate) fn fingerprint(&self, pem: &str) -> String {
        let out = self.sh(&format!(
            "openssl x509 -in {pem} -noout -fingerprint -sha256"
        ));
        let (_, digits) = out.trim().split_once('=').unwrap();
        digits.replace(':', "").to_lowercase()
    }

    /// What the root `R` is, but for certroll's own state.
    pub(crate) fn tree(&self) -> Snapshot {
        Snapshot::of(&self.path("R"), &["var"])
    }
}

/// Everything below a directory: content, mode, owner, link targets, and the directories themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot(pub(crate) BTreeMap<PathBuf, Object>);

/// One object of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Bytes of a file, target of a link, nothing of a directory.
    pub(crate) content: Option<Vec<u8>>,
}

impl Snapshot {
    /// Looks at a tree, but for some names at its top.
    pub(crate) fn of(dir: &Path, but: &[&str]) -> Self {
        let mut all = BTreeMap::new();
        add(dir, dir, but, &mut all);
        assert!(!all.is_empty(), "nothing in {}", dir.display());
        Self(all)
    }

    /// Tells what differs, in words.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let paths = self.0.keys().chain(other.0.keys());
        let mut lines: Vec<String> = paths
            .filter(|path| self.0.get(*path) != other.0.get(*path))
            .map(|path| {
                format!(
                    "{}: {:?} => {:?}",
                    path.display(),
                    self.0.get(path),
                    other.0.get(path)
                )
            })
            .collect();
        lines.sort();
        lines.dedup();
        lines
    }

    /// Asserts that nothing differs.
    #[track_caller]
    pub(crate) fn is(&self, other: &Self) {
        let differences = self.differences(other);
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

fn add(top: &Path, dir: &Path, but: &[&str], all: &mut BTreeMap<PathBuf, Object>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if dir == top && but.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let path = entry.path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_symlink() {
            Some(
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes(),
            )
        } else if metadata.is_file() {
            Some(fs::read(&path).unwrap())
        } else {
            None
        };
        let object = Object {
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            content,
        };
        all.insert(path.strip_prefix(top).unwrap().to_owned(), object);
        if metadata.is_dir() {
            add(top, &path, but, all);
        }
    }
}

/// Says why a test does not do what it is there for, in the file that `CERTROLL_SKIPPED` names, too; where everything must run (`CI`),
/// that is a failure.
#[expect(
    clippy::print_stderr,
    reason = "a skip that nobody sees is a pass that nobody earned"
)]
pub(crate) fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
    assert!(
        std::env::var_os("CI").is_none(),
        "skipped where nothing may be: {reason}"
    );
    if let Some(file) = std::env::var_os("CERTROLL_SKIPPED") {
        let mut options = File::options();
        let file = options.append(true).create(true).open(file);
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        file.and_then(|mut file| file.write_all(format!("{name}: {reason}\n").as_bytes()))
            .unwrap();
    }
}
