//! The keyed chain: what makes a change of the trail show.
//!
//! ```text
//!            anchor ── hash ──▶ record ── hash ──▶ record ── hash ──▶ head     records not linked yet
//!   (last one removed by           │ tag              │ tag              │
//!        retention)                                                   tag over anchor and head
//! ```
//!
//! Each record's hash covers the one before it, its number, its place and its stored bytes; its tag says of that hash
//! what only a holder of the seal key could say. Anchor and head are one signed aggregate. A hash needs no key, so what
//! an old key tagged stays vouched for by every later tag when that key is gone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::{AuditEvent, AuditPosition};
use crate::error::Fault;
use crate::random::{SecureRandom, draw};
use crate::revision::Revision;
use crate::seal::{OpenRefused, SealKeys, Tag};
use crate::time::Timestamp;
use crate::token::Digest;

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its place.
    pub position: AuditPosition,
    /// What the store searches it by, as stored: [`AuditRecord::columns_of`] the event.
    pub columns: String,
    /// The event, byte for byte as stored.
    pub body: String,
    /// Its link, once it has one.
    pub link: Option<AuditLink>,
}

/// What ties a record to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditLink {
    /// Counts the linked records, from 1, without gaps.
    pub number: u64,
    /// Vouches for the record's hash.
    pub tag: Tag,
}

/// A linked record's place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainPoint {
    /// Its number; 0 before the first record.
    pub number: u64,
    /// Its place in the trail.
    pub position: AuditPosition,
    /// The hash of it and of all before it.
    pub hash: Digest,
    /// When it was decided.
    pub time: Timestamp,
}

/// Both ends of the chain, signed: one for each directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditChain {
    /// Counts its changes.
    pub revision: Revision,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// The last record that retention removed.
    pub anchor: ChainPoint,
    /// When it was removed.
    pub swept_at: Option<Timestamp>,
    /// The last linked record.
    pub head: ChainPoint,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// Vouches for all of it but the revision; see [`AuditChain::signed`].
    pub tag: Option<Tag>,
}

impl AuditRecord {
    /// What a store searches an event by, one a line: time in milliseconds, account and id in hex, name.
    pub fn columns_of(event: &AuditEvent) -> String {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        let user = event.user.map_or_else(String::new, |user| hex(user.as_bytes()));
        format!("{}\n{user}\n{}\n{}", event.time.as_millis(), hex(event.id.as_bytes()), event.name.name())
    }

    /// Whether it is searched by what its body says. Read without the event's type, which another version may know.
    pub(super) fn agrees(&self) -> bool {
        let Ok(body) = serde_json::from_str::<Value>(&self.body) else { return false };
        let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
        let hex = |field: &str| text(field).replace('-', "");
        let time = body.get("time").and_then(Value::as_i64).unwrap_or_default();
        self.columns == format!("{time}\n{}\n{}\n{}", hex("user"), hex("id"), text("name"))
    }

    /// When it was decided, by its columns.
    pub(super) fn time(&self) -> Timestamp {
        let millis = self.columns.lines().next().and_then(|time| time.parse().ok());
        Timestamp::from_millis(millis.unwrap_or_default())
    }

    /// The event's id, where the body still tells it.
    pub(super) fn id(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        body.get("id").and_then(Value::as_str).map(str::to_owned)
    }
}

impl ChainPoint {
    /// The point before any record. By chance, so that a chain made anew never leads to an old checkpoint.
    fn origin(now: Timestamp, random: &dyn SecureRandom) -> Result<Self, Fault> {
        let hash = Digest::from_bytes(draw(random)?);
        Ok(Self { number: 0, position: AuditPosition(0), hash, time: now })
    }

    /// The point that a record with `body` at `position` makes behind this one.
    pub(super) fn then(&self, position: AuditPosition, body: &str, time: Timestamp) -> Self {
        let number = self.number.saturating_add(1);
        let (number_bytes, position_bytes) = (number.to_be_bytes(), position.0.to_be_bytes());
        let parts: [&[u8]; 5] =
            [b"doorwarden audit record\0", self.hash.as_bytes(), &number_bytes, &position_bytes, body.as_bytes()];
        Self { number, position, hash: Digest::of(&parts.concat()), time }
    }

    /// The point that `record` makes behind this one.
    pub(super) fn then_record(&self, record: &AuditRecord) -> Self {
        self.then(record.position, &record.body, record.time())
    }

    /// A tag of the record that made this point.
    pub(super) fn tag(&self, keys: &SealKeys) -> Tag {
        keys.attest(RECORD, &[self.hash.as_bytes()])
    }

    /// Whether `tag` vouches for the record that made this point.
    pub(super) fn is_vouched_for(&self, tag: &Tag, keys: &SealKeys) -> Result<(), OpenRefused> {
        keys.verify(tag, RECORD, &[self.hash.as_bytes()])
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let (number, position, time) =
            (self.number.to_be_bytes(), self.position.0.to_be_bytes(), self.time.as_millis().to_be_bytes());
        [&number[..], &position, &time, self.hash.as_bytes()].concat()
    }
}

const RECORD: &str = "record";
const CHAIN: &str = "chain";

impl AuditChain {
    /// A chain without a record.
    ///
    /// # Errors
    /// The generator is not available.
    pub fn begin(now: Timestamp, random: &dyn SecureRandom) -> Result<Self, Fault> {
        let origin = ChainPoint::origin(now, random)?;
        Ok(Self {
            revision: Revision::FIRST,
            begun_at: now,
            anchor: origin,
            swept_at: None,
            head: origin,
            linked_at: now,
            tag: None,
        })
    }

    /// The chain with the records up to `head`.
    #[must_use]
    pub fn linked_to(self, head: ChainPoint, now: Timestamp) -> Self {
        Self { head, linked_at: now, ..self }
    }

    /// The chain without the records up to `anchor`.
    #[must_use]
    pub fn swept_to(self, anchor: ChainPoint, now: Timestamp) -> Self {
        Self { anchor, swept_at: Some(now), ..self }
    }

    /// The chain, signed as it is.
    #[must_use]
    pub fn signed(self, keys: &SealKeys) -> Self {
        Self { tag: Some(keys.attest(CHAIN, &[&self.bytes()])), ..self }
    }

    /// Whether the engine said so.
    pub(super) fn verify(&self, keys: &SealKeys) -> Result<(), OpenRefused> {
        keys.verify(&self.tag.ok_or(OpenRefused::Damaged)?, CHAIN, &[&self.bytes()])
    }

    /// Whether the current key signed it.
    pub(super) fn is_current(&self, keys: &SealKeys) -> bool {
        self.tag.is_some_and(|tag| keys.is_current(&tag))
    }

    fn bytes(&self) -> Vec<u8> {
        let times = [self.begun_at, self.linked_at].map(|time| time.as_millis().to_be_bytes()).concat();
        let swept = self.swept_at.map_or([0; 9], |at| {
            let [a, b, c, d, e, f, g, h] = at.as_millis().to_be_bytes();
            [1, a, b, c, d, e, f, g, h]
        });
        [times, swept.to_vec(), self.anchor.bytes(), self.head.bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{AuditName, EventId};
    use crate::client::Client;
    use crate::random::SystemRandom;
    use crate::user::UserId;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn record(event: &AuditEvent) -> AuditRecord {
        let body = serde_json::to_string(event).unwrap();
        AuditRecord { position: AuditPosition(1), columns: AuditRecord::columns_of(event), body, link: None }
    }

    #[test]
    fn columns_agree_with_the_body_that_they_were_taken_from_and_no_other() {
        let event = AuditEvent::new(EventId::from_bytes([7; 16]), AuditName::LoginFailed, at(0), Client::default());
        for event in [event.clone(), event.clone().of_user(UserId::from_bytes([9; 16]))] {
            let record = record(&event);
            assert!(record.agrees(), "{record:?}");
            assert_eq!(record.time(), at(0));
            for line in 0..4 {
                let mut lines: Vec<_> = record.columns.split('\n').map(str::to_owned).collect();
                lines[line].push('0');
                assert!(!AuditRecord { columns: lines.join("\n"), ..record.clone() }.agrees(), "line {line}");
            }
        }
    }

    #[test]
    fn a_hash_depends_on_all_before_number_place_and_bytes() {
        let origin = ChainPoint::origin(at(0), &SystemRandom).unwrap();
        let (place, next) = (AuditPosition(4), AuditPosition(5));
        let points = [
            origin.then(place, "{}", at(1)),
            origin.then(next, "{}", at(1)),
            origin.then(place, "{ }", at(1)),
            ChainPoint { number: 1, ..origin }.then(place, "{}", at(1)),
            ChainPoint::origin(at(0), &SystemRandom).unwrap().then(place, "{}", at(1)),
        ];
        let distinct: std::collections::HashSet<_> = points.iter().map(|point| point.hash).collect();
        assert_eq!(distinct.len(), points.len());
    }

    #[test]
    fn fa7_each_field_of_the_chain_is_signed() {
        let keys = SealKeys::new(&[1; 32], &[]);
        let begun = AuditChain::begin(at(0), &SystemRandom).unwrap();
        assert!(begun.verify(&keys).is_err(), "it isn't signed");
        let head = begun.head.then(AuditPosition(1), "{}", at(1));
        let chain = begun.linked_to(head, at(2)).signed(&keys);
        assert_eq!(chain.verify(&keys), Ok(()));
        let other = ChainPoint { number: 9, ..head };
        for changed in [
            AuditChain { begun_at: at(9), ..chain.clone() },
            AuditChain { linked_at: at(9), ..chain.clone() },
            AuditChain { swept_at: Some(at(9)), ..chain.clone() },
            AuditChain { anchor: other, ..chain.clone() },
            AuditChain { head: other, ..chain.clone() },
            AuditChain { head: ChainPoint { time: at(9), ..head }, ..chain.clone() },
            AuditChain { head: ChainPoint { position: AuditPosition(9), ..head }, ..chain.clone() },
        ] {
            assert_eq!(changed.verify(&keys), Err(OpenRefused::Forged), "{changed:?}");
        }
    }
}
