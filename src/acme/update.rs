//! DNS updates (RFC 2136) that are signed (TSIG, RFC 8945): bytes, and what the answer says. Pure.

use aws_lc_rs::hmac;

use crate::{
    error::{Error, Result},
    state::Bytes,
};

/// Types and classes (RFC 1035 section 3.2, RFC 2136 section 2, RFC 8945 section 4.2).
const SOA: u16 = 6;
const TXT: u16 = 16;
const TSIG: u16 = 250;
const IN: u16 = 1;
const NONE: u16 = 254;
const ANY: u16 = 255;

/// How many seconds two clocks may differ by (RFC 8945 section 10).
const FUDGE: u16 = 300;

/// How long a record may be kept by others, in seconds.
const TTL: u32 = 60;

/// What rcodes say (RFC 1035 section 4.1.1, RFC 2136 section 2.2), by number.
const CODES: [&str; 11] = [
    "done", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE",
];

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
        let secret = after("secret").and_then(super::request::decode);
        let name = after("key").ok_or_else(|| wrong("names no key"))?;
        Ok(Self {
            name: name.to_lowercase(),
            algorithm,
            secret: secret.ok_or_else(|| wrong("holds no secret in base64"))?,
        })
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let kind = if self.algorithm == "hmac-sha512" {
            hmac::HMAC_SHA512
        } else {
            hmac::HMAC_SHA256
        };
        let key = hmac::Key::new(kind, self.secret.reveal());
        hmac::sign(&key, bytes).as_ref().to_vec()
    }
}

/// A TXT record that is added or removed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// Its owner.
    pub(super) name: &'a str,
    /// Its one string.
    pub(super) value: &'a str,
    /// Whether it is added.
    pub(super) added: bool,
}

/// Returns the message that changes one record of a zone, signed at a time in seconds since the epoch.
pub(super) fn message(id: u16, zone: &str, record: Record<'_>, key: &Key, now: i64) -> Vec<u8> {
    let mut out = Vec::new();
    // Opcode 5; one zone, no prerequisite, one update, nothing more.
    for word in [id, 5 << 11, 1, 0, 1, 0] {
        out.extend(word.to_be_bytes());
    }
    name(&mut out, zone);
    words(&mut out, &[SOA, IN]);
    name(&mut out, record.name);
    // One record is deleted by class NONE (RFC 2136 section 2.5.4).
    let (class, ttl) = if record.added { (IN, TTL) } else { (NONE, 0) };
    words(&mut out, &[TXT, class]);
    out.extend(ttl.to_be_bytes());
    let text: Vec<u8> = record.value.bytes().take(255).collect();
    words(&mut out, &[length(&text) + 1]);
    out.extend(length(&text).to_be_bytes().last());
    out.extend(&text);

    // What is signed besides (RFC 8945 section 4.3.3).
    let mut signed = out.clone();
    name(&mut signed, &key.name);
    words(&mut signed, &[ANY, 0, 0]);
    let mut timers = Vec::new();
    name(&mut timers, key.algorithm);
    timers.extend(&now.to_be_bytes()[2..]);
    words(&mut timers, &[FUDGE]);
    signed.extend(&timers);
    words(&mut signed, &[0, 0]);
    let mac = key.sign(&signed);

    name(&mut out, &key.name);
    words(&mut out, &[TSIG, ANY, 0, 0]);
    words(&mut timers, &[length(&mac)]);
    timers.extend(&mac);
    words(&mut timers, &[id, 0, 0]);
    words(&mut out, &[length(&timers)]);
    out.extend(&timers);
    // One more record than the head said so far.
    out[11] = 1;
    out
}

/// Returns what an answer says: nothing where it is done, else the name of its rcode.
pub(super) fn answer(id: u16, reply: &[u8]) -> Option<&'static str> {
    let is_ours = reply.len() >= 12 && reply[..2] == id.to_be_bytes() && reply[2] & 0x80 != 0;
    if !is_ours {
        return Some("no answer to this");
    }
    let code = usize::from(reply[3] & 0x0f);
    (code != 0).then(|| CODES.get(code).copied().unwrap_or("an unknown refusal"))
}

/// Returns the zones that a name may be in, the nearest first: one of its own, as of a name that is delegated, and one of a
/// single label, as of a private network, among them.
pub(super) fn zones(name: &str) -> Vec<String> {
    let labels: Vec<&str> = name.split('.').collect();
    let tops = 0..labels.len();
    tops.map(|from| labels[from..].join(".")).collect()
}

/// Writes a name, in lower case and without compression, as what is signed needs it.
fn name(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label: Vec<u8> = label.to_lowercase().bytes().take(63).collect();
        out.extend(length(&label).to_be_bytes().last());
        out.extend(&label);
    }
    out.push(0);
}

fn words(out: &mut Vec<u8>, words: &[u16]) {
    for word in words {
        out.extend(word.to_be_bytes());
    }
}

fn length(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}
