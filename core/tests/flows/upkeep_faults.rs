//! FA1 where no person waits: a fault at each port call of linking, verifying and sweeping the audit trail, of a start,
//! and of what a complete login leaves behind.

use std::sync::Arc;
use std::time::Duration;

use doorwarden_core::client::{Browser, Client};
use doorwarden_core::engine::{Engine, StartError};
use doorwarden_core::error::Failure;
use doorwarden_core::login::{LoginRequest, LoginStep};
use doorwarden_core::policy::Policy;
use doorwarden_core::seal::SealKeys;
use doorwarden_core::store::Directory;
use doorwarden_core::testing::{FaultMoment, FaultyStore, MemoryMailer, MemoryStore};
use doorwarden_core::upkeep::Upkeep;
use futures_executor::block_on;

use crate::faults::{Broken, at_every_call};
use crate::world::{PASSWORD, WRONG, add, policy, request};

const ADA: &str = "ada@example.org";

fn set(broken: &Broken, change: impl FnOnce(&mut Policy)) {
    let mut policy = (*broken.engine.policy()).clone();
    change(&mut policy);
    block_on(broken.engine.set_policy(policy)).unwrap();
}

/// Some events, of which the first are linked.
fn trail(broken: &Broken) -> usize {
    add(&broken.engine, ADA, None);
    for n in 0..6 {
        if n == 2 {
            block_on(broken.engine.link_audit()).unwrap();
        }
        let _ = block_on(broken.engine.login(request(ADA, WRONG)));
    }
    events(broken)
}

fn events(broken: &Broken) -> usize {
    block_on(broken.store.audit_records(None, 500)).unwrap().len()
}

/// Every event is linked, and none was changed, lost or linked twice.
fn assert_whole(broken: &Broken, expected: usize, at: &str) {
    block_on(broken.engine.link_audit()).unwrap_or_else(|fault| panic!("{at}: {fault}"));
    let found = block_on(broken.engine.verify_audit(&[])).unwrap();
    assert!(found.is_whole(), "{at}: {found:?}");
    assert_eq!((events(broken), found.unlinked), (expected, 0), "{at}");
}

#[test]
fn fa1_fa7_a_fault_while_the_trail_is_linked_leaves_it_whole_and_it_is_carried_on() {
    at_every_call(
        trail,
        |broken, _| block_on(broken.engine.link_audit()).is_ok(),
        |broken, written, _, at| assert_whole(broken, *written, at),
    );
}

#[test]
fn fa1_fa7_a_fault_while_the_trail_is_verified_is_no_alarm() {
    at_every_call(
        |broken| {
            let written = trail(broken);
            block_on(broken.engine.link_audit()).unwrap();
            written
        },
        |broken, _| block_on(broken.engine.verify_audit(&[])),
        |broken, written, verified, at| {
            if let Ok(found) = verified {
                assert!(found.is_whole(), "{at}: a store that doesn't answer is no tampering: {found:?}");
            }
            assert_whole(broken, *written, at);
        },
    );
}

#[test]
fn fa1_fa7_a_fault_while_old_events_are_removed_leaves_the_rest_verifiable() {
    const KEPT: usize = 2;
    at_every_call(
        |broken| {
            set(broken, |policy| policy.audit.keep = Duration::from_secs(86_400));
            trail(broken);
            block_on(broken.engine.link_audit()).unwrap();
            broken.clock.advance(Duration::from_secs(86_401));
            for _ in 0..KEPT {
                let _ = block_on(broken.engine.login(request(ADA, WRONG)));
            }
        },
        |broken, ()| drop(block_on(broken.engine.upkeep())),
        |broken, (), (), at| {
            block_on(broken.engine.link_audit()).unwrap();
            let found = block_on(broken.engine.verify_audit(&[])).unwrap();
            assert!(found.is_whole(), "{at}: {found:?}");
            block_on(broken.engine.upkeep()).unwrap();
            assert_whole(broken, KEPT, at);
        },
    );
}

#[test]
fn fa1_a_start_that_fails_leaves_a_store_that_starts_and_knows_its_key() {
    let store = || Arc::new(MemoryStore::default());
    let start = |store: Arc<FaultyStore>, key: u8| {
        let builder = Engine::builder().store(store).mailer(Arc::new(MemoryMailer::default())).policy(policy());
        block_on(builder.seal_keys(SealKeys::new(&[key; 32], &[])).upkeep(Upkeep::ByHost).start())
    };
    for begun in [false, true] {
        for moment in [FaultMoment::Before, FaultMoment::After] {
            for call in 1.. {
                let inner = store();
                if begun {
                    add(&start(Arc::new(FaultyStore::over(inner.clone())), 7).unwrap(), ADA, None);
                }
                let faulty = Arc::new(FaultyStore::over(inner));
                faulty.fail_call(call, moment);
                let failed = start(faulty.clone(), 7);
                let Some(at) = faulty.failed() else {
                    assert!(call > 1, "a start makes calls");
                    break;
                };
                let at = format!("call {call}, {at}, {moment:?}, begun: {begun}");
                if let Err(error) = failed {
                    assert!(matches!(error, StartError::Fault(_)), "{at}: a fault is no missing key: {error}");
                }
                faulty.heal();
                let engine = start(faulty.clone(), 7).unwrap_or_else(|error| panic!("{at}: {error}"));
                drop(engine);
                let other = start(faulty, 8).err().unwrap_or_else(|| panic!("{at}: another key starts"));
                assert!(matches!(other, StartError::SealKey(_) | StartError::SealKeyMissing), "{at}: {other}");
            }
        }
    }
}

fn from(browser: Browser) -> LoginRequest {
    let plain = request(ADA, PASSWORD);
    LoginRequest { client: plain.client.clone().with_browser(browser), ..plain }
}

#[test]
fn fa1_a_browser_is_known_to_the_account_if_it_is_told_so_and_a_notice_holds_up_no_login() {
    at_every_call(
        |broken| {
            set(broken, |policy| {
                (policy.lockout.known_browser, policy.lockout.notify) = (true, true);
            });
            add(&broken.engine, ADA, None);
            for _ in 0..6 {
                let _ = block_on(broken.engine.login(request(ADA, WRONG)));
            }
        },
        |broken, ()| match block_on(broken.engine.login(from(Browser::Unknown))) {
            Ok(LoginStep::LoggedIn(logged_in)) => Some(logged_in),
            Ok(other) => panic!("{other:?}"),
            Err(Failure::Fault(_)) => None,
            Err(Failure::Refused(refusal)) => panic!("{refusal}"),
        },
        |broken, (), logged_in, at| {
            let known = broken.user(ADA).unwrap().known_browsers;
            if let Some(logged_in) = &logged_in {
                assert!(block_on(broken.engine.check(&logged_in.token)).is_ok(), "{at}");
                if let Some(browser) = &logged_in.browser {
                    assert!(known.iter().any(|known| known.token == browser.digest()), "{at}");
                }
            }
            broken.clock.advance(Duration::from_secs(61));
            block_on(broken.engine.upkeep()).unwrap();
            let again = block_on(broken.engine.login(from(Browser::Unknown)));
            let Ok(LoginStep::LoggedIn(again)) = again else { panic!("{at}: {again:?}") };
            assert!(again.browser.is_some(), "{at}: nothing is left half");
            let noticed = broken.mailer.take_mails();
            assert!(noticed.len() <= 2, "{at}: {}", noticed.len());
            assert!(block_on(broken.engine.log_out(&again.token, &Client::default())).is_ok(), "{at}");
        },
    );
}
