//! The outbox: what must follow a commit but lives elsewhere is committed with it, carried out at once, and claimed
//! under a lease by any process after a crash until it is done.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::{Engine, unexpected};
use crate::error::Fault;
pub use crate::id::{DeliveryId, SessionId};
use crate::lockout::{Forgiven, LockoutSubject};
use crate::mail::{Mail, Promptness};
use crate::random::SecureRandom;
use crate::seal::{SealKeys, Sealed};
use crate::session::EndReason;
use crate::store::{Change, CommitError, Which, Write};
use crate::time::Timestamp;
use crate::user::{Revision, UserId};

/// One thing to carry out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Delivery {
    /// Names the delivery.
    pub id: DeliveryId,
    /// Counts its claims.
    pub revision: Revision,
    /// What to carry out.
    pub parcel: Parcel,
    /// When it was committed.
    pub created_at: Timestamp,
    /// Nobody else may carry it out before this moment: a lease, or the next try.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
}

/// What to carry out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Parcel {
    /// Send a mail; sealed, since it may hold a link.
    Mail(Sealed),
    /// End one session.
    EndSession {
        /// Whose.
        user: UserId,
        /// Which.
        session: SessionId,
        /// What the ended browser is told.
        reason: EndReason,
    },
    /// End an account's sessions, all but one.
    EndSessions {
        /// Whose.
        user: UserId,
        /// The one that stays.
        except: Option<SessionId>,
        /// What the ended browsers are told.
        reason: EndReason,
    },
    /// Void an account's tickets.
    VoidTickets {
        /// Whose.
        user: UserId,
    },
    /// Lift the restriction of an account's login and forgive its wrong passwords, after a reset by mail.
    LiftRestriction {
        /// Whose.
        user: UserId,
    },
}

impl Delivery {
    /// How long the process that committed or claimed a delivery has it for itself.
    pub const LEASE: Duration = Duration::from_secs(60);
    /// A mail that couldn't be sent for this long is given up and logged; sessions are ended whatever it takes.
    pub const GIVEN_UP_AFTER: Duration = Duration::from_secs(3 * 86_400);
    /// A mail that the mail server refuses (its receiver isn't known, say) is given up after this long.
    pub const REFUSED_GIVEN_UP_AFTER: Duration = Duration::from_secs(3_600);
    const FIRST_RETRY: Duration = Duration::from_secs(10);
    const LONGEST_RETRY: Duration = Duration::from_secs(3_600);
    const SEALED_AS: &str = "delivery mail";

    /// A delivery of `mail`, leased to the process that commits it.
    pub(crate) fn of_mail(
        mail: &Mail,
        keys: &SealKeys,
        now: Timestamp,
        random: &dyn SecureRandom,
    ) -> Result<Self, Fault> {
        let id = DeliveryId::generate(now, random)?;
        let plain = serde_json::to_vec(mail).map_err(|source| Fault::lasting("writing mail", id, source))?;
        let sealed = keys.seal(&plain, Self::SEALED_AS, id.as_bytes(), random)?;
        Ok(Self::leased(id, Parcel::Mail(sealed), now))
    }

    /// A delivery that ends sessions, leased to the process that commits it.
    pub(crate) fn of_ended_sessions(
        user: UserId,
        which: Which,
        reason: EndReason,
        now: Timestamp,
        random: &dyn SecureRandom,
    ) -> Result<Self, Fault> {
        let parcel = match which {
            Which::One(session) => Parcel::EndSession { user, session, reason },
            Which::AllBut(session) => Parcel::EndSessions { user, except: Some(session), reason },
            Which::All => Parcel::EndSessions { user, except: None, reason },
        };
        Ok(Self::leased(DeliveryId::generate(now, random)?, parcel, now))
    }

    /// A delivery that voids an account's tickets, leased to the process that commits it.
    pub(crate) fn of_void_tickets(user: UserId, now: Timestamp, random: &dyn SecureRandom) -> Result<Self, Fault> {
        Ok(Self::leased(DeliveryId::generate(now, random)?, Parcel::VoidTickets { user }, now))
    }

    /// A delivery that lifts an account's restriction, leased to the process that commits it.
    pub(crate) fn of_lifted_restriction(
        user: UserId,
        now: Timestamp,
        random: &dyn SecureRandom,
    ) -> Result<Self, Fault> {
        Ok(Self::leased(DeliveryId::generate(now, random)?, Parcel::LiftRestriction { user }, now))
    }

    fn leased(id: DeliveryId, parcel: Parcel, now: Timestamp) -> Self {
        let due_at = now.after(Self::LEASE);
        Self { id, revision: Revision::FIRST, parcel, created_at: now, due_at, attempts: 0 }
    }

    /// Opens the mail of a [`Parcel::Mail`].
    pub(crate) fn open_mail(&self, sealed: &Sealed, keys: &SealKeys) -> Result<Mail, Fault> {
        const DOING: &str = "opening mail of delivery";
        let opened = keys.open(sealed, Self::SEALED_AS, self.id.as_bytes());
        let plain = opened.map_err(|source| Fault::lasting(DOING, self.id, source))?;
        serde_json::from_slice(&plain).map_err(|source| Fault::lasting(DOING, self.id, source))
    }

    /// With its mail sealed by the current key; `None` if it is already, or holds none.
    pub(crate) fn resealed(&self, keys: &SealKeys, random: &dyn SecureRandom) -> Result<Option<Self>, Fault> {
        let Parcel::Mail(sealed) = &self.parcel else { return Ok(None) };
        let sealed = keys.reseal(sealed, Self::SEALED_AS, self.id.as_bytes(), random)?;
        Ok(sealed.map(|sealed| Self { parcel: Parcel::Mail(sealed), ..self.clone() }))
    }

    /// When nobody can hold its lease any more; `None` if nobody can now.
    pub(crate) fn leased_until(&self, now: Timestamp) -> Option<Timestamp> {
        (now < self.due_at && self.due_at <= now.after(Self::LEASE)).then_some(self.due_at)
    }

    /// The delivery, due for whoever comes first.
    pub(crate) fn unleased(mut self) -> Self {
        self.due_at = self.created_at;
        self
    }

    /// The delivery under a fresh lease.
    pub(crate) fn claimed(mut self, now: Timestamp) -> Self {
        self.due_at = now.after(Self::LEASE);
        self
    }

    /// The delivery after a try that failed, due again with back-off; `None` once a mail is given up, sooner where
    /// trying again won't help by itself.
    pub(crate) fn postponed(mut self, fault: &Fault, now: Timestamp) -> Option<Self> {
        let patience = if fault.retryable() { Self::GIVEN_UP_AFTER } else { Self::REFUSED_GIVEN_UP_AFTER };
        if matches!(self.parcel, Parcel::Mail(_)) && self.created_at.after(patience) <= now {
            return None;
        }
        let doubled = Self::FIRST_RETRY.saturating_mul(1 << self.attempts.min(16));
        self.attempts = self.attempts.saturating_add(1);
        self.due_at = now.after(doubled.min(Self::LONGEST_RETRY));
        Some(self)
    }
}

impl Engine {
    /// Whether the upkeep thread carries it out after the reply, so that no reply's time tells who gets a mail.
    pub(crate) fn is_for_upkeep(&self, delivery: &Delivery) -> bool {
        let slow = self.mailer().is_some_and(|mailer| mailer.promptness() == Promptness::AfterReply);
        slow && matches!(delivery.parcel, Parcel::Mail(_))
    }

    /// Carries out a delivery that this process holds the lease of; `false` if it is to be tried again.
    pub(crate) async fn carry_out(&self, delivery: Delivery) -> Result<bool, Fault> {
        let outcome = match &delivery.parcel {
            Parcel::Mail(sealed) => self.send_sealed(&delivery, sealed).await,
            Parcel::EndSession { user, session, reason } => self.end_all(*user, Which::One(*session), *reason).await,
            Parcel::EndSessions { user, except, reason } => {
                self.end_all(*user, except.map_or(Which::All, Which::AllBut), *reason).await
            }
            Parcel::VoidTickets { user } => self.tickets().void(*user).await,
            Parcel::LiftRestriction { user } => {
                let subject = LockoutSubject::Account(*user);
                self.lockouts().lift(&subject, Forgiven::Passwords, self.now()).await.map(drop)
            }
        };
        if let Err(fault) = &outcome {
            tracing::warn!(delivery = %delivery.id, attempts = delivery.attempts, %fault, "a delivery failed");
        }
        let done = outcome.is_ok();
        let write = match outcome {
            Ok(()) => Write::Delete(delivery),
            Err(fault) => match delivery.clone().postponed(&fault, self.now()) {
                Some(postponed) => Write::Update(postponed),
                None => {
                    tracing::error!(delivery = %delivery.id, "a mail was given up");
                    Write::Delete(delivery)
                }
            },
        };
        match self.directory().commit(&[Change::Delivery(write)]).await {
            // Stale: the lease ran out and another process has it; mails may come twice, never not at all.
            Ok(()) | Err(CommitError::Stale) => Ok(done),
            Err(other) => Err(unexpected(other)),
        }
    }

    async fn end_all(&self, user: UserId, which: Which, reason: EndReason) -> Result<(), Fault> {
        self.sessions().end(user, which, reason, self.now()).await.map(drop)
    }

    async fn send_sealed(&self, delivery: &Delivery, sealed: &Sealed) -> Result<(), Fault> {
        let mail = delivery.open_mail(sealed, self.keys())?;
        match self.mailer() {
            Some(mailer) => mailer.send(&mail).await,
            None => Err(Fault::new("sending mail", mail.to.masked(), "the engine has no mailer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn delivery() -> Delivery {
        let parcel =
            Parcel::EndSessions { user: UserId::from_bytes([1; 16]), except: None, reason: EndReason::PasswordChanged };
        Delivery::leased(DeliveryId::from_bytes([2; 16]), parcel, at(0))
    }

    fn may_pass() -> Fault {
        Fault::new("sending", "mail", "421 later")
    }

    #[test]
    fn a_failed_try_backs_off_from_10_seconds_to_an_hour() {
        let mut delivery = delivery();
        let mut waits = vec![];
        for _ in 0..11 {
            delivery = delivery.postponed(&may_pass(), at(0)).unwrap();
            waits.push(at(0).until(delivery.due_at).as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]);
    }

    #[test]
    fn a_mail_is_given_up_after_three_days_and_ending_sessions_never() {
        let sealed = SealKeys::new(&[1; 32], &[]).seal(b"mail", "mail", b"", &SystemRandom).unwrap();
        let mail = Delivery { parcel: Parcel::Mail(sealed), ..delivery() };
        assert!(mail.clone().postponed(&may_pass(), at(3 * 86_400 - 1)).is_some());
        assert!(mail.clone().postponed(&may_pass(), at(3 * 86_400)).is_none());
        let refused = Fault::lasting("sending", "mail", "550 no such user");
        assert!(mail.clone().postponed(&refused, at(3_599)).is_some(), "an operator may mend it");
        assert!(mail.postponed(&refused, at(3_600)).is_none());
        assert!(delivery().postponed(&refused, at(300 * 86_400)).is_some());
    }

    #[test]
    fn a_delivery_belongs_to_its_committer_for_a_minute() {
        assert_eq!(delivery().due_at, at(60));
        assert_eq!(delivery().claimed(at(100)).due_at, at(160));
    }
}
