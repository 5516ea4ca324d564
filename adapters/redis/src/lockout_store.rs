//! Counters of guesses, and rates: [`LockoutStore`].
//!
//! The rule is core's: a step reads the count, runs the pure transition, and stores the count if nobody wrote it in
//! between; else it reads again.

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

use crate::connections::{Link, chance};
use crate::fault::Trouble;
use crate::key::{Partition, hex};
use crate::record::{Stamp, digits, from_stamped, scripts, stamped, time_to_live};
use crate::sweep::Sweep;
use crate::{RedisStore, TRIES};

const COUNT: &str = "count";
const FORGET: &str = "forget";
const STRANGERS: &str = "strangers";
const RATES: &str = "rates";

/// Evictable counters lie in one partition for each so many that may be.
const COUNTERS_A_PARTITION: u32 = 1_000;

scripts! {
    CHANGE = "change_count.lua";
    SWEEP = "sweep_counts.lua";
}

/// Lifting knows no rule; the time it yields is zero exactly where nothing is left of the count.
const NO_RULE: LockoutRule = LockoutRule {
    max_failures: 0,
    duration: Duration::ZERO,
    forget: Forget::AfterLast(Duration::ZERO),
    escalation: Escalation::Off,
};

#[async_trait]
impl LockoutStore for RedisStore {
    async fn charge(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        kind: GuessKind,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Charge, Fault> {
        let (counter, rule) = (Counter::of(subject, self.max_counters()), *rule);
        self.call("charging a guess of", counter.name(), |link| async move {
            let charge = |lockout: &mut Lockout| {
                let charge = lockout.charge(guess, kind, &rule, now);
                (charge, Keep::until(lockout.forgettable_at(&rule)))
            };
            counter.step(&link, now, charge).await
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
        let (counter, rule) = (Counter::of(subject, self.max_counters()), *rule);
        self.call("settling a guess of", counter.name(), |link| async move {
            let settle = |lockout: &mut Lockout| {
                let settled = lockout.settle(guess, verdict, &rule, now);
                (settled, Keep::until(lockout.forgettable_at(&rule)))
            };
            counter.step(&link, now, settle).await
        })
        .await
    }

    async fn restriction(&self, subject: &LockoutSubject, now: Timestamp) -> Result<Option<Restriction>, Fault> {
        let counter = Counter::of(subject, self.max_counters());
        self.call("loading restriction of", counter.name(), |link| async move {
            Ok(counter.load::<Lockout>(&link).await?.and_then(|(_, lockout)| lockout.restriction(now)))
        })
        .await
    }

    async fn lift(&self, subject: &LockoutSubject, forgiven: Forgiven, now: Timestamp) -> Result<bool, Fault> {
        let counter = Counter::of(subject, self.max_counters());
        self.call("lifting restriction of", counter.name(), |link| async move {
            let lift = |lockout: &mut Lockout| {
                let stood = lockout.lift(forgiven, now);
                // Guesses in flight stay, and codes after a reset, and with them the time that their rule gave.
                let is_left = lockout.forgettable_at(&NO_RULE) != Timestamp::default();
                (stood, if is_left { Keep::AsLong } else { Keep::Nothing })
            };
            counter.step(&link, now, lift).await
        })
        .await
    }

    async fn admit(&self, key: &RateKey, limit: &RateLimit, now: Timestamp) -> Result<Admission, Fault> {
        let (counter, limit) = (Counter::of_rate(key, self.max_counters()), *limit);
        self.call("counting rate", counter.name(), |link| async move {
            let admit = |window: &mut RateWindow| {
                let admission = window.admit(&limit, now);
                (admission, Keep::until(window.forgettable_at(&limit)))
            };
            counter.step(&link, now, admit).await
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        let time = now.as_millis();
        self.call("sweeping", "counters", |link| async move {
            let index = [FORGET, STRANGERS, RATES].map(str::to_owned).to_vec();
            Sweep { index, prefixes: &[COUNT], due: format!("({time}"), script: &SWEEP }.run(&link, time, limit).await
        })
        .await
    }
}

/// How long a count is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    AsLong,
    Until(Timestamp),
}

impl Keep {
    fn until(forgettable_at: Timestamp) -> Self {
        if forgettable_at == Timestamp::default() { Self::Nothing } else { Self::Until(forgettable_at) }
    }
}

/// One counter, and where it is.
#[derive(Debug, Clone, Copy)]
struct Counter {
    kind: char,
    subject: [u8; 32],
    partition: Partition,
    pool: Option<Pool>,
}

/// What is bounded together: accounts and access keys are as many as there are, strangers make up the rest.
#[derive(Debug, Clone, Copy)]
struct Pool {
    uses: &'static str,
    most_in_partition: u32,
}

impl Counter {
    fn of(subject: &LockoutSubject, max_counters: u32) -> Self {
        let (kind, subject) = subject.key();
        match kind {
            'a' | 'b' | 'k' => Self { kind, subject, partition: Partition::of_digest(&subject), pool: None },
            _ => Self::evictable(kind, subject, STRANGERS, max_counters),
        }
    }

    fn of_rate(key: &RateKey, max_counters: u32) -> Self {
        Self::evictable('r', *key.0.as_bytes(), RATES, max_counters)
    }

    fn evictable(kind: char, subject: [u8; 32], uses: &'static str, max_counters: u32) -> Self {
        let partitions = u8::try_from(max_counters / COUNTERS_A_PARTITION).unwrap_or(u8::MAX).max(1);
        let partition = Partition::of_digest(&subject).among(partitions);
        let pool = Pool { uses, most_in_partition: (max_counters / u32::from(partitions)).max(1) };
        Self { kind, subject, partition, pool: Some(pool) }
    }

    /// Where to find it, for faults.
    fn name(&self) -> String {
        format!("{} {}", self.kind, hex(&self.subject))
    }

    /// Its name in the indexes, which is also the end of its key.
    fn member(&self) -> Vec<u8> {
        let mut member = self.kind.to_string().into_bytes();
        member.extend_from_slice(&self.subject);
        member
    }

    fn key(&self) -> Vec<u8> {
        self.partition.key_of(COUNT, &[&self.member()])
    }

    async fn load<C: DeserializeOwned>(&self, link: &Link) -> Result<Option<(Stamp, C)>, Trouble> {
        let key = self.key();
        let stored: Option<Vec<u8>> = link.query(redis::cmd("GET").arg(&key)).await?;
        stored.map(|bytes| from_stamped(&key, &bytes)).transpose()
    }

    /// Applies a pure transition, which also says how long the count is kept; as often as another process writes the
    /// count in between.
    async fn step<C, A>(
        &self,
        link: &Link,
        now: Timestamp,
        transition: impl Fn(&mut C) -> (A, Keep),
    ) -> Result<A, Trouble>
    where
        C: Clone + Default + PartialEq + Serialize + DeserializeOwned,
    {
        let _queue = link.queue(&self.subject).await;
        let mut tried: Option<(Stamp, A)> = None;
        for _ in 0..TRIES {
            let stored = self.load::<C>(link).await?;
            let (read, before) = stored.unzip();
            // A cluster's connection may have sent it again after it was done.
            if let Some((stamp, answer)) = tried.take()
                && read == Some(stamp)
            {
                return Ok(answer);
            }
            let mut count = before.clone().unwrap_or_default();
            let (answer, keep) = transition(&mut count);
            let is_same = before.as_ref() == Some(&count) && self.pool.is_none();
            if is_same || before.is_none() && keep == Keep::Nothing {
                return Ok(answer);
            }
            let stamp = Stamp::new()?;
            if self.store(link, read, stamp, &count, (keep, now)).await? {
                return Ok(answer);
            }
            tried = Some((stamp, answer));
            tokio::time::sleep(chance(Duration::from_millis(5))?).await;
        }
        Err(Trouble::Outrun)
    }

    async fn store<C: Serialize>(
        &self,
        link: &Link,
        read: Option<Stamp>,
        stamp: Stamp,
        count: &C,
        (keep, now): (Keep, Timestamp),
    ) -> Result<bool, Trouble> {
        let read = read.map_or(Vec::new(), |stamp| stamp.as_bytes().to_vec());
        let (body, until, time_to_live) = match keep {
            Keep::Nothing => (Vec::new(), Vec::new(), Vec::new()),
            Keep::AsLong => (stamped(stamp, count)?, Vec::new(), b"keep".to_vec()),
            Keep::Until(until) if until.as_millis() == i64::MAX => {
                (stamped(stamp, count)?, b"+inf".to_vec(), b"none".to_vec())
            }
            Keep::Until(until) => (stamped(stamp, count)?, digits(until.as_millis()), time_to_live(now, until)),
        };
        let most = digits(self.pool.map_or(0, |pool| pool.most_in_partition));
        let (key, forget) = (self.key(), self.partition.key(FORGET));
        let uses = self.pool.map(|pool| self.partition.key(pool.uses));
        let keys: Vec<&[u8]> = [&key, &forget].into_iter().chain(&uses).map(Vec::as_slice).collect();
        let (member, prefix) = (self.member(), self.partition.prefix(COUNT));
        let arguments: [&[u8]; 7] = [&read, &body, &until, &time_to_live, &member, &prefix, &most];
        Ok(CHANGE.run::<u32>(link, &keys, &arguments).await? == 1)
    }
}
