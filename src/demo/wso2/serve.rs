//! Its two sides: clients call it over TLS, and it calls the backend over mutual TLS.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use super::{Backend, Inner, Profile};
use crate::{
    demo::wire,
    error::{On as _, Result},
    peer::{Accept, Verifier},
};

/// The longest that anybody may take over anything.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause between two looks for a client or for the end.
const TICK: Duration = Duration::from_millis(2);

/// The most of an answer that is read.
const MOST: u64 = 64 << 10;

/// Serves on a port of its own until it is told to end.
pub(super) fn start(
    front: (&str, &str),
    inner: Arc<Mutex<Inner>>,
    ends: Arc<AtomicBool>,
) -> Result<(u16, JoinHandle<()>)> {
    let config = Arc::new(presenting(front).on("serve", "the gateway's pair")?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).on("bind", "a port")?;
    let port = listener.local_addr().on("bind", "a port")?.port();
    listener.set_nonblocking(true).on("bind", "a port")?;
    let serve = move || {
        while !ends.load(Ordering::SeqCst) {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(TICK);
                continue;
            };
            let (config, inner) = (Arc::clone(&config), Arc::clone(&inner));
            // A client that went away is its own affair.
            thread::spawn(move || drop(answer(stream, config, &inner)));
        }
    };
    let named = thread::Builder::new().name("gateway".to_owned());
    Ok((port, named.spawn(serve).on("start", "the gateway")?))
}

fn presenting((cert, key): (&str, &str)) -> io::Result<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(cert.as_bytes())
        .collect::<std::result::Result<_, _>>()
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?;
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)
}

fn limited(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>, inner: &Mutex<Inner>) -> io::Result<()> {
    limited(&stream)?;
    if inner
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .file
        .is_none()
    {
        // Nobody is there.
        return Ok(());
    }
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(session, stream);
    if wire::read(&mut tls, &mut Vec::new())?.is_none() {
        return Ok(());
    }
    let (profile, backend) = {
        let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = inner.file.clone() {
            inner.look(&file);
        }
        (inner.profile.clone(), inner.backend.clone())
    };
    let (status, body) = match call(profile.as_deref(), &backend) {
        Ok(body) => ("200 OK", body),
        Err(error) => {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner
                .log
                .push(format!("javax.net.ssl.SSLHandshakeException: {error}"));
            let fault = "{\"fault\": {\"code\": 101503, \"message\": \"Error connecting to the back end\"}}";
            ("500 Internal Server Error", fault.to_owned())
        }
    };
    let length = body.len();
    let first =
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}");
    write!(tls, "{first}\r\nConnection: close\r\n\r\n{body}")?;
    tls.conn.send_close_notify();
    tls.flush()
}

/// Calls the backend as its profile says; without one, with nothing to show and nobody trusted.
fn call(profile: Option<&Profile>, backend: &Backend) -> io::Result<String> {
    let trusts = profile.map(|profile| profile.trusts.clone());
    let verifier = Arc::new(Verifier::new(Accept::Only(trusts.unwrap_or_default())));
    let builder = ClientConfig::builder_with_provider(verifier.provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match profile.and_then(|profile| profile.shows.as_ref()) {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(io::Error::other)?,
        None => builder.with_no_client_auth(),
    };
    let name = backend
        .server
        .split(':')
        .next()
        .unwrap_or_default()
        .to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, backend.port))?;
    limited(&stream)?;
    let mut tls = StreamOwned::new(session, stream);
    write!(
        tls,
        "GET /proof HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        backend.server
    )?;
    let mut answer = String::new();
    tls.take(MOST).read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
        _ => Err(io::Error::other("the backend gave no answer")),
    }
}
