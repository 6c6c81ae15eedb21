//! What the gateway's story is about: the product on its host, and the backend beside it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use super::{Gateway, INTERVAL};
use crate::{
    cli::serve,
    demo::{host::Machine, mint::Pair},
    error::{Error, On as _, Result},
    host::{Command, Output, system, visit},
    identity::Identity,
};

/// Where the product is.
pub(super) const HOME: &str = "/opt/wso2am";

/// The gateway as its clients call it, and the backend as profiles name it.
pub(super) const GATEWAY: &str = "gw.example.com:8243";
pub(super) const BACKEND: &str = "backend.example.com:9444";

/// As the document leaves it: a file that others make, and a verifier that lets anything pass.
pub(super) const TOML: &str = "# API Manager, as it is shipped\n[server]\nhostname = \"gw.example.com\"   # as clients know it\n\n\
    [keystore.tls]\nfile_name = \"wso2carbon.jks\"\npassword = \"demo-store-secret\"\n\n\
    [truststore]\nfile_name = \"client-truststore.jks\"\npassword = \"demo-trust-secret\"\n\n\
    [transport.passthru_https.sender.parameters]\nHostnameVerifier = \"AllowAll\"\n";

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
            ["sleep", _] => thread::sleep(2 * INTERVAL),
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

pub(super) fn input(pem: &str) -> crate::identity::Input {
    crate::identity::Input {
        name: String::new(),
        bytes: pem.to_owned().into(),
    }
}
