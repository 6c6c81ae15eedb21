//! The verifier of the clients that `certroll serve mtls` hears.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use crate::identity::Certificate;

/// Demands a client certificate, notes what was shown, and accepts what a list leads to.
///
/// One for each connection. The handshake's own signature is checked in every case, so that a leaf is only ever reported of
/// who holds its key.
#[derive(Debug)]
pub(crate) struct Visitor {
    provider: Arc<CryptoProvider>,
    /// None: any.
    trusted: Option<Arc<[Certificate]>>,
    hints: Vec<DistinguishedName>,
    seen: Mutex<Seen>,
}

/// What a client has shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Certificates in the order sent, DER.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// Why they do not suffice.
    pub(crate) refused: Option<String>,
}

impl Visitor {
    /// A verifier that accepts what is listed or leads to it, or any client that has a leaf and holds its key.
    pub(crate) fn new(trusted: Option<Arc<[Certificate]>>) -> Self {
        // Clients choose what they show by these names (RFC 8446 section 4.2.4); none means that any will do.
        let names = trusted.iter().flat_map(|all| all.iter());
        let hints = names.map(|c| DistinguishedName::from(c.asked_by().to_vec()));
        Self {
            provider: Arc::new(aws_lc_rs::default_provider()),
            hints: hints.collect(),
            trusted,
            seen: Mutex::default(),
        }
    }

    /// Returns the provider that the connection shall use, too.
    pub(crate) fn provider(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.provider)
    }

    /// Returns what was shown.
    pub(crate) fn seen(&self) -> Seen {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    fn note(&self, certificates: Vec<Vec<u8>>, refused: Option<String>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen {
            certificates,
            refused,
        };
    }
}

/// Says why a leaf and what came with it are refused.
fn refusal(ders: &[Vec<u8>], trusted: Option<&[Certificate]>, now: i64) -> Option<String> {
    let read: Result<Vec<Certificate>, String> =
        ders.iter().map(|der| Certificate::from_der(der)).collect();
    match (read, trusted) {
        (Err(why), _) => Some(format!("showed what {why}")),
        (Ok(_), None) => None,
        (Ok(all), Some(trusted)) => {
            let (leaf, chain) = all.split_first()?;
            let why = leaf.refusal_as_client(chain, trusted, now)?;
            Some(format!("showed a leaf that is not trusted: {why}"))
        }
    }
}

impl ClientCertVerifier for Visitor {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        let ders: Vec<Vec<u8>> = all.map(|der| der.to_vec()).collect();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let refused = refusal(&ders, self.trusted.as_deref(), now);
        let is_refused = refused.is_some();
        self.note(ders, refused);
        if is_refused {
            Err(CertificateError::UnknownIssuer.into())
        } else {
            Ok(ClientCertVerified::assertion())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
