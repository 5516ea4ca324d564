use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::World;

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
async fn the_trail_is_read_by_page_account_and_name_by_administrators_alone() {
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
    for query in ["?limit=0", "?limit=201", "?after=x", "?user=x", "?name=x.y", "?cursor=1"] {
        list(query.to_owned()).await.assert_problem(400, "invalid_request", query);
    }
}
