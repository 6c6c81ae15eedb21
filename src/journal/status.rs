//! How far a generation came, and the one function that says what may follow what.

use super::Event;

/// How far a generation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing live has moved, but for directories made.
    Open,
    /// Changes may be in place, some or none.
    Staged,
    /// All changes are in place.
    Switched {
        /// Whether a command may still be running.
        running: bool,
    },
    /// Changes may be taken back, some or none.
    Restoring {
        /// Whether they had all been in place before, so that services may have loaded them.
        switched: bool,
    },
    /// All changes are taken back.
    Restored {
        /// Whether a command may still be running.
        running: bool,
        /// Whether they had all been in place before, so that services may have loaded them.
        switched: bool,
    },
    /// The new states stay.
    Committed,
    /// The old states are back.
    RolledBack,
    /// Given up.
    Abandoned,
}

impl Status {
    /// Returns the status after an event.
    ///
    /// # Errors
    /// A message where the event cannot follow.
    pub fn next(self, event: &Event) -> Result<Self, String> {
        let illegal = |event: &str| Err(format!("`{event}` cannot follow {self:?}"));
        match (event, self) {
            (Event::Begun(_), _) => illegal("begun"),
            (Event::Staged, Self::Open) => Ok(Self::Staged),
            (Event::Staged, _) => illegal("staged"),
            (Event::Switched, Self::Staged) => Ok(Self::Switched { running: false }),
            (Event::Switched, _) => illegal("switched"),
            (
                Event::Running { .. } | Event::Ran { .. },
                Self::Open
                | Self::Staged
                | Self::Restoring { .. }
                | Self::Committed
                | Self::RolledBack
                | Self::Abandoned,
            ) => illegal("running"),
            (
                Event::Sending { .. } | Event::Sent { .. },
                Self::Switched { running: false } | Self::Restored { running: false, .. },
            ) => Ok(self),
            (Event::Sending { .. } | Event::Sent { .. }, _) => illegal("sending"),
            (Event::Running { .. }, status) => Ok(status.with_running(true)),
            (Event::Ran { .. }, status) => Ok(status.with_running(false)),
            (Event::Restoring, Self::Open | Self::Staged) => {
                Ok(Self::Restoring { switched: false })
            }
            (Event::Restoring, Self::Switched { running: false }) => {
                Ok(Self::Restoring { switched: true })
            }
            (
                Event::Restoring,
                Self::Restoring { switched }
                | Self::Restored {
                    running: false,
                    switched,
                },
            ) => Ok(Self::Restoring { switched }),
            (Event::Restoring, _) => illegal("restoring"),
            (Event::Restored, Self::Restoring { switched }) => Ok(Self::Restored {
                running: false,
                switched,
            }),
            (Event::Restored, _) => illegal("restored"),
            (Event::Committed, Self::Switched { .. }) => Ok(Self::Committed),
            (Event::Committed, _) => illegal("committed"),
            (Event::RolledBack, Self::Restored { .. }) => Ok(Self::RolledBack),
            (Event::RolledBack, _) => illegal("rolled-back"),
            (Event::Abandoned, Self::Committed | Self::RolledBack) => illegal("abandoned"),
            (Event::Abandoned, _) => Ok(Self::Abandoned),
        }
    }

    fn with_running(self, running: bool) -> Self {
        match self {
            Self::Switched { .. } => Self::Switched { running },
            Self::Restored { switched, .. } => Self::Restored { running, switched },
            ended => ended,
        }
    }

    /// Tells whether a command may still be running.
    #[must_use]
    pub fn is_running(self) -> bool {
        match self {
            Self::Switched { running } | Self::Restored { running, .. } => running,
            Self::Open
            | Self::Staged
            | Self::Restoring { .. }
            | Self::Committed
            | Self::RolledBack
            | Self::Abandoned => false,
        }
    }

    /// Tells whether services may have loaded the new states.
    #[must_use]
    pub fn was_switched(self) -> bool {
        matches!(
            self,
            Self::Switched { .. }
                | Self::Committed
                | Self::Restoring { switched: true }
                | Self::Restored { switched: true, .. }
        )
    }

    /// Tells whether nothing is left to do.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Committed | Self::RolledBack | Self::Abandoned)
    }
}
