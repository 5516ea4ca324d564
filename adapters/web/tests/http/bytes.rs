//! FA2: whatever bytes a header or a body holds, the answer is one of the contract's and never a fault.

use std::sync::LazyLock;

use axum::http::Method;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::world::{Call, PASSWORD, Reply, World};

/// Headers that something here reads.
const READ: [&str; 14] = [
    "cookie",
    "authorization",
    "signature-input",
    "signature",
    "content-digest",
    "content-type",
    "content-length",
    "origin",
    "sec-fetch-site",
    "x-forwarded-for",
    "accept-language",
    "user-agent",
    "host",
    "accept",
];

/// What of a header's value begins something, ends it, or is what a reader looks for.
static PIECES: LazyLock<Vec<&'static [u8]>> = LazyLock::new(|| {
    vec![
        b"dw_session=",
        b"dw_known=",
        b"__Host-dw_session=",
        b"dws_",
        b"dwb_",
        b"Bearer ",
        b"bearer",
        b"sig1=",
        b"sig1=:",
        b"(\"@method\" \"@authority\" \"@path\" \"@query\")",
        b";created=",
        b";keyid=\"",
        b";nonce=\"",
        b";tag=\"doorwarden\"",
        b";alg=\"hmac-sha256\"",
        b"sha-256=:",
        b"1800000000",
        b"99999999999999999999",
        b"-1",
        b"same-origin",
        b"cross-site",
        b"null",
        b"http://127.0.0.1:8080",
        b"http://[",
        b"application/json",
        b"; charset=",
        b"text/plain",
        b"10.0.0.1",
        b"::ffff:",
        b"[::1]:443",
        b"ko",
        b"en;q=",
        b"*",
        b"A",
        b"\xff",
        b"\x80",
        b"\xc3\xa9",
        b"\xed\xa0\x80",
        b"\t",
        b" ",
        b"  ",
        b";",
        b",",
        b"=",
        b"\"",
        b"\\",
        b":",
        b"(",
        b")",
        b"%00",
    ]
});

fn value() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::collection::vec(select(b"AZaz09-_".to_vec()), 60..70);
    let any =
        prop::collection::vec(any::<u8>().prop_filter("no header has it", |b| *b == 9 || *b >= 32 && *b != 127), 0..20);
    let piece = prop_oneof![6 => select(PIECES.clone()).prop_map(<[u8]>::to_vec), 1 => token, 1 => any];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    prop::collection::vec((select(READ.to_vec()), value()), 1..5)
}

/// A refusal of the contract or a success: something that was looked at and understood.
fn assert_answered(reply: &Reply, case: &str) {
    let status = reply.status.as_u16();
    assert!(status < 500, "{case}: {status} {}", String::from_utf8_lossy(&reply.body));
    if status >= 400 {
        assert_eq!(reply.headers["content-type"], "application/problem+json", "{case}");
    }
}

fn with(call: Call, headers: &[(&'static str, Vec<u8>)]) -> Call {
    headers.iter().fold(call, |call, (name, value)| call.header(name, value))
}

/// A world in which no restriction ends the tries.
async fn patient() -> World {
    World::with(|policy| {
        policy.lockout.max_failures = 1_000_000;
        policy.per_address_hour = 0;
    })
    .await
}

#[test]
fn fa2_no_header_of_a_request_makes_it_fail() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(patient());
    runtime.block_on(world.account("ada@example.org"));
    let calls: [fn(&World) -> Call; 5] = [
        |world| world.get("/session"),
        |world| world.get("/options"),
        |world| world.call(Method::POST, "/logout"),
        |world| world.post("/login", json!({ "identifier": "ada@example.org", "password": PASSWORD })),
        |world| world.post("/password/change", json!({ "current_password": "x", "new_password": "y" })),
    ];
    let mut runner = TestRunner::new(ProptestConfig::with_cases(1_500));
    let tried = runner.run(&(select(calls.to_vec()), headers()), |(call, headers)| {
        let reply = runtime.block_on(with(call(&world), &headers).send());
        assert_answered(&reply, &format!("{headers:?}"));
        Ok(())
    });
    tried.unwrap();
}

/// A body that its endpoint takes, and the endpoint.
static BODIES: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(|| {
    let ticket = format!("dwt_{}", "A".repeat(64));
    let link = format!("dwl_{}", "A".repeat(64));
    let bodies = [
        (
            "/sign-up",
            json!({ "email": "eve@example.org", "password": PASSWORD, "fields": {}, "accept": { "terms": null } }),
        ),
        ("/login", json!({ "identifier": "ada@example.org", "password": "x", "want": "token", "mode": "session" })),
        ("/login", json!({ "mode": "api", "access_key": "a", "secret_key": "b" })),
        ("/login/otp", json!({ "ticket": ticket, "code": "123456" })),
        ("/login/totp-setup", json!({ "ticket": ticket, "code": "123456" })),
        ("/login/password", json!({ "ticket": ticket, "new_password": "another horse 2?" })),
        ("/login/terms", json!({ "ticket": ticket, "accept": { "terms": "1", "privacy": null } })),
        ("/login/takeover", json!({ "ticket": ticket, "proceed": true })),
        ("/verify-email", json!({ "token": link })),
        ("/verify-email/resend", json!({ "email": "eve@example.org" })),
        ("/password/forgot", json!({ "email": "eve@example.org" })),
        ("/password/reset", json!({ "token": link, "new_password": "another horse 2?" })),
        ("/password/change", json!({ "current_password": "x", "new_password": "y" })),
        ("/email/change", json!({ "new_email": "eve@example.org", "password": "x" })),
        ("/email/confirm", json!({ "token": link })),
        ("/email/undo", json!({ "token": link })),
        ("/session/prove", json!({ "password": "x", "code": null })),
        ("/totp/setup", json!({ "password": "x" })),
        ("/totp/confirm", json!({ "ticket": ticket, "code": "1" })),
        ("/totp/disable", json!({ "password": "x", "code": "1" })),
        ("/account/delete", json!({ "password": "x", "code": "1" })),
        ("/keypairs", json!({ "label": "x", "expires_at": "2027-01-15T08:00:00Z" })),
        ("/admin/users", json!({ "email": "eve@example.org", "role": "user" })),
        ("/admin/invitations", json!({ "max_uses": 1, "email": null, "domain": "example.org" })),
        ("/first-administrator", json!({ "token": link, "email": "eve@example.org", "password": PASSWORD })),
    ];
    bodies.into_iter().map(|(path, body)| (path, body.to_string())).collect()
});

/// A body with some of it replaced, removed or added.
fn body() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let piece = prop_oneof![
        4 => select(vec![
            &b"\""[..], b"\\", b"\\u0000", b"\\ud800", b"\\u", b"\0", b"\xff", b"\xed\xa0\x80", b"{", b"}", b"[", b"]", b":", b",",
            b"null", b"true", b"-1", b"1e999", b"18446744073709551616", b"\"x\":1,", b"\"password\":\"z\",", b"\xef\xbb\xbf", b"/*",
            b"\xf0\x9f\x98\x80", b"@", b"\xef\xbc\xa0", b" ", b"\n", b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        ]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..6_usize, piece), 0..5);
    (select(BODIES.clone()), changes).prop_map(|((path, body), changes)| {
        let mut bytes = body.into_bytes();
        for (place, length, piece) in changes {
            let at = place.index(bytes.len() + 1);
            bytes.splice(at..(at + length).min(bytes.len()), piece);
        }
        (path, bytes)
    })
}

#[test]
fn fa2_no_body_of_a_request_makes_it_fail() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(patient());
    let root = runtime.block_on(world.administrator("root@example.org"));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(3_000));
    let tried = runner.run(&(body(), any::<bool>()), |((path, body), with_session)| {
        let call = world.call(Method::POST, path).json(body.clone());
        let call = if with_session { call.cookie(&root) } else { call };
        let reply = runtime.block_on(call.send());
        assert_answered(&reply, &format!("{path} {:?}", String::from_utf8_lossy(&body)));
        Ok(())
    });
    tried.unwrap();
}
