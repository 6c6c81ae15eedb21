//! Scratch hosts, minted pairs, snapshots of trees, and bounded runs of the real binary.
#![allow(
    dead_code,
    unused_imports,
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
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use certroll::demo::port::Port;
use tempfile::TempDir;

mod run;
mod snapshot;

pub(crate) use run::{Run, Running};
pub(crate) use snapshot::{Object, Snapshot};

/// The program under test.
pub(crate) const CERTROLL: &str = env!("CARGO_BIN_EXE_certroll");

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

/// A port for a server of this test, which it alone is given as long as its process lives, also while the server is away.
pub(crate) fn own_port() -> u16 {
    let port = Port::hold().unwrap();
    let number = port.number();
    std::mem::forget(port);
    number
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

    /// Any program in this directory, in the same bare surroundings, without the file of authorities that the machine trusts:
    /// certroll then trusts none, on every machine, and openssl does not read them all each time.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("SSL_CERT_FILE", "/dev/null");
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

    /// Mints a self-signed RSA pair, of the one key that all tests have under this name.
    pub(crate) fn mint_rsa(&self, name: &str, dns: &str) {
        self.mint_rsa_for(name, dns, &format!("DNS:{dns}"));
    }

    /// Mints such a pair with a common name and alternative names of its own.
    pub(crate) fn mint_rsa_for(&self, name: &str, cn: &str, names: &str) {
        fs::copy(rsa_key(name), self.path(&format!("{name}.key"))).unwrap();
        self.mode(&format!("{name}.key"), 0o600);
        self.sh(&format!(
            "openssl req -x509 -key {name}.key -out {name}.pem -days 365 -subj /CN={cn} -addext subjectAltName={names} 2>&1"
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

/// An RSA key for each name, made once in a build directory: openssl may need a second of a processor for one.
fn rsa_key(name: &str) -> PathBuf {
    let keys = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rsa");
    let key = keys.join(name);
    if !key.exists() {
        fs::create_dir_all(&keys).unwrap();
        let new = tempfile::NamedTempFile::new_in(&keys).unwrap();
        let made = Command::new("openssl")
            .args([
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
                "-out",
            ])
            .arg(new.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        // Another test that was quicker has made the one that counts.
        let _ = new.persist_noclobber(&key);
    }
    key
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
