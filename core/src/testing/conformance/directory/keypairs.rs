//! The keypairs of a directory.

use std::sync::Arc;

use futures_executor::block_on;

use crate::keypair::{AccessKey, Keypair};
use crate::store::{Change, CommitError, Directory, UniqueRule, Write};
use crate::testing::conformance::race;
use crate::testing::conformance::samples::{
    full_keypair, hostile_texts, keypair, keypair_id, named_user, user, user_id, whole,
};

/// Promise 5: an access key finds its keypair whole, made and changed, and nothing else does.
pub fn a_keypair_is_read_back_whole_by_its_access_key_alone(open: &dyn Fn() -> Arc<dyn Directory>) {
    let (store, other) = (open(), open());
    for (number, text) in (1..).zip(hostile_texts()) {
        let made = full_keypair(number, &text);
        commit(&*store, Write::Create(made.clone())).unwrap();
        assert_eq!(find(&*other, &made.access_key).map(|found| whole(&found)), Some(whole(&made)), "{text}");
        let changed = Keypair { label: None, active: true, ..made };
        commit(&*store, Write::Update(changed.clone())).unwrap();
        let changed = Keypair { revision: changed.revision.next(), ..changed };
        assert_eq!(find(&*other, &changed.access_key).map(|found| whole(&found)), Some(whole(&changed)), "{text}");
        commit(&*store, Write::Delete(changed.clone())).unwrap();
        assert!(find(&*other, &changed.access_key).is_none());
    }
    commit(&*store, Write::Create(keypair(1))).unwrap();
    assert!(find(&*store, &keypair(2).access_key).is_none());
}

/// Promise 5: a page holds the user's own alone, in order, behind the one that is named, at most so many.
pub fn keypairs_of_a_user_come_in_pages_in_order_of_creation(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    for number in [4, 2, 5, 1] {
        commit(&*store, Write::Create(keypair(number))).unwrap();
    }
    commit(&*store, Write::Create(Keypair { user: user_id(2), ..keypair(3) })).unwrap();
    let page = |user, after: Option<u32>, limit| {
        let page = block_on(store.keypairs_of(user_id(user), after.map(keypair_id), limit)).unwrap();
        page.into_iter().map(|keypair| keypair.id).collect::<Vec<_>>()
    };
    let ids = |numbers: &[u32]| numbers.iter().copied().map(keypair_id).collect::<Vec<_>>();
    assert_eq!(page(1, None, 10), ids(&[1, 2, 4, 5]));
    assert_eq!(page(1, None, 2), ids(&[1, 2]));
    assert_eq!(page(1, Some(2), 1), ids(&[4]));
    assert_eq!(page(1, Some(3), 10), ids(&[4, 5]));
    assert_eq!(page(2, None, 10), ids(&[3]));
    assert_eq!(page(3, None, 10), []);
}

/// Promise 4: of 200 keypairs made at once with one access key exactly one is; what is deleted is free.
pub fn an_access_key_is_taken_by_one_of_200(open: &dyn Fn() -> Arc<dyn Directory>) {
    let shared = keypair(1).access_key;
    let answers = race(open, 200, |store, caller| {
        let number = u32::try_from(caller).unwrap() + 1;
        commit(store, Write::Create(Keypair { access_key: shared.clone(), ..keypair(number) }))
    });
    let winners = answers.iter().filter(|answer| answer.is_ok()).count();
    let losers = answers.iter().filter(|a| matches!(a, Err(CommitError::Taken(UniqueRule::AccessKey)))).count();
    assert_eq!((winners, losers), (1, 199));
    let store = open();
    let winner = find(&*store, &shared).unwrap();
    let moved = Keypair { access_key: shared.clone(), ..keypair(900) };
    commit(&*store, Write::Create(keypair(900))).unwrap();
    let taken = commit(&*store, Write::Update(moved.clone()));
    assert!(matches!(taken, Err(CommitError::Taken(UniqueRule::AccessKey))), "{taken:?}");
    commit(&*store, Write::Delete(winner)).unwrap();
    commit(&*store, Write::Update(moved)).unwrap();
}

/// Promise 2: of any number of changes on one revision one is applied; one that is gone or made again is stale.
pub fn a_keypair_is_changed_on_its_revision_alone_by_one_of_200(open: &dyn Fn() -> Arc<dyn Directory>) {
    commit(&*open(), Write::Create(keypair(1))).unwrap();
    let again = commit(&*open(), Write::Create(keypair(1)));
    assert!(matches!(again, Err(CommitError::Stale)), "{again:?}");
    let answers = race(open, 200, |store, caller| match caller % 2 {
        0 => commit(store, Write::Update(Keypair { active: false, ..keypair(1) })),
        _ => commit(store, Write::Delete(keypair(1))),
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(CommitError::Stale))));
    for write in [Write::Update(keypair(2)), Write::Delete(keypair(2))] {
        assert!(matches!(commit(&*open(), write), Err(CommitError::Stale)), "there is none");
    }
}

/// Promises 1 and 11: a user's keypairs go in the commit that deletes the user, those of others stay.
pub fn keypairs_go_with_their_owner_and_come_back_with_a_commit_that_fails(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let users = [1, 2].map(|number| Change::User(Write::Create(named_user(number, &format!("n{number}")))));
    block_on(store.commit(&users)).unwrap();
    for (number, owner) in [(1, 1), (2, 2), (3, 1)] {
        commit(&*store, Write::Create(Keypair { user: user_id(owner), ..keypair(number) })).unwrap();
    }
    let count = |owner| block_on(store.keypairs_of(user_id(owner), None, 10)).unwrap().len();
    let delete = Change::User(Write::Delete(named_user(1, "n1")));
    let fails = Change::User(Write::Create(user(2)));
    assert!(matches!(block_on(store.commit(&[delete.clone(), fails])), Err(CommitError::Stale)));
    assert_eq!((count(1), count(2)), (2, 1));
    assert_eq!(find(&*store, &keypair(3).access_key).map(|found| found.id), Some(keypair_id(3)));
    block_on(store.commit(&[delete])).unwrap();
    assert_eq!((count(1), count(2)), (0, 1));
    assert!(find(&*store, &keypair(3).access_key).is_none());
    commit(&*store, Write::Create(keypair(3))).unwrap();
}

fn find(store: &dyn Directory, access_key: &AccessKey) -> Option<Keypair> {
    block_on(store.keypair(access_key)).unwrap()
}

fn commit(store: &dyn Directory, write: Write<Keypair>) -> Result<(), CommitError> {
    block_on(store.commit(&[Change::Keypair(write)]))
}
