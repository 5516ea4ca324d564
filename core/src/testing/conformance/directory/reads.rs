//! Reads of a directory by key and by page, and its sweep.

use std::sync::Arc;

use futures_executor::block_on;

use crate::audit::AuditFilter;
use crate::registration::PendingRegistration;
use crate::store::{Change, Directory, RegistrationKey, Retention, UserKey, UserPage, Write};
use crate::testing::conformance::samples::{
    at, digest, email, event, named_registration, named_user, registration, registration_id, user, user_id, username,
    whole,
};
use crate::user::{User, UserId};

/// Promise 5: each key finds its account whole, and no key finds another's.
pub fn a_user_is_found_by_each_of_its_keys_and_by_nothing_else(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    assert!(!block_on(store.has_users()).unwrap());
    block_on(store.commit(&[Change::Register(named_registration(3, "carol"))])).unwrap();
    assert!(!block_on(store.has_users()).unwrap(), "a registration is no user");
    block_on(store.commit(&[named_user(1, "ada"), named_user(2, "bob")].map(|user| Change::User(Write::Create(user)))))
        .unwrap();
    assert!(block_on(store.has_users()).unwrap());
    for (number, name) in [(1, "ada"), (2, "bob")] {
        let (email, name) = (email(number), username(name));
        for by in
            [UserKey::Id(user_id(number)), UserKey::Email(email.key()), UserKey::UsernameSkeleton(name.skeleton())]
        {
            let found = block_on(store.user(by)).unwrap().map(|user| whole(&user));
            assert_eq!(found, Some(whole(&named_user(number, name.typed()))), "{by:?}");
        }
    }
    let (typed, third) = (email(1).typed().to_owned(), email(3));
    for by in [
        UserKey::Id(user_id(3)),
        UserKey::Email(third.key()),
        UserKey::Email(&typed),
        UserKey::Email("%"),
        UserKey::Email(""),
        UserKey::UsernameSkeleton("carol"),
        UserKey::UsernameSkeleton("user1@example.org"),
        UserKey::UsernameSkeleton("_da"),
        UserKey::UsernameSkeleton(""),
    ] {
        assert!(block_on(store.user(by)).unwrap().is_none(), "{by:?}");
    }
}

/// Promise 5: a registration is found by its own link and name, and not when it is gone.
pub fn a_registration_is_found_by_its_link_and_its_name(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    block_on(store.commit(&[
        Change::Register(named_registration(1, "ada")),
        Change::Register(registration(2)),
        Change::User(Write::Create(named_user(3, "bob"))),
    ]))
    .unwrap();
    let find = |by| block_on(store.registration(by)).unwrap().map(|registration| registration.id);
    let name = username("ada");
    assert_eq!(find(RegistrationKey::Link(registration(1).link)), Some(registration_id(1)));
    assert_eq!(find(RegistrationKey::Link(registration(2).link)), Some(registration_id(2)));
    assert_eq!(find(RegistrationKey::UsernameSkeleton(name.skeleton())), Some(registration_id(1)));
    assert_eq!(find(RegistrationKey::Link(digest("link", 3))), None);
    let users = username("bob");
    assert_eq!(find(RegistrationKey::UsernameSkeleton(users.skeleton())), None, "a user is no registration");
    block_on(store.commit(&[Change::Lapse(registration_id(1))])).unwrap();
    assert_eq!(find(RegistrationKey::Link(registration(1).link)), None);
    assert_eq!(find(RegistrationKey::UsernameSkeleton(name.skeleton())), None);
}

/// Promise 5: the registrations of an address, and of no other, newest first, at most so many.
pub fn registrations_of_an_address_come_newest_first(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let to_address = |number, address| PendingRegistration { email: email(address), ..registration(number) };
    let made = [to_address(2, 7), to_address(4, 7), to_address(1, 7), to_address(3, 8)];
    block_on(store.commit(&made.map(Change::Register))).unwrap();
    let numbers = |limit| -> Vec<_> {
        let page = block_on(store.registrations_of(email(7).key(), limit)).unwrap();
        page.into_iter().map(|registration| registration.id).collect()
    };
    assert_eq!(numbers(10), [4, 2, 1].map(registration_id));
    assert_eq!(numbers(2), [4, 2].map(registration_id));
    assert!(block_on(store.registrations_of(email(9).key(), 10)).unwrap().is_empty());
    assert!(
        block_on(store.registrations_of(email(7).typed(), 10)).unwrap().is_empty(),
        "only the normal form is a key"
    );
}

/// Promise 5: pages put together are all users, each once, in order of creation, whatever order they were stored in.
pub fn users_are_paged_in_order_of_creation(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let shuffled = (0..25u32).map(|n| 1 + (n * 7) % 25);
    let changes: Vec<Change> = shuffled.map(|number| Change::User(Write::Create(user(number)))).collect();
    block_on(store.commit(&changes)).unwrap();
    let expected: Vec<UserId> = (1..=25).map(user_id).collect();
    for limit in [1, 7, 24, 25, 26] {
        let mut seen: Vec<UserId> = vec![];
        loop {
            let page = UserPage { after: seen.last().copied(), limit, ..UserPage::default() };
            let users = block_on(store.users(&page)).unwrap();
            assert!(users.len() <= limit, "limit {limit}");
            if users.is_empty() {
                break;
            }
            seen.extend(users.iter().map(|user| user.id));
            assert!(seen.len() <= expected.len(), "limit {limit}: some come twice: {seen:?}");
        }
        assert_eq!(seen, expected, "limit {limit}");
    }
    let whole_page = block_on(store.users(&UserPage { limit: 1, ..UserPage::default() })).unwrap();
    assert_eq!(whole(&whole_page), whole(&[user(1)]));
}

/// Promise 5: a user is found by a part of the address, the name or the full name, in any case and script.
pub fn users_are_searched_by_email_username_and_full_name(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let called = |number, full_name: &str| User { full_name: Some(full_name.to_owned()), ..user(number) };
    let users = [
        called(1, "Ada King, Countess of Lovelace"),
        User { username: Some(username("Lovelace")), ..user(2) },
        called(3, "ÄRZTIN Łucja 김하늘"),
        user(4),
    ];
    block_on(store.commit(&users.map(|user| Change::User(Write::Create(user))))).unwrap();
    for (text, found) in [
        ("lovelace", vec![1, 2]),
        ("countess of", vec![1]),
        ("user3@", vec![3]),
        ("example.org", vec![1, 2, 3, 4]),
        ("ärztin", vec![3]),
        ("łuc", vec![3]),
        ("하", vec![3]),
        ("nobody", vec![]),
        ("lovelace ", vec![]),
        ("", vec![1, 2, 3, 4]),
    ] {
        assert_eq!(search(&*store, text), found, "{text:?}");
    }
    let page = UserPage { after: Some(user_id(1)), containing: "lovelace", limit: 1 };
    let second = block_on(store.users(&page)).unwrap();
    assert_eq!(second.iter().map(|user| user.id).collect::<Vec<_>>(), [user_id(2)], "a search is paged too");
    block_on(store.commit(&[Change::User(Write::Update(called(1, "Augusta")))])).unwrap();
    assert_eq!((search(&*store, "lovelace"), search(&*store, "augusta")), (vec![2], vec![1]), "after a change");
}

/// Promise 5: `%`, `_` and `\` in the text are signs like any other, and so are quotes.
pub fn the_signs_of_a_pattern_are_searched_as_they_are(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let names = ["100%", "1000", "a_b", "axb", r"back\slash", "o'brien", "say \"hi\"", "[a-z]*", "what?"];
    for (number, name) in (1..).zip(names) {
        let user = User { full_name: Some(name.to_owned()), ..user(number) };
        block_on(store.commit(&[Change::User(Write::Create(user))])).unwrap();
    }
    for (text, found) in [
        ("100%", vec![1]),
        ("%", vec![1]),
        ("a_b", vec![3]),
        ("_", vec![3]),
        (r"\", vec![5]),
        (r"\s", vec![5]),
        (r"\%", vec![]),
        ("%%", vec![]),
        ("'", vec![6]),
        ("''", vec![]),
        ("\"", vec![7]),
        ("[a-z]", vec![8]),
        ("*", vec![8]),
        ("?", vec![9]),
        ("' or 1=1 --", vec![]),
    ] {
        assert_eq!(search(&*store, text), found, "{text:?}");
    }
}

/// Retention: registrations that had their time go, at most so many at once; none goes a millisecond early.
pub fn a_sweep_takes_slices_and_only_what_has_had_its_time(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let lapsing = |number, millis| PendingRegistration {
        expires_at: at(millis),
        ..named_registration(number, &format!("n{number}"))
    };
    let registrations = [lapsing(1, 99), lapsing(2, 98), lapsing(3, 100), lapsing(4, 101), lapsing(5, 1)];
    let others = [Change::User(Write::Create(user(1))), Change::Audit(event(1))];
    let changes: Vec<Change> = registrations.map(Change::Register).into_iter().chain(others).collect();
    block_on(store.commit(&changes)).unwrap();
    let retention = Retention { registrations_before: at(100), invitations_before: at(0) };
    let slices: Vec<usize> = (0..4).map(|_| block_on(store.sweep(&retention, 2)).unwrap()).collect();
    assert_eq!(slices, [2, 1, 0, 0], "full slices first");
    let left = [1, 2, 3, 4, 5].map(|number| {
        let by = RegistrationKey::Link(registration(number).link);
        block_on(store.registration(by)).unwrap().is_some()
    });
    assert_eq!(left, [false, false, true, true, false]);
    assert_eq!(block_on(store.audit(&AuditFilter::default(), 10)).unwrap().len(), 1, "the chain says what goes");
    assert!(block_on(store.has_users()).unwrap());
    let freed = [Change::User(Write::Create(named_user(9, "n1")))];
    block_on(store.commit(&freed)).unwrap();
}

/// The numbers of the users that contain `text`.
fn search(store: &dyn Directory, text: &str) -> Vec<u32> {
    let page = UserPage { containing: text, limit: 100, ..UserPage::default() };
    let found = block_on(store.users(&page)).unwrap();
    let number = |id: UserId| (1..=100).find(|number| user_id(*number) == id).unwrap();
    found.iter().map(|user| number(user.id)).collect()
}

/// Promise 13: all registrations are seen once, in order of ids.
pub fn registrations_are_paged_in_order_of_their_ids(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let changes = [3, 1, 5, 2, 4].map(|number| Change::Register(registration(number)));
    block_on(store.commit(&changes)).unwrap();
    let mut seen = Vec::new();
    while let page @ [_, ..] = &*block_on(store.registrations(seen.last().copied(), 2)).unwrap() {
        assert!(page.len() <= 2, "a page has at most so many");
        seen.extend(page.iter().map(|registration| registration.id));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5].map(registration_id));
    assert!(block_on(store.registrations(None, 0)).unwrap().is_empty());
}
