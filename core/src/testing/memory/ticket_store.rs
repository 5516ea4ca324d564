//! Tickets in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use async_trait::async_trait;

use super::MemoryStore;
use crate::error::Fault;
use crate::spent_mark::{Spending, Spent, SpentMark};
use crate::store::TicketStore;
use crate::ticket::{Ticket, TicketKey};
use crate::time::Timestamp;
use crate::user::UserId;

pub(super) type Tickets = BTreeMap<TicketKey, Ticket>;

/// What was spent, each until when.
#[derive(Debug, Default)]
pub(super) struct Marks {
    since: Option<Timestamp>,
    kept: BTreeMap<SpentMark, Timestamp>,
}

impl Marks {
    fn spend(&mut self, mark: &SpentMark, until: Timestamp, now: Timestamp) -> Result<Spending, Fault> {
        let most = usize::try_from(SpentMark::MOST).unwrap_or(usize::MAX);
        let is_full = self.kept.keys().filter(|kept| kept.kind == mark.kind).count() >= most;
        let remembered_since = *self.since.get_or_insert(now);
        let spent = match self.kept.entry(*mark) {
            Entry::Occupied(kept) if now < *kept.get() => Spent::Again,
            Entry::Occupied(mut over) => {
                over.insert(until);
                Spent::First
            }
            Entry::Vacant(_) if is_full => {
                return Err(Fault::new("spending", mark.kind.name(), "as many are kept as may be: try again later"));
            }
            Entry::Vacant(free) => {
                free.insert(until);
                Spent::First
            }
        };
        Ok(Spending { spent, remembered_since })
    }

    fn sweep(&mut self, now: Timestamp, limit: usize) -> usize {
        let over: Vec<_> =
            self.kept.iter().filter(|(_, until)| **until <= now).map(|(mark, _)| *mark).take(limit).collect();
        for mark in &over {
            self.kept.remove(mark);
        }
        over.len()
    }
}

#[async_trait]
impl TicketStore for MemoryStore {
    async fn put(&self, key: &TicketKey, ticket: &Ticket) -> Result<(), Fault> {
        self.state().tickets.insert(*key, ticket.clone());
        Ok(())
    }

    async fn peek(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        Ok(self.state().tickets.get(key).filter(|ticket| now < ticket.expires_at).cloned())
    }

    async fn take(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        Ok(self.state().tickets.remove(key).filter(|ticket| now < ticket.expires_at))
    }

    async fn void(&self, user: UserId) -> Result<(), Fault> {
        self.state().tickets.retain(|_, ticket| ticket.user() != Some(user));
        Ok(())
    }

    async fn spend(&self, mark: &SpentMark, until: Timestamp, now: Timestamp) -> Result<Spending, Fault> {
        self.state().marks.spend(mark, until, now)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        let mut state = self.state();
        let expired = state.tickets.iter().filter(|(_, ticket)| ticket.expires_at <= now);
        let keys: Vec<TicketKey> = expired.map(|(key, _)| *key).take(limit).collect();
        keys.iter().for_each(|key| drop(state.tickets.remove(key)));
        Ok(keys.len().max(state.marks.sweep(now, limit)))
    }
}
