//! Sign-up: from a filled-in form to a pending registration, or to a user where no mail can prove the address.
//!
//! ```text
//! form ──▶ read and check, all rules at once ──▶ refused
//!            │
//!            ▼
//!          admit (client address) ──▶ invitation ──▶ gate of the host ──▶ hash the password
//!            │
//!            ▼                       ┌─ address must be proved ──▶ pending registration + mail ──▶ VerifyEmail
//!          load ──▶ decide ──▶ commit┤                                    │ sign_up/verification.rs
//!                                    └─ no mail ──▶ user ──▶ SignedUp      ▼ the first one proved becomes the user
//! ```
//!
//! For an address that has an account already all goes the same way, up to the mail: its owner is told instead. So
//! nobody learns by signing up who has an account, neither from the answer nor from a login afterwards.

mod form;
mod invited;
mod policy;
mod verification;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

pub(crate) use self::form::hides;
pub use self::form::{AcceptedVersions, PresentedInvitation, SignUpForm};
pub(crate) use self::form::{FULL_NAME_CHARACTERS, check_domain, demanded, text};
pub use self::policy::{Demand, DocumentPolicy, FieldPolicy, SignUpPolicy};
pub use self::verification::{RegistrationShown, VerificationRefusal};
use crate::audit::{AuditEvent, AuditName};
use crate::delivery::Delivery;
use crate::email::Email;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::hashing::{HashingError, Party};
use crate::invitation::Invitation;
use crate::mail::{AlreadyRegistered, Mail, MailKind, MailedLink, VerifyEmail};
use crate::password::{PasswordHash, UnmetRule};
use crate::policy::Policy;
use crate::random::draw;
use crate::registration::{PendingRegistration, RegistrationId};
use crate::store::{Change, CommitError, RegistrationKey, UniqueRule, UserKey, Write};
use crate::time::{Timestamp, seconds_to_wait};
use crate::token::LinkToken;
use crate::user::{Acceptances, User, UserId};

use self::form::Applicant;
pub(crate) use self::form::read_full_name;

/// How a sign-up ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignUpOutcome {
    /// The owner of the address was written to, unless that happened too often this hour: the link in the mail makes
    /// the account.
    VerifyEmail,
    /// The account is there.
    SignedUp(Box<User>),
}

/// Why a sign-up is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignUpRefusal {
    /// Only invitations and administrators make accounts.
    #[error("sign-up is closed: contact your administrator")]
    Closed,
    /// Only who is invited may sign up.
    #[error("an invitation is required: ask whoever runs this service for one")]
    InvitationRequired,
    /// The invitation is unknown, used up, expired, revoked or for somebody else; which, nobody is told.
    #[error("the invitation doesn't work: ask whoever gave it to you for another")]
    InvitationInvalid,
    /// The host's gate, or the list of e-mail domains, refused in its own words.
    #[error("{0}")]
    Refused(String),
    /// The address isn't one.
    #[error("the e-mail address isn't valid: {0}")]
    InvalidEmail(String),
    /// The name can't be a username.
    #[error("the username isn't valid: {0}")]
    InvalidUsername(String),
    /// The name, or one that looks like it, belongs to somebody.
    #[error("the username is taken: choose another")]
    UsernameTaken,
    /// The address has an account; only told where sign-ups aren't verified by mail.
    #[error("the e-mail address has an account already: log in")]
    EmailTaken,
    /// The password breaks these rules.
    #[error("the password doesn't meet every rule")]
    PasswordTooWeak(Vec<UnmetRule>),
    /// The documents must be accepted in the version in force.
    #[error("the terms and the privacy policy must be accepted in their current version")]
    TermsNotAccepted,
    /// A field is missing.
    #[error("{field} is required")]
    FieldRequired {
        /// Its name in the request.
        field: String,
    },
    /// A field isn't asked for, or its value is too long or has control characters.
    #[error("{field} {problem}")]
    FieldInvalid {
        /// Its name in the request.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Too many sign-ups from this client.
    #[error("too many sign-ups from here: try again in {} s", seconds_to_wait(*.retry_after))]
    TooManyRequests {
        /// When the next is admitted.
        retry_after: Duration,
    },
    /// Too many passwords to hash at once.
    #[error("too many requests at once: try again in {} s", seconds_to_wait(*.retry_after))]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
}

impl SignUpRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed => "sign_up_closed",
            Self::InvitationRequired => "invitation_required",
            Self::InvitationInvalid => "invitation_invalid",
            Self::Refused(_) => "sign_up_refused",
            Self::InvalidEmail(_) => "invalid_email",
            Self::InvalidUsername(_) => "invalid_username",
            Self::UsernameTaken => "username_taken",
            Self::EmailTaken => "email_taken",
            Self::PasswordTooWeak(_) => "password_too_weak",
            Self::TermsNotAccepted => "terms_not_accepted",
            Self::FieldRequired { .. } => "field_required",
            Self::FieldInvalid { .. } => "invalid_request",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Busy { .. } => "busy",
        }
    }
}

/// What a [`SignUpGate`] is asked about.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignUpAttempt<'a> {
    /// The applicant's address.
    pub email: &'a Email,
    /// The filled-in form, already checked.
    pub form: &'a SignUpForm,
}

/// The host's own yes or no on a sign-up, after the policy's rules and before the password is hashed.
#[async_trait]
pub trait SignUpGate: Send + Sync + fmt::Debug {
    /// `Ok(Ok(()))` lets the sign-up through; `Ok(Err(words))` refuses it with those words.
    ///
    /// # Errors
    /// The gate couldn't decide; the sign-up answers as unavailable.
    async fn admit(&self, attempt: &SignUpAttempt<'_>) -> Result<Result<(), String>, Fault>;
}

/// What the decision knows of the store.
#[derive(Debug)]
struct Facts {
    owner: Option<User>,
    lapsed: Vec<RegistrationId>,
    name_held_by: Option<NameHolder>,
}

/// Who has the chosen username, or one that looks like it.
#[derive(Debug)]
enum NameHolder {
    User,
    Registration { id: RegistrationId, lapses_at: Timestamp },
}

impl Facts {
    /// Registrations to remove first, or the refusal where somebody else has the name.
    fn make_room(&self, now: Timestamp) -> Result<Vec<RegistrationId>, SignUpRefusal> {
        let mut lapsed = self.lapsed.clone();
        match &self.name_held_by {
            None => {}
            Some(NameHolder::Registration { id, lapses_at }) if *lapses_at <= now || lapsed.contains(id) => {
                lapsed.push(*id);
            }
            Some(NameHolder::User | NameHolder::Registration { .. }) => return Err(SignUpRefusal::UsernameTaken),
        }
        Ok(lapsed)
    }
}

impl Engine {
    /// Signs up.
    ///
    /// # Errors
    /// [`SignUpRefusal`] names the first thing that is wrong; all unmet rules of the password come at once.
    pub async fn sign_up(&self, form: SignUpForm) -> Result<SignUpOutcome, Failure<SignUpRefusal>> {
        let policy = self.policy();
        form.check_door(&policy.sign_up).map_err(Failure::Refused)?;
        let applicant = form.check(&policy, self.password_rules()).map_err(Failure::Refused)?;
        self.admit_client(&form.client)
            .await
            .map_err(|f| f.map(|r| SignUpRefusal::TooManyRequests { retry_after: r }))?;
        // Before the hash: who has no invitation costs none.
        self.welcome(&form, &applicant.email).await?;
        if let Some(gate) = self.gate() {
            let attempt = SignUpAttempt { email: &applicant.email, form: &form };
            gate.admit(&attempt).await?.map_err(|words| Failure::Refused(SignUpRefusal::Refused(words)))?;
        }
        let hash = self.hash_chosen(&form).await?;
        if policy.verifies_email() {
            self.register(&form, &applicant, hash, &policy).await
        } else {
            self.create_unproved(&form, &applicant, hash).await
        }
    }

    async fn hash_chosen(&self, form: &SignUpForm) -> Result<PasswordHash, Failure<SignUpRefusal>> {
        let party = Party { account: None, address: form.client.network() };
        let (policy, salt) = (self.policy(), draw(self.random())?);
        self.hashing().hash(&party, form.password.clone(), &policy.password, salt).await.map_err(|error| match error {
            HashingError::Busy { retry_after } => Failure::Refused(SignUpRefusal::Busy { retry_after }),
            HashingError::Fault(fault) => Failure::Fault(fault),
        })
    }

    async fn facts(&self, applicant: &Applicant) -> Result<Facts, Fault> {
        let owner = self.directory().user(UserKey::Email(applicant.email.key())).await?;
        let (alive, mut lapsed) = self.alive_registrations(&applicant.email).await?;
        // The new one takes a place: the oldest alive is displaced.
        lapsed.extend(alive.iter().skip(PendingRegistration::ALIVE_PER_ADDRESS - 1).map(|r| r.id));
        let mut name_held_by = None;
        if let Some(name) = &applicant.username {
            let (user, registration) = (
                self.directory().user(UserKey::UsernameSkeleton(name.skeleton())).await?,
                self.directory().registration(RegistrationKey::UsernameSkeleton(name.skeleton())).await?,
            );
            name_held_by = user
                .map(|_| NameHolder::User)
                .or(registration.map(|held| NameHolder::Registration { id: held.id, lapses_at: held.expires_at }));
        }
        Ok(Facts { owner, lapsed, name_held_by })
    }

    /// Makes a pending registration, whether the address has an account or not, and mails its owner.
    async fn register(
        &self,
        form: &SignUpForm,
        applicant: &Applicant,
        hash: PasswordHash,
        policy: &Policy,
    ) -> Result<SignUpOutcome, Failure<SignUpRefusal>> {
        // Taken addresses count alike: the mail to their owner is of this kind, too.
        let mailed = self.admit_mail(MailKind::VerifyEmail, policy.mail.per_hour, &applicant.email).await?;
        for _ in 0..DECISIONS {
            let now = self.now();
            let invitation = self.welcome(form, &applicant.email).await?;
            let facts = self.facts(applicant).await?;
            let room = facts.make_room(now).map_err(Failure::Refused)?;
            let token = LinkToken::generate([0; 16], self.random())?;
            let registration = self.pending(form, applicant, &hash, &token, invitation.as_ref(), policy)?;
            let mail = match &facts.owner {
                Some(owner) => self.write_mail(&owner.email, owner.locale.as_deref(), &AlreadyRegistered {})?,
                None => {
                    self.mail_to_prove(&applicant.email, form.locale.as_deref(), &[(&registration, &token)], policy)?
                }
            };
            let event = self.event(AuditName::UserSignedUp, &form.client)?.of_subject(applicant.email.key());
            let event = event.with("registration", registration.id.to_string()).with("taken", facts.owner.is_some());
            let event = invited::note(event.with("mailed", mailed), invitation.as_ref());
            let mut changes: Vec<_> = room.into_iter().map(Change::Lapse).collect();
            // The registration itself is what holds the use: this is only the revision that it was decided on.
            changes.extend(invitation.map(|held| Change::Invitation(Write::Update(held))));
            changes.extend([Change::Register(registration), Change::Audit(event)]);
            let deliveries = match mailed {
                true => vec![Delivery::of_mail(&mail, self.keys(), now, self.random())?],
                false => Vec::new(),
            };
            match self.commit_and_carry_out(changes, deliveries).await {
                Ok(()) => return Ok(SignUpOutcome::VerifyEmail),
                // Somebody took the name meanwhile: the next look says who.
                Err(CommitError::Stale | CommitError::Taken(_)) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("signing up", applicant.email.masked()).into())
    }

    fn pending(
        &self,
        form: &SignUpForm,
        applicant: &Applicant,
        hash: &PasswordHash,
        token: &LinkToken,
        invitation: Option<&Invitation>,
        policy: &Policy,
    ) -> Result<PendingRegistration, Fault> {
        let now = self.now();
        let id = RegistrationId::generate(now, self.random())?;
        let sealed_link = self.keys().seal(
            token.expose().as_bytes(),
            PendingRegistration::LINK_SEALED_AS,
            id.as_bytes(),
            self.random(),
        )?;
        Ok(PendingRegistration {
            id,
            email: applicant.email.clone(),
            username: applicant.username.clone(),
            full_name: applicant.full_name.clone(),
            fields: applicant.fields.clone(),
            password: hash.clone(),
            fingerprint: PendingRegistration::fingerprint(self.keys(), id, &form.password),
            acceptances: form.accepted.at(now, Acceptances::default(), &policy.sign_up),
            locale: form.locale.clone(),
            role: invited::role(invitation),
            invitation: invitation.map(|invitation| invitation.id),
            link: token.digest(),
            sealed_link,
            client: form.client.clone(),
            created_at: now,
            expires_at: now.after(policy.sign_up.verify_link),
        })
    }

    /// Makes the account at once, where no mail can prove its address.
    async fn create_unproved(
        &self,
        form: &SignUpForm,
        applicant: &Applicant,
        hash: PasswordHash,
    ) -> Result<SignUpOutcome, Failure<SignUpRefusal>> {
        for _ in 0..DECISIONS {
            let now = self.now();
            let invitation = self.welcome(form, &applicant.email).await?;
            let facts = self.facts(applicant).await?;
            let room = facts.make_room(now).map_err(Failure::Refused)?;
            let role = invited::role(invitation.as_ref());
            let user = User {
                username: applicant.username.clone(),
                full_name: applicant.full_name.clone(),
                fields: applicant.fields.clone(),
                password: Some(hash.clone()),
                password_changed_at: Some(now),
                acceptances: form.accepted.at(now, Acceptances::default(), &self.policy().sign_up),
                locale: form.locale.clone(),
                ..User::new(UserId::generate(now, self.random())?, applicant.email.clone(), role, now)
            };
            let event = self.event(AuditName::UserSignedUp, &form.client)?.of_user(user.id);
            let event = invited::note(event, invitation.as_ref());
            let mut changes: Vec<_> = room.into_iter().map(Change::Lapse).collect();
            if let Some(invitation) = invitation {
                changes.extend(self.redeem(invitation, user.id, &form.client)?);
            }
            changes.extend([Change::User(Write::Create(user.clone())), Change::Audit(event)]);
            match self.commit_and_carry_out(changes, Vec::new()).await {
                Ok(()) => return Ok(SignUpOutcome::SignedUp(Box::new(user))),
                Err(CommitError::Taken(UniqueRule::Email)) => return self.refuse_taken(form, applicant).await,
                Err(CommitError::Stale | CommitError::Taken(_)) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("signing up", applicant.email.masked()).into())
    }

    async fn refuse_taken(
        &self,
        form: &SignUpForm,
        applicant: &Applicant,
    ) -> Result<SignUpOutcome, Failure<SignUpRefusal>> {
        let event: AuditEvent = self.event(AuditName::UserSignedUp, &form.client)?.of_subject(applicant.email.key());
        self.record([event.refused_by("email_taken")]).await?;
        Err(Failure::Refused(SignUpRefusal::EmailTaken))
    }

    fn mail_to_prove(
        &self,
        to: &Email,
        locale: Option<&str>,
        registrations: &[(&PendingRegistration, &LinkToken)],
        policy: &Policy,
    ) -> Result<Mail, Fault> {
        let now = self.now();
        let link = |(registration, token): &(&PendingRegistration, &LinkToken)| MailedLink {
            url: policy.public_url.link("verify-email", &token.expose()),
            asked_at: registration.created_at,
            from_address: registration.client.address,
            works_for: now.until(registration.expires_at),
        };
        let links: Vec<_> = registrations.iter().map(link).collect();
        self.write_mail(to, locale, &VerifyEmail { links })
    }
}
