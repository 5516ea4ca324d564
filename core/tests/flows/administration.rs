//! What administrators do with accounts, and what nobody may.

use doorwarden_core::administration::{
    Actor, AdministrationRefusal, FirstPasswordLink, NewAccount, NewUser, NewUserRefusal, UserChange,
};
use doorwarden_core::audit::{AuditEvent, AuditFilter, AuditName, AuditOutcome};
use doorwarden_core::client::Client;
use doorwarden_core::engine::Engine;
use doorwarden_core::error::Failure;
use doorwarden_core::invitation::{NewInvitation, NewInvitationRefusal};
use doorwarden_core::mail::MailKind;
use doorwarden_core::password::Password;
use doorwarden_core::recovery::RecoveryRefusal;
use doorwarden_core::session::{OnConflict, Session};
use doorwarden_core::store::{Directory, UserKey};
use doorwarden_core::testing::MemoryMailer;
use doorwarden_core::token::LinkToken;
use doorwarden_core::user::{Role, User, UserId, UserStatus};
use futures_executor::block_on;

use crate::faults::{Broken, at_every_call};
use crate::races::{Crowd, at_once};
use crate::world::{PASSWORD, World, login, refusal};

const ROOT: &str = "root@example.org";
const EMAIL: &str = "ada@example.org";

fn client() -> Client {
    Client::new(Some("198.51.100.7".parse().unwrap()), Some("admin's"))
}

pub(crate) fn administrator(engine: &Engine, email: &str) -> User {
    let password = Some(Password::new(PASSWORD.to_owned()));
    let form = NewUser { email: email.to_owned(), username: None, password, role: Role::admin(), email_verified: true };
    block_on(engine.add_user(form, &Client::default())).unwrap()
}

fn session(engine: &Engine, email: &str) -> Session {
    let Ok(doorwarden_core::login::LoginStep::LoggedIn(login)) = login(engine, email, PASSWORD) else { panic!() };
    login.session
}

/// An administrator who is logged in.
pub(crate) fn root(engine: &Engine) -> Actor {
    administrator(engine, ROOT);
    Actor::administrator(&session(engine, ROOT), client())
}

fn account(email: &str, role: Role) -> NewAccount {
    NewAccount { email: email.to_owned(), username: None, full_name: None, role }
}

fn status(status: UserStatus) -> UserChange {
    UserChange { status: Some(status), ..UserChange::default() }
}

pub(crate) fn role(role: Role) -> UserChange {
    UserChange { role: Some(role), ..UserChange::default() }
}

fn stored(world: &World, id: UserId) -> Option<User> {
    block_on(world.engine.user(id)).unwrap()
}

fn events(engine: &Engine) -> Vec<AuditEvent> {
    block_on(engine.audit(&Default::default(), 200)).unwrap().into_iter().map(|(_, event)| event).collect()
}

fn last_event(engine: &Engine) -> AuditEvent {
    events(engine).pop().unwrap()
}

fn set_password(engine: &Engine, link: &LinkToken, password: &str) -> &'static str {
    match block_on(engine.reset_password(link, Password::new(password.to_owned()), &Client::default())) {
        Ok(_) => "set",
        Err(Failure::Refused(refusal)) => refusal.code(),
        Err(Failure::Fault(fault)) => panic!("{fault}"),
    }
}

fn links(mailer: &MemoryMailer) -> Vec<LinkToken> {
    mailer.take_mails().iter().flat_map(|mail| crate::world::links(&mail.text)).collect()
}

#[test]
fn ad1_nobody_changes_their_own_role() {
    let world = World::new(|_| {});
    let root = root(&world.engine);
    let own = root.user().unwrap();
    administrator(&world.engine, "second@example.org");
    for wanted in [Role::user(), Role::parse("operator").unwrap()] {
        let refused = block_on(world.engine.change_user(own, &role(wanted), &root)).map_err(refusal);
        assert_eq!(refused, Err(AdministrationRefusal::OwnRole));
    }
    let event = last_event(&world.engine);
    let found = (event.name, event.rule.as_deref(), event.user, event.actor);
    assert_eq!(found, (AuditName::UserChanged, Some("own_role"), Some(own), Some(own)));
    block_on(world.engine.change_user(own, &role(Role::admin()), &root)).unwrap();
    assert!(stored(&world, own).unwrap().is_administrator());
}

#[test]
fn ad1_the_last_administrator_is_neither_demoted_nor_disabled_nor_deleted() {
    let world = World::new(|policy| policy.session.on_conflict = OnConflict::Allow);
    let root = root(&world.engine);
    let own = root.user().unwrap();
    let off = administrator(&world.engine, "off@example.org");
    block_on(world.engine.change_user(off.id, &status(UserStatus::Disabled), &root)).unwrap();
    let machine = Actor::machine(Client::default());
    for by in [&root, &machine] {
        let disabled = block_on(world.engine.change_user(own, &status(UserStatus::Disabled), by)).map_err(refusal);
        assert_eq!(disabled, Err(AdministrationRefusal::LastAdministrator));
        let deleted = block_on(world.engine.delete_user(own, by)).map_err(refusal);
        assert_eq!(deleted, Err(AdministrationRefusal::LastAdministrator));
        let event = last_event(&world.engine);
        let found = (event.name, event.rule.as_deref(), event.user, event.actor);
        assert_eq!(found, (AuditName::UserDeleted, Some("last_administrator"), Some(own), by.user()));
    }
    let demoted = block_on(world.engine.change_user(own, &role(Role::user()), &machine)).map_err(refusal);
    assert_eq!(demoted, Err(AdministrationRefusal::LastAdministrator));
    assert!(stored(&world, own).unwrap().is_administrator());
    assert_eq!(world.code(ROOT, PASSWORD), "logged_in", "its sessions and its password are left alone");

    block_on(world.engine.change_user(off.id, &status(UserStatus::Active), &root)).unwrap();
    block_on(world.engine.delete_user(own, &machine)).unwrap();
    assert_eq!(stored(&world, own), None);
}

#[test]
fn ad1_of_administrators_who_take_each_others_role_at_once_one_stays() {
    for size in [2, 2, 2, 2, 2, 2, 7] {
        let crowd = Crowd::new(|_| {});
        let engine = &crowd.engine;
        let all: Vec<_> = (0..size).map(|n| administrator(engine, &format!("a{n}@example.org"))).collect();
        let sessions: Vec<_> = all.iter().map(|user| session(engine, user.email.typed())).collect();
        let answers = at_once(size, |n| {
            let by = Actor::administrator(&sessions[n], Client::default());
            match block_on(engine.change_user(all[(n + 1) % size].id, &role(Role::user()), &by)) {
                Ok(_) => "done",
                Err(failure) => refusal(failure).code(),
            }
        });
        let done = answers.iter().filter(|answer| **answer == "done").count();
        let left = all.iter().filter(|user| {
            let stored = block_on(crowd.store.user(UserKey::Id(user.id))).unwrap().unwrap();
            stored.is_administrator()
        });
        let left = left.count();
        assert!(left >= 1 && done >= 1 && left + done == size, "{answers:?}");
        assert!(answers.iter().all(|answer| ["done", "forbidden", "last_administrator"].contains(answer)));
    }
}

#[test]
fn ad1_who_is_no_administrator_any_more_acts_no_more() {
    let world = World::new(|_| {});
    let root = root(&world.engine);
    let ada = world.add(EMAIL, None);
    let user = Actor::administrator(&world.log_in(EMAIL).session, client());
    administrator(&world.engine, "second@example.org");
    let invitation = block_on(world.engine.invite(NewInvitation::default(), &root)).unwrap().invitation;
    let refused_all = |by: &Actor| {
        let (engine, before) = (&world.engine, events(&world.engine).len());
        let denied = Err(AdministrationRefusal::NotAdministrator);
        let change = UserChange { must_change_password: Some(true), ..UserChange::default() };
        assert_eq!(block_on(engine.change_user(ada.id, &change, by)).map(drop).map_err(refusal), denied);
        assert_eq!(block_on(engine.delete_user(ada.id, by)).map(drop).map_err(refusal), denied);
        assert_eq!(block_on(engine.unlock(ada.id, by)).map(drop).map_err(refusal), denied);
        assert_eq!(block_on(engine.end_sessions(ada.id, by)).map(drop).map_err(refusal), denied);
        assert_eq!(block_on(engine.reset_totp(ada.id, by)).map(drop).map_err(refusal), denied);
        let created = block_on(engine.create_user(account("new@example.org", Role::user()), by)).map(drop);
        let refused = Err(NewUserRefusal::Administration(AdministrationRefusal::NotAdministrator));
        assert_eq!(created.map_err(refusal), refused);
        let refused = Err(NewInvitationRefusal::Administration(AdministrationRefusal::NotAdministrator));
        assert_eq!(block_on(engine.invite(NewInvitation::default(), by)).map(drop).map_err(refusal), refused);
        assert_eq!(block_on(engine.revoke_invitation(invitation.id, by)).map(drop).map_err(refusal), denied);
        let recorded = events(engine).split_off(before);
        assert_eq!(recorded.len(), 8, "each refusal is on the trail");
        for event in recorded {
            assert_eq!((event.actor, event.rule.as_deref()), (by.user(), Some("forbidden")), "{event:?}");
        }
    };
    refused_all(&user);
    for change in [status(UserStatus::Disabled), role(Role::user())] {
        block_on(world.engine.change_user(root.user().unwrap(), &change, &Client::default())).unwrap();
        refused_all(&root);
        let back = UserChange { status: Some(UserStatus::Active), role: Some(Role::admin()), ..UserChange::default() };
        block_on(world.engine.change_user(root.user().unwrap(), &back, &Client::default())).unwrap();
    }
    block_on(world.engine.delete_user(root.user().unwrap(), &Client::default())).unwrap();
    refused_all(&root);
    assert_eq!(stored(&world, ada.id).unwrap(), ada, "nothing was done");
}

#[test]
fn se8_what_makes_an_administrator_or_cannot_be_taken_back_asks_for_a_fresh_proof() {
    let world = World::new(|_| {});
    let root = root(&world.engine);
    let ada = world.add(EMAIL, None);
    world.pass(15 * 60);
    let engine = &world.engine;
    let wanted = AdministrationRefusal::ProofRequired;
    let changed = block_on(engine.change_user(ada.id, &role(Role::admin()), &root)).map(drop);
    assert_eq!(changed.map_err(refusal), Err(wanted));
    assert_eq!(block_on(engine.delete_user(ada.id, &root)).map(drop).map_err(refusal), Err(wanted));
    assert_eq!(block_on(engine.reset_totp(ada.id, &root)).map_err(refusal), Err(wanted));
    let created = block_on(engine.create_user(account("new@example.org", Role::admin()), &root)).map(drop);
    assert_eq!(created.map_err(refusal), Err(NewUserRefusal::Administration(wanted)));
    let to_administer = || NewInvitation { role: Some(Role::admin()), ..NewInvitation::default() };
    let invited = block_on(engine.invite(to_administer(), &root)).map(drop);
    assert_eq!(invited.map_err(refusal), Err(NewInvitationRefusal::Administration(wanted)));
    let event = last_event(engine);
    assert_eq!((event.name, event.rule.as_deref()), (AuditName::InvitationCreated, Some("proof_required")));
    // What helps at once, or can be taken back, doesn't.
    block_on(engine.create_user(account("new@example.org", Role::user()), &root)).unwrap();
    block_on(engine.change_user(ada.id, &status(UserStatus::Disabled), &root)).unwrap();
    block_on(engine.end_sessions(ada.id, &root)).unwrap();
    block_on(engine.unlock(ada.id, &root)).unwrap();
    let invitation = block_on(engine.invite(NewInvitation::default(), &root)).unwrap().invitation;
    block_on(engine.revoke_invitation(invitation.id, &root)).unwrap().unwrap();
    let mut session = session_of(&world);
    session.proved_at = engine.now();
    let fresh = Actor::administrator(&session, client());
    block_on(engine.invite(to_administer(), &fresh)).unwrap();
    block_on(engine.change_user(ada.id, &role(Role::admin()), &fresh)).unwrap();
}

#[test]
fn ad1_nothing_is_committed_after_its_actors_demotion() {
    let crowd = Crowd::new(|_| {});
    let engine = &crowd.engine;
    let root = administrator(engine, ROOT);
    administrator(engine, "second@example.org");
    let by = Actor::administrator(&session(engine, ROOT), Client::default());
    let mut seen = AuditFilter::default();
    for _ in 0..50 {
        at_once(5, |n| match n {
            0 => drop(block_on(engine.change_user(root.id, &role(Role::user()), &Client::default())).unwrap()),
            1..4 => while block_on(engine.invite(NewInvitation::default(), &by)).is_ok() {},
            _ => while block_on(engine.unlock(root.id, &by)).is_ok() {},
        });
        let since = events_behind(engine, &mut seen);
        let demoted = since.iter().position(|event| event.facts.contains_key("former_role")).unwrap();
        let late = &since[demoted + 1..];
        assert!(late.iter().all(|event| event.outcome == AuditOutcome::Refusal), "{late:?}");
        block_on(engine.change_user(root.id, &role(Role::admin()), &Client::default())).unwrap();
        events_behind(engine, &mut seen);
    }
}

/// All events behind a place, which moves to the end.
fn events_behind(engine: &Engine, seen: &mut AuditFilter) -> Vec<AuditEvent> {
    let mut all = Vec::new();
    loop {
        let page = block_on(engine.audit(seen, 200)).unwrap();
        let Some((last, _)) = page.last() else { return all };
        seen.after = Some(*last);
        all.extend(page.into_iter().map(|(_, event)| event));
    }
}

fn session_of(world: &World) -> Session {
    let root = block_on(world.engine.find_user(ROOT)).unwrap().unwrap();
    let set = block_on(doorwarden_core::store::SessionStore::sessions_of(&*world.store, root.id, world.engine.now()));
    set.unwrap().live.remove(0)
}

#[test]
fn every_act_is_on_the_trail_with_who_did_it() {
    let world = World::new(|_| {});
    let root = root(&world.engine);
    let by = [(root.clone(), root.user()), (Actor::machine(client()), None)];
    for (n, (actor, id)) in by.into_iter().enumerate() {
        let engine = &world.engine;
        let form = account(&format!("ada{n}@example.org"), Role::user());
        let (ada, _) = block_on(engine.create_user(form, &actor)).unwrap();
        let mut expected = vec![AuditName::UserChanged];
        let operator = UserChange {
            status: Some(UserStatus::Disabled),
            role: Some(Role::parse("operator").unwrap()),
            must_change_password: Some(true),
        };
        block_on(engine.change_user(ada.id, &operator, &actor)).unwrap();
        let facts = last_event(engine).facts;
        let told = ["status", "role", "former_role", "must_change_password"].map(|fact| facts[fact].to_string());
        assert_eq!(told, [r#""disabled""#, r#""operator""#, r#""user""#, "true"]);
        expected.push(AuditName::UserChanged);
        block_on(engine.unlock(ada.id, &actor)).unwrap();
        expected.push(AuditName::LoginUnlocked);
        block_on(engine.end_sessions(ada.id, &actor)).unwrap();
        expected.push(AuditName::SessionEnded);
        block_on(engine.delete_user(ada.id, &actor)).unwrap();
        expected.push(AuditName::UserDeleted);
        let of_ada: Vec<_> = events(engine).into_iter().filter(|event| event.user == Some(ada.id)).collect();
        assert_eq!(of_ada.iter().map(|event| event.name).collect::<Vec<_>>(), expected);
        assert!(of_ada.iter().all(|event| event.actor == id && event.client == client()), "{of_ada:?}");
    }
    let unknown = UserId::from_bytes([9; 16]);
    let refused = block_on(world.engine.unlock(unknown, &root)).map_err(refusal);
    assert_eq!(refused, Err(AdministrationRefusal::NotFound));
}

#[test]
fn pw7_an_account_is_made_without_a_password_and_its_owner_sets_one_by_mail() {
    for recovers in [true, false] {
        let world = World::new(|policy| policy.recovery.enabled = recovers);
        let root = root(&world.engine);
        let form = NewAccount {
            username: Some("ada".to_owned()),
            full_name: Some(" Ada Lovelace ".to_owned()),
            ..account(EMAIL, Role::parse("operator").unwrap())
        };
        let (ada, link) = block_on(world.engine.create_user(form, &root)).unwrap();
        assert_eq!((&link, &ada.password, ada.email_verified_at), (&FirstPasswordLink::Mailed, &None, None));
        assert_eq!((ada.full_name.as_deref(), ada.role.name()), (Some("Ada Lovelace"), "operator"));
        assert_eq!(world.code(EMAIL, PASSWORD), "invalid_credentials");
        let mail = world.mailer.take_mails().remove(0);
        assert_eq!((mail.kind, mail.to.typed()), (MailKind::SetPassword, EMAIL));
        assert!(mail.text.contains("http://127.0.0.1:8080/reset-password?token=dwl_"), "{}", mail.text);
        assert!(mail.text.contains("works for 24 h"), "{}", mail.text);
        let link = crate::world::links(&mail.text).remove(0);
        assert!(!format!("{:?}", events(&world.engine)).contains(&*link.expose()));

        assert_eq!(set_password(&world.engine, &link, "weak"), "password_too_weak");
        assert_eq!(set_password(&world.engine, &link, PASSWORD), "set");
        let again = if recovers { "link_invalid" } else { "recovery_disabled" };
        assert_eq!(set_password(&world.engine, &link, "another horse 2?"), again);
        assert!(stored(&world, ada.id).unwrap().email_verified_at.is_some(), "who opened the link has read the mail");
        assert_eq!(world.code("ada", PASSWORD), "logged_in");
    }
}

#[test]
fn pw7_the_link_lives_a_day_and_no_request_of_a_stranger_voids_it() {
    let world = World::new(|_| {});
    let root = root(&world.engine);
    let made = |email: &str| {
        let (user, _) = block_on(world.engine.create_user(account(email, Role::user()), &root)).unwrap();
        (user, links(&world.mailer).remove(0))
    };
    let (_, link) = made(EMAIL);
    let (_, late) = made("late@example.org");
    let (off, void) = made("off@example.org");
    block_on(world.engine.forgot_password(EMAIL, &Client::default())).unwrap();
    let reset = links(&world.mailer).remove(0);
    block_on(world.engine.change_user(off.id, &status(UserStatus::Disabled), &root)).unwrap();
    block_on(world.engine.change_user(off.id, &status(UserStatus::Active), &root)).unwrap();
    world.pass(24 * 3_600 - 1);
    assert_eq!(set_password(&world.engine, &void, PASSWORD), "link_invalid", "switched off meanwhile");
    assert_eq!(set_password(&world.engine, &reset, PASSWORD), "link_invalid", "a reset's is shorter");
    assert_eq!(set_password(&world.engine, &link, PASSWORD), "set");
    world.pass(1);
    assert_eq!(set_password(&world.engine, &late, PASSWORD), "link_invalid");
}

#[test]
fn pw7_another_link_is_mailed_on_demand_and_voids_the_one_before() {
    let world = World::new(|policy| policy.recovery.enabled = false);
    let root = root(&world.engine);
    let (ada, _) = block_on(world.engine.create_user(account(EMAIL, Role::user()), &root)).unwrap();
    let changed = block_on(world.engine.demand_password_change(ada.id, &root)).unwrap();
    assert!(!changed.must_change_password, "there is none to change");
    let mailed = links(&world.mailer);
    assert_eq!(set_password(&world.engine, &mailed[0], PASSWORD), "recovery_disabled");
    assert_eq!(set_password(&world.engine, &mailed[1], PASSWORD), "set");
    assert_eq!(world.code(EMAIL, PASSWORD), "logged_in");
    assert!(links(&world.mailer).is_empty());
    block_on(world.engine.demand_password_change(ada.id, &root)).unwrap();
    assert!(links(&world.mailer).is_empty(), "who has a password is asked at the next login");
    assert_eq!(world.code(EMAIL, PASSWORD), "password_change_required");
    let withdrawn = UserChange { must_change_password: Some(false), ..UserChange::default() };
    block_on(world.engine.change_user(ada.id, &withdrawn, &root)).unwrap();
    assert_eq!(world.code(EMAIL, PASSWORD), "session_conflict");
}

#[test]
fn pw7_a_link_used_100_times_at_once_sets_one_password() {
    let crowd = Crowd::new(|policy| policy.lockout.max_failures = 1_000);
    let by = Actor::machine(Client::default());
    block_on(crowd.engine.create_user(account(EMAIL, Role::user()), &by)).unwrap();
    let link = links(&crowd.mailer).remove(0);
    let answers = at_once(100, |n| set_password(&crowd.engine, &link, &format!("{PASSWORD} of {n}")));
    assert_eq!(answers.iter().filter(|answer| **answer == "set").count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == "link_invalid").count(), 99, "{answers:?}");
}

#[test]
fn pw7_where_no_mails_are_sent_only_the_machine_is_told_the_link() {
    let world = World::new(|policy| {
        policy.mail.transport = "none".to_owned();
        policy.recovery.enabled = false;
    });
    let root = root(&world.engine);
    let (_, link) = block_on(world.engine.create_user(account("bob@example.org", Role::user()), &root)).unwrap();
    assert_eq!(link, FirstPasswordLink::Nowhere);
    let (_, link) = block_on(world.engine.create_user(account(EMAIL, Role::user()), &Client::default())).unwrap();
    let FirstPasswordLink::Told(url) = link else { panic!("{link:?}") };
    assert_eq!(set_password(&world.engine, &crate::world::links(&url)[0], PASSWORD), "set");
    assert_eq!(world.code(EMAIL, PASSWORD), "logged_in");
}

#[test]
fn a_taken_address_or_name_and_an_unreadable_field_are_refused() {
    let world = World::new(|_| {});
    let root = root(&world.engine);
    world.add(EMAIL, Some("ada"));
    let create = |email: &str, username: Option<&str>, full_name: Option<&str>| {
        let (username, full_name) = (username.map(str::to_owned), full_name.map(str::to_owned));
        let form = NewAccount { username, full_name, ..account(email, Role::user()) };
        block_on(world.engine.create_user(form, &root)).map(drop).map_err(refusal).unwrap_err().code()
    };
    assert_eq!(create("ADA@example.org", None, None), "email_taken");
    assert_eq!(create("b@example.org", Some("Ada"), None), "username_taken");
    assert_eq!(create("nonsense", None, None), "invalid_email");
    assert_eq!(create("b@example.org", Some("a@b"), None), "invalid_username");
    assert_eq!(create("b@example.org", None, Some("a\nb")), "invalid_request");
    assert_eq!(create("b@example.org", None, Some(&"x".repeat(201))), "invalid_request");
    // Who waits for a mail with this address has proved nothing: the account goes before.
    world.sign_up("waits@example.org").unwrap();
    let waiting = links(&world.mailer).remove(0);
    block_on(world.engine.create_user(account("waits@example.org", Role::user()), &root)).unwrap();
    assert!(block_on(world.engine.verify_email(&waiting, &Client::default())).is_err());
}

#[test]
fn se3_of_a_deleted_account_nothing_is_left_and_its_names_are_free() {
    let world = World::new(|policy| policy.session.on_conflict = OnConflict::Ask);
    let root = root(&world.engine);
    let ada = world.add(EMAIL, Some("ada"));
    let own = world.log_in(EMAIL);
    let Ok(doorwarden_core::login::LoginStep::SessionConflict { ticket, .. }) = world.login(EMAIL, PASSWORD) else {
        panic!()
    };
    block_on(world.engine.forgot_password(EMAIL, &Client::default())).unwrap();
    let link = links(&world.mailer).remove(0);
    world.fail("ada", 3);
    block_on(world.engine.delete_user(ada.id, &root)).unwrap();

    assert!(block_on(world.engine.check(&own.token)).is_err());
    let taken = block_on(world.engine.take_over(&ticket, doorwarden_core::login::TakeOver::Proceed));
    assert!(taken.is_err(), "{taken:?}");
    assert_eq!(set_password(&world.engine, &link, PASSWORD), RecoveryRefusal::LinkInvalid.code());
    assert_eq!(world.code("ada", PASSWORD), "invalid_credentials");
    let again = world.add(EMAIL, Some("ada"));
    assert_ne!(again.id, ada.id);
    assert_eq!(world.code("ada", PASSWORD), "logged_in");
    let gone = block_on(world.engine.delete_user(ada.id, &root)).map_err(refusal);
    assert_eq!(gone, Err(AdministrationRefusal::NotFound));
}

#[test]
fn se3_a_role_and_a_status_count_from_the_next_look_on() {
    let world = World::new(|_| {});
    let root = root(&world.engine);
    let ada = world.add(EMAIL, None);
    let own = world.log_in(EMAIL);
    block_on(world.engine.change_user(ada.id, &role(Role::admin()), &root)).unwrap();
    assert!(block_on(world.engine.user_of(&own.session)).unwrap().is_administrator());
    block_on(world.engine.change_user(ada.id, &status(UserStatus::Disabled), &root)).unwrap();
    assert!(block_on(world.engine.user_of(&own.session)).is_err());
    assert!(block_on(world.engine.check(&own.token)).is_err());
}

fn prepared(broken: &Broken) -> (Actor, User) {
    let root = root(&broken.engine);
    (root, crate::world::add(&broken.engine, EMAIL, Some("ada")))
}

#[test]
fn fa1_an_account_that_was_made_is_mailed_its_link_in_the_end() {
    at_every_call(
        |broken| root(&broken.engine),
        |broken, root| match block_on(broken.engine.create_user(account(EMAIL, Role::user()), root)) {
            Ok(_) => true,
            Err(Failure::Fault(_)) => false,
            Err(Failure::Refused(refusal)) => panic!("{refusal}"),
        },
        |broken, _, acknowledged, at| {
            broken.clock.advance(std::time::Duration::from_secs(61));
            block_on(broken.engine.upkeep()).unwrap();
            let made = block_on(broken.engine.find_user(EMAIL)).unwrap();
            assert!(made.is_some() || !acknowledged, "{at}");
            let mailed = links(&broken.mailer);
            assert_eq!(made.is_some(), !mailed.is_empty(), "{at}");
            // A mail may come twice; its link works once.
            let set = mailed.iter().filter(|link| set_password(&broken.engine, link, PASSWORD) == "set").count();
            assert_eq!(set, usize::from(made.is_some()), "{at}");
        },
    );
}

#[test]
fn fa1_a_change_or_deletion_that_was_acknowledged_has_ended_the_sessions() {
    type Do = fn(&Engine, UserId, &Actor) -> Result<(), Failure<AdministrationRefusal>>;
    type IsDone = fn(&User) -> bool;
    let acts: [(Do, IsDone); 2] = [
        (
            |engine, id, by| block_on(engine.change_user(id, &status(UserStatus::Disabled), by)).map(drop),
            |user| user.status == UserStatus::Disabled,
        ),
        (|engine, id, by| block_on(engine.delete_user(id, by)).map(drop), |_| false),
    ];
    for (act, is_done) in acts {
        at_every_call(
            |broken| {
                let (root, ada) = prepared(broken);
                let Ok(doorwarden_core::login::LoginStep::LoggedIn(own)) = login(&broken.engine, EMAIL, PASSWORD)
                else {
                    panic!()
                };
                (root, ada, own.token)
            },
            |broken, (root, ada, _)| match act(&broken.engine, ada.id, root) {
                Ok(()) => true,
                Err(Failure::Fault(_)) => false,
                Err(Failure::Refused(refusal)) => panic!("{refusal}"),
            },
            |broken, (_, ada, token), acknowledged, at| {
                let live = || block_on(broken.engine.check(token)).is_ok();
                assert!(!(acknowledged && live()), "{at}");
                broken.clock.advance(std::time::Duration::from_secs(61));
                block_on(broken.engine.upkeep()).unwrap();
                let done = block_on(broken.engine.user(ada.id)).unwrap().is_none_or(|user| is_done(&user));
                assert_eq!(done, !live(), "{at}");
                let told = block_on(broken.engine.audit(&Default::default(), 200))
                    .unwrap()
                    .into_iter()
                    .any(|(_, e)| e.actor.is_some() && e.user == Some(ada.id) && e.outcome.name() == "success");
                assert_eq!(done, told, "{at}");
            },
        );
    }
}

#[test]
fn accounts_are_listed_in_pages_that_end() {
    let world = World::new(|_| {});
    for n in 0..5 {
        world.pass(1);
        world.add(&format!("a{n}@example.org"), None);
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = block_on(world.engine.users("example", after, 2)).unwrap();
        seen.push(page.users.len());
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(seen, [2, 2, 1]);
    assert_eq!(block_on(world.engine.users("a3@", None, 2)).unwrap().next, None);
}
