//! Rate limiting of what strangers can ask for: at most so many in a sliding window.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::token::Digest;

/// What is counted together: a purpose and whom it concerns, as one keyed fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RateKey(pub Digest);

/// At most `count` in any `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many are admitted; at most [`RateLimit::MOST`].
    pub count: u32,
    /// The length of the sliding window.
    pub window: Duration,
}

impl RateLimit {
    /// The largest count a policy may ask for, since each admission in the window is remembered.
    pub const MOST: u32 = 1_000;

    /// `count` an hour.
    pub const fn per_hour(count: u32) -> Self {
        Self { count, window: Duration::from_secs(3_600) }
    }
}

/// The answer to [`RateWindow::admit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Go on; it is counted.
    Admitted,
    /// Too many: the next is admitted after this long.
    Refused {
        /// Until the oldest of the window leaves it.
        retry_after: Duration,
    },
}

/// The admissions of one window: a value, stored by a [`LockoutStore`](crate::store::LockoutStore).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RateWindow(Vec<Timestamp>);

impl RateWindow {
    /// Admits one more, or says how long to wait. A refusal isn't counted.
    pub fn admit(&mut self, limit: &RateLimit, now: Timestamp) -> Admission {
        self.0.retain(|at| now < at.after(limit.window));
        let most = usize::try_from(limit.count.min(RateLimit::MOST)).unwrap_or(usize::MAX);
        if self.0.len() < most {
            self.0.push(now);
            return Admission::Admitted;
        }
        let frees_at = self.0.len().checked_sub(most).and_then(|over| self.0.get(over));
        let retry_after = frees_at.map_or(limit.window, |oldest| now.until(oldest.after(limit.window)));
        Admission::Refused { retry_after }
    }

    /// When the window is empty, so that a store may forget it.
    pub fn forgettable_at(&self, limit: &RateLimit) -> Timestamp {
        self.0.iter().max().map_or(Timestamp::default(), |at| at.after(limit.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn the_fourth_within_an_hour_waits_for_the_first_to_leave() {
        let (mut window, limit) = (RateWindow::default(), RateLimit::per_hour(3));
        for second in [0, 10, 20] {
            assert_eq!(window.admit(&limit, at(second)), Admission::Admitted);
        }
        let refused = |seconds| Admission::Refused { retry_after: Duration::from_secs(seconds) };
        assert_eq!(window.admit(&limit, at(30)), refused(3_570));
        assert_eq!(window.admit(&limit, at(3_599)), refused(1));
        assert_eq!(window.admit(&limit, at(3_600)), Admission::Admitted);
        assert_eq!(window.admit(&limit, at(3_600)), refused(10));
    }

    #[test]
    fn a_limit_of_none_admits_none() {
        let limit = RateLimit::per_hour(0);
        assert!(matches!(RateWindow::default().admit(&limit, at(0)), Admission::Refused { .. }));
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_limit(gaps in proptest::collection::vec(prop_oneof![0i64..3, 3_598i64..3_603], 1..60)) {
            let (mut window, mut second, mut admitted) = (RateWindow::default(), 0, vec![]);
            for gap in gaps {
                second += gap;
                if window.admit(&RateLimit::per_hour(3), at(second)) == Admission::Admitted {
                    admitted.push(second);
                }
                prop_assert!(admitted.iter().filter(|s| second - **s < 3_600).count() <= 3);
            }
        }
    }
}
