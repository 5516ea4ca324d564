//! The pool under load, under a fault, and when it goes.

use std::pin::Pin;
use std::sync::atomic::AtomicI64;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use futures_executor::block_on;

use super::*;
use crate::time::{Sleep, SystemClock};

/// Stands still until told; a sleeper moves it and goes on at once.
#[derive(Debug, Default)]
struct StillClock {
    millis: AtomicI64,
    slept: AtomicU64,
}

impl StillClock {
    fn advance(&self, duration: Duration) {
        self.millis.fetch_add(duration.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.slept.fetch_add(1, Ordering::SeqCst);
        self.advance(duration);
        Box::pin(std::future::ready(()))
    }
}

fn pool(threads: u32, queue: u32, max_wait: Duration, clock: Arc<dyn Clock>) -> HashingPool {
    HashingPool::start(&HashingPolicy { threads, queue, max_wait }, clock).unwrap()
}

const HOUR: Duration = Duration::from_secs(3_600);
const MAX_WAIT: Duration = Duration::from_secs(5);

type Answer<T> = Result<T, HashingError>;
type Pending<'p, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 'p>>;

/// Polls once, so that the job stands in the queue when this returns pending.
fn poll<T>(future: &mut Pending<'_, T>) -> Poll<Answer<T>> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn submit<'p, T, W>(pool: &'p HashingPool, party: &'p Party, work: W) -> Pending<'p, T>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    Box::pin(pool.submit(party, move || Ok(work())))
}

/// Puts a job into the queue and leaves it there.
fn queued<'p, T, W>(pool: &'p HashingPool, party: &'p Party, work: W) -> Pending<'p, T>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let mut future = submit(pool, party, work);
    assert!(poll(&mut future).is_pending());
    future
}

/// Keeps one thread at work until opened.
struct Gate<'p> {
    open: mpsc::Sender<()>,
    passed: Pending<'p, ()>,
}

impl<'p> Gate<'p> {
    fn closed(pool: &'p HashingPool) -> Self {
        let (started, has_started) = mpsc::channel();
        let (open, opened) = mpsc::channel();
        let passed = queued(pool, &NOBODY, move || {
            started.send(()).unwrap();
            opened.recv().unwrap();
        });
        has_started.recv().unwrap();
        Self { open, passed }
    }

    fn open(self) {
        self.open.send(()).unwrap();
        block_on(self.passed).unwrap();
    }
}

const NOBODY: Party = Party { account: None, address: None };

fn cheap() -> PasswordPolicy {
    PasswordPolicy { bcrypt_cost: 4, ..PasswordPolicy::default() }
}

fn from(address: &str) -> Party {
    Party { account: None, address: Some(address.parse().unwrap()) }
}

fn of(account: u8) -> Party {
    Party { account: Some([account; 32]), address: None }
}

fn retry_after<T: fmt::Debug>(answer: Poll<Answer<T>>) -> Duration {
    match answer {
        Poll::Ready(Err(HashingError::Busy { retry_after })) => retry_after,
        other => panic!("not busy: {other:?}"),
    }
}

#[test]
fn hashing_and_verifying_count_one_evaluation_each_and_a_broken_hash_none() {
    let pool = pool(1, 64, HOUR, Arc::new(SystemClock));
    let password = Password::new("password1!".to_owned());
    let hash = block_on(pool.hash(&NOBODY, password.clone(), &cheap(), [7; 16])).unwrap();
    assert_eq!(pool.evaluations(), 1);
    for (candidate, expected) in [("password1!", Verification::Right), ("", Verification::Wrong)] {
        let candidate = Password::new(candidate.to_owned());
        assert_eq!(block_on(pool.verify(&NOBODY, candidate, hash.clone(), &cheap())).unwrap(), expected);
    }
    assert_eq!(pool.evaluations(), 3);
    let broken: PasswordHash = serde_json::from_str("\"plain text\"").unwrap();
    assert_eq!(block_on(pool.verify(&NOBODY, password, broken, &cheap())).unwrap(), Verification::Broken);
    let refused = block_on(pool.hash(&NOBODY, Password::new(String::new()), &cheap(), [7; 16]));
    assert!(matches!(refused, Err(HashingError::Fault(fault)) if !fault.retryable()));
    assert_eq!(pool.evaluations(), 3);
}

#[test]
fn fa9_a_full_queue_is_busy_at_once() {
    for places in [0, 1, 2] {
        let pool = pool(1, places, HOUR, Arc::new(StillClock::default()));
        let gate = Gate::closed(&pool);
        let waiting: Vec<_> = (0..places).map(|n| queued(&pool, &NOBODY, move || n)).collect();
        assert_eq!(retry_after(poll(&mut submit(&pool, &NOBODY, || ()))), Duration::from_secs(1), "{places}");
        gate.open();
        for (n, answer) in (0..).zip(waiting) {
            assert_eq!(block_on(answer).unwrap(), n);
        }
    }
}

#[test]
fn who_would_wait_longer_than_max_wait_is_busy_at_once() {
    let clock = Arc::new(StillClock::default());
    let pool = pool(1, 64, MAX_WAIT, clock.clone());
    let slow = {
        let clock = clock.clone();
        move || clock.advance(Duration::from_millis(2_500))
    };
    block_on(submit(&pool, &NOBODY, slow)).unwrap();
    let gate = Gate::closed(&pool);
    // With none, one and two before it, the wait is 0, 2.5 and 5 seconds.
    let waiting: Vec<_> = (0..3).map(|_| queued(&pool, &NOBODY, || ())).collect();
    assert_eq!(retry_after(poll(&mut submit(&pool, &NOBODY, || ()))), Duration::from_millis(7_500));
    gate.open();
    waiting.into_iter().for_each(|answer| block_on(answer).unwrap());
}

#[test]
fn a_job_that_waited_longer_than_max_wait_is_not_evaluated() {
    for (waited, evaluated) in [(5_000, true), (5_001, false)] {
        let clock = Arc::new(StillClock::default());
        let pool = pool(1, 64, MAX_WAIT, clock.clone());
        let gate = Gate::closed(&pool);
        let late = queued(&pool, &NOBODY, || ());
        clock.advance(Duration::from_millis(waited));
        gate.open();
        match block_on(late) {
            Ok(()) => assert!(evaluated, "{waited}"),
            Err(HashingError::Busy { .. }) => assert!(!evaluated, "{waited}"),
            Err(HashingError::Fault(fault)) => panic!("{fault}"),
        }
    }
}

#[test]
fn gu8_a_party_with_a_quarter_of_a_queue_over_half_full_waits_outside() {
    let (crowd, other) = (from("192.0.2.1"), from("192.0.2.2"));
    for (crowded, strangers, outside) in [(2, 2, false), (2, 3, true), (1, 4, false), (4, 0, false), (5, 0, true)] {
        let clock = Arc::new(StillClock::default());
        let pool = pool(1, 8, MAX_WAIT, clock.clone());
        let gate = Gate::closed(&pool);
        let mut waiting: Vec<_> = (0..crowded).map(|_| queued(&pool, &crowd, || ())).collect();
        waiting.extend((0..strangers).map(|_| queued(&pool, &NOBODY, || ())));
        if outside {
            // Here a sleeper goes on at once, so waiting outside comes to its end: five seconds of 20 ms steps.
            assert_eq!(retry_after(poll(&mut submit(&pool, &crowd, || ()))), Duration::from_secs(1));
        } else {
            waiting.push(queued(&pool, &crowd, || ()));
        }
        assert_eq!(clock.slept.load(Ordering::SeqCst), if outside { 250 } else { 0 }, "{crowded} + {strangers}");
        assert_eq!(pool.inner.queue().outside, 0);
        waiting.push(queued(&pool, &other, || ()));
        drop(waiting);
        gate.open();
    }
}

#[test]
fn gu8_account_and_address_count_each_on_its_own() {
    let both = |account: u8, address: &str| Party { account: Some([account; 32]), ..from(address) };
    let cases = [
        (of(1), of(1), true),
        (of(1), of(2), false),
        (NOBODY, NOBODY, false),
        (both(1, "192.0.2.1"), both(1, "192.0.2.2"), true),
        (both(1, "192.0.2.1"), both(2, "192.0.2.1"), true),
        (both(1, "192.0.2.1"), both(2, "192.0.2.2"), false),
        (from("192.0.2.1"), from("::ffff:192.0.2.1"), true),
        (from("2001:db8::1"), from("2001:db8::ffff:0:0:1"), true),
        (from("2001:db8::1"), from("2001:db8:0:1::1"), false),
    ];
    for (one, other, shared) in cases {
        let pool = pool(1, 4, MAX_WAIT, Arc::new(StillClock::default()));
        let gate = Gate::closed(&pool);
        let waiting: Vec<_> = (0..3).map(|_| queued(&pool, &one, || ())).collect();
        assert_eq!(poll(&mut submit(&pool, &other, || ())).is_ready(), shared, "{one:?} {other:?}");
        drop(waiting);
        gate.open();
    }
}

#[test]
fn gu8_who_waits_outside_is_let_in_when_the_queue_is_shorter() {
    let crowd = from("192.0.2.1");
    let pool = pool(1, 4, HOUR, Arc::new(SystemClock));
    let gate = Gate::closed(&pool);
    let waiting: Vec<_> = (0..3).map(|_| queued(&pool, &crowd, || ())).collect();
    let mut outside: Vec<_> = (0..4).map(|n| queued(&pool, &crowd, move || n)).collect();
    assert_eq!(pool.inner.queue().waiting.len(), 3);
    assert_eq!(pool.inner.queue().outside, 4);
    // Outside is bounded too, and a place there is given back by who goes away.
    retry_after(poll(&mut submit(&pool, &crowd, || ())));
    drop(outside.pop());
    outside.push(queued(&pool, &crowd, || 3));
    gate.open();
    for (n, answer) in (0..).zip(outside) {
        assert_eq!(block_on(answer).unwrap(), n);
    }
    waiting.into_iter().for_each(|answer| block_on(answer).unwrap());
    assert_eq!(pool.inner.queue().outside, 0);
}

#[test]
fn fa2_a_panic_is_a_fault_and_the_thread_lives_on() {
    let pool = pool(1, 64, HOUR, Arc::new(SystemClock));
    for _ in 0..3 {
        match block_on(submit(&pool, &NOBODY, || panic!("expected by this test"))) {
            Err(HashingError::Fault(fault)) => {
                assert_eq!(fault.to_string(), "hashing a password: the evaluation panicked");
            }
            Err(busy) => panic!("{busy}"),
            Ok(()) => panic!("answered"),
        }
    }
    assert_eq!(block_on(submit(&pool, &NOBODY, || 1)).unwrap(), 1);
}

#[test]
fn a_job_nobody_waits_for_is_skipped_and_holds_no_place() {
    let pool = pool(1, 1, HOUR, Arc::new(StillClock::default()));
    let evaluated = Arc::new(AtomicU64::new(0));
    let count = |step: u64| {
        let evaluated = evaluated.clone();
        move || evaluated.fetch_add(step, Ordering::SeqCst)
    };
    let gate = Gate::closed(&pool);
    drop(queued(&pool, &NOBODY, count(100)));
    let kept = queued(&pool, &NOBODY, count(1));
    gate.open();
    block_on(kept).unwrap();
    let gate = Gate::closed(&pool);
    drop(queued(&pool, &NOBODY, count(100)));
    gate.open();
    block_on(submit(&pool, &NOBODY, count(1))).unwrap();
    assert_eq!(evaluated.load(Ordering::SeqCst), 2);
}

#[test]
fn dropping_the_pool_answers_who_waits_and_ends_its_threads() {
    #[derive(Debug)]
    struct LastClock(mpsc::Sender<()>);
    impl Clock for LastClock {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }
        fn sleep(&self, _: Duration) -> Sleep {
            Box::pin(std::future::ready(()))
        }
    }
    impl Drop for LastClock {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (last, ended) = mpsc::channel();
    let pool = pool(3, 64, HOUR, Arc::new(LastClock(last)));
    // The answers outlive the pool, as a task of the host's runtime does.
    let (open, opened) = mpsc::channel::<()>();
    let (started, has_started) = mpsc::channel();
    let opened = Arc::new(Mutex::new(opened));
    let answers: Vec<_> = (0..5)
        .map(|_| {
            let (answer, answered) = oneshot::channel();
            let (opened, started) = (opened.clone(), started.clone());
            let work = move || {
                started.send(()).unwrap();
                let _ = opened.lock().unwrap().recv();
                Ok(())
            };
            let task = Box::new(Evaluation { work, answer });
            assert!(matches!(
                pool.inner.admit(Job { party: NOBODY, arrived_at: Timestamp::default(), task }),
                Ok(Admission::Queued)
            ));
            answered
        })
        .collect();
    (0..3).for_each(|_| has_started.recv().unwrap());
    drop(pool);
    drop(open);
    let answered = answers.into_iter().map(block_on).filter(Result::is_ok).count();
    assert_eq!(answered, 3, "those at work were answered, the two that waited were dropped");
    ended.recv().unwrap();
}

#[test]
fn each_key_of_the_policy_changes_an_outcome() {
    let pool = pool(2, 0, HOUR, Arc::new(StillClock::default()));
    let gates = [Gate::closed(&pool), Gate::closed(&pool)];
    retry_after(poll(&mut submit(&pool, &NOBODY, || ())));
    pool.set_policy(&HashingPolicy { threads: 2, queue: 1, max_wait: HOUR });
    let waiting = queued(&pool, &NOBODY, || ());
    pool.set_policy(&HashingPolicy { threads: 2, queue: 2, max_wait: Duration::ZERO });
    pool.inner.queue().mean = Duration::from_millis(1_500);
    retry_after(poll(&mut submit(&pool, &NOBODY, || ())));
    gates.into_iter().for_each(Gate::open);
    block_on(waiting).unwrap();
    assert!(HashingPolicy::default().thread_count() >= 1);
}

#[cfg(target_os = "linux")]
#[test]
fn gu8_threads_have_a_lower_priority_than_the_rest_of_the_process() {
    let niceness = || rustix::process::getpriority_process(None).unwrap();
    let pool = pool(1, 8, Duration::from_secs(5), Arc::new(SystemClock));
    let there = block_on(submit(&pool, &Party::default(), niceness)).unwrap();
    assert!(there > niceness() || there == 19, "{there}");
}

#[test]
fn threads_have_names() {
    let pool = pool(1, 1, HOUR, Arc::new(SystemClock));
    let name = block_on(submit(&pool, &NOBODY, || std::thread::current().name().map(str::to_owned)));
    assert_eq!(name.unwrap().as_deref(), Some("doorwarden-hash-0"));
}

#[test]
fn fa9_of_100_callers_at_once_each_is_evaluated_or_busy() {
    let pool = pool(2, 8, HOUR, Arc::new(SystemClock));
    let answered = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for n in 0..100_u8 {
            let (pool, answered) = (&pool, &answered);
            scope.spawn(move || {
                match block_on(pool.hash(&of(n), Password::new("password1!".to_owned()), &cheap(), [n; 16])) {
                    Ok(_) => _ = answered.fetch_add(1, Ordering::SeqCst),
                    Err(HashingError::Busy { .. }) => {}
                    Err(HashingError::Fault(fault)) => panic!("{fault}"),
                }
            });
        }
    });
    assert_eq!(pool.evaluations(), answered.load(Ordering::SeqCst));
    assert!(pool.evaluations() >= 1);
}

#[test]
fn the_policy_is_read_with_its_units_and_refuses_unknown_keys() {
    let policy: HashingPolicy = serde_json::from_str(r#"{"queue":8,"max_wait":"250ms"}"#).unwrap();
    assert_eq!(policy, HashingPolicy { threads: 0, queue: 8, max_wait: Duration::from_millis(250) });
    assert_eq!(serde_json::from_str::<HashingPolicy>("{}").unwrap(), HashingPolicy::default());
    assert!(serde_json::from_str::<HashingPolicy>(r#"{"max_wait":5}"#).is_err());
    assert!(serde_json::from_str::<HashingPolicy>(r#"{"max_waits":"5s"}"#).is_err());
}
