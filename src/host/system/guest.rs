//! One who comes to a port of ours: heard for a limited time, and no further than the head of a request goes.

use std::{
    io::{self, Read},
    net::TcpStream,
    time::Duration,
};

use super::limited::{Limit, Limited};

/// The longest that a connection may take as a whole, until its answer is sent.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

/// The most that the head of a request may be.
const MOST_HEAD: usize = 64 << 10;

/// How long one who got an answer, or an alert, is waited for in all, so that no reset takes it away.
const FAREWELL: Duration = Duration::from_secs(1);

/// The head of a request (RFC 9112).
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    /// How many bytes of its body are still to come.
    pub(super) left: usize,
}

/// Takes a connection, which ends when [`LONGEST`] is over.
pub(super) fn welcome(stream: TcpStream) -> io::Result<Limited> {
    stream.set_nonblocking(false)?;
    Ok(Limited::new(stream, Limit::new(LONGEST)))
}

/// Ends a connection so that what was said last arrives.
pub(super) fn part(mut guest: Limited) -> io::Result<()> {
    guest.hush(Limit::new(FAREWELL))?;
    let (mut buffer, mut total) = ([0; 4 << 10], 0);
    while total < MOST_HEAD {
        match guest.read(&mut buffer)? {
            0 => break,
            got => total += got,
        }
    }
    Ok(())
}

/// Reads the head of a request; the error says what came instead.
pub(super) fn head(stream: &mut impl Read) -> Result<Head, &'static str> {
    let (mut heard, mut piece) = (Vec::new(), [0; 16 << 10]);
    while heard.len() <= MOST_HEAD {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return Err("sent no request"),
            Ok(got) => heard.extend_from_slice(&piece[..got]),
        }
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = request.parse(&heard).map_err(|_| "spoke no HTTP")?;
        if let httparse::Status::Complete(length) = parsed {
            let body = (request.headers.iter())
                .find(|field| field.name.eq_ignore_ascii_case("content-length"))
                .and_then(|field| std::str::from_utf8(field.value).ok()?.trim().parse().ok());
            return Ok(Head {
                method: request.method.unwrap_or_default().to_owned(),
                path: request.path.unwrap_or_default().to_owned(),
                left: body.unwrap_or(0_usize).saturating_sub(heard.len() - length),
            });
        }
    }
    Err("sent no request that ends")
}
