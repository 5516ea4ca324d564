//! Change of a password: by its owner in a session, and what every flow does that gives an account another one.
//!
//! ```text
//! change ──▶ charge the guess ──▶ current password right? ──▶ rules, all at once ──▶ hash the new one
//!                                                                                        │
//!              the other sessions end ◀── go on under a new token ◀── commit: password ◀─┘
//! ```
//!
//! A session in a cookie goes on under another id and token, so that whoever has a copy of the old token is out, too.
//! After the commit the outbox ends every session but the new one; a crash before that one is opened costs a login.

use std::time::Duration;

use crate::audit::AuditName;
use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::guess::{GuessRefusal, Guesser};
use crate::hashing::HashingError;
use crate::keypair::Keypair;
use crate::mail::PasswordChanged;
use crate::password::{Password, PasswordHash, UnmetRule};
use crate::random::draw;
use crate::session::{EndReason, ProofRefusal, Session, SessionId, SessionRefusal};
use crate::store::{Change, CommitError, OpenError, UserKey, Which, Write};
use crate::token::SessionToken;
use crate::user::{User, UserId, UserStatus};
use crate::username::Username;

/// What a person fills in to change a password.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// The password that is to be replaced.
    pub current: Password,
    /// The one to come.
    pub new: Password,
    /// What becomes of the session that asks.
    pub session: Continuation,
    /// Where the request comes from.
    pub client: Client,
}

/// How the session that changes a password goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuation {
    /// Under another token: whoever has a copy of the old one is out. For cookies.
    WithNewToken,
    /// Under its token, where the reply has no place for another. For programs.
    WithSameToken,
}

/// Why a password isn't changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordChangeRefusal {
    /// The current password is wrong, nothing is evaluated now, or the session isn't live any more.
    #[error(transparent)]
    Proof(ProofRefusal),
    /// The new password breaks these rules.
    #[error("the password doesn't meet every rule")]
    PasswordTooWeak(Vec<UnmetRule>),
}

impl PasswordChangeRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Proof(refusal) => refusal.code(),
            Self::PasswordTooWeak(_) => "password_too_weak",
        }
    }
}

impl From<ProofRefusal> for PasswordChangeRefusal {
    fn from(refusal: ProofRefusal) -> Self {
        Self::Proof(refusal)
    }
}

impl From<SessionRefusal> for PasswordChangeRefusal {
    fn from(refusal: SessionRefusal) -> Self {
        Self::Proof(ProofRefusal::Session(refusal))
    }
}

/// A session about to take the place of the one that changes its password.
struct Renewed {
    session: Session,
    token: SessionToken,
}

impl Engine {
    /// Changes the password of a session's account. Its other sessions have ended when this returns.
    ///
    /// Returns the session's new token, if it asked for one and still stood.
    ///
    /// # Errors
    /// [`ProofRefusal`] for the session and the current password, whose guess is charged like any other;
    /// [`PasswordChangeRefusal::PasswordTooWeak`] names all rules that the new one breaks.
    pub async fn change_password(
        &self,
        token: &SessionToken,
        change: PasswordChange,
    ) -> Result<Option<SessionToken>, Failure<PasswordChangeRefusal>> {
        let PasswordChange { current, new, session: continuation, client } = change;
        let own = self.standing(token).await.map_err(|f| f.map(PasswordChangeRefusal::from))?;
        let proved = self.prove_password(&own, current.clone(), AuditName::PasswordChanged, &client).await;
        let proved = proved.map_err(|f| f.map(PasswordChangeRefusal::from))?;
        let mut unmet = self.unmet_rules(&proved, &new);
        unmet.extend(new.equals(&current).then_some(UnmetRule::SameAsOld));
        if !unmet.is_empty() {
            return Err(Failure::Refused(PasswordChangeRefusal::PasswordTooWeak(unmet)));
        }
        let hash = self.hash_new(own.user, new, &client).await.map_err(|f| f.map(busy))?;
        let renewed = match continuation {
            Continuation::WithNewToken => Some(self.renew(&own)?),
            Continuation::WithSameToken => None,
        };
        let stays = renewed.as_ref().map_or(own.id, |renewed| renewed.session.id);
        let promised = self.store_changed(&own, &proved, hash, stays, &client).await?;
        let continued = match renewed {
            Some(renewed) => self.go_on(&own, renewed).await,
            None => Ok(None),
        };
        self.keep(promised).await?;
        Ok(continued?)
    }

    async fn store_changed(
        &self,
        own: &Session,
        proved: &User,
        hash: PasswordHash,
        stays: SessionId,
        client: &Client,
    ) -> Result<Vec<Delivery>, Failure<PasswordChangeRefusal>> {
        const WRONG: PasswordChangeRefusal = PasswordChangeRefusal::Proof(ProofRefusal::InvalidCredentials);
        for _ in 0..DECISIONS {
            let user = self.directory().user(UserKey::Id(own.user)).await?;
            // Replaced or disabled meanwhile: what was proved opens nothing any more.
            let user = user.filter(|user| user.status == UserStatus::Active);
            let user = user.filter(|user| user.password_changed_at == proved.password_changed_at);
            let user = user.ok_or(Failure::Refused(WRONG))?.with_password(hash.clone(), self.now());
            let changed = Replaced { name: AuditName::PasswordChanged, ending: Which::AllBut(stays) };
            let keypairs = self.all_keypairs(user.id).await?;
            let (mut changes, deliveries) = self.replace_password(user, &changed, &keypairs, client).await?;
            if stays != own.id {
                let event = self.event(AuditName::SessionOpened, client)?.of_user(own.user);
                let event = event.with("session", stays.to_string()).with("in_place_of", own.id.to_string());
                changes.push(Change::Audit(event.with("expires_at", own.expires_at.to_string())));
            }
            match self.promise(changes, deliveries).await {
                Ok(promised) => return Ok(promised),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("changing the password of user", own.user).into())
    }

    fn renew(&self, own: &Session) -> Result<Renewed, Fault> {
        let (now, token) = (self.now(), SessionToken::generate(*own.user.as_bytes(), self.random())?);
        let session = own.renewed(SessionId::generate(now, self.random())?, &token, now);
        Ok(Renewed { session, token })
    }

    /// Opens the session that goes on, unless the one it replaces was ended meanwhile: that one stays ended.
    async fn go_on(&self, own: &Session, renewed: Renewed) -> Result<Option<SessionToken>, Fault> {
        for _ in 0..DECISIONS {
            let set = self.sessions().sessions_of(own.user, self.now()).await?;
            if !set.live.iter().any(|live| live.id == own.id) {
                return Ok(None);
            }
            match self.sessions().open(&renewed.session, set.version, &[], self.now()).await {
                Ok(()) => return Ok(Some(renewed.token)),
                Err(OpenError::Stale) => {}
                Err(OpenError::Fault(fault)) => return Err(fault),
            }
        }
        Err(overtaken("renewing a session of user", own.user))
    }
}

fn busy(retry_after: Duration) -> PasswordChangeRefusal {
    PasswordChangeRefusal::Proof(ProofRefusal::Guess(GuessRefusal::Busy { retry_after }))
}

/// How an account came to another password, and which of its sessions end by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replaced {
    pub(crate) name: AuditName,
    pub(crate) ending: Which,
}

impl Engine {
    /// All rules that `password` breaks as the next one of an account.
    pub(crate) fn unmet_rules(&self, user: &User, password: &Password) -> Vec<UnmetRule> {
        let names: Vec<&str> =
            std::iter::once(user.email.key()).chain(user.username.as_ref().map(Username::key)).collect();
        self.policy().password.unmet(password, &names, self.password_rules())
    }

    /// Hashes an account's next password on the pool; a refusal says when the queue has room.
    pub(crate) async fn hash_new(
        &self,
        user: UserId,
        password: Password,
        client: &Client,
    ) -> Result<PasswordHash, Failure<Duration>> {
        let party = Guesser::at_account(user).party(client);
        let (policy, salt) = (self.policy(), draw(self.random())?);
        self.hashing().hash(&party, password, &policy.password, salt).await.map_err(|error| match error {
            HashingError::Busy { retry_after } => Failure::Refused(retry_after),
            HashingError::Fault(fault) => Failure::Fault(fault),
        })
    }

    /// What is committed with an account that has another password: its sessions end, its tickets are void, its owner
    /// is told, and of the keypairs that go on working. The notice isn't counted with the mails that strangers ask for, or
    /// they could silence it.
    pub(crate) async fn replace_password(
        &self,
        user: User,
        replaced: &Replaced,
        keypairs: &[Keypair],
        client: &Client,
    ) -> Result<(Vec<Change>, Vec<Delivery>), Fault> {
        let (now, id) = (self.now(), user.id);
        let (reason, random) = (EndReason::PasswordChanged, self.random());
        let mut changes = vec![Change::Audit(self.event(replaced.name, client)?.of_user(id))];
        changes.extend(self.announce_endings(id, replaced.ending, reason, client).await?);
        let mut deliveries = vec![
            Delivery::of_ended_sessions(id, replaced.ending, reason, now, random)?,
            Delivery::of_void_tickets(id, now, random)?,
        ];
        deliveries.extend(self.mail_to_owner(&user, &PasswordChanged::of(keypairs, client, now))?);
        changes.push(Change::User(Write::Update(user)));
        Ok((changes, deliveries))
    }
}
