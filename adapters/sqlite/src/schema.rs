//! The file: how it is opened, whose it is, its tables, and how an older one is brought up to date.
//!
//! An aggregate is a JSON body beside the columns that are searched. Statements are constants beside their port, listed
//! for the test that none of them scans a table.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::config::SqliteConfig;
use crate::fault::{Trouble, is_busy};

/// `DWDN`: says in the file's header whose database it is.
pub(crate) const APPLICATION_ID: i32 = 0x4457_444e;

/// The statements that bring a file from each version to the next; the first makes an empty file ours.
const MIGRATIONS: &[&str] = &[VERSION_1, ADMINISTRATORS, AUDIT_CHAIN, INVITATIONS, KEYPAIRS, SPENT_MARKS];

const VERSION_1: &str = "
CREATE TABLE users (
  id BLOB PRIMARY KEY NOT NULL,
  revision INTEGER NOT NULL,
  email_key TEXT NOT NULL UNIQUE,
  search TEXT NOT NULL,             -- what a search looks at, in lower case
  body TEXT NOT NULL
) STRICT;

CREATE TABLE registrations (
  id BLOB PRIMARY KEY NOT NULL,
  email_key TEXT NOT NULL,
  link BLOB NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,      -- this and all times: milliseconds since 1970
  expires_at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX registrations_by_email ON registrations (email_key, created_at, id);
CREATE INDEX registrations_by_end ON registrations (expires_at);

-- Users and registrations in one table, so that a name is unique across both.
CREATE TABLE usernames (
  skeleton TEXT PRIMARY KEY NOT NULL,
  holder_kind TEXT NOT NULL CHECK (holder_kind IN ('user', 'registration')),
  holder BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX usernames_by_holder ON usernames (holder, holder_kind);

-- AUTOINCREMENT: a position is never given again, so nobody who follows them skips an event.
CREATE TABLE audit (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  user BLOB,
  name TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (time);
CREATE INDEX audit_by_user ON audit (user) WHERE user IS NOT NULL;
CREATE INDEX audit_by_name ON audit (name);

CREATE TABLE deliveries (
  id BLOB PRIMARY KEY NOT NULL,
  revision INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX deliveries_by_due ON deliveries (due_at, id);

CREATE TABLE markers (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One descent finds a session, and a user's lie side by side.
CREATE TABLE sessions (
  user BLOB NOT NULL,
  token BLOB NOT NULL,
  id BLOB NOT NULL,
  revision INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended INTEGER NOT NULL CHECK (ended IN (0, 1)),
  over_at INTEGER NOT NULL,         -- when it was ended, or else expires
  body TEXT NOT NULL,
  PRIMARY KEY (user, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_live ON sessions (user, started_at, id) WHERE ended = 0;
CREATE INDEX sessions_by_end ON sessions (over_at);

-- Rows stay, so that a version is never seen twice.
CREATE TABLE session_sets (
  user BLOB PRIMARY KEY NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
  locator BLOB NOT NULL,
  digest BLOB NOT NULL,
  user BLOB,
  expires_at INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (locator, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX tickets_by_user ON tickets (user) WHERE user IS NOT NULL;
CREATE INDEX tickets_by_end ON tickets (expires_at);

-- Failures by kind of subject (a account, b known browser, k access key, u unknown identifier, i address), and rates (r).
CREATE TABLE counters (
  kind TEXT NOT NULL,
  subject BLOB NOT NULL,
  forgettable_at INTEGER NOT NULL,
  pool TEXT,                        -- what is bounded together; NULL: never evicted
  used INTEGER NOT NULL,            -- rises within a pool: the lowest was left alone the longest
  body TEXT NOT NULL,
  PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_by_use ON counters (pool, used) WHERE pool IS NOT NULL;
CREATE INDEX counters_by_end ON counters (forgettable_at);

-- How many there are in a pool, kept by the file itself: counting 100,000 rows at each guess would be a gift.
CREATE TABLE pools (
  pool TEXT PRIMARY KEY NOT NULL,
  counters INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER counter_made AFTER INSERT ON counters WHEN NEW.pool IS NOT NULL BEGIN
  INSERT INTO pools (pool, counters) VALUES (NEW.pool, 1) ON CONFLICT (pool) DO UPDATE SET counters = counters + 1;
END;
CREATE TRIGGER counter_forgotten AFTER DELETE ON counters WHEN OLD.pool IS NOT NULL BEGIN
  UPDATE pools SET counters = counters - 1 WHERE pool = OLD.pool;
END;
";

/// Which accounts are active administrators, so that a commit can require one without looking at all.
const ADMINISTRATORS: &str = "
ALTER TABLE users ADD COLUMN administrator INTEGER NOT NULL DEFAULT 0 CHECK (administrator IN (0, 1));
UPDATE users SET administrator = 1 WHERE json_valid(body)
  AND json_extract(body, '$.role') = 'admin' AND json_extract(body, '$.status') = 'active';
CREATE INDEX users_administrators ON users (id) WHERE administrator = 1;
";

/// Links of the audit trail; events are found by their id, which older ones have in their body alone.
const AUDIT_CHAIN: &str = "
ALTER TABLE audit ADD COLUMN id BLOB;
ALTER TABLE audit ADD COLUMN number INTEGER;   -- in the chain; NULL: not linked yet
ALTER TABLE audit ADD COLUMN tag BLOB;
UPDATE audit SET id = unhex(replace(body ->> '$.id', '-', '')) WHERE json_valid(body);
CREATE INDEX audit_by_id ON audit (id);

CREATE TABLE audit_chain (
  one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
  revision INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
";

/// Invitations; a use that a pending registration holds is the registration itself.
const INVITATIONS: &str = "
CREATE TABLE invitations (
  id BLOB PRIMARY KEY NOT NULL,
  revision INTEGER NOT NULL,
  token BLOB NOT NULL UNIQUE,
  ends_at INTEGER NOT NULL,         -- when it was revoked, or else expires
  body TEXT NOT NULL
) STRICT;
CREATE INDEX invitations_by_end ON invitations (ends_at);

ALTER TABLE registrations ADD COLUMN invitation BLOB;
CREATE INDEX registrations_by_invitation ON registrations (invitation, expires_at) WHERE invitation IS NOT NULL;
";

const KEYPAIRS: &str = "
CREATE TABLE keypairs (
  id BLOB PRIMARY KEY NOT NULL,
  revision INTEGER NOT NULL,
  user BLOB NOT NULL,
  access_key TEXT NOT NULL UNIQUE,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX keypairs_by_user ON keypairs (user, id);
";

/// What came once, each until when it is remembered; and how many of a kind, as for `pools`.
const SPENT_MARKS: &str = "
CREATE TABLE spent_marks (
  kind TEXT NOT NULL,
  digest BLOB NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (kind, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_marks_by_end ON spent_marks (until);

CREATE TABLE spent_kinds (
  kind TEXT PRIMARY KEY NOT NULL,
  marks INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER mark_spent AFTER INSERT ON spent_marks BEGIN
  INSERT INTO spent_kinds (kind, marks) VALUES (NEW.kind, 1) ON CONFLICT (kind) DO UPDATE SET marks = marks + 1;
END;
CREATE TRIGGER mark_forgotten AFTER DELETE ON spent_marks BEGIN
  UPDATE spent_kinds SET marks = marks - 1 WHERE kind = OLD.kind;
END;

CREATE TABLE spent_since (
  one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
  since INTEGER NOT NULL
) STRICT;
";

/// Names statements and lists them for the test of their plans.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* const $name: &str = $sql;)*

        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use statements;

/// Makes the file and its directory where they don't exist, for the owner's eyes only, and returns the whole path.
///
/// SQLite gives the `-wal` and `-shm` files the mode of the database.
pub(crate) fn make_file(path: &Path) -> Result<PathBuf, Trouble> {
    if path.as_os_str().is_empty() {
        return Err(Trouble::NoPath);
    }
    // Also keeps SQLite from seeing a name that it gives a meaning of its own, such as `:memory:`.
    let file = std::path::absolute(path).map_err(Trouble::path("its path can't be completed"))?;
    if file.is_dir() {
        return Err(Trouble::IsDirectory);
    }
    if let Some(directory) = file.parent() {
        let made = private_directory().create(directory);
        made.map_err(Trouble::path("its directory can't be made: see the owner and mode of the one above"))?;
    }
    let opened = private_file().open(&file);
    opened
        .map_err(Trouble::path("the file can't be opened for writing: see its and its directory's owner and mode"))?;
    Ok(file)
}

#[cfg(unix)]
fn private_directory() -> fs::DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_directory() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    builder
}

#[cfg(unix)]
fn private_file() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private_file() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true).append(true).create(true);
    options
}

/// A connection to the file, which exists.
pub(crate) fn connect(file: &Path, busy_timeout: Duration) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A file from elsewhere can't make its triggers call what has side effects; damage is noticed at the page.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// The connection of the writer: the file is ours, in WAL mode, and its schema is up to date.
pub(crate) fn open(file: &Path, config: &SqliteConfig) -> Result<Connection, Trouble> {
    let mut connection = connect(file, config.busy_timeout)?;
    // Before anything is changed: the file may be somebody else's.
    version(&connection, MIGRATIONS.len())?;
    use_wal(&connection, config.busy_timeout)?;
    connection.pragma_update(None, "synchronous", config.synchronous.pragma())?;
    migrate(&mut connection, MIGRATIONS)?;
    Ok(connection)
}

/// The schema's version, at most `known`, in a file that is ours, or empty.
fn version(connection: &Connection, known: usize) -> Result<i32, Trouble> {
    // One snapshot: while another process makes the schema, its tables must not be seen beside the old header.
    version_within(&*connection.unchecked_transaction()?, known)
}

/// [`version`] inside a transaction.
fn version_within(connection: &Connection, known: usize) -> Result<i32, Trouble> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application_id, seen) = (pragma("application_id")?, pragma("user_version")?);
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application_id != APPLICATION_ID && (application_id, seen, objects) != (0, 0, 0) {
        return Err(Trouble::Foreign(application_id));
    }
    let known = i32::try_from(known).unwrap_or(i32::MAX);
    if seen > known { Err(Trouble::Newer { seen, known }) } else { Ok(seen) }
}

/// Two processes that start at once can each hold what the other's change of mode needs; SQLite doesn't wait there.
fn use_wal(connection: &Connection, patience: Duration) -> Result<(), Trouble> {
    const ASK_EVERY: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Err(error) if is_busy(&error) && waited < patience => std::thread::sleep(ASK_EVERY),
            Ok(mode) if mode != "wal" => return Err(Trouble::NoWal(mode)),
            set => return Ok(set.map(drop)?),
        }
        waited = waited.saturating_add(ASK_EVERY);
    }
}

/// Applies the migrations that are missing, each in a transaction that sees whether another process was quicker.
fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), Trouble> {
    for (from, migration) in (0..).zip(migrations) {
        if version(connection, migrations.len())? > from {
            continue;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version_within(&transaction, migrations.len())? == from {
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", from + 1)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit, commit, directory, lockout_store, session_store, ticket_store};

    #[test]
    fn no_statement_scans_a_table_or_sorts() {
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("w.db"));
        let connection = open(&make_file(&config.path).unwrap(), &config).unwrap();
        let listed = [
            audit::STATEMENTS,
            commit::STATEMENTS,
            directory::STATEMENTS,
            lockout_store::STATEMENTS,
            session_store::STATEMENTS,
            ticket_store::STATEMENTS,
        ];
        let plans = listed.concat().into_iter().map(|(name, statement)| (name, plan(&connection, statement)));
        let slow = |step: &String| step.starts_with("SCAN ") && step != "SCAN CONSTANT ROW" || step.contains("B-TREE");
        let slow: Vec<_> = plans.filter(|(_, steps)| steps.iter().any(slow)).collect();
        assert!(slow.is_empty(), "{slow:#?}");
    }

    #[test]
    fn a_search_goes_through_users_by_key_and_an_account_s_events_through_their_index() {
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("w.db"));
        let connection = open(&make_file(&config.path).unwrap(), &config).unwrap();
        let plan_of = |name| {
            let mut statements = directory::STATEMENTS.iter().chain(audit::STATEMENTS);
            let (_, statement) = statements.find(|(known, _)| *known == name).unwrap();
            plan(&connection, statement).concat()
        };
        // The exception: it looks at each user, so it has to come in pages.
        assert!(plan_of("USERS_CONTAINING").contains("(id>?)"));
        assert!(plan_of("AUDIT_BY_USER").contains("audit_by_user (user=? AND rowid>?)"));
        assert!(plan_of("AUDIT_BY_NAME").contains("audit_by_name (name=? AND rowid>?)"));
        assert!(plan_of("AUDIT_BY_BOTH").contains("audit_by_user (user=? AND rowid>?)"));
    }

    #[test]
    fn a_commit_is_on_the_disk_unless_danger_was_chosen() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = SqliteConfig::new(directory.path().join("w.db"));
        let file = make_file(&config.path).unwrap();
        let pragma = |connection: &Connection, name| {
            connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
        };
        let connection = open(&file, &config).unwrap();
        assert_eq!(pragma(&connection, "journal_mode"), "wal".to_owned().into());
        for (name, value) in [("synchronous", 2), ("trusted_schema", 0), ("cell_size_check", 1), ("foreign_keys", 1)] {
            assert_eq!(pragma(&connection, name), value.into(), "{name}");
        }
        config.synchronous = crate::Synchronous::DangerNormal;
        assert_eq!(pragma(&open(&file, &config).unwrap(), "synchronous"), 1.into());
    }

    #[test]
    fn a_file_in_the_making_is_never_taken_for_another_s() {
        for _ in 0..20 {
            let directory = tempfile::tempdir().unwrap();
            let config = SqliteConfig::new(directory.path().join("w.db"));
            let file = make_file(&config.path).unwrap();
            let mut maker = connect(&file, config.busy_timeout).unwrap();
            use_wal(&maker, config.busy_timeout).unwrap();
            let look = || {
                let connection = connect(&file, config.busy_timeout).unwrap();
                while version(&connection, MIGRATIONS.len()).unwrap() == 0 {}
            };
            std::thread::scope(|scope| {
                let lookers = [scope.spawn(look), scope.spawn(look)];
                migrate(&mut maker, MIGRATIONS).unwrap();
                for looker in lookers {
                    looker.join().unwrap();
                }
            });
        }
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("w.db"));
        let file = make_file(&config.path).unwrap();
        let mut connection = connect(&file, config.busy_timeout).unwrap();
        assert!(migrate(&mut connection, &["CREATE TABLE a (n); CREATE TABLE a (n)"]).is_err());
        assert_eq!(version(&connection, 1).unwrap(), 0);
        migrate(&mut connection, &["CREATE TABLE a (n)"]).unwrap();
        assert_eq!(version(&connection, 1).unwrap(), 1);
    }

    #[test]
    fn an_older_file_is_brought_up_to_date_step_by_step_and_once() {
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("w.db"));
        let file = make_file(&config.path).unwrap();
        let steps = ["CREATE TABLE a (n)", "ALTER TABLE a ADD COLUMN m", "INSERT INTO a VALUES (1, 2)"];
        for known in [1, 3, 3] {
            // A connection each, as other programs would have.
            let mut connection = connect(&file, config.busy_timeout).unwrap();
            migrate(&mut connection, &steps[..known]).unwrap();
        }
        let connection = connect(&file, config.busy_timeout).unwrap();
        let rows: i64 = connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
        assert!(matches!(version(&connection, 2), Err(Trouble::Newer { seen: 3, known: 2 })));
    }

    fn plan(connection: &Connection, statement: &str) -> Vec<String> {
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let nulls = vec![rusqlite::types::Null; explained.parameter_count()];
        let steps = explained.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3)).unwrap();
        steps.map(Result::unwrap).collect()
    }
}
