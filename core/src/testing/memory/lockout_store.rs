//! Counters and rates in memory, bounded in number.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::MemoryStore;
use crate::error::Fault;
use crate::lockout::{
    Charge, Forgiven, GuessId, GuessKind, Lockout, LockoutRule, LockoutSubject, Restriction, Settled, Verdict,
};
use crate::rate::{Admission, RateKey, RateLimit, RateWindow};
use crate::store::LockoutStore;
use crate::time::Timestamp;

/// What a [`LockoutStore`] holds.
#[derive(Debug)]
pub(super) struct Counters {
    lockouts: Ledger<LockoutSubject, Lockout>,
    rates: Ledger<RateKey, RateWindow>,
}

impl Counters {
    pub(super) fn bounded_to(max_evictable: usize) -> Self {
        Self { lockouts: Ledger::new(max_evictable), rates: Ledger::new(max_evictable) }
    }
}

/// Values by key, of which a bounded number may be evicted, the one that was left alone the longest first.
///
/// By last use and not by when it is forgettable: a flood of fresh counters must not be what pushes out the counter
/// of an address that is guessing right now.
#[derive(Debug)]
struct Ledger<K, V> {
    entries: BTreeMap<K, Entry<V>>,
    by_forgettable: BTreeSet<(Timestamp, K)>,
    by_use: BTreeMap<u64, K>,
    uses: u64,
    max_evictable: usize,
}

#[derive(Debug, Default)]
struct Entry<V> {
    value: V,
    forgettable_at: Timestamp,
    evictable: Option<LastUse>,
}

/// The number of a use; a later one is larger.
#[derive(Debug, Clone, Copy)]
struct LastUse(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Eviction {
    Allowed,
    Never,
}

impl<K: Copy + Ord, V: Default> Ledger<K, V> {
    fn new(max_evictable: usize) -> Self {
        let (entries, by_forgettable, by_use) = Default::default();
        Self { entries, by_forgettable, by_use, uses: 0, max_evictable }
    }

    fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Changes a value, a new one if there is none; `change` says when it is forgettable then.
    fn change<T>(&mut self, key: K, eviction: Eviction, change: impl FnOnce(&mut V) -> (T, Timestamp)) -> T {
        let mut entry = self.remove(&key).unwrap_or_default();
        let (answer, forgettable_at) = change(&mut entry.value);
        self.uses += 1;
        let evictable = (eviction == Eviction::Allowed).then_some(LastUse(self.uses));
        self.insert(key, Entry { forgettable_at, evictable, ..entry });
        self.evict();
        answer
    }

    fn sweep(&mut self, before: Timestamp, limit: usize) -> usize {
        let over = self.by_forgettable.iter().take_while(|(at, _)| *at < before);
        let keys: Vec<K> = over.map(|(_, key)| *key).take(limit).collect();
        keys.iter().for_each(|key| drop(self.remove(key)));
        keys.len()
    }

    fn evict(&mut self) {
        while self.by_use.len() > self.max_evictable {
            let Some((_, key)) = self.by_use.pop_first() else { return };
            self.remove(&key);
        }
    }

    fn insert(&mut self, key: K, entry: Entry<V>) {
        self.by_forgettable.insert((entry.forgettable_at, key));
        self.by_use.extend(entry.evictable.map(|LastUse(number)| (number, key)));
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: &K) -> Option<Entry<V>> {
        let entry = self.entries.remove(key)?;
        self.by_forgettable.remove(&(entry.forgettable_at, *key));
        if let Some(LastUse(number)) = entry.evictable {
            self.by_use.remove(&number);
        }
        Some(entry)
    }
}

impl Ledger<LockoutSubject, Lockout> {
    fn transition<T>(
        &mut self,
        subject: &LockoutSubject,
        rule: &LockoutRule,
        transition: impl FnOnce(&mut Lockout) -> T,
    ) -> T {
        self.change(*subject, eviction(subject), |lockout| {
            let answer = transition(lockout);
            (answer, lockout.forgettable_at(rule))
        })
    }
}

fn eviction(subject: &LockoutSubject) -> Eviction {
    match subject {
        LockoutSubject::Unknown(_) | LockoutSubject::Address(_) => Eviction::Allowed,
        LockoutSubject::Account(_) | LockoutSubject::KnownBrowser(_, _) | LockoutSubject::AccessKey(_) => {
            Eviction::Never
        }
    }
}

#[async_trait]
impl LockoutStore for MemoryStore {
    async fn charge(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        kind: GuessKind,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Charge, Fault> {
        let charge = |lockout: &mut Lockout| lockout.charge(guess, kind, rule, now);
        Ok(self.state().counters.lockouts.transition(subject, rule, charge))
    }

    async fn settle(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        verdict: Verdict,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Settled, Fault> {
        let settle = |lockout: &mut Lockout| lockout.settle(guess, verdict, rule, now);
        Ok(self.state().counters.lockouts.transition(subject, rule, settle))
    }

    async fn restriction(&self, subject: &LockoutSubject, now: Timestamp) -> Result<Option<Restriction>, Fault> {
        Ok(self.state().counters.lockouts.peek(subject).and_then(|lockout| lockout.restriction(now)))
    }

    async fn lift(&self, subject: &LockoutSubject, forgiven: Forgiven, now: Timestamp) -> Result<bool, Fault> {
        let mut state = self.state();
        let lockouts = &mut state.counters.lockouts;
        let Some(forgettable_at) = lockouts.entries.get(subject).map(|entry| entry.forgettable_at) else {
            return Ok(false);
        };
        Ok(lockouts.change(*subject, eviction(subject), |lockout| (lockout.lift(forgiven, now), forgettable_at)))
    }

    async fn admit(&self, key: &RateKey, limit: &RateLimit, now: Timestamp) -> Result<Admission, Fault> {
        let admit = |window: &mut RateWindow| (window.admit(limit, now), window.forgettable_at(limit));
        Ok(self.state().counters.rates.change(*key, Eviction::Allowed, admit))
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        let mut state = self.state();
        let swept = state.counters.lockouts.sweep(now, limit);
        Ok(swept + state.counters.rates.sweep(now, limit - swept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger<u32, u32> {
        Ledger::new(2)
    }

    fn touch(ledger: &mut Ledger<u32, u32>, key: u32, eviction: Eviction, forgettable_at: i64) -> u32 {
        ledger.change(key, eviction, |count| {
            *count += 1;
            (*count, Timestamp::from_millis(forgettable_at))
        })
    }

    #[test]
    fn the_one_left_alone_the_longest_is_evicted_and_what_must_stay_stays() {
        let mut ledger = ledger();
        for key in [1, 2, 1] {
            touch(&mut ledger, key, Eviction::Allowed, 10);
        }
        touch(&mut ledger, 9, Eviction::Never, 10);
        touch(&mut ledger, 3, Eviction::Allowed, 5);
        assert_eq!(ledger.entries.keys().copied().collect::<Vec<_>>(), [1, 3, 9]);
        assert_eq!(ledger.peek(&1), Some(&2));
    }

    #[test]
    fn the_indexes_hold_what_the_entries_hold() {
        let mut ledger = ledger();
        for round in 0..50 {
            touch(
                &mut ledger,
                round % 7,
                if round % 3 == 0 { Eviction::Never } else { Eviction::Allowed },
                i64::from(round),
            );
            ledger.sweep(Timestamp::from_millis(i64::from(round) - 4), 1);
            let evictable = ledger.entries.values().filter(|entry| entry.evictable.is_some()).count();
            assert_eq!((ledger.by_forgettable.len(), ledger.by_use.len()), (ledger.entries.len(), evictable));
            assert!(evictable <= 2, "round {round}");
        }
    }
}
