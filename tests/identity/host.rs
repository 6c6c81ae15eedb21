//! A host of which only the caller's files, the clock and the trust anchors exist.

use std::{net::IpAddr, time::Duration};

use certroll::{
    error::{Error, Result},
    host::{
        Command, Deciding, Dial, Edit, Entry, Footing, Host, Output, Place, Presented, Question,
        Tree, User,
    },
    state::{Bytes, HostPath, State},
};

/// Reads real files; everything else is absent.
pub(crate) struct Desk {
    pub(crate) now: i64,
    pub(crate) anchors: Vec<Vec<u8>>,
}

fn absent<T>(what: &'static str) -> Result<T> {
    Err(Error::NotPlanned {
        verb: "ask",
        what: what.to_owned(),
    })
}

impl Tree for Desk {
    fn read(&self, _: &HostPath) -> Result<State> {
        Ok(State::Absent)
    }
    fn list(&self, _: &HostPath) -> Result<Option<Vec<Entry>>> {
        Ok(None)
    }
}

impl Host for Desk {
    fn tree(&self) -> &dyn Tree {
        self
    }
    fn is_live(&self) -> bool {
        false
    }
    fn user(&self, _: &str) -> Result<User> {
        absent("user")
    }
    fn group(&self, _: &str) -> Result<u32> {
        absent("group")
    }
    fn user_name(&self, _uid: u32) -> Option<String> {
        None
    }

    fn group_name(&self, _gid: u32) -> Option<String> {
        None
    }

    fn footing(&self, _: &HostPath, _: bool) -> Result<Footing> {
        Ok(Footing::default())
    }
    fn load(&self, _: &HostPath) -> Result<State> {
        Ok(State::Absent)
    }
    fn load_list(&self, _: &HostPath) -> Result<Vec<Entry>> {
        Ok(Vec::new())
    }
    fn lock(&mut self, _: Duration) -> Result<()> {
        absent("lock")
    }
    fn edit(&mut self, _: &Edit) -> Result<()> {
        absent("edit")
    }
    fn sync(&mut self, _: &[Place]) -> Result<()> {
        absent("sync")
    }
    fn run(&mut self, _: &Command, _: &str, _: &dyn Fn(&str)) -> Result<Output> {
        absent("run")
    }
    fn feed(&mut self, _: &Command, _: &Bytes, _: &str) -> Result<Output> {
        absent("feed")
    }
    fn ask(&self, _: &Question) -> Result<Output> {
        absent("ask")
    }
    fn end_marked(&self, _: &str) -> Result<usize> {
        Ok(0)
    }
    fn handshake(&self, _: &Dial) -> Result<Presented> {
        absent("handshake")
    }
    fn resolve(&self, _: &str) -> Vec<IpAddr> {
        Vec::new()
    }
    fn trust_anchors(&self) -> Vec<Vec<u8>> {
        self.anchors.clone()
    }
    fn now(&self) -> i64 {
        self.now
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) {}
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
        absent("random")
    }
    fn read_input(&self, path: &str) -> Result<Bytes> {
        std::fs::read(path)
            .map(Bytes::from)
            .map_err(|source| Error::Io {
                verb: "read",
                path: path.to_owned(),
                source,
            })
    }
    fn list_input(&self, _: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn writable_by_others(&self, _: Deciding<'_>) -> Result<Option<String>> {
        Ok(None)
    }
    fn write_output(&self, _: &str, _: &[u8]) -> Result<()> {
        absent("output")
    }
    fn write_new(&self, _: &str, _: &[u8], _: u32) -> Result<()> {
        absent("output")
    }
}
