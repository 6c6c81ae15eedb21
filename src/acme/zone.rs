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

/// A record that was added.
#[derive(Debug)]
pub(super) struct Added {
    to: Update,
    zone: String,
    name: String,
    value: String,
}

/// Adds a record to the zone that its name is in: the nearest that the server takes it for.
///
/// # Errors
/// [`Error::Server`] where it takes it for none, or its answer proves nothing; [`Error::Input`] where the key is none.
pub(super) fn add(host: &dyn Host, to: &Update, name: String, value: &str) -> Result<Added> {
    let record = Record {
        name: &name,
        value,
        added: true,
    };
    let mut said = Vec::new();
    for zone in update::zones(&name) {
        match change(host, to, &zone, record) {
            Ok(None) => {
                return Ok(Added {
                    to: to.clone(),
                    zone,
                    value: value.to_owned(),
                    name,
                });
            }
            Ok(Some(code)) => said.push(code),
            Err(error) => {
                // It may be there all the same; what is told is why that is not known.
                let gone = Record {
                    added: false,
                    ..record
                };
                drop(change(host, to, &zone, gone));
                return Err(error);
            }
        }
    }
    Err(refused(to, telling(&said), &name))
}

/// Returns what a server said that tells most: it says NOTAUTH to each zone that it does not have.
pub(super) fn telling(said: &[&'static str]) -> &'static str {
    let own = said.iter().find(|code| **code != "NOTAUTH");
    own.or_else(|| said.first()).copied().unwrap_or("no zone")
}

/// Removes a record that was added.
///
/// # Errors
/// As [`add`], with the record still there.
pub(super) fn remove(host: &dyn Host, added: &Added) -> Result<()> {
    let record = Record {
        name: &added.name,
        value: &added.value,
        added: false,
    };
    match change(host, &added.to, &added.zone, record)? {
        None => Ok(()),
        Some(said) => Err(refused(&added.to, said, &added.name)),
    }
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
