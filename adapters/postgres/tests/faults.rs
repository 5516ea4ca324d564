//! What the adapter says and does when the server is away, refuses, or is newer than the program.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use doorwarden_core::delivery::{DueDelivery, OutboxSize};
use doorwarden_core::store::{Change, CommitError, Directory as _, Marker, UniqueRule};
use doorwarden_core::time::Timestamp;
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

#[test]
fn a_connection_that_was_cut_while_idle_is_replaced_before_anything_is_done() {
    let server = Server::shared();
    let mut config = server.fresh_schema();
    config.max_connections = 2;
    let store = block_on(PostgresStore::open(&config)).unwrap();
    for name in ["one", "two", "three", "four"] {
        mark(&store, name).unwrap();
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%markers%'
            AND application_name = 'doorwarden'";
        server.sql(cut);
        // Whether the end was noticed already or not.
        assert_eq!(block_on(store.marker(name)).unwrap().as_deref(), Some("x"));
    }
}

#[test]
fn a_server_process_that_dies_in_a_storm_is_told_and_no_acknowledged_commit_is_lost() {
    let server = Server::start();
    let store = block_on(PostgresStore::open(&server.fresh_schema())).unwrap();
    let (acknowledged, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let (store, acknowledged, over) = (&store, &acknowledged, &over);
            scope.spawn(move || {
                for number in (0..100_000).take_while(|_| !over.load(Ordering::SeqCst)) {
                    let name = format!("{caller}-{number}");
                    let marker = Marker { name: name.clone().into(), value: "x".to_owned() };
                    match block_on(store.commit(&[Change::Mark(marker)])) {
                        Ok(()) => acknowledged.lock().unwrap().push(name),
                        Err(CommitError::Fault(fault)) => {
                            assert!(fault.retryable(), "{fault}");
                            assert!(fault.to_string().starts_with("committing 1 change(s) in 127.0.0.1:"), "{fault}");
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
        for crashes in 1..=3 {
            let before = acknowledged.lock().unwrap().len();
            let enough = || acknowledged.lock().unwrap().len() > before + 50;
            assert!(
                (0..6_000).any(|_| {
                    std::thread::sleep(Duration::from_millis(10));
                    enough()
                }),
                "it goes on by itself after {crashes} crashes"
            );
            server.crash_one();
        }
        over.store(true, Ordering::SeqCst);
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    let lost = |name: &String| {
        (0..600).all(|_| match block_on(store.marker(name)) {
            Ok(found) => found.is_none(),
            Err(_) => {
                std::thread::sleep(Duration::from_millis(10));
                true
            }
        })
    };
    let lost: Vec<_> = acknowledged.iter().filter(|name| lost(name)).collect();
    assert!(lost.is_empty(), "{lost:?} of {}", acknowledged.len());
}

#[test]
fn a_pool_without_a_free_connection_is_a_fault_that_passes() {
    let server = Server::shared();
    let mut config = server.fresh_schema();
    config.max_connections = 1;
    config.connect_timeout = Duration::from_millis(300);
    let store = block_on(PostgresStore::open(&config)).unwrap();
    mark(&store, "held").unwrap();
    let holder = server.hold(&format!("LOCK TABLE {}.markers IN ACCESS EXCLUSIVE MODE", config.schema));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| block_on(store.marker("held")));
        let fault = (0..1_000).find_map(|_| block_on(store.ping()).err()).unwrap();
        assert!(fault.retryable() && fault.to_string().contains("no connection was free in time"), "{fault}");
        drop(holder);
        assert!(waiting.join().unwrap().unwrap().is_some());
    });
    block_on(store.ping()).unwrap();
}

#[test]
fn a_server_that_hangs_is_given_up_and_a_commit_in_its_hands_is_undecided() {
    let server = Server::shared();
    let mut config = server.fresh_schema();
    config.statement_timeout = Duration::from_millis(400);
    config.max_connections = 1;
    let store = block_on(PostgresStore::open(&config)).unwrap();
    // The trigger waits at the commit, and the server's own clock doesn't end it.
    server.sql(&format!(
        "CREATE FUNCTION {0}.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.name = 'hanging' THEN
             SET LOCAL statement_timeout = 0; PERFORM pg_sleep(3);
           END IF;
           RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON {0}.markers DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION {0}.wait()",
        config.schema
    ));
    mark(&store, "before").unwrap();
    let Err(CommitError::Fault(fault)) = mark(&store, "hanging") else { panic!("it answered") };
    assert!(fault.retryable(), "{fault}");
    let told = fault.to_string();
    assert!(told.contains("the connection failed at the commit") && told.contains("isn't known"), "{told}");
    mark(&store, "after").unwrap();
    assert_eq!(block_on(store.marker("after")).unwrap().as_deref(), Some("x"));
}

#[test]
fn a_transaction_that_the_server_undoes_for_another_s_sake_is_run_again_and_not_for_ever() {
    let server = Server::shared();
    let config = server.fresh_schema();
    let store = block_on(PostgresStore::open(&config)).unwrap();
    server.sql(&format!(
        "CREATE SEQUENCE {0}.tries; CREATE FUNCTION {0}.outrun() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.value = 'never' OR nextval('{0}.tries') < 5 THEN
             RAISE EXCEPTION 'outrun' USING ERRCODE = 'serialization_failure';
           END IF;
           RETURN NULL; END $$;
         CREATE TRIGGER outrun AFTER INSERT ON {0}.markers FOR EACH ROW EXECUTE FUNCTION {0}.outrun()",
        config.schema
    ));
    mark(&store, "fifth").unwrap();
    let never = Change::Mark(Marker { name: "never".into(), value: "never".to_owned() });
    let Err(CommitError::Fault(fault)) = block_on(store.commit(&[never])) else { panic!("it was applied") };
    assert!(fault.retryable() && fault.to_string().contains("40001"), "{fault}");
    assert!(block_on(store.marker("never")).unwrap().is_none());
}

#[test]
fn one_delivery_that_cannot_be_read_keeps_no_other_from_being_due() {
    let server = Server::shared();
    let config = server.fresh_schema();
    let store = block_on(PostgresStore::open(&config)).unwrap();
    let id = "00000000-0000-0000-0000-000000000007";
    server.sql(&format!("INSERT INTO {}.deliveries VALUES ('{id}', 1, 0, '{{\"hunter2\": 1}}')", config.schema));
    let due = block_on(store.due_deliveries(Timestamp::from_millis(1), 10)).unwrap();
    let [DueDelivery::Unreadable { id: named, fault }] = &due[..] else { panic!("{due:?}") };
    assert!(!fault.to_string().contains("hunter2"), "{fault}");
    block_on(store.commit(&[Change::SetAside(*named)])).unwrap();
    assert!(block_on(store.due_deliveries(Timestamp::from_millis(1), 10)).unwrap().is_empty());
    assert_eq!(block_on(store.outbox_size()).unwrap(), OutboxSize { waiting: 0, set_aside: 1 });
}
