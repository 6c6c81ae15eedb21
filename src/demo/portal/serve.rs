//! The double's socket, and the little HTTP behind it.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection, Stream};

use super::Counts;
use crate::error::{On as _, Result};

/// The longest that a client may take over anything.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause between two looks for a client or for the end.
const TICK: Duration = Duration::from_millis(2);

/// A server on its port; its end refuses connections again.
#[derive(Debug)]
pub(super) struct Serving {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Begins to serve after a delay, in which connections are refused.
    pub(super) fn start(
        port: u16,
        delay: Duration,
        config: Arc<ServerConfig>,
        counts: Arc<Counts>,
    ) -> Result<Self> {
        let ends = Arc::<AtomicBool>::default();
        let ended = Arc::clone(&ends);
        let serve = move || {
            let back = Instant::now() + delay;
            while Instant::now() < back {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                thread::sleep(TICK);
            }
            // Where it cannot have its port, nobody is served, which whoever waits for it sees.
            let Some(listener) = listen(port, &ended) else {
                return;
            };
            while !ended.load(Ordering::SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(TICK);
                    continue;
                };
                let (config, counts) = (Arc::clone(&config), Arc::clone(&counts));
                // A client that went away is its own affair.
                thread::spawn(move || drop(answer(stream, &config, &counts)));
            }
        };
        let named = thread::Builder::new().name("httpd2".to_owned());
        let thread = Some(named.spawn(serve).on("start", "httpd2")?);
        Ok(Self { ends, thread })
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

/// Takes the port, for some seconds again and again: a process that another thread of this one is starting holds the socket of
/// before until its program begins.
fn listen(port: u16, ended: &AtomicBool) -> Option<TcpListener> {
    let start = Instant::now();
    while !ended.load(Ordering::SeqCst) && start.elapsed() < PATIENCE {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.set_nonblocking(true).is_ok().then_some(listener);
        }
        thread::sleep(TICK);
    }
    None
}

fn answer(mut stream: TcpStream, config: &Arc<ServerConfig>, counts: &Counts) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    let mut tls = Stream::new(&mut session, &mut stream);
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
        let Ok(length @ 1..) = tls.read(&mut buffer) else {
            break;
        };
        if heard.is_empty() {
            counts.requests.fetch_add(1, Ordering::SeqCst);
        }
        heard.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
    if heard.is_empty() {
        return Ok(());
    }
    let line = String::from_utf8_lossy(&heard);
    let line = line.lines().next().unwrap_or_default();
    // `/web_api/login`, and `/web_api/v1.9/login`.
    let login = line
        .strip_prefix("POST /web_api/")
        .and_then(|rest| rest.split(' ').next())
        .is_some_and(|path| path == "login" || path.ends_with("/login"));
    let (status, body) = if login {
        counts.logins.fetch_add(1, Ordering::SeqCst);
        ("200 OK", "{\"sid\": \"a session\"}")
    } else {
        (
            "404 Not Found",
            "{\"code\": \"generic_err_command_not_found\"}",
        )
    };
    let start = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    tls.write_all(start.as_bytes())?;
    tls.write_all(body.as_bytes())?;
    tls.conn.send_close_notify();
    tls.flush()
}
