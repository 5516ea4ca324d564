//! Tickets and spent marks: [`TicketStore`].

use std::convert::Infallible;

use async_trait::async_trait;
use doorwarden_core::error::Fault;
use doorwarden_core::spent_mark::{Spending, Spent, SpentMark};
use doorwarden_core::store::TicketStore;
use doorwarden_core::ticket::{Ticket, TicketKey};
use doorwarden_core::time::Timestamp;
use doorwarden_core::user::UserId;

use crate::PostgresStore;
use crate::connections::{Params, Session};
use crate::fault::{Trouble, Undone};
use crate::record::{from_row, sql_bytes, sql_limit, to_body, uuid};
use crate::schema::statements;

statements! {
    PUT = "INSERT INTO tickets (locator, digest, user_id, expires_at, body) VALUES ($1, $2, $3, $4, $5)";
    PEEK = "SELECT body FROM tickets WHERE locator = $1 AND digest = $2 AND expires_at > $3";
    /// Finding and removing are one statement: of two takers one gets a row.
    TAKE = "DELETE FROM tickets WHERE locator = $1 AND digest = $2 AND expires_at > $3 RETURNING body";
    VOID = "DELETE FROM tickets WHERE user_id = $1";
    SWEEP = "DELETE FROM tickets WHERE (locator, digest) IN
        (SELECT locator, digest FROM tickets WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    /// One statement: whoever waited for another's mark sees what it wrote. How many there are is the trigger's.
    SPEND = "WITH spent AS (INSERT INTO spent_marks (kind, digest, until) VALUES ($1, $2, $3)
        ON CONFLICT (kind, digest) DO UPDATE SET until = excluded.until WHERE spent_marks.until <= $4 RETURNING 1)
        SELECT EXISTS (SELECT 1 FROM spent), (SELECT since FROM spent_since WHERE one)";
    BEGIN_MEMORY = "INSERT INTO spent_since (one, since) VALUES (true, $1) ON CONFLICT DO NOTHING";
    SINCE = "SELECT since FROM spent_since WHERE one";
    FORGET_MARKS = "DELETE FROM spent_marks WHERE (kind, digest) IN
        (SELECT kind, digest FROM spent_marks WHERE until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)";
}

#[async_trait]
impl TicketStore for PostgresStore {
    async fn put(&self, key: &TicketKey, ticket: &Ticket) -> Result<(), Fault> {
        self.act("storing ticket", name(key), (*key, ticket.clone()), |database, (key, ticket)| {
            Box::pin(async move {
                let user = ticket.user().map(|user| uuid(user.as_bytes()));
                let columns: Params<'_> = &[
                    &uuid(&key.locator),
                    &&key.digest.as_bytes()[..],
                    &user,
                    &ticket.expires_at.as_millis(),
                    &to_body(ticket)?,
                ];
                database.execute(PUT, columns).await?;
                Ok(())
            })
        })
        .await
    }

    async fn peek(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        self.read("loading ticket", name(key), (PEEK, *key, now), |database, input| Box::pin(one(database, input)))
            .await
    }

    async fn take(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        self.act("taking ticket", name(key), (TAKE, *key, now), |database, input| Box::pin(one(database, input))).await
    }

    async fn void(&self, user: UserId) -> Result<(), Fault> {
        self.act("voiding tickets of user", user, user, |database, user| {
            Box::pin(async move {
                database.execute(VOID, &[&uuid(user.as_bytes())]).await?;
                Ok(())
            })
        })
        .await
    }

    async fn spend(&self, mark: &SpentMark, until: Timestamp, now: Timestamp) -> Result<Spending, Fault> {
        let kind = mark.kind.name();
        let input = (kind, mark.digest, until.as_millis(), now.as_millis());
        self.act("spending", kind, input, |database, (kind, digest, until, now)| {
            Box::pin(async move {
                let spent = database.row(SPEND, &[kind, &&digest.as_bytes()[..], until, now]).await;
                let row = spent.map_err(Trouble::where_marks_are_full)?;
                let first: bool = row.as_ref().map_or(Ok(false), |row| row.try_get(0))?;
                let since: Option<i64> = row.as_ref().map_or(Ok(None), |row| row.try_get(1))?;
                let remembered_since = match since {
                    Some(since) => since,
                    None => begin_memory(database, *now).await?,
                };
                let spent = if first { Spent::First } else { Spent::Again };
                Ok(Spending { spent, remembered_since: Timestamp::from_millis(remembered_since) })
            })
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        let mut swept = 0;
        for statement in [SWEEP, FORGET_MARKS] {
            let input = (statement, now.as_millis(), sql_limit(limit));
            let gone = self.act("sweeping", "tickets", input, |database, (statement, now, limit)| {
                Box::pin(async move { Ok(database.execute(statement, &[now, limit]).await?) })
            });
            swept = gone.await?.max(swept);
        }
        Ok(usize::try_from(swept).unwrap_or(usize::MAX))
    }
}

/// The ticket of the row that a statement gives.
async fn one(
    database: &Session<'_>,
    (statement, key, now): &(&'static str, TicketKey, Timestamp),
) -> Result<Option<Ticket>, Undone<Infallible>> {
    let columns: Params<'_> = &[&uuid(&key.locator), &&key.digest.as_bytes()[..], &now.as_millis()];
    let row = database.row(statement, columns).await?;
    Ok(row.map(|row| from_row("tickets", name(key), &row)).transpose()?)
}

/// The first time ever: of several who come at once, one says since when. Who is stopped before it leaves a mark that is
/// older than the memory, which costs nothing.
async fn begin_memory(database: &Session<'_>, now: i64) -> Result<i64, Trouble> {
    database.execute(BEGIN_MEMORY, &[&now]).await?;
    Ok(database.row(SINCE, &[]).await?.map_or(Ok(now), |row| row.try_get(0))?)
}

/// Where to find the row, for faults; the digest of a ticket opens nothing.
fn name(key: &TicketKey) -> String {
    sql_bytes(key.digest.as_bytes())
}
