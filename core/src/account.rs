//! An account in its owner's hands: all that is held about it, its name and language, and its end.
//!
//! ```text
//! change ──▶ the rules of sign-up on what is given ──▶ commit: account and line of the trail
//!
//! delete ──▶ charge the guess ──▶ password (and code) right? ──▶ commit: account and all that hangs on it are gone
//!                                                                                │
//!                  sessions end · tickets are void · count is cleared · mail  ◀──┘   by the outbox
//! ```

use std::collections::BTreeMap;

use crate::administration::PAGE;
use crate::audit::{AuditEvent, AuditFilter, AuditName, AuditPosition};
use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::guess::Guesser;
use crate::keypair::{Keypair, KeypairId};
use crate::mail::AccountDeleted;
use crate::password::Password;
use crate::session::{EndReason, Session, SessionId, SessionRefusal};
use crate::sign_up::{Demand, FULL_NAME_CHARACTERS, SignUpPolicy, SignUpRefusal, demanded, text};
use crate::store::{Change, CommitError, RegistrationKey, Requirement, UniqueRule, Which, Write};
use crate::token::SessionToken;
use crate::totp::{Consequence, Redeeming, TotpRefusal, TypedCode};
use crate::user::User;
use crate::username::Username;

/// The longest language tag (RFC 5646, section 4.4.1, asks for room for 35 characters).
const LONGEST_TAG: usize = 35;
/// What the trail keeps and its subject isn't told: it would say who else has an account.
const WITHHELD: [&str; 2] = ["taken", "mailed"];

/// What the owner of an account wants changed; `None` leaves as it is, an empty text removes.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// The name to log in with.
    pub username: Option<String>,
    /// How the user wants to be called.
    pub full_name: Option<String>,
    /// The host's own fields, by name; those that aren't named stay.
    pub fields: BTreeMap<String, String>,
    /// The language of mails, such as `ko`.
    pub locale: Option<String>,
}

/// All that is held about an account, a page of its events at a time.
#[derive(Debug)]
#[non_exhaustive]
pub struct AccountExport {
    /// The account.
    pub user: User,
    /// Its live sessions, oldest first, at most [`PAGE`].
    pub sessions: Vec<Session>,
    /// Behind which one [`Engine::own_sessions`] has more.
    pub more_sessions: Option<SessionId>,
    /// Its keypairs, oldest first, at most [`PAGE`].
    pub keypairs: Vec<Keypair>,
    /// Behind which one [`Engine::keypairs`] has more.
    pub more_keypairs: Option<KeypairId>,
    /// What the trail says of it, oldest first.
    pub events: Vec<AuditEvent>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<AuditPosition>,
}

/// Why an account isn't changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountRefusal {
    /// The session isn't live any more.
    #[error(transparent)]
    Session(SessionRefusal),
    /// What was filled in breaks a rule of sign-up.
    #[error(transparent)]
    Form(SignUpRefusal),
}

impl AccountRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Session(refusal) => refusal.code(),
            Self::Form(refusal) => refusal.code(),
        }
    }
}

/// Why an account isn't deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeletionRefusal {
    /// The session isn't live any more.
    #[error(transparent)]
    Session(SessionRefusal),
    /// The password or code is wrong, or nothing is evaluated now.
    #[error(transparent)]
    Proof(TotpRefusal),
    /// Nobody else could administer.
    #[error("the last administrator can't be deleted: make another one first")]
    LastAdministrator,
}

impl DeletionRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Session(refusal) => refusal.code(),
            Self::Proof(refusal) => refusal.code(),
            Self::LastAdministrator => "forbidden",
        }
    }
}

impl AccountChange {
    /// The account as it becomes, by the rules of sign-up, and the names of what changes.
    fn apply(&self, mut user: User, asked: &SignUpPolicy) -> Result<(User, Vec<&'static str>), SignUpRefusal> {
        let before = user.clone();
        if let Some(typed) = &self.username {
            let name = demanded(asked.username, "username", Some(typed))?.map(Username::parse).transpose();
            user.username = name.map_err(|why| SignUpRefusal::InvalidUsername(why.to_string()))?;
        }
        if let Some(typed) = &self.full_name {
            let name = demanded(asked.full_name, "full_name", Some(typed))?;
            user.full_name = name.map(|name| text("full_name", name, FULL_NAME_CHARACTERS)).transpose()?;
        }
        for (name, typed) in &self.fields {
            apply_field(&mut user.fields, name, typed, asked)?;
        }
        if let Some(tag) = &self.locale {
            user.locale = language_tag(tag)?;
        }
        let changed = [
            ("username", user.username.as_ref().map(Username::typed) != before.username.as_ref().map(Username::typed)),
            ("full_name", user.full_name != before.full_name),
            ("fields", user.fields != before.fields),
            ("locale", user.locale != before.locale),
        ];
        Ok((user, changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()))
    }
}

fn apply_field(
    fields: &mut BTreeMap<String, String>,
    name: &str,
    typed: &str,
    asked: &SignUpPolicy,
) -> Result<(), SignUpRefusal> {
    let named = format!("fields.{}", name.chars().take(64).collect::<String>());
    let Some(field) = asked.fields.iter().find(|field| field.name == name) else {
        return Err(SignUpRefusal::FieldInvalid { field: named, problem: "isn't asked for".to_owned() });
    };
    let demand = if field.required { Demand::Required } else { Demand::Optional };
    match demanded(demand, &named, Some(typed))? {
        Some(value) => {
            let longest = usize::try_from(field.max_length).unwrap_or(usize::MAX);
            fields.insert(field.name.clone(), text(&named, value, longest)?);
        }
        None => drop(fields.remove(name)),
    }
    Ok(())
}

/// Reads a language tag by its shape (RFC 5646); an empty one is none.
fn language_tag(typed: &str) -> Result<Option<String>, SignUpRefusal> {
    let typed = typed.trim();
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_tag = typed.len() <= LONGEST_TAG && typed.split('-').all(part);
    match typed {
        "" => Ok(None),
        tag if is_tag => Ok(Some(tag.to_owned())),
        _ => Err(SignUpRefusal::FieldInvalid {
            field: "locale".to_owned(),
            problem: "must be a language tag such as en or ko".to_owned(),
        }),
    }
}

impl Engine {
    /// All that is held about the session's account, with at most [`PAGE`] events behind `after`.
    ///
    /// # Errors
    /// [`SessionRefusal::Ended`] if the account is gone or disabled meanwhile.
    pub async fn export_account(
        &self,
        session: &Session,
        after: Option<AuditPosition>,
        limit: usize,
    ) -> Result<AccountExport, Failure<SessionRefusal>> {
        let user = self.user_of(session).await?;
        let (sessions, more_sessions) = self.own_sessions(session, None, PAGE).await?;
        let mut keypairs = self.keypairs(user.id, None, PAGE + 1).await?;
        let is_long = keypairs.len() > PAGE;
        keypairs.truncate(PAGE);
        let more_keypairs = keypairs.last().filter(|_| is_long).map(|keypair| keypair.id);
        let filter = AuditFilter { after, user: Some(user.id), ..AuditFilter::default() };
        let limit = limit.clamp(1, PAGE);
        let mut found = self.directory().audit(&filter, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(position, _)| *position);
        let told = |(_, mut event): (AuditPosition, AuditEvent)| {
            event.facts.retain(|fact, _| !WITHHELD.contains(&fact.as_str()));
            event
        };
        let events = found.into_iter().map(told).collect();
        Ok(AccountExport { user, sessions, more_sessions, keypairs, more_keypairs, events, next })
    }

    /// Changes what the owner of the session's account may choose, by the rules of sign-up.
    ///
    /// # Errors
    /// [`AccountRefusal::Form`] names the first rule that is broken, [`SignUpRefusal::UsernameTaken`] among them.
    pub async fn change_account(
        &self,
        session: &Session,
        change: &AccountChange,
        client: &Client,
    ) -> Result<User, Failure<AccountRefusal>> {
        let refused = |refusal| Failure::Refused(AccountRefusal::Form(refusal));
        for _ in 0..DECISIONS {
            let user = self.user_of(session).await.map_err(|f| f.map(AccountRefusal::Session))?;
            let (changed, names) = change.apply(user, &self.policy().sign_up).map_err(refused)?;
            if names.is_empty() {
                return Ok(changed);
            }
            let Some(mut changes) = self.room_for_name(&changed).await? else {
                return self.refuse_taken_name(&changed, client).await;
            };
            let event = self.event(AuditName::UserChanged, client)?.of_user(changed.id).with("changed", names);
            changes.extend([Change::User(Write::Update(changed.clone())), Change::Audit(event)]);
            match self.directory().commit(&changes).await {
                Ok(()) => return Ok(User { revision: changed.revision.next(), ..changed }),
                Err(CommitError::Stale) => {}
                Err(CommitError::Taken(UniqueRule::Username)) => return self.refuse_taken_name(&changed, client).await,
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("changing user", session.user).into())
    }

    async fn refuse_taken_name(&self, user: &User, client: &Client) -> Result<User, Failure<AccountRefusal>> {
        let event = self.event(AuditName::UserChanged, client)?.of_user(user.id).refused_by("username_taken");
        self.record([event]).await?;
        Err(Failure::Refused(AccountRefusal::Form(SignUpRefusal::UsernameTaken)))
    }

    /// A registration that still holds the name though its time is over lapses; `None` if one holds it that is alive.
    async fn room_for_name(&self, user: &User) -> Result<Option<Vec<Change>>, Fault> {
        let Some(name) = &user.username else { return Ok(Some(Vec::new())) };
        match self.directory().registration(RegistrationKey::UsernameSkeleton(name.skeleton())).await? {
            Some(held) if held.expires_at <= self.now() => Ok(Some(vec![Change::Lapse(held.id)])),
            Some(_) => Ok(None),
            None => Ok(Some(Vec::new())),
        }
    }

    /// Deletes the session's account with all that hangs on it. When this returns, its sessions have ended.
    ///
    /// Asks for the password, and for a code where one-time passwords are set up; an account without a password needs a
    /// fresh proof instead. What the trail says of it stays as long as the policy keeps events.
    ///
    /// # Errors
    /// [`DeletionRefusal`]; the guesses are charged like any others.
    pub async fn delete_account(
        &self,
        token: &SessionToken,
        password: Option<Password>,
        code: Option<TypedCode>,
        client: &Client,
    ) -> Result<(), Failure<DeletionRefusal>> {
        let own = self.standing(token).await.map_err(|f| f.map(DeletionRefusal::Session))?;
        let (who, name) = (Guesser::at_account(own.user), AuditName::UserDeleted);
        let guess = self.charge(&who, client).await.map_err(|f| f.map(|r| DeletionRefusal::Proof(r.into())))?;
        let proved = async {
            let user = self.prove_owner(&own, &who, password, name, client).await?;
            if user.totp.is_some() {
                // One that is left out is as wrong as any other.
                let code = code.unwrap_or_else(|| TypedCode::new(String::new()));
                let redeeming = Redeeming { user: user.id, code: &code, ticket: None, name, client };
                self.redeem_code(redeeming, |user| Ok((user, Consequence::default()))).await?;
            }
            Ok(user)
        };
        let proved = proved.await;
        let proved = self.settle_code(guess, proved).await.map_err(|f| f.map(DeletionRefusal::Proof))?;
        self.remove(&own, &proved, client).await
    }

    async fn remove(&self, own: &Session, proved: &User, client: &Client) -> Result<(), Failure<DeletionRefusal>> {
        for _ in 0..DECISIONS {
            let user = self.user_of(own).await.map_err(|f| f.map(DeletionRefusal::Session))?;
            if user.password_changed_at != proved.password_changed_at {
                return Err(Failure::Refused(DeletionRefusal::Proof(TotpRefusal::InvalidCredentials)));
            }
            let (changes, deliveries) = self.decide_deletion(user, client).await?;
            match self.commit_and_carry_out(changes, deliveries).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Stale) => {}
                Err(CommitError::Unmet(Requirement::AnyAdministrator)) => {
                    let event = self.event(AuditName::UserDeleted, client)?.of_user(own.user);
                    self.record([event.refused_by("last_administrator")]).await?;
                    return Err(Failure::Refused(DeletionRefusal::LastAdministrator));
                }
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("deleting user", own.user).into())
    }

    /// All that goes with an account, in one commit.
    pub(crate) async fn decide_deletion(
        &self,
        user: User,
        client: &Client,
    ) -> Result<(Vec<Change>, Vec<Delivery>), Fault> {
        let (now, id, random) = (self.now(), user.id, self.random());
        let reason = EndReason::AccountClosed;
        let mut changes = self.announce_endings(id, Which::All, reason, client).await?;
        let (alive, lapsed) = self.alive_registrations(&user.email).await?;
        changes.extend(alive.into_iter().map(|registration| registration.id).chain(lapsed).map(Change::Lapse));
        let mut deliveries = vec![
            Delivery::of_ended_sessions(id, Which::All, reason, now, random)?,
            Delivery::of_void_tickets(id, now, random)?,
            Delivery::of_forgotten_failures(self.counters_of(&user).await?, now, random)?,
        ];
        deliveries.extend(self.mail_to_owner(&user, &AccountDeleted { from_address: client.address })?);
        let event = self.event(AuditName::UserDeleted, client)?.of_user(id);
        changes.push(Change::Audit(event.with("email", user.email.masked()).with("role", user.role.name())));
        let administered = user.is_administrator();
        changes.push(Change::User(Write::Delete(user)));
        changes.extend(administered.then_some(Change::Require(Requirement::AnyAdministrator)));
        Ok((changes, deliveries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::Email;
    use crate::sign_up::FieldPolicy;
    use crate::time::Timestamp;
    use crate::user::{Role, UserId};

    fn applied(change: &AccountChange, asked: &SignUpPolicy) -> Result<(User, Vec<&'static str>), &'static str> {
        let email = Email::parse("ada@example.org").unwrap();
        let user = User::new(UserId::from_bytes([1; 16]), email, Role::user(), Timestamp::default());
        let user = User {
            username: Some(Username::parse("ada").unwrap()),
            full_name: Some("Ada".to_owned()),
            fields: [("lab".to_owned(), "x".to_owned()), ("old".to_owned(), "kept".to_owned())].into(),
            ..user
        };
        change.apply(user, asked).map_err(|refusal| refusal.code())
    }

    #[test]
    fn s1_the_rules_of_sign_up_hold_for_each_text_that_is_given_and_for_no_other() {
        for (demand, typed, expected) in [
            (Demand::Required, "", Err("field_required")),
            (Demand::Required, "  ", Err("field_required")),
            (Demand::Optional, "", Ok(None)),
            (Demand::Optional, " Grace ", Ok(Some("Grace"))),
            (Demand::Off, "Grace", Err("invalid_request")),
            (Demand::Off, "", Ok(None)),
        ] {
            let asked = SignUpPolicy { username: demand, full_name: demand, ..SignUpPolicy::default() };
            let change = AccountChange { full_name: Some(typed.to_owned()), ..AccountChange::default() };
            let full_name = applied(&change, &asked).map(|(user, _)| user.full_name);
            assert_eq!(full_name.as_ref().map(Option::as_deref), expected.as_ref().map(|name| *name), "{demand:?}");
            let change = AccountChange { username: Some(typed.to_owned()), ..AccountChange::default() };
            let username = applied(&change, &asked).map(|(user, _)| user.username.map(|name| name.typed().to_owned()));
            assert_eq!(username.as_ref().map(Option::as_deref), expected.as_ref().map(|name| *name), "{demand:?}");
            let (user, names) = applied(&AccountChange::default(), &asked).unwrap();
            assert_eq!((user.full_name.as_deref(), names), (Some("Ada"), vec![]));
        }
    }

    #[test]
    fn s1_a_field_of_the_hosts_is_changed_alone_and_an_unknown_one_refused() {
        let field = FieldPolicy { name: "lab".to_owned(), label: "Lab".to_owned(), required: true, max_length: 3 };
        let asked = SignUpPolicy { fields: vec![field], ..SignUpPolicy::default() };
        for (name, typed, expected) in [
            ("lab", "new", Ok("new")),
            ("lab", "long", Err("invalid_request")),
            ("lab", "a\nb", Err("invalid_request")),
            ("lab", "", Err("field_required")),
            ("old", "other", Err("invalid_request")),
        ] {
            let fields = [(name.to_owned(), typed.to_owned())].into();
            let changed = applied(&AccountChange { fields, ..AccountChange::default() }, &asked);
            assert_eq!(changed.as_ref().map(|(user, _)| &*user.fields["lab"]).map_err(|code| *code), expected);
            if let Ok((user, names)) = changed {
                assert_eq!((&*user.fields["old"], names), ("kept", vec!["fields"]));
            }
        }
    }

    #[test]
    fn a_language_is_a_tag_or_none() {
        let longest = format!("de-{}", ["x"; 16].join("-"));
        for (typed, expected) in [
            ("ko", Ok(Some("ko"))),
            (" ko-KR ", Ok(Some("ko-KR"))),
            ("", Ok(None)),
            (&*longest, Ok(Some(&*longest))),
            (&*format!("{longest}-"), Err(())),
            (&*format!("{longest}-y"), Err(())),
            ("k o", Err(())),
            ("ko\n", Ok(Some("ko"))),
            ("ko-", Err(())),
            ("한국어", Err(())),
        ] {
            let read = language_tag(typed).map_err(drop);
            assert_eq!(read.as_ref().map(Option::as_deref), expected.as_ref().map(|tag| *tag), "{typed:?}");
        }
    }
}
