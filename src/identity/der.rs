//! The little of DER (X.690) that tells the forms of keys apart and rewrites one as another.

use zeroize::Zeroizing;

/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// BIT STRING.
pub(crate) const BITS: u8 = 0x03;
/// OCTET STRING.
pub(crate) const OCTETS: u8 = 0x04;
/// NULL.
pub(crate) const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER.
pub(crate) const OID: u8 = 0x06;
/// SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;

/// Elements that one sequence may hold: a certificate or key has fewer than twenty, a PKCS#12 store some dozens.
const MOST_ELEMENTS: usize = 4096;

/// One element.
#[derive(Clone, Copy)]
pub(crate) struct Tlv<'a> {
    /// Tag byte; long tags are not read.
    pub(crate) tag: u8,
    /// Contents.
    pub(crate) value: &'a [u8],
    /// Tag, length and contents.
    pub(crate) whole: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// Returns the elements inside, where this is a sequence or set or context tag of such.
    pub(crate) fn children(&self) -> Option<Vec<Self>> {
        if self.tag & 0x20 == 0 {
            return None;
        }
        elements(self.value)
    }

    /// Returns an INTEGER's magnitude without leading zeros.
    pub(crate) fn integer(&self) -> Option<&'a [u8]> {
        (self.tag == INTEGER).then(|| strip_zeros(self.value))
    }

    /// Returns a small INTEGER.
    pub(crate) fn small(&self) -> Option<u64> {
        let bytes = self.integer()?;
        (bytes.len() <= 8).then(|| bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
    }
}

/// Removes the zeros that DER puts before a magnitude.
pub(crate) fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    &bytes[start..]
}

/// Reads the first element, and returns it with what follows.
pub(crate) fn first(bytes: &[u8]) -> Option<(Tlv<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&short, mut rest) = rest.split_first()?;
    let length = if short < 0x80 {
        usize::from(short)
    } else {
        let count = usize::from(short & 0x7f);
        // Zero is the indefinite length of BER; four bytes are 4 GiB.
        if count == 0 || count > 4 || rest.len() < count {
            return None;
        }
        let (digits, after) = rest.split_at(count);
        rest = after;
        digits.iter().fold(0, |n, d| n << 8 | usize::from(*d))
    };
    if rest.len() < length {
        return None;
    }
    let (value, after) = rest.split_at(length);
    let whole = &bytes[..bytes.len() - after.len()];
    Some((Tlv { tag, value, whole }, after))
}

/// Reads elements until nothing is left.
pub(crate) fn elements(mut bytes: &[u8]) -> Option<Vec<Tlv<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tlv, rest) = first(bytes)?;
        if found.len() == MOST_ELEMENTS {
            return None;
        }
        found.push(tlv);
        bytes = rest;
    }
    Some(found)
}

/// Writes one element from the parts of its contents.
pub(crate) fn write(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|p| p.len()).sum();
    // The capacity is exact enough that no copy of a key is left behind by growth.
    let mut out = Zeroizing::new(Vec::with_capacity(length + 10));
    out.push(tag);
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap_or_default());
    } else {
        let digits = length.to_be_bytes();
        let digits = strip_zeros(&digits);
        out.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
        out.extend_from_slice(digits);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Writes an INTEGER from a magnitude.
pub(crate) fn write_integer(magnitude: &[u8]) -> Zeroizing<Vec<u8>> {
    let magnitude = strip_zeros(magnitude);
    match magnitude.first() {
        Some(top) if *top < 0x80 => write(INTEGER, &[magnitude]),
        Some(_) | None => write(INTEGER, &[&[0], magnitude]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let contents = vec![7; length];
            let der = write(OCTETS, &[&contents]);
            let (tlv, rest) = first(&der).unwrap();
            assert_eq!((tlv.tag, tlv.value, rest.len()), (OCTETS, &contents[..], 0));
        }
        assert_eq!(*write_integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(*write_integer(&[]), [2, 1, 0]);
    }

    #[test]
    fn cut_and_boundless_elements_are_refused() {
        for bytes in [
            &[0x30u8][..],
            &[0x30, 0x80],
            &[0x30, 5, 1],
            &[0x30, 0x85, 1, 1, 1, 1, 1],
            &[0x1f, 1, 1],
        ] {
            assert!(first(bytes).is_none(), "{bytes:?}");
        }
    }
}
