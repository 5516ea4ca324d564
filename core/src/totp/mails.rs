//! What an account's owner is told when a second factor changes or a recovery code is used.

use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::error::Fault;
use crate::mail::{self, Envelope, Language, Mail, MailKind, to_the_minute};
use crate::user::User;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    Enabled,
    Disabled,
    Reset,
    RecoveryCodeUsed { left: usize },
}

impl Engine {
    /// The mail to the owner, to be committed with what it tells; none where no mails are sent.
    pub(crate) fn tell_of_totp(&self, user: &User, what: Occasion, client: &Client) -> Result<Option<Delivery>, Fault> {
        let policy = self.policy();
        if !policy.mail.is_on() {
            return Ok(None);
        }
        let (from, to, locale) = (&*policy.mail.from, &user.email, user.locale.as_deref());
        let mail = write(&Envelope { from, to, locale, now: self.now() }, &policy.service, what, client);
        Delivery::of_mail(&mail, self.keys(), self.now(), self.random()).map(Some)
    }
}

fn write(envelope: &Envelope<'_>, service: &str, what: Occasion, client: &Client) -> Mail {
    let when = to_the_minute(envelope.now);
    let from = client.address.map(|address| address.to_string());
    let (subject, paragraphs) = match Language::of(envelope.locale) {
        Language::English => english(service, what, &from.map_or(when.clone(), |from| format!("{when} from {from}"))),
        Language::Korean => korean(service, what, &from.map_or(when.clone(), |from| format!("{when}, {from}"))),
    };
    mail::notice(what.kind(), envelope, subject, paragraphs)
}

fn english(service: &str, what: Occasion, when: &str) -> (String, Vec<String>) {
    let (subject, happened) = match what {
        Occasion::Enabled => (
            "two-factor authentication is on",
            "From now on a login asks for a code of your authenticator application. Keep your recovery codes safe."
                .to_owned(),
        ),
        Occasion::Disabled => (
            "two-factor authentication is off",
            "A login asks for your password alone again. Your other sessions were ended.".to_owned(),
        ),
        Occasion::Reset => (
            "two-factor authentication was reset",
            "An administrator removed your authenticator application from your account. All your sessions were ended."
                .to_owned(),
        ),
        Occasion::RecoveryCodeUsed { left } => {
            ("a recovery code was used", format!("It doesn't work again. Recovery codes left: {left}."))
        }
    };
    let warning = "If it wasn't you, change your password and tell your administrator at once.";
    (format!("{service}: {subject}"), vec![happened, format!("({when})"), warning.to_owned()])
}

fn korean(service: &str, what: Occasion, when: &str) -> (String, Vec<String>) {
    let (subject, happened) = match what {
        Occasion::Enabled => (
            "2단계 인증이 켜졌습니다",
            "이제 로그인할 때 인증 앱의 코드가 필요합니다. 복구 코드를 안전하게 보관하세요.".to_owned(),
        ),
        Occasion::Disabled => {
            ("2단계 인증이 꺼졌습니다", "이제 비밀번호만으로 로그인합니다. 다른 세션은 모두 종료되었습니다.".to_owned())
        }
        Occasion::Reset => (
            "2단계 인증이 초기화되었습니다",
            "관리자가 계정에서 인증 앱을 제거했습니다. 모든 세션이 종료되었습니다.".to_owned(),
        ),
        Occasion::RecoveryCodeUsed { left } => {
            ("복구 코드가 사용되었습니다", format!("사용한 복구 코드는 다시 쓸 수 없습니다. 남은 복구 코드: {left}개."))
        }
    };
    let warning = "본인이 아니라면 즉시 비밀번호를 바꾸고 관리자에게 알려 주세요.";
    (format!("{service}: {subject}"), vec![happened, format!("({when})"), warning.to_owned()])
}

impl Occasion {
    const fn kind(self) -> MailKind {
        match self {
            Self::Enabled => MailKind::TotpEnabled,
            Self::Disabled => MailKind::TotpDisabled,
            Self::Reset => MailKind::TotpReset,
            Self::RecoveryCodeUsed { .. } => MailKind::RecoveryCodeUsed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::Email;
    use crate::time::Timestamp;

    #[test]
    fn ot4_each_occasion_is_told_in_the_readers_language_with_time_and_place() {
        let to = Email::parse("ada@example.org").unwrap();
        let client = Client::new(Some("203.0.113.9".parse().unwrap()), None);
        let mail = |locale, what| {
            let envelope = Envelope { from: "no-reply@example.org", to: &to, locale, now: Timestamp::from_millis(0) };
            write(&envelope, "Corp", what, &client)
        };
        for (what, kind, english, korean) in [
            (Occasion::Enabled, "totp-enabled", "Corp: two-factor authentication is on", "켜졌습니다"),
            (Occasion::Disabled, "totp-disabled", "Corp: two-factor authentication is off", "꺼졌습니다"),
            (Occasion::Reset, "totp-reset", "Corp: two-factor authentication was reset", "초기화"),
            (
                Occasion::RecoveryCodeUsed { left: 9 },
                "recovery-code-used",
                "Corp: a recovery code was used",
                "복구 코드가",
            ),
        ] {
            let written = mail(None, what);
            assert_eq!((written.kind.name(), &*written.subject), (kind, english));
            assert!(written.text.contains("1970-01-01 00:00 UTC from 203.0.113.9"), "{}", written.text);
            assert!(mail(Some("ko"), what).subject.contains(korean));
            assert!(mail(Some("ko"), what).text.contains("203.0.113.9"));
        }
        let used = Occasion::RecoveryCodeUsed { left: 9 };
        assert!(mail(None, used).text.contains("left: 9") && mail(Some("ko"), used).text.contains("9개"));
    }
}
