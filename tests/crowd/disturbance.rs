//! What happens to a run, and when: drawn from a seed, so that it can be drawn again.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read the clock for a seed, and signal processes"
)]

use std::{
    env,
    ffi::OsString,
    fmt::Write as _,
    fs,
    process::Command,
    thread::sleep,
    time::{Duration, SystemTime},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    common::{CERTROLL, Run, Running, Scratch},
    tally::{Depth, depth},
};

/// Sorts of disturbances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Signal,
    Stream,
    Terminal,
}

/// Returns the seed that `CERTROLL_SEED` gives; without it a new one at full depth, and the same moments every time in the
/// rings, so that they tell what a change broke.
pub(crate) fn seed() -> u64 {
    let now = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        u64::from(since.unwrap().subsec_nanos())
    };
    match env::var("CERTROLL_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) if depth() == Depth::Full => now(),
        Err(_) => 1,
    }
}

/// Numbers that look random (splitmix64, Steele and others 2014): any two seeds, near ones too, give other ones.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64, case: usize) -> Self {
        Self(seed.wrapping_mul(1_000_003).wrapping_add(case as u64))
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    /// A moment of a run that takes `whole` when nobody disturbs it; some come too late.
    fn moment(&mut self, whole: Duration) -> Duration {
        let micros = u64::try_from(whole.as_micros()).unwrap();
        Duration::from_micros(self.below(micros + micros / 10))
    }
}

/// One disturbed run.
#[derive(Debug)]
pub(crate) struct Disturbed {
    /// What was done to it.
    pub(crate) how: String,
    /// How it ended; the code is that of certroll, whatever it ran in.
    pub(crate) run: Run,
}

/// Runs a line of certroll, and disturbs it.
pub(crate) fn run(
    sort: Sort,
    scratch: &Scratch,
    line: &str,
    whole: Duration,
    dice: &mut Dice,
) -> Disturbed {
    match sort {
        Sort::Signal => signalled(scratch, line, whole, dice),
        Sort::Stream => shut(scratch, line, whole, dice),
        Sort::Terminal => hung_up(scratch, line, whole, dice),
    }
}

fn signalled(scratch: &Scratch, line: &str, whole: Duration, dice: &mut Dice) -> Disturbed {
    let args: Vec<&str> = line.split(' ').collect();
    let started = SystemTime::now();
    let running = Running::start(&mut scratch.command(&args));
    let id = Pid::from_raw(i32::try_from(running.id()).unwrap());
    let mut how = String::new();
    for n in 0..=dice.below(3) / 2 {
        let all = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        let signal = all[usize::try_from(dice.below(3)).unwrap()];
        let at = dice.moment(whole) / (u32::try_from(n).unwrap() + 1);
        sleep(at);
        // A run that has ended is not reaped yet, so that its number is nobody else's.
        kill(id, signal).unwrap();
        write!(how, "{signal} after {at:?} ").unwrap();
    }
    let run = running.end();
    let left = working_directories(id, started);
    assert!(left.is_empty(), "{how}left {left:?} in /run: {run:#?}");
    Disturbed { how, run }
}

/// Working directories of a run's commands; older ones are of a killed run that had the same number.
fn working_directories(id: Pid, started: SystemTime) -> Vec<OsString> {
    let own = format!("certroll-{id}-");
    let entries = fs::read_dir("/run").unwrap().map(Result::unwrap);
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&own))
        .filter(|entry| entry.metadata().unwrap().modified().unwrap() >= started)
        .map(|entry| entry.file_name())
        .collect()
}

fn shut(scratch: &Scratch, line: &str, whole: Duration, dice: &mut Dice) -> Disturbed {
    let seconds = dice.moment(whole).as_secs_f64();
    let bytes = dice.below(3000);
    let way = match dice.below(7) {
        0 => "% >&-".to_owned(),
        1 => "% >&- 2>&- <&-".to_owned(),
        2 => "% >/dev/full".to_owned(),
        3 => "% >/dev/full 2>/dev/full".to_owned(),
        4 => format!("{{ %; }} | head -c {bytes} >/dev/null"),
        5 => format!("{{ % 2>&1; }} | head -c {bytes} >/dev/null"),
        _ => format!("{{ % 2>&1; }} | sleep {seconds:.6}"),
    };
    // What ends in a pipe has its code written down before the pipe takes it away.
    let inner = format!("sh -c '{CERTROLL} {line}; echo $? >code'");
    let script = way.replace('%', &inner);
    let mut run = Running::start(scratch.program("sh").args(["-uc", &script])).end();
    run.code = scratch.read("code").trim().parse().unwrap();
    Disturbed { how: way, run }
}

/// Runs a command in a terminal of its own, whose other end it closes; exits as the command did.
const TERMINAL: &str = "
import os, pty, select, sys, time
child, end = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
close = time.monotonic() + float(sys.argv[1])
while (left := close - time.monotonic()) > 0:
    if select.select([end], [], [], left)[0]:
        try:
            os.read(end, 4096)
        except OSError:
            break
os.close(end)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
";

fn hung_up(scratch: &Scratch, line: &str, whole: Duration, dice: &mut Dice) -> Disturbed {
    let at = dice.moment(whole);
    let mut python: Command = scratch.program("python3");
    python.args(["-c", TERMINAL, &at.as_secs_f64().to_string(), CERTROLL]);
    let run = Running::start(python.args(line.split(' '))).end();
    Disturbed {
        how: format!("terminal closed after {at:?}"),
        run,
    }
}
