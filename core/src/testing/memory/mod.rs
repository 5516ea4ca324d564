//! The storage ports in memory: [`MemoryStore`]; and a mailbox that a test reads: [`MemoryMailer`].
//!
//! One lock around plain maps, so each call is one step. Nothing outlives the process, which is what keeps this store
//! to tests and trials; all other promises it keeps like any adapter.

mod directory;
mod lockout_store;
mod mailer;
mod session_store;
mod ticket_store;

pub use mailer::MemoryMailer;

use std::sync::{Mutex, MutexGuard, PoisonError};

use directory::Tables;
use lockout_store::Counters;
use session_store::Sessions;
use ticket_store::{Marks, Tickets};

/// All four storage ports in memory.
///
/// ```
/// use doorwarden_core::email::Email;
/// use doorwarden_core::store::{Change, Directory, UserKey, Write};
/// use doorwarden_core::testing::MemoryStore;
/// use doorwarden_core::time::Timestamp;
/// use doorwarden_core::user::{Role, User, UserId};
///
/// let store = MemoryStore::default();
/// let email = Email::parse("ada@example.org")?;
/// let ada = User::new(UserId::from_bytes([1; 16]), email, Role::user(), Timestamp::from_millis(0));
/// # futures_executor::block_on(async {
/// store.commit(&[Change::User(Write::Create(ada))]).await?;
/// assert!(store.user(UserKey::Email("ada@example.org")).await?.is_some());
/// # Ok::<(), doorwarden_core::store::CommitError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    directory: Tables,
    sessions: Sessions,
    counters: Counters,
    tickets: Tickets,
    marks: Marks,
}

impl MemoryStore {
    /// The most counters of unknown identifiers and addresses that are kept, and apart from them the most rates. One
    /// more evicts the one that was left alone for the longest time.
    pub const MAX_EVICTABLE: usize = 100_000;

    /// A store that keeps at most `max_evictable` counters of unknown identifiers and addresses, and as many rates.
    pub fn bounded_to(max_evictable: usize) -> Self {
        let state = State {
            directory: Tables::default(),
            sessions: Sessions::default(),
            counters: Counters::bounded_to(max_evictable),
            tickets: Tickets::default(),
            marks: Marks::default(),
        };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every step leaves whole records, so a panic elsewhere in a test says nothing about them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::bounded_to(Self::MAX_EVICTABLE)
    }
}
