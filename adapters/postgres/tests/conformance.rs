//! The promises of the four ports on a real server, each handle a store with connections of its own, as another process
//! would have.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::sync::Arc;

use doorwarden_postgres::{PostgresConfig, PostgresStore};
use futures_executor::block_on;

use doorwarden_postgres::testing::Server;

fn open() -> impl Fn() -> Arc<PostgresStore> {
    opener(|_| ())
}

fn open_bounded_to_100() -> impl Fn() -> Arc<PostgresStore> {
    opener(|config| config.max_counters = 100)
}

fn opener(configure: impl Fn(&mut PostgresConfig)) -> impl Fn() -> Arc<PostgresStore> {
    let server = Server::shared();
    let mut config = server.fresh_schema();
    // Hundreds of callers at once wait for these.
    config.connect_timeout = std::time::Duration::from_secs(60);
    config.statement_timeout = std::time::Duration::from_secs(60);
    configure(&mut config);
    move || {
        // The server goes with the last handle.
        let _kept = &server;
        Arc::new(block_on(PostgresStore::open(&config)).unwrap())
    }
}

doorwarden_core::directory_conformance!(open);
doorwarden_core::session_store_conformance!(open);
doorwarden_core::lockout_store_conformance!(open, open_bounded_to_100);
doorwarden_core::ticket_store_conformance!(open);
