//! A visit to a portal in which every kind of secret is used: easy to find again, and where each may be found.

use std::cell::RefCell;

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::authenticator::{Authenticator, recovery_codes};
use crate::http::{Call, Reply};
use crate::mailbox::{Mail, mails_to};
use crate::process::{CHEAP, Folder, Portal};

pub(crate) const ADA: &str = "ada@example.org";
const RIGHT: &str = "Canary-of-ada-1!";
const WRONG: &str = "Canary-that-is-wrong-2!";
const TYPED: &str = "Canary-in-the-wrong-field-3!";
const WEAK: &str = "canary-too-weak";
const UNREAD: &str = "Canary-in-a-broken-body-4!";
const AS_CODE: &str = "Canary-typed-as-a-code-5!";
const CHANGED: &str = "Canary-of-a-change-6!";
const RESET: &str = "Canary-of-a-reset-7!";
const ROOT: &str = "Canary-of-root-8!";
const FIRST: &str = "Canary-of-a-set-link-9!";
const AS_SECRET_KEY: &str = "Canary-typed-as-a-secret-key-10!";
/// Of `correct horse 1!`, by another system.
pub(crate) const IMPORTED: &str = "$2a$04$PcS6nhSWZbDtbBKXl/Vedekv3obVNa5v5f3Kn9XQQStFzBgnrK5HG";

/// Every way in which a secret comes into this build is open.
pub(crate) fn configuration() -> String {
    format!(
        "{CHEAP}login.modes = [\"session\", \"api\"]\nlockout.known_browser = true\nlockout.max_failures = 1000\n\
         sign_up.invitation = \"optional\"\n\
         mail.per_hour = 100\nrecovery.per_hour = 100\n"
    )
}

/// Four characters of the kind, and 48 bytes in base64url.
pub(crate) const TOKEN: usize = 4 + 64;

/// Something that must be found nowhere but where it is said.
pub(crate) struct Secret {
    pub(crate) what: &'static str,
    pub(crate) spellings: Vec<Vec<u8>>,
    /// The kind of mail that is there to carry it.
    pub(crate) mailed: Option<String>,
    /// Whether the store has to keep it as it is.
    pub(crate) stored: bool,
}

/// All that the visit has used.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) secrets: Vec<Secret>,
    /// Tokens of which a digest must be in the store.
    pub(crate) kept: Vec<String>,
    /// Every answer that was an error, whole.
    pub(crate) errors: String,
    /// What an administrator and the users themselves read back.
    pub(crate) read_back: String,
}

impl Run {
    pub(crate) fn add(&mut self, what: &'static str, spellings: Vec<Vec<u8>>) {
        self.secrets.push(Secret { what, spellings, mailed: None, stored: false });
    }

    pub(crate) fn token(&mut self, what: &'static str, token: &str) {
        self.add(what, token_spellings(token));
    }

    fn link(&mut self, what: &'static str, mail: &Mail) -> String {
        let token = mail.token();
        let mailed = Some(mail.kind().to_owned());
        self.secrets.push(Secret { what, spellings: token_spellings(&token), mailed, stored: false });
        token
    }
}

/// As it is, and as an encoder would write it.
pub(crate) fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let texts = [HEXLOWER.encode(secret), BASE64.encode(secret), BASE64URL_NOPAD.encode(secret)];
    std::iter::once(secret.to_vec()).chain(texts.map(|text| text.trim_end_matches('=').into())).collect()
}

/// The whole text, and its secret part without prefix and locator.
pub(crate) fn token_spellings(token: &str) -> Vec<Vec<u8>> {
    [vec![token.as_bytes()[..TOKEN].to_vec()], spellings(&decoded(token)[16..])].concat()
}

/// A token's locator and secret; a ticket says behind them what its caller wants.
pub(crate) fn decoded(token: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(&token.as_bytes()[4..TOKEN]).unwrap()
}

/// A secret shared in base 32, as text and as bytes.
fn base32_spellings(text: &str) -> Vec<Vec<u8>> {
    let plain = text.replace('-', "").to_uppercase();
    let bytes = BASE32_NOPAD.decode(plain.as_bytes()).unwrap();
    [vec![text.into(), plain.to_lowercase().into(), plain.into()], spellings(&bytes)].concat()
}

/// A portal whose errors are written down.
struct Visit<'a> {
    folder: &'a Folder,
    portal: &'a Portal,
    errors: RefCell<String>,
}

impl Visit<'_> {
    fn send(&self, call: Call) -> Reply {
        let reply = call.send();
        if reply.status >= 400 {
            self.errors.borrow_mut().push_str(&format!("{}\n{}\n", reply.head(), reply.text()));
        }
        reply
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.portal.post(path, body))
    }

    fn own(&self, session: &str, path: &str, body: &Value) -> Reply {
        self.send(self.portal.post(path, body).bearer(session))
    }

    fn login(&self, identifier: &str, password: &str) -> Reply {
        self.post("/login", &json!({ "identifier": identifier, "password": password, "want": "token" }))
    }

    fn mail(&self, to: &str) -> Mail {
        mails_to(&self.folder.mail(), to).pop().unwrap_or_else(|| panic!("no mail to {to}"))
    }
}

/// Uses every way in which a secret comes into this build.
pub(crate) fn live(folder: &Folder, portal: &Portal) -> Run {
    let visit = Visit { folder, portal, errors: RefCell::default() };
    let mut run = Run::default();
    for password in [RIGHT, WRONG, TYPED, WEAK, UNREAD, AS_CODE, CHANGED, RESET, ROOT, FIRST, AS_SECRET_KEY] {
        run.add("what was typed as a password, code or secret key", spellings(password.as_bytes()));
    }
    sign_up_and_log_in(&visit, &mut run);
    let root = administrate(&visit, &mut run);
    let session = one_time_passwords(&visit, &mut run);
    keypairs(&visit, &mut run, &session);
    change_and_recover(&visit, &mut run, &session);
    let get = |path: &str| portal.get(path).bearer(&root).send().text().to_owned();
    for path in ["/auth/admin/audit?limit=200", "/auth/admin/users", "/auth/admin/invitations", "/auth/account"] {
        run.read_back += &get(path);
    }
    run.read_back += &get("/auth/metrics");
    run.errors = visit.errors.into_inner();
    run
}

fn sign_up_and_log_in(visit: &Visit<'_>, run: &mut Run) {
    let form = |email: &str, password: &str| json!({ "email": email, "password": password, "username": null });
    visit.post("/sign-up", &form(ADA, WEAK)).assert(422, "password_too_weak", "weak");
    visit.post("/sign-up", &form(ADA, RIGHT)).assert(201, "verify_email", "ada");
    let used = run.link("a verification link", &visit.mail(ADA));
    visit.login(ADA, RIGHT).assert(403, "email_unverified", "early");
    assert_eq!(visit.portal.get(&format!("/verify-email?token={used}")).send().status, 200);
    assert_eq!(visit.post("/verify-email/show", &json!({ "token": used })).status, 200);
    assert_eq!(visit.post("/verify-email", &json!({ "token": used })).status, 204);
    visit.post("/verify-email", &json!({ "token": used })).assert(410, "link_invalid", "twice");
    visit.post("/sign-up", &form(ADA, RIGHT)).assert(201, "verify_email", "taken");

    visit.login(ADA, WRONG).assert(401, "invalid_credentials", "wrong");
    visit.login(TYPED, RIGHT).assert(401, "invalid_credentials", "a password in the other field");
    let broken = format!("{{\"identifier\": \"{ADA}\", \"password\": \"{UNREAD}\", \"{UNREAD}\": 1");
    let broken = visit.portal.ask("/login").body("application/json", broken);
    visit.send(broken).assert(400, "invalid_request", "cut");
    let unknown = json!({ "identifier": ADA, "password": UNREAD, "more": UNREAD });
    visit.post("/login", &unknown).assert(400, "invalid_request", "unknown field");
    let twisted = json!({ "identifier": ADA, "password": [UNREAD] });
    visit.post("/login", &twisted).assert(400, "invalid_request", "wrong type");

    let first = visit.login(ADA, RIGHT).member("token");
    assert_eq!(visit.portal.session(&first).status, 200);
    assert_eq!(visit.portal.get("/auth/session").cookie(&first).send().status, 200);
    let taken = visit.login(ADA, RIGHT).member("ticket");
    visit.own(&first, "/totp/confirm", &json!({ "ticket": taken, "code": AS_CODE })).assert(
        410,
        "ticket_invalid",
        "another's",
    );
    let takeover = json!({ "ticket": taken, "proceed": true });
    let second = visit.post("/login/takeover", &takeover).member("token");
    visit.post("/login/takeover", &takeover).assert(410, "ticket_invalid", "twice");
    visit.send(visit.portal.get("/auth/session").bearer(&first)).assert(401, "session_ended_elsewhere", "taken over");
    let open = visit.login(ADA, RIGHT).member("ticket");
    visit.own(&second, "/session/prove", &json!({ "password": WRONG })).assert(401, "invalid_credentials", "wrong");
    assert_eq!(visit.own(&second, "/session/prove", &json!({ "password": RIGHT })).status, 204);
    run.read_back += visit.portal.get("/auth/sessions").bearer(&second).send().text();
    assert_eq!(visit.portal.ask("/logout").bearer(&second).send().status, 204);

    visit.post("/sign-up", &form("bob@example.org", RIGHT)).assert(201, "verify_email", "bob");
    run.link("a verification link that waits", &visit.mail("bob@example.org"));
    let resent = visit.post("/verify-email/resend", &json!({ "email": "bob@example.org" }));
    assert_eq!(resent.status, 202);
    let resent = run.link("the same, sent again", &visit.mail("bob@example.org"));
    for (what, token) in [("a session", &first), ("a session", &second), ("a ticket", &taken), ("a ticket", &open)] {
        run.token(what, token);
    }
    run.kept = vec![first, second, open, resent];
}

/// The session of the first administrator, who makes an account and an invitation.
fn administrate(visit: &Visit<'_>, run: &mut Run) -> String {
    // Users exist by now, so another start made the administrator.
    let root = visit.login("root@example.org", ROOT).member("token");
    run.token("a session", &root);
    let carol = json!({ "email": "carol@example.org", "role": "user" });
    assert_eq!(visit.own(&root, "/admin/users", &carol).status, 201);
    let link = run.link("a link to set a first password", &visit.mail("carol@example.org"));
    let set = |password: &str| visit.post("/password/reset", &json!({ "token": link, "new_password": password }));
    set(WEAK).assert(422, "password_too_weak", "weak");
    assert_eq!(set(FIRST).status, 204);
    visit.login("carol@example.org", FIRST).assert(200, "logged_in", "carol");

    let invited = visit.own(&root, "/admin/invitations", &json!({ "note": "for dan" })).member("token");
    run.token("an invitation", &invited);
    let form = json!({ "email": "dan@example.org", "password": RIGHT, "invitation": invited });
    visit.post("/sign-up", &form).assert(201, "verify_email", "dan");
    let mail = visit.mail("dan@example.org");
    let again = json!({ "email": "eve@example.org", "password": RIGHT, "invitation": invited });
    visit.post("/sign-up", &again).assert(422, "invitation_invalid", "held by dan");
    run.link("the link of an invited sign-up", &mail);
    root
}

/// A browser's session behind a second factor.
fn one_time_passwords(visit: &Visit<'_>, run: &mut Run) -> String {
    let session = visit.login(ADA, RIGHT).member("token");
    visit.own(&session, "/totp/setup", &json!({ "password": WRONG })).assert(401, "invalid_credentials", "wrong");
    let shown = visit.own(&session, "/totp/setup", &json!({ "password": RIGHT }));
    let authenticator = Authenticator::of(&shown);
    run.add("the seed of one-time passwords", base32_spellings(&authenticator.secret));
    let confirm =
        |code: &str| visit.own(&session, "/totp/confirm", &json!({ "ticket": shown.member("ticket"), "code": code }));
    confirm(AS_CODE).assert(422, "invalid_code", "no code");
    let confirmed = confirm(&authenticator.first());
    let codes = recovery_codes(&confirmed);
    for code in &codes {
        run.add("a recovery code", base32_spellings(code));
    }
    for code in [authenticator.first(), authenticator.second()] {
        run.add("a one-time password", vec![format!("\"{code}\"").into(), format!("={code}").into()]);
    }
    assert_eq!(visit.portal.ask("/logout").bearer(&session).send().status, 204);

    // As a browser, which is remembered.
    let browser =
        |path: &str, body: &Value| visit.send(visit.portal.post(path, body).header("sec-fetch-site", "same-origin"));
    let asked = browser("/login", &json!({ "identifier": ADA, "password": RIGHT }));
    let enter = |code: &str| browser("/login/otp", &json!({ "ticket": asked.member("ticket"), "code": code }));
    enter(AS_CODE).assert(422, "invalid_code", "no code");
    let logged_in = enter(&codes[0]);
    logged_in.assert(200, "logged_in", "with a recovery code");
    enter(&codes[1]).assert(410, "ticket_invalid", "twice");
    let cookie = |name: &str| {
        let cookie = logged_in.headers("set-cookie").find_map(|cookie| cookie.strip_prefix(name));
        cookie.unwrap_or_else(|| panic!("no {name}")).split(';').next().unwrap().to_owned()
    };
    let (own, known) = (cookie("dw_session="), cookie("dw_known="));
    run.token("a session", &session);
    run.token("a browser's session", &own);
    run.token("the cookie of a known browser", &known);
    run.token("a ticket", &shown.member("ticket"));
    run.token("a ticket", &asked.member("ticket"));
    assert_eq!(visit.portal.ask("/logout").cookie(&own).send().status, 204);
    let by_code = visit.login(ADA, RIGHT).member("ticket");
    let form = json!({ "ticket": by_code, "code": authenticator.second() });
    let session = visit.post("/login/otp", &form).member("token");
    run.token("a session", &session);
    session
}

fn keypairs(visit: &Visit<'_>, run: &mut Run, session: &str) {
    let made = visit.own(session, "/keypairs", &json!({ "label": "backup" }));
    let (access_key, secret_key) = (made.member("access_key"), made.member("secret_key"));
    let enter = |secret: &str| {
        let program = json!({ "mode": "api", "access_key": access_key, "secret_key": secret, "want": "token" });
        visit.post("/login", &program)
    };
    enter(AS_SECRET_KEY).assert(401, "invalid_credentials", "wrong");
    run.token("a program's session", &enter(&secret_key).member("token"));
    let signed = |key: &str, nonce: &str| {
        let fields = signature(&visit.portal.address, &access_key, key, nonce);
        let call = visit.portal.get("/auth/session");
        visit.send(fields.iter().fold(call, |call, (name, value)| call.header(name, value)))
    };
    signed(AS_SECRET_KEY, "canary-nonce-of-one").assert(401, "invalid_signature", "another key");
    assert_eq!(signed(&secret_key, "canary-nonce-of-two").status, 200);
    signed(&secret_key, "canary-nonce-of-two").assert(401, "invalid_signature", "replayed");
    let rotated = visit.send(visit.portal.ask(&format!("/keypairs/{access_key}/rotate")).bearer(session));
    run.add("a secret key", spellings(secret_key.as_bytes()));
    run.add("a secret key", spellings(rotated.member("secret_key").as_bytes()));
    run.read_back += visit.portal.get("/auth/keypairs").bearer(session).send().text();
}

fn change_and_recover(visit: &Visit<'_>, run: &mut Run, session: &str) {
    let change = |current: &str, new: &str| {
        visit.own(session, "/password/change", &json!({ "current_password": current, "new_password": new }))
    };
    change(WRONG, CHANGED).assert(401, "invalid_credentials", "wrong");
    change(RIGHT, WEAK).assert(422, "password_too_weak", "weak");
    assert_eq!(change(RIGHT, CHANGED).status, 204);

    let moved = "ada@elsewhere.example.org";
    let move_to =
        |password: &str| visit.own(session, "/email/change", &json!({ "new_email": moved, "password": password }));
    move_to(WRONG).assert(401, "invalid_credentials", "wrong");
    assert_eq!(move_to(CHANGED).status, 202);
    let link = run.link("a link that confirms an address", &visit.mail(moved));
    assert_eq!(visit.post("/email/confirm", &json!({ "token": link })).status, 204);
    let undo = run.link("a link that undoes a change of address", &visit.mail(ADA));
    assert_eq!(visit.post("/email/undo", &json!({ "token": undo })).status, 204);
    visit.post("/email/undo", &json!({ "token": undo })).assert(410, "link_invalid", "twice");

    assert_eq!(visit.post("/password/forgot", &json!({ "email": ADA })).status, 202);
    let link = run.link("a link to reset a password", &visit.mail(ADA));
    assert_eq!(visit.portal.get(&format!("/reset-password?token={link}")).send().status, 200);
    let set = |password: &str| visit.post("/password/reset", &json!({ "token": link, "new_password": password }));
    set(WEAK).assert(422, "password_too_weak", "weak");
    assert_eq!(set(RESET).status, 204);
    set(RESET).assert(410, "link_invalid", "twice");
    run.token("a ticket", &visit.login(ADA, RESET).member("ticket"));
    visit.login("devise@example.org", WRONG).assert(401, "invalid_credentials", "an imported account");
}

/// The fields of a signed `GET /auth/session`.
fn signature(authority: &str, access_key: &str, secret_key: &str, nonce: &str) -> [(&'static str, String); 2] {
    let created = Authenticator::now();
    let params = format!(
        "(\"@method\" \"@authority\" \"@path\" \"@query\");created={created};keyid=\"{access_key}\";\
         alg=\"hmac-sha256\";nonce=\"{nonce}\";tag=\"doorwarden\""
    );
    let base = format!(
        "\"@method\": GET\n\"@authority\": {authority}\n\"@path\": /auth/session\n\"@query\": ?\n\
         \"@signature-params\": {params}"
    );
    let signature = BASE64.encode(&hmac(secret_key.as_bytes(), base.as_bytes()));
    [("signature-input", format!("sig1={params}")), ("signature", format!("sig1=:{signature}:"))]
}

/// HMAC-SHA-256 (RFC 2104) with a key of at most 64 bytes.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let padded = |pad: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or_default() ^ pad).collect() };
    let inner = Sha256::digest([&padded(0x36)[..], text].concat());
    Sha256::digest([&padded(0x5c)[..], &inner[..]].concat()).to_vec()
}
