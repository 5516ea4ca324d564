//! The `[login]` section of the policy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::session::SessionMode;

/// What an identifier can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// An e-mail address.
    Email,
    /// A username.
    Username,
}

/// The `[login]` section of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoginPolicy {
    /// How one can log in; the dialog shows a selector if both are offered.
    pub modes: Vec<SessionMode>,
    /// What the one login field accepts.
    pub identifiers: Vec<IdentifierKind>,
    /// How long a login may pause between two steps.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub ticket: Duration,
    /// What the dialog's Advanced part shows.
    pub endpoint: EndpointPolicy,
}

/// The API endpoint that the login dialog shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointPolicy {
    /// The endpoint's URL; empty: not shown.
    pub url: String,
    /// Whether it is read-only.
    pub pinned: bool,
}

impl Default for LoginPolicy {
    fn default() -> Self {
        Self {
            modes: vec![SessionMode::Session],
            identifiers: vec![IdentifierKind::Email, IdentifierKind::Username],
            ticket: Duration::from_secs(300),
            endpoint: EndpointPolicy::default(),
        }
    }
}

impl Default for EndpointPolicy {
    fn default() -> Self {
        Self { url: String::new(), pinned: true }
    }
}
