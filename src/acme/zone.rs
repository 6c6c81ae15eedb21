//! A record in a zone of a DNS server that takes updates: added, and removed again.

use super::{
    asked::Update,
    tsig::Key,
    update::{self, Record, Sent},
};
use crate::{
    error::{Error, Result},
    host::Host,
};

/// What a server says to a zone that it does not have (RFC 2136 section 3.1.1); a wrong key has other names.
const NOT_ITS_OWN: &str = "NOTAUTH";

/// Adds a record to the zone that its name is in: the nearest that the server takes it for. Returns what the server says
/// where it takes it for none, or why it was not asked.
///
/// # Errors
/// [`Error::Server`] where its answer proves nothing: it may be there then.
pub(super) fn add(host: &dyn Host, to: &Update, name: &str, value: &str) -> Result<Option<Error>> {
    let added = true;
    let key = match key(host, to) {
        Ok(key) => key,
        Err(not_asked) => return Ok(Some(not_asked)),
    };
    let said = nearest(host, to, &key, Record { name, value, added })?;
    Ok(said.map(|said| refused(to, said, name)))
}

/// Removes a record where it is there, from the zone that [`add`] adds it to. A server that has none of its zones has none of
/// its records.
///
/// # Errors
/// [`Error::Server`] where the server refuses, or its answer proves nothing; [`Error::Input`] or [`Error::Io`] where the key
/// is none. The record is as it was.
pub(super) fn remove(host: &dyn Host, to: &Update, name: &str, value: &str) -> Result<()> {
    let added = false;
    match nearest(host, to, &key(host, to)?, Record { name, value, added })? {
        None | Some(NOT_ITS_OWN) => Ok(()),
        Some(said) => Err(refused(to, said, name)),
    }
}

/// Changes a record in the nearest zone that the server takes it for; returns what it says where that is none.
fn nearest(
    host: &dyn Host,
    to: &Update,
    key: &Key,
    record: Record<'_>,
) -> Result<Option<&'static str>> {
    let mut said = Vec::new();
    for zone in update::zones(record.name) {
        match change(host, to, key, &zone, record)? {
            None => return Ok(None),
            Some(code) => said.push(code),
        }
    }
    Ok(Some(telling(&said)))
}

/// Returns what a server said that tells most: it says NOTAUTH to each zone that it does not have.
pub(super) fn telling(said: &[&'static str]) -> &'static str {
    let own = said.iter().find(|code| **code != NOT_ITS_OWN);
    own.or_else(|| said.first()).copied().unwrap_or("no zone")
}

fn key(host: &dyn Host, to: &Update) -> Result<Key> {
    Key::read(&to.key_file, &host.read_input(&to.key_file)?)
}

fn change(
    host: &dyn Host,
    to: &Update,
    key: &Key,
    zone: &str,
    record: Record<'_>,
) -> Result<Option<&'static str>> {
    let random = host.random()?;
    let id = u16::from_be_bytes([random[0], random[1]]);
    let mut message = update::message(id, zone, record);
    let mac = key.sign(&mut message, host.now());
    let sent = Sent { id, key, mac };
    let reply = host.dns(&to.server, &message)?;
    sent.answer(&reply, host.now()).map_err(|why| Error::Server {
        server: to.server.clone(),
        message: format!(
            "answers an update of `{}` with what proves nothing: it {why}",
            record.name
        ),
        hint: "is it the server that has the key, and is nobody in between? Look whether the record is there, and remove it".to_owned(),
    })
}

fn refused(to: &Update, said: &str, name: &str) -> Error {
    Error::Server {
        server: to.server.clone(),
        message: format!("does not take an update of `{name}`: {said}"),
        hint: "NOTAUTH: it has no such zone; BADKEY, BADSIG: it has no such key, or another; BADTIME: its clock is another; REFUSED: the key may not".to_owned(),
    }
}
