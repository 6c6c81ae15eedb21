//! What a generation writes down before it is opened.

use super::{Keep, edits};
use crate::{
    error::Result,
    host::{Place, Writer},
    journal::{Intent, Store},
    plan::Plan,
    state::State,
};

/// Writes everything a generation needs to be taken back, durable on return.
pub(super) fn write_generation(
    writer: &mut Writer<'_>,
    intent: &Intent,
    plan: &Plan,
    keep: Keep,
) -> Result<()> {
    let number = intent.generation;
    let mut edits = Vec::new();
    if writer.host().load(&Store::generations())? == State::Absent {
        edits.push(crate::journal::create_dir(&Store::generations()));
    }
    for name in ["", "before", "found", "identity"] {
        edits.push(crate::journal::create_dir(&Store::file(number, name)));
    }
    for (n, change) in plan.changes.iter().enumerate() {
        if let Some(bytes) = change.before.bytes() {
            edits.push(crate::journal::create(
                &Store::file(number, &format!("before/{n}")),
                bytes.clone(),
            ));
        }
    }
    for (name, bytes) in keep.identity {
        edits.push(crate::journal::create(
            &Store::file(number, &format!("identity/{name}")),
            bytes,
        ));
    }
    let mut places = edits::places(&edits);
    for edit in edits {
        writer.edit(&edit)?;
    }
    // One large text at a time.
    let plan = Store::file(number, "plan.json");
    writer.edit(&crate::journal::create(&plan, keep.plan))?;
    let journal = Store::file(number, "journal.jsonl");
    writer.edit(&crate::journal::create(&journal, intent.line()))?;
    places.extend([Place::State(plan), Place::State(journal)]);
    writer.sync(&places)
}
