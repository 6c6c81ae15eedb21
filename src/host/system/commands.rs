//! Commands: argument vectors in a clean room of their own, and the end of those that outlive a run.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge where commands are run"
)]

use std::{
    ffi::CString,
    fs, io,
    io::{PipeReader, Read, Seek as _, Write as _},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn},
    sys::signal::{SigSet, Signal, killpg},
    unistd::Pid,
};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::clock::interrupted;
use crate::{
    error::{Error, On, Result},
    host::{Command, Output},
    state::Bytes,
};

mod leftovers;

#[cfg(test)]
mod tests;

pub(super) use leftovers::end_marked;

/// Where programs are searched, whatever the caller's `PATH` says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The most that is kept of each of standard output and standard error; the rest is read and dropped.
const MOST_OUTPUT: usize = 1 << 20;

/// Time between the polite and the final signal.
const GRACE: Duration = Duration::from_secs(2);

/// How long output is still awaited after the command's own end: something it left behind may hold the pipe for ever.
const TAIL: Duration = Duration::from_millis(200);

/// The longest pause between two looks at a child.
const TICK: Duration = Duration::from_millis(20);

/// Runs a command to its end.
///
/// Clean environment (`PATH`, `LANG=C.UTF-8`, and `CERTROLL_RUN=marker` unless that is empty), own process group, an
/// empty working directory, no standard input but what is given (in memory alone), no inherited descriptor or signal mask. At its limit the whole group
/// gets SIGTERM and two seconds later SIGKILL. Where util-linux's `setpriv --pdeathsig` is there, the command dies with
/// the thread that called this. A signal that asks this run to stop ends it no sooner: `told` gets a line about it.
///
/// # Errors
/// [`Error::Run`] where it cannot be found or started, [`Error::Io`] where there is no room for a working directory.
pub(super) fn run(
    command: &Command,
    input: Option<&Bytes>,
    marker: &str,
    told: &dyn Fn(&str),
) -> Result<Output> {
    let program = command
        .argv
        .first()
        .and_then(|name| find(name))
        .ok_or_else(|| Error::Run {
            command: command.line(),
            outcome: "was not found".to_owned(),
        })?;
    let mut argv: Vec<String> = deathbed().iter().map(|part| (*part).to_owned()).collect();
    argv.push(program);
    argv.extend(command.argv.iter().skip(1).cloned());
    let mut heard = interrupted().is_some();
    let mut tick = |left: Duration| {
        if let (false, Some(signal)) = (heard, interrupted()) {
            heard = true;
            let (line, seconds) = (command.line(), left.as_secs() + 1);
            told(&format!(
                "{signal}: waiting for `{line}` to end, at most {seconds} s"
            ));
        }
    };
    let limit = Duration::from_secs(command.limit);
    execute(&argv, input, marker, limit, &mut tick).map_err(|error| match error {
        Failure::Room(error) => error,
        Failure::Start(error) => Error::Run {
            command: command.line(),
            outcome: format!("could not be run: {error}"),
        },
    })
}

enum Failure {
    Room(Error),
    Start(io::Error),
}

impl<E: Into<io::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Start(error.into())
    }
}

/// Finds a program in the fixed path, or takes it as it is where it has a `/`.
fn find(name: &str) -> Option<String> {
    let runs = |path: &str| {
        Path::new(path).is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    if name.contains('/') {
        return runs(name).then(|| name.to_owned());
    }
    PATH.split(':')
        .map(|dir| format!("{dir}/{name}"))
        .find(|path| !name.is_empty() && runs(path))
}

/// The words before a command that make it die with this thread; none where setpriv is older than util-linux 2.33.
fn deathbed() -> &'static [&'static str] {
    static WORDS: OnceLock<&'static [&'static str]> = OnceLock::new();
    WORDS.get_or_init(|| {
        const SETPRIV: &str = "/usr/bin/setpriv";
        let asked = [SETPRIV.to_owned(), "--help".to_owned()];
        let knows = find(SETPRIV).is_some()
            && execute(&asked, None, "", Duration::from_secs(5), &mut |_| {})
                .is_ok_and(|output| output.stdout.contains("--pdeathsig"));
        if knows {
            &[SETPRIV, "--pdeathsig", "KILL", "--"]
        } else {
            &[]
        }
    })
}

/// Runs an argument vector to its end; `tick` is told the time left at each look while it runs.
fn execute(
    argv: &[String],
    input: Option<&Bytes>,
    marker: &str,
    limit: Duration,
    tick: &mut dyn FnMut(Duration),
) -> std::result::Result<Output, Failure> {
    let room = Room::new().map_err(Failure::Room)?;
    let (mut out, out_end) = io::pipe()?;
    let (mut err, err_end) = io::pipe()?;
    let stdin = readable(input)?;
    let ends: [&dyn AsRawFd; 3] = [&stdin, &out_end, &err_end];
    let child = Child::spawn(argv, marker, &room, ends.map(AsRawFd::as_raw_fd))?;
    drop((out_end, err_end));
    let mut captured = Captured::default();
    let timed_out = child.follow(&mut out, &mut err, &mut captured, limit, tick)?;
    let status = child.reap()?;
    Ok(Output {
        status,
        stdout: String::from_utf8_lossy(&captured.out).into_owned(),
        stderr: String::from_utf8_lossy(&captured.err).into_owned(),
        timed_out,
    })
}

/// Returns a file of its own with what a command is to read, on no disk; without anything, one that is empty.
fn readable(input: Option<&Bytes>) -> io::Result<fs::File> {
    let Some(input) = input else {
        return fs::File::open("/dev/null");
    };
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = fs::File::from(rustix::fs::memfd_create("certroll", flags)?);
    file.write_all(input.reveal())?;
    file.rewind()?;
    Ok(file)
}

/// An empty directory to run in: the platform's renderer takes every directory beside it for a module.
struct Room(PathBuf);

impl Room {
    fn new() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for base in ["/run", "/tmp"] {
            // Names that runs which were killed left behind are passed over.
            for _ in 0..64 {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let path =
                    PathBuf::from(format!("{base}/certroll-{}-{number}", std::process::id()));
                match rustix::fs::mkdir(&path, rustix::fs::Mode::RWXU) {
                    Ok(()) => return Ok(Self(path)),
                    Err(error) => last = error.into(),
                }
                if last.kind() != io::ErrorKind::AlreadyExists {
                    break;
                }
            }
        }
        Err(last).on("make a working directory in", "/tmp")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What a command left in it stays, for whoever wants to know; an empty one goes.
        let _ = fs::remove_dir(&self.0);
    }
}

#[derive(Default)]
struct Captured {
    out: Vec<u8>,
    err: Vec<u8>,
}

/// A process that has not been reaped, so that its number and its group's are still its own.
struct Child(Pid);

impl Child {
    /// Starts a process in its own group, with an empty signal mask: this process blocks signals (see `clock`), and
    /// std's own `Command` would hand that on.
    fn spawn(
        argv: &[String],
        marker: &str,
        room: &Room,
        stdio: [i32; 3],
    ) -> std::result::Result<Self, Failure> {
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(
            PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
        )?;
        attributes.set_pgroup(Pid::from_raw(0))?;
        attributes.set_sigmask(&SigSet::empty())?;
        attributes.set_sigdefault(&defaults())?;
        let mut actions = PosixSpawnFileActions::init()?;
        for (number, descriptor) in (0..).zip(stdio) {
            actions.add_dup2(descriptor, number)?;
        }
        for descriptor in inherited()? {
            actions.add_close(descriptor)?;
        }
        let mut environment = vec![format!("PATH={PATH}"), "LANG=C.UTF-8".to_owned()];
        if !marker.is_empty() {
            environment.push(format!("CERTROLL_RUN={marker}"));
        }
        let arguments = strings(argv)?;
        let environment = strings(&environment)?;
        let Some(program) = arguments.first() else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        };
        let pid = within(&room.0, || {
            posix_spawn(
                program.as_c_str(),
                &actions,
                &attributes,
                &arguments,
                &environment,
            )
        })??;
        Ok(Self(pid))
    }

    /// Reads what it says until it ends or must end; tells whether the limit ended it.
    fn follow(
        &self,
        out: &mut PipeReader,
        err: &mut PipeReader,
        captured: &mut Captured,
        limit: Duration,
        tick: &mut dyn FnMut(Duration),
    ) -> io::Result<bool> {
        nonblocking(out)?;
        nonblocking(err)?;
        let mut open = (true, true);
        let mut end = Instant::now() + limit;
        let mut timed_out = false;
        let mut ended: Option<Instant> = None;
        loop {
            listen(out, err, open);
            open.0 = open.0 && drain(out, &mut captured.out)?;
            open.1 = open.1 && drain(err, &mut captured.err)?;
            if ended.is_none() && self.has_ended()? {
                ended = Some(Instant::now());
            }
            if ended.is_none() {
                tick(end.saturating_duration_since(Instant::now()));
            }
            match ended {
                Some(_) if open == (false, false) => break,
                Some(at) if at.elapsed() >= TAIL => break,
                Some(_) => {}
                None if Instant::now() < end => {}
                None if timed_out => {
                    self.signal(Signal::SIGKILL);
                }
                None => {
                    self.signal(Signal::SIGTERM);
                    timed_out = true;
                    end = Instant::now() + GRACE;
                }
            }
        }
        if timed_out {
            // The leader is not reaped yet, so the number still means this group.
            self.signal(Signal::SIGKILL);
        }
        Ok(timed_out)
    }

    fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(self.id()?, options)?.is_some())
    }

    fn reap(self) -> io::Result<Option<i32>> {
        let status = waitid(self.id()?, WaitIdOptions::EXITED)?;
        std::mem::forget(self);
        Ok(status.and_then(|status| status.exit_status()))
    }

    fn id(&self) -> io::Result<WaitId<'static>> {
        rustix::process::Pid::from_raw(self.0.as_raw())
            .map(WaitId::Pid)
            .ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn signal(&self, signal: Signal) {
        // Nobody left in the group is what is wanted.
        let _ = killpg(self.0, signal);
    }
}

impl Drop for Child {
    /// Reached only where following it failed: nothing of ours is left running unwatched.
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Ok(id) = self.id() {
            let _ = waitid(id, WaitIdOptions::EXITED);
        }
    }
}

/// Signals that a caller may have set to be ignored, which exec hands on.
fn defaults() -> SigSet {
    [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGPIPE,
        Signal::SIGQUIT,
        Signal::SIGTERM,
    ]
    .into_iter()
    .collect()
}

/// Every descriptor of this process above standard error: those of a caller's shell would leak into daemons.
fn inherited() -> io::Result<Vec<i32>> {
    let names = fs::read_dir("/proc/self/fd")?;
    Ok(names
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect())
}

fn strings(texts: &[String]) -> io::Result<Vec<CString>> {
    texts
        .iter()
        .map(|text| CString::new(text.as_str()).map_err(io::Error::from))
        .collect()
}

/// Does something with another working directory. It belongs to the whole process, and `posix_spawn` has no portable
/// way to set it in the child alone, so it changes for the moment of the spawn, for one spawn at a time.
fn within<T>(dir: &Path, deed: impl FnOnce() -> T) -> io::Result<T> {
    static ONE: Mutex<()> = Mutex::new(());
    let _guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let flags =
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let back = rustix::fs::open(".", flags, rustix::fs::Mode::empty())?;
    rustix::process::chdir(dir)?;
    let done = deed();
    rustix::process::fchdir(&back)?;
    Ok(done)
}

fn nonblocking(pipe: &PipeReader) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(pipe)?;
    Ok(rustix::fs::fcntl_setfl(
        pipe,
        flags | rustix::fs::OFlags::NONBLOCK,
    )?)
}

/// Waits for a tick, or until one of the open pipes has something to say.
fn listen(out: &PipeReader, err: &PipeReader, open: (bool, bool)) {
    use std::os::fd::AsFd;
    let mut pipes = Vec::with_capacity(2);
    if open.0 {
        pipes.push(PollFd::new(out.as_fd(), PollFlags::POLLIN));
    }
    if open.1 {
        pipes.push(PollFd::new(err.as_fd(), PollFlags::POLLIN));
    }
    if pipes.is_empty() {
        // Both closed: the end is a moment away.
        std::thread::sleep(Duration::from_millis(1));
        return;
    }
    // An interrupted poll is a short tick.
    let _ = poll(
        &mut pipes,
        PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO),
    );
}

/// Reads what is there, keeps what fits; tells whether more may come.
fn drain(pipe: &mut PipeReader, kept: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 16 << 10];
    // A bounded number of rounds: a command that never stops talking must not keep its limit from being looked at.
    for _ in 0..64 {
        match pipe.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(length) => {
                let fits = MOST_OUTPUT.saturating_sub(kept.len()).min(length);
                kept.extend_from_slice(buffer.get(..fits).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
