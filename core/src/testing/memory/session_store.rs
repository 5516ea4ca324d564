//! Sessions in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::error::Fault;
use crate::session::{EndReason, Ended, Session, SessionId};
use crate::store::{OpenError, SessionKey, SessionSet, SessionStore, Which};
use crate::time::Timestamp;
use crate::token::Digest;
use crate::user::UserId;

pub(super) type Sessions = BTreeMap<UserId, Partition>;

/// All that is one user's. It stays when its last session is forgotten: a version that came back would let a login
/// that was decided before a password change open its session after it.
#[derive(Debug, Default)]
pub(super) struct Partition {
    version: u64,
    sessions: BTreeMap<Digest, Session>,
}

impl Partition {
    fn live(&self, now: Timestamp) -> Vec<Session> {
        let mut live: Vec<Session> = self.sessions.values().filter(|s| is_live(s, now)).cloned().collect();
        live.sort_by_key(|session| (session.started_at, session.id));
        live
    }

    fn end(&mut self, which: impl Fn(SessionId) -> bool, ended: Ended) -> Vec<Session> {
        let chosen = self.sessions.values_mut().filter(|s| is_live(s, ended.at) && which(s.id));
        let end = |session: &mut Session| {
            session.ended = Some(ended);
            session.clone()
        };
        chosen.map(end).collect()
    }
}

fn is_live(session: &Session, now: Timestamp) -> bool {
    session.ended.is_none() && now < session.expires_at
}

/// When the session ended or will by itself.
fn end_of(session: &Session) -> Timestamp {
    session.ended.map_or(session.expires_at, |ended| ended.at)
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn open(
        &self,
        session: &Session,
        version: u64,
        ending: &[SessionId],
        now: Timestamp,
    ) -> Result<(), OpenError> {
        let mut state = self.state();
        let partition = state.sessions.entry(session.user).or_default();
        if partition.version != version {
            return Err(OpenError::Stale);
        }
        partition.version += 1;
        partition.end(|id| ending.contains(&id), Ended { reason: EndReason::TakenOver, at: now });
        partition.sessions.insert(session.token, session.clone());
        Ok(())
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, Fault> {
        Ok(self.state().sessions.get(&key.user).and_then(|p| p.sessions.get(&key.token)).cloned())
    }

    async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<SessionSet, Fault> {
        let state = self.state();
        let set = state.sessions.get(&user).map(|p| SessionSet { version: p.version, live: p.live(now) });
        Ok(set.unwrap_or(SessionSet { version: 0, live: Vec::new() }))
    }

    async fn save(&self, session: &Session) -> Result<bool, Fault> {
        let mut state = self.state();
        let stored = state.sessions.get_mut(&session.user).and_then(|p| p.sessions.get_mut(&session.token));
        let Some(stored) = stored.filter(|s| s.ended.is_none() && s.revision == session.revision) else {
            return Ok(false);
        };
        *stored = Session { revision: session.revision.next(), ..session.clone() };
        Ok(true)
    }

    async fn end(&self, user: UserId, which: Which, reason: EndReason, now: Timestamp) -> Result<Vec<Session>, Fault> {
        let mut state = self.state();
        let partition = state.sessions.entry(user).or_default();
        let chosen = |id| match which {
            Which::One(one) => id == one,
            Which::AllBut(kept) => id != kept,
            Which::All => true,
        };
        let ended = partition.end(chosen, Ended { reason, at: now });
        if !ended.is_empty() || !matches!(which, Which::One(_)) {
            partition.version += 1;
        }
        Ok(ended)
    }

    async fn sweep(&self, before: Timestamp, limit: usize) -> Result<usize, Fault> {
        let mut state = self.state();
        let all = state.sessions.iter().flat_map(|(user, p)| p.sessions.values().map(|session| (*user, session)));
        let over = all.filter(|(_, session)| end_of(session) < before);
        let keys: Vec<(UserId, Digest)> = over.map(|(user, session)| (user, session.token)).take(limit).collect();
        for (user, token) in &keys {
            state.sessions.entry(*user).or_default().sessions.remove(token);
        }
        Ok(keys.len())
    }
}
