//! A login's step: the password is too old, or an administrator demands another one.

use crate::audit::AuditName;
use crate::client::Client;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::Failure;
use crate::guess::Guesser;
use crate::login::{Awaited, LoginProgress, LoginRefusal, LoginStep, standing};
use crate::password::{Password, PasswordHash, UnmetRule, Verification};
use crate::password_change::Replaced;
use crate::policy::Policy;
use crate::store::{CommitError, UserKey, Which};
use crate::time::Timestamp;
use crate::token::TicketToken;
use crate::user::User;

/// Whether the account needs another password before it may go on. One of unknown age is too old for any limit.
pub(super) fn is_due(user: &User, policy: &Policy, now: Timestamp) -> bool {
    let too_old = |max_age| user.password_changed_at.is_none_or(|at| at.after(max_age) <= now);
    user.password.is_some() && (user.must_change_password || policy.password.max_age.is_some_and(too_old))
}

impl Engine {
    pub(super) async fn ask_password_change(
        &self,
        progress: LoginProgress,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        let ticket = self.issue(progress, Awaited::PasswordChange).await?;
        Ok(LoginStep::PasswordChangeRequired { ticket })
    }

    /// Sets the password that the ticket's step demands and goes on with the login. All sessions of the account end.
    ///
    /// # Errors
    /// [`LoginRefusal::PasswordTooWeak`] and [`Busy`](LoginRefusal::Busy) leave the ticket for another try;
    /// [`LoginRefusal::TicketInvalid`], and all that a login's later steps refuse.
    pub async fn change_due_password(
        &self,
        ticket: &TicketToken,
        password: Password,
        client: &Client,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        self.counted(async {
            let progress = self.peek(ticket).await?;
            if progress.awaits != Some(Awaited::PasswordChange) {
                return Err(Failure::Refused(LoginRefusal::TicketInvalid));
            }
            let user = self.holder(&progress).await?;
            let mut unmet = self.unmet_rules(&user, &password);
            // No guess: the ticket's holder has given this very password, so there is nothing to learn of it.
            let party = Guesser::at_account(user.id).party(client);
            let same =
                self.verify(&party, password.clone(), user.password).await.map_err(|f| f.map(LoginRefusal::from))?;
            unmet.extend((same == Verification::Right).then_some(UnmetRule::SameAsOld));
            if !unmet.is_empty() {
                return Err(Failure::Refused(LoginRefusal::PasswordTooWeak(unmet)));
            }
            let hash = self.hash_new(progress.user, password, client).await;
            let hash = hash.map_err(|f| f.map(|retry_after| LoginRefusal::Busy { retry_after }))?;
            self.take(ticket).await?;
            let password_set_at = self.store_due(&progress, &hash, client).await?;
            self.advance(LoginProgress { password_set_at, ..progress }, None, None).await
        })
        .await
    }

    /// The account of a login that nothing has overtaken.
    async fn holder(&self, progress: &LoginProgress) -> Result<User, Failure<LoginRefusal>> {
        let user = self.directory().user(UserKey::Id(progress.user)).await?;
        let user = user.ok_or(Failure::Refused(LoginRefusal::InvalidCredentials))?;
        if let Err((refusal, rule)) = standing(progress, &user) {
            self.refuse(progress, refusal, rule).await?;
        }
        Ok(user)
    }

    async fn store_due(
        &self,
        progress: &LoginProgress,
        hash: &PasswordHash,
        client: &Client,
    ) -> Result<Option<Timestamp>, Failure<LoginRefusal>> {
        for _ in 0..DECISIONS {
            let user = self.holder(progress).await?.with_password(hash.clone(), self.now());
            let password_set_at = user.password_changed_at;
            let changed = Replaced { name: AuditName::PasswordChanged, ending: Which::All };
            let keypairs = self.all_keypairs(user.id).await?;
            let (changes, deliveries) = self.replace_password(user, &changed, &keypairs, client).await?;
            match self.commit_and_carry_out(changes, deliveries).await {
                Ok(()) => return Ok(password_set_at),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("changing the password of user", progress.user).into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::email::Email;
    use crate::user::{Role, UserId};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn l13_a_password_is_due_at_its_age_or_on_demand_and_never_where_there_is_none() {
        let email = Email::parse("ada@example.org").unwrap();
        let without = User::new(UserId::from_bytes([1; 16]), email, Role::user(), at(0));
        let with = without.clone().with_password(PasswordHash::dummy(4), at(0));
        let of_unknown_age = User { password_changed_at: None, ..with.clone() };
        let demanded = |user: &User| User { must_change_password: true, ..user.clone() };
        for (user, max_age, now, due) in [
            (with.clone(), None, at(1_000_000), false),
            (with.clone(), Some(60), at(59), false),
            (with.clone(), Some(60), at(60), true),
            (with.clone(), Some(60), at(61), true),
            (of_unknown_age.clone(), Some(60), at(0), true),
            (of_unknown_age, None, at(0), false),
            (demanded(&with), None, at(0), true),
            (demanded(&without), Some(60), at(61), false),
        ] {
            let mut policy = Policy::default();
            policy.password.max_age = max_age.map(Duration::from_secs);
            assert_eq!(is_due(&user, &policy, now), due, "{user:?} {max_age:?} {now}");
        }
    }
}
