//! The network: handshakes that look and do not judge, names, and trust anchors.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge where sockets and their clock are used"
)]

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ProtocolVersion, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use crate::{
    error::{Error, Result},
    host::Presented,
    starttls::{Dialogue, Protocol, Refusal, Turn},
};

/// The most that is read of a peer before it is given up; a long chain is a few tens of KiB.
const MOST_BYTES: usize = 1 << 20;

/// Makes a TLS handshake (1.2 or 1.3), after the preamble of the protocol, and returns what was presented, trusted or
/// not.
///
/// The name is sent as SNI where it is a DNS name (RFC 6066 section 3); an address is not. Certificates that came are
/// returned even where the handshake broke afterwards; the version is empty where it broke before the peer had shown by
/// a signature that it holds the key. The whole takes `limit` at most, however slowly the peer speaks.
///
/// # Errors
/// [`Error::Unproved`] where there is no connection or no certificate, with the reason.
pub(super) fn handshake(
    address: SocketAddr,
    protocol: Protocol,
    name: &str,
    limit: Duration,
) -> Result<Presented> {
    let silent = |found: String| Error::Unproved {
        subject: format!("`{address}`"),
        want: "a certificate".to_owned(),
        found,
    };
    let end = Instant::now() + limit;
    let recorder = Arc::new(Recorder::new());
    let mut session =
        session(&recorder, address, name).map_err(|e| silent(format!("cannot be asked: {e}")))?;
    let preamble = Dialogue::new(protocol, name);
    let outcome = converse(&mut session, preamble, address, end);
    let certificates = recorder.taken();
    match outcome {
        Err(reason) if certificates.is_empty() => Err(silent(reason.told(limit))),
        Ok(()) if certificates.is_empty() => Err(silent("presented no certificate".to_owned())),
        // A client certificate may be demanded; what counts is that the peer has shown that it holds the key.
        Err(_) if !recorder.is_signed() => Ok(Presented {
            certificates,
            version: String::new(),
        }),
        Ok(()) | Err(_) => Ok(Presented {
            certificates,
            version: session.protocol_version().map(version).unwrap_or_default(),
        }),
    }
}

fn session(
    recorder: &Arc<Recorder>,
    address: SocketAddr,
    name: &str,
) -> std::result::Result<ClientConnection, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::clone(&recorder.provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Recorder>::clone(recorder))
        .with_no_client_auth();
    let name = ServerName::try_from(name.trim_end_matches('.').to_owned())
        .unwrap_or_else(|_| ServerName::IpAddress(address.ip().into()));
    ClientConnection::new(Arc::new(config), name)
}

/// Why a conversation ended early.
enum Reason {
    Refused(io::Error),
    Late,
    Closed,
    Broken(io::Error),
    Foreign(rustls::Error),
    Preamble(Refusal),
    TooMuch,
}

impl Reason {
    fn told(&self, limit: Duration) -> String {
        match self {
            Self::Refused(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "refused the connection".to_owned()
            }
            Self::Refused(error) => format!("cannot be reached: {error}"),
            Self::Late => format!("gave no certificate within {} s", limit.as_secs_f32()),
            Self::Closed => "closed the connection without a certificate".to_owned(),
            Self::Broken(error) => format!("broke the connection: {error}"),
            Self::Foreign(rustls::Error::InvalidMessage(_)) => {
                "answered with something that is not TLS".to_owned()
            }
            Self::Foreign(rustls::Error::AlertReceived(alert)) => {
                format!("refused the handshake with alert {alert:?}")
            }
            Self::Foreign(error) => format!("broke the handshake: {error}"),
            Self::Preamble(refusal) => refusal.to_string(),
            Self::TooMuch => "sent more than a handshake can hold".to_owned(),
        }
    }

    /// Tells a limit that passed from a connection that broke.
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Late,
            _ => Self::Broken(error),
        }
    }
}

fn converse(
    session: &mut ClientConnection,
    preamble: Dialogue,
    address: SocketAddr,
    end: Instant,
) -> std::result::Result<(), Reason> {
    let mut stream =
        TcpStream::connect_timeout(&address, left(end)?).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Reason::Late,
            _ => Reason::Refused(error),
        })?;
    come_to_tls(preamble, &mut stream, end)?;
    let mut total = 0;
    let mut buffer = [0; 16 << 10];
    while session.is_handshaking() {
        send(session, &mut stream, end)?;
        if !session.is_handshaking() {
            break;
        }
        let mut ahead = read(&mut stream, &mut buffer, end)?;
        total += ahead.len();
        if total > MOST_BYTES {
            return Err(Reason::TooMuch);
        }
        while !ahead.is_empty() {
            session.read_tls(&mut ahead).map_err(Reason::Broken)?;
            if let Err(error) = session.process_new_packets() {
                // The peer's log should say why, too.
                let _ = send(session, &mut stream, end);
                return Err(Reason::Foreign(error));
            }
        }
    }
    session.send_close_notify();
    // Everything is seen; a peer that no longer listens is its own affair.
    let _ = send(session, &mut stream, end);
    Ok(())
}

/// Says and hears in the clear whatever comes before TLS.
fn come_to_tls(
    mut preamble: Dialogue,
    stream: &mut TcpStream,
    end: Instant,
) -> std::result::Result<(), Reason> {
    let mut buffer = [0; 4 << 10];
    let mut heard: &[u8] = &[];
    loop {
        match preamble.hear(heard).map_err(Reason::Preamble)? {
            Turn::Handshake => return Ok(()),
            Turn::Listen => heard = read(stream, &mut buffer, end)?,
            Turn::Say(bytes) => {
                heard = &[];
                stream
                    .set_write_timeout(Some(left(end)?))
                    .map_err(Reason::Broken)?;
                stream.write_all(&bytes).map_err(Reason::of)?;
            }
        }
    }
}

/// Reads what has come, at least a byte.
fn read<'b>(
    stream: &mut TcpStream,
    buffer: &'b mut [u8],
    end: Instant,
) -> std::result::Result<&'b [u8], Reason> {
    loop {
        stream
            .set_read_timeout(Some(left(end)?))
            .map_err(Reason::Broken)?;
        match stream.read(buffer) {
            Ok(0) => return Err(Reason::Closed),
            Ok(length) => return Ok(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Reason::of(error)),
        }
    }
}

fn send(
    session: &mut ClientConnection,
    stream: &mut TcpStream,
    end: Instant,
) -> std::result::Result<(), Reason> {
    while session.wants_write() {
        stream
            .set_write_timeout(Some(left(end)?))
            .map_err(Reason::Broken)?;
        match session.write_tls(stream) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Reason::of(error)),
        }
    }
    stream.flush().map_err(Reason::of)
}

/// Returns what is left until the end; a timeout of zero would mean none at all.
fn left(end: Instant) -> std::result::Result<Duration, Reason> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(Reason::Late)
    } else {
        Ok(left)
    }
}

fn version(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Takes any certificate and writes it down. The handshake's signature is still checked: who presents a certificate
/// without its key has not been proved to serve it.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Vec<Vec<u8>>>,
    signed: AtomicBool,
}

impl Recorder {
    fn new() -> Self {
        Self {
            provider: Arc::new(aws_lc_rs::default_provider()),
            seen: Mutex::new(Vec::new()),
            signed: AtomicBool::new(false),
        }
    }

    /// Tells whether the peer has signed this very handshake with the key of its leaf.
    fn is_signed(&self) -> bool {
        self.signed.load(Ordering::Relaxed)
    }

    fn noted(&self, valid: HandshakeSignatureValid) -> HandshakeSignatureValid {
        self.signed.store(true, Ordering::Relaxed);
        valid
    }

    fn taken(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            all.map(|der| der.to_vec()).collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known).map(|valid| self.noted(valid))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known).map(|valid| self.noted(valid))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Returns the addresses of a name through the host's own resolver (nsswitch.conf(5)), in its order, each once.
#[must_use]
pub(super) fn resolve(name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for address in (name, 0).to_socket_addrs().into_iter().flatten() {
        if !found.contains(&address.ip()) {
            found.push(address.ip());
        }
    }
    found
}

/// Returns the trust anchors of this machine, DER; what cannot be read of its store is left out.
#[must_use]
pub(super) fn trust_anchors() -> Vec<Vec<u8>> {
    let loaded = rustls_native_certs::load_native_certs();
    loaded.certs.iter().map(|der| der.to_vec()).collect()
}

/// Returns the trust anchors in a bundle, as `etc/ssl/certs/ca-certificates.crt` of another root is one; damaged
/// blocks are left out.
#[must_use]
pub(super) fn trust_anchors_in(pem_bundle: &[u8]) -> Vec<Vec<u8>> {
    CertificateDer::pem_slice_iter(pem_bundle)
        .filter_map(|block| block.ok().map(|der| der.to_vec()))
        .collect()
}

#[cfg(test)]
mod tests;
