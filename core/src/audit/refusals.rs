//! Refusals that no flow puts on the trail, since they come before anybody or anything is known: one counted event a
//! minute for each code and client, so that nobody fills the disk with them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::audit::AuditName;
use crate::client::Client;
use crate::engine::Engine;
use crate::error::Fault;
use crate::time::Timestamp;
use crate::user::UserId;

/// What was refused lately, by this process.
#[derive(Debug, Default)]
pub(crate) struct RefusalMemory(Mutex<HashMap<(&'static str, Whose), Seen>>);

/// Whose refusals are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Network(IpAddr),
    Account(UserId),
    /// Those whose address isn't known, or who are too many to be counted apart.
    Others,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    told_at: Timestamp,
    since: u32,
}

impl RefusalMemory {
    const EVERY: Duration = Duration::from_secs(60);
    /// Clients beyond this many at once are counted together.
    const MOST: usize = 1_024;

    /// Counts one refusal: how many to tell of now, or nothing while the last event is under a minute old.
    fn count(&self, code: &'static str, whose: Whose, now: Timestamp) -> Option<u32> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |seen: &Seen| seen.told_at.after(Self::EVERY) <= now;
        if seen.len() >= Self::MOST && !seen.contains_key(&(code, whose)) {
            seen.retain(|_, seen| !is_over(seen));
        }
        let has_room = seen.len() < Self::MOST || seen.contains_key(&(code, whose));
        let key = (code, if has_room { whose } else { Whose::Others });
        let Some(known) = seen.get_mut(&key) else {
            seen.insert(key, Seen { told_at: now, since: 0 });
            return Some(1);
        };
        known.since = known.since.saturating_add(1);
        if !is_over(known) {
            return None;
        }
        let count = known.since;
        *known = Seen { told_at: now, since: 0 };
        Some(count)
    }

    /// The same for refusals that concern one account, whoever asks.
    pub(crate) fn count_of(&self, rule: &'static str, user: UserId, now: Timestamp) -> Option<u32> {
        self.count(rule, Whose::Account(user), now)
    }
}

impl Engine {
    /// Puts a refusal on the trail that no flow has put there: a code that doesn't depend on an account, at a place such
    /// as `POST /auth/sign-up`.
    ///
    /// # Errors
    /// The store's fault. The refusal stands all the same.
    pub async fn note_refused_request(&self, code: &'static str, at: &str, client: &Client) -> Result<(), Fault> {
        let whose = client.network().map_or(Whose::Others, Whose::Network);
        let Some(count) = self.refusal_memory().count(code, whose, self.now()) else { return Ok(()) };
        let event = self.event(AuditName::RequestRefused, client)?.refused_by(code);
        self.record([event.with("at", at).with("refusals", count)]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn network(n: u32) -> Whose {
        Whose::Network(IpAddr::V4(n.into()))
    }

    #[test]
    fn refusals_of_one_client_are_one_counted_event_a_minute_for_each_code() {
        let memory = RefusalMemory::default();
        for (code, client, seconds, told) in [
            ("cross_site", 1, 0, Some(1)),
            ("cross_site", 1, 1, None),
            ("link_invalid", 1, 1, Some(1)),
            ("cross_site", 2, 1, Some(1)),
            ("cross_site", 1, 59, None),
            ("cross_site", 1, 60, Some(3)),
            ("cross_site", 1, 61, None),
            ("cross_site", 1, 120, Some(2)),
        ] {
            assert_eq!(memory.count(code, network(client), at(seconds)), told, "{code} {client} {seconds}");
        }
    }

    #[test]
    fn fa9_however_many_clients_are_refused_the_memory_is_bounded_and_so_are_the_events() {
        let memory = RefusalMemory::default();
        let told = (0..5_000).filter(|n| memory.count("cross_site", network(*n), at(0)).is_some()).count();
        assert_eq!(told, RefusalMemory::MOST + 1, "one more for all others together");
        assert_eq!(memory.0.lock().unwrap().len(), RefusalMemory::MOST + 1);
        assert_eq!(memory.count("cross_site", network(9_000), at(60)), Some(1), "room again");
    }
}
