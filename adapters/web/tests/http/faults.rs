use std::sync::Arc;

use async_trait::async_trait;
use axum::http::Method;
use doorwarden_core::error::Fault;
use doorwarden_core::session::OnConflict;
use doorwarden_core::sign_up::{SignUpAttempt, SignUpGate};
use doorwarden_core::testing::FaultMoment;
use doorwarden_web::WebSettings;
use serde_json::json;

use crate::world::{PASSWORD, World};

const EMAIL: &str = "ada@example.org";

/// A host's gate with a bug.
#[derive(Debug)]
pub(crate) struct PanickingGate;

#[async_trait]
impl SignUpGate for PanickingGate {
    async fn admit(&self, attempt: &SignUpAttempt<'_>) -> Result<Result<(), String>, Fault> {
        assert!(attempt.email.domain() != "example.org", "a bug of the host's at /srv/host/gate.rs");
        Ok(Ok(()))
    }
}

#[tokio::test]
async fn fa2_a_panic_is_a_500_with_a_reference_and_the_server_goes_on() {
    let gate = Arc::new(PanickingGate);
    let world = World::built(|_| {}, WebSettings::default(), |builder| builder.sign_up_gate(gate)).await;
    let mut references = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let reply = world.sign_up(EMAIL).await;
        reply.assert_problem(500, "internal", "panic");
        assert!(!reply.text().contains("bug") && !reply.text().contains("srv"), "fa12: {}", reply.text());
        references.insert(reply.json()["reference"].as_str().unwrap().to_owned());
    }
    assert_eq!(references.len(), 20, "each its own");
    world.account("ada@example.com").await;
    assert_eq!(world.login("ada@example.com", PASSWORD).send().await.json()["status"], "logged_in");
}

#[tokio::test]
async fn fa1_a_fault_at_any_call_of_a_login_is_unavailable_or_the_right_answer_and_tells_nothing_inner() {
    for call in 1..40 {
        for moment in [FaultMoment::Before, FaultMoment::After] {
            let world = World::new().await;
            world.account(EMAIL).await;
            world.store.fail_call(call, moment);
            let reply = world.login(EMAIL, PASSWORD).send().await;
            let case = format!("call {call} {moment:?}: {:?}", world.store.failed());
            if reply.status.as_u16() == 200 {
                assert_eq!(reply.json()["status"], "logged_in", "{case}");
                continue;
            }
            reply.assert_problem(503, "unavailable", &case);
            assert_eq!(reply.set_cookie(), None, "{case}");
            for inner in ["test asked", "Directory", "commit", "loading", "user "] {
                assert!(!reply.text().contains(inner), "fa12: {case}: {}", reply.text());
            }
        }
    }
}

#[tokio::test]
async fn fa2_a_panic_at_any_call_of_a_login_leaves_locks_queue_and_counts_usable() {
    for call in 1.. {
        let world = World::with(|policy| policy.session.on_conflict = OnConflict::Allow).await;
        let session = world.logged_in(EMAIL).await;
        world.store.fail_call(call, FaultMoment::Panic);
        let reply = world.login(EMAIL, PASSWORD).send().await;
        let Some(panicked) = world.store.failed() else {
            assert!(call > 8, "a login makes calls");
            return;
        };
        let case = format!("call {call}, {panicked}");
        if reply.status.as_u16() != 200 {
            reply.assert_problem(500, "internal", &case);
            assert!(reply.json()["reference"].is_string() && !reply.text().contains("panic"), "fa12: {case}");
        }
        world.store.heal();
        assert_eq!(world.get("/session").cookie(&session).send().await.status.as_u16(), 200, "{case}");
        let again = world.login(EMAIL, PASSWORD).send().await;
        assert_eq!(again.json()["status"], "logged_in", "{case}");
        world.clock.advance(std::time::Duration::from_secs(61));
        world.engine.upkeep().await.unwrap();
        let evaluated = world.engine.hash_evaluations();
        for _ in 0..15 {
            assert!(world.login(EMAIL, "wrong").send().await.status.is_client_error(), "{case}");
        }
        assert!(world.engine.hash_evaluations() - evaluated <= 11, "gu1: {case}");
    }
}

#[tokio::test]
async fn fa9_sessions_are_checked_while_every_hashing_thread_is_taken() {
    let world = World::with(|policy| {
        (policy.hashing.threads, policy.hashing.queue) = (1, 4);
        policy.password.bcrypt_cost = 4;
    })
    .await;
    let session = world.logged_in(EMAIL).await;
    let mut policy = (*world.engine.policy()).clone();
    policy.password.bcrypt_cost = 12;
    world.engine.set_policy(policy).await.unwrap();
    let logins: Vec<_> =
        (0..4).map(|n| tokio::spawn(world.login(&format!("user{n}@example.org"), "wrong").send())).collect();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(logins.iter().all(|login| !login.is_finished()), "each waits for its hash");
    assert_eq!(world.get("/session").cookie(&session).send().await.status.as_u16(), 200);
    assert!(logins.iter().any(|login| !login.is_finished()), "and goes on waiting");
    for login in logins {
        login.await.unwrap().assert_problem(401, "invalid_credentials", "in the end");
    }
}

#[tokio::test]
async fn fa12_health_says_up_or_down_and_no_more() {
    let world = World::new().await;
    assert_eq!(world.get("/healthz").send().await.json(), json!({ "status": "up" }));
    world.store.fail_call(1, FaultMoment::Before);
    let down = world.get("/healthz").send().await;
    down.assert_problem(503, "unavailable", "down");
    assert_eq!((&down.json()["detail"], down.json().get("reference")), (&json!("down"), None));
    assert_eq!(world.get("/healthz").send().await.status.as_u16(), 200, "up again");
}

#[tokio::test]
async fn a_client_that_hangs_up_turns_no_right_password_into_a_failure() {
    let world = World::with(|policy| {
        policy.session.on_conflict = OnConflict::Allow;
        policy.password.bcrypt_cost = 10;
    })
    .await;
    world.account(EMAIL).await;
    for _ in 0..15 {
        let before = world.engine.hash_evaluations();
        let login = tokio::spawn(world.login(EMAIL, PASSWORD).send());
        for _ in 0..6 {
            tokio::task::yield_now().await;
        }
        assert!(!login.is_finished(), "its hash is under way");
        login.abort();
        assert!(login.await.unwrap_err().is_cancelled());
        for _ in 0..2_000 {
            if world.engine.hash_evaluations() > before {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    let reply = world.login(EMAIL, PASSWORD).send().await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    let wrong = world.login(EMAIL, "wrong").send().await;
    wrong.assert_problem(401, "invalid_credentials", "all guesses are left");
}

#[tokio::test]
async fn a_login_whose_former_session_cant_be_ended_is_a_login_all_the_same() {
    let world = World::with(|policy| policy.session.on_conflict = OnConflict::Allow).await;
    let former = world.logged_in(EMAIL).await;
    world.store.heal();
    world.login(EMAIL, PASSWORD).send().await;
    let calls = world.store.calls();
    world.store.fail_call(calls + 1, FaultMoment::Before);
    let reply = world.login(EMAIL, PASSWORD).cookie(&former).send().await;
    assert!(world.store.failed().is_some());
    assert_eq!(world.get("/session").cookie(&reply.cookie()).send().await.status.as_u16(), 200);
    let out = world.call(Method::POST, "/logout").cookie(&former).send().await;
    assert_eq!(out.status.as_u16(), 204, "it lives on");
}

/// A log that a test reads.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn fa12_the_reference_leads_to_the_line_of_the_log_and_no_secret_is_in_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    world.account(EMAIL).await;
    world.store.fail_call(2, FaultMoment::Before);
    let reply = world.login(EMAIL, PASSWORD).send().await;
    let json = reply.json();
    let reference = json["reference"].as_str().unwrap();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(reference)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("ERROR") && lines[0].contains("a test asked for this fault"), "{log}");
    for secret in [PASSWORD, EMAIL] {
        assert!(!log.contains(secret), "{log}");
    }
}
