//! Who would trust an identity: paths are built and verified by webpki, as rustls clients do.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use serde::Serialize;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{Identity, Input, certificate::Certificate, read};
use crate::state::Bytes;

/// Who trusts a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Whoever has the given trust anchors.
    Trusted,
    /// Only who lists the leaf itself.
    SelfSigned,
    /// Only who has the root that came with the identity.
    PrivateCa,
    /// No path was found.
    Unknown,
}

impl Trust {
    /// Returns its name, as templates and JSON have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::SelfSigned => "self-signed",
            Self::PrivateCa => "private-ca",
            Self::Unknown => "unknown",
        }
    }
}

/// See [`Identity::trust`].
pub(super) fn trust(identity: &Identity, anchors: &[Vec<u8>], now: i64) -> Trust {
    let leaf = &identity.leaf;
    let chain: Vec<&Certificate> = identity.chain.iter().collect();
    if leaf.self_signed {
        let listed = anchors.contains(&leaf.der) && leaf.is_valid_at(now);
        return if listed {
            Trust::Trusted
        } else {
            Trust::SelfSigned
        };
    }
    if path(leaf, &chain, anchors.iter().map(Vec::as_slice), now).is_ok() {
        return Trust::Trusted;
    }
    let own = identity.anchor.iter().map(|a| a.der.as_slice());
    if path(leaf, &chain, own, now).is_ok() {
        Trust::PrivateCa
    } else {
        Trust::Unknown
    }
}

/// See [`Identity::verifies_with`].
pub(super) fn verifies_with(identity: &Identity, anchor_pem: &[u8], now: i64) -> bool {
    let input = Input {
        name: String::new(),
        bytes: Bytes::from(anchor_pem.to_vec()),
    };
    let Ok(found) = read::read(&input, None) else {
        return false;
    };
    let leaf = &identity.leaf;
    if leaf.self_signed {
        return leaf.is_valid_at(now) && found.certificates.iter().any(|c| c.der == leaf.der);
    }
    let (roots, links): (Vec<&Certificate>, Vec<&Certificate>) =
        found.certificates.iter().partition(|c| c.self_signed);
    let chain: Vec<&Certificate> = identity.chain.iter().chain(links).collect();
    path(leaf, &chain, roots.iter().map(|c| c.der.as_slice()), now).is_ok()
}

/// See [`Certificate::refusal_as_client`].
pub(super) fn refusal_as_client(
    leaf: &Certificate,
    chain: &[Certificate],
    listed: &[Certificate],
    now: i64,
) -> Option<String> {
    if listed.iter().any(|c| c.der == leaf.der) {
        return (!leaf.is_valid_at(now)).then(|| "it is not valid now".to_owned());
    }
    let chain: Vec<&Certificate> = chain.iter().collect();
    let anchors = listed.iter().map(|c| c.der.as_slice());
    path_for(leaf, &chain, anchors, now, KeyUsage::client_auth()).err()
}

/// Builds and verifies a path from a server's leaf through intermediates to one of the anchors; the error says why there is
/// none.
pub(super) fn path<'a>(
    leaf: &Certificate,
    chain: &[&Certificate],
    anchors: impl Iterator<Item = &'a [u8]>,
    now: i64,
) -> Result<(), String> {
    path_for(leaf, chain, anchors, now, KeyUsage::server_auth())
}

fn path_for<'a>(
    leaf: &Certificate,
    chain: &[&Certificate],
    anchors: impl Iterator<Item = &'a [u8]>,
    now: i64,
    usage: KeyUsage,
) -> Result<(), String> {
    let ders: Vec<CertificateDer<'_>> = anchors.map(CertificateDer::from).collect();
    let anchors: Vec<TrustAnchor<'_>> = ders
        .iter()
        .filter_map(|der| anchor_from_trusted_cert(der).ok())
        .collect();
    let leaf = CertificateDer::from(leaf.der.as_slice());
    let links: Vec<CertificateDer<'_>> = chain
        .iter()
        .map(|c| CertificateDer::from(c.der.as_slice()))
        .collect();
    let time =
        UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap_or_default()));
    let end = EndEntityCert::try_from(&leaf).map_err(|e| reason(&e))?;
    end.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &anchors,
        &links,
        time,
        usage,
        None,
        None,
    )
    .map(|_| ())
    .map_err(|e| reason(&e))
}

fn reason(error: &webpki::Error) -> String {
    use webpki::Error as E;
    match error {
        E::UnknownIssuer => "no trust anchor signed the end of the chain".to_owned(),
        E::CertExpired { .. } => "a certificate on the way has expired".to_owned(),
        E::CertNotValidYet { .. } => "a certificate on the way is not valid yet".to_owned(),
        E::CaUsedAsEndEntity => "the leaf is a CA".to_owned(),
        E::EndEntityUsedAsCa => "a certificate on the way is not a CA".to_owned(),
        E::NameConstraintViolation => "a CA on the way may not issue for these names".to_owned(),
        E::PathLenConstraintViolated => {
            "a CA on the way may not issue for so long a chain".to_owned()
        }
        E::InvalidSignatureForPublicKey => {
            "a signature on the way is wrong or made with too small a key".to_owned()
        }
        E::RequiredEkuNotFoundContext(_) => "the extended key usage excludes this use".to_owned(),
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "a certificate on the way is signed in a way that clients refuse".to_owned()
        }
        E::ExtensionValueInvalid
        | E::UnsupportedCriticalExtension
        | E::MalformedExtensions
        | E::UnsupportedCertVersion
        | E::BadDer => "a certificate on the way is malformed".to_owned(),
        // The rest have no operands worth reading, and some have pages of them.
        _ => "a certificate on the way is one that clients refuse".to_owned(),
    }
}
