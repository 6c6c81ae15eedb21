//! Whether one key signed one certificate: asked to put a chain in order, never to trust it.

use aws_lc_rs::signature::{self as sig, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{der, key::Public};

/// Signature algorithms by the names that openssl prints (RFC 3279, RFC 4055, RFC 5758, RFC 8410).
const NAMES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.2", "md2WithRSAEncryption"),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
    ("1.2.840.113549.1.1.10", "rsassaPss"),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption"),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption"),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512"),
    ("1.2.840.10040.4.3", "dsa_with_SHA1"),
    ("1.3.101.112", "ED25519"),
    ("1.3.101.113", "ED448"),
];

/// Returns the name of a certificate's signature algorithm, or its number.
pub(super) fn name(certificate: &X509Certificate<'_>) -> String {
    let number = certificate.signature_algorithm.algorithm.to_id_string();
    let known = NAMES.iter().find(|(known, _)| *known == number);
    known.map_or(number, |(_, name)| (*name).to_owned())
}

/// Verifies a certificate's signature with a public key (`SubjectPublicKeyInfo` DER); none where the algorithm or size
/// is one that cannot be checked.
pub(super) fn verify(certificate: &[u8], spki: &[u8]) -> Option<bool> {
    let (_, x509) = X509Certificate::from_der(certificate).ok()?;
    let public = Public::from_spki(spki)?;
    let oid = x509.signature_algorithm.algorithm.to_id_string();
    let (algorithm, key) = match &public {
        Public::Rsa { modulus, exponent } => {
            // The library refuses smaller keys whatever the signature says.
            if public.bits() < 1024 || public.bits() > 8192 {
                return None;
            }
            let key = der::write(
                der::SEQUENCE,
                &[&der::write_integer(modulus), &der::write_integer(exponent)],
            );
            (rsa(&oid, &x509, public.bits())?, key.to_vec())
        }
        Public::Other { bits, .. } => (other(&oid, &public.description())?, bits.clone()),
    };
    let key = UnparsedPublicKey::new(algorithm, key);
    let message: &[u8] = x509.tbs_certificate.as_ref();
    Some(key.verify(message, &x509.signature_value.data).is_ok())
}

fn rsa(
    oid: &str,
    x509: &X509Certificate<'_>,
    bits: usize,
) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match oid {
        "1.2.840.113549.1.1.5" => &sig::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        "1.2.840.113549.1.1.11" => &sig::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        "1.2.840.113549.1.1.12" if bits >= 2048 => &sig::RSA_PKCS1_2048_8192_SHA384,
        "1.2.840.113549.1.1.13" => &sig::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        "1.2.840.113549.1.1.10" if bits >= 2048 => pss(x509)?,
        _ => return None,
    })
}

/// Picks the variant by the hash that the parameters name (RFC 4055 section 3.1).
fn pss(x509: &X509Certificate<'_>) -> Option<&'static dyn VerificationAlgorithm> {
    let parameters = x509.signature_algorithm.parameters.as_ref()?;
    let (hash, _) = der::first(parameters.data)?;
    let hash = der::first(hash.value)?.0.children()?.first()?.value;
    // id-sha256, id-sha384, id-sha512 (RFC 4055 section 2.1) differ in their last number.
    match hash {
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1] => Some(&sig::RSA_PSS_2048_8192_SHA256),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2] => Some(&sig::RSA_PSS_2048_8192_SHA384),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3] => Some(&sig::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

/// ECDSA by hash and curve (RFC 5758 section 3.2), and Ed25519.
fn other(oid: &str, key: &str) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (key, oid) {
        ("Ed25519", "1.3.101.112") => &sig::ED25519,
        ("EC P-256", "1.2.840.10045.4.1") => &sig::ECDSA_P256_SHA1_ASN1,
        ("EC P-256", "1.2.840.10045.4.3.2") => &sig::ECDSA_P256_SHA256_ASN1,
        ("EC P-256", "1.2.840.10045.4.3.3") => &sig::ECDSA_P256_SHA384_ASN1,
        ("EC P-256", "1.2.840.10045.4.3.4") => &sig::ECDSA_P256_SHA512_ASN1,
        ("EC P-384", "1.2.840.10045.4.3.2") => &sig::ECDSA_P384_SHA256_ASN1,
        ("EC P-384", "1.2.840.10045.4.3.3") => &sig::ECDSA_P384_SHA384_ASN1,
        ("EC P-384", "1.2.840.10045.4.3.4") => &sig::ECDSA_P384_SHA512_ASN1,
        ("EC P-521", "1.2.840.10045.4.1") => &sig::ECDSA_P521_SHA1_ASN1,
        ("EC P-521", "1.2.840.10045.4.3.2") => &sig::ECDSA_P521_SHA256_ASN1,
        ("EC P-521", "1.2.840.10045.4.3.3") => &sig::ECDSA_P521_SHA384_ASN1,
        ("EC P-521", "1.2.840.10045.4.3.4") => &sig::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}
