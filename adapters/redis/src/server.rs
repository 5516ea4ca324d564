//! What must be true of a server before anything is stored there, and what is good to know about it.

use crate::connections::Link;
use crate::fault::Trouble;

/// What makes a server weaker than it could be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// A server that keeps nothing on disk: a restart ends all sessions and forgets failures, restrictions and tickets.
    NoPersistence,
    /// What is said to a server on another machine can be read and changed on the way.
    Unencrypted,
}

impl Weakness {
    /// What it means and what to do, in a sentence.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::NoPersistence => {
                "Redis keeps nothing on disk: a restart logs everybody out and forgets failed guesses; set `appendonly yes`"
            }
            Self::Unencrypted => {
                "Redis on another machine is spoken to in the clear, tokens' digests and addresses too; write rediss://"
            }
        }
    }
}

/// What a server says about itself, `name:value` in lines.
struct Info(String);

impl Info {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
    }

    fn must(&self, name: &'static str) -> Result<&str, Trouble> {
        self.value(name).ok_or(Trouble::Untold(name))
    }
}

/// Refuses servers that would lose what must be kept.
pub(crate) async fn examine(link: &Link) -> Result<(), Trouble> {
    let told = link.info().await?;
    if told.is_empty() {
        return Err(Trouble::Untold("state"));
    }
    told.into_iter().map(Info).try_for_each(|info| admit(&info, link.is_cluster()))
}

fn admit(info: &Info, is_cluster: bool) -> Result<(), Trouble> {
    let version = info.must("redis_version")?;
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < 6) {
        return Err(Trouble::TooOld(version.to_owned()));
    }
    let policy = info.must("maxmemory_policy")?;
    if policy != "noeviction" {
        return Err(Trouble::Evicts(policy.to_owned()));
    }
    if !is_cluster && info.value("cluster_enabled") == Some("1") {
        return Err(Trouble::OneOfMany);
    }
    if !is_cluster && info.value("role") == Some("slave") {
        return Err(Trouble::Replica);
    }
    Ok(())
}

/// Whether a server writes nothing to its disk; one that doesn't say whether it makes snapshots is believed to.
pub(crate) async fn keeps_nothing(link: &Link) -> Result<bool, Trouble> {
    let logs = |info: Info| info.value("aof_enabled") == Some("1");
    if link.info().await?.into_iter().map(Info).all(logs) {
        return Ok(false);
    }
    let mut asked = redis::cmd("CONFIG");
    asked.arg("GET").arg("save");
    let snapshots: Result<Vec<String>, Trouble> = link.query(&asked).await;
    Ok(snapshots.is_ok_and(|pairs| pairs.get(1).is_some_and(String::is_empty)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\ncluster_enabled:0\r\n";

    fn admitted(said: &str, is_cluster: bool) -> Option<String> {
        admit(&Info(said.to_owned()), is_cluster).err().map(|trouble| trouble.to_string())
    }

    #[test]
    fn fa11_a_server_that_evicts_is_refused_whatever_the_policy() {
        assert_eq!(admitted(GOOD, false), None);
        for policy in ["allkeys-lru", "volatile-lru", "volatile-ttl", "allkeys-random"] {
            let refused = admitted(&GOOD.replace("noeviction", policy), false).unwrap();
            assert!(refused.contains(policy) && refused.contains("maxmemory-policy noeviction"), "{refused}");
        }
    }

    #[test]
    fn a_server_that_can_not_be_judged_or_used_is_refused_with_what_to_do() {
        for (from, to, says) in [
            ("maxmemory_policy", "x", "doesn't tell its maxmemory_policy"),
            ("7.0.15", "5.0.14", "version is 5.0.14"),
            ("role:master", "role:slave", "name the primary"),
            ("cluster_enabled:0", "cluster_enabled:1", "redis-cluster://"),
        ] {
            let refused = admitted(&GOOD.replace(from, to), false).unwrap();
            assert!(refused.contains(says), "{refused}");
        }
        assert_eq!(admitted(&GOOD.replace("cluster_enabled:0", "cluster_enabled:1"), true), None);
        assert_eq!(admitted(&GOOD.replace("role:master", "role:slave"), true), None, "a cluster's replicas");
    }
}
