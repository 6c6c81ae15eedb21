//! A double of an Era platform: domains with certificates of their own, roles with a directory, settings and a monitor behind
//! real TLS and HTTP/1.1, on several servers of one port on loopback.
//!
//! It is what the tests work on. It does what the document says and, where that is silent, what its profile assumes; [`Fault`] has it do something else, and [`Platform::requests`] tells what it was sent, without a byte of a key.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::error::{On as _, Result};

mod acme;
mod machine;
mod serve;
mod servers;
mod story;
mod synced;

pub use machine::{Fault, Request};

pub(super) use story::Story;

use machine::Machine;

/// How many servers it has.
const SERVERS: u8 = 2;

/// How often the directory is looked at for what the other servers are to get.
const LOOK: Duration = Duration::from_millis(20);

/// A running platform; it is gone with this value.
#[derive(Debug)]
pub struct Platform {
    machine: Arc<Mutex<Machine>>,
    stopped: Arc<AtomicBool>,
    /// The port of every server, on 127.0.0.1, 127.0.0.2 and so on.
    pub port: u16,
}

impl Platform {
    /// Starts one with a tree of domains below the master, the first of them; settings are those of `domain`, to who shows
    /// `token`. It comes with `builtin` (leaf and key, PEM). Each server but the first takes `delay` for a change.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where no port can be had; [`crate::error::Error::Input`] where the pair is none.
    pub fn start(
        domains: &[&str],
        domain: &str,
        token: &str,
        builtin: (&str, &str),
        delay: Duration,
    ) -> Result<Self> {
        let machine = Machine::new(domains, domain, token, builtin, delay)?;
        let machine = Arc::new(Mutex::new(machine));
        let stopped = Arc::<AtomicBool>::default();
        let mut port = 0;
        for server in 0..SERVERS {
            let address = SocketAddr::from((loopback(server), port));
            let listener = TcpListener::bind(address).on("listen on", address.to_string())?;
            port = listener
                .local_addr()
                .on("listen on", address.to_string())?
                .port();
            let (machine, stopped) = (Arc::clone(&machine), Arc::clone(&stopped));
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    let machine = Arc::clone(&machine);
                    thread::spawn(move || serve::serve(stream, &machine, usize::from(server)));
                }
            });
        }
        let (copied, ended) = (Arc::clone(&machine), Arc::clone(&stopped));
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                copied
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .arrive();
                thread::sleep(LOOK);
            }
        });
        Ok(Self {
            machine,
            stopped,
            port,
        })
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns its API as pins and settings name it.
    #[must_use]
    pub fn api(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the addresses of its servers, with spaces between.
    #[must_use]
    pub fn servers(&self) -> String {
        let all: Vec<String> = (0..SERVERS).map(|n| loopback(n).to_string()).collect();
        all.join(" ")
    }

    /// Has it do something wrong from now on.
    pub fn fault(&self, fault: Fault) {
        self.machine().fault(fault);
    }

    /// Sets the certificate of a domain, as its pages do, on all servers at once.
    pub fn set(&self, domain: &str, value: &str) {
        self.machine().set(domain, value);
    }

    /// Returns the certificate of a domain, as it is stored.
    #[must_use]
    pub fn value(&self, domain: &str) -> String {
        self.machine().value(domain)
    }

    /// Has its own ACME issue a value, as its pages show it, some time after it was enabled with an e-mail address.
    pub fn issues(&self, value: &str, takes: Duration) {
        self.machine().acme.issues = Some((value.to_owned(), takes));
    }

    /// Sets what its own ACME is set to: the e-mail address, and whether it is enabled.
    pub fn set_acme(&self, email: &str, enabled: bool) {
        let acme = &mut self.machine().acme;
        email.clone_into(&mut acme.email);
        acme.enabled = enabled;
    }

    /// Returns what its own ACME is set to: the e-mail address, and whether it is enabled.
    #[must_use]
    pub fn acme(&self) -> (String, bool) {
        let machine = self.machine();
        (machine.acme.email.clone(), machine.acme.enabled)
    }

    /// Gives its servers the directory of `server.key` and `server.crt`, as it is now: the first has this one, and the others
    /// get a change `delay` later. No role reads it before it is started anew.
    pub fn shares(&self, directory: &Path) {
        self.machine().shares(directory);
    }

    /// Starts the roles of a server anew, 0 the first: they read what that server has of the directory by now, and keep what they
    /// had where that is no pair.
    pub fn restart(&self, server: usize) {
        self.machine().restart(server);
    }

    /// Returns the requests that it was sent, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.machine().requests.clone()
    }
}

fn loopback(server: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, server + 1)
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        for server in 0..SERVERS {
            // Wakes who waits for a connection.
            drop(TcpStream::connect((loopback(server), self.port)));
        }
    }
}
