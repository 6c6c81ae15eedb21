//! What a program asks of the fake host, and has it do.

use std::{io, net::IpAddr, time::Duration};

use super::{
    super::{
        Call, Command, Deciding, Dial, Edit, Entry, Footing, Host, Output, Place, Presented,
        Question, Reply, Stand, Standing, Tree, User, WebCall, WebReply, no_web,
    },
    FakeHost,
    world::{get, list, perform, seen},
};
use crate::{
    error::{Error, On as _, Result},
    peer::Accept,
    state::{Bytes, HostPath, State},
};

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

/// What stands on a port of a fake host, where nobody sees it but who answers its requests of the web.
#[derive(Debug)]
struct Stood;

impl Standing for Stood {}

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

    fn stand(&self, port: u16, _stand: &Stand) -> Result<Box<dyn Standing>> {
        let world = self.world.borrow();
        if world.endpoints.keys().any(|at| at.port() == port) {
            let taken = io::Error::from(io::ErrorKind::AddrInUse);
            return Err(taken).on("listen on", format!("port {port}"));
        }
        Ok(Box::new(Stood))
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
        self.signal.get()
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
