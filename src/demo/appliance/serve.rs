//! Its sockets: TLS, and as much of HTTP/1.1 (RFC 9112) as its clients speak.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::machine::{Asked, Fault, Machine, Said};
use crate::demo::wire;

/// The longest that a connection may be idle.
const IDLE: Duration = Duration::from_secs(30);

/// One of its ports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port {
    pub(super) number: u16,
    /// Which port of TLS it is; none: plain.
    pub(super) tls: Option<usize>,
}

/// Chooses what is presented as the handshake begins: connections that are open by then keep what they have.
#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl ResolvesServerCert for Presents {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Serves one connection to its end.
pub(super) fn serve(stream: TcpStream, machine: &Mutex<Machine>, port: Port) {
    let limited = stream
        .set_read_timeout(Some(IDLE))
        .and_then(|()| stream.set_write_timeout(Some(IDLE)));
    if limited.is_ok() {
        // Whoever goes away early is its own affair.
        drop(connection(stream, machine, port));
    }
}

fn connection(mut stream: TcpStream, machine: &Mutex<Machine>, port: Port) -> io::Result<()> {
    let lock = || machine.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(number) = port.tls else {
        return talk(&mut stream.try_clone()?, &stream, machine, port);
    };
    let fault = lock().fault();
    if matches!(fault, Fault::OldTls | Fault::NoTls) {
        let mut hello = [0; 512];
        let _ = stream.read(&mut hello)?;
        // RFC 8446 section 6: a fatal alert, protocol_version; or what a server of HTTP says to bytes that are none.
        let answer: &[u8] = match fault {
            Fault::OldTls => &[21, 3, 1, 0, 2, 2, 70],
            _ => b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        };
        return stream.write_all(answer);
    }
    let presents = lock().presents(number);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Presents(presents)));
    let session = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
    let raw = stream.try_clone()?;
    let mut tls = StreamOwned::new(session, stream);
    talk(&mut tls, &raw, machine, port)
}

/// Answers request after request.
fn talk(
    wire: &mut (impl Read + Write),
    raw: &TcpStream,
    machine: &Mutex<Machine>,
    port: Port,
) -> io::Result<()> {
    let lock = || machine.lock().unwrap_or_else(PoisonError::into_inner);
    let mut heard = Vec::new();
    loop {
        if port.tls.is_none() && !lock().http() && lock().api() == super::Api::V1 {
            // As the document shows it: an empty reply.
            let mut first = [0; 1024];
            let _ = wire.read(&mut first)?;
            return raw.shutdown(Shutdown::Both);
        }
        let Some(message) = wire::read(wire, &mut heard)? else {
            return Ok(());
        };
        if message.upgrade {
            return echo(wire);
        }
        let asked = Asked {
            port: port.number,
            tls: port.tls.is_some(),
            method: message.method,
            path: message.path,
            content_type: message.content_type,
            authorization: message.authorization,
            body: message.body,
        };
        let said = lock().answer(&asked);
        let (status, kind, body) = match said {
            Said::Answer(status, kind, body) => (status, kind, body),
            Said::Nothing | Said::Reset => return raw.shutdown(Shutdown::Both),
        };
        let mut more = String::new();
        if status == 401 {
            more.push_str("WWW-Authenticate: Basic realm=\"admin\"\r\n");
        }
        if matches!(status, 301 | 307) {
            let to = if status == 301 { "https" } else { "http" };
            more = format!("Location: {to}://127.0.0.1{}\r\n", asked.path);
        }
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{more}\r\n{body}",
            body.len()
        );
        wire.write_all(answer.as_bytes())?;
        wire.flush()?;
    }
}

/// Stands for a stream that stays open: says back what it hears.
fn echo(wire: &mut (impl Read + Write)) -> io::Result<()> {
    wire.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    )?;
    wire.flush()?;
    let mut buffer = [0; 4096];
    loop {
        let got = wire.read(&mut buffer)?;
        if got == 0 {
            return Ok(());
        }
        wire.write_all(buffer.get(..got).unwrap_or_default())?;
        wire.flush()?;
    }
}
