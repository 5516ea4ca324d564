use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{PASSWORD, World};

const ROOT: &str = "root@example.org";
const EMAIL: &str = "ada@example.org";

#[tokio::test]
async fn ad1_only_an_administrators_session_is_answered() {
    let world = World::new().await;
    world.get("/admin/users").send().await.assert_problem(401, "session_required", "nobody");
    world.get("/admin/users").cookie("x").send().await.assert_problem(401, "session_required", "no session");
    let user = world.logged_in(EMAIL).await;
    world.get("/admin/users").cookie(&user).send().await.assert_problem(403, "forbidden", "a user");
    let admin = world.administrator(ROOT).await;
    for call in [world.get("/admin/users").cookie(&admin), world.get("/admin/users").bearer(&admin)] {
        assert_eq!(call.send().await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn accounts_are_listed_by_page_and_searched() {
    let world = World::new().await;
    let admin = world.administrator(ROOT).await;
    for email in ["ada@example.org", "bob@example.org"] {
        world.clock.advance(Duration::from_secs(1));
        world.account(email).await;
    }
    let list = |query: String| world.get(&format!("/admin/users{query}")).cookie(&admin).send();
    let emails = |page: &Value| -> Vec<String> {
        page["users"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect()
    };
    let all = list(String::new()).await.json();
    assert_eq!(
        (emails(&all), all.get("next_cursor")),
        (vec![ROOT.into(), EMAIL.into(), "bob@example.org".into()], None)
    );

    let first = list("?limit=2".to_owned()).await.json();
    assert_eq!(emails(&first), [ROOT, EMAIL]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = list(format!("?limit=1&cursor={cursor}")).await.json();
    assert_eq!((emails(&second), second.get("next_cursor")), (vec!["bob@example.org".to_owned()], None), "the last");
    assert_eq!(emails(&list("?query=ADA%40".to_owned()).await.json()), [EMAIL]);
    assert_eq!(list("?query=nobody".to_owned()).await.json(), json!({ "users": [] }));
    for query in ["?limit=0", "?limit=201", "?limit=x", "?cursor=x", "?page=2", "?limit=1&limit=2"] {
        list(query.to_owned()).await.assert_problem(400, "invalid_request", query);
    }
}

#[tokio::test]
async fn the_trail_is_read_by_page_account_name_outcome_and_time_by_administrators_alone() {
    let world = World::new().await;
    world.get("/admin/audit").send().await.assert_problem(401, "session_required", "nobody");
    let user = world.logged_in(EMAIL).await;
    world.get("/admin/audit").cookie(&user).send().await.assert_problem(403, "forbidden", "a user");
    let admin = world.administrator(ROOT).await;
    let list = |query: String| world.get(&format!("/admin/audit{query}")).cookie(&admin).send();
    let all = list(String::new()).await.json();
    let events = all["events"].as_array().unwrap();
    assert!(events.len() > 3 && all.get("next_cursor").is_none(), "{all}");
    let opened = events.iter().find(|event| event["name"] == "session.opened").unwrap();
    let keys: Vec<_> = opened.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["facts", "id", "name", "outcome", "time", "user"], "its client is not known");

    let (mut paged, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = list(query.clone()).await.json();
        paged.extend(page["events"].as_array().unwrap().clone());
        let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) else { break };
        query = format!("?limit=2&after={cursor}");
    }
    assert_eq!(paged, *events, "page by page it is the same");
    let of_user = list(format!("?user={}&name=session.opened", opened["user"].as_str().unwrap())).await.json();
    assert_eq!(of_user["events"], json!([opened]));

    world.clock.advance(Duration::from_secs(3_600));
    world.login(EMAIL, "wrong").send().await.assert_problem(401, "invalid_credentials", "a refusal, an hour later");
    let named = async |query: &str| {
        let page = list(format!("?{query}")).await.json();
        page["events"].as_array().unwrap().iter().map(|event| event["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(named("outcome=refusal").await, ["request.refused", "login.failed"], "a user had asked for the trail");
    assert_eq!(named("since=2027-01-15T09:00:00Z").await, ["login.failed"]);
    assert_eq!(named("outcome=success").await.len(), events.len() - 1);
    assert_eq!(named("until=2027-01-15T09:00:00Z").await.len(), events.len());
    assert_eq!(named("outcome=refusal&until=2027-01-15T09:00:00Z").await, ["request.refused"]);

    let wrong = ["?limit=0", "?limit=201", "?after=x", "?user=x", "?name=x.y", "?cursor=1"];
    for query in wrong.into_iter().chain(["?outcome=x", "?since=x", "?until=2027-01-15"]) {
        list(query.to_owned()).await.assert_problem(400, "invalid_request", query);
    }
}

/// The id of an account.
async fn id(world: &World, email: &str) -> String {
    world.engine.find_user(email).await.unwrap().unwrap().id.to_string()
}

#[tokio::test]
async fn pw7_an_account_is_made_by_mail_and_nobody_chooses_its_password() {
    let world = World::with(|policy| policy.recovery.enabled = false).await;
    let admin = world.administrator(ROOT).await;
    let create = |body: Value| world.post("/admin/users", body).cookie(&admin).send();
    let form = json!({ "email": EMAIL, "username": "ada", "full_name": "Ada", "role": "operator" });
    let created = create(form.clone()).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
    let body = created.json();
    let expected = json!({
        "id": id(&world, EMAIL).await, "email": EMAIL, "username": "ada", "full_name": "Ada", "fields": {},
        "role": "operator", "status": "active", "email_verified": false, "created_at": body["created_at"],
        "has_password": false, "totp_enabled": false, "must_change_password": false,
        "first_password_link_until": "2027-01-16T08:00:00Z", "mailed": true,
    });
    assert_eq!(body, expected, "and no secret");
    create(form).await.assert_problem(409, "email_taken", "twice");
    let choosing = json!({ "email": "bob@example.org", "password": PASSWORD });
    let refused = create(choosing).await;
    refused.assert_problem(400, "invalid_request", "a password");
    assert_eq!(refused.json()["field"], "password");
    for (body, field) in [
        (json!({ "email": "bob@example.org", "role": "Admin!" }), "role"),
        (json!({ "email": "bob@example.org", "full_name": "a\nb" }), "full_name"),
        (json!({}), "email"),
    ] {
        let refused = create(body).await;
        refused.assert_problem(400, "invalid_request", field);
        assert_eq!(refused.json()["field"], field);
    }
    assert_eq!(world.mailer.mails().pop().unwrap().kind.name(), "set-password");
    let set = json!({ "token": world.mailed_token(), "new_password": PASSWORD });
    assert_eq!(world.post("/password/reset", set).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.login("ada", PASSWORD).send().await.status, StatusCode::OK);
    let unmailed = World::with(|policy| policy.mail.transport = "none".to_owned()).await;
    let admin = unmailed.administrator(ROOT).await;
    let created = unmailed.post("/admin/users", json!({ "email": EMAIL })).cookie(&admin).send().await;
    assert_eq!((&created.json()["mailed"], &created.json()["role"]), (&json!(false), &json!("user")));
    assert!(!created.text().contains("dwl_"), "no link to somebody else's account");
}

#[tokio::test]
async fn an_account_is_shown_changed_and_deleted() {
    let world = World::new().await;
    let admin = world.administrator(ROOT).await;
    let own = world.logged_in(EMAIL).await;
    let path = format!("/admin/users/{}", id(&world, EMAIL).await);
    let shown = || world.get(&path).cookie(&admin).send();
    let patch = |body: Value| world.call(Method::PATCH, &path).json(body.to_string()).cookie(&admin).send();
    let body = shown().await.json();
    let wanted = ["has_password", "restricted", "totp_enabled"].map(|member| body[member].as_bool().unwrap());
    assert_eq!((wanted, body.get("restricted_until")), ([true, false, false], None));
    for _ in 0..11 {
        world.login(EMAIL, "wrong").send().await;
    }
    assert_eq!(shown().await.json()["restricted_until"], "2027-01-15T08:20:00Z");
    let post = |act: &str| world.call(Method::POST, &format!("{path}/{act}")).cookie(&admin).send();
    assert_eq!(post("unlock").await.status, StatusCode::NO_CONTENT);
    assert_eq!(shown().await.json()["restricted"], false);

    let changed = patch(json!({ "role": "admin", "must_change_password": true })).await.json();
    assert_eq!((&changed["role"], &changed["must_change_password"]), (&json!("admin"), &json!(true)));
    assert_eq!(world.get("/admin/users").cookie(&own).send().await.status, StatusCode::OK, "from the next request on");
    assert_eq!(patch(json!({ "role": "user" })).await.json()["role"], "user");
    world.get("/admin/users").cookie(&own).send().await.assert_problem(403, "forbidden", "demoted");
    for body in [json!({ "status": "gone" }), json!({ "password": PASSWORD }), json!({ "must_change_password": "no" })]
    {
        patch(body.clone()).await.assert_problem(400, "invalid_request", &body.to_string());
    }
    assert_eq!(patch(json!({})).await.status, StatusCode::OK, "nothing is a change, too");
    assert_eq!(post("end-sessions").await.status, StatusCode::NO_CONTENT);
    world.get("/session").cookie(&own).send().await.assert_problem(401, "session_ended", "ended");
    assert_eq!(post("reset-totp").await.status, StatusCode::NO_CONTENT);
    assert_eq!(patch(json!({ "status": "disabled" })).await.json()["status"], "disabled");
    world.login(EMAIL, PASSWORD).send().await.assert_problem(403, "account_disabled", "disabled");
    let deleted = world.delete(&path).cookie(&admin).send().await;
    assert_eq!((deleted.status, deleted.body.len()), (StatusCode::NO_CONTENT, 0));
    shown().await.assert_problem(404, "not_found", "deleted");
}

#[tokio::test]
async fn ad1_no_administrator_changes_the_own_role_or_is_the_last_to_go() {
    let world = World::new().await;
    let admin = world.administrator(ROOT).await;
    let path = format!("/admin/users/{}", id(&world, ROOT).await);
    let patch = |body: Value| world.call(Method::PATCH, &path).json(body.to_string()).cookie(&admin).send();
    patch(json!({ "role": "user" })).await.assert_problem(403, "forbidden", "own role");
    patch(json!({ "status": "disabled" })).await.assert_problem(409, "last_administrator", "disabled");
    world.delete(&path).cookie(&admin).send().await.assert_problem(409, "last_administrator", "deleted");
}

#[tokio::test]
async fn ex5_an_account_that_never_was_is_answered_alike_by_every_act() {
    let world = World::new().await;
    let admin = world.administrator(ROOT).await;
    for id in ["01890a5d-ac96-774b-bcce-b302099a8057", "x", "%00"] {
        for (method, path) in [
            (Method::GET, ""),
            (Method::PATCH, ""),
            (Method::DELETE, ""),
            (Method::POST, "/unlock"),
            (Method::POST, "/reset-totp"),
            (Method::POST, "/end-sessions"),
        ] {
            let call = world.call(method, &format!("/admin/users/{id}{path}")).json("{}").cookie(&admin);
            call.send().await.assert_problem(404, "not_found", path);
        }
    }
}

#[tokio::test]
async fn se8_a_role_a_deletion_and_a_reset_ask_for_a_fresh_proof() {
    let world = World::new().await;
    let admin = world.administrator(ROOT).await;
    world.account(EMAIL).await;
    let path = format!("/admin/users/{}", id(&world, EMAIL).await);
    world.clock.advance(Duration::from_secs(3_600));
    let calls = || {
        let new = json!({ "email": "new@example.org", "role": "admin" });
        [
            world.call(Method::PATCH, &path).json(r#"{"role":"admin"}"#),
            world.post("/admin/users", new),
            world.call(Method::POST, &format!("{path}/reset-totp")),
            world.delete(&path),
        ]
    };
    for call in calls() {
        call.cookie(&admin).send().await.assert_problem(403, "proof_required", "an hour later");
    }
    let proof = world.post("/session/prove", json!({ "password": PASSWORD })).cookie(&admin).send().await;
    assert_eq!(proof.status, StatusCode::NO_CONTENT);
    for call in calls() {
        assert!(call.cookie(&admin).send().await.status.is_success());
    }
}
