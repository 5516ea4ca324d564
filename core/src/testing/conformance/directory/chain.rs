//! The links of the audit trail, as a store keeps them.

use std::sync::Arc;

use futures_executor::block_on;

use crate::audit::{AuditChain, AuditEvent, AuditLink, AuditPosition, AuditRecord};
use crate::seal::Tag;
use crate::store::{Change, CommitError, Directory, Write};
use crate::testing::SeededRandom;
use crate::testing::conformance::race;
use crate::testing::conformance::samples::{at, event, full_event};

/// Promise 9: a link is given once, to an event that is there, and survives a restart.
pub fn an_event_gets_one_link_and_keeps_it(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    block_on(store.commit(&[1, 2].map(|number| Change::Audit(event(number))))).unwrap();
    let [first, second] = positions(&*store)[..] else { panic!("two events") };
    block_on(store.commit(&[linked(first, 1)])).unwrap();
    let stale = |changes: &[Change]| matches!(block_on(store.commit(changes)), Err(CommitError::Stale));
    assert!(stale(&[linked(first, 1)]), "the same one again");
    assert!(stale(&[linked(second, 2), linked(first, 3)]), "another one");
    assert!(stale(&[linked(AuditPosition(second.0 + 1), 3)]), "of no event");
    drop(store);
    let links: Vec<_> = records(&*open()).into_iter().map(|record| record.link).collect();
    assert_eq!(links, [Some(link(1)), None], "the losers left nothing");
}

/// Promise 9: of any number of processes that link the same events on the same chain, one does.
pub fn one_of_100_links_the_same_events(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let chain = begun();
    let begin = Change::AuditChain(Write::Create(chain.clone()));
    block_on(store.commit(&[begin, Change::Audit(event(1)), Change::Audit(event(2))])).unwrap();
    let places = positions(&*store);
    let outcomes = race(open, 100, |store, caller| {
        let mut changes = vec![Change::AuditChain(Write::Update(chain.clone()))];
        changes.extend(places.iter().map(|place| linked(*place, u64::try_from(caller).unwrap())));
        block_on(store.commit(&changes))
    });
    let winners: Vec<_> = (0_u64..).zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).collect();
    assert_eq!(winners.len(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(CommitError::Stale))), "{outcomes:?}");
    let links: Vec<_> = records(&*open()).into_iter().map(|record| record.link).collect();
    assert_eq!(links, [Some(link(winners[0].0)); 2], "both are the winner's");
}

/// Promise 9: the same bytes each time, in the order of positions, with what the event is searched by.
pub fn a_record_is_read_as_it_is_stored(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let events = [event(7), full_event(3, "가\u{202e}\n\"\\\u{0}'"), event(5)];
    block_on(store.commit(&events.clone().map(Change::Audit))).unwrap();
    let read = records(&*store);
    for (record, event) in read.iter().zip(&events) {
        assert_eq!(serde_json::from_str::<AuditEvent>(&record.body).unwrap(), *event);
        assert_eq!(record.columns, AuditRecord::columns_of(event));
    }
    assert!(read.is_sorted_by(|one, next| one.position < next.position));
    assert_eq!(block_on(store.audit_records(Some(read[0].position), 1)).unwrap(), read[1..2], "behind it, so many");
    block_on(store.commit(&[linked(read[1].position, 1)])).unwrap();
    let again = records(&*open());
    assert_eq!(again[1], AuditRecord { link: Some(link(1)), ..read[1].clone() }, "a link changes nothing else");
    assert_eq!([&again[0], &again[2]], [&read[0], &read[2]]);
}

/// Promises 1 and 6: all up to a place go, or none if the commit fails.
pub fn what_is_forgotten_is_gone_up_to_its_place_and_with_its_commit(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    block_on(store.commit(&[1, 2, 3].map(|number| Change::Audit(event(number))))).unwrap();
    let places = positions(&*store);
    let forget = Change::AuditForget { through: places[1] };
    let failing = [forget.clone(), Change::AuditChain(Write::Update(begun()))];
    assert!(matches!(block_on(store.commit(&failing)), Err(CommitError::Stale)));
    assert_eq!(positions(&*store), places);
    block_on(store.commit(&[forget])).unwrap();
    assert_eq!(positions(&*open()), places[2..]);
}

/// Promise 9: it is begun once and updated on the revision that was read.
pub fn the_chain_is_one_and_changes_by_its_revision(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    assert_eq!(block_on(store.audit_chain()).unwrap(), None);
    let outcomes = race(open, 20, |store, _| block_on(store.commit(&[Change::AuditChain(Write::Create(begun()))])));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let updated = AuditChain { linked_at: at(9), ..begun() };
    block_on(store.commit(&[Change::AuditChain(Write::Update(updated.clone()))])).unwrap();
    let again = block_on(store.commit(&[Change::AuditChain(Write::Update(updated.clone()))]));
    assert!(matches!(again, Err(CommitError::Stale)), "{again:?}");
    let stored = block_on(open().audit_chain()).unwrap();
    assert_eq!(stored, Some(AuditChain { revision: updated.revision.next(), ..updated }));
}

fn begun() -> AuditChain {
    AuditChain::begin(at(0), &SeededRandom::new(1)).unwrap()
}

fn link(number: u64) -> AuditLink {
    AuditLink { number, tag: Tag::from_bytes([7; 40]) }
}

fn linked(position: AuditPosition, number: u64) -> Change {
    Change::AuditLink { position, link: link(number) }
}

fn records(store: &dyn Directory) -> Vec<AuditRecord> {
    block_on(store.audit_records(None, 100)).unwrap()
}

fn positions(store: &dyn Directory) -> Vec<AuditPosition> {
    records(store).into_iter().map(|record| record.position).collect()
}
