//! Recovery by mail, change of password, and the login's step that demands one.

use axum::http::StatusCode;
use doorwarden_core::client::Client;
use serde_json::{Value, json};

use crate::world::{Call, PASSWORD, World};

const EMAIL: &str = "ada@example.org";
const NEW: &str = "another horse 2?";

fn forgot(world: &World, email: &str) -> Call {
    world.post("/password/forgot", json!({ "email": email }))
}

fn reset(world: &World, token: &str, password: &str) -> Call {
    world.post("/password/reset", json!({ "token": token, "new_password": password }))
}

fn change(world: &World, current: &str, new: &str) -> Call {
    world.post("/password/change", json!({ "current_password": current, "new_password": new }))
}

async fn status(world: &World, password: &str) -> Value {
    world.login(EMAIL, password).send().await.json()["status"].clone()
}

#[tokio::test]
async fn p1_p2_a_forgotten_password_is_reset_with_the_mailed_link() {
    let world = World::new().await;
    let session = world.logged_in(EMAIL).await;
    let asked = forgot(&world, EMAIL).send().await;
    assert_eq!((asked.status, asked.body.len()), (StatusCode::ACCEPTED, 0));
    let token = world.mailed_token();
    let weak = reset(&world, &token, "abc").send().await;
    weak.assert_problem(422, "password_too_weak", "weak");
    assert_eq!(weak.json()["unmet"], json!(["min_length", "digit", "special"]));
    let done = reset(&world, &token, NEW).send().await;
    assert_eq!((done.status, done.set_cookie(), done.body.len()), (StatusCode::NO_CONTENT, None, 0), "no login");
    reset(&world, &token, NEW).send().await.assert_problem(410, "link_invalid", "twice");
    world.get("/session").cookie(&session).send().await.assert_problem(401, "session_ended", "se3");
    world.login(EMAIL, PASSWORD).send().await.assert_problem(401, "invalid_credentials", "the old one");
    assert_eq!(status(&world, NEW).await, "logged_in");
}

#[tokio::test]
async fn ex2_forgot_answers_alike_for_known_and_unknown_addresses_and_over_the_mails_an_hour() {
    let world = World::new().await;
    world.account(EMAIL).await;
    world.mailer.take_mails();
    let expected = forgot(&world, "nobody@example.org").send().await;
    for _ in 0..5 {
        assert_eq!(forgot(&world, EMAIL).send().await, expected);
    }
    assert_eq!(world.mailer.take_mails().len(), 3);
}

#[tokio::test]
async fn re1_every_token_that_is_no_good_link_is_one_answer() {
    let world = World::new().await;
    world.account(EMAIL).await;
    let verification = world.mailed_token();
    forgot(&world, EMAIL).send().await;
    let older = world.mailed_token();
    forgot(&world, EMAIL).send().await;
    let newer = world.mailed_token();
    let expected = reset(&world, "", NEW).send().await;
    expected.assert_problem(410, "link_invalid", "empty");
    for token in [&verification, &older, &older.replace("dwl_", "dwt_"), &newer[..67], &format!("{newer} ")] {
        assert_eq!(reset(&world, token, NEW).send().await, expected, "{token}");
    }
    assert_eq!(reset(&world, &newer, NEW).send().await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn p3_se2_a_browser_goes_on_with_another_cookie_and_the_others_are_out() {
    let world = World::with(|policy| policy.session.max_concurrent = 3).await;
    let own = world.logged_in(EMAIL).await;
    let other = world.login(EMAIL, PASSWORD).send().await.cookie();
    change(&world, "wrong", NEW).cookie(&own).send().await.assert_problem(401, "invalid_credentials", "wrong");
    let same = change(&world, PASSWORD, PASSWORD).cookie(&own).send().await;
    same.assert_problem(422, "password_too_weak", "same");
    assert_eq!(same.json()["unmet"], json!(["same_as_old"]));
    let reply = change(&world, PASSWORD, NEW).cookie(&own).send().await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::NO_CONTENT, 0));
    assert!(reply.set_cookie().unwrap().ends_with("; Path=/; HttpOnly; SameSite=Lax"));
    for ended in [&own, &other] {
        world.get("/session").cookie(ended).send().await.assert_problem(401, "session_ended", "ended");
    }
    assert_eq!(world.get("/session").cookie(&reply.cookie()).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn p3_se2_a_program_goes_on_with_its_token_and_gets_no_cookie() {
    let world = World::new().await;
    world.account(EMAIL).await;
    let login = json!({ "identifier": EMAIL, "password": PASSWORD, "want": "token" });
    let token = world.post("/login", login).send().await.json()["token"].as_str().unwrap().to_owned();
    let reply = change(&world, PASSWORD, NEW).bearer(&token).send().await;
    assert_eq!((reply.status, reply.set_cookie()), (StatusCode::NO_CONTENT, None));
    assert_eq!(world.get("/session").bearer(&token).send().await.status, StatusCode::OK);
    change(&world, PASSWORD, NEW).send().await.assert_problem(401, "session_required", "nobody");
}

#[tokio::test]
async fn gu3_the_current_password_is_guessed_at_behind_the_one_gate() {
    let world = World::new().await;
    let own = world.logged_in(EMAIL).await;
    for _ in 0..11 {
        let wrong = change(&world, "wrong", NEW).cookie(&own).send().await;
        wrong.assert_problem(401, "invalid_credentials", "wrong");
    }
    let refused = change(&world, PASSWORD, NEW).cookie(&own).send().await;
    refused.assert_problem(429, "locked_out", "restricted");
    world.login(EMAIL, PASSWORD).send().await.assert_problem(429, "locked_out", "one counter");
}

#[tokio::test]
async fn l13_a_demanded_change_is_a_step_of_the_login_and_keeps_its_wish() {
    let world = World::new().await;
    world.account(EMAIL).await;
    let user = world.engine.find_user(EMAIL).await.unwrap().unwrap();
    world.engine.demand_password_change(user.id, &Client::default()).await.unwrap();
    let login = json!({ "identifier": EMAIL, "password": PASSWORD, "want": "token" });
    let asked = world.post("/login", login).send().await;
    let members: Vec<_> = asked.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        (asked.json()["status"].as_str(), &*members.join(" ")),
        (Some("password_change_required"), "status ticket")
    );
    let step =
        |password: &str| world.post("/login/password", json!({ "ticket": asked.ticket(), "new_password": password }));
    let same = step(PASSWORD).send().await;
    same.assert_problem(422, "password_too_weak", "same");
    assert_eq!(same.json()["unmet"], json!(["same_as_old"]));
    let done = step(NEW).send().await.json();
    assert_eq!(done["status"], "logged_in");
    assert!(done["token"].as_str().unwrap().starts_with("dws_"));
    step(NEW).send().await.assert_problem(410, "ticket_invalid", "twice");
    let terms = world.login(EMAIL, NEW).send().await.ticket();
    let wrong_step = json!({ "ticket": terms, "new_password": "third horse 3!" });
    world.post("/login/password", wrong_step).send().await.assert_problem(410, "ticket_invalid", "another step's");
}

#[tokio::test]
async fn p1_the_dialog_hides_recovery_where_the_policy_has_none() {
    for (enabled, transport, offered) in [(true, "dir:mail", true), (false, "dir:mail", false), (true, "none", false)] {
        let world = World::with(|policy| {
            policy.recovery.enabled = enabled;
            policy.mail.transport = transport.to_owned();
        })
        .await;
        assert_eq!(world.get("/options").send().await.json()["recovery"], offered);
        let reply = forgot(&world, EMAIL).send().await;
        match offered {
            true => assert_eq!(reply.status, StatusCode::ACCEPTED),
            false => reply.assert_problem(403, "recovery_disabled", transport),
        }
    }
}
