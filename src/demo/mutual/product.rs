//! The product's host, the backends beside it, and those who call the API all the time.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use super::{
    super::{host::Machine, mint::Pair, wso2::Gateway},
    HOME,
};
use crate::{
    cli::serve,
    error::{Error, On as _, Result},
    host::{
        self, Command, Dial, Host as _, Load, Output, Reply,
        system::{self, SystemHost},
        visit,
    },
    identity::{Identity, Input},
    starttls::Protocol,
};

/// The longest that a call may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Pause between two calls.
const PAUSE: Duration = Duration::from_millis(10);

/// What an interval of the gateway's is here, and a look after it.
const INTERVAL: Duration = Duration::from_millis(900);

/// The gateway's host, and the backend beside it.
pub(super) struct Product {
    pub(super) root: PathBuf,
    pub(super) gateway: Gateway,
    pub(super) backend: u16,
}

impl Machine for Product {
    fn run(&mut self, command: &Command) -> Result<Output> {
        let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        let api_manager = format!("{HOME}/bin/api-manager.sh");
        match words.as_slice() {
            ["touch", "-c", path] => {
                let file = self.root.join(path.trim_start_matches('/'));
                // With `-c` one that is not there yet is none of its business.
                if file.exists() {
                    let file = std::fs::File::options()
                        .append(true)
                        .open(&file)
                        .on("open", *path)?;
                    file.set_modified(SystemTime::now()).on("touch", *path)?;
                }
            }
            ["sleep", _] => thread::sleep(INTERVAL),
            [program, "restart"] if *program == api_manager => self.gateway.restart(),
            _ => {
                return Err(Error::Run {
                    command: command.line(),
                    outcome: "was not found".to_owned(),
                });
            }
        }
        Ok(Output {
            status: Some(0),
            ..Output::default()
        })
    }

    fn port(&self, port: u16) -> Option<u16> {
        match port {
            8243 => Some(self.gateway.port),
            9444 => Some(self.backend),
            _ => None,
        }
    }
}

/// What `certroll serve mtls` is, for as long as the story takes.
pub(super) struct Serving {
    pub(super) port: u16,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Starts one that presents a pair, and takes clients that show one of these leaves.
    pub(super) fn start(pair: &Pair, clients: &[&Pair]) -> Result<Self> {
        let (identity, _) = Identity::assemble(&[input(&pair.cert), input(&pair.key)], None)?;
        let leaves = clients.iter().map(|pair| {
            let (identity, _) = Identity::assemble(&[input(&pair.cert)], None)?;
            Ok(identity.leaf)
        });
        let backend = visit::Backend {
            listen: ([127, 0, 0, 1], 0).into(),
            identity,
            trusted: Some(leaves.collect::<Result<Vec<_>>>()?.into()),
            limit: Duration::from_mins(2),
            say: Box::new(|visit| serve::document(visit).to_string()),
        };
        let ends = Arc::<AtomicBool>::default();
        let ended = Arc::clone(&ends);
        let (told, ready) = mpsc::channel();
        let run = move || {
            let ready = |address: std::net::SocketAddr| {
                // Whoever waits for it is there until it comes.
                let _ = told.send(address.port());
            };
            drop(system::serve(backend, &ready, &|| {
                ended.load(Ordering::SeqCst)
            }));
        };
        let named = thread::Builder::new().name("backend".to_owned());
        let thread = Some(named.spawn(run).on("start", "the backend")?);
        let port = ready.recv().map_err(std::io::Error::other);
        Ok(Self {
            port: port.on("start", "the backend")?,
            ends,
            thread,
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

pub(super) fn input(pem: &str) -> Input {
    Input {
        name: String::new(),
        bytes: pem.to_owned().into(),
    }
}

/// Somebody who calls the API, call after call, until asked how that went.
pub(super) struct Callers {
    ends: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Callers {
    /// Begins to call the gateway at this port.
    pub(super) fn start(port: u16) -> Result<Self> {
        let host = SystemHost::open(None, None)?;
        let ends = Arc::<AtomicBool>::default();
        let made = Arc::<AtomicUsize>::default();
        let (ended, count) = (Arc::clone(&ends), Arc::clone(&made));
        let run = move || {
            let mut failed = Vec::new();
            while !ended.load(Ordering::SeqCst) {
                if let Err(why) = call(&host, port) {
                    failed.push(why);
                }
                count.fetch_add(1, Ordering::SeqCst);
                thread::sleep(PAUSE);
            }
            failed
        };
        let named = thread::Builder::new().name("callers".to_owned());
        Ok(Self {
            ends,
            made,
            thread: Some(named.spawn(run).on("start", "the callers")?),
        })
    }

    /// Makes one call, and says why it failed.
    pub(super) fn once(port: u16) -> Result<Result<(), String>> {
        Ok(call(&SystemHost::open(None, None)?, port))
    }

    /// Ends them, and returns how many calls were made and what became of those that failed.
    pub(super) fn end(mut self) -> (usize, Vec<String>) {
        let failed = self.join();
        (self.made.load(Ordering::SeqCst), failed)
    }

    fn join(&mut self) -> Vec<String> {
        self.ends.store(true, Ordering::SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(failed)) => failed,
            Some(Err(_)) => vec!["the callers ended before their time".to_owned()],
            None => Vec::new(),
        }
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        drop(self.join());
    }
}

fn call(host: &SystemHost, port: u16) -> Result<(), String> {
    let address = ([127, 0, 0, 1], port).into();
    let call = host::Call {
        dial: Dial::new(address, Protocol::Direct, "gw.example.com", LIMIT),
        tls: true,
        method: "GET".to_owned(),
        path: "/proof/1.0".to_owned(),
        login: None,
        load: Load::Nothing,
    };
    match host.fetch(&call) {
        Ok(Reply::Answer { status: 200, .. }) => Ok(()),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}
