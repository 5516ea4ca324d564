//! What becomes of mails that can't be sent: tried again, and given up on the trail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorwarden_core::Fault;
use doorwarden_core::audit::{AuditEvent, AuditFilter, AuditName};
use doorwarden_core::client::Client;
use doorwarden_core::delivery::OutboxSize;
use doorwarden_core::engine::{Engine, StartError};
use doorwarden_core::mail::{Mail, MailSetup, MailTemplates, Mailer, Promptness};
use doorwarden_core::store::Directory;
use doorwarden_core::testing::{FaultMoment, FaultyStore, ManualClock, MemoryMailer, MemoryStore};
use doorwarden_core::time::Timestamp;
use futures_executor::block_on;

use crate::world::{World, form, policy, start};

/// The events of mails that were given up.
fn given_up(engine: &Engine) -> Vec<AuditEvent> {
    let events = block_on(engine.audit(&AuditFilter::default(), 200)).unwrap();
    events.into_iter().map(|(_, event)| event).filter(|event| event.name == AuditName::MailGivenUp).collect()
}

fn waiting(world: &World) -> OutboxSize {
    block_on(world.store.outbox_size()).unwrap()
}

/// Does the upkeep every hour, for so many.
fn hours(world: &World, hours: u64) {
    for _ in 0..hours {
        world.pass(3_600);
        block_on(world.engine.upkeep()).unwrap();
    }
}

#[test]
fn a_mail_whose_link_has_lapsed_is_not_sent_and_its_giving_up_is_on_the_trail() {
    let world = World::new(|_| {});
    world.mailer.fail_next(1_000);
    world.sign_up("ada@example.org").unwrap();
    hours(&world, 23);
    assert_eq!(given_up(&world.engine), []);
    assert_eq!(waiting(&world).waiting, 1, "it is tried as long as its link works");
    world.mailer.fail_next(0);
    world.pass(3_600);
    block_on(world.engine.upkeep()).unwrap();
    assert!(world.mailer.mails().is_empty(), "a dead link helps nobody");
    assert_eq!(waiting(&world), OutboxSize::default());
    let events = given_up(&world.engine);
    let [event] = &*events else { panic!("{events:?}") };
    assert_eq!(event.rule.as_deref(), Some("mail.link_lapsed"));
    assert_eq!(event.subject.as_deref(), Some("ada@example.org"), "the address names no account");
    assert_eq!(event.facts["kind"], "verify-email");
    assert!(event.facts["attempts"].as_u64().unwrap() > 5, "{:?}", event.facts);
}

#[test]
fn a_mail_that_no_server_takes_for_three_days_is_given_up_on_the_trail() {
    let world = World::new(|_| {});
    let ada = world.add("ada@example.org", None);
    world.mailer.take_mails();
    world.mailer.fail_next(1_000);
    world.sign_up("ada@example.org").unwrap();
    hours(&world, 71);
    assert_eq!(given_up(&world.engine), []);
    hours(&world, 2);
    let events = given_up(&world.engine);
    let [event] = &*events else { panic!("{events:?}") };
    assert_eq!((event.rule.as_deref(), event.user), (Some("mail.unreachable"), Some(ada.id)));
    assert_eq!(event.facts["kind"], "already-registered");
    assert_eq!(waiting(&world), OutboxSize::default());
}

/// A mail server that has no such mailbox.
#[derive(Debug)]
struct Refusing;

#[async_trait]
impl Mailer for Refusing {
    async fn send(&self, mail: &Mail) -> Result<(), Fault> {
        Err(Fault::lasting("sending mail to", mail.to.masked(), "550 no such mailbox"))
    }

    fn promptness(&self) -> Promptness {
        Promptness::BeforeReply
    }
}

#[test]
fn a_mail_that_the_server_refuses_is_given_up_after_an_hour_and_names_its_account() {
    let clock = ManualClock::skipping_sleeps(Timestamp::from_millis(0));
    let store = Arc::new(MemoryStore::default());
    let builder = Engine::builder().store(store.clone()).mailer(Arc::new(Refusing)).clock(Arc::new(clock.clone()));
    let engine = start(builder, policy());
    let ada = crate::world::add(&engine, "ada@example.org", None);
    block_on(engine.forgot_password("ada@example.org", &Client::default())).unwrap();
    clock.advance(Duration::from_secs(1_000));
    block_on(engine.upkeep()).unwrap();
    assert_eq!(given_up(&engine), [], "an operator may mend it meanwhile");
    block_on(engine.sign_up(form("eve@example.org"))).unwrap();
    clock.advance(Duration::from_secs(4_000));
    block_on(engine.upkeep()).unwrap();
    let mut rules: Vec<_> = given_up(&engine).into_iter().map(|event| (event.rule.unwrap(), event.user)).collect();
    rules.sort();
    // The reset's link works for 30 minutes only; the other's address names no account.
    assert_eq!(rules, [("mail.link_lapsed".to_owned(), Some(ada.id)), ("mail.refused".to_owned(), None)]);
}

#[test]
fn what_waits_goes_by_the_mailer_that_is_in_force_now() {
    let world = World::new(|_| {});
    world.mailer.fail_next(1_000);
    world.sign_up("ada@example.org").unwrap();
    let next = Arc::new(MemoryMailer::default());
    let mut policy = (*world.engine.policy()).clone();
    policy.mail.from = "post@example.org".to_owned();
    let mail = |mailer| MailSetup { mailer, templates: MailTemplates::default() };
    let none = block_on(world.engine.set_policy_and_mail(policy.clone(), mail(None)));
    assert!(matches!(none, Err(StartError::Missing(_))), "{none:?}");
    assert_ne!(world.engine.policy().mail.from, "post@example.org", "the policy stays where its mailer is missing");
    block_on(world.engine.set_policy_and_mail(policy, mail(Some(next.clone())))).unwrap();
    world.pass(60);
    block_on(world.engine.upkeep()).unwrap();
    world.sign_up("eve@example.org").unwrap();
    let senders: Vec<_> = next.mails().into_iter().map(|mail| mail.from).collect();
    assert_eq!(senders, ["no-reply@localhost", "post@example.org"]);
    assert_eq!(waiting(&world).waiting, 0);
}

#[test]
fn fa1_a_mail_is_given_up_once_whichever_call_fails() {
    for call in 1.. {
        for moment in [FaultMoment::Before, FaultMoment::After] {
            let clock = ManualClock::skipping_sleeps(Timestamp::from_millis(1_800_000_000_000));
            let (store, mailer) =
                (Arc::new(FaultyStore::over(Arc::new(MemoryStore::default()))), Arc::new(MemoryMailer::default()));
            let builder = Engine::builder().store(store.clone()).mailer(mailer.clone()).clock(Arc::new(clock.clone()));
            let engine = start(builder, policy());
            mailer.fail_next(1);
            block_on(engine.sign_up(form("ada@example.org"))).unwrap();
            clock.advance(Duration::from_secs(86_400));
            store.fail_call(call, moment);
            let told = block_on(engine.upkeep());
            let failed = store.failed();
            store.heal();
            assert_eq!(told.is_err(), failed.is_some(), "call {call}, {moment:?}, {failed:?}");
            clock.advance(Duration::from_secs(61));
            block_on(engine.upkeep()).unwrap();
            assert_eq!(given_up(&engine).len(), 1, "call {call}, {moment:?}, {failed:?}");
            assert_eq!(block_on(store.outbox_size()).unwrap(), OutboxSize::default(), "call {call}, {moment:?}");
            assert!(mailer.mails().is_empty());
            if failed.is_none() {
                assert!(call > 8, "the last of {call} calls");
                return;
            }
        }
    }
}
