//! Pages and assets as a browser gets them: headers, compression, caching, and what they must not do.

use serde_json::json;

use crate::http::Reply;
use crate::process::{CHEAP, Folder, PASSWORD, WITHOUT_MAILS, root};

const PAGES: &[&str] = &[
    "/",
    "/verify-email",
    "/verify-email?token=x",
    "/reset-password?token=x",
    "/confirm-email?token=x",
    "/undo-email?token=x",
    "/first-administrator",
    "/users",
    "/invitations",
    "/audit",
];

fn assert_sealed(reply: &Reply, caching: &str, case: &str) {
    for (name, value) in [
        ("cache-control", caching),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{case}: {name}: {}", reply.head());
    }
    let policy = reply.header("content-security-policy").unwrap_or_else(|| panic!("{case}: {}", reply.head()));
    for part in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(part), "{case}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{case}: {policy}");
    for name in ["server", "access-control-allow-origin", "x-powered-by"] {
        assert_eq!(reply.header(name), None, "{case}: {name}");
    }
}

#[test]
fn se7_every_page_asset_and_refusal_beside_the_api_is_sealed() {
    let folder = Folder::new(CHEAP);
    let portal = folder.start();
    for path in PAGES {
        let reply = portal.get(path).send();
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert_sealed(&reply, "no-store", path);
        assert_eq!(reply.header("strict-transport-security"), None, "{path}: not over plain http");
    }
    assert_sealed(&portal.get("/portal.json").send(), "no-store", "portal.json");
    for path in ["/ui/main.js", "/ui/style.css", "/ui/icon.svg", "/ui/lang/ko.js"] {
        let reply = portal.get(path).send();
        assert_eq!(reply.status, 200, "{path}");
        assert_sealed(&reply, "no-cache", path);
    }
    for path in
        ["/ui/nothing.js", "/ui/index.html", "/ui/../Cargo.toml", "/ui/%2e%2e/Cargo.toml", "/ui/logo", "/nowhere"]
    {
        let reply = portal.get(path).send();
        assert_eq!((reply.status, reply.body.len()), (404, 0), "{path}");
        assert_sealed(&reply, "no-store", path);
    }
    let posted = crate::http::Call::new(&portal.address, "POST", "/").send();
    assert_eq!(posted.status, 405);
    assert_sealed(&posted, "no-store", "POST /");
}

#[test]
fn se7_over_https_the_portal_is_strict_and_a_log_out_clears_the_cache() {
    let folder = Folder::new(&format!("{WITHOUT_MAILS}public_url = \"https://id.example.org\"\n"));
    let portal = folder.start();
    for path in ["/", "/ui/main.js", "/portal.json", "/auth/healthz", "/auth/session", "/nowhere"] {
        let reply = portal.get(path).send();
        assert_eq!(reply.header("strict-transport-security"), Some("max-age=31536000"), "{path}");
        assert_eq!(reply.header("clear-site-data"), None, "{path}");
    }
    portal.sign_up("ada@example.org").assert(201, "signed_up", "an account");
    let form = json!({ "identifier": "ada@example.org", "password": PASSWORD });
    let login = portal.post("/login", &form).header("origin", "https://id.example.org").send();
    let cookie = login.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-dw_session=") && cookie.contains("; Secure"), "se1: {cookie}");
    let out = portal.ask("/logout").header("cookie", cookie.split(';').next().unwrap());
    let out = out.header("sec-fetch-site", "same-origin").send();
    assert_eq!((out.status, out.header("clear-site-data")), (204, Some("\"cache\"")));
    assert_eq!(portal.get("/portal.json").send().json(), json!({ "mail_folder": null }), "only on this machine");
}

#[test]
fn assets_are_compressed_for_those_who_ask() {
    let folder = Folder::new(CHEAP);
    let portal = folder.start();
    for path in ["/", "/ui/main.js", "/ui/style.css", "/ui/lang/ko.js"] {
        let plain = portal.get(path).send();
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        let packed = portal.get(path).header("accept-encoding", "gzip").send();
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{path}");
        assert!(packed.headers("vary").any(|vary| vary.eq_ignore_ascii_case("accept-encoding")), "{path}");
        assert_eq!(packed.body[..3], [0x1f, 0x8b, 8], "{path}");
        // The last four bytes of a gzip file are the length of what is in it (RFC 1952).
        let length = u32::from_le_bytes(*packed.body.last_chunk().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), plain.body.len(), "{path}");
        assert!(packed.body.len() < plain.body.len(), "{path}");
    }
    let api = portal.get("/auth/options").header("accept-encoding", "gzip").send();
    assert_eq!(api.header("content-encoding"), None, "secrets beside chosen text are never compressed");
}

#[test]
fn a_browser_that_has_an_asset_is_told_so() {
    let folder = Folder::new(CHEAP);
    let portal = folder.start();
    let first = portal.get("/ui/main.js").send();
    let tag = first.header("etag").unwrap();
    for given in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}")] {
        for encoding in ["identity", "gzip"] {
            let call = portal.get("/ui/main.js").header("if-none-match", &given);
            let again = call.header("accept-encoding", encoding).send();
            assert_eq!((again.status, again.body.len()), (304, 0), "{given} {encoding}");
            assert_sealed(&again, "no-cache", &given);
        }
    }
    let other = portal.get("/ui/main.js").header("if-none-match", "\"0123\"").send();
    assert_eq!((other.status, other.body), (200, first.body.clone()));
    assert_ne!(portal.get("/ui/style.css").send().header("etag"), Some(tag));
}

#[test]
fn re2_opening_a_mailed_link_changes_nothing_however_often_a_scanner_does() {
    let folder = Folder::new(CHEAP);
    let portal = folder.start();
    portal.sign_up("ada@example.org").assert(201, "verify_email", "a registration");
    let token = folder.link("ada@example.org");
    for method in ["GET", "HEAD"] {
        for path in [format!("/verify-email?token={token}"), format!("/auth/verify-email?token={token}")] {
            for _ in 0..5 {
                let opened = crate::http::Call::new(&portal.address, method, &path);
                let opened = opened.attempt();
                assert!(
                    opened.is_err() || opened.is_ok_and(|reply| [200, 405].contains(&reply.status)),
                    "{method} {path}"
                );
            }
        }
    }
    portal.login("ada@example.org", PASSWORD).assert(403, "email_unverified", "looking proves nothing");
    let page = portal.get(&format!("/verify-email?token={token}")).send();
    assert!(
        !page.text().contains(&token) && !page.text().contains("://"),
        "no token and nothing foreign: {}",
        page.text()
    );
    assert_sealed(&page, "no-store", "the page");
    assert_eq!(portal.verify(&token).status, 204);
}

#[test]
fn pw8_the_forms_let_password_managers_in() {
    let file = |name: &str| std::fs::read_to_string(root().join("examples/portal/ui").join(name)).unwrap();
    let login = file("pages/login.js");
    assert!(login.contains("name: 'identifier'") && login.contains("autocomplete: 'username'"));
    let password = file("parts/password-field.js");
    assert!(password.contains("autocomplete = 'current-password'"));
    assert!(password.contains("autocomplete: 'new-password'"));
    for name in ["parts/field.js", "parts/password-field.js", "parts/form.js", "pages/login.js", "pages/sign-up.js"] {
        let text = file(name);
        assert!(!text.contains("paste"), "{name} meddles with pasting");
        assert!(!text.contains("autocomplete: 'off'") || name == "pages/sign-up.js", "{name} keeps managers out");
    }
}
