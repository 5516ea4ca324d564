//! What is kept of a password: [`PasswordHash`], and the schemes that read one.
//!
//! A scheme is a file beside this one and an arm of [`Scheme`]: it reads its own form, bounds what it read before any
//! work, verifies, and says how much work that is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::argon2::Argon2Hash;
use super::bcrypt::{Bcrypt, PLAIN_BYTES};
use super::effort::{self, Effort, Unit};
use super::pbkdf2::{Digest, Pbkdf2};
use super::scrypt::Scrypt;
use super::{HashScheme, Password, PasswordPolicy};
use crate::error::Fault;

/// A stored password hash, in its scheme's published text form.
///
/// | form | made by |
/// |---|---|
/// | `$2b$12$…` (also `$2a$`, `$2y$`) | bcrypt, of up to 72 bytes |
/// | `$bcrypt-sha256$v=2,t=2b,r=12$…` | bcrypt of an HMAC-SHA-256, as passlib writes it, of more |
/// | `$argon2id$v=19$m=19456,t=2,p=1$…` | Argon2id |
/// | `imported:` before one of these, or of those that [`imported`](Self::imported) reads | another system: it hashed what was typed, ours the prepared form |
/// | `imported-cut-72:` before plain bcrypt | another system, which cut what was typed to 72 bytes |
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

/// Why a text isn't taken as a hash that another system made. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashRefusal {
    /// No scheme that is known, or not in this variant.
    #[error("{0} isn't supported")]
    Unsupported(&'static str),
    /// Not as its scheme writes it.
    #[error("it isn't written as {0} is")]
    Malformed(&'static str),
    /// It asks for more work or memory than a stored hash may.
    #[error("{what} is out of bounds: allowed is {allowed}")]
    OutOfBounds {
        /// What is.
        what: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
}

impl HashRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsupported(_) => "hash_unsupported",
            Self::Malformed(_) => "hash_malformed",
            Self::OutOfBounds { .. } => "hash_out_of_bounds",
        }
    }
}

const IMPORTED: &str = "imported:";
const IMPORTED_CUT: &str = "imported-cut-72:";
const LONGEST: usize = 512;

impl PasswordHash {
    /// Hashes the prepared form by `policy`.
    ///
    /// # Errors
    /// A fault if the policy's cost is out of bounds, or if the password is one that must never match: empty, over 512
    /// bytes, with a NUL or a control character. [`PasswordPolicy::unmet`] reports those before.
    pub fn new(password: &Password, policy: &PasswordPolicy, salt: [u8; 16]) -> Result<Self, Fault> {
        match policy.scheme {
            HashScheme::Bcrypt => Self::bcrypt(password, policy.bcrypt_cost, salt),
            HashScheme::Argon2id => {
                let hash = password.prepared().and_then(|prepared| Argon2Hash::hash(&prepared, salt));
                hash.map(Self).ok_or_else(|| Fault::lasting("hashing", "a password", "it is not allowed"))
            }
        }
    }

    /// Hashes the prepared form with bcrypt: plain up to 72 bytes, above them after HMAC-SHA-256.
    ///
    /// # Errors
    /// As [`new`](Self::new); `cost` may be 4 to 16.
    pub fn bcrypt(password: &Password, cost: u32, salt: [u8; 16]) -> Result<Self, Fault> {
        let hash = password.prepared().and_then(|prepared| Bcrypt::hash(&prepared, cost, salt));
        hash.map(Self).ok_or_else(|| {
            Fault::lasting("hashing", "a password", format!("it is not allowed, or the cost {cost} is not 4 to 16"))
        })
    }

    /// A hash that another system made of the bytes as they were typed: bcrypt, argon2, PBKDF2 or scrypt, as Django,
    /// Devise, Werkzeug, Spring, passlib and PHC strings write them.
    ///
    /// At the next login it is outdated, and so replaced by our own, but for one of the policy's scheme that costs more.
    ///
    /// ```
    /// use doorwarden_core::password::PasswordHash;
    ///
    /// assert!(PasswordHash::imported("pbkdf2:sha256:1000$salt$00112233445566778899aabbccddeeff").is_ok());
    /// let too_much = PasswordHash::imported("pbkdf2:sha256:9000000$salt$00112233445566778899aabbccddeeff");
    /// assert_eq!(too_much.unwrap_err().code(), "hash_out_of_bounds");
    /// ```
    ///
    /// # Errors
    /// [`HashRefusal`] says what is wrong with it; nothing is evaluated.
    pub fn imported(encoded: &str) -> Result<Self, HashRefusal> {
        Scheme::read(encoded)?;
        Ok(Self(format!("{IMPORTED}{encoded}")))
    }

    /// The same hash, made by a system that cut what was typed to 72 bytes before bcrypt: of a longer candidate only
    /// those are compared, and then [`cuts`](Self::cuts) says so. Other schemes don't cut, and stay what they are.
    #[must_use]
    pub fn cut_at_72(self) -> Self {
        match self.0.strip_prefix(IMPORTED) {
            Some(encoded) if Scheme::read(encoded).is_ok_and(|scheme| scheme.is_plain_bcrypt()) => {
                Self(format!("{IMPORTED_CUT}{encoded}"))
            }
            _ => self,
        }
    }

    /// A bcrypt hash that no password matches. Making it costs nothing.
    pub fn dummy(cost: u32) -> Self {
        Self(Bcrypt::dummy(cost))
    }

    /// A hash that no password matches, at the price of one that `policy` makes: for an account that isn't there or has
    /// no password. Making it costs nothing.
    pub fn dummy_of(policy: &PasswordPolicy) -> Self {
        match policy.scheme {
            HashScheme::Bcrypt => Self::dummy(policy.bcrypt_cost),
            HashScheme::Argon2id => Self(Argon2Hash::dummy(Argon2Hash::own_work())),
        }
    }

    /// Compares in constant time. Every candidate costs one evaluation, also one that can match nothing.
    ///
    /// [`Verification::Broken`] costs none: verify [`dummy_of`](Self::dummy_of) then, so that the answer takes as long.
    pub fn verify(&self, password: &Password) -> Verification {
        let Some((origin, scheme)) = self.scheme() else { return Verification::Broken };
        let typed = password.as_typed().map(str::as_bytes);
        match origin {
            Origin::Own => scheme.verify(password.prepared().as_deref().map(String::as_bytes)),
            Origin::Imported => scheme.verify(typed),
            Origin::ImportedCut => scheme.verify(typed.map(|typed| typed.get(..PLAIN_BYTES).unwrap_or(typed))),
        }
    }

    /// Whether this hash may have looked at the beginning of `password` alone. Where that is right it is good for setting
    /// another password, and for nothing else: whether there was more, and whether it was this, nobody knows.
    pub fn cuts(&self, password: &Password) -> bool {
        matches!(self.scheme(), Some((Origin::ImportedCut, _))) && password.expose().len() >= PLAIN_BYTES
    }

    /// The bcrypt cost; `None` if the hash is unreadable or of another scheme.
    pub fn cost(&self) -> Option<u32> {
        self.scheme().and_then(|(_, scheme)| match scheme {
            Scheme::Bcrypt(bcrypt) => Some(bcrypt.cost()),
            Scheme::Argon2(_) | Scheme::Pbkdf2(_) | Scheme::Scrypt(_) => None,
        })
    }

    /// Whether the next login should replace it under `policy`: one of another scheme, and one of the policy's that
    /// costs less. It never lowers a cost within a scheme.
    pub fn is_outdated(&self, policy: &PasswordPolicy) -> bool {
        self.scheme().is_some_and(|(origin, scheme)| {
            let (own, asked) = (scheme.effort(), policy.effort());
            let same = own.unit == asked.unit && !matches!(&scheme, Scheme::Argon2(argon2) if !argon2.is_argon2id());
            match origin {
                _ if !same => true,
                Origin::Own => own.count < asked.count,
                Origin::Imported | Origin::ImportedCut => own.count <= asked.count,
            }
        })
    }

    /// Hashes that match nothing and take as long as this one falls short of those that `policy` makes; none if it
    /// doesn't. The first call on a machine measures it, for some milliseconds.
    pub(crate) fn padding(&self, policy: &PasswordPolicy) -> Vec<Self> {
        let Some((_, scheme)) = self.scheme() else { return Vec::new() };
        let (own, asked) = (scheme.effort(), policy.effort());
        let missing = effort::missing(own, asked, effort::pace);
        match policy.scheme {
            HashScheme::Bcrypt => (4..=16).filter(|cost| missing >> cost & 1 == 1).map(Self::dummy).collect(),
            HashScheme::Argon2id if missing < Argon2Hash::LEAST_WORK => Vec::new(),
            HashScheme::Argon2id => vec![Self(Argon2Hash::dummy(missing))],
        }
    }

    fn scheme(&self) -> Option<(Origin, Scheme<'_>)> {
        let prefixes = [(IMPORTED, Origin::Imported), (IMPORTED_CUT, Origin::ImportedCut)];
        let imported = prefixes.into_iter().find_map(|(prefix, origin)| Some((origin, self.0.strip_prefix(prefix)?)));
        let (origin, encoded) = imported.unwrap_or((Origin::Own, &self.0));
        Some((origin, Scheme::read(encoded).ok()?))
    }
}

impl PasswordPolicy {
    /// What one of its hashes costs.
    fn effort(&self) -> Effort {
        match self.scheme {
            HashScheme::Bcrypt => Effort { unit: Unit::Bcrypt, count: 1 << self.bcrypt_cost.min(16) },
            HashScheme::Argon2id => Effort { unit: Unit::Argon2, count: Argon2Hash::own_work() },
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Whose hash it is: ours are of the prepared form, others' of the bytes as typed, or of 72 of them.
#[derive(Clone, Copy)]
enum Origin {
    Own,
    Imported,
    ImportedCut,
}

/// A hash that could be read.
enum Scheme<'h> {
    Bcrypt(Bcrypt<'h>),
    Argon2(Argon2Hash),
    Pbkdf2(Pbkdf2),
    Scrypt(Scrypt),
}

impl<'h> Scheme<'h> {
    fn read(encoded: &'h str) -> Result<Self, HashRefusal> {
        if encoded.len() > LONGEST {
            return Err(HashRefusal::Unsupported("a hash of more than 512 bytes"));
        }
        let bare = bare(encoded);
        match bare {
            _ if Bcrypt::is_meant(bare) => Bcrypt::read(bare).map(Self::Bcrypt),
            _ if Argon2Hash::is_meant(bare) => Argon2Hash::read(bare).map(Self::Argon2),
            _ if Pbkdf2::is_meant(bare) => Pbkdf2::read(bare).map(Self::Pbkdf2),
            _ if Scrypt::is_meant(bare) => Scrypt::read(bare).map(Self::Scrypt),
            _ => Err(HashRefusal::Unsupported("this scheme, or a text that is no hash,")),
        }
    }

    fn verify(&self, candidate: Option<&[u8]>) -> Verification {
        match self {
            Self::Bcrypt(bcrypt) => bcrypt.verify(candidate),
            Self::Argon2(argon2) => argon2.verify(candidate),
            Self::Pbkdf2(pbkdf2) => pbkdf2.verify(candidate),
            Self::Scrypt(scrypt) => scrypt.verify(candidate),
        }
    }

    fn effort(&self) -> Effort {
        match self {
            Self::Bcrypt(bcrypt) => Effort { unit: Unit::Bcrypt, count: 1 << bcrypt.cost() },
            Self::Argon2(argon2) => Effort { unit: Unit::Argon2, count: argon2.work() },
            Self::Pbkdf2(pbkdf2) => {
                let unit = match pbkdf2.digest() {
                    Digest::Sha256 => Unit::Pbkdf2Sha256,
                    Digest::Sha512 => Unit::Pbkdf2Sha512,
                };
                Effort { unit, count: pbkdf2.work() }
            }
            Self::Scrypt(scrypt) => Effort { unit: Unit::Scrypt, count: scrypt.work() },
        }
    }

    fn is_plain_bcrypt(&self) -> bool {
        matches!(self, Self::Bcrypt(bcrypt) if bcrypt.is_plain())
    }
}

/// Without what Django and Spring write before a hash in its own form.
fn bare(encoded: &str) -> &str {
    let after = |before: &str, kept: &str| encoded.strip_prefix(before).filter(|bare| bare.starts_with(kept));
    after("bcrypt$", "$2")
        .or_else(|| after("argon2", "$argon2"))
        .or_else(|| after("{bcrypt}", "$2"))
        .or_else(|| after("{argon2}", "$argon2"))
        .or_else(|| after("{argon2@SpringSecurity_v5_8}", "$argon2"))
        .unwrap_or(encoded)
}

/// A number of ASCII digits alone.
pub(super) fn decimal(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn password(typed: &str) -> Password {
        Password::new(typed.to_owned())
    }

    fn imported(encoded: &str) -> PasswordHash {
        PasswordHash::imported(encoded).unwrap()
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
        for stored in [PasswordHash(of_nothing.to_owned()), imported(of_nothing), PasswordHash::dummy(4)] {
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
        let imported = PasswordHash::imported("$2b$04$abcdefghijklmnopqrstuuh.5qzzK5gmt2QokpLUc/4Y7aNV4DV1m").unwrap();
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
            (imported(&encoded(9)), true),
            (imported(&encoded(10)), true),
            (imported(&encoded(11)), false),
            (PasswordHash("$2b$31$".to_owned()), false),
        ] {
            assert_eq!(stored.is_outdated(&policy), outdated, "{}", stored.0);
        }
        assert_eq!(imported(&encoded(9)).cost(), Some(9));
        assert_eq!(PasswordHash("plain".to_owned()).cost(), None);
    }

    #[test]
    fn pw6_whatever_stands_in_the_store_is_an_answer() {
        for stored in [
            "",
            "imported:",
            "imported:imported:$2b$04$",
            "imported-cut-72:",
            "{SSHA}x",
            "$argon2id$v=19$m=1,t=1,p=1$a$b",
        ] {
            assert_eq!(
                PasswordHash(stored.to_owned()).verify(&password("password1!")),
                Verification::Broken,
                "{stored}"
            );
        }
    }

    const PBKDF2: &str = "pbkdf2_sha256$1000$saltsaltsaltsalt$3hM4/yzht7weMErYFiNg2XC4lSRZTJVIcCz3INxg2O8=";
    const ARGON2ID: &str =
        "$argon2id$v=19$m=64,t=2,p=1$KyVESMlZixHCuHcOQQjBeA$KI/91KnPwKwjmzK1Zoq/LlQ98g1yQnHEFexwVUjSZCI";

    #[test]
    fn l4_what_django_and_spring_write_before_a_hash_is_read() {
        let argon2 = "argon2id$v=19$m=64,t=2,p=2$c2FsdHNhbHRzYWx0c2FsdA$Tl1dw4wvxG7DlvcfshH/ky8zYF04vv9LG45CDK5Hsco";
        for (encoded, of) in [
            // Django 5.2.19, Argon2PasswordHasher and BCryptPasswordHasher
            (format!("argon2${argon2}"), "pässword1!"),
            ("bcrypt$$2b$04$Y8LiEJSyVp3Pyt3k1wGPE.0IbFgS7u431C1DAGlQYUhu4COSsqKYa".to_owned(), "pässword1!"),
            // The prefixes of Spring's DelegatingPasswordEncoder
            (format!("{{argon2}}${argon2}"), "pässword1!"),
            (format!("{{argon2@SpringSecurity_v5_8}}${argon2}"), "pässword1!"),
            ("{bcrypt}$2b$04$Y8LiEJSyVp3Pyt3k1wGPE.0IbFgS7u431C1DAGlQYUhu4COSsqKYa".to_owned(), "pässword1!"),
            // Spring Security's reference manual, "Password Storage"
            ("{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG".to_owned(), "password"),
            // passlib 1.7.4, bcrypt.using(rounds=4, ident="2y"), as Devise and PHP write it
            ("$2y$04$HNgilBa5/85NKizFPqSkZe5NHtszHhRUOKSqlw/ghFgcVoJ6iN.xq".to_owned(), "pässword1!"),
        ] {
            assert_eq!(imported(&encoded).verify(&password(of)), Verification::Right, "{encoded}");
            assert_eq!(imported(&encoded).verify(&password("pässword1?")), Verification::Wrong, "{encoded}");
        }
    }

    #[test]
    fn l4_what_no_scheme_reads_is_refused_with_a_reason_that_holds_nothing_of_it() {
        for (encoded, code) in [
            ("", "hash_unsupported"),
            ("{noop}canary", "hash_unsupported"),
            ("{MD5}canary", "hash_unsupported"),
            ("{bcrypt}canary", "hash_unsupported"),
            ("md5$canary", "hash_unsupported"),
            ("$6$canary$canary", "hash_unsupported"),
            ("imported:$2b$04$canary", "hash_unsupported"),
            ("$2x$04$abcdefghijklmnopqrstuuRTjr3n0wuUxCI.TZhz3Znr3o.V0GGb.", "hash_unsupported"),
            ("$2b$04$canary", "hash_malformed"),
            ("$2b$17$abcdefghijklmnopqrstuuRTjr3n0wuUxCI.TZhz3Znr3o.V0GGb.", "hash_out_of_bounds"),
            (&format!("pbkdf2_sha256$1000${}$canary", "s".repeat(512)), "hash_unsupported"),
        ] {
            let refusal = PasswordHash::imported(encoded).unwrap_err();
            assert_eq!(refusal.code(), code, "{encoded}");
            assert!(!refusal.to_string().contains("canary"), "{refusal}");
        }
    }

    #[test]
    fn pw3_a_hash_that_was_cut_compares_72_bytes_and_says_so() {
        // Django 5.2.19, BCryptPasswordHasher of 80 times x, which it cuts to 72
        let encoded = "bcrypt$$2b$04$cXNW6KAiReTWEMP8FfdNWujJc0dpbEoPAXlF3YV15sBpyGP0qY7qy";
        let cut = imported(encoded).cut_at_72();
        for (typed, verification, cuts) in [
            ("x".repeat(71), Verification::Wrong, false),
            ("x".repeat(72), Verification::Right, true),
            ("x".repeat(73), Verification::Right, true),
            (format!("{}y", "x".repeat(72)), Verification::Right, true),
            (format!("{}yx", "x".repeat(71)), Verification::Wrong, true),
            (format!("{}ü", "x".repeat(71)), Verification::Wrong, true),
        ] {
            assert_eq!(cut.verify(&password(&typed)), verification, "{typed}");
            assert_eq!(cut.cuts(&password(&typed)), cuts, "{typed}");
        }
        assert_eq!(imported(encoded).verify(&password(&"x".repeat(80))), Verification::Wrong, "it isn't marked");
        assert!(!imported(encoded).cuts(&password(&"x".repeat(80))));
        for whole in [PBKDF2, ARGON2ID, "bcrypt_sha256$$2b$04$cOxdmMTgy72ikSywKtV/PemrZY8osxaIEmAYOgHx0rD0h.l3Or0iG"] {
            assert_eq!(imported(whole).cut_at_72(), imported(whole), "it cuts nothing: {whole}");
        }
        assert_eq!(hash("password1!").cut_at_72(), hash("password1!"), "our own never cuts");
    }

    #[test]
    fn pw5_another_scheme_is_outdated_and_within_one_no_cost_is_lowered() {
        let bcrypt = PasswordPolicy::default();
        let argon2id = PasswordPolicy { scheme: HashScheme::Argon2id, ..PasswordPolicy::default() };
        let own = PasswordHash::new(&password("password1!"), &argon2id, [7; 16]).unwrap();
        let dearer = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA";
        for (stored, under_bcrypt, under_argon2id) in [
            (PasswordHash::dummy(12), false, true),
            (PasswordHash::dummy(16), false, true),
            (own, true, false),
            (imported(ARGON2ID), true, true),
            (imported(dearer), true, false),
            (imported(&dearer.replace("2id", "2i")), true, true),
            (imported(PBKDF2), true, true),
            (imported(&PasswordHash::dummy(12).0).cut_at_72(), true, true),
        ] {
            assert_eq!(stored.is_outdated(&bcrypt), under_bcrypt, "{}", stored.0);
            assert_eq!(stored.is_outdated(&argon2id), under_argon2id, "{}", stored.0);
        }
    }

    #[test]
    fn ex1_f16_a_cheaper_hash_of_any_scheme_is_padded_to_the_policys_effort_and_a_dearer_one_is_not() {
        let bcrypt = PasswordPolicy { bcrypt_cost: 12, ..PasswordPolicy::default() };
        let argon2id = PasswordPolicy { scheme: HashScheme::Argon2id, ..PasswordPolicy::default() };
        let costs = |hash: &PasswordHash| hash.padding(&bcrypt).iter().map(|d| d.cost().unwrap()).collect::<Vec<_>>();
        assert_eq!(costs(&PasswordHash::dummy(9)), [9, 10, 11]);
        assert_eq!(costs(&imported(&PasswordHash::dummy(11).0)), [11]);
        for cost in [12, 13] {
            assert_eq!(costs(&PasswordHash::dummy(cost)), [0; 0]);
        }
        for policy in [&bcrypt, &argon2id] {
            let asked = policy.effort();
            assert_eq!(PasswordHash::dummy_of(policy).padding(policy), [], "what the policy makes needs none");
            for cheap in [
                PBKDF2,
                ARGON2ID,
                "scrypt:1024:8:1$salt$00112233445566778899aabbccddeeff",
                "$pbkdf2-sha512$1000$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
                "$2b$04$abcdefghijklmnopqrstuuRTjr3n0wuUxCI.TZhz3Znr3o.V0GGb.",
            ] {
                let cheap = imported(cheap);
                let added: u64 = cheap.padding(policy).iter().map(|d| d.scheme().unwrap().1.effort().count).sum();
                let own = cheap.scheme().unwrap().1.effort();
                let short = effort::missing(own, asked, effort::pace).abs_diff(added);
                assert!(added > 0 && short * 100 <= asked.count, "{}: {short} of {}", cheap.0, asked.count);
            }
        }
        let dear = "$argon2id$v=19$m=262144,t=16,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(imported(dear).padding(&bcrypt), []);
        assert_eq!(imported(dear).padding(&argon2id), []);
        assert_eq!(PasswordHash("broken".to_owned()).padding(&bcrypt), []);
    }

    #[test]
    fn a_stored_hash_is_a_json_string() {
        let stored = serde_json::to_string(&hash("password1!")).unwrap();
        assert!(stored.starts_with("\"$2b$04$"), "{stored}");
        assert_eq!(serde_json::from_str::<PasswordHash>(&stored).unwrap(), hash("password1!"));
    }

    proptest! {
        #[test]
        fn pw4_no_imported_text_panics_or_works_before_its_bounds(
            text in prop_oneof![
                "\\PC{0,80}",
                "(\\{bcrypt\\}|bcrypt\\$|bcrypt_sha256\\$)?\\$2[abxy]\\$[0-9]{0,3}\\$[./A-Za-z0-9$ü]{0,60}",
                "(argon2|\\{argon2\\})?\\$argon2(id|i|d)\\$v=(19|16)\\$m=[0-9]{1,6},t=[0-9]{1,2},p=[0-9]{1,2}\\$[A-Za-z0-9+/]{0,24}\\$[A-Za-z0-9+/]{0,24}",
                "(pbkdf2_sha256\\$|pbkdf2:sha256:|\\$pbkdf2-sha512\\$)(i=)?[0-9]{0,8}\\$[a-z0-9.=,$ü]{0,20}\\$[A-Za-z0-9+/=]{0,90}",
                "(scrypt:|scrypt\\$|\\$scrypt\\$|\\{scrypt\\}\\$)(ln=)?[0-9a-f]{1,7}[,:$]?(r=)?[0-9]{0,3}[,:$]?(p=)?[0-9]{0,3}\\$[A-Za-z0-9+/=$]{0,90}",
            ],
        ) {
            if let Ok(hash) = PasswordHash::imported(&text) {
                prop_assert!(hash.scheme().is_some());
                prop_assert_eq!(hash.clone().cut_at_72().scheme().is_some(), true);
                prop_assert!(hash.scheme().unwrap().1.effort().count <= 1 << 24);
            }
        }

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
