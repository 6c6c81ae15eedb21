//! The machine certroll runs on: the only IO in the program.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge that the lint keeps IO inside of"
)]

use std::{
    collections::HashMap, fs::File, net::IpAddr, os::fd::OwnedFd, path::Path, time::Duration,
};

use walkdir::WalkDir;

use rustix::{
    fs::{Mode, Statx},
    process::DumpableBehavior,
};

use super::{
    Call, Command, Deciding, Dial, Edit, Entry, Footing, Holder, Host, Output, Place, Presented,
    Question, Reply, Stand, Standing, Tree, User, WebCall, WebReply,
};
use crate::{
    error::{Error, On as _, Result},
    hello::Answer,
    state::{Bytes, HostPath, State},
};

mod backend;
mod callers;
mod clock;
mod commands;
mod dns;
mod edits;
mod files;
mod guest;
mod holders;
mod http;
mod ids;
mod limited;
mod mounts;
mod network;
mod stand;
mod state_dir;
mod sync;
mod trust;

pub(crate) use backend::serve;
pub(crate) use clock::watch_signals;
use files::Base;
use mounts::Mounts;

/// The machine itself, or a tree of files on it that stands for another.
#[derive(Debug)]
pub struct SystemHost {
    root: Base,
    root_path: String,
    state_path: Option<String>,
    state: Option<Base>,
    lock: Option<File>,
    /// Effective user and group of this process.
    own: (u32, u32),
    /// Those of an alternate root, when the lock was taken; of `/`, whatever comes.
    mounts: Mounts,
    /// One directory of each file system that was written by this run, by device number.
    written: HashMap<(u32, u32), OwnedFd>,
}

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
            own: (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            ),
            mounts: Mounts::default(),
            written: HashMap::new(),
        };
        host.state = host.find_state()?;
        Ok(host)
    }

    /// Tells whether this process holds the lock: nothing is changed without.
    pub(crate) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    fn base(&self, place: &Place) -> Result<&Base> {
        match place {
            Place::Tree(_) => Ok(&self.root),
            Place::State(_) => self.state_base(),
        }
    }

    /// Opens the directory of a place that is about to be edited, and looks at it.
    fn parent<'p>(&self, place: &'p Place) -> Result<(OwnedFd, &'p str, Statx)> {
        let (dir, name) = self.base(place)?.parent_for_edit(place.path())?;
        let stat = mounts::look(&dir).on("look at the directory of", self.shown(place))?;
        let of_root = matches!(place, Place::Tree(_)) || self.state_path.is_none();
        if of_root {
            let refused = "change what was mounted since the run began:";
            self.mounts.admit(&stat).on(refused, self.shown(place))?;
        }
        Ok((dir, name, stat))
    }

    /// Returns the owner and group that a new name in a directory gets: a set-group-ID directory gives its own group
    /// (inode(7)).
    fn born_in(&self, dir: &Statx) -> (u32, u32) {
        let (uid, gid) = self.own;
        let inherits = u32::from(dir.stx_mode) & 0o2000 != 0;
        (uid, if inherits { dir.stx_gid } else { gid })
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

impl Tree for SystemHost {
    fn read(&self, path: &HostPath) -> Result<State> {
        self.root.read(path)
    }

    fn list(&self, dir: &HostPath) -> Result<Option<Vec<Entry>>> {
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

    fn has_own_state(&self) -> bool {
        self.state_path.is_some()
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

    fn footing(&self, path: &HostPath, there: bool) -> Result<Footing> {
        self.root.footing(path, there)
    }

    fn holders(&self, paths: &[HostPath]) -> Vec<Holder> {
        let wanted = paths
            .iter()
            .filter_map(|path| Some((self.root.inode(path)?, path.clone())));
        holders::find(&wanted.collect())
    }

    fn load(&self, path: &HostPath) -> Result<State> {
        self.load_state(path)
    }

    fn load_list(&self, dir: &HostPath) -> Result<Vec<Entry>> {
        let listed = self.state.as_ref().map(|state| state.list(dir));
        Ok(listed.transpose()?.flatten().unwrap_or_default())
    }

    fn lock(&mut self, wait: Duration) -> Result<()> {
        watch_signals()?;
        if !self.is_live() {
            self.mounts = Mounts::of_root(&self.root);
        }
        self.make_state()?;
        self.lock = Some(self.take_lock(wait)?);
        Ok(())
    }

    fn edit(&mut self, edit: &Edit) -> Result<()> {
        match edit {
            Edit::Create { at, state } => {
                let (dir, name, stat) = self.parent(at)?;
                self.note_written(&dir, &stat)?;
                edits::create(&dir, name, state, self.born_in(&stat)).on("create", self.shown(at))
            }
            Edit::Overwrite { at, state } => {
                let (dir, name, stat) = self.parent(at)?;
                self.note_written(&dir, &stat)?;
                edits::overwrite(&dir, name, state).on("write", self.shown(at))
            }
            // What is renamed was made by this run, so its file system is noted.
            Edit::Rename { from, to } if from.path().parent() == to.path().parent() => {
                let (dir, to_name, _) = self.parent(to)?;
                rustix::fs::renameat(&dir, from.path().name(), &dir, to_name)
                    .on("replace", self.shown(to))
            }
            Edit::Rename { from, to } => {
                let (from_dir, from_name, _) = self.parent(from)?;
                let (to_dir, to_name, _) = self.parent(to)?;
                rustix::fs::renameat(&from_dir, from_name, &to_dir, to_name)
                    .on("replace", self.shown(to))
            }
            Edit::Remove { at } => {
                let (dir, name, stat) = self.parent(at)?;
                self.note_written(&dir, &stat)?;
                edits::remove(&dir, name).on("remove", self.shown(at))
            }
            Edit::Append { at, bytes } => {
                let (dir, name, _) = self.parent(at)?;
                edits::append(&dir, name, bytes).on("append to", self.shown(at))
            }
        }
    }

    fn sync(&mut self, places: &[Place]) -> Result<()> {
        self.sync_places(places)
    }

    fn run(&mut self, command: &Command, marker: &str, told: &dyn Fn(&str)) -> Result<Output> {
        commands::run(command, None, marker, told)
    }

    fn feed(&mut self, command: &Command, input: &Bytes, marker: &str) -> Result<Output> {
        commands::run(command, Some(input), marker, &|_| {})
    }

    fn ask(&self, question: &Question) -> Result<Output> {
        commands::run(question.command(), None, "", &|_| {})
    }

    fn end_marked(&self, marker: &str) -> Result<usize> {
        commands::end_marked(marker)
    }

    fn handshake(&self, dial: &Dial) -> Result<Presented> {
        network::handshake(dial)
    }

    fn handshakes(&self, dials: &[Dial]) -> Vec<Result<Presented>> {
        network::each(dials, network::handshake)
    }

    fn greet(&self, dial: &Dial, offer: &[u8]) -> Result<Option<Answer>> {
        network::greet(dial, offer)
    }

    fn fetch(&self, call: &Call) -> Result<Reply> {
        http::refuse_change(call)?;
        http::exchange(call)
    }

    fn send(&mut self, call: &Call) -> Result<Reply> {
        http::exchange(call)
    }

    fn web(&self, call: &WebCall) -> Result<WebReply> {
        http::web::ask(call, || self.trust_anchors())
    }

    fn dns(&self, server: &str, message: &[u8]) -> Result<Vec<u8>> {
        dns::ask(server, message)
    }

    fn stand(&self, port: u16, stand: &Stand) -> Result<Box<dyn Standing>> {
        stand::stand(port, stand)
    }

    fn resolve(&self, name: &str) -> Vec<IpAddr> {
        network::resolve(name)
    }

    fn resolve_all(&self, names: &[&str]) -> Vec<Vec<IpAddr>> {
        network::each(names, |name| network::resolve(name))
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
        self.own.0
    }

    fn random(&self) -> Result<[u8; 32]> {
        clock::random()
    }

    fn read_input(&self, path: &str) -> Result<Bytes> {
        callers::read(path)
    }

    fn list_input(&self, path: &str) -> Result<Vec<String>> {
        callers::list(path)
    }

    fn whole(&self, path: &str) -> Result<String> {
        callers::whole(path)
    }

    fn without_links(&self, path: &HostPath) -> Result<HostPath> {
        let dir = path.parent().map(|dir| self.root.real(&dir)).transpose()?;
        Ok(dir
            .flatten()
            .map_or_else(|| path.clone(), |dir| dir.join(path.name())))
    }

    fn writable_by_others(&self, file: Deciding<'_>) -> Result<Option<String>> {
        match file {
            Deciding::Root(path) => trust::open_to_others(&self.root, path.as_str(), None),
            // What the caller's shell opened is nobody else's.
            Deciding::Named(path) if callers::is_handed_over(path) => Ok(None),
            Deciding::Profile(path) => callers::open_to_others(path, None),
            Deciding::Named(path) => callers::open_to_others(path, clock::caller()),
        }
    }

    fn write_output(&self, path: &str, bytes: &[u8]) -> Result<()> {
        callers::write(path, bytes, 0o600)
    }

    fn location(&self, place: &Place) -> String {
        let shown = self.shown(place);
        std::path::absolute(&shown).map_or(shown, |path| path.to_string_lossy().into_owned())
    }

    fn write_shared(&self, path: &str, bytes: &[u8]) -> Result<()> {
        callers::write(path, bytes, 0o644)
    }

    fn write_new(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        callers::write_new(path, bytes, mode)
    }

    fn write_new_with(
        &self,
        path: &str,
        bytes: &[u8],
        mode: u32,
        needs: (&str, &[(String, Bytes)]),
    ) -> Result<()> {
        callers::write_new_with(path, bytes, mode, needs)
    }
}
