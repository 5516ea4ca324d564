//! Counters of guesses, and rates: [`LockoutStore`].
//!
//! The rule is core's: a step loads the count under a row lock, runs the pure transition and stores the count, in one
//! transaction.

use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use doorwarden_core::error::Fault;
use doorwarden_core::lockout::{
    Charge, Escalation, Forget, Forgiven, GuessId, GuessKind, Lockout, LockoutRule, LockoutSubject, Restriction,
    Settled, Verdict,
};
use doorwarden_core::rate::{Admission, RateKey, RateLimit, RateWindow};
use doorwarden_core::store::LockoutStore;
use doorwarden_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::PostgresStore;
use crate::connections::{Params, Session as Database};
use crate::fault::{Trouble, Undone};
use crate::record::{from_row, sql_bytes, sql_limit, to_body};
use crate::schema::statements;

statements! {
    COUNTER = "SELECT body FROM counters WHERE kind = $1 AND subject = $2";
    HOLD = "SELECT body, used, (SELECT last_value FROM uses) FROM counters
        WHERE kind = $1 AND subject = $2 FOR UPDATE";
    CREATE = "INSERT INTO counters (kind, subject, forgettable_at, pool, used, body)
        VALUES ($1, $2, $3, $4, nextval('uses'), $5) ON CONFLICT DO NOTHING";
    STORE = "UPDATE counters SET forgettable_at = $3, body = $4 WHERE kind = $1 AND subject = $2";
    STORE_USE = "UPDATE counters SET used = nextval('uses') WHERE kind = $1 AND subject = $2";
    STORE_BODY = "UPDATE counters SET body = $3 WHERE kind = $1 AND subject = $2";
    CLEAR = "DELETE FROM counters WHERE kind = $1 AND subject = $2";
    /// The row is held by who has just made a counter of the pool, until its commit.
    IN_POOL = "SELECT counters FROM pools WHERE pool = $1";
    /// Skipping what others hold: they may be waiting for the pool.
    EVICT = "DELETE FROM counters WHERE (kind, subject) IN
        (SELECT kind, subject FROM counters WHERE pool = $1 ORDER BY used LIMIT $2 FOR UPDATE SKIP LOCKED)";
    SWEEP = "DELETE FROM counters WHERE (kind, subject) IN
        (SELECT kind, subject FROM counters WHERE forgettable_at < $1 ORDER BY forgettable_at LIMIT $2
         FOR UPDATE SKIP LOCKED)";
}

/// Lifting knows no rule; the time it yields is zero exactly where nothing is left of the count.
const NO_RULE: LockoutRule = LockoutRule {
    max_failures: 0,
    duration: Duration::ZERO,
    forget: Forget::AfterLast(Duration::ZERO),
    escalation: Escalation::Off,
};

/// The key of one row, and how many of its pool are kept.
#[derive(Debug, Clone, Copy)]
struct Counter {
    kind: char,
    subject: [u8; 32],
    max_counters: i64,
}

/// One transition of a count and its input.
#[derive(Debug, Clone, Copy)]
struct Step<I> {
    counter: Counter,
    now: Timestamp,
    input: I,
}

#[async_trait]
impl LockoutStore for PostgresStore {
    async fn charge(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        kind: GuessKind,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Charge, Fault> {
        let step = self.step(subject.key(), now, (guess, kind, *rule));
        self.write("charging a guess of", step.counter.name(), step, |database, step| {
            let (guess, kind, rule) = step.input;
            let now = step.now;
            Box::pin(step.counter.change(database, move |lockout: &mut Lockout| {
                let charge = lockout.charge(guess, kind, &rule, now);
                (charge, lockout.forgettable_at(&rule))
            }))
        })
        .await
    }

    async fn settle(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        verdict: Verdict,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Settled, Fault> {
        let step = self.step(subject.key(), now, (guess, verdict, *rule));
        self.write("settling a guess of", step.counter.name(), step, |database, step| {
            let (guess, verdict, rule) = step.input;
            let now = step.now;
            Box::pin(step.counter.change(database, move |lockout: &mut Lockout| {
                let settled = lockout.settle(guess, verdict, &rule, now);
                (settled, lockout.forgettable_at(&rule))
            }))
        })
        .await
    }

    async fn restriction(&self, subject: &LockoutSubject, now: Timestamp) -> Result<Option<Restriction>, Fault> {
        let step = self.step(subject.key(), now, ());
        self.read("loading restriction of", step.counter.name(), step, |database, step| {
            Box::pin(async move {
                let Counter { subject, .. } = step.counter;
                let row = database.row(COUNTER, &[&step.counter.kind(), &&subject[..]]).await?;
                let lockout: Option<Lockout> =
                    row.map(|row| from_row("counters", step.counter.name(), &row)).transpose()?;
                Ok(lockout.and_then(|lockout| lockout.restriction(step.now)))
            })
        })
        .await
    }

    async fn lift(&self, subject: &LockoutSubject, forgiven: Forgiven, now: Timestamp) -> Result<bool, Fault> {
        let step = self.step(subject.key(), now, forgiven);
        self.write("lifting restriction of", step.counter.name(), step, |database, step| {
            Box::pin(step.counter.lift(database, step.input, step.now))
        })
        .await
    }

    async fn admit(&self, key: &RateKey, limit: &RateLimit, now: Timestamp) -> Result<Admission, Fault> {
        let step = self.step(('r', *key.0.as_bytes()), now, *limit);
        self.write("counting rate", step.counter.name(), step, |database, step| {
            let (limit, now) = (step.input, step.now);
            Box::pin(step.counter.change(database, move |window: &mut RateWindow| {
                let admission = window.admit(&limit, now);
                (admission, window.forgettable_at(&limit))
            }))
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.act("sweeping", "counters", (now, limit), |database, (now, limit)| {
            Box::pin(async move {
                let swept = database.execute(SWEEP, &[&now.as_millis(), &sql_limit(*limit)]).await?;
                Ok(usize::try_from(swept).unwrap_or(usize::MAX))
            })
        })
        .await
    }
}

impl PostgresStore {
    fn step<I>(&self, (kind, subject): (char, [u8; 32]), now: Timestamp, input: I) -> Step<I> {
        Step { counter: Counter { kind, subject, max_counters: self.max_counters() }, now, input }
    }
}

impl Counter {
    fn kind(&self) -> String {
        self.kind.to_string()
    }

    /// Where to find the row, for faults.
    fn name(&self) -> String {
        format!("{} {}", self.kind, sql_bytes(&self.subject))
    }

    /// What is bounded together with this one, if anything is.
    fn pool(&self) -> Option<&'static str> {
        match self.kind {
            'a' | 'b' | 'k' => None,
            'r' => Some("rates"),
            _ => Some("strangers"),
        }
    }

    /// Loads the count, a new one if there is none, runs the transition, and stores what it became.
    ///
    /// The transition may be run again on another count, where somebody else made the first one meanwhile.
    async fn change<C, T>(
        &self,
        database: &Database<'_>,
        transition: impl Fn(&mut C) -> (T, Timestamp),
    ) -> Result<T, Undone<Infallible>>
    where
        C: Serialize + DeserializeOwned + Default + PartialEq + Clone,
    {
        let (kind, subject) = (self.kind(), &self.subject[..]);
        loop {
            let Some(row) = database.row(HOLD, &[&kind, &subject]).await? else {
                let mut count = C::default();
                let (answer, forgettable_at) = transition(&mut count);
                if forgettable_at == Timestamp::default() || self.create(database, &count, forgettable_at).await? {
                    return Ok(answer);
                }
                continue;
            };
            let before: C = from_row("counters", self.name(), &row)?;
            let mut count = before.clone();
            let (answer, forgettable_at) = transition(&mut count);
            if forgettable_at == Timestamp::default() {
                database.execute(CLEAR, &[&kind, &subject]).await?;
            } else if count != before {
                let body = to_body(&count)?;
                database.execute(STORE, &[&kind, &subject, &forgettable_at.as_millis(), &body]).await?;
            }
            let (used, last): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            // A refusal that changes nothing needn't be written, unless eviction would come near.
            if self.pool().is_some() && used <= last.saturating_sub(self.max_counters / 4) {
                database.execute(STORE_USE, &[&kind, &subject]).await?;
            }
            return Ok(answer);
        }
    }

    /// Makes the row; `false` if somebody else just did. Those of its pool that were left alone the longest make room.
    async fn create<C: Serialize>(
        &self,
        database: &Database<'_>,
        count: &C,
        forgettable_at: Timestamp,
    ) -> Result<bool, Trouble> {
        let (kind, subject, body) = (self.kind(), &self.subject[..], to_body(count)?);
        let columns: Params<'_> = &[&kind, &subject, &forgettable_at.as_millis(), &self.pool(), &body];
        if database.execute(CREATE, columns).await? == 0 {
            return Ok(false);
        }
        let Some(pool) = self.pool() else { return Ok(true) };
        let row = database.row(IN_POOL, &[&pool]).await?;
        let counters: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
        if counters > self.max_counters {
            database.execute(EVICT, &[&pool, &(counters - self.max_counters)]).await?;
        }
        Ok(true)
    }

    async fn lift(
        &self,
        database: &Database<'_>,
        forgiven: Forgiven,
        now: Timestamp,
    ) -> Result<bool, Undone<Infallible>> {
        let (kind, subject) = (self.kind(), &self.subject[..]);
        let Some(row) = database.row(HOLD, &[&kind, &subject]).await? else { return Ok(false) };
        let mut lockout: Lockout = from_row("counters", self.name(), &row)?;
        let stood = lockout.lift(forgiven, now);
        if lockout.forgettable_at(&NO_RULE) == Timestamp::default() {
            database.execute(CLEAR, &[&kind, &subject]).await?;
        } else {
            // Guesses in flight stay, and codes after a reset, and with them the time that their rule gave.
            database.execute(STORE_BODY, &[&kind, &subject, &to_body(&lockout)?]).await?;
        }
        Ok(stood)
    }
}
