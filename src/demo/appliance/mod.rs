//! A double of a Speechmatics appliance: the document's state machine behind real TLS and HTTP/1.1 on loopback.
//!
//! It is what the tests and `certroll demo speechmatics` work on. It does what the document says and, where that is
//! silent, what its profile assumes; [`Fault`] has it do something else, and [`Appliance::requests`] tells what it was
//! sent, without a byte of a key.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::error::{On as _, Result};

mod form;
mod machine;
mod serve;

pub use machine::{Api, Fault, Request};

use machine::Machine;
use serve::{Port, serve};

/// A running appliance; it is gone with this value.
#[derive(Debug)]
pub struct Appliance {
    machine: Arc<Mutex<Machine>>,
    stopped: Arc<AtomicBool>,
    /// Ports of TLS: the API's first, then, of v2, web sockets, metrics and logs.
    pub tls: Vec<u16>,
    /// Ports in the clear: management, monitoring and speech of v1; of v2 the one of all.
    pub plain: Vec<u16>,
}

impl Appliance {
    /// Starts one at its defaults, which serves a pair (PEM), and takes `delay` for each change.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where no port can be had; [`crate::error::Error::Input`] where the pair is none.
    pub fn start(api: Api, (cert, key): (&str, &str), delay: Duration) -> Result<Self> {
        let machine = Machine::new(api, cert, key, delay)?;
        let mut appliance = Self {
            machine: Arc::new(Mutex::new(machine)),
            stopped: Arc::default(),
            tls: Vec::new(),
            plain: Vec::new(),
        };
        let (tls, plain) = match api {
            Api::V1 => (1, 3),
            Api::V2 => (4, 1),
        };
        for n in 0..tls {
            let port = appliance.listen(Some(n))?;
            appliance.tls.push(port);
        }
        for _ in 0..plain {
            let port = appliance.listen(None)?;
            appliance.plain.push(port);
        }
        Ok(appliance)
    }

    fn listen(&self, tls: Option<usize>) -> Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).on("listen on", "127.0.0.1")?;
        let number = listener.local_addr().on("listen on", "127.0.0.1")?.port();
        let (machine, stopped) = (Arc::clone(&self.machine), Arc::clone(&self.stopped));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let machine = Arc::clone(&machine);
                thread::spawn(move || serve(stream, &machine, Port { number, tls }));
            }
        });
        Ok(number)
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the API as pins and settings name it.
    #[must_use]
    pub fn peer(&self) -> String {
        format!(
            "127.0.0.1:{}",
            self.tls.first().copied().unwrap_or_default()
        )
    }

    /// Returns the settings of the profile that lead to it, as `--set` takes them.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let api = self.machine().api();
        let word = match api {
            Api::V1 => "v1",
            Api::V2 => "v2",
        };
        let mut settings = vec![
            ("host".to_owned(), "127.0.0.1".to_owned()),
            ("api".to_owned(), word.to_owned()),
        ];
        let tls = ["port", "wss_port", "metrics_port", "logs_port"];
        let plain = ["http_port", "monitor_port", "speech_port"];
        let ports = tls
            .iter()
            .zip(&self.tls)
            .chain(plain.iter().zip(&self.plain));
        settings.extend(ports.map(|(name, port)| ((*name).to_owned(), port.to_string())));
        settings
    }

    /// Has it do something wrong from now on.
    pub fn fault(&self, fault: Fault) {
        self.machine().set_fault(fault);
    }

    /// Has it take another time for each change.
    pub fn delay(&self, delay: Duration) {
        self.machine().set_delay(delay);
    }

    /// Sets the admin password as its console does; none: as its v1 comes.
    pub fn set_password(&self, password: Option<&str>) {
        self.machine().set_password(password);
    }

    /// Returns the requests that it was sent, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.machine().requests().to_vec()
    }

    /// Returns what it is: leaf served on each port of TLS (PEM), whether plain HTTP answers, and whether there is a password.
    #[must_use]
    pub fn state(&self) -> (String, bool, bool) {
        self.machine().state()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        for port in self.tls.iter().chain(&self.plain) {
            // Wakes who waits for a connection.
            drop(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, *port)));
        }
    }
}
