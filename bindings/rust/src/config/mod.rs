//! The configuration file: one TOML file that states the whole policy and where things are.
//!
//! ```
//! use doorwarden::config::Configuration;
//!
//! let refused = Configuration::parse("[session]\nmax_concurrent = 0\n", "doorwarden.toml").unwrap_err();
//! assert_eq!(refused.to_string(), "doorwarden.toml:2: session.max_concurrent = 0: allowed is 1 or more");
//!
//! let configuration = Configuration::parse("[session]\nmax_concurrent = 3\n", "doorwarden.toml")?;
//! assert_eq!(configuration.policy().session.max_concurrent, 3);
//! # Ok::<(), doorwarden::config::ConfigurationError>(())
//! ```

mod error;
mod mail_templates;
mod preset;
mod reading;
mod sso;
mod store;
mod telling;
mod web;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use doorwarden_core::audit::AuditPolicy;
use doorwarden_core::hashing::HashingPolicy;
use doorwarden_core::keypair::KeypairPolicy;
use doorwarden_core::lockout::LockoutPolicy;
use doorwarden_core::login::LoginPolicy;
use doorwarden_core::mail::MailPolicy;
use doorwarden_core::password::PasswordPolicy;
use doorwarden_core::policy::{Policy, PolicyProblem, PublicUrl, unavailable};
use doorwarden_core::recovery::RecoveryPolicy;
use doorwarden_core::session::SessionPolicy;
use doorwarden_core::sign_up::SignUpPolicy;
use doorwarden_core::totp::TotpPolicy;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use error::{ConfigurationError, ConfigurationProblem};
pub use preset::Preset;
pub use sso::{OidcRealm, OnUnknown, SamlAttributes, SamlRealm, SsoSection};
pub use store::{DirectoryPlace, StoreSection};
pub use web::{ConsoleSection, WebSection};

use crate::seal_key::{SealKeyError, load_seal_keys};
use web::LOCALES;

/// The whole file. A key left out has its default.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "doorwarden configuration")]
pub struct Configuration {
    /// Where browsers reach the console; links in mails and redirects are built from this alone.
    pub public_url: PublicUrl,
    /// Which rules the file begins with.
    pub preset: Preset,
    /// Where accounts, sessions and the seal key are.
    pub store: StoreSection,
    /// Mails.
    pub mail: MailPolicy,
    /// Login.
    pub login: LoginPolicy,
    /// Sign-up.
    pub sign_up: SignUpPolicy,
    /// Passwords.
    pub password: PasswordPolicy,
    /// The threads that hash passwords.
    pub hashing: HashingPolicy,
    /// Rate limiting of guesses.
    pub lockout: LockoutPolicy,
    /// One-time passwords.
    pub totp: TotpPolicy,
    /// Sessions.
    pub session: SessionPolicy,
    /// Recovery by mail.
    pub recovery: RecoveryPolicy,
    /// API keypairs.
    pub keypairs: KeypairPolicy,
    /// The audit trail.
    pub audit: AuditPolicy,
    /// How requests arrive.
    pub web: WebSection,
    /// How the portal looks.
    pub console: ConsoleSection,
    /// Single sign-on.
    pub sso: SsoSection,
    #[serde(skip)]
    base: PathBuf,
    #[serde(skip)]
    given: BTreeSet<String>,
}

impl Configuration {
    /// Reads a file.
    ///
    /// # Errors
    /// Every problem at once: it can't be read, isn't TOML, has an unknown key, a wrong type or an impossible value.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigurationError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| {
            let says = format!("the file can't be read: {source}");
            ConfigurationError::new(vec![ConfigurationProblem {
                file: file.clone(),
                line: None,
                key: None,
                seen: None,
                says,
            }])
        })?;
        let configuration = Self::parse(&text, &file)?;
        configuration.mail_templates()?;
        Ok(configuration)
    }

    /// Reads a file's text; `file_name` is named in errors, and relative paths begin beside it.
    ///
    /// # Errors
    /// As [`Configuration::load`].
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ConfigurationError> {
        let base = Path::new(file_name).parent().map(Path::to_owned).unwrap_or_default();
        reading::read(text, file_name).map(|read| Self { base, ..read })
    }

    /// The defaults, with relative paths beginning at `directory`.
    pub fn default_in(directory: impl Into<PathBuf>) -> Self {
        Self { base: directory.into(), ..Self::default() }
    }

    /// The folder that relative paths begin at.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// The file with every key, its default, and a comment: a place to start from.
    pub const fn default_toml() -> &'static str {
        include_str!("default.toml")
    }

    /// The JSON Schema of the file, for editors.
    pub fn schema() -> Value {
        schemars::schema_for!(Self).to_value()
    }

    /// Whether the file sets the dotted `key`, be it to its default.
    pub fn is_given(&self, key: &str) -> bool {
        self.given.contains(key)
    }

    /// The rules for the engine; paths in it are resolved.
    pub fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        policy.public_url = self.public_url.clone();
        policy.service = self.console.name.clone();
        policy.accent = self.console.accent.clone();
        policy.locales = self.console.locales.clone();
        policy.per_address_hour = self.web.per_address_hour;
        let templates = self.mail_templates_folder().map_or_else(String::new, |folder| folder.display().to_string());
        policy.mail = MailPolicy { transport: self.transport(), templates, ..self.mail.clone() };
        policy.login = self.login.clone();
        policy.sign_up = SignUpPolicy { verify_email: self.verifies_email(), ..self.sign_up.clone() };
        policy.password = self.password.clone();
        policy.hashing = self.hashing.clone();
        policy.lockout = self.lockout.clone();
        policy.totp = self.totp.clone();
        policy.session = self.session.clone();
        policy.recovery = self.recovery.clone();
        policy.keypairs = self.keypairs.clone();
        policy.audit = self.audit.clone();
        policy
    }

    /// Where accounts are kept; `None` for a place that [`Configuration::problems`] names.
    pub fn directory(&self) -> Option<DirectoryPlace> {
        self.store.place(&self.base)
    }

    /// The folder that mails are written into; `None` for another transport.
    pub fn mail_folder(&self) -> Option<PathBuf> {
        self.mail.transport.strip_prefix("dir:").filter(|path| !path.is_empty()).map(|path| self.base.join(path))
    }

    /// The folder of mail templates that replace the built-in ones.
    pub fn mail_templates_folder(&self) -> Option<PathBuf> {
        Some(&self.mail.templates).filter(|path| !path.is_empty()).map(|path| self.base.join(path))
    }

    /// The console's logo.
    pub fn logo(&self) -> Option<PathBuf> {
        self.console.logo(&self.base)
    }

    /// The keys that seal; a file of the current one is made if it is absent.
    ///
    /// # Errors
    /// [`SealKeyError`] with what to do.
    pub fn seal_keys(&self) -> Result<doorwarden_core::seal::SealKeys, SealKeyError> {
        load_seal_keys(&self.store.seal_key, &self.store.seal_keys_old, &self.base)
    }

    /// Every impossible value, every contradiction, and everything that is not available in this build.
    pub fn problems(&self) -> Vec<PolicyProblem> {
        let lacking = unavailable(&json!({
            "store": self.store,
            "sso": self.sso,
        }));
        let own = self.own_problems().into_iter().filter(|own| lacking.iter().all(|lack| lack.key != own.key));
        let own: Vec<_> = own.collect();
        self.policy().problems().into_iter().chain(lacking).chain(own).collect()
    }

    fn own_problems(&self) -> Vec<PolicyProblem> {
        let mut found = self.sso.problems();
        let mut require = |holds: bool, key: &str, value: &str, allowed: String| {
            if !holds {
                found.push(PolicyProblem::new(key, &value.into(), allowed));
            }
        };
        let (store, web, console) = (&self.store, &self.web, &self.console);
        require(
            store.has_directory(),
            "store.directory",
            &store.directory,
            "sqlite:PATH, postgres://… or memory:".to_owned(),
        );
        let volatile = "same, redis://…, rediss://… or redis-cluster://HOST,HOST";
        require(store.has_volatile(), "store.volatile", &store.volatile, volatile.to_owned());
        let prefix = "a path such as /auth, without a slash at the end".to_owned();
        require(web.has_prefix(), "web.prefix", &web.prefix, prefix);
        let logo = console.logo.is_empty() || self.logo().is_some();
        require(logo, "console.logo", &console.logo, "file:PATH, or empty".to_owned());
        require(console.has_accent(), "console.accent", &console.accent, "a colour such as #2f6feb".to_owned());
        if !console.has_locales() {
            let allowed =
                format!("at least one of {}, each once", LOCALES.map(|locale| format!("\"{locale}\"")).join(", "));
            found.push(PolicyProblem::new("console.locales", &json!(console.locales), allowed));
        }
        self.contradictions(&mut found);
        found
    }

    fn contradictions(&self, found: &mut Vec<PolicyProblem>) {
        if self.preset == Preset::Nist && self.password.max_age.is_some() {
            let seen = json!(self.password).get("max_age").cloned().unwrap_or_default();
            let says = "\"never\" under preset = \"nist\": NIST SP 800-63B-4 wants no password to expire";
            found.push(PolicyProblem::new("password.max_age", &seen, says));
        }
        let old = &self.store.seal_keys_old;
        for (at, key) in old.iter().enumerate() {
            if *key == self.store.seal_key || old.iter().take(at).any(|earlier| earlier == key) {
                found.push(PolicyProblem::new(
                    format!("store.seal_keys_old[{at}]"),
                    &json!(key),
                    "each key once, and not store.seal_key",
                ));
            }
        }
        if self.is_given("sign_up.verify_email") && self.sign_up.verify_email && !self.mail.is_on() {
            found.push(PolicyProblem::new(
                "sign_up.verify_email",
                &true.into(),
                "false while mail.transport is \"none\"",
            ));
        }
    }

    fn verifies_email(&self) -> bool {
        self.sign_up.verify_email && self.mail.is_on()
    }

    fn transport(&self) -> String {
        self.mail_folder().map_or_else(|| self.mail.transport.clone(), |folder| format!("dir:{}", folder.display()))
    }
}

#[cfg(test)]
mod any_file;
#[cfg(test)]
mod bad_files;
#[cfg(test)]
mod tests;
