//! Four portals on one PostgreSQL and one Redis, while portals and servers are killed and started again: whatever was
//! answered is true afterwards, and no rule gave way.
//!
//! ```text
//! six people ─▶ any of four portals ─▶ PostgreSQL (accounts), Redis (sessions, counts, tickets)
//!                    ▲ kill -9                ▲ kill                    ▲ kill
//! ```
//!
//! Each person remembers what was answered. An answer that didn't come leaves both ways open; a wrong one ends the test.

use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use doorwarden_postgres::testing::Server as Postgres;
use serde_json::{Value, json};

use crate::http::{Call, Reply, at_once, count};
use crate::mailbox::mails_to;
use crate::process::{CHEAP, Folder, PASSWORD, Portal, until};
use crate::redis::{DURABLE, Server as Redis};
use crate::secrets::told;

const PORTALS: usize = 4;
const WORKERS: u64 = 6;
const PEOPLE: u64 = 2;
const BLOWS: u64 = 24;
/// More than the invitation has uses.
const INVITED: usize = 12;
const USES: usize = 5;

#[test]
fn what_was_answered_stays_true_while_four_portals_postgresql_and_redis_are_killed() {
    let service = Service::start();
    let root = service.administrator();
    let invitation = service.invitation(&root);
    let over = AtomicBool::new(false);
    let (people, invited) = std::thread::scope(|scope| {
        let (service, over, invitation) = (&service, &over, invitation.as_str());
        let workers: Vec<_> = (0..WORKERS).map(|number| scope.spawn(move || live(service, number, over))).collect();
        let guests = scope.spawn(move || service.invited(invitation));
        service.suffer();
        over.store(true, Ordering::SeqCst);
        let people: Vec<Person> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        (people, guests.join().unwrap())
    });
    println!("{} acts were answered, {} weren't", service.answered.load(Ordering::SeqCst), service.unanswered());
    let acts: usize = people.iter().map(|person| person.acts).sum();
    assert!(acts > 100, "the storm was one: {acts}");

    for mut person in people {
        person.look_back(&service);
    }
    assert!((1..=USES).contains(&invited.len()), "{invited:?}");
    service.guests_are_in(&root, &invited);
    service.eleven_guesses();
    service.outbox_is_empty();
    // Its status says whether the chain is whole.
    told(&service.folder, &["audit", "verify"]);
}

/// Lives the lives of some people until the storm is over.
fn live(service: &Service, worker: u64, over: &AtomicBool) -> Vec<Person> {
    let mut chance = Chance(worker + 1);
    let mut people: Vec<_> = (0..PEOPLE).map(|n| Person::new(format!("p{worker}-{n}@example.org"))).collect();
    let mut turn = 0;
    while !over.load(Ordering::SeqCst) {
        let person = &mut people[turn % usize::try_from(PEOPLE).unwrap()];
        person.act(service, &mut chance);
        turn += 1;
    }
    people
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

struct Service {
    folder: Folder,
    portals: RwLock<Vec<Portal>>,
    postgres: Postgres,
    redis: std::sync::Mutex<Redis>,
    turn: AtomicUsize,
    answered: AtomicUsize,
    asked: AtomicUsize,
}

impl Service {
    fn start() -> Self {
        let (postgres, redis) = (Postgres::start(), Redis::start(DURABLE));
        let policy = "sign_up.invitation = \"optional\"\nmail.per_hour = 500\nrecovery.per_hour = 500\n\
            login.modes = [\"session\", \"api\"]\n";
        let stores = format!("store.directory = \"{}\"\nstore.volatile = \"{}\"\n", postgres.url(""), redis.url());
        let folder = Folder::new(&format!("{CHEAP}{policy}{stores}"));
        let first = folder.start();
        let rest = at_once(PORTALS - 1, |_| folder.start());
        let portals = RwLock::new(std::iter::once(first).chain(rest).collect());
        let (turn, answered, asked) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Self { folder, portals, postgres, redis: redis.into(), turn, answered, asked }
    }

    /// Asks the next portal; `None` if no answer came, or that something was away.
    fn ask(&self, make: impl Fn(&str) -> Call) -> Option<Reply> {
        let address = {
            let portals = self.portals.read().unwrap();
            portals[self.turn.fetch_add(1, Ordering::SeqCst) % PORTALS].address.clone()
        };
        self.asked.fetch_add(1, Ordering::SeqCst);
        let reply = make(&address).attempt().ok().filter(|reply| reply.status != 503)?;
        assert_ne!(reply.status, 500, "{}", reply.text());
        self.answered.fetch_add(1, Ordering::SeqCst);
        Some(reply)
    }

    fn post(&self, path: &str, body: &Value) -> Option<Reply> {
        self.ask(|address| Call::new(address, "POST", &format!("/auth{path}")).json(body))
    }

    /// As somebody who is logged in.
    fn post_as(&self, token: &str, path: &str, body: &Value) -> Option<Reply> {
        self.ask(|address| Call::new(address, "POST", &format!("/auth{path}")).bearer(token).json(body))
    }

    fn get_as(&self, token: &str, path: &str) -> Option<Reply> {
        self.ask(|address| Call::new(address, "GET", &format!("/auth{path}")).bearer(token))
    }

    fn unanswered(&self) -> usize {
        self.asked.load(Ordering::SeqCst) - self.answered.load(Ordering::SeqCst)
    }

    /// The session of an administrator, made by the first link.
    fn administrator(&self) -> String {
        let portals = self.portals.read().unwrap();
        let token = portals.iter().find_map(Portal::first_administrator).expect("no user exists");
        let form = json!({ "token": token, "email": "root@example.org", "password": PASSWORD });
        assert_eq!(portals[0].post("/first-administrator", &form).send().status, 201);
        portals[1].login("root@example.org", PASSWORD).member("token")
    }

    fn invitation(&self, root: &str) -> String {
        self.post_as(root, "/admin/invitations", &json!({ "max_uses": USES })).unwrap().member("token")
    }

    /// Portals and servers are killed and started again, one at a time.
    fn suffer(&self) {
        let mut chance = Chance(99);
        for blow in 0..BLOWS {
            std::thread::sleep(Duration::from_millis(100 + chance.below(500)));
            let away = Duration::from_millis(chance.below(400));
            match blow % 6 {
                2 => {
                    let mut redis = self.redis.lock().unwrap();
                    redis.kill();
                    std::thread::sleep(away);
                    redis.up();
                }
                5 => {
                    self.postgres.kill();
                    std::thread::sleep(away);
                    self.postgres.up();
                }
                _ => {
                    let number = usize::try_from(chance.below(PORTALS as u64)).unwrap();
                    self.portals.write().unwrap()[number].kill();
                    let portal = self.folder.start();
                    self.portals.write().unwrap()[number] = portal;
                }
            }
        }
    }

    /// Signs up more people than the invitation has uses, each once; those who were told that they are in.
    fn invited(&self, invitation: &str) -> Vec<String> {
        let signed_up = at_once(INVITED, |n| {
            std::thread::sleep(Duration::from_millis(700 * u64::try_from(n).unwrap()));
            let email = format!("guest{n}@example.org");
            let form = json!({ "email": email, "password": PASSWORD, "invitation": invitation });
            let reply = self.post("/sign-up", &form)?;
            let outcome = reply.outcome();
            assert!(["verify_email", "invitation_invalid"].contains(&outcome.as_str()), "{outcome}");
            (outcome == "verify_email").then_some(email)
        });
        signed_up.into_iter().flatten().collect()
    }

    fn guests_are_in(&self, root: &str, guests: &[String]) {
        for guest in guests {
            let mails = mails_to(&self.folder.mail(), guest);
            let verified = self.post("/verify-email", &json!({ "token": mails[0].token() })).unwrap();
            assert_eq!(verified.status, 204, "{guest}: {}", verified.text());
        }
        let list = self.get_as(root, "/admin/invitations").unwrap().json();
        let used = list["invitations"][0]["uses"].as_u64().unwrap_or_else(|| panic!("{list}"));
        assert!((guests.len()..=USES).contains(&usize::try_from(used).unwrap()), "{guests:?} {list}");
    }

    fn eleven_guesses(&self) {
        for identifier in ["root@example.org", "nobody@example.org"] {
            let guess = json!({ "identifier": identifier, "password": "wrong" });
            let answers =
                at_once(200, |_| self.post("/login", &guess).map_or("busy".to_owned(), |reply| reply.outcome()));
            assert_eq!(count(&answers, "invalid_credentials"), 11, "{answers:?}");
        }
    }

    /// A delivery that a killed portal had begun is another's once its lease is over.
    fn outbox_is_empty(&self) {
        let waiting = || self.postgres.ask("SELECT count(*) FROM doorwarden.deliveries");
        for _ in 0..3 {
            if waiting() == "0" {
                return;
            }
            std::thread::sleep(Duration::from_secs(20));
        }
        until("the outbox is empty", || (waiting() == "0").then_some(()));
    }
}

/// Somebody, and what they know.
struct Person {
    email: String,
    /// The one that is right, or those of which one is.
    passwords: Vec<String>,
    stage: Stage,
    /// A session that lives for certain.
    session: Option<String>,
    /// Whether there may be a session that nobody knows.
    unseen: bool,
    /// Sessions that have ended for certain.
    ended: Vec<String>,
    /// Links that have been used for certain.
    spent: Vec<String>,
    /// Keypairs that were shown.
    keypairs: Vec<(String, String)>,
    acts: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Nobody,
    SignedUp,
    /// The link was sent off, and no answer came.
    Verifying(String),
    Verified,
}

impl Person {
    fn new(email: String) -> Self {
        let passwords = vec![PASSWORD.to_owned()];
        let (session, unseen, stage) = (None, false, Stage::Nobody);
        let (ended, spent, keypairs, acts) = (Vec::new(), Vec::new(), Vec::new(), 0);
        Self { email, passwords, stage, session, unseen, ended, spent, keypairs, acts }
    }

    /// One act, and what it teaches.
    fn act(&mut self, service: &Service, chance: &mut Chance) {
        self.acts += 1;
        match (self.stage.clone(), self.session.clone()) {
            (Stage::Nobody, _) => self.sign_up(service),
            (Stage::SignedUp, _) => {
                let token = mails_to(&service.folder.mail(), &self.email).last().unwrap().token();
                self.verify(service, token, false);
            }
            (Stage::Verifying(token), _) => self.verify(service, token, true),
            (Stage::Verified, None) => match chance.below(5) {
                0 => self.reset(service),
                _ => self.log_in(service),
            },
            (Stage::Verified, Some(session)) => match chance.below(10) {
                0 => self.log_out(service, &session),
                1 => self.change_password(service, &session),
                2 => self.reset(service),
                3 if self.keypairs.len() < 2 => self.make_keypair(service, &session),
                4 | 5 => self.log_in(service),
                6 => self.remember(service, chance),
                _ => self.check(service, &session),
            },
        }
    }

    fn sign_up(&mut self, service: &Service) {
        let form = json!({ "email": self.email, "password": PASSWORD });
        if let Some(reply) = service.post("/sign-up", &form) {
            reply.assert(201, "verify_email", &self.email);
            self.stage = Stage::SignedUp;
        }
    }

    fn verify(&mut self, service: &Service, token: String, was_tried: bool) {
        let Some(reply) = service.post("/verify-email", &json!({ "token": token })) else {
            self.stage = Stage::Verifying(token);
            return;
        };
        let fits = reply.status == 204 || was_tried && reply.status == 410;
        assert!(fits, "{}: {} {}", self.email, reply.status, reply.text());
        self.spent.push(token);
        self.stage = Stage::Verified;
    }

    fn log_in(&mut self, service: &Service) {
        let password = self.passwords[0].clone();
        let form = json!({ "identifier": self.email, "password": password, "want": "token" });
        let Some(reply) = service.post("/login", &form) else {
            // It may have opened a session, and only if none was there.
            self.unseen |= self.session.is_none();
            return;
        };
        match reply.outcome().as_str() {
            "logged_in" => {
                assert_eq!(self.session, None, "{}: a second session, and one may be", self.email);
                self.is_in(&password, reply.member("token"));
            }
            "session_conflict" => {
                assert!(self.session.is_some() || self.unseen, "{}: in conflict with nobody", self.email);
                self.take_over(service, &password, &reply.member("ticket"));
            }
            "invalid_credentials" => {
                assert!(self.passwords.len() > 1, "{}: the right password is wrong", self.email);
                self.passwords.remove(0);
            }
            other => panic!("{}: {other}", self.email),
        }
    }

    fn take_over(&mut self, service: &Service, password: &str, ticket: &str) {
        match service.post("/login/takeover", &json!({ "ticket": ticket, "proceed": true })) {
            Some(reply) => {
                reply.assert(200, "logged_in", &self.email);
                self.ended.extend(self.session.take());
                self.is_in(password, reply.member("token"));
            }
            None => self.lose_sight(),
        }
    }

    fn is_in(&mut self, password: &str, token: String) {
        self.passwords = vec![password.to_owned()];
        self.session = Some(token);
        self.unseen = false;
    }

    /// The session may have ended, and another one begun.
    fn lose_sight(&mut self) {
        self.session = None;
        self.unseen = true;
    }

    fn check(&mut self, service: &Service, session: &str) {
        if let Some(reply) = service.get_as(session, "/session") {
            assert_eq!(reply.status, 200, "{}: {}", self.email, reply.text());
        }
    }

    /// What is over stays over.
    fn remember(&self, service: &Service, chance: &mut Chance) {
        let pick = |list: &[String], dice: u64| list.get(usize::try_from(dice).unwrap() % list.len().max(1)).cloned();
        if let Some(reply) = pick(&self.ended, chance.below(100)).and_then(|old| service.get_as(&old, "/session")) {
            assert_eq!(reply.status, 401, "{}: {}", self.email, reply.text());
        }
        let link = pick(&self.spent, chance.below(100)).map(|token| json!({ "token": token }));
        if let Some(reply) = link.and_then(|link| service.post("/verify-email", &link)) {
            reply.assert(410, "link_invalid", &self.email);
        }
    }

    fn log_out(&mut self, service: &Service, session: &str) {
        match service.ask(|address| Call::new(address, "POST", "/auth/logout").bearer(session)) {
            Some(reply) => {
                assert_eq!(reply.status, 204, "{}: {}", self.email, reply.text());
                self.ended.extend(self.session.take());
            }
            None => self.lose_sight(),
        }
    }

    fn change_password(&mut self, service: &Service, session: &str) {
        let (old, new) = (self.passwords[0].clone(), format!("{PASSWORD}{}", self.acts));
        let form = json!({ "current_password": old, "new_password": new });
        match service.post_as(session, "/password/change", &form) {
            Some(reply) if reply.status == 204 => self.passwords = vec![new],
            Some(reply) => {
                reply.assert(401, "invalid_credentials", &self.email);
                assert!(self.passwords.len() > 1, "{}: the right password is wrong", self.email);
                self.passwords.remove(0);
            }
            None => self.passwords.push(new),
        }
    }

    fn reset(&mut self, service: &Service) {
        let asked = service.post("/password/forgot", &json!({ "email": self.email }));
        let Some(202) = asked.map(|reply| reply.status) else { return };
        let mails = mails_to(&service.folder.mail(), &self.email);
        let Some(token) = mails.iter().rev().find(|mail| mail.name.contains("reset-password")).map(|m| m.token())
        else {
            panic!("{}: the mail stands before the reply", self.email)
        };
        let new = format!("{PASSWORD}{}", self.acts);
        let form = json!({ "token": token, "new_password": new });
        match service.post("/password/reset", &form) {
            Some(reply) => {
                assert_eq!(reply.status, 204, "{}: {}", self.email, reply.text());
                self.passwords = vec![new];
                self.ended.extend(self.session.take());
                self.unseen = false;
                if let Some(reply) = service.post("/password/reset", &form) {
                    reply.assert(410, "link_invalid", &self.email);
                }
            }
            None => {
                self.passwords.push(new);
                self.lose_sight();
            }
        }
    }

    fn make_keypair(&mut self, service: &Service, session: &str) {
        let Some(reply) = service.post_as(session, "/keypairs", &json!({})) else { return };
        match reply.outcome().as_str() {
            "keypair_limit" => {}
            _ if reply.status == 201 => self.keypairs.push((reply.member("access_key"), reply.member("secret_key"))),
            other => panic!("{}: {other}: {}", self.email, reply.text()),
        }
    }

    /// Everything that was answered, once all is quiet.
    fn look_back(&mut self, service: &Service) {
        while self.stage != Stage::Verified {
            self.act(service, &mut Chance(0));
        }
        for old in &self.ended {
            let reply = service.get_as(old, "/session").unwrap();
            assert_eq!(reply.status, 401, "{}: {}", self.email, reply.text());
        }
        if let Some(session) = self.session.clone() {
            let reply = service.get_as(&session, "/session").unwrap();
            assert_eq!(reply.status, 200, "{}: {}", self.email, reply.text());
        }
        while self.session.is_none() || self.passwords.len() > 1 {
            self.log_in(service);
        }
        let session = self.session.clone().unwrap();
        let list = service.get_as(&session, "/sessions").unwrap().json();
        assert_eq!(list["sessions"].as_array().map(Vec::len), Some(1), "{}: {list}", self.email);
        for (access_key, secret_key) in &self.keypairs {
            let form = json!({ "mode": "api", "access_key": access_key, "secret_key": secret_key, "want": "token" });
            service.post("/login", &form).unwrap().assert(200, "logged_in", &self.email);
        }
        for link in &self.spent {
            service.post("/verify-email", &json!({ "token": link })).unwrap().assert(410, "link_invalid", &self.email);
        }
    }
}
