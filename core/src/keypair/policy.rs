//! The `[keypairs]` section of the policy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The `[keypairs]` section of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeypairPolicy {
    /// Keypairs of one account.
    pub per_user: u32,
    /// How far a request signature's time may be off, either way.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub clock_skew: Duration,
    /// How long the old keypair works after a rotation.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub rotation_overlap: Duration,
}

impl Default for KeypairPolicy {
    fn default() -> Self {
        Self {
            per_user: 5,
            clock_skew: Duration::from_secs(15 * 60),
            rotation_overlap: Duration::from_secs(24 * 3_600),
        }
    }
}
