//! Commands that outlived their run, found by the marker in their environment.

use std::{
    collections::HashSet,
    fs, io,
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
    loop {
        // Looked for again until there is none: one may have forked while the list was read.
        let found = marked(&wanted).on("list", "/proc")?;
        let Some(first) = found.first() else {
            return Ok(seen.len());
        };
        if Instant::now() >= end {
            return Err(Error::Run {
                command: format!("process {first}"),
                outcome: "of an earlier run will not end".to_owned(),
            });
        }
        for pid in found {
            seen.insert(pid);
            end_one(pid, &wanted);
        }
        std::thread::sleep(TICK);
    }
}

pub(super) fn marked(wanted: &str) -> io::Result<Vec<i32>> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        if pid != own && carries(pid, wanted) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Tells whether a process has the marker; one that is gone, a zombie, or another user's has none.
fn carries(pid: i32, wanted: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|text| {
        text.split(|byte| *byte == 0)
            .any(|one| one == wanted.as_bytes())
    })
}

/// Kills through a descriptor that is taken before the last look, so that a number given to somebody else meanwhile
/// does no harm; by number before Linux 5.3.
fn end_one(pid: i32, wanted: &str) {
    let Some(pid) = Pid::from_raw(pid) else {
        return;
    };
    let held = pidfd_open(pid, PidfdFlags::empty());
    if !carries(pid.as_raw_nonzero().get(), wanted) {
        return;
    }
    // A failure shows in the next look at /proc.
    let _ = match held {
        Ok(held) => pidfd_send_signal(&held, Signal::KILL),
        Err(rustix::io::Errno::NOSYS) => kill_process(pid, Signal::KILL),
        Err(error) => Err(error),
    };
}
