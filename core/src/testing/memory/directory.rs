//! Users, registrations, invitations, trail and outbox in memory.
//!
//! A commit applies its changes one by one and notes how to take each back; a change that can't be applied takes back
//! all before it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::MemoryStore;
use crate::audit::{AuditChain, AuditEvent, AuditFilter, AuditLink, AuditPosition, AuditRecord, EventId};
use crate::delivery::{Delivery, DeliveryId, DueDelivery, OutboxSize};
use crate::error::Fault;
use crate::invitation::{Invitation, InvitationId};
use crate::keypair::{AccessKey, Keypair, KeypairId};
use crate::registration::{PendingRegistration, RegistrationId};
use crate::store::{
    Change, CommitError, Directory, InvitationKey, Marker, RegistrationKey, Requirement, Retention, UniqueRule,
    UserKey, UserPage, Write,
};
use crate::time::Timestamp;
use crate::token::Digest;
use crate::user::{User, UserId};

/// The records of a [`Directory`], with the indexes that keep them unique.
#[derive(Debug, Default)]
pub(super) struct Tables {
    users: BTreeMap<UserId, User>,
    registrations: BTreeMap<RegistrationId, PendingRegistration>,
    invitations: BTreeMap<InvitationId, Invitation>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    keypairs: BTreeMap<KeypairId, Keypair>,
    markers: BTreeMap<String, String>,
    audit: BTreeMap<AuditPosition, Recorded>,
    chain: Option<AuditChain>,
    /// Never taken back, not even by a sweep of all events: a reader may stand behind the last one.
    last_position: AuditPosition,
    emails: BTreeMap<String, UserId>,
    names: BTreeMap<String, Holder>,
    links: BTreeMap<Digest, RegistrationId>,
    access_keys: BTreeMap<AccessKey, KeypairId>,
}

/// An event with its link.
#[derive(Debug, Clone)]
struct Recorded {
    event: AuditEvent,
    link: Option<AuditLink>,
}

/// Who holds a username.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    User(UserId),
    Registration(RegistrationId),
}

/// What a record was before a change.
#[derive(Debug)]
enum Before {
    User(UserId, Option<User>),
    Registration(RegistrationId, Option<PendingRegistration>),
    Invitation(InvitationId, Option<Invitation>),
    Delivery(DeliveryId, Option<Delivery>),
    Keypair(KeypairId, Option<Keypair>),
    Deleted(Vec<Keypair>, User),
    Marker(Cow<'static, str>, Option<String>),
    Unwritten(AuditPosition),
    Chain(Option<AuditChain>),
    Unlinked(AuditPosition),
    Remembered(BTreeMap<AuditPosition, Recorded>),
}

impl Tables {
    fn commit(&mut self, changes: &[Change]) -> Result<(), CommitError> {
        let mut applied = Vec::with_capacity(changes.len());
        for change in changes {
            match self.apply(change) {
                Ok(before) => applied.extend(before),
                Err(refused) => {
                    applied.into_iter().rev().for_each(|before| self.take_back(before));
                    return Err(refused);
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, change: &Change) -> Result<Option<Before>, CommitError> {
        match change {
            Change::User(write) => self.write_user(write).map(Some),
            Change::Register(registration) => self.register(registration).map(Some),
            Change::Settle(id) => self.lapse(*id).ok_or(CommitError::Stale).map(Some),
            Change::Lapse(id) => Ok(self.lapse(*id)),
            Change::Invitation(write) => self.write_invitation(write).map(Some),
            Change::Audit(event) => Ok(Some(self.write_event(event))),
            Change::AuditChain(write) => self.write_chain(write).map(Some),
            Change::AuditLink { position, link } => self.link(*position, *link).map(Some),
            Change::AuditForget { through } => Ok(Some(self.forget(*through))),
            Change::Keypair(write) => self.write_keypair(write).map(Some),
            Change::Delivery(write) => self.write_delivery(write).map(Some),
            Change::SetAside(id) => self.set_aside(*id).map(Some),
            Change::Mark(marker) => self.mark(marker).map(Some),
            Change::Remark { marker, was } => self.remark(marker, was).map(Some),
            Change::Require(requirement) => self.require(*requirement).map(|()| None),
        }
    }

    fn take_back(&mut self, before: Before) {
        match before {
            Before::User(id, user) => drop(self.set_user(id, user)),
            Before::Registration(id, registration) => drop(self.set_registration(id, registration)),
            Before::Invitation(id, invitation) => drop(set(&mut self.invitations, id, invitation)),
            Before::Delivery(id, delivery) => drop(set(&mut self.deliveries, id, delivery)),
            Before::Keypair(id, keypair) => drop(self.set_keypair(id, keypair)),
            Before::Deleted(keypairs, user) => {
                drop(self.set_user(user.id, Some(user)));
                keypairs.into_iter().for_each(|keypair| drop(self.set_keypair(keypair.id, Some(keypair))));
            }
            Before::Marker(name, value) => drop(set(&mut self.markers, name.into_owned(), value)),
            Before::Unwritten(position) => drop(self.audit.remove(&position)),
            Before::Chain(chain) => self.chain = chain,
            Before::Unlinked(position) => {
                if let Some(recorded) = self.audit.get_mut(&position) {
                    recorded.link = None;
                }
            }
            Before::Remembered(mut events) => self.audit.append(&mut events),
        }
    }

    fn write_user(&mut self, write: &Write<User>) -> Result<Before, CommitError> {
        let (id, after) = match write {
            Write::Create(user) if self.users.contains_key(&user.id) => return Err(CommitError::Stale),
            Write::Create(user) => (user.id, Some(user.clone())),
            Write::Update(user) | Write::Delete(user)
                if self.users.get(&user.id).is_none_or(|stored| stored.revision != user.revision) =>
            {
                return Err(CommitError::Stale);
            }
            Write::Update(user) => (user.id, Some(User { revision: user.revision.next(), ..user.clone() })),
            Write::Delete(user) => (user.id, None),
        };
        if let Some(user) = &after {
            self.check_unique(user)?;
        }
        if after.is_some() {
            return Ok(Before::User(id, self.set_user(id, after)));
        }
        let own = self.keypairs.values().filter(|keypair| keypair.user == id);
        let own: Vec<KeypairId> = own.map(|keypair| keypair.id).collect();
        let keypairs = own.into_iter().filter_map(|keypair| self.set_keypair(keypair, None)).collect();
        let user = self.set_user(id, None).ok_or(CommitError::Stale)?;
        Ok(Before::Deleted(keypairs, user))
    }

    fn write_keypair(&mut self, write: &Write<Keypair>) -> Result<Before, CommitError> {
        let (Write::Create(keypair) | Write::Update(keypair) | Write::Delete(keypair)) = write;
        let stored = self.keypairs.get(&keypair.id).map(|stored| stored.revision);
        let after = match write {
            Write::Create(_) if stored.is_none() => Some(keypair.clone()),
            Write::Update(_) if stored == Some(keypair.revision) => {
                Some(Keypair { revision: keypair.revision.next(), ..keypair.clone() })
            }
            Write::Delete(_) if stored == Some(keypair.revision) => None,
            Write::Create(_) | Write::Update(_) | Write::Delete(_) => return Err(CommitError::Stale),
        };
        if after.is_some() && self.access_keys.get(&keypair.access_key).is_some_and(|id| *id != keypair.id) {
            return Err(CommitError::Taken(UniqueRule::AccessKey));
        }
        Ok(Before::Keypair(keypair.id, self.set_keypair(keypair.id, after)))
    }

    fn set_keypair(&mut self, id: KeypairId, keypair: Option<Keypair>) -> Option<Keypair> {
        let before = set(&mut self.keypairs, id, keypair.clone());
        if let Some(before) = &before {
            self.access_keys.remove(&before.access_key);
        }
        self.access_keys.extend(keypair.map(|keypair| (keypair.access_key, id)));
        before
    }

    fn check_unique(&self, user: &User) -> Result<(), CommitError> {
        if self.emails.get(user.email.key()).is_some_and(|holder| *holder != user.id) {
            return Err(CommitError::Taken(UniqueRule::Email));
        }
        let holder = user.username.as_ref().and_then(|name| self.names.get(name.skeleton()));
        if holder.is_some_and(|holder| *holder != Holder::User(user.id)) {
            return Err(CommitError::Taken(UniqueRule::Username));
        }
        Ok(())
    }

    fn set_user(&mut self, id: UserId, user: Option<User>) -> Option<User> {
        let before = set(&mut self.users, id, user.clone());
        if let Some(before) = &before {
            self.emails.remove(before.email.key());
            before.username.as_ref().and_then(|name| self.names.remove(name.skeleton()));
        }
        if let Some(user) = user {
            self.emails.insert(user.email.key().to_owned(), id);
            self.names.extend(user.username.map(|name| (name.skeleton().to_owned(), Holder::User(id))));
        }
        before
    }

    fn register(&mut self, registration: &PendingRegistration) -> Result<Before, CommitError> {
        let id = registration.id;
        if self.registrations.contains_key(&id) {
            return Err(CommitError::Stale);
        }
        if registration.username.as_ref().is_some_and(|name| self.names.contains_key(name.skeleton())) {
            return Err(CommitError::Taken(UniqueRule::Username));
        }
        Ok(Before::Registration(id, self.set_registration(id, Some(registration.clone()))))
    }

    fn lapse(&mut self, id: RegistrationId) -> Option<Before> {
        self.set_registration(id, None).map(|removed| Before::Registration(id, Some(removed)))
    }

    fn set_registration(
        &mut self,
        id: RegistrationId,
        registration: Option<PendingRegistration>,
    ) -> Option<PendingRegistration> {
        let before = set(&mut self.registrations, id, registration.clone());
        if let Some(before) = &before {
            self.links.remove(&before.link);
            before.username.as_ref().and_then(|name| self.names.remove(name.skeleton()));
        }
        if let Some(registration) = registration {
            self.links.insert(registration.link, id);
            let held = registration.username.map(|name| (name.skeleton().to_owned(), Holder::Registration(id)));
            self.names.extend(held);
        }
        before
    }

    fn write_invitation(&mut self, write: &Write<Invitation>) -> Result<Before, CommitError> {
        let (Write::Create(invitation) | Write::Update(invitation) | Write::Delete(invitation)) = write;
        let stored = self.invitations.get(&invitation.id).map(|stored| stored.revision);
        let after = match write {
            Write::Create(_) if stored.is_none() => Some(invitation.clone()),
            Write::Update(_) if stored == Some(invitation.revision) => {
                Some(Invitation { revision: invitation.revision.next(), ..invitation.clone() })
            }
            Write::Delete(_) if stored == Some(invitation.revision) => None,
            Write::Create(_) | Write::Update(_) | Write::Delete(_) => return Err(CommitError::Stale),
        };
        Ok(Before::Invitation(invitation.id, set(&mut self.invitations, invitation.id, after)))
    }

    fn write_delivery(&mut self, write: &Write<Delivery>) -> Result<Before, CommitError> {
        let (Write::Create(delivery) | Write::Update(delivery) | Write::Delete(delivery)) = write;
        let stored = self.deliveries.get(&delivery.id).map(|stored| stored.revision);
        let after = match write {
            Write::Create(_) if stored.is_none() => Some(delivery.clone()),
            Write::Update(_) if stored == Some(delivery.revision) => {
                Some(Delivery { revision: delivery.revision.next(), ..delivery.clone() })
            }
            Write::Delete(_) if stored == Some(delivery.revision) => None,
            Write::Create(_) | Write::Update(_) | Write::Delete(_) => return Err(CommitError::Stale),
        };
        Ok(Before::Delivery(delivery.id, set(&mut self.deliveries, delivery.id, after)))
    }

    fn set_aside(&mut self, id: DeliveryId) -> Result<Before, CommitError> {
        let stored = self.deliveries.get(&id).filter(|stored| stored.due_at != Delivery::NEVER);
        let after = Delivery { due_at: Delivery::NEVER, ..stored.ok_or(CommitError::Stale)?.clone() };
        Ok(Before::Delivery(id, set(&mut self.deliveries, id, Some(after))))
    }

    fn write_event(&mut self, event: &AuditEvent) -> Before {
        self.last_position = AuditPosition(self.last_position.0 + 1);
        self.audit.insert(self.last_position, Recorded { event: event.clone(), link: None });
        Before::Unwritten(self.last_position)
    }

    fn write_chain(&mut self, write: &Write<AuditChain>) -> Result<Before, CommitError> {
        let stored = self.chain.as_ref().map(|chain| chain.revision);
        let after = match write {
            Write::Create(chain) if stored.is_none() => Some(chain.clone()),
            Write::Update(chain) if stored == Some(chain.revision) => {
                Some(AuditChain { revision: chain.revision.next(), ..chain.clone() })
            }
            Write::Delete(chain) if stored == Some(chain.revision) => None,
            Write::Create(_) | Write::Update(_) | Write::Delete(_) => return Err(CommitError::Stale),
        };
        Ok(Before::Chain(std::mem::replace(&mut self.chain, after)))
    }

    fn link(&mut self, position: AuditPosition, link: AuditLink) -> Result<Before, CommitError> {
        match self.audit.get_mut(&position) {
            Some(recorded) if recorded.link.is_none() => {
                recorded.link = Some(link);
                Ok(Before::Unlinked(position))
            }
            Some(_) | None => Err(CommitError::Stale),
        }
    }

    fn forget(&mut self, through: AuditPosition) -> Before {
        let kept = self.audit.split_off(&AuditPosition(through.0.saturating_add(1)));
        Before::Remembered(std::mem::replace(&mut self.audit, kept))
    }

    fn mark(&mut self, marker: &Marker) -> Result<Before, CommitError> {
        if self.markers.contains_key(&*marker.name) {
            return Err(CommitError::Taken(UniqueRule::Marker));
        }
        self.markers.insert(marker.name.clone().into_owned(), marker.value.clone());
        Ok(Before::Marker(marker.name.clone(), None))
    }

    fn remark(&mut self, marker: &Marker, was: &str) -> Result<Before, CommitError> {
        let stored = self.markers.get_mut(&*marker.name).filter(|value| *value == was).ok_or(CommitError::Stale)?;
        Ok(Before::Marker(marker.name.clone(), Some(std::mem::replace(stored, marker.value.clone()))))
    }

    fn require(&self, requirement: Requirement) -> Result<(), CommitError> {
        let holds = match requirement {
            Requirement::Administrator(id) => self.users.get(&id).is_some_and(User::is_administrator),
            Requirement::AnyAdministrator => self.users.values().any(User::is_administrator),
        };
        holds.then_some(()).ok_or(CommitError::Unmet(requirement))
    }

    fn sweep(&mut self, retention: &Retention, limit: usize) -> usize {
        let lapsed = self.registrations.values().filter(|r| r.expires_at < retention.registrations_before);
        let lapsed: Vec<RegistrationId> = lapsed.map(|r| r.id).take(limit).collect();
        lapsed.iter().for_each(|id| drop(self.lapse(*id)));
        let ended = self.invitations.values().filter(|invitation| invitation.ends_at() < retention.invitations_before);
        let ended: Vec<InvitationId> = ended.map(|invitation| invitation.id).take(limit - lapsed.len()).collect();
        ended.iter().for_each(|id| drop(self.invitations.remove(id)));
        lapsed.len() + ended.len()
    }
}

/// Puts a value in its place or, with `None`, takes it away; returns what was there.
fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}

fn contains(user: &User, text: &str) -> bool {
    user.email.key().contains(text)
        || user.username.as_ref().is_some_and(|name| name.key().contains(text))
        || user.full_name.as_ref().is_some_and(|name| name.to_lowercase().contains(text))
}

#[async_trait]
impl Directory for MemoryStore {
    async fn user(&self, by: UserKey<'_>) -> Result<Option<User>, Fault> {
        let state = self.state();
        let tables = &state.directory;
        let id = match by {
            UserKey::Id(id) => Some(id),
            UserKey::Email(key) => tables.emails.get(key).copied(),
            UserKey::UsernameSkeleton(skeleton) => match tables.names.get(skeleton) {
                Some(Holder::User(id)) => Some(*id),
                Some(Holder::Registration(_)) | None => None,
            },
        };
        Ok(id.and_then(|id| tables.users.get(&id)).cloned())
    }

    async fn users(&self, page: &UserPage<'_>) -> Result<Vec<User>, Fault> {
        let state = self.state();
        let users = state.directory.users.values().filter(|user| page.after.is_none_or(|after| after < user.id));
        Ok(users.filter(|user| contains(user, page.containing)).take(page.limit).cloned().collect())
    }

    async fn has_users(&self) -> Result<bool, Fault> {
        Ok(!self.state().directory.users.is_empty())
    }

    async fn registration(&self, by: RegistrationKey<'_>) -> Result<Option<PendingRegistration>, Fault> {
        let state = self.state();
        let tables = &state.directory;
        let id = match by {
            RegistrationKey::Link(digest) => tables.links.get(&digest).copied(),
            RegistrationKey::UsernameSkeleton(skeleton) => match tables.names.get(skeleton) {
                Some(Holder::Registration(id)) => Some(*id),
                Some(Holder::User(_)) | None => None,
            },
        };
        Ok(id.and_then(|id| tables.registrations.get(&id)).cloned())
    }

    async fn registrations_of(&self, email_key: &str, limit: usize) -> Result<Vec<PendingRegistration>, Fault> {
        let state = self.state();
        let of_address = state.directory.registrations.values().filter(|r| r.email.key() == email_key);
        let mut newest_first: Vec<PendingRegistration> = of_address.cloned().collect();
        newest_first.sort_by_key(|registration| std::cmp::Reverse((registration.created_at, registration.id)));
        newest_first.truncate(limit);
        Ok(newest_first)
    }

    async fn registrations(
        &self,
        after: Option<RegistrationId>,
        limit: usize,
    ) -> Result<Vec<PendingRegistration>, Fault> {
        let state = self.state();
        let in_order = state.directory.registrations.values().filter(|r| after.is_none_or(|after| after < r.id));
        Ok(in_order.take(limit).cloned().collect())
    }

    async fn invitation(&self, by: InvitationKey) -> Result<Option<Invitation>, Fault> {
        let state = self.state();
        let invitations = &state.directory.invitations;
        Ok(match by {
            InvitationKey::Id(id) => invitations.get(&id).cloned(),
            InvitationKey::Token(digest) => invitations.values().find(|i| i.token == digest).cloned(),
        })
    }

    async fn invitations(&self, after: Option<InvitationId>, limit: usize) -> Result<Vec<Invitation>, Fault> {
        let state = self.state();
        let in_order = state.directory.invitations.values().filter(|i| after.is_none_or(|after| after < i.id));
        Ok(in_order.take(limit).cloned().collect())
    }

    async fn held_uses(&self, id: InvitationId, now: Timestamp) -> Result<u32, Fault> {
        let state = self.state();
        let holds = |r: &&PendingRegistration| r.invitation == Some(id) && now < r.expires_at;
        Ok(u32::try_from(state.directory.registrations.values().filter(holds).count()).unwrap_or(u32::MAX))
    }

    async fn keypair(&self, access_key: &AccessKey) -> Result<Option<Keypair>, Fault> {
        let state = self.state();
        let id = state.directory.access_keys.get(access_key);
        Ok(id.and_then(|id| state.directory.keypairs.get(id)).cloned())
    }

    async fn keypairs_of(&self, user: UserId, after: Option<KeypairId>, limit: usize) -> Result<Vec<Keypair>, Fault> {
        let state = self.state();
        let own = state.directory.keypairs.values().filter(|keypair| keypair.user == user);
        let page = own.filter(|keypair| after.is_none_or(|after| after < keypair.id));
        Ok(page.take(limit).cloned().collect())
    }

    async fn audit(&self, filter: &AuditFilter, limit: usize) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        let state = self.state();
        let after = filter.after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let events = state.directory.audit.range((after, std::ops::Bound::Unbounded));
        let events = events.map(|(position, recorded)| (position, &recorded.event));
        let of_user = |event: &AuditEvent| filter.user.is_none_or(|user| event.user == Some(user));
        let of_name = |event: &AuditEvent| filter.name.is_none_or(|name| event.name == name);
        let chosen = events.filter(|(_, event)| of_user(event) && of_name(event));
        Ok(chosen.take(limit).map(|(position, event)| (*position, event.clone())).collect())
    }

    async fn audit_between(&self, first: EventId, last: EventId, limit: usize) -> Result<Vec<AuditEvent>, Fault> {
        let state = self.state();
        let events = state.directory.audit.values().map(|recorded| &recorded.event);
        let mut between: Vec<_> = events.filter(|event| first <= event.id && event.id <= last).cloned().collect();
        between.sort_by_key(|event| event.id);
        between.truncate(limit);
        Ok(between)
    }

    async fn audit_of_user_backwards(
        &self,
        user: UserId,
        before: Option<AuditPosition>,
        limit: usize,
    ) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        let state = self.state();
        let events = state.directory.audit.iter().rev().map(|(position, recorded)| (*position, &recorded.event));
        let events = events.filter(|(position, _)| before.is_none_or(|before| *position < before));
        let of_user = events.filter(|(_, event)| event.user == Some(user));
        Ok(of_user.take(limit).map(|(position, event)| (position, event.clone())).collect())
    }

    async fn audit_records(&self, after: Option<AuditPosition>, limit: usize) -> Result<Vec<AuditRecord>, Fault> {
        let state = self.state();
        let after = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let records = state.directory.audit.range((after, std::ops::Bound::Unbounded)).take(limit);
        let record = |(position, recorded): (&AuditPosition, &Recorded)| {
            let columns = AuditRecord::columns_of(&recorded.event);
            let body = serde_json::to_string(&recorded.event);
            let body = body.map_err(|source| Fault::lasting("writing event", recorded.event.id, source))?;
            Ok(AuditRecord { position: *position, columns, body, link: recorded.link })
        };
        records.map(record).collect()
    }

    async fn audit_chain(&self) -> Result<Option<AuditChain>, Fault> {
        Ok(self.state().directory.chain.clone())
    }

    async fn due_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<DueDelivery>, Fault> {
        let (state, until) = (self.state(), now.min(Delivery::NEVER.before(Duration::from_millis(1))));
        let mut due: Vec<&Delivery> = state.directory.deliveries.values().filter(|d| d.due_at <= until).collect();
        due.sort_by_key(|delivery| (delivery.due_at, delivery.id));
        Ok(due.into_iter().take(limit).cloned().map(DueDelivery::Readable).collect())
    }

    async fn deliveries(&self, after: Option<DeliveryId>, limit: usize) -> Result<Vec<Delivery>, Fault> {
        let state = self.state();
        let in_order = state.directory.deliveries.values().filter(|d| after.is_none_or(|after| after < d.id));
        Ok(in_order.take(limit).cloned().collect())
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        Ok(self.state().directory.deliveries.get(&id).cloned())
    }

    async fn outbox_size(&self) -> Result<OutboxSize, Fault> {
        let state = self.state();
        let is_set_aside = |delivery: &&Delivery| delivery.due_at == Delivery::NEVER;
        let (all, set_aside) =
            (state.directory.deliveries.len(), state.directory.deliveries.values().filter(is_set_aside).count());
        let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        Ok(OutboxSize { waiting: count(all - set_aside), set_aside: count(set_aside) })
    }

    async fn marker(&self, name: &str) -> Result<Option<String>, Fault> {
        Ok(self.state().directory.markers.get(name).cloned())
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        self.state().directory.commit(changes)
    }

    async fn sweep(&self, retention: &Retention, limit: usize) -> Result<usize, Fault> {
        Ok(self.state().directory.sweep(retention, limit))
    }

    async fn ping(&self) -> Result<(), Fault> {
        Ok(())
    }
}
