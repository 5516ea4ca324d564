//! Under construction.

mod duration;
mod id;

pub mod administration;
pub mod audit;
pub mod client;
pub mod delivery;
pub mod email;
pub mod engine;
pub mod error;
mod first_administrator;
pub mod guess;
pub mod hashing;
pub mod keypair;
pub mod lockout;
pub mod login;
pub mod mail;
pub mod password;
pub mod policy;
pub mod random;
pub mod rate;
pub mod recovery;
pub mod registration;
pub mod seal;
pub mod session;
pub mod sign_up;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod ticket;
pub mod time;
pub mod token;
pub mod totp;
pub mod upkeep;
pub mod user;
pub mod username;

pub use time::Timestamp;
