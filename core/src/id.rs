//! Ids of records: UUID version 7 (RFC 9562), so that they sort by creation. Never secrets: their time is visible.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Fault;
use crate::random::{SecureRandom, draw};
use crate::time::Timestamp;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id, created at `now`.
            ///
            /// # Errors
            /// The generator is not available.
            pub fn generate(now: Timestamp, random: &dyn SecureRandom) -> Result<Self, Fault> {
                version_7(now, random).map(Self)
            }

            /// The id with these 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// When it was created, to the millisecond.
            pub const fn created_at(&self) -> Timestamp {
                let [a, b, c, d, e, f, ..] = *self.as_bytes();
                Timestamp::from_millis(i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
            }

            /// The id's 16 bytes, which sort by creation.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }
    )* };
}

ids! {
    /// A user's account.
    UserId,
    /// A pending registration.
    RegistrationId,
    /// A session; unlike its token it is no secret.
    SessionId,
    /// An event of the audit trail.
    EventId,
    /// A delivery of the outbox.
    DeliveryId,
    /// An invitation; unlike its token it is no secret.
    InvitationId,
    /// A keypair; its access key is what clients name it by.
    KeypairId,
}

/// The text isn't a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: a UUID is expected")]
pub struct InvalidId;

fn version_7(now: Timestamp, random: &dyn SecureRandom) -> Result<Uuid, Fault> {
    let millis = u64::try_from(now.as_millis()).unwrap_or_default();
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &draw::<10>(random)?).into_uuid())
}
