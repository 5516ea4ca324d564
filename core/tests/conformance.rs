//! The memory store keeps the promises of all four ports.

use std::sync::Arc;

use doorwarden_core::testing::MemoryStore;

fn open() -> impl Fn() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::default());
    move || store.clone()
}

fn open_bounded_to_100() -> impl Fn() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::bounded_to(100));
    move || store.clone()
}

doorwarden_core::directory_conformance!(open);
doorwarden_core::session_store_conformance!(open);
doorwarden_core::lockout_store_conformance!(open, open_bounded_to_100);
doorwarden_core::ticket_store_conformance!(open);
