//! The connections that read.
//!
//! In WAL mode a reader sees the last commit before it began and neither waits for the writer nor holds it up. A read
//! is a few microseconds of work on pages that are mostly in memory, so it runs on the calling thread.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::fault::Trouble;
use crate::schema;

/// A bounded pool of reading connections, opened when they are first needed.
pub(crate) struct Readers {
    file: Arc<Path>,
    busy_timeout: Duration,
    max: usize,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    open: usize,
}

impl Readers {
    pub(crate) fn new(file: Arc<Path>, busy_timeout: Duration, max: usize) -> Self {
        Self { file, busy_timeout, max: max.max(1), pool: Mutex::default(), freed: Condvar::new() }
    }

    /// Runs `look` on a connection that nobody else uses meanwhile. It must not read through the pool again.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let mut lease = Lease { readers: self, connection: self.idle() };
        let connection = match lease.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        look(lease.connection.insert(connection))
    }

    /// An idle connection; `None` to open a further one, which counts already.
    fn idle(&self) -> Option<Connection> {
        let all_busy = |pool: &mut Pool| pool.idle.is_empty() && pool.open >= self.max;
        let mut pool = self.freed.wait_while(self.pool(), all_busy).unwrap_or_else(PoisonError::into_inner);
        let connection = pool.idle.pop();
        if connection.is_none() {
            pool.open += 1;
        }
        connection
    }

    fn connect(&self) -> Result<Connection, Trouble> {
        let connection = schema::connect(&self.file, self.busy_timeout)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives its connection back, or its place if none could be opened, also when the read panics.
struct Lease<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool();
        match self.connection.take() {
            Some(connection) => pool.idle.push(connection),
            None => pool.open -= 1,
        }
        drop(pool);
        self.readers.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{SqliteConfig, SqliteStore};

    fn store(max_readers: usize) -> (SqliteStore, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let mut config = SqliteConfig::new(directory.path().join("w.db"));
        config.max_readers = max_readers;
        (SqliteStore::open(&config).unwrap(), directory)
    }

    #[test]
    fn at_most_so_many_read_at_once_and_the_others_wait() {
        for max in [1, 3] {
            let (store, _directory) = store(max);
            let (reading, start) = (AtomicUsize::new(0), Barrier::new(20));
            let look = |connection: &Connection| {
                assert!(reading.fetch_add(1, Ordering::SeqCst) < max);
                connection.query_row("SELECT count(*) FROM users", [], |_| Ok(()))?;
                std::thread::yield_now();
                reading.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            };
            std::thread::scope(|scope| {
                for _ in 0..20 {
                    scope.spawn(|| {
                        start.wait();
                        (0..50).for_each(|_| store.read("counting", "users", look).unwrap());
                    });
                }
            });
            assert!(store.shared.readers.pool().open <= max);
        }
    }

    #[test]
    fn a_read_that_panics_gives_its_connection_back() {
        let (store, _directory) = store(1);
        let panics = || store.read("counting", "users", |_| -> Result<(), Trouble> { panic!("on purpose") });
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        store.read("counting", "users", |_| Ok(())).unwrap();
    }

    #[test]
    fn a_connection_that_can_t_be_opened_gives_its_place_back() {
        let (store, directory) = store(1);
        let (file, hidden) = (directory.path().join("w.db"), directory.path().join("hidden"));
        std::fs::rename(&file, &hidden).unwrap();
        let fault = store.read("counting", "users", |_| Ok(())).unwrap_err();
        assert!(fault.to_string().contains("the file can't be opened"), "{fault}");
        std::fs::rename(&hidden, &file).unwrap();
        store.read("counting", "users", |_| Ok(())).unwrap();
    }

    #[test]
    fn a_reader_can_t_write() {
        let (store, _directory) = store(1);
        let write = |c: &Connection| Ok(c.execute("DELETE FROM users", [])?);
        assert!(!store.read("deleting", "users", write).unwrap_err().retryable());
    }
}
