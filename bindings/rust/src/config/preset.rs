//! The preset that a file begins with: its keys apply where the file is silent.

use doorwarden_core::policy::{Explanation, Policy, nist};
use doorwarden_core::totp::{TotpMode, TotpPolicy};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Configuration;

/// Which rules a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The defaults of every key, as documented.
    #[default]
    Classic,
    /// The advice of NIST SP 800-63B-4.
    Nist,
}

/// What the preset that a file names adds to it, as another file; empty for `classic`.
pub(super) fn lines(file: &DeTable<'_>) -> String {
    if text(file.get("preset")) != Some("nist") {
        return String::new();
    }
    let totp = file.get("totp").and_then(|totp| totp.get_ref().as_table());
    let asked = |key: &str| totp.and_then(|totp| totp.get(key));
    let of_everybody = asked("mode").is_none_or(|mode| text(Some(mode)) == Some("required"))
        && asked("roles").and_then(|roles| roles.get_ref().as_array()).is_none_or(|roles| roles.is_empty());
    // What JSON writes of these values is TOML, too.
    nist(of_everybody).iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

fn text<'v>(value: Option<&'v Spanned<DeValue<'_>>>) -> Option<&'v str> {
    value.and_then(|value| value.get_ref().as_str())
}

/// The file with what `preset` says where the file is silent.
pub(super) fn complete<'a>(file: &mut DeTable<'a>, preset: DeTable<'a>) {
    for (name, value) in preset {
        match file.get_mut(&name).map(Spanned::get_mut) {
            None => drop(file.insert(name, value)),
            Some(DeValue::Table(own)) => {
                if let DeValue::Table(below) = value.into_inner() {
                    complete(own, below);
                }
            }
            // The file's own.
            Some(_) => {}
        }
    }
}

impl Configuration {
    /// Where the presets differ, and what holds here.
    pub(super) fn tell_presets(&self) -> Vec<Explanation> {
        let (classic, here) = (Policy::default().settings(), self.policy().settings());
        let setting = |settings: &Value, key: &str| {
            settings.pointer(&format!("/{}", key.replace('.', "/"))).cloned().unwrap_or_default()
        };
        let TotpPolicy { mode, roles, .. } = &self.totp;
        let of_everybody = *mode == TotpMode::Required && roles.is_empty();
        let told = nist(of_everybody).into_iter().map(|(key, nist)| {
            let (classic, here) = (setting(&classic, key), setting(&here, key));
            format!("{key} is {classic} under classic and {nist} under nist; here it is {here}")
        });
        let refused = "password.max_age can be set under classic and is refused under nist".to_owned();
        told.chain([refused]).map(|says| Explanation::new(&["preset"], says)).collect()
    }
}
