//! FA7: whatever is refused is on the audit trail, by name, outcome and rule.

use std::time::Duration;

use axum::http::Method;
use doorwarden_core::audit::{AuditEvent, AuditFilter, AuditName, AuditOutcome, why};
use doorwarden_core::client::Client;
use doorwarden_core::engine::Engine;
use doorwarden_core::policy::Policy;
use doorwarden_core::user::UserStatus;
use doorwarden_web::{Code, Trail};
use serde_json::{Value, json};

use crate::orders::{ADA, STEPS, Step, Waiting, change_policy};
use crate::world::{Call, PASSWORD, World};

/// The event of a refusal that a flow puts on the trail: its names, and the beginning of its rule.
const BY_FLOWS: &[(Code, &[&str], &[&str])] = &[
    (
        Code::InvalidCredentials,
        &[
            "login.failed",
            "session.proved",
            "password.changed",
            "email.change_requested",
            "totp.enabled",
            "totp.disabled",
            "user.deleted",
        ],
        &["invalid_credentials"],
    ),
    (Code::InvalidSignature, &["signature.refused"], &["signature.", "keypairs.clock_skew", "user.status"]),
    (Code::EmailUnverified, &["login.failed"], &["sign_up.verify_email"]),
    (Code::AccountDisabled, &["login.failed"], &["user.status"]),
    (Code::EmailTaken, &["user.signed_up"], &["email_taken"]),
    (Code::SessionLimit, &["login.failed"], &["session.on_conflict"]),
    (Code::LastAdministrator, &["user.changed", "user.deleted"], &["last_administrator"]),
    (Code::KeypairLimit, &["keypair.created", "keypair.rotated"], &["keypair_limit", "keypairs.per_user"]),
    (
        Code::InvalidCode,
        &["login.failed", "session.proved", "totp.enabled", "totp.disabled", "user.deleted"],
        &["invalid_code"],
    ),
    (Code::InvitationInvalid, &["user.signed_up"], &["invitation_invalid"]),
    (Code::LockedOut, &["login.restricted", "login.failed"], &["lockout.", "totp.max_failures"]),
];

async fn trail(engine: &Engine) -> Vec<AuditEvent> {
    let (mut all, mut filter) = (Vec::new(), AuditFilter::default());
    loop {
        let page = engine.audit(&filter, 200).await.unwrap();
        let Some((last, _)) = page.last() else { return all };
        filter.after = Some(*last);
        all.extend(page.into_iter().map(|(_, event)| event));
    }
}

fn is_of(code: Code, event: &AuditEvent) -> bool {
    let (name, rule) = (event.name.name(), event.rule.as_deref().unwrap_or_default());
    let by_flow = || {
        let (_, names, rules) = BY_FLOWS.iter().find(|(flow, ..)| *flow == code).unwrap_or_else(|| panic!("{code:?}"));
        names.contains(&name) && rules.iter().any(|beginning| rule.starts_with(beginning))
    };
    event.outcome == AuditOutcome::Refusal
        && match code.trail() {
            Trail::Flow => by_flow(),
            Trail::Router => (name, rule) == ("request.refused", code.name()),
            Trail::Log => true,
        }
}

/// A refusal with this code is on the trail, and told in sentences.
pub(crate) async fn assert_on_trail(engine: &Engine, code: &str) {
    let code = Code::ALL.iter().copied().find(|known| known.name() == code).unwrap();
    if code.trail() == Trail::Log {
        return;
    }
    let trail = trail(engine).await;
    let told: Vec<_> =
        trail.iter().map(|event| (event.name.name(), event.outcome.name(), event.rule.as_deref())).collect();
    let event = trail.iter().find(|event| is_of(code, event));
    let event = event.unwrap_or_else(|| panic!("{} isn't on the trail: {told:?}", code.name()));
    let sentences = why(event, &Policy::default()).join(" ");
    assert!(!sentences.contains("knows no more"), "{sentences}");
}

#[test]
fn fa7_every_code_is_put_on_the_trail_by_a_flow_or_by_the_router_or_stands_in_the_log() {
    for code in Code::ALL {
        let by_flow = BY_FLOWS.iter().any(|(flow, ..)| flow == code);
        assert_eq!(by_flow, code.trail() == Trail::Flow, "{code:?}");
        let is_fault = matches!(code, Code::Unavailable | Code::Internal);
        assert_eq!(is_fault, code.trail() == Trail::Log, "{code:?}: a refusal belongs on the trail");
    }
}

/// Sends a request that is refused, and returns the one refusal that came onto the trail with it.
async fn refused(call: Call, status: u16, code: &str, case: &str) -> AuditEvent {
    let engine = call.engine.clone();
    let before = trail(&engine).await.len();
    call.send().await.assert_problem(status, code, case);
    let refusals: Vec<_> = trail(&engine).await.into_iter().skip(before).filter(|event| event.rule.is_some()).collect();
    let known = Code::ALL.iter().copied().find(|known| known.name() == code).unwrap();
    let [event] = &refusals[..] else { panic!("{case}: {refusals:?}") };
    assert!(is_of(known, event), "{case}: {event:?}");
    event.clone()
}

/// Each place where somebody who is logged in gives a password.
fn places_of_a_password(password: &str, code: &str) -> [(&'static str, Value); 6] {
    [
        ("/session/prove", json!({ "password": password })),
        ("/password/change", json!({ "current_password": password, "new_password": "another horse 2?" })),
        ("/email/change", json!({ "new_email": "ada@example.com", "password": password })),
        ("/totp/setup", json!({ "password": password })),
        ("/totp/disable", json!({ "password": password, "code": code })),
        ("/account/delete", json!({ "password": password, "code": code })),
    ]
}

#[tokio::test]
async fn fa7_a_wrong_password_is_on_the_trail_wherever_it_is_given_and_so_is_a_restriction() {
    for (path, body) in places_of_a_password("wrong", "000000") {
        let world = World::new().await;
        let token = world.logged_in(ADA).await;
        let user = world.engine.find_user(ADA).await.unwrap().unwrap().id;
        if path != "/totp/setup" {
            world.authenticator(&token).await;
        }
        let call = || world.post(path, body.clone()).cookie(&token);
        let event = refused(call(), 401, "invalid_credentials", path).await;
        assert_eq!(event.user, Some(user), "{path}");
        for _ in 0..9 {
            world.login(ADA, "wrong").send().await;
        }
        // The eleventh restricts, and its own event says so beside it.
        call().send().await.assert_problem(401, "invalid_credentials", path);
        let restricted = refused(call(), 429, "locked_out", path).await;
        assert_eq!((restricted.name, restricted.user), (AuditName::LoginRestricted, Some(user)), "{path}");
    }
}

#[tokio::test]
async fn fa7_a_wrong_code_is_on_the_trail_wherever_it_is_given() {
    let places = [
        ("/session/prove", json!({ "code": "000000" })),
        ("/totp/disable", json!({ "password": PASSWORD, "code": "000000" })),
        ("/account/delete", json!({ "password": PASSWORD, "code": "000000" })),
    ];
    for (path, body) in places {
        let world = World::new().await;
        let token = world.logged_in(ADA).await;
        world.authenticator(&token).await;
        refused(world.post(path, body).cookie(&token), 422, "invalid_code", path).await;
    }
    for step in [Step::Otp, Step::TotpSetup, Step::Confirm] {
        let waiting = Waiting::at(step).await;
        let wrong = waiting.show_code("000000");
        refused(wrong, 422, "invalid_code", &format!("{step:?}")).await;
    }
    let waiting = Waiting::at(Step::Otp).await;
    change_policy(&waiting.world, |policy| policy.totp.max_failures = 1).await;
    waiting.show_code("000000").send().await.assert_problem(422, "invalid_code", "the last one");
    let event = refused(waiting.show_code("000000"), 429, "locked_out", "spent").await;
    assert_eq!(event.rule.as_deref(), Some("totp.max_failures"));
    let before = trail(&waiting.world.engine).await.len();
    for _ in 0..20 {
        waiting.show_code("000000").send().await.assert_problem(429, "locked_out", "spent");
    }
    assert_eq!(trail(&waiting.world.engine).await.len(), before, "once a minute");
}

#[tokio::test]
async fn fa7_a_step_of_a_disabled_account_is_on_the_trail() {
    for step in STEPS.into_iter().filter(|step| *step != Step::Confirm) {
        let waiting = Waiting::at(step).await;
        let user = waiting.world.engine.find_user(ADA).await.unwrap().unwrap().id;
        waiting.world.engine.set_status(user, UserStatus::Disabled, &Client::default()).await.unwrap();
        let call = waiting.show(step, &waiting.ticket);
        let event = refused(call, 403, "account_disabled", &format!("{step:?}")).await;
        assert_eq!(event.user, Some(user), "{step:?}");
    }
}

#[tokio::test]
async fn fa7_a_refusal_by_the_router_is_one_counted_event_a_minute_for_each_client_and_code() {
    let world = World::new().await;
    let cross_site = |address: &str| world.login(ADA, PASSWORD).header("sec-fetch-site", "cross-site").from(address);
    let event = refused(cross_site("203.0.113.9"), 403, "cross_site", "the first").await;
    assert_eq!((&event.facts["at"], &event.facts["refusals"]), (&json!("POST /auth/login"), &json!(1)));
    assert_eq!(event.client.address, Some("203.0.113.9".parse().unwrap()));
    for _ in 0..30 {
        cross_site("203.0.113.9").send().await;
    }
    refused(cross_site("203.0.113.10"), 403, "cross_site", "another client").await;
    world.clock.advance(Duration::from_secs(60));
    let event = refused(cross_site("203.0.113.9"), 403, "cross_site", "a minute later").await;
    assert_eq!(event.facts["refusals"], 31);
}

#[tokio::test]
async fn fa7_whoever_shows_no_session_is_no_event_and_whoever_shows_a_wrong_one_is() {
    let world = World::new().await;
    for _ in 0..3 {
        world.get("/session").send().await.assert_problem(401, "session_required", "a first visit");
    }
    assert_eq!(trail(&world.engine).await.len(), 0);
    refused(world.get("/session").cookie("dws_x"), 401, "session_required", "an unknown one").await;
}

#[tokio::test]
async fn fa4_fa7_what_stands_in_a_path_or_method_is_not_on_the_trail() {
    let world = World::new().await;
    let token = world.logged_in(ADA).await;
    let secret = "dwl_a-secret-in-a-path";
    let method = Method::from_bytes(&[b'X'; 60]).unwrap();
    for call in [
        world.get(&format!("/{secret}")).cookie(&token),
        world.get(&format!("/sessions?cursor={secret}")).cookie(&token),
        world.delete(&format!("/sessions/{secret}")).cookie(&token),
        world.call(method, "/sessions").cookie(&token),
    ] {
        let status = call.send().await.status;
        assert!(status.is_client_error(), "{status}");
        world.clock.advance(Duration::from_secs(60));
    }
    let told = serde_json::to_string(&trail(&world.engine).await).unwrap();
    assert!(!told.contains("a-secret") && !told.contains("XXXX"), "{told}");
    assert!(told.contains("DELETE /auth/sessions/{id}") && told.contains("an unknown path"), "{told}");
}
