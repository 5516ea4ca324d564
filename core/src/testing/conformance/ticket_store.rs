//! What a [`TicketStore`] promises.

use std::sync::Arc;

use futures_executor::block_on;

use super::race;
use super::samples::{at, digest, hostile_texts, keypair, ticket, user_id, whole};
use crate::client::Client;
use crate::known_browser::BrowserStanding;
use crate::login::LoginProgress;
use crate::session::SessionMode;
use crate::spent_mark::{MarkKind, Spent, SpentMark};
use crate::store::TicketStore;
use crate::ticket::{Grant, Ticket, TicketKey};
use crate::time::Timestamp;

/// Makes a test of each property of a [`TicketStore`](crate::store::TicketStore); how to apply it:
/// [`conformance`](crate::testing::conformance).
#[macro_export]
macro_rules! ticket_store_conformance {
    ($open:expr) => {
        $crate::conformance_suite! {
            ticket_store, TicketStore, $open,
            peek_leaves_the_ticket,
            what_was_put_is_read_back_whole,
            a_ticket_is_found_by_its_whole_key_only,
            is_taken_once_by_200_callers,
            stays_taken_or_untaken_over_a_restart,
            is_gone_at_its_exact_millisecond,
            void_removes_all_of_a_user_and_no_others,
            what_is_voided_is_never_taken_afterwards,
            a_sweep_takes_slices_and_only_what_has_expired,
            a_mark_is_spent_first_by_one_of_200_callers,
            a_mark_is_of_its_kind_and_of_its_time,
            spent_marks_and_the_time_since_when_they_are_kept_outlive_a_restart,
            a_sweep_forgets_marks_in_slices_and_none_too_early,
        }
    };
}

/// Promise 1: looking at a ticket doesn't use it up, taking it does.
pub fn peek_leaves_the_ticket(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    let (store, other) = (open(), open());
    let (key, ticket) = (key(1), ticket(user_id(1), at(1_000)));
    assert_eq!(block_on(store.peek(&key, at(0))).unwrap(), None);
    assert_eq!(block_on(store.take(&key, at(0))).unwrap(), None);
    block_on(store.put(&key, &ticket)).unwrap();
    for _ in 0..5 {
        assert_eq!(block_on(store.peek(&key, at(0))).unwrap(), Some(ticket.clone()));
        assert_eq!(block_on(other.peek(&key, at(0))).unwrap(), Some(ticket.clone()));
    }
    assert_eq!(block_on(other.take(&key, at(0))).unwrap(), Some(ticket));
    for store in [&store, &other] {
        assert_eq!(block_on(store.peek(&key, at(0))).unwrap(), None);
        assert_eq!(block_on(store.take(&key, at(0))).unwrap(), None);
    }
}

/// Promise 1: a ticket of each kind comes back as it was given, whatever text stands in it.
pub fn what_was_put_is_read_back_whole(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    let store = open();
    let logins = hostile_texts().into_iter().map(|text| {
        let client =
            Client { address: Some("203.0.113.9".parse().unwrap()), user_agent: Some(text), ..Client::default() };
        Grant::Login(LoginProgress {
            user: user_id(1),
            mode: SessionMode::Api,
            keypair: Some(keypair(1).access_key),
            client,
            password_at: at(-7),
            second_factor_at: Some(at(-6)),
            password_set_at: Some(at(-8)),
            browser: BrowserStanding::Known(digest("browser", 1)),
            awaits: None,
        })
    });
    for (number, grant) in (1..).zip(logins.chain([Grant::FirstAdministrator])) {
        let put = Ticket::new(grant, at(-9), at(1_000));
        block_on(store.put(&key(number), &put)).unwrap();
        assert_eq!(block_on(store.peek(&key(number), at(0))).unwrap().map(|t| whole(&t)), Some(whole(&put)));
        assert_eq!(block_on(store.take(&key(number), at(0))).unwrap().map(|t| whole(&t)), Some(whole(&put)));
    }
}

/// Promise 1: neither half of a key opens anything.
pub fn a_ticket_is_found_by_its_whole_key_only(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    let store = open();
    block_on(store.put(&key(1), &ticket(user_id(1), at(1_000)))).unwrap();
    for wrong in [key(2), TicketKey { locator: [9; 16], ..key(1) }] {
        assert_eq!(block_on(store.peek(&wrong, at(0))).unwrap(), None);
        assert_eq!(block_on(store.take(&wrong, at(0))).unwrap(), None);
    }
    assert!(block_on(store.take(&key(1), at(0))).unwrap().is_some());
}

/// Promise 1: of any number of callers one gets the ticket.
pub fn is_taken_once_by_200_callers(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    for number in 1..=3 {
        let put = ticket(user_id(1), at(1_000));
        block_on(open().put(&key(number), &put)).unwrap();
        let taken = race(open, 200, |store, _| block_on(store.take(&key(number), at(0))).unwrap());
        let taken: Vec<Ticket> = taken.into_iter().flatten().collect();
        assert_eq!(taken, [put], "round {number}");
    }
}

/// Promise 1: a restart brings nothing back and takes nothing away.
pub fn stays_taken_or_untaken_over_a_restart(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    let store = open();
    for number in 1..=3 {
        block_on(store.put(&key_of(number, number), &ticket(user_id(number), at(1_000)))).unwrap();
    }
    assert!(block_on(store.take(&key(1), at(0))).unwrap().is_some());
    block_on(store.void(user_id(2))).unwrap();
    drop(store);
    let reopened = open();
    let left = [1, 2, 3].map(|number| block_on(reopened.take(&key_of(number, number), at(0))).unwrap().is_some());
    assert_eq!(left, [false, false, true]);
}

/// Promise 2: it works until the last millisecond of its life, and from `expires_at` on not at all.
pub fn is_gone_at_its_exact_millisecond(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    let store = open();
    for (number, (now, works)) in (1..).zip([(999, true), (1_000, false), (1_001, false), (86_400_000, false)]) {
        block_on(store.put(&key(number), &ticket(user_id(1), at(1_000)))).unwrap();
        assert_eq!(block_on(store.peek(&key(number), at(now))).unwrap().is_some(), works, "peeked at {now} ms");
        assert_eq!(block_on(store.take(&key(number), at(now))).unwrap().is_some(), works, "taken at {now} ms");
    }
}

/// Promise 3: all tickets of a user go; those of others and of nobody stay.
pub fn void_removes_all_of_a_user_and_no_others(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    let (store, other) = (open(), open());
    let of = |user: u32| ticket(user_id(user), at(1_000));
    for (user, number) in [(1, 1), (1, 2), (2, 3)] {
        block_on(store.put(&key_of(user, number), &of(user))).unwrap();
    }
    let of_nobody = TicketKey { locator: [0; 16], digest: digest("ticket", 5) };
    block_on(store.put(&of_nobody, &Ticket::new(Grant::FirstAdministrator, at(0), at(1_000)))).unwrap();
    block_on(store.void(user_id(7))).unwrap();
    block_on(store.void(user_id(1))).unwrap();
    let keys = [key_of(1, 1), key_of(1, 2), key_of(2, 3), of_nobody];
    let left = keys.map(|key| block_on(other.peek(&key, at(0))).unwrap().is_some());
    assert_eq!(left, [false, false, true, true]);
    block_on(store.put(&key_of(1, 6), &of(1))).unwrap();
    assert!(block_on(other.take(&key_of(1, 6), at(0))).unwrap().is_some(), "a later one works");
}

/// Promises 1 and 3: a ticket that callers take while it is voided is got by one of them or by none, and is gone.
pub fn what_is_voided_is_never_taken_afterwards(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    for number in 1..=20 {
        block_on(open().put(&key(number), &ticket(user_id(1), at(1_000)))).unwrap();
        let taken = race(open, 6, |store, caller| {
            if !(caller + number as usize).is_multiple_of(3) {
                return block_on(store.take(&key(number), at(0))).unwrap().is_some();
            }
            block_on(store.void(user_id(1))).unwrap();
            assert!(block_on(store.take(&key(number), at(0))).unwrap().is_none(), "round {number}");
            false
        });
        assert!(taken.iter().filter(|took| **took).count() <= 1, "round {number}");
    }
}

/// Promise 2: what has expired goes in slices, and nothing goes a millisecond early.
pub fn a_sweep_takes_slices_and_only_what_has_expired(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    let store = open();
    for number in 1..=5 {
        block_on(store.put(&key(number), &ticket(user_id(1), at(1_000)))).unwrap();
    }
    block_on(store.put(&key(6), &ticket(user_id(1), at(1_001)))).unwrap();
    assert_eq!(block_on(store.sweep(at(999), 10)).unwrap(), 0);
    assert!(block_on(store.peek(&key(1), at(999))).unwrap().is_some());
    let slices = [2; 4].map(|limit| block_on(store.sweep(at(1_000), limit)).unwrap());
    assert_eq!(slices, [2, 2, 1, 0]);
    assert!(block_on(store.take(&key(6), at(1_000))).unwrap().is_some());
}

/// Promise 4: of any number of callers one is the first.
pub fn a_mark_is_spent_first_by_one_of_200_callers(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    for number in 1..=3 {
        let spent = race(open, 200, |store, _| spend(store, nonce(number), at(1_000), at(0)));
        assert_eq!(spent.iter().filter(|spent| **spent == Spent::First).count(), 1, "round {number}");
    }
}

/// Promise 4: marks of two kinds never meet, and one holds until the last millisecond that its first caller named.
pub fn a_mark_is_of_its_kind_and_of_its_time(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    let (store, other) = (open(), open());
    let assertion = SpentMark { kind: MarkKind::Assertion, ..nonce(1) };
    for (mark, until, now, spent) in [
        (nonce(1), 1_000, 0, Spent::First),
        (assertion, 1_000, 0, Spent::First),
        (nonce(2), 1_000, 0, Spent::First),
        (assertion, 1_000, 1, Spent::Again),
        (nonce(1), 5_000, 999, Spent::Again),
        (nonce(1), 2_000, 1_000, Spent::First),
        (nonce(1), 2_000, 1_999, Spent::Again),
        (nonce(1), 3_000, 2_000, Spent::First),
    ] {
        let said = if now % 2 == 0 { &store } else { &other };
        assert_eq!(spend(&**said, mark, at(until), at(now)), spent, "{mark:?} at {now} ms");
    }
}

/// Promises 4 and 5: a restart forgets no mark, and doesn't move the beginning of the memory.
pub fn spent_marks_and_the_time_since_when_they_are_kept_outlive_a_restart(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    let store = open();
    for (number, now) in [(1, 7), (2, 3), (3, 9)] {
        let spending = block_on(store.spend(&nonce(number), at(1_000), at(now))).unwrap();
        assert_eq!((spending.spent, spending.remembered_since), (Spent::First, at(7)));
    }
    drop(store);
    let reopened = open();
    for (number, spent) in [(1, Spent::Again), (3, Spent::Again), (4, Spent::First)] {
        let spending = block_on(reopened.spend(&nonce(number), at(1_000), at(20))).unwrap();
        assert_eq!((spending.spent, spending.remembered_since), (spent, at(7)), "{number}");
    }
}

/// Promise 4: a sweep forgets what nobody asks about any more.
pub fn a_sweep_forgets_marks_in_slices_and_none_too_early(open: &dyn Fn() -> Arc<dyn TicketStore>) {
    let store = open();
    for number in 1..=5 {
        spend(&*store, nonce(number), at(1_000), at(0));
    }
    spend(&*store, nonce(6), at(1_001), at(0));
    assert_eq!(block_on(store.sweep(at(999), 10)).unwrap(), 0);
    let slices = [2; 4].map(|limit| block_on(store.sweep(at(1_000), limit)).unwrap());
    assert_eq!(slices, [2, 2, 1, 0]);
    assert_eq!(spend(&*store, nonce(6), at(2_000), at(1_000)), Spent::Again);
    assert_eq!(spend(&*store, nonce(1), at(2_000), at(1_000)), Spent::First);
}

fn spend(store: &dyn TicketStore, mark: SpentMark, until: Timestamp, now: Timestamp) -> Spent {
    block_on(store.spend(&mark, until, now)).unwrap().spent
}

fn nonce(number: u32) -> SpentMark {
    SpentMark { kind: MarkKind::RequestNonce, digest: digest("mark", number) }
}

/// The key of a ticket of the first user.
fn key(number: u32) -> TicketKey {
    key_of(1, number)
}

fn key_of(user: u32, number: u32) -> TicketKey {
    TicketKey { locator: *user_id(user).as_bytes(), digest: digest("ticket", number) }
}
