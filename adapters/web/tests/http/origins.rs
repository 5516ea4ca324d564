use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::world::{Call, PASSWORD, World};

const OWN: &str = "http://127.0.0.1:8080";
const OTHERS: [&str; 7] = [
    "https://evil.example",
    "https://127.0.0.1:8080",
    "http://127.0.0.1",
    "http://127.0.0.1:8081",
    "http://127.0.0.1:8080/",
    "http://127.0.0.1:8080.evil.example",
    "",
];

fn marked(mut call: Call, site: Option<&str>, origin: Option<&str>) -> Call {
    if let Some(site) = site {
        call = call.header("sec-fetch-site", site);
    }
    if let Some(origin) = origin {
        call = call.header("origin", origin);
    }
    call
}

/// The rule in security.md's words, for every combination.
fn passes(site: Option<&str>, origin: Option<&str>, has_cookie: bool) -> bool {
    if origin.is_some_and(|origin| OTHERS.contains(&origin)) {
        return false;
    }
    match (site, origin) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => origin == OWN,
        (None, None) => !has_cookie,
    }
}

#[tokio::test]
async fn se6_each_combination_of_site_origin_and_cookie_passes_or_is_refused_as_the_row_says() {
    let world = World::new().await;
    world.account("ada@example.org").await;
    let sites =
        [None, Some("same-origin"), Some("none"), Some("same-site"), Some("cross-site"), Some("Same-Origin"), Some("")];
    let origins: Vec<_> = [None, Some("null"), Some(OWN)].into_iter().chain(OTHERS.map(Some)).collect();
    let mut passed = 0;
    for site in sites {
        for origin in &origins {
            for cookie in [None, Some("dw_session=x"), Some("dw_session=")] {
                let case = format!("{site:?} {origin:?} {cookie:?}");
                let mut call = marked(world.post("/verify-email", json!({ "token": "x" })), site, *origin);
                if let Some(cookie) = cookie {
                    call = call.header("cookie", cookie);
                }
                let reply = call.send().await;
                if passes(site, *origin, cookie.is_some()) {
                    reply.assert_problem(410, "link_invalid", &case);
                    passed += 1;
                } else {
                    reply.assert_problem(403, "cross_site", &case);
                }
            }
        }
    }
    assert_eq!(
        passed,
        2 * 3 * 3 + 3 + 1,
        "two sites with three origins; the own origin alone; a program without a cookie"
    );
}

#[tokio::test]
async fn se6_a_login_from_another_site_is_refused_unheard_with_or_without_a_cookie() {
    let world = World::new().await;
    world.account("ada@example.org").await;
    let before = world.engine.hash_evaluations();
    let reply = marked(world.login("ada@example.org", PASSWORD), Some("cross-site"), None).send().await;
    reply.assert_problem(403, "cross_site", "login");
    assert_eq!((reply.set_cookie(), world.engine.hash_evaluations()), (None, before));
}

#[tokio::test]
async fn se6_what_is_said_twice_passes_nowhere() {
    let world = World::new().await;
    let call = || world.post("/verify-email", json!({ "token": "x" }));
    for call in [
        call().header("sec-fetch-site", "same-origin").header("sec-fetch-site", "same-origin"),
        call().header("sec-fetch-site", "same-origin").header("sec-fetch-site", "cross-site"),
        call().header("origin", OWN).header("origin", OWN),
        call().header("sec-fetch-site", "same-origin").header("origin", "null").header("origin", OWN),
        call().header("sec-fetch-site", b"\xff"),
        call().header("origin", b"\xff"),
    ] {
        call.send().await.assert_problem(403, "cross_site", "twice, or not ASCII");
    }
}

#[tokio::test]
async fn se6_reading_passes_from_anywhere_and_nothing_is_shared_with_other_origins() {
    let world = World::new().await;
    let token = world.logged_in("ada@example.org").await;
    for method in [Method::GET, Method::HEAD] {
        let call = world.call(method, "/session").header("cookie", format!("dw_session={token}"));
        let reply = marked(call, Some("cross-site"), Some("https://evil.example")).send().await;
        assert_eq!(reply.status, StatusCode::OK);
        assert!(reply.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
    }
    let preflight = world
        .call(Method::OPTIONS, "/login")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST");
    let reply = preflight.send().await;
    reply.assert_problem(405, "invalid_request", "preflight");
    assert!(reply.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
}

#[tokio::test]
async fn se6_every_unsafe_endpoint_is_covered() {
    let world = World::new().await;
    for (method, path) in crate::documents::ENDPOINTS.iter().filter(|(method, _)| *method != "GET") {
        let call = world.call(method.parse().unwrap(), &path.replace("{id}", "x"));
        let reply = call.json("{}").header("sec-fetch-site", "same-site").send().await;
        reply.assert_problem(403, "cross_site", path);
    }
}
