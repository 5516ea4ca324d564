//! Time that passes when the test says so: [`ManualClock`].

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::time::{Clock, Sleep, Timestamp};

/// A clock that stands still until it is told to move. Clones are the same clock.
///
/// A sleep completes, and its task is woken, once the time has been moved far enough; a test that wants to know
/// whether somebody sleeps already asks [`sleepers`](Self::sleepers). A test on one thread, which can't move the time
/// while it waits, takes [`skipping_sleeps`](Self::skipping_sleeps).
///
/// ```
/// use std::time::Duration;
/// use doorwarden_core::time::Clock;
/// use doorwarden_core::testing::ManualClock;
///
/// let clock = ManualClock::default();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(90));
/// assert_eq!(before.until(clock.now()), Duration::from_secs(90));
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    sleeping: Sleeping,
    sleepers: Vec<Sleeper>,
    next_sleeper: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleeping {
    UntilMoved,
    MovesTheTime,
}

#[derive(Debug)]
struct Sleeper {
    number: u64,
    until: Timestamp,
    waker: Waker,
}

impl Default for ManualClock {
    /// A clock at 2027-01-15T08:00:00Z.
    fn default() -> Self {
        Self::new(Timestamp::from_millis(1_800_000_000_000))
    }
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self::with(now, Sleeping::UntilMoved)
    }

    /// A clock that stands at `now` and that a sleeper moves itself: every sleep completes at once, and it is later.
    pub fn skipping_sleeps(now: Timestamp) -> Self {
        Self::with(now, Sleeping::MovesTheTime)
    }

    fn with(now: Timestamp, sleeping: Sleeping) -> Self {
        Self(Arc::new(Mutex::new(State { now, sleeping, sleepers: Vec::new(), next_sleeper: 0 })))
    }

    /// Moves the time forward, and wakes whoever has slept long enough.
    pub fn advance(&self, duration: Duration) {
        self.move_to(|now| now.after(duration));
    }

    /// Sets the time, back too, as a machine's clock may be; wakes whoever has slept long enough.
    pub fn set(&self, now: Timestamp) {
        self.move_to(|_| now);
    }

    /// How many sleep now.
    pub fn sleepers(&self) -> usize {
        self.state().sleepers.len()
    }

    /// When the first of those who sleep now wakes.
    pub fn next_wake_at(&self) -> Option<Timestamp> {
        self.state().sleepers.iter().map(|sleeper| sleeper.until).min()
    }

    fn move_to(&self, then: impl FnOnce(Timestamp) -> Timestamp) {
        let mut state = self.state();
        state.now = then(state.now);
        let now = state.now;
        let rested: Vec<Sleeper> = state.sleepers.extract_if(.., |sleeper| sleeper.until <= now).collect();
        drop(state);
        // A waker may poll at once, and so come back for the lock.
        rested.into_iter().for_each(|sleeper| sleeper.waker.wake());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut state = self.state();
        let until = state.now.after(duration);
        let number = state.next_sleeper;
        state.next_sleeper += 1;
        let sleeping = state.sleeping;
        drop(state);
        Box::pin(ManualSleep { clock: self.clone(), number, until, sleeping })
    }
}

struct ManualSleep {
    clock: ManualClock,
    number: u64,
    until: Timestamp,
    sleeping: Sleeping,
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.sleeping == Sleeping::MovesTheTime {
            self.clock.move_to(|now| now.max(self.until));
            return Poll::Ready(());
        }
        let mut state = self.clock.state();
        if self.until <= state.now {
            return Poll::Ready(());
        }
        state.sleepers.retain(|sleeper| sleeper.number != self.number);
        let waker = context.waker().clone();
        state.sleepers.push(Sleeper { number: self.number, until: self.until, waker });
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        self.clock.state().sleepers.retain(|sleeper| sleeper.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;

    fn poll_once(sleep: &mut Sleep) -> Poll<()> {
        sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_sleep_completes_at_its_exact_millisecond() {
        let clock = ManualClock::default();
        let mut sleep = clock.sleep(Duration::from_millis(50));
        assert_eq!(poll_once(&mut sleep), Poll::Pending);
        clock.advance(Duration::from_millis(49));
        assert_eq!(poll_once(&mut sleep), Poll::Pending);
        clock.advance(Duration::from_millis(1));
        assert_eq!(poll_once(&mut sleep), Poll::Ready(()));
    }

    #[test]
    fn a_sleeping_thread_is_woken_when_the_time_has_come() {
        let clock = ManualClock::default();
        let sleeper = clock.clone();
        let thread = std::thread::spawn(move || block_on(sleeper.sleep(Duration::from_secs(5))));
        while clock.sleepers() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(clock.next_wake_at(), Some(clock.now().after(Duration::from_secs(5))));
        clock.advance(Duration::from_secs(4));
        assert_eq!(clock.sleepers(), 1);
        clock.advance(Duration::from_secs(1));
        thread.join().unwrap();
        assert_eq!(clock.sleepers(), 0);
    }

    #[test]
    fn a_dropped_sleep_sleeps_no_more() {
        let clock = ManualClock::default();
        let mut sleep = clock.sleep(Duration::from_secs(1));
        assert_eq!(poll_once(&mut sleep), Poll::Pending);
        drop(sleep);
        assert_eq!((clock.sleepers(), clock.next_wake_at()), (0, None));
    }

    #[test]
    fn a_sleep_that_skips_moves_the_time_and_never_back() {
        let clock = ManualClock::skipping_sleeps(Timestamp::from_millis(0));
        let (long, short) = (clock.sleep(Duration::from_secs(9)), clock.sleep(Duration::from_secs(2)));
        block_on(long);
        block_on(short);
        assert_eq!(clock.now(), Timestamp::from_millis(9_000));
    }
}
