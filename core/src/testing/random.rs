//! Chance that repeats: [`SeededRandom`].

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::error::Fault;
use crate::random::SecureRandom;

/// A generator that gives the same bytes for the same seed, call by call: SHA-256 of the seed and a counter.
///
/// Only for tests: who knows the seed knows every token. Threads may share it; each call gets bytes of its own, in the
/// order of the calls.
///
/// ```
/// use doorwarden_core::random::SecureRandom;
/// use doorwarden_core::testing::SeededRandom;
///
/// let (mut first, mut again) = ([0; 32], [0; 32]);
/// SeededRandom::new(7).fill(&mut first)?;
/// SeededRandom::new(7).fill(&mut again)?;
/// assert_eq!(first, again);
/// # Ok::<(), doorwarden_core::error::Fault>(())
/// ```
#[derive(Debug, Default)]
pub struct SeededRandom {
    seed: u64,
    calls: AtomicU64,
}

impl SeededRandom {
    /// The generator of `seed`, at its beginning.
    pub const fn new(seed: u64) -> Self {
        Self { seed, calls: AtomicU64::new(0) }
    }
}

impl SecureRandom for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Fault> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        for (block, chunk) in (0u64..).zip(bytes.chunks_mut(32)) {
            let mut hash = Sha256::new();
            for number in [self.seed, call, block] {
                hash.update(number.to_be_bytes());
            }
            chunk.iter_mut().zip(hash.finalize()).for_each(|(byte, drawn)| *byte = drawn);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::random::draw;

    #[test]
    fn one_seed_gives_one_sequence_and_another_seed_another() {
        let sequence = |seed| {
            let random = SeededRandom::new(seed);
            [draw::<70>(&random).unwrap(), draw::<70>(&random).unwrap()]
        };
        assert_eq!(sequence(1), sequence(1));
        assert_ne!(sequence(1), sequence(2));
    }

    #[test]
    fn no_bytes_are_given_twice_though_threads_share_it() {
        let random = SeededRandom::default();
        let drawn: Vec<[u8; 16]> = std::thread::scope(|scope| {
            let draw_many = || (0..500).map(|_| draw::<16>(&random).unwrap()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw_many)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 2_000);
    }

    #[test]
    fn every_byte_of_a_long_request_is_drawn() {
        let bytes = draw::<1_000>(&SeededRandom::new(3)).unwrap();
        assert!(bytes.chunks(32).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
        assert_eq!(bytes.chunks(32).collect::<HashSet<_>>().len(), 32);
    }
}
