//! From a configuration to a running engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorwarden_core::engine::{Engine, EngineBuilder, StartError};
use doorwarden_core::error::Fault;
use doorwarden_core::mail::{MailSetup, Mailer};
#[cfg(feature = "smtp")]
use doorwarden_core::policy::PolicyProblem;
use doorwarden_core::policy::Weakness;

use crate::config::{Configuration, ConfigurationError, DirectoryPlace};
use crate::seal_key::SealKeyError;

/// Why no engine was opened. Each message says what to mend and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The seal key can't be used.
    #[error(transparent)]
    SealKey(#[from] SealKeyError),
    /// The file asks for an adapter that this program was built without.
    #[error("{key} = {seen:?}: this program was built without it; build doorwarden with feature {feature:?}")]
    NotBuiltIn {
        /// The key that asks for it.
        key: &'static str,
        /// Its value.
        seen: String,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// The store or the mail folder can't be used.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The engine doesn't start on them.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl OpenError {
    /// Whether a store or mail folder is what failed, and not the configuration.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Start(StartError::Fault(_)))
    }
}

/// Opens the engine that a file describes.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("auth.toml");
/// std::fs::write(&file, "[password]\nmin_length = 12\n")?;
/// let engine = futures_executor::block_on(doorwarden::open(&file))?;
/// assert_eq!(engine.policy().password.min_length, 12);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`OpenError`]; nothing was started.
pub async fn open(file: impl AsRef<Path>) -> Result<Engine, OpenError> {
    Configuration::load(file)?.open().await
}

impl Configuration {
    /// Opens the engine that this configuration describes.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was started.
    pub async fn open(&self) -> Result<Engine, OpenError> {
        Ok(self.builder().await?.start().await?)
    }

    /// The engine's builder with policy, keys, store and mailer given, for a host that adds parts of its own.
    ///
    /// The folder that relative paths begin at is made, for the owner's eyes only, if it isn't there.
    ///
    /// # Errors
    /// [`OpenError`] if one of them can't be used.
    pub async fn builder(&self) -> Result<EngineBuilder, OpenError> {
        make_private(self.base()).map_err(|source| Fault::lasting("making folder", self.base().display(), source))?;
        let builder = Engine::builder().policy(self.policy()).seal_keys(self.seal_keys()?);
        let builder = self.with_store(builder).await?;
        let MailSetup { mailer, templates } = self.mail_setup()?;
        let builder = builder.mail_templates(templates);
        Ok(match mailer {
            Some(mailer) => builder.mailer(mailer),
            None => builder,
        })
    }

    /// Puts this configuration's policy in force in a running engine, with its mail templates and its transport, whole
    /// or not at all. What else it says (store, keys, web) is for the next start.
    ///
    /// # Errors
    /// [`OpenError`]; the engine goes on as it was.
    pub async fn put_in_force(&self, engine: &Engine) -> Result<(), OpenError> {
        let mail = self.mail_setup()?;
        Ok(engine.set_policy_and_mail(self.policy(), mail).await?)
    }

    /// How mails are written and carried, as this configuration says.
    ///
    /// # Errors
    /// [`OpenError`] if a template is wrong or the transport can't be used.
    pub fn mail_setup(&self) -> Result<MailSetup, OpenError> {
        let templates = self.mail_templates()?;
        let mailer = match (self.mail_folder(), self.mail.is_on()) {
            (Some(folder), _) => Some(mail_folder(folder, &self.mail.transport)?),
            (None, true) => Some(smtp(&self.mail.transport)?),
            (None, false) => None,
        };
        Ok(MailSetup { mailer, templates })
    }

    /// What is weak about the servers that the file names, by what they say themselves.
    ///
    /// # Errors
    /// [`OpenError`] if one of them can't be asked or mustn't be used.
    pub async fn server_weaknesses(&self) -> Result<Vec<Weakness>, OpenError> {
        if self.store.volatile == "same" {
            return Ok(Vec::new());
        }
        redis_weaknesses(self).await
    }

    async fn with_store(&self, builder: EngineBuilder) -> Result<EngineBuilder, OpenError> {
        let builder = self.with_directory(builder).await?;
        if self.store.volatile == "same" { Ok(builder) } else { with_redis(builder, self).await }
    }

    async fn with_directory(&self, builder: EngineBuilder) -> Result<EngineBuilder, OpenError> {
        match self.directory() {
            Some(DirectoryPlace::Sqlite(file)) => with_sqlite(builder, file, &self.store.directory),
            Some(DirectoryPlace::Memory) => with_memory(builder, &self.store.directory),
            Some(DirectoryPlace::Postgres) => with_postgres(builder, &self.store.directory).await,
            None => Err(not_built_in("store.directory", "another place", "postgres")),
        }
    }
}

fn not_built_in(key: &'static str, seen: &str, feature: &'static str) -> OpenError {
    OpenError::NotBuiltIn { key, seen: seen.to_owned(), feature }
}

#[cfg(feature = "sqlite")]
fn with_sqlite(builder: EngineBuilder, file: PathBuf, _seen: &str) -> Result<EngineBuilder, OpenError> {
    let store = doorwarden_sqlite::SqliteStore::open(&doorwarden_sqlite::SqliteConfig::new(file))?;
    Ok(builder.store(Arc::new(store)))
}

#[cfg(not(feature = "sqlite"))]
fn with_sqlite(_builder: EngineBuilder, _file: PathBuf, seen: &str) -> Result<EngineBuilder, OpenError> {
    Err(not_built_in("store.directory", seen, "sqlite"))
}

#[cfg(feature = "postgres")]
async fn with_postgres(builder: EngineBuilder, url: &str) -> Result<EngineBuilder, OpenError> {
    let unusable = |error| Fault::lasting("reading", "store.directory", error);
    let config = doorwarden_postgres::PostgresConfig::parse(url).map_err(unusable)?;
    let store = doorwarden_postgres::PostgresStore::open(&config).await?;
    Ok(builder.store(Arc::new(store)))
}

#[cfg(not(feature = "postgres"))]
async fn with_postgres(_builder: EngineBuilder, _url: &str) -> Result<EngineBuilder, OpenError> {
    Err(not_built_in("store.directory", "postgres://…", "postgres"))
}

#[cfg(feature = "redis")]
async fn with_redis(builder: EngineBuilder, configuration: &Configuration) -> Result<EngineBuilder, OpenError> {
    let store = std::sync::Arc::new(open_redis(configuration).await?);
    Ok(builder.sessions(store.clone()).lockouts(store.clone()).tickets(store))
}

#[cfg(feature = "redis")]
async fn open_redis(configuration: &Configuration) -> Result<doorwarden_redis::RedisStore, OpenError> {
    let unusable = |error| Fault::lasting("reading", "store.volatile", error);
    let mut config = doorwarden_redis::RedisConfig::parse(&configuration.store.volatile).map_err(unusable)?;
    config.certificates = config.certificates.map(|file| configuration.base().join(file));
    Ok(doorwarden_redis::RedisStore::open(&config).await?)
}

#[cfg(feature = "redis")]
async fn redis_weaknesses(configuration: &Configuration) -> Result<Vec<Weakness>, OpenError> {
    let mut found = open_redis(configuration).await?.weaknesses().await?;
    // What the file itself says is told without asking.
    found.retain(|weakness| *weakness != doorwarden_redis::Weakness::Unencrypted);
    Ok(found.iter().map(|weakness| Weakness::new("FA11", "store.volatile", weakness.advice())).collect())
}

#[cfg(not(feature = "redis"))]
async fn redis_weaknesses(_configuration: &Configuration) -> Result<Vec<Weakness>, OpenError> {
    Err(not_built_in("store.volatile", "redis://…", "redis"))
}

#[cfg(not(feature = "redis"))]
async fn with_redis(_builder: EngineBuilder, _configuration: &Configuration) -> Result<EngineBuilder, OpenError> {
    Err(not_built_in("store.volatile", "redis://…", "redis"))
}

#[cfg(feature = "memory")]
fn with_memory(builder: EngineBuilder, _seen: &str) -> Result<EngineBuilder, OpenError> {
    Ok(builder.store(Arc::new(doorwarden_core::testing::MemoryStore::default())))
}

#[cfg(not(feature = "memory"))]
fn with_memory(_builder: EngineBuilder, seen: &str) -> Result<EngineBuilder, OpenError> {
    Err(not_built_in("store.directory", seen, "memory"))
}

#[cfg(feature = "mail")]
fn mail_folder(folder: PathBuf, _seen: &str) -> Result<Arc<dyn Mailer>, OpenError> {
    Ok(Arc::new(doorwarden_mail::MailFolder::open(folder)?))
}

#[cfg(not(feature = "mail"))]
fn mail_folder(_folder: PathBuf, seen: &str) -> Result<Arc<dyn Mailer>, OpenError> {
    Err(not_built_in("mail.transport", seen, "mail"))
}

#[cfg(feature = "smtp")]
fn smtp(transport: &str) -> Result<Arc<dyn Mailer>, OpenError> {
    let url = match transport.strip_prefix("env:") {
        None => transport.to_owned(),
        Some(name) => std::env::var(name).map_err(|_| wrong_transport(transport, "a variable that is set"))?,
    };
    let allowed = "smtp:// or smtps://, USER:PASSWORD@ if need be, a host, a port";
    let config = doorwarden_mail::SmtpConfig::parse(&url).map_err(|_| wrong_transport(transport, allowed))?;
    Ok(Arc::new(doorwarden_mail::SmtpMailer::new(&config)?))
}

#[cfg(feature = "smtp")]
fn wrong_transport(transport: &str, allowed: &str) -> OpenError {
    let problem = PolicyProblem::new("mail.transport", &transport.into(), allowed);
    OpenError::Start(StartError::Policy(vec![problem]))
}

#[cfg(not(feature = "smtp"))]
fn smtp(_transport: &str) -> Result<Arc<dyn Mailer>, OpenError> {
    Err(not_built_in("mail.transport", "smtp", "smtp"))
}

/// Makes a folder that nobody else can look into; the working directory is there already.
fn make_private(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[cfg(test)]
#[cfg(all(feature = "sqlite", feature = "mail"))]
mod tests {
    use super::*;
    use futures_executor::block_on;

    fn open_error(toml: &str) -> OpenError {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.toml");
        std::fs::write(&file, toml).unwrap();
        block_on(open(&file)).unwrap_err()
    }

    #[test]
    fn the_defaults_open_in_a_folder_that_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let configuration = Configuration::default_in(folder.path().join("deep/data"));
        block_on(configuration.open()).unwrap();
        for name in ["doorwarden.db", "doorwarden.key", "mail"] {
            assert!(folder.path().join("deep/data").join(name).exists(), "{name}");
        }
    }

    #[test]
    fn a_lost_seal_key_is_told_at_the_start_and_not_at_a_login() {
        let folder = tempfile::tempdir().unwrap();
        let configuration = Configuration::default_in(folder.path());
        block_on(configuration.open()).unwrap();
        std::fs::remove_file(folder.path().join("doorwarden.key")).unwrap();
        let error = block_on(configuration.open()).unwrap_err();
        assert!(error.to_string().contains("seal key"), "{error}");
        assert!(!error.is_fault());
    }

    #[test]
    fn what_was_not_built_in_is_named_with_the_feature_that_brings_it() {
        let error = not_built_in("store.directory", "memory:", "memory");
        let says = "store.directory = \"memory:\": this program was built without it; build doorwarden with feature \"memory\"";
        assert_eq!(error.to_string(), says);
        assert!(!error.is_fault());
    }

    #[test]
    fn a_wrong_file_is_no_fault_and_a_store_that_cannot_be_used_is() {
        assert!(!open_error("[session]\nlifetime = 5\n").is_fault());
        let error = open_error("[store]\ndirectory = \"sqlite:/dev/null/db\"\n");
        assert!(error.is_fault(), "{error}");
        assert!(error.to_string().contains("/dev/null/db"), "{error}");
    }
}
