//! What went wrong with the server, and what to do about it.

use std::fmt;
use std::sync::Arc;

use doorwarden_core::error::Fault;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// A broken world, before it is known what was being done to what.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{}", advice(.0))]
    Redis(#[from] RedisError),
    #[error("it took too long: is the server up, reachable and not overloaded?")]
    TooLong,
    #[error("others changed it again and again: try again later")]
    Outrun,
    #[error("as many marks are kept as may be: try again later")]
    MarksFull,
    #[error(
        "the server evicts keys when it is full (maxmemory-policy {0}), and with them failures, spent tickets and nonces: set `maxmemory-policy noeviction`"
    )]
    Evicts(String),
    #[error("the server is one node of a cluster: write redis-cluster:// with its nodes")]
    OneOfMany,
    #[error("the server is a replica and takes no writes: name the primary")]
    Replica,
    #[error("the server's version is {0}: Redis 6 or newer is needed")]
    TooOld(String),
    #[error("the server doesn't tell its {0}, which must be known: allow the user the command INFO")]
    Untold(&'static str),
    #[error("the certificates can't be used ({0}): give a file of PEM certificates")]
    Certificates(String),
    #[error("the runtime of the connections can't be started: {0}")]
    NoRuntime(Arc<std::io::Error>),
    #[error("the runtime of the connections has stopped")]
    Stopped,
    #[error("the operating system gave no random numbers")]
    NoChance,
    #[error("the record {key} can't be read ({why}): delete it")]
    Unreadable { key: String, why: String },
    #[error("the record can't be written as JSON ({0})")]
    Unwritable(String),
    #[error("the server gave an answer that a script of ours doesn't give")]
    Strange,
}

impl Trouble {
    /// The fault of having done `doing` to `subject` on the server at `place`; neither holds a secret.
    pub(crate) fn at(self, doing: &'static str, subject: impl fmt::Display, place: &str) -> Fault {
        let subject = format_args!("{subject} in {place}").to_string();
        if self.may_pass() { Fault::new(doing, subject, self) } else { Fault::lasting(doing, subject, self) }
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Redis(error) => !matches!(error.kind(), ErrorKind::InvalidClientConfig),
            Self::TooLong | Self::Outrun | Self::MarksFull | Self::NoRuntime(_) | Self::NoChance => true,
            Self::Evicts(_) | Self::OneOfMany | Self::Replica | Self::TooOld(_) | Self::Untold(_) => false,
            Self::Certificates(_) | Self::Stopped | Self::Strange => false,
            Self::Unreadable { .. } | Self::Unwritable(_) => false,
        }
    }

    /// Whether the connection was closed before the answer came.
    pub(crate) fn is_closed_connection(&self) -> bool {
        matches!(self, Self::Redis(error) if error.is_connection_dropped())
    }

    /// Whether the connection that it came from is of no more use.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Self::Redis(error) => {
                error.is_unrecoverable_error()
                    || error.is_io_error()
                    || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly))
            }
            _ => false,
        }
    }
}

/// The server's message behind what it means here and what to do.
fn advice(error: &RedisError) -> String {
    let meaning = match error.kind() {
        ErrorKind::AuthenticationFailed => "the server refuses the user or password: see store.volatile",
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            "the user isn't allowed to: give it `~dw:* +@all -@dangerous +info`"
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly) => "the server takes no writes: it has become a replica",
        ErrorKind::Server(ServerErrorKind::BusyLoading) => "the server is loading its data: try again",
        ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown) => {
            "a part of the cluster is down: see `CLUSTER INFO`"
        }
        ErrorKind::Server(ServerErrorKind::Moved) => "the server is part of a cluster: write redis-cluster://",
        ErrorKind::ClusterConnectionNotFound => "no node of the cluster can be reached",
        ErrorKind::Io => {
            return if error.is_timeout() {
                format!("the server didn't answer in time ({error}): is it reachable and not overloaded?")
            } else {
                format!("the connection failed ({error}): see that the server is up and reachable")
            };
        }
        _ => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => "the server refuses the user or password: see store.volatile",
            Some("OOM") => "the server's memory is full: raise its maxmemory",
            Some("MISCONF" | "NOREPLICAS") => "the server takes no writes: see its log",
            _ => return error.to_string(),
        },
    };
    format!("{meaning} ({error})")
}
