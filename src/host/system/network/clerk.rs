//! Client certificates: whether one is asked for, and the one to show.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};

use crate::identity::{self, Identity};

/// Makes of an identity what the provider signs handshakes with.
///
/// # Errors
/// That it has no key, or what the provider has against it.
pub(in crate::host::system) fn certified(
    identity: &Identity,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, rustls::Error> {
    let Some(key) = &identity.key else {
        return Err(rustls::Error::General("no private key in it".to_owned()));
    };
    let chain = std::iter::once(&identity.leaf).chain(&identity.chain);
    let chain = chain.map(|c| CertificateDer::from(c.der.clone())).collect();
    // The provider takes its own copy; this one is wiped with the identity's.
    let der = PrivateKeyDer::Pkcs8(key.reveal().into()).clone_key();
    let key = provider.key_provider.load_private_key(der)?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// Notes what is asked, and shows what there is.
#[derive(Debug)]
pub(super) struct Clerk {
    own: Option<Arc<CertifiedKey>>,
    asked: Mutex<Option<Vec<String>>>,
}

impl Clerk {
    /// # Errors
    /// What the provider has against the key.
    pub(super) fn new(
        client: Option<&Identity>,
        provider: &CryptoProvider,
    ) -> Result<Self, rustls::Error> {
        let own = client.filter(|identity| identity.key.is_some());
        let own = own.map(|identity| certified(identity, provider));
        Ok(Self {
            own: own.transpose()?,
            asked: Mutex::new(None),
        })
    }

    pub(super) fn was_asked(&self) -> bool {
        self.asked().is_some()
    }

    /// Returns the CAs that were named, if a certificate was asked for.
    pub(super) fn asked(&self) -> Option<Vec<String>> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

impl ResolvesClientCert for Clerk {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        _: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let names = root_hint_subjects
            .iter()
            .map(|der| identity::name_text(der))
            .collect();
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
        self.own.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
