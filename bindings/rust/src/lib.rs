//! doorwarden for Rust servers: sign-up, login and sessions in your own process, under a policy in one TOML file.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use doorwarden::core::client::Client;
//! use doorwarden::core::login::{LoginRequest, LoginStep};
//! use doorwarden::core::password::Password;
//!
//! let engine = doorwarden::open("auth.toml").await?;
//! let request = LoginRequest {
//!     identifier: "ada@example.org".to_owned(),
//!     password: Password::new("correct horse 1!".to_owned()),
//!     client: Client::default(),
//! };
//! match engine.login(request).await? {
//!     LoginStep::LoggedIn(login) => println!("{} until {}", login.user.email.typed(), login.session.expires_at),
//!     next => println!("not yet: {next:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`core`] | the engine, its flows, its ports |
//! | [`config`] | the configuration file |
//! | [`opening`] | from a file to a running engine |
//! | [`seal_key`] | the key that seals secrets at rest |
//! | `web` | the JSON API as an axum router, and extractors for your own routes (feature `web`) |
//!
//! | feature | brings | default |
//! |---|---|---|
//! | `sqlite` | `store.directory = "sqlite:PATH"` | yes |
//! | `redis` | `store.volatile = "redis://…"`, `"rediss://…"`, `"redis-cluster://…"` | no |
//! | `mail` | `mail.transport = "dir:PATH"` | yes |
//! | `smtp` | `mail.transport = "smtp://…"` and `"smtps://…"` | yes |
//! | `web` | the axum router | yes |
//! | `memory` | `store.directory = "memory:"`, gone with the process | no |

#[cfg(all(doctest, feature = "web"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

pub mod config;
pub mod opening;
pub mod seal_key;
#[cfg(feature = "web")]
pub mod web;

pub use config::Configuration;
pub use doorwarden_core as core;
pub use doorwarden_core::engine::Engine;
pub use doorwarden_core::policy::{Explanation, Policy, PolicyProblem, Weakness};
pub use opening::{OpenError, open};
