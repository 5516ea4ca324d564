//! Commits of a directory: whole or not at all, each on the revision that it was decided on.

use std::sync::Arc;

use futures_executor::block_on;

use crate::audit::AuditFilter;
use crate::delivery::{Delivery, Parcel};
use crate::invitation::Invitation;
use crate::session::EndReason;
use crate::store::{
    Change, CommitError, Directory, InvitationKey, Marker, RegistrationKey, UniqueRule, UserKey, Write,
};
use crate::testing::conformance::samples::{
    at, delivery, email, event, full_event, full_invitation, full_registration, full_user, hostile_texts, invitation,
    invitation_id, named_registration, named_user, registration, registration_id, sealed, session_id, user, user_id,
    whole,
};
use crate::testing::conformance::{race, until_it_works};
use crate::user::User;

/// Promises 1 and 5: every record comes back as it was given, through another handle and after all were closed.
pub fn what_was_committed_is_read_back_whole(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    block_on(store.ping()).unwrap();
    block_on(store.commit(&[])).unwrap();
    commit_one_of_each(&*store, "plain");
    let bare = [Change::User(Write::Create(user(11))), Change::Register(registration(12)), Change::Audit(event(13))];
    block_on(store.commit(&bare)).unwrap();
    let (account, session, reason) = (user_id(1), session_id(2), EndReason::TakenOver);
    let parcels = [
        Parcel::Mail(sealed(1)),
        Parcel::EndSession { user: account, session, reason },
        Parcel::EndSessions { user: account, except: Some(session), reason },
        Parcel::VoidTickets { user: account },
        Parcel::LiftRestriction { user: account },
    ];
    let deliveries = [20, 21, 22].into_iter().zip(parcels);
    let deliveries: Vec<Delivery> =
        deliveries.map(|(number, parcel)| Delivery { parcel, ..delivery(number, at(9)) }).collect();
    let creations: Vec<Change> = deliveries.iter().map(|d| Change::Delivery(Write::Create(d.clone()))).collect();
    block_on(store.commit(&creations)).unwrap();
    let check = |store: &dyn Directory| {
        assert_one_of_each(store, "plain");
        assert_eq!(stored_user(store, 11), Some(whole(&user(11))));
        let link = RegistrationKey::Link(registration(12).link);
        assert_eq!(block_on(store.registration(link)).unwrap().map(|r| whole(&r)), Some(whole(&registration(12))));
        assert_eq!(whole(&block_on(store.audit(&AuditFilter::default(), 10)).unwrap()[1].1), whole(&event(13)));
        for delivery in &deliveries {
            assert_eq!(block_on(store.delivery(delivery.id)).unwrap().map(|d| whole(&d)), Some(whole(delivery)));
        }
    };
    check(&*store);
    check(&*open());
    drop(store);
    check(&*open());
}

/// Promises 1 and 5: no text changes, ends or steers anything, whatever stands in it and however long it is.
pub fn hostile_text_is_read_back_as_it_was(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    for (number, text) in (1..).zip(hostile_texts()) {
        let user = full_user(number, &text);
        let registration = full_registration(number, &text);
        let invitation = full_invitation(number, &text);
        let event = full_event(number, &text);
        let changes = [
            Change::User(Write::Create(user.clone())),
            Change::Register(registration.clone()),
            Change::Invitation(Write::Create(invitation.clone())),
            Change::Audit(event.clone()),
        ];
        block_on(store.commit(&changes)).unwrap();
        assert_eq!(stored_user(&*store, number), Some(whole(&user)), "{text:?}");
        let found = block_on(store.registration(RegistrationKey::Link(registration.link))).unwrap().unwrap();
        assert_eq!(whole(&found), whole(&registration), "{text:?}");
        let invited = block_on(store.invitation(InvitationKey::Id(invitation.id))).unwrap();
        assert_eq!(invited.map(|i| whole(&i)), Some(whole(&invitation)), "{text:?}");
        let trail = block_on(store.audit(&AuditFilter::default(), 100)).unwrap();
        assert_eq!(whole(&trail.last().unwrap().1), whole(&event), "{text:?}");
        for by in [UserKey::Email(&text), UserKey::UsernameSkeleton(&text)] {
            assert!(block_on(store.user(by)).unwrap().is_none(), "{by:?} names nobody");
        }
        assert!(block_on(store.registrations_of(&text, 10)).unwrap().is_empty(), "{text:?}");
        assert_eq!(block_on(store.marker(&text)).unwrap(), None, "{text:?}");
    }
}

/// Promise 1: whichever change can't be applied, nothing is left of those before it.
pub fn a_commit_is_applied_whole_or_not_at_all(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    commit_one_of_each(&*store, "before");
    let stored = block_on(store.user(UserKey::Id(user_id(1)))).unwrap().unwrap();
    let waiting = block_on(store.delivery(delivery(1, at(1)).id)).unwrap().unwrap();
    // One revision further is what the changes before it make.
    let stale_user = User { revision: stored.revision.next().next(), ..stored.clone() };
    let invited = block_on(store.invitation(InvitationKey::Id(invitation_id(1)))).unwrap().unwrap();
    let stale_invitation = Invitation { revision: invited.revision.next().next(), ..invited.clone() };
    let stale_delivery = Delivery { revision: waiting.revision.next().next(), ..waiting.clone() };
    let stale = [
        Change::User(Write::Update(stale_user.clone())),
        Change::User(Write::Delete(stale_user)),
        Change::User(Write::Update(user(99))),
        Change::Invitation(Write::Update(stale_invitation.clone())),
        Change::Invitation(Write::Delete(stale_invitation)),
        Change::Invitation(Write::Create(invited.clone())),
        Change::Delivery(Write::Update(stale_delivery.clone())),
        Change::Delivery(Write::Delete(stale_delivery)),
        Change::Settle(registration_id(99)),
    ];
    let taken = [
        (Change::User(Write::Create(User { email: email(1), ..user(40) })), UniqueRule::Email),
        (Change::User(Write::Create(named_user(40, "nÄme1"))), UniqueRule::Username),
        (Change::Register(named_registration(40, "Näme1")), UniqueRule::Username),
        (mark("again"), UniqueRule::Marker),
    ];
    let broken = stale.map(|change| (change, None)).into_iter().chain(taken.map(|(change, rule)| (change, Some(rule))));
    for (last, rule) in broken {
        let earlier = [
            Change::User(Write::Update(User { full_name: Some("after".to_owned()), ..stored.clone() })),
            Change::User(Write::Create(named_user(30, "thirty"))),
            Change::Settle(registration_id(1)),
            Change::Register(named_registration(30, "registered")),
            Change::Invitation(Write::Update(Invitation { uses: 9, ..invited.clone() })),
            Change::Invitation(Write::Create(invitation(30))),
            Change::Audit(event(30)),
            Change::Delivery(Write::Update(Delivery { due_at: at(5_000), ..waiting.clone() })),
            Change::Delivery(Write::Create(delivery(30, at(30)))),
            Change::Mark(Marker { name: "other".into(), value: "after".to_owned() }),
        ];
        let changes: Vec<Change> = earlier.into_iter().chain([last.clone()]).collect();
        let answer = block_on(store.commit(&changes));
        assert_eq!(refusal(answer), rule, "{last:?}");
        assert_one_of_each(&*store, "before");
        assert_eq!(stored_user(&*store, 30), None, "{last:?}");
        assert!(block_on(store.user(UserKey::Email(email(30).key()))).unwrap().is_none(), "{last:?}");
        assert!(block_on(store.registration(RegistrationKey::Link(registration(30).link))).unwrap().is_none());
        assert!(block_on(store.invitation(InvitationKey::Token(invitation(30).token))).unwrap().is_none(), "{last:?}");
        assert_eq!(block_on(store.audit(&AuditFilter::default(), 10)).unwrap().len(), 1, "{last:?}");
        assert!(block_on(store.delivery(delivery(30, at(30)).id)).unwrap().is_none(), "{last:?}");
        assert_eq!(block_on(store.marker("other")).unwrap(), None, "{last:?}");
    }
    // What was taken back is free again.
    let names =
        [Change::User(Write::Create(named_user(30, "thirty"))), Change::Register(named_registration(31, "registered"))];
    block_on(store.commit(&names)).unwrap();
}

/// Promise 1: who reads two records that are always committed together never sees the second older than the first.
pub fn a_reader_never_sees_half_a_commit(open: &dyn Fn() -> Arc<dyn Directory>) {
    const ROUNDS: usize = 60;
    block_on(open().commit(&[1, 2].map(|number| Change::User(Write::Create(user(number)))))).unwrap();
    race(open, 4, |store, caller| {
        let read = |number| block_on(store.user(UserKey::Id(user_id(number)))).unwrap().unwrap();
        for round in 0..ROUNDS {
            if caller == 0 {
                block_on(store.commit(&[1, 2].map(|number| Change::User(Write::Update(read(number)))))).unwrap();
                continue;
            }
            let (first, second) = (read(1).revision, read(2).revision);
            assert!(first <= second, "round {round}: {first:?} was committed with its like, then {second:?} was read");
        }
    });
}

/// Promise 2: of any number of updates that were decided on one revision, one commits.
pub fn of_200_updates_on_one_revision_exactly_one_commits(open: &dyn Fn() -> Arc<dyn Directory>) {
    block_on(open().commit(&[Change::User(Write::Create(user(1)))])).unwrap();
    let answers = race(open, 200, |store, caller| {
        let update = User { full_name: Some(caller.to_string()), ..user(1) };
        won(block_on(store.commit(&[Change::User(Write::Update(update)), Change::Audit(event(1))])))
    });
    let winners: Vec<usize> = (0..200).filter(|caller| answers[*caller]).collect();
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    let store = open();
    let stored = User { full_name: Some(winners[0].to_string()), revision: user(1).revision.next(), ..user(1) };
    assert_eq!(stored_user(&*store, 1), Some(whole(&stored)), "the winner's is stored, with the next revision");
    assert_eq!(block_on(store.audit(&AuditFilter::default(), 10)).unwrap().len(), 1, "the losers left nothing");
}

/// Promise 2: an update and a delete that were decided on one revision don't both commit.
pub fn an_update_and_a_delete_on_one_revision_never_both_commit(open: &dyn Fn() -> Arc<dyn Directory>) {
    for number in 1..=10 {
        block_on(open().commit(&[Change::User(Write::Create(user(number)))])).unwrap();
        let updates = |caller: usize| (caller + number as usize) % 4 < 2;
        let answers = race(open, 8, |store, caller| {
            let write = if updates(caller) { Write::Update(user(number)) } else { Write::Delete(user(number)) };
            won(block_on(store.commit(&[Change::User(write)])))
        });
        assert_eq!(answers.iter().filter(|won| **won).count(), 1, "round {number}: {answers:?}");
        let deleted = (0..8).any(|caller| answers[caller] && !updates(caller));
        assert_eq!(stored_user(&*open(), number).is_none(), deleted, "round {number}: {answers:?}");
    }
}

/// Promise 2: writers who load and decide again when they are stale lose nothing of each other's.
pub fn no_update_is_lost_among_concurrent_writers(open: &dyn Fn() -> Arc<dyn Directory>) {
    const WRITERS: usize = 12;
    const INCREMENTS: usize = 5;
    let counted = |count: usize| Some(count.to_string());
    block_on(open().commit(&[Change::User(Write::Create(User { full_name: counted(0), ..user(1) }))])).unwrap();
    race(open, WRITERS, |store, _| {
        for _ in 0..INCREMENTS {
            until_it_works(|| {
                let seen = block_on(store.user(UserKey::Id(user_id(1)))).unwrap().unwrap();
                let count: usize = seen.full_name.as_deref().unwrap().parse().unwrap();
                let update = User { full_name: counted(count + 1), ..seen };
                won(block_on(store.commit(&[Change::User(Write::Update(update))])))
            });
        }
    });
    let stored = block_on(open().user(UserKey::Id(user_id(1)))).unwrap().unwrap();
    assert_eq!(stored.full_name, counted(WRITERS * INCREMENTS));
    assert_eq!(stored.revision.number(), 1 + (WRITERS * INCREMENTS) as u64);
}

/// Promise 2: updates and deletes of what isn't there or has moved on, and creations of what is there, are stale.
pub fn a_change_on_another_revision_is_stale(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let apply = |change| won(block_on(store.commit(&[change])));
    let (first, due) = (user(1), delivery(1, at(1)));
    let steps = [
        (Change::User(Write::Update(first.clone())), false),
        (Change::User(Write::Delete(first.clone())), false),
        (Change::User(Write::Create(first.clone())), true),
        (Change::User(Write::Create(User { email: email(2), ..first.clone() })), false),
        (Change::User(Write::Update(first.clone())), true),
        (Change::User(Write::Update(first.clone())), false),
        (Change::User(Write::Delete(first.clone())), false),
        (Change::User(Write::Delete(User { revision: first.revision.next(), ..first.clone() })), true),
        (Change::User(Write::Update(User { revision: first.revision.next(), ..first })), false),
        (Change::Invitation(Write::Update(invitation(1))), false),
        (Change::Invitation(Write::Create(invitation(1))), true),
        (Change::Invitation(Write::Create(invitation(1))), false),
        (Change::Invitation(Write::Update(invitation(1))), true),
        (Change::Invitation(Write::Update(invitation(1))), false),
        (Change::Invitation(Write::Delete(invitation(1))), false),
        (Change::Delivery(Write::Update(due.clone())), false),
        (Change::Delivery(Write::Create(due.clone())), true),
        (Change::Delivery(Write::Create(due.clone())), false),
        (Change::Delivery(Write::Update(due.clone())), true),
        (Change::Delivery(Write::Update(due.clone())), false),
        (Change::Delivery(Write::Delete(due)), false),
        (Change::Register(registration(1)), true),
        (Change::Register(registration(1)), false),
        (Change::Settle(registration_id(1)), true),
        (Change::Settle(registration_id(1)), false),
        (Change::Lapse(registration_id(1)), true),
    ];
    for (step, (change, applied)) in steps.into_iter().enumerate() {
        assert_eq!(apply(change.clone()), applied, "step {step}: {change:?}");
    }
}

/// Promise 3: what an earlier change frees or makes, a later one takes or finds; never the other way round.
pub fn changes_are_applied_in_their_order(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    block_on(store.commit(&[Change::User(Write::Create(named_user(1, "ada")))])).unwrap();
    let free = Change::User(Write::Update(named_user(1, "augusta")));
    let take = Change::User(Write::Create(named_user(2, "ada")));
    assert_eq!(refusal(block_on(store.commit(&[take.clone(), free.clone()]))), Some(UniqueRule::Username));
    block_on(store.commit(&[free, take])).unwrap();

    let second = User { revision: user(2).revision.next(), ..named_user(2, "ada") };
    let updates = [named_user(2, "ada"), second].map(|user| Change::User(Write::Update(user)));
    block_on(store.commit(&updates)).unwrap();
    assert_eq!(
        block_on(store.user(UserKey::Id(user_id(2)))).unwrap().unwrap().revision.number(),
        3,
        "both are applied"
    );

    let coming_and_going = [Change::Register(registration(5)), Change::Settle(registration_id(5))];
    assert_eq!(refusal(block_on(store.commit(&[coming_and_going[1].clone(), coming_and_going[0].clone()]))), None);
    block_on(store.commit(&coming_and_going)).unwrap();
    assert!(block_on(store.registrations_of(email(5).key(), 10)).unwrap().is_empty());
}

/// Promise 5: a commit that returned is seen by every read that begins then, whoever reads.
pub fn a_read_sees_every_commit_that_returned_before_it_began(open: &dyn Fn() -> Arc<dyn Directory>) {
    let handles = [open(), open(), open()];
    for number in 1..=30u32 {
        let (writer, reader) = (&handles[number as usize % 3], &handles[(number as usize + 1) % 3]);
        assert_eq!(block_on(reader.has_users()).unwrap(), number > 1);
        assert_eq!(stored_user(&**reader, number), None);
        block_on(writer.commit(&[Change::User(Write::Create(user(number)))])).unwrap();
        assert_eq!(stored_user(&**reader, number), Some(whole(&user(number))));
        block_on(reader.commit(&[Change::User(Write::Update(user(number)))])).unwrap();
        let seen = block_on(writer.user(UserKey::Email(email(number).key()))).unwrap().unwrap();
        assert_eq!(seen.revision, user(number).revision.next());
    }
}

/// Promise 2: a registration becomes a user once, however often its link is opened.
pub fn a_registration_is_settled_once_by_200_callers(open: &dyn Fn() -> Arc<dyn Directory>) {
    block_on(open().commit(&[Change::Register(named_registration(1, "ada"))])).unwrap();
    let answers = race(open, 200, |store, caller| {
        let user = User { email: email(1), ..named_user(u32::try_from(caller).unwrap() + 10, "ada") };
        let changes = [Change::Settle(registration_id(1)), Change::User(Write::Create(user)), Change::Audit(event(1))];
        won(block_on(store.commit(&changes)))
    });
    let winners: Vec<usize> = (0..200).filter(|caller| answers[*caller]).collect();
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    let store = open();
    let made = block_on(store.user(UserKey::Email(email(1).key()))).unwrap().unwrap();
    assert_eq!(made.id, user_id(u32::try_from(winners[0]).unwrap() + 10));
    assert!(block_on(store.registration(RegistrationKey::Link(registration(1).link))).unwrap().is_none());
    block_on(store.commit(&[Change::Lapse(registration_id(1))])).unwrap();
}

/// Promises 2 and 4: a fact becomes true once, with the value of whoever was first, and stays.
pub fn a_marker_is_set_once(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    assert_eq!(refusal(block_on(store.commit(&[mark("one"), mark("two")]))), Some(UniqueRule::Marker));
    assert_eq!(block_on(store.marker("mark")).unwrap(), None);
    let answers = race(open, 200, |store, caller| block_on(store.commit(&[mark(&caller.to_string())])));
    let (mut winners, mut losers) = (vec![], 0);
    for (caller, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(()) => winners.push(caller.to_string()),
            Err(CommitError::Taken(UniqueRule::Marker)) => losers += 1,
            Err(other) => panic!("caller {caller}: {other:?}"),
        }
    }
    assert_eq!((winners.len(), losers), (1, 199));
    drop(store);
    assert_eq!(block_on(open().marker("mark")).unwrap().as_ref(), winners.first());
}

/// Promise 12: a marker's value is changed by one of those who saw the one before, and goes back with its commit.
pub fn a_marker_s_value_is_changed_by_one_of_200_who_saw_it(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let remark = |was: &str, value: &str| {
        let marker = Marker { name: "mark".into(), value: value.to_owned() };
        Change::Remark { marker, was: was.to_owned() }
    };
    assert_eq!(refusal(block_on(store.commit(&[remark("", "made")]))), None, "there is none");
    assert_eq!(block_on(store.marker("mark")).unwrap(), None);
    block_on(store.commit(&[mark("first")])).unwrap();
    assert_eq!(refusal(block_on(store.commit(&[remark("first", "second"), Change::Settle(registration_id(9))]))), None);
    assert_eq!(block_on(store.marker("mark")).unwrap().as_deref(), Some("first"), "the commit was taken back");
    let answers = race(open, 200, |store, caller| won(block_on(store.commit(&[remark("first", &caller.to_string())]))));
    let winners: Vec<String> = (0..200).filter(|caller| answers[*caller]).map(|caller| caller.to_string()).collect();
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    assert_eq!(block_on(open().marker("mark")).unwrap().as_ref(), winners.first());
}

fn mark(value: &str) -> Change {
    Change::Mark(Marker { name: "mark".into(), value: value.to_owned() })
}

/// Whether the commit was applied; anything but a stale answer ends the test.
fn won(answer: Result<(), CommitError>) -> bool {
    match answer {
        Ok(()) => true,
        Err(CommitError::Stale) => false,
        Err(other) => panic!("only a stale revision may stop a commit here: {other:?}"),
    }
}

/// The broken unique rule, `None` for a stale revision.
fn refusal(answer: Result<(), CommitError>) -> Option<UniqueRule> {
    match answer.unwrap_err() {
        CommitError::Stale => None,
        CommitError::Taken(rule) => Some(rule),
        other @ (CommitError::Unmet(_) | CommitError::Fault(_)) => panic!("{other}"),
    }
}

fn stored_user(store: &dyn Directory, number: u32) -> Option<serde_json::Value> {
    block_on(store.user(UserKey::Id(user_id(number)))).unwrap().map(|user| whole(&user))
}

fn commit_one_of_each(store: &dyn Directory, text: &str) {
    let changes = [
        Change::User(Write::Create(full_user(1, text))),
        Change::Register(full_registration(1, text)),
        Change::Invitation(Write::Create(full_invitation(1, text))),
        Change::Audit(full_event(1, text)),
        Change::Delivery(Write::Create(delivery(1, at(1)))),
        mark(text),
    ];
    block_on(store.commit(&changes)).unwrap();
}

fn assert_one_of_each(store: &dyn Directory, text: &str) {
    assert_eq!(stored_user(store, 1), Some(whole(&full_user(1, text))));
    let registered = block_on(store.registrations_of(email(1).key(), 10)).unwrap();
    assert_eq!(whole(&registered), whole(&[full_registration(1, text)]));
    let invited = block_on(store.invitation(InvitationKey::Token(full_invitation(1, text).token))).unwrap();
    assert_eq!(invited.map(|i| whole(&i)), Some(whole(&full_invitation(1, text))));
    assert_eq!(whole(&block_on(store.audit(&AuditFilter::default(), 1)).unwrap()[0].1), whole(&full_event(1, text)));
    let waiting = block_on(store.delivery(delivery(1, at(1)).id)).unwrap();
    assert_eq!(waiting.map(|d| whole(&d)), Some(whole(&delivery(1, at(1)))));
    assert_eq!(block_on(store.marker("mark")).unwrap().as_deref(), Some(text));
}
