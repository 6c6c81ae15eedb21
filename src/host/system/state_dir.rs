//! The state directory: found where nobody else has a hand in it, or made.

use std::{fs::File, os::unix::fs::FileExt as _, path::Path, time::Duration};

use rustix::{
    fs::{FlockOperation, Mode, OFlags},
    io::Errno,
};

use super::{
    SystemHost, edits,
    files::{self, Base},
    trust,
};
use crate::{
    error::{Error, On as _, Result},
    host::{Host as _, LARGEST_FILE},
    state::{Attrs, Content, HostPath, State},
};

/// Where the state directory is below the root (design: `/var/lib/certroll`, 0700).
const STATE: &str = "/var/lib/certroll";

impl SystemHost {
    pub(super) fn find_state(&self) -> Result<Option<Base>> {
        let base = match &self.state_path {
            Some(path) => match Base::open(path) {
                Ok(base) => Some(base),
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    None
                }
                Err(error) => return Err(error),
            },
            None => self.root.below(&state_below_root())?,
        };
        let base = base.map(Base::of_state);
        if let Some(base) = &base {
            let stat = rustix::fs::fstat(base.as_fd()).on("look at", self.state_shown())?;
            let ours = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
            if !ours || stat.st_mode & 0o022 != 0 {
                return Err(Error::Input {
                    subject: format!("`{}`", self.state_shown()),
                    message: "others may write the state directory".to_owned(),
                    hint: format!("chmod 0700 {0}; chown root: {0}", self.state_shown()),
                });
            }
        }
        Ok(base)
    }

    pub(super) fn state_shown(&self) -> String {
        match &self.state_path {
            Some(path) => path.clone(),
            None => self.root.show(&state_below_root()),
        }
    }

    pub(super) fn state_base(&self) -> Result<&Base> {
        let missing = || Error::Io {
            verb: "open",
            path: self.state_shown(),
            source: Errno::NOENT.into(),
        };
        self.state.as_ref().ok_or_else(missing)
    }

    /// Takes the lock that one run holds at a time, waiting for another's.
    pub(super) fn take_lock(&self, wait: Duration) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let path = format!("{}/lock", self.state_shown());
        let dir = self.state_base()?.as_fd();
        let file = File::from(rustix::fs::openat(dir, "lock", flags, mode).on("open", &path)?);
        let start = self.elapsed();
        let exclusive = FlockOperation::NonBlockingLockExclusive;
        while let Err(errno) = rustix::io::retry_on_intr(|| rustix::fs::flock(&file, exclusive)) {
            if errno != Errno::WOULDBLOCK {
                return Err(errno).on("lock", path);
            }
            if self.elapsed().saturating_sub(start) >= wait || self.interrupted().is_some() {
                let holder = files::read_bounded(&file, LARGEST_FILE).ok();
                let pid = holder.and_then(|bytes| bytes.text().trim().parse().ok());
                return Err(Error::Locked { path, pid });
            }
            self.sleep(Duration::from_millis(50));
        }
        // The number is a courtesy for the message above; the kernel's lock is what counts. Always of one length: to cut a
        // file off makes ext4 wait for the disk.
        let holder = format!("{:<10}\n", std::process::id());
        file.write_all_at(holder.as_bytes(), 0).on("write", &path)?;
        Ok(file)
    }

    /// Makes the state directory and those above it, 0700 and 0755.
    pub(super) fn make_state(&mut self) -> Result<()> {
        if self.state.is_some() {
            return Ok(());
        }
        if let Some(path) = &self.state_path {
            let mut builder = std::fs::DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            match builder.create(path) {
                // Another run was faster; the lock decides between the two.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                other => other.on("create", path)?,
            }
            let above = match Path::new(path).parent() {
                Some(above) if !above.as_os_str().is_empty() => above,
                _ => Path::new("."),
            };
            let above = File::open(above).on("open", path)?;
            above.sync_all().on("sync", path)?;
        } else {
            let (uid, gid) = (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            );
            for (dir, mode) in [("/var", 0o755), ("/var/lib", 0o755), (STATE, 0o700)] {
                let dir = HostPath::new(dir)
                    .map_err(|_| Errno::INVAL)
                    .on("create", dir)?;
                if self.root.read(&dir)? == State::Absent {
                    let state = State::Present {
                        content: Content::Dir,
                        attrs: Attrs {
                            uid,
                            gid,
                            mode,
                            ..Attrs::default()
                        },
                    };
                    let (parent, name) = self.root.parent_for_edit(&dir)?;
                    match edits::create(&parent, name, &state, (uid, gid)) {
                        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                        other => other.on("create", self.root.show(&dir))?,
                    }
                    rustix::fs::fsync(&parent).on("sync", self.root.show(&dir))?;
                }
            }
        }
        self.state = self.find_state()?;
        Ok(())
    }

    /// Reads in the state directory, where others had no hand in what is read.
    pub(super) fn load_state(&self, path: &HostPath) -> Result<State> {
        let Some(base) = &self.state else {
            return Ok(State::Absent);
        };
        let state = base.read(path)?;
        if state != State::Absent
            && let Some(open) = trust::open_to_others(base, path.as_str(), None)?
        {
            return Err(Error::Input {
                subject: format!("`{open}`"),
                message: "others may write it, and what it says decides what is done".to_owned(),
                hint: format!("look at it; then chmod go-w {open}; chown root: {open}"),
            });
        }
        Ok(state)
    }
}

fn state_below_root() -> HostPath {
    // A path by inspection: the default is never taken.
    HostPath::new(STATE).unwrap_or_default()
}
