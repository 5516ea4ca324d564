//! What comes next in a login, by table.

use super::*;
use crate::client::Client;
use crate::email::Email;
use crate::password::PasswordHash;
use crate::random::SystemRandom;
use crate::sign_up::DocumentPolicy;
use crate::user::{Role, UserId};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
}

fn user() -> User {
    User::new(UserId::from_bytes([1; 16]), Email::parse("ada@example.org").unwrap(), Role::user(), at(0))
}

fn progress() -> LoginProgress {
    let (user, client, password_at) = (user().id, Client::default(), at(10));
    LoginProgress {
        user,
        mode: SessionMode::Session,
        keypair: None,
        client,
        password_at,
        password_set_at: None,
        second_factor_at: None,
        browser: BrowserStanding::Forgetful,
        awaits: None,
    }
}

fn live(count: u8) -> Vec<Session> {
    let token = SessionToken::generate([1; 16], &SystemRandom).unwrap();
    let session = |n| Opening {
        id: SessionId::from_bytes([n; 16]),
        user: user().id,
        mode: SessionMode::Session,
        keypair: None,
        client: Client::default(),
        proved_at: at(0),
    };
    (0..count).map(|n| Session::open(session(n), &token, &Policy::default().session, at(i64::from(n)))).collect()
}

fn ids(numbers: impl IntoIterator<Item = u8>) -> Vec<SessionId> {
    numbers.into_iter().map(|n| SessionId::from_bytes([n; 16])).collect()
}

fn policy(max_concurrent: u32, on_conflict: OnConflict) -> Policy {
    let mut policy = Policy::default();
    policy.session.max_concurrent = max_concurrent;
    policy.session.on_conflict = on_conflict;
    policy
}

#[test]
fn the_limit_of_sessions_is_kept_as_the_policy_says() {
    let open = |ending| Next::Open { ending };
    for (count, limit, on_conflict, expected) in [
        (0, 1, OnConflict::Ask, open(vec![])),
        (1, 1, OnConflict::Ask, Next::AskConflict(live(1))),
        (1, 2, OnConflict::Ask, open(vec![])),
        (3, 2, OnConflict::Ask, Next::AskConflict(live(3))),
        (1, 1, OnConflict::Refuse, Next::Refuse(LoginRefusal::SessionLimit, "session.on_conflict")),
        (0, 1, OnConflict::Refuse, open(vec![])),
        (3, 3, OnConflict::EndOldest, open(ids([0]))),
        (3, 1, OnConflict::EndOldest, open(ids([0, 1, 2]))),
        (9, 1, OnConflict::Allow, open(vec![])),
    ] {
        let live = live(count);
        let decided = match next(&progress(), &user(), &live, None, &policy(limit, on_conflict), at(10)) {
            Next::AskConflict(listed) => {
                assert_eq!(listed, live);
                assert!(matches!(expected, Next::AskConflict(_)), "{count} {limit} {on_conflict:?}");
                continue;
            }
            other => other,
        };
        assert_eq!(decided, expected, "{count} {limit} {on_conflict:?}");
    }
}

#[test]
fn ot3_a_keypair_is_asked_for_nothing_further_and_its_oldest_session_ends() {
    let mut policy = policy(1, OnConflict::Refuse);
    policy.session.max_concurrent_api = 3;
    policy.totp.mode = crate::totp::TotpMode::Required;
    policy.sign_up.terms = DocumentPolicy { version: "2".to_owned(), url: "https://x/".to_owned() };
    let by_keypair = LoginProgress { mode: SessionMode::Api, ..progress() };
    let mut user = user();
    user.must_change_password = true;
    for (count, ending) in [(0, vec![]), (2, vec![]), (3, ids([0])), (5, ids([0, 1, 2]))] {
        assert_eq!(next(&by_keypair, &user, &live(count), None, &policy, at(10)), Next::Open { ending }, "{count}");
    }
    user.status = UserStatus::Disabled;
    let disabled = Next::Refuse(LoginRefusal::InvalidCredentials, "user.status");
    assert_eq!(next(&by_keypair, &user, &[], None, &policy, at(10)), disabled);
}

#[test]
fn se4_a_takeover_ends_what_it_listed_and_asks_again_about_a_newer_session() {
    let policy = policy(1, OnConflict::Ask);
    let agreed = ids([0, 1]);
    let decide = |live: &[Session]| next(&progress(), &user(), live, Some(&agreed), &policy, at(10));
    assert_eq!(decide(&live(2)), Next::Open { ending: agreed.clone() });
    assert_eq!(decide(&[]), Next::Open { ending: vec![] }, "already gone");
    assert!(matches!(decide(&live(3)), Next::AskConflict(listed) if listed.len() == 3));
}

#[test]
fn se12_every_rule_is_looked_at_anew_in_its_order() {
    let mut policy = policy(1, OnConflict::Ask);
    policy.sign_up.terms = DocumentPolicy { version: "2".to_owned(), url: "https://x/".to_owned() };
    let (mut user, live) = (user(), live(1));
    let next = |user: &User| next(&progress(), user, &live, None, &policy, at(10));
    assert_eq!(next(&user), Next::AskTerms, "terms come before the conflict");
    user.password = Some(PasswordHash::dummy(4));
    user.must_change_password = true;
    assert_eq!(next(&user), Next::AskPasswordChange, "the password comes before the terms");
    user.password_changed_at = Some(at(9));
    let overtaken = Next::Refuse(LoginRefusal::TicketInvalid, "password_changed");
    assert_eq!(next(&user), overtaken);
    user.status = UserStatus::Disabled;
    let disabled = Next::Refuse(LoginRefusal::AccountDisabled, "user.status");
    assert_eq!(next(&user), disabled);
}
