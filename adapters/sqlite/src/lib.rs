//! All four storage ports of doorwarden on one SQLite file: nothing to install, nothing to run.
//!
//! ```
//! use doorwarden_core::store::Directory as _;
//! use doorwarden_sqlite::{SqliteConfig, SqliteStore};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("doorwarden.db");
//! let store = SqliteStore::open(&SqliteConfig::new(path))?;
//! # futures_executor::block_on(async {
//! assert!(!store.has_users().await?);
//! # Ok::<(), doorwarden_core::error::Fault>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `config.rs` | [`SqliteConfig`] |
//! | `schema.rs` | the file: how it is made and recognised, tables, migrations |
//! | `writer.rs` | the one thread that writes: jobs that wait together share a commit |
//! | `place.rs` | a file that was moved away while in use is noticed before anything is written |
//! | `reader.rs` | the connections that read, never waiting for the writer |
//! | `directory.rs`, `commit.rs`, `audit.rs` | [`Directory`](doorwarden_core::store::Directory) |
//! | `session_store.rs` | [`SessionStore`](doorwarden_core::store::SessionStore) |
//! | `lockout_store.rs` | [`LockoutStore`](doorwarden_core::store::LockoutStore) |
//! | `ticket_store.rs` | [`TicketStore`](doorwarden_core::store::TicketStore) |
//! | `record.rs` | values as rows: a key and a JSON body |
//! | `fault.rs` | what went wrong with the file, and what to do about it |
//!
//! # What is promised
//!
//! * **What was answered is on the disk.** The file is in WAL mode with `synchronous = FULL`: a commit forces the log
//!   to the disk before anyone is told. `NORMAL`, SQLite's advice for WAL, loses the last commits with the power, and
//!   here a lost commit is a ticket that works twice or a guess that was free. It can be chosen as
//!   [`Synchronous::DangerNormal`].
//! * **Several processes may share the file**, if it lies on a local disk. A write waits for the other processes'
//!   transactions up to [`SqliteConfig::busy_timeout`] and is then a fault that a new try may cure.
//! * **Nobody else reads it**: the file and its `-wal` and `-shm` are made with mode 0600, a directory with 0700. The
//!   mode of a file that exists is left as it is.
//! * **Another's file stays untouched.** `open` refuses a database that has another application id, and one that a
//!   newer program has migrated.
//!
//! # What is left to the host
//!
//! * Backups: `sqlite3 FILE ".backup COPY"` or `VACUUM INTO`; a copied file without its `-wal` misses the last commits.
//! * Saying so in the log at start where [`Synchronous::DangerNormal`] was chosen.
//!
//! A read runs on the calling thread: microseconds, but a search among users looks at each of them. No async runtime is
//! needed or started.

mod audit;
mod commit;
mod config;
mod directory;
mod fault;
mod lockout_store;
mod place;
mod reader;
mod record;
mod schema;
mod session_store;
mod ticket_store;
mod writer;

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use doorwarden_core::error::Fault;
use rusqlite::Connection;

pub use config::{SqliteConfig, Synchronous};

use fault::{Trouble, Undone};
use place::Place;
use reader::Readers;
use writer::Writer;

/// The four storage ports on one file. Clones share it; the last one closes it, after the writes that wait.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    file: Arc<Path>,
    max_counters: u32,
    readers: Readers,
    writer: Writer,
    place: Place,
}

impl SqliteStore {
    /// Opens the file, which is made if it doesn't exist, and brings its schema up to date.
    ///
    /// # Errors
    /// A [`Fault`] that names the file and what to do: the path is a directory or can't be reached or written, the file
    /// is damaged, another application's or made by a newer program, or another process keeps it locked.
    pub fn open(config: &SqliteConfig) -> Result<Self, Fault> {
        let open = || {
            let file: Arc<Path> = schema::make_file(&config.path)?.into();
            let connection = schema::open(&file, config)?;
            let readers = Readers::new(file.clone(), config.busy_timeout, config.max_readers);
            let place = Place::of(file.clone())?;
            let writer = Writer::start(connection, config.busy_timeout, place.clone())?;
            Ok(Shared { file, max_counters: config.max_counters, readers, writer, place })
        };
        let shared = open().map_err(|trouble: Trouble| trouble.into_fault("opening", config.path.display()))?;
        Ok(Self { shared: Arc::new(shared) })
    }

    fn file(&self) -> &Path {
        &self.shared.file
    }

    fn max_counters(&self) -> u32 {
        self.shared.max_counters
    }

    fn writer(&self) -> &Writer {
        &self.shared.writer
    }

    /// Runs a write that is never refused.
    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        subject: impl fmt::Display + Send,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Fault> {
        let done = self.writer().run::<T, Infallible>(move |c| Ok(work(c)?)).await;
        done.map_err(|undone| match undone {
            Undone::Refused(never) => match never {},
            Undone::Trouble(trouble) => self.fault(doing, subject, trouble),
        })
    }

    fn read<T>(
        &self,
        doing: &'static str,
        subject: impl fmt::Display,
        look: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, Fault> {
        self.shared.readers.read(look).map_err(|trouble| self.fault(doing, subject, trouble))
    }

    fn fault(&self, doing: &'static str, subject: impl fmt::Display, trouble: Trouble) -> Fault {
        trouble.in_file(doing, subject, self.file())
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("file", &self.file()).finish_non_exhaustive()
    }
}
