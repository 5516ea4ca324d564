use std::time::Duration;

use axum::http::{Method, StatusCode};
use doorwarden_core::policy::PublicUrl;
use doorwarden_core::session::OnConflict;
use serde_json::{Value, json};

use crate::world::{PASSWORD, Reply, World};

const EMAIL: &str = "ada@example.org";

async fn current(world: &World, token: &str) -> Reply {
    world.get("/session").cookie(token).send().await
}

#[tokio::test]
async fn l8_a_second_browser_ends_the_first_or_leaves_it() {
    let world = World::new().await;
    let first = world.logged_in(EMAIL).await;
    let second = |proceed: bool| {
        let world = &world;
        async move {
            let asked = world.login(EMAIL, PASSWORD).header("user-agent", "Second").send().await;
            assert_eq!((&asked.json()["status"], asked.set_cookie()), (&json!("session_conflict"), None), "se2");
            let listed = asked.json()["sessions"].clone();
            assert_eq!((listed.as_array().unwrap().len(), &listed[0]["current"]), (1, &json!(false)));
            let body = json!({ "ticket": asked.ticket(), "proceed": proceed });
            (world.post("/login/takeover", body.clone()).send().await, body)
        }
    };
    let (cancelled, _) = second(false).await;
    assert_eq!((cancelled.status, cancelled.set_cookie()), (StatusCode::NO_CONTENT, None));
    assert_eq!(current(&world, &first).await.status, StatusCode::OK, "it stays");

    let (taken, body) = second(true).await;
    let token = taken.cookie();
    assert_eq!(current(&world, &token).await.status, StatusCode::OK);
    current(&world, &first).await.assert_problem(401, "session_ended_elsewhere", "the ended browser");
    world.post("/login/takeover", body).send().await.assert_problem(410, "ticket_invalid", "twice");
}

#[tokio::test]
async fn a_browser_sees_its_own_session_in_the_conflict() {
    let world = World::new().await;
    let own = world.logged_in(EMAIL).await;
    let asked = world.login(EMAIL, PASSWORD).cookie(&own).send().await;
    assert_eq!(asked.json()["sessions"][0]["current"], true);
}

#[tokio::test]
async fn se2_a_browser_that_logs_in_again_ends_the_session_of_its_cookie() {
    let world = World::with(|policy| policy.session.on_conflict = OnConflict::Allow).await;
    let former = world.logged_in(EMAIL).await;
    let elsewhere = world.login(EMAIL, PASSWORD).send().await.cookie();
    let newer = world.login(EMAIL, PASSWORD).cookie(&former).send().await.cookie();
    assert_ne!(newer, former);
    current(&world, &former).await.assert_problem(401, "session_ended", "the cookie's former session");
    for token in [elsewhere, newer] {
        assert_eq!(current(&world, &token).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn se1_a_wanted_token_comes_in_the_reply_and_no_cookie_is_set() {
    let world = World::new().await;
    let first = world.logged_in(EMAIL).await;
    let login = json!({ "identifier": EMAIL, "password": PASSWORD, "want": "token", "mode": "session" });
    let asked = world.post("/login", login).send().await;
    assert_eq!(asked.set_cookie(), None);
    let body = json!({ "ticket": asked.ticket(), "proceed": true });
    let reply = world.post("/login/takeover", body).send().await;
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(reply.set_cookie(), None, "the wish outlives the step");
    assert!(token.starts_with("dws_"));
    assert_eq!(world.get("/session").bearer(&token).send().await.status, StatusCode::OK);

    world.get("/session").bearer(&token).cookie(&first).send().await.assert_problem(401, "session_required", "differ");
    assert_eq!(world.get("/session").bearer(&token).cookie(&token).send().await.status, StatusCode::OK, "equal");
    let twice = world.get("/session").cookie(&token).header("cookie", format!("dw_session={token}")).send().await;
    twice.assert_problem(401, "session_required", "two cookies");

    let out = world.call(Method::POST, "/logout").bearer(&token).send().await;
    assert_eq!((out.status, out.set_cookie()), (StatusCode::NO_CONTENT, None), "a program has no cookie");
    world.get("/session").bearer(&token).send().await.assert_problem(401, "session_ended", "se3");
}

#[tokio::test]
async fn se1_over_https_the_cookie_is_bound_to_the_host() {
    let world = World::with(|policy| policy.public_url = PublicUrl::parse("https://id.example.org").unwrap()).await;
    world.account(EMAIL).await;
    let reply = world.login(EMAIL, PASSWORD).send().await;
    let (name, rest) = reply.set_cookie().unwrap().split_once('=').unwrap();
    let token = rest.split(';').next().unwrap();
    let attributes = &rest[token.len()..];
    assert_eq!((name, attributes), ("__Host-dw_session", "; Path=/; Secure; HttpOnly; SameSite=Lax"));
    let named = |name: &str| world.get("/session").header("cookie", format!("{name}={token}"));
    assert_eq!(named("__Host-dw_session").send().await.status, StatusCode::OK);
    named("dw_session").send().await.assert_problem(401, "session_required", "the name without the prefix");
}

#[tokio::test]
async fn logging_out_without_a_live_session_says_why_and_deletes_the_cookie_all_the_same() {
    let world = World::new().await;
    let token = world.logged_in(EMAIL).await;
    let out = || world.call(Method::POST, "/logout");
    let deleted = Some("dw_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    assert_eq!(out().cookie(&token).send().await.status, StatusCode::NO_CONTENT);
    for (call, code) in
        [(out().cookie(&token), "session_ended"), (out().cookie("x"), "session_required"), (out(), "session_required")]
    {
        let reply = call.send().await;
        reply.assert_problem(401, code, "no live session");
        assert_eq!(reply.set_cookie(), deleted, "{code}");
    }
}

#[tokio::test]
async fn own_sessions_are_listed_in_pages_and_ended() {
    let world = World::with(|policy| policy.session.on_conflict = OnConflict::Allow).await;
    let mut tokens = vec![world.logged_in(EMAIL).await];
    for _ in 0..4 {
        world.clock.advance(Duration::from_millis(10));
        tokens.push(world.login(EMAIL, PASSWORD).send().await.cookie());
    }
    let own = &tokens[1];
    let list = |query: String| world.get(&format!("/sessions{query}")).cookie(own).send();
    let all = list(String::new()).await.json();
    let ids: Vec<String> =
        all["sessions"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((ids.len(), all.get("next_cursor")), (5, None));
    assert_eq!(all["sessions"].as_array().unwrap().iter().filter(|s| s["current"] == true).count(), 1);
    assert_eq!(all["sessions"][1]["current"], true);

    let (mut paged, mut cursor) = (vec![], String::new());
    loop {
        let page = list(format!("?limit=2{cursor}")).await.json();
        let sessions = page["sessions"].as_array().unwrap();
        assert!((1..=2).contains(&sessions.len()));
        paged.extend(sessions.iter().map(|s| s["id"].as_str().unwrap().to_owned()));
        let Value::String(next) = &page["next_cursor"] else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, ids);
    let whole = list("?limit=5".to_owned()).await.json();
    assert_eq!((whole["sessions"].as_array().unwrap().len(), whole.get("next_cursor")), (5, None), "nothing is left");
    for (query, field) in [
        ("?limit=0", Some("limit")),
        ("?limit=201", Some("limit")),
        ("?limit=-1", Some("limit")),
        ("?limit=x", Some("limit")),
        ("?cursor=x", Some("cursor")),
        ("?limit=1&limit=2", None),
    ] {
        let reply = list(query.to_owned()).await;
        reply.assert_problem(400, "invalid_request", query);
        assert_eq!(reply.json()["field"].as_str(), field, "{query}");
    }

    let end = |id: &str| world.delete(&format!("/sessions/{id}")).cookie(own).send();
    let ended = end(&ids[0]).await;
    assert_eq!((ended.status, ended.set_cookie()), (StatusCode::NO_CONTENT, None));
    current(&world, &tokens[0]).await.assert_problem(401, "session_ended", "ended from the list");
    let others = world.delete("/sessions").cookie(own).send().await;
    assert_eq!(others.status, StatusCode::NO_CONTENT);
    for token in &tokens[2..] {
        current(&world, token).await.assert_problem(401, "session_ended", "all others");
    }
    assert_eq!(current(&world, own).await.status, StatusCode::OK);
    let ended = end(&ids[1]).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert!(ended.set_cookie().unwrap().ends_with("Max-Age=0"), "its own: the cookie goes, too");
    current(&world, own).await.assert_problem(401, "session_ended", "its own");
}

#[tokio::test]
async fn ex5_another_users_session_is_answered_like_one_that_never_was() {
    let world = World::new().await;
    let own = world.logged_in(EMAIL).await;
    let other = world.logged_in("bob@example.org").await;
    let others_id = current(&world, &other).await.json()["session"]["id"].as_str().unwrap().to_owned();
    let mut replies = vec![];
    for id in [&*others_id, "01890a5d-ac96-774b-bcce-b302099a8057", "x", "%ff", "%00", &"9".repeat(5_000)] {
        let reply = world.delete(&format!("/sessions/{id}")).cookie(&own).send().await;
        reply.assert_problem(404, "not_found", id);
        replies.push(reply);
    }
    assert!(replies.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(current(&world, &other).await.status, StatusCode::OK);
}

#[tokio::test]
async fn se8_ending_others_asks_for_a_fresh_proof_and_takes_it() {
    let world = World::new().await;
    let own = world.logged_in(EMAIL).await;
    let end_others = || world.delete("/sessions").cookie(&own).send();
    let prove = |body: Value| world.post("/session/prove", body).cookie(&own).send();
    assert_eq!(end_others().await.status, StatusCode::NO_CONTENT, "the login is a proof");
    world.clock.advance(Duration::from_secs(600));
    end_others().await.assert_problem(403, "proof_required", "after ten minutes");
    prove(json!({ "password": "wrong" })).await.assert_problem(401, "invalid_credentials", "wrong");
    let code = prove(json!({ "code": "123456" })).await;
    code.assert_problem(422, "invalid_code", "the account has none");
    let proved = prove(json!({ "password": PASSWORD })).await;
    assert_eq!((proved.status, proved.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(end_others().await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_idle_limit_is_told_and_kept() {
    let world = World::with(|policy| policy.session.idle = Some(Duration::from_secs(100))).await;
    let token = world.logged_in(EMAIL).await;
    let session = current(&world, &token).await.json()["session"].clone();
    assert_eq!(session["idle_expires_at"], "2027-01-15T08:01:40Z");
    world.clock.advance(Duration::from_secs(100));
    current(&world, &token).await.assert_problem(401, "session_idle", "unused");
}
