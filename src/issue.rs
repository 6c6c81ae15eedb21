//! Pairs that certroll issues itself: signed by themselves, or by a private CA of a host or a lab. From values to PEM.

use std::{net::IpAddr, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    PKCS_RSA_SHA256, RsaKeySize, SanType, SerialNumber, date_time_ymd,
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    error::{Error, Result},
    identity::{Form, Identity, Input},
};

/// The sort of key that a pair has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// RSA of 2048 bits, which everything takes
    Rsa2048,
    /// RSA of 3072 bits
    Rsa3072,
    /// RSA of 4096 bits
    Rsa4096,
    /// ECDSA on P-256
    P256,
    /// ECDSA on P-384
    P384,
    /// Ed25519, which browsers do not take
    Ed25519,
}

/// What is to be issued.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// DNS names and addresses, the main one first.
    pub names: Vec<String>,
    /// Its key.
    pub key: KeyKind,
    /// How long it is valid, in days of 86,400 seconds.
    pub days: u32,
}

/// What is different each time, and so an argument.
#[derive(Debug, Clone, Copy)]
pub struct Chance {
    /// The time, seconds since the epoch, UTC.
    pub now: i64,
    /// Where a serial number comes from.
    pub random: [u8; 32],
}

/// How long a root is valid, in days: ten years, since each client must be told when it changes.
const ROOT_DAYS: u32 = 3650;

/// The longest common name (RFC 5280 appendix A, `ub-common-name`).
const LONGEST_CN: usize = 64;

const DAY: u64 = 86_400;

/// Issues a pair that is signed by its own key.
///
/// # Errors
/// [`Error::Usage`] where a name is none.
pub fn self_signed(wanted: &Wanted, chance: Chance) -> Result<Identity> {
    let params = wanted.leaf(chance)?;
    let key = wanted.key.generate()?;
    let cert = params.self_signed(&key).map_err(unmade)?;
    pair(&cert.pem(), key)
}

/// Makes the root of a private CA, which signs leaves and no other CA.
///
/// # Errors
/// [`Error::Input`] where no key can be made.
pub fn root(kind: KeyKind, chance: Chance) -> Result<Identity> {
    let [a, b, c, d, ..] = chance.random;
    // Its own name for each: clients that know two CAs of one name may take the wrong one.
    let name = format!("Private CA {a:02x}{b:02x}{c:02x}{d:02x}");
    let mut params = params(&name, ROOT_DAYS, chance);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = kind.generate()?;
    let cert = params.self_signed(&key).map_err(unmade)?;
    pair(&cert.pem(), key)
}

/// Issues a pair by a private CA; its root comes with it, so that whoever has the pair can tell clients whom to trust.
///
/// # Errors
/// [`Error::Usage`] where a name is none, or the leaf would be valid for longer than its CA; [`Error::Input`] where `ca` is no
/// CA, or has no key.
pub fn by_ca(wanted: &Wanted, ca: &Identity, chance: Chance) -> Result<Identity> {
    let root = &ca.leaf;
    let unfit = |message: &str| Error::Input {
        subject: format!("`{}`", root.title()),
        message: message.to_owned(),
        hint: "name a CA and its key, or files that are not there yet".to_owned(),
    };
    if !root.is_ca {
        return Err(unfit("is no CA"));
    }
    let key = ca
        .form(Form::Key)
        .ok_or_else(|| unfit("its key is not there"))?;
    let left = root.not_after - chance.now;
    if left < i64::from(wanted.days) * DAY.cast_signed() {
        return Err(Error::Usage {
            message: format!(
                "a leaf of {} days would outlive its CA, which ends in {} days",
                wanted.days,
                left / DAY.cast_signed()
            ),
            hint: "give fewer `--days`, or begin a new CA".to_owned(),
        });
    }
    let key = KeyPair::from_pem(&Zeroizing::new(key.text())).map_err(unmade)?;
    let der = rustls_pki_types::CertificateDer::from(root.der.as_slice());
    let issuer = Issuer::from_ca_cert_der(&der, key).map_err(unmade)?;
    let leaf = wanted.key.generate()?;
    let cert = wanted.leaf(chance)?.signed_by(&leaf, &issuer);
    let above = ca.form(Form::Leaf).map(|root| root.text());
    pair(
        &(cert.map_err(unmade)?.pem() + &above.unwrap_or_default()),
        leaf,
    )
}

impl Wanted {
    /// As browsers want it: names in the SAN, no CA, for servers alone (RFC 5280 section 4.2.1; CA/Browser Forum Baseline
    /// Requirements 7.1.2.7).
    fn leaf(&self, chance: Chance) -> Result<CertificateParams> {
        let mut names: Vec<SanType> = Vec::new();
        for name in &self.names {
            let name = san(name)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let title = self.names.iter().find(|name| name.len() <= LONGEST_CN);
        let Some(title) = title else {
            return Err(Error::Usage {
                message: format!(
                    "no name has {LONGEST_CN} characters or fewer, as a common name must"
                ),
                hint: "give a shorter one as well".to_owned(),
            });
        };
        let mut params = params(&title.to_ascii_lowercase(), self.days, chance);
        params.subject_alt_names = names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if self.key.is_rsa() {
            // For key exchange up to TLS 1.2 (RFC 5246 section 7.4.2).
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(params)
    }
}

impl KeyKind {
    fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// [`Error::Input`] where the library cannot.
    pub(crate) fn generate(self) -> Result<KeyPair> {
        let rsa = |size| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size);
        match self {
            Self::Rsa2048 => rsa(RsaKeySize::_2048),
            Self::Rsa3072 => rsa(RsaKeySize::_3072),
            Self::Rsa4096 => rsa(RsaKeySize::_4096),
            Self::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        }
        .map_err(unmade)
    }
}

/// What a root and a leaf have in common.
fn params(name: &str, days: u32, chance: Chance) -> CertificateParams {
    let now = u64::try_from(chance.now).unwrap_or_default();
    let start = date_time_ymd(1970, 1, 1) + Duration::from_secs(now);
    let mut serial = chance.random;
    // Positive, never zero, and of one length (RFC 5280 section 4.1.2.2); 126 bits of it are left to chance.
    serial[16] = serial[16] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&serial[16..]));
    params.not_before = start;
    params.not_after = start + Duration::from_secs(u64::from(days) * DAY);
    params.use_authority_key_identifier_extension = true;
    params
}

/// Takes an address, or a DNS name with a `*` as its first label or without.
fn san(name: &str) -> Result<SanType> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_prefix("*.").unwrap_or(&lower);
    let is_name = rustls_pki_types::DnsName::try_from(plain).is_ok() && !plain.ends_with('.');
    let dns = is_name.then(|| lower.clone().try_into().ok()).flatten();
    dns.map(SanType::DnsName).ok_or_else(|| Error::Usage {
        message: format!("`{}` is no DNS name and no address", name.escape_debug()),
        hint: "give names in ASCII, as DNS has them (`xn--...` for others)".to_owned(),
    })
}

/// Reads what was made as anybody else would: its key comes out in the form that all programs take.
fn pair(certs: &str, mut key: KeyPair) -> Result<Identity> {
    let inputs = [certs.to_owned(), key.serialize_pem()].map(|pem| Input {
        name: "the new pair".to_owned(),
        bytes: pem.into(),
    });
    key.zeroize();
    Ok(Identity::assemble(&inputs, None)?.0)
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn unmade(error: rcgen::Error) -> Error {
    Error::Input {
        subject: "a pair".to_owned(),
        message: format!("cannot be issued: {error}"),
        hint: String::new(),
    }
}
