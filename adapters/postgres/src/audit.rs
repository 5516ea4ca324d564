//! The audit trail: how events are appended, read by page and id, linked, and forgotten. How they get their positions
//! stands in `trail.rs`.

use doorwarden_core::audit::{AuditChain, AuditEvent, AuditFilter, AuditLink, AuditPosition, AuditRecord};
use doorwarden_core::seal::Tag;
use doorwarden_core::store::Write;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::connections::{Params, Session};
use crate::fault::Trouble;
use crate::record::{from_row, number, sql_limit, to_body, uuid};
use crate::schema::statements;

statements! {
    APPEND_EVENT = "INSERT INTO audit (time, user_id, name, body, id) VALUES ($1, $2, $3, $4, $5)";
    AUDIT = "SELECT body, position FROM audit WHERE position > $1 ORDER BY position LIMIT $2";
    AUDIT_BY_USER =
        "SELECT body, position FROM audit WHERE position > $1 AND user_id = $3 ORDER BY position LIMIT $2";
    AUDIT_BY_NAME = "SELECT body, position FROM audit WHERE position > $1 AND name = $3 ORDER BY position LIMIT $2";
    AUDIT_BY_BOTH = "SELECT body, position FROM audit WHERE position > $1 AND user_id = $3 AND name = $4
        ORDER BY position LIMIT $2";
    AUDIT_BACKWARDS = "SELECT body, position FROM audit WHERE position < $1 AND user_id = $3
        ORDER BY position DESC LIMIT $2";
    AUDIT_BETWEEN = "SELECT body, id FROM audit WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3";
    RECORDS = "SELECT body, position, time, user_id, id, name, number, tag FROM audit WHERE position > $1
        ORDER BY position LIMIT $2";
    LINK = "UPDATE audit SET number = $2, tag = $3 WHERE position = $1 AND number IS NULL AND tag IS NULL";
    FORGET = "DELETE FROM audit WHERE position <= $1";
    CHAIN = "SELECT body FROM audit_chain WHERE one";
    BEGIN_CHAIN = "INSERT INTO audit_chain (one, revision, body) VALUES (true, $1, $2) ON CONFLICT DO NOTHING";
    UPDATE_CHAIN = "UPDATE audit_chain SET revision = $2, body = $3 WHERE one AND revision = $1";
    DELETE_CHAIN = "DELETE FROM audit_chain WHERE one AND revision = $1";
}

pub(crate) async fn append(session: &Session<'_>, event: &AuditEvent) -> Result<(), Trouble> {
    let user = event.user.as_ref().map(|user| uuid(user.as_bytes()));
    let (time, body, id) = (event.time.as_millis(), to_body(event)?, uuid(event.id.as_bytes()));
    session.execute(APPEND_EVENT, &[&time, &user, &event.name.name(), &body, &id]).await?;
    Ok(())
}

/// A page of events, oldest first.
pub(crate) async fn page(
    session: &Session<'_>,
    filter: &AuditFilter,
    limit: usize,
) -> Result<Vec<(AuditPosition, AuditEvent)>, Trouble> {
    let (after, limit) = (behind(filter.after), sql_limit(limit));
    let (user, name) = (filter.user.map(|user| uuid(user.as_bytes())), filter.name.map(|name| name.name()));
    match (&user, &name) {
        (None, None) => events(session, AUDIT, &[&after, &limit]).await,
        (Some(user), None) => events(session, AUDIT_BY_USER, &[&after, &limit, user]).await,
        (None, Some(name)) => events(session, AUDIT_BY_NAME, &[&after, &limit, name]).await,
        (Some(user), Some(name)) => events(session, AUDIT_BY_BOTH, &[&after, &limit, user, name]).await,
    }
}

/// An account's events before a place, newest first.
pub(crate) async fn backwards(
    session: &Session<'_>,
    user: Uuid,
    before: Option<AuditPosition>,
    limit: usize,
) -> Result<Vec<(AuditPosition, AuditEvent)>, Trouble> {
    let before = before.map_or(i64::MAX, place);
    events(session, AUDIT_BACKWARDS, &[&before, &sql_limit(limit), &user]).await
}

/// The events whose ids lie between two.
pub(crate) async fn between(
    session: &Session<'_>,
    (first, last): (Uuid, Uuid),
    limit: usize,
) -> Result<Vec<AuditEvent>, Trouble> {
    let rows = session.rows(AUDIT_BETWEEN, &[&first, &last, &sql_limit(limit)]).await?;
    rows.iter().map(|row| from_row("audit", row.try_get::<_, Uuid>(1)?, row)).collect()
}

/// A page of records as they are stored, whatever somebody made of them.
pub(crate) async fn records(
    session: &Session<'_>,
    after: Option<AuditPosition>,
    limit: usize,
) -> Result<Vec<AuditRecord>, Trouble> {
    let rows = session.rows(RECORDS, &[&behind(after), &sql_limit(limit)]).await?;
    rows.iter().map(record).collect()
}

fn record(row: &Row) -> Result<AuditRecord, Trouble> {
    let (position, time): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
    let (user, id): (Option<Uuid>, Uuid) = (row.try_get(3)?, row.try_get(4)?);
    let user = user.map_or(String::new(), |user| user.simple().to_string());
    let name: &str = row.try_get(5)?;
    Ok(AuditRecord {
        position: AuditPosition(position.unsigned_abs()),
        columns: format!("{time}\n{user}\n{}\n{name}", id.simple()),
        body: row.try_get(0)?,
        link: link_of(row.try_get(6)?, row.try_get(7)?),
    })
}

/// A link that isn't whole is none that the engine made, and vouches for nothing.
fn link_of(number: Option<i64>, tag: Option<&[u8]>) -> Option<AuditLink> {
    if (number, tag) == (None, None) {
        return None;
    }
    let number = number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
    let tag = tag.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; 40]);
    Some(AuditLink { number, tag: Tag::from_bytes(tag) })
}

/// Gives an event its link; returns how many rows that was.
pub(crate) async fn link(session: &Session<'_>, position: AuditPosition, link: &AuditLink) -> Result<u64, Trouble> {
    let number = i64::try_from(link.number).unwrap_or(i64::MAX);
    session.execute(LINK, &[&place(position), &number, &&link.tag.as_bytes()[..]]).await
}

/// Removes the events up to a place.
pub(crate) async fn forget(session: &Session<'_>, through: AuditPosition) -> Result<(), Trouble> {
    session.execute(FORGET, &[&place(through)]).await?;
    Ok(())
}

pub(crate) async fn chain(session: &Session<'_>) -> Result<Option<AuditChain>, Trouble> {
    session.row(CHAIN, &[]).await?.map(|row| from_row("audit_chain", "true", &row)).transpose()
}

/// Writes both ends of the chain; returns how many rows that was.
pub(crate) async fn write_chain(session: &Session<'_>, write: &Write<AuditChain>) -> Result<u64, Trouble> {
    match write {
        Write::Create(chain) => session.execute(BEGIN_CHAIN, &[&number(chain.revision), &to_body(chain)?]).await,
        Write::Update(chain) => {
            let mut next = chain.clone();
            next.revision = chain.revision.next();
            let columns: Params<'_> = &[&number(chain.revision), &number(next.revision), &to_body(&next)?];
            session.execute(UPDATE_CHAIN, columns).await
        }
        Write::Delete(chain) => session.execute(DELETE_CHAIN, &[&number(chain.revision)]).await,
    }
}

fn place(position: AuditPosition) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

fn behind(after: Option<AuditPosition>) -> i64 {
    after.map_or(-1, place)
}

async fn events(
    session: &Session<'_>,
    statement: &'static str,
    params: Params<'_>,
) -> Result<Vec<(AuditPosition, AuditEvent)>, Trouble> {
    let event = |row: &Row| {
        let position: i64 = row.try_get(1)?;
        Ok((AuditPosition(position.unsigned_abs()), from_row("audit", position, row)?))
    };
    session.rows(statement, params).await?.iter().map(event).collect()
}
