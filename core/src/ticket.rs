//! Tickets: single-use proofs of how far someone has come, handed to the client as an opaque token.

use serde::{Deserialize, Serialize};

use crate::login::progress::LoginProgress;
use crate::time::Timestamp;
use crate::token::{Digest, TicketToken};
use crate::totp::pending::PendingTotp;
use crate::user::UserId;

/// What the store keeps of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Ticket {
    /// What its holder has proved.
    pub grant: Grant,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What the holder of a ticket has proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Grant {
    /// A login that waits for its next step.
    Login(LoginProgress),
    /// A logged-in person who sets up one-time passwords and has given the password.
    TotpSetup(PendingTotp),
    /// Reading the console of a process that has no user yet: may create the first administrator.
    FirstAdministrator,
}

impl Ticket {
    /// A ticket for `grant`.
    pub fn new(grant: Grant, issued_at: Timestamp, expires_at: Timestamp) -> Self {
        Self { grant, issued_at, expires_at }
    }

    /// Whose ticket it is, so that a password reset can void all of a user's tickets.
    pub fn user(&self) -> Option<UserId> {
        match &self.grant {
            Grant::Login(progress) => Some(progress.user),
            Grant::TotpSetup(pending) => Some(pending.user),
            Grant::FirstAdministrator => None,
        }
    }
}

/// Where a store finds a ticket: its partition, and the digest of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketKey {
    /// The partition, from the token's locator.
    pub locator: [u8; 16],
    /// The digest of the token's text.
    pub digest: Digest,
}

impl From<&TicketToken> for TicketKey {
    fn from(token: &TicketToken) -> Self {
        Self { locator: token.locator(), digest: token.digest() }
    }
}
