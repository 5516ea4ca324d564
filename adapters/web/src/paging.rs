//! `?cursor=` and `?limit=`: which part of a list.

use std::str::FromStr;

use crate::body::invalid;
use crate::problem::Problem;

/// The most, and the usual, that one page holds.
pub(crate) const PAGE: usize = 200;

/// Reads a `next_cursor` that comes back.
pub(crate) fn cursor<T: FromStr>(typed: Option<&str>) -> Result<Option<T>, Problem> {
    let read = |text: &str| text.parse().map_err(|_| invalid("cursor isn't one of ours").with_field("cursor"));
    typed.map(read).transpose()
}

/// Reads how many to show at most.
pub(crate) fn limit(typed: Option<&str>) -> Result<usize, Problem> {
    let Some(typed) = typed else { return Ok(PAGE) };
    let limit = typed.parse().ok().filter(|limit| (1..=PAGE).contains(limit));
    limit.ok_or_else(|| invalid("limit must be a whole number from 1 to 200").with_field("limit"))
}
