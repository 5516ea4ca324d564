//! What can be chosen about the database: [`PostgresConfig`].

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use url::Url;

/// Where the database is and how it is used.
///
/// ```
/// use doorwarden_postgres::PostgresConfig;
///
/// let config = PostgresConfig::parse("postgres://doorwarden:secret@db.example.org/accounts?sslmode=require")?;
/// assert_eq!(config.schema, "doorwarden");
/// assert_eq!(config.max_connections, 8);
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), doorwarden_postgres::InvalidUrl>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresConfig {
    pub(crate) server: Config,
    /// Certificates (PEM) that the server's must lead to; `None`: those that browsers trust.
    pub certificates: Option<PathBuf>,
    /// The schema that holds the tables; made where it doesn't exist. Letters, digits and `_`.
    pub schema: String,
    /// At most this many connections of this process; a call waits for one of them. At least 1.
    pub max_connections: usize,
    /// How long a call waits for a connection, and how long making one may take.
    pub connect_timeout: Duration,
    /// How long one statement may run or wait for a lock.
    pub statement_timeout: Duration,
    /// At most this many counters of unknown identifiers and addresses together, and this many rates; beyond that the
    /// one left alone the longest makes room. Counters of accounts and access keys are never evicted. At least 1.
    pub max_counters: u32,
}

/// Why a text isn't the address of a database. It never quotes the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a PostgreSQL database ({why}): write postgres://user:password@host/database")]
pub struct InvalidUrl {
    why: &'static str,
}

impl PostgresConfig {
    /// Reads `postgres://user:password@host:port/database`, with `sslmode` (`disable`, `prefer`, `require`) and
    /// `sslrootcert` (a file) behind a `?`.
    ///
    /// The defaults: schema `doorwarden`, 8 connections, 5 s for a connection, 5 s for a statement, 100,000 counters.
    /// Over the network TLS is required unless `sslmode` says otherwise.
    ///
    /// # Errors
    /// [`InvalidUrl`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let invalid = |why| InvalidUrl { why };
        let mut url = Url::parse(text).map_err(|_| invalid("not a URL"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(invalid("another scheme"));
        }
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let (ours, theirs): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| key == "sslrootcert");
        url.set_query(None);
        if !theirs.is_empty() {
            url.query_pairs_mut().extend_pairs(&theirs);
        }
        let mut server = Config::from_str(url.as_str()).map_err(|_| invalid("a parameter that isn't known"))?;
        let chosen = theirs.iter().any(|(key, _)| key == "sslmode");
        if !chosen && !is_near(&server) {
            server.ssl_mode(SslMode::Require);
        }
        Ok(Self {
            server,
            certificates: ours.into_iter().next().map(|(_, file)| file.into()),
            schema: "doorwarden".to_owned(),
            max_connections: 8,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            max_counters: 100_000,
        })
    }

    /// The server's addresses, for messages: never the password.
    pub(crate) fn place(&self) -> String {
        let ports = self.server.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5_432);
        let host = |(at, host): (usize, &Host)| match host {
            Host::Tcp(name) => format!("{name}:{}", port(at)),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        };
        let hosts: Vec<_> = self.server.get_hosts().iter().enumerate().map(host).collect();
        format!("{}/{}", hosts.join(","), self.server.get_dbname().unwrap_or_default())
    }

    /// What each connection is told at its start.
    pub(crate) fn options(&self) -> String {
        let millis = self.statement_timeout.as_millis();
        format!(
            "-c search_path={} -c statement_timeout={millis} -c lock_timeout={millis} \
             -c idle_in_transaction_session_timeout={} -c default_transaction_isolation=read\\ committed",
            self.schema,
            millis.saturating_mul(2)
        )
    }

    pub(crate) fn has_plain_schema(&self) -> bool {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (1..=63).contains(&self.schema.len()) && self.schema.chars().all(plain)
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("server", &self.place())
            .field("schema", &self.schema)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// Whether nobody can listen on the way: a socket of this machine.
fn is_near(server: &Config) -> bool {
    server.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        PostgresConfig::parse(url).unwrap().server.get_ssl_mode()
    }

    #[test]
    fn over_the_network_tls_is_required_unless_the_address_says_otherwise() {
        assert_eq!(mode("postgres://u:p@db.example.org/x"), SslMode::Require);
        assert_eq!(mode("postgres://u:p@127.0.0.1/x"), SslMode::Prefer);
        assert_eq!(mode("postgres://u:p@[::1]:5433/x"), SslMode::Prefer);
        assert_eq!(mode("postgres://u:p@db.example.org/x?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://u:p@10.0.0.1/x?sslrootcert=ca.pem"), SslMode::Require);
    }

    #[test]
    fn fa4_neither_the_error_nor_debug_shows_the_password() {
        for text in ["postgres://u:hunter2@h/x?nonsense=1", "mysql://u:hunter2@h/x", "hunter2"] {
            let error = PostgresConfig::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let config = PostgresConfig::parse("postgres://u:hunter2@h:1234/x").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.place(), "h:1234/x");
    }

    #[test]
    fn several_hosts_may_be_named_and_the_one_that_takes_writes_is_looked_for() {
        let url = "postgres://u:p@a.example.org,b.example.org/x?target_session_attrs=read-write";
        let config = PostgresConfig::parse(url).unwrap();
        assert_eq!(config.place(), "a.example.org:5432,b.example.org:5432/x");
        assert_eq!(config.server.get_target_session_attrs(), tokio_postgres::config::TargetSessionAttrs::ReadWrite);
        assert_eq!(config.server.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn a_schema_that_would_need_quotes_is_not_plain() {
        let mut config = PostgresConfig::parse("postgres://h/x").unwrap();
        assert!(config.has_plain_schema());
        for schema in ["", "a b", "a-b", "a;b", "\"a\"", "A", &"a".repeat(64)] {
            config.schema = schema.to_owned();
            assert!(!config.has_plain_schema(), "{schema}");
        }
    }
}
