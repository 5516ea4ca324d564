//! Rules of recovery by mail.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The `[recovery]` section of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecoveryPolicy {
    /// Whether a forgotten password can be reset by mail.
    pub enabled: bool,
    /// How long the mailed link works.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub link: Duration,
    /// Mails an hour to one address.
    pub per_hour: u32,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self { enabled: true, link: Duration::from_secs(30 * 60), per_hour: 3 }
    }
}
