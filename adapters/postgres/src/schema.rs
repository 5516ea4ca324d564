//! The tables, and how an older schema is brought up to date.
//!
//! An aggregate is a JSON body beside the columns that are searched.

use std::convert::Infallible;

use crate::connections::{Connections, Session, Steps};
use crate::fault::{Trouble, Undone};

/// Names statements and lists them for the test of their plans.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* const $name: &str = $sql;)*

        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use statements;

/// The statements that bring a schema from each version to the next.
const MIGRATIONS: &[&str] = &[VERSION_1];

/// Of any number of processes that start at once, one migrates: the name of the lock, `DWDN` twice.
const LOCK: i64 = 0x4457_444e_4457_444e;

const VERSION_1: &str = "
CREATE TABLE users (
  id UUID PRIMARY KEY,
  revision BIGINT NOT NULL,
  email_key TEXT NOT NULL CONSTRAINT users_email UNIQUE,
  search TEXT NOT NULL,             -- what a search looks at, in lower case
  administrator BOOLEAN NOT NULL,   -- an active one
  body TEXT NOT NULL
);
CREATE INDEX users_administrators ON users (id) WHERE administrator;
-- Held by who requires that an administrator is left, until the commit.
CREATE TABLE administrators_queue (one BOOLEAN PRIMARY KEY CHECK (one));
INSERT INTO administrators_queue VALUES (true);

CREATE TABLE registrations (
  id UUID PRIMARY KEY,
  email_key TEXT NOT NULL,
  link BYTEA NOT NULL UNIQUE,
  created_at BIGINT NOT NULL,       -- this and all times: milliseconds since 1970
  expires_at BIGINT NOT NULL,
  invitation UUID,                  -- a use of it is held by the registration itself
  body TEXT NOT NULL
);
CREATE INDEX registrations_by_email ON registrations (email_key, created_at, id);
CREATE INDEX registrations_by_end ON registrations (expires_at);
CREATE INDEX registrations_by_invitation ON registrations (invitation, expires_at) WHERE invitation IS NOT NULL;

CREATE TABLE invitations (
  id UUID PRIMARY KEY,
  revision BIGINT NOT NULL,
  token BYTEA NOT NULL UNIQUE,
  ends_at BIGINT NOT NULL,          -- when it was revoked, or else expires
  body TEXT NOT NULL
);
CREATE INDEX invitations_by_end ON invitations (ends_at);

CREATE TABLE keypairs (
  id UUID PRIMARY KEY,
  revision BIGINT NOT NULL,
  user_id UUID NOT NULL,
  access_key TEXT NOT NULL CONSTRAINT keypairs_access_key UNIQUE,
  body TEXT NOT NULL
);
CREATE UNIQUE INDEX keypairs_by_user ON keypairs (user_id, id);

-- Users and registrations in one table, so that a name is unique across both.
CREATE TABLE usernames (
  skeleton TEXT PRIMARY KEY,
  holder_kind TEXT NOT NULL CHECK (holder_kind IN ('user', 'registration')),
  holder UUID NOT NULL,
  CONSTRAINT usernames_by_holder UNIQUE (holder, holder_kind)
);

-- Events get their position when the trail is read, not at their commit: no two logins wait for each other here.
CREATE TABLE audit (
  arrival BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  position BIGINT CONSTRAINT audit_position UNIQUE,
  id UUID NOT NULL,
  time BIGINT NOT NULL,
  user_id UUID,
  name TEXT NOT NULL,
  body TEXT NOT NULL,
  number BIGINT,                    -- in the chain; NULL: not linked yet
  tag BYTEA
);
CREATE INDEX audit_waiting ON audit (arrival) WHERE position IS NULL;
CREATE INDEX audit_by_id ON audit (id);
CREATE INDEX audit_by_user ON audit (user_id, position) WHERE user_id IS NOT NULL;
CREATE INDEX audit_by_name ON audit (name, position);
CREATE TABLE audit_end (last BIGINT NOT NULL);
INSERT INTO audit_end VALUES (0);

CREATE TABLE audit_chain (
  one BOOLEAN PRIMARY KEY CHECK (one),
  revision BIGINT NOT NULL,
  body TEXT NOT NULL
);

CREATE TABLE deliveries (
  id UUID PRIMARY KEY,
  revision BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX deliveries_by_due ON deliveries (due_at, id);

CREATE TABLE markers (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

-- One descent finds a session, and a user's lie side by side.
CREATE TABLE sessions (
  user_id UUID NOT NULL,
  token BYTEA NOT NULL,
  id UUID NOT NULL,
  revision BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  ended BOOLEAN NOT NULL,
  over_at BIGINT NOT NULL,          -- when it was ended, or else expires
  body TEXT NOT NULL,
  PRIMARY KEY (user_id, token)
);
CREATE INDEX sessions_live ON sessions (user_id, started_at, id) WHERE NOT ended;
CREATE INDEX sessions_by_end ON sessions (over_at);

-- Rows stay, so that a version is never seen twice. Whoever opens or ends a user's sessions holds the row.
CREATE TABLE session_sets (
  user_id UUID PRIMARY KEY,
  version BIGINT NOT NULL
);

CREATE TABLE tickets (
  locator UUID NOT NULL,
  digest BYTEA NOT NULL,
  user_id UUID,
  expires_at BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (locator, digest)
);
CREATE INDEX tickets_by_user ON tickets (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX tickets_by_end ON tickets (expires_at);

-- Failures by kind of subject (a account, k access key, u unknown identifier, i address), and rates (r).
CREATE TABLE counters (
  kind TEXT NOT NULL,
  subject BYTEA NOT NULL,
  forgettable_at BIGINT NOT NULL,
  pool TEXT,                        -- what is bounded together; NULL: never evicted
  used BIGINT NOT NULL,             -- rises: the lowest was left alone the longest
  body TEXT NOT NULL,
  PRIMARY KEY (kind, subject)
);
CREATE INDEX counters_by_use ON counters (pool, used) WHERE pool IS NOT NULL;
CREATE INDEX counters_by_end ON counters (forgettable_at);
CREATE SEQUENCE uses;

-- How many there are in a pool: counting 100,000 rows at each guess would be a gift.
CREATE TABLE pools (
  pool TEXT PRIMARY KEY,
  counters BIGINT NOT NULL
);
CREATE FUNCTION counter_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pools (pool, counters) VALUES (NEW.pool, 1)
    ON CONFLICT (pool) DO UPDATE SET counters = pools.counters + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER counter_made AFTER INSERT ON counters FOR EACH ROW WHEN (NEW.pool IS NOT NULL)
  EXECUTE FUNCTION counter_made();
CREATE FUNCTION counters_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  gone RECORD;
BEGIN
  -- In one order, so that two sweeps never wait for each other.
  FOR gone IN SELECT pool, count(*) AS counters FROM forgotten WHERE pool IS NOT NULL GROUP BY pool ORDER BY pool LOOP
    UPDATE pools SET counters = pools.counters - gone.counters WHERE pools.pool = gone.pool;
  END LOOP;
  RETURN NULL;
END $$;
CREATE TRIGGER counters_forgotten AFTER DELETE ON counters REFERENCING OLD TABLE AS forgotten FOR EACH STATEMENT
  EXECUTE FUNCTION counters_forgotten();

-- What came once, each until when it is remembered.
CREATE TABLE spent_marks (
  kind TEXT NOT NULL,
  digest BYTEA NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (kind, digest)
);
CREATE INDEX spent_marks_by_end ON spent_marks (until);

-- How many of a kind, in sixteen parts by the digest's first bits: who spends waits for a sixteenth of the others.
CREATE TABLE spent_parts (
  kind TEXT NOT NULL,
  part INT NOT NULL,
  marks BIGINT NOT NULL,
  PRIMARY KEY (kind, part)
);
CREATE FUNCTION mark_spent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO spent_parts (kind, part, marks) VALUES (NEW.kind, get_byte(NEW.digest, 0) / 16, 1)
    ON CONFLICT (kind, part) DO UPDATE SET marks = spent_parts.marks + 1 WHERE spent_parts.marks < 62500;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'too many marks' USING ERRCODE = 'program_limit_exceeded';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER mark_spent AFTER INSERT ON spent_marks FOR EACH ROW EXECUTE FUNCTION mark_spent();
CREATE FUNCTION marks_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  gone RECORD;
BEGIN
  FOR gone IN SELECT kind, get_byte(digest, 0) / 16 AS part, count(*) AS marks FROM forgotten
    GROUP BY 1, 2 ORDER BY 1, 2 LOOP
    UPDATE spent_parts SET marks = spent_parts.marks - gone.marks
      WHERE spent_parts.kind = gone.kind AND spent_parts.part = gone.part;
  END LOOP;
  RETURN NULL;
END $$;
CREATE TRIGGER marks_forgotten AFTER DELETE ON spent_marks REFERENCING OLD TABLE AS forgotten FOR EACH STATEMENT
  EXECUTE FUNCTION marks_forgotten();

CREATE TABLE spent_since (
  one BOOLEAN PRIMARY KEY CHECK (one),
  since BIGINT NOT NULL
);
";

const ENCODING: &str = "SELECT current_setting('server_encoding')";
const TAKE_LOCK: &str = "SELECT pg_advisory_xact_lock($1)";
const HAS_SCHEMA: &str = "SELECT 1 FROM pg_namespace WHERE nspname = current_setting('search_path')";
const HAS_VERSION: &str = "SELECT 1 WHERE to_regclass('schema_version') IS NOT NULL";
const VERSION: &str = "SELECT max(version) FROM schema_version";
const SET_VERSION: &str = "INSERT INTO schema_version (version) VALUES ($1)";

/// Makes the schema or brings it up to date, in one transaction under the database's own lock.
pub(crate) async fn migrate(connections: &Connections, schema: &str) -> Result<(), Trouble> {
    let steps: Steps<String, (), Infallible> =
        |session, schema| Box::pin(async move { Ok(migrate_within(session, schema, MIGRATIONS).await?) });
    connections.long_transaction(schema.to_owned(), steps).await.map_err(|undone| match undone {
        Undone::Refused(never) => match never {},
        Undone::Trouble(trouble) => trouble,
    })
}

async fn migrate_within(session: &Session<'_>, schema: &str, migrations: &[&str]) -> Result<(), Trouble> {
    // Who comes while another migrates waits for it, however large the tables are.
    session.batch("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    let encoding = session.row(ENCODING, &[]).await?.map_or(Ok(String::new()), |row| row.try_get(0))?;
    if encoding != "UTF8" {
        return Err(Trouble::Encoding(encoding));
    }
    session.rows(TAKE_LOCK, &[&LOCK]).await?;
    // Asked for before it is made, so that a user without the right to make can use what is there.
    if session.row(HAS_SCHEMA, &[]).await?.is_none() {
        // The name is plain, see `PostgresConfig::has_plain_schema`.
        session.batch(&format!("CREATE SCHEMA {schema}")).await?;
    }
    if session.row(HAS_VERSION, &[]).await?.is_none() {
        session.batch("CREATE TABLE schema_version (version INT PRIMARY KEY)").await?;
    }
    let row = session.row(VERSION, &[]).await?;
    let seen = row.map(|row| row.try_get::<_, Option<i32>>(0)).transpose()?.flatten().unwrap_or(0);
    let known = i32::try_from(migrations.len()).unwrap_or(i32::MAX);
    if seen > known {
        return Err(Trouble::Newer { seen, known });
    }
    for (version, migration) in (1..).zip(migrations).filter(|(version, _)| *version > seen) {
        session.batch(migration).await?;
        session.execute(SET_VERSION, &[&version]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use doorwarden_core::spent_mark::SpentMark;
    use futures_executor::block_on;

    use super::*;
    use crate::testing::Server;
    use crate::{PostgresConfig, PostgresStore};
    use crate::{audit, commit, directory, lockout_store, requirements, session_store, ticket_store, trail};

    /// Tables of one row: reading them whole is the quickest.
    const OF_ONE_ROW: &[&str] = &["audit_end", "administrators_queue", "uses "];

    /// They sort what one account has, or what one commit is about.
    const SORTING_LITTLE: &[&str] = &["SET", "LIVE", "HOLD_USERS"];

    fn plan(server: &Server, config: &PostgresConfig, statement: &str) -> String {
        let parameters = (1..10).take_while(|number| statement.contains(&format!("${number}"))).count();
        let nulls = vec!["NULL"; parameters].join(", ");
        let execute = if parameters == 0 { "EXECUTE s".to_owned() } else { format!("EXECUTE s ({nulls})") };
        // Without the size of tables in it, a plan shows what the indexes allow: the worst that may come is excluded.
        server.ask(&format!(
            "SET search_path = {}; SET enable_seqscan = off; SET enable_sort = off;
             SET plan_cache_mode = force_generic_plan; PREPARE s AS {statement}; EXPLAIN {execute}",
            config.schema
        ))
    }

    #[test]
    fn no_statement_scans_a_table_or_sorts() {
        let server = Server::shared();
        let config = server.fresh_schema();
        block_on(PostgresStore::open(&config)).unwrap();
        let listed = [
            audit::STATEMENTS,
            commit::STATEMENTS,
            directory::STATEMENTS,
            lockout_store::STATEMENTS,
            requirements::STATEMENTS,
            session_store::STATEMENTS,
            ticket_store::STATEMENTS,
            trail::STATEMENTS,
        ];
        let mut slow = Vec::new();
        for (name, statement) in listed.concat() {
            let plan = plan(&server, &config, statement);
            let scans = plan.lines().filter_map(|line| line.split_once("Seq Scan on ")).map(|(_, table)| table);
            let scans = scans.filter(|table| !OF_ONE_ROW.iter().any(|small| table.starts_with(small))).count();
            let sorts = plan.contains("Sort  (") && !SORTING_LITTLE.contains(&name);
            if scans > 0 || sorts {
                slow.push(format!("{name}\n{plan}"));
            }
        }
        assert!(slow.is_empty(), "{}", slow.join("\n\n"));
    }

    #[test]
    fn a_search_goes_through_users_by_key_and_an_account_s_events_through_their_index() {
        let server = Server::shared();
        let config = server.fresh_schema();
        block_on(PostgresStore::open(&config)).unwrap();
        let index_of = |name: &str, index: &str| {
            let mut statements = directory::STATEMENTS.iter().chain(audit::STATEMENTS).chain(session_store::STATEMENTS);
            let (_, statement) = statements.find(|(known, _)| *known == name).unwrap();
            let plan = plan(&server, &config, statement);
            assert!(plan.contains(&format!("Index Scan using {index}")), "{name}\n{plan}");
        };
        // The exception: it looks at each user, so it has to come in pages.
        index_of("USERS_CONTAINING", "users_pkey");
        index_of("AUDIT_BY_USER", "audit_by_user");
        index_of("AUDIT_BY_NAME", "audit_by_name");
        index_of("AUDIT_BY_BOTH", "audit_by_user");
        index_of("FIND", "sessions_pkey");
    }

    #[test]
    fn the_parts_of_a_kind_of_marks_make_up_what_a_store_may_keep() {
        assert!(VERSION_1.contains(&format!("spent_parts.marks < {};", SpentMark::MOST / 16)));
    }

    #[test]
    fn a_kind_of_marks_that_is_full_is_a_fault_that_passes_and_evicts_none() {
        use doorwarden_core::spent_mark::MarkKind;
        use doorwarden_core::store::TicketStore as _;
        use doorwarden_core::time::Timestamp;
        use doorwarden_core::token::Digest;

        let server = Server::shared();
        let config = server.fresh_schema();
        let store = block_on(PostgresStore::open(&config)).unwrap();
        let spend = |first: u8| {
            let mark = SpentMark { kind: MarkKind::RequestNonce, digest: Digest::from_bytes([first; 32]) };
            block_on(store.spend(&mark, Timestamp::from_millis(10), Timestamp::from_millis(1)))
        };
        spend(0x10).unwrap();
        server.sql(&format!("UPDATE {}.spent_parts SET marks = 62500", config.schema));
        let fault = spend(0x11).unwrap_err();
        assert!(fault.retryable() && fault.to_string().contains("as many marks are kept as may be"), "{fault}");
        spend(0x20).unwrap();
        assert_eq!(spend(0x10).unwrap().spent, doorwarden_core::spent_mark::Spent::Again);
        let marks = server.ask(&format!("SELECT count(*) FROM {}.spent_marks", config.schema));
        assert_eq!(marks, "2");
    }

    #[test]
    fn an_older_schema_is_brought_up_to_date_step_by_step_and_once_and_a_failing_step_leaves_it() {
        let server = Server::shared();
        let config = server.fresh_schema();
        let connections = Connections::open(&config).unwrap();
        let migrate = |known: usize| {
            let steps: Steps<(String, usize), (), Infallible> = |session, (schema, known)| {
                let migrations = [
                    "CREATE TABLE a (n INT)",
                    "ALTER TABLE a ADD COLUMN m INT",
                    "INSERT INTO a VALUES (1, 2)",
                    "INSERT INTO a VALUES (3, 4); CREATE TABLE a (n INT)",
                ];
                Box::pin(async move { Ok(migrate_within(session, schema, &migrations[..*known]).await?) })
            };
            block_on(connections.long_transaction((config.schema.clone(), known), steps))
        };
        for known in [1, 3, 3] {
            migrate(known).unwrap();
        }
        assert!(migrate(4).is_err());
        assert_eq!(server.ask(&format!("SELECT n, m FROM {}.a", config.schema)), "1|2");
        assert!(matches!(migrate(2), Err(Undone::Trouble(Trouble::Newer { seen: 3, known: 2 }))));
    }
}
