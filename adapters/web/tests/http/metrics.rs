use axum::http::StatusCode;
use doorwarden_core::testing::FaultMoment;
use doorwarden_web::WebSettings;

use crate::world::{PASSWORD, World};

async fn open() -> World {
    World::built(|_| {}, WebSettings { metrics: true, ..WebSettings::default() }, |builder| builder).await
}

/// The value of a line of the page, which must parse: comments, or a name with labels and a number.
async fn read(world: &World, sample: &str) -> Option<f64> {
    let reply = world.get("/metrics").send().await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = reply.text();
    assert!(text.ends_with('\n'), "{text}");
    let mut found = None;
    for line in text.lines().filter(|line| !line.starts_with("# HELP ") && !line.starts_with("# TYPE ")) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let plain = name.split('{').next().unwrap();
        assert!(
            plain.starts_with("doorwarden_") && plain.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{line}"
        );
        found = found.or((name == sample).then_some(value));
    }
    found
}

#[tokio::test]
async fn metrics_are_not_there_until_the_settings_open_them() {
    let closed = World::new().await;
    let reply = closed.get("/metrics").send().await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert!(!closed.get("/openapi.json").send().await.text().contains("/metrics"));
    let world = open().await;
    assert_eq!(read(&world, "doorwarden_sessions_opened_total").await, Some(0.0));
    assert!(world.get("/openapi.json").send().await.json()["paths"]["/metrics"]["get"].is_object());
}

#[tokio::test]
async fn each_counter_moves_by_the_act_that_it_names() {
    let world = open().await;
    let login = |outcome: &str| format!("doorwarden_login_steps_total{{outcome=\"{outcome}\"}}");
    world.account("ada@example.org").await;
    world.login("ada@example.org", "incorrect horse 1!").send().await;
    world.login("ada@example.org", PASSWORD).send().await;
    for (sample, value) in [
        (&*login("logged_in"), 1.0),
        (&login("invalid_credentials"), 1.0),
        (&login("locked_out"), 0.0),
        ("doorwarden_sessions_opened_total", 1.0),
        ("doorwarden_mails_total{outcome=\"sent\"}", 1.0),
        ("doorwarden_outbox_waiting", 0.0),
        ("doorwarden_audit_events_total{name=\"user.verified\"}", 1.0),
        ("doorwarden_audit_refusals_total{name=\"login.failed\"}", 1.0),
        ("doorwarden_restrictions_total{of=\"account\"}", 0.0),
    ] {
        assert_eq!(read(&world, sample).await, Some(value), "{sample}");
    }
    for _ in 0..11 {
        world.login("ada@example.org", "incorrect horse 1!").send().await;
    }
    assert_eq!(read(&world, "doorwarden_restrictions_total{of=\"account\"}").await, Some(1.0));
    let evaluations = read(&world, "doorwarden_hash_evaluations_total").await;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let expected = world.engine.hash_evaluations() as f64;
    assert_eq!(evaluations, Some(expected));
    assert_eq!(read(&world, "doorwarden_hashing_wait_seconds_count").await, Some(expected));
    assert_eq!(read(&world, "doorwarden_hashing_wait_seconds_bucket{le=\"+Inf\"}").await, Some(expected));
}

#[tokio::test]
async fn metrics_are_told_while_the_store_is_down() {
    let world = open().await;
    world.store.fail_call(1, FaultMoment::Before);
    world.get("/healthz").send().await;
    world.store.fail_call(1, FaultMoment::Before);
    assert_eq!(read(&world, "doorwarden_outbox_waiting").await, None, "unknown, and not 0");
    assert_eq!(read(&world, "doorwarden_store_faults_total{port=\"directory\"}").await, Some(2.0));
}

#[tokio::test]
async fn fa4_metrics_hold_nothing_that_anybody_typed_and_no_token() {
    let world = open().await;
    world.account("ada@example.org").await;
    let reply = world.login("ada@example.org", PASSWORD).send().await;
    let token = reply.cookie();
    world.login("hunter2-typed-as-a-name", "hunter2-typed-as-a-password").send().await;
    let page = world.get("/metrics").send().await;
    let text = page.text();
    let user = world.get("/session").cookie(&token).send().await.json()["user"]["id"].as_str().unwrap().to_owned();
    for secret in [&*token, "hunter2", "ada@", PASSWORD, &user, "203.0.113", env!("CARGO_PKG_VERSION")] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
