//! What an account's owner is told of failures, where the policy says so.

use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::error::Fault;
use crate::mail::{self, Envelope, Language, Mail, MailKind, to_the_minute};
use crate::user::User;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Somebody who has the password has given this many wrong codes.
    WrongCodes(u32),
    /// A login is complete that followed this many failures.
    LoginAfterFailures(u32),
    /// The login is restricted, and whoever tries isn't told.
    Restricted,
}

impl Engine {
    /// The mail to the owner; none where no mails are sent. It isn't counted with those that strangers ask for, or they
    /// could silence it.
    pub(crate) fn alarm(&self, user: &User, what: Alarm, client: &Client) -> Result<Option<Delivery>, Fault> {
        let policy = self.policy();
        if !policy.mail.is_on() {
            return Ok(None);
        }
        let (from, to, locale) = (&*policy.mail.from, &user.email, user.locale.as_deref());
        let mail = write(&Envelope { from, to, locale, now: self.now() }, &policy.service, what, client);
        Delivery::of_mail(&mail, self.keys(), self.now(), self.random()).map(Some)
    }
}

fn write(envelope: &Envelope<'_>, service: &str, what: Alarm, client: &Client) -> Mail {
    let when = to_the_minute(envelope.now);
    let from = client.address.map(|address| address.to_string());
    let (subject, paragraphs) = match Language::of(envelope.locale) {
        Language::English => english(service, what, &from.map_or(when.clone(), |from| format!("{when} from {from}"))),
        Language::Korean => korean(service, what, &from.map_or(when.clone(), |from| format!("{when}, {from}"))),
    };
    mail::notice(what.kind(), envelope, subject, paragraphs)
}

fn english(service: &str, what: Alarm, when: &str) -> (String, Vec<String>) {
    const CHANGE: &str = "If it wasn't you, change your password and tell your administrator at once.";
    let (subject, happened, advice) = match what {
        Alarm::WrongCodes(count) => (
            "somebody has your password",
            format!("Your password was right, and then {count} codes of two-factor authentication were wrong."),
            CHANGE,
        ),
        Alarm::LoginAfterFailures(count) => (
            "a login after failed attempts",
            format!("Somebody logged in to your account after {count} attempts in a row had failed."),
            CHANGE,
        ),
        Alarm::Restricted => (
            "your login is restricted",
            "Too many attempts to log in to your account failed in a row. For now even the right password is refused, \
             as if it were wrong."
                .to_owned(),
            "If you can't wait, set a new password by mail or contact your administrator.",
        ),
    };
    (format!("{service}: {subject}"), vec![happened, format!("({when})"), advice.to_owned()])
}

fn korean(service: &str, what: Alarm, when: &str) -> (String, Vec<String>) {
    const CHANGE: &str = "본인이 아니라면 즉시 비밀번호를 바꾸고 관리자에게 알려 주세요.";
    let (subject, happened, advice) = match what {
        Alarm::WrongCodes(count) => (
            "누군가 비밀번호를 알고 있습니다",
            format!("비밀번호는 맞았지만 2단계 인증 코드가 {count}번 틀렸습니다."),
            CHANGE,
        ),
        Alarm::LoginAfterFailures(count) => (
            "여러 번 실패한 뒤 로그인되었습니다",
            format!("연속으로 {count}번 실패한 뒤 계정에 로그인되었습니다."),
            CHANGE,
        ),
        Alarm::Restricted => (
            "로그인이 제한되었습니다",
            "계정 로그인이 연속으로 너무 많이 실패했습니다. 당분간 올바른 비밀번호도 틀린 것처럼 거부됩니다."
                .to_owned(),
            "기다릴 수 없다면 메일로 새 비밀번호를 설정하거나 관리자에게 문의하세요.",
        ),
    };
    (format!("{service}: {subject}"), vec![happened, format!("({when})"), advice.to_owned()])
}

impl Alarm {
    const fn kind(self) -> MailKind {
        match self {
            Self::WrongCodes(_) => MailKind::WrongCodes,
            Self::LoginAfterFailures(_) => MailKind::LoginAfterFailures,
            Self::Restricted => MailKind::LoginRestricted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::Email;
    use crate::time::Timestamp;

    #[test]
    fn gu11_each_alarm_is_told_in_the_readers_language_with_time_and_place() {
        let to = Email::parse("ada@example.org").unwrap();
        let client = Client::new(Some("203.0.113.9".parse().unwrap()), None);
        for (what, kind, english, korean) in [
            (Alarm::WrongCodes(3), "wrong-codes", "and then 3 codes", "3번 틀렸습니다"),
            (Alarm::LoginAfterFailures(7), "login-after-failures", "after 7 attempts", "7번 실패한 뒤"),
            (Alarm::Restricted, "login-restricted", "as if it were wrong", "틀린 것처럼"),
        ] {
            for (locale, says) in [(None, english), (Some("ko"), korean)] {
                let now = Timestamp::from_millis(0);
                let envelope = Envelope { from: "no-reply@example.org", to: &to, locale, now };
                let mail = write(&envelope, "Corp", what, &client);
                assert_eq!((mail.kind.name(), mail.subject.starts_with("Corp: ")), (kind, true));
                assert!(mail.text.contains(says) && mail.text.contains("203.0.113.9"), "{}", mail.text);
            }
        }
    }
}
