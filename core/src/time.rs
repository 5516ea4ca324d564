//! Time as the engine sees it: milliseconds since the Unix epoch, read from an injected [`Clock`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// use std::time::Duration;
/// use doorwarden_core::Timestamp;
///
/// let noon = Timestamp::from_millis(1_800_000_000_000);
/// let later = noon.after(Duration::from_secs(90));
/// assert_eq!(noon.until(later), Duration::from_secs(90));
/// assert_eq!(noon.to_string(), "2027-01-15T08:00:00Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This moment plus `duration`; stops at the end of time instead of wrapping.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This moment minus `duration`; stops at the beginning of time instead of wrapping.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long it is from this moment to `later`; zero if `later` isn't later.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0).try_into().unwrap_or(0))
    }

    /// RFC 3339 in UTC, with milliseconds only where there are any.
    fn rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| format!("{}ms", self.0), |t| t.to_string())
    }
}

/// The text isn't a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a moment: RFC 3339 is expected, such as 2027-01-15T08:00:00Z")]
pub struct InvalidTimestamp;

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Reads RFC 3339, in any offset from UTC.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        const LONGEST: usize = 64;
        let short =
            Some(text).filter(|text| text.len() <= LONGEST && !text.contains(['[', ' '])).ok_or(InvalidTimestamp)?;
        short.parse().map(|read: jiff::Timestamp| Self(read.as_millisecond())).map_err(|_| InvalidTimestamp)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Whole seconds to wait, rounded up and at least one: who waits so long comes in time.
pub(crate) fn seconds_to_wait(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
}

fn millis(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX)
}

/// A sleep in progress, as [`Clock::sleep`] returns it.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the engine reads the time and waits. Tests own both.
///
/// An implementation promises:
/// 1. `now` never needs I/O and never fails.
/// 2. `sleep` completes once `now` has passed by at least the duration, and needs no async runtime.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port's own system implementation")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(millis(since))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(futures_timer::Delay::new(duration))
    }
}
