//! The one place where a code is judged against an account: judged, remembered or counted, in one commit.

use crate::audit::AuditName;
use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::guess::Guess;
use crate::lockout::{Alarm, Verdict};
use crate::seal::Sealed;
use crate::store::{Change, CommitError, UserKey, Write};
use crate::ticket::TicketKey;
use crate::token::TicketToken;
use crate::totp::mails::Occasion;
use crate::totp::{RecoveryCode, Redeemed, Seed, Totp, TotpMode, TotpRefusal, TypedCode};
use crate::user::{User, UserId};

/// A code that somebody gives for something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redeeming<'a> {
    pub(crate) user: UserId,
    pub(crate) code: &'a TypedCode,
    /// Taken once the code is right, before anything is stored.
    pub(crate) ticket: Option<&'a TicketToken>,
    /// What the trail calls it when the code is wrong.
    pub(crate) name: AuditName,
    pub(crate) client: &'a Client,
}

/// What a right code leads to, beside being remembered.
#[derive(Debug, Default)]
pub(crate) struct Consequence {
    pub(crate) changes: Vec<Change>,
    pub(crate) deliveries: Vec<Delivery>,
}

/// The seed of a set-up that waits for its code.
#[derive(Debug)]
pub(crate) struct Confirming<'a> {
    pub(crate) redeeming: Redeeming<'a>,
    pub(crate) sealed: &'a Sealed,
}

impl Engine {
    /// Judges a code of the account, and remembers or counts it in the same commit. `then` decides what a right one
    /// changes: the account as it becomes, and what goes with it.
    ///
    /// The guess must be charged already; see [`Engine::settle_code`].
    pub(crate) async fn redeem_code(
        &self,
        redeeming: Redeeming<'_>,
        then: impl Fn(User) -> Result<(User, Consequence), Fault>,
    ) -> Result<(), Failure<TotpRefusal>> {
        let mut ticket = redeeming.ticket;
        for _ in 0..DECISIONS {
            let (policy, now) = (self.policy(), self.now());
            let user = self.owner(redeeming.user).await?;
            let Some(totp) = user.totp.clone() else { return self.refuse_without_totp(&redeeming).await };
            if totp.is_spent(&policy.totp) {
                self.note_spent(&redeeming).await?;
                let refusal = if policy.lockout.tell { TotpRefusal::CodesSpent } else { TotpRefusal::InvalidCode };
                return Err(Failure::Refused(refusal));
            }
            let seed = totp.seed(user.id, self.keys())?;
            let (totp, used) = match totp.redeem(&seed, redeeming.code, &policy.totp, now) {
                Redeemed::OneTime(totp) => (totp, Consequence::default()),
                Redeemed::RecoveryCode(totp) => {
                    let used = self.recovery_code_used(&user, totp.recovery_codes_left(), redeeming.client)?;
                    (totp, used)
                }
                Redeemed::Wrong(totp) => {
                    let alarms = self.alarms_of(&totp, &user, redeeming.client)?;
                    let counted = User { totp: Some(totp), ..user };
                    match self.note_wrong_code(&redeeming, Some(counted), alarms).await {
                        Ok(()) => return Err(Failure::Refused(TotpRefusal::InvalidCode)),
                        Err(CommitError::Stale) => continue,
                        Err(other) => return Err(unexpected(other).into()),
                    }
                }
            };
            self.take_for_code(ticket.take()).await?;
            let (user, mut consequence) = then(User { totp: Some(totp), ..user })?;
            consequence.changes.insert(0, Change::User(Write::Update(user)));
            consequence.changes.extend(used.changes);
            consequence.deliveries.extend(used.deliveries);
            match self.commit_and_carry_out(consequence.changes, consequence.deliveries).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("redeeming a code of user", redeeming.user).into())
    }

    /// Judges the code of a set-up against its seed, and switches one-time passwords on in the same commit.
    ///
    /// The guess must be charged already; see [`Engine::settle_code`].
    pub(crate) async fn confirm_seed(
        &self,
        Confirming { redeeming, sealed }: Confirming<'_>,
    ) -> Result<Vec<RecoveryCode>, Failure<TotpRefusal>> {
        let mut ticket = redeeming.ticket;
        let seed = Seed::open(sealed, redeeming.user, self.keys())?;
        // The ticket may be older than a rotation of the key; what an account keeps never is.
        let sealed = seed.seal(redeeming.user, self.keys(), self.random())?;
        for _ in 0..DECISIONS {
            let (policy, now) = (self.policy(), self.now());
            if policy.totp.mode == TotpMode::Off {
                return Err(Failure::Refused(TotpRefusal::Forbidden));
            }
            let user = self.owner(redeeming.user).await?;
            if user.totp.is_some() {
                return Err(Failure::Refused(TotpRefusal::AlreadyEnabled));
            }
            let codes = (0..policy.totp.recovery_codes).map(|_| RecoveryCode::generate(self.random()));
            let codes = codes.collect::<Result<Vec<_>, _>>()?;
            let confirmed = Totp::confirm((&seed, sealed.clone()), redeeming.code, &codes, &policy.totp, now);
            let Some(totp) = confirmed else {
                self.note_wrong_code(&redeeming, None, Vec::new()).await.map_err(unexpected)?;
                return Err(Failure::Refused(TotpRefusal::InvalidCode));
            };
            self.take_for_code(ticket.take()).await?;
            let event = self.event(AuditName::TotpEnabled, redeeming.client)?.of_user(user.id);
            let event = event.with("recovery_codes", codes.len());
            let mail = self.tell_of_totp(&user, Occasion::Enabled, redeeming.client)?;
            let changes = vec![Change::User(Write::Update(User { totp: Some(totp), ..user })), Change::Audit(event)];
            match self.commit_and_carry_out(changes, mail.into_iter().collect()).await {
                Ok(()) => return Ok(codes),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("setting up one-time passwords of user", redeeming.user).into())
    }

    /// Settles the guess that a code or password was charged as. What was stored stands, whatever becomes of the count.
    pub(crate) async fn settle_code<T>(
        &self,
        guess: Guess,
        outcome: Result<T, Failure<TotpRefusal>>,
    ) -> Result<T, Failure<TotpRefusal>> {
        let failed =
            matches!(outcome, Err(Failure::Refused(TotpRefusal::InvalidCode | TotpRefusal::InvalidCredentials)));
        let verdict = if failed { Verdict::Failed } else { Verdict::Withdrawn };
        match (self.settle(guess, verdict).await, outcome) {
            (Err(fault), Ok(done)) => {
                // It is done; an unsettled guess costs one failure at most.
                tracing::warn!(%fault, "a guess was left unsettled");
                Ok(done)
            }
            (Err(fault), Err(_)) => Err(fault.into()),
            (Ok(_), outcome) => outcome,
        }
    }

    /// Forgets the wrong codes of an account; whether there were any.
    pub(crate) async fn forgive_wrong_codes(&self, id: UserId) -> Result<bool, Fault> {
        for _ in 0..DECISIONS {
            let Some(user) = self.directory().user(UserKey::Id(id)).await? else { return Ok(false) };
            let Some(totp) = user.totp.as_ref().and_then(Totp::forgiven) else { return Ok(false) };
            match self.directory().commit(&[Change::User(Write::Update(User { totp: Some(totp), ..user }))]).await {
                Ok(()) => return Ok(true),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other)),
            }
        }
        Err(overtaken("forgiving the wrong codes of user", id))
    }

    async fn owner(&self, id: UserId) -> Result<User, Failure<TotpRefusal>> {
        self.directory().user(UserKey::Id(id)).await?.ok_or(Failure::Refused(TotpRefusal::TicketInvalid))
    }

    async fn take_for_code(&self, ticket: Option<&TicketToken>) -> Result<(), Failure<TotpRefusal>> {
        let Some(token) = ticket else { return Ok(()) };
        let taken = self.tickets().take(&TicketKey::from(token), self.now()).await?;
        taken.map(drop).ok_or(Failure::Refused(TotpRefusal::TicketInvalid))
    }

    /// The account's one-time passwords are gone: a login begins anew, anything else has no code to test.
    async fn refuse_without_totp(&self, redeeming: &Redeeming<'_>) -> Result<(), Failure<TotpRefusal>> {
        if redeeming.ticket.is_some() {
            return Err(Failure::Refused(TotpRefusal::TicketInvalid));
        }
        self.note_wrong_code(redeeming, None, Vec::new()).await.map_err(unexpected)?;
        Err(Failure::Refused(TotpRefusal::InvalidCode))
    }

    /// Puts a code that isn't looked at any more on the trail, once a minute.
    async fn note_spent(&self, redeeming: &Redeeming<'_>) -> Result<(), Fault> {
        let Some(count) = self.refusal_memory().count_of("totp.max_failures", redeeming.user, self.now()) else {
            return Ok(());
        };
        let event = self.event(AuditName::LoginRestricted, redeeming.client)?.of_user(redeeming.user);
        self.record([event.refused_by("totp.max_failures").with("refusals", count)]).await
    }

    /// Puts a wrong code on the trail, and on the account's count where it has one.
    async fn note_wrong_code(
        &self,
        redeeming: &Redeeming<'_>,
        counted: Option<User>,
        alarms: Vec<Delivery>,
    ) -> Result<(), CommitError> {
        let event = self.event(redeeming.name, redeeming.client)?.of_user(redeeming.user).refused_by("invalid_code");
        let mut changes = vec![Change::Audit(event)];
        changes.extend(counted.map(Write::Update).map(Change::User));
        self.post(changes, alarms).await
    }

    /// What the owner is told as this many codes have been wrong since the last login.
    fn alarms_of(&self, totp: &Totp, user: &User, client: &Client) -> Result<Vec<Delivery>, Fault> {
        /// A code can be mistyped, and its time can run out; who has the password and no code is at it again.
        const SUSPICIOUS: u32 = 3;
        let policy = self.policy();
        let suspicious = policy.lockout.notify && totp.wrong_codes() == SUSPICIOUS;
        let spent = !policy.lockout.tell && totp.is_spent(&policy.totp);
        let alarms = [(suspicious, Alarm::WrongCodes(SUSPICIOUS)), (spent, Alarm::Restricted)];
        let due = alarms.into_iter().filter(|(due, _)| *due);
        due.filter_map(|(_, alarm)| self.alarm(user, alarm, client).transpose()).collect()
    }

    fn recovery_code_used(&self, user: &User, left: usize, client: &Client) -> Result<Consequence, Fault> {
        let event = self.event(AuditName::RecoveryCodeUsed, client)?.of_user(user.id).with("left", left);
        let mail = self.tell_of_totp(user, Occasion::RecoveryCodeUsed { left }, client)?;
        Ok(Consequence { changes: vec![Change::Audit(event)], deliveries: mail.into_iter().collect() })
    }
}
