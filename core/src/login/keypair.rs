//! Logging in as a program: an access key and a secret key, charged to the access key's own counter.
//!
//! A keypair is a credential of its own: it isn't asked for a code (it can only be made in a session that passed one),
//! nor for another password, and no program accepts documents for its owner; the owner's next login is asked for all of
//! them. Whether the account and the keypair still stand is looked at by every check of the session.

use crate::audit::AuditName;
use crate::client::Client;
use crate::engine::Engine;
use crate::error::{Failure, Fault};
use crate::guess::{Guesser, TestedBy};
use crate::keypair::{AccessKey, Keypair, SecretKey};
use crate::known_browser::BrowserStanding;
use crate::lockout::{GuessKind, LockoutSubject, Verdict};
use crate::login::{LoginProgress, LoginRefusal, LoginStep};
use crate::session::SessionMode;
use crate::store::UserKey;
use crate::time::Timestamp;
use crate::user::{User, UserId, UserStatus};

/// What a program gives to log in.
#[derive(Debug, Clone)]
pub struct KeypairLogin {
    /// The public half, as it was sent.
    pub access_key: String,
    /// The secret half.
    pub secret_key: SecretKey,
    /// Where the request comes from.
    pub client: Client,
}

/// A keypair that somebody named, beside its owner and its secret; where there is none, what costs as much.
#[derive(Debug)]
pub(crate) struct NamedKeypair {
    pub(crate) found: Option<(Keypair, User)>,
    pub(crate) secret: SecretKey,
}

impl NamedKeypair {
    /// The keypair and its owner if `proved` and both stand; else the rule that refuses, for the trail alone.
    pub(crate) fn judge(self, proved: bool, now: Timestamp) -> Result<(Keypair, User), &'static str> {
        let (keypair, user) = self.found.filter(|_| proved).ok_or("invalid_credentials")?;
        keypair.standing(now).map_err(|flaw| flaw.name())?;
        if user.status == UserStatus::Disabled {
            return Err("user.status");
        }
        Ok((keypair, user))
    }
}

impl Engine {
    /// Logs in with a keypair; of sessions logged in so, the oldest ends where there would be too many.
    ///
    /// # Errors
    /// [`LoginRefusal::InvalidCredentials`], whatever the cause; [`LockedOut`](LoginRefusal::LockedOut),
    /// [`ModeDisabled`](LoginRefusal::ModeDisabled) or [`Busy`](LoginRefusal::Busy).
    pub async fn login_with_keypair(&self, request: KeypairLogin) -> Result<LoginStep, Failure<LoginRefusal>> {
        self.counted(async {
            if !self.policy().login.modes.contains(&SessionMode::Api) {
                return Err(Failure::Refused(LoginRefusal::ModeDisabled));
            }
            let KeypairLogin { access_key, secret_key, client } = request;
            let read = AccessKey::parse(&access_key).ok();
            let known = match &read {
                Some(key) => self.directory().keypair(key).await?,
                None => None,
            };
            let who = self.guesser_at_keypair(&access_key, known.as_ref());
            let guess = self.charge(&who, &client).await.map_err(|f| f.map(LoginRefusal::from))?;
            let named = match self.named_keypair(read.as_ref()).await {
                Ok(named) => named,
                Err(fault) => {
                    self.settle(guess, Verdict::Withdrawn).await?;
                    return Err(fault.into());
                }
            };
            let proved = named.secret.equals(&secret_key);
            match named.judge(proved, self.now()) {
                Ok((keypair, user)) => {
                    self.touch_keypair(&keypair).await;
                    let progress = LoginProgress {
                        user: user.id,
                        mode: SessionMode::Api,
                        keypair: Some(keypair.access_key),
                        client,
                        password_at: Timestamp::default(),
                        password_set_at: user.password_changed_at,
                        second_factor_at: None,
                        browser: BrowserStanding::Forgetful,
                        awaits: None,
                    };
                    self.advance(progress, None, Some(guess)).await
                }
                Err(rule) => {
                    let settled = self.settle(guess, Verdict::Failed).await?;
                    let event = who.sign(self.event(AuditName::LoginFailed, &client)?).refused_by(rule);
                    let event =
                        event.with("mode", SessionMode::Api.name()).with("failures_before", settled.failures_before);
                    self.record([event.with("code", LoginRefusal::InvalidCredentials.code())]).await?;
                    Err(Failure::Refused(LoginRefusal::InvalidCredentials))
                }
            }
        })
        .await
    }

    /// Whose counter a guess at a secret key is charged to. One of an access key that doesn't exist may be forgotten,
    /// or whoever invents them fills the store.
    fn guesser_at_keypair(&self, access_key: &str, keypair: Option<&Keypair>) -> Guesser {
        let digest = self.keys().fingerprint("access key", &[access_key.as_bytes()]);
        let (kind, tested_by) = (GuessKind::Password, TestedBy::Comparison);
        match keypair {
            Some(Keypair { user, access_key, .. }) => {
                let (subject, named) = (self.counter_of(access_key), Some(access_key.to_string()));
                Guesser { subject, kind, tested_by, user: Some(*user), named }
            }
            None => {
                let (subject, named) = (LockoutSubject::Unknown(digest), Some(String::from(digest)));
                Guesser { subject, kind, tested_by, user: None, named }
            }
        }
    }

    /// The counter of guesses at an access key's secret.
    pub(crate) fn counter_of(&self, access_key: &AccessKey) -> LockoutSubject {
        LockoutSubject::AccessKey(self.keys().fingerprint("access key", &[access_key.as_str().as_bytes()]))
    }

    /// Loads a keypair with its owner and opens its secret; for one that doesn't exist it does the same with another.
    pub(crate) async fn named_keypair(&self, access_key: Option<&AccessKey>) -> Result<NamedKeypair, Fault> {
        let keypair = match access_key {
            Some(key) => self.directory().keypair(key).await?,
            None => None,
        };
        let owner = keypair.as_ref().map_or(UserId::from_bytes([0; 16]), |keypair| keypair.user);
        let user = self.directory().user(UserKey::Id(owner)).await?;
        let decoy = Keypair::issue(owner, Default::default(), self.keys(), self.now(), self.random())?;
        let secret = keypair.as_ref().unwrap_or(&decoy.keypair).open(self.keys())?;
        Ok(NamedKeypair { found: keypair.zip(user), secret })
    }
}
