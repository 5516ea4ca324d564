//! Proving an address: what the mail's link shows, and what confirming or declining it does.

use std::time::Duration;

use crate::audit::AuditName;
use crate::client::Client;
use crate::delivery::Delivery;
use crate::email::Email;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::invitation::Invitation;
use crate::mail::{AlreadyRegistered, MailKind};
use crate::registration::{PendingRegistration, RegistrationId};
use crate::store::{Change, CommitError, InvitationKey, RegistrationKey, UserKey, Write};
use crate::time::{Timestamp, seconds_to_wait};
use crate::token::LinkToken;
use crate::user::UserId;

/// What a verification link's page shows before anything is confirmed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RegistrationShown {
    /// The address to prove.
    pub email: Email,
    /// The username that was chosen, as typed.
    pub username: Option<String>,
    /// When the account was asked for.
    pub asked_at: Timestamp,
    /// When the link stops working.
    pub expires_at: Timestamp,
    /// Where it was asked for.
    pub client: Client,
}

/// Why a verification link, or asking for another one, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerificationRefusal {
    /// Unknown, used, expired or displaced; or the address has an account by now.
    #[error("the link doesn't work any more: sign up again, or log in")]
    LinkInvalid,
    /// Too many requests from this client.
    #[error("too many requests from here: try again in {} s", seconds_to_wait(*.retry_after))]
    TooManyRequests {
        /// When the next is admitted.
        retry_after: Duration,
    },
    /// The address isn't one.
    #[error("the e-mail address isn't valid")]
    InvalidEmail,
}

impl VerificationRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LinkInvalid => "link_invalid",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::InvalidEmail => "invalid_email",
        }
    }
}

/// What a verification link that works leads to.
struct Linked {
    registration: PendingRegistration,
    /// The other registrations of its address.
    others: Vec<RegistrationId>,
    /// The invitation of which it holds a use.
    invitation: Option<Invitation>,
}

const INVALID: Failure<VerificationRefusal> = Failure::Refused(VerificationRefusal::LinkInvalid);

impl Engine {
    /// What a verification link would confirm. Changes nothing.
    ///
    /// # Errors
    /// [`VerificationRefusal::LinkInvalid`].
    pub async fn show_registration(
        &self,
        token: &LinkToken,
    ) -> Result<RegistrationShown, Failure<VerificationRefusal>> {
        let Linked { registration, .. } = self.linked(token).await?;
        Ok(RegistrationShown {
            email: registration.email,
            username: registration.username.map(|name| name.typed().to_owned()),
            asked_at: registration.created_at,
            expires_at: registration.expires_at,
            client: registration.client,
        })
    }

    /// Proves the address: the registration becomes the user, every other claim on the address lapses. Doesn't log in.
    ///
    /// # Errors
    /// [`VerificationRefusal::LinkInvalid`].
    pub async fn verify_email(
        &self,
        token: &LinkToken,
        client: &Client,
    ) -> Result<UserId, Failure<VerificationRefusal>> {
        for _ in 0..DECISIONS {
            let now = self.now();
            let Linked { registration, others, invitation } = self.linked(token).await?;
            let user = registration.clone().into_user(UserId::generate(now, self.random())?, now);
            let event = self.event(AuditName::UserVerified, client)?.of_user(user.id);
            let event = event.with("registration", registration.id.to_string());
            let id = user.id;
            let mut changes = vec![Change::Settle(registration.id)];
            changes.extend(others.into_iter().map(Change::Lapse));
            if let Some(invitation) = invitation {
                changes.extend(self.redeem(invitation, id, client)?);
            }
            changes.extend([Change::User(Write::Create(user)), Change::Audit(event)]);
            match self.directory().commit(&changes).await {
                Ok(()) => return Ok(id),
                // Used or overtaken meanwhile: the next look says so.
                Err(CommitError::Stale | CommitError::Taken(_)) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("verifying", "a registration").into())
    }

    /// "It wasn't me": removes the registration.
    ///
    /// # Errors
    /// [`VerificationRefusal::LinkInvalid`].
    pub async fn decline_registration(
        &self,
        token: &LinkToken,
        client: &Client,
    ) -> Result<(), Failure<VerificationRefusal>> {
        let Linked { registration, .. } = self.linked(token).await?;
        let event = self.event(AuditName::RegistrationDeclined, client)?.of_subject(registration.email.key());
        let event = event.with("registration", registration.id.to_string());
        match self.directory().commit(&[Change::Settle(registration.id), Change::Audit(event)]).await {
            Ok(()) => Ok(()),
            Err(CommitError::Stale) => Err(INVALID),
            Err(other) => Err(unexpected(other).into()),
        }
    }

    /// The registration of a link that still works.
    async fn linked(&self, token: &LinkToken) -> Result<Linked, Failure<VerificationRefusal>> {
        let found = self.directory().registration(RegistrationKey::Link(token.digest())).await?.ok_or(INVALID)?;
        let (alive, lapsed) = self.alive_registrations(&found.email).await?;
        if !alive.iter().any(|registration| registration.id == found.id) {
            return Err(INVALID);
        }
        // Somebody proved the address since: whatever else was asked for it is void.
        if self.directory().user(UserKey::Email(found.email.key())).await?.is_some() {
            return Err(INVALID);
        }
        let others = alive.iter().map(|r| r.id).chain(lapsed).filter(|id| *id != found.id).collect();
        let invitation = match found.invitation {
            None => None,
            Some(id) => {
                let invitation = self.directory().invitation(InvitationKey::Id(id)).await?;
                // Who revokes an invitation means those who hold a use of it, too.
                Some(invitation.filter(|invitation| invitation.revoked_at.is_none()).ok_or(INVALID)?)
            }
        };
        Ok(Linked { registration: found, others, invitation })
    }

    /// Sends the verification mail again: every live registration of the address, each with its own link and time.
    ///
    /// The answer, and when it comes, is the same whether the address has registrations, an account, or neither.
    ///
    /// # Errors
    /// [`VerificationRefusal::TooManyRequests`] and [`InvalidEmail`](VerificationRefusal::InvalidEmail); nothing that
    /// depends on whether the address is known.
    pub async fn resend_verification(&self, email: &str, client: &Client) -> Result<(), Failure<VerificationRefusal>> {
        let started = self.now();
        let email = Email::parse(email).map_err(|_| Failure::Refused(VerificationRefusal::InvalidEmail))?;
        self.admit_client(client)
            .await
            .map_err(|f| f.map(|retry_after| VerificationRefusal::TooManyRequests { retry_after }))?;
        let outcome = self.resend(&email, client).await;
        self.leave_uniformly(started).await;
        outcome.map_err(Failure::Fault)
    }

    async fn resend(&self, email: &Email, client: &Client) -> Result<(), Fault> {
        let mailed = self.admit_mail(MailKind::VerifyEmail, self.policy().mail.per_hour, email).await?;
        let (alive, _) = self.alive_registrations(email).await?;
        let owner = self.directory().user(UserKey::Email(email.key())).await?;
        let event = self.event(AuditName::VerificationResent, client)?.of_subject(email.key());
        let event = event.with("registrations", alive.len()).with("mailed", mailed);
        let mut links = Vec::new();
        for registration in &alive {
            links.push((registration, self.open_link(registration)?));
        }
        let links: Vec<_> = links.iter().map(|(registration, token)| (*registration, token)).collect();
        let mail = match (owner, alive.first()) {
            (Some(owner), Some(_)) => {
                Some(self.write_mail(&owner.email, owner.locale.as_deref(), &AlreadyRegistered {})?)
            }
            (None, Some(newest)) => {
                Some(self.mail_to_prove(&newest.email, newest.locale.as_deref(), &links, &self.policy())?)
            }
            (_, None) => None,
        };
        let mut deliveries = Vec::new();
        if let Some(mail) = mail.filter(|_| mailed) {
            deliveries.push(Delivery::of_mail(&mail, self.keys(), self.now(), self.random())?);
        }
        self.commit_and_carry_out(vec![Change::Audit(event)], deliveries).await.map_err(unexpected)
    }

    fn open_link(&self, registration: &PendingRegistration) -> Result<LinkToken, Fault> {
        const DOING: &str = "opening the link of registration";
        let place = (PendingRegistration::LINK_SEALED_AS, registration.id.as_bytes());
        let opened = self.keys().open(&registration.sealed_link, place.0, place.1);
        let text = opened.map_err(|source| Fault::lasting(DOING, registration.id, source))?;
        let token = std::str::from_utf8(&text).ok().and_then(LinkToken::parse);
        token.ok_or_else(|| Fault::lasting(DOING, registration.id, "it isn't a link token"))
    }
}
