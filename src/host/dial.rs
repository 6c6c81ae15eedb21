//! What is asked of the network, and what a peer presents.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::{identity::Identity, peer::Accept, starttls::Protocol};

/// One connection to a TLS endpoint.
#[derive(Debug, Clone)]
pub struct Dial {
    /// Address and port.
    pub address: SocketAddr,
    /// What comes before the handshake.
    pub protocol: Protocol,
    /// Name of the peer, as the preamble says it where it needs one.
    pub name: String,
    /// Server name to send, where it is a DNS name (RFC 6066 section 3); none is sent where there is none.
    pub sni: Option<String>,
    /// Which leaves are accepted.
    pub accept: Accept,
    /// Leaf, chain and key to show where a client certificate is asked for.
    pub client: Option<Arc<Identity>>,
    /// The longest it may take as a whole.
    pub limit: Duration,
}

impl Dial {
    /// A connection that only looks: any leaf is accepted, the name is sent, and no client certificate is shown.
    #[must_use]
    pub fn new(address: SocketAddr, protocol: Protocol, name: &str, limit: Duration) -> Self {
        Self {
            address,
            protocol,
            name: name.to_owned(),
            sni: Some(name.to_owned()),
            accept: Accept::Any,
            client: None,
            limit,
        }
    }
}

/// What a TLS endpoint presented.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presented {
    /// Certificates in the order sent, DER.
    pub certificates: Vec<Vec<u8>>,
    /// Protocol version, as in "TLS 1.3"; empty where the handshake broke, after the certificates came, before the peer had
    /// shown by a signature that it holds the key of an accepted leaf.
    pub version: String,
    /// Whether a client certificate was asked for: the CAs that were named, as in `CN=ca`, none where any will do.
    pub asked: Option<Vec<String>>,
    /// Why the peer broke off after that, as TLS 1.3 lets it after the handshake (RFC 8446 section 4.4.2.4).
    pub refusal: Option<String>,
}
