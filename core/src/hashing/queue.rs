//! The queue before the hashing threads: who gets a place, who waits outside, who is sent away.

use std::collections::VecDeque;
use std::time::Duration;

use futures_channel::oneshot;

use super::{HashingError, HashingPolicy, Party};
use crate::client::network_of;
use crate::error::Fault;
use crate::time::Timestamp;

/// The queue and what is known about it.
pub(super) struct Queue {
    pub(super) state: State,
    pub(super) limits: Limits,
    pub(super) waiting: VecDeque<Job>,
    pub(super) threads: usize,
    /// Threads at work.
    pub(super) running: usize,
    /// Callers who wait to be queued.
    pub(super) outside: usize,
    /// Of the time an evaluation takes, the recent ones weighing more.
    pub(super) mean: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Ended,
}

#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) places: usize,
    pub(super) max_wait: Duration,
}

impl Limits {
    pub(super) fn of(policy: &HashingPolicy) -> Self {
        Self { places: policy.queue.try_into().unwrap_or(usize::MAX), max_wait: policy.max_wait }
    }
}

pub(super) struct Job {
    pub(super) party: Party,
    pub(super) arrived_at: Timestamp,
    pub(super) task: Box<dyn Task>,
}

/// What became of a job that asked for a place.
pub(super) enum Admission {
    Queued,
    /// Its party holds a quarter of a queue that is more than half full.
    Outside(Job),
}

impl Queue {
    pub(super) fn new(policy: &HashingPolicy, threads: usize) -> Self {
        Self {
            state: State::Open,
            limits: Limits::of(policy),
            waiting: VecDeque::new(),
            threads,
            running: 0,
            outside: 0,
            mean: Duration::ZERO,
        }
    }

    /// Gives a job a place, or sends it outside, or away.
    pub(super) fn admit(&mut self, job: Job) -> Result<Admission, HashingError> {
        // Whoever asks and hangs up, again and again, must not hold places.
        self.waiting.retain(|waiting| !waiting.task.is_abandoned());
        let full = self.waiting.len() >= self.limits.places.saturating_add(self.idle());
        if full || self.predicted_wait() > self.limits.max_wait {
            return Err(self.busy());
        }
        let over_half = 2 * self.backlog() > self.limits.places;
        if over_half && 4 * self.share_of(&job.party) >= self.limits.places {
            return Ok(Admission::Outside(job));
        }
        self.waiting.push_back(job);
        Ok(Admission::Queued)
    }

    /// What who can't be served is told.
    pub(super) fn busy(&self) -> HashingError {
        HashingError::Busy { retry_after: self.predicted_wait().max(Duration::from_secs(1)) }
    }

    fn idle(&self) -> usize {
        self.threads.saturating_sub(self.running)
    }

    /// Jobs beyond those that idle threads are about to take.
    fn backlog(&self) -> usize {
        self.waiting.len().saturating_sub(self.idle())
    }

    fn predicted_wait(&self) -> Duration {
        let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        self.mean.saturating_mul(count(self.backlog())) / count(self.threads).max(1)
    }

    /// How many wait for this account, or from this address: the greater of the two.
    fn share_of(&self, party: &Party) -> usize {
        let shared = || self.waiting.iter().map(|job| job.party.shares_with(party));
        let accounts = shared().filter(|shared| shared.account).count();
        accounts.max(shared().filter(|shared| shared.address).count())
    }

    /// A thread is free again, after an evaluation that took so long.
    pub(super) fn finish(&mut self, took: Option<Duration>) {
        self.running = self.running.saturating_sub(1);
        // A clock set forward would otherwise make everyone believe in an endless queue.
        if let Some(took) = took.map(|took| took.min(self.limits.max_wait)) {
            self.mean = if self.mean.is_zero() { took } else { (self.mean * 7 + took) / 8 };
        }
    }
}

impl Party {
    fn shares_with(&self, other: &Self) -> Overlap {
        let network = |party: &Self| party.address.map(network_of);
        Overlap {
            account: self.account.is_some() && self.account == other.account,
            address: self.address.is_some() && network(self) == network(other),
        }
    }
}

/// Which of a party's two sides another has too.
struct Overlap {
    account: bool,
    address: bool,
}

/// Something to evaluate, whatever its answer's type.
pub(super) trait Task: Send {
    /// Whether the caller has gone.
    fn is_abandoned(&self) -> bool;
    /// Evaluates and answers.
    fn run(self: Box<Self>);
    /// Answers without evaluating.
    fn refuse(self: Box<Self>, why: HashingError);
}

pub(super) struct Evaluation<T, W> {
    pub(super) work: W,
    pub(super) answer: oneshot::Sender<Result<T, HashingError>>,
}

impl<T, W> Task for Evaluation<T, W>
where
    T: Send,
    W: FnOnce() -> Result<T, Fault> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_canceled()
    }

    fn run(self: Box<Self>) {
        let Self { work, answer } = *self;
        // The caller may have gone meanwhile.
        let _ = answer.send(work().map_err(HashingError::from));
    }

    fn refuse(self: Box<Self>, why: HashingError) {
        let _ = self.answer.send(Err(why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_time_follows_the_recent_ones_and_no_leap_of_the_clock() {
        let policy = HashingPolicy { max_wait: Duration::from_secs(5), ..HashingPolicy::default() };
        let mut queue = Queue::new(&policy, 1);
        let mut mean_after = |millis| {
            queue.finish(Some(Duration::from_millis(millis)));
            queue.mean.as_millis()
        };
        assert_eq!(mean_after(800), 800);
        assert_eq!(mean_after(1_600), 900);
        assert_eq!(mean_after(900), 900);
        assert_eq!(mean_after(86_400_000), 1_412);
        queue.finish(None);
        assert_eq!(queue.mean.as_millis(), 1_412);
    }
}
