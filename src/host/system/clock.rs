//! Time, signals, chance, and who is there.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge where clocks and the environment are read"
)]

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    sys::signal::{SigSet, Signal},
    unistd::{Uid, User},
};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{On, Result};

/// Signals that ask a run to stop, with their names.
const ASKING: [(Signal, &str); 3] = [
    (Signal::SIGINT, "SIGINT"),
    (Signal::SIGTERM, "SIGTERM"),
    (Signal::SIGHUP, "SIGHUP"),
];

/// Place in [`ASKING`] of the signal that came, from 1; 0 while none did.
static ASKED: AtomicU8 = AtomicU8::new(0);

/// Returns the time, in seconds since the epoch, UTC.
#[must_use]
pub(super) fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// Returns the time since this was first called, on a clock that only goes forward.
#[must_use]
pub(super) fn elapsed() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// Waits.
pub(super) fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Turns SIGINT, SIGTERM and SIGHUP into a flag. Called once at the start of `main`, before any other thread is there.
///
/// The signals are blocked, here and so in every later thread, and one thread waits for them; commands get a clean
/// mask (see `commands`). What the caller ignores, as nohup(1) does with SIGHUP, stays ignored.
///
/// # Errors
/// [`crate::error::Error::Io`] where signals cannot be blocked or no thread can be started; they then end the process.
pub(crate) fn watch_signals() -> Result<()> {
    let ignored = ignored();
    let set: SigSet = ASKING
        .into_iter()
        .map(|(signal, _)| signal)
        .filter(|signal| ignored & (1 << (*signal as i32 - 1)) == 0)
        .collect();
    set.thread_block().on("block signals for", "certroll")?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            while let Ok(signal) = set.wait() {
                let at = ASKING.iter().position(|(asking, _)| *asking == signal);
                let at = at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0);
                ASKED.store(at, Ordering::Relaxed);
            }
        })
        .on("watch signals for", "certroll")?;
    Ok(())
}

/// The mask of ignored signals as the kernel tells it (`SigIgn` of `/proc/PID/status`, proc(5)); none where it does not.
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| {
            let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        })
        .unwrap_or(0)
}

/// Returns the name of the last signal that asked this run to stop, if one did.
#[must_use]
pub(super) fn interrupted() -> Option<&'static str> {
    let at = usize::from(ASKED.load(Ordering::Relaxed));
    ASKING.get(at.checked_sub(1)?).map(|(_, name)| *name)
}

/// Returns who runs this: `root`, or `root (sudo from alice)`.
#[must_use]
pub(super) fn operator() -> String {
    let uid = Uid::effective();
    let name = match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("uid {uid}"),
    };
    // The environment is the caller's word, kept as such: short, and nothing that could end a line.
    let from = std::env::var("SUDO_USER").unwrap_or_default();
    let from: String = from.chars().filter(|c| !c.is_control()).take(64).collect();
    if from.is_empty() {
        name
    } else {
        format!("{name} (sudo from {from})")
    }
}

/// Returns who called this through sudo(8), by number; only root is told.
pub(super) fn caller() -> Option<u32> {
    let told = std::env::var("SUDO_UID").ok()?.parse().ok();
    told.filter(|_| Uid::effective().is_root())
}

/// Returns fresh random bytes of the kernel's own, getrandom(2): a generator of the cryptography library, where it is built as it is
/// by default, first measures the jitter of the processor's clock, for 30 ms (seen with aws-lc-sys 0.47).
///
/// # Errors
/// [`crate::error::Error::Io`] where the kernel has none.
pub(super) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let all = match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(32) => Ok(bytes),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) => Err(io::Error::from(error)),
    };
    all.on("read random bytes from", "getrandom")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_becomes_a_flag_and_the_process_lives() {
        // This very test once more, in a process whose every thread blocks the signal: the test runner's own main
        // thread would take it, where the program's main thread is the one that calls `watch_signals`.
        if std::env::var_os("CERTROLL_TEST_SIGNAL").is_none() {
            let term: SigSet = [Signal::SIGTERM].into_iter().collect();
            term.thread_block().unwrap();
            let status = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "--nocapture"])
                .arg("host::system::clock::tests::a_signal_becomes_a_flag_and_the_process_lives")
                .env("CERTROLL_TEST_SIGNAL", "yes")
                .status();
            term.thread_unblock().unwrap();
            assert!(status.unwrap().success());
            return;
        }
        assert_eq!(interrupted(), None);
        watch_signals().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::this(), Signal::SIGTERM).unwrap();
        let start = Instant::now();
        while interrupted().is_none() && start.elapsed() < Duration::from_secs(5) {
            sleep(Duration::from_millis(5));
        }
        assert_eq!(interrupted(), Some("SIGTERM"));
    }

    #[test]
    fn randomness_is_not_repeated_and_time_goes_forward() {
        assert_ne!(random().unwrap(), random().unwrap());
        assert!(elapsed() <= elapsed());
        assert!(now() > 1_700_000_000);
    }
}
