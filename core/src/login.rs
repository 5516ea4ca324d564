//! Login: from a typed identifier and password to a session, or to the next thing that is asked for.
//!
//! ```text
//! Credentials ──▶ charge the guess ──▶ evaluate one hash ──▶ judge ──▶ refused: the guess has failed
//!                 (guess.rs)           (login/credentials.rs)  │
//!            in this order, each only where the policy        ▼
//!            of the moment asks for it                      next ──▶ OtpRequired            (login/otp.rs)
//!                                                             │  ──▶ TotpSetupRequired      (login/totp_setup.rs)
//!                                                             │  ──▶ PasswordChangeRequired (login/password_change.rs)
//!                                                             │  ──▶ TermsRequired          (login/terms.rs)
//!                                                             │  ──▶ SessionConflict        (login/conflict.rs)
//!                                                             ▼
//!                                           commit ──▶ open the session ──▶ LoggedIn: the count is cleared
//! ```
//!
//! A program logs in with a keypair instead, and is asked for nothing further (login/keypair.rs).
//!
//! Each step that waits for the user is handed out as a single-use ticket; whoever comes back with it passes through
//! `next` again, so every rule is looked at anew and no earlier answer is remembered outside the ticket.

mod conflict;
mod credentials;
mod keypair;
mod otp;
mod outcome;
mod password_change;
mod policy;
pub(crate) mod progress;
mod terms;
mod totp_setup;

pub use self::conflict::TakeOver;
pub use self::credentials::LoginRequest;
use self::credentials::{Credentials, Named};
pub use self::keypair::KeypairLogin;
pub use self::outcome::{LoggedIn, LoginRefusal, LoginStep};
pub use self::policy::{EndpointPolicy, IdentifierKind, LoginPolicy};
pub use self::progress::{Awaited, LoginProgress};
pub use self::totp_setup::SetUp;
use crate::audit::{AuditEvent, AuditName};
use crate::client::Browser;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::guess::Guess;
use crate::known_browser::BrowserStanding;
use crate::lockout::{Alarm, LockoutSubject, Verdict};
use crate::policy::Policy;
use crate::session::{OnConflict, Opening, Session, SessionId, SessionMode};
use crate::store::{Change, OpenError, UserKey};
use crate::ticket::{Grant, Ticket, TicketKey};
use crate::time::Timestamp;
use crate::token::{SessionToken, TicketToken};
use crate::totp::Totp;
use crate::user::{User, UserStatus};

/// What comes next in a login.
#[derive(Debug, PartialEq)]
enum Next {
    Refuse(LoginRefusal, &'static str),
    AskOtp,
    AskTotpSetup,
    AskPasswordChange,
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
    now: Timestamp,
) -> Next {
    if let Err((refusal, rule)) = standing(progress, user) {
        return Next::Refuse(refusal, rule);
    }
    if progress.mode == SessionMode::Api {
        let limit = usize::try_from(policy.session.max_concurrent_api).unwrap_or(usize::MAX);
        let over = (live.len() + 1).saturating_sub(limit);
        return Next::Open { ending: live.iter().take(over).map(|session| session.id).collect() };
    }
    match &user.totp {
        Some(totp) if totp.is_spent(&policy.totp) => {
            let refusal = if policy.lockout.tell { LoginRefusal::CodesSpent } else { LoginRefusal::InvalidCredentials };
            return Next::Refuse(refusal, "totp.max_failures");
        }
        // A proof older than the set-up was one of another secret.
        Some(totp) if progress.second_factor_at.is_none_or(|at| at < totp.enabled_at) => return Next::AskOtp,
        None if policy.totp.is_required_of(&user.role) => return Next::AskTotpSetup,
        Some(_) | None => {}
    }
    if password_change::is_due(user, policy, now) {
        return Next::AskPasswordChange;
    }
    if terms::are_due(user, policy) {
        return Next::AskTerms;
    }
    let limit = usize::try_from(policy.session.max_concurrent).unwrap_or(usize::MAX);
    let over = (live.len() + 1).saturating_sub(limit);
    if let Some(agreed) = agreed.filter(|agreed| live.iter().all(|session| agreed.contains(&session.id))) {
        let ending = live.iter().map(|session| session.id).filter(|id| agreed.contains(id)).collect();
        return Next::Open { ending };
    }
    match policy.session.on_conflict {
        OnConflict::Allow => Next::Open { ending: Vec::new() },
        _ if over == 0 => Next::Open { ending: Vec::new() },
        OnConflict::Ask => Next::AskConflict(live.to_vec()),
        OnConflict::Refuse => Next::Refuse(LoginRefusal::SessionLimit, "session.on_conflict"),
        OnConflict::EndOldest => Next::Open { ending: live.iter().take(over).map(|session| session.id).collect() },
    }
}

/// Whether nothing has overtaken what a login has proved; else the refusal and its rule.
fn standing(progress: &LoginProgress, user: &User) -> Result<(), (LoginRefusal, &'static str)> {
    let (refusal, rule) = if user.status == UserStatus::Disabled {
        (LoginRefusal::AccountDisabled, "user.status")
    // Compared, not ordered: one that is replaced while the former one's hash is evaluated is older than that proof.
    } else if user.password_changed_at != progress.password_set_at {
        (LoginRefusal::TicketInvalid, "password_changed")
    } else {
        return Ok(());
    };
    match progress.mode {
        SessionMode::Session => Err((refusal, rule)),
        // A program has one answer, whatever the cause.
        SessionMode::Api => Err((LoginRefusal::InvalidCredentials, rule)),
    }
}

/// A session that is on the trail and about to be opened.
struct Prepared {
    session: Session,
    token: SessionToken,
    announced_endings: Vec<SessionId>,
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
        self.counted(async {
            let policy = self.policy();
            if !policy.login.modes.contains(&SessionMode::Session) {
                return Err(Failure::Refused(LoginRefusal::ModeDisabled));
            }
            let named = Named::read(&request.identifier, &policy.login);
            let who = self.guesser(&named, &request.identifier).await?;
            let guess = self.charge(&who, &request.client).await.map_err(|f| f.map(LoginRefusal::from))?;
            let password_at = self.now();
            let credentials = match self.evaluate(&named, &who, &request).await {
                Ok(credentials) => credentials,
                Err(failure) => {
                    self.settle(guess, Verdict::Withdrawn).await?;
                    return Err(failure);
                }
            };
            let (refusal, rule, verdict) = match credentials {
                Credentials::Right(user) => {
                    if let Err(failure) = self.demand_where_cut(&user, &request).await {
                        self.settle(guess, Verdict::Withdrawn).await?;
                        return Err(failure.into());
                    }
                    let browser = self.browser_standing(guess.counted_as(), &request.client);
                    let client = request.client.clone().with_browser(Browser::default());
                    let mode = SessionMode::Session;
                    let (password_set_at, second_factor_at) = (user.password_changed_at, None);
                    let (user_id, awaits) = (user.id, None);
                    let progress = LoginProgress {
                        user: user_id,
                        mode,
                        keypair: None,
                        client,
                        password_at,
                        password_set_at,
                        second_factor_at,
                        browser,
                        awaits,
                    };
                    let step = self.advance(progress, None, Some(guess)).await;
                    self.rehash(user, &request).await;
                    return step;
                }
                Credentials::Disabled => (LoginRefusal::AccountDisabled, "user.status", Verdict::Withdrawn),
                // Counted, or whoever signs up a taken address could test its true password for nothing.
                Credentials::Unverified => (LoginRefusal::EmailUnverified, "sign_up.verify_email", Verdict::Failed),
                Credentials::Wrong => (LoginRefusal::InvalidCredentials, "invalid_credentials", Verdict::Failed),
            };
            let settled = self.settle(guess, verdict).await?;
            let event = who.sign(self.event(AuditName::LoginFailed, &request.client)?).refused_by(rule);
            self.record([event.with("code", refusal.code()).with("failures_before", settled.failures_before)]).await?;
            Err(Failure::Refused(refusal))
        })
        .await
    }

    /// Counts how a step of a login ends.
    async fn counted(
        &self,
        step: impl Future<Output = Result<LoginStep, Failure<LoginRefusal>>>,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        let step = step.await;
        self.meter().login(step.as_ref());
        step
    }

    /// Takes a login with a right password as far as it goes, and settles the guess that proved it.
    ///
    /// Only a complete login clears the count: else a code could be guessed at without end behind a right password.
    async fn advance(
        &self,
        progress: LoginProgress,
        agreed: Option<&[SessionId]>,
        guess: Option<Guess>,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        let (id, browser) = (progress.user, progress.browser);
        let mut step = self.take_next_step(progress, agreed).await;
        let Ok(LoginStep::LoggedIn(logged_in)) = &mut step else {
            if let Some(guess) = guess
                && let Err(fault) = self.settle(guess, Verdict::Withdrawn).await
            {
                // The refusal is decided; an unsettled guess costs one failure at most.
                tracing::warn!(user = %id, %fault, "a guess was left unsettled");
            }
            return step;
        };
        // A keypair proves nothing of whoever guesses at codes.
        let by_person = logged_in.session.mode == SessionMode::Session;
        let has_wrong_codes = by_person && logged_in.user.totp.as_ref().and_then(Totp::forgiven).is_some();
        if has_wrong_codes || browser == BrowserStanding::New {
            match self.note_completed(id, browser).await {
                Ok(token) => logged_in.browser = token,
                // Wrong codes stay counted, and the browser unknown, until the next login.
                Err(fault) => tracing::warn!(user = %id, %fault, "a complete login was not noted on its account"),
            }
        }
        let own = match browser {
            BrowserStanding::Known(token) => LockoutSubject::KnownBrowser(id, token),
            BrowserStanding::Forgetful | BrowserStanding::New => LockoutSubject::Account(id),
        };
        let settled = match guess {
            Some(guess) => self.settle(guess, Verdict::Completed).await,
            None => self.clear_count(own).await,
        };
        let told = match settled {
            Ok(settled) if by_person => self.tell_of_failures(logged_in, settled.in_a_row_before).await,
            Ok(_) => Ok(()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = told {
            // The session is open; an unsettled guess costs one failure at most.
            tracing::warn!(user = %id, %fault, "a guess was left unsettled, or its owner untold");
        }
        step
    }

    /// Tells the owner of a login that followed failures: it may not have been the owner's.
    async fn tell_of_failures(&self, logged_in: &LoggedIn, failures: u32) -> Result<(), Fault> {
        /// People mistype, too.
        const SUSPICIOUS: u32 = 5;
        if !self.policy().lockout.notify || failures < SUSPICIOUS {
            return Ok(());
        }
        let alarm = Alarm::LoginAfterFailures(failures);
        let mail = self.alarm(&logged_in.user, alarm, &logged_in.session.client)?;
        self.commit_and_carry_out(Vec::new(), mail.into_iter().collect()).await.map_err(unexpected)
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
            let ending = match next(&progress, &user, &live, agreed, &policy, now) {
                Next::Open { ending } => ending,
                other => {
                    self.retract(&progress, prepared).await?;
                    return self.ask_or_refuse(progress, other, &user, &policy).await;
                }
            };
            let opening = self.announce(&progress, prepared, &ending, &policy).await?;
            match self.sessions().open(&opening.session, set.version, &ending, now).await {
                Ok(()) => {
                    let Prepared { session, token, .. } = opening;
                    return Ok(LoginStep::LoggedIn(LoggedIn { user, session, token, browser: None }));
                }
                Err(OpenError::Stale) => prepared = Some(opening),
                Err(OpenError::Fault(fault)) => return Err(fault.into()),
            }
        }
        self.retract(&progress, prepared).await?;
        Err(overtaken("opening a session of user", progress.user).into())
    }

    async fn ask_or_refuse(
        &self,
        progress: LoginProgress,
        next: Next,
        user: &User,
        policy: &Policy,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        match next {
            Next::AskOtp => self.ask_otp(progress).await,
            Next::AskTotpSetup => self.ask_totp_setup(progress, user, policy).await,
            Next::AskPasswordChange => self.ask_password_change(progress).await,
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
        let proved_at = progress.second_factor_at.map_or(progress.password_at, |at| at.max(progress.password_at));
        let (mode, keypair) = (progress.mode, progress.keypair.clone());
        let opening = Opening { id, user, mode, keypair, client: progress.client.clone(), proved_at };
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

    /// The login that a ticket stands for; left where it is. A step in a mode that is offered no more is refused before
    /// anything is looked at or changed.
    async fn peek(&self, token: &TicketToken) -> Result<LoginProgress, Failure<LoginRefusal>> {
        match self.peek_grant(token).await? {
            Some(Grant::Login(progress)) if !self.policy().login.modes.contains(&progress.mode) => {
                let event = self.event(AuditName::LoginFailed, &progress.client)?.of_user(progress.user);
                let event = event.refused_by("login.modes").with("code", LoginRefusal::ModeDisabled.code());
                self.record([event]).await?;
                Err(Failure::Refused(LoginRefusal::ModeDisabled))
            }
            Some(Grant::Login(progress)) => Ok(progress),
            Some(Grant::TotpSetup(_) | Grant::FirstAdministrator) | None => {
                Err(Failure::Refused(LoginRefusal::TicketInvalid))
            }
        }
    }

    /// What a ticket of a login or set-up stands for. It lives no longer than the policy of the moment says, either.
    pub(crate) async fn peek_grant(&self, token: &TicketToken) -> Result<Option<Grant>, Fault> {
        let (now, lifetime) = (self.now(), self.policy().login.ticket);
        let ticket = self.tickets().peek(&TicketKey::from(token), now).await?;
        Ok(ticket.filter(|ticket| now < ticket.issued_at.after(lifetime)).map(|ticket| ticket.grant))
    }

    /// Uses the ticket up: of any number of callers one goes on.
    async fn take(&self, token: &TicketToken) -> Result<(), Failure<LoginRefusal>> {
        let taken = self.tickets().take(&TicketKey::from(token), self.now()).await?;
        taken.map(drop).ok_or(Failure::Refused(LoginRefusal::TicketInvalid))
    }
}

#[cfg(test)]
mod tests;
