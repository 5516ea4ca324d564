//! Slow hashing on threads of its own: [`HashingPool`].
//!
//! ```text
//!             ┌─ full, or would wait over max_wait ──▶ Busy
//! a caller ───┼─ its party holds too much of it ─────▶ waits outside, asks again ──▶ queued, or Busy
//!             └─ queued ──▶ a thread takes it ─┬─ evaluated ──▶ answer, or a fault if it panicked
//!                                              ├─ waited over max_wait ──▶ Busy
//!                                              └─ nobody waits for it any more ──▶ dropped
//! ```
//!
//! `Busy` is told before any work and says nothing about an account.

mod load;
mod priority;
mod queue;

use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use load::WaitCounter;
pub use load::{HashingLoad, Waits};
use queue::{Admission, Evaluation, Job, Limits, Queue, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::password::{Password, PasswordHash, PasswordPolicy, Verification};
use crate::time::{Clock, Timestamp};

/// How much is hashed at once and how long a caller waits: the section `[hashing]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HashingPolicy {
    /// Threads that hash; 0 is one less than the machine has cores, at least one. Read at start only.
    pub threads: u32,
    /// How many may wait for a thread before the next is told `busy`.
    pub queue: u32,
    /// Who would wait longer than this is told `busy` at once.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub max_wait: Duration,
}

impl Default for HashingPolicy {
    fn default() -> Self {
        Self { threads: 0, queue: 64, max_wait: Duration::from_secs(5) }
    }
}

impl HashingPolicy {
    fn thread_count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        match usize::try_from(self.threads) {
            Ok(0) => cores().saturating_sub(1).max(1),
            Ok(threads) => threads,
            Err(_) => cores(),
        }
    }
}

/// On whose behalf something is hashed, so that nobody fills the queue alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Party {
    /// The account or identifier, as a digest.
    pub account: Option<[u8; 32]>,
    /// The client's [`network`](crate::client::Client::network).
    pub address: Option<IpAddr>,
}

/// Why nothing was hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// Too much to do; nothing was evaluated.
    #[error("too many passwords are being hashed, try again in {} s", retry_after.as_secs())]
    Busy {
        /// When it is worth trying again, at least a second.
        retry_after: Duration,
    },
    /// The evaluation panicked, the password can't be hashed, or the pool has ended.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Threads that hash and verify passwords, behind a bounded queue that is fair to its users.
///
/// Needs no async runtime: the futures it returns can be polled by any. Dropping the pool answers whoever waits with a
/// fault and ends each thread after the evaluation it is at.
///
/// ```
/// use std::sync::Arc;
///
/// use doorwarden_core::hashing::{HashingPolicy, HashingPool, Party};
/// use doorwarden_core::password::{Password, PasswordPolicy, Verification};
/// use doorwarden_core::time::SystemClock;
///
/// let pool = HashingPool::start(&HashingPolicy::default(), Arc::new(SystemClock))?;
/// # let done: Result<(), doorwarden_core::hashing::HashingError> =
/// futures_executor::block_on(async {
///     let password = Password::new("correct horse 1!".to_owned());
///     let policy = PasswordPolicy::default();
///     let hash = pool.hash(&Party::default(), password.clone(), &policy, [7; 16]).await?;
///     assert_eq!(pool.verify(&Party::default(), password, hash, &policy).await?, Verification::Right);
///     assert_eq!(pool.evaluations(), 2);
/// #   Ok(())
/// });
/// # done.unwrap();
/// # Ok::<(), doorwarden_core::error::Fault>(())
/// ```
#[derive(Debug)]
pub struct HashingPool {
    inner: Arc<Inner>,
}

impl HashingPool {
    /// Starts the threads, named `doorwarden-hash-0` and so on.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(policy: &HashingPolicy, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        let threads = policy.thread_count();
        let pool = Self { inner: Arc::new(Inner::new(policy, threads, clock)) };
        for number in 0..threads {
            let inner = Arc::clone(&pool.inner);
            let name = format!("doorwarden-hash-{number}");
            let thread = std::thread::Builder::new().name(name.clone());
            let serve = move || {
                if let Err(error) = priority::lower()
                    && number == 0
                {
                    tracing::warn!(%error, "the system lowers no priority: hashing competes with the rest of the process");
                }
                inner.serve();
            };
            thread.spawn(serve).map_err(|source| Fault::new("starting thread", name, source))?;
        }
        Ok(pool)
    }

    /// Takes a new policy. `queue` and `max_wait` hold for the next caller, `threads` from the next start.
    pub fn set_policy(&self, policy: &HashingPolicy) {
        self.inner.queue().limits = Limits::of(policy);
    }

    /// Hashes `password` by `policy`; see [`PasswordHash::new`].
    ///
    /// # Errors
    /// [`HashingError::Busy`] before any work; [`HashingError::Fault`] also for a password that can't be hashed.
    pub async fn hash(
        &self,
        party: &Party,
        password: Password,
        policy: &PasswordPolicy,
        salt: [u8; 16],
    ) -> Result<PasswordHash, HashingError> {
        let (inner, policy) = (Arc::clone(&self.inner), policy.clone());
        let work = move || PasswordHash::new(&password, &policy, salt).inspect(|_| inner.count_evaluation());
        self.submit(party, work).await
    }

    /// Compares `password` with `hash`; see [`PasswordHash::verify`]. Where it is wrong and the hash is cheaper than those
    /// that `policy` makes, dummies are evaluated behind it, so that the time doesn't tell.
    ///
    /// # Errors
    /// [`HashingError::Busy`] before any work; [`HashingError::Fault`].
    pub async fn verify(
        &self,
        party: &Party,
        password: Password,
        hash: PasswordHash,
        policy: &PasswordPolicy,
    ) -> Result<Verification, HashingError> {
        let (inner, policy) = (Arc::clone(&self.inner), policy.clone());
        let work = move || {
            let verification = hash.verify(&password);
            if verification != Verification::Broken {
                inner.count_evaluation();
            }
            if verification == Verification::Wrong {
                for dummy in hash.padding(&policy) {
                    dummy.verify(&password);
                    inner.count_evaluation();
                }
            }
            Ok(verification)
        };
        self.submit(party, work).await
    }

    /// How many hashes were computed since the start, for hashing or verifying. A broken hash counts none.
    pub fn evaluations(&self) -> u64 {
        self.inner.evaluations.load(Ordering::Relaxed)
    }

    /// What was done since the start, and what is to be done now.
    pub fn load(&self) -> HashingLoad {
        let queue = self.inner.queue();
        HashingLoad {
            evaluations: self.evaluations(),
            busy: self.inner.busy.load(Ordering::Relaxed),
            threads: queue.threads,
            running: queue.running,
            waiting: queue.waiting.len(),
            outside: queue.outside,
            waits: self.inner.waits.waits(),
        }
    }

    async fn submit<T, W>(&self, party: &Party, work: W) -> Result<T, HashingError>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, Fault> + Send + 'static,
    {
        let answer = self.queue_up(party, work).await;
        if matches!(answer, Err(HashingError::Busy { .. })) {
            self.inner.busy.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn queue_up<T, W>(&self, party: &Party, work: W) -> Result<T, HashingError>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, Fault> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let task = Box::new(Evaluation { work, answer });
        let mut job = Job { party: *party, arrived_at: self.inner.clock.now(), task };
        let mut outside = None;
        let mut steps = 0;
        while let Admission::Outside(back) = self.inner.admit(job)? {
            job = back;
            if outside.is_none() {
                outside = Some(self.inner.wait_outside()?);
            }
            steps += 1;
            self.inner.may_step(steps)?;
            self.inner.clock.sleep(OUTSIDE_STEP).await;
        }
        drop(outside);
        answered.await.unwrap_or_else(|_| Err(self.inner.unanswered().into()))
    }
}

impl Drop for HashingPool {
    fn drop(&mut self) {
        let unanswered = {
            let mut queue = self.inner.queue();
            queue.state = State::Ended;
            std::mem::take(&mut queue.waiting)
        };
        self.inner.work_or_end.notify_all();
        drop(unanswered);
    }
}

/// How often a caller who waits outside asks again.
const OUTSIDE_STEP: Duration = Duration::from_millis(20);

/// What callers and threads share.
struct Inner {
    queue: Mutex<Queue>,
    work_or_end: Condvar,
    clock: Arc<dyn Clock>,
    evaluations: AtomicU64,
    busy: AtomicU64,
    waits: WaitCounter,
}

impl Inner {
    fn new(policy: &HashingPolicy, threads: usize, clock: Arc<dyn Clock>) -> Self {
        let queue = Mutex::new(Queue::new(policy, threads));
        let (evaluations, busy, waits) = Default::default();
        Self { queue, work_or_end: Condvar::new(), clock, evaluations, busy, waits }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_evaluation(&self) {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
    }

    fn admit(&self, job: Job) -> Result<Admission, HashingError> {
        let mut queue = self.queue();
        if queue.state == State::Ended {
            drop(queue);
            return Err(self.unanswered().into());
        }
        let admission = queue.admit(job)?;
        drop(queue);
        self.work_or_end.notify_one();
        Ok(admission)
    }

    /// Outside is bounded too: as many as the queue holds.
    fn wait_outside(&self) -> Result<Outside<'_>, HashingError> {
        let mut queue = self.queue();
        if queue.outside >= queue.limits.places {
            return Err(queue.busy());
        }
        queue.outside += 1;
        Ok(Outside(self))
    }

    /// Counts steps, not time: a clock set back must not keep anyone waiting.
    fn may_step(&self, steps: u32) -> Result<(), HashingError> {
        let queue = self.queue();
        if OUTSIDE_STEP.saturating_mul(steps) > queue.limits.max_wait {
            return Err(queue.busy());
        }
        Ok(())
    }

    /// A thread's life.
    fn serve(&self) {
        while let Some(job) = self.next_job() {
            let started = self.clock.now();
            // A panic drops the job, and so its caller is answered by `unanswered`.
            let served = catch_unwind(AssertUnwindSafe(|| self.settle(job, started))).unwrap_or(false);
            let took = started.until(self.clock.now());
            self.queue().finish(served.then_some(took));
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut queue = self.queue();
        while queue.state == State::Open {
            if let Some(job) = queue.waiting.pop_front() {
                queue.running += 1;
                return Some(job);
            }
            queue = self.work_or_end.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Why a job was dropped without an answer.
    fn unanswered(&self) -> Fault {
        let why = match self.queue().state {
            State::Open => "the evaluation panicked",
            State::Ended => "the pool has ended",
        };
        Fault::new("hashing", "a password", why)
    }

    /// Answers a job; whether it was evaluated.
    fn settle(&self, job: Job, now: Timestamp) -> bool {
        let max_wait = self.queue().limits.max_wait;
        if job.task.is_abandoned() {
            return false;
        }
        let waited = job.arrived_at.until(now);
        self.waits.add(waited);
        if waited > max_wait {
            // The answer wakes the host's task, and that must not happen under the lock.
            let busy = self.queue().busy();
            job.task.refuse(busy);
            return false;
        }
        job.task.run();
        true
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// A caller's place outside, given back however the caller ends.
struct Outside<'h>(&'h Inner);

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.outside = queue.outside.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests;
