//! DNS updates (RFC 2136) that are signed (TSIG, RFC 8945): bytes, and what the answer says. Pure.

use super::{
    dns::{length, wire, words},
    tsig::{Key, Signed},
};

/// Types and classes (RFC 1035 section 3.2, RFC 2136 section 2).
const SOA: u16 = 6;
const TXT: u16 = 16;
const IN: u16 = 1;
const NONE: u16 = 254;

/// How long a record may be kept by others, in seconds.
const TTL: u32 = 60;

/// What rcodes say (RFC 1035 section 4.1.1, RFC 2136 section 2.2), by number.
const CODES: [&str; 11] = [
    "done", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE",
];

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

/// Returns the message that changes one record of a zone.
pub(super) fn message(id: u16, zone: &str, record: Record<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    // Opcode 5; one zone, no prerequisite, one update, nothing more.
    words(&mut out, &[id, 5 << 11, 1, 0, 1, 0]);
    out.extend(wire(zone));
    words(&mut out, &[SOA, IN]);
    out.extend(wire(record.name));
    // One record is deleted by class NONE (RFC 2136 section 2.5.4).
    let (class, ttl) = if record.added { (IN, TTL) } else { (NONE, 0) };
    words(&mut out, &[TXT, class]);
    out.extend(ttl.to_be_bytes());
    let text: Vec<u8> = record.value.bytes().take(255).collect();
    words(&mut out, &[length(&text) + 1]);
    out.extend(length(&text).to_be_bytes().last());
    out.extend(&text);
    out
}

/// A request that was signed.
pub(super) struct Sent<'a> {
    pub(super) id: u16,
    pub(super) key: &'a Key,
    pub(super) mac: Vec<u8>,
}

impl Sent<'_> {
    /// Returns what an answer says: nothing where it is done, else the name of its rcode. The error says why the answer
    /// proves nothing. Whoever cannot sign may refuse all the same, as a server without such a zone does.
    pub(super) fn answer(
        &self,
        reply: &[u8],
        now: i64,
    ) -> Result<Option<&'static str>, &'static str> {
        let is_ours =
            reply.len() >= 12 && reply[..2] == self.id.to_be_bytes() && reply[2] & 0x80 != 0;
        if !is_ours {
            return Err("is to something else");
        }
        let code = match usize::from(reply[3] & 0x0f) {
            0 => None,
            code => Some(CODES.get(code).copied().unwrap_or("an unknown refusal")),
        };
        match self.key.verify(&self.mac, reply, now)? {
            Signed::Well => Ok(code),
            Signed::Refused(why) => Ok(Some(why)),
            Signed::Not => code.map(Some).ok_or("is not signed"),
        }
    }
}

/// Returns the zones that a name may be in, the nearest first: one of its own, as of a name that is delegated, and one of a
/// single label, as of a private network, among them.
pub(super) fn zones(name: &str) -> Vec<String> {
    let labels: Vec<&str> = name.split('.').collect();
    let tops = 0..labels.len();
    tops.map(|from| labels[from..].join(".")).collect()
}
