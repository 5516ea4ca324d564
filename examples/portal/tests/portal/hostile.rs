//! Text that was written to break something: refused, or stored and given back unchanged.

use serde_json::{Value, json};

use crate::http::Call;
use crate::process::{Folder, PASSWORD, Portal, WITHOUT_MAILS};

fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = [
        "'; DROP TABLE users; --",
        "\" OR \"\"=\"",
        "' UNION SELECT body FROM users --",
        "x'); DELETE FROM sessions; --",
        "100%",
        "%_%\\",
        "%s%n%x{}${jndi:ldap://x}",
        "nul\0nul",
        "line\r\nBcc: eve@example.org",
        "\u{202e}gro.elpmaxe@eve",
        "\u{2066}a\u{2069}\u{200b}\u{feff}",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "../../../../etc/passwd",
        "\u{1b}[2J",
        "\u{0}",
        "𝒜𝒹𝒶 😀 e\u{301}",
        "null",
    ]
    .map(str::to_owned)
    .into();
    texts.push("x".repeat(10_240));
    texts.push("é".repeat(10_240));
    texts
}

fn folder() -> Folder {
    let field = "sign_up.fields = [{ name = \"club\", label = \"Club\", required = false, max_length = 10000 }]\n";
    Folder::new(&format!("{WITHOUT_MAILS}{field}"))
}

#[test]
fn fa3_hostile_text_in_any_field_of_a_sign_up_is_refused_or_comes_back_unchanged() {
    let folder = folder();
    let portal = folder.start();
    let (mut refused, mut kept) = (0, 0);
    for (n, text) in hostile().iter().enumerate() {
        for field in ["email", "username", "full_name", "password", "club"] {
            let email = format!("{field}{n}@example.org");
            let mut form = json!({ "email": email, "password": PASSWORD });
            match field {
                "email" => form["email"] = json!(format!("{text}@example.org")),
                "club" => form["fields"] = json!({ "club": text }),
                "password" => form["password"] = json!(format!("{text}Aa1!")),
                _ => form[field] = json!(text),
            }
            let reply = portal.post("/sign-up", &form).send();
            let case = format!("{field} {text:.40?}: {}", reply.text());
            if reply.status == 201 {
                comes_back(&portal, field, text, &form, &case);
                kept += 1;
            } else {
                assert!([400, 422].contains(&reply.status), "{case}");
                refused += 1;
            }
        }
    }
    assert!(refused > 20 && kept > 20, "{refused} refused, {kept} kept");
    whole(&folder, kept);
}

/// The account exists, and shows what was typed.
fn comes_back(portal: &Portal, field: &str, text: &str, form: &Value, case: &str) {
    let login = portal.login(form["email"].as_str().unwrap(), form["password"].as_str().unwrap());
    login.assert(200, "logged_in", case);
    let shown = portal.session(&login.member("token")).json();
    let user = &shown["user"];
    let seen = if field == "club" { &user["fields"]["club"] } else { &user[field] };
    match field {
        "password" => {}
        "email" => assert_eq!(seen, &form["email"], "{case}"),
        _ => assert_eq!(seen, text, "{case}"),
    }
}

fn whole(folder: &Folder, users: i64) {
    let database = folder.database();
    let intact: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
    let counted: i64 = database.query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
    assert_eq!(counted, users);
}

#[test]
fn fa3_hostile_text_wherever_else_text_is_taken_is_refused_and_hurts_nothing() {
    let folder = folder();
    let portal = folder.start();
    portal.sign_up("ada@example.org").assert(201, "signed_up", "an account");
    let session = portal.login("ada@example.org", PASSWORD).member("token");
    for text in hostile() {
        let forms = [
            ("/login", json!({ "identifier": text, "password": text })),
            ("/login", json!({ "identifier": text, "password": PASSWORD, "want": text })),
            ("/login", json!({ "mode": text, "access_key": text, "secret_key": text })),
            ("/login/takeover", json!({ "ticket": text, "proceed": true })),
            ("/login/terms", json!({ "ticket": text, "accept": { "terms": text } })),
            ("/verify-email", json!({ "token": text })),
            ("/verify-email/show", json!({ "token": text })),
            ("/verify-email/decline", json!({ "token": text })),
            ("/verify-email/resend", json!({ "email": text })),
            ("/first-administrator", json!({ "token": text, "email": text, "password": text })),
            ("/sign-up", json!({ "email": "b@example.org", "password": PASSWORD, text.as_str(): text })),
            ("/sign-up", json!({ "email": "b@example.org", "password": PASSWORD, "fields": { text.as_str(): text } })),
        ];
        for (path, form) in forms {
            let reply = portal.post(path, &form).send();
            let case = format!("{path} {text:.40?}: {}", reply.text());
            assert!((400..500).contains(&reply.status) || reply.status == 202, "{case}");
            let problem = reply.header("content-type").is_none_or(|kind| kind == "application/problem+json");
            assert!(problem, "{case}: {}", reply.head());
        }
        for reply in headers_and_paths(&portal, &text) {
            assert!(reply < 500, "{text:.40?}");
        }
        assert_eq!(portal.session(&session).status, 200, "{text:.40?}");
    }
    whole(&folder, 1);
}

/// The statuses of requests with the text where a header or a path may hold it.
fn headers_and_paths(portal: &Portal, text: &str) -> Vec<u16> {
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    let bytes = line.bytes().map(|byte| format!("%{byte:02x}"));
    let encoded: String = bytes.take(2_000).collect();
    let mut calls = vec![
        portal.get(&format!("/auth/{encoded}")),
        portal.get(&format!("/auth/session?{encoded}={encoded}")),
        portal.get(&format!("/ui/{encoded}")),
        portal.get(&format!("/verify-email?token={encoded}")),
        Call::new(&portal.address, "DELETE", &format!("/auth/sessions/{encoded}")),
    ];
    for header in ["user-agent", "x-forwarded-for", "origin", "cookie", "authorization", "accept-language"] {
        calls.push(portal.get("/auth/session").header(header, &line));
        calls.push(portal.ask("/logout").header(header, &line));
    }
    calls.into_iter().map(|call| call.send().status).collect()
}
