//! Passwords: the candidate a person types ([`Password`]), the rules for a new one ([`PasswordPolicy`]) and what is
//! kept of it ([`PasswordHash`]).

mod argon2;
mod bcrypt;
mod effort;
mod hash;
mod pbkdf2;
mod scrypt;
mod well_known;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use precis_profiles::precis_core::{DerivedPropertyValue, FreeformClass, StringClass};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

pub use hash::{HashRefusal, PasswordHash, Verification};

use self::well_known::is_common;
use crate::username::folded;

/// A password as somebody typed it: a candidate, right or wrong, good or bad.
///
/// Making one never fails: an empty or endless candidate costs its sender the same evaluation as any other, and
/// matches nothing. It is wiped when dropped, is never written, and `Debug` doesn't show it.
///
/// ```
/// use doorwarden_core::password::Password;
///
/// let typed: Password = serde_json::from_str("\"correct horse 1!\"")?;
/// assert_eq!(format!("{typed:?}"), "Password(…)");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A candidate of more bytes than this matches nothing.
    pub const MAX_BYTES: usize = 512;

    /// Takes what was typed, unchanged.
    pub fn new(typed: String) -> Self {
        Self(Zeroizing::new(typed))
    }

    /// What was typed, for a host's own rule or gate. Don't keep it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether both are the same once they are prepared for hashing.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.prepared().zip(other.prepared()).is_some_and(|(one, other)| one == other)
    }

    /// The form that is measured and hashed (RFC 8265 section 4.2, OpaqueString): NFC, every space U+0020, case kept.
    ///
    /// `None` for what matches nothing: an empty, over-long, control-holding or otherwise forbidden candidate.
    pub(crate) fn prepared(&self) -> Option<Zeroizing<String>> {
        let typed = self.as_typed().filter(|typed| is_freeform(typed))?;
        Some(opaque(typed)).filter(|prepared| prepared.len() <= Self::MAX_BYTES)
    }

    /// The bytes as they came, for hashes that another system made; `None` for what matches nothing.
    fn as_typed(&self) -> Option<&str> {
        // C implementations of bcrypt end a password at its first NUL.
        let usable = !self.0.is_empty() && self.0.len() <= Self::MAX_BYTES && !self.0.contains('\0');
        usable.then_some(self.0.as_str())
    }
}

impl From<String> for Password {
    fn from(typed: String) -> Self {
        Self::new(typed)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Whether every character is one of the PRECIS FreeformClass (RFC 8264 section 4.3).
fn is_freeform(text: &str) -> bool {
    let class = FreeformClass::default();
    // The tables of precis-core end with Unicode 6.3; an emoji that came later isn't a forbidden character.
    let stand_in = |c| if class.get_value_from_char(c) == DerivedPropertyValue::Unassigned { 'x' } else { c };
    let mut known = Zeroizing::new(String::with_capacity(text.len()));
    known.extend(text.chars().map(stand_in));
    class.allows(known.as_str()).is_ok()
}

/// The mapping and normalisation of OpaqueString: white space U+0020, NFC.
fn opaque(text: &str) -> Zeroizing<String> {
    // NFC makes nothing more than three times as long, so no growing leaves a copy behind.
    let mut opaque = Zeroizing::new(String::with_capacity(3 * text.len()));
    opaque.extend(text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).nfc());
    opaque
}

/// Rules for a new password and how it is hashed: the section `[password]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordPolicy {
    /// The fewest characters (code points of the prepared form).
    pub min_length: u32,
    /// The most characters; 512 bytes are the end in any case. NIST SP 800-63B-4 asks that 64 be allowed.
    pub max_length: u32,
    /// Kinds of character of which one each must be there.
    pub require: Vec<CharacterClass>,
    /// Refuses what is on the list of common passwords that ships with the crate: in any case, with digits and signs
    /// behind it, with signs for letters, or repeated.
    pub forbid_common: bool,
    /// Refuses a password that contains the e-mail address or the username.
    pub forbid_identifiers: bool,
    /// After this long a login demands a new password; `"never"`, as NIST SP 800-63B-4 advises.
    #[serde(with = "crate::duration::or_never")]
    #[schemars(with = "String")]
    pub max_age: Option<Duration>,
    /// How passwords are hashed from now on.
    pub scheme: HashScheme,
    /// The bcrypt cost, 4 to 16: each step doubles the work.
    pub bcrypt_cost: u32,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: 8,
            max_length: 128,
            require: vec![CharacterClass::Letter, CharacterClass::Digit, CharacterClass::Special],
            forbid_common: false,
            forbid_identifiers: false,
            max_age: None,
            scheme: HashScheme::Bcrypt,
            bcrypt_cost: 12,
        }
    }
}

/// A kind of character that a password can be asked to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CharacterClass {
    /// A letter of any script.
    Letter,
    /// A digit or number of any script.
    Digit,
    /// What is neither letter, digit nor white space.
    Special,
}

impl CharacterClass {
    fn holds(self, c: char) -> bool {
        match self {
            Self::Letter => c.is_alphabetic() && !c.is_numeric(),
            Self::Digit => c.is_numeric(),
            Self::Special => !c.is_alphanumeric() && !c.is_whitespace() && !c.is_control(),
        }
    }

    const fn unmet(self) -> UnmetRule {
        match self {
            Self::Letter => UnmetRule::Letter,
            Self::Digit => UnmetRule::Digit,
            Self::Special => UnmetRule::Special,
        }
    }
}

/// A way to hash passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HashScheme {
    /// bcrypt, with HMAC-SHA-256 before it for a password over 72 bytes.
    Bcrypt,
    /// Argon2id (RFC 9106).
    Argon2id,
}

/// A rule for new passwords that the host adds: a list of breached ones, say.
///
/// An implementation promises:
/// 1. `code` is snake_case, the same for the life of the rule, and none of [`UnmetRule`]'s own.
/// 2. `is_met` is quick, does no I/O, and keeps nothing of the password.
pub trait PasswordRule: Send + Sync + fmt::Debug {
    /// What [`UnmetRule::code`] answers when the rule isn't met.
    fn code(&self) -> &'static str;

    /// Whether `password`, as typed, will do for the account with these names.
    fn is_met(&self, password: &str, identifiers: &[&str]) -> bool;
}

/// What a new password lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnmetRule {
    /// Fewer characters than [`PasswordPolicy::min_length`].
    MinLength,
    /// More characters than [`PasswordPolicy::max_length`], or more than 512 bytes.
    MaxLength,
    /// No letter.
    Letter,
    /// No digit.
    Digit,
    /// Nothing that is neither letter, digit nor white space.
    Special,
    /// On the list of common passwords.
    Common,
    /// Contains the e-mail address or the username.
    Identifier,
    /// Holds a NUL.
    Nul,
    /// Holds a control character, an invisible one, or another that OpaqueString forbids.
    Control,
    /// Is the old password. Only who has just given the old one is told.
    SameAsOld,
    /// A [`PasswordRule`] of the host, by its code.
    Host(&'static str),
}

impl UnmetRule {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MinLength => "min_length",
            Self::MaxLength => "max_length",
            Self::Letter => "letter",
            Self::Digit => "digit",
            Self::Special => "special",
            Self::Common => "common",
            Self::Identifier => "identifier",
            Self::Nul => "nul",
            Self::Control => "control",
            Self::SameAsOld => "same_as_old",
            Self::Host(code) => code,
        }
    }
}

impl PasswordPolicy {
    /// All rules that a new password doesn't meet, in the order of the policy; none if it will do.
    ///
    /// `identifiers` are the account's names as typed; `own_rules` are the host's.
    ///
    /// ```
    /// use doorwarden_core::password::{Password, PasswordPolicy};
    ///
    /// let unmet = PasswordPolicy::default().unmet(&Password::new("horse".to_owned()), &[], &[]);
    /// let codes: Vec<_> = unmet.iter().map(|rule| rule.code()).collect();
    /// assert_eq!(codes, ["min_length", "digit", "special"]);
    /// ```
    pub fn unmet(
        &self,
        password: &Password,
        identifiers: &[&str],
        own_rules: &[Arc<dyn PasswordRule>],
    ) -> Vec<UnmetRule> {
        let typed = password.expose();
        let measured = opaque(typed);
        let length = u32::try_from(measured.chars().count()).unwrap_or(u32::MAX);
        let bytes = typed.len().max(measured.len());
        let mut unmet = Vec::new();
        let mut check = |met: bool, rule| {
            if !met {
                unmet.push(rule)
            }
        };
        check(length >= self.min_length.max(1), UnmetRule::MinLength);
        check(length <= self.max_length && bytes <= Password::MAX_BYTES, UnmetRule::MaxLength);
        for class in [CharacterClass::Letter, CharacterClass::Digit, CharacterClass::Special] {
            check(!self.require.contains(&class) || measured.chars().any(|c| class.holds(c)), class.unmet());
        }
        check(!self.forbid_common || !is_common(&measured), UnmetRule::Common);
        check(!self.forbid_identifiers || !holds_any(&measured, identifiers), UnmetRule::Identifier);
        check(!typed.contains('\0'), UnmetRule::Nul);
        check(is_freeform(&Zeroizing::new(typed.replace('\0', ""))), UnmetRule::Control);
        for rule in own_rules {
            check(rule.is_met(typed, identifiers), UnmetRule::Host(rule.code()));
        }
        unmet
    }
}

/// Whether one of the names is in the password, in any case or width.
fn holds_any(password: &str, identifiers: &[&str]) -> bool {
    /// A shorter name is in too many passwords by chance; it must be all of it.
    const FEWEST_CHARS: usize = 4;
    let fold = |text: &str| Zeroizing::new(folded(text).unwrap_or_else(|| text.to_lowercase()));
    let password = fold(password);
    identifiers.iter().map(|name| fold(name)).any(|name| match name.chars().count() {
        0 => false,
        1..FEWEST_CHARS => *password == *name,
        _ => password.contains(name.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(policy: &PasswordPolicy, typed: &str) -> Vec<&'static str> {
        let identifiers = ["Ada.Love@Example.org", "Ädamski", "bob"];
        policy.unmet(&Password::new(typed.to_owned()), &identifiers, &[]).iter().map(UnmetRule::code).collect()
    }

    fn with(change: impl FnOnce(&mut PasswordPolicy)) -> PasswordPolicy {
        let mut policy = PasswordPolicy::default();
        change(&mut policy);
        policy
    }

    #[test]
    fn all_unmet_rules_are_told_at_once() {
        let cases: [(&str, &[&str]); 16] = [
            ("", &["min_length", "letter", "digit", "special"]),
            ("abcde1!", &["min_length"]),
            ("abcdef1!", &[]),
            ("abcdefg1", &["special"]),
            ("abcdef 1", &["special"]),
            ("abcdefg!", &["digit"]),
            ("1234567!", &["letter"]),
            ("12345678", &["letter", "special"]),
            ("пароль1!", &[]),
            ("비밀번호비밀1🙂", &[]),
            ("passwor٣🤔", &[]),
            ("abcdef1\u{a0}", &["special"]),
            ("abcdef1!\0", &["nul"]),
            ("abcdef1!\n", &["control"]),
            ("abcdef1!\u{202e}", &["control"]),
            ("\0\u{7}", &["min_length", "letter", "digit", "special", "nul", "control"]),
        ];
        for (typed, expected) in cases {
            assert_eq!(codes(&PasswordPolicy::default(), typed), expected, "{typed:?}");
        }
    }

    #[test]
    fn lengths_count_code_points_of_the_prepared_form() {
        let plain = with(|p| p.require = vec![]);
        let cases: [(String, &[&str]); 10] = [
            ("ü".repeat(8), &[]),
            ("u\u{308}".repeat(7), &["min_length"]),
            ("u\u{308}".repeat(8), &[]),
            ("🙂".repeat(7), &["min_length"]),
            ("x".repeat(64), &[]),
            ("x".repeat(128), &[]),
            ("x".repeat(129), &["max_length"]),
            ("🙂".repeat(128), &[]),
            ("🙂".repeat(129), &["max_length"]),
            // 171 characters of three bytes each as typed are 57 in normal form, but 513 bytes were sent.
            ("\u{1100}\u{1161}\u{11a8}".repeat(57), &["max_length", "control"]),
        ];
        for (typed, expected) in cases {
            assert_eq!(codes(&plain, &typed), expected, "{typed:?}");
        }
        let long = with(|p| (p.require, p.max_length) = (vec![], 1_000));
        assert_eq!(codes(&long, &"x".repeat(512)), [""; 0]);
        assert_eq!(codes(&long, &"x".repeat(513)), ["max_length"]);
        // U+2ADC is three bytes, and five in NFC.
        assert_eq!(codes(&long, &"\u{2adc}".repeat(110)), ["max_length"]);
    }

    #[test]
    fn each_key_of_the_policy_changes_an_outcome() {
        let lengths = with(|p| (p.min_length, p.max_length) = (9, 9));
        assert_eq!(codes(&lengths, "abcdef1!"), ["min_length"]);
        assert_eq!(codes(&lengths, "abcdefgh1!"), ["max_length"]);
        assert_eq!(codes(&with(|p| p.min_length = 0), ""), ["min_length", "letter", "digit", "special"]);
        assert_eq!(codes(&with(|p| p.require = vec![CharacterClass::Digit]), "abcdefgh"), ["digit"]);
        assert_eq!(codes(&with(|p| p.forbid_common = true), "P@ssword1"), ["common"]);
        assert_eq!(codes(&with(|p| p.forbid_common = true), "P@ssword1-and-more"), [""; 0]);
        assert_eq!(codes(&PasswordPolicy::default(), "P@ssword1"), [""; 0]);
    }

    #[test]
    fn names_of_the_account_are_found_in_any_case_and_form() {
        let policy = with(|p| (p.forbid_identifiers, p.require, p.min_length) = (true, vec![], 3));
        for typed in
            ["ada.love@example.org", "xxADA.LOVE@EXAMPLE.ORG1!", "1a\u{308}damski", "ＡＤＡ.love@example.org", "BOB"]
        {
            assert_eq!(codes(&policy, typed), ["identifier"], "{typed}");
        }
        // A name of three letters is in too many words.
        for typed in ["bobsleigh", "ada.love@example", "adamski"] {
            assert_eq!(codes(&policy, typed), [""; 0], "{typed}");
        }
        assert_eq!(policy.unmet(&Password::new("anything".to_owned()), &[""], &[]), []);
    }

    #[test]
    fn a_host_adds_its_own_rules() {
        #[derive(Debug)]
        struct NotBreached;
        impl PasswordRule for NotBreached {
            fn code(&self) -> &'static str {
                "breached"
            }
            fn is_met(&self, password: &str, identifiers: &[&str]) -> bool {
                password != "Tr0ub4dor&3" && !identifiers.contains(&password)
            }
        }
        let own: [Arc<dyn PasswordRule>; 1] = [Arc::new(NotBreached)];
        let unmet =
            |typed: &str| PasswordPolicy::default().unmet(&Password::new(typed.to_owned()), &["Ada-ada-1"], &own);
        assert_eq!(unmet("Tr0ub4dor&3"), [UnmetRule::Host("breached")]);
        assert_eq!(unmet("Ada-ada-1"), [UnmetRule::Host("breached")]);
        assert_eq!(unmet("Ada-ada-2"), []);
    }

    #[test]
    fn pw2_spaces_and_composition_are_one_form_and_case_is_kept() {
        let prepared = |typed: &str| Password::new(typed.to_owned()).prepared().map(|form| form.to_string());
        assert_eq!(prepared("Pa\u{308}ss\u{a0}w\u{3000}rd"), Some("Päss w rd".to_owned()));
        assert_eq!(prepared("ﬁ Ａ"), Some("ﬁ Ａ".to_owned()));
        for typed in ["", "a\0", "a\tb", "a\u{200b}", &"x".repeat(513), &"\u{2adc}".repeat(110)] {
            assert_eq!(prepared(typed), None, "{typed:?}");
        }
        assert!(prepared(&"x".repeat(512)).is_some());
    }

    #[test]
    fn pw9_debug_shows_nothing_of_a_password() {
        let password = Password::new("hunter2".to_owned());
        assert_eq!(format!("{password:?} {:?}", PasswordHash::dummy(4)), "Password(…) PasswordHash(…)");
    }

    #[test]
    fn the_policy_is_read_from_toml_words_and_refuses_others() {
        let json = r#"{"min_length":15,"require":["letter","digit","special"],"max_age":"90d","scheme":"argon2id"}"#;
        let policy: PasswordPolicy = serde_json::from_str(json).unwrap();
        assert_eq!(policy.max_age, Some(Duration::from_secs(90 * 86_400)));
        assert_eq!((policy.scheme, policy.max_length), (HashScheme::Argon2id, 128));
        assert_eq!(serde_json::from_str::<PasswordPolicy>("{}").unwrap(), PasswordPolicy::default());
        for wrong in [r#"{"minlength":8}"#, r#"{"require":["upper"]}"#, r#"{"max_age":"soon"}"#, r#"{"min_length":-1}"#]
        {
            assert!(serde_json::from_str::<PasswordPolicy>(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_meets_the_rules_can_be_hashed_and_verified(typed in "[a-z]{0,3}\\PC{0,90}|\\PC{0,9}[\u{0}\u{a0}\u{308}\u{2adc}]{1,180}") {
            let policy = with(|p| (p.min_length, p.max_length, p.require) = (0, 1_000, vec![]));
            let password = Password::new(typed);
            let unmet = policy.unmet(&password, &[], &[]);
            let hash = PasswordHash::bcrypt(&password, 4, [7; 16]);
            prop_assert_eq!(unmet.is_empty(), hash.is_ok());
            if let Ok(hash) = hash {
                prop_assert_eq!(hash.verify(&password), Verification::Right);
            }
        }
    }
}
