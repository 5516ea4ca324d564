//! The audit trail: how events are appended, read by page and id, linked, and forgotten.

use doorwarden_core::audit::{AuditChain, AuditEvent, AuditFilter, AuditLink, AuditPosition, AuditRecord, EventId};
use doorwarden_core::seal::Tag;
use doorwarden_core::store::Write;
use doorwarden_core::user::UserId;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row, params};

use crate::commit::number;
use crate::fault::Trouble;
use crate::record::{from_column, sql_limit, to_body};
use crate::schema::statements;

statements! {
    APPEND_EVENT = "INSERT INTO audit (time, user, name, body, id) VALUES (?1, ?2, ?3, ?4, ?5)";
    AUDIT = "SELECT position, body FROM audit WHERE position > ?1 ORDER BY position LIMIT ?2";
    AUDIT_BY_USER = "SELECT position, body FROM audit WHERE position > ?1 AND user = ?3 ORDER BY position LIMIT ?2";
    AUDIT_BY_NAME = "SELECT position, body FROM audit WHERE position > ?1 AND name = ?3 ORDER BY position LIMIT ?2";
    AUDIT_BY_BOTH = "SELECT position, body FROM audit WHERE position > ?1 AND user = ?3 AND +name = ?4
        ORDER BY position LIMIT ?2";
    AUDIT_BACKWARDS = "SELECT position, body FROM audit WHERE position < ?1 AND user = ?3
        ORDER BY position DESC LIMIT ?2";
    AUDIT_BETWEEN = "SELECT position, body FROM audit WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
    RECORDS = "SELECT position, time, user, id, name, body, number, tag FROM audit WHERE position > ?1
        ORDER BY position LIMIT ?2";
    LINK = "UPDATE audit SET number = ?2, tag = ?3 WHERE position = ?1 AND number IS NULL AND tag IS NULL";
    FORGET = "DELETE FROM audit WHERE position <= ?1";
    CHAIN = "SELECT body FROM audit_chain WHERE one = 1";
    BEGIN_CHAIN = "INSERT INTO audit_chain (one, revision, body) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING";
    UPDATE_CHAIN = "UPDATE audit_chain SET revision = ?2, body = ?3 WHERE one = 1 AND revision = ?1";
    DELETE_CHAIN = "DELETE FROM audit_chain WHERE one = 1 AND revision = ?1";
}

pub(crate) fn append(connection: &Connection, event: &AuditEvent) -> Result<(), Trouble> {
    let user = event.user.as_ref().map(UserId::as_bytes);
    let columns = params![event.time.as_millis(), user, event.name.name(), to_body(event)?, event.id.as_bytes()];
    connection.prepare_cached(APPEND_EVENT)?.execute(columns)?;
    Ok(())
}

/// A page of events, oldest first.
pub(crate) fn page(
    connection: &Connection,
    filter: &AuditFilter,
    limit: usize,
) -> Result<Vec<(AuditPosition, AuditEvent)>, Trouble> {
    let (after, limit) = (behind(filter.after), sql_limit(limit));
    let user = filter.user.as_ref().map(UserId::as_bytes);
    match (user, filter.name) {
        (None, None) => events(connection, AUDIT, params![after, limit]),
        (Some(user), None) => events(connection, AUDIT_BY_USER, params![after, limit, user]),
        (None, Some(name)) => events(connection, AUDIT_BY_NAME, params![after, limit, name.name()]),
        (Some(user), Some(name)) => events(connection, AUDIT_BY_BOTH, params![after, limit, user, name.name()]),
    }
}

/// An account's events before a place, newest first.
pub(crate) fn backwards(
    connection: &Connection,
    user: UserId,
    before: Option<AuditPosition>,
    limit: usize,
) -> Result<Vec<(AuditPosition, AuditEvent)>, Trouble> {
    let before = before.map_or(i64::MAX, place);
    events(connection, AUDIT_BACKWARDS, params![before, sql_limit(limit), user.as_bytes()])
}

/// The events whose ids lie between two.
pub(crate) fn between(
    connection: &Connection,
    first: EventId,
    last: EventId,
    limit: usize,
) -> Result<Vec<AuditEvent>, Trouble> {
    let ids = params![first.as_bytes(), last.as_bytes(), sql_limit(limit)];
    Ok(events(connection, AUDIT_BETWEEN, ids)?.into_iter().map(|(_, event)| event).collect())
}

/// A page of records as they are stored, whatever somebody made of them.
pub(crate) fn records(
    connection: &Connection,
    after: Option<AuditPosition>,
    limit: usize,
) -> Result<Vec<AuditRecord>, Trouble> {
    let mut statement = connection.prepare_cached(RECORDS)?;
    let mut rows = statement.query(params![behind(after), sql_limit(limit)])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

fn record(row: &Row<'_>) -> Result<AuditRecord, Trouble> {
    let position = AuditPosition(row.get::<_, i64>(0)?.unsigned_abs());
    let columns = [1, 2, 3, 4].map(|column| row.get_ref(column).map(text));
    let [time, user, id, name] = columns;
    let columns = format!("{}\n{}\n{}\n{}", time?, user?, id?, name?);
    let body = match row.get_ref(5)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => text(other),
    };
    Ok(AuditRecord { position, columns, body, link: link_of(row.get_ref(6)?, row.get_ref(7)?) })
}

/// A value as the columns of a record are written: numbers in decimal, bytes in hex, text as it is.
fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// A link that isn't whole is none that the engine made, and vouches for nothing.
fn link_of(number: ValueRef<'_>, tag: ValueRef<'_>) -> Option<AuditLink> {
    if (number, tag) == (ValueRef::Null, ValueRef::Null) {
        return None;
    }
    let number = number.as_i64().ok().and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
    let tag = tag.as_blob().ok().and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; 40]);
    Some(AuditLink { number, tag: Tag::from_bytes(tag) })
}

/// Gives an event its link; returns how many rows that was.
pub(crate) fn link(connection: &Connection, position: AuditPosition, link: &AuditLink) -> Result<usize, Trouble> {
    let number = i64::try_from(link.number).unwrap_or(i64::MAX);
    Ok(connection.prepare_cached(LINK)?.execute(params![place(position), number, link.tag.as_bytes()])?)
}

/// Removes the events up to a place.
pub(crate) fn forget(connection: &Connection, through: AuditPosition) -> Result<(), Trouble> {
    connection.prepare_cached(FORGET)?.execute([place(through)])?;
    Ok(())
}

pub(crate) fn chain(connection: &Connection) -> Result<Option<AuditChain>, Trouble> {
    let mut statement = connection.prepare_cached(CHAIN)?;
    let mut rows = statement.query([])?;
    let unreadable = |why| Trouble::Unreadable { table: "audit_chain", key: "1".to_owned(), why };
    rows.next()?.map(|row| from_column(row, 0).map_err(unreadable)).transpose()
}

/// Writes both ends of the chain; returns how many rows that was.
pub(crate) fn write_chain(connection: &Connection, write: &Write<AuditChain>) -> Result<usize, Trouble> {
    match write {
        Write::Create(chain) => {
            Ok(connection.prepare_cached(BEGIN_CHAIN)?.execute(params![number(chain.revision), to_body(chain)?])?)
        }
        Write::Update(chain) => {
            let mut next = chain.clone();
            next.revision = chain.revision.next();
            let columns = params![number(chain.revision), number(next.revision), to_body(&next)?];
            Ok(connection.prepare_cached(UPDATE_CHAIN)?.execute(columns)?)
        }
        Write::Delete(chain) => Ok(connection.prepare_cached(DELETE_CHAIN)?.execute([number(chain.revision)])?),
    }
}

fn place(position: AuditPosition) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

fn behind(after: Option<AuditPosition>) -> i64 {
    after.map_or(-1, place)
}

fn events(
    connection: &Connection,
    statement: &str,
    params: impl Params,
) -> Result<Vec<(AuditPosition, AuditEvent)>, Trouble> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(params)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(0)?;
        let unreadable = |why| Trouble::Unreadable { table: "audit", key: position.to_string(), why };
        let event = from_column(row, 1).map_err(unreadable)?;
        events.push((AuditPosition(position.unsigned_abs()), event));
    }
    Ok(events)
}
