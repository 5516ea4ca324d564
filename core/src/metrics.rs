//! Metrics: what an engine has done since its start, and what is before it now.
//!
//! Counted in plain atomics, at the ports where it can be (`ports.rs`), so that no flow forgets to. Labels are fixed
//! names and never anything that somebody typed.

mod ports;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::audit::{AuditEvent, AuditName, AuditOutcome};
use crate::delivery::OutboxSize;
use crate::engine::Engine;
use crate::error::Failure;
use crate::hashing::HashingLoad;
use crate::lockout::LockoutSubject;
use crate::login::{LoginRefusal, LoginStep};
use crate::session::EndReason;

/// What an engine has done since its start, and what is before it now. Other processes on the same store count for
/// themselves.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// Steps of logins, by how each ended: the [status](LoginStep::status) of what comes next, a refusal's code, or
    /// `unavailable`.
    pub logins: Vec<Count>,
    /// Restrictions that began, by what they restrict: `account`, `known_browser`, `unknown`, `access_key`, `address`.
    pub restrictions: Vec<Count>,
    /// Sessions opened.
    pub sessions_opened: u64,
    /// Sessions that ended before their time, by [`EndReason`].
    pub sessions_ended: Vec<Count>,
    /// What the hashing threads have done and have before them.
    pub hashing: HashingLoad,
    /// Decisions that somebody else's commit overtook and that were made anew, by port.
    pub stale: Vec<Count>,
    /// Calls of a store that failed, by port.
    pub store_faults: Vec<Count>,
    /// Tries to hand over a mail: `sent`, `failed`; and mails `given_up`.
    pub mails: Vec<Count>,
    /// What the outbox holds; `None` if the store doesn't answer.
    pub outbox: Option<OutboxSize>,
    /// Events of the audit trail that tell of something done, by name.
    pub events: Vec<Count>,
    /// Events of the audit trail that tell of a refusal, by name.
    pub refusals: Vec<Count>,
}

/// How often something of a kind happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The kind, one of a fixed set.
    pub of: &'static str,
    /// How often.
    pub count: u64,
}

/// Counters of a fixed set of kinds.
#[derive(Debug)]
struct Tally(Vec<(&'static str, AtomicU64)>);

impl Tally {
    /// A kind that isn't among those named.
    const OTHER: &str = "other";

    fn of(kinds: impl IntoIterator<Item = &'static str>) -> Self {
        Self(kinds.into_iter().chain([Self::OTHER]).map(|kind| (kind, AtomicU64::new(0))).collect())
    }

    fn add(&self, kind: &str, count: u64) {
        let known = self.0.iter().find(|(known, _)| *known == kind);
        if let Some((_, counter)) = known.or(self.0.last()) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn counts(&self) -> Vec<Count> {
        let counts = self.0.iter().map(|(of, count)| Count { of, count: count.load(Ordering::Relaxed) });
        counts.filter(|count| count.count > 0 || count.of != Self::OTHER).collect()
    }
}

/// How a step of a login can end.
const LOGINS: [&str; 19] = [
    "logged_in",
    "otp_required",
    "totp_setup_required",
    "password_change_required",
    "terms_required",
    "session_conflict",
    "cancelled",
    "invalid_credentials",
    "invalid_code",
    "locked_out",
    "email_unverified",
    "account_disabled",
    "busy",
    "ticket_invalid",
    "password_too_weak",
    "terms_not_accepted",
    "session_limit",
    "mode_disabled",
    "unavailable",
];

/// The counters of an engine.
#[derive(Debug)]
pub(crate) struct Meter {
    logins: Tally,
    restrictions: Tally,
    sessions_opened: AtomicU64,
    sessions_ended: Tally,
    stale: Tally,
    store_faults: Tally,
    mails: Tally,
    events: Tally,
    refusals: Tally,
}

impl Default for Meter {
    fn default() -> Self {
        let events = || Tally::of(AuditName::ALL.iter().map(|name| name.name()));
        Self {
            logins: Tally::of(LOGINS),
            restrictions: Tally::of(["account", "known_browser", "unknown", "access_key", "address"]),
            sessions_opened: AtomicU64::new(0),
            sessions_ended: Tally::of(EndReason::ALL.iter().map(|reason| reason.name())),
            stale: Tally::of(["directory", "sessions"]),
            store_faults: Tally::of(["directory", "sessions", "lockouts", "tickets"]),
            mails: Tally::of(["sent", "failed", "given_up"]),
            events: events(),
            refusals: events(),
        }
    }
}

impl Meter {
    /// A step of a login ended.
    pub(crate) fn login(&self, step: Result<&LoginStep, &Failure<LoginRefusal>>) {
        let ended = match step {
            Ok(step) => step.status(),
            Err(Failure::Refused(refusal)) => refusal.code(),
            Err(Failure::Fault(_)) => "unavailable",
        };
        self.logins.add(ended, 1);
    }

    /// Something became of a mail: `sent`, `failed` or `given_up`.
    pub(crate) fn mail(&self, became: &'static str) {
        self.mails.add(became, 1);
    }

    fn restricted(&self, subject: &LockoutSubject) {
        let of = match subject {
            LockoutSubject::Account(_) => "account",
            LockoutSubject::KnownBrowser(..) => "known_browser",
            LockoutSubject::Unknown(_) => "unknown",
            LockoutSubject::AccessKey(_) => "access_key",
            LockoutSubject::Address(_) => "address",
        };
        self.restrictions.add(of, 1);
    }

    fn event(&self, event: &AuditEvent) {
        let tally = match event.outcome {
            AuditOutcome::Success => &self.events,
            AuditOutcome::Refusal => &self.refusals,
        };
        tally.add(event.name.name(), 1);
    }
}

impl Engine {
    /// What this engine has done since its start, and what is before it now. Reads the store once, to measure the outbox.
    pub async fn metrics(&self) -> Metrics {
        let outbox = self.directory().outbox_size().await.ok();
        let meter = self.meter();
        Metrics {
            logins: meter.logins.counts(),
            restrictions: meter.restrictions.counts(),
            sessions_opened: meter.sessions_opened.load(Ordering::Relaxed),
            sessions_ended: meter.sessions_ended.counts(),
            hashing: self.hashing().load(),
            stale: meter.stale.counts(),
            store_faults: meter.store_faults.counts(),
            mails: meter.mails.counts(),
            outbox,
            events: meter.events.counts(),
            refusals: meter.refusals.counts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_each_kind_and_never_makes_one_up() {
        let tally = Tally::of(["one", "two"]);
        tally.add("two", 3);
        assert_eq!(tally.counts(), [Count { of: "one", count: 0 }, Count { of: "two", count: 3 }]);
        tally.add("somebody@example.org", 1);
        tally.add("anything", 1);
        assert_eq!(tally.counts()[2], Count { of: "other", count: 2 });
    }
}
