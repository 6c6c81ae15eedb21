//! The two programs that are compared, and how one run of each is timed.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::{Result, tree};

/// certroll, the least program, and what both are given.
pub(crate) struct Programs {
    work: PathBuf,
    least: PathBuf,
    default: tree::Pair,
    cert: PathBuf,
    key: PathBuf,
    /// A root of one service where certroll has put everything in place.
    pub(crate) reference: PathBuf,
}

impl Programs {
    /// Compiles the least program, mints the pairs and makes the reference.
    pub(crate) fn new(work: &Path) -> Result<Self> {
        let least = work.join("least");
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&least);
        cc.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/least.c"));
        expect(0, &mut cc)?;

        let pair = tree::mint(tree::NAME)?;
        let programs = Self {
            work: work.to_owned(),
            least,
            default: tree::mint("localhost")?,
            cert: work.join("site.pem"),
            key: work.join("site.key"),
            reference: work.join("reference"),
        };
        fs::write(&programs.cert, pair.cert)?;
        fs::write(&programs.key, pair.key)?;
        tree::make(&programs.reference, 1, &programs.default)?;
        programs.apply(&programs.reference)?;
        programs.holds(&programs.reference)?;
        Ok(programs)
    }

    /// Makes a fresh root and waits until the disk has it, so that no measured sync pays for it.
    pub(crate) fn fresh(&self, name: &str, services: usize) -> Result<PathBuf> {
        let root = self.work.join(name);
        tree::make(&root, services, &self.default)?;
        rustix::fs::sync();
        Ok(root)
    }

    /// Times `certroll --version`.
    pub(crate) fn version() -> Result<Duration> {
        expect(
            0,
            Command::new(env!("CARGO_BIN_EXE_certroll")).arg("--version"),
        )
    }

    /// Times `certroll apply`.
    pub(crate) fn apply(&self, root: &Path) -> Result<Duration> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certroll"));
        expect(0, command.args(self.rollout(root, &["apply", "--yes"])))
    }

    /// Runs `certroll apply` and returns its time and the most memory it held, in KiB.
    pub(crate) fn apply_peak(&self, root: &Path) -> Result<(Duration, u64)> {
        let mut command = Command::new(&self.least);
        command
            .arg("peak")
            .arg(env!("CARGO_BIN_EXE_certroll"))
            .args(self.rollout(root, &["apply", "--yes"]));
        let (time, output) = timed(0, &mut command, Stdio::piped())?;
        Ok((time, String::from_utf8(output.stdout)?.trim().parse()?))
    }

    /// Checks by certroll and by the least program that everything is in place.
    pub(crate) fn holds(&self, root: &Path) -> Result<()> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certroll"));
        expect(0, command.args(self.rollout(root, &["plan"])))?;
        self.least_check(root)?;
        Ok(())
    }

    /// Checks that certroll sees that nothing is in place: it exits 5.
    pub(crate) fn differs(&self, root: &Path) -> Result<()> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certroll"));
        expect(5, command.args(self.rollout(root, &["plan"])))?;
        Ok(())
    }

    /// Times the fewest system calls that can check a root.
    pub(crate) fn least_check(&self, root: &Path) -> Result<Duration> {
        self.least("check", root)
    }

    /// Times the fewest system calls that can check the links alone, whatever masks them.
    pub(crate) fn least_links(&self, root: &Path) -> Result<Duration> {
        self.least("links", root)
    }

    fn least(&self, mode: &str, root: &Path) -> Result<Duration> {
        let mut command = Command::new(&self.least);
        expect(0, command.arg(mode).arg(root).arg(&self.reference))
    }

    /// Times the least that a durable first apply must do.
    pub(crate) fn least_apply(&self, root: &Path) -> Result<Duration> {
        self.least("apply", root)
    }

    fn rollout<'a>(&'a self, root: &'a Path, command: &'a [&str]) -> Vec<&'a OsStr> {
        let mut args = vec![OsStr::new("--root"), root.as_os_str()];
        args.extend(command.iter().map(OsStr::new));
        args.extend(["--profile", "wazo", "--cert"].map(OsStr::new));
        args.extend([
            self.cert.as_os_str(),
            OsStr::new("--key"),
            self.key.as_os_str(),
        ]);
        args
    }
}

fn expect(code: i32, command: &mut Command) -> Result<Duration> {
    Ok(timed(code, command, Stdio::null())?.0)
}

fn timed(code: i32, command: &mut Command, stdout: Stdio) -> Result<(Duration, Output)> {
    let command = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped());
    let from = Instant::now();
    let output = command
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let time = from.elapsed();
    if output.status.code() == Some(code) {
        return Ok((time, output));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{command:?} ended with {}, wanted {code}:\n{said}",
        output.status
    )
    .into())
}
