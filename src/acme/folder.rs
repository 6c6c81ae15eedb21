//! What is kept of identities and accounts, in the state directory below `acme`, 0600 in folders of 0700.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    asked::Asked,
    store::{make_dir, path, put, read, remove, writer},
};
use crate::{
    error::{Error, Result},
    host::{ACME, Edit, Host, Place},
    identity::{Identity, Input},
    journal::Store,
    preflight::Finding,
    state::{Attrs, Bytes, Content, HostPath, State},
};

/// The link to the pair in force.
const LIVE: &str = "live";

/// The folder of one identity.
#[derive(Debug, Clone)]
pub struct Folder {
    name: String,
    at: HostPath,
}

/// An attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// When, in seconds since the epoch.
    pub when: i64,
    /// How many there were in a row.
    pub count: u32,
    /// Why, in one line.
    pub message: String,
}

/// An order that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// What it is for.
    pub(super) asked: Asked,
    /// The folder of its pair: its key is there.
    pub(super) number: u64,
    /// Its URL; none where the server was not asked yet.
    pub(super) url: Option<String>,
}

impl Folder {
    /// Returns the folder of an identity by its name.
    ///
    /// # Errors
    /// [`Error::Usage`] where that is no name.
    pub fn of(name: &str) -> Result<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
            return Err(Error::Usage {
                message: format!("`{name}` is not the name of an identity"),
                hint: "names are letters, digits, `-`, `_` and `.`".to_owned(),
            });
        }
        Ok(Self {
            name: name.to_owned(),
            at: path(ACME).join(name),
        })
    }

    /// Tells whether a rollout with these sources follows the pair in force.
    #[must_use]
    pub fn is_in(&self, sources: &[HostPath]) -> bool {
        let live = [self.live("key.pem"), self.live("fullchain.pem")];
        sources
            .iter()
            .any(|path| live.iter().any(|own| path.as_str().ends_with(own.as_str())))
    }

    /// Returns the name of the identity.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path of a file of the pair in force, in the state directory.
    #[must_use]
    pub fn live(&self, file: &str) -> HostPath {
        self.at.join(LIVE).join(file)
    }

    /// Returns what was asked for.
    ///
    /// # Errors
    /// [`Error::Unknown`] where nothing was; [`Error::Stored`] where it is damaged.
    pub fn asked(&self, host: &dyn Host) -> Result<Asked> {
        match self.load(host, "asked.json")? {
            Some(asked) => Ok(asked),
            None => Err(Error::Unknown {
                what: "identity",
                name: self.name.clone(),
                known: issued(host)?.into_iter().map(|known| known.name).collect(),
            }),
        }
    }

    /// Returns the pair in force; none where there is none yet.
    ///
    /// # Errors
    /// As [`Identity::assemble`].
    pub fn identity(&self, host: &dyn Host) -> Result<Option<Identity>> {
        let Some(number) = self.number(host)? else {
            return Ok(None);
        };
        let (identity, _) = self.joined(host, number, None)?;
        Ok(Some(identity))
    }

    /// Returns the number of the pair in force.
    pub(super) fn number(&self, host: &dyn Host) -> Result<Option<u64>> {
        let link = host.load(&self.at.join(LIVE))?;
        Ok(link.link().and_then(|to| to.parse().ok()))
    }

    /// Returns a file of a numbered pair.
    pub(super) fn file(&self, number: u64, name: &str) -> HostPath {
        self.pair_at(number).join(name)
    }

    fn pair_at(&self, number: u64) -> HostPath {
        self.at.join(&format!("{number:06}"))
    }

    /// Returns what the key of a number and a chain are together, and what is to be said of that: its own chain, or one that
    /// is not written yet.
    pub(super) fn joined(
        &self,
        host: &dyn Host,
        number: u64,
        chain: Option<Bytes>,
    ) -> Result<(Identity, Vec<Finding>)> {
        let stored = |name: &str| Ok(host.load(&self.file(number, name))?.bytes().cloned());
        let chain = chain.map_or_else(|| stored("fullchain.pem"), |chain| Ok(Some(chain)))?;
        let mut inputs = Vec::new();
        for (name, bytes) in [("key.pem", stored("key.pem")?), ("fullchain.pem", chain)] {
            inputs.extend(bytes.map(|bytes| Input {
                name: self.file(number, name).to_string(),
                bytes,
            }));
        }
        Identity::assemble(&inputs, None)
    }

    /// Begins a new pair: its folder, with its key in it.
    pub(super) fn begin(&self, host: &mut dyn Host, asked: &Asked, key: Bytes) -> Result<Begun> {
        self.make(host)?;
        let newest = self.numbers(host)?.into_iter().max().unwrap_or_default();
        let begun = Begun {
            asked: asked.clone(),
            number: newest + 1,
            url: None,
        };
        make_dir(&mut writer(host), &self.pair_at(begun.number))?;
        let key_at = self.file(begun.number, "key.pem");
        Store::put(&mut writer(host), &key_at, key)?;
        self.save(host, "order.json", &begun)?;
        Ok(begun)
    }

    /// Has the link lead to a numbered pair, of which only that and the one before are left.
    pub(super) fn put_in_force(&self, host: &mut dyn Host, number: u64) -> Result<()> {
        let before = self.number(host)?;
        let (link, new) = (self.at.join(LIVE), self.at.join("live.new"));
        let writer = &mut writer(host);
        // First, so that a run that is killed here knows which is the one before.
        for old in self.numbers(writer.host())? {
            if old != number && Some(old) != before {
                Store::remove_all(writer, &self.pair_at(old))?;
            }
        }
        if writer.host().load(&new)? != State::Absent {
            writer.edit(&Edit::Remove {
                at: Place::State(new.clone()),
            })?;
        }
        let owner = writer.host().effective_uid();
        writer.edit(&Edit::Create {
            at: Place::State(new.clone()),
            state: State::Present {
                content: Content::Link(format!("{number:06}")),
                attrs: Attrs {
                    uid: owner,
                    gid: rustix::process::getegid().as_raw(),
                    mode: 0o777,
                    ..Attrs::default()
                },
            },
        })?;
        writer.edit(&Edit::Rename {
            from: Place::State(new),
            to: Place::State(link.clone()),
        })?;
        writer.sync(&[Place::State(link)])
    }

    fn numbers(&self, host: &dyn Host) -> Result<Vec<u64>> {
        let entries = host.load_list(&self.at)?;
        Ok(entries
            .iter()
            .filter_map(|entry| entry.name.parse().ok())
            .collect())
    }

    /// Makes the folder, where it is not there.
    fn make(&self, host: &mut dyn Host) -> Result<()> {
        let writer = &mut writer(host);
        make_dir(writer, &path(ACME))?;
        make_dir(writer, &self.at)
    }

    /// Reads one of its documents.
    ///
    /// # Errors
    /// [`Error::Stored`] where it is damaged.
    pub fn load<T: DeserializeOwned>(&self, host: &dyn Host, file: &str) -> Result<Option<T>> {
        read(host, &self.at.join(file))
    }

    /// Writes one of its documents, durable on return.
    ///
    /// # Errors
    /// [`Error::Io`] with the older one as it was.
    pub fn save<T: Serialize>(&self, host: &mut dyn Host, file: &str, what: &T) -> Result<()> {
        self.make(host)?;
        put(host, &self.at.join(file), what)
    }

    /// Removes one of its documents, where it is there, and with the last of them the folder.
    ///
    /// # Errors
    /// [`Error::Io`] with the document as it was.
    pub fn drop(&self, host: &mut dyn Host, file: &str) -> Result<()> {
        remove(host, &self.at.join(file))?;
        for dir in [&self.at, &path(ACME)] {
            if host.load_list(dir)?.is_empty() {
                remove(host, dir)?;
            }
        }
        Ok(())
    }
}

/// Returns the folders of all identities, that of a first order that came to nothing as well.
///
/// # Errors
/// As [`Host::load_list`].
pub fn folders(host: &dyn Host) -> Result<Vec<Folder>> {
    if host.load(&path(ACME))? == State::Absent {
        return Ok(Vec::new());
    }
    let entries = host.load_list(&path(ACME))?;
    let folders = entries
        .iter()
        .filter_map(|entry| Folder::of(&entry.name).ok());
    Ok(folders.collect())
}

/// Returns the folders of all identities that were issued.
///
/// # Errors
/// As [`Host::load_list`].
pub fn issued(host: &dyn Host) -> Result<Vec<Folder>> {
    let mut all = folders(host)?;
    // One that cannot be read says so where it is looked at itself.
    all.retain(|folder| {
        let asked = host.load(&folder.at.join("asked.json"));
        asked.map_or(true, |state| state != State::Absent)
    });
    Ok(all)
}
