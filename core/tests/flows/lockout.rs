//! What `[lockout]` can do beyond the default: the rows F8, GU1–GU6, GU11 and P2 under its other keys.

use std::time::Duration;

use doorwarden_core::client::Client;
use doorwarden_core::login::{LoginRefusal, LoginStep};
use doorwarden_core::password::Password;
use doorwarden_core::session::OnConflict;
use futures_executor::block_on;

use crate::races::{Crowd, at_once};
use crate::totp::{EMAIL, allowing, set_up, typed};
use crate::world::{PASSWORD, WRONG, World, add, login, refusal};

const ADA: &str = "ada@example.org";
const NOBODY: &str = "nobody@example.org";
const NEW: &str = "another horse 2?";

/// Sets another password by mail.
fn reset(world: &World, new: &str) {
    block_on(world.engine.forgot_password(ADA, &Client::default())).unwrap();
    let link = world.links().pop().unwrap();
    block_on(world.engine.reset_password(&link, Password::new(new.to_owned()), &Client::default())).unwrap();
}

/// Guesses at an account as soon as it may be guessed at; how long each restriction was, in minutes, and how many
/// guesses were evaluated until no time opened any more.
fn guess_without_end(world: &World, identifier: &str) -> (Vec<u64>, usize) {
    let (mut minutes, mut evaluated) = (Vec::new(), 0);
    loop {
        match world.login(identifier, WRONG).unwrap_err() {
            LoginRefusal::InvalidCredentials => evaluated += 1,
            LoginRefusal::LockedOut { retry_after } => {
                minutes.push(retry_after.as_secs() / 60);
                world.clock.advance(retry_after);
            }
            LoginRefusal::Closed => return (minutes, evaluated),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn f8_lockout_escalate_doubles_restrictions_and_closes_at_100_for_accounts_and_unknown_names_alike() {
    let world = World::new(|policy| policy.lockout.escalate = true);
    world.add(ADA, None);
    let expected = (vec![20, 40, 80, 160, 320, 640, 1_280, 1_440, 1_440], 100);
    assert_eq!(guess_without_end(&world, ADA), expected);
    assert_eq!(guess_without_end(&world, NOBODY), expected);
    world.pass(1_000 * 86_400);
    let evaluated = world.engine.hash_evaluations();
    for (identifier, password) in [(ADA, PASSWORD), (ADA, WRONG), (NOBODY, WRONG)] {
        let closed = world.login(identifier, password).unwrap_err();
        assert_eq!((closed.code(), closed.to_string().contains("by mail")), ("locked_out", true));
    }
    assert_eq!(world.engine.hash_evaluations(), evaluated, "nothing is evaluated while it is closed");
    let trail = world.trail();
    assert!(trail.contains(&"login.restricted refusal lockout.escalate".to_owned()), "{trail:?}");
}

#[test]
fn p2_what_is_closed_opens_by_a_reset_and_by_an_administrator() {
    let world = World::new(|policy| policy.lockout.escalate = true);
    let user = world.add(ADA, None);
    guess_without_end(&world, ADA);
    reset(&world, NEW);
    world.fail(ADA, 10);
    assert_eq!(world.code(ADA, NEW), "logged_in");
    guess_without_end(&world, ADA);
    assert!(block_on(world.engine.unlock(user.id, &Client::default())).unwrap());
    world.fail(ADA, 11);
    let LoginRefusal::LockedOut { retry_after } = world.login(ADA, NEW).unwrap_err() else { panic!("restricted") };
    assert_eq!(retry_after, Duration::from_secs(20 * 60), "escalation begins anew");
}

#[test]
fn a_complete_login_takes_escalation_back_and_a_right_password_alone_does_not() {
    let world = allowing(|policy| policy.lockout.escalate = true);
    let member = world.member();
    let restricted_for = |world: &World| {
        world.fail(EMAIL, 11);
        let LoginRefusal::LockedOut { retry_after } = world.login(EMAIL, WRONG).unwrap_err() else { panic!() };
        world.clock.advance(retry_after);
        retry_after.as_secs() / 60
    };
    assert_eq!([restricted_for(&world), restricted_for(&world)], [20, 40]);
    let ticket = world.otp_ticket();
    assert_eq!(restricted_for(&world), 80, "the code wasn't given");
    drop(ticket);
    assert_eq!(world.answer(&world.otp_ticket(), member.code(&world)), "logged_in");
    assert_eq!(restricted_for(&world), 20);
}

#[test]
fn cf1_lockout_escalate_changes_the_second_restriction() {
    let second = |escalate: bool| {
        let world = World::new(|policy| policy.lockout.escalate = escalate);
        world.fail(NOBODY, 11);
        world.pass(20 * 60);
        world.fail(NOBODY, 11);
        world.pass(20 * 60);
        world.code(NOBODY, WRONG)
    };
    assert_eq!((second(false), second(true)), ("invalid_credentials", "locked_out"));
}

#[test]
fn gu1_of_100_wrong_passwords_and_100_wrong_codes_at_once_exactly_eleven_are_evaluated() {
    for escalate in [false, true] {
        let crowd = Crowd::new(|policy| {
            policy.session.on_conflict = OnConflict::Allow;
            policy.lockout.escalate = escalate;
        });
        add(&crowd.engine, EMAIL, None);
        let Ok(LoginStep::LoggedIn(own)) = login(&crowd.engine, EMAIL, PASSWORD) else { panic!("no login") };
        set_up(&crowd.engine, &own);
        let Ok(LoginStep::OtpRequired { ticket }) = login(&crowd.engine, EMAIL, PASSWORD) else { panic!("no code") };
        let answers = at_once(200, |caller| match caller.is_multiple_of(2) {
            true => login(&crowd.engine, EMAIL, WRONG).unwrap_err().code(),
            false => {
                let entered = block_on(crowd.engine.enter_code(&ticket, &typed("nothing"), &Client::default()));
                refusal(entered.unwrap_err()).code()
            }
        });
        assert_eq!(answers.iter().filter(|answer| **answer == "locked_out").count(), 189, "{answers:?}");
    }
}
