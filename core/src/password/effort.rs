//! What the evaluation of a hash costs on this machine, so that a cheaper one can be padded.
//!
//! Within a scheme the work is counted. Between schemes only time compares, and that differs from machine to machine
//! (SHA-256 by a factor of ten), so each scheme's pace is measured, once.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Duration;

use super::argon2::Argon2Hash;
use super::bcrypt::Bcrypt;
use super::pbkdf2::{self, Digest};
use super::scrypt::Scrypt;

/// What a scheme's work is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Rounds: two to the power of the cost.
    Bcrypt,
    /// Passes over a KiB.
    Argon2,
    /// Rounds of a block.
    Pbkdf2Sha256,
    /// Rounds of a block.
    Pbkdf2Sha512,
    /// N × r × p.
    Scrypt,
}

/// The work of one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effort {
    pub(super) unit: Unit,
    pub(super) count: u64,
}

/// By how many units of `asked` the effort `own` is smaller. `pace` says how long a unit takes.
pub(super) fn missing(own: Effort, asked: Effort, pace: impl Fn(Unit) -> f64) -> u64 {
    let converted = match own.unit == asked.unit {
        true => own.count,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a measure"
        )]
        false => (own.count as f64 * pace(own.unit) / pace(asked.unit)) as u64,
    };
    asked.count.saturating_sub(converted)
}

/// Nanoseconds that a unit takes on this machine.
pub(super) fn pace(unit: Unit) -> f64 {
    const UNITS: [Unit; 5] = [Unit::Bcrypt, Unit::Argon2, Unit::Pbkdf2Sha256, Unit::Pbkdf2Sha512, Unit::Scrypt];
    static PACES: OnceLock<[f64; 5]> = OnceLock::new();
    let paces = PACES.get_or_init(|| UNITS.map(measured));
    UNITS.iter().zip(paces).find(|(known, _)| **known == unit).map_or(1.0, |(_, pace)| *pace)
}

/// The quickest of some tries: what else the machine does can only make one slower.
fn measured(unit: Unit) -> f64 {
    const TRIES: usize = 3;
    let (count, run): (u32, Box<dyn Fn()>) = match unit {
        Unit::Bcrypt => {
            let dummy = Bcrypt::dummy(4);
            (1 << 4, Box::new(move || _ = black_box(Bcrypt::read(&dummy).map(|hash| hash.verify(Some(b"pace"))))))
        }
        Unit::Argon2 => {
            let dummy = Argon2Hash::dummy(8_192);
            (8_192, Box::new(move || _ = black_box(Argon2Hash::read(&dummy).map(|hash| hash.verify(Some(b"pace"))))))
        }
        Unit::Pbkdf2Sha256 => {
            (2_000, Box::new(|| pbkdf2::derive(Digest::Sha256, b"pace", b"salt", 2_000, &mut [0; 32])))
        }
        Unit::Pbkdf2Sha512 => {
            (2_000, Box::new(|| pbkdf2::derive(Digest::Sha512, b"pace", b"salt", 2_000, &mut [0; 64])))
        }
        Unit::Scrypt => {
            const SAMPLE: &str = "$scrypt$ln=9,r=8,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA";
            (1 << 12, Box::new(|| _ = black_box(Scrypt::read(SAMPLE).map(|hash| hash.verify(Some(b"pace"))))))
        }
    };
    let quickest = (0..TRIES).map(|_| timed(&run)).min().unwrap_or_default();
    (quickest.as_secs_f64() * 1e9 / f64::from(count)).max(f64::MIN_POSITIVE)
}

#[expect(clippy::disallowed_methods, reason = "a measurement of this machine, not a decision about time")]
fn timed(run: impl Fn()) -> Duration {
    let started = std::time::Instant::now();
    run();
    started.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted_within_a_scheme_and_timed_between_two() {
        let bcrypt = |count| Effort { unit: Unit::Bcrypt, count };
        let pbkdf2 = |count| Effort { unit: Unit::Pbkdf2Sha256, count };
        let pace = |unit| if unit == Unit::Bcrypt { 50_000.0 } else { 500.0 };
        for (own, asked, expected) in [
            (bcrypt(16), bcrypt(16), 0),
            (bcrypt(16), bcrypt(4_096), 4_080),
            (bcrypt(4_096), bcrypt(16), 0),
            (pbkdf2(100_000), bcrypt(4_096), 3_096),
            (pbkdf2(409_600), bcrypt(4_096), 0),
            (pbkdf2(5_000_000), bcrypt(4_096), 0),
        ] {
            assert_eq!(missing(own, asked, pace), expected, "{own:?} {asked:?}");
        }
    }

    #[test]
    fn every_unit_takes_some_time() {
        for unit in [Unit::Bcrypt, Unit::Argon2, Unit::Pbkdf2Sha256, Unit::Pbkdf2Sha512, Unit::Scrypt] {
            assert!(pace(unit) > 0.0 && pace(unit) < 1e9, "{unit:?}: {}", pace(unit));
        }
    }
}
