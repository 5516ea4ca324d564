//! Browsers that have logged in to an account before: strangers' failures aren't theirs, so nobody locks the owner out
//! of a browser that the owner uses (OWASP ASVS 6.1.1).
//!
//! ```text
//! complete login, browser unknown ──▶ token to the browser, its digest on the account
//! any guess with that token        ──▶ charged to a counter of that browser and account, else to the account's
//! reset by mail                    ──▶ all are forgotten
//! ```
//!
//! A token opens nothing. Whoever steals one has that browser's counter, with the same rule, and no other's.

pub(crate) mod standing;

use subtle::ConstantTimeEq;

use crate::client::{Browser, Client};
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::Fault;
use crate::guess::Guesser;
pub use crate::known_browser::standing::{BrowserStanding, KnownBrowser};
use crate::lockout::{Forgiven, LockoutSubject};
use crate::store::{Change, CommitError, UserKey, Write};
use crate::time::Timestamp;
use crate::token::{BrowserToken, Digest};
use crate::totp::Totp;
use crate::user::{User, UserId};

impl User {
    fn knows(&self, token: &Digest, now: Timestamp) -> bool {
        let is_it = |known: &&KnownBrowser| bool::from(known.token.as_bytes().ct_eq(token.as_bytes()));
        self.known_browsers.iter().filter(is_it).any(|known| known.is_current(now))
    }

    /// The account with one more known browser, and those that had to go.
    fn knowing(mut self, token: Digest, now: Timestamp) -> (Self, Vec<Digest>) {
        self.known_browsers.push(KnownBrowser { token, since: now });
        let excess = self.known_browsers.len().saturating_sub(KnownBrowser::MOST);
        let mut gone: Vec<_> = self.known_browsers.drain(..excess).collect();
        gone.extend(self.known_browsers.extract_if(.., |known| !known.is_current(now)));
        (self, gone.into_iter().map(|known| known.token).collect())
    }
}

impl Engine {
    /// Whose counter a guess is charged to: a known browser's own, else the one of `who`.
    pub(crate) async fn counted_as(&self, who: &Guesser, client: &Client) -> Result<LockoutSubject, Fault> {
        let (LockoutSubject::Account(id), Browser::Showing { user: owner, token }) = (who.subject, client.browser)
        else {
            return Ok(who.subject);
        };
        if !self.policy().lockout.known_browser || owner != id {
            return Ok(who.subject);
        }
        let user = self.directory().user(UserKey::Id(id)).await?;
        let known = user.is_some_and(|user| user.knows(&token, self.now()));
        Ok(if known { LockoutSubject::KnownBrowser(id, token) } else { who.subject })
    }

    /// Where a login's browser stands, by the counter that its guess was charged to.
    pub(crate) fn browser_standing(&self, counted_as: LockoutSubject, client: &Client) -> BrowserStanding {
        match counted_as {
            LockoutSubject::KnownBrowser(_, token) => BrowserStanding::Known(token),
            _ if client.browser == Browser::Forgetful || !self.policy().lockout.known_browser => {
                BrowserStanding::Forgetful
            }
            _ => BrowserStanding::New,
        }
    }

    /// What a complete login leaves on the account, in one commit: no wrong codes, and the browser if it is new, whose
    /// token is returned.
    pub(crate) async fn note_completed(
        &self,
        id: UserId,
        browser: BrowserStanding,
    ) -> Result<Option<BrowserToken>, Fault> {
        let new = match browser {
            BrowserStanding::New => Some(BrowserToken::generate(*id.as_bytes(), self.random())?),
            BrowserStanding::Forgetful | BrowserStanding::Known(_) => None,
        };
        for _ in 0..DECISIONS {
            let Some(user) = self.directory().user(UserKey::Id(id)).await? else { return Ok(None) };
            let forgiven = user.totp.as_ref().and_then(Totp::forgiven);
            if forgiven.is_none() && new.is_none() {
                return Ok(None);
            }
            let user = User { totp: forgiven.or_else(|| user.totp.clone()), ..user };
            let (user, gone) = match &new {
                Some(token) => user.knowing(token.digest(), self.now()),
                None => (user, Vec::new()),
            };
            match self.directory().commit(&[Change::User(Write::Update(user))]).await {
                Ok(()) => {
                    for token in gone {
                        let counter = LockoutSubject::KnownBrowser(id, token);
                        self.lockouts().lift(&counter, Forgiven::All, self.now()).await?;
                    }
                    return Ok(new);
                }
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other)),
            }
        }
        Err(overtaken("noting the login of user", id))
    }

    /// All that counts failures of an account: for strangers, for each known browser and for each of its access keys.
    pub(crate) async fn counters_of(&self, user: &User) -> Result<Vec<LockoutSubject>, Fault> {
        let id = user.id;
        let browsers = user.known_browsers.iter().map(|known| LockoutSubject::KnownBrowser(id, known.token));
        let mut counters: Vec<_> = std::iter::once(LockoutSubject::Account(id)).chain(browsers).collect();
        let keypairs = self.all_keypairs(id).await?;
        counters.extend(keypairs.iter().map(|keypair| self.counter_of(&keypair.access_key)));
        Ok(counters)
    }

    /// Lifts what stands of an account's login, for strangers, known browsers and programs; whether anything stood.
    pub(crate) async fn lift_everywhere(&self, id: UserId) -> Result<bool, Fault> {
        let Some(user) = self.directory().user(UserKey::Id(id)).await? else { return Ok(false) };
        let mut stood = false;
        for counter in self.counters_of(&user).await? {
            stood |= self.lockouts().lift(&counter, Forgiven::All, self.now()).await?;
        }
        Ok(stood)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::email::Email;
    use crate::user::Role;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).after(Duration::from_secs(seconds))
    }

    fn user() -> User {
        User::new(UserId::from_bytes([1; 16]), Email::parse("ada@example.org").unwrap(), Role::user(), at(0))
    }

    #[test]
    fn a_browser_is_known_for_400_days() {
        let (user, _) = user().knowing(Digest::of(b"own"), at(0));
        let end = 400 * 86_400;
        for (token, second, known) in
            [(b"own", 0, true), (b"own", end - 1, true), (b"own", end, false), (b"oth", 0, false)]
        {
            assert_eq!(user.knows(&Digest::of(token), at(second)), known, "{second}");
        }
        let (later, gone) = user.knowing(Digest::of(b"new"), at(end));
        assert_eq!((later.known_browsers.len(), gone), (1, vec![Digest::of(b"own")]));
    }

    #[test]
    fn an_account_knows_ten_browsers_and_the_eleventh_displaces_the_oldest() {
        let mut account = user();
        for number in 0..10_u8 {
            let (known, gone) = account.knowing(Digest::of(&[number]), at(number.into()));
            assert!(gone.is_empty());
            account = known;
        }
        let (account, gone) = account.knowing(Digest::of(&[10]), at(10));
        assert_eq!((account.known_browsers.len(), gone), (10, vec![Digest::of(&[0])]));
        assert!(account.knows(&Digest::of(&[10]), at(10)) && !account.knows(&Digest::of(&[0]), at(10)));
    }

    #[test]
    fn an_account_stored_before_there_were_known_browsers_is_still_read() {
        let mut stored = serde_json::to_value(user()).unwrap();
        stored.as_object_mut().unwrap().remove("known_browsers").unwrap();
        assert_eq!(serde_json::from_value::<User>(stored).unwrap(), user());
    }
}
