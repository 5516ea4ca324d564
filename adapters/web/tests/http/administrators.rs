//! Who may administer: every route of `/admin` that the description names, asked by everybody who might try.
//!
//! A route without a row here fails the tests, so that a new one can't be forgotten.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use doorwarden_core::administration::UserChange;
use doorwarden_core::client::Client;
use doorwarden_core::session::SessionMode;
use doorwarden_core::sign_up::Demand;
use doorwarden_core::user::{Role, UserId, UserStatus};
use serde_json::{Value, json};

use crate::signatures::Program;
use crate::world::{Call, Reply, World};

const ROOT: &str = "root@example.org";
const EMAIL: &str = "ada@example.org";
/// The account that is acted on.
const OTHER: &str = "bob@example.org";

/// What one route is asked, and what it leaves on the trail.
struct Row {
    method: Method,
    path: &'static str,
    body: Value,
    does: Does,
}

enum Does {
    /// It shows something, and is no event.
    Shows,
    /// It is an event of this name about nobody.
    Acts(&'static str),
    /// It is an event of this name about the account that is acted on.
    ActsOnOther(&'static str),
    /// It is an event of this name about an account that it makes.
    Makes(&'static str),
}

fn rows() -> Vec<Row> {
    let row = |method, path, body, does| Row { method, path, body, does };
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    vec![
        row(get.clone(), "/admin/users", Value::Null, Does::Shows),
        row(post.clone(), "/admin/users", json!({ "email": "new@example.org" }), Does::Makes("user.changed")),
        row(get.clone(), "/admin/users/{id}", Value::Null, Does::Shows),
        row(patch, "/admin/users/{id}", json!({ "role": "operator" }), Does::ActsOnOther("user.changed")),
        row(post.clone(), "/admin/users/{id}/unlock", Value::Null, Does::ActsOnOther("login.unlocked")),
        row(post.clone(), "/admin/users/{id}/reset-totp", Value::Null, Does::ActsOnOther("totp.reset")),
        row(post.clone(), "/admin/users/{id}/end-sessions", Value::Null, Does::ActsOnOther("session.ended")),
        row(delete.clone(), "/admin/users/{id}", Value::Null, Does::ActsOnOther("user.deleted")),
        row(get.clone(), "/admin/invitations", Value::Null, Does::Shows),
        row(post, "/admin/invitations", json!({ "role": "operator" }), Does::Acts("invitation.created")),
        row(delete, "/admin/invitations/{id}", Value::Null, Does::Acts("invitation.revoked")),
        row(get, "/admin/audit", Value::Null, Does::Shows),
    ]
}

/// The methods and paths under `/admin` that the description names.
async fn described(world: &World) -> BTreeSet<(String, String)> {
    let description = world.get("/openapi.json").send().await.json();
    let paths = description["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/admin"));
    let methods = |operations: &Value| -> Vec<String> {
        operations.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect()
    };
    paths.flat_map(|(path, of)| methods(of).into_iter().map(|method| (method, path.clone()))).collect()
}

/// How somebody shows who asks.
enum Caller {
    Nobody,
    Cookie(String),
    Bearer(String),
    Program(Program),
}

/// A world with an account that everything can be done to, and an open invitation.
struct Stage {
    world: World,
    other: UserId,
    invitation: String,
}

impl Stage {
    async fn new() -> Self {
        let world = World::with(|policy| {
            policy.login.modes = vec![SessionMode::Session, SessionMode::Api];
            policy.sign_up.invitation = Demand::Optional;
        });
        let world = world.await;
        world.engine.upkeep().await.unwrap();
        let token = world.logged_in(OTHER).await;
        world.authenticator(&token).await;
        for _ in 0..11 {
            world.login(OTHER, "wrong").send().await;
        }
        let other = world.engine.find_user(OTHER).await.unwrap().unwrap().id;
        let issued = world.engine.invite(Default::default(), &Client::default()).await.unwrap();
        Self { world, other, invitation: issued.invitation.id.to_string() }
    }

    fn target(&self, row: &Row) -> String {
        let id = if row.path.contains("invitations") { self.invitation.clone() } else { self.other.to_string() };
        row.path.replace("{id}", &id)
    }

    fn call(&self, row: &Row, caller: &Caller) -> Call {
        if let Caller::Program(program) = caller {
            return program.call(&self.world, &row.method, &format!("/auth{}", self.target(row)), &row.body);
        }
        let call = self.world.call(row.method.clone(), &self.target(row));
        let call = if row.body.is_null() { call } else { call.json(row.body.to_string()) };
        match caller {
            Caller::Cookie(token) => call.cookie(token),
            Caller::Bearer(token) => call.bearer(token),
            Caller::Nobody | Caller::Program(_) => call,
        }
    }

    async fn send(&self, row: &Row, caller: &Caller) -> Reply {
        self.call(row, caller).send().await
    }

    /// A session of an account, and what its program shows: a session logged in with a keypair, and a signature.
    async fn with_programs(&self, token: &str) -> [Caller; 2] {
        let made = self.world.post("/keypairs", json!({})).cookie(token).send().await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let (program, keys) = (Program::of(&made.json()), made.json());
        let login = json!({ "mode": "api", "access_key": keys["access_key"], "secret_key": keys["secret_key"], "want": "token" });
        let login = self.world.post("/login", login).send().await;
        let token = login.json()["token"].as_str().unwrap_or_else(|| panic!("{}", login.text())).to_owned();
        [Caller::Bearer(token), Caller::Program(program)]
    }

    /// A session of an administrator to whom something happened since.
    async fn former(&self, email: &str, change: UserChange) -> Caller {
        let token = self.world.administrator(email).await;
        let id = self.world.engine.find_user(email).await.unwrap().unwrap().id;
        self.world.engine.change_user(id, &change, &Client::default()).await.unwrap();
        Caller::Cookie(token)
    }

    /// Everybody who may not, with what each is told.
    async fn outsiders(&self) -> Vec<(&'static str, Caller, u16, &'static str)> {
        let world = &self.world;
        let user = world.logged_in(EMAIL).await;
        let [program_session, program] = self.with_programs(&user).await;
        let role = |name: &str| UserChange { role: Some(Role::parse(name).unwrap()), ..UserChange::default() };
        let disabled = UserChange { status: Some(UserStatus::Disabled), ..UserChange::default() };
        let gone = world.administrator("gone@example.org").await;
        let id = world.engine.find_user("gone@example.org").await.unwrap().unwrap().id;
        // Somebody has to be left before one may go.
        let logged_out = world.administrator("left@example.org").await;
        world.engine.delete_user(id, &Client::default()).await.unwrap();
        assert_eq!(world.call(Method::POST, "/logout").cookie(&logged_out).send().await.status, 204);
        let demoted_keys = world.administrator("keys@example.org").await;
        let [demoted_session, demoted_program] = self.with_programs(&demoted_keys).await;
        let keys = world.engine.find_user("keys@example.org").await.unwrap().unwrap().id;
        world.engine.change_user(keys, &role("user"), &Client::default()).await.unwrap();
        vec![
            ("nobody", Caller::Nobody, 401, "session_required"),
            ("a made-up session", Caller::Cookie("x".to_owned()), 401, "session_required"),
            ("a user", Caller::Cookie(user.clone()), 403, "forbidden"),
            ("a user's bearer token", Caller::Bearer(user), 403, "forbidden"),
            ("a user's session by keypair", program_session, 403, "forbidden"),
            ("a user's signed request", program, 403, "forbidden"),
            ("a disabled one", self.former("off@example.org", disabled).await, 401, "session_ended"),
            ("a demoted one", self.former("once@example.org", role("user")).await, 403, "forbidden"),
            ("one of another role", self.former("op@example.org", role("administrator")).await, 403, "forbidden"),
            ("a demoted one's session by keypair", demoted_session, 403, "forbidden"),
            ("a demoted one's signed request", demoted_program, 403, "forbidden"),
            ("a deleted one", Caller::Cookie(gone), 401, "session_ended"),
            ("one who logged out", Caller::Cookie(logged_out), 401, "session_ended"),
        ]
    }

    /// All that an act could change.
    async fn state(&self) -> String {
        let engine = &self.world.engine;
        let (users, mut trail) = (engine.users("", None, 200).await.unwrap(), self.trail().await);
        // That it was refused is on the trail, and nothing else is.
        trail.retain(|event| event["name"] != "request.refused");
        let invitations = engine.invitations(None, 200).await.unwrap();
        let restriction = engine.restriction_of(self.other).await.unwrap();
        // A signed request notes that its keypair was used, and a session when it was last seen; no act does.
        format!("{users:?} {invitations:?} {restriction:?} {trail:?}")
    }

    async fn trail(&self) -> Vec<Value> {
        let engine = &self.world.engine;
        let (mut events, mut filter) = (Vec::new(), doorwarden_core::audit::AuditFilter::default());
        loop {
            let page = engine.audit(&filter, 200).await.unwrap();
            let Some((last, _)) = page.last() else { return events };
            filter.after = Some(*last);
            events.extend(page.into_iter().map(|(_, event)| serde_json::to_value(event).unwrap()));
        }
    }
}

#[tokio::test]
async fn ad1_every_route_that_is_described_has_a_row() {
    let world = World::new().await;
    let rows: BTreeSet<_> = rows().iter().map(|row| (row.method.to_string(), row.path.to_owned())).collect();
    assert_eq!(described(&world).await, rows);
}

#[tokio::test]
async fn ad1_every_route_is_refused_to_everybody_but_an_administrator_and_changes_nothing() {
    let stage = Stage::new().await;
    let outsiders = stage.outsiders().await;
    let before = stage.state().await;
    for row in rows() {
        for (who, caller, status, code) in &outsiders {
            let case = format!("{} {} by {who}", row.method, row.path);
            stage.send(&row, caller).await.assert_problem(*status, code, &case);
            // Whoever may not isn't told either what a right form would be.
            if !row.body.is_null() && !matches!(caller, Caller::Program(_)) {
                let wrong = stage.call(&row, caller).body("{").send().await;
                wrong.assert_problem(*status, code, &case);
            }
        }
        assert_eq!(stage.state().await, before, "{} {}", row.method, row.path);
    }
    let expired = stage.world.administrator("late@example.org").await;
    stage.world.clock.advance(Duration::from_secs(8 * 3_600));
    for row in rows() {
        let reply = stage.send(&row, &Caller::Cookie(expired.clone())).await;
        reply.assert_problem(401, "session_expired", row.path);
    }
}

#[tokio::test]
async fn ad1_every_route_is_open_to_each_administrator_and_every_act_is_an_event_of_theirs() {
    for row in rows() {
        for who in [ROOT, "second@example.org"] {
            let stage = Stage::new().await;
            // The first one is there all along; both may do the same.
            let first = stage.world.administrator(ROOT).await;
            let token = if who == ROOT { first } else { stage.world.administrator(who).await };
            let caller = Caller::Cookie(token);
            let actor = stage.world.engine.find_user(who).await.unwrap().unwrap().id.to_string();
            let before = stage.trail().await;
            let reply = stage.send(&row, &caller).await;
            assert!(reply.status.is_success(), "{} {} by {who}: {}", row.method, row.path, reply.text());
            let events = stage.trail().await.split_off(before.len());
            let case = format!("{} {} by {who}: {events:?}", row.method, row.path);
            let (name, user) = match row.does {
                Does::Shows => {
                    assert!(events.is_empty(), "{case}");
                    continue;
                }
                Does::Acts(name) => (name, Value::Null),
                Does::ActsOnOther(name) => (name, json!(stage.other)),
                Does::Makes(name) => (name, reply.json()["id"].clone()),
            };
            assert_eq!(events.len(), 1, "{case}");
            assert_eq!((&events[0]["name"], &events[0]["outcome"]), (&json!(name), &json!("success")), "{case}");
            assert_eq!((&events[0]["actor"], &events[0]["user"]), (&json!(actor), &user), "{case}");
        }
    }
}

#[tokio::test]
async fn kp4_a_program_of_an_administrator_does_nothing_that_asks_for_a_person() {
    for row in rows() {
        let stage = Stage::new().await;
        let token = stage.world.administrator(ROOT).await;
        for caller in stage.with_programs(&token).await {
            let asks = row.method == Method::DELETE && row.path.contains("users")
                || row.path.ends_with("reset-totp")
                || row.method == Method::PATCH;
            let reply = stage.send(&row, &caller).await;
            match asks {
                true => reply.assert_problem(403, "proof_required", row.path),
                // What one program did the other may find done.
                false => assert!(reply.status.is_success() || reply.code() == "email_taken", "{}", reply.text()),
            }
            for path in ["/admin/users", "/admin/invitations"] {
                let body = json!({ "email": "made@example.org", "role": "admin" });
                let row = Row { method: Method::POST, path, body, does: Does::Shows };
                stage.send(&row, &caller).await.assert_problem(403, "proof_required", path);
            }
        }
    }
}
