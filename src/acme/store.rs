//! Documents and accounts in the state directory below `acme`: read, and written durably.

use aws_lc_rs::digest;
use serde::{Serialize, de::DeserializeOwned};

use super::asked::Asked;
use crate::{
    error::{Error, Result},
    hex::hex,
    host::{ACME, Edit, Host, Permit, Place, Writer},
    journal::{Store, create_dir},
    state::{Bytes, HostPath, State},
};

/// Accounts; no identity's name begins with a dot.
const ACCOUNTS: &str = "/acme/.accounts";

/// Returns the path of what is kept of an account: its key alone (`key`), or all that leads to it (`json`).
pub(super) fn account_at(asked: &Asked, kind: &str) -> HostPath {
    let mut whose = asked.server.clone();
    if let Some(external) = &asked.external {
        // No URL has a line's end.
        whose = format!("{whose}\n{}", external.kid);
    }
    let digest = hex(digest::digest(&digest::SHA256, whose.as_bytes()).as_ref());
    path(ACCOUNTS).join(&format!("{}.{kind}", &digest[..16]))
}

/// Keeps something of an account, durable on return.
pub(super) fn keep_account(host: &mut dyn Host, at: &HostPath, bytes: Bytes) -> Result<()> {
    let writer = &mut writer(host);
    make_dir(writer, &path(ACME))?;
    make_dir(writer, &path(ACCOUNTS))?;
    Store::put(writer, at, bytes)
}

/// Removes something, where it is there.
pub(super) fn remove(host: &mut dyn Host, at: &HostPath) -> Result<()> {
    if host.load(at)? == State::Absent {
        return Ok(());
    }
    let at = Place::State(at.clone());
    let writer = &mut writer(host);
    writer.edit(&Edit::Remove { at: at.clone() })?;
    writer.sync(&[at])
}

pub(super) fn read<T: DeserializeOwned>(host: &dyn Host, at: &HostPath) -> Result<Option<T>> {
    let state = host.load(at)?;
    let Some(bytes) = state.bytes() else {
        return Ok(None);
    };
    let read = serde_json::from_slice(bytes.reveal());
    read.map(Some).map_err(|error| Error::Stored {
        path: at.to_string(),
        message: error.to_string(),
    })
}

pub(super) fn put<T: Serialize>(host: &mut dyn Host, at: &HostPath, what: &T) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(what).unwrap_or_default();
    Store::put(&mut writer(host), at, Bytes::from(bytes))
}

pub(super) fn make_dir(writer: &mut Writer<'_>, at: &HostPath) -> Result<()> {
    if writer.host().load(at)? != State::Absent {
        return Ok(());
    }
    writer.edit(&create_dir(at))?;
    writer.sync(&[Place::State(at.clone())])
}

pub(super) fn writer(host: &mut dyn Host) -> Writer<'_> {
    Writer::new(host, Permit::default(), String::new())
}

pub(super) fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap_or_default()
}
