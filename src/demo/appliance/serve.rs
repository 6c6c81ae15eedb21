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

/// The longest that a connection may be idle.
const IDLE: Duration = Duration::from_secs(30);

/// The most that a request may be.
const MOST: usize = 8 << 20;

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
        let Some((asked, upgrade)) = read(wire, &mut heard, port)? else {
            return Ok(());
        };
        if upgrade {
            return echo(wire);
        }
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

/// Reads one request; none where the client is done.
fn read(
    wire: &mut impl Read,
    heard: &mut Vec<u8>,
    port: Port,
) -> io::Result<Option<(Asked, bool)>> {
    let mut buffer = [0; 16 << 10];
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(heard).map_err(io::Error::other)?;
        if let httparse::Status::Complete(head) = parsed {
            let header = |name: &str| {
                let found = request
                    .headers
                    .iter()
                    .find(|h| h.name.eq_ignore_ascii_case(name));
                found.map(|h| String::from_utf8_lossy(h.value).into_owned())
            };
            let length: usize = header("content-length")
                .and_then(|l| l.parse().ok())
                .unwrap_or(0);
            let mut asked = Asked {
                port: port.number,
                tls: port.tls.is_some(),
                method: request.method.unwrap_or_default().to_owned(),
                path: request.path.unwrap_or_default().to_owned(),
                content_type: header("content-type").unwrap_or_default(),
                authorization: header("authorization"),
                body: Vec::new(),
            };
            let upgrade = header("upgrade").is_some();
            while heard.len() < head + length && heard.len() < MOST {
                let got = wire.read(&mut buffer)?;
                if got == 0 {
                    return Ok(None);
                }
                heard.extend_from_slice(buffer.get(..got).unwrap_or_default());
            }
            let rest = heard.split_off((head + length).min(heard.len()));
            asked.body = heard.split_off(head);
            *heard = rest;
            return Ok(Some((asked, upgrade)));
        }
        let got = wire.read(&mut buffer)?;
        if got == 0 || heard.len() > MOST {
            return Ok(None);
        }
        heard.extend_from_slice(buffer.get(..got).unwrap_or_default());
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
