//! Sessions: [`SessionStore`].
//!
//! Whoever opens or ends sessions of a user holds the row of the user's set until the commit.

use std::convert::Infallible;

use async_trait::async_trait;
use doorwarden_core::error::Fault;
use doorwarden_core::session::{EndReason, Ended, Session, SessionId};
use doorwarden_core::store::{OpenError, SessionKey, SessionSet, SessionStore, Which};
use doorwarden_core::time::Timestamp;
use doorwarden_core::user::UserId;
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::connections::{Params, Session as Database};
use crate::fault::{Trouble, Undone};
use crate::record::{by_id, from_row, number, sql_limit, to_body, uuid};
use crate::schema::statements;

statements! {
    FIND = "SELECT body FROM sessions WHERE user_id = $1 AND token = $2";
    /// Version and list in one statement, and so of one moment; a row without body where there is no session.
    SET = "SELECT live.body, live.id, (SELECT version FROM session_sets WHERE user_id = $1)
        FROM (SELECT 1) AS one LEFT JOIN sessions AS live
          ON live.user_id = $1 AND NOT live.ended AND live.over_at > $2
        ORDER BY live.started_at, live.id";
    LIVE = "SELECT body, id FROM sessions WHERE user_id = $1 AND NOT ended AND over_at > $2
        ORDER BY started_at, id FOR UPDATE";
    FIRST_VERSION = "INSERT INTO session_sets (user_id, version) VALUES ($1, 0) ON CONFLICT DO NOTHING";
    HOLD_SET = "SELECT version FROM session_sets WHERE user_id = $1 FOR UPDATE";
    NEXT_VERSION_AFTER = "UPDATE session_sets SET version = version + 1 WHERE user_id = $1 AND version = $2";
    NEXT_VERSION = "UPDATE session_sets SET version = version + 1 WHERE user_id = $1";
    INSERT = "INSERT INTO sessions (user_id, token, id, revision, started_at, ended, over_at, body)
        VALUES ($1, $2, $3, $4, $5, false, $6, $7)";
    SAVE = "UPDATE sessions SET revision = $4, over_at = $5, body = $6
        WHERE user_id = $1 AND token = $2 AND revision = $3 AND NOT ended";
    END = "UPDATE sessions SET ended = true, over_at = $3, body = $4
        WHERE user_id = $1 AND token = $2 AND NOT ended";
    SWEEP = "DELETE FROM sessions WHERE (user_id, token) IN
        (SELECT user_id, token FROM sessions WHERE over_at < $1 ORDER BY over_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
}

struct Opening {
    session: Session,
    version: u64,
    ending: Vec<SessionId>,
    now: Timestamp,
}

struct Ending {
    user: UserId,
    which: Which,
    reason: EndReason,
    now: Timestamp,
}

/// The user's sessions have changed since the decision.
struct Stale;

#[async_trait]
impl SessionStore for PostgresStore {
    async fn open(
        &self,
        session: &Session,
        version: u64,
        ending: &[SessionId],
        now: Timestamp,
    ) -> Result<(), OpenError> {
        let opening = Opening { session: session.clone(), version, ending: ending.to_vec(), now };
        let opened = self.connections().transaction(opening, |database, opening| Box::pin(open(database, opening)));
        opened.await.map_err(|undone| match undone {
            Undone::Refused(Stale) => OpenError::Stale,
            Undone::Trouble(trouble) => self.fault("opening session", session.id, trouble).into(),
        })
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, Fault> {
        self.read("loading session of user", key.user, *key, |database, key| {
            Box::pin(async move {
                let row = database.row(FIND, &[&uuid(key.user.as_bytes()), &&key.token.as_bytes()[..]]).await?;
                Ok(row.map(|row| from_row("sessions", key.user, &row)).transpose()?)
            })
        })
        .await
    }

    async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<SessionSet, Fault> {
        self.read("loading sessions of user", user, (user, now), |database, (user, now)| {
            Box::pin(async move {
                let mut rows = database.rows(SET, &[&uuid(user.as_bytes()), &now.as_millis()]).await?;
                let version = rows.first().map(|row| row.try_get::<_, Option<i64>>(2)).transpose()?.flatten();
                rows.retain(|row| matches!(row.try_get::<_, Option<&str>>(0), Ok(Some(_)) | Err(_)));
                Ok(SessionSet { version: version.map_or(0, i64::unsigned_abs), live: of_rows(&rows)? })
            })
        })
        .await
    }

    async fn save(&self, session: &Session) -> Result<bool, Fault> {
        if session.ended.is_some() {
            return Ok(false);
        }
        self.act("saving session", session.id, session.clone(), |database, session| {
            Box::pin(async move {
                let mut next = session.clone();
                next.revision = session.revision.next();
                let columns: Params<'_> = &[
                    &uuid(next.user.as_bytes()),
                    &&next.token.as_bytes()[..],
                    &number(session.revision),
                    &number(next.revision),
                    &next.expires_at.as_millis(),
                    &to_body(&next)?,
                ];
                Ok(database.execute(SAVE, columns).await? == 1)
            })
        })
        .await
    }

    async fn end(&self, user: UserId, which: Which, reason: EndReason, now: Timestamp) -> Result<Vec<Session>, Fault> {
        let ending = Ending { user, which, reason, now };
        self.write("ending sessions of user", user, ending, |database, ending| Box::pin(end(database, ending))).await
    }

    async fn sweep(&self, before: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.act("sweeping", "sessions", (before, limit), |database, (before, limit)| {
            Box::pin(async move {
                let swept = database.execute(SWEEP, &[&before.as_millis(), &sql_limit(*limit)]).await?;
                Ok(usize::try_from(swept).unwrap_or(usize::MAX))
            })
        })
        .await
    }
}

async fn open(database: &Database<'_>, opening: &Opening) -> Result<(), Undone<Stale>> {
    let Opening { session, version, ending, now } = opening;
    let user = uuid(session.user.as_bytes());
    database.execute(FIRST_VERSION, &[&user]).await?;
    let version = i64::try_from(*version).unwrap_or(i64::MAX);
    if database.execute(NEXT_VERSION_AFTER, &[&user, &version]).await? == 0 {
        return Err(Undone::Refused(Stale));
    }
    if !ending.is_empty() {
        end_those(database, session.user, |id| ending.contains(&id), EndReason::TakenOver, *now).await?;
    }
    let columns: Params<'_> = &[
        &user,
        &&session.token.as_bytes()[..],
        &uuid(session.id.as_bytes()),
        &number(session.revision),
        &session.started_at.as_millis(),
        &session.expires_at.as_millis(),
        &to_body(session)?,
    ];
    database.execute(INSERT, columns).await?;
    Ok(())
}

async fn end(database: &Database<'_>, ending: &Ending) -> Result<Vec<Session>, Undone<Infallible>> {
    let user = uuid(ending.user.as_bytes());
    if database.row(HOLD_SET, &[&user]).await?.is_none() {
        database.execute(FIRST_VERSION, &[&user]).await?;
        database.row(HOLD_SET, &[&user]).await?;
    }
    let which = ending.which;
    let ended = end_those(database, ending.user, |id| which.includes(id), ending.reason, ending.now).await?;
    if !ended.is_empty() || !matches!(which, Which::One(_)) {
        database.execute(NEXT_VERSION, &[&user]).await?;
    }
    Ok(ended)
}

/// Ends the user's live sessions that are meant, and returns them as they are now.
async fn end_those(
    database: &Database<'_>,
    user: UserId,
    meant: impl Fn(SessionId) -> bool,
    reason: EndReason,
    now: Timestamp,
) -> Result<Vec<Session>, Trouble> {
    let key = uuid(user.as_bytes());
    let mut ended: Vec<Session> = of_rows(&database.rows(LIVE, &[&key, &now.as_millis()]).await?)?;
    ended.retain(|session| meant(session.id));
    for session in &mut ended {
        session.ended = Some(Ended { reason, at: now });
        let columns: Params<'_> = &[&key, &&session.token.as_bytes()[..], &now.as_millis(), &to_body(session)?];
        database.execute(END, columns).await?;
    }
    Ok(ended)
}

fn of_rows(rows: &[Row]) -> Result<Vec<Session>, Trouble> {
    rows.iter().map(|row| by_id("sessions", row)).collect()
}
