//! Keypairs: made, listed, switched, rotated and deleted by their owner; and logging in with one (L2).

use std::time::Duration;

use doorwarden_core::client::Client;
use doorwarden_core::keypair::{AccessKey, IssuedKeypair, Keypair, KeypairRefusal, NewKeypair, SecretKey};
use doorwarden_core::login::{KeypairLogin, LoggedIn, LoginStep};
use doorwarden_core::policy::Policy;
use doorwarden_core::session::{Session, SessionMode, SessionRefusal};
use doorwarden_core::store::{Change, Directory, UserKey, Write};
use doorwarden_core::user::{User, UserStatus};
use futures_executor::block_on;

use crate::faults::at_every_call;
use crate::races::{Crowd, at_once};
use crate::world::{PASSWORD, World, add, login, refusal, request};

pub(crate) const API: fn(&mut Policy) = |policy| policy.login.modes = vec![SessionMode::Session, SessionMode::Api];

/// An account, a session of its owner that was just proved, and a keypair.
pub(crate) fn holder(world: &World) -> (User, Session, IssuedKeypair) {
    let user = world.add("ada@example.org", None);
    let session = world.log_in("ada@example.org").session;
    let issued = create(world, &session).unwrap();
    (user, session, issued)
}

pub(crate) fn create(world: &World, session: &Session) -> Result<IssuedKeypair, KeypairRefusal> {
    block_on(world.engine.create_keypair(session, NewKeypair::default(), &Client::default())).map_err(refusal)
}

fn set_active(world: &World, session: &Session, keypair: &Keypair, active: bool) -> Result<Keypair, KeypairRefusal> {
    let client = Client::default();
    block_on(world.engine.set_keypair_active(session, &keypair.access_key, active, &client)).map_err(refusal)
}

fn rotate(world: &World, session: &Session, keypair: &Keypair) -> Result<IssuedKeypair, KeypairRefusal> {
    block_on(world.engine.rotate_keypair(session, &keypair.access_key, &Client::default())).map_err(refusal)
}

fn delete(world: &World, session: &Session, keypair: &Keypair) -> Result<(), KeypairRefusal> {
    block_on(world.engine.delete_keypair(session, &keypair.access_key, &Client::default())).map_err(refusal)
}

fn list(world: &World, session: &Session) -> Vec<AccessKey> {
    let page = block_on(world.engine.keypairs(session.user, None, 200)).unwrap();
    page.into_iter().map(|keypair| keypair.access_key).collect()
}

fn by_keypair(access_key: &str, secret: &str) -> KeypairLogin {
    let client = Client::new(Some("203.0.113.9".parse().unwrap()), Some("tests"));
    KeypairLogin { access_key: access_key.to_owned(), secret_key: SecretKey::new(secret.to_owned()), client }
}

pub(crate) fn code(world: &World, access_key: &str, secret: &str) -> &'static str {
    match block_on(world.engine.login_with_keypair(by_keypair(access_key, secret))).map_err(refusal) {
        Ok(LoginStep::LoggedIn(_)) => "logged_in",
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => refusal.code(),
    }
}

pub(crate) fn code_of(world: &World, issued: &IssuedKeypair) -> &'static str {
    code(world, issued.keypair.access_key.as_str(), issued.secret_key.expose())
}

fn log_in_with(world: &World, issued: &IssuedKeypair) -> LoggedIn {
    let request = by_keypair(issued.keypair.access_key.as_str(), issued.secret_key.expose());
    match block_on(world.engine.login_with_keypair(request)) {
        Ok(LoginStep::LoggedIn(logged_in)) => logged_in,
        other => panic!("{other:?}"),
    }
}

fn works(world: &World, logged_in: &LoggedIn) -> bool {
    block_on(world.engine.check(&logged_in.token)).is_ok()
}

fn write_user(world: &World, change: impl Fn(User) -> User) {
    let user = block_on(world.store.user(UserKey::Email("ada@example.org"))).unwrap().unwrap();
    block_on(world.store.commit(&[Change::User(Write::Update(change(user)))])).unwrap();
}

#[test]
fn l2_a_program_logs_in_with_a_keypair_and_its_session_says_so() {
    let world = World::new(API);
    let (user, _, issued) = holder(&world);
    let logged_in = log_in_with(&world, &issued);
    assert_eq!((logged_in.user.id, logged_in.session.mode), (user.id, SessionMode::Api));
    assert_eq!(logged_in.session.keypair.as_ref(), Some(&issued.keypair.access_key));
    assert!(works(&world, &logged_in));
    let used = block_on(world.store.keypair(&issued.keypair.access_key)).unwrap().unwrap().last_used_at;
    assert_eq!(used, Some(world.engine.now()));
}

#[test]
fn cf1_login_modes_decide_who_can_log_in() {
    let world = World::new(|_| {});
    let (_, _, issued) = holder(&world);
    assert_eq!(code_of(&world, &issued), "mode_disabled");
    let world = World::new(API);
    let (_, _, issued) = holder(&world);
    assert_eq!(code_of(&world, &issued), "logged_in");
    let mut policy = (*world.engine.policy()).clone();
    policy.login.modes = vec![SessionMode::Api];
    block_on(world.engine.set_policy(policy)).unwrap();
    assert_eq!(world.code("ada@example.org", PASSWORD), "mode_disabled");
}

#[test]
fn gu7_wrong_secrets_restrict_the_access_key_alone_and_leave_its_owner_and_sessions() {
    let world = World::new(API);
    let (_, session, issued) = holder(&world);
    let open = log_in_with(&world, &issued);
    let access_key = issued.keypair.access_key.as_str().to_owned();
    for guess in 0..11 {
        assert_eq!(code(&world, &access_key, "wrong"), "invalid_credentials", "guess {guess}");
    }
    assert_eq!(code_of(&world, &issued), "locked_out", "even the right one isn't looked at");
    assert!(works(&world, &open));
    world.pass(3_600);
    let other = create(&world, &world_session(&world, &session)).unwrap();
    assert_eq!(code_of(&world, &other), "logged_in", "another keypair has a counter of its own");
    for _ in 0..12 {
        code(&world, &access_key, "wrong");
    }
    assert!(matches!(world.login("ada@example.org", PASSWORD), Ok(LoginStep::SessionConflict { .. })));
}

/// The owner's session with a proof of this moment.
fn world_session(world: &World, session: &Session) -> Session {
    let mut session = session.clone();
    session.proved_at = world.engine.now();
    session
}

#[test]
fn gu7_an_access_key_that_does_not_exist_answers_like_one_that_does() {
    let world = World::new(API);
    let (_, _, issued) = holder(&world);
    for named in [issued.keypair.access_key.as_str(), "00000000000000000000", "not an access key", ""] {
        let answers: Vec<_> = (0..12).map(|_| code(&world, named, "wrong")).collect();
        assert_eq!((&answers[..11], answers[11]), (&["invalid_credentials"; 11][..], "locked_out"), "{named}");
    }
}

#[test]
fn gu6_lockout_tell_off_answers_a_restricted_access_key_as_a_wrong_secret_and_at_its_cost() {
    let world = World::new(|policy| {
        API(policy);
        policy.lockout.tell = false;
    });
    let (_, _, issued) = holder(&world);
    let evaluated = world.engine.hash_evaluations();
    for named in [issued.keypair.access_key.as_str(), "00000000000000000000"] {
        for guess in 0..14 {
            assert_eq!(code(&world, named, "wrong"), "invalid_credentials", "guess {guess} at {named}");
        }
    }
    assert_eq!(code_of(&world, &issued), "invalid_credentials", "even the right one isn't looked at");
    assert_eq!(
        world.engine.hash_evaluations(),
        evaluated,
        "a wrong secret key costs no hash, and telling it costs none"
    );
}

#[test]
fn kp3_an_account_that_changes_during_a_login_with_a_keypair_is_the_same_answer() {
    type Meanwhile = fn(&mut User);
    let disabled: Meanwhile = |user| user.status = UserStatus::Disabled;
    let another_password: Meanwhile = |user| user.password_changed_at = None;
    for change in [disabled, another_password] {
        let mut refused = 0;
        for call in 1.. {
            let broken = crate::faults::world();
            let user = add(&broken.engine, "ada@example.org", None);
            let Ok(LoginStep::LoggedIn(own)) = login(&broken.engine, "ada@example.org", PASSWORD) else { panic!() };
            let made = block_on(broken.engine.create_keypair(&own.session, NewKeypair::default(), &Client::default()));
            let made = made.unwrap();
            let mut policy = (*broken.engine.policy()).clone();
            API(&mut policy);
            block_on(broken.engine.set_policy(policy)).unwrap();
            let store = broken.store.clone();
            broken.faulty.before_call(call, move || {
                let mut stored = block_on(store.user(UserKey::Id(user.id))).unwrap().unwrap();
                change(&mut stored);
                block_on(store.commit(&[Change::User(Write::Update(stored))])).unwrap();
            });
            let keys = by_keypair(made.keypair.access_key.as_str(), made.secret_key.expose());
            match block_on(broken.engine.login_with_keypair(keys)).map_err(refusal) {
                Ok(LoginStep::LoggedIn(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(refusal) => {
                    refused += 1;
                    assert_eq!(refusal.code(), "invalid_credentials", "changed before call {call}");
                }
            }
            if broken.faulty.calls() < call {
                break;
            }
        }
        assert!(refused > 0);
    }
}

#[test]
fn kp3_unknown_inactive_expired_replaced_and_disabled_are_one_answer() {
    let world = World::new(API);
    let (user, session, issued) = holder(&world);
    let one_answer = |change: &dyn Fn(&Keypair) -> Keypair| {
        let stored = block_on(world.store.keypair(&issued.keypair.access_key)).unwrap().unwrap();
        block_on(world.store.commit(&[Change::Keypair(Write::Update(change(&stored)))])).unwrap();
        let answer = code_of(&world, &issued);
        let mut back = block_on(world.store.keypair(&issued.keypair.access_key)).unwrap().unwrap();
        (back.active, back.expires_at, back.replaced_until) = (true, None, None);
        block_on(world.store.commit(&[Change::Keypair(Write::Update(back))])).unwrap();
        answer
    };
    let now = Some(world.engine.now());
    let with = |stored: &Keypair, active, expires_at, replaced_until| {
        let mut changed = stored.clone();
        (changed.active, changed.expires_at, changed.replaced_until) = (active, expires_at, replaced_until);
        changed
    };
    assert_eq!(one_answer(&|k| with(k, true, None, None)), "logged_in");
    assert_eq!(one_answer(&|k| with(k, false, None, None)), "invalid_credentials");
    assert_eq!(one_answer(&|k| with(k, true, now, None)), "invalid_credentials");
    assert_eq!(one_answer(&|k| with(k, true, None, now)), "invalid_credentials");
    block_on(world.engine.set_status(user.id, UserStatus::Disabled, &Client::default())).unwrap();
    assert_eq!(code_of(&world, &issued), "invalid_credentials");
    block_on(world.engine.set_status(user.id, UserStatus::Active, &Client::default())).unwrap();
    assert_eq!(code_of(&world, &issued), "logged_in");
    delete(&world, &session, &issued.keypair).unwrap();
    assert_eq!(code_of(&world, &issued), "invalid_credentials");
    let rules: Vec<_> = world.trail().into_iter().filter(|line| line.starts_with("login.failed")).collect();
    let rules: Vec<_> = rules.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    let causes = ["keypair.inactive", "keypair.expired", "keypair.replaced", "user.status", "invalid_credentials"];
    assert_eq!(rules, causes, "the trail knows which it was");
}

#[test]
fn kp3_deactivation_deletion_and_rotation_act_on_the_next_check_of_a_session() {
    type End = fn(&World, &Session, &Keypair);
    let ends: [(End, u64); 4] = [
        (|world, own, keypair| drop(set_active(world, own, keypair, false).unwrap()), 0),
        (|world, own, keypair| delete(world, own, keypair).unwrap(), 0),
        (|world, own, keypair| drop(rotate(world, own, keypair).unwrap()), 3_600),
        (|_, _, _| {}, 7_200),
    ];
    for (number, (end, seconds)) in ends.into_iter().enumerate() {
        let world = World::new(|policy| {
            API(policy);
            policy.keypairs.rotation_overlap = Duration::from_secs(3_600);
        });
        let (_, session, _) = holder(&world);
        let expires_at = Some(world.engine.now().after(Duration::from_secs(7_200)));
        let form = NewKeypair { expires_at, ..NewKeypair::default() };
        let issued = block_on(world.engine.create_keypair(&session, form, &Client::default())).unwrap();
        let open = log_in_with(&world, &issued);
        assert!(works(&world, &open));
        end(&world, &session, &issued.keypair);
        if seconds > 0 {
            world.pass(seconds - 1);
            assert!(works(&world, &open), "end {number}: the time isn't over");
            world.pass(1);
        }
        let refused = block_on(world.engine.check(&open.token)).map_err(refusal);
        assert_eq!(refused.err(), Some(SessionRefusal::Ended), "end {number}");
        assert!(block_on(world.engine.extend(&open.token, &Client::default())).is_err(), "end {number}");
        if seconds == 0 {
            let listed = block_on(world.engine.own_sessions(&session, None, 100)).unwrap().0;
            assert_eq!(listed.len(), 1, "end {number}: it is off the list");
        }
    }
}

#[test]
fn l8_the_oldest_session_in_api_mode_ends_and_those_of_people_are_counted_apart() {
    let world = World::new(|policy| {
        API(policy);
        policy.session.max_concurrent_api = 2;
    });
    let (_, own, issued) = holder(&world);
    let log_in = |_| {
        world.pass(1);
        log_in_with(&world, &issued)
    };
    let opened: Vec<_> = (0..3).map(log_in).collect();
    let refused = block_on(world.engine.check(&opened[0].token)).map_err(refusal);
    assert_eq!(refused.err(), Some(SessionRefusal::EndedElsewhere));
    assert_eq!([works(&world, &opened[1]), works(&world, &opened[2])], [true, true]);
    assert_eq!(block_on(world.engine.own_sessions(&own, None, 100)).unwrap().0.len(), 3, "the owner's own goes on");
}

#[test]
fn ot3_a_keypair_is_asked_for_no_code_password_or_terms_and_forgives_no_wrong_codes() {
    let world = World::new(API);
    let (user, _, issued) = holder(&world);
    block_on(world.engine.demand_password_change(user.id, &Client::default())).unwrap();
    let mut policy = (*world.engine.policy()).clone();
    policy.totp.mode = doorwarden_core::totp::TotpMode::Required;
    policy.sign_up.terms.version = "2".to_owned();
    policy.sign_up.terms.url = "/terms".to_owned();
    block_on(world.engine.set_policy(policy)).unwrap();
    assert_eq!(code_of(&world, &issued), "logged_in");
    assert_eq!(world.code("ada@example.org", PASSWORD), "totp_setup_required");
}

#[test]
fn se8_a_keypair_is_made_rotated_and_switched_on_with_a_fresh_proof_and_switched_off_without() {
    let world = World::new(API);
    let (_, session, issued) = holder(&world);
    world.pass(600);
    assert_eq!(create(&world, &session).err(), Some(KeypairRefusal::ProofRequired));
    assert_eq!(rotate(&world, &session, &issued.keypair).err(), Some(KeypairRefusal::ProofRequired));
    assert!(!set_active(&world, &session, &issued.keypair, false).unwrap().active);
    assert_eq!(set_active(&world, &session, &issued.keypair, true).err(), Some(KeypairRefusal::ProofRequired));
    delete(&world, &session, &issued.keypair).unwrap();
    assert!(list(&world, &session).is_empty());
}

#[test]
fn kp4_a_session_logged_in_with_a_keypair_changes_none_and_has_no_fresh_proof() {
    let world = World::new(API);
    let (_, _, issued) = holder(&world);
    let program = log_in_with(&world, &issued).session;
    let proved = world_session(&world, &program);
    for session in [&program, &proved] {
        let refusals = [
            create(&world, session).err(),
            rotate(&world, session, &issued.keypair).err(),
            set_active(&world, session, &issued.keypair, false).err(),
            set_active(&world, session, &issued.keypair, true).err(),
            delete(&world, session, &issued.keypair).err(),
        ];
        assert_eq!(refusals, [Some(KeypairRefusal::Forbidden); 5]);
    }
    let ended = block_on(world.engine.end_other_sessions(&program, &Client::default())).map_err(refusal);
    assert_eq!(ended, Err(SessionRefusal::ProofRequired));
    assert_eq!(code_of(&world, &issued), "logged_in");
}

#[test]
fn ex5_kp4_another_s_keypair_is_not_found_like_one_that_never_was() {
    let world = World::new(|_| {});
    let (_, own, issued) = holder(&world);
    world.add("eve@example.org", None);
    let eve = world.log_in("eve@example.org").session;
    let mut never = issued.keypair.clone();
    never.access_key = AccessKey::parse("00000000000000000000").unwrap();
    for keypair in [&issued.keypair, &never] {
        let refusals = [
            rotate(&world, &eve, keypair).err(),
            set_active(&world, &eve, keypair, false).err(),
            delete(&world, &eve, keypair).err(),
        ];
        assert_eq!(refusals, [Some(KeypairRefusal::NotFound); 3]);
    }
    assert!(list(&world, &eve).is_empty());
    assert_eq!(list(&world, &own), [issued.keypair.access_key]);
}

#[test]
fn ph1_an_address_that_is_not_proved_holds_no_keypair() {
    let world = World::new(|_| {});
    let (_, session, _) = holder(&world);
    write_user(&world, |user| {
        let mut user = user;
        user.email_verified_at = None;
        user
    });
    assert_eq!(create(&world, &session).err(), Some(KeypairRefusal::EmailUnverified));
    let mut policy = (*world.engine.policy()).clone();
    policy.sign_up.verify_email = false;
    block_on(world.engine.set_policy(policy)).unwrap();
    assert!(create(&world, &session).is_ok());
}

#[test]
fn cf1_keypairs_per_user_is_the_limit_and_a_deleted_one_makes_room() {
    for limit in [0, 1, 5] {
        let world = World::new(|policy| policy.keypairs.per_user = limit);
        world.add("ada@example.org", None);
        let session = world.log_in("ada@example.org").session;
        let made: Vec<_> = (0..limit).map(|_| create(&world, &session).unwrap()).collect();
        assert_eq!(create(&world, &session).err(), Some(KeypairRefusal::Limit), "{limit}");
        if let Some(issued) = made.first() {
            delete(&world, &session, &issued.keypair).unwrap();
            assert!(create(&world, &session).is_ok());
        }
    }
}

#[test]
fn a_hundred_at_once_never_make_more_keypairs_than_allowed() {
    let crowd = Crowd::new(|policy| policy.keypairs.per_user = 7);
    let user = add(&crowd.engine, "ada@example.org", None);
    let Ok(LoginStep::LoggedIn(own)) = login(&crowd.engine, "ada@example.org", PASSWORD) else { panic!() };
    let answers = at_once(100, |_| {
        let made = block_on(crowd.engine.create_keypair(&own.session, NewKeypair::default(), &Client::default()));
        made.map_err(refusal).map_or_else(|refusal| refusal.code(), |_| "made")
    });
    assert_eq!(answers.iter().filter(|answer| **answer == "made").count(), 7);
    assert_eq!(answers.iter().filter(|answer| **answer == "keypair_limit").count(), 93);
    assert_eq!(block_on(crowd.store.keypairs_of(user.id, None, 100)).unwrap().len(), 7);
}

#[test]
fn of_a_hundred_rotations_at_once_one_makes_a_new_pair() {
    let crowd = Crowd::new(|_| {});
    let user = add(&crowd.engine, "ada@example.org", None);
    let Ok(LoginStep::LoggedIn(own)) = login(&crowd.engine, "ada@example.org", PASSWORD) else { panic!() };
    let client = Client::default();
    let old = block_on(crowd.engine.create_keypair(&own.session, NewKeypair::default(), &client)).unwrap().keypair;
    let answers = at_once(100, |_| {
        let made = block_on(crowd.engine.rotate_keypair(&own.session, &old.access_key, &client));
        made.map_err(refusal).map_or_else(|refusal| refusal.code(), |_| "made")
    });
    assert_eq!(answers.iter().filter(|answer| **answer == "made").count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == "stale").count(), 99);
    assert_eq!(block_on(crowd.store.keypairs_of(user.id, None, 100)).unwrap().len(), 2);
}

#[test]
fn cf1_a_rotated_keypair_works_until_its_overlap_ends_and_is_then_gone() {
    let world = World::new(|policy| {
        API(policy);
        policy.keypairs.rotation_overlap = Duration::from_secs(600);
    });
    let (_, session, _) = holder(&world);
    let form = NewKeypair { label: Some("CI".to_owned()), scopes: vec!["read".to_owned()], expires_at: None };
    let old = block_on(world.engine.create_keypair(&session, form, &Client::default())).unwrap();
    let new = rotate(&world, &session, &old.keypair).unwrap();
    assert_eq!((&new.keypair.label, &new.keypair.scopes), (&old.keypair.label, &old.keypair.scopes));
    assert_eq!(rotate(&world, &session, &old.keypair).err(), Some(KeypairRefusal::Stale));
    world.pass(599);
    assert_eq!([code_of(&world, &old), code_of(&world, &new)], ["logged_in"; 2]);
    world.pass(1);
    assert_eq!([code_of(&world, &old), code_of(&world, &new)], ["invalid_credentials", "logged_in"]);
    assert_eq!(list(&world, &session).len(), 2);
    assert_eq!(delete(&world, &session, &old.keypair).err(), Some(KeypairRefusal::NotFound));
    create(&world, &world_session(&world, &session)).unwrap();
    assert!(block_on(world.store.keypair(&old.keypair.access_key)).unwrap().is_none(), "the next change removes it");
    let at_once = World::new(|policy| {
        API(policy);
        policy.keypairs.rotation_overlap = Duration::ZERO;
    });
    let (_, session, old) = holder(&at_once);
    let new = rotate(&at_once, &session, &old.keypair).unwrap();
    assert_eq!([code_of(&at_once, &old), code_of(&at_once, &new)], ["invalid_credentials", "logged_in"]);
}

#[test]
fn every_change_and_refusal_is_on_the_trail_without_a_secret() {
    let world = World::new(API);
    let (_, session, issued) = holder(&world);
    set_active(&world, &session, &issued.keypair, false).unwrap();
    set_active(&world, &session, &issued.keypair, false).unwrap();
    let new = rotate(&world, &session, &issued.keypair).unwrap();
    delete(&world, &session, &new.keypair).unwrap();
    assert!(delete(&world, &session, &new.keypair).is_err());
    world.pass(600);
    assert!(create(&world, &session).is_err());
    let lines: Vec<_> = world.trail().into_iter().filter(|line| line.starts_with("keypair.")).collect();
    let expected = [
        "keypair.created success",
        "keypair.changed success",
        "keypair.rotated success",
        "keypair.deleted success",
        "keypair.deleted refusal not_found",
        "keypair.created refusal session.fresh_proof",
    ];
    assert_eq!(lines, expected, "what changes nothing is no event");
    let events = block_on(world.engine.audit(&Default::default(), 200)).unwrap();
    let stored = serde_json::to_string(&block_on(world.store.keypair(&issued.keypair.access_key)).unwrap()).unwrap();
    let text = format!("{events:?} {stored} {issued:?} {new:?}");
    for secret in [issued.secret_key.expose(), new.secret_key.expose()] {
        assert!(!text.contains(secret));
    }
}

#[test]
fn fa1_a_keypair_is_made_whole_or_not_at_all_and_a_right_one_is_never_called_wrong() {
    let session = std::cell::RefCell::new(None);
    at_every_call(
        |broken| {
            add(&broken.engine, "ada@example.org", None);
            let logged_in = block_on(broken.engine.login(request("ada@example.org", PASSWORD)));
            let Ok(LoginStep::LoggedIn(logged_in)) = logged_in else { panic!() };
            session.replace(Some(logged_in.session));
            let mut policy = (*broken.engine.policy()).clone();
            API(&mut policy);
            policy.keypairs.per_user = 1;
            block_on(broken.engine.set_policy(policy)).unwrap();
        },
        |broken, ()| {
            let own = session.borrow().clone().unwrap();
            let made = block_on(broken.engine.create_keypair(&own, NewKeypair::default(), &Client::default())).ok()?;
            let keys = by_keypair(made.keypair.access_key.as_str(), made.secret_key.expose());
            match block_on(broken.engine.login_with_keypair(keys)) {
                Ok(_) | Err(doorwarden_core::Failure::Fault(_)) => Some(made),
                Err(doorwarden_core::Failure::Refused(refusal)) => panic!("{refusal}"),
            }
        },
        |broken, (), made, at| {
            let own = session.borrow().clone().unwrap();
            let kept = block_on(broken.engine.keypairs(own.user, None, 10)).unwrap();
            assert!(kept.len() <= 1, "{at}");
            if let Some(made) = made {
                assert_eq!(kept[0].access_key, made.keypair.access_key, "{at}");
                let keys = by_keypair(made.keypair.access_key.as_str(), made.secret_key.expose());
                assert!(block_on(broken.engine.login_with_keypair(keys)).is_ok(), "{at}");
            }
        },
    );
}

#[test]
fn fa1_a_rotation_without_overlap_that_was_committed_shows_the_new_secret() {
    let session = std::cell::RefCell::new(None);
    at_every_call(
        |broken| {
            add(&broken.engine, "ada@example.org", None);
            let Ok(LoginStep::LoggedIn(own)) = login(&broken.engine, "ada@example.org", PASSWORD) else { panic!() };
            session.replace(Some(own.session.clone()));
            let mut policy = (*broken.engine.policy()).clone();
            API(&mut policy);
            policy.keypairs.rotation_overlap = Duration::ZERO;
            block_on(broken.engine.set_policy(policy)).unwrap();
            let old = block_on(broken.engine.create_keypair(&own.session, NewKeypair::default(), &Client::default()));
            let old = old.unwrap();
            let keys = by_keypair(old.keypair.access_key.as_str(), old.secret_key.expose());
            let Ok(LoginStep::LoggedIn(by_old)) = block_on(broken.engine.login_with_keypair(keys)) else { panic!() };
            (old, by_old)
        },
        |broken, (old, _)| {
            let own = session.borrow().clone().unwrap();
            block_on(broken.engine.rotate_keypair(&own, &old.keypair.access_key, &Client::default())).ok()
        },
        |broken, (old, by_old), shown, at| {
            let own = session.borrow().clone().unwrap();
            let kept = block_on(broken.engine.keypairs(own.user, None, 10)).unwrap();
            assert_eq!(kept.len(), 1, "{at}");
            let is_new = kept[0].access_key != old.keypair.access_key;
            // Only a commit whose own answer was lost may leave a pair that nobody was shown.
            assert!(!is_new || shown.is_some() || at.contains("Directory::commit, After"), "{at}");
            assert_eq!(block_on(broken.engine.check(&by_old.token)).is_err(), is_new, "{at}");
            broken.clock.advance(Duration::from_secs(61));
            block_on(broken.engine.upkeep()).unwrap();
            let set = doorwarden_core::store::SessionStore::sessions_of(&*broken.store, own.user, broken.engine.now());
            let listed = block_on(set).unwrap().live.iter().any(|session| session.id == by_old.session.id);
            assert_eq!(listed, !is_new, "{at}");
        },
    );
}
