//! What is asked of a server of the web, which is known by its name and its chain to a trust anchor, and what stands for a
//! moment to be asked by others.

use std::{collections::BTreeMap, time::Duration};

use crate::state::Bytes;

/// A request to a server whose chain leads to a trust anchor; it changes nothing on this host.
#[derive(Debug, Clone)]
pub struct WebCall {
    /// The method, as in `POST`.
    pub method: String,
    /// Where: `https://`, or `http://` for what anybody may read.
    pub url: String,
    /// Header fields by name.
    pub headers: Vec<(String, String)>,
    /// The body; none where it is empty.
    pub body: Vec<u8>,
    /// Trust anchors, DER, beside those of the host.
    pub anchors: Vec<Vec<u8>>,
    /// The longest it may take.
    pub limit: Duration,
}

/// What a server answered, whatever its status.
#[derive(Debug, Clone, Default)]
pub struct WebReply {
    /// The status, as in 200.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most 1 MiB.
    pub body: Vec<u8>,
}

impl WebReply {
    /// Returns a header field by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What stands on a port for a moment.
#[derive(Debug, Clone)]
pub enum Stand {
    /// Pages of plain HTTP, by path; all others are not found.
    Pages(BTreeMap<String, String>),
    /// A leaf and its key (PKCS#8), DER, shown to who asks for the protocol `acme-tls/1` (RFC 8737), and to nobody else.
    Leaf(Vec<u8>, Bytes),
}

/// Something that stands until it is dropped.
pub trait Standing: std::fmt::Debug {}
