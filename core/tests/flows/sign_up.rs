//! Rows S1, S2, S4 to S7 and what an attacker tries at the sign-up.

use std::sync::Arc;

use async_trait::async_trait;
use doorwarden_core::client::Client;
use doorwarden_core::engine::Engine;
use doorwarden_core::error::Fault;
use doorwarden_core::mail::MailKind;
use doorwarden_core::password::{Password, PasswordRule};
use doorwarden_core::sign_up::{SignUpAttempt, SignUpForm, SignUpGate, SignUpOutcome, SignUpRefusal};
use doorwarden_core::store::{Directory, UserKey};
use doorwarden_core::testing::MemoryStore;
use doorwarden_core::token::LinkToken;
use futures_executor::block_on;

use crate::world::{PASSWORD, WRONG, World, form, policy, refusal, start};

fn verify(world: &World, link: &LinkToken) -> Result<(), &'static str> {
    block_on(world.engine.verify_email(link, &Client::default())).map(drop).map_err(|f| refusal(f).code())
}

fn named(email: &str, username: &str) -> SignUpForm {
    SignUpForm { username: Some(username.to_owned()), ..form(email) }
}

#[test]
fn s4_the_mailed_link_makes_the_account_once_and_does_not_log_in() {
    let world = World::new(|_| {});
    assert!(matches!(world.sign_up("Ada@example.org"), Ok(SignUpOutcome::VerifyEmail)));
    assert_eq!(world.code("ada@example.org", PASSWORD), "email_unverified");
    assert_eq!(world.code("ada@example.org", WRONG), "invalid_credentials", "said only after the right password");
    let links = world.links();
    assert_eq!(links.len(), 1);
    let shown = block_on(world.engine.show_registration(&links[0])).unwrap();
    assert_eq!(shown.email.typed(), "Ada@example.org");
    assert_eq!(verify(&world, &links[0]), Ok(()));
    assert_eq!(verify(&world, &links[0]), Err("link_invalid"));
    let sessions = block_on(world.store.user(UserKey::Email("ada@example.org"))).unwrap().unwrap();
    assert!(sessions.email_verified_at.is_some());
    assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in");
}

#[test]
fn s4_ph4_the_link_lives_24_hours_and_then_holds_nothing() {
    for (seconds, outcome) in [(86_399, Ok(())), (86_400, Err("link_invalid"))] {
        let world = World::new(|_| {});
        world.sign_up_with(named("ada@example.org", "ada")).unwrap();
        let links = world.links();
        world.pass(seconds);
        assert_eq!(verify(&world, &links[0]), outcome, "{seconds}");
        if outcome.is_err() {
            world.sign_up_with(named("other@example.org", "ada")).unwrap();
            assert_eq!(verify(&world, &world.links()[0]), Ok(()), "the name is free again");
        }
    }
}

#[test]
fn ex3_a_taken_address_answers_like_a_free_one_and_its_owner_is_told() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let chosen = SignUpForm { password: Password::new("another horse 2?".to_owned()), ..form("ada@example.org") };
    let before = world.engine.hash_evaluations();
    assert!(matches!(world.sign_up_with(chosen), Ok(SignUpOutcome::VerifyEmail)));
    assert_eq!(world.engine.hash_evaluations() - before, 1);
    let mails = world.mailer.take_mails();
    assert_eq!(mails.iter().map(|mail| mail.kind).collect::<Vec<_>>(), [MailKind::AlreadyRegistered]);
    assert!(!mails[0].text.contains("token="));
    let before = world.engine.hash_evaluations();
    assert_eq!(world.code("ada@example.org", "another horse 2?"), "email_unverified", "as for a free address");
    assert_eq!(world.engine.hash_evaluations() - before, 1);
    assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in", "and the owner isn't disturbed");
}

#[test]
fn ex3_the_chosen_username_is_held_whether_the_address_is_taken_or_free() {
    for taken in [false, true] {
        let world = World::new(|_| {});
        if taken {
            world.add("ada@example.org", None);
        }
        world.sign_up_with(named("ada@example.org", "countess")).unwrap();
        let other = world.sign_up_with(named("other@example.org", "Countess"));
        assert_eq!(other.unwrap_err(), SignUpRefusal::UsernameTaken, "taken: {taken}");
    }
}

#[test]
fn s7_na4_look_alikes_of_a_name_are_refused_and_never_match_its_account() {
    let world = World::new(|_| {});
    world.add("mike@example.org", Some("mike"));
    for name in ["Mike", "MIKE", "m\u{131}ke", "m\u{456}ke"] {
        let refused = world.sign_up_with(named("other@example.org", name)).unwrap_err();
        let code = refused.code();
        assert!(matches!(code, "username_taken" | "invalid_username"), "{name}: {code}");
    }
    assert_eq!(world.code("m\u{131}ke", PASSWORD), "invalid_credentials");
    assert_eq!(world.code("MIKE", PASSWORD), "logged_in");
}

#[test]
fn ph1_the_first_proof_removes_whatever_an_earlier_claimant_set() {
    let world = World::new(|_| {});
    let thief =
        SignUpForm { password: Password::new("thief's choice 3#".to_owned()), ..named("ada@example.org", "thief") };
    world.sign_up_with(thief).unwrap();
    let stolen = world.links();
    world.sign_up_with(named("ada@example.org", "ada")).unwrap();
    let own = world.links();
    assert_eq!(verify(&world, &own[0]), Ok(()));
    assert_eq!(verify(&world, &stolen[0]), Err("link_invalid"));
    assert_eq!(world.code("ada@example.org", "thief's choice 3#"), "invalid_credentials");
    assert_eq!(world.code("ada", PASSWORD), "logged_in");
    assert_eq!(world.sign_up_with(named("x@example.org", "thief")).map(drop), Ok(()), "the name is free again");
}

#[test]
fn ph3_declining_removes_the_registration() {
    let world = World::new(|_| {});
    world.sign_up("ada@example.org").unwrap();
    let links = world.links();
    block_on(world.engine.decline_registration(&links[0], &Client::default())).unwrap();
    assert_eq!(verify(&world, &links[0]), Err("link_invalid"));
    assert_eq!(world.code("ada@example.org", PASSWORD), "invalid_credentials");
}

#[test]
fn ph5_resend_mails_every_live_registration_with_its_own_link() {
    let world = World::new(|_| {});
    world.sign_up("ada@example.org").unwrap();
    world.pass(60);
    world.sign_up("ada@example.org").unwrap();
    let first: Vec<_> = world.links().iter().map(LinkToken::digest).collect();
    block_on(world.engine.resend_verification("ada@example.org", &Client::default())).unwrap();
    let mails = world.mailer.take_mails();
    assert_eq!(mails.len(), 1);
    let again: std::collections::BTreeSet<_> =
        crate::world::links(&mails[0].text).iter().map(LinkToken::digest).collect();
    assert_eq!(again, first.into_iter().collect());
}

#[test]
fn ex2_resend_answers_alike_for_unknown_pending_and_taken_addresses() {
    for address in ["nobody@example.org", "pending@example.org", "taken@example.org"] {
        let world = World::new(|_| {});
        world.add("taken@example.org", None);
        world.sign_up("pending@example.org").unwrap();
        let before = world.engine.now();
        block_on(world.engine.resend_verification(address, &Client::default())).unwrap();
        assert_eq!(before.until(world.engine.now()).as_millis(), 500, "{address} leaves at the same moment");
    }
}

#[test]
fn f12_strangers_can_ask_for_three_mails_an_hour_to_one_address() {
    let world = World::new(|_| {});
    for _ in 0..5 {
        assert!(matches!(world.sign_up("ada@example.org"), Ok(SignUpOutcome::VerifyEmail)), "the answer is the same");
    }
    assert_eq!(world.mailer.take_mails().len(), 3);
    world.pass(3_600);
    world.sign_up("ada@example.org").unwrap();
    assert_eq!(world.mailer.take_mails().len(), 1);
}

#[test]
fn gu13_one_address_may_ask_so_often_an_hour() {
    let world = World::new(|policy| policy.per_address_hour = 2);
    world.sign_up("a@example.org").unwrap();
    world.sign_up("b@example.org").unwrap();
    assert_eq!(world.sign_up("c@example.org").unwrap_err().code(), "too_many_requests");
    world.pass(3_600);
    assert!(world.sign_up("c@example.org").is_ok());
}

#[test]
fn s5_a_closed_sign_up_is_refused() {
    let world = World::new(|policy| policy.sign_up.open = false);
    assert_eq!(world.sign_up("ada@example.org").unwrap_err(), SignUpRefusal::Closed);
}

#[derive(Debug)]
struct OnlyAda;

#[async_trait]
impl SignUpGate for OnlyAda {
    async fn admit(&self, attempt: &SignUpAttempt<'_>) -> Result<Result<(), String>, Fault> {
        let is_ada = attempt.email.key().starts_with("ada@");
        Ok(is_ada.then_some(()).ok_or_else(|| "only Ada may sign up".to_owned()))
    }
}

#[derive(Debug)]
struct NoHorses;

impl PasswordRule for NoHorses {
    fn code(&self) -> &'static str {
        "no_horses"
    }

    fn is_met(&self, password: &str, _identifiers: &[&str]) -> bool {
        !password.contains("horse")
    }
}

#[test]
fn s5_s6_a_host_adds_its_own_gate_and_password_rule() {
    let builder = Engine::builder()
        .store(Arc::new(MemoryStore::default()))
        .mailer(Arc::new(doorwarden_core::testing::MemoryMailer::default()))
        .sign_up_gate(Arc::new(OnlyAda))
        .password_rule(Arc::new(NoHorses));
    let engine = start(builder, policy());
    let sign_up = |email: &str, password: &str| {
        let form = SignUpForm { password: Password::new(password.to_owned()), ..form(email) };
        block_on(engine.sign_up(form)).map(drop).map_err(refusal)
    };
    assert_eq!(
        sign_up("bob@example.org", "zebra 1! zebra"),
        Err(SignUpRefusal::Refused("only Ada may sign up".to_owned()))
    );
    let Err(SignUpRefusal::PasswordTooWeak(unmet)) = sign_up("ada@example.org", PASSWORD) else { panic!() };
    assert_eq!(unmet.iter().map(|rule| rule.code()).collect::<Vec<_>>(), ["no_horses"]);
    assert_eq!(sign_up("ada@example.org", "zebra 1! zebra"), Ok(()));
}

#[test]
fn s6_all_unmet_rules_are_reported_at_once() {
    let world = World::new(|_| {});
    let weak = SignUpForm { password: Password::new("abc".to_owned()), ..form("ada@example.org") };
    let Err(SignUpRefusal::PasswordTooWeak(unmet)) = world.sign_up_with(weak) else { panic!() };
    assert_eq!(unmet.iter().map(|rule| rule.code()).collect::<Vec<_>>(), ["min_length", "digit", "special"]);
}

#[test]
fn without_verification_the_account_is_there_at_once_and_a_taken_address_is_told() {
    let world = World::new(|policy| policy.sign_up.verify_email = false);
    let Ok(SignUpOutcome::SignedUp(user)) = world.sign_up_with(named("ada@example.org", "ada")) else { panic!() };
    assert_eq!(user.email_verified_at, None);
    assert_eq!(world.code("ada", PASSWORD), "logged_in");
    assert_eq!(world.sign_up("ADA@example.org").unwrap_err(), SignUpRefusal::EmailTaken);
    assert_eq!(world.sign_up_with(named("b@example.org", "ADA")).unwrap_err(), SignUpRefusal::UsernameTaken);
}

#[test]
fn a_mail_that_cannot_be_sent_stays_in_the_outbox_and_the_sign_up_stands() {
    let world = World::new(|_| {});
    world.mailer.fail_next(2);
    assert!(world.sign_up("ada@example.org").is_ok());
    assert!(world.mailer.take_mails().is_empty());
    for (seconds, mails) in [(9, 0), (1, 0), (19, 0), (1, 1), (3_600, 0)] {
        world.pass(seconds);
        block_on(world.engine.upkeep()).unwrap();
        let sent = world.mailer.take_mails();
        assert_eq!(sent.len(), mails, "after {seconds} s more");
        for mail in sent {
            assert_eq!(verify(&world, &crate::world::links(&mail.text)[0]), Ok(()));
        }
    }
}
