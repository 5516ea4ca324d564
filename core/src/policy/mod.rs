//! The policy: every rule that a host can choose, with the defaults of the `classic` preset.
//!
//! A policy is looked at in four ways, each named by the dotted key of the policy file: [`Policy::problems`] is what
//! makes it impossible, [`Policy::weaknesses`] what is weaker than the figures it should keep, [`Policy::advice`] where
//! it departs from modern advice, and [`Policy::explain`] says it in sentences.

mod advice;
mod explain;
mod preset;
mod problem;
mod problems;
mod unavailable;
mod weaknesses;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::audit::AuditPolicy;
use crate::hashing::HashingPolicy;
use crate::keypair::KeypairPolicy;
use crate::lockout::LockoutPolicy;
use crate::login::LoginPolicy;
use crate::mail::MailPolicy;
use crate::password::PasswordPolicy;
use crate::recovery::policy::RecoveryPolicy;
use crate::session::SessionPolicy;
use crate::sign_up::SignUpPolicy;
use crate::totp::TotpPolicy;
pub use explain::Explanation;
pub use preset::nist;
pub use problem::PolicyProblem;
pub(crate) use problem::without_password;
pub use unavailable::unavailable;
pub use weaknesses::Weakness;

/// Every rule in force.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// Where the console is reached; links in mails are built from this alone.
    pub public_url: PublicUrl,
    /// What the service is called in mails.
    pub service: String,
    /// The colour of buttons in mails, `#rrggbb`.
    pub accent: String,
    /// The languages that mails may be in; the first is for readers of another.
    pub locales: Vec<String>,
    /// Sign-ups, resends and invitation tries from one client address an hour; 0: no limit.
    pub per_address_hour: u32,
    /// `[mail]`
    pub mail: MailPolicy,
    /// `[login]`
    pub login: LoginPolicy,
    /// `[sign_up]`
    pub sign_up: SignUpPolicy,
    /// `[password]`
    pub password: PasswordPolicy,
    /// `[hashing]`
    pub hashing: HashingPolicy,
    /// `[lockout]`
    pub lockout: LockoutPolicy,
    /// `[totp]`
    pub totp: TotpPolicy,
    /// `[session]`
    pub session: SessionPolicy,
    /// `[recovery]`
    pub recovery: RecoveryPolicy,
    /// `[keypairs]`
    pub keypairs: KeypairPolicy,
    /// `[audit]`
    pub audit: AuditPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            public_url: PublicUrl::default(),
            service: "doorwarden".to_owned(),
            accent: "#2f6feb".to_owned(),
            locales: ["en", "ko"].map(str::to_owned).to_vec(),
            per_address_hour: 60,
            mail: MailPolicy::default(),
            login: LoginPolicy::default(),
            sign_up: SignUpPolicy::default(),
            password: PasswordPolicy::default(),
            hashing: HashingPolicy::default(),
            lockout: LockoutPolicy::default(),
            totp: TotpPolicy::default(),
            session: SessionPolicy::default(),
            recovery: RecoveryPolicy::default(),
            keypairs: KeypairPolicy::default(),
            audit: AuditPolicy::default(),
        }
    }
}

impl Policy {
    /// Whether a sign-up must prove its address by mail.
    pub fn verifies_email(&self) -> bool {
        self.sign_up.verify_email && self.mail.is_on()
    }

    /// Whether a forgotten password can be reset by mail.
    pub fn recovers_by_mail(&self) -> bool {
        self.recovery.enabled && self.mail.is_on()
    }

    /// Every setting by its key in the policy file, as a tree: `settings["session"]["lifetime"]` is `"8h"`.
    pub fn settings(&self) -> serde_json::Value {
        serde_json::json!({
            "public_url": self.public_url,
            "console": { "name": self.service, "accent": self.accent, "locales": self.locales },
            "web": { "per_address_hour": self.per_address_hour },
            "mail": self.mail,
            "login": self.login,
            "sign_up": self.sign_up,
            "password": self.password,
            "hashing": self.hashing,
            "lockout": self.lockout,
            "totp": self.totp,
            "session": self.session,
            "recovery": self.recovery,
            "keypairs": self.keypairs,
            "audit": self.audit,
        })
    }
}

/// The origin under which browsers reach the host: scheme, host and port, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Reads an `https` origin, or an `http` one (for a loopback address, or behind a proxy that adds TLS: `check` warns).
    ///
    /// # Errors
    /// [`InvalidPublicUrl`] for another scheme, or with user, path, query or fragment.
    pub fn parse(text: &str) -> Result<Self, InvalidPublicUrl> {
        let url = Url::parse(text).map_err(|_| InvalidPublicUrl)?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if !plain || !anonymous || !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(InvalidPublicUrl);
        }
        Ok(Self(url.origin().ascii_serialization()))
    }

    /// The origin as browsers send it in `Origin`: no slash at the end.
    pub fn origin(&self) -> &str {
        &self.0
    }

    /// Host and port, the port left out where it is the scheme's own.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Whether browsers reach it by TLS.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether it is this machine only.
    pub fn is_loopback(&self) -> bool {
        match Url::parse(&self.0).ok().and_then(|url| url.host().map(|host| host.to_owned())) {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// A link to a page of the console, with the token that it carries.
    pub fn link(&self, page: &str, token: &str) -> String {
        format!("{}/{page}?token={token}", self.0)
    }

    /// A link to the console's sign-up page, with the invitation that it carries.
    pub fn sign_up_link(&self, invitation: &str) -> String {
        format!("{}/sign-up?invitation={invitation}", self.0)
    }
}

impl Default for PublicUrl {
    fn default() -> Self {
        Self("http://127.0.0.1:8080".to_owned())
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.0
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = InvalidPublicUrl;

    fn try_from(text: String) -> Result<Self, InvalidPublicUrl> {
        Self::parse(&text)
    }
}

/// The text isn't an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an origin: allowed is http:// or https://, a host and a port, without path, query or user")]
pub struct InvalidPublicUrl;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::Value;

    /// Every key with another value that is allowed, or that this build refuses.
    pub(crate) const OTHERS: &[(&str, &str)] = &[
        ("public_url", r#""https://id.example.org""#),
        ("console.name", r#""Corp""#),
        ("console.accent", r##""#12a150""##),
        ("console.locales", r#"["ko"]"#),
        ("web.per_address_hour", "0"),
        ("mail.from", r#""id@example.org""#),
        ("mail.per_hour", "2"),
        ("mail.transport", r#""none""#),
        ("mail.templates", r#""mail-templates""#),
        ("login.modes", r#"["session", "api"]"#),
        ("login.identifiers", r#"["email"]"#),
        ("login.ticket", r#""1m""#),
        ("login.endpoint.url", r#""https://api.example.org""#),
        ("login.endpoint.pinned", "false"),
        ("sign_up.open", "false"),
        ("sign_up.invitation", r#""required""#),
        ("sign_up.verify_email", "false"),
        ("sign_up.username", r#""required""#),
        ("sign_up.full_name", r#""off""#),
        ("sign_up.domains", r#"["example.org"]"#),
        ("sign_up.fields", r#"[{"name": "team", "label": "Team"}]"#),
        ("sign_up.verify_link", r#""1h""#),
        ("sign_up.terms.version", r#""2""#),
        ("sign_up.terms.url", r#""https://example.org/terms""#),
        ("sign_up.privacy.version", r#""2""#),
        ("sign_up.privacy.url", r#""/privacy""#),
        ("sign_up.ask_again_when_terms_change", "false"),
        ("password.min_length", "10"),
        ("password.max_length", "64"),
        ("password.require", "[]"),
        ("password.forbid_common", "true"),
        ("password.forbid_identifiers", "true"),
        ("password.max_age", r#""90d""#),
        ("password.scheme", r#""argon2id""#),
        ("password.bcrypt_cost", "10"),
        ("hashing.threads", "2"),
        ("hashing.queue", "8"),
        ("hashing.max_wait", r#""1s""#),
        ("lockout.max_failures", "3"),
        ("lockout.duration", r#""1h""#),
        ("lockout.forget_after", r#""48h""#),
        ("lockout.escalate", "true"),
        ("lockout.known_browser", "true"),
        ("lockout.notify", "true"),
        ("lockout.tell", "false"),
        ("lockout.per_address.max_failures", "50"),
        ("lockout.per_address.duration", r#""1h""#),
        ("lockout.per_address.window", r#""1h""#),
        ("totp.mode", r#""off""#),
        ("totp.roles", r#"["admin"]"#),
        ("totp.issuer", r#""Corp""#),
        ("totp.drift", "0"),
        ("totp.recovery_codes", "8"),
        ("totp.max_failures", "20"),
        ("session.lifetime", r#""1h""#),
        ("session.idle", r#""1h""#),
        ("session.extendable", "false"),
        ("session.max_lifetime", r#""1d""#),
        ("session.max_concurrent", "3"),
        ("session.max_concurrent_api", "3"),
        ("session.on_conflict", r#""refuse""#),
        ("session.fresh_proof", r#""5m""#),
        ("session.touch_every", r#""10s""#),
        ("session.cache", r#""1s""#),
        ("recovery.enabled", "false"),
        ("recovery.link", r#""10m""#),
        ("recovery.per_hour", "1"),
        ("keypairs.per_user", "1"),
        ("keypairs.clock_skew", r#""1m""#),
        ("keypairs.rotation_overlap", r#""0s""#),
        ("audit.keep", r#""30d""#),
    ];

    /// The default policy with the settings at `keys` replaced by JSON values.
    pub(crate) fn changed(changes: &[(&str, &str)]) -> Policy {
        let mut settings = Policy::default().settings();
        for (key, json) in changes {
            let pointer = format!("/{}", key.replace('.', "/"));
            *settings.pointer_mut(&pointer).unwrap_or_else(|| panic!("{key}")) = serde_json::from_str(json).unwrap();
        }
        fn read<T: serde::de::DeserializeOwned>(settings: &Value, key: &str) -> T {
            serde_json::from_value(settings[key].clone()).unwrap()
        }
        Policy {
            public_url: read(&settings, "public_url"),
            service: read(&settings["console"], "name"),
            accent: read(&settings["console"], "accent"),
            locales: read(&settings["console"], "locales"),
            per_address_hour: read(&settings["web"], "per_address_hour"),
            mail: read(&settings, "mail"),
            login: read(&settings, "login"),
            sign_up: read(&settings, "sign_up"),
            password: read(&settings, "password"),
            hashing: read(&settings, "hashing"),
            lockout: read(&settings, "lockout"),
            totp: read(&settings, "totp"),
            session: read(&settings, "session"),
            recovery: read(&settings, "recovery"),
            keypairs: read(&settings, "keypairs"),
            audit: read(&settings, "audit"),
        }
    }

    /// Every key of the policy, dotted.
    pub(crate) fn keys() -> Vec<String> {
        fn collect(value: &Value, key: &str, keys: &mut Vec<String>) {
            match value.as_object() {
                Some(table) => {
                    for (name, value) in table {
                        collect(value, &if key.is_empty() { name.clone() } else { format!("{key}.{name}") }, keys);
                    }
                }
                None => keys.push(key.to_owned()),
            }
        }
        let mut keys = vec![];
        collect(&Policy::default().settings(), "", &mut keys);
        keys
    }

    #[test]
    fn a_public_url_is_an_origin_and_nothing_else() {
        for (typed, origin) in [
            ("https://id.example.org", "https://id.example.org"),
            ("https://ID.example.org:443/", "https://id.example.org"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(PublicUrl::parse(typed).unwrap().origin(), origin);
        }
        for typed in
            ["", "id.example.org", "ftp://a.b", "https://a.b/x", "https://a.b?x", "https://a.b/#x", "https://u:p@a.b"]
        {
            assert_eq!(PublicUrl::parse(typed), Err(InvalidPublicUrl), "{typed}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, loopback) in [
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost", true),
            ("http://localhost.example.org", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(PublicUrl::parse(url).unwrap().is_loopback(), loopback, "{url}");
        }
    }
}
