//! What can be chosen about the server: [`RedisConfig`].

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use url::Url;

/// Where the server is and how it is used.
///
/// ```
/// use doorwarden_redis::RedisConfig;
///
/// let config = RedisConfig::parse("rediss://doorwarden:secret@redis.example.org")?;
/// assert_eq!(config.call_timeout.as_secs(), 5);
/// assert!(!format!("{config:?}").contains("secret"));
/// RedisConfig::parse("redis-cluster://r1.example.org,r2.example.org,r3.example.org:7000")?;
/// # Ok::<(), doorwarden_redis::InvalidUrl>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisConfig {
    pub(crate) servers: Servers,
    /// Certificates (PEM) that the server's must lead to; `None`: those that browsers trust.
    pub certificates: Option<PathBuf>,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long the server may take for one command.
    pub command_timeout: Duration,
    /// How long a call may take in all: waiting for others on the same subject, connecting, trying again.
    pub call_timeout: Duration,
    /// At most this many counters of unknown identifiers and addresses together, and this many rates; beyond that the
    /// one left alone the longest makes room. Counters of accounts and access keys are never evicted. At least 1, and
    /// the same for all processes on one server.
    pub max_counters: u32,
}

#[derive(Clone)]
pub(crate) enum Servers {
    One(Box<ConnectionInfo>),
    /// Nodes of one cluster, from which the others are learned.
    Cluster(Vec<ConnectionInfo>),
}

/// Why a text isn't the address of a server. It never quotes the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the address of a Redis server ({why}): write redis://host, rediss://host or redis-cluster://host,host,host"
)]
pub struct InvalidUrl {
    why: &'static str,
}

const fn invalid(why: &'static str) -> InvalidUrl {
    InvalidUrl { why }
}

impl RedisConfig {
    /// Reads `redis://user:password@host:port/number`, the same over TLS with `rediss`, or nodes of a cluster as
    /// `redis-cluster://user:password@host:port,host:port`, over TLS with `rediss-cluster`. Behind a `?` may stand
    /// `cacert`, a file of certificates that are trusted.
    ///
    /// The defaults: 2 s for a connection, 2 s for a command, 5 s for a call, 100,000 counters.
    ///
    /// # Errors
    /// [`InvalidUrl`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(invalid("it has no scheme"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let certificates = certificates(query)?;
        let servers = match scheme {
            "redis" | "rediss" => Servers::One(Box::new(server(scheme, rest)?)),
            "redis-cluster" => Servers::Cluster(nodes("redis", rest)?),
            "rediss-cluster" => Servers::Cluster(nodes("rediss", rest)?),
            _ => return Err(invalid("another scheme")),
        };
        let config = Self {
            servers,
            certificates,
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(2),
            call_timeout: Duration::from_secs(5),
            max_counters: 100_000,
        };
        if config.certificates.is_some() && !config.is_encrypted() {
            return Err(invalid("cacert without TLS"));
        }
        Ok(config)
    }

    /// Whether all that is said is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.addresses().all(|address| matches!(address, ConnectionAddr::TcpTls { .. }))
    }

    /// Whether nobody can listen on the way: it is encrypted, or the server is this machine.
    pub fn is_private(&self) -> bool {
        self.addresses().all(|address| match address {
            ConnectionAddr::Tcp(host, _) => is_near(host),
            _ => true,
        })
    }

    /// The server's addresses, for messages: never the password.
    pub(crate) fn place(&self) -> String {
        self.addresses().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    fn addresses(&self) -> impl Iterator<Item = &ConnectionAddr> {
        let servers = match &self.servers {
            Servers::One(server) => std::slice::from_ref(&**server),
            Servers::Cluster(nodes) => nodes.as_slice(),
        };
        servers.iter().map(ConnectionInfo::addr)
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig").field("servers", &self.place()).finish_non_exhaustive()
    }
}

fn certificates(query: &str) -> Result<Option<PathBuf>, InvalidUrl> {
    let mut found = None;
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "cacert" if !value.is_empty() => found = Some(PathBuf::from(value.into_owned())),
            _ => return Err(invalid("a parameter that isn't known")),
        }
    }
    Ok(found)
}

fn server(scheme: &str, rest: &str) -> Result<ConnectionInfo, InvalidUrl> {
    let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| invalid("not a URL"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("it names no host"));
    }
    url.into_connection_info().map_err(|_| invalid("not a URL"))
}

/// User and password, if any, stand before the first node and hold for all.
fn nodes(scheme: &str, rest: &str) -> Result<Vec<ConnectionInfo>, InvalidUrl> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('/') {
        return Err(invalid("a cluster has no numbered databases"));
    }
    let (user, hosts) = match rest.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), rest),
    };
    hosts.split(',').map(|host| server(scheme, &format!("{user}{}", host.trim()))).collect()
}

fn is_near(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> RedisConfig {
        RedisConfig::parse(text).unwrap()
    }

    #[test]
    fn the_three_forms_name_their_servers() {
        for (text, place) in [
            ("redis://127.0.0.1", "127.0.0.1:6379"),
            ("redis://u:p@h:1234/3", "h:1234"),
            ("rediss://:p@h?cacert=ca.pem", "h:6379"),
            ("redis-cluster://h1,h2:7000,h3", "h1:6379,h2:7000,h3:6379"),
            ("rediss-cluster://u:p@h1,h2/", "h1:6379,h2:6379"),
        ] {
            assert_eq!(parsed(text).place(), place, "{text}");
        }
        assert_eq!(parsed("rediss://h?cacert=ca%20x.pem").certificates, Some("ca x.pem".into()));
        let Servers::Cluster(nodes) = parsed("redis-cluster://u:p%40@h1,h2").servers else { panic!("a cluster") };
        for node in nodes {
            assert_eq!((node.redis_settings().username(), node.redis_settings().password()), (Some("u"), Some("p@")));
        }
    }

    #[test]
    fn fa11_what_goes_in_the_clear_to_another_machine_is_known() {
        for (text, private) in [
            ("redis://127.0.0.1", true),
            ("redis://[::1]:1", true),
            ("redis://localhost/2", true),
            ("redis://redis.example.org", false),
            ("rediss://redis.example.org", true),
            ("redis-cluster://127.0.0.1,10.0.0.1", false),
            ("rediss-cluster://10.0.0.1", true),
        ] {
            assert_eq!(parsed(text).is_private(), private, "{text}");
        }
    }

    #[test]
    fn fa4_neither_the_error_nor_debug_shows_the_password() {
        for text in [
            "redis://u:hunter2@h/x",
            "hunter2",
            "mysql://u:hunter2@h",
            "redis://u:hunter2@h?nonsense=1",
            "redis://u:hunter2@",
            "redis-cluster://u:hunter2@h1,,h2",
            "redis-cluster://u:hunter2@h1/3",
            "redis://u:hunter2@h?cacert=x",
        ] {
            let error = RedisConfig::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        assert!(!format!("{:?}", parsed("redis://u:hunter2@h:1234")).contains("hunter2"));
    }
}
