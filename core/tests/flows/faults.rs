//! FA1: a fault at each port call of each flow. The outcome is a fault or the right one, never a wrong answer, and
//! what is left behind is whole.

use std::sync::Arc;

use doorwarden_core::client::Client;
use doorwarden_core::engine::Engine;
use doorwarden_core::error::Failure;
use doorwarden_core::login::LoginStep;
use doorwarden_core::mail::MailKind;
use doorwarden_core::password_change::{Continuation, PasswordChange};
use doorwarden_core::session::OnConflict;
use doorwarden_core::store::{Directory, UserKey};
use doorwarden_core::testing::{FaultMoment, FaultyStore, ManualClock, MemoryMailer, MemoryStore};
use doorwarden_core::time::Timestamp;
use doorwarden_core::token::{LinkToken, SessionToken};
use doorwarden_core::user::User;
use futures_executor::block_on;

use crate::world::{PASSWORD, WRONG, add, form, links, policy, request, start};

const NEW: &str = "another horse 2?";

pub(crate) struct Broken {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) faulty: Arc<FaultyStore>,
    pub(crate) mailer: Arc<MemoryMailer>,
    pub(crate) clock: ManualClock,
}

impl Broken {
    /// The account that has an address, whatever fails.
    pub(crate) fn user(&self, email: &str) -> Option<User> {
        block_on(self.store.user(UserKey::Email(email))).unwrap()
    }
}

pub(crate) fn world() -> Broken {
    let (store, mailer) = (Arc::new(MemoryStore::default()), Arc::new(MemoryMailer::default()));
    let faulty = Arc::new(FaultyStore::over(store.clone()));
    let clock = ManualClock::skipping_sleeps(Timestamp::from_millis(1_800_000_000_000));
    let builder = Engine::builder().store(faulty.clone()).mailer(mailer.clone()).clock(Arc::new(clock.clone()));
    let mut policy = policy();
    policy.session.on_conflict = OnConflict::Allow;
    Broken { engine: start(builder, policy), store, faulty, mailer, clock }
}

/// Runs `flow` once for each call that it makes and each moment, with that call failing.
pub(crate) fn at_every_call<P, T>(
    prepare: impl Fn(&Broken) -> P,
    flow: impl Fn(&Broken, &P) -> T,
    check: impl Fn(&Broken, &P, T, &str),
) {
    for moment in [FaultMoment::Before, FaultMoment::After] {
        for call in 1.. {
            let broken = world();
            let prepared = prepare(&broken);
            broken.faulty.fail_call(call, moment);
            let outcome = flow(&broken, &prepared);
            let Some(failed) = broken.faulty.failed() else {
                assert!(call > 3, "the flow makes calls");
                break;
            };
            broken.faulty.heal();
            check(&broken, &prepared, outcome, &format!("call {call}, {failed}, {moment:?}"));
        }
    }
}

#[test]
fn fa1_a_right_password_is_never_called_wrong_and_works_afterwards() {
    at_every_call(
        |broken| drop(add(&broken.engine, "ada@example.org", None)),
        |broken, ()| match block_on(broken.engine.login(request("ada@example.org", PASSWORD))) {
            Ok(LoginStep::LoggedIn(session)) => Some(session),
            Ok(other) => panic!("{other:?}"),
            Err(Failure::Fault(_)) => None,
            Err(Failure::Refused(refusal)) => panic!("{refusal}"),
        },
        |broken, (), session, at| {
            if let Some(session) = session {
                assert!(block_on(broken.engine.check(&session.token)).is_ok(), "{at}");
            }
            let again = block_on(broken.engine.login(request("ada@example.org", PASSWORD)));
            assert!(matches!(again, Ok(LoginStep::LoggedIn(_))), "{at}: {again:?}");
        },
    );
}

#[test]
fn fa1_a_wrong_password_never_gets_in_and_no_fault_gives_a_guess() {
    at_every_call(
        |broken| drop(add(&broken.engine, "ada@example.org", None)),
        |broken, ()| match block_on(broken.engine.login(request("ada@example.org", WRONG))) {
            Err(Failure::Fault(_)) => {}
            Err(Failure::Refused(refusal)) => assert_eq!(refusal.code(), "invalid_credentials"),
            Ok(step) => panic!("{step:?}"),
        },
        |broken, (), (), at| {
            broken.clock.advance(std::time::Duration::from_secs(61));
            let evaluated = broken.engine.hash_evaluations();
            for _ in 0..15 {
                assert!(block_on(broken.engine.login(request("ada@example.org", WRONG))).is_err());
            }
            assert!(broken.engine.hash_evaluations() - evaluated <= 11, "{at}");
        },
    );
}

#[test]
fn fa1_a_sign_up_is_whole_or_not_there_and_its_mail_comes_in_the_end() {
    at_every_call(
        |_| {},
        |broken, ()| match block_on(broken.engine.sign_up(form("ada@example.org"))) {
            Ok(_) | Err(Failure::Fault(_)) => {}
            Err(Failure::Refused(refusal)) => panic!("{refusal}"),
        },
        |broken, (), (), at| {
            broken.clock.advance(std::time::Duration::from_secs(61));
            block_on(broken.engine.upkeep()).unwrap();
            let pending = block_on(broken.store.registrations_of("ada@example.org", 10)).unwrap();
            let mails = broken.mailer.take_mails();
            assert!(pending.is_empty() || !mails.is_empty(), "{at}: registered but never mailed");
            for mail in &mails {
                let link = links(&mail.text).remove(0);
                assert!(pending.iter().any(|registration| registration.link == link.digest()), "{at}");
            }
        },
    );
}

#[test]
fn fa1_verifying_makes_the_user_or_leaves_the_link() {
    at_every_call(
        |broken| drop(block_on(broken.engine.sign_up(form("ada@example.org"))).unwrap()),
        |broken, ()| {
            let link = links(&broken.mailer.mails()[0].text).remove(0);
            match block_on(broken.engine.verify_email(&link, &Client::default())) {
                Ok(_) | Err(Failure::Fault(_)) => {}
                Err(Failure::Refused(refusal)) => panic!("{refusal}"),
            }
        },
        |broken, (), (), at| {
            let link = links(&broken.mailer.mails()[0].text).remove(0);
            let verified = block_on(broken.engine.verify_email(&link, &Client::default())).is_ok();
            let user = block_on(broken.store.user(UserKey::Email("ada@example.org"))).unwrap();
            assert!(user.is_some(), "{at}: verified again: {verified}");
        },
    );
}

#[test]
fn fa1_a_log_out_that_was_acknowledged_has_ended_the_session() {
    at_every_call(
        |broken| drop(add(&broken.engine, "ada@example.org", None)),
        |broken, ()| {
            let Ok(LoginStep::LoggedIn(session)) = block_on(broken.engine.login(request("ada@example.org", PASSWORD)))
            else {
                return None;
            };
            let acknowledged = block_on(broken.engine.log_out(&session.token, &Client::default())).is_ok();
            acknowledged.then_some(session.token)
        },
        |broken, (), logged_out, at| {
            if let Some(token) = logged_out {
                assert!(block_on(broken.engine.check(&token)).is_err(), "{at}");
            }
            broken.clock.advance(std::time::Duration::from_secs(61));
            assert!(block_on(broken.engine.upkeep()).is_ok(), "{at}");
        },
    );
}

fn mailed_link(broken: &Broken) -> LinkToken {
    block_on(broken.engine.forgot_password("ada@example.org", &Client::default())).unwrap();
    links(&broken.mailer.take_mails()[0].text).remove(0)
}

/// What was promised is done once the leases have run out.
fn settle_down(broken: &Broken) {
    broken.clock.advance(std::time::Duration::from_secs(61));
    block_on(broken.engine.upkeep()).unwrap();
}

fn works(broken: &Broken, password: &str) -> bool {
    matches!(block_on(broken.engine.login(request("ada@example.org", password))), Ok(LoginStep::LoggedIn(_)))
}

fn notices(broken: &Broken) -> usize {
    broken.mailer.take_mails().iter().filter(|mail| mail.kind == MailKind::PasswordChanged).count()
}

#[test]
fn fa1_a_link_that_is_kept_was_mailed() {
    at_every_call(
        |broken| drop(add(&broken.engine, "ada@example.org", None)),
        |broken, ()| match block_on(broken.engine.forgot_password("ada@example.org", &Client::default())) {
            Ok(()) | Err(Failure::Fault(_)) => {}
            Err(Failure::Refused(refusal)) => panic!("{refusal}"),
        },
        |broken, (), (), at| {
            settle_down(broken);
            let kept = block_on(broken.store.user(UserKey::Email("ada@example.org"))).unwrap().unwrap().reset;
            let mailed: Vec<_> = broken.mailer.take_mails().iter().flat_map(|mail| links(&mail.text)).collect();
            match kept {
                Some(kept) => assert!(mailed.iter().any(|link| link.digest() == kept.token), "{at}"),
                None => assert!(mailed.is_empty(), "{at}"),
            }
        },
    );
}

#[test]
fn fa1_a_reset_is_whole_or_leaves_the_link_and_opens_no_door() {
    let open = std::cell::RefCell::new(None);
    at_every_call(
        |broken| {
            add(&broken.engine, "ada@example.org", None);
            let Ok(LoginStep::LoggedIn(session)) = block_on(broken.engine.login(request("ada@example.org", PASSWORD)))
            else {
                panic!()
            };
            for _ in 0..11 {
                assert!(block_on(broken.engine.login(request("ada@example.org", WRONG))).is_err());
            }
            open.replace(Some((session.token, mailed_link(broken))));
        },
        |broken, ()| {
            let link = &open.borrow().as_ref().unwrap().1.clone();
            match block_on(broken.engine.reset_password(link, NEW.to_owned().into(), &Client::default())) {
                Ok(_) => true,
                Err(Failure::Fault(_)) => false,
                Err(Failure::Refused(refusal)) => panic!("{refusal}"),
            }
        },
        |broken, (), acknowledged, at| {
            let (session, link) = open.take().unwrap();
            let user = block_on(broken.store.user(UserKey::Email("ada@example.org"))).unwrap().unwrap();
            let done = user.reset.is_none();
            if acknowledged {
                assert!(done && block_on(broken.engine.check(&session)).is_err(), "{at}");
            }
            settle_down(broken);
            assert_eq!(block_on(broken.engine.check(&session)).is_err(), done, "{at}");
            assert_eq!(works(broken, NEW), done, "{at}: and the restriction is lifted with it");
            assert!(!works(broken, PASSWORD), "{at}");
            assert_eq!(notices(broken) > 0, done, "{at}");
            if !done {
                let again = block_on(broken.engine.reset_password(&link, NEW.to_owned().into(), &Client::default()));
                assert!(again.is_ok() && works(broken, NEW), "{at}: {again:?}");
            }
        },
    );
}

#[test]
fn fa1_a_change_is_whole_or_not_there_and_ends_the_other_sessions() {
    for session in [Continuation::WithNewToken, Continuation::WithSameToken] {
        let open = std::cell::RefCell::new(Vec::new());
        at_every_call(
            |broken| {
                add(&broken.engine, "ada@example.org", None);
                let opened = (0..2).map(|_| block_on(broken.engine.login(request("ada@example.org", PASSWORD))));
                let token = |step| match step {
                    Ok(LoginStep::LoggedIn(session)) => session.token,
                    other => panic!("{other:?}"),
                };
                open.replace(opened.map(token).collect());
            },
            |broken, ()| {
                let (current, new) = (PASSWORD.to_owned().into(), NEW.to_owned().into());
                let change = PasswordChange { current, new, session, client: Client::default() };
                match block_on(broken.engine.change_password(&open.borrow()[0], change)) {
                    Ok(token) => Some(token),
                    Err(Failure::Fault(_)) => None,
                    Err(Failure::Refused(refusal)) => panic!("{refusal}"),
                }
            },
            |broken, (), acknowledged, at| {
                let (own, other) = { (open.borrow()[0].clone(), open.borrow()[1].clone()) };
                let lives = |token: &SessionToken| block_on(broken.engine.check(token)).is_ok();
                let done = works(broken, NEW);
                assert_eq!(works(broken, PASSWORD), !done, "{at}");
                if let Some(renewed) = &acknowledged {
                    assert!(done && lives(renewed.as_ref().unwrap_or(&own)) && !lives(&other), "{at}");
                    assert_eq!(lives(&own), session == Continuation::WithSameToken, "{at}");
                }
                settle_down(broken);
                assert_eq!(lives(&other), !done, "{at}");
                if session == Continuation::WithNewToken {
                    assert_eq!(lives(&own), !done, "{at}: a copy of the old token is no door");
                }
                assert_eq!(notices(broken) > 0, done, "{at}");
            },
        );
    }
}
