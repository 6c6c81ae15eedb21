//! Limits that hold for the whole of what is waited for, however little of it comes at once.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge where sockets and their clock are used"
)]

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc, Weak,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use super::clock::interrupted;

/// How long one who waits looks away from the end and from signals.
const GLANCE: Duration = Duration::from_millis(200);

/// When a wait ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    end: Instant,
    whole: Duration,
    heeds: bool,
}

impl Limit {
    /// A limit from now on; a signal ends the wait no sooner.
    pub(super) fn new(whole: Duration) -> Self {
        Self {
            end: Instant::now() + whole,
            whole,
            heeds: false,
        }
    }

    /// The same, but a signal that asks this run to stop ends the wait. One that came before does not: what is waited for
    /// then is part of the stopping.
    pub(super) fn heeding(self) -> Self {
        Self {
            heeds: interrupted().is_none(),
            ..self
        }
    }

    /// Returns the time of the end.
    pub(super) fn end(&self) -> Instant {
        self.end
    }

    /// Returns the limit of the first of several steps of the same sort, so that each has its time.
    pub(super) fn share(&self, steps: usize) -> Self {
        let now = Instant::now();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX).max(1);
        let whole = self.end.saturating_duration_since(now) / steps;
        Self {
            end: now + whole,
            whole,
            ..*self
        }
    }

    /// Returns the signal that ended the wait, if one did.
    pub(super) fn signal(&self) -> Option<&'static str> {
        interrupted().filter(|_| self.heeds)
    }

    /// Returns what is left until the end, never nothing: a timeout of zero would mean none at all.
    fn left(&self) -> io::Result<Duration> {
        if let Some(signal) = self.signal() {
            return Err(io::Error::other(format!("interrupted by {signal}")));
        }
        match self.end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(self.late()),
            left => Ok(left),
        }
    }

    fn late(&self) -> io::Error {
        let tenths = (self.whole.as_secs_f32() * 10.0).round() / 10.0;
        let told = format!("no end of it within {tenths} s");
        io::Error::new(ErrorKind::TimedOut, told)
    }

    /// Waits for what has limits of its own alone, as the kernel and the resolver do: what is late goes on unheard. It is
    /// told what is left.
    pub(super) fn hold<T: Send + 'static>(
        &self,
        step: impl FnOnce(Duration) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (done, awaited) = mpsc::channel();
        let left = self.left()?;
        thread::Builder::new().spawn(move || {
            // Nobody may be waiting any more.
            drop(done.send(step(left)));
        })?;
        loop {
            match awaited.recv_timeout(self.left()?.min(GLANCE)) {
                // It ended with what it was told is left, and was quicker to say so; what the kernel gave up has a number.
                Ok(Err(error))
                    if error.kind() == ErrorKind::TimedOut && error.raw_os_error().is_none() =>
                {
                    return Err(self.late());
                }
                Ok(ended) => return ended,
                Err(RecvTimeoutError::Timeout) => {}
                Err(gone @ RecvTimeoutError::Disconnected) => return Err(io::Error::other(gone)),
            }
        }
    }

    /// Tries again until the end what waits for a glance at a time.
    fn glance<T>(&self, mut step: impl FnMut(Duration) -> io::Result<T>) -> io::Result<T> {
        loop {
            match step(self.left()?.min(GLANCE)) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                ended => return ended,
            }
        }
    }
}

/// Connects to the first of several addresses that answers; one that is silent leaves the others their share of the time.
/// Where none does, the error is what became of the last.
pub(super) fn connect(
    addresses: &[SocketAddr],
    limit: Limit,
) -> Result<(Limited, SocketAddr), String> {
    let mut reason = "its name has no address".to_owned();
    for (tried, &address) in addresses.iter().enumerate() {
        let share = limit.share(addresses.len() - tried);
        match share.hold(move |left| TcpStream::connect_timeout(&address, left)) {
            Ok(stream) => return Ok((Limited::new(stream, limit), address)),
            Err(error) => reason = format!("{address}: {error}"),
        }
    }
    Err(reason)
}

/// A connection that ends at a time.
#[derive(Debug)]
pub(super) struct Limited {
    stream: Arc<TcpStream>,
    limit: Limit,
}

impl Limited {
    /// Takes a connection.
    pub(super) fn new(stream: TcpStream, limit: Limit) -> Self {
        Self {
            stream: Arc::new(stream),
            limit,
        }
    }

    /// Returns what another can end the connection by, for as long as it is there.
    pub(super) fn handle(&self) -> Weak<TcpStream> {
        Arc::downgrade(&self.stream)
    }

    /// Says that nothing more is said, and gives the peer another limit.
    pub(super) fn hush(&mut self, limit: Limit) -> io::Result<()> {
        self.limit = limit;
        self.stream.shutdown(Shutdown::Write)
    }
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = &*self.stream;
        self.limit.glance(|wait| {
            stream.set_read_timeout(Some(wait))?;
            stream.read(buffer)
        })
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = &*self.stream;
        self.limit.glance(|wait| {
            stream.set_write_timeout(Some(wait))?;
            stream.write(bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush()
    }
}
