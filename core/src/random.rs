//! Chance, injected: the [`SecureRandom`] port.

use std::fmt;

use crate::error::Fault;

/// The generator behind every token, salt, nonce and id.
///
/// An implementation promises:
/// 1. The bytes can't be told from chance by anyone (a cryptographic generator, seeded by the system).
/// 2. It fails rather than returning weaker bytes.
pub trait SecureRandom: Send + Sync + fmt::Debug {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// The generator is not available.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Fault>;
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl SecureRandom for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Fault> {
        getrandom::fill(bytes).map_err(|source| Fault::new("drawing random bytes", "the operating system", source))
    }
}

/// `N` fresh random bytes.
pub(crate) fn draw<const N: usize>(random: &dyn SecureRandom) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}
