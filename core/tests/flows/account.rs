//! An account in its owner's hands: the export, the change of names, and deletion.

use std::time::Duration;

use doorwarden_core::account::AccountChange;
use doorwarden_core::administration::NewUser;
use doorwarden_core::audit::AuditName;
use doorwarden_core::client::Client;
use doorwarden_core::error::Failure;
use doorwarden_core::login::{LoggedIn, LoginStep};
use doorwarden_core::mail::MailKind;
use doorwarden_core::password::Password;
use doorwarden_core::session::OnConflict;
use doorwarden_core::sign_up::{Demand, SignUpForm};
use doorwarden_core::store::{Directory, UserKey};
use doorwarden_core::totp::TypedCode;
use doorwarden_core::user::{Role, User};
use futures_executor::block_on;

use crate::faults::at_every_call;
use crate::races::{Crowd, at_once};
use crate::world::{PASSWORD, WRONG, World, add, form, refusal, request};

const ADA: &str = "ada@example.org";

impl World {
    fn rename(&self, by: &LoggedIn, username: &str) -> Result<User, &'static str> {
        let change = AccountChange { username: Some(username.to_owned()), ..AccountChange::default() };
        let changed = block_on(self.engine.change_account(&by.session, &change, &Client::default()));
        changed.map_err(|failure| refusal(failure).code())
    }

    fn delete(&self, by: &LoggedIn, password: &str, code: Option<String>) -> Result<(), &'static str> {
        let (password, code) = (Some(Password::new(password.to_owned())), code.map(TypedCode::new));
        let deleted = block_on(self.engine.delete_account(&by.token, password, code, &Client::default()));
        deleted.map_err(|failure| refusal(failure).code())
    }

    fn is_there(&self, email: &str) -> bool {
        block_on(self.store.user(UserKey::Email(email))).unwrap().is_some()
    }
}

fn allowing() -> World {
    World::new(|policy| policy.session.on_conflict = OnConflict::Allow)
}

#[test]
fn the_export_is_complete_page_by_page_and_tells_nothing_of_others() {
    let world = allowing();
    world.add("bob@example.org", None);
    world.add(ADA, Some("ada"));
    let login = world.log_in(ADA);
    let other = world.log_in(ADA);
    let password = Password::new(PASSWORD.to_owned());
    block_on(world.engine.change_email(&login.token, "bob@example.org", password, &Client::default())).unwrap();
    let (mut after, mut names, mut pages) = (None, vec![], 0);
    loop {
        let page = block_on(world.engine.export_account(&login.session, after, 2)).unwrap();
        assert_eq!(page.user.email.typed(), ADA);
        assert_eq!(page.sessions.iter().map(|s| s.id).collect::<Vec<_>>(), [login.session.id, other.session.id]);
        assert!(page.events.len() <= 2);
        for event in page.events {
            assert_eq!(event.user, Some(login.user.id));
            let told = event.facts.keys().find(|fact| ["taken", "mailed"].contains(&fact.as_str()));
            assert_eq!(told, None, "ex2: {event:?}");
            names.push(event.name);
        }
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((names.len(), pages), (6, 3), "{names:?}");
    assert_eq!((names[0], names[5]), (AuditName::UserChanged, AuditName::EmailChangeRequested));
}

#[test]
fn fa9_own_sessions_come_by_the_page() {
    let world = allowing();
    world.add(ADA, None);
    let mut all: Vec<_> = (0..5).map(|_| world.log_in(ADA).session).collect();
    all.sort_by_key(|session| session.id);
    let (mut after, mut seen) = (None, vec![]);
    for page in [2, 2, 1] {
        let (sessions, next) = block_on(world.engine.own_sessions(&all[0], after, 2)).unwrap();
        assert_eq!(sessions.len(), page);
        seen.extend(sessions.into_iter().map(|session| session.id));
        after = next;
    }
    assert_eq!(after, None);
    assert_eq!(seen, all.iter().map(|session| session.id).collect::<Vec<_>>());
}

#[test]
fn a_name_is_changed_by_the_rules_of_sign_up_and_only_to_a_free_one() {
    let world = allowing();
    world.add("bob@example.org", Some("bob"));
    world.add(ADA, Some("ada"));
    let login = world.log_in(ADA);
    let held = SignUpForm { username: Some("carol".to_owned()), ..form("carol@example.org") };
    world.sign_up_with(held).unwrap();
    for (name, code) in
        [("bob", "username_taken"), ("BOB", "username_taken"), ("carol", "username_taken"), ("a@b", "invalid_username")]
    {
        assert_eq!(world.rename(&login, name).map(drop), Err(code), "{name}");
    }
    assert_eq!(world.trail().last().unwrap(), "user.changed refusal username_taken");
    let changed = world.rename(&login, "Lovelace").unwrap();
    assert_eq!(changed.username.unwrap().typed(), "Lovelace");
    assert_eq!(world.code("lovelace", PASSWORD), "logged_in");
    assert_eq!(world.code("ada", PASSWORD), "invalid_credentials", "the former name is free");
    world.pass(86_400);
    let login = world.log_in(ADA);
    assert!(world.rename(&login, "carol").is_ok(), "s7: the registration has lapsed");
    let lines = world.trail().len();
    world.rename(&login, "carol").unwrap();
    assert_eq!(world.trail().len(), lines, "nothing was changed");
    let mut policy = (*world.engine.policy()).clone();
    policy.sign_up.username = Demand::Off;
    block_on(world.engine.set_policy(policy)).unwrap();
    assert_eq!(world.rename(&login, "other").map(drop), Err("invalid_request"));
}

#[test]
fn na6_of_50_accounts_that_want_one_name_at_once_one_gets_it() {
    let crowd = Crowd::new(|_| {});
    let logins: Vec<_> = (0..50)
        .map(|n| {
            let email = format!("user{n}@example.org");
            add(&crowd.engine, &email, None);
            match block_on(crowd.engine.login(request(&email, PASSWORD))) {
                Ok(LoginStep::LoggedIn(login)) => login,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    let change = AccountChange { username: Some("ada".to_owned()), ..AccountChange::default() };
    let answers = at_once(50, |n| {
        let changed = block_on(crowd.engine.change_account(&logins[n].session, &change, &Client::default()));
        changed.map_or_else(|failure| refusal(failure).code(), |_| "changed")
    });
    assert_eq!(answers.iter().filter(|answer| **answer == "changed").count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == "username_taken").count(), 49);
}

#[test]
fn se8_gu3_deleting_asks_for_the_password_and_takes_all_with_it() {
    let world = allowing();
    world.add(ADA, Some("ada"));
    let (login, other) = (world.log_in(ADA), world.log_in(ADA));
    world.sign_up(ADA).unwrap();
    world.mailer.take_mails();
    assert_eq!(world.delete(&login, WRONG, None), Err("invalid_credentials"));
    assert_eq!(world.trail().last().unwrap(), "user.deleted refusal invalid_credentials");
    assert!(world.is_there(ADA));
    assert_eq!(world.delete(&login, PASSWORD, None), Ok(()));
    assert!(!world.is_there(ADA));
    for token in [&login.token, &other.token] {
        assert_eq!(refusal(block_on(world.engine.check(token)).unwrap_err()).code(), "session_ended");
    }
    assert!(block_on(world.store.registrations_of(ADA, 10)).unwrap().is_empty());
    assert_eq!(world.mailer.take_mails().remove(0).kind, MailKind::AccountDeleted);
    assert_eq!(world.code(ADA, PASSWORD), "invalid_credentials");
    world.add(ADA, Some("ada"));
    assert_eq!(world.code("ada", PASSWORD), "logged_in", "address and name are free again");
}

#[test]
fn gu3_deleting_charges_its_guesses_at_password_and_code() {
    let world = allowing();
    let member = world.member();
    let login = &member.login;
    assert_eq!(world.delete(login, PASSWORD, None), Err("invalid_code"), "a code is asked for");
    assert_eq!(world.delete(login, PASSWORD, Some("000000".to_owned())), Err("invalid_code"));
    for _ in 0..9 {
        assert_eq!(world.delete(login, WRONG, Some(member.code(&world))), Err("invalid_credentials"));
    }
    let refused = world.delete(login, PASSWORD, Some(member.code(&world)));
    assert!(matches!(refused, Ok(()) | Err("locked_out")), "{refused:?}");
    let world = allowing();
    let member = world.member();
    for _ in 0..11 {
        assert_eq!(world.delete(&member.login, WRONG, None), Err("invalid_credentials"));
    }
    assert_eq!(world.delete(&member.login, PASSWORD, Some(member.code(&world))), Err("locked_out"));
    world.pass(20 * 60);
    assert_eq!(world.delete(&member.login, PASSWORD, Some(member.code(&world))), Ok(()));
}

fn administrator(world: &World, email: &str) -> LoggedIn {
    let form = NewUser {
        email: email.to_owned(),
        username: None,
        password: Some(Password::new(PASSWORD.to_owned())),
        role: Role::admin(),
        email_verified: true,
    };
    block_on(world.engine.add_user(form, &Client::default())).unwrap();
    world.log_in(email)
}

#[test]
fn the_last_administrator_cant_be_deleted() {
    let world = allowing();
    let (ada, bob) = (administrator(&world, ADA), administrator(&world, "bob@example.org"));
    assert_eq!(world.delete(&ada, PASSWORD, None), Ok(()));
    assert_eq!(world.delete(&bob, PASSWORD, None), Err("forbidden"));
    assert!(world.is_there("bob@example.org"));
    assert_eq!(world.trail().last().unwrap(), "user.deleted refusal last_administrator");
    assert!(block_on(world.engine.check(&bob.token)).is_ok(), "nothing was ended");
}

#[test]
fn se12_a_login_under_way_ends_with_its_account() {
    let world = World::new(|_| {});
    world.add(ADA, None);
    let login = world.log_in(ADA);
    let Ok(LoginStep::SessionConflict { ticket, .. }) = world.login(ADA, PASSWORD) else { panic!() };
    assert_eq!(world.delete(&login, PASSWORD, None), Ok(()));
    let step = block_on(world.engine.take_over(&ticket, doorwarden_core::login::TakeOver::Proceed));
    assert_eq!(refusal(step.unwrap_err()).code(), "ticket_invalid");
}

#[test]
fn fa1_a_deletion_is_whole_or_not_done_and_what_was_acknowledged_has_ended_the_sessions() {
    at_every_call(
        |broken| {
            add(&broken.engine, ADA, None);
            match block_on(broken.engine.login(request(ADA, PASSWORD))) {
                Ok(LoginStep::LoggedIn(login)) => login,
                other => panic!("{other:?}"),
            }
        },
        |broken, login| {
            let password = Some(Password::new(PASSWORD.to_owned()));
            match block_on(broken.engine.delete_account(&login.token, password, None, &Client::default())) {
                Ok(()) => true,
                Err(Failure::Fault(_)) => false,
                Err(Failure::Refused(refusal)) => panic!("{refusal}"),
            }
        },
        |broken, login, acknowledged, at| {
            let gone = broken.user(ADA).is_none();
            assert!(gone || !acknowledged, "{at}");
            assert!(!acknowledged || block_on(broken.engine.check(&login.token)).is_err(), "{at}");
            broken.clock.advance(Duration::from_secs(61));
            block_on(broken.engine.upkeep()).unwrap();
            assert_eq!(block_on(broken.engine.check(&login.token)).is_err(), gone, "{at}");
            assert_eq!(broken.mailer.take_mails().is_empty(), !gone, "{at}");
            assert_eq!(block_on(broken.engine.login(request(ADA, PASSWORD))).is_err(), gone, "{at}");
        },
    );
}
