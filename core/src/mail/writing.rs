//! How the engine writes a mail: in its reader's language, by the templates and the policy of the moment.

use super::templates::{Heading, Letter};
use super::{Facts, Language, Mail, to_the_minute};
use crate::delivery::Delivery;
use crate::email::Email;
use crate::engine::Engine;
use crate::error::Fault;
use crate::user::User;

impl Engine {
    /// Writes a mail in its reader's language.
    pub(crate) fn write_mail<F: Facts>(&self, to: &Email, locale: Option<&str>, facts: &F) -> Result<Mail, Fault> {
        const DOING: &str = "writing mail";
        let (policy, now, kind) = (self.policy(), self.now(), F::KIND);
        let useless_from = facts.worth_sending_for().map(|length| now.after(length));
        let facts = serde_json::to_value(facts).map_err(|source| Fault::lasting(DOING, kind.name(), source))?;
        let heading = Heading {
            service: &policy.service,
            url: policy.public_url.origin(),
            accent: &policy.accent,
            at: &to_the_minute(now),
        };
        let language = Language::of(locale, &policy.locales);
        let letter = self.mail().templates.write(kind, language, &heading, &facts);
        let Letter { subject, text, html } = letter.map_err(|source| Fault::lasting(DOING, kind.name(), source))?;
        Ok(Mail { kind, from: policy.mail.from.clone(), to: to.clone(), subject, text, html, at: now, useless_from })
    }

    /// A mail to an account's owner, to be committed with what it tells; none where no mails are sent.
    pub(crate) fn mail_to_owner<F: Facts>(&self, owner: &User, facts: &F) -> Result<Option<Delivery>, Fault> {
        if !self.policy().mail.is_on() {
            return Ok(None);
        }
        let mail = self.write_mail(&owner.email, owner.locale.as_deref(), facts)?;
        Delivery::of_mail(&mail, self.keys(), self.now(), self.random()).map(Some)
    }
}
