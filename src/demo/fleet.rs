//! The daemons as child processes, and what is known of each.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{
    calls::Call,
    daemon::{Ask, Say},
    platform::{UNITS, Unit},
};
use crate::error::{Error, On as _, Result};

/// How long a daemon may take over an answer, in milliseconds; a start takes some ten.
const PATIENCE: u16 = 20_000;

/// A running child.
struct Process {
    child: Child,
    ask: ChildStdin,
    say: BufReader<ChildStdout>,
    /// The platform's port and the real one.
    listens: Option<(u16, u16)>,
}

/// Where a unit stands.
enum Standing {
    Stopped,
    Failed,
    Running(Process),
}

/// One unit.
pub(super) struct Member {
    pub(super) unit: &'static Unit,
    standing: Standing,
    /// New at every start.
    pub(super) invocation: String,
    /// When it last became active, microseconds of a clock that only goes forward.
    pub(super) entered: u128,
    /// Why it would not start the last time that it would not.
    pub(super) complaint: Option<String>,
}

impl Member {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.standing, Standing::Running(_))
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.standing, Standing::Failed)
    }

    fn listens(&self) -> Option<(u16, u16)> {
        match &self.standing {
            Standing::Running(process) => process.listens,
            Standing::Stopped | Standing::Failed => None,
        }
    }
}

/// All units.
pub(super) struct Fleet {
    since: Instant,
    program: PathBuf,
    root: PathBuf,
    pub(super) members: Vec<Member>,
}

impl Fleet {
    /// Knows every unit, and starts none.
    pub(super) fn new(root: &Path) -> Result<Self> {
        let member = |unit| Member {
            unit,
            standing: Standing::Stopped,
            invocation: String::new(),
            entered: 0,
            complaint: None,
        };
        Ok(Self {
            since: Instant::now(),
            program: std::env::current_exe().on("find", "the program itself")?,
            root: root.to_owned(),
            members: UNITS.iter().map(member).collect(),
        })
    }

    /// Returns the place of a unit, with or without `.service`.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let name = name.strip_suffix(".service").unwrap_or(name);
        self.members.iter().position(|m| m.unit.name == name)
    }

    /// Notices who ended by itself.
    pub(super) fn look(&mut self) {
        for member in &mut self.members {
            if let Standing::Running(process) = &mut member.standing
                && !matches!(process.child.try_wait(), Ok(None))
            {
                member.standing = Standing::Failed;
            }
        }
    }

    /// Starts a unit and waits until it serves or gives up; whether it serves.
    pub(super) fn start(&mut self, at: usize) -> Result<bool> {
        let Some(member) = self.members.get_mut(at) else {
            return Ok(false);
        };
        let name = member.unit.name;
        let mut command = Command::new(&self.program);
        // A group of its own: what the terminal sends reaches the parent alone, which then ends its children.
        command
            .arg("--root")
            .arg(&self.root)
            .args(["demo-daemon", name])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().on("start", name)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let Some((ask, say)) = pipes else {
            return Ok(false);
        };
        let mut process = Process {
            child,
            ask,
            say: BufReader::new(say),
            listens: None,
        };
        let mut invocation = [0; 16];
        aws_lc_rs::rand::fill(&mut invocation)
            .map_err(std::io::Error::other)
            .on("read random bytes for", name)?;
        member.invocation = format!("{:032x}", u128::from_ne_bytes(invocation));
        member.entered = self.since.elapsed().as_micros();
        member.standing = match process.hear(name) {
            Ok(Say::Ready(listens)) => {
                process.listens = listens;
                Standing::Running(process)
            }
            other => {
                let why = match other {
                    Ok(Say::Refused(why)) => why,
                    Ok(_) => "said something else".to_owned(),
                    Err(error) => error.to_string(),
                };
                process.end();
                member.complaint = Some(why);
                Standing::Failed
            }
        };
        Ok(member.is_running())
    }

    /// Stops a unit and waits until it is gone.
    pub(super) fn stop(&mut self, at: usize) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        let before = std::mem::replace(&mut member.standing, Standing::Stopped);
        if let Standing::Running(process) = before {
            process.end();
        }
    }

    /// Returns where each port of the platform really is.
    pub(super) fn ports(&self) -> BTreeMap<u16, u16> {
        self.members.iter().filter_map(Member::listens).collect()
    }

    /// Asks every running daemon to make its calls, all at once, and returns what came of them by unit.
    pub(super) fn call_all(&mut self) -> Result<BTreeMap<&'static str, Vec<Call>>> {
        let line = serde_json::to_string(&Ask {
            ports: self.ports(),
        })
        .unwrap_or_default()
            + "\n";
        let mut called = BTreeMap::new();
        for member in &mut self.members {
            if let Standing::Running(process) = &mut member.standing {
                process
                    .ask
                    .write_all(line.as_bytes())
                    .on("ask", member.unit.name)?;
            }
        }
        for member in &mut self.members {
            let name = member.unit.name;
            if let Standing::Running(process) = &mut member.standing
                && let Say::Called(calls) = process.hear(name)?
            {
                called.insert(name, calls);
            }
        }
        Ok(called)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for at in (0..self.members.len()).rev() {
            self.stop(at);
        }
    }
}

impl Process {
    /// Reads what the daemon says next.
    fn hear(&mut self, name: &str) -> Result<Say> {
        let broken = |found: &str| Error::Unproved {
            subject: format!("`{name}`"),
            want: "an answer".to_owned(),
            found: found.to_owned(),
        };
        let mut ready = [PollFd::new(self.say.get_ref().as_fd(), PollFlags::POLLIN)];
        let heard = poll(&mut ready, PollTimeout::from(PATIENCE)).on("hear", name)?;
        if heard == 0 {
            return Err(broken("says nothing"));
        }
        let mut line = String::new();
        self.say.read_line(&mut line).on("hear", name)?;
        serde_json::from_str(&line).map_err(|_| broken("ended without a word"))
    }

    /// Ends the child, and waits so that none is left.
    fn end(mut self) {
        // It may have ended by itself; waiting is what matters.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
