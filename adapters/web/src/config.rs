//! What the router is told by its host: [`WebSettings`].

use doorwarden_core::network::Network;

/// How the router is mounted and what its console looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSettings {
    /// The path that everything is under; empty: the root.
    pub prefix: String,
    /// Whose `X-Forwarded-For` is believed.
    pub trust_proxy: Vec<Network>,
    /// Whether `/metrics` is open, to anybody.
    pub metrics: bool,
    /// How the console looks.
    pub console: ConsoleSettings,
}

/// How the console looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleSettings {
    /// What the service is called.
    pub name: String,
    /// The path of its logo; `None`: none.
    pub logo: Option<String>,
    /// Its colour, as CSS writes it.
    pub accent: String,
    /// The languages that it speaks, the default first.
    pub locales: Vec<String>,
}

impl Default for WebSettings {
    fn default() -> Self {
        let (prefix, console) = ("/auth".to_owned(), ConsoleSettings::default());
        Self { prefix, trust_proxy: Vec::new(), metrics: false, console }
    }
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self {
            name: "doorwarden".to_owned(),
            logo: None,
            accent: "#2f6feb".to_owned(),
            locales: vec!["en".to_owned(), "ko".to_owned()],
        }
    }
}

impl WebSettings {
    /// The prefix with a slash in front and none behind, however it was written; empty for the root.
    pub(crate) fn path(&self) -> String {
        match self.prefix.trim_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_read_with_or_without_its_slashes() {
        for (written, path) in
            [("/auth", "/auth"), ("auth", "/auth"), ("/auth/", "/auth"), ("/a/b", "/a/b"), ("/", ""), ("", "")]
        {
            let settings = WebSettings { prefix: written.to_owned(), ..WebSettings::default() };
            assert_eq!(settings.path(), path, "{written}");
        }
    }
}
