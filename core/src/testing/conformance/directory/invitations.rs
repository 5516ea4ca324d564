//! Invitations of a directory, and the uses that pending registrations hold of them.

use std::sync::Arc;

use futures_executor::block_on;

use crate::invitation::{Invitation, InvitationId};
use crate::registration::PendingRegistration;
use crate::store::{Change, CommitError, Directory, InvitationKey, Retention, Write};
use crate::testing::conformance::race;
use crate::testing::conformance::samples::{
    at, digest, event, full_invitation, invitation, invitation_id, registration, registration_id, whole,
};

fn create(store: &dyn Directory, invitations: impl IntoIterator<Item = Invitation>) {
    let changes: Vec<Change> = invitations.into_iter().map(|one| Change::Invitation(Write::Create(one))).collect();
    block_on(store.commit(&changes)).unwrap();
}

fn holding(number: u32, invitation: InvitationId) -> PendingRegistration {
    PendingRegistration { invitation: Some(invitation), ..registration(number) }
}

/// Promise 5: an invitation is found by its own id and token, whole, and not when it is gone.
pub fn an_invitation_is_found_by_its_id_and_its_token(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    create(&*store, [full_invitation(1, "for the lab"), invitation(2)]);
    let find = |by| block_on(store.invitation(by)).unwrap().map(|found| whole(&found));
    for expected in [full_invitation(1, "for the lab"), invitation(2)] {
        assert_eq!(find(InvitationKey::Id(expected.id)), Some(whole(&expected)));
        assert_eq!(find(InvitationKey::Token(expected.token)), Some(whole(&expected)));
    }
    assert_eq!(find(InvitationKey::Id(invitation_id(3))), None);
    assert_eq!(find(InvitationKey::Token(digest("invitation", 3))), None);
    assert_eq!(find(InvitationKey::Token(digest("link", 1))), None);
    let used = Invitation { uses: 1, ..invitation(2) };
    block_on(store.commit(&[Change::Invitation(Write::Update(used.clone()))])).unwrap();
    let next = Invitation { revision: used.revision.next(), ..used };
    assert_eq!(find(InvitationKey::Token(next.token)), Some(whole(&next)), "with the next revision");
    block_on(store.commit(&[Change::Invitation(Write::Delete(next.clone()))])).unwrap();
    assert_eq!((find(InvitationKey::Id(next.id)), find(InvitationKey::Token(next.token))), (None, None));
}

/// Promise 5: pages put together are all invitations, each once, in order of creation.
pub fn invitations_are_paged_in_order_of_creation(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    create(&*store, (0..25u32).map(|n| invitation(1 + (n * 7) % 25)));
    let expected: Vec<InvitationId> = (1..=25).map(invitation_id).collect();
    for limit in [1, 7, 24, 25, 26] {
        let mut seen: Vec<InvitationId> = vec![];
        loop {
            let page = block_on(store.invitations(seen.last().copied(), limit)).unwrap();
            assert!(page.len() <= limit, "limit {limit}");
            if page.is_empty() {
                break;
            }
            seen.extend(page.iter().map(|invitation| invitation.id));
            assert!(seen.len() <= expected.len(), "limit {limit}: some come twice: {seen:?}");
        }
        assert_eq!(seen, expected, "limit {limit}");
    }
}

/// Promise 10: a use is held until the registration's exact millisecond, or until it is settled or lapses.
pub fn held_uses_are_the_registrations_that_have_not_lapsed(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    create(&*store, [invitation(1), invitation(2)]);
    let lapsing = |number, millis| PendingRegistration { expires_at: at(millis), ..holding(number, invitation_id(1)) };
    let registrations = [lapsing(1, 100), lapsing(2, 200), lapsing(3, 300), holding(4, invitation_id(2))];
    let unheld = registration(5);
    let changes: Vec<Change> = registrations.into_iter().chain([unheld]).map(Change::Register).collect();
    block_on(store.commit(&changes)).unwrap();
    let held = |now| block_on(store.held_uses(invitation_id(1), at(now))).unwrap();
    for (now, expected) in [(99, 3), (100, 2), (199, 2), (200, 1), (299, 1), (300, 0)] {
        assert_eq!(held(now), expected, "at {now} ms");
    }
    assert_eq!(block_on(store.held_uses(invitation_id(2), at(0))).unwrap(), 1, "each its own");
    assert_eq!(block_on(store.held_uses(invitation_id(3), at(0))).unwrap(), 0);
    for (gone, left) in [(Change::Settle(registration_id(1)), 2), (Change::Lapse(registration_id(3)), 1)] {
        block_on(store.commit(&[gone])).unwrap();
        assert_eq!(held(0), left);
        assert_eq!(block_on(open().held_uses(invitation_id(1), at(0))).unwrap(), left, "through another handle");
    }
}

/// Promises 2 and 10: of any number of sign-ups that saw one use left, one holds it.
pub fn a_use_is_held_by_one_of_200_sign_ups(open: &dyn Fn() -> Arc<dyn Directory>) {
    create(&*open(), [invitation(1)]);
    let answers = race(open, 200, |store, caller| {
        let seen = block_on(store.invitation(InvitationKey::Token(invitation(1).token))).unwrap().unwrap();
        if block_on(store.held_uses(seen.id, at(0))).unwrap() > 0 {
            return false;
        }
        let registration = holding(u32::try_from(caller).unwrap() + 10, seen.id);
        let changes =
            [Change::Invitation(Write::Update(seen)), Change::Register(registration), Change::Audit(event(1))];
        match block_on(store.commit(&changes)) {
            Ok(()) => true,
            Err(CommitError::Stale) => false,
            Err(other) => panic!("caller {caller}: {other:?}"),
        }
    });
    assert_eq!(answers.iter().filter(|won| **won).count(), 1, "winners");
    assert_eq!(block_on(open().held_uses(invitation_id(1), at(0))).unwrap(), 1);
}

/// Promise 10 and retention: swept registrations hold nothing, and an invitation is forgotten once its time is over.
pub fn a_sweep_gives_uses_back_and_forgets_invitations_that_ended(open: &dyn Fn() -> Arc<dyn Directory>) {
    let store = open();
    let ending = |number, millis| Invitation { expires_at: at(millis), ..invitation(number) };
    let revoked = Invitation { revoked_at: Some(at(49)), ..ending(4, 5_000) };
    create(&*store, [ending(1, 49), ending(2, 50), ending(3, 51), revoked]);
    let lapsed = PendingRegistration { expires_at: at(99), ..holding(1, invitation_id(3)) };
    block_on(store.commit(&[Change::Register(lapsed), Change::Register(holding(2, invitation_id(3)))])).unwrap();
    let retention = Retention { registrations_before: at(100), invitations_before: at(50) };
    let slices: Vec<usize> = (0..4).map(|_| block_on(store.sweep(&retention, 2)).unwrap()).collect();
    assert_eq!(slices, [2, 1, 0, 0]);
    let left = block_on(store.invitations(None, 10)).unwrap();
    assert_eq!(left.iter().map(|one| one.id).collect::<Vec<_>>(), [2, 3].map(invitation_id));
    assert_eq!(block_on(store.held_uses(invitation_id(3), at(0))).unwrap(), 1, "what was swept holds nothing");
}
