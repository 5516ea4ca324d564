//! Login: from a typed identifier and password to a session, or to the next thing that is asked for.
//!
//! ```text
//! Credentials ──▶ charge the guess ──▶ evaluate one hash ──▶ judge ──▶ refused: the guess has failed
//!                                                             │
//!            in this order, each only where the policy        ▼
//!            of the moment asks for it                      next ──▶ TermsRequired   (login/terms.rs)
//!                                                             │  ──▶ SessionConflict (login/conflict.rs)
//!                                                             ▼
//!                                           commit ──▶ open the session ──▶ LoggedIn: the count is cleared
//! ```
//!
//! Each step that waits for the user is handed out as a single-use ticket; whoever comes back with it passes through
//! `next` again, so every rule is looked at anew and no earlier answer is remembered outside the ticket.

mod conflict;
mod credentials;
mod policy;
mod terms;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::conflict::TakeOver;
pub use self::credentials::LoginRequest;
pub use self::policy::{EndpointPolicy, IdentifierKind, LoginPolicy};
use crate::audit::{AuditEvent, AuditName};
use crate::client::Client;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::guess::{Guess, GuessRefusal};
use crate::lockout::Verdict;
use crate::policy::Policy;
use crate::session::{OnConflict, Opening, Session, SessionId, SessionMode};
use crate::sign_up::DocumentPolicy;
use crate::store::{Change, OpenError, UserKey};
use crate::ticket::{Grant, Ticket, TicketKey};
use crate::time::{Timestamp, seconds_to_wait};
use crate::token::{SessionToken, TicketToken};
use crate::user::{User, UserId, UserStatus};

/// Where a login stands after a step.
#[derive(Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "one is made a login, and moved once")]
pub enum LoginStep {
    /// It is complete.
    LoggedIn(LoggedIn),
    /// The documents in force must be accepted first: [`Engine::accept_terms`].
    TermsRequired {
        /// Proves how far the login has come.
        ticket: TicketToken,
        /// The terms of service in force.
        terms: DocumentPolicy,
        /// The privacy policy in force.
        privacy: DocumentPolicy,
    },
    /// The account is logged in elsewhere: [`Engine::take_over`] ends those sessions or leaves them.
    SessionConflict {
        /// Proves how far the login has come.
        ticket: TicketToken,
        /// The live sessions, oldest first.
        sessions: Vec<Session>,
    },
    /// The user cancelled; nothing was changed.
    Cancelled,
}

/// A complete login.
#[derive(Debug)]
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// The session that was opened.
    pub session: Session,
    /// Its token; it is nowhere else.
    pub token: SessionToken,
}

/// Why a login, or a step of it, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginRefusal {
    /// Unknown user, wrong password, disabled or unverified with a wrong password: one answer, in the same time.
    #[error("the identifier or the password is wrong")]
    InvalidCredentials,
    /// Too many failures; even the right password isn't looked at.
    #[error("too many failed logins: try again in {} s", seconds_to_wait(*.retry_after))]
    LockedOut {
        /// Until the restriction ends.
        retry_after: Duration,
    },
    /// The password is right, but the address isn't proved yet: open the link in the mail.
    #[error("the e-mail address isn't verified yet: open the link in the mail")]
    EmailUnverified,
    /// The password is right, but an administrator switched the account off.
    #[error("the account is disabled: contact your administrator")]
    AccountDisabled,
    /// Too many logins at once; says nothing about the account.
    #[error("too many logins at once: try again in {} s", seconds_to_wait(*.retry_after))]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The ticket is unknown, used, expired, or for another step: start the login again.
    #[error("the login took too long or was continued elsewhere: start again")]
    TicketInvalid,
    /// The documents must be accepted in the version in force.
    #[error("the terms and the privacy policy must be accepted in their current version")]
    TermsNotAccepted,
    /// The account is logged in elsewhere as often as it may be.
    #[error("the account has reached its number of sessions: log out elsewhere first")]
    SessionLimit,
    /// This way to log in isn't offered.
    #[error("this connection mode isn't offered")]
    ModeDisabled,
}

impl LoginRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidCredentials => "invalid_credentials",
            Self::LockedOut { .. } => "locked_out",
            Self::EmailUnverified => "email_unverified",
            Self::AccountDisabled => "account_disabled",
            Self::Busy { .. } => "busy",
            Self::TicketInvalid => "ticket_invalid",
            Self::TermsNotAccepted => "terms_not_accepted",
            Self::SessionLimit => "session_limit",
            Self::ModeDisabled => "mode_disabled",
        }
    }
}

impl From<GuessRefusal> for LoginRefusal {
    fn from(refusal: GuessRefusal) -> Self {
        match refusal {
            GuessRefusal::LockedOut { retry_after } => Self::LockedOut { retry_after },
            GuessRefusal::Busy { retry_after } => Self::Busy { retry_after },
        }
    }
}

/// What has been proved of a login that isn't complete: the content of its ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LoginProgress {
    /// Who logs in.
    pub user: UserId,
    /// How.
    pub mode: SessionMode,
    /// From where.
    pub client: Client,
    /// When the password was right.
    pub password_at: Timestamp,
    /// The step that its ticket is for.
    pub awaits: Option<Awaited>,
}

/// The step that a ticket is for; it works for no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Awaited {
    /// Accepting the documents.
    Terms,
    /// Ending these sessions or leaving them.
    Conflict(Vec<SessionId>),
}

/// What comes next in a login.
#[derive(Debug, PartialEq)]
enum Next {
    Refuse(LoginRefusal, &'static str),
    AskTerms,
    AskConflict(Vec<Session>),
    Open { ending: Vec<SessionId> },
}

/// Decides what comes next for a proved password, by the policy of the moment. `live` are the account's live
/// sessions of the login's mode; `agreed` are those that the user has just agreed to end.
fn next(
    progress: &LoginProgress,
    user: &User,
    live: &[Session],
    agreed: Option<&[SessionId]>,
    policy: &Policy,
) -> Next {
    if user.status == UserStatus::Disabled {
        return Next::Refuse(LoginRefusal::AccountDisabled, "user.status");
    }
    if user.password_changed_at.is_some_and(|at| progress.password_at < at) {
        return Next::Refuse(LoginRefusal::TicketInvalid, "password_changed");
    }
    if terms::are_due(user, policy) {
        return Next::AskTerms;
    }
    let limit = usize::try_from(policy.session.max_concurrent).unwrap_or(usize::MAX);
    let over = (live.len() + 1).saturating_sub(limit);
    if let Some(agreed) = agreed.filter(|agreed| live.iter().all(|session| agreed.contains(&session.id))) {
        return Next::Open { ending: agreed.to_vec() };
    }
    match policy.session.on_conflict {
        OnConflict::Allow => Next::Open { ending: Vec::new() },
        _ if over == 0 => Next::Open { ending: Vec::new() },
        OnConflict::Ask => Next::AskConflict(live.to_vec()),
        OnConflict::Refuse => Next::Refuse(LoginRefusal::SessionLimit, "session.on_conflict"),
        OnConflict::EndOldest => Next::Open { ending: live.iter().take(over).map(|session| session.id).collect() },
    }
}

/// A session that is on the trail and about to be opened.
struct Prepared {
    session: Session,
    token: SessionToken,
    announced_endings: Vec<SessionId>,
}

impl Engine {
    /// Takes a login with a right password as far as it goes, and settles the guess that proved it.
    ///
    /// Only a complete login clears the count: else a code could be guessed at without end behind a right password.
    async fn advance(
        &self,
        progress: LoginProgress,
        agreed: Option<&[SessionId]>,
        guess: Option<Guess>,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        let user = progress.user;
        let step = self.take_next_step(progress, agreed).await;
        let complete = matches!(step, Ok(LoginStep::LoggedIn(_)));
        let settled = match guess {
            Some(guess) if complete => self.settle(guess, Verdict::Completed).await.map(drop),
            Some(guess) => self.settle(guess, Verdict::Withdrawn).await.map(drop),
            None if complete => self.clear_count(user).await,
            None => Ok(()),
        };
        if let Err(fault) = settled {
            // The session is open or the refusal is decided; an unsettled guess costs one failure at most.
            tracing::warn!(%user, %fault, "a guess was left unsettled");
        }
        step
    }

    /// Load, decide, commit: until no other login of the account comes in between.
    async fn take_next_step(
        &self,
        progress: LoginProgress,
        agreed: Option<&[SessionId]>,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        let mut prepared = None;
        for _ in 0..DECISIONS {
            let (policy, now) = (self.policy(), self.now());
            // The set is read before the account: a change of the account ends sessions, and so makes the set stale.
            let set = self.sessions().sessions_of(progress.user, now).await?;
            let user = self.directory().user(UserKey::Id(progress.user)).await?;
            let user = user.ok_or(Failure::Refused(LoginRefusal::InvalidCredentials))?;
            let mut live = set.live;
            live.retain(|s| s.mode == progress.mode && s.standing(&policy.session, now).is_ok());
            let ending = match next(&progress, &user, &live, agreed, &policy) {
                Next::Open { ending } => ending,
                other => {
                    self.retract(&progress, prepared).await?;
                    return self.ask_or_refuse(progress, other, &policy).await;
                }
            };
            let opening = self.announce(&progress, prepared, &ending, &policy).await?;
            match self.sessions().open(&opening.session, set.version, &ending, now).await {
                Ok(()) => {
                    let Prepared { session, token, .. } = opening;
                    return Ok(LoginStep::LoggedIn(LoggedIn { user, session, token }));
                }
                Err(OpenError::Stale) => prepared = Some(opening),
                Err(OpenError::Fault(fault)) => return Err(fault.into()),
            }
        }
        Err(overtaken("opening a session of user", progress.user).into())
    }

    async fn ask_or_refuse(
        &self,
        progress: LoginProgress,
        next: Next,
        policy: &Policy,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        match next {
            Next::AskTerms => self.ask_terms(progress, policy).await,
            Next::AskConflict(live) => self.ask_conflict(progress, live).await,
            Next::Refuse(refusal, rule) => self.refuse(&progress, refusal, rule).await,
            Next::Open { .. } => Err(overtaken("opening a session of user", progress.user).into()),
        }
    }

    /// Puts the login on the trail before its session is opened: a crash in between opens no door unseen.
    async fn announce(
        &self,
        progress: &LoginProgress,
        prepared: Option<Prepared>,
        ending: &[SessionId],
        policy: &Policy,
    ) -> Result<Prepared, Fault> {
        let mut changes = Vec::new();
        let mut prepared = match prepared {
            Some(prepared) => prepared,
            None => {
                let session = self.prepare(progress, policy)?;
                let opened = self.login_event(progress, &session.session, AuditName::SessionOpened)?;
                let succeeded = self.login_event(progress, &session.session, AuditName::LoginSucceeded)?;
                changes.push(Change::Audit(succeeded.with("mode", progress.mode.name())));
                changes.push(Change::Audit(opened.with("expires_at", session.session.expires_at.to_string())));
                session
            }
        };
        for ended in ending.iter().filter(|id| !prepared.announced_endings.contains(id)) {
            let taken = self.login_event(progress, &prepared.session, AuditName::SessionTakenOver)?;
            changes.push(Change::Audit(taken.with("ended", ended.to_string())));
        }
        if !changes.is_empty() {
            self.directory().commit(&changes).await.map_err(unexpected)?;
        }
        prepared.announced_endings = ending.to_vec();
        Ok(prepared)
    }

    fn prepare(&self, progress: &LoginProgress, policy: &Policy) -> Result<Prepared, Fault> {
        let (now, user) = (self.now(), progress.user);
        let token = SessionToken::generate(*user.as_bytes(), self.random())?;
        let id = SessionId::generate(now, self.random())?;
        let proved_at = progress.password_at;
        let opening = Opening { id, user, mode: progress.mode, client: progress.client.clone(), proved_at };
        let session = Session::open(opening, &token, &policy.session, now);
        Ok(Prepared { session, token, announced_endings: Vec::new() })
    }

    /// Says on the trail that an announced session was never opened, since another login came first.
    async fn retract(&self, progress: &LoginProgress, prepared: Option<Prepared>) -> Result<(), Fault> {
        let Some(prepared) = prepared else { return Ok(()) };
        let event = self.login_event(progress, &prepared.session, AuditName::LoginFailed)?;
        self.record([event.refused_by("overtaken")]).await
    }

    fn login_event(&self, progress: &LoginProgress, session: &Session, name: AuditName) -> Result<AuditEvent, Fault> {
        let event = self.event(name, &progress.client)?.of_user(progress.user);
        Ok(event.with("session", session.id.to_string()))
    }

    async fn refuse(
        &self,
        progress: &LoginProgress,
        refusal: LoginRefusal,
        rule: &str,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        let event = self.event(AuditName::LoginFailed, &progress.client)?.of_user(progress.user).refused_by(rule);
        self.record([event.with("code", refusal.code())]).await?;
        Err(Failure::Refused(refusal))
    }

    /// Hands out the ticket for the next step.
    async fn issue(&self, progress: LoginProgress, awaits: Awaited) -> Result<TicketToken, Fault> {
        let now = self.now();
        let token = TicketToken::generate(*progress.user.as_bytes(), self.random())?;
        let grant = Grant::Login(LoginProgress { awaits: Some(awaits), ..progress });
        let ticket = Ticket::new(grant, now, now.after(self.policy().login.ticket));
        self.tickets().put(&TicketKey::from(&token), &ticket).await?;
        Ok(token)
    }

    /// The login that a ticket stands for; left where it is.
    async fn peek(&self, token: &TicketToken) -> Result<LoginProgress, Failure<LoginRefusal>> {
        match self.tickets().peek(&TicketKey::from(token), self.now()).await?.map(|ticket| ticket.grant) {
            Some(Grant::Login(progress)) => Ok(progress),
            Some(Grant::FirstAdministrator) | None => Err(Failure::Refused(LoginRefusal::TicketInvalid)),
        }
    }

    /// Uses the ticket up: of any number of callers one goes on.
    async fn take(&self, token: &TicketToken) -> Result<(), Failure<LoginRefusal>> {
        let taken = self.tickets().take(&TicketKey::from(token), self.now()).await?;
        taken.map(drop).ok_or(Failure::Refused(LoginRefusal::TicketInvalid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::Email;
    use crate::random::SystemRandom;
    use crate::user::Role;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn user() -> User {
        User::new(UserId::from_bytes([1; 16]), Email::parse("ada@example.org").unwrap(), Role::user(), at(0))
    }

    fn progress() -> LoginProgress {
        let (user, client, password_at) = (user().id, Client::default(), at(10));
        LoginProgress { user, mode: SessionMode::Session, client, password_at, awaits: None }
    }

    fn live(count: u8) -> Vec<Session> {
        let token = SessionToken::generate([1; 16], &SystemRandom).unwrap();
        let session = |n| Opening {
            id: SessionId::from_bytes([n; 16]),
            user: user().id,
            mode: SessionMode::Session,
            client: Client::default(),
            proved_at: at(0),
        };
        (0..count).map(|n| Session::open(session(n), &token, &Policy::default().session, at(i64::from(n)))).collect()
    }

    fn ids(numbers: impl IntoIterator<Item = u8>) -> Vec<SessionId> {
        numbers.into_iter().map(|n| SessionId::from_bytes([n; 16])).collect()
    }

    fn policy(max_concurrent: u32, on_conflict: OnConflict) -> Policy {
        let mut policy = Policy::default();
        policy.session.max_concurrent = max_concurrent;
        policy.session.on_conflict = on_conflict;
        policy
    }

    #[test]
    fn the_limit_of_sessions_is_kept_as_the_policy_says() {
        let open = |ending| Next::Open { ending };
        for (count, limit, on_conflict, expected) in [
            (0, 1, OnConflict::Ask, open(vec![])),
            (1, 1, OnConflict::Ask, Next::AskConflict(live(1))),
            (1, 2, OnConflict::Ask, open(vec![])),
            (3, 2, OnConflict::Ask, Next::AskConflict(live(3))),
            (1, 1, OnConflict::Refuse, Next::Refuse(LoginRefusal::SessionLimit, "session.on_conflict")),
            (0, 1, OnConflict::Refuse, open(vec![])),
            (3, 3, OnConflict::EndOldest, open(ids([0]))),
            (3, 1, OnConflict::EndOldest, open(ids([0, 1, 2]))),
            (9, 1, OnConflict::Allow, open(vec![])),
        ] {
            let live = live(count);
            let decided = match next(&progress(), &user(), &live, None, &policy(limit, on_conflict)) {
                Next::AskConflict(listed) => {
                    assert_eq!(listed, live);
                    assert!(matches!(expected, Next::AskConflict(_)), "{count} {limit} {on_conflict:?}");
                    continue;
                }
                other => other,
            };
            assert_eq!(decided, expected, "{count} {limit} {on_conflict:?}");
        }
    }

    #[test]
    fn se4_a_takeover_ends_what_it_listed_and_asks_again_about_a_newer_session() {
        let policy = policy(1, OnConflict::Ask);
        let agreed = ids([0, 1]);
        let decide = |live: &[Session]| next(&progress(), &user(), live, Some(&agreed), &policy);
        assert_eq!(decide(&live(2)), Next::Open { ending: agreed.clone() });
        assert_eq!(decide(&[]), Next::Open { ending: agreed.clone() }, "already gone");
        assert!(matches!(decide(&live(3)), Next::AskConflict(listed) if listed.len() == 3));
    }

    #[test]
    fn se12_every_rule_is_looked_at_anew_in_its_order() {
        let mut policy = policy(1, OnConflict::Ask);
        policy.sign_up.terms = DocumentPolicy { version: "2".to_owned(), url: "https://x/".to_owned() };
        let (mut user, live) = (user(), live(1));
        assert_eq!(next(&progress(), &user, &live, None, &policy), Next::AskTerms, "terms come before the conflict");
        user.password_changed_at = Some(at(11));
        let overtaken = Next::Refuse(LoginRefusal::TicketInvalid, "password_changed");
        assert_eq!(next(&progress(), &user, &live, None, &policy), overtaken);
        user.status = UserStatus::Disabled;
        let disabled = Next::Refuse(LoginRefusal::AccountDisabled, "user.status");
        assert_eq!(next(&progress(), &user, &live, None, &policy), disabled);
    }
}
