//! What can be chosen about the file: [`SqliteConfig`].

use std::path::PathBuf;
use std::time::Duration;

/// Where the database is and how it is used.
///
/// ```
/// use doorwarden_sqlite::{SqliteConfig, Synchronous};
///
/// let config = SqliteConfig::new("/var/lib/portal/doorwarden.db");
/// assert_eq!(config.synchronous, Synchronous::Full);
/// assert_eq!(config.busy_timeout.as_secs(), 5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteConfig {
    /// The file. It and its directory are made where they don't exist, for the owner's eyes only.
    pub path: PathBuf,
    /// How long a write waits for another process before it is a fault.
    pub busy_timeout: Duration,
    /// When a commit counts as done.
    pub synchronous: Synchronous,
    /// At most this many connections read at the same time; further reads wait for one of them. At least 1.
    pub max_readers: usize,
    /// At most this many counters of unknown identifiers and addresses together, and this many rates; beyond that the
    /// one left alone the longest makes room. Counters of accounts and access keys are never evicted. At least 1.
    pub max_counters: u32,
}

/// When a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Once it is on the disk: what was answered survives a loss of power.
    #[default]
    Full,
    /// Once the operating system has it: it survives the death of the process, but a loss of power can undo the last
    /// commits. A ticket taken is then untaken, a charged guess free again, an ended session alive.
    DangerNormal,
}

impl Synchronous {
    /// SQLite's own name.
    pub(crate) const fn pragma(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::DangerNormal => "NORMAL",
        }
    }
}

impl SqliteConfig {
    /// The database at `path`, with the defaults: 5 s, [`Synchronous::Full`], 8 readers, 100,000 counters.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            busy_timeout: Duration::from_secs(5),
            synchronous: Synchronous::Full,
            max_readers: 8,
            max_counters: 100_000,
        }
    }
}
