//! Signatures of DNS messages (TSIG, RFC 8945): made, and those of answers verified. Pure.

use aws_lc_rs::hmac;

use super::{
    dns::{Tsig, last, length, wire},
    request::decode,
};
use crate::{
    error::{Error, Result},
    state::Bytes,
};

/// How many seconds two clocks may differ by (RFC 8945 section 10).
const FUDGE: u16 = 300;

/// A key that a server and its clients share.
#[derive(Debug, Clone)]
pub(super) struct Key {
    name: String,
    algorithm: &'static str,
    secret: Bytes,
}

impl Key {
    /// Reads what tsig-keygen(8) and `keymgr -t` of Knot in BIND's form write: `key "NAME" { algorithm A; secret "S"; };`.
    ///
    /// # Errors
    /// [`Error::Input`] where it is not that.
    pub(super) fn read(path: &str, bytes: &Bytes) -> Result<Self> {
        let wrong = |message: &str| Error::Input {
            subject: format!("`{path}`"),
            message: message.to_owned(),
            hint: "write it as `tsig-keygen NAME` does".to_owned(),
        };
        let text = std::str::from_utf8(bytes.reveal()).map_err(|_| wrong("is no text"))?;
        let words: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || "{};\"".contains(c))
            .filter(|word| !word.is_empty())
            .collect();
        let after = |what: &str| {
            let at = words.iter().position(|word| *word == what)?;
            words.get(at + 1).copied()
        };
        let algorithm = match after("algorithm").map(str::to_lowercase).as_deref() {
            Some("hmac-sha256") => "hmac-sha256",
            Some("hmac-sha512") => "hmac-sha512",
            _ => return Err(wrong("names no algorithm of hmac-sha256 and hmac-sha512")),
        };
        let secret = after("secret").and_then(decode);
        let name = after("key").ok_or_else(|| wrong("names no key"))?;
        Ok(Self {
            name: name.to_lowercase(),
            algorithm,
            secret: secret.ok_or_else(|| wrong("holds no secret in base64"))?,
        })
    }

    fn hmac(&self) -> hmac::Key {
        let kind = if self.algorithm == "hmac-sha512" {
            hmac::HMAC_SHA512
        } else {
            hmac::HMAC_SHA256
        };
        hmac::Key::new(kind, self.secret.reveal())
    }

    /// Signs a message at a time, in seconds since the epoch; returns its MAC, which its answer is signed with as well.
    pub(super) fn sign(&self, message: &mut Vec<u8>, now: i64) -> Vec<u8> {
        let [_, _, time @ ..] = now.to_be_bytes();
        let mut tsig = Tsig {
            name: wire(&self.name),
            algorithm: wire(self.algorithm),
            time,
            fudge: FUDGE,
            id: [message[0], message[1]],
            ..Tsig::default()
        };
        let signed = [message.as_slice(), &tsig.variables()].concat();
        tsig.mac = hmac::sign(&self.hmac(), &signed).as_ref().to_vec();
        message.extend(tsig.record());
        // One more record than the head said so far.
        message[11] += 1;
        tsig.mac
    }

    /// Verifies the answer to a request by the request's MAC (RFC 8945 section 5.3); the error says why it proves nothing.
    pub(super) fn verify(
        &self,
        asked: &[u8],
        answer: &[u8],
        now: i64,
    ) -> std::result::Result<Signed, &'static str> {
        let (start, tsig) = last(answer).ok_or("is cut off")?;
        let Some(tsig) = tsig else {
            return Ok(Signed::Not);
        };
        let is_ours = tsig.name == wire(&self.name) && tsig.algorithm == wire(self.algorithm);
        if tsig.mac.is_empty() {
            // One that cannot sign may say so (RFC 8945 section 5.3.2).
            return match tsig.error {
                0 => Ok(Signed::Not),
                error => Ok(Signed::Refused(named(error))),
            };
        }
        if !is_ours {
            return Err("is signed with another key");
        }
        let mut message = answer[..start].to_vec();
        message[..2].copy_from_slice(&tsig.id);
        let records = u16::from_be_bytes([message[10], message[11]]).saturating_sub(1);
        message[10..12].copy_from_slice(&records.to_be_bytes());
        let signed = [
            &length(asked).to_be_bytes(),
            asked,
            &message,
            &tsig.variables(),
        ]
        .concat();
        hmac::verify(&self.hmac(), &signed, &tsig.mac).map_err(|_| "is signed wrongly")?;
        let mut time = [0; 8];
        time[2..].copy_from_slice(&tsig.time);
        if (now - i64::from_be_bytes(time)).abs() > i64::from(tsig.fudge) {
            return Err("is signed at another time");
        }
        match tsig.error {
            0 => Ok(Signed::Well),
            error => Ok(Signed::Refused(named(error))),
        }
    }
}

/// What the signature of an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// The answer is that of one who knows the key, to this very request.
    Well,
    /// There is none.
    Not,
    /// The request's own was not taken, for this reason.
    Refused(&'static str),
}

/// Names why a signature was not taken (RFC 8945 section 3).
fn named(error: u16) -> &'static str {
    match error {
        16 => "BADSIG",
        17 => "BADKEY",
        18 => "BADTIME",
        22 => "BADTRUNC",
        _ => "an unknown refusal",
    }
}
