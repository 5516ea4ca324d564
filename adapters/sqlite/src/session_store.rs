//! Sessions: [`SessionStore`].

use async_trait::async_trait;
use doorwarden_core::error::Fault;
use doorwarden_core::session::{EndReason, Ended, Session, SessionId};
use doorwarden_core::store::{OpenError, SessionKey, SessionSet, SessionStore, Which};
use doorwarden_core::time::Timestamp;
use doorwarden_core::user::UserId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::SqliteStore;
use crate::commit::number;
use crate::fault::{Trouble, Undone};
use crate::record::{all, one, sql_limit, to_body};
use crate::schema::statements;

statements! {
    FIND = "SELECT id, body FROM sessions WHERE user = ?1 AND token = ?2";
    LIVE = "SELECT id, body FROM sessions WHERE user = ?1 AND ended = 0 AND over_at > ?2 ORDER BY started_at, id";
    VERSION = "SELECT version FROM session_sets WHERE user = ?1";
    FIRST_VERSION = "INSERT INTO session_sets (user, version) VALUES (?1, 0) ON CONFLICT DO NOTHING";
    NEXT_VERSION_AFTER = "UPDATE session_sets SET version = version + 1 WHERE user = ?1 AND version = ?2";
    NEXT_VERSION = "UPDATE session_sets SET version = version + 1 WHERE user = ?1";
    INSERT = "INSERT INTO sessions (user, token, id, revision, started_at, ended, over_at, body)
        VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7)";
    SAVE = "UPDATE sessions SET revision = ?4, over_at = ?5, body = ?6
        WHERE user = ?1 AND token = ?2 AND revision = ?3 AND ended = 0";
    END = "UPDATE sessions SET ended = 1, over_at = ?3, body = ?4
        WHERE user = ?1 AND token = ?2 AND ended = 0";
    SWEEP = "DELETE FROM sessions WHERE (user, token) IN
        (SELECT user, token FROM sessions WHERE over_at < ?1 ORDER BY over_at LIMIT ?2)";
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn open(
        &self,
        session: &Session,
        version: u64,
        ending: &[SessionId],
        now: Timestamp,
    ) -> Result<(), OpenError> {
        let (session, ending) = (session.clone(), ending.to_vec());
        let id = session.id;
        let opened = self.writer().run(move |c| open(c, &session, version, &ending, now)).await;
        opened.map_err(|undone| match undone {
            Undone::Refused(Stale) => OpenError::Stale,
            Undone::Trouble(trouble) => self.fault("opening session", id, trouble).into(),
        })
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, Fault> {
        self.read("loading session of user", key.user, |c| {
            one(c, "sessions", FIND, params![key.user.as_bytes(), key.token.as_bytes()])
        })
    }

    async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<SessionSet, Fault> {
        self.read("loading sessions of user", user, |c| {
            // One transaction: the version belongs to the list.
            let snapshot = c.unchecked_transaction()?;
            Ok(SessionSet { version: version_of(&snapshot, user)?, live: live(&snapshot, user, now)? })
        })
    }

    async fn save(&self, session: &Session) -> Result<bool, Fault> {
        if session.ended.is_some() {
            return Ok(false);
        }
        let read_at = session.revision;
        let mut next = session.clone();
        next.revision = read_at.next();
        self.write("saving session", next.id, move |c| {
            let columns = params![
                next.user.as_bytes(),
                next.token.as_bytes(),
                number(read_at),
                number(next.revision),
                next.expires_at.as_millis(),
                to_body(&next)?
            ];
            Ok(c.prepare_cached(SAVE)?.execute(columns)? == 1)
        })
        .await
    }

    async fn end(&self, user: UserId, which: Which, reason: EndReason, now: Timestamp) -> Result<Vec<Session>, Fault> {
        self.write("ending sessions of user", user, move |c| {
            let ended = end(c, user, |id| which.includes(id), reason, now)?;
            if !ended.is_empty() || !matches!(which, Which::One(_)) {
                c.prepare_cached(FIRST_VERSION)?.execute([user.as_bytes()])?;
                c.prepare_cached(NEXT_VERSION)?.execute([user.as_bytes()])?;
            }
            Ok(ended)
        })
        .await
    }

    async fn sweep(&self, before: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.write("sweeping", "sessions", move |c| {
            Ok(c.prepare_cached(SWEEP)?.execute(params![before.as_millis(), sql_limit(limit)])?)
        })
        .await
    }
}

/// The user's sessions have changed since the decision.
struct Stale;

fn open(
    connection: &Connection,
    session: &Session,
    version: u64,
    ending: &[SessionId],
    now: Timestamp,
) -> Result<(), Undone<Stale>> {
    let user = session.user.as_bytes();
    connection.prepare_cached(FIRST_VERSION)?.execute([user])?;
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    if connection.prepare_cached(NEXT_VERSION_AFTER)?.execute(params![user, version])? == 0 {
        return Err(Undone::Refused(Stale));
    }
    end(connection, session.user, |id| ending.contains(&id), EndReason::TakenOver, now)?;
    let columns = params![
        user,
        session.token.as_bytes(),
        session.id.as_bytes(),
        number(session.revision),
        session.started_at.as_millis(),
        session.expires_at.as_millis(),
        to_body(session)?
    ];
    connection.prepare_cached(INSERT)?.execute(columns)?;
    Ok(())
}

/// Ends the user's live sessions that are meant, and returns them as they are now.
fn end(
    connection: &Connection,
    user: UserId,
    meant: impl Fn(SessionId) -> bool,
    reason: EndReason,
    now: Timestamp,
) -> Result<Vec<Session>, Trouble> {
    let mut ended = live(connection, user, now)?;
    ended.retain(|session| meant(session.id));
    for session in &mut ended {
        session.ended = Some(Ended { reason, at: now });
        let columns = params![user.as_bytes(), session.token.as_bytes(), now.as_millis(), to_body(session)?];
        connection.prepare_cached(END)?.execute(columns)?;
    }
    Ok(ended)
}

fn live(connection: &Connection, user: UserId, now: Timestamp) -> Result<Vec<Session>, Trouble> {
    all(connection, "sessions", LIVE, params![user.as_bytes(), now.as_millis()])
}

fn version_of(connection: &Connection, user: UserId) -> Result<u64, Trouble> {
    let version = connection.prepare_cached(VERSION)?.query_row([user.as_bytes()], |row| row.get(0)).optional()?;
    Ok(version.map_or(0, i64::unsigned_abs))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use doorwarden_core::token::Digest;
    use futures_executor::block_on;
    use serde_json::json;

    use super::*;
    use crate::SqliteConfig;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const USER: UserId = UserId::from_bytes([7; 16]);

    fn store() -> (SqliteStore, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        (SqliteStore::open(&SqliteConfig::new(directory.path().join("w.db"))).unwrap(), directory)
    }

    fn session(number: u8) -> Session {
        let session = json!({
            "id": SessionId::from_bytes([number; 16]), "revision": 1, "user": USER, "token": Digest::of(&[number]),
            "mode": "session", "client": { "address": null, "user_agent": null }, "started_at": NOW,
            "expires_at": NOW.as_millis() + 1_000, "last_seen_at": NOW, "proved_at": NOW, "ended": null,
        });
        serde_json::from_value(session).unwrap()
    }

    fn open(store: &SqliteStore, number: u8, version: u64) {
        block_on(SessionStore::open(store, &session(number), version, &[], NOW)).unwrap();
    }

    #[test]
    fn se4_the_version_belongs_to_the_list_that_comes_with_it() {
        let (store, _directory) = store();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..250).for_each(|number| open(&store, number, number.into()));
                done.store(true, Ordering::SeqCst);
            });
            while !done.load(Ordering::SeqCst) {
                let set = block_on(store.sessions_of(USER, NOW)).unwrap();
                assert_eq!(set.version, set.live.len() as u64);
            }
        });
    }

    #[test]
    fn an_end_comes_by_ending_and_never_by_saving() {
        let (store, _directory) = store();
        open(&store, 1, 0);
        let ended = Some(Ended { reason: EndReason::LoggedOut, at: NOW });
        let mut session = session(1);
        session.ended = ended;
        assert!(!block_on(store.save(&session)).unwrap());
        let set = block_on(store.sessions_of(USER, NOW)).unwrap();
        assert_eq!((set.version, set.live.len()), (1, 1));
    }

    #[test]
    fn an_end_is_stored_in_the_columns_and_in_the_body() {
        let (store, _directory) = store();
        open(&store, 1, 0);
        let ended = block_on(store.end(USER, Which::All, EndReason::Revoked, NOW)).unwrap();
        let key = SessionKey { user: USER, token: Digest::of(&[1]) };
        assert_eq!(block_on(store.find(&key)).unwrap().as_ref(), ended.first());
        // Over at the end and not at the expiry.
        assert_eq!(block_on(SessionStore::sweep(&store, NOW, 10)).unwrap(), 0);
        let after = Timestamp::from_millis(NOW.as_millis() + 1);
        assert_eq!(block_on(SessionStore::sweep(&store, after, 10)).unwrap(), 1);
    }
}
