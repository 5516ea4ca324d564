//! Hundreds of callers at once, on the machine's clock.

use std::sync::{Arc, Barrier};

use doorwarden_core::client::Client;
use doorwarden_core::engine::Engine;
use doorwarden_core::login::{LoginRefusal, LoginStep, TakeOver};
use doorwarden_core::password::Password;
use doorwarden_core::password_change::{Continuation, PasswordChange};
use doorwarden_core::policy::Policy;
use doorwarden_core::session::OnConflict;
use doorwarden_core::sign_up::SignUpForm;
use doorwarden_core::store::SessionStore;
use doorwarden_core::testing::{MemoryMailer, MemoryStore};
use doorwarden_core::token::LinkToken;
use doorwarden_core::user::UserStatus;
use futures_executor::block_on;

use crate::world::{PASSWORD, WRONG, add, form, links, login, policy, refusal, start};

pub(crate) struct Crowd {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) mailer: Arc<MemoryMailer>,
}

impl Crowd {
    pub(crate) fn new(change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = policy();
        policy.hashing.queue = 1_000;
        policy.hashing.max_wait = std::time::Duration::from_secs(30);
        change(&mut policy);
        let (store, mailer) = (Arc::new(MemoryStore::default()), Arc::new(MemoryMailer::default()));
        let builder = Engine::builder().store(store.clone()).mailer(mailer.clone());
        Self { engine: start(builder, policy), store, mailer }
    }

    /// The links of the mails sent since the last look.
    pub(crate) fn links(&self) -> Vec<LinkToken> {
        self.mailer.take_mails().iter().flat_map(|mail| links(&mail.text)).collect()
    }
}

/// Runs `one` on `callers` threads that start together; returns the answers, sorted.
pub(crate) fn at_once<T: Send + Ord>(callers: usize, one: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(callers);
    let mut answers: Vec<T> = std::thread::scope(|scope| {
        let run = |n| {
            barrier.wait();
            one(n)
        };
        let threads: Vec<_> = (0..callers).map(|n| scope.spawn(move || run(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    answers.sort();
    answers
}

fn code(engine: &Engine, password: &str) -> &'static str {
    code_of(login(engine, "ada@example.org", password))
}

fn code_of(step: Result<LoginStep, LoginRefusal>) -> &'static str {
    match step {
        Ok(LoginStep::LoggedIn(_)) => "logged_in",
        Ok(LoginStep::SessionConflict { .. }) => "session_conflict",
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => refusal.code(),
    }
}

fn count(answers: &[&str], wanted: &str) -> usize {
    answers.iter().filter(|answer| **answer == wanted).count()
}

#[test]
fn gu1_of_200_wrong_guesses_at_once_exactly_eleven_are_evaluated() {
    let crowd = Crowd::new(|_| {});
    add(&crowd.engine, "ada@example.org", None);
    let before = crowd.engine.hash_evaluations();
    let answers = at_once(200, |_| code(&crowd.engine, WRONG));
    assert_eq!(count(&answers, "invalid_credentials"), 11);
    assert_eq!(count(&answers, "locked_out"), 189);
    assert_eq!(crowd.engine.hash_evaluations() - before, 11);
}

#[test]
fn gu1_any_number_of_right_passwords_at_once_all_get_in() {
    let crowd = Crowd::new(|policy| policy.session.on_conflict = OnConflict::Allow);
    add(&crowd.engine, "ada@example.org", None);
    let answers = at_once(100, |_| code(&crowd.engine, PASSWORD));
    assert_eq!(count(&answers, "logged_in"), 100, "{answers:?}");
}

#[test]
fn gu1_right_and_wrong_ones_at_once_never_evaluate_more_than_eleven_wrong_in_a_row() {
    let crowd = Crowd::new(|policy| policy.session.on_conflict = OnConflict::Allow);
    add(&crowd.engine, "ada@example.org", None);
    let answers = at_once(120, |n| code(&crowd.engine, if n % 6 == 0 { PASSWORD } else { WRONG }));
    let completed = count(&answers, "logged_in");
    assert!(count(&answers, "invalid_credentials") <= 11 * (completed + 1), "{answers:?}");
    assert_eq!(count(&answers, "busy"), 0);
}

#[test]
fn se4_of_50_logins_at_once_at_limit_one_exactly_one_gets_in() {
    for on_conflict in [OnConflict::Ask, OnConflict::Refuse] {
        let crowd = Crowd::new(|policy| policy.session.on_conflict = on_conflict);
        let user = add(&crowd.engine, "ada@example.org", None);
        let answers = at_once(50, |_| code(&crowd.engine, PASSWORD));
        assert_eq!(count(&answers, "logged_in"), 1, "{answers:?}");
        let set = block_on(crowd.store.sessions_of(user.id, crowd.engine.now())).unwrap();
        assert_eq!(set.live.len(), 1);
    }
}

#[test]
fn se4_of_50_logins_at_once_that_end_the_oldest_one_session_stays() {
    let crowd = Crowd::new(|policy| policy.session.on_conflict = OnConflict::EndOldest);
    let user = add(&crowd.engine, "ada@example.org", None);
    let answers = at_once(50, |_| code(&crowd.engine, PASSWORD));
    assert_eq!(count(&answers, "logged_in"), 50, "{answers:?}");
    let set = block_on(crowd.store.sessions_of(user.id, crowd.engine.now())).unwrap();
    assert_eq!(set.live.len(), 1);
}

#[test]
fn a_takeover_ticket_used_20_times_at_once_works_once() {
    let crowd = Crowd::new(|_| {});
    add(&crowd.engine, "ada@example.org", None);
    assert_eq!(code(&crowd.engine, PASSWORD), "logged_in");
    let Ok(LoginStep::SessionConflict { ticket, .. }) = login(&crowd.engine, "ada@example.org", PASSWORD) else {
        panic!()
    };
    let answers = at_once(20, |_| block_on(crowd.engine.take_over(&ticket, TakeOver::Proceed)).is_ok());
    assert_eq!(answers.iter().filter(|ok| **ok).count(), 1);
}

#[test]
fn re1_a_verification_link_used_100_times_at_once_makes_one_user() {
    let crowd = Crowd::new(|_| {});
    block_on(crowd.engine.sign_up(form("ada@example.org"))).unwrap();
    let link = links(&crowd.mailer.mails()[0].text).remove(0);
    let answers = at_once(100, |_| block_on(crowd.engine.verify_email(&link, &Client::default())).is_ok());
    assert_eq!(answers.iter().filter(|ok| **ok).count(), 1);
}

#[test]
fn na6_of_50_sign_ups_of_one_username_at_once_one_holds_it() {
    let crowd = Crowd::new(|_| {});
    let answers = at_once(50, |n| {
        let form = SignUpForm { username: Some("ada".to_owned()), ..form(&format!("a{n}@example.org")) };
        block_on(crowd.engine.sign_up(form)).is_ok()
    });
    assert_eq!(answers.iter().filter(|ok| **ok).count(), 1);
}

#[test]
fn f12_of_50_sign_ups_of_one_address_at_once_three_mails_go_out() {
    let crowd = Crowd::new(|_| {});
    let answers = at_once(50, |_| block_on(crowd.engine.sign_up(form("ada@example.org"))).is_ok());
    assert_eq!(answers.iter().filter(|ok| **ok).count(), 50);
    assert_eq!(crowd.mailer.mails().len(), 3);
}

#[test]
fn se3_no_login_that_races_with_disabling_keeps_a_session() {
    for _ in 0..20 {
        let crowd = Crowd::new(|policy| policy.session.on_conflict = OnConflict::Allow);
        let user = add(&crowd.engine, "ada@example.org", None);
        at_once(8, |n| {
            if n == 0 {
                block_on(crowd.engine.set_status(user.id, UserStatus::Disabled, &Client::default())).unwrap();
            } else {
                code(&crowd.engine, PASSWORD);
            }
        });
        let set = block_on(crowd.store.sessions_of(user.id, crowd.engine.now())).unwrap();
        assert_eq!(set.live, []);
    }
}

fn mailed_link(crowd: &Crowd) -> doorwarden_core::token::LinkToken {
    block_on(crowd.engine.forgot_password("ada@example.org", &Client::default())).unwrap();
    links(&crowd.mailer.take_mails()[0].text).remove(0)
}

#[test]
fn re1_a_reset_link_used_20_times_at_once_works_once() {
    let crowd = Crowd::new(|policy| policy.lockout.max_failures = 100);
    add(&crowd.engine, "ada@example.org", None);
    let link = mailed_link(&crowd);
    let answers = at_once(20, |n| {
        let password = Password::new(format!("{PASSWORD} of {n}"));
        match block_on(crowd.engine.reset_password(&link, password, &Client::default())) {
            Ok(_) => "reset",
            Err(failure) => refusal(failure).code(),
        }
    });
    assert_eq!((count(&answers, "reset"), count(&answers, "link_invalid")), (1, 19), "{answers:?}");
    let works = (0..20).filter(|n| code(&crowd.engine, &format!("{PASSWORD} of {n}")) == "logged_in").count();
    assert_eq!(works, 1);
}

#[test]
fn se3_no_login_with_the_former_password_outlives_a_reset_that_came_while_it_ran() {
    for _ in 0..10 {
        let crowd = Crowd::new(|policy| policy.session.on_conflict = OnConflict::Allow);
        let user = add(&crowd.engine, "ada@example.org", None);
        let link = mailed_link(&crowd);
        at_once(30, |n| match n {
            15 => {
                let password = Password::new("another horse 2?".to_owned());
                block_on(crowd.engine.reset_password(&link, password, &Client::default())).unwrap();
                "reset"
            }
            _ => code_of(login(&crowd.engine, "ada@example.org", PASSWORD)),
        });
        let set = block_on(crowd.store.sessions_of(user.id, crowd.engine.now())).unwrap();
        assert_eq!(set.live, [], "opened with the former password");
    }
}

#[test]
fn se3_no_login_with_the_former_password_outlives_a_change_that_came_while_it_ran() {
    for session in [Continuation::WithNewToken, Continuation::WithSameToken] {
        for _ in 0..5 {
            let crowd = Crowd::new(|policy| policy.session.on_conflict = OnConflict::Allow);
            let user = add(&crowd.engine, "ada@example.org", None);
            let Ok(LoginStep::LoggedIn(own)) = login(&crowd.engine, "ada@example.org", PASSWORD) else { panic!() };
            let kept = at_once(30, |n| match n {
                15 => {
                    let [current, new] = [PASSWORD, "another horse 2?"].map(|typed| Password::new(typed.to_owned()));
                    let change = PasswordChange { current, new, session, client: Client::default() };
                    let token = block_on(crowd.engine.change_password(&own.token, change)).unwrap();
                    Some(token.as_ref().unwrap_or(&own.token).digest())
                }
                _ => {
                    code_of(login(&crowd.engine, "ada@example.org", PASSWORD));
                    None
                }
            });
            let set = block_on(crowd.store.sessions_of(user.id, crowd.engine.now())).unwrap();
            let live: Vec<_> = set.live.iter().map(|session| Some(session.token)).collect();
            assert_eq!(live, kept.into_iter().filter(Option::is_some).collect::<Vec<_>>(), "{session:?}");
        }
    }
}

#[test]
fn of_a_log_out_and_a_change_at_once_neither_brings_the_session_back() {
    for _ in 0..20 {
        let crowd = Crowd::new(|_| {});
        let user = add(&crowd.engine, "ada@example.org", None);
        let Ok(LoginStep::LoggedIn(own)) = login(&crowd.engine, "ada@example.org", PASSWORD) else { panic!() };
        let answers = at_once(2, |n| match n {
            0 => {
                let [current, new] = [PASSWORD, "another horse 2?"].map(|typed| Password::new(typed.to_owned()));
                let session = Continuation::WithNewToken;
                let change = PasswordChange { current, new, session, client: Client::default() };
                let changed = block_on(crowd.engine.change_password(&own.token, change));
                matches!(changed, Ok(Some(_)))
            }
            _ => {
                _ = block_on(crowd.engine.end_sessions(user.id, &Client::default()));
                false
            }
        });
        let set = block_on(crowd.store.sessions_of(user.id, crowd.engine.now())).unwrap();
        assert!(set.live.is_empty() || answers.contains(&true));
    }
}
