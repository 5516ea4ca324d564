//! One thing that is wrong with a policy, and how a setting is shown.

use std::fmt;

use serde_json::Value;

/// One setting that can't be as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyProblem {
    /// The dotted key of the policy file: `session.max_lifetime`, `sign_up.fields[0].name`.
    pub key: String,
    /// The value, as the file would write it; passwords in addresses are left out.
    pub seen: String,
    /// What is allowed instead.
    pub allowed: String,
    /// The other key of a contradiction.
    pub against: Option<String>,
}

impl PolicyProblem {
    /// `key` is set to `value`, which isn't `allowed`.
    pub fn new(key: impl Into<String>, value: &Value, allowed: impl Into<String>) -> Self {
        Self { key: key.into(), seen: seen(value), allowed: allowed.into(), against: None }
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: allowed is {}", self.key, self.seen, self.allowed)
    }
}

/// A setting as the file would write it, without the passwords that addresses may hold, in one line.
pub(super) fn seen(value: &Value) -> String {
    match value {
        Value::String(text) => Value::from(without_password(text)).to_string(),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            format!("[{} {}]", items.len(), if items.len() == 1 { "entry" } else { "entries" })
        }
        Value::Array(items) => format!("[{}]", items.iter().map(seen).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A text without the user and password of an address.
pub(crate) fn without_password(text: &str) -> String {
    let parts = text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)));
    parts.map_or_else(|| text.to_owned(), |(scheme, place)| format!("{scheme}://…@{place}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_setting_is_shown_as_the_file_would_write_it_in_one_line_without_passwords() {
        for (value, shown) in [
            (json!("a\nb"), r#""a\nb""#),
            (json!(3), "3"),
            (json!(["a", "b"]), r#"["a", "b"]"#),
            (json!([{"id": "corp"}]), "[1 entry]"),
            (json!("redis://:p@ss@cache:6379"), r#""redis://…@cache:6379""#),
            (json!("https://example.org"), r#""https://example.org""#),
        ] {
            assert_eq!(seen(&value), shown);
        }
    }
}
