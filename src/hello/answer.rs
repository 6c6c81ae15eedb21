//! What a server answers: a `ServerHello` (RFC 5246 section 7.4.1.3, RFC 8446 section 4.1.3) or an alert.

use super::Version;

/// The most that is read for an answer: a `ServerHello` is a hundred bytes, and comes in the first record.
const MOST_BYTES: usize = 20 << 10;

/// How a server answered an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It chose; a `HelloRetryRequest` tells the same.
    Chose {
        /// Version, as numbered on the wire: [`Version::of`] names it.
        version: u16,
        /// Suite.
        suite: u16,
    },
    /// It refused: the alert's number (RFC 8446 section 6).
    Alert(u8),
}

/// Why bytes are no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("answered with something that is not TLS")]
pub struct Refusal;

/// Reads what has come so far; none where it is the beginning of an answer.
///
/// # Errors
/// [`Refusal`] where it cannot become one.
pub fn read(bytes: &[u8]) -> Result<Option<Answer>, Refusal> {
    let mut rest = Reader(bytes);
    let mut handshake = Vec::new();
    loop {
        if rest.0.is_empty() {
            break;
        }
        // What is there of a header must be one of TLS, so that a peer of another protocol is not waited for.
        let kind = rest.0.first().copied().ok_or(Refusal)?;
        if !matches!(kind, 21 | 22) || rest.0.get(1).is_some_and(|major| *major != 3) {
            return Err(Refusal);
        }
        let Some((_, _, body)) = rest.record() else {
            break;
        };
        match (kind, body) {
            // A warning before the hello (an unrecognised name) is no refusal; the end of the connection (0) is.
            (21, &[1, description]) if description != 0 => {}
            (21, &[_, description]) => return Ok(Some(Answer::Alert(description))),
            (22, body) if !body.is_empty() => handshake.extend_from_slice(body),
            _ => return Err(Refusal),
        }
        if let Some(answer) = server_hello(&handshake)? {
            return Ok(Some(answer));
        }
    }
    if bytes.len() > MOST_BYTES {
        return Err(Refusal);
    }
    Ok(None)
}

fn server_hello(message: &[u8]) -> Result<Option<Answer>, Refusal> {
    let mut message = Reader(message);
    if message.0.first().is_some_and(|kind| *kind != 2) {
        return Err(Refusal);
    }
    let Some(_) = message.take(1) else {
        return Ok(None);
    };
    let Some(length) = message.number(3) else {
        return Ok(None);
    };
    if length > MOST_BYTES {
        return Err(Refusal);
    }
    let Some(body) = message.take(length) else {
        return Ok(None);
    };
    hello(Reader(body)).map(Some).ok_or(Refusal)
}

fn hello(mut body: Reader<'_>) -> Option<Answer> {
    let mut version = body.number(2)?;
    body.take(32)?;
    body.vector(1)?;
    let suite = body.number(2)?;
    body.take(1)?;
    // Without extensions the message may end here.
    if !body.0.is_empty() {
        let mut extensions = Reader(body.vector(2)?);
        while !extensions.0.is_empty() {
            let number = extensions.number(2)?;
            let mut value = Reader(extensions.vector(2)?);
            // supported_versions names the true one.
            if number == 43 {
                version = value.number(2)?;
            }
        }
    }
    Some(Answer::Chose {
        version: u16::try_from(version).ok()?,
        suite: u16::try_from(suite).ok()?,
    })
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self, width: usize) -> Option<usize> {
        let bytes = self.take(width)?;
        Some(bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }

    fn vector(&mut self, width: usize) -> Option<&'b [u8]> {
        let length = self.number(width)?;
        self.take(length)
    }

    /// Takes a whole record: its kind, version and body.
    fn record(&mut self) -> Option<(usize, usize, &'b [u8])> {
        let mut ahead = Reader(self.0);
        let record = (ahead.number(1)?, ahead.number(2)?, ahead.vector(2)?);
        self.0 = ahead.0;
        Some(record)
    }
}

impl Answer {
    /// Returns the version and suite that were chosen; none where it refused, or chose a version that is not TLS.
    #[must_use]
    pub fn chosen(self) -> Option<(Version, u16)> {
        match self {
            Self::Chose { version, suite } => Some((Version::of(version)?, suite)),
            Self::Alert(_) => None,
        }
    }
}
