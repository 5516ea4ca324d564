//! A user's account, and what was accepted and proved for it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::email::Email;
use crate::email_change::links::{FormerEmail, PendingEmail};
pub use crate::id::UserId;
use crate::known_browser::standing::KnownBrowser;
use crate::password::PasswordHash;
use crate::recovery::link::ResetLink;
pub use crate::revision::Revision;
use crate::time::Timestamp;
use crate::totp::Totp;
use crate::username::Username;

/// An account. A value: flows change copies and commit them on the revision that they read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct User {
    /// Never changes and is never given to another account.
    pub id: UserId,
    /// Counts the commits of this account.
    pub revision: Revision,
    /// The address, as typed and in its unique normal form.
    pub email: Email,
    /// When a mail to the address was last proved to arrive; `None`: never.
    pub email_verified_at: Option<Timestamp>,
    /// The name to log in with, if the account has one.
    pub username: Option<Username>,
    /// How the user wants to be called.
    pub full_name: Option<String>,
    /// The host's own sign-up fields, by name.
    pub fields: BTreeMap<String, String>,
    /// The verifier of the password; `None` for an account without one.
    pub password: Option<PasswordHash>,
    /// When the password was last set.
    pub password_changed_at: Option<Timestamp>,
    /// The account's one-time passwords, once they are set up.
    #[serde(default)]
    pub totp: Option<Totp>,
    /// Whether an administrator demands another password at the next login.
    #[serde(default)]
    pub must_change_password: bool,
    /// The newest link to set another password by mail, while it can be used.
    #[serde(default)]
    pub reset: Option<ResetLink>,
    /// The change of address that was asked for last and isn't confirmed.
    #[serde(default)]
    pub pending_email: Option<Box<PendingEmail>>,
    /// The addresses that can be taken back, oldest first.
    #[serde(default)]
    pub former_emails: Vec<FormerEmail>,
    /// Browsers that have logged in, oldest first: each has its own count of failures.
    #[serde(default)]
    pub known_browsers: Vec<KnownBrowser>,
    /// The newest link to set the first password of an account that an administrator made, while it can be used.
    #[serde(default)]
    pub first_password: Option<ResetLink>,
    /// Whether the account may log in.
    pub status: UserStatus,
    /// What the account may do.
    pub role: Role,
    /// Which documents were accepted, in which version and when.
    pub acceptances: Acceptances,
    /// The language of mails to the user.
    pub locale: Option<String>,
    /// When the account was made.
    pub created_at: Timestamp,
}

impl User {
    /// A new active account that holds nothing but its id, address and role.
    pub fn new(id: UserId, email: Email, role: Role, created_at: Timestamp) -> Self {
        Self {
            id,
            revision: Revision::FIRST,
            email,
            email_verified_at: None,
            username: None,
            full_name: None,
            fields: BTreeMap::new(),
            password: None,
            password_changed_at: None,
            totp: None,
            must_change_password: false,
            reset: None,
            pending_email: None,
            former_emails: Vec::new(),
            known_browsers: Vec::new(),
            first_password: None,
            status: UserStatus::Active,
            role,
            acceptances: Acceptances::default(),
            locale: None,
            created_at,
        }
    }

    /// Whether it may administer now: it has the role and isn't switched off.
    pub fn is_administrator(&self) -> bool {
        self.role.is_admin() && self.status == UserStatus::Active
    }

    /// The account with another password: links and demands of the former one are void, and so is a
    /// change of address that waits.
    ///
    /// `password_changed_at` is never the same twice, or a login with the former password would pass for one with this.
    #[must_use]
    pub(crate) fn with_password(self, password: PasswordHash, now: Timestamp) -> Self {
        let after_former = self.password_changed_at.map(|at| at.after(Duration::from_millis(1)));
        Self {
            password: Some(password),
            password_changed_at: Some(after_former.map_or(now, |earliest| earliest.max(now))),
            must_change_password: false,
            reset: None,
            pending_email: None,
            first_password: None,
            ..self
        }
    }
}

/// Whether an account may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// It may.
    Active,
    /// An administrator switched it off; its sessions are ended.
    Disabled,
}

impl UserStatus {
    /// The stable name: `active` or `disabled`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// What an account may do: `user`, `admin`, or a name of the host's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Role(String);

impl Role {
    const LONGEST: usize = 64;

    /// The role of whoever signs up.
    pub fn user() -> Self {
        Self("user".to_owned())
    }

    /// The role that the administration asks for.
    pub fn admin() -> Self {
        Self("admin".to_owned())
    }

    /// Reads a role: 1 to 64 of `a`–`z`, `0`–`9`, `-`, `_`.
    ///
    /// # Errors
    /// [`InvalidRole`] for anything else.
    pub fn parse(name: &str) -> Result<Self, InvalidRole> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let fits = (1..=Self::LONGEST).contains(&name.len()) && name.bytes().all(allowed);
        fits.then(|| Self(name.to_owned())).ok_or(InvalidRole)
    }

    /// The role's name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether this is the administrators' role.
    pub fn is_admin(&self) -> bool {
        self.0 == "admin"
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.0
    }
}

impl TryFrom<String> for Role {
    type Error = InvalidRole;

    fn try_from(name: String) -> Result<Self, InvalidRole> {
        Self::parse(&name)
    }
}

/// The text can't be a role's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is 1 to 64 of a-z, 0-9, - and _")]
pub struct InvalidRole;

/// What was accepted of the two documents that a policy can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Acceptances {
    /// The terms of service.
    pub terms: Option<Acceptance>,
    /// The privacy policy.
    pub privacy: Option<Acceptance>,
}

/// One document's version, accepted at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The version that was shown.
    pub version: String,
    /// When it was accepted.
    pub at: Timestamp,
}
