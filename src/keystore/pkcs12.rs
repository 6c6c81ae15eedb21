//! PKCS#12 (RFC 7292) as Java's provider reads it, by the library: keys with their chains, and certificates that bear
//! the attribute by which Java trusts them.

mod carried;

use p12_keystore::{
    Certificate as StoreCertificate, CertificateBag, EncryptionAlgorithm, KeyStore, KeyStoreEntry,
    MacAlgorithm, Pkcs12Archive, PrivateKey, PrivateKeyChain,
};

use super::{Encryption, Entry, Fault, Holds, shown};
use crate::{
    identity::{
        Certificate, Key,
        locked::{Work, open_store},
    },
    state::Bytes,
};

/// A store, opened.
#[derive(Debug)]
pub(super) struct Pkcs12 {
    entries: Vec<Own>,
    /// Why it cannot be written again without losing something.
    lossy: Option<String>,
}

/// One entry, with what the library must be given to write it again.
#[derive(Debug)]
struct Own {
    alias: String,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Key {
        id: Vec<u8>,
        key: PrivateKey,
        chain: Vec<StoreCertificate>,
    },
    Trusted(StoreCertificate),
    Other(&'static str),
}

impl Pkcs12 {
    /// A store without entries.
    pub(super) fn empty() -> Self {
        Self {
            entries: Vec::new(),
            lossy: None,
        }
    }

    /// Opens a store; without a password, the empty one is tried.
    pub(super) fn read(bytes: &[u8], password: Option<&Bytes>) -> Result<Self, Fault> {
        let archive = open_store(bytes, password, &mut Work::default())
            .map_err(|locked| Fault::locked(locked.message).hinted(locked.hint))?;
        let text = password.and_then(|p| std::str::from_utf8(p.reveal()).ok());
        let mut lossy = carried::lost(bytes, text.unwrap_or_default(), &archive);
        let entries = entries(&archive, &mut lossy);
        Ok(Self { entries, lossy })
    }

    /// Returns what is in it.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().map(Own::told).collect()
    }

    /// Puts a key and its chain, leaf first, in the place of the entry of that alias, or at the end.
    pub(super) fn put_key(
        &mut self,
        alias: &str,
        (key, chain): (&Key, &[Certificate]),
        now: i64,
    ) -> Result<(), Fault> {
        let chain = chain
            .iter()
            .map(|c| own(&c.der))
            .collect::<Result<_, _>>()?;
        let key = PrivateKey::from_der(key.reveal())
            .map_err(|_| Fault::damaged("cannot hold this private key"))?;
        // As the JDK names a key to its leaf, and from which it tells the date of the entry.
        let id = format!("Time {}", now.saturating_mul(1000)).into_bytes();
        self.put(alias, Body::Key { id, key, chain })
    }

    /// Puts a trusted certificate in the place of the entry of that alias, or at the end.
    pub(super) fn put_trusted(&mut self, alias: &str, der: &[u8]) -> Result<(), Fault> {
        self.put(alias, Body::Trusted(own(der)?))
    }

    /// Takes out the entry of this number, from 0.
    pub(super) fn remove(&mut self, number: usize) {
        self.entries.remove(number);
    }

    fn put(&mut self, alias: &str, body: Body) -> Result<(), Fault> {
        // A name is a BMPString (RFC 2985 section 5.5.1).
        if alias.chars().any(|c| u32::from(c) > 0xffff) {
            let message = format!("cannot hold the alias `{}`: only JKS can", shown(alias));
            return Err(Fault::damaged(message));
        }
        let same = |old: &&mut Own| old.alias.to_lowercase() == alias.to_lowercase();
        match self.entries.iter_mut().find(same) {
            Some(old) => old.body = body,
            None => self.entries.push(Own {
                alias: alias.to_owned(),
                body,
            }),
        }
        Ok(())
    }

    /// Writes the store anew, with salts of its own.
    pub(super) fn write(&self, password: &Bytes, encryption: Encryption) -> Result<Bytes, Fault> {
        if let Some(what) = &self.lossy {
            let message = format!(
                "is a PKCS#12 store with {what}, which would be lost if it were written again"
            );
            let hint = "move it away, so that a new one is made, and bring over what else is needed: \
                        `keytool -importkeystore`";
            return Err(Fault::damaged(message).hinted(hint));
        }
        // Java takes no other password for a key (`PBEKey`: "Password is not ASCII").
        let text = std::str::from_utf8(password.reveal())
            .ok()
            .filter(|t| t.is_ascii());
        let Some(text) = text else {
            let message =
                "cannot be written with a password that is not ASCII: Java would not open it";
            return Err(Fault::locked(message).hinted("choose another, or a JKS store"));
        };
        let mut store = KeyStore::new();
        for Own { alias, body } in &self.entries {
            let entry = match body {
                Body::Key { id, key, chain } => KeyStoreEntry::PrivateKeyChain(
                    PrivateKeyChain::new(id.clone(), key.clone(), chain.iter().cloned()),
                ),
                Body::Trusted(certificate) => KeyStoreEntry::Certificate(certificate.clone()),
                Body::Other(_) => continue,
            };
            store.add_entry(alias, entry);
        }
        let (cipher, mac) = match encryption {
            Encryption::Modern => (
                EncryptionAlgorithm::PbeWithHmacSha256AndAes256,
                MacAlgorithm::HmacSha256,
            ),
            Encryption::Legacy => (
                EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc,
                MacAlgorithm::HmacSha1,
            ),
        };
        let writer = store.writer(text).encryption_algorithm(cipher);
        let written = writer.mac_algorithm(mac).write();
        written
            .map(Bytes::from)
            .map_err(|_| Fault::damaged("cannot be written as PKCS#12"))
    }
}

fn own(der: &[u8]) -> Result<StoreCertificate, Fault> {
    StoreCertificate::from_der(der).map_err(|_| Fault::damaged("cannot hold this certificate"))
}

impl Own {
    fn told(&self) -> Entry {
        let read = |c: &StoreCertificate| Certificate::from_der(c.as_der()).ok();
        let holds = match &self.body {
            Body::Trusted(certificate) => read(certificate).map(|c| Holds::Trusted(Box::new(c))),
            Body::Key { key, chain, .. } => {
                let chain: Option<Vec<Certificate>> = chain.iter().map(read).collect();
                let key = Key::from_der(key.as_der(), None).ok();
                chain.map(|chain| Holds::Key { key, chain })
            }
            Body::Other(what) => Some(Holds::Other(what)),
        };
        Entry {
            alias: self.alias.clone(),
            found_as: self.alias.to_lowercase(),
            made: None,
            holds: holds.unwrap_or(Holds::Other("a certificate that cannot be read")),
        }
    }
}

/// Returns the entries as Java sees them: a key by its leaf and the issuers that follow from it, and what is trusted.
fn entries(archive: &Pkcs12Archive, lossy: &mut Option<String>) -> Vec<Own> {
    let mut all: Vec<Own> = Vec::new();
    let read = |bag: &CertificateBag| Certificate::from_der(bag.cert.as_der()).ok();
    let read: Vec<Option<Certificate>> = archive.certs.iter().map(read).collect();
    let mut used = vec![false; archive.certs.len()];
    let mut lose = |what: String| {
        lossy.get_or_insert(what);
    };
    for bag in &archive.keys {
        let id = bag.local_key_id.as_ref().map(AsRef::<[u8]>::as_ref);
        let of = |c: &CertificateBag| !c.trusted && id.is_some() && c.local_key_id.as_deref() == id;
        let (Some(id), Some(leaf)) = (id, archive.certs.iter().position(of)) else {
            lose("a key without its certificate".to_owned());
            continue;
        };
        let Some(alias) = &bag.friendly_name else {
            lose("a key without an alias".to_owned());
            continue;
        };
        let chain = chain(&archive.certs, &read, leaf);
        for at in &chain {
            // Each key brings its own copy of what two chains have in common.
            let same = |bag: &CertificateBag| !bag.trusted && bag.cert == archive.certs[*at].cert;
            for (used, bag) in used.iter_mut().zip(&archive.certs) {
                *used |= same(bag);
            }
        }
        all.push(Own {
            alias: alias.clone(),
            body: Body::Key {
                id: id.to_vec(),
                key: bag.key.clone(),
                chain: chain
                    .iter()
                    .map(|at| archive.certs[*at].cert.clone())
                    .collect(),
            },
        });
    }
    for (bag, used) in archive.certs.iter().zip(used) {
        let alias = bag.friendly_name.as_ref().filter(|_| bag.trusted && !used);
        match alias {
            Some(alias) => all.push(Own {
                alias: alias.clone(),
                body: Body::Trusted(bag.cert.clone()),
            }),
            None if used => {}
            None => lose("a certificate that Java neither trusts nor shows".to_owned()),
        }
    }
    for bag in &archive.secrets {
        lose("a secret key".to_owned());
        all.push(Own {
            alias: bag.friendly_name.clone().unwrap_or_default(),
            body: Body::Other("a secret key"),
        });
    }
    let mut aliases: Vec<String> = all.iter().map(|own| own.alias.to_lowercase()).collect();
    aliases.sort_unstable();
    if aliases.windows(2).any(|pair| pair[0] == pair[1]) {
        lose("two entries of one alias".to_owned());
    }
    all
}

/// Returns the places of a leaf and of the issuers that follow, none of them twice; what is trusted is an entry of its own.
fn chain(bags: &[CertificateBag], read: &[Option<Certificate>], leaf: usize) -> Vec<usize> {
    let mut chain = vec![leaf];
    let mut last = leaf;
    loop {
        let child = &bags[last].cert;
        if child.subject() == child.issuer() {
            return chain;
        }
        let named = |at: &usize| {
            let bag = &bags[*at];
            !bag.trusted && bag.cert.subject() == child.issuer() && !chain.contains(at)
        };
        // Issuers of one name with different keys are told apart by the signature.
        let signed = |at: &usize| match (&read[*at], &read[last]) {
            (Some(issuer), Some(child)) => issuer.issued(child),
            _ => false,
        };
        let found: Vec<usize> = (0..bags.len()).filter(named).collect();
        let Some(at) = found
            .iter()
            .copied()
            .find(signed)
            .or_else(|| found.first().copied())
        else {
            return chain;
        };
        chain.push(at);
        last = at;
    }
}
