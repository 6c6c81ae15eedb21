//! One daemon, in a process of its own: reads its configuration once, serves TLS, and calls others when asked.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ServerConfig, ServerConnection, SignatureAlgorithm, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};

use super::{
    calls::{self, Call},
    config::{self, Config, Listen},
    platform::{UNITS, Unit},
};
use crate::{
    error::{Error, ExitCode, On as _, Result},
    host::Host,
};

/// What a daemon is asked, one JSON document a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ask {
    /// Where each port of the platform really is.
    pub(super) ports: BTreeMap<u16, u16>,
}

/// What a daemon says, one JSON document a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Say {
    /// It serves: the platform's port, and the real one.
    Ready(Option<(u16, u16)>),
    /// It will not start.
    Refused(String),
    /// What came of its calls.
    Called(Vec<Call>),
}

/// The longest that a client may take over its handshake.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs until standard input ends, which it does when the parent is gone, however it went.
pub(super) fn run(host: &dyn Host, name: &str) -> Result<ExitCode> {
    let known = || UNITS.iter().map(|u| u.name.to_owned()).collect();
    let Some(unit) = UNITS.iter().find(|u| u.name == name) else {
        return Err(Error::Unknown {
            what: "daemon",
            name: name.to_owned(),
            known: known(),
        });
    };
    let config = match start(host, unit) {
        Ok((config, ports)) => {
            say(&Say::Ready(ports))?;
            config
        }
        Err(error) => {
            say(&Say::Refused(error.to_string()))?;
            return Err(error);
        }
    };
    for line in std::io::stdin().lock().lines() {
        let line = line.on("read", "standard input")?;
        let Ok(ask) = serde_json::from_str::<Ask>(&line) else {
            continue;
        };
        let called = config
            .peers
            .iter()
            .map(|peer| calls::call(host, peer, &ask.ports));
        say(&Say::Called(called.collect()))?;
    }
    Ok(ExitCode::Success)
}

fn say(what: &Say) -> Result<()> {
    let line = serde_json::to_string(what).unwrap_or_default() + "\n";
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())
        .and_then(|()| out.flush())
        .on("write", "standard output")
}

fn start(host: &dyn Host, unit: &Unit) -> Result<(Config, Option<(u16, u16)>)> {
    let config = config::read(host.tree(), unit)?;
    let Some(listen) = &config.listen else {
        return Ok((config, None));
    };
    let tls = Arc::new(server(host, unit, listen)?);
    let shown = || format!("a port for {}", unit.name);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).on("bind", shown())?;
    let real = listener.local_addr().on("bind", shown())?.port();
    let port = listen.port;
    std::thread::Builder::new()
        .name("accept".to_owned())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that went away is its own affair.
                drop(greet(stream, &tls));
            }
        })
        .on("serve", shown())?;
    Ok((config, Some((port, real))))
}

/// Loads the pair as a server does at its start: once.
fn server(host: &dyn Host, unit: &Unit, listen: &Listen) -> Result<ServerConfig> {
    let bytes = |path| -> Result<Vec<u8>> {
        let (_, state) = host.read_followed(path)?;
        let bytes = state.bytes().map(|b| b.reveal().to_vec());
        bytes.ok_or_else(|| config::refused(unit, format!("`{path}` is not there")))
    };
    let broken = |e: String| config::refused(unit, format!("cannot load the pair: {e}"));
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&bytes(&listen.certificate)?)
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| broken(e.to_string()))?;
    let key =
        PrivateKeyDer::from_pem_slice(&bytes(&listen.key)?).map_err(|e| broken(e.to_string()))?;
    let provider = aws_lc_rs::default_provider();
    let signer = provider
        .key_provider
        .load_private_key(key.clone_key())
        .map_err(|e| broken(e.to_string()))?;
    if listen.rsa_only && signer.algorithm() != SignatureAlgorithm::RSA {
        let message = "its `ciphers` take RSA keys alone, and the key is of another type";
        return Err(config::refused(unit, message.to_owned()));
    }
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| broken(e.to_string()))
}

/// Makes the handshake, and waits until the client has seen enough.
fn greet(mut stream: TcpStream, tls: &Arc<ServerConfig>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut session = ServerConnection::new(Arc::clone(tls)).map_err(std::io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    session.send_close_notify();
    session.complete_io(&mut stream).map(drop)
}
