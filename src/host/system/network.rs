//! The network: handshakes that look and do not judge, names, and trust anchors.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge where sockets and their clock are used"
)]

use std::{
    io::{self, Read, Write},
    net::{IpAddr, TcpStream, ToSocketAddrs},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion,
    client::Resumption,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::{
    error::{Error, Result},
    hello::{self, Answer},
    host::{Dial, Presented},
    peer::Verifier,
    starttls::{Dialogue, Refusal, Turn},
};

mod clerk;
mod crowd;

use clerk::Clerk;
pub(super) use clerk::certified;
pub(super) use crowd::each;

/// The most that is read of a peer before it is given up; a long chain is a few tens of KiB.
const MOST_BYTES: usize = 1 << 20;

/// How long a peer that judges a client certificate after the handshake is waited for before it is told that nothing more
/// comes: several round trips across a continent.
const MOMENT: Duration = Duration::from_millis(400);

/// How long after that: a peer that is content closes at once, or never.
const FAREWELL: Duration = Duration::from_secs(1);

/// Makes a TLS handshake (1.2 or 1.3), after the preamble of the protocol, and returns what was presented, accepted or
/// not.
///
/// Certificates that came are returned even where the handshake broke afterwards; the version is empty where it broke
/// before the peer had shown by a signature that it holds the key. The whole takes the limit at most, however slowly the
/// peer speaks.
///
/// # Errors
/// [`Error::Unproved`] where there is no connection or no certificate, with the reason.
pub(super) fn handshake(dial: &Dial) -> Result<Presented> {
    let silent = |found: String| silent(dial, "a certificate", found);
    let end = Instant::now() + dial.limit;
    let verifier = Arc::new(Verifier::new(dial.accept.clone()));
    let clerk = Arc::new(
        Clerk::new(dial.client.as_deref(), &verifier.provider())
            .map_err(|e| silent(e.to_string()))?,
    );
    let mut session =
        session(dial, &verifier, &clerk).map_err(|e| silent(format!("cannot be asked: {e}")))?;
    let outcome = connect(dial, end).and_then(|mut stream| {
        converse(&mut session, &mut stream, end)?;
        part(&mut session, &mut stream, clerk.was_asked(), end)
    });
    let certificates = verifier.taken();
    if certificates.is_empty() {
        return Err(silent(match outcome {
            Err(reason) => reason.told("certificate", dial.limit),
            Ok(()) => "presented no certificate".to_owned(),
        }));
    }
    // A client certificate may be demanded; what counts is that the peer has shown that it holds the key.
    let signed = session.protocol_version().filter(|_| verifier.is_signed());
    Ok(Presented {
        certificates,
        version: signed.map(version).unwrap_or_default(),
        asked: clerk.asked(),
        refusal: outcome
            .err()
            .map(|reason| reason.told("certificate", dial.limit)),
    })
}

/// Makes a TLS connection to a peer that is accepted until a time, with the handshake done and not a byte sent behind it.
///
/// # Errors
/// [`Error::Unproved`] where there is none, or the peer is another: nothing was sent to it.
pub(super) fn accepted(dial: &Dial, end: Instant) -> Result<(ClientConnection, TcpStream)> {
    let broken = |found: String| silent(dial, "the peer that is accepted", found);
    let verifier = Arc::new(Verifier::new(dial.accept.clone()));
    let clerk = Clerk::new(dial.client.as_deref(), &verifier.provider())
        .map_err(|e| broken(e.to_string()))?;
    let mut session =
        session(dial, &verifier, &Arc::new(clerk)).map_err(|e| broken(e.to_string()))?;
    let connected = connect(dial, end).and_then(|mut stream| {
        converse(&mut session, &mut stream, end)?;
        Ok(stream)
    });
    match connected {
        Ok(stream) if verifier.is_signed() => Ok((session, stream)),
        Ok(_) => Err(broken("did not sign the handshake".to_owned())),
        Err(Reason::Foreign(rustls::Error::InvalidCertificate(_))) => {
            Err(broken("presents a leaf that is not accepted".to_owned()))
        }
        Err(reason) => Err(broken(reason.told("certificate", dial.limit))),
    }
}

/// Makes a connection in the clear until a time.
///
/// # Errors
/// [`Error::Unproved`] where there is none.
pub(super) fn plain(dial: &Dial, end: Instant) -> Result<TcpStream> {
    connect(dial, end)
        .map_err(|reason| silent(dial, "a connection", reason.told("answer", dial.limit)))
}

/// Sends the first message of a handshake, and returns the answer; none where the peer closed the connection instead.
///
/// # Errors
/// [`Error::Unproved`] where there is no connection, or no answer that is TLS, with the reason.
pub(super) fn greet(dial: &Dial, offer: &[u8]) -> Result<Option<Answer>> {
    let end = Instant::now() + dial.limit;
    connect(dial, end)
        .and_then(|mut stream| answer(&mut stream, offer, end))
        .map_err(|reason| silent(dial, "an answer", reason.told("answer", dial.limit)))
}

fn silent(dial: &Dial, want: &str, found: String) -> Error {
    Error::Unproved {
        subject: format!("`{}`", dial.address),
        want: want.to_owned(),
        found,
    }
}

fn answer(
    stream: &mut TcpStream,
    offer: &[u8],
    end: Instant,
) -> std::result::Result<Option<Answer>, Reason> {
    say(stream, offer, end)?;
    let (mut heard, mut buffer) = (Vec::new(), [0; 4 << 10]);
    loop {
        match read(stream, &mut buffer, end) {
            Ok(more) => heard.extend_from_slice(more),
            Err(Reason::Closed) => return Ok(None),
            Err(Reason::Broken(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Ok(None);
            }
            Err(reason) => return Err(reason),
        }
        if let Some(answer) = hello::read(&heard).map_err(|_| Reason::NotTls)? {
            return Ok(Some(answer));
        }
    }
}

/// Connects, and says and hears in the clear whatever comes before TLS.
fn connect(dial: &Dial, end: Instant) -> std::result::Result<TcpStream, Reason> {
    let connected = TcpStream::connect_timeout(&dial.address, left(end)?);
    let mut stream = connected.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Reason::Late,
        _ => Reason::Refused(error),
    })?;
    come_to_tls(Dialogue::new(dial.protocol, &dial.name), &mut stream, end)?;
    Ok(stream)
}

fn session(
    dial: &Dial,
    verifier: &Arc<Verifier>,
    clerk: &Arc<Clerk>,
) -> std::result::Result<ClientConnection, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(verifier.provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Verifier>::clone(verifier))
        .with_client_cert_resolver(Arc::<Clerk>::clone(clerk));
    config.enable_sni = dial.sni.is_some();
    // Each connection shows its certificates.
    config.resumption = Resumption::disabled();
    let name = dial.sni.as_deref().unwrap_or_default();
    let name = ServerName::try_from(name.trim_end_matches('.').to_owned())
        .unwrap_or_else(|_| ServerName::IpAddress(dial.address.ip().into()));
    ClientConnection::new(Arc::new(config), name)
}

/// Why a conversation ended early.
enum Reason {
    Refused(io::Error),
    Late,
    Closed,
    Broken(io::Error),
    Foreign(rustls::Error),
    NotTls,
    Preamble(Refusal),
    TooMuch,
}

impl Reason {
    fn told(&self, wanted: &str, limit: Duration) -> String {
        match self {
            Self::Refused(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "refused the connection".to_owned()
            }
            Self::Refused(error) => format!("cannot be reached: {error}"),
            Self::Late => format!("gave no {wanted} within {} s", limit.as_secs_f32()),
            Self::Closed => "closed the connection without a certificate".to_owned(),
            Self::Broken(error) => format!("broke the connection: {error}"),
            Self::NotTls | Self::Foreign(rustls::Error::InvalidMessage(_)) => {
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
    stream: &mut TcpStream,
    end: Instant,
) -> std::result::Result<(), Reason> {
    let mut total = 0;
    let mut buffer = [0; 16 << 10];
    while session.is_handshaking() {
        send(session, stream, end)?;
        if !session.is_handshaking() {
            break;
        }
        total += hear(session, stream, &mut buffer, end)?;
        if total > MOST_BYTES {
            return Err(Reason::TooMuch);
        }
    }
    send(session, stream, end)
}

/// Reads once, and has the session make of it what it is; returns how much it was.
fn hear(
    session: &mut ClientConnection,
    stream: &mut TcpStream,
    buffer: &mut [u8],
    end: Instant,
) -> std::result::Result<usize, Reason> {
    let mut ahead = read(stream, buffer, end)?;
    let length = ahead.len();
    while !ahead.is_empty() {
        session.read_tls(&mut ahead).map_err(Reason::Broken)?;
        if let Err(error) = session.process_new_packets() {
            // The peer's log should say why, too.
            let _ = send(session, stream, end);
            return Err(Reason::Foreign(error));
        }
    }
    Ok(length)
}

/// Ends a connection whose handshake is done. In TLS 1.3 a peer that asked for a client certificate judges it after that,
/// so what it has to say is waited for: a moment for a refusal, then, once told that nothing more comes, for its own end.
fn part(
    session: &mut ClientConnection,
    stream: &mut TcpStream,
    was_asked: bool,
    end: Instant,
) -> std::result::Result<(), Reason> {
    let mut buffer = [0; 4 << 10];
    let is_late = was_asked && session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    for wait in if is_late {
        [MOMENT, FAREWELL].as_slice()
    } else {
        &[]
    } {
        let until = end.min(Instant::now() + *wait);
        match hear(session, stream, &mut buffer, until) {
            // Tickets come from a peer that is content; anything else is its business.
            Ok(_) => break,
            Err(Reason::Late) => {}
            Err(Reason::Closed) if *wait == FAREWELL => break,
            Err(reason) => return Err(reason),
        }
        session.send_close_notify();
        send(session, stream, end)?;
    }
    session.send_close_notify();
    // Everything is seen; a peer that no longer listens is its own affair.
    let _ = send(session, stream, end);
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
                say(stream, &bytes, end)?;
            }
        }
    }
}

fn say(stream: &mut TcpStream, bytes: &[u8], end: Instant) -> std::result::Result<(), Reason> {
    stream
        .set_write_timeout(Some(left(end)?))
        .map_err(Reason::Broken)?;
    stream.write_all(bytes).map_err(Reason::of)
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

/// Returns the name of a version, as in "TLS 1.3".
pub(super) fn version(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
        other => format!("{other:?}"),
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
mod pinned;
#[cfg(test)]
mod tests;
