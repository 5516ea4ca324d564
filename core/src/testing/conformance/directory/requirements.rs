//! What a commit can require of the accounts.

use std::sync::Arc;

use futures_executor::block_on;

use crate::audit::AuditFilter;
use crate::store::{Change, CommitError, Directory, Requirement, UserKey, Write};
use crate::testing::conformance::race;
use crate::testing::conformance::samples::{event, user, user_id};
use crate::user::{Role, User, UserStatus};

fn administrator(number: u32) -> User {
    User { role: Role::admin(), status: UserStatus::Active, ..user(number) }
}

/// What an administrator commits who takes the role from another.
fn demotion(actor: u32, target: User) -> [Change; 4] {
    [
        Change::Require(Requirement::Administrator(user_id(actor))),
        Change::User(Write::Update(User { role: Role::user(), ..target })),
        Change::Audit(event(actor)),
        Change::Require(Requirement::AnyAdministrator),
    ]
}

fn is_administrator(store: &dyn Directory, number: u32) -> bool {
    block_on(store.user(UserKey::Id(user_id(number)))).unwrap().is_some_and(|user| user.is_administrator())
}

/// Promise 8: of two administrators who demote each other at once exactly one does, and of a ring of them never all.
pub fn of_two_administrators_who_demote_each_other_at_once_one_stays(open: &dyn Fn() -> Arc<dyn Directory>) {
    for (round, size) in [2, 2, 2, 2, 2, 2, 2, 2, 9].into_iter().enumerate() {
        let first = u32::try_from(round).unwrap() * 100 + 1;
        let made: Vec<_> = (0..size).map(|n| Change::User(Write::Create(administrator(first + n)))).collect();
        block_on(open().commit(&made)).unwrap();
        let answers = race(open, size as usize, |store, caller| {
            let caller = u32::try_from(caller).unwrap();
            let target = administrator(first + (caller + 1) % size);
            match block_on(store.commit(&demotion(first + caller, target))) {
                Ok(()) => true,
                Err(CommitError::Unmet(_)) => false,
                Err(other) => panic!("{other:?}"),
            }
        });
        let store = open();
        let left: Vec<u32> = (first..first + size).filter(|number| is_administrator(&*store, *number)).collect();
        let demoted = answers.iter().filter(|demoted| **demoted).count();
        assert_eq!(left.len() + demoted, size as usize, "round {round}: {answers:?}");
        assert!(!left.is_empty() && demoted > 0, "round {round}: {answers:?}");
        for number in left {
            let stored = block_on(store.user(UserKey::Id(user_id(number)))).unwrap().unwrap();
            block_on(store.commit(&[Change::User(Write::Delete(stored))])).unwrap();
        }
    }
}

/// Promise 8: the last administrator is neither demoted, nor switched off, nor deleted, whatever else is committed.
pub fn a_commit_that_leaves_no_administrator_is_refused_whole(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let off = User { status: UserStatus::Disabled, ..administrator(2) };
    let plain = User { role: Role::user(), ..user(3) };
    let made = [administrator(1), off, plain].map(|user| Change::User(Write::Create(user)));
    block_on(store.commit(&made)).unwrap();
    let any = Change::Require(Requirement::AnyAdministrator);
    for write in [
        Write::Update(User { role: Role::user(), ..administrator(1) }),
        Write::Update(User { status: UserStatus::Disabled, ..administrator(1) }),
        Write::Delete(administrator(1)),
    ] {
        let commit = [Change::Audit(event(1)), Change::User(write.clone()), any.clone()];
        let refused = block_on(store.commit(&commit));
        assert!(matches!(refused, Err(CommitError::Unmet(Requirement::AnyAdministrator))), "{write:?}: {refused:?}");
        assert!(is_administrator(&*store, 1) && block_on(store.audit(&AuditFilter::default(), 9)).unwrap().is_empty());
    }
    // In its place among the changes: a successor that is made in the same commit counts.
    let successor = Change::User(Write::Create(administrator(4)));
    let demote = Change::User(Write::Update(User { role: Role::user(), ..administrator(1) }));
    let too_early = block_on(store.commit(&[demote.clone(), any.clone(), successor.clone()]));
    assert!(matches!(too_early, Err(CommitError::Unmet(_))), "{too_early:?}");
    block_on(store.commit(&[demote, successor, any])).unwrap();
    assert!(!is_administrator(&*store, 1) && is_administrator(&*store, 4));
}

/// Promise 8: who acts must be an administrator still when what it decided is committed.
pub fn an_administrator_is_active_and_has_the_role_at_the_moment_of_the_commit(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let plain = User { role: Role::user(), status: UserStatus::Active, ..user(2) };
    let off = User { status: UserStatus::Disabled, ..administrator(3) };
    let made = [administrator(1), plain, off].map(|user| Change::User(Write::Create(user)));
    block_on(store.commit(&made)).unwrap();
    let required = |number| {
        let requirement = Requirement::Administrator(user_id(number));
        match block_on(store.commit(&[Change::Require(requirement)])) {
            Ok(()) => true,
            Err(CommitError::Unmet(unmet)) => {
                assert_eq!(unmet, requirement);
                false
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!([1, 2, 3, 4].map(required), [true, false, false, false], "4 isn't there at all");
    let changed = User { role: Role::user(), ..administrator(1) };
    block_on(store.commit(&[Change::User(Write::Update(changed))])).unwrap();
    let revision = user(2).revision;
    block_on(store.commit(&[Change::User(Write::Update(User { revision, ..administrator(2) }))])).unwrap();
    assert_eq!([1, 2].map(required), [false, true]);
}
