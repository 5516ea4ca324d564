//! The `[sign_up]` section of the policy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::email::Email;

/// Whether something is asked for at sign-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// It isn't, and giving it is refused.
    Off,
    /// It may be given.
    Optional,
    /// It must be given.
    Required,
}

impl Demand {
    /// The stable name: `off`, `optional` or `required`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// A text field of the host's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldPolicy {
    /// Its name in requests: 1 to 64 of `a`–`z`, `0`–`9`, `_`.
    pub name: String,
    /// What the dialog calls it.
    pub label: String,
    /// Whether it must be given.
    #[serde(default)]
    pub required: bool,
    /// Its longest value, in characters.
    #[serde(default = "FieldPolicy::default_max_length")]
    pub max_length: u32,
}

impl FieldPolicy {
    const fn default_max_length() -> u32 {
        100
    }
}

/// A document to accept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DocumentPolicy {
    /// Its version; empty: nothing is asked.
    pub version: String,
    /// Where it is read.
    pub url: String,
}

impl DocumentPolicy {
    /// Whether it must be accepted.
    pub fn is_asked(&self) -> bool {
        !self.version.is_empty()
    }
}

/// The `[sign_up]` section of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignUpPolicy {
    /// Whether anybody may sign up.
    pub open: bool,
    /// Whether an invitation is asked for.
    pub invitation: Demand,
    /// Whether the address must be proved by mail.
    pub verify_email: bool,
    /// Whether a username is asked for.
    pub username: Demand,
    /// Whether a full name is asked for.
    pub full_name: Demand,
    /// The e-mail domains that may sign up; empty: any.
    pub domains: Vec<String>,
    /// The host's own fields.
    pub fields: Vec<FieldPolicy>,
    /// How long a verification link works.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub verify_link: Duration,
    /// The terms of service.
    pub terms: DocumentPolicy,
    /// The privacy policy.
    pub privacy: DocumentPolicy,
    /// Whether a newer version is asked for at the next login.
    pub ask_again_when_terms_change: bool,
}

impl SignUpPolicy {
    /// Whether accounts may have addresses of this one's domain.
    pub(crate) fn admits_domain(&self, email: &Email) -> bool {
        self.domains.is_empty() || self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(email.domain()))
    }
}

impl Default for SignUpPolicy {
    fn default() -> Self {
        Self {
            open: true,
            invitation: Demand::Off,
            verify_email: true,
            username: Demand::Optional,
            full_name: Demand::Optional,
            domains: Vec::new(),
            fields: Vec::new(),
            verify_link: Duration::from_secs(24 * 3_600),
            terms: DocumentPolicy::default(),
            privacy: DocumentPolicy::default(),
            ask_again_when_terms_change: true,
        }
    }
}
