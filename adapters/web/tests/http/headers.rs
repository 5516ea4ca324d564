use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::documents::ENDPOINTS;
use crate::world::{PASSWORD, Reply, World};

fn assert_sealed(reply: &Reply, case: &str) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        let values: Vec<_> = reply.headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{case}: {name}");
    }
    for name in ["server", "strict-transport-security", "clear-site-data", "access-control-allow-origin"] {
        assert!(!reply.headers.contains_key(name), "{case}: {name}");
    }
}

#[tokio::test]
async fn se7_every_reply_of_every_route_is_sealed() {
    let world = World::new().await;
    let token = world.logged_in("ada@example.org").await;
    for (method, path) in ENDPOINTS {
        let path = path.replace("{id}", "x");
        for (case, call) in [
            ("empty", world.call(method.parse().unwrap(), &path)),
            ("logged in", world.call(method.parse().unwrap(), &path).cookie(&token)),
            ("cross-site", world.call(method.parse().unwrap(), &path).header("sec-fetch-site", "cross-site")),
            ("too large", world.call(method.parse().unwrap(), &path).json(vec![b' '; 65_537])),
            ("wrong method", world.call(Method::PUT, &path)),
            ("head", world.call(Method::HEAD, &path)),
        ] {
            assert_sealed(&call.send().await, &format!("{method} {path} {case}"));
        }
    }
    assert_sealed(&world.login("ada@example.org", PASSWORD).send().await, "a step");
    for path in ["", "/", "/nowhere", "/login/", "/sessions/x/y"] {
        let reply = world.get(path).send().await;
        assert!(!reply.body.is_empty(), "{path}");
        reply.assert_problem(404, "not_found", path);
        assert_sealed(&reply, path);
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_names_the_right_ones() {
    let world = World::new().await;
    for (_, path) in ENDPOINTS {
        let documented = ENDPOINTS.iter().filter(|(_, other)| other == path).map(|(method, _)| *method);
        let mut expected: Vec<&str> =
            documented.flat_map(|m| if m == "GET" { vec!["GET", "HEAD"] } else { vec![m] }).collect();
        expected.sort_unstable();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"] {
            let reply = world.call(method.parse().unwrap(), &path.replace("{id}", "x")).send().await;
            if expected.contains(&method) {
                assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
                continue;
            }
            assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            let mut allowed: Vec<_> = reply.headers["allow"].to_str().unwrap().split(',').collect();
            allowed.sort_unstable();
            assert_eq!(allowed, expected, "{method} {path}");
            if method == "HEAD" {
                continue;
            }
            reply.assert_problem(405, "invalid_request", path);
        }
    }
}

#[tokio::test]
async fn a_router_stands_under_any_prefix_and_leaves_the_rest_to_the_host() {
    use axum::Router;
    use axum::routing::get;
    use doorwarden_web::WebSettings;
    for (prefix, path) in [("/auth", "/auth/healthz"), ("accounts/v1/", "/accounts/v1/healthz"), ("", "/healthz")] {
        let settings = WebSettings { prefix: prefix.to_owned(), ..WebSettings::default() };
        let world = World::built(|_| {}, settings, |builder| builder).await;
        let app: Router = Router::new().route("/mine", get(async || "mine")).merge(world.app.clone());
        let world = World { app, ..world };
        let absolute = |path: &str| {
            let mut call = world.call(Method::GET, "");
            call.set_path(path);
            call.send()
        };
        assert_eq!(absolute(path).await.json(), json!({ "status": "up" }), "{prefix}");
        assert_eq!(absolute("/mine").await.text(), "mine");
        let expected = if prefix.is_empty() { "/" } else { path.trim_end_matches("/healthz") };
        let description = absolute(&path.replace("healthz", "openapi.json")).await.json();
        assert_eq!(description["servers"][0]["url"], expected);
    }
}
