//! Positions of the audit trail: given when it is read, in the order of arrival.
//!
//! A number taken at the insert isn't the order of commits: who reads up to 7 while the transaction of 6 is still open
//! never sees 6. A lock until the commit would put all logins in one queue. So events arrive without a position, and
//! whoever reads the trail first numbers those that have arrived, one reader at a time. Events whose commits didn't
//! overlap keep their order, an event that was committed before the read began is read, and no position comes twice.

use crate::connections::Session;
use crate::fault::Trouble;
use crate::schema::statements;

/// Numbered at a time: a reader that comes after a long while holds no lock for long.
const BATCH: i64 = 2_000;

statements! {
    ANY_WAITING = "SELECT 1 FROM audit WHERE position IS NULL LIMIT 1";
    /// Held until the commit: of two readers one numbers, and the other sees it done.
    END = "SELECT last FROM audit_end FOR UPDATE";
    NUMBER = "UPDATE audit SET position = $1 + waiting.place
        FROM (SELECT arrival, row_number() OVER (ORDER BY arrival) AS place FROM
                (SELECT arrival FROM audit WHERE position IS NULL ORDER BY arrival LIMIT $2) AS first) AS waiting
        WHERE audit.arrival = waiting.arrival";
    MOVE_END = "UPDATE audit_end SET last = $1";
}

/// Whether events have arrived that have no position.
pub(crate) async fn has_arrivals(session: &Session<'_>) -> Result<bool, Trouble> {
    Ok(session.row(ANY_WAITING, &[]).await?.is_some())
}

/// Gives positions to the first events that have none; whether there may be more. Within a transaction.
pub(crate) async fn number_arrivals(session: &Session<'_>) -> Result<bool, Trouble> {
    let last: i64 = session.row(END, &[]).await?.map_or(Ok(0), |row| row.try_get(0))?;
    let numbered = i64::try_from(session.execute(NUMBER, &[&last, &BATCH]).await?).unwrap_or(i64::MAX);
    session.execute(MOVE_END, &[&last.saturating_add(numbered)]).await?;
    Ok(numbered == BATCH)
}
