//! The caller's own account over HTTP.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{Call, PASSWORD, World};

const EMAIL: &str = "ada@example.org";

fn change(world: &World, body: Value) -> Call {
    world.call(Method::PATCH, "/account").json(body.to_string())
}

fn delete(world: &World, body: Value) -> Call {
    world.post("/account/delete", body)
}

#[tokio::test]
async fn the_export_holds_the_account_its_documents_sessions_and_events() {
    let world = World::with(|policy| {
        policy.session.max_concurrent = 5;
        policy.sign_up.terms.version = "3".to_owned();
        policy.sign_up.terms.url = "https://example.org/terms".to_owned();
    })
    .await;
    let form = json!({ "email": EMAIL, "password": PASSWORD, "username": "ada", "accept": { "terms": "3" } });
    world.post("/sign-up", form).send().await;
    world.post("/verify-email", json!({ "token": world.mailed_token() })).send().await;
    let session = world.login(EMAIL, PASSWORD).send().await.cookie();
    world.get("/account").send().await.assert_problem(401, "session_required", "nobody");
    let reply = world.get("/account?limit=2").cookie(&session).send().await;
    let json = reply.json();
    assert_eq!((reply.status, &json["email"], &json["username"]), (StatusCode::OK, &json!(EMAIL), &json!("ada")));
    assert_eq!(json["accepted"]["terms"]["version"], "3");
    assert!(json["accepted"]["terms"]["at"].is_string() && json["accepted"]["privacy"].is_null(), "{json}");
    assert_eq!((json["sessions"].as_array().unwrap().len(), &json["sessions"][0]["current"]), (1, &json!(true)));
    assert_eq!(json["events"].as_array().unwrap().len(), 2);
    assert_eq!(json["keypairs"], json!([]));
    let cursor = json["next_cursor"].as_str().unwrap();
    let rest = world.get(&format!("/account?cursor={cursor}")).cookie(&session).send().await.json();
    assert!(rest["events"][0]["time"].as_str() >= json["events"][1]["time"].as_str(), "{rest}");
    assert_eq!(rest.get("next_cursor"), None);
    for secret in ["$2b$", "dwl_", "dws_", "token", "hash"] {
        assert!(!reply.text().contains(secret), "{secret}: {}", reply.text());
    }
    world.get("/account?cursor=x").cookie(&session).send().await.assert_problem(400, "invalid_request", "cursor");
}

#[tokio::test]
async fn the_export_lists_keypairs_without_secrets_and_a_deletion_ends_them() {
    let world = World::with(|policy| policy.login.modes.push(doorwarden_core::session::SessionMode::Api)).await;
    let session = world.logged_in(EMAIL).await;
    let made = world.post("/keypairs", json!({ "label": "nightly" })).cookie(&session).send().await.json();
    let log_in = || {
        let (access_key, secret_key) = (&made["access_key"], &made["secret_key"]);
        let body = json!({ "mode": "api", "access_key": access_key, "secret_key": secret_key, "want": "token" });
        world.post("/login", body).send()
    };
    let program = log_in().await.json()["token"].as_str().unwrap().to_owned();
    let reply = world.get("/account").cookie(&session).send().await;
    let listed = world.get("/keypairs").cookie(&session).send().await.json()["keypairs"].clone();
    assert_eq!((&reply.json()["keypairs"], &listed[0]["label"]), (&listed, &json!("nightly")));
    assert!(!reply.text().contains(made["secret_key"].as_str().unwrap()) && !reply.text().contains("secret"));
    let deleted = delete(&world, json!({ "password": PASSWORD })).cookie(&session).send().await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    world.get("/session").bearer(&program).send().await.assert_problem(401, "session_ended", "of its program");
    log_in().await.assert_problem(401, "invalid_credentials", "gone with its account");
}

#[tokio::test]
async fn name_and_language_change_by_the_rules_of_sign_up() {
    let world = World::new().await;
    world.account("bob@example.org").await;
    let bob = world.login("bob@example.org", PASSWORD).send().await.cookie();
    let ada = world.logged_in(EMAIL).await;
    let taken = change(&world, json!({ "username": "bob" })).cookie(&bob).send().await;
    assert_eq!((taken.status, &taken.json()["username"]), (StatusCode::OK, &json!("bob")));
    for (body, status, code) in [
        (json!({ "username": "Bob" }), 409, "username_taken"),
        (json!({ "username": "a@b" }), 422, "invalid_username"),
        (json!({ "full_name": "a\u{202e}b" }), 400, "invalid_request"),
        (json!({ "fields": { "door": "1" } }), 400, "invalid_request"),
        (json!({ "locale": "?" }), 400, "invalid_request"),
        (json!({ "email": "eve@example.org" }), 400, "invalid_request"),
        (json!({ "role": "admin" }), 400, "invalid_request"),
        (json!({ "full_name": 1 }), 400, "invalid_request"),
    ] {
        change(&world, body.clone()).cookie(&ada).send().await.assert_problem(status, code, &body.to_string());
    }
    let changed = change(&world, json!({ "full_name": " Ada L ", "locale": "ko" })).cookie(&ada).send().await.json();
    assert_eq!((&changed["full_name"], changed.get("username")), (&json!("Ada L"), None));
    let account = world.get("/account").cookie(&ada).send().await.json();
    assert_eq!((&account["full_name"], &account["locale"]), (&json!("Ada L"), &json!("ko")));
    let cleared = change(&world, json!({ "full_name": "" })).cookie(&ada).send().await.json();
    assert_eq!(cleared.get("full_name"), None);
}

#[tokio::test]
async fn an_account_is_deleted_with_password_and_code_and_the_cookie_goes() {
    let world = World::new().await;
    let session = world.logged_in(EMAIL).await;
    let (authenticator, _) = world.authenticator(&session).await;
    delete(&world, json!({})).send().await.assert_problem(401, "session_required", "nobody");
    delete(&world, json!({})).cookie(&session).send().await.assert_problem(401, "invalid_credentials", "nothing");
    let without = delete(&world, json!({ "password": PASSWORD })).cookie(&session).send().await;
    without.assert_problem(422, "invalid_code", "no code");
    let body = json!({ "password": PASSWORD, "code": authenticator.code(&world) });
    let deleted = delete(&world, body).cookie(&session).send().await;
    assert_eq!((deleted.status, deleted.body.len()), (StatusCode::NO_CONTENT, 0));
    assert!(deleted.set_cookie().unwrap().contains("Max-Age=0"), "{:?}", deleted.set_cookie());
    world.get("/session").cookie(&session).send().await.assert_problem(401, "session_ended", "se3");
    world.login(EMAIL, PASSWORD).send().await.assert_problem(401, "invalid_credentials", "gone");
    world.account(EMAIL).await;
}
