//! Portals that keep sessions, lockouts and tickets on a real Redis, and what they say while it is away.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::http::{Reply, at_once, count};
use crate::process::{Folder, PASSWORD, Portal, WITHOUT_MAILS, until};

/// A server of our own; it ends with the test.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    port: u16,
    more: &'static [&'static str],
    running: Option<Child>,
}

/// What is answered is on the disk.
pub(crate) const DURABLE: &[&str] = &["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
const FORGETFUL: &[&str] = &["--save", "", "--appendonly", "no"];

impl Server {
    pub(crate) fn start(more: &'static [&'static str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { folder: tempfile::tempdir().unwrap(), port, more, running: None };
        server.up();
        server
    }

    pub(crate) fn up(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"]).arg(self.folder.path());
        command.args(self.more).stdin(Stdio::null()).stdout(Stdio::null());
        let started = command.spawn();
        let child = started.unwrap_or_else(|error| panic!("no Redis server ({error}): `apt-get install redis-server`"));
        self.running = Some(child);
        until("Redis answers", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn configuration(&self) -> String {
        format!("{WITHOUT_MAILS}store.volatile = \"{}\"\n", self.url())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn two(folder: &Folder) -> [Portal; 2] {
    at_once(2, |_| folder.start()).try_into().unwrap_or_else(|_| panic!())
}

fn logged_in(portal: &Portal) -> String {
    let answer = portal.login("ada@example.org", PASSWORD);
    answer.assert(200, "logged_in", "alone");
    answer.member("token")
}

fn assert_unavailable(reply: &Reply) {
    reply.assert(503, "unavailable", "Redis is away");
    assert!(reply.header("retry-after").is_some());
    assert!(!reply.text().to_lowercase().contains("redis") && !reply.text().contains("127.0.0.1"), "{}", reply.text());
}

#[test]
fn fa1_while_redis_is_away_nobody_is_logged_out_or_in_and_all_goes_on_once_it_is_back() {
    let mut server = Server::start(DURABLE);
    let folder = Folder::new(&server.configuration());
    let portal = folder.start();
    portal.sign_up("ada@example.org").assert(201, "signed_up", "an account");
    let token = logged_in(&portal);
    for _ in 0..4 {
        portal.login("ada@example.org", "wrong").assert(401, "invalid_credentials", "counted");
    }
    let ticket = portal.login("ada@example.org", PASSWORD).member("ticket");
    server.kill();
    for reply in [
        portal.session(&token),
        portal.login("ada@example.org", PASSWORD),
        portal.login("ada@example.org", "wrong"),
        portal.login("nobody@example.org", "wrong"),
        portal.ask("/logout").bearer(&token).send(),
        portal.post("/login/takeover", &json!({ "ticket": ticket, "proceed": true })).send(),
    ] {
        assert_unavailable(&reply);
    }
    server.up();
    until("the session is found again", || (portal.session(&token).status == 200).then_some(()));
    for _ in 4..11 {
        portal.login("ada@example.org", "wrong").assert(401, "invalid_credentials", "no count is lost, and none made");
    }
    portal.login("ada@example.org", "wrong").assert(429, "locked_out", "the twelfth");
    assert_eq!(portal.session(&token).status, 200, "the account's session goes on");
}

#[test]
fn gu1_of_200_wrong_guesses_at_once_over_two_processes_and_redis_exactly_eleven_are_evaluated() {
    let server = Server::start(FORGETFUL);
    let folder = Folder::new(&server.configuration());
    let portals = two(&folder);
    portals[0].sign_up("ada@example.org").assert(201, "signed_up", "at A");
    for identifier in ["ada@example.org", "nobody@example.org"] {
        let answers = at_once(200, |n| portals[n % 2].login(identifier, "wrong").outcome());
        assert_eq!(count(&answers, "invalid_credentials"), 11, "{answers:?}");
        assert_eq!(count(&answers, "locked_out") + count(&answers, "busy"), 189, "{answers:?}");
    }
    portals[1].login("ada@example.org", PASSWORD).assert(429, "locked_out", "the right one isn't heard");
}

#[test]
fn se3_a_takeover_at_one_process_ends_the_session_at_the_other_over_redis() {
    let server = Server::start(FORGETFUL);
    let folder = Folder::new(&server.configuration());
    let [a, b] = two(&folder);
    a.sign_up("ada@example.org").assert(201, "signed_up", "at A");
    let session = logged_in(&b);
    assert_eq!(a.session(&session).status, 200, "at A");
    let ticket = a.login("ada@example.org", PASSWORD).member("ticket");
    let takeover = json!({ "ticket": ticket, "proceed": true });
    let answers = at_once(40, |n| [&a, &b][n % 2].post("/login/takeover", &takeover).send());
    let outcomes: Vec<String> = answers.iter().map(Reply::outcome).collect();
    assert_eq!((count(&outcomes, "logged_in"), count(&outcomes, "ticket_invalid")), (1, 39), "{outcomes:?}");
    let newer = answers.iter().find(|answer| answer.outcome() == "logged_in").unwrap().member("token");
    for portal in [&a, &b] {
        portal.session(&session).assert(401, "session_ended_elsewhere", "taken over");
        assert_eq!(portal.session(&newer).status, 200);
    }
    assert_eq!(b.ask("/logout").bearer(&newer).send().status, 204, "at B");
    a.session(&newer).assert(401, "session_ended", "logged out at B");
}

#[test]
fn se4_of_50_logins_at_once_over_two_processes_and_redis_at_limit_one_exactly_one_gets_in() {
    let server = Server::start(FORGETFUL);
    let folder = Folder::new(&server.configuration());
    let portals = two(&folder);
    portals[0].sign_up("ada@example.org").assert(201, "signed_up", "at A");
    let answers = at_once(50, |n| portals[n % 2].login("ada@example.org", PASSWORD).outcome());
    assert_eq!((count(&answers, "logged_in"), count(&answers, "session_conflict")), (1, 49), "{answers:?}");
}

#[test]
fn fa11_a_redis_that_evicts_refuses_the_start_and_one_that_keeps_nothing_is_named() {
    let server = Server::start(&["--save", "", "--maxmemory-policy", "allkeys-lru"]);
    let folder = Folder::new(&server.configuration());
    let (status, complaint) = folder.refused();
    assert_ne!(status, Some(0));
    assert!(complaint.contains("maxmemory-policy noeviction"), "{complaint}");
    let server = Server::start(FORGETFUL);
    let folder = Folder::new(&server.configuration());
    let portal = folder.start();
    assert!(portal.said.complaint().contains("appendonly yes"), "{}", portal.said.complaint());
}

#[test]
fn a_portal_does_not_start_while_its_redis_is_away_and_says_so() {
    let mut server = Server::start(FORGETFUL);
    server.kill();
    let (status, complaint) = Folder::new(&server.configuration()).refused();
    assert_ne!(status, Some(0));
    let place = format!("127.0.0.1:{}", server.port);
    assert!(complaint.contains(&place) && complaint.contains("see that the server is up"), "{complaint}");
}
