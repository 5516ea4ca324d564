//! Mails: what is told to a person's mailbox, and the port that carries it there.

mod facts;
mod kind;
mod look;
mod templates;
mod text;
mod writing;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::email::Email;
use crate::error::Fault;
use crate::policy::without_password;
use crate::time::Timestamp;
pub(crate) use facts::{
    AccountDeleted, AddressInUse, AlreadyRegistered, ConfirmEmail, EmailChanged, EmailRestored, Facts,
    LoginAfterFailures, LoginRestricted, MailedLink, PasswordChanged, RecoveryCodeUsed, ResetPassword, SetPassword,
    TotpDisabled, TotpEnabled, TotpReset, VerifyEmail, WrongCodes,
};
pub use kind::MailKind;
pub use templates::{MailTemplates, TemplateProblem};

/// A mail ready to be sent. Its text may hold a link that opens something: it is sealed wherever it waits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// What it is about.
    pub kind: MailKind,
    /// The sender's address, from the policy.
    pub from: String,
    /// The recipient: always an address from the store or a parsed one, never raw input.
    pub to: Email,
    /// The subject, one line.
    pub subject: String,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// When it was written.
    pub at: Timestamp,
    /// From when on it isn't worth sending: its link doesn't work any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub useless_from: Option<Timestamp>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({} to {})", self.kind.name(), self.to.masked())
    }
}

/// Carries mails.
///
/// An implementation promises:
/// 1. `send` returns only after the mail is accepted for delivery, or fails.
/// 2. The envelope is `mail.to` as parsed; no header is built from unescaped text (no CR or LF gets through).
/// 3. It bounds its own time.
#[async_trait]
pub trait Mailer: Send + Sync + fmt::Debug {
    /// Hands over one mail.
    ///
    /// # Errors
    /// The mail wasn't accepted; the engine keeps it and tries again with back-off.
    async fn send(&self, mail: &Mail) -> Result<(), Fault>;

    /// When the engine hands mails over.
    fn promptness(&self) -> Promptness;
}

/// When mails are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promptness {
    /// Before the reply that promises the mail: for transports that take next to no time.
    BeforeReply,
    /// Soon after the reply, so that nobody can time who gets a mail.
    AfterReply,
}

/// How mails are written, and by whom they are carried.
#[derive(Debug, Clone, Default)]
pub struct MailSetup {
    /// Who carries them; `None` where `mail.transport` is `none`.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// What they are written with.
    pub templates: MailTemplates,
}

/// The `[mail]` section of the policy.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MailPolicy {
    /// The sender's address.
    pub from: String,
    /// Mails that strangers can ask for, of one kind to one address; twice that in all.
    pub per_hour: u32,
    /// `dir:PATH` (one .eml a mail), `smtp://…`, `smtps://…`, `env:NAME` (a variable that holds such an address) or
    /// `none`.
    pub transport: String,
    /// A folder of templates that replace the built-in ones; empty: none. Whoever reads the policy from a file reads the
    /// folder too ([`MailTemplates::replacing`]) and gives the engine what it holds.
    pub templates: String,
}

impl Default for MailPolicy {
    fn default() -> Self {
        Self {
            from: "no-reply@localhost".to_owned(),
            per_hour: 3,
            transport: "dir:mail".to_owned(),
            templates: String::new(),
        }
    }
}

/// The password of a mail server isn't shown.
impl fmt::Debug for MailPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailPolicy")
            .field("from", &self.from)
            .field("per_hour", &self.per_hour)
            .field("transport", &without_password(&self.transport))
            .field("templates", &self.templates)
            .finish()
    }
}

impl MailPolicy {
    /// Whether mails can be sent at all.
    pub fn is_on(&self) -> bool {
        self.transport != "none"
    }
}

/// The languages that mails are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Korean,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Korean];

    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    /// The reader's language if it is offered, else the first that is.
    pub(crate) fn of(locale: Option<&str>, offered: &[String]) -> Self {
        let is_offered = |language: &Self| offered.iter().any(|tag| tag == language.tag());
        let own = locale.and_then(Self::read).filter(is_offered);
        own.or_else(|| offered.iter().find_map(|tag| Self::read(tag))).unwrap_or(Self::English)
    }

    fn read(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }
}

/// A moment as people read it: `2027-01-15 08:00 UTC`.
pub(crate) fn to_the_minute(at: Timestamp) -> String {
    at.to_string().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).chain(" UTC".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_in_its_readers_language_if_that_is_offered() {
        let offered = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        for (locale, tags, language) in [
            (Some("ko"), &["en", "ko"][..], Language::Korean),
            (Some("KO-kr"), &["en", "ko"], Language::Korean),
            (Some("en-GB"), &["ko", "en"], Language::English),
            (Some("fr"), &["ko", "en"], Language::Korean),
            (None, &["ko"], Language::Korean),
            (Some("ko"), &["en"], Language::English),
            (Some("kok"), &["en", "ko"], Language::English),
            (Some("fr"), &[], Language::English),
        ] {
            assert_eq!(Language::of(locale, &offered(tags)), language, "{locale:?} of {tags:?}");
        }
    }

    #[test]
    fn fa4_a_policy_does_not_show_a_mail_servers_password() {
        let transport = "smtp://user:hunter2@mail.example.org".to_owned();
        let shown = format!("{:?}", MailPolicy { transport, ..MailPolicy::default() });
        assert!(shown.contains("smtp://…@mail.example.org") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_moment_is_told_to_the_minute() {
        assert_eq!(to_the_minute(Timestamp::from_millis(1_800_000_000_000)), "2027-01-15 08:00 UTC");
    }
}
