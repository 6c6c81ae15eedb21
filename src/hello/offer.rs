//! The `ClientHello` (RFC 5246 section 7.4.1.2, RFC 8446 section 4.1.2).

use super::Version;

/// What is offered to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<'o> {
    /// The highest version; TLS 1.3 is offered alone, the older ones as all up to it.
    pub version: Version,
    /// Suites, the most wanted first.
    pub suites: &'o [u16],
    /// Server name (RFC 6066 section 3); none is sent where there is none.
    pub sni: Option<&'o str>,
    /// 32 bytes that nobody else sends.
    pub random: [u8; 32],
}

/// x25519, the three NIST curves of certificates, and the finite fields of RFC 7919.
const GROUPS: [u16; 6] = [0x001d, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101];

/// RSA-PSS, ECDSA, Ed25519, Ed448 and RSA, with SHA-1 and DSA at the end: a server with an old leaf shall answer too.
const SIGNATURES: [u16; 17] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x0804, 0x0805, 0x0806, 0x0401,
    0x0501, 0x0601, 0x0203, 0x0201, 0x0202,
];

/// The base point of x25519 (RFC 7748 section 4.1): a public key as good as any for a connection that ends here.
const SHARE: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 9;
    point
};

/// Says that renegotiation is secure (RFC 5746 section 3.3); it is no suite.
const SECURE_RENEGOTIATION: u16 = 0x00ff;

impl Offer<'_> {
    /// Returns the record to send: a few hundred bytes.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let is_13 = self.version == Version::Tls13;
        let mut body = Vec::with_capacity(512);
        body.extend(self.version.min(Version::Tls12).code().to_be_bytes());
        body.extend(self.random);
        // A session id makes middleboxes take TLS 1.3 for a resumption (RFC 8446 appendix D.4).
        let session: &[u8] = if is_13 { &self.random } else { &[] };
        vector(&mut body, 1, session);
        let mut suites = numbers(self.suites);
        if !is_13 {
            suites.extend(SECURE_RENEGOTIATION.to_be_bytes());
        }
        vector(&mut body, 2, &suites);
        // No compression.
        vector(&mut body, 1, &[0]);
        vector(&mut body, 2, &self.extensions(is_13));
        let mut message = vec![1];
        vector(&mut message, 3, &body);
        let mut record = vec![22, 3, 1];
        vector(&mut record, 2, &message);
        record
    }

    fn extensions(&self, is_13: bool) -> Vec<u8> {
        let mut all = Vec::new();
        if let Some(name) = self.sni {
            let mut entry = vec![0];
            vector(&mut entry, 2, name.as_bytes());
            extension(&mut all, 0, &listed(2, &entry));
        }
        extension(&mut all, 10, &listed(2, &numbers(&GROUPS)));
        // Points are not compressed (RFC 8422 section 5.1.2).
        extension(&mut all, 11, &[1, 0]);
        // TLS 1.0 and 1.1 know no such extension.
        if self.version >= Version::Tls12 {
            extension(&mut all, 13, &listed(2, &numbers(&SIGNATURES)));
        }
        if is_13 {
            extension(&mut all, 43, &listed(1, &numbers(&[Version::Tls13.code()])));
            let mut share = numbers(&GROUPS[..1]);
            vector(&mut share, 2, &SHARE);
            extension(&mut all, 51, &listed(2, &share));
        }
        all
    }
}

fn extension(all: &mut Vec<u8>, number: u16, body: &[u8]) {
    all.extend(number.to_be_bytes());
    vector(all, 2, body);
}

fn listed(width: usize, bytes: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    vector(&mut list, width, bytes);
    list
}

/// Appends bytes behind their length, which is itself of 1 to 3 bytes.
fn vector(out: &mut Vec<u8>, width: usize, bytes: &[u8]) {
    let length = bytes.len().to_be_bytes();
    out.extend(&length[length.len() - width..]);
    out.extend(bytes);
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}
