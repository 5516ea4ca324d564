//! The sign-up's side of an invitation: whether it opens the door, and what taking a use commits.

use crate::audit::{AuditEvent, AuditName};
use crate::client::Client;
use crate::email::Email;
use crate::engine::Engine;
use crate::error::{Failure, Fault};
use crate::invitation::{Invitation, InvitationId, Unwelcome};
use crate::sign_up::{PresentedInvitation, SignUpForm, SignUpRefusal};
use crate::store::{Change, InvitationKey, Write};
use crate::user::{Role, UserId};

impl Engine {
    /// The form's invitation as it is now, with a use left for `email`; `None` where the form has none.
    ///
    /// Whether the address has an account plays no part, so a taken one takes a use as a free one does.
    pub(super) async fn welcome(
        &self,
        form: &SignUpForm,
        email: &Email,
    ) -> Result<Option<Invitation>, Failure<SignUpRefusal>> {
        let Some(presented) = &form.invitation else { return Ok(None) };
        let found = match presented {
            PresentedInvitation::Token(token) => {
                self.directory().invitation(InvitationKey::Token(token.digest())).await?
            }
            PresentedInvitation::Malformed => None,
        };
        let Some(invitation) = found else {
            return self.turn_away(form, email, None, Unwelcome::Unknown).await;
        };
        let held = self.directory().held_uses(invitation.id, self.now()).await?;
        match invitation.welcomes(email, held, self.now()) {
            Ok(()) => Ok(Some(invitation)),
            Err(why) => self.turn_away(form, email, Some(invitation.id), why).await,
        }
    }

    async fn turn_away(
        &self,
        form: &SignUpForm,
        email: &Email,
        invitation: Option<InvitationId>,
        why: Unwelcome,
    ) -> Result<Option<Invitation>, Failure<SignUpRefusal>> {
        let event = self.event(AuditName::UserSignedUp, &form.client)?.of_subject(email.key());
        let event = event.refused_by("invitation_invalid").with("why", why.name());
        let event = match invitation {
            Some(id) => event.with("invitation", id.to_string()),
            None => event,
        };
        self.record([event]).await?;
        Err(Failure::Refused(SignUpRefusal::InvitationInvalid))
    }

    /// What makes a use final, in the commit that makes the account.
    pub(super) fn redeem(&self, invitation: Invitation, user: UserId, client: &Client) -> Result<[Change; 2], Fault> {
        let event = self.event(AuditName::InvitationRedeemed, client)?.of_user(user);
        let event = note(event, Some(&invitation));
        Ok([Change::Invitation(Write::Update(invitation.used())), Change::Audit(event)])
    }
}

/// The role that the invitation gives, else that of whoever signs up.
pub(super) fn role(invitation: Option<&Invitation>) -> Role {
    invitation.and_then(|invitation| invitation.role.clone()).unwrap_or_else(Role::user)
}

/// Puts the invitation on an event.
pub(super) fn note(event: AuditEvent, invitation: Option<&Invitation>) -> AuditEvent {
    match invitation {
        Some(invitation) => event.with("invitation", invitation.id.to_string()),
        None => event,
    }
}
