//! PBKDF2 (RFC 8018) with HMAC-SHA-256 or -SHA-512, as Django, Werkzeug, passlib, PHC strings and Spring write it: for
//! imported hashes only.

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use pbkdf2::pbkdf2_hmac;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::hash::decimal;
use super::{HashRefusal, Verification};

/// A PBKDF2 hash read from its text.
pub(super) struct Pbkdf2 {
    digest: Digest,
    rounds: u32,
    salt: Vec<u8>,
    derived: Vec<u8>,
}

/// The hash inside the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256,
    Sha512,
}

const MOST_ROUNDS: u32 = 5_000_000;
const LONGEST: usize = 64;
const SPRING_PREFIX: &str = "{pbkdf2@SpringSecurity_v5_8}";
/// What that name of Spring's stands for.
const SPRING: (u32, usize) = (310_000, 16);

impl Pbkdf2 {
    pub(super) fn is_meant(encoded: &str) -> bool {
        ["pbkdf2", "$pbkdf2", "{pbkdf2"].iter().any(|prefix| encoded.starts_with(prefix))
    }

    /// Reads any of the forms.
    pub(super) fn read(encoded: &str) -> Result<Self, HashRefusal> {
        let rounds = |text: &str| decimal(text).ok_or(MALFORMED);
        let raw = |text: &str| text.as_bytes().to_vec();
        let decoded = |bytes: Result<Vec<u8>, data_encoding::DecodeError>| bytes.map_err(|_| MALFORMED);
        if let Some(rest) = encoded.strip_prefix("pbkdf2_sha256$") {
            let [count, salt, derived] = fields(rest)?;
            let derived = decoded(BASE64.decode(derived.as_bytes()))?;
            return Self::bounded(Digest::Sha256, rounds(count)?, raw(salt), derived);
        }
        for (prefix, digest) in [("pbkdf2:sha256:", Digest::Sha256), ("pbkdf2:sha512:", Digest::Sha512)] {
            if let Some(rest) = encoded.strip_prefix(prefix) {
                let [count, salt, derived] = fields(rest)?;
                let derived = decoded(HEXLOWER_PERMISSIVE.decode(derived.as_bytes()))?;
                return Self::bounded(digest, rounds(count)?, raw(salt), derived);
            }
        }
        for (prefix, digest) in [("$pbkdf2-sha256$", Digest::Sha256), ("$pbkdf2-sha512$", Digest::Sha512)] {
            if let Some(rest) = encoded.strip_prefix(prefix) {
                let [count, salt, derived] = fields(rest)?;
                let [salt, derived] = [salt, derived].map(adapted);
                return Self::bounded(digest, phc_rounds(count).ok_or(MALFORMED)?, salt?, derived?);
            }
        }
        if let Some(rest) = encoded.strip_prefix(SPRING_PREFIX) {
            let (rounds, salt) = SPRING;
            let both = decoded(HEXLOWER_PERMISSIVE.decode(rest.as_bytes()))?;
            let (salt, derived) = both.split_at_checked(salt).ok_or(MALFORMED)?;
            return Self::bounded(Digest::Sha256, rounds, salt.to_vec(), derived.to_vec());
        }
        Err(HashRefusal::Unsupported("this digest or form of PBKDF2"))
    }

    fn bounded(digest: Digest, rounds: u32, salt: Vec<u8>, derived: Vec<u8>) -> Result<Self, HashRefusal> {
        if !(1..=MOST_ROUNDS).contains(&rounds) {
            return Err(HashRefusal::OutOfBounds { what: "the rounds of PBKDF2", allowed: "1 to 5,000,000" });
        }
        let fits = (1..=LONGEST).contains(&salt.len()) && (16..=LONGEST).contains(&derived.len());
        if fits { Ok(Self { digest, rounds, salt, derived }) } else { Err(MALFORMED) }
    }

    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    /// Rounds of the HMAC, of all blocks together.
    pub(super) fn work(&self) -> u64 {
        let blocks = self.derived.len().div_ceil(match self.digest {
            Digest::Sha256 => 32,
            Digest::Sha512 => 64,
        });
        u64::from(self.rounds) * u64::try_from(blocks).unwrap_or(u64::MAX)
    }

    /// Evaluates once, whatever the candidate; `None` matches nothing.
    pub(super) fn verify(&self, candidate: Option<&[u8]>) -> Verification {
        let mut made = Zeroizing::new(vec![0; self.derived.len()]);
        derive(self.digest, candidate.unwrap_or_default(), &self.salt, self.rounds, &mut made);
        let equal = bool::from(made.as_slice().ct_eq(&self.derived));
        if equal && candidate.is_some() { Verification::Right } else { Verification::Wrong }
    }
}

pub(super) fn derive(digest: Digest, password: &[u8], salt: &[u8], rounds: u32, derived: &mut [u8]) {
    match digest {
        Digest::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, rounds, derived),
        Digest::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, rounds, derived),
    }
}

const MALFORMED: HashRefusal = HashRefusal::Malformed("PBKDF2");

/// `29000` (passlib), `i=600000` or `i=600000,l=32` (PHC).
fn phc_rounds(text: &str) -> Option<u32> {
    let Some(rest) = text.strip_prefix("i=") else { return decimal(text) };
    let (rounds, length) = rest.split_once(",l=").map_or((rest, None), |(rounds, length)| (rounds, Some(length)));
    length.is_none_or(|length| decimal(length).is_some()).then(|| decimal(rounds)).flatten()
}

/// Base64 without padding, where passlib writes a full stop for the plus sign.
fn adapted(encoded: &str) -> Result<Vec<u8>, HashRefusal> {
    BASE64_NOPAD.decode(encoded.replace('.', "+").as_bytes()).map_err(|_| MALFORMED)
}

fn fields(text: &str) -> Result<[&str; 3], HashRefusal> {
    text.split('$').collect::<Vec<_>>().try_into().map_err(|_| MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(encoded: &str, candidate: &str) -> Verification {
        Pbkdf2::read(encoded).map_or(Verification::Broken, |hash| hash.verify(Some(candidate.as_bytes())))
    }

    #[test]
    fn l4_hashes_of_django_werkzeug_passlib_and_keycloak_verify() {
        for encoded in [
            // Django 5.2.19, PBKDF2PasswordHasher().encode(…, iterations=1000)
            "pbkdf2_sha256$1000$saltsaltsaltsalt$3hM4/yzht7weMErYFiNg2XC4lSRZTJVIcCz3INxg2O8=",
            // Werkzeug 3.1.9, generate_password_hash(…, method="pbkdf2:sha256:1000")
            "pbkdf2:sha256:1000$Dcvm13Ljg7qHb1g7$09ecedf02c2b3312158c496c32d673ac6de986c511fd41922099d493b11837a9",
            // passlib 1.7.4, pbkdf2_sha256 and pbkdf2_sha512.using(rounds=1000)
            "$pbkdf2-sha256$1000$IySEcA6BcM659x7DmLM2hg$0C.nowDflinBuRCU1SkP5cL1nNFa6WDYmEgO6YMBnF0",
            "$pbkdf2-sha512$1000$jNF6D.FcK4UQgnBuzVnr3Q$kEZ2hi6ZiGnnkmGPTSjUbs4rEjOMta47gC7OrUAsxbBAp7AQkwZdYKEBdw8KC56SJyrYDhw5X.BpJ3WtvLT3lQ",
            // 64 bytes of SHA-256 as Keycloak keeps them, put into a PHC string; Python's hashlib
            "$pbkdf2-sha256$i=1000$AAECAwQFBgcICQoLDA0ODw$UGy8LMXgQupVIqNTpkFtUN3XeCRdO9YXb6ZmfzTArOa0wa1PWD6zvRqoEdXiJc1pU6lFeoO/viJ8WjYlW4uR3g",
            "$pbkdf2-sha256$i=1000,l=64$AAECAwQFBgcICQoLDA0ODw$UGy8LMXgQupVIqNTpkFtUN3XeCRdO9YXb6ZmfzTArOa0wa1PWD6zvRqoEdXiJc1pU6lFeoO/viJ8WjYlW4uR3g",
            // The layout of Spring's Pbkdf2PasswordEncoder.defaultsForSpringSecurity_v5_8; Python's hashlib
            "{pbkdf2@SpringSecurity_v5_8}000102030405060708090a0b0c0d0e0fec44f32cc76ccd38d920c48c0d8a80ed8b03aeb4a36c9f68c6787ab49b7bbc0c",
        ] {
            assert_eq!(verify(encoded, "pässword1!"), Verification::Right, "{encoded}");
            assert_eq!(verify(encoded, "pässword1?"), Verification::Wrong, "{encoded}");
            assert_eq!(Pbkdf2::read(encoded).unwrap().verify(None), Verification::Wrong, "{encoded}");
        }
    }

    #[test]
    fn pw4_rounds_of_pbkdf2_are_bounded_before_any_work() {
        let of = |rounds: u64| {
            let text = format!("pbkdf2_sha256${rounds}$salt$3hM4/yzht7weMErYFiNg2XC4lSRZTJVIcCz3INxg2O8=");
            Pbkdf2::read(&text).map(|read| read.work()).map_err(|refusal| refusal.code())
        };
        assert_eq!(of(1), Ok(1));
        assert_eq!(of(5_000_000), Ok(5_000_000));
        assert_eq!(of(0), Err("hash_out_of_bounds"));
        assert_eq!(of(5_000_001), Err("hash_out_of_bounds"));
        assert_eq!(of(4_294_967_296), Err("hash_malformed"));
    }

    #[test]
    fn pw6_malformed_hashes_of_pbkdf2_are_refused() {
        let derived = "3hM4/yzht7weMErYFiNg2XC4lSRZTJVIcCz3INxg2O8=";
        for (encoded, code) in [
            ("pbkdf2".to_owned(), "hash_unsupported"),
            (format!("pbkdf2_sha1$1000$salt${derived}"), "hash_unsupported"),
            ("{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72".to_owned(), "hash_unsupported"),
            (format!("$pbkdf2$1000$salt${derived}"), "hash_unsupported"),
            (format!("pbkdf2:sha256$salt${derived}"), "hash_unsupported"),
            (format!("pbkdf2_sha256$1000$salt${derived}$"), "hash_malformed"),
            ("pbkdf2_sha256$1000$salt".to_owned(), "hash_malformed"),
            (format!("pbkdf2_sha256$1000$${derived}"), "hash_malformed"),
            (format!("pbkdf2_sha256$1000${}${derived}", "s".repeat(65)), "hash_malformed"),
            (format!("pbkdf2_sha256$+1000$salt${derived}"), "hash_malformed"),
            (format!("pbkdf2_sha256$ü$salt${derived}"), "hash_malformed"),
            ("pbkdf2_sha256$1000$salt$3hM4".to_owned(), "hash_malformed"),
            ("pbkdf2:sha256:1000$salt$zz".to_owned(), "hash_malformed"),
            ("{pbkdf2@SpringSecurity_v5_8}0001".to_owned(), "hash_malformed"),
            ("$pbkdf2-sha256$i=1000,l=x$AAAA$AAAAAAAAAAAAAAAAAAAAAA".to_owned(), "hash_malformed"),
        ] {
            assert_eq!(Pbkdf2::read(&encoded).err().map(|refusal| refusal.code()), Some(code), "{encoded}");
        }
    }
}
