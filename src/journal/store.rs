//! The state directory: generations and the `pending` mark.

use std::io;

use aws_lc_rs::hmac;

use super::{Event, Gist, Intent, Replayed, Status, replay, whole};
use crate::{
    error::{Error, On as _, Result},
    hex::hex,
    host::{Edit, Host, Place, Writer},
    receipt::Receipt,
    state::{Attrs, Bytes, Content, HostPath, State},
};

/// The host's own key for digests, so that a journal does not tell what a secret file holds.
#[derive(Clone)]
pub struct DigestKey(hmac::Key);

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DigestKey")
    }
}

impl DigestKey {
    fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Returns the keyed digest of some bytes, lower hex.
    #[must_use]
    pub fn digest(&self, bytes: &Bytes) -> String {
        hex(hmac::sign(&self.0, bytes.reveal()).as_ref())
    }
}

/// A file of a generation that was given up without a journal that could say so.
const ABANDONED: &str = "abandoned";

/// Reads the state directory.
#[derive(Debug, Clone, Copy)]
pub struct Store;

/// One generation as it is on disk.
#[derive(Debug, Clone)]
pub struct Generation {
    /// What it set out to do.
    pub intent: Intent,
    /// How far it came.
    pub status: Status,
}

pub(super) fn path(text: &str) -> HostPath {
    // Every text given here is a constant or a number below one.
    HostPath::new(text).unwrap_or_default()
}

impl Store {
    /// Returns the path of the directory of all generations.
    #[must_use]
    pub fn generations() -> HostPath {
        path("/generations")
    }

    /// Returns the path of a file of a generation.
    #[must_use]
    pub fn file(generation: u64, name: &str) -> HostPath {
        path(&format!("/generations/{generation:06}/{name}"))
    }

    /// Returns the number of the open generation, if one is.
    ///
    /// # Errors
    /// [`Error::Stored`] where the mark is damaged.
    pub fn pending(host: &dyn Host) -> Result<Option<u64>> {
        let state = host.load(&path("/pending"))?;
        let Some(bytes) = state.bytes() else {
            return Ok(None);
        };
        let number = bytes.text().trim().parse();
        number.map(Some).map_err(|_| Error::Stored {
            path: "pending".to_owned(),
            message: "is not a number".to_owned(),
        })
    }

    /// Returns the numbers of all generations, oldest first.
    ///
    /// # Errors
    /// As [`Host::load_list`].
    pub fn numbers(host: &dyn Host) -> Result<Vec<u64>> {
        let entries = host.load_list(&path("/generations"))?;
        let mut numbers: Vec<u64> = entries
            .iter()
            .filter_map(|entry| entry.name.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Reads one generation.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is none; [`Error::Stored`] where it is damaged.
    pub fn generation(host: &dyn Host, number: u64) -> Result<Generation> {
        let (intent, status): (Intent, Status) = Self::read(host, number)?;
        // What is permitted follows from the number of the intent: one of another generation was put here by hand.
        if intent.generation != number {
            return Err(Error::Stored {
                path: Self::file(number, "journal.jsonl").to_string(),
                message: format!("its intent is of generation {}", intent.generation),
            });
        }
        Ok(Generation { intent, status })
    }

    /// Reads the generation that is open.
    ///
    /// # Errors
    /// [`Error::Stored`] where it is damaged, or gone.
    pub fn open_generation(host: &dyn Host, number: u64) -> Result<Generation> {
        Self::generation(host, number).map_err(|error| match error {
            Error::Unknown { .. } => Error::Stored {
                path: Self::file(number, "journal.jsonl").to_string(),
                message: format!("is gone, although generation {number} is open"),
            },
            other => other,
        })
    }

    /// Tells whether a generation was never opened: its intent never became whole, or nothing came after it. What ended
    /// with a receipt, or was given up, was.
    ///
    /// # Errors
    /// As [`Host::load`].
    pub fn is_unopened(host: &dyn Host, number: u64) -> Result<bool> {
        for at in [Receipt::at(number), Self::file(number, ABANDONED)] {
            if host.load(&at)? != State::Absent {
                return Ok(false);
            }
        }
        let state = host.load(&Self::file(number, "journal.jsonl"))?;
        let text = state.bytes().map(Bytes::reveal).unwrap_or_default();
        if whole(text) == 0 {
            return Ok(true);
        }
        Ok(matches!(Self::gist(host, number), Ok((_, Status::Open))))
    }

    /// Marks a generation whose journal cannot be read as given up, durable on return: its copies stay.
    ///
    /// # Errors
    /// [`Error::Io`] without the mark.
    pub fn mark_abandoned(writer: &mut Writer<'_>, number: u64) -> Result<()> {
        if writer.host().load(&Self::file(number, ""))? == State::Absent {
            return Ok(());
        }
        Self::put(
            writer,
            &Self::file(number, ABANDONED),
            "given up\n".to_owned(),
        )
    }

    /// Reads what housekeeping needs of one generation.
    ///
    /// # Errors
    /// As [`Store::generation`].
    pub fn gist(host: &dyn Host, number: u64) -> Result<(Gist, Status)> {
        Self::read(host, number)
    }

    fn read<T: Replayed>(host: &dyn Host, number: u64) -> Result<(T, Status)> {
        let at = Self::file(number, "journal.jsonl");
        let state = host.load(&at)?;
        let Some(bytes) = state.bytes() else {
            let known = Self::numbers(host)?.iter().map(u64::to_string).collect();
            return Err(Error::Unknown {
                what: "generation",
                name: number.to_string(),
                known,
            });
        };
        // A line that is not UTF-8 is damaged like any other that is not JSON.
        replay(at.as_str(), &String::from_utf8_lossy(bytes.reveal()))
    }

    /// Returns the key for digests; none before the first change.
    ///
    /// # Errors
    /// As [`Host::load`].
    pub fn key(host: &dyn Host) -> Result<Option<DigestKey>> {
        Ok(host
            .load(&path("/digest.key"))?
            .bytes()
            .map(|bytes| DigestKey::new(bytes.reveal())))
    }

    /// Returns the key for digests, made at the first call; under the lock.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be made.
    pub fn make_key(writer: &mut Writer<'_>) -> Result<DigestKey> {
        if let Some(key) = Self::key(writer.host())? {
            return Ok(key);
        }
        let bytes = writer.host().random()?.to_vec();
        Self::put(writer, &path("/digest.key"), bytes.clone())?;
        Ok(DigestKey::new(&bytes))
    }

    /// Writes one small file of the state directory, durable on return; an older one is replaced whole.
    ///
    /// # Errors
    /// [`Error::Io`] with the older file as it was.
    pub fn put(writer: &mut Writer<'_>, at: &HostPath, bytes: impl Into<Bytes>) -> Result<()> {
        let staged = path(&format!("{at}.new"));
        if writer.host().load(&staged)? != State::Absent {
            writer.edit(&Edit::Remove {
                at: Place::State(staged.clone()),
            })?;
        }
        writer.edit(&create(&staged, bytes))?;
        writer.sync(&[Place::State(staged.clone())])?;
        writer.edit(&Edit::Rename {
            from: Place::State(staged),
            to: Place::State(at.clone()),
        })?;
        writer.sync(&[Place::State(at.clone())])
    }

    /// Writes the first line of a generation's journal, and returns where; the caller syncs it.
    ///
    /// # Errors
    /// [`Error::Io`] with the line missing or cut short, and no generation open.
    pub fn begin(writer: &mut Writer<'_>, intent: &Intent) -> Result<Place> {
        let at = Self::file(intent.generation, "journal.jsonl");
        let mut pieces = Pieces {
            writer,
            at: &at,
            begun: false,
            piece: Vec::new(),
            failed: None,
        };
        let written = intent.write_line(&mut pieces).and_then(|()| pieces.put());
        match (written, pieces.failed) {
            (_, Some(error)) => Err(error),
            (written, None) => written.on("write", at.as_str()).map(|()| Place::State(at)),
        }
    }

    /// Adds an event to a generation's journal, durable on return.
    ///
    /// # Errors
    /// [`Error::Io`] with the event not in the journal, where that could still be seen to.
    pub fn append(writer: &mut Writer<'_>, generation: u64, event: &Event) -> Result<()> {
        let mut line = serde_json::to_vec(event).unwrap_or_default();
        line.push(b'\n');
        let at = Self::file(generation, "journal.jsonl");
        let appended = writer.edit(&Edit::Append {
            at: Place::State(at),
            bytes: line.clone(),
        });
        if appended.is_err() {
            // It may have reached the disk all the same, and must not be read there once the run goes another way.
            Self::cut(writer, generation, &line)?;
        }
        appended
    }

    /// Cuts a line, or a part of one, off the end of a journal, durable on return; so is a cut that an earlier run made
    /// and was killed over: lines that are appended to a file whose name is not durable would be lost with it.
    ///
    /// # Errors
    /// [`Error::Io`] with the journal as it was.
    pub fn cut(writer: &mut Writer<'_>, generation: u64, line: &[u8]) -> Result<()> {
        let at = Self::file(generation, "journal.jsonl");
        let state = writer.host().load(&at)?;
        let Some(bytes) = state.bytes().map(Bytes::reveal) else {
            return Ok(());
        };
        let rest = if line.is_empty() {
            bytes
        } else {
            bytes.strip_suffix(line).unwrap_or(bytes)
        };
        let whole = whole(rest);
        if whole == bytes.len() {
            writer.sync(&[Place::State(at)])
        } else {
            Self::put(writer, &at, rest[..whole].to_vec())
        }
    }

    /// Marks a generation open.
    ///
    /// # Errors
    /// [`Error::Io`] with no generation open.
    pub fn open(writer: &mut Writer<'_>, generation: u64) -> Result<()> {
        let opened = Self::put(writer, &path("/pending"), format!("{generation}\n"));
        if opened.is_err() {
            // It may be there all the same, only not known to be durable, and would stand for a run that goes on.
            drop(Self::close(writer));
        }
        opened
    }

    /// Marks no generation open.
    ///
    /// # Errors
    /// [`Error::Io`] with the mark still there.
    pub fn close(writer: &mut Writer<'_>) -> Result<()> {
        let at = Place::State(path("/pending"));
        if writer.host().load(at.path())? != State::Absent {
            writer.edit(&Edit::Remove { at: at.clone() })?;
        }
        writer.sync(&[at])
    }

    /// Removes a directory of the state directory with everything in it.
    ///
    /// # Errors
    /// [`Error::Io`] with some of it left.
    pub fn remove_all(writer: &mut Writer<'_>, at: &HostPath) -> Result<()> {
        for entry in writer.host().load_list(at)? {
            Self::remove_all(writer, &at.join(&entry.name))?;
        }
        if writer.host().load(at)? != State::Absent {
            writer.edit(&Edit::Remove {
                at: Place::State(at.clone()),
            })?;
        }
        Ok(())
    }
}

/// The most of a first line that is held in memory (4 MiB): one of a hundred thousand changes has ten times that.
const PIECE: usize = 4 << 20;

/// A new file of the state directory that is written a piece at a time.
struct Pieces<'a, 'h> {
    writer: &'a mut Writer<'h>,
    at: &'a HostPath,
    begun: bool,
    piece: Vec<u8>,
    /// What a writer to memory and disk cannot say by itself.
    failed: Option<Error>,
}

impl Pieces<'_, '_> {
    fn put(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.piece);
        let edit = if self.begun {
            let at = Place::State(self.at.clone());
            Edit::Append { at, bytes }
        } else {
            create(self.at, bytes)
        };
        self.begun = true;
        self.writer.edit(&edit).map_err(|error| {
            self.failed = Some(error);
            io::ErrorKind::Other.into()
        })
    }
}

impl io::Write for Pieces<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() + bytes.len() > PIECE {
            self.put()?;
        }
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An edit that makes a new file of the state directory, 0600.
pub(crate) fn create(at: &HostPath, bytes: impl Into<Bytes>) -> Edit {
    Edit::Create {
        at: Place::State(at.clone()),
        state: State::file(bytes, own(0o600)),
    }
}

/// An edit that makes a new directory of the state directory, 0700.
pub(crate) fn create_dir(at: &HostPath) -> Edit {
    Edit::Create {
        at: Place::State(at.clone()),
        state: State::Present {
            content: Content::Dir,
            attrs: own(0o700),
        },
    }
}

fn own(mode: u32) -> Attrs {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    Attrs {
        uid,
        gid,
        mode,
        ..Attrs::default()
    }
}
