//! The first step of a login: an identifier and a password, charged before they are looked at.

use crate::audit::AuditName;
use crate::client::Client;
use crate::email::Email;
use crate::engine::{Engine, unexpected};
use crate::error::{Failure, Fault};
use crate::guess::{GuessRefusal, Guesser};
use crate::hashing::{HashingError, Party};
use crate::lockout::{LockoutSubject, Verdict};
use crate::login::{IdentifierKind, LoginPolicy, LoginProgress, LoginRefusal, LoginStep};
use crate::password::{Password, PasswordHash, Verification};
use crate::random::draw;
use crate::registration::PendingRegistration;
use crate::session::SessionMode;
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
enum Named {
    Email(Email),
    Username(Username),
    Nothing,
}

impl Named {
    fn read(identifier: &str, policy: &LoginPolicy) -> Self {
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
enum Credentials {
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
    /// Logs in with an e-mail address or username and a password.
    ///
    /// The guess is charged to the account's counter before its hash is computed, and an identifier without account
    /// costs the same evaluation.
    ///
    /// # Errors
    /// [`LoginRefusal::InvalidCredentials`], [`LockedOut`](LoginRefusal::LockedOut),
    /// [`EmailUnverified`](LoginRefusal::EmailUnverified), [`AccountDisabled`](LoginRefusal::AccountDisabled),
    /// [`SessionLimit`](LoginRefusal::SessionLimit), [`ModeDisabled`](LoginRefusal::ModeDisabled) or
    /// [`Busy`](LoginRefusal::Busy).
    pub async fn login(&self, request: LoginRequest) -> Result<LoginStep, Failure<LoginRefusal>> {
        let policy = self.policy();
        if !policy.login.modes.contains(&SessionMode::Session) {
            return Err(Failure::Refused(LoginRefusal::ModeDisabled));
        }
        let named = Named::read(&request.identifier, &policy.login);
        let who = self.guesser(&named, &request.identifier).await?;
        let guess = self.charge(&who, &request.client).await.map_err(|f| f.map(LoginRefusal::from))?;
        let credentials = match self.evaluate(&named, &who, &request).await {
            Ok(credentials) => credentials,
            Err(failure) => {
                self.settle(guess, Verdict::Withdrawn).await?;
                return Err(failure);
            }
        };
        let (refusal, verdict) = match credentials {
            Credentials::Right(user) => {
                let progress = LoginProgress {
                    user: user.id,
                    mode: SessionMode::Session,
                    client: request.client.clone(),
                    password_at: self.now(),
                    awaits: None,
                };
                self.rehash(user, &request).await;
                return self.advance(progress, None, Some(guess)).await;
            }
            Credentials::Disabled => (LoginRefusal::AccountDisabled, Verdict::Withdrawn),
            // Counted, or whoever signs up a taken address could test its true password for nothing.
            Credentials::Unverified => (LoginRefusal::EmailUnverified, Verdict::Failed),
            Credentials::Wrong => (LoginRefusal::InvalidCredentials, Verdict::Failed),
        };
        let settled = self.settle(guess, verdict).await?;
        let event = who.sign(self.event(AuditName::LoginFailed, &request.client)?).refused_by(refusal.code());
        let mut events = vec![event.with("failures_before", settled.failures_before)];
        if let Some(until) = settled.restricted_until {
            let event = who.sign(self.event(AuditName::LoginRestricted, &request.client)?);
            events.push(event.refused_by("lockout.max_failures").with("until", until.to_string()));
        }
        self.record(events).await?;
        Err(Failure::Refused(refusal))
    }

    /// Whose counter a guess is charged to: the account's, however it was named, else the identifier's own.
    async fn guesser(&self, named: &Named, typed: &str) -> Result<Guesser, Fault> {
        if let Some(user) = self.account(named).await? {
            return Ok(Guesser::at_account(user.id));
        }
        let fingerprint = |normal: &str| self.keys().fingerprint("identifier", &[normal.as_bytes()]);
        let (digest, shown) = match named {
            Named::Email(email) => (fingerprint(email.key()), email.key().to_owned()),
            Named::Username(name) => (fingerprint(name.key()), String::from(fingerprint(name.key()))),
            // People type passwords into the wrong field: what names nothing is never kept readable.
            Named::Nothing => (fingerprint(typed), String::from(fingerprint(typed))),
        };
        Ok(Guesser { subject: LockoutSubject::Unknown(digest), user: None, named: Some(shown) })
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
    async fn evaluate(
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

    /// One evaluation: of the account's hash, else of one that nothing matches.
    pub(crate) async fn verify(
        &self,
        party: &Party,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Verification, Failure<GuessRefusal>> {
        let dummy = PasswordHash::dummy(self.policy().password.bcrypt_cost);
        let verified = self.evaluate_one(party, password.clone(), hash.unwrap_or_else(|| dummy.clone())).await?;
        if verified == Verification::Broken {
            tracing::error!("a stored password hash can't be read; its login is refused");
            return self.evaluate_one(party, password, dummy).await;
        }
        Ok(verified)
    }

    async fn evaluate_one(
        &self,
        party: &Party,
        password: Password,
        hash: PasswordHash,
    ) -> Result<Verification, Failure<GuessRefusal>> {
        self.hashing().verify(party, password, hash).await.map_err(|error| match error {
            HashingError::Busy { retry_after } => Failure::Refused(GuessRefusal::Busy { retry_after }),
            HashingError::Fault(fault) => Failure::Fault(fault),
        })
    }

    /// Replaces a hash of lower cost. A change like any other, and not worth a refusal: on any trouble it is dropped.
    async fn rehash(&self, user: User, request: &LoginRequest) {
        let policy = self.policy();
        if !user.password.as_ref().is_some_and(|hash| hash.is_outdated(&policy.password)) {
            return;
        }
        let party = Guesser::at_account(user.id).party(&request.client);
        let replaced = async {
            let salt = draw(self.random())?;
            let hashed = self.hashing().hash(&party, request.password.clone(), policy.password.bcrypt_cost, salt).await;
            let Ok(hash) = hashed else { return Ok(()) };
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

    /// The pending registrations of an address that are alive, newest first, and the ids of those that aren't.
    pub(crate) async fn alive_registrations(
        &self,
        email: &Email,
    ) -> Result<(Vec<PendingRegistration>, Vec<crate::registration::RegistrationId>), Fault> {
        const READ: usize = PendingRegistration::ALIVE_PER_ADDRESS * 8;
        let newest_first = self.directory().registrations_of(email.key(), READ).await?;
        Ok(PendingRegistration::alive(newest_first, self.now()))
    }
}
