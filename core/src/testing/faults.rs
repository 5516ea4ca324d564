//! Faults on demand: [`FaultyStore`].

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::audit::{AuditChain, AuditEvent, AuditFilter, AuditPosition, AuditRecord, EventId};
use crate::delivery::{Delivery, DeliveryId, DueDelivery, OutboxSize};
use crate::error::Fault;
use crate::invitation::{Invitation, InvitationId};
use crate::keypair::{AccessKey, Keypair, KeypairId};
use crate::lockout::{
    Charge, Forgiven, GuessId, GuessKind, LockoutRule, LockoutSubject, Restriction, Settled, Verdict,
};
use crate::rate::{Admission, RateKey, RateLimit};
use crate::registration::{PendingRegistration, RegistrationId};
use crate::session::{EndReason, Session, SessionId};
use crate::spent_mark::{Spending, SpentMark};
use crate::store::{
    Change, CommitError, Directory, InvitationKey, LockoutStore, OpenError, RegistrationKey, Retention, SessionKey,
    SessionSet, SessionStore, TicketStore, UserKey, UserPage, Which,
};
use crate::ticket::{Ticket, TicketKey};
use crate::time::Timestamp;
use crate::user::{User, UserId};

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultMoment {
    /// Nothing of it was done.
    Before,
    /// All of it was done, and nobody was told: the connection broke before the answer.
    After,
    /// It panics: a bug of the adapter's.
    Panic,
}

/// Four ports whose calls fail where a test says so, one call at a time.
///
/// Any call of a port may fail, time out or commit without telling. A test of a flow runs it once to learn how many
/// calls it makes, then once for each call and moment, and looks at what the caller was told and at what is left:
///
/// ```
/// use std::sync::Arc;
/// use doorwarden_core::store::Directory;
/// use doorwarden_core::testing::{FaultMoment, FaultyStore, MemoryStore};
///
/// let flow = |store: &FaultyStore| futures_executor::block_on(store.has_users());
///
/// let store = FaultyStore::over(Arc::new(MemoryStore::default()));
/// flow(&store)?;
/// for call in 1..=store.calls() {
///     for moment in [FaultMoment::Before, FaultMoment::After] {
///         let store = FaultyStore::over(Arc::new(MemoryStore::default()));
///         store.fail_call(call, moment);
///         assert!(flow(&store).is_err(), "call {call}, {moment:?}: {:?}", store.failed());
///     }
/// }
/// # Ok::<(), doorwarden_core::error::Fault>(())
/// ```
#[derive(Debug)]
pub struct FaultyStore {
    directory: Arc<dyn Directory>,
    sessions: Arc<dyn SessionStore>,
    lockouts: Arc<dyn LockoutStore>,
    tickets: Arc<dyn TicketStore>,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: usize,
    fails: Option<(usize, FaultMoment)>,
    failed: Option<&'static str>,
    meanwhile: Option<(usize, Interlude)>,
}

/// What somebody else does between two calls.
struct Interlude(Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Interlude {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interlude")
    }
}

/// The fault was asked for by a test.
#[derive(Debug, thiserror::Error)]
#[error("a test asked for this fault")]
struct Injected;

impl FaultyStore {
    /// Over a store that is all four ports.
    pub fn over<S: Directory + SessionStore + LockoutStore + TicketStore + 'static>(store: Arc<S>) -> Self {
        Self::new(store.clone(), store.clone(), store.clone(), store)
    }

    /// Over four ports, whose calls are counted together.
    pub fn new(
        directory: Arc<dyn Directory>,
        sessions: Arc<dyn SessionStore>,
        lockouts: Arc<dyn LockoutStore>,
        tickets: Arc<dyn TicketStore>,
    ) -> Self {
        Self { directory, sessions, lockouts, tickets, plan: Mutex::default() }
    }

    /// Counts anew, and lets the `call`-th call from now fail (the first is 1), and no other.
    pub fn fail_call(&self, call: usize, moment: FaultMoment) {
        *self.plan() = Plan { fails: Some((call, moment)), ..Plan::default() };
    }

    /// Counts anew, and does something else just before the `call`-th call from now (the first is 1), as another process
    /// might. It mustn't call this store.
    pub fn before_call(&self, call: usize, meanwhile: impl FnOnce() + Send + 'static) {
        *self.plan() = Plan { meanwhile: Some((call, Interlude(Box::new(meanwhile)))), ..Plan::default() };
    }

    /// Counts anew, and lets no call fail.
    pub fn heal(&self) {
        *self.plan() = Plan::default();
    }

    /// How many calls were made since the store was made, armed or healed.
    pub fn calls(&self) -> usize {
        self.plan().calls
    }

    /// Which call failed, such as `Directory::commit`; `None` while none has.
    pub fn failed(&self) -> Option<&'static str> {
        self.plan().failed
    }

    async fn call<T, E: From<Fault>>(
        &self,
        name: &'static str,
        applied: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let Some(moment) = self.count(name) else { return applied.await };
        match moment {
            FaultMoment::Before => {}
            // Whatever it was, its answer is lost.
            FaultMoment::After => drop(applied.await),
            FaultMoment::Panic => panicked(name),
        }
        Err(Fault::new("calling", name, Injected).into())
    }

    fn count(&self, name: &'static str) -> Option<FaultMoment> {
        let mut plan = self.plan();
        plan.calls += 1;
        let calls = plan.calls;
        if let Some((_, Interlude(meanwhile))) = plan.meanwhile.take_if(|(call, _)| *call == calls) {
            // On a thread of its own, since what calls here may be blocking on a future.
            std::thread::spawn(meanwhile).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        let (_, moment) = plan.fails.filter(|(call, _)| *call == plan.calls)?;
        plan.failed = Some(name);
        Some(moment)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::panic, reason = "that is what the test asked for")]
fn panicked(name: &str) {
    panic!("a test asked for this panic, in {name}")
}

#[async_trait]
impl Directory for FaultyStore {
    async fn user(&self, by: UserKey<'_>) -> Result<Option<User>, Fault> {
        self.call("Directory::user", self.directory.user(by)).await
    }

    async fn users(&self, page: &UserPage<'_>) -> Result<Vec<User>, Fault> {
        self.call("Directory::users", self.directory.users(page)).await
    }

    async fn has_users(&self) -> Result<bool, Fault> {
        self.call("Directory::has_users", self.directory.has_users()).await
    }

    async fn registration(&self, by: RegistrationKey<'_>) -> Result<Option<PendingRegistration>, Fault> {
        self.call("Directory::registration", self.directory.registration(by)).await
    }

    async fn registrations_of(&self, email_key: &str, limit: usize) -> Result<Vec<PendingRegistration>, Fault> {
        self.call("Directory::registrations_of", self.directory.registrations_of(email_key, limit)).await
    }

    async fn registrations(
        &self,
        after: Option<RegistrationId>,
        limit: usize,
    ) -> Result<Vec<PendingRegistration>, Fault> {
        self.call("Directory::registrations", self.directory.registrations(after, limit)).await
    }

    async fn invitation(&self, by: InvitationKey) -> Result<Option<Invitation>, Fault> {
        self.call("Directory::invitation", self.directory.invitation(by)).await
    }

    async fn invitations(&self, after: Option<InvitationId>, limit: usize) -> Result<Vec<Invitation>, Fault> {
        self.call("Directory::invitations", self.directory.invitations(after, limit)).await
    }

    async fn held_uses(&self, id: InvitationId, now: Timestamp) -> Result<u32, Fault> {
        self.call("Directory::held_uses", self.directory.held_uses(id, now)).await
    }

    async fn keypair(&self, access_key: &AccessKey) -> Result<Option<Keypair>, Fault> {
        self.call("Directory::keypair", self.directory.keypair(access_key)).await
    }

    async fn keypairs_of(&self, user: UserId, after: Option<KeypairId>, limit: usize) -> Result<Vec<Keypair>, Fault> {
        self.call("Directory::keypairs_of", self.directory.keypairs_of(user, after, limit)).await
    }

    async fn audit(&self, filter: &AuditFilter, limit: usize) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        self.call("Directory::audit", self.directory.audit(filter, limit)).await
    }

    async fn audit_between(&self, first: EventId, last: EventId, limit: usize) -> Result<Vec<AuditEvent>, Fault> {
        self.call("Directory::audit_between", self.directory.audit_between(first, last, limit)).await
    }

    async fn audit_of_user_backwards(
        &self,
        user: UserId,
        before: Option<AuditPosition>,
        limit: usize,
    ) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        let read = self.directory.audit_of_user_backwards(user, before, limit);
        self.call("Directory::audit_of_user_backwards", read).await
    }

    async fn audit_records(&self, after: Option<AuditPosition>, limit: usize) -> Result<Vec<AuditRecord>, Fault> {
        self.call("Directory::audit_records", self.directory.audit_records(after, limit)).await
    }

    async fn audit_chain(&self) -> Result<Option<AuditChain>, Fault> {
        self.call("Directory::audit_chain", self.directory.audit_chain()).await
    }

    async fn due_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<DueDelivery>, Fault> {
        self.call("Directory::due_deliveries", self.directory.due_deliveries(now, limit)).await
    }

    async fn deliveries(&self, after: Option<DeliveryId>, limit: usize) -> Result<Vec<Delivery>, Fault> {
        self.call("Directory::deliveries", self.directory.deliveries(after, limit)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        self.call("Directory::delivery", self.directory.delivery(id)).await
    }

    async fn outbox_size(&self) -> Result<OutboxSize, Fault> {
        self.call("Directory::outbox_size", self.directory.outbox_size()).await
    }

    async fn marker(&self, name: &str) -> Result<Option<String>, Fault> {
        self.call("Directory::marker", self.directory.marker(name)).await
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        self.call("Directory::commit", self.directory.commit(changes)).await
    }

    async fn sweep(&self, retention: &Retention, limit: usize) -> Result<usize, Fault> {
        self.call("Directory::sweep", self.directory.sweep(retention, limit)).await
    }

    async fn ping(&self) -> Result<(), Fault> {
        self.call("Directory::ping", self.directory.ping()).await
    }
}

#[async_trait]
impl SessionStore for FaultyStore {
    async fn open(
        &self,
        session: &Session,
        version: u64,
        ending: &[SessionId],
        now: Timestamp,
    ) -> Result<(), OpenError> {
        self.call("SessionStore::open", self.sessions.open(session, version, ending, now)).await
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, Fault> {
        self.call("SessionStore::find", self.sessions.find(key)).await
    }

    async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<SessionSet, Fault> {
        self.call("SessionStore::sessions_of", self.sessions.sessions_of(user, now)).await
    }

    async fn save(&self, session: &Session) -> Result<bool, Fault> {
        self.call("SessionStore::save", self.sessions.save(session)).await
    }

    async fn end(&self, user: UserId, which: Which, reason: EndReason, now: Timestamp) -> Result<Vec<Session>, Fault> {
        self.call("SessionStore::end", self.sessions.end(user, which, reason, now)).await
    }

    async fn sweep(&self, before: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.call("SessionStore::sweep", self.sessions.sweep(before, limit)).await
    }
}

#[async_trait]
impl LockoutStore for FaultyStore {
    async fn charge(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        kind: GuessKind,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Charge, Fault> {
        self.call("LockoutStore::charge", self.lockouts.charge(subject, guess, kind, rule, now)).await
    }

    async fn settle(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        verdict: Verdict,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Settled, Fault> {
        self.call("LockoutStore::settle", self.lockouts.settle(subject, guess, verdict, rule, now)).await
    }

    async fn restriction(&self, subject: &LockoutSubject, now: Timestamp) -> Result<Option<Restriction>, Fault> {
        self.call("LockoutStore::restriction", self.lockouts.restriction(subject, now)).await
    }

    async fn lift(&self, subject: &LockoutSubject, forgiven: Forgiven, now: Timestamp) -> Result<bool, Fault> {
        self.call("LockoutStore::lift", self.lockouts.lift(subject, forgiven, now)).await
    }

    async fn admit(&self, key: &RateKey, limit: &RateLimit, now: Timestamp) -> Result<Admission, Fault> {
        self.call("LockoutStore::admit", self.lockouts.admit(key, limit, now)).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.call("LockoutStore::sweep", self.lockouts.sweep(now, limit)).await
    }
}

#[async_trait]
impl TicketStore for FaultyStore {
    async fn put(&self, key: &TicketKey, ticket: &Ticket) -> Result<(), Fault> {
        self.call("TicketStore::put", self.tickets.put(key, ticket)).await
    }

    async fn peek(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        self.call("TicketStore::peek", self.tickets.peek(key, now)).await
    }

    async fn take(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        self.call("TicketStore::take", self.tickets.take(key, now)).await
    }

    async fn void(&self, user: UserId) -> Result<(), Fault> {
        self.call("TicketStore::void", self.tickets.void(user)).await
    }

    async fn spend(&self, mark: &SpentMark, until: Timestamp, now: Timestamp) -> Result<Spending, Fault> {
        self.call("TicketStore::spend", self.tickets.spend(mark, until, now)).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.call("TicketStore::sweep", self.tickets.sweep(now, limit)).await
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::store::Marker;
    use crate::testing::MemoryStore;

    fn marked(moment: FaultMoment) -> (FaultyStore, Result<(), CommitError>) {
        let store = FaultyStore::over(Arc::new(MemoryStore::default()));
        store.fail_call(2, moment);
        block_on(store.ping()).unwrap();
        let mark = Change::Mark(Marker { name: "mark".into(), value: "set".to_owned() });
        let told = block_on(store.commit(&[mark]));
        (store, told)
    }

    #[test]
    fn a_fault_before_leaves_nothing_and_one_after_leaves_all() {
        for (moment, left) in [(FaultMoment::Before, None), (FaultMoment::After, Some("set".to_owned()))] {
            let (store, told) = marked(moment);
            assert!(matches!(told, Err(CommitError::Fault(fault)) if fault.retryable()), "{moment:?}");
            assert_eq!(store.failed(), Some("Directory::commit"));
            assert_eq!(block_on(store.marker("mark")).unwrap(), left, "{moment:?}");
            assert_eq!(store.calls(), 3);
        }
    }

    #[test]
    fn a_healed_store_fails_no_more_and_counts_anew() {
        let store = FaultyStore::over(Arc::new(MemoryStore::default()));
        store.fail_call(1, FaultMoment::Before);
        store.heal();
        block_on(store.ping()).unwrap();
        assert_eq!((store.calls(), store.failed()), (1, None));
    }
}
