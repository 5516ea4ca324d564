//! How [doorwarden](doorwarden_core)'s mails leave.
//!
//! | transport | module | for |
//! |---|---|---|
//! | `dir:PATH` | [`MailFolder`] | development, tests, and hosts that carry mails themselves |
//!
//! Every transport sends the same message (RFC 5322, text and HTML parts), built in one place with its headers encoded,
//! so that nothing in a mail can add a header or a recipient.

mod folder;
mod message;

pub use folder::MailFolder;
