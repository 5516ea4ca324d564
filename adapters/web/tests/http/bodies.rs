use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{PASSWORD, World};

fn nested(depth: usize, open: &str, close: &str) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

#[tokio::test]
async fn na5_what_isnt_exactly_the_endpoints_object_is_refused_with_its_field() {
    let world = World::new().await;
    let sign_up = |rest: &str| format!(r#"{{"email":"ada@example.org","password":"{PASSWORD}"{rest}}}"#);
    let deep = |levels: usize| sign_up(&format!(r#","x":{}"#, nested(levels, "[", "]")));
    let deep_objects = |levels: usize| sign_up(&format!(r#","x":{}"#, nested(levels, r#"{"a":"#, "}")));
    for (path, body, field) in [
        ("/sign-up", String::new(), None),
        ("/sign-up", " ".to_owned(), None),
        ("/sign-up", "{".to_owned(), None),
        ("/sign-up", "nonsense".to_owned(), None),
        ("/sign-up", "null".to_owned(), None),
        ("/sign-up", "7".to_owned(), None),
        ("/sign-up", "\"x\"".to_owned(), None),
        ("/sign-up", format!(r#"["ada@example.org","{PASSWORD}"]"#), None),
        ("/sign-up", sign_up("") + "x", None),
        ("/sign-up", sign_up("") + "{}", None),
        ("/sign-up", sign_up(","), None),
        ("/sign-up", sign_up(r#","username":NaN"#), None),
        ("/sign-up", sign_up(r#","username":1e999"#), None),
        ("/sign-up", sign_up(r#","username":"\ud800""#), None),
        ("/sign-up", sign_up("") + "\0", None),
        ("/sign-up", format!("\u{feff}{}", sign_up("")), None),
        ("/sign-up", "{}".to_owned(), Some("email")),
        ("/sign-up", r#"{"email":"ada@example.org"}"#.to_owned(), Some("password")),
        ("/sign-up", r#"{"email":null,"password":"x"}"#.to_owned(), Some("email")),
        ("/sign-up", r#"{"email":7,"password":"x"}"#.to_owned(), Some("email")),
        ("/sign-up", r#"{"email":["a"],"password":"x"}"#.to_owned(), Some("email")),
        ("/sign-up", r#"{"email":{},"password":"x"}"#.to_owned(), Some("email")),
        ("/sign-up", r#"{"email":true,"password":"x"}"#.to_owned(), Some("email")),
        ("/sign-up", sign_up(r#","role":"admin""#), Some("role")),
        ("/sign-up", sign_up(r#","Email":"x""#), Some("Email")),
        ("/sign-up", sign_up(r#","email_verified":true"#), Some("email_verified")),
        ("/sign-up", sign_up(r#","username":7"#), Some("username")),
        ("/sign-up", sign_up(r#","username":"a","username":"b""#), Some("username")),
        ("/sign-up", sign_up(r#","username":"a","\u0075sername":"b""#), Some("username")),
        ("/sign-up", sign_up(r#","email":"eve@example.org""#), Some("email")),
        ("/sign-up", sign_up(r#","fields":[]"#), Some("fields")),
        ("/sign-up", sign_up(r#","fields":{"lab":7}"#), Some("fields.lab")),
        ("/sign-up", sign_up(r#","fields":{"lab":"x"}"#), Some("fields.lab")),
        ("/sign-up", sign_up(r#","fields":{"lab":"x","lab":"x"}"#), Some("fields.lab")),
        ("/sign-up", sign_up(r#","accept":true"#), Some("accept")),
        ("/sign-up", sign_up(r#","accept":["1","1"]"#), Some("accept")),
        ("/sign-up", sign_up(r#","accept":{"terms":1}"#), Some("accept.terms")),
        ("/sign-up", sign_up(r#","accept":{"cookies":"1"}"#), Some("accept.cookies")),
        ("/sign-up", sign_up(r#","accept":{"terms":"1","terms":"1"}"#), Some("accept.terms")),
        ("/sign-up", sign_up(r#","x":[{"a":{"b":1,"b":2}}]"#), Some("x.a.b")),
        ("/sign-up", sign_up(r#","invitation":"dwi_x""#), Some("invitation")),
        ("/sign-up", deep(31), Some("x")),
        ("/sign-up", deep(32), Some("x")),
        ("/sign-up", deep(20_000), Some("x")),
        ("/sign-up", deep_objects(9_000), None),
        ("/login", r#"{"identifier":"a","password":"b","want":"cookie"}"#.to_owned(), Some("want")),
        ("/login", r#"{"identifier":"a","password":"b","want":true}"#.to_owned(), Some("want")),
        ("/login", r#"{"identifier":"a","password":"b","mode":"admin"}"#.to_owned(), Some("mode")),
        ("/login", r#"{"identifier":"a","password":"b","access_key":"c"}"#.to_owned(), Some("access_key")),
        ("/login", r#"{"mode":"api","access_key":"c"}"#.to_owned(), Some("secret_key")),
        ("/login", r#"{"identifier":"a"}"#.to_owned(), Some("password")),
        ("/login/takeover", r#"{"ticket":"x"}"#.to_owned(), Some("proceed")),
        ("/login/takeover", r#"{"ticket":"x","proceed":"true"}"#.to_owned(), Some("proceed")),
        ("/login/takeover", r#"{"ticket":"x","proceed":1}"#.to_owned(), Some("proceed")),
        ("/login/terms", r#"{"accept":{}}"#.to_owned(), Some("ticket")),
        ("/login/password", r#"{"ticket":"x"}"#.to_owned(), Some("new_password")),
        ("/password/forgot", r#"{"email":7}"#.to_owned(), Some("email")),
        ("/password/reset", r#"{"token":"x"}"#.to_owned(), Some("new_password")),
        ("/password/change", r#"{"new_password":"y"}"#.to_owned(), Some("current_password")),
        ("/verify-email", r#"{"token":["x"]}"#.to_owned(), Some("token")),
        ("/verify-email/resend", r#"{"email":"a@b.org","token":"x"}"#.to_owned(), Some("token")),
        ("/logout", r#"{"everywhere":true}"#.to_owned(), Some("everywhere")),
        ("/logout", "[]".to_owned(), None),
        ("/session/extend", r#"{"to":"2099"}"#.to_owned(), Some("to")),
        ("/first-administrator", r#"{"email":"a@b.org","password":"x","token":7}"#.to_owned(), Some("token")),
    ] {
        let shown: String = body.chars().take(90).collect();
        let reply = world.call(Method::POST, path).json(body).send().await;
        reply.assert_problem(400, "invalid_request", &format!("{path} {shown}"));
        if shown.contains(r#""a":{"a":{"a""#) {
            assert!(reply.json()["field"].as_str().unwrap().starts_with("x.a.a"), "{shown}");
        } else {
            assert_eq!(reply.json()["field"].as_str(), field, "{path} {shown}: {}", reply.text());
        }
    }
    assert!(world.mailer.mails().is_empty());
}

#[tokio::test]
async fn f13_thirty_two_levels_are_read_and_thirty_three_are_not() {
    let world = World::new().await;
    for (levels, detail) in [(32, "x isn't known here"), (33, "the body is nested too deep")] {
        // The body itself is the first level.
        let body = format!(r#"{{"token":"y","x":{}}}"#, nested(levels - 1, "[", "]"));
        let reply = world.call(Method::POST, "/verify-email/show").json(body).send().await;
        // The token comes first, so what is left over is told only where the depth was right.
        let expected = if levels == 32 { 410 } else { 400 };
        assert_eq!(reply.status.as_u16(), expected, "{levels}: {}", reply.text());
        let body = format!(r#"{{"password":"y","x":{}}}"#, nested(levels - 1, "[", "]"));
        let reply = world.call(Method::POST, "/session/prove").json(body).send().await;
        assert_eq!((reply.status.as_u16(), &reply.json()["detail"]), (400, &Value::from(detail)), "{levels}");
    }
}

#[tokio::test]
async fn f13_a_body_of_64_kib_is_read_and_one_more_byte_is_refused() {
    let world = World::new().await;
    let padded = |bytes: usize| {
        let start = r#"{"token":"y"}"#;
        format!("{start}{}", " ".repeat(bytes - start.len()))
    };
    let call = || world.call(Method::POST, "/verify-email");
    call().json(padded(65_536)).send().await.assert_problem(410, "link_invalid", "64 KiB");
    call().json(padded(65_537)).send().await.assert_problem(413, "invalid_request", "one more");
    let announced = call().json("{}").header("content-length", "65537");
    announced.send().await.assert_problem(413, "invalid_request", "announced");
    let absurd = call().json("{}").header("content-length", "99999999999999999999999");
    assert!(absurd.send().await.status.is_client_error());
    let pieces = (0..5).map(|_| Ok::<_, std::io::Error>(vec![b' '; 16_384]));
    let streamed = Body::from_stream(Pieces(pieces.collect()));
    call().json(streamed).send().await.assert_problem(413, "invalid_request", "unannounced");
}

/// A body that arrives in pieces, of a length that nobody announced.
struct Pieces(std::collections::VecDeque<Result<Vec<u8>, std::io::Error>>);

impl futures_core::Stream for Pieces {
    type Item = Result<Vec<u8>, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_refusal() {
    let world = World::new().await;
    let broken = [Ok(b"{".to_vec()), Err(std::io::Error::other("gone"))];
    let reply = world.call(Method::POST, "/verify-email").json(Body::from_stream(Pieces(broken.into()))).send().await;
    reply.assert_problem(400, "invalid_request", "broken off");
}

#[tokio::test(start_paused = true)]
async fn f13_a_body_may_take_ten_seconds() {
    let world = World::new().await;
    let started = tokio::time::Instant::now();
    let never = Body::from_stream(Never);
    let reply = world.call(Method::POST, "/verify-email").json(never).send().await;
    reply.assert_problem(408, "invalid_request", "slow");
    assert_eq!(started.elapsed().as_secs(), 10);
}

struct Never;

impl futures_core::Stream for Never {
    type Item = Result<Vec<u8>, std::io::Error>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn se6_a_body_is_taken_as_application_json_alone() {
    let world = World::new().await;
    let call = || world.call(Method::POST, "/verify-email").body(r#"{"token":"x"}"#);
    for (content_type, taken) in [
        ("application/json", true),
        ("Application/JSON", true),
        ("application/json; charset=utf-8", true),
        ("application/json;charset=\"UTF-8\"", true),
        ("application/json; charset=utf-16", false),
        ("application/json; charset=utf-8; charset=utf-8", false),
        ("application/json; boundary=x", false),
        ("application/jsonx", false),
        ("application/problem+json", false),
        ("text/json", false),
        ("text/plain", false),
        ("text/plain; application/json", false),
        ("application/x-www-form-urlencoded", false),
        ("multipart/form-data; boundary=x", false),
        ("", false),
    ] {
        let reply = call().header("content-type", content_type).send().await;
        match taken {
            true => reply.assert_problem(410, "link_invalid", content_type),
            false => reply.assert_problem(400, "invalid_request", content_type),
        }
    }
    call().send().await.assert_problem(400, "invalid_request", "none");
    let twice = call().header("content-type", "application/json").header("content-type", "application/json");
    twice.send().await.assert_problem(400, "invalid_request", "two");
    let form = world.call(Method::POST, "/logout").header("content-type", "text/plain").body("{}");
    form.send().await.assert_problem(400, "invalid_request", "a form where none is asked for");
}

#[tokio::test]
async fn invalid_utf_8_is_refused() {
    let world = World::new().await;
    let call = |body: &[u8]| world.call(Method::POST, "/verify-email").json(body.to_vec()).send();
    for body in [&b"{\"token\":\"\xff\"}"[..], b"\xff\xfe{\0}\0", b"{\"token\":\"\xed\xa0\x80\"}", b"{\"\xc0\xaf\":1}"]
    {
        call(body).await.assert_problem(400, "invalid_request", "not UTF-8");
    }
}

#[tokio::test]
async fn absent_and_null_are_one_and_an_empty_body_does_where_none_is_asked_for() {
    let world = World::new().await;
    let form = json!({ "email": "ada@example.org", "password": PASSWORD, "username": null, "full_name": null,
        "fields": { "lab": null }, "accept": { "terms": "", "privacy": null }, "invitation": null });
    assert_eq!(world.post("/sign-up", form).send().await.status, StatusCode::CREATED);
    for body in ["", "{}", " {} "] {
        let reply = world.call(Method::POST, "/logout").json(body).send().await;
        reply.assert_problem(401, "session_required", body);
    }
}

#[tokio::test]
async fn f13_the_router_itself_takes_32_kib_of_headers_and_no_more() {
    let world = World::new().await;
    for (bytes, status) in [(32_000, 200), (33_000, 431)] {
        let reply = world.get("/healthz").header("x-padding", "x".repeat(bytes)).send().await;
        assert_eq!(reply.status.as_u16(), status, "{bytes}");
        let query = world.get(&format!("/healthz?{}", "x".repeat(bytes)));
        assert_eq!(query.send().await.status.as_u16(), status, "{bytes} in the query");
        let pieces = (0..bytes / 100).fold(world.get("/healthz"), |call, _| call.header("x-padding", "x".repeat(91)));
        assert_eq!(pieces.send().await.status.as_u16(), status, "{bytes} in pieces");
    }
    let reply = world.get("/healthz").header("x-padding", "x".repeat(33_000)).send().await;
    reply.assert_problem(431, "invalid_request", "too long");
}
