//! A small backend over TLS that demands a client certificate: one request a connection, so that each shows a leaf anew.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge where sockets and their clock are used"
)]

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::{CryptoProvider, aws_lc_rs},
    server::ResolvesServerCert,
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{
    guest::{self, LONGEST},
    limited::Limited,
    network::{certified, version},
};
use crate::{
    error::{Error, On as _, Result},
    host::visit::{Backend, Visit},
    peer::Visitor,
};

/// The most connections at a time; others are closed unheard.
const MOST_AT_A_TIME: usize = 64;

/// What of a body is taken off the wire.
const MOST_BODY: usize = 1 << 20;

/// Serves until the time is over or `until` tells it to end; `ready` is told where.
///
/// # Errors
/// [`Error::Io`] where nothing can listen there; [`Error::Input`] where the identity has no key that can be used.
pub(crate) fn serve(
    backend: Backend,
    ready: &dyn Fn(SocketAddr),
    until: &dyn Fn() -> bool,
) -> Result<()> {
    let shown = backend.listen.to_string();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let own = certified(&backend.identity, &provider).map_err(|error| Error::Input {
        subject: "identity".to_owned(),
        message: format!("cannot be served: {error}"),
        hint: "look at it: `certroll inspect FILE`".to_owned(),
    })?;
    let listener = TcpListener::bind(backend.listen).on("listen on", &*shown)?;
    listener.set_nonblocking(true).on("listen on", &*shown)?;
    ready(listener.local_addr().on("listen on", &*shown)?);
    let end = Instant::now() + backend.limit;
    let served = Arc::new((backend, own));
    let busy = Arc::new(AtomicUsize::new(0));
    while !until() && Instant::now() < end {
        let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::from(100_u8));
        let (stream, from) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(_) => {
                // A client that went away, or no descriptor is free: neither ends the others, and neither is asked in a loop.
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
        };
        if busy.fetch_add(1, Ordering::Relaxed) >= MOST_AT_A_TIME {
            busy.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (served, done) = (Arc::clone(&served), Arc::clone(&busy));
        let thread = std::thread::Builder::new().name("visit".to_owned());
        let started = thread.spawn(move || {
            let (backend, own) = &*served;
            // Whoever goes away early is its own affair.
            drop(hear(stream, from, backend, own));
            done.fetch_sub(1, Ordering::Relaxed);
        });
        if started.is_err() {
            busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Presents one pair to whoever asks.
fn config(
    visitor: &Arc<Visitor>,
    own: &Arc<CertifiedKey>,
) -> std::result::Result<ServerConfig, rustls::Error> {
    let resolver: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(Arc::clone(own)));
    let provider: Arc<CryptoProvider> = visitor.provider();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(Arc::<Visitor>::clone(visitor))
        .with_cert_resolver(resolver);
    // A session that is resumed shows no certificate.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

/// Hears one connection to its end, and says what was seen.
fn hear(
    stream: TcpStream,
    from: SocketAddr,
    backend: &Backend,
    own: &Arc<CertifiedKey>,
) -> io::Result<()> {
    let stream = guest::welcome(stream)?;
    let visitor = Arc::new(Visitor::new(backend.trusted.clone()));
    let config = config(&visitor, own).map_err(io::Error::other)?;
    let session = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(session, stream);
    let mut visit = Visit {
        from,
        version: String::new(),
        name: None,
        certificates: Vec::new(),
        request: None,
        refused: None,
    };
    let greeted = greet(&mut tls);
    let seen = visitor.seen();
    visit.version = tls.conn.protocol_version().map(version).unwrap_or_default();
    visit.name = tls.conn.server_name().map(str::to_owned);
    let showed_none = seen.certificates.is_empty();
    visit.certificates = seen.certificates;
    let asked = match greeted {
        Ok(()) => request(&mut tls),
        Err(error) => Err(seen.refused.unwrap_or_else(|| told(&error, showed_none))),
    };
    match asked {
        Ok(request) => visit.request = Some(request),
        Err(why) => visit.refused = Some(why),
    }
    let body = (backend.say)(&visit);
    if visit.refused.is_none() {
        let length = body.len();
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n";
        write!(
            tls,
            "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        tls.conn.send_close_notify();
        tls.flush()?;
    }
    guest::part(tls.sock)
}

fn greet(tls: &mut StreamOwned<ServerConnection, Limited>) -> io::Result<()> {
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(())
}

/// Says why a handshake ended early.
fn told(error: &io::Error, showed_none: bool) -> String {
    let tls = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::NoCertificatesPresented) => "showed no client certificate".to_owned(),
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("refused the leaf of this backend with alert {alert:?}")
        }
        Some(rustls::Error::InvalidMessage(_)) => "spoke no TLS".to_owned(),
        Some(error) => format!("broke the handshake: {error}"),
        None if error.kind() == ErrorKind::TimedOut => {
            format!("ended no handshake within {} s", LONGEST.as_secs())
        }
        None if showed_none => "went away before it showed a client certificate".to_owned(),
        None => "went away before it had shown that it holds the key".to_owned(),
    }
}

/// Reads one request, its body off the wire; returns method and path.
fn request(
    tls: &mut StreamOwned<ServerConnection, Limited>,
) -> std::result::Result<(String, String), String> {
    let head = guest::head(tls)?;
    let (mut left, mut buffer) = (head.left.min(MOST_BODY), [0; 16 << 10]);
    while left > 0 {
        match tls.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(got) => left = left.saturating_sub(got),
        }
    }
    Ok((head.method, head.path))
}
