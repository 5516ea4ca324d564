//! The audit trail: one event for every decision that matters, in the same commit as its effect, and never a secret.
//!
//! | file | holds |
//! |---|---|
//! | `reading.rs` | pages, one event by its id, an account's own activity |
//! | `chain.rs` | the keyed chain that makes changes show |
//! | `linking.rs` | how committed events are linked, and removed by retention |
//! | `refusals.rs` | refusals that come before anybody is known, counted |
//! | `checkpoint.rs` | signed lines to keep elsewhere |
//! | `walk.rs`, `verification.rs` | the check of the whole trail |
//! | `why.rs` | an event in sentences |

mod chain;
mod checkpoint;
mod linking;
mod reading;
mod refusals;
mod verification;
mod walk;
mod why;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::audit::chain::{AuditChain, AuditLink, AuditRecord, ChainPoint};
pub use crate::audit::checkpoint::{Checkpoint, NoCheckpoint};
pub(crate) use crate::audit::linking::ChainMemory;
pub use crate::audit::reading::{AuditPage, AuditQuery, EventRef, EventRefused};
pub(crate) use crate::audit::refusals::RefusalMemory;
pub use crate::audit::verification::{ChainEnds, Verification};
pub use crate::audit::walk::{Break, Tampering};
pub use crate::audit::why::why;
use crate::client::Client;
pub use crate::id::EventId;
use crate::time::Timestamp;
use crate::user::UserId;

/// One event of the trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditEvent {
    /// Names the event, sorts by time.
    pub id: EventId,
    /// When it was decided.
    pub time: Timestamp,
    /// What happened.
    pub name: AuditName,
    /// Whether it was done or refused.
    pub outcome: AuditOutcome,
    /// The account it happened to.
    pub user: Option<UserId>,
    /// The administrator who did it, where it is an act of administration.
    pub actor: Option<UserId>,
    /// What was named, where no account is: a well-formed address, or a keyed fingerprint.
    pub subject: Option<String>,
    /// Where the request came from.
    pub client: Client,
    /// For a refusal: the policy key or rule that refused.
    pub rule: Option<String>,
    /// What the decision saw.
    pub facts: BTreeMap<String, Value>,
}

/// Whether what was asked for was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It was done.
    Success,
    /// It was refused.
    Refusal,
}

impl AuditOutcome {
    /// The stable name: `success` or `refusal`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refusal => "refusal",
        }
    }
}

macro_rules! audit_names {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal),* $(,)?) => {
        /// What can happen: a stable name, noun and past tense.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum AuditName { $($(#[doc = $doc])* #[serde(rename = $name)] $variant),* }

        impl AuditName {
            /// All names.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim()),* }
            }

            /// Reads a stable name back.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.name() == name)
            }
        }
    };
}

audit_names! {
    /// Somebody asked for an account.
    UserSignedUp = "user.signed_up",
    /// An address was proved and its account made.
    UserVerified = "user.verified",
    /// A pending registration was declined by who reads the mail.
    RegistrationDeclined = "registration.declined",
    /// The verification mail was asked for again.
    VerificationResent = "verification.resent",
    /// A login is complete.
    LoginSucceeded = "login.succeeded",
    /// A login's step was refused.
    LoginFailed = "login.failed",
    /// Failures restricted a login, or refused one while restricted.
    LoginRestricted = "login.restricted",
    /// A restriction was lifted.
    LoginUnlocked = "login.unlocked",
    /// The documents in force were accepted.
    TermsAccepted = "terms.accepted",
    /// A password was changed by its owner.
    PasswordChanged = "password.changed",
    /// A link to set another password was asked for.
    PasswordResetRequested = "password.reset_requested",
    /// A password was set with a mailed link.
    PasswordReset = "password.reset",
    /// Another address was asked for.
    EmailChangeRequested = "email.change_requested",
    /// An account has another address, which was proved.
    EmailChanged = "email.changed",
    /// An account has its former address again.
    EmailRestored = "email.restored",
    /// A session was opened.
    SessionOpened = "session.opened",
    /// A session's timer was started again.
    SessionExtended = "session.extended",
    /// A session's owner gave a password or code again.
    SessionProved = "session.proved",
    /// A session ended before its time.
    SessionEnded = "session.ended",
    /// A login took the place of live sessions.
    SessionTakenOver = "session.taken_over",
    /// One-time passwords were set up for an account.
    TotpEnabled = "totp.enabled",
    /// An account's owner switched its one-time passwords off.
    TotpDisabled = "totp.disabled",
    /// An administrator removed an account's one-time passwords.
    TotpReset = "totp.reset",
    /// A recovery code was used, and is gone.
    RecoveryCodeUsed = "recovery_code.used",
    /// An invitation was made.
    InvitationCreated = "invitation.created",
    /// An invitation made an account.
    InvitationRedeemed = "invitation.redeemed",
    /// An invitation was revoked.
    InvitationRevoked = "invitation.revoked",
    /// A keypair was made.
    KeypairCreated = "keypair.created",
    /// A keypair was made in place of another.
    KeypairRotated = "keypair.rotated",
    /// A keypair was switched off or on.
    KeypairChanged = "keypair.changed",
    /// A keypair was deleted.
    KeypairDeleted = "keypair.deleted",
    /// A request was refused before it was known whom it concerns, the first of a minute for that reason from that network.
    RequestRefused = "request.refused",
    /// A signed request was refused, the first of a minute from that network.
    SignatureRefused = "signature.refused",
    /// An administrator, the command or its owner changed an account.
    UserChanged = "user.changed",
    /// An account was taken over from another system.
    UserImported = "user.imported",
    /// An account was deleted, with all that hung on it.
    UserDeleted = "user.deleted",
    /// A mail will not be sent any more.
    MailGivenUp = "mail.given_up",
    /// A delivery of the outbox can't be read; it is kept and carried out no more.
    DeliverySetAside = "delivery.set_aside",
    /// A new policy came into force.
    PolicyChanged = "policy.changed",
    /// What the store keeps sealed was rewritten under the current seal key.
    StoreResealed = "store.resealed",
}

impl AuditEvent {
    /// A success of `name` at `time`; the other fields are added by the builder methods.
    pub fn new(id: EventId, name: AuditName, time: Timestamp, client: Client) -> Self {
        Self {
            id,
            time,
            name,
            outcome: AuditOutcome::Success,
            user: None,
            actor: None,
            subject: None,
            client,
            rule: None,
            facts: BTreeMap::new(),
        }
    }

    /// The account it happened to.
    #[must_use]
    pub fn of_user(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }

    /// What was named, where no account is.
    #[must_use]
    pub fn of_subject(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// Makes it a refusal by `rule`, a policy key or the refusal's code.
    #[must_use]
    pub fn refused_by(self, rule: impl Into<String>) -> Self {
        Self { outcome: AuditOutcome::Refusal, rule: Some(rule.into()), ..self }
    }

    /// Adds one thing that the decision saw; never a secret.
    #[must_use]
    pub fn with(mut self, fact: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(fact.to_owned(), value.into());
        self
    }
}

/// An event's place in the trail: the order of commits, not of decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuditPosition(pub u64);

/// Which events to read, oldest first.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only events behind this place.
    pub after: Option<AuditPosition>,
    /// Only events of this account.
    pub user: Option<UserId>,
    /// Only events of this name.
    pub name: Option<AuditName>,
}

/// The `[audit]` section of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditPolicy {
    /// Events older than this are removed.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub keep: Duration,
}

impl Default for AuditPolicy {
    fn default() -> Self {
        Self { keep: Duration::from_secs(400 * 86_400) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_noun_and_a_verb_and_reads_back() {
        for name in AuditName::ALL {
            assert_eq!(AuditName::parse(name.name()), Some(*name));
            assert_eq!(name.name().split('.').count(), 2, "{}", name.name());
        }
    }
}
