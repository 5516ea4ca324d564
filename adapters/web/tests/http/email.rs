//! RE3: change of address over HTTP.

use axum::http::StatusCode;
use serde_json::json;

use crate::world::{Call, PASSWORD, World};

const EMAIL: &str = "ada@example.org";
const NEW: &str = "ada@example.com";

fn change(world: &World, new: &str, password: &str) -> Call {
    world.post("/email/change", json!({ "new_email": new, "password": password }))
}

fn link(world: &World, path: &str, token: &str) -> Call {
    world.post(path, json!({ "token": token }))
}

#[tokio::test]
async fn re3_an_address_is_changed_by_its_own_mail_and_taken_back_by_the_former_ones() {
    let world = World::new().await;
    let session = world.logged_in(EMAIL).await;
    change(&world, NEW, PASSWORD).send().await.assert_problem(401, "session_required", "nobody");
    change(&world, NEW, "wrong").cookie(&session).send().await.assert_problem(401, "invalid_credentials", "se8");
    let asked = change(&world, NEW, PASSWORD).cookie(&session).send().await;
    assert_eq!((asked.status, asked.body.len()), (StatusCode::ACCEPTED, 0));
    let token = world.mailed_token();
    let shown = link(&world, "/email/confirm/show", &token).send().await.json();
    assert_eq!((&shown["email"], &shown["replaces"]), (&json!(NEW), &json!("a…@example.org")));
    assert!(shown["client"].is_object() && shown["at"].is_string() && shown["expires_at"].is_string(), "{shown}");
    let confirmed = link(&world, "/email/confirm", &token).send().await;
    assert_eq!((confirmed.status, confirmed.set_cookie()), (StatusCode::NO_CONTENT, None));
    let user = world.get("/session").cookie(&session).send().await.json()["user"].clone();
    assert_eq!((&user["email"], &user["email_verified"]), (&json!(NEW), &json!(true)));

    let undo = world.mailed_token();
    let shown = link(&world, "/email/undo/show", &undo).send().await.json();
    assert_eq!((&shown["email"], &shown["replaces"]), (&json!(EMAIL), &json!("a…@example.com")));
    let undone = link(&world, "/email/undo", &undo).send().await;
    assert_eq!((undone.status, undone.set_cookie()), (StatusCode::NO_CONTENT, None));
    world.get("/session").cookie(&session).send().await.assert_problem(401, "session_ended", "se3");
    world.login(EMAIL, PASSWORD).send().await.assert_problem(401, "invalid_credentials", "the thief knows it");
}

#[tokio::test]
async fn re1_every_token_that_is_no_good_link_of_a_change_is_one_answer() {
    let world = World::new().await;
    let session = world.logged_in(EMAIL).await;
    let verification = world.mailed_token();
    change(&world, NEW, PASSWORD).cookie(&session).send().await;
    let good = world.mailed_token();
    let expected = link(&world, "/email/confirm", "").send().await;
    expected.assert_problem(410, "link_invalid", "empty");
    for path in ["/email/confirm", "/email/confirm/show", "/email/undo", "/email/undo/show"] {
        for token in [&verification, &good.replace("dwl_", "dwt_"), &good[..67], &format!("{good} ")] {
            assert_eq!(link(&world, path, token).send().await, expected, "{path} {token}");
        }
    }
    for path in ["/email/undo", "/email/undo/show"] {
        assert_eq!(link(&world, path, &good).send().await, expected, "{path}: another kind");
    }
    assert_eq!(link(&world, "/email/confirm", &good).send().await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn ex2_a_change_to_a_taken_address_is_answered_like_one_to_a_free_one() {
    let world = World::new().await;
    world.account("bob@example.org").await;
    let session = world.logged_in(EMAIL).await;
    world.mailer.take_mails();
    let mut replies = vec![];
    for (new, kind) in [(NEW, "confirm-email"), ("bob@example.org", "address-in-use")] {
        let before = world.engine.hash_evaluations();
        replies.push(change(&world, new, PASSWORD).cookie(&session).send().await);
        assert_eq!(world.engine.hash_evaluations() - before, 1, "equal work");
        assert_eq!(world.mailer.take_mails()[0].kind.name(), kind);
    }
    assert_eq!(replies[0], replies[1]);
}

#[tokio::test]
async fn a_change_is_refused_by_the_rules_on_addresses() {
    let world = World::with(|policy| policy.sign_up.domains = vec!["example.org".to_owned()]).await;
    let session = world.logged_in(EMAIL).await;
    for (new, status, code) in [
        ("ada@example.com", 403, "sign_up_refused"),
        ("ada", 422, "invalid_email"),
        ("ADA@example.org", 422, "invalid_email"),
    ] {
        change(&world, new, PASSWORD).cookie(&session).send().await.assert_problem(status, code, new);
    }
    let mut policy = (*world.engine.policy()).clone();
    policy.mail.transport = "none".to_owned();
    policy.sign_up.verify_email = false;
    world.engine.set_policy(policy).await.unwrap();
    change(&world, NEW, PASSWORD).cookie(&session).send().await.assert_problem(403, "forbidden", "no mails");
}
