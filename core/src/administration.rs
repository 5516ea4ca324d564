//! What administrators, and whoever runs the machine, do with accounts.
//!
//! Each act names its [`Actor`]. An administrator's role is read from the store when the act is decided and required
//! again when it is committed; no commit leaves a directory without its last administrator.
//!
//! | file | act |
//! |---|---|
//! | `administration.rs` | [`Engine::add_user`], [`users`](Engine::users), [`find_user`](Engine::find_user) |
//! | `creation.rs` | [`Engine::create_user`]: without a password, with a mailed link to set it |
//! | `change.rs` | [`Engine::change_user`], [`set_status`](Engine::set_status), [`demand_password_change`](Engine::demand_password_change) |
//! | `rescue.rs` | [`Engine::unlock`], [`end_sessions`](Engine::end_sessions); [`reset_totp`](Engine::reset_totp) is with the rest of it |
//! | `deletion.rs` | [`Engine::delete_user`] |
//! | `actor.rs` | [`Actor`], [`AdministrationRefusal`], and how an act is committed |

mod actor;
mod change;
mod creation;
mod deletion;
mod rescue;

use crate::audit::AuditName;
use crate::client::Client;
use crate::email::Email;
use crate::engine::{Engine, unexpected};
use crate::error::{Failure, Fault};
use crate::hashing::{HashingError, Party};
use crate::password::{Password, UnmetRule};
use crate::random::draw;
use crate::store::{Change, CommitError, RegistrationKey, UniqueRule, UserKey, UserPage, Write};
use crate::time::seconds_to_wait;
use crate::user::{Role, User, UserId};
use crate::username::Username;

pub(crate) use actor::{Act, unmet};
pub use actor::{Actor, AdministrationRefusal};
pub use change::UserChange;
pub use creation::{FirstPasswordLink, NewAccount};

/// The most that one page of a list may hold.
pub const PAGE: usize = 200;

/// An account to add.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The e-mail address.
    pub email: String,
    /// The username.
    pub username: Option<String>,
    /// Its first password; without one nobody can log in with a password.
    pub password: Option<Password>,
    /// What it may do.
    pub role: Role,
    /// Whether the address counts as proved.
    pub email_verified: bool,
}

/// Why an account isn't added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NewUserRefusal {
    /// The address isn't one.
    #[error("the e-mail address isn't valid: {0}")]
    InvalidEmail(String),
    /// The name can't be a username.
    #[error("the username isn't valid: {0}")]
    InvalidUsername(String),
    /// A text can't be taken as it is.
    #[error("{field} {problem}")]
    InvalidField {
        /// The field, as the form names it.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The address has an account.
    #[error("the e-mail address has an account already")]
    EmailTaken,
    /// The name, or one that looks like it, belongs to somebody.
    #[error("the username is taken")]
    UsernameTaken,
    /// The password breaks these rules.
    #[error("the password doesn't meet every rule: {}", .0.iter().map(UnmetRule::code).collect::<Vec<_>>().join(", "))]
    PasswordTooWeak(Vec<UnmetRule>),
    /// The first-administrator link was used, is too old, or a user exists by now.
    #[error("the link doesn't work any more")]
    LinkInvalid,
    /// Who acts may not make it.
    #[error(transparent)]
    Administration(AdministrationRefusal),
    /// Too many passwords to hash at once.
    #[error("too many requests at once: try again in {} s", seconds_to_wait(*.retry_after))]
    Busy {
        /// When to try again.
        retry_after: std::time::Duration,
    },
}

impl NewUserRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidEmail(_) => "invalid_email",
            Self::InvalidUsername(_) => "invalid_username",
            Self::InvalidField { .. } => "invalid_request",
            Self::EmailTaken => "email_taken",
            Self::UsernameTaken => "username_taken",
            Self::PasswordTooWeak(_) => "password_too_weak",
            Self::LinkInvalid => "link_invalid",
            Self::Administration(refusal) => refusal.code(),
            Self::Busy { .. } => "busy",
        }
    }
}

/// A page of accounts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct UserList {
    /// The accounts, in order of creation.
    pub users: Vec<User>,
    /// After which account the next page begins; `None`: this is the last.
    pub next: Option<UserId>,
}

impl Engine {
    /// Adds an account, for set-up and scripts on the machine itself. Pending registrations of the address lapse.
    ///
    /// # Errors
    /// [`NewUserRefusal`] says what is wrong.
    pub async fn add_user(&self, form: NewUser, client: &Client) -> Result<User, Failure<NewUserRefusal>> {
        let user = self.check_new_user(&form, client).await?;
        let event = self.event(AuditName::UserChanged, client)?.of_user(user.id);
        let event = event.with("added", true).with("role", user.role.name());
        let mut changes = self.make_room(&user).await?;
        changes.extend([Change::User(Write::Create(user.clone())), Change::Audit(event)]);
        match self.directory().commit(&changes).await {
            Ok(()) => Ok(user),
            Err(CommitError::Taken(UniqueRule::Email)) => Err(Failure::Refused(NewUserRefusal::EmailTaken)),
            Err(CommitError::Taken(UniqueRule::Username)) => Err(Failure::Refused(NewUserRefusal::UsernameTaken)),
            Err(other) => Err(unexpected(other).into()),
        }
    }

    /// Reads the form and hashes its password; nothing is stored.
    pub(crate) async fn check_new_user(
        &self,
        form: &NewUser,
        client: &Client,
    ) -> Result<User, Failure<NewUserRefusal>> {
        let refuse = Failure::Refused;
        let email = Email::parse(&form.email).map_err(|e| refuse(NewUserRefusal::InvalidEmail(e.to_string())))?;
        let username = form.username.as_deref().map(Username::parse).transpose();
        let username = username.map_err(|e| refuse(NewUserRefusal::InvalidUsername(e.to_string())))?;
        let now = self.now();
        let mut user = User::new(UserId::generate(now, self.random())?, email, form.role.clone(), now);
        if let Some(password) = &form.password {
            let names: Vec<&str> =
                std::iter::once(user.email.key()).chain(username.as_ref().map(Username::key)).collect();
            let policy = self.policy();
            let unmet = policy.password.unmet(password, &names, self.password_rules());
            if !unmet.is_empty() {
                return Err(refuse(NewUserRefusal::PasswordTooWeak(unmet)));
            }
            let party = Party { account: None, address: client.network() };
            let salt = draw(self.random())?;
            let hashed = self.hashing().hash(&party, password.clone(), &policy.password, salt).await;
            user.password = Some(hashed.map_err(|error| match error {
                HashingError::Busy { retry_after } => refuse(NewUserRefusal::Busy { retry_after }),
                HashingError::Fault(fault) => Failure::Fault(fault),
            })?);
            user.password_changed_at = Some(now);
        }
        user.username = username;
        user.email_verified_at = form.email_verified.then_some(now);
        Ok(user)
    }

    /// Makes room for a new account: registrations of its address lapse, and so does one whose time is over but that
    /// still holds its name.
    pub(crate) async fn make_room(&self, user: &User) -> Result<Vec<Change>, Failure<NewUserRefusal>> {
        let (alive, lapsed) = self.alive_registrations(&user.email).await?;
        let mut changes: Vec<_> = alive.into_iter().map(|r| r.id).chain(lapsed).map(Change::Lapse).collect();
        if let Some(name) = &user.username {
            let held = self.directory().registration(RegistrationKey::UsernameSkeleton(name.skeleton())).await?;
            match held {
                Some(held) if held.expires_at <= self.now() => changes.push(Change::Lapse(held.id)),
                Some(held) if held.email != user.email => return Err(Failure::Refused(NewUserRefusal::UsernameTaken)),
                Some(_) | None => {}
            }
        }
        Ok(changes)
    }

    /// A page of accounts in order of creation, at most [`PAGE`], optionally only those containing a text.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn users(&self, containing: &str, after: Option<UserId>, limit: usize) -> Result<UserList, Fault> {
        let (containing, limit) = (containing.trim().to_lowercase(), limit.min(PAGE));
        let page = UserPage { after, containing: &containing, limit: limit + 1 };
        let mut users = self.directory().users(&page).await?;
        let more = users.len() > limit;
        users.truncate(limit);
        let next = users.last().filter(|_| more).map(|user| user.id);
        Ok(UserList { users, next })
    }

    /// The account with an id.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, Fault> {
        self.directory().user(UserKey::Id(id)).await
    }

    /// The account with an e-mail address or username.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn find_user(&self, identifier: &str) -> Result<Option<User>, Fault> {
        if let Ok(email) = Email::parse(identifier) {
            return self.directory().user(UserKey::Email(email.key())).await;
        }
        let Ok(name) = Username::parse(identifier) else { return Ok(None) };
        let found = self.directory().user(UserKey::UsernameSkeleton(name.skeleton())).await?;
        Ok(found.filter(|user| user.username.as_ref() == Some(&name)))
    }
}
