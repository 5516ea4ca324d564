use axum::http::StatusCode;
use doorwarden_core::sign_up::Demand;
use serde_json::{Value, json};

use crate::world::{PASSWORD, Reply, World};

const ROOT: &str = "root@example.org";

async fn world() -> (World, String) {
    let world = World::with(|policy| policy.sign_up.invitation = Demand::Required).await;
    let admin = world.administrator(ROOT).await;
    (world, admin)
}

async fn invite(world: &World, admin: &str, body: Value) -> Value {
    let reply = world.post("/admin/invitations", body).cookie(admin).send().await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text());
    reply.json()
}

async fn sign_up(world: &World, email: &str, invitation: &Value) -> Reply {
    world.post("/sign-up", json!({ "email": email, "password": PASSWORD, "invitation": invitation })).send().await
}

async fn list(world: &World, admin: &str) -> Vec<Value> {
    let reply = world.get("/admin/invitations").cookie(admin).send().await;
    reply.json()["invitations"].as_array().unwrap().clone()
}

#[tokio::test]
async fn in1_an_invitation_is_made_shown_once_used_once_and_listed() {
    let (world, admin) = world().await;
    let body = json!({ "max_uses": 1, "expires_at": "2027-02-01T09:00:00+01:00", "domain": "Example.org",
        "role": "team-lead", "note": "for the lab" });
    let issued = invite(&world, &admin, body).await;
    let token = issued["token"].as_str().unwrap();
    assert_eq!(issued["link"], format!("http://127.0.0.1:8080/sign-up?invitation={token}"));
    assert_eq!(
        (&issued["expires_at"], &issued["domain"], &issued["role"], &issued["status"]),
        (&json!("2027-02-01T08:00:00Z"), &json!("example.org"), &json!("team-lead"), &json!("open"))
    );
    let listed = list(&world, &admin).await;
    assert!(!json!(listed).to_string().contains(token) && listed[0].get("token").is_none(), "{listed:?}");

    for (email, invitation) in [
        ("ada@sub.example.org", &issued["token"]),
        ("ada@example.org", &json!("dwi_x")),
        ("ada@example.org", &json!("é")),
    ] {
        sign_up(&world, email, invitation).await.assert_problem(422, "invitation_invalid", email);
    }
    for absent in [json!(null), json!(""), json!("  ")] {
        let reply = sign_up(&world, "ada@example.org", &absent).await;
        reply.assert_problem(422, "invitation_required", "nothing");
    }
    assert_eq!(sign_up(&world, "ada@example.org", &issued["token"]).await.status, StatusCode::CREATED);
    sign_up(&world, "bob@example.org", &issued["token"]).await.assert_problem(422, "invitation_invalid", "held");
    let listed = list(&world, &admin).await;
    assert_eq!((&listed[0]["held"], &listed[0]["uses"]), (&json!(1), &json!(0)));
    let verified = world.post("/verify-email", json!({ "token": world.mailed_token() })).send().await;
    assert_eq!(verified.status, StatusCode::NO_CONTENT);
    let listed = list(&world, &admin).await;
    assert_eq!(
        (&listed[0]["held"], &listed[0]["uses"], &listed[0]["status"]),
        (&json!(0), &json!(1), &json!("used_up"))
    );
    let login = world.login("ada@example.org", PASSWORD).send().await;
    assert_eq!(login.json()["user"]["role"], "team-lead");
}

#[tokio::test]
async fn ad1_invitations_are_for_administrators_alone() {
    let world = World::new().await;
    let user = world.logged_in("ada@example.org").await;
    let admin = world.administrator(ROOT).await;
    let id = invite(&world, &admin, json!({})).await["id"].as_str().unwrap().to_owned();
    let calls = || {
        [
            world.get("/admin/invitations"),
            world.post("/admin/invitations", json!({})),
            world.delete(&format!("/admin/invitations/{id}")),
        ]
    };
    for call in calls() {
        call.send().await.assert_problem(401, "session_required", "nobody");
    }
    for call in calls() {
        call.cookie(&user).send().await.assert_problem(403, "forbidden", "a user");
    }
    assert_eq!(list(&world, &admin).await[0]["status"], "open");
}

#[tokio::test]
async fn se8_one_that_makes_administrators_asks_for_a_fresh_proof() {
    let (world, admin) = world().await;
    world.clock.advance(std::time::Duration::from_secs(3_600));
    let send = || world.post("/admin/invitations", json!({ "role": "admin" })).cookie(&admin).send();
    send().await.assert_problem(403, "proof_required", "an hour later");
    invite(&world, &admin, json!({ "role": "operator" })).await;
    let proof = world.post("/session/prove", json!({ "password": PASSWORD })).cookie(&admin).send().await;
    assert_eq!(proof.status, StatusCode::NO_CONTENT);
    assert_eq!(send().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_invitation_is_revoked_and_unknown_ones_are_not_found() {
    let (world, admin) = world().await;
    let issued = invite(&world, &admin, json!({})).await;
    let revoke = |id: &str| world.delete(&format!("/admin/invitations/{id}")).cookie(&admin).send();
    for id in ["x", "01a20e0d-39ae-7994-a992-5340e6322c3b"] {
        revoke(id).await.assert_problem(404, "not_found", id);
    }
    for _ in 0..2 {
        assert_eq!(revoke(issued["id"].as_str().unwrap()).await.status, StatusCode::NO_CONTENT);
    }
    sign_up(&world, "ada@example.org", &issued["token"]).await.assert_problem(422, "invitation_invalid", "revoked");
    assert_eq!(list(&world, &admin).await[0]["status"], "revoked");
}

#[tokio::test]
async fn na5_an_invitation_that_can_t_be_is_refused_with_its_field() {
    let (world, admin) = world().await;
    for (body, code, field) in [
        (json!({ "max_uses": 0 }), "invalid_request", "max_uses"),
        (json!({ "max_uses": "1" }), "invalid_request", "max_uses"),
        (json!({ "max_uses": 1.5 }), "invalid_request", "max_uses"),
        (json!({ "max_uses": -1 }), "invalid_request", "max_uses"),
        (json!({ "max_uses": 4_294_967_297_u64 }), "invalid_request", "max_uses"),
        (json!({ "expires_at": "2020-01-01T00:00:00Z" }), "invalid_request", "expires_at"),
        (json!({ "expires_at": "tomorrow" }), "invalid_request", "expires_at"),
        (json!({ "expires_at": 1 }), "invalid_request", "expires_at"),
        (json!({ "domain": "@x" }), "invalid_request", "domain"),
        (json!({ "role": "Admin!" }), "invalid_request", "role"),
        (json!({ "note": "a\u{202e}b" }), "invalid_request", "note"),
        (json!({ "created_by": "me" }), "invalid_request", "created_by"),
    ] {
        let reply = world.post("/admin/invitations", body.clone()).cookie(&admin).send().await;
        let status = if code == "invalid_request" { 400 } else { 422 };
        reply.assert_problem(status, code, &body.to_string());
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    let reply = world.post("/admin/invitations", json!({ "email": "ada" })).cookie(&admin).send().await;
    reply.assert_problem(422, "invalid_email", "no address");
}

#[tokio::test]
async fn invitations_are_listed_by_page() {
    let (world, admin) = world().await;
    for n in 0..3 {
        world.clock.advance(std::time::Duration::from_secs(1));
        invite(&world, &admin, json!({ "note": n.to_string() })).await;
    }
    let page = |query: String| world.get(&format!("/admin/invitations{query}")).cookie(&admin).send();
    let notes = |page: &Value| -> Vec<String> {
        page["invitations"].as_array().unwrap().iter().map(|one| one["note"].as_str().unwrap().to_owned()).collect()
    };
    let first = page("?limit=2".to_owned()).await.json();
    assert_eq!(notes(&first), ["0", "1"]);
    let second = page(format!("?limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!((notes(&second), second.get("next_cursor")), (vec!["2".to_owned()], None));
    for query in ["?limit=0", "?cursor=x", "?page=2"] {
        page(query.to_owned()).await.assert_problem(400, "invalid_request", query);
    }
}

#[tokio::test]
async fn s5_a_closed_sign_up_opens_to_who_is_invited() {
    let world = World::with(|policy| {
        policy.sign_up.open = false;
        policy.sign_up.invitation = Demand::Optional;
    })
    .await;
    let admin = world.administrator(ROOT).await;
    let issued = invite(&world, &admin, json!({})).await;
    world.sign_up("ada@example.org").await.assert_problem(403, "sign_up_closed", "without one");
    assert_eq!(sign_up(&world, "ada@example.org", &issued["token"]).await.status, StatusCode::CREATED);
}
