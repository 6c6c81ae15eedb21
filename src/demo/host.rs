//! The scratch host as a live machine: files are those of its root, services and endpoints are child processes.

use std::{cell::RefCell, net::IpAddr, path::Path, time::Duration};

use super::{fleet::Fleet, manager};
use crate::{
    error::{Error, Result},
    hello::Answer,
    host::{
        Call, Command, Deciding, Dial, Edit, Entry, Footing, Host, Output, Place, Presented,
        Question, Reply, Tree, User, system::SystemHost,
    },
    probe::lookup_in_hosts,
    state::{Bytes, HostPath, State},
};

/// What runs on a scratch host.
pub(super) trait Machine {
    /// Runs a command to its end.
    fn run(&mut self, command: &Command) -> Result<Output>;

    /// Returns the real port behind one of the platform's; none where nothing listens.
    fn port(&self, port: u16) -> Option<u16>;
}

impl Machine for Fleet {
    fn run(&mut self, command: &Command) -> Result<Output> {
        manager::run(self, command)
    }

    fn port(&self, port: u16) -> Option<u16> {
        self.ports().get(&port).copied()
    }
}

/// [`SystemHost`] with a root of its own, and services beside it.
pub(super) struct DemoHost<M = Fleet> {
    files: SystemHost,
    pub(super) fleet: RefCell<M>,
}

impl<M: Machine> DemoHost<M> {
    /// Returns a connection to the real port behind one of the platform's.
    fn real(&self, dial: &Dial) -> Result<Dial> {
        let real = self.fleet.borrow().port(dial.address.port());
        let real = real.filter(|_| dial.address.ip().is_loopback());
        let port = real.ok_or_else(|| Error::Unproved {
            subject: format!("`{}`", dial.address),
            want: "a certificate".to_owned(),
            found: "refused the connection".to_owned(),
        })?;
        let mut dial = dial.clone();
        dial.address.set_port(port);
        Ok(dial)
    }

    pub(super) fn open(root: &Path, machine: M) -> Result<Self> {
        Ok(Self {
            files: SystemHost::open(Some(&root.display().to_string()), None)?,
            fleet: RefCell::new(machine),
        })
    }
}

impl<M> Tree for DemoHost<M> {
    fn read(&self, path: &HostPath) -> Result<State> {
        self.files.read(path)
    }

    fn list(&self, dir: &HostPath) -> Result<Option<Vec<Entry>>> {
        self.files.list(dir)
    }
}

impl<M: Machine> Host for DemoHost<M> {
    fn tree(&self) -> &dyn Tree {
        self
    }

    fn is_live(&self) -> bool {
        true
    }

    fn user(&self, name: &str) -> Result<User> {
        self.files.user(name)
    }

    fn group(&self, name: &str) -> Result<u32> {
        self.files.group(name)
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        self.files.user_name(uid)
    }

    fn group_name(&self, gid: u32) -> Option<String> {
        self.files.group_name(gid)
    }

    fn footing(&self, path: &HostPath, there: bool) -> Result<Footing> {
        self.files.footing(path, there)
    }

    fn load(&self, path: &HostPath) -> Result<State> {
        self.files.load(path)
    }

    fn load_list(&self, dir: &HostPath) -> Result<Vec<Entry>> {
        self.files.load_list(dir)
    }

    fn lock(&mut self, wait: Duration) -> Result<()> {
        self.files.lock(wait)
    }

    fn edit(&mut self, edit: &Edit) -> Result<()> {
        self.files.edit(edit)
    }

    fn sync(&mut self, places: &[Place]) -> Result<()> {
        self.files.sync(places)
    }

    fn run(&mut self, command: &Command, _: &str, _: &dyn Fn(&str)) -> Result<Output> {
        self.fleet.borrow_mut().run(command)
    }

    /// No command of the demo's platform reads anything.
    fn feed(&mut self, command: &Command, _: &Bytes, _: &str) -> Result<Output> {
        self.fleet.borrow_mut().run(command)
    }

    fn ask(&self, question: &Question) -> Result<Output> {
        self.fleet.borrow_mut().run(question.command())
    }

    /// Commands of this host end before [`Host::run`] returns.
    fn end_marked(&self, _: &str) -> Result<usize> {
        Ok(0)
    }

    fn handshake(&self, dial: &Dial) -> Result<Presented> {
        self.files.handshake(&self.real(dial)?)
    }

    fn greet(&self, dial: &Dial, offer: &[u8]) -> Result<Option<Answer>> {
        self.files.greet(&self.real(dial)?, offer)
    }

    fn fetch(&self, call: &Call) -> Result<Reply> {
        let mut call = call.clone();
        call.dial = self.real(&call.dial)?;
        self.files.fetch(&call)
    }

    fn send(&mut self, call: &Call) -> Result<Reply> {
        let mut call = call.clone();
        call.dial = self.real(&call.dial)?;
        self.files.send(&call)
    }

    fn resolve(&self, name: &str) -> Vec<IpAddr> {
        if let Ok(address) = name.parse() {
            return vec![address];
        }
        let text = HostPath::new("/etc/hosts")
            .ok()
            .and_then(|path| self.text(&path).ok().flatten());
        lookup_in_hosts(&text.unwrap_or_default(), name)
    }

    fn trust_anchors(&self) -> Vec<Vec<u8>> {
        self.files.trust_anchors()
    }

    fn now(&self) -> i64 {
        self.files.now()
    }

    fn elapsed(&self) -> Duration {
        self.files.elapsed()
    }

    fn sleep(&self, time: Duration) {
        self.files.sleep(time);
    }

    fn interrupted(&self) -> Option<&'static str> {
        self.files.interrupted()
    }

    fn operator(&self) -> String {
        self.files.operator()
    }

    fn effective_uid(&self) -> u32 {
        self.files.effective_uid()
    }

    fn random(&self) -> Result<[u8; 32]> {
        self.files.random()
    }

    fn read_input(&self, path: &str) -> Result<Bytes> {
        self.files.read_input(path)
    }

    fn list_input(&self, path: &str) -> Result<Vec<String>> {
        self.files.list_input(path)
    }

    fn writable_by_others(&self, file: Deciding<'_>) -> Result<Option<String>> {
        self.files.writable_by_others(file)
    }

    fn write_output(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.files.write_output(path, bytes)
    }

    fn write_new(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        self.files.write_new(path, bytes, mode)
    }
}
