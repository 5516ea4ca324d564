//! The audit trail of a directory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_executor::block_on;

use crate::audit::{AuditEvent, AuditFilter, AuditName, AuditPosition, EventId};
use crate::store::{Change, Directory};
use crate::testing::conformance::race;
use crate::testing::conformance::samples::{at, event, user_id};

/// Promise 6: the order is that of the commits and of the changes in them, whatever time and id an event has.
pub fn audit_is_read_in_the_order_of_commits(open: &dyn Fn() -> Arc<dyn Directory>) {
    let (one, other) = (open(), open());
    block_on(one.commit(&[Change::Audit(event(50)), Change::Audit(event(10))])).unwrap();
    block_on(other.commit(&[Change::Audit(event(30))])).unwrap();
    block_on(one.commit(&[Change::Audit(event(20))])).unwrap();
    let trail = read(&*other, None, 10);
    let expected = [50, 10, 30, 20].map(|number| event(number).id);
    assert_eq!(trail.iter().map(|(_, id)| *id).collect::<Vec<_>>(), expected);
    assert!(trail.is_sorted_by(|earlier, later| earlier.0 < later.0), "each has its own place: {trail:?}");
    let (second, _) = trail[1];
    assert_eq!(read(&*other, Some(second), 10), trail[2..], "a reader goes on behind the place that it knows");
    assert_eq!(read(&*other, Some(second), 1), trail[2..3], "at most so many");
}

/// Promise 6: a reader who asks for what is behind the last place gets every event, while others commit.
pub fn audit_is_followed_without_gaps_by_a_concurrent_reader(open: &dyn Fn() -> Arc<dyn Directory>) {
    const WRITERS: usize = 8;
    const COMMITS: u32 = 15;
    let writing = AtomicUsize::new(WRITERS);
    let followed = race(open, WRITERS + 2, |store, caller| {
        if caller >= WRITERS {
            return follow(store, || writing.load(Ordering::SeqCst) == 0);
        }
        let _finished = Finished(&writing);
        let first = u32::try_from(caller).unwrap() * 1_000;
        for number in (first..).step_by(2).take(COMMITS as usize) {
            block_on(store.commit(&[Change::Audit(event(number)), Change::Audit(event(number + 1))])).unwrap();
        }
        Vec::new()
    });
    let all = read(&*open(), None, 1_000);
    assert_eq!(all.len(), WRITERS * COMMITS as usize * 2);
    for reader in &followed[WRITERS..] {
        assert_eq!(*reader, all, "a reader that followed has skipped some");
    }
}

/// Promise 6: places aren't given again when the events that had them are forgotten.
pub fn a_follower_misses_nothing_after_events_are_forgotten(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    block_on(store.commit(&[1, 2, 3].map(|number| Change::Audit(event(number))))).unwrap();
    let (last, _) = read(&*store, None, 10)[2];
    block_on(store.commit(&[Change::AuditForget { through: last }])).unwrap();
    assert!(read(&*store, None, 10).is_empty());
    drop(store);
    let reopened = open();
    block_on(reopened.commit(&[Change::Audit(event(200))])).unwrap();
    let fresh = read(&*reopened, Some(last), 10);
    assert_eq!(fresh.iter().map(|(_, id)| *id).collect::<Vec<_>>(), [event(200).id]);
}

/// Promise 6: a filter leaves out only what it says.
pub fn audit_is_filtered_by_account_and_name(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let named = |number, name| AuditEvent { name, ..event(number) };
    let events = [
        named(1, AuditName::LoginFailed).of_user(user_id(1)),
        named(2, AuditName::LoginSucceeded).of_user(user_id(1)),
        named(3, AuditName::LoginFailed).of_user(user_id(2)),
        AuditEvent { actor: Some(user_id(1)), ..named(4, AuditName::LoginFailed) },
    ];
    block_on(store.commit(&events.clone().map(Change::Audit))).unwrap();
    let found = |filter: AuditFilter| -> Vec<i64> {
        let page = block_on(store.audit(&filter, 10)).unwrap();
        page.iter().map(|(_, event)| at(0).until(event.time).as_millis().try_into().unwrap()).collect()
    };
    let (user, name) = (Some(user_id(1)), Some(AuditName::LoginFailed));
    assert_eq!(found(AuditFilter::default()), [1, 2, 3, 4]);
    assert_eq!(found(AuditFilter { user, ..AuditFilter::default() }), [1, 2], "to whom it happened, not who did it");
    assert_eq!(found(AuditFilter { name, ..AuditFilter::default() }), [1, 3, 4]);
    assert_eq!(found(AuditFilter { user, name, after: None }), [1]);
    let (second, _) = read(&*store, None, 2)[1];
    assert_eq!(found(AuditFilter { name, after: Some(second), user: None }), [3, 4]);
}

/// Promise 5: an event is found by its id, and the ids between two are in order.
pub fn an_event_is_found_by_its_id_and_by_where_it_begins(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let events = [5, 3, 9, 7].map(|number| event(number).of_user(user_id(1)));
    block_on(store.commit(&events.clone().map(Change::Audit))).unwrap();
    let id = |number| event(number).id;
    let found = |first, last, limit| -> Vec<EventId> {
        let events = block_on(store.audit_between(first, last, limit)).unwrap();
        events.into_iter().map(|event| event.id).collect()
    };
    assert_eq!(found(id(9), id(9), 2), [id(9)]);
    assert_eq!(found(id(3), id(7), 10), [id(3), id(5), id(7)], "both ends are included");
    assert_eq!(found(id(3), id(7), 2), [id(3), id(5)], "at most so many");
    assert!(found(id(4), id(4), 2).is_empty());
    assert_eq!(block_on(store.audit_between(id(5), id(5), 1)).unwrap(), [events[0].clone()]);
}

/// Promise 6, from the other end.
pub fn an_account_s_events_are_read_newest_first(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let events = [(1, 1), (2, 2), (3, 1), (4, 1)].map(|(number, user)| event(number).of_user(user_id(user)));
    block_on(store.commit(&events.map(Change::Audit))).unwrap();
    let page = |before, limit| block_on(store.audit_of_user_backwards(user_id(1), before, limit)).unwrap();
    let ids = |page: &[(AuditPosition, AuditEvent)]| page.iter().map(|(_, event)| event.id).collect::<Vec<_>>();
    let newest = page(None, 2);
    assert_eq!(ids(&newest), [event(4).id, event(3).id]);
    assert_eq!(ids(&page(Some(newest[1].0), 2)), [event(1).id]);
}

/// Counts a writer off, also one that panics: its readers would wait for ever.
struct Finished<'a>(&'a AtomicUsize);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn read(store: &dyn Directory, after: Option<AuditPosition>, limit: usize) -> Vec<(AuditPosition, EventId)> {
    let filter = AuditFilter { after, ..AuditFilter::default() };
    let page = block_on(store.audit(&filter, limit)).unwrap();
    page.into_iter().map(|(position, event)| (position, event.id)).collect()
}

/// Follows the trail in small pages until one is empty though all writers had finished before it was asked for.
fn follow(store: &dyn Directory, finished: impl Fn() -> bool) -> Vec<(AuditPosition, EventId)> {
    let mut followed = Vec::new();
    loop {
        let last_page = finished();
        let page = read(store, followed.last().map(|(position, _)| *position), 7);
        if page.is_empty() && last_page {
            return followed;
        }
        followed.extend(page);
        assert!(followed.len() <= 1_000, "more events are read than were written");
    }
}
