//! Recovery by mail: a forgotten password is replaced by whoever reads the account's mail.
//!
//! ```text
//! forgot ──▶ admit (client, address) ──▶ known? ──▶ commit: the link's digest on the account, and the mail
//!    └───────────── one answer, at one moment, whoever was named ◀────────────────┘
//!
//! reset ──▶ the account's newest link? ──▶ rules, all at once ──▶ hash ──▶ commit: password, link gone
//!                                                                            │
//!              sessions end · tickets are void · restriction lifted · notice ◀┘  by the outbox
//! ```
//!
//! It doesn't log in, so it leads round nothing that a login asks for. Between the commit and its deliveries no door
//! is open: the former password is gone, and a ticket that it proved is refused by the login's own rule.

pub(crate) mod link;
pub(crate) mod policy;

use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::audit::AuditName;
use crate::client::Client;
use crate::delivery::Delivery;
use crate::email::Email;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::lockout::LockoutSubject;
use crate::mail::{Mail, MailKind, MailedLink, ResetPassword};
use crate::password::{Password, PasswordHash, UnmetRule};
use crate::password_change::Replaced;
use crate::policy::Policy;
pub use crate::recovery::link::ResetLink;
pub use crate::recovery::policy::RecoveryPolicy;
use crate::store::{Change, CommitError, UserKey, Which, Write};
use crate::time::{Timestamp, seconds_to_wait};
use crate::token::LinkToken;
use crate::user::{User, UserId, UserStatus};

impl ResetLink {
    /// Whether `token` is this link's and still sets the password of `user`.
    fn is_good(&self, token: &LinkToken, user: &User, now: Timestamp) -> bool {
        let same: bool = self.token.as_bytes().ct_eq(token.digest().as_bytes()).into();
        same && now < self.expires_at && self.to == user.email.key() && user.status == UserStatus::Active
    }
}

/// Why a password isn't reset, or no link asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryRefusal {
    /// The policy resets no password by mail.
    #[error("passwords can't be reset by mail here: contact your administrator")]
    Disabled,
    /// The address isn't one.
    #[error("the e-mail address isn't valid")]
    InvalidEmail,
    /// Too many requests from this client.
    #[error("too many requests from here: try again in {} s", seconds_to_wait(*.retry_after))]
    TooManyRequests {
        /// When the next is admitted.
        retry_after: Duration,
    },
    /// Unknown, used, expired, or overtaken by a newer one or a change of password or address.
    #[error("the link doesn't work any more: ask for another, or log in")]
    LinkInvalid,
    /// The password breaks these rules. The link stays.
    #[error("the password doesn't meet every rule")]
    PasswordTooWeak(Vec<UnmetRule>),
    /// Too many passwords to hash at once.
    #[error("too many requests at once: try again in {} s", seconds_to_wait(*.retry_after))]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
}

impl RecoveryRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Disabled => "recovery_disabled",
            Self::InvalidEmail => "invalid_email",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::LinkInvalid => "link_invalid",
            Self::PasswordTooWeak(_) => "password_too_weak",
            Self::Busy { .. } => "busy",
        }
    }
}

const INVALID: Failure<RecoveryRefusal> = Failure::Refused(RecoveryRefusal::LinkInvalid);

impl Engine {
    /// Mails a link to set another password, if the address has an account that may log in.
    ///
    /// The answer, and when it comes, is the same whether it has one or not, and however many mails it got before.
    ///
    /// # Errors
    /// [`RecoveryRefusal::Disabled`], [`InvalidEmail`](RecoveryRefusal::InvalidEmail) and
    /// [`TooManyRequests`](RecoveryRefusal::TooManyRequests); nothing that depends on whether the address is known.
    pub async fn forgot_password(&self, email: &str, client: &Client) -> Result<(), Failure<RecoveryRefusal>> {
        let started = self.now();
        self.demand_recovery()?;
        let email = Email::parse(email).map_err(|_| Failure::Refused(RecoveryRefusal::InvalidEmail))?;
        self.admit_client(client)
            .await
            .map_err(|f| f.map(|retry_after| RecoveryRefusal::TooManyRequests { retry_after }))?;
        let outcome = self.mail_reset_link(&email, client).await;
        self.leave_uniformly(started).await;
        outcome.map_err(Failure::Fault)
    }

    fn demand_recovery(&self) -> Result<(), Failure<RecoveryRefusal>> {
        let offered = self.policy().recovers_by_mail();
        offered.then_some(()).ok_or(Failure::Refused(RecoveryRefusal::Disabled))
    }

    async fn mail_reset_link(&self, email: &Email, client: &Client) -> Result<(), Fault> {
        let policy = self.policy();
        let admitted = self.admit_mail(MailKind::ResetPassword, policy.recovery.per_hour, email).await?;
        for _ in 0..DECISIONS {
            let user = self.directory().user(UserKey::Email(email.key())).await?;
            let event = self.event(AuditName::PasswordResetRequested, client)?;
            let event = match &user {
                Some(user) => event.of_user(user.id),
                None => event.of_subject(email.key()),
            };
            let receiver = user.filter(|user| admitted && user.status == UserStatus::Active);
            let mut changes = vec![Change::Audit(event.with("mailed", receiver.is_some()))];
            let mut deliveries = Vec::new();
            if let Some(user) = receiver {
                let (now, token) = (self.now(), LinkToken::generate(*user.id.as_bytes(), self.random())?);
                let mail = self.mail_to_reset(&user, &token, client, &policy)?;
                deliveries.push(Delivery::of_mail(&mail, self.keys(), now, self.random())?);
                let (to, expires_at) = (user.email.key().to_owned(), now.after(policy.recovery.link));
                let reset = Some(ResetLink { token: token.digest(), to, expires_at });
                changes.push(Change::User(Write::Update(User { reset, ..user })));
            }
            match self.commit_and_carry_out(changes, deliveries).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other)),
            }
        }
        Err(overtaken("mailing a link to", email.masked()))
    }

    fn mail_to_reset(&self, user: &User, token: &LinkToken, client: &Client, policy: &Policy) -> Result<Mail, Fault> {
        let link = MailedLink {
            url: policy.public_url.link("reset-password", &token.expose()),
            asked_at: self.now(),
            from_address: client.address,
            works_for: policy.recovery.link,
        };
        self.write_mail(&user.email, user.locale.as_deref(), &ResetPassword { link })
    }

    /// Sets another password with a mailed link. Doesn't log in.
    ///
    /// When this returns, all sessions of the account have ended, its tickets are void and its restriction is lifted.
    /// The new password isn't compared with the old one: a link would be an oracle for it.
    ///
    /// # Errors
    /// [`RecoveryRefusal::LinkInvalid`], whatever the cause; [`PasswordTooWeak`](RecoveryRefusal::PasswordTooWeak) and
    /// [`Busy`](RecoveryRefusal::Busy) leave the link for another try; [`Disabled`](RecoveryRefusal::Disabled).
    pub async fn reset_password(
        &self,
        token: &LinkToken,
        password: Password,
        client: &Client,
    ) -> Result<UserId, Failure<RecoveryRefusal>> {
        let user = self.holder_of(token, &password).await?;
        let hash = self.hash_new(user.id, password.clone(), client).await;
        let hash = hash.map_err(|f| f.map(|retry_after| RecoveryRefusal::Busy { retry_after }))?;
        for _ in 0..DECISIONS {
            let user = self.holder_of(token, &password).await?;
            let id = user.id;
            let (changes, deliveries) = self.decide_reset(user, hash.clone(), client).await?;
            match self.commit_and_carry_out(changes, deliveries).await {
                Ok(()) => return Ok(id),
                // Used or overtaken meanwhile: the next look says so.
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("resetting the password of user", user.id).into())
    }

    /// The account whose newest link, or link to its first password, `token` is, if `password` may be its next one.
    async fn holder_of(&self, token: &LinkToken, password: &Password) -> Result<User, Failure<RecoveryRefusal>> {
        let (user, now) = (self.directory().user(UserKey::Id(UserId::from_bytes(token.locator()))).await?, self.now());
        let is_good =
            |user: &User, link: &Option<ResetLink>| link.as_ref().is_some_and(|l| l.is_good(token, user, now));
        let user = match user {
            // An administrator's doing, whatever the policy says of resets.
            Some(user) if is_good(&user, &user.first_password) => user,
            found => {
                self.demand_recovery()?;
                found.filter(|user| is_good(user, &user.reset)).ok_or(INVALID)?
            }
        };
        let unmet = self.unmet_rules(&user, password);
        if !unmet.is_empty() {
            return Err(Failure::Refused(RecoveryRefusal::PasswordTooWeak(unmet)));
        }
        Ok(user)
    }

    async fn decide_reset(
        &self,
        user: User,
        hash: PasswordHash,
        client: &Client,
    ) -> Result<(Vec<Change>, Vec<Delivery>), Fault> {
        let (now, id) = (self.now(), user.id);
        let keypairs = self.all_keypairs(id).await?;
        // The first who proves the address takes away what an earlier claimant made.
        let (claimed, keypairs) = match user.email_verified_at {
            None => (keypairs, Vec::new()),
            Some(_) => (Vec::new(), keypairs),
        };
        // Who opened the link has read the mail.
        let email_verified_at = user.email_verified_at.or(Some(now));
        // The second factor stays (a mailbox alone is no second one), and so do its wrong codes: one more is let through.
        let policy = self.policy();
        let totp = user.totp.as_ref().map(|totp| totp.reopened(&policy.totp).unwrap_or_else(|| totp.clone()));
        let subject = LockoutSubject::Account(id);
        let was_closed = user.totp.as_ref().is_some_and(|totp| totp.is_spent(&policy.totp))
            || self.lockouts().restriction(&subject, now).await?.is_some();
        let known_browsers = Vec::new();
        let user = User { email_verified_at, totp, known_browsers, ..user.with_password(hash, now) };
        let reset = Replaced { name: AuditName::PasswordReset, ending: Which::All };
        let (mut changes, mut deliveries) = self.replace_password(user, &reset, &keypairs, client).await?;
        let (removed, forgotten) = self.removing(claimed, AuditName::PasswordReset.name(), client)?;
        changes.extend(removed);
        deliveries.extend(forgotten);
        if was_closed {
            let event = self.event(AuditName::LoginUnlocked, client)?.of_user(id);
            changes.push(Change::Audit(event.with("by", AuditName::PasswordReset.name())));
        }
        deliveries.push(Delivery::of_lifted_restriction(id, now, self.random())?);
        Ok((changes, deliveries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;
    use crate::user::Role;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn re1_a_link_is_good_for_its_token_account_address_and_time_alone() {
        let token = || LinkToken::generate([1; 16], &SystemRandom).unwrap();
        let (own, other) = (token(), token());
        let email = |text: &str| Email::parse(text).unwrap();
        let user = User::new(UserId::from_bytes([1; 16]), email("Ada@example.org"), Role::user(), at(0));
        let link = ResetLink { token: own.digest(), to: user.email.key().to_owned(), expires_at: at(1_800) };
        let moved = User { email: email("eve@example.org"), ..user.clone() };
        let disabled = User { status: UserStatus::Disabled, ..user.clone() };
        for (token, user, now, good) in [
            (&own, &user, at(0), true),
            (&own, &user, at(1_799), true),
            (&own, &user, at(1_800), false),
            (&other, &user, at(0), false),
            (&own, &moved, at(0), false),
            (&own, &disabled, at(0), false),
        ] {
            assert_eq!(link.is_good(token, user, now), good, "{user:?} {now}");
        }
    }

    #[test]
    fn an_account_stored_before_there_was_recovery_is_still_read() {
        let user =
            User::new(UserId::from_bytes([1; 16]), Email::parse("ada@example.org").unwrap(), Role::user(), at(0));
        let mut stored = serde_json::to_value(&user).unwrap();
        for field in ["reset", "first_password", "must_change_password", "pending_email", "former_emails"] {
            stored.as_object_mut().unwrap().remove(field).unwrap();
        }
        assert_eq!(serde_json::from_value::<User>(stored).unwrap(), user);
    }

    #[test]
    fn re1_another_password_voids_the_link_and_is_never_set_at_the_same_moment() {
        let user =
            User::new(UserId::from_bytes([1; 16]), Email::parse("ada@example.org").unwrap(), Role::user(), at(0));
        let token = LinkToken::generate([1; 16], &SystemRandom).unwrap();
        let reset = Some(ResetLink { token: token.digest(), to: "ada@example.org".to_owned(), expires_at: at(9) });
        let user = User { reset, must_change_password: true, ..user };
        let mut changed = user.with_password(PasswordHash::dummy(4), at(5));
        assert_eq!((&changed.reset, changed.must_change_password), (&None, false));
        for now in [at(5), at(5), at(0), at(6)] {
            let before = changed.password_changed_at;
            changed = changed.with_password(PasswordHash::dummy(4), now);
            assert!(changed.password_changed_at > before && changed.password_changed_at >= Some(now), "{now}");
        }
    }
}
