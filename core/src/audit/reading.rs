//! Reads of the trail: by page and filter, one event by its id, and an account's own activity.

use std::str::FromStr;

use crate::administration::PAGE;
use crate::audit::{AuditEvent, AuditFilter, AuditOutcome, AuditPosition, EventId};
use crate::engine::Engine;
use crate::error::{Failure, Fault};
use crate::time::Timestamp;
use crate::user::UserId;

/// Events looked at for one page whose filter the store has no index for; the page may then be short, not the last.
const LOOKED_AT: usize = 5_000;
const SLICE: usize = 1_000;

/// Which events to read, oldest first.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// What the store filters by.
    pub filter: AuditFilter,
    /// Only events of this outcome.
    pub outcome: Option<AuditOutcome>,
    /// Only events decided at this moment or later.
    pub since: Option<Timestamp>,
    /// Only events decided before this moment.
    pub until: Option<Timestamp>,
}

/// A page of the trail.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditPage {
    /// The events, each with its place.
    pub events: Vec<(AuditPosition, AuditEvent)>,
    /// Where to go on; `None` at the end of the trail.
    pub next: Option<AuditPosition>,
}

/// An event's id, or at least its first eight hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef {
    first: EventId,
    last: EventId,
}

/// Why no event is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventRefused {
    /// The text isn't an id or the beginning of one.
    #[error("not an event's id: a UUID is expected, or at least its first eight hexadecimal digits")]
    Malformed,
    /// No event has it; retention may have removed it.
    #[error("no event has this id: it may be older than audit.keep")]
    NotFound,
    /// Several events have an id that begins so.
    #[error("several events begin so: {} and {}", .0[0], .0[1])]
    Ambiguous([EventId; 2]),
}

impl EventRefused {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed | Self::Ambiguous(_) => "invalid_request",
            Self::NotFound => "not_found",
        }
    }
}

impl FromStr for EventRef {
    type Err = EventRefused;

    fn from_str(text: &str) -> Result<Self, EventRefused> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let is_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
        if !is_hex || !(8..=32).contains(&digits.len()) {
            return Err(EventRefused::Malformed);
        }
        let read = |text: String| text.parse::<EventId>().map_err(|_| EventRefused::Malformed);
        Ok(Self { first: read(format!("{digits:0<32}"))?, last: read(format!("{digits:f<32}"))? })
    }
}

impl From<EventId> for EventRef {
    fn from(id: EventId) -> Self {
        Self { first: id, last: id }
    }
}

impl AuditQuery {
    fn takes(&self, event: &AuditEvent) -> bool {
        self.outcome.is_none_or(|outcome| event.outcome == outcome)
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
    }

    const fn is_indexed(&self) -> bool {
        self.outcome.is_none() && self.since.is_none() && self.until.is_none()
    }
}

impl Engine {
    /// A page of the audit trail, oldest first, at most [`PAGE`] events, each with its place.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn audit(&self, filter: &AuditFilter, limit: usize) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        self.directory().audit(filter, limit.min(PAGE)).await
    }

    /// A page of the audit trail, oldest first, at most [`PAGE`] events. A page with a place to go on may be short.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn audit_page(&self, query: &AuditQuery, limit: usize) -> Result<AuditPage, Fault> {
        let limit = limit.min(PAGE);
        let mut filter = query.filter.clone();
        let mut events = Vec::new();
        let mut looked_at = 0;
        while looked_at < LOOKED_AT {
            // One more than asked for tells whether there is more.
            let slice = if query.is_indexed() { limit + 1 } else { SLICE };
            let read = self.directory().audit(&filter, slice).await?;
            let is_last = read.len() < slice;
            for (position, event) in read {
                if query.takes(&event) {
                    if events.len() == limit {
                        return Ok(AuditPage { events, next: filter.after });
                    }
                    events.push((position, event));
                }
                filter.after = Some(position);
                looked_at += 1;
            }
            if is_last {
                return Ok(AuditPage { events, next: None });
            }
        }
        Ok(AuditPage { events, next: filter.after })
    }

    /// The event that is named by its id or the beginning of it.
    ///
    /// # Errors
    /// [`EventRefused::NotFound`] and [`EventRefused::Ambiguous`].
    pub async fn audit_event(&self, named: EventRef) -> Result<AuditEvent, Failure<EventRefused>> {
        let mut found = self.directory().audit_between(named.first, named.last, 2).await?.into_iter();
        match (found.next(), found.next()) {
            (None, _) => Err(Failure::Refused(EventRefused::NotFound)),
            (Some(event), None) => Ok(event),
            (Some(one), Some(other)) => Err(Failure::Refused(EventRefused::Ambiguous([one.id, other.id]))),
        }
    }

    /// What happened to an account, newest first, at most [`PAGE`] events, for its owner's eyes; `before` is the place
    /// that the page before this one said to go on at.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn activity(
        &self,
        user: UserId,
        before: Option<AuditPosition>,
        limit: usize,
    ) -> Result<AuditPage, Fault> {
        let limit = limit.min(PAGE);
        let mut events = self.directory().audit_of_user_backwards(user, before, limit + 1).await?;
        let more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().map(|(position, _)| *position).filter(|_| more);
        Ok(AuditPage { events, next })
    }
}
