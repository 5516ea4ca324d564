//! Every refusal of the slice, with its status and what goes with it.

use doorwarden_core::client::Client;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use doorwarden_core::session::OnConflict;
use doorwarden_core::testing::FaultMoment;
use doorwarden_core::totp::TotpMode;
use doorwarden_core::user::UserStatus;
use doorwarden_web::{Code, WebSettings};
use serde_json::{Value, json};

use crate::faults::PanickingGate;
use crate::trail::assert_on_trail;
use crate::world::{Call, PASSWORD, Reply, World};

const EMAIL: &str = "ada@example.org";

/// A ledger of the codes that were seen.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    async fn expect(&mut self, call: Call, status: u16, code: &str) -> Value {
        let engine = call.engine.clone();
        let body = self.expect_reply(&call.send().await, status, code);
        assert_on_trail(&engine, code).await;
        body
    }

    fn expect_reply(&mut self, reply: &Reply, status: u16, code: &str) -> Value {
        reply.assert_problem(status, code, code);
        self.0.insert(code.to_owned());
        reply.json()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_is_answered_with_its_status_and_body() {
    let mut seen = Seen::default();
    sign_up(&mut seen).await;
    login(&mut seen).await;
    session(&mut seen).await;
    keypairs(&mut seen).await;
    totp(&mut seen).await;
    administration(&mut seen).await;
    broken(&mut seen).await;
    let all: BTreeSet<String> = Code::ALL.iter().map(|code| code.name().to_owned()).collect();
    assert_eq!(seen.0, all, "a code that no case here provokes, or an unknown one");
}

async fn sign_up(seen: &mut Seen) {
    let form = |email: &str, password: &str, username: &str| json!({ "email": email, "password": password, "username": username });
    let world = World::with(|policy| {
        policy.sign_up.username = doorwarden_core::sign_up::Demand::Required;
        policy.sign_up.domains = vec!["example.org".to_owned()];
        policy.per_address_hour = 1;
    })
    .await;
    let sign_up = |email: &str, password: &str, username: &str| world.post("/sign-up", form(email, password, username));
    seen.expect(sign_up("nonsense", PASSWORD, "ada"), 422, "invalid_email").await;
    seen.expect(sign_up(EMAIL, PASSWORD, "a@b"), 422, "invalid_username").await;
    let required = seen.expect(sign_up(EMAIL, PASSWORD, " "), 422, "field_required").await;
    assert_eq!(required["field"], "username");
    seen.expect(sign_up("ada@example.com", PASSWORD, "ada"), 403, "sign_up_refused").await;
    let weak = seen.expect(sign_up(EMAIL, "abc", "ada"), 422, "password_too_weak").await;
    assert_eq!(weak["unmet"], json!(["min_length", "digit", "special"]), "s6: all at once");
    assert_eq!(sign_up(EMAIL, PASSWORD, "ada").from("203.0.113.9").send().await.status.as_u16(), 201);
    seen.expect(sign_up("bob@example.org", PASSWORD, "ada"), 409, "username_taken").await;
    let limited = sign_up("bob@example.org", PASSWORD, "bob").from("203.0.113.9");
    let limited = seen.expect(limited, 429, "too_many_requests").await;
    assert_eq!(limited["retry_after_seconds"], 3_600);
    seen.expect(world.post("/verify-email/resend", json!({ "email": "x" })), 422, "invalid_email").await;
    seen.expect(world.post("/verify-email", json!({ "token": "x" })), 410, "link_invalid").await;
    let root = json!({ "token": "x", "email": EMAIL, "password": PASSWORD });
    seen.expect(world.post("/first-administrator", root), 410, "link_invalid").await;

    let invited = World::with(|policy| policy.sign_up.invitation = doorwarden_core::sign_up::Demand::Required).await;
    let sign_up = |invitation: Value| {
        invited.post("/sign-up", json!({ "email": EMAIL, "password": PASSWORD, "invitation": invitation }))
    };
    seen.expect(sign_up(json!(null)), 422, "invitation_required").await;
    seen.expect(sign_up(json!("dwi_x")), 422, "invitation_invalid").await;

    let link = json!({ "token": "x", "new_password": PASSWORD });
    seen.expect(world.post("/password/reset", link), 410, "link_invalid").await;
    let unmailed = World::with(|policy| policy.recovery.enabled = false).await;
    let forgot = json!({ "email": EMAIL });
    seen.expect(unmailed.post("/password/forgot", forgot), 403, "recovery_disabled").await;

    let closed = World::with(|policy| policy.sign_up.open = false).await;
    seen.expect(closed.post("/sign-up", form(EMAIL, PASSWORD, "ada")), 403, "sign_up_closed").await;
    let open = World::with(|policy| policy.sign_up.verify_email = false).await;
    open.sign_up(EMAIL).await;
    seen.expect_reply(&open.sign_up(EMAIL).await, 409, "email_taken");
    let documents = World::with(|policy| {
        policy.sign_up.terms.version = "1".to_owned();
        policy.sign_up.terms.url = "https://example.org/terms".to_owned();
    });
    seen.expect_reply(&documents.await.sign_up(EMAIL).await, 422, "terms_not_accepted");
}

async fn login(seen: &mut Seen) {
    let world = World::with(|policy| policy.session.on_conflict = OnConflict::Refuse).await;
    world.sign_up(EMAIL).await;
    seen.expect(world.login(EMAIL, PASSWORD), 403, "email_unverified").await;
    world.post("/verify-email", json!({ "token": world.mailed_token() })).send().await;
    let api = json!({ "mode": "api", "access_key": "a", "secret_key": "s", "want": "token" });
    seen.expect(world.post("/login", api), 403, "mode_disabled").await;
    world.login(EMAIL, PASSWORD).send().await.cookie();
    seen.expect(world.login(EMAIL, PASSWORD), 409, "session_limit").await;
    for (path, body) in [
        ("/login/otp", json!({ "ticket": "dwt_x", "code": "123456" })),
        ("/login/totp-setup", json!({ "ticket": "dwt_x.token", "code": "123456" })),
        ("/login/password", json!({ "ticket": "dwt_x", "new_password": "x" })),
        ("/login/terms", json!({ "ticket": "dwt_x", "accept": {} })),
        ("/login/takeover", json!({ "ticket": "dwt_x.token", "proceed": false })),
    ] {
        seen.expect(world.post(path, body), 410, "ticket_invalid").await;
    }
    let user = world.engine.find_user(EMAIL).await.unwrap().unwrap();
    world.engine.set_status(user.id, UserStatus::Disabled, &Client::default()).await.unwrap();
    seen.expect(world.login(EMAIL, PASSWORD), 403, "account_disabled").await;
    for _ in 0..11 {
        seen.expect(world.login("bob@example.org", "wrong"), 401, "invalid_credentials").await;
    }
    let restricted = seen.expect(world.login("bob@example.org", "wrong"), 429, "locked_out").await;
    assert_eq!(restricted["retry_after_seconds"], 1_200);
    let cross_site = world.login(EMAIL, PASSWORD).header("sec-fetch-site", "cross-site");
    seen.expect(cross_site, 403, "cross_site").await;
    seen.expect(world.call(Method::POST, "/login").json("{}"), 400, "invalid_request").await;
}

async fn keypairs(seen: &mut Seen) {
    let world = World::with(|policy| policy.keypairs.per_user = 1).await;
    let token = world.logged_in(EMAIL).await;
    let made = world.post("/keypairs", json!({})).cookie(&token).send().await.json();
    seen.expect(world.post("/keypairs", json!({})).cookie(&token), 409, "keypair_limit").await;
    let path = format!("/keypairs/{}/rotate", made["access_key"].as_str().unwrap());
    let rotate = || world.call(Method::POST, &path).cookie(&token);
    assert_eq!(rotate().send().await.status, 201);
    seen.expect(rotate(), 409, "stale").await;
    seen.expect(world.get("/session").header("signature", "x"), 401, "invalid_signature").await;
}

async fn administration(seen: &mut Seen) {
    let world = World::new().await;
    let (admin, user) = (world.administrator("root@example.org").await, world.logged_in(EMAIL).await);
    seen.expect(world.get("/admin/users").cookie(&user), 403, "forbidden").await;
    let own = world.engine.find_user("root@example.org").await.unwrap().unwrap().id;
    let last = world.delete(&format!("/admin/users/{own}")).cookie(&admin);
    seen.expect(last, 409, "last_administrator").await;
}

async fn session(seen: &mut Seen) {
    let world = World::with(|policy| policy.session.idle = Some(Duration::from_secs(3_600))).await;
    let token = world.logged_in(EMAIL).await;
    let current = |token: &str| world.get("/session").cookie(token);
    let extend = |token: &str| world.call(Method::POST, "/session/extend").cookie(token);
    seen.expect(current("dws_x"), 401, "session_required").await;
    seen.expect(extend(&token), 409, "not_extendable").await;
    seen.expect(world.delete("/sessions/x").cookie(&token), 404, "not_found").await;
    world.clock.advance(Duration::from_secs(900));
    let id = "/sessions/01890a5d-ac96-774b-bcce-b302099a8057";
    seen.expect(world.delete(id).cookie(&token), 403, "proof_required").await;
    let asked = world.login(EMAIL, PASSWORD).send().await;
    let taken = world.post("/login/takeover", json!({ "ticket": asked.ticket(), "proceed": true })).send().await;
    seen.expect(current(&token), 401, "session_ended_elsewhere").await;
    let token = taken.cookie();
    world.clock.advance(Duration::from_secs(3_600));
    seen.expect(current(&token), 401, "session_idle").await;
    let token = world.login(EMAIL, PASSWORD).send().await.cookie();
    world.call(Method::POST, "/logout").cookie(&token).send().await;
    seen.expect(current(&token), 401, "session_ended").await;
    let token = world.login(EMAIL, PASSWORD).send().await.cookie();
    for _ in 0..9 {
        world.clock.advance(Duration::from_secs(3_500));
        current(&token).send().await;
    }
    seen.expect(current(&token), 401, "session_expired").await;
}

async fn totp(seen: &mut Seen) {
    let world = World::with(|policy| policy.totp.max_failures = 2).await;
    let token = world.logged_in(EMAIL).await;
    let post = |path: &str, body: Value| world.post(path, body).cookie(&token);
    let setup = || post("/totp/setup", json!({ "password": PASSWORD }));
    let ticket = setup().send().await.ticket();
    let confirm = |ticket: &str| post("/totp/confirm", json!({ "ticket": ticket, "code": "no code" }));
    seen.expect(confirm(&ticket), 422, "invalid_code").await;
    seen.expect(confirm("dwt_x"), 410, "ticket_invalid").await;
    seen.expect(post("/totp/setup", json!({ "password": "wrong" })), 401, "invalid_credentials").await;
    seen.expect(post("/totp/setup", json!({})), 401, "invalid_credentials").await;
    let mut off = (*world.engine.policy()).clone();
    off.totp.mode = TotpMode::Off;
    let on = world.engine.policy();
    world.engine.set_policy(off).await.unwrap();
    seen.expect(setup(), 403, "forbidden").await;
    world.engine.set_policy((*on).clone()).await.unwrap();
    world.authenticator(&token).await;
    seen.expect(setup(), 409, "totp_already_enabled").await;
    let disable = || post("/totp/disable", json!({ "password": PASSWORD, "code": "000000" }));
    seen.expect(disable(), 422, "invalid_code").await;
    seen.expect(post("/session/prove", json!({ "code": "000000" })), 422, "invalid_code").await;
    let spent = seen.expect(disable(), 429, "locked_out").await;
    assert_eq!(spent.get("retry_after_seconds"), None, "no time opens it");
    seen.expect(world.login(EMAIL, PASSWORD), 429, "locked_out").await;
}

async fn broken(seen: &mut Seen) {
    let world = World::new().await;
    world.store.fail_call(1, FaultMoment::Before);
    let unavailable = seen.expect(world.login(EMAIL, PASSWORD), 503, "unavailable").await;
    assert_eq!(
        (unavailable["retry_after_seconds"].as_u64(), unavailable["reference"].as_str().unwrap().len()),
        (Some(5), 16)
    );

    let gate = Arc::new(PanickingGate);
    let world = World::built(|_| {}, WebSettings::default(), |builder| builder.sign_up_gate(gate)).await;
    let internal = seen.expect_reply(&world.sign_up(EMAIL).await, 500, "internal");
    assert_eq!(internal["reference"].as_str().unwrap().len(), 16);

    let world = World::with(|policy| {
        (policy.hashing.threads, policy.hashing.queue) = (1, 1);
        policy.password.bcrypt_cost = 10;
    })
    .await;
    let logins: Vec<_> =
        (0..16).map(|n| tokio::spawn(world.login(&format!("user{n}@example.org"), "wrong").send())).collect();
    let mut busy = 0;
    for login in logins {
        let reply = login.await.unwrap();
        if reply.code() == "busy" {
            assert!(seen.expect_reply(&reply, 503, "busy")["retry_after_seconds"].as_u64() >= Some(1));
            busy += 1;
        }
    }
    assert!(busy > 0, "a queue of one is full");
}
