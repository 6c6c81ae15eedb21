//! Private keys in any of their forms, kept as PKCS#8 in memory that is wiped.

use std::fmt;

use aws_lc_rs::{
    digest, rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
        KeyPair,
    },
};
use zeroize::Zeroizing;

use super::{der, pem};

/// rsaEncryption (RFC 8017 appendix A.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// id-RSASSA-PSS (RFC 8017 appendix A.2.3).
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
/// id-ecPublicKey (RFC 5480 section 2.1.1).
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// id-Ed25519 (RFC 8410 section 3).
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// id-Ed448 (RFC 8410 section 3).
const ED448: &[u8] = &[0x2b, 0x65, 0x71];
/// Named curves (RFC 5480 section 2.1.1.1, SEC 2) with their sizes in bits.
const CURVES: &[(&[u8], &str, usize)] = &[
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], "EC P-256", 256),
    (&[0x2b, 0x81, 4, 0, 34], "EC P-384", 384),
    (&[0x2b, 0x81, 4, 0, 35], "EC P-521", 521),
    (&[0x2b, 0x81, 4, 0, 33], "EC P-224", 224),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1], "EC P-192", 192),
    (&[0x2b, 0x81, 4, 0, 10], "EC secp256k1", 256),
];

/// A private key; only [`Key::reveal`] gives its bytes away.
#[derive(Clone)]
pub struct Key {
    pkcs8: Zeroizing<Vec<u8>>,
    public: Public,
    spki: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Key({}, {} bytes)",
            self.public.description(),
            self.pkcs8.len()
        )
    }
}

impl Key {
    /// Reads PKCS#8 (RFC 5208), PKCS#1 (RFC 8017) or SEC1 (RFC 5915) DER; `curve` is the one of an `EC PARAMETERS`
    /// block before it. The error says what is wrong, never what is in it.
    pub(crate) fn from_der(bytes: &[u8], curve: Option<&[u8]>) -> Result<Self, String> {
        let pkcs8 = normalise(bytes, curve)
            .ok_or("is not a private key in a form that is known: PKCS#8, PKCS#1 or SEC1")?;
        let public = public_of(&pkcs8)?;
        let algorithm = der::first(&pkcs8)
            .and_then(|(whole, _)| whole.children())
            .and_then(|parts| parts.get(1).map(|algorithm| algorithm.whole.to_vec()))
            .unwrap_or_default();
        let spki = public.spki(&algorithm);
        Ok(Self {
            pkcs8,
            public,
            spki,
        })
    }

    /// Returns the PKCS#8 DER, for writing and signing; the caller must not print it.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Returns type and size, as in "RSA 2048", "EC P-256", "Ed25519".
    #[must_use]
    pub fn description(&self) -> String {
        self.public.description()
    }

    /// Returns the base64 SHA-256 of its public key (RFC 7469 section 2.4), which may be shown.
    #[must_use]
    pub fn pin(&self) -> String {
        pin(&self.spki)
    }

    /// Returns the public half.
    pub(super) fn public(&self) -> &Public {
        &self.public
    }
}

/// Returns the base64 SHA-256 of a public key's DER.
pub(super) fn pin(spki: &[u8]) -> String {
    pem::base64(digest::digest(&digest::SHA256, spki).as_ref()).to_string()
}

/// A public key in the one form in which two of them can be compared.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Public {
    /// Modulus and exponent, whatever algorithm identifier they came under.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// Everything else: the DER of the algorithm identifier, and the key's bits.
    Other { algorithm: Vec<u8>, bits: Vec<u8> },
}

impl Public {
    /// Reads a `SubjectPublicKeyInfo`.
    pub(super) fn from_spki(spki: &[u8]) -> Option<Self> {
        let (whole, _) = der::first(spki)?;
        let parts = whole.children()?;
        let [algorithm, bits] = parts.as_slice() else {
            return None;
        };
        let oid = algorithm.children()?.first()?.value;
        let bits = bits
            .value
            .split_first()
            .filter(|(unused, _)| **unused == 0)?
            .1;
        if oid != RSA && oid != RSA_PSS {
            return Some(Self::Other {
                algorithm: algorithm.whole.to_vec(),
                bits: bits.to_vec(),
            });
        }
        let numbers = der::first(bits)?.0.children()?;
        Some(Self::Rsa {
            modulus: numbers.first()?.integer()?.to_vec(),
            exponent: numbers.get(1)?.integer()?.to_vec(),
        })
    }

    /// Writes a `SubjectPublicKeyInfo` under an algorithm identifier, DER.
    fn spki(&self, algorithm: &[u8]) -> Vec<u8> {
        let bits = match self {
            Self::Rsa { modulus, exponent } => der::write(
                der::SEQUENCE,
                &[&der::write_integer(modulus), &der::write_integer(exponent)],
            )
            .to_vec(),
            Self::Other { bits, .. } => bits.clone(),
        };
        let bits = der::write(der::BITS, &[&[0], &bits]);
        der::write(der::SEQUENCE, &[algorithm, &bits]).to_vec()
    }

    /// Says type and size.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Rsa { .. } => format!("RSA {}", self.bits()),
            Self::Other { algorithm, .. } => named(algorithm).map_or_else(
                || "of an unknown type".to_owned(),
                |(name, _)| name.to_owned(),
            ),
        }
    }

    /// Returns the size in bits; 0 where the type is unknown.
    pub(super) fn bits(&self) -> usize {
        match self {
            Self::Rsa { modulus, .. } => {
                modulus.len() * 8
                    - modulus
                        .first()
                        .map_or(0, |top| top.leading_zeros() as usize)
            }
            Self::Other { algorithm, .. } => named(algorithm).map_or(0, |(_, bits)| bits),
        }
    }

    /// Tells whether servers and clients of today refuse it: RSA under 2048 bits (CA/Browser Forum baseline
    /// requirements 6.1.5), curves under 256.
    pub(super) fn is_weak(&self) -> bool {
        match self {
            Self::Rsa { .. } => self.bits() < 2048,
            Self::Other { .. } => (1..256).contains(&self.bits()),
        }
    }
}

/// Finds the name and size of an algorithm identifier.
fn named(algorithm: &[u8]) -> Option<(&'static str, usize)> {
    let parts = der::first(algorithm)?.0.children()?;
    let oid = parts.first()?.value;
    if oid == ED25519 {
        return Some(("Ed25519", 256));
    }
    if oid == ED448 {
        return Some(("Ed448", 456));
    }
    let curve = parts.get(1).filter(|_| oid == EC)?.value;
    CURVES
        .iter()
        .find(|(oid, _, _)| *oid == curve)
        .map(|(_, name, bits)| (*name, *bits))
}

/// Rewrites any plain form as PKCS#8 version 1: OpenSSL 3.0 refuses version 2, and attributes mean nothing to servers.
fn normalise(bytes: &[u8], curve: Option<&[u8]>) -> Option<Zeroizing<Vec<u8>>> {
    let (whole, _) = der::first(bytes)?;
    if whole.tag != der::SEQUENCE {
        return None;
    }
    let parts = whole.children()?;
    let version = parts.first()?.small()?;
    let (algorithm, key) = match (version, parts.get(1)?.tag) {
        (0 | 1, der::SEQUENCE) if parts.get(2)?.tag == der::OCTETS => {
            (Zeroizing::new(parts[1].whole.to_vec()), parts[2].value)
        }
        (0, der::INTEGER) if parts.len() >= 9 => (
            der::write(
                der::SEQUENCE,
                &[&der::write(der::OID, &[RSA]), &[der::NULL, 0]],
            ),
            whole.whole,
        ),
        (1, der::OCTETS) => {
            let own = parts
                .iter()
                .find(|p| p.tag == 0xa0)
                .and_then(|p| der::first(p.value));
            let curve = own.map(|(oid, _)| oid.whole).or(curve)?;
            (
                der::write(der::SEQUENCE, &[&der::write(der::OID, &[EC]), curve]),
                whole.whole,
            )
        }
        _ => return None,
    };
    Some(der::write(
        der::SEQUENCE,
        &[
            &[der::INTEGER, 1, 0],
            &algorithm,
            &der::write(der::OCTETS, &[key]),
        ],
    ))
}

/// Computes the public half of a PKCS#8 key.
fn public_of(pkcs8: &[u8]) -> Result<Public, String> {
    let odd = || "holds a private key whose structure is damaged".to_owned();
    let parts = der::first(pkcs8)
        .and_then(|(whole, _)| whole.children())
        .ok_or_else(odd)?;
    let [_, algorithm, key] = parts.as_slice() else {
        return Err(odd());
    };
    let inner = algorithm.children().ok_or_else(odd)?;
    let oid = inner.first().ok_or_else(odd)?.value;
    if oid == RSA || oid == RSA_PSS {
        return rsa_public(pkcs8, key.value, oid == RSA).ok_or_else(odd)?;
    }
    if oid == ED25519 {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| odd())?;
        return Ok(Public::Other {
            algorithm: algorithm.whole.to_vec(),
            bits: pair.public_key().as_ref().to_vec(),
        });
    }
    if oid == EC {
        let bits = ec_public(pkcs8, inner.get(1).ok_or_else(odd)?.value, key.value)?;
        return Ok(Public::Other {
            algorithm: algorithm.whole.to_vec(),
            bits,
        });
    }
    let name = named(algorithm.whole).map_or("of a type that is not known", |(name, _)| name);
    Err(format!(
        "holds a private key {name}: wanted RSA, EC P-256, P-384, P-521 or Ed25519"
    ))
}

fn rsa_public(pkcs8: &[u8], key: &[u8], plain: bool) -> Option<Result<Public, String>> {
    let numbers = der::first(key)?.0.children()?;
    let public = Public::Rsa {
        modulus: numbers.get(1)?.integer()?.to_vec(),
        exponent: numbers.get(2)?.integer()?.to_vec(),
    };
    // The library takes no other sizes; what it takes it also checks, so that a damaged key is found before a service finds it.
    let checked = plain && (2048..=8192).contains(&public.bits());
    if checked && rsa::KeyPair::from_pkcs8(pkcs8).is_err() {
        return Some(Err(
            "holds an RSA key whose numbers do not belong together: it is damaged".to_owned(),
        ));
    }
    Some(Ok(public))
}

fn ec_public(pkcs8: &[u8], curve: &[u8], key: &[u8]) -> Result<Vec<u8>, String> {
    let known: [(&str, &'static EcdsaSigningAlgorithm); 3] = [
        ("EC P-256", &ECDSA_P256_SHA256_ASN1_SIGNING),
        ("EC P-384", &ECDSA_P384_SHA384_ASN1_SIGNING),
        ("EC P-521", &ECDSA_P521_SHA512_ASN1_SIGNING),
    ];
    let name = CURVES
        .iter()
        .find(|(oid, _, _)| *oid == curve)
        .map(|(_, name, _)| *name);
    if let Some((_, algorithm)) = known.iter().find(|(known, _)| Some(*known) == name) {
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8)
            .map_err(|_| format!("holds an {} key that is damaged", name.unwrap_or("EC")))?;
        return Ok(pair.public_key().as_ref().to_vec());
    }
    // Other curves are matched by the public half that the key itself carries (RFC 5915 section 3).
    der::first(key)
        .and_then(|(whole, _)| whole.children())
        .and_then(|parts| {
            parts
                .iter()
                .find(|p| p.tag == 0xa1)
                .and_then(|p| der::first(p.value))
        })
        .and_then(|(bits, _)| bits.value.get(1..).map(<[u8]>::to_vec))
        .ok_or_else(|| {
            format!(
                "holds a key on {}, without its public half",
                name.unwrap_or("a curve that is not known")
            )
        })
}
