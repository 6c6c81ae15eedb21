//! What a DER body is, told by its outline alone: labels and file names are not asked.

use super::der;

/// What a DER body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Certificate,
    Key,
    EncryptedKey,
    Store,
    Bundle7,
    Request,
    PublicKey,
    Parameters,
    RevocationList,
    Unknown,
}

impl Shape {
    /// Says in a word or two what it is.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Key => "private key",
            Self::EncryptedKey => "encrypted private key",
            Self::Store => "PKCS#12 store",
            Self::Bundle7 => "PKCS#7 bundle",
            Self::Request => "certificate request",
            Self::PublicKey => "public key",
            Self::Parameters => "key parameters",
            Self::RevocationList => "revocation list",
            Self::Unknown => "something unknown",
        }
    }
}

/// Tells what a DER body is by its outline.
pub(super) fn shape(bytes: &[u8]) -> Shape {
    let Some((whole, _)) = der::first(bytes) else {
        return Shape::Unknown;
    };
    if whole.tag == der::OID {
        return Shape::Parameters;
    }
    let Some(parts) = whole.children().filter(|_| whole.tag == der::SEQUENCE) else {
        return Shape::Unknown;
    };
    let tags: Vec<u8> = parts.iter().map(|p| p.tag).collect();
    match tags.as_slice() {
        [der::SEQUENCE, der::SEQUENCE, der::BITS, ..] => signed_shape(&parts[0]),
        [der::SEQUENCE, der::BITS] => Shape::PublicKey,
        [der::SEQUENCE, der::OCTETS] => Shape::EncryptedKey,
        [der::OID, 0xa0] => Shape::Bundle7,
        [der::INTEGER, der::SEQUENCE, der::OCTETS, ..] | [der::INTEGER, der::OCTETS, ..] => {
            Shape::Key
        }
        [der::INTEGER, der::SEQUENCE, ..] if parts[0].small() == Some(3) => Shape::Store,
        [der::INTEGER, der::INTEGER, ..] if parts.len() >= 9 => Shape::Key,
        [der::INTEGER, der::INTEGER, ..] => Shape::Parameters,
        _ => Shape::Unknown,
    }
}

/// Tells certificates (RFC 5280), requests (RFC 2986) and revocation lists apart by what is signed.
fn signed_shape(signed: &der::Tlv<'_>) -> Shape {
    let Some(parts) = signed.children() else {
        return Shape::Unknown;
    };
    let tags: Vec<u8> = parts.iter().map(|p| p.tag).collect();
    let rest = match tags.as_slice() {
        [0xa0, rest @ ..] => rest,
        tags => tags,
    };
    match rest {
        [
            der::INTEGER,
            der::SEQUENCE,
            der::SEQUENCE,
            der::SEQUENCE,
            ..,
        ] => Shape::Certificate,
        [der::INTEGER, der::SEQUENCE, der::SEQUENCE, 0xa0]
        | [der::INTEGER, der::SEQUENCE, der::SEQUENCE] => Shape::Request,
        [der::INTEGER, der::SEQUENCE, der::SEQUENCE, 0x17 | 0x18, ..]
        | [der::SEQUENCE, der::SEQUENCE, 0x17 | 0x18, ..] => Shape::RevocationList,
        _ => Shape::Unknown,
    }
}
