//! Its sockets: TLS that chooses by the name asked for, and requests behind it.

use std::{
    io::{self, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::machine::Machine;
use crate::demo::wire;

/// The longest that a connection may be idle.
const IDLE: Duration = Duration::from_secs(30);

/// Chooses as the handshake begins.
#[derive(Debug)]
struct Chooses(Arc<Mutex<Machine>>, usize);

impl ResolvesServerCert for Chooses {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut machine = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        machine.presents(self.1, hello.server_name())
    }
}

/// Serves one connection to its end.
pub(super) fn serve(stream: TcpStream, machine: &Arc<Mutex<Machine>>, server: usize) {
    let limited = stream
        .set_read_timeout(Some(IDLE))
        .and_then(|()| stream.set_write_timeout(Some(IDLE)));
    if limited.is_ok() {
        // Whoever goes away early is its own affair.
        drop(connection(stream, machine, server));
    }
}

fn connection(stream: TcpStream, machine: &Arc<Mutex<Machine>>, server: usize) -> io::Result<()> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Chooses(Arc::clone(machine), server)));
    let session = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(session, stream);
    let mut heard = Vec::new();
    while let Some(message) = wire::read(&mut tls, &mut heard)? {
        let mut machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, body) = machine.answer(&message);
        drop(machine);
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        tls.write_all(answer.as_bytes())?;
        tls.flush()?;
    }
    Ok(())
}
