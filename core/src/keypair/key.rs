//! The two halves of a keypair, in base 62: digits and letters, so that a double click selects all of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::Fault;
use crate::random::{SecureRandom, draw};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The public half: names the keypair and opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccessKey(String);

impl AccessKey {
    /// Its characters: 119 bits, so that none is drawn twice.
    pub const LENGTH: usize = 20;

    pub(crate) fn generate(random: &dyn SecureRandom) -> Result<Self, Fault> {
        characters(Self::LENGTH, random).map(|text| Self(text.to_string()))
    }

    /// Reads an access key.
    ///
    /// # Errors
    /// [`InvalidAccessKey`] unless it is 20 digits and letters.
    pub fn parse(text: &str) -> Result<Self, InvalidAccessKey> {
        let fits = text.len() == Self::LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned())).ok_or(InvalidAccessKey)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<AccessKey> for String {
    fn from(key: AccessKey) -> Self {
        key.0
    }
}

impl TryFrom<String> for AccessKey {
    type Error = InvalidAccessKey;

    fn try_from(text: String) -> Result<Self, InvalidAccessKey> {
        Self::parse(&text)
    }
}

/// The text isn't an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access key is 20 digits and letters")]
pub struct InvalidAccessKey;

/// The secret half, or what somebody gives for it.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<String>);

impl SecretKey {
    /// Its characters: 238 bits.
    pub const LENGTH: usize = 40;

    pub(crate) fn generate(random: &dyn SecureRandom) -> Result<Self, Fault> {
        characters(Self::LENGTH, random).map(Self)
    }

    /// What was typed or sent, whatever it is.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, to be shown to its owner once, or to sign with.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in a time that depends on nothing but the lengths.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// `count` characters, each of the 62 as likely as any other.
fn characters(count: usize, random: &dyn SecureRandom) -> Result<Zeroizing<String>, Fault> {
    // The multiples of 62 below 256; what lies above would make the first characters likelier.
    const FAIR: u8 = 248;
    let mut text = Zeroizing::new(String::with_capacity(count));
    while text.len() < count {
        let bytes = Zeroizing::new(draw::<64>(random)?);
        let fair = bytes.iter().filter(|b| **b < FAIR).filter_map(|b| ALPHABET.get(usize::from(b % 62)));
        let missing = count - text.len();
        text.extend(fair.take(missing).map(|b| char::from(*b)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn f2_an_access_key_has_20_and_a_secret_key_40_characters_of_base_62_all_as_likely() {
        let mut counts: BTreeMap<char, u32> = BTreeMap::new();
        for _ in 0..2_000 {
            let (access, secret) =
                (AccessKey::generate(&SystemRandom).unwrap(), SecretKey::generate(&SystemRandom).unwrap());
            assert_eq!((access.as_str().len(), secret.expose().len()), (20, 40));
            assert_eq!(AccessKey::parse(access.as_str()), Ok(access.clone()));
            access.as_str().chars().chain(secret.expose().chars()).for_each(|c| *counts.entry(c).or_default() += 1);
        }
        assert_eq!(counts.len(), 62);
        // 120,000 draws: each comes 1935 times, with a deviation of 44; the modulus alone would add a quarter to eight.
        assert!(counts.values().all(|count| (1_600..2_270).contains(count)), "{counts:?}");
    }

    #[test]
    fn what_is_no_access_key_is_refused_and_a_secret_is_never_printed() {
        for text in
            ["", "short", "0123456789ABCDEFGHI", "0123456789ABCDEFGHIJK", "0123456789ABCDEFGHI-", "é123456789ABCDEFGHI"]
        {
            assert!(AccessKey::parse(text).is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", SecretKey::new("hunter2".to_owned())), "SecretKey");
    }
}
