//! How the chain is checked: record by record from the anchor to the head, without I/O.

use std::collections::BTreeMap;
use std::fmt;

use crate::audit::AuditPosition;
use crate::audit::chain::{AuditChain, AuditRecord, ChainPoint};
use crate::audit::checkpoint::Checkpoint;
use crate::seal::{OpenRefused, SealKeys};

/// What was done to the first record that isn't as it was linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tampering {
    /// It isn't as it was.
    Changed,
    /// It is gone.
    Removed,
    /// Another record stands in its place and it stands behind.
    Reordered,
    /// It was never part of the chain.
    Inserted,
    /// It and all behind it are gone.
    CutOff,
    /// The signed head was changed or removed.
    Head,
    /// The trail doesn't lead to a checkpoint that was kept elsewhere.
    Checkpoint,
}

impl Tampering {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Reordered => "reordered",
            Self::Inserted => "inserted",
            Self::CutOff => "cut_off",
            Self::Head => "head",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// The first place where the trail isn't what the chain says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Break {
    /// What was done.
    pub tampering: Tampering,
    /// The record's number in the chain.
    pub number: u64,
    /// Its place in the trail, where it stands there.
    pub position: Option<AuditPosition>,
    /// Its event, where it can be read.
    pub event: Option<String>,
    says: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl Break {
    pub(super) fn of_head(says: impl Into<String>) -> Self {
        Self { tampering: Tampering::Head, number: 0, position: None, event: None, says: says.into() }
    }

    fn missing(tampering: Tampering, number: u64, says: String) -> Self {
        Self { tampering, number, position: None, event: None, says }
    }

    fn at(tampering: Tampering, number: u64, record: &AuditRecord, says: impl fmt::Display) -> Self {
        let (position, event) = (record.position, record.id());
        let named = event.as_deref().map_or_else(String::new, |id| format!(", event {id},"));
        let says = format!("record {number} at position {}{named} {says}", position.0);
        Self { tampering, number, position: Some(position), event, says }
    }
}

/// A walk along the chain. It ends at the first record that isn't as it was linked.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    keys: &'a SealKeys,
    chain: AuditChain,
    checkpoints: BTreeMap<u64, Vec<Checkpoint>>,
    pub(super) at: ChainPoint,
    /// Whether a key that is configured has vouched for a record: from there on all have to.
    vouched: bool,
    /// The first record, where a key made its tag that isn't configured any more, until a later tag vouches for it.
    unsure: Option<(u64, AuditPosition)>,
    /// How many records that are.
    pub(super) by_lost_keys: u64,
}

impl<'a> Walk<'a> {
    /// From the anchor on; `checkpoints` are verified.
    pub(super) fn begin(chain: AuditChain, kept: &[Checkpoint], keys: &'a SealKeys) -> Self {
        let mut checkpoints: BTreeMap<u64, Vec<Checkpoint>> = BTreeMap::new();
        for checkpoint in kept {
            checkpoints.entry(checkpoint.point.number).or_default().push(*checkpoint);
        }
        Self { keys, at: chain.anchor, chain, checkpoints, vouched: false, unsure: None, by_lost_keys: 0 }
    }

    /// Both ends of the chain that it walks along.
    pub(super) const fn chain(&self) -> &AuditChain {
        &self.chain
    }

    /// Goes on to a later head of the same chain.
    pub(super) fn extend(&mut self, moved: AuditChain) {
        self.chain = AuditChain { anchor: self.chain.anchor, ..moved };
    }

    /// Whether it has come to the head.
    pub(super) fn is_at_head(&self) -> bool {
        self.at.number >= self.chain.head.number
    }

    /// Takes the next record, which stands before the head.
    ///
    /// # Errors
    /// It isn't what was linked there; [`Walk::diagnose`] says what was done.
    pub(super) fn step(&mut self, record: &AuditRecord) -> Result<(), NotNext> {
        let next = self.at.then_record(record);
        let link = record.link.filter(|link| link.number == next.number).ok_or(NotNext)?;
        if !record.agrees() {
            return Err(NotNext);
        }
        match next.is_vouched_for(&link.tag, self.keys) {
            Ok(()) => (self.vouched, self.unsure) = (true, None),
            Err(OpenRefused::UnknownKey) if !self.vouched => {
                self.unsure = self.unsure.or(Some((next.number, next.position)));
                self.by_lost_keys += 1;
            }
            Err(OpenRefused::Damaged | OpenRefused::Forged | OpenRefused::UnknownKey) => return Err(NotNext),
        }
        self.at = next;
        Ok(())
    }

    /// Whether a checkpoint says something else about the point that the walk has come to.
    pub(super) fn contradiction(&self) -> Option<Break> {
        let of_here = self.checkpoints.get(&self.at.number)?;
        of_here.iter().find(|checkpoint| checkpoint.point.hash != self.at.hash).map(|checkpoint| {
            let number = self.at.number;
            let says = format!(
                "record {number} or one before it isn't the one that the checkpoint of {} vouches for: \
                the trail was made anew or put back",
                checkpoint.made_at
            );
            Break::missing(Tampering::Checkpoint, number, says)
        })
    }

    /// At the head: whether it is the one that was signed, and every checkpoint was reached.
    pub(super) fn end(&self) -> Result<(), Break> {
        if self.at.hash != self.chain.head.hash || self.at.number != self.chain.head.number {
            return Err(match self.unsure {
                Some((number, position)) => self.unsure_break(number, position),
                None => Break::of_head("the records don't lead to the signed head"),
            });
        }
        let beyond = self.checkpoints.range(self.at.number + 1..).next();
        match beyond.and_then(|(_, checkpoints)| checkpoints.first()) {
            Some(checkpoint) => {
                let (first, made_at) = (self.at.number + 1, checkpoint.made_at);
                let says = format!(
                    "record {first} and all behind it were cut off: the checkpoint of {made_at} has seen {} records",
                    checkpoint.point.number
                );
                Err(Break::missing(Tampering::CutOff, first, says))
            }
            None => Ok(()),
        }
    }

    fn unsure_break(&self, number: u64, position: AuditPosition) -> Break {
        let says = format!(
            "record {number} at position {} or one of those up to record {} was changed; which one only the key tells \
             that isn't configured any more",
            position.0, self.at.number
        );
        Break { position: Some(position), ..Break::missing(Tampering::Changed, number, says) }
    }

    /// What was done to the first of `records`, which isn't next; they are those that follow the walk's point.
    pub(super) fn diagnose(&self, records: &[AuditRecord]) -> Break {
        let number = self.at.number + 1;
        let (last, before) = (self.chain.head.number, self.at.position.0);
        let Some((first, others)) = records.split_first().filter(|(first, _)| !self.is_behind_head(first)) else {
            let says = match last.saturating_sub(number) {
                0 => format!("record {number}, the last one, was cut off behind position {before}"),
                _ => format!("records {number} to {last} were cut off behind position {before}"),
            };
            return Break::missing(Tampering::CutOff, number, says);
        };
        if first.position <= self.chain.anchor.position {
            return Break::at(Tampering::Inserted, number, first, "was inserted before what retention has removed");
        }
        if self.fits(first, first, first.position) {
            let what = if first.agrees() { "its number" } else { "a column that it is searched by" };
            return Break::at(Tampering::Changed, number, first, format_args!("was changed: {what}"));
        }
        if others.iter().any(|other| self.fits(other, other, other.position)) {
            return Break::at(Tampering::Inserted, number, first, "was inserted");
        }
        let moved =
            |other: &&AuditRecord| self.fits(other, first, first.position) || self.fits(other, other, first.position);
        if let Some(own) = others.iter().find(moved) {
            let says = format_args!("was put in another's place, which stands at position {} now", own.position.0);
            return Break::at(Tampering::Reordered, number, first, says);
        }
        if let Some((number, position)) = self.unsure {
            return self.unsure_break(number, position);
        }
        let has_own_number = |record: &AuditRecord| record.link.is_some_and(|link| link.number == number);
        match first.link.map(|link| link.number) {
            Some(found) if found > number => {
                let says = match found - number {
                    1 => format!("record {number} was removed between positions {before} and {}", first.position.0),
                    _ => format!(
                        "records {number} to {} were removed between positions {before} and {}",
                        found - 1,
                        first.position.0
                    ),
                };
                Break::missing(Tampering::Removed, number, says)
            }
            None if others.iter().any(has_own_number) => Break::at(Tampering::Inserted, number, first, "was inserted"),
            None => Break::at(Tampering::Changed, number, first, "was changed: its link is gone"),
            Some(found) if found < number && others.iter().any(has_own_number) => {
                Break::at(Tampering::Inserted, number, first, format_args!("was inserted: a copy of record {found}"))
            }
            Some(_) => Break::at(Tampering::Changed, number, first, "was changed"),
        }
    }

    fn is_behind_head(&self, record: &AuditRecord) -> bool {
        record.position > self.chain.head.position
    }

    /// Whether `body`'s text, with the tag of `tagged`, is what was linked next, at `position`.
    fn fits(&self, body: &AuditRecord, tagged: &AuditRecord, position: AuditPosition) -> bool {
        let next = self.at.then(position, &body.body, body.time());
        tagged.link.is_some_and(|link| next.is_vouched_for(&link.tag, self.keys).is_ok())
    }
}

/// The record isn't what was linked at this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotNext;
