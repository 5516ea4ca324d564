//! Sessions, lockouts and tickets of doorwarden on Redis or Redis Cluster, for any number of processes.
//!
//! ```no_run
//! use doorwarden_redis::{RedisConfig, RedisStore};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::open(&RedisConfig::parse("rediss://:secret@redis.example.org")?).await?;
//! for weakness in store.weaknesses().await? {
//!     eprintln!("{}", weakness.advice());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `config.rs` | [`RedisConfig`] |
//! | `key.rs` | the keys, and the partitions that they fall into |
//! | `connections.rs` | the connection, its runtime, scripts |
//! | `server.rs` | what must be true of a server |
//! | `record.rs` | values as bytes: what they are compared by, and a JSON body |
//! | `session_store.rs` | [`SessionStore`](doorwarden_core::store::SessionStore) |
//! | `lockout_store.rs` | [`LockoutStore`](doorwarden_core::store::LockoutStore) |
//! | `ticket_store.rs` | [`TicketStore`](doorwarden_core::store::TicketStore) |
//! | `fault.rs` | what went wrong, and what to do about it |
//!
//! # What is promised
//!
//! * **No rule is written twice.** What is stored is read, changed by core's pure transition, and stored by a script
//!   that does nothing unless what was read still stands; else it is read again.
//! * **All that is one user's lies in one slot of a cluster**, and a session check is one round trip.
//! * **A call that was begun is finished**, even if its future is dropped, and takes
//!   [`RedisConfig::call_timeout`] at most.
//! * **The memory of spent marks begins anew** where a server was started again or another one took over.
//! * **A server that evicts keys isn't used.**
//!
//! # What is left to the host
//!
//! * Persistence: with `appendonly yes` and `appendfsync everysec` a crash of the machine loses up to a second, with
//!   `always` nothing. A failover loses what the replica hadn't received; `min-replicas-to-write 1` bounds it.
//! * Replicas are never read.
//!
//! The connection lives on a small runtime of its own, so a host needs no async runtime, or may have any.

mod config;
mod connections;
mod fault;
mod key;
mod lockout_store;
mod record;
mod server;
mod session_store;
mod sweep;
mod ticket_store;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use doorwarden_core::error::Fault;

pub use config::{InvalidUrl, RedisConfig};
pub use server::Weakness;

use connections::{Connections, Link};
use fault::Trouble;

/// How much longer than it matters the server keeps what nobody swept away, by its own clock.
const GRACE: Duration = Duration::from_secs(3_600);

/// How often a change is tried that other processes outrun.
const TRIES: u32 = 64;

/// Sessions, lockouts and tickets on one Redis or one Redis Cluster. Clones share the connection; the last one closes
/// it.
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

struct Shared {
    place: String,
    is_private: bool,
    max_counters: u32,
    connections: Connections,
}

impl RedisStore {
    /// Connects, and sees that the server keeps what it is given.
    ///
    /// # Errors
    /// A [`Fault`] that names the server and what to do: it can't be reached, refuses the user, evicts keys, is a
    /// replica, or is part of a cluster that the configuration doesn't speak of.
    pub async fn open(config: &RedisConfig) -> Result<Self, Fault> {
        let place = config.place();
        let opened = async {
            let connections = Connections::open(config)?;
            let link = connections.link();
            connections.run(async move { server::examine(&link).await }).await?;
            Ok(connections)
        };
        match opened.await {
            Ok(connections) => {
                let (is_private, max_counters) = (config.is_private(), config.max_counters.max(1));
                Ok(Self { shared: Arc::new(Shared { place, is_private, max_counters, connections }) })
            }
            Err(trouble) => Err(Trouble::at(trouble, "opening", "Redis", &place)),
        }
    }

    /// What makes the server weaker than it could be.
    ///
    /// # Errors
    /// It doesn't answer.
    pub async fn weaknesses(&self) -> Result<Vec<Weakness>, Fault> {
        let keeps_nothing = self.call("asking", "Redis", async |link| server::keeps_nothing(&link).await).await?;
        let found = [(keeps_nothing, Weakness::NoPersistence), (!self.shared.is_private, Weakness::Unencrypted)];
        Ok(found.into_iter().filter(|(is_so, _)| *is_so).map(|(_, weakness)| weakness).collect())
    }

    fn max_counters(&self) -> u32 {
        self.shared.max_counters
    }

    /// Runs a call of a port.
    async fn call<T, F>(
        &self,
        doing: &'static str,
        subject: impl fmt::Display + Send,
        work: impl FnOnce(Arc<Link>) -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
        T: Send + 'static,
    {
        let connections = &self.shared.connections;
        let done = connections.run(work(connections.link())).await;
        done.map_err(|trouble| trouble.at(doing, subject, &self.shared.place))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("place", &self.shared.place).finish_non_exhaustive()
    }
}
