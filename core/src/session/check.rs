//! What the holder of a session can do with it: be recognised, extend, prove, list, end, log out.

use crate::administration::PAGE;
use crate::audit::AuditName;
use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::guess::{GuessRefusal, Guesser};
use crate::keypair::AccessKey;
use crate::lockout::Verdict;
use crate::password::{Password, Verification};
use crate::session::{EndReason, Session, SessionId, SessionRefusal};
use crate::store::{Change, SessionKey, UserKey, Which};
use crate::token::SessionToken;
use crate::totp::{Consequence, Redeeming, TotpRefusal, TypedCode};
use crate::user::{User, UserId, UserStatus};

type Checked = Result<Session, Failure<SessionRefusal>>;

/// Why a proof of who is there is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofRefusal {
    /// The password is wrong.
    #[error("the password is wrong")]
    InvalidCredentials,
    /// The code isn't accepted.
    #[error(transparent)]
    Code(TotpRefusal),
    /// Nothing is evaluated now.
    #[error(transparent)]
    Guess(GuessRefusal),
    /// The session isn't live any more.
    #[error(transparent)]
    Session(SessionRefusal),
}

impl ProofRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidCredentials => "invalid_credentials",
            Self::Code(refusal) => refusal.code(),
            Self::Guess(refusal) => refusal.code(),
            Self::Session(refusal) => refusal.code(),
        }
    }
}

impl Engine {
    /// The live session of a token: one read of the session store, and now and then a write of its last use. A session
    /// that was logged in with a keypair costs a read of that as well.
    ///
    /// # Errors
    /// [`SessionRefusal`] says why the token isn't accepted (any more).
    pub async fn check(&self, token: &SessionToken) -> Checked {
        let session = self.standing(token).await?;
        let Some(touched) = session.touched(&self.policy().session, self.now()) else { return Ok(session) };
        match self.sessions().save(&touched).await {
            Ok(true) => Ok(saved(touched)),
            // Another request has just written its own time.
            Ok(false) => Ok(session),
            Err(fault) => {
                // Who is logged in stays so while the store can only be read.
                tracing::warn!(session = %session.id, %fault, "the time of last use was not written");
                Ok(session)
            }
        }
    }

    pub(crate) async fn standing(&self, token: &SessionToken) -> Checked {
        let found = self.sessions().find(&SessionKey::of(token)).await?;
        let session = found.ok_or(Failure::Refused(SessionRefusal::Required))?;
        session.standing(&self.policy().session, self.now()).map_err(Failure::Refused)?;
        if let Some(access_key) = &session.keypair {
            self.demand_standing(access_key).await?;
        }
        Ok(session)
    }

    /// A session that was logged in with a keypair works as long as that works.
    async fn demand_standing(&self, access_key: &AccessKey) -> Result<(), Failure<SessionRefusal>> {
        let keypair = self.directory().keypair(access_key).await?;
        let stands = keypair.is_some_and(|keypair| keypair.standing(self.now()).is_ok());
        stands.then_some(()).ok_or(Failure::Refused(SessionRefusal::Ended))
    }

    /// The account of a live session.
    ///
    /// # Errors
    /// [`SessionRefusal::Ended`] if the account is gone or disabled meanwhile.
    pub async fn user_of(&self, session: &Session) -> Result<User, Failure<SessionRefusal>> {
        let user = self.directory().user(UserKey::Id(session.user)).await?;
        // A disabled account's sessions are ended; until that is done they aren't its user's any more.
        user.filter(|user| user.status == UserStatus::Active).ok_or(Failure::Refused(SessionRefusal::Ended))
    }

    /// Starts the session's timer again.
    ///
    /// # Errors
    /// [`SessionRefusal::NotExtendable`] if the policy or the maximum lifetime doesn't allow it.
    pub async fn extend(&self, token: &SessionToken, client: &Client) -> Checked {
        let session = self.change(token, |session| session.extend(&self.policy().session, self.now())).await?;
        let event = self.event(AuditName::SessionExtended, client)?.of_user(session.user);
        self.record([event.with("session", session.id.to_string()).with("expires_at", session.expires_at.to_string())])
            .await?;
        Ok(session)
    }

    /// Applies `decide` to the token's live session until nobody else's write comes first.
    async fn change(
        &self,
        token: &SessionToken,
        decide: impl Fn(Session) -> Result<Session, SessionRefusal>,
    ) -> Checked {
        for _ in 0..DECISIONS {
            let changed = decide(self.standing(token).await?).map_err(Failure::Refused)?;
            if self.sessions().save(&changed).await? {
                return Ok(saved(changed));
            }
        }
        Err(overtaken("changing", "a session").into())
    }

    /// Proves again who is there, by password: sensitive changes ask for it after `session.fresh_proof`.
    ///
    /// # Errors
    /// [`ProofRefusal`]; the guess is charged to the account like any other.
    pub async fn prove(
        &self,
        token: &SessionToken,
        password: Password,
        client: &Client,
    ) -> Result<(), Failure<ProofRefusal>> {
        let session = self.standing(token).await.map_err(|f| f.map(ProofRefusal::Session))?;
        let user = self.prove_password(&session, password, AuditName::SessionProved, client).await?;
        self.record([self.event(AuditName::SessionProved, client)?.of_user(user.id)]).await?;
        let proved_at = self.now();
        let proved = self.change(token, |session| Ok(Session { proved_at, ..session })).await;
        proved.map(drop).map_err(|f| f.map(ProofRefusal::Session))
    }

    /// One charged guess at the password of a session's account. Returns the account whose password it is; a wrong one
    /// is on the trail under `name`.
    pub(crate) async fn prove_password(
        &self,
        session: &Session,
        password: Password,
        name: AuditName,
        client: &Client,
    ) -> Result<User, Failure<ProofRefusal>> {
        let who = Guesser::at_account(session.user);
        let guess = self.charge(&who, client).await.map_err(|f| f.map(ProofRefusal::Guess))?;
        let verified = self.verify_own(session, &who, password, client).await;
        match verified {
            Ok((Verification::Right, Some(user))) => {
                self.settle(guess, Verdict::Withdrawn).await?;
                Ok(user)
            }
            Ok((Verification::Right | Verification::Wrong | Verification::Broken, _)) => {
                self.settle(guess, Verdict::Failed).await?;
                let event = self.event(name, client)?.of_user(session.user);
                self.record([event.refused_by("invalid_credentials")]).await?;
                Err(Failure::Refused(ProofRefusal::InvalidCredentials))
            }
            Err(failure) => {
                self.settle(guess, Verdict::Withdrawn).await?;
                Err(failure.map(ProofRefusal::Guess))
            }
        }
    }

    /// Proves again who is there, by a one-time password or a recovery code.
    ///
    /// # Errors
    /// [`ProofRefusal`]; the guess is charged to the account like any other.
    pub async fn prove_by_code(
        &self,
        token: &SessionToken,
        code: &TypedCode,
        client: &Client,
    ) -> Result<(), Failure<ProofRefusal>> {
        let session = self.standing(token).await.map_err(|f| f.map(ProofRefusal::Session))?;
        let who = Guesser::at_code_of(session.user);
        let guess = self.charge(&who, client).await.map_err(|f| f.map(ProofRefusal::Guess))?;
        let (user, name) = (session.user, AuditName::SessionProved);
        let redeeming = Redeeming { user, code, ticket: None, name, client };
        let proved = self.redeem_code(redeeming, |user| {
            let event = self.event(name, client)?.of_user(user.id);
            Ok((user, Consequence { changes: vec![Change::Audit(event)], ..Consequence::default() }))
        });
        let proved = proved.await;
        self.settle_code(guess, proved).await.map_err(|f| f.map(ProofRefusal::Code))?;
        let proved_at = self.now();
        let proved = self.change(token, |session| Ok(Session { proved_at, ..session })).await;
        proved.map(drop).map_err(|f| f.map(ProofRefusal::Session))
    }

    async fn verify_own(
        &self,
        session: &Session,
        who: &Guesser,
        password: Password,
        client: &Client,
    ) -> Result<(Verification, Option<User>), Failure<GuessRefusal>> {
        let user = self.directory().user(UserKey::Id(session.user)).await?;
        let hash = user.as_ref().and_then(|user| user.password.clone());
        Ok((self.verify(&who.party(client), password, hash).await?, user))
    }

    /// A page of the caller's own live sessions, oldest first: those behind `after`, at most [`PAGE`]; and behind
    /// which one the next page begins, if there is one.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn own_sessions(
        &self,
        session: &Session,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<(Vec<Session>, Option<SessionId>), Fault> {
        let (policy, now) = (self.policy(), self.now());
        let mut live = self.sessions().sessions_of(session.user, now).await?.live;
        live.retain(|session| session.standing(&policy.session, now).is_ok());
        live.retain(|session| after.is_none_or(|after| session.id > after));
        // Ids sort by creation.
        live.sort_by_key(|session| session.id);
        let limit = limit.clamp(1, PAGE);
        let more = live.len() > limit;
        live.truncate(limit);
        let next = live.last().filter(|_| more).map(|session| session.id);
        Ok((live, next))
    }

    /// Logs the session out, at once and everywhere.
    ///
    /// # Errors
    /// [`SessionRefusal`] if it wasn't live any more.
    pub async fn log_out(&self, token: &SessionToken, client: &Client) -> Result<(), Failure<SessionRefusal>> {
        let session = self.standing(token).await?;
        self.end(&session, Which::One(session.id), EndReason::LoggedOut, client).await.map(drop).map_err(Failure::Fault)
    }

    /// Ends one of the caller's own sessions. Its own needs no fresh proof.
    ///
    /// # Errors
    /// [`SessionRefusal::NotFound`] if no live session of that id is the caller's,
    /// [`SessionRefusal::ProofRequired`] without a fresh proof.
    pub async fn end_session(
        &self,
        session: &Session,
        id: SessionId,
        client: &Client,
    ) -> Result<(), Failure<SessionRefusal>> {
        if id == session.id {
            return self
                .end(session, Which::One(id), EndReason::LoggedOut, client)
                .await
                .map(drop)
                .map_err(Failure::Fault);
        }
        self.demand_fresh_proof(session)?;
        let ended = self.end(session, Which::One(id), EndReason::Revoked, client).await?;
        if ended == 0 {
            return Err(Failure::Refused(SessionRefusal::NotFound));
        }
        Ok(())
    }

    /// Ends all of the caller's other sessions; returns how many there were.
    ///
    /// # Errors
    /// [`SessionRefusal::ProofRequired`] without a fresh proof.
    pub async fn end_other_sessions(
        &self,
        session: &Session,
        client: &Client,
    ) -> Result<usize, Failure<SessionRefusal>> {
        self.demand_fresh_proof(session)?;
        self.end(session, Which::AllBut(session.id), EndReason::Revoked, client).await.map_err(Failure::Fault)
    }

    fn demand_fresh_proof(&self, session: &Session) -> Result<(), Failure<SessionRefusal>> {
        self.is_freshly_proved(session).then_some(()).ok_or(Failure::Refused(SessionRefusal::ProofRequired))
    }

    /// Whether the session's owner gave a password or code recently enough for a sensitive change.
    pub(crate) fn is_freshly_proved(&self, session: &Session) -> bool {
        session.is_freshly_proved(&self.policy().session, self.now())
    }

    /// Ends live sessions of the caller's account: on the trail and in the outbox first, so that a crash in between
    /// still ends them.
    async fn end(&self, by: &Session, which: Which, reason: EndReason, client: &Client) -> Result<usize, Fault> {
        let changes = self.announce_endings(by.user, which, reason, client).await?;
        if changes.is_empty() {
            return Ok(0);
        }
        let (count, now) = (changes.len(), self.now());
        let delivery = Delivery::of_ended_sessions(by.user, which, reason, now, self.random())?;
        self.commit_and_carry_out(changes, vec![delivery]).await.map_err(unexpected)?;
        Ok(count)
    }

    /// A line of the trail for each live session that is about to be ended.
    pub(crate) async fn announce_endings(
        &self,
        user: UserId,
        which: Which,
        reason: EndReason,
        client: &Client,
    ) -> Result<Vec<Change>, Fault> {
        let live = self.sessions().sessions_of(user, self.now()).await?.live;
        let ending = live.iter().filter(|session| which.includes(session.id));
        let line = |session: &Session| {
            let event = self.event(AuditName::SessionEnded, client)?.of_user(user);
            let event = event.with("session", session.id.to_string()).with("reason", reason.name());
            Ok(Change::Audit(event))
        };
        ending.map(line).collect()
    }
}

/// A stored session carries the next revision.
fn saved(session: Session) -> Session {
    Session { revision: session.revision.next(), ..session }
}
