//! What tests are made of (cargo feature `testing`): stores in memory, a clock and chance that the test owns, faults
//! on demand, and the suites that every adapter passes.
//!
//! | module | holds |
//! |---|---|
//! | [`memory`] | [`MemoryStore`], the four storage ports at once, and [`MemoryMailer`] |
//! | [`clock`] | [`ManualClock`]: time passes when the test says so |
//! | [`random`] | [`SeededRandom`]: the same chance every time |
//! | [`faults`] | [`FaultyStore`]: the n-th port call fails, before or after it was applied |
//! | [`signing`] | [`ClientSignature`]: requests signed as a client does |
//! | [`conformance`] | one suite a port: the promises of [`crate::store`], each a test |
//!
//! A host's tests give the engine these parts instead of real ones, and then own the world it lives in:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use doorwarden_core::client::Client;
//! use doorwarden_core::engine::Engine;
//! use doorwarden_core::error::Failure;
//! use doorwarden_core::login::{LoginRefusal, LoginRequest};
//! use doorwarden_core::password::Password;
//! use doorwarden_core::policy::Policy;
//! use doorwarden_core::seal::SealKeys;
//! use doorwarden_core::testing::{ManualClock, MemoryMailer, MemoryStore, SeededRandom};
//! use doorwarden_core::upkeep::Upkeep;
//! use futures_executor::block_on;
//!
//! let mut policy = Policy::default();
//! policy.password.bcrypt_cost = 4;
//! let clock = ManualClock::default();
//! let engine = Engine::builder()
//!     .store(Arc::new(MemoryStore::default()))
//!     .mailer(Arc::new(MemoryMailer::default()))
//!     .clock(Arc::new(clock.clone()))
//!     .random(Arc::new(SeededRandom::new(1)))
//!     .seal_keys(SealKeys::new(&[7; 32], &[]))
//!     .upkeep(Upkeep::ByHost)
//!     .policy(policy);
//! let engine = block_on(engine.start())?;
//!
//! let guess = || {
//!     let (identifier, password) = ("ada@example.org".to_owned(), Password::new("a guess 1!".to_owned()));
//!     block_on(engine.login(LoginRequest { identifier, password, client: Client::default() }))
//! };
//! for _ in 0..11 {
//!     assert!(matches!(guess(), Err(Failure::Refused(LoginRefusal::InvalidCredentials))));
//! }
//! assert!(matches!(guess(), Err(Failure::Refused(LoginRefusal::LockedOut { .. }))));
//! clock.advance(Duration::from_secs(20 * 60));
//! assert!(matches!(guess(), Err(Failure::Refused(LoginRefusal::InvalidCredentials))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An adapter's author writes one line a port; see [`conformance`].

pub mod clock;
pub mod conformance;
pub mod faults;
pub mod memory;
pub mod random;
pub mod signing;

pub use clock::ManualClock;
pub use faults::{FaultMoment, FaultyStore};
pub use memory::{MemoryMailer, MemoryStore};
pub use random::SeededRandom;
pub use signing::ClientSignature;
