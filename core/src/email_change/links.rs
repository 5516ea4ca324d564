//! The mailed links of a change of address: what the account keeps of them.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::email::Email;
use crate::time::Timestamp;
use crate::token::Digest;

/// A change of address that waits for the new one to be proved: what the account keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PendingEmail {
    /// The digest of the mailed link's token.
    pub token: Digest,
    /// The address to come.
    pub to: Email,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Where it was asked for.
    pub client: Client,
    /// When the link stops working.
    pub expires_at: Timestamp,
}

/// An address that an account had, and whose reader can take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FormerEmail {
    /// The digest of the mailed link's token.
    pub token: Digest,
    /// The address.
    pub email: Email,
    /// When another one took its place.
    pub replaced_at: Timestamp,
    /// When the link stops working.
    pub expires_at: Timestamp,
}
