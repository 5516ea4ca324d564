//! The load on the hashing threads: how long callers wait, and what is before them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the hashing threads have done since the start, and have before them now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashingLoad {
    /// Hashes computed, for hashing or verifying.
    pub evaluations: u64,
    /// Callers who were told `busy`.
    pub busy: u64,
    /// Threads.
    pub threads: usize,
    /// Threads at work now.
    pub running: usize,
    /// Callers who have a place in the queue now.
    pub waiting: usize,
    /// Callers who wait for a place now, since their like hold too many.
    pub outside: usize,
    /// How long callers waited for a thread.
    pub waits: Waits,
}

/// How long callers waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// How many waited at most so long, and longer than those before; `None` is longer than all.
    pub buckets: Vec<(Option<Duration>, u64)>,
    /// All waits together.
    pub sum: Duration,
}

/// The upper ends of the buckets, in milliseconds.
const BOUNDS: [u64; 10] = [1, 5, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000];

/// Counts waits.
#[derive(Debug, Default)]
pub(super) struct WaitCounter {
    within: [AtomicU64; BOUNDS.len()],
    longer: AtomicU64,
    sum_millis: AtomicU64,
}

impl WaitCounter {
    pub(super) fn add(&self, wait: Duration) {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().zip(&self.within).find(|(bound, _)| millis <= **bound);
        bucket.map_or(&self.longer, |(_, counter)| counter).fetch_add(1, Ordering::Relaxed);
        self.sum_millis.fetch_add(millis, Ordering::Relaxed);
    }

    pub(super) fn waits(&self) -> Waits {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let bounded = BOUNDS.iter().map(|bound| Some(Duration::from_millis(*bound)));
        let mut buckets: Vec<_> = bounded.zip(self.within.iter().map(read)).collect();
        buckets.push((None, read(&self.longer)));
        Waits { buckets, sum: Duration::from_millis(read(&self.sum_millis)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_counted_in_the_first_bucket_that_holds_it() {
        let counter = WaitCounter::default();
        for millis in [0, 1, 2, 5, 6, 5_000, 5_001, 90_000] {
            counter.add(Duration::from_millis(millis));
        }
        let waits = counter.waits();
        let counts: Vec<u64> = waits.buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 2, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(waits.sum, Duration::from_millis(100_015));
        assert_eq!(waits.buckets.last().unwrap().0, None);
    }
}
