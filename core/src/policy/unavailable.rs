//! What the policy file can ask for and this build can't do yet: the one list. A feature that arrives deletes its line.

use serde_json::Value;

use super::PolicyProblem;

/// A key of which this build accepts only some values. A list is accepted if each of its items is.
struct Lack {
    key: &'static str,
    /// The values that work, as text; one that ends in `*` is a beginning.
    only: &'static [&'static str],
}

const fn lack(key: &'static str, only: &'static [&'static str]) -> Lack {
    Lack { key, only }
}

const LACKS: &[Lack] = &[lack("session.cache", &["off"]), lack("sso.oidc", &[]), lack("sso.saml", &[])];

/// What a tree of settings (see [`Policy::settings`](super::Policy::settings)) asks for and this build can't do.
///
/// [`Policy::problems`](super::Policy::problems) includes it for the policy's own keys; who reads a whole file asks for
/// the rest of its keys.
pub fn unavailable(settings: &Value) -> Vec<PolicyProblem> {
    let asked = |lack: &Lack| lookup(settings, lack.key).filter(|value| !lack.accepts(value));
    let problem = |lack: &Lack, value: &Value| PolicyProblem::new(lack.key, value, lack.allowed(value));
    LACKS.iter().filter_map(|lack| asked(lack).map(|value| problem(lack, value))).collect()
}

/// Whether this build can do what `key` set to `value` asks for.
pub(super) fn is_available(key: &str, value: &Value) -> bool {
    LACKS.iter().filter(|lack| lack.key == key).all(|lack| lack.accepts(value))
}

/// The setting of a dotted key.
pub(super) fn lookup<'a>(settings: &'a Value, key: &str) -> Option<&'a Value> {
    settings.pointer(&format!("/{}", key.replace(['.', '['], "/").replace(']', "")))
}

impl Lack {
    fn accepts(&self, value: &Value) -> bool {
        let known = |text: &str| {
            self.only.iter().any(|only| only.strip_suffix('*').map_or(text == *only, |start| text.starts_with(start)))
        };
        match value {
            Value::Array(items) => items.iter().all(|item| self.accepts(item)),
            Value::String(text) => known(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => known(&value.to_string()),
        }
    }

    fn allowed(&self, value: &Value) -> String {
        let quoted = |only: &&str| match value {
            Value::Bool(_) | Value::Number(_) => (*only).to_owned(),
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                format!("\"{}\"", only.replace('*', "…"))
            }
        };
        let only = self.only.iter().map(quoted).collect::<Vec<_>>().join(" or ");
        let only = match value {
            Value::Array(_) => format!("[{only}]"),
            _ => only,
        };
        format!("{only}: anything else is not available in this build")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::changed;

    #[test]
    fn what_this_build_lacks_is_refused_and_named() {
        let problems: Vec<_> =
            changed(&[("session.cache", r#""1s""#)]).problems().iter().map(ToString::to_string).collect();
        let message = r#"session.cache = "1s": allowed is "off": anything else is not available in this build"#;
        assert_eq!(problems, [message]);
    }

    #[test]
    fn other_keys_of_a_file_are_judged_by_the_same_list() {
        let settings = serde_json::json!({
            "store": { "directory": "postgres://u:p@db/x", "volatile": "redis://:p@cache" },
            "sso": { "oidc": [{ "id": "corp", "client_secret": "env:X" }], "saml": [] },
        });
        let seen: Vec<_> = unavailable(&settings).into_iter().map(|p| format!("{} = {}", p.key, p.seen)).collect();
        assert_eq!(seen, ["sso.oidc = [1 entry]"]);
    }

    #[test]
    fn every_line_of_the_list_refuses_something() {
        for lack in LACKS {
            assert!(!lack.accepts(&serde_json::json!("anything else")), "{}", lack.key);
        }
    }
}
