//! What is said in the clear before a handshake: a script for each protocol, and the machine that follows it.

use std::fmt;

use super::{
    Protocol,
    replies::{self, Heard},
};

/// The most that a peer may say before its handshake: the longest, a stream's features or a list of capabilities, is a
/// few KiB.
const MOST_BYTES: usize = 64 << 10;

/// One step of a script.
enum Step {
    Say(Vec<u8>),
    Hear(fn(&[u8]) -> Heard),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Send these bytes, and hear again.
    Say(Vec<u8>),
    /// Read what the peer says.
    Listen,
    /// The next byte in either direction is TLS.
    Handshake,
}

/// Why a peer will not come to a handshake, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It does not offer TLS; its answer.
    Unwilling(String),
    /// It does not speak the protocol; how it began.
    Foreign(String),
    /// It said more than its answer before the handshake: what somebody on the way put there would pass for protected
    /// (CVE-2011-0411, CVE-2021-23222).
    Injected(usize),
    /// It said more than any preamble can hold.
    TooMuch,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwilling(said) => write!(f, "does not offer TLS: it answered `{said}`"),
            Self::Foreign(said) => write!(f, "does not speak this protocol: it said `{said}`"),
            Self::Injected(length) => {
                write!(
                    f,
                    "sent {length} bytes after an answer, before the handshake"
                )
            }
            Self::TooMuch => f.write_str("sent more than a preamble can hold"),
        }
    }
}

/// A conversation in the clear that ends where TLS begins.
#[derive(Debug)]
pub struct Dialogue {
    steps: std::vec::IntoIter<Step>,
    hearing: Option<fn(&[u8]) -> Heard>,
    heard: Vec<u8>,
    total: usize,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Say(_) => "Say",
            Self::Hear(_) => "Hear",
        })
    }
}

impl Dialogue {
    /// Begins the conversation of a protocol with the server of `name`.
    #[must_use]
    pub fn new(protocol: Protocol, name: &str) -> Self {
        Self {
            steps: script(protocol, name).into_iter(),
            hearing: None,
            heard: Vec::new(),
            total: 0,
        }
    }

    /// Takes what the peer said since the last turn, which may be nothing or half an answer, and says what is next.
    ///
    /// # Errors
    /// [`Refusal`] where there can be no handshake.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<Turn, Refusal> {
        self.total += bytes.len();
        if self.total > MOST_BYTES {
            return Err(Refusal::TooMuch);
        }
        self.heard.extend_from_slice(bytes);
        loop {
            if let Some(reader) = self.hearing {
                match reader(&self.heard) {
                    Heard::Part => return Ok(Turn::Listen),
                    Heard::Unwilling(said) => return Err(Refusal::Unwilling(said)),
                    Heard::Foreign(said) => return Err(Refusal::Foreign(said)),
                    Heard::Whole(length) => {
                        self.heard.drain(..length);
                        self.hearing = None;
                    }
                }
            }
            if !self.heard.is_empty()
                && !matches!(self.steps.as_slice().first(), Some(Step::Hear(_)))
            {
                return Err(Refusal::Injected(self.heard.len()));
            }
            match self.steps.next() {
                Some(Step::Say(bytes)) => return Ok(Turn::Say(bytes)),
                Some(Step::Hear(reader)) => self.hearing = Some(reader),
                None => return Ok(Turn::Handshake),
            }
        }
    }
}

/// `LDAPMessage` 1, `ExtendedRequest` of 1.3.6.1.4.1.1466.20037 (RFC 4511 sections 4.12 and 4.14.1), in BER.
const LDAP_STARTTLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// Length 8, then the code 80877103 that stands where a version would.
const POSTGRES_SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];

/// Length 32, sequence 1; `CLIENT_PROTOCOL_41`, `CLIENT_SSL` and `CLIENT_SECURE_CONNECTION`; packets to 16 MiB, UTF-8.
const MYSQL_SSL_REQUEST: [u8; 13] = [32, 0, 0, 1, 0, 0x8a, 0, 0, 0, 0, 0, 1, 33];

fn script(protocol: Protocol, name: &str) -> Vec<Step> {
    let say = |text: &str| Step::Say(text.as_bytes().to_vec());
    match protocol {
        Protocol::Direct => Vec::new(),
        Protocol::Ftp => vec![
            Step::Hear(|b| replies::numbered(b, "220")),
            say("AUTH TLS\r\n"),
            Step::Hear(|b| replies::numbered(b, "234")),
        ],
        Protocol::Imap => vec![
            Step::Hear(|b| replies::begun(b, "* OK", &["* "], "")),
            say("c1 STARTTLS\r\n"),
            Step::Hear(|b| replies::begun(b, "c1 OK", &["c1 "], "* ")),
        ],
        Protocol::Ldap => vec![Step::Say(LDAP_STARTTLS.to_vec()), Step::Hear(replies::ldap)],
        Protocol::Mysql => {
            let mut request = MYSQL_SSL_REQUEST.to_vec();
            request.resize(36, 0);
            vec![Step::Hear(replies::mysql), Step::Say(request)]
        }
        Protocol::Nntp => vec![
            Step::Hear(|b| replies::numbered(b, "20")),
            say("STARTTLS\r\n"),
            Step::Hear(|b| replies::numbered(b, "382")),
        ],
        Protocol::Pop3 => vec![
            Step::Hear(|b| replies::begun(b, "+OK", &["-ERR"], "")),
            say("STLS\r\n"),
            Step::Hear(|b| replies::begun(b, "+OK", &["-ERR"], "")),
        ],
        Protocol::Postgres => vec![
            Step::Say(POSTGRES_SSL_REQUEST.to_vec()),
            Step::Hear(replies::postgres),
        ],
        Protocol::Sieve => vec![
            Step::Hear(|b| replies::begun(b, "OK", &["NO", "BYE"], "\"")),
            say("STARTTLS\r\n"),
            Step::Hear(|b| replies::begun(b, "OK", &["NO", "BYE"], "")),
        ],
        Protocol::Smtp => vec![
            Step::Hear(|b| replies::numbered(b, "220")),
            say("EHLO certroll.invalid\r\n"),
            Step::Hear(|b| replies::numbered(b, "250")),
            say("STARTTLS\r\n"),
            Step::Hear(|b| replies::numbered(b, "220")),
        ],
        Protocol::Xmpp => vec![
            say(&format!(
                "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' \
                 xmlns:stream='http://etherx.jabber.org/streams'>",
                replies::escaped(name)
            )),
            Step::Hear(replies::features),
            say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            Step::Hear(replies::proceed),
        ],
    }
}
