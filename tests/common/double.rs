//! TLS servers on loopback that do as they are told and count what they are sent.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    dead_code,
    reason = "tests start the peers that the program asks; each test file uses a part of this"
)]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{
    ServerConfig, ServerConnection,
    crypto::aws_lc_rs,
    pki_types::PrivateKeyDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// A leaf and its key, as an appliance makes them for itself: CN is an address, there is no SAN.
pub(crate) struct Pair {
    pub(crate) leaf: Vec<u8>,
    pub(crate) key: KeyPair,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "127.0.0.1");
        let leaf = params.self_signed(&key).unwrap().der().to_vec();
        Self { leaf, key }
    }
}

#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl ResolvesServerCert for Presents {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A server for as long as the test runs.
pub(crate) struct Double {
    pub(crate) port: u16,
    requests: Arc<AtomicUsize>,
    handshakes: Arc<AtomicUsize>,
}

impl Double {
    /// Serves a leaf with its key.
    pub(crate) fn serving(pair: &Pair) -> Self {
        Self::presenting(&pair.leaf, &pair.key)
    }

    /// Presents a leaf with any key: another one's, as who copied the leaf does.
    pub(crate) fn presenting(leaf: &[u8], key: &KeyPair) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, leaf, key)
    }

    /// The same on a socket that is there.
    pub(crate) fn on(listener: TcpListener, leaf: &[u8], key: &KeyPair) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let shown = CertifiedKey::new(vec![leaf.to_vec().into()], key);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Presents(Arc::new(shown))));
        let config = Arc::new(config);
        let double = Self {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
            handshakes: Arc::default(),
        };
        let counts = (Arc::clone(&double.requests), Arc::clone(&double.handshakes));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, counts) = (Arc::clone(&config), counts.clone());
                thread::spawn(move || serve(stream, &config, &counts));
            }
        });
        double
    }

    /// Its name as pins have it.
    pub(crate) fn peer(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many connections carried a byte behind their handshake.
    pub(crate) fn requests(&self) -> usize {
        // What was sent may still be on its way up.
        thread::sleep(Duration::from_millis(100));
        self.requests.load(Ordering::SeqCst)
    }

    /// How many connections came to the end of their handshake.
    pub(crate) fn handshakes(&self) -> usize {
        thread::sleep(Duration::from_millis(100));
        self.handshakes.load(Ordering::SeqCst)
    }
}

fn serve(
    mut stream: TcpStream,
    config: &Arc<ServerConfig>,
    (requests, handshakes): &(Arc<AtomicUsize>, Arc<AtomicUsize>),
) {
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).unwrap();
    let mut session = ServerConnection::new(Arc::clone(config)).unwrap();
    while session.is_handshaking() {
        if session.complete_io(&mut stream).is_err() {
            return;
        }
    }
    handshakes.fetch_add(1, Ordering::SeqCst);
    let mut tls = rustls::Stream::new(&mut session, &mut stream);
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = tls.read(&mut buffer) {
        if heard.is_empty() {
            requests.fetch_add(1, Ordering::SeqCst);
        }
        heard.extend_from_slice(&buffer[..length]);
        if heard.windows(4).any(|end| end == b"\r\n\r\n") {
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\nConnection: close\r\n\r\nright peer here";
            let _ = tls.write_all(&answer.as_bytes()[..answer.len() - 1]);
            tls.conn.send_close_notify();
            let _ = tls.flush();
            return;
        }
    }
}
