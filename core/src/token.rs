//! Bearer secrets that the engine issues: 256 random bits behind a locator, shown once, stored as SHA-256 only.
//!
//! ```text
//! dws_ + base64url( locator: 16 bytes │ secret: 32 bytes )
//! ```
//!
//! The locator names the partition of the user or record that the token belongs to, so that a store keeps all that is
//! one user's together. The digest covers the whole text with its prefix, so tokens of two kinds never stand in for
//! each other.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::Fault;
use crate::random::SecureRandom;

const LOCATOR: usize = 16;
const BYTES: usize = LOCATOR + 32;
const ENCODED: usize = BYTES / 3 * 4;

/// A SHA-256 or HMAC-SHA-256 value: what the store keeps of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The value with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The value's 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        BASE64URL_NOPAD.encode(&digest.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| "a digest is 32 bytes in base64url")?;
        bytes.try_into().map(Self).map_err(|_| "a digest is 32 bytes in base64url")
    }
}

macro_rules! tokens {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),* $(,)?) => { $(
        $(#[$doc])*
        #[derive(Clone, Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; BYTES]);

        impl $name {
            /// A fresh token in the partition that `locator` names.
            ///
            /// # Errors
            /// The generator is not available.
            pub fn generate(locator: [u8; 16], random: &dyn SecureRandom) -> Result<Self, Fault> {
                generate(locator, random).map(Self)
            }

            /// Reads a token back; `None` unless it has exactly this kind's prefix, length and alphabet.
            pub fn parse(text: &str) -> Option<Self> {
                parse($prefix, text).map(Self)
            }

            /// The token's text, to be given to its holder once.
            pub fn expose(&self) -> Zeroizing<String> {
                Zeroizing::new([$prefix, &BASE64URL_NOPAD.encode(&self.0)].concat())
            }

            /// The partition that the token belongs to.
            pub fn locator(&self) -> [u8; 16] {
                self.0.first_chunk().copied().unwrap_or_default()
            }

            /// What the store keeps: the SHA-256 of the token's text.
            pub fn digest(&self) -> Digest {
                Digest::of(self.expose().as_bytes())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "…"))
            }
        }
    )* };
}

tokens! {
    /// Proves a session, as a cookie or bearer token.
    SessionToken = "dws_",
    /// Proves how far a login has come, or that a process's console was read; works once.
    TicketToken = "dwt_",
    /// Proves that a mail was received; works once.
    LinkToken = "dwl_",
    /// Tells a browser that has logged in before from strangers'; opens nothing.
    BrowserToken = "dwb_",
    /// Lets its holder sign up, as often as the invitation says.
    InvitationToken = "dwi_",
}

fn generate(locator: [u8; 16], random: &dyn SecureRandom) -> Result<[u8; BYTES], Fault> {
    let mut bytes = [0; BYTES];
    let (front, secret) = bytes.split_at_mut(LOCATOR);
    front.copy_from_slice(&locator);
    random.fill(secret)?;
    Ok(bytes)
}

fn parse(prefix: &str, text: &str) -> Option<[u8; BYTES]> {
    let encoded = text.strip_prefix(prefix).filter(|rest| rest.len() == ENCODED)?;
    BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn a_token_is_read_back_and_keeps_its_partition() {
        let token = SessionToken::generate([7; 16], &SystemRandom).unwrap();
        let read = SessionToken::parse(&token.expose()).unwrap();
        assert_eq!((read.locator(), read.digest()), ([7; 16], token.digest()));
        assert_eq!(format!("{token:?}"), "dws_…");
    }

    #[test]
    fn f1_a_token_carries_256_bits_and_no_two_are_alike() {
        let texts: std::collections::HashSet<_> =
            (0..1_000).map(|_| LinkToken::generate([0; 16], &SystemRandom).unwrap().digest()).collect();
        assert_eq!(texts.len(), 1_000);
        assert_eq!(BYTES - LOCATOR, 256 / 8);
    }

    #[test]
    fn se10_malformed_and_foreign_tokens_are_refused_before_any_look_up() {
        let text = SessionToken::generate([7; 16], &SystemRandom).unwrap().expose().to_string();
        let bad = [
            "",
            "dws_",
            &text[..67],
            &format!("{text}A"),
            &format!(" {text}"),
            &text.replace("dws_", "dwt_"),
            &"é".repeat(34),
        ];
        for typed in bad {
            assert!(SessionToken::parse(typed).is_none(), "{typed}");
        }
        assert!(TicketToken::parse(&text).is_none());
    }
}
