//! The promises of the four storage ports as tests: one suite a port, one `#[test]` a property.
//!
//! An adapter's `tests/conformance.rs` names a function for its store and applies the four macros to it:
//!
//! ```
//! use std::sync::Arc;
//! # use doorwarden_core::testing::MemoryStore;
//!
//! /// A fresh, empty store. What is returned opens one more handle on it, as another process would.
//! fn open() -> impl Fn() -> Arc<MemoryStore> {
//!     let store = Arc::new(MemoryStore::default()); // here: makes a temporary directory, or a schema on the test server
//!     move || store.clone() //                         here: opens a connection of its own to it
//! }
//!
//! /// The same, keeping at most 100 counters of unknown identifiers and addresses, and at most 100 rates.
//! fn open_bounded_to_100() -> impl Fn() -> Arc<MemoryStore> {
//!     let store = Arc::new(MemoryStore::bounded_to(100));
//!     move || store.clone()
//! }
//!
//! doorwarden_core::directory_conformance!(open);
//! doorwarden_core::session_store_conformance!(open);
//! doorwarden_core::lockout_store_conformance!(open, open_bounded_to_100);
//! doorwarden_core::ticket_store_conformance!(open);
//! ```
//!
//! - `open` is called once for each property, so properties don't see each other's records and run side by side.
//! - What it returns is called once for each handle: twice for most races, and again after the others were dropped
//!   where a promise is about a restart. It owns whatever the store lives in, such as a `TempDir`, and is dropped last.
//!   Handles may be `Arc<Store>` or `Arc<dyn Port>`, on a store that is one port or several.
//! - A store whose server is missing panics and says how to get it. No property can be left out.
//! - Each macro makes a module named after the port, so `cargo test ticket_store` runs one suite. An adapter with two
//!   set-ups applies the macros in two modules.
//! - Futures are run with `block_on` on plain threads, up to 300 at once. An adapter that needs a runtime brings it.
//! - Times are given, in January 2027 and later; an adapter that lets its server expire records by the server's own
//!   clock keeps its promises only after that.
//!
//! Each property quotes the number of the promise that it checks, as stated at the port in [`crate::store`]. What no
//! suite can see stays with the adapter's own tests: a crash in the middle of a commit, and records that can't be read.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken promise ends the test")]

pub mod directory;
pub mod lockout_bounds;
pub mod lockout_store;
pub mod session_store;
pub mod ticket_store;

mod samples;

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

/// One test for each property of a suite; the macros of the ports use it.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_suite {
    ($suite:ident, $port:ident, $open:expr, $($property:ident),* $(,)?) => {
        mod $suite {
            #[allow(unused_imports, reason = "the function may be named by an absolute path")]
            use super::*;

            $(
                #[test]
                fn $property() {
                    let handle = ($open)();
                    let open = move || -> ::std::sync::Arc<dyn $crate::store::$port> { handle() };
                    $crate::testing::conformance::$suite::$property(&open);
                }
            )*
        }
    };
}

/// Runs `call` on `callers` threads at once, half of them on one handle and half on another, and collects the answers.
///
/// The last caller often comes first, since it needn't be woken: rounds of unlike callers change who is last.
fn race<P, T>(open: &dyn Fn() -> Arc<P>, callers: usize, call: impl Fn(&P, usize) -> T + Sync) -> Vec<T>
where
    P: ?Sized + Send + Sync,
    T: Send,
{
    let handles = [open(), open()];
    let start = Barrier::new(callers);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..callers)
            .map(|caller| {
                let (handle, start, call) = (&*handles[caller % 2], &start, &call);
                scope.spawn(move || {
                    start.wait();
                    call(handle, caller)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Tries until it works; a store that never lets it through ends the test.
fn until_it_works(mut attempt: impl FnMut() -> bool) {
    const TRIES: u32 = 50_000;
    for _ in 0..TRIES {
        if attempt() {
            return;
        }
        thread::sleep(Duration::from_micros(200));
    }
    panic!("it didn't work in {TRIES} tries");
}

/// Small repeatable chance (xorshift64*) for histories; the seed stands in every message.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_property_stands_in_the_macro_of_its_suite() {
        for source in [
            concat!(
                include_str!("directory/mod.rs"),
                include_str!("directory/chain.rs"),
                include_str!("directory/commits.rs"),
                include_str!("directory/invitations.rs"),
                include_str!("directory/keypairs.rs"),
                include_str!("directory/outbox.rs"),
                include_str!("directory/reads.rs"),
                include_str!("directory/trail.rs"),
                include_str!("directory/unique.rs"),
            ),
            include_str!("session_store.rs"),
            concat!(include_str!("lockout_store.rs"), include_str!("lockout_bounds.rs")),
            include_str!("ticket_store.rs"),
        ] {
            let named = source.lines().filter_map(|line| line.strip_prefix("pub fn "));
            for property in named.filter_map(|rest| rest.split('(').next()) {
                let listed = source.lines().any(|line| line.trim() == format!("{property},"));
                assert!(listed, "{property} isn't in its macro");
            }
        }
    }
}
