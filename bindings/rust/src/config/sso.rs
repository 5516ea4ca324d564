//! The `[[sso.oidc]]` and `[[sso.saml]]` sections: realms whose accounts may log in.

use std::collections::{BTreeMap, HashSet};

use doorwarden_core::policy::PolicyProblem;
use doorwarden_core::user::Role;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use crate::seal_key::SecretSource;

/// The `[sso]` section of the file: any number of realms, shown in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SsoSection {
    /// OpenID Connect realms.
    pub oidc: Vec<OidcRealm>,
    /// SAML realms.
    pub saml: Vec<SamlRealm>,
}

/// What happens when a subject logs in that no account is linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// An account is made.
    #[default]
    Create,
    /// The account of the verified e-mail address is linked.
    LinkVerifiedEmail,
    /// The login is refused.
    Refuse,
}

impl OnUnknown {
    /// The stable name: `create`, `link_verified_email` or `refuse`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::LinkVerifiedEmail => "link_verified_email",
            Self::Refuse => "refuse",
        }
    }
}

/// One OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcRealm {
    /// Its name in addresses: 1 to 64 of `a`–`z`, `0`–`9`, `-`, `_`.
    pub id: String,
    /// The button says "Login with" this.
    pub realm_name: String,
    /// The issuer, from which everything else is discovered.
    pub issuer: String,
    /// The client's id at the provider.
    pub client_id: String,
    /// The client's secret, `env:NAME` or `file:PATH`; absent: a public client with PKCE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretSource>,
    /// The scopes asked for.
    #[serde(default = "OidcRealm::default_scopes")]
    pub scopes: Vec<String>,
    /// What happens to an unknown subject.
    #[serde(default)]
    pub on_unknown: OnUnknown,
    /// The claim whose values map to roles; empty: none.
    #[serde(default)]
    pub role_claim: String,
    /// Which value of the claim gives which role.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// The `amr` or `acr` values that count as a second factor; empty: a code is asked for.
    #[serde(default)]
    pub second_factor: Vec<String>,
}

impl OidcRealm {
    fn default_scopes() -> Vec<String> {
        ["openid", "email", "profile"].map(str::to_owned).to_vec()
    }
}

/// One SAML identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SamlRealm {
    /// Its name in addresses: 1 to 64 of `a`–`z`, `0`–`9`, `-`, `_`.
    pub id: String,
    /// What the button says.
    #[serde(default = "SamlRealm::default_label")]
    pub label: String,
    /// The provider's metadata: `file:PATH` or `url:https://…`.
    pub idp_metadata: String,
    /// Our entity id; empty: the address of our metadata.
    #[serde(default)]
    pub entity_id: String,
    /// Whether our requests are signed.
    #[serde(default = "on")]
    pub sign_requests: bool,
    /// Whether we ask for signed assertions.
    #[serde(default = "on")]
    pub want_assertions_signed: bool,
    /// Whether the provider may begin a login.
    #[serde(default)]
    pub allow_idp_initiated: bool,
    /// Which attributes of the assertion say what.
    #[serde(default)]
    pub attributes: SamlAttributes,
    /// The attribute whose values map to roles; empty: none.
    #[serde(default)]
    pub role_claim: String,
    /// Which value of the attribute gives which role.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// The AuthnContextClassRef values that count as a second factor; empty: a code is asked for.
    #[serde(default)]
    pub second_factor: Vec<String>,
    /// What happens to an unknown subject.
    #[serde(default)]
    pub on_unknown: OnUnknown,
}

impl SamlRealm {
    fn default_label() -> String {
        "Login with SAML".to_owned()
    }
}

const fn on() -> bool {
    true
}

/// Which attributes of an assertion say what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamlAttributes {
    /// The e-mail address.
    pub email: String,
    /// The full name.
    pub full_name: String,
    /// The username.
    pub username: String,
}

impl Default for SamlAttributes {
    fn default() -> Self {
        Self { email: "mail".to_owned(), full_name: "displayName".to_owned(), username: "uid".to_owned() }
    }
}

impl SsoSection {
    pub(super) fn problems(&self) -> Vec<PolicyProblem> {
        let mut findings = Findings { found: Vec::new(), ids: HashSet::new() };
        for (at, realm) in self.oidc.iter().enumerate() {
            findings.oidc(&format!("sso.oidc[{at}]"), realm);
        }
        for (at, realm) in self.saml.iter().enumerate() {
            findings.saml(&format!("sso.saml[{at}]"), realm);
        }
        findings.found
    }
}

struct Findings<'a> {
    found: Vec<PolicyProblem>,
    ids: HashSet<&'a str>,
}

impl<'a> Findings<'a> {
    fn require(&mut self, holds: bool, key: String, value: impl Into<serde_json::Value>, allowed: &str) {
        if !holds {
            self.found.push(PolicyProblem::new(key, &value.into(), allowed));
        }
    }

    fn oidc(&mut self, at: &str, realm: &'a OidcRealm) {
        self.id(at, &realm.id);
        self.filled(&realm.realm_name, format!("{at}.realm_name"));
        self.filled(&realm.client_id, format!("{at}.client_id"));
        let issuer = is_provider(&realm.issuer);
        self.require(
            issuer,
            format!("{at}.issuer"),
            realm.issuer.as_str(),
            "an https address, or http on this machine",
        );
        let scopes = realm.scopes.iter().any(|scope| scope == "openid");
        self.require(scopes, format!("{at}.scopes"), realm.scopes.clone(), "a list with \"openid\"");
        self.roles(at, &realm.role_claim, &realm.roles);
    }

    fn saml(&mut self, at: &str, realm: &'a SamlRealm) {
        self.id(at, &realm.id);
        self.filled(&realm.label, format!("{at}.label"));
        let metadata = realm.idp_metadata.as_str();
        let file = metadata.strip_prefix("file:").is_some_and(|path| !path.is_empty());
        let known = file || metadata.strip_prefix("url:").is_some_and(is_provider);
        self.require(known, format!("{at}.idp_metadata"), metadata, "file:PATH or url:https://…");
        self.filled(&realm.attributes.email, format!("{at}.attributes.email"));
        self.roles(at, &realm.role_claim, &realm.roles);
    }

    fn id(&mut self, at: &str, id: &'a str) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        let named = (1..=64).contains(&id.len()) && id.bytes().all(plain);
        self.require(named, format!("{at}.id"), id, "1 to 64 of a-z, 0-9, - and _");
        let first = self.ids.insert(id);
        self.require(first, format!("{at}.id"), id, "each id once, OpenID Connect and SAML together");
    }

    fn filled(&mut self, text: &str, key: String) {
        let line = !text.trim().is_empty() && text.chars().count() <= 255 && !text.contains(char::is_control);
        self.require(line, key, text, "1 to 255 characters on one line");
    }

    fn roles(&mut self, at: &str, claim: &str, roles: &BTreeMap<String, String>) {
        let idle = claim.is_empty() && !roles.is_empty();
        self.require(!idle, format!("{at}.roles"), json!(roles), "{} while role_claim is empty");
        for (value, role) in roles {
            let known = Role::parse(role).is_ok();
            self.require(known, format!("{at}.roles.{value}"), role.as_str(), "a role: 1 to 64 of a-z, 0-9, - and _");
        }
    }
}

/// Whether providers may be reached there: encrypted, or on this machine.
fn is_provider(text: &str) -> bool {
    let loopback = |url: &Url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    Url::parse(text).is_ok_and(|url| {
        let anonymous = url.username().is_empty() && url.password().is_none();
        anonymous && (url.scheme() == "https" || url.scheme() == "http" && loopback(&url))
    })
}
