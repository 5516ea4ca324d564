//! What a login has proved while it isn't complete, and the step that it waits for.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::id::SessionId;
use crate::keypair::AccessKey;
use crate::known_browser::standing::BrowserStanding;
use crate::seal::Sealed;
use crate::session::SessionMode;
use crate::time::Timestamp;
use crate::user::UserId;

/// What has been proved of a login that isn't complete: the content of its ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LoginProgress {
    /// Who logs in.
    pub user: UserId,
    /// How.
    pub mode: SessionMode,
    /// With which keypair, in api mode.
    #[serde(default)]
    pub keypair: Option<AccessKey>,
    /// From where.
    pub client: Client,
    /// When the password was right; the beginning of time where a keypair was: that is no proof of who is there.
    pub password_at: Timestamp,
    /// When a one-time password or recovery code was right.
    #[serde(default)]
    pub second_factor_at: Option<Timestamp>,
    /// When that password had been set: another one since ends this login.
    pub password_set_at: Option<Timestamp>,
    /// What is known of its browser.
    #[serde(default)]
    pub browser: BrowserStanding,
    /// The step that its ticket is for.
    pub awaits: Option<Awaited>,
}

/// The step that a ticket is for; it works for no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Awaited {
    /// A one-time password or a recovery code.
    Otp,
    /// A code of this secret, which isn't the account's before.
    TotpSetup(Sealed),
    /// Another password.
    PasswordChange,
    /// Accepting the documents.
    Terms,
    /// Ending these sessions or leaving them.
    Conflict(Vec<SessionId>),
}
