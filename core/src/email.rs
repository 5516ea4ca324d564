//! E-mail addresses: [`Email`].

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::username::{folded, is_identifier};

/// A valid e-mail address, as typed and in the form that keeps it unique.
///
/// Equal and hashed by [`key`](Self::key). Reading one from a store doesn't compute the key again, so an
/// address stored under an older Unicode version stays what it was; what people type goes through
/// [`parse`](Self::parse).
///
/// ```
/// use doorwarden_core::email::Email;
///
/// let email = Email::parse("Ada@Bücher.example")?;
/// assert_eq!(email.typed(), "Ada@Bücher.example");
/// assert_eq!(email.key(), "ada@xn--bcher-kva.example");
/// assert_eq!(email.masked(), "a…@xn--bcher-kva.example");
/// # Ok::<(), doorwarden_core::email::InvalidEmail>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    typed: String,
    key: String,
}

impl Email {
    /// The most bytes an address may have, as it is sent and in normal form (RFC 5321 section 4.5.3.1.3, less `<>`).
    pub const MAX_BYTES: usize = 254;
    /// The most bytes that are looked at.
    pub const MAX_TYPED_BYTES: usize = 320;

    /// Reads what a person typed: a dot-atom (RFC 5322 section 3.2.3, with letters and digits of any script), one `@`
    /// and a domain (strict IDNA). No quotes, comments or address literals.
    ///
    /// # Errors
    /// [`InvalidEmail`] with the reason; it never holds the address.
    pub fn parse(typed: &str) -> Result<Self, InvalidEmail> {
        let refused = |why| InvalidEmail { why };
        if typed.is_empty() {
            return Err(refused(EmailFlaw::Empty));
        }
        if typed.len() > Self::MAX_TYPED_BYTES {
            return Err(refused(EmailFlaw::TooLong));
        }
        let (local, domain) = halves(typed).ok_or(refused(EmailFlaw::AtSign))?;
        let key = Self::normal(local, domain).map_err(refused)?;
        // A key that has another key would let one mailbox be two accounts.
        let again = halves(&key).ok_or(refused(EmailFlaw::AtSign)).map(|(l, d)| Self::normal(l, d))?;
        if again.as_deref() != Ok(key.as_str()) {
            return Err(refused(EmailFlaw::Unstable));
        }
        let email = Self { typed: typed.to_owned(), key };
        if email.key.len() > Self::MAX_BYTES || local.len() + 1 + email.domain().len() > Self::MAX_BYTES {
            return Err(refused(EmailFlaw::TooLong));
        }
        Ok(email)
    }

    fn normal(local: &str, domain: &str) -> Result<String, EmailFlaw> {
        let local = folded(local).ok_or(EmailFlaw::Unstable)?;
        if !is_dot_atom(&local) {
            return Err(EmailFlaw::LocalPart);
        }
        Ok(format!("{local}@{}", ascii_domain(domain).ok_or(EmailFlaw::Domain)?))
    }

    /// The address as it was typed, for display and for sending.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// The normal form, the same for every spelling of the address: the unique key of a store.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The domain in ASCII, lower case.
    pub fn domain(&self) -> &str {
        self.key.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// What a message may show: the first character and the domain, `a…@example.org`.
    pub fn masked(&self) -> String {
        let first: String = self.key.chars().take(1).collect();
        format!("{first}…@{}", self.domain())
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Email {}

impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Email").field(&self.masked()).finish()
    }
}

/// A text that can't be an e-mail address. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the e-mail address {why}")]
pub struct InvalidEmail {
    why: EmailFlaw,
}

impl InvalidEmail {
    /// What is wrong with it.
    pub const fn why(&self) -> EmailFlaw {
        self.why
    }
}

/// Why a text can't be an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmailFlaw {
    /// No character at all.
    #[error("is empty")]
    Empty,
    /// Over 254 bytes.
    #[error("has more than {} bytes", Email::MAX_BYTES)]
    TooLong,
    /// Not exactly one `@`.
    #[error("does not contain exactly one at sign")]
    AtSign,
    /// The part before the `@` is empty, has a dot at its end or beside another, or a character that isn't allowed.
    #[error("has something that is not allowed before the at sign")]
    LocalPart,
    /// The part after the `@` is no domain name.
    #[error("has no valid domain after the at sign")]
    Domain,
    /// Its normal form has another normal form.
    #[error("has no stable normal form")]
    Unstable,
}

fn halves(address: &str) -> Option<(&str, &str)> {
    address.split_once('@').filter(|(_, domain)| !domain.contains('@'))
}

fn is_dot_atom(local: &str) -> bool {
    let is_atext = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext)) && is_identifier(local)
}

fn ascii_domain(domain: &str) -> Option<String> {
    // IDNA drops soft hyphens and the like without a word; what is shown and sent must not hold them.
    let visible: String = domain.nfkc().map(|c| if c == '。' { '.' } else { c }).collect();
    if !is_identifier(&visible) {
        return None;
    }
    idna::domain_to_ascii_strict(&visible).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn email(typed: &str) -> Email {
        Email::parse(typed).unwrap_or_else(|e| panic!("{typed:?}: {e}"))
    }

    fn flaw(typed: &str) -> Option<EmailFlaw> {
        Email::parse(typed).err().map(|e| e.why())
    }

    #[test]
    fn common_addresses_are_read() {
        let cases = [
            ("ada@example.org", "ada@example.org"),
            ("Ada.Love+lace@Example.ORG", "ada.love+lace@example.org"),
            ("o'brien@a-b.example", "o'brien@a-b.example"),
            ("root@localhost", "root@localhost"),
            ("김@예시.example", "김@xn--vv4b11d.example"),
            ("ada@例え。テスト", "ada@xn--r8jz45g.xn--zckzah"),
            ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
            ("ada@faß.example", "ada@xn--fa-hia.example"),
        ];
        for (typed, key) in cases {
            assert_eq!(email(typed).key(), key, "{typed}");
            assert_eq!(email(typed).typed(), typed);
        }
    }

    #[test]
    fn na4_addresses_that_fold_together_are_one() {
        let cases = [
            ("Mike@Example.org", "mIKE@eXAMPLE.ORG"),
            ("ſam@example.org", "sam@example.org"),
            ("\u{212a}im@example.org", "kim@example.org"),
            ("ｍike@ｅxample.org", "mike@example.org"),
            ("e\u{301}va@bu\u{308}cher.example", "Éva@BÜCHER.example"),
            ("a@xn--bcher-kva.example", "a@bücher.example"),
        ];
        for (one, other) in cases {
            assert_eq!(email(one), email(other), "{one} {other}");
        }
    }

    #[test]
    fn na4_look_alikes_are_others() {
        for (one, other) in [("mike@github.com", "m\u{131}ke@github.com"), ("mike@github.com", "mike@g\u{131}thub.com")]
        {
            assert_ne!(email(one), email(other), "{one} {other}");
        }
        assert_ne!(email("adam@example.org"), email("\u{430}dam@example.org"));
    }

    #[test]
    fn na1_signs_that_appear_by_normalising_are_judged() {
        let cases = [
            ("a\u{ff20}b@example.org", EmailFlaw::LocalPart),
            ("a\u{ff20}example.org", EmailFlaw::AtSign),
            ("a\u{ff1b}b@example.org", EmailFlaw::LocalPart),
            ("a\u{ff0c}b@example.org", EmailFlaw::LocalPart),
            ("a\u{ff1c}b@example.org", EmailFlaw::LocalPart),
            ("a\u{2025}b@example.org", EmailFlaw::LocalPart),
            ("a@b\u{ff20}example.org", EmailFlaw::Domain),
            ("a@b\u{2100}.example", EmailFlaw::Domain),
        ];
        for (typed, why) in cases {
            assert_eq!(flaw(typed), Some(why), "{typed}");
        }
    }

    #[test]
    fn na2_one_address_and_nothing_else() {
        for local in [
            "",
            ".a",
            "a.",
            "a..b",
            "a b",
            " a",
            "a\tb",
            "a\r\nBcc:b",
            "a\0",
            "a,b",
            "a;b",
            "<a",
            "a>",
            "\"a\"",
            "a(b)",
            "a\\b",
            "[a]",
            "a:b",
            "a\u{202e}b",
            "a\u{200b}",
            "a\u{ad}b",
            "\u{1f600}",
            "\u{7f}",
        ] {
            assert_eq!(flaw(&format!("{local}@example.org")), Some(EmailFlaw::LocalPart), "{local:?}");
        }
        for domain in [
            "",
            ".",
            "example.com.",
            "a..b",
            ".a.b",
            "a b.c",
            "a_b.c",
            "-a.b",
            "a-.b",
            "[127.0.0.1]",
            "a.b>",
            "a,b.c",
            "a.b\n",
            "a\u{ad}b.c",
            "a\u{200b}b.c",
            "xn--a",
            "ab--cd.e",
            "a\u{202e}b.c",
            "a/b.c",
            "a:25",
        ] {
            assert_eq!(flaw(&format!("a@{domain}")), Some(EmailFlaw::Domain), "{domain:?}");
        }
        for typed in ["example.org", "a@b@example.org", "a@@example.org", "a@example.org,b@example.org"] {
            assert_eq!(flaw(typed), Some(EmailFlaw::AtSign), "{typed}");
        }
        assert_eq!(flaw(""), Some(EmailFlaw::Empty));
        assert_eq!(flaw(&format!("a@{}.example", "b".repeat(64))), Some(EmailFlaw::Domain));
    }

    #[test]
    fn na2_254_bytes_are_the_most() {
        let at = |bytes: usize| format!("{}@example.org", "a".repeat(bytes - 12));
        assert_eq!(flaw(&at(253)), None);
        assert_eq!(flaw(&at(254)), None);
        assert_eq!(flaw(&at(255)), Some(EmailFlaw::TooLong));
        assert_eq!(flaw(&at(320)), Some(EmailFlaw::TooLong));
        assert_eq!(flaw(&"@".repeat(321)), Some(EmailFlaw::TooLong));
        // 253 bytes as typed; the normal form of each letter is one longer.
        assert_eq!(flaw(&format!("{}@example.org", "\u{149}".repeat(120))), Some(EmailFlaw::TooLong));
    }

    #[test]
    fn messages_and_debug_never_hold_the_address() {
        let refused = Email::parse("hunter2").unwrap_err();
        assert_eq!(refused.to_string(), "the e-mail address does not contain exactly one at sign");
        assert_eq!(format!("{:?}", email("ada@example.org")), "Email(\"a…@example.org\")");
    }

    #[test]
    fn a_stored_address_is_read_back_as_it_was() {
        let stored = serde_json::to_string(&email("Ada@Example.org")).unwrap();
        assert_eq!(stored, r#"{"typed":"Ada@Example.org","key":"ada@example.org"}"#);
        let read: Email = serde_json::from_str(&stored).unwrap();
        assert_eq!((read.typed(), read.key(), read.domain()), ("Ada@Example.org", "ada@example.org", "example.org"));
    }

    proptest! {
        #[test]
        fn na1_normalising_again_changes_nothing(
            local in crate::username::tests::tricky(),
            domain in prop_oneof![Just("example.org".to_owned()), crate::username::tests::tricky()],
        ) {
            if let Ok(email) = Email::parse(&format!("{local}@{domain}")) {
                let again = Email::parse(email.key()).unwrap();
                prop_assert_eq!(again.key(), email.key());
                prop_assert_eq!(email.key().matches('@').count(), 1);
                prop_assert!(email.domain().is_ascii());
                prop_assert!(!email.key().contains(|c: char| c.is_control() || c.is_whitespace() || ",;<>\"()".contains(c)));
            }
        }

        #[test]
        fn na4_case_makes_no_second_address(typed in "[a-z0-9][a-z0-9+_-]{0,20}@[a-z][a-z0-9]{0,10}\\.example") {
            prop_assert_eq!(email(&typed), email(&typed.to_uppercase()));
        }
    }
}
