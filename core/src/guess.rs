//! The one gate before every test of a guessable secret: charge first, evaluate then, settle last.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::audit::{AuditEvent, AuditName};
use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::{Engine, unexpected};
use crate::error::{Failure, Fault};
use crate::hashing::{HashingError, Party};
use crate::lockout::{Alarm, Charge, GuessId, GuessKind, LockoutRule, LockoutSubject, Restriction, Settled, Verdict};
use crate::password::{Password, PasswordHash, Verification};
use crate::policy::Policy;
use crate::random::draw;
use crate::store::{Change, UserKey};
use crate::time::seconds_to_wait;
use crate::token::Digest;
use crate::user::UserId;

const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(80);

/// A guess that is charged and waits to be settled. Dropped unsettled, it counts as failed after a minute.
#[derive(Debug)]
#[must_use = "a guess that isn't settled counts as failed"]
pub(crate) struct Guess {
    id: GuessId,
    account: Counter,
    address: Option<Counter>,
    who: Guesser,
    client: Client,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    subject: LockoutSubject,
    rule: LockoutRule,
    key: &'static str,
}

/// Who waits before which counter, in this process: only so many at a time ask the store.
#[derive(Debug, Default)]
pub(crate) struct Doorstep(Mutex<HashMap<LockoutSubject, usize>>);

/// A place on the doorstep, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    doorstep: &'a Doorstep,
    subject: LockoutSubject,
}

impl Doorstep {
    const PLACES: usize = 16;

    fn enter(&self, subject: LockoutSubject) -> Option<Place<'_>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(subject).or_default();
        if *count >= Self::PLACES {
            return None;
        }
        *count += 1;
        Some(Place { doorstep: self, subject })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.doorstep.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = waiting.entry(self.subject) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Whose secret is guessed at: what is counted, and what the trail says of it.
#[derive(Debug, Clone)]
pub(crate) struct Guesser {
    pub(crate) subject: LockoutSubject,
    pub(crate) kind: GuessKind,
    pub(crate) tested_by: TestedBy,
    pub(crate) user: Option<UserId>,
    pub(crate) named: Option<String>,
}

/// What testing a guess costs, a wrong one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TestedBy {
    /// The evaluation of a slow hash: a password.
    SlowHash,
    /// Next to nothing: a code, a secret key.
    Comparison,
}

impl Guesser {
    /// Somebody who guesses at the password of an account that is known.
    pub(crate) fn at_account(user: UserId) -> Self {
        let (subject, kind, tested_by) = (LockoutSubject::Account(user), GuessKind::Password, TestedBy::SlowHash);
        Self { subject, kind, tested_by, user: Some(user), named: None }
    }

    /// Somebody who guesses at a code of an account, be it with a password beside it.
    pub(crate) fn at_code_of(user: UserId) -> Self {
        Self { kind: GuessKind::Code, tested_by: TestedBy::Comparison, ..Self::at_account(user) }
    }

    /// Who holds places in the hashing queue together.
    pub(crate) fn party(&self, client: &Client) -> Party {
        let (kind, key) = self.subject.key();
        let account = Digest::of(&[&[u8::try_from(kind).unwrap_or_default()][..], &key].concat());
        Party { account: Some(*account.as_bytes()), address: client.network() }
    }

    /// Puts on an event whom it concerns.
    pub(crate) fn sign(&self, event: AuditEvent) -> AuditEvent {
        AuditEvent { user: self.user, subject: self.named.clone(), ..event }
    }
}

/// Why nothing may be evaluated now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuessRefusal {
    /// Too many failures: nothing is evaluated before that long.
    #[error("too many failures: try again in {} s", seconds_to_wait(*.retry_after))]
    LockedOut {
        /// Until the restriction ends.
        retry_after: Duration,
    },
    /// So many failures since the last login that no time opens: only a reset by mail or an administrator does.
    #[error("too many failures since the last login: set a new password by mail or contact your administrator")]
    Closed,
    /// The same, where the policy tells nobody: the answer to a guess that is wrong.
    #[error("{}", told(*.0))]
    Untold(GuessKind),
    /// Too many at once: says nothing about the account.
    #[error("too many requests at once: try again in {} s", seconds_to_wait(*.retry_after))]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
}

impl GuessRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LockedOut { .. } | Self::Closed => "locked_out",
            Self::Untold(GuessKind::Password) => "invalid_credentials",
            Self::Untold(GuessKind::Code) => "invalid_code",
            Self::Busy { .. } => "busy",
        }
    }
}

/// What a guess that is wrong is told.
const fn told(kind: GuessKind) -> &'static str {
    match kind {
        GuessKind::Password => "the password is wrong",
        GuessKind::Code => "the code is wrong: wait for the next one and try again",
    }
}

impl Guess {
    /// Whose counter it is charged to.
    pub(crate) fn counted_as(&self) -> LockoutSubject {
        self.account.subject
    }
}

impl Engine {
    /// Charges one guess at a secret, waiting for those in flight at most `hashing.max_wait`.
    pub(crate) async fn charge(&self, who: &Guesser, client: &Client) -> Result<Guess, Failure<GuessRefusal>> {
        let policy = self.policy();
        let id = GuessId(u128::from_be_bytes(draw(self.random())?));
        let subject = self.counted_as(who, client).await?;
        let account = Counter { subject, rule: policy.lockout.account_rule(), key: "lockout.max_failures" };
        let address = policy.lockout.address_rule().zip(client.network()).map(|(rule, network)| Counter {
            subject: LockoutSubject::Address(self.keys().fingerprint("address", &[network.to_string().as_bytes()])),
            rule,
            key: "lockout.per_address",
        });
        if let Some(counter) = &address {
            self.charge_one(counter, id, who, client).await?;
        }
        match self.charge_one(&account, id, who, client).await {
            Ok(()) => Ok(Guess { id, account, address, who: who.clone(), client: client.clone() }),
            Err(failure) => {
                if let Some(Counter { subject, rule, .. }) = address {
                    self.lockouts().settle(&subject, id, Verdict::Withdrawn, &rule, self.now()).await?;
                }
                Err(match failure {
                    Failure::Refused(GuessRefusal::LockedOut { .. } | GuessRefusal::Closed) if !policy.lockout.tell => {
                        self.refuse_untold(who, client).await
                    }
                    failure => failure,
                })
            }
        }
    }

    /// Refuses as a wrong guess is refused, and at its cost: where that is one evaluation, this is one of a hash that
    /// nothing matches. The account's own isn't looked at while it is restricted.
    async fn refuse_untold(&self, who: &Guesser, client: &Client) -> Failure<GuessRefusal> {
        if who.tested_by == TestedBy::SlowHash {
            let evaluated = self.verify(&who.party(client), Password::new(String::new()), None).await;
            if let Err(failure) = evaluated {
                return failure;
            }
        }
        Failure::Refused(GuessRefusal::Untold(who.kind))
    }

    async fn charge_one(
        &self,
        counter: &Counter,
        id: GuessId,
        who: &Guesser,
        client: &Client,
    ) -> Result<(), Failure<GuessRefusal>> {
        let patience = self.policy().hashing.max_wait;
        let (mut waited, mut wait) = (Duration::ZERO, FIRST_WAIT);
        let mut place = None;
        loop {
            let now = self.now();
            // A crowd before one door takes turns in memory, so that it can't flood the store.
            if place.is_none() {
                place = self.doorstep().enter(counter.subject);
            }
            if place.is_none() {
                if waited >= patience {
                    return Err(Failure::Refused(GuessRefusal::Busy { retry_after: patience }));
                }
                self.clock().sleep(wait).await;
                waited += wait;
                continue;
            }
            match self.lockouts().charge(&counter.subject, id, who.kind, &counter.rule, now).await? {
                Charge::Granted => return Ok(()),
                Charge::Restricted { restriction, report } => {
                    self.report(report, counter, who, client).await?;
                    return Err(Failure::Refused(match restriction {
                        Restriction::Until(until) => GuessRefusal::LockedOut { retry_after: now.until(until) },
                        Restriction::Closed => GuessRefusal::Closed,
                    }));
                }
                Charge::Undecided if waited >= patience => {
                    return Err(Failure::Refused(GuessRefusal::Busy { retry_after: patience }));
                }
                Charge::Undecided => self.clock().sleep(wait).await,
            }
            waited += wait;
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }

    /// Refusals of a restricted account are one counted event a minute, so that nobody fills the disk with them.
    async fn report(
        &self,
        refusals: Option<u32>,
        counter: &Counter,
        who: &Guesser,
        client: &Client,
    ) -> Result<(), Fault> {
        let Some(count) = refusals else { return Ok(()) };
        let event = who.sign(self.event(AuditName::LoginRestricted, client)?).refused_by(counter.key);
        self.record([event.with("refusals", count)]).await
    }

    /// Settles a charged guess on every counter that was charged for it, and puts a restriction that begins on the trail.
    ///
    /// A completed login never clears an address's count: whoever has one account could guess at others for ever.
    pub(crate) async fn settle(&self, guess: Guess, verdict: Verdict) -> Result<Settled, Fault> {
        let Guess { id, account, address, who, client } = guess;
        let at_address = match verdict {
            Verdict::Failed => Verdict::Failed,
            Verdict::Withdrawn | Verdict::Completed => Verdict::Withdrawn,
        };
        let now = self.now();
        let mut restrictions = Vec::new();
        if let Some(counter) = address {
            let settled = self.lockouts().settle(&counter.subject, id, at_address, &counter.rule, now).await?;
            restrictions.extend(settled.restriction.map(|restriction| (counter.key, restriction)));
        }
        let settled = self.lockouts().settle(&account.subject, id, verdict, &account.rule, now).await?;
        restrictions.extend(settled.restriction.map(|restriction| (account.key, restriction)));
        for (key, restriction) in restrictions {
            let event = who.sign(self.event(AuditName::LoginRestricted, &client)?);
            let event = match restriction {
                Restriction::Until(until) => event.refused_by(key).with("until", until.to_string()),
                Restriction::Closed => event.refused_by("lockout.escalate").with("until", "opened"),
            };
            let mail = self.mail_of_restriction(&who, key == account.key, &client).await?;
            self.post(vec![Change::Audit(event)], mail.into_iter().collect()).await.map_err(unexpected)?;
        }
        Ok(settled)
    }

    /// Where whoever tries isn't told of a restriction, the owner is: once, as it begins.
    async fn mail_of_restriction(
        &self,
        who: &Guesser,
        is_of_account: bool,
        client: &Client,
    ) -> Result<Option<Delivery>, Fault> {
        let Some(id) = who.user.filter(|_| is_of_account && !self.policy().lockout.tell) else { return Ok(None) };
        match self.directory().user(UserKey::Id(id)).await? {
            Some(user) => self.alarm(&user, Alarm::Restricted, client),
            None => Ok(None),
        }
    }

    /// Clears a count after a login that was completed in a later step than its guess.
    pub(crate) async fn clear_count(&self, subject: LockoutSubject) -> Result<Settled, Fault> {
        let rule = self.policy().lockout.account_rule();
        let nobody = GuessId(u128::from_be_bytes(draw(self.random())?));
        self.lockouts().settle(&subject, nobody, Verdict::Completed, &rule, self.now()).await
    }

    /// One evaluation: of the account's hash, else of one that nothing matches. A wrong password costs what one of the
    /// policy's hashes does, also where the account's is cheaper.
    pub(crate) async fn verify(
        &self,
        party: &Party,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Verification, Failure<GuessRefusal>> {
        let policy = self.policy();
        let hash = hash.unwrap_or_else(|| PasswordHash::dummy_of(&policy.password));
        let verified = self.evaluate_one(party, password.clone(), hash, &policy).await?;
        if verified == Verification::Broken {
            tracing::error!("a stored password hash can't be read; its login is refused");
            return self.evaluate_one(party, password, PasswordHash::dummy_of(&policy.password), &policy).await;
        }
        Ok(verified)
    }

    async fn evaluate_one(
        &self,
        party: &Party,
        password: Password,
        hash: PasswordHash,
        policy: &Policy,
    ) -> Result<Verification, Failure<GuessRefusal>> {
        self.hashing().verify(party, password, hash, &policy.password).await.map_err(|error| match error {
            HashingError::Busy { retry_after } => Failure::Refused(GuessRefusal::Busy { retry_after }),
            HashingError::Fault(fault) => Failure::Fault(fault),
        })
    }
}
