//! Where TLS is reached: at once, or after a preamble in the clear that asks for it (STARTTLS). Pure.
//!
//! [`Peer::parse`] is the one reader of targets, for `certroll probe` and for profiles; [`Dialogue`] is what is said
//! before the handshake.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, backticked};

mod dialogue;
mod replies;

#[cfg(test)]
mod tests;

pub use dialogue::{Dialogue, Refusal, Turn};

/// How a connection comes to its TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// With the first byte.
    #[default]
    Direct,
    /// FTP, `AUTH TLS` (RFC 4217 section 4).
    Ftp,
    /// IMAP, `STARTTLS` (RFC 9051 section 6.2.1).
    Imap,
    /// LDAP, the extended operation StartTLS (RFC 4511 section 4.14).
    Ldap,
    /// MySQL and MariaDB, `CLIENT_SSL` (`Protocol::SSLRequest` of the client/server protocol).
    Mysql,
    /// NNTP, `STARTTLS` (RFC 4642 section 2.2).
    Nntp,
    /// POP3, `STLS` (RFC 2595 section 4).
    Pop3,
    /// PostgreSQL, `SSLRequest` (PostgreSQL documentation, "SSL Session Encryption" of the message flow).
    Postgres,
    /// ManageSieve, `STARTTLS` (RFC 5804 section 2.2).
    Sieve,
    /// SMTP, `STARTTLS` (RFC 3207 section 4).
    Smtp,
    /// XMPP, `<starttls/>` of a client's stream (RFC 6120 section 5.4).
    Xmpp,
}

/// Schemes of targets, in order: the protocol and its registered port.
const SCHEMES: &[(&str, Protocol, u16)] = &[
    ("https", Protocol::Direct, HTTPS),
    ("ftp", Protocol::Ftp, 21),
    ("imap", Protocol::Imap, 143),
    ("ldap", Protocol::Ldap, 389),
    ("mysql", Protocol::Mysql, 3306),
    ("nntp", Protocol::Nntp, 119),
    ("pop3", Protocol::Pop3, 110),
    ("postgres", Protocol::Postgres, 5432),
    ("sieve", Protocol::Sieve, 4190),
    ("smtp", Protocol::Smtp, 25),
    ("xmpp", Protocol::Xmpp, 5222),
];

/// The port of HTTPS (RFC 9110 section 4.2.2), where a target names none and has no scheme.
const HTTPS: u16 = 443;

impl Protocol {
    /// Returns the scheme of its targets; none for TLS with the first byte.
    #[must_use]
    pub fn scheme(self) -> Option<&'static str> {
        SCHEMES
            .iter()
            .find(|(_, protocol, _)| *protocol == self && self != Self::Direct)
            .map(|(scheme, ..)| *scheme)
    }

    /// Tells whether TLS comes with the first byte.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        *self == Self::Direct
    }
}

/// What a target names: where to connect, by which protocol, and for which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// How its TLS begins.
    pub protocol: Protocol,
    /// Host name or address, without brackets.
    pub name: String,
    /// Port.
    pub port: u16,
}

impl Peer {
    /// Reads a target: `host:port`, `host` (443), `[address]:port`, or `SCHEME://host[:port]` as `smtp://host:587`.
    ///
    /// # Errors
    /// [`Error::Usage`] where it is none of the forms; its hint lists them, or the known schemes.
    pub fn parse(target: &str) -> Result<Self> {
        let refuse = |message: String| Error::Usage {
            message,
            hint: "a target is `host:port`, `host`, `[address]:port` or `smtp://host:port`"
                .to_owned(),
        };
        let (protocol, default, place) = match target.split_once("://") {
            None => (Protocol::Direct, HTTPS, target),
            Some((scheme, rest)) => {
                let known = SCHEMES.iter().find(|(name, ..)| *name == scheme);
                let (_, protocol, port) = known.ok_or_else(|| unknown(scheme, target))?;
                let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
                (*protocol, *port, place)
            }
        };
        let (name, port) = split(place);
        let port = match port {
            None => default,
            Some(text) => match text.parse() {
                Ok(0) | Err(_) => {
                    return Err(refuse(format!("`{target}` has no port from 1 to 65535")));
                }
                Ok(port) => port,
            },
        };
        let odd =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '[' | ']');
        if name.is_empty() || name.contains(odd) {
            return Err(refuse(format!("`{target}` has no host name")));
        }
        Ok(Self {
            protocol,
            name: name.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.protocol.scheme() {
            write!(f, "{scheme}://")?;
        }
        let (name, port) = (&self.name, self.port);
        if name.contains(':') {
            write!(f, "[{name}]:{port}")
        } else {
            write!(f, "{name}:{port}")
        }
    }
}

/// Takes `host`, `host:port`, `[address]`, `[address]:port` or a bare IPv6 address apart.
fn split(place: &str) -> (&str, Option<&str>) {
    if place.parse::<std::net::Ipv6Addr>().is_ok() {
        return (place, None);
    }
    match place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((name, "")) => (name, None),
        Some((name, rest)) => (name, rest.strip_prefix(':').or(Some(""))),
        None => place
            .split_once(':')
            .map_or((place, None), |(name, port)| (name, Some(port))),
    }
}

fn unknown(scheme: &str, target: &str) -> Error {
    let known: Vec<String> = SCHEMES
        .iter()
        .map(|(name, ..)| (*name).to_owned())
        .collect();
    Error::Usage {
        message: format!("unknown scheme `{scheme}` in `{target}`"),
        hint: format!(
            "known are {}; TLS with the first byte is `host:port`",
            backticked(&known)
        ),
    }
}
