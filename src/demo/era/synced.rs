//! What the first server has at once, and the others later.

use std::time::{Duration, Instant};

/// Something that changes on the first server, and is copied to the others.
#[derive(Debug, Clone, Default)]
pub(super) struct Synced<T> {
    now: T,
    copy: T,
    /// When it changed, while that is not copied.
    changed: Option<Instant>,
}

impl<T: Clone> Synced<T> {
    /// Something that all servers have.
    pub(super) fn on_all(now: T) -> Self {
        Self {
            copy: now.clone(),
            now,
            changed: None,
        }
    }

    pub(super) fn change(&mut self, to: T) {
        self.now = to;
        self.changed = Some(Instant::now());
    }

    /// Copies what has waited long enough.
    pub(super) fn arrive(&mut self, delay: Duration) {
        if self.changed.is_some_and(|at| at.elapsed() >= delay) {
            self.copy = self.now.clone();
            self.changed = None;
        }
    }

    pub(super) fn on(&self, server: usize) -> &T {
        if server == 0 { &self.now } else { &self.copy }
    }
}
