//! What an account keeps of a browser, and what a login that isn't complete knows of its own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::token::Digest;

/// A browser that has logged in to an account: what the account keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KnownBrowser {
    /// The digest of its token.
    pub token: Digest,
    /// When it logged in first.
    pub since: Timestamp,
}

impl KnownBrowser {
    /// An account knows this many; a newer one displaces the oldest.
    pub const MOST: usize = 10;
    /// A browser is known for this long (browsers keep no cookie longer).
    pub const LASTS: Duration = Duration::from_secs(400 * 86_400);

    pub(super) fn is_current(&self, now: Timestamp) -> bool {
        now < self.since.after(Self::LASTS)
    }
}

/// What a login that isn't complete knows of its browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BrowserStanding {
    /// It keeps nothing, or the policy counts all browsers together.
    #[default]
    Forgetful,
    /// It logs in to this account for the first time.
    New,
    /// It has logged in before.
    Known(Digest),
}
