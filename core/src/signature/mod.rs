//! Signed requests: a program proves with each request that it holds a keypair's secret key, without any session.
//!
//! ```text
//! read (scheme: form, body digest) ─▶ keypair, owner, secret ─▶ signature ─▶ keypair and owner stand ─▶ time
//!                                                                                                     │
//!                                              the nonce is spent, once for all processes ◀───────────┘
//! ```
//!
//! The scheme is a [`RequestSignature`]; [`HttpMessageSignature`] (RFC 9421) is the one that the engine starts with. A
//! nonce is spent only after the signature proved right, so that nobody else can spend it. Every refusal is one answer.
//!
//! This is the one test of a secret that doesn't pass the gate in `guess.rs`: a secret key is drawn from 238 bits, so no
//! number of guesses comes near it, and a counter would let strangers restrict a program by its public access key.

mod rfc9421;

use std::fmt;
use std::time::Duration;

pub use self::rfc9421::HttpMessageSignature;
use crate::audit::{AuditEvent, AuditName};
use crate::client::Client;
use crate::engine::Engine;
use crate::error::{Failure, Fault};
use crate::keypair::{AccessKey, Keypair, SecretKey};
use crate::policy::PublicUrl;
use crate::rate::{Admission, RateKey, RateLimit};
use crate::revision::Revision;
use crate::session::{Session, SessionId, SessionMode};
use crate::spent_mark::{MarkKind, Spent, SpentMark};
use crate::time::Timestamp;
use crate::token::{Digest, SessionToken};
use crate::user::{User, UserId};

/// A request as it was received, before anything of it is parsed or decoded.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method, as it was sent.
    pub method: &'a str,
    /// The path, as it was sent: nothing decoded, nothing joined.
    pub path: &'a str,
    /// What stands behind the `?`, as it was sent; `None` without one.
    pub query: Option<&'a str>,
    /// All header fields in their order, names in lower case.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body's bytes.
    pub body: &'a [u8],
}

impl<'a> SignedRequest<'a> {
    /// The value of a field that is there once; `None` if it isn't there.
    ///
    /// # Errors
    /// [`InvalidSignature`] if it is there more often: what is said twice is read differently by two readers.
    pub fn field(&self, name: &str) -> Result<Option<&'a [u8]>, InvalidSignature> {
        let mut values = self.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value);
        let first = values.next();
        if values.next().is_some() { Err(InvalidSignature) } else { Ok(first) }
    }

    /// Whether there is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| *known == name)
    }
}

/// The signature isn't accepted, whatever the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request's signature isn't accepted")]
pub struct InvalidSignature;

impl InvalidSignature {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        "invalid_signature"
    }
}

/// What a signed request claims; nothing of it is proved before `check` says so.
pub struct Claim {
    /// Whose request it says it is.
    pub access_key: AccessKey,
    /// When it says that it was signed.
    pub created_at: Timestamp,
    /// What is accepted once from this access key: the nonce, or where a scheme has none, the signature itself.
    pub nonce: Vec<u8>,
    /// Whether the signature was made with that secret key, in a time that doesn't depend on how nearly it fits.
    pub check: Box<dyn Fn(&SecretKey) -> bool + Send + Sync>,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access_key, created_at, .. } = self;
        f.debug_struct("Claim").field("access_key", access_key).field("created_at", created_at).finish_non_exhaustive()
    }
}

/// A scheme by which requests are signed.
///
/// An implementation promises:
/// 1. `read` refuses a request whose body isn't the one that was signed, and two requests that differ in method, path,
///    query, host, body or a covered field never have one signing string.
/// 2. The algorithm is the scheme's; nothing in the request chooses it.
/// 3. Neither method panics, whatever the request holds.
pub trait RequestSignature: Send + Sync + fmt::Debug {
    /// Whether the request is signed by this scheme, well or badly.
    fn is_carried_by(&self, request: &SignedRequest<'_>) -> bool;

    /// Reads what the request claims.
    ///
    /// # Errors
    /// [`InvalidSignature`] unless it has exactly the scheme's form.
    fn read(&self, request: &SignedRequest<'_>, public_url: &PublicUrl) -> Result<Claim, InvalidSignature>;
}

/// Whose signed request it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignedBy {
    /// The keypair's owner.
    pub user: User,
    /// The keypair that signed it.
    pub keypair: Keypair,
    /// What stands for a session where the engine asks for one: a program's, never freshly proved, in no store. No
    /// token opens it.
    pub session: Session,
}

/// Why a claim isn't accepted, for the trail alone.
const FORM: &str = "signature.form";
const WRONG: &str = "signature.wrong";
const WRONG_TIME: &str = "keypairs.clock_skew";
const REPLAYED: &str = "signature.replayed";
const BEFORE_MEMORY: &str = "signature.before_memory";

fn is_timely(created_at: Timestamp, skew: Duration, now: Timestamp) -> bool {
    now.before(skew) <= created_at && created_at <= now.after(skew)
}

impl Engine {
    /// Whether a request is signed, well or badly; its body may be left out.
    pub fn carries_signature(&self, request: &SignedRequest<'_>) -> bool {
        self.request_signature().is_carried_by(request)
    }

    /// Whose signed request it is; `None` if it isn't signed. A second call with the same request is refused.
    ///
    /// # Errors
    /// [`InvalidSignature`], whatever the cause.
    pub async fn check_signed_request(
        &self,
        request: &SignedRequest<'_>,
        client: &Client,
    ) -> Result<Option<SignedBy>, Failure<InvalidSignature>> {
        if !self.carries_signature(request) {
            return Ok(None);
        }
        let policy = self.policy();
        let Ok(claim) = self.request_signature().read(request, &policy.public_url) else {
            self.note_refused(None, None, FORM, client).await?;
            return Err(Failure::Refused(InvalidSignature));
        };
        let named = self.named_keypair(Some(&claim.access_key)).await?;
        let owner = named.found.as_ref().map(|(keypair, _)| keypair.user);
        let proved = (claim.check)(&named.secret);
        let now = self.now();
        let timely = is_timely(claim.created_at, policy.keypairs.clock_skew, now);
        let accepted = match named.judge(proved, now) {
            Ok(signed) if timely => self.spend_nonce(&claim).await?.map(|()| signed),
            Ok(_) => Err(WRONG_TIME),
            Err(_) if owner.is_none() || !proved => Err(WRONG),
            Err(rule) => Err(rule),
        };
        match accepted {
            Ok((keypair, user)) => {
                self.touch_keypair(&keypair).await;
                let session = self.session_of_request(&keypair, client)?;
                Ok(Some(SignedBy { user, keypair, session }))
            }
            Err(rule) => {
                self.note_refused(Some(&claim.access_key), owner, rule, client).await?;
                Err(Failure::Refused(InvalidSignature))
            }
        }
    }

    fn session_of_request(&self, keypair: &Keypair, client: &Client) -> Result<Session, Fault> {
        let now = self.now();
        Ok(Session {
            id: SessionId::generate(now, self.random())?,
            revision: Revision::FIRST,
            user: keypair.user,
            token: SessionToken::generate(*keypair.user.as_bytes(), self.random())?.digest(),
            mode: SessionMode::Api,
            keypair: Some(keypair.access_key.clone()),
            client: client.clone(),
            started_at: now,
            expires_at: now,
            last_seen_at: now,
            proved_at: Timestamp::default(),
            idle_until: None,
            ended: None,
        })
    }

    /// Begins the store's memory of nonces where it hasn't begun: what is dated before that is refused, so it begins
    /// before anybody asks.
    pub(crate) async fn begin_to_remember_nonces(&self) -> Result<(), Fault> {
        let (now, nothing) = (self.now(), Digest::of(b"the beginning"));
        let mark = SpentMark { kind: MarkKind::RequestNonce, digest: nothing };
        self.tickets().spend(&mark, now, now).await.map(drop)
    }

    /// Spends the nonce of a request whose signature proved right.
    ///
    /// It is kept for as long as the request would be in time, by the clocks of both sides. What is older than the
    /// store's memory can't be known to be new.
    async fn spend_nonce(&self, claim: &Claim) -> Result<Result<(), &'static str>, Fault> {
        let (now, skew) = (self.now(), self.policy().keypairs.clock_skew);
        let digest = Digest::of(&[claim.access_key.as_str().as_bytes(), b"\0", &claim.nonce].concat());
        let mark = SpentMark { kind: MarkKind::RequestNonce, digest };
        let until = now.after(skew.saturating_mul(2)).after(Duration::from_secs(1));
        let spending = self.tickets().spend(&mark, until, now).await?;
        Ok(match spending.spent {
            Spent::Again => Err(REPLAYED),
            Spent::First if claim.created_at < spending.remembered_since => Err(BEFORE_MEMORY),
            Spent::First => Ok(()),
        })
    }

    /// Puts a refusal on the trail, one a minute from each network, so that nobody fills the disk with them.
    async fn note_refused(
        &self,
        access_key: Option<&AccessKey>,
        owner: Option<UserId>,
        rule: &'static str,
        client: &Client,
    ) -> Result<(), Fault> {
        const ONE_A_MINUTE: RateLimit = RateLimit { count: 1, window: Duration::from_secs(60) };
        let network = client.network().map(|network| network.to_string()).unwrap_or_default();
        let key = RateKey(self.keys().fingerprint("refused signature", &[network.as_bytes()]));
        if self.lockouts().admit(&key, &ONE_A_MINUTE, self.now()).await? != Admission::Admitted {
            return Ok(());
        }
        let event = self.event(AuditName::SignatureRefused, client)?.refused_by(rule);
        let event = event.with("access_key", access_key.map(AccessKey::as_str));
        self.record([AuditEvent { user: owner, ..event }]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f15_a_request_may_be_dated_a_quarter_of_an_hour_off_either_way() {
        let at = |seconds: i64| Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000);
        let skew = Duration::from_secs(900);
        for (created, timely) in [(-901, false), (-900, true), (0, true), (900, true), (901, false)] {
            assert_eq!(is_timely(at(created), skew, at(0)), timely, "{created}");
        }
    }
}
