//! What a run that died leaves behind: taken back, finished, given up or swept away, from the journal and nothing else.

use super::{
    Progress,
    begin::permit,
    undo::{self, Undo},
};
use crate::{
    error::{Error, Result},
    host::{Host, Permit, Place, Writer},
    journal::{Event, Generation, Status, Store},
    pins::{self, Move, Pins},
    receipt::Receipt,
    service,
};

/// Finishes what a run left open: takes it back unless it had committed. None where nothing is open.
///
/// # Errors
/// [`Error::Stored`] where the journal cannot be read: nothing was touched.
pub fn recover(host: &mut dyn Host, boot: bool, progress: Progress<'_>) -> Result<Option<Receipt>> {
    let Some(number) = Store::pending(host)? else {
        return Ok(None);
    };
    let generation = Store::open_generation(host, number)?;
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
    let mut back = Undo {
        writer: &mut writer,
        key: key.as_ref(),
        progress,
        ran: &mut ran,
        told: None,
        boot,
    };
    back.run(generation, None).map(Some)
}

/// Gives an open generation up: what is there stays. Returns its number; none where nothing was left to give up: the
/// mark was damaged and is gone, or the generation was final and is finished.
///
/// # Errors
/// [`Error::Io`] with the generation still open.
pub fn abandon(host: &mut dyn Host) -> Result<Option<u64>> {
    let number = match Store::pending(host) {
        Ok(Some(number)) => number,
        Ok(None) => return Ok(None),
        Err(Error::Stored { .. }) => {
            Store::close(&mut Writer::new(host, Permit::default(), String::new()))?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let generation = Store::generation(host, number);
    let mut writer = Writer::new(host, Permit::of_state(number), String::new());
    if let Ok(generation) = generation {
        Store::cut(&mut writer, number, b"")?;
        if generation.status.is_final() {
            return finish(&mut writer, &generation).map(|_| None);
        }
        let mut writer = Writer::new(host, permit(&generation.intent, &[]), String::new());
        discard_staged(&mut writer, &generation);
        Store::append(&mut writer, number, &Event::Abandoned)?;
    } else {
        Store::mark_abandoned(&mut writer, number)?;
    }
    Store::close(&mut Writer::new(host, Permit::default(), String::new()))?;
    Ok(Some(number))
}

/// Removes what never was live, and may hold a key. What cannot be reached keeps nobody from giving up, which is the way
/// out where nothing else is.
fn discard_staged(writer: &mut Writer<'_>, generation: &Generation) {
    let mut removed = Vec::new();
    for staged in undo::staged(generation) {
        if undo::remove_below(writer, &staged).is_ok() {
            removed.push(Place::Tree(staged));
        }
    }
    drop(writer.sync(&removed));
}

/// Finishes a generation that was final before its run died.
fn finish(writer: &mut Writer<'_>, generation: &Generation) -> Result<Receipt> {
    // The run may have been killed before its last line reached the disk.
    let journal = Store::file(generation.intent.generation, "journal.jsonl");
    writer.sync(&[Place::State(journal)])?;
    // Staged before the end was decided: only a generation that committed is remembered.
    if generation.status == Status::Committed {
        Store::make_remembered(writer)?;
    } else {
        Store::drop_remembered(writer)?;
    }
    let number = generation.intent.generation;
    let missing = || Error::Stored {
        path: Receipt::at(number).to_string(),
        message: "is missing".to_owned(),
    };
    let receipt = Receipt::load(writer.host(), number).and_then(|kept| kept.ok_or_else(missing));
    let intent = &generation.intent;
    match (generation.status, &receipt) {
        (Status::Committed, Ok(receipt)) => {
            let moved = pins::proved(&intent.pins, &intent.promises, &receipt.verdicts);
            let promote = |pins: &mut Pins, moved: &Move| pins.promote(moved, receipt.finished);
            pins::settle(writer, &moved, promote)?;
        }
        (Status::RolledBack, _) => pins::settle(writer, &intent.pins, Pins::drop_next)?,
        // What is there is not known, and both are accepted until somebody says which.
        _ => {}
    }
    Store::close(writer)?;
    receipt
}

/// Removes generations that were written but never opened: their runs died before touching the host.
pub(super) fn sweep_unopened(writer: &mut Writer<'_>) -> Result<()> {
    Store::drop_remembered(writer)?;
    for number in Store::numbers(writer.host())?.into_iter().rev() {
        if !Store::is_unopened(writer.host(), number)? {
            break;
        }
        Store::remove_all(writer, &Store::file(number, ""))?;
    }
    Ok(())
}
