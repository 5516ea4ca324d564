//! The keys: kind, partition, then bytes of fixed width; nothing that a person typed.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `dw:live:{pp}:` user | hash | the user's sessions that weren't ended, by token, and the version of the set |
//! | `dw:ended:{pp}:` user, token | string | a session that was ended, for its browser |
//! | `dw:over:{pp}` | sorted set | sessions by when they are or were over |
//! | `dw:count:{pp}:` kind, subject | string | a counter of guesses or a rate |
//! | `dw:forget:{pp}` | sorted set | counters by when they may be forgotten |
//! | `dw:strangers:{pp}`, `dw:rates:{pp}` | sorted set | counters that may be evicted, by last use |
//! | `dw:tickets:{pp}:` locator | hash | tickets by digest |
//! | `dw:lapse:{pp}` | sorted set | tickets by when they expire |
//! | `dw:marks-KIND:{pp}` | sorted set | spent marks of a kind by until when |
//! | `dw:birth:{pp}` | string | the server that remembers marks, and since when |
//!
//! What a script touches together has one partition `{pp}`, which Redis Cluster takes for the slot.

use doorwarden_core::token::Digest;

/// One of the parts into which everything falls. Their number is part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Partition(u8);

impl Partition {
    /// How many there are: enough that dozens of nodes share them evenly, and few enough to be swept one by one.
    pub(crate) const COUNT: u32 = 256;

    /// The partition of a user, or of another locator of 16 bytes.
    pub(crate) fn of(locator: &[u8; 16]) -> Self {
        Self::of_digest(Digest::of(locator).as_bytes())
    }

    /// The partition of what is named by a digest.
    pub(crate) fn of_digest(digest: &[u8; 32]) -> Self {
        let [first, ..] = digest;
        Self(*first)
    }

    /// The same, where there are only so many.
    pub(crate) fn among(self, partitions: u8) -> Self {
        Self(self.0 % partitions.max(1))
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    /// The key of which there is one in the partition.
    pub(crate) fn key(self, kind: &str) -> Vec<u8> {
        format!("dw:{kind}:{{{:02x}}}", self.0).into_bytes()
    }

    /// What the keys of a kind begin with.
    pub(crate) fn prefix(self, kind: &str) -> Vec<u8> {
        format!("dw:{kind}:{{{:02x}}}:", self.0).into_bytes()
    }

    pub(crate) fn key_of(self, kind: &str, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = self.prefix(kind);
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }
}

/// Bytes for messages.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorwarden_core::user::UserId;

    #[test]
    fn fa3_a_key_begins_with_kind_and_partition_and_has_a_fixed_width() {
        let partition = Partition::of(&[7; 16]);
        let key = partition.key_of("live", &[&[7; 16]]);
        assert_eq!(key.len(), "dw:live:{00}:".len() + 16);
        assert!(key.starts_with(format!("dw:live:{{{:02x}}}:", partition.0).as_bytes()));
        assert_eq!(Partition::all().count(), Partition::COUNT as usize);
    }

    #[test]
    fn a_user_s_sessions_tickets_and_count_have_one_partition() {
        let user = UserId::from_bytes([9; 16]);
        let (_, subject) = doorwarden_core::lockout::LockoutSubject::Account(user).key();
        assert_eq!(Partition::of(user.as_bytes()), Partition::of_digest(&subject));
    }
}
