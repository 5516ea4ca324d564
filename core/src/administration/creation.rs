//! An account made by an administrator, who never chooses its password: its owner does, with a mailed link.
//!
//! ```text
//! create ──▶ commit: account without a password, the link's digest, the mail
//!                                   │ whoever reads the mail opens the link, once, within a day
//!                                   ▼
//!            set the password (as a reset does, whatever the policy says of resets) ──▶ the address is proved
//! ```

use std::time::Duration;

use crate::administration::actor::unmet;
use crate::administration::{Actor, NewUser, NewUserRefusal};
use crate::audit::AuditName;
use crate::delivery::Delivery;
use crate::engine::{DECISIONS, Engine, overtaken};
use crate::error::{Failure, Fault};
use crate::mail::{MailedLink, SetPassword};
use crate::recovery::ResetLink;
use crate::sign_up::{SignUpRefusal, read_full_name};
use crate::store::{Change, CommitError, UniqueRule, Write};
use crate::token::LinkToken;
use crate::user::{Role, User};

/// How long the link to set the first password works: as long as one that proves an address.
pub(crate) const LINK_WORKS_FOR: Duration = Duration::from_secs(24 * 3_600);

/// An account to make for somebody else.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The e-mail address, which the link goes to.
    pub email: String,
    /// The username.
    pub username: Option<String>,
    /// How its owner wants to be called.
    pub full_name: Option<String>,
    /// What it may do.
    pub role: Role,
}

/// Where the link to set the first password went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FirstPasswordLink {
    /// To the account's address.
    Mailed,
    /// To whoever runs the machine, since no mails are sent here.
    Told(String),
    /// Nowhere: no mails are sent here, and no administrator gets a link to somebody else's account.
    Nowhere,
}

impl Engine {
    /// Makes an account without a password and mails its owner a link to set one, single use, valid for a day.
    ///
    /// The link works while `recovery.enabled` is off, too. Where no mails are sent, whoever runs the machine is told
    /// the link, and an administrator isn't.
    ///
    /// # Errors
    /// [`NewUserRefusal`]; an administrator who makes another one is asked for a fresh proof.
    pub async fn create_user(
        &self,
        form: NewAccount,
        by: impl Into<Actor>,
    ) -> Result<(User, FirstPasswordLink), Failure<NewUserRefusal>> {
        let by = by.into();
        let created = self.create(form, &by).await;
        if let Err(Failure::Refused(NewUserRefusal::Administration(refusal))) = &created {
            let event = self.event_by(AuditName::UserChanged, &by)?.refused_by(refusal.code()).with("added", true);
            self.record([event]).await?;
        }
        created
    }

    async fn create(&self, form: NewAccount, by: &Actor) -> Result<(User, FirstPasswordLink), Failure<NewUserRefusal>> {
        let refuse = |refusal| Failure::Refused(NewUserRefusal::Administration(refusal));
        self.authorise(by).await.map_err(|failure| failure.map(NewUserRefusal::Administration))?;
        if form.role.is_admin() {
            self.demand_proof_of(by).map_err(refuse)?;
        }
        let full_name = read_full_name(form.full_name.as_deref()).map_err(invalid)?;
        let NewAccount { email, username, role, .. } = form;
        let form = NewUser { email, username, password: None, role, email_verified: false };
        let user = User { full_name, ..self.check_new_user(&form, by.client()).await? };
        let (user, token) = self.with_first_link(user)?;
        let mails = self.policy().mail.is_on();
        for _ in 0..DECISIONS {
            let mail = if mails { vec![self.mail_first_password(&user, &token, by)?] } else { Vec::new() };
            let event = self.event_by(AuditName::UserChanged, by)?.of_user(user.id);
            let event = event.with("added", true).with("role", user.role.name()).with("mailed", mails);
            let mut changes: Vec<_> = by.requirement().into_iter().collect();
            changes.extend(self.make_room(&user).await?);
            changes.extend([Change::User(Write::Create(user.clone())), Change::Audit(event)]);
            match self.commit_and_carry_out(changes, mail).await {
                Ok(()) => {
                    let link = match (mails, by.user()) {
                        (true, _) => FirstPasswordLink::Mailed,
                        (false, None) => FirstPasswordLink::Told(self.first_link(&token)),
                        (false, Some(_)) => FirstPasswordLink::Nowhere,
                    };
                    return Ok((user, link));
                }
                Err(CommitError::Taken(UniqueRule::Email)) => {
                    return Err(Failure::Refused(NewUserRefusal::EmailTaken));
                }
                Err(CommitError::Taken(UniqueRule::Username)) => {
                    return Err(Failure::Refused(NewUserRefusal::UsernameTaken));
                }
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unmet(other).map(NewUserRefusal::Administration)),
            }
        }
        Err(overtaken("adding user", user.email.masked()).into())
    }

    /// The account with a new link to set its first password, which voids the one before.
    pub(crate) fn with_first_link(&self, user: User) -> Result<(User, LinkToken), Fault> {
        let token = LinkToken::generate(*user.id.as_bytes(), self.random())?;
        let expires_at = self.now().after(LINK_WORKS_FOR);
        let link = ResetLink { token: token.digest(), to: user.email.key().to_owned(), expires_at };
        Ok((User { first_password: Some(link), ..user }, token))
    }

    pub(crate) fn mail_first_password(&self, user: &User, token: &LinkToken, by: &Actor) -> Result<Delivery, Fault> {
        let now = self.now();
        let link = MailedLink {
            url: self.first_link(token),
            asked_at: now,
            from_address: by.client().address,
            works_for: LINK_WORKS_FOR,
        };
        let mail = self.write_mail(&user.email, user.locale.as_deref(), &SetPassword { link })?;
        Delivery::of_mail(&mail, self.keys(), now, self.random())
    }

    fn first_link(&self, token: &LinkToken) -> String {
        self.policy().public_url.link("reset-password", &token.expose())
    }
}

fn invalid(refusal: SignUpRefusal) -> Failure<NewUserRefusal> {
    let SignUpRefusal::FieldInvalid { field, problem } = refusal else {
        return Failure::Fault(Fault::lasting("reading", "a full name", refusal));
    };
    Failure::Refused(NewUserRefusal::InvalidField { field, problem })
}
