//! Mails: what is told to a person's mailbox, and the port that carries it there.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::email::Email;
use crate::error::Fault;
use crate::time::Timestamp;

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
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({} to {})", self.kind.name(), self.to.masked())
    }
}

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MailKind {
    /// Prove that the address is yours.
    VerifyEmail,
    /// Somebody signed up with your address, which has an account already.
    AlreadyRegistered,
    /// One-time passwords were switched on.
    TotpEnabled,
    /// One-time passwords were switched off.
    TotpDisabled,
    /// An administrator removed the account's one-time passwords.
    TotpReset,
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// Set another password.
    ResetPassword,
    /// Your password was changed.
    PasswordChanged,
    /// Prove that the address your account is to have is yours.
    ConfirmEmail,
    /// Somebody wants your address for another account.
    AddressInUse,
    /// Your account has another address.
    EmailChanged,
    /// Your account has its former address again.
    EmailRestored,
    /// Your account was deleted.
    AccountDeleted,
    /// Your password was right, and then codes were wrong.
    WrongCodes,
    /// Somebody logged in after failed attempts.
    LoginAfterFailures,
    /// Your login is restricted.
    LoginRestricted,
}

impl MailKind {
    /// The stable name, as in the files of a mail folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email",
            Self::AlreadyRegistered => "already-registered",
            Self::TotpEnabled => "totp-enabled",
            Self::TotpDisabled => "totp-disabled",
            Self::TotpReset => "totp-reset",
            Self::RecoveryCodeUsed => "recovery-code-used",
            Self::ResetPassword => "reset-password",
            Self::PasswordChanged => "password-changed",
            Self::ConfirmEmail => "confirm-email",
            Self::AddressInUse => "address-in-use",
            Self::EmailChanged => "email-changed",
            Self::EmailRestored => "email-restored",
            Self::AccountDeleted => "account-deleted",
            Self::WrongCodes => "wrong-codes",
            Self::LoginAfterFailures => "login-after-failures",
            Self::LoginRestricted => "login-restricted",
        }
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

/// The `[mail]` section of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MailPolicy {
    /// The sender's address.
    pub from: String,
    /// Mails that strangers can ask for, of one kind to one address; twice that in all.
    pub per_hour: u32,
    /// `dir:PATH` (one .eml a mail), `smtp://…`, `smtps://…` or `none`.
    pub transport: String,
}

impl Default for MailPolicy {
    fn default() -> Self {
        Self { from: "no-reply@localhost".to_owned(), per_hour: 3, transport: "dir:mail".to_owned() }
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
    pub(crate) fn of(locale: Option<&str>) -> Self {
        match locale {
            Some(tag) if tag == "ko" || tag.starts_with("ko-") => Self::Korean,
            _ => Self::English,
        }
    }
}

/// A link of a mail, with when and where it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct MailedLink {
    pub(crate) url: String,
    pub(crate) asked_at: Timestamp,
    pub(crate) from_address: Option<IpAddr>,
    pub(crate) works_for: Duration,
}

/// What a mail has in common whatever it says.
#[derive(Debug, Clone)]
pub(crate) struct Envelope<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a Email,
    pub(crate) locale: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// The mail that proves an address, with a link for each pending registration. Nothing that the applicant typed is in it but the address.
pub(crate) fn verify_email(envelope: &Envelope<'_>, service: &str, links: &[MailedLink]) -> Mail {
    let language = Language::of(envelope.locale);
    let (subject, intro, outro) = match language {
        Language::English => (
            format!("{service}: confirm your e-mail address"),
            format!(
                "Somebody asked for an account at {service} with this address. If it was you, open the link and confirm:"
            ),
            "If it wasn't you, open the link and say so, or do nothing: the request lapses by itself.".to_owned(),
        ),
        Language::Korean => (
            format!("{service}: 이메일 주소를 확인해 주세요"),
            format!("이 주소로 {service} 계정이 요청되었습니다. 본인이 요청했다면 아래 링크를 열어 확인해 주세요:"),
            "본인이 요청하지 않았다면 링크에서 알려 주시거나 무시하셔도 됩니다. 요청은 자동으로 만료됩니다.".to_owned(),
        ),
    };
    let body = links.iter().map(|link| Paragraph::Link { url: link.url.clone(), about: about(language, link) });
    compose(MailKind::VerifyEmail, envelope, subject, &framed(intro, body, outro))
}

/// Tells an account's owner that somebody tried to sign up with its address.
pub(crate) fn already_registered(envelope: &Envelope<'_>, service: &str, url: &str) -> Mail {
    let (subject, intro, outro) = match Language::of(envelope.locale) {
        Language::English => (
            format!("{service}: you already have an account"),
            format!(
                "Somebody asked for an account at {service} with this address, which has one already. Log in here:"
            ),
            "If it wasn't you, you need do nothing: your account is unchanged.".to_owned(),
        ),
        Language::Korean => (
            format!("{service}: 이미 계정이 있습니다"),
            format!("이 주소로 {service} 계정이 요청되었지만 이미 계정이 있습니다. 여기에서 로그인하세요:"),
            "본인이 요청하지 않았다면 아무것도 하지 않으셔도 됩니다. 계정은 그대로입니다.".to_owned(),
        ),
    };
    let link = Paragraph::Link { url: url.to_owned(), about: String::new() };
    compose(MailKind::AlreadyRegistered, envelope, subject, &framed(intro, [link], outro))
}

/// The mail with the link to set another password.
pub(crate) fn reset_password(envelope: &Envelope<'_>, service: &str, link: MailedLink) -> Mail {
    let language = Language::of(envelope.locale);
    let (subject, intro, outro) = match language {
        Language::English => (
            format!("{service}: set a new password"),
            format!(
                "Somebody asked for a new password for your account at {service}. If it was you, open the link and choose one:"
            ),
            "The link works once, and only the newest does. If it wasn't you, you need do nothing: your password is unchanged."
                .to_owned(),
        ),
        Language::Korean => (
            format!("{service}: 새 비밀번호를 설정해 주세요"),
            format!("{service} 계정의 새 비밀번호 설정이 요청되었습니다. 본인이 요청했다면 아래 링크를 열어 설정해 주세요:"),
            "링크는 한 번만, 가장 최근 것만 사용할 수 있습니다. 본인이 요청하지 않았다면 아무것도 하지 않으셔도 됩니다. 비밀번호는 그대로입니다."
                .to_owned(),
        ),
    };
    let about = about(language, &link);
    let link = Paragraph::Link { url: link.url, about };
    compose(MailKind::ResetPassword, envelope, subject, &framed(intro, [link], outro))
}

/// Tells an account's owner that its password was changed just now, and from where.
pub(crate) fn password_changed(envelope: &Envelope<'_>, service: &str, from: Option<IpAddr>, url: &str) -> Mail {
    let at = to_the_minute(envelope.now);
    let (subject, intro, outro) = match Language::of(envelope.locale) {
        Language::English => (
            format!("{service}: your password was changed"),
            format!(
                "The password of your account at {service} was changed on {at}{}, and sessions elsewhere were ended. If it was you, you need do nothing.",
                from.map(|from| format!(" from {from}")).unwrap_or_default()
            ),
            "If it wasn't you, somebody else has your account: set a new password here at once, or ask your administrator:",
        ),
        Language::Korean => (
            format!("{service}: 비밀번호가 변경되었습니다"),
            format!(
                "{service} 계정의 비밀번호가 변경되었고({at}{}) 다른 곳의 세션은 종료되었습니다. 본인이 변경했다면 아무것도 하지 않으셔도 됩니다.",
                from.map(|from| format!(", 주소 {from}")).unwrap_or_default()
            ),
            "본인이 변경하지 않았다면 다른 사람이 계정을 사용하고 있습니다. 여기에서 바로 새 비밀번호를 설정하거나 관리자에게 문의하세요:",
        ),
    };
    let link = Paragraph::Link { url: url.to_owned(), about: String::new() };
    compose(
        MailKind::PasswordChanged,
        envelope,
        subject,
        &[Paragraph::Text(intro), Paragraph::Text(outro.to_owned()), link],
    )
}

/// A mail that tells of something and asks for nothing: paragraphs of text, without a link.
pub(crate) fn notice(kind: MailKind, envelope: &Envelope<'_>, subject: String, paragraphs: Vec<String>) -> Mail {
    let paragraphs: Vec<_> = paragraphs.into_iter().map(Paragraph::Text).collect();
    compose(kind, envelope, subject, &paragraphs)
}

/// A mail with one link between two paragraphs; an empty one is left out.
pub(crate) fn with_link(
    kind: MailKind,
    envelope: &Envelope<'_>,
    subject: String,
    [intro, outro]: [String; 2],
    link: MailedLink,
) -> Mail {
    let about = about(Language::of(envelope.locale), &link);
    let mut paragraphs = vec![Paragraph::Text(intro), Paragraph::Link { url: link.url, about }];
    paragraphs.extend((!outro.is_empty()).then_some(Paragraph::Text(outro)));
    compose(kind, envelope, subject, &paragraphs)
}

fn about(language: Language, link: &MailedLink) -> String {
    let from = link.from_address.map(|address| address.to_string());
    let (asked_at, lasts) = (to_the_minute(link.asked_at), lasting(language, link.works_for));
    match (language, from) {
        (Language::English, Some(from)) => format!("asked for on {asked_at} from {from}; works for {lasts}"),
        (Language::English, None) => format!("asked for on {asked_at}; works for {lasts}"),
        (Language::Korean, Some(from)) => format!("요청 시각 {asked_at}, 요청 주소 {from}, {lasts} 동안 유효"),
        (Language::Korean, None) => format!("요청 시각 {asked_at}, {lasts} 동안 유효"),
    }
}

/// Whole minutes up to two hours, whole hours above.
fn lasting(language: Language, length: Duration) -> String {
    let minutes = length.as_secs().div_ceil(60);
    let (count, is_hours) = if minutes <= 120 { (minutes, false) } else { (minutes.div_ceil(60), true) };
    match (language, is_hours) {
        (Language::English, true) => format!("{count} h"),
        (Language::English, false) => format!("{count} min"),
        (Language::Korean, true) => format!("{count}시간"),
        (Language::Korean, false) => format!("{count}분"),
    }
}

/// A moment as people read it: `2027-01-15 08:00 UTC`.
pub(crate) fn to_the_minute(at: Timestamp) -> String {
    at.to_string().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).chain(" UTC".chars()).collect()
}

enum Paragraph {
    Text(String),
    Link { url: String, about: String },
}

fn framed(intro: String, body: impl IntoIterator<Item = Paragraph>, outro: String) -> Vec<Paragraph> {
    let mut paragraphs = vec![Paragraph::Text(intro)];
    paragraphs.extend(body);
    paragraphs.push(Paragraph::Text(outro));
    paragraphs
}

fn compose(kind: MailKind, envelope: &Envelope<'_>, subject: String, paragraphs: &[Paragraph]) -> Mail {
    let text: Vec<String> = paragraphs.iter().map(as_text).collect();
    let html: Vec<String> = paragraphs.iter().map(as_html).collect();
    Mail {
        kind,
        from: envelope.from.to_owned(),
        to: envelope.to.clone(),
        subject,
        text: text.join("\n\n") + "\n",
        html: format!("<!doctype html>\n<meta charset=\"utf-8\">\n{}\n", html.join("\n")),
        at: envelope.now,
    }
}

fn as_text(paragraph: &Paragraph) -> String {
    match paragraph {
        Paragraph::Text(text) => text.clone(),
        Paragraph::Link { url, about } if about.is_empty() => url.clone(),
        Paragraph::Link { url, about } => format!("{url}\n({about})"),
    }
}

fn as_html(paragraph: &Paragraph) -> String {
    match paragraph {
        Paragraph::Text(text) => format!("<p>{}</p>", escaped(text)),
        Paragraph::Link { url, about } => {
            let url = escaped(url);
            format!("<p><a href=\"{url}\">{url}</a><br><small>{}</small></p>", escaped(about))
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(locale: Option<&str>) -> Mail {
        let to = Email::parse("ada@example.org").unwrap();
        let envelope =
            Envelope { from: "no-reply@example.org", to: &to, locale, now: Timestamp::from_millis(1_800_000_000_000) };
        let link = |n: u32| MailedLink {
            url: format!("https://id.example.org/verify-email?token=dwl_{n}&x=<"),
            asked_at: envelope.now,
            from_address: Some("203.0.113.9".parse().unwrap()),
            works_for: Duration::from_secs(86_400),
        };
        verify_email(&envelope, "Example <b>", &[link(1), link(2)])
    }

    #[test]
    fn ph5_each_link_stands_with_its_time_and_client_in_both_parts() {
        let mail = mail(None);
        for n in 1..=2 {
            assert!(mail.text.contains(&format!("token=dwl_{n}&x=<")), "{}", mail.text);
            assert!(mail.html.contains(&format!("token=dwl_{n}&amp;x=&lt;")), "{}", mail.html);
        }
        assert_eq!(mail.text.matches("2027-01-15 08:00 UTC from 203.0.113.9; works for 24 h").count(), 2);
    }

    #[test]
    fn re5_text_is_escaped_in_the_html_part() {
        assert!(mail(None).html.contains("Example &lt;b&gt;"));
    }

    #[test]
    fn a_mail_is_written_in_the_language_of_its_reader() {
        assert!(mail(Some("ko-KR")).subject.contains("확인"));
        assert!(mail(Some("fr")).subject.contains("confirm"));
    }
}
