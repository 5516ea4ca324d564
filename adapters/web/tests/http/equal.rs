//! What a stranger sees of an address is the same whether it has an account or not.

use doorwarden_core::client::Client;
use serde_json::json;

use crate::world::{PASSWORD, Reply, World};

const KNOWN: &str = "ada@example.org";
const UNKNOWN: &str = "bob@example.org";

async fn both(known: impl Future<Output = Reply>, unknown: impl Future<Output = Reply>) -> (Reply, Reply) {
    (known.await, unknown.await)
}

#[tokio::test]
async fn ex2_sign_up_answers_alike_for_a_taken_and_a_free_address() {
    let world = World::new().await;
    world.account(KNOWN).await;
    world.mailer.take_mails();
    let form = |email: &str| json!({ "email": email, "password": PASSWORD, "username": "carol" });
    let before = world.engine.hash_evaluations();
    let known = world.post("/sign-up", form(KNOWN)).send().await;
    let between = world.engine.hash_evaluations();
    assert_eq!(world.mailer.take_mails()[0].kind.name(), "already-registered");
    let other = World::new().await;
    let unknown = other.post("/sign-up", form(UNKNOWN)).send().await;
    assert_eq!(other.mailer.take_mails()[0].kind.name(), "verify-email");
    assert_eq!(known, unknown);
    assert_eq!((between - before, other.engine.hash_evaluations()), (1, 1), "equal work");
}

#[tokio::test]
async fn ex3_the_password_just_chosen_is_unverified_for_a_taken_and_a_free_address() {
    let world = World::new().await;
    world.account(KNOWN).await;
    let chosen = "another horse 2?";
    for email in [KNOWN, UNKNOWN] {
        let reply = world.post("/sign-up", json!({ "email": email, "password": chosen })).send().await;
        assert_eq!(reply.status.as_u16(), 201);
    }
    let (known, unknown) = both(world.login(KNOWN, chosen).send(), world.login(UNKNOWN, chosen).send()).await;
    known.assert_problem(403, "email_unverified", KNOWN);
    assert_eq!(known, unknown);
    let (known, unknown) = both(world.login(KNOWN, "wrong").send(), world.login(UNKNOWN, "wrong").send()).await;
    known.assert_problem(401, "invalid_credentials", KNOWN);
    assert_eq!(known, unknown);
}

#[tokio::test]
async fn ex3_a_username_is_held_for_a_taken_and_a_free_address() {
    for email in [KNOWN, UNKNOWN] {
        let world = World::new().await;
        world.account(KNOWN).await;
        let form = |email: &str| json!({ "email": email, "password": PASSWORD, "username": "carol" });
        world.post("/sign-up", form(email)).send().await;
        let reply = world.post("/sign-up", form("dave@example.org")).send().await;
        reply.assert_problem(409, "username_taken", email);
    }
}

#[tokio::test]
async fn ex2_resend_answers_alike_for_registered_known_and_unknown_addresses() {
    let world = World::new().await;
    world.account(KNOWN).await;
    world.sign_up("pending@example.org").await;
    let resend = |email: &str| world.post("/verify-email/resend", json!({ "email": email })).send();
    let expected = resend(UNKNOWN).await;
    assert_eq!((expected.status.as_u16(), expected.body.len()), (202, 0));
    for email in [KNOWN, "pending@example.org"] {
        assert_eq!(resend(email).await, expected, "{email}");
    }
    for _ in 0..5 {
        assert_eq!(resend("pending@example.org").await, expected, "over the mails an hour");
    }
}

#[tokio::test]
async fn ex1_a_failed_login_is_one_answer_and_one_evaluation_whoever_was_named() {
    let world = World::new().await;
    world.account(KNOWN).await;
    world.account("disabled@example.org").await;
    let disabled = world.engine.find_user("disabled@example.org").await.unwrap().unwrap();
    let status = doorwarden_core::user::UserStatus::Disabled;
    world.engine.set_status(disabled.id, status, &Client::default()).await.unwrap();
    let long = "é1!".repeat(9_000);
    let expected = world.login(KNOWN, "wrong").send().await;
    expected.assert_problem(401, "invalid_credentials", "wrong");
    for (identifier, password) in [
        (UNKNOWN, "wrong"),
        (UNKNOWN, ""),
        (KNOWN, ""),
        (KNOWN, &*long),
        (KNOWN, "nul\0"),
        ("disabled@example.org", "wrong"),
        ("", "wrong"),
        ("nobody", "wrong"),
        ("a@b@c", "wrong"),
        (&*long, "wrong"),
        ("\0\r\n\u{202e}", "wrong"),
    ] {
        let before = world.engine.hash_evaluations();
        let reply = world.login(identifier, password).send().await;
        assert_eq!(reply, expected, "{:.20?} {:.20?}", identifier, password);
        assert_eq!(world.engine.hash_evaluations() - before, 1, "{:.20?} {:.20?}", identifier, password);
    }
}

#[tokio::test]
async fn gu6_a_restricted_account_and_a_restricted_unknown_name_answer_alike_right_or_wrong() {
    let world = World::new().await;
    world.account(KNOWN).await;
    for email in [KNOWN, UNKNOWN] {
        for n in 1..=11 {
            world.login(email, "wrong").send().await.assert_problem(
                401,
                "invalid_credentials",
                &format!("{email} {n}"),
            );
        }
    }
    let before = world.engine.hash_evaluations();
    let right = world.login(KNOWN, PASSWORD).send().await;
    right.assert_problem(429, "locked_out", "right");
    assert_eq!(right.json()["retry_after_seconds"], 1_200);
    for email in [KNOWN, UNKNOWN] {
        assert_eq!(world.login(email, "wrong").send().await, right, "{email}");
    }
    assert_eq!(world.engine.hash_evaluations(), before, "unheard");
}

#[tokio::test]
async fn re1_links_that_never_were_are_used_or_are_of_another_kind_are_one_answer() {
    let world = World::new().await;
    world.account(KNOWN).await;
    let used = world.mailed_token();
    let show = |token: &str| world.post("/verify-email/show", json!({ "token": token })).send();
    let expected = show(&used).await;
    expected.assert_problem(410, "link_invalid", "used");
    for token in ["", "x", &used[..67], &used.replace("dwl_", "dwt_"), &used.to_uppercase(), &format!("{used} ")] {
        assert_eq!(show(token).await, expected, "{token}");
    }
}
