//! CF1: each key of the policy has a test in which changing it changes an outcome. Those that another module doesn't
//! have are here.

use std::time::Duration;

use doorwarden_core::client::Client;
use doorwarden_core::login::LoginStep;
use doorwarden_core::password::{CharacterClass, Password};
use doorwarden_core::policy::{Policy, PublicUrl};
use doorwarden_core::session::Session;
use doorwarden_core::sign_up::{AcceptedVersions, DocumentPolicy, SignUpForm};
use doorwarden_core::store::Directory;
use doorwarden_core::store::{SessionStore, UserKey};
use doorwarden_core::user::User;
use futures_executor::block_on;

use crate::world::{PASSWORD, World, form, refusal};

/// The outcome under the default, and under a policy that differs in one key.
fn both<T>(change: fn(&mut Policy), outcome: impl Fn(&World) -> T) -> (T, T) {
    (outcome(&World::new(|_| {})), outcome(&World::new(change)))
}

fn with_ada(world: &World) -> Session {
    world.add("ada@example.org", None);
    world.log_in("ada@example.org").session
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn cf1_public_url_is_where_links_lead() {
    let outcome = |world: &World| {
        world.sign_up("ada@example.org").unwrap();
        world.mailer.take_mails()[0].text.contains("https://id.example.org/verify-email?token=")
    };
    let change = |policy: &mut Policy| policy.public_url = PublicUrl::parse("https://id.example.org").unwrap();
    assert_eq!(both(change, outcome), (false, true));
}

#[test]
fn cf1_mail_from_and_the_service_are_what_a_mail_says() {
    let outcome = |world: &World| {
        world.sign_up("ada@example.org").unwrap();
        let mail = world.mailer.take_mails().remove(0);
        (mail.from, mail.subject.contains("Example"))
    };
    let change = |policy: &mut Policy| {
        policy.mail.from = "id@example.org".to_owned();
        policy.service = "Example".to_owned();
    };
    let expected = (("no-reply@localhost".to_owned(), false), ("id@example.org".to_owned(), true));
    assert_eq!(both(change, outcome), expected);
}

#[test]
fn cf1_mail_per_hour_bounds_what_strangers_can_ask_for() {
    let outcome = |world: &World| {
        (0..5).for_each(|_| drop(world.sign_up("ada@example.org").unwrap()));
        world.mailer.take_mails().len()
    };
    assert_eq!(both(|policy| policy.mail.per_hour = 1, outcome), (3, 1));
}

#[test]
fn cf1_mail_transport_none_makes_accounts_without_a_proof() {
    let outcome = |world: &World| {
        world.sign_up("ada@example.org").unwrap();
        world.code("ada@example.org", PASSWORD)
    };
    let change = |policy: &mut Policy| {
        policy.mail.transport = "none".to_owned();
        policy.sign_up.verify_email = false;
    };
    assert_eq!(both(change, outcome), ("email_unverified", "logged_in"));
}

#[test]
fn cf1_login_ticket_is_how_long_a_login_may_pause() {
    let outcome = |world: &World| {
        world.add("ada@example.org", None);
        let mut policy = (*world.engine.policy()).clone();
        policy.sign_up.terms = DocumentPolicy { version: "1".to_owned(), url: "https://x.org/".to_owned() };
        block_on(world.engine.set_policy(policy)).unwrap();
        let Ok(LoginStep::TermsRequired { ticket, .. }) = world.login("ada@example.org", PASSWORD) else { panic!() };
        world.pass(120);
        let accepted = AcceptedVersions { terms: Some("1".to_owned()), privacy: None };
        block_on(world.engine.accept_terms(&ticket, &accepted, &Client::default())).is_ok()
    };
    assert_eq!(both(|policy| policy.login.ticket = seconds(60), outcome), (true, false));
}

#[test]
fn cf1_sign_up_verify_link_is_how_long_the_link_works() {
    let outcome = |world: &World| {
        world.sign_up("ada@example.org").unwrap();
        world.pass(7_200);
        block_on(world.engine.verify_email(&world.links()[0], &Client::default())).is_ok()
    };
    assert_eq!(both(|policy| policy.sign_up.verify_link = seconds(3_600), outcome), (true, false));
}

#[test]
fn cf1_lockout_duration_is_how_long_a_restriction_lasts() {
    let outcome = |world: &World| {
        world.add("ada@example.org", None);
        world.fail("ada@example.org", 11);
        world.pass(60);
        world.code("ada@example.org", PASSWORD)
    };
    assert_eq!(both(|policy| policy.lockout.duration = seconds(60), outcome), ("locked_out", "logged_in"));
}

#[test]
fn cf1_lockout_forget_after_is_when_an_unfinished_count_is_forgotten() {
    let outcome = |world: &World| {
        world.add("ada@example.org", None);
        world.fail("ada@example.org", 10);
        world.pass(3_600);
        world.fail("ada@example.org", 1);
        world.code("ada@example.org", PASSWORD)
    };
    assert_eq!(both(|policy| policy.lockout.forget_after = seconds(3_600), outcome), ("locked_out", "logged_in"));
}

#[test]
fn cf1_lockout_per_address_duration_and_window_are_its_own() {
    let locked_at = |change: fn(&mut Policy), pause: u64| {
        let world = World::new(|policy| {
            policy.lockout.per_address.max_failures = 1;
            change(policy);
        });
        world.add("ada@example.org", None);
        world.fail("a@example.org", 1);
        world.pass(pause);
        world.fail("b@example.org", 1);
        world.pass(pause);
        world.code("ada@example.org", PASSWORD)
    };
    assert_eq!(locked_at(|_| {}, 30), "locked_out");
    assert_eq!(locked_at(|policy| policy.lockout.per_address.window = seconds(30), 30), "logged_in");
    assert_eq!(locked_at(|policy| policy.lockout.per_address.duration = seconds(30), 30), "logged_in");
}

#[test]
fn cf1_password_rules_each_refuse_something() {
    let unmet = |change: fn(&mut Policy), password: &str| {
        let world = World::new(change);
        let form = SignUpForm { password: Password::new(password.to_owned()), ..form("ada.lovelace@example.org") };
        let outcome = block_on(world.engine.sign_up(form)).map(drop);
        match outcome.map_err(refusal) {
            Ok(()) => vec![],
            Err(doorwarden_core::sign_up::SignUpRefusal::PasswordTooWeak(unmet)) => {
                unmet.iter().map(|rule| rule.code()).collect()
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    let long = "x1! ".repeat(20);
    for (change, password, by_default, changed) in [
        ((|policy| policy.password.min_length = 12) as fn(&mut Policy), "abcdef1!", vec![], vec!["min_length"]),
        (|policy| policy.password.max_length = 64, long.trim(), vec![], vec!["max_length"]),
        (|policy| policy.password.require = vec![CharacterClass::Digit], "12345678", vec!["letter", "special"], vec![]),
        (|policy| policy.password.forbid_common = true, "password1!", vec![], vec!["common"]),
        (|policy| policy.password.forbid_identifiers = true, "ada.lovelace@example.org1!", vec![], vec!["identifier"]),
    ] {
        assert_eq!(unmet(|_| {}, password), by_default, "{password}");
        assert_eq!(unmet(change, password), changed, "{password}");
    }
}

#[test]
fn cf1_session_lifetime_and_its_maximum_end_a_session() {
    let lasts = |world: &World| {
        let session = with_ada(world);
        session.started_at.until(session.expires_at).as_secs()
    };
    assert_eq!(both(|policy| policy.session.lifetime = seconds(60), lasts), (28_800, 60));
    let extended = |world: &World| {
        world.add("ada@example.org", None);
        let login = world.log_in("ada@example.org");
        world.pass(60);
        block_on(world.engine.extend(&login.token, &Client::default())).is_ok()
    };
    assert_eq!(both(|policy| policy.session.max_lifetime = seconds(8 * 3_600), extended), (true, false));
    assert_eq!(both(|policy| policy.session.extendable = false, extended), (true, false));
}

#[test]
fn cf1_session_fresh_proof_is_how_long_a_password_counts() {
    let outcome = |world: &World| {
        world.add("ada@example.org", None);
        let login = world.log_in("ada@example.org");
        world.pass(60);
        let session = block_on(world.engine.check(&login.token)).unwrap();
        block_on(world.engine.end_other_sessions(&session, &Client::default())).is_ok()
    };
    assert_eq!(both(|policy| policy.session.fresh_proof = seconds(60), outcome), (true, false));
}

#[test]
fn cf1_session_touch_every_is_how_often_the_last_use_is_written() {
    let outcome = |world: &World| {
        world.add("ada@example.org", None);
        let login = world.log_in("ada@example.org");
        world.pass(10);
        block_on(world.engine.check(&login.token)).unwrap();
        let live = block_on(world.store.sessions_of(login.user.id, world.engine.now())).unwrap().live;
        live[0].started_at.until(live[0].last_seen_at).as_secs()
    };
    assert_eq!(both(|policy| policy.session.touch_every = seconds(10), outcome), (0, 10));
}

#[test]
fn cf1_audit_keep_is_how_long_events_stay() {
    let outcome = |world: &World| {
        world.add("ada@example.org", None);
        world.pass(2 * 86_400);
        block_on(world.engine.upkeep()).unwrap();
        world.trail().len()
    };
    assert_eq!(both(|policy| policy.audit.keep = seconds(86_400), outcome), (1, 0));
}

#[test]
fn cf1_a_mail_is_written_in_the_language_of_the_form() {
    let world = World::new(|_| {});
    world.sign_up_with(SignUpForm { locale: Some("ko".to_owned()), ..form("ada@example.org") }).unwrap();
    assert!(world.mailer.take_mails()[0].subject.contains("확인"));
    let user: Option<User> = block_on(world.store.user(UserKey::Email("ada@example.org"))).unwrap();
    assert!(user.is_none());
}
