//! What a run that died leaves behind: taken back, finished, given up or swept away, from the journal and nothing else.

use super::{
    Progress,
    begin::permit,
    undo::{Undo, clear},
};
use crate::{
    error::{Error, Result},
    host::{Edit, Host, Permit, Place, Writer},
    journal::{Event, Generation, Status, Store},
    receipt::Receipt,
    service,
    state::{HostPath, State},
};

/// Finishes what a run left open: takes it back unless it had committed. None where nothing is open.
///
/// # Errors
/// [`Error::Stored`] where the journal cannot be read: nothing was touched.
pub fn recover(host: &mut dyn Host, boot: bool, progress: Progress<'_>) -> Result<Option<Receipt>> {
    let Some(number) = Store::pending(host)? else {
        return Ok(None);
    };
    let generation = Store::generation(host, number)?;
    let key = Store::key(host)?;
    let commands = service::commands(&generation.intent.services, &generation.intent.units);
    let mut writer = Writer::new(
        host,
        permit(&generation.intent, &commands),
        generation.intent.marker(),
    );
    Store::cut(&mut writer, number, b"")?;
    if generation.status.is_final() {
        return finish(&mut writer, &generation).map(Some);
    }
    let mut ran = Vec::new();
    let mut undo = Undo {
        writer: &mut writer,
        key: key.as_ref(),
        progress,
        ran: &mut ran,
        told: None,
        boot,
    };
    undo.run(generation, None).map(Some)
}

/// Gives an open generation up: what is there stays, and is named.
///
/// # Errors
/// [`Error::Io`] with the generation still open.
pub fn abandon(host: &mut dyn Host) -> Result<Option<u64>> {
    let Some(number) = Store::pending(host)? else {
        return Ok(None);
    };
    let generation = Store::generation(host, number);
    let mut writer = Writer::new(host, Permit::of_state(number), String::new());
    if generation.is_ok() {
        Store::cut(&mut writer, number, b"")?;
        Store::append(&mut writer, number, &Event::Abandoned)?;
    }
    Store::close(&mut writer)?;
    Ok(Some(number))
}

/// Finishes a generation that was final before its run died.
fn finish(writer: &mut Writer<'_>, generation: &Generation) -> Result<Receipt> {
    let staged = HostPath::new("/rollouts.json.new").unwrap_or_default();
    let staged = Place::State(staged);
    // Staged before the end was decided: only a generation that committed is remembered.
    if generation.status != Status::Committed {
        clear(writer, &staged)?;
    } else if writer.host().load(staged.path())? != State::Absent {
        let at = HostPath::new("/rollouts.json").unwrap_or_default();
        writer.edit(&Edit::Rename {
            from: staged,
            to: Place::State(at),
        })?;
    }
    Store::close(writer)?;
    let at = Store::file(generation.intent.generation, "receipt.json");
    let state = writer.host().load(&at)?;
    let stored = |message: String| Error::Stored {
        path: at.to_string(),
        message,
    };
    let bytes = state
        .bytes()
        .ok_or_else(|| stored("is missing".to_owned()))?;
    serde_json::from_slice(bytes.reveal()).map_err(|e| stored(e.to_string()))
}

/// Removes generations that were written but never opened: their runs died before touching the host.
pub(super) fn sweep_unopened(writer: &mut Writer<'_>) -> Result<()> {
    let staged = HostPath::new("/rollouts.json.new").unwrap_or_default();
    clear(writer, &Place::State(staged))?;
    for number in Store::numbers(writer.host())?.into_iter().rev() {
        match Store::gist(writer.host(), number) {
            Ok((_, status)) if status.is_final() => return Ok(()),
            Ok(_) | Err(Error::Unknown { .. }) => {
                Store::remove_all(writer, &Store::file(number, ""))?;
            }
            // What cannot be read is left for a person to look at.
            Err(Error::Stored { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
