//! The first step of a login: an identifier and a password, charged before they are looked at.

use crate::audit::AuditName;
use crate::client::Client;
use crate::email::Email;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::guess::{Guesser, TestedBy};
use crate::hashing::HashingError;
use crate::lockout::{GuessKind, LockoutSubject};
use crate::login::{IdentifierKind, LoginPolicy, LoginRefusal};
use crate::password::{Password, PasswordHash, Verification};
use crate::random::draw;
use crate::store::{Change, CommitError, UserKey, Write};
use crate::user::{User, UserStatus};
use crate::username::Username;

/// What a person types to log in.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// E-mail address or username.
    pub identifier: String,
    /// The password as typed.
    pub password: Password,
    /// Where the request comes from.
    pub client: Client,
}

/// What an identifier names. One that can't be read, or isn't allowed by policy, names nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Named {
    Email(Email),
    Username(Username),
    Nothing,
}

impl Named {
    pub(super) fn read(identifier: &str, policy: &LoginPolicy) -> Self {
        let allowed = |kind| policy.identifiers.contains(&kind);
        let identifier = identifier.trim();
        let read = match identifier.contains('@') {
            true if allowed(IdentifierKind::Email) => Email::parse(identifier).ok().map(Self::Email),
            false if allowed(IdentifierKind::Username) => Username::parse(identifier).ok().map(Self::Username),
            _ => None,
        };
        read.unwrap_or(Self::Nothing)
    }
}

/// What the password turned out to be.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one is made a login, and moved once")]
pub(super) enum Credentials {
    Right(User),
    Disabled,
    Unverified,
    Wrong,
}

/// Judges one evaluated password. What isn't right for an account that may log in is told to nobody who hasn't
/// given the right password.
fn judge(user: Option<User>, verified: Verification, chose_pending: bool) -> Credentials {
    match (user, verified) {
        (Some(user), Verification::Right) => match user.status {
            UserStatus::Active => Credentials::Right(user),
            UserStatus::Disabled => Credentials::Disabled,
        },
        _ if chose_pending => Credentials::Unverified,
        _ => Credentials::Wrong,
    }
}

impl Engine {
    /// Whose counter a guess is charged to: the account's, however it was named, else the identifier's own.
    pub(super) async fn guesser(&self, named: &Named, typed: &str) -> Result<Guesser, Fault> {
        if let Some(user) = self.account(named).await? {
            return Ok(Guesser::at_account(user.id));
        }
        let fingerprint = |normal: &str| self.keys().fingerprint("identifier", &[normal.as_bytes()]);
        let (digest, shown) = match named {
            // People type passwords into the wrong field: only what can't be one is kept readable.
            Named::Email(email) if email.domain().contains('.') => (fingerprint(email.key()), email.key().to_owned()),
            Named::Email(email) => (fingerprint(email.key()), String::from(fingerprint(email.key()))),
            Named::Username(name) => (fingerprint(name.key()), String::from(fingerprint(name.key()))),
            Named::Nothing => (fingerprint(typed), String::from(fingerprint(typed))),
        };
        let (subject, kind) = (LockoutSubject::Unknown(digest), GuessKind::Password);
        Ok(Guesser { subject, kind, tested_by: TestedBy::SlowHash, user: None, named: Some(shown) })
    }

    async fn account(&self, named: &Named) -> Result<Option<User>, Fault> {
        match named {
            Named::Email(email) => self.directory().user(UserKey::Email(email.key())).await,
            Named::Username(name) => {
                let found = self.directory().user(UserKey::UsernameSkeleton(name.skeleton())).await?;
                // A look-alike shares the skeleton and is not the account.
                Ok(found.filter(|user| user.username.as_ref() == Some(name)))
            }
            Named::Nothing => Ok(None),
        }
    }

    /// Loads what the judgement needs and evaluates exactly one hash, whoever was named.
    pub(super) async fn evaluate(
        &self,
        named: &Named,
        who: &Guesser,
        request: &LoginRequest,
    ) -> Result<Credentials, Failure<LoginRefusal>> {
        let user = self.account(named).await?;
        let pending = match named {
            Named::Email(email) => self.alive_registrations(email).await?.0,
            Named::Username(_) | Named::Nothing => Vec::new(),
        };
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let verified = self.verify(&who.party(&request.client), request.password.clone(), hash).await;
        let verified = verified.map_err(|f| f.map(LoginRefusal::from))?;
        let chose = pending.iter().any(|registration| registration.chose(self.keys(), &request.password));
        Ok(judge(user, verified, chose))
    }

    /// A password of which the hash of a cutting system has compared the beginning alone opens nothing before another is
    /// set: whoever knows more of it than was checked isn't told, and what wasn't checked is never hashed.
    pub(super) async fn demand_where_cut(&self, user: &User, request: &LoginRequest) -> Result<(), Fault> {
        if user.must_change_password || !user.password.as_ref().is_some_and(|hash| hash.cuts(&request.password)) {
            return Ok(());
        }
        for _ in 0..DECISIONS {
            let Some(now) = self.directory().user(UserKey::Id(user.id)).await? else { return Ok(()) };
            // Replaced or demanded meanwhile: the login's next steps find it.
            if now.must_change_password || now.password != user.password {
                return Ok(());
            }
            let event = self.event(AuditName::UserChanged, &request.client)?.of_user(user.id);
            let event = event.with("must_change_password", true).with("why", "only 72 bytes were compared");
            let changed = User { must_change_password: true, ..now };
            match self.directory().commit(&[Change::User(Write::Update(changed)), Change::Audit(event)]).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other)),
            }
        }
        Err(overtaken("demanding another password of user", user.id))
    }

    /// Replaces a hash of lower cost or of another scheme. A change like any other, and not worth a refusal: on any trouble it is dropped.
    pub(super) async fn rehash(&self, user: User, request: &LoginRequest) {
        let policy = self.policy();
        let outdated = |hash: &PasswordHash| hash.is_outdated(&policy.password) && !hash.cuts(&request.password);
        // What another system took and ours doesn't stays with the hash that it made.
        if !user.password.as_ref().is_some_and(outdated) || request.password.prepared().is_none() {
            return;
        }
        let party = Guesser::at_account(user.id).party(&request.client);
        let replaced = async {
            let salt = draw(self.random())?;
            let hashed = self.hashing().hash(&party, request.password.clone(), &policy.password, salt).await;
            let hash = match hashed {
                Ok(hash) => hash,
                Err(HashingError::Busy { .. }) => return Ok(()),
                Err(HashingError::Fault(fault)) => return Err(fault),
            };
            let change = Change::User(Write::Update(User { password: Some(hash), ..user.clone() }));
            match self.directory().commit(&[change]).await {
                Ok(()) | Err(CommitError::Stale) => Ok(()),
                Err(other) => Err(unexpected(other)),
            }
        };
        if let Err(fault) = replaced.await {
            tracing::warn!(user = %user.id, %fault, "a password hash was not replaced");
        }
    }
}
