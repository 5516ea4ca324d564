//! How many statements an operation sends, as the server logs them: each is a way there and back.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::time::Duration;

use doorwarden_core::lockout::{Escalation, Forget, GuessId, GuessKind, LockoutRule, LockoutSubject, Verdict};
use doorwarden_core::rate::{RateKey, RateLimit};
use doorwarden_core::session::{EndReason, Session, SessionId};
use doorwarden_core::spent_mark::{MarkKind, SpentMark};
use doorwarden_core::store::{
    Change, Directory as _, LockoutStore as _, Marker, SessionKey, SessionStore as _, TicketStore as _, UserKey, Which,
};
use doorwarden_core::ticket::{Grant, Ticket, TicketKey};
use doorwarden_core::time::Timestamp;
use doorwarden_core::token::Digest;
use doorwarden_core::user::UserId;
use doorwarden_postgres::PostgresStore;
use doorwarden_postgres::testing::Server;
use futures_executor::block_on;
use serde_json::json;

const USER: UserId = UserId::from_bytes([7; 16]);
const RULE: LockoutRule = LockoutRule {
    max_failures: 10,
    duration: Duration::from_secs(1_200),
    forget: Forget::AfterLast(Duration::from_secs(86_400)),
    escalation: Escalation::Off,
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + millis)
}

fn session(number: u8) -> Session {
    let session = json!({
        "id": SessionId::from_bytes([number; 16]), "revision": 1, "user": USER, "token": Digest::of(&[number]),
        "mode": "session", "client": { "address": null, "user_agent": null }, "started_at": at(0),
        "expires_at": at(1_000), "last_seen_at": at(0), "proved_at": at(0), "ended": null,
    });
    serde_json::from_value(session).unwrap()
}

#[test]
fn an_operation_sends_as_many_statements_as_it_is_said_to() {
    let server = Server::start_with("-c log_statement=all");
    let mut config = server.fresh_schema();
    config.max_connections = 1;
    let store = block_on(PostgresStore::open(&config)).unwrap();
    let sent = || {
        server.log().lines().filter(|line| line.contains("LOG:  execute") || line.contains("LOG:  statement:")).count()
    };
    let count = |what: &str, expected: usize, run: &dyn Fn()| {
        let before = sent();
        run();
        assert_eq!(sent() - before, expected, "{what}");
    };

    count("a user", 1, &|| {
        block_on(store.user(UserKey::Email("ada@example.org"))).unwrap();
    });
    count("whether the store answers", 1, &|| block_on(store.ping()).unwrap());
    let mark = |name: &'static str| Change::Mark(Marker { name: name.into(), value: String::new() });
    count("a commit: begin, a statement a change, commit", 4, &|| {
        block_on(store.commit(&[mark("one"), mark("two")])).unwrap();
    });

    let subject = LockoutSubject::Account(USER);
    let charge = |guess| {
        block_on(store.charge(&subject, GuessId(guess), GuessKind::Password, &RULE, at(0))).unwrap();
    };
    count("the first guess: begin, look, make, commit", 4, &|| charge(1));
    count("a guess: begin, hold, store, commit", 4, &|| charge(2));
    count("its settlement", 4, &|| {
        block_on(store.settle(&subject, GuessId(2), Verdict::Failed, &RULE, at(0))).unwrap();
    });
    count("a restriction", 1, &|| {
        block_on(store.restriction(&subject, at(0))).unwrap();
    });
    let limit = RateLimit::per_hour(10);
    let admit = || {
        block_on(store.admit(&RateKey(Digest::of(b"r")), &limit, at(0))).unwrap();
    };
    count("the first of a rate: begin, look, make, see how many, commit", 5, &admit);
    count("one more of a rate", 4, &admit);

    let key = |number: u8| SessionKey { user: USER, token: Digest::of(&[number]) };
    count("opening: begin, version twice, insert, commit", 5, &|| {
        block_on(store.open(&session(1), 0, &[], at(0))).unwrap();
    });
    count("taking over: two more", 7, &|| {
        block_on(store.open(&session(2), 1, &[SessionId::from_bytes([1; 16])], at(0))).unwrap();
    });
    count("a session", 1, &|| assert!(block_on(store.find(&key(2))).unwrap().is_some()));
    count("the sessions of a user", 1, &|| {
        block_on(store.sessions_of(USER, at(0))).unwrap();
    });
    count("saving one", 1, &|| assert!(block_on(store.save(&session(2))).unwrap()));
    count("ending one: begin, hold, look, end, version, commit", 6, &|| {
        assert_eq!(block_on(store.end(USER, Which::All, EndReason::LoggedOut, at(0))).unwrap().len(), 1);
    });

    let ticket = TicketKey { locator: [7; 16], digest: Digest::of(b"t") };
    count("a ticket's making", 1, &|| {
        block_on(store.put(&ticket, &Ticket::new(Grant::FirstAdministrator, at(0), at(9)))).unwrap();
    });
    count("a look at it", 1, &|| {
        block_on(store.peek(&ticket, at(0))).unwrap();
    });
    count("its taking", 1, &|| assert!(block_on(store.take(&ticket, at(0))).unwrap().is_some()));
    let spend = |byte| {
        let mark = SpentMark { kind: MarkKind::RequestNonce, digest: Digest::of(&[byte]) };
        block_on(store.spend(&mark, at(9), at(0))).unwrap();
    };
    count("the first mark ever", 3, &|| spend(1));
    count("a mark", 1, &|| spend(2));
}
