//! A host in memory, with faults and deaths at any chosen step: what the crash tests run on.
//!
//! It keeps the rules of the real one that matter for the transaction: names must not exist to be created, a rename
//! replaces, a directory is only removed when empty, an append may be torn, a lock is exclusive and freed by death.
//! Beside what running programs see it keeps what a disk may hold of it, for power cuts.

use std::{
    cell::{Cell, RefCell},
    io,
    net::IpAddr,
    rc::Rc,
    time::Duration,
};

use super::{
    Call, Command, Deciding, Dial, Edit, Entry, Footing, Host, Output, Place, Presented, Question,
    Reply, Tree, User, WebCall, WebReply, no_web,
};
use crate::{
    error::{Error, On as _, Result},
    peer::Accept,
    state::{Bytes, HostPath, State},
};

mod appliance;
mod disk;
mod web;
mod world;

pub use appliance::Appliance;
pub use disk::Choose;
pub use web::{Dns, Web};
pub use world::World;

use disk::Disk;
use world::{get, list, perform, seen};

/// When something goes wrong. Steps are edits, syncs and commands, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Never.
    #[default]
    Never,
    /// The step fails once and does nothing.
    FailAt(usize),
    /// The run dies before the step.
    DieBefore(usize),
    /// The run dies in the middle of the step: an append is torn, a new file half-written.
    DieWithin(usize),
}

/// What a command does to the world.
pub type Reaction = Rc<dyn Fn(&mut World, &Command) -> Output>;

/// A host in memory; clones share their world.
#[derive(Clone)]
pub struct FakeHost {
    world: Rc<RefCell<World>>,
    disk: Rc<RefCell<Disk>>,
    react: Reaction,
    web: Option<Web>,
    dns: Option<Dns>,
    fault: Fault,
    steps: Cell<usize>,
    synced: RefCell<Vec<Vec<Place>>>,
    forgets: Option<usize>,
    dead: Cell<bool>,
    locked: Rc<Cell<bool>>,
    holds_lock: bool,
    clock: Rc<Cell<Duration>>,
    live: bool,
}

impl std::fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeHost")
            .field("fault", &self.fault)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl FakeHost {
    /// Makes a host of a world; `react` is what its commands do.
    #[must_use]
    pub fn new(world: World, react: Reaction) -> Self {
        Self {
            disk: Rc::new(RefCell::new(Disk::of(&world))),
            world: Rc::new(RefCell::new(world)),
            react,
            web: None,
            dns: None,
            fault: Fault::Never,
            steps: Cell::new(0),
            synced: RefCell::default(),
            forgets: None,
            dead: Cell::new(false),
            locked: Rc::default(),
            holds_lock: false,
            clock: Rc::default(),
            live: true,
        }
    }

    /// Makes it a tree only: services and endpoints cannot be asked.
    #[must_use]
    pub fn without_services(mut self) -> Self {
        self.live = false;
        self
    }

    /// Starts a new run on the same world, with a fault to come; the lock of a dead run is free.
    #[must_use]
    pub fn next_run(&self, fault: Fault) -> Self {
        self.locked.set(false);
        Self {
            fault,
            steps: Cell::new(0),
            synced: RefCell::default(),
            forgets: None,
            dead: Cell::new(false),
            holds_lock: false,
            ..self.clone()
        }
    }

    /// Starts a new run on a copy of the world and of its disk, as after a kill.
    #[must_use]
    pub fn fork(&self, fault: Fault) -> Self {
        Self {
            world: Rc::new(RefCell::new(self.world())),
            disk: Rc::new(RefCell::new(self.disk.borrow().clone())),
            locked: Rc::default(),
            ..self.next_run(fault)
        }
    }

    /// Makes the n-th sync of this run, from 0, do nothing, as if the program had forgotten it; an append is one.
    #[must_use]
    pub fn forgets_sync(mut self, n: usize) -> Self {
        self.forgets = Some(n);
        self
    }

    /// Returns what each sync of this run was of, the forgotten one too.
    #[must_use]
    pub fn synced(&self) -> Vec<Vec<Place>> {
        self.synced.borrow().clone()
    }

    /// Returns a copy of the world.
    #[must_use]
    pub fn world(&self) -> World {
        self.world.borrow().clone()
    }

    /// Looks at the world where it is.
    pub fn look<T>(&self, at: impl FnOnce(&World) -> T) -> T {
        at(&self.world.borrow())
    }

    /// Changes the world from outside, as a third party does.
    pub fn meddle(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.borrow_mut());
        self.disk.borrow_mut().adopt(&self.world.borrow());
    }

    /// Returns the number of steps so far.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps.get()
    }

    /// Tells whether the fault killed this run.
    #[must_use]
    pub fn died(&self) -> bool {
        self.dead.get()
    }

    /// Notes a sync; false where this is the one that is forgotten.
    fn syncs_now(&self, of: &[Place]) -> bool {
        let mut synced = self.synced.borrow_mut();
        synced.push(of.to_vec());
        self.forgets != Some(synced.len() - 1)
    }

    fn alive(&self) -> Result<()> {
        if self.dead.get() {
            Err(io::Error::from(io::ErrorKind::BrokenPipe)).on("go on after death at", "step")
        } else {
            Ok(())
        }
    }

    /// Counts a step; true where the run dies within it.
    fn step(&self, what: &str) -> Result<bool> {
        self.alive()?;
        let step = self.steps.replace(self.steps.get() + 1);
        match self.fault {
            Fault::FailAt(at) if at == step => {
                Err(io::Error::from_raw_os_error(5)).on("change", what)
            }
            Fault::DieBefore(at) if at == step => {
                self.dead.set(true);
                self.alive().map(|()| false)
            }
            Fault::DieWithin(at) if at == step => {
                self.dead.set(true);
                Ok(true)
            }
            Fault::Never | Fault::FailAt(_) | Fault::DieBefore(_) | Fault::DieWithin(_) => {
                Ok(false)
            }
        }
    }
}

impl Tree for FakeHost {
    fn read(&self, path: &HostPath) -> Result<State> {
        self.alive()?;
        Ok(get(&self.world.borrow().tree, path))
    }

    fn list(&self, dir: &HostPath) -> Result<Option<Vec<Entry>>> {
        self.alive()?;
        let world = self.world.borrow();
        let there = get(&world.tree, dir).is_dir();
        Ok(there.then(|| list(&world.tree, dir)))
    }
}

impl Host for FakeHost {
    fn tree(&self) -> &dyn Tree {
        self
    }

    fn is_live(&self) -> bool {
        self.live
    }

    fn user(&self, name: &str) -> Result<User> {
        match name {
            "root" => Ok(User {
                uid: 0,
                groups: vec![0],
            }),
            "www-data" => Ok(User {
                uid: 33,
                groups: vec![33],
            }),
            _ => Err(Error::Unknown {
                what: "user",
                name: name.to_owned(),
                known: Vec::new(),
            }),
        }
    }

    fn group(&self, name: &str) -> Result<u32> {
        self.user(name)
            .map(|user| user.uid)
            .map_err(|_| Error::Unknown {
                what: "group",
                name: name.to_owned(),
                known: Vec::new(),
            })
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        match uid {
            0 => Some("root".to_owned()),
            33 => Some("www-data".to_owned()),
            _ => None,
        }
    }

    fn group_name(&self, gid: u32) -> Option<String> {
        self.user_name(gid)
    }

    fn footing(&self, path: &HostPath, _there: bool) -> Result<Footing> {
        self.alive()?;
        let dir = path.parent().unwrap_or_default();
        Ok(Footing {
            in_dir: get(&self.world.borrow().tree, &dir).is_dir(),
            ..Footing::default()
        })
    }

    fn load(&self, path: &HostPath) -> Result<State> {
        self.alive()?;
        Ok(get(&self.world.borrow().state, path))
    }

    fn load_list(&self, dir: &HostPath) -> Result<Vec<Entry>> {
        self.alive()?;
        Ok(list(&self.world.borrow().state, dir))
    }

    fn lock(&mut self, _wait: Duration) -> Result<()> {
        self.alive()?;
        if !self.holds_lock && self.locked.replace(true) {
            return Err(Error::Locked {
                path: "lock".to_owned(),
                pid: None,
            });
        }
        self.holds_lock = true;
        Ok(())
    }

    fn edit(&mut self, edit: &Edit) -> Result<()> {
        let within = self.step("edit")?;
        if let Err(error) = perform(&mut self.world.borrow_mut(), edit, within) {
            self.alive()?;
            return Err(error).on("change", format!("{edit:?}"));
        }
        let seen = seen(&self.world.borrow(), edit);
        let durable = match edit {
            Edit::Append { at, .. } => self.syncs_now(std::slice::from_ref(at)) && !within,
            _ => false,
        };
        self.disk.borrow_mut().edit(edit, &seen, within);
        if durable {
            self.disk.borrow_mut().settle(edit);
        }
        self.alive()
    }

    fn sync(&mut self, places: &[Place]) -> Result<()> {
        self.step("sync")?;
        self.alive()?;
        if !places.is_empty() && self.syncs_now(places) {
            self.disk.borrow_mut().sync(places);
        }
        Ok(())
    }

    fn ask(&self, question: &Question) -> Result<Output> {
        self.alive()?;
        let mut world = self.world.borrow_mut();
        Ok((self.react)(&mut world, question.command()))
    }

    fn run(&mut self, command: &Command, marker: &str, _: &dyn Fn(&str)) -> Result<Output> {
        if self.step("run")? {
            // The run dies while its command goes on: what it does is seen when recovery ends it.
            self.world.borrow_mut().leftovers.push(marker.to_owned());
            self.alive()?;
        }
        self.world.borrow_mut().ran.push(command.argv.clone());
        let output = (self.react)(&mut self.world.borrow_mut(), command);
        self.disk.borrow_mut().adopt(&self.world.borrow());
        Ok(output)
    }

    fn feed(&mut self, command: &Command, _: &Bytes, marker: &str) -> Result<Output> {
        self.run(command, marker, &|_| {})
    }

    fn end_marked(&self, marker: &str) -> Result<usize> {
        self.alive()?;
        let mut world = self.world.borrow_mut();
        let before = world.leftovers.len();
        world.leftovers.retain(|m| m != marker);
        Ok(before - world.leftovers.len())
    }

    fn handshake(&self, dial: &Dial) -> Result<Presented> {
        self.alive()?;
        let refused = || Error::Unproved {
            subject: dial.address.to_string(),
            want: "a TLS handshake".to_owned(),
            found: "refused the connection".to_owned(),
        };
        let mut world = self.world.borrow_mut();
        let now = self.clock.get();
        let far = world.appliance.as_mut();
        let presented = match far.filter(|a| a.address == dial.address) {
            Some(appliance) => Some(appliance.presents(now)),
            None => world.endpoints.get(&dial.address).cloned(),
        };
        let mut presented = presented.ok_or_else(refused)?;
        let wrong = match (&dial.accept, presented.certificates.first()) {
            (Accept::Only(pins), Some(leaf)) => pins.iter().all(|pin| !pin.is_of(leaf)),
            _ => false,
        };
        if wrong {
            presented.version.clear();
        }
        Ok(presented)
    }

    fn fetch(&self, call: &Call) -> Result<Reply> {
        self.alive()?;
        self.answered(call)
    }

    fn send(&mut self, call: &Call) -> Result<Reply> {
        let within = self.step("request")?;
        let reply = self.answered(call)?;
        if within {
            // The peer heard it, and nobody hears the answer.
            self.alive()?;
        }
        Ok(reply)
    }

    fn web(&self, call: &WebCall) -> Result<WebReply> {
        self.alive()?;
        let web = self.web.as_ref().ok_or_else(|| no_web(&call.url))?;
        web(call)
    }

    fn dns(&self, server: &str, message: &[u8]) -> Result<Vec<u8>> {
        let dns = self.dns.as_ref().ok_or_else(|| no_web(server))?;
        dns(message)
    }

    fn resolve(&self, name: &str) -> Vec<IpAddr> {
        self.world
            .borrow()
            .names
            .get(name)
            .cloned()
            .unwrap_or_default()
    }

    fn trust_anchors(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn now(&self) -> i64 {
        // 2026-01-01: a fixed day, so that goldens do not move.
        1_767_225_600
    }

    fn elapsed(&self) -> Duration {
        self.clock.get()
    }

    fn sleep(&self, time: Duration) {
        self.clock.set(self.clock.get() + time);
    }

    fn interrupted(&self) -> Option<&'static str> {
        None
    }

    fn operator(&self) -> String {
        "root".to_owned()
    }

    fn effective_uid(&self) -> u32 {
        0
    }

    fn random(&self) -> Result<[u8; 32]> {
        Ok([7; 32])
    }

    fn read_input(&self, path: &str) -> Result<Bytes> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let at = HostPath::new(path)
            .map_err(|_| missing())
            .on("read", path)?;
        self.read(&at)?
            .bytes()
            .cloned()
            .ok_or_else(missing)
            .on("read", path)
    }

    fn list_input(&self, path: &str) -> Result<Vec<String>> {
        Err(io::Error::from(io::ErrorKind::NotFound)).on("list", path)
    }

    fn writable_by_others(&self, _: Deciding<'_>) -> Result<Option<String>> {
        Ok(None)
    }

    fn write_output(&self, path: &str, _bytes: &[u8]) -> Result<()> {
        Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem)).on("write", path)
    }

    fn write_new(&self, path: &str, bytes: &[u8], _mode: u32) -> Result<()> {
        self.write_output(path, bytes)
    }
}
