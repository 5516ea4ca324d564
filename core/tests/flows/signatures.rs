//! Signed requests: who is believed to have sent one, once.

use std::time::Duration;

use doorwarden_core::client::Client;
use doorwarden_core::keypair::IssuedKeypair;
use doorwarden_core::policy::PublicUrl;
use doorwarden_core::session::SessionMode;
use doorwarden_core::signature::{Claim, InvalidSignature, RequestSignature, SignedBy, SignedRequest};
use doorwarden_core::store::{Change, Directory, UserKey, Write};
use doorwarden_core::testing::{ClientSignature, ManualClock, MemoryMailer, MemoryStore};
use doorwarden_core::time::Timestamp;
use doorwarden_core::user::{User, UserStatus};
use doorwarden_core::{Failure, engine::Engine};
use futures_executor::block_on;

use crate::faults::at_every_call;
use crate::keypairs::{API, holder};
use crate::races::at_once;
use crate::world::{PASSWORD, World, add, login, policy, refusal, start};

const AUTHORITY: &str = "127.0.0.1:8080";
const NONCE: &str = "b3f1c6d2a4e85970";

/// The fields of a request for `/orders`, signed at `created` seconds.
fn signed(issued: &IssuedKeypair, created: i64, nonce: &str) -> Vec<(String, String)> {
    let client = ClientSignature {
        access_key: &issued.keypair.access_key,
        secret_key: &issued.secret_key,
        authority: AUTHORITY,
        created,
        nonce,
    };
    client.fields("GET", "/orders", b"")
}

fn check(engine: &Engine, fields: &[(String, String)]) -> Result<Option<SignedBy>, Failure<InvalidSignature>> {
    let headers: Vec<_> = fields.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
    let request = SignedRequest { method: "GET", path: "/orders", query: None, headers: &headers, body: b"" };
    let client = Client::new(Some("203.0.113.9".parse().unwrap()), Some("tests"));
    block_on(engine.check_signed_request(&request, &client))
}

fn seconds(engine: &Engine) -> i64 {
    engine.now().as_millis() / 1_000
}

/// Whether a request that is signed now is accepted.
fn accepts(world: &World, issued: &IssuedKeypair, nonce: &str) -> bool {
    check(&world.engine, &signed(issued, seconds(&world.engine), nonce)).map_err(refusal).is_ok_and(|by| by.is_some())
}

fn world() -> (World, User, IssuedKeypair) {
    let world = World::new(API);
    block_on(world.engine.upkeep()).unwrap();
    let (user, _, issued) = holder(&world);
    (world, user, issued)
}

fn numbered(number: usize) -> String {
    format!("nonce-{number:016}")
}

#[test]
fn kp1_a_signed_request_is_its_owner_s_and_an_unsigned_one_is_nobody_s() {
    let (world, user, issued) = world();
    let by = check(&world.engine, &signed(&issued, seconds(&world.engine), NONCE)).unwrap().unwrap();
    assert_eq!((by.user.id, &by.keypair.access_key), (user.id, &issued.keypair.access_key));
    assert_eq!(
        (by.session.mode, by.session.user, by.session.proved_at),
        (SessionMode::Api, user.id, Timestamp::default())
    );
    assert!(check(&world.engine, &[]).unwrap().is_none());
    let used = |world: &World| block_on(world.store.keypair(&issued.keypair.access_key)).unwrap().unwrap().last_used_at;
    let first = used(&world);
    assert_eq!(first, Some(world.engine.now()));
    world.pass(59);
    assert!(accepts(&world, &issued, &numbered(1)));
    assert_eq!(used(&world), first, "written once a minute");
    world.pass(1);
    assert!(accepts(&world, &issued, &numbered(2)));
    assert_eq!(used(&world), Some(world.engine.now()));
}

#[test]
fn kp2_a_captured_request_is_refused_until_it_is_out_of_time_and_then_for_that() {
    let (world, _, issued) = world();
    let early = seconds(&world.engine) + 900;
    let fields = signed(&issued, early, NONCE);
    assert!(check(&world.engine, &fields).is_ok());
    for _ in 0..1_805 {
        assert!(check(&world.engine, &fields).is_err(), "at {}", seconds(&world.engine));
        world.pass(1);
        if seconds(&world.engine) % 60 == 0 {
            block_on(world.engine.upkeep()).unwrap();
        }
    }
    assert!(accepts(&world, &issued, NONCE), "the nonce of another time");
}

#[test]
fn kp2_of_100_callers_with_one_request_one_is_answered() {
    let (world, _, issued) = world();
    let fields = signed(&issued, seconds(&world.engine), NONCE);
    let answered = at_once(100, |_| check(&world.engine, &fields).is_ok());
    assert_eq!(answered.into_iter().filter(|answered| *answered).count(), 1);
}

#[test]
fn kp2_a_nonce_is_spent_only_by_a_signature_that_is_right() {
    let (world, _, issued) = world();
    let now = seconds(&world.engine);
    let mut forged = signed(&issued, now, NONCE);
    forged[1].1 = format!("sig1=:{}:", "A".repeat(43) + "=");
    assert!(check(&world.engine, &forged).is_err());
    assert!(check(&world.engine, &signed(&issued, now - 901, NONCE)).is_err());
    assert!(accepts(&world, &issued, NONCE));
}

#[test]
fn kp2_two_keypairs_may_draw_one_nonce() {
    let (world, _, issued) = world();
    let session = block_on(world.engine.check(&world_login(&world))).unwrap();
    let other = crate::keypairs::create(&world, &session).unwrap();
    assert!(accepts(&world, &issued, NONCE) && accepts(&world, &other, NONCE));
    assert!(!accepts(&world, &issued, NONCE) && !accepts(&world, &other, NONCE));
}

fn world_login(world: &World) -> doorwarden_core::token::SessionToken {
    let mut policy = (*world.engine.policy()).clone();
    policy.session.on_conflict = doorwarden_core::session::OnConflict::Allow;
    block_on(world.engine.set_policy(policy)).unwrap();
    world.log_in("ada@example.org").token
}

#[test]
fn kp2_what_is_dated_before_the_store_s_memory_is_refused() {
    let (world, _, issued) = world();
    let now = seconds(&world.engine);
    assert!(check(&world.engine, &signed(&issued, now - 1, NONCE)).is_err(), "the memory began now");
    assert!(check(&world.engine, &signed(&issued, now, NONCE)).is_err(), "but the nonce was seen");
    assert!(check(&world.engine, &signed(&issued, now, &numbered(1))).is_ok());
    world.pass(10);
    assert!(check(&world.engine, &signed(&issued, now, &numbered(2))).is_ok());
    // A store of marks that starts anew, beside the same directory.
    let fresh = std::sync::Arc::new(MemoryStore::default());
    let builder = Engine::builder()
        .store(world.store.clone())
        .tickets(fresh)
        .mailer(world.mailer.clone())
        .clock(std::sync::Arc::new(world.clock.clone()));
    let engine = start(builder, policy());
    assert!(check(&engine, &signed(&issued, now, &numbered(2))).is_err(), "a replay over the loss");
    world.pass(1);
    assert!(check(&engine, &signed(&issued, now + 11, &numbered(3))).is_ok());
}

#[test]
fn f15_a_request_that_is_too_old_or_too_new_is_refused_and_the_policy_says_by_how_much() {
    for (skew, off, accepted) in
        [(900, 901, false), (900, 900, true), (900, -900, true), (900, -901, false), (60, 61, false), (60, -60, true)]
    {
        let world = World::new(|policy| policy.keypairs.clock_skew = Duration::from_secs(skew));
        block_on(world.engine.upkeep()).unwrap();
        world.pass(3_600);
        let (_, _, issued) = holder(&world);
        let fields = signed(&issued, seconds(&world.engine) + off, NONCE);
        assert_eq!(check(&world.engine, &fields).is_ok(), accepted, "{off} s off, {skew} allowed");
    }
}

#[test]
fn kp3_unknown_inactive_expired_replaced_disabled_and_wrong_are_one_answer() {
    type Event = fn(&World, &IssuedKeypair);
    fn write(world: &World, issued: &IssuedKeypair, change: impl Fn(&mut doorwarden_core::keypair::Keypair)) {
        let mut keypair = block_on(world.store.keypair(&issued.keypair.access_key)).unwrap().unwrap();
        change(&mut keypair);
        block_on(world.store.commit(&[Change::Keypair(Write::Update(keypair))])).unwrap();
    }
    let changes: [(&str, Event); 6] = [
        ("keypair.inactive", |world, issued| write(world, issued, |k| k.active = false)),
        ("keypair.expired", |world, issued| write(world, issued, |k| k.expires_at = Some(Timestamp::default()))),
        ("keypair.replaced", |world, issued| write(world, issued, |k| k.replaced_until = Some(Timestamp::default()))),
        ("user.status", |world, _| {
            let mut user = block_on(world.store.user(UserKey::Email("ada@example.org"))).unwrap().unwrap();
            user.status = UserStatus::Disabled;
            block_on(world.store.commit(&[Change::User(Write::Update(user))])).unwrap();
        }),
        ("signature.wrong", |world, issued| {
            let keypair = block_on(world.store.keypair(&issued.keypair.access_key)).unwrap().unwrap();
            block_on(world.store.commit(&[Change::Keypair(Write::Delete(keypair))])).unwrap();
        }),
        ("signature.form", |_, _| {}),
    ];
    for (rule, change) in changes {
        let (world, _, issued) = world();
        let mut fields = signed(&issued, seconds(&world.engine), NONCE);
        if rule == "signature.form" {
            fields.pop();
        }
        change(&world, &issued);
        assert_eq!(check(&world.engine, &fields).map_err(refusal).unwrap_err(), InvalidSignature, "{rule}");
        assert_eq!(world.trail().last().unwrap(), &format!("signature.refused refusal {rule}"));
        check(&world.engine, &fields).unwrap_err();
        let refused = |world: &World| world.trail().iter().filter(|line| line.starts_with("signature.refused")).count();
        assert_eq!(refused(&world), 1, "one a minute");
        world.pass(60);
        check(&world.engine, &fields).unwrap_err();
        assert_eq!(refused(&world), 2);
    }
}

#[test]
fn fa1_a_signed_request_is_answered_rightly_or_not_at_all() {
    at_every_call(
        |broken| {
            block_on(broken.engine.upkeep()).unwrap();
            add(&broken.engine, "ada@example.org", None);
            let Ok(doorwarden_core::login::LoginStep::LoggedIn(logged_in)) =
                login(&broken.engine, "ada@example.org", PASSWORD)
            else {
                panic!()
            };
            let form = doorwarden_core::keypair::NewKeypair::default();
            block_on(broken.engine.create_keypair(&logged_in.session, form, &Client::default())).unwrap()
        },
        |broken, issued| check(&broken.engine, &signed(issued, seconds(&broken.engine), NONCE)),
        |broken, issued, outcome, at| {
            match outcome {
                Ok(by) => assert!(by.is_some(), "{at}"),
                Err(Failure::Fault(_)) => {}
                Err(Failure::Refused(refusal)) => panic!("{at}: {refusal}"),
            }
            let again = check(&broken.engine, &signed(issued, seconds(&broken.engine), &numbered(1)));
            assert!(again.is_ok_and(|by| by.is_some()), "{at}");
        },
    );
}

/// A scheme of a host's own: the access key and the secret key in the clear, which no host should take.
#[derive(Debug)]
struct Plain;

impl RequestSignature for Plain {
    fn is_carried_by(&self, request: &SignedRequest<'_>) -> bool {
        request.has("x-plain")
    }

    fn read(&self, request: &SignedRequest<'_>, _: &PublicUrl) -> Result<Claim, InvalidSignature> {
        let field =
            request.field("x-plain")?.and_then(|field| std::str::from_utf8(field).ok()).ok_or(InvalidSignature)?;
        let mut parts = field.splitn(4, ' ').map(str::to_owned);
        let mut part = || parts.next().ok_or(InvalidSignature);
        let (access_key, secret, created, nonce) = (part()?, part()?, part()?, part()?);
        Ok(Claim {
            access_key: doorwarden_core::keypair::AccessKey::parse(&access_key).map_err(|_| InvalidSignature)?,
            created_at: Timestamp::from_millis(created.parse::<i64>().map_err(|_| InvalidSignature)? * 1_000),
            nonce: nonce.into_bytes(),
            check: Box::new(move |key| key.expose() == secret),
        })
    }
}

#[test]
fn kp1_a_host_s_own_scheme_takes_the_place_of_rfc_9421_and_keeps_every_other_rule() {
    let clock = ManualClock::skipping_sleeps(Timestamp::from_millis(1_800_000_000_000));
    let (store, mailer) = (std::sync::Arc::new(MemoryStore::default()), std::sync::Arc::new(MemoryMailer::default()));
    let builder =
        Engine::builder().store(store.clone()).mailer(mailer.clone()).clock(std::sync::Arc::new(clock.clone()));
    let engine = start(builder.request_signature(std::sync::Arc::new(Plain)), policy());
    block_on(engine.upkeep()).unwrap();
    let world = World { engine, store, mailer, clock };
    let (user, _, issued) = holder(&world);
    let plain = |secret: &str, off: i64| {
        let text = format!("{} {secret} {} {NONCE}", issued.keypair.access_key, seconds(&world.engine) + off);
        check(&world.engine, &[("x-plain".to_owned(), text)])
    };
    let secret = issued.secret_key.expose();
    assert!(plain("wrong", 0).is_err() && plain(secret, 901).is_err());
    assert_eq!(plain(secret, 0).unwrap().unwrap().user.id, user.id);
    assert!(plain(secret, 0).is_err(), "once");
    assert!(check(&world.engine, &signed(&issued, seconds(&world.engine), NONCE)).unwrap().is_none());
}
