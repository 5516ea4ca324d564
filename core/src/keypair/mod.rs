//! API keypairs: credentials of programs, each a public access key and a secret key that is shown once.
//!
//! ```text
//! create (fresh proof) ─▶ active ◀──▶ inactive ──▶ deleted
//!                           │  └─ expires_at ─▶ expired
//!                           └─ rotate (fresh proof) ─▶ a new pair; this one works until the overlap ends
//! ```
//!
//! A program logs in with one ([`Engine::login_with_keypair`](crate::engine::Engine::login_with_keypair)) or signs its
//! requests ([`Engine::check_signed_request`](crate::engine::Engine::check_signed_request)). The secret key is sealed
//! and not hashed, since a signature needs it.

mod account;
mod key;
mod policy;
mod removal;

use serde::{Deserialize, Serialize};

pub use self::account::{IssuedKeypair, KeypairRefusal, NewKeypair};
pub use self::key::{AccessKey, InvalidAccessKey, SecretKey};
pub use self::policy::KeypairPolicy;
use crate::error::Fault;
pub use crate::id::KeypairId;
use crate::random::SecureRandom;
use crate::revision::Revision;
use crate::seal::{SealKeys, Sealed};
use crate::session::SessionPolicy;
use crate::time::Timestamp;
use crate::user::UserId;

/// A keypair. A value: flows change copies and commit them on the revision that they read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Keypair {
    /// Never changes and is never given to another keypair.
    pub id: KeypairId,
    /// Counts the commits of this keypair.
    pub revision: Revision,
    /// Whose it is.
    pub user: UserId,
    /// The public half.
    pub access_key: AccessKey,
    /// The other half, sealed to this record.
    pub(crate) secret: Sealed,
    /// What its owner calls it.
    pub label: Option<String>,
    /// Words of the host's own that say what it may be used for; the engine gives them no meaning.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether its owner lets it work.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it works no more; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, as coarse as `session.touch_every`.
    pub last_used_at: Option<Timestamp>,
    /// Set by its rotation: it works until then.
    pub replaced_until: Option<Timestamp>,
}

/// Why a keypair doesn't work. Only its owner is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeypairFlaw {
    /// Its owner switched it off.
    Inactive,
    /// Its time is over.
    Expired,
    /// It was rotated and the overlap is over.
    Replaced,
}

impl KeypairFlaw {
    /// The stable name, as in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inactive => "keypair.inactive",
            Self::Expired => "keypair.expired",
            Self::Replaced => "keypair.replaced",
        }
    }
}

impl Keypair {
    const SEALED_AS: &str = "keypair secret";

    /// Draws a keypair for `user`; the secret key is nowhere else in the clear.
    pub(crate) fn issue(
        user: UserId,
        form: NewKeypair,
        keys: &SealKeys,
        now: Timestamp,
        random: &dyn SecureRandom,
    ) -> Result<IssuedKeypair, Fault> {
        let (id, access_key) = (KeypairId::generate(now, random)?, AccessKey::generate(random)?);
        let secret_key = SecretKey::generate(random)?;
        let secret = keys.seal(secret_key.expose().as_bytes(), Self::SEALED_AS, id.as_bytes(), random)?;
        let NewKeypair { label, expires_at, scopes } = form;
        let (revision, created_at) = (Revision::FIRST, now);
        let (active, last_used_at, replaced_until) = (true, None, None);
        let keypair = Self {
            id,
            revision,
            user,
            access_key,
            secret,
            label,
            scopes,
            active,
            created_at,
            expires_at,
            last_used_at,
            replaced_until,
        };
        Ok(IssuedKeypair { keypair, secret_key })
    }

    /// The secret key.
    pub(crate) fn open(&self, keys: &SealKeys) -> Result<SecretKey, Fault> {
        let opened = keys.open(&self.secret, Self::SEALED_AS, self.id.as_bytes());
        let plain = opened.map_err(|source| Fault::lasting("opening the secret of keypair", self.id, source))?;
        let text = std::str::from_utf8(&plain).map_err(|source| Fault::lasting("reading keypair", self.id, source))?;
        Ok(SecretKey::new(text.to_owned()))
    }

    /// With its secret sealed by the current key; `None` if it is already.
    pub(crate) fn resealed(&self, keys: &SealKeys, random: &dyn SecureRandom) -> Result<Option<Self>, Fault> {
        let secret = keys.reseal(&self.secret, Self::SEALED_AS, self.id.as_bytes(), random)?;
        Ok(secret.map(|secret| Self { secret, ..self.clone() }))
    }

    /// Whether it works at `now`, and if not, why.
    ///
    /// # Errors
    /// The first [`KeypairFlaw`].
    pub fn standing(&self, now: Timestamp) -> Result<(), KeypairFlaw> {
        if !self.active {
            return Err(KeypairFlaw::Inactive);
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            return Err(KeypairFlaw::Expired);
        }
        if self.is_over(now) { Err(KeypairFlaw::Replaced) } else { Ok(()) }
    }

    /// Whether it was rotated and its overlap has ended: nothing brings it back.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.replaced_until.is_some_and(|until| until <= now)
    }

    /// The keypair with `last_used_at` moved to `now`, if that is due.
    pub(crate) fn touched(&self, policy: &SessionPolicy, now: Timestamp) -> Option<Self> {
        let due = self.last_used_at.is_none_or(|at| at.after(policy.touch_every) <= now);
        due.then(|| Self { last_used_at: Some(now), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn issue() -> IssuedKeypair {
        let keys = SealKeys::new(&[1; 32], &[]);
        Keypair::issue(UserId::from_bytes([1; 16]), NewKeypair::default(), &keys, at(0), &SystemRandom).unwrap()
    }

    #[test]
    fn kp3_a_keypair_works_while_it_is_active_and_its_times_are_not_over() {
        let works = issue().keypair;
        let expiring = Keypair { expires_at: Some(at(60)), ..works.clone() };
        let replaced = Keypair { replaced_until: Some(at(60)), ..works.clone() };
        let inactive = Keypair { active: false, ..expiring.clone() };
        for (keypair, now, standing) in [
            (&works, at(1_000_000_000), Ok(())),
            (&expiring, at(59), Ok(())),
            (&expiring, at(60), Err(KeypairFlaw::Expired)),
            (&replaced, at(59), Ok(())),
            (&replaced, at(60), Err(KeypairFlaw::Replaced)),
            (&inactive, at(0), Err(KeypairFlaw::Inactive)),
        ] {
            assert_eq!(keypair.standing(now), standing, "{keypair:?} {now}");
        }
    }

    #[test]
    fn f17_a_secret_opens_in_its_own_row_alone() {
        let keys = SealKeys::new(&[1; 32], &[]);
        let (one, other) = (issue(), issue());
        assert!(one.keypair.open(&keys).unwrap().equals(&one.secret_key));
        let moved = Keypair { secret: one.keypair.secret.clone(), ..other.keypair };
        assert!(moved.open(&keys).is_err());
    }

    #[test]
    fn the_time_of_last_use_is_written_as_often_as_a_session_s() {
        let policy = SessionPolicy::default();
        let mut keypair = issue().keypair;
        for (second, written) in [(0, true), (59, false), (60, true), (119, false), (120, true)] {
            let touched = keypair.touched(&policy, at(second));
            assert_eq!(touched.is_some(), written, "second {second}");
            keypair = touched.unwrap_or(keypair);
        }
    }
}
