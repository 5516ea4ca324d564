use std::time::Duration;

use axum::http::StatusCode;
use doorwarden_core::totp::TotpMode;
use serde_json::{Value, json};

use crate::world::{Authenticator, PASSWORD, Reply, World};

const EMAIL: &str = "ada@example.org";

async fn enter(world: &World, ticket: &str, code: impl Into<String>) -> Reply {
    world.post("/login/otp", json!({ "ticket": ticket, "code": code.into() })).send().await
}

fn codes(reply: &Reply) -> Vec<String> {
    let codes = reply.json()["recovery_codes"].as_array().cloned().unwrap_or_default();
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn l6_one_time_passwords_from_set_up_to_switching_off() {
    let world = World::new().await;
    let token = world.logged_in(EMAIL).await;
    let shown = || world.get("/totp").cookie(&token).send();
    assert_eq!(shown().await.json(), json!({ "enabled": false, "recovery_codes_left": 0 }));

    let setup = world.post("/totp/setup", json!({ "password": PASSWORD })).cookie(&token).send().await;
    let body = setup.json();
    let secret = body["secret"].as_str().unwrap();
    let uri = format!("otpauth://totp/doorwarden:ada%40example.org?secret={secret}&issuer=doorwarden");
    assert_eq!((secret.len(), &body["otpauth_uri"]), (32, &json!(uri)));
    assert!(body["qr_svg"].as_str().unwrap().starts_with("<svg "));
    assert_eq!(body.as_object().unwrap().len(), 4);
    assert_eq!(shown().await.json()["enabled"], false, "nothing is changed yet");

    let authenticator = Authenticator::of(&setup);
    let confirm = json!({ "ticket": setup.ticket(), "code": authenticator.code(&world) });
    let confirmed = world.post("/totp/confirm", confirm.clone()).cookie(&token).send().await;
    let recovery_codes = codes(&confirmed);
    assert_eq!((confirmed.status, recovery_codes.len()), (StatusCode::OK, 10));
    assert_eq!(recovery_codes[0].split('-').map(str::len).collect::<Vec<_>>(), [4; 6]);
    world.post("/totp/confirm", confirm).cookie(&token).send().await.assert_problem(410, "ticket_invalid", "twice");
    assert_eq!(shown().await.json(), json!({ "enabled": true, "recovery_codes_left": 10 }));
    assert_eq!(world.mailer.mails().pop().unwrap().kind.name(), "totp-enabled");

    world.call(axum::http::Method::POST, "/logout").cookie(&token).send().await;
    let asked = world.login(EMAIL, PASSWORD).send().await;
    let ticket = asked.ticket();
    assert_eq!(asked.json(), json!({ "status": "otp_required", "ticket": ticket }));
    assert_eq!(asked.set_cookie(), None, "se2");
    let replayed = enter(&world, &ticket, authenticator.code(&world)).await;
    replayed.assert_problem(422, "invalid_code", "ot1: the set-up code");
    assert_eq!(replayed.set_cookie(), None, "se2");
    world.clock.advance(Duration::from_secs(30));
    let reply = enter(&world, &ticket, authenticator.code(&world)).await;
    assert_eq!((&reply.json()["status"], reply.json().get("recovery_codes")), (&json!("logged_in"), None));
    let token = reply.cookie();

    let off = json!({ "password": PASSWORD, "code": recovery_codes[0] });
    let disabled = world.post("/totp/disable", off).cookie(&token).send().await;
    assert_eq!((disabled.status, disabled.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(world.get("/totp").cookie(&token).send().await.json()["enabled"], false);
    let kinds: Vec<_> = world.mailer.mails().iter().map(|mail| mail.kind.name()).skip(2).collect();
    assert_eq!(kinds, ["totp-disabled", "recovery-code-used"]);
}

#[tokio::test]
async fn l6_a_recovery_code_opens_once() {
    let world = World::with(|policy| policy.session.max_concurrent = 9).await;
    let token = world.logged_in(EMAIL).await;
    let (_, recovery_codes) = world.authenticator(&token).await;
    let code = recovery_codes[2].to_lowercase().replace('-', "");
    let ticket = world.login(EMAIL, PASSWORD).send().await.ticket();
    assert_eq!(enter(&world, &ticket, &*code).await.json()["status"], "logged_in");
    let ticket = world.login(EMAIL, PASSWORD).send().await.ticket();
    enter(&world, &ticket, &*code).await.assert_problem(422, "invalid_code", "twice");
    assert_eq!(world.get("/totp").cookie(&token).send().await.json()["recovery_codes_left"], 9);
}

#[tokio::test]
async fn l7_a_forced_set_up_gives_the_recovery_codes_with_the_step() {
    let world = World::with(|policy| policy.totp.mode = TotpMode::Required).await;
    world.account(EMAIL).await;
    let former = world.login(EMAIL, PASSWORD).send().await;
    let asked = world.login(EMAIL, PASSWORD).send().await;
    let body = asked.json();
    assert_eq!((&body["status"], asked.set_cookie()), (&json!("totp_setup_required"), None));
    let mut members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["otpauth_uri", "qr_svg", "secret", "status", "ticket"]);
    assert_ne!(former.json()["secret"], body["secret"], "a new secret each time");

    let code = Authenticator::of(&asked).code(&world);
    let confirm =
        |code: &str| world.post("/login/totp-setup", json!({ "ticket": asked.ticket(), "code": code })).send();
    confirm("000000").await.assert_problem(422, "invalid_code", "wrong");
    let reply = confirm(&code).await;
    assert_eq!((&reply.json()["status"], codes(&reply).len()), (&json!("logged_in"), 10));
    assert_eq!(world.get("/session").cookie(&reply.cookie()).send().await.status, StatusCode::OK);
    confirm(&code).await.assert_problem(410, "ticket_invalid", "twice");
}

#[tokio::test]
async fn l7_the_recovery_codes_come_with_whatever_step_follows() {
    let world = World::new().await;
    let first = world.logged_in(EMAIL).await;
    let mut policy = (*world.engine.policy()).clone();
    policy.totp.mode = TotpMode::Required;
    world.engine.set_policy(policy).await.unwrap();
    let asked = world.login(EMAIL, PASSWORD).send().await;
    let body = json!({ "ticket": asked.ticket(), "code": Authenticator::of(&asked).code(&world) });
    let reply = world.post("/login/totp-setup", body).send().await;
    assert_eq!((&reply.json()["status"], codes(&reply).len()), (&json!("session_conflict"), 10));
    assert_eq!(world.get("/session").cookie(&first).send().await.status, StatusCode::OK, "it stays");
}

#[tokio::test]
async fn se1_a_wanted_token_comes_after_the_code() {
    let world = World::with(|policy| policy.session.max_concurrent = 9).await;
    let token = world.logged_in(EMAIL).await;
    let (authenticator, _) = world.authenticator(&token).await;
    let login = json!({ "identifier": EMAIL, "password": PASSWORD, "want": "token" });
    let ticket = world.post("/login", login).send().await.ticket();
    let reply = enter(&world, &ticket, authenticator.code(&world)).await;
    assert_eq!(reply.set_cookie(), None);
    assert!(reply.json()["token"].as_str().unwrap().starts_with("dws_"));
}

#[tokio::test]
async fn se8_a_code_is_a_proof_and_a_password_beside_it_is_refused() {
    let world = World::new().await;
    let token = world.logged_in(EMAIL).await;
    let (authenticator, _) = world.authenticator(&token).await;
    world.clock.advance(Duration::from_secs(3_600));
    let end_others = || world.delete("/sessions").cookie(&token).send();
    end_others().await.assert_problem(403, "proof_required", "an hour later");
    let prove = |body: Value| world.post("/session/prove", body).cookie(&token).send();
    prove(json!({ "code": "000000" })).await.assert_problem(422, "invalid_code", "wrong");
    let both = prove(json!({ "code": "000000", "password": PASSWORD })).await;
    both.assert_problem(400, "invalid_request", "both");
    prove(json!({})).await.assert_problem(400, "invalid_request", "neither");
    assert_eq!(prove(json!({ "code": authenticator.code(&world) })).await.status, StatusCode::NO_CONTENT);
    assert_eq!(end_others().await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn codes_are_asked_of_the_own_session_alone() {
    let world = World::new().await;
    for (path, body) in [
        ("/totp/setup", json!({ "password": PASSWORD })),
        ("/totp/confirm", json!({ "ticket": format!("dwt_{}", "A".repeat(64)), "code": "123456" })),
        ("/totp/disable", json!({ "password": PASSWORD, "code": "123456" })),
    ] {
        world.post(path, body).send().await.assert_problem(401, "session_required", path);
    }
    world.get("/totp").send().await.assert_problem(401, "session_required", "GET /totp");
}
