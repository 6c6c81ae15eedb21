//! Documents and accounts in the state directory below `acme`: read, and written durably.

use aws_lc_rs::digest;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, Result},
    hex::hex,
    host::{ACME, Host, Permit, Place, Writer},
    journal::{Store, create_dir},
    state::{Bytes, HostPath, State},
};

/// Accounts, one file for each server; no identity's name begins with a dot.
const ACCOUNTS: &str = "/acme/.accounts";

/// Reads the account that is kept for a server.
pub(super) fn account<T: DeserializeOwned>(host: &dyn Host, server: &str) -> Result<Option<T>> {
    read(host, &account_at(server))
}

/// Keeps the account for a server, durable on return.
pub(super) fn keep_account<T: Serialize>(
    host: &mut dyn Host,
    server: &str,
    account: &T,
) -> Result<()> {
    let writer = &mut writer(host);
    make_dir(writer, &path(ACME))?;
    make_dir(writer, &path(ACCOUNTS))?;
    put(host, &account_at(server), account)
}

fn account_at(server: &str) -> HostPath {
    let digest = hex(digest::digest(&digest::SHA256, server.as_bytes()).as_ref());
    path(ACCOUNTS).join(&format!("{}.json", &digest[..16]))
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
