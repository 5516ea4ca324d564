//! The unique rules of a directory.

use std::sync::Arc;

use futures_executor::block_on;

use crate::email::Email;
use crate::store::{Change, CommitError, Directory, RegistrationKey, UniqueRule, UserKey, Write};
use crate::testing::conformance::race;
use crate::testing::conformance::samples::{
    email, named_registration, named_user, registration, registration_id, user, user_id, username,
};
use crate::user::User;

/// Promise 4: of 200 accounts made at once for one address exactly one is.
pub fn email_is_taken_by_one_of_200(open: &dyn Fn() -> Arc<dyn Directory>) {
    let answers = race(open, 200, |store, caller| {
        let create = User { email: email(0), ..user(u32::try_from(caller).unwrap() + 1) };
        block_on(store.commit(&[Change::User(Write::Create(create))]))
    });
    let winner = only_winner(answers, UniqueRule::Email);
    let found = block_on(open().user(UserKey::Email(email(0).key()))).unwrap().unwrap();
    assert_eq!(found.id, user_id(winner + 1));
}

/// Promise 4: all spellings of an address are one, made and changed.
pub fn email_is_taken_in_every_spelling(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let spelled = |number, typed| User { email: Email::parse(typed).unwrap(), ..user(number) };
    let commit = |write| taken(block_on(store.commit(&[Change::User(write)])));
    assert_eq!(commit(Write::Create(spelled(1, "ada@bücher.example"))), None);
    assert_eq!(commit(Write::Create(spelled(2, "ADA@xn--bcher-kva.EXAMPLE"))), Some(UniqueRule::Email));
    assert_eq!(commit(Write::Create(spelled(2, "bob@example.org"))), None);
    assert_eq!(commit(Write::Update(spelled(2, "Ada@BÜCHER.example"))), Some(UniqueRule::Email));
    assert_eq!(commit(Write::Update(spelled(1, "Ada@BÜCHER.example"))), None, "one's own may be spelled anew");
    let stored = block_on(store.user(UserKey::Email("ada@xn--bcher-kva.example"))).unwrap().unwrap();
    assert_eq!((stored.id, stored.email.typed()), (user_id(1), "Ada@BÜCHER.example"));
}

/// Promise 4: a name, or one that looks like it, stands once among users and registrations together.
pub fn a_username_skeleton_is_unique_among_users_and_registrations(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let commit = |change| taken(block_on(store.commit(&[change])));
    assert_eq!(username("mike").skeleton(), username("mıke").skeleton());
    block_on(store.commit(&[
        Change::User(Write::Create(named_user(1, "mike"))),
        Change::User(Write::Create(user(2))),
        Change::User(Write::Create(user(3))),
        Change::Register(named_registration(1, "nora")),
        Change::Register(registration(2)),
        Change::Register(registration(3)),
    ]))
    .unwrap();
    for name in ["mike", "MIKE", "mıke", "nora", "NORA", "nοra"] {
        let taken = Some(UniqueRule::Username);
        assert_eq!(commit(Change::User(Write::Create(named_user(4, name)))), taken, "user made: {name}");
        assert_eq!(commit(Change::User(Write::Update(named_user(2, name)))), taken, "user changed: {name}");
        assert_eq!(commit(Change::Register(named_registration(4, name))), taken, "registered: {name}");
    }
    assert_eq!(commit(Change::User(Write::Update(named_user(1, "Mike")))), None, "one's own may be spelled anew");
    let find = |name| block_on(store.user(UserKey::UsernameSkeleton(username(name).skeleton()))).unwrap();
    assert_eq!(find("mike").unwrap().username.unwrap().typed(), "Mike");
    assert!(find("nora").is_none(), "a registration is no user");
}

/// Promise 4: of 200 users and registrations made and changed at once to one name exactly one is.
pub fn a_username_is_taken_by_one_of_200_users_and_registrations(open: &dyn Fn() -> Arc<dyn Directory>) {
    let unnamed: Vec<Change> = (1..=200).map(|number| Change::User(Write::Create(user(number)))).collect();
    block_on(open().commit(&unnamed)).unwrap();
    let answers = race(open, 200, |store, caller| {
        let number = u32::try_from(caller).unwrap() + 1;
        let name = if caller % 4 < 2 { "mike" } else { "mıke" };
        let change = match caller % 3 {
            0 => Change::User(Write::Update(named_user(number, name))),
            1 => Change::User(Write::Create(named_user(number + 1_000, name))),
            _ => Change::Register(named_registration(number, name)),
        };
        block_on(store.commit(&[change]))
    });
    let winner = only_winner(answers, UniqueRule::Username);
    let store = open();
    let skeleton = username("mike").skeleton().to_owned();
    let user = block_on(store.user(UserKey::UsernameSkeleton(&skeleton))).unwrap();
    let registered = block_on(store.registration(RegistrationKey::UsernameSkeleton(&skeleton))).unwrap();
    let expected = match winner % 3 {
        0 => (Some(user_id(winner + 1)), None),
        1 => (Some(user_id(winner + 1_001)), None),
        _ => (None, Some(registration_id(winner + 1))),
    };
    assert_eq!((user.map(|u| u.id), registered.map(|r| r.id)), expected);
}

/// Promises 3 and 4: a name that a lapsed registration holds goes to whoever asks next, in one commit.
pub fn a_lapsed_registration_frees_its_username_within_the_same_commit(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    block_on(store.commit(&[Change::Register(named_registration(1, "ada"))])).unwrap();
    let (lapse, register) = (Change::Lapse(registration_id(1)), Change::Register(named_registration(2, "Ada")));
    let taken_before = taken(block_on(store.commit(&[register.clone(), lapse.clone()])));
    assert_eq!(taken_before, Some(UniqueRule::Username), "it isn't free before it lapsed");
    block_on(store.commit(&[lapse.clone(), register])).unwrap();
    block_on(store.commit(&[lapse])).unwrap();
    let skeleton = username("ada").skeleton().to_owned();
    let holder = block_on(store.registration(RegistrationKey::UsernameSkeleton(&skeleton))).unwrap();
    assert_eq!(holder.map(|r| r.id), Some(registration_id(2)), "lapsing again took nothing from its successor");
    block_on(store.commit(&[Change::Settle(registration_id(2)), Change::User(Write::Create(named_user(2, "Ada")))]))
        .unwrap();
    assert_eq!(block_on(store.user(UserKey::UsernameSkeleton(&skeleton))).unwrap().map(|u| u.id), Some(user_id(2)));
}

/// Promise 4: a rule holds between those that are there: what is given up is free, at once and for anybody.
pub fn what_is_deleted_or_changed_frees_its_email_and_username(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let commit = |write| block_on(store.commit(&[Change::User(write)])).unwrap();
    commit(Write::Create(named_user(1, "ada")));
    commit(Write::Update(User { email: email(50), ..named_user(1, "augusta") }));
    commit(Write::Create(User { email: email(1), ..named_user(2, "ada") }));
    let find = |key: &str| block_on(store.user(UserKey::Email(key))).unwrap().map(|user| user.id);
    assert_eq!((find(email(1).key()), find(email(50).key())), (Some(user_id(2)), Some(user_id(1))));
    commit(Write::Delete(User { email: email(1), ..named_user(2, "ada") }));
    assert_eq!(find(email(1).key()), None);
    commit(Write::Create(User { email: email(1), ..named_user(3, "ada") }));
    assert_eq!(find(email(1).key()), Some(user_id(3)));
    // Many may have no name at all.
    commit(Write::Update(User { email: email(1), ..user(3) }));
    commit(Write::Create(user(4)));
    assert!(block_on(store.user(UserKey::UsernameSkeleton(username("ada").skeleton()))).unwrap().is_none());
}

/// Promise 4: an address that nobody proved yet is nobody's.
pub fn an_address_may_have_several_registrations_and_none_holds_it(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let to_one_address = |number| {
        let registration = registration(number);
        Change::Register(crate::registration::PendingRegistration { email: email(7), ..registration })
    };
    block_on(store.commit(&[to_one_address(1), to_one_address(2)])).unwrap();
    block_on(store.commit(&[Change::User(Write::Create(user(7)))])).unwrap();
    block_on(store.commit(&[to_one_address(3)])).unwrap();
    assert_eq!(block_on(store.registrations_of(email(7).key(), 10)).unwrap().len(), 3);
}

/// The broken rule, `None` if the commit was applied.
fn taken(answer: Result<(), CommitError>) -> Option<UniqueRule> {
    match answer {
        Ok(()) => None,
        Err(CommitError::Taken(rule)) => Some(rule),
        Err(other) => panic!("{other:?}"),
    }
}

fn only_winner(answers: Vec<Result<(), CommitError>>, rule: UniqueRule) -> u32 {
    let mut winners = vec![];
    for (caller, answer) in (0..).zip(answers) {
        match taken(answer) {
            None => winners.push(caller),
            Some(broken) => assert_eq!(broken, rule, "caller {caller}"),
        }
    }
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    winners[0]
}
