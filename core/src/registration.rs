//! A pending registration: a sign-up whose address isn't proved yet. It holds nothing of the address, and no session,
//! keypair or second factor can hang on it; the first one proved becomes the user and the others lapse.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::email::Email;
use crate::engine::Engine;
use crate::error::Fault;
use crate::id::InvitationId;
pub use crate::id::RegistrationId;
use crate::password::{Password, PasswordHash};
use crate::seal::{SealKeys, Sealed};
use crate::time::Timestamp;
use crate::token::Digest;
use crate::user::{Acceptances, Role, User, UserId};
use crate::username::Username;

/// A sign-up that waits for its mail link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PendingRegistration {
    /// Names the registration on the trail; no secret.
    pub id: RegistrationId,
    /// The address to prove.
    pub email: Email,
    /// The chosen name, held until the registration is proved or lapses.
    pub username: Option<Username>,
    /// How the applicant wants to be called.
    pub full_name: Option<String>,
    /// The host's own sign-up fields, by name.
    pub fields: BTreeMap<String, String>,
    /// The verifier that the account will have.
    pub password: PasswordHash,
    /// Tells the chosen password without a second slow hash; see [`PendingRegistration::fingerprint`].
    pub fingerprint: Digest,
    /// What was accepted, and when.
    pub acceptances: Acceptances,
    /// The language of mails to the applicant.
    pub locale: Option<String>,
    /// The role that the account will have.
    pub role: Role,
    /// The invitation of which this registration holds a use, for as long as it is there and hasn't lapsed.
    #[serde(default)]
    pub invitation: Option<InvitationId>,
    /// The digest of the mail link's token.
    pub link: Digest,
    /// The token itself, sealed, so that the same link can be sent again.
    pub sealed_link: Sealed,
    /// Where the sign-up came from.
    pub client: Client,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When the link stops working and the name is free again.
    pub expires_at: Timestamp,
}

impl PendingRegistration {
    pub(crate) const LINK_SEALED_AS: &str = "registration link";
    const FINGERPRINTED_AS: &str = "pending registration";
    /// The newest this many of one address are alive; an older one is displaced.
    pub const ALIVE_PER_ADDRESS: usize = 8;

    /// HMAC-SHA-256 of the password under a key derived from the seal key, with the registration's id inside.
    ///
    /// Without the seal key it can't be computed, so the store alone gives no quick way to test passwords.
    pub fn fingerprint(keys: &SealKeys, id: RegistrationId, password: &Password) -> Digest {
        let prepared = password.prepared();
        let bytes = prepared.as_ref().map_or(password.expose(), |prepared| prepared.as_str()).as_bytes();
        keys.fingerprint(Self::FINGERPRINTED_AS, &[id.as_bytes(), bytes])
    }

    /// Whether `password` is the one that this registration chose, also under a seal key of before.
    pub fn chose(&self, keys: &SealKeys, password: &Password) -> bool {
        let prepared = password.prepared();
        let bytes = prepared.as_ref().map_or(password.expose(), |prepared| prepared.as_str()).as_bytes();
        keys.recognise(&self.fingerprint, Self::FINGERPRINTED_AS, &[self.id.as_bytes(), bytes])
    }

    /// Splits registrations of one address, newest first, into those alive at `now` and those to discard.
    pub fn alive(newest_first: Vec<Self>, now: Timestamp) -> (Vec<Self>, Vec<RegistrationId>) {
        let (live, lapsed): (Vec<_>, Vec<_>) = newest_first.into_iter().partition(|r| now < r.expires_at);
        let mut live = live.into_iter();
        let alive: Vec<_> = live.by_ref().take(Self::ALIVE_PER_ADDRESS).collect();
        (alive, lapsed.into_iter().chain(live).map(|r| r.id).collect())
    }

    /// The account that this registration becomes once its address is proved at `now`.
    pub fn into_user(self, id: UserId, now: Timestamp) -> User {
        User {
            email_verified_at: Some(now),
            username: self.username,
            full_name: self.full_name,
            fields: self.fields,
            password: Some(self.password),
            password_changed_at: Some(self.created_at),
            acceptances: self.acceptances,
            locale: self.locale,
            ..User::new(id, self.email, self.role, now)
        }
    }
}

impl Engine {
    /// The pending registrations of an address that are alive, newest first, and the ids of those that aren't.
    pub(crate) async fn alive_registrations(
        &self,
        email: &Email,
    ) -> Result<(Vec<PendingRegistration>, Vec<RegistrationId>), Fault> {
        const READ: usize = PendingRegistration::ALIVE_PER_ADDRESS * 8;
        let newest_first = self.directory().registrations_of(email.key(), READ).await?;
        Ok(PendingRegistration::alive(newest_first, self.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn registration(n: u8, expires_at: Timestamp) -> PendingRegistration {
        let (id, keys) = (RegistrationId::from_bytes([n; 16]), SealKeys::new(&[1; 32], &[]));
        PendingRegistration {
            id,
            email: Email::parse("ada@example.org").unwrap(),
            username: None,
            full_name: None,
            fields: BTreeMap::new(),
            password: PasswordHash::dummy(4),
            fingerprint: PendingRegistration::fingerprint(&keys, id, &Password::new("correct horse 1!".to_owned())),
            acceptances: Acceptances::default(),
            locale: None,
            role: Role::user(),
            invitation: None,
            link: Digest::of(&[n]),
            sealed_link: keys.seal(b"token", "link", &[n], &SystemRandom).unwrap(),
            client: Client::default(),
            created_at: at(0),
            expires_at,
        }
    }

    #[test]
    fn ex3_the_newest_eight_are_alive_and_older_ones_are_displaced() {
        let newest_first = (0..10).map(|n| registration(n, at(100))).collect();
        let (alive, displaced) = PendingRegistration::alive(newest_first, at(0));
        assert_eq!(alive.iter().map(|r| r.id.as_bytes()[0]).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        assert_eq!(displaced, [RegistrationId::from_bytes([8; 16]), RegistrationId::from_bytes([9; 16])]);
    }

    #[test]
    fn ph4_a_registration_lapses_with_its_link() {
        for (second, alive) in [(99, 1), (100, 0), (101, 0)] {
            assert_eq!(
                PendingRegistration::alive(vec![registration(1, at(100))], at(second)).0.len(),
                alive,
                "{second}"
            );
        }
    }

    #[test]
    fn ex3_the_chosen_password_is_told_only_with_the_key_and_the_record() {
        let (keys, registration) = (SealKeys::new(&[1; 32], &[]), registration(1, at(100)));
        let right = Password::new("correct horse 1!".to_owned());
        assert!(registration.chose(&keys, &right));
        assert!(!registration.chose(&keys, &Password::new("correct horse 1?".to_owned())));
        assert!(!registration.chose(&SealKeys::new(&[2; 32], &[]), &right));
    }
}
