//! One HTTP request to a peer, and what came of it.

use super::Dial;
use crate::state::Bytes;

/// A request, secrets included: made where it is sent, and never stored or shown.
#[derive(Debug, Clone)]
pub struct Call {
    /// The connection that carries it; its [`Dial::accept`] decides inside the handshake whether anything is sent.
    pub dial: Dial,
    /// Whether it goes over TLS.
    pub tls: bool,
    /// The method, as in `POST`.
    pub method: String,
    /// The path, from `/`.
    pub path: String,
    /// Name and password (RFC 7617), where it shows any.
    pub login: Option<(String, Bytes)>,
    /// What it carries.
    pub load: Load,
}

/// What a request carries.
#[derive(Debug, Clone, Default)]
pub enum Load {
    /// Nothing.
    #[default]
    Nothing,
    /// A JSON document.
    Json(Bytes),
    /// A JSON document, and its signature as `sha256=` and lower hex: HMAC-SHA-256 of the very bytes, sent in
    /// `X-Certroll-Signature`.
    Signed(Bytes, String),
    /// Files as `multipart/form-data` (RFC 7578), each under its name.
    Form(Vec<(String, Bytes)>),
}

/// What came of a request that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer; never that of another place that it redirects to.
    Answer {
        /// Its status, as in 200.
        status: u16,
        /// Its body as text, at most 64 KiB.
        body: String,
    },
    /// The peer closed the connection without a byte.
    Empty,
    /// The connection broke, or time was up: what the peer made of the request is not known.
    Lost(String),
}
