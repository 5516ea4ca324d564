//! The `[totp]` section of the policy.

use serde::{Deserialize, Serialize};

use crate::user::Role;

/// Who needs a one-time password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TotpMode {
    /// Nobody can set it up; who has it already is asked all the same, until it is switched off.
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

impl TotpPolicy {
    /// Whether an account of this role must have a second factor.
    pub fn is_required_of(&self, role: &Role) -> bool {
        let named = self.roles.is_empty() || self.roles.iter().any(|name| name == role.name());
        self.mode == TotpMode::Required && named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_factor_is_required_of_all_or_of_the_roles_that_are_named() {
        let cases: [(TotpMode, &[&str], bool, bool); 5] = [
            (TotpMode::Off, &[], false, false),
            (TotpMode::Optional, &[], false, false),
            (TotpMode::Required, &[], true, true),
            (TotpMode::Required, &["admin"], false, true),
            (TotpMode::Required, &["lead", "user"], true, false),
        ];
        for (mode, roles, of_user, of_admin) in cases {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            let policy = TotpPolicy { mode, roles, ..TotpPolicy::default() };
            let required = (policy.is_required_of(&Role::user()), policy.is_required_of(&Role::admin()));
            assert_eq!(required, (of_user, of_admin), "{policy:?}");
        }
    }
}
