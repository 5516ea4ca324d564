//! One-time passwords (RFC 6238). Only the policy section is here yet; the flow is not available in this build.

use serde::{Deserialize, Serialize};

/// Who needs a one-time password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TotpMode {
    /// Nobody can set it up.
    Off,
    /// Whoever sets it up.
    Optional,
    /// Everybody, or the roles that are named.
    Required,
}

/// The `[totp]` section of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TotpPolicy {
    /// Who needs a one-time password.
    pub mode: TotpMode,
    /// With `required`: only these roles; empty: all.
    pub roles: Vec<String>,
    /// The issuer that the authenticator application shows.
    pub issuer: String,
    /// Time steps accepted either way.
    pub drift: u32,
    /// How many recovery codes are given at set-up.
    pub recovery_codes: u32,
    /// Wrong codes since the last login before only a reset or an administrator opens; 0: off.
    pub max_failures: u32,
}

impl Default for TotpPolicy {
    fn default() -> Self {
        Self {
            mode: TotpMode::Optional,
            roles: Vec::new(),
            issuer: "doorwarden".to_owned(),
            drift: 1,
            recovery_codes: 10,
            max_failures: 0,
        }
    }
}
