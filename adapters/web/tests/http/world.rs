//! An engine in memory behind the real router, and requests to it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use doorwarden_core::Timestamp;
use doorwarden_core::administration::NewUser;
use doorwarden_core::client::Client;
use doorwarden_core::engine::{Engine, EngineBuilder};
use doorwarden_core::password::Password;
use doorwarden_core::policy::Policy;
use doorwarden_core::seal::SealKeys;
use doorwarden_core::testing::{FaultyStore, ManualClock, MemoryMailer, MemoryStore, SeededRandom};
use doorwarden_core::upkeep::Upkeep;
use doorwarden_core::user::Role;
use doorwarden_web::WebSettings;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const PASSWORD: &str = "correct horse 1!";

/// An engine, its router, and all that surrounds them.
pub(crate) struct World {
    pub(crate) app: Router,
    pub(crate) engine: Engine,
    pub(crate) clock: ManualClock,
    pub(crate) mailer: Arc<MemoryMailer>,
    pub(crate) store: Arc<FaultyStore>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With a policy of its own.
    pub(crate) async fn with(change: impl FnOnce(&mut Policy)) -> Self {
        Self::built(change, WebSettings::default(), |builder| builder).await
    }

    pub(crate) async fn built(
        change: impl FnOnce(&mut Policy),
        settings: WebSettings,
        build: impl FnOnce(EngineBuilder) -> EngineBuilder,
    ) -> Self {
        let mut policy = Policy::default();
        policy.password.bcrypt_cost = 4;
        change(&mut policy);
        let clock = ManualClock::skipping_sleeps(Timestamp::from_millis(1_800_000_000_000));
        let mailer = Arc::new(MemoryMailer::default());
        let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::default())));
        let builder = Engine::builder()
            .store(store.clone())
            .mailer(mailer.clone())
            .seal_keys(SealKeys::new(&[7; 32], &[]))
            .policy(policy)
            .clock(Arc::new(clock.clone()))
            .random(Arc::new(SeededRandom::new(7)))
            .upkeep(Upkeep::ByHost);
        let engine = build(builder).start().await.unwrap();
        let app = doorwarden_web::router(engine.clone(), settings);
        Self { app, engine, clock, mailer, store }
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = format!("/auth{path}").parse().unwrap();
        Call { app: self.app.clone(), engine: self.engine.clone(), request }
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Call {
        self.call(Method::POST, path).json(body.to_string())
    }

    /// Signs up an address and leaves the mail unread.
    pub(crate) async fn sign_up(&self, email: &str) -> Reply {
        self.post("/sign-up", json!({ "email": email, "password": PASSWORD })).send().await
    }

    /// The token of the last mail's link.
    pub(crate) fn mailed_token(&self) -> String {
        let mail = self.mailer.mails().pop().expect("a mail");
        let (_, token) = mail.text.split_once("token=").expect("a link");
        token.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
    }

    /// Makes an account by mail.
    pub(crate) async fn account(&self, email: &str) {
        assert_eq!(self.sign_up(email).await.status, StatusCode::CREATED);
        let verified = self.post("/verify-email", json!({ "token": self.mailed_token() })).send().await;
        assert_eq!(verified.status, StatusCode::NO_CONTENT, "{}", verified.text());
    }

    pub(crate) fn login(&self, email: &str, password: &str) -> Call {
        self.post("/login", json!({ "identifier": email, "password": password }))
    }

    /// Sets up one-time passwords for the session of a token, and waits until the next code.
    pub(crate) async fn authenticator(&self, token: &str) -> (Authenticator, Vec<String>) {
        let reply = self.post("/totp/setup", json!({ "password": PASSWORD })).cookie(token).send().await;
        let authenticator = Authenticator::of(&reply);
        let body = json!({ "ticket": reply.ticket(), "code": authenticator.code(self) });
        let confirmed = self.post("/totp/confirm", body).cookie(token).send().await;
        assert_eq!(confirmed.status, StatusCode::OK, "{}", confirmed.text());
        let codes = confirmed.json()["recovery_codes"].as_array().unwrap().clone();
        self.clock.advance(std::time::Duration::from_secs(30));
        (authenticator, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
    }

    /// Makes an administrator and logs it in; the text of its session token.
    pub(crate) async fn administrator(&self, email: &str) -> String {
        let (password, role) = (Some(Password::new(PASSWORD.to_owned())), Role::admin());
        let user = NewUser { email: email.to_owned(), username: None, password, role, email_verified: true };
        self.engine.add_user(user, &Client::default()).await.unwrap();
        self.login(email, PASSWORD).send().await.cookie()
    }

    /// Makes an account and logs it in; the text of its session token.
    pub(crate) async fn logged_in(&self, email: &str) -> String {
        self.account(email).await;
        let reply = self.login(email, PASSWORD).send().await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        reply.cookie()
    }
}

/// An authenticator application, set up by the secret that a reply shows.
#[derive(Clone)]
pub(crate) struct Authenticator(String);

impl Authenticator {
    pub(crate) fn of(reply: &Reply) -> Self {
        Self(reply.json()["secret"].as_str().unwrap_or_else(|| panic!("no secret: {}", reply.text())).to_owned())
    }

    /// The code that it shows now.
    pub(crate) fn code(&self, world: &World) -> String {
        let secret = totp_rs::Secret::try_from_base32(&self.0).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        totp.generate(u64::try_from(world.engine.now().as_millis()).unwrap() / 1_000).to_string()
    }
}

/// A request about to be sent.
pub(crate) struct Call {
    app: Router,
    pub(crate) engine: Engine,
    request: Request<Body>,
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::try_from(name).unwrap();
        self.request.headers_mut().append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    pub(crate) fn json(self, body: impl Into<Body>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// As a browser sends it from a page of the service.
    pub(crate) fn cookie(self, token: &str) -> Self {
        self.header("cookie", format!("dw_session={token}")).header("sec-fetch-site", "same-origin")
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn from(mut self, address: &str) -> Self {
        self.request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 40_000)));
        self
    }

    pub(crate) fn set_path(&mut self, path: &str) {
        *self.request.uri_mut() = path.parse().unwrap();
    }

    pub(crate) async fn send(self) -> Reply {
        let reply = self.app.oneshot(self.request).await.unwrap();
        let (parts, body) = reply.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, body }
    }
}

/// A reply that was read to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {} {:?}", self.status, self.body))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("no code: {}", self.text())).to_owned()
    }

    pub(crate) fn ticket(&self) -> String {
        self.json()["ticket"].as_str().unwrap_or_else(|| panic!("no ticket: {}", self.text())).to_owned()
    }

    /// The one cookie that it sets.
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        let mut cookies = self.headers.get_all(header::SET_COOKIE).iter();
        let cookie = cookies.next().map(|value| value.to_str().unwrap());
        assert!(cookies.next().is_none(), "more than one cookie");
        cookie
    }

    /// The session token in the cookie that it sets.
    pub(crate) fn cookie(&self) -> String {
        let cookie = self.set_cookie().unwrap_or_else(|| panic!("no cookie: {}", self.text()));
        cookie.split(['=', ';']).nth(1).unwrap().to_owned()
    }

    /// Asserts a whole problem: status, type and the members that every problem has.
    pub(crate) fn assert_problem(&self, status: u16, code: &str, case: &str) {
        assert_eq!((self.status.as_u16(), &*self.code()), (status, code), "{case}: {}", self.text());
        assert_eq!(self.headers["content-type"], "application/problem+json", "{case}");
        let json = self.json();
        assert_eq!(json["status"], status, "{case}");
        assert_eq!(json["type"], format!("/problems/{code}"), "{case}");
        for member in ["title", "detail"] {
            assert!(json[member].as_str().is_some_and(|text| !text.is_empty()), "{case}: {member}");
        }
        let retry_after = self.headers.get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(json["retry_after_seconds"].as_u64().map(|seconds| seconds.to_string()), retry_after, "{case}");
        assert_eq!(self.headers.contains_key(header::WWW_AUTHENTICATE), status == 401, "{case}");
    }
}
