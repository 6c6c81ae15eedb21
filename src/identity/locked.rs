//! Encrypted keys and stores: opened where the format allows, and refused with the way out where not.

use p12_keystore::{Pkcs12Archive, error::Error as StoreError};
use pkcs8::{EncryptedPrivateKeyInfoRef, der::Decode as _};
use zeroize::Zeroizing;

use super::der;
use crate::state::Bytes;

/// id-PBES2 (RFC 8018 appendix A.4).
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
/// id-scrypt (RFC 7914 section 7).
const SCRYPT: &[u8] = &[0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11];
/// Rounds of the key derivations of one input: openssl writes 2,048, password managers up to a million; more only keeps a run busy.
const MOST_ROUNDS: u64 = 10_000_000;
/// N * r * p of scrypt: 128 times this is the memory, here 1 GiB; openssl writes 2^17.
const MOST_SCRYPT: u64 = 1 << 23;

/// Why something stays shut, as the end of a sentence that begins with its name, and what to type.
#[derive(Debug)]
pub(crate) struct Locked {
    /// Why.
    pub(crate) message: String,
    /// What to type.
    pub(crate) hint: String,
}

/// Says that a key is encrypted in a form that is not read, and how to convert it.
pub(super) fn refused(what: &str, path: &str, is_der: bool) -> Locked {
    let inform = if is_der { " -inform DER" } else { "" };
    Locked {
        message: format!("is encrypted {what}, which is not supported: wanted PBES2 with AES"),
        hint: format!(
            "convert it: `openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256{inform} -in {path} -out {path}.pbes2`"
        ),
    }
}

/// Decrypts a PKCS#8 `EncryptedPrivateKeyInfo` (RFC 5958 section 3).
pub(super) fn open_key(
    bytes: &[u8],
    password: Option<&Bytes>,
    path: &str,
    is_der: bool,
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>, Locked> {
    let scheme = der::first(bytes)
        .and_then(|(whole, _)| whole.children())
        .and_then(|parts| parts.first()?.children()?.first().map(|oid| oid.value));
    if scheme != Some(PBES2) {
        return Err(refused("by PBES1 (DES, RC2 or RC4)", path, is_der));
    }
    let Some(password) = password else {
        return Err(Locked {
            message: "is encrypted, and no password was given".to_owned(),
            hint: "give the file that holds its password: `--password-file F`".to_owned(),
        });
    };
    if !work.spend(bytes) {
        return Err(Locked {
            message: "is encrypted with so many rounds that opening it would take minutes"
                .to_owned(),
            hint: format!(
                "write it with fewer: `openssl pkcs8 -topk8 -in {path} -out {path}.pbes2`"
            ),
        });
    }
    let info = EncryptedPrivateKeyInfoRef::from_der(bytes).map_err(|_| {
        refused(
            "by PBES2 with DES, SHA-1 or something unknown",
            path,
            is_der,
        )
    })?;
    match info.decrypt(password.reveal()) {
        Ok(plain) => Ok(Zeroizing::new(plain.as_bytes().to_vec())),
        Err(pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm {
            ..
        })) => Err(refused(
            "by PBES2 with DES, SHA-1 or something unknown",
            path,
            is_der,
        )),
        Err(_) => Err(Locked {
            message: "is encrypted, and the password does not open it".to_owned(),
            hint: "give the file that holds the password of this key: `--password-file F`"
                .to_owned(),
        }),
    }
}

/// Opens a PKCS#12 store (RFC 7292); without a password, the empty one is tried.
pub(crate) fn open_store(
    bytes: &[u8],
    password: Option<&Bytes>,
    work: &mut Work,
) -> Result<Pkcs12Archive, Locked> {
    let text = match password {
        Some(password) => std::str::from_utf8(password.reveal()).map_err(|_| Locked {
            message: "is a PKCS#12 store, and the password is not UTF-8".to_owned(),
            hint: "write the password file in UTF-8".to_owned(),
        })?,
        None => "",
    };
    if !work.spend(bytes) {
        return Err(Locked {
            message: "is a PKCS#12 store with so many rounds that opening it would take minutes"
                .to_owned(),
            hint: "export it again with fewer: `openssl pkcs12 -export -iter 2048`".to_owned(),
        });
    }
    Pkcs12Archive::from_pkcs12(bytes, text).map_err(|error| match (error, password) {
        (StoreError::MacError(_), None) => Locked {
            message: "is a PKCS#12 store, and no password was given".to_owned(),
            hint: "give the file that holds its password: `--password-file F`".to_owned(),
        },
        (StoreError::MacError(_), Some(_)) => Locked {
            message: "is a PKCS#12 store, and the password does not open it".to_owned(),
            hint: "give the file that holds the password of this store: `--password-file F`".to_owned(),
        },
        _ => Locked {
            message: "is a PKCS#12 store in a form that is not supported, or damaged".to_owned(),
            hint: "take it apart: `openssl pkcs12 -nodes -in FILE -out FILE.pem`, with `-legacy` where it is an old one".to_owned(),
        },
    })
}

/// What all key derivations of one input may take together.
pub(crate) struct Work {
    left: u64,
}

impl Default for Work {
    fn default() -> Self {
        Self { left: MOST_ROUNDS }
    }
}

impl Work {
    /// Takes what the key derivations in a structure ask for; false where that is more than is left.
    fn spend(&mut self, bytes: &[u8]) -> bool {
        let left = self.left.checked_sub(asked(bytes, 0, false));
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// Returns the rounds of all key derivations inside, those of scrypt by the same measure; more than any run may spend
/// where one asks for more memory.
fn asked(bytes: &[u8], depth: u8, in_scrypt: bool) -> u64 {
    let Some(parts) = der::elements(bytes).filter(|_| depth < 24) else {
        return 0;
    };
    let mut rounds = 0_u64;
    let numbers: Vec<u64> = parts.iter().skip(1).map_while(der::Tlv::small).collect();
    if parts.first().is_some_and(|p| p.tag == der::OCTETS) {
        let mut integers = parts.iter().skip(1).map_while(der::Tlv::integer).take(3);
        let product = |all: &[u64]| all.iter().take(3).fold(1_u64, |n, m| n.saturating_mul(*m));
        rounds = match numbers.as_slice() {
            _ if integers.any(|n| n.len() > 8) => u64::MAX,
            [] => 0,
            all if in_scrypt && product(all) > MOST_SCRYPT => u64::MAX,
            all if in_scrypt => product(all),
            [first, ..] => *first,
        };
    }
    // MacData (RFC 7292 section 4): digest, salt, rounds.
    if let [a, b, c] = parts.as_slice()
        && a.tag == der::SEQUENCE
        && b.tag == der::OCTETS
    {
        rounds = rounds.saturating_add(c.small().unwrap_or_default());
    }
    let scrypt = parts
        .first()
        .is_some_and(|p| p.tag == der::OID && p.value == SCRYPT);
    parts
        .iter()
        .filter(|p| p.tag & 0x20 != 0 || p.tag == der::OCTETS)
        .fold(rounds, |sum, p| {
            sum.saturating_add(asked(p.value, depth + 1, scrypt))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parameters of PBKDF2 (RFC 8018 appendix A.2), in as many sequences as an `EncryptedPrivateKeyInfo` has.
    fn derivation(rounds: u32) -> Vec<u8> {
        let salt = der::write(der::OCTETS, &[b"salt"]);
        let parameters = der::write(
            der::SEQUENCE,
            &[&salt, &der::write_integer(&rounds.to_be_bytes())],
        );
        der::write(der::SEQUENCE, &[&parameters]).to_vec()
    }

    #[test]
    fn the_derivations_of_one_input_share_what_a_run_may_spend() {
        let mut work = Work::default();
        assert!(work.spend(&derivation(6_000_000)));
        assert!(!work.spend(&derivation(6_000_000)), "12 million in all");
        assert!(work.spend(&derivation(2_048)), "a small one still opens");
        let two = [derivation(6_000_000), derivation(6_000_000)].concat();
        assert!(!Work::default().spend(&der::write(der::SEQUENCE, &[&two])));
        assert!(!Work::default().spend(&derivation(u32::MAX)));
    }
}
