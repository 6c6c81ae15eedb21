//! Commands that outlived their run, found by the marker in their environment.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read as _},
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::TICK;
use crate::error::{Error, On, Result};

/// Ends every other process whose environment has `CERTROLL_RUN=marker`, waits until all are gone, and returns how
/// many there were. An empty marker means none.
///
/// # Errors
/// [`Error::Run`] where one is still there after ten seconds; [`Error::Io`] where `/proc` cannot be listed.
pub(crate) fn end_marked(marker: &str) -> Result<usize> {
    if marker.is_empty() {
        return Ok(0);
    }
    let wanted = format!("CERTROLL_RUN={marker}");
    let end = Instant::now() + Duration::from_secs(10);
    let mut seen = HashSet::new();
    let mut text = buffer();
    loop {
        // Looked for again until there is none: one may have forked while the list was read.
        let (found, unsure) = look(&wanted, &mut text).on("list", "/proc")?;
        let late = Instant::now() >= end;
        match found.first() {
            None if !unsure || late => return Ok(seen.len()),
            Some(first) if late => {
                return Err(Error::Run {
                    command: format!("process {first}"),
                    outcome: "of an earlier run will not end".to_owned(),
                });
            }
            _ => {}
        }
        for pid in found {
            seen.insert(pid);
            end_one(pid, &wanted, &mut text);
        }
        std::thread::sleep(TICK);
    }
}

/// Returns the other processes that have the marker, and whether one cannot tell yet.
pub(super) fn look(wanted: &str, text: &mut [u8]) -> io::Result<(Vec<i32>, bool)> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let (mut found, mut unsure) = (Vec::new(), false);
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        match carries(pid, wanted, text) {
            _ if pid == own => {}
            Some(true) => found.push(pid),
            Some(false) => {}
            None => unsure = true,
        }
    }
    Ok((found, unsure))
}

/// Room for the largest environment, 6 MiB with the arguments (execve(2)).
pub(super) fn buffer() -> Vec<u8> {
    vec![0; 6 << 20]
}

/// Tells whether a process has the marker; one that is gone, a zombie, or another user's has none. One that is just becoming
/// another program (execve(2)) does not tell.
fn carries(pid: i32, wanted: &str, text: &mut [u8]) -> Option<bool> {
    // In one read: of what has become another program meanwhile the next would get nothing.
    let read = fs::File::open(format!("/proc/{pid}/environ")).and_then(|mut file| file.read(text));
    match read {
        Ok(0) if was_becoming(pid) => None,
        Ok(length) => {
            let mut variables = text[..length].split(|byte| *byte == 0);
            Some(variables.any(|one| one == wanted.as_bytes()))
        }
        Err(_) => Some(false),
    }
}

/// Tells of a process without an environment whether it was between two programs a moment ago: it lives, is none of the kernel's own,
/// and has by now an environment after all, or still no code, which the kernel notes after the environment (`proc_pid_stat(5)`:
/// `flags`, `startcode`, `env_start`, `env_end`; tested on Linux 6.18).
fn was_becoming(pid: i32) -> bool {
    // PF_KTHREAD and PF_EXITING.
    const NO_PROGRAM: u64 = 0x0020_0004;
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program may have blanks and brackets; `state` is the first behind it.
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let number = |place: usize| fields.split(' ').nth(place)?.trim().parse::<u64>().ok();
    let [Some(flags), Some(code), Some(start), Some(end)] = [6, 23, 47, 48].map(number) else {
        return false;
    };
    flags & NO_PROGRAM == 0 && (code == 0 || end != start)
}

/// Kills through a descriptor that is taken before the last look, so that a number given to somebody else meanwhile
/// does no harm; by number before Linux 5.3.
fn end_one(pid: i32, wanted: &str, text: &mut [u8]) {
    let Some(pid) = Pid::from_raw(pid) else {
        return;
    };
    let held = pidfd_open(pid, PidfdFlags::empty());
    if carries(pid.as_raw_nonzero().get(), wanted, text) != Some(true) {
        return;
    }
    // A failure shows in the next look at /proc.
    let _ = match held {
        Ok(held) => pidfd_send_signal(&held, Signal::KILL),
        Err(rustix::io::Errno::NOSYS) => kill_process(pid, Signal::KILL),
        Err(error) => Err(error),
    };
}
