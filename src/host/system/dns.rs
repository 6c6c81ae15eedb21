//! One message to a DNS server and its answer, over TCP (RFC 7766).

#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge where sockets are used"
)]

use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use crate::error::{Error, Result};

/// The longest that a step of it may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Sends a message to a server, `HOST` or `HOST:PORT`, and returns its answer.
///
/// # Errors
/// [`Error::Server`] where there is none, with the reason.
pub(super) fn ask(server: &str, message: &[u8]) -> Result<Vec<u8>> {
    let has_port = server.parse::<std::net::SocketAddr>().is_ok()
        || server
            .rsplit_once(':')
            .is_some_and(|(host, _)| !host.contains(':'));
    let at = if has_port {
        server.to_owned()
    } else if server.contains(':') {
        format!("[{server}]:53")
    } else {
        format!("{server}:53")
    };
    let asked = || -> std::io::Result<Vec<u8>> {
        let address = at.to_socket_addrs()?.next();
        let address = address.ok_or_else(|| std::io::Error::other("its name has no address"))?;
        let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
        stream.write_all(&[length.to_be_bytes().as_slice(), message].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    asked().map_err(|error| Error::Server {
        server: at.clone(),
        message: format!("gives no answer: {error}"),
        hint: "is it the primary server of the zone, and does it speak TCP?".to_owned(),
    })
}
