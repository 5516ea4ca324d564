//! Sessions (OWASP ASVS V7): opened by a completed login, checked with one read, ended at once everywhere.
//!
//! ```text
//! open ─▶ live ──┬─ touch, prove, extend (up to max_lifetime) ─▶ live
//!                ├─ absolute lifetime over ─▶ expired
//!                ├─ idle too long ─────────▶ idle
//!                └─ log out, revoke, takeover, … ─▶ ended, with the reason kept for the ended browser
//! ```

mod check;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::check::ProofRefusal;
use crate::client::Client;
pub use crate::id::SessionId;
use crate::keypair::AccessKey;
use crate::revision::Revision;
use crate::time::Timestamp;
use crate::token::{Digest, SessionToken};
use crate::user::UserId;

/// One logged-in browser or program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Session {
    /// Names the session to its owner; no secret.
    pub id: SessionId,
    /// Counts the changes of this session.
    pub revision: Revision,
    /// Whose session it is.
    pub user: UserId,
    /// The digest of its token.
    pub token: Digest,
    /// How its owner logged in.
    pub mode: SessionMode,
    /// The keypair that it was logged in with: it works as long as that one does.
    #[serde(default)]
    pub keypair: Option<AccessKey>,
    /// Where it was opened from.
    pub client: Client,
    /// When it was opened.
    pub started_at: Timestamp,
    /// When it ends by itself, unless extended.
    pub expires_at: Timestamp,
    /// When its token was last checked, as coarse as `touch_every`.
    pub last_seen_at: Timestamp,
    /// When its owner last gave a password or code.
    pub proved_at: Timestamp,
    /// When it ends if it isn't used, by the idle limit of its last use: a longer one since doesn't revive it.
    #[serde(default)]
    pub idle_until: Option<Timestamp>,
    /// Set once it was ended before its time.
    pub ended: Option<Ended>,
}

/// How a session's owner logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionMode {
    /// As a person: password or single sign-on.
    Session,
    /// As a program: with a keypair.
    Api,
}

impl SessionMode {
    /// The stable name: `session` or `api`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Api => "api",
        }
    }
}

/// Why and when a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// When.
    pub at: Timestamp,
}

/// Why a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// Its owner logged out.
    LoggedOut,
    /// Its owner or an administrator ended it from a list.
    Revoked,
    /// A new login of the same account took its place.
    TakenOver,
    /// The account was disabled or deleted.
    AccountClosed,
    /// The password was changed or reset.
    PasswordChanged,
    /// One-time passwords were switched off or reset.
    TotpRemoved,
    /// A change of the e-mail address was undone.
    EmailRestored,
}

impl EndReason {
    /// All reasons.
    pub const ALL: &[Self] = &[
        Self::LoggedOut,
        Self::Revoked,
        Self::TakenOver,
        Self::AccountClosed,
        Self::PasswordChanged,
        Self::TotpRemoved,
        Self::EmailRestored,
    ];

    /// The stable name, as in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Revoked => "revoked",
            Self::TakenOver => "taken_over",
            Self::AccountClosed => "account_closed",
            Self::PasswordChanged => "password_changed",
            Self::TotpRemoved => "totp_removed",
            Self::EmailRestored => "email_restored",
        }
    }
}

/// Why a session token isn't accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionRefusal {
    /// There is no such session: log in.
    #[error("a session is required: log in")]
    Required,
    /// Its absolute lifetime is over: log in again.
    #[error("the session has expired: log in again")]
    Expired,
    /// It wasn't used for too long: log in again.
    #[error("the session was idle for too long: log in again")]
    Idle,
    /// It was logged out or revoked: log in again.
    #[error("the session was ended: log in again")]
    Ended,
    /// A newer login of the same account took its place.
    #[error("the session was ended by a login elsewhere")]
    EndedElsewhere,
    /// It can't be extended any further, or the policy doesn't allow it.
    #[error("the session can't be extended: log in again when it ends")]
    NotExtendable,
    /// The change asks for the password or a code again first.
    #[error("give your password again first")]
    ProofRequired,
    /// No session of that id is the caller's.
    #[error("no such session")]
    NotFound,
}

impl SessionRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Required => "session_required",
            Self::Expired => "session_expired",
            Self::Idle => "session_idle",
            Self::Ended => "session_ended",
            Self::EndedElsewhere => "session_ended_elsewhere",
            Self::NotExtendable => "not_extendable",
            Self::ProofRequired => "proof_required",
            Self::NotFound => "not_found",
        }
    }
}

/// A session about to be opened.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    pub(crate) mode: SessionMode,
    pub(crate) keypair: Option<AccessKey>,
    pub(crate) client: Client,
    pub(crate) proved_at: Timestamp,
}

impl Session {
    /// How long an ended or expired session is remembered, so that its browser can be told why.
    pub const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);

    pub(crate) fn open(opening: Opening, token: &SessionToken, policy: &SessionPolicy, now: Timestamp) -> Self {
        Self {
            id: opening.id,
            revision: Revision::FIRST,
            user: opening.user,
            token: token.digest(),
            mode: opening.mode,
            keypair: opening.keypair,
            client: opening.client,
            started_at: now,
            expires_at: now.after(policy.lifetime.min(policy.max_lifetime)),
            last_seen_at: now,
            proved_at: opening.proved_at,
            idle_until: policy.idle.map(|idle| now.after(idle)),
            ended: None,
        }
    }

    /// The same session under another id and token, to go on in its place: it ends when it would have.
    pub(crate) fn renewed(&self, id: SessionId, token: &SessionToken, now: Timestamp) -> Self {
        let (revision, token) = (Revision::FIRST, token.digest());
        Self { id, revision, token, last_seen_at: now, proved_at: now, ..self.clone() }
    }

    /// Whether the session is accepted at `now`, and if not, why.
    ///
    /// # Errors
    /// [`SessionRefusal::Ended`], [`EndedElsewhere`](SessionRefusal::EndedElsewhere),
    /// [`Expired`](SessionRefusal::Expired) or [`Idle`](SessionRefusal::Idle).
    pub fn standing(&self, policy: &SessionPolicy, now: Timestamp) -> Result<(), SessionRefusal> {
        if let Some(ended) = self.ended {
            return Err(match ended.reason {
                EndReason::TakenOver => SessionRefusal::EndedElsewhere,
                EndReason::LoggedOut
                | EndReason::Revoked
                | EndReason::AccountClosed
                | EndReason::PasswordChanged
                | EndReason::TotpRemoved
                | EndReason::EmailRestored => SessionRefusal::Ended,
            });
        }
        if self.expires_at <= now {
            return Err(SessionRefusal::Expired);
        }
        match self.idle_expires_at(policy) {
            Some(at) if at <= now => Err(SessionRefusal::Idle),
            _ => Ok(()),
        }
    }

    /// When the session ends if it isn't used; `None` without an idle limit.
    pub fn idle_expires_at(&self, policy: &SessionPolicy) -> Option<Timestamp> {
        let by_policy = policy.idle.map(|idle| self.last_seen_at.after(idle));
        self.idle_until.into_iter().chain(by_policy).min()
    }

    fn used(self, policy: &SessionPolicy, now: Timestamp) -> Self {
        Self { last_seen_at: now, idle_until: policy.idle.map(|idle| now.after(idle)), ..self }
    }

    /// Starts the session's timer again, up to `max_lifetime` after it was opened.
    ///
    /// # Errors
    /// [`SessionRefusal::NotExtendable`] if the policy doesn't allow it or nothing is left to gain.
    pub fn extend(mut self, policy: &SessionPolicy, now: Timestamp) -> Result<Self, SessionRefusal> {
        let until = now.after(policy.lifetime).min(self.started_at.after(policy.max_lifetime));
        if !policy.extendable || until <= self.expires_at {
            return Err(SessionRefusal::NotExtendable);
        }
        self.expires_at = until;
        Ok(self.used(policy, now))
    }

    /// Whether [`Session::extend`] can still gain anything later.
    pub fn is_extendable(&self, policy: &SessionPolicy) -> bool {
        policy.extendable && self.expires_at < self.started_at.after(policy.max_lifetime)
    }

    /// The session with `last_seen_at` moved to `now`, if that is due.
    pub(crate) fn touched(&self, policy: &SessionPolicy, now: Timestamp) -> Option<Self> {
        // An idle limit bites at the exact second, so it is measured by the second.
        let every = policy.idle.map_or(policy.touch_every, |_| policy.touch_every.min(Duration::from_secs(1)));
        // Another limit than at its last use counts from this one.
        let other_limit = self.idle_until != policy.idle.map(|idle| self.last_seen_at.after(idle));
        (other_limit || self.last_seen_at.after(every) <= now).then(|| self.clone().used(policy, now))
    }

    /// Whether its owner gave a password or code recently enough for a sensitive change.
    pub(crate) fn is_freshly_proved(&self, policy: &SessionPolicy, now: Timestamp) -> bool {
        now < self.proved_at.after(policy.fresh_proof)
    }
}

/// What happens when a login would exceed the number of concurrent sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The user ends the live ones and goes on, or cancels.
    Ask,
    /// The login is refused with `session_limit`.
    Refuse,
    /// The oldest ones end.
    EndOldest,
    /// There is no limit.
    Allow,
}

/// The `[session]` section of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionPolicy {
    /// The absolute lifetime; `extend` starts it again.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub lifetime: Duration,
    /// Ends a session that isn't used for this long.
    #[serde(with = "crate::duration::or_off")]
    #[schemars(with = "String")]
    pub idle: Option<Duration>,
    /// Whether `extend` is allowed.
    pub extendable: bool,
    /// No extension passes this long after the login.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub max_lifetime: Duration,
    /// Live sessions of one account at a time, in session mode.
    pub max_concurrent: u32,
    /// Live sessions of one account at a time, logged in by keypair; the oldest ends.
    pub max_concurrent_api: u32,
    /// What happens when a login would exceed `max_concurrent`.
    pub on_conflict: OnConflict,
    /// Sensitive changes ask for the password or a code again after this long.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub fresh_proof: Duration,
    /// The time of last use is written at most this often; every second where an idle limit needs it.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub touch_every: Duration,
    /// How stale a cached check may be; `off`: every check reads the store.
    #[serde(with = "crate::duration::or_off")]
    #[schemars(with = "String")]
    pub cache: Option<Duration>,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(8 * 3_600),
            idle: None,
            extendable: true,
            max_lifetime: Duration::from_secs(7 * 86_400),
            max_concurrent: 1,
            max_concurrent_api: 10,
            on_conflict: OnConflict::Ask,
            fresh_proof: Duration::from_secs(600),
            touch_every: Duration::from_secs(60),
            cache: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn opened(policy: &SessionPolicy) -> Session {
        let opening = Opening {
            id: SessionId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            mode: SessionMode::Session,
            keypair: None,
            client: Client::default(),
            proved_at: at(0),
        };
        Session::open(opening, &SessionToken::generate([2; 16], &SystemRandom).unwrap(), policy, at(0))
    }

    #[test]
    fn se9_the_absolute_lifetime_bites_at_the_exact_second() {
        let policy = SessionPolicy::default();
        let session = opened(&policy);
        assert_eq!(session.standing(&policy, at(28_799)), Ok(()));
        assert_eq!(session.standing(&policy, at(28_800)), Err(SessionRefusal::Expired));
    }

    #[test]
    fn se9_an_idle_limit_bites_at_the_exact_second_after_the_last_use() {
        let policy = SessionPolicy { idle: Some(Duration::from_secs(100)), ..SessionPolicy::default() };
        let session = opened(&policy);
        assert_eq!(session.standing(&policy, at(99)), Ok(()));
        assert_eq!(session.standing(&policy, at(100)), Err(SessionRefusal::Idle));
        let touched = session.touched(&policy, at(50)).unwrap();
        assert_eq!(touched.standing(&policy, at(149)), Ok(()));
        assert_eq!(touched.standing(&policy, at(150)), Err(SessionRefusal::Idle));
    }

    #[test]
    fn se9_a_longer_idle_limit_revives_no_session_and_counts_from_the_next_use() {
        let idle = |seconds| SessionPolicy { idle: Some(Duration::from_secs(seconds)), ..SessionPolicy::default() };
        let (short, long, off) = (idle(100), idle(1_000), SessionPolicy::default());
        let session = opened(&short);
        for policy in [&short, &long, &off] {
            assert_eq!(session.standing(policy, at(99)), Ok(()));
            assert_eq!(session.standing(policy, at(100)), Err(SessionRefusal::Idle));
        }
        let used = session.touched(&long, at(50)).unwrap();
        assert_eq!(used.standing(&long, at(1_049)), Ok(()));
        assert_eq!(used.standing(&long, at(1_050)), Err(SessionRefusal::Idle));
        assert_eq!(used.standing(&short, at(150)), Err(SessionRefusal::Idle), "a shorter one bites at once");
        let used = session.touched(&off, at(1)).unwrap();
        assert_eq!(used.standing(&off, at(20_000)), Ok(()));
        assert!(used.touched(&off, at(2)).is_none());
    }

    #[test]
    fn last_use_is_written_at_most_every_touch_interval() {
        let policy = SessionPolicy::default();
        let session = opened(&policy);
        assert!(session.touched(&policy, at(59)).is_none());
        assert_eq!(session.touched(&policy, at(60)).unwrap().last_seen_at, at(60));
    }

    #[test]
    fn extension_starts_the_timer_again_but_never_passes_the_maximum() {
        let policy = SessionPolicy { max_lifetime: Duration::from_secs(10 * 3_600), ..SessionPolicy::default() };
        let session = opened(&policy).extend(&policy, at(3_600)).unwrap();
        assert_eq!(session.expires_at, at(9 * 3_600));
        let session = session.extend(&policy, at(4 * 3_600)).unwrap();
        assert_eq!(session.expires_at, at(10 * 3_600));
        assert!(!session.is_extendable(&policy));
        assert_eq!(session.extend(&policy, at(5 * 3_600)), Err(SessionRefusal::NotExtendable));
    }

    #[test]
    fn extension_can_be_switched_off() {
        let policy = SessionPolicy { extendable: false, ..SessionPolicy::default() };
        assert!(!opened(&policy).is_extendable(&policy));
        assert_eq!(opened(&policy).extend(&policy, at(60)), Err(SessionRefusal::NotExtendable));
    }

    #[test]
    fn an_ended_session_says_why() {
        let policy = SessionPolicy::default();
        for (reason, refusal) in [
            (EndReason::LoggedOut, SessionRefusal::Ended),
            (EndReason::Revoked, SessionRefusal::Ended),
            (EndReason::TakenOver, SessionRefusal::EndedElsewhere),
        ] {
            let session = Session { ended: Some(Ended { reason, at: at(1) }), ..opened(&policy) };
            assert_eq!(session.standing(&policy, at(1)), Err(refusal), "{reason:?}");
        }
    }

    #[test]
    fn a_proof_is_fresh_for_ten_minutes() {
        let policy = SessionPolicy::default();
        assert!(opened(&policy).is_freshly_proved(&policy, at(599)));
        assert!(!opened(&policy).is_freshly_proved(&policy, at(600)));
    }
}
