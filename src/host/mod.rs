//! The edge: everything certroll asks of a machine, behind two traits.
//!
//! [`Tree`] only reads. [`Host`] adds what moves: files, commands, connections and the clock. A plan holds a `&dyn Tree`
//! or `&dyn Host` and so cannot write; only [`Writer`] takes a `&mut dyn Host`, and it refuses in one place whatever
//! the plan in force does not name.

use std::{net::IpAddr, time::Duration};

use crate::{
    error::{Error, On as _, Result},
    hello::Answer,
    state::{Bytes, HostPath, State},
};

mod call;
mod dial;
mod edit;
pub mod fake;
mod look;
pub mod system;
mod tree;
pub(crate) mod visit;
mod web;
mod writer;

pub use call::{Call, Load, Reply};
pub use dial::{Dial, Presented};
pub use edit::{Edit, Place};
pub use look::{Deciding, Footing, Holder, Question, ours_alone};
pub use tree::{Entry, EntryKind, Tree};
pub use web::{Stand, Standing, WebCall, WebReply};
pub(crate) use writer::{ACME, staged_name};
pub use writer::{Permit, Writer};

/// The most that is read of one file (16 MiB): no certificate, key or configuration comes near it.
pub const LARGEST_FILE: u64 = 16 << 20;

/// A user as the host knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Numeric id.
    pub uid: u32,
    /// Primary and supplementary groups.
    pub groups: Vec<u32>,
}

/// A command as an argument vector: never a shell line, never with a secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Command {
    /// Program and arguments; a program without `/` is searched in the fixed path.
    pub argv: Vec<String>,
    /// The longest it may run, in seconds; then its process group is ended.
    pub limit: u64,
}

impl Command {
    /// Returns the argument vector as a person would type it.
    #[must_use]
    pub fn line(&self) -> String {
        self.argv.join(" ")
    }
}

/// How a command ended, with what it said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Exit status; none where a signal or the limit ended it.
    pub status: Option<i32>,
    /// Standard output, at most 1 MiB.
    pub stdout: String,
    /// Standard error, at most 1 MiB.
    pub stderr: String,
    /// Whether the limit ended it.
    pub timed_out: bool,
}

/// Everything certroll asks of a machine.
pub trait Host: Tree {
    /// Returns this host as a tree.
    fn tree(&self) -> &dyn Tree;

    /// Tells whether this is a live machine: its services and endpoints can be asked. False under `--root`.
    fn is_live(&self) -> bool;

    /// Tells whether the caller named a place of its own for the state directory.
    fn has_own_state(&self) -> bool {
        false
    }

    /// Returns the id of a user by name, through the root's files where it has them, else NSS.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is none.
    fn user(&self, name: &str) -> Result<User>;

    /// Returns the id of a group by name.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is none.
    fn group(&self, name: &str) -> Result<u32>;

    /// Returns the name of a user by id, for people; none where the host knows none.
    fn user_name(&self, uid: u32) -> Option<String>;

    /// Returns the name of a group by id, for people; none where the host knows none.
    fn group_name(&self, gid: u32) -> Option<String>;

    /// Returns how what is at a path, not followed, stands in its directory; where nothing is `there`, how the directory
    /// does.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be told.
    fn footing(&self, path: &HostPath, there: bool) -> Result<Footing>;

    /// Returns who has these files open, mapped or mounted elsewhere, as far as that can be seen in a moment.
    fn holders(&self, _paths: &[HostPath]) -> Vec<Holder> {
        Vec::new()
    }

    /// Reads in the state directory; [`State::Absent`] where there is nothing.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read.
    fn load(&self, path: &HostPath) -> Result<State>;

    /// Lists a directory of the state directory.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be listed.
    fn load_list(&self, dir: &HostPath) -> Result<Vec<Entry>>;

    /// Takes the lock of the state directory for as long as the process lives, waiting up to `wait`.
    ///
    /// # Errors
    /// [`Error::Locked`] where another run holds it.
    fn lock(&mut self, wait: Duration) -> Result<()>;

    /// Makes one edit; not durable before [`Host::sync`]. Called by [`Writer`] alone.
    ///
    /// # Errors
    /// [`Error::Io`] with the object as it was, or half-made under the name of a `Create`.
    fn edit(&mut self, edit: &Edit) -> Result<()>;

    /// Makes all edits at these places durable: contents, attributes and names.
    ///
    /// # Errors
    /// [`Error::Io`] where the kernel reports that one of them may be lost.
    fn sync(&mut self, places: &[Place]) -> Result<()>;

    /// Runs a command to its end, with `CERTROLL_RUN=marker` in its otherwise clean environment. Called by [`Writer`]
    /// alone. A signal that asks this run to stop does not end the command; `told` gets a line that says so.
    ///
    /// # Errors
    /// [`Error::Run`] where it cannot be started.
    fn run(&mut self, command: &Command, marker: &str, told: &dyn Fn(&str)) -> Result<Output>;

    /// Runs a command as [`Host::run`] does, with bytes on its standard input that are in no file. Called by [`Writer`] alone.
    ///
    /// # Errors
    /// [`Error::Run`] where it cannot be started.
    fn feed(&mut self, command: &Command, input: &Bytes, marker: &str) -> Result<Output>;

    /// Asks something that changes nothing.
    ///
    /// # Errors
    /// [`Error::Run`] where it cannot be asked.
    fn ask(&self, question: &Question) -> Result<Output>;

    /// Ends every process that still carries `CERTROLL_RUN=marker`, waits until they are gone, and returns their number.
    ///
    /// # Errors
    /// [`Error::Run`] where one will not go.
    fn end_marked(&self, marker: &str) -> Result<usize>;

    /// Makes a TLS handshake, after the preamble of the protocol, and returns what was presented, accepted or not.
    ///
    /// # Errors
    /// [`Error::Unproved`] where there is no connection or no certificate, with the reason.
    fn handshake(&self, dial: &Dial) -> Result<Presented>;

    /// Makes many handshakes, several at a time where the host can; the answers are in the order of the questions.
    fn handshakes(&self, dials: &[Dial]) -> Vec<Result<Presented>> {
        dials.iter().map(|dial| self.handshake(dial)).collect()
    }

    /// Sends the first message of a handshake, after the preamble, and returns the answer; none where the peer closed the
    /// connection instead. Nothing more is said.
    ///
    /// # Errors
    /// [`Error::Unproved`] where there is no connection, or the answer is not TLS, with the reason.
    fn greet(&self, dial: &Dial, _offer: &[u8]) -> Result<Option<Answer>> {
        Err(no_wire(dial))
    }

    /// Makes a `GET` request: it changes nothing.
    ///
    /// # Errors
    /// [`Error::Unproved`] where there is no connection, or the peer is not one that is accepted: nothing was sent;
    /// [`Error::NotPlanned`] for another method.
    fn fetch(&self, call: &Call) -> Result<Reply> {
        Err(no_wire(&call.dial))
    }

    /// Makes a request. Called by [`Writer`] alone.
    ///
    /// # Errors
    /// [`Error::Unproved`] where there is no connection, or the peer is not one that is accepted: nothing was sent.
    fn send(&mut self, call: &Call) -> Result<Reply> {
        Err(no_wire(&call.dial))
    }

    /// Asks a server of the web, which has to show a chain to a trust anchor where it is asked over TLS. Redirects are not
    /// followed, and no proxy of the environment is asked. It changes nothing on this host.
    ///
    /// # Errors
    /// [`Error::Server`] where there is no answer, with the reason.
    fn web(&self, call: &WebCall) -> Result<WebReply> {
        Err(no_web(&call.url))
    }

    /// Sends a message to a DNS server, `HOST` or `HOST:PORT`, and returns its answer. It changes nothing on this host.
    ///
    /// # Errors
    /// [`Error::Server`] where there is no answer, with the reason.
    fn dns(&self, server: &str, _message: &[u8]) -> Result<Vec<u8>> {
        Err(no_web(server))
    }

    /// Answers on a port of all addresses until what is returned is dropped.
    ///
    /// # Errors
    /// [`Error::Io`] where the port cannot be had: nothing answers.
    fn stand(&self, port: u16, _stand: &Stand) -> Result<Box<dyn Standing>> {
        Err(no_web(&format!("port {port}")))
    }

    /// Returns the addresses of a name in the order that the resolver of the host gives them.
    fn resolve(&self, name: &str) -> Vec<IpAddr>;

    /// Looks many names up, several at a time where the host can; the answers are in the order of the questions.
    fn resolve_all(&self, names: &[&str]) -> Vec<Vec<IpAddr>> {
        names.iter().map(|name| self.resolve(name)).collect()
    }

    /// Returns the trust anchors of the host, DER certificates; the root's own under `--root`.
    fn trust_anchors(&self) -> Vec<Vec<u8>>;

    /// Returns the time, in seconds since the epoch, UTC.
    fn now(&self) -> i64;

    /// Returns a clock that only goes forward, for deadlines.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn sleep(&self, time: Duration);

    /// Returns the name of the signal that asked this run to stop, if one did.
    fn interrupted(&self) -> Option<&'static str>;

    /// Returns who runs this, for the receipt: `root`, or `root (sudo from alice)`.
    fn operator(&self) -> String;

    /// Returns the numeric id this process acts as; 0 is root.
    fn effective_uid(&self) -> u32;

    /// Returns fresh random bytes.
    ///
    /// # Errors
    /// [`Error::Io`] where the kernel has none.
    fn random(&self) -> Result<[u8; 32]>;

    /// Returns a path of the caller as it is from `/`, so that a run that is started elsewhere finds the same file.
    ///
    /// # Errors
    /// [`Error::Io`] where that cannot be told.
    fn whole(&self, path: &str) -> Result<String> {
        Ok(path.to_owned())
    }

    /// Returns a path as it is without links on the way: those of a directory that is there, followed as for [`Tree::read`].
    ///
    /// # Errors
    /// [`Error::Io`] where one may not be followed.
    fn without_links(&self, path: &HostPath) -> Result<HostPath> {
        Ok(path.clone())
    }

    /// Reads a file of the caller, outside the root: a certificate, key, password or profile given on the command line.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Input`] where it is a directory or larger than [`LARGEST_FILE`].
    fn read_input(&self, path: &str) -> Result<Bytes>;

    /// Lists a folder of the caller, as `--profiles` names one.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be listed.
    fn list_input(&self, path: &str) -> Result<Vec<String>>;

    /// Returns the first of what decides on a file that others may write: a directory or link on the way to it, or the
    /// file itself. A sticky directory (`/tmp`) counts only for what others own in it.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be looked at.
    fn writable_by_others(&self, file: Deciding<'_>) -> Result<Option<String>>;

    /// Writes a file of the caller's choosing outside the root, as `plan --out` asks.
    ///
    /// # Errors
    /// [`Error::Io`] with the old file, if any, as it was.
    fn write_output(&self, path: &str, bytes: &[u8]) -> Result<()>;

    /// Returns where a place is on this machine, for another program to open.
    fn location(&self, place: &Place) -> String {
        place.path().to_string()
    }

    /// Writes a file as [`Host::write_output`] does, for every user to read (0644): what another program collects.
    ///
    /// # Errors
    /// As there.
    fn write_shared(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.write_output(path, bytes)
    }

    /// Writes a file with some permission bits as [`Host::write_output`] does, but only where nothing is there.
    ///
    /// # Errors
    /// [`Error::Io`] where something is, and as there.
    fn write_new(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()>;

    /// Writes a file as [`Host::write_new`] does, and before it a directory of files that it needs, for their owner alone
    /// (0700, 0600). Where one fails, what was written of them is taken away; a kill may leave the directory without the file.
    ///
    /// # Errors
    /// [`Error::Io`] where something is at either path, and as there.
    fn write_new_with(
        &self,
        path: &str,
        bytes: &[u8],
        mode: u32,
        needs: (&str, &[(String, Bytes)]),
    ) -> Result<()> {
        let _ = (bytes, mode, needs);
        Err(std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem)).on("write", path)
    }
}

fn no_wire(dial: &Dial) -> Error {
    Error::Unproved {
        subject: format!("`{}`", dial.address),
        want: "an answer".to_owned(),
        found: "is on a host without a wire".to_owned(),
    }
}

fn no_web(subject: &str) -> Error {
    Error::Server {
        server: subject.to_owned(),
        message: "is on a host without a wire".to_owned(),
        hint: String::new(),
    }
}
