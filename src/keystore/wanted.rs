//! What a store is to hold, and how it comes from what is there: the same bytes where that holds it already.

use super::{Encryption, Entry, Fault, Format, Holds, Store, lines, shown};
use crate::{
    identity::{Certificate, Key},
    state::Bytes,
};

/// What a store is to hold; every other entry stays.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The key entry.
    pub key: Option<WantedKey>,
    /// Trusted certificates by alias.
    pub trusted: Vec<(String, Certificate)>,
    /// Format of a new store; one that is there keeps its own.
    pub format: Format,
    /// How it is encrypted when it is written.
    pub encryption: Encryption,
}

/// A key entry that is wanted.
#[derive(Debug, Clone)]
pub struct WantedKey {
    /// Its alias.
    pub alias: String,
    /// The key.
    pub key: Key,
    /// The leaf, then each one's issuer.
    pub chain: Vec<Certificate>,
}

/// The passwords of a store.
#[derive(Debug, Clone)]
pub struct Passwords {
    /// Of the whole.
    pub store: Bytes,
    /// Of the key, where it has another one: JKS alone.
    pub key: Option<Bytes>,
}

impl Passwords {
    /// Returns the password of keys.
    #[must_use]
    pub fn of_keys(&self) -> &Bytes {
        self.key.as_ref().unwrap_or(&self.store)
    }
}

/// What makes one writing differ from the next.
#[derive(Debug, Clone, Copy)]
pub struct Chance {
    /// Fresh random bytes.
    pub salt: [u8; 20],
    /// Seconds since the epoch, UTC.
    pub now: i64,
}

/// A store as it will be.
#[derive(Debug)]
pub struct Settled {
    /// Its bytes: those of before, where it holds all that is wanted.
    pub bytes: Bytes,
    /// Which entries go, come and stay, a line each.
    pub lines: Vec<String>,
    /// Aliases of keys that the password of keys does not open.
    pub closed: Vec<String>,
    /// Alias and subject of the leaf of each key.
    pub leaves: Vec<(String, String)>,
}

/// The least that `keytool` takes for the password of a store.
const SHORTEST: usize = 6;

impl Wanted {
    /// Returns the store that holds what is wanted, made out of the one that is there.
    ///
    /// # Errors
    /// [`Fault`] where what is there is not opened by the passwords or cannot be rewritten without a loss, an entry of
    /// another type has the alias, or the format cannot hold what is wanted.
    pub fn settle(
        &self,
        before: Option<&[u8]>,
        passwords: &Passwords,
        chance: &Chance,
    ) -> Result<Settled, Fault> {
        self.fits()?;
        let mut store = if let Some(bytes) = before {
            Store::read(bytes, Some(&passwords.store))?
        } else {
            long_enough(passwords)?;
            Store::new(self.format)
        };
        if store.format() == Format::Pkcs12 && passwords.of_keys() != &passwords.store {
            let fault = Fault::locked(
                "is a PKCS#12 store: its keys have the password of the whole, not one of their own",
            );
            return Err(fault.hinted("leave out the password of the key, or make it a JKS store"));
        }
        let old = store.entries(Some(passwords.of_keys()));
        let mut changed = before.is_none();
        if let Some(key) = &self.key {
            let is_key = |entry: &Entry| matches!(entry.holds, Holds::Key { .. });
            free(&old, &key.alias, is_key, "a key")?;
            if !old.iter().any(|entry| key.is(entry)) {
                let own = (&key.key, &*key.chain);
                store.put_key(&key.alias, own, passwords.of_keys(), chance)?;
                changed = true;
            }
        }
        for (alias, certificate) in &self.trusted {
            let is_trusted = |entry: &Entry| matches!(entry.holds, Holds::Trusted(_));
            free(&old, alias, is_trusted, "a trusted certificate")?;
            let is = |entry: &Entry| {
                let holds = |c: &Certificate| c.der == certificate.der;
                is_called(entry, alias) && matches!(&entry.holds, Holds::Trusted(c) if holds(c))
            };
            if !old.iter().any(is) {
                store.put_trusted(alias, &certificate.der, chance.now)?;
                changed = true;
            }
        }
        let bytes = match before {
            Some(bytes) if !changed => Bytes::from(bytes.to_vec()),
            _ => self.written(&store, passwords)?,
        };
        let new = store.entries(Some(passwords.of_keys()));
        let lines = lines(before.map(|_| old.as_slice()), &new);
        let (mut closed, mut leaves) = (Vec::new(), Vec::new());
        for entry in &new {
            if let Holds::Key { key, chain } = &entry.holds {
                if key.is_none() {
                    closed.push(entry.alias.clone());
                }
                let leaf = chain.first().map(|c| c.subject.clone());
                leaves.extend(leaf.map(|subject| (entry.alias.clone(), subject)));
            }
        }
        Ok(Settled {
            bytes,
            lines,
            closed,
            leaves,
        })
    }

    /// Writes a store, and reads it again before anybody relies on it.
    fn written(&self, store: &Store, passwords: &Passwords) -> Result<Bytes, Fault> {
        let bytes = store.write(&passwords.store, self.encryption)?;
        let again = Store::read(bytes.reveal(), Some(&passwords.store))?;
        let entries = again.entries(Some(passwords.of_keys()));
        let key = self.key.as_ref();
        let whole = entries.len() == store.entries(None).len()
            && key.is_none_or(|key| entries.iter().any(|entry| key.is(entry)));
        if whole {
            Ok(bytes)
        } else {
            Err(Fault::damaged(
                "did not come out as it was meant: this is a fault in certroll",
            ))
        }
    }

    /// Refuses what no store could hold.
    fn fits(&self) -> Result<(), Fault> {
        let key = self.key.iter().map(|key| &key.alias);
        let mut aliases: Vec<String> = key
            .chain(self.trusted.iter().map(|(alias, _)| alias))
            .map(|alias| alias.to_lowercase())
            .collect();
        aliases.sort_unstable();
        for alias in &aliases {
            if alias.is_empty() || alias.chars().any(char::is_control) {
                return Err(Fault::damaged(format!(
                    "cannot have an alias `{}`",
                    shown(alias)
                )));
            }
        }
        match aliases.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Fault::damaged(format!(
                "cannot have two entries of one alias: `{}`, in small letters, as Java has them",
                shown(&pair[0])
            ))),
            None => Ok(()),
        }
    }
}

impl WantedKey {
    /// Tells whether an entry is this one already: alias, key and chain, whatever its bytes are.
    fn is(&self, entry: &Entry) -> bool {
        let Holds::Key {
            key: Some(key),
            chain,
        } = &entry.holds
        else {
            return false;
        };
        let same_chain = chain
            .iter()
            .map(|c| &c.der)
            .eq(self.chain.iter().map(|c| &c.der));
        is_called(entry, &self.alias) && key.pin() == self.key.pin() && same_chain
    }
}

/// Tells whether Java finds an entry by this alias.
fn is_called(entry: &Entry, alias: &str) -> bool {
    entry.found_as == alias.to_lowercase()
}

/// Refuses to put an entry in the place of one of another type: what that holds would be lost.
fn free(
    entries: &[Entry],
    alias: &str,
    fits: impl Fn(&Entry) -> bool,
    want: &str,
) -> Result<(), Fault> {
    let mut called = entries.iter().filter(|entry| is_called(entry, alias));
    let message = match (called.next(), called.next()) {
        (None, _) => return Ok(()),
        (Some(entry), None) if fits(entry) => return Ok(()),
        (Some(entry), None) => format!(
            "has {} under the alias `{}`: want {want}, or nothing",
            entry.holds.noun(),
            shown(alias)
        ),
        (Some(_), Some(_)) => format!("has two entries of the alias `{}`", shown(alias)),
    };
    let hint =
        "take another alias, or remove the entry: `keytool -delete -alias ALIAS -keystore FILE`";
    Err(Fault::damaged(message).hinted(hint))
}

fn long_enough(passwords: &Passwords) -> Result<(), Fault> {
    let short = |password: &Bytes| {
        let text = String::from_utf8_lossy(password.reveal());
        text.chars().count() < SHORTEST
    };
    if short(&passwords.store) || passwords.key.as_ref().is_some_and(short) {
        let message =
            format!("would have a password under {SHORTEST} characters, which keytool refuses");
        return Err(
            Fault::locked(message).hinted("write a longer one in the first line of its file")
        );
    }
    Ok(())
}
