//! One who comes to a port of ours: heard for a limited time, and no further than the head of a request goes.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge where sockets and their clock are used"
)]

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

/// The longest that a connection may take as a whole, until its answer is sent.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

/// The most that the head of a request may be.
const MOST_HEAD: usize = 64 << 10;

/// How long one who got an answer, or an alert, is waited for in all, so that no reset takes it away.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that ends at a time, however little of it comes at once.
#[derive(Debug)]
pub(super) struct Guest {
    stream: TcpStream,
    end: Instant,
}

/// The head of a request (RFC 9112).
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    /// How many bytes of its body are still to come.
    pub(super) left: usize,
}

impl Guest {
    /// Takes a connection, which ends when [`LONGEST`] is over.
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        Ok(Self {
            stream,
            end: Instant::now() + LONGEST,
        })
    }

    /// Returns how long it may wait now.
    fn patience(&self) -> io::Result<Option<Duration>> {
        match self.end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }

    /// Ends a connection so that what was said last arrives.
    pub(super) fn part(mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.end = Instant::now() + FAREWELL;
        let (mut buffer, mut total) = ([0; 4 << 10], 0);
        while total < MOST_HEAD {
            match self.read(&mut buffer)? {
                0 => break,
                got => total += got,
            }
        }
        Ok(())
    }
}

/// A limit that was reached in the middle of a step is told as one that was reached before it.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
        _ => error,
    }
}

impl Read for Guest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.patience()?)?;
        self.stream.read(buffer).map_err(told)
    }
}

impl Write for Guest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.patience()?)?;
        self.stream.write(bytes).map_err(told)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
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
