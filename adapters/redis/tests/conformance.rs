//! The promises of the three ports on one server and on a cluster of three nodes, each handle a store with a connection
//! of its own, as another process would have.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use doorwarden_redis::{RedisConfig, RedisStore};
use futures_executor::block_on;

fn connect(mut config: RedisConfig, max_counters: u32) -> Arc<RedisStore> {
    // Hundreds of callers at once wait for each other.
    config.call_timeout = Duration::from_secs(60);
    config.command_timeout = Duration::from_secs(60);
    config.max_counters = max_counters;
    Arc::new(block_on(RedisStore::open(&config)).unwrap())
}

mod one_server {
    use super::*;
    use crate::server::Server;

    fn open() -> impl Fn() -> Arc<RedisStore> {
        opener(100_000)
    }

    fn open_bounded_to_100() -> impl Fn() -> Arc<RedisStore> {
        opener(100)
    }

    fn opener(max_counters: u32) -> impl Fn() -> Arc<RedisStore> {
        // The server goes with the last handle.
        let server = Server::start();
        move || connect(server.config(), max_counters)
    }

    doorwarden_core::session_store_conformance!(open);
    doorwarden_core::lockout_store_conformance!(open, open_bounded_to_100);
    doorwarden_core::ticket_store_conformance!(open);
}

mod cluster {
    use super::*;
    use crate::server::{Alone, Cluster};

    fn open() -> impl Fn() -> Arc<RedisStore> {
        opener(100_000)
    }

    fn open_bounded_to_100() -> impl Fn() -> Arc<RedisStore> {
        opener(100)
    }

    fn opener(max_counters: u32) -> impl Fn() -> Arc<RedisStore> {
        let alone = Alone::on(Cluster::shared());
        move || connect(alone.cluster().config(), max_counters)
    }

    doorwarden_core::session_store_conformance!(open);
    doorwarden_core::lockout_store_conformance!(open, open_bounded_to_100);
    doorwarden_core::ticket_store_conformance!(open);
}
