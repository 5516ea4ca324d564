//! What `[lockout]` can do beyond the default: the rows F8, GU1–GU6, GU11 and P2 under its other keys.

use std::time::Duration;

use doorwarden_core::client::{Browser, Client};
use doorwarden_core::login::{LoggedIn, LoginRefusal, LoginRequest, LoginStep};
use doorwarden_core::mail::MailKind;
use doorwarden_core::password::Password;
use doorwarden_core::session::OnConflict;
use futures_executor::block_on;

use crate::races::{Crowd, at_once};
use crate::totp::{EMAIL, allowing, set_up, typed};
use crate::world::{PASSWORD, WRONG, World, add, login, refusal, request};

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

#[test]
fn gu11_lockout_notify_mails_after_three_wrong_codes_and_after_a_login_that_followed_five_failures() {
    let mails = |notify: bool, failures: usize, codes: usize| {
        let world = allowing(|policy| policy.lockout.notify = notify);
        let member = world.member();
        world.fail(EMAIL, failures);
        let ticket = world.otp_ticket();
        for _ in 0..codes {
            assert_eq!(world.answer(&ticket, "000000"), "invalid_code");
        }
        block_on(world.engine.upkeep()).unwrap();
        let before = world.mailed();
        assert_eq!(world.answer(&ticket, member.code(&world)), "logged_in");
        (before, world.mailed())
    };
    let (codes, failures) = (MailKind::WrongCodes, MailKind::LoginAfterFailures);
    for (failed, wrong, expected) in [
        (4, 0, (vec![], vec![])),
        (5, 0, (vec![], vec![failures])),
        (2, 2, (vec![], vec![])),
        (0, 3, (vec![codes], vec![])),
        (0, 4, (vec![codes], vec![])),
        (2, 3, (vec![codes], vec![failures])),
    ] {
        assert_eq!(mails(true, failed, wrong), expected, "{failed} passwords, {wrong} codes");
        assert_eq!(mails(false, failed, wrong), (vec![], vec![]), "off by default");
    }
}

#[test]
fn gu11_failures_before_a_restriction_that_ended_are_told_too_and_no_stranger_silences_it() {
    let world = World::new(|policy| policy.lockout.notify = true);
    world.add(ADA, None);
    for _ in 0..4 {
        block_on(world.engine.forgot_password(ADA, &Client::default())).unwrap();
    }
    world.mailer.take_mails();
    world.fail(ADA, 11);
    world.pass(20 * 60);
    world.log_in(ADA);
    let mails = world.mailer.take_mails();
    assert_eq!(mails.iter().map(|mail| mail.kind).collect::<Vec<_>>(), [MailKind::LoginAfterFailures]);
    assert!(mails[0].text.contains("after 11 attempts"), "{}", mails[0].text);
}

#[test]
fn gu6_lockout_tell_off_answers_a_restricted_account_as_a_wrong_password_and_mails_its_owner_once() {
    let world = World::new(|policy| policy.lockout.tell = false);
    world.add(ADA, None);
    for identifier in [ADA, NOBODY] {
        world.fail(identifier, 11);
        for password in [WRONG, PASSWORD] {
            let evaluated = world.engine.hash_evaluations();
            let refused = world.login(identifier, password).unwrap_err();
            assert_eq!(refused, LoginRefusal::InvalidCredentials, "{identifier}");
            assert_eq!(world.engine.hash_evaluations() - evaluated, 1, "as for a wrong password");
        }
    }
    let own = |world: &World| {
        block_on(world.engine.upkeep()).unwrap();
        let mails = world.mailer.take_mails();
        mails.iter().map(|mail| (mail.kind, mail.to.key().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(own(&world), [(MailKind::LoginRestricted, ADA.to_owned())]);
    assert_eq!(world.code(ADA, PASSWORD), "invalid_credentials");
    assert_eq!(own(&world), [], "one mail for each restriction");
    world.pass(20 * 60);
    assert_eq!(world.code(ADA, PASSWORD), "logged_in");
    world.fail(ADA, 11);
    assert_eq!(own(&world).len(), 1);
}

#[test]
fn gu3_lockout_tell_off_hides_the_restriction_behind_every_door() {
    let world = allowing(|policy| policy.lockout.tell = false);
    let member = world.member();
    let ticket = world.otp_ticket();
    world.fail(EMAIL, 11);
    assert_eq!(world.answer(&ticket, member.code(&world)), "invalid_code");
    let prove =
        block_on(world.engine.prove(&member.login.token, Password::new(PASSWORD.to_owned()), &Client::default()));
    let refused = refusal(prove.unwrap_err());
    assert_eq!((refused.code(), &*refused.to_string()), ("invalid_credentials", "the password is wrong"));
}

#[test]
fn lockout_tell_off_hides_spent_codes_and_mails_the_owner() {
    let world = allowing(|policy| (policy.lockout.tell, policy.totp.max_failures) = (false, 2));
    let member = world.member();
    let ticket = world.otp_ticket();
    for code in ["000000", "000000", &*member.code(&world)] {
        assert_eq!(world.answer(&ticket, code), "invalid_code");
    }
    assert_eq!(world.code(EMAIL, PASSWORD), "invalid_credentials");
    block_on(world.engine.upkeep()).unwrap();
    assert_eq!(world.mailed(), [MailKind::LoginRestricted]);
}

/// A login from a browser.
fn from(world: &World, browser: Browser, password: &str) -> Result<LoginStep, LoginRefusal> {
    let LoginRequest { client, .. } = request(ADA, password);
    let request = LoginRequest { client: client.with_browser(browser), ..request(ADA, password) };
    block_on(world.engine.login(request)).map_err(refusal)
}

fn logged_in(step: Result<LoginStep, LoginRefusal>) -> LoggedIn {
    match step {
        Ok(LoginStep::LoggedIn(logged_in)) => logged_in,
        other => panic!("{other:?}"),
    }
}

/// A world with a browser that has logged in.
fn with_browser() -> (World, Browser) {
    let world = allowing(|policy| policy.lockout.known_browser = true);
    world.add(ADA, None);
    let token = logged_in(from(&world, Browser::Unknown, PASSWORD)).browser.unwrap();
    (world, Browser::showing(&token))
}

#[test]
fn gu5_lockout_known_browser_keeps_strangers_from_locking_the_owner_out() {
    let (world, own) = with_browser();
    world.fail(ADA, 11);
    assert_eq!(world.code(ADA, PASSWORD), "locked_out", "strangers");
    let login = logged_in(from(&world, own, PASSWORD));
    assert!(login.browser.is_none(), "it has its token already");
    assert_eq!(world.code(ADA, PASSWORD), "locked_out", "the owner's login opens nothing for strangers");
    let proved = block_on(world.engine.prove(
        &login.token,
        Password::new(PASSWORD.to_owned()),
        &Client::default().with_browser(own),
    ));
    assert!(proved.is_ok(), "every door knows the browser");
    let unknown = block_on(world.engine.prove(&login.token, Password::new(PASSWORD.to_owned()), &Client::default()));
    assert_eq!(refusal(unknown.unwrap_err()).code(), "locked_out");
}

#[test]
fn gu1_a_known_browser_has_eleven_guesses_of_its_own_and_no_more() {
    let (world, own) = with_browser();
    for _ in 0..11 {
        assert_eq!(from(&world, own, WRONG).unwrap_err().code(), "invalid_credentials");
    }
    assert_eq!(from(&world, own, PASSWORD).unwrap_err().code(), "locked_out");
    assert_eq!(world.code(ADA, PASSWORD), "logged_in", "and doesn't lock out others");
    assert_eq!(from(&world, own, PASSWORD).unwrap_err().code(), "locked_out", "whose login doesn't open it");
    let id = block_on(world.engine.find_user(ADA)).unwrap().unwrap().id;
    assert!(block_on(world.engine.unlock(id, &Client::default())).unwrap(), "an unlock lifts all");
    logged_in(from(&world, own, PASSWORD));
}

#[test]
fn a_token_that_isnt_the_accounts_counts_as_a_strangers() {
    let (world, own) = with_browser();
    let Browser::Showing { user, token } = own else { panic!("{own:?}") };
    let forged = Browser::Showing { user, token: doorwarden_core::token::Digest::of(b"forged") };
    let eve = world.add("eve@example.org", None).id;
    let others = Browser::Showing { user: eve, token };
    world.fail(ADA, 11);
    for browser in [Browser::Forgetful, Browser::Unknown, forged, others] {
        assert_eq!(from(&world, browser, PASSWORD).unwrap_err().code(), "locked_out", "{browser:?}");
    }
}

#[test]
fn re4_a_reset_ends_known_browsers() {
    let (world, own) = with_browser();
    world.mailer.take_mails();
    reset(&world, NEW);
    world.fail(ADA, 11);
    assert_eq!(from(&world, own, NEW).unwrap_err().code(), "locked_out", "it is a stranger now");
    reset(&world, PASSWORD);
    assert!(logged_in(from(&world, own, PASSWORD)).browser.is_some(), "and gets a token of its own again");
}

#[test]
fn a_browser_becomes_known_by_a_complete_login_and_a_code_is_charged_to_it() {
    let world = allowing(|policy| policy.lockout.known_browser = true);
    let member = world.member();
    let Ok(LoginStep::OtpRequired { ticket }) = from(&world, Browser::Unknown, PASSWORD) else { panic!("no code") };
    let enter = |ticket, code: String, browser| {
        let client = Client::default().with_browser(browser);
        block_on(world.engine.enter_code(ticket, &typed(code), &client)).map_err(refusal)
    };
    let known = || block_on(world.engine.find_user(ADA)).unwrap().unwrap().known_browsers;
    assert!(known().is_empty(), "a right password is no login");
    let token = logged_in(enter(&ticket, member.code(&world), Browser::Unknown)).browser.unwrap();
    assert_eq!(known()[0].token, token.digest(), "only a digest is kept");
    let own = Browser::showing(&token);
    world.pass(30);
    let Ok(LoginStep::OtpRequired { ticket }) = from(&world, own, PASSWORD) else { panic!("no code") };
    for _ in 0..11 {
        assert_eq!(enter(&ticket, "000000".to_owned(), Browser::Unknown).unwrap_err().code(), "invalid_code");
    }
    assert_eq!(enter(&ticket, member.code(&world), Browser::Unknown).unwrap_err().code(), "locked_out");
    logged_in(enter(&ticket, member.code(&world), own));
}

#[test]
fn cf1_lockout_known_browser_decides_whether_a_browser_gets_a_token() {
    let gets = |known: bool, browser: Browser| {
        let world = allowing(|policy| policy.lockout.known_browser = known);
        world.add(ADA, None);
        logged_in(from(&world, browser, PASSWORD)).browser.is_some()
    };
    assert_eq!((gets(false, Browser::Unknown), gets(true, Browser::Unknown)), (false, true));
    assert!(!gets(true, Browser::Forgetful), "a program keeps none");
}

#[test]
fn fa4_no_event_holds_what_a_browser_showed() {
    let (world, own) = with_browser();
    from(&world, own, WRONG).unwrap_err();
    let events = block_on(world.engine.audit(&Default::default(), 200)).unwrap();
    assert!(events.iter().all(|(_, event)| event.client.browser == Browser::Forgetful));
}
