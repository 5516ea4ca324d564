//! Import: accounts of another system, with the hashes of their passwords, one commit each.
//!
//! ```text
//! read ──▶ check, by the rules of a sign-up ──▶ marked already? ──▶ commit: marker, user, event
//! ```
//!
//! The marker is a keyed digest of all that was given for the account. It makes an import safe to run again, whatever
//! became of the account meanwhile: one that has another address, or was deleted, doesn't come back.

use std::collections::BTreeMap;
use std::fmt;

use crate::audit::AuditName;
use crate::client::Client;
use crate::email::Email;
use crate::engine::{Engine, unexpected};
use crate::error::{Failure, Fault};
use crate::password::{HashRefusal, PasswordHash};
use crate::policy::Policy;
use crate::seal::SealKeys;
use crate::sign_up::{Demand, FULL_NAME_CHARACTERS, SignUpRefusal, check_domain, demanded, text};
use crate::store::{Change, CommitError, Marker, UniqueRule, UserKey, Write};
use crate::time::Timestamp;
use crate::user::{Role, User, UserId, UserStatus};
use crate::username::Username;

/// An account as another system had it. What is left out has its default.
#[derive(Debug, Clone)]
pub struct ImportedUser {
    /// The e-mail address.
    pub email: String,
    /// The name to log in with.
    pub username: Option<String>,
    /// How the user wants to be called.
    pub full_name: Option<String>,
    /// What it may do; `user` if left out.
    pub role: Option<String>,
    /// Whether the other system had proved the address.
    pub email_verified: bool,
    /// The hash of the password; without one nobody can log in with a password before a reset by mail.
    pub password_hash: Option<ForeignHash>,
    /// Whether the account may not log in.
    pub disabled: bool,
    /// Whether the next login asks for another password.
    pub must_change_password: bool,
    /// The host's own fields, by name.
    pub fields: BTreeMap<String, String>,
    /// When the other system made the account.
    pub created_at: Option<Timestamp>,
}

impl ImportedUser {
    /// An account with an address that counts as proved, and nothing else.
    pub fn new(email: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            username: None,
            full_name: None,
            role: None,
            email_verified: true,
            password_hash: None,
            disabled: false,
            must_change_password: false,
            fields: BTreeMap::new(),
            created_at: None,
        }
    }

    /// The marker's name: the same for the same account of the same source, and no way to test what was in it.
    fn marker(&self, keys: &SealKeys) -> String {
        let hash = self.password_hash.as_ref().map(|hash| (&hash.encoded, hash.cut_at_72));
        let given = serde_json::json!([
            self.email,
            self.username,
            self.full_name,
            self.role,
            self.email_verified,
            hash,
            self.disabled,
            self.must_change_password,
            self.fields,
            self.created_at.map(Timestamp::as_millis),
        ]);
        format!("imported:{}", String::from(keys.fingerprint("imported user", &[given.to_string().as_bytes()])))
    }
}

/// A hash that another system made, as it wrote it. It doesn't print.
#[derive(Clone)]
pub struct ForeignHash {
    encoded: String,
    cut_at_72: bool,
}

impl ForeignHash {
    /// The hash; `cut_at_72` if that system cut passwords to 72 bytes before bcrypt.
    pub const fn new(encoded: String, cut_at_72: bool) -> Self {
        Self { encoded, cut_at_72 }
    }

    fn read(&self) -> Result<PasswordHash, HashRefusal> {
        let hash = PasswordHash::imported(&self.encoded)?;
        Ok(if self.cut_at_72 { hash.cut_at_72() } else { hash })
    }
}

impl fmt::Debug for ForeignHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignHash(…)")
    }
}

/// Why an account isn't imported: the field and the reason. It never holds the hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct ImportRefusal {
    field: String,
    code: &'static str,
    reason: String,
}

impl ImportRefusal {
    fn new(field: impl Into<String>, code: &'static str, reason: impl Into<String>) -> Self {
        Self { field: field.into(), code, reason: reason.into() }
    }

    /// What of the account is wrong.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    fn taken(rule: UniqueRule) -> Option<Self> {
        match rule {
            UniqueRule::Email => Some(Self::new("email", "email_taken", "has another account already")),
            UniqueRule::Username => {
                let reason = "or one that looks like it belongs to another account, or to a sign-up that waits";
                Some(Self::new("username", "username_taken", reason))
            }
            UniqueRule::AccessKey | UniqueRule::Marker => None,
        }
    }
}

impl From<SignUpRefusal> for ImportRefusal {
    fn from(refusal: SignUpRefusal) -> Self {
        let code = refusal.code();
        match refusal {
            SignUpRefusal::FieldInvalid { field, problem } => Self::new(field, code, problem),
            SignUpRefusal::Refused(_) => Self::new("email", code, "is of a domain that sign_up.domains doesn't list"),
            other => Self::new("email", code, other.to_string()),
        }
    }
}

/// What became of an account to import.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Imported {
    /// It is there now, or would be if this was only a check.
    New(Box<User>),
    /// The same was imported before, and nothing was done: whatever became of the account since, stands.
    AlreadyThere,
}

impl Engine {
    /// Imports one account. The same once more is [`Imported::AlreadyThere`], from any process.
    ///
    /// # Errors
    /// [`ImportRefusal`] names the field and what is wrong with it, or who holds the address or the name.
    pub async fn import_user(&self, form: &ImportedUser, client: &Client) -> Result<Imported, Failure<ImportRefusal>> {
        let Some((user, marker)) = self.draft_import(form).await? else { return Ok(Imported::AlreadyThere) };
        let event = self.event(AuditName::UserImported, client)?.of_user(user.id).with("role", user.role.name());
        let event = event.with("password", user.password.is_some()).with("status", user.status.name());
        // First, so that of two runs at once the later one is told that it's there, not that its address is taken.
        let mut changes = vec![Change::Mark(Marker { name: marker.into(), value: user.id.to_string() })];
        match self.make_room(&user).await {
            Ok(room) => changes.extend(room),
            Err(Failure::Refused(_)) => return Err(refused(UniqueRule::Username)),
            Err(Failure::Fault(fault)) => return Err(fault.into()),
        }
        changes.extend([Change::User(Write::Create(user.clone())), Change::Audit(event)]);
        match self.directory().commit(&changes).await {
            Ok(()) => Ok(Imported::New(Box::new(user))),
            Err(CommitError::Taken(UniqueRule::Marker)) => Ok(Imported::AlreadyThere),
            Err(CommitError::Taken(rule @ (UniqueRule::Email | UniqueRule::Username))) => Err(refused(rule)),
            Err(other) => Err(unexpected(other).into()),
        }
    }

    /// What [`import_user`](Self::import_user) would answer now; nothing is changed.
    ///
    /// # Errors
    /// As [`import_user`](Self::import_user).
    pub async fn check_import(&self, form: &ImportedUser) -> Result<Imported, Failure<ImportRefusal>> {
        let Some((user, _)) = self.draft_import(form).await? else { return Ok(Imported::AlreadyThere) };
        if self.directory().user(UserKey::Email(user.email.key())).await?.is_some() {
            return Err(refused(UniqueRule::Email));
        }
        if let Some(name) = &user.username
            && self.directory().user(UserKey::UsernameSkeleton(name.skeleton())).await?.is_some()
        {
            return Err(refused(UniqueRule::Username));
        }
        match self.make_room(&user).await {
            Ok(_) => Ok(Imported::New(Box::new(user))),
            Err(Failure::Refused(_)) => Err(refused(UniqueRule::Username)),
            Err(Failure::Fault(fault)) => Err(fault.into()),
        }
    }

    /// The account and its marker; `None` if the marker stands.
    async fn draft_import(&self, form: &ImportedUser) -> Result<Option<(User, String)>, Failure<ImportRefusal>> {
        let now = self.now();
        let marker = form.marker(self.keys());
        // Before the rules, which may have changed since the account was imported by the former ones.
        if self.directory().marker(&marker).await?.is_some() {
            return Ok(None);
        }
        let id = UserId::generate(now, self.random())?;
        let user = draft(form, id, &self.policy(), now).map_err(Failure::Refused)?;
        Ok(Some((user, marker)))
    }
}

fn refused(rule: UniqueRule) -> Failure<ImportRefusal> {
    ImportRefusal::taken(rule).map_or_else(
        || Failure::Fault(Fault::lasting("importing", "an account", format!("{} is taken", rule.name()))),
        Failure::Refused,
    )
}

/// The account that a form becomes, by the rules of a sign-up; but what is missing isn't asked for.
fn draft(form: &ImportedUser, id: UserId, policy: &Policy, now: Timestamp) -> Result<User, ImportRefusal> {
    let asked = &policy.sign_up;
    let email = Email::parse(&form.email)
        .map_err(|why| ImportRefusal::new("email", "invalid_email", format!("isn't valid: {why}")))?;
    check_domain(&email, asked)?;
    let username = demanded(Demand::Optional, "username", form.username.as_deref())?.map(Username::parse).transpose();
    let username =
        username.map_err(|why| ImportRefusal::new("username", "invalid_username", format!("isn't valid: {why}")))?;
    let full_name = demanded(Demand::Optional, "full_name", form.full_name.as_deref())?
        .map(|name| text("full_name", name, FULL_NAME_CHARACTERS))
        .transpose()?;
    let role = form.role.as_deref().map(Role::parse).transpose();
    let role = role.map_err(|_| ImportRefusal::new("role", "invalid_request", "isn't 1 to 64 of a-z, 0-9, - and _"))?;
    let mut fields = BTreeMap::new();
    for (name, value) in &form.fields {
        let shown = format!("fields.{}", name.chars().take(64).collect::<String>());
        let Some(field) = asked.fields.iter().find(|field| field.name == *name) else {
            return Err(ImportRefusal::new(shown, "invalid_request", "isn't a field of sign_up.fields"));
        };
        if let Some(value) = demanded(Demand::Optional, &shown, Some(value))? {
            let longest = usize::try_from(field.max_length).unwrap_or(usize::MAX);
            fields.insert(name.clone(), text(&shown, value, longest)?);
        }
    }
    let created_at = form.created_at.unwrap_or(now);
    if created_at > now || created_at.as_millis() < 0 {
        return Err(ImportRefusal::new("created_at", "invalid_request", "isn't between 1970 and now"));
    }
    let password = form.password_hash.as_ref().map(ForeignHash::read).transpose();
    let password =
        password.map_err(|why| ImportRefusal::new("password_hash", why.code(), format!("isn't taken: {why}")))?;
    let status = if form.disabled { UserStatus::Disabled } else { UserStatus::Active };
    Ok(User {
        email_verified_at: form.email_verified.then_some(now),
        username,
        full_name,
        fields,
        password_changed_at: password.is_some().then_some(now),
        password,
        must_change_password: form.must_change_password,
        status,
        ..User::new(id, email, role.unwrap_or_else(Role::user), created_at)
    })
}
