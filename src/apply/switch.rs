//! From what is staged to what is live.

use super::{Journal, edits, undo};
use crate::{
    error::{Error, Result},
    host::{Edit, Place},
    journal::{Event, Record},
    pins,
};

impl Journal<'_, '_> {
    /// Stages, makes sure that everything is as planned still, and switches; a record after each.
    pub(super) fn switch(&mut self) -> Result<()> {
        let moves = self.generation.intent.pins.clone();
        pins::settle(&mut self.writer, &moves, pins::Pins::expect)?;
        self.stage()?;
        for entry in &self.generation.intent.entries {
            let made_now = matches!(entry.after, Record::Dir { .. });
            let found = |path| self.writer.host().read(path);
            if !made_now && !entry.before.matches(&found(&entry.path)?, &self.key) {
                return Err(Error::Changed {
                    path: entry.path.to_string(),
                });
            }
        }
        self.stop_if_asked()?;
        self.record(&Event::Staged)?;
        self.rename()?;
        self.record(&Event::Switched)
    }

    /// Returns the edits of one change; made anew for each pass, since a plan may hold a hundred thousand.
    fn edits(&self, n: usize) -> edits::Edits {
        let Some(entry) = self.generation.intent.entries.get(n) else {
            return edits::Edits::default();
        };
        let after = entry
            .after
            .state(self.bytes.get(&n).cloned().unwrap_or_default());
        // What is absent already and only a command makes.
        if entry.before == entry.after {
            return edits::Edits::default();
        }
        let staged = edits::staged(entry, self.generation.intent.generation, n, false);
        edits::edits(&entry.path, &after, staged, entry.in_place)
    }

    /// Writes all new bytes aside, durable on return.
    fn stage(&mut self) -> Result<()> {
        let mut places = Vec::new();
        for n in 0..self.generation.intent.entries.len() {
            for edit in self.edits(n).stage {
                self.stage_one(&edit)?;
                if let Edit::Create { at, .. } = edit {
                    places.push(at);
                }
            }
        }
        self.writer.sync(&places)
    }

    /// Makes one staged object; what has its name already is left of a generation whose record is gone.
    fn stage_one(&mut self, edit: &Edit) -> Result<()> {
        match (self.writer.edit(edit), edit) {
            (
                Err(Error::Io { source, .. }),
                Edit::Create {
                    at: Place::Tree(staged),
                    ..
                },
            ) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                undo::remove_below(&mut self.writer, staged)?;
                self.writer.edit(edit)
            }
            (done, _) => done,
        }
    }

    /// Makes them live back to back, durable on return.
    fn rename(&mut self) -> Result<()> {
        let (mut places, mut removals) = (Vec::new(), Vec::new());
        for n in 0..self.generation.intent.entries.len() {
            for edit in self.edits(n).switch {
                if matches!(edit, Edit::Remove { .. }) {
                    removals.push(edit);
                } else {
                    self.writer.edit(&edit)?;
                    places.extend(edits::places([&edit]));
                    places.extend(edits::left_elsewhere(&edit));
                }
            }
        }
        edits::innermost_first(&mut removals);
        for edit in &removals {
            self.writer.edit(edit)?;
        }
        places.extend(edits::places(&removals));
        self.writer.sync(&places)
    }
}
