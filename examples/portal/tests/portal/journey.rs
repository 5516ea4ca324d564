//! From an empty folder to a log-out, with each refusal on the way.

use serde_json::json;

use crate::http::Call;
use crate::mailbox::mails_to;
use crate::process::{CHEAP, Folder, PASSWORD, PORTAL, Portal};

#[test]
fn a_person_goes_from_an_empty_folder_to_a_log_out_and_is_refused_wherever_she_errs() {
    let folder = Folder::new(CHEAP);
    whole_path(&folder.start(), &folder);
}

#[test]
fn the_same_goes_with_the_defaults_and_no_configuration_file() {
    let scratch = Folder::new("");
    let data = scratch.path("data");
    let mut command = std::process::Command::new(PORTAL);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let portal = Portal::listening(&mut command);
    assert_eq!(portal.said.complaint(), "", "the defaults are as strong as advised");
    assert_eq!(portal.sign_up("ada@example.org").outcome(), "verify_email");
    let token = mails_to(&data.join("mail"), "ada@example.org")[0].token();
    assert_eq!(portal.verify(&token).status, 204);
    portal.login("ada@example.org", "wrong").assert(401, "invalid_credentials", "wrong");
    let login = portal.login("ada@example.org", PASSWORD);
    assert_eq!(portal.session(&login.member("token")).status, 200);
    let database = rusqlite::Connection::open(data.join("doorwarden.db")).unwrap();
    let body: String = database.query_row("SELECT body FROM users", [], |row| row.get(0)).unwrap();
    assert!(body.contains("$2b$12$"), "f9: the default cost");
    portal.stop();
}

fn whole_path(portal: &Portal, folder: &Folder) {
    sign_up(portal, folder);
    let link = verify(portal, folder);
    let session = log_in(portal);
    be_logged_in(portal, &session);
    log_out(portal, &session);
    portal.verify(&link).assert(410, "link_invalid", "a used link");
}

fn sign_up(portal: &Portal, folder: &Folder) {
    let form = |change: serde_json::Value| {
        let mut form =
            json!({ "email": "Ada@Example.org", "password": PASSWORD, "username": "Ada", "full_name": "Ada L." });
        form.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        portal.post("/sign-up", &form)
    };
    form(json!({ "email": "ada" })).send().assert(422, "invalid_email", "no address");
    form(json!({ "username": "a@b" })).send().assert(422, "invalid_username", "no name");
    form(json!({ "colour": "red" })).send().assert(400, "invalid_request", "unknown field");
    let weak = form(json!({ "password": "short" })).send();
    weak.assert(422, "password_too_weak", "weak");
    assert_eq!(weak.json()["unmet"], json!(["min_length", "digit", "special"]));
    form(json!({})).header("origin", "https://evil.example").send().assert(403, "cross_site", "from elsewhere");
    assert!(mails_to(&folder.mail(), "Ada@Example.org").is_empty(), "no refusal sends a mail");
    form(json!({})).send().assert(201, "verify_email", "a good form");
    let taken = json!({ "email": "bob@example.org" });
    form(taken).send().assert(409, "username_taken", "held for the one who waits");
}

fn verify(portal: &Portal, folder: &Folder) -> String {
    portal.login("ada@example.org", PASSWORD).assert(403, "email_unverified", "too early");
    portal.login("ada@example.org", "wrong").assert(401, "invalid_credentials", "wrong and too early");
    let link = folder.link("Ada@Example.org");
    let shown = portal.post("/verify-email/show", &json!({ "token": link })).send();
    assert_eq!((shown.status, &shown.json()["email"]), (200, &json!("Ada@Example.org")));
    portal.login("ada@example.org", PASSWORD).assert(403, "email_unverified", "showing proves nothing");
    portal.verify(&link.replace("dwl_", "dws_")).assert(410, "link_invalid", "another kind");
    let verified = portal.verify(&link);
    assert_eq!((verified.status, verified.header("set-cookie")), (204, None), "it doesn't log in");
    link
}

fn log_in(portal: &Portal) -> String {
    let form = |identifier: &str, password: &str| json!({ "identifier": identifier, "password": password });
    portal.post("/login", &form("ADA@example.org", "wrong")).send().assert(401, "invalid_credentials", "wrong");
    portal.post("/login", &form("eve@example.org", PASSWORD)).send().assert(401, "invalid_credentials", "unknown");
    portal.get("/auth/session").send().assert(401, "session_required", "no session");
    let login = portal.post("/login", &form("ada", PASSWORD)).header("sec-fetch-site", "same-origin").send();
    login.assert(200, "logged_in", "by username");
    assert!(login.json().get("token").is_none(), "a browser's token is in its cookie alone");
    let cookie = login.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    login.session_cookie()
}

fn be_logged_in(portal: &Portal, session: &str) {
    let shown = portal.get("/auth/session").cookie(session).send();
    assert_eq!(shown.status, 200);
    let user = &shown.json()["user"];
    assert_eq!([&user["email"], &user["username"], &user["full_name"]], ["Ada@Example.org", "Ada", "Ada L."]);
    let extended = portal.ask("/session/extend").cookie(session).send();
    assert_eq!(extended.status, 200);
    let before = shown.json()["session"]["expires_at"].as_str().unwrap().to_owned();
    assert!(to_the_millisecond(&extended.member("expires_at")) >= to_the_millisecond(&before));
    let foreign = portal.ask("/session/extend").header("cookie", &format!("dw_session={session}"));
    foreign.send().assert(403, "cross_site", "a cookie without a sign of its origin");

    let conflict = portal.login("ada@example.org", PASSWORD);
    conflict.assert(200, "session_conflict", "one session is the limit");
    assert_eq!(conflict.json()["sessions"].as_array().unwrap().len(), 1);
    let takeover = json!({ "ticket": conflict.member("ticket"), "proceed": false });
    assert_eq!(portal.post("/login/takeover", &takeover).send().status, 204, "cancelled");
    let again = json!({ "ticket": conflict.member("ticket"), "proceed": true });
    portal.post("/login/takeover", &again).send().assert(410, "ticket_invalid", "after cancelling");
    assert_eq!(portal.get("/auth/session").cookie(session).send().status, 200, "it stays");
}

fn log_out(portal: &Portal, session: &str) {
    let out = portal.ask("/logout").cookie(session).send();
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").unwrap().contains("dw_session=;"), "{}", out.head());
    portal.get("/auth/session").cookie(session).send().assert(401, "session_ended", "logged out");
    portal.ask("/session/extend").cookie(session).send().assert(401, "session_ended", "logged out");
    portal.ask("/logout").cookie(session).send().assert(401, "session_ended", "twice");
}

#[test]
fn a_taken_over_session_is_told_so_and_sessions_outlive_a_restart() {
    let folder = Folder::new(CHEAP);
    let portal = folder.start();
    portal.account(&folder, "ada@example.org");
    let first = portal.login("ada@example.org", PASSWORD).member("token");
    let ticket = portal.login("ada@example.org", PASSWORD).member("ticket");
    let takeover = json!({ "ticket": ticket, "proceed": true });
    let second = portal.post("/login/takeover", &takeover).send().member("token");
    portal.stop();

    let portal = folder.start();
    assert_eq!(portal.session(&second).status, 200, "what was open stays open");
    portal.session(&first).assert(401, "session_ended_elsewhere", "what ended stays ended");
    let unknown = Call::new(&portal.address, "GET", "/auth/nowhere").send();
    unknown.assert(404, "not_found", "no such path");
}

/// An RFC 3339 time with three digits behind the second, so that texts sort as times do.
fn to_the_millisecond(time: &str) -> String {
    let time = time.trim_end_matches('Z');
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{seconds}.{fraction:0<3}")
}
