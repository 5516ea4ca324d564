//! The ports as the engine calls them: each call goes on to the adapter, and what came of it is counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::Meter;
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

/// A port whose calls are counted.
#[derive(Debug)]
pub(crate) struct Metered<P: ?Sized> {
    port: Arc<P>,
    name: &'static str,
    meter: Arc<Meter>,
}

impl<P: ?Sized> Metered<P> {
    fn noted<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if outcome.is_err() {
            self.faulted();
        }
        outcome
    }

    fn faulted(&self) {
        self.meter.store_faults.add(self.name, 1);
    }

    fn overtaken(&self) {
        self.meter.stale.add(self.name, 1);
    }
}

impl Meter {
    pub(crate) fn directory(self: &Arc<Self>, port: Arc<dyn Directory>) -> Arc<dyn Directory> {
        Arc::new(Metered { port, name: "directory", meter: self.clone() })
    }

    pub(crate) fn sessions(self: &Arc<Self>, port: Arc<dyn SessionStore>) -> Arc<dyn SessionStore> {
        Arc::new(Metered { port, name: "sessions", meter: self.clone() })
    }

    pub(crate) fn lockouts(self: &Arc<Self>, port: Arc<dyn LockoutStore>) -> Arc<dyn LockoutStore> {
        Arc::new(Metered { port, name: "lockouts", meter: self.clone() })
    }

    pub(crate) fn tickets(self: &Arc<Self>, port: Arc<dyn TicketStore>) -> Arc<dyn TicketStore> {
        Arc::new(Metered { port, name: "tickets", meter: self.clone() })
    }
}

#[async_trait]
impl Directory for Metered<dyn Directory> {
    async fn user(&self, by: UserKey<'_>) -> Result<Option<User>, Fault> {
        self.noted(self.port.user(by).await)
    }

    async fn users(&self, page: &UserPage<'_>) -> Result<Vec<User>, Fault> {
        self.noted(self.port.users(page).await)
    }

    async fn has_users(&self) -> Result<bool, Fault> {
        self.noted(self.port.has_users().await)
    }

    async fn registration(&self, by: RegistrationKey<'_>) -> Result<Option<PendingRegistration>, Fault> {
        self.noted(self.port.registration(by).await)
    }

    async fn registrations_of(&self, email_key: &str, limit: usize) -> Result<Vec<PendingRegistration>, Fault> {
        self.noted(self.port.registrations_of(email_key, limit).await)
    }

    async fn registrations(
        &self,
        after: Option<RegistrationId>,
        limit: usize,
    ) -> Result<Vec<PendingRegistration>, Fault> {
        self.noted(self.port.registrations(after, limit).await)
    }

    async fn invitation(&self, by: InvitationKey) -> Result<Option<Invitation>, Fault> {
        self.noted(self.port.invitation(by).await)
    }

    async fn invitations(&self, after: Option<InvitationId>, limit: usize) -> Result<Vec<Invitation>, Fault> {
        self.noted(self.port.invitations(after, limit).await)
    }

    async fn held_uses(&self, id: InvitationId, now: Timestamp) -> Result<u32, Fault> {
        self.noted(self.port.held_uses(id, now).await)
    }

    async fn keypair(&self, access_key: &AccessKey) -> Result<Option<Keypair>, Fault> {
        self.noted(self.port.keypair(access_key).await)
    }

    async fn keypairs_of(&self, user: UserId, after: Option<KeypairId>, limit: usize) -> Result<Vec<Keypair>, Fault> {
        self.noted(self.port.keypairs_of(user, after, limit).await)
    }

    async fn audit(&self, filter: &AuditFilter, limit: usize) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        self.noted(self.port.audit(filter, limit).await)
    }

    async fn audit_between(&self, first: EventId, last: EventId, limit: usize) -> Result<Vec<AuditEvent>, Fault> {
        self.noted(self.port.audit_between(first, last, limit).await)
    }

    async fn audit_of_user_backwards(
        &self,
        user: UserId,
        before: Option<AuditPosition>,
        limit: usize,
    ) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        let read = self.port.audit_of_user_backwards(user, before, limit);
        self.noted(read.await)
    }

    async fn audit_records(&self, after: Option<AuditPosition>, limit: usize) -> Result<Vec<AuditRecord>, Fault> {
        self.noted(self.port.audit_records(after, limit).await)
    }

    async fn audit_chain(&self) -> Result<Option<AuditChain>, Fault> {
        self.noted(self.port.audit_chain().await)
    }

    async fn due_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<DueDelivery>, Fault> {
        self.noted(self.port.due_deliveries(now, limit).await)
    }

    async fn deliveries(&self, after: Option<DeliveryId>, limit: usize) -> Result<Vec<Delivery>, Fault> {
        self.noted(self.port.deliveries(after, limit).await)
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        self.noted(self.port.delivery(id).await)
    }

    async fn outbox_size(&self) -> Result<OutboxSize, Fault> {
        self.noted(self.port.outbox_size().await)
    }

    async fn marker(&self, name: &str) -> Result<Option<String>, Fault> {
        self.noted(self.port.marker(name).await)
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        let outcome = self.port.commit(changes).await;
        match &outcome {
            Ok(()) => changes.iter().for_each(|change| {
                if let Change::Audit(event) = change {
                    self.meter.event(event);
                }
            }),
            Err(CommitError::Stale) => self.overtaken(),
            Err(CommitError::Fault(_)) => self.faulted(),
            Err(CommitError::Taken(_) | CommitError::Unmet(_)) => {}
        }
        outcome
    }

    async fn sweep(&self, retention: &Retention, limit: usize) -> Result<usize, Fault> {
        self.noted(self.port.sweep(retention, limit).await)
    }

    async fn ping(&self) -> Result<(), Fault> {
        self.noted(self.port.ping().await)
    }
}

#[async_trait]
impl SessionStore for Metered<dyn SessionStore> {
    async fn open(
        &self,
        session: &Session,
        version: u64,
        ending: &[SessionId],
        now: Timestamp,
    ) -> Result<(), OpenError> {
        let outcome = self.port.open(session, version, ending, now).await;
        match &outcome {
            Ok(()) => {
                self.meter.sessions_opened.fetch_add(1, Ordering::Relaxed);
                self.meter.sessions_ended.add(EndReason::TakenOver.name(), ending.len().try_into().unwrap_or(u64::MAX));
            }
            Err(OpenError::Stale) => self.overtaken(),
            Err(OpenError::Fault(_)) => self.faulted(),
        }
        outcome
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, Fault> {
        self.noted(self.port.find(key).await)
    }

    async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<SessionSet, Fault> {
        self.noted(self.port.sessions_of(user, now).await)
    }

    async fn save(&self, session: &Session) -> Result<bool, Fault> {
        self.noted(self.port.save(session).await)
    }

    async fn end(&self, user: UserId, which: Which, reason: EndReason, now: Timestamp) -> Result<Vec<Session>, Fault> {
        let ended = self.noted(self.port.end(user, which, reason, now).await)?;
        self.meter.sessions_ended.add(reason.name(), ended.len().try_into().unwrap_or(u64::MAX));
        Ok(ended)
    }

    async fn sweep(&self, before: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.noted(self.port.sweep(before, limit).await)
    }
}

#[async_trait]
impl LockoutStore for Metered<dyn LockoutStore> {
    async fn charge(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        kind: GuessKind,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Charge, Fault> {
        self.noted(self.port.charge(subject, guess, kind, rule, now).await)
    }

    async fn settle(
        &self,
        subject: &LockoutSubject,
        guess: GuessId,
        verdict: Verdict,
        rule: &LockoutRule,
        now: Timestamp,
    ) -> Result<Settled, Fault> {
        let settled = self.noted(self.port.settle(subject, guess, verdict, rule, now).await)?;
        if settled.restriction.is_some() {
            self.meter.restricted(subject);
        }
        Ok(settled)
    }

    async fn restriction(&self, subject: &LockoutSubject, now: Timestamp) -> Result<Option<Restriction>, Fault> {
        self.noted(self.port.restriction(subject, now).await)
    }

    async fn lift(&self, subject: &LockoutSubject, forgiven: Forgiven, now: Timestamp) -> Result<bool, Fault> {
        self.noted(self.port.lift(subject, forgiven, now).await)
    }

    async fn admit(&self, key: &RateKey, limit: &RateLimit, now: Timestamp) -> Result<Admission, Fault> {
        self.noted(self.port.admit(key, limit, now).await)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.noted(self.port.sweep(now, limit).await)
    }
}

#[async_trait]
impl TicketStore for Metered<dyn TicketStore> {
    async fn put(&self, key: &TicketKey, ticket: &Ticket) -> Result<(), Fault> {
        self.noted(self.port.put(key, ticket).await)
    }

    async fn peek(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        self.noted(self.port.peek(key, now).await)
    }

    async fn take(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        self.noted(self.port.take(key, now).await)
    }

    async fn void(&self, user: UserId) -> Result<(), Fault> {
        self.noted(self.port.void(user).await)
    }

    async fn spend(&self, mark: &SpentMark, until: Timestamp, now: Timestamp) -> Result<Spending, Fault> {
        self.noted(self.port.spend(mark, until, now).await)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.noted(self.port.sweep(now, limit).await)
    }
}
