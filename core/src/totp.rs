//! One-time passwords (RFC 6238) and recovery codes: what an account keeps of them, and how a code is judged.
//!
//! ```text
//! (none) ──set up──▶ seed sealed in a ticket ──right code──▶ on ──code or recovery code──▶ on
//!            own account: totp/account.rs                     │     (totp/redeeming.rs)
//!            forced at login: login/totp_setup.rs             └─switched off, or reset──▶ (none)
//! ```
//!
//! Judging and remembering are one write of the account on its revision, so a code that was accepted is accepted
//! nowhere again, by any process.

mod account;
mod code;
mod mails;
pub(crate) mod pending;
mod policy;
mod redeeming;

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use self::account::TotpRefusal;
use self::code::Read;
pub use self::code::{RecoveryCode, TypedCode};
pub use self::pending::PendingTotp;
pub use self::policy::{TotpMode, TotpPolicy};
pub(crate) use self::redeeming::{Confirming, Consequence, Redeeming};
use crate::error::Fault;
use crate::random::{SecureRandom, draw};
use crate::seal::{SealKeys, Sealed};
use crate::time::Timestamp;
use crate::token::Digest;
use crate::user::UserId;

/// What an account keeps of its one-time passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Totp {
    seed: Sealed,
    /// The time step of the last code that was accepted; it only rises (RFC 6238, section 5.2).
    last_step: u64,
    /// When the set-up was confirmed.
    pub enabled_at: Timestamp,
    recovery_codes: Vec<Digest>,
    /// Wrong codes since the last complete login.
    wrong_codes: u32,
}

/// How a code turned out, with what the account keeps afterwards.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Redeemed {
    OneTime(Totp),
    RecoveryCode(Totp),
    Wrong(Totp),
}

impl Totp {
    /// Switches one-time passwords on, if `code` is one of the seed's. It is remembered as used.
    pub(crate) fn confirm(
        (seed, sealed): (&Seed, Sealed),
        code: &TypedCode,
        recovery_codes: &[RecoveryCode],
        policy: &TotpPolicy,
        now: Timestamp,
    ) -> Option<Self> {
        let Read::OneTime(digits) = code.read() else { return None };
        let last_step = seed.step_of(&digits, 0, policy.drift, now)?;
        let recovery_codes = recovery_codes.iter().map(RecoveryCode::digest).collect();
        Some(Self { seed: sealed, last_step, enabled_at: now, recovery_codes, wrong_codes: 0 })
    }

    /// Judges a code; what it leaves behind must be committed on the account's revision before anybody is told.
    pub(crate) fn redeem(&self, seed: &Seed, code: &TypedCode, policy: &TotpPolicy, now: Timestamp) -> Redeemed {
        let right = match code.read() {
            Read::OneTime(digits) => {
                let step = seed.step_of(&digits, self.last_step, policy.drift, now);
                step.map(|last_step| Redeemed::OneTime(Self { last_step, ..self.clone() }))
            }
            Read::Recovery(digest) => self.without(&digest).map(Redeemed::RecoveryCode),
            Read::Nothing => None,
        };
        right.unwrap_or_else(|| {
            Redeemed::Wrong(Self { wrong_codes: self.wrong_codes.saturating_add(1), ..self.clone() })
        })
    }

    fn without(&self, digest: &Digest) -> Option<Self> {
        let is_it = |kept: &Digest| bool::from(kept.as_bytes().ct_eq(digest.as_bytes()));
        let (used, left): (Vec<_>, Vec<_>) = self.recovery_codes.iter().copied().partition(is_it);
        (!used.is_empty()).then(|| Self { recovery_codes: left, ..self.clone() })
    }

    /// How many recovery codes are left.
    pub fn recovery_codes_left(&self) -> usize {
        self.recovery_codes.len()
    }

    /// Codes that were wrong since the last complete login.
    pub(crate) fn wrong_codes(&self) -> u32 {
        self.wrong_codes
    }

    /// Whether so many codes were wrong since the last login that no further one is looked at.
    pub(crate) fn is_spent(&self, policy: &TotpPolicy) -> bool {
        policy.max_failures > 0 && self.wrong_codes >= policy.max_failures
    }

    /// Without the wrong codes that were counted; `None` if there are none.
    pub(crate) fn forgiven(&self) -> Option<Self> {
        (self.wrong_codes > 0).then(|| Self { wrong_codes: 0, ..self.clone() })
    }

    /// Where all further codes were refused, as it is after a reset by mail: what is counted stays, and leaves one try.
    pub(crate) fn reopened(&self, policy: &TotpPolicy) -> Option<Self> {
        self.is_spent(policy).then(|| Self { wrong_codes: policy.max_failures.saturating_sub(1), ..self.clone() })
    }

    /// With its seed sealed by the current key; `None` if it is already.
    pub(crate) fn resealed(
        &self,
        owner: UserId,
        keys: &SealKeys,
        random: &dyn SecureRandom,
    ) -> Result<Option<Self>, Fault> {
        let seed = keys.reseal(&self.seed, Seed::SEALED_AS, owner.as_bytes(), random)?;
        Ok(seed.map(|seed| Self { seed, ..self.clone() }))
    }

    pub(crate) fn seed(&self, owner: UserId, keys: &SealKeys) -> Result<Seed, Fault> {
        Seed::open(&self.seed, owner, keys)
    }
}

/// The secret that an account shares with its authenticator: 160 bits (RFC 4226, section 4, R6).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Seed([u8; Self::BYTES]);

impl Seed {
    const BYTES: usize = 20;
    const SEALED_AS: &str = "totp seed";
    /// Seconds of a time step.
    const STEP: u64 = 30;

    pub(crate) fn generate(random: &dyn SecureRandom) -> Result<Self, Fault> {
        draw(random).map(Self)
    }

    pub(crate) fn seal(&self, owner: UserId, keys: &SealKeys, random: &dyn SecureRandom) -> Result<Sealed, Fault> {
        keys.seal(&self.0, Self::SEALED_AS, owner.as_bytes(), random)
    }

    pub(crate) fn open(sealed: &Sealed, owner: UserId, keys: &SealKeys) -> Result<Self, Fault> {
        const DOING: &str = "opening the one-time password seed of user";
        let opened = keys.open(sealed, Self::SEALED_AS, owner.as_bytes());
        let bytes = opened.map_err(|source| Fault::lasting(DOING, owner, source))?;
        bytes.as_slice().try_into().map(Self).map_err(|_| Fault::lasting(DOING, owner, "it hasn't 160 bits"))
    }

    /// The latest time step after `last`, up to `drift` steps either way, whose code it is. Every step is compared, in
    /// constant time.
    fn step_of(&self, digits: &str, last: u64, drift: u32, now: Timestamp) -> Option<u64> {
        let totp = self.generator().build_noncompliant();
        let step = u64::try_from(now.as_millis()).unwrap_or_default() / 1_000 / Self::STEP;
        let drift = u64::from(drift);
        let window = step.saturating_sub(drift)..=step.saturating_add(drift);
        window.filter(|step| *step > last).filter_map(|step| totp.check(digits, step * Self::STEP)).max()
    }

    fn generator(&self) -> totp_rs::Builder {
        totp_rs::Builder::new()
            .with_algorithm(totp_rs::Algorithm::SHA1)
            .with_digits(6)
            .with_step_duration(Self::STEP)
            .with_skew(0)
            .with_secret(self.0)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

/// What an authenticator application needs to know, shown once.
#[derive(Clone)]
pub struct TotpSetup {
    secret: Zeroizing<String>,
    otpauth_uri: Zeroizing<String>,
}

impl TotpSetup {
    pub(crate) fn new(seed: &Seed, account: &str, issuer: &str) -> Result<Self, Fault> {
        const DOING: &str = "writing the otpauth URI of issuer";
        let totp = seed.generator().with_account_name(account).with_issuer(Some(issuer)).build();
        let uri = totp.and_then(|totp| totp.to_url());
        let uri = uri.map_err(|source| Fault::lasting(DOING, issuer, source))?;
        let secret = Zeroizing::new(data_encoding::BASE32_NOPAD.encode(&seed.0));
        Ok(Self { secret, otpauth_uri: Zeroizing::new(uri) })
    }

    /// The shared secret in base 32, to be typed where no camera is.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The `otpauth://` URI, to be shown as a QR code.
    pub fn otpauth_uri(&self) -> &str {
        &self.otpauth_uri
    }
}

impl fmt::Debug for TotpSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSetup")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    const OWNER: UserId = UserId::from_bytes([1; 16]);
    const NOW: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn typed(code: &str) -> TypedCode {
        TypedCode::new(code.to_owned())
    }

    /// The seed of RFC 6238, appendix B.
    fn seed() -> Seed {
        Seed(*b"12345678901234567890")
    }

    fn code_at(seconds: i64) -> String {
        seed().generator().build_noncompliant().generate(u64::try_from(seconds).unwrap()).to_string()
    }

    fn totp(policy: &TotpPolicy) -> (Totp, Vec<RecoveryCode>) {
        let keys = SealKeys::new(&[7; 32], &[]);
        let codes: Vec<_> = (0..3).map(|_| RecoveryCode::generate(&SystemRandom).unwrap()).collect();
        let sealed = seed().seal(OWNER, &keys, &SystemRandom).unwrap();
        let totp = Totp::confirm((&seed(), sealed), &typed(&code_at(NOW)), &codes, policy, at(NOW)).unwrap();
        (totp, codes)
    }

    fn is_right(totp: &Totp, code: &str, policy: &TotpPolicy, now: i64) -> bool {
        !matches!(totp.redeem(&seed(), &typed(code), policy, at(now)), Redeemed::Wrong(_))
    }

    #[test]
    fn rfc_6238_appendix_b_in_six_digits() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(seconds), code);
            assert_eq!(seed().step_of(code, 0, 0, at(seconds)), Some(u64::try_from(seconds).unwrap() / 30));
        }
    }

    #[test]
    fn f5_a_code_is_good_for_its_step_and_the_drift_either_way() {
        for drift in 0..3 {
            let policy = TotpPolicy { drift, ..TotpPolicy::default() };
            for steps in -4..=4_i64 {
                let code = code_at(NOW + steps * 30);
                let accepted = seed().step_of(&code, 0, policy.drift, at(NOW)).is_some();
                assert_eq!(accepted, steps.unsigned_abs() <= u64::from(drift), "{drift} {steps}");
            }
        }
        for (second, accepted) in [(59, true), (60, false)] {
            assert_eq!(seed().step_of(&code_at(NOW), 0, 1, at(NOW + second)).is_some(), accepted, "{second}");
        }
    }

    #[test]
    fn ot1_a_step_is_accepted_once_and_only_rising() {
        let policy = TotpPolicy::default();
        let (totp, _) = totp(&policy);
        assert!(!is_right(&totp, &code_at(NOW), &policy, NOW), "the set-up code isn't the first login code");
        assert!(!is_right(&totp, &code_at(NOW - 30), &policy, NOW), "nor is an earlier one");
        let Redeemed::OneTime(later) = totp.redeem(&seed(), &typed(&code_at(NOW + 30)), &policy, at(NOW)) else {
            panic!("the next step's code is right")
        };
        assert!(!is_right(&later, &code_at(NOW + 30), &policy, NOW + 30));
        assert!(is_right(&later, &code_at(NOW + 60), &policy, NOW + 30));
    }

    #[test]
    fn l6_a_recovery_code_works_once_and_leaves_the_others() {
        let policy = TotpPolicy::default();
        let (totp, codes) = totp(&policy);
        let Redeemed::RecoveryCode(left) = totp.redeem(&seed(), &typed(&codes[1].expose()), &policy, at(NOW)) else {
            panic!("a recovery code is right")
        };
        assert_eq!((totp.recovery_codes_left(), left.recovery_codes_left()), (3, 2));
        assert_eq!(left.last_step, totp.last_step);
        assert!(!is_right(&left, &codes[1].expose(), &policy, NOW));
        assert!(is_right(&left, &codes[0].expose(), &policy, NOW));
        let stranger = RecoveryCode::generate(&SystemRandom).unwrap();
        assert!(!is_right(&left, &stranger.expose(), &policy, NOW));
    }

    #[test]
    fn wrong_codes_are_counted_up_to_the_policys_budget() {
        let policy = TotpPolicy { max_failures: 3, ..TotpPolicy::default() };
        let (mut totp, _) = totp(&policy);
        for spent in [false, false, true] {
            let Redeemed::Wrong(counted) = totp.redeem(&seed(), &typed("no code"), &policy, at(NOW)) else {
                panic!("it is wrong")
            };
            totp = counted;
            assert_eq!(totp.is_spent(&policy), spent);
        }
        assert!(!totp.is_spent(&TotpPolicy::default()), "0: no budget");
        assert!(!totp.forgiven().unwrap().is_spent(&policy));
        assert_eq!(totp.forgiven().unwrap().forgiven(), None);
        let reopened = totp.reopened(&policy).unwrap();
        assert!(!reopened.is_spent(&policy) && reopened.reopened(&policy).is_none());
        let Redeemed::Wrong(again) = reopened.redeem(&seed(), &typed("no code"), &policy, at(NOW)) else {
            panic!("it is wrong")
        };
        assert!(again.is_spent(&policy), "one try is left by a reset");
    }

    #[test]
    fn f4_the_seed_opens_for_its_owner_alone() {
        let keys = SealKeys::new(&[7; 32], &[]);
        let sealed = seed().seal(OWNER, &keys, &SystemRandom).unwrap();
        assert_eq!(Seed::open(&sealed, OWNER, &keys).unwrap(), seed());
        let fault = Seed::open(&sealed, UserId::from_bytes([2; 16]), &keys).unwrap_err();
        assert!(!fault.retryable(), "{fault}");
        assert_eq!(Seed::BYTES * 8, 160);
    }

    #[test]
    fn the_uri_names_issuer_and_account() {
        let setup = TotpSetup::new(&seed(), "ada@example.org", "Corp & Co").unwrap();
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let uri = format!("otpauth://totp/Corp%20%26%20Co:ada%40example.org?secret={secret}&issuer=Corp%20%26%20Co");
        assert_eq!((setup.secret(), setup.otpauth_uri()), (secret, &*uri));
        assert_eq!(format!("{setup:?} {:?}", seed()), "TotpSetup Seed");
    }
}
