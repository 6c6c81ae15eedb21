//! A client of the management API as it should be: it logs in over the very connection in which the leaf was compared.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, Stream};

use crate::peer::{Accept, Verifier};

/// The longest that it waits for anything.
const PATIENCE: Duration = Duration::from_secs(5);

/// Logs in on a port of this machine; false where the peer answers something else.
///
/// # Errors
/// What kept it from that; where the leaf is not one that is accepted, nothing was sent.
pub(in crate::demo) fn login(port: u16, accept: Accept) -> io::Result<bool> {
    let verifier = Arc::new(Verifier::new(accept));
    let config = ClientConfig::builder_with_provider(verifier.provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let local = IpAddr::from(Ipv4Addr::LOCALHOST);
    let mut session =
        ClientConnection::new(Arc::new(config), local.into()).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect((local, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    let mut tls = Stream::new(&mut session, &mut stream);
    let body = "{\"user\": \"demo\", \"password\": \"not a real one\"}";
    write!(
        tls,
        "POST /web_api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    tls.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}
