//! Somebody who owns a directory that root writes in, and swaps things in it for others as fast as the kernel does.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{lchown, symlink},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::fs::{CWD, Mode, RenameFlags};

use super::common::Scratch;

const NOBODY: u32 = 65534;

/// What stands where, and what is put in its place.
type Swap = (PathBuf, PathBuf);

/// A thread that swaps until it is dropped.
pub(crate) struct Thief {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Thief {
    /// Lays traps below `R/opt` and begins.
    pub(crate) fn start(scratch: &Scratch) -> Self {
        let opt = scratch.path("R/opt");
        let all = traps(scratch, &opt);
        scratch.sh("chown -hR 65534:65534 R/opt");
        let (stop, swaps) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (ends, count) = (stop.clone(), swaps.clone());
        let links = [
            scratch.text("outside/server.key"),
            "/etc/keep/server.key".to_owned(),
        ];
        let thread = thread::spawn(move || {
            for round in 0.. {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (there, trap) = &all[round % all.len()];
                // There and back, with a breath between, so that the run meets the one and the other.
                for _ in 0..2 {
                    let flags = RenameFlags::EXCHANGE;
                    let done = rustix::fs::renameat_with(CWD, there, CWD, trap, flags);
                    count.fetch_add(u64::from(done.is_ok()), Ordering::Relaxed);
                    thread::sleep(Duration::from_micros(50 + (round as u64 * 37) % 400));
                }
                if round % 7 == 0 {
                    steal(&opt.join("a/pki"), &links[round % links.len()]);
                }
            }
        });
        Self {
            stop,
            swaps,
            thread: Some(thread),
        }
    }

    /// How many swaps succeeded so far.
    pub(crate) fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }
}

impl Drop for Thief {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Links that lead out by an absolute path, by `..` and by way of /proc, or elsewhere inside; a file, a directory and a
/// pipe in the place of one another.
fn traps(scratch: &Scratch, opt: &Path) -> Vec<Swap> {
    let outside = scratch.text("outside");
    let up = format!("../../../../../../../..{outside}");
    let mut swaps = Vec::new();
    let mut n = 0;
    let mut link = |there: PathBuf, target: &str| {
        n += 1;
        let trap = opt.join(format!("trap-{n}"));
        symlink(target, &trap).unwrap();
        swaps.push((there, trap));
    };
    let (above, dir) = (opt.join("a"), opt.join("a/pki"));
    for target in [
        outside.as_str(),
        up.as_str(),
        "/etc/keep",
        "../etc/keep",
        "../../etc/keep",
        "../../../outside",
        &format!("/proc/self/root{outside}"),
        "/proc/self/cwd/outside",
    ] {
        link(dir.clone(), target);
        link(above.clone(), target);
        for name in ["server.key", "server.crt"] {
            link(dir.join(name), &format!("{target}/{name}"));
        }
    }
    fs::write(opt.join("file"), "in the way\n").unwrap();
    fs::create_dir(opt.join("dir")).unwrap();
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(CWD, opt.join("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for trap in ["file", "dir", "pipe"] {
        swaps.push((dir.join("server.key"), opt.join(trap)));
        swaps.push((dir.clone(), opt.join(trap)));
    }
    swaps
}

/// Puts a link in the place of whatever is staged at the moment.
fn steal(dir: &Path, target: &str) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".certroll-") && name != OsStr::new(".certroll-") {
            let path = entry.path();
            drop(fs::remove_file(&path));
            drop(symlink(target, &path));
            drop(lchown(&path, Some(NOBODY), Some(NOBODY)));
        }
    }
}
