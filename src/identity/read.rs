//! What one input holds, told by the bodies and never by labels or file names.

use zeroize::Zeroizing;

use super::{
    Input, Remark,
    certificate::Certificate,
    der, dn,
    key::Key,
    locked::{self, Locked, Work},
    pem, remark,
    shape::{Shape, shape},
};
use crate::{
    error::{Error, Result},
    preflight::{Finding, Severity},
    state::Bytes,
};

/// The most that one input may have (16 MiB), however it came in.
const LARGEST: usize = 16 << 20;

/// Everything found in one input.
#[derive(Default)]
pub(super) struct Contents {
    /// In order.
    pub(super) certificates: Vec<Certificate>,
    /// In order.
    pub(super) keys: Vec<Key>,
    /// Keys that stay encrypted.
    pub(super) locked: Vec<Locked>,
    /// Text between blocks, names of bags.
    pub(super) remarks: Vec<Remark>,
    /// Contradictions between text and certificates.
    pub(super) findings: Vec<Finding>,
}

/// Reads one input.
///
/// # Errors
/// [`Error::Input`] where nothing of use is in it, or what is in it is damaged.
pub(super) fn read(input: &Input, password: Option<&Bytes>) -> Result<Contents> {
    let bytes = input.bytes.reveal();
    if bytes.len() > LARGEST {
        return Err(bad(
            input,
            format!(
                "has {} MiB, wanted at most {} MiB",
                bytes.len() >> 20,
                LARGEST >> 20
            ),
            "give a file that holds a certificate or a private key",
        ));
    }
    if bytes.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
        return Err(bad(
            input,
            "is empty",
            "give a file that holds a certificate or a private key",
        ));
    }
    let mut reader = Reader {
        input,
        password,
        curve: None,
        work: Work::default(),
        found: Contents::default(),
    };
    match text_of(bytes) {
        Some(text) => reader.pem(&text)?,
        None => reader.der(bytes)?,
    }
    let found = reader.found;
    if found.certificates.is_empty() && found.keys.is_empty() && found.locked.is_empty() {
        return Err(bad(
            input,
            "holds neither a certificate nor a private key",
            "give a file that holds a certificate or a private key",
        ));
    }
    Ok(found)
}

fn bad(input: &Input, message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Input {
        subject: format!("`{}`", input.name),
        message: message.into(),
        hint: hint.into(),
    }
}

/// Returns an input as text where it is PEM: without its byte order mark, UTF-16 as Windows writes it converted.
fn text_of(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units: Zeroizing<Vec<u16>> = Zeroizing::new(
            bytes[2..]
                .chunks_exact(2)
                .map(|c| unit([c[0], c[1]]))
                .collect(),
        );
        Zeroizing::new(String::from_utf16_lossy(&units))
    };
    let text = match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => Zeroizing::new(String::from_utf8_lossy(rest).into_owned()),
        // DER of a certificate may hold such a text inside, as a comment.
        _ if shape(bytes) != Shape::Unknown => return None,
        _ => Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()),
    };
    pem::looks_like(text.as_bytes()).then_some(text)
}

/// A label as it may be shown: one whose end is damaged goes on with what may be a key.
fn label(block: &pem::Block) -> String {
    let is_plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ';
    if block.label.chars().all(is_plain) {
        format!("(`{}`) ", block.label)
    } else {
        String::new()
    }
}

struct Reader<'a> {
    input: &'a Input,
    password: Option<&'a Bytes>,
    curve: Option<Zeroizing<Vec<u8>>>,
    work: Work,
    found: Contents,
}

impl Reader<'_> {
    fn pem(&mut self, text: &str) -> Result<()> {
        let blocks = pem::read(text).map_err(|e| {
            bad(
                self.input,
                e,
                "give the whole file, each block from `-----BEGIN` to `-----END`",
            )
        })?;
        for block in &blocks.blocks {
            let said = remark::claims(&block.before);
            let of = if block.legacy_encrypted {
                let locked = locked::refused(
                    "in the old way (`Proc-Type: 4,ENCRYPTED`)",
                    &self.input.name,
                    false,
                );
                self.found.locked.push(locked);
                "encrypted private key".to_owned()
            } else {
                let count = self.found.certificates.len();
                let shape = self.body(&block.der, false, Some(block))?;
                match self.found.certificates.get(count) {
                    Some(certificate) => {
                        let certificate = certificate.clone();
                        self.contradict(&said, &certificate);
                        format!("certificate `{}`", certificate.title())
                    }
                    None => shape.noun().to_owned(),
                }
            };
            self.found
                .remarks
                .extend(remark::of(self.input, &block.before, &of));
        }
        self.found
            .remarks
            .extend(remark::of(self.input, &blocks.after, "end"));
        Ok(())
    }

    fn der(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
            let Some((tlv, after)) = der::first(rest) else {
                return Err(self.neither(bytes, rest));
            };
            self.body(tlv.whole, true, None)?;
            rest = after;
        }
        Ok(())
    }

    fn neither(&self, bytes: &[u8], rest: &[u8]) -> Error {
        if bytes.starts_with(&super::JKS) {
            let file = &self.input.name;
            let hint = format!(
                "take the pair out: `certroll keystore export {file} --alias ALIAS --chain --with-key -o {file}.pem`"
            );
            return bad(self.input, "is a JKS store, which holds many entries", hint);
        }
        let cut = bytes.len() != rest.len() || matches!(bytes, [0x30, 0x81..=0x84, ..]);
        let message = if cut {
            "begins like DER but is cut off, or goes on with something else"
        } else {
            "is neither PEM, DER nor PKCS#12"
        };
        bad(
            self.input,
            message,
            "give a certificate, a private key or a PKCS#12 store",
        )
    }

    /// Takes one body by what it is; `block` is its PEM block.
    fn body(&mut self, bytes: &[u8], is_der: bool, block: Option<&pem::Block>) -> Result<Shape> {
        let input = self.input;
        let place = block.map_or_else(String::new, |b| {
            format!("the block that begins in line {} ", b.line)
        });
        let path = &input.name;
        let shape = shape(bytes);
        match shape {
            Shape::Certificate => {
                // What openssl calls a trusted certificate has more after it, which only openssl reads.
                let whole = der::first(bytes).map_or(bytes, |(tlv, _)| tlv.whole);
                let read = Certificate::from_der(whole)
                    .map_err(|e| bad(input, format!("{place}{e}"), ""))?;
                self.found.certificates.push(read);
            }
            Shape::Key => self.key(bytes, &place)?,
            Shape::EncryptedKey => {
                match locked::open_key(bytes, self.password, path, is_der, &mut self.work) {
                    Ok(plain) => self.key(&plain, &place)?,
                    Err(locked) => self.found.locked.push(locked),
                }
            }
            Shape::Store => self.store(bytes)?,
            Shape::Parameters => {
                if let Some((tlv, _)) = der::first(bytes).filter(|(tlv, _)| tlv.tag == der::OID) {
                    self.curve = Some(Zeroizing::new(tlv.whole.to_vec()));
                }
            }
            Shape::Bundle7 => {
                let inform = if is_der { " -inform DER" } else { "" };
                let hint = format!(
                    "unpack it: `openssl pkcs7 -print_certs{inform} -in {path} -out {path}.pem`"
                );
                return Err(bad(
                    input,
                    format!("{place}is a PKCS#7 bundle, which is not read"),
                    hint,
                ));
            }
            Shape::Request if block.is_none() => {
                return Err(bad(
                    input,
                    "is a certificate request, not a certificate",
                    "give the certificate that the CA made from it",
                ));
            }
            Shape::PublicKey if block.is_none() => {
                return Err(bad(
                    input,
                    "is a public key, not a private one",
                    "give the private key",
                ));
            }
            // Beside certificates and keys they do no harm.
            Shape::Request | Shape::PublicKey | Shape::RevocationList => {}
            Shape::Unknown if bytes.starts_with(b"openssh-key-v1\0") => {
                let hint = format!("convert a copy of it: `ssh-keygen -p -m PKCS8 -f {path}`");
                return Err(bad(
                    input,
                    format!("{place}is a key in OpenSSH's own form"),
                    hint,
                ));
            }
            Shape::Unknown => {
                let message = match block {
                    Some(block) => format!(
                        "{place}{}holds neither a certificate nor a private key: it is damaged",
                        label(block)
                    ),
                    None => "is neither PEM, DER nor PKCS#12".to_owned(),
                };
                return Err(bad(
                    input,
                    message,
                    "give a certificate, a private key or a PKCS#12 store",
                ));
            }
        }
        Ok(shape)
    }

    fn key(&mut self, bytes: &[u8], place: &str) -> Result<()> {
        let curve = self.curve.as_ref().map(|c| c.as_slice());
        let key = Key::from_der(bytes, curve).map_err(|e| {
            bad(
                self.input,
                format!("{place}{e}"),
                "give the key as its CA or generator wrote it",
            )
        })?;
        self.found.keys.push(key);
        Ok(())
    }

    fn store(&mut self, bytes: &[u8]) -> Result<()> {
        let archive = locked::open_store(bytes, self.password, &mut self.work)
            .map_err(|l| bad(self.input, l.message, l.hint))?;
        for bag in &archive.certs {
            let read = Certificate::from_der(bag.cert.as_der())
                .map_err(|e| bad(self.input, format!("holds a certificate that {e}"), ""))?;
            if let Some(name) = &bag.friendly_name {
                let of = format!("certificate `{}`", read.title());
                self.found.remarks.extend(remark::of(
                    self.input,
                    &format!("friendlyName: {name}"),
                    &of,
                ));
            }
            self.found.certificates.push(read);
        }
        for bag in &archive.keys {
            self.key(bag.key.as_der(), "")?;
            if let Some(name) = &bag.friendly_name {
                self.found.remarks.extend(remark::of(
                    self.input,
                    &format!("friendlyName: {name}"),
                    "private key",
                ));
            }
        }
        Ok(())
    }

    fn contradict(&mut self, said: &remark::Claims, certificate: &Certificate) {
        for (what, claim, truth) in [
            ("subject", &said.subject, &certificate.subject),
            ("issuer", &said.issuer, &certificate.issuer),
        ] {
            if let Some(claim) = claim.as_ref().filter(|claim| dn::contradicts(claim, truth)) {
                let message = format!(
                    "`{}`: the text before a certificate says {what} `{}`, the certificate says `{truth}`",
                    self.input.name,
                    remark::shown(claim),
                );
                self.found.findings.push(
                    Finding::input(Severity::Warning, "metadata-contradicts", message)
                        .hinted("the certificate counts; make sure that the right one was pasted"),
                );
            }
        }
    }
}
