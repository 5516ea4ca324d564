//! Usernames, and what makes two of them one: [`Username`].
//!
//! A name has three forms. *Typed* is shown. *Key* is its normal form: what differs only in case, width or
//! compatibility (`ſ` and `s`, `K` and `k`) is one name. *Skeleton* is what it looks like (UTS 39): a name that can be
//! mistaken for another's (`mıke`, Cyrillic `а`) can't stand beside it.

use std::fmt;
use std::hash::{Hash, Hasher};

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::Rules;
use precis_profiles::precis_core::{DerivedPropertyValue, IdentifierClass, StringClass};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// A valid username, as typed and in the two forms that keep it unique.
///
/// Equal and hashed by [`key`](Self::key). Reading one from a store doesn't compute the forms again, so names
/// stored under an older Unicode version stay what they were; what people type goes through [`parse`](Self::parse).
///
/// ```
/// use doorwarden_core::username::Username;
///
/// let name = Username::parse("Ada_Lovelace")?;
/// assert_eq!(name.typed(), "Ada_Lovelace");
/// assert_eq!(name, Username::parse("ADA_LOVELACE")?);
/// assert_eq!(Username::parse("mike")?.skeleton(), Username::parse("m\u{131}ke")?.skeleton());
/// # Ok::<(), doorwarden_core::username::InvalidUsername>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Username {
    typed: String,
    key: String,
    skeleton: String,
}

impl Username {
    /// The most characters a name may have, typed and in normal form.
    pub const MAX_CHARS: usize = 64;
    /// The most bytes a name may have, typed and in normal form.
    pub const MAX_BYTES: usize = 256;

    /// Reads what a person typed: 1 to 64 letters, digits and visible ASCII signs but `@` (RFC 8265 section 3.3,
    /// UsernameCaseMapped, with NFKC and full case folding on top).
    ///
    /// # Errors
    /// [`InvalidUsername`] with the reason; it never holds the name.
    pub fn parse(typed: &str) -> Result<Self, InvalidUsername> {
        check_length(typed)?;
        // Names are judged in normal form: `a＠b` has no `@` before, and one after.
        let key = folded(typed).ok_or(InvalidUsername { why: UsernameFlaw::Unstable })?;
        check_length(&key)?;
        if key.contains('@') {
            return Err(InvalidUsername { why: UsernameFlaw::AtSign });
        }
        if !is_identifier(&key) || UsernameCaseMapped::new().directionality_rule(key.as_str()).is_err() {
            return Err(InvalidUsername { why: UsernameFlaw::Character });
        }
        let skeleton = unicode_security::skeleton(&key).flat_map(char::to_lowercase).collect();
        Ok(Self { typed: typed.to_owned(), key, skeleton })
    }

    /// The name as it was typed, for display.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// The normal form: the same for every spelling of the name.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What the name looks like (UTS 39 section 4, lower case), the same for look-alikes: the unique key of a store.
    ///
    /// Only for comparing; it isn't a name itself.
    pub fn skeleton(&self) -> &str {
        &self.skeleton
    }
}

impl PartialEq for Username {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Username {}

impl Hash for Username {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Username").field(&self.key).finish()
    }
}

/// A text that can't be a username. It never holds the text: people type passwords into that field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the username {why}")]
pub struct InvalidUsername {
    why: UsernameFlaw,
}

impl InvalidUsername {
    /// What is wrong with it.
    pub const fn why(&self) -> UsernameFlaw {
        self.why
    }
}

/// Why a text can't be a username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsernameFlaw {
    /// No character at all.
    #[error("is empty")]
    Empty,
    /// Over 64 characters or 256 bytes, as typed or in normal form.
    #[error("has more than {} characters", Username::MAX_CHARS)]
    TooLong,
    /// An `@`, also one that appears only in normal form.
    #[error("contains an at sign")]
    AtSign,
    /// White space, a control or bidi character, a symbol, or letters in an order that bidi text can't show.
    #[error("contains a character that is not allowed, or one where it is not allowed")]
    Character,
    /// Its normal form has another normal form.
    #[error("has no stable normal form")]
    Unstable,
}

fn check_length(name: &str) -> Result<(), InvalidUsername> {
    let why = match name {
        "" => UsernameFlaw::Empty,
        _ if name.len() > Username::MAX_BYTES || name.chars().count() > Username::MAX_CHARS => UsernameFlaw::TooLong,
        _ => return Ok(()),
    };
    Err(InvalidUsername { why })
}

/// NFKC and full case folding, until nothing changes; `None` if that never happens.
pub(crate) fn folded(text: &str) -> Option<String> {
    const MAX_PASSES: usize = 4;
    let fold = |text: &str| -> String { text.nfkc().flat_map(folded_char).nfkc().collect() };
    let mut before = fold(text);
    for _ in 0..MAX_PASSES {
        let after = fold(&before);
        if after == before {
            return Some(after);
        }
        before = after;
    }
    None
}

/// Full case folding as upper, then lower case, which also meets `ß`, `ſ` and final `ς`.
fn folded_char(c: char) -> impl Iterator<Item = char> {
    // Dotless i has no folding of its own; by way of `I` it would take the name of whoever has an `i` there.
    let kept = (c == 'ı').then_some(c);
    let mapped = kept.is_none().then(|| c.to_uppercase().flat_map(char::to_lowercase));
    kept.into_iter().chain(mapped.into_iter().flatten())
}

/// Whether every character is one of the PRECIS IdentifierClass (RFC 8264 section 4.2).
pub(crate) fn is_identifier(text: &str) -> bool {
    let class = IdentifierClass::default();
    let known: String = text.chars().map(|c| stand_in(c, class.get_value_from_char(c))).collect();
    class.allows(known).is_ok()
}

/// The tables of precis-core end with Unicode 6.3: a letter or digit that came later counts as a letter.
fn stand_in(c: char, property: DerivedPropertyValue) -> char {
    if property == DerivedPropertyValue::Unassigned && c.is_alphanumeric() { 'x' } else { c }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(typed: &str) -> Username {
        Username::parse(typed).unwrap_or_else(|e| panic!("{typed:?}: {e}"))
    }

    fn flaw(typed: &str) -> Option<UsernameFlaw> {
        Username::parse(typed).err().map(|e| e.why())
    }

    #[test]
    fn letters_of_any_script_digits_and_ascii_signs_are_names() {
        let long = "x".repeat(64);
        // The last two came after Unicode 6.3: Adlam, and Cherokee whose small letters did.
        for typed in
            ["a", "Ada_Lovelace", "o'brien", "dot.ted-na+me", "Łukasz", "김하늘", "محمد", "ß", "𞤀𞤣", "ᏣᎳᎩ", &long]
        {
            assert_eq!(flaw(typed), None, "{typed}");
        }
    }

    #[test]
    fn na4_names_that_fold_together_are_one() {
        let cases = [
            ("Mike", "mIKE"),
            ("ſam", "sam"),
            ("\u{212a}im", "kim"),
            ("ｍｉｋｅ", "mike"),
            ("straße", "STRASSE"),
            ("ẞ", "ss"),
            ("σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("e\u{301}va", "Éva"),
            ("ﬁona", "FIONA"),
            ("ᏣᎳᎩ", "ꮳꮃꭹ"),
        ];
        for (one, other) in cases {
            assert_eq!(name(one), name(other), "{one} {other}");
            assert_eq!(name(one).skeleton(), name(other).skeleton(), "{one} {other}");
        }
    }

    #[test]
    fn na4_look_alikes_have_another_key_and_the_same_skeleton() {
        let cases =
            [("mike", "m\u{131}ke"), ("adam", "\u{430}dam"), ("paypal", "paypa1"), ("mike", "rnike"), ("bob0", "bobo")];
        for (one, other) in cases {
            assert_ne!(name(one), name(other), "{one} {other}");
            assert_eq!(name(one).skeleton(), name(other).skeleton(), "{one} {other}");
        }
        assert_ne!(name("mike").skeleton(), name("mika").skeleton());
    }

    #[test]
    fn na1_signs_that_appear_by_normalising_are_judged() {
        assert_eq!(flaw("a\u{ff20}b"), Some(UsernameFlaw::AtSign));
        assert_eq!(flaw("a\u{fe6b}b"), Some(UsernameFlaw::AtSign));
        assert_eq!(name("a\u{ff1b}b").key(), "a;b");
        let grows = "\u{fdfa}".repeat(8);
        assert_eq!(flaw(&grows), Some(UsernameFlaw::TooLong));
    }

    #[test]
    fn other_texts_are_refused_with_their_reason() {
        let (chars, bytes) = ("x".repeat(65), "\u{1f600}".repeat(65));
        let cases = [
            ("", UsernameFlaw::Empty),
            (&chars, UsernameFlaw::TooLong),
            (&bytes, UsernameFlaw::TooLong),
            ("a@b", UsernameFlaw::AtSign),
            ("a b", UsernameFlaw::Character),
            (" a", UsernameFlaw::Character),
            ("a\u{a0}b", UsernameFlaw::Character),
            ("a\nb", UsernameFlaw::Character),
            ("a\0b", UsernameFlaw::Character),
            ("a\u{202e}b", UsernameFlaw::Character),
            ("a\u{200b}b", UsernameFlaw::Character),
            ("a\u{ad}b", UsernameFlaw::Character),
            ("\u{1f600}", UsernameFlaw::Character),
            ("a\u{5d0}", UsernameFlaw::Character),
            ("\u{e000}", UsernameFlaw::Character),
        ];
        for (typed, why) in cases {
            assert_eq!(flaw(typed), Some(why), "{typed:?}");
        }
    }

    #[test]
    fn messages_never_hold_what_was_typed() {
        let refused = Username::parse("hunter2 hunter2").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the username contains a character that is not allowed, or one where it is not allowed"
        );
    }

    #[test]
    fn a_stored_name_is_read_back_as_it_was() {
        let stored = serde_json::to_string(&name("Mike")).unwrap();
        assert_eq!(stored, r#"{"typed":"Mike","key":"mike","skeleton":"rnike"}"#);
        let read: Username = serde_json::from_str(&stored).unwrap();
        assert_eq!((read.typed(), read.key(), read.skeleton()), ("Mike", "mike", "rnike"));
    }

    /// Letters whose forms are known to trip, between plain ones.
    pub(crate) fn tricky() -> impl Strategy<Value = String> {
        let edge = prop::sample::select(vec![
            'ı', 'İ', 'i', 'I', 'ſ', 'ß', 'ẞ', 'K', 'ς', 'Σ', 'ﬁ', '＠', '@', '；', '．', '。', '\u{301}', '\u{307}',
            '\u{345}', '\u{ad}', '\u{200d}', '\u{202e}', 'ŉ', 'ǰ', 'Ꭰ', 'ꭰ', 'Ა', 'ა', '\u{fdfa}', 'א', '1', ' ', '.',
            '-',
        ]);
        let one = prop_oneof![3 => prop::char::range('a', 'z'), 4 => edge, 1 => any::<char>()];
        prop::collection::vec(one, 0..12).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn na1_normalising_again_changes_nothing(typed in tricky()) {
            if let Ok(name) = Username::parse(&typed) {
                let again = Username::parse(name.key()).unwrap();
                prop_assert_eq!(again.key(), name.key());
                prop_assert_eq!(again.skeleton(), name.skeleton());
                prop_assert!(!name.key().contains('@'));
                prop_assert!(!name.key().contains(char::is_whitespace));
                prop_assert!(!name.key().contains(char::is_control));
            }
        }

        #[test]
        fn na4_case_and_width_make_no_second_name(typed in "[a-z0-9_.-]{1,20}") {
            let wide: String = typed.chars().map(|c| char::from_u32(c as u32 + 0xfee0).unwrap()).collect();
            prop_assert_eq!(name(&typed), name(&typed.to_uppercase()));
            prop_assert_eq!(name(&typed), name(&wide));
        }
    }
}
