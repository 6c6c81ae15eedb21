//! What is shown to a server is written down before it is put in place, so that a run that was killed leaves nothing for good.

use serde::{Deserialize, Serialize};

use super::{
    asked::Answering,
    folder::Folder,
    present::{self, Proof},
};
use crate::{
    error::{Error, Result},
    host::{Host, Standing},
    state::HostPath,
};

/// The document beside the order.
const NOTE: &str = "presented.json";

/// How many are remembered of those that cannot be taken away, the newest: each is tried again by every run.
const MOST: usize = 20;

/// What is, or is about to be, in place for one proof. No secret is in it: whoever asks is shown as much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    /// How it is put there, and taken away.
    pub(super) how: Answering,
    /// What it proves.
    pub(super) proof: Proof,
    /// Directories that are made for it, the innermost first.
    pub(super) made: Vec<HostPath>,
}

/// What is in place and must be taken away.
#[derive(Debug)]
pub(super) enum Showing {
    /// Ends by itself when it is dropped, and with the run.
    Standing(Box<dyn Standing>),
    /// Outlives the run.
    Left(Shown),
}

/// Puts in place what proves a name.
///
/// # Errors
/// As [`present::present`], and why nothing was done; what may be in place is taken away then. What cannot be is said, and
/// tried again by the next run.
pub(super) fn show(
    host: &mut dyn Host,
    folder: &Folder,
    how: &Answering,
    proof: Proof,
    say: &dyn Fn(&str),
) -> Result<Showing> {
    if let Some(standing) = present::stand(host, how, &proof)? {
        return Ok(Showing::Standing(standing));
    }
    let shown = Shown {
        made: present::to_make(host, how)?,
        how: how.clone(),
        proof,
    };
    let mut all = left(host, folder)?;
    all.push(shown.clone());
    let first = all.len().saturating_sub(MOST);
    folder.save(host, NOTE, &&all[first..])?;
    // Why it could not be put there is told first, and not what follows from that.
    let (why, after) = match present::present(host, &shown) {
        Ok(None) => return Ok(Showing::Left(shown)),
        Ok(Some(why)) => (why, forget(host, folder, &shown)),
        Err(why) => (why, take_back(host, folder, &shown)),
    };
    if let Err(error) = after {
        say(&still_there(&error));
    }
    Err(why)
}

impl Showing {
    /// Takes it away again.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Run`] or [`Error::Server`] where it is still there: the next run tries again.
    pub(super) fn take_back(self, host: &mut dyn Host, folder: &Folder) -> Result<()> {
        match self {
            Self::Standing(standing) => {
                drop(standing);
                Ok(())
            }
            Self::Left(shown) => take_back(host, folder, &shown),
        }
    }
}

/// Takes away what earlier runs left, and says what cannot be.
pub(super) fn clear(host: &mut dyn Host, folder: &Folder, say: &dyn Fn(&str)) -> Result<()> {
    for shown in left(host, folder)? {
        if let Err(error) = take_back(host, folder, &shown) {
            say(&still_there(&error));
        }
    }
    Ok(())
}

/// Says what could not be taken away.
pub(super) fn still_there(error: &Error) -> String {
    format!("left in place: {error}; the next run tries again")
}

fn take_back(host: &mut dyn Host, folder: &Folder, shown: &Shown) -> Result<()> {
    present::take_back(host, shown)?;
    forget(host, folder, shown)
}

fn forget(host: &mut dyn Host, folder: &Folder, shown: &Shown) -> Result<()> {
    let mut all = left(host, folder)?;
    all.retain(|one| one != shown);
    if all.is_empty() {
        folder.drop(host, NOTE)
    } else {
        folder.save(host, NOTE, &all)
    }
}

fn left(host: &dyn Host, folder: &Folder) -> Result<Vec<Shown>> {
    Ok(folder.load(host, NOTE)?.unwrap_or_default())
}
