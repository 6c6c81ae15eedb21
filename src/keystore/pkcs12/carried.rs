//! What the library would leave out of a store that it writes again: it passes over bags and attributes that it does not
//! know without a word, so each byte is accounted for by what it tells.

use p12_keystore::{CertificateBag, Pkcs12Archive};
use pkcs8::{der::Decode as _, pkcs5::EncryptionScheme};
use zeroize::Zeroizing;

use crate::identity::der::{self, Tlv};

/// id-data (RFC 5652 section 4).
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
/// id-PBES2 (RFC 8018 appendix A.4).
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
/// Key bag, shrouded key bag, certificate bag (RFC 7292 section 4.2): 1.2.840.113549.1.12.10.1 and the last.
const BAGS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1];
/// Those of them that are carried.
const CARRIED: [u8; 3] = [1, 2, CERTIFICATE];
const CERTIFICATE: u8 = 3;
/// x509Certificate (RFC 2985 section 5.2.3).
const X509: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 22, 1];
/// friendlyName (RFC 2985 section 5.5.1).
const NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 20];
/// localKeyID (RFC 2985 section 5.5.2).
const ID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 21];
/// What Java trusts by, 2.16.840.1.113894.746875.1.1, and its one value, anyExtendedKeyUsage.
const TRUSTED: &[u8] = &[
    0x60, 0x86, 0x48, 1, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 1, 1,
];
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0];
/// A string of two bytes a character, `BMPString`.
const BMP: u8 = 0x1e;
/// SET.
const SET: u8 = 0x31;
/// The blocks of the ciphers of PBES1 (RFC 7292 appendix C): RC2 and triple DES.
const BLOCK: usize = 8;

/// Says what would be lost, as in "holds ...".
pub(super) fn lost(bytes: &[u8], password: &str, archive: &Pkcs12Archive) -> Option<String> {
    let what = |what: &str| Some(what.to_owned());
    let Some(safes) = safes(bytes) else {
        return what("a structure that is not known");
    };
    let (mut certificates, mut keys, mut hidden) = (0, 0, Vec::new());
    for safe in &safes {
        let plain = match safe {
            Safe::Plain(plain) => Zeroizing::new(plain.clone()),
            Safe::Pbes2 { scheme, content } => match open(scheme, content, password) {
                Some(plain) => Zeroizing::new(plain),
                None => return what("a part that cannot be opened"),
            },
            Safe::Pbes1(length) => {
                hidden.push(*length);
                continue;
            }
        };
        let Some(bags) = der::first(&plain).and_then(|(whole, _)| whole.children()) else {
            return what("a structure that is not known");
        };
        for bag in bags {
            match kind(&bag) {
                Some(CERTIFICATE) => certificates += 1,
                Some(_) => keys += 1,
                None => {
                    return what(
                        "an entry or attribute that is neither a key's nor a certificate's",
                    );
                }
            }
        }
    }
    // What is in a part that only its length is known of must be all that is not elsewhere, and no more.
    let explained = match hidden.as_slice() {
        [] => certificates == archive.certs.len(),
        [length] if certificates == 0 => {
            let known: usize = archive.certs.iter().map(size).sum();
            // The padding is one to eight bytes, and the smallest attribute that says anything nine.
            let whole = der::write(der::SEQUENCE, &[&vec![0; known]]).len();
            (1..=BLOCK).contains(&length.saturating_sub(whole))
        }
        _ => false,
    };
    if explained && keys == archive.keys.len() {
        None
    } else {
        what("a part in an old encryption that is more than its certificates")
    }
}

/// A part of the whole.
enum Safe<'a> {
    Plain(Vec<u8>),
    Pbes2 {
        scheme: &'a [u8],
        content: &'a [u8],
    },
    /// The length of what is encrypted.
    Pbes1(usize),
}

/// Takes the outer structure apart: `PFX`, `AuthenticatedSafe`, `ContentInfo` (RFC 7292 section 4).
fn safes(bytes: &[u8]) -> Option<Vec<Safe<'_>>> {
    let whole = der::first(bytes)?.0.children()?;
    let outer = whole.get(1)?.children()?;
    let content = der::first(outer.get(1)?.value)?.0.value;
    let infos = der::first(content)?.0.children()?;
    infos.iter().map(safe).collect()
}

fn safe<'a>(info: &Tlv<'a>) -> Option<Safe<'a>> {
    let parts = info.children()?;
    let content = der::first(parts.get(1)?.value)?.0;
    if parts.first()?.value == DATA {
        return (content.tag == der::OCTETS).then(|| Safe::Plain(content.value.to_vec()));
    }
    // EncryptedData: version, then type, algorithm and [0] content (RFC 5652 section 8).
    let encrypted = content.children()?.get(1)?.children()?;
    let (algorithm, content) = (encrypted.get(1)?, encrypted.get(2)?);
    if content.tag != 0x80 {
        return None;
    }
    Some(if algorithm.children()?.first()?.value == PBES2 {
        Safe::Pbes2 {
            scheme: algorithm.whole,
            content: content.value,
        }
    } else {
        Safe::Pbes1(content.value.len())
    })
}

fn open(scheme: &[u8], content: &[u8], password: &str) -> Option<Vec<u8>> {
    let scheme = EncryptionScheme::from_der(scheme).ok()?;
    scheme.decrypt(password, content).ok()
}

/// Returns the kind of a bag that is carried with all its attributes.
fn kind(bag: &Tlv<'_>) -> Option<u8> {
    let parts = bag.children()?;
    let kind = *parts.first()?.value.strip_prefix(BAGS)?.first()?;
    let attributes = match parts.get(2) {
        Some(set) => set.children()?,
        None => Vec::new(),
    };
    let is_known = |attribute: &Tlv<'_>| {
        let parts = attribute.children().unwrap_or_default();
        let [name, values] = parts.as_slice() else {
            return false;
        };
        // The library keeps the first of several values.
        let values = values.children().unwrap_or_default();
        [NAME, ID, TRUSTED].contains(&name.value) && values.len() == 1
    };
    (CARRIED.contains(&kind) && attributes.iter().all(is_known)).then_some(kind)
}

/// Returns the length of a certificate's bag with all that the library tells of it.
fn size(bag: &CertificateBag) -> usize {
    let attribute = |name: &[u8], value: &[u8]| {
        let parts = [der::write(der::OID, &[name]), der::write(SET, &[value])];
        der::write(der::SEQUENCE, &[&parts[0], &parts[1]])
    };
    let certificate = der::write(
        der::SEQUENCE,
        &[
            &der::write(der::OID, &[X509]),
            &der::write(0xa0, &[&der::write(der::OCTETS, &[bag.cert.as_der()])]),
        ],
    );
    let kind = der::write(der::OID, &[BAGS, &[CERTIFICATE]]);
    let value = der::write(0xa0, &[&certificate]);
    let mut attributes: Vec<u8> = Vec::new();
    if let Some(name) = &bag.friendly_name {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        attributes.extend_from_slice(&attribute(NAME, &der::write(BMP, &[&wide])));
    }
    if let Some(id) = &bag.local_key_id {
        attributes.extend_from_slice(&attribute(ID, &der::write(der::OCTETS, &[id])));
    }
    if bag.trusted {
        attributes.extend_from_slice(&attribute(TRUSTED, &der::write(der::OID, &[ANY_USAGE])));
    }
    let set = if attributes.is_empty() {
        Vec::new()
    } else {
        der::write(SET, &[&attributes]).to_vec()
    };
    der::write(der::SEQUENCE, &[&kind, &value, &set]).len()
}
