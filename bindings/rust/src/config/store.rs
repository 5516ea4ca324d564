//! The `[store]` section: where accounts, sessions and the seal key are.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::seal_key::SecretSource;

/// The `[store]` section of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// Accounts, keypairs, invitations, the audit trail: `sqlite:PATH`, `postgres://…` or `memory:`.
    pub directory: String,
    /// Sessions, lockouts, tickets: `same`, `redis://…` or `redis-cluster://h1,h2,h3`, with `rediss` over TLS.
    pub volatile: String,
    /// The 32 bytes that seal what must be readable again: `file:PATH` (made if absent) or `env:NAME`.
    pub seal_key: SecretSource,
    /// Older keys, which only open what they sealed.
    pub seal_keys_old: Vec<SecretSource>,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            directory: "sqlite:doorwarden.db".to_owned(),
            volatile: "same".to_owned(),
            seal_key: SecretSource::File("doorwarden.key".to_owned()),
            seal_keys_old: Vec::new(),
        }
    }
}

/// Where accounts are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryPlace {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database, at the address that `store.directory` is.
    Postgres,
    /// This process only; gone when it ends.
    Memory,
}

impl StoreSection {
    /// Where accounts are kept, a relative path beginning at `base`; `None` for a place that this build can't use.
    pub(super) fn place(&self, base: &Path) -> Option<DirectoryPlace> {
        match self.directory.strip_prefix("sqlite:") {
            Some(path) => Some(DirectoryPlace::Sqlite(base.join(path))),
            None if self.directory == "memory:" => Some(DirectoryPlace::Memory),
            None => is_server(&self.directory, &["postgres", "postgresql"]).then_some(DirectoryPlace::Postgres),
        }
    }

    /// Where the database server is, without user and password.
    pub(super) fn server(&self) -> String {
        let url = Url::parse(&self.directory).ok();
        let place = |url: Url| format!("{}{}", url.host_str().unwrap_or_default(), url.path());
        url.map_or(String::new(), place)
    }

    pub(super) fn has_directory(&self) -> bool {
        let directory = self.directory.as_str();
        let file = directory.strip_prefix("sqlite:").is_some_and(|path| !path.is_empty());
        file || directory == "memory:" || is_server(directory, &["postgres", "postgresql"])
    }

    pub(super) fn has_volatile(&self) -> bool {
        self.volatile == "same" || self.redis_servers().is_some()
    }

    /// Where the Redis servers are, without user and password; `None` where nothing is kept on any.
    pub(super) fn redis(&self) -> Option<String> {
        let place = |url: &Url| match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        Some(self.redis_servers()?.iter().map(place).collect::<Vec<_>>().join(", "))
    }

    /// Whether somebody on the way to the Redis servers can read and change what is said to them.
    pub(super) fn is_redis_overheard(&self) -> bool {
        let is_clear = |url: &Url| url.scheme() == "redis" && !is_near(url);
        self.redis_servers().is_some_and(|servers| servers.iter().any(is_clear))
    }

    fn redis_servers(&self) -> Option<Vec<Url>> {
        let (scheme, rest) = self.volatile.split_once("://")?;
        let rest = rest.split_once('?').map_or(rest, |(servers, _)| servers);
        let (scheme, hosts) = match scheme {
            "redis" | "rediss" => (scheme, vec![rest]),
            // Several hosts aren't a URL.
            "redis-cluster" => ("redis", rest.split(',').collect()),
            "rediss-cluster" => ("rediss", rest.split(',').collect()),
            _ => return None,
        };
        let url = |host: &str| Url::parse(&format!("{scheme}://{host}")).ok();
        let servers: Option<Vec<Url>> = hosts.into_iter().map(url).collect();
        servers.filter(|servers| servers.iter().all(|url| url.host_str().is_some_and(|host| !host.is_empty())))
    }
}

/// Whether it is this machine.
fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_server(text: &str, schemes: &[&str]) -> bool {
    Url::parse(text)
        .is_ok_and(|url| schemes.contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty()))
}
