//! Faults: the world is broken. Refusals, which are answers, live beside the flow that gives them.

use std::fmt;

/// Something outside the engine failed: what was being done, to what, and why.
///
/// A fault is never an answer about a person's password or account; see the refusal types for those.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {subject}: {source}")]
pub struct Fault {
    doing: &'static str,
    subject: String,
    source: Box<dyn std::error::Error + Send + Sync>,
    again: Again,
}

/// Whether the same call can succeed later without anyone mending something first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    MayHelp,
    WontHelp,
}

impl Fault {
    /// A fault that may pass (a full queue, a lost connection, a busy file).
    ///
    /// `doing` reads as the start of a sentence ("loading user"), `subject` names the thing by id or place, never by
    /// a secret or a whole e-mail address.
    pub fn new(
        doing: &'static str,
        subject: impl fmt::Display,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { doing, subject: subject.to_string(), source: source.into(), again: Again::MayHelp }
    }

    /// A fault that stays until someone mends the cause (a corrupt record, a missing key).
    pub fn lasting(
        doing: &'static str,
        subject: impl fmt::Display,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { again: Again::WontHelp, ..Self::new(doing, subject, source) }
    }

    /// Whether trying the same call again later can help.
    pub fn retryable(&self) -> bool {
        self.again == Again::MayHelp
    }
}

/// Why a flow ended without success: an answer for the caller, or a broken world.
///
/// The two never mix: "wrong password" is a [`Failure::Refused`], "the store is down" is a [`Failure::Fault`].
#[derive(Debug)]
pub enum Failure<R> {
    /// The engine decided so; `R` has a stable code and says what the caller can do.
    Refused(R),
    /// The engine couldn't decide or carry out.
    Fault(Fault),
}

impl<R> Failure<R> {
    /// The same failure in the words of another flow.
    pub fn map<S>(self, refusal: impl FnOnce(R) -> S) -> Failure<S> {
        match self {
            Self::Refused(refused) => Failure::Refused(refusal(refused)),
            Self::Fault(fault) => Failure::Fault(fault),
        }
    }
}

impl<R> From<Fault> for Failure<R> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<R: fmt::Display> fmt::Display for Failure<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl<R: fmt::Debug + fmt::Display> std::error::Error for Failure<R> {}
