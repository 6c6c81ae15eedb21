//! From one state to another: the same primitive edits forward and backward.

use crate::{
    host::{Edit, Place, staged_name},
    journal::Entry,
    state::{Content, HostPath, State},
};

/// Where the n-th change of a generation is staged.
pub(super) fn staged(entry: &Entry, generation: u64, index: usize, backward: bool) -> HostPath {
    entry
        .staging
        .join(&staged_name(generation, index, backward))
}

/// The edits that bring one path from a state to another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Edits {
    /// Made first, and durable before any switch: nothing live changes by them, but for directories made.
    pub(super) stage: Vec<Edit>,
    /// Made back to back.
    pub(super) switch: Vec<Edit>,
}

/// Returns how to get to a state; `staged` is where new bytes wait.
pub(super) fn edits(path: &HostPath, to: &State, staged: HostPath, in_place: bool) -> Edits {
    let at = Place::Tree(path.clone());
    let staged = Place::Tree(staged);
    let create = Edit::Create {
        at: staged.clone(),
        state: to.clone(),
    };
    let rename = Edit::Rename {
        from: staged,
        to: at.clone(),
    };
    match to {
        State::Absent => Edits {
            stage: Vec::new(),
            switch: vec![Edit::Remove { at }],
        },
        // A directory must be there before anything is staged in it; its name appears with its attributes set.
        State::Present {
            content: Content::Dir,
            ..
        } => Edits {
            stage: vec![create, rename],
            switch: Vec::new(),
        },
        State::Present { .. } if in_place => Edits {
            stage: Vec::new(),
            switch: vec![Edit::Overwrite {
                at,
                state: to.clone(),
            }],
        },
        State::Present { .. } => Edits {
            stage: vec![create],
            switch: vec![rename],
        },
    }
}

/// Puts removals in the order they are made: the innermost first, so that a directory is empty when its turn comes.
pub(super) fn innermost_first(removals: &mut [Edit]) {
    removals.sort_by_cached_key(|edit| std::cmp::Reverse(places([edit])));
}

/// Returns the place that a rename out of another directory leaves: a change of its own to a disk.
pub(super) fn left_elsewhere(edit: &Edit) -> Option<Place> {
    match edit {
        Edit::Rename { from, to } if from.path().parent() != to.path().parent() => {
            Some(from.clone())
        }
        Edit::Rename { .. }
        | Edit::Create { .. }
        | Edit::Remove { .. }
        | Edit::Overwrite { .. }
        | Edit::Append { .. } => None,
    }
}

/// Returns the places that edits leave something at.
pub(super) fn places<'e>(edits: impl IntoIterator<Item = &'e Edit>) -> Vec<Place> {
    let place = |edit: &Edit| match edit {
        Edit::Create { at, .. }
        | Edit::Remove { at }
        | Edit::Overwrite { at, .. }
        | Edit::Append { at, .. } => at.clone(),
        Edit::Rename { to, .. } => to.clone(),
    };
    edits.into_iter().map(place).collect()
}
