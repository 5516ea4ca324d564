//! The outbox: what must follow a commit but lives elsewhere is committed with it, carried out at once, and claimed
//! under a lease by any process after a crash until it is done.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Fault;
pub use crate::id::{DeliveryId, SessionId};
use crate::lockout::LockoutSubject;
use crate::mail::Mail;
use crate::random::SecureRandom;
use crate::revision::Revision;
use crate::seal::{SealKeys, Sealed};
use crate::session::EndReason;
use crate::store::Which;
use crate::time::Timestamp;
use crate::user::UserId;

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

/// A delivery that is due.
#[derive(Debug)]
pub enum DueDelivery {
    /// It can be carried out.
    Readable(Delivery),
    /// Its record can't be read.
    Unreadable {
        /// Which one.
        id: DeliveryId,
        /// Why.
        fault: Fault,
    },
}

/// How much the outbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxSize {
    /// Deliveries to be carried out, due or not.
    pub waiting: u32,
    /// Records that can't be read and wait for an operator.
    pub set_aside: u32,
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
    /// Forget the failures counted against what isn't there any more: nothing else would ever lift a count that is closed.
    ForgetFailures {
        /// Whose counters.
        of: Vec<LockoutSubject>,
    },
    /// Lift the restriction of an account's login and forgive its wrong passwords, after a reset by mail.
    LiftRestriction {
        /// Whose.
        user: UserId,
    },
}

impl Delivery {
    /// When one that is set aside is due: never.
    pub const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
    /// How long the process that committed or claimed a delivery has it for itself.
    pub const LEASE: Duration = Duration::from_secs(60);
    /// A mail that couldn't be sent for this long is given up and logged; sessions are ended whatever it takes.
    pub const GIVEN_UP_AFTER: Duration = Duration::from_secs(3 * 86_400);
    /// A mail that the mail server refuses (its receiver isn't known, say) is given up after this long.
    pub const REFUSED_GIVEN_UP_AFTER: Duration = Duration::from_secs(3_600);
    /// A record that can't be read may be of a newer release that runs beside this one, and is left to it for so long.
    pub const LEFT_TO_OTHERS_FOR: Duration = Duration::from_secs(600);
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

    /// A delivery that forgets failures, leased to the process that commits it.
    pub(crate) fn of_forgotten_failures(
        of: Vec<LockoutSubject>,
        now: Timestamp,
        random: &dyn SecureRandom,
    ) -> Result<Self, Fault> {
        Ok(Self::leased(DeliveryId::generate(now, random)?, Parcel::ForgetFailures { of }, now))
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

    /// The delivery after a try that failed, due again with back-off; a mail is given up at last, sooner where trying
    /// again won't help by itself.
    pub(crate) fn postponed(mut self, fault: &Fault, now: Timestamp) -> Result<Self, GivenUp> {
        let (patience, given_up) = match fault.retryable() {
            true => (Self::GIVEN_UP_AFTER, GivenUp::Unreachable),
            false => (Self::REFUSED_GIVEN_UP_AFTER, GivenUp::Refused),
        };
        if matches!(self.parcel, Parcel::Mail(_)) && self.created_at.after(patience) <= now {
            return Err(given_up);
        }
        let doubled = Self::FIRST_RETRY.saturating_mul(1 << self.attempts.min(16));
        self.attempts = self.attempts.saturating_add(1);
        self.due_at = now.after(doubled.min(Self::LONGEST_RETRY));
        Ok(self)
    }
}

/// Why a mail isn't tried any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// What it is for doesn't work any more.
    LinkLapsed,
    /// The mail server won't have it.
    Refused,
    /// No mail server takes it.
    Unreachable,
}

impl GivenUp {
    /// The rule, as the trail names it.
    pub(crate) const fn rule(self) -> &'static str {
        match self {
            Self::LinkLapsed => "mail.link_lapsed",
            Self::Refused => "mail.refused",
            Self::Unreachable => "mail.unreachable",
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
        assert!(mail.clone().postponed(&may_pass(), at(3 * 86_400 - 1)).is_ok());
        assert_eq!(mail.clone().postponed(&may_pass(), at(3 * 86_400)), Err(GivenUp::Unreachable));
        let refused = Fault::lasting("sending", "mail", "550 no such user");
        assert!(mail.clone().postponed(&refused, at(3_599)).is_ok(), "an operator may mend it");
        assert_eq!(mail.postponed(&refused, at(3_600)), Err(GivenUp::Refused));
        assert!(delivery().postponed(&refused, at(300 * 86_400)).is_ok());
    }

    #[test]
    fn a_delivery_belongs_to_its_committer_for_a_minute() {
        assert_eq!(delivery().due_at, at(60));
        assert_eq!(delivery().claimed(at(100)).due_at, at(160));
    }
}
