//! Invitations: a token that lets its holder sign up, so many times, until a moment, perhaps as one address only.
//!
//! ```text
//! created ──▶ a pending registration holds a use ──▶ its address is proved: used for good
//!    │                      └─▶ it lapses, is declined or displaced: nothing is held any more
//!    └──▶ revoked, or expired, or used up: answers like one that never was
//! ```
//!
//! A held use is the registration itself, so whatever removes one gives the use back in the same step. Whoever takes a
//! use, or turns a held one into a used one, updates the invitation on the revision that was looked at.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::administration::{Actor, AdministrationRefusal, PAGE, unmet};
use crate::audit::{AuditEvent, AuditName};
use crate::email::Email;
use crate::engine::{DECISIONS, Engine, overtaken};
use crate::error::{Failure, Fault};
pub use crate::id::InvitationId;
use crate::revision::Revision;
use crate::sign_up::hides;
use crate::store::{Change, CommitError, InvitationKey, Write};
use crate::time::Timestamp;
use crate::token::{Digest, InvitationToken};
use crate::user::{Role, UserId};

const MOST_USES: u32 = 100_000;
const NOTE_CHARACTERS: usize = 200;

/// An invitation as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Invitation {
    /// Names the invitation in lists and on the trail; no secret.
    pub id: InvitationId,
    /// Counts its commits.
    pub revision: Revision,
    /// The digest of its token.
    pub token: Digest,
    /// How many accounts it may make.
    pub max_uses: u32,
    /// How many it has made.
    pub uses: u32,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// Who may use it.
    pub invited: Invited,
    /// The role of the accounts that it makes; `None`: that of whoever signs up.
    pub role: Option<Role>,
    /// What its maker wrote to it.
    pub note: Option<String>,
    /// The administrator who made it; `None`: whoever runs the machine.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Who may use an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Invited {
    /// Whoever holds it.
    Anyone,
    /// This address alone.
    Email(Email),
    /// Addresses of exactly this domain (ASCII, lower case), not of its sub-domains.
    Domain(String),
}

impl Invited {
    /// Whether the holder of `email` is meant.
    pub fn includes(&self, email: &Email) -> bool {
        match self {
            Self::Anyone => true,
            Self::Email(only) => only == email,
            Self::Domain(only) => only == email.domain(),
        }
    }
}

/// Why an invitation doesn't open the sign-up. The trail says so; the applicant isn't told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwelcome {
    Unknown,
    Revoked,
    Expired,
    Foreign,
    UsedUp,
}

impl Unwelcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Foreign => "foreign",
            Self::UsedUp => "used_up",
        }
    }
}

impl Invitation {
    /// How long an invitation works that says nothing of it.
    pub const WORKS_FOR: Duration = Duration::from_secs(7 * 86_400);
    /// How long an ended invitation stays in lists.
    pub const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);

    /// Whether `email` may take one of its uses at `now`, while pending registrations hold `held`.
    pub(crate) fn welcomes(&self, email: &Email, held: u32, now: Timestamp) -> Result<(), Unwelcome> {
        if self.revoked_at.is_some() {
            return Err(Unwelcome::Revoked);
        }
        if self.expires_at <= now {
            return Err(Unwelcome::Expired);
        }
        if !self.invited.includes(email) {
            return Err(Unwelcome::Foreign);
        }
        if self.uses.saturating_add(held) >= self.max_uses {
            return Err(Unwelcome::UsedUp);
        }
        Ok(())
    }

    /// The invitation after it made one more account.
    #[must_use]
    pub(crate) fn used(self) -> Self {
        Self { uses: self.uses.saturating_add(1), ..self }
    }

    /// When it was revoked, or else expires.
    pub fn ends_at(&self) -> Timestamp {
        self.revoked_at.unwrap_or(self.expires_at)
    }
}

/// An invitation to make.
#[derive(Debug, Clone, Default)]
pub struct NewInvitation {
    /// How many accounts it may make; one if left out.
    pub max_uses: Option<u32>,
    /// When it stops working; [`Invitation::WORKS_FOR`] from now if left out.
    pub expires_at: Option<Timestamp>,
    /// The only address that may use it.
    pub email: Option<String>,
    /// The only domain whose addresses may use it.
    pub domain: Option<String>,
    /// The role of the accounts that it makes.
    pub role: Option<Role>,
    /// A word to oneself: at most 200 characters on one line.
    pub note: Option<String>,
}

/// Why an invitation isn't made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NewInvitationRefusal {
    /// The address isn't one.
    #[error("the e-mail address isn't valid: {0}")]
    InvalidEmail(String),
    /// A field's value can't be.
    #[error("{field} {problem}")]
    FieldInvalid {
        /// Its name in the request.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Who acts may not make it.
    #[error(transparent)]
    Administration(AdministrationRefusal),
}

impl NewInvitationRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Administration(refusal) => refusal.code(),
            Self::InvalidEmail(_) => "invalid_email",
            Self::FieldInvalid { .. } => "invalid_request",
        }
    }
}

impl NewInvitation {
    /// The invitation that the form asks for.
    fn read(
        self,
        id: InvitationId,
        token: Digest,
        created_by: Option<UserId>,
        now: Timestamp,
    ) -> Result<Invitation, NewInvitationRefusal> {
        let max_uses = self.max_uses.unwrap_or(1);
        require((1..=MOST_USES).contains(&max_uses), "max_uses", "is 1 to 100000")?;
        let expires_at = self.expires_at.unwrap_or(now.after(Invitation::WORKS_FOR));
        require(now < expires_at, "expires_at", "lies in the past")?;
        let note = self.note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
        let fits = |note: &String| note.chars().count() <= NOTE_CHARACTERS && !note.chars().any(hides);
        require(note.as_ref().is_none_or(fits), "note", "may have at most 200 characters and no control characters")?;
        let invited = match (self.email, self.domain) {
            (None, None) => Invited::Anyone,
            (Some(email), None) => {
                let read = Email::parse(&email).map_err(|why| NewInvitationRefusal::InvalidEmail(why.to_string()));
                Invited::Email(read?)
            }
            (None, Some(domain)) => Invited::Domain(read_domain(&domain)?),
            (Some(_), Some(_)) => return Err(invalid("domain", "can't be given beside an e-mail address")),
        };
        let (revision, role) = (Revision::FIRST, self.role);
        let (uses, created_at, revoked_at) = (0, now, None);
        Ok(Invitation {
            id,
            revision,
            token,
            max_uses,
            uses,
            expires_at,
            invited,
            role,
            note,
            created_by,
            created_at,
            revoked_at,
        })
    }
}

/// A domain in its normal form. An address is the one thing that says which domains can be part of one.
fn read_domain(typed: &str) -> Result<String, NewInvitationRefusal> {
    let address = Email::parse(&format!("a@{typed}")).map_err(|_| invalid("domain", "isn't one like example.org"))?;
    Ok(address.domain().to_owned())
}

fn require(met: bool, field: &'static str, problem: &'static str) -> Result<(), NewInvitationRefusal> {
    met.then_some(()).ok_or(invalid(field, problem))
}

const fn invalid(field: &'static str, problem: &'static str) -> NewInvitationRefusal {
    NewInvitationRefusal::FieldInvalid { field, problem }
}

/// A new invitation with its token, which nobody can be told again.
#[derive(Debug)]
#[non_exhaustive]
pub struct IssuedInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// Its token.
    pub token: InvitationToken,
    /// The page of the console that signs up with it.
    pub link: zeroize::Zeroizing<String>,
}

/// An invitation as a list shows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ListedInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// How many of its uses pending registrations hold.
    pub held: u32,
    /// Whether it opens the sign-up now.
    pub state: InvitationState,
}

/// A page of invitations.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InvitationList {
    /// The invitations, in order of creation.
    pub invitations: Vec<ListedInvitation>,
    /// After which invitation the next page begins; `None`: this is the last.
    pub next: Option<InvitationId>,
}

/// Whether an invitation opens the sign-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationState {
    /// It does.
    Open,
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
    /// All its uses are taken or held.
    UsedUp,
}

impl InvitationState {
    /// The stable name: `open`, `revoked`, `expired` or `used_up`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::UsedUp => "used_up",
        }
    }

    fn of(invitation: &Invitation, held: u32, now: Timestamp) -> Self {
        if invitation.revoked_at.is_some() {
            Self::Revoked
        } else if invitation.expires_at <= now {
            Self::Expired
        } else if invitation.uses.saturating_add(held) >= invitation.max_uses {
            Self::UsedUp
        } else {
            Self::Open
        }
    }
}

impl Engine {
    /// Makes an invitation.
    ///
    /// # Errors
    /// [`NewInvitationRefusal`] says what is wrong with the form; one that makes administrators asks an administrator
    /// for a fresh proof.
    pub async fn invite(
        &self,
        form: NewInvitation,
        by: impl Into<Actor>,
    ) -> Result<IssuedInvitation, Failure<NewInvitationRefusal>> {
        let by = by.into();
        let issued = self.issue_invitation(form, &by).await;
        if let Err(Failure::Refused(NewInvitationRefusal::Administration(refusal))) = &issued {
            let event = self.event_by(AuditName::InvitationCreated, &by)?.refused_by(refusal.code());
            self.record([event]).await?;
        }
        issued
    }

    async fn issue_invitation(
        &self,
        form: NewInvitation,
        by: &Actor,
    ) -> Result<IssuedInvitation, Failure<NewInvitationRefusal>> {
        self.authorise(by).await.map_err(|failure| failure.map(NewInvitationRefusal::Administration))?;
        if form.role.as_ref().is_some_and(Role::is_admin) {
            let proved = self.demand_proof_of(by);
            proved.map_err(|refusal| Failure::Refused(NewInvitationRefusal::Administration(refusal)))?;
        }
        let (now, token) = (self.now(), InvitationToken::generate([0; 16], self.random())?);
        let id = InvitationId::generate(now, self.random())?;
        let invitation = form.read(id, token.digest(), by.user(), now).map_err(Failure::Refused)?;
        let event = self.invitation_event(AuditName::InvitationCreated, id, by)?;
        let event = event.with("max_uses", invitation.max_uses).with("expires_at", invitation.expires_at.to_string());
        let event = match &invitation.role {
            Some(role) => event.with("role", role.name()),
            None => event,
        };
        let mut changes: Vec<_> = by.requirement().into_iter().collect();
        changes.extend([Change::Invitation(Write::Create(invitation.clone())), Change::Audit(event)]);
        let committed = self.directory().commit(&changes).await;
        committed.map_err(|error| unmet(error).map(NewInvitationRefusal::Administration))?;
        let link = self.policy().public_url.sign_up_link(&token.expose()).into();
        Ok(IssuedInvitation { invitation, token, link })
    }

    /// A page of invitations in order of creation, at most [`PAGE`].
    ///
    /// # Errors
    /// The store's fault.
    pub async fn invitations(&self, after: Option<InvitationId>, limit: usize) -> Result<InvitationList, Fault> {
        let (now, limit) = (self.now(), limit.min(PAGE));
        let mut page = self.directory().invitations(after, limit + 1).await?;
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|invitation| invitation.id);
        let mut invitations = Vec::new();
        for invitation in page {
            let held = self.directory().held_uses(invitation.id, now).await?;
            let state = InvitationState::of(&invitation, held, now);
            invitations.push(ListedInvitation { invitation, held, state });
        }
        Ok(InvitationList { invitations, next })
    }

    /// Revokes an invitation: nobody signs up with it any more, and registrations that hold a use of it can't be
    /// proved. `None`: no such invitation.
    ///
    /// # Errors
    /// [`AdministrationRefusal::NotAdministrator`].
    pub async fn revoke_invitation(
        &self,
        id: InvitationId,
        by: impl Into<Actor>,
    ) -> Result<Option<Invitation>, Failure<AdministrationRefusal>> {
        let by = by.into();
        let revoked = self.end_invitation(id, &by).await;
        if let Err(Failure::Refused(refusal)) = &revoked {
            let event = self.invitation_event(AuditName::InvitationRevoked, id, &by)?.refused_by(refusal.code());
            self.record([event]).await?;
        }
        revoked
    }

    async fn end_invitation(
        &self,
        id: InvitationId,
        by: &Actor,
    ) -> Result<Option<Invitation>, Failure<AdministrationRefusal>> {
        for _ in 0..DECISIONS {
            self.authorise(by).await?;
            let Some(invitation) = self.directory().invitation(InvitationKey::Id(id)).await? else { return Ok(None) };
            if invitation.revoked_at.is_some() {
                return Ok(Some(invitation));
            }
            let event = self.invitation_event(AuditName::InvitationRevoked, id, by)?;
            let revoked = Invitation { revoked_at: Some(self.now()), ..invitation };
            let mut changes: Vec<_> = by.requirement().into_iter().collect();
            changes.push(Change::Invitation(Write::Update(revoked.clone())));
            changes.push(Change::Audit(event.with("uses", revoked.uses)));
            match self.directory().commit(&changes).await {
                Ok(()) => return Ok(Some(Invitation { revision: revoked.revision.next(), ..revoked })),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unmet(other)),
            }
        }
        Err(overtaken("revoking invitation", id).into())
    }

    fn invitation_event(&self, name: AuditName, id: InvitationId, by: &Actor) -> Result<AuditEvent, Fault> {
        Ok(self.event_by(name, by)?.with("invitation", id.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn email(typed: &str) -> Email {
        Email::parse(typed).unwrap()
    }

    fn read(form: NewInvitation) -> Result<Invitation, NewInvitationRefusal> {
        form.read(InvitationId::from_bytes([1; 16]), Digest::of(b"token"), None, at(0))
    }

    fn invitation() -> Invitation {
        read(NewInvitation { max_uses: Some(2), expires_at: Some(at(100)), ..NewInvitation::default() }).unwrap()
    }

    #[test]
    fn in1_an_invitation_welcomes_until_its_second_and_its_last_use() {
        let ada = email("ada@example.org");
        for (uses, held, second, expected) in [
            (0, 0, 0, Ok(())),
            (0, 0, 99, Ok(())),
            (0, 0, 100, Err(Unwelcome::Expired)),
            (1, 0, 0, Ok(())),
            (0, 1, 0, Ok(())),
            (1, 1, 0, Err(Unwelcome::UsedUp)),
            (2, 0, 0, Err(Unwelcome::UsedUp)),
            (0, 2, 0, Err(Unwelcome::UsedUp)),
            (0, u32::MAX, 0, Err(Unwelcome::UsedUp)),
        ] {
            let invitation = Invitation { uses, ..invitation() };
            assert_eq!(invitation.welcomes(&ada, held, at(second)), expected, "{uses} {held} {second}");
        }
        let revoked = Invitation { revoked_at: Some(at(1)), ..invitation() };
        assert_eq!(revoked.welcomes(&ada, 0, at(0)), Err(Unwelcome::Revoked));
    }

    #[test]
    fn in1_a_bound_domain_matches_exactly_and_a_bound_address_in_every_spelling() {
        let domain =
            |typed: &str| read(NewInvitation { domain: Some(typed.to_owned()), ..Default::default() }).unwrap();
        let address =
            |typed: &str| read(NewInvitation { email: Some(typed.to_owned()), ..Default::default() }).unwrap();
        for (invitation, typed, welcome) in [
            (domain("Example.org"), "ada@example.org", true),
            (domain("example.org"), "ada@EXAMPLE.org", true),
            (domain("example.org"), "ada@sub.example.org", false),
            (domain("example.org"), "ada@notexample.org", false),
            (domain("example.org"), "ada@example.org.evil.net", false),
            (domain("bücher.example"), "ada@xn--bcher-kva.example", true),
            (address("Ada@Example.org"), "ada@example.ORG", true),
            (address("ada@example.org"), "bob@example.org", false),
            (address("ada@example.org"), "ada@example.com", false),
        ] {
            assert_eq!(invitation.invited.includes(&email(typed)), welcome, "{invitation:?} {typed}");
        }
    }

    #[test]
    fn a_form_says_what_can_t_be() {
        let base = NewInvitation::default;
        let made = read(base()).unwrap();
        assert_eq!((made.max_uses, made.expires_at, made.invited), (1, at(7 * 86_400), Invited::Anyone));
        let some = |text: &str| Some(text.to_owned());
        for (form, message) in [
            (NewInvitation { max_uses: Some(0), ..base() }, "max_uses is 1 to 100000"),
            (NewInvitation { max_uses: Some(100_001), ..base() }, "max_uses is 1 to 100000"),
            (NewInvitation { expires_at: Some(at(0)), ..base() }, "expires_at lies in the past"),
            (NewInvitation { domain: some("a@b"), ..base() }, "domain isn't one like example.org"),
            (
                NewInvitation { email: some("a@b.org"), domain: some("b.org"), ..base() },
                "domain can't be given beside an e-mail address",
            ),
            (
                NewInvitation { note: some("a\nb"), ..base() },
                "note may have at most 200 characters and no control characters",
            ),
            (
                NewInvitation { note: Some("é".repeat(201)), ..base() },
                "note may have at most 200 characters and no control characters",
            ),
        ] {
            assert_eq!(read(form.clone()).unwrap_err().to_string(), message, "{form:?}");
        }
        assert_eq!(read(NewInvitation { email: some("ada"), ..base() }).unwrap_err().code(), "invalid_email");
        assert!(read(NewInvitation { note: Some("é".repeat(200)), ..base() }).is_ok());
    }

    proptest! {
        #[test]
        fn in1_uses_and_held_uses_together_never_pass_the_most(
            max_uses in 1u32..5,
            steps in proptest::collection::vec(0u8..3, 1..40),
        ) {
            let mut invitation = Invitation { max_uses, ..invitation() };
            let mut held = 0;
            for step in steps {
                match step {
                    0 if invitation.welcomes(&email("ada@example.org"), held, at(0)).is_ok() => held += 1,
                    1 if held > 0 => { held -= 1; invitation = invitation.used(); }
                    2 if held > 0 => held -= 1,
                    _ => {}
                }
                prop_assert!(invitation.uses + held <= max_uses);
            }
        }
    }
}
