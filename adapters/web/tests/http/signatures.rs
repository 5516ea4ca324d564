//! Signed requests over HTTP.

use axum::Router;
use axum::body::Bytes;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use doorwarden_core::administration::UserChange;
use doorwarden_core::client::Client;
use doorwarden_core::keypair::{AccessKey, SecretKey};
use doorwarden_core::testing::ClientSignature;
use doorwarden_core::user::Role;
use doorwarden_web::{Auth, CurrentUser, WebSettings, signed_requests};
use serde_json::{Value, json};

use crate::world::{Call, World};

const EMAIL: &str = "ada@example.org";

/// A program with a keypair, which signs each of its requests with another nonce.
pub(crate) struct Program {
    access_key: AccessKey,
    secret_key: SecretKey,
    nonces: std::cell::Cell<u32>,
}

impl Program {
    /// The program that a new keypair was given to.
    pub(crate) fn of(made: &Value) -> Self {
        let access_key = AccessKey::parse(made["access_key"].as_str().unwrap()).unwrap();
        let secret_key = SecretKey::new(made["secret_key"].as_str().unwrap().to_owned());
        Self { access_key, secret_key, nonces: std::cell::Cell::default() }
    }

    fn fields(&self, world: &World, method: &Method, target: &str, body: &[u8]) -> Vec<(String, String)> {
        self.nonces.set(self.nonces.get() + 1);
        let client = ClientSignature {
            access_key: &self.access_key,
            secret_key: &self.secret_key,
            authority: "127.0.0.1:8080",
            created: world.engine.now().as_millis() / 1_000,
            nonce: &format!("nonce-of-a-test-{}", self.nonces.get()),
        };
        client.fields(method.as_str(), target, body)
    }

    /// A request as it is sent, whole.
    pub(crate) fn call(&self, world: &World, method: &Method, target: &str, body: &Value) -> Call {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let fields = self.fields(world, method, target, body.as_bytes());
        let mut call = world.call(method.clone(), "");
        call.set_path(target);
        let call = if body.is_empty() { call } else { call.json(body) };
        fields.iter().fold(call, |call, (name, value)| call.header(name, value))
    }

    fn get(&self, world: &World, target: &str) -> Call {
        self.call(world, &Method::GET, target, &Value::Null)
    }
}

/// A world whose store remembers nonces, a token of its user, and a program of theirs.
async fn world() -> (World, String, Program) {
    let world = World::new().await;
    world.engine.upkeep().await.unwrap();
    let token = world.logged_in(EMAIL).await;
    let made = world.post("/keypairs", json!({})).cookie(&token).send().await.json();
    (world, token, Program::of(&made))
}

#[tokio::test]
async fn kp1_a_signed_request_is_accepted_where_a_session_is() {
    let (world, _, program) = world().await;
    for target in
        ["/auth/session", "/auth/account", "/auth/sessions?limit=2", "/auth/keypairs?limit=1&limit=1", "/auth/totp"]
    {
        let reply = program.get(&world, target).send().await;
        // A repeated key is signed as it was sent, and refused as a query afterwards.
        let expected = if target.contains("limit=1") { 400 } else { 200 };
        assert_eq!(reply.status.as_u16(), expected, "{target}: {}", reply.text());
    }
    let current = program.get(&world, "/auth/session").send().await.json();
    assert_eq!((&current["user"]["email"], &current["session"]["mode"]), (&json!(EMAIL), &json!("api")));
    let listed = program.get(&world, "/auth/sessions").send().await.json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "a signed request opens none");
    assert_eq!(listed["sessions"][0]["current"], false);
    let change = program.call(&world, &Method::PATCH, "/auth/account", &json!({ "full_name": "Ada" })).send().await;
    assert_eq!(change.status.as_u16(), 200, "{}", change.text());
}

#[tokio::test]
async fn kp2_a_replayed_request_is_refused_and_a_wrong_one_spends_nothing() {
    let (world, _, program) = world().await;
    let fields = program.fields(&world, &Method::GET, "/auth/session", b"");
    let send = |path: &str| {
        let mut call = world.call(Method::GET, "");
        call.set_path(path);
        fields.iter().fold(call, |call, (name, value)| call.header(name, value)).send()
    };
    send("/auth/account").await.assert_problem(401, "invalid_signature", "of another path");
    assert_eq!(send("/auth/session").await.status.as_u16(), 200);
    send("/auth/session").await.assert_problem(401, "invalid_signature", "replayed");
}

#[tokio::test]
async fn kp5_the_body_is_compared_as_it_was_received_before_it_is_parsed() {
    let (world, _, program) = world().await;
    let signed = br#"{"full_name":"Ada"}"#;
    // The same value in other bytes, and what no parser would take.
    for sent in ["{\"full_name\": \"Ada\"}", "{\"full_name\":\"Ada\"}\n", "{", "", r#"{"full_name":"Eve"}"#] {
        let fields = program.fields(&world, &Method::PATCH, "/auth/account", signed);
        let call = world.call(Method::PATCH, "/account").json(sent);
        let call = fields.iter().fold(call, |call, (name, value)| call.header(name, value));
        call.send().await.assert_problem(401, "invalid_signature", sent);
    }
    let fields = program.fields(&world, &Method::PATCH, "/auth/account", b"");
    let call = world.call(Method::PATCH, "/account").json(signed.to_vec());
    let call = fields.iter().fold(call, |call, (name, value)| call.header(name, value));
    call.send().await.assert_problem(401, "invalid_signature", "a body that isn't covered");
    let large = format!("{{\"full_name\":\"{}\"}}", "x".repeat(70_000));
    let fields = program.fields(&world, &Method::PATCH, "/auth/account", large.as_bytes());
    let call = world.call(Method::PATCH, "/account").json(large);
    let call = fields.iter().fold(call, |call, (name, value)| call.header(name, value));
    call.send().await.assert_problem(413, "invalid_request", "too large");
}

#[tokio::test]
async fn kp4_where_a_person_is_asked_for_a_signed_request_answers_proof_required() {
    let (world, _, program) = world().await;
    let key = program.access_key.to_string();
    let (post, delete, patch) = (&Method::POST, &Method::DELETE, &Method::PATCH);
    for (method, path, body) in [
        (post, "/keypairs".to_owned(), json!({})),
        (patch, format!("/keypairs/{key}"), json!({ "active": false })),
        (post, format!("/keypairs/{key}/rotate"), Value::Null),
        (delete, format!("/keypairs/{key}"), Value::Null),
        (delete, "/sessions".to_owned(), Value::Null),
        (post, "/password/change".to_owned(), json!({ "current_password": "a", "new_password": "b" })),
        (post, "/email/change".to_owned(), json!({ "new_email": "b@example.org", "password": "a" })),
        (post, "/totp/setup".to_owned(), json!({ "password": "a" })),
        (post, "/session/prove".to_owned(), json!({ "password": crate::world::PASSWORD })),
        (post, "/logout".to_owned(), Value::Null),
    ] {
        let target = format!("/auth{path}");
        let reply = program.call(&world, method, &target, &body).send().await;
        reply.assert_problem(403, "proof_required", &format!("{method} {path}"));
    }
    assert_eq!(program.get(&world, "/auth/keypairs").send().await.json()["keypairs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn kp4_an_administrators_program_makes_no_administrator() {
    let (world, _, program) = world().await;
    let user = world.engine.find_user(EMAIL).await.unwrap().unwrap();
    let admin = UserChange { role: Some(Role::admin()), ..UserChange::default() };
    world.engine.change_user(user.id, &admin, &Client::default()).await.unwrap();
    let send = |path: &str, body: Value| {
        let call = program.call(&world, &Method::POST, &format!("/auth/admin{path}"), &body);
        async move { call.send().await }
    };
    for (path, body) in [
        ("/users", json!({ "email": "eve@example.org", "role": "admin" })),
        ("/invitations", json!({ "role": "admin" })),
    ] {
        send(path, body).await.assert_problem(403, "proof_required", path);
    }
    for (path, body) in [("/users", json!({ "email": "bob@example.org" })), ("/invitations", json!({}))] {
        assert_eq!(send(path, body).await.status.as_u16(), 201, "{path}");
    }
}

#[tokio::test]
async fn kp1_a_session_that_is_shown_counts_and_the_signature_beside_it_is_not_looked_at() {
    let (world, token, _) = world().await;
    let with = |call: Call| call.header("signature-input", "sig1=()").header("signature", "sig1=:AAAA:");
    assert_eq!(with(world.get("/session").cookie(&token)).send().await.status.as_u16(), 200);
    assert_eq!(with(world.get("/session").bearer(&token)).send().await.status.as_u16(), 200);
    with(world.get("/session").bearer("x")).send().await.assert_problem(401, "session_required", "a wrong token");
    with(world.get("/session")).send().await.assert_problem(401, "invalid_signature", "alone");
    with(world.call(Method::POST, "/logout")).send().await.assert_problem(401, "invalid_signature", "alone");
    assert_eq!(with(world.get("/options")).send().await.status.as_u16(), 200, "asks for nobody");
    with(world.login(EMAIL, "wrong")).send().await.assert_problem(401, "invalid_credentials", "asks for nobody");
}

#[tokio::test]
async fn kp1_a_hosts_own_routes_take_signed_requests_by_the_layer_and_keep_the_body() {
    let (world, _, program) = world().await;
    let auth = Auth::new(world.engine.clone(), WebSettings::default());
    let echo = |CurrentUser { user, .. }: CurrentUser, body: Bytes| async move {
        format!("{}: {}", user.email.typed(), String::from_utf8_lossy(&body))
    };
    let shop = Router::new().route("/orders/{*rest}", post(echo)).route("/mine", get(echo));
    let layered = shop.clone().layer(from_fn_with_state(auth.clone(), signed_requests)).with_state(auth.clone());
    let app = Router::new().nest("/shop", layered).nest("/bare", shop.with_state(auth));
    let world = World { app, ..world };
    let order = program.call(&world, &Method::POST, "/shop/orders//a%2Fb", &json!({ "item": "tea" })).send().await;
    assert_eq!(order.text(), format!("{EMAIL}: {{\"item\":\"tea\"}}"));
    let bare = program.get(&world, "/bare/mine").send().await;
    bare.assert_problem(401, "session_required", "without the layer");
}

#[tokio::test]
async fn fa1_a_fault_at_a_signed_request_is_no_refusal() {
    let (world, _, program) = world().await;
    let call = program.get(&world, "/auth/session");
    world.store.fail_call(1, doorwarden_core::testing::FaultMoment::Before);
    call.send().await.assert_problem(503, "unavailable", "the store is down");
}
