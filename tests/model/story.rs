//! What a power cut interrupts, and what may be there afterwards.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use certroll::{
    apply::{self, Keep},
    error::Result,
    host::{
        Command, Host as _, Output, Place,
        fake::{FakeHost, Fault, World},
    },
    journal::Store,
    receipt::{Outcome, Receipt},
    rollback,
    state::{HostPath, State},
};

use crate::web::{self, leaf, path};

/// The tree of a host.
pub(crate) type Files = BTreeMap<HostPath, State>;

/// What a run does.
type Act = fn(&mut FakeHost) -> Result<Receipt>;

/// A run on a host, with every tree that may be there after it.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    start: FakeHost,
    act: Act,
    /// The tree without the rollout, and with it.
    pub(crate) trees: [Files; 2],
    /// Which of them is there once the run said so.
    pub(crate) end: usize,
    /// Whether the service takes the new pair.
    takes: bool,
    /// The sync that it forgets.
    forgets: Option<usize>,
}

fn forward(host: &mut FakeHost) -> Result<Receipt> {
    let plan = web::plan(host);
    certroll::rollout(host, plan, web::keep(), &|_| {})
}

fn backward(host: &mut FakeHost) -> Result<Receipt> {
    let back = rollback::plan(host, "test", None, &[])?.unwrap();
    certroll::rollout(host, back.plan, Keep::default(), &|_| {})
}

/// Recovers as at boot, and then what that leaves owed.
pub(crate) fn recover(host: &mut FakeHost) -> Result<Option<Receipt>> {
    let first = apply::recover(host, true, &|_| {})?;
    match Store::pending(host)? {
        Some(_) => apply::recover(host, false, &|_| {}),
        None => Ok(first),
    }
}

/// A unit that refuses the new pair.
fn refuse(world: &mut World, command: &Command) -> Output {
    let restart = command.argv.get(1).is_some_and(|verb| verb == "restart");
    if restart && world.tree[&path("/etc/pki/server.crt")] == leaf(1) {
        return Output {
            status: Some(1),
            ..Output::default()
        };
    }
    web::react(world, command)
}

fn locked(host: &mut FakeHost, act: Act) -> Result<Receipt> {
    host.lock(Duration::ZERO)?;
    act(host)
}

impl Story {
    /// A rollout on a host that never saw one.
    pub(crate) fn rollout() -> Self {
        let start = web::host();
        let mut after = start.fork(Fault::Never);
        assert_eq!(forward(&mut after).unwrap().outcome, Outcome::Committed);
        Self {
            name: "rollout",
            trees: [start.world().tree, after.world().tree],
            end: 1,
            start,
            act: forward,
            takes: true,
            forgets: None,
        }
    }

    /// A rollout whose service refuses the new pair.
    pub(crate) fn failure() -> Self {
        Self {
            name: "failure",
            end: 0,
            start: FakeHost::new(web::host().world(), Rc::new(refuse)),
            takes: false,
            ..Self::rollout()
        }
    }

    /// A rollback of a rollout.
    pub(crate) fn rollback() -> Self {
        let rollout = Self::rollout();
        let mut start = rollout.start.fork(Fault::Never);
        forward(&mut start).unwrap();
        Self {
            name: "rollback",
            end: 0,
            start: FakeHost::new(start.world(), Rc::new(web::react)),
            act: backward,
            ..rollout
        }
    }

    /// The recovery of a run that was killed when all was switched and nothing of it synced.
    pub(crate) fn recovery() -> Self {
        let rollout = Self::rollout();
        let switched = |host: &FakeHost| host.world().tree == rollout.trees[1];
        let start = rollout.deaths().into_iter().find(switched).unwrap();
        Self {
            name: "recovery",
            end: 0,
            start,
            act: |host| recover(host).map(Option::unwrap),
            ..rollout
        }
    }

    /// The recovery of a run that was killed in the middle of a line of its journal, by a recovery that was killed as soon
    /// as it had replaced that.
    pub(crate) fn second_recovery() -> Self {
        let rollout = Self::rollout();
        let whole = |host: &FakeHost| {
            let state = host.world().state;
            let journal = state.get(&Store::file(1, "journal.jsonl"));
            journal
                .and_then(State::bytes)
                .is_some_and(|b| b.reveal().ends_with(b"\n"))
        };
        let torn = |host: &FakeHost| host.world().tree == rollout.trees[1] && !whole(host);
        let dead = rollout.deaths().into_iter().find(torn).unwrap();
        let mut recoveries = (0..).map(|step| {
            let mut host = dead.fork(Fault::DieWithin(step));
            recover(&mut host).unwrap_err();
            host.next_run(Fault::Never)
        });
        Self {
            name: "second recovery",
            end: 0,
            start: recoveries.find(whole).unwrap(),
            act: |host| recover(host).map(Option::unwrap),
            ..rollout
        }
    }

    /// The same, by a program that forgets one sync.
    pub(crate) fn forgetting(&self, n: usize) -> Self {
        Self {
            start: self.start.clone(),
            trees: self.trees.clone(),
            forgets: Some(n),
            ..*self
        }
    }

    /// Runs until a fault; the host, and what the run said.
    fn run(&self, fault: Fault) -> (FakeHost, Result<Receipt>) {
        let mut host = self.start.fork(fault);
        if let Some(n) = self.forgets {
            host = host.forgets_sync(n);
        }
        let said = locked(&mut host, self.act);
        (host, said)
    }

    /// Boots a host that has one of the trees, and carries out the next run on it: a rollout, or where one is in force its
    /// rollback. Returns the host, which tree is to be there now, and what the run said.
    pub(crate) fn next(&self, host: &FakeHost, which: usize) -> (FakeHost, usize, Result<Receipt>) {
        let mut host = host.fork(Fault::Never);
        web::start(&host);
        let (act, wanted): (Act, _) = match which {
            0 => (forward, usize::from(self.takes)),
            _ => (backward, 0),
        };
        let said = locked(&mut host, act);
        (host, wanted, said)
    }

    /// Returns what each sync is of, in order.
    pub(crate) fn syncs(&self) -> Vec<Vec<Place>> {
        self.run(Fault::Never).0.synced()
    }

    /// Returns the host as a kill in each step leaves it, and last as the run's end does.
    pub(crate) fn deaths(&self) -> Vec<FakeHost> {
        let (end, said) = self.run(Fault::Never);
        assert_ne!(said.unwrap().outcome, Outcome::Stuck, "{}", self.name);
        let mut hosts: Vec<FakeHost> = (0..end.steps())
            .map(|at| self.run(Fault::DieWithin(at)).0)
            .collect();
        assert!(hosts.iter().all(FakeHost::died), "{}", self.name);
        hosts.push(end);
        hosts
    }
}
