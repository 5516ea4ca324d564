//! What an account's owner does with one-time passwords: set up, confirm, switch off; and an administrator's reset.
//!
//! ```text
//! off ──totp_setup (password)──▶ ticket with a sealed seed ──totp_confirm (code)──▶ on
//!  ▲                                                                                 │
//!  └──────────────── totp_disable (password and code), or reset_totp ◀───────────────┘
//! ```

use std::sync::atomic::{AtomicBool, Ordering};

use crate::administration::{Act, Actor, AdministrationRefusal};
use crate::audit::AuditName;
use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::error::{Failure, Fault};
use crate::guess::{GuessRefusal, Guesser};
use crate::password::{Password, Verification};
use crate::session::{EndReason, Session};
use crate::store::{Change, Which, Write};
use crate::ticket::{Grant, Ticket, TicketKey};
use crate::token::TicketToken;
use crate::totp::mails::Occasion;
use crate::totp::redeeming::{Confirming, Consequence, Redeeming};
use crate::totp::{PendingTotp, RecoveryCode, Seed, TotpMode, TotpSetup, TypedCode};
use crate::user::{User, UserId};

/// Why one-time passwords aren't set up or switched off, or a code isn't accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TotpRefusal {
    /// The policy lets nobody set them up.
    #[error("one-time passwords can't be set up here")]
    Forbidden,
    /// The password is wrong.
    #[error("the password is wrong")]
    InvalidCredentials,
    /// The code is wrong, was used already, or isn't one.
    #[error("the code is wrong: wait for the next one and try again")]
    InvalidCode,
    /// The account has them already: switch them off first.
    #[error("one-time passwords are set up already: switch them off first")]
    AlreadyEnabled,
    /// The ticket is unknown, used, expired or somebody else's: begin again.
    #[error("the set-up took too long or was continued elsewhere: begin again")]
    TicketInvalid,
    /// An account without a password proves itself anew first.
    #[error("prove first that it's you")]
    ProofRequired,
    /// Too many codes were wrong since the last login: only a reset by mail or an administrator opens.
    #[error("too many wrong codes since the last login: set a new password by mail or contact your administrator")]
    CodesSpent,
    /// Nothing is evaluated now.
    #[error(transparent)]
    Guess(GuessRefusal),
}

impl TotpRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::InvalidCredentials => "invalid_credentials",
            Self::InvalidCode => "invalid_code",
            Self::AlreadyEnabled => "totp_already_enabled",
            Self::TicketInvalid => "ticket_invalid",
            Self::ProofRequired => "proof_required",
            Self::CodesSpent => "locked_out",
            Self::Guess(refusal) => refusal.code(),
        }
    }
}

impl From<GuessRefusal> for TotpRefusal {
    fn from(refusal: GuessRefusal) -> Self {
        Self::Guess(refusal)
    }
}

impl Engine {
    /// Begins to set up one-time passwords: a fresh secret, and the ticket that [`Engine::totp_confirm`] takes.
    ///
    /// Asks for the password, whatever was proved before. An account without one needs a fresh proof instead.
    ///
    /// # Errors
    /// [`TotpRefusal::InvalidCredentials`], [`AlreadyEnabled`](TotpRefusal::AlreadyEnabled),
    /// [`Forbidden`](TotpRefusal::Forbidden), [`ProofRequired`](TotpRefusal::ProofRequired) or
    /// [`Guess`](TotpRefusal::Guess).
    pub async fn totp_setup(
        &self,
        session: &Session,
        password: Option<Password>,
        client: &Client,
    ) -> Result<(TicketToken, TotpSetup), Failure<TotpRefusal>> {
        let policy = self.policy();
        if policy.totp.mode == TotpMode::Off {
            return Err(Failure::Refused(TotpRefusal::Forbidden));
        }
        let who = Guesser::at_account(session.user);
        let guess = self.charge(&who, client).await.map_err(|f| f.map(TotpRefusal::Guess))?;
        let proved = self.prove_owner(session, &who, password, AuditName::TotpEnabled, client).await;
        let user = self.settle_code(guess, proved).await?;
        if user.totp.is_some() {
            return Err(Failure::Refused(TotpRefusal::AlreadyEnabled));
        }
        let seed = Seed::generate(self.random())?;
        let pending =
            PendingTotp { user: user.id, session: session.id, seed: seed.seal(user.id, self.keys(), self.random())? };
        let (now, token) = (self.now(), TicketToken::generate(*user.id.as_bytes(), self.random())?);
        let ticket = Ticket::new(Grant::TotpSetup(pending), now, now.after(policy.login.ticket));
        self.tickets().put(&TicketKey::from(&token), &ticket).await?;
        Ok((token, TotpSetup::new(&seed, user.email.typed(), &policy.totp.issuer)?))
    }

    /// Confirms a set-up with a code of its secret, and gives the recovery codes, which are shown nowhere again.
    ///
    /// From now on each login asks for a code; the one that confirms isn't accepted again.
    ///
    /// # Errors
    /// [`TotpRefusal::InvalidCode`] leaves the ticket for another try; [`TicketInvalid`](TotpRefusal::TicketInvalid),
    /// [`AlreadyEnabled`](TotpRefusal::AlreadyEnabled) or [`Guess`](TotpRefusal::Guess).
    pub async fn totp_confirm(
        &self,
        session: &Session,
        ticket: &TicketToken,
        code: &TypedCode,
        client: &Client,
    ) -> Result<Vec<RecoveryCode>, Failure<TotpRefusal>> {
        let pending = match self.peek_grant(ticket).await? {
            Some(Grant::TotpSetup(pending)) if (pending.user, pending.session) == (session.user, session.id) => pending,
            Some(Grant::TotpSetup(_) | Grant::Login(_) | Grant::FirstAdministrator) | None => {
                return Err(Failure::Refused(TotpRefusal::TicketInvalid));
            }
        };
        let who = Guesser::at_code_of(session.user);
        let guess = self.charge(&who, client).await.map_err(|f| f.map(TotpRefusal::Guess))?;
        let (user, name) = (session.user, AuditName::TotpEnabled);
        let redeeming = Redeeming { user, code, ticket: Some(ticket), name, client };
        let confirmed = self.confirm_seed(Confirming { redeeming, sealed: &pending.seed }).await;
        self.settle_code(guess, confirmed).await
    }

    /// Switches one-time passwords off, voids the recovery codes and ends the account's other sessions.
    ///
    /// # Errors
    /// [`TotpRefusal::InvalidCredentials`], [`InvalidCode`](TotpRefusal::InvalidCode),
    /// [`CodesSpent`](TotpRefusal::CodesSpent), [`ProofRequired`](TotpRefusal::ProofRequired) or
    /// [`Guess`](TotpRefusal::Guess).
    pub async fn totp_disable(
        &self,
        session: &Session,
        password: Option<Password>,
        code: &TypedCode,
        client: &Client,
    ) -> Result<(), Failure<TotpRefusal>> {
        let who = Guesser::at_code_of(session.user);
        let guess = self.charge(&who, client).await.map_err(|f| f.map(TotpRefusal::Guess))?;
        let disabled = async {
            self.prove_owner(session, &who, password, AuditName::TotpDisabled, client).await?;
            let (user, name) = (session.user, AuditName::TotpDisabled);
            let redeeming = Redeeming { user, code, ticket: None, name, client };
            self.redeem_code(redeeming, |user| self.without_totp(user, session, client)).await
        };
        let disabled = disabled.await;
        self.settle_code(guess, disabled).await
    }

    fn without_totp(&self, user: User, by: &Session, client: &Client) -> Result<(User, Consequence), Fault> {
        let event = self.event(AuditName::TotpDisabled, client)?.of_user(user.id);
        let (others, reason) = (Which::AllBut(by.id), EndReason::TotpRemoved);
        let ending = Delivery::of_ended_sessions(user.id, others, reason, self.now(), self.random())?;
        let mail = self.tell_of_totp(&user, Occasion::Disabled, client)?;
        let deliveries = std::iter::once(ending).chain(mail).collect();
        Ok((User { totp: None, ..user }, Consequence { changes: vec![Change::Audit(event)], deliveries }))
    }

    /// Removes an account's one-time passwords and ends its sessions before this returns, for an administrator whose
    /// user lost the authenticator; whether the account had any.
    ///
    /// # Errors
    /// [`AdministrationRefusal::NotFound`], [`NotAdministrator`](AdministrationRefusal::NotAdministrator), or
    /// [`ProofRequired`](AdministrationRefusal::ProofRequired) of an administrator without a fresh proof.
    pub async fn reset_totp(&self, id: UserId, by: impl Into<Actor>) -> Result<bool, Failure<AdministrationRefusal>> {
        let (by, had) = (by.into(), AtomicBool::new(false));
        let decide = |user: User| {
            self.demand_proof_of(&by).map_err(Failure::Refused)?;
            had.store(user.totp.is_some(), Ordering::Relaxed);
            if user.totp.is_none() {
                return Ok(Act::default());
            }
            let event = self.event_by(AuditName::TotpReset, &by)?.of_user(id);
            let ending = self.ending(id, EndReason::TotpRemoved)?;
            let mail = self.tell_of_totp(&user, Occasion::Reset, by.client())?;
            let write = Some(Write::Update(User { totp: None, ..user }));
            Ok(Act { write, events: vec![event], deliveries: std::iter::once(ending).chain(mail).collect() })
        };
        self.administer(&by, id, AuditName::TotpReset, decide).await?;
        Ok(had.into_inner())
    }

    /// The session's account, whose owner has given the password, or needs none and has a fresh proof.
    pub(crate) async fn prove_owner(
        &self,
        session: &Session,
        who: &Guesser,
        password: Option<Password>,
        name: AuditName,
        client: &Client,
    ) -> Result<User, Failure<TotpRefusal>> {
        let user = self.user_of(session).await.map_err(|f| f.map(|_| TotpRefusal::TicketInvalid))?;
        let verified = match (&user.password, password) {
            (None, _) if self.is_freshly_proved(session) => return Ok(user),
            (None, _) => return Err(Failure::Refused(TotpRefusal::ProofRequired)),
            (Some(_), None) => Verification::Wrong,
            (Some(hash), Some(password)) => {
                let verified = self.verify(&who.party(client), password, Some(hash.clone())).await;
                verified.map_err(|f| f.map(TotpRefusal::Guess))?
            }
        };
        match verified {
            Verification::Right => Ok(user),
            Verification::Wrong | Verification::Broken => {
                let event = self.event(name, client)?.of_user(user.id).refused_by("invalid_credentials");
                self.record([event]).await?;
                Err(Failure::Refused(TotpRefusal::InvalidCredentials))
            }
        }
    }
}
