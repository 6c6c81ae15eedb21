//! A host for tests of services and probes: it answers what it is told to, and its clock moves when it sleeps.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{
    error::{Error, Result},
    host::{
        Command, Deciding, Dial, Edit, Entry, Footing, Host, Output, Place, Presented, Question,
        Tree, User,
    },
    state::{Bytes, HostPath, State},
};

type Runs = Box<dyn Fn(&Command) -> Output>;
type Shakes = Box<dyn Fn(SocketAddr) -> Result<Presented>>;

#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) files: BTreeMap<String, State>,
    pub(crate) names: BTreeMap<String, Vec<IpAddr>>,
    pub(crate) live: bool,
    pub(crate) run: Option<Runs>,
    pub(crate) shake: Option<Shakes>,
    pub(crate) clock: Cell<Duration>,
    pub(crate) shakes: RefCell<u32>,
    pub(crate) signal: Cell<Option<&'static str>>,
}

fn none<T>() -> Result<T> {
    Err(Error::NotPlanned {
        verb: "do",
        what: "what this test does not expect".to_owned(),
    })
}

impl Tree for Scripted {
    fn read(&self, path: &HostPath) -> Result<State> {
        Ok(self
            .files
            .get(path.as_str())
            .cloned()
            .unwrap_or(State::Absent))
    }
    fn list(&self, _: &HostPath) -> Result<Option<Vec<Entry>>> {
        none()
    }
}

impl Host for Scripted {
    fn tree(&self) -> &dyn Tree {
        self
    }
    fn is_live(&self) -> bool {
        self.live
    }
    fn user(&self, name: &str) -> Result<User> {
        match name {
            "www-data" => Ok(User {
                uid: 33,
                groups: vec![33, 50],
            }),
            _ => Err(Error::Unknown {
                what: "user",
                name: name.to_owned(),
                known: Vec::new(),
            }),
        }
    }
    fn group(&self, _: &str) -> Result<u32> {
        Ok(33)
    }
    fn user_name(&self, _uid: u32) -> Option<String> {
        None
    }

    fn group_name(&self, _gid: u32) -> Option<String> {
        None
    }

    fn footing(&self, _: &HostPath, _: bool) -> Result<Footing> {
        none()
    }
    fn load(&self, _: &HostPath) -> Result<State> {
        none()
    }
    fn load_list(&self, _: &HostPath) -> Result<Vec<Entry>> {
        none()
    }
    fn lock(&mut self, _: Duration) -> Result<()> {
        none()
    }
    fn edit(&mut self, _: &Edit) -> Result<()> {
        none()
    }
    fn sync(&mut self, _: &[Place]) -> Result<()> {
        none()
    }
    fn run(&mut self, _: &Command, _: &str, _: &dyn Fn(&str)) -> Result<Output> {
        none()
    }
    fn feed(&mut self, _: &Command, _: &Bytes, _: &str) -> Result<Output> {
        none()
    }
    fn ask(&self, question: &Question) -> Result<Output> {
        self.run
            .as_ref()
            .map_or_else(none, |run| Ok(run(question.command())))
    }
    fn end_marked(&self, _: &str) -> Result<usize> {
        none()
    }
    fn handshake(&self, dial: &Dial) -> Result<Presented> {
        *self.shakes.borrow_mut() += 1;
        self.shake
            .as_ref()
            .map_or_else(none, |shake| shake(dial.address))
    }
    fn resolve(&self, name: &str) -> Vec<IpAddr> {
        self.names.get(name).cloned().unwrap_or_default()
    }
    fn trust_anchors(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
    fn now(&self) -> i64 {
        0
    }
    fn elapsed(&self) -> Duration {
        self.clock.get()
    }
    fn sleep(&self, time: Duration) {
        self.clock.set(self.clock.get() + time);
    }
    fn interrupted(&self) -> Option<&'static str> {
        self.signal.get()
    }
    fn operator(&self) -> String {
        "root".to_owned()
    }
    fn effective_uid(&self) -> u32 {
        0
    }
    fn random(&self) -> Result<[u8; 32]> {
        none()
    }
    fn read_input(&self, _: &str) -> Result<Bytes> {
        none()
    }
    fn list_input(&self, _: &str) -> Result<Vec<String>> {
        none()
    }
    fn writable_by_others(&self, _: Deciding<'_>) -> Result<Option<String>> {
        none()
    }
    fn write_output(&self, _: &str, _: &[u8]) -> Result<()> {
        none()
    }
    fn write_new(&self, _: &str, _: &[u8], _: u32) -> Result<()> {
        none()
    }
}
