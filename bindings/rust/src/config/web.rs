//! The `[web]` and `[console]` sections: how requests arrive, and how the console looks.

use std::path::{Path, PathBuf};

use doorwarden_core::network::Network;
use serde::{Deserialize, Serialize};

/// The `[web]` section of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebSection {
    /// The path that the API is under: begins with `/`, doesn't end with it.
    pub prefix: String,
    /// The proxies whose `X-Forwarded-For` is believed: addresses, or ranges such as `10.0.0.0/8`.
    pub trust_proxy: Vec<Network>,
    /// Sign-ups, resends, forgotten passwords and invitation tries from one client address an hour; 0: no limit.
    pub per_address_hour: u32,
    /// Whether `/metrics` is open.
    pub metrics: bool,
}

impl Default for WebSection {
    fn default() -> Self {
        Self { prefix: "/auth".to_owned(), trust_proxy: Vec::new(), per_address_hour: 60, metrics: false }
    }
}

impl WebSection {
    pub(super) fn has_prefix(&self) -> bool {
        let segment = |part: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !part.is_empty() && part.bytes().all(plain) && part != "." && part != ".."
        };
        self.prefix.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment))
    }
}

/// The languages that the console speaks.
pub(super) const LOCALES: [&str; 2] = ["en", "ko"];

/// The `[console]` section of the file: how the portal looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleSection {
    /// What the service is called, in mails too.
    pub name: String,
    /// `file:PATH` of an image, or empty.
    pub logo: String,
    /// The accent colour, `#rrggbb`.
    pub accent: String,
    /// The languages offered; the first is the default.
    pub locales: Vec<String>,
}

impl Default for ConsoleSection {
    fn default() -> Self {
        Self {
            name: "doorwarden".to_owned(),
            logo: String::new(),
            accent: "#2f6feb".to_owned(),
            locales: LOCALES.map(str::to_owned).to_vec(),
        }
    }
}

impl ConsoleSection {
    /// The logo's file, a relative path beginning at `base`.
    pub(super) fn logo(&self, base: &Path) -> Option<PathBuf> {
        self.logo.strip_prefix("file:").filter(|path| !path.is_empty()).map(|path| base.join(path))
    }

    pub(super) fn has_accent(&self) -> bool {
        let digits = self.accent.strip_prefix('#');
        digits.is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    pub(super) fn has_locales(&self) -> bool {
        let known = |at: usize, locale: &String| {
            LOCALES.contains(&locale.as_str()) && !self.locales.iter().take(at).any(|earlier| earlier == locale)
        };
        !self.locales.is_empty() && self.locales.iter().enumerate().all(|(at, locale)| known(at, locale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path() {
        for (prefix, fits) in [
            ("/auth", true),
            ("/api/v1/auth", true),
            ("", false),
            ("/", false),
            ("auth", false),
            ("/auth/", false),
            ("//auth", false),
            ("/a/../b", false),
            ("/{id}", false),
            ("/a b", false),
        ] {
            assert_eq!(
                WebSection { prefix: prefix.to_owned(), ..WebSection::default() }.has_prefix(),
                fits,
                "{prefix}"
            );
        }
    }
}
