//! The machine certroll runs on: the only IO in the program.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge that the lint keeps IO inside of"
)]

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::{Seek as _, Write as _},
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
    path::Path,
    time::Duration,
};

use walkdir::WalkDir;

use rustix::{
    fs::{FlockOperation, Mode, OFlags},
    io::Errno,
    process::DumpableBehavior,
};

use super::{Command, Edit, Entry, Host, LARGEST_FILE, Output, Place, Presented, Tree, User};
use crate::{
    error::{Error, On as _, Result},
    starttls::Protocol,
    state::{Attrs, Bytes, Content, HostPath, State},
};

mod clock;
mod commands;
mod files;
mod ids;
mod network;
mod sync;

pub(crate) use clock::watch_signals;
use files::Base;

/// The machine itself, or a tree of files on it that stands for another.
#[derive(Debug)]
pub struct SystemHost {
    root: Base,
    root_path: String,
    state_path: Option<String>,
    state: Option<Base>,
    lock: Option<File>,
    /// One directory of each file system that was written by this run, by device number.
    written: HashMap<(u32, u32), OwnedFd>,
}

/// Where the state directory is below the root (design: `/var/lib/certroll`, 0700).
const STATE: &str = "/var/lib/certroll";

impl SystemHost {
    /// Opens the machine, or the tree at `root` with `--root`; `state` is another place for the state directory. Sets
    /// the umask of the process to 022.
    ///
    /// # Errors
    /// [`Error::Io`] where a directory cannot be opened; [`Error::Input`] where others may write the state directory.
    pub fn open(root: Option<&str>, state: Option<&str>) -> Result<Self> {
        // The caller's umask would make our own files unreadable to us, and reach the daemons that commands start.
        rustix::process::umask(Mode::from_raw_mode(0o022));
        let root_path = root.unwrap_or("/").to_owned();
        let mut host = Self {
            root: Base::open(&root_path)?,
            root_path,
            state_path: state.map(str::to_owned),
            state: None,
            lock: None,
            written: HashMap::new(),
        };
        host.state = host.find_state()?;
        Ok(host)
    }

    fn find_state(&self) -> Result<Option<Base>> {
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

    fn state_shown(&self) -> String {
        match &self.state_path {
            Some(path) => path.clone(),
            None => self.root.show(&state_below_root()),
        }
    }

    fn state_base(&self) -> Result<&Base> {
        let missing = || Error::Io {
            verb: "open",
            path: self.state_shown(),
            source: Errno::NOENT.into(),
        };
        self.state.as_ref().ok_or_else(missing)
    }

    /// Makes the state directory and those above it, 0700 and 0755.
    fn make_state(&mut self) -> Result<()> {
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
                    match files::create(&parent, name, &state, (uid, gid)) {
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

    fn base(&self, place: &Place) -> Result<&Base> {
        match place {
            Place::Tree(_) => Ok(&self.root),
            Place::State(_) => self.state_base(),
        }
    }

    fn parent<'p>(&self, place: &'p Place) -> Result<(OwnedFd, &'p str)> {
        self.base(place)?.parent_for_edit(place.path())
    }

    fn shown(&self, place: &Place) -> String {
        match self.base(place) {
            Ok(base) => base.show(place.path()),
            Err(_) => place.path().to_string(),
        }
    }

    /// Reads a file of the root's, for users, groups and trust anchors; none on a live machine, which has NSS.
    fn own_text(&self, path: &str) -> Option<String> {
        if self.is_live() {
            return None;
        }
        let path = HostPath::new(path).ok()?;
        self.text(&path).ok().flatten()
    }
}

/// Keeps keys in memory out of core dumps and away from other processes (`PR_SET_DUMPABLE`, prctl(2)).
///
/// Only for root: anybody else would lose `/proc/self/fd`, and with it inputs as `<(...)`.
pub(crate) fn keep_memory_private() {
    if rustix::process::geteuid().is_root() {
        // A kernel that refuses leaves what there was without it; nothing else depends on it.
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

fn unknown(what: &'static str, name: &str) -> Error {
    Error::Unknown {
        what,
        name: name.to_owned(),
        known: Vec::new(),
    }
}

fn state_below_root() -> HostPath {
    // A path by inspection: the default is never taken.
    HostPath::new(STATE).unwrap_or_default()
}

impl Tree for SystemHost {
    fn read(&self, path: &HostPath) -> Result<State> {
        self.root.read(path)
    }

    fn list(&self, dir: &HostPath) -> Result<Vec<Entry>> {
        self.root.list(dir)
    }

    fn walk(
        &self,
        top: &HostPath,
        deepest: usize,
        enter: &dyn Fn(&HostPath) -> bool,
    ) -> Result<Vec<HostPath>> {
        let shown = self.root.show(top);
        let of_root = |path: &Path| {
            let below = path.strip_prefix(&shown).ok()?.to_str()?;
            HostPath::new(&format!("{top}/{below}")).ok()
        };
        let walk = WalkDir::new(&shown)
            .follow_root_links(false)
            .min_depth(1)
            .max_depth(deepest)
            .sort_by_file_name()
            .same_file_system(true);
        let entered = walk.into_iter().filter_entry(|entry| {
            !entry.file_type().is_dir() || of_root(entry.path()).is_some_and(|dir| enter(&dir))
        });
        let files = entered
            .flatten()
            .filter(|entry| entry.file_type().is_file());
        Ok(files.filter_map(|entry| of_root(entry.path())).collect())
    }
}

impl Host for SystemHost {
    fn tree(&self) -> &dyn Tree {
        self
    }

    fn is_live(&self) -> bool {
        self.root_path == "/"
    }

    fn user(&self, name: &str) -> Result<User> {
        match self.own_text("/etc/passwd") {
            Some(passwd) => {
                let group = self.own_text("/etc/group").unwrap_or_default();
                ids::user_in(&passwd, &group, name).ok_or_else(|| unknown("user", name))
            }
            None => ids::user(name),
        }
    }

    fn group(&self, name: &str) -> Result<u32> {
        match self.own_text("/etc/group") {
            Some(group) => ids::group_in(&group, name).ok_or_else(|| unknown("group", name)),
            None => ids::group(name),
        }
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        match self.own_text("/etc/passwd") {
            Some(passwd) => ids::name_in(&passwd, uid),
            None => ids::user_name(uid),
        }
    }

    fn group_name(&self, gid: u32) -> Option<String> {
        match self.own_text("/etc/group") {
            Some(group) => ids::name_in(&group, gid),
            None => ids::group_name(gid),
        }
    }

    fn is_mount_point(&self, path: &HostPath) -> Result<bool> {
        self.root.is_mount_point(path)
    }

    fn load(&self, path: &HostPath) -> Result<State> {
        self.state
            .as_ref()
            .map_or(Ok(State::Absent), |state| state.read(path))
    }

    fn load_list(&self, dir: &HostPath) -> Result<Vec<Entry>> {
        self.state
            .as_ref()
            .map_or(Ok(Vec::new()), |state| state.list(dir))
    }

    fn lock(&mut self, wait: Duration) -> Result<()> {
        watch_signals()?;
        self.make_state()?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = format!("{}/lock", self.state_shown());
        let fd = rustix::fs::openat(
            self.state_base()?.as_fd(),
            "lock",
            flags,
            Mode::from_raw_mode(0o600),
        )
        .on("open", &path)?;
        let mut file = File::from(fd);
        let start = self.elapsed();
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK | Errno::INTR)
                    if self.elapsed().saturating_sub(start) < wait
                        && self.interrupted().is_none() =>
                {
                    self.sleep(Duration::from_millis(50));
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    let holder = files::read_bounded(&file, LARGEST_FILE)
                        .ok()
                        .and_then(|b| b.text().trim().parse().ok());
                    return Err(Error::Locked { path, pid: holder });
                }
                Err(errno) => return Err(errno).on("lock", path),
            }
        }
        // The number is a courtesy for the message above; the kernel's lock is what counts.
        file.set_len(0).on("write", &path)?;
        file.rewind().on("write", &path)?;
        writeln!(file, "{}", std::process::id()).on("write", &path)?;
        self.lock = Some(file);
        Ok(())
    }

    fn edit(&mut self, edit: &Edit) -> Result<()> {
        match edit {
            Edit::Create { at, state } => {
                let (dir, name) = self.parent(at)?;
                let born = self.note_written(&dir)?;
                files::create(&dir, name, state, born).on("create", self.shown(at))
            }
            Edit::Overwrite { at, state } => {
                let (dir, name) = self.parent(at)?;
                self.note_written(&dir)?;
                files::overwrite(&dir, name, state).on("write", self.shown(at))
            }
            // What is renamed was made by this run, so its file system is noted.
            Edit::Rename { from, to } if from.path().parent() == to.path().parent() => {
                let (dir, to_name) = self.parent(to)?;
                rustix::fs::renameat(&dir, from.path().name(), &dir, to_name)
                    .on("replace", self.shown(to))
            }
            Edit::Rename { from, to } => {
                let (from_dir, from_name) = self.parent(from)?;
                let (to_dir, to_name) = self.parent(to)?;
                rustix::fs::renameat(&from_dir, from_name, &to_dir, to_name)
                    .on("replace", self.shown(to))
            }
            Edit::Remove { at } => {
                let (dir, name) = self.parent(at)?;
                self.note_written(&dir)?;
                files::remove(&dir, name).on("remove", self.shown(at))
            }
            Edit::Append { at, bytes } => {
                let (dir, name) = self.parent(at)?;
                files::append(&dir, name, bytes).on("append to", self.shown(at))
            }
        }
    }

    fn sync(&mut self, places: &[Place]) -> Result<()> {
        self.sync_places(places)
    }

    fn run(&self, command: &Command, marker: &str) -> Result<Output> {
        commands::run(command, marker)
    }

    fn end_marked(&self, marker: &str) -> Result<usize> {
        commands::end_marked(marker)
    }

    fn handshake(
        &self,
        address: SocketAddr,
        protocol: Protocol,
        name: &str,
        limit: Duration,
    ) -> Result<Presented> {
        network::handshake(address, protocol, name, limit)
    }

    fn resolve(&self, name: &str) -> Vec<IpAddr> {
        network::resolve(name)
    }

    fn trust_anchors(&self) -> Vec<Vec<u8>> {
        match self.own_text("/etc/ssl/certs/ca-certificates.crt") {
            Some(bundle) => network::trust_anchors_in(bundle.as_bytes()),
            None if self.is_live() => network::trust_anchors(),
            None => Vec::new(),
        }
    }

    fn now(&self) -> i64 {
        clock::now()
    }

    fn elapsed(&self) -> Duration {
        clock::elapsed()
    }

    fn sleep(&self, time: Duration) {
        clock::sleep(time);
    }

    fn interrupted(&self) -> Option<&'static str> {
        clock::interrupted()
    }

    fn operator(&self) -> String {
        clock::operator()
    }

    fn effective_uid(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn random(&self) -> Result<[u8; 32]> {
        clock::random()
    }

    fn read_input(&self, path: &str) -> Result<Bytes> {
        let metadata = std::fs::metadata(path).on("read", path)?;
        if metadata.is_dir() {
            return Err(Error::Input {
                subject: format!("`{path}`"),
                message: "is a directory, want a file".to_owned(),
                hint: format!("name the file: `ls {path}`"),
            });
        }
        // A named pipe without a writer would hang; the shell's `<(...)` is one with a writer.
        if !metadata.is_file()
            && !path.starts_with("/dev/fd/")
            && !path.starts_with("/proc/self/fd/")
        {
            return Err(Error::Input {
                subject: format!("`{path}`"),
                message: "is a device, pipe or socket, want a file".to_owned(),
                hint: String::new(),
            });
        }
        let file = File::open(path).on("read", path)?;
        files::read_bounded(&file, LARGEST_FILE).map_err(|source| files::too_large(path, source))
    }

    fn list_input(&self, path: &str) -> Result<Vec<String>> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(path).on("list", path)? {
            names.extend(
                entry
                    .on("list", path)?
                    .file_name()
                    .to_str()
                    .map(str::to_owned),
            );
        }
        Ok(names.into_iter().collect())
    }

    fn writable_by_others(&self, path: &str) -> Result<Option<String>> {
        let real = std::fs::canonicalize(path).on("look at", path)?;
        files::writable_by_others(&real).on("look at", path)
    }

    fn write_output(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let staged = format!("{path}.certroll-{}", std::process::id());
        let mut options = File::options();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&staged).on("create", &staged)?;
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&staged, path));
        if written.is_err() {
            // Best effort: the name is ours and new, and the error below is what matters.
            drop(std::fs::remove_file(&staged));
        }
        written.on("write", path)
    }
}
