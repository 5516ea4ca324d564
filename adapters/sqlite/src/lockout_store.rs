//! Counters of guesses, and rates: [`LockoutStore`].
//!
//! The rule is core's: a step loads the count, runs the pure transition and stores the count, inside one transaction of
//! the writer, which holds the file's write lock.

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
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::SqliteStore;
use crate::fault::Trouble;
use crate::record::{from_row, sql_blob, sql_limit, to_body};
use crate::schema::statements;

statements! {
    COUNTER = "SELECT subject, body, used FROM counters WHERE kind = ?1 AND subject = ?2";
    STORE = "INSERT INTO counters (kind, subject, forgettable_at, pool, used, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (kind, subject)
        DO UPDATE SET forgettable_at = excluded.forgettable_at, used = excluded.used, body = excluded.body";
    STORE_BODY = "UPDATE counters SET body = ?3 WHERE kind = ?1 AND subject = ?2";
    CLEAR = "DELETE FROM counters WHERE kind = ?1 AND subject = ?2";
    LAST_USE = "SELECT coalesce(max(used), 0) FROM counters WHERE pool = ?1";
    IN_POOL = "SELECT counters FROM pools WHERE pool = ?1";
    EVICT = "DELETE FROM counters WHERE (kind, subject) IN
        (SELECT kind, subject FROM counters WHERE pool = ?1 ORDER BY used LIMIT ?2)";
    SWEEP = "DELETE FROM counters WHERE (kind, subject) IN
        (SELECT kind, subject FROM counters WHERE forgettable_at < ?1 ORDER BY forgettable_at LIMIT ?2)";
}

/// Lifting knows no rule; the time it yields is zero exactly where nothing is left of the count.
const NO_RULE: LockoutRule = LockoutRule {
    max_failures: 0,
    duration: Duration::ZERO,
    forget: Forget::AfterLast(Duration::ZERO),
    escalation: Escalation::Off,
};

#[async_trait]
impl LockoutStore for SqliteStore {
    async fn charge(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        kind: GuessKind,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Charge, Fault> {
        let (counter, rule, max) = (Counter::of(subject), *rule, self.max_counters());
        self.write("charging a guess of", counter.name(), move |c| {
            counter.step(c, max, |lockout: &mut Lockout| {
                let charge = lockout.charge(guess, kind, &rule, now);
                (charge, lockout.forgettable_at(&rule))
            })
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
        let (counter, rule, max) = (Counter::of(subject), *rule, self.max_counters());
        self.write("settling a guess of", counter.name(), move |c| {
            counter.step(c, max, |lockout: &mut Lockout| {
                let settled = lockout.settle(guess, verdict, &rule, now);
                (settled, lockout.forgettable_at(&rule))
            })
        })
        .await
    }

    async fn restriction(&self, subject: &LockoutSubject, now: Timestamp) -> Result<Option<Restriction>, Fault> {
        let counter = Counter::of(subject);
        self.read("loading restriction of", counter.name(), |c| {
            Ok(counter.load::<Lockout>(c)?.and_then(|stored| stored.count.restriction(now)))
        })
    }

    async fn lift(&self, subject: &LockoutSubject, forgiven: Forgiven, now: Timestamp) -> Result<bool, Fault> {
        let counter = Counter::of(subject);
        self.write("lifting restriction of", counter.name(), move |c| {
            let Some(Stored { count: mut lockout, .. }) = counter.load::<Lockout>(c)? else { return Ok(false) };
            let stood = lockout.lift(forgiven, now);
            match lockout.forgettable_at(&NO_RULE) {
                ended if ended == Timestamp::default() => counter.clear(c)?,
                // Guesses in flight stay, and codes after a reset, and with them the time that their rule gave.
                _ => counter.store_body(c, &lockout)?,
            }
            Ok(stood)
        })
        .await
    }

    async fn admit(&self, key: &RateKey, limit: &RateLimit, now: Timestamp) -> Result<Admission, Fault> {
        let (counter, limit, max) = (Counter::of_rate(key), *limit, self.max_counters());
        self.write("counting rate", counter.name(), move |c| {
            counter.step(c, max, |window: &mut RateWindow| {
                let admission = window.admit(&limit, now);
                (admission, window.forgettable_at(&limit))
            })
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.write("sweeping", "counters", move |c| {
            Ok(c.prepare_cached(SWEEP)?.execute(params![now.as_millis(), sql_limit(limit)])?)
        })
        .await
    }
}

/// The key of one row.
#[derive(Debug, Clone, Copy)]
struct Counter {
    kind: char,
    subject: [u8; 32],
}

/// What a row holds.
#[derive(Debug)]
struct Stored<C> {
    count: C,
    used: i64,
}

impl Counter {
    fn of(subject: &LockoutSubject) -> Self {
        let (kind, subject) = subject.key();
        Self { kind, subject }
    }

    fn of_rate(key: &RateKey) -> Self {
        Self { kind: 'r', subject: *key.0.as_bytes() }
    }

    /// Where to find the row, for faults.
    fn name(&self) -> String {
        format!("{} {}", self.kind, sql_blob(&self.subject))
    }

    /// What is bounded together: accounts and access keys are as many as there are, strangers make up the rest.
    fn pool(&self) -> Option<&'static str> {
        match self.kind {
            'a' | 'b' | 'k' => None,
            'r' => Some("rates"),
            _ => Some("strangers"),
        }
    }

    /// Applies a pure transition, which also says when the count may be forgotten: never, if nothing is left of it.
    fn step<C, A>(
        &self,
        connection: &Connection,
        max_counters: u32,
        transition: impl FnOnce(&mut C) -> (A, Timestamp),
    ) -> Result<A, Trouble>
    where
        C: Clone + Default + PartialEq + Serialize + DeserializeOwned,
    {
        let stored = self.load::<C>(connection)?;
        let mut count = stored.as_ref().map(|stored| stored.count.clone()).unwrap_or_default();
        let (answer, forgettable_at) = transition(&mut count);
        let use_now = self.use_after(connection, stored.as_ref().map(|stored| stored.used), max_counters)?;
        match &stored {
            None if forgettable_at == Timestamp::default() => {}
            None => {
                self.make_room(connection, max_counters)?;
                self.store(connection, &count, forgettable_at, use_now)?;
            }
            Some(_) if forgettable_at == Timestamp::default() => self.clear(connection)?,
            Some(before) if before.count == count && before.used == use_now => {}
            Some(_) => self.store(connection, &count, forgettable_at, use_now)?,
        }
        Ok(answer)
    }

    fn load<C: DeserializeOwned>(&self, connection: &Connection) -> Result<Option<Stored<C>>, Trouble> {
        let mut statement = connection.prepare_cached(COUNTER)?;
        let mut rows = statement.query(params![self.kind_text(), self.subject])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Stored { count: from_row("counters", row)?, used: row.get(2)? }))
    }

    fn store<C: Serialize>(
        &self,
        connection: &Connection,
        count: &C,
        forgettable_at: Timestamp,
        used: i64,
    ) -> Result<(), Trouble> {
        let (kind, body) = (self.kind_text(), to_body(count)?);
        let columns = params![kind, self.subject, forgettable_at.as_millis(), self.pool(), used, body];
        connection.prepare_cached(STORE)?.execute(columns)?;
        Ok(())
    }

    fn store_body<C: Serialize>(&self, connection: &Connection, count: &C) -> Result<(), Trouble> {
        connection.prepare_cached(STORE_BODY)?.execute(params![self.kind_text(), self.subject, to_body(count)?])?;
        Ok(())
    }

    fn clear(&self, connection: &Connection) -> Result<(), Trouble> {
        connection.prepare_cached(CLEAR)?.execute(params![self.kind_text(), self.subject])?;
        Ok(())
    }

    /// The use that this step is, unless the last one is recent: a refusal that changes nothing needn't be written.
    ///
    /// Eviction goes by use and not by the end of the time, else a flood of fresh counters would push out the one of an
    /// address that is guessing right now.
    fn use_after(&self, connection: &Connection, used: Option<i64>, max_counters: u32) -> Result<i64, Trouble> {
        let Some(pool) = self.pool() else { return Ok(0) };
        let last: i64 = connection.prepare_cached(LAST_USE)?.query_row([pool], |row| row.get(0))?;
        let recent = last.saturating_sub(i64::from(max_counters / 4));
        Ok(used.filter(|used| *used > recent).unwrap_or(last.saturating_add(1)))
    }

    /// Before one more is made, evicts those of its pool that were left alone the longest.
    fn make_room(&self, connection: &Connection, max_counters: u32) -> Result<(), Trouble> {
        let Some(pool) = self.pool() else { return Ok(()) };
        let counters = connection.prepare_cached(IN_POOL)?.query_row([pool], |row| row.get(0)).optional()?;
        let excess = counters.unwrap_or(0_i64) + 1 - i64::from(max_counters.max(1));
        if excess > 0 {
            connection.prepare_cached(EVICT)?.execute(params![pool, excess])?;
        }
        Ok(())
    }

    fn kind_text(&self) -> String {
        self.kind.to_string()
    }
}

#[cfg(test)]
mod tests {
    use doorwarden_core::token::Digest;
    use futures_executor::block_on;

    use super::*;
    use crate::SqliteConfig;

    const RULE: LockoutRule = LockoutRule {
        max_failures: 10,
        duration: Duration::from_secs(1_200),
        forget: Forget::AfterFirst(Duration::from_secs(600)),
        escalation: Escalation::Off,
    };

    fn store(max_counters: u32) -> (SqliteStore, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let mut config = SqliteConfig::new(directory.path().join("w.db"));
        config.max_counters = max_counters;
        (SqliteStore::open(&config).unwrap(), directory)
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    fn address(number: i64) -> LockoutSubject {
        LockoutSubject::Address(Digest::of(&number.to_be_bytes()))
    }

    fn fail(store: &SqliteStore, subject: &LockoutSubject, now: Timestamp) -> Charge {
        let guess = GuessId(now.as_millis().unsigned_abs().into());
        let charge = block_on(store.charge(subject, guess, GuessKind::Password, &RULE, now)).unwrap();
        block_on(store.settle(subject, guess, Verdict::Failed, &RULE, now)).unwrap();
        charge
    }

    fn rows(store: &SqliteStore, statement: &str) -> i64 {
        let count = |c: &Connection| Ok(c.query_row(statement, [], |row| row.get(0))?);
        store.read("counting", "rows", count).unwrap()
    }

    #[test]
    fn gu10_a_flood_of_fresh_addresses_never_evicts_the_one_that_guesses_on() {
        let (store, _directory) = store(10);
        let guessing = address(-1);
        for now in 0..11 {
            fail(&store, &guessing, at(now));
        }
        let (key, limit) = (RateKey(Digest::of(b"r")), RateLimit::per_hour(1));
        block_on(store.admit(&key, &limit, at(11))).unwrap();
        for number in 12..100 {
            assert!(matches!(fail(&store, &guessing, at(number)), Charge::Restricted { .. }), "{number}");
            let refused = block_on(store.admit(&key, &limit, at(number))).unwrap();
            assert!(matches!(refused, Admission::Refused { .. }), "{number}");
            fail(&store, &address(number), at(number));
            block_on(store.admit(&RateKey(Digest::of(&number.to_be_bytes())), &limit, at(number))).unwrap();
        }
        assert_eq!(rows(&store, "SELECT count(*) FROM counters WHERE kind = 'i'"), 10);
        assert_eq!(rows(&store, "SELECT count(*) FROM counters WHERE kind = 'r'"), 10);
    }

    #[test]
    fn the_file_knows_how_many_counters_a_pool_holds() {
        let (store, _directory) = store(7);
        for number in 0..30 {
            fail(&store, &address(number), at(number));
            fail(&store, &LockoutSubject::Unknown(Digest::of(&number.to_be_bytes())), at(number));
            fail(&store, &LockoutSubject::AccessKey(Digest::of(&number.to_be_bytes())), at(number));
            block_on(store.admit(&RateKey(Digest::of(&number.to_be_bytes())), &RateLimit::per_hour(1), at(number)))
                .unwrap();
            block_on(LockoutStore::sweep(&store, at(600_000 + number - 4), 1)).unwrap();
            let counted = rows(&store, "SELECT count(*) FROM counters WHERE pool IS NOT NULL");
            assert_eq!(rows(&store, "SELECT sum(counters) FROM pools"), counted, "{number}");
            assert!(counted <= 14);
        }
    }

    #[test]
    fn a_count_of_nothing_takes_no_room() {
        let (store, _directory) = store(100);
        let account = LockoutSubject::AccessKey(Digest::of(b"k"));
        block_on(store.charge(&account, GuessId(1), GuessKind::Password, &RULE, at(0))).unwrap();
        block_on(store.settle(&account, GuessId(1), Verdict::Completed, &RULE, at(0))).unwrap();
        assert_eq!(rows(&store, "SELECT count(*) FROM counters"), 0);
        fail(&store, &account, at(1));
        assert!(!block_on(store.lift(&account, Forgiven::All, at(2))).unwrap());
        block_on(store.settle(&account, GuessId(9), Verdict::Withdrawn, &RULE, at(3))).unwrap();
        block_on(store.admit(&RateKey(Digest::of(b"r")), &RateLimit::per_hour(0), at(4))).unwrap();
        assert_eq!(rows(&store, "SELECT count(*) FROM counters"), 0);
    }

    #[test]
    fn lifting_leaves_guesses_in_flight_charged() {
        let (store, _directory) = store(100);
        let account = LockoutSubject::AccessKey(Digest::of(b"k"));
        for guess in 0..11 {
            block_on(store.charge(&account, GuessId(guess), GuessKind::Password, &RULE, at(0))).unwrap();
        }
        block_on(store.lift(&account, Forgiven::All, at(1))).unwrap();
        let next = block_on(store.charge(&account, GuessId(11), GuessKind::Password, &RULE, at(2))).unwrap();
        assert_eq!(next, Charge::Undecided);
    }
}
