//! What a backend that is served for proof hears of its clients.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use crate::identity::{Certificate, Identity};

/// One connection to a backend, as far as it came.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// The client.
    pub(crate) from: SocketAddr,
    /// Protocol version, as in "TLS 1.3"; empty where the handshake did not come so far.
    pub(crate) version: String,
    /// The server name that was asked for (RFC 6066 section 3).
    pub(crate) name: Option<String>,
    /// The certificates that were shown, in the order sent, DER.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// Method and path of the request.
    pub(crate) request: Option<(String, String)>,
    /// Why it was not answered.
    pub(crate) refused: Option<String>,
}

/// A backend that demands a client certificate, and answers each request with what it saw.
pub(crate) struct Backend {
    /// Where it listens; port 0 is any that is free.
    pub(crate) listen: SocketAddr,
    /// What it presents.
    pub(crate) identity: Identity,
    /// Whose clients are accepted; none: whoever holds the key of a leaf.
    pub(crate) trusted: Option<Arc<[Certificate]>>,
    /// How long it serves.
    pub(crate) limit: Duration,
    /// What it says of a connection: the body of the answer. Called from the thread of the connection, once.
    pub(crate) say: Box<dyn Fn(&Visit) -> String + Send + Sync>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.listen)
    }
}
