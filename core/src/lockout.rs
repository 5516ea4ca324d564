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

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::token::Digest;
use crate::user::UserId;

/// Whose guesses are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LockoutSubject {
    /// An account, however it was named.
    Account(UserId),
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

/// The answer to [`Lockout::charge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// One of the guesses left is reserved; settle it.
    Granted,
    /// Those left are all in flight; ask again soon.
    Undecided,
    /// Nothing may be evaluated before `until`.
    Restricted {
        /// When the restriction ends; further guesses don't move it.
        until: Timestamp,
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

/// What settling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Consecutive failures before this guess was settled.
    pub failures_before: u32,
    /// Set when this very guess crossed the line.
    pub restricted_until: Option<Timestamp>,
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
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reservation {
    guess: GuessId,
    lapses_at: Timestamp,
}

impl Lockout {
    /// A guess not settled for this long counts as failed: a crash costs a guess, it never gives one.
    pub const SETTLE_WITHIN: Duration = Duration::from_secs(60);
    const REPORT_EVERY: Duration = Duration::from_secs(60);

    /// Charges one guess before it is looked at.
    pub fn charge(&mut self, guess: GuessId, rule: &LockoutRule, now: Timestamp) -> Charge {
        self.advance(rule, now);
        if let Some(until) = self.restricted_until {
            return Charge::Restricted { until, report: self.report_refusal(now) };
        }
        if self.outstanding() > rule.max_failures {
            return Charge::Undecided;
        }
        self.in_flight.push(Reservation { guess, lapses_at: now.after(Self::SETTLE_WITHIN) });
        Charge::Granted
    }

    /// Settles a charged guess. One that lapsed has already counted as failed and doesn't count twice.
    pub fn settle(&mut self, guess: GuessId, verdict: Verdict, rule: &LockoutRule, now: Timestamp) -> Settled {
        self.advance(rule, now);
        let failures_before = self.failures;
        let known = self.release(guess);
        let restricted_until = match verdict {
            Verdict::Failed if known => self.fail(rule, now),
            Verdict::Failed | Verdict::Withdrawn => None,
            Verdict::Completed => {
                self.failures = 0;
                self.first_failure_at = None;
                self.last_failure_at = None;
                None
            }
        };
        Settled { failures_before, restricted_until }
    }

    /// Ends a restriction and clears the count; guesses in flight stay charged. Returns whether a restriction stood.
    pub fn lift(&mut self, now: Timestamp) -> bool {
        let stood = self.restricted_until.take().is_some_and(|until| now < until);
        self.failures = 0;
        self.first_failure_at = None;
        self.last_failure_at = None;
        stood
    }

    /// When the restriction that stands at `now` ends.
    pub fn restricted_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.restricted_until.filter(|until| now < *until)
    }

    /// When nothing of this count matters any more, so that a store may forget it.
    pub fn forgettable_at(&self, rule: &LockoutRule) -> Timestamp {
        // A guess that lapses is a failure of that moment, and is remembered like one.
        let (Forget::AfterLast(kept) | Forget::AfterFirst(kept)) = rule.forget;
        let lapse = self.in_flight.iter().map(|r| r.lapses_at.after(kept.max(rule.duration))).max();
        [self.restricted_until, self.forgotten_at(rule), lapse].into_iter().flatten().max().unwrap_or_default()
    }

    /// Applies what time alone has done: lapsed reservations, an ended restriction, a forgotten count.
    fn advance(&mut self, rule: &LockoutRule, now: Timestamp) {
        let lapsed: Vec<_> = self.in_flight.extract_if(.., |r| r.lapses_at <= now).collect();
        for reservation in lapsed {
            self.forget_by(reservation.lapses_at, rule);
            self.fail(rule, reservation.lapses_at);
        }
        self.forget_by(now, rule);
    }

    fn forget_by(&mut self, now: Timestamp, rule: &LockoutRule) {
        if self.restricted_until.is_some_and(|until| until <= now) {
            self.restricted_until = None;
            self.failures = 0;
            self.first_failure_at = None;
        }
        if self.restricted_until.is_none() && self.forgotten_at(rule).is_some_and(|at| at <= now) {
            self.failures = 0;
            self.first_failure_at = None;
        }
    }

    fn forgotten_at(&self, rule: &LockoutRule) -> Option<Timestamp> {
        match rule.forget {
            Forget::AfterLast(duration) => self.last_failure_at.map(|at| at.after(duration)),
            Forget::AfterFirst(duration) => self.first_failure_at.map(|at| at.after(duration)),
        }
    }

    fn outstanding(&self) -> u32 {
        self.failures.saturating_add(u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX))
    }

    fn release(&mut self, guess: GuessId) -> bool {
        let before = self.in_flight.len();
        self.in_flight.retain(|reservation| reservation.guess != guess);
        self.in_flight.len() < before
    }

    fn fail(&mut self, rule: &LockoutRule, now: Timestamp) -> Option<Timestamp> {
        self.failures = self.failures.saturating_add(1);
        self.first_failure_at.get_or_insert(now);
        self.last_failure_at = Some(now);
        if self.failures <= rule.max_failures || self.restricted_until.is_some() {
            return None;
        }
        let until = now.after(rule.duration);
        self.restricted_until = Some(until);
        self.refused = 0;
        self.reported_at = None;
        Some(until)
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

/// The `[lockout]` section of the policy (NIST SP 800-63B-4, rate limiting).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LockoutPolicy {
    /// Consecutive failures forgiven; the next one restricts.
    pub max_failures: u32,
    /// How long a restriction lasts.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub duration: Duration,
    /// An unfinished count is forgotten this long after its last failure.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub forget_after: Duration,
    /// Each restriction doubles the last one, up to 24 hours; at 100 failures only a reset by mail or an administrator opens.
    pub escalate: bool,
    /// A browser that logged in before has its own counter.
    pub known_browser: bool,
    /// Mail the owner after 3 wrong codes, and after a login that followed 5 failures.
    pub notify: bool,
    /// Whether a restricted account is told so; `false` answers `invalid_credentials` and mails its owner.
    pub tell: bool,
    /// A second counter by client address.
    pub per_address: AddressLockoutPolicy,
}

/// The second counter, by client address; off while `max_failures` is 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AddressLockoutPolicy {
    /// Failures from one address forgiven within the window; 0: off.
    pub max_failures: u32,
    /// How long the address is restricted.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub duration: Duration,
    /// The window in which failures are counted, from the first.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub window: Duration,
}

impl Default for LockoutPolicy {
    fn default() -> Self {
        Self {
            max_failures: 10,
            duration: Duration::from_secs(20 * 60),
            forget_after: Duration::from_secs(24 * 3_600),
            escalate: false,
            known_browser: false,
            notify: false,
            tell: true,
            per_address: AddressLockoutPolicy::default(),
        }
    }
}

impl Default for AddressLockoutPolicy {
    fn default() -> Self {
        Self { max_failures: 0, duration: Duration::from_secs(20 * 60), window: Duration::from_secs(10 * 60) }
    }
}

impl LockoutPolicy {
    /// The rule for accounts and unknown identifiers.
    pub fn account_rule(&self) -> LockoutRule {
        LockoutRule {
            max_failures: self.max_failures,
            duration: self.duration,
            forget: Forget::AfterLast(self.forget_after),
        }
    }

    /// The rule for client addresses, if that counter is on.
    pub fn address_rule(&self) -> Option<LockoutRule> {
        let AddressLockoutPolicy { max_failures, duration, window } = self.per_address;
        (max_failures > 0).then_some(LockoutRule { max_failures, duration, forget: Forget::AfterFirst(window) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule() -> LockoutRule {
        LockoutPolicy::default().account_rule()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn wrong(lockout: &mut Lockout, guess: u128, now: Timestamp) -> Charge {
        let charge = lockout.charge(GuessId(guess), &rule(), now);
        if charge == Charge::Granted {
            lockout.settle(GuessId(guess), Verdict::Failed, &rule(), now);
        }
        charge
    }

    #[test]
    fn the_eleventh_failure_restricts_for_20_minutes() {
        let mut lockout = Lockout::default();
        for guess in 0..11 {
            assert_eq!(wrong(&mut lockout, guess, at(0)), Charge::Granted, "guess {guess}");
        }
        for (second, restricted) in [(0, true), (1_199, true), (1_200, false), (1_201, false)] {
            assert_eq!(lockout.restricted_until(at(second)).is_some(), restricted, "second {second}");
        }
        assert!(matches!(wrong(&mut lockout, 99, at(1_199)), Charge::Restricted { .. }));
        for guess in 100..111 {
            assert_eq!(wrong(&mut lockout, guess, at(1_200)), Charge::Granted, "it starts at zero");
        }
        assert!(matches!(wrong(&mut lockout, 111, at(1_200)), Charge::Restricted { .. }));
    }

    #[test]
    fn gu6_failures_while_restricted_do_not_move_the_end() {
        let mut lockout = Lockout::default();
        for guess in 0..11 {
            wrong(&mut lockout, guess, at(0));
        }
        for second in [1, 600, 1_199] {
            let Charge::Restricted { until, .. } = wrong(&mut lockout, 50, at(second)) else {
                panic!("second {second}")
            };
            assert_eq!(until, at(1_200));
        }
    }

    #[test]
    fn gu12_a_success_that_began_before_the_crossing_does_not_erase_the_restriction() {
        let mut lockout = Lockout::default();
        for guess in 0..10 {
            wrong(&mut lockout, guess, at(0));
        }
        assert_eq!(lockout.charge(GuessId(70), &rule(), at(0)), Charge::Granted);
        assert_eq!(lockout.charge(GuessId(71), &rule(), at(0)), Charge::Undecided);
        lockout.settle(GuessId(70), Verdict::Failed, &rule(), at(1));
        lockout.settle(GuessId(71), Verdict::Completed, &rule(), at(1));
        assert_eq!(lockout.restricted_until(at(1)), Some(at(1_201)));
    }

    #[test]
    fn gu8_an_unsettled_charge_counts_after_a_minute_and_only_once() {
        let mut lockout = Lockout::default();
        for guess in 0..11 {
            assert_eq!(lockout.charge(GuessId(guess), &rule(), at(0)), Charge::Granted);
        }
        assert_eq!(lockout.charge(GuessId(11), &rule(), at(59)), Charge::Undecided);
        assert!(
            matches!(lockout.charge(GuessId(12), &rule(), at(60)), Charge::Restricted { until, .. } if until == at(1_260))
        );
        lockout.settle(GuessId(0), Verdict::Failed, &rule(), at(61));
        assert_eq!(lockout.restricted_until(at(61)), Some(at(1_260)));
    }

    #[test]
    fn a_withdrawn_guess_is_given_back_and_a_completed_one_clears() {
        let mut lockout = Lockout::default();
        for guess in 0..50 {
            assert_eq!(lockout.charge(GuessId(guess), &rule(), at(0)), Charge::Granted);
            lockout.settle(GuessId(guess), Verdict::Withdrawn, &rule(), at(0));
        }
        for guess in 0..10 {
            wrong(&mut lockout, guess, at(0));
        }
        lockout.charge(GuessId(60), &rule(), at(0));
        assert_eq!(lockout.settle(GuessId(60), Verdict::Completed, &rule(), at(0)).failures_before, 10);
        for guess in 0..11 {
            assert_eq!(wrong(&mut lockout, guess, at(1)), Charge::Granted);
        }
    }

    #[test]
    fn an_unfinished_count_is_forgotten_after_its_time() {
        for (gap, evaluated) in [(86_399, 1), (86_400, 11), (86_401, 11)] {
            let mut lockout = Lockout::default();
            for guess in 0..10 {
                wrong(&mut lockout, guess, at(0));
            }
            let granted = (0..20).filter(|guess| wrong(&mut lockout, 100 + guess, at(gap)) == Charge::Granted).count();
            assert_eq!(granted, evaluated, "gap {gap}");
        }
    }

    #[test]
    fn an_address_window_runs_from_its_first_failure() {
        let policy = AddressLockoutPolicy { max_failures: 1, ..AddressLockoutPolicy::default() };
        let rule = LockoutPolicy { per_address: policy, ..LockoutPolicy::default() }.address_rule().unwrap();
        let mut lockout = Lockout::default();
        let mut fail = |guess, second| {
            let charge = lockout.charge(GuessId(guess), &rule, at(second));
            lockout.settle(GuessId(guess), Verdict::Failed, &rule, at(second));
            charge
        };
        assert_eq!(fail(1, 0), Charge::Granted);
        assert_eq!(fail(2, 600), Charge::Granted, "the window of the first failure is over");
        assert_eq!(fail(3, 1_199), Charge::Granted, "second failure of the new window");
        assert!(matches!(fail(4, 1_200), Charge::Restricted { .. }));
    }

    #[test]
    fn refusals_are_reported_once_a_minute_with_their_number() {
        let mut lockout = Lockout::default();
        for guess in 0..11 {
            wrong(&mut lockout, guess, at(0));
        }
        let mut reports = vec![];
        for second in 1..=121 {
            if let Charge::Restricted { report: Some(count), .. } = wrong(&mut lockout, 99, at(second)) {
                reports.push((second, count));
            }
        }
        assert_eq!(reports, [(1, 1), (61, 60), (121, 60)]);
    }

    #[derive(Debug, Clone)]
    enum Event {
        Charge,
        Settle(Verdict),
        Wait(i64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            6 => Just(Event::Charge),
            3 => Just(Event::Settle(Verdict::Failed)),
            1 => Just(Event::Settle(Verdict::Withdrawn)),
            1 => Just(Event::Settle(Verdict::Completed)),
            1 => prop_oneof![0i64..3, 58i64..62, 1_198i64..1_203, 86_398i64..86_403].prop_map(Event::Wait),
        ];
        proptest::collection::vec(event, 1..120)
    }

    proptest! {
        #[test]
        fn gu1_no_more_than_eleven_are_ever_granted_unsettled_or_failed_in_a_row(events in events()) {
            let (mut lockout, mut second, mut next) = (Lockout::default(), 0, 0);
            let mut in_flight: Vec<u128> = vec![];
            for event in events {
                match event {
                    Event::Charge => {
                        next += 1;
                        let restricted = lockout.restricted_until(at(second)).is_some();
                        let charge = lockout.charge(GuessId(next), &rule(), at(second));
                        prop_assert!(!(restricted && charge == Charge::Granted));
                        if charge == Charge::Granted {
                            in_flight.push(next);
                        }
                    }
                    Event::Settle(verdict) => {
                        if let Some(guess) = in_flight.pop() {
                            lockout.settle(GuessId(guess), verdict, &rule(), at(second));
                        }
                    }
                    Event::Wait(seconds) => {
                        second += seconds;
                    }
                }
                prop_assert!(lockout.in_flight.len() <= 11);
                prop_assert!(lockout.restricted_until.is_some() || lockout.outstanding() <= 11);
            }
        }
    }
}
