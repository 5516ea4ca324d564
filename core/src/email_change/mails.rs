//! What is mailed when an address changes: to the new one, to the former one, and to the owner of a taken one.

use crate::client::Client;
use crate::email::Email;
use crate::email_change::{PendingEmail, UNDO_WITHIN};
use crate::engine::Engine;
use crate::mail::{self, Envelope, Language, Mail, MailKind, MailedLink, to_the_minute};
use crate::policy::Policy;
use crate::token::LinkToken;
use crate::user::User;

impl Engine {
    /// To the new address, which isn't proved yet: nothing that anybody typed is in it but that address.
    pub(super) fn mail_to_confirm(
        &self,
        user: &User,
        pending: &PendingEmail,
        token: &LinkToken,
        policy: &Policy,
    ) -> Mail {
        let service = &policy.service;
        let (subject, intro, outro) = match Language::of(user.locale.as_deref()) {
            Language::English => (
                format!("{service}: confirm your new e-mail address"),
                format!(
                    "Somebody with an account at {service} wants to use this address for it. If it was you, open the link and confirm:"
                ),
                "If it wasn't you, do nothing: without your confirmation nothing changes.",
            ),
            Language::Korean => (
                format!("{service}: 새 이메일 주소를 확인해 주세요"),
                format!(
                    "{service} 계정의 이메일을 이 주소로 바꾸려는 요청이 있었습니다. 본인이 요청했다면 아래 링크를 열어 확인해 주세요:"
                ),
                "본인이 요청하지 않았다면 아무것도 하지 않으셔도 됩니다. 확인하지 않으면 아무것도 바뀌지 않습니다.",
            ),
        };
        let link = MailedLink {
            url: policy.public_url.link("confirm-email", &token.expose()),
            asked_at: pending.asked_at,
            from_address: pending.client.address,
            works_for: pending.asked_at.until(pending.expires_at),
        };
        let envelope = self.envelope(&pending.to, user, policy);
        mail::with_link(MailKind::ConfirmEmail, &envelope, subject, [intro, outro.to_owned()], link)
    }

    /// To the owner of an address that somebody wants for another account.
    pub(super) fn mail_address_in_use(&self, owner: &User, policy: &Policy) -> Mail {
        let service = &policy.service;
        let (subject, paragraphs) = match Language::of(owner.locale.as_deref()) {
            Language::English => (
                format!("{service}: your address is in use"),
                [
                    format!(
                        "Somebody wants to use this address for another account at {service}. It belongs to your account, so nothing was changed."
                    ),
                    "If it was you, log in with this address, or change the address of this account first.".to_owned(),
                ],
            ),
            Language::Korean => (
                format!("{service}: 이미 사용 중인 주소입니다"),
                [
                    format!(
                        "{service}의 다른 계정에 이 주소를 사용하려는 요청이 있었습니다. 이미 회원님의 계정에 등록된 주소이므로 아무것도 바뀌지 않았습니다."
                    ),
                    "본인이 요청했다면 이 주소로 로그인하시거나, 먼저 이 계정의 주소를 변경해 주세요.".to_owned(),
                ],
            ),
        };
        let envelope = self.envelope(&owner.email, owner, policy);
        mail::notice(MailKind::AddressInUse, &envelope, subject, paragraphs.into())
    }

    /// To the former address: told, and given the link that takes it back if it was proved once.
    pub(super) fn mail_of_change(
        &self,
        former: &User,
        undo: Option<&LinkToken>,
        client: &Client,
        policy: &Policy,
    ) -> Mail {
        let (service, now) = (&policy.service, self.now());
        let (subject, intro, outro) = match Language::of(former.locale.as_deref()) {
            Language::English => (
                format!("{service}: your e-mail address was changed"),
                format!(
                    "Your account at {service} has another e-mail address now. If it was you, you need do nothing."
                ),
                "If it wasn't you, somebody else has your account. The link gives it this address back, ends all its sessions and voids its password:",
            ),
            Language::Korean => (
                format!("{service}: 이메일 주소가 변경되었습니다"),
                format!(
                    "{service} 계정의 이메일 주소가 변경되었습니다. 본인이 변경했다면 아무것도 하지 않으셔도 됩니다."
                ),
                "본인이 변경하지 않았다면 다른 사람이 계정을 사용하고 있습니다. 아래 링크로 이 주소를 되돌리면 모든 세션이 종료되고 비밀번호가 무효화됩니다:",
            ),
        };
        let envelope = self.envelope(&former.email, former, policy);
        let Some(undo) = undo else {
            let warning = match Language::of(former.locale.as_deref()) {
                Language::English => "If it wasn't you, contact your administrator.",
                Language::Korean => "본인이 변경하지 않았다면 관리자에게 문의하세요.",
            };
            return mail::notice(MailKind::EmailChanged, &envelope, subject, vec![intro, warning.to_owned()]);
        };
        let link = MailedLink {
            url: policy.public_url.link("undo-email", &undo.expose()),
            asked_at: now,
            from_address: client.address,
            works_for: UNDO_WITHIN,
        };
        mail::with_link(MailKind::EmailChanged, &envelope, subject, [format!("{intro} {outro}"), String::new()], link)
    }

    /// To the restored address, with the link to set a password where there is one, and to the one that is removed.
    pub(super) fn mails_of_undo(
        &self,
        user: &User,
        restored: &Email,
        reset: Option<&LinkToken>,
        client: &Client,
        policy: &Policy,
    ) -> [Mail; 2] {
        let (service, now) = (&policy.service, self.now());
        let when = to_the_minute(now);
        let (subject, removed, back, choose, ask) = match Language::of(user.locale.as_deref()) {
            Language::English => (
                format!("{service}: the change of your e-mail address was undone"),
                format!(
                    "On {when} the account at {service} that had this address got its former one back, and its sessions were ended. This address doesn't belong to it any more."
                ),
                format!(
                    "Your account at {service} has this address again. All its sessions were ended, and its password doesn't work any more. If logging in asks for a code that you didn't set up, contact your administrator."
                ),
                "Choose a new password here:".to_owned(),
                "Ask your administrator for a new password.".to_owned(),
            ),
            Language::Korean => (
                format!("{service}: 이메일 주소 변경이 취소되었습니다"),
                format!(
                    "{when}에 이 주소를 사용하던 {service} 계정의 이메일이 이전 주소로 되돌려졌고 세션은 종료되었습니다. 이 주소는 더 이상 그 계정의 주소가 아닙니다."
                ),
                format!(
                    "{service} 계정의 이메일이 다시 이 주소로 되돌려졌습니다. 모든 세션이 종료되었고 기존 비밀번호는 더 이상 사용할 수 없습니다. 로그인할 때 본인이 설정하지 않은 코드를 요구하면 관리자에게 문의하세요."
                ),
                "여기에서 새 비밀번호를 설정하세요:".to_owned(),
                "새 비밀번호는 관리자에게 문의하세요.".to_owned(),
            ),
        };
        let to_restored = self.envelope(restored, user, policy);
        let told = match reset {
            Some(token) => {
                let link = MailedLink {
                    url: policy.public_url.link("reset-password", &token.expose()),
                    asked_at: now,
                    from_address: client.address,
                    works_for: policy.recovery.link,
                };
                let text = [format!("{back} {choose}"), String::new()];
                mail::with_link(MailKind::EmailRestored, &to_restored, subject.clone(), text, link)
            }
            None => mail::notice(MailKind::EmailRestored, &to_restored, subject.clone(), vec![back, ask]),
        };
        let to_removed = self.envelope(&user.email, user, policy);
        [told, mail::notice(MailKind::EmailRestored, &to_removed, subject, vec![removed])]
    }

    fn envelope<'a>(&self, to: &'a Email, reader: &'a User, policy: &'a Policy) -> Envelope<'a> {
        Envelope { from: &policy.mail.from, to, locale: reader.locale.as_deref(), now: self.now() }
    }
}
