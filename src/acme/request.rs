//! Keys, requests for certificates, and files that the caller names.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::{folder::Begun, order::Run};
use crate::{
    error::{Error, Result},
    host::Host,
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

/// Decodes base64url (RFC 4648 section 5), padded or not.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits & 0xff) as u8);
        }
    }
    (!out.is_empty()).then_some(out)
}
