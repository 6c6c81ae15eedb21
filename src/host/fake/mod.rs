//! A host in memory, with faults and deaths at any chosen step: what the crash tests run on.
//!
//! It keeps the rules of the real one that matter for the transaction: names must not exist to be created, a rename
//! replaces, a directory is only removed when empty, an append may be torn, a lock is exclusive and freed by death.
//! Beside what running programs see it keeps what a disk may hold of it, for power cuts.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Duration,
};

use super::{Command, Output, Place};
use crate::error::{On as _, Result};

mod appliance;
mod disk;
mod host;
mod web;
mod world;

pub use appliance::Appliance;
pub use disk::Choose;
pub use web::{Dns, Web};
pub use world::World;

use disk::Disk;

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
    signal: Rc<Cell<Option<&'static str>>>,
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
            signal: Rc::default(),
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

    /// Asks all runs on this world to end, or no longer.
    pub fn interrupt(&self, signal: Option<&'static str>) {
        self.signal.set(signal);
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
