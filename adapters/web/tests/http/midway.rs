//! The policy changes in the middle of a login: each step is judged by the one in force when it is taken.

use std::time::Duration;

use axum::http::StatusCode;
use doorwarden_core::policy::Policy;
use doorwarden_core::session::{OnConflict, SessionMode};
use doorwarden_core::totp::TotpMode;
use serde_json::json;

use crate::orders::{ADA, STEPS, Step, Waiting, assert_step, change_policy, in_force};
use crate::world::{PASSWORD, World};

/// Changes the policy while a login waits at `step`, and takes that step.
async fn meanwhile(step: Step, change: impl FnOnce(&mut Policy)) -> (Waiting, crate::world::Reply) {
    let waiting = Waiting::at(step).await;
    change_policy(&waiting.world, change).await;
    let reply = waiting.go_on().await;
    (waiting, reply)
}

const OF_A_LOGIN: [Step; 5] = [Step::Otp, Step::TotpSetup, Step::Password, Step::Terms, Step::Takeover];

#[tokio::test]
async fn se12_a_second_factor_that_becomes_required_is_asked_for_at_the_very_next_step() {
    let world = World::new().await;
    world.account(ADA).await;
    change_policy(&world, |policy| in_force(policy, "1")).await;
    let asked = world.login(ADA, PASSWORD).send().await;
    assert_step(&asked, "terms_required");
    change_policy(&world, |policy| policy.totp.mode = TotpMode::Required).await;
    let body = json!({ "ticket": asked.ticket(), "accept": { "terms": "1", "privacy": null } });
    assert_step(&world.post("/login/terms", body).send().await, "totp_setup_required");

    let world = World::new().await;
    let session = world.logged_in(ADA).await;
    let asked = world.login(ADA, PASSWORD).send().await;
    assert_step(&asked, "session_conflict");
    change_policy(&world, |policy| policy.totp.mode = TotpMode::Required).await;
    let body = json!({ "ticket": asked.ticket(), "proceed": true });
    assert_step(&world.post("/login/takeover", body).send().await, "totp_setup_required");
    let current = world.get("/session").cookie(&session).send().await;
    assert_eq!(current.status, StatusCode::OK, "l8: who has no second factor ends nobody's session");
}

#[tokio::test]
async fn s2_documents_of_another_version_are_asked_for_and_the_former_ones_count_no_more() {
    for step in [Step::Otp, Step::TotpSetup, Step::Password, Step::Takeover] {
        let (_, reply) = meanwhile(step, |policy| in_force(policy, "2")).await;
        assert_step(&reply, "terms_required");
        assert_eq!(reply.json()["terms"]["version"], "2", "{step:?}");
    }
    let (waiting, reply) = meanwhile(Step::Terms, |policy| in_force(policy, "2")).await;
    reply.assert_problem(422, "terms_not_accepted", "version 1, which the step had shown");
    let body = json!({ "ticket": waiting.ticket, "accept": { "terms": "2", "privacy": null } });
    assert_step(&waiting.world.post("/login/terms", body).send().await, "logged_in");

    let (_, reply) = meanwhile(Step::Otp, |policy| {
        in_force(policy, "2");
        policy.sign_up.ask_again_when_terms_change = false;
    })
    .await;
    assert_step(&reply, "logged_in");
}

#[tokio::test]
async fn l13_a_password_that_is_too_old_by_now_must_be_changed_first() {
    for step in [Step::Otp, Step::TotpSetup, Step::Terms, Step::Takeover] {
        let waiting = Waiting::at(step).await;
        waiting.world.clock.advance(Duration::from_secs(100));
        change_policy(&waiting.world, |policy| policy.password.max_age = Some(Duration::from_secs(60))).await;
        assert_step(&waiting.go_on().await, "password_change_required");
    }
    let (_, reply) = meanwhile(Step::Password, |policy| policy.password.min_length = 40).await;
    reply.assert_problem(422, "password_too_weak", "s6: by the rules of now");
    assert_eq!(reply.json()["unmet"], json!(["min_length"]));
}

#[tokio::test]
async fn se4_a_limit_that_is_lowered_holds_for_the_login_under_way() {
    for step in [Step::Otp, Step::TotpSetup, Step::Terms] {
        let (_, reply) = meanwhile(step, |policy| policy.session.on_conflict = OnConflict::Ask).await;
        assert_step(&reply, "session_conflict");
        let (_, reply) = meanwhile(step, |policy| policy.session.on_conflict = OnConflict::Refuse).await;
        reply.assert_problem(409, "session_limit", "refused by now");
    }
    let world = World::with(|policy| policy.session.max_concurrent = 2).await;
    let first = world.logged_in(ADA).await;
    let (authenticator, _) = world.authenticator(&first).await;
    let ticket = world.login(ADA, PASSWORD).send().await.ticket();
    change_policy(&world, |policy| policy.session.max_concurrent = 1).await;
    let body = json!({ "ticket": ticket, "code": authenticator.code(&world) });
    assert_step(&world.post("/login/otp", body).send().await, "session_conflict");
}

#[tokio::test]
async fn l2_a_mode_that_is_offered_no_more_lets_no_step_through_and_spends_nothing() {
    for step in OF_A_LOGIN {
        let (waiting, reply) = meanwhile(step, |policy| policy.login.modes = vec![SessionMode::Api]).await;
        reply.assert_problem(403, "mode_disabled", &format!("{step:?}"));
        assert_eq!(reply.set_cookie(), None, "{step:?}");
        waiting.world.login(ADA, PASSWORD).send().await.assert_problem(403, "mode_disabled", "from the beginning");
        change_policy(&waiting.world, |policy| policy.login.modes = vec![SessionMode::Session]).await;
        assert_step(&waiting.go_on().await, "logged_in");
    }
}

#[tokio::test]
async fn f6_a_ticket_lives_as_long_as_the_policy_of_now_says() {
    for step in STEPS {
        for (ticket, alive) in [(Duration::from_secs(61), true), (Duration::from_secs(60), false)] {
            let waiting = Waiting::at(step).await;
            waiting.world.clock.advance(Duration::from_secs(60) - waiting.age());
            change_policy(&waiting.world, |policy| policy.login.ticket = ticket).await;
            let reply = waiting.go_on().await;
            match alive {
                true => assert_eq!(reply.status, StatusCode::OK, "{step:?}: {}", reply.text()),
                false => reply.assert_problem(410, "ticket_invalid", &format!("{step:?}")),
            }
        }
    }
}

#[tokio::test]
async fn where_one_time_passwords_are_switched_off_nobody_finishes_a_set_up() {
    let (_, reply) = meanwhile(Step::Confirm, |policy| policy.totp.mode = TotpMode::Off).await;
    reply.assert_problem(403, "forbidden", "in a session");
    let (waiting, reply) = meanwhile(Step::TotpSetup, |policy| policy.totp.mode = TotpMode::Off).await;
    reply.assert_problem(410, "ticket_invalid", "in a login, which begins anew");
    assert_step(&waiting.world.login(ADA, PASSWORD).send().await, "logged_in");
    let (_, reply) = meanwhile(Step::Otp, |policy| policy.totp.mode = TotpMode::Off).await;
    assert_step(&reply, "logged_in");
}

#[tokio::test]
async fn l11_a_lockout_is_judged_by_the_count_and_the_rule_of_now() {
    let waiting = Waiting::at(Step::Otp).await;
    let world = &waiting.world;
    let wrong = || world.post("/login/otp", json!({ "ticket": waiting.ticket, "code": "000000" })).send();
    for _ in 0..5 {
        wrong().await.assert_problem(422, "invalid_code", "one of five");
    }
    change_policy(world, |policy| policy.lockout.max_failures = 3).await;
    wrong().await.assert_problem(422, "invalid_code", "the last one: more than three by now");
    let refused = waiting.go_on().await;
    refused.assert_problem(429, "locked_out", "even the right code");
    assert_eq!(refused.json()["retry_after_seconds"], 1_200);

    change_policy(world, |policy| policy.lockout.duration = Duration::from_secs(60)).await;
    world.clock.advance(Duration::from_secs(60));
    let still = waiting.go_on().await;
    still.assert_problem(429, "locked_out", "gu6: the end that was told doesn't move");
    assert_eq!(still.json()["retry_after_seconds"], 1_140);
    world.clock.advance(Duration::from_secs(1_140));
    let ticket = world.login(ADA, PASSWORD).send().await.ticket();
    for _ in 0..4 {
        let body = json!({ "ticket": ticket, "code": "000000" });
        world.post("/login/otp", body).send().await.assert_problem(422, "invalid_code", "from zero");
    }
    let refused = waiting.show(Step::Otp, &ticket).send().await;
    refused.assert_problem(429, "locked_out", "the next restriction is as long as the policy says by now");
    assert_eq!(refused.json()["retry_after_seconds"], 60);
}

#[tokio::test]
async fn totp_max_failures_that_is_lowered_stops_the_code_that_is_on_its_way() {
    let waiting = Waiting::at(Step::Otp).await;
    for _ in 0..3 {
        let body = json!({ "ticket": waiting.ticket, "code": "000000" });
        waiting.world.post("/login/otp", body).send().await.assert_problem(422, "invalid_code", "wrong");
    }
    change_policy(&waiting.world, |policy| policy.totp.max_failures = 3).await;
    let refused = waiting.go_on().await;
    refused.assert_problem(429, "locked_out", "three were wrong");
    assert_eq!(refused.json().get("retry_after_seconds"), None);
    change_policy(&waiting.world, |policy| policy.totp.max_failures = 0).await;
    assert_step(&waiting.go_on().await, "logged_in");
}
