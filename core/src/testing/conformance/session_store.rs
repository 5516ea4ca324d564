//! What a [`SessionStore`] promises.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_executor::block_on;

use super::samples::{at, client, hostile_texts, session, session_id, user_id, whole};
use super::{race, until_it_works};
use crate::session::{EndReason, Ended, Session, SessionId, SessionMode};
use crate::store::{OpenError, SessionKey, SessionStore, Which};
use crate::time::Timestamp;
use crate::user::UserId;

/// Makes a test of each property of a [`SessionStore`](crate::store::SessionStore); how to apply it:
/// [`conformance`](crate::testing::conformance).
#[macro_export]
macro_rules! session_store_conformance {
    ($open:expr) => {
        $crate::conformance_suite! {
            session_store, SessionStore, $open,
            what_was_opened_is_read_back_whole,
            a_session_is_found_by_its_whole_key_only,
            sessions_of_a_user_come_oldest_first_and_are_its_own,
            of_200_opens_on_one_version_exactly_one_succeeds,
            an_open_on_an_older_version_changes_nothing,
            an_open_ends_those_that_it_names_and_never_anothers,
            the_limit_holds_among_concurrent_logins,
            every_open_and_every_end_changes_the_version,
            ending_all_changes_the_version_even_with_none_live,
            a_login_that_races_the_end_of_all_never_stays_open,
            a_sweep_never_brings_a_version_back,
            ends_one_or_all_but_one_or_all,
            an_end_acts_on_the_next_find_of_every_handle,
            the_first_end_of_a_session_counts,
            of_200_saves_on_one_revision_exactly_one_succeeds,
            a_save_of_what_is_ended_or_unknown_is_refused,
            an_ended_session_stays_ended_against_racing_saves,
            ended_stays_ended_over_a_restart,
            a_session_is_live_until_its_exact_millisecond,
            is_found_with_its_reason_until_it_is_swept,
            a_sweep_takes_slices_and_leaves_the_live,
        }
    };
}

/// Promises 3 and 4: a session comes back as it was opened and saved, whatever its user agent says.
pub fn what_was_opened_is_read_back_whole(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let (store, other) = (open(), open());
    for (number, text) in (1..).zip(hostile_texts()) {
        let user = user_id(number);
        let opened =
            Session { mode: SessionMode::Api, client: client(&text), proved_at: at(-5), ..session(user, number) };
        open_now(&*store, &opened, &[]).unwrap();
        assert_eq!(found(&*other, &opened), Some(whole(&opened)), "{text:?}");
        let changed = Session {
            client: client(&format!("{text}!")),
            expires_at: at(9_000_000),
            last_seen_at: at(70_000),
            proved_at: at(60_000),
            ..opened
        };
        assert!(block_on(other.save(&changed)).unwrap());
        let expected = Session { revision: changed.revision.next(), ..changed };
        assert_eq!(found(&*store, &expected), Some(whole(&expected)), "{text:?}");
        assert_eq!(whole(&live(&*store, user, at(70_000))), whole(&[expected]), "{text:?}");
    }
}

/// Promise 5: neither half of a key finds a session.
pub fn a_session_is_found_by_its_whole_key_only(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let store = open();
    let (mine, theirs) = (session(user_id(1), 1), session(user_id(2), 2));
    open_now(&*store, &mine, &[]).unwrap();
    open_now(&*store, &theirs, &[]).unwrap();
    for (user, token) in [(user_id(2), mine.token), (user_id(1), theirs.token), (user_id(3), mine.token)] {
        assert_eq!(block_on(store.find(&SessionKey { user, token })).unwrap(), None);
    }
    assert_eq!(found(&*store, &mine), Some(whole(&mine)));
}

/// Promise 1: the set that a login sees is all of the user's live sessions, oldest first, and nobody else's.
pub fn sessions_of_a_user_come_oldest_first_and_are_its_own(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let store = open();
    assert!(live(&*store, user_id(1), at(0)).is_empty());
    for (user, number) in [(1, 30), (2, 5), (1, 10), (1, 20), (2, 15)] {
        open_now(&*store, &session(user_id(user), number), &[]).unwrap();
    }
    assert_eq!(live_ids(&*store, user_id(1), at(50)), [10, 20, 30].map(session_id));
    assert_eq!(live_ids(&*store, user_id(2), at(50)), [5, 15].map(session_id));
    assert!(live(&*store, user_id(3), at(50)).is_empty());
}

/// Promise 1: two logins that saw the same set never both open.
pub fn of_200_opens_on_one_version_exactly_one_succeeds(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let user = user_id(1);
    let first = session(user, 1_000);
    open_now(&*open(), &first, &[]).unwrap();
    let version = version(&*open(), user);
    let answers = race(open, 200, |store, caller| {
        let session = session(user, u32::try_from(caller).unwrap());
        opened(block_on(store.open(&session, version, &[first.id], at(2_000))))
    });
    let winners: Vec<usize> = (0..200).filter(|caller| answers[*caller]).collect();
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    let winner = session_id(u32::try_from(winners[0]).unwrap());
    assert_eq!(live_ids(&*open(), user, at(2_000)), [winner]);
}

/// Promise 1: an open that comes too late neither opens nor ends.
pub fn an_open_on_an_older_version_changes_nothing(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let (store, user) = (open(), user_id(1));
    let (first, second, late) = (session(user, 1), session(user, 2), session(user, 3));
    let mut old = vec![version(&*store, user)];
    for opening in [&first, &second] {
        open_now(&*store, opening, &[]).unwrap();
        old.push(version(&*store, user));
    }
    let current = old.pop().unwrap();
    for version in old.into_iter().chain([current.wrapping_add(1), u64::from(u32::MAX)]) {
        let answer = block_on(store.open(&late, version, &[first.id, second.id], at(10)));
        assert!(matches!(answer, Err(OpenError::Stale)), "version {version} where {current} stands: {answer:?}");
        assert_eq!(live_ids(&*store, user, at(10)), [first.id, second.id]);
        assert_eq!(found(&*store, &late), None);
    }
    assert_eq!(self::version(&*store, user), current, "a late open changes nothing");
    block_on(store.open(&late, current, &[], at(10))).unwrap();
}

/// Promise 1: a takeover ends the sessions that it listed, as taken over, and no other session of anybody.
pub fn an_open_ends_those_that_it_names_and_never_anothers(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let (store, user) = (open(), user_id(1));
    for (owner, number) in [(1, 1), (1, 2), (1, 3), (2, 4)] {
        open_now(&*store, &session(user_id(owner), number), &[]).unwrap();
    }
    let new = session(user, 10);
    open_now(&*store, &new, &[session_id(1), session_id(3), session_id(4), session_id(99)]).unwrap();
    assert_eq!(live_ids(&*store, user, at(20)), [session_id(2), new.id]);
    assert_eq!(live_ids(&*store, user_id(2), at(20)), [session_id(4)], "another user's");
    let taken_over = Some(Ended { reason: EndReason::TakenOver, at: at(10) });
    for (number, expected) in [(1, taken_over), (2, None), (3, taken_over)] {
        assert_eq!(end_of(&*store, &session(user, number)), expected, "session {number}");
    }
}

/// Promise 1: logins that keep to a limit by the set that they saw keep to it together.
pub fn the_limit_holds_among_concurrent_logins(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    const LIMIT: usize = 3;
    const LOGINS: u32 = 5;
    let user = user_id(1);
    race(open, 12, |store, caller| {
        let first = u32::try_from(caller).unwrap() * LOGINS;
        for number in first..first + LOGINS {
            until_it_works(|| {
                let set = block_on(store.sessions_of(user, at(1_000))).unwrap();
                assert!(set.live.len() <= LIMIT, "{} live", set.live.len());
                let excess = (set.live.len() + 1).saturating_sub(LIMIT);
                let ending: Vec<SessionId> = set.live.iter().take(excess).map(|session| session.id).collect();
                opened(block_on(store.open(&session(user, number), set.version, &ending, at(1_000))))
            });
        }
    });
    assert_eq!(live(&*open(), user, at(1_000)).len(), LIMIT);
}

/// Promise 1: a version names one set; a changed set has another, and that of other users stays.
pub fn every_open_and_every_end_changes_the_version(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let (store, user) = (open(), user_id(1));
    open_now(&*store, &session(user_id(2), 90), &[]).unwrap();
    let others = version(&*store, user_id(2));
    let mut seen = vec![version(&*store, user)];
    let mut changed = |step: &str| {
        let version = version(&*store, user);
        assert!(!seen.contains(&version), "{step}: {version} stood before: {seen:?}");
        seen.push(version);
    };
    for number in 1..=4 {
        open_now(&*store, &session(user, number), &[]).unwrap();
        changed("open");
    }
    for which in [Which::One(session_id(1)), Which::AllBut(session_id(2)), Which::All] {
        assert!(!end(&*store, which, 10).is_empty());
        changed("end");
    }
    open_now(&*store, &session(user, 5), &[]).unwrap();
    changed("open again");
    assert_eq!(version(&*store, user_id(2)), others);
}

/// Promise 2: a login that was decided before all sessions were ended doesn't open after it.
pub fn ending_all_changes_the_version_even_with_none_live(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let (store, user) = (open(), user_id(1));
    for number in 1..=3 {
        let decided_on = version(&*store, user);
        let which = if number % 2 == 0 { Which::All } else { Which::AllBut(session_id(99)) };
        assert!(end(&*store, which, i64::from(number)).is_empty());
        let late = block_on(store.open(&session(user, number), decided_on, &[], at(i64::from(number))));
        assert!(matches!(late, Err(OpenError::Stale)), "round {number}: {late:?}");
    }
    assert!(live(&*store, user, at(5)).is_empty());
}

/// Promises 1 and 2: whichever comes first, no session of a login that saw the set before is live after both.
pub fn a_login_that_races_the_end_of_all_never_stays_open(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let user = user_id(1);
    for round in 1..=20 {
        let decided_on = version(&*open(), user);
        race(open, 6, |store, caller| {
            if caller == round as usize % 6 {
                block_on(store.end(user, Which::All, EndReason::PasswordChanged, at(5_000))).unwrap();
                return;
            }
            let session = session(user, round * 10 + u32::try_from(caller).unwrap());
            opened(block_on(store.open(&session, decided_on, &[], at(5_000))));
        });
        assert!(live(&*open(), user, at(5_000)).is_empty(), "round {round}");
    }
}

/// Promise 1: a version isn't given again when the sessions are forgotten, or a late login would open on it.
pub fn a_sweep_never_brings_a_version_back(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let (store, user) = (open(), user_id(1));
    let long_after = at(0).after(Session::REMEMBERED * 30);
    let mut seen = vec![version(&*store, user)];
    end(&*store, Which::All, 0);
    block_on(store.sweep(long_after, 100)).unwrap();
    seen.push(version(&*store, user));
    open_now(&*store, &session(user, 1), &[]).unwrap();
    end(&*store, Which::All, 1);
    assert_eq!(block_on(store.sweep(long_after, 100)).unwrap(), 1);
    drop(store);
    let store = open();
    seen.push(version(&*store, user));
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 3, "versions: {seen:?}");
    for version in &seen[..2] {
        let late = block_on(store.open(&session(user, 2), *version, &[], at(2)));
        assert!(matches!(late, Err(OpenError::Stale)), "version {version} of {seen:?}: {late:?}");
    }
}

/// Promise 2: exactly the chosen live sessions end and are returned; other users' never do.
pub fn ends_one_or_all_but_one_or_all(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let (store, user, other) = (open(), user_id(1), user_id(2));
    open_now(&*store, &session(other, 9), &[]).unwrap();
    for (base, chosen) in (0..6).map(|round| round * 100).zip([&[2][..], &[], &[], &[1, 3], &[1, 2, 3], &[1, 2, 3]]) {
        for number in 1..=3 {
            open_now(&*store, &session(user, base + number), &[]).unwrap();
        }
        let which = match base {
            0 => Which::One(session_id(2)),
            100 => Which::One(session_id(9)),
            200 => Which::One(session_id(999)),
            300 => Which::AllBut(session_id(302)),
            400 => Which::AllBut(session_id(9)),
            _ => Which::All,
        };
        let ended = block_on(store.end(user, which, EndReason::Revoked, at(1_000))).unwrap();
        let chosen: Vec<SessionId> = chosen.iter().map(|number| session_id(base + number)).collect();
        let ids: BTreeSet<SessionId> = ended.iter().map(|session| session.id).collect();
        assert_eq!((ids.into_iter().collect::<Vec<_>>(), ended.len()), (chosen.clone(), chosen.len()), "{which:?}");
        let all = [1, 2, 3].map(|number| session_id(base + number));
        let left: Vec<SessionId> = all.into_iter().filter(|id| !chosen.contains(id)).collect();
        assert_eq!(live_ids(&*store, user, at(1_000)), left, "{which:?}");
        assert_eq!(live_ids(&*store, other, at(1_000)), [session_id(9)], "{which:?}");
        block_on(store.end(user, Which::All, EndReason::Revoked, at(1_000))).unwrap();
    }
}

/// Promise 2: when `end` has returned, every `find` of every process sees it.
pub fn an_end_acts_on_the_next_find_of_every_handle(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let handles = [open(), open(), open()];
    for number in 1..=20u32 {
        let (one, other) = (&handles[number as usize % 3], &handles[(number as usize + 1) % 3]);
        let opened = session(user_id(1), number);
        open_now(&**one, &opened, &[]).unwrap();
        assert_eq!(end_of(&**other, &opened), None);
        assert_eq!(live_ids(&**other, user_id(1), at(50)), [opened.id]);
        assert_eq!(end(&**one, Which::One(opened.id), 50).len(), 1);
        assert_eq!(end_of(&**other, &opened), Some(Ended { reason: EndReason::LoggedOut, at: at(50) }));
        assert!(live(&**other, user_id(1), at(50)).is_empty());
    }
}

/// Promise 4: who ended a session first said why; ending it again ends nothing.
pub fn the_first_end_of_a_session_counts(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let user = user_id(1);
    let opened = session(user, 1);
    open_now(&*open(), &opened, &[]).unwrap();
    let ends = race(open, 40, |store, caller| {
        let reason = if caller % 4 < 2 { EndReason::LoggedOut } else { EndReason::AccountClosed };
        let which = if caller % 3 == 0 { Which::One(opened.id) } else { Which::All };
        (block_on(store.end(user, which, reason, at(10))).unwrap().len(), reason)
    });
    let winners: Vec<EndReason> = ends.iter().filter(|(ended, _)| *ended == 1).map(|(_, reason)| *reason).collect();
    assert_eq!(ends.iter().map(|(ended, _)| ended).sum::<usize>(), 1, "it ends once: {ends:?}");
    let store = open();
    assert_eq!(end_of(&*store, &opened), Some(Ended { reason: winners[0], at: at(10) }));
    open_now(&*store, &session(user, 20), &[opened.id]).unwrap();
    assert_eq!(end_of(&*store, &opened), Some(Ended { reason: winners[0], at: at(10) }), "a takeover comes too late");
}

/// Promise 3: of any number of saves on one revision one succeeds, and is stored with the next revision.
pub fn of_200_saves_on_one_revision_exactly_one_succeeds(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let opened = session(user_id(1), 1);
    open_now(&*open(), &opened, &[]).unwrap();
    let answers = race(open, 200, |store, caller| {
        let seen = at(i64::try_from(caller).unwrap());
        block_on(store.save(&Session { last_seen_at: seen, ..opened.clone() })).unwrap()
    });
    let winners: Vec<usize> = (0..200).filter(|caller| answers[*caller]).collect();
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    let last_seen_at = at(i64::try_from(winners[0]).unwrap());
    let stored = Session { last_seen_at, revision: opened.revision.next(), ..opened };
    assert_eq!(found(&*open(), &stored), Some(whole(&stored)));
}

/// Promise 3: nothing is saved over an end, on a revision that never was, or from nothing.
pub fn a_save_of_what_is_ended_or_unknown_is_refused(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let (store, user) = (open(), user_id(1));
    let opened = session(user, 1);
    let touched = |session: &Session| Session { last_seen_at: at(99), ..session.clone() };
    assert!(!block_on(store.save(&touched(&opened))).unwrap(), "it isn't there yet");
    assert_eq!(found(&*store, &opened), None);
    open_now(&*store, &opened, &[]).unwrap();
    let early = Session { revision: opened.revision.next(), ..touched(&opened) };
    assert!(!block_on(store.save(&early)).unwrap(), "a revision that isn't reached yet");
    assert_eq!(found(&*store, &opened), Some(whole(&opened)));
    end(&*store, Which::All, 10);
    let ended = block_on(store.find(&key(&opened))).unwrap().unwrap();
    for revision in [opened.revision, ended.revision, ended.revision.next()] {
        for end in [None, ended.ended] {
            let revived = Session { revision, ended: end, ..touched(&opened) };
            assert!(!block_on(store.save(&revived)).unwrap(), "{revision:?}, {end:?}");
        }
    }
    assert_eq!(found(&*store, &opened), Some(whole(&ended)));
    assert!(live(&*store, user, at(10)).is_empty());
}

/// Promises 2 and 3: a check that saves its last use while the session is ended doesn't revive it.
pub fn an_ended_session_stays_ended_against_racing_saves(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let user = user_id(1);
    for round in 1..=15 {
        let opened = session(user, round);
        open_now(&*open(), &opened, &[]).unwrap();
        race(open, 6, |store, caller| {
            if caller == round as usize % 6 {
                assert_eq!(end(store, Which::One(opened.id), 500).len(), 1, "round {round}");
                return;
            }
            for _ in 0..4 {
                let seen = block_on(store.find(&key(&opened))).unwrap().unwrap();
                let saved =
                    block_on(store.save(&Session { last_seen_at: at(400), ended: None, ..seen.clone() })).unwrap();
                assert!(!(saved && seen.ended.is_some()), "round {round}: saved though it was seen ended");
            }
        });
        let ended = Some(Ended { reason: EndReason::LoggedOut, at: at(500) });
        assert_eq!(end_of(&*open(), &opened), ended, "round {round}");
        assert!(live(&*open(), user, at(500)).is_empty(), "round {round}");
    }
}

/// Promises 2 and 3: a restart revives nothing and forgets nothing.
pub fn ended_stays_ended_over_a_restart(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let (store, user) = (open(), user_id(1));
    let (ended, kept) = (session(user, 1), session(user, 2));
    open_now(&*store, &ended, &[]).unwrap();
    open_now(&*store, &kept, &[]).unwrap();
    end(&*store, Which::One(ended.id), 10);
    let decided_on = version(&*store, user);
    drop(store);
    let reopened = open();
    assert_eq!(end_of(&*reopened, &ended), Some(Ended { reason: EndReason::LoggedOut, at: at(10) }));
    assert_eq!(found(&*reopened, &kept), Some(whole(&kept)));
    assert_eq!(live_ids(&*reopened, user, at(10)), [kept.id]);
    block_on(reopened.open(&session(user, 3), decided_on, &[], at(11))).unwrap();
}

/// Promise 4: a session is live in its last millisecond; at `expires_at` it is neither listed nor ended.
pub fn a_session_is_live_until_its_exact_millisecond(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let store = open();
    for (number, (now, lives)) in (1..).zip([(999, true), (1_000, false), (1_001, false)]) {
        let user = user_id(number);
        let opened = Session { expires_at: at(1_000), ..session(user, number) };
        open_now(&*store, &opened, &[]).unwrap();
        assert_eq!(live(&*store, user, at(now)).len(), usize::from(lives), "listed at {now} ms");
        let ended = block_on(store.end(user, Which::All, EndReason::Revoked, at(now))).unwrap();
        assert_eq!(ended.len(), usize::from(lives), "ended at {now} ms");
        let expected = lives.then_some(Ended { reason: EndReason::Revoked, at: at(now) });
        assert_eq!(end_of(&*store, &opened), expected, "at {now} ms");
    }
    let user = user_id(50);
    let expired = Session { expires_at: at(1_000), ..session(user, 50) };
    open_now(&*store, &expired, &[]).unwrap();
    let version = version(&*store, user);
    block_on(store.open(&Session { started_at: at(1_000), ..session(user, 51) }, version, &[expired.id], at(1_000)))
        .unwrap();
    assert_eq!(end_of(&*store, &expired), None, "it expired and wasn't taken over");
}

/// Promise 4: its browser is told why for as long as it was promised, not a millisecond less.
pub fn is_found_with_its_reason_until_it_is_swept(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let store = open();
    let reasons = [
        EndReason::LoggedOut,
        EndReason::Revoked,
        EndReason::TakenOver,
        EndReason::AccountClosed,
        EndReason::PasswordChanged,
        EndReason::TotpRemoved,
    ];
    for (number, reason) in (1..).zip(reasons) {
        open_now(&*store, &session(user_id(number), number), &[]).unwrap();
        block_on(store.end(user_id(number), Which::All, reason, at(500))).unwrap();
    }
    let expiring = Session { expires_at: at(500), ..session(user_id(9), 9) };
    open_now(&*store, &expiring, &[]).unwrap();
    let sweep = |now: Timestamp| block_on(store.sweep(now.before(Session::REMEMBERED), 100)).unwrap();
    assert_eq!(sweep(at(500).after(Session::REMEMBERED)), 0);
    for (number, reason) in (1..).zip(reasons) {
        let expected = Some(Ended { reason, at: at(500) });
        assert_eq!(end_of(&*store, &session(user_id(number), number)), expected, "{reason:?}");
    }
    assert_eq!(found(&*store, &expiring), Some(whole(&expiring)));
    assert_eq!(sweep(at(501).after(Session::REMEMBERED)), reasons.len() + 1);
    assert_eq!(found(&*store, &session(user_id(1), 1)), None);
    assert_eq!(found(&*store, &expiring), None);
}

/// Promise 4: a sweep goes by when a session ended, takes at most so many, and never a live one.
pub fn a_sweep_takes_slices_and_leaves_the_live(open: &dyn Fn() -> Arc<dyn SessionStore>) {
    let (store, user) = (open(), user_id(1));
    for number in 1..=7 {
        open_now(&*store, &session(user, number), &[]).unwrap();
    }
    for number in 1..=5 {
        end(&*store, Which::One(session_id(number)), 100);
    }
    end(&*store, Which::One(session_id(6)), 101);
    let slices = [2; 4].map(|limit| block_on(store.sweep(at(101), limit)).unwrap());
    assert_eq!(slices, [2, 2, 1, 0]);
    assert!(found(&*store, &session(user, 6)).is_some(), "it ended at that very moment");
    assert_eq!(live_ids(&*store, user, at(200)), [session_id(7)]);
    let far = at(0).after(Session::REMEMBERED * 30);
    assert_eq!(block_on(store.sweep(far, 10)).unwrap(), 2, "the live one has expired by then");
}

fn key(session: &Session) -> SessionKey {
    SessionKey { user: session.user, token: session.token }
}

/// Opens a session at its start on the present version, ending `ending`.
fn open_now(store: &dyn SessionStore, session: &Session, ending: &[SessionId]) -> Result<(), OpenError> {
    let version = version(store, session.user);
    block_on(store.open(session, version, ending, session.started_at))
}

/// Whether the session was opened; anything but a stale answer ends the test.
fn opened(answer: Result<(), OpenError>) -> bool {
    match answer {
        Ok(()) => true,
        Err(OpenError::Stale) => false,
        Err(OpenError::Fault(fault)) => panic!("{fault}"),
    }
}

fn version(store: &dyn SessionStore, user: UserId) -> u64 {
    block_on(store.sessions_of(user, at(0))).unwrap().version
}

fn live(store: &dyn SessionStore, user: UserId, now: Timestamp) -> Vec<Session> {
    block_on(store.sessions_of(user, now)).unwrap().live
}

fn live_ids(store: &dyn SessionStore, user: UserId, now: Timestamp) -> Vec<SessionId> {
    live(store, user, now).iter().map(|session| session.id).collect()
}

fn found(store: &dyn SessionStore, session: &Session) -> Option<serde_json::Value> {
    block_on(store.find(&key(session))).unwrap().map(|session| whole(&session))
}

fn end_of(store: &dyn SessionStore, session: &Session) -> Option<Ended> {
    block_on(store.find(&key(session))).unwrap().unwrap().ended
}

/// Logs the first user's sessions out.
fn end(store: &dyn SessionStore, which: Which, now: i64) -> Vec<Session> {
    block_on(store.end(user_id(1), which, EndReason::LoggedOut, at(now))).unwrap()
}
