//! A user as JSON.

use std::collections::BTreeMap;

use doorwarden_core::user::User;
use serde::Serialize;
use utoipa::ToSchema;

/// A user's account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserBody {
    /// Never changes.
    id: String,
    /// The address as typed.
    email: String,
    /// The username as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// How the user wants to be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<String>,
    /// The host's own fields, by name.
    fields: BTreeMap<String, String>,
    /// What the account may do.
    role: String,
    /// `active` or `disabled`.
    status: &'static str,
    /// Whether a mail to the address was proved to arrive.
    email_verified: bool,
    /// When the account was made (RFC 3339).
    created_at: String,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.typed().to_owned(),
            username: user.username.map(|name| name.typed().to_owned()),
            full_name: user.full_name,
            fields: user.fields,
            role: user.role.name().to_owned(),
            status: user.status.name(),
            email_verified: user.email_verified_at.is_some(),
            created_at: user.created_at.to_string(),
        }
    }
}
