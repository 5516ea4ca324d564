//! A login's step: accepting the documents in force.

use crate::audit::AuditName;
use crate::client::Client;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::login::{Awaited, LoginProgress, LoginRefusal, LoginStep};
use crate::policy::Policy;
use crate::sign_up::{AcceptedVersions, DocumentPolicy, SignUpPolicy};
use crate::store::{Change, CommitError, UserKey, Write};
use crate::token::TicketToken;
use crate::user::{Acceptance, User, UserId};

/// Whether a document in force isn't accepted in its current version and the policy asks again.
pub(super) fn are_due(user: &User, policy: &Policy) -> bool {
    let due = |document: &DocumentPolicy, accepted: &Option<Acceptance>| {
        document.is_asked() && accepted.as_ref().is_none_or(|accepted| accepted.version != document.version)
    };
    let (documents, accepted) = (&policy.sign_up, &user.acceptances);
    documents.ask_again_when_terms_change
        && (due(&documents.terms, &accepted.terms) || due(&documents.privacy, &accepted.privacy))
}

impl Engine {
    pub(super) async fn ask_terms(
        &self,
        progress: LoginProgress,
        policy: &Policy,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        let ticket = self.issue(progress, Awaited::Terms).await?;
        let (terms, privacy) = (policy.sign_up.terms.clone(), policy.sign_up.privacy.clone());
        Ok(LoginStep::TermsRequired { ticket, terms, privacy })
    }

    /// Accepts the documents in force and goes on with the login of `ticket`.
    ///
    /// # Errors
    /// [`LoginRefusal::TermsNotAccepted`] leaves the ticket for another try;
    /// [`LoginRefusal::TicketInvalid`], and all that a login's later steps refuse.
    pub async fn accept_terms(
        &self,
        ticket: &TicketToken,
        accepted: &AcceptedVersions,
        client: &Client,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        self.counted(async {
            let progress = self.peek(ticket).await?;
            if progress.awaits != Some(Awaited::Terms) {
                return Err(Failure::Refused(LoginRefusal::TicketInvalid));
            }
            let policy = self.policy();
            if !accepted.are_current(&policy.sign_up) {
                return Err(Failure::Refused(LoginRefusal::TermsNotAccepted));
            }
            self.take(ticket).await?;
            self.store_acceptances(progress.user, accepted, &policy.sign_up, client).await?;
            self.advance(progress, None, None).await
        })
        .await
    }

    async fn store_acceptances(
        &self,
        user: UserId,
        accepted: &AcceptedVersions,
        asked: &SignUpPolicy,
        client: &Client,
    ) -> Result<(), Failure<LoginRefusal>> {
        for _ in 0..DECISIONS {
            let found = self.directory().user(UserKey::Id(user)).await?;
            let found = found.ok_or(Failure::Refused(LoginRefusal::InvalidCredentials))?;
            let acceptances = accepted.at(self.now(), found.acceptances.clone(), asked);
            let event = self.event(AuditName::TermsAccepted, client)?.of_user(user);
            let event =
                event.with("terms", asked.terms.version.as_str()).with("privacy", asked.privacy.version.as_str());
            let changes = [Change::User(Write::Update(User { acceptances, ..found })), Change::Audit(event)];
            match self.directory().commit(&changes).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(Fault::into(unexpected(other))),
            }
        }
        Err(overtaken("storing what was accepted by user", user).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::Email;
    use crate::time::Timestamp;
    use crate::user::{Acceptances, Role};

    fn policy(terms: &str, privacy: &str, ask_again: bool) -> Policy {
        let document = |version: &str| DocumentPolicy { version: version.to_owned(), url: "https://x/".to_owned() };
        let mut policy = Policy::default();
        policy.sign_up.terms = document(terms);
        policy.sign_up.privacy = document(privacy);
        policy.sign_up.ask_again_when_terms_change = ask_again;
        policy
    }

    #[test]
    fn documents_are_asked_for_again_when_their_version_changes_and_the_policy_says_so() {
        let now = Timestamp::from_millis(0);
        let accepted = |version: &str| Some(Acceptance { version: version.to_owned(), at: now });
        let mut user = User::new(UserId::from_bytes([1; 16]), Email::parse("a@b.org").unwrap(), Role::user(), now);
        user.acceptances = Acceptances { terms: accepted("1"), privacy: accepted("1") };
        for (terms, privacy, ask_again, due) in [
            ("1", "1", true, false),
            ("2", "1", true, true),
            ("1", "2", true, true),
            ("2", "2", false, false),
            ("", "1", true, false),
            ("", "", true, false),
        ] {
            assert_eq!(are_due(&user, &policy(terms, privacy, ask_again)), due, "{terms:?} {privacy:?} {ask_again}");
        }
        user.acceptances = Acceptances::default();
        assert!(are_due(&user, &policy("1", "", true)), "never accepted");
    }
}
