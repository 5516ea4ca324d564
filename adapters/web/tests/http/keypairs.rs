use std::time::Duration;

use axum::http::{Method, StatusCode};
use doorwarden_core::session::SessionMode;
use serde_json::{Value, json};

use crate::world::{Reply, World};

const EMAIL: &str = "ada@example.org";

async fn world() -> World {
    World::with(|policy| policy.login.modes = vec![SessionMode::Session, SessionMode::Api]).await
}

async fn create(world: &World, token: &str) -> Value {
    let reply = world.post("/keypairs", json!({ "label": " CI " })).cookie(token).send().await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text());
    reply.json()
}

async fn log_in(world: &World, keypair: &Value) -> Reply {
    let (access_key, secret_key) = (&keypair["access_key"], &keypair["secret_key"]);
    let body = json!({ "mode": "api", "access_key": access_key, "secret_key": secret_key, "want": "token" });
    world.post("/login", body).send().await
}

fn switch(world: &World, token: &str, access_key: &str, active: bool) -> crate::world::Call {
    let call = world.call(Method::PATCH, &format!("/keypairs/{access_key}")).cookie(token);
    call.json(json!({ "active": active }).to_string())
}

#[tokio::test]
async fn keypairs_from_making_one_to_deleting_it() {
    let world = world().await;
    let token = world.logged_in(EMAIL).await;
    let list = || async { world.get("/keypairs").cookie(&token).send().await.json()["keypairs"].clone() };
    assert_eq!(list().await, json!([]));
    let made = create(&world, &token).await;
    let access_key = made["access_key"].as_str().unwrap();
    assert_eq!((access_key.len(), made["secret_key"].as_str().unwrap().len()), (20, 40));
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret_key");
    let expected = json!({
        "access_key": access_key, "label": "CI", "scopes": [], "active": true, "created_at": "2027-01-15T08:00:00Z",
        "expires_at": null, "last_used_at": null,
    });
    assert_eq!(shown, expected);
    assert_eq!(list().await, json!([expected]));

    let logged_in = log_in(&world, &made).await.json();
    assert_eq!((&logged_in["status"], &logged_in["session"]["mode"]), (&json!("logged_in"), &json!("api")));
    let program = logged_in["token"].as_str().unwrap();
    assert_eq!(world.get("/session").bearer(program).send().await.status, StatusCode::OK);

    let off = switch(&world, &token, access_key, false).send().await;
    assert_eq!((off.status, &off.json()["active"]), (StatusCode::OK, &json!(false)));
    world.get("/session").bearer(program).send().await.assert_problem(401, "session_ended", "kp3");
    log_in(&world, &made).await.assert_problem(401, "invalid_credentials", "kp3");
    assert_eq!(switch(&world, &token, access_key, true).send().await.status, StatusCode::OK);

    let path = format!("/keypairs/{access_key}/rotate");
    let rotated = world.call(Method::POST, &path).cookie(&token).send().await;
    assert_eq!((rotated.status, &rotated.json()["label"]), (StatusCode::CREATED, &json!("CI")));
    world.call(Method::POST, &path).cookie(&token).send().await.assert_problem(409, "stale", "twice");
    assert_eq!(list().await[0]["replaced_until"], "2027-01-16T08:00:00Z");
    assert_eq!(log_in(&world, &made).await.status, StatusCode::OK, "the overlap");

    let deleted = world.delete(&format!("/keypairs/{access_key}")).cookie(&token).send().await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(list().await.as_array().unwrap().len(), 1);
    world.delete(&format!("/keypairs/{access_key}")).cookie(&token).send().await.assert_problem(
        404,
        "not_found",
        "gone",
    );
}

#[tokio::test]
async fn keypairs_come_in_pages_and_stop_at_the_limit() {
    let world = world().await;
    let token = world.logged_in(EMAIL).await;
    for _ in 0..5 {
        world.clock.advance(Duration::from_millis(1));
        create(&world, &token).await;
    }
    let sixth = world.post("/keypairs", json!({})).cookie(&token).send().await;
    sixth.assert_problem(409, "keypair_limit", "one more");
    let first = world.get("/keypairs?limit=3").cookie(&token).send().await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.get(&format!("/keypairs?cursor={cursor}&limit=3")).cookie(&token).send().await.json();
    assert_eq!((first["keypairs"].as_array().unwrap().len(), second["keypairs"].as_array().unwrap().len()), (3, 2));
    assert_eq!(second.get("next_cursor"), None);
}

#[tokio::test]
async fn se8_kp4_keypairs_ask_for_a_fresh_proof_and_never_take_a_program_s_session() {
    let world = world().await;
    let token = world.logged_in(EMAIL).await;
    let made = create(&world, &token).await;
    let program = log_in(&world, &made).await.json()["token"].as_str().unwrap().to_owned();
    let access_key = made["access_key"].as_str().unwrap();
    let create = |body: Value| world.post("/keypairs", body);
    create(json!({})).bearer(&program).send().await.assert_problem(403, "forbidden", "kp4");
    world.delete("/sessions").bearer(&program).send().await.assert_problem(403, "proof_required", "kp4");
    world.clock.advance(Duration::from_secs(600));
    create(json!({})).cookie(&token).send().await.assert_problem(403, "proof_required", "create");
    let rotate = world.call(Method::POST, &format!("/keypairs/{access_key}/rotate")).cookie(&token);
    rotate.send().await.assert_problem(403, "proof_required", "rotate");
    switch(&world, &token, access_key, false).send().await;
    switch(&world, &token, access_key, true).send().await.assert_problem(403, "proof_required", "on");
    let proof = json!({ "password": crate::world::PASSWORD });
    world.post("/session/prove", proof).cookie(&token).send().await;
    assert_eq!(create(json!({})).cookie(&token).send().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn what_can_t_be_kept_is_refused_by_its_field() {
    let world = world().await;
    let token = world.logged_in(EMAIL).await;
    let long = "x".repeat(101);
    for (body, field) in [
        (json!({ "label": long }), "label"),
        (json!({ "label": 1 }), "label"),
        (json!({ "expires_at": "tomorrow" }), "expires_at"),
        (json!({ "expires_at": "2026-01-01T00:00:00Z" }), "expires_at"),
        (json!({ "scopes": [] }), "scopes"),
    ] {
        let reply = world.post("/keypairs", body.clone()).cookie(&token).send().await;
        reply.assert_problem(400, "invalid_request", field);
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    let made =
        world.post("/keypairs", json!({ "expires_at": "2027-02-01T01:00:00+01:00" })).cookie(&token).send().await;
    assert_eq!(made.json()["expires_at"], "2027-02-01T00:00:00Z");
}
