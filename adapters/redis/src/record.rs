//! Values as bytes: a JSON body behind what a script compares.

use std::sync::LazyLock;
use std::time::Duration;

use doorwarden_core::session::Session;
use doorwarden_core::time::Timestamp;
use redis::FromRedisValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::GRACE;
use crate::connections::Link;
use crate::fault::Trouble;
use crate::key::hex;

/// A script: one atomic step of the server on keys of one partition.
pub(crate) struct Script {
    source: &'static str,
    hash: LazyLock<String>,
}

impl Script {
    pub(crate) const fn new(source: &'static str, hash: fn() -> String) -> Self {
        Self { source, hash: LazyLock::new(hash) }
    }

    /// Runs it; a server that doesn't have it is given it.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        link: &Link,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<T, Trouble> {
        link.script(&self.hash, self.source, keys, arguments).await
    }
}

/// Names scripts, each by its file.
macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => { $(
        static $name: crate::record::Script = crate::record::Script::new(
            include_str!(concat!("scripts/", $file)),
            || redis::Script::new(include_str!(concat!("scripts/", $file))).get_hash().to_owned(),
        );
    )* };
}
pub(crate) use scripts;

/// Tells one writing of a record from every other: its chance of being the same is that of guessing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp([u8; 8]);

impl Stamp {
    const WIDTH: usize = 8;

    pub(crate) fn new() -> Result<Self, Trouble> {
        let mut bytes = [0; Self::WIDTH];
        getrandom::fill(&mut bytes).map_err(|_| Trouble::NoChance)?;
        Ok(Self(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A value behind its stamp.
pub(crate) fn stamped<T: Serialize>(stamp: Stamp, value: &T) -> Result<Vec<u8>, Trouble> {
    let mut bytes = stamp.0.to_vec();
    write(value, &mut bytes)?;
    Ok(bytes)
}

pub(crate) fn from_stamped<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<(Stamp, T), Trouble> {
    let (stamp, body) = bytes.split_first_chunk().ok_or_else(|| unreadable(key, "it is too short"))?;
    Ok((Stamp(*stamp), read(key, body)?))
}

/// A session behind its revision in digits and a space.
pub(crate) fn revised(session: &Session) -> Result<Vec<u8>, Trouble> {
    let mut bytes = revision(session);
    write(session, &mut bytes)?;
    Ok(bytes)
}

/// What a session begins with that has this one's revision.
pub(crate) fn revision(session: &Session) -> Vec<u8> {
    format!("{} ", session.revision.number()).into_bytes()
}

pub(crate) fn from_revised(key: &[u8], bytes: &[u8]) -> Result<Session, Trouble> {
    let space = bytes.iter().position(|byte| *byte == b' ').unwrap_or_default();
    read(key, bytes.get(space..).unwrap_or_default())
}

pub(crate) fn to_body<T: Serialize>(value: &T) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    write(value, &mut bytes)?;
    Ok(bytes)
}

pub(crate) fn read<T: DeserializeOwned>(key: &[u8], body: &[u8]) -> Result<T, Trouble> {
    // What serde says may quote the record.
    serde_json::from_slice(body).map_err(|error| unreadable(key, &format!("{:?} error", error.classify())))
}

fn write<T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), Trouble> {
    serde_json::to_writer(bytes, value).map_err(|error| Trouble::Unwritable(error.to_string()))
}

fn unreadable(key: &[u8], why: &str) -> Trouble {
    let end = key.iter().position(|byte| *byte == b'}').map_or(key.len(), |at| at + 1);
    let (kind, rest) = key.split_at(end);
    Trouble::Unreadable {
        key: format!("{}:{}", String::from_utf8_lossy(kind), hex(rest.get(1..).unwrap_or_default())),
        why: why.to_owned(),
    }
}

/// A number as scripts take it.
pub(crate) fn digits(number: impl ToString) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Milliseconds from `now` until the server may forget by itself what matters until `until`.
pub(crate) fn time_to_live(now: Timestamp, until: Timestamp) -> Vec<u8> {
    digits(millis(now.until(until).saturating_add(GRACE)))
}

pub(crate) fn millis(duration: Duration) -> u64 {
    // More than Redis takes as a time from now would be refused.
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(1 << 52)
}
