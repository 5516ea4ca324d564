//! Canaries: one sealed value for each key that may have sealed something. That a key is missing shows at the start by
//! its canary, not at somebody's login.

use serde::Deserialize;

use crate::engine::{StartError, overtaken, unexpected};
use crate::error::Fault;
use crate::random::SecureRandom;
use crate::seal::{OpenRefused, SealKeys, Sealed};
use crate::store::{Change, CommitError, Directory, Marker, UniqueRule};

const NAME: &str = "seal-canary";
/// How often a process tries to enter its key while others enter theirs.
const TRIES: usize = 256;

/// The canaries of a directory, as they were read.
#[derive(Debug)]
pub(crate) struct Canaries {
    stored: Option<String>,
    sealed: Vec<Sealed>,
}

/// Stored as a list; before keys could be rotated there was one alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    One(Sealed),
    List(Vec<Sealed>),
}

impl Canaries {
    /// Checks that each canary opens, and enters one of the current key before it seals anything.
    pub(crate) async fn check(
        directory: &dyn Directory,
        keys: &SealKeys,
        random: &dyn SecureRandom,
    ) -> Result<(), StartError> {
        for _ in 0..TRIES {
            let canaries = Self::load(directory).await?;
            canaries.fit(keys)?;
            if canaries.sealed.iter().any(|sealed| keys.is_sealed_anew(sealed)) {
                return Ok(());
            }
            let own = keys.seal(b"canary", NAME, b"", random)?;
            let change = canaries.changed_to([&canaries.sealed[..], &[own]].concat())?;
            match directory.commit(&[change]).await {
                Ok(()) => return Ok(()),
                // Another process has entered its own.
                Err(CommitError::Stale | CommitError::Taken(UniqueRule::Marker)) => {}
                Err(other) => return Err(unexpected(other).into()),
            }
        }
        Err(overtaken("entering", NAME).into())
    }

    pub(crate) async fn load(directory: &dyn Directory) -> Result<Self, StartError> {
        let stored = directory.marker(NAME).await?;
        let damaged = |_| StartError::SealKey(OpenRefused::Damaged);
        let sealed = match stored.as_deref().map(serde_json::from_str).transpose().map_err(damaged)? {
            Some(Stored::One(sealed)) => vec![sealed],
            Some(Stored::List(sealed)) => sealed,
            None => Vec::new(),
        };
        Ok(Self { stored, sealed })
    }

    /// Whether each key is there that may have sealed something.
    fn fit(&self, keys: &SealKeys) -> Result<(), StartError> {
        let mut missing = 0;
        for sealed in &self.sealed {
            match keys.open(sealed, NAME, b"") {
                Ok(_) => {}
                Err(OpenRefused::UnknownKey) => missing += 1,
                Err(refused) => return Err(StartError::SealKey(refused)),
            }
        }
        match missing {
            0 => Ok(()),
            all if all == self.sealed.len() => Err(StartError::SealKey(OpenRefused::UnknownKey)),
            _ => Err(StartError::SealKeyMissing),
        }
    }

    /// How many keys but the current one may have sealed something.
    pub(crate) fn others(&self, keys: &SealKeys) -> usize {
        self.sealed.iter().filter(|sealed| !keys.is_sealed_anew(sealed)).count()
    }

    /// The change that leaves the current key's canary alone.
    pub(crate) fn without_others(&self, keys: &SealKeys) -> Result<Change, Fault> {
        self.changed_to(self.sealed.iter().filter(|sealed| keys.is_sealed_anew(sealed)).cloned().collect())
    }

    fn changed_to(&self, sealed: Vec<Sealed>) -> Result<Change, Fault> {
        let value = serde_json::to_string(&sealed).map_err(|source| Fault::lasting("writing", NAME, source))?;
        let marker = Marker { name: NAME.into(), value };
        Ok(match &self.stored {
            None => Change::Mark(marker),
            Some(was) => Change::Remark { marker, was: was.clone() },
        })
    }
}
