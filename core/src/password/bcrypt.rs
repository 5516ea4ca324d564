//! bcrypt: plain, behind HMAC-SHA-256 (passlib's `bcrypt-sha256`, version 2, which is ours), and behind SHA-256 as
//! passlib's version 1 and Django's `bcrypt_sha256` have it.

use std::ops::RangeInclusive;

use bcrypt::HashParts;
use data_encoding::{BASE64, HEXLOWER, Specification};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashRefusal, Verification};

/// A bcrypt hash read from its text.
pub(super) struct Bcrypt<'h> {
    form: Form,
    cost: u32,
    salt: [u8; 16],
    digest: &'h str,
}

/// What bcrypt is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The password, of at most [`PLAIN_BYTES`].
    Plain,
    /// Base64 of HMAC-SHA-256 of the password, keyed with the salt's text: passlib's version 2.
    Hmac,
    /// Base64 of SHA-256 of the password: passlib's version 1.
    Base64,
    /// SHA-256 of the password in hexadecimal, as Django writes it.
    Hex,
}

/// bcrypt reads no further, and whoever hands it more has two passwords that are one.
pub(super) const PLAIN_BYTES: usize = 72;
/// What a store or an import may ask for: a cost of 31 would be 34 hours.
const COSTS: RangeInclusive<u32> = 4..=16;
const SALT_CHARS: usize = 22;
const DIGEST_CHARS: usize = 31;
const SHA256_PREFIX: &str = "$bcrypt-sha256$v=2,t=2b,r=";
const SHA256_V1_PREFIX: &str = "$bcrypt-sha256$2b,";
const DJANGO_PREFIX: &str = "bcrypt_sha256$";

impl<'h> Bcrypt<'h> {
    /// Hashes a prepared password; `None` if `cost` is out of bounds.
    pub(super) fn hash(prepared: &str, cost: u32, salt: [u8; 16]) -> Option<String> {
        COSTS.contains(&cost).then_some(())?;
        if prepared.len() <= PLAIN_BYTES {
            return Some(evaluate(prepared.as_bytes(), cost, salt)?.to_string());
        }
        let made = evaluate(&Form::Hmac.input(prepared.as_bytes(), salt)?, cost, salt)?;
        let (salt, text) = (made.get_salt(), made.to_string());
        Some(format!("{SHA256_PREFIX}{cost}${salt}${}", digest(&text)?))
    }

    /// Well-formed, of the nearest cost that is allowed; its digest is all zeros.
    pub(super) fn dummy(cost: u32) -> String {
        let cost = cost.clamp(*COSTS.start(), *COSTS.end());
        format!("$2b${cost:02}${}", ".".repeat(SALT_CHARS + DIGEST_CHARS))
    }

    /// Whether it is one of the forms that this file reads.
    pub(super) fn is_meant(encoded: &str) -> bool {
        ["$2", "$bcrypt-sha256$", DJANGO_PREFIX].iter().any(|prefix| encoded.starts_with(prefix))
    }

    /// Reads any of the forms.
    pub(super) fn read(encoded: &'h str) -> Result<Self, HashRefusal> {
        let (form, plain, digest) = Self::parted(encoded).ok_or(MALFORMED)?;
        if !["$2a$", "$2b$", "$2y$"].iter().any(|version| plain.starts_with(version)) {
            return Err(HashRefusal::Unsupported("this version of bcrypt"));
        }
        let parts: HashParts = plain.parse().map_err(|_| MALFORMED)?;
        let cost = parts.get_cost();
        if !COSTS.contains(&cost) {
            return Err(HashRefusal::OutOfBounds { what: "the cost of bcrypt", allowed: "4 to 16" });
        }
        Ok(Self { form, cost, salt: parts.get_salt_raw(), digest })
    }

    /// The form, the hash as plain bcrypt, and its digest.
    fn parted(encoded: &'h str) -> Option<(Form, String, &'h str)> {
        for (prefix, form) in [(SHA256_PREFIX, Form::Hmac), (SHA256_V1_PREFIX, Form::Base64)] {
            if let Some(rest) = encoded.strip_prefix(prefix) {
                let [cost, salt, digest] = fields(rest)?;
                return Some((form, format!("$2b${cost:0>2}${salt}{digest}"), digest));
            }
        }
        let (form, plain) = match encoded.strip_prefix(DJANGO_PREFIX) {
            Some(plain) => (Form::Hex, plain),
            None => (Form::Plain, encoded),
        };
        Some((form, plain.to_owned(), digest(plain)?))
    }

    pub(super) fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether the password itself is what bcrypt was given, so that a careless system has cut it.
    pub(super) fn is_plain(&self) -> bool {
        self.form == Form::Plain
    }

    /// Evaluates once, whatever the candidate; `None` and what the form can't take match nothing.
    pub(super) fn verify(&self, candidate: Option<&[u8]>) -> Verification {
        let input = candidate.and_then(|candidate| self.form.input(candidate, self.salt));
        let Some(made) = evaluate(input.as_deref().map_or(b"", Vec::as_slice), self.cost, self.salt) else {
            return Verification::Broken;
        };
        let made = made.to_string();
        let equal = digest(&made).is_some_and(|made| made.as_bytes().ct_eq(self.digest.as_bytes()).into());
        if equal && input.is_some() { Verification::Right } else { Verification::Wrong }
    }
}

const MALFORMED: HashRefusal = HashRefusal::Malformed("bcrypt");

impl Form {
    fn input(self, password: &[u8], salt: [u8; 16]) -> Option<Zeroizing<Vec<u8>>> {
        let text = match self {
            Self::Plain => return (password.len() <= PLAIN_BYTES).then(|| Zeroizing::new(password.to_vec())),
            Self::Hmac => {
                let mut mac = Hmac::<Sha256>::new_from_slice(salt_text(salt)?.as_bytes()).ok()?;
                mac.update(password);
                BASE64.encode(&mac.finalize().into_bytes())
            }
            Self::Base64 => BASE64.encode(&Sha256::digest(password)),
            Self::Hex => HEXLOWER.encode(&Sha256::digest(password)),
        };
        Some(Zeroizing::new(text.into_bytes()))
    }
}

/// In bcrypt's own alphabet.
fn salt_text(salt: [u8; 16]) -> Option<String> {
    let mut alphabet = Specification::new();
    alphabet.symbols.push_str("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    Some(alphabet.encoding().ok()?.encode(&salt))
}

/// The crate's checked call takes 71 bytes and its other one cuts; of at most 72 there is nothing to cut.
fn evaluate(input: &[u8], cost: u32, salt: [u8; 16]) -> Option<HashParts> {
    (input.len() <= PLAIN_BYTES).then(|| bcrypt::hash_with_salt(input, cost, salt).ok()).flatten()
}

/// The digest at the end of `$2b$12$` + salt + digest.
fn digest(plain: &str) -> Option<&str> {
    plain.get("$2b$12$".len() + SALT_CHARS..)
}

/// Exactly `N` fields between dollar signs.
fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('$').collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `abcdefghijklmnopqrstuu`
    const SALT: [u8; 16] = [113, 215, 159, 130, 24, 163, 146, 89, 167, 162, 154, 171, 178, 219, 175, 195];
    const TEXT: &str = "abcdefghijklmnopqrstuu";

    fn verify(encoded: &str, candidate: &str) -> Verification {
        Bcrypt::read(encoded).map_or(Verification::Broken, |hash| hash.verify(Some(candidate.as_bytes())))
    }

    #[test]
    fn plain_hashes_are_those_of_the_python_package_bcrypt() {
        let cases = [
            ("password1!".to_owned(), "RTjr3n0wuUxCI.TZhz3Znr3o.V0GGb."),
            ("päss wörd1!".to_owned(), "JgbSPC1RIhyXpXRbqWn7geeTtctMD4K"),
            ("x".repeat(71), ".gc7UY/21CSNJGJg21jJzx9QiOpJ9bO"),
            ("x".repeat(72), "bzadhGtS2zEF.gu0yd0opP6cVzb.e0i"),
        ];
        for (password, digest) in cases {
            let expected = format!("$2b$04${TEXT}{digest}");
            assert_eq!(Bcrypt::hash(&password, 4, SALT).unwrap(), expected);
            for version in ["$2a$", "$2b$", "$2y$"] {
                let other = expected.replace("$2b$", version);
                assert_eq!(verify(&other, &password), Verification::Right, "{other}");
                assert_eq!(verify(&other, "x"), Verification::Wrong, "{other}");
            }
        }
    }

    #[test]
    fn f11_longer_ones_are_those_of_passlib_bcrypt_sha256_version_2() {
        let cases = [
            ("x".repeat(73), "4", "diPWDa0LmBdd3V8IYadco5OtY7cStCC"),
            ("y".repeat(512), "4", "Bi.x7Sf4E.8DSSkD80WEGPCQv.fDCt6"),
            ("ü".repeat(40), "4", "V/of.AIhCqpODUyUTdxFrYiav8tO51i"),
            ("z".repeat(80), "10", "NkCQ77/4eDXfxL1NT4/bd6QvyWeEXh."),
        ];
        for (password, cost, digest) in cases {
            let expected = format!("$bcrypt-sha256$v=2,t=2b,r={cost}${TEXT}${digest}");
            assert_eq!(Bcrypt::hash(&password, cost.parse().unwrap(), SALT).unwrap(), expected);
            assert_eq!(verify(&expected, &password), Verification::Right);
            assert_eq!(verify(&expected, &format!("{password}x")), Verification::Wrong);
        }
        // passlib writes this form for short ones too.
        let short = format!("$bcrypt-sha256$v=2,t=2b,r=4${TEXT}$3IXrLDh0frU3exqwxyGsfw47CWx5JA6");
        assert_eq!(verify(&short, "password1!"), Verification::Right);
    }

    #[test]
    fn l4_hashes_behind_sha256_are_those_of_passlib_version_1_and_django() {
        for (encoded, of) in [
            // passlib 1.7.4, bcrypt_sha256.using(rounds=4, version=1)
            ("$bcrypt-sha256$2b,4$61o7f/6PV0te6XfM2I91Qu$gYZDYXUcrBlii1A4QIdzGo/9HkHcboa", "pässword1!".to_owned()),
            // Django 5.2.19, BCryptSHA256PasswordHasher with a salt of cost 4
            ("bcrypt_sha256$$2b$04$X1JTCFw3pxl7ttRcmeVLY.5Oa3cA74oUob2Sa8h8JcN8H2YYHksUC", "pässword1!".to_owned()),
            ("bcrypt_sha256$$2b$04$cOxdmMTgy72ikSywKtV/PemrZY8osxaIEmAYOgHx0rD0h.l3Or0iG", "x".repeat(80)),
        ] {
            assert_eq!(verify(encoded, &of), Verification::Right, "{encoded}");
            assert_eq!(verify(encoded, &format!("{of}x")), Verification::Wrong, "{encoded}");
        }
    }

    #[test]
    fn what_matches_nothing_is_wrong_even_where_the_digest_fits() {
        let of_nothing = format!("$2b$04${TEXT}byCG3zY1GIXMyxfivm.ClDiInHzxjiq");
        let hash = Bcrypt::read(&of_nothing).unwrap();
        assert_eq!(hash.verify(Some(b"")), Verification::Right, "the vector is of the empty password");
        assert_eq!(hash.verify(None), Verification::Wrong);
        assert_eq!(hash.verify(Some("x".repeat(73).as_bytes())), Verification::Wrong);
    }

    #[test]
    fn pw4_costs_are_bounded_before_any_work() {
        let digest = ".".repeat(31);
        for cost in 0..100 {
            let expected = (4..=16).contains(&cost);
            assert_eq!(Bcrypt::read(&format!("$2b${cost:02}${TEXT}{digest}")).is_ok(), expected, "{cost}");
            let longer = format!("$bcrypt-sha256$v=2,t=2b,r={cost}${TEXT}${digest}");
            assert_eq!(Bcrypt::read(&longer).is_ok(), expected, "{cost}");
            assert_eq!(Bcrypt::read(&Bcrypt::dummy(cost)).unwrap().cost(), cost.clamp(4, 16));
        }
        assert_eq!(Bcrypt::hash("password1!", 3, SALT), None);
        assert_eq!(Bcrypt::hash("password1!", 17, SALT), None);
    }

    #[test]
    fn pw6_malformed_hashes_are_broken() {
        let digest = "RTjr3n0wuUxCI.TZhz3Znr3o.V0GGb.";
        let cases = [
            String::new(),
            "$".to_owned(),
            "password1!".to_owned(),
            "$2b$04$".to_owned(),
            "ü".repeat(30),
            format!("$2x$04${TEXT}{digest}"),
            format!("$2$04${TEXT}{digest}x"),
            format!("$2b$04${TEXT}{digest}."),
            format!("$2b$04${TEXT}"),
            format!("$2b$4${TEXT}{digest}"),
            format!("$2b$ü${TEXT}{digest}"),
            format!("$2b$04$ü{}{digest}", &TEXT[2..]),
            format!("$2b$04${}v{digest}", &TEXT[1..]),
            format!("$bcrypt-sha256$v=2,t=2b,r=4${TEXT}"),
            format!("$bcrypt-sha256$v=2,t=2b,r=4${TEXT}${digest}$"),
            format!("$bcrypt-sha256$v=2,t=2b,r=4${TEXT}$.{digest}"),
            format!("$bcrypt-sha256$v=1,t=2b,r=4${TEXT}${digest}"),
            format!("$bcrypt-sha256$2a,4${TEXT}${digest}"),
            format!("bcrypt_sha256${TEXT}{digest}"),
            format!("bcrypt_sha256$$bcrypt-sha256$2b,4${TEXT}${digest}"),
            format!("$bcrypt-sha256$v=2,t=2b,r=${TEXT}${digest}"),
            format!("$bcrypt-sha256$v=2,t=2b,r=99999999999${TEXT}${digest}"),
        ];
        for encoded in cases {
            assert_eq!(verify(&encoded, "password1!"), Verification::Broken, "{encoded}");
        }
    }
}
