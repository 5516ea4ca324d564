//! F6: how long each kind of link and ticket works, a second before its end, at it and after it.

use std::time::Duration;

use axum::http::StatusCode;
use doorwarden_core::sign_up::Demand;
use doorwarden_core::time::Timestamp;
use serde_json::{Value, json};

use crate::orders::{ADA, STEPS, Waiting};
use crate::world::{PASSWORD, Reply, World};

const NEW: &str = "another horse 2?";
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What a stranger, a user or an administrator gets a link for.
#[derive(Debug, Clone, Copy)]
enum Link {
    Verification,
    ResentVerification,
    Reset,
    FirstPassword,
    Confirmation,
    Undo,
    FirstAdministrator,
    Invitation,
}

/// A link with a fixed lifetime, and what using it is.
const LINKS: [(Link, u64); 8] = [
    (Link::Verification, DAY),
    (Link::ResentVerification, DAY),
    (Link::Reset, 30 * MINUTE),
    (Link::FirstPassword, DAY),
    (Link::Confirmation, DAY),
    (Link::Undo, 7 * DAY),
    (Link::FirstAdministrator, HOUR),
    (Link::Invitation, 3 * DAY),
];

/// The request that uses a fresh link: its path and body.
async fn fresh(link: Link, world: &World) -> (&'static str, Value) {
    let token = |world: &World| json!({ "token": world.mailed_token() });
    let change = async |world: &World| {
        let session = world.logged_in(ADA).await;
        let body = json!({ "new_email": "ada@example.com", "password": PASSWORD });
        world.post("/email/change", body).cookie(&session).send().await;
    };
    match link {
        Link::Verification => {
            world.sign_up(ADA).await;
            ("/verify-email", token(world))
        }
        Link::ResentVerification => {
            world.sign_up(ADA).await;
            world.post("/verify-email/resend", json!({ "email": ADA })).send().await;
            ("/verify-email", token(world))
        }
        Link::Reset => {
            world.account(ADA).await;
            world.post("/password/forgot", json!({ "email": ADA })).send().await;
            ("/password/reset", json!({ "token": world.mailed_token(), "new_password": NEW }))
        }
        Link::FirstPassword => {
            let root = world.administrator("root@example.org").await;
            world.post("/admin/users", json!({ "email": ADA })).cookie(&root).send().await;
            ("/password/reset", json!({ "token": world.mailed_token(), "new_password": NEW }))
        }
        Link::Confirmation => {
            change(world).await;
            ("/email/confirm", token(world))
        }
        Link::Undo => {
            change(world).await;
            world.post("/email/confirm", token(world)).send().await;
            ("/email/undo", token(world))
        }
        Link::FirstAdministrator => {
            let link = world.engine.first_administrator_link().await.unwrap().unwrap();
            let token = link.split_once("token=").unwrap().1;
            ("/first-administrator", json!({ "token": token, "email": ADA, "password": PASSWORD }))
        }
        Link::Invitation => {
            let root = world.administrator("root@example.org").await;
            let ends = Timestamp::from_millis(world.engine.now().as_millis() + i64::try_from(3 * DAY).unwrap() * 1_000);
            let body = json!({ "expires_at": ends.to_string() });
            let made = world.post("/admin/invitations", body).cookie(&root).send().await.json();
            ("/sign-up", json!({ "email": ADA, "password": PASSWORD, "invitation": made["token"] }))
        }
    }
}

async fn used_after(link: Link, seconds: u64) -> Reply {
    let world = World::with(|policy| {
        if matches!(link, Link::Invitation) {
            policy.sign_up.invitation = Demand::Required;
        }
    })
    .await;
    let (path, body) = fresh(link, &world).await;
    world.clock.advance(Duration::from_secs(seconds));
    world.post(path, body).send().await
}

#[tokio::test]
async fn f6_each_kind_of_link_works_until_its_end_and_not_at_it() {
    for (link, lifetime) in LINKS {
        let before = used_after(link, lifetime - 1).await;
        assert!(before.status.is_success(), "{link:?}, a second before: {}", before.text());
        for seconds in [lifetime, lifetime + 1] {
            let (status, code) = match link {
                Link::Invitation => (422, "invitation_invalid"),
                _ => (410, "link_invalid"),
            };
            used_after(link, seconds).await.assert_problem(status, code, &format!("{link:?} after {seconds} s"));
        }
    }
}

#[tokio::test]
async fn f6_a_ticket_of_each_step_works_for_five_minutes_and_not_at_their_end() {
    for step in STEPS {
        for (seconds, works) in [(5 * MINUTE - 1, true), (5 * MINUTE, false), (5 * MINUTE + 1, false)] {
            let waiting = Waiting::at(step).await;
            waiting.world.clock.advance(Duration::from_secs(seconds) - waiting.age());
            let reply = waiting.go_on().await;
            match works {
                true => assert_eq!(reply.status, StatusCode::OK, "{step:?}: {}", reply.text()),
                false => reply.assert_problem(410, "ticket_invalid", &format!("{step:?} after {seconds} s")),
            }
        }
    }
}

#[tokio::test]
async fn f6_no_link_to_make_an_administrator_is_made_or_works_once_a_user_exists() {
    let world = World::new().await;
    let (path, body) = fresh(Link::FirstAdministrator, &world).await;
    world.account("bob@example.org").await;
    assert_eq!(world.engine.first_administrator_link().await.unwrap(), None);
    world.post(path, body).send().await.assert_problem(410, "link_invalid", "a user exists");
}
