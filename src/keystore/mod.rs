//! Java keystores: JKS and PKCS#12, read, told and rewritten.
//!
//! Everything here is pure: bytes in, values out; the time and the salt are arguments. Which format a file has is told by
//! its first bytes, and never by its name.

mod jks;
mod pkcs12;
mod told;
mod wanted;

use std::fmt;

use crate::{
    error::Error,
    identity::{Certificate, JKS, Key},
    state::Bytes,
};
use jks::Jks;
use pkcs12::Pkcs12;

use told::lines;
pub use told::{CertificateLine, EntryReport, FORMAT, StoreReport};
pub(crate) use told::{compared, leaves};
pub use wanted::{Chance, Outdated, Passwords, Settled, Wanted, WantedKey};

/// How JCEKS begins, the store of a provider that only Java has.
const JCEKS: [u8; 4] = [0xce; 4];

/// The format of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// PKCS#12 (RFC 7292), what `keytool` makes since Java 9.
    #[default]
    Pkcs12,
    /// JKS, what it made before, and what some platforms still want.
    Jks,
}

impl Format {
    /// Every format by the name that a profile gives it.
    pub const NAMES: &[(&str, Self)] = &[("pkcs12", Self::Pkcs12), ("jks", Self::Jks)];

    /// Returns the name that `keytool -storetype` takes.
    #[must_use]
    pub fn store_type(self) -> &'static str {
        match self {
            Self::Pkcs12 => "PKCS12",
            Self::Jks => "JKS",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs12 => "PKCS#12",
            Self::Jks => "JKS",
        })
    }
}

/// How a PKCS#12 store is encrypted when it is written; JKS knows one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// AES-256 and HMAC-SHA-256, as JDK 17 writes it.
    #[default]
    Modern,
    /// Triple DES and HMAC-SHA-1, for Java 8 before 8u301 and old appliances.
    Legacy,
}

impl Encryption {
    /// Every way by the name that a profile gives it.
    pub const NAMES: &[(&str, Self)] = &[("modern", Self::Modern), ("legacy", Self::Legacy)];
}

/// Why a store cannot be read or written, as the end of a sentence that begins with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was found.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
    /// Whether a password is what is wrong.
    pub is_password: bool,
}

impl Fault {
    fn damaged(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: String::new(),
            is_password: false,
        }
    }

    fn locked(message: impl Into<String>) -> Self {
        Self {
            is_password: true,
            ..Self::damaged(message)
        }
        .hinted("give the file that holds the password of this store: `--password-file F`")
    }

    fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Makes the error about a file of this name.
    #[must_use]
    pub fn of(self, name: &str) -> Error {
        Error::Input {
            subject: format!("`{name}`"),
            message: self.message,
            hint: self.hint,
        }
    }
}

/// One entry, as far as it could be opened.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name, as the store has it.
    pub alias: String,
    /// The name by which Java finds it: of PKCS#12 that in small letters, of JKS the very one, since it asks in small letters.
    pub found_as: String,
    /// When it was made, seconds since the epoch, UTC; a PKCS#12 store does not say.
    pub made: Option<i64>,
    /// What it holds.
    pub holds: Holds,
}

/// What an entry holds.
#[derive(Debug, Clone)]
pub enum Holds {
    /// A private key, none where it could not be opened, and its chain, the leaf first.
    Key {
        /// The key.
        key: Option<Key>,
        /// Its certificates.
        chain: Vec<Certificate>,
    },
    /// A certificate that is trusted.
    Trusted(Box<Certificate>),
    /// Something else, which is named and left as it is.
    Other(&'static str),
}

/// A store that was read, or a new one.
#[derive(Debug)]
pub struct Store(Body);

#[derive(Debug)]
enum Body {
    Jks(Jks),
    Pkcs12(Pkcs12),
}

impl Store {
    /// Tells which format a file has by how it begins; none where it is no store.
    #[must_use]
    pub fn format_of(bytes: &[u8]) -> Option<Format> {
        if bytes.starts_with(&JKS) {
            return Some(Format::Jks);
        }
        crate::identity::is_store(bytes).then_some(Format::Pkcs12)
    }

    /// Tells whether a file begins like a store, one that is not read (JCEKS) among them.
    #[must_use]
    pub fn looks_like(bytes: &[u8]) -> bool {
        bytes.starts_with(&JCEKS) || Self::format_of(bytes).is_some()
    }

    /// A store without entries.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self(match format {
            Format::Jks => Body::Jks(Jks::empty()),
            Format::Pkcs12 => Body::Pkcs12(Pkcs12::empty()),
        })
    }

    /// Reads a store. Without a password the entries of a JKS store are read all the same, and nothing is verified.
    ///
    /// # Errors
    /// [`Fault`] where it is no store, one of another format, damaged, or the password does not open it.
    pub fn read(bytes: &[u8], password: Option<&Bytes>) -> Result<Self, Fault> {
        match Self::format_of(bytes) {
            Some(Format::Jks) => Jks::read(bytes, password).map(Body::Jks).map(Self),
            Some(Format::Pkcs12) => Pkcs12::read(bytes, password).map(Body::Pkcs12).map(Self),
            None if bytes.starts_with(&JCEKS) => {
                let hint = "convert a copy of it: `keytool -importkeystore -srckeystore FILE -srcstoretype JCEKS \
                            -destkeystore FILE.p12 -deststoretype PKCS12`";
                Err(Fault::damaged(
                    "is a JCEKS store, which is not supported: wanted JKS or PKCS#12",
                )
                .hinted(hint))
            }
            None => Err(Fault::damaged("is no keystore: wanted JKS or PKCS#12")),
        }
    }

    /// Returns the format.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.0 {
            Body::Jks(_) => Format::Jks,
            Body::Pkcs12(_) => Format::Pkcs12,
        }
    }

    /// Returns the entries in their order; keys of a JKS store are opened by `key_password`, those of PKCS#12 were with it.
    #[must_use]
    pub fn entries(&self, key_password: Option<&Bytes>) -> Vec<Entry> {
        match &self.0 {
            Body::Jks(store) => store.entries(key_password),
            Body::Pkcs12(store) => store.entries(),
        }
    }

    fn put_key(
        &mut self,
        alias: &str,
        (key, chain): (&Key, &[Certificate]),
        password: &Bytes,
        chance: &Chance,
    ) -> Result<(), Fault> {
        match &mut self.0 {
            Body::Jks(store) => {
                let moment = (&chance.salt, chance.now);
                store.put_key(alias, (key, chain), password, moment)
            }
            Body::Pkcs12(store) => store.put_key(alias, (key, chain), chance.now),
        }
    }

    fn put_trusted(&mut self, alias: &str, der: &[u8], now: i64) -> Result<(), Fault> {
        match &mut self.0 {
            Body::Jks(store) => store.put_trusted(alias, der, now),
            Body::Pkcs12(store) => store.put_trusted(alias, der),
        }
    }

    /// Takes out the entry of this number, from 0.
    fn remove(&mut self, number: usize) {
        match &mut self.0 {
            Body::Jks(store) => store.remove(number),
            Body::Pkcs12(store) => store.remove(number),
        }
    }

    fn write(&self, password: &Bytes, encryption: Encryption) -> Result<Bytes, Fault> {
        match &self.0 {
            Body::Jks(store) => store.write(password),
            Body::Pkcs12(store) => store.write(password, encryption),
        }
    }
}

/// An alias as people may read it: without what moves a cursor.
#[must_use]
pub fn shown(alias: &str) -> String {
    alias.escape_debug().to_string()
}
