//! doorwarden's engine: sign-up, login, lockout and sessions as pure state machines behind a handful of ports.
//!
//! ```
//! use std::sync::Arc;
//! use doorwarden_core::administration::NewUser;
//! use doorwarden_core::client::Client;
//! use doorwarden_core::engine::Engine;
//! use doorwarden_core::login::{LoginRequest, LoginStep};
//! use doorwarden_core::password::Password;
//! use doorwarden_core::seal::SealKeys;
//! use doorwarden_core::testing::{MemoryMailer, MemoryStore};
//! use doorwarden_core::user::Role;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # futures_executor::block_on(async {
//! let engine = Engine::builder()
//!     .store(Arc::new(MemoryStore::default()))
//!     .mailer(Arc::new(MemoryMailer::default()))
//!     .seal_keys(SealKeys::new(&[7; 32], &[]))
//!     .start()
//!     .await?;
//! let (ada, password) = ("ada@example.org".to_owned(), Password::new("correct horse 1!".to_owned()));
//! let account = NewUser {
//!     email: ada.clone(),
//!     username: None,
//!     password: Some(password.clone()),
//!     role: Role::user(),
//!     email_verified: true,
//! };
//! engine.add_user(account, &Client::default()).await?;
//!
//! let request = LoginRequest { identifier: ada, password, client: Client::default() };
//! let LoginStep::LoggedIn(login) = engine.login(request).await? else { panic!("another step is asked for") };
//! assert_eq!(engine.check(&login.token).await?.user, login.user.id);
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! # The flows
//! Each is one file that tells it from top to bottom: load facts, decide without I/O, commit all or nothing.
//!
//! | flow | begins at |
//! |---|---|
//! | [`sign_up`] | [`Engine::sign_up`](engine::Engine::sign_up), then [`Engine::verify_email`](engine::Engine::verify_email) |
//! | [`login`] | [`Engine::login`](engine::Engine::login), and a method for each further [`LoginStep`](login::LoginStep) |
//! | [`recovery`] | [`Engine::forgot_password`](engine::Engine::forgot_password), then [`Engine::reset_password`](engine::Engine::reset_password) |
//! | [`email_change`] | [`Engine::change_email`](engine::Engine::change_email), then [`confirm_email`](engine::Engine::confirm_email); [`undo_email`](engine::Engine::undo_email) |
//! | [`password_change`] | [`Engine::change_password`](engine::Engine::change_password) |
//! | [`session`] | [`Engine::check`](engine::Engine::check) for every request, [`extend`](engine::Engine::extend), [`log_out`](engine::Engine::log_out) |
//! | [`totp`] | [`Engine::totp_setup`](engine::Engine::totp_setup), then [`totp_confirm`](engine::Engine::totp_confirm); [`totp_disable`](engine::Engine::totp_disable), [`reset_totp`](engine::Engine::reset_totp) |
//! | [`account`] | [`Engine::export_account`](engine::Engine::export_account), [`change_account`](engine::Engine::change_account), [`delete_account`](engine::Engine::delete_account) |
//! | [`invitation`] | [`Engine::invite`](engine::Engine::invite), [`invitations`](engine::Engine::invitations), [`revoke_invitation`](engine::Engine::revoke_invitation) |
//! | [`keypair`] | [`Engine::create_keypair`](engine::Engine::create_keypair), then [`Engine::login_with_keypair`](engine::Engine::login_with_keypair) |
//! | [`import`] | [`Engine::import_user`](engine::Engine::import_user) |
//! | [`signature`] | [`Engine::check_signed_request`](engine::Engine::check_signed_request) |
//! | [`administration`] | [`Engine::add_user`](engine::Engine::add_user), [`set_status`](engine::Engine::set_status), [`unlock`](engine::Engine::unlock), [`audit`](engine::Engine::audit) |
//!
//! # The rest
//! | module | holds |
//! |---|---|
//! | [`engine`] | the engine and its builder |
//! | [`policy`] | every rule a host can choose, its problems, its weaknesses, its words |
//! | [`store`] | the four storage ports with their promises, and what a commit is |
//! | [`mail`], [`delivery`] | mails, and the outbox that carries out what must follow a commit |
//! | [`user`], [`registration`], [`email`], [`username`] | accounts, sign-ups whose address isn't proved, and their names |
//! | [`password`], [`hashing`] | verifiers and rules; the threads that compute them |
//! | [`lockout`], [`guess`], [`rate`] | rate limiting: guesses in two steps, requests of strangers |
//! | [`known_browser`] | browsers that logged in before, which have a count of their own |
//! | [`ticket`], [`token`], [`spent_mark`] | single-use proofs, the secrets that stand for them, and what came once |
//! | [`seal`], [`reseal`] | secrets at rest, and their keys' rotation |
//! | [`audit`] | the trail |
//! | [`upkeep`] | what is done between requests |
//! | [`metrics`] | what was done since the start, in numbers |
//! | [`revision`] | how often an aggregate was committed |
//! | [`client`], [`network`], [`time`], [`duration`], [`random`], [`error`] | who asks, whom to believe, when, chance, what can go wrong |
//! | `testing` (feature) | stores in memory, a clock that tests own, faults on demand, the suites for adapters |
//!
//! # What it never does
//! - It starts no async runtime and needs none; hashing and upkeep have threads of their own.
//! - It does no I/O: files, databases and networks are behind ports.
//! - It stores no secret that opens a door: tokens as SHA-256, passwords as slow hashes, the rest sealed.
//! - It calls no fault a refusal: "wrong password" is a [`Failure::Refused`], "the store is
//!   down" a [`Failure::Fault`].
//!
//! # What is left to the host
//! - Carry tokens safely (cookies, TLS) and say truly who the [`Client`](client::Client) is.
//! - Keep the seal key apart from the store, and both backed up.
//! - Let a login run to its end: a future that is dropped half-way costs its user one failed guess.

mod canary;
mod first_administrator;
mod id;
mod outbox;
mod stranger;

pub mod account;
pub mod administration;
pub mod audit;
pub mod client;
pub mod delivery;
pub mod duration;
pub mod email;
pub mod email_change;
pub mod engine;
pub mod error;
pub mod guess;
pub mod hashing;
pub mod import;
pub mod invitation;
pub mod keypair;
pub mod known_browser;
pub mod lockout;
pub mod login;
pub mod mail;
pub mod metrics;
pub mod network;
pub mod password;
pub mod password_change;
pub mod policy;
pub mod random;
pub mod rate;
pub mod recovery;
pub mod registration;
pub mod reseal;
pub mod revision;
pub mod seal;
pub mod session;
pub mod sign_up;
pub mod signature;
pub mod spent_mark;
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

pub use error::{Failure, Fault};
pub use time::Timestamp;
