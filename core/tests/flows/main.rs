//! The flows, whole: an engine on stores in memory, with a clock that the tests own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what isn't as it should be ends the test"
)]

mod account;
mod administration;
mod any_bytes;
mod email_change;
mod faults;
mod figures;
mod first_administrator;
mod imported_users;
mod imports;
mod invitations;
mod keypair_removal;
#[cfg(test)]
mod keypairs;
mod keys;
mod lockout;
mod login;
mod metrics;
mod outbox;
mod races;
mod recovery;
mod reseal;
mod sessions;
mod sign_up;
mod signatures;
mod steps;
mod totp;
mod upkeep_faults;
mod world;
