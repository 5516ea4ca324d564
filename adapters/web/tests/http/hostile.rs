//! What no honest client sends is refused, and never a fault.

use serde_json::json;

use crate::documents::ENDPOINTS;
use crate::world::{PASSWORD, World};

#[tokio::test]
async fn se10_hostile_tokens_are_refused_after_one_bounded_look() {
    let world = World::new().await;
    let token = world.logged_in("ada@example.org").await;
    let changed = format!("{}{}", &token[..token.len() - 2], if token.ends_with("AA") { "BB" } else { "AA" });
    let long = "A".repeat(30_000);
    for hostile in [
        "",
        "x",
        "dws_",
        &token[1..],
        &token[..token.len() - 1],
        &format!("{token}A"),
        &changed,
        &token.to_uppercase(),
        &token.replace("dws_", "dwt_"),
        &long,
        &format!("dws_{long}"),
        "' OR 1=1 --",
        "{}",
        "%00",
        "../../etc/passwd",
    ] {
        for call in [world.get("/session").cookie(hostile), world.get("/session").bearer(hostile)] {
            world.store.heal();
            call.send().await.assert_problem(401, "session_required", &format!("{hostile:.40}"));
            assert!(world.store.calls() <= 1, "{hostile:.40}: {} look-ups", world.store.calls());
        }
    }
    for hostile in [&b"dw_session=\xff\xfe"[..], b"\xff=\xff; dw_session=\x80", b"=;;=;dw_session=\xc0"] {
        world.get("/session").header("cookie", hostile).send().await.assert_problem(401, "session_required", "bytes");
    }
    world.get("/session").header("authorization", b"Bearer \xff").send().await.assert_problem(
        401,
        "session_required",
        "bytes",
    );
    assert_eq!(world.get("/session").cookie(&token).send().await.status.as_u16(), 200);
}

#[tokio::test]
async fn se5_no_token_stands_in_for_one_of_another_kind() {
    let world = World::new().await;
    let session = world.logged_in("ada@example.org").await;
    let ticket = world.login("ada@example.org", PASSWORD).send().await.ticket();
    world.sign_up("bob@example.org").await;
    let link = world.mailed_token();
    let administrator = World::new().await.engine.first_administrator_link().await.unwrap().unwrap();
    let administrator = administrator.split_once("token=").unwrap().1.to_owned();
    for foreign in [&ticket, &link, &administrator] {
        world.get("/session").bearer(foreign).send().await.assert_problem(401, "session_required", foreign);
    }
    for foreign in [&session, &ticket, &administrator] {
        world.post("/verify-email", json!({ "token": foreign })).send().await.assert_problem(
            410,
            "link_invalid",
            foreign,
        );
    }
    for foreign in [&session, &link, &administrator] {
        let takeover = json!({ "ticket": foreign, "proceed": true });
        world.post("/login/takeover", takeover).send().await.assert_problem(410, "ticket_invalid", foreign);
        let terms = json!({ "ticket": foreign, "accept": {} });
        world.post("/login/terms", terms).send().await.assert_problem(410, "ticket_invalid", foreign);
    }
    for foreign in [&session, &link, &ticket] {
        let form = json!({ "token": foreign, "email": "root@example.org", "password": PASSWORD });
        world.post("/first-administrator", form).send().await.assert_problem(410, "link_invalid", foreign);
    }
    let takeover = json!({ "ticket": ticket, "proceed": true });
    assert_eq!(world.post("/login/takeover", takeover).send().await.json()["status"], "logged_in", "unhurt");
}

#[tokio::test]
async fn no_header_makes_any_endpoint_fail() {
    let world = World::new().await;
    let token = world.logged_in("ada@example.org").await;
    let names = [
        "cookie",
        "authorization",
        "origin",
        "sec-fetch-site",
        "x-forwarded-for",
        "forwarded",
        "user-agent",
        "content-type",
        "content-length",
        "transfer-encoding",
        "accept-language",
        "accept",
        "host",
        "te",
        "range",
        "if-none-match",
        "expect",
        "x-http-method-override",
        "x-original-url",
    ];
    let long = vec![b','; 20_000];
    let values: [&[u8]; 9] = [
        b"",
        b"\xff\xfe\xfd",
        b";;;,,,===",
        b"null",
        b"-1",
        b"99999999999999999999",
        b"en;q=,ko;q=-1;q=2",
        b"%00%0d%0a",
        &long,
    ];
    for (method, path) in ENDPOINTS {
        let path = path.replace("{id}", "x");
        for name in names {
            for value in values {
                for body in [None, Some(if path == "/sign-up" { r#"{"email":"x","password":"y"}"# } else { "{}" })] {
                    let mut call = world.call(method.parse().unwrap(), &path).bearer(&token).header(name, value);
                    if let Some(body) = body {
                        call = call.json(body);
                    }
                    let reply = call.from("203.0.113.9").send().await;
                    assert!(!reply.status.is_server_error(), "{method} {path} {name} {:.20?}: {}", value, reply.text());
                    if path == "/logout" {
                        break;
                    }
                }
            }
        }
    }
}
