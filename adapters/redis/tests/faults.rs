//! What a store does when its server is away, slow, full, restarted or not what it should be.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

mod server;

use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use doorwarden_core::lockout::{
    Charge, Escalation, Forget, Forgiven, GuessId, GuessKind, LockoutRule, LockoutSubject, Restriction, Verdict,
};
use doorwarden_core::session::{EndReason, Session, SessionId};
use doorwarden_core::spent_mark::{MarkKind, Spending, Spent, SpentMark};
use doorwarden_core::store::{LockoutStore, OpenError, SessionKey, SessionStore, TicketStore, Which};
use doorwarden_core::ticket::{Grant, Ticket, TicketKey};
use doorwarden_core::time::Timestamp;
use doorwarden_core::token::Digest;
use doorwarden_core::user::UserId;
use doorwarden_redis::{RedisConfig, RedisStore, Weakness};
use futures_executor::block_on;
use serde_json::json;

use server::{Cluster, Server, wait_until};

const USER: UserId = UserId::from_bytes([7; 16]);
const RULE: LockoutRule = LockoutRule {
    max_failures: 10,
    duration: Duration::from_secs(1_200),
    forget: Forget::AfterLast(Duration::from_secs(86_400)),
    escalation: Escalation::Off,
};
/// Every write is on the disk before it is answered.
const DURABLE: [&str; 6] = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + millis)
}

fn open(config: &RedisConfig) -> RedisStore {
    block_on(RedisStore::open(config)).unwrap()
}

fn refused(config: &RedisConfig) -> String {
    block_on(RedisStore::open(config)).unwrap_err().to_string()
}

fn session_of(user: UserId, number: u8) -> Session {
    let session = json!({
        "id": SessionId::from_bytes([number; 16]), "revision": 1, "user": user, "token": Digest::of(&[number]),
        "mode": "session", "client": { "address": null, "user_agent": null }, "started_at": at(0),
        "expires_at": at(28_800_000), "last_seen_at": at(0), "proved_at": at(0), "ended": null,
    });
    serde_json::from_value(session).unwrap()
}

fn log_in(store: &RedisStore, number: u8) -> SessionKey {
    let session = session_of(USER, number);
    let version = block_on(store.sessions_of(USER, at(0))).unwrap().version;
    block_on(SessionStore::open(store, &session, version, &[], at(0))).unwrap();
    SessionKey { user: USER, token: session.token }
}

fn is_live(store: &RedisStore, key: &SessionKey) -> Option<bool> {
    block_on(store.find(key)).unwrap().map(|session| session.ended.is_none())
}

fn account() -> LockoutSubject {
    LockoutSubject::Account(USER)
}

fn charge(store: &RedisStore, guess: u128) -> Charge {
    block_on(store.charge(&account(), GuessId(guess), GuessKind::Password, &RULE, at(0))).unwrap()
}

fn ticket(number: u8) -> (TicketKey, Ticket) {
    let key = TicketKey { locator: [number; 16], digest: Digest::of(&[number]) };
    (key, Ticket::new(Grant::FirstAdministrator, at(0), at(300_000)))
}

fn spend(store: &RedisStore, nonce: &[u8], now: i64) -> Spending {
    let mark = SpentMark { kind: MarkKind::RequestNonce, digest: Digest::of(nonce) };
    block_on(store.spend(&mark, at(now + 1_800_000), at(now))).unwrap()
}

#[test]
fn fa1_while_the_server_is_away_everything_is_a_fault_and_goes_on_once_it_is_back() {
    let server = Server::with(&DURABLE);
    let store = open(&server.config());
    let key = log_in(&store, 1);
    let (place, proof) = ticket(1);
    block_on(store.put(&place, &proof)).unwrap();
    (0..11).for_each(|guess| assert_eq!(charge(&store, guess), Charge::Granted));
    server.kill();
    let mut faults = vec![
        block_on(store.find(&key)).unwrap_err(),
        block_on(store.end(USER, Which::All, EndReason::LoggedOut, at(1))).unwrap_err(),
        block_on(store.charge(&account(), GuessId(99), GuessKind::Password, &RULE, at(1))).unwrap_err(),
        block_on(store.take(&place, at(1))).unwrap_err(),
        block_on(LockoutStore::sweep(&store, at(1), 10)).unwrap_err(),
    ];
    match block_on(SessionStore::open(&store, &session_of(USER, 9), 1, &[], at(1))) {
        Err(OpenError::Fault(fault)) => faults.push(fault),
        other => panic!("{other:?}"),
    }
    for fault in faults {
        assert!(fault.retryable(), "{fault}");
        assert!(fault.to_string().contains("see that the server is up"), "{fault}");
    }
    server.up();
    wait_until("the store goes on", || block_on(store.find(&key)).is_ok());
    assert_eq!(is_live(&store, &key), Some(true));
    assert_eq!(charge(&store, 50), Charge::Undecided, "what was charged stays charged");
    assert_eq!(block_on(store.take(&place, at(1))).unwrap(), Some(proof));
    server.kill();
    server.up();
    wait_until("the store goes on", || block_on(store.find(&key)).is_ok());
    assert_eq!(block_on(store.take(&place, at(1))).unwrap(), None, "what was taken stays taken");
}

#[test]
fn a_connection_that_the_server_closed_costs_no_fault() {
    let server = Server::start();
    let store = open(&server.config());
    let key = log_in(&store, 1);
    for round in 0..5 {
        assert_ne!(server.cli(&["client", "kill", "type", "normal"]), "0");
        assert_eq!(is_live(&store, &key), Some(true), "round {round}");
    }
}

#[test]
fn scripts_that_the_server_lost_are_given_again() {
    let server = Server::start();
    let store = open(&server.config());
    for number in 1..=3 {
        let key = log_in(&store, number);
        assert_eq!(server.cli(&["script", "flush"]), "OK");
        assert_eq!(charge(&store, number.into()), Charge::Granted);
        assert_eq!(is_live(&store, &key), Some(true));
    }
}

#[test]
fn a_server_that_does_not_answer_is_a_fault_in_time() {
    let server = Server::start();
    let mut config = server.config();
    config.command_timeout = Duration::from_millis(200);
    config.connect_timeout = Duration::from_millis(200);
    config.call_timeout = Duration::from_millis(500);
    let store = open(&config);
    let key = log_in(&store, 1);
    server.signal("-STOP");
    // Each of them waits on the one before it, and none longer than a call may take.
    thread::scope(|scope| {
        for guess in 0..20 {
            let store = &store;
            scope.spawn(move || {
                let fault = block_on(store.charge(&account(), GuessId(guess), GuessKind::Password, &RULE, at(0)));
                assert!(fault.unwrap_err().retryable());
            });
        }
    });
    let fault = block_on(store.find(&key)).unwrap_err();
    assert!(fault.to_string().contains("time") || fault.to_string().contains("too long"), "{fault}");
    server.signal("-CONT");
    wait_until("the store goes on", || block_on(store.find(&key)).is_ok());
    assert_eq!(is_live(&store, &key), Some(true));
}

#[test]
fn a_server_that_refuses_the_password_is_told_so_and_the_password_is_not_told() {
    let server = Server::with(&["--requirepass", "right", "--save", ""]);
    for (url, works) in [("redis://:right@", true), ("redis://:hunter2@", false), ("redis://", false)] {
        let config = RedisConfig::parse(&format!("{url}127.0.0.1:{}", server.port())).unwrap();
        match block_on(RedisStore::open(&config)) {
            Ok(store) => assert!(works, "{store:?}"),
            Err(fault) => {
                assert!(!works && fault.to_string().contains("see store.volatile"), "{fault}");
                assert!(!format!("{fault} {fault:?}").contains("hunter2"), "{fault:?}");
            }
        }
    }
}

#[test]
fn a_user_with_no_more_rights_than_the_documents_ask_for_is_enough() {
    let server = Server::start();
    let rights = ["~dw:*", "+@all", "-@dangerous", "+info", "+config|get"];
    assert_eq!(server.cli(&[&["acl", "setuser", "doorwarden", "on", ">right"], &rights[..]].concat()), "OK");
    let url = format!("redis://doorwarden:right@127.0.0.1:{}", server.port());
    let store = open(&RedisConfig::parse(&url).unwrap());
    let key = log_in(&store, 1);
    charge(&store, 1);
    spend(&store, b"1", 0);
    let (place, proof) = ticket(1);
    block_on(store.put(&place, &proof)).unwrap();
    block_on(TicketStore::sweep(&store, at(300_000), 10)).unwrap();
    block_on(LockoutStore::sweep(&store, at(300_000), 10)).unwrap();
    block_on(SessionStore::sweep(&store, at(300_000), 10)).unwrap();
    assert_eq!(is_live(&store, &key), Some(true));
    assert_eq!(block_on(store.weaknesses()).unwrap(), [Weakness::NoPersistence]);
}

#[test]
fn fa11_a_server_that_evicts_refuses_the_start() {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let server = Server::with(&["--maxmemory-policy", policy, "--save", ""]);
        let says = refused(&server.config());
        assert!(says.contains(policy) && says.contains("maxmemory-policy noeviction"), "{says}");
    }
}

#[test]
fn fa11_a_full_server_refuses_writes_and_goes_on_reading() {
    let server = Server::start();
    let store = open(&server.config());
    let key = log_in(&store, 1);
    assert_eq!(server.cli(&["config", "set", "maxmemory", "1"]), "OK");
    let fault = block_on(store.charge(&account(), GuessId(1), GuessKind::Password, &RULE, at(0))).unwrap_err();
    assert!(fault.retryable() && fault.to_string().contains("raise its maxmemory"), "{fault}");
    assert_eq!(is_live(&store, &key), Some(true));
    assert_eq!(server.cli(&["config", "set", "maxmemory", "0"]), "OK");
    assert_eq!(charge(&store, 1), Charge::Granted);
}

#[test]
fn fa11_a_server_without_persistence_is_named() {
    for (settings, weaknesses) in [
        (&["--save", "", "--appendonly", "no"][..], vec![Weakness::NoPersistence]),
        (&["--save", "", "--appendonly", "yes"], vec![]),
        (&["--save", "60 1", "--appendonly", "no"], vec![]),
    ] {
        let server = Server::with(settings);
        assert_eq!(block_on(open(&server.config()).weaknesses()).unwrap(), weaknesses, "{settings:?}");
    }
}

#[test]
fn kp2_a_restart_begins_the_memory_of_marks_anew_whether_or_not_they_were_kept() {
    for (settings, again) in [(&DURABLE[..], Spent::Again), (&["--save", ""], Spent::First)] {
        let server = Server::with(settings);
        let store = open(&server.config());
        assert_eq!(spend(&store, b"1", 0), Spending { spent: Spent::First, remembered_since: at(0) });
        assert_eq!(spend(&store, b"2", 10).remembered_since, at(0), "in every part");
        server.kill();
        server.up();
        wait_until("the store goes on", || block_on(store.restriction(&account(), at(0))).is_ok());
        assert_eq!(spend(&store, b"1", 1_000), Spending { spent: again, remembered_since: at(1_000) });
        for nonce in 2..40_u8 {
            assert_eq!(spend(&store, &[nonce], 1_001).remembered_since, at(1_000), "in every part");
        }
    }
}

#[test]
fn se4_a_server_that_lost_everything_opens_nothing_on_an_older_set() {
    let server = Server::start();
    let store = open(&server.config());
    let seen = block_on(store.sessions_of(USER, at(0))).unwrap().version;
    assert_eq!(server.cli(&["flushall"]), "OK");
    let late = block_on(SessionStore::open(&store, &session_of(USER, 1), seen, &[], at(0)));
    assert!(matches!(late, Err(OpenError::Stale)), "{late:?}");
}

#[test]
fn gu2_of_1000_wrong_guesses_at_once_over_two_processes_eleven_are_granted() {
    let server = Server::start();
    let mut config = server.config();
    config.call_timeout = Duration::from_secs(60);
    let stores = [open(&config), open(&config)];
    let start = Barrier::new(200);
    let granted: usize = thread::scope(|scope| {
        let callers: Vec<_> = (0..200_u128)
            .map(|caller| {
                let (store, start) = (&stores[usize::from(caller % 2 == 0)], &start);
                scope.spawn(move || {
                    start.wait();
                    (0..5).filter(|guess| charge(store, caller * 5 + guess) == Charge::Granted).count()
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert_eq!(granted, 11);
}

#[test]
fn a_restriction_that_was_closed_for_ever_has_no_end_on_the_server() {
    let server = Server::start();
    let store = open(&server.config());
    let closing = LockoutRule { max_failures: 200, escalation: Escalation::Doubling, ..RULE };
    for guess in 0..100 {
        block_on(store.charge(&account(), GuessId(guess), GuessKind::Code, &closing, at(0))).unwrap();
        block_on(store.settle(&account(), GuessId(guess), Verdict::Failed, &closing, at(0))).unwrap();
    }
    assert_eq!(block_on(store.restriction(&account(), at(1))).unwrap(), Some(Restriction::Closed));
    let lasting = server.cli(&["eval", "local n = 0 for _, k in ipairs(redis.call('KEYS', 'dw:count:*')) do if redis.call('PTTL', k) == -1 then n = n + 1 end end return n", "0"]);
    assert_eq!(lasting, "1");
    assert!(block_on(store.lift(&account(), Forgiven::All, at(2))).unwrap());
    assert_eq!(server.cli(&["keys", "dw:count:*"]), "");
}

#[test]
fn what_nobody_sweeps_the_server_forgets_by_itself() {
    let server = Server::start();
    let store = open(&server.config());
    log_in(&store, 1);
    block_on(store.end(USER, Which::All, EndReason::LoggedOut, at(1))).unwrap();
    charge(&store, 1);
    let (place, proof) = ticket(1);
    block_on(store.put(&place, &proof)).unwrap();
    spend(&store, b"1", 0);
    for kind in ["live", "ended", "count", "tickets", "marks-request_nonce"] {
        let script = "for _, k in ipairs(redis.call('KEYS', ARGV[1])) do return redis.call('PTTL', k) end";
        let left: i64 = server.cli(&["eval", script, "0", &format!("dw:{kind}:*")]).parse().unwrap();
        assert!((3_000_000..1_000_000_000).contains(&left), "{kind}: {left} ms");
    }
}

#[test]
fn a_record_that_can_not_be_read_is_a_lasting_fault_that_quotes_nothing() {
    let server = Server::start();
    let store = open(&server.config());
    charge(&store, 1);
    let script = "for _, k in ipairs(redis.call('KEYS', 'dw:count:*')) do redis.call('SET', k, '12345678{\"hunter2\":1}') end return 1";
    assert_eq!(server.cli(&["eval", script, "0"]), "1");
    let fault = block_on(store.restriction(&account(), at(0))).unwrap_err();
    assert!(!fault.retryable());
    assert!(fault.to_string().contains("can't be read") && !format!("{fault:?}").contains("hunter2"), "{fault}");
}

#[test]
fn a_server_over_tls_is_believed_only_with_a_certificate_that_is_trusted() {
    let certificates = Certificates::make();
    let (key, mine) = (certificates.path("server.key"), certificates.path("server.pem"));
    let authority = certificates.path("ca.pem");
    let mut plain_port_off = vec!["--tls-cert-file", &mine, "--tls-key-file", &key, "--tls-ca-cert-file", &authority];
    plain_port_off.extend(["--tls-auth-clients", "no", "--save", ""]);
    let server = Server::with_tls(&plain_port_off);
    let url = |cacert: &str| format!("rediss://127.0.0.1:{}?cacert={cacert}", server.port());
    let store = open(&RedisConfig::parse(&url(&authority)).unwrap());
    let key = log_in(&store, 1);
    assert_eq!(is_live(&store, &key), Some(true));
    let says = refused(&RedisConfig::parse(&url(&certificates.path("other.pem"))).unwrap());
    assert!(says.contains("certificate"), "{says}");
    let says = refused(&RedisConfig::parse(&format!("rediss://127.0.0.1:{}", server.port())).unwrap());
    assert!(says.contains("certificate"), "{says}");
    let says = refused(&RedisConfig::parse(&url("/dev/null")).unwrap());
    assert!(says.contains("it holds none"), "{says}");
    refused(&RedisConfig::parse(&format!("redis://127.0.0.1:{}", server.port())).unwrap());
}

#[test]
fn a_node_of_a_cluster_that_is_away_stops_its_part_only_and_goes_on_once_it_is_back() {
    let cluster = Cluster::start();
    let config = cluster.config();
    let says = refused(&cluster.nodes[0].config());
    assert!(says.contains("redis-cluster://"), "{says}");
    let store = open(&config);
    let subjects: Vec<LockoutSubject> = (0..30_u8).map(|n| LockoutSubject::AccessKey(Digest::of(&[n]))).collect();
    let ask = |subject: &LockoutSubject| {
        block_on(store.charge(subject, GuessId(1), GuessKind::Password, &RULE, at(0))).is_ok()
    };
    assert!(subjects.iter().all(ask));
    assert_eq!(spend(&store, b"1", 5).remembered_since, at(5));
    cluster.nodes[0].cli(&["config", "set", "cluster-require-full-coverage", "no"]);
    for node in &cluster.nodes[1..] {
        assert_eq!(node.cli(&["config", "set", "cluster-require-full-coverage", "no"]), "OK");
    }
    cluster.nodes[0].kill();
    let away = subjects.iter().filter(|subject| !ask(subject)).count();
    assert!((1..25).contains(&away), "{away} of 30 are away");
    cluster.nodes[0].up();
    cluster.wait_until_whole();
    wait_until("all parts go on", || subjects.iter().all(ask));
    // Whatever lay on that node is remembered since later, and the rest as before.
    let since: Vec<Timestamp> = (0..60_u8).map(|n| spend(&store, &[n], 1_000).remembered_since).collect();
    assert!(since.contains(&at(5)) && since.contains(&at(1_000)), "{since:?}");
    cluster.nodes.iter().for_each(Server::kill);
    assert!(subjects.iter().all(|subject| !ask(subject)));
    cluster.nodes.iter().for_each(Server::up);
    cluster.wait_until_whole();
    wait_until("all parts go on", || subjects.iter().all(ask));
}

/// A certificate authority with a server's certificate, and another authority.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn make() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        for authority in ["ca", "other"] {
            let (key, pem) = (format!("{authority}.key"), format!("{authority}.pem"));
            made.openssl(&[&new[..], &["-subj", "/CN=authority", "-keyout", &key, "-out", &pem]].concat());
        }
        let ask = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=redis"];
        made.openssl(&[&ask[..], &["-keyout", "server.key", "-out", "server.csr"]].concat());
        std::fs::write(made.path("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        made.openssl(&[&sign[..], &["-days", "2", "-extfile", "names", "-out", "server.pem"]].concat());
        made
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn openssl(&self, arguments: &[&str]) {
        let done = Command::new("openssl").args(arguments).current_dir(self.0.path()).stdin(Stdio::null()).output();
        let done = done.unwrap_or_else(|error| panic!("no openssl ({error}): `apt-get install openssl`"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
