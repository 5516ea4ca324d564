//! Spent marks: what may come once, remembered for as long as it could come again.

use crate::time::Timestamp;
use crate::token::Digest;

/// What a mark is of. Kinds are kept apart: no kind's marks stand in for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MarkKind {
    /// The nonce of a signed request.
    RequestNonce,
    /// The id of an assertion of single sign-on.
    Assertion,
}

impl MarkKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::RequestNonce, Self::Assertion];

    /// The stable name, as adapters store it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestNonce => "request_nonce",
            Self::Assertion => "assertion",
        }
    }
}

/// What was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpentMark {
    /// What it is of.
    pub kind: MarkKind,
    /// A digest of it.
    pub digest: Digest,
}

impl SpentMark {
    /// The most of one kind that a store keeps; one more is a fault that passes. None is evicted: it would work again.
    pub const MOST: u32 = 1_000_000;
}

/// Whether a mark was spent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It wasn't, as far as the store remembers.
    First,
    /// It was.
    Again,
}

/// The answer to [`TicketStore::spend`](crate::store::TicketStore::spend).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spending {
    /// Whether it was spent before.
    pub spent: Spent,
    /// Since when the store remembers: of what may have come before that, nothing is known.
    pub remembered_since: Timestamp,
}
