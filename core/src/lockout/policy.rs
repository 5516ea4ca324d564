//! The `[lockout]` section of the policy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lockout::{Escalation, Forget, LockoutRule};

/// The `[lockout]` section of the policy (NIST SP 800-63B-4, rate limiting).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LockoutPolicy {
    /// Consecutive failures forgiven; the next one restricts.
    pub max_failures: u32,
    /// How long a restriction lasts.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub duration: Duration,
    /// An unfinished count is forgotten this long after its last failure.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub forget_after: Duration,
    /// Each restriction doubles the last one, up to 24 hours; at 100 failures only a reset by mail or an administrator opens.
    pub escalate: bool,
    /// A browser that logged in before has its own counter.
    pub known_browser: bool,
    /// Mail the owner after 3 wrong codes, and after a login that followed 5 failures.
    pub notify: bool,
    /// Whether a restricted account is told so; `false` answers `invalid_credentials` and mails its owner.
    pub tell: bool,
    /// A second counter by client address.
    pub per_address: AddressLockoutPolicy,
}

/// The second counter, by client address; off while `max_failures` is 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AddressLockoutPolicy {
    /// Failures from one address forgiven within the window; 0: off.
    pub max_failures: u32,
    /// How long the address is restricted.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub duration: Duration,
    /// The window in which failures are counted, from the first.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub window: Duration,
}

impl Default for LockoutPolicy {
    fn default() -> Self {
        Self {
            max_failures: 10,
            duration: Duration::from_secs(20 * 60),
            forget_after: Duration::from_secs(24 * 3_600),
            escalate: false,
            known_browser: false,
            notify: false,
            tell: true,
            per_address: AddressLockoutPolicy::default(),
        }
    }
}

impl Default for AddressLockoutPolicy {
    fn default() -> Self {
        Self { max_failures: 0, duration: Duration::from_secs(20 * 60), window: Duration::from_secs(10 * 60) }
    }
}

impl LockoutPolicy {
    /// The rule for accounts and unknown identifiers.
    pub fn account_rule(&self) -> LockoutRule {
        LockoutRule {
            max_failures: self.max_failures,
            duration: self.duration,
            forget: Forget::AfterLast(self.forget_after),
            escalation: if self.escalate { Escalation::Doubling } else { Escalation::Off },
        }
    }

    /// The rule for client addresses, if that counter is on.
    pub fn address_rule(&self) -> Option<LockoutRule> {
        let AddressLockoutPolicy { max_failures, duration, window } = self.per_address;
        let (forget, escalation) = (Forget::AfterFirst(window), Escalation::Off);
        (max_failures > 0).then_some(LockoutRule { max_failures, duration, forget, escalation })
    }
}
