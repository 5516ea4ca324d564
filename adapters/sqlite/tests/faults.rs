//! Each broken world is a fault that names the file and what to do; none is taken for an answer.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::time::Duration;

use doorwarden_core::audit::AuditFilter;
use doorwarden_core::email::Email;
use doorwarden_core::error::Fault;
use doorwarden_core::lockout::{Escalation, Forget, GuessId, GuessKind, LockoutRule, LockoutSubject};
use doorwarden_core::store::{Change, CommitError, Directory, LockoutStore, Marker, TicketStore, UserKey, Write};
use doorwarden_core::ticket::{Grant, Ticket, TicketKey};
use doorwarden_core::time::Timestamp;
use doorwarden_core::token::Digest;
use doorwarden_core::user::{Role, User, UserId};
use doorwarden_sqlite::{SqliteConfig, SqliteStore};
use futures_executor::block_on;
use rusqlite::Connection;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ID: UserId = UserId::from_bytes([7; 16]);

fn config(file: &Path) -> SqliteConfig {
    let mut config = SqliteConfig::new(file);
    config.busy_timeout = Duration::from_millis(50);
    config
}

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("w.db");
    (directory, file)
}

/// The fault of opening `file`, which names it and says `cure`.
#[track_caller]
fn refused(file: &Path, cure: &str) -> Fault {
    let fault = SqliteStore::open(&config(file)).unwrap_err();
    let text = fault.to_string();
    assert!(text.starts_with(&format!("opening {}: ", file.display())), "{text}");
    assert!(text.contains(cure), "{text}");
    fault
}

fn user() -> User {
    User::new(ID, Email::parse("ada@example.org").unwrap(), Role::user(), NOW)
}

fn create(store: &SqliteStore) -> Result<(), CommitError> {
    block_on(store.commit(&[Change::User(Write::Create(user()))]))
}

#[test]
fn a_missing_directory_is_made_and_nobody_else_reads_what_is_in_it() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, _) = place();
    let file = directory.path().join("a/b/w.db");
    let store = SqliteStore::open(&config(&file)).unwrap();
    create(&store).unwrap();
    let mode = |path: &str| fs::metadata(directory.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["a", "a/b"].map(mode), [0o700; 2]);
    assert_eq!(["a/b/w.db", "a/b/w.db-wal", "a/b/w.db-shm"].map(mode), [0o600; 3]);
}

const CHILD_NAME: &str = "DOORWARDEN_TEST_RELATIVE_NAME";

/// A path is relative only to a working directory, and that is the whole process's.
#[test]
fn a_name_that_sqlite_gives_a_meaning_is_a_file_like_any_other() {
    let (directory, _) = place();
    for name in [":memory:", "file:w.db?mode=memory", "w.db?immutable=1", " "] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "as_a_child_it_opens_a_relative_name"]).env(CHILD_NAME, name);
        let output = child.current_dir(directory.path()).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
        let store = SqliteStore::open(&config(&directory.path().join(name))).unwrap();
        assert!(block_on(store.has_users()).unwrap(), "{name}");
    }
    refused(Path::new(""), "name a file");
}

#[test]
fn as_a_child_it_opens_a_relative_name() {
    let Ok(name) = std::env::var(CHILD_NAME) else { return };
    create(&SqliteStore::open(&config(Path::new(&name))).unwrap()).unwrap();
}

#[test]
fn a_directory_is_refused() {
    let (directory, _) = place();
    assert!(!refused(directory.path(), "it is a directory: name a file in it").retryable());
}

#[test]
fn a_path_through_a_file_is_refused() {
    let (_directory, file) = place();
    fs::write(&file, "").unwrap();
    assert!(!refused(&file.join("w.db"), "its directory can't be made").retryable());
}

#[test]
fn a_place_where_no_file_can_be_made_is_refused() {
    assert!(!refused(Path::new("/proc/self/w.db"), "see its and its directory's owner and mode").retryable());
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (_directory, file) = place();
    drop(SqliteStore::open(&config(&file)).unwrap());
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 9_999).unwrap();
    let fault = refused(&file, "its schema has version 9999 and this program knows versions up to ");
    assert!(fault.to_string().ends_with(": start a newer program") && !fault.retryable());
    let version: i64 =
        Connection::open(&file).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 9_999);
}

#[test]
fn another_application_s_database_is_refused_and_left_alone() {
    for (statement, id) in [
        ("CREATE TABLE t (n)", "0x00000000"),
        ("PRAGMA application_id = 1196444487", "0x47504b47"),
        ("PRAGMA user_version = 1", "0x00000000"),
    ] {
        let (_directory, file) = place();
        Connection::open(&file).unwrap().execute_batch(statement).unwrap();
        let before = fs::read(&file).unwrap();
        let fault = refused(&file, "choose another path");
        assert!(fault.to_string().contains(&format!("application id {id}")) && !fault.retryable(), "{fault}");
        assert_eq!(fs::read(&file).unwrap(), before, "{statement}");
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (_directory, file) = place();
    let text = "not a database, but somebody's letters\n".repeat(100);
    fs::write(&file, &text).unwrap();
    assert!(!refused(&file, "restore it from a backup, or choose another path").retryable());
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_damaged_file_is_a_lasting_fault_and_never_an_answer() {
    let (_directory, file) = place();
    let store = SqliteStore::open(&config(&file)).unwrap();
    create(&store).unwrap();
    drop(store);
    let mut bytes = fs::read(&file).unwrap();
    // The header and the schema's first page stay.
    bytes[4_096..].fill(0xa5);
    fs::write(&file, bytes).unwrap();
    let fault = match SqliteStore::open(&config(&file)) {
        Ok(store) => block_on(store.user(UserKey::Id(ID))).unwrap_err(),
        Err(fault) => fault,
    };
    assert!(!fault.retryable());
    assert!(fault.to_string().contains("the file is damaged: restore it from a backup"), "{fault}");
}

#[test]
fn a_file_locked_by_another_process_is_a_fault_that_passes() {
    let (_directory, file) = place();
    let store = SqliteStore::open(&config(&file)).unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let CommitError::Fault(fault) = create(&store).unwrap_err() else { panic!("a lock is no refusal") };
    assert!(fault.retryable());
    let says = format!("committing 1 change(s) in {}: another process holds the file", file.display());
    assert!(fault.to_string().starts_with(&says), "{fault}");
    assert!(!block_on(store.has_users()).unwrap(), "readers don't wait for a writer");
    other.execute_batch("ROLLBACK").unwrap();
    create(&store).unwrap();
}

#[test]
fn a_file_locked_for_good_is_a_fault_of_opening_that_passes() {
    let (_directory, file) = place();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(refused(&file, "another process holds the file for longer than the time-out").retryable());
    other.execute_batch("ROLLBACK").unwrap();
    SqliteStore::open(&config(&file)).unwrap();
}

#[test]
fn twenty_processes_may_start_on_a_new_file_at_once() {
    for _ in 0..10 {
        let (_directory, file) = place();
        let (config, start) = (SqliteConfig::new(&file), Barrier::new(20));
        let open = || {
            start.wait();
            SqliteStore::open(&config)
        };
        std::thread::scope(|scope| {
            let starts: Vec<_> = (0..20).map(|_| scope.spawn(open)).collect();
            for start in starts {
                start.join().unwrap().unwrap();
            }
        });
        create(&SqliteStore::open(&config).unwrap()).unwrap();
    }
}

#[test]
fn a_record_that_can_t_be_read_is_a_lasting_fault_with_its_table_and_key() {
    let (_directory, file) = place();
    let store = SqliteStore::open(&config(&file)).unwrap();
    let rule = LockoutRule {
        max_failures: 10,
        duration: Duration::from_secs(60),
        forget: Forget::AfterLast(Duration::from_secs(60)),
        escalation: Escalation::Off,
    };
    let (account, guess) = (LockoutSubject::Account(ID), GuessId(1));
    let key = TicketKey { locator: [1; 16], digest: Digest::from_bytes([2; 32]) };
    create(&store).unwrap();
    block_on(store.charge(&account, guess, GuessKind::Password, &rule, NOW)).unwrap();
    block_on(store.put(&key, &Ticket::new(Grant::FirstAdministrator, NOW, Timestamp::from_millis(i64::MAX)))).unwrap();
    let connection = Connection::open(&file).unwrap();
    let broken = "body = replace(body, '\"', '') || 'hunter2'";
    for table in ["users", "counters", "tickets"] {
        connection.execute(&format!("UPDATE {table} SET {broken}"), []).unwrap();
    }
    connection.execute("INSERT INTO audit (time, name, body) VALUES (0, 'x', '{}')", []).unwrap();
    let faults = [
        (
            block_on(store.user(UserKey::Id(ID))).unwrap_err(),
            "the record x'07070707070707070707070707070707' of table users",
        ),
        (block_on(store.charge(&account, guess, GuessKind::Password, &rule, NOW)).unwrap_err(), "of table counters"),
        (block_on(store.take(&key, NOW)).unwrap_err(), "the record x'0202"),
        (block_on(store.audit(&AuditFilter::default(), 10)).unwrap_err(), "the record 1 of table audit"),
    ];
    for (fault, says) in faults {
        assert!(!fault.retryable());
        assert!(fault.to_string().contains(says) && fault.to_string().contains("restore it from a backup"), "{fault}");
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
}

const CHILD_FILE: &str = "DOORWARDEN_TEST_READ_ONLY_FILE";

/// Root may write anything, so the file is opened by a child that isn't root.
#[test]
fn a_file_that_can_t_be_written_is_refused() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let (directory, file) = place();
    drop(SqliteStore::open(&config(&file)).unwrap());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // The running program may lie where only root looks.
    let program = directory.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut child = Command::new(program);
    child.args(["--exact", "as_a_child_it_opens_a_read_only_file"]).env(CHILD_FILE, &file).current_dir("/");
    if fs::metadata(&file).unwrap().uid() == 0 {
        child.uid(65_534).gid(65_534);
    }
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn as_a_child_it_opens_a_read_only_file() {
    let Ok(file) = std::env::var(CHILD_FILE) else { return };
    assert!(!refused(Path::new(&file), "the file can't be opened for writing").retryable());
}

#[test]
fn a_file_that_was_moved_away_takes_no_write_and_goes_on_once_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let (file, away) = (directory.path().join("w.db"), directory.path().join("away.db"));
    let store = SqliteStore::open(&SqliteConfig::new(&file)).unwrap();
    let mark = |name: &'static str| {
        block_on(store.commit(&[Change::Mark(Marker { name: name.into(), value: String::new() })]))
    };
    mark("before").unwrap();
    std::fs::rename(&file, &away).unwrap();
    let refused = mark("meanwhile").unwrap_err().to_string();
    assert!(refused.contains("the file was moved or deleted while in use, nothing was written"), "{refused}");
    assert!(block_on(store.ping()).is_err());
    std::fs::write(&file, "").unwrap();
    assert!(mark("into another file").is_err());
    std::fs::rename(&away, &file).unwrap();
    mark("after").unwrap();
    for (name, there) in [("before", true), ("meanwhile", false), ("into another file", false), ("after", true)] {
        assert_eq!(block_on(store.marker(name)).unwrap().is_some(), there, "{name}");
    }
}
