//! One message to a DNS server and its answer, over TCP (RFC 7766).

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, ToSocketAddrs as _},
    time::Duration,
};

use super::limited::{Limit, connect};
use crate::error::{Error, Result};

/// The longest that a question may take, from its server's name to the end of the answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Sends a message to a server, `HOST` or `HOST:PORT`, and returns its answer.
///
/// # Errors
/// [`Error::Server`] where there is none, with the reason.
pub(super) fn ask(server: &str, message: &[u8]) -> Result<Vec<u8>> {
    // An update that may have been made is waited for, as a command is.
    within(Limit::new(LIMIT), server, message)
}

fn within(limit: Limit, server: &str, message: &[u8]) -> Result<Vec<u8>> {
    let has_port = server.parse::<SocketAddr>().is_ok()
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
    let name = at.clone();
    let found = limit.hold(move |_| Ok(name.to_socket_addrs()?.collect::<Vec<_>>()));
    let answer = found.and_then(|addresses| said(limit, &addresses, message));
    answer.map_err(|error| Error::Server {
        server: at.clone(),
        message: format!("gives no answer: {error}"),
        hint: "is it the primary server of the zone, and does it speak TCP?".to_owned(),
    })
}

/// Returns what is answered at the first of several addresses that takes the connection.
fn said(limit: Limit, addresses: &[SocketAddr], message: &[u8]) -> io::Result<Vec<u8>> {
    let (mut stream, _) = connect(addresses, limit).map_err(io::Error::other)?;
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[length.to_be_bytes().as_slice(), message].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "somebody answers here, or nobody"
)]
mod tests {
    use std::{net::TcpListener, thread, time::Instant};

    use super::*;
    use crate::demo::port::Port;

    #[test]
    fn an_answer_that_comes_byte_by_byte_is_waited_for_no_longer_than_the_limit() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The beginning of an answer of 65535 bytes.
            for _ in 0..100 {
                if stream.write_all(&[0xff]).is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(100));
            }
        });
        let start = Instant::now();
        let limit = Limit::new(Duration::from_millis(700));
        let error = within(limit, &server, b"question").unwrap_err();
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(
            error.to_string(),
            format!("`{server}` gives no answer: no end of it within 0.7 s")
        );
    }

    #[test]
    fn a_server_with_an_address_where_nobody_answers_is_asked_at_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let gone = Port::hold().unwrap();
        let gone = SocketAddr::from(([127, 0, 0, 1], gone.number()));
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 10]).unwrap();
            stream.write_all(b"\x00\x06answer").unwrap();
        });
        let all = [gone, alive];
        let answer = said(Limit::new(LIMIT), &all, b"question").unwrap();
        assert_eq!(answer, b"answer");
    }
}
