//! What went wrong with the file, and what to do about it.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use doorwarden_core::error::Fault;
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_READONLY_DBMOVED, SQLITE_READONLY_DIRECTORY};

/// A broken world, before it is known what was being done to what.
///
/// It is cloned, since all jobs of a transaction share the fate of its commit.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{}", advice(.0))]
    Sqlite(#[from] Arc<rusqlite::Error>),
    #[error("{what}: {source}")]
    Path { what: &'static str, source: Arc<io::Error> },
    #[error("no path is given: name a file")]
    NoPath,
    #[error("the file was moved or deleted while in use, nothing was written: put it back, or restart")]
    Moved,
    #[error("it is a directory: name a file in it")]
    IsDirectory,
    #[error("it is the database of another application (application id {0:#010x}): choose another path")]
    Foreign(i32),
    #[error("its schema has version {seen} and this program knows versions up to {known}: start a newer program")]
    Newer { seen: i32, known: i32 },
    #[error("its file system can't share memory between processes (journal mode {0}): put it on a local disk")]
    NoWal(String),
    #[error("the record {key} of table {table} can't be read ({why}): restore it from a backup")]
    Unreadable { table: &'static str, key: String, why: String },
    #[error("the record can't be written as JSON ({0})")]
    Unwritable(String),
    #[error("this adapter is older than the engine and doesn't know the change: update it")]
    UnknownChange,
    #[error("{0} writes are waiting already")]
    QueueFull(usize),
    #[error("as many are kept as may be: try again later")]
    MarksFull,
    #[error("the write panicked and was undone")]
    Panicked,
    #[error("the writer thread has stopped")]
    Stopped,
    #[error("the writer thread can't be started: {0}")]
    NoThread(Arc<io::Error>),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

impl Trouble {
    pub(crate) fn path(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Path { what, source: Arc::new(source) }
    }

    /// The fault of having done `doing` to `subject`, which never holds a secret or a whole e-mail address.
    pub(crate) fn into_fault(self, doing: &'static str, subject: impl fmt::Display) -> Fault {
        if self.may_pass() { Fault::new(doing, subject, self) } else { Fault::lasting(doing, subject, self) }
    }

    /// The fault of having done `doing` to `subject` in the database `file`.
    pub(crate) fn in_file(self, doing: &'static str, subject: impl fmt::Display, file: &Path) -> Fault {
        self.into_fault(doing, format_args!("{subject} in {}", file.display()))
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code().is_some_and(code_may_pass),
            Self::QueueFull(_) | Self::NoThread(_) | Self::MarksFull => true,
            Self::Path { .. } | Self::NoPath | Self::IsDirectory | Self::Foreign(_) | Self::Newer { .. } => false,
            Self::Unreadable { .. } | Self::Unwritable(_) | Self::UnknownChange => false,
            Self::Moved | Self::NoWal(_) | Self::Panicked | Self::Stopped => false,
        }
    }
}

/// Whether another process holds a lock that this one needs.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn code_may_pass(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OutOfMemory | ErrorCode::SystemIoFailure
    )
}

/// SQLite's message behind what it means here and what to do.
fn advice(error: &rusqlite::Error) -> String {
    let meaning = match (error.sqlite_error_code(), error.sqlite_error().map(|e| e.extended_code)) {
        (_, Some(SQLITE_READONLY_DBMOVED)) => "the file was moved or deleted while in use: put it back and restart",
        (_, Some(SQLITE_READONLY_DIRECTORY)) => "its directory can't be written: give this process the right to",
        (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => {
            "another process holds the file for longer than the time-out: end what holds it, or try again"
        }
        (Some(ErrorCode::DiskFull), _) => "the disk is full: free some space",
        (Some(ErrorCode::ReadOnly), _) => {
            "the file can't be written: give this process the right to, on the directory too"
        }
        (Some(ErrorCode::CannotOpen), _) => "the file can't be opened: see its and its directory's owner and mode",
        (Some(ErrorCode::DatabaseCorrupt), _) => "the file is damaged: restore it from a backup",
        (Some(ErrorCode::NotADatabase), _) => {
            "the file is damaged or no SQLite database: restore it from a backup, or choose another path"
        }
        (Some(ErrorCode::SystemIoFailure), _) => "reading or writing the disk failed: see the system's log",
        _ => return error.to_string(),
    };
    format!("{meaning} ({error})")
}

/// Why a job of the writer changed nothing: an answer, or a broken world.
#[derive(Debug)]
pub(crate) enum Undone<R = Infallible> {
    /// The facts are such that it isn't done.
    Refused(R),
    /// It couldn't be done.
    Trouble(Trouble),
}

impl<R> From<Trouble> for Undone<R> {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl<R> From<rusqlite::Error> for Undone<R> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Trouble(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_worth_another_try() {
        for (code, retryable, says) in [
            (5, true, "end what holds it"),
            (10, true, "the system's log"),
            (13, false, "free some space"),
            (8, false, "can't be written"),
            (1_032, false, "moved or deleted"),
            (1_544, false, "its directory"),
            (14, false, "owner and mode"),
            (11, false, "backup"),
            (26, false, "choose another path"),
        ] {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            let fault = Trouble::from(error).into_fault("writing", "x");
            assert_eq!(fault.retryable(), retryable, "{code}");
            assert!(fault.to_string().contains(says), "{fault}");
        }
    }
}
