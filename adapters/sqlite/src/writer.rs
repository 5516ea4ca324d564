//! The one thread that writes.
//!
//! ```text
//! jobs ─▶ bounded channel ─▶ BEGIN IMMEDIATE ─▶ each job in its own SAVEPOINT ─▶ COMMIT ─▶ answers
//!                                  ▲                      │ as long as jobs are waiting
//!                                  └──────────────────────┘
//! ```
//!
//! Forcing a commit to the disk costs far more than the statements in it, so jobs that wait at the same time share
//! one. None is answered before the commit that holds it: what was answered is on the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_channel::oneshot;
use rusqlite::Connection;

use crate::fault::{Trouble, Undone, is_busy};
use crate::place::Place;

/// More than this many waiting jobs are refused, so that a stuck disk doesn't fill the memory.
const LONGEST_QUEUE: usize = 4_096;
/// Jobs that share a commit: enough to hide its cost, few enough that nobody waits long.
const LARGEST_BATCH: usize = 256;
/// SQLite's own busy handler asks ten times a second in the end: two busy processes would starve each other.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// The queue to the writing thread; ends the thread when dropped, after the jobs that are waiting.
pub(crate) struct Writer {
    jobs: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection of its own.
    pub(crate) fn start(connection: Connection, busy_timeout: Duration, place: Place) -> Result<Self, Trouble> {
        // Waiting for other processes is done here, see ASK_EVERY.
        connection.busy_timeout(Duration::ZERO)?;
        let (sender, jobs) = sync_channel(LONGEST_QUEUE);
        let serve = move || {
            while let Ok(first) = jobs.recv() {
                transact(&connection, busy_timeout, &place, first, &jobs);
            }
        };
        let thread = std::thread::Builder::new().name("doorwarden-sqlite".to_owned()).spawn(serve);
        let thread = thread.map_err(|error| Trouble::NoThread(Arc::new(error)))?;
        Ok(Self { jobs: Some(sender), thread: Some(thread) })
    }

    /// Runs `work` in a transaction: whole, or not at all where it fails. Answers once it is on the disk.
    ///
    /// It is run even if nobody waits for the answer any more.
    pub(crate) async fn run<T, R>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Undone<R>> + Send + 'static,
    ) -> Result<T, Undone<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.submit(Box::new(Work { work: Some(work), outcome: None, answer }))?;
        answered.await.unwrap_or(Err(Undone::Trouble(Trouble::Stopped)))
    }

    fn submit(&self, job: Box<dyn Job>) -> Result<(), Trouble> {
        let jobs = self.jobs.as_ref().ok_or(Trouble::Stopped)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Trouble::QueueFull(LONGEST_QUEUE),
            TrySendError::Disconnected(_) => Trouble::Stopped,
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It has caught every panic of a job; there is nobody to tell about another.
            let _ = thread.join();
        }
    }
}

/// Runs `first`, and all that arrive meanwhile, in one transaction, and answers them.
fn transact(
    connection: &Connection,
    patience: Duration,
    place: &Place,
    first: Box<dyn Job>,
    jobs: &Receiver<Box<dyn Job>>,
) {
    let mut batch = Vec::new();
    let committed = match place.check().and_then(|()| begin(connection, patience)) {
        Ok(()) => fill(connection, first, jobs, &mut batch),
        Err(trouble) => {
            // They have waited too: each waiting the time-out again would only make the queue longer.
            batch.push(first);
            batch.extend(jobs.try_iter());
            Err(trouble)
        }
    };
    for job in batch {
        job.answer(&committed);
    }
}

fn begin(connection: &Connection, patience: Duration) -> Result<(), Trouble> {
    let mut waited = Duration::ZERO;
    loop {
        match execute(connection, "BEGIN IMMEDIATE") {
            Err(error) if is_busy(&error) && waited < patience => std::thread::sleep(ASK_EVERY),
            began => return Ok(began?),
        }
        waited = waited.saturating_add(ASK_EVERY);
    }
}

/// Runs and collects jobs until none waits, then commits.
fn fill(
    connection: &Connection,
    first: Box<dyn Job>,
    jobs: &Receiver<Box<dyn Job>>,
    batch: &mut Vec<Box<dyn Job>>,
) -> Result<(), Trouble> {
    let mut next = Some(first);
    while let Some(mut job) = next {
        let ran = job.run(connection);
        batch.push(job);
        ran?;
        next = if batch.len() < LARGEST_BATCH { jobs.try_recv().ok() } else { None };
    }
    execute(connection, "COMMIT").map_err(|error| roll_back(connection, error.into()))
}

/// One caller's write, its types hidden.
trait Job: Send {
    /// Runs it inside the open transaction; an error is one that cost the whole transaction.
    fn run(&mut self, connection: &Connection) -> Result<(), Trouble>;

    /// Tells the caller, after the commit.
    fn answer(self: Box<Self>, committed: &Result<(), Trouble>);
}

struct Work<T, R, F> {
    work: Option<F>,
    outcome: Option<Result<T, Undone<R>>>,
    answer: oneshot::Sender<Result<T, Undone<R>>>,
}

impl<T, R, F> Job for Work<T, R, F>
where
    T: Send,
    R: Send,
    F: FnOnce(&Connection) -> Result<T, Undone<R>> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Trouble> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let outcome = self.outcome.insert(in_savepoint(connection, work));
        match outcome {
            Err(Undone::Trouble(trouble)) if connection.is_autocommit() => Err(trouble.clone()),
            _ => Ok(()),
        }
    }

    fn answer(self: Box<Self>, committed: &Result<(), Trouble>) {
        let outcome = match committed {
            Ok(()) => self.outcome.unwrap_or(Err(Undone::Trouble(Trouble::Stopped))),
            // Even a refusal may rest on what the lost transaction held.
            Err(trouble) => Err(Undone::Trouble(trouble.clone())),
        };
        // A caller that has gone isn't told.
        let _ = self.answer.send(outcome);
    }
}

/// Runs `work` so that it leaves nothing behind unless it succeeds, whatever other jobs did before it.
fn in_savepoint<T, R>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Undone<R>>,
) -> Result<T, Undone<R>> {
    execute(connection, "SAVEPOINT job")?;
    let outcome = catch_unwind(AssertUnwindSafe(|| work(connection)));
    let outcome = outcome.unwrap_or(Err(Undone::Trouble(Trouble::Panicked)));
    // SQLite gives up a whole transaction by itself, for example when the disk is full; then there is nothing to undo.
    if outcome.is_err() && !connection.is_autocommit() {
        execute(connection, "ROLLBACK TO job").map_err(|error| roll_back(connection, error.into()))?;
    }
    if !connection.is_autocommit() {
        execute(connection, "RELEASE job").map_err(|error| roll_back(connection, error.into()))?;
    }
    outcome
}

/// Ends a transaction that failed, and hands its trouble on.
fn roll_back(connection: &Connection, trouble: Trouble) -> Trouble {
    if !connection.is_autocommit() {
        // A failure changes nothing: the next BEGIN fails too and says so.
        let _ = execute(connection, "ROLLBACK");
    }
    trouble
}

fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use futures_executor::block_on;
    use rusqlite::ErrorCode;

    use super::*;

    struct World {
        directory: tempfile::TempDir,
        writer: Writer,
        /// Counts the commits, and can make them fail.
        commits: Arc<(AtomicUsize, AtomicBool)>,
    }

    fn world() -> World {
        let directory = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(directory.path().join("w.db")).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)").unwrap();
        let commits = Arc::new((AtomicUsize::new(0), AtomicBool::new(false)));
        let hooked = commits.clone();
        let hook = move || {
            hooked.0.fetch_add(1, Ordering::SeqCst);
            hooked.1.load(Ordering::SeqCst)
        };
        connection.commit_hook(Some(hook)).unwrap();
        let place = Place::of(directory.path().join("w.db").into()).unwrap();
        World { writer: Writer::start(connection, Duration::from_millis(20), place).unwrap(), directory, commits }
    }

    impl World {
        fn other_connection(&self) -> Connection {
            Connection::open(self.directory.path().join("w.db")).unwrap()
        }

        fn stored(&self) -> Vec<i64> {
            let connection = self.other_connection();
            let mut statement = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        }

        fn insert(&self, number: i64) -> Result<(), Undone> {
            block_on(self.writer.run(move |c| insert(c, number)))
        }

        /// Runs `jobs` so that all are waiting when the first begins, and returns their answers.
        fn together<F>(&self, jobs: Vec<F>) -> Vec<Result<(), Undone>>
        where
            F: FnOnce(&Connection) -> Result<(), Undone> + Send + 'static,
        {
            let (go, wait) = channel::<()>();
            let submit = |job| {
                let (answer, answered) = oneshot::channel();
                self.writer.submit(job_of(job, answer)).unwrap();
                answered
            };
            let (held, _held) = oneshot::channel();
            let hold = move |_: &Connection| {
                wait.recv().unwrap();
                Ok::<_, Undone>(())
            };
            self.writer.submit(job_of(hold, held)).unwrap();
            let answers: Vec<_> = jobs.into_iter().map(submit).collect();
            go.send(()).unwrap();
            answers.into_iter().map(|answer| block_on(answer).unwrap()).collect()
        }
    }

    fn job_of<T: Send + 'static>(
        work: impl FnOnce(&Connection) -> Result<T, Undone> + Send + 'static,
        answer: oneshot::Sender<Result<T, Undone>>,
    ) -> Box<dyn Job> {
        Box::new(Work { work: Some(work), outcome: None, answer })
    }

    fn insert(connection: &Connection, number: i64) -> Result<(), Undone> {
        connection.execute("INSERT INTO t (n) VALUES (?1)", [number])?;
        Ok(())
    }

    #[test]
    fn jobs_that_wait_together_share_one_commit() {
        let world = world();
        let jobs: Vec<_> = (0..64).map(|number| move |c: &Connection| insert(c, number)).collect();
        assert!(world.together(jobs).iter().all(Result::is_ok));
        assert_eq!(world.stored().len(), 64);
        assert_eq!(world.commits.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_batch_has_an_end() {
        let world = world();
        let jobs = (0..2 * LARGEST_BATCH as i64).map(|number| move |c: &Connection| insert(c, number)).collect();
        assert!(world.together(jobs).iter().all(Result::is_ok));
        assert_eq!(world.commits.0.load(Ordering::SeqCst), 3, "one more job holds them back");
    }

    #[test]
    fn a_job_that_fails_or_panics_leaves_nothing_and_costs_the_others_nothing() {
        let world = world();
        let jobs = (0..9).map(|number| {
            move |c: &Connection| {
                insert(c, number)?;
                match number % 3 {
                    0 => Ok(()),
                    1 => insert(c, 0),
                    _ => panic!("on purpose"),
                }
            }
        });
        let answers = world.together(jobs.collect());
        for (number, answer) in answers.iter().enumerate() {
            let as_expected = match number % 3 {
                0 => answer.is_ok(),
                1 => matches!(answer, Err(Undone::Trouble(Trouble::Sqlite(_)))),
                _ => matches!(answer, Err(Undone::Trouble(Trouble::Panicked))),
            };
            assert!(as_expected, "{number}: {answer:?}");
        }
        assert_eq!(world.stored(), [0, 3, 6]);
        world.insert(10).unwrap();
    }

    #[test]
    fn fa1_a_commit_that_fails_is_a_fault_for_all_of_its_jobs_and_leaves_nothing() {
        let world = world();
        world.commits.1.store(true, Ordering::SeqCst);
        let jobs: Vec<_> = (0..5).map(|number| move |c: &Connection| insert(c, number)).collect();
        for answer in world.together(jobs) {
            assert!(matches!(answer, Err(Undone::Trouble(Trouble::Sqlite(_)))), "{answer:?}");
        }
        assert!(world.stored().is_empty());
        world.commits.1.store(false, Ordering::SeqCst);
        world.insert(1).unwrap();
        assert_eq!(world.stored(), [1]);
    }

    #[test]
    fn a_full_disk_is_a_lasting_fault_for_all_of_its_transaction_and_passes() {
        let world = world();
        let pages = |pages: i64| {
            let set = world.writer.run::<_, Infallible>(move |c| {
                Ok(c.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get::<_, i64>(0))?)
            });
            block_on(set).unwrap()
        };
        let full = pages(1);
        let big = |c: &Connection| {
            c.execute("INSERT INTO t (b) VALUES (zeroblob(100000))", [])?;
            Ok(())
        };
        for answer in world.together(vec![big; 3]) {
            let Err(Undone::Trouble(trouble)) = answer else { panic!("stored beyond {full} pages") };
            assert!(matches!(&trouble, Trouble::Sqlite(e) if e.sqlite_error_code() == Some(ErrorCode::DiskFull)));
            let fault = trouble.into_fault("committing", "1 change(s)");
            assert!(!fault.retryable() && fault.to_string().contains("the disk is full: free some space"), "{fault}");
        }
        assert!(world.stored().is_empty());
        pages(1_000);
        world.insert(1).unwrap();
    }

    #[test]
    fn a_file_locked_for_too_long_is_a_fault_for_all_that_wait_and_passes() {
        let world = world();
        let other = world.other_connection();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let Err(Undone::Trouble(trouble)) = world.insert(1) else { panic!("written under a lock") };
        let fault = trouble.into_fault("committing", "1 change(s)");
        assert!(fault.retryable() && fault.to_string().contains("longer than the time-out"), "{fault}");
        other.execute_batch("ROLLBACK").unwrap();
        world.insert(2).unwrap();
        assert_eq!(world.stored(), [2]);
    }

    #[test]
    fn fa9_the_queue_has_a_bound() {
        let world = world();
        let (go, wait) = channel::<()>();
        let (begun, begins) = channel::<()>();
        let hold = move |_: &Connection| {
            begun.send(()).unwrap();
            wait.recv().unwrap();
            Ok::<_, Undone>(())
        };
        world.writer.submit(job_of(hold, oneshot::channel().0)).unwrap();
        begins.recv().unwrap();
        for _ in 0..LONGEST_QUEUE {
            world.writer.submit(job_of(|_: &Connection| Ok(()), oneshot::channel().0)).unwrap();
        }
        let Err(Undone::Trouble(trouble)) = world.insert(1) else { panic!("no bound") };
        assert!(trouble.into_fault("writing", "x").retryable());
        go.send(()).unwrap();
    }

    #[test]
    fn closing_writes_what_waits() {
        let World { directory, writer, .. } = world();
        for number in 0..100 {
            writer.submit(job_of(move |c: &Connection| insert(c, number), oneshot::channel().0)).unwrap();
        }
        drop(writer);
        let connection = Connection::open(directory.path().join("w.db")).unwrap();
        let stored: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(stored, 100);
    }
}
