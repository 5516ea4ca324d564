//! FA6, F17: the seal key is rotated, what it sealed is rewritten, and an old key that is missed is missed at the start.

use std::sync::Arc;

use doorwarden_core::client::Client;
use doorwarden_core::engine::{Engine, StartError};
use doorwarden_core::error::Fault;
use doorwarden_core::keypair::NewKeypair;
use doorwarden_core::login::{KeypairLogin, LoginStep};
use doorwarden_core::reseal::Resealed;
use doorwarden_core::seal::SealKeys;
use doorwarden_core::upkeep::Upkeep;
use futures_executor::block_on;

use crate::faults::at_every_call;
use crate::keypairs::API;
use crate::races::at_once;
use crate::totp::{EMAIL, Member, allowing, set_up, typed};
use crate::world::{PASSWORD, World, add, login, policy, refusal, request};

/// What every world begins with.
const OLD: [u8; 32] = [7; 32];
const NEW: [u8; 32] = [8; 32];

/// Another process on the same store, with these keys.
fn with(world: &World, current: &[u8; 32], old: &[[u8; 32]]) -> Result<Engine, StartError> {
    let builder = Engine::builder().store(world.store.clone()).mailer(world.mailer.clone());
    let builder = builder.clock(Arc::new(world.clock.clone())).policy((*world.engine.policy()).clone());
    block_on(builder.seal_keys(SealKeys::new(current, old)).upkeep(Upkeep::ByHost).start())
}

fn reseal(engine: &Engine) -> Resealed {
    block_on(engine.reseal()).unwrap()
}

/// Logs in with password and code.
fn complete(world: &World, engine: &Engine, member: &Member) {
    let ticket = match login(engine, EMAIL, PASSWORD) {
        Ok(LoginStep::OtpRequired { ticket }) => ticket,
        other => panic!("{other:?}"),
    };
    let step = block_on(engine.enter_code(&ticket, &typed(member.code(world)), &Client::default()));
    assert!(matches!(step, Ok(LoginStep::LoggedIn(_))), "{step:?}");
    world.pass(30);
}

#[test]
fn fa6_a_code_and_a_keypair_work_before_and_after_the_old_key_goes() {
    let world = allowing(API);
    let session = {
        add(&world.engine, "bob@example.org", None);
        world.log_in("bob@example.org").session
    };
    let issued = block_on(world.engine.create_keypair(&session, NewKeypair::default(), &Client::default())).unwrap();
    let by_keypair = |engine: &Engine| {
        let (access_key, secret_key) = (issued.keypair.access_key.to_string(), issued.secret_key.clone());
        let client = Client::default();
        block_on(engine.login_with_keypair(KeypairLogin { access_key, secret_key, client })).map_err(refusal).unwrap()
    };
    let member = world.member();
    let rotated = with(&world, &NEW, &[OLD]).unwrap();
    complete(&world, &rotated, &member);
    by_keypair(&rotated);

    let missing = with(&world, &NEW, &[]).unwrap_err();
    assert!(matches!(missing, StartError::SealKeyMissing), "{missing}");
    assert!(missing.to_string().contains("store.seal_keys_old, run `doorwarden reseal`"), "{missing}");
    let undone = with(&world, &OLD, &[]).unwrap_err();
    assert!(matches!(undone, StartError::SealKeyMissing), "the new key may have sealed something: {undone}");

    let done = reseal(&rotated);
    assert_eq!((done.seeds, done.keypairs, done.mails, done.waiting, done.dropped_keys), (1, 1, 0, 0, 1));
    assert_eq!(reseal(&rotated), Resealed::default(), "nothing is left to do");
    let event = world.trail().into_iter().filter(|line| line.starts_with("store.resealed")).collect::<Vec<_>>();
    assert_eq!(event, ["store.resealed success"]);

    let alone = with(&world, &NEW, &[]).unwrap();
    complete(&world, &alone, &member);
    by_keypair(&alone);
    let refused = with(&world, &OLD, &[]).unwrap_err();
    assert!(matches!(refused, StartError::SealKey(_)), "{refused}");
}

#[test]
fn fa6_a_sign_up_that_waits_is_recognised_and_keeps_its_key_until_it_lapses() {
    let world = World::new(|_| {});
    world.sign_up("ada@example.org").unwrap();
    let rotated = with(&world, &NEW, &[OLD]).unwrap();
    let code = |engine: &Engine, password: &str| login(engine, "ada@example.org", password).unwrap_err().code();
    assert_eq!(code(&rotated, PASSWORD), "email_unverified", "its fingerprint is the old key's");
    assert_eq!(code(&rotated, "another horse 2?"), "invalid_credentials");
    let left = reseal(&rotated);
    let until = rotated.now().after(rotated.policy().sign_up.verify_link);
    assert_eq!((left.waiting, left.waiting_until, left.dropped_keys), (1, Some(until), 0));
    assert!(matches!(with(&world, &NEW, &[]), Err(StartError::SealKeyMissing)));
    world.clock.advance(rotated.now().until(until));
    assert_eq!(reseal(&rotated).dropped_keys, 1);
    assert!(with(&world, &NEW, &[]).is_ok());
}

#[test]
fn fa6_a_mail_that_waits_is_rewritten_unless_somebody_may_be_sending_it() {
    let world = allowing(|_| {});
    world.mailer.fail_next(1);
    world.sign_up("bob@example.org").unwrap();
    let rotated = with(&world, &NEW, &[OLD]).unwrap();
    let leased = reseal(&rotated);
    assert_eq!((leased.mails, leased.waiting), (0, 2), "the mail and the sign-up");
    world.clock.advance(std::time::Duration::from_secs(61));
    let due = reseal(&rotated);
    assert_eq!((due.mails, due.waiting), (1, 1), "the sign-up alone");
    block_on(rotated.upkeep()).unwrap();
    assert_eq!(world.links().len(), 1);
}

#[test]
fn fa6_of_20_who_reseal_at_once_one_rewrites_each_value_and_one_drops_the_key() {
    let world = allowing(|_| {});
    let member = world.member();
    let processes: Vec<Engine> = (0..2).map(|_| with(&world, &NEW, &[OLD]).unwrap()).collect();
    let done = at_once(20, |n| {
        let done = reseal(&processes[n % 2]);
        (done.seeds, done.dropped_keys)
    });
    let sum = done.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(sum, (1, 1));
    complete(&world, &with(&world, &NEW, &[]).unwrap(), &member);
}

#[test]
fn fa6_a_set_up_begun_before_the_rotation_leaves_nothing_of_the_old_key() {
    let world = allowing(|_| {});
    world.add(EMAIL, None);
    let login = world.log_in(EMAIL);
    let begun = block_on(world.engine.totp_setup(&login.session, Some(password()), &Client::default())).unwrap();
    let rotated = with(&world, &NEW, &[OLD]).unwrap();
    assert_eq!(reseal(&rotated).dropped_keys, 1);
    let authenticator = crate::totp::Authenticator::of(&begun.1);
    let code = typed(authenticator.code(world.engine.now()));
    block_on(rotated.totp_confirm(&login.session, &begun.0, &code, &Client::default())).unwrap();
    assert_eq!(reseal(&rotated).seeds, 0);
}

fn password() -> doorwarden_core::password::Password {
    doorwarden_core::password::Password::new(PASSWORD.to_owned())
}

#[test]
fn fa1_an_interrupted_reseal_loses_nothing_and_is_carried_on() {
    at_every_call(
        |broken| {
            add(&broken.engine, EMAIL, None);
            let session = match block_on(broken.engine.login(request(EMAIL, PASSWORD))).unwrap() {
                LoginStep::LoggedIn(logged_in) => logged_in,
                other => panic!("{other:?}"),
            };
            set_up(&broken.engine, &session).0
        },
        |broken, _| {
            let builder = Engine::builder().store(broken.faulty.clone()).mailer(broken.mailer.clone());
            let builder = builder.clock(Arc::new(broken.clock.clone())).policy(policy()).upkeep(Upkeep::ByHost);
            let engine = block_on(builder.seal_keys(SealKeys::new(&NEW, &[OLD])).start()).ok()?;
            Some(block_on(engine.reseal()))
        },
        |broken, authenticator, outcome: Option<Result<Resealed, Fault>>, at| {
            let process = |old: &[[u8; 32]]| {
                let builder = Engine::builder().store(broken.store.clone()).mailer(broken.mailer.clone());
                let builder = builder.clock(Arc::new(broken.clock.clone())).policy(policy()).upkeep(Upkeep::ByHost);
                block_on(builder.seal_keys(SealKeys::new(&NEW, old)).start())
            };
            if !matches!(outcome, Some(Ok(_))) {
                reseal(&process(&[OLD]).unwrap());
            }
            broken.clock.advance(std::time::Duration::from_secs(30));
            let alone = process(&[]).unwrap_or_else(|error| panic!("{at}: {error}"));
            let Ok(LoginStep::OtpRequired { ticket }) = login(&alone, EMAIL, PASSWORD) else { panic!("{at}") };
            let code = typed(authenticator.code(alone.now()));
            let step = block_on(alone.enter_code(&ticket, &code, &Client::default()));
            assert!(matches!(step, Ok(LoginStep::LoggedIn(_) | LoginStep::SessionConflict { .. })), "{at}: {step:?}");
        },
    );
}
