//! Keys, requests for certificates, and files that the caller names.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use zeroize::Zeroizing;

use super::{folder::Begun, order::Run};
use crate::{
    error::{Error, Result},
    host::{Deciding, Host, ours_alone},
    identity::pem,
    state::Bytes,
};

impl Run<'_> {
    /// Makes a new key.
    pub(super) fn key(&self) -> Result<Bytes> {
        Ok(Bytes::from(self.asked.key.generate()?.serialize_pem()))
    }

    /// Makes the request (RFC 2986): the names as SANs, and nothing else.
    pub(super) fn request(&self, host: &dyn Host, begun: &Begun) -> Result<Vec<u8>> {
        let at = self.folder.file(begun.number, "key.pem");
        let state = host.load(&at)?;
        let pem = state.bytes().map(Bytes::text).unwrap_or_default();
        let made = || -> std::result::Result<Vec<u8>, rcgen::Error> {
            let key = KeyPair::from_pem(&pem)?;
            let mut params = CertificateParams::new(self.asked.names.clone())?;
            params.distinguished_name = DistinguishedName::new();
            Ok(params.serialize_request(&key)?.der().to_vec())
        };
        made().map_err(|error| self.unfit(&error))
    }

    fn unfit(&self, error: &rcgen::Error) -> Error {
        Error::Input {
            subject: format!("identity `{}`", self.folder.name()),
            message: error.to_string(),
            hint: String::new(),
        }
    }
}

/// Reads a file of trust anchors.
pub(super) fn anchors(host: &dyn Host, path: &str) -> Result<Vec<Vec<u8>>> {
    ours_alone(
        host,
        Deciding::Named(path),
        "it decides which server is believed",
    )?;
    let bytes = host.read_input(path)?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(bytes.reveal()).collect();
    let none = || Error::Input {
        subject: format!("`{path}`"),
        message: "holds no certificate in PEM".to_owned(),
        hint: "give the root of the server".to_owned(),
    };
    let all: std::result::Result<Vec<_>, _> = all.into_iter().collect();
    let all = all.map_err(|_| none())?;
    if all.is_empty() {
        return Err(none());
    }
    Ok(all.into_iter().map(|der| der.to_vec()).collect())
}

/// Decodes a secret in base64url or base64 (RFC 4648), padded or not; none where it is empty.
pub(super) fn decode(text: &str) -> Option<Bytes> {
    // As long as it becomes, so that it is not copied by growth.
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    plain.extend(text.chars().map(|c| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    }));
    let mut secret = pem::decode(&plain).ok()?;
    (!secret.is_empty()).then(|| Bytes::from(std::mem::take(&mut *secret)))
}
