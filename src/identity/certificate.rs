//! One X.509 certificate (RFC 5280), every field that a finding needs read out of it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension},
    prelude::FromDer,
    x509::X509Name,
};

use crate::hex::hex;

use super::{dn, key, key::Public, signature};

/// A certificate: its DER and what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate itself.
    pub der: Vec<u8>,
    /// Subject in the order of the encoding, as in `O=Example, CN=www.example.org`, special characters escaped (RFC 4514).
    pub subject: String,
    /// Issuer, in the same form.
    pub issuer: String,
    /// The last CN of the subject.
    pub cn: Option<String>,
    /// DNS names of the SAN, lower case, only those that can be host names.
    pub dns: Vec<String>,
    /// DNS names of the SAN that cannot be host names, and other kinds of names, escaped.
    pub other_names: Vec<String>,
    /// Addresses of the SAN.
    pub ips: Vec<IpAddr>,
    /// Serial number, lower hex.
    pub serial: String,
    /// Start of the validity, seconds since the epoch, UTC.
    pub not_before: i64,
    /// End of the validity, seconds since the epoch, UTC.
    pub not_after: i64,
    /// SHA-256 of the DER, lower hex.
    pub sha256: String,
    /// SHA-1 of the DER, lower hex; only to compare with tools that print it.
    pub sha1: String,
    /// Type and size of the public key, as in "RSA 2048", "EC P-256", "Ed25519".
    pub key: String,
    /// Signature algorithm, as in "sha256WithRSAEncryption".
    pub signature: String,
    /// Whether it may sign certificates: CA in its basic constraints.
    pub is_ca: bool,
    /// Key usage, by the names of RFC 5280 section 4.2.1.3; none where the extension is absent.
    pub key_usage: Option<Vec<&'static str>>,
    /// Extended key usage, by the names of RFC 5280 section 4.2.1.12 or as a number; none where the extension is absent.
    pub extended_key_usage: Option<Vec<String>>,
    /// Subject key identifier.
    pub ski: Option<Vec<u8>>,
    /// Key identifier of the issuer.
    pub aki: Option<Vec<u8>>,
    /// Public key, `SubjectPublicKeyInfo` DER.
    pub spki: Vec<u8>,
    /// Whether issuer and subject are one and its own key verifies its signature.
    pub self_signed: bool,
    /// Subject as encoded.
    pub(super) subject_der: Vec<u8>,
    /// Issuer as encoded.
    pub(super) issuer_der: Vec<u8>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {})", self.title(), self.sha256)
    }
}

impl Certificate {
    /// Reads one certificate.
    ///
    /// # Errors
    /// What is wrong with the bytes, as the end of a sentence that begins with their name.
    pub fn from_der(der: &[u8]) -> Result<Self, String> {
        let (rest, x509) = X509Certificate::from_der(der)
            .map_err(|_| "is not a certificate that can be read".to_owned())?;
        if !rest.is_empty() {
            return Err("has bytes after its end".to_owned());
        }
        let mut certificate = Self {
            der: der.to_vec(),
            subject: dn::text(x509.subject()),
            issuer: dn::text(x509.issuer()),
            cn: dn::common_name(x509.subject()),
            dns: Vec::new(),
            other_names: Vec::new(),
            ips: Vec::new(),
            serial: hex(x509.raw_serial()),
            not_before: x509.validity().not_before.timestamp(),
            not_after: x509.validity().not_after.timestamp(),
            sha256: hex(digest::digest(&digest::SHA256, der).as_ref()),
            sha1: hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref()),
            key: Public::from_spki(x509.public_key().raw)
                .map_or_else(|| "of an unknown type".to_owned(), |p| p.description()),
            signature: signature::name(&x509),
            is_ca: x509.is_ca(),
            key_usage: None,
            extended_key_usage: None,
            ski: None,
            aki: None,
            spki: x509.public_key().raw.to_vec(),
            self_signed: false,
            subject_der: x509.subject().as_raw().to_vec(),
            issuer_der: x509.issuer().as_raw().to_vec(),
        };
        for extension in x509.extensions() {
            certificate.take(extension.parsed_extension());
        }
        certificate.self_signed =
            certificate.subject_der == certificate.issuer_der && certificate.issued(&certificate);
        Ok(certificate)
    }

    fn take(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    self.take_name(name);
                }
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(key_usage(*usage)),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.extended_key_usage = Some(extended_key_usage(usage));
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.ski = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.aki = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            _ => {}
        }
    }

    fn take_name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) if is_host_name(name) => {
                self.dns.push(name.to_ascii_lowercase());
            }
            GeneralName::DNSName(name) => self.other_names.push(dn::escape(name)),
            GeneralName::IPAddress(bytes) => {
                if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
                    self.ips.push(Ipv4Addr::from(four).into());
                } else if let Ok(sixteen) = <[u8; 16]>::try_from(*bytes) {
                    self.ips.push(Ipv6Addr::from(sixteen).into());
                } else {
                    self.other_names
                        .push(format!("an address of {} bytes", bytes.len()));
                }
            }
            GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                self.other_names.push(dn::escape(name));
            }
            _ => self.other_names.push("a name of another kind".to_owned()),
        }
    }

    /// Returns the name, DER, by which a server that trusts this asks for client certificates: clients compare it with the
    /// issuers of what they have (RFC 5246 section 7.4.4).
    pub(crate) fn asked_by(&self) -> &[u8] {
        if self.is_ca {
            &self.subject_der
        } else {
            &self.issuer_der
        }
    }

    /// Tells whether a client may show it: its extended key usage, if there is one, does not exclude that (RFC 5280 section
    /// 4.2.1.12).
    pub(crate) fn is_for_clients(&self) -> bool {
        let fits = |usage: &String| ["clientAuth", "anyExtendedKeyUsage"].contains(&usage.as_str());
        let usages = self.extended_key_usage.as_ref();
        usages.is_none_or(|usages| usages.iter().any(fits))
    }

    /// Says why a server that trusts what is listed, and nothing else, refuses this leaf of a client with what came behind it
    /// at `now` (seconds since the epoch, UTC); a leaf that is listed itself counts, whoever issued it.
    pub(crate) fn refusal_as_client(
        &self,
        chain: &[Self],
        listed: &[Self],
        now: i64,
    ) -> Option<String> {
        super::trust::refusal_as_client(self, chain, listed, now)
    }

    /// Tells whether a client that asks for `name` (a host name or an address) accepts this leaf: only the SAN counts,
    /// and a wildcard only as the whole leftmost label, for exactly one label (RFC 9525 sections 6.3 and 6.5).
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        let bare = name
            .strip_prefix('[')
            .and_then(|n| n.strip_suffix(']'))
            .unwrap_or(name);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.ips.contains(&address);
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if !is_host_name(&name) || name.starts_with('*') {
            return false;
        }
        self.dns.iter().any(|pattern| {
            let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
            match (pattern.strip_prefix("*."), name.split_once('.')) {
                // A wildcard right under a single label is refused by OpenSSL and webpki alike.
                (Some(domain), Some((_, rest))) => domain.contains('.') && domain == rest,
                (Some(_), None) => false,
                (None, _) => pattern == name,
            }
        })
    }

    /// Tells whether `now` (seconds since the epoch, UTC) lies in the validity.
    #[must_use]
    pub fn is_valid_at(&self, now: i64) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Returns the base64 SHA-256 of the public key (RFC 7469 section 2.4).
    #[must_use]
    pub fn pin(&self) -> String {
        key::pin(&self.spki)
    }

    /// Tells whether this certificate's key signed `child`. Where the algorithm is one that cannot be checked, names
    /// and key identifiers decide.
    pub(crate) fn issued(&self, child: &Self) -> bool {
        self.subject_der == child.issuer_der
            && signature::verify(&child.der, &self.spki).unwrap_or_else(|| {
                match (&self.ski, &child.aki) {
                    (Some(ski), Some(aki)) => ski == aki,
                    _ => true,
                }
            })
    }

    /// Returns the public key in the form in which it can be compared.
    pub(super) fn public(&self) -> Option<Public> {
        Public::from_spki(&self.spki)
    }

    /// Returns the most specific CN of the issuer, if it has one.
    #[must_use]
    pub fn issuer_cn(&self) -> Option<String> {
        let (_, name) = X509Name::from_der(&self.issuer_der).ok()?;
        dn::common_name(&name)
    }

    /// Returns what people call it: subject, else the first name, else its fingerprint.
    #[must_use]
    pub fn title(&self) -> String {
        if !self.subject.is_empty() {
            self.subject.clone()
        } else if let Some(name) = self.dns.first() {
            name.clone()
        } else {
            format!("fingerprint {}", &self.sha256[..16])
        }
    }
}

/// Tells whether a text can stand where a host name is wanted: letters, digits, `-`, `_`, dots, and a leading `*.`.
fn is_host_name(name: &str) -> bool {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    // RFC 1035 section 2.3.4: 253 octets in text form, 63 in a label.
    bare.len() <= 253
        && bare.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

fn key_usage(usage: KeyUsage) -> Vec<&'static str> {
    [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}

fn extended_key_usage(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (usage.any, "anyExtendedKeyUsage"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let known = known
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| name.to_owned());
    known
        .chain(usage.other.iter().map(ToString::to_string))
        .collect()
}
