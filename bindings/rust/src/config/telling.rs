//! The whole file in sentences, and what of it is weaker than its figure.

use std::fmt::Debug;

use doorwarden_core::policy::{Explanation, Weakness};

use super::{Configuration, DirectoryPlace, OidcRealm, Preset, SamlRealm};

/// The order of the file.
const SECTIONS: [&str; 17] = [
    "public_url",
    "preset",
    "store",
    "mail",
    "login",
    "sign_up",
    "password",
    "hashing",
    "lockout",
    "totp",
    "session",
    "recovery",
    "keypairs",
    "audit",
    "web",
    "console",
    "sso",
];

impl Configuration {
    /// The file in sentences, by section in the order of the file; every key is named at least once.
    pub fn explain(&self) -> Vec<Explanation> {
        let mut sentences = self.policy().explain();
        sentences.extend(self.tell_store());
        sentences.extend(self.tell_presets());
        sentences.extend(self.tell_web_and_console());
        sentences.extend(self.tell_realms());
        let place = |sentence: &Explanation| SECTIONS.iter().position(|section| *section == sentence.section());
        sentences.sort_by_key(place);
        sentences
    }

    /// Where the policy departs from modern advice; see [`Policy::advice`](doorwarden_core::policy::Policy::advice).
    pub fn advice(&self) -> Vec<Explanation> {
        self.policy().advice()
    }

    /// Every setting that is weaker than its figure.
    pub fn weaknesses(&self) -> Vec<Weakness> {
        let mut found = self.policy().weaknesses();
        if self.web.trust_proxy.iter().any(doorwarden_core::network::Network::is_everyone) {
            let says = "every client may say which address it comes from: name the proxies alone";
            found.push(Weakness::new("GU9", "web.trust_proxy", says));
        }
        if self.store.is_redis_overheard() {
            let says = "what is said to Redis on another machine can be read and changed on the way: write rediss://";
            found.push(Weakness::new("FA11", "store.volatile", says));
        }
        found
    }

    fn tell_store(&self) -> [Explanation; 5] {
        let preset = match self.preset {
            Preset::Classic => "Keys that are left out have the rules of classic",
            Preset::Nist => "Keys that are left out follow the advice of NIST SP 800-63B-4",
        };
        let directory = match self.directory() {
            Some(DirectoryPlace::Sqlite(path)) => format!("Accounts are kept in the SQLite file {}", path.display()),
            Some(DirectoryPlace::Memory) => "Accounts are kept in memory and gone when the process ends".to_owned(),
            Some(DirectoryPlace::Postgres) => format!("Accounts are kept in PostgreSQL at {}", self.store.server()),
            None => "Accounts are kept nowhere that is known".to_owned(),
        };
        let volatile = match self.store.redis() {
            None => "Sessions, lockouts and tickets are kept in the same place".to_owned(),
            Some(servers) => format!("Sessions, lockouts and tickets are kept in Redis at {servers}"),
        };
        let seal = format!("What must be readable again is sealed with the key of {}", self.store.seal_key);
        let old = match self.store.seal_keys_old.as_slice() {
            [] => "No older key opens anything".to_owned(),
            old => format!(
                "Older keys open what they sealed: {}",
                old.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        };
        [
            Explanation::new(&["preset"], preset),
            Explanation::new(&["store.directory"], directory),
            Explanation::new(&["store.volatile"], volatile),
            Explanation::new(&["store.seal_key"], seal),
            Explanation::new(&["store.seal_keys_old"], old),
        ]
    }

    fn tell_web_and_console(&self) -> [Explanation; 4] {
        let proxies: Vec<_> = self.web.trust_proxy.iter().map(|range| String::from(*range)).collect();
        let proxies = match proxies.as_slice() {
            [] => "A client's address is the one that its connection comes from".to_owned(),
            proxies => format!("These proxies may say which address a client comes from: {}", proxies.join(", ")),
        };
        let metrics = if self.web.metrics { "Anybody can read the metrics" } else { "The metrics are closed" };
        let logo = self.logo().map_or_else(
            || "The portal has no logo".to_owned(),
            |path| format!("The portal's logo is {}", path.display()),
        );
        [
            Explanation::new(&["web.prefix"], format!("The API is under {}", self.web.prefix)),
            Explanation::new(&["web.trust_proxy"], proxies),
            Explanation::new(&["web.metrics"], metrics),
            Explanation::new(&["console.logo"], logo),
        ]
    }

    fn tell_realms(&self) -> Vec<Explanation> {
        let mut sentences: Vec<_> =
            self.sso.oidc.iter().map(|realm| Explanation::new(&["sso.oidc"], oidc(realm))).collect();
        sentences.extend(self.sso.saml.iter().map(|realm| Explanation::new(&["sso.saml"], saml(realm))));
        if self.sso.oidc.is_empty() {
            sentences.push(Explanation::new(&["sso.oidc"], "No OpenID provider is asked"));
        }
        if self.sso.saml.is_empty() {
            sentences.push(Explanation::new(&["sso.saml"], "No SAML identity provider is asked"));
        }
        sentences
    }
}

fn oidc(realm: &OidcRealm) -> String {
    let client = realm
        .client_secret
        .as_ref()
        .map_or_else(|| "public".to_owned(), |source| format!("with the secret of {source}"));
    let (name, id, issuer, client_id) = (&realm.realm_name, &realm.id, &realm.issuer, &realm.client_id);
    let scopes = realm.scopes.join(" ");
    let rest = subjects(realm.on_unknown.name(), &realm.role_claim, &realm.roles, &realm.second_factor);
    format!(
        "\"Login with {name}\" (realm {id}) asks {issuer} as the client {client_id:?}, {client}, for {scopes}; {rest}"
    )
}

fn saml(realm: &SamlRealm) -> String {
    let entity = if realm.entity_id.is_empty() { "its metadata address" } else { realm.entity_id.as_str() };
    let requests = if realm.sign_requests { "signed" } else { "unsigned" };
    let assertions = if realm.want_assertions_signed { "signed" } else { "any" };
    let begun = if realm.allow_idp_initiated {
        "logins that the provider begins are accepted"
    } else {
        "only logins begun here are accepted"
    };
    let names = &realm.attributes;
    let rest = subjects(realm.on_unknown.name(), &realm.role_claim, &realm.roles, &realm.second_factor);
    format!(
        "{:?} (realm {}) asks the provider of {} as {entity} by {requests} requests for {assertions} assertions, {begun}; \
         e-mail, full name and username are {}, {} and {}; {rest}",
        realm.label, realm.id, realm.idp_metadata, names.email, names.full_name, names.username
    )
}

fn subjects(on_unknown: &str, role_claim: &str, roles: &impl Debug, second_factor: &[String]) -> String {
    let roles = if role_claim.is_empty() {
        "roles aren't read".to_owned()
    } else {
        format!("roles are read from {role_claim} by {roles:?}")
    };
    let factor = match second_factor {
        [] => "a code is asked where the account has one".to_owned(),
        values => format!("these count as a second factor: {}", values.join(", ")),
    };
    format!("unknown subjects: {on_unknown}; {roles}; {factor}")
}
