//! Sessions: [`SessionStore`].
//!
//! A version is drawn by chance for each change, so that none comes back: neither when a set is forgotten, nor when a
//! failover undoes the last changes.

use std::time::Duration;

use async_trait::async_trait;
use doorwarden_core::error::Fault;
use doorwarden_core::session::{EndReason, Ended, Session, SessionId};
use doorwarden_core::store::{OpenError, SessionKey, SessionSet, SessionStore, Which};
use doorwarden_core::time::Timestamp;
use doorwarden_core::token::Digest;
use doorwarden_core::user::UserId;

use crate::connections::{Link, chance};
use crate::fault::Trouble;
use crate::key::Partition;
use crate::record::{digits, from_revised, millis, revised, revision, scripts, time_to_live};
use crate::sweep::Sweep;
use crate::{GRACE, RedisStore, TRIES};

const LIVE: &str = "live";
const ENDED: &str = "ended";
const OVER: &str = "over";

/// The field of the version among the tokens, which have 32 bytes.
const VERSION: &[u8] = b"v";

scripts! {
    SESSIONS_OF = "sessions_of.lua";
    CHANGE = "change_sessions.lua";
    SAVE = "save_session.lua";
    SWEEP = "sweep_sessions.lua";
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn open(
        &self,
        session: &Session,
        version: u64,
        ending: &[SessionId],
        now: Timestamp,
    ) -> Result<(), OpenError> {
        let (session, ending, id) = (session.clone(), ending.to_vec(), session.id);
        let opened = self
            .call("opening session", id, |link| async move {
                let user = Sessions::of(session.user);
                user.change(&link, now, |set| {
                    if set.version != version {
                        return Decision::Refuse(Stale);
                    }
                    let end = set.end(|id| ending.contains(&id), Ended { reason: EndReason::TakenOver, at: now });
                    Decision::Change(end, Some(Box::new(session.clone())))
                })
                .await
            })
            .await?;
        opened.map(drop).map_err(|Stale| OpenError::Stale)
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, Fault> {
        let key = *key;
        self.call("loading session of user", key.user, |link| async move {
            let user = Sessions::of(key.user);
            let (live, ended) = (user.live(), user.ended(&key.token));
            let mut both = redis::Pipeline::new();
            both.cmd("HGET").arg(&live).arg(key.token.as_bytes());
            both.cmd("GET").arg(&ended);
            // What ends in between is found by the second.
            let (found, remembered): (Option<Vec<u8>>, Option<Vec<u8>>) = link.together(&both).await?;
            let found = found.map(|bytes| from_revised(&live, &bytes));
            found.or_else(|| remembered.map(|bytes| from_revised(&ended, &bytes))).transpose()
        })
        .await
    }

    async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<SessionSet, Fault> {
        self.call("loading sessions of user", user, |link| async move {
            let set = Sessions::of(user).load(&link).await?;
            Ok(SessionSet { version: set.version, live: set.live(now) })
        })
        .await
    }

    async fn save(&self, session: &Session) -> Result<bool, Fault> {
        if session.ended.is_some() {
            return Ok(false);
        }
        let (before, id) = (session.clone(), session.id);
        self.call("saving session", id, |link| async move {
            let user = Sessions::of(before.user);
            let mut next = before.clone();
            next.revision = before.revision.next();
            // The time of its last use is now or earlier.
            let kept = time_to_live(next.last_seen_at, next.expires_at.after(Session::REMEMBERED));
            let saved: u32 = SAVE
                .run(
                    &link,
                    &[&user.live(), &user.over()],
                    &[
                        next.token.as_bytes(),
                        &revision(&before),
                        &revised(&next)?,
                        &digits(next.expires_at.as_millis()),
                        next.user.as_bytes(),
                        &kept,
                    ],
                )
                .await?;
            Ok(saved == 1)
        })
        .await
    }

    async fn end(&self, user: UserId, which: Which, reason: EndReason, now: Timestamp) -> Result<Vec<Session>, Fault> {
        self.call("ending sessions of user", user, |link| async move {
            let sessions = Sessions::of(user);
            let ended = sessions.change(&link, now, |set| {
                let end = set.end(|id| which.includes(id), Ended { reason, at: now });
                if end.is_empty() && matches!(which, Which::One(_)) {
                    return Decision::Nothing;
                }
                Decision::<Stale>::Change(end, None)
            });
            Ok(ended.await?.unwrap_or_default())
        })
        .await
    }

    async fn sweep(&self, before: Timestamp, limit: usize) -> Result<usize, Fault> {
        let time = before.as_millis();
        self.call("sweeping", "sessions", |link| async move {
            let sweep = Sweep {
                index: vec![OVER.to_owned()],
                prefixes: &[LIVE, ENDED],
                due: format!("({time}"),
                script: &SWEEP,
            };
            sweep.run(&link, time, limit).await
        })
        .await
    }
}

/// The user's sessions have changed since the decision.
struct Stale;

/// What to do about a user's sessions.
enum Decision<R> {
    Refuse(R),
    Nothing,
    /// These end, and that one opens.
    Change(Vec<Session>, Option<Box<Session>>),
}

/// The sessions of a user that weren't ended, be it that they have expired.
struct Set {
    version: u64,
    sessions: Vec<Session>,
}

impl Set {
    fn live(&self, now: Timestamp) -> Vec<Session> {
        let mut live: Vec<Session> = self.sessions.iter().filter(|session| now < session.expires_at).cloned().collect();
        live.sort_by_key(|session| (session.started_at, session.id));
        live
    }

    /// Those live ones that are meant, as they are once they are ended.
    fn end(&self, meant: impl Fn(SessionId) -> bool, ended: Ended) -> Vec<Session> {
        let mut end = self.live(ended.at);
        end.retain(|session| meant(session.id));
        end.iter_mut().for_each(|session| session.ended = Some(ended));
        end
    }
}

/// Where the sessions of a user are.
struct Sessions {
    user: UserId,
    partition: Partition,
}

impl Sessions {
    fn of(user: UserId) -> Self {
        Self { user, partition: Partition::of(user.as_bytes()) }
    }

    fn live(&self) -> Vec<u8> {
        self.partition.key_of(LIVE, &[self.user.as_bytes()])
    }

    fn ended(&self, token: &Digest) -> Vec<u8> {
        self.partition.key_of(ENDED, &[self.user.as_bytes(), token.as_bytes()])
    }

    fn over(&self) -> Vec<u8> {
        self.partition.key(OVER)
    }

    async fn load(&self, link: &Link) -> Result<Set, Trouble> {
        let live = self.live();
        let never_was = digits(new_version()?);
        let fields: Vec<(Vec<u8>, Vec<u8>)> =
            SESSIONS_OF.run(link, &[&live], &[&never_was, &digits(millis(GRACE))]).await?;
        let mut set = Set { version: 0, sessions: Vec::new() };
        for (field, value) in fields {
            if field == VERSION {
                set.version = std::str::from_utf8(&value).ok().and_then(|v| v.parse().ok()).ok_or(Trouble::Strange)?;
            } else {
                set.sessions.push(from_revised(&live, &value)?);
            }
        }
        Ok(set)
    }

    /// Decides on the set and applies the decision, as often as another process changes the set in between.
    async fn change<R>(
        &self,
        link: &Link,
        now: Timestamp,
        decide: impl Fn(&Set) -> Decision<R>,
    ) -> Result<Result<Vec<Session>, R>, Trouble> {
        let _queue = link.queue(Digest::of(self.user.as_bytes()).as_bytes()).await;
        for _ in 0..TRIES {
            let set = self.load(link).await?;
            let (ended, opened) = match decide(&set) {
                Decision::Refuse(refused) => return Ok(Err(refused)),
                Decision::Nothing => return Ok(Ok(Vec::new())),
                Decision::Change(ended, opened) => (ended, opened),
            };
            if self.apply(link, set.version, &ended, opened.as_deref(), now).await? {
                return Ok(Ok(ended));
            }
            tokio::time::sleep(chance(Duration::from_millis(5))?).await;
        }
        Err(Trouble::Outrun)
    }

    async fn apply(
        &self,
        link: &Link,
        version: u64,
        ended: &[Session],
        opened: Option<&Session>,
        now: Timestamp,
    ) -> Result<bool, Trouble> {
        let mut keys = vec![self.live(), self.over()];
        let mut arguments = vec![digits(version), digits(new_version()?), self.user.as_bytes().to_vec()];
        for session in ended {
            keys.push(self.ended(&session.token));
            let (token, at) = (session.token.as_bytes().to_vec(), digits(now.as_millis()));
            let kept = digits(millis(Session::REMEMBERED + GRACE));
            arguments.extend([token, revision(session), revised(session)?, at, kept]);
        }
        if let Some(session) = opened {
            let (token, expires_at) = (session.token.as_bytes().to_vec(), session.expires_at);
            let kept = time_to_live(now, expires_at.after(Session::REMEMBERED));
            arguments.extend([token, revised(session)?, digits(expires_at.as_millis()), kept]);
        }
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let done: String = CHANGE.run(link, &keys, &arguments).await?;
        Ok(done == "done")
    }
}

fn new_version() -> Result<u64, Trouble> {
    getrandom::u64().map_err(|_| Trouble::NoChance)
}
