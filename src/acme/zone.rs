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

/// Adds a record to the zone that its name is in: the nearest that the server takes it for.
///
/// # Errors
/// [`Error::Server`] where it takes it for none, or its answer proves nothing: it may be there then; [`Error::Input`] where
/// the key is none.
pub(super) fn add(host: &dyn Host, to: &Update, name: &str, value: &str) -> Result<()> {
    let added = true;
    nearest(host, to, Record { name, value, added })
}

/// Removes a record where it is there, from the zone that [`add`] adds it to.
///
/// # Errors
/// As [`add`], with the record as it was.
pub(super) fn remove(host: &dyn Host, to: &Update, name: &str, value: &str) -> Result<()> {
    let added = false;
    nearest(host, to, Record { name, value, added })
}

fn nearest(host: &dyn Host, to: &Update, record: Record<'_>) -> Result<()> {
    let mut said = Vec::new();
    for zone in update::zones(record.name) {
        match change(host, to, &zone, record) {
            Ok(None) => return Ok(()),
            Ok(Some(code)) => said.push(code),
            Err(error) => {
                // It may be there all the same; what is told is why that is not known.
                let gone = Record {
                    added: false,
                    ..record
                };
                if record.added {
                    drop(change(host, to, &zone, gone));
                }
                return Err(error);
            }
        }
    }
    Err(refused(to, telling(&said), record.name))
}

/// Returns what a server said that tells most: it says NOTAUTH to each zone that it does not have.
pub(super) fn telling(said: &[&'static str]) -> &'static str {
    let own = said.iter().find(|code| **code != "NOTAUTH");
    own.or_else(|| said.first()).copied().unwrap_or("no zone")
}

fn change(
    host: &dyn Host,
    to: &Update,
    zone: &str,
    record: Record<'_>,
) -> Result<Option<&'static str>> {
    let key = Key::read(&to.key_file, &host.read_input(&to.key_file)?)?;
    let random = host.random()?;
    let id = u16::from_be_bytes([random[0], random[1]]);
    let mut message = update::message(id, zone, record);
    let mac = key.sign(&mut message, host.now());
    let sent = Sent { id, key: &key, mac };
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
