//! Tickets and spent marks: [`TicketStore`].

use async_trait::async_trait;
use doorwarden_core::error::Fault;
use doorwarden_core::spent_mark::{Spending, Spent, SpentMark};
use doorwarden_core::store::TicketStore;
use doorwarden_core::ticket::{Ticket, TicketKey};
use doorwarden_core::time::Timestamp;
use doorwarden_core::user::UserId;
use rusqlite::{OptionalExtension, params};

use crate::SqliteStore;
use crate::fault::Trouble;
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
    BEGIN_MEMORY = "INSERT INTO spent_since (one, since) VALUES (1, ?1) ON CONFLICT (one) DO NOTHING";
    SINCE = "SELECT since FROM spent_since WHERE one = 1";
    SPENT_UNTIL = "SELECT until FROM spent_marks WHERE kind = ?1 AND digest = ?2";
    MARKS_OF_KIND = "SELECT marks FROM spent_kinds WHERE kind = ?1";
    SPEND = "INSERT INTO spent_marks (kind, digest, until) VALUES (?1, ?2, ?3)
        ON CONFLICT (kind, digest) DO UPDATE SET until = excluded.until";
    FORGET_MARKS = "DELETE FROM spent_marks WHERE (kind, digest) IN
        (SELECT kind, digest FROM spent_marks WHERE until <= ?1 ORDER BY until LIMIT ?2)";
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

    async fn spend(&self, mark: &SpentMark, until: Timestamp, now: Timestamp) -> Result<Spending, Fault> {
        let (kind, digest) = (mark.kind.name(), mark.digest);
        // All steps are one write: whoever waited for it reads what it has written.
        self.write("spending", kind, move |c| {
            c.prepare_cached(BEGIN_MEMORY)?.execute([now.as_millis()])?;
            let since = c.prepare_cached(SINCE)?.query_row([], |row| row.get(0))?;
            let remembered_since = Timestamp::from_millis(since);
            let key = params![kind, digest.as_bytes()];
            let kept: Option<i64> = c.prepare_cached(SPENT_UNTIL)?.query_row(key, |row| row.get(0)).optional()?;
            if kept.is_some_and(|until| now.as_millis() < until) {
                return Ok(Spending { spent: Spent::Again, remembered_since });
            }
            if kept.is_none() {
                let marks: Option<u32> =
                    c.prepare_cached(MARKS_OF_KIND)?.query_row([kind], |row| row.get(0)).optional()?;
                if marks.is_some_and(|marks| marks >= SpentMark::MOST) {
                    return Err(Trouble::MarksFull);
                }
            }
            c.prepare_cached(SPEND)?.execute(params![kind, digest.as_bytes(), until.as_millis()])?;
            Ok(Spending { spent: Spent::First, remembered_since })
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.write("sweeping", "tickets", move |c| {
            let slice = params![now.as_millis(), sql_limit(limit)];
            let tickets = c.prepare_cached(SWEEP)?.execute(slice)?;
            Ok(tickets.max(c.prepare_cached(FORGET_MARKS)?.execute(slice)?))
        })
        .await
    }
}

/// Where to find the row, for faults; the digest of a ticket opens nothing.
fn name(key: &TicketKey) -> String {
    sql_blob(key.digest.as_bytes())
}
