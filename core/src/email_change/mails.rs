//! What is mailed when an address changes: to the new one, to the former one, and to the owner of a taken one.

use crate::client::Client;
use crate::email::Email;
use crate::email_change::{PendingEmail, UNDO_WITHIN};
use crate::engine::Engine;
use crate::error::Fault;
use crate::mail::{AddressInUse, ConfirmEmail, EmailChanged, EmailRestored, Mail, MailedLink};
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
    ) -> Result<Mail, Fault> {
        let link = MailedLink {
            url: policy.public_url.link("confirm-email", &token.expose()),
            asked_at: pending.asked_at,
            from_address: pending.client.address,
            works_for: pending.asked_at.until(pending.expires_at),
        };
        self.write_mail(&pending.to, user.locale.as_deref(), &ConfirmEmail { link })
    }

    /// To the owner of an address that somebody wants for another account.
    pub(super) fn mail_address_in_use(&self, owner: &User) -> Result<Mail, Fault> {
        self.write_mail(&owner.email, owner.locale.as_deref(), &AddressInUse {})
    }

    /// To the former address: told, and given the link that takes it back if it was proved once.
    pub(super) fn mail_of_change(
        &self,
        former: &User,
        undo: Option<&LinkToken>,
        client: &Client,
        policy: &Policy,
    ) -> Result<Mail, Fault> {
        let link = undo.map(|undo| MailedLink {
            url: policy.public_url.link("undo-email", &undo.expose()),
            asked_at: self.now(),
            from_address: client.address,
            works_for: UNDO_WITHIN,
        });
        self.write_mail(&former.email, former.locale.as_deref(), &EmailChanged { link })
    }

    /// To the restored address, with the link to set a password where there is one, and to the one that is removed.
    pub(super) fn mails_of_undo(
        &self,
        user: &User,
        restored: &Email,
        reset: Option<&LinkToken>,
        client: &Client,
        policy: &Policy,
    ) -> Result<[Mail; 2], Fault> {
        let link = reset.map(|token| MailedLink {
            url: policy.public_url.link("reset-password", &token.expose()),
            asked_at: self.now(),
            from_address: client.address,
            works_for: policy.recovery.link,
        });
        let locale = user.locale.as_deref();
        Ok([
            self.write_mail(restored, locale, &EmailRestored { removed: false, link })?,
            self.write_mail(&user.email, locale, &EmailRestored { removed: true, link: None })?,
        ])
    }
}
