//! What an account's owner does with keypairs: make, list, switch off and on, rotate, delete.
//!
//! Only a person does: a session that was logged in with a keypair changes none, and a signed request doesn't either.
//! The number is bounded by a change of the account itself, so that of any number of callers at once none goes beyond.

use crate::audit::{AuditEvent, AuditName};
use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::keypair::{AccessKey, Keypair, KeypairId, SecretKey};
use crate::policy::Policy;
use crate::session::{EndReason, Session, SessionMode};
use crate::store::{Change, CommitError, UniqueRule, UserKey, Which, Write};
use crate::time::Timestamp;
use crate::user::{User, UserId};

/// More than any account has, those that were rotated included.
const ALL: usize = 2_001;

/// What its owner says of a keypair to come.
#[derive(Debug, Clone, Default)]
pub struct NewKeypair {
    /// What it is called: up to 100 characters on one line.
    pub label: Option<String>,
    /// From when on it works no more.
    pub expires_at: Option<Timestamp>,
    /// Up to 32 words of the host's own, each 1 to 64 of `a`–`z`, `0`–`9`, `.`, `:`, `_`, `-`.
    pub scopes: Vec<String>,
}

/// A keypair that was just made.
#[derive(Debug, Clone)]
pub struct IssuedKeypair {
    /// What is kept of it.
    pub keypair: Keypair,
    /// To be shown now; it is nowhere else in the clear.
    pub secret_key: SecretKey,
}

/// Why nothing is done with a keypair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeypairRefusal {
    /// The session was logged in with a keypair.
    #[error("keypairs are changed in a session that was logged in with a password, not with a keypair")]
    Forbidden,
    /// The change asks for the password or a code again first.
    #[error("give your password again first")]
    ProofRequired,
    /// The account's address isn't proved.
    #[error("the e-mail address isn't verified yet: open the link in the mail")]
    EmailUnverified,
    /// The account has as many as it may.
    #[error("the account has as many keypairs as it may: delete one first")]
    Limit,
    /// No keypair of that access key is the caller's.
    #[error("no such keypair")]
    NotFound,
    /// It was rotated already.
    #[error("the keypair was rotated already")]
    Stale,
    /// The form can't be kept.
    #[error("{0} {1}")]
    Invalid(&'static str, &'static str),
}

impl KeypairRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::ProofRequired => "proof_required",
            Self::EmailUnverified => "email_unverified",
            Self::Limit => "keypair_limit",
            Self::NotFound => "not_found",
            Self::Stale => "stale",
            Self::Invalid(..) => "invalid_request",
        }
    }

    /// What the trail calls the rule that refused.
    const fn rule(&self) -> &'static str {
        match self {
            Self::Limit => "keypairs.per_user",
            Self::EmailUnverified => "sign_up.verify_email",
            Self::ProofRequired => "session.fresh_proof",
            Self::Forbidden => "session.mode",
            Self::NotFound | Self::Stale | Self::Invalid(..) => self.code(),
        }
    }
}

impl NewKeypair {
    const MOST_SCOPES: usize = 32;

    fn check(&self, now: Timestamp) -> Result<(), KeypairRefusal> {
        let is_line = |text: &str| (1..=100).contains(&text.chars().count()) && !text.contains(char::is_control);
        if !self.label.as_deref().is_none_or(|label| is_line(label) && label.trim() == label) {
            return Err(KeypairRefusal::Invalid("label", "must be 1 to 100 characters on one line"));
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            return Err(KeypairRefusal::Invalid("expires_at", "must be in the future"));
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".:_-".contains(&b);
        let is_word = |word: &String| (1..=64).contains(&word.len()) && word.bytes().all(allowed);
        if self.scopes.len() > Self::MOST_SCOPES || !self.scopes.iter().all(is_word) {
            return Err(KeypairRefusal::Invalid("scopes", "must be up to 32 words of a-z, 0-9 and .:_-"));
        }
        Ok(())
    }
}

/// Whether one more keypair fits beside `own`. One that was rotated ends by itself and isn't counted; there are never
/// more of them than of the others.
fn has_room(own: &[Keypair], one_more: OneMore, policy: &Policy, now: Timestamp) -> bool {
    let lasting = own.iter().filter(|keypair| keypair.replaced_until.is_none()).count();
    let replaced = own.iter().filter(|keypair| keypair.replaced_until.is_some() && !keypair.is_over(now)).count();
    let most = usize::try_from(policy.keypairs.per_user).unwrap_or(usize::MAX);
    match one_more {
        OneMore::Made => lasting < most,
        OneMore::Rotated => replaced < most.max(1),
    }
}

/// An account and its keypairs, with what removes those that are over.
struct Holder {
    user: User,
    own: Vec<Keypair>,
    changes: Vec<Change>,
    deliveries: Vec<Delivery>,
}

#[derive(Debug, Clone, Copy)]
enum OneMore {
    Made,
    Rotated,
}

/// What is asked for before a keypair is changed.
#[derive(Debug, Clone, Copy)]
enum Demand {
    FreshProof,
    Session,
}

fn allow(session: &Session, demand: Demand, is_fresh: bool) -> Result<(), KeypairRefusal> {
    if session.mode == SessionMode::Api {
        return Err(KeypairRefusal::Forbidden);
    }
    match demand {
        Demand::FreshProof if !is_fresh => Err(KeypairRefusal::ProofRequired),
        Demand::FreshProof | Demand::Session => Ok(()),
    }
}

impl Engine {
    /// Makes a keypair for the session's account.
    ///
    /// # Errors
    /// [`KeypairRefusal`] except `NotFound` and `Stale`.
    pub async fn create_keypair(
        &self,
        session: &Session,
        form: NewKeypair,
        client: &Client,
    ) -> Result<IssuedKeypair, Failure<KeypairRefusal>> {
        let created = self.make_keypair(session, &form, client).await;
        self.note_refusal(created, AuditName::KeypairCreated, session, None, client).await
    }

    async fn make_keypair(
        &self,
        session: &Session,
        form: &NewKeypair,
        client: &Client,
    ) -> Result<IssuedKeypair, Failure<KeypairRefusal>> {
        self.allow(session, Demand::FreshProof)?;
        form.check(self.now()).map_err(Failure::Refused)?;
        for _ in 0..DECISIONS {
            let Holder { user, own, mut changes, deliveries } = self.holder_of_keypairs(session, client).await?;
            let (policy, now) = (self.policy(), self.now());
            if policy.verifies_email() && user.email_verified_at.is_none() {
                return Err(Failure::Refused(KeypairRefusal::EmailUnverified));
            }
            if !has_room(&own, OneMore::Made, &policy, now) {
                return Err(Failure::Refused(KeypairRefusal::Limit));
            }
            let issued = Keypair::issue(user.id, form.clone(), self.keys(), now, self.random())?;
            let event = self.keypair_event(AuditName::KeypairCreated, &issued.keypair, client)?;
            let expires_at = form.expires_at.map(|at| at.to_string());
            changes.push(Change::Audit(event.with("expires_at", expires_at)));
            changes.push(Change::Keypair(Write::Create(issued.keypair.clone())));
            changes.push(Change::User(Write::Update(user)));
            match self.commit_and_carry_out(changes, deliveries).await {
                Ok(()) => return Ok(issued),
                Err(CommitError::Stale | CommitError::Taken(UniqueRule::AccessKey)) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("making a keypair of user", session.user).into())
    }

    /// Makes a keypair in place of another, which works until `keypairs.rotation_overlap` is over.
    ///
    /// The new one has the label, the scopes, the end and the switch of the old one.
    ///
    /// # Errors
    /// [`KeypairRefusal`]; `Stale` if it was rotated already.
    pub async fn rotate_keypair(
        &self,
        session: &Session,
        access_key: &AccessKey,
        client: &Client,
    ) -> Result<IssuedKeypair, Failure<KeypairRefusal>> {
        let rotated = self.replace_keypair(session, access_key, client).await;
        self.note_refusal(rotated, AuditName::KeypairRotated, session, Some(access_key), client).await
    }

    async fn replace_keypair(
        &self,
        session: &Session,
        access_key: &AccessKey,
        client: &Client,
    ) -> Result<IssuedKeypair, Failure<KeypairRefusal>> {
        self.allow(session, Demand::FreshProof)?;
        for _ in 0..DECISIONS {
            let Holder { user, own, mut changes, mut deliveries } = self.holder_of_keypairs(session, client).await?;
            let (policy, now) = (self.policy(), self.now());
            let old = own.iter().find(|keypair| keypair.access_key == *access_key && !keypair.is_over(now));
            let old = old.ok_or(Failure::Refused(KeypairRefusal::NotFound))?.clone();
            if old.replaced_until.is_some() {
                return Err(Failure::Refused(KeypairRefusal::Stale));
            }
            let overlap = policy.keypairs.rotation_overlap;
            if !overlap.is_zero() && !has_room(&own, OneMore::Rotated, &policy, now) {
                return Err(Failure::Refused(KeypairRefusal::Limit));
            }
            let form = NewKeypair { label: old.label.clone(), expires_at: old.expires_at, scopes: old.scopes.clone() };
            let mut issued = Keypair::issue(user.id, form, self.keys(), now, self.random())?;
            issued.keypair.active = old.active;
            let works_until = now.after(overlap);
            let event = self.keypair_event(AuditName::KeypairRotated, &issued.keypair, client)?;
            let event = event.with("in_place_of", access_key.as_str()).with("works_until", works_until.to_string());
            if overlap.is_zero() {
                deliveries.extend(self.ending_sessions_of(&old).await?);
                deliveries.extend(self.forgetting(std::slice::from_ref(&old))?);
                changes.push(Change::Keypair(Write::Delete(old)));
            } else {
                changes.push(Change::Keypair(Write::Update(Keypair { replaced_until: Some(works_until), ..old })));
            }
            changes.push(Change::Keypair(Write::Create(issued.keypair.clone())));
            changes.extend([Change::Audit(event), Change::User(Write::Update(user))]);
            match self.promise(changes, deliveries).await {
                Ok(promised) => {
                    // The old pair is gone, and this is the new secret's only showing. The old one's sessions are
                    // refused from now on; the outbox takes them off the list when it can.
                    if let Err(fault) = self.keep(promised).await {
                        tracing::warn!(keypair = %issued.keypair.id, %fault, "sessions of a rotated keypair stay listed");
                    }
                    return Ok(issued);
                }
                Err(CommitError::Stale | CommitError::Taken(UniqueRule::AccessKey)) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("rotating a keypair of user", session.user).into())
    }

    /// Switches a keypair off or on; switching it off ends the sessions that were logged in with it.
    ///
    /// Switching it on asks for a fresh proof, switching it off doesn't: whoever fears for it does so at once.
    ///
    /// # Errors
    /// [`KeypairRefusal::NotFound`], [`Forbidden`](KeypairRefusal::Forbidden) or
    /// [`ProofRequired`](KeypairRefusal::ProofRequired).
    pub async fn set_keypair_active(
        &self,
        session: &Session,
        access_key: &AccessKey,
        active: bool,
        client: &Client,
    ) -> Result<Keypair, Failure<KeypairRefusal>> {
        let demand = if active { Demand::FreshProof } else { Demand::Session };
        let changed = self.change_keypair(session, access_key, demand, client, |keypair| {
            (keypair.active != active).then_some(Write::Update(Keypair { active, ..keypair }))
        });
        let changed = changed.await;
        self.note_refusal(changed, AuditName::KeypairChanged, session, Some(access_key), client).await
    }

    /// Deletes a keypair and ends the sessions that were logged in with it.
    ///
    /// # Errors
    /// [`KeypairRefusal::NotFound`] or [`Forbidden`](KeypairRefusal::Forbidden).
    pub async fn delete_keypair(
        &self,
        session: &Session,
        access_key: &AccessKey,
        client: &Client,
    ) -> Result<(), Failure<KeypairRefusal>> {
        let deleted =
            self.change_keypair(session, access_key, Demand::Session, client, |keypair| Some(Write::Delete(keypair)));
        let deleted = deleted.await.map(drop);
        self.note_refusal(deleted, AuditName::KeypairDeleted, session, Some(access_key), client).await
    }

    /// Changes the caller's own keypair as `decide` says; `None` leaves it as it is.
    async fn change_keypair(
        &self,
        session: &Session,
        access_key: &AccessKey,
        demand: Demand,
        client: &Client,
        decide: impl Fn(Keypair) -> Option<Write<Keypair>>,
    ) -> Result<Keypair, Failure<KeypairRefusal>> {
        self.allow(session, demand)?;
        for _ in 0..DECISIONS {
            let found = self.directory().keypair(access_key).await?;
            let found = found.filter(|keypair| keypair.user == session.user && !keypair.is_over(self.now()));
            let found = found.ok_or(Failure::Refused(KeypairRefusal::NotFound))?;
            let Some(write) = decide(found.clone()) else { return Ok(found) };
            let (name, active) = match &write {
                Write::Delete(_) => (AuditName::KeypairDeleted, false),
                Write::Create(changed) | Write::Update(changed) => (AuditName::KeypairChanged, changed.active),
            };
            let event = self.keypair_event(name, &found, client)?.with("active", active);
            let mut deliveries = if active { Vec::new() } else { self.ending_sessions_of(&found).await? };
            if let Write::Delete(gone) = &write {
                deliveries.extend(self.forgetting(std::slice::from_ref(gone))?);
            }
            match self.commit_and_carry_out(vec![Change::Keypair(write), Change::Audit(event)], deliveries).await {
                Ok(()) => return Ok(Keypair { active, revision: found.revision.next(), ..found }),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("changing keypair", access_key).into())
    }

    /// A page of an account's keypairs, oldest first; those whose overlap is over aren't among them.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn keypairs(&self, user: UserId, after: Option<KeypairId>, limit: usize) -> Result<Vec<Keypair>, Fault> {
        let mut page = self.all_keypairs(user).await?;
        page.retain(|keypair| !keypair.is_over(self.now()) && after.is_none_or(|after| after < keypair.id));
        page.truncate(limit);
        Ok(page)
    }

    /// An account's keypairs, those whose overlap is over too.
    pub(crate) async fn all_keypairs(&self, user: UserId) -> Result<Vec<Keypair>, Fault> {
        self.directory().keypairs_of(user, None, ALL).await
    }

    /// Notes that a keypair was used. Not worth a refusal: on any trouble it is dropped.
    pub(crate) async fn touch_keypair(&self, keypair: &Keypair) {
        let Some(touched) = keypair.touched(&self.policy().session, self.now()) else { return };
        match self.directory().commit(&[Change::Keypair(Write::Update(touched))]).await {
            // Stale: another request has just written its own time, or its owner has changed it.
            Ok(()) | Err(CommitError::Stale) => {}
            Err(error) => {
                tracing::warn!(keypair = %keypair.id, %error, "the time of last use was not written");
            }
        }
    }

    fn allow(&self, session: &Session, demand: Demand) -> Result<(), Failure<KeypairRefusal>> {
        allow(session, demand, self.is_freshly_proved(session)).map_err(Failure::Refused)
    }

    /// The session's account and its keypairs. The account is read first: whoever makes a keypair changes it, so what
    /// is decided on a list that somebody else has made longer is stale.
    ///
    /// The changes remove those whose overlap is over.
    async fn holder_of_keypairs(&self, session: &Session, client: &Client) -> Result<Holder, Failure<KeypairRefusal>> {
        let user = self.directory().user(UserKey::Id(session.user)).await?;
        let user = user.ok_or(Failure::Refused(KeypairRefusal::NotFound))?;
        let all = self.all_keypairs(user.id).await?;
        let (over, own) = all.into_iter().partition(|keypair| keypair.is_over(self.now()));
        let (changes, forgotten) = self.removing(over, "keypairs.rotation_overlap", client)?;
        Ok(Holder { user, own, changes, deliveries: forgotten.into_iter().collect() })
    }

    /// Ends the sessions that were logged in with a keypair. That they are refused from now on is
    /// [`Engine::check`]'s; this takes them off the list.
    async fn ending_sessions_of(&self, keypair: &Keypair) -> Result<Vec<Delivery>, Fault> {
        let now = self.now();
        let live = self.sessions().sessions_of(keypair.user, now).await?.live;
        let opened = live.iter().filter(|session| session.keypair.as_ref() == Some(&keypair.access_key));
        let ending = |session: &Session| {
            let (which, reason) = (Which::One(session.id), EndReason::Revoked);
            Delivery::of_ended_sessions(keypair.user, which, reason, now, self.random())
        };
        opened.map(ending).collect()
    }

    pub(super) fn keypair_event(
        &self,
        name: AuditName,
        keypair: &Keypair,
        client: &Client,
    ) -> Result<AuditEvent, Fault> {
        let event = self.event(name, client)?.of_user(keypair.user);
        Ok(event.with("access_key", keypair.access_key.as_str()))
    }

    /// Puts a refusal on the trail.
    async fn note_refusal<T>(
        &self,
        outcome: Result<T, Failure<KeypairRefusal>>,
        name: AuditName,
        session: &Session,
        access_key: Option<&AccessKey>,
        client: &Client,
    ) -> Result<T, Failure<KeypairRefusal>> {
        if let Err(Failure::Refused(refusal)) = &outcome {
            let event = self.event(name, client)?.of_user(session.user).refused_by(refusal.rule());
            self.record([event.with("access_key", access_key.map(AccessKey::as_str))]).await?;
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::random::SystemRandom;
    use crate::seal::SealKeys;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn own(lasting: usize, replaced_until: &[i64]) -> Vec<Keypair> {
        let keys = SealKeys::new(&[1; 32], &[]);
        let user = UserId::from_bytes([1; 16]);
        let issue = || Keypair::issue(user, NewKeypair::default(), &keys, at(0), &SystemRandom).unwrap().keypair;
        let replaced = replaced_until.iter().map(|s| Keypair { replaced_until: Some(at(*s)), ..issue() });
        (0..lasting).map(|_| issue()).chain(replaced).collect()
    }

    #[test]
    fn there_is_room_up_to_the_limit_and_for_as_many_that_were_rotated() {
        let mut policy = Policy::default();
        policy.keypairs.per_user = 2;
        for (lasting, replaced_until, made, rotated) in [
            (0, &[][..], true, true),
            (1, &[], true, true),
            (2, &[], false, true),
            (3, &[], false, true),
            (1, &[60, 60], true, false),
            (2, &[60], false, true),
            (2, &[60, 60], false, false),
            (2, &[60, 10], false, true),
        ] {
            let own = own(lasting, replaced_until);
            let room = |one_more| has_room(&own, one_more, &policy, at(10));
            assert_eq!((room(OneMore::Made), room(OneMore::Rotated)), (made, rotated), "{lasting} {replaced_until:?}");
        }
    }

    #[test]
    fn a_form_is_bounded() {
        let text = |count| Some("é".repeat(count));
        let words = |word: &str, count| vec![word.to_owned(); count];
        let refused = |form: NewKeypair| form.check(at(0)).err().map(|refusal| refusal.to_string());
        let form = NewKeypair::default;
        let label = Some("label must be 1 to 100 characters on one line".to_owned());
        let scopes = Some("scopes must be up to 32 words of a-z, 0-9 and .:_-".to_owned());
        for (typed, refusal) in [
            (form(), None),
            (NewKeypair { label: text(100), ..form() }, None),
            (NewKeypair { label: text(101), ..form() }, label.clone()),
            (NewKeypair { label: text(0), ..form() }, label.clone()),
            (NewKeypair { label: Some("a\nb".to_owned()), ..form() }, label.clone()),
            (NewKeypair { label: Some(" a".to_owned()), ..form() }, label),
            (NewKeypair { expires_at: Some(at(0)), ..form() }, Some("expires_at must be in the future".to_owned())),
            (NewKeypair { expires_at: Some(at(0).after(Duration::from_millis(1))), ..form() }, None),
            (NewKeypair { scopes: words("read:all", 32), ..form() }, None),
            (NewKeypair { scopes: words("read:all", 33), ..form() }, scopes.clone()),
            (NewKeypair { scopes: words("Read", 1), ..form() }, scopes.clone()),
            (NewKeypair { scopes: words("", 1), ..form() }, scopes),
        ] {
            assert_eq!(refused(typed.clone()), refusal, "{typed:?}");
        }
    }
}
