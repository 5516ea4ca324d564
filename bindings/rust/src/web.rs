//! The JSON API as an axum router; see [`doorwarden_web`].

pub use doorwarden_web::*;

use crate::config::Configuration;

impl Configuration {
    /// How the router is mounted and the console looks, as the `[web]` and `[console]` sections say.
    ///
    /// The logo is named by the path `logo_path` under which the host serves the file; see [`Configuration::logo`].
    pub fn web_settings(&self, logo_path: &str) -> WebSettings {
        let console = ConsoleSettings {
            name: self.console.name.clone(),
            logo: self.logo().map(|_| logo_path.to_owned()),
            accent: self.console.accent.clone(),
            locales: self.console.locales.clone(),
        };
        let (prefix, trust_proxy) = (self.web.prefix.clone(), self.web.trust_proxy.clone());
        WebSettings { prefix, trust_proxy, metrics: self.web.metrics, console }
    }
}
