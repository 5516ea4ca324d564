//! What went wrong with the database, and what to do about it.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;

use deadpool_postgres::{BuildError, PoolError, TimeoutType};
use doorwarden_core::error::Fault;
use tokio_postgres::error::SqlState;

/// A broken world, before it is known what was being done to what.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{}", advice(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("the connection failed at the commit ({0}): whether it was applied isn't known")]
    Undecided(String),
    #[error("the server doesn't answer: see that it isn't overloaded or hanging")]
    Silent,
    #[error("the database's encoding is {0}: make one with ENCODING 'UTF8'")]
    Encoding(String),
    #[error("as many marks are kept as may be: try again later")]
    MarksFull,
    #[error("no connection was free in time: raise max_connections, or see what holds them")]
    NoneFree,
    #[error("no connection was made in time: is the server up and reachable?")]
    Unreachable,
    #[error("the pool of connections can't be made: {0}")]
    Pool(String),
    #[error("the certificates can't be used ({0}): give a file of PEM certificates")]
    Certificates(String),
    #[error("the runtime of the connections can't be started: {0}")]
    NoRuntime(Arc<std::io::Error>),
    #[error("the runtime of the connections has stopped")]
    Stopped,
    #[error("the schema's name must be 1 to 63 of a-z, 0-9 and _")]
    SchemaName,
    #[error("its schema has version {seen} and this program knows versions up to {known}: start a newer program")]
    Newer { seen: i32, known: i32 },
    #[error("the record {key} of table {table} can't be read ({why}): restore it from a backup")]
    Unreadable { table: &'static str, key: String, why: String },
    #[error("the record can't be written as JSON ({0})")]
    Unwritable(String),
    #[error("this adapter is older than the engine and doesn't know the change: update it")]
    UnknownChange,
}

impl From<PoolError> for Trouble {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::NoneFree,
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => Self::Unreachable,
            PoolError::Backend(error) => Self::Postgres(error),
            other @ (PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => {
                Self::Pool(other.to_string())
            }
        }
    }
}

impl From<BuildError> for Trouble {
    fn from(error: BuildError) -> Self {
        Self::Pool(error.to_string())
    }
}

impl Trouble {
    /// The fault of having done `doing` to `subject` in the database at `place`; neither holds a secret.
    pub(crate) fn at(self, doing: &'static str, subject: impl fmt::Display, place: &str) -> Fault {
        let subject = format_args!("{subject} in {place}").to_string();
        if self.may_pass() { Fault::new(doing, subject, self) } else { Fault::lasting(doing, subject, self) }
    }

    /// Whether the same transaction may simply be run again: the server undid it to let another through.
    pub(crate) fn was_outrun(&self) -> bool {
        let outrun = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Postgres(error) if error.code().is_some_and(|code| outrun.contains(code)))
    }

    /// Whether the connection, and with it what was being done, was cut.
    pub(crate) fn was_cut(&self) -> bool {
        let cut = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT];
        let Self::Postgres(error) = self else { return false };
        error.code().map_or_else(|| is_of_the_line(error), |code| cut.contains(code))
    }

    /// The same trouble where it came at the commit: without the server's word nobody knows what it did.
    pub(crate) fn at_the_commit(self) -> Self {
        match self {
            Self::Silent => Self::Undecided("no answer".to_owned()),
            cut if cut.was_cut() => Self::Undecided(cut.to_string()),
            told => told,
        }
    }

    /// The same trouble, where the database counts marks and says that there are as many as may be.
    pub(crate) fn where_marks_are_full(self) -> Self {
        match self {
            Self::Postgres(error) if error.code() == Some(&SqlState::PROGRAM_LIMIT_EXCEEDED) => Self::MarksFull,
            other => other,
        }
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Postgres(error) => error.code().is_none_or(code_may_pass),
            Self::NoneFree | Self::Unreachable | Self::Silent | Self::Undecided(_) => true,
            Self::NoRuntime(_) | Self::MarksFull => true,
            Self::Pool(_) | Self::Certificates(_) | Self::Stopped | Self::SchemaName | Self::Newer { .. } => false,
            Self::Encoding(_) => false,
            Self::Unreadable { .. } | Self::Unwritable(_) | Self::UnknownChange => false,
        }
    }
}

/// Whether the connection failed, and not what was asked on it.
fn is_of_the_line(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>())
}

/// Connections, resources, other transactions, the operator: classes 08, 40, 53, 55, 57, 58.
fn code_may_pass(code: &SqlState) -> bool {
    ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.code().starts_with(class))
}

/// PostgreSQL's message behind what it means here and what to do. Its detail may quote values, and isn't shown.
fn advice(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        let cause = error.source().map_or(String::new(), |cause| format!(": {cause}"));
        let failed = "see that the server is up and reachable, and speaks TLS as `sslmode` says";
        return format!("the connection failed ({error}{cause}): {failed}");
    };
    let code = said.code();
    let meaning = match code.code() {
        "28P01" | "28000" => "the server refuses the user or password: see store.directory",
        "3D000" => "there is no such database: make it, or name another",
        "42501" => "the user isn't allowed to: give it the schema (`GRANT CREATE, USAGE`)",
        "53300" => "the server has no connection left: lower max_connections, or raise the server's",
        "53100" => "the server's disk is full: free some space",
        "25006" => "the server takes no writes: it is a standby, name the primary",
        "55P03" | "57014" => "it took too long: something else holds the record, or the server is overloaded",
        "57P01" | "57P02" | "57P03" => "the server is starting or stopping: try again",
        _ => return format!("{} ({})", said.message(), code.code()),
    };
    format!("{meaning} ({}, {})", said.message(), code.code())
}

/// Why a transaction changed nothing: an answer, or a broken world.
#[derive(Debug)]
pub(crate) enum Undone<R> {
    /// The facts are such that it isn't done.
    Refused(R),
    /// It couldn't be done.
    Trouble(Trouble),
}

impl<R, T: Into<Trouble>> From<T> for Undone<R> {
    fn from(trouble: T) -> Self {
        Self::Trouble(trouble.into())
    }
}
