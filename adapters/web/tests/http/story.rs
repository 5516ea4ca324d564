use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use crate::world::{PASSWORD, World};

#[tokio::test]
async fn one_signs_up_proves_the_address_logs_in_extends_lists_and_logs_out() {
    let world = World::new().await;
    let form = json!({ "email": "Ada@example.org", "password": PASSWORD, "username": "Ada", "full_name": "Ada L.",
        "accept": { "terms": null } });
    let reply = world.post("/sign-up", form).header("user-agent", "Test/1").from("203.0.113.9").send().await;
    assert_eq!((reply.status, reply.json()), (StatusCode::CREATED, json!({ "status": "verify_email" })));

    world.login("ada@example.org", PASSWORD).send().await.assert_problem(403, "email_unverified", "before");

    let token = world.mailed_token();
    let shown = world.post("/verify-email/show", json!({ "token": token })).send().await;
    assert_eq!(shown.status, StatusCode::OK);
    let expected = json!({
        "email": "Ada@example.org", "username": "Ada",
        "asked_at": "2027-01-15T08:00:00Z", "expires_at": "2027-01-16T08:00:00Z",
        "client": { "address": "203.0.113.9", "user_agent": "Test/1" },
    });
    assert_eq!(shown.json(), expected, "ph3");

    let verified = world.post("/verify-email", json!({ "token": token })).send().await;
    assert_eq!((verified.status, verified.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(verified.set_cookie(), None, "ph3: doesn't log in");
    world.post("/verify-email", json!({ "token": token })).send().await.assert_problem(410, "link_invalid", "twice");

    let login = world.login("ADA", PASSWORD).from("203.0.113.9").header("user-agent", "Test/1").send().await;
    let step = login.json();
    assert_eq!((login.status, &step["status"], step.get("token")), (StatusCode::OK, &json!("logged_in"), None));
    let mut user = step["user"].clone();
    let id = user["id"].take();
    let expected = json!({
        "id": null, "email": "Ada@example.org", "username": "Ada", "full_name": "Ada L.", "fields": {},
        "role": "user", "status": "active", "email_verified": true, "created_at": "2027-01-15T08:00:00Z",
    });
    assert_eq!(user, expected);
    let session = &step["session"];
    let expected = json!({
        "id": session["id"], "started_at": "2027-01-15T08:00:00Z", "expires_at": "2027-01-15T16:00:00Z",
        "extendable": true, "mode": "session",
    });
    assert_eq!(*session, expected);

    let cookie = login.cookie();
    let current = world.get("/session").cookie(&cookie).send().await;
    assert_eq!(current.status, StatusCode::OK);
    assert_eq!((&current.json()["user"]["id"], &current.json()["session"]), (&id, session));

    world.clock.advance(Duration::from_secs(3_600));
    let extended = world.call(axum::http::Method::POST, "/session/extend").cookie(&cookie).send().await;
    assert_eq!((extended.status, extended.json()), (StatusCode::OK, json!({ "expires_at": "2027-01-15T17:00:00Z" })));

    let sessions = world.get("/sessions").cookie(&cookie).send().await;
    let expected = json!({ "sessions": [{
        "id": session["id"], "current": true,
        "started_at": "2027-01-15T08:00:00Z", "last_seen_at": "2027-01-15T09:00:00Z",
        "client": { "address": "203.0.113.9", "user_agent": "Test/1" },
    }] });
    assert_eq!((sessions.status, sessions.json()), (StatusCode::OK, expected));

    let out = world.call(axum::http::Method::POST, "/logout").cookie(&cookie).send().await;
    assert_eq!((out.status, out.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(out.set_cookie(), Some("dw_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"), "se1");
    world.get("/session").cookie(&cookie).send().await.assert_problem(401, "session_ended", "afterwards");
}

#[tokio::test]
async fn ph3_it_wasnt_me_removes_the_registration() {
    let world = World::new().await;
    world.sign_up("ada@example.org").await;
    let token = json!({ "token": world.mailed_token() });
    assert_eq!(world.post("/verify-email/decline", token.clone()).send().await.status, StatusCode::NO_CONTENT);
    for path in ["/verify-email", "/verify-email/show", "/verify-email/decline"] {
        world.post(path, token.clone()).send().await.assert_problem(410, "link_invalid", path);
    }
}

#[tokio::test]
async fn without_verification_a_sign_up_is_an_account_at_once() {
    let world = World::with(|policy| policy.sign_up.verify_email = false).await;
    let reply = world.sign_up("ada@example.org").await;
    assert_eq!((reply.status, &reply.json()["status"]), (StatusCode::CREATED, &json!("signed_up")));
    assert_eq!(reply.json()["user"]["email_verified"], false);
    assert_eq!(reply.set_cookie(), None, "doesn't log in");
    world.sign_up("ada@example.org").await.assert_problem(409, "email_taken", "again");
}

#[tokio::test]
async fn s1_the_hosts_own_fields_are_kept_and_shown() {
    let field = |name: &str| doorwarden_core::sign_up::FieldPolicy {
        name: name.to_owned(),
        label: "Lab".to_owned(),
        required: true,
        max_length: 9,
    };
    let world = World::with(|policy| {
        policy.sign_up.verify_email = false;
        policy.sign_up.fields = vec![field("lab")];
    })
    .await;
    let options = world.get("/options").send().await.json();
    let shown = json!([{ "name": "lab", "label": "Lab", "required": true, "max_length": 9 }]);
    assert_eq!(options["sign_up"]["fields"], shown);
    let form = json!({ "email": "ada@example.org", "password": PASSWORD, "fields": { "lab": "North" } });
    assert_eq!(world.post("/sign-up", form).send().await.json()["user"]["fields"], json!({ "lab": "North" }));
}

#[tokio::test]
async fn a_mail_is_written_in_the_browsers_language() {
    let world = World::new().await;
    let form = json!({ "email": "ada@example.org", "password": PASSWORD });
    world.post("/sign-up", form).header("accept-language", "ko-KR,en;q=0.5").send().await;
    assert!(world.mailer.mails()[0].subject.contains("확인"), "{}", world.mailer.mails()[0].subject);
}

#[tokio::test]
async fn resend_mails_the_same_link_again() {
    let world = World::new().await;
    world.sign_up("ada@example.org").await;
    let token = world.mailed_token();
    let reply = world.post("/verify-email/resend", json!({ "email": "ada@example.org" })).send().await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::ACCEPTED, 0));
    assert_eq!((world.mailer.mails().len(), world.mailed_token()), (2, token));
}

#[tokio::test]
async fn s2_new_documents_are_accepted_as_a_step_of_the_login() {
    let world = World::new().await;
    world.account("ada@example.org").await;
    let mut policy = (*world.engine.policy()).clone();
    policy.sign_up.terms.version = "2".to_owned();
    policy.sign_up.terms.url = "https://example.org/terms".to_owned();
    world.engine.set_policy(policy).await.unwrap();
    let terms = json!({ "version": "2", "url": "https://example.org/terms" });
    assert_eq!(world.get("/options").send().await.json()["sign_up"]["terms"], terms);

    let asked = world.login("ada@example.org", PASSWORD).send().await;
    let ticket = asked.ticket();
    let expected = json!({ "status": "terms_required", "ticket": ticket, "terms": terms, "privacy": null });
    assert_eq!((asked.status, asked.json(), asked.set_cookie()), (StatusCode::OK, expected, None), "se2");

    let accept = |version: &str| json!({ "ticket": ticket, "accept": { "terms": version, "privacy": null } });
    let refused = world.post("/login/terms", accept("1")).send().await;
    refused.assert_problem(422, "terms_not_accepted", "an older version");
    let other_step = world.post("/login/takeover", json!({ "ticket": ticket, "proceed": true })).send().await;
    other_step.assert_problem(410, "ticket_invalid", "se5");
    let reply = world.post("/login/terms", accept("2")).send().await;
    assert_eq!(reply.json()["status"], "logged_in");
    assert_eq!(world.get("/session").cookie(&reply.cookie()).send().await.status, StatusCode::OK);
    world.post("/login/terms", accept("2")).send().await.assert_problem(410, "ticket_invalid", "twice");
}

#[tokio::test]
async fn the_first_administrator_is_made_by_the_link_on_the_console() {
    let world = World::new().await;
    let link = world.engine.first_administrator_link().await.unwrap().unwrap();
    let token = link.split_once("token=").unwrap().1;
    let form = |password: &str| json!({ "token": token, "email": "root@example.org", "username": "root", "password": password });
    world.post("/first-administrator", form("short")).send().await.assert_problem(422, "password_too_weak", "weak");
    let reply = world.post("/first-administrator", form(PASSWORD)).send().await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text());
    let user = &reply.json()["user"];
    assert_eq!(
        (&user["role"], &user["username"], &user["email_verified"]),
        (&json!("admin"), &json!("root"), &json!(false))
    );
    assert_eq!(reply.set_cookie(), None);
    world.post("/first-administrator", form(PASSWORD)).send().await.assert_problem(410, "link_invalid", "twice");
    assert_eq!(world.login("root", PASSWORD).send().await.json()["status"], "logged_in");
}
