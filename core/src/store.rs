//! The four storage ports, and what a commit is.
//!
//! Flows read facts, decide without I/O, and hand all that must happen together to one [`Directory::commit`]. Every
//! aggregate carries a [`Revision`]: a change is applied only on the revision that it was decided on, and a commit is
//! applied whole or not at all. That one rule gives every single-use guarantee.
//!
//! | port | holds |
//! |---|---|
//! | [`Directory`] | users, pending registrations, invitations, keypairs, audit trail, outbox |
//! | [`SessionStore`] | sessions, by user |
//! | [`LockoutStore`] | failures and guesses in flight by subject, rates |
//! | [`TicketStore`] | single-use proofs with a lifetime, and marks of what came once |
//!
//! An adapter keeps all promises of a port or doesn't implement it. The numbered promises are what the conformance
//! suites in [`crate::testing`] (feature `testing`) check, under those numbers.

use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;

use crate::audit::{AuditChain, AuditEvent, AuditFilter, AuditLink, AuditPosition, AuditRecord, EventId};
use crate::delivery::{Delivery, DeliveryId, DueDelivery, OutboxSize};
use crate::error::Fault;
use crate::invitation::{Invitation, InvitationId};
use crate::keypair::{AccessKey, Keypair, KeypairId};
use crate::lockout::{
    Charge, Forgiven, GuessId, GuessKind, LockoutRule, LockoutSubject, Restriction, Settled, Verdict,
};
use crate::rate::{Admission, RateKey, RateLimit};
use crate::registration::{PendingRegistration, RegistrationId};
#[cfg(doc)]
use crate::revision::Revision;
use crate::session::{EndReason, Session, SessionId};
use crate::spent_mark::{Spending, SpentMark};
use crate::ticket::{Ticket, TicketKey};
use crate::time::Timestamp;
use crate::token::{Digest, SessionToken};
use crate::user::{User, UserId};

/// One write of an aggregate.
#[derive(Debug, Clone, PartialEq)]
pub enum Write<T> {
    /// It must not exist, else the commit is stale.
    Create(T),
    /// It must have the revision that the value carries; it is stored with [`Revision::next`].
    Update(T),
    /// It must have the revision that the value carries.
    Delete(T),
}

/// One change of a commit.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// An account. Its e-mail key and its username's skeleton are unique.
    User(Write<User>),
    /// A pending registration was made. Its username's skeleton is unique among users and registrations.
    Register(PendingRegistration),
    /// A pending registration was proved or declined: it must exist, and is removed.
    Settle(RegistrationId),
    /// A pending registration lapsed: it is removed if it is still there.
    Lapse(RegistrationId),
    /// An invitation.
    Invitation(Write<Invitation>),
    /// A keypair. Its access key is unique.
    Keypair(Write<Keypair>),
    /// A line of the audit trail.
    Audit(AuditEvent),
    /// Both ends of the audit chain, of which there is one.
    AuditChain(Write<AuditChain>),
    /// An event of the trail is linked: it must exist and have no link.
    AuditLink {
        /// The event's place.
        position: AuditPosition,
        /// Its link.
        link: AuditLink,
    },
    /// The events of the trail up to a place are removed.
    AuditForget {
        /// The place of the last one.
        through: AuditPosition,
    },
    /// Something to carry out after the commit.
    Delivery(Write<Delivery>),
    /// A delivery that can't be read is kept and isn't due any more: it must be there and not be set aside yet.
    SetAside(DeliveryId),
    /// A fact that becomes true once and for ever, such as "the first administrator was made".
    Mark(Marker),
    /// A marker gets another value: it must stand and have the value `was`, else the commit is stale.
    Remark {
        /// The fact with what goes with it from now on.
        marker: Marker,
        /// What went with it before.
        was: String,
    },
    /// Changes nothing: the commit is applied only if this holds after the changes before it.
    Require(Requirement),
}

/// What must hold among the accounts of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requirement {
    /// This account is an active administrator.
    Administrator(UserId),
    /// There is an active administrator.
    AnyAdministrator,
}

impl Requirement {
    /// What must hold.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator(_) => "that the actor is an active administrator",
            Self::AnyAdministrator => "that there is an active administrator",
        }
    }
}

/// A named fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The fact's name.
    pub name: Cow<'static, str>,
    /// What goes with it.
    pub value: String,
}

/// Why a commit wasn't applied. Nothing of it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// An aggregate has another revision than the change was decided on: load and decide again.
    #[error("an aggregate was changed meanwhile")]
    Stale,
    /// A unique rule was broken.
    #[error("{} is taken", .0.name())]
    Taken(UniqueRule),
    /// Something that the commit requires doesn't hold.
    #[error("it doesn't hold {}", .0.name())]
    Unmet(Requirement),
    /// The store failed; whether the commit was applied is unknown.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The unique rules of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UniqueRule {
    /// Two users with one e-mail key.
    Email,
    /// Two users or registrations with one username skeleton.
    Username,
    /// Two keypairs with one access key.
    AccessKey,
    /// A marker that stands already.
    Marker,
}

impl UniqueRule {
    /// What is unique.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "e-mail",
            Self::Username => "username",
            Self::AccessKey => "access key",
            Self::Marker => "marker",
        }
    }
}

/// By what a user is found.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum UserKey<'a> {
    /// The id.
    Id(UserId),
    /// The e-mail's normal form.
    Email(&'a str),
    /// The username's skeleton; the caller compares the name itself.
    UsernameSkeleton(&'a str),
}

/// By what one pending registration is found.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum RegistrationKey<'a> {
    /// The digest of the mail link's token.
    Link(Digest),
    /// The skeleton of the username that it holds.
    UsernameSkeleton(&'a str),
}

/// By what an invitation is found.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum InvitationKey {
    /// The id.
    Id(InvitationId),
    /// The digest of the token.
    Token(Digest),
}

/// A page of users, in order of creation.
#[derive(Debug, Clone, Default)]
pub struct UserPage<'a> {
    /// Only users after this one.
    pub after: Option<UserId>,
    /// Only users whose e-mail key, username or full name contains this text (lower case).
    pub containing: &'a str,
    /// At most this many.
    pub limit: usize,
}

/// What has had its time and may be removed.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Registrations that lapsed before this.
    pub registrations_before: Timestamp,
    /// Invitations that ended before this.
    pub invitations_before: Timestamp,
}

/// Users, pending registrations, invitations, keypairs, audit trail and outbox.
///
/// An adapter promises:
/// 1. A commit is applied whole or not at all, and once `commit` returns `Ok` it survives a crash of the process.
/// 2. `Update` and `Delete` are applied only on the revision that the value carries, else the commit is
///    [`CommitError::Stale`]; of any number of commits on one revision exactly one succeeds.
/// 3. Changes are applied in their order, each seeing those before it.
/// 4. The unique rules hold between all users, registrations and keypairs at any parallelism, at the database's default
///    isolation; the broken one is named.
/// 5. A read sees every commit that returned before it began.
/// 6. Audit events are read in the order of their commits, none is skipped by a reader who follows the positions, and
///    no position is used again after a sweep.
/// 7. Stored records that can't be read are a lasting fault, never a default.
/// 8. [`Change::Require`] is judged on what holds at the moment of the commit: of any number of commits at once, none is
///    applied that leaves no active administrator where it requires one.
/// 9. The audit chain is an aggregate as in 2, of which there is one. An event gets one link: where it has one or isn't
///    there, the commit is stale. `audit_records` reads what is stored, byte for byte, in the order of positions, and no
///    content of a record makes it fail.
/// 10. An invitation's held uses are its registrations that haven't lapsed at the moment asked about; one that is gone,
///     by whatever change or sweep, holds nothing from that moment.
/// 11. Deleting a user deletes the user's keypairs in the same commit.
/// 12. A marker gets another value only where it has the one that the change names: of any number of such commits on
///     one value exactly one succeeds.
/// 13. `registrations` and `deliveries` show each record that was there all the time once, in order of ids.
/// 14. A delivery that can't be read keeps no other from being due: `due_deliveries` names it in its place. Once it is
///     set aside, which of any number of callers one does, it is due no more until it is written anew; its record stays
///     as it is.
#[async_trait]
pub trait Directory: Send + Sync + fmt::Debug {
    /// The user of a key.
    async fn user(&self, by: UserKey<'_>) -> Result<Option<User>, Fault>;

    /// A page of users.
    async fn users(&self, page: &UserPage<'_>) -> Result<Vec<User>, Fault>;

    /// Whether there is any user.
    async fn has_users(&self) -> Result<bool, Fault>;

    /// The registration of a key.
    async fn registration(&self, by: RegistrationKey<'_>) -> Result<Option<PendingRegistration>, Fault>;

    /// The registrations of an e-mail key, newest first, at most `limit`.
    async fn registrations_of(&self, email_key: &str, limit: usize) -> Result<Vec<PendingRegistration>, Fault>;

    /// Pending registrations in order of ids, lapsed ones too, only those after `after`, at most `limit`.
    async fn registrations(
        &self,
        after: Option<RegistrationId>,
        limit: usize,
    ) -> Result<Vec<PendingRegistration>, Fault>;

    /// The invitation of a key.
    async fn invitation(&self, by: InvitationKey) -> Result<Option<Invitation>, Fault>;

    /// Invitations in order of creation, only those after `after`, at most `limit`.
    async fn invitations(&self, after: Option<InvitationId>, limit: usize) -> Result<Vec<Invitation>, Fault>;

    /// How many uses of an invitation pending registrations hold at `now`.
    async fn held_uses(&self, id: InvitationId, now: Timestamp) -> Result<u32, Fault>;

    /// The keypair of an access key.
    async fn keypair(&self, access_key: &AccessKey) -> Result<Option<Keypair>, Fault>;

    /// The keypairs of a user after that of an id, oldest first, at most `limit`.
    async fn keypairs_of(&self, user: UserId, after: Option<KeypairId>, limit: usize) -> Result<Vec<Keypair>, Fault>;

    /// A page of the audit trail, oldest first, each event with its place.
    async fn audit(&self, filter: &AuditFilter, limit: usize) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault>;

    /// The events whose id lies between `first` and `last`, both included, in the order of ids, at most `limit`.
    async fn audit_between(&self, first: EventId, last: EventId, limit: usize) -> Result<Vec<AuditEvent>, Fault>;

    /// The events of an account before a place, newest first, at most `limit`.
    async fn audit_of_user_backwards(
        &self,
        user: UserId,
        before: Option<AuditPosition>,
        limit: usize,
    ) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault>;

    /// The events behind a place as they are stored, oldest first, at most `limit`.
    async fn audit_records(&self, after: Option<AuditPosition>, limit: usize) -> Result<Vec<AuditRecord>, Fault>;

    /// Both ends of the audit chain, once it is begun.
    async fn audit_chain(&self) -> Result<Option<AuditChain>, Fault>;

    /// Deliveries due at `now`, oldest first, at most `limit`. Claim one by updating it, set it aside if it can't be
    /// read.
    async fn due_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<DueDelivery>, Fault>;

    /// Deliveries in order of ids, due or not, only those after `after`, at most `limit`.
    async fn deliveries(&self, after: Option<DeliveryId>, limit: usize) -> Result<Vec<Delivery>, Fault>;

    /// The delivery of an id.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Fault>;

    /// How many deliveries wait, due or not, and how many are set aside.
    async fn outbox_size(&self) -> Result<OutboxSize, Fault>;

    /// The value of a marker.
    async fn marker(&self, name: &str) -> Result<Option<String>, Fault>;

    /// Applies all changes or none.
    async fn commit(&self, changes: &[Change]) -> Result<(), CommitError>;

    /// Removes at most `limit` records that had their time; returns how many.
    async fn sweep(&self, retention: &Retention, limit: usize) -> Result<usize, Fault>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), Fault>;
}

/// Where a store finds a session: its partition, and the digest of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The partition, from the token's locator: the user's id.
    pub user: UserId,
    /// The digest of the token's text.
    pub token: Digest,
}

/// A user's live sessions as they were at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSet {
    /// Changes whenever a session of the user is opened or ended, or all (but one) are ended though there is none.
    pub version: u64,
    /// Those neither ended nor expired, oldest first.
    pub live: Vec<Session>,
}

impl Which {
    /// Whether the session of this id is meant.
    pub fn includes(&self, id: SessionId) -> bool {
        match self {
            Self::One(one) => *one == id,
            Self::AllBut(kept) => *kept != id,
            Self::All => true,
        }
    }
}

/// Why a session wasn't opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The user's sessions have changed since the decision: load and decide again.
    #[error("the user's sessions were changed meanwhile")]
    Stale,
    /// The store failed; whether the session was opened is unknown.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Which sessions of a user to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(SessionId),
    /// All but this one.
    AllBut(SessionId),
    /// All.
    All,
}

/// Live sessions, by user.
///
/// An adapter promises:
/// 1. `open` is one atomic step: it opens and ends only if the set's version is still the one given, so two logins
///    that saw the same set never both open. A version never comes back, not even once all sessions are forgotten.
/// 2. `end` acts on the next `find` in every process. Ending all, or all but one, changes the version even if none is
///    live.
/// 3. `save` succeeds only on the revision that the session carries, stores it with [`Revision::next`], and never
///    revives an ended session. It doesn't change the version of the set.
/// 4. An ended or expired session is found, with its reason, until [`Session::REMEMBERED`] after it.
/// 5. `find` is one read, whatever the number of sessions and users.
#[async_trait]
pub trait SessionStore: Send + Sync + fmt::Debug {
    /// Opens `session` and ends those in `ending` (which are taken over), if the user's set is still at `version`.
    async fn open(
        &self,
        session: &Session,
        version: u64,
        ending: &[SessionId],
        now: Timestamp,
    ) -> Result<(), OpenError>;

    /// The session of a key, live or remembered.
    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, Fault>;

    /// The user's live sessions at `now`.
    async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<SessionSet, Fault>;

    /// Stores a changed session, with the next revision, on the one that it carries; `false` if that is stale or it
    /// was ended.
    async fn save(&self, session: &Session) -> Result<bool, Fault>;

    /// Ends live sessions of the user; returns those that it ended, with their reason.
    async fn end(&self, user: UserId, which: Which, reason: EndReason, now: Timestamp) -> Result<Vec<Session>, Fault>;

    /// Forgets at most `limit` sessions that ended or expired before `before`; returns how many.
    async fn sweep(&self, before: Timestamp, limit: usize) -> Result<usize, Fault>;
}

/// Consecutive failures by subject with the guesses in flight, and rates.
///
/// An adapter promises:
/// 1. `charge`, `settle`, `lift` and `admit` are one atomic step each, in one order for every process, and answer as
///    the pure transitions of [`Lockout`](crate::lockout::Lockout) and [`RateWindow`](crate::rate::RateWindow) do.
/// 2. A charge that returned survives a crash of the process.
/// 3. Counters of unknown identifiers and addresses, and rates, are bounded in number and forgotten when their time is
///    over; that never evicts an account's, a known browser's or an access key's.
#[async_trait]
pub trait LockoutStore: Send + Sync + fmt::Debug {
    /// Charges one guess.
    async fn charge(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        kind: GuessKind,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Charge, Fault>;

    /// Settles a charged guess.
    async fn settle(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        verdict: Verdict,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Settled, Fault>;

    /// The subject's restriction, if one stands at `now`.
    async fn restriction(&self, subject: &LockoutSubject, now: Timestamp) -> Result<Option<Restriction>, Fault>;

    /// Lifts a restriction and forgives what is counted, or the passwords of it; whether a restriction stood.
    async fn lift(&self, subject: &LockoutSubject, forgiven: Forgiven, now: Timestamp) -> Result<bool, Fault>;

    /// Counts one more of `key`, or refuses.
    async fn admit(&self, key: &RateKey, limit: &RateLimit, now: Timestamp) -> Result<Admission, Fault>;

    /// Forgets at most `limit` counters whose time was over before `now`; returns how many.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault>;
}

/// Single-use proofs with a lifetime, and marks of what came once.
///
/// An adapter promises:
/// 1. `peek` leaves the ticket; `take` succeeds once, under any number of callers and processes, and what was taken
///    stays taken over a restart.
/// 2. From `expires_at` on a ticket is neither peeked nor taken.
/// 3. `void` removes all tickets of a user at once.
/// 4. `spend` is one atomic step: of any number of callers and processes one hears that the mark is the first, the
///    others that it came again, over restarts too, until the time that the first one named. Kinds are kept apart. At
///    most [`SpentMark::MOST`] of a kind are kept; one more is a fault that passes, and none is evicted.
/// 5. The memory of marks begins with the first `spend` that the store has ever seen, and every `spend` says when that
///    was. Whoever loses marks begins anew.
#[async_trait]
pub trait TicketStore: Send + Sync + fmt::Debug {
    /// Stores a new ticket.
    async fn put(&self, key: &TicketKey, ticket: &Ticket) -> Result<(), Fault>;

    /// The ticket, left where it is.
    async fn peek(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault>;

    /// The ticket, taken: nobody gets it again.
    async fn take(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault>;

    /// Removes all tickets of a user.
    async fn void(&self, user: UserId) -> Result<(), Fault>;

    /// Marks something as spent until `until`.
    async fn spend(&self, mark: &SpentMark, until: Timestamp, now: Timestamp) -> Result<Spending, Fault>;

    /// Forgets at most `limit` expired tickets, and as many marks whose time is over; returns the larger number.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault>;
}

impl SessionKey {
    /// The key of a session token.
    pub fn of(token: &SessionToken) -> Self {
        Self { user: UserId::from_bytes(token.locator()), token: token.digest() }
    }
}
