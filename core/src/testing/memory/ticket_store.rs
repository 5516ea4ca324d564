//! Tickets in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::error::Fault;
use crate::store::TicketStore;
use crate::ticket::{Ticket, TicketKey};
use crate::time::Timestamp;
use crate::user::UserId;

pub(super) type Tickets = BTreeMap<TicketKey, Ticket>;

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

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        let mut state = self.state();
        let expired = state.tickets.iter().filter(|(_, ticket)| ticket.expires_at <= now);
        let keys: Vec<TicketKey> = expired.map(|(key, _)| *key).take(limit).collect();
        keys.iter().for_each(|key| drop(state.tickets.remove(key)));
        Ok(keys.len())
    }
}
