//! Each counter moves by the act that it names, and by no other.

use std::sync::Arc;

use doorwarden_core::client::Client;
use doorwarden_core::engine::Engine;
use doorwarden_core::error::Failure;
use doorwarden_core::metrics::{Count, Metrics};
use doorwarden_core::testing::{FaultMoment, FaultyStore, MemoryMailer, MemoryStore};
use futures_executor::block_on;

use crate::world::{PASSWORD, WRONG, World, add, policy, request, start};

fn metrics(engine: &Engine) -> Metrics {
    block_on(engine.metrics())
}

/// The kinds that were counted at all.
fn counted(counts: &[Count]) -> Vec<(&'static str, u64)> {
    counts.iter().filter(|count| count.count > 0).map(|count| (count.of, count.count)).collect()
}

#[test]
fn logins_are_counted_by_how_each_ended() {
    let world = World::new(|policy| policy.session.max_concurrent = 1);
    world.add("ada@example.org", None);
    world.log_in("ada@example.org");
    assert_eq!(world.code("ada@example.org", PASSWORD), "session_conflict");
    world.fail("ada@example.org", 11);
    assert_eq!(world.code("ada@example.org", PASSWORD), "locked_out");
    let seen = metrics(&world.engine);
    let logins = [("logged_in", 1), ("session_conflict", 1), ("invalid_credentials", 11), ("locked_out", 1)];
    assert_eq!(counted(&seen.logins), logins);
    assert_eq!(counted(&seen.restrictions), [("account", 1)]);
    assert_eq!(seen.sessions_opened, 1);
    assert_eq!(counted(&seen.events), [("login.succeeded", 1), ("session.opened", 1), ("user.changed", 1)]);
    assert_eq!(counted(&seen.refusals), [("login.failed", 11), ("login.restricted", 2)]);
    assert_eq!(counted(&seen.store_faults), []);
}

#[test]
fn restrictions_are_counted_by_what_they_restrict() {
    let world = World::new(|policy| policy.lockout.per_address.max_failures = 5);
    world.fail("nobody@example.org", 6);
    assert_eq!(counted(&metrics(&world.engine).restrictions), [("address", 1)]);
    let world = World::new(|_| {});
    world.fail("nobody@example.org", 11);
    assert_eq!(counted(&metrics(&world.engine).restrictions), [("unknown", 1)]);
}

#[test]
fn sessions_are_counted_as_they_open_and_as_they_end() {
    let world = World::new(|policy| {
        policy.session.max_concurrent = 1;
        policy.session.on_conflict = doorwarden_core::session::OnConflict::EndOldest;
    });
    world.add("ada@example.org", None);
    world.log_in("ada@example.org");
    let second = world.log_in("ada@example.org");
    block_on(world.engine.log_out(&second.token, &Client::default())).unwrap();
    let seen = metrics(&world.engine);
    assert_eq!(seen.sessions_opened, 2);
    assert_eq!(counted(&seen.sessions_ended), [("logged_out", 1), ("taken_over", 1)]);
}

#[test]
fn hashing_is_counted_with_how_long_callers_waited() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let before = metrics(&world.engine).hashing;
    world.fail("ada@example.org", 3);
    let after = metrics(&world.engine).hashing;
    assert_eq!(after.evaluations - before.evaluations, 3);
    let waits = |load: &doorwarden_core::hashing::HashingLoad| load.waits.buckets.iter().map(|(_, n)| n).sum::<u64>();
    assert_eq!(waits(&after) - waits(&before), 3);
    assert_eq!((after.waiting, after.outside, after.busy), (0, 0, 0));
    assert!(after.threads > 0);
}

#[test]
fn mails_are_counted_as_they_are_sent_or_fail_and_the_outbox_as_it_is() {
    let world = World::new(|_| {});
    world.mailer.fail_next(1);
    world.sign_up("ada@example.org").unwrap();
    let seen = metrics(&world.engine);
    assert_eq!(counted(&seen.mails), [("failed", 1)]);
    assert_eq!(seen.outbox.map(|outbox| outbox.waiting), Some(1));
    world.pass(60);
    block_on(world.engine.upkeep()).unwrap();
    let seen = metrics(&world.engine);
    assert_eq!(counted(&seen.mails), [("sent", 1), ("failed", 1)]);
    assert_eq!(seen.outbox.map(|outbox| outbox.waiting), Some(0));
    world.mailer.fail_next(1_000);
    world.sign_up("eve@example.org").unwrap();
    world.pass(86_400);
    block_on(world.engine.upkeep()).unwrap();
    assert_eq!(counted(&metrics(&world.engine).mails), [("sent", 1), ("failed", 2), ("given_up", 1)]);
}

#[test]
fn store_faults_are_counted_by_port_and_make_no_fault_of_the_metrics() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::default())));
    let engine = start(Engine::builder().store(store.clone()).mailer(Arc::new(MemoryMailer::default())), policy());
    add(&engine, "ada@example.org", None);
    let mut unavailable = 0;
    for call in 1.. {
        store.fail_call(call, FaultMoment::Before);
        let told = block_on(engine.login(request("ada@example.org", WRONG)));
        unavailable += u64::from(matches!(told, Err(Failure::Fault(_))));
        if store.failed().is_none() {
            break;
        }
        let faults = counted(&metrics(&engine).store_faults).iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!(faults, u64::try_from(call).unwrap(), "{:?}", store.failed());
    }
    let seen = metrics(&engine);
    let ports: Vec<_> = counted(&seen.store_faults).into_iter().map(|(port, _)| port).collect();
    assert_eq!(ports, ["directory", "lockouts"]);
    assert!(unavailable > 0 && counted(&seen.logins).contains(&("unavailable", unavailable)), "{:?}", seen.logins);
    store.fail_call(1, FaultMoment::Before);
    assert_eq!(metrics(&engine).outbox, None);
}
