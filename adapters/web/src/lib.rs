//! doorwarden over HTTP: a JSON API as an axum router, and extractors for a host's own routes.
//!
//! The router answers; what to answer is core's to decide. There is no policy here beyond what HTTP itself asks for.
//!
//! | module | holds |
//! |---|---|
//! | `options`, `sign_up`, `verification`, `login`, `otp`, `session`, `sessions`, `password`, `email`, `account`, `totp`, `keypairs`, `first_administrator`, `users`, `invitations`, `audit`, `health`, `metrics`, `openapi` | one resource each |
//! | `current` | [`Auth`], [`CurrentUser`], [`CurrentSession`]: what a host's routes ask for |
//! | `administrator` | [`Administrator`]: the same, for routes that only an administrator may use |
//! | `problem` | [`Problem`], [`Code`]: every refusal and fault as `application/problem+json` |
//! | `credential`, `cookie` | what a request shows of a session |
//! | `signed` | [`signed_requests`]: a keypair's signature in a session's place |
//! | `origin` | requests from pages of other sites are refused |
//! | `client` | who is at the other end, behind which proxy |
//! | `body`, `json` | bounded, strict JSON |
//! | `paging` | which part of a list |
//! | `user` | an account as replies show it |
//! | `locale` | the language of mails to an applicant |
//! | `config` | [`WebSettings`] |
//! | `qr` | QR codes as SVG |
//! | `guard` | what every request passes and every reply carries |
//! | `serve` | [`serve()`]: the network with its bounds |
//!
//! A request passes, from the outside in:
//!
//! ```text
//! guard ──▶ origin ──▶ a task of its own ──▶ signed_requests ──▶ the handler's extractors ──▶ the handler
//! ```
//!
//! A server whose page is for those who are logged in:
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use doorwarden_core::engine::Engine;
//! use doorwarden_web::{Auth, CurrentUser, WebSettings};
//!
//! async fn home(CurrentUser { user, .. }: CurrentUser) -> String {
//!     format!("Hello, {}", user.email.typed())
//! }
//!
//! async fn run(engine: Engine) -> std::io::Result<()> {
//!     let settings = WebSettings::default();
//!     let app = Router::new()
//!         .route("/", get(home))
//!         .with_state(Auth::new(engine.clone(), settings.clone()))
//!         .merge(doorwarden_web::router(engine, settings));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     doorwarden_web::serve(listener, app, async { tokio::signal::ctrl_c().await.unwrap() }).await
//! }
//! ```
//!
//! # What is left to the host
//! - TLS, or a proxy that ends it; then name the proxy in [`WebSettings::trust_proxy`].
//! - The socket's address as [`ConnectInfo`](axum::extract::ConnectInfo), which [`serve()`] adds; without it there is
//!   no limit by client address.
//! - The headers of its own pages (`Strict-Transport-Security`, `Content-Security-Policy`).
//! - `Clear-Site-Data` at log-out, if the origin is the service's own.

mod account;
mod administrator;
mod audit;
mod body;
mod client;
mod config;
mod cookie;
mod credential;
mod current;
mod email;
mod first_administrator;
mod guard;
mod health;
mod invitations;
mod json;
mod keypairs;
mod locale;
mod login;
mod metrics;
mod openapi;
mod options;
mod origin;
mod otp;
mod paging;
mod password;
mod problem;
mod qr;
mod serve;
mod session;
mod sessions;
mod sign_up;
mod signed;
mod totp;
mod trail;
mod user;
mod users;
mod verification;

use axum::middleware::from_fn_with_state;
use axum::routing::any;
use axum::{Extension, Router};
use doorwarden_core::engine::Engine;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use administrator::Administrator;
pub use config::{ConsoleSettings, WebSettings};
pub use current::{Auth, CurrentSession, CurrentUser};
pub use problem::{Code, Problem};
pub use serve::serve;
pub use signed::signed_requests;
pub use trail::Trail;

/// The API under its prefix. It answers every path there; all others are the host's.
///
/// # Panics
/// If the prefix isn't a plain path: axum gives `{`, `}` and `*` a meaning of their own.
pub fn router(engine: Engine, settings: WebSettings) -> Router {
    let (prefix, tells_metrics) = (settings.path(), settings.metrics);
    let auth = Auth::new(engine, settings);
    let guard = from_fn_with_state(auth.clone(), guard::guard);
    let signed = from_fn_with_state(auth.clone(), signed_requests);
    let endpoints = if tells_metrics { endpoints().routes(routes!(metrics::metrics)) } else { endpoints() };
    let (routes, api) = endpoints.split_for_parts();
    let routes = routes
        .fallback(guard::unknown_path)
        .method_not_allowed_fallback(guard::wrong_method)
        .layer(Extension(openapi::Description::of(api, &prefix)))
        .layer(signed)
        .layer(guard.clone())
        .with_state(auth);
    match &*prefix {
        "" => routes,
        // A router that is nested doesn't hear of its prefix with a slash behind.
        prefix => {
            Router::new().nest(prefix, routes).route(&format!("{prefix}/"), any(guard::unknown_path).layer(guard))
        }
    }
}

fn endpoints() -> OpenApiRouter<Auth> {
    OpenApiRouter::default()
        .routes(routes!(options::options))
        .routes(routes!(sign_up::sign_up))
        .routes(routes!(verification::verify_email))
        .routes(routes!(verification::show))
        .routes(routes!(verification::decline))
        .routes(routes!(verification::resend))
        .routes(routes!(login::login))
        .routes(routes!(otp::enter_code))
        .routes(routes!(otp::enter_setup_code))
        .routes(routes!(login::change_password))
        .routes(routes!(login::accept_terms))
        .routes(routes!(login::take_over))
        .routes(routes!(password::forgot))
        .routes(routes!(password::reset))
        .routes(routes!(password::change))
        .routes(routes!(email::change))
        .routes(routes!(email::show_change))
        .routes(routes!(email::confirm))
        .routes(routes!(email::show_undo))
        .routes(routes!(email::undo))
        .routes(routes!(account::show, account::change))
        .routes(routes!(account::delete))
        .routes(routes!(session::log_out))
        .routes(routes!(session::show))
        .routes(routes!(session::extend))
        .routes(routes!(session::prove))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(keypairs::list, keypairs::create))
        .routes(routes!(keypairs::switch, keypairs::delete))
        .routes(routes!(keypairs::rotate))
        .routes(routes!(totp::show))
        .routes(routes!(totp::set_up))
        .routes(routes!(totp::confirm))
        .routes(routes!(totp::disable))
        .routes(routes!(first_administrator::create))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::delete))
        .routes(routes!(users::unlock))
        .routes(routes!(users::reset_totp))
        .routes(routes!(users::end_sessions))
        .routes(routes!(invitations::list, invitations::create))
        .routes(routes!(invitations::revoke))
        .routes(routes!(audit::list))
        .routes(routes!(health::health))
        .routes(routes!(openapi::description))
}
