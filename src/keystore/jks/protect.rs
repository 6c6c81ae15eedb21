//! How JKS hides keys and seals the whole: SHA-1 over the password, as the provider SUN of every JDK does.

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use zeroize::Zeroizing;

use crate::{identity::der, state::Bytes};

/// The algorithm that the key is said to be encrypted by, 1.3.6.1.4.1.42.2.17.1.1.
const PROTECTOR: &[u8] = &[0x2b, 6, 1, 4, 1, 0x2a, 2, 17, 1, 1];
/// What is hashed between password and content.
const WHITENER: &[u8] = b"Mighty Aphrodite";
/// Bytes of a SHA-1.
pub(super) const DIGEST: usize = 20;

/// A password as Java hashes it: UTF-16, big endian.
pub(super) struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Reads a password in UTF-8.
    pub(super) fn new(bytes: &Bytes) -> Option<Self> {
        let text = std::str::from_utf8(bytes.reveal()).ok()?;
        let mut wide = Zeroizing::new(Vec::with_capacity(2 * bytes.len()));
        for unit in text.encode_utf16() {
            wide.extend_from_slice(&unit.to_be_bytes());
        }
        Some(Self(wide))
    }

    /// Returns the digest of a store's bytes.
    pub(super) fn seal(&self, body: &[u8]) -> Vec<u8> {
        sha1(&[&self.0, WHITENER, body])
    }

    /// Tells whether a store's bytes are those that were sealed with this password.
    pub(super) fn sealed(&self, body: &[u8], digest: &[u8]) -> bool {
        verify_slices_are_equal(&self.seal(body), digest).is_ok()
    }

    /// Hides a PKCS#8 key, as an `EncryptedPrivateKeyInfo` (RFC 5208 section 6).
    pub(super) fn hide(&self, key: &[u8], salt: &[u8; DIGEST]) -> Vec<u8> {
        let hidden = self.stream(key, salt);
        let check = sha1(&[&self.0, key]);
        let algorithm = [&der::write(der::OID, &[PROTECTOR])[..], &[der::NULL, 0]].concat();
        let parts = [
            der::write(der::SEQUENCE, &[&algorithm]),
            der::write(der::OCTETS, &[salt, &hidden, &check]),
        ];
        der::write(der::SEQUENCE, &[&parts[0], &parts[1]]).to_vec()
    }

    /// Returns the PKCS#8 key that was hidden; none where this is not its password, or it was hidden in another way.
    pub(super) fn open(&self, hidden: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (whole, rest) = der::first(hidden)?;
        let parts = whole.children().filter(|_| rest.is_empty())?;
        let [algorithm, body] = parts.as_slice() else {
            return None;
        };
        let named = algorithm.children()?.first()?.value;
        if named != PROTECTOR || body.tag != der::OCTETS {
            return None;
        }
        let (salt, rest) = body.value.split_at_checked(DIGEST)?;
        let (hidden, check) = rest.split_at_checked(rest.len().checked_sub(DIGEST)?)?;
        let key = self.stream(hidden, salt);
        verify_slices_are_equal(&sha1(&[&self.0, &key]), check).ok()?;
        Some(key)
    }

    /// Combines bytes with a stream of digests, each of the password and the one before.
    fn stream(&self, bytes: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(bytes.len()));
        let mut last = Zeroizing::new(salt.to_vec());
        for block in bytes.chunks(DIGEST) {
            *last = sha1(&[&self.0, &last]);
            out.extend(block.iter().zip(last.iter()).map(|(a, b)| a ^ b));
        }
        out
    }
}

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(&Bytes::from(text.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn what_is_hidden_is_opened_by_its_password_alone() {
        for length in [0, 1, 19, 20, 21, 1200] {
            let key = vec![7; length];
            let hidden = password("wüste").hide(&key, &[9; DIGEST]);
            assert_eq!(*password("wüste").open(&hidden).unwrap(), key, "{length}");
            assert!(password("wuste").open(&hidden).is_none());
        }
        assert!(Password::new(&Bytes::from(vec![0xff])).is_none());
    }

    #[test]
    fn what_was_cut_or_hidden_otherwise_is_not_opened() {
        let hidden = password("x").hide(&[1; 40], &[2; DIGEST]);
        for cut in 0..hidden.len() {
            assert!(password("x").open(&hidden[..cut]).is_none(), "{cut}");
        }
        // 39 bytes are less than a salt and a digest.
        for length in [0, 19, 39] {
            let body = der::write(der::OCTETS, &[&vec![0; length]]);
            let oid = der::write(der::OID, &[PROTECTOR]);
            let algorithm = der::write(der::SEQUENCE, &[&oid]);
            let short = der::write(der::SEQUENCE, &[&algorithm, &body]);
            assert!(password("x").open(&short).is_none(), "{length}");
        }
    }
}
