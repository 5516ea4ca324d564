//! What the adapter says and does when the server is away, refuses, or is newer than the program.

use std::time::Duration;

use doorwarden_core::store::{Change, CommitError, Directory as _, Marker, UniqueRule};
use doorwarden_postgres::{PostgresConfig, PostgresStore};
use futures_executor::block_on;

use doorwarden_postgres::testing::Server;

fn mark(store: &PostgresStore, name: &'static str) -> Result<(), CommitError> {
    block_on(store.commit(&[Change::Mark(Marker { name: name.into(), value: "x".to_owned() })]))
}

#[test]
fn a_server_that_is_away_is_a_fault_that_passes_and_what_was_committed_is_there_after_its_crash() {
    let server = Server::start();
    let mut config = server.fresh_schema();
    config.connect_timeout = Duration::from_secs(2);
    let store = block_on(PostgresStore::open(&config)).unwrap();
    mark(&store, "before").unwrap();
    server.kill();
    let fault = block_on(store.marker("before")).unwrap_err();
    assert!(fault.retryable(), "{fault}");
    assert!(fault.to_string().starts_with("loading marker before in 127.0.0.1:"), "{fault}");
    assert!(matches!(mark(&store, "meanwhile"), Err(CommitError::Fault(fault)) if fault.retryable()));
    server.up();
    assert_eq!(block_on(store.marker("before")).unwrap().as_deref(), Some("x"));
    assert_eq!(block_on(store.marker("meanwhile")).unwrap(), None);
    mark(&store, "after").unwrap();
    assert!(matches!(mark(&store, "after"), Err(CommitError::Taken(UniqueRule::Marker))));
}

#[test]
fn of_many_processes_that_start_at_once_one_makes_the_schema() {
    let server = Server::shared();
    let config = server.fresh_schema();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(!block_on(block_on(PostgresStore::open(&config)).unwrap().has_users()).unwrap()));
        }
    });
}

#[test]
fn a_schema_of_a_newer_program_is_left_alone() {
    let server = Server::shared();
    let config = server.fresh_schema();
    block_on(PostgresStore::open(&config)).unwrap();
    server.sql(&format!("INSERT INTO {}.schema_version VALUES (99)", config.schema));
    let fault = block_on(PostgresStore::open(&config)).unwrap_err();
    assert!(!fault.retryable());
    assert!(fault.to_string().contains("has version 99"), "{fault}");
}

#[test]
fn what_the_server_refuses_is_said_with_its_cure_and_without_a_secret() {
    let server = Server::shared();
    for (url, says) in [
        (server.url("x"), "there is no such database"),
        (server.url("?sslmode=require"), "the connection failed"),
        (server.url("").replace("dw@", "nobody:hunter2@"), "see store.directory"),
    ] {
        let fault = block_on(PostgresStore::open(&PostgresConfig::parse(&url).unwrap())).unwrap_err().to_string();
        assert!(fault.contains(says), "{fault}");
        assert!(!fault.contains("hunter2"), "{fault}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_never_quoted() {
    let server = Server::shared();
    let config = server.fresh_schema();
    let store = block_on(PostgresStore::open(&config)).unwrap();
    let id = "00000000-0000-0000-0000-000000000007";
    server
        .sql(&format!("INSERT INTO {}.users VALUES ('{id}', 1, 'k', 's', false, '{{\"hunter2\": 1}}')", config.schema));
    let fault = block_on(store.user(doorwarden_core::store::UserKey::Email("k"))).unwrap_err();
    assert!(!fault.retryable());
    let fault = fault.to_string();
    assert!(fault.contains(id) && fault.contains("restore it from a backup"), "{fault}");
    assert!(!fault.contains("hunter2"), "{fault}");
}

#[test]
fn a_statement_that_waits_for_another_gives_up_in_time() {
    let server = Server::shared();
    let mut config = server.fresh_schema();
    config.statement_timeout = Duration::from_millis(200);
    let store = block_on(PostgresStore::open(&config)).unwrap();
    mark(&store, "held").unwrap();
    let holder = server.hold(&format!("LOCK TABLE {}.markers IN ACCESS EXCLUSIVE MODE", config.schema));
    let fault = block_on(store.marker("held")).unwrap_err();
    assert!(fault.retryable() && fault.to_string().contains("took too long"), "{fault}");
    drop(holder);
    assert!(block_on(store.marker("held")).unwrap().is_some());
}

#[test]
fn a_call_that_was_begun_is_finished_though_nobody_waits() {
    let server = Server::shared();
    let store = block_on(PostgresStore::open(&server.fresh_schema())).unwrap();
    let changes = [Change::Mark(Marker { name: "dropped".into(), value: "x".to_owned() })];
    let mut commit = Box::pin(store.commit(&changes));
    // Polled once, and dropped before it answered.
    let waker = std::task::Waker::noop();
    let polled = commit.as_mut().poll(&mut std::task::Context::from_waker(waker));
    assert!(polled.is_pending());
    drop(commit);
    for _ in 0..2_000 {
        if block_on(store.marker("dropped")).unwrap().is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the commit was lost");
}
