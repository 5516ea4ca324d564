//! The promises of the four ports, each handle a store of its own on the same file, as another process would have.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::sync::Arc;

use doorwarden_sqlite::{SqliteConfig, SqliteStore};

fn open() -> impl Fn() -> Arc<SqliteStore> {
    opener(|_| ())
}

fn open_bounded_to_100() -> impl Fn() -> Arc<SqliteStore> {
    opener(|config| config.max_counters = 100)
}

fn opener(configure: impl Fn(&mut SqliteConfig)) -> impl Fn() -> Arc<SqliteStore> {
    let directory = tempfile::tempdir().unwrap();
    let mut config = SqliteConfig::new(directory.path().join("doorwarden.db"));
    configure(&mut config);
    move || {
        // The directory goes with the last handle.
        let _kept = &directory;
        Arc::new(SqliteStore::open(&config).unwrap())
    }
}

doorwarden_core::directory_conformance!(open);
doorwarden_core::session_store_conformance!(open);
doorwarden_core::lockout_store_conformance!(open, open_bounded_to_100);
doorwarden_core::ticket_store_conformance!(open);
