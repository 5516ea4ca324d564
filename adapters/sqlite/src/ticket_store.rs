//! Tickets: [`TicketStore`].

use async_trait::async_trait;
use doorwarden_core::error::Fault;
use doorwarden_core::store::TicketStore;
use doorwarden_core::ticket::{Ticket, TicketKey};
use doorwarden_core::time::Timestamp;
use doorwarden_core::user::UserId;
use rusqlite::params;

use crate::SqliteStore;
use crate::record::{one, sql_blob, sql_limit, to_body};
use crate::schema::statements;

statements! {
    PUT = "INSERT INTO tickets (locator, digest, user, expires_at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    PEEK = "SELECT digest, body FROM tickets WHERE locator = ?1 AND digest = ?2 AND expires_at > ?3";
    /// Finding and removing are one statement: of two takers one gets a row.
    TAKE = "DELETE FROM tickets WHERE locator = ?1 AND digest = ?2 AND expires_at > ?3 RETURNING digest, body";
    VOID = "DELETE FROM tickets WHERE user = ?1";
    SWEEP = "DELETE FROM tickets WHERE (locator, digest) IN
        (SELECT locator, digest FROM tickets WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
}

#[async_trait]
impl TicketStore for SqliteStore {
    async fn put(&self, key: &TicketKey, ticket: &Ticket) -> Result<(), Fault> {
        let (key, ticket) = (*key, ticket.clone());
        self.write("storing ticket", name(&key), move |c| {
            let user = ticket.user();
            let columns = params![
                key.locator,
                key.digest.as_bytes(),
                user.as_ref().map(UserId::as_bytes),
                ticket.expires_at.as_millis(),
                to_body(&ticket)?
            ];
            c.prepare_cached(PUT)?.execute(columns)?;
            Ok(())
        })
        .await
    }

    async fn peek(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        self.read("loading ticket", name(key), |c| {
            one(c, "tickets", PEEK, params![key.locator, key.digest.as_bytes(), now.as_millis()])
        })
    }

    async fn take(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        let key = *key;
        self.write("taking ticket", name(&key), move |c| {
            one(c, "tickets", TAKE, params![key.locator, key.digest.as_bytes(), now.as_millis()])
        })
        .await
    }

    async fn void(&self, user: UserId) -> Result<(), Fault> {
        self.write("voiding tickets of user", user, move |c| {
            c.prepare_cached(VOID)?.execute([user.as_bytes()])?;
            Ok(())
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.write("sweeping", "tickets", move |c| {
            Ok(c.prepare_cached(SWEEP)?.execute(params![now.as_millis(), sql_limit(limit)])?)
        })
        .await
    }
}

/// Where to find the row, for faults; the digest of a ticket opens nothing.
fn name(key: &TicketKey) -> String {
    sql_blob(key.digest.as_bytes())
}
