//! What a [`LockoutStore`] promises of the number of its counters, seen on a store that keeps at most 100.

use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;

use super::lockout_store::{PASSWORD, RULE, fail, guess, restrict};
use super::samples::{at, digest, user_id};
use crate::lockout::{Charge, LockoutSubject};
use crate::rate::{RateKey, RateLimit};
use crate::store::LockoutStore;

const BOUND: usize = 100;
const FLOOD: u32 = 350;

/// Promise 3: however many names and addresses are tried, at most so many counters of both together are kept.
pub fn counters_of_unknown_identifiers_and_addresses_are_bounded(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let store = open();
    flood(&*store);
    let kept = kept(&*store);
    assert!(kept <= BOUND, "{kept} are kept");
    assert!(kept > BOUND / 2, "only {kept} are kept: the newest ones must count");
}

/// Promise 3: however many keys are asked for, at most so many rates are kept.
pub fn rates_are_bounded(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let store = open();
    for number in 0..FLOOD {
        block_on(store.admit(&RateKey(digest("rate", number)), &RateLimit::per_hour(1), at(number.into()))).unwrap();
    }
    let kept = kept(&*store);
    assert!(kept <= BOUND, "{kept} are kept");
    assert!(kept > BOUND / 2, "only {kept} are kept: the newest ones must count");
}

/// Promise 3: names that nobody has don't free an account from its count or its restriction.
pub fn a_flood_never_evicts_the_counter_of_an_account_or_access_key(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let store = open();
    let restricted = [LockoutSubject::Account(user_id(1)), LockoutSubject::AccessKey(digest("access key", 1))];
    let counted = [LockoutSubject::Account(user_id(2)), LockoutSubject::AccessKey(digest("access key", 2))];
    restricted.iter().for_each(|subject| restrict(&*store, subject));
    for subject in &counted {
        (0..10).for_each(|number| fail(&*store, subject, number, at(0)));
    }
    let charged = LockoutSubject::Account(user_id(3));
    for number in 0..11 {
        assert_eq!(block_on(store.charge(&charged, guess(number), PASSWORD, &RULE, at(0))).unwrap(), Charge::Granted);
    }
    // More accounts than the bound are kept, too.
    let many: Vec<LockoutSubject> = (100..250).map(|number| LockoutSubject::Account(user_id(number))).collect();
    many.iter().for_each(|subject| fail(&*store, subject, 0, at(0)));
    flood(&*store);
    for subject in &restricted {
        assert!(block_on(store.restriction(subject, at(1_000))).unwrap().is_some(), "{subject:?}");
    }
    for subject in &counted {
        fail(&*store, subject, 99, at(1_000));
        assert!(block_on(store.restriction(subject, at(1_000))).unwrap().is_some(), "{subject:?} had ten failures");
    }
    assert_eq!(block_on(store.charge(&charged, guess(99), PASSWORD, &RULE, at(1_000))).unwrap(), Charge::Undecided);
    let kept = kept(&*store);
    assert!(
        (155..=155 + BOUND).contains(&kept),
        "{kept} are kept: 155 of accounts and access keys, and a bounded rest"
    );
}

fn flood(store: &dyn LockoutStore) {
    for number in 0..FLOOD {
        let name = digest("flood", number);
        let subject = if number % 2 == 0 { LockoutSubject::Unknown(name) } else { LockoutSubject::Address(name) };
        fail(store, &subject, 0, at(number.into()));
    }
}

/// How many counters and rates there are: a sweep long after forgets them all.
fn kept(store: &dyn LockoutStore) -> usize {
    block_on(store.sweep(at(0).after(Duration::from_secs(400 * 86_400)), 10_000)).unwrap()
}
