//! What was acknowledged survives the death of the process at any moment, and nothing survives by half.
//!
//! The test runs itself again as a child that writes from several threads and prints what was acknowledged, after it
//! was; kills it with SIGKILL; opens the file as the next process would and compares.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends by panicking")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use doorwarden_core::audit::{AuditEvent, AuditFilter, AuditName, EventId};
use doorwarden_core::client::Client;
use doorwarden_core::delivery::{DeliveryId, DueDelivery};
use doorwarden_core::email::Email;
use doorwarden_core::lockout::{Charge, Escalation, Forget, GuessId, GuessKind, LockoutRule, LockoutSubject, Verdict};
use doorwarden_core::random::SystemRandom;
use doorwarden_core::session::{EndReason, Session};
use doorwarden_core::store::{
    Change, Directory, LockoutStore, SessionKey, SessionStore, TicketStore, UserPage, Which, Write,
};
use doorwarden_core::ticket::{Grant, Ticket, TicketKey};
use doorwarden_core::time::Timestamp;
use doorwarden_core::token::Digest;
use doorwarden_core::user::{Role, User, UserId};
use doorwarden_sqlite::{SqliteConfig, SqliteStore};
use futures_executor::block_on;
use serde_json::json;

const FILE: &str = "DOORWARDEN_TEST_CRASH_FILE";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const LATER: Timestamp = Timestamp::from_millis(1_900_000_000_000);
/// The first failure restricts, so one charge in flight leaves none.
const RULE: LockoutRule = LockoutRule {
    max_failures: 0,
    duration: Duration::from_secs(1_200),
    forget: Forget::AfterLast(Duration::from_secs(86_400)),
    escalation: Escalation::Off,
};
const FILES: u64 = 20;
const KILLS_PER_FILE: u64 = 3;

/// What the child does, by the word that it prints once it was acknowledged.
const DEEDS: [&str; 6] = ["signed-up", "charged", "failed", "put", "taken", "ended"];

#[test]
fn what_was_acknowledged_survives_any_kill_and_nothing_survives_by_half() {
    let mut chance = 0x2545_f491_4f6c_dd1d_u64;
    let mut counts = [0; DEEDS.len()];
    for _ in 0..FILES {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("w.db");
        let mut acknowledged = Vec::new();
        // A process that lives on while another dies.
        let mut survivor = None;
        for kill in 0..KILLS_PER_FILE {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            acknowledged.extend(run_and_kill(&file, kill, Duration::from_micros(chance >> 47)));
            let store = SqliteStore::open(&SqliteConfig::new(&file)).unwrap();
            check(&file, &store, &acknowledged);
            survivor = (kill == 0).then_some(store);
        }
        drop(survivor);
        for (deed, _) in acknowledged {
            counts[deed] += 1;
        }
    }
    println!("acknowledged and kept: {counts:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

/// Lets a child write, kills it, and returns what it acknowledged: the index of the deed, and to whom.
fn run_and_kill(file: &Path, kill: u64, delay: Duration) -> Vec<(usize, UserId)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "as_a_child_it_writes_until_it_is_killed", "--nocapture"])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (first, lines) = collect(&mut child);
    // Each third time whatever it is doing, even before the file is made; else once it is writing.
    if kill != 0 {
        first.recv().ok();
    }
    thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    let lines = lines.join().unwrap();
    lines.iter().filter_map(|line| acknowledgement(line)).collect()
}

/// Reads the child's lines on a thread; the channel tells of the first acknowledgement.
fn collect(child: &mut Child) -> (Receiver<()>, thread::JoinHandle<Vec<String>>) {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (first, seen) = channel();
    let thread = thread::spawn(move || {
        let mut lines = Vec::new();
        let mut line = String::new();
        // A line without its end wasn't printed whole.
        while output.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            if acknowledgement(&line).is_some() {
                first.send(()).ok();
            }
            lines.push(std::mem::take(&mut line));
        }
        lines
    });
    (seen, thread)
}

fn acknowledgement(line: &str) -> Option<(usize, UserId)> {
    let (word, id) = line.trim_end().split_once(' ')?;
    let deed = DEEDS.iter().position(|known| *known == word)?;
    Some((deed, id.parse().unwrap()))
}

#[test]
fn as_a_child_it_writes_until_it_is_killed() {
    let Ok(file) = std::env::var(FILE) else { return };
    let store = SqliteStore::open(&SqliteConfig::new(file)).unwrap();
    thread::scope(|scope| {
        for word in DEEDS {
            let store = &store;
            scope.spawn(move || {
                // An end, should nobody kill it.
                for _ in 0..100_000 {
                    let user = UserId::generate(NOW, &SystemRandom).unwrap();
                    perform(store, word, user);
                    println!("{word} {user}");
                }
            });
        }
    });
}

fn perform(store: &SqliteStore, word: &str, id: UserId) {
    match word {
        "signed-up" => sign_up(store, id),
        "charged" => charge(store, id),
        "failed" => charge_and_fail(store, id),
        "put" => put(store, id),
        "taken" => put_and_take(store, id),
        "ended" => open_and_end(store, id),
        unknown => panic!("{unknown}"),
    }
}

fn sign_up(store: &SqliteStore, id: UserId) {
    let user = User::new(id, Email::parse(&format!("{id}@example.org")).unwrap(), Role::user(), NOW);
    let event = EventId::generate(NOW, &SystemRandom).unwrap();
    let event = AuditEvent::new(event, AuditName::UserSignedUp, NOW, Client::default()).of_user(id);
    let delivery = json!({
        "id": DeliveryId::from_bytes(*id.as_bytes()), "revision": 1, "created_at": NOW, "due_at": NOW, "attempts": 0,
        "parcel": { "end_sessions": { "user": id, "except": null, "reason": "revoked" } },
    });
    let delivery = serde_json::from_value(delivery).unwrap();
    let changes = [Change::User(Write::Create(user)), Change::Audit(event), Change::Delivery(Write::Create(delivery))];
    block_on(store.commit(&changes)).unwrap();
}

fn charge(store: &SqliteStore, id: UserId) {
    let charged =
        block_on(store.charge(&LockoutSubject::Account(id), GuessId(1), GuessKind::Password, &RULE, NOW)).unwrap();
    assert_eq!(charged, Charge::Granted);
}

fn charge_and_fail(store: &SqliteStore, id: UserId) {
    charge(store, id);
    let account = LockoutSubject::Account(id);
    let settled = store.settle(&account, GuessId(1), Verdict::Failed, &RULE, NOW);
    assert!(block_on(settled).unwrap().restriction.is_some());
}

fn ticket_key(id: UserId) -> TicketKey {
    TicketKey { locator: *id.as_bytes(), digest: Digest::of(id.as_bytes()) }
}

fn put(store: &SqliteStore, id: UserId) {
    let ticket = Ticket::new(Grant::FirstAdministrator, NOW, LATER);
    block_on(store.put(&ticket_key(id), &ticket)).unwrap();
}

fn put_and_take(store: &SqliteStore, id: UserId) {
    put(store, id);
    assert!(block_on(store.take(&ticket_key(id), NOW)).unwrap().is_some());
}

fn session_key(id: UserId) -> SessionKey {
    SessionKey { user: id, token: Digest::of(id.as_bytes()) }
}

fn open_and_end(store: &SqliteStore, id: UserId) {
    let session = json!({
        "id": id, "revision": 1, "user": id, "token": session_key(id).token, "mode": "session",
        "client": { "address": null, "user_agent": null }, "started_at": NOW, "expires_at": LATER,
        "last_seen_at": NOW, "proved_at": NOW, "ended": null,
    });
    let session: Session = serde_json::from_value(session).unwrap();
    block_on(SessionStore::open(store, &session, 0, &[], NOW)).unwrap();
    block_on(store.end(id, Which::All, EndReason::LoggedOut, NOW)).unwrap();
}

fn check(file: &Path, store: &SqliteStore, acknowledged: &[(usize, UserId)]) {
    let connection = rusqlite::Connection::open(file).unwrap();
    let intact: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
    let users = whole_sign_ups(store);
    for (deed, id) in acknowledged {
        let word = DEEDS[*deed];
        assert!(survived(store, &users, word, *id), "{word} {id} was acknowledged and is gone");
    }
}

/// The users, each with an event and a delivery: all three or none.
fn whole_sign_ups(store: &SqliteStore) -> BTreeSet<UserId> {
    let page = UserPage { limit: usize::MAX, ..UserPage::default() };
    let users: BTreeSet<_> = block_on(store.users(&page)).unwrap().iter().map(|user| user.id).collect();
    let events = block_on(store.audit(&AuditFilter::default(), usize::MAX)).unwrap();
    let events: BTreeSet<_> = events.iter().filter_map(|(_, event)| event.user).collect();
    let deliveries = block_on(store.due_deliveries(NOW, usize::MAX)).unwrap();
    let user = |due: &DueDelivery| match due {
        DueDelivery::Readable(delivery) => UserId::from_bytes(*delivery.id.as_bytes()),
        DueDelivery::Unreadable { fault, .. } => panic!("{fault}"),
    };
    let deliveries = deliveries.iter().map(user).collect();
    assert_eq!(users, events, "half a commit");
    assert_eq!(users, deliveries, "half a commit");
    users
}

fn survived(store: &SqliteStore, users: &BTreeSet<UserId>, word: &str, id: UserId) -> bool {
    let account = LockoutSubject::Account(id);
    match word {
        "signed-up" => users.contains(&id),
        "charged" => {
            block_on(store.charge(&account, GuessId(2), GuessKind::Password, &RULE, NOW)).unwrap() == Charge::Undecided
        }
        "failed" => block_on(store.restriction(&account, NOW)).unwrap().is_some(),
        "put" => block_on(store.peek(&ticket_key(id), NOW)).unwrap().is_some(),
        "taken" => block_on(store.peek(&ticket_key(id), NOW)).unwrap().is_none(),
        "ended" => block_on(store.find(&session_key(id))).unwrap().is_some_and(|session| session.ended.is_some()),
        unknown => panic!("{unknown}"),
    }
}
