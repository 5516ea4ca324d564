//! The outbox of a directory.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};

use futures_executor::block_on;

use crate::audit::AuditFilter;
use crate::delivery::{Delivery, DeliveryId, DueDelivery, OutboxSize};
use crate::store::{Change, CommitError, Directory, Write};
use crate::testing::conformance::race;
use crate::testing::conformance::samples::{at, delivery, event, whole};

/// What is due, all of which can be read.
fn due(store: &dyn Directory, now: i64, limit: usize) -> Vec<Delivery> {
    let read = |due| match due {
        DueDelivery::Readable(delivery) => delivery,
        DueDelivery::Unreadable { fault, .. } => panic!("unreadable: {fault}"),
    };
    block_on(store.due_deliveries(at(now), limit)).unwrap().into_iter().map(read).collect()
}

/// Promise 5: a delivery is due at its time, not a millisecond before; the oldest come first, at most so many.
pub fn deliveries_are_due_from_their_exact_millisecond(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let waiting = [3, 1, 2].map(|number| delivery(number, at(i64::from(number) * 1_000)));
    block_on(store.commit(&waiting.clone().map(|delivery| Change::Delivery(Write::Create(delivery))))).unwrap();
    let due_at = |now, limit| -> Vec<i64> {
        let due = due(&*store, now, limit);
        due.iter().map(|delivery| at(0).until(delivery.due_at).as_millis().try_into().unwrap()).collect()
    };
    for (now, expected) in [(999, vec![]), (1_000, vec![1_000]), (1_999, vec![1_000]), (2_000, vec![1_000, 2_000])] {
        assert_eq!(due_at(now, 10), expected, "due at {now} ms");
    }
    assert_eq!(due_at(60_000, 2), [1_000, 2_000], "the oldest two");
    assert_eq!(due_at(60_000, 10), [1_000, 2_000, 3_000]);
}

/// Promise 13: all deliveries are seen once, due or not, in order of ids.
pub fn deliveries_are_paged_in_order_of_their_ids(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let waiting = [3, 1, 5, 2, 4].map(|number| delivery(number, at(i64::from(9 - number) * 1_000)));
    block_on(store.commit(&waiting.clone().map(|delivery| Change::Delivery(Write::Create(delivery))))).unwrap();
    let mut ids: Vec<DeliveryId> = waiting.iter().map(|delivery| delivery.id).collect();
    ids.sort_unstable();
    let mut seen = Vec::new();
    while let page @ [_, ..] = &*block_on(store.deliveries(seen.last().copied(), 2)).unwrap() {
        assert!(page.len() <= 2, "a page has at most so many");
        seen.extend(page.iter().map(|delivery| delivery.id));
    }
    assert_eq!(seen, ids);
    assert!(block_on(store.deliveries(None, 0)).unwrap().is_empty());
}

/// Promise 2: of any number of workers that see a delivery due, one claims it.
pub fn deliveries_are_claimed_once_by_100_workers(open: &dyn Fn() -> Arc<dyn Directory>) {
    const DELIVERIES: u32 = 5;
    let creations: Vec<Change> =
        (1..=DELIVERIES).map(|number| Change::Delivery(Write::Create(delivery(number, at(0))))).collect();
    block_on(open().commit(&creations)).unwrap();
    let all_have_seen = Barrier::new(100);
    let claims = race(open, 100, |store, _| {
        let due = due(store, 10, 10);
        all_have_seen.wait();
        due.into_iter().filter(|seen| claim(store, seen)).map(|seen| seen.id).collect::<Vec<_>>()
    });
    let mut times: BTreeMap<DeliveryId, u32> = BTreeMap::new();
    claims.into_iter().flatten().for_each(|id| *times.entry(id).or_default() += 1);
    assert_eq!(times.values().copied().collect::<Vec<_>>(), [1; DELIVERIES as usize], "claims of each delivery");
    assert!(due(&*open(), 10, 10).is_empty(), "all are leased");
    assert_eq!(due(&*open(), 60_010, 10).len(), 5, "and due again when the lease is over");
}

fn claim(store: &dyn Directory, seen: &Delivery) -> bool {
    let leased = Delivery { due_at: at(10).after(Delivery::LEASE), ..seen.clone() };
    match block_on(store.commit(&[Change::Delivery(Write::Update(leased))])) {
        Ok(()) => true,
        Err(CommitError::Stale) => false,
        Err(other) => panic!("claiming: {other:?}"),
    }
}

/// Promise 2: who lost the lease can't finish the delivery, who has it can, once.
pub fn a_claimed_delivery_is_done_only_by_who_claimed_it(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let seen = delivery(1, at(0));
    block_on(store.commit(&[Change::Delivery(Write::Create(seen.clone()))])).unwrap();
    assert!(claim(&*store, &seen));
    let done = |delivery: &Delivery| block_on(store.commit(&[Change::Delivery(Write::Delete(delivery.clone()))]));
    assert!(matches!(done(&seen), Err(CommitError::Stale)), "the lease was another's");
    let claimed = block_on(store.delivery(seen.id)).unwrap().unwrap();
    let expected = Delivery { revision: seen.revision.next(), due_at: at(10).after(Delivery::LEASE), ..seen };
    assert_eq!(whole(&claimed), whole(&expected));
    done(&claimed).unwrap();
    assert!(matches!(done(&claimed), Err(CommitError::Stale)), "it is done already");
    assert!(block_on(store.delivery(claimed.id)).unwrap().is_none());
}

/// Promise 14: what is set aside, by one of any number of callers, stays and is due no more until it is written anew.
pub fn a_delivery_is_set_aside_by_one_of_100_and_kept(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let (kept, other) = (delivery(1, at(0)), delivery(2, at(0)));
    block_on(store.commit(&[kept.clone(), other.clone()].map(|delivery| Change::Delivery(Write::Create(delivery)))))
        .unwrap();
    assert_eq!(block_on(store.outbox_size()).unwrap(), OutboxSize { waiting: 2, set_aside: 0 });
    let done = race(open, 100, |store, caller| {
        let told = Change::Audit(event(caller.try_into().unwrap()));
        match block_on(store.commit(&[Change::SetAside(kept.id), told])) {
            Ok(()) => true,
            Err(CommitError::Stale) => false,
            Err(fault) => panic!("setting aside: {fault:?}"),
        }
    });
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
    assert_eq!(
        block_on(store.audit(&AuditFilter::default(), 10)).unwrap().len(),
        1,
        "with what is committed beside it"
    );
    assert_eq!(block_on(store.outbox_size()).unwrap(), OutboxSize { waiting: 1, set_aside: 1 });
    for now in [10, 400 * 86_400_000, i64::MAX - at(0).as_millis()] {
        assert_eq!(due(&*store, now, 10).iter().map(|due| due.id).collect::<Vec<_>>(), [other.id], "{now} ms later");
    }
    assert_eq!(block_on(store.deliveries(None, 10)).unwrap().len(), 2, "it is kept");
    let stored = block_on(store.delivery(kept.id)).unwrap().unwrap();
    assert_eq!(whole(&Delivery { due_at: kept.due_at, ..stored }), whole(&kept), "as it was");
    let absent = Change::SetAside(DeliveryId::from_bytes([9; 16]));
    assert!(matches!(block_on(store.commit(&[absent])), Err(CommitError::Stale)));
    block_on(store.commit(&[Change::Delivery(Write::Update(kept.clone()))])).unwrap();
    assert_eq!(due(&*store, 10, 10).len(), 2, "written anew it is due again");
    assert_eq!(block_on(store.outbox_size()).unwrap(), OutboxSize { waiting: 2, set_aside: 0 });
}
