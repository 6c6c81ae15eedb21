//! The demo's own pairs: the platform's default one, and those of a private CA.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SanType,
    SignatureAlgorithm, date_time_ymd,
};
use zeroize::Zeroizing;

use crate::{
    error::{Error, Result},
    identity::{Identity, Input},
};

const DAY: u64 = 86_400;

/// Certificates and the key of the first one, PEM.
pub(super) struct Pair {
    pub(super) cert: String,
    pub(super) key: Zeroizing<String>,
}

impl Pair {
    /// Returns the fingerprint of its leaf.
    pub(super) fn leaf(&self) -> Result<String> {
        let input = Input {
            name: String::new(),
            bytes: self.cert.clone().into(),
        };
        let (identity, _) = Identity::assemble(&[input], None)?;
        Ok(identity.fingerprint().to_owned())
    }
}

/// The algorithm of a leaf's key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Algorithm {
    Rsa,
    P256,
}

impl Algorithm {
    fn signature(self) -> &'static SignatureAlgorithm {
        match self {
            Self::Rsa => &PKCS_RSA_SHA256,
            Self::P256 => &PKCS_ECDSA_P256_SHA256,
        }
    }
}

/// Mints the pair that the platform's package makes: `CN=*`, no SAN, RSA 2048, ten years (xivo-certs of 17.06).
pub(super) fn default_pair(now: i64) -> Result<Pair> {
    let key = KeyPair::generate_for(Algorithm::Rsa.signature()).map_err(unminted)?;
    let subject = [
        (DnType::CommonName, "*"),
        (DnType::OrganizationName, "Proformatique"),
    ];
    let mut params = params(&subject, now, 3650);
    // As `openssl req -x509` makes them.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cert = params.self_signed(&key).map_err(unminted)?.pem();
    Ok(pair(cert, &key))
}

/// Mints the pair that a portal's first-time wizard makes: an address as CN, no SAN, ten years.
pub(super) fn portal_pair(now: i64) -> Result<Pair> {
    let key = KeyPair::generate_for(Algorithm::Rsa.signature()).map_err(unminted)?;
    let params = params(&[(DnType::CommonName, "127.0.0.1")], now, 3650);
    let cert = params.self_signed(&key).map_err(unminted)?.pem();
    Ok(pair(cert, &key))
}

/// Mints the pair that an appliance comes with: signed by itself, for no name that it has.
pub(super) fn appliance_pair(now: i64) -> Result<Pair> {
    let key = KeyPair::generate_for(Algorithm::Rsa.signature()).map_err(unminted)?;
    let params = params(&[(DnType::CommonName, "appliance")], now, 3650);
    let cert = params.self_signed(&key).map_err(unminted)?.pem();
    Ok(pair(cert, &key))
}

/// A private CA: a root that nobody's store holds, and an intermediate.
pub(super) struct Authority {
    /// Intermediate and root, PEM, as a CA hands them out.
    chain: String,
    /// The root, PEM, as a store of trust anchors holds it.
    pub(super) root: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(now: i64) -> Result<Self> {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unminted);
        let (root_key, key) = (key()?, key()?);
        let ca = |name, below| {
            let mut params = params(&[(DnType::CommonName, name)], now, 3650);
            params.is_ca = IsCa::Ca(below);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            params
        };
        let root = ca("Demo Root CA", BasicConstraints::Unconstrained);
        let root_cert = root.self_signed(&root_key).map_err(unminted)?;
        let root = Issuer::new(root, root_key);
        let mut params = ca("Demo Issuing CA", BasicConstraints::Constrained(0));
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &root).map_err(unminted)?;
        Ok(Self {
            chain: cert.pem() + &root_cert.pem(),
            root: root_cert.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Issues a leaf for one name or address, with the certificates above it in the same file.
    pub(super) fn issue(&self, name: &str, algorithm: Algorithm, now: i64) -> Result<Pair> {
        let key = KeyPair::generate_for(algorithm.signature()).map_err(unminted)?;
        let mut params = params(&[(DnType::CommonName, name)], now, 90);
        params.subject_alt_names = vec![match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.to_owned().try_into().map_err(unminted)?),
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if matches!(algorithm, Algorithm::Rsa) {
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &self.issuer).map_err(unminted)?;
        Ok(pair(cert.pem() + &self.chain, &key))
    }
}

fn pair(cert: String, key: &KeyPair) -> Pair {
    let key = Zeroizing::new(key.serialize_pem());
    Pair { cert, key }
}

fn params(subject: &[(DnType, &str)], now: i64, days: u64) -> CertificateParams {
    let now = u64::try_from(now).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    params.not_before = epoch + Duration::from_secs(now.saturating_sub(DAY));
    params.not_after = epoch + Duration::from_secs(now + days * DAY);
    params
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn unminted(error: rcgen::Error) -> Error {
    Error::Input {
        subject: "a pair of the demo's own".to_owned(),
        message: format!("cannot be made: {error}"),
        hint: String::new(),
    }
}
