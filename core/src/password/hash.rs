//! What is kept of a password: [`PasswordHash`], and the schemes that read one.
//!
//! A scheme is a file beside this one and an arm of [`Scheme`]: it reads its own form, bounds what it read before any
//! work, verifies, and says when it is outdated.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::bcrypt::Bcrypt;
use super::{Password, PasswordPolicy};
use crate::error::Fault;

/// A stored password hash, in its scheme's published text form.
///
/// | form | made by |
/// |---|---|
/// | `$2b$12$…` (also `$2a$`, `$2y$`) | bcrypt, of up to 72 bytes |
/// | `$bcrypt-sha256$v=2,t=2b,r=12$…` | bcrypt of an HMAC-SHA-256, as passlib writes it, of more |
/// | `imported:` before one of these | another system: it hashed what was typed, ours the prepared form |
///
/// Any text can stand in a store; one that nobody can read is [`Verification::Broken`], never a panic.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

/// What a candidate is to a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// The password of this hash.
    Right,
    /// Another one.
    Wrong,
    /// The hash is unreadable or out of bounds, and nothing was evaluated.
    Broken,
}

const IMPORTED: &str = "imported:";

impl PasswordHash {
    /// Hashes the prepared form with bcrypt: plain up to 72 bytes, above them after HMAC-SHA-256.
    ///
    /// # Errors
    /// A fault if `cost` isn't 4 to 16, or if the password is one that must never match: empty, over 512 bytes, with a
    /// NUL or a control character. [`PasswordPolicy::unmet`] reports those before.
    pub fn bcrypt(password: &Password, cost: u32, salt: [u8; 16]) -> Result<Self, Fault> {
        let hash = password.prepared().and_then(|prepared| Bcrypt::hash(&prepared, cost, salt));
        hash.map(Self).ok_or_else(|| {
            Fault::lasting("hashing", "a password", format!("it is not allowed, or the cost {cost} is not 4 to 16"))
        })
    }

    /// A hash that another system made of the bytes as they were typed.
    ///
    /// At the next login one of the same or a lower cost is outdated, and so replaced by our own.
    pub fn imported(encoded: &str) -> Self {
        Self(format!("{IMPORTED}{encoded}"))
    }

    /// A hash that no password matches, for an account that isn't there or has no password. Making it costs nothing.
    pub fn dummy(cost: u32) -> Self {
        Self(Bcrypt::dummy(cost))
    }

    /// Compares in constant time. Every candidate costs one evaluation, also one that can match nothing.
    ///
    /// [`Verification::Broken`] costs none: verify [`PasswordHash::dummy`] then, so that the answer takes as long.
    pub fn verify(&self, password: &Password) -> Verification {
        match self.scheme() {
            None => Verification::Broken,
            Some((Origin::Own, scheme)) => scheme.verify(password.prepared().as_deref().map(String::as_str)),
            Some((Origin::Imported, scheme)) => scheme.verify(password.as_typed()),
        }
    }

    /// The bcrypt cost; `None` if the hash is unreadable or of another scheme.
    pub fn cost(&self) -> Option<u32> {
        self.scheme().map(|(_, Scheme::Bcrypt(bcrypt))| bcrypt.cost())
    }

    /// Whether the next login should replace it under `policy`, which never lowers a cost.
    pub fn is_outdated(&self, policy: &PasswordPolicy) -> bool {
        self.scheme().is_some_and(|(origin, Scheme::Bcrypt(bcrypt))| match origin {
            Origin::Own => bcrypt.cost() < policy.bcrypt_cost,
            Origin::Imported => bcrypt.cost() <= policy.bcrypt_cost,
        })
    }

    fn scheme(&self) -> Option<(Origin, Scheme<'_>)> {
        match self.0.strip_prefix(IMPORTED) {
            Some(encoded) => Some((Origin::Imported, Scheme::read(encoded)?)),
            None => Some((Origin::Own, Scheme::read(&self.0)?)),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Whose hash it is: ours are of the prepared form, others' of the bytes as typed.
enum Origin {
    Own,
    Imported,
}

/// A hash that could be read.
enum Scheme<'h> {
    Bcrypt(Bcrypt<'h>),
}

impl<'h> Scheme<'h> {
    fn read(encoded: &'h str) -> Option<Self> {
        Bcrypt::read(encoded).map(Self::Bcrypt)
    }

    fn verify(&self, candidate: Option<&str>) -> Verification {
        match self {
            Self::Bcrypt(bcrypt) => bcrypt.verify(candidate),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn password(typed: &str) -> Password {
        Password::new(typed.to_owned())
    }

    fn hash(typed: &str) -> PasswordHash {
        PasswordHash::bcrypt(&password(typed), 4, [7; 16]).unwrap()
    }

    #[test]
    fn pw1_72_and_73_bytes_with_equal_prefix_differ() {
        for (shorter, longer) in [(71, 72), (72, 73), (73, 74), (511, 512)] {
            let (one, other) = ("x".repeat(shorter), "x".repeat(longer));
            assert_eq!(hash(&one).verify(&password(&one)), Verification::Right, "{shorter}");
            assert_eq!(hash(&other).verify(&password(&other)), Verification::Right, "{longer}");
            assert_eq!(hash(&one).verify(&password(&other)), Verification::Wrong, "{longer} on {shorter}");
            assert_eq!(hash(&other).verify(&password(&one)), Verification::Wrong, "{shorter} on {longer}");
        }
        let (one, other) = (format!("{}a", "x".repeat(72)), format!("{}b", "x".repeat(72)));
        assert_eq!(hash(&one).verify(&password(&other)), Verification::Wrong);
    }

    #[test]
    fn pw1_a_letter_across_the_edge_is_not_cut() {
        // 71 bytes and a letter of two: its first byte alone would fit.
        let (one, other) = (format!("{}ü", "x".repeat(71)), format!("{}ö", "x".repeat(71)));
        assert_eq!(hash(&one).verify(&password(&one)), Verification::Right);
        assert_eq!(hash(&one).verify(&password(&other)), Verification::Wrong);
    }

    #[test]
    fn f11_nul_is_never_hashed_and_never_verifies() {
        assert!(PasswordHash::bcrypt(&password("password1!\0"), 4, [7; 16]).is_err());
        assert_eq!(hash("password1!").verify(&password("password1!\0")), Verification::Wrong);
        assert_eq!(hash("password1!").verify(&password("password1!\0password1!")), Verification::Wrong);
    }

    #[test]
    fn ex1_empty_and_over_long_candidates_match_nothing() {
        let of_nothing = "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq";
        for stored in [PasswordHash(of_nothing.to_owned()), PasswordHash::imported(of_nothing), PasswordHash::dummy(4)]
        {
            for typed in ["", "\0", "\t", &"x".repeat(513), &"x".repeat(100_000)] {
                assert_eq!(stored.verify(&password(typed)), Verification::Wrong);
            }
        }
        assert!(PasswordHash::bcrypt(&password(""), 4, [7; 16]).is_err());
        assert!(PasswordHash::bcrypt(&password(&"x".repeat(513)), 4, [7; 16]).is_err());
    }

    #[test]
    fn pw2_own_hashes_are_of_the_prepared_form_and_imported_ones_of_what_was_typed() {
        let (composed, decomposed) = ("päss wörd1!", "pa\u{308}ss\u{a0}wo\u{308}rd1!");
        assert_eq!(hash(composed), hash(decomposed));
        assert_eq!(hash(composed).verify(&password(decomposed)), Verification::Right);
        let imported = PasswordHash::imported("$2b$04$abcdefghijklmnopqrstuuh.5qzzK5gmt2QokpLUc/4Y7aNV4DV1m");
        assert_eq!(imported.verify(&password("pa\u{308}ss wo\u{308}rd1!")), Verification::Right);
        assert_eq!(imported.verify(&password(composed)), Verification::Wrong);
        assert_eq!(hash("Password1!").verify(&password("password1!")), Verification::Wrong);
    }

    #[test]
    fn pw5_only_a_raised_cost_or_an_import_of_no_higher_cost_is_outdated() {
        let policy = PasswordPolicy { bcrypt_cost: 10, ..PasswordPolicy::default() };
        let encoded = |cost: u32| PasswordHash::dummy(cost).0;
        for (stored, outdated) in [
            (PasswordHash(encoded(9)), true),
            (PasswordHash(encoded(10)), false),
            (PasswordHash(encoded(11)), false),
            (PasswordHash::imported(&encoded(9)), true),
            (PasswordHash::imported(&encoded(10)), true),
            (PasswordHash::imported(&encoded(11)), false),
            (PasswordHash("$2b$31$".to_owned()), false),
        ] {
            assert_eq!(stored.is_outdated(&policy), outdated, "{}", stored.0);
        }
        assert_eq!(PasswordHash::imported(&encoded(9)).cost(), Some(9));
        assert_eq!(PasswordHash("plain".to_owned()).cost(), None);
    }

    #[test]
    fn pw6_whatever_stands_in_the_store_is_an_answer() {
        for stored in ["", "imported:", "imported:imported:$2b$04$", "{SSHA}x", "$argon2id$v=19$m=1,t=1,p=1$a$b"] {
            assert_eq!(
                PasswordHash(stored.to_owned()).verify(&password("password1!")),
                Verification::Broken,
                "{stored}"
            );
        }
    }

    #[test]
    fn a_stored_hash_is_a_json_string() {
        let stored = serde_json::to_string(&hash("password1!")).unwrap();
        assert!(stored.starts_with("\"$2b$04$"), "{stored}");
        assert_eq!(serde_json::from_str::<PasswordHash>(&stored).unwrap(), hash("password1!"));
    }

    proptest! {
        #[test]
        fn pw6_no_stored_text_panics(
            stored in "(imported:)?(\\$2[abxy]\\$|\\$bcrypt-sha256\\$v=2,t=2b,r=)[0-9$+ü]{0,4}[./A-Za-z0-9$ü]{0,60}|\\PC{0,70}",
        ) {
            let stored = PasswordHash(stored);
            prop_assume!(stored.cost().is_none_or(|cost| cost < 6));
            prop_assert_ne!(stored.verify(&password("password1!")), Verification::Right);
        }

        #[test]
        fn pw1_no_two_lengths_share_a_hash(one in 60usize..80, other in prop_oneof![60usize..80, 70usize..75]) {
            let verification = hash(&"x".repeat(one)).verify(&password(&"x".repeat(other)));
            prop_assert_eq!(verification == Verification::Right, one == other);
        }
    }
}
