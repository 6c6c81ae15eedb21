//! Lab hosts for tests: boot, push, run, look from another host, cut the power.
//!
//! ```ignore
//! let lab = Lab::take();                          // waits for its turn: one lab on a machine
//! let [web, client] = lab.hosts(["web", "client"]);  // new hosts, certroll is on them
//! web.sh("systemctl start nginx");
//! web.certroll("status").exits(0);
//! assert_eq!(client.leaf(&web, 443), Some(web.fingerprint("/etc/ssl/site.pem")));
//! web.kill();                                     // power off, hard
//! web.up();                                       // the same disk
//! ```
//!
//! What is left of the hosts is gone when the `Lab` is dropped, and what a killed test left goes with the next `take`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    dead_code,
    reason = "tests start programs and fail by panicking; not all of them need all of this"
)]

use std::{
    fs::File,
    io::{Seek as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::common::{CERTROLL, Run, Running};

/// No program on a host needs longer, a rollout that waits for its deadline and goes back among them, even on two loaded cores.
const LIMIT: Duration = Duration::from_mins(3);

/// Held by the one test of this machine that has the lab.
const LOCK: &str = "/run/certroll-lab.lock";

/// A command of the lab, started from `tests/lab`.
fn lab(command: &str) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    let mut command = Command::new(path.join(command));
    command.stdin(Stdio::null());
    command
}

/// The lab of this machine, which belongs to one test at a time.
#[derive(Debug)]
pub(crate) struct Lab {
    _turn: File,
}

impl Lab {
    /// Waits for the lab, and clears away what a test left that was killed.
    ///
    /// Panics, with the reasons, where this machine cannot run it.
    pub(crate) fn take() -> Self {
        let check = Running::start(&mut lab("check")).end();
        assert_eq!(check.code, 0, "no lab on this machine:\n{}", check.out);
        let turn = File::create(LOCK).unwrap();
        turn.lock().unwrap();
        // Not bounded like other runs: it may have to install a whole system.
        let built = lab("build").stdout(Stdio::null()).status().unwrap();
        assert!(built.success(), "tests/lab/build");
        let lab = Self { _turn: turn };
        Self::clear();
        lab
    }

    /// Boots new hosts, named `test-NAME`, and puts the program on each.
    pub(crate) fn hosts<const N: usize>(&self, names: [&str; N]) -> [Host<'_>; N] {
        let names = names.map(|name| format!("test-{name}"));
        let up = Running::start(lab("up").args(&names)).end().exits(0);
        // One that is up but degraded is not what a test begins with.
        assert!(!up.err.contains("degraded"), "{up:#?}");
        names.map(|name| {
            let address = up
                .out
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name} ")));
            let host = Host {
                _lab: self,
                address: address.unwrap().to_owned(),
                name,
            };
            host.push(Path::new(CERTROLL), "/usr/local/bin/certroll");
            host
        })
    }

    fn clear() {
        drop(lab("down").arg("test-*").status());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        Self::clear();
    }
}

/// A Debian with systemd as PID 1, a disk, an address and a journal of its own.
#[derive(Debug)]
pub(crate) struct Host<'l> {
    _lab: &'l Lab,
    name: String,
    /// Its IPv4 address.
    pub(crate) address: String,
}

impl Host<'_> {
    /// Its name as other hosts know it, fully qualified.
    pub(crate) fn dns(&self) -> String {
        format!("{}.lab.test", self.name)
    }

    fn command(&self, argv: &[&str]) -> Command {
        let mut command = lab("exec");
        command.arg(&self.name).args(argv);
        command
    }

    /// Starts a program as root, and leaves it running.
    pub(crate) fn start(&self, argv: &[&str]) -> Running {
        Running::start(&mut self.command(argv))
    }

    /// Runs a program as root to its end.
    #[track_caller]
    pub(crate) fn exec(&self, argv: &[&str]) -> Run {
        self.start(argv).end_within(LIMIT)
    }

    /// Runs a script as root, each command of which must do well; returns its output.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        self.exec(&["sh", "-euc", script]).exits(0).out
    }

    /// Runs certroll as root with words that are separated by spaces, in `/root`.
    #[track_caller]
    pub(crate) fn certroll(&self, line: &str) -> Run {
        let words = line.split_whitespace();
        let argv: Vec<&str> = std::iter::once("certroll").chain(words).collect();
        self.exec(&argv)
    }

    /// Copies a file of the machine into the host, mode included; it appears whole or not at all.
    #[track_caller]
    pub(crate) fn push(&self, from: &Path, to: &str) {
        Running::start(lab("push").arg(&self.name).arg(from).arg(to))
            .end()
            .exits(0);
    }

    /// Writes a file, 0644, and the directories above it.
    #[track_caller]
    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let mut source = tempfile::tempfile().unwrap();
        source.write_all(content.as_ref()).unwrap();
        source.rewind().unwrap();
        let argv = ["install", "-D", "-m", "0644", "/dev/stdin", path];
        Running::start(self.command(&argv).stdin(source))
            .end()
            .exits(0);
    }

    /// Mints a self-signed pair `PATH.pem`, `PATH.key` for the host's own name.
    pub(crate) fn mint(&self, path: &str) {
        let dns = self.dns();
        self.sh(&format!(
            "umask 077; mkdir -p $(dirname {path}); \
             openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN={dns} \
             -addext subjectAltName=DNS:{dns} -keyout {path}.key -out {path}.pem 2>&1; chmod 644 {path}.pem"
        ));
    }

    /// The fingerprint of the leaf in a file of the host, in our form.
    #[track_caller]
    pub(crate) fn fingerprint(&self, pem: &str) -> String {
        let line = self.sh(&format!(
            "openssl x509 -in {pem} -noout -fingerprint -sha256"
        ));
        digits(&line).unwrap_or_else(|| panic!("{line}"))
    }

    /// The fingerprint of the leaf that this host is served by another on a port; none where nothing is.
    pub(crate) fn leaf(&self, other: &Host<'_>, port: u16) -> Option<String> {
        self.leaf_behind(other, port, "")
    }

    /// The same, with more flags of `openssl s_client`, as `-starttls smtp`.
    pub(crate) fn leaf_behind(&self, other: &Host<'_>, port: u16, flags: &str) -> Option<String> {
        let (address, dns) = (&other.address, other.dns());
        let ask = format!(
            "timeout 10 openssl s_client -connect {address}:{port} -servername {dns} {flags} </dev/null 2>/dev/null \
             | openssl x509 -noout -fingerprint -sha256"
        );
        digits(&self.exec(&["sh", "-c", &ask]).out)
    }

    /// One property of a unit as systemd tells it (systemctl(1), `show --value`).
    #[track_caller]
    pub(crate) fn unit(&self, unit: &str, property: &str) -> String {
        let argv = [
            "systemctl",
            "show",
            "--value",
            "--property",
            property,
            "--",
            unit,
        ];
        self.exec(&argv).exits(0).out.trim().to_owned()
    }

    /// Everything at and below some paths, a line each: kind, mode, owner, target or digest. What is not there is left out.
    #[track_caller]
    pub(crate) fn tree(&self, paths: &str) -> String {
        self.sh(&format!(
            "for p in {paths}; do test ! -e $p || find $p -printf '%p %y %m %U:%G %l\\n' \\
             -type f -exec sha256sum {{}} +; done | sort"
        ))
    }

    /// Cuts the power: every process is gone at once, the disk stays.
    pub(crate) fn kill(&self) {
        Running::start(lab("kill").arg(&self.name)).end().exits(0);
    }

    /// Boots it again with the disk as it was, and waits until systemd has done with it.
    pub(crate) fn up(&self) {
        Running::start(lab("up").arg(&self.name)).end().exits(0);
    }
}

/// Reads what `openssl x509 -fingerprint` prints.
fn digits(line: &str) -> Option<String> {
    let (_, digits) = line.trim().split_once('=')?;
    Some(digits.replace(':', "").to_lowercase())
}
