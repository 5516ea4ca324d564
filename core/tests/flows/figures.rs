//! The figures that the defaults promise.

use std::time::Duration;

use doorwarden_core::lockout::{Charge, GuessId, GuessKind, LockoutSubject, Verdict};
use doorwarden_core::password::{Password, UnmetRule};
use doorwarden_core::policy::Policy;
use doorwarden_core::store::LockoutStore;
use doorwarden_core::token::Digest;
use futures_executor::block_on;

use crate::world::{PASSWORD, WRONG, World, form};

#[test]
fn f7_a_session_lasts_8_hours_extendable_to_7_days_with_no_idle_limit() {
    let session = Policy::default().session;
    assert_eq!(session.lifetime, Duration::from_secs(8 * 3_600));
    assert_eq!(session.max_lifetime, Duration::from_secs(7 * 86_400));
    assert_eq!((session.extendable, session.idle), (true, None));
}

#[test]
fn f8_the_eleventh_consecutive_failure_restricts_for_20_minutes() {
    let rule = Policy::default().lockout.account_rule();
    assert_eq!((rule.max_failures + 1, rule.duration), (11, Duration::from_secs(20 * 60)));
}

#[test]
fn f9_the_cost_of_a_hash_is_12_and_between_4_and_16_and_under_10_warns() {
    assert_eq!(Policy::default().password.bcrypt_cost, 12);
    for (cost, possible, weak) in
        [(3, false, true), (4, true, true), (9, true, true), (10, true, false), (16, true, false), (17, false, false)]
    {
        let mut policy = Policy::default();
        policy.password.bcrypt_cost = cost;
        assert_eq!(policy.problems().is_empty(), possible, "cost {cost}");
        assert_eq!(policy.weaknesses().iter().any(|weak| weak.row == "F9"), weak, "cost {cost}");
    }
}

#[test]
fn f10_a_password_has_8_to_128_characters_and_at_most_512_bytes() {
    let policy = Policy::default().password;
    let unmet = |password: String| policy.unmet(&Password::new(password), &[], &[]);
    for (password, expected) in [
        (format!("a1!{}", "x".repeat(4)), vec![UnmetRule::MinLength]),
        (format!("a1!{}", "x".repeat(5)), vec![]),
        (format!("a1!{}", "é".repeat(5)), vec![]),
        (format!("a1!{}", "x".repeat(125)), vec![]),
        (format!("a1!{}", "x".repeat(126)), vec![UnmetRule::MaxLength]),
        (format!("a1!{}", "한".repeat(125)), vec![]),
        (format!("a1!{}", "\u{20000}".repeat(125)), vec![]),
    ] {
        assert_eq!(unmet(password.clone()), expected, "{} characters", password.chars().count());
    }
}

#[test]
fn f10_64_characters_must_always_be_allowed() {
    let mut policy = Policy::default();
    policy.password.max_length = 63;
    assert!(!policy.problems().is_empty());
}

#[test]
fn gu7_wrong_secrets_of_an_access_key_never_restrict_its_owner() {
    let world = World::new(|_| {});
    let user = world.add("ada@example.org", None);
    let (rule, now) = (world.engine.policy().lockout.account_rule(), world.engine.now());
    let key = LockoutSubject::AccessKey(Digest::of(user.id.as_bytes()));
    for guess in 0..11 {
        assert_eq!(
            block_on(world.store.charge(&key, GuessId(guess), GuessKind::Password, &rule, now)).unwrap(),
            Charge::Granted
        );
        block_on(world.store.settle(&key, GuessId(guess), Verdict::Failed, &rule, now)).unwrap();
    }
    assert!(block_on(world.store.restriction(&key, now)).unwrap().is_some());
    assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in");
}

#[test]
fn na3_mail_goes_to_the_stored_address_and_not_to_what_was_typed() {
    let world = World::new(|_| {});
    world.add("Ada@example.org", None);
    world.sign_up("aDa@EXAMPLE.org").unwrap();
    assert_eq!(world.mailer.take_mails()[0].to.typed(), "Ada@example.org");
    world.sign_up_with(form("Bob@example.org")).unwrap();
    world.mailer.take_mails();
    block_on(world.engine.resend_verification("bOB@example.ORG", &Default::default())).unwrap();
    assert_eq!(world.mailer.take_mails()[0].to.typed(), "Bob@example.org");
}

#[test]
fn f1_what_the_engine_keeps_is_no_token() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let login = world.log_in("ada@example.org");
    world.sign_up("bob@example.org").unwrap();
    world.fail("ada@example.org", 1);
    let link = world.links().remove(0);
    let kept = format!("{:?}", world.store);
    assert!(kept.contains(&login.user.id.to_string()), "the store shows what it keeps");
    for secret in [login.token.expose().to_string(), link.expose().to_string(), PASSWORD.to_owned(), WRONG.to_owned()] {
        assert!(!kept.contains(&secret), "a secret is kept");
    }
}
