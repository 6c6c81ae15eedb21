//! JKS, the store of Java's provider SUN: read within its bounds, and written again with every other entry as it was.
//!
//! The layout is that of `sun.security.provider.JavaKeyStore` of JDK 17, measured against what its `keytool` writes; all
//! numbers are big endian:
//!
//! ```text
//! u32 FEEDFEED, u32 version, u32 entries, then for each
//!   u32 tag: 1 a key, 2 a trusted certificate; text alias; i64 milliseconds since the epoch
//!   1: u32 length, EncryptedPrivateKeyInfo; u32 certificates, each as below
//!   2: a certificate: text type (from version 2 on), u32 length, DER
//! 20 bytes: SHA-1 of password, whitener and everything before
//! text: u16 length, modified UTF-8
//! ```

mod protect;
mod text;

use std::ops::Range;

use super::{Entry, Fault, Holds, shown};
use crate::{
    identity::{Certificate, JKS as MAGIC, Key},
    state::Bytes,
};
use protect::{DIGEST, Password};

/// What is written where there was nothing before; 1 is read as well.
const VERSION: u32 = 2;
/// The type of a certificate.
const X509: &str = "X.509";

/// A store, its entries in their order.
#[derive(Debug)]
pub(super) struct Jks {
    version: u32,
    entries: Vec<Raw>,
}

/// One entry: its bytes, and where in them is what.
#[derive(Debug)]
struct Raw {
    bytes: Vec<u8>,
    alias: String,
    made: i64,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Key {
        hidden: Range<usize>,
        chain: Vec<Cert>,
    },
    Trusted(Cert),
}

#[derive(Debug)]
struct Cert {
    is_x509: bool,
    der: Range<usize>,
}

impl Jks {
    /// A store without entries.
    pub(super) fn empty() -> Self {
        Self {
            version: VERSION,
            entries: Vec::new(),
        }
    }

    /// Reads a store; with a password its digest is verified.
    pub(super) fn read(bytes: &[u8], password: Option<&Bytes>) -> Result<Self, Fault> {
        let cut = || Fault::damaged("is a JKS store that is cut off or damaged");
        let end = bytes.len().checked_sub(DIGEST).ok_or_else(cut)?;
        let (body, digest) = bytes.split_at(end);
        // What the password says of the whole comes before any judgement of its parts.
        if let Some(password) = password
            && !wide(password)?.sealed(body, digest)
        {
            return Err(Fault::locked(
                "is a JKS store, and the password does not open it, or it was changed",
            ));
        }
        let mut head = Reader { bytes: body, at: 4 };
        let version = head.number().ok_or_else(cut)?;
        if !(1..=VERSION).contains(&version) {
            let message = format!("is a JKS store of version {version}: wanted 1 or 2");
            return Err(Fault::damaged(message));
        }
        let count = head.number().ok_or_else(cut)?;
        let mut rest = body.get(head.at..).unwrap_or_default();
        let mut entries = Vec::new();
        for _ in 0..count {
            let (raw, after) = Raw::read(rest, version).ok_or_else(cut)?;
            entries.push(raw);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(cut());
        }
        Ok(Self { version, entries })
    }

    /// Returns what is in it; keys are opened by this password.
    pub(super) fn entries(&self, key_password: Option<&Bytes>) -> Vec<Entry> {
        let password = key_password.and_then(Password::new);
        self.entries
            .iter()
            .map(|raw| raw.told(password.as_ref()))
            .collect()
    }

    /// Puts a key and its chain, leaf first, in the place of the entry of that alias, or at the end.
    pub(super) fn put_key(
        &mut self,
        alias: &str,
        (key, chain): (&Key, &[Certificate]),
        password: &Bytes,
        (salt, now): (&[u8; DIGEST], i64),
    ) -> Result<(), Fault> {
        let hidden = wide(password)?.hide(key.reveal(), salt);
        self.put(1, alias, now, |bytes, version| {
            length(bytes, hidden.len())?;
            bytes.extend_from_slice(&hidden);
            length(bytes, chain.len())?;
            chain
                .iter()
                .try_for_each(|c| certificate(bytes, version, &c.der))
        })
    }

    /// Puts a trusted certificate in the place of the entry of that alias, or at the end.
    pub(super) fn put_trusted(&mut self, alias: &str, der: &[u8], now: i64) -> Result<(), Fault> {
        self.put(2, alias, now, |bytes, version| {
            certificate(bytes, version, der)
        })
    }

    /// Takes out the entry of this number, from 0.
    pub(super) fn remove(&mut self, number: usize) {
        self.entries.remove(number);
    }

    fn put(
        &mut self,
        tag: u32,
        alias: &str,
        now: i64,
        write: impl FnOnce(&mut Vec<u8>, u32) -> Option<()>,
    ) -> Result<(), Fault> {
        // The provider looks every alias up in small letters: one with others could never be found.
        let alias = alias.to_lowercase();
        let mut bytes = tag.to_be_bytes().to_vec();
        let made = now.saturating_mul(1000);
        let raw = string(&mut bytes, &alias)
            .and_then(|()| {
                bytes.extend_from_slice(&made.to_be_bytes());
                write(&mut bytes, self.version)
            })
            .and_then(|()| Raw::read(&bytes, self.version));
        let Some((raw, _)) = raw else {
            let message = format!("cannot hold an entry `{}`: it is too long", shown(&alias));
            return Err(Fault::damaged(message));
        };
        match self.entries.iter_mut().find(|old| old.alias == alias) {
            Some(old) => *old = raw,
            None => self.entries.push(raw),
        }
        Ok(())
    }

    /// Writes the store: every entry that nothing was put in place of has the very bytes that it had.
    pub(super) fn write(&self, password: &Bytes) -> Result<Bytes, Fault> {
        let password = wide(password)?;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.version.to_be_bytes());
        length(&mut out, self.entries.len())
            .ok_or_else(|| Fault::damaged("has too many entries"))?;
        for raw in &self.entries {
            out.extend_from_slice(&raw.bytes);
        }
        out.extend(password.seal(&out));
        Ok(Bytes::from(out))
    }
}

fn wide(password: &Bytes) -> Result<Password, Fault> {
    Password::new(password).ok_or_else(|| Fault::locked("has a password that is not UTF-8"))
}

impl Raw {
    /// Reads the first entry, and returns it with what follows.
    fn read(bytes: &[u8], version: u32) -> Option<(Self, &[u8])> {
        let mut reader = Reader { bytes, at: 0 };
        let tag = reader.number()?;
        let alias = reader.string()?;
        let made = reader.long()?;
        let body = match tag {
            1 => {
                let hidden = reader.sized()?;
                let count = reader.number()?;
                let mut chain = Vec::new();
                for _ in 0..count {
                    chain.push(reader.certificate(version)?);
                }
                Body::Key { hidden, chain }
            }
            2 => Body::Trusted(reader.certificate(version)?),
            _ => return None,
        };
        let (own, rest) = bytes.split_at_checked(reader.at)?;
        let bytes = own.to_vec();
        Some((
            Self {
                bytes,
                alias,
                made,
                body,
            },
            rest,
        ))
    }

    fn told(&self, password: Option<&Password>) -> Entry {
        let read = |cert: &Cert| {
            let der = self.bytes.get(cert.der.clone()).unwrap_or_default();
            let read = cert.is_x509.then(|| Certificate::from_der(der));
            read.and_then(Result::ok)
        };
        let holds = match &self.body {
            Body::Trusted(cert) => read(cert).map(|c| Holds::Trusted(Box::new(c))),
            Body::Key { hidden, chain } => {
                let chain: Option<Vec<Certificate>> = chain.iter().map(read).collect();
                let hidden = self.bytes.get(hidden.clone()).unwrap_or_default();
                let key = password
                    .and_then(|p| p.open(hidden))
                    .and_then(|plain| Key::from_der(&plain, None).ok());
                chain.map(|chain| Holds::Key { key, chain })
            }
        };
        Entry {
            alias: self.alias.clone(),
            found_as: self.alias.clone(),
            made: Some(self.made.div_euclid(1000)),
            holds: holds.unwrap_or(Holds::Other("a certificate that cannot be read")),
        }
    }
}

/// Reads within what there is: a length that goes beyond it is told before anything is made of it.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Option<Range<usize>> {
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.bytes.len())?;
        let range = self.at..end;
        self.at = end;
        Some(range)
    }

    fn number(&mut self) -> Option<u32> {
        let range = self.take(4)?;
        Some(u32::from_be_bytes(self.bytes.get(range)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<i64> {
        let range = self.take(8)?;
        Some(i64::from_be_bytes(self.bytes.get(range)?.try_into().ok()?))
    }

    fn sized(&mut self) -> Option<Range<usize>> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn string(&mut self) -> Option<String> {
        let range = self.take(2)?;
        let length = u16::from_be_bytes(self.bytes.get(range)?.try_into().ok()?);
        let range = self.take(usize::from(length))?;
        text::read(self.bytes.get(range)?)
    }

    fn certificate(&mut self, version: u32) -> Option<Cert> {
        let is_x509 = version == 1 || self.string()? == X509;
        let der = self.sized()?;
        Some(Cert { is_x509, der })
    }
}

fn length(out: &mut Vec<u8>, length: usize) -> Option<()> {
    out.extend_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
    Some(())
}

fn string(out: &mut Vec<u8>, text: &str) -> Option<()> {
    let bytes = text::write(text);
    out.extend_from_slice(&u16::try_from(bytes.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&bytes);
    Some(())
}

fn certificate(out: &mut Vec<u8>, version: u32, der: &[u8]) -> Option<()> {
    if version > 1 {
        string(out, X509)?;
    }
    length(out, der.len())?;
    out.extend_from_slice(der);
    Some(())
}

#[cfg(test)]
mod tests;
