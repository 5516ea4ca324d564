//! One-time passwords that are being set up.

use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::seal::Sealed;
use crate::user::UserId;

/// A set-up that waits for its code: the content of its ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PendingTotp {
    /// Who sets it up.
    pub user: UserId,
    /// In which session; it works in no other.
    pub session: SessionId,
    pub(crate) seed: Sealed,
}
