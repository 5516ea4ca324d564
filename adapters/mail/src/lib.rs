//! How [doorwarden](doorwarden_core)'s mails leave.
//!
//! | transport | module | for |
//! |---|---|---|
//! | `dir:PATH` | [`MailFolder`] | development, tests, and hosts that carry mails themselves |
//! | `smtp://…`, `smtps://…` | `SmtpMailer` (feature `smtp`) | a mail server |
//!
//! Every transport sends the same message (RFC 5322, text and HTML parts), built in one place with its headers encoded,
//! so that nothing in a mail can add a header or a recipient.

mod folder;
mod message;
#[cfg(feature = "smtp")]
mod smtp;

pub use folder::MailFolder;
#[cfg(feature = "smtp")]
pub use smtp::{InvalidSmtpUrl, SmtpConfig, SmtpMailer};
