//! Change of an account's e-mail address, and its undoing by who reads the former one.
//!
//! ```text
//! change ──▶ address and domain ──▶ charge the guess ──▶ password right? ──▶ admit (client, address)
//!    └── one answer, at one moment, whoever has the address ◀── commit: pending change, mail to the new address ◀─┘
//!
//! confirm ──▶ the account's newest link? ──▶ commit: the address is the account's, mail to the former one
//!                                                                                        │
//! undo ──▶ a link of the last 7 days? ──▶ commit: the former address is back ◀───────────┘
//!              │                             password, pending links and later undo links are void,
//!              │                             keypairs that were made since are gone
//!              └▶ sessions end · tickets are void · mail with a link to set another password   by the outbox
//! ```
//!
//! Whoever changes an address has given the password, so whoever undoes that must expect it to be known: undoing voids
//! it, and with it every reset that the new address proved. Another one is set from the restored address alone. The
//! second factor stays as it is, or a former mailbox would lead round it; an administrator resets one that the thief
//! has set up.

pub(crate) mod links;
mod mails;

use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::audit::{AuditEvent, AuditName};
use crate::client::Client;
use crate::delivery::Delivery;
use crate::email::Email;
pub use crate::email_change::links::{FormerEmail, PendingEmail};
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::mail::MailKind;
use crate::password::Password;
use crate::recovery::ResetLink;
use crate::session::{EndReason, ProofRefusal, Session};
use crate::store::{Change, CommitError, UniqueRule, UserKey, Which, Write};
use crate::time::{Timestamp, seconds_to_wait};
use crate::token::{Digest, LinkToken, SessionToken};
use crate::user::{User, UserId, UserStatus};

/// How long the former address can undo a change.
pub const UNDO_WITHIN: Duration = Duration::from_secs(7 * 86_400);
/// Changes that can be undone at a time. A further one waits: were the oldest link displaced instead, a thief would
/// change the address until the owner's was.
const UNDOABLE: usize = 8;

impl PendingEmail {
    /// Whether `token` is this change's and still makes it for `user`.
    fn is_good(&self, token: &LinkToken, user: &User, now: Timestamp) -> bool {
        is_of(&self.token, token) && now < self.expires_at && user.status == UserStatus::Active
    }
}

fn is_of(kept: &Digest, token: &LinkToken) -> bool {
    kept.as_bytes().ct_eq(token.digest().as_bytes()).into()
}

/// What a link of a change shows before anything is done.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EmailChangeShown {
    /// The address that the link makes the account's.
    pub email: Email,
    /// The address that it has now, masked.
    pub replaces: String,
    /// When the change was asked for, or was made.
    pub at: Timestamp,
    /// When the link stops working.
    pub expires_at: Timestamp,
    /// Where the change was asked for; not known of one that was made.
    pub client: Option<Client>,
}

/// Why an address isn't changed, or a change not undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmailChangeRefusal {
    /// The password is wrong, nothing is evaluated now, or the session isn't live any more.
    #[error(transparent)]
    Proof(ProofRefusal),
    /// Without mails no address can be proved.
    #[error("addresses can't be changed here: contact your administrator")]
    Forbidden,
    /// The address isn't one, or is the account's already.
    #[error("the e-mail address isn't valid: {0}")]
    InvalidEmail(String),
    /// The policy's list of domains doesn't have the address's.
    #[error("addresses of this domain can't be used here: contact your administrator")]
    DomainRefused,
    /// Too many requests from this client, or too many changes in a week.
    #[error("too many changes: try again in {} s", seconds_to_wait(*.retry_after))]
    TooManyRequests {
        /// When the next is admitted.
        retry_after: Duration,
    },
    /// Unknown, used, expired, or overtaken by another change of password or address; or the address is taken.
    #[error("the link doesn't work any more")]
    LinkInvalid,
}

impl EmailChangeRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Proof(refusal) => refusal.code(),
            Self::Forbidden => "forbidden",
            Self::InvalidEmail(_) => "invalid_email",
            Self::DomainRefused => "sign_up_refused",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::LinkInvalid => "link_invalid",
        }
    }
}

const INVALID: Failure<EmailChangeRefusal> = Failure::Refused(EmailChangeRefusal::LinkInvalid);

/// The changes of one commit and what follows it.
type Decided = (Vec<Change>, Vec<Delivery>);

impl User {
    /// The undo links that still work, oldest first.
    fn undoable(&self, now: Timestamp) -> impl Iterator<Item = &FormerEmail> {
        self.former_emails.iter().filter(move |former| now < former.expires_at)
    }
}

/// The account under its next address: links to the former one are void, and one that was proved can take it back.
fn moved(user: User, pending: PendingEmail, undo: &LinkToken, now: Timestamp) -> User {
    let was_proved = user.email_verified_at.is_some();
    let mut former_emails: Vec<_> = user.undoable(now).cloned().collect();
    // Who reads an address that was never proved may be anybody.
    former_emails.extend(was_proved.then(|| FormerEmail {
        token: undo.digest(),
        email: user.email.clone(),
        replaced_at: now,
        expires_at: now.after(UNDO_WITHIN),
    }));
    let (email, email_verified_at) = (pending.to, Some(now));
    User { email, email_verified_at, former_emails, pending_email: None, reset: None, ..user }
}

/// The account as it was before `undone`, and all that the addresses since could prove is void.
fn restored(user: User, undone: &FormerEmail, reset: Option<ResetLink>, now: Timestamp) -> User {
    // An older change outlives the undoing of a later one, and each later one falls with it.
    let older = user.former_emails.iter().take_while(|former| former.token != undone.token);
    let former_emails = older.filter(|former| now < former.expires_at).cloned().collect();
    let after_former = user.password_changed_at.map(|at| at.after(Duration::from_millis(1)));
    User {
        email: undone.email.clone(),
        email_verified_at: Some(now),
        former_emails,
        pending_email: None,
        password: None,
        // Never the same twice: a login that proved the void password ends with it.
        password_changed_at: Some(after_former.map_or(now, |earliest| earliest.max(now))),
        reset,
        // The thief's may be among them.
        known_browsers: Vec::new(),
        ..user
    }
}

impl Engine {
    /// Asks for another address of a session's account: its link goes to that address, and nothing changes before.
    ///
    /// The answer, and when it comes, is the same whether the address has an account or not; its owner is told.
    ///
    /// # Errors
    /// [`EmailChangeRefusal`]; the guess at the password is charged like any other.
    pub async fn change_email(
        &self,
        token: &SessionToken,
        new: &str,
        password: Password,
        client: &Client,
    ) -> Result<(), Failure<EmailChangeRefusal>> {
        let policy = self.policy();
        if !policy.mail.is_on() {
            return Err(Failure::Refused(EmailChangeRefusal::Forbidden));
        }
        let own =
            self.standing(token).await.map_err(|f| f.map(|r| EmailChangeRefusal::Proof(ProofRefusal::Session(r))))?;
        let new =
            Email::parse(new).map_err(|why| Failure::Refused(EmailChangeRefusal::InvalidEmail(why.to_string())))?;
        if !policy.sign_up.admits_domain(&new) {
            return self.refuse_change(&own, EmailChangeRefusal::DomainRefused, "sign_up.domains", client).await;
        }
        let name = AuditName::EmailChangeRequested;
        let user = self.prove_password(&own, password, name, client).await;
        let user = user.map_err(|f| f.map(EmailChangeRefusal::Proof))?;
        if user.email == new {
            return Err(Failure::Refused(EmailChangeRefusal::InvalidEmail("it is the account's already".to_owned())));
        }
        let started = self.now();
        if let Err(failure) = self.admit_client(client).await {
            let refusal = match failure {
                Failure::Refused(retry_after) => EmailChangeRefusal::TooManyRequests { retry_after },
                Failure::Fault(fault) => return Err(fault.into()),
            };
            return self.refuse_change(&own, refusal, "web.per_address_hour", client).await;
        }
        let outcome = self.mail_change(&own, &user, &new, client).await;
        self.leave_uniformly(started).await;
        outcome
    }

    async fn refuse_change(
        &self,
        own: &Session,
        refusal: EmailChangeRefusal,
        rule: &str,
        client: &Client,
    ) -> Result<(), Failure<EmailChangeRefusal>> {
        let event = self.event(AuditName::EmailChangeRequested, client)?.of_user(own.user).refused_by(rule);
        self.record([event]).await?;
        Err(Failure::Refused(refusal))
    }

    /// Keeps the change on the account, whether its address is free or not, and mails whoever reads that address.
    async fn mail_change(
        &self,
        own: &Session,
        proved: &User,
        new: &Email,
        client: &Client,
    ) -> Result<(), Failure<EmailChangeRefusal>> {
        const WRONG: EmailChangeRefusal = EmailChangeRefusal::Proof(ProofRefusal::InvalidCredentials);
        let policy = self.policy();
        // Taken addresses count alike: the mail to their owner is of this kind, too.
        let mailed = self.admit_mail(MailKind::ConfirmEmail, policy.mail.per_hour, new).await?;
        for _ in 0..DECISIONS {
            let now = self.now();
            let user = self.directory().user(UserKey::Id(own.user)).await?;
            // Replaced or disabled meanwhile: what was proved opens nothing any more.
            let user = user.filter(|user| user.status == UserStatus::Active);
            let user = user.filter(|user| user.password_changed_at == proved.password_changed_at);
            let user = user.ok_or(Failure::Refused(WRONG))?;
            let oldest = user.undoable(now).next().filter(|_| user.undoable(now).count() >= UNDOABLE);
            if let Some(oldest) = oldest {
                let refusal = EmailChangeRefusal::TooManyRequests { retry_after: now.until(oldest.expires_at) };
                return self.refuse_change(own, refusal, "undo_links", client).await;
            }
            let owner = self.directory().user(UserKey::Email(new.key())).await?;
            let token = LinkToken::generate(*user.id.as_bytes(), self.random())?;
            let expires_at = now.after(policy.sign_up.verify_link);
            let pending = PendingEmail {
                token: token.digest(),
                to: new.clone(),
                asked_at: now,
                client: client.clone(),
                expires_at,
            };
            let mail = match &owner {
                Some(owner) => self.mail_address_in_use(owner)?,
                None => self.mail_to_confirm(&user, &pending, &token, &policy)?,
            };
            let event = self.event(AuditName::EmailChangeRequested, client)?.of_user(user.id);
            let event = event.with("to", new.masked()).with("taken", owner.is_some()).with("mailed", mailed);
            let changed = User { pending_email: Some(Box::new(pending)), ..user };
            let changes = vec![Change::User(Write::Update(changed)), Change::Audit(event)];
            let deliveries = match mailed {
                true => vec![Delivery::of_mail(&mail, self.keys(), now, self.random())?],
                false => Vec::new(),
            };
            match self.commit_and_carry_out(changes, deliveries).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("changing the address of user", own.user).into())
    }

    /// What a link to confirm an address would do. Changes nothing.
    ///
    /// # Errors
    /// [`EmailChangeRefusal::LinkInvalid`].
    pub async fn show_email_change(&self, token: &LinkToken) -> Result<EmailChangeShown, Failure<EmailChangeRefusal>> {
        let (user, pending) = self.pending_of(token).await?.ok_or(INVALID)?;
        Ok(EmailChangeShown {
            replaces: user.email.masked(),
            email: pending.to,
            at: pending.asked_at,
            expires_at: pending.expires_at,
            client: Some(pending.client),
        })
    }

    /// Makes the proved address the account's. The former one gets a mail with a link that undoes it, if it was proved.
    ///
    /// Sessions go on; links that were mailed to the former address, and registrations of the new one, are void.
    ///
    /// # Errors
    /// [`EmailChangeRefusal::LinkInvalid`], whatever the cause.
    pub async fn confirm_email(
        &self,
        token: &LinkToken,
        client: &Client,
    ) -> Result<UserId, Failure<EmailChangeRefusal>> {
        for _ in 0..DECISIONS {
            let Some((user, pending)) = self.pending_of(token).await? else {
                return self.refuse_link(token, AuditName::EmailChanged, "link_invalid", client).await;
            };
            let id = user.id;
            let (changes, deliveries) = self.decide_confirmed(user, pending, client).await?;
            match self.commit_and_carry_out(changes, deliveries).await {
                Ok(()) => return Ok(id),
                // Used or overtaken meanwhile: the next look says so.
                Err(CommitError::Stale) => {}
                Err(CommitError::Taken(UniqueRule::Email)) => {
                    return self.refuse_link(token, AuditName::EmailChanged, "email_taken", client).await;
                }
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("confirming", "an address").into())
    }

    async fn pending_of(&self, token: &LinkToken) -> Result<Option<(User, PendingEmail)>, Fault> {
        let Some(user) = self.directory().user(UserKey::Id(UserId::from_bytes(token.locator()))).await? else {
            return Ok(None);
        };
        let pending = user.pending_email.clone().filter(|pending| pending.is_good(token, &user, self.now()));
        Ok(pending.map(|pending| (user, *pending)))
    }

    async fn decide_confirmed(&self, user: User, pending: PendingEmail, client: &Client) -> Result<Decided, Fault> {
        let (policy, now) = (self.policy(), self.now());
        let undo = LinkToken::generate(*user.id.as_bytes(), self.random())?;
        let event = self.event(AuditName::EmailChanged, client)?.of_user(user.id);
        let event = event.with("from", user.email.masked()).with("to", pending.to.masked());
        let mut deliveries = Vec::new();
        if policy.mail.is_on() {
            let undo = user.email_verified_at.map(|_| &undo);
            let mail = self.mail_of_change(&user, undo, client, &policy)?;
            deliveries.push(Delivery::of_mail(&mail, self.keys(), now, self.random())?);
        }
        let mut changes = self.lapse_claims(&pending.to).await?;
        let changed = moved(user, pending, &undo, now);
        changes.extend([Change::User(Write::Update(changed)), Change::Audit(event)]);
        Ok((changes, deliveries))
    }

    /// Whoever asked for an account with an address has lost it once another account has proved it.
    async fn lapse_claims(&self, email: &Email) -> Result<Vec<Change>, Fault> {
        let (alive, lapsed) = self.alive_registrations(email).await?;
        Ok(alive.into_iter().map(|registration| registration.id).chain(lapsed).map(Change::Lapse).collect())
    }

    /// What a link to undo a change would do. Changes nothing.
    ///
    /// # Errors
    /// [`EmailChangeRefusal::LinkInvalid`].
    pub async fn show_email_undo(&self, token: &LinkToken) -> Result<EmailChangeShown, Failure<EmailChangeRefusal>> {
        let (user, former) = self.former_of(token).await?.ok_or(INVALID)?;
        Ok(EmailChangeShown {
            replaces: user.email.masked(),
            email: former.email,
            at: former.replaced_at,
            expires_at: former.expires_at,
            client: None,
        })
    }

    /// Gives the account its former address back. Doesn't log in.
    ///
    /// When this returns, all sessions of the account have ended, its tickets and links are void and so is its password;
    /// keypairs that were made since the change are deleted, and a link to set another is on its way to the restored address, where the policy recovers by mail.
    ///
    /// # Errors
    /// [`EmailChangeRefusal::LinkInvalid`], whatever the cause.
    pub async fn undo_email(&self, token: &LinkToken, client: &Client) -> Result<UserId, Failure<EmailChangeRefusal>> {
        for _ in 0..DECISIONS {
            let Some((user, former)) = self.former_of(token).await? else {
                return self.refuse_link(token, AuditName::EmailRestored, "link_invalid", client).await;
            };
            let id = user.id;
            let (changes, deliveries) = self.decide_undone(user, &former, client).await?;
            match self.commit_and_carry_out(changes, deliveries).await {
                Ok(()) => return Ok(id),
                Err(CommitError::Stale) => {}
                Err(CommitError::Taken(UniqueRule::Email)) => {
                    return self.refuse_link(token, AuditName::EmailRestored, "email_taken", client).await;
                }
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("undoing", "a change of address").into())
    }

    async fn former_of(&self, token: &LinkToken) -> Result<Option<(User, FormerEmail)>, Fault> {
        let Some(user) = self.directory().user(UserKey::Id(UserId::from_bytes(token.locator()))).await? else {
            return Ok(None);
        };
        let former = user.undoable(self.now()).find(|former| is_of(&former.token, token)).cloned();
        Ok(former.map(|former| (user, former)))
    }

    async fn decide_undone(&self, user: User, former: &FormerEmail, client: &Client) -> Result<Decided, Fault> {
        let (policy, now, id, random) = (self.policy(), self.now(), user.id, self.random());
        let reason = EndReason::EmailRestored;
        let event = self.event(AuditName::EmailRestored, client)?.of_user(id);
        let event = event.with("from", user.email.masked()).with("to", former.email.masked());
        let mut changes = self.announce_endings(id, Which::All, reason, client).await?;
        let mut deliveries = vec![
            Delivery::of_ended_sessions(id, Which::All, reason, now, random)?,
            Delivery::of_void_tickets(id, now, random)?,
        ];
        let token = LinkToken::generate(*id.as_bytes(), random)?;
        let is_active = user.status == UserStatus::Active;
        let reset = (policy.recovers_by_mail() && is_active).then(|| ResetLink {
            token: token.digest(),
            to: former.email.key().to_owned(),
            expires_at: now.after(policy.recovery.link),
        });
        if policy.mail.is_on() {
            let link = reset.as_ref().map(|_| &token);
            for mail in self.mails_of_undo(&user, &former.email, link, client, &policy)? {
                deliveries.push(Delivery::of_mail(&mail, self.keys(), now, random)?);
            }
        }
        changes.extend(self.lapse_claims(&former.email).await?);
        let mut since = self.all_keypairs(id).await?;
        since.retain(|keypair| former.replaced_at <= keypair.created_at);
        let (removed, forgotten) = self.removing(since, AuditName::EmailRestored.name(), client)?;
        changes.extend(removed);
        deliveries.extend(forgotten);
        changes.extend([Change::User(Write::Update(restored(user, former, reset, now))), Change::Audit(event)]);
        Ok((changes, deliveries))
    }

    /// Only a link that names an account is on the trail: else strangers could fill it.
    async fn refuse_link<T>(
        &self,
        token: &LinkToken,
        name: AuditName,
        rule: &str,
        client: &Client,
    ) -> Result<T, Failure<EmailChangeRefusal>> {
        if let Some(user) = self.directory().user(UserKey::Id(UserId::from_bytes(token.locator()))).await? {
            let event: AuditEvent = self.event(name, client)?.of_user(user.id);
            self.record([event.refused_by(rule)]).await?;
        }
        Err(INVALID)
    }
}
