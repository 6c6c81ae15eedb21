//! The verifier of every handshake that certroll makes.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::Fingerprint;

/// Which leaves are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accept {
    /// Any: to look at what is presented, never to send anything.
    Any,
    /// Those with one of these fingerprints; neither name, time nor issuer counts.
    Only(Vec<Fingerprint>),
}

/// Accepts leaves by fingerprint, or any, and notes what was presented.
///
/// The handshake's own signature is checked in every case: a certificate is public, and who presents one without its key
/// is not the peer that it names. The check is a part of the connection that it is for, so that a client which sends
/// through a connection made with this verifier sends to nobody else.
#[derive(Debug)]
pub struct Verifier {
    provider: Arc<CryptoProvider>,
    accept: Accept,
    seen: Mutex<Vec<Vec<u8>>>,
    signed: AtomicBool,
}

impl Verifier {
    /// A verifier for one connection.
    #[must_use]
    pub fn new(accept: Accept) -> Self {
        Self {
            provider: Arc::new(aws_lc_rs::default_provider()),
            accept,
            seen: Mutex::new(Vec::new()),
            signed: AtomicBool::new(false),
        }
    }

    /// Returns the provider that the connection shall use, too.
    #[must_use]
    pub fn provider(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.provider)
    }

    /// Tells whether an accepted peer has signed this very handshake with the key of its leaf.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signed.load(Ordering::Relaxed)
    }

    /// Returns the certificates that were presented, DER, in the order sent, accepted or not; once.
    #[must_use]
    pub fn taken(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn noted(&self, valid: HandshakeSignatureValid) -> HandshakeSignatureValid {
        self.signed.store(true, Ordering::Relaxed);
        valid
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            all.map(|der| der.to_vec()).collect();
        match &self.accept {
            Accept::Any => Ok(ServerCertVerified::assertion()),
            Accept::Only(pins) if pins.iter().any(|pin| pin.is_of(end_entity)) => {
                Ok(ServerCertVerified::assertion())
            }
            Accept::Only(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known).map(|valid| self.noted(valid))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known).map(|valid| self.noted(valid))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
