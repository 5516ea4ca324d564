//! All four storage ports of doorwarden on one PostgreSQL database, for any number of processes.
//!
//! ```no_run
//! use doorwarden_core::store::Directory as _;
//! use doorwarden_postgres::{PostgresConfig, PostgresStore};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = PostgresConfig::parse("postgres://doorwarden:secret@db.example.org/accounts")?;
//! let store = PostgresStore::open(&config).await?;
//! assert!(!store.has_users().await?);
//! # Ok(())
//! # }
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `config.rs` | [`PostgresConfig`] |
//! | `schema.rs` | tables and migrations |
//! | `connections.rs` | the pool, its runtime, transactions that are run again where another one was let through |
//! | `tls.rs` | which servers are trusted |
//! | `directory.rs`, `commit.rs`, `requirements.rs`, `audit.rs`, `trail.rs` | [`Directory`](doorwarden_core::store::Directory) |
//! | `session_store.rs` | [`SessionStore`](doorwarden_core::store::SessionStore) |
//! | `lockout_store.rs` | [`LockoutStore`](doorwarden_core::store::LockoutStore) |
//! | `ticket_store.rs` | [`TicketStore`](doorwarden_core::store::TicketStore) |
//! | `record.rs` | values as rows: a key and a JSON body |
//! | `testing.rs` | a server of one's own for tests (feature `testing`) |
//! | `fault.rs` | what went wrong, and what to do about it |
//!
//! # What is promised
//!
//! * **At the server's default isolation, READ COMMITTED**: a change is a conditional statement whose row count
//!   decides, or a row lock; nothing is read first and written later on trust.
//! * **No commit waits for a place in the audit trail.** Events get their positions when the trail is read, see
//!   `trail.rs`, so that logins of different accounts never stand in one queue.
//! * **A call that was begun is finished**, even if its future is dropped.
//!
//! # What is left to the host
//!
//! * `synchronous_commit` must stay on, and a standby that takes over must be synchronous: a lost commit is a ticket
//!   that works twice or a guess that was free.
//! * Backups, and a pool before the server where there are very many processes (in session mode).
//!
//! The connections live on a small runtime of their own, so a host needs no async runtime, or may have any.

mod audit;
mod commit;
mod config;
mod connections;
mod directory;
mod fault;
mod lockout_store;
mod record;
mod requirements;
mod schema;
mod session_store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod ticket_store;
mod tls;
mod trail;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use doorwarden_core::error::Fault;

pub use config::{InvalidUrl, PostgresConfig};

use connections::{Connections, Steps};
use fault::{Trouble, Undone};

/// The four storage ports on one database. Clones share the connections; the last one closes them.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    place: String,
    max_counters: u32,
    connections: Connections,
}

impl PostgresStore {
    /// Connects, and brings the schema up to date; of any number of processes one does, and the others wait.
    ///
    /// # Errors
    /// A [`Fault`] that names the server and what to do: it can't be reached, refuses the user, or its schema was made
    /// by a newer program.
    pub async fn open(config: &PostgresConfig) -> Result<Self, Fault> {
        let place = config.place();
        let opened = async {
            let connections = Connections::open(config)?;
            schema::migrate(&connections, &config.schema).await?;
            Ok(connections)
        };
        match opened.await {
            Ok(connections) => {
                let shared = Shared { place, max_counters: config.max_counters.max(1), connections };
                Ok(Self { shared: Arc::new(shared) })
            }
            Err(trouble) => Err(Trouble::at(trouble, "opening", "the database", &place)),
        }
    }

    fn max_counters(&self) -> i64 {
        self.shared.max_counters.into()
    }

    fn connections(&self) -> &Connections {
        &self.shared.connections
    }

    /// Runs a transaction that is never refused.
    async fn write<C, T>(
        &self,
        doing: &'static str,
        subject: impl fmt::Display + Send,
        input: C,
        work: Steps<C, T, Infallible>,
    ) -> Result<T, Fault>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.connections().transaction(input, work).await.map_err(|undone| match undone {
            Undone::Refused(never) => match never {},
            Undone::Trouble(trouble) => self.fault(doing, subject, trouble),
        })
    }

    /// Runs one statement that changes nothing.
    async fn read<C, T>(
        &self,
        doing: &'static str,
        subject: impl fmt::Display + Send,
        input: C,
        work: Steps<C, T, Infallible>,
    ) -> Result<T, Fault>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.connections().read(input, work).await.map_err(|trouble| self.fault(doing, subject, trouble))
    }

    /// Runs one statement that is a transaction of its own.
    async fn act<C, T>(
        &self,
        doing: &'static str,
        subject: impl fmt::Display + Send,
        input: C,
        work: Steps<C, T, Infallible>,
    ) -> Result<T, Fault>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.connections().act(input, work).await.map_err(|trouble| self.fault(doing, subject, trouble))
    }

    fn fault(&self, doing: &'static str, subject: impl fmt::Display, trouble: Trouble) -> Fault {
        trouble.at(doing, subject, &self.shared.place)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.shared.place).finish_non_exhaustive()
    }
}
