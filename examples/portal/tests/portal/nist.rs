//! The portal under `preset = "nist"`, from sign-up over the forced second factor to a restriction that strangers cause.

use serde_json::json;

use crate::authenticator::{Authenticator, recovery_codes};
use crate::http::{Call, Reply};
use crate::mailbox::mails_to;
use crate::process::{CHEAP, Folder, PASSWORD, Portal};

const ADA: &str = "ada@example.org";

/// What a browser sends from a page of the service, with its cookie of earlier logins if it has one.
fn from_browser(call: Call, known: Option<&str>) -> Reply {
    let call = call.header("sec-fetch-site", "same-origin");
    match known {
        Some(token) => call.header("cookie", &format!("dw_known={token}")).send(),
        None => call.send(),
    }
}

fn login(portal: &Portal, password: &str, known: Option<&str>) -> Reply {
    from_browser(portal.post("/login", &json!({ "identifier": ADA, "password": password })), known)
}

/// The value of the cookie that tells a known browser, if the reply sets it.
fn known_cookie(reply: &Reply) -> Option<String> {
    let set = reply.headers("set-cookie").find_map(|cookie| cookie.strip_prefix("dw_known="))?;
    let (value, attributes) = set.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=34560000");
    Some(value.to_owned())
}

#[test]
fn a_portal_under_nist_asks_for_a_code_of_everybody_and_strangers_lock_no_known_browser_out() {
    let folder = Folder::new(&format!("preset = \"nist\"\n{CHEAP}session.on_conflict = \"allow\"\n"));
    let portal = folder.start();
    let rules = portal.get("/auth/options").send().json()["password"].clone();
    assert_eq!((&rules["require"], &rules["min_length"]), (&json!([]), &json!(8)));
    let common = portal.post("/sign-up", &json!({ "email": ADA, "password": "password1" })).send();
    common.assert(422, "password_too_weak", "a common one");
    assert_eq!(common.json()["unmet"], json!(["common"]));
    portal.account(&folder, ADA);

    let step = login(&portal, PASSWORD, None);
    step.assert(200, "totp_setup_required", "forced");
    assert_eq!(known_cookie(&step), None, "a right password is no login");
    let authenticator = Authenticator::of(&step);
    let form = json!({ "ticket": step.member("ticket"), "code": authenticator.first() });
    let set_up = from_browser(portal.post("/login/totp-setup", &form), None);
    set_up.assert(200, "logged_in", "set up");
    let own = known_cookie(&set_up).expect("the browser is known now");
    assert!(set_up.json()["session"]["idle_expires_at"].is_string(), "idle is on");

    for _ in 0..11 {
        login(&portal, "wrong", None).assert(401, "invalid_credentials", "a stranger");
    }
    let restricted = login(&portal, PASSWORD, None);
    restricted.assert(429, "locked_out", "an unknown browser");
    assert!(restricted.json()["retry_after_seconds"].as_u64().unwrap() <= 1_200);
    let step = login(&portal, PASSWORD, Some(&own));
    step.assert(200, "otp_required", "the owner's browser");
    assert_eq!(recovery_codes(&set_up).len(), 10);
    let form = json!({ "ticket": step.member("ticket"), "code": authenticator.second() });
    let logged_in = from_browser(portal.post("/login/otp", &form), Some(&own));
    logged_in.assert(200, "logged_in", "with the next code");
    assert_eq!(known_cookie(&logged_in), None, "it has its cookie already");
    login(&portal, PASSWORD, None).assert(429, "locked_out", "strangers stay out");

    assert_eq!(portal.post("/password/forgot", &json!({ "email": ADA })).send().status, 202);
    let mails = mails_to(&folder.mail(), ADA);
    let mail = mails.iter().find(|mail| mail.text.contains("/reset-password")).expect("a link");
    let form = json!({ "token": mail.token(), "new_password": "a long enough sentence" });
    assert_eq!(portal.post("/password/reset", &form).send().status, 204);
    login(&portal, "a long enough sentence", None).assert(200, "otp_required", "the reset opened, and asks on");
    for _ in 0..11 {
        login(&portal, "wrong", None).assert(401, "invalid_credentials", "a stranger");
    }
    login(&portal, "a long enough sentence", Some(&own)).assert(429, "locked_out", "known no more after the reset");
    portal.stop();
}

#[test]
fn under_nist_a_password_that_stands_alone_has_15_characters_and_a_reset_link_ten_minutes() {
    let folder = Folder::new(&format!("preset = \"nist\"\n{CHEAP}totp.mode = \"optional\"\n"));
    let portal = folder.start();
    assert_eq!(portal.get("/auth/options").send().json()["password"]["min_length"], 15);
    let sign_up = |password: &str| portal.post("/sign-up", &json!({ "email": ADA, "password": password })).send();
    let short = sign_up("fourteen chars");
    short.assert(422, "password_too_weak", "14 characters");
    assert_eq!(short.json()["unmet"], json!(["min_length"]));
    let own = sign_up("my address is ada@example.org");
    own.assert(422, "password_too_weak", "the own address");
    assert_eq!(own.json()["unmet"], json!(["identifier"]));
    sign_up("fifteen letters").assert(201, "verify_email", "15 of one kind");
    assert_eq!(portal.verify(&folder.link(ADA)).status, 204);
    login(&portal, "fifteen letters", None).assert(200, "logged_in", "without a code");
    assert_eq!(portal.post("/password/forgot", &json!({ "email": ADA })).send().status, 202);
    let mail = mails_to(&folder.mail(), ADA).pop().unwrap();
    assert!(mail.text.contains("works for 10 min"), "{}", mail.text);
    portal.stop();
}

#[test]
fn nist_refuses_a_password_age_and_says_why() {
    let folder = Folder::new(&format!("preset = \"nist\"\n{CHEAP}password.max_age = \"90d\"\n"));
    let (status, complaint) = folder.refused();
    assert_eq!(status, Some(2), "{complaint}");
    assert!(complaint.contains("password.max_age") && complaint.contains("nist"), "{complaint}");
}

#[test]
fn without_the_preset_no_browser_gets_a_cookie_that_outlives_its_session() {
    let folder = Folder::new(CHEAP);
    let portal = folder.start();
    portal.account(&folder, ADA);
    let logged_in = login(&portal, PASSWORD, None);
    logged_in.assert(200, "logged_in", "classic");
    assert_eq!(logged_in.headers("set-cookie").count(), 1);
    portal.stop();
}
