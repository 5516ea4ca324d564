//! Rate limiting of guesses (NIST SP 800-63B-4, rate limiting): who guesses wrong too often in a row waits.
//!
//! A guess is paid for before it is looked at, in two steps:
//!
//! ```text
//!            ┌─ granted ────▶ the guess is evaluated ──▶ settle: failed     counts one failure
//! charge ────┼─ undecided ──▶ wait for those in flight            withdrawn  gives the charge back
//!            └─ restricted ─▶ refused, nothing is evaluated        completed  clears the count
//! ```
//!
//! Failures and guesses in flight together never exceed `max_failures + 1`, so of any number of wrong guesses at once
//! exactly that many are evaluated. A guess that nobody settles within [`Lockout::SETTLE_WITHIN`] has failed.
//!
//! Passwords and codes are one count. It knows them apart for one reason: a reset by mail clears the passwords, or the
//! owner would have to wait, and keeps the codes, or whoever has the mailbox could guess at them without end. It opens
//! the restriction all the same, for one further guess: see [`Lockout::lift`].

mod mails;
mod policy;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use self::mails::Alarm;
pub use self::policy::{AddressLockoutPolicy, LockoutPolicy};
use crate::time::Timestamp;
use crate::token::Digest;
use crate::user::UserId;

/// Whose guesses are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LockoutSubject {
    /// An account, however it was named.
    Account(UserId),
    /// An account, from a browser that has logged in to it before: strangers' failures aren't its own.
    KnownBrowser(UserId, Digest),
    /// An identifier that names no account, as a keyed fingerprint of its normal form.
    Unknown(Digest),
    /// An access key of a keypair; never restricts its owner's login.
    AccessKey(Digest),
    /// A client address, as a keyed fingerprint of the address or its /64.
    Address(Digest),
}

impl LockoutSubject {
    /// A stable key: the kind, then fixed-width bytes. Adapters store it as it is.
    ///
    /// Only counters of kinds `u` and `i` may be evicted when there are too many; see
    /// [`LockoutStore`](crate::store::LockoutStore).
    pub fn key(&self) -> (char, [u8; 32]) {
        match self {
            Self::Account(id) => ('a', *Digest::of(id.as_bytes()).as_bytes()),
            Self::KnownBrowser(id, browser) => {
                ('b', *Digest::of(&[&id.as_bytes()[..], browser.as_bytes()].concat()).as_bytes())
            }
            Self::Unknown(digest) => ('u', *digest.as_bytes()),
            Self::AccessKey(digest) => ('k', *digest.as_bytes()),
            Self::Address(digest) => ('i', *digest.as_bytes()),
        }
    }
}

/// How many failures restrict, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockoutRule {
    /// This many consecutive failures are forgiven; the next one restricts.
    pub max_failures: u32,
    /// How long a restriction lasts.
    pub duration: Duration,
    /// When an unfinished count is forgotten.
    pub forget: Forget,
    /// What becomes of one restriction after another.
    pub escalation: Escalation,
}

/// What becomes of restrictions without a completed login between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escalation {
    /// Each is like the first, and none lasts.
    Off,
    /// Each lasts twice as long as the last, up to [`Lockout::LONGEST`]; at [`Lockout::MOST_IN_A_ROW`] failures without
    /// a completed login the count is closed until somebody opens it.
    Doubling,
}

/// When an unfinished count starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forget {
    /// This long after its last failure.
    AfterLast(Duration),
    /// This long after its first failure: a window.
    AfterFirst(Duration),
}

/// Names one charged guess until it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GuessId(pub u128);

/// What a guess is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuessKind {
    /// A password.
    #[default]
    Password,
    /// A one-time password or a recovery code, be it behind a password.
    Code,
}

/// Why nothing may be evaluated now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restriction {
    /// It ends by itself at that moment; further guesses don't move it.
    Until(Timestamp),
    /// Closed: only a reset by mail or an administrator opens.
    Closed,
}

/// The answer to [`Lockout::charge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// One of the guesses left is reserved; settle it.
    Granted,
    /// Those left are all in flight; ask again soon.
    Undecided,
    /// Nothing may be evaluated.
    Restricted {
        /// Why, and for how long.
        restriction: Restriction,
        /// How many refusals to report as one event now; `None` while the last report is under a minute old.
        report: Option<u32>,
    },
}

/// How a charged guess ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was wrong, or right but not allowed to tell (an unverified registration).
    Failed,
    /// It says nothing: right but the login isn't complete, or never evaluated (busy, a fault).
    Withdrawn,
    /// The login is complete: the count is cleared, a restriction that stands is not.
    Completed,
}

/// Which failures are forgiven where a restriction is lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgiven {
    /// Passwords: by a reset by mail, whose mailbox says nothing about a second factor.
    Passwords,
    /// Passwords and codes: by an administrator.
    All,
}

/// What settling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Consecutive failures before this guess was settled.
    pub failures_before: u32,
    /// The same, and those before restrictions that have ended since: without a completed login, in all.
    pub in_a_row_before: u32,
    /// Set when this very guess crossed the line.
    pub restriction: Option<Restriction>,
}

/// The count of one subject: a value, changed by pure transitions, stored by a [`LockoutStore`](crate::store::LockoutStore).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lockout {
    failures: u32,
    first_failure_at: Option<Timestamp>,
    last_failure_at: Option<Timestamp>,
    in_flight: Vec<Reservation>,
    restricted_until: Option<Timestamp>,
    refused: u32,
    reported_at: Option<Timestamp>,
    /// Those of `failures` that were codes.
    #[serde(default)]
    wrong_codes: u32,
    #[serde(default)]
    in_a_row: InARow,
}

/// What restrictions that end leave: failures since the last completed login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InARow {
    failures: u32,
    wrong_codes: u32,
    restrictions: u32,
    closed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reservation {
    guess: GuessId,
    lapses_at: Timestamp,
    #[serde(default)]
    kind: GuessKind,
}

impl Lockout {
    /// A guess not settled for this long counts as failed: a crash costs a guess, it never gives one.
    pub const SETTLE_WITHIN: Duration = Duration::from_secs(60);
    /// The longest restriction that escalation comes to.
    pub const LONGEST: Duration = Duration::from_secs(24 * 3_600);
    /// With escalation, failures without a completed login, at which the count is closed (NIST SP 800-63B-4, rate
    /// limiting: no more than 100).
    pub const MOST_IN_A_ROW: u32 = 100;
    /// With escalation, failures of a count that isn't closed are remembered for this long after the last one.
    pub const REMEMBERED: Duration = Duration::from_secs(400 * 86_400);
    const REPORT_EVERY: Duration = Duration::from_secs(60);

    /// Charges one guess before it is looked at.
    pub fn charge(&mut self, guess: GuessId, kind: GuessKind, rule: &LockoutRule, now: Timestamp) -> Charge {
        self.advance(rule, now);
        if let Some(restriction) = self.restriction(now) {
            return Charge::Restricted { restriction, report: self.report_refusal(now) };
        }
        if self.left(rule) == 0 {
            return Charge::Undecided;
        }
        self.in_flight.push(Reservation { guess, lapses_at: now.after(Self::SETTLE_WITHIN), kind });
        Charge::Granted
    }

    /// Settles a charged guess. One that lapsed has already counted as failed and doesn't count twice.
    pub fn settle(&mut self, guess: GuessId, verdict: Verdict, rule: &LockoutRule, now: Timestamp) -> Settled {
        self.advance(rule, now);
        let (failures_before, in_a_row_before) = (self.failures, self.in_a_row.failures);
        let known = self.release(guess);
        let restriction = match (verdict, known) {
            (Verdict::Failed, Some(kind)) => self.fail(kind, rule, now),
            (Verdict::Failed, None) | (Verdict::Withdrawn, _) => None,
            (Verdict::Completed, _) => {
                self.clear();
                None
            }
        };
        Settled { failures_before, in_a_row_before, restriction }
    }

    /// Ends a restriction and forgives; guesses in flight stay charged. Returns whether a restriction stood.
    ///
    /// Codes that stay counted leave one guess: the owner has the next code, and whoever only has the mailbox gets one
    /// guess for each mail.
    pub fn lift(&mut self, forgiven: Forgiven, now: Timestamp) -> bool {
        let stood = self.restriction(now).is_some();
        self.restricted_until = None;
        match forgiven {
            Forgiven::Passwords if self.in_a_row.wrong_codes > 0 => {
                self.failures = self.wrong_codes;
                self.in_a_row.failures = self.in_a_row.wrong_codes.min(Self::MOST_IN_A_ROW - 1);
                self.in_a_row.wrong_codes = self.in_a_row.failures;
                self.in_a_row.closed = false;
            }
            Forgiven::Passwords | Forgiven::All => {
                self.in_a_row.closed = false;
                self.clear();
            }
        }
        stood
    }

    /// The restriction that stands at `now`.
    pub fn restriction(&self, now: Timestamp) -> Option<Restriction> {
        if self.in_a_row.closed {
            return Some(Restriction::Closed);
        }
        self.restricted_until.filter(|until| now < *until).map(Restriction::Until)
    }

    /// When nothing of this count matters any more, so that a store may forget it.
    pub fn forgettable_at(&self, rule: &LockoutRule) -> Timestamp {
        if self.in_a_row.closed || self.would_close(rule) {
            return Timestamp::from_millis(i64::MAX);
        }
        // A guess that lapses is a failure of that moment, and is remembered like one.
        let (Forget::AfterLast(kept) | Forget::AfterFirst(kept)) = rule.forget;
        let kept = kept.max(rule.duration);
        let kept = if rule.escalation == Escalation::Doubling { kept.max(Self::REMEMBERED) } else { kept };
        let lapse = self.in_flight.iter().map(|r| r.lapses_at.after(kept)).max();
        let ends = [self.restricted_until, self.forgotten_at(rule), self.row_forgotten_at(rule), lapse];
        ends.into_iter().flatten().max().unwrap_or_default()
    }

    /// Clears the count. What is closed or restricted stays so.
    fn clear(&mut self) {
        self.forget_count();
        self.last_failure_at = None;
        if !self.in_a_row.closed {
            self.in_a_row = InARow::default();
        }
    }

    fn forget_count(&mut self) {
        self.failures = 0;
        self.wrong_codes = 0;
        self.first_failure_at = None;
    }

    /// Applies what time alone has done: lapsed reservations, an ended restriction, a forgotten count.
    fn advance(&mut self, rule: &LockoutRule, now: Timestamp) {
        let lapsed: Vec<_> = self.in_flight.extract_if(.., |r| r.lapses_at <= now).collect();
        for reservation in lapsed {
            self.forget_by(reservation.lapses_at, rule);
            self.fail(reservation.kind, rule, reservation.lapses_at);
        }
        self.forget_by(now, rule);
        // The policy may have changed since.
        let is_spent = self.in_a_row.failures >= Self::MOST_IN_A_ROW;
        self.in_a_row.closed = rule.escalation == Escalation::Doubling && is_spent;
    }

    fn forget_by(&mut self, now: Timestamp, rule: &LockoutRule) {
        if self.restricted_until.is_some_and(|until| until <= now) {
            self.restricted_until = None;
            self.forget_count();
        }
        if self.restricted_until.is_none() && self.forgotten_at(rule).is_none_or(|at| at <= now) {
            self.forget_count();
        }
        let stands = self.in_a_row.closed || self.restricted_until.is_some();
        if !stands && self.row_forgotten_at(rule).is_none_or(|at| at <= now) {
            self.in_a_row = InARow::default();
        }
    }

    fn forgotten_at(&self, rule: &LockoutRule) -> Option<Timestamp> {
        match rule.forget {
            Forget::AfterLast(duration) => self.last_failure_at.map(|at| at.after(duration)),
            Forget::AfterFirst(duration) => self.first_failure_at.map(|at| at.after(duration)),
        }
    }

    fn row_forgotten_at(&self, rule: &LockoutRule) -> Option<Timestamp> {
        match rule.escalation {
            Escalation::Off => self.forgotten_at(rule),
            Escalation::Doubling => self.last_failure_at.map(|at| at.after(Self::REMEMBERED)),
        }
    }

    /// Whether those in flight would close the count by lapsing.
    fn would_close(&self, rule: &LockoutRule) -> bool {
        let in_flight = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        let in_a_row = self.in_a_row.failures.saturating_add(in_flight);
        rule.escalation == Escalation::Doubling && in_flight > 0 && in_a_row >= Self::MOST_IN_A_ROW
    }

    /// How many further guesses may be in flight. Who is neither restricted nor closed has one at least, be it that a
    /// reset left codes counted or that the policy forgives less than it did.
    fn left(&self, rule: &LockoutRule) -> u32 {
        let in_flight = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        let left = rule.max_failures.saturating_add(1).saturating_sub(self.failures).max(1);
        let left = match rule.escalation {
            Escalation::Off => left,
            Escalation::Doubling => left.min(Self::MOST_IN_A_ROW.saturating_sub(self.in_a_row.failures)),
        };
        left.saturating_sub(in_flight)
    }

    fn release(&mut self, guess: GuessId) -> Option<GuessKind> {
        let at = self.in_flight.iter().position(|reservation| reservation.guess == guess)?;
        Some(self.in_flight.remove(at).kind)
    }

    fn fail(&mut self, kind: GuessKind, rule: &LockoutRule, now: Timestamp) -> Option<Restriction> {
        let is_code = u32::from(kind == GuessKind::Code);
        self.failures = self.failures.saturating_add(1);
        self.wrong_codes = self.wrong_codes.saturating_add(is_code);
        self.in_a_row.failures = self.in_a_row.failures.saturating_add(1);
        self.in_a_row.wrong_codes = self.in_a_row.wrong_codes.saturating_add(is_code);
        self.first_failure_at.get_or_insert(now);
        self.last_failure_at = Some(now);
        let doubling = rule.escalation == Escalation::Doubling;
        let closes = doubling && self.in_a_row.failures >= Self::MOST_IN_A_ROW && !self.in_a_row.closed;
        let restricts = self.failures > rule.max_failures && self.restriction(now).is_none();
        if !closes && !restricts {
            return None;
        }
        (self.refused, self.reported_at) = (0, None);
        if closes {
            self.in_a_row.closed = true;
            return Some(Restriction::Closed);
        }
        let until = now.after(self.next_duration(rule));
        self.restricted_until = Some(until);
        self.in_a_row.restrictions = self.in_a_row.restrictions.saturating_add(1);
        Some(Restriction::Until(until))
    }

    fn next_duration(&self, rule: &LockoutRule) -> Duration {
        match rule.escalation {
            Escalation::Off => rule.duration,
            Escalation::Doubling => {
                let doubled = rule.duration.saturating_mul(1 << self.in_a_row.restrictions.min(31));
                doubled.min(Self::LONGEST.max(rule.duration))
            }
        }
    }

    fn report_refusal(&mut self, now: Timestamp) -> Option<u32> {
        self.refused = self.refused.saturating_add(1);
        if self.reported_at.is_some_and(|at| now < at.after(Self::REPORT_EVERY)) {
            return None;
        }
        self.reported_at = Some(now);
        Some(std::mem::take(&mut self.refused))
    }
}

#[cfg(test)]
mod tests;
