//! Rows L1, L4, L11, L12, S2 and what an attacker tries at the login.

use std::sync::Arc;

use doorwarden_core::client::Client;
use doorwarden_core::login::{IdentifierKind, LoginRefusal, LoginStep};
use doorwarden_core::password::PasswordHash;
use doorwarden_core::session::OnConflict;
use doorwarden_core::sign_up::{AcceptedVersions, DocumentPolicy};
use doorwarden_core::store::{Change, Directory, UserKey, Write};
use doorwarden_core::token::TicketToken;
use doorwarden_core::user::{User, UserStatus};
use futures_executor::block_on;

use crate::world::{PASSWORD, WRONG, World, policy, refusal};

fn update(world: &World, user: User) {
    block_on(world.store.commit(&[Change::User(Write::Update(user))])).unwrap();
}

#[test]
fn l1_one_field_takes_the_address_or_the_username_in_any_case() {
    let world = World::new(|policy| policy.session.on_conflict = OnConflict::Allow);
    world.add("Ada@Example.org", Some("Ada"));
    for identifier in ["ada@example.org", "ADA@EXAMPLE.ORG", "Ada@Example.org", "ada", "ADA", " ada "] {
        assert_eq!(world.code(identifier, PASSWORD), "logged_in", "{identifier}");
    }
}

#[test]
fn l1_the_policy_says_which_identifiers_are_taken() {
    for (identifiers, by_address, by_name) in [
        (vec![IdentifierKind::Email], "logged_in", "invalid_credentials"),
        (vec![IdentifierKind::Username], "invalid_credentials", "logged_in"),
    ] {
        let world = World::new(|policy| {
            policy.login.identifiers = identifiers.clone();
            policy.sign_up.username = doorwarden_core::sign_up::Demand::Required;
        });
        world.add("ada@example.org", Some("ada"));
        assert_eq!(world.code("ada@example.org", PASSWORD), by_address, "{identifiers:?}");
        assert_eq!(world.code("ada", PASSWORD), by_name, "{identifiers:?}");
    }
}

#[test]
fn ex1_f16_whoever_is_named_one_answer_costs_one_evaluation() {
    let world = World::new(|_| {});
    world.add("ada@example.org", Some("ada"));
    let disabled = world.add("off@example.org", None);
    block_on(world.engine.set_status(disabled.id, UserStatus::Disabled, &Client::default())).unwrap();
    let mut without_password = world.add("sso@example.org", None);
    without_password.password = None;
    update(&world, without_password);
    let overlong = "x1!".repeat(400);
    for (identifier, password) in [
        ("ada@example.org", WRONG),
        ("ada", WRONG),
        ("nobody@example.org", WRONG),
        ("nobody", WRONG),
        ("off@example.org", WRONG),
        ("sso@example.org", PASSWORD),
        ("ada@example.org", ""),
        ("ada@example.org", &overlong),
        ("ada@example.org", "nul\0nul"),
        ("not an identifier @@", WRONG),
        ("", WRONG),
        (&"a".repeat(5_000), WRONG),
    ] {
        let before = world.engine.hash_evaluations();
        assert_eq!(world.code(identifier, password), "invalid_credentials", "{identifier}");
        assert_eq!(world.engine.hash_evaluations() - before, 1, "{identifier}");
    }
}

#[test]
fn only_who_has_the_right_password_learns_that_the_account_is_disabled() {
    let world = World::new(|_| {});
    let user = world.add("ada@example.org", None);
    block_on(world.engine.set_status(user.id, UserStatus::Disabled, &Client::default())).unwrap();
    assert_eq!(world.code("ada@example.org", WRONG), "invalid_credentials");
    assert_eq!(world.code("ada@example.org", PASSWORD), "account_disabled");
    block_on(world.engine.set_status(user.id, UserStatus::Active, &Client::default())).unwrap();
    assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in");
}

#[test]
fn l11_the_eleventh_failure_restricts_for_20_minutes_and_then_it_starts_at_zero() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    world.fail("ada@example.org", 11);
    let locked = world.login("ada@example.org", PASSWORD).unwrap_err();
    assert!(matches!(locked, LoginRefusal::LockedOut { retry_after } if retry_after.as_secs() == 1_200), "{locked:?}");
    world.pass(1_199);
    assert_eq!(world.code("ada@example.org", PASSWORD), "locked_out");
    world.pass(1);
    world.fail("ada@example.org", 10);
    assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in");
}

#[test]
fn gu2_all_spellings_of_an_account_share_one_counter() {
    let world = World::new(|_| {});
    world.add("ada@example.org", Some("ada"));
    for identifier in ["ada@example.org", "ADA@EXAMPLE.ORG", "ada", "ADA"].iter().cycle().take(11) {
        assert_eq!(world.code(identifier, WRONG), "invalid_credentials");
    }
    for identifier in ["ada@example.org", "ada", "Ada"] {
        assert_eq!(world.code(identifier, PASSWORD), "locked_out", "{identifier}");
    }
}

#[test]
fn gu2_an_identifier_without_account_is_counted_by_its_normal_form() {
    let world = World::new(|_| {});
    for identifier in ["nobody@example.org", "NOBODY@example.ORG"].iter().cycle().take(11) {
        assert_eq!(world.code(identifier, WRONG), "invalid_credentials");
    }
    assert_eq!(world.code("Nobody@Example.org", WRONG), "locked_out");
    assert_eq!(world.code("somebody@example.org", WRONG), "invalid_credentials");
}

#[test]
fn gu3_proving_a_session_charges_the_same_counter() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let session = world.log_in("ada@example.org");
    world.fail("ada@example.org", 10);
    let prove = |password: &str| {
        let password = doorwarden_core::password::Password::new(password.to_owned());
        block_on(world.engine.prove(&session.token, password, &Client::default())).map_err(|f| refusal(f).code())
    };
    assert_eq!(prove(WRONG), Err("invalid_credentials"));
    assert_eq!(prove(PASSWORD), Err("locked_out"));
    assert_eq!(world.code("ada@example.org", PASSWORD), "locked_out");
}

#[test]
fn gu4_a_right_password_alone_does_not_reset_the_count() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    world.log_in("ada@example.org");
    world.fail("ada@example.org", 10);
    assert_eq!(world.code("ada@example.org", PASSWORD), "session_conflict");
    world.fail("ada@example.org", 1);
    assert_eq!(world.code("ada@example.org", PASSWORD), "locked_out");
}

#[test]
fn a_login_completed_by_a_later_step_resets_the_count() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    world.log_in("ada@example.org");
    world.fail("ada@example.org", 10);
    let Ok(LoginStep::SessionConflict { ticket, .. }) = world.login("ada@example.org", PASSWORD) else { panic!() };
    let step = block_on(world.engine.take_over(&ticket, doorwarden_core::login::TakeOver::Proceed)).unwrap();
    assert!(matches!(step, LoginStep::LoggedIn(_)));
    world.fail("ada@example.org", 10);
    assert_eq!(world.code("ada@example.org", PASSWORD), "session_conflict");
}

#[test]
fn gu5_a_restriction_leaves_live_sessions_alone() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let session = world.log_in("ada@example.org");
    world.fail("ada@example.org", 11);
    assert!(block_on(world.engine.check(&session.token)).is_ok());
}

#[test]
fn gu6_nothing_is_evaluated_while_restricted() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    world.fail("ada@example.org", 11);
    let before = world.engine.hash_evaluations();
    for password in [WRONG, PASSWORD, WRONG] {
        assert_eq!(world.code("ada@example.org", password), "locked_out");
    }
    assert_eq!(world.engine.hash_evaluations(), before);
}

#[test]
fn gu13_an_address_has_a_counter_of_its_own_when_the_policy_says_so() {
    let world = World::new(|policy| policy.lockout.per_address.max_failures = 3);
    world.add("ada@example.org", None);
    for n in 0..4 {
        assert_eq!(world.code(&format!("nobody{n}@example.org"), WRONG), "invalid_credentials");
    }
    assert_eq!(world.code("ada@example.org", PASSWORD), "locked_out");
    world.pass(20 * 60);
    assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in");
}

#[test]
fn gu14_an_unlock_opens_and_is_audited() {
    let world = World::new(|_| {});
    let user = world.add("ada@example.org", None);
    world.fail("ada@example.org", 11);
    assert!(block_on(world.engine.unlock(user.id, &Client::default())).unwrap());
    assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in");
    assert!(world.trail().contains(&"login.unlocked success".to_owned()));
}

#[test]
fn gu15_a_right_password_of_an_unverified_registration_counts_as_a_failure() {
    let world = World::new(|_| {});
    world.sign_up("ada@example.org").unwrap();
    for _ in 0..11 {
        assert_eq!(world.code("ada@example.org", PASSWORD), "email_unverified");
    }
    assert_eq!(world.code("ada@example.org", PASSWORD), "locked_out");
}

#[test]
fn refusals_of_a_restricted_account_are_one_counted_event_a_minute() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    world.fail("ada@example.org", 11);
    for _ in 0..50 {
        assert_eq!(world.code("ada@example.org", PASSWORD), "locked_out");
    }
    let restricted = world.trail().iter().filter(|line| line.starts_with("login.restricted")).count();
    assert_eq!(restricted, 2, "the crossing itself and one report");
}

#[test]
fn l4_pw5_a_hash_of_lower_cost_is_replaced_at_the_next_login_and_never_lowered() {
    let world = World::new(|policy| policy.session.on_conflict = OnConflict::Allow);
    let user = world.add("ada@example.org", None);
    let cost = || {
        let user = block_on(world.store.user(UserKey::Id(user.id))).unwrap().unwrap();
        user.password.unwrap().cost()
    };
    let set = |bcrypt_cost| {
        let mut policy = policy();
        policy.session.on_conflict = OnConflict::Allow;
        policy.password.bcrypt_cost = bcrypt_cost;
        block_on(world.engine.set_policy(policy)).unwrap();
    };
    for (configured, stored) in [(4, 4), (5, 5), (4, 5)] {
        set(configured);
        assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in");
        assert_eq!(cost(), Some(stored));
    }
}

#[test]
fn pw6_a_broken_hash_is_a_wrong_password_at_the_price_of_one_evaluation() {
    let world = World::new(|_| {});
    let mut user = world.add("ada@example.org", None);
    let broken: PasswordHash = serde_json::from_str("\"$2b$31$broken\"").unwrap();
    user.password = Some(broken);
    update(&world, user);
    let before = world.engine.hash_evaluations();
    assert_eq!(world.code("ada@example.org", PASSWORD), "invalid_credentials");
    assert_eq!(world.engine.hash_evaluations() - before, 1);
}

#[test]
fn s2_a_newer_version_of_the_documents_is_asked_for_at_the_next_login() {
    let world = World::new(|policy| policy.sign_up.terms = document("1"));
    world.add("ada@example.org", None);
    let Ok(LoginStep::TermsRequired { ticket, terms, .. }) = world.login("ada@example.org", PASSWORD) else { panic!() };
    assert_eq!(terms.version, "1");
    let accept = |ticket: &TicketToken, version: &str| {
        let accepted = AcceptedVersions { terms: Some(version.to_owned()), privacy: None };
        block_on(world.engine.accept_terms(ticket, &accepted, &Client::default())).map_err(|f| refusal(f).code())
    };
    assert_eq!(accept(&ticket, "0").err(), Some("terms_not_accepted"), "and the ticket is left");
    assert!(matches!(accept(&ticket, "1"), Ok(LoginStep::LoggedIn(_))));
    assert_eq!(accept(&ticket, "1").err(), Some("ticket_invalid"), "used");
    assert_eq!(world.code("ada@example.org", PASSWORD), "session_conflict", "not asked again");
}

fn document(version: &str) -> DocumentPolicy {
    DocumentPolicy { version: version.to_owned(), url: "https://example.org/terms".to_owned() }
}

#[test]
fn f6_a_ticket_lives_five_minutes() {
    for (seconds, expected) in [(299, None), (300, Some("ticket_invalid"))] {
        let world = World::new(|policy| policy.sign_up.terms = document("1"));
        world.add("ada@example.org", None);
        let Ok(LoginStep::TermsRequired { ticket, .. }) = world.login("ada@example.org", PASSWORD) else { panic!() };
        world.pass(seconds);
        let accepted = AcceptedVersions { terms: Some("1".to_owned()), privacy: None };
        let step = block_on(world.engine.accept_terms(&ticket, &accepted, &Client::default()));
        assert_eq!(step.err().map(|failure| refusal(failure).code()), expected, "{seconds}");
    }
}

#[test]
fn se5_a_ticket_works_for_its_step_alone() {
    let world = World::new(|policy| policy.sign_up.terms = document("1"));
    world.add("ada@example.org", None);
    let Ok(LoginStep::TermsRequired { ticket, .. }) = world.login("ada@example.org", PASSWORD) else { panic!() };
    let step = block_on(world.engine.take_over(&ticket, doorwarden_core::login::TakeOver::Proceed));
    assert_eq!(refusal(step.unwrap_err()), LoginRefusal::TicketInvalid);
}

#[test]
fn fa4_what_names_no_account_is_kept_only_if_it_is_an_address() {
    let world = World::new(|_| {});
    world.fail("nobody@example.org", 1);
    world.fail("hunter2 typed in the wrong field", 1);
    world.fail("hunter2@ssw0rd", 1);
    let events = block_on(world.engine.audit(&Default::default(), 200)).unwrap();
    let subjects: Vec<_> = events.iter().filter_map(|(_, event)| event.subject.clone()).collect();
    assert_eq!(subjects.first().map(String::as_str), Some("nobody@example.org"));
    assert!(!format!("{events:?}").contains("hunter2"));
}

#[test]
fn a_policy_change_applies_to_the_next_step() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let mut policy = policy();
    policy.lockout.max_failures = 2;
    block_on(world.engine.set_policy(policy)).unwrap();
    world.fail("ada@example.org", 3);
    assert_eq!(world.code("ada@example.org", PASSWORD), "locked_out");
}

#[test]
fn f17_another_seal_key_is_refused_at_the_start() {
    let world = World::new(|_| {});
    let builder = doorwarden_core::engine::Engine::builder()
        .store(world.store.clone())
        .mailer(world.mailer.clone())
        .clock(Arc::new(world.clock.clone()))
        .seal_keys(doorwarden_core::seal::SealKeys::new(&[8; 32], &[]));
    let error = block_on(builder.start()).unwrap_err().to_string();
    assert!(error.contains("seal key"), "{error}");
}

#[test]
fn ex1_a_cheaper_hash_is_padded_so_that_its_time_tells_nothing() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let mut policy = policy();
    policy.password.bcrypt_cost = 6;
    block_on(world.engine.set_policy(policy)).unwrap();
    let spent = |identifier: &str| {
        let before = world.engine.hash_evaluations();
        assert_eq!(world.code(identifier, WRONG), "invalid_credentials");
        world.engine.hash_evaluations() - before
    };
    assert_eq!(spent("nobody@example.org"), 1, "2^6");
    assert_eq!(spent("ada@example.org"), 3, "2^4 + 2^4 + 2^5");
}

#[test]
fn a_crowd_before_one_account_takes_turns_and_everybody_is_answered() {
    let world = World::new(|policy| policy.lockout.max_failures = 1);
    world.add("ada@example.org", None);
    world.fail("ada@example.org", 2);
    for _ in 0..40 {
        assert_eq!(world.code("ada@example.org", PASSWORD), "locked_out");
    }
}

#[test]
fn a_restriction_that_begins_by_proving_is_on_the_trail() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let session = world.log_in("ada@example.org");
    for _ in 0..11 {
        let wrong = doorwarden_core::password::Password::new(WRONG.to_owned());
        assert!(block_on(world.engine.prove(&session.token, wrong, &Client::default())).is_err());
    }
    assert!(world.trail().contains(&"login.restricted refusal lockout.max_failures".to_owned()));
}
