//! The preset `nist`: each of its keys alone changes an outcome, and all of them together are one walk by the clock.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::Method;
use axum::http::header::SET_COOKIE;
use doorwarden_core::client::Client;
use doorwarden_core::password::HashScheme;
use doorwarden_core::policy::{Policy, PublicUrl, nist};
use doorwarden_core::session::OnConflict;
use doorwarden_core::totp::TotpMode;
use serde_json::json;

use crate::orders::{ADA, assert_step, change_policy};
use crate::world::{Authenticator, PASSWORD, Reply, World};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

fn pass(world: &World, seconds: u64) {
    world.clock.advance(Duration::from_secs(seconds));
}

/// The value and attributes of a cookie that a reply sets.
fn cookie<'a>(reply: &'a Reply, name: &str) -> Option<(&'a str, &'a str)> {
    let set = reply.headers.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    let mut own = set.filter_map(|cookie| cookie.strip_prefix(name)?.strip_prefix('='));
    own.next().map(|cookie| cookie.split_once("; ").unwrap())
}

/// The step or code of a reply, with the rules that a password breaks or the time to wait.
fn told(reply: &Reply) -> String {
    if reply.body.is_empty() {
        return reply.status.as_u16().to_string();
    }
    let json = reply.json();
    let named = json["code"].as_str().or(json["status"].as_str()).unwrap_or_default();
    let unmet = json["unmet"].as_array().map(|unmet| format!(" {}", json!(unmet)));
    let wait = json["retry_after_seconds"].as_u64().map(|seconds| format!(" {seconds}"));
    [named, &unmet.or(wait).unwrap_or_default()].concat()
}

async fn fail(world: &World, times: usize) {
    for _ in 0..times {
        world.login(ADA, "wrong").send().await.assert_problem(401, "invalid_credentials", "wrong");
    }
}

async fn sign_up(world: &World, password: &str) -> String {
    told(&world.post("/sign-up", json!({ "email": ADA, "password": password })).send().await)
}

/// Eleven failures by a stranger, then the browser that logged in before.
async fn known_browser_after_a_stranger(world: &World) -> String {
    world.account(ADA).await;
    let logged_in = world.login(ADA, PASSWORD).send().await;
    let known = cookie(&logged_in, "dw_known").map(|(value, _)| value.to_owned()).unwrap_or_default();
    fail(world, 11).await;
    let back = world.login(ADA, PASSWORD).header("cookie", format!("dw_known={known}"));
    told(&back.header("sec-fetch-site", "same-origin").send().await)
}

async fn after_twenty_wrong_codes(world: &World) -> String {
    let token = world.logged_in(ADA).await;
    let (authenticator, _) = world.authenticator(&token).await;
    for n in 0..20 {
        if n == 10 {
            pass(world, 25 * HOUR);
        }
        let ticket = world.login(ADA, PASSWORD).send().await.ticket();
        let wrong = world.post("/login/otp", json!({ "ticket": ticket, "code": "no code" })).send().await;
        wrong.assert_problem(422, "invalid_code", "wrong");
    }
    pass(world, 25 * HOUR);
    let asked = world.login(ADA, PASSWORD).send().await;
    if asked.status.as_u16() != 200 {
        return told(&asked);
    }
    let body = json!({ "ticket": asked.ticket(), "code": authenticator.code(world) });
    told(&world.post("/login/otp", body).send().await)
}

/// What a user meets that the key is about.
async fn outcome(key: &str, world: &World) -> String {
    let login = || world.login(ADA, PASSWORD).send();
    match key {
        "password.min_length" => sign_up(world, "ten-chars1").await,
        "password.require" => sign_up(world, "a sentence without digits").await,
        "password.forbid_common" => sign_up(world, "password1!").await,
        "password.forbid_identifiers" => sign_up(world, "my ada@example.org 1!").await,
        "lockout.escalate" => {
            world.account(ADA).await;
            fail(world, 11).await;
            pass(world, 20 * MINUTE);
            fail(world, 11).await;
            told(&login().await)
        }
        "lockout.known_browser" => known_browser_after_a_stranger(world).await,
        "totp.mode" => {
            world.account(ADA).await;
            told(&login().await)
        }
        "totp.max_failures" => after_twenty_wrong_codes(world).await,
        "session.idle" => {
            let token = world.logged_in(ADA).await;
            pass(world, HOUR);
            told(&world.get("/session").cookie(&token).send().await)
        }
        "session.max_lifetime" => {
            let token = world.logged_in(ADA).await;
            for _ in 0..4 {
                pass(world, 6 * HOUR);
                world.call(Method::POST, "/session/extend").cookie(&token).send().await;
            }
            told(&world.get("/session").cookie(&token).send().await)
        }
        "recovery.link" => {
            world.account(ADA).await;
            world.post("/password/forgot", json!({ "email": ADA })).send().await;
            pass(world, 10 * MINUTE);
            let body = json!({ "token": world.mailed_token(), "new_password": "another horse 2?" });
            told(&world.post("/password/reset", body).send().await)
        }
        // The lines of the same table that the preset leaves to the operator.
        "lockout.tell" => {
            world.account(ADA).await;
            fail(world, 11).await;
            told(&login().await)
        }
        "lockout.notify" => {
            world.account(ADA).await;
            fail(world, 5).await;
            world.mailer.take_mails();
            login().await;
            world.mailer.take_mails().len().to_string()
        }
        "password.scheme" => {
            world.account(ADA).await;
            let user = world.engine.find_user(ADA).await.unwrap().unwrap();
            let hash = serde_json::to_value(user.password.unwrap()).unwrap();
            hash.as_str().unwrap().split('$').nth(1).unwrap().to_owned()
        }
        "password.max_age" => {
            world.account(ADA).await;
            pass(world, 60 * HOUR);
            told(&login().await)
        }
        other => panic!("{other} has no outcome here"),
    }
}

/// The key alone, as the preset sets it or an operator does.
fn set(policy: &mut Policy, key: &str) {
    let minutes = |n: u64| Duration::from_secs(n * MINUTE);
    match key {
        "password.min_length" => policy.password.min_length = 15,
        "password.require" => policy.password.require = vec![],
        "password.forbid_common" => policy.password.forbid_common = true,
        "password.forbid_identifiers" => policy.password.forbid_identifiers = true,
        "lockout.escalate" => policy.lockout.escalate = true,
        "lockout.known_browser" => policy.lockout.known_browser = true,
        "totp.mode" => policy.totp.mode = TotpMode::Required,
        "totp.max_failures" => policy.totp.max_failures = 20,
        "session.idle" => policy.session.idle = Some(minutes(60)),
        "session.max_lifetime" => policy.session.max_lifetime = minutes(24 * 60),
        "recovery.link" => policy.recovery.link = minutes(10),
        "lockout.tell" => policy.lockout.tell = false,
        "lockout.notify" => policy.lockout.notify = true,
        "password.scheme" => policy.password.scheme = HashScheme::Argon2id,
        "password.max_age" => policy.password.max_age = Some(minutes(60 * 24)),
        other => panic!("{other} isn't set here"),
    }
}

#[tokio::test]
async fn cf1_each_key_of_section_10_alone_changes_an_outcome() {
    let cases = [
        ("password.min_length", "verify_email", "password_too_weak [\"min_length\"]"),
        ("password.require", "password_too_weak [\"digit\",\"special\"]", "verify_email"),
        ("password.forbid_common", "verify_email", "password_too_weak [\"common\"]"),
        ("password.forbid_identifiers", "verify_email", "password_too_weak [\"identifier\"]"),
        ("lockout.escalate", "locked_out 1200", "locked_out 2400"),
        ("lockout.known_browser", "locked_out 1200", "session_conflict"),
        ("totp.mode", "logged_in", "totp_setup_required"),
        ("totp.max_failures", "logged_in", "locked_out"),
        ("session.idle", "", "session_idle"),
        ("session.max_lifetime", "", "session_expired"),
        ("recovery.link", "204", "link_invalid"),
        ("lockout.tell", "locked_out 1200", "invalid_credentials"),
        ("lockout.notify", "0", "1"),
        ("password.scheme", "2b", "argon2id"),
        ("password.max_age", "logged_in", "password_change_required"),
    ];
    for (key, classic, changed) in cases {
        assert_eq!(outcome(key, &World::new().await).await, classic, "{key} left alone");
        assert_eq!(outcome(key, &World::with(|policy| set(policy, key)).await).await, changed, "{key} set");
    }
    let tried: BTreeSet<_> = cases.iter().map(|(key, ..)| *key).collect();
    let of_the_preset = nist(true).into_iter().map(|(key, _)| key);
    assert_eq!(of_the_preset.filter(|key| !tried.contains(key)).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// Everything that the preset sets, on a service with a name of its own.
async fn world() -> World {
    World::with(|policy| {
        for (key, _) in nist(true).iter().filter(|(key, _)| *key != "password.min_length") {
            set(policy, key);
        }
        policy.public_url = PublicUrl::parse("https://id.example.org").unwrap();
        policy.session.on_conflict = OnConflict::Allow;
    })
    .await
}

/// Signs up, proves the address, sets up codes; the browser's cookies.
async fn enrolled(world: &World) -> (Authenticator, Reply) {
    world.account(ADA).await;
    let asked = world.login(ADA, PASSWORD).send().await;
    assert_step(&asked, "totp_setup_required");
    let authenticator = Authenticator::of(&asked);
    let body = json!({ "ticket": asked.ticket(), "code": authenticator.code(world) });
    let reply = world.post("/login/totp-setup", body).send().await;
    assert_eq!(reply.json()["status"], "logged_in", "{}", reply.text());
    pass(world, 30);
    (authenticator, reply)
}

#[tokio::test]
async fn under_nist_a_browser_is_known_by_a_cookie_of_this_host_alone() {
    let world = world().await;
    let (_, reply) = enrolled(&world).await;
    let (known, attributes) = cookie(&reply, "__Host-dw_known").expect("known from now on");
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=34560000");
    assert!(cookie(&reply, "__Host-dw_session").is_some() && known.starts_with("dwb_"));
    fail(&world, 11).await;
    let from = |name: &str, value: &str| {
        let call = world.login(ADA, PASSWORD).header("cookie", format!("{name}={value}"));
        call.header("sec-fetch-site", "same-origin").send()
    };
    assert_step(&from("__Host-dw_known", known).await, "otp_required");
    for (name, value) in [("dw_known", known), ("__Host-dw_known", &known.replace("dwb_", "dws_")), ("a", "b")] {
        from(name, value).await.assert_problem(429, "locked_out", name);
    }
}

#[tokio::test]
async fn under_nist_restrictions_double_up_to_a_day_and_after_100_failures_no_time_opens() {
    let world = world().await;
    let (authenticator, _) = enrolled(&world).await;
    let mut failures = 0;
    for minutes in [20, 40, 80, 160, 320, 640, 1_280, 1_440, 1_440] {
        fail(&world, 11).await;
        failures += 11;
        let refused = world.login(ADA, PASSWORD).send().await;
        assert_eq!(told(&refused), format!("locked_out {}", minutes * MINUTE), "after {failures}");
        pass(&world, minutes * MINUTE - 1);
        assert_eq!(told(&world.login(ADA, PASSWORD).send().await), "locked_out 1", "after {failures}");
        pass(&world, 1);
    }
    fail(&world, 1).await;
    for days in [0, 1, 300] {
        pass(&world, days * 24 * HOUR);
        assert_eq!(told(&world.login(ADA, PASSWORD).send().await), "locked_out", "no time opens it");
    }
    world.mailer.take_mails();
    world.post("/password/forgot", json!({ "email": ADA })).send().await;
    let body = json!({ "token": world.mailed_token(), "new_password": "a long enough sentence" });
    assert_eq!(world.post("/password/reset", body).send().await.status.as_u16(), 204);
    let asked = world.login(ADA, "a long enough sentence").send().await;
    assert_step(&asked, "otp_required");
    let body = json!({ "ticket": asked.ticket(), "code": authenticator.code(&world) });
    assert_eq!(world.post("/login/otp", body).send().await.json()["status"], "logged_in");
}

#[tokio::test]
async fn under_nist_an_administrator_opens_what_no_time_does() {
    let world = world().await;
    enrolled(&world).await;
    for _ in 0..9 {
        fail(&world, 11).await;
        pass(&world, 24 * HOUR);
    }
    fail(&world, 1).await;
    assert_eq!(told(&world.login(ADA, PASSWORD).send().await), "locked_out");
    let user = world.engine.find_user(ADA).await.unwrap().unwrap().id;
    world.engine.unlock(user, &Client::default()).await.unwrap();
    assert_step(&world.login(ADA, PASSWORD).send().await, "otp_required");
}

#[tokio::test]
async fn under_nist_a_session_ends_after_an_idle_hour_and_after_a_day_in_all() {
    let world = world().await;
    let (_, reply) = enrolled(&world).await;
    let token = cookie(&reply, "__Host-dw_session").unwrap().0.to_owned();
    let show = |token: &str| {
        let call = world.get("/session").header("cookie", format!("__Host-dw_session={token}"));
        call.header("sec-fetch-site", "same-origin").send()
    };
    pass(&world, HOUR - 31);
    assert_eq!(show(&token).await.status.as_u16(), 200, "a second before");
    pass(&world, HOUR);
    show(&token).await.assert_problem(401, "session_idle", "an hour unused");

    change_policy(&world, |policy| policy.totp.mode = TotpMode::Optional).await;
    let (authenticator, user) = (enrolled_codes(&world).await, ADA);
    let asked = world.login(user, PASSWORD).send().await;
    let body = json!({ "ticket": asked.ticket(), "code": authenticator.code(&world) });
    let reply = world.post("/login/otp", body).send().await;
    let token = cookie(&reply, "__Host-dw_session").unwrap().0.to_owned();
    for half_hours in 1..48 {
        pass(&world, 30 * MINUTE);
        let extended = world.call(Method::POST, "/session/extend").bearer(&token).send().await;
        assert!(matches!(extended.status.as_u16(), 200 | 409), "{half_hours}: {}", extended.text());
        assert_eq!(show(&token).await.status.as_u16(), 200, "{half_hours}");
    }
    pass(&world, 30 * MINUTE);
    show(&token).await.assert_problem(401, "session_expired", "a day in all, whatever was extended");
}

/// Another authenticator: an administrator has removed the first.
async fn enrolled_codes(world: &World) -> Authenticator {
    let user = world.engine.find_user(ADA).await.unwrap().unwrap().id;
    world.engine.reset_totp(user, &Client::default()).await.unwrap();
    let token = cookie(&world.login(ADA, PASSWORD).send().await, "__Host-dw_session").unwrap().0.to_owned();
    let shown = world.post("/totp/setup", json!({ "password": PASSWORD })).bearer(&token).send().await;
    let authenticator = Authenticator::of(&shown);
    let body = json!({ "ticket": shown.ticket(), "code": authenticator.code(world) });
    assert_eq!(world.post("/totp/confirm", body).bearer(&token).send().await.status.as_u16(), 200);
    pass(world, 30);
    authenticator
}
