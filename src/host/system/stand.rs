//! What stands on a port for a moment: the answers to an ACME server's challenges.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge where sockets and threads are used"
)]

use std::{
    collections::{BTreeMap, VecDeque},
    io::{ErrorKind, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{guest, limited::Limited};
use crate::{
    error::{Error, On as _, Result},
    host::{Stand, Standing},
};

/// The most that are answered at a time; a server asks from a handful of places. Beyond that, who came first makes room.
const MOST_AT_ONCE: usize = 32;

/// What is answered, ready to be.
enum Ready {
    Pages(BTreeMap<String, String>),
    Tls(Arc<ServerConfig>),
}

#[derive(Debug)]
struct Answering {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Standing for Answering {}

impl Drop for Answering {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Nothing depends on how it went: who asks tells.
            drop(thread.join());
        }
    }
}

/// Answers on a port of all addresses until what is returned is dropped.
///
/// # Errors
/// [`Error::Io`] where the port cannot be had: nothing answers.
pub(super) fn stand(port: u16, stand: &Stand) -> Result<Box<dyn Standing>> {
    let shown = || format!("port {port}");
    // Where there is no IPv6, there is no address of it to be asked on.
    let listener = TcpListener::bind(("::", port)).or_else(|error| match error.kind() {
        ErrorKind::AddrInUse | ErrorKind::PermissionDenied => Err(error),
        _ => TcpListener::bind(("0.0.0.0", port)),
    });
    let listener = listener.on("listen on", shown())?;
    listener.set_nonblocking(true).on("listen on", shown())?;
    let ready = Arc::new(match stand {
        Stand::Pages(pages) => Ready::Pages(pages.clone()),
        Stand::Leaf(leaf, key) => {
            Ready::Tls(tls(leaf, key.reveal()).map_err(|error| Error::Input {
                subject: shown(),
                message: error.to_string(),
                hint: String::new(),
            })?)
        }
    });
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    let thread = thread::spawn(move || serve(&listener, &ready, &told));
    Ok(Box::new(Answering {
        over,
        thread: Some(thread),
    }))
}

fn serve(listener: &TcpListener, ready: &Arc<Ready>, over: &AtomicBool) {
    let mut guests: VecDeque<Weak<TcpStream>> = VecDeque::new();
    while !over.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                let Ok(guest) = guest::welcome(stream) else {
                    continue;
                };
                guests.retain(|guest| guest.strong_count() > 0);
                if guests.len() >= MOST_AT_ONCE {
                    let first = guests.pop_front().and_then(|guest| guest.upgrade());
                    // One that is gone has made room.
                    let _ = first.map(|stream| stream.shutdown(Shutdown::Both));
                }
                guests.push_back(guest.handle());
                let ready = Arc::clone(ready);
                // One who asks and goes away has what he wants, or asks again.
                thread::spawn(move || drop(answer(guest, &ready)));
            }
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn answer(mut stream: Limited, ready: &Ready) -> std::io::Result<()> {
    match ready {
        Ready::Pages(pages) => {
            let head = guest::head(&mut stream).ok();
            let head = head.filter(|head| head.method == "GET");
            let page = head.and_then(|head| pages.get(&head.path));
            let (status, body) = page.map_or(("404 Not Found", ""), |page| ("200 OK", page));
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )?;
            stream.flush()
        }
        Ready::Tls(config) => {
            let session = ServerConnection::new(Arc::clone(config));
            let mut session = session.map_err(std::io::Error::other)?;
            while session.is_handshaking() {
                session.complete_io(&mut stream)?;
            }
            session.send_close_notify();
            session.complete_io(&mut stream).map(|_| ())
        }
    }
}

/// The settings of RFC 8737: one leaf, and one protocol, without which there is no handshake.
fn tls(leaf: &[u8], key: &[u8]) -> std::result::Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()));
    let key = provider.key_provider.load_private_key(key)?;
    // Not checked: its critical extension is one that the library does not know.
    let shown = CertifiedKey::new(vec![CertificateDer::from(leaf.to_vec())], key);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    Ok(Arc::new(config))
}
