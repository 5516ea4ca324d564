//! The mailed link that sets another password: what the account keeps of it.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::token::Digest;

/// The newest link of an account to set another password: what the account keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ResetLink {
    /// The digest of its token.
    pub token: Digest,
    /// The address it was mailed to, in its unique normal form: another one since voids it.
    pub to: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}
