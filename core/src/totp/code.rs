//! What is typed where a code is asked for: a one-time password, or a recovery code (NIST SP 800-63B-4, look-up
//! secrets).

use std::fmt;

use data_encoding::BASE32_NOPAD;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::Fault;
use crate::random::{SecureRandom, draw};
use crate::token::Digest;

/// A code as somebody typed it, not read yet: what can't be one is as wrong as a wrong one, and is charged like it.
#[derive(Clone)]
pub struct TypedCode(Zeroizing<String>);

/// What a typed code can be.
#[derive(PartialEq)]
pub(super) enum Read {
    /// Six ASCII digits.
    OneTime(Zeroizing<String>),
    /// Something of a recovery code's form.
    Recovery(Digest),
    /// Neither.
    Nothing,
}

impl TypedCode {
    const DIGITS: usize = 6;
    /// Longer than any spelling of a code; nothing behind it is looked at.
    const LONGEST: usize = 100;

    /// Takes whatever was typed.
    pub fn new(typed: String) -> Self {
        Self(Zeroizing::new(typed))
    }

    /// Applications show `123 456`, so spaces are ignored; digits of other scripts are none.
    pub(super) fn read(&self) -> Read {
        if self.0.len() > Self::LONGEST {
            return Read::Nothing;
        }
        let packed = Zeroizing::new(self.0.replace(' ', ""));
        if packed.len() == Self::DIGITS && packed.bytes().all(|byte| byte.is_ascii_digit()) {
            return Read::OneTime(packed);
        }
        RecoveryCode::parse(&packed).map_or(Read::Nothing, |code| Read::Recovery(code.digest()))
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedCode")
    }
}

/// A recovery code: 120 random bits, shown once, stored as SHA-256, good for one login without the authenticator.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode([u8; Self::BYTES]);

impl RecoveryCode {
    const BYTES: usize = 15;
    const GROUP: usize = 4;

    pub(super) fn generate(random: &dyn SecureRandom) -> Result<Self, Fault> {
        draw(random).map(Self)
    }

    /// Reads a code back, in any case and with or without its hyphens.
    fn parse(typed: &str) -> Option<Self> {
        let packed = Zeroizing::new(typed.replace('-', "").to_ascii_uppercase());
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(packed.as_bytes()).ok()?);
        bytes.as_slice().try_into().ok().map(Self)
    }

    /// The code's text, in groups of four: `ABCD-EFGH-…`.
    pub fn expose(&self) -> Zeroizing<String> {
        let packed = Zeroizing::new(BASE32_NOPAD.encode(&self.0));
        let mut text = Zeroizing::new(String::with_capacity(packed.len() * 2));
        for (at, letter) in packed.chars().enumerate() {
            if at > 0 && at % Self::GROUP == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }

    /// What the store keeps; 120 bits need no slow hash.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn read(typed: &str) -> Read {
        TypedCode::new(typed.to_owned()).read()
    }

    #[test]
    fn ot2_only_six_ascii_digits_are_a_one_time_password() {
        for typed in ["123456", "123 456", " 1 2 3 4 5 6 ", "000000"] {
            assert!(matches!(read(typed), Read::OneTime(code) if code.len() == 6), "{typed}");
        }
        for typed in [
            "",
            "12345",
            "1234567",
            "+12345",
            "-12345",
            "12345a",
            "１２３４５６",
            "١٢٣٤٥٦",
            "123\u{a0}456",
            "123-456",
            "0x1234",
            "123456\n",
            &"1".repeat(60_000),
            &" ".repeat(60_000),
        ] {
            assert!(read(typed) == Read::Nothing, "{typed:?}");
        }
    }

    #[test]
    fn f3_a_recovery_code_has_120_bits_in_six_groups_and_is_read_in_any_spelling() {
        let code = RecoveryCode::generate(&SystemRandom).unwrap();
        let text = code.expose().to_string();
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [4; 6]);
        let spellings =
            [text.clone(), text.to_lowercase(), text.replace('-', ""), text.replace('-', " "), format!(" {text} ")];
        for spelling in spellings {
            assert!(read(&spelling) == Read::Recovery(code.digest()), "{spelling}");
        }
        for typed in [&text[1..], &format!("{text}A"), &text.replace(&text[..1], "0"), &text.replace(&text[..1], "é")]
        {
            assert!(read(typed) == Read::Nothing, "{typed}");
        }
    }

    #[test]
    fn no_two_recovery_codes_are_alike_and_none_is_shown() {
        let digests: std::collections::HashSet<_> =
            (0..1_000).map(|_| RecoveryCode::generate(&SystemRandom).unwrap().digest()).collect();
        assert_eq!(digests.len(), 1_000);
        let code = RecoveryCode::generate(&SystemRandom).unwrap();
        assert_eq!(format!("{code:?} {:?}", TypedCode::new("123456".to_owned())), "RecoveryCode TypedCode");
    }
}
