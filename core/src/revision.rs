//! How often an aggregate was committed: what a change was decided on.

use serde::{Deserialize, Serialize};

/// Counts the commits of an aggregate: a change is applied only on the revision that it was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// The revision of an aggregate that was created and never changed.
    pub const FIRST: Self = Self(1);

    /// The revision after the next change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number of commits.
    pub const fn number(self) -> u64 {
        self.0
    }
}
