//! The store fails under a running portal: told in one word, and over when the cause is.

use serde_json::json;

use crate::http::Reply;
use crate::process::{Folder, PASSWORD, Portal, WITHOUT_MAILS};

/// What is inside and stays there.
const INNER: &[&str] = &[
    "sqlite",
    "select ",
    "insert ",
    "update ",
    "no such",
    "table",
    "database",
    "locked\"",
    "journal",
    "doorwarden.db",
    "/tmp",
    ".rs",
    "src/",
    "rusqlite",
    "postgres",
    "axum",
    "hyper",
    "tokio",
    "panicked",
    "os error",
    "thread",
    "stack",
    "charging",
    "loading",
];

/// An account with a session, whose token comes back.
fn prepared(configuration: &str) -> (Folder, Portal, String) {
    let folder = Folder::new(configuration);
    let portal = folder.start();
    portal.sign_up("ada@example.org").assert(201, "signed_up", "an account");
    let token = portal.login("ada@example.org", PASSWORD).member("token");
    (folder, portal, token)
}

pub(crate) fn assert_silent(reply: &Reply, folder: &Folder) {
    let seen = format!("{}\n{}", reply.head(), reply.text()).to_lowercase();
    for inner in INNER.iter().copied().chain([folder.path("").to_str().unwrap()]) {
        assert!(!seen.contains(inner), "{inner:?} in {seen}");
    }
    assert!(reply.header("server").is_none(), "{seen}");
}

/// The reference in the answer leads to a line of the log.
pub(crate) fn assert_logged(reply: &Reply, portal: &Portal) {
    let reference = reply.member("reference");
    crate::process::until("the line of the log", || portal.said.complaint().contains(&reference).then_some(()));
}

#[test]
fn fa12_a_store_held_by_another_is_unavailable_and_recovers_by_itself() {
    let (folder, portal, token) = prepared(&format!("{WITHOUT_MAILS}session.on_conflict = \"allow\"\n"));
    let holder = folder.database();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let calls = [
        portal.post("/login", &json!({ "identifier": "ada@example.org", "password": PASSWORD })),
        portal.post("/login", &json!({ "identifier": "ada@example.org", "password": "wrong" })),
        portal.post("/sign-up", &json!({ "email": "bob@example.org", "password": PASSWORD })),
        portal.ask("/logout").bearer(&token),
        portal.ask("/session/extend").bearer(&token),
    ];
    let replies = crate::http::at_once(calls.len(), |n| calls[n].clone().send());
    for reply in &replies {
        reply.assert(503, "unavailable", reply.head());
        assert_eq!(reply.header("retry-after").unwrap(), reply.json()["retry_after_seconds"].to_string());
        assert_silent(reply, &folder);
        assert_logged(reply, &portal);
    }
    assert_eq!(portal.session(&token).status, 200, "who can only be read is still logged in");
    holder.execute_batch("ROLLBACK").unwrap();
    portal.login("ada@example.org", PASSWORD).assert(200, "logged_in", "afterwards");
    assert_eq!(portal.ask("/logout").bearer(&token).send().status, 204, "no half a log-out");
    portal.sign_up("bob@example.org").assert(201, "signed_up", "no half a sign-up");
}

#[test]
fn fa12_a_store_whose_tables_are_gone_tells_nothing_inner_and_recovers_by_itself() {
    let (folder, portal, token) = prepared(&format!("{WITHOUT_MAILS}session.on_conflict = \"allow\"\n"));
    let database = folder.database();
    for table in ["users", "sessions", "counters", "tickets", "audit", "usernames"] {
        database.execute_batch(&format!("ALTER TABLE {table} RENAME TO hidden")).unwrap();
        for reply in [
            portal.login("ada@example.org", PASSWORD),
            portal.login("ada@example.org", "wrong"),
            portal.sign_up("ada@example.org"),
            portal.session(&token),
            portal.get("/auth/sessions").bearer(&token).send(),
            portal.get("/auth/healthz").send(),
            portal.post("/verify-email/resend", &json!({ "email": "ada@example.org" })).send(),
        ] {
            assert_silent_unless_answered(&reply, &folder, &portal, table);
        }
        database.execute_batch(&format!("ALTER TABLE hidden RENAME TO {table}")).unwrap();
        portal.login("ada@example.org", PASSWORD).assert(200, "logged_in", table);
    }
    portal.login("ada@example.org", "wrong").assert(401, "invalid_credentials", "no guess was lost to a fault");
    assert_eq!(portal.session(&token).status, 200);
}

fn assert_silent_unless_answered(reply: &Reply, folder: &Folder, portal: &Portal, table: &str) {
    if reply.status >= 500 {
        let outcome = reply.outcome();
        assert!(["internal", "unavailable"].contains(&&*outcome), "{table}: {}", reply.text());
        assert_silent(reply, folder);
        if reply.json().get("reference").is_some() {
            assert_logged(reply, portal);
        }
        return;
    }
    let answered = ["logged_in", "invalid_credentials", "email_taken", "signed_up", "up", "202", "200"];
    assert!(answered.contains(&&*reply.outcome()), "{table}: {}", reply.text());
}

#[test]
fn fa1_a_broken_store_never_calls_a_right_password_wrong_nor_a_session_ended() {
    let (folder, portal, token) = prepared(&format!("{WITHOUT_MAILS}session.on_conflict = \"allow\"\n"));
    let database = folder.database();
    for table in ["users", "sessions", "counters", "audit"] {
        database.execute_batch(&format!("ALTER TABLE {table} RENAME TO hidden")).unwrap();
        for _ in 0..12 {
            let right = portal.login("ada@example.org", PASSWORD).outcome();
            assert!(["internal", "unavailable", "logged_in"].contains(&&*right), "{table}: {right}");
            let session = portal.session(&token);
            assert!(session.status == 200 || session.status >= 500, "{table}: {}", session.text());
        }
        database.execute_batch(&format!("ALTER TABLE hidden RENAME TO {table}")).unwrap();
        portal.login("ada@example.org", PASSWORD).assert(200, "logged_in", table);
    }
}

#[test]
fn fa12_a_file_that_is_moved_and_put_back_loses_nothing_and_tells_nothing_inner() {
    let (folder, portal, token) = prepared(&format!("{WITHOUT_MAILS}session.on_conflict = \"allow\"\n"));
    std::fs::rename(folder.path("doorwarden.db"), folder.path("away.db")).unwrap();
    let signed_up = portal.sign_up("bob@example.org");
    for reply in [&portal.login("ada@example.org", PASSWORD), &portal.login("ada@example.org", "wrong"), &signed_up] {
        assert_silent_unless_answered(reply, &folder, &portal, "the file");
    }
    std::fs::rename(folder.path("away.db"), folder.path("doorwarden.db")).unwrap();
    portal.login("ada@example.org", PASSWORD).assert(200, "logged_in", "back");
    assert_eq!(portal.session(&token).status, 200);
    portal.stop();
    let portal = folder.start();
    let expected = if signed_up.status == 201 { "logged_in" } else { "invalid_credentials" };
    assert_eq!(portal.login("bob@example.org", PASSWORD).outcome(), expected, "{}", signed_up.text());
}
